package find

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/release"
)

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

// finish parses a raw value and compares it with what the name says.
func finish(f Finding, text string, scheme release.Scheme) Finding {
	f.Value, f.Placeholder = valueOf(text, scheme)
	if f.Value.IsZero() && !f.Placeholder {
		return f
	}
	f.Mismatch = disagreement(f.Name, f.Value)
	return f
}

// selected finishes what a selector gave: a version, else a range of versions.
func selected(f Finding, scheme release.Scheme) Finding {
	if done := finish(f, f.Raw, scheme); !done.Value.IsZero() || done.Placeholder {
		return done
	}
	if r, ok := readRange(f.Raw); ok {
		return f.of(r, scheme)
	}
	return f
}

// of completes a finding with what was read of its value.
func (f Finding) of(v value, scheme release.Scheme) Finding {
	f.Bound, f.Upper = v.bound, v.upper
	f = finish(f, v.text, scheme)
	if v.upper != "" {
		f.UpperValue, _ = valueOf(v.upper, scheme)
	}
	f.Mismatch = cmp.Or(f.Mismatch, v.mismatch)
	return f
}

// placeholders are words by which a source says "the coming release".
var placeholders = map[string]bool{"CURRENT_RUSTC_VERSION": true, "REPLACEME": true, "9999": true, "TBD": true, "NEXT": true, "NEXT_VERSION": true, "UNRELEASED": true}

// valueOf parses a version, or recognises a placeholder.
func valueOf(text string, scheme release.Scheme) (release.Version, bool) {
	text = strings.Trim(strings.TrimSpace(text), "\"'`")
	if placeholders[strings.ToUpper(text)] {
		return release.Version{}, true
	}
	v, err := scheme.Parse(text)
	if err != nil {
		return release.Version{}, false
	}
	return v, false
}

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
	if s.ext == ".php" {
		for _, m := range phpDefine.FindAllStringSubmatchIndex(s.code, maxFindings) {
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

// inData are the findings in the data of a Markdown page, its front matter and the YAML in its comments, as opposed to its prose.
func (s *source) inData(found []Finding) []Finding {
	if s.ext != ".md" || len(found) == 0 {
		return nil
	}
	var spans [][2]int
	if m := matter.FindStringIndex(s.text); m != nil {
		spans = append(spans, [2]int{m[0], m[1]})
	}
	for _, m := range htmlComment.FindAllStringIndex(s.text, -1) {
		spans = append(spans, [2]int{m[0], m[1]})
	}
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
	matter      = regexp.MustCompile(`(?s)\A(?:\x{feff})?(?:---|\+\+\+)\r?\n.*?\n(?:---|\+\+\+)\r?(?:\n|\z)`)
	htmlComment = regexp.MustCompile(`(?s)<!--.*?-->`)
)

var (
	typed    = regexp.MustCompile(`^\s*:\s*[^=;{}\n]*?(?:\n[^=;{}\n]*?)?=([^=>])`) // const X: T =
	goTyped  = regexp.MustCompile(`^[ \t]+[\w.\[\]*]+[ \t]*=([^=])`)               // X T =
	assigned = regexp.MustCompile(`^\s*(?::=|=)([^=>~])`)                          // X =, X :=
	keyed    = regexp.MustCompile(`^["']?\s*:([^:=])`)                             // X: …
	braced   = regexp.MustCompile(`^\s*\{\s*\d+\s*,\s*\d+`)                        // X{1, 2}
	arrow    = regexp.MustCompile(`^["']?\s*=>`)
	called   = regexp.MustCompile(`^\s*\(`) // X(…
)

// name is the identifier at [from, to); the $ of PHP's variables is none of it.
func (s *source) name(from, to int) string {
	if s.ext == ".php" {
		return strings.TrimLeft(s.bare[from:to], "$")
	}
	return s.bare[from:to]
}

// definition reads the constant whose name stands at [from, to) of the source, when it is defined there.
func (s *source) definition(from, to int, scheme release.Scheme) (Finding, bool) {
	f := Finding{Path: s.path, Name: s.name(from, to)}
	if keywords[f.Name] {
		return f, false
	}
	rest := s.bare[to:min(len(s.bare), to+maxValue)]
	before := strings.TrimRight(s.bare[lineStart(s.bare, from):from], " \t")
	start := -1 // of the value
	switch {
	case strings.HasSuffix(before, ".") && s.ext == ".go" && keyedBlock.MatchString(rest): // another package's constant as the key of a table
		start = to + strings.IndexByte(rest, '{')
	case s.ext == ".proto" && strings.HasPrefix(rest, ")"): // (package.option) = …
		if m := assigned.FindStringSubmatchIndex(rest[1:]); m != nil {
			start = to + 1 + m[2]
		}
	case (s.ext == ".rb" || s.ext == ".php") && arrow.MatchString(rest): // :name => …, 'name' => …
		start = to + strings.Index(rest, "=>") + 2
	case strings.HasSuffix(before, "."), strings.HasSuffix(before, ":"), strings.HasSuffix(before, "->"):
		return f, false // a member of something or a type: a use
	case defineWord.MatchString(before):
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
		if start < 0 && (called.MatchString(rest) && enumEntry(s.bare, from, to) || braced.MatchString(rest)) {
			start = to
		}
	}
	if start < 0 {
		return f, false
	}
	end := s.valueEnd(start)
	raw := strings.TrimSpace(s.code[start:end])
	if s.docker && strings.Contains(raw, "/") && digit(raw[0]) {
		return f, false // the port of a registry
	}
	v := readValue(raw, f.Name, scheme)
	if !v.ok && looksLikeExpression(raw) && !reference.MatchString(raw) {
		return f, false
	}
	if v.lone && computed(raw) {
		v = value{raw: raw, text: raw, form: "const", ok: true}
	}
	if name := reference.FindStringSubmatch(raw); name != nil && !(v.ok && (slices.Contains(dataForms, prefixes[s.ext]) || placeholders[strings.ToUpper(v.text)])) {
		switch target, ok := s.target(name[1], f.Name, scheme); {
		case ok:
			v = value{raw: raw, text: target.Value.String(), form: "const", ok: true}
			if target.Placeholder {
				v.text = target.Raw
			}
		case !strings.ContainsAny(raw, "0123456789"):
			return f, false
		default:
			v = value{raw: raw, form: "const"}
		}
	}
	if start == to && v.mismatch == "" {
		v.mismatch = s.enumOrder(f.Name, raw, from)
	}
	return s.found(f, from, v, scheme), true
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

// phpDefine is define('NAME', …).
var phpDefine = regexp.MustCompile(`\bdefine\s*\(\s*["']([A-Za-z_]\w*)["']\s*,`)

// keyedBlock is a table's entry.
var keyedBlock = regexp.MustCompile(`^\s*:\s*\{`)

var (
	parenthesis = regexp.MustCompile(`^\s*\(`)
	bareCall    = regexp.MustCompile("^[ \\t]+[\"'`\\d]")
)

// call reads the version that is handed to a call by the name at [from, to): milestone '18.6', trigger_deprecation('x', '8.1'), a platform
// of an availability list, or a number in the name itself (willBeRemovedInGradle10()).
func (s *source) call(from, to int, scheme release.Scheme) (Finding, bool) {
	f := Finding{Path: s.path, Name: s.name(from, to)}
	rest := s.bare[to:min(len(s.bare), to+maxValue)]
	end := 0
	switch {
	case parenthesis.MatchString(rest):
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

// rows lists the rows, told by the string they begin with, of blocks that a version heads, as in a history of settings:
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

// prefixes begin the names of forms, by the suffix of a file.
var prefixes = map[string]string{
	".rs": "rust", ".go": "go", ".py": "py", ".pyi": "py", ".js": "js", ".jsx": "js", ".ts": "js", ".tsx": "js", ".mjs": "js",
	".java": "java", ".kt": "java", ".kts": "java", ".c": "c", ".h": "c", ".cc": "c", ".cpp": "c", ".hpp": "c", ".rb": "ruby",
	".php": "php", ".swift": "swift", ".cs": "cs", ".sh": "sh", ".proto": "proto", ".ini": "ini", ".sql": "sql", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml", ".json": "json", ".properties": "properties", ".md": "md",
}

// dataForms are the prefixes of languages that know no constants, so that a bare word is a value.
var dataForms = []string{"", "yaml", "toml", "json", "properties", "md", "ini", "sh"}

// form names a form by the language it stands in.
func (s *source) form(kind string) string {
	prefix := prefixes[s.ext]
	switch {
	case prefix == "":
		if s.docker {
			return "dockerfile"
		}
		return kind
	case kind == "range" && prefix == "yaml":
		return kind
	case prefix != "sh" && slices.Contains(dataForms, prefix):
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
	upper    string // the upper bound of a range that has both
	mismatch string
	lone     bool // a number among other things, without a dot
	ok       bool
}

var (
	fieldPattern = regexp.MustCompile(`(?i)\b(major|minor|patch|micro|internal)\b\s*[:=]\s*(\d+)`)
	prePattern   = regexp.MustCompile(`(?i)\bpre(?:release)?\s*[:=]\s*[^"'\n]*["']([^"']*)["']`)
	tuplePattern = regexp.MustCompile(`[({\[]\s*(\d+)\s*,\s*(\d+)(?:\s*,\s*(\d+))?(?:\s*,\s*(\d+))?\s*(?:,\s*(?:[A-Za-z_:!]*\(?)?\s*["']([^"']*)["'](?:\s*,\s*(\d+))?)?`)
	stringFirst  = regexp.MustCompile("[\"'`]([^\"'`\\n]*)[\"'`]")
	numberFirst  = regexp.MustCompile(`(?:^|[^0-9A-Za-z_.]|\bgo)(\d+(?:[_']\d+)+|[vV]?(?:0[xX][0-9A-Fa-f]+|\d+(?:\.\d+)*(?:[-.][0-9A-Za-z.-]+)?))[uUlL]*\b`)
	rangePattern = regexp.MustCompile(`(>=|>|<=|<|\^|~)\s*v?(\d[^\s,|]*)`)
	specPattern  = regexp.MustCompile(`\bVersion\s*:\s*[\w.]*\(?\s*("[^"\n]*")`)
	imageTag     = regexp.MustCompile(`^["']?(?:[\w.-]+(?::\d+)?/)+[\w.-]+:([\w.-]+)(?:@sha256:\w+)?["']?(?:\s|$)`)
	versionText  = regexp.MustCompile(`^[vV]?\d+(?:[._]\d+)*(?:[-.+][0-9A-Za-z][0-9A-Za-z.+-]*)?$`)
)

// readValue reads a version from the source text of a value: a struct with named fields, a call or tuple of numbers, a
// string, a number.
func readValue(raw, name string, scheme release.Scheme) value {
	if fields := fieldPattern.FindAllStringSubmatch(raw, -1); len(fields) >= 2 {
		parts := map[string]string{}
		for _, m := range fields {
			parts[strings.ToLower(m[1])] = m[2]
		}
		text := parts["major"] + "." + cmp.Or(parts["minor"], "0")
		if n, ok := readName(name); ok && cmp.Or(parts["internal"], "0") != "0" && len(n.parts) > 1 && strings.Join(n.parts, ".") != text {
			// A step on the way to the release of its name, counted from the release before.
			return value{raw: raw, text: strings.Join(n.parts, "."), form: "struct", ok: true}
		}
		if p := cmp.Or(parts["patch"], parts["micro"]); p != "" {
			text += "." + p
		}
		if m := prePattern.FindStringSubmatch(raw); m != nil && m[1] != "" {
			text += "-" + m[1]
		}
		return value{raw: raw, text: text, form: "struct", ok: parts["major"] != ""}
	}
	if at := tuplePattern.FindStringSubmatchIndex(raw); at != nil && !hasVersion(raw[:at[0]]) {
		m := tuplePattern.FindStringSubmatch(raw)
		numbers := slices.DeleteFunc(m[1:5], func(n string) bool { return n == "" })
		text := strings.Join(numbers, ".")
		switch stage := strings.ToLower(m[5]); stage {
		case "", "final":
		case "alpha", "beta", "rc", "dev":
			text += "-" + stage + "." + cmp.Or(m[6], "0")
		default:
			if versionText.MatchString("0-" + m[5]) {
				text += "-" + m[5]
			}
		}
		form := "tuple"
		if i := at[0]; i > 0 && isIdentByte(raw[i-1]) {
			form = "call"
		}
		return value{raw: raw, text: text, form: form, ok: true}
	}
	if specs := specPattern.FindAllStringSubmatch(raw, -1); len(specs) > 1 { // the stages of a feature: the newest one is being worked on
		last := specs[len(specs)-1][1]
		return value{raw: last, text: strings.Trim(last, `"`), form: "call", ok: true}
	}
	all := stringFirst.FindAllStringSubmatch(raw, -1)
	if dependent(raw, all) {
		return value{raw: clip(raw), text: raw, form: "string", ok: true}
	}
	if m := imageTag.FindStringSubmatch(raw); m != nil && versionText.MatchString(m[1]) {
		return value{raw: m[1], text: m[1], form: "const", ok: true}
	}
	for _, m := range all {
		text := strings.TrimSpace(m[1])
		form := "string"
		if i := strings.Index(raw, m[0]); i > 0 && strings.Contains(raw[:i], "(") {
			form = "call"
			if strings.Contains(raw[:i], "parse") {
				form = "string"
			}
		}
		if placeholders[strings.ToUpper(text)] || versionText.MatchString(text) {
			return value{raw: m[0], text: text, form: form, mismatch: enumMismatch(name, text, raw), ok: true}
		}
		if v, ok := readRange(text); ok {
			v.raw = m[0]
			return v
		}
	}
	if word := strings.TrimSpace(raw); placeholders[strings.ToUpper(word)] {
		return value{raw: word, text: word, form: "const", ok: true}
	}
	if m := stringFirst.FindStringSubmatch(raw); m != nil { // a string that is no version: the value all the same
		return value{raw: m[0], text: m[1], form: "string", ok: true}
	}
	if m := numberFirst.FindStringSubmatch(raw); m != nil {
		text := strings.NewReplacer("_", "", "'", "").Replace(m[1])
		form := "const"
		if encoded, ok := decodeInteger(text, scheme); ok {
			text, form = encoded, "int"
		}
		return value{raw: m[1], text: text, form: form, lone: !strings.Contains(m[1], "."), ok: true}
	}
	return value{raw: clip(raw), text: raw, form: "const"}
}

var (
	choice = regexp.MustCompile(`\?|\bif\b|\|\|`)
	stump  = regexp.MustCompile(`^\d+(?:\.\d+)*\.$`)
)

// dependent reports whether a value is put together from strings, or chosen among several versions.
func dependent(raw string, strs [][]string) bool {
	versions := map[string]bool{}
	for _, m := range strs {
		if stump.MatchString(m[1]) {
			return true
		}
		if versionText.MatchString(m[1]) {
			versions[m[1]] = true
		}
	}
	return len(versions) > 1 && choice.MatchString(stringFirst.ReplaceAllString(raw, ""))
}

// hasVersion reports whether some string in a source text is a version.
func hasVersion(raw string) bool {
	return slices.ContainsFunc(stringFirst.FindAllStringSubmatch(raw, -1), func(m []string) bool {
		return strings.Contains(m[1], ".") && versionText.MatchString(m[1])
	})
}

// readRange reads a range of versions: its lower bound, where something was introduced, and its upper one, where it was removed. A trailing -0
// only admits prereleases.
func readRange(text string) (value, bool) {
	v := value{form: "range"}
	if loc := rangePattern.FindStringIndex(text); loc == nil || strings.TrimSpace(text[:loc[0]]) != "" {
		return v, false
	}
	for _, r := range rangePattern.FindAllStringSubmatch(text, 4) {
		bound := strings.TrimSuffix(r[2], "-0")
		switch upper := r[1][0] == '<'; {
		case v.text == "" && upper:
			v.text, v.bound, v.upper, v.ok = bound, "upper", bound, true
		case v.text == "":
			v.text, v.bound, v.ok = bound, "lower", true
		case upper && v.upper == "":
			v.upper = bound
		}
	}
	return v, v.ok
}

var (
	subVersion = regexp.MustCompile(`"(?i:IV)(\d+)"`)
	nameSub    = regexp.MustCompile(`_IV(\d+)$`)
	longNumber = regexp.MustCompile(`^\s*(?:new\s+\w+\s*)?\(\s*(\d{6,9})\s*,`)
)

// enumMismatch says how the arguments of an enum's constant contradict each other: IBP_4_1_IV0(26, "4.1", "IV0", false) says its release and
// its step twice, V_7_1_2(7010299, "7.1.2") its release three times.
func enumMismatch(name, text, raw string) string {
	if n, s := nameSub.FindStringSubmatch(name), subVersion.FindStringSubmatch(raw); n != nil && s != nil && n[1] != s[1] {
		return fmt.Sprintf("the name %s says IV%s, the arguments say IV%s", name, n[1], s[1])
	}
	parts := strings.Split(strings.TrimLeft(text, "vV"), ".")
	if m := longNumber.FindStringSubmatch(raw); m != nil && len(parts) == 3 {
		id, _ := strconv.Atoi(m[1])
		if got := fmt.Sprintf("%d.%d.%d", id/1000000, id/10000%100, id/100%100); got != strings.Join(parts, ".") {
			return fmt.Sprintf("the number %d says %s, the text says %s", id, got, text)
		}
	}
	return ""
}

var (
	enumLevel  = regexp.MustCompile(`^\(\s*(\d{1,5})\s*,`)
	enumBefore = regexp.MustCompile(`([A-Za-z_]\w*)\s*\(\s*(\d{1,5})\s*,[^()]*\)\s*,\s*$`)
)

// enumOrder says how the number of an enum's constant contradicts its place: levels count up.
func (s *source) enumOrder(name, raw string, from int) string {
	own := enumLevel.FindStringSubmatch(raw)
	last := enumBefore.FindStringSubmatch(s.code[max(0, from-maxName):from])
	if own == nil || last == nil {
		return ""
	}
	level, _ := strconv.Atoi(own[1])
	if below, _ := strconv.Atoi(last[2]); level <= below {
		return fmt.Sprintf("the number %d of %s does not follow the %d of %s before it", level, name, below, last[1])
	}
	return ""
}

func isIdentByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// decodeInteger reads the integer encodings of C: 190000 is 19.0, 90624 is 9.6.24, 0x30000000 is 3.0.0.
func decodeInteger(text string, scheme release.Scheme) (string, bool) {
	if scheme == release.Integer {
		return "", false
	}
	if hex, ok := strings.CutPrefix(strings.ToLower(text), "0x"); ok {
		n, err := strconv.ParseUint(hex, 16, 32)
		if len(hex) != 8 || err != nil {
			return "", false
		}
		patch := n >> 12 & 0xff // OpenSSL: MNNFFPPS up to 1.1.1, whose patches are letters
		if n>>28 >= 3 {         // MNN00PP0 from 3 on
			patch = n >> 4 & 0xff
		}
		return fmt.Sprintf("%d.%d.%d", n>>28, n>>20&0xff, patch), true
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

// Claim is what a comment at a constant says of its distance to another one.
type Claim struct {
	Name     string // of the other constant
	Releases int    // that lie between them; in which direction is left open, since prose is
	Line     int    // of the comment
}

var (
	distance = regexp.MustCompile(`(?i)\b(one|two|three|four|five|\d{1,2})\s+(?:minor\s+)?(?:release|version)s?\s+(?:earlier|before|prior|older|sooner|later|after|newer)\b`)
	constant = regexp.MustCompile(`\b[A-Z][A-Z0-9]*_?\d\w*\b`)
	inWords  = map[string]int{"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
)

// Claims reads the comments on some lines or right above them for distances to other constants ("one release earlier than V26_19_0"), by
// line.
func Claims(path, text string, at []int) map[int][]Claim {
	out := map[int][]Claim{}
	at = slices.Compact(slices.Sorted(slices.Values(at)))
	if !mayClaim(text, at) {
		return out
	}
	s := parseSource(path, text)
	for _, line := range at {
		if claims := s.claims(line); len(claims) > 0 {
			out[line] = claims
		}
	}
	return out
}

// mayClaim reports whether there is talk of a distance on some lines, given in order, or in the prose above one.
func mayClaim(text string, at []int) bool {
	line, start := 1, 0
	for _, n := range at {
		for ; line < n; line++ {
			i := strings.IndexByte(text[start:], '\n')
			if i < 0 {
				return false
			}
			start += i + 1
		}
		from, to := start, len(text)
		if i := strings.IndexByte(text[start:], '\n'); i >= 0 {
			to = start + i
		}
		for k := 0; k < maxProse && from > 0; k++ {
			from = strings.LastIndexByte(text[:from-1], '\n') + 1
		}
		if distance.MatchString(text[from:to]) {
			return true
		}
	}
	return false
}

func (s *source) claims(line int) []Claim {
	from, to, ok := s.lineSpan(line)
	if !ok {
		return nil
	}
	top := line
	for n := line - 1; n >= 1 && line-n < maxProse; n-- {
		a, b, _ := s.lineSpan(n)
		if strings.TrimSpace(s.code[a:b]) != "" || strings.TrimSpace(s.text[a:b]) == "" {
			break
		}
		from, top = a, n
	}
	var above []string
	first, _ := slices.BinarySearchFunc(s.comments, from, func(c [2]int, from int) int { return c[0] - from })
	for _, c := range s.comments[first:] {
		if c[1] > to {
			break
		}
		above = append(above, strings.TrimLeft(s.text[c[0]:c[1]], "/*#-! "))
	}
	prose := strings.Join(strings.Fields(strings.Join(above, " ")), " ")
	var out []Claim
	for sentence := range strings.SplitSeq(prose, ". ") {
		d := distance.FindStringSubmatch(sentence)
		name := constant.FindString(sentence)
		if d == nil || name == "" {
			continue
		}
		n, ok := inWords[strings.ToLower(d[1])]
		if !ok {
			n, _ = strconv.Atoi(d[1])
		}
		out = append(out, Claim{Name: name, Releases: n, Line: top})
	}
	return out
}

// maxProse bounds how many lines of a comment are read.
const maxProse = 60

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
		told := isBelow && below.telling(scheme)
		switch {
		case isHere && here.telling(scheme):
			out = append(out, here)
		case told && (next == m.Line+1 || !isComment):
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

func digit(c byte) bool { return '0' <= c && c <= '9' }

func isNumber(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}
