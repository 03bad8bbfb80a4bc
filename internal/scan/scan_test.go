package scan

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/relbot/relbot/internal/gitrepo/gittest"
	"github.com/relbot/relbot/internal/policy"
	"github.com/relbot/relbot/internal/rules"
)

const registered = `version: 1
releases: {dev_version: [{path: VERSION, pattern: "(?P<version>\\S+)"}], tags: "v{version}"}
gates:
  uid: {find: {path: "src/*.rs", symbol: V1_2_0}}
  flag: {find: {path: "src/*.rs", marker: flag}}
  gone: {find: {path: "src/*.rs", symbol: GONE}}
`

// rows are the gates of a scan, each in a line.
func rows(t *testing.T, o Options) string {
	t.Helper()
	p, problems := policy.Parse("acme/app", []byte(registered))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	o.Policy, o.Progress = *p, io.Discard
	a, err := Scan(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, g := range a.Gates {
		row := fmt.Sprintf("%s %s:%d %s", g.ID, g.Path, g.Line, g.Value)
		for _, o := range g.Anomalies {
			row += " " + o.Code
		}
		out = append(out, strings.TrimSpace(row))
	}
	return strings.Join(out, "\n")
}

func TestScan(t *testing.T) {
	r := gittest.New(t)
	r.Write("src/a.rs", "const V1_2_0: &str = \"1.2.0\";\n// relbot:gate flag\nconst SINCE: &str = \"CURRENT_RUSTC_VERSION\";\n")
	r.Write("b.go", "// Two releases before V1_2_0.\nconst MinVersion = \"1.1.0\"\n")
	first := r.Commit("begin")
	for what, c := range map[string]struct {
		o    Options
		want string
	}{
		"registered": {Options{}, "flag src/a.rs:3\ngone src/*.rs:0  gate-missing\nuid src/a.rs:1 1.2.0"},
		"discovered": {Options{Discover: true}, "flag src/a.rs:3\ngone src/*.rs:0  gate-missing\nuid src/a.rs:1 1.2.0\nb.go:2 1.1.0 comment-distance"},
		"unchanged":  {Options{Discover: true, Since: first}, ""},
	} {
		c.o.Dir = r.Dir
		if got := rows(t, c.o); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", what, got, c.want)
		}
	}
	r.Git("tag", "v1.3.0")
	want := "flag src/a.rs:3  gate-unparsable\ngone src/*.rs:0  gate-missing\nuid src/a.rs:1 1.2.0 gate-unreal\nb.go:2 1.1.0 gate-unreal comment-distance"
	if got := rows(t, Options{Dir: r.Dir, Discover: true}); got != want {
		t.Errorf("a release that still has a placeholder, and releases that never were:\n got %s\nwant %s", got, want)
	}
}

// TestBroken: a gate whose value contradicts its name is odd, and can be read.
func TestBroken(t *testing.T) {
	for code, want := range map[rules.Code]bool{rules.GateMissing: true, rules.GateAmbiguous: true, rules.GateUnparsable: true, rules.GateNameMismatch: false, Unreadable: false} {
		if got := (Anomaly{Code: string(code)}).Broken(); got != want {
			t.Errorf("%s: got %v", code, got)
		}
	}
}

// TestTree lists the files of a plain directory, without hidden ones, and reads neither links nor what is not there.
func TestTree(t *testing.T) {
	r := gittest.Tree{TB: t, Dir: t.TempDir()}
	r.Write("a.go", "const MinVersion = \"1.1.0\"\n")
	r.Write(".hidden/b.go", "const MinVersion = \"1.1.0\"\n")
	tree := Tree{Dir: r.Dir, Progress: io.Discard}
	files, err := tree.Files(t.Context(), "")
	if err != nil || !slices.Equal(files, []string{"a.go"}) {
		t.Errorf("got %q %v", files, err)
	}
	if f := tree.Read("a.go"); !f.Known() {
		t.Errorf("a file: %+v", f)
	}
	if f := tree.Read("none"); !f.Absent() {
		t.Errorf("no file: %+v", f)
	}
	if found := tree.Discover(files, ""); len(found) != 1 || found[0].Name != "MinVersion" {
		t.Errorf("found %+v", found)
	}
}
