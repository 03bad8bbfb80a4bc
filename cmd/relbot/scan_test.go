package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/relbot/relbot/internal/gitrepo/gittest"
	"github.com/relbot/relbot/internal/scan"
)

// scanned is a clone with one good gate, one that two files could hold, and a range.
func scanned(t *testing.T) gittest.Tree {
	t.Helper()
	r := gittest.New(t)
	r.Write(".github/relbot.yml", `version: 1
releases: {dev_version: [{path: VERSION, pattern: "(?P<version>\\S+)"}], tags: "v{version}"}
gates:
  uid: {find: {path: "src/*.rs", symbol: "V1_2_0(_DEV0)?"}}
  flag: {find: {path: "src/*.rs", marker: flag}, relation: removed-in}
`)
	r.Write("VERSION", "1.2.0-dev.0\n")
	r.Write("src/a b.rs", "const V1_2_0_DEV0: &str = \"1.2.0\";\n")
	r.Write("src/b.rs", "// relbot:gate flag\nconst FLAG: &str = \">=1.1 <1.3\";\n")
	r.Commit("begin")
	return r
}

// rows are the gates of a scan, with what is odd about them.
func rows(t *testing.T, args ...string) (map[string]scanGate, int) {
	t.Helper()
	out, errs, code := relbot(t, append([]string{"scan", "--format", "json"}, args...)...)
	var a scanAnswer
	if err := json.Unmarshal([]byte(out), &a); err != nil {
		t.Fatalf("exit %d: %v: %s%s", code, err, out, errs)
	}
	found := map[string]scanGate{}
	for _, g := range a.Gates {
		found[deref(g.ID)] = g
	}
	return found, code
}

// TestScanSinceLooksAtWholeGates has gates whose globs cover files that did not change.
func TestScanSinceLooksAtWholeGates(t *testing.T) {
	r := scanned(t)
	r.Write("src/b.rs", "// relbot:gate flag\nconst FLAG: &str = \">=1.1 <1.4\";\n")
	if got, code := rows(t, r.Dir, "--since", "HEAD"); code != exitFine || len(got) != 1 || deref(got["flag"].Value) != "1.4" {
		t.Errorf("exit %d: %+v", code, got)
	}
	r.Commit("later")
	if err := os.Rename(filepath.Join(r.Dir, "src/a b.rs"), filepath.Join(r.Dir, "a.rs")); err != nil {
		t.Fatal(err)
	}
	got, code := rows(t, r.Dir, "--since", "HEAD")
	if code != exitBlocked || len(got["uid"].Anomalies) != 1 || got["uid"].Anomalies[0].Code != "gate-missing" || got["uid"].Value != nil || got["uid"].Line != nil {
		t.Errorf("a gate went with its file: exit %d: %+v", code, got)
	}
	r.Commit("moved")
	if got, code = rows(t, r.Dir, "--since", "HEAD"); code != exitFine || len(got) != 0 {
		t.Errorf("nothing changed: exit %d: %+v", code, got)
	}
}

// TestScanWithoutGates: a policy that registers none answers with nothing, and text says so.
func TestScanWithoutGates(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, ".github", "relbot.yml")
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("version: 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	want := path + " registers no gate; --discover looks for constants that look like gates\n"
	for _, c := range []struct{ args, want string }{{"", want}, {"--format json", ""}, {"--discover", ""}} {
		if _, errs, code := relbot(t, append([]string{"scan", dir}, strings.Fields(c.args)...)...); code != exitFine || errs != c.want {
			t.Errorf("scan %s: exit %d: %q, want %q", c.args, code, errs, c.want)
		}
	}
}

func TestScanOfARange(t *testing.T) {
	r := scanned(t)
	got, code := rows(t, r.Dir)
	if f := got["flag"]; code != exitFine || deref(f.Value) != "1.3" || deref(f.Raw) != `">=1.1 <1.3"` || deref(f.Form) != "rust-range" {
		t.Errorf("the upper bound ends a thing: exit %d: %+v", code, f)
	}
}

// TestScanWithoutOneFile goes on when a file cannot be read, and says at the end that it could not tell.
func TestScanWithoutOneFile(t *testing.T) {
	r := scanned(t)
	big, err := os.Create(filepath.Join(r.Dir, "src/big.rs"))
	if err != nil {
		t.Fatal(err)
	}
	if err := big.Truncate(64<<20 + 1); err != nil {
		t.Fatal(err)
	}
	if err := big.Close(); err != nil {
		t.Fatal(err)
	}
	got, code := rows(t, r.Dir)
	if code != exitUnknown || len(got) != 2 || got["uid"].Anomalies[0].Code != scan.Unreadable || !strings.Contains(got["uid"].Anomalies[0].Message, "src/big.rs") {
		t.Errorf("exit %d: %+v", code, got)
	}
}

func TestSARIF(t *testing.T) {
	r := scanned(t)
	r.Write("src/b.rs", "nothing\n")
	out, errs, code := relbot(t, "scan", r.Dir, "--format", "sarif")
	if code != exitBlocked {
		t.Errorf("exit %d: %s", code, errs)
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(out)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(new(sarif.Report)); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	report, err := sarif.FromString(out)
	if err != nil {
		t.Fatal(err)
	}
	run := report.Runs[0] // what relbot leaves out the library takes for empty, which is not valid
	run.Language, run.Tool.Driver.Language, run.NewlineSequences = "en", "en", []string{"\n"}
	if err := report.Validate(); err != nil { // against the schema of SARIF 2.1.0
		t.Error(err)
	}
	results := run.Results
	if len(results) != 2 || len(run.Tool.Driver.Rules) != 2 {
		t.Fatalf("got %s", out)
	}
	for _, result := range results {
		place := result.Locations[0].PhysicalLocation
		switch *result.RuleID {
		case "gate-name-mismatch":
			if *place.ArtifactLocation.URI != "src/a%20b.rs" || *place.Region.StartLine != 1 || result.Level != "warning" {
				t.Errorf("got %s", out)
			}
		case "gate-missing":
			if *place.ArtifactLocation.URI != ".github/relbot.yml" || result.Level != "error" {
				t.Errorf("got %s", out)
			}
		default:
			t.Errorf("got %s", out)
		}
	}
	for code, text := range scanRules {
		if text == "" || when(code) != text {
			t.Errorf("%s is explained as %q", code, when(code))
		}
	}
}

func TestScanOfABadPolicy(t *testing.T) {
	r := scanned(t)
	r.Write(".github/relbot.yml", "version: 1\ngats: {}\nchekc: {}\n")
	for _, command := range [][]string{{"scan", r.Dir}, {"history", r.Dir, "--pr", "1"}} {
		if _, errs, code := relbot(t, command...); code != exitUsage || !strings.Contains(errs, ".github/relbot.yml:2:1: gats") || !strings.Contains(errs, ":3:1: chekc") || !strings.Contains(errs, "2 problems") {
			t.Errorf("%v: exit %d: %s", command, code, errs)
		}
	}
}

// TestScanPrintsNamesSafely holds that what a hostile tree holds gives orders to no terminal, to no CI job and to no git.
func TestScanPrintsNamesSafely(t *testing.T) {
	r := gittest.New(t)
	r.Write(".github/relbot.yml", "version: 1\nreleases: {dev_version: [{path: VERSION, pattern: \"(?P<version>\\\\S+)\"}]}\ngates: {g: {find: {path: \"**/*.go\", marker: g}}, h: {find: {path: \"**/*.go\", marker: h}}}\n")
	r.Write("VERSION", "1.2.0-dev.0\n")
	r.Write("::warning::a.go", "// relbot:gate g\nconst Min = \"1.1.0\"\n")
	r.Write("x\n::error::\x1b[31mb.go", "// relbot:gate h\nconst Min = \"1.1.0\"\n")
	r.Commit("begin")
	t.Setenv("GITHUB_ACTIONS", "true")
	out, errs, code := relbot(t, "scan", r.Dir)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	token, stopped := strings.CutPrefix(lines[0], "::stop-commands::")
	if code != exitFine || len(lines) != 4 || !stopped || lines[3] != "::"+token+"::" || strings.Contains(out, "\x1b") {
		t.Errorf("exit %d: %q %s", code, out, errs)
	}
	made := filepath.Join(t.TempDir(), "made")
	if _, errs, code := relbot(t, "scan", r.Dir, "--since", "--output="+made); code == exitFine || !strings.Contains(errs, "is no revision") {
		t.Errorf("exit %d: %s", code, errs)
	}
	if _, err := os.Stat(made); err == nil {
		t.Error("git wrote a file that a revision named")
	}
}
