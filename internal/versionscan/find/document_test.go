package find

import (
	"encoding/json"
	"fmt"
	"strconv"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/goccy/go-yaml"

	"github.com/relbot/relbot/internal/versionscan"
)

// leaves calls meet for every string in a decoded document, with its path.
func leaves(path []string, v any, meet func(path []string, text string)) {
	child := func(key string, v any) { leaves(append(path[:len(path):len(path)], key), v, meet) }
	switch v := v.(type) {
	case map[string]any:
		for k, v := range v {
			child(k, v)
		}
	case []any:
		for i, v := range v {
			child(strconv.Itoa(i), v)
		}
	case []map[string]any:
		for i, v := range v {
			child(strconv.Itoa(i), v)
		}
	case string:
		meet(path, v)
	}
}

// FuzzDocument: in what a decoder takes for a document, the walk finds every string that the decoder finds.
func FuzzDocument(f *testing.F) {
	for _, text := range documents {
		f.Add(text)
	}
	for _, text := range []string{
		"a.b.c = 'x'\n[a.d]\ne = \"\"\"\\\n  x \\\n  \"quoted\"\"\"\"\nf = [['x', \"y\"], [{g = '''h''', i.j = \"k\"}]] # l\n", "[[a]]\n[[a.b]]\nc='1'\n[[a.b]]\nc='2'\n[[a]]\n[[a.b]]\n\"c d\"='3'\n[a.b.e]\nf='4'",
		"\ufeffa = 'x'\r\n'b' . \"c\" = \"\\u0041\"\r\n", `{"a": ["x", {"b": "\"y\\"}], "": "z", "c": [[], {}, "w"]}`, `["a", "b"]`, `"top"`, "{}",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<13 {
			return
		}
		check := func(kind string, walk func(l *lookup) error) func(path []string, text string) {
			return func(path []string, want string) {
				l := &lookup{path: fmt.Sprint(path), want: path}
				if err := walk(l); err != nil {
					t.Fatalf("%s: %v", kind, err)
				}
				if n := len(l.found); n == 0 || l.found[n-1].Raw != want {
					t.Fatalf("%s: at %q stands %q, found was %v in %q", kind, path, want, l.found, text)
				}
			}
		}
		var table map[string]any
		if _, err := toml.Decode(text, &table); err == nil {
			leaves(nil, table, check("toml", func(l *lookup) error {
				w := tomlWalk{text: text, lookup: l, arrays: map[string]int{}}
				w.document()
				return nil
			}))
		}
		var tree any
		if json.Unmarshal([]byte(text), &tree) == nil {
			leaves(nil, tree, check("json", func(l *lookup) error {
				return (&jsonWalk{text: text, lookup: l}).value(nil, 0)
			}))
		}
	})
}

// TestYAMLAgainstDecoder: the walk over a chart finds what the decoder finds.
func TestYAMLAgainstDecoder(t *testing.T) {
	var tree map[string]any
	if err := yaml.Unmarshal([]byte(documents["chart"]), &tree); err != nil {
		t.Fatal(err)
	}
	met := 0
	leaves(nil, tree, func(path []string, want string) {
		met++
		if want == "1.3" { // the decoder makes that of !!str 1.30
			want = "1.30"
		}
		text := ""
		for _, p := range path {
			text += "['" + p + "']"
		}
		found, err := Values(versionscan.Selector{YAML: text}, documents["chart"])
		if err != nil || len(found) == 0 || found[0].Raw != want {
			t.Errorf("at %s stands %q, found was %v, %v", text, want, found, err)
		}
	})
	if met < 6 {
		t.Errorf("only %d strings", met)
	}
}
