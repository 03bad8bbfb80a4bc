package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/relbot/relbot/internal/gitrepo/gittest"
)

const oneGate = `version: 1
releases: {dev_version: [{path: VERSION, pattern: "(?P<version>\\S+)"}], tags: "v{version}"}
gates:
  g: {find: {path: %s}, evidence: {path: Dockerfile, pattern: distroless}}
`

func TestScanOfFilesThatAreHardToRead(t *testing.T) {
	long := strings.Repeat
	wide := func(s string) string {
		var b strings.Builder
		for _, u := range utf16.Encode([]rune("\ufeff" + s)) {
			b.WriteByte(byte(u))
			b.WriteByte(byte(u >> 8))
		}
		return b.String()
	}
	const gate = "const V1_2_0 = \"1.2.0\" // relbot:gate g\n"
	for _, c := range []struct {
		name, find, text string
		code             int
		want             string // in the answer or the errors
		discovered       bool   // by --discover as well
	}{
		{"100 MB", "a.go", long("// a line of a long file\n", 4_000_000) + gate, exitUnknown, "larger than 64 MiB", false},
		{"one line of 50 MB", "a.go", long("x", 50<<20) + "\n" + gate, exitFine, "a.go:2:7", true},
		{"quotes that never close", "a.go", long("\"\\", 10<<20) + "x\n" + gate, exitFine, "a.go:2:7", true},
		{"backquotes that never close", "a.rs", "const V1_2_0: &str = \"1.2.0\"; // relbot:gate g\n" + long("\"\\", 10<<20), exitFine, "a.rs:1:7", true},
		{"comments in comments", "a.rs", long("/*", 10<<20), exitBlocked, "gate-missing", false},
		{"a table that a program wrote", "a.go", gate + long("V1_2_0=(\"1.2.0\"); ", 1<<20), exitFine, "a.go:1:7", true},
		{"invalid UTF-8", "a.go", gate + "\xff\xfe\n", exitBlocked, "gate-missing", false},
		{"UTF-16", "a.go", wide(gate), exitBlocked, "gate-missing", false},
		{"a pattern that matches nothing everywhere", "a.go, pattern: '(?P<version>[0-9.]*)'", gate, exitBlocked, "gate-", true},
		{"a pattern that matches thousands of times", "a.go, pattern: 'v(?P<version>[0-9])'", long("v1 v2 ", 100_000), exitBlocked, "gate-ambiguous", false},
		{"markers without end", "a.go", long("// relbot:gate g\n", 200_000), exitBlocked, "gate-missing", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path, _, _ := strings.Cut(c.find, ",")
			for name, text := range map[string]string{".github/relbot.yml": fmt.Sprintf(oneGate, c.find), path: c.text} {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			out, errs, code := relbot(t, "scan", dir)
			if code != c.code || !strings.Contains(out+errs, c.want) {
				t.Errorf("exit %d, want %d with %q: %.500s %.500s", code, c.code, c.want, out, errs)
			}
			if err := os.Remove(filepath.Join(dir, ".github/relbot.yml")); err != nil {
				t.Fatal(err)
			}
			out, errs, code = relbot(t, "scan", dir, "--discover")
			if code != exitFine || strings.Contains(out, "V1_2_0 = 1.2.0") != c.discovered {
				t.Errorf("discover: exit %d: %.500s %.500s", code, out, errs)
			}
			if c.code == exitUnknown && !strings.Contains(errs, "skipped a.go") {
				t.Errorf("what was left out is not reported: %s", errs)
			}
		})
	}
}

func TestScanOfManyFiles(t *testing.T) {
	dir := t.TempDir()
	for i := range 50_000 {
		d := filepath.Join(dir, "d", fmt.Sprint(i/1000))
		if i%1000 == 0 {
			if err := os.MkdirAll(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(d, fmt.Sprint(i, ".txt")), []byte("nothing here\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "d", "7", "gate.txt"), []byte("since 1.2.0 # relbot:gate g\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, ".github"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".github/relbot.yml"), fmt.Appendf(nil, oneGate, `"d/**/*.txt"`), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, errs, code := relbot(t, "scan", dir); code != exitFine || !strings.Contains(out, "d/7/gate.txt:1:7") {
		t.Errorf("exit %d: %s %s", code, out, errs)
	}
}

func TestHistoryOfManyTags(t *testing.T) {
	r := gittest.New(t)
	r.Write(".github/relbot.yml", fmt.Sprintf(oneGate, "gate.rs, symbol: GATE"))
	r.Write("gate.rs", "const GATE: Version = Version::new(1, 70000, 0);\n")
	r.Write("VERSION", "1.100000.0-dev.0\n")
	r.Write("Dockerfile", "FROM debian\n")
	before := r.Commit("begin")
	r.Write("Dockerfile", "FROM distroless\n")
	after := r.Commit("distroless")
	var refs strings.Builder
	refs.WriteString("# pack-refs with: peeled fully-peeled sorted \n")
	fmt.Fprintf(&refs, "%s refs/heads/main\n", after)
	for i := range 100_000 {
		commit := before
		if i >= 70_000 {
			commit = after
		}
		fmt.Fprintf(&refs, "%s refs/tags/v1.%d.0\n", commit, i)
	}
	if err := os.WriteFile(filepath.Join(r.Dir, ".git/packed-refs"), []byte(sortedRefs(refs.String())), 0o644); err != nil {
		t.Fatal(err)
	}
	out, errs, code := relbot(t, "history", r.Dir, "--gate", "g", "--format", "json")
	if code != exitFine || !strings.Contains(out, `"first_ship": "1.70000.0"`) || strings.Count(out, `"tag"`) != 100_000 {
		t.Errorf("exit %d: %d bytes: %s", code, len(out), errs)
	}
	if out, _, code = relbot(t, "history", r.Dir, "--gate", "g", "--format", "svg"); code != exitFine || len(out) > 50_000 {
		t.Errorf("exit %d: a drawing of %d bytes", code, len(out))
	}
}

// sortedRefs sorts the lines of a packed-refs file below its head.
func sortedRefs(text string) string {
	head, body, _ := strings.Cut(text, "\n")
	lines := strings.Split(strings.TrimSpace(body), "\n")
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[41:], b[41:]) })
	return head + "\n" + strings.Join(lines, "\n") + "\n"
}

func TestHistoryOfWhatHasNone(t *testing.T) {
	if _, errs, code := relbot(t, "history", t.TempDir(), "--gate", "g"); code != exitUsage || !strings.Contains(errs, "not a git repository") {
		t.Errorf("no repository: exit %d: %s", code, errs)
	}
	dir := filepath.Join(t.TempDir(), "shallow")
	from := gittest.New(t)
	from.Git("clone", "-q", "--depth", "1", "file://"+clone(t), dir)
	if _, errs, code := relbot(t, "history", dir, "--gate", "image"); code != exitUnknown || !strings.Contains(errs, "git fetch --unshallow") {
		t.Errorf("a shallow clone: exit %d: %s", code, errs)
	}
	if _, errs, code := relbot(t, "history", "file:///no/such/repository", "--gate", "g"); code != exitUnknown || errs == "" {
		t.Errorf("a URL of nothing: exit %d: %s", code, errs)
	}
	empty := gittest.New(t)
	if _, errs, code := relbot(t, "history", empty.Dir, "--gate", "g"); code == exitFine || errs == "" {
		t.Errorf("a repository without a commit: exit %d: %s", code, errs)
	}
}
