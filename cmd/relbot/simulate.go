package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghapp"
	"github.com/relbot/relbot/internal/scenario"
	"github.com/relbot/relbot/internal/server"
	"github.com/relbot/relbot/internal/store/engine"
)

// startSimulated makes the same server as `relbot serve`, with a clock that a scenario moves.
func startSimulated(ctx context.Context, o scenario.StartOptions) (scenario.Server, error) {
	return simulated(ctx, o, server.Options{})
}

// simulated is [startSimulated] with some options set.
func simulated(ctx context.Context, o scenario.StartOptions, options server.Options) (scenario.Server, error) {
	st, err := engine.Open(ctx, o.DatabaseURL)
	if err != nil {
		return nil, err
	}
	app, err := ghapp.New(ghapp.Settings{APIURL: o.APIURL, HTTP: o.HTTP, AppID: o.AppID, Key: o.Key, Log: o.Log, Now: o.Now})
	if err != nil {
		return nil, err
	}
	options.Store, options.GitHub, options.Secrets, options.Now, options.Log, options.PublicURL, options.Seed, options.Owner = st, app, [][]byte{[]byte(o.Secret)}, o.Now, o.Log, o.PublicURL, o.Key, uuid.NewString()
	for name, text := range o.Settings {
		switch name {
		case "reconcile_interval", "debounce":
			d, err := time.ParseDuration(text)
			if err != nil {
				return nil, fmt.Errorf("settings: %s: %w", name, err)
			}
			if name == "debounce" {
				options.Debounce = d
			} else {
				options.ReconcileInterval = d
			}
		case "public_url":
			options.PublicURL = text
		default:
			return nil, fmt.Errorf("settings: %s has no meaning in a simulation: want reconcile_interval, debounce or public_url", name)
		}
	}
	return server.New(options)
}

func simulateCommand() *cobra.Command {
	var format, database, address string
	var until int
	c := &cobra.Command{
		Use:   "simulate FILE…",
		Short: "Run scenario files through the whole server against the embedded GitHub",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "text" && format != "json" {
				return fmt.Errorf("--format %q: want text or json", format)
			}
			if address != "" {
				if len(args) != 1 || format != "text" || database != "" {
					return errors.New("--serve shows one file, as text, on a temporary database")
				}
				return simulateOpenly(cmd.Context(), args[0], address, until, cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			if until != 0 {
				return errors.New("--until goes with --serve")
			}
			return simulate(cmd.Context(), args, format, database, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&format, "format", "text", "text or json")
	c.Flags().StringVar(&address, "serve", "", "serve the pages of the embedded GitHub and the dashboard at this address, and keep them open at the end")
	c.Flags().IntVar(&until, "until", 0, "with --serve: stop after this step, and look")
	c.Flags().StringVar(&database, "database-url", "", "run on this database instead of a temporary SQLite file; it must be empty")
	return c
}

// simulate runs files and prints what came of them. Files that cannot be read are usage errors, found before anything runs.
func simulate(ctx context.Context, paths []string, format, database string, stdout, stderr io.Writer) error {
	all, err := loadScenarios(paths, stderr)
	if err != nil {
		return err
	}
	o := scenario.Options{Start: startSimulated}
	if database != "" {
		o.Database = func() (string, error) { return database, nil }
	}
	out := scenario.Result{OK: true}
	printer := scenario.Printer{W: stdout, Colour: colours(stdout)}
	for _, s := range all {
		r, err := scenario.Run(ctx, s, o)
		if err != nil {
			return unsure(err)
		}
		out.Files = append(out.Files, r)
		out.OK = out.OK && r.OK
		if format == "text" {
			printer.File(r)
		}
	}
	if format == "json" {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		if err := enc.Encode(out); err != nil {
			return unsure(err)
		}
	}
	if !out.OK {
		return blocked
	}
	return nil
}

// loadScenarios reads files, and tells on stderr what is wrong with those that cannot be run.
func loadScenarios(paths []string, stderr io.Writer) ([]*scenario.Scenario, error) {
	var all []*scenario.Scenario
	bad := 0
	for _, path := range paths {
		s, problems, err := scenario.Load(path)
		if err != nil {
			fmt.Fprintf(stderr, "%v\n", err)
			bad++
		}
		for _, p := range problems {
			fmt.Fprintf(stderr, "%s:%s\n", path, p)
		}
		if len(problems) > 0 {
			bad++
		}
		all = append(all, s)
	}
	if bad > 0 {
		return nil, exit{exitUsage, fmt.Errorf("%d of %d files cannot be run", bad, len(paths))}
	}
	return all, nil
}

// simulateOpenly runs one file up to a step (0 is all of them), with the pages open to look at meanwhile and at the end.
func simulateOpenly(ctx context.Context, path, address string, until int, stdout, stderr io.Writer) error {
	all, err := loadScenarios([]string{path}, stderr)
	if err != nil {
		return err
	}
	s := all[0]
	if until < 0 || until > len(s.Steps) {
		return fmt.Errorf("--until %d: %s has %s", until, path, coupling.Count(len(s.Steps), "step"))
	}
	shown, err := newStage(address, s)
	if err != nil {
		return err
	}
	defer shown.close()
	w, err := scenario.NewWorld(ctx, s, scenario.Options{Start: shown.start})
	if err != nil {
		return unsure(err)
	}
	defer w.Close()
	shown.show(stdout, w)
	printer := scenario.Printer{W: stdout, Colour: colours(stdout)}
	ok := true
	for _, step := range s.Steps[:cmp.Or(until, len(s.Steps))] {
		r := w.Step(ctx, step)
		printer.Step(r)
		ok = ok && r.OK
	}
	if err := shown.stay(ctx, stdout); err != nil {
		return err
	}
	if !ok {
		return blocked
	}
	return nil
}

// colours reports whether a writer is a terminal that wants colours.
func colours(w io.Writer) bool {
	return terminal(w) && cmp.Or(os.Getenv("NO_COLOR"), os.Getenv("CI")) == "" && os.Getenv("TERM") != "dumb"
}

// terminal reports whether a writer is a terminal.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
