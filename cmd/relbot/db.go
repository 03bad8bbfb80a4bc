package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghapp"
	"github.com/relbot/relbot/internal/reconcile"
	"github.com/relbot/relbot/internal/server"
	"github.com/relbot/relbot/internal/settings"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/store/backup"
	"github.com/relbot/relbot/internal/store/engine"
)

func dbCommand() *cobra.Command {
	c := &cobra.Command{Use: "db", Short: "Back up, restore, migrate, check or rebuild the server's database"}
	database := databaseFlags(c)
	c.AddCommand(backupCommand(database), restoreCommand(database), migrateCommand(database), checkDatabaseCommand(database), rebuildCommand())
	return c
}

// visit opens the database of a server that may be running.
func visit(ctx context.Context, database func() (string, error)) (store.Database, error) {
	address, err := database()
	if err != nil {
		return nil, err
	}
	db, err := engine.Attach(ctx, address)
	if err != nil {
		return nil, unsure(err)
	}
	return db, nil
}

func backupCommand(database func() (string, error)) *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Write everything that is remembered into a file; the server may be running",
		Long:  "Write everything that is remembered into a file, as it is at one moment; the server may be running. The file is the same for SQLite and\nPostgreSQL, so that `relbot db restore` also moves a database from one to the other. It holds texts of private repositories, and no secrets.",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			db, err := visit(cmd.Context(), database)
			if err != nil {
				return err
			}
			defer db.Close()
			rows, err := writeBackup(cmd.Context(), db, args[0])
			if err != nil {
				return unsure(fmt.Errorf("%s: %w", args[0], err))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", args[0], coupling.Count(rows, "row"))
			return nil
		},
	}
}

// writeBackup leaves the whole backup under its name, or what was there before.
func writeBackup(ctx context.Context, db backup.Source, path string) (int, error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name()) // gone when it was renamed
	rows, err := backup.Write(ctx, db, f, time.Now())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return 0, err
	}
	return rows, os.Rename(f.Name(), path)
}

func restoreCommand(database func() (string, error)) *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use:   "restore FILE",
		Short: "Fill a database from a backup; the server must not be running",
		Long: "Fill a database from a backup; the server must not be running. Since the backup was made the server may have written more to GitHub: what it\n" +
			"remembered of that is left out, and the server looks at everything again when it starts. What people said is kept: commands, overrides, the\nlog. A database that holds anything is only replaced with --force.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			address, err := database()
			if err != nil {
				return err
			}
			f, err := os.Open(args[0])
			if err != nil {
				return unsure(err)
			}
			defer f.Close()
			db, err := engine.Maintain(ctx, address)
			if err != nil {
				return unsure(err)
			}
			defer db.Close()
			if empty, err := empty(ctx, db); err != nil {
				return unsure(err)
			} else if !empty && !force {
				return exit{exitBlocked, errors.New("the database is not empty: name another one, or replace it with --force")}
			}
			rows, err := backup.Restore(ctx, db, f, reconcile.Kept)
			if err != nil {
				return unsure(fmt.Errorf("%s: %w", args[0], err))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s restored; what GitHub shows is read again when the server starts\n", coupling.Count(rows, "row"))
			return nil
		},
	}
	c.Flags().BoolVar(&force, "force", false, "replace what the database holds")
	return c
}

// empty reports whether a database holds nothing.
func empty(ctx context.Context, db backup.Source) (bool, error) {
	have, newest, err := db.Schema(ctx)
	if err != nil || have != newest {
		return have == 0, err
	}
	found := errors.New("a row")
	err = db.Export(ctx, func(store.Row) error { return found })
	if errors.Is(err, found) {
		return false, nil
	}
	return err == nil, err
}

func migrateCommand(database func() (string, error)) *cobra.Command {
	var dry bool
	c := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database's schema up to date, as the server does when it starts",
		Long:  "Bring the database's schema up to date, as the server does when it starts. On PostgreSQL servers of the older version may be running:\nthey finish what they are at and stop.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, out := cmd.Context(), cmd.OutOrStdout()
			address, err := database()
			if err != nil {
				return err
			}
			// What only looks may run next to a server; what changes a file must have it alone.
			open := engine.Maintain
			if dry {
				open = engine.Look
			}
			db, err := open(ctx, address)
			if err != nil {
				return unsure(err)
			}
			defer db.Close()
			have, newest, err := db.Schema(ctx)
			switch {
			case err != nil:
				return unsure(err)
			case have > newest:
				return exit{exitBlocked, fmt.Errorf("database: %w", store.TooNew(have, newest))}
			case have == newest:
				fmt.Fprintf(out, "schema %d is the newest\n", have)
				return nil
			case dry:
				fmt.Fprintf(out, "schema %d would be migrated to %d\n", have, newest)
				return nil
			}
			if err := db.Migrate(ctx, newest); err != nil {
				return unsure(err)
			}
			fmt.Fprintf(out, "schema %d was migrated to %d\n", have, newest)
			return nil
		},
	}
	c.Flags().BoolVar(&dry, "dry-run", false, "only say what would be done")
	return c
}

// fault is something that `relbot db check` found.
type fault struct {
	What   string `json:"what"` // integrity, document, delivery or work
	Detail string `json:"detail"`
}

func checkDatabaseCommand(database func() (string, error)) *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "check",
		Short: "Look for damage and for work that was given up; exits 1 when something is found; the server may be running",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != "text" && format != "json" {
				return fmt.Errorf("--format %q: want text or json", format)
			}
			db, err := visit(cmd.Context(), database)
			if err != nil {
				return err
			}
			defer db.Close()
			faults, rows, err := checkDatabase(cmd.Context(), db)
			if err != nil {
				return unsure(err)
			}
			out := cmd.OutOrStdout()
			if format == "json" {
				if err := json.NewEncoder(out).Encode(map[string]any{"rows": rows, "faults": faults}); err != nil {
					return unsure(err)
				}
			} else {
				for _, f := range faults {
					fmt.Fprintf(out, "%s: %s\n", f.What, f.Detail)
				}
				if len(faults) == 0 {
					fmt.Fprintf(out, "%s, nothing is wrong with them\n", coupling.Count(rows, "row"))
				}
			}
			if len(faults) > 0 {
				return blocked
			}
			return nil
		},
	}
	c.Flags().StringVar(&format, "format", "text", "text or json")
	return c
}

// inspected is a database that can be looked through.
type inspected interface {
	backup.Source
	Integrity(ctx context.Context) ([]string, error)
	Delivery(ctx context.Context, guid string) (store.Delivery, error)
	Jobs(ctx context.Context) ([]store.Job, error)
}

// checkDatabase reads every row as the server would.
func checkDatabase(ctx context.Context, db inspected) ([]fault, int, error) {
	faults, rows := []fault{}, 0
	broken, err := db.Integrity(ctx)
	if err != nil {
		return nil, 0, err
	}
	for _, text := range broken {
		faults = append(faults, fault{"integrity", text})
	}
	var guids []string
	if err := db.Export(ctx, func(r store.Row) error {
		rows++
		switch r.Table {
		case "document":
			if err := reconcile.Readable(store.Document{Kind: r.Values[0].(string), Key: r.Values[1].(string), Body: r.Values[3].([]byte)}); err != nil {
				faults = append(faults, fault{"document", err.Error()})
			}
		case "delivery":
			guids = append(guids, r.Values[0].(string))
		}
		return nil
	}); err != nil {
		return nil, 0, err
	}
	for _, guid := range guids {
		if _, err := db.Delivery(ctx, guid); err != nil && !errors.Is(err, store.ErrNotFound) { // pruned meanwhile
			faults = append(faults, fault{"delivery", guid + ": " + err.Error()})
		}
	}
	jobs, err := db.Jobs(ctx)
	for _, j := range jobs {
		if j.Stuck {
			faults = append(faults, fault{"work", fmt.Sprintf("%s %s was given up: %s", j.Kind, j.Key, j.Error)})
		}
	}
	return faults, rows, err
}

func rebuildCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "rebuild",
		Short: "Restore a lost database from what is on GitHub",
		Long: "Restore a lost database from what is on GitHub: policies, descriptions, the commands that were acknowledged, and relbot's own checks,\n" +
			"notes and reports. Where nothing changed meanwhile nothing is written. It takes the settings of `relbot serve`, which does the same when it\nstarts on an empty database; this command ends when it is done, and says what it found.",
		Args: cobra.NoArgs,
	}
	load := settingsFlags(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		set, err := load()
		if err != nil {
			return err
		}
		if !set.Registered() {
			return fmt.Errorf("no App is set: add the line %q with key and webhook secret to %s", settings.Missing("github_app_id"), set.File)
		}
		return rebuild(cmd.Context(), set, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return c
}

func rebuild(ctx context.Context, set *settings.Settings, out, stderr io.Writer) error {
	db, err := engine.Open(ctx, set.DatabaseURL)
	if err != nil {
		return unsure(err)
	}
	defer db.Close()
	if empty, err := empty(ctx, db); err != nil {
		return unsure(err)
	} else if !empty {
		return exit{exitBlocked, errors.New("the database is not empty: there is nothing to restore")}
	}
	clock, err := store.NewClock(ctx, db, time.Now)
	if err != nil {
		return unsure(err)
	}
	log := logger(stderr, set.LogFormat, set.LogLevel)
	app, err := ghapp.New(ghapp.Settings{APIURL: set.GitHubAPIURL, AppID: set.AppID, Key: set.PrivateKey, Log: log, Now: clock.Now})
	if err != nil {
		return err
	}
	options, err := serverOptions(set, db, app, clock.Now, log)
	if err != nil {
		return err
	}
	s, err := server.New(options)
	if err != nil {
		return err
	}
	working, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- s.Run(working) }()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for idle := 0; idle < 3; { // what is done may queue more
		select {
		case err := <-done:
			return unsure(cmp.Or(err, ctx.Err()))
		case <-tick.C:
		}
		n, err := s.Pending(ctx)
		if err != nil {
			return unsure(err)
		}
		if idle++; n > 0 {
			idle = 0
		}
	}
	stop()
	if err := <-done; err != nil {
		return unsure(err)
	}
	return tellRebuilt(ctx, db, out)
}

func tellRebuilt(ctx context.Context, db interface {
	List(ctx context.Context, kind, prefix string) ([]store.Document, error)
}, out io.Writer) error {
	var words []string
	for _, kind := range reconcile.Counted {
		docs, err := db.List(ctx, kind.Kind, "")
		if err != nil {
			return unsure(err)
		}
		words = append(words, coupling.Count(len(docs), kind.Name)+kind.More)
	}
	fmt.Fprintln(out, "known again: "+strings.Join(words, ", "))
	return nil
}
