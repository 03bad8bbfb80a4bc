package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/relbot/relbot/deploy"
	"github.com/relbot/relbot/internal/doctor"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/ghapp"
	"github.com/relbot/relbot/internal/settings"
	"github.com/relbot/relbot/internal/setup"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/webhook"
)

func setupCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "setup",
		Short: "Register relbot's GitHub App in a browser, and write the settings for `relbot serve`",
		Long: "Register relbot's GitHub App in a browser, and write the settings for `relbot serve`. The link to open is printed; it works once.\n" +
			"The settings file (--config) gets what GitHub hands out, the secrets go into files beside it that only their owner can read.\n" +
			"`relbot serve` with no App shows the same page.",
		Args: cobra.NoArgs,
	}
	load := settingsFlags(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		set, config, err := load()
		if err != nil {
			return err
		}
		if set.Registered() {
			return fmt.Errorf("the App %d is set already, so there is nothing to set up: `relbot doctor` looks at it; for another App use another --config", set.AppID)
		}
		config = cmp.Or(config, defaultConfig)
		if err := runSetup(cmd.Context(), set, config, load, cmd.ErrOrStderr()); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "Set up. Start the server with: relbot serve --config %s\n", config)
		return nil
	}
	return c
}

// loader loads the settings, and tells their file.
type loader func() (*settings.Settings, string, error)

// runSetup serves the pages that register an App until they are done with; load then reads the settings that were written.
func runSetup(ctx context.Context, set *settings.Settings, config string, load loader, stderr io.Writer) error {
	l, err := net.Listen("tcp", set.Listen)
	if err != nil {
		return fmt.Errorf("setup: %w", err)
	}
	log := logger(stderr, set.LogFormat, set.LogLevel)
	o := setup.Options{
		Config: config, Manifest: deploy.Manifest, PublicURL: set.PublicURL, APIURL: ghapp.APIURL, Log: log, Now: time.Now,
		Announce: func(path string) {
			fmt.Fprintf(stderr, "relbot has no App yet. To register one, open this link; it works once:\n\n    %s%s\n\n", cmp.Or(set.PublicURL, reached(l.Addr())), path)
		},
		Convert: func(ctx context.Context, apiURL, code string) (forge.Credentials, error) {
			return ghapp.Convert(ctx, apiURL, code, nil)
		},
		Open: func() (setup.Checks, error) {
			set, _, err := load()
			if err != nil {
				return setup.Checks{}, err
			}
			return setupChecks(set)
		},
	}
	if set.GitHubAPIURL != ghapp.APIURL("https://github.com") {
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
		return err
	case <-ctx.Done():
		err = errors.New("stopped before the App was set up")
	case <-s.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if srv.Shutdown(grace) != nil {
		srv.Close() // a browser keeps connections open on which it may say something later
	}
	return err
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
		Examine: func(ctx context.Context) []doctor.Finding { return doctor.Run(ctx, doctorOptions(set, app, nil)) },
	}, nil
}

// later takes no delivery in: GitHub keeps a record of those, and the server asks for them when it starts.
type later struct{}

func (later) Accept(context.Context, store.Delivery, []store.Work) (bool, error) {
	return false, errors.New("relbot is being set up")
}
