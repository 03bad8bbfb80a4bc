package find

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/release"
)

// JSON.
var _ = register(language{
	form: "json", suffixes: ".json", also: ".json5",
	lexer:   slashes,
	oneForm: true,
	words:   true,
	examples: []example{
		{"json path", "p.json", "{\n  // comment\n  \"version\": \"1.2.3\",\n}\n", Finder{Selector: versionscan.Selector{JSON: "version"}}, "", "3:15  1.2.3 json"},
		{"json key", "p.json", "{\"flag\": 1, \"expiry_milestone\": 154}\n", Finder{Symbol: "expiry_milestone"}, release.Integer, "1:14 expiry_milestone 154 json"},
		{"range at a path", "package.json", "{\"engines\": {\"node\": \">=20.11\"}}", Finder{Selector: versionscan.Selector{JSON: "engines.node"}}, "", "1:23  20.11 json"},
	},
})

// jsonValues reads a dotted path of JSON with comments and trailing commas, as people write it.
func jsonValues(path, text string) ([]Located, error) {
	l, err := newLookup(path)
	if err != nil {
		return nil, err
	}
	w := jsonWalk{text: text, lookup: l}
	if strings.HasPrefix(text, "\ufeff") {
		w.i = len("\ufeff")
	}
	err = w.value(nil, 0)
	if err == nil {
		err = w.skip()
	}
	if err == nil && w.i < len(text) {
		err = errors.New("something follows the document")
	}
	if err != nil {
		line, column := at(text, w.i)
		return nil, fmt.Errorf("no valid JSON: line %d, column %d: %w", line, column, err)
	}
	return l.result()
}

type jsonWalk struct {
	*lookup
	text string
	i    int
}

func (w *jsonWalk) skip() error {
	for w.i < len(w.text) {
		rest := w.text[w.i:]
		switch {
		case strings.IndexByte(" \t\r\n", rest[0]) >= 0:
			w.i++
		case strings.HasPrefix(rest, "//"):
			n := strings.IndexByte(rest, '\n')
			if n < 0 {
				n = len(rest)
			}
			w.i += n
		case strings.HasPrefix(rest, "/*"):
			n := strings.Index(rest, "*/")
			if n < 0 {
				return errors.New("the comment is not closed")
			}
			w.i += n + 2
		default:
			return nil
		}
	}
	return nil
}

// next is the next character that is no white space and no comment.
func (w *jsonWalk) next() (byte, error) {
	if err := w.skip(); err != nil {
		return 0, err
	}
	if w.i >= len(w.text) {
		return 0, io.ErrUnexpectedEOF
	}
	return w.text[w.i], nil
}

func (w *jsonWalk) value(at []string, depth int) error {
	if depth > maxDepth {
		return errDepth
	}
	c, err := w.next()
	if err != nil {
		return err
	}
	start := w.i
	switch c {
	case '{', '[':
		w.i++
		for n := 0; ; n++ {
			c, err := w.next()
			if err != nil {
				return err
			}
			if c == '}' || c == ']' {
				if (c == '}') != (w.text[start] == '{') {
					return fmt.Errorf("%q closes nothing", c)
				}
				w.i++
				return nil
			}
			key := strconv.Itoa(n)
			if w.text[start] == '{' {
				if key, err = w.str(); err != nil {
					return err
				}
				if c, err = w.next(); err != nil {
					return err
				} else if c != ':' {
					return errors.New("no colon follows the key")
				}
				w.i++
			}
			if err := w.value(append(at[:len(at):len(at)], key), depth+1); err != nil {
				return err
			}
			if c, err = w.next(); err != nil {
				return err
			} else if c == ',' {
				w.i++
			} else if c != '}' && c != ']' {
				return errors.New("no comma follows the value")
			}
		}
	case '"':
		raw, err := w.str()
		if err != nil {
			return err
		}
		w.meet(at, func() Located { return located(w.text, raw, start+1) })
	default:
		n := strings.IndexAny(w.text[w.i:], " \t\r\n,]}/")
		if n < 0 {
			n = len(w.text) - w.i
		}
		raw := w.text[w.i : w.i+n]
		if !json.Valid([]byte(raw)) {
			return errors.New("no value")
		}
		w.i += n
		w.meet(at, func() Located { return located(w.text, raw, start) })
	}
	return nil
}

func (w *jsonWalk) str() (string, error) {
	if c, err := w.next(); err != nil {
		return "", err
	} else if c != '"' {
		return "", errors.New("no quoted key")
	}
	for k := w.i + 1; k < len(w.text); k++ {
		switch w.text[k] {
		case '\\':
			k++
		case '"':
			var s string
			if err := json.Unmarshal([]byte(w.text[w.i:k+1]), &s); err != nil {
				return "", errors.New("no valid string")
			}
			w.i = k + 1
			return s, nil
		}
	}
	return "", errors.New("the string is not closed")
}
