package note

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/drift"
	"github.com/relbot/relbot/internal/rules"
)

func drifted() drift.Report {
	in := drift.Input{
		Repo: "acme/app", At: "2026-06-13T06:00:00Z",
		Couplings: []drift.Coupling{{Judgement: landing(), Since: "2026-06-01"}, {Judgement: distroless(), Since: "2026-06-02"}},
		Gates: []drift.RegisteredGate{
			{State: rules.GateState{ID: "old", Value: "26.19.0", Want: "26.18.0", Path: "src/old.rs", Line: 4, Level: rules.Block, Evidence: "v26.18.0-rc.1",
				Reasons: []rules.Reason{{Code: rules.GateShippedEarlier, Gate: "old", Name: "V26_19_0", Value: "26.19.0", Want: "26.18.0", Tag: "v26.18.0-rc.1", Method: "evidence", Path: "src/old.rs", Line: 4}}}},
			{State: rules.GateState{ID: "uid", Level: rules.Block, Reasons: []rules.Reason{{Code: rules.GateMissing, Gate: "uid", Path: "src/gate.rs"}}}},
		},
		Warnings: []rules.Reason{{Code: rules.TrainLagging, Value: "26.28.0-dev.0", Tag: "v26.28.0-rc.1", Want: "26.29.0", Path: "VERSION"}},
	}
	return drift.NewReport(in, []drift.Row{{Coupling: "distroless", Code: rules.OrderBroken, Since: "2026-06-10", Reason: rules.Reason{Code: rules.OrderBroken, About: pr(1)}}})
}

func TestReport(t *testing.T) {
	r := drifted()
	body := Report(r)
	golden(t, "report/drifted.md", body)
	golden(t, "report/drifted.txt", ReportText(r))
	golden(t, "report/drifted.json", string(ReportJSON(r)))
	golden(t, "report/comment.md", ReportComment(r, r.Drift[1:]))
	if !IsReport(body) || IsNote(body) || IsReply(body) {
		t.Error("the marker is not recognised")
	}
	later := r
	later.At = "2026-06-14T06:00:00Z"
	if Report(later) != body {
		t.Error("a night without change changes the text")
	}
	empty := drift.NewReport(drift.Input{Repo: "acme/app", At: "2026-06-13"}, nil)
	golden(t, "report/nothing.md", Report(empty))
	golden(t, "report/nothing.txt", ReportText(empty))
	golden(t, "report/nothing.json", string(ReportJSON(empty)))
	if !json.Valid(ReportJSON(empty)) || strings.Contains(string(ReportJSON(r)), `""`) {
		t.Error("what is unknown is no null")
	}
}

func TestReportLimits(t *testing.T) {
	r := drifted()
	for range 5000 {
		r.Drift = append(r.Drift, r.Drift...)
		if len(r.Drift) > 5000 {
			break
		}
	}
	for range 1000 {
		r.Couplings = append(r.Couplings, r.Couplings[0])
	}
	if body := Report(r); len(body) > 60_000 || !IsReport(body) {
		t.Errorf("%d bytes", len(body))
	}
	if body := ReportComment(r, r.Drift); len(body) > 60_000 {
		t.Errorf("%d bytes in the comment", len(body))
	}
}

func TestReportHidesPrivateMembers(t *testing.T) {
	j := private()
	vault := coupling.Pull{Repo: "acme/vault", Number: 77}
	j.Alarms = []rules.Alarm{{Reason: rules.Reason{Code: rules.MemberMissing, About: vault, Value: "main"}}}
	r := drift.NewReport(drift.Input{Repo: "acme/app", At: "2026-06-13", Couplings: []drift.Coupling{{Judgement: j}}}, nil)
	for what, text := range map[string]string{"report": Report(r), "text": ReportText(r), "json": string(ReportJSON(r)), "comment": ReportComment(r, r.Drift)} {
		for _, leak := range []string{"hidden title", "zoe", "vault", "#77"} {
			if strings.Contains(text, leak) {
				t.Errorf("the %s says %q", what, leak)
			}
		}
	}
}
