package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestWhatIf runs the example of docs/scenarios.md as a reader would, and holds that it is as short as it says.
func TestWhatIf(t *testing.T) {
	m := regexp.MustCompile("(?s)## Your own what-if in twelve lines\n.*?```yaml\n(.*?)```").FindStringSubmatch(read(t, "docs/scenarios.md"))
	if m == nil || strings.Count(m[1], "\n") != 12 {
		t.Fatalf("no example of twelve lines: %q", m)
	}
	path := filepath.Join(t.TempDir(), "whatif.yml")
	if err := os.WriteFile(path, []byte(m[1]), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, code := relbot(t, "simulate", path)
	for _, want := range []string{"#1 Waiting: ", "#2 Passed: ", "#2 Blocked: ", "gate-cut-without"} {
		if !strings.Contains(out, want) {
			t.Errorf("without %q: %s", want, out)
		}
	}
	if code != exitFine || strings.Count(out, "#1 Waiting: ") != 1 {
		t.Errorf("exit %d: %s %s", code, out, errs)
	}
}

// TestScenarioWithALongPolicy: a policy is pasted whole. With nothing open nothing is judged, which is said.
func TestScenarioWithALongPolicy(t *testing.T) {
	policy := "  version: 1\n"
	for len(policy) < 4000 {
		policy += "  # a comment that a real policy has, too\n"
	}
	path := filepath.Join(t.TempDir(), "long.yml")
	if err := os.WriteFile(path, []byte("policy: |\n"+policy+"steps:\n  - do: [advance: 1h]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, errs, code := relbot(t, "simulate", path); code != exitFine || !strings.Contains(out, "nothing is open: nothing was judged") {
		t.Errorf("exit %d: %s %s", code, out, errs)
	}
}

// TestIndex holds that the index of the documentation, to which README leads, names every document.
func TestIndex(t *testing.T) {
	index := read(t, "docs/README.md")
	for path := range texts(t, "docs") {
		if name := filepath.Base(path); filepath.Dir(path) == "docs" && name != "README.md" && !strings.Contains(index, "]("+name+")") {
			t.Errorf("docs/README.md does not name %s", name)
		}
	}
	if !strings.Contains(read(t, "README.md"), "](docs/README.md)") {
		t.Error("README does not lead to the index of the documentation")
	}
}
