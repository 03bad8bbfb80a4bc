package coupling

import (
	"strings"
	"testing"
)

func TestMembersThatLandTogetherAreOneNode(t *testing.T) {
	for _, c := range []struct {
		order, with [][2]string
		want        string
	}{
		{nil, [][2]string{{"a", "b"}, {"b", "c"}, {"c", "a"}}, ""},
		{[][2]string{{"a", "d"}, {"d", "e"}}, [][2]string{{"a", "b"}}, ""},
		{[][2]string{{"b", "d"}, {"d", "a"}}, [][2]string{{"a", "b"}}, "a d a"},
		{[][2]string{{"a", "c"}}, [][2]string{{"a", "b"}, {"b", "c"}}, "a a"},
	} {
		if got := strings.Join(Cycle(Contract(c.order, c.with)), " "); got != c.want {
			t.Errorf("%v with %v: got %q, want %q", c.order, c.with, got, c.want)
		}
	}
}

func TestCommandsBesideAWith(t *testing.T) {
	c := declared()[0]
	c.Order = []Edge{{Before: "a", After: "b", With: true, Origin: FromPolicy}}
	for _, e := range []Effect{
		{Verb: Order, Edge: Edge{Before: "a", After: "b"}}, {Verb: Order, Edge: Edge{Before: "b", After: "a", Together: true}},
		{Verb: Unorder, Edge: Edge{Before: "a", After: "b"}}, {Verb: Unorder, Edge: Edge{Before: "b", After: "a"}},
	} {
		if r := c.Apply(e); r == nil || !r.Overruled {
			t.Errorf("%+v: %v, and the policy says with", e, r)
		}
	}
	if r := c.Apply(Effect{Verb: Order, Edge: Edge{Before: "b", After: "a", With: true}}); r != nil || len(c.Order) != 1 {
		t.Errorf("the same edge again: %v %v", r, c.Order)
	}
}

// chainOf makes a coupling of commands with the members a (#1) to d (#4) and edges between them.
func chainOf(order ...Edge) Coupling {
	c := Coupling{Name: "set", Home: home, Origin: FromCommand, Order: order}
	for i, role := range []string{"a", "b", "c", "d"} {
		c.Members = append(c.Members, Member{Role: role, Pull: Pull{home, i + 1}, Origin: FromCommand})
	}
	return c
}

func edges(c Coupling) string {
	var out []string
	for _, e := range c.Order {
		text := e.Before + " " + e.Word() + " " + e.After
		if e.Reason != "" {
			text += ": " + e.Reason
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

// TestUnlinkKeepsTheOrder takes b out of chains: what came after it still comes after what was before it.
func TestUnlinkKeepsTheOrder(t *testing.T) {
	for _, c := range []struct {
		order []Edge
		want  string
	}{
		{[]Edge{{Before: "a", After: "b", Reason: "x"}, {Before: "b", After: "c", Reason: "y"}}, "a before c: x; y"},
		{[]Edge{{Before: "a", After: "b", Together: true}, {Before: "b", After: "c", Together: true}}, "a before-or-with c"},
		{[]Edge{{Before: "a", After: "b", Together: true}, {Before: "b", After: "c"}}, "a before c"},
		{[]Edge{{Before: "a", After: "b"}, {Before: "b", After: "c", With: true}}, "a before c"},
		{[]Edge{{Before: "b", After: "a", With: true}, {Before: "b", After: "c", With: true}}, "a with c"},
		{[]Edge{{Before: "a", After: "b"}, {Before: "b", After: "c"}, {Before: "a", After: "c", Together: true}}, "a before c"},
		{[]Edge{{Before: "a", After: "b"}, {Before: "c", After: "d"}}, "c before d"},
	} {
		set := chainOf(c.order...)
		if r := set.Apply(Effect{Verb: Unlink, Pull: Pull{home, 2}}); r != nil || edges(set) != c.want {
			t.Errorf("%v: got %q %v, want %q", c.order, edges(set), r, c.want)
		}
	}
}

// TestTwoBecomeOne replaces b and then c by #9, which then has the edges and gates of both.
func TestTwoBecomeOne(t *testing.T) {
	set := chainOf(Edge{Before: "a", After: "b", Together: true}, Edge{Before: "b", After: "c"}, Edge{Before: "c", After: "d"}, Edge{Before: "a", After: "c"})
	set.Gates = []GateUse{{Gate: "g", Subject: "c"}}
	for _, n := range []int{2, 3} {
		if r := set.Apply(Effect{Verb: Replace, Pull: Pull{home, n}, With: Pull{home, 9}}); r != nil {
			t.Fatal(r)
		}
	}
	if edges(set) != "a before b, b before d" || len(set.Members) != 3 || set.Gates[0].Subject != "b" {
		t.Errorf("got %q %+v", edges(set), set)
	}
	before := edges(set)
	if r := set.Apply(Effect{Verb: Replace, Pull: Pull{home, 4}, With: Pull{home, 1}}); r == nil || edges(set) != before {
		t.Errorf("the ends became one: %v %q", r, edges(set))
	}
}

// TestLinkRenames gives a member another role, and keeps its edges and gates.
func TestLinkRenames(t *testing.T) {
	set := chainOf(Edge{Before: "a", After: "b"})
	set.Gates = []GateUse{{Gate: "g", Subject: "b"}}
	if r := set.Apply(Effect{Verb: Link, Members: []Member{{Role: "image", Pull: Pull{home, 2}}}}); r != nil || edges(set) != "a before image" || set.Gates[0].Subject != "image" {
		t.Errorf("got %v %q %+v", r, edges(set), set.Gates)
	}
	if r := set.Apply(Effect{Verb: Link, Members: []Member{{Role: "A", Pull: Pull{home, 2}}}}); r == nil {
		t.Error("a role is held by two")
	}
}
