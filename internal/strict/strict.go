// Package strict reads YAML that people write, and reports every problem with its place.
//
// A document is walked as a syntax tree, in which every value keeps its line, its column and its source text. An unknown
// key, a wrong type or an impossible value becomes a [Problem] and reading goes on, so that all problems are reported at
// once. Scalars stay the text they are, so that a version is never taken for a number. Aliases are refused rather than expanded, and
// with them every expansion bomb. The tree comes from goccy/go-yaml, which keeps positions that the standard decoders drop.
package strict

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/relbot/relbot/internal/nearest"
)

// Problem is something wrong with a policy file, at its place.
type Problem struct {
	Code    string   // of a kind of problem that callers tell apart; "" is none
	Line    int      // from 1
	Column  int      // from 1
	Path    string   // "couplings.distroless.order[1]"
	Message string   // what is wrong
	Found   string   // what was read; "" where that says nothing
	Want    string   // what is accepted
	Cycle   []string // of an order-cycle, the first repeated at the end
}

// String is the problem in one line: "12:5: couplings.x: message: found …, want …".
func (p Problem) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d:%d: ", p.Line, p.Column)
	if p.Path != "" {
		fmt.Fprintf(&b, "%s: ", p.Path)
	}
	b.WriteString(p.Message)
	if p.Found != "" {
		fmt.Fprintf(&b, ": found %s", p.Found)
	}
	if p.Want != "" {
		fmt.Fprintf(&b, ", want %s", p.Want)
	}
	return b.String()
}

// Reader collects problems while it walks a document.
type Reader struct {
	Problems []Problem
	MaxText  int // of a single text; 0 is no limit but that of the document
	nodes    int
}

// Node is a place in the document.
type Node struct {
	r    *Reader
	n    ast.Node
	path string
	at   *token.Position
}

// maxNodes bounds how large a document may grow, whatever its length in bytes.
const maxNodes = 20000

// Node makes a place of a syntax node.
func (r *Reader) Node(n ast.Node, path string) Node {
	r.nodes++
	out := Node{r: r, n: n, path: path}
	if n != nil && n.GetToken() != nil {
		out.at = n.GetToken().Position
		if v, ok := n.(*ast.MappingNode); ok && len(v.Values) > 0 { // its own token is the first colon
			out.at = v.Values[0].Key.GetToken().Position
		} else if v, ok := n.(*ast.MappingValueNode); ok {
			out.at = v.Key.GetToken().Position
		}
	}
	return out
}

// Clip shortens a text for a message.
func Clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}

// Problemf reports something wrong at a place: what was found there and what is wanted.
func (n Node) Problemf(found, want, format string, args ...any) {
	p := Problem{Line: 1, Column: 1, Path: n.path, Message: fmt.Sprintf(format, args...), Found: Clip(found), Want: want}
	if n.at != nil {
		p.Line, p.Column = n.at.Line, n.at.Column
	}
	n.r.Problems = append(n.r.Problems, p)
}

// Kind names what a place holds, for messages.
func (n Node) Kind() string {
	switch v := n.n.(type) {
	case nil, *ast.NullNode:
		return "nothing"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.AliasNode, *ast.AnchorNode, *ast.MergeKeyNode:
		return "an alias"
	case ast.ScalarNode:
		return fmt.Sprintf("%q", Clip(ScalarText(v)))
	}
	return "something else"
}

// ScalarText is a scalar as it is written, without quotes.
func ScalarText(n ast.Node) string {
	if l, ok := n.(*ast.LiteralNode); ok {
		return l.Value.Value
	}
	return n.GetToken().Value
}

// Pair is a key of a mapping with its value.
type Pair struct {
	Name string
	Key  Node
	Node
}

// Mapping lists the pairs of a mapping; anything else is a problem. A key that is there twice is one too.
func (n Node) Mapping(want string) []Pair {
	var values []*ast.MappingValueNode
	switch v := n.n.(type) {
	case *ast.MappingNode:
		values = v.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{v}
	default:
		n.Problemf(n.Kind(), want, "not a mapping")
		return nil
	}
	var out []Pair
	for _, v := range values {
		if _, merge := v.Key.(*ast.MergeKeyNode); merge {
			n.r.Node(v.Key, n.path).Problemf("<<", "the keys written out", "merge keys are not accepted")
			continue
		}
		name := v.Key.GetToken().Value
		path := name
		if n.path != "" {
			path = n.path + "." + name
		}
		key := n.r.Node(v.Key, path)
		if slices.ContainsFunc(out, func(p Pair) bool { return p.Name == name }) {
			key.Problemf(fmt.Sprintf("%q", name), "each key once", "the key is there twice")
			continue
		}
		value := n.r.Node(v.Value, path)
		if value.at == nil || IsNull(v.Value) {
			value.at = key.at
		}
		out = append(out, Pair{name, key, value})
	}
	return out
}

// IsNull reports whether nothing is written at a place.
func IsNull(n ast.Node) bool {
	_, null := n.(*ast.NullNode)
	return n == nil || null
}

// Object reads a mapping with known keys: each is read by its function; others are problems with a suggestion.
func (n Node) Object(keys map[string]func(Node)) map[string]Node {
	names := make([]string, 0, len(keys))
	for k := range keys {
		names = append(names, k)
	}
	slices.Sort(names)
	seen := map[string]Node{}
	for _, p := range n.Mapping("the keys " + strings.Join(names, ", ")) {
		read, ok := keys[p.Name]
		if !ok {
			p.Key.Unknown("key", p.Name, names)
			continue
		}
		seen[p.Name] = p.Node
		read(p.Node)
	}
	return seen
}

// Unknown reports a word that is none of the known ones, with the one that was most likely meant.
func (n Node) Unknown(what, word string, known []string) {
	slices.Sort(known)
	want := "one of " + strings.Join(known, ", ")
	if near := nearest.Word(word, known); near != "" {
		want = fmt.Sprintf("%q", near)
	}
	n.Problemf(fmt.Sprintf("%q", Clip(word)), want, "unknown %s", what)
}

// Position is the line and column of a place, from 1.
func (n Node) Position() (line, column int) {
	if n.at == nil {
		return 1, 1
	}
	return n.at.Line, n.at.Column
}

// List lists the entries of a sequence.
func (n Node) List(want string) []Node {
	s, ok := n.n.(*ast.SequenceNode)
	if !ok {
		n.Problemf(n.Kind(), want, "not a list")
		return nil
	}
	var out []Node
	for i, v := range s.Values {
		out = append(out, n.r.Node(v, fmt.Sprintf("%s[%d]", n.path, i)))
	}
	return out
}

// Text reads a scalar as it is written, so that a version stays the text it is: 18.10 is not 18.1.
func (n Node) Text(want string) (string, bool) {
	switch n.n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode, *ast.SequenceNode, *ast.NullNode, nil, *ast.AliasNode, *ast.AnchorNode:
		n.Problemf(n.Kind(), want, "not a text")
		return "", false
	}
	s, ok := n.n.(ast.ScalarNode)
	if !ok {
		n.Problemf(n.Kind(), want, "not a text")
		return "", false
	}
	text := ScalarText(s)
	if limit := n.r.MaxText; limit > 0 && len(text) > limit {
		n.Problemf(fmt.Sprintf("%d characters", len(text)), fmt.Sprintf("at most %d", limit), "too long")
		return "", false
	}
	return text, true
}

// One reads one of several words.
func (n Node) One(into *string, words ...string) {
	text, ok := n.Text("one of " + strings.Join(words, ", "))
	if !ok {
		return
	}
	if !slices.Contains(words, text) {
		want := "one of " + strings.Join(words, ", ")
		n.Problemf(fmt.Sprintf("%q", Clip(text)), want, "not an accepted value")
		return
	}
	*into = text
}

// Bool reads true or false.
func (n Node) Bool(into *bool) {
	if v, ok := n.n.(*ast.BoolNode); ok {
		*into = v.Value
		return
	}
	n.Problemf(n.Kind(), "true or false", "not a boolean")
}

// Texts reads a list of scalars.
func (n Node) Texts(want string) []string {
	var out []string
	for _, e := range n.List("a list: " + want) {
		if s, ok := e.Text(want); ok {
			out = append(out, s)
		}
	}
	return out
}

// Limits of a document.
const (
	maxSize  = 256 << 10
	maxDepth = 40
)

// Parse reads a text that holds one document. The place it returns is the zero Node when there is nothing to walk; then a problem says why.
func Parse(text []byte) (Node, *Reader) {
	r := &Reader{}
	top := Node{r: r}
	switch {
	case len(text) > maxSize:
		top.Problemf(fmt.Sprintf("%d bytes", len(text)), fmt.Sprintf("at most %d", maxSize), "the file is too large")
		return Node{}, r
	case tooDeep(text):
		top.Problemf("", fmt.Sprintf("at most %d levels", maxDepth), "the file is nested too deeply")
		return Node{}, r
	}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		r.Problems = append(r.Problems, syntaxProblem(err))
		return Node{}, r
	}
	var docs []ast.Node
	for _, d := range file.Docs {
		if d.Body != nil {
			if _, comment := d.Body.(*ast.CommentGroupNode); !comment {
				docs = append(docs, d.Body)
			}
		}
	}
	switch len(docs) {
	case 0:
		top.Problemf("an empty file", "a mapping", "nothing is there")
		return Node{}, r
	case 1:
	default:
		r.Node(docs[1], "").Problemf("a second document", "one document", "several documents")
		return Node{}, r
	}
	if bad := findAlias(docs[0]); bad != nil {
		r.Node(bad, "").Problemf("an alias or anchor", "the values written out", "aliases are not accepted")
		return Node{}, r
	}
	return r.Node(docs[0], ""), r
}

// Done sorts the problems by their place and returns them.
func (r *Reader) Done() []Problem {
	if r.nodes > maxNodes {
		Node{r: r}.Problemf(fmt.Sprintf("%d values", r.nodes), fmt.Sprintf("at most %d", maxNodes), "the file is too large")
	}
	slices.SortStableFunc(r.Problems, func(a, b Problem) int { return cmp.Or(a.Line-b.Line, a.Column-b.Column) })
	return r.Problems
}

// IsZero reports whether nothing is there.
func (n Node) IsZero() bool { return n.n == nil }

// Syntax is the syntax node of a place.
func (n Node) Syntax() ast.Node { return n.n }

// Count is how many problems there are so far.
func (n Node) Count() int { return len(n.r.Problems) }

// Last is the problem that was reported last.
func (n Node) Last() *Problem { return &n.r.Problems[len(n.r.Problems)-1] }

// tooDeep bounds nesting before the recursive parser sees it: by indentation and by brackets.
func tooDeep(text []byte) bool {
	depth, indent := 0, 0
	start := true
	spaces := 0
	for _, c := range text {
		switch c {
		case '\n':
			start, spaces = true, 0
			continue
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(0, depth-1)
		}
		if start {
			if c == ' ' || c == '-' {
				spaces++
			} else {
				start = false
				indent = spaces
			}
		}
		if depth > maxDepth || indent > maxDepth*4 {
			return true
		}
	}
	return false
}

// syntaxProblem takes the position out of the YAML parser's error.
func syntaxProblem(err error) Problem {
	p := Problem{Line: 1, Column: 1, Message: "not YAML", Want: "a YAML mapping"}
	var syntax yaml.Error
	if errors.As(err, &syntax) {
		p.Message = "not YAML: " + syntax.GetMessage()
		if t := syntax.GetToken(); t != nil {
			p.Line, p.Column = t.Position.Line, t.Position.Column
			p.Found = fmt.Sprintf("%q", Clip(t.Value))
		}
	}
	return p
}

// aliases finds the first anchor, alias or merge.
type aliases struct{ found ast.Node }

func (a *aliases) Visit(n ast.Node) ast.Visitor {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode:
		if a.found == nil {
			a.found = n
		}
	}
	if a.found != nil {
		return nil
	}
	return a
}

func findAlias(n ast.Node) ast.Node {
	var a aliases
	ast.Walk(&a, n)
	return a.found
}
