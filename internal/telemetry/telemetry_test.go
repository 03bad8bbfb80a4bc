package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/job"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/store"
)

// broken is a database that fails with err.
type broken struct {
	store.Store
	err error
}

func (b broken) Ping(context.Context) error { return b.err }

// exercised is a telemetry in which every metric has a value.
func exercised(t *testing.T) (*Telemetry, *prometheus.Registry) {
	t.Helper()
	r := prometheus.NewRegistry()
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	m := New(Options{Registry: r, Version: "1.2.3", Commit: "abc", Now: func() time.Time { return now }})
	m.Delivery("pull_request", "opened", "accepted")
	m.Job("show", "done")
	m.Refused(forge.RefusedError{Route: "POST /repos/*/issues/*/comments", Status: 403})
	_ = m.Store(broken{err: errors.New("disk full")}).Ping(t.Context())
	m.Work(map[string]job.Handler{"show": func(ctx context.Context, c []store.Claimed) []job.Outcome {
		m.Check(ctx, "h", "pass", rules.Verdict{Level: rules.Block, Reasons: []rules.Reason{{Code: rules.GateCutWithout}}})
		return []job.Outcome{{}}
	}})["show"](t.Context(), []store.Claimed{{Work: store.Work{Kind: "show", Key: "a/b#1", Origin: store.Origin{At: now.Add(-3 * time.Second), Event: "push"}}}})
	_ = act(t.Context(), written{t: m}, "check", "a/b", func(context.Context) error { return nil })
	_, err := m.Transport(roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: http.NoBody, Header: http.Header{"X-Ratelimit-Remaining": {"4000"}, "X-Ratelimit-Limit": {"5000"}, "X-Ratelimit-Resource": {"core"}}}, nil
	}), func(context.Context) string { return "7" }).RoundTrip(httptest.NewRequest(http.MethodGet, "https://api.example/repos/a/b/compare/x...y", nil))
	if err != nil {
		t.Fatal(err)
	}
	m.Watch(State{
		Kinds: []string{"pull", "show"},
		Backlog: func(context.Context, time.Time) ([]store.Backlog, error) {
			return []store.Backlog{{Kind: "pull", Due: 2, Stuck: 1, Oldest: now.Add(-time.Minute)}}, nil
		},
		Drift: func(context.Context) (map[rules.Code]int, error) { return map[rules.Code]int{rules.HalfLanded: 3}, nil },
	})
	return m, r
}

// TestConventions holds names and help texts against Prometheus's conventions, and the documented list against what is served.
func TestConventions(t *testing.T) {
	m, r := exercised(t)
	problems, err := testutil.GatherAndLint(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var served []string
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "relbot_") {
			served = append(served, f.GetName())
		}
	}
	var listed []string
	for _, d := range m.Metrics() {
		listed = append(listed, d.Name)
		if d.Help == "" || len(d.Labels) == 0 && d.Name != "relbot_database_up" {
			t.Errorf("read %+v from its description", d)
		}
	}
	if !slices.Equal(served, listed) {
		t.Errorf("served %q, listed %q: every metric has to get a value in this test", served, listed)
	}
}

func TestValues(t *testing.T) {
	_, r := exercised(t)
	want := `
# HELP relbot_queue_jobs Rows of work that are not done: due, waiting for their time, failing, or stuck (given up).
# TYPE relbot_queue_jobs gauge
relbot_queue_jobs{kind="pull",state="due"} 2
relbot_queue_jobs{kind="pull",state="failing"} 0
relbot_queue_jobs{kind="pull",state="stuck"} 1
relbot_queue_jobs{kind="pull",state="waiting"} 0
relbot_queue_jobs{kind="show",state="due"} 0
relbot_queue_jobs{kind="show",state="failing"} 0
relbot_queue_jobs{kind="show",state="stuck"} 0
relbot_queue_jobs{kind="show",state="waiting"} 0
# HELP relbot_queue_oldest_seconds Time since the event or timer behind the longest waiting work that is due or failing; 0 when there is none.
# TYPE relbot_queue_oldest_seconds gauge
relbot_queue_oldest_seconds{kind="pull"} 60
relbot_queue_oldest_seconds{kind="show"} 0
# HELP relbot_verdict_flips_total Verdicts that changed on a commit that did not, by first reason code.
# TYPE relbot_verdict_flips_total counter
relbot_verdict_flips_total{code="gate-cut-without",from="pass",to="block"} 1
# HELP relbot_github_rate_limit_remaining Requests, or GraphQL points, left in the present hour.
# TYPE relbot_github_rate_limit_remaining gauge
relbot_github_rate_limit_remaining{installation="7",resource="core"} 4000
# HELP relbot_database_errors_total Operations on the database that failed.
# TYPE relbot_database_errors_total counter
relbot_database_errors_total{operation="ping"} 1
`
	if err := testutil.GatherAndCompare(r, strings.NewReader(want), "relbot_queue_jobs", "relbot_queue_oldest_seconds", "relbot_verdict_flips_total", "relbot_github_rate_limit_remaining", "relbot_database_errors_total"); err != nil {
		t.Error(err)
	}
}

// TestDatabaseDown holds that a database that does not answer hides no other metric.
func TestDatabaseDown(t *testing.T) {
	r := prometheus.NewRegistry()
	m := New(Options{Registry: r})
	m.Watch(State{
		Kinds:   []string{"pull"},
		Backlog: func(context.Context, time.Time) ([]store.Backlog, error) { return nil, errors.New("gone") },
		Drift:   func(context.Context) (map[rules.Code]int, error) { return nil, nil },
	})
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if body := w.Body.String(); w.Code != http.StatusOK || !strings.Contains(body, "\nrelbot_database_up 0\n") || !strings.Contains(body, "relbot_build_info{") || strings.Contains(body, "relbot_queue_jobs") {
		t.Errorf("status %d:\n%s", w.Code, body)
	}
}

// TestBounded holds that nothing that a stranger chooses becomes a label.
func TestBounded(t *testing.T) {
	r := prometheus.NewRegistry()
	m := New(Options{Registry: r})
	transport := m.Transport(roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: http.NoBody, Header: http.Header{"X-Ratelimit-Resource": {"made-up"}, "X-Ratelimit-Remaining": {"1"}}}, nil
	}), func(context.Context) string { return "app" })
	base := 0
	for i := range 50 {
		m.Delivery(fmt.Sprint("event-", i), "", "unsigned")
		for _, path := range []string{"/repos/o%d/n%d/issues/%d/comments", "/repos/app/n%d/git/trees/%040d?recursive=1", "/repos/a/b/contents/app/%d/issues/x%d", "/repos/a/b/collaborators/u%d/permission", "/x%d/y%d", "/repos/a/b/compare/b%d...c%d"} {
			n := strings.Count(path, "%")
			_, err := transport.RoundTrip(httptest.NewRequest(http.MethodGet, "https://api.example"+fmt.Sprintf(path, slices.Repeat([]any{i}, n)...), nil))
			if err != nil {
				t.Fatal(err)
			}
		}
		if n, err := testutil.GatherAndCount(r, "relbot_deliveries_total", "relbot_github_requests_total", "relbot_github_rate_limit_remaining"); err != nil || i > 0 && n != base {
			t.Fatalf("%d series after round %d, %d after the first (%v)", n, i, base, err)
		} else {
			base = n
		}
	}
}

func TestEndpoint(t *testing.T) {
	for path, want := range map[string]string{
		"/repos/a/b/issues/12/comments":                 "GET issues/comments",
		"/api/v3/repos/a/b/issues/comments/7/reactions": "GET issues/comments/reactions",
		"/repos/issues/pulls/check-runs":                "GET check-runs",
		"/repos/a/app":                                  "GET other",
		"/repos/a/b/compare/issues...pulls":             "GET compare",
		"/repos/a/b/git/trees/0123456789abcdef0123":     "GET git/trees",
		"/app/installations/7/access_tokens":            "GET app/installations/access_tokens",
		"/api/graphql":                                  "GET graphql",
		"/graphql":                                      "GET graphql",
		"/installation/repositories":                    "GET installation/repositories",
	} {
		if got := endpoint(httptest.NewRequest(http.MethodGet, "https://github.example"+path, nil)); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// kept keeps the rows that are queued.
type kept struct {
	store.Store
	work []store.Work
}

func (k *kept) Enqueue(_ context.Context, work ...store.Work) error {
	k.work = work
	return nil
}

func TestOrigins(t *testing.T) {
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	m := New(Options{Now: func() time.Time { return now }})
	k := &kept{}
	from := store.Origin{At: now.Add(-time.Minute), Event: "push"}
	for _, c := range []struct {
		what string
		ctx  context.Context
		work store.Work
		want store.Origin
	}{
		{"a timer", t.Context(), store.Work{}, store.Origin{At: now}},
		{"a delivery", t.Context(), store.Work{Origin: from}, from},
		{"work that queues work", store.WithOrigin(t.Context(), from), store.Work{}, from},
		{"a moment to come", store.WithOrigin(t.Context(), from), store.Work{At: now.Add(time.Hour)}, store.Origin{At: now.Add(time.Hour)}},
	} {
		c.want.Queued = now
		if err := m.Store(k).Enqueue(c.ctx, c.work); err != nil || k.work[0].Origin != c.want {
			t.Errorf("%s: origin %+v, want %+v (%v)", c.what, k.work[0].Origin, c.want, err)
		}
	}
}

// TestTracingVariables holds which variables turn traces on, and that what is not supported is refused rather than ignored.
func TestTracingVariables(t *testing.T) {
	for _, c := range []struct {
		env  []string
		on   bool
		want string
	}{
		{nil, false, ""},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1"}, true, ""},
		{[]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://127.0.0.1:1/v1/traces", "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"}, true, ""},
		{[]string{"OTEL_TRACES_EXPORTER=otlp"}, true, ""},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_SDK_DISABLED=true"}, false, ""},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_TRACES_EXPORTER=none"}, false, ""},
		{[]string{"OTEL_TRACES_EXPORTER=zipkin"}, false, `OTEL_TRACES_EXPORTER: "zipkin" is not supported`},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, false, `OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" is not supported`},
	} {
		t.Run(strings.Join(c.env, " "), func(t *testing.T) {
			for _, e := range c.env {
				name, value, _ := strings.Cut(e, "=")
				t.Setenv(name, value)
			}
			p, stop, err := Tracing(t.Context(), "1", nil)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %v, want %s", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			_, span := p.Tracer("t").Start(t.Context(), "s")
			if span.IsRecording() != c.on {
				t.Errorf("traces on: %v", span.IsRecording())
			}
			if err := stop(t.Context()); err != nil { // nothing was ended, so that nothing is sent
				t.Error(err)
			}
		})
	}
}

// TestPanicIsTraced holds that a handler that panics leaves a span that failed, and its time.
func TestPanicIsTraced(t *testing.T) {
	recorder, r := tracetest.NewSpanRecorder(), prometheus.NewRegistry()
	m := New(Options{Registry: r, Tracer: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))})
	handler := m.Work(map[string]job.Handler{"show": func(context.Context, []store.Claimed) []job.Outcome { panic("oh") }})["show"]
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		handler(t.Context(), []store.Claimed{{Work: store.Work{Kind: "show", Key: "a/b#1"}}})
	}()
	if spans := recorder.Ended(); len(spans) != 1 || spans[0].Status().Code != codes.Error {
		t.Errorf("spans %v", spans)
	}
	if n, err := testutil.GatherAndCount(r, "relbot_job_duration_seconds"); err != nil || n != 1 {
		t.Errorf("%d durations, %v", n, err)
	}
}
