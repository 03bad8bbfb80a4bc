package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tree is a clone that is made with real git.
type tree struct {
	*testing.T
	dir string
}

func newTree(t *testing.T) tree {
	t.Helper()
	r := tree{t, t.TempDir()}
	r.git("init", "-q", "-b", "main")
	return r
}

func (r tree) git(args ...string) string {
	r.Helper()
	cmd := exec.Command("git", append([]string{"-C", r.dir, "-c", "user.name=ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r tree) write(path, text string) {
	r.Helper()
	full := filepath.Join(r.dir, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		r.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
		r.Fatal(err)
	}
}

func (r tree) commit(message string) string {
	r.Helper()
	r.git("add", "-A")
	r.git("commit", "-q", "-m", message)
	return r.git("rev-parse", "HEAD")
}

// clone has a gate that is off by one, and a change that was picked to a release line.
func clone(t *testing.T) string {
	t.Helper()
	r := newTree(t)
	r.write(".github/relbot.yml", `version: 1
releases: {dev_version: [{path: VERSION, pattern: "(?P<version>\\S+)"}], tags: "v{version}", branches: "release-{major}.{minor}"}
gates:
  image: {find: {path: gate.rs, symbol: "V\\d+_\\d+_\\d+"}, evidence: {path: Dockerfile, pattern: "(?m)^FROM distroless$"}}
`)
	r.write("VERSION", "1.1.0-dev.0\n")
	r.write("Dockerfile", "FROM debian\n")
	r.write("gate.rs", "const V1_3_0: Version = Version::new(1, 3, 0);\n")
	r.commit("begin")
	r.git("tag", "v1.1.0")
	r.git("branch", "release-1.1")
	r.write("VERSION", "1.2.0-dev.0\n")
	r.write("Dockerfile", "FROM distroless\n")
	r.commit("distroless image (#7)")
	r.git("tag", "v1.2.0-rc.1")
	r.git("tag", "-a", "-m", "1.2.0", "v1.2.0")
	r.write("fix.txt", "fixed\n")
	fix := r.commit("fix a crash (#8)")
	r.write("VERSION", "1.3.0-dev.0\n")
	r.commit("bump")
	r.git("tag", "v1.3.0")
	r.write("VERSION", "1.4.0-dev.0\n")
	r.commit("bump")
	r.git("checkout", "-q", "release-1.1")
	r.git("cherry-pick", "-x", fix)
	r.git("tag", "v1.1.1")
	r.git("checkout", "-q", "main")
	return r.dir
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
func windowed(t *testing.T) tree {
	t.Helper()
	r := newTree(t)
	r.write(".github/relbot.yml", `version: 1
releases: {dev_version: [{path: VERSION, pattern: "(?P<version>\\S+)"}], tags: "v{version}", supported: 3}
gates:
  flag-from: {find: {path: gates.rs, symbol: V1_2_0}, evidence: {path: flags, pattern: --old-flag}}
  flag-until: {find: {path: gates.rs, symbol: V1_5_0}, relation: removed-in, evidence: {path: flags, pattern: --old-flag}}
  coming: {find: {path: new.rs, symbol: SINCE}}
`)
	r.write("gates.rs", "// The flag came with this release.\nconst V1_2_0: Version = Version::new(1, 2, 0);\n/// Two releases later than V1_2_0 it was gone.\nconst V1_5_0: Version = Version::new(1, 5, 0);\n")
	r.write("new.rs", "const SINCE: &str = \"CURRENT_RUSTC_VERSION\";\n")
	for minor := range 6 {
		r.write("VERSION", fmt.Sprintf("1.%d.0\n", minor))
		r.write("flags", map[bool]string{true: "--old-flag\n", false: "--other\n"}[minor >= 2 && minor < 4])
		r.commit("release")
		r.git("tag", fmt.Sprintf("v1.%d.0", minor))
	}
	r.write("VERSION", "1.6.0-dev.0\n")
	r.commit("bump")
	return r
}

func TestWindowOfTwoGates(t *testing.T) {
	r := windowed(t)
	out, errs, code := relbot(t, "history", r.dir, "--gate", "flag-from")
	if code != exitFine || !strings.Contains(out, "first ship: 1.2.0") || !strings.Contains(out, "the gate says 1.2.0: pass") {
		t.Errorf("exit %d: %s %s", code, out, errs)
	}
	out, errs, code = relbot(t, "history", r.dir, "--gate", "flag-until", "--format", "json")
	if code != exitBlocked || !strings.Contains(out, `"first_ship": "1.4.0"`) || !strings.Contains(out, "gate-shipped-earlier") {
		t.Errorf("exit %d: %s %s", code, out, errs)
	}
	if out, _, code = relbot(t, "history", r.dir, "--gate", "coming"); code != exitUsage {
		t.Errorf("a gate without evidence and coupling: exit %d: %s", code, out)
	}
}

func TestScanAnomalies(t *testing.T) {
	r := windowed(t)
	out, errs, code := relbot(t, "scan", r.dir)
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
	r.git("checkout", "-q", "v1.5.0")
	if out, _, code = relbot(t, "scan", r.dir); code != exitBlocked || !strings.Contains(out, "gate-unparsable: the release v1.5.0 still has the placeholder \"CURRENT_RUSTC_VERSION\"") {
		t.Errorf("in a release a placeholder is an error: exit %d: %s", code, out)
	}
}

func TestScanSince(t *testing.T) {
	r := newTree(t)
	r.write(".gitignore", "built/\n")
	r.write("a.go", "const MinVersion = \"1.2.0\"\n")
	first := r.commit("begin")
	r.write("b.go", "const MinVersion = \"1.3.0\"\n")
	r.write("built/c.go", "const MinVersion = \"1.4.0\"\n")
	out, _, code := relbot(t, "scan", r.dir, "--discover")
	if code != exitFine || !strings.Contains(out, "a.go:1:7") || !strings.Contains(out, "b.go:1:7") || strings.Contains(out, "built") {
		t.Errorf("exit %d: %s", code, out)
	}
	r.commit("more")
	if out, _, code = relbot(t, "scan", r.dir, "--discover", "--since", first); code != exitFine || strings.Contains(out, "a.go") || !strings.Contains(out, "b.go:1:7") {
		t.Errorf("exit %d: %s", code, out)
	}
}

// told is a repository whose Dockerfile, at each tag in turn, has the base image that stands behind the tag's name.
type told struct {
	releases, gate, value, dev string // of the policy; of the gate; the gate's value; the VERSION file
	tags                       []string
	then                       string // the base image after the last tag
}

func (c told) clone(t *testing.T) tree {
	t.Helper()
	r := newTree(t)
	releases := c.releases
	if releases == "" {
		releases = `tags: "v{version}"`
	}
	if !strings.Contains(releases, "dev_version") {
		releases = `dev_version: [{path: VERSION, pattern: "(?P<version>\\S+)"}], ` + releases
	}
	r.write(".github/relbot.yml", "version: 1\nreleases: {"+releases+"}\ngates:\n  image: {find: {path: gate.py, symbol: GATE}, evidence: {path: Dockerfile, pattern: \"(?m)^FROM distroless$\"}"+c.gate+"}\n")
	r.write("VERSION", c.dev+"\n")
	r.write("gate.py", "GATE = \""+c.value+"\"\n")
	for _, line := range c.tags {
		tag, base, _ := strings.Cut(line, " ")
		r.write("Dockerfile", "FROM "+base+"\n")
		r.git("add", "-A")
		r.git("commit", "-q", "--allow-empty", "-m", "release "+tag)
		r.git("tag", tag)
	}
	if c.then != "" {
		r.write("Dockerfile", "FROM "+c.then+"\n")
	}
	r.git("add", "-A")
	r.git("commit", "-q", "--allow-empty", "-m", "work")
	return r
}

func TestHistoryVerdicts(t *testing.T) {
	for what, c := range map[string]struct {
		told
		exit             int
		ship, up, reason string // first ship, the interval's upper end, the first reason
	}{
		"right":                          {told{tags: []string{"v26.17.0 debian", "v26.18.0 distroless", "v26.19.0 distroless"}, value: "26.18.0", dev: "26.20.0-dev.0"}, 0, "26.18.0", "26.18.0", ""},
		"off by one":                     {told{tags: []string{"v26.17.0 debian", "v26.18.0 distroless", "v26.19.0 distroless"}, value: "26.19.0", dev: "26.20.0-dev.0"}, 1, "26.18.0", "26.18.0", "gate-shipped-earlier"},
		"cut without":                    {told{tags: []string{"v26.17.0 debian", "v26.18.0-rc.1 debian"}, value: "26.18.0", dev: "26.18.0-dev.0"}, 1, "26.19.0", "26.19.0-dev.0", "gate-cut-without"},
		"the coming one":                 {told{tags: []string{"v26.17.0 debian"}, value: "26.18.0", dev: "26.18.0-dev.0"}, 0, "26.18.0", "26.18.0-dev.0", ""},
		"ahead":                          {told{tags: []string{"v26.17.0 debian"}, value: "26.19.0", dev: "26.18.0-dev.0"}, 1, "26.18.0", "26.18.0-dev.0", "gate-ahead"},
		"at least":                       {told{tags: []string{"v26.17.0 debian", "v26.18.0 distroless"}, value: "26.19.0", dev: "26.20.0-dev.0", gate: ", relation: at-least"}, 0, "26.18.0", "26.18.0", ""},
		"at least, too low":              {told{tags: []string{"v26.17.0 debian", "v26.18.0 distroless"}, value: "26.17.0", dev: "26.19.0-dev.0", gate: ", relation: at-least"}, 1, "26.18.0", "26.18.0", "gate-cut-without"},
		"removed":                        {told{tags: []string{"v26.17.0 distroless", "v26.18.0 debian"}, value: "26.18.0", dev: "26.19.0-dev.0", gate: ", relation: removed-in"}, 0, "26.18.0", "26.18.0", ""},
		"removed earlier than it says":   {told{tags: []string{"v26.17.0 distroless", "v26.18.0 debian"}, value: "26.19.0", dev: "26.19.0-dev.0", gate: ", relation: removed-in"}, 1, "26.18.0", "26.18.0", "gate-shipped-earlier"},
		"to be removed":                  {told{tags: []string{"v26.17.0 distroless"}, then: "distroless", value: "26.19.0", dev: "26.18.0-dev.0", gate: ", relation: removed-in"}, 0, "26.18.0", "26.18.0-dev.0", ""},
		"removal due":                    {told{tags: []string{"v26.17.0 distroless"}, then: "distroless", value: "26.18.0", dev: "26.18.0-dev.0", gate: ", relation: removed-in"}, 0, "26.18.0", "26.18.0-dev.0", "removal-due"},
		"exact, the second candidate":    {told{tags: []string{"v26.37.0 debian", "v26.38.0-rc.1 debian", "v26.38.0-rc.2 distroless"}, value: "26.38.0-rc.2", dev: "26.39.0-dev.0", gate: ", precision: exact"}, 0, "26.38.0", "26.38.0-rc.2", ""},
		"exact, main's own version":      {told{tags: []string{"v26.37.0 debian", "v26.38.0-rc.1 debian", "v26.38.0-rc.2 distroless"}, value: "26.39.0-dev.0", dev: "26.39.0-dev.0", gate: ", precision: exact"}, 1, "26.38.0", "26.38.0-rc.2", "gate-shipped-earlier"},
		"exact, without dev builds":      {told{tags: []string{"v26.17.0 debian"}, value: "26.18.0", dev: "26.18.0-dev.0", gate: ", precision: exact"}, 0, "26.18.0", "26.18.0-dev.0", "dev-builds-excluded"},
		"month":                          {told{releases: `tags: "{version}", scheme: calver, next: month`, tags: []string{"2026.11 debian", "2026.12 debian"}, value: "2027.1", dev: "2026.12-dev"}, 0, "2027.1", "2027.1-dev.0", "train-lagging"},
		"python":                         {told{releases: `tags: "{version}", scheme: pep440`, tags: []string{"2026.3.0 debian", "2026.4.0b0 distroless", "2026.4.0 distroless"}, value: "2026.4", dev: "2026.5.0.dev0"}, 0, "2026.4.0", "2026.4.0b0", ""},
		"maven":                          {told{releases: `tags: "v{version}", scheme: maven`, tags: []string{"v4.1.0.Final debian", "v4.2.0.RC1 debian"}, value: "4.2.0", dev: "4.2.0-SNAPSHOT"}, 1, "4.3.0", "4.3.0-SNAPSHOT", "gate-cut-without"},
		"four parts":                     {told{releases: `tags: "v{version}", scheme: dotted`, tags: []string{"v24.7.3.1-stable debian", "v24.8.1.1-lts distroless", "v24.8.9.1-lts distroless"}, value: "24.8", dev: "24.9.1.1"}, 0, "24.8.1.1", "24.8.1.1", ""},
		"integers":                       {told{releases: `tags: "r{version}", scheme: integer`, tags: []string{"r152 debian", "r153 debian"}, value: "154", dev: "153"}, 0, "154", "154", "train-lagging"},
		"a list":                         {told{releases: `tags: "v{version}", next: ["2.18", "9.0"]`, tags: []string{"v2.18.0 debian"}, value: "9.0", dev: "9.0.0-dev.0"}, 0, "9.0.0", "9.0.0-dev.0", ""},
		"a list that ends":               {told{releases: `tags: "v{version}", next: ["2.18", "9.0"]`, tags: []string{"v9.0.0 debian"}, value: "9.1", dev: "9.0.0-dev.0"}, 3, "", "", "train-unknown"},
		"only finals cut":                {told{releases: `tags: "v{version}", cut_on: final`, tags: []string{"v26.17.0 debian", "v26.18.0-rc.1 debian"}, value: "26.18.0", dev: "26.18.0-dev.0"}, 0, "26.18.0", "26.18.0-rc.2", ""},
		"own start words":                {told{releases: `tags: "v{version}", start_words: [rc]`, tags: []string{"v26.17.0 debian", "v26.18.0-alpha.1 debian"}, value: "26.18.0", dev: "26.18.0-dev.0"}, 1, "26.19.0", "26.19.0-dev.0", "gate-cut-without"},
		"bumped at the release":          {told{releases: `tags: "v{version}", bumped: at_release`, tags: []string{"v26.17.0 debian"}, value: "26.18.0", dev: "26.17.0"}, 0, "26.18.0", "26.18.0-dev.0", ""},
		"versions in tags alone":         {told{releases: `dev_version: [{tags: true}], tags: "v{version}"`, tags: []string{"v26.17.0 debian", "v26.18.0-rc.1 debian"}, value: "26.19.0"}, 0, "26.19.0", "26.19.0-dev.0", ""},
		"versions in tags, none yet":     {told{releases: `dev_version: [{tags: true}], tags: "v{version}"`, then: "debian", value: "26.19.0"}, 3, "", "", "train-unknown"},
		"readers differ":                 {told{releases: `dev_version: [{path: VERSION, pattern: "(?P<version>\\S+)"}, {path: gate.py, pattern: '"(?P<version>[^"]+)"'}], tags: "v{version}"`, tags: []string{"v26.17.0 debian"}, value: "26.18.1", dev: "26.18.0-dev.0"}, 0, "26.18.0", "26.18.0-dev.0", "readers-disagree"},
		"no reader reads":                {told{tags: []string{"v26.17.0 debian"}, value: "26.18.0", dev: "\xff\xfe2"}, 3, "", "", "train-unknown"},
		"an accidental tag":              {told{releases: `tags: "v{version}", ignore: [v17.0.0]`, tags: []string{"v16.4.0 debian", "v17.0.0 distroless", "v16.5.0 distroless"}, value: "16.5.0", dev: "16.6.0-dev.0"}, 0, "16.5.0", "16.5.0", ""},
		"a tag that nobody can read":     {told{tags: []string{"v26.17.0 debian", "v26.18.0rc1 debian"}, value: "26.18.0", dev: "26.18.0-dev.0"}, 3, "", "", "train-unknown"},
		"unreadable tags of the past":    {told{tags: []string{"v26.2.0_x debian", "vnext debian", "v26.17.0 debian"}, value: "26.18.0", dev: "26.18.0-dev.0"}, 0, "26.18.0", "26.18.0-dev.0", ""},
		"an unreadable tag, passed over": {told{releases: `tags: "v{version}", ignore: [v26.18.0rc1]`, tags: []string{"v26.17.0 debian", "v26.18.0rc1 debian"}, value: "26.18.0", dev: "26.18.0-dev.0"}, 0, "26.18.0", "26.18.0-dev.0", ""},
		"evidence that is no text":       {told{tags: []string{"v26.17.0 debian", "v26.18.0 \xff\xfe"}, value: "26.19.0", dev: "26.19.0-dev.0"}, 3, "", "", "member-unreadable"},
		"evidence that comes and goes":   {told{tags: []string{"v26.17.0 distroless", "v26.18.0 debian", "v26.19.0 distroless"}, value: "26.19.0", dev: "26.20.0-dev.0"}, 1, "26.17.0", "26.17.0", "gate-no-threshold"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			out, errs, code := relbot(t, "history", c.clone(t).dir, "--gate", "image", "--format", "json")
			var a historyAnswer
			if err := json.Unmarshal([]byte(out), &a); err != nil {
				t.Fatalf("%v: %s %s", err, out, errs)
			}
			text := func(s *string) string {
				if s == nil {
					return ""
				}
				return *s
			}
			reason := ""
			if len(a.Reasons) > 0 {
				reason = a.Reasons[0].Code
			}
			if code != c.exit || text(a.First) != c.ship || reason != c.reason || text(a.Interval.UpTo) != c.up {
				t.Errorf("exit %d: %s\nwant exit %d, %q up to %q, %q", code, out, c.exit, c.ship, c.up, c.reason)
			}
		})
	}
}

// TestHistoryOfALink has an evidence file that became a symbolic link: what it leads to was not read.
func TestHistoryOfALink(t *testing.T) {
	r := told{tags: []string{"v26.17.0 debian"}, value: "26.19.0", dev: "26.19.0-dev.0"}.clone(t)
	r.write("images/Dockerfile", "FROM distroless\n")
	if err := os.Remove(filepath.Join(r.dir, "Dockerfile")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("images/Dockerfile", filepath.Join(r.dir, "Dockerfile")); err != nil {
		t.Fatal(err)
	}
	r.commit("move")
	r.git("tag", "v26.18.0")
	if out, errs, code := relbot(t, "history", r.dir, "--gate", "image"); code != exitUnknown || !strings.Contains(out, "Dockerfile is a symbolic link to images/Dockerfile") {
		t.Errorf("exit %d: %s %s", code, out, errs)
	}
}

// TestHistoryWithoutAPolicy: where a pull request shipped is told by a draft, which is said; a gate needs a policy.
func TestHistoryWithoutAPolicy(t *testing.T) {
	r := newTree(t)
	r.write("VERSION", "1.1.0-dev\n")
	r.commit("start")
	r.git("tag", "v1.0.0")
	r.write("x", "x")
	r.commit("A change (#7)")
	r.git("tag", "v1.1.0-rc.1")
	for _, from := range []string{r.dir, "file://" + r.dir} {
		t.Setenv("XDG_CACHE_HOME", t.TempDir())
		out, errs, code := relbot(t, "history", from, "--pr", "7")
		if code != exitFine || !strings.Contains(out, "first ship: 1.1.0\n") || !strings.Contains(errs, "this is by the draft that `relbot config init` would write") {
			t.Errorf("%s: exit %d: %s %s", from, code, out, errs)
		}
		if _, errs, code := relbot(t, "history", from, "--gate", "g"); code != exitUsage || !strings.Contains(errs, "`relbot config init` writes a first one") {
			t.Errorf("%s: exit %d: %s", from, code, errs)
		}
	}
	if _, err := os.Stat(filepath.Join(r.dir, ".github")); err == nil {
		t.Error("the draft was written")
	}
}
