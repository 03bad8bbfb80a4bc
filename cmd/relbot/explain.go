package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/policy"
	"github.com/relbot/relbot/internal/reconcile"
	"github.com/relbot/relbot/internal/rules"
)

func configExplainCommand() *cobra.Command {
	var f onceFlags
	c := &cobra.Command{
		Use:   "explain [FILE]",
		Short: "Say in words what a policy means, and with --repo what it means for the pull requests that are open now",
		Long: "Say in words what a policy means. With --repo GitHub is read, with GITHUB_TOKEN, --token-file or as the App of --config: then each coupling is shown\n" +
			"with the present state of its pull requests, under FILE in place of the repository's own policy where FILE is given. Nothing is written.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("repo") {
				path := policy.Path
				if len(args) > 0 {
					path = args[0]
				}
				p, err := readPolicy(placeholder, path, cmd.ErrOrStderr())
				if err != nil {
					return err
				}
				explain(cmd.OutOrStdout(), placeholder, *p, nil)
				return nil
			}
			r, repo, done, err := f.connect(cmd.Context(), f.format)
			if err != nil {
				return err
			}
			defer done()
			var instead *rules.Policy
			if len(args) > 0 {
				if instead, err = readPolicy(repo, args[0], cmd.ErrOrStderr()); err != nil {
					return err
				}
			}
			m, err := r.Explain(cmd.Context(), repo, instead)
			if err != nil {
				return unsure(err)
			}
			explain(cmd.OutOrStdout(), repo, m.Policy, &m)
			return nil
		},
	}
	f.register(c, "text")
	return c
}

// present tells which state a coupling is in.
func present(w io.Writer, home coupling.Repo, c coupling.Coupling, now reconcile.Meaning) {
	for _, j := range now.Judgements {
		if j.Coupling.Name != c.Name {
			continue
		}
		fmt.Fprintf(w, "  Now it is %s", j.State)
		if j.Train != "" && !j.State.Ended() {
			fmt.Fprintf(w, "; what merges into %s ships in %s", j.Base, j.Train)
		}
		fmt.Fprintln(w, ".")
		for _, m := range j.Members {
			fmt.Fprintf(w, "    %s %s is %s", m.Role, m.Pull.In(home), m.State)
			switch {
			case m.State != "open" && m.State != "draft":
				if m.ShipsIn != "" {
					fmt.Fprintf(w, "; it ships in %s", m.ShipsIn)
				}
			case m.Verdict.Level == rules.Pass:
				fmt.Fprint(w, " and may merge")
			default:
				fmt.Fprintf(w, ": %s", map[rules.Level]string{rules.Wait: "it has to wait", rules.Block: "it is blocked", rules.Unknown: "it cannot be judged"}[m.Verdict.Level])
			}
			fmt.Fprintln(w, ".")
			for _, r := range slices.Concat(m.Verdict.Reasons, m.Verdict.Warnings) {
				fmt.Fprintf(w, "      %s: %s %s\n", r.Code, note.Plain(r, home), note.PlainRemedy(r, home))
			}
		}
	}
}

// maxOthers bounds the list of pull requests of which there is nothing to say.
const maxOthers = 20

// others tells of the open pull requests that are in no coupling.
func others(w io.Writer, home coupling.Repo, now reconcile.Meaning) {
	coupled := map[coupling.Pull]bool{}
	for _, c := range now.Policy.Couplings {
		for _, m := range c.Members {
			coupled[m.Pull] = true
		}
	}
	var names []string
	for _, p := range now.Open {
		if !coupled[p.Pull] {
			names = append(names, p.Pull.In(home))
		}
	}
	switch n := len(names); {
	case n == 0:
		fmt.Fprintln(w, "\nNo other pull request is open.")
		return
	case n > maxOthers:
		names = append(names[:maxOthers], fmt.Sprintf("and %d more", n-maxOthers))
	}
	unless := "the policy"
	if len(now.Policy.Gates) > 0 {
		unless = "a registered gate or the policy"
	}
	fmt.Fprintf(w, "\nIn no coupling of the policy, so that their check passes unless they change %s: %s.\n", unless, strings.Join(names, ", "))
}

// explain says in words what a policy means, and of the pull requests that are open now where it is known.
func explain(w io.Writer, home coupling.Repo, p rules.Policy, now *reconcile.Meaning) {
	if r := p.Releases; r != nil {
		tags := r.Tags
		if tags == "" {
			tags = "{version}"
		}
		fmt.Fprintf(w, "Releases are the tags %s. What a branch is building is in ", tags)
		for i, d := range r.DevVersion {
			if i > 0 {
				fmt.Fprint(w, ", and the same in ")
			}
			if d.Tags {
				fmt.Fprint(w, "its tags alone")
			} else {
				fmt.Fprintf(w, "%s (%s)", d.Path, d.Selector)
			}
		}
		fmt.Fprintln(w, ".")
		if r.CutOn == "final" {
			fmt.Fprintln(w, "A release is cut by its final tag.")
		} else {
			fmt.Fprintln(w, "A release is cut by its first tag, a candidate included: what merges after that ships in the next.")
		}
	} else {
		fmt.Fprintln(w, "No releases are declared: order is judged, releases are not.")
	}
	for _, c := range p.Couplings {
		fmt.Fprintf(w, "\n%s (%s)\n", c.Heading(), c.Name)
		for _, m := range c.Members {
			alone := ""
			if m.SafeAlone {
				alone = "; it may ship in an earlier release than the rest"
			}
			fmt.Fprintf(w, "  %s is %s%s.\n", m.Role, m.Pull.In(home), alone)
		}
		if c.SameRelease && len(c.Members) > 1 && p.Releases != nil {
			fmt.Fprintln(w, "  All ship in one release.")
		}
		for _, e := range c.Order {
			how := "has to merge before"
			switch {
			case e.With:
				how = "has to land together with"
			case e.Together:
				how = "has to merge before, or in one merge group with,"
			}
			reason := ""
			if e.Reason != "" {
				reason = ": " + e.Reason
			}
			fmt.Fprintf(w, "  %s %s %s%s.\n", e.Before, how, e.After, strings.TrimSuffix(reason, "."))
		}
		for _, u := range c.Gates {
			g, _ := p.Gate(u.Gate)
			of := "in which " + u.Subject + " first ships"
			if u.Subject == coupling.Evidence {
				of = "from which on its evidence holds"
			}
			verb := map[rules.Relation]string{rules.IntroducedIn: "must name the release", rules.AtLeast: "must name the release, or a later one,", rules.RemovedIn: "promises the removal in the release"}[g.Relation]
			fmt.Fprintf(w, "  The gate %s in %s %s %s (compared at %s precision).\n", g.ID, g.Find.Path, verb, of, g.Precision)
		}
		if now != nil {
			present(w, home, c, *now)
		}
	}
	if now != nil {
		others(w, home, *now)
	}
	fmt.Fprintf(w, "\nChanging couplings by command needs %s, a hold %s, an override %s.\n", p.Permissions.Link, p.Permissions.Hold, p.Permissions.Override)
	if len(p.Trust) > 0 {
		fmt.Fprintf(w, "Couplings at home in these repositories may block pull requests here: %v.\n", p.Trust)
	}
}
