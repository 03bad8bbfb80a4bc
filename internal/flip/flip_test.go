package flip

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/release"
)

var (
	image = coupling.Pull{Repo: "acme/app", Number: 1}
	gate  = coupling.Pull{Repo: "acme/app", Number: 2}
	noon  = time.Date(2026, 5, 13, 12, 0, 0, 0, time.UTC)
)

func set(levels ...rules.Level) rules.Judgement {
	j := rules.Judgement{Coupling: coupling.Coupling{Name: "set", Home: "acme/app", Members: []coupling.Member{{Role: "image", Pull: image}, {Role: "gate", Pull: gate}}}}
	for i, p := range []coupling.Pull{image, gate}[:len(levels)] {
		m := rules.MemberState{Role: j.Coupling.Members[i].Role, Pull: p, State: "open", Verdict: rules.Verdict{Level: levels[i]}}
		if levels[i] == rules.Block {
			m.Verdict.Reasons = []rules.Reason{{Code: rules.GateCutWithout}}
		}
		j.Members = append(j.Members, m)
	}
	return j
}

func snapshot(tags ...string) rules.Snapshot {
	s := rules.Snapshot{Repos: map[coupling.Repo]rules.Repository{}, Pulls: map[coupling.Pull]versionscan.Fact[rules.Pull]{}}
	var list []release.Tag
	for i, t := range tags {
		list = append(list, release.Tag{Name: t, Date: noon.Add(time.Duration(i) * time.Hour)})
	}
	s.Repos["acme/app"] = rules.Repository{Name: "acme/app", Tags: versionscan.Know(list), Bases: map[string]rules.Base{"main": {Tip: "t1"}}}
	for _, p := range []coupling.Pull{image, gate} {
		s.Pulls[p] = versionscan.Know(rules.Pull{State: "open", Head: "h1", Base: "main"})
	}
	return s
}

func basis(s rules.Snapshot) Basis {
	return NewBasis(set().Coupling, s, map[coupling.Repo]string{"acme/app": "p1"}, nil, false)
}

func texts(flips []Flip) string {
	var out []string
	for _, f := range flips {
		var causes []string
		for _, c := range f.Causes {
			who := ""
			if !c.Pull.IsZero() {
				who = fmt.Sprintf("#%d ", c.Pull.Number)
			}
			causes = append(causes, strings.TrimSpace(fmt.Sprintf("%s%s %s %s", who, c.Kind, c.Name, c.By)))
		}
		out = append(out, fmt.Sprintf("%s %s>%s (%s)", f.Role, f.From.Level, f.To.Level, strings.Join(causes, ", ")))
	}
	return strings.Join(out, "; ")
}

// TestCauses: what changed between two judgements is named, the nearest first.
func TestCauses(t *testing.T) {
	before, after := set(rules.Pass, rules.Wait), set(rules.Block, rules.Wait)
	change := func(p coupling.Pull, do func(*rules.Pull)) func(*rules.Snapshot) {
		return func(s *rules.Snapshot) {
			f := s.Pulls[p].Value
			do(&f)
			s.Pulls[p] = versionscan.Know(f)
		}
	}
	for _, c := range []struct {
		name   string
		change func(*rules.Snapshot)
		basis  func(*Basis)
		want   string
	}{
		{name: "a tag", change: func(s *rules.Snapshot) { *s = snapshot("v1", "v2") }, want: "tagged v2"},
		{name: "a tag goes", change: func(s *rules.Snapshot) { *s = snapshot() }, want: "untagged v1"},
		{name: "a push", change: change(image, func(p *rules.Pull) { p.Head = "h2" }), want: "#1 pushed"},
		{name: "a push on another member", change: change(gate, func(p *rules.Pull) { p.Head = "h2" }), want: "#2 pushed"},
		{name: "its own push before another's", change: func(s *rules.Snapshot) {
			change(gate, func(p *rules.Pull) { p.Head = "h2" })(s)
			change(image, func(p *rules.Pull) { p.Draft = true })(s)
		}, want: "#1 draft, #2 pushed"},
		{name: "a merge", change: change(gate, func(p *rules.Pull) { p.State, p.MergedBy = "merged", "ann" }), want: "#2 merged  ann"},
		{name: "a merge that moves the base", change: func(s *rules.Snapshot) {
			change(gate, func(p *rules.Pull) { p.State = "closed" })(s)
			s.Repos["acme/app"].Bases["main"] = rules.Base{Tip: "t2"}
		}, want: "#2 closed"},
		{name: "the base alone", change: func(s *rules.Snapshot) { s.Repos["acme/app"].Bases["main"] = rules.Base{Tip: "t2"} }, want: "base main"},
		{name: "retargeted", change: change(image, func(p *rules.Pull) { p.Base = "next" }), want: "#1 retarget next"},
		{name: "unreadable", change: func(s *rules.Snapshot) { delete(s.Pulls, gate) }, want: "#2 gone"},
		{name: "an override", change: func(s *rules.Snapshot) {
			s.Overrides = []rules.Override{{Pull: image, Code: rules.GateAhead, By: "bob"}}
		}, want: "#1 override gate-ahead bob"},
		{name: "a command", basis: func(b *Basis) { b.Commands = []Given{{ID: "c", Name: "hold", By: "ann"}} }, want: "command hold ann"},
		{name: "the policy", basis: func(b *Basis) { b.Repos["acme/app"] = Repo{Policy: "p2", Tags: b.Repos["acme/app"].Tags} }, want: "policy"},
		{name: "an outage", basis: func(b *Basis) { b.Outage = true }, want: "outage"},
		{name: "another that joins can be read", basis: func(b *Basis) { b.Pulls[coupling.Pull{Repo: "acme/app", Number: 3}] = Pull{State: "open"} }, want: ""},
		{name: "nothing", want: ""},
	} {
		s := snapshot("v1")
		if c.change != nil {
			c.change(&s)
		}
		is := basis(s)
		if c.basis != nil {
			c.basis(&is)
		}
		want := "image pass>block (" + c.want + ")"
		if got := texts(Since(before, after, basis(snapshot("v1")), is, noon)); got != want {
			t.Errorf("%s: %s, want %s", c.name, got, want)
		}
	}
}

// TestOldTags: a tag that was not among the newest is not taken for a new one when others go.
func TestOldTags(t *testing.T) {
	var names []string
	for i := range maxTags + 5 {
		names = append(names, fmt.Sprintf("v%d", i))
	}
	if got := texts(Since(set(rules.Pass), set(rules.Block), basis(snapshot(names...)), basis(snapshot(names[:len(names)-1]...)), noon)); got != fmt.Sprintf("image pass>block (untagged v%d)", maxTags+4) {
		t.Error(got)
	}
}

// TestSame: what says the same is no flip, and a draft is no other verdict.
func TestSame(t *testing.T) {
	a, b := set(rules.Pass, rules.Block), set(rules.Pass, rules.Block)
	b.Members[0].State = "draft"
	b.Members[0].Title = "another"
	if got := Since(a, b, Basis{}, Basis{}, noon); got != nil {
		t.Errorf("%+v", got)
	}
	b.Members[1].Verdict.Reasons[0].Code = rules.GateShippedEarlier
	if got := Since(a, b, Basis{}, Basis{}, noon); len(got) != 1 || got[0].To.Codes[0] != rules.GateShippedEarlier {
		t.Errorf("another reason: %+v", got)
	}
	b.Members[1].State = "merged"
	if got := Since(a, b, Basis{}, Basis{}, noon); len(got) != 1 || got[0].To.Level != "" || got[0].To.State != "merged" {
		t.Errorf("merged: %+v", got)
	}
}

// TestFirst: at first each member joins.
func TestFirst(t *testing.T) {
	if got := texts(Since(rules.Judgement{}, set(rules.Pass, rules.Wait), Basis{}, basis(snapshot("v1")), noon)); got != "image >pass (#1 joined); gate >wait (#2 joined)" {
		t.Error(got)
	}
}
