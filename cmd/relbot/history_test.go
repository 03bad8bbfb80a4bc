package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// clone makes a repository with real git: a gate that is off by one, and a change that was picked to a release line.
func clone(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	write := func(path, text string) {
		t.Helper()
		full := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	commit := func(message string) string {
		git("add", "-A")
		git("commit", "-q", "-m", message)
		return git("rev-parse", "HEAD")
	}
	git("init", "-q", "-b", "main")
	write(".github/relbot.yml", `version: 1
releases: {dev_version: [{path: VERSION, pattern: "(?P<version>\\S+)"}], tags: "v{version}", branches: "release-{major}.{minor}"}
gates:
  image: {find: {path: gate.rs, symbol: "V\\d+_\\d+_\\d+"}, evidence: {path: Dockerfile, pattern: "(?m)^FROM distroless$"}}
`)
	write("VERSION", "1.1.0-dev.0\n")
	write("Dockerfile", "FROM debian\n")
	write("gate.rs", "const V1_3_0: Version = Version::new(1, 3, 0);\n")
	commit("begin")
	git("tag", "v1.1.0")
	git("branch", "release-1.1")
	write("VERSION", "1.2.0-dev.0\n")
	write("Dockerfile", "FROM distroless\n")
	commit("distroless image (#7)")
	git("tag", "v1.2.0-rc.1")
	git("tag", "-a", "-m", "1.2.0", "v1.2.0")
	write("fix.txt", "fixed\n")
	fix := commit("fix a crash (#8)")
	write("VERSION", "1.3.0-dev.0\n")
	commit("bump")
	git("tag", "v1.3.0")
	write("VERSION", "1.4.0-dev.0\n")
	commit("bump")
	git("checkout", "-q", "release-1.1")
	git("cherry-pick", "-x", fix)
	git("tag", "v1.1.1")
	git("checkout", "-q", "main")
	return dir
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
