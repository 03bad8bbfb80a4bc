package importtest

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestModulesAreReviewed holds the modules that are linked into the program against the list of those that somebody looked at.
func TestModulesAreReviewed(t *testing.T) {
	text, err := os.ReadFile("modules.txt")
	if err != nil {
		t.Fatal(err)
	}
	reviewed := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		module, why, ok := strings.Cut(line, " — ")
		if !ok || why == "" || len(strings.Fields(module)) != 2 {
			t.Errorf("%q: want MODULE VERSION — what it is for", line)
		}
		reviewed[module] = true
	}
	out, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if .Version}}{{.Path}} {{.Version}}{{end}}{{end}}", "../../cmd/relbot").Output()
	if err != nil {
		t.Fatal(err)
	}
	linked := strings.Fields(strings.ReplaceAll(string(out), " ", "\x00"))
	slices.Sort(linked)
	for _, module := range slices.Compact(linked) {
		module = strings.ReplaceAll(module, "\x00", " ")
		if !reviewed[module] {
			t.Errorf("%s is linked into relbot and not in internal/importtest/modules.txt: read what changed in it, above all its security notes, then add it", module)
		}
		delete(reviewed, module)
	}
	for module := range reviewed {
		t.Errorf("%s is in internal/importtest/modules.txt and not linked into relbot", module)
	}
}
