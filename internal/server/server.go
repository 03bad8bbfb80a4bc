// Package server puts the program together: webhook intake, work, timers.
//
// The same Server runs live, in the demo and under `relbot simulate`; what differs is who moves the clock. Live, Run
// waits for work and timers. A simulation calls Settle (do everything that is due) and Tick (fire the timers of a span)
// itself. So days pass in milliseconds and no test sleeps.
package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/robfig/cron/v3"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/dashboard"
	"github.com/relbot/relbot/internal/job"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/publish"
	"github.com/relbot/relbot/internal/reconcile"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/telemetry"
	"github.com/relbot/relbot/internal/webhook"
	"github.com/relbot/relbot/internal/work"
)

// Options are what a server is made of.
type Options struct {
	Store     store.Store
	GitHub    reconcile.GitHub
	Secrets   [][]byte // webhook secrets, newest first
	Now       func() time.Time
	Log       *slog.Logger
	PublicURL string
	WebURL    string           // of GitHub's own pages, to which the server's link
	SignIn    dashboard.GitHub // nil: nobody can sign in to the pages
	Public    bool             // pages of public repositories are for everybody
	Seed      []byte           // of the addresses of pages; secret, and always the same
	// ReconcileInterval is how often everything is looked at; zero is [DefaultReconcileInterval].
	ReconcileInterval time.Duration
	// Owner names this process in leases; two processes on one database must differ.
	Owner   string
	Workers int // zero is [DefaultWorkers]
	// Debounce is how long work that ran waits for more of a burst before it runs again; zero is not at all.
	Debounce time.Duration
	// Telemetry measures; nil measures for nobody.
	Telemetry *telemetry.Telemetry
}

// Defaults of Options.
const (
	DefaultReconcileInterval = 15 * time.Minute
	DefaultWorkers           = 24
	deliveriesInterval       = 5 * time.Minute
	// missedDelay is how long after a delivery that could not be taken in GitHub is asked for what failed. Until then more may fail.
	missedDelay = 15 * time.Second
	// congested is how many deliveries may wait to be stored before work makes room for them. GitHub waits ten seconds for an answer, and for
	// work nobody waits.
	congested = 3
	// catchUp bounds how far back timers are fired that the program slept through.
	catchUp = 24 * time.Hour
)

// Server is the assembled program.
type Server struct {
	options Options
	recon   *reconcile.Reconciler
	runner  *job.Runner
	handler http.Handler
	measure *telemetry.Telemetry
	missed  atomic.Bool  // a delivery could not be taken in: GitHub has to be asked for it
	intake  atomic.Int64 // deliveries that wait to be stored
}

// New assembles a server. It does no I/O.
func New(o Options) (*Server, error) {
	o.ReconcileInterval = cmp.Or(o.ReconcileInterval, DefaultReconcileInterval)
	o.Workers = cmp.Or(o.Workers, DefaultWorkers)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	measure := o.Telemetry
	if measure == nil {
		measure = telemetry.New(telemetry.Options{Now: o.Now, Log: o.Log})
	}
	o.Store = measure.Store(store.Dated(o.Store, o.Now))
	s := &Server{options: o, measure: measure}
	s.recon = &reconcile.Reconciler{
		GitHub: o.GitHub, Store: o.Store, Memory: memory.New(o.Store), Publish: &publish.Publisher{GitHub: measure.GitHub(o.GitHub), Store: o.Store, Now: o.Now},
		Now: o.Now, Log: o.Log, PublicURL: o.PublicURL, Seed: o.Seed, Patience: reconcile.DefaultPatience, Wrote: measure.Check, Refused: measure.Refused,
		Pages: reconcile.Access{SignIn: o.SignIn != nil, Public: o.Public},
	}
	handlers := s.recon.Handlers()
	s.runner = &job.Runner{
		Store: o.Store, Handlers: measure.Work(handlers), Now: o.Now, Log: o.Log, Owner: o.Owner, Workers: o.Workers, Count: measure.Job,
		Busy: func() bool { return s.intake.Load() > congested },
	}
	measure.Watch(telemetry.State{Kinds: slices.Sorted(maps.Keys(handlers)), Backlog: o.Store.Backlog, Drift: s.recon.Drift})
	hook, err := webhook.New(webhook.Options{Secrets: o.Secrets, Store: s, Now: o.Now, Log: o.Log, Debounce: o.Debounce, Count: s.count})
	if err != nil {
		return nil, err
	}
	r := chi.NewRouter()
	r.Method(http.MethodPost, "/webhook", measure.Intake(hook))
	r.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	r.Get("/readyz", s.ready)
	r.Get("/timeline/{owner}/{name}/{gate}.svg", s.timeline)
	pages, err := dashboard.New(dashboard.Options{
		Source: s.recon, Store: o.Store, GitHub: o.SignIn, Public: o.Public, PublicURL: o.PublicURL, WebURL: o.WebURL, Now: o.Now, Log: o.Log,
	})
	if err != nil {
		return nil, err
	}
	r.Handle("/*", pages)
	s.handler = r
	return s, nil
}

// Accept stores a delivery, and knows how many are waiting for that.
func (s *Server) Accept(ctx context.Context, d store.Delivery, work []store.Work) (bool, error) {
	s.intake.Add(1)
	defer s.intake.Add(-1)
	return s.options.Store.Accept(ctx, d, work)
}

// count counts a delivery, and notes when it could not be taken in.
func (s *Server) count(event, action, outcome string) {
	s.measure.Delivery(event, action, outcome)
	if outcome == webhook.ErrStore.Name || outcome == webhook.ErrBusy.Name {
		s.missed.Store(true)
	}
}

// Handler serves the webhook, the probes and the pages.
func (s *Server) Handler() http.Handler { return s.handler }

// ready says whether deliveries can be taken: the database answers and the program is not stopping.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if err := s.options.Store.Ping(ctx); err != nil {
		s.options.Log.Error("not ready", "error", err)
		http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
}

// timeline serves the picture of a gate's releases that a report shows.
func (s *Server) timeline(w http.ResponseWriter, r *http.Request) {
	repo := coupling.Repo(chi.URLParam(r, "owner") + "/" + chi.URLParam(r, "name"))
	t, ok, err := s.recon.Timeline(r.Context(), repo, chi.URLParam(r, "gate"), r.URL.Query().Get("key"))
	switch {
	case err != nil:
		s.options.Log.Error("timeline", "error", err)
		http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
		return
	case !ok:
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "image/svg+xml; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache") // GitHub's proxy keeps pictures as long as it may
	_, _ = io.WriteString(w, t.SVG())
}

// Start queues what every start looks at: installations, deliveries that failed meanwhile, and everything known.
func (s *Server) Start(ctx context.Context) error {
	return s.options.Store.Enqueue(ctx, work.Install(), work.Deliveries(), work.Reconcile())
}

// Settle does all work that is due now.
func (s *Server) Settle(ctx context.Context) error {
	_, err := s.runner.Drain(ctx)
	return err
}

// Tick fires the timers whose time lies in (from, to].
func (s *Server) Tick(ctx context.Context, from, to time.Time) error {
	timers := s.recurring()
	// Reports are due at whole minutes: most spans have none, and then nobody's schedule need be known.
	if to.Truncate(time.Minute).After(from.Truncate(time.Minute)) {
		reports, err := s.reports(ctx)
		if err != nil {
			return err
		}
		timers = append(timers, reports...)
	}
	s.runner.Timers = timers
	if s.missed.Swap(false) {
		again := work.Deliveries()
		again.At = to.Add(missedDelay)
		if err := s.options.Store.Enqueue(ctx, again); err != nil {
			s.missed.Store(true)
			return err
		}
	}
	return s.runner.Tick(ctx, from, to)
}

// Wake is the next moment at which a timer fires or work becomes due; false when there is none.
func (s *Server) Wake(ctx context.Context) (time.Time, bool) {
	if reports, err := s.reports(ctx); err == nil {
		s.runner.Timers = append(s.recurring(), reports...)
	}
	return s.runner.Wake(ctx, s.options.Now())
}

// Due is when the next work or report becomes due. Timers that only look for what was missed do not count, nor does work that failed,
// unless failing is set; false when there is none.
func (s *Server) Due(ctx context.Context, failing bool) (time.Time, bool) {
	reports, err := s.reports(ctx)
	if err != nil {
		return time.Time{}, false
	}
	s.runner.Timers = reports
	now := s.options.Now()
	if failing {
		return s.runner.Wake(ctx, now)
	}
	jobs, err := s.Jobs(ctx)
	var due []time.Time
	for _, j := range jobs {
		if j.Attempt == 0 && !j.Stuck {
			due = append(due, j.At)
		}
	}
	for _, t := range reports {
		due = append(due, t.Next(now))
	}
	if err != nil || len(due) == 0 {
		return time.Time{}, false
	}
	return slices.MinFunc(due, time.Time.Compare), true
}

// Jobs lists work that is not done.
func (s *Server) Jobs(ctx context.Context) ([]store.Job, error) { return s.options.Store.Jobs(ctx) }

// Run works until ctx ends, then finishes what it holds.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Start(ctx); err != nil {
		return err
	}
	from, err := s.since(ctx)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- s.runner.Run(ctx) }()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		case <-tick.C:
			to := s.options.Now()
			if err := s.Tick(ctx, from, to); err != nil {
				if ctx.Err() == nil {
					s.options.Log.Error("timers", "error", err) // the next tick covers this span too
				}
				continue
			}
			from = to
		}
	}
}

// since is up to when timers were fired by whatever ran on this database before. So a night's report is not left out because the
// program was restarted at its hour. A new database has nothing to catch up with.
func (s *Server) since(ctx context.Context) (time.Time, error) {
	now := s.options.Now()
	last, err := s.options.Store.Last(ctx, timerReconcile)
	if err != nil || last.IsZero() || last.After(now) {
		return now, err
	}
	if earliest := now.Add(-catchUp); last.Before(earliest) {
		return earliest, nil
	}
	return last, nil
}

// timerReconcile is the most frequent of the timers that always run.
const timerReconcile = "reconcile"

// recurring are the timers that always run: looking at everything, asking for failed deliveries, forgetting.
func (s *Server) recurring() []job.Timer {
	return []job.Timer{
		{Name: timerReconcile, Next: interval(s.options.ReconcileInterval), Work: always(work.Reconcile())},
		{Name: "deliveries", Next: interval(deliveriesInterval), Work: always(work.Deliveries())},
		{Name: "prune", Next: interval(24 * time.Hour), Work: always(work.Prune())},
	}
}

// reports are the timers of the nightly reports, one for each repository with a policy.
func (s *Server) reports(ctx context.Context) ([]job.Timer, error) {
	schedules, err := s.recon.Schedules(ctx)
	if err != nil {
		return nil, err
	}
	var out []job.Timer
	for repo, schedule := range schedules {
		zone, err := time.LoadLocation(schedule.Timezone)
		if err != nil {
			zone = time.UTC // the policy's parser refuses unknown zones; this one's data may have gone with an upgrade
		}
		spec, err := cron.ParseStandard(schedule.Schedule)
		if err != nil {
			continue // the parser refuses it
		}
		out = append(out, job.Timer{
			Name: "report " + string(repo),
			Next: func(after time.Time) time.Time { return spec.Next(after.In(zone)) },
			Work: always(work.Report(repo)),
		})
	}
	return out, nil
}

// interval fires at multiples of d, so that all instances agree on the slots.
func interval(d time.Duration) func(time.Time) time.Time {
	return func(after time.Time) time.Time { return after.Truncate(d).Add(d) }
}

func always(w store.Work) func(time.Time) []store.Work {
	return func(time.Time) []store.Work { return []store.Work{w} }
}

// Pending counts the rows of work that are due or failing; what merely waits for its time is not counted.
func (s *Server) Pending(ctx context.Context) (int, error) {
	jobs, err := s.options.Store.Jobs(ctx)
	n := 0
	for _, j := range jobs {
		if j.Attempt > 0 || !j.At.After(s.options.Now()) {
			n++
		}
	}
	return n, err
}

// Close closes the store without finishing anything, as if the process were killed.
func (s *Server) Close() error { return s.options.Store.Close() }
