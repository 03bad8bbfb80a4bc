package main

import (
	"flag"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/relbot/relbot/internal/command"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/policy"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/settings"
)

var update = flag.Bool("update", false, "write the generated tables")

// tables are the parts of the documentation that come from the code.
var tables = map[string]func() string{
	"commands": func() string {
		var b strings.Builder
		b.WriteString("| command | who | does |\n|---|---|---|\n")
		for _, c := range command.Table {
			who := "anyone who can comment"
			if c.Right != command.Anybody {
				who = rules.DefaultPermissions.Role(string(c.Right))
			}
			fmt.Fprintf(&b, "| `/relbot %s` | %s | %s |\n", strings.ReplaceAll(c.Usage, "|", `\|`), who, c.Summary)
		}
		b.WriteString("\nThe roles are defaults; the policy's `permissions` set them. Ending a coupling while a member is blocked needs the role of `override`, unless `permissions.end` says otherwise.\n\nOther names:\n\n")
		for _, c := range command.Table {
			if len(c.Names) > 0 {
				fmt.Fprintf(&b, "- `%s`: `%s`\n", c.Name, strings.Join(c.Names, "`, `"))
			}
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
	"metrics": func() string {
		var b strings.Builder
		b.WriteString("| metric | labels | meaning |\n|---|---|---|\n")
		for _, m := range metrics() {
			labels := ""
			if len(m.Labels) > 0 {
				labels = "`" + strings.Join(m.Labels, "`, `") + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", m.Name, labels, m.Help)
		}
		return b.String()
	},
	"values":    values,
	"packages":  packages,
	"work":      tableIn("internal/work", 5),
	"documents": tableIn("internal/memory", 3),
	"readiness": tableIn("internal/memory", 4),
	"note":      statesOfNote,
	"action":    func() string { return actionLine(published) },
	"install":   func() string { return installLines(published) },
}

var generated = regexp.MustCompile(`(?s)<!-- generated: (\w+) -->\n(.*?)<!-- end generated -->`)

// documents hold generated tables, each of them once in one of these.
var documents = []string{"../../README.md", "../../docs/operating.md", "../../docs/action.md", "../../deploy/chart/README.md", "../../docs/architecture.md", "../../CONTRIBUTING.md"}

// files are documents that come from the code as a whole.
var files = map[string]func() string{
	"../../docs/policy.md":          policy.Reference,
	"../../docs/policy.schema.json": func() string { return string(policy.Schema()) },
	"../../docs/reasons.md":         reasons,
	"../../docs/cookbook.md":        cookbook,
}

// TestGeneratedFiles holds the generated documents against the code; -update writes them.
func TestGeneratedFiles(t *testing.T) {
	for path, make := range files {
		hold(t, path, func(string) string { return make() })
	}
}

// TestGenerated holds the generated tables against the code; -update writes them.
func TestGenerated(t *testing.T) {
	seen := map[string]int{}
	for _, path := range documents {
		hold(t, path, func(text string) string {
			return generated.ReplaceAllStringFunc(text, func(part string) string {
				name := generated.FindStringSubmatch(part)[1]
				make, ok := tables[name]
				if !ok {
					t.Errorf("%s: no table %q", path, name)
					return part
				}
				seen[name]++
				return "<!-- generated: " + name + " -->\n" + make() + "<!-- end generated -->"
			})
		})
	}
	for name := range tables {
		if seen[name] != 1 {
			t.Errorf("the table %q is in %d documents", name, seen[name])
		}
	}
}

// hold compares a file with what is made of its text, or writes that.
func hold(t *testing.T, path string, make func(text string) string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !*update {
		t.Fatal(err)
	}
	want := make(string(text))
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Errorf("%s is not what the code says: run make generate", path)
	}
}

// packageComment returns the comment of a package, by its directory below the root.
func packageComment(dir string) string {
	files, err := filepath.Glob(filepath.Join("../..", dir, "*.go"))
	if err != nil {
		panic(err) // the pattern is well formed
	}
	for _, path := range files {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			panic(err)
		}
		if f.Doc != nil {
			return f.Doc.Text()
		}
	}
	return ""
}

// packages lists the packages with the first sentence of their comments.
func packages() string {
	var b strings.Builder
	b.WriteString("| package | what it does |\n|---|---|\n")
	_ = fs.WalkDir(os.DirFS("../.."), "internal", func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || d.Name() == "testdata" {
			return err
		}
		sentence, _, _ := strings.Cut(strings.Join(strings.Fields(packageComment(dir)), " ")+" ", ". ")
		if does, ok := strings.CutPrefix(sentence, "Package "+path.Base(dir)+" "); ok {
			fmt.Fprintf(&b, "| `%s` | %s |\n", dir, strings.NewReplacer("[", "", "]", "").Replace(strings.TrimRight(does, ". ")))
		}
		return nil
	})
	return b.String()
}

// tableIn makes a table of the one in the comment of a package that has so many columns.
func tableIn(pkg string, columns int) func() string {
	return func() string {
		var b strings.Builder
		for line := range strings.Lines(packageComment(pkg)) {
			cells := strings.Split(line, "|")
			if len(cells) != columns {
				continue
			}
			heading := b.Len() == 0
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
			if heading {
				b.WriteString("|" + strings.Repeat("---|", columns) + "\n")
			}
		}
		return b.String()
	}
}

// statesOfNote draws the arrows in the comment of package publish.
func statesOfNote() string {
	var b strings.Builder
	b.WriteString("```mermaid\nstateDiagram-v2\n    [*] --> absent\n")
	for _, arrow := range regexp.MustCompile(`(?m)^\t(\w+) +→ (\w+) +(.+)$`).FindAllStringSubmatch(packageComment("internal/publish"), -1) {
		fmt.Fprintf(&b, "    %s --> %s: %s\n", arrow[1], arrow[2], strings.ReplaceAll(arrow[3], ";", ","))
	}
	b.WriteString("```\n")
	return b.String()
}

// reasons documents every reason code with an example.
func reasons() string {
	var b strings.Builder
	b.WriteString(`# Reason codes

Every verdict carries at least one of these codes; they stand in checks, notes, reports and the output of ` + "`relbot check --format json`" + `. They are stable: a
code may be added, and none changes its meaning. Written by ` + "`make generate`" + `; the examples are texts that relbot writes, here for a reader in ` + "`acme/app`" + `.

| verdict | what it does |
|---|---|
| pass | the check succeeds |
| wait | the check is in progress: auto-merge goes on when what is waited for lands |
| block | the check fails |
| unknown | something could not be read: a pass stands for ten minutes, then the check fails |
| warning | shown next to a verdict, and changes none |
| alarm | it went wrong after a merge: shown on every open member until it is fixed |

`)
	b.WriteString("| code | verdict | when |\n|---|---|---|\n")
	for _, c := range note.Codes() {
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s | %s |\n", c.Code, c.Code, c.Verdict, strings.ReplaceAll(c.When, "|", `\|`))
	}
	for _, c := range note.Codes() {
		fmt.Fprintf(&b, "\n## %s\n\n%s: %s.\n\n> %s\n", c.Code, c.Verdict, c.When, c.Example)
		if c.Remedy != "" {
			fmt.Fprintf(&b, "\nWhat to do: %s\n", c.Remedy)
		}
	}
	return b.String()
}
