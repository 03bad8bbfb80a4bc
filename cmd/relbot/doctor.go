package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/relbot/relbot/deploy"
	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/doctor"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/ghapp"
	"github.com/relbot/relbot/internal/scenario"
	"github.com/relbot/relbot/internal/settings"
	"github.com/relbot/relbot/internal/store/engine"
)

func doctorCommand() *cobra.Command {
	var repos []string
	var format string
	var setHook bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say what keeps relbot from working, and how to fix it; exits 1 on a problem, 3 when it cannot tell",
		Long: "Say what keeps relbot from working, and how to fix it: settings, database, key, clock, permissions, webhook, and for each\n" +
			"repository the policy, the required check and the merge queue. It takes the settings of `relbot serve`, may run next to it, and changes\nnothing unless --set-webhook is given. Exits 1 when there is a problem, 3 when something could not be determined.",
		Args: cobra.NoArgs,
	}
	load := settingsFlags(c)
	c.Flags().StringSliceVar(&repos, "repo", nil, "only these repositories, as owner/name; all on which the App is installed when not given")
	c.Flags().StringVar(&format, "format", "text", "text or json")
	c.Flags().BoolVar(&setHook, "set-webhook", false, "first write public_url and the newest webhook secret into the App's webhook at GitHub")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if format != "text" && format != "json" {
			return fmt.Errorf("--format %q: want text or json", format)
		}
		var wanted []coupling.Repo
		for _, text := range repos {
			repo, err := coupling.ParseRepo(text)
			if err != nil {
				return fmt.Errorf("--repo: %w", err)
			}
			wanted = append(wanted, repo)
		}
		set, err := load()
		var findings []doctor.Finding
		var problems settings.Problems
		switch {
		case errors.As(err, &problems):
			for _, p := range problems {
				findings = append(findings, doctor.Finding{Check: "settings", State: doctor.Problem, Message: p, Fix: "Correct it there."})
			}
		case err != nil:
			return err
		case !set.Registered():
			fix := fmt.Sprintf("`relbot setup` registers one and writes the settings; for one that is registered add the line %q with key and webhook secret to %s.", settings.Missing("github_app_id"), set.File)
			if lost := lostSettings(set); lost != nil {
				fix = lost.Error()
			}
			findings = []doctor.Finding{{Check: "settings", State: doctor.Problem, Message: "no App is set", Fix: fix}}
		default:
			app, err := ghapp.New(ghapp.Settings{APIURL: set.GitHubAPIURL, AppID: set.AppID, Key: set.PrivateKey})
			if err != nil {
				return err
			}
			if setHook {
				if set.PublicURL == "" {
					return errors.New("--set-webhook needs public_url")
				}
				if err := app.SetHook(cmd.Context(), set.PublicURL+"/webhook", string(set.WebhookSecrets[0])); err != nil {
					return unsure(fmt.Errorf("set the webhook: %w", err))
				}
			}
			findings = doctor.Run(cmd.Context(), doctorOptions(set, app, wanted))
		}
		if err := tellFindings(cmd.OutOrStdout(), findings, format); err != nil {
			return unsure(err)
		}
		switch doctor.Worst(findings) {
		case doctor.Problem:
			return blocked
		case doctor.Unknown:
			return exit{code: exitUnknown}
		}
		return nil
	}
	return c
}

// doctorOptions are the checks of a server with these settings.
func doctorOptions(set *settings.Settings, app *ghapp.App, repos []coupling.Repo) doctor.Options {
	return doctor.Options{
		GitHub: app, AppID: set.AppID, Web: ghapp.WebURL(set.GitHubAPIURL), Wanted: wantedGrant(), PublicURL: set.PublicURL, Reach: reach, Now: time.Now, Repos: repos,
		Database: func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
			defer cancel()
			return engine.Check(ctx, set.DatabaseURL)
		},
	}
}

// wantedGrant is what the App's manifest asks for.
func wantedGrant() forge.Grant {
	var g forge.Grant
	if err := json.Unmarshal(deploy.Manifest, &g); err != nil {
		panic(err) // it is part of the program
	}
	return g
}

// reach asks for a page, for a short time.
func reach(ctx context.Context, url string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	res.Body.Close()
	return res.StatusCode, nil
}

// tellFindings prints findings; its JSON is {"checks":[…],"state"}.
func tellFindings(out io.Writer, findings []doctor.Finding, format string) error {
	if format == "json" {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(struct {
			Checks []doctor.Finding `json:"checks"`
			State  doctor.State     `json:"state"`
		}{append([]doctor.Finding{}, findings...), doctor.Worst(findings)})
	}
	p := scenario.Printer{W: out, Colour: colours(out)}
	paint := map[doctor.State]string{doctor.Fine: "pass", doctor.Warning: "wait", doctor.Unknown: "unknown", doctor.Problem: "block"}
	for _, f := range findings {
		subject := ""
		if f.Subject != "" {
			subject = " " + f.Subject
		}
		fmt.Fprintf(out, "%s  %s%s: %s\n", p.Paint(paint[f.State], fmt.Sprintf("%-8s", f.State)), f.Check, subject, f.Message)
		if f.Fix != "" {
			fmt.Fprintf(out, "          → %s\n", f.Fix)
		}
	}
	return nil
}
