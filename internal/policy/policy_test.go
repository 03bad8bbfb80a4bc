package policy_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // time zones, also where the system has none

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/relbot/relbot/internal/policy"
	"github.com/relbot/relbot/internal/rules"
)

var update = flag.Bool("update", false, "write the answers of the cases")

// TestCases holds each case of testdata against its answer: the policy, or every problem; and whether the schema accepts the text. What the
// parser accepts the schema accepts too.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	s := theSchema(t)
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil || len(archive.Files) != 2 {
				t.Fatal(err, "want relbot.yml and want")
			}
			text, want := archive.Files[0].Data, &archive.Files[1]
			got := answer(t, s, text)
			if *update {
				want.Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got != string(want.Data) {
				t.Errorf("%s\ngot\n%swant\n%s(go test -update writes it)", archive.Comment, got, want.Data)
			}
		})
	}
}

func answer(t *testing.T, s schema, text []byte) string {
	var b strings.Builder
	p, problems := policy.Parse("acme/app", text)
	if p != nil {
		data, err := json.MarshalIndent(p, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(data, '\n'))
	}
	for _, q := range problems {
		fmt.Fprintf(&b, "%s %s\n", q.Code, q)
	}
	if v, err := document(text); err == nil {
		ok := accepts(t, s, v)
		if p != nil && !ok {
			t.Error("the schema rejects a text that the parser accepts")
		}
		b.WriteString(map[bool]string{true: "the schema accepts it\n", false: "the schema rejects it\n"}[ok])
	}
	return b.String()
}

func TestDefaults(t *testing.T) {
	p, problems := policy.Parse("acme/app", []byte("version: 1\n"))
	if len(problems) > 0 || p.Check != rules.DefaultCheck || p.Permissions != rules.DefaultPermissions || p.Releases != nil || !slices.Equal(p.Report.Labels, rules.DefaultReport.Labels) {
		t.Errorf("got %+v %v", p, problems)
	}
}

// TestForms holds ways to write a text that a case in a file cannot show.
func TestForms(t *testing.T) {
	for text, want := range map[string]string{
		"\ufeffversion: 1\n":                                             "",
		"version: 1\r\ncheck:\r\n  az: x\r\n":                            `3:3: check.az: unknown key: found "az", want "as"`,
		"version: 1\n\nnull: \x00\n":                                     "3:7: not a text: found byte 0x00, want UTF-8 without control characters",
		"version: 1\ncheck: {name: \xff}\n":                              "2:15: not a text: found byte 0xff, want UTF-8 without control characters",
		"version: 1\ntitle: " + strings.Repeat("[", 100):                 "1:1: the file is nested too deeply, want at most 40 levels",
		strings.Repeat("#", 300<<10):                                     "1:1: the file is too large: found 307200 bytes, want at most 262144",
		"version: 1\ncheck: {name: " + strings.Repeat("n", 3000) + "}\n": "2:15: check.name: too long: found 3000 characters, want at most 2000",
	} {
		_, problems := policy.Parse("acme/app", []byte(text))
		var got []string
		for _, p := range problems {
			got = append(got, p.String())
		}
		if joined := strings.Join(got, "; "); joined != want {
			t.Errorf("%.40q:\ngot  %s\nwant %s", text, joined, want)
		}
	}
}

func TestCycle(t *testing.T) {
	_, problems := policy.Parse("acme/app", []byte(`version: 1
couplings:
  one: {members: {a: {pr: 1}, b: {pr: 2}}, order: [a before b]}
  two: {members: {x: {pr: 2}, y: {pr: 1}}, order: [x before y]}
`))
	if len(problems) != 1 || problems[0].Code != string(rules.OrderCycle) || problems[0].Line != 4 || !slices.Equal(problems[0].Cycle, []string{"y", "x", "y"}) {
		t.Errorf("got %+v", problems)
	}
}

// TestHostile holds texts that are made to be expensive against a generous limit of time.
func TestHostile(t *testing.T) {
	edges := "version: 1\ncouplings:\n  set:\n    members: {" + numbered(100, "m%d: {pr: %[1]d1}, ") + "}\n    order:\n"
	for i := range 100 {
		for j := range 100 {
			if i < j {
				edges += fmt.Sprintf("      - m%d before m%d\n", i, j)
			}
		}
	}
	for name, text := range map[string]string{
		"unknown keys":   numbered(8000, "k%d: 1\n"),
		"brackets":       "version: " + strings.Repeat("[", 100000),
		"explicit keys":  strings.Repeat("? ", 100000),
		"nested entries": strings.Repeat("- ", 100000),
		"colons":         strings.Repeat("a: ", 80000),
		"tags":           strings.Repeat("!a ", 80000),
		"anchors":        strings.Repeat("&a ", 80000),
		"an open quote":  "version: \"" + strings.Repeat("a\n", 100000),
		"cycles":         edges + "      - m99 before m0\n",
		"couplings":      "version: 1\ncouplings: {" + numbered(4000, "c%d: {members: {a: {}}}, ") + "}\n",
	} {
		begin := time.Now()
		_, problems := policy.Parse("acme/app", []byte(text))
		if len(problems) == 0 || len(problems) > 201 {
			t.Errorf("%s: %d problems", name, len(problems))
		}
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

func numbered(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// TestSchemaDescribes holds the schema and the reference to describe every key that they have.
func TestSchemaDescribes(t *testing.T) {
	reference := policy.Reference()
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if properties, ok := v["properties"].(map[string]any); ok {
				for _, name := range slices.Sorted(maps.Keys(properties)) {
					p := properties[name].(map[string]any)
					if doc, _ := p["description"].(string); doc == "" {
						t.Errorf("%s.%s is not described", at, name)
					}
					if place := strings.TrimPrefix(at+"."+name, "."); !strings.Contains(reference, "| `"+place+"` |") {
						t.Errorf("the reference lacks %s", place)
					}
					walk(at+"."+name, p)
				}
			}
			if inner, ok := v["items"]; ok {
				walk(at+"[]", inner)
			}
			if inner, ok := v["additionalProperties"]; ok {
				walk(at+".NAME", inner)
			}
		}
	}
	walk("", map[string]any(theSchema(t)))
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(archive.Files[0].Data)
	}
	f.Add([]byte("? [a]: b\n- c"))
	f.Add([]byte("version: !!binary aGk=\ngates: *x"))
	s := theSchema(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		p, problems := policy.Parse("acme/app", text)
		if (p == nil) != (len(problems) > 0) {
			t.Errorf("a policy and problems: %v", problems)
		}
		for _, q := range problems {
			if q.Line < 1 || q.Column < 1 || q.Code == "" {
				t.Errorf("a problem without a place or a code: %+v", q)
			}
		}
		if p == nil {
			return
		}
		if v, err := document(text); err == nil && !accepts(t, s, v) {
			t.Errorf("the schema rejects a text that the parser accepts")
		}
	})
}
