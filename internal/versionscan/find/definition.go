package find

import (
	"iter"
	"regexp"
	"slices"
	"strings"

	"github.com/relbot/relbot/internal/versionscan/release"
)

// identifiers walks the identifiers of a text.
func identifiersOf(text string) iter.Seq2[int, int] {
	return func(yield func(from, to int) bool) {
		for i := 0; i < len(text); {
			kind := identBytes[text[i]]
			from := i
			for i++; kind != 0 && i < len(text) && identBytes[text[i]] != 0; i++ {
			}
			if kind == 1 && !yield(from, i) {
				return
			}
		}
	}
}

// definitions lists the constants of a source whose name is wanted. A use of a constant, a comment and the text of a string
// define nothing. Where the name is defined nowhere, the calls that take a version by that name are listed (milestone '18.6'), else the
// rows of a dated block.
func definitions(s *source, scheme release.Scheme, wanted func(string) bool) []Finding {
	var out, calls []Finding
	for from, to := range identifiersOf(s.bare) {
		if !wanted(s.name(from, to)) {
			continue
		}
		if d, ok := s.definition(from, to, scheme); ok {
			out = append(out, d)
		} else if d, ok := s.call(from, to, scheme); ok {
			calls = append(calls, d)
		}
		if max(len(out), len(calls)) > maxFindings {
			break
		}
	}
	if define := s.language.define; define != nil {
		for _, m := range define.FindAllStringSubmatchIndex(s.code, maxFindings) {
			if f := (Finding{Path: s.path, Name: s.code[m[2]:m[3]]}); s.bare[m[0]] != ' ' && wanted(f.Name) {
				v := readValue(strings.TrimSpace(s.code[m[1]:s.valueEnd(m[1])]), f.Name, scheme)
				out = append(out, s.found(f, m[2], v, scheme))
			}
		}
	}
	if meta := s.inData(out); len(meta) > 0 {
		out = meta
	}
	if len(out) == 0 {
		out = calls
	}
	if len(out) == 0 {
		out = s.rows(scheme, wanted)
	}
	return joinParts(out, s.path, scheme)
}

// inData are the findings in those spans of a text that the language calls its data.
func (s *source) inData(found []Finding) []Finding {
	if s.language.data == nil || len(found) == 0 {
		return nil
	}
	spans := s.language.data(s.text)
	var out []Finding
	for _, f := range found {
		from, _, _ := s.lineSpan(f.Line)
		offset := from + f.Column - 1
		if slices.ContainsFunc(spans, func(span [2]int) bool { return span[0] <= offset && offset < span[1] }) {
			out = append(out, f)
		}
	}
	return out
}

var (
	typed    = regexp.MustCompile(`^\s*:\s*[^=;{}\n]*?(?:\n[^=;{}\n]*?)?=([^=>])`) // const X: T =
	goTyped  = regexp.MustCompile(`^[ \t]+[\w.\[\]*]+[ \t]*=([^=])`)               // X T =
	assigned = regexp.MustCompile(`^\s*(?::=|=)([^=>~])`)                          // X =, X :=
	keyed    = regexp.MustCompile(`^["']?\s*:([^:=])`)                             // X: …
	braced   = regexp.MustCompile(`^\s*\{\s*\d+\s*,\s*\d+`)                        // X{1, 2}
	called   = regexp.MustCompile(`^\s*\(`)                                        // X(…
)

// name is the identifier at [from, to).
func (s *source) name(from, to int) string {
	return strings.TrimLeft(s.bare[from:to], s.language.sigil)
}

// definition reads the constant whose name stands at [from, to) of the source, when it is defined there.
func (s *source) definition(from, to int, scheme release.Scheme) (Finding, bool) {
	f := Finding{Path: s.path, Name: s.name(from, to)}
	if keywords[f.Name] {
		return f, false
	}
	before := strings.TrimRight(s.bare[lineStart(s.bare, from):from], " \t")
	if s.versionClass(before, from, to) {
		f.Raw, f.Form = f.Name, s.form("class")
		f.Line, f.Column = s.position(from)
		v, ok := nameVersion(f.Name, scheme)
		f.Value = v
		return f, ok
	}
	start := s.valueStart(before, from, to)
	if start < 0 {
		return f, false
	}
	raw := strings.TrimSpace(s.code[start:s.valueEnd(start)])
	if s.language.refuses != nil && s.language.refuses(raw) {
		return f, false
	}
	v := readValue(raw, f.Name, scheme)
	if !v.ok && looksLikeExpression(raw) && !reference.MatchString(raw) {
		return f, false
	}
	if v.lone && computed(raw) {
		v = value{raw: raw, text: raw, form: "const", ok: true}
	}
	if name := reference.FindStringSubmatch(raw); name != nil && !(v.ok && (s.language.words || placeholders[strings.ToUpper(v.text)])) {
		followed, ok := s.follow(raw, name[1], f.Name, scheme)
		if !ok {
			return f, false
		}
		v = followed
	}
	if start == to && v.mismatch == "" {
		v.mismatch = s.enumOrder(f.Name, raw, from)
	}
	return s.found(f, from, v, scheme), true
}

// member reports whether a name behind such text is a member of something, or a type: a use of the name.
func member(before string) bool {
	return strings.HasSuffix(before, ".") || strings.HasSuffix(before, ":") || strings.HasSuffix(before, "->")
}

// languageStart returns where a value starts by the rules of the language alone; -1 where these do not say.
func (s *source) languageStart(before string, to int) int {
	if s.language.starts != nil {
		if n := s.language.starts(before, s.rest(to)); n >= 0 {
			return to + n
		}
	}
	return -1
}

// rest is what follows a name, as far as a value may reach.
func (s *source) rest(to int) string { return s.bare[to:min(len(s.bare), to+maxValue)] }

// versionClass reports whether the name is that of a class, which holds the version itself.
func (s *source) versionClass(before string, from, to int) bool {
	return strings.HasSuffix(before, "class") && s.languageStart(before, to) < 0 && !defineWord.MatchString(before)
}

// valueStart returns where the value of the constant at [from, to) starts, or -1 where none is defined.
func (s *source) valueStart(before string, from, to int) int {
	if start := s.languageStart(before, to); start >= 0 {
		return start
	}
	rest := s.rest(to)
	switch {
	case member(before):
		return -1
	case defineWord.MatchString(before):
		return to
	case dockerWord.MatchString(before):
		if m := assigned.FindStringSubmatchIndex(rest); m != nil {
			return to + m[2]
		}
		return to
	}
	for _, re := range []*regexp.Regexp{assigned, typed, goTyped, keyed} {
		if m := re.FindStringSubmatchIndex(rest); m != nil {
			return to + m[2]
		}
	}
	if called.MatchString(rest) && enumEntry(s.bare, from, to) || braced.MatchString(rest) {
		return to
	}
	return -1
}

// follow reads the value of a constant that is defined as another one.
func (s *source) follow(raw, target, name string, scheme release.Scheme) (value, bool) {
	t, ok := s.target(target, name, scheme)
	switch {
	case !ok && !strings.ContainsAny(raw, "0123456789"):
		return value{}, false
	case !ok:
		return value{raw: raw, form: "const"}, true
	case t.Placeholder:
		return value{raw: raw, text: t.Raw, form: "const", ok: true}, true
	}
	return value{raw: raw, text: t.Value.String(), form: "const", ok: true}, true
}

// reference is a value that is another constant.
var reference = regexp.MustCompile(`^&?(?:[A-Za-z_]\w*(?:::|\.))*([A-Za-z_]\w*)$`)

// target follows a constant that is defined as another one of the same file.
func (s *source) target(name, from string, scheme release.Scheme) (Finding, bool) {
	if name == from || keywords[name] || s.following >= maxAliases {
		return Finding{}, false
	}
	s.following++
	defer func() { s.following-- }()
	all := definitions(s, scheme, func(n string) bool { return n == name })
	if len(all) == 0 {
		return Finding{}, false
	}
	for _, o := range all {
		if o.Value.Compare(all[0].Value) != 0 {
			return Finding{}, false
		}
	}
	return all[0], all[0].Placeholder || !all[0].Value.IsZero()
}

// maxAliases bounds how many constants stand between a constant and its value.
const maxAliases = 4

var (
	lonely   = regexp.MustCompile(`(?:^|[^A-Za-z0-9_])\d[\w.']*`)
	computes = regexp.MustCompile(`[*+%/]|<<|^-`)
)

// computed reports whether a source text without a dotted number takes more than one number, or an operator, to tell its value.
func computed(raw string) bool {
	return len(lonely.FindAllString(raw, 2)) > 1 || computes.MatchString(raw)
}

// found completes a finding whose name stands at an offset.
func (s *source) found(f Finding, offset int, v value, scheme release.Scheme) Finding {
	f.Line, f.Column = s.position(offset)
	f.Raw, f.Form = v.raw, s.form(v.form)
	return f.of(v, scheme)
}

var (
	bareCall = regexp.MustCompile("^[ \\t]+[\"'`\\d]")
)

// call reads the version that is handed to a call by the name at [from, to): milestone '18.6', trigger_deprecation('x', '8.1'), a platform
// of an availability list, or a number in the name itself (willBeRemovedInGradle10()).
func (s *source) call(from, to int, scheme release.Scheme) (Finding, bool) {
	f := Finding{Path: s.path, Name: s.name(from, to)}
	rest := s.rest(to)
	end := 0
	switch {
	case called.MatchString(rest):
		end = closing(s.bare, to+strings.IndexByte(rest, '('))
	case bareCall.MatchString(rest):
		end = s.valueEnd(to)
	default:
		return f, false
	}
	raw := strings.TrimSpace(s.code[to:end])
	v := readValue(strings.TrimSuffix(strings.TrimPrefix(raw, "("), ")"), f.Name, scheme)
	n, _ := part(f.Name)
	isPart := n >= 0
	if version, placeholder := valueOf(v.text, scheme); v.ok && (placeholder || !version.IsZero() && (strings.Contains(v.text, ".") || scheme == release.Integer || v.form == "int" || isPart)) {
		if v.form == "string" || v.form == "const" {
			v.form = "call"
		}
		return s.found(f, from, v, scheme), true
	}
	if version, ok := nameVersion(f.Name, scheme); ok && versionedCall.MatchString(f.Name) {
		f.Line, f.Column = s.position(from)
		f.Raw, f.Form, f.Value = f.Name, s.form("name"), version
		return f, true
	}
	return f, false
}

// versionedCall is a call that has its version in its name.
var versionedCall = regexp.MustCompile(`[a-z]\d+$`)

var quotedRow = regexp.MustCompile(`[{(\[]\s*"([A-Za-z_][\w.-]*)"\s*,`)

// rows lists the rows, known by the string they begin with, of blocks that a version heads, as in a history of settings:
// add("25.12", { {"name", …}, … }).
func (s *source) rows(scheme release.Scheme, wanted func(string) bool) []Finding {
	var out []Finding
	for _, m := range quotedRow.FindAllStringSubmatchIndex(s.code, maxFindings) {
		if name := s.code[m[2]:m[3]]; wanted(name) {
			if f, ok := s.heading(m[0], scheme); ok {
				f.Name = name
				f.Line, f.Column = s.position(m[2])
				out = append(out, f)
			}
		}
	}
	return out
}

// heading reads the version that heads the block in which an offset stands: the last string before the bracket that opens it, when that is a
// version.
func (s *source) heading(offset int, scheme release.Scheme) (Finding, bool) {
	depth := 0
	for k := offset - 1; k >= 0 && k > offset-maxBlock; k-- {
		switch s.bare[k] {
		case '}', ']', ')':
			depth++
		case '{', '[', '(':
			if depth > 0 {
				depth--
				continue
			}
			from := max(lineStart(s.code, k), 0)
			if strings.TrimSpace(s.code[from:k]) == "" && from > 0 { // the bracket stands on a line of its own
				from = lineStart(s.code, from-1)
			}
			strs := stringFirst.FindAllStringSubmatch(s.code[from:k], -1)
			if len(strs) == 0 {
				continue
			}
			last := strs[len(strs)-1]
			if v, _ := valueOf(last[1], scheme); !v.IsZero() && strings.Contains(last[1], ".") {
				return finish(Finding{Path: s.path, Raw: last[0], Form: s.form("heading")}, last[1], scheme), true
			}
			return Finding{}, false
		}
	}
	return Finding{}, false
}

// maxBlock bounds how far above a row its heading may stand.
const maxBlock = 1 << 18

var partWord = regexp.MustCompile(`(?i)(?:^|_)(major|minor|patch|micro|build|internal)(?:_|$)|(Major|Minor|Patch|Micro)`)

// part says which number of a version a constant's name speaks of, and what the name is without it.
func part(name string) (i int, stem string) {
	m := partWord.FindStringSubmatchIndex(name)
	if m == nil {
		return -1, name
	}
	if m[2] < 0 {
		m[2], m[3] = m[4], m[5]
	}
	stem = strings.ReplaceAll(name[:m[2]]+name[m[3]:], "__", "_")
	switch word := strings.ToLower(name[m[2]:m[3]]); word {
	case "major":
		return 0, stem
	case "minor":
		return 1, stem
	case "patch", "micro":
		return 2, stem
	}
	return -1, name
}

// joinParts makes one constant of those that hold a version's major, minor and patch each: #define X_MAJOR 26, …
func joinParts(found []Finding, path string, scheme release.Scheme) []Finding {
	var out []Finding
	for i := 0; i < len(found); i++ {
		f := found[i]
		numbers := []string{}
		last := i
		_, stem := part(f.Name)
		for k := i; k < len(found) && len(numbers) < 3; k++ {
			n, other := part(found[k].Name)
			text := strings.Trim(found[k].Raw, "\"'`")
			if n != len(numbers) || other != stem || !leadingNumber.MatchString(text) || found[k].Line > f.Line+20 {
				break
			}
			numbers = append(numbers, text)
			last = k
		}
		if len(numbers) < 2 {
			out = append(out, f)
			continue
		}
		form := "parts"
		if language, _, ok := strings.Cut(f.Form, "-"); ok {
			form = language + "-parts"
		}
		joined := Finding{Path: path, Line: f.Line, Column: f.Column, Name: f.Name, Raw: strings.Join(numbers, "."), Form: form}
		out = append(out, finish(joined, joined.Raw, scheme))
		i = last
	}
	return out
}

var leadingNumber = regexp.MustCompile(`^\d+(?:[.-]?[a-z]\w*(?:\.\w+)*|\.[a-z]\w*)?$`)

// keywords stand before the names of constants.
var keywords = map[string]bool{"const": true, "static": true, "let": true, "var": true, "val": true, "final": true, "public": true, "private": true, "export": true, "pub": true,
	"def": true, "return": true, "if": true, "case": true, "define": true, "new": true, "type": true, "mut": true}

var (
	dockerWord = regexp.MustCompile(`^(?:ARG|ENV)$`)
	defineWord = regexp.MustCompile(`#\s*define$`)
)

// looksLikeExpression tells a use that happens to look like a definition (`X: bool`, `x = y`) from a constant whose value is no version.
func looksLikeExpression(raw string) bool {
	return raw == "" || !strings.ContainsAny(raw, "0123456789\"'`")
}

// maxValue bounds how far a definition may reach.
const maxValue = 4000

// lineStart is where the line of an offset starts, or as far back as anybody looks.
func lineStart(text string, i int) int {
	from := max(0, i-maxValue)
	return from + strings.LastIndexByte(text[from:i], '\n') + 1
}

// enumEntry reports whether NAME( … ) stands where an enum lists its constants.
func enumEntry(bare string, from, to int) bool {
	before := strings.TrimRight(bare[:from], " \t\n\r")
	if before == "" || !strings.ContainsRune("{,;", rune(before[len(before)-1])) {
		return false
	}
	end := closing(bare, to+strings.IndexByte(bare[to:], '('))
	after := strings.TrimLeft(bare[end:], " \t\n\r")
	return after != "" && strings.ContainsRune(",;{", rune(after[0]))
}

// closing is the offset behind the bracket that closes the one at i.
func closing(bare string, i int) int {
	depth := 0
	for k := i; k < len(bare) && k < i+maxValue; k++ {
		switch bare[k] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth--; depth == 0 {
				return k + 1
			}
		}
	}
	return min(len(bare), i+maxValue)
}

// valueEnd is where a value that starts at an offset ends: at a semicolon, or at a comma, closing bracket or line break outside all brackets.
func (s *source) valueEnd(start int) int {
	depth, seen := 0, false
	for k := start; k < len(s.bare) && k < start+maxValue; k++ {
		switch c := s.bare[k]; c {
		case '(', '[', '{':
			depth++
			seen = true
		case ')', ']', '}':
			if depth == 0 {
				return k
			}
			depth--
		case ';', ',':
			if depth == 0 {
				return k
			}
		case '\n':
			if depth == 0 && seen && !continues(s.bare, k) {
				return k
			}
		case ' ', '\t', '\r':
		default:
			seen = true
		}
	}
	return min(len(s.bare), start+maxValue)
}

// continues reports whether a line break stands inside an expression: before a method call or after a backslash.
func continues(bare string, newline int) bool {
	if newline > 0 && bare[newline-1] == '\\' {
		return true
	}
	return strings.HasPrefix(strings.TrimLeft(bare[newline:], " \t\n\r"), ".")
}

func isIdentByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
