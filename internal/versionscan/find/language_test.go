package find

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/relbot/relbot/internal/versionscan"
)

// TestLanguageIsOneFile registers a language as a file of this package would, and finds its gates in every way there is.
func TestLanguageIsOneFile(t *testing.T) {
	before := len(languages)
	register(language{
		form: "nim", suffixes: ".nim .nims", also: ".nimble",
		files:    func(base string) bool { return base == "Nimfile" },
		lexer:    lexer{line: []string{"#"}, block: [][2]string{{"#[", "]#"}}, quotes: "\"", triple: true},
		forms:    map[string]string{"call": "nim-parse"},
		sigil:    "@",
		starts:   hashArrow,
		examples: []example{{name: "nim constant"}},
	})
	t.Cleanup(func() {
		languages = languages[:before]
		for _, suffix := range []string{".nim", ".nims", ".nimble"} {
			delete(bySuffix, suffix)
		}
	})
	if !slices.ContainsFunc(examples(), func(e example) bool { return e.name == "nim constant" }) {
		t.Error("its example is no test and no row of the page")
	}
	const text = "#[ minVersion = \"9.9\"\n]#\nconst @minVersion = newVersion(\"2.2.0\") # not \"2.0\"\nconst since => \"2.4\" # relbot:gate m\n"
	for path, want := range map[string]string{"a.nim": "nim-parse nim-string", "a.nims": "nim-parse nim-string", "Nimfile": "nim-parse nim-string", "a.nimble": "call string"} {
		files := map[string]versionscan.Fact[versionscan.File]{path: versionscan.Know(versionscan.File{Text: text})}
		var got []string
		for _, f := range []Finder{{Path: path, Symbol: "minVersion"}, {Path: path, Marker: "m"}} {
			found, trouble := Gate(f, "m", "", files)
			if trouble != nil {
				t.Fatalf("%s: %+v", path, trouble)
			}
			got = append(got, found.Value.Form)
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: got %s, want %s", path, s, want)
		}
	}
	var names []string
	for _, f := range Discover("a.nim", []byte(text), "") {
		names = append(names, fmt.Sprint(f.Name, " ", f.Value, " ", f.Form))
	}
	if got := strings.Join(names, ", "); got != "minVersion 2.2.0 nim-parse, since 2.4 nim-string" {
		t.Errorf("discovered %s", got)
	}
}

// TestLanguages holds what is registered: no suffix has two languages, and each language shows in an example how it writes a gate.
func TestLanguages(t *testing.T) {
	seen := map[string]bool{}
	for _, l := range languages {
		for _, suffix := range strings.Fields(l.suffixes + " " + l.also) {
			if seen[suffix] {
				t.Errorf("%s has two languages", suffix)
			}
			seen[suffix] = true
		}
		if !slices.ContainsFunc(l.examples, func(e example) bool { return languageOf(e.path) == l }) {
			t.Errorf("%s has no example", l.suffixes)
		}
	}
}
