package rules

import (
	"fmt"
	"testing"
)

func event(n int, head, base string) GroupEvent {
	return GroupEvent{Head: head, BaseSHA: base, HeadRef: fmt.Sprintf("refs/heads/gh-readonly-queue/main/pr-%d-%s", n, base)}
}

func TestNaming(t *testing.T) {
	a, b, c := event(1, "A", "T"), event(2, "B", "A"), event(3, "C", "B")
	entries := []Entry{{1, "A"}, {2, "B"}, {3, "C"}, {4, ""}}
	squashed := []QueueCommit{{"A", []string{"T"}, 1}, {"B", []string{"A"}, 2}, {"C", []string{"B"}, 3}}
	merged := []QueueCommit{{"p", []string{"T"}, 9}, {"A", []string{"T", "p"}, 1}, {"q", []string{"p"}, 8}, {"B", []string{"A", "q"}, 2}}
	for _, x := range []struct {
		name string
		got  func() ([]int, bool)
		want string // "[]" is not named
	}{
		{"by its entry and those ahead", func() ([]int, bool) { return NameByEntries(c, entries, nil, "T") }, "[1 2 3]"},
		{"what has landed is no entry any more", func() ([]int, bool) { return NameByEntries(b, entries[1:], []GroupEvent{a, b}, "A") }, "[2]"},
		{"what was thrown out is none either, and still below", func() ([]int, bool) { return NameByEntries(b, entries[1:], []GroupEvent{a, b}, "T") }, "[]"},
		{"not in the queue, or not yet", func() ([]int, bool) { return NameByEntries(event(4, "D", "C"), entries, nil, "T") }, "[]"},
		{"the branch says another number", func() ([]int, bool) { return NameByEntries(event(7, "B", "A"), entries, nil, "T") }, "[]"},
		{"the group below is another's", func() ([]int, bool) { return NameByEntries(b, entries, []GroupEvent{event(7, "A", "T")}, "T") }, "[]"},
		{"a branch that names none is believed", func() ([]int, bool) {
			return NameByEntries(GroupEvent{Head: "B", BaseSHA: "A", HeadRef: "x"}, entries, nil, "T")
		}, "[1 2]"},
		{"alone on the tip", func() ([]int, bool) { return NameByEvents(a, nil, "T") }, "[1]"},
		{"by the groups below", func() ([]int, bool) { return NameByEvents(c, []GroupEvent{a, b}, "T") }, "[1 2 3]"},
		{"down to what has landed", func() ([]int, bool) { return NameByEvents(c, []GroupEvent{a, b}, "A") }, "[2 3]"},
		{"a group below is not remembered", func() ([]int, bool) { return NameByEvents(c, []GroupEvent{b}, "T") }, "[]"},
		{"the tip is not known", func() ([]int, bool) { return NameByEvents(a, nil, "") }, "[]"},
		{"a circle", func() ([]int, bool) {
			return NameByEvents(event(2, "B", "C"), []GroupEvent{event(3, "C", "B"), event(2, "B", "C")}, "T")
		}, "[]"},
		{"squashed", func() ([]int, bool) { return NameByParents(c, "SQUASH", "T", squashed) }, "[1 2 3]"},
		{"merged: what lies between is the pull requests' own", func() ([]int, bool) { return NameByParents(b, "MERGE", "T", merged) }, "[1 2]"},
		{"rebased commits name whatever they like", func() ([]int, bool) { return NameByParents(c, "REBASE", "T", squashed) }, "[]"},
		{"so do those of a method that is not known", func() ([]int, bool) { return NameByParents(c, "", "T", squashed) }, "[]"},
		{"a commit of the wrong form", func() ([]int, bool) { return NameByParents(b, "SQUASH", "T", merged) }, "[]"},
		{"the last is another", func() ([]int, bool) { return NameByParents(event(5, "C", "B"), "SQUASH", "T", squashed) }, "[]"},
		{"one names none", func() ([]int, bool) {
			return NameByParents(b, "SQUASH", "T", []QueueCommit{{"A", []string{"T"}, 0}, squashed[1]})
		}, "[]"},
		{"the list ends early", func() ([]int, bool) { return NameByParents(c, "SQUASH", "T", squashed[1:]) }, "[]"},
	} {
		got, ok := x.got()
		if !ok {
			got = nil
		}
		if fmt.Sprint(got) != x.want {
			t.Errorf("%s: got %v, want %s", x.name, got, x.want)
		}
	}
}
