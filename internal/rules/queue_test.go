package rules

import (
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/versionscan"
)

func numbered(numbers ...int) []coupling.Pull {
	var out []coupling.Pull
	for _, n := range numbers {
		out = append(out, coupling.Pull{Repo: "acme/app", Number: n})
	}
	return out
}

// queuedSet is a coupling of the pull requests 1 to 4 (a, b, c, d), all open for a branch with a queue.
func queuedSet(order ...coupling.Edge) Snapshot {
	c := coupling.Coupling{Name: "set", Home: "acme/app", Order: order}
	s := Snapshot{Pulls: map[coupling.Pull]versionscan.Fact[Pull]{}, Repos: map[coupling.Repo]Repository{
		"acme/app": {Name: "acme/app", Default: "main", Bases: map[string]Base{"main": {Queue: true}}},
	}}
	for i, p := range numbered(1, 2, 3, 4) {
		c.Members = append(c.Members, coupling.Member{Role: string(rune('a' + i)), Pull: p})
		s.Pulls[p] = versionscan.Know(Pull{State: "open", Base: "main"})
	}
	s.Couplings = []coupling.Coupling{c}
	return s
}

func with(a, b string) coupling.Edge { return coupling.Edge{Before: a, After: b, With: true} }

func TestQueuedOrder(t *testing.T) {
	before := coupling.Edge{Before: "a", After: "b"}
	either := coupling.Edge{Before: "a", After: "b", Together: true}
	for _, c := range []struct {
		name   string
		order  []coupling.Edge
		group  Group // of acme/app; the last is judged
		change func(s Snapshot)
		want   Level
		queue  Entering // of the reason; "" where there is none
	}{
		{"a predecessor ahead counts as merged", []coupling.Edge{before}, Group{Pulls: numbered(1, 3, 2)}, nil, Pass, ""},
		{"a plain before is not waited for", []coupling.Edge{before}, Group{Pulls: numbered(2), Behind: numbered(1)}, nil, Wait, ""},
		{"before-or-with in its order", []coupling.Edge{either}, Group{Pulls: numbered(1, 2)}, nil, Pass, ""},
		{"and reversed", []coupling.Edge{either}, Group{Pulls: numbered(2), Behind: numbered(1)}, nil, Wait, Awaited},
		{"which is right for the second", []coupling.Edge{either}, Group{Pulls: numbered(2, 1)}, nil, Pass, ""},
		{"with waits for the missing one", []coupling.Edge{with("a", "b")}, Group{Pulls: numbered(1)}, nil, Wait, Awaited},
		{"either way", []coupling.Edge{with("a", "b")}, Group{Pulls: numbered(2)}, nil, Wait, Awaited},
		{"and is right with both", []coupling.Edge{with("a", "b")}, Group{Pulls: numbered(2, 1)}, nil, Pass, ""},
		{"one of three", []coupling.Edge{with("a", "b"), with("b", "c")}, Group{Pulls: numbered(1, 2)}, nil, Wait, Awaited},
		{"one that lands with a follower waits for the same", []coupling.Edge{with("b", "c"), before}, Group{Pulls: numbered(3)}, nil, Wait, ""},
		{"a merged partner is not missed", []coupling.Edge{with("a", "b")}, Group{Pulls: numbered(1)}, func(s Snapshot) {
			s.Pulls[numbered(2)[0]] = versionscan.Know(Pull{State: "merged", Base: "main", OnBase: versionscan.Know(true), Revert: versionscan.None[Revert]("")})
		}, Pass, ""},
		{"a draft cannot come", []coupling.Edge{with("a", "b")}, Group{Pulls: numbered(1)}, func(s Snapshot) {
			s.Pulls[numbered(2)[0]] = versionscan.Know(Pull{State: "open", Base: "main", Draft: true})
		}, Block, Draft},
		{"nor one whose check blocks", []coupling.Edge{with("a", "b")}, Group{Pulls: numbered(1), Barred: map[coupling.Pull]bool{numbered(2)[0]: true}}, nil, Block, Barred},
		{"over two bases it is as without a queue", []coupling.Edge{with("a", "b")}, Group{Pulls: numbered(1)}, func(s Snapshot) {
			s.Pulls[numbered(2)[0]] = versionscan.Know(Pull{State: "open", Base: "next"})
		}, Pass, ""},
		{"but not a before-or-with", []coupling.Edge{either}, Group{Pulls: numbered(2)}, func(s Snapshot) {
			s.Pulls[numbered(1)[0]] = versionscan.Know(Pull{State: "open", Base: "next"})
		}, Block, Apart},
		{"a queue that builds one at a time", []coupling.Edge{with("a", "b")}, Group{Pulls: numbered(1), Build: 1}, nil, Block, TooMany},
		{"or too few for what lies between", []coupling.Edge{with("a", "b")}, Group{Pulls: numbered(1), Behind: numbered(3, 2), Build: 2}, nil, Block, TooMany},
		{"what lies ahead lands by itself", []coupling.Edge{with("a", "b")}, Group{Pulls: numbered(3, 4, 1), Behind: numbered(2), Build: 2}, nil, Wait, Awaited},
		{"an unknown partner is no pass", []coupling.Edge{with("a", "b")}, Group{Pulls: numbered(1)}, func(s Snapshot) {
			s.Pulls[numbered(2)[0]] = versionscan.NotKnown[Pull]("502")
		}, Unknown, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := queuedSet(c.order...)
			c.group.Repo, c.group.Base = "acme/app", "main"
			s.Group = &c.group
			if c.change != nil {
				c.change(s)
			}
			own := c.group.Pulls[len(c.group.Pulls)-1]
			m, _ := Evaluate(Policy{}, s)[0].Member(own)
			queue := Entering("")
			if len(m.Verdict.Reasons) > 0 {
				queue = m.Verdict.Reasons[0].Queue
			}
			if m.Verdict.Level != c.want || queue != c.queue || m.Verdict.Pending() != (queue == Awaited) {
				t.Errorf("got %s %q, want %s %q: %+v", m.Verdict.Level, queue, c.want, c.queue, m.Verdict.Reasons)
			}
		})
	}
}

func TestWithOnHeads(t *testing.T) {
	for _, c := range []struct {
		name string
		to   Base
		base string // of the second
		want Code
	}{
		{"a queue takes both", Base{Queue: true}, "main", OrderQueued},
		{"without one both pass", Base{}, "main", ""},
		{"as over two bases", Base{Queue: true}, "next", ""},
	} {
		s := queuedSet(with("a", "b"))
		s.Repos["acme/app"].Bases["main"] = c.to
		s.Pulls[numbered(2)[0]] = versionscan.Know(Pull{State: "open", Base: c.base})
		j := Evaluate(Policy{}, s)[0]
		m, _ := j.Member(numbered(1)[0])
		if m.Verdict.Level != Pass || (c.want == "") != (len(m.Verdict.Reasons) == 0) || c.want != "" && m.Verdict.Reasons[0].Code != c.want {
			t.Errorf("%s: got %+v", c.name, m.Verdict)
		}
		if len(m.With) != 1 || len(m.WaitsFor) != 0 {
			t.Errorf("%s: it lands with %v, after %v", c.name, m.With, m.WaitsFor)
		}
	}
}

func TestOneOfAPairHasLanded(t *testing.T) {
	landed := Pull{State: "merged", Base: "main", OnBase: versionscan.Know(true), Revert: versionscan.None[Revert](""), MergedBy: "ann"}
	either := coupling.Edge{Before: "a", After: "b", Together: true}
	for _, c := range []struct {
		edge coupling.Edge
		by   string
		want bool // an alarm
	}{
		{with("a", "b"), "ann", false}, {either, "github-merge-queue", false}, {either, "ann", true},
		{coupling.Edge{Before: "a", After: "b"}, "github-merge-queue", true},
	} {
		s := queuedSet(c.edge)
		landed.MergedBy = c.by
		s.Pulls[numbered(2)[0]] = versionscan.Know(landed)
		j := Evaluate(Policy{}, s)[0]
		m, _ := j.Member(numbered(1)[0])
		if len(j.Alarms) > 0 != c.want || m.Verdict.Level != Pass || len(m.Verdict.Warnings) != 1 || m.Verdict.Warnings[0].Code != HalfLanded {
			t.Errorf("%s by %s: %+v %+v", c.edge.Word(), c.by, j.Alarms, m.Verdict)
		}
	}
}

func TestReleased(t *testing.T) {
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	pass := Verdict{Level: Pass}
	waits := func(own int, awaits ...int) Verdict {
		return Verdict{Level: Wait, Reasons: []Reason{{Code: OrderWaiting, About: numbered(own)[0], Pulls: numbered(awaits...), Queue: Awaited}}}
	}
	all := func(v Verdict, numbers ...int) map[coupling.Pull]Verdict {
		out := map[coupling.Pull]Verdict{}
		for _, p := range numbered(numbers...) {
			out[p] = v
		}
		return out
	}
	first := QueuedGroup{Pulls: numbered(1), Verdict: waits(1, 2), Deadline: now.Add(time.Minute)}
	last := QueuedGroup{Pulls: numbered(1, 2), Verdict: pass, Verdicts: all(pass, 1, 2), Passed: true, Green: true}
	change := func(g QueuedGroup, f func(*QueuedGroup)) QueuedGroup { f(&g); return g }
	for _, c := range []struct {
		name   string
		group  QueuedGroup
		behind []QueuedGroup
		want   Level
		queue  Entering
	}{
		{"nobody came", first, nil, Wait, Awaited},
		{"nor in time", change(first, func(g *QueuedGroup) { g.Deadline = now }), nil, Block, Late},
		{"all are there", first, []QueuedGroup{last}, Pass, ""},
		{"behind another", first, []QueuedGroup{{Pulls: numbered(1, 9), Verdict: pass}, change(last, func(g *QueuedGroup) { g.Pulls = numbered(1, 9, 2) })}, Pass, ""},
		{"and the last does not show it yet", first, []QueuedGroup{change(last, func(g *QueuedGroup) { g.Passed = false })}, Wait, Awaited},
		{"or is wrong for the first", first, []QueuedGroup{change(last, func(g *QueuedGroup) { g.Verdicts = all(Verdict{Level: Block}, 1); g.Verdicts[numbered(2)[0]] = pass })}, Wait, Awaited},
		{"or has not judged it", first, []QueuedGroup{change(last, func(g *QueuedGroup) { g.Verdicts = all(pass, 2) })}, Wait, Awaited},
		{"or waits for another check", first, []QueuedGroup{change(last, func(g *QueuedGroup) { g.Green = false })}, Wait, NotGreen},
		{"for too long", change(first, func(g *QueuedGroup) { g.Deadline = now }), []QueuedGroup{change(last, func(g *QueuedGroup) { g.Green = false })}, Block, NotGreen},
		{"a third is missing", change(first, func(g *QueuedGroup) { g.Verdict = waits(1, 2, 3) }), []QueuedGroup{last}, Wait, Awaited},
		{"the middle of three shows no pass yet", change(first, func(g *QueuedGroup) { g.Verdict = waits(1, 2, 3) }), []QueuedGroup{
			{Pulls: numbered(1, 2), Verdict: waits(2, 3)}, {Pulls: numbered(1, 2, 3), Verdict: pass, Verdicts: all(pass, 1, 2, 3), Passed: true, Green: true},
		}, Wait, Awaited},
		{"then it does", change(first, func(g *QueuedGroup) { g.Verdict = waits(1, 2, 3) }), []QueuedGroup{
			{Pulls: numbered(1, 2), Verdict: waits(2, 3), Passed: true}, {Pulls: numbered(1, 2, 3), Verdict: pass, Verdicts: all(pass, 1, 2, 3), Passed: true, Green: true},
		}, Pass, ""},
		{"what is wrong stays wrong", QueuedGroup{Pulls: numbered(1), Verdict: Verdict{Level: Block, Reasons: []Reason{{Code: OnHold}}}}, []QueuedGroup{last}, Block, ""},
		{"a plain before is not waited for", QueuedGroup{Pulls: numbered(1), Verdict: Verdict{Level: Wait, Reasons: []Reason{{Code: OrderWaiting, About: numbered(1)[0], Pulls: numbered(2)}}}}, []QueuedGroup{last}, Wait, ""},
	} {
		got := Released(c.group, c.behind, now)
		queue := Entering("")
		if len(got.Reasons) > 0 {
			queue = got.Reasons[0].Queue
		}
		if got.Level != c.want || queue != c.queue {
			t.Errorf("%s: got %s %q, want %s %q", c.name, got.Level, queue, c.want, c.queue)
		}
	}
}
