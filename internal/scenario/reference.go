package scenario

import (
	_ "embed"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/relbot/relbot/internal/strict"
)

// introduction is what the reference says before its tables.
//
//go:embed reference.md
var introduction string

// Key is a key that scenario files may have, found by asking the decoder.
type Key struct {
	Path    string // "given.tags[].name", "do.open.pr", "expect.checks.NAME.says"
	Accepts string
	Meaning string // "" when [meanings] has none
}

// Keys lists every key that the decoder accepts, with what it takes. It asks the decoder itself, with a word that it cannot know: so a key that
// is added there is in the list.
func Keys() []Key { return below("", "%s") }

// strange is a word that means nothing anywhere.
const strange = "zzqqzzqq"

// probe returns what the decoder says of a document with a value in it.
func probe(document, value string) []strict.Problem {
	_, problems := Parse("", []byte(fmt.Sprintf(document, value)), func(string) ([]byte, error) { return nil, os.ErrNotExist })
	return slices.DeleteFunc(problems, func(p strict.Problem) bool { return strings.Contains(p.Message, " is missing") })
}

// listed returns the words of an answer such as "one of a, b".
func listed(problems []strict.Problem) []string {
	for _, p := range problems {
		if words, ok := strings.CutPrefix(p.Want, "one of "); ok && strings.HasPrefix(p.Message, "unknown ") {
			return strings.FieldsFunc(words, func(r rune) bool { return r == ',' || r == ' ' })
		}
	}
	return nil
}

// sections are parts of the file with a table of their own.
var sections = strings.NewReplacer("steps[].do[].", "do.", "steps[].expect.", "expect.")

// below lists the keys that a place of a document may have, and those below them.
func below(path, document string) []Key {
	var out []Key
	for _, shape := range []struct{ step, value string }{{"", "%s"}, {"[]", "[%s]"}, {".NAME", "{1: %s}"}, {".NAME", "{a/b: %s}"}} {
		place := fmt.Sprintf(document, shape.value)
		for _, name := range listed(probe(place, "{"+strange+": 1}")) {
			key := sections.Replace(strings.TrimPrefix(path+shape.step+"."+name, "."))
			value := fmt.Sprintf(place, "{"+name+": %s}")
			out = append(out, Key{key, accepts(value), meaning(key)})
			if key != "repos" { // its keys are those of given
				out = append(out, below(key, value)...)
			}
		}
		if len(out) > 0 {
			break
		}
	}
	return out
}

// accepts says in the decoder's words what a place takes.
func accepts(document string) string {
	first := func(problems []strict.Problem) string {
		if len(problems) == 0 {
			return ""
		}
		return problems[0].Want
	}
	word, mapping := first(probe(document, strange)), probe(document, "{"+strange+": {}}")
	switch {
	case strings.HasPrefix(word, "the keys "):
		return "these keys"
	case word != "" && listed(mapping) != nil:
		return word + ", or these keys"
	case word != "":
		return word
	case listed(mapping) != nil:
		return "a text, or these keys"
	default:
		return first(mapping)
	}
}

// meaning finds what a key means: by its whole path, or by its name where that means the same everywhere.
func meaning(path string) string {
	if text, ok := meanings[path]; ok {
		return text
	}
	return meanings[path[strings.LastIndex(path, ".")+1:]]
}

// Reference describes every key of scenario files in Markdown.
func Reference() string {
	var b strings.Builder
	b.WriteString(introduction)
	keys := Keys()
	for _, section := range []struct{ heading, prefix, note string }{
		{"Top level", "", ""},
		{"Actions", "do.", "An entry of `do` is one action, with its fields as below; where a value is accepted, `- close: 1` is short for `- close: {pr: 1}`.\n\n"},
		{"Expectations", "expect.", "Each is optional. NAME is a pull request, a coupling, a branch, or the name of a comment.\n\n"},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n%s| key | accepted | meaning |\n|---|---|---|\n", section.heading, section.note)
		for _, k := range keys {
			name, ok := strings.CutPrefix(k.Path, section.prefix)
			if ok && (section.prefix != "" || !strings.HasPrefix(k.Path, "do.") && !strings.HasPrefix(k.Path, "expect.")) {
				fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, cell(k.Accepts), cell(k.Meaning))
			}
		}
	}
	return b.String()
}

func cell(text string) string { return strings.NewReplacer("|", `\|`, "<", `\<`).Replace(text) }
