package history_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/ghapp"
	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/gitrepo"
	"github.com/relbot/relbot/internal/history"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/find"
)

var evidenceFiles = []string{"images/a/Dockerfile", "images/b/Dockerfile", "charts/values.yaml"}

// many is a simulated repository of many releases; each evidence file changes in some of them.
func many(t testing.TB, tags int) (*ghapp.App, *ghsim.GitHub) {
	t.Helper()
	g := newGitHub(t)
	spec := ghsim.RepoSpec{Name: name}
	for i := range tags {
		files := map[string]*string{}
		text := fmt.Sprintf("release %d\n", i)
		files["VERSION"] = &text
		for k, path := range evidenceFiles {
			if i%(tags/3+k) == 0 {
				content := fmt.Sprintf("FROM base-%d\n", i)
				files[path] = &content
			}
		}
		spec.Tags = append(spec.Tags, ghsim.TagSpec{Name: fmt.Sprintf("v1.%d.0", i), Files: files, Annotated: i%2 == 0})
	}
	if err := g.CreateRepo(spec); err != nil {
		t.Fatal(err)
	}
	return connect(t, g, name), g
}

// look reads the release history of the evidence files, as an evaluation does.
func look(t testing.TB, app *ghapp.App) map[string]versionscan.Fact[bool] {
	t.Helper()
	surveys, err := app.Survey(t.Context(), []forge.SurveyRequest{{Repo: name, Paths: evidenceFiles}})
	s := surveys[name]
	if err != nil || !s.Known() || !s.Value.Tags.Known() {
		t.Fatalf("survey: %v %s %s", err, s.Why, s.Value.Tags.Why)
	}
	ask := &history.Asker{Source: app, Repo: name, Failed: func(err error) { t.Error(err) }}
	tags := history.Releases(&releases, s.Value.Tags.Value)
	var evidence []find.Evidence
	for _, path := range evidenceFiles {
		evidence = append(evidence, find.Evidence{Path: path, Pattern: `base-[1-9]`})
	}
	all := ask.Shows(t.Context(), tags, evidence...)
	for _, shows := range all {
		if len(shows) != len(tags) || !shows[tags[0].Name].Known() {
			t.Fatalf("%d answers to %d tags", len(shows), len(tags))
		}
	}
	return all[0]
}

func calls(g *ghsim.GitHub) int {
	reads, writes := g.Counts()
	return reads + writes
}

// TestCallsOfAHistory counts the API calls that a release history of 1,000 tags and three files costs.
func TestCallsOfAHistory(t *testing.T) {
	const tags = 1000
	app, g := many(t, tags)
	before := calls(g)
	spent := func(what string, most int) {
		t.Helper()
		n := calls(g) - before
		if t.Logf("%s: %d calls", what, n); n > most {
			t.Errorf("%s: %d calls, want at most %d", what, n, most)
		}
		before = calls(g)
	}
	if _, err := app.Survey(t.Context(), []forge.SurveyRequest{{Repo: name, NoTags: true}}); err != nil { // finds out the installation
		t.Fatal(err)
	}
	before = calls(g)
	look(t, app)
	spent("cold", 12)
	look(t, app)
	spent("unchanged", 1)
	text := "FROM base-new\n"
	if err := g.Tag(name, ghsim.TagSpec{Name: "v2.0.0", Files: map[string]*string{evidenceFiles[0]: &text}}); err != nil {
		t.Fatal(err)
	}
	if shows := look(t, app); len(shows) != tags+1 {
		t.Errorf("%d tags, want %d", len(shows), tags+1)
	}
	spent("a new tag", 2)
	if err := g.DeleteTag(name, "v1.3.0"); err != nil { // far down the list
		t.Fatal(err)
	}
	if shows := look(t, app); len(shows) != tags {
		t.Errorf("%d tags, want %d", len(shows), tags)
	}
	spent("an old tag deleted", 12)
}

// TestBatchesShrink lets GitHub find queries too large: smaller ones give the same answer.
func TestBatchesShrink(t *testing.T) {
	app, g := many(t, 400)
	want := look(t, app)
	for _, matching := range []string{"the first query", "every query for many files"} {
		app := connect(t, g, name)
		if _, err := app.Survey(t.Context(), []forge.SurveyRequest{{Repo: name, NoTags: true}}); err != nil {
			t.Fatal(err)
		}
		if err := g.AddFault(ghsim.Fault{Match: "graphql", Answer: "502"}); err != nil { // how GitHub says that it gave up on a query
			t.Fatal(err)
		}
		if matching != "the first query" {
			surveys, err := app.Survey(t.Context(), []forge.SurveyRequest{{Repo: name, Paths: evidenceFiles}})
			if err != nil || !surveys[name].Known() {
				t.Fatal(err, surveys[name].Why)
			}
			if err := g.AddFault(ghsim.Fault{Match: "graphql", Answer: "502"}); err != nil {
				t.Fatal(err)
			}
			at := []forge.At{}
			for _, tag := range surveys[name].Value.Tags.Value {
				at = append(at, forge.At{Commit: tag.Commit, Path: "VERSION"})
			}
			files, err := app.Files(t.Context(), name, at)
			if err != nil || len(files) != 400 || files[at[7]].Value.Text == "" {
				t.Fatalf("%d files: %v", len(files), err)
			}
		}
		if got := look(t, app); !reflect.DeepEqual(got, want) {
			t.Errorf("%s was too large: %v", matching, got)
		}
		g.ClearFaults()
	}
}

// BenchmarkHistoryOverAPI is the history of 1,000 tags and three files at no latency; its calls are counted.
func BenchmarkHistoryOverAPI(b *testing.B) {
	for _, kind := range []string{"cold", "unchanged"} {
		b.Run(kind, func(b *testing.B) {
			app, g := many(b, 1000)
			look(b, app)
			spent := 0
			for b.Loop() {
				if kind == "cold" {
					b.StopTimer()
					app = again(b, g)
					b.StartTimer()
				}
				before := calls(g)
				look(b, app)
				spent += calls(g) - before
			}
			b.ReportMetric(float64(spent)/float64(b.N), "calls/op")
		})
	}
}

// again connects once more, with nothing remembered but the installation.
func again(b *testing.B, g *ghsim.GitHub) *ghapp.App {
	b.Helper()
	app := connect(b, g, coupling.Repo(name))
	if _, err := app.Survey(b.Context(), []forge.SurveyRequest{{Repo: name, NoTags: true}}); err != nil {
		b.Fatal(err)
	}
	return app
}

// BenchmarkHistoryOfAClone reads 1,000 tags and three files of a clone, and reports the ratio to one `git grep` over the same.
func BenchmarkHistoryOfAClone(b *testing.B) {
	w := newWork(b)
	var script bytes.Buffer // for git fast-import: a thousand commits with git itself take a minute
	const tags = 1000
	for i := range tags {
		fmt.Fprintf(&script, "commit refs/heads/main\ncommitter ann <ann@example.com> %d +0000\ndata 1\nx\n", 1_700_000_000+i*1000)
		for k, path := range append([]string{"VERSION"}, evidenceFiles...) {
			if i%(1+k*7) == 0 {
				text := strings.Repeat(fmt.Sprintf("line %d of %s\n", i, path), 200)
				fmt.Fprintf(&script, "M 100644 inline %s\ndata %d\n%s\n", path, len(text), text)
			}
		}
		for k := range 20 { // a tree of some size
			if i == 0 {
				fmt.Fprintf(&script, "M 100644 inline src/%d/file.go\ndata 1\nx\n", k)
			}
		}
		fmt.Fprintf(&script, "\nreset refs/tags/v1.%d.0\nfrom refs/heads/main\n\n", i)
	}
	cmd := exec.Command("git", "-C", w.dir, "fast-import", "--quiet")
	cmd.Stdin = &script
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	w.git("repack", "-adq")
	clone, err := gitrepo.Open(b.Context(), w.dir)
	if err != nil {
		b.Fatal(err)
	}
	all, err := clone.Tags(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	args := []string{"-C", w.dir, "grep", "-l", "-E", "line 9[0-9]+"}
	for _, t := range all {
		args = append(args, t.Name)
	}
	args = append(append(args, "--"), evidenceFiles...)
	var own, grep time.Duration
	for b.Loop() {
		start := time.Now()
		out, err := exec.Command("git", args...).Output()
		grep += time.Since(start)
		if err != nil {
			b.Fatal(err)
		}
		start = time.Now()
		ask := &history.Asker{Source: clone, Repo: name, Failed: func(err error) { b.Error(err) }}
		var evidence []find.Evidence
		for _, path := range evidenceFiles {
			evidence = append(evidence, find.Evidence{Path: path, Pattern: `line 9[0-9]+`})
		}
		found := 0
		for _, shows := range ask.Shows(b.Context(), all, evidence...) {
			for _, f := range shows {
				if f.Value {
					found++
				}
			}
		}
		own += time.Since(start)
		if want := bytes.Count(out, []byte("\n")); found != want {
			b.Fatalf("%d files match, git grep finds %d", found, want)
		}
	}
	b.ReportMetric(float64(own)/float64(grep), "×git-grep")
}
