package memory

import (
	"slices"
	"time"

	"github.com/relbot/relbot/internal/rules"
)

const (
	// UnnamedPatience is for how long relbot tries to name the pull requests in a group.
	UnnamedPatience = time.Minute
	// GroupMemory is for how long a group that has ended is remembered: others may be built on it.
	GroupMemory = 24 * time.Hour
)

// Queue is what is remembered of a merge queue.
type Queue struct {
	Groups []Group `json:"groups"`
	// Changed is when a coupling with members on the branch was last judged.
	Changed time.Time `json:"changed,omitzero"`
}

// Group is a merge group as its events reported it.
type Group struct {
	rules.GroupEvent
	Seen   time.Time `json:"seen"`
	Right  time.Time `json:"right,omitzero"`   // when it was last judged, and passed by itself
	Waits  time.Time `json:"waits,omitzero"`   // since when its check waits for partners
	Until  time.Time `json:"until,omitzero"`   // and until when it may
	Failed bool      `json:"failed,omitempty"` // its check fails, for good
	Late   bool      `json:"late,omitempty"`   // it failed because a partner of its own entry did not enter the queue in time
	Gone   time.Time `json:"gone,omitzero"`    // since when it is destroyed
	Reason string    `json:"reason,omitempty"`
}

// Find returns a group by its head, or nil.
func (d *Queue) Find(head string) *Group {
	if i := slices.IndexFunc(d.Groups, func(g Group) bool { return g.Head == head }); i >= 0 {
		return &d.Groups[i]
	}
	return nil
}

// Add records a group. A group that GitHub rebuilt for the same entry keeps the patience of the one before it. Otherwise each entry that is removed
// ahead of it would prolong the wait.
func (d *Queue) Add(e rules.GroupEvent, now time.Time) {
	d.Groups = slices.DeleteFunc(d.Groups, func(g Group) bool { return now.Sub(g.Seen) > GroupMemory })
	if d.Find(e.Head) != nil {
		return
	}
	added := Group{GroupEvent: e, Seen: now}
	for _, g := range d.Groups {
		if g.Number() == e.Number() && g.continues(now) {
			added.Waits = g.Waits
		}
	}
	d.Groups = append(d.Groups, added)
}

// continues reports whether a new group for the same entry goes on with the wait of g, rather than being a new entry of its pull request.
func (g Group) continues(now time.Time) bool {
	rebuilt := g.Reason == "invalidated"
	if g.Failed { // and an entry ahead failed at the same time, so that GitHub rebuilt this one before it read the failure
		return g.Late && rebuilt && now.Sub(g.Gone) < UnnamedPatience
	}
	// A group that is still live after its time has left the queue, and that event was lost.
	return (g.Gone.IsZero() || rebuilt) && now.Before(g.Until)
}

// End notes that a group was destroyed, also when the news that it was made comes later.
func (d *Queue) End(e rules.GroupEvent, reason string, now time.Time) {
	d.Add(e, now)
	if g := d.Find(e.Head); g.Gone.IsZero() {
		g.Gone, g.Reason = now, reason
	}
}

// Events returns the events of all groups, also of those that have ended.
func (d *Queue) Events() []rules.GroupEvent {
	var out []rules.GroupEvent
	for _, g := range d.Groups {
		out = append(out, g.GroupEvent)
	}
	return out
}

// Live reports whether a group's check has still to be kept right.
func (g Group) Live() bool { return g.Gone.IsZero() && !g.Failed }

// Due returns when a group has waited long enough for what cannot be read.
func (g Group) Due() time.Time {
	if due := g.Seen.Add(UnnamedPatience); g.Until.Before(due) {
		return due
	}
	return g.Until
}
