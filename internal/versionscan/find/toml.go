package find

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/relbot/relbot/internal/versionscan"
)

// TOML.
var _ = register(language{
	form: "toml", suffixes: ".toml",
	lexer:   python,
	oneForm: true,
	words:   true,
	examples: []example{
		{"toml path", "Cargo.toml", "[package]\nname = \"x\"\nversion = \"1.2.3-dev.0\"\n", Finder{Selector: versionscan.Selector{TOML: "package.version"}}, "", "3:12  1.2.3-dev.0 toml"},
	},
})

// tomlValues reads a dotted path; tables of an array are counted from 0: package.0.version.
func tomlValues(path, text string) ([]Located, error) {
	l, err := newLookup(path)
	if err != nil {
		return nil, err
	}
	// What the library accepts is valid, so the walk over it needs no errors of its own.
	if _, err := toml.Decode(text, new(map[string]any)); err != nil {
		return nil, fmt.Errorf("no valid TOML: %w", err)
	}
	w := tomlWalk{text: text, lookup: l, arrays: map[string]int{}}
	w.document()
	return l.result()
}

type tomlWalk struct {
	*lookup
	text   string
	i      int
	arrays map[string]int // tables so far in an array of tables
}

func (w *tomlWalk) peek() byte {
	if w.i < len(w.text) {
		return w.text[w.i]
	}
	return 0
}

// skip passes white space, comments and, where they may stand, line breaks and commas.
func (w *tomlWalk) skip(also string) {
	for w.i < len(w.text) {
		switch c := w.text[w.i]; {
		case c == ' ' || c == '\t' || c == '\r' || strings.IndexByte(also, c) >= 0:
			w.i++
		case c == '#':
			n := strings.IndexByte(w.text[w.i:], '\n')
			if n < 0 {
				n = len(w.text) - w.i
			}
			w.i += n
		default:
			return
		}
	}
}

func (w *tomlWalk) document() {
	w.text = strings.TrimPrefix(w.text, "\ufeff")
	var table []string
	for {
		w.skip("\n")
		if w.i >= len(w.text) {
			return
		}
		start := w.i
		if w.peek() == '[' {
			w.i++
			list := w.peek() == '['
			if list {
				w.i++
			}
			table = w.table(w.keys(), list)
			for w.peek() == ']' {
				w.i++
			}
		} else {
			at := append(append([]string{}, table...), w.keys()...)
			w.i++ // =
			w.value(at, 0)
		}
		if w.i <= start { // cannot be in a valid document
			return
		}
	}
}

// table is the full path of a header, with the numbers of the array elements that it stands in.
func (w *tomlWalk) table(keys []string, list bool) []string {
	var at []string
	for i, k := range keys {
		at = append(at, k)
		id := strings.Join(at, "\x00")
		if list && i == len(keys)-1 {
			w.arrays[id]++
		}
		if n := w.arrays[id]; n > 0 {
			at = append(at, strconv.Itoa(n-1))
		}
	}
	return at
}

// keys reads a dotted key.
func (w *tomlWalk) keys() []string {
	var keys []string
	for {
		w.skip("")
		if c := w.peek(); c == '"' || c == '\'' {
			keys = append(keys, w.str())
		} else {
			n := strings.IndexAny(w.text[w.i:], ".=] \t\r\n")
			if n < 0 {
				n = len(w.text) - w.i
			}
			keys = append(keys, w.text[w.i:w.i+n])
			w.i += n
		}
		w.skip("")
		if w.peek() != '.' {
			return keys
		}
		w.i++
	}
}

func (w *tomlWalk) value(at []string, depth int) {
	w.skip("")
	if depth > maxDepth {
		w.i = len(w.text)
		return
	}
	start := w.i
	switch c := w.peek(); c {
	case '"', '\'':
		raw := w.str()
		w.meet(at, func() Located { return located(w.text, raw, start+1) })
	case '[':
		w.i++
		for n := 0; ; n++ {
			w.skip("\n,")
			if c := w.peek(); c == ']' || c == 0 {
				w.i++
				return
			}
			w.value(append(at[:len(at):len(at)], strconv.Itoa(n)), depth+1)
		}
	case '{':
		w.i++
		for {
			w.skip("\n,")
			if c := w.peek(); c == '}' || c == 0 {
				w.i++
				return
			}
			keys := w.keys()
			w.i++ // =
			w.value(append(at[:len(at):len(at)], keys...), depth+1)
		}
	default:
		n := strings.IndexAny(w.text[w.i:], ",]}#\r\n")
		if n < 0 {
			n = len(w.text) - w.i
		}
		raw := strings.TrimSpace(w.text[w.i : w.i+n])
		w.i += n
		w.meet(at, func() Located { return located(w.text, raw, start) })
		if n == 0 {
			w.i++
		}
	}
}

// str reads a string of any of the four kinds.
func (w *tomlWalk) str() string {
	start := w.i
	quote := w.text[start : start+1]
	if three := strings.Repeat(quote, 3); strings.HasPrefix(w.text[start:], three) {
		quote = three
	}
	w.i += len(quote)
	for w.i < len(w.text) && !strings.HasPrefix(w.text[w.i:], quote) {
		if quote[0] == '"' && w.text[w.i] == '\\' {
			w.i++
		}
		w.i++
	}
	w.i = min(w.i+len(quote), len(w.text))
	for len(quote) == 3 && w.peek() == quote[0] { // up to two quotes may stand before the closing three
		w.i++
	}
	var v struct{ X string }
	if _, err := toml.Decode("X = "+w.text[start:w.i], &v); err != nil {
		return w.text[start:w.i]
	}
	return v.X
}
