package find

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"

	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/release"
)

// Dev reads what a branch says it is building, as the readers of r say. files are the branch's own, by path. The first reader that gives
// a version decides; the others that failed or name another release are listed. A file that could not be read leaves the answer
// unknown as long as no reader above it has decided, since nobody knows what it would have said.
func Dev(r release.Releases, files map[string]versionscan.Fact[versionscan.File], h *release.History) versionscan.Fact[release.Dev] {
	var dev release.Dev
	why := ""
	for _, reader := range r.DevVersion {
		reading := release.Reading{Reader: reader}
		v, err := devOf(reader, r.Scheme, files, h)
		switch decided := !dev.Version.IsZero(); {
		case err != nil:
			reading.Err = err.Error()
			if errors.Is(err, errNotRead) && !decided {
				return versionscan.NotKnown[release.Dev](reading.Err)
			}
			why = cmp.Or(why, reading.Err)
			dev.Differ = append(dev.Differ, reading)
		case !decided:
			dev.Version = v
		case v.Core().Compare(dev.Version.Core()) != 0:
			reading.Version = v
			dev.Differ = append(dev.Differ, reading)
		}
	}
	if dev.Version.IsZero() {
		return versionscan.NotKnown[release.Dev](cmp.Or(why, "the policy names no reader of a dev version"))
	}
	return versionscan.Know(dev)
}

// errNotRead marks what may well be there.
var errNotRead = errors.New("could not be read")

// devOf is the version that one reader gives.
func devOf(reader release.Reader, scheme release.Scheme, files map[string]versionscan.Fact[versionscan.File], h *release.History) (release.Version, error) {
	if reader.Tags {
		if h == nil {
			return release.Version{}, fmt.Errorf("the tags %w", errNotRead)
		}
		return h.Dev()
	}
	file := files[reader.Path]
	switch {
	case file.Unknown():
		return release.Version{}, fmt.Errorf("%s %w: %s", reader.Path, errNotRead, cmp.Or(file.Why, "nobody asked for it"))
	case file.Absent():
		return release.Version{}, fmt.Errorf("%s: no such file", reader.Path)
	case file.Value.Binary:
		return release.Version{}, fmt.Errorf("%s: a binary file", reader.Path)
	case file.Value.Link:
		return release.Version{}, fmt.Errorf("%s: a symbolic link to %s", reader.Path, file.Value.Text)
	}
	values, err := Values(reader.Selector, file.Value.Text)
	if err != nil {
		return release.Version{}, fmt.Errorf("%s: %w", reader.Path, err)
	}
	var found release.Version
	var first int
	for _, l := range values {
		v, err := devAt(reader.Path, l, scheme, file)
		switch {
		case err != nil:
			return release.Version{}, fmt.Errorf("%s:%d: %w", reader.Path, l.Line, err)
		case found.IsZero():
			found, first = v, l.Line
		case v.Compare(found) != 0:
			return release.Version{}, fmt.Errorf("%s: %s is %s in line %d and %s in line %d", reader.Path, reader.Selector, found, first, v, l.Line)
		}
	}
	if found.IsZero() {
		return release.Version{}, fmt.Errorf("%s: nothing stands at %s", reader.Path, reader.Selector)
	}
	return found, nil
}

// devAt is the version that a reader selected in a file, by way of a constant's definition where it selects a symbol.
func devAt(path string, l Located, scheme release.Scheme, file versionscan.Fact[versionscan.File]) (release.Version, error) {
	if l.Raw != "" || l.Symbol == "" {
		return scheme.Parse(l.Raw)
	}
	found, trouble := Gate(Finder{Path: path, Symbol: regexp.QuoteMeta(l.Symbol)}, "", scheme, map[string]versionscan.Fact[versionscan.File]{path: file})
	switch {
	case trouble != nil:
		return release.Version{}, errors.New(trouble.Message)
	case found.Value.Value.IsZero():
		return release.Version{}, fmt.Errorf("%s has no version", l.Symbol)
	}
	return found.Value.Value, nil
}
