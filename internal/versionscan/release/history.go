package release

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// History is the releases of one component, from its tags and release lines. It does not change once it is made.
type History struct {
	rules    Releases
	builds   []Build
	releases []Release
	lines    []line
	odd      []Build  // tags that begin like a release and are no version; Version is what they begin with
	others   []string // tags that the pattern does not match
	pad      bool     // months are written with a leading zero
}

// History orders tags and branches into releases. Tags and branches that name no release of this component are passed
// over. Neither dates nor the order of the arguments matter.
func (r Releases) History(tags []Tag, branches []string) *History {
	h := &History{rules: r, builds: make([]Build, 0, len(tags))}
	for _, t := range tags {
		v, whole, ok := r.parseTag(t.Name)
		switch {
		case ok && !whole:
			h.odd = append(h.odd, Build{t, v})
		case ok:
			h.builds = append(h.builds, Build{t, v})
			_, month, _ := strings.Cut(v.core, ".")
			h.pad = h.pad || strings.HasPrefix(month, "0") && len(month) > 1 && digit(month[1])
		case !slices.Contains(r.Ignore, t.Name):
			h.others = append(h.others, t.Name)
		}
	}
	slices.SortFunc(h.builds, compareBuilds)
	slices.SortFunc(h.odd, compareBuilds)
	slices.Sort(h.others)
	for from := 0; from < len(h.builds); {
		to := from + 1
		for to < len(h.builds) && h.builds[to].Version.sameCore(h.builds[from].Version) {
			to++
		}
		h.releases = append(h.releases, r.release(h.builds[from:to:to]))
		from = to
	}
	for _, b := range branches {
		if l, ok := r.line(b); ok {
			h.lines = append(h.lines, l)
		}
	}
	slices.SortFunc(h.lines, func(a, b line) int {
		return cmp.Or(a.core.Compare(b.core), strings.Compare(a.branch, b.branch))
	})
	for _, l := range h.lines {
		i, ok := h.find(l.core)
		if !ok {
			h.releases = slices.Insert(h.releases, i, Release{Core: l.core})
		}
		if rel := &h.releases[i]; !rel.Cut {
			rel.Cut, rel.CutBy = true, l.branch
		}
	}
	return h
}

// compareBuilds orders builds by version. A moving tag such as v4 equals v4.0.0; the one that says more comes last, and
// speaks.
func compareBuilds(a, b Build) int {
	return cmp.Or(a.Version.Compare(b.Version), strings.Count(a.Version.core, ".")-strings.Count(b.Version.core, "."), strings.Compare(a.Name, b.Name))
}

// release is the release of builds of one core, which are in ascending order.
func (r Releases) release(builds []Build) Release {
	rel := Release{Core: builds[0].Version.Core(), Builds: builds}
	for i := range builds {
		v := builds[i].Version
		if !rel.Cut && r.cuts(v) {
			rel.Cut, rel.CutBy = true, builds[i].Name
		}
		if !r.starts(v) && (v.Pre() == "" || rel.Speaks == nil || rel.Speaks.Version.Pre() != "") {
			rel.Speaks = &builds[i]
		}
	}
	return rel
}

// find locates a core among the releases, or where it would stand.
func (h *History) find(core Version) (int, bool) {
	return slices.BinarySearchFunc(h.releases, core, func(r Release, core Version) int { return r.Core.Compare(core) })
}

// Between counts the releases from one version to another as the train steps, patch releases not counted: 1 for neighbours. Where the
// versions share what stands before the part that steps it is the difference of that part; otherwise the history has to know both.
func (r Releases) Between(a, b Version, h *History) (int, bool) {
	if a.Compare(b) > 0 {
		a, b = b, a
	}
	n := r.stepParts()
	if len(r.Next.List) == 0 && a.sameLine(b, n-1) {
		x, errX := strconv.Atoi(a.Part(n - 1))
		y, errY := strconv.Atoi(b.Part(n - 1))
		return y - x, errX == nil && errY == nil
	}
	if h == nil {
		return 0, false
	}
	steps, from, to := 0, -1, -1
	var last Version
	for _, rel := range h.releases {
		if last.IsZero() || !rel.Core.sameLine(last, n) {
			steps++
			last = rel.Core
		}
		if rel.Core.sameLine(a, n) {
			from = steps
		}
		if rel.Core.sameLine(b, n) {
			to = steps
		}
	}
	return to - from, from >= 0 && to >= 0
}

// Unreadable says which tag may have cut a core and is no version of the scheme, so that nobody can tell; "" when none may.
func (h *History) Unreadable(core Version) string {
	for _, b := range h.odd {
		if b.Version.sameLine(core, h.rules.stepParts()) {
			return fmt.Sprintf("the tag %s may have cut %s, and is no %s version: name its scheme, or list it in releases.ignore", b.Name, core, cmp.Or(h.rules.Scheme, Semver))
		}
	}
	return ""
}

// Rules are those by which the history was made.
func (h *History) Rules() Releases { return h.rules }

// Releases are all cores that have a build or a line, ascending. They are not to be changed.
func (h *History) Releases() []Release { return h.releases }

// Builds are all tags that name a version, in ascending order of versions. They are not to be changed.
func (h *History) Builds() []Build { return h.builds }

// NewestCut returns the newest core that was cut; false where none was.
func (h *History) NewestCut() (Version, bool) {
	for _, r := range slices.Backward(h.releases) {
		if r.Cut {
			return r.Core, true
		}
	}
	return Version{}, false
}

// Newest is the tag that speaks for the newest cut release.
func (h *History) Newest() (Build, bool) {
	for _, r := range slices.Backward(h.releases) {
		if r.Cut && r.Speaks != nil {
			return *r.Speaks, true
		}
	}
	return Build{}, false
}

// Release finds the release of a core.
func (h *History) Release(core Version) (Release, bool) {
	if i, ok := h.find(core.Core()); ok {
		return h.releases[i], true
	}
	return Release{}, false
}

// CutBy names the tag or release line that cut a core, and reports whether one did. A core that was skipped counts as
// cut by the release that overtook it: 26.30.0 by v26.30.1.
func (h *History) CutBy(core Version) (by string, ok bool) {
	rel, ok := h.cut(core)
	return rel.CutBy, ok
}

// cut finds the release that cut a core: its own, else the first cut one above it in the same step of the train.
func (h *History) cut(core Version) (Release, bool) {
	core = core.Core()
	i, _ := h.find(core)
	for ; i < len(h.releases) && h.releases[i].Core.sameLine(core, h.rules.stepParts()); i++ {
		if h.releases[i].Cut {
			return h.releases[i], true
		}
	}
	return Release{}, false
}

// Train is the release in which something merged now would ship, for a branch that claims to build dev. Tags beat the
// claim. It reports false when an explicit list of versions ends before the next release.
func (h *History) Train(dev Version) (Train, bool) {
	t := Train{Core: dev.Core(), Dev: dev}
	rel, cut := h.cut(t.Core)
	t.CutBy, t.Lagging = rel.CutBy, cut
	if h.rules.Bumped == "at_release" {
		// The file names the last release, which is behind us whatever the tags say.
		t.Lagging = false
		next, ok := h.rules.next(t.Core, h.pad)
		if !ok {
			return t, false
		}
		t.Core = next
		rel, cut = h.cut(t.Core)
	}
	for cut {
		next, ok := h.rules.next(rel.Core, h.pad)
		if !ok {
			return t, false
		}
		t.Core = next
		rel, cut = h.cut(t.Core)
	}
	return t, true
}

// LineTrain is the train of a release line, and reports whether the branch is one: its core while that has no final
// tag, since a change picked into the line ships in the next candidate of the same core; then the next patch.
func (h *History) LineTrain(branch string) (Version, bool) {
	l, ok := h.rules.line(branch)
	if !ok {
		return Version{}, false
	}
	train := l.core
	i, _ := h.find(l.core)
	for ; i < len(h.releases) && h.releases[i].Core.sameLine(l.core, l.parts); i++ {
		switch rel := h.releases[i]; {
		case rel.Final():
			train = rel.Core.nextPatch()
		case rel.Speaks != nil:
			train = rel.Core // also where the core below was given up without a final
		}
	}
	return train, true
}

// Dev is the release after the newest cut one or, where files name the last release, that one itself.
func (h *History) Dev() (Version, error) {
	for _, rel := range slices.Backward(h.releases) {
		switch {
		case !rel.Cut:
			continue
		case h.rules.Bumped == "at_release":
			return rel.Core, nil
		}
		next, ok := h.rules.next(rel.Core, h.pad)
		if !ok {
			return Version{}, fmt.Errorf("the list of versions ends at %s", rel.Core)
		}
		return next, nil
	}
	return Version{}, errors.New("no tag names a release yet")
}
