package coupling

import (
	"slices"
	"strings"
	"testing"
)

const home = Repo("acme/app")

func TestParsePull(t *testing.T) {
	for text, want := range map[string]string{
		"12": "acme/app#12", "#12": "acme/app#12", "acme/docs#3": "acme/docs#3", "https://github.com/a/b/pull/7": "a/b#7", "https://ghe.example.com/a/b/pull/7/": "a/b#7",
		"0": "", "#0": "", "x": "", "acme#1": "", "#12x": "", "a/b/c#1": "", "https://github.com/a/b/issues/7": "", "-1": "", "#99999999999": "",
	} {
		p, err := ParsePull(text, home)
		if got := p.String(); (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("%q: got %s %v, want %q", text, got, err, want)
		}
	}
	if _, err := ParsePull("#1", ""); err == nil {
		t.Error("a number without a repository")
	}
	p := Pull{home, 4}
	var q Pull
	if text, err := p.MarshalText(); err != nil || q.UnmarshalText(text) != nil || q != p || p.In("ACME/App") != "#4" || p.In("x/y") != "acme/app#4" {
		t.Errorf("%v became %v", p, q)
	}
}

func TestCycle(t *testing.T) {
	for _, c := range []struct {
		edges [][2]string
		want  string
	}{
		{[][2]string{{"a", "b"}, {"b", "c"}, {"a", "c"}}, ""},
		{[][2]string{{"a", "b"}, {"b", "c"}, {"c", "a"}}, "a b c a"},
		{[][2]string{{"x", "a"}, {"a", "b"}, {"b", "a"}}, "a b a"},
		{[][2]string{{"a", "a"}}, "a a"},
		{nil, ""},
	} {
		if got := strings.Join(Cycle(c.edges), " "); got != c.want {
			t.Errorf("%v: got %q, want %q", c.edges, got, c.want)
		}
	}
}

func declared() []Coupling {
	return []Coupling{{
		Name: "set", Home: home, SameRelease: true, Origin: FromPolicy,
		Members: []Member{{Role: "a", Pull: Pull{home, 1}, Origin: FromPolicy}, {Role: "b", Pull: Pull{home, 2}, Origin: FromPolicy}},
		Order:   []Edge{{Before: "a", After: "b", Origin: FromPolicy}}, Gates: []GateUse{{Gate: "g", Subject: "b"}},
	}}
}

func TestPolicyWins(t *testing.T) {
	c := declared()[0]
	for _, e := range []Effect{
		{Verb: Unlink, Pull: Pull{home, 1}}, {Verb: Unorder, Edge: Edge{Before: "a", After: "b"}}, {Verb: Order, Edge: Edge{Before: "a", After: "b", Together: true}},
		{Verb: Link, Members: []Member{{Role: "a", Pull: Pull{home, 9}}}}, {Verb: Link, Members: []Member{{Role: "x", Pull: Pull{home, 1}}}},
	} {
		if r := c.Apply(e); r == nil || !r.Overruled {
			t.Errorf("%+v: %v", e, r)
		}
	}
	r := c.Apply(Effect{Verb: Order, Edge: Edge{Before: "b", After: "a"}})
	if r == nil || strings.Join(r.Cycle, " ") != "a b a" {
		t.Errorf("a cycle: %+v", r)
	}
}

func TestAssemble(t *testing.T) {
	effects := []Effect{
		{ID: "4", At: 4, Verb: Unlink, Coupling: "set", Pull: Pull{home, 3}},
		{ID: "1", At: 1, Verb: Link, Origin: FromCommand, Coupling: "set", Members: []Member{{Role: "c", Pull: Pull{home, 3}}}},
		{ID: "2", At: 2, Verb: Order, Coupling: "set", Edge: Edge{Before: "b", After: "c"}},
		{ID: "3", At: 3, Verb: Replace, Coupling: "set", Pull: Pull{home, 2}, With: Pull{home, 7}},
		{ID: "5", At: 5, Verb: Link, Origin: FromCommand, Coupling: "made", Members: []Member{{Role: "x", Pull: Pull{home, 8}}, {Role: "y", Pull: Pull{home, 9}}}},
		{ID: "7", At: 7, Verb: Resume, Coupling: "made"},
		{ID: "6", At: 6, Verb: HoldAll, Coupling: "made", By: "ann"},
	}
	want := Assemble(home, declared(), effects)
	slices.Reverse(effects) // the order in which they became known does not matter
	got := Assemble(home, declared(), effects)
	if len(got) != 2 || len(want) != 2 {
		t.Fatalf("got %+v", got)
	}
	set := got[0]
	if b, _ := set.ByRole("b"); b.Pull.Number != 7 || len(set.Members) != 2 || len(set.Order) != 1 {
		t.Errorf("got %+v", set)
	}
	if made := got[1]; made.Hold != nil || made.Origin != FromCommand || want[1].Hold != nil || !made.SameRelease {
		t.Errorf("got %+v", made)
	}
	// A policy that names another predecessor by now speaks again.
	moved := declared()
	moved[0].Members[1].Pull.Number = 20
	if b, _ := Assemble(home, moved, effects)[0].ByRole("b"); b.Pull.Number != 20 {
		t.Errorf("an old replacement holds against a new policy: %v", b)
	}
	if left := declared()[0]; len(left.Members) != 2 {
		t.Error("what was declared was changed")
	}
}
