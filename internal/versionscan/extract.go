package versionscan

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Find finds a gate among the files that match its glob, keyed by path. Exactly one of three comes back: the finding; an absent fact with the
// trouble that says why there is none; or an unknown fact, when a file that could hold it could not be read.
// Several places that agree on name and value are one finding, the first.
func Find(f Finder, id string, scheme Scheme, files map[string]Fact[File]) (Fact[Finding], *Trouble) {
	found, remarks, unknown := findAll(f, id, scheme, files)
	if unknown != "" {
		return NotKnown[Finding](unknown), nil
	}
	trouble := func(code, format string, args ...any) (Fact[Finding], *Trouble) {
		t := &Trouble{Code: code, Message: fmt.Sprintf(format, args...), Findings: found}
		return None[Finding](t.Message), t
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
	return Know(first), nil
}

// FindAll lists every constant that a finder matches, by path and place.
func FindAll(f Finder, id string, scheme Scheme, files map[string]Fact[File]) []Finding {
	found, _, _ := findAll(f, id, scheme, files)
	return found
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
func findAll(f Finder, id string, scheme Scheme, files map[string]Fact[File]) (found []Finding, remarks []string, unknown string) {
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
	for _, p := range paths {
		text, ok := texts[p]
		if !ok {
			continue
		}
		got, err := findIn(f, id, scheme, p, text, texts)
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

// findIn finds a gate in one file; texts are all files of the glob, in which a symbol may be defined.
func findIn(f Finder, id string, scheme Scheme, p, text string, texts map[string]string) ([]Finding, error) {
	switch {
	case f.Symbol != "":
		re, err := regexp.Compile("^(?:" + f.Symbol + ")$")
		if err != nil {
			return nil, err
		}
		return definitions(parseSource(p, text), scheme, re.MatchString), nil
	case !f.Selector.IsZero():
		values, err := f.Selector.Values(text)
		if err != nil {
			return nil, err
		}
		var out []Finding
		for _, v := range values {
			if v.Symbol != "" {
				out = append(out, resolve(v, scheme, p, texts)...)
				continue
			}
			out = append(out, finish(Finding{Path: p, Line: v.Line, Column: v.Column, Raw: v.Raw, Form: f.Selector.Form()}, v.Raw, scheme))
		}
		return out, nil
	default:
		return marked(parseSource(p, text), cmp.Or(f.Marker, id), scheme), nil
	}
}

// resolve follows a symbol to its definition: in the file where it is used, else in the others.
func resolve(v Located, scheme Scheme, p string, texts map[string]string) []Finding {
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

// finish parses a raw value and compares it with what the name says.
func finish(f Finding, text string, scheme Scheme) Finding {
	f.Value, f.Placeholder = valueOf(text, scheme)
	if f.Value.IsZero() && !f.Placeholder {
		return f
	}
	f.Mismatch = disagreement(f.Name, f.Value)
	return f
}

// placeholders are words by which a source says "the coming release".
var placeholders = map[string]bool{"CURRENT_RUSTC_VERSION": true, "REPLACEME": true, "9999": true, "TBD": true, "NEXT": true, "NEXT_VERSION": true, "UNRELEASED": true}

// valueOf parses a version, or recognises a placeholder.
func valueOf(text string, scheme Scheme) (Version, bool) {
	text = strings.Trim(strings.TrimSpace(text), "\"'`")
	if placeholders[strings.ToUpper(text)] {
		return Version{}, true
	}
	v, err := scheme.Parse(text)
	if err != nil {
		return Version{}, false
	}
	return v, false
}

var identifier = regexp.MustCompile(`[A-Za-z_$][A-Za-z0-9_$]*`)

// definitions lists the constants of a source whose name is wanted. A use of a constant, a comment and the text of a string
// define nothing.
func definitions(s *source, scheme Scheme, wanted func(string) bool) []Finding {
	var out []Finding
	for _, m := range identifier.FindAllStringIndex(s.bare, -1) {
		name := s.bare[m[0]:m[1]]
		if !wanted(name) {
			continue
		}
		if d, ok := s.definition(m[0], m[1], scheme); ok {
			out = append(out, d)
			if len(out) > maxFindings {
				break
			}
		}
	}
	return out
}

var (
	typed    = regexp.MustCompile(`^\s*:\s*[^=;{}\n]*?(?:\n[^=;{}\n]*?)?=([^=>])`) // const X: T =
	goTyped  = regexp.MustCompile(`^[ \t]+[\w.\[\]*]+[ \t]*=([^=])`)               // X T =
	assigned = regexp.MustCompile(`^\s*(?::=|=)([^=>~])`)                          // X =, X :=
	keyed    = regexp.MustCompile(`^["']?\s*:([^:=])`)                             // X: …
	called   = regexp.MustCompile(`^\s*\(`)                                        // X(…
)

// definition reads the constant whose name stands at [from, to) of the source, when it is defined there.
func (s *source) definition(from, to int, scheme Scheme) (Finding, bool) {
	rest := s.bare[to:]
	if len(rest) > maxValue {
		rest = rest[:maxValue]
	}
	before := strings.TrimRight(s.bare[lineStart(s.bare, from):from], " \t")
	f := Finding{Path: s.path, Name: s.bare[from:to]}
	start := -1 // of the value
	switch {
	case strings.HasSuffix(before, "."), strings.HasSuffix(before, ":"), strings.HasSuffix(before, "->"):
		return f, false // a member of something or a type: a use
	case regexp.MustCompile(`#\s*define$`).MatchString(before):
		start = to
	case strings.HasSuffix(before, "class"):
		f.Raw, f.Form = f.Name, s.form("class")
		f.Line, f.Column = s.position(from)
		v, ok := nameVersion(f.Name, scheme)
		f.Value = v
		return f, ok
	case dockerWord.MatchString(before):
		start = to
		if m := assigned.FindStringSubmatchIndex(rest); m != nil {
			start = to + m[2]
		}
	default:
		for _, re := range []*regexp.Regexp{assigned, typed, goTyped, keyed} {
			if m := re.FindStringSubmatchIndex(rest); m != nil {
				start = to + m[2]
				break
			}
		}
		if start < 0 && called.MatchString(rest) && enumEntry(s.bare, from, to) {
			start = to
		}
	}
	if start < 0 {
		return f, false
	}
	end := s.valueEnd(start)
	raw := strings.TrimSpace(s.code[start:end])
	v := readValue(raw, f.Name, scheme)
	if !v.ok && looksLikeExpression(raw) {
		return f, false
	}
	f.Line, f.Column = s.position(from)
	f.Raw, f.Form, f.Bound = v.raw, s.form(v.form), v.bound
	f = finish(f, v.text, scheme)
	if v.mismatch != "" && f.Mismatch == "" {
		f.Mismatch = v.mismatch
	}
	return f, true
}

var dockerWord = regexp.MustCompile(`^(?:ARG|ENV)$`)

// looksLikeExpression tells a use that happens to look like a definition (`X: bool`, `x = y`) from a constant whose value is no version.
func looksLikeExpression(raw string) bool {
	return raw == "" || !strings.ContainsAny(raw, "0123456789\"'`")
}

// maxValue bounds how far a definition may reach.
const maxValue = 4000

func lineStart(text string, i int) int { return strings.LastIndexByte(text[:i], '\n') + 1 }

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

// form names a form by the language it stands in.
func (s *source) form(kind string) string {
	prefix := map[string]string{
		".rs": "rust", ".go": "go", ".py": "py", ".pyi": "py", ".js": "js", ".jsx": "js", ".ts": "js", ".tsx": "js", ".mjs": "js",
		".java": "java", ".kt": "java", ".kts": "java", ".c": "c", ".h": "c", ".cc": "c", ".cpp": "c", ".hpp": "c", ".rb": "ruby",
		".php": "php", ".swift": "swift", ".sql": "sql", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml", ".json": "json", ".properties": "properties",
	}[strings.ToLower(path.Ext(s.path))]
	switch {
	case prefix == "":
		if strings.HasPrefix(path.Base(s.path), "Dockerfile") {
			return "dockerfile"
		}
		return kind
	case slices.Contains([]string{"yaml", "toml", "json", "properties"}, prefix):
		return prefix
	case prefix == "rust" && kind == "call":
		return "rust-const"
	case prefix == "rust" && kind == "string":
		return "rust-parse"
	case kind == "string" && (prefix == "go" || prefix == "js" || prefix == "java"):
		return prefix + "-const"
	case kind == "int" && prefix == "c":
		return "c-int"
	}
	return prefix + "-" + kind
}

// value is what was read from the right side of a definition.
type value struct {
	raw      string // source text of the version
	text     string // the version to parse
	form     string
	bound    string
	mismatch string
	ok       bool
}

var (
	fieldPattern = regexp.MustCompile(`(?i)\b(major|minor|patch|micro|internal)\b\s*[:=]\s*(\d+)`)
	prePattern   = regexp.MustCompile(`(?i)\bpre(?:release)?\s*[:=]\s*[^"'\n]*["']([^"']*)["']`)
	tuplePattern = regexp.MustCompile(`\(\s*(\d+)\s*,\s*(\d+)\s*(?:,\s*(\d+)\s*)?(?:,\s*(?:[A-Za-z_:!]*\(?)?\s*["']([^"']*)["'](?:\s*,\s*(\d+))?[^)]*)?,?\s*\)`)
	stringFirst  = regexp.MustCompile("[\"'`]([^\"'`\\n]*)[\"'`]")
	numberFirst  = regexp.MustCompile(`(?:^|[^0-9A-Za-z_.])([vV]?(?:0[xX][0-9A-Fa-f]+|\d+(?:\.\d+)*(?:[-.][0-9A-Za-z.-]+)?))[uUlL]*\b`)
	rangePattern = regexp.MustCompile(`^\s*(>=|>|<=|<|\^|~)\s*v?(\d[^\s,|]*)`)
	versionText  = regexp.MustCompile(`^[vV]?\d+(?:[._]\d+)*(?:[-.+][0-9A-Za-z][0-9A-Za-z.+-]*)?$`)
)

// readValue reads a version from the source text of a value: a struct with named fields, a call or tuple of numbers, a
// string, a number.
func readValue(raw, name string, scheme Scheme) value {
	if fields := fieldPattern.FindAllStringSubmatch(raw, -1); len(fields) >= 2 {
		parts := map[string]string{}
		for _, m := range fields {
			parts[strings.ToLower(m[1])] = m[2]
		}
		text := parts["major"] + "." + cmp.Or(parts["minor"], "0")
		if p := cmp.Or(parts["patch"], parts["micro"]); p != "" {
			text += "." + p
		}
		if m := prePattern.FindStringSubmatch(raw); m != nil && m[1] != "" {
			text += "-" + m[1]
		}
		return value{raw: raw, text: text, form: "struct", ok: parts["major"] != ""}
	}
	if m := tuplePattern.FindStringSubmatch(raw); m != nil {
		text := m[1] + "." + m[2]
		if m[3] != "" {
			text += "." + m[3]
		}
		switch stage := strings.ToLower(m[4]); stage {
		case "", "final":
		case "alpha", "beta", "rc", "dev":
			text += "-" + stage + "." + cmp.Or(m[5], "0")
		default:
			if scheme.Valid() && versionText.MatchString("0-"+m[4]) {
				text += "-" + m[4]
			}
		}
		form := "tuple"
		if i := strings.IndexByte(raw, '('); i > 0 && isIdentByte(raw[i-1]) {
			form = "call"
		}
		return value{raw: raw, text: text, form: form, ok: true}
	}
	for _, m := range stringFirst.FindAllStringSubmatch(raw, -1) {
		text := strings.TrimSpace(m[1])
		form := "string"
		if i := strings.Index(raw, m[0]); i > 0 && strings.Contains(raw[:i], "(") {
			form = "call"
			if strings.Contains(raw[:i], "parse") {
				form = "string"
			}
		}
		if placeholders[strings.ToUpper(text)] || versionText.MatchString(text) {
			return value{raw: m[0], text: text, form: form, ok: true}
		}
		if r := rangePattern.FindStringSubmatch(text); r != nil {
			bound := "lower"
			if strings.HasPrefix(r[1], "<") {
				bound = "upper"
			}
			return value{raw: m[0], text: strings.TrimSuffix(r[2], "-0"), form: "range", bound: bound, ok: true}
		}
	}
	if word := strings.TrimSpace(raw); placeholders[strings.ToUpper(word)] {
		return value{raw: word, text: word, form: "const", ok: true}
	}
	if m := stringFirst.FindStringSubmatch(raw); m != nil { // a string that is no version: the value all the same
		return value{raw: m[0], text: m[1], form: "string", ok: true}
	}
	if m := numberFirst.FindStringSubmatch(raw); m != nil {
		text := m[1]
		form := "const"
		if encoded, ok := decodeInteger(text, scheme); ok {
			text, form = encoded, "int"
		}
		return value{raw: m[1], text: text, form: form, ok: true}
	}
	return value{raw: clip(raw), text: raw, form: "const"}
}

func isIdentByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// decodeInteger reads the integer encodings of C: 190000 is 19.0, 90624 is 9.6.24, 0x30000000 is 3.0.0.
func decodeInteger(text string, scheme Scheme) (string, bool) {
	if scheme == Integer {
		return "", false
	}
	if hex, ok := strings.CutPrefix(strings.ToLower(text), "0x"); ok {
		if len(hex) != 8 { // OpenSSL: MNN00PP0L
			return "", false
		}
		digits := func(s string) string { return cmp.Or(strings.TrimLeft(s, "0"), "0") }
		return digits(hex[:1]) + "." + digits(hex[1:3]) + "." + digits(hex[3:7]), isNumber(hex)
	}
	if !isNumber(text) || len(text) < 5 || len(text) > 6 {
		return "", false
	}
	n := 0
	fmt.Sscan(text, &n)
	if n >= 100000 { // PostgreSQL from 10 on: MM00pp
		return fmt.Sprintf("%d.%d", n/10000, n%10000), true
	}
	return fmt.Sprintf("%d.%d.%d", n/10000, n/100%100, n%100), true // MMmmpp
}

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

// marked finds the constants that a marker names: on its own line, else on the line below.
func marked(s *source, id string, scheme Scheme) []Finding {
	var out []Finding
	for _, m := range Markers(s.path, s.text) {
		if m.ID != id {
			continue
		}
		for _, n := range []int{m.Line, m.Line + 1} {
			if f, ok := s.onLine(n, scheme); ok {
				out = append(out, f)
				break
			}
		}
	}
	return out
}

// onLine reads the constant that starts on a line: a definition, else the first version literal in its code.
func (s *source) onLine(n int, scheme Scheme) (Finding, bool) {
	from, to, ok := s.lineSpan(n)
	if !ok || strings.TrimSpace(s.code[from:to]) == "" {
		return Finding{}, false
	}
	for _, m := range identifier.FindAllStringIndex(s.bare[from:to], -1) {
		if f, ok := s.definition(from+m[0], from+m[1], scheme); ok && (!f.Value.IsZero() || f.Placeholder) {
			return f, true
		}
	}
	code := s.code[from:to]
	v := readValue(code, "", scheme)
	if !v.ok {
		return Finding{}, false
	}
	f := Finding{Path: s.path, Line: n, Raw: v.raw, Form: s.form(v.form), Bound: v.bound}
	f.Column = max(1, strings.Index(code, v.raw)+1)
	return finish(f, v.text, scheme), true
}

// Holds reports whether any of the files has the evidence. No file at all, or only absent ones, is a plain no; a file
// that could not be read leaves it unknown, unless another has it.
func (e Evidence) Holds(files map[string]Fact[File]) Fact[bool] {
	re, err := regexp.Compile(e.Pattern)
	if err != nil {
		return NotKnown[bool](err.Error())
	}
	out := Know(false)
	for _, p := range slices.Sorted(maps.Keys(files)) {
		switch f := files[p]; {
		case f.Unknown():
			out = NotKnown[bool](fmt.Sprintf("%s: %s", p, cmp.Or(f.Why, "it was not read")))
		case f.Known() && !f.Value.Binary && !f.Value.Link && re.MatchString(f.Value.Text):
			return Know(true)
		}
	}
	return out
}

func isNumber(s string) bool { return s != "" && digits(s) == len(s) }
