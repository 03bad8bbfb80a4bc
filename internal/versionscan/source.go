package versionscan

import (
	"path"
	"slices"
	"strings"
)

// language says how a file's comments and strings are told from its code. A lexer that knows each language in full
// was measured first; it reads a few megabytes a second, and all that is needed here is which bytes are code.
type language struct {
	line   []string    // beginnings of line comments
	block  [][2]string // block comments
	quotes string      // characters that quote strings
	triple bool        // Python's """ and '''
	char   bool        // ' quotes one character only, and may be something else (a Rust lifetime)
	nested bool        // block comments nest
	raw    bool        // r"…" and r#"…"#
}

var (
	cLike    = language{line: []string{"//"}, block: [][2]string{{"/*", "*/"}}, quotes: "\"'`"}
	nesting  = language{line: []string{"//"}, block: [][2]string{{"/*", "*/"}}, quotes: "\"'`", nested: true}
	rustLike = language{line: []string{"//"}, block: [][2]string{{"/*", "*/"}}, quotes: "\"", char: true, nested: true, raw: true}
	hashLike = language{line: []string{"#"}, quotes: "\"'"}
	pyLike   = language{line: []string{"#"}, quotes: "\"'", triple: true}
	phpLike  = language{line: []string{"//", "#"}, block: [][2]string{{"/*", "*/"}}, quotes: "\"'"}
	sqlLike  = language{line: []string{"--"}, block: [][2]string{{"/*", "*/"}}, quotes: "'\""}
	xmlLike  = language{block: [][2]string{{"<!--", "-->"}}}
	tmplLike = language{line: []string{"#"}, block: [][2]string{{"{{/*", "*/}}"}, {"{#", "#}"}}, quotes: "\"'"}
	iniLike  = language{line: []string{"#", ";"}}
	plain    = language{}
)

var languages = map[string]language{
	".rs": rustLike, ".go": cLike, ".js": cLike, ".jsx": cLike, ".ts": cLike, ".tsx": cLike, ".mjs": cLike, ".cjs": cLike,
	".java": cLike, ".kt": nesting, ".kts": nesting, ".scala": nesting, ".groovy": cLike, ".gradle": cLike, ".swift": nesting, ".cs": cLike,
	".c": cLike, ".h": cLike, ".cc": cLike, ".cpp": cLike, ".cxx": cLike, ".hpp": cLike, ".hh": cLike, ".m": cLike, ".mm": cLike,
	".proto": cLike, ".zig": cLike, ".dart": cLike, ".json": cLike, ".json5": cLike, ".css": cLike, ".scss": cLike,
	".py": pyLike, ".pyi": pyLike, ".rb": hashLike, ".sh": hashLike, ".bash": hashLike, ".pl": hashLike, ".ex": hashLike, ".exs": hashLike,
	".yaml": hashLike, ".yml": hashLike, ".toml": hashLike, ".tf": phpLike, ".php": phpLike, ".cmake": hashLike, ".r": hashLike,
	".sql": sqlLike, ".lua": sqlLike, ".hs": sqlLike, ".xml": xmlLike, ".html": xmlLike, ".tpl": tmplLike,
	".ini": iniLike, ".cfg": iniLike, ".conf": iniLike, ".properties": {line: []string{"#", "!"}}, ".env": hashLike, ".mk": hashLike,
}

// languageOf tells a file's language by its name.
func languageOf(p string) language {
	base := path.Base(p)
	if l, ok := languages[strings.ToLower(path.Ext(base))]; ok {
		return l
	}
	switch {
	case strings.HasPrefix(base, "Dockerfile"), strings.HasPrefix(base, "Makefile"), base == "Gemfile", base == "CMakeLists.txt":
		return hashLike
	}
	return plain
}

// source is a text taken apart: code has comments blanked, bare has comments and strings blanked. Both keep every
// offset and line break.
type source struct {
	path string
	text string
	code string
	bare string
	// comments are the spans of comments, in order.
	comments [][2]int
	newlines []int // offsets of line breaks
}

func parseSource(p, text string) *source {
	s := &source{path: p, text: text}
	for i := 0; ; i++ {
		n := strings.IndexByte(text[i:], '\n')
		if n < 0 {
			break
		}
		i += n
		s.newlines = append(s.newlines, i)
	}
	l := languageOf(p)
	starts := l.starts()
	var code, bare []byte // made when there is something to blank
	var open [256]int     // by quote: up to here none closes
	blank := func(b []byte, from, to int) {
		for i := from; i < to; i++ {
			if b[i] != '\n' {
				b[i] = ' '
			}
		}
	}
	for i := 0; i < len(text); {
		if !starts[text[i]] {
			i++
			continue
		}
		comment := l.comment(text, i)
		end := comment
		if end == i && i >= open[text[i]] {
			if end = l.str(text, i); end < 0 {
				open[text[i]], end = -end, i
			}
		}
		if end == i {
			i++
			continue
		}
		if code == nil {
			code, bare = []byte(text), []byte(text)
		}
		if comment > i {
			blank(code, i, end)
			blank(bare, i, end)
			s.comments = append(s.comments, [2]int{i, end})
		} else if !isKey(text, i, end) {
			blank(bare, i+1, max(i+1, end-1))
		}
		i = end
	}
	s.code, s.bare = text, text
	if code != nil {
		s.code, s.bare = string(code), string(bare)
	}
	return s
}

// starts are the bytes with which a comment or a string may start.
func (l language) starts() *[256]bool {
	var out [256]bool
	for _, c := range l.line {
		out[c[0]] = true
	}
	for _, b := range l.block {
		out[b[0][0]] = true
	}
	for i := range len(l.quotes) {
		out[l.quotes[i]] = true
	}
	if l.char {
		out['\''] = true
	}
	if l.raw {
		out['r'] = true
	}
	return &out
}

// isKey reports whether a string at [from, to) is the key of a mapping: "name": …
func isKey(text string, from, to int) bool {
	k := to
	for k < len(text) && (text[k] == ' ' || text[k] == '\t') {
		k++
	}
	if k+1 >= len(text) || text[k] != ':' || text[k+1] == ':' || text[k+1] == '=' {
		return false
	}
	for _, c := range []byte(text[from+1 : to-1]) {
		if !isIdentByte(c) && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// comment returns the end of a comment that starts at i, or i.
func (l language) comment(text string, i int) int {
	for _, start := range l.line {
		if strings.HasPrefix(text[i:], start) {
			if start == "#" && i > 0 && !strings.ContainsRune(" \t\n;(){}", rune(text[i-1])) {
				continue // a#b is no comment
			}
			if start == "//" && i > 0 && text[i-1] == ':' {
				continue // https://
			}
			if end := strings.IndexByte(text[i:], '\n'); end >= 0 {
				return i + end
			}
			return len(text)
		}
	}
	for _, b := range l.block {
		if strings.HasPrefix(text[i:], b[0]) {
			if l.nested {
				return nestedEnd(text, i, b)
			}
			if end := strings.Index(text[i+len(b[0]):], b[1]); end >= 0 {
				return i + len(b[0]) + end + len(b[1])
			}
			return len(text)
		}
	}
	return i
}

// nestedEnd is the end of a block comment that starts at i and may hold others.
func nestedEnd(text string, i int, b [2]string) int {
	depth := 0
	for k := i; k < len(text); k++ {
		switch {
		case strings.HasPrefix(text[k:], b[0]):
			depth++
			k += len(b[0]) - 1
		case strings.HasPrefix(text[k:], b[1]):
			k += len(b[1]) - 1
			if depth--; depth == 0 {
				return k + 1
			}
		}
	}
	return len(text)
}

// str returns the end of a string that starts at i, or i. A string that is not closed on its line is none, but for
// those that may span lines: then the answer is the negative offset up to which no other one of its kind closes, so that a
// hostile text is not searched again and again.
func (l language) str(text string, i int) int {
	c := text[i]
	if l.raw && c == 'r' {
		hashes := len(text[i+1:]) - len(strings.TrimLeft(text[i+1:], "#"))
		if i > 0 && isIdentByte(text[i-1]) || !strings.HasPrefix(text[i+1+hashes:], `"`) {
			return i
		}
		if end := strings.Index(text[i+2+hashes:], `"`+strings.Repeat("#", hashes)); end >= 0 {
			return i + 2 + hashes + end + 1 + hashes
		}
		return len(text)
	}
	if l.char && c == '\'' {
		if i+2 < len(text) && text[i+1] != '\\' && text[i+2] == '\'' {
			return i + 3
		}
		return i
	}
	if strings.IndexByte(l.quotes, c) < 0 {
		return i
	}
	if l.triple && i+3 <= len(text) && text[i+1] == c && text[i+2] == c {
		if end := strings.Index(text[i+3:], text[i:i+3]); end >= 0 {
			return i + 3 + end + 3
		}
		return len(text)
	}
	multiline := c == '`' || l.char // Go's raw strings, JavaScript's templates, Rust
	for k := i + 1; k < len(text); k++ {
		switch {
		case text[k] == '\\' && c != '`':
			k++
		case text[k] == c:
			return k + 1
		case text[k] == '\n' && !multiline:
			return -k
		}
	}
	return -len(text)
}

// position locates an offset.
func (s *source) position(offset int) (line, column int) {
	n, _ := slices.BinarySearch(s.newlines, offset)
	start := 0
	if n > 0 {
		start = s.newlines[n-1] + 1
	}
	return n + 1, offset - start + 1
}

// lineSpan is the span of a line, from 1, without its break.
func (s *source) lineSpan(n int) (from, to int, ok bool) {
	if n < 1 || n > len(s.newlines)+1 {
		return 0, 0, false
	}
	to = len(s.text)
	if n <= len(s.newlines) {
		to = s.newlines[n-1]
	}
	if n > 1 {
		from = s.newlines[n-2] + 1
	}
	return from, to, true
}
