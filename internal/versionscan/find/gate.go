package find

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/release"
)

// Finder finds a gate: a glob and at most one of marker, symbol or a selector. With none, the marker is the gate's id.
type Finder struct {
	Path   string // glob: *, **, ?, {a,b}
	Marker string // id in a `relbot:gate ID` comment
	Symbol string // pattern on the constant's name
	versionscan.Selector
}

// Finding is a version constant found in source.
type Finding struct {
	Path   string          `json:"path"`
	Line   int             `json:"line"`   // from 1
	Column int             `json:"column"` // from 1, in bytes
	Name   string          `json:"name"`   // the constant's name; "" where the form has none
	Raw    string          `json:"raw"`    // source text of the value
	Value  release.Version `json:"value"`
	Form   string          `json:"form"`            // a short stable word: rust-const, rust-struct, go-call, py-tuple, …
	Bound  string          `json:"bound,omitempty"` // ranges: "lower" (introduced-in) or "upper" (removed-in)
	// Upper and UpperValue are the upper bound of a range that has both, as it is written and as it is read.
	Upper      string          `json:"upper,omitempty"`
	UpperValue release.Version `json:"upper_value,omitzero"`
	// Placeholder is set where the source says "the coming release" (CURRENT_RUSTC_VERSION, REPLACEME): Value is zero.
	Placeholder bool `json:"placeholder,omitempty"`
	// Mismatch explains that name and value disagree; "" when they agree or the name has no version.
	Mismatch string `json:"mismatch,omitempty"`
}

// Trouble says why an extractor gave no finding.
type Trouble struct {
	Code     string // gate-missing, gate-ambiguous or gate-unparsable
	Message  string
	Findings []Finding // the candidates of an ambiguity; the place of an unparsable value
}

// Gate finds a gate among the files that match its glob, keyed by path. Exactly one of three comes back: the finding; an absent fact with the
// trouble that says why there is none; or an unknown fact, when a file that could hold it could not be read.
// Several places that agree on name and value are one finding, the first.
func Gate(f Finder, id string, scheme release.Scheme, files map[string]versionscan.Fact[versionscan.File]) (versionscan.Fact[Finding], *Trouble) {
	found, remarks, unknown := findAll(f, id, scheme, files)
	if unknown != "" {
		return versionscan.NotKnown[Finding](unknown), nil
	}
	trouble := func(code, format string, args ...any) (versionscan.Fact[Finding], *Trouble) {
		t := &Trouble{Code: code, Message: fmt.Sprintf(format, args...), Findings: found}
		return versionscan.None[Finding](t.Message), t
	}
	if len(found) == 0 {
		message := "nothing in " + f.Path + " matches"
		if len(files) == 0 {
			message = "no file matches " + f.Path
		}
		if len(remarks) > 0 {
			message += ": " + strings.Join(remarks, "; ")
		}
		return trouble("gate-missing", "%s", message)
	}
	found = versions(found)
	first := found[0]
	for _, o := range found[1:] {
		if o.Name != first.Name || o.Raw != first.Raw && (o.Value.IsZero() || o.Value.Compare(first.Value) != 0) {
			var places []string
			for _, p := range found[:min(len(found), 5)] {
				places = append(places, fmt.Sprintf("%s:%d: %s", p.Path, p.Line, strings.TrimSpace(p.Name+" "+cmp.Or(p.Value.String(), p.Raw))))
			}
			return trouble("gate-ambiguous", "%d constants match and do not agree: %s", len(found), strings.Join(places, ", "))
		}
	}
	if first.Value.IsZero() && !first.Placeholder {
		return trouble("gate-unparsable", "%s:%d: %q is no version", first.Path, first.Line, clip(first.Raw))
	}
	return versionscan.Know(first), nil
}

// versions leaves out what has the name of a constant with a version and holds none: the key of a table is often a constant too.
func versions(found []Finding) []Finding {
	holds := map[string]bool{}
	for _, f := range found {
		holds[f.Name] = holds[f.Name] || f.Placeholder || !f.Value.IsZero()
	}
	return slices.DeleteFunc(slices.Clone(found), func(f Finding) bool {
		return f.Name != "" && holds[f.Name] && !f.Placeholder && f.Value.IsZero()
	})
}

// Gates lists every constant that a finder matches, by path and place.
func Gates(f Finder, id string, scheme release.Scheme, files map[string]versionscan.Fact[versionscan.File]) []Finding {
	found, _, _ := findAll(f, id, scheme, files)
	return found
}

// Concerns reports whether a text can hold what the finder looks for; others need not be kept. A symbol that a pattern names may be defined
// anywhere, so then every text concerns it.
func (f Finder) Concerns(text string) bool { return f.concerns()(text) }

func (f Finder) concerns() func(text string) bool {
	var re *regexp.Regexp
	var err error
	switch {
	case f.Symbol != "":
		re, err = unanchored(f.Symbol)
	case f.Selector.IsZero():
		return func(text string) bool { return strings.Contains(text, "relbot:gate") }
	case f.Selector.Pattern != "" && !strings.Contains(f.Selector.Pattern, "(?P<symbol>"):
		re, err = regexp.Compile(f.Selector.Pattern)
	}
	if re == nil || err != nil {
		return func(string) bool { return true }
	}
	return re.MatchString
}

// unanchored compiles a pattern on names so that it matches where they stand in a text.
func unanchored(pattern string) (*regexp.Regexp, error) {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, err
	}
	var loosen func(*syntax.Regexp)
	loosen = func(re *syntax.Regexp) {
		switch re.Op {
		case syntax.OpBeginText, syntax.OpEndText, syntax.OpBeginLine, syntax.OpEndLine:
			re.Op = syntax.OpEmptyMatch
		}
		for _, sub := range re.Sub {
			loosen(sub)
		}
	}
	loosen(tree)
	return regexp.Compile(tree.String())
}

const (
	maxFile     = 64 << 20 // bytes of a file that are looked at
	maxFindings = 1000
)

func clip(s string) string {
	if len(s) > 120 {
		return strings.ToValidUTF8(s[:120], "") + "…"
	}
	return s
}

// findAll also says what made files unfit, and which file that could hold the gate is unknown.
func findAll(f Finder, id string, scheme release.Scheme, files map[string]versionscan.Fact[versionscan.File]) (found []Finding, remarks []string, unknown string) {
	texts := map[string]string{}
	paths := slices.Sorted(maps.Keys(files))
	for _, p := range paths {
		switch fact := files[p]; {
		case fact.Unknown():
			unknown = fmt.Sprintf("%s: %s", p, cmp.Or(fact.Why, "it was not read"))
		case fact.Absent():
			remarks = append(remarks, p+" is not there")
		case fact.Value.Link:
			remarks = append(remarks, p+" is a symbolic link")
		case fact.Value.Binary:
			remarks = append(remarks, p+" is a binary file")
		case len(fact.Value.Text) > maxFile:
			unknown = fmt.Sprintf("%s: larger than %d MiB", p, maxFile>>20)
		case !utf8.ValidString(fact.Value.Text):
			remarks = append(remarks, p+" is not UTF-8")
		default:
			texts[p] = fact.Value.Text
		}
	}
	if unknown != "" {
		return nil, remarks, unknown
	}
	search := searching(f, id, scheme, texts)
	for _, p := range paths {
		text, ok := texts[p]
		if !ok {
			continue
		}
		got, err := search(p, text)
		if err != nil {
			remarks = append(remarks, fmt.Sprintf("%s: %v", p, err))
		}
		found = append(found, got...)
		if len(found) > maxFindings {
			remarks = append(remarks, fmt.Sprintf("more than %d matches", maxFindings))
			return found[:maxFindings], remarks, ""
		}
	}
	return dedupe(found), remarks, ""
}

func dedupe(fs []Finding) []Finding {
	var out []Finding
	for _, f := range fs {
		if !slices.ContainsFunc(out, func(o Finding) bool { return o.Path == f.Path && o.Line == f.Line && o.Column == f.Column }) {
			out = append(out, f)
		}
	}
	return out
}

// searching gives the search for a gate in one file after another; texts are all files of the glob, in which a symbol may be defined.
func searching(f Finder, id string, scheme release.Scheme, texts map[string]string) func(p, text string) ([]Finding, error) {
	switch {
	case f.Symbol != "":
		re, err := regexp.Compile("^(?:" + f.Symbol + ")$")
		concerns := f.concerns()
		return func(p, text string) ([]Finding, error) {
			if err != nil || !concerns(text) { // reading the source takes much longer than seeing that no such name is in it
				return nil, err
			}
			return definitions(parseSource(p, text), scheme, re.MatchString), nil
		}
	case !f.Selector.IsZero():
		return func(p, text string) ([]Finding, error) {
			values, err := Values(f.Selector, text)
			if err != nil {
				return nil, err
			}
			var out []Finding
			for _, v := range values {
				if v.Symbol != "" {
					out = append(out, resolve(v, scheme, p, texts)...)
					continue
				}
				out = append(out, selected(Finding{Path: p, Line: v.Line, Column: v.Column, Raw: v.Raw, Form: f.Selector.Form()}, scheme))
			}
			return out, nil
		}
	default:
		return func(p, text string) ([]Finding, error) {
			return marked(parseSource(p, text), cmp.Or(f.Marker, id), scheme), nil
		}
	}
}

// resolve follows a symbol to its definition: in the file where it is used, else in the others.
func resolve(v Located, scheme release.Scheme, p string, texts map[string]string) []Finding {
	is := func(name string) bool { return name == v.Symbol }
	if out := definitions(parseSource(p, texts[p]), scheme, is); len(out) > 0 {
		return out
	}
	for _, other := range slices.Sorted(maps.Keys(texts)) {
		if other != p && strings.Contains(texts[other], v.Symbol) {
			if out := definitions(parseSource(other, texts[other]), scheme, is); len(out) > 0 {
				return out
			}
		}
	}
	// Defined nowhere in sight: what the name says is all there is to go by, and that is no value.
	return []Finding{{Path: p, Line: v.Line, Column: v.Column, Name: v.Symbol, Raw: v.Symbol, Form: "pattern"}}
}
