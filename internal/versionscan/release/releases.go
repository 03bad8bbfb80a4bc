package release

import (
	"cmp"
	"slices"
	"strings"
)

// DefaultStartWords are prerelease words that mark the start of a release or a dev build; a tag with one of them cuts
// nothing.
var DefaultStartWords = []string{"alpha", "dev", "pre", "new", "nightly", "snapshot"}

// ParseTag reads a tag by the tag pattern, and reports whether it names a version of this component: "mz-v26.1.0" does
// not match "v{version}".
func (r Releases) ParseTag(name string) (Version, bool) {
	v, whole, ok := r.parseTag(name)
	if !whole {
		v = Version{}
	}
	return v, ok && whole
}

// parseTag also tells of tags that fit the pattern and only begin like a version: v26.18.0rc1 is no semver. Then the version is what it
// begins with, and not the whole.
func (r Releases) parseTag(name string) (v Version, whole, ok bool) {
	if slices.Contains(r.Ignore, name) {
		return Version{}, false, false
	}
	if r.Tags == "" && len(name) > 1 && name[0] == 'v' && digit(name[1]) {
		name = name[1:]
	}
	text, ok := fill(cmp.Or(r.Tags, "{version}"), name)
	if !ok {
		return Version{}, false, false
	}
	if v, err := r.Scheme.Parse(text); err == nil {
		return v, true, true
	}
	core := text[:numbers(text)]
	if parts := strings.Split(core, "."); len(parts) > 3 {
		core = strings.Join(parts[:3], ".")
	}
	v, err := r.Scheme.Parse(core)
	return v, false, err == nil && strings.Contains(core, ".")
}

// slots are the placeholders of tag and branch patterns, in the order in which they make up a version.
var slots = []string{"{version}", "{major}", "{minor}", "{patch}"}

// fill matches a name against a pattern and makes the text of a version of what stands at the placeholders.
func fill(pattern, name string) (text string, ok bool) {
	var given [4]string
	for pattern != "" {
		i := slices.IndexFunc(slots, func(p string) bool { return strings.HasPrefix(pattern, p) })
		if i < 0 {
			if name == "" || name[0] != pattern[0] {
				return "", false
			}
			pattern, name = pattern[1:], name[1:]
			continue
		}
		pattern = pattern[len(slots[i]):]
		size := digits(name)
		if i == 0 && size > 0 {
			size = len(name)
			if next := strings.IndexByte(pattern, '{'); next < 0 {
				size -= len(pattern)
			} else if at := strings.LastIndex(name, pattern[:next]); next > 0 && at >= 0 {
				size = at
			}
		}
		if size <= 0 || given[i] != "" {
			return "", false
		}
		given[i], name = name[:size], name[size:]
	}
	if name != "" {
		return "", false
	}
	text = given[0]
	for _, part := range given[1:] {
		if part == "" {
			continue
		}
		if text != "" {
			text += "."
		}
		text += part
	}
	return text, true
}

// line is a release line.
type line struct {
	branch string
	core   Version // its lowest
	parts  int     // how many numbers name the line: two for release-26.38
}

func (r Releases) line(branch string) (line, bool) {
	if r.Branches == "" {
		return line{}, false
	}
	text, ok := fill(r.Branches, branch)
	if !ok {
		return line{}, false
	}
	v, err := r.Scheme.Parse(text)
	if err != nil {
		return line{}, false
	}
	return line{branch: branch, core: v.Core(), parts: 1 + strings.Count(v.core, ".")}, true
}

// LineOf reports whether a branch is a release line, and the lowest core of that line: 26.38.0 for release-26.38.
func (r Releases) LineOf(branch string) (core Version, ok bool) {
	l, ok := r.line(branch)
	return l.core, ok
}

// LinePrefix is what the names of all release lines begin with, for listing branches.
func (r Releases) LinePrefix() string {
	end := len(r.Branches)
	for _, p := range slots {
		if i := strings.Index(r.Branches, p); i >= 0 {
			end = min(end, i)
		}
	}
	return r.Branches[:end]
}

// NextAfter is the core that follows a core: a step higher, or the next of an explicit list, where false means that
// the list has no higher one. Integers step by one and calendar versions in their last part unless a step is named.
func (r Releases) NextAfter(core Version) (Version, bool) { return r.next(core, false) }

// next pads a month with zeros where the history does so.
func (r Releases) next(core Version, pad bool) (Version, bool) {
	core = core.Core()
	if core.IsZero() {
		return core, false
	}
	if len(r.Next.List) > 0 {
		var next Version
		for _, text := range r.Next.List {
			v, err := r.Scheme.Parse(text)
			if c := v.Core(); err == nil && c.Compare(core) > 0 && (next.IsZero() || c.Compare(next) < 0) {
				next = c
			}
		}
		return next, !next.IsZero()
	}
	last := len(core.Numbers()) - 1
	switch step := r.Next.Step; {
	case core.scheme == Integer:
		return core.bumped(0, false), true
	case step == "month":
		return core.nextMonth(pad), true
	case step == "major":
		return core.bumped(0, false), true
	case step == "patch":
		return core.nextPatch(), true
	case step == "" && core.scheme == Calver:
		return core.bumped(last, pad), true
	default:
		return core.bumped(1, pad && core.scheme == Calver), true
	}
}

// stepParts is how many numbers of a core name its place in the train's steps; those behind them are patches of it.
func (r Releases) stepParts() int {
	if r.Next.Step == "major" || r.Scheme == Integer {
		return 1
	}
	return 2
}

// cuts reports whether a build cuts its release.
func (r Releases) cuts(v Version) bool {
	return v.Pre() == "" || r.CutOn != "final" && !r.starts(v)
}

// starts reports whether a version is a dev build or marks the start of a release: one of its prerelease words is a
// start word, whatever number is glued to it.
func (r Releases) starts(v Version) bool {
	if v.Pre() == "" {
		return false
	}
	words := r.StartWords
	if words == nil {
		words = DefaultStartWords
	}
	is := func(w string) bool {
		return slices.ContainsFunc(words, func(s string) bool { return strings.EqualFold(s, w) })
	}
	return slices.ContainsFunc(tokens(v.Pre()), func(t string) bool {
		if t == "a" && (v.scheme == PEP440 || v.scheme == Maven) { // how these abbreviate alpha
			return is("a") || is("alpha")
		}
		return is(t)
	}) || slices.ContainsFunc(strings.Split(v.Pre(), "."), is)
}
