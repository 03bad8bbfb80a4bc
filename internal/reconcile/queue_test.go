package reconcile

import (
	"testing"
	"time"

	"github.com/relbot/relbot/internal/rules"
)

// TestPatienceOfRebuiltGroups holds that a group inherits the patience of the one before it of the same entry while that waits, and no longer.
func TestPatienceOfRebuiltGroups(t *testing.T) {
	start := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	before := queuedGroup{GroupEvent: rules.GroupEvent{Head: "A", HeadRef: "q/main/pr-1-T"}, Seen: start, Waits: start, Until: start.Add(10 * time.Minute)}
	for _, c := range []struct {
		name   string
		change func(g *queuedGroup)
		after  time.Duration
		want   bool
	}{
		{"rebuilt behind another", func(g *queuedGroup) { g.Gone, g.Reason = start, "invalidated" }, 5 * time.Minute, true},
		{"and the event of its end comes later", func(*queuedGroup) {}, 5 * time.Minute, true},
		{"taken out and queued again", func(g *queuedGroup) { g.Gone, g.Reason = start, "dequeued" }, 5 * time.Minute, false},
		{"failed and queued again", func(g *queuedGroup) { g.Failed = true }, 5 * time.Minute, false},
		{"the event of its end was lost", func(*queuedGroup) {}, 11 * time.Minute, false},
		{"another entry", func(g *queuedGroup) { g.HeadRef = "q/main/pr-2-T" }, 5 * time.Minute, false},
	} {
		g := before
		c.change(&g)
		d := queueDoc{Groups: []queuedGroup{g}}
		d.add(rules.GroupEvent{Head: "B", HeadRef: "q/main/pr-1-U"}, start.Add(c.after))
		if got := d.find("B").Waits; got.Equal(start) != c.want {
			t.Errorf("%s: it waits since %v", c.name, got)
		}
	}
	d := queueDoc{}
	d.end(rules.GroupEvent{Head: "A"}, "invalidated", start)
	d.add(rules.GroupEvent{Head: "A"}, start)
	if d.find("A").live() || len(d.Groups) != 1 {
		t.Error("a group is alive whose end was reported before its beginning")
	}
	d.add(rules.GroupEvent{Head: "B"}, start.Add(groupMemory+time.Second))
	if d.find("A") != nil {
		t.Error("an old group is remembered")
	}
}
