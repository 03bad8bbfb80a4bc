package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/relbot/relbot/internal/policy"
)

// TestConfigInit drafts a policy for a clone, and never writes over one.
func TestConfigInit(t *testing.T) {
	r := newTree(t)
	r.write("Cargo.toml", "[package]\nname = \"x\"\nversion = \"1.4.0-dev.0\"\n")
	r.write("src/gate.rs", "const V1_3_0: Version = Version::new(1, 3, 0);\n")
	r.commit("begin")
	for _, tag := range []string{"v1.1.0", "v1.2.0", "v1.3.0-rc.1", "v1.3.0"} {
		r.git("tag", tag)
	}
	path := filepath.Join(r.dir, policy.Path)
	out, errs, code := relbot(t, "config", "init", r.dir)
	if code != exitFine || !strings.Contains(out, "is written") || !strings.Contains(errs, "1 constants look like version gates") {
		t.Fatalf("exit %d: %s %s", code, out, errs)
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), "- {path: Cargo.toml, toml: package.version} # 1.4.0-dev.0") {
		t.Errorf("%s %v", text, err)
	}
	if out, errs, code := relbot(t, "config", "validate", path); code != exitFine {
		t.Errorf("exit %d: %s %s", code, out, errs)
	}
	mine := "version: 1\n# mine\n"
	r.write(policy.Path, mine)
	if _, errs, code = relbot(t, "config", "init", r.dir); code != exitUsage || !strings.Contains(errs, "--force") {
		t.Errorf("exit %d: %s", code, errs)
	}
	if text, _ := os.ReadFile(path); string(text) != mine {
		t.Errorf("it was written over: %s", text)
	}
	if _, errs, code = relbot(t, "config", "init", "--force", r.dir); code != exitFine {
		t.Errorf("exit %d: %s", code, errs)
	}
	if text, _ := os.ReadFile(path); !strings.Contains(string(text), "Cargo.toml") {
		t.Errorf("it was not written over: %s", text)
	}
	if _, errs, code = relbot(t, "config", "init", t.TempDir()); code != exitUsage || !strings.Contains(errs, "drafted from a clone") {
		t.Errorf("no clone: exit %d: %s", code, errs)
	}
}
