package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/job"
	"github.com/relbot/relbot/internal/publish"
	"github.com/relbot/relbot/internal/store"
)

// Tracing makes a provider of traces from the standard OTEL_* variables, which the SDK and its exporter read by themselves. Traces are sent as OTLP over HTTP
// when an endpoint is set, or OTEL_TRACES_EXPORTER=otlp; otherwise there are none. The function that is returned
// sends what is left, and has to be called at the end.
func Tracing(ctx context.Context, version string, log *slog.Logger) (trace.TracerProvider, func(context.Context) error, error) {
	off := func() (trace.TracerProvider, func(context.Context) error, error) {
		return noop.NewTracerProvider(), func(context.Context) error { return nil }, nil
	}
	exporter := os.Getenv("OTEL_TRACES_EXPORTER")
	switch exporter {
	case "none":
		return off()
	case "", "otlp":
	default:
		return nil, nil, fmt.Errorf("OTEL_TRACES_EXPORTER: %q is not supported: want otlp or none", exporter)
	}
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") || exporter == "" && os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
		return off()
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if p := os.Getenv(name); p != "" && p != "http/protobuf" {
			return nil, nil, fmt.Errorf("%s: %q is not supported: want http/protobuf", name, p)
		}
	}
	export, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("traces: %w", err)
	}
	// What the environment says comes last, and wins.
	about, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(attribute.String("service.name", "relbot"), attribute.String("service.version", version)), resource.WithFromEnv())
	if err != nil {
		return nil, nil, fmt.Errorf("traces: OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	p := sdktrace.NewTracerProvider(sdktrace.WithBatcher(logged{export, log}), sdktrace.WithResource(about))
	return p, p.Shutdown, nil
}

// logged writes failures to the log; the library's own way leads to a global handler that prints.
type logged struct {
	sdktrace.SpanExporter
	log *slog.Logger
}

func (l logged) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if err := l.SpanExporter.ExportSpans(ctx, spans); err != nil {
		l.log.Warn("traces not sent", "spans", len(spans), "error", err)
	}
	return nil
}

// traceparent names the span of a context, as W3C has it; "" when it is not traced.
func traceparent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier["traceparent"]
}

// within is a context whose parent span is the one that a traceparent names.
func within(ctx context.Context, traceparent string) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": traceparent})
}

// end closes a span. Errors are reported as such without their texts, which may quote what people wrote.
func end(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// Intake traces deliveries.
func (t *Telemetry) Intake(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, span := t.tracer.Start(r.Context(), "delivery", trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attribute.String("http.request.method", r.Method)))
		answer := &status{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(answer, r.WithContext(ctx))
		span.SetAttributes(attribute.Int("http.response.status_code", answer.code))
		if answer.code < 300 { // the headers of what was refused are anybody's
			span.SetAttributes(attribute.String("relbot.event", r.Header.Get("X-GitHub-Event")), attribute.String("relbot.delivery", r.Header.Get("X-GitHub-Delivery")))
		}
		if answer.code >= 500 {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	})
}

// status remembers the status of an answer.
type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

func (s *status) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// Work times and traces the handlers of work, and tells what they queue where it comes from.
func (t *Telemetry) Work(handlers map[string]job.Handler) map[string]job.Handler {
	out := make(map[string]job.Handler, len(handlers))
	for kind, h := range handlers {
		out[kind] = func(ctx context.Context, claimed []store.Claimed) (outcomes []job.Outcome) {
			start := t.now()
			ctx, span := t.begin(ctx, kind, claimed)
			defer func() { // also when the handler panics, which the runner survives
				var failed error
				for _, o := range outcomes {
					failed = errors.Join(failed, o.Err)
				}
				if outcomes == nil {
					failed = errNothing
				}
				end(span, failed)
				t.jobSeconds.WithLabelValues(kind).Observe(t.now().Sub(start).Seconds())
			}()
			return h(ctx, claimed)
		}
	}
	return out
}

// errNothing stands for the outcomes of a handler that panicked.
var errNothing = errors.New("no outcome")

// begin opens the span of rows that are worked on together. It continues the trace of the row that has waited longest, and links to
// those of the others.
func (t *Telemetry) begin(ctx context.Context, kind string, claimed []store.Claimed) (context.Context, trace.Span) {
	var first store.Origin
	links := map[string]trace.Link{}
	for _, c := range claimed {
		if first.At.IsZero() || !c.Origin.At.IsZero() && c.Origin.At.Before(first.At) {
			first = c.Origin
			first.Waited = waited(c, t.now())
		}
		if link := trace.LinkFromContext(within(context.Background(), c.Origin.Trace)); link.SpanContext.IsValid() {
			links[c.Origin.Trace] = link
		}
	}
	delete(links, first.Trace)
	if first.Waited != "" {
		t.log.Debug("work has waited", "kind", kind, "key", claimed[0].Key, "event", first.Event, "since", first.At, "waited", first.Waited)
	}
	options := []trace.SpanStartOption{
		trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(attribute.String("relbot.kind", kind), attribute.String("relbot.key", claimed[0].Key), attribute.Int("relbot.rows", len(claimed)),
			attribute.Int("relbot.attempt", claimed[0].Attempt), attribute.String("relbot.event", first.Event)),
	}
	for _, l := range links {
		options = append(options, trace.WithLinks(l))
	}
	return t.tracer.Start(store.WithOrigin(within(ctx, first.Trace), first), "job "+kind, options...)
}

// Bounds of what is said about waiting.
const (
	shortWait  = 500 * time.Millisecond // what is shorter is not mentioned
	waitedText = 300                    // bytes
)

// waited returns what a row and those before it have waited for, as people read it; "" for nothing worth mentioning.
func waited(c store.Claimed, now time.Time) string {
	parts := []string{}
	if c.Origin.Waited != "" {
		parts = append(parts, c.Origin.Waited)
	}
	add := func(d time.Duration, why string) {
		if d >= shortWait {
			parts = append(parts, d.Round(100*time.Millisecond).String()+" "+why)
		}
	}
	due := c.At
	switch {
	case c.Origin.Queued.IsZero():
	case c.Attempt > 0:
		add(now.Sub(c.Origin.Queued), "until another attempt succeeds: "+c.Cause)
	default:
		if due.Before(c.Origin.Queued) {
			due = c.Origin.Queued
		}
		add(due.Sub(c.Origin.Queued), "to take several events together")
		add(now.Sub(due), "for a free worker, or other work on the same")
	}
	text := strings.Join(parts, "; ")
	return strings.ToValidUTF8(text[:min(len(text), waitedText)], "")
}

// written is GitHub with its writes counted and traced.
type written struct {
	publish.GitHub
	t *Telemetry
}

// GitHub wraps what is written to GitHub.
func (t *Telemetry) GitHub(g publish.GitHub) publish.GitHub { return written{g, t} }

func write[T any](ctx context.Context, w written, what string, repo coupling.Repo, do func(context.Context) (T, error)) (T, error) {
	ctx, span := w.t.tracer.Start(ctx, "write "+what, trace.WithAttributes(attribute.String("relbot.repository", string(repo))))
	v, err := do(ctx)
	end(span, err)
	outcome := "done"
	if err != nil {
		outcome = "failed"
	}
	w.t.writes.WithLabelValues(what, outcome).Inc()
	return v, err
}

// act is a write without a result.
func act(ctx context.Context, w written, what string, repo coupling.Repo, do func(context.Context) error) error {
	_, err := write(ctx, w, what, repo, func(ctx context.Context) (struct{}, error) { return struct{}{}, do(ctx) })
	return err
}

func (w written) PutCheck(ctx context.Context, repo coupling.Repo, run forge.CheckRun) (int64, error) {
	return write(ctx, w, "check", repo, func(ctx context.Context) (int64, error) { return w.GitHub.PutCheck(ctx, repo, run) })
}

func (w written) PutStatus(ctx context.Context, repo coupling.Repo, s forge.Status) error {
	return act(ctx, w, "status", repo, func(ctx context.Context) error { return w.GitHub.PutStatus(ctx, repo, s) })
}

func (w written) PostComment(ctx context.Context, pull coupling.Pull, body string) (forge.Comment, error) {
	return write(ctx, w, "comment", pull.Repo, func(ctx context.Context) (forge.Comment, error) { return w.GitHub.PostComment(ctx, pull, body) })
}

func (w written) EditComment(ctx context.Context, repo coupling.Repo, id int64, body string) error {
	return act(ctx, w, "edit", repo, func(ctx context.Context) error { return w.GitHub.EditComment(ctx, repo, id, body) })
}

func (w written) Minimize(ctx context.Context, repo coupling.Repo, nodeID string) error {
	return act(ctx, w, "minimize", repo, func(ctx context.Context) error { return w.GitHub.Minimize(ctx, repo, nodeID) })
}

func (w written) React(ctx context.Context, repo coupling.Repo, comment int64, content string) error {
	return act(ctx, w, "reaction", repo, func(ctx context.Context) error { return w.GitHub.React(ctx, repo, comment, content) })
}

func (w written) CreateIssue(ctx context.Context, repo coupling.Repo, title, body string, labels []string) (int, error) {
	return write(ctx, w, "issue", repo, func(ctx context.Context) (int, error) { return w.GitHub.CreateIssue(ctx, repo, title, body, labels) })
}

func (w written) EditIssue(ctx context.Context, repo coupling.Repo, i forge.Issue) error {
	return act(ctx, w, "issue", repo, func(ctx context.Context) error { return w.GitHub.EditIssue(ctx, repo, i) })
}

// Transport counts, times and traces requests to GitHub. account says as whom a request is made: an installation's id, or "app".
func (t *Telemetry) Transport(next http.RoundTripper, account func(context.Context) string) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		kind, as := endpoint(r), account(r.Context())
		if strings.HasSuffix(kind, "access_tokens") {
			as = "app" // the App asks for its installation's token
		}
		ctx, span := t.tracer.Start(r.Context(), "GitHub "+kind, trace.WithSpanKind(trace.SpanKindClient),
			trace.WithAttributes(attribute.String("http.request.method", r.Method), attribute.String("relbot.account", as)))
		start := t.now()
		res, err := next.RoundTrip(r.WithContext(ctx))
		t.callTime.WithLabelValues(kind).Observe(t.now().Sub(start).Seconds())
		code := 0
		if err == nil {
			code = res.StatusCode
			t.budget(as, res.Header)
			span.SetAttributes(attribute.Int("http.response.status_code", code))
		}
		t.calls.WithLabelValues(kind, strconv.Itoa(code)).Inc()
		if err != nil || code >= 400 {
			span.SetStatus(codes.Error, "")
		}
		span.End()
		return res, err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// resources are those of GitHub's rate limits that relbot meets.
var resources = map[string]bool{"core": true, "graphql": true, "search": true}

// budget remembers what GitHub says of a rate limit.
func (t *Telemetry) budget(account string, h http.Header) {
	resource := h.Get("X-Ratelimit-Resource")
	if resource == "" {
		resource = "core"
	}
	if !resources[resource] {
		return
	}
	if n, err := strconv.ParseFloat(h.Get("X-Ratelimit-Remaining"), 64); err == nil {
		t.remaining.WithLabelValues(account, resource).Set(n)
	}
	if n, err := strconv.ParseFloat(h.Get("X-Ratelimit-Limit"), 64); err == nil {
		t.limit.WithLabelValues(account, resource).Set(n)
	}
}

// words are the fixed parts of the addresses that relbot asks for.
var words = map[string]bool{
	"access_tokens": true, "app": true, "attempts": true, "check-runs": true, "collaborators": true, "comments": true, "commits": true, "compare": true,
	"contents": true, "deliveries": true, "git": true, "graphql": true, "hook": true, "installation": true, "installations": true, "issues": true,
	"pulls": true, "reactions": true, "repositories": true, "statuses": true, "trees": true, "user": true,
}

// endpoint names the kind of a request: its method and the fixed words of its address, without names, numbers and commits.
func endpoint(r *http.Request) string {
	_, path, ok := strings.Cut(r.URL.Path, "/repos/")
	if ok {
		_, path, _ = strings.Cut(path, "/") // owner
		_, path, _ = strings.Cut(path, "/") // name
	} else {
		path = strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/api"), "/v3")
	}
	var out []string
	for part := range strings.SplitSeq(path, "/") {
		if words[part] && len(out) < 3 {
			out = append(out, part)
		} else if len(out) > 0 && strings.Trim(part, "0123456789") != "" {
			break // from here on, somebody else chose the words
		}
	}
	if len(out) == 0 {
		return r.Method + " other"
	}
	return r.Method + " " + strings.Join(out, "/")
}

// flushTimeout bounds the sending of the last traces.
const flushTimeout = 5 * time.Second

// Flush sends what is left, within a few seconds.
func Flush(stop func(context.Context) error, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	if err := stop(ctx); err != nil {
		log.Warn("traces not sent", "error", err)
	}
}
