package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/telemetry"
)

// TestTraceFromDeliveryToWrite follows a delivery through the rows of work that it leads to: one trace ends at the check and the note.
func TestTraceFromDeliveryToWrite(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	registry := prometheus.NewRegistry()
	r := newRig(t, ghsim.RepoSpec{Name: repo, Policy: "version: 1\ncouplings: {set: {members: {a: {pr: 1}, b: {pr: 2}}, order: [a before b]}}\n"},
		telemetry.Options{Registry: registry, Tracer: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))})
	for n := 1; n <= 2; n++ {
		if err := r.gh.Open(ghsim.OpenSpec{Repo: repo, Number: n, By: "ann", Title: "Words of people", Files: map[string]*string{fmt.Sprint(n): text("x")}}); err != nil {
			t.Fatal(err)
		}
	}
	r.settle()

	spans := map[string]sdktrace.ReadOnlySpan{}
	for _, s := range recorder.Ended() {
		spans[s.SpanContext().SpanID().String()] = s
		for _, a := range s.Attributes() {
			if strings.Contains(a.Value.String(), "Words") {
				t.Errorf("%s tells %s=%s", s.Name(), a.Key, a.Value.String())
			}
		}
	}
	// path names the spans from a span up to its root.
	path := func(s sdktrace.ReadOnlySpan) string {
		names := []string{s.Name()}
		for s.Parent().IsValid() {
			up, ok := spans[s.Parent().SpanID().String()]
			if !ok {
				t.Fatalf("the parent of %q was not recorded", s.Name())
			}
			s = up
			names = append(names, s.Name())
		}
		return strings.Join(names, " < ")
	}
	paths := map[string]int{}
	for _, s := range spans {
		paths[path(s)]++
	}
	for _, want := range []string{
		"GitHub POST check-runs < write check < job show < job coupling < job pull < delivery",
		"GitHub POST issues/comments < write comment < job tell < job show < job coupling < job pull < delivery",
	} {
		if paths[want] == 0 {
			t.Errorf("no trace %q in\n%v", want, paths)
		}
	}
	for _, s := range spans {
		if s.Name() == "delivery" && !attributes(s)["relbot.delivery"] {
			t.Error("a delivery without its id")
		}
	}
	if n, err := testutil.GatherAndCount(registry, "relbot_event_to_check_seconds"); err != nil || n == 0 {
		t.Errorf("%d series of the time from event to check (%v)", n, err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "relbot_event_to_check_seconds" {
			continue
		}
		for _, m := range f.GetMetric() {
			if h := m.GetHistogram(); m.GetLabel()[0].GetValue() == "pull_request" && (h.GetSampleCount() == 0 || h.GetSampleSum() <= 0 || h.GetSampleSum() > 60*float64(h.GetSampleCount())) {
				t.Errorf("%d checks after pull_request events, in %v s together", h.GetSampleCount(), h.GetSampleSum())
			}
		}
	}
	for name, want := range map[string]int{"relbot_deliveries_total": 1, "relbot_jobs_total": 3, "relbot_checks_written_total": 2, "relbot_github_requests_total": 4, "relbot_queue_jobs": 4} {
		if n, err := testutil.GatherAndCount(registry, name); err != nil || n < want {
			t.Errorf("%s: %d series, want at least %d (%v)", name, n, want, err)
		}
	}
}

// TestChecksAreCounted holds that a check is counted which looks at the policy file in the same call.
func TestChecksAreCounted(t *testing.T) {
	registry := prometheus.NewRegistry()
	r := newRig(t, ghsim.RepoSpec{Name: repo}, telemetry.Options{Registry: registry})
	for n := 1; n <= 3; n++ {
		if err := r.gh.Open(ghsim.OpenSpec{Repo: repo, Number: n, By: "ann", Title: "T", Files: map[string]*string{fmt.Sprint("f", n): text("x")}}); err != nil {
			t.Fatal(err)
		}
	}
	r.settle()
	want := `
# HELP relbot_checks_written_total Checks written, by verdict.
# TYPE relbot_checks_written_total counter
relbot_checks_written_total{verdict="pass"} 3
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "relbot_checks_written_total"); err != nil {
		t.Error(err)
	}
}

// TestOneLineAnOutcome holds the log against the counters: each row of work that was worked on is one line.
func TestOneLineAnOutcome(t *testing.T) {
	registry := prometheus.NewRegistry()
	r := newRig(t, ghsim.RepoSpec{Name: repo, Policy: "version: 1\ncouplings: {set: {members: {a: {pr: 1}, b: {pr: 2}}, order: [a before b]}}\n"}, telemetry.Options{Registry: registry})
	if err := r.gh.AddFault(ghsim.Fault{Match: "POST /repos/*/check-runs", Answer: "502"}); err != nil {
		t.Fatal(err)
	}
	if err := r.gh.Open(ghsim.OpenSpec{Repo: repo, Number: 1, By: "ann", Title: "T", Files: map[string]*string{"f": text("x")}}); err != nil {
		t.Fatal(err)
	}
	r.settle()
	lines := map[string]int{}
	for line := range bytes.Lines(r.log.Bytes()) {
		var l struct{ Level, Msg, Kind, Key string }
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if l.Msg == "done" && l.Level == "INFO" || l.Msg == "failed" && l.Level == "WARN" {
			lines[l.Kind+" "+map[string]string{"done": "done", "failed": "retry"}[l.Msg]]++
		}
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := map[string]int{}
	for _, f := range families {
		if f.GetName() == "relbot_jobs_total" {
			for _, m := range f.GetMetric() {
				counted[m.GetLabel()[0].GetValue()+" "+m.GetLabel()[1].GetValue()] += int(m.GetCounter().GetValue())
			}
		}
	}
	if !maps.Equal(lines, counted) || counted["show retry"] == 0 || counted["show done"] == 0 {
		t.Errorf("lines %v, counted %v", lines, counted)
	}
}

// TestLateness holds that each check that is written is one log line, with the event that called for it and what it waited for.
func TestLateness(t *testing.T) {
	r := newRig(t, ghsim.RepoSpec{Name: repo, Policy: "version: 1\n"}, telemetry.Options{})
	open := func(n int) {
		t.Helper()
		if err := r.gh.Open(ghsim.OpenSpec{Repo: repo, Number: n, By: "ann", Title: "T", Files: map[string]*string{"f": text(strconv.Itoa(n))}}); err != nil {
			t.Fatal(err)
		}
		r.flush()
		r.work()
	}
	type line struct {
		Level, Msg, Pull, Head, Verdict, Event, Waited string
		After                                          time.Duration
	}
	written := func() (lines []line) {
		for raw := range bytes.Lines(r.log.Bytes()) {
			var l line
			if json.Unmarshal(raw, &l) == nil && l.Msg == "check written" {
				lines = append(lines, l)
			}
		}
		r.log.Reset()
		return lines
	}
	open(1)
	prompt := written()
	if err := r.gh.AddFault(ghsim.Fault{Match: "writes", Answer: "502"}); err != nil {
		t.Fatal(err)
	}
	open(2)
	r.gh.ClearFaults()
	r.now = r.now.Add(20 * time.Second)
	r.work()
	debug := strings.Contains(r.log.String(), `"msg":"work has waited"`)
	late := written()
	if len(prompt) != 1 || len(late) != 1 || !debug {
		t.Fatalf("written %+v and %+v, a line for what waited: %v; want one check each", prompt, late, debug)
	}
	if l := prompt[0]; l.Level != "INFO" || l.Pull != "acme/app#1" || len(l.Head) != 40 || l.Verdict != "pass" || l.Event != "pull_request" || l.After != 0 || l.Waited != "" {
		t.Errorf("%+v", l)
	}
	if l := late[0]; l.Pull != "acme/app#2" || l.Event != "pull_request" || l.After != 20*time.Second || l.Waited != "20s until another attempt succeeds: try again: what was written may not be listed yet" {
		t.Errorf("%+v", l)
	}
}

func attributes(s sdktrace.ReadOnlySpan) map[attribute.Key]bool {
	out := map[attribute.Key]bool{}
	for _, a := range s.Attributes() {
		out[a.Key] = a.Value.String() != ""
	}
	return out
}
