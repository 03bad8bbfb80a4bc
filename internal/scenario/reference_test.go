package scenario

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/scenarios.md")

// TestReference holds docs/scenarios.md against the decoder; make generate writes it.
func TestReference(t *testing.T) {
	const path = "../../docs/scenarios.md"
	want := Reference()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != want {
		t.Errorf("%s is not what the decoder accepts: run make generate (%v)", path, err)
	}
}

// TestEveryKeyIsDescribed holds that each key of a scenario file has a meaning, and that the decoder was really asked.
func TestEveryKeyIsDescribed(t *testing.T) {
	found := map[string]Key{}
	for _, k := range Keys() {
		found[k.Path] = k
		if k.Meaning == "" || k.Accepts == "" {
			t.Errorf("meaning.go does not say what %s means (it accepts %q)", k.Path, k.Accepts)
		}
	}
	for path := range meanings {
		if _, ok := found[path]; !ok && strings.Contains(path, ".") {
			t.Errorf("meaning.go describes %s, which is no key", path)
		}
	}
	for path, accepts := range map[string]string{
		"given.tags[].off_branch":               "true or false",
		"do.close":                              `12, "#12" or owner/repo#12, or these keys`,
		"do.merge.method":                       "one of squash, merge, rebase",
		"do.advance":                            "a duration such as 10m, 6h or 2d",
		"expect.checks.NAME.verdict":            "one of pass, wait, block, unknown",
		"expect.checks.NAME.annotations[].line": "a number",
	} {
		if k, ok := found[path]; !ok || k.Accepts != accepts {
			t.Errorf("%s: found %v, accepts %q, want %q", path, ok, k.Accepts, accepts)
		}
	}
	for path := range found {
		if strings.Contains(path, strange) {
			t.Errorf("%s is no key", path)
		}
	}
}
