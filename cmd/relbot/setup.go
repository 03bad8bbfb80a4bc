package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/relbot/relbot/deploy"
	"github.com/relbot/relbot/internal/doctor"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/ghapp"
	"github.com/relbot/relbot/internal/reconcile"
	"github.com/relbot/relbot/internal/settings"
	"github.com/relbot/relbot/internal/setup"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/store/engine"
	"github.com/relbot/relbot/internal/webhook"
)

func setupCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "setup",
		Short: "Register relbot's GitHub App in a browser, and write the settings for `relbot serve`",
		Long: "Register relbot's GitHub App in a browser, and write the settings for `relbot serve`. The link to open is printed; it works once.\n" +
			"What GitHub hands out goes into the state directory (--state, or that of --config): the settings file, and files for key and secrets that only\n" +
			"their owner can read. `relbot serve` with no App shows the same page.",
		Args: cobra.NoArgs,
	}
	load := settingsFlags(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		set, err := load()
		if err != nil {
			return err
		}
		if set.Registered() {
			return fmt.Errorf("the App %d is set already, so there is nothing to set up: `relbot doctor` looks at it; for another App use another --state", set.AppID)
		}
		set, err = runSetup(cmd, set, load)
		if err == nil {
			fmt.Fprintf(cmd.OutOrStdout(), "Set up. Start the server with: %s\n", startLine(cmd, set))
		}
		return err
	}
	c.AddCommand(setupSecretCommand())
	return c
}

// mayBeSetUp says why a server without an App may not show the pages that register one. Its state directory holds an App's secrets, or its database
// knows an installation. So an App was registered, and its settings or a secret are not there now.
func mayBeSetUp(ctx context.Context, set *settings.Settings) error {
	if err := lostSettings(set); err != nil {
		return err
	}
	if path, ok := strings.CutPrefix(set.DatabaseURL, "sqlite:"); ok {
		if _, err := os.Stat(strings.TrimPrefix(path, "//")); errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			return nil
		}
	}
	db, err := engine.Look(ctx, set.DatabaseURL)
	if err != nil {
		return err
	}
	defer db.Close()
	if have, newest, err := db.Schema(ctx); err != nil || have != newest {
		if have == 0 {
			return err
		}
		return exit{exitUsage, fmt.Errorf("no App is set, and the database %s is of an earlier relbot: %s", set.Database(), lostApp(set))}
	}
	switch known, err := reconcile.Installed(ctx, db); {
	case err != nil:
		return err
	case known:
		return exit{exitUsage, fmt.Errorf("no App is set, and the database %s knows one that is installed: %s", set.Database(), lostApp(set))}
	}
	return nil
}

// lostApp says what to do where an App was set before.
func lostApp(set *settings.Settings) string {
	return fmt.Sprintf("mount the settings or secrets that are missing, or add the line %q with key and webhook secret to %s; for another App use another database_url", settings.Missing("github_app_id"), set.File)
}

// secretFile is the name of a file that setup wrote for an App.
var secretFile = regexp.MustCompile(`^app-(.+)\.(pem|webhook-secret)$`)

// lostSettings says what to write where the state directory holds an App's key or webhook secret, and no settings name the App.
func lostSettings(set *settings.Settings) error {
	dir, err := filepath.Abs(set.State)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	} else if err != nil {
		return fmt.Errorf("the state directory cannot be read: %w: let the user that runs relbot (uid %d) own it", err, os.Getuid())
	}
	var id, first string
	for _, e := range entries {
		if m := secretFile.FindStringSubmatch(e.Name()); m != nil && id == "" {
			first, id = e.Name(), m[1]
		}
	}
	if id == "" {
		return nil
	}
	why := set.File + " names no App"
	if _, err := os.Stat(set.File); errors.Is(err, fs.ErrNotExist) {
		why = set.File + " is missing"
	}
	line := settings.Missing("github_app_id")
	if _, err := strconv.ParseInt(id, 10, 64); err == nil {
		line = "github_app_id: " + id
	}
	lines := []string{line}
	for _, s := range []struct{ name, suffix string }{{"github_private_key_file", "pem"}, {"webhook_secret_file", "webhook-secret"}} {
		path := filepath.Join(dir, "app-"+id+"."+s.suffix)
		lines = append(lines, s.name+": "+strconv.Quote(path))
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			why += ", and " + path + " is missing"
		}
	}
	return exit{exitUsage, fmt.Errorf("an App was set up before, since %s exists, but %s. Bring back what is missing, or write these lines into %s:\n\n%s\n\n"+
		"Add public_url, and github_api_url unless GitHub is github.com. To register another App, move the files of this one away or name another --state",
		filepath.Join(dir, first), why, set.File, strings.Join(lines, "\n"))}
}

// runSetup serves the pages that register an App until they are done with, and returns the settings that were written.
func runSetup(cmd *cobra.Command, set *settings.Settings, load loader) (*settings.Settings, error) {
	ctx, stderr := cmd.Context(), cmd.ErrOrStderr()
	if err := setup.Writable(set.File); err != nil {
		return nil, fmt.Errorf("the state directory cannot be written: %w: let the user that runs relbot (uid %d) own it, or name another with --state", err, os.Getuid())
	}
	l, err := net.Listen("tcp", set.Listen)
	if err != nil {
		return nil, fmt.Errorf("setup: %w", err)
	}
	log := logger(stderr, set.LogFormat, set.LogLevel)
	if config := cmd.Flag("config").Value.String(); config != "" {
		if _, err := os.Stat(config); errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintf(stderr, "%s does not exist: setup will write it. If another file was meant, stop and correct --config.\n", config)
		}
	}
	fmt.Fprintf(stderr, "No App is set: neither %s nor environment nor flags give github_app_id, and the database %s knows no installation.\nUntil one is set up, /readyz and webhooks answer 503.\n", set.File, set.Database())
	o := setup.Options{
		Config: set.File, Manifest: deploy.Manifest, PublicURL: set.PublicURL, APIURL: ghapp.APIURL, Log: log, Now: time.Now,
		Announce: func(path string) {
			fmt.Fprintf(stderr, "relbot has no App yet. To register one, open this link; it works once:\n\n    %s%s\n\n", cmp.Or(set.PublicURL, reached(l.Addr())), path)
		},
		Convert: func(ctx context.Context, apiURL, code string) (forge.Credentials, error) {
			return ghapp.Convert(ctx, apiURL, code, nil)
		},
		InFile: func(name string) bool { _, ok := set.InFile(name); return ok },
		Serves: cmd.Name() == "serve",
		Open: func() (setup.Checks, error) {
			set, err := load()
			if err != nil {
				return setup.Checks{}, err
			}
			checks, err := setupChecks(set)
			checks.Start = startLine(cmd, set)
			return checks, err
		},
	}
	if set.Given("github_api_url") {
		o.Web = ghapp.WebURL(set.GitHubAPIURL)
		o.APIURL = func(string) string { return set.GitHubAPIURL } // taken literally
	}
	s := setup.New(o)
	srv := &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 2 * time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go s.Watch(watching, time.Minute)
	select {
	case err := <-served:
		return nil, err
	case <-ctx.Done():
		err = errors.New("stopped before the App was set up")
	case <-s.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if srv.Shutdown(grace) != nil {
		srv.Close() // a browser keeps connections open on which it may say something later
	}
	if err != nil {
		return nil, err
	}
	if set, err = load(); err == nil {
		tellKubernetes(cmd, set)
	}
	return set, err
}

// reached is where a browser on this machine finds a listener.
func reached(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return "http://" + a.String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// setupChecks looks at an App whose settings were just written.
func setupChecks(set *settings.Settings) (setup.Checks, error) {
	if !set.Registered() {
		return setup.Checks{}, errors.New("the settings that were written name no App: is another settings file in force?")
	}
	app, err := ghapp.New(ghapp.Settings{APIURL: set.GitHubAPIURL, AppID: set.AppID, Key: set.PrivateKey})
	if err != nil {
		return setup.Checks{}, err
	}
	hook, err := webhook.New(webhook.Options{Secrets: set.WebhookSecrets, Store: later{}, Now: time.Now, Log: logger(io.Discard, "text", 0)})
	if err != nil {
		return setup.Checks{}, err
	}
	return setup.Checks{
		Webhook: hook,
		Ping: func(ctx context.Context) error {
			log, err := app.Deliveries(ctx, time.Now().Add(-72*time.Hour))
			if err != nil {
				return err
			}
			for _, d := range log {
				if d.Event == "ping" {
					return app.Redeliver(ctx, d.ID)
				}
			}
			return errors.New("GitHub has no ping on record that could be sent again")
		},
		Examine: func(ctx context.Context) []doctor.Finding {
			o := doctorOptions(set, app, nil)
			o.SettingUp = true
			return doctor.Run(ctx, o)
		},
	}, nil
}

// later takes no delivery in: GitHub keeps a record of those, and the server asks for them when it starts.
type later struct{}

func (later) Accept(context.Context, store.Delivery, []store.Work) (bool, error) {
	return false, errors.New("relbot is being set up")
}
