package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/relbot/relbot/internal/gitrepo/gittest"
)

// tree is a clone that is made with real git.
// clone has a gate that is off by one, and a change that was picked to a release line.
func clone(t *testing.T) string {
	t.Helper()
	r := gittest.New(t)
	r.Write(".github/relbot.yml", `version: 1
releases: {dev_version: [{path: VERSION, pattern: "(?P<version>\\S+)"}], tags: "v{version}", branches: "release-{major}.{minor}"}
gates:
  image: {find: {path: gate.rs, symbol: "V\\d+_\\d+_\\d+"}, evidence: {path: Dockerfile, pattern: "(?m)^FROM distroless$"}}
`)
	r.Write("VERSION", "1.1.0-dev.0\n")
	r.Write("Dockerfile", "FROM debian\n")
	r.Write("gate.rs", "const V1_3_0: Version = Version::new(1, 3, 0);\n")
	r.Commit("begin")
	r.Git("tag", "v1.1.0")
	r.Git("branch", "release-1.1")
	r.Write("VERSION", "1.2.0-dev.0\n")
	r.Write("Dockerfile", "FROM distroless\n")
	r.Commit("distroless image (#7)")
	r.Git("tag", "v1.2.0-rc.1")
	r.Git("tag", "-a", "-m", "1.2.0", "v1.2.0")
	r.Write("fix.txt", "fixed\n")
	fix := r.Commit("fix a crash (#8)")
	r.Write("VERSION", "1.3.0-dev.0\n")
	r.Commit("bump")
	r.Git("tag", "v1.3.0")
	r.Write("VERSION", "1.4.0-dev.0\n")
	r.Commit("bump")
	r.Git("checkout", "-q", "release-1.1")
	r.Git("cherry-pick", "-x", fix)
	r.Git("tag", "v1.1.1")
	r.Git("checkout", "-q", "main")
	return r.Dir
}

func relbot(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, &out, &errs)
	return out.String(), errs.String(), code
}

func TestHistoryOfAGate(t *testing.T) {
	out, errs, code := relbot(t, "history", clone(t), "--gate", "image", "--format", "json")
	if code != exitBlocked {
		t.Fatalf("exit %d: %s %s", code, out, errs)
	}
	var a historyAnswer
	if err := json.Unmarshal([]byte(out), &a); err != nil {
		t.Fatal(err)
	}
	if deref(a.First) != "1.2.0" || deref(a.Value) != "1.3.0" || a.Reasons[0].Code != "gate-shipped-earlier" || deref(a.Interval.After) != "1.1.1" || deref(a.Interval.UpTo) != "1.2.0-rc.1" {
		t.Errorf("got %s", out)
	}
	if len(a.Releases) != 4 || a.Releases[0].Tag != "v1.1.0" || *a.Releases[0].Has || !*a.Releases[2].Has {
		t.Errorf("releases %s", out)
	}
}

func TestHistoryOfAPickedChange(t *testing.T) {
	dir := clone(t)
	out, errs, code := relbot(t, "history", dir, "--pr", "8", "--format", "json")
	if code != exitFine || !strings.Contains(out, `"first_ship": "1.1.1"`) || !strings.Contains(out, "cherry-pick trailer") || !strings.Contains(out, `"pr": "#8"`) {
		t.Errorf("exit %d: %s %s", code, out, errs)
	}
	out, _, _ = relbot(t, "history", dir, "--pr", "7")
	if !strings.Contains(out, "first ship: 1.2.0") || !strings.Contains(out, "ancestry") {
		t.Errorf("got %s", out)
	}
	if out, _, code = relbot(t, "history", dir, "--pr", "7", "--format", "svg"); code != exitFine || !strings.HasPrefix(out, "<svg") {
		t.Errorf("svg: exit %d: %.80s", code, out)
	}
	if _, errs, code = relbot(t, "history", dir, "--pr", "99"); code != exitUnknown || !strings.Contains(errs, "#99") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

func TestScan(t *testing.T) {
	dir := clone(t)
	out, _, code := relbot(t, "scan", dir, "--format", "json")
	if code != exitFine || !strings.Contains(out, `"value": "1.3.0"`) || !strings.Contains(out, `"id": "image"`) {
		t.Errorf("exit %d: %s", code, out)
	}
	if out, _, code = relbot(t, "scan", dir, "--format", "sarif"); code != exitFine || !strings.Contains(out, `"version": "2.1.0"`) {
		t.Errorf("exit %d: %s", code, out)
	}
	if err := os.Remove(filepath.Join(dir, "gate.rs")); err != nil {
		t.Fatal(err)
	}
	if out, _, code = relbot(t, "scan", dir); code != exitBlocked || !strings.Contains(out, "gate-missing") {
		t.Errorf("exit %d: %s", code, out)
	}
	if _, errs, code := relbot(t, "scan", t.TempDir()); code != exitUsage || !strings.Contains(errs, "no policy") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

func TestConfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relbot.yml")
	if err := os.WriteFile(path, []byte("version: 1\ncouplngs: {}\nchekc: {}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, errs, code := relbot(t, "config", "validate", path)
	if code != exitUsage || !strings.Contains(errs, ":2:1: couplngs") || !strings.Contains(errs, `want "check"`) {
		t.Errorf("exit %d: %s", code, errs)
	}
	if out, _, code := relbot(t, "config", "schema"); code != exitFine || !json.Valid([]byte(out)) {
		t.Errorf("exit %d", code)
	}
}

// windowed has a flag that existed from 1.2 up to 1.4, and two gates that say so; the upper one is a release late.
func windowed(t *testing.T) gittest.Tree {
	t.Helper()
	r := gittest.New(t)
	r.Write(".github/relbot.yml", `version: 1
releases: {dev_version: [{path: VERSION, pattern: "(?P<version>\\S+)"}], tags: "v{version}", supported: 3}
gates:
  flag-from: {find: {path: gates.rs, symbol: V1_2_0}, evidence: {path: flags, pattern: --old-flag}}
  flag-until: {find: {path: gates.rs, symbol: V1_5_0}, relation: removed-in, evidence: {path: flags, pattern: --old-flag}}
  coming: {find: {path: new.rs, symbol: SINCE}}
`)
	r.Write("gates.rs", "// The flag came with this release.\nconst V1_2_0: Version = Version::new(1, 2, 0);\n/// Two releases later than V1_2_0 it was gone.\nconst V1_5_0: Version = Version::new(1, 5, 0);\n")
	r.Write("new.rs", "const SINCE: &str = \"CURRENT_RUSTC_VERSION\";\n")
	for minor := range 6 {
		r.Write("VERSION", fmt.Sprintf("1.%d.0\n", minor))
		r.Write("flags", map[bool]string{true: "--old-flag\n", false: "--other\n"}[minor >= 2 && minor < 4])
		r.Commit("release")
		r.Git("tag", fmt.Sprintf("v1.%d.0", minor))
	}
	r.Write("VERSION", "1.6.0-dev.0\n")
	r.Commit("bump")
	return r
}

func TestWindowOfTwoGates(t *testing.T) {
	r := windowed(t)
	out, errs, code := relbot(t, "history", r.Dir, "--gate", "flag-from")
	if code != exitFine || !strings.Contains(out, "first ship: 1.2.0") || !strings.Contains(out, "the gate says 1.2.0: pass") {
		t.Errorf("exit %d: %s %s", code, out, errs)
	}
	out, errs, code = relbot(t, "history", r.Dir, "--gate", "flag-until", "--format", "json")
	if code != exitBlocked || !strings.Contains(out, `"first_ship": "1.4.0"`) || !strings.Contains(out, "gate-shipped-earlier") {
		t.Errorf("exit %d: %s %s", code, out, errs)
	}
	if out, _, code = relbot(t, "history", r.Dir, "--gate", "coming"); code != exitUsage {
		t.Errorf("a gate without evidence and coupling: exit %d: %s", code, out)
	}
}

func TestScanAnomalies(t *testing.T) {
	r := windowed(t)
	out, errs, code := relbot(t, "scan", r.Dir)
	for _, want := range []string{
		"gates.rs:2:7: V1_2_0 = 1.2.0 (rust-const) gate flag-from",
		"removable: every supported release, from 1.3.0 on, is past it",
		"comment-distance: the comment in line 3 says 2 between V1_5_0 and V1_2_0, there are 3: 1.5.0 and 1.2.0",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s%s", want, out, errs)
		}
	}
	if code != exitFine || strings.Contains(out, "placeholder") {
		t.Errorf("on main a placeholder is fine: exit %d: %s", code, out)
	}
	r.Git("checkout", "-q", "v1.5.0")
	if out, _, code = relbot(t, "scan", r.Dir); code != exitBlocked || !strings.Contains(out, "gate-unparsable: the release v1.5.0 still has the placeholder \"CURRENT_RUSTC_VERSION\"") {
		t.Errorf("in a release a placeholder is an error: exit %d: %s", code, out)
	}
}

func TestScanSince(t *testing.T) {
	r := gittest.New(t)
	r.Write(".gitignore", "built/\n")
	r.Write("a.go", "const MinVersion = \"1.2.0\"\n")
	first := r.Commit("begin")
	r.Write("b.go", "const MinVersion = \"1.3.0\"\n")
	r.Write("built/c.go", "const MinVersion = \"1.4.0\"\n")
	out, _, code := relbot(t, "scan", r.Dir, "--discover")
	if code != exitFine || !strings.Contains(out, "a.go:1:7") || !strings.Contains(out, "b.go:1:7") || strings.Contains(out, "built") {
		t.Errorf("exit %d: %s", code, out)
	}
	r.Commit("more")
	if out, _, code = relbot(t, "scan", r.Dir, "--discover", "--since", first); code != exitFine || strings.Contains(out, "a.go") || !strings.Contains(out, "b.go:1:7") {
		t.Errorf("exit %d: %s", code, out)
	}
}

// TestHistoryWithoutAPolicy: where a pull request shipped is determined by a draft, which is said; a gate needs a policy.
func TestHistoryWithoutAPolicy(t *testing.T) {
	r := gittest.New(t)
	r.Write("VERSION", "1.1.0-dev\n")
	r.Commit("start")
	r.Git("tag", "v1.0.0")
	r.Write("x", "x")
	r.Commit("A change (#7)")
	r.Git("tag", "v1.1.0-rc.1")
	for _, from := range []string{r.Dir, "file://" + r.Dir} {
		t.Setenv("XDG_CACHE_HOME", t.TempDir())
		out, errs, code := relbot(t, "history", from, "--pr", "7")
		if code != exitFine || !strings.Contains(out, "first ship: 1.1.0\n") || !strings.Contains(errs, "this is by the draft that `relbot config init` would write") {
			t.Errorf("%s: exit %d: %s %s", from, code, out, errs)
		}
		if _, errs, code := relbot(t, "history", from, "--gate", "g"); code != exitUsage || !strings.Contains(errs, "`relbot config init` writes a first one") {
			t.Errorf("%s: exit %d: %s", from, code, errs)
		}
	}
	if _, err := os.Stat(filepath.Join(r.Dir, ".github")); err == nil {
		t.Error("the draft was written")
	}
}
