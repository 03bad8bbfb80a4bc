package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/relbot/relbot/internal/command"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/policy"
	"github.com/relbot/relbot/internal/settings"
)

var update = flag.Bool("update", false, "write the generated tables anew")

// tables are the parts of the documentation that come from the code.
var tables = map[string]func() string{
	"commands": func() string {
		var b strings.Builder
		b.WriteString("| command | who | does |\n|---|---|---|\n")
		who := map[command.Group]string{command.Anyone: "anyone who can comment", command.Link: "write", command.Hold: "write", command.Override: "maintain"}
		for _, v := range command.Verbs {
			fmt.Fprintf(&b, "| `/relbot %s` | %s | %s |\n", strings.ReplaceAll(v.Usage, "|", `\|`), who[v.Group], v.Summary)
		}
		b.WriteString("\nThe roles are defaults; the policy's `permissions` set them.\n")
		return b.String()
	},
	"codes": func() string {
		var b strings.Builder
		b.WriteString("| code | verdict | when |\n|---|---|---|\n")
		for _, c := range note.Codes() {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", c.Code, c.Verdict, strings.ReplaceAll(c.When, "|", `\|`))
		}
		return b.String()
	},
	"settings": func() string {
		var b strings.Builder
		b.WriteString("| file | environment | default | meaning |\n|---|---|---|---|\n")
		for _, s := range settings.Table {
			preset := ""
			if s.Default != "" {
				preset = "`" + s.Default + "`"
			}
			fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", s.Name, s.Env(), preset, s.Doc)
		}
		return b.String()
	},
}

var generated = regexp.MustCompile(`(?s)<!-- generated: (\w+) -->\n(.*?)<!-- end generated -->`)

// files are documents that come from the code as a whole.
var files = map[string]func() string{
	"../../docs/policy.md":          policy.Reference,
	"../../docs/policy.schema.json": func() string { return string(policy.Schema()) },
}

// TestGeneratedFiles holds the generated documents against the code; -update writes them.
func TestGeneratedFiles(t *testing.T) {
	for path, make := range files {
		want := make()
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s is not what the code says: run make generate (%v)", path, err)
		}
	}
}

// TestGenerated holds the generated tables of the README against the code; -update writes them.
func TestGenerated(t *testing.T) {
	const path = "../../README.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	fresh := generated.ReplaceAllStringFunc(string(text), func(part string) string {
		name := generated.FindStringSubmatch(part)[1]
		make, ok := tables[name]
		if !ok {
			t.Errorf("%s: no table %q", path, name)
			return part
		}
		seen++
		return "<!-- generated: " + name + " -->\n" + make() + "<!-- end generated -->"
	})
	if seen != len(tables) {
		t.Errorf("%s has %d of %d tables", path, seen, len(tables))
	}
	if *update {
		if err := os.WriteFile(path, []byte(fresh), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if fresh != string(text) {
		t.Errorf("%s is not what the code says: run make generate", path)
	}
}
