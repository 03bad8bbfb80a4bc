package rules

import (
	"slices"
	"time"

	"github.com/relbot/relbot/internal/coupling"
)

// Entering says why a member that others have to land with is not in their merge group.
type Entering string

// What keeps a member out of a merge group.
const (
	Awaited  Entering = "awaited"   // it may come in behind: the group waits for it
	Late     Entering = "late"      // nobody brought it in time
	Draft    Entering = "draft"     // GitHub takes no draft
	Barred   Entering = "barred"    // its own check blocks
	Apart    Entering = "apart"     // it goes to another base or repository
	TooMany  Entering = "too-many"  // the queue builds fewer entries at a time than have to land together
	NotGreen Entering = "not-green" // it is there, and another required check of its group has not passed
)

// together reports whether members on these ways have to land in one go: all edges are a with.
func together(way []coupling.Edge) bool {
	return !slices.ContainsFunc(way, func(e coupling.Edge) bool { return !e.With })
}

// loose reports whether a merge queue may hold two members in any order. None of the edges on the ways between them is a plain before.
func loose(way []coupling.Edge) bool { return !slices.ContainsFunc(way, coupling.Edge.Strict) }

// mergeQueue is who merges what a merge queue lands.
const mergeQueue = "github-merge-queue"

// landedInQueue reports whether a member that waits for another was landed by their merge queue. Both were released together there, so that the
// other is late and not passed over.
func (j *judge) landedInQueue(before, after *row, way []coupling.Edge) bool {
	by := after.fact.Value.MergedBy
	return loose(way) && j.oneQueue(before, after) && (by == mergeQueue || by == mergeQueue+"[bot]")
}

// queued judges the order of members in a merge group: those ahead in the queue count as merged. It comes after everything else is known of the
// members, since one that is blocked cannot enter the queue.
func (j *judge) queued() {
	for i := range j.rows {
		own := &j.rows[i]
		at := slices.Index(j.s.Group.Pulls, own.Pull)
		if at < 0 || !own.open() {
			continue
		}
		var first, awaited []coupling.Pull
		var edges, ways []coupling.Edge
		for k := range j.rows {
			other := &j.rows[k]
			way := j.between(other.Role, own.Role)
			if len(way) == 0 || !other.open() {
				continue
			}
			place := slices.Index(j.s.Group.Pulls, other.Pull)
			switch {
			case place >= 0 && (place < at || loose(way)):
			case !loose(way):
				first, edges = append(first, other.Pull), append(edges, way...)
			case together(way) && !j.oneQueue(other, own): // as without a queue
			default:
				awaited, ways = append(awaited, other.Pull), append(ways, way...)
				if why := j.keptOut(other, own); why != Awaited {
					own.add(Block, orderEntering([]coupling.Pull{other.Pull}, j.waited(own.Role, way), why))
				}
			}
		}
		switch {
		case len(first) > 0:
			own.add(Wait, orderWaiting(first, j.waited(own.Role, edges)))
		case len(awaited) > 0 && j.s.Group.tooMany(at, awaited):
			own.add(Block, orderEntering(awaited, j.waited(own.Role, ways), TooMany))
		case len(awaited) > 0:
			own.add(Wait, orderEntering(awaited, j.waited(own.Role, ways), Awaited))
		}
	}
}

// keptOut says what keeps a member from entering the queue behind another.
func (j *judge) keptOut(r, own *row) Entering {
	switch {
	case !j.oneQueue(r, own):
		return Apart
	case r.fact.Value.Draft:
		return Draft
	case j.s.Group.Barred[r.Pull], slices.ContainsFunc(r.found, func(f finding) bool { return f.level == Block }):
		return Barred
	}
	return Awaited
}

// tooMany reports whether the queue builds groups of too few entries to hold an entry and the last of those that it waits for.
func (g Group) tooMany(at int, awaited []coupling.Pull) bool {
	last, missing := 0, 0
	for _, p := range awaited {
		if i := slices.Index(g.Behind, p); i >= 0 {
			last = max(last, i+1)
		} else {
			missing++
		}
	}
	if missing > 0 { // they enter behind all others
		last = len(g.Behind) + missing
	}
	return g.Build > 0 && len(g.Pulls)-at+last > g.Build
}

// Awaits are the members for which a verdict on a merge group merely waits; nil where it does not, or not only for them.
func (v Verdict) Awaits() []coupling.Pull {
	if !v.Pending() {
		return nil
	}
	var out []coupling.Pull
	for _, r := range v.Reasons {
		if r.Queue != Awaited {
			return nil
		}
		for _, p := range r.Pulls {
			if !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	return out
}

// QueuedGroup is a merge group in its queue, with what was found of it.
type QueuedGroup struct {
	Pulls    []coupling.Pull           // in merge order; the last is the entry whose group it is
	Verdict  Verdict                   // on all that it would land
	Verdicts map[coupling.Pull]Verdict // on each coupled one of Pulls, on the group's own tree
	Passed   bool                      // its check is known to show a pass
	Green    bool                      // the other required checks of its head have passed
	Deadline time.Time                 // until when it may wait
}

// Released says what the check of a group shows, given the groups behind it in the queue, in order.
//
// A group that waits for partners is released when a group behind it holds them all, is right for each of them and shows it. So must every group
// between that waits as well. So the last entry passes first, and nothing can land before all may. Until then it waits, up to its deadline.
func Released(g QueuedGroup, behind []QueuedGroup, now time.Time) Verdict {
	awaits := g.Verdict.Awaits()
	if len(awaits) == 0 {
		return g.Verdict
	}
	lands := func(p coupling.Pull) bool {
		return slices.ContainsFunc(g.Verdict.Reasons, func(r Reason) bool { return r.About == p })
	}
	why := Late
	for _, b := range behind {
		if slices.ContainsFunc(awaits, func(p coupling.Pull) bool { return !slices.Contains(b.Pulls, p) }) {
			if len(b.Verdict.Awaits()) > 0 && !b.Passed {
				break // it has to be released first
			}
			continue
		}
		right := b.Passed
		for _, p := range b.Pulls {
			if slices.Contains(awaits, p) || lands(p) {
				v, judged := b.Verdicts[p]
				right = right && judged && v.Level == Pass
			}
		}
		if right && b.Green {
			return Verdict{Pull: g.Verdict.Pull, Level: Pass, Warnings: g.Verdict.Warnings}
		}
		if right {
			why = NotGreen
		}
		break
	}
	v := g.Verdict
	v.Reasons = slices.Clone(v.Reasons)
	for i := range v.Reasons {
		switch {
		case !now.Before(g.Deadline):
			v.Level, v.Reasons[i].Queue = Block, why
		case why == NotGreen:
			v.Reasons[i].Queue = NotGreen
		}
	}
	return v
}

// Partners are the members of a coupling that a merge queue may land behind one of them, though it waits for them.
func Partners(c coupling.Coupling, p coupling.Pull) []coupling.Pull {
	own, member := c.ByPull(p)
	if !member {
		return nil
	}
	var out []coupling.Pull
	for _, m := range c.Members {
		if way := (&judge{c: c}).between(m.Role, own.Role); len(way) > 0 && loose(way) {
			out = append(out, m.Pull)
		}
	}
	return out
}

// Final is a verdict on a merge group for those who cannot wait for partners, as a job that judges once.
func (v Verdict) Final() Verdict {
	v.Reasons = slices.Clone(v.Reasons)
	for i := range v.Reasons {
		if v.Reasons[i].Queue == Awaited {
			v.Reasons[i].Queue = ""
		}
	}
	return v
}

// Pending reports whether a verdict on a merge group leaves its check in progress: a partner may come in still.
func (v Verdict) Pending() bool {
	return v.Level == Wait && len(v.Reasons) > 0 && !slices.ContainsFunc(v.Reasons, func(r Reason) bool { return r.Queue == "" })
}
