package release

import (
	"cmp"
	"slices"
	"strings"

	"github.com/relbot/relbot/internal/versionscan"
)

// speaking walks the tags that speak for releases, ascending.
func (h *History) speaking(yield func(r Release, tag string) bool) {
	for _, r := range h.releases {
		if r.Speaks != nil && !yield(r, r.Speaks.Name) {
			return
		}
	}
}

// FirstShip is the lowest release that has a change. has says by tag name whether a tag has it, and by which method that
// was found (absent: it has not); lines says the same of release lines. The tag that speaks for a release decides for it.
// What is in no tag ships with the lowest line that has it, else with the train. A fact that is missing or unknown
// leaves the answer unknown, unless it could not lower it.
func (h *History) FirstShip(has, lines map[string]versionscan.Fact[string], train versionscan.Fact[Version]) versionscan.Fact[Ship] {
	for r, tag := range h.speaking {
		switch f := has[tag]; {
		case f.Unknown():
			return versionscan.NotKnown[Ship](unread(tag, f.Why))
		case f.Known():
			lowest := slices.IndexFunc(r.Builds, func(b Build) bool { return has[b.Name].Known() })
			return versionscan.Know(Ship{Core: r.Core, Tagged: true, Tag: tag, Build: r.Builds[lowest].Version, Method: f.Value})
		}
	}
	if !train.Known() {
		return versionscan.NotKnown[Ship](cmp.Or(train.Why, "the train is unknown"))
	}
	for _, l := range h.trains(lines, train.Value) {
		switch f := lines[l.branch]; {
		case f.Unknown():
			return versionscan.NotKnown[Ship](unread(l.branch, f.Why))
		case f.Known():
			return versionscan.Know(Ship{Core: l.core, Line: l.branch, Method: f.Value})
		}
	}
	return versionscan.Know(Ship{Core: train.Value.Core(), Method: "train"})
}

// trains are the release lines whose trains leave before a release, each with its train as core, ascending: those of the
// history and those that facts are given for.
func (h *History) trains(facts map[string]versionscan.Fact[string], before Version) []line {
	var out []line
	meet := func(branch string) {
		if core, ok := h.LineTrain(branch); ok && core.Compare(before.Core()) < 0 {
			out = append(out, line{branch: branch, core: core})
		}
	}
	for _, l := range h.lines {
		meet(l.branch)
	}
	for branch := range facts {
		meet(branch)
	}
	slices.SortFunc(out, func(a, b line) int {
		return cmp.Or(a.core.Compare(b.core), strings.Compare(a.branch, b.branch))
	})
	return slices.CompactFunc(out, func(a, b line) bool { return a.branch == b.branch })
}

// Threshold is the release from which on the evidence holds: in none below, in every one from there. holds says by tag
// name whether a tag has the evidence; the tag that speaks for a release decides for it. Breaks lists the releases that lack
// it above one that has it; they show that no threshold exists, whatever is unknown of others. While no release has
// the evidence, the train is the answer.
func (h *History) Threshold(holds map[string]versionscan.Fact[bool], train versionscan.Fact[Version]) versionscan.Fact[Threshold] {
	var t Threshold
	why := ""
	for r, tag := range h.speaking {
		switch f := holds[tag]; {
		case f.Unknown():
			why = cmp.Or(why, unread(tag, f.Why))
		case f.Value && !t.Tagged:
			lowest := slices.IndexFunc(r.Builds, func(b Build) bool { return holds[b.Name].Value })
			t.Ship = Ship{Core: r.Core, Tagged: true, Tag: tag, Build: r.Builds[lowest].Version, Method: "evidence"}
		case !f.Value && t.Tagged:
			t.Breaks = append(t.Breaks, r.Core)
		}
	}
	switch {
	case len(t.Breaks) > 0:
	case why != "":
		return versionscan.NotKnown[Threshold](why)
	case !t.Tagged && !train.Known():
		return versionscan.NotKnown[Threshold](cmp.Or(train.Why, "the train is unknown"))
	case !t.Tagged:
		t.Ship = Ship{Core: train.Value.Core(), Method: "train"}
	}
	return versionscan.Know(t)
}

// Window is what evidence says of a thing that came with one release and went with another: opened is the release from which on the
// evidence holds, closed the one from which on it holds no more. Both have Breaks when it comes back after that. While no release has it
// opened is the train; while none has lost it closed is absent.
func (h *History) Window(holds map[string]versionscan.Fact[bool], train versionscan.Fact[Version]) (opened, closed versionscan.Fact[Threshold]) {
	upTo, gone := map[string]versionscan.Fact[bool]{}, map[string]versionscan.Fact[bool]{} // the evidence up to the closing, and the lack of it from there
	came, went := false, false
	for r, tag := range h.speaking {
		f := holds[tag]
		if f.Known() {
			went = went || came && !f.Value
			came = came || f.Value
		}
		lost := f
		if f.Known() {
			lost = versionscan.Know(went && !f.Value)
		}
		for _, b := range r.Builds {
			upTo[b.Name], gone[b.Name] = holds[b.Name], lost
			if b.Name != tag && lost.Value { // of a release's builds those from the first without it
				gone[b.Name] = versionscan.Know(holds[b.Name].Known() && !holds[b.Name].Value)
			}
			if went && f.Known() && !f.Value {
				upTo[b.Name] = versionscan.Know(true)
			}
		}
	}
	opened = h.Threshold(upTo, train)
	if closed = h.Threshold(gone, train); closed.Known() && !closed.Value.Tagged {
		closed = versionscan.None[Threshold]("no release has lost it")
	}
	if opened.Known() && closed.Known() {
		opened.Value.Breaks = closed.Value.Breaks
	}
	return opened, closed
}

// Oldest is the oldest of the n newest releases that were cut, patch releases not counted; false when there are fewer.
func (h *History) Oldest(n int) (Version, bool) {
	var last Version
	for i := len(h.releases) - 1; i >= 0 && n > 0; i-- {
		r := h.releases[i]
		if !r.Cut {
			continue
		}
		if last.IsZero() || !r.Core.sameLine(last, h.rules.stepParts()) {
			if n--; n == 0 {
				last = r.Core
				break
			}
		}
		last = r.Core
	}
	if n > 0 || last.IsZero() {
		return Version{}, false
	}
	i, _ := h.find(last)
	for i > 0 && h.releases[i-1].Core.sameLine(last, h.rules.stepParts()) {
		i--
	}
	return h.releases[i].Core, true
}

// Interval is where a value at exact precision may lie: above the last build without the change, up to the first build with
// it. has tells of every tag, dev builds included. What no release has yet is awaited in the first build of train
// that is still to come: its dev.0, or the build after those that were tagged without the change. For what ships with a
// release line, train is the train of that line.
func (h *History) Interval(has func(tag string) versionscan.Fact[bool], train Version) versionscan.Fact[Interval] {
	top := -1 // the build that speaks for the first release with the change
	for r, tag := range h.speaking {
		f := has(tag)
		if f.Unknown() {
			return versionscan.NotKnown[Interval](unread(tag, f.Why))
		}
		if f.Value {
			top, _ = slices.BinarySearchFunc(h.builds, *r.Speaks, compareBuilds)
			break
		}
	}
	if top < 0 { // the last build that the train does not leave behind
		core := train.Core()
		for top+1 < len(h.builds) && h.builds[top+1].Version.Core().Compare(core) <= 0 {
			top++
		}
	}
	in := Interval{}
	for ; top >= 0; top-- {
		b := h.builds[top]
		f := has(b.Name)
		if f.Unknown() {
			return versionscan.NotKnown[Interval](unread(b.Name, f.Why))
		}
		if !f.Value {
			in.After = b.Version
			break
		}
		in.UpTo = b.Version
	}
	if in.UpTo.IsZero() {
		in.UpTo = train.Core().firstBuild()
		if in.UpTo.Compare(in.After) <= 0 {
			in.UpTo = in.After.nextBuild()
		}
	}
	return versionscan.Know(in)
}

// unread says of which tag or line something is unknown.
func unread(name, why string) string {
	return "whether " + name + " has it: " + orElse(why, "it was not read")
}

func orElse(s, otherwise string) string { return cmp.Or(s, otherwise) }
