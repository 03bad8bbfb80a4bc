package versionscan

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
)

// ReadDev reads what a branch says it is building. files are the branch's own, by path. The first reader that gives a
// version decides; the others that failed or name another release are listed. A file that could not be read leaves the answer
// unknown as long as no reader above it has decided, since nobody knows what it would have said.
func (r Releases) ReadDev(files map[string]Fact[File], h *History) Fact[Dev] {
	var dev Dev
	why := ""
	for _, reader := range r.DevVersion {
		reading := Reading{Reader: reader}
		v, err := r.read(reader, files, h)
		switch decided := !dev.Version.IsZero(); {
		case err != nil:
			reading.Err = err.Error()
			if errors.Is(err, errNotRead) && !decided {
				return NotKnown[Dev](reading.Err)
			}
			why = cmp.Or(why, reading.Err)
			dev.Differ = append(dev.Differ, reading)
		case !decided:
			dev.Version = v
		case !v.sameCore(dev.Version):
			reading.Version = v
			dev.Differ = append(dev.Differ, reading)
		}
	}
	if dev.Version.IsZero() {
		return NotKnown[Dev](cmp.Or(why, "the policy names no reader of a dev version"))
	}
	return Know(dev)
}

// errNotRead marks what may well be there.
var errNotRead = errors.New("could not be read")

func (r Releases) read(reader Reader, files map[string]Fact[File], h *History) (Version, error) {
	if reader.Tags {
		return r.fromTags(h)
	}
	file := files[reader.Path]
	switch {
	case file.Unknown():
		return Version{}, fmt.Errorf("%s %w: %s", reader.Path, errNotRead, orElse(file.Why, "nobody asked for it"))
	case file.Absent():
		return Version{}, fmt.Errorf("%s: no such file", reader.Path)
	case file.Value.Binary:
		return Version{}, fmt.Errorf("%s: a binary file", reader.Path)
	case file.Value.Link:
		return Version{}, fmt.Errorf("%s: a symbolic link to %s", reader.Path, file.Value.Text)
	}
	values, err := reader.Values(file.Value.Text)
	if err != nil {
		return Version{}, fmt.Errorf("%s: %w", reader.Path, err)
	}
	var found Version
	var first int
	for _, l := range values {
		v, err := r.value(reader, l, files)
		switch {
		case err != nil:
			return Version{}, fmt.Errorf("%s:%d: %w", reader.Path, l.Line, err)
		case found.IsZero():
			found, first = v, l.Line
		case v.Compare(found) != 0:
			return Version{}, fmt.Errorf("%s: %s is %s in line %d and %s in line %d", reader.Path, reader.Selector, found, first, v, l.Line)
		}
	}
	if found.IsZero() {
		return Version{}, fmt.Errorf("%s: nothing stands at %s", reader.Path, reader.Selector)
	}
	return found, nil
}

// value is the version that a reader selected, by way of a constant's definition where it selects a symbol.
func (r Releases) value(reader Reader, l Located, files map[string]Fact[File]) (Version, error) {
	if l.Raw != "" || l.Symbol == "" {
		return r.Scheme.Parse(l.Raw)
	}
	only := map[string]Fact[File]{reader.Path: files[reader.Path]}
	found, trouble := Find(Finder{Path: reader.Path, Symbol: regexp.QuoteMeta(l.Symbol)}, "", r.Scheme, only)
	switch {
	case trouble != nil:
		return Version{}, errors.New(trouble.Message)
	case found.Value.Value.IsZero():
		return Version{}, fmt.Errorf("%s has no version", l.Symbol)
	}
	return found.Value.Value, nil
}

// fromTags is the release after the newest cut one or, where files name the last release, that one itself.
func (r Releases) fromTags(h *History) (Version, error) {
	if h == nil {
		return Version{}, fmt.Errorf("the tags %w", errNotRead)
	}
	for i := len(h.releases) - 1; i >= 0; i-- {
		if !h.releases[i].Cut {
			continue
		}
		newest := h.releases[i].Core
		if r.Bumped == "at_release" {
			return newest, nil
		}
		next, ok := r.next(newest, h.pad)
		if !ok {
			return Version{}, fmt.Errorf("the list of versions ends at %s", newest)
		}
		return next, nil
	}
	return Version{}, errors.New("no tag names a release yet")
}
