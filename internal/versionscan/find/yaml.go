package find

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/relbot/relbot/internal/versionscan"
)

// YAML.
var _ = register(language{
	form: "yaml", suffixes: ".yaml .yml",
	lexer:   hashes,
	forms:   map[string]string{"range": "range"},
	oneForm: true,
	words:   true,
	examples: []example{
		{"yaml", "Chart.yaml", "name: x\nappVersion: v26.12.0 # relbot:gate m\n", Finder{Marker: "m"}, "", "2:1 appVersion 26.12.0 yaml"},
		{"yaml path", "Chart.yaml", "a:\n  b: [1.10, 18.10]\n", Finder{Selector: versionscan.Selector{YAML: "a.b[1]"}}, "", "2:13  18.10 yaml"},
		{"helm range with both ends", "templates/a.yaml", "# relbot:gate m\n{{- if semverCompare \">=1.32-0 <1.34-0\" .Capabilities.KubeVersion.Version }}\nkind: X\n{{- end }}\n", Finder{Marker: "m"}, "", "2:22  1.32 range"},
		{"helm upper bound", "templates/a.yaml", "# relbot:gate m\n{{- if semverCompare \"<1.34-0\" .Capabilities.KubeVersion.Version }}\nkind: X\n{{- end }}\n", Finder{Marker: "m"}, "", "2:22  1.34 range"},
		{"helm chart range", "Chart.yaml", "apiVersion: v2\nname: x\nkubeVersion: \">= 1.29.0-0 < 1.35.0\"\n", Finder{Symbol: "kubeVersion"}, "", "3:1 kubeVersion 1.29.0 range"},
		{"yaml image", "a.yaml", "image: reg:5000/base:26.4.0 # relbot:gate m\n", Finder{Marker: "m"}, "", "1:1 image 26.4.0 yaml"},
	},
})

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
