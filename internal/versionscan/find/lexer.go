package find

import (
	"regexp"
	"slices"
	"strings"
)

// lexer tells comments and strings from code. A lexer that knows each language in full was measured first: it reads a few megabytes a
// second. All that is needed here is which bytes are code.
type lexer struct {
	line    []string    // beginnings of line comments
	block   [][2]string // block comments
	quotes  string      // characters that quote strings
	triple  bool        // """ and ''' quote over lines
	char    bool        // ' quotes one character only, and may be something else (a Rust lifetime)
	nested  bool        // block comments nest
	raw     bool        // Rust's r"…" and r#"…"#
	cRaw    bool        // C++'s R"x(…)x"
	heredoc string      // what a string begins with that ends at a line of its own: << in shells and Ruby, <<< in PHP
	regexp  bool        // /…/ may be a pattern
	pod     bool        // =begin and =end on lines of their own enclose a comment

	starts [256]bool // bytes with which a comment or a string may start
}

// Lexers that several languages have.
var (
	slashes = lexer{line: []string{"//"}, block: [][2]string{{"/*", "*/"}}, quotes: "\"'`"}
	java    = lexer{line: []string{"//"}, block: [][2]string{{"/*", "*/"}}, quotes: "\"'`", triple: true}
	nesting = lexer{line: []string{"//"}, block: [][2]string{{"/*", "*/"}}, quotes: "\"'`", nested: true, triple: true}
	hashes  = lexer{line: []string{"#"}, quotes: "\"'"}
	python  = lexer{line: []string{"#"}, quotes: "\"'", triple: true}
	dashes  = lexer{line: []string{"--"}, block: [][2]string{{"--[[", "]]"}, {"{-", "-}"}}, quotes: "'\""}
	angles  = lexer{block: [][2]string{{"<!--", "-->"}}}
)

// source is a text taken apart: code has comments blanked, bare has comments and strings blanked. Both keep every
// offset and line break.
type source struct {
	path     string
	language *language
	text     string
	code     string
	bare     string
	// comments are the spans of comments, in order.
	comments [][2]int
	newlines []int // offsets of line breaks

	following int // how many constants were followed to get here
}

func newSource(p, text string) *source {
	return &source{path: p, language: languageOf(p), text: text, code: text, bare: text}
}

func parseSource(p, text string) *source {
	s := newSource(p, text)
	for i := 0; ; i++ {
		n := strings.IndexByte(text[i:], '\n')
		if n < 0 {
			break
		}
		i += n
		s.newlines = append(s.newlines, i)
	}
	l := &s.language.lexer
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
		if !l.starts[text[i]] {
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
	if code != nil {
		s.code, s.bare = string(code), string(bare)
	}
	return s
}

// prepare notes the bytes with which a comment or a string may start.
func (l *lexer) prepare() {
	first := l.quotes
	for _, start := range l.line {
		first += start[:1]
	}
	for _, b := range l.block {
		first += b[0][:1]
	}
	for more, does := range map[string]bool{"'": l.char, "r": l.raw, "R": l.cRaw, "<": l.heredoc != "", "/": l.regexp, "=": l.pod} {
		if does {
			first += more
		}
	}
	for _, c := range []byte(first) {
		l.starts[c] = true
	}
}

// isKey reports whether a string at [from, to) is the key of a mapping: "name": …
func isKey(text string, from, to int) bool {
	k := to
	for k < len(text) && (text[k] == ' ' || text[k] == '\t') {
		k++
	}
	if k+1 >= len(text) || (text[k] != ':' || text[k+1] == ':' || text[k+1] == '=') && text[k:k+2] != "=>" {
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
func (l *lexer) comment(text string, i int) int {
	if end := l.blockEnd(text, i); end > i {
		return end
	}
	for _, start := range l.line {
		if strings.HasPrefix(text[i:], start) {
			if l.heredoc == "<<<" && strings.HasPrefix(text[i:], "#[") {
				continue // an attribute of PHP
			}
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
	return i
}

// blockEnd returns the end of a block comment that starts at i, or i.
func (l *lexer) blockEnd(text string, i int) int {
	if l.pod && strings.HasPrefix(text[i:], "=begin") && lineStart(text, i) == i {
		if end := strings.Index(text[i:], "\n=end"); end >= 0 {
			return i + end + len("\n=end")
		}
		return len(text)
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
func (l *lexer) str(text string, i int) int {
	c := text[i]
	switch {
	case l.raw && c == 'r':
		return rawEnd(text, i)
	case l.cRaw && c == 'R':
		return cRawEnd(text, i)
	case l.char && c == '\'':
		if m := charLiteral.FindString(text[i:min(len(text), i+12)]); m != "" {
			return i + len(m)
		}
		return i
	case l.heredoc != "" && c == '<':
		return l.heredocEnd(text, i)
	case l.regexp && c == '/':
		return patternEnd(text, i)
	case strings.IndexByte(l.quotes, c) < 0:
		return i
	case l.triple && c != '`' && i+3 <= len(text) && text[i+1] == c && text[i+2] == c:
		return endOf(text, i+3, text[i:i+3])
	}
	multiline := c == '`' || l.char // Go's raw strings, JavaScript's templates, Rust
	for k := i + 1; k < len(text); k++ {
		switch {
		case text[k] == '\\' && (c != '`' || l.regexp):
			k++
		case text[k] == c:
			return k + 1
		case text[k] == '\n' && !multiline:
			return -k
		}
	}
	return -len(text)
}

// endOf returns the offset behind the first closing at or after from, or the end of the text.
func endOf(text string, from int, closing string) int {
	if n := strings.Index(text[from:], closing); n >= 0 {
		return from + n + len(closing)
	}
	return len(text)
}

// rawEnd returns the end of a raw string of Rust that starts at i, or i.
func rawEnd(text string, i int) int {
	hashes := len(text[i+1:]) - len(strings.TrimLeft(text[i+1:], "#"))
	if !strings.HasPrefix(text[i+1+hashes:], `"`) || !opensRaw(text, i) {
		return i
	}
	return endOf(text, i+2+hashes, `"`+strings.Repeat("#", hashes))
}

// cRawEnd returns the end of a raw string of C++ that starts at i, or i.
func cRawEnd(text string, i int) int {
	m := cRawStart.FindStringSubmatch(text[i:min(len(text), i+20)])
	if m == nil {
		return i
	}
	return endOf(text, i, ")"+m[1]+`"`)
}

var (
	cRawStart   = regexp.MustCompile(`^R"([^()\\\s]{0,16})\(`)
	charLiteral = regexp.MustCompile(`^'(?:[^'\\\n]|\\(?:u\{\w*\}|x\w\w|.))'`)
	heredocWord = regexp.MustCompile(`^<<<?[-~]?[ \t]*(?:(["'])(\w+)["']|([A-Z_]\w*))`)
)

// opensRaw reports whether the r of Rust's raw string at i ends no longer identifier: r"…", br"…", cr"…".
func opensRaw(text string, i int) bool {
	if i > 0 && (text[i-1] == 'b' || text[i-1] == 'c') {
		i--
	}
	return i == 0 || !isIdentByte(text[i-1])
}

// heredocEnd is the end of a text that ends at a line with the word that opens it, which looks like an operator where no such line follows.
func (l *lexer) heredocEnd(text string, i int) int {
	m := heredocWord.FindStringSubmatch(text[i:min(len(text), i+100)])
	if m == nil || strings.HasPrefix(m[0], "<<<") != (l.heredoc == "<<<") {
		return i
	}
	word := m[2] + m[3]
	for k := i; ; {
		n := strings.Index(text[k:], word)
		if n < 0 {
			return -len(text)
		}
		k += n + len(word)
		start := lineStart(text, k)
		alone := start > i && strings.TrimSpace(text[start:k-len(word)]) == ""
		if alone && (k == len(text) || !isIdentByte(text[k])) {
			return k
		}
	}
}

// maxPattern bounds the length of a regular expression in source.
const maxPattern = 500

// patternEnd is the end of a regular expression that starts at i. A slash behind a value divides.
func patternEnd(text string, i int) int {
	k := i - 1
	for k >= 0 && (text[k] == ' ' || text[k] == '\t') {
		k--
	}
	if k >= 0 && strings.IndexByte("(,=:[!&|?{};\n", text[k]) < 0 && !strings.HasSuffix(text[max(0, k-5):k+1], "return") {
		return i
	}
	class := false
	for k = i + 1; k < len(text) && k < i+maxPattern; k++ {
		switch c := text[k]; {
		case c == '\\':
			k++
		case c == '\n':
			return i
		case c == '[':
			class = true
		case c == ']':
			class = false
		case c == '/' && !class:
			return k + 1
		}
	}
	return i
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
