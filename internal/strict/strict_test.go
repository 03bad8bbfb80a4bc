package strict_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/strict"
)

// read takes a small document: a mapping with a text, a number of texts and a mapping.
func read(text string) []string {
	root, r := strict.Parse([]byte(text))
	if !root.IsZero() {
		var word string
		var flag bool
		root.Object(map[string]func(strict.Node){
			"text": func(n strict.Node) { n.Text("a text") },
			"list": func(n strict.Node) { n.Texts("a text") },
			"word": func(n strict.Node) { n.One(&word, "red", "green") },
			"flag": func(n strict.Node) { n.Bool(&flag) },
			"inner": func(n strict.Node) {
				n.Object(map[string]func(strict.Node){"text": func(n strict.Node) { n.Text("a text") }})
			},
		})
	}
	var out []string
	for _, p := range r.Done() {
		out = append(out, p.String())
	}
	return out
}

func TestParse(t *testing.T) {
	for text, want := range map[string][]string{
		"text: 18.10\nlist: [1.20, 0x1, yes]\nflag: true\nword: red\n": nil,
		"\ufefftext: a\n":                    nil,
		"%YAML 1.2\n---\ntext: a\n":          nil,
		"---\ntext: a\n...\n":                nil,
		"# a comment\ntext: a # b\n":         nil,
		"text: a\r\nword: red\r\n":           nil,
		"? text\n: a\n":                      nil,
		"\"text\": a\n'word': red\n":         nil,
		"text: a\ntext: b\nwrd: red":         {`2:1: text: the key stands twice: found "text", want each key once`, `3:1: wrd: unknown key: found "wrd", want "word"`},
		"inner: {text: a, text: b}\n":        {`1:18: inner.text: the key stands twice: found "text", want each key once`},
		"inner:\n  other: 1\n":               {`2:3: inner.other: unknown key: found "other", want one of text`},
		"text:\n":                            {"1:1: text: not a text: found nothing, want a text"},
		"text: [a]\nflag: yes\n":             {"1:7: text: not a text: found a list, want a text", `2:7: flag: not a boolean: found "yes", want true or false`},
		"word: blue\n":                       {`1:7: word: not an accepted value: found "blue", want one of red, green`},
		"list: [a, {b: c}]\n":                {"1:12: list[1]: not a text: found a mapping, want a text"},
		"text: !!str a\n":                    {`1:7: tags are not accepted: found "!!str", want the value alone`},
		"text: &a b\nlist: [*a]\n":           {"1:7: aliases are not accepted: found an alias or anchor, want the values written out"},
		"inner:\n  <<: {text: a}\n":          {"2:3: inner: merge keys are not accepted: found <<, want the keys written out"},
		"[a]: b\n":                           {"1:1: not a key: found a list, want the keys flag, inner, list, text, word"},
		"text: a\n---\ntext: b\n":            {"3:1: several documents: found a second document, want one document"},
		"":                                   {"1:1: nothing is there: found an empty file, want a mapping"},
		"text: a\nword: \xff\n":              {"2:7: not a text: found byte 0xff, want UTF-8"},
		"text: \x00\n":                       {"1:7: not a text: found byte 0x00, want UTF-8"},
		"text: a: b\n":                       {`1:7: not YAML: mapping value is not allowed in this context: found "a", want quotes around a text that contains a colon and a space`},
		"text: " + strings.Repeat("x", 2001): {"1:7: text: too long: found 2001 characters, want at most 2000"},
	} {
		if got := read(text); !slices.Equal(got, want) {
			t.Errorf("%.60q:\ngot  %q\nwant %q", text, got, want)
		}
	}
}

// TestMissing puts the place of a missing key where the mapping begins: at its own key.
func TestMissing(t *testing.T) {
	root, r := strict.Parse([]byte("inner:\n  text: a\n"))
	root.Object(map[string]func(strict.Node){"inner": func(n strict.Node) { n.Missing("word", "word: red") }})
	if got := fmt.Sprint(r.Done()); got != "[1:1: inner: the key word is missing, want word: red]" {
		t.Error(got)
	}
}

// TestHostile holds documents that are made to be expensive against a generous limit of time.
func TestHostile(t *testing.T) {
	var keys strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&keys, "k%d: 1\n", i)
	}
	for name, text := range map[string]string{
		"unknown keys":   keys.String(),
		"brackets":       "text: " + strings.Repeat("[", 100000),
		"explicit keys":  strings.Repeat("? ", 100000),
		"nested entries": strings.Repeat("- ", 100000),
		"colons":         strings.Repeat("a: ", 80000),
		"tags":           strings.Repeat("!a ", 80000),
		"anchors":        strings.Repeat("&a ", 80000),
		"an open quote":  "text: \"" + strings.Repeat("a\n", 100000),
		"too large":      strings.Repeat("#", 300<<10),
	} {
		begin := time.Now()
		got := read(text)
		if len(got) == 0 || len(got) > 201 {
			t.Errorf("%s: %d problems", name, len(got))
		}
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("text: a\nlist: [1, 2]\n")
	f.Add("? [a]: b\n- c")
	f.Add("text: !!binary aGk=\ninner: *x")
	f.Fuzz(func(t *testing.T, text string) {
		for _, p := range read(text) {
			if strings.HasPrefix(p, "0:") {
				t.Errorf("a problem without a place: %s", p)
			}
		}
	})
}
