package drift

import (
	"fmt"
	"strings"
	"testing"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/versionscan/find"
	"github.com/relbot/relbot/internal/versionscan/release"
)

func pr(n int) coupling.Pull { return coupling.Pull{Repo: "acme/app", Number: n} }

// pair is an open coupling of an image and the gate that goes with it.
func pair() rules.Judgement {
	return rules.Judgement{
		Coupling:   coupling.Coupling{Name: "distroless", Home: "acme/app", SameRelease: true, Members: []coupling.Member{{Role: "image", Pull: pr(1)}, {Role: "gate", Pull: pr(2)}}},
		OneRelease: [][]coupling.Pull{{pr(1), pr(2)}},
		State:      coupling.Open, Train: "26.29.0",
		Members: []rules.MemberState{
			{Role: "image", Pull: pr(1), Author: "ann", State: "open", ShipsIn: "26.29.0", Verdict: rules.Verdict{Level: rules.Pass}},
			{Role: "gate", Pull: pr(2), Author: "bob", State: "open", ShipsIn: "26.29.0", Verdict: rules.Verdict{Level: rules.Pass}},
		},
		Gates: []rules.GateState{{ID: "uid", Subject: "image", Owner: pr(2), Value: "26.29.0", Want: "26.29.0", Level: rules.Pass}},
	}
}

func blocked(m *rules.MemberState, r rules.Reason) {
	m.Verdict = rules.Verdict{Level: rules.Block, Reasons: []rules.Reason{r}}
}

// brief shows rows as "coupling code gate about owner".
func brief(rows []Row) string {
	var out []string
	for _, r := range rows {
		out = append(out, fmt.Sprintf("%s %s %s %s %s", r.Coupling, r.Code, r.Reason.Gate, r.Reason.About.In("acme/app"), r.Owner))
	}
	return strings.Join(out, "; ")
}

func TestList(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(j *rules.Judgement, in *Input)
		want   string
	}{
		{"all is well", func(*rules.Judgement, *Input) {}, ""},
		{"waiting is no drift", func(j *rules.Judgement, _ *Input) {
			j.Members[0].Verdict = rules.Verdict{Level: rules.Wait, Reasons: []rules.Reason{{Code: rules.OrderWaiting, Pulls: []coupling.Pull{pr(2)}}}}
		}, ""},
		{"a hold is no drift", func(j *rules.Judgement, _ *Input) {
			blocked(&j.Members[0], rules.Reason{Code: rules.OnHold, By: "ann"})
		}, ""},
		{"a gate set wrong by its author is none yet", func(j *rules.Judgement, _ *Input) {
			blocked(&j.Members[1], rules.Reason{Code: rules.GateAhead, Gate: "uid"})
		}, ""},
		{"a cut passed the gate of an open member: one row, its owner acts", func(j *rules.Judgement, _ *Input) {
			for i := range j.Members {
				blocked(&j.Members[i], rules.Reason{Code: rules.GateCutWithout, Gate: "uid", Path: "src/gate.rs"})
			}
		}, "distroless gate-cut-without uid #0 bob"},
		{"a closed member blocks every other, and is one row", func(j *rules.Judgement, _ *Input) {
			j.Members[1].State = "closed"
			blocked(&j.Members[0], rules.Reason{Code: rules.MemberClosed, About: pr(2)})
		}, "distroless member-closed  #2 bob"},
		{"half-landed", func(j *rules.Judgement, _ *Input) { j.State, j.Members[0].State = coupling.Landing, "merged" }, "distroless half-landed  #0 bob"},
		{"what may ship alone does not make it half-landed", func(j *rules.Judgement, _ *Input) {
			j.State, j.Members[0].State, j.Members[0].SafeAlone = coupling.Landing, "merged", true
		}, ""},
		{"an alarm is in force, and the same reason on an open member adds nothing", func(j *rules.Judgement, _ *Input) {
			j.State, j.Members[0].State = coupling.Broken, "missing"
			r := rules.Reason{Code: rules.MemberMissing, About: pr(1)}
			j.Alarms = []rules.Alarm{{Reason: r}}
			blocked(&j.Members[1], r)
		}, "distroless member-missing  #1 ann"},
		{"an unreadable member has no author", func(j *rules.Judgement, _ *Input) {
			j.Members[0].State, j.Members[0].Author = "unreadable", ""
			j.Members[1].Verdict = rules.Verdict{Level: rules.Unknown, Reasons: []rules.Reason{{Code: rules.MemberUnreadable, About: pr(1)}}}
		}, "distroless member-unreadable  #1 acme"},
		{"a split names each late member", func(j *rules.Judgement, _ *Input) {
			for i := range j.Members {
				blocked(&j.Members[i], rules.Reason{Code: rules.ReleaseSplit, About: pr(9)})
			}
		}, "distroless release-split  #9 ann; distroless release-split  #9 bob"},
		{"an ended coupling", func(j *rules.Judgement, _ *Input) {
			j.State = coupling.Abandoned
			blocked(&j.Members[0], rules.Reason{Code: rules.MemberClosed, About: pr(2)})
		}, ""},
		{"a registered gate that history contradicts", func(_ *rules.Judgement, in *Input) {
			in.Gates = []RegisteredGate{{State: rules.GateState{ID: "old", Value: "26.19.0", Level: rules.Block, Reasons: []rules.Reason{{Code: rules.GateShippedEarlier, Gate: "old"}}}}}
		}, " gate-shipped-earlier old #0 acme"},
		{"a gate only in an open member is none", func(_ *rules.Judgement, in *Input) {
			in.Gates = []RegisteredGate{{State: rules.GateState{ID: "uid", Level: rules.Block, Reasons: []rules.Reason{{Code: rules.GateMissing, Gate: "uid"}}}}}
		}, ""},
		{"a gate only in another open pull request is none", func(_ *rules.Judgement, in *Input) {
			in.Gates = []RegisteredGate{{State: rules.GateState{ID: "new", Level: rules.Block, Reasons: []rules.Reason{{Code: rules.GateMissing, Gate: "new"}}}}}
			in.Pending = []string{"new"}
		}, ""},
		{"a gate that is nowhere", func(_ *rules.Judgement, in *Input) {
			in.Gates = []RegisteredGate{{State: rules.GateState{ID: "new", Level: rules.Block, Reasons: []rules.Reason{{Code: rules.GateMissing, Gate: "new"}}}}}
		}, " gate-missing new #0 acme"},
		{"what the coupling says the gate's row does not repeat", func(j *rules.Judgement, in *Input) {
			r := rules.Reason{Code: rules.GateCutWithout, Gate: "uid"}
			j.State, j.Alarms = coupling.Broken, []rules.Alarm{{Reason: with(r, pr(1))}}
			in.Gates = []RegisteredGate{{State: rules.GateState{ID: "uid", Value: "26.28.0", Level: rules.Block, Reasons: []rules.Reason{r}}}}
		}, "distroless gate-cut-without uid #1 ann"},
		{"a name that disagrees, a removal that is due", func(_ *rules.Judgement, in *Input) {
			in.Gates = []RegisteredGate{{State: rules.GateState{ID: "a", Value: "1.0.0", Level: rules.Pass, Reasons: []rules.Reason{{Code: rules.GateNameMismatch, Gate: "a"}, {Code: rules.RemovalDue, Gate: "a"}, {Code: rules.DevBuildsExcluded, Gate: "a"}}}}}
		}, " gate-name-mismatch a #0 acme; " + " removal-due a #0 acme"},
		{"a gate that could not be judged", func(_ *rules.Judgement, in *Input) {
			in.Gates = []RegisteredGate{{State: rules.GateState{ID: "a", Level: rules.Unknown}}}
		}, " member-unreadable a #0 acme"},
		{"a lagging dev version", func(_ *rules.Judgement, in *Input) {
			in.Warnings = []rules.Reason{{Code: rules.TrainLagging, Value: "26.28.0-dev.0"}}
		}, " train-lagging  #0 acme"},
	} {
		t.Run(test.name, func(t *testing.T) {
			j, in := pair(), Input{Repo: "acme/app", At: "2026-06-13"}
			test.change(&j, &in)
			in.Couplings = []Coupling{{Judgement: j}}
			if got := brief(List(in)); got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

func with(r rules.Reason, about coupling.Pull) rules.Reason { r.About = about; return r }

func TestCarry(t *testing.T) {
	row := func(code rules.Code, about int, since string) Row {
		return Row{Code: code, Since: since, Reason: rules.Reason{Code: code, About: pr(about)}}
	}
	former := []Row{row(rules.MemberClosed, 1, "2026-06-01"), row(rules.HalfLanded, 0, "2026-06-02")}
	today := []Row{row(rules.MemberClosed, 2, ""), row(rules.MemberClosed, 1, "")}
	today[1].Reason.Detail = "the evidence moved on"
	got := Carry(former, today, "2026-06-13")
	if got[0].Since != "2026-06-13" || got[1].Since != "2026-06-01" {
		t.Errorf("dates %s, %s", got[0].Since, got[1].Since)
	}
	if today[0].Since != "" {
		t.Error("the argument was changed")
	}
	if fresh := New(former, got); len(fresh) != 1 || fresh[0].Reason.About != pr(2) {
		t.Errorf("new: %+v", fresh)
	}
	if fresh := New(got, got); len(fresh) != 0 {
		t.Errorf("new against itself: %+v", fresh)
	}
}

func TestSplit(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*rules.Judgement)
		want   string
	}{
		{"nothing merged", func(*rules.Judgement) {}, ""},
		{"one merged and not tagged yet", func(j *rules.Judgement) { j.Members[0].State = "merged" }, "26.29.0"},
		{"in a tag already", func(j *rules.Judgement) { j.Members[0].State, j.Members[0].Shipped = "merged", true }, ""},
		{"safe alone", func(j *rules.Judgement) { j.Members[0].State, j.Members[0].SafeAlone = "merged", true }, ""},
		{"all merged", func(j *rules.Judgement) { j.Members[0].State, j.Members[1].State = "merged", "merged" }, ""},
		{"releases may differ", func(j *rules.Judgement) { j.Members[0].State, j.OneRelease = "merged", nil }, ""},
	} {
		j := pair()
		test.change(&j)
		if got := Split(j); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestNewReport(t *testing.T) {
	j := pair()
	j.Members[0].Verdict.Warnings = []rules.Reason{{Code: rules.GateNameMismatch, Gate: "uid"}, {Code: rules.HalfLanded}, {Code: rules.HeadBehind}}
	j.Members[1].Verdict.Warnings = j.Members[0].Verdict.Warnings[:1]
	ended := pair()
	ended.State = coupling.Shipped
	version := func(s string) release.Version {
		v, err := release.Semver.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	in := Input{
		Repo: "acme/app", At: "2026-06-13T06:00:00Z", Couplings: []Coupling{{Judgement: j, Since: "2026-06-01"}, {Judgement: ended}},
		Gates: []RegisteredGate{
			{State: rules.GateState{ID: "old", Value: "26.1.0", Want: "26.1.0", Evidence: "v26.1.0", Level: rules.Pass}, Found: find.Finding{Column: 7, Raw: "(26, 1, 0)", Form: "rust-const", Value: version("26.1.0")}},
			{State: rules.GateState{ID: "uid", Level: rules.Block, Reasons: []rules.Reason{{Code: rules.GateMissing, Gate: "uid"}}}},
		},
		Oldest: version("26.20.0"),
	}
	r := NewReport(in, nil)
	if len(r.Drift) != 0 || len(r.Couplings) != 1 || len(r.Warnings) != 1 || r.Warnings[0].Code != rules.GateNameMismatch {
		t.Errorf("report %+v", r)
	}
	if g := r.Gates[0]; !g.Removable || g.Pending || g.FirstShip != "26.1.0" || g.Column != 7 || g.Form != "rust-const" {
		t.Errorf("gate %+v", g)
	}
	if g := r.Gates[1]; g.Removable || !g.Pending || g.Level != rules.Wait || len(g.Reasons) != 0 {
		t.Errorf("gate %+v", g)
	}
	in.Warnings = []rules.Reason{{Code: rules.TrainLagging}}
	if r := NewReport(in, nil); len(r.Drift) != 1 || r.Drift[0].Since != "2026-06-13" {
		t.Errorf("drift %+v", r.Drift)
	}
}
