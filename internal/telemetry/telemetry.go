// Package telemetry counts, times and traces what the server does.
//
// It wraps what is at the borders: the webhook's handler, the store, the handlers of work, the writes to GitHub and the HTTP
// transport. Callbacks report outcomes. What lies between is not instrumented and knows nothing of it. A row of work carries its
// origin (package store). So what is written at the end is measured from, and traced back to, the delivery that called for it.
//
// Invariants: metrics live in the registry of one [Telemetry], never in a global one. No label and no span attribute holds text that people wrote,
// and none of the labels grows with pull requests. Kinds, events, codes and outcomes are closed sets, and installations are few.
//
// prometheus/client_golang and OpenTelemetry's SDK are used, since operators' tools speak their formats. OpenTelemetry's own metrics were left:
// a server with an address to scrape needs no second pipeline.
package telemetry

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/webhook"
)

// Options say where measurements go. The zero value measures into a registry that nobody reads.
type Options struct {
	Registry *prometheus.Registry // nil is a new one
	Tracer   trace.TracerProvider // nil traces nothing; see [Tracing]
	Now      func() time.Time     // nil is the wall clock
	Log      *slog.Logger         // nil is none
	Version  string
	Commit   string
}

// Telemetry is one server's measurements.
type Telemetry struct {
	registry *prometheus.Registry
	tracer   trace.Tracer
	now      func() time.Time
	log      *slog.Logger

	deliveries *prometheus.CounterVec
	jobs       *prometheus.CounterVec
	jobSeconds *prometheus.HistogramVec
	checks     *prometheus.CounterVec
	flips      *prometheus.CounterVec
	toCheck    *prometheus.HistogramVec
	writes     *prometheus.CounterVec
	calls      *prometheus.CounterVec
	callTime   *prometheus.HistogramVec
	remaining  *prometheus.GaugeVec
	limit      *prometheus.GaugeVec
	dbErrors   *prometheus.CounterVec
	refusals   *prometheus.CounterVec
}

// New makes the metrics and registers them.
func New(o Options) *Telemetry {
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.Tracer == nil {
		o.Tracer = noop.NewTracerProvider()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	t := &Telemetry{registry: o.Registry, tracer: o.Tracer.Tracer("github.com/relbot/relbot"), now: o.Now, log: o.Log}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		t.registry.MustRegister(c)
		return c
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
		t.registry.MustRegister(g)
		return g
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
		t.registry.MustRegister(h)
		return h
	}
	t.deliveries = counter("relbot_deliveries_total", "Webhook deliveries, by event and by what became of them.", "event", "outcome")
	t.jobs = counter("relbot_jobs_total", "Runs of queued work, by outcome: done, retry, given-up, or lost to another instance.", "kind", "outcome")
	t.jobSeconds = histogram("relbot_job_duration_seconds", "Time that a run of queued work took.", []float64{.005, .02, .1, .5, 1, 2, 5, 10, 30, 60}, "kind")
	t.checks = counter("relbot_checks_written_total", "Checks written, by verdict.", "verdict")
	t.flips = counter("relbot_verdict_flips_total", "Verdicts that changed on a commit that did not, by first reason code.", "code", "from", "to")
	t.toCheck = histogram("relbot_event_to_check_seconds", "Time from a delivery, or from a timer, to the check that it led to.", []float64{.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 7200}, "event")
	t.writes = counter("relbot_github_writes_total", "Things shown on GitHub, by what was written and outcome.", "what", "outcome")
	t.calls = counter("relbot_github_requests_total", "Requests to GitHub's API, by kind and HTTP status; status 0 is no answer.", "kind", "status")
	t.callTime = histogram("relbot_github_request_duration_seconds", "Time until GitHub answered.", []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30}, "kind")
	t.remaining = gauge("relbot_github_rate_limit_remaining", "Requests, or GraphQL points, left in the present hour.", "installation", "resource")
	t.limit = gauge("relbot_github_rate_limit", "Requests, or GraphQL points, an hour.", "installation", "resource")
	t.refusals = counter("relbot_github_refusals_total", "Refusals of GitHub that ended work (403, 404, 410), by route and status.", "route", "status")
	t.dbErrors = counter("relbot_database_errors_total", "Operations on the database that failed.", "operation")
	build := gauge("relbot_build_info", "The program that runs; always 1.", "version", "commit", "goversion")
	build.WithLabelValues(o.Version, o.Commit, runtime.Version()).Set(1)
	t.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return t
}

// Handler serves the metrics in Prometheus's formats.
func (t *Telemetry) Handler() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{Registry: t.registry})
}

// Metric is a documented metric.
type Metric struct {
	Name   string
	Labels []string
	Help   string
}

// Metrics lists relbot's own metrics by name, those that have no value yet too.
func (t *Telemetry) Metrics() []Metric {
	descs := make(chan *prometheus.Desc)
	go func() {
		t.registry.Describe(descs)
		close(descs)
	}()
	var out []Metric
	for d := range descs {
		// A description tells what it holds in its text alone.
		text := d.String()
		name := between(text, `fqName: "`, `"`)
		if !strings.HasPrefix(name, "relbot_") {
			continue
		}
		m := Metric{Name: name, Help: between(text, `help: "`, `"`)}
		if labels := between(text, "variableLabels: {", "}"); labels != "" {
			m.Labels = strings.Split(labels, ",")
		}
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b Metric) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}

// Delivery counts a delivery; it is the webhook's Count.
func (t *Telemetry) Delivery(event, _, outcome string) {
	if !slices.ContainsFunc(webhook.Table, func(r webhook.Row) bool { return r.Event == event }) {
		event = "other" // the header of an unsigned request may say anything
	}
	t.deliveries.WithLabelValues(event, outcome).Inc()
}

// Job counts a run of a row of work; it is the runner's Count.
func (t *Telemetry) Job(kind, outcome string) { t.jobs.WithLabelValues(kind, outcome).Inc() }

// Check counts and logs a check that was written on a head; before is the level that the commit showed, "" for none.
func (t *Telemetry) Check(ctx context.Context, head, before string, v rules.Verdict) {
	level := string(v.Level)
	t.checks.WithLabelValues(level).Inc()
	if before != "" && before != level {
		code := "none"
		if len(v.Reasons) > 0 {
			code = string(v.Reasons[0].Code)
		}
		t.flips.WithLabelValues(code, before, level).Inc()
	}
	o := store.OriginOf(ctx)
	event, after := cmp.Or(o.Event, "timer"), t.now().Sub(o.At)
	if !o.At.IsZero() {
		t.toCheck.WithLabelValues(event).Observe(after.Seconds())
	}
	of := v.Pull.String()
	if v.Pull.Number == 0 { // a merge group
		of = string(v.Pull.Repo)
	}
	t.log.Info("check written", "pull", of, "head", head, "verdict", level, "event", event, "since", o.At, "after", after, "waited", o.Waited)
}

// Refused counts a refusal of GitHub that ended work.
func (t *Telemetry) Refused(e forge.RefusedError) {
	t.refusals.WithLabelValues(e.Route, strconv.Itoa(e.Status)).Inc()
}

// State is what is asked of the database when metrics are read.
type State struct {
	Kinds   []string // of work
	Backlog func(ctx context.Context, now time.Time) ([]store.Backlog, error)
	Drift   func(ctx context.Context) (map[rules.Code]int, error)
}

// Watch adds what the database holds to the metrics. Several instances on one database tell the same.
func (t *Telemetry) Watch(s State) {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	t.registry.MustRegister(&state{
		State: s, t: t,
		up:     desc("relbot_database_up", "Whether the database answered when it was asked for these metrics."),
		queued: desc("relbot_queue_jobs", "Rows of work that are not done: due, waiting for their time, failing, or stuck (given up).", "kind", "state"),
		age:    desc("relbot_queue_oldest_seconds", "Time since the event or timer behind the longest waiting work that is due or failing; 0 when there is none.", "kind"),
		drift:  desc("relbot_drift_rows", "Rows in the newest drift reports of all repositories.", "code"),
	})
}

// state collects [State].
type state struct {
	State
	t                      *Telemetry
	up, queued, age, drift *prometheus.Desc
}

// scrapeTimeout is shorter than Prometheus's own, so that a database that hangs does not hide all other metrics.
const scrapeTimeout = 4 * time.Second

func (s *state) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{s.up, s.queued, s.age, s.drift} {
		descs <- d
	}
}

func (s *state) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	now := s.t.now()
	backlog, err := s.Backlog(ctx, now)
	drift, err2 := s.Drift(ctx)
	if errors.Join(err, err2) != nil {
		gauge(s.up, 0)
		return
	}
	gauge(s.up, 1)
	rows := map[string]store.Backlog{}
	for _, kind := range s.Kinds {
		rows[kind] = store.Backlog{} // an empty queue is 0, not silence
	}
	for _, b := range backlog {
		rows[b.Kind] = b
	}
	for kind, b := range rows {
		for name, n := range map[string]int{"due": b.Due, "waiting": b.Waiting, "failing": b.Failing, "stuck": b.Stuck} {
			gauge(s.queued, float64(n), kind, name)
		}
		age := 0.
		if !b.Oldest.IsZero() {
			age = max(0, now.Sub(b.Oldest).Seconds())
		}
		gauge(s.age, age, kind)
	}
	for _, code := range rules.Codes {
		gauge(s.drift, float64(drift[code]), string(code))
	}
}
