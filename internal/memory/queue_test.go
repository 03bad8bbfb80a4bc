package memory

import (
	"testing"
	"time"

	"github.com/relbot/relbot/internal/rules"
)

// TestPatienceOfRebuiltGroups holds that a group inherits the patience of the one before it of the same entry while that waits, and no longer.
func TestPatienceOfRebuiltGroups(t *testing.T) {
	start := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	before := Group{GroupEvent: rules.GroupEvent{Head: "A", HeadRef: "q/main/pr-1-T"}, Seen: start, Waits: start, Until: start.Add(10 * time.Minute)}
	for _, c := range []struct {
		name   string
		change func(g *Group)
		after  time.Duration
		want   bool
	}{
		{"rebuilt behind another", func(g *Group) { g.Gone, g.Reason = start, "invalidated" }, 5 * time.Minute, true},
		{"and the event of its end comes later", func(*Group) {}, 5 * time.Minute, true},
		{"taken out and queued again", func(g *Group) { g.Gone, g.Reason = start, "dequeued" }, 5 * time.Minute, false},
		{"failed and queued again", func(g *Group) { g.Failed = true }, 5 * time.Minute, false},
		{"the event of its end was lost", func(*Group) {}, 11 * time.Minute, false},
		{"another entry", func(g *Group) { g.HeadRef = "q/main/pr-2-T" }, 5 * time.Minute, false},
	} {
		g := before
		c.change(&g)
		d := Queue{Groups: []Group{g}}
		d.Add(rules.GroupEvent{Head: "B", HeadRef: "q/main/pr-1-U"}, start.Add(c.after))
		if got := d.Find("B").Waits; got.Equal(start) != c.want {
			t.Errorf("%s: it waits since %v", c.name, got)
		}
	}
	d := Queue{}
	d.End(rules.GroupEvent{Head: "A"}, "invalidated", start)
	d.Add(rules.GroupEvent{Head: "A"}, start)
	if d.Find("A").Live() || len(d.Groups) != 1 {
		t.Error("a group is alive whose end was reported before its beginning")
	}
	d.Add(rules.GroupEvent{Head: "B"}, start.Add(GroupMemory+time.Second))
	if d.Find("A") != nil {
		t.Error("an old group is remembered")
	}
}
