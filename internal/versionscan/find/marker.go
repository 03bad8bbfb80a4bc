package find

import (
	"regexp"
	"strings"

	"github.com/relbot/relbot/internal/versionscan/release"
)

// Markers lists the gate markers of a text.
func Markers(p, text string) []MarkerAt {
	if !strings.Contains(text, "relbot:gate") {
		return nil
	}
	var out []MarkerAt
	n := 0
	for l := range strings.Lines(text) {
		n++
		if m := markerPattern.FindStringSubmatchIndex(l); m != nil {
			out = append(out, MarkerAt{ID: l[m[2]:m[3]], Line: n, Column: m[0] + 1})
		}
	}
	return out
}

// MarkerAt is a marker comment.
type MarkerAt struct {
	ID           string
	Line, Column int
}

var markerPattern = regexp.MustCompile(`\brelbot:gate[ \t]+([A-Za-z0-9][A-Za-z0-9._-]*)`)

// marked finds the constants that a marker names: on its own line, else on the line below. A row of a dated block has the version of its
// heading, and a comment that holds the version itself is read where there is no code.
func marked(s *source, id string, scheme release.Scheme) []Finding {
	var out []Finding
	named := 0
	for _, m := range Markers(s.path, s.text) {
		if m.ID != id {
			continue
		}
		if named++; named > maxFindings {
			break
		}
		here, isHere := s.onLine(m.Line, m, scheme)
		next := s.nextCode(m.Line + 1)
		below, isBelow := s.onLine(next, m, scheme)
		comment, isComment := s.inComment(m, scheme)
		inside, isInside := s.inside(m.Line, next, m, scheme)
		tells := isBelow && below.telling(scheme)
		switch {
		case isHere && here.telling(scheme):
			out = append(out, here)
		case tells && (next == m.Line+1 || !isComment):
			out = append(out, below)
		case isComment:
			out = append(out, comment)
		case isInside:
			out = append(out, inside)
		case isHere:
			out = append(out, here)
		case isBelow:
			out = append(out, below)
		}
	}
	return joinParts(s.withParts(out, scheme), s.path, scheme)
}

// nextCode is the first line from line n on that is code, behind comments and attributes that follow each other without a gap.
func (s *source) nextCode(n int) int {
	for k := n; k < n+maxProse; k++ {
		from, to, ok := s.lineSpan(k)
		if !ok || strings.TrimSpace(s.text[from:to]) == "" {
			break
		}
		if code := s.code[from:to]; strings.TrimSpace(code) != "" && (k == n && numberFirst.MatchString(code) || !attribute.MatchString(code)) {
			return k
		}
	}
	return n
}

// attribute is a line that says something of the definition below it.
var attribute = regexp.MustCompile(`^\s*(?:#!?\[.*\]|@[\w.]+(?:\(.*\))?|\[[A-Z]\w*.*\])\s*$`)

// inside reads the first version within the brackets that a marker's line or the code below it opens: an argument of a call, a field of a
// literal. The body of a function or a class is none of these.
func (s *source) inside(here, below int, m MarkerAt, scheme release.Scheme) (Finding, bool) {
	for _, n := range []int{here, below} {
		from, to, ok := s.lineSpan(n)
		if !ok {
			continue
		}
		line := strings.TrimRight(s.bare[from:to], " \t\r")
		if !opensValue.MatchString(line) {
			continue
		}
		last, _ := s.position(closing(s.bare, from+len(line)-1) - 1)
		for k := n + 1; k <= min(last, n+maxProse); k++ {
			if f, ok := s.onLine(k, m, scheme); ok && f.telling(scheme) {
				return f, true
			}
		}
	}
	return Finding{}, false
}

// opensValue is a line that ends in the bracket of a call, a list or a literal.
var opensValue = regexp.MustCompile(`[(\[]$|^[\s&({\[]*[\w.:]*\s*\{$`)

// telling reports whether a finding is more than a number that happens to stand there.
func (f Finding) telling(scheme release.Scheme) bool {
	return f.Name != "" || f.Placeholder || strings.Contains(f.Raw, ".") || strings.Contains(f.Value.String(), ".") || scheme == release.Integer
}

// withParts adds the minor and patch numbers that stand below a constant for a version's major number.
func (s *source) withParts(found []Finding, scheme release.Scheme) []Finding {
	var out []Finding
	for _, f := range found {
		out = append(out, f)
		n, stem := part(f.Name)
		for line := f.Line + 1; n == 0 && line <= f.Line+10; line++ {
			o, ok := s.onLine(line, MarkerAt{}, scheme)
			if _, other := part(o.Name); ok && other == stem {
				out = append(out, o)
			}
		}
	}
	return out
}

// inComment reads a version in the comment of a marker's line or of the line below.
func (s *source) inComment(m MarkerAt, scheme release.Scheme) (Finding, bool) {
	for n := m.Line; n <= m.Line+1; n++ {
		from, to, ok := s.lineSpan(n)
		if !ok || to-from > maxValue {
			continue
		}
		line := markerPattern.ReplaceAllStringFunc(s.text[from:to], blanked)
		v := readValue(line, "", scheme)
		version, placeholder := valueOf(v.text, scheme)
		f := Finding{Path: s.path, Line: n, Raw: v.raw, Form: s.form("comment"), Bound: v.bound, Value: version, Placeholder: placeholder}
		if v.ok && (placeholder || !version.IsZero() && f.telling(scheme)) {
			f.Column = max(1, strings.Index(line, v.raw)+1)
			return f, true
		}
	}
	return Finding{}, false
}

func blanked(s string) string { return strings.Repeat(" ", len(s)) }

// onLine reads the constant that starts on a line: a definition, else the version that heads the block of a row, else the first version
// literal in the line's code.
func (s *source) onLine(n int, m MarkerAt, scheme release.Scheme) (Finding, bool) {
	start, to, ok := s.lineSpan(n)
	from := start
	if to-from > maxLine { // of a line that no person wrote what is near the marker
		if n == m.Line {
			from = max(from, from+m.Column-maxLine/2)
		}
		to = min(to, from+maxLine)
	}
	if !ok || strings.TrimSpace(s.code[from:to]) == "" {
		return Finding{}, false
	}
	code := s.code[from:to]
	if n == m.Line { // where the language has no comments
		code = markerPattern.ReplaceAllStringFunc(code, blanked)
	}
	for at, end := range identifiersOf(s.bare[from:to]) {
		if code[at:end] != s.bare[from+at:from+end] {
			continue
		}
		if f, ok := s.definition(from+at, from+end, scheme); ok && (!f.Value.IsZero() || f.Placeholder) {
			return f, true
		}
	}
	if row := quotedRow.FindStringSubmatchIndex(code); row != nil && strings.TrimSpace(code[:row[0]]) == "" {
		if f, ok := s.heading(from+row[0], scheme); ok {
			f.Name, f.Line, f.Column = code[row[2]:row[3]], n, from-start+row[2]+1
			return f, true
		}
	}
	v := readValue(code, "", scheme)
	if !v.ok {
		return Finding{}, false
	}
	f := Finding{Path: s.path, Line: n, Raw: v.raw, Form: s.form(v.form)}
	f.Column = from - start + max(1, strings.Index(code, v.raw)+1)
	return f.of(v, scheme), true
}

// maxLine bounds how much of a line is read, in bytes.
const maxLine = 64 << 10
