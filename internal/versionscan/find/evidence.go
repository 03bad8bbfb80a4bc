package find

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/relbot/relbot/internal/versionscan"
)

// Evidence is a content predicate: some file that matches Path has text that matches Pattern.
type Evidence struct {
	Path    string
	Pattern string
}

// Holds reports whether any of the files has the evidence; see [Predicate.Holds].
func (e Evidence) Holds(files map[string]versionscan.Fact[versionscan.File]) versionscan.Fact[bool] {
	return e.Compile().Holds(files)
}

// Predicate is an evidence that is asked of many releases: it looks at each text once.
type Predicate struct {
	pattern *regexp.Regexp
	literal bool // one file is named
	err     error
	seen    map[string]bool // by text; releases share most of their files
}

// Compile readies an evidence. A pattern that cannot be compiled leaves every answer unknown.
func (e Evidence) Compile() *Predicate {
	p := &Predicate{seen: map[string]bool{}}
	_, p.literal = versionscan.GlobBase(e.Path)
	p.pattern, p.err = regexp.Compile(e.Pattern)
	return p
}

// Holds reports whether any of the files has the evidence. No file at all, or only absent ones, is a plain no; a file
// that could not be read leaves it unknown, unless another has it. So does the one file that is named when it is no text: a glob may well
// cover pictures and links.
func (p *Predicate) Holds(files map[string]versionscan.Fact[versionscan.File]) versionscan.Fact[bool] {
	if p.err != nil {
		return versionscan.NotKnown[bool](p.err.Error())
	}
	out := versionscan.Know(false)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		switch f := files[path]; {
		case f.Unknown():
			out = versionscan.NotKnown[bool](fmt.Sprintf("%s: %s", path, cmp.Or(f.Why, "it was not read")))
		case f.Known() && p.literal && f.Value.Binary:
			out = versionscan.NotKnown[bool](path + " is no text in UTF-8")
		case f.Known() && p.literal && f.Value.Link:
			out = versionscan.NotKnown[bool](fmt.Sprintf("%s is a symbolic link to %s", path, f.Value.Text))
		case f.Known() && !f.Value.Binary && !f.Value.Link && p.matches(f.Value.Text):
			return versionscan.Know(true)
		}
	}
	return out
}

func (p *Predicate) matches(text string) bool {
	does, ok := p.seen[text]
	if !ok {
		does = p.pattern.MatchString(text)
		p.seen[text] = does
	}
	return does
}
