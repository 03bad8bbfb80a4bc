package find

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// The readers of structured files walk a document and meet each scalar with its path. Decoders are of no use here: they
// lose the place, and make 18.1 of 18.10.

// maxDepth bounds how deep a document may nest.
const maxDepth = 200

var errDepth = fmt.Errorf("it nests deeper than %d levels", maxDepth)

// lookup collects the scalars that stand at a path.
type lookup struct {
	path  string
	want  []string
	found []Located
	kind  string // what stands at the path, when it is no scalar
}

func newLookup(path string) (*lookup, error) {
	want, err := splitPath(path)
	return &lookup{path: path, want: want}, err
}

// meet takes a scalar at a path; raw is read only where it is wanted.
func (l *lookup) meet(at []string, raw func() Located) {
	if len(at) < len(l.want) {
		return
	}
	for i, part := range l.want {
		if at[i] != part {
			return
		}
	}
	if len(at) > len(l.want) {
		l.kind = "a table or a list"
		return
	}
	l.found = append(l.found, raw())
}

func (l *lookup) result() ([]Located, error) {
	if len(l.found) == 0 && l.kind != "" {
		return nil, notScalar(l.path, l.kind)
	}
	return l.found, nil
}

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

// yamlValues reads a dotted path of every document in a YAML text, or of the front matter of a text of another kind. Aliases
// and merge keys are followed.
func yamlValues(path, text string) ([]Located, error) {
	l, err := newLookup(path)
	if err != nil {
		return nil, err
	}
	file, err := parser.ParseBytes([]byte(text), 0)
	if err != nil {
		matter, ok := frontMatter(text)
		if ok {
			file, err = parser.ParseBytes([]byte(matter), 0)
		}
		if err != nil {
			return nil, fmt.Errorf("no valid YAML: %s", firstLine(err.Error()))
		}
	}
	w := yamlWalk{text: text, lookup: l, anchors: map[string]ast.Node{}}
	for _, doc := range file.Docs {
		if doc.Body != nil {
			ast.Walk(&w, doc.Body)
			w.node(doc.Body, w.want, 0)
		}
	}
	return l.result()
}

// frontMatter is what stands between two lines of dashes at the beginning of a text.
func frontMatter(text string) (string, bool) {
	rest, ok := strings.CutPrefix(text, "---\n")
	if !ok {
		return "", false
	}
	body, _, ok := strings.Cut(rest, "\n---\n")
	return "---\n" + body + "\n", ok
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

type yamlWalk struct {
	*lookup
	text    string
	anchors map[string]ast.Node
	steps   int
}

// maxSteps bounds a walk through aliases of aliases.
const maxSteps = 10000

// Visit notes anchors; it is called for every node.
func (w *yamlWalk) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok && a.Name != nil {
		w.anchors[a.Name.GetToken().Value] = a.Value
	}
	return w
}

// node follows what is left of the path into a node.
func (w *yamlWalk) node(n ast.Node, want []string, depth int) {
	if w.steps++; depth > maxDepth || w.steps > maxSteps {
		return
	}
	switch n := n.(type) {
	case nil:
	case *ast.AnchorNode:
		w.node(n.Value, want, depth+1)
	case *ast.AliasNode:
		w.node(w.anchors[n.Value.GetToken().Value], want, depth+1)
	case *ast.TagNode:
		w.node(n.Value, want, depth+1)
	case *ast.MappingValueNode:
		w.mapping([]*ast.MappingValueNode{n}, want, depth)
	case *ast.MappingNode:
		w.mapping(n.Values, want, depth)
	case *ast.SequenceNode:
		if len(want) == 0 {
			w.kind = "a list"
			return
		}
		if i, err := strconv.Atoi(want[0]); err == nil && i >= 0 && i < len(n.Values) {
			w.node(n.Values[i], want[1:], depth+1)
		}
	case *ast.LiteralNode:
		if len(want) == 0 && n.Value != nil {
			w.scalar(n, strings.TrimSpace(n.Value.Value))
		}
	case *ast.NullNode:
	case ast.ScalarNode:
		if len(want) == 0 {
			w.scalar(n, n.GetToken().Value)
		}
	}
}

// mapping follows a path into a mapping: its own key, else what it merges in.
func (w *yamlWalk) mapping(entries []*ast.MappingValueNode, want []string, depth int) {
	if len(want) == 0 {
		w.kind = "a mapping"
		return
	}
	own := false
	for _, e := range entries {
		if e.Key == nil || e.Key.IsMergeKey() {
			continue
		}
		key := e.Key.GetToken().Value
		if m, ok := e.Key.(*ast.MappingKeyNode); ok && m.Value != nil {
			key = m.Value.GetToken().Value
		}
		if key == want[0] {
			own = true
			w.node(e.Value, want[1:], depth+1)
		}
	}
	for _, e := range entries {
		if own || e.Key == nil || !e.Key.IsMergeKey() {
			continue
		}
		merged := []ast.Node{e.Value}
		if list, ok := e.Value.(*ast.SequenceNode); ok {
			merged = list.Values
		}
		for _, m := range merged { // the first that has the key wins
			if found := len(w.found); !own {
				w.node(m, want, depth+1)
				own = len(w.found) > found
			}
		}
	}
}

func (w *yamlWalk) scalar(n ast.Node, raw string) {
	l := Located{Raw: raw, Line: 1, Column: 1}
	if t := n.GetToken(); t != nil && t.Position != nil {
		// To the parser a lone carriage return breaks a line too; what opens the file does not think so.
		l.Line, l.Column = min(max(1, t.Position.Line), 1+strings.Count(w.text, "\n")), max(1, t.Position.Column)
	}
	// The parser counts characters, counts the quote of a quoted scalar, and is off by one behind a tag.
	line := lineOf(w.text, l.Line)
	runes := 1
	for i := range line {
		if runes == l.Column {
			l.Column = i + 1
			break
		}
		runes++
	}
	if rest := line[min(l.Column-1, len(line)):]; raw != "" {
		if i := strings.Index(rest, raw); i > 0 {
			l.Column += i
		} else if i < 0 && rest != "" && strings.IndexByte(`"'`, rest[0]) >= 0 {
			l.Column++
		}
	}
	w.found = append(w.found, l)
}

// lineOf is line n of a text, from 1, without its break.
func lineOf(text string, n int) string {
	for ; n > 1; n-- {
		_, rest, ok := strings.Cut(text, "\n")
		if !ok {
			return ""
		}
		text = rest
	}
	return firstLine(text)
}

// xmlValues reads the text of the elements at a path from the root (project.version, or with slashes where names have
// dots), or an attribute (…@name). Namespaces do not count. Maven's ${name} is looked up in the root's properties.
func xmlValues(path, text string) ([]Located, error) {
	var want []string
	var err error
	if strings.Contains(path, "/") {
		want = strings.Split(strings.Trim(path, "/"), "/")
	} else if want, err = splitPath(path); err != nil {
		return nil, err
	}
	l := &lookup{path: path, want: want}
	properties := map[string]Located{}
	var names []string
	type content struct {
		text   strings.Builder
		offset int
		nested bool
	}
	var open []*content
	d := xml.NewDecoder(strings.NewReader(text))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	for {
		start := int(d.InputOffset())
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("no valid XML: %w", err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if len(names) > maxDepth {
				return nil, errDepth
			}
			if len(open) > 0 {
				open[len(open)-1].nested = true
			}
			names = append(names, t.Name.Local)
			open = append(open, &content{offset: -1})
			for _, a := range t.Attr {
				l.meet(append(names[:len(names):len(names)], "@"+a.Name.Local), func() Located { return located(text, a.Value, start) })
			}
		case xml.CharData:
			if len(open) == 0 {
				break
			}
			c := open[len(open)-1]
			if c.offset < 0 && len(bytes.TrimSpace(t)) > 0 {
				raw := text[start:]
				c.offset = start + len(raw) - len(strings.TrimLeft(raw, " \t\r\n"))
			}
			c.text.Write(t)
		case xml.EndElement:
			c := open[len(open)-1]
			if !c.nested || c.offset >= 0 {
				value := located(text, strings.TrimSpace(c.text.String()), max(c.offset, 0))
				l.meet(names, func() Located { return value })
				if len(names) == 3 && names[1] == "properties" {
					properties[names[2]] = value
				}
			}
			if c.nested && len(names) == len(l.want) && c.offset < 0 {
				l.meet(append(names[:len(names):len(names)], ""), nil)
			}
			names, open = names[:len(names)-1], open[:len(open)-1]
		}
	}
	for i := range l.found {
		for range maxDepth {
			name, ok := strings.CutPrefix(l.found[i].Raw, "${")
			value, known := properties[strings.TrimSuffix(name, "}")]
			if !ok || !known {
				break
			}
			l.found[i] = value
		}
	}
	return l.result()
}

// propertyValues reads a key of a Java properties file, which a file of KEY=value lines is too. The last one wins
// for Java; all are given here, so that a second one is noticed.
func propertyValues(key, text string) []Located {
	var out []Located
	offset := 0
	for offset < len(text) {
		start := offset
		line := ""
		for offset < len(text) { // a backslash at the end goes on in the next line
			l := firstLine(text[offset:])
			offset += len(l) + 1
			l = strings.TrimSuffix(l, "\r")
			if line != "" {
				l = strings.TrimLeft(l, " \t\f")
			}
			trimmed := strings.TrimRight(l, `\`)
			if (len(l)-len(trimmed))%2 == 0 || isComment(text[start:]) {
				line += l
				break
			}
			line += l[:len(l)-1]
		}
		if isComment(line) {
			continue
		}
		k, v, at := splitProperty(line)
		if k == key {
			out = append(out, located(text, v, start+at))
		}
	}
	return out
}

func isComment(line string) bool {
	line = strings.TrimLeft(line, " \t\f")
	return strings.HasPrefix(line, "#") || strings.HasPrefix(line, "!")
}

// splitProperty also says where in the line the value begins.
func splitProperty(line string) (key, value string, at int) {
	i := len(line) - len(strings.TrimLeft(line, " \t\f"))
	from := i
	for i < len(line) && strings.IndexByte(" \t\f=:", line[i]) < 0 {
		if line[i] == '\\' {
			i++
		}
		i++
	}
	i = min(i, len(line))
	key = unescape(line[from:i])
	separated := false
	for i < len(line) {
		if c := line[i]; (c == '=' || c == ':') && !separated {
			separated = true
		} else if c != ' ' && c != '\t' && c != '\f' {
			break
		}
		i++
	}
	return key, strings.TrimSpace(unescape(line[i:])), i
}

// unescape undoes the escapes of a properties file.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 'n':
			b.WriteByte('\n')
		case 't':
			b.WriteByte('\t')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			if i+5 <= len(s) {
				if n, err := strconv.ParseUint(s[i+1:i+5], 16, 16); err == nil && utf8.ValidRune(rune(n)) {
					b.WriteRune(rune(n))
					i += 4
					continue
				}
			}
			b.WriteByte('u')
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
