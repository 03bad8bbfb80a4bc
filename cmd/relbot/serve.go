package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/relbot/relbot/internal/cache"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/ghapp"
	"github.com/relbot/relbot/internal/job"
	"github.com/relbot/relbot/internal/server"
	"github.com/relbot/relbot/internal/settings"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/store/engine"
	"github.com/relbot/relbot/internal/telemetry"
)

// shutdownGrace is how long running requests, and the work in hand, may take when the server stops.
const shutdownGrace = job.DefaultGrace

// loader loads the settings that a command was given.
type loader func() (*settings.Settings, error)

// settingsFlags gives a command the server's settings as flags. What it returns loads them.
func settingsFlags(c *cobra.Command) loader {
	given := sourceFlags(c.Flags(), settings.Table)
	return func() (*settings.Settings, error) { return settings.Load(given()) }
}

// databaseFlags gives a command, and those below it, the flags that say which database the server has. What it returns finds its URL.
func databaseFlags(c *cobra.Command) func() (string, error) {
	var table []settings.Setting
	for _, s := range settings.Table {
		if s.Name == "state" || s.Name == "database_url" {
			table = append(table, s)
		}
	}
	given := sourceFlags(c.PersistentFlags(), table)
	return func() (string, error) {
		if f := c.PersistentFlags().Lookup("database-url"); f.Changed {
			return f.Value.String(), nil // it is for servers elsewhere too: settings at hand do not matter
		}
		return settings.DatabaseURL(given())
	}
}

// sourceFlags adds --config, and a flag for each setting that is no secret. What it returns says what was given, as settings.Load takes it.
func sourceFlags(set *pflag.FlagSet, table []settings.Setting) func() (config string, environ []string, flags map[string]string) {
	var config string
	set.StringVar(&config, "config", os.Getenv("RELBOT_CONFIG"), "settings file (YAML), also RELBOT_CONFIG; "+settings.FileName+" where it exists")
	for _, s := range table {
		if !s.Secret {
			preset := ""
			if s.Default != "" {
				preset = ", default " + s.Default
			}
			set.String(s.Flag(), "", fmt.Sprintf("%s (%s%s)", strings.ReplaceAll(s.Doc, "`", ""), s.Env(), preset))
		}
	}
	return func() (string, []string, map[string]string) {
		flags := map[string]string{}
		for _, s := range table {
			if f := set.Lookup(s.Flag()); f != nil && f.Changed {
				flags[s.Name] = f.Value.String()
			}
		}
		if _, err := os.Stat(settings.FileName); err == nil && config == "" && cmp.Or(flags["state"], os.Getenv("RELBOT_STATE")) == "" {
			config = settings.FileName
		}
		return config, os.Environ(), flags
	}
}

// startLine is the command that starts the server again with the settings of set: what the files do not hold is in it.
func startLine(c *cobra.Command, set *settings.Settings) string {
	words := []string{"relbot", "serve"}
	add := func(flag, text string) { words = append(words, "--"+flag, quoted(text)) }
	config := c.Flags().Lookup("config").Value.String()
	switch {
	case config != "":
		add("config", config)
	case !set.Given("state"):
		add("config", set.File)
	}
	for _, s := range settings.Table {
		f := c.Flags().Lookup(s.Flag())
		if s.Name == "state" && config == "" && set.Given(s.Name) {
			add(s.Flag(), set.State)
		} else if f != nil && f.Changed {
			if text, ok := set.InFile(s.Name); !ok || text != strings.TrimSuffix(f.Value.String(), "/") {
				add(s.Flag(), f.Value.String())
			}
		}
	}
	return strings.Join(words, " ")
}

// quoted is a word as a shell takes it.
func quoted(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

var plainWord = regexp.MustCompile(`^[\w@%+=:,./-]+$`)

func serveCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the App server",
		Long:  "Run the App server; with no App set, first the pages that register one (see `relbot setup`). Every setting can be given in the file, in the environment, and (but for secrets) as a flag;\nflags win over the environment, the environment over the file.",
		Args:  cobra.NoArgs,
	}
	load := settingsFlags(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		set, err := load()
		if err != nil {
			return err
		}
		if !set.Registered() {
			if err := mayBeSetUp(cmd.Context(), set); err != nil {
				return err
			}
			if set, err = runSetup(cmd, set, load); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "Set up; the server goes on. To start it again: %s\n", startLine(cmd, set))
		}
		return serve(cmd.Context(), set, cmd.ErrOrStderr())
	}
	return c
}

// logger writes structured lines to stderr: data goes to stdout, and a server has none.
func logger(w io.Writer, format string, level slog.Level) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if format == "text" {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}

// serve runs until ctx ends: intake stops first, then work in hand is finished.
func serve(ctx context.Context, set *settings.Settings, stderr io.Writer) error {
	log := logger(stderr, set.LogFormat, set.LogLevel)
	tracer, flush, err := telemetry.Tracing(ctx, version, log)
	if err != nil {
		return err
	}
	defer telemetry.Flush(flush, log)
	measure := telemetry.New(telemetry.Options{Tracer: tracer, Version: version, Commit: commit(), Log: log})
	st, err := engine.Open(ctx, set.DatabaseURL)
	if err != nil {
		return err
	}
	defer st.Close()
	surviveFullDisks()
	clock, err := store.NewClock(ctx, st, time.Now)
	if err != nil {
		return err
	}
	kept, err := cache.Open(cache.Options{Path: set.Cache, Bytes: set.CacheSize, Log: log})
	if err != nil {
		return err
	}
	defer kept.Close()
	transport := ghapp.Transport()
	defer transport.CloseIdleConnections()
	app, err := ghapp.New(ghapp.Settings{APIURL: set.GitHubAPIURL, AppID: set.AppID, Key: set.PrivateKey, Log: log, Cache: kept, Now: clock.Now, HTTP: measure.Transport(transport, ghapp.Account)})
	if err != nil {
		return err
	}
	options, err := serverOptions(set, st, app, clock.Now, log)
	if err != nil {
		return err
	}
	options.Telemetry = measure
	s, err := server.New(options)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	listen := func(address string, h http.Handler, what string) error {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		// A slow or silent client may not hold a connection: GitHub sends a delivery at once.
		srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
		log.Info("listening", "what", what, "address", l.Addr().String())
		g.Go(func() error {
			if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
		g.Go(func() error {
			<-ctx.Done()
			grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
			defer cancel()
			return srv.Shutdown(grace)
		})
		return nil
	}
	if err := listen(set.Listen, s.Handler(), "webhooks"); err != nil {
		return err
	}
	if set.AdminListen != "" {
		if err := listen(set.AdminListen, admin(s, measure), "admin"); err != nil {
			return err
		}
	}
	g.Go(func() error { keepTime(ctx, clock, st, log); return nil })
	g.Go(func() error {
		// Work with a key that is not taken fails one piece at a time, and each looks like an outage.
		if _, err := app.Registration(ctx); errors.Is(err, forge.ErrToken) || errors.Is(err, forge.ErrGone) {
			log.Error("GitHub does not take the App's key or knows no such App: `relbot doctor` tells what to do", "app", set.AppID, "error", err)
		}
		return nil
	})
	g.Go(func() error { return s.Run(ctx) })
	err = g.Wait()
	log.Info("stopped")
	return err
}

// serverOptions are what settings make of a server.
func serverOptions(set *settings.Settings, st store.Store, app *ghapp.App, now func() time.Time, log *slog.Logger) (server.Options, error) {
	options := server.Options{
		Public: set.Public, Seed: set.PrivateKey, Now: now,
		Store: st, GitHub: app, Secrets: set.WebhookSecrets, Log: log, PublicURL: set.PublicURL, WebURL: ghapp.WebURL(set.GitHubAPIURL),
		ReconcileInterval: set.ReconcileInterval, Owner: uuid.NewString(), Workers: set.Workers, Debounce: set.Debounce,
	}
	var err error
	if set.ClientID != "" {
		options.SignIn, err = ghapp.NewSignIn(ghapp.Settings{APIURL: set.GitHubAPIURL}, set.ClientID, set.ClientSecret)
	}
	return options, err
}

// keepTime sets the clock by the database now and then. While the database does not answer the clock goes on by itself.
func keepTime(ctx context.Context, clock *store.Clock, db store.Timekeeper, log *slog.Logger) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := clock.Set(ctx, db); err != nil && ctx.Err() == nil {
				log.Warn("clock not set", "error", err)
			}
		}
	}
}

// admin serves what only operators may see.
func admin(s *server.Server, measure *telemetry.Telemetry) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", measure.Handler())
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /jobs", func(w http.ResponseWriter, r *http.Request) {
		jobs, err := s.Jobs(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		for i := range jobs {
			jobs[i].Data = nil // it quotes titles and descriptions, of private pull requests too
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(jobs) // the client is gone when this fails
	})
	return mux
}

// probeCommand asks a running server whether it is ready; images without a shell use it.
func probeCommand() *cobra.Command {
	var url string
	c := &cobra.Command{
		Use:   "probe",
		Short: "Ask a running server whether it is ready",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), 3*time.Second)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				return err
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return unsure(err)
			}
			res.Body.Close()
			if res.StatusCode != http.StatusOK {
				return exit{exitBlocked, fmt.Errorf("%s: %s", url, res.Status)}
			}
			return nil
		},
	}
	c.Flags().StringVar(&url, "url", probeURL(os.Getenv("RELBOT_LISTEN")), "the probe's address; by default on the port of RELBOT_LISTEN")
	return c
}

// probeURL is where a server on this machine that listens on an address says whether it is ready.
func probeURL(listen string) string {
	_, port, err := net.SplitHostPort(listen)
	if err != nil {
		port = "8080"
	}
	return "http://127.0.0.1:" + port + "/readyz"
}
