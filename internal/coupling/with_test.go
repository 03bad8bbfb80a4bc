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
