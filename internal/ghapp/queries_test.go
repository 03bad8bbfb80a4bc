package ghapp_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/ghapp"
	"github.com/relbot/relbot/internal/ghsim"
)

// senders finds the functions of the package that call one of some functions or methods, by name.
func senders(t *testing.T, calls ...string) map[string]bool {
	t.Helper()
	names, err := filepath.Glob("*.go")
	must(t, err)
	out := map[string]bool{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		must(t, err)
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if c, ok := n.(*ast.CallExpr); ok {
					name := ""
					switch fun := c.Fun.(type) {
					case *ast.SelectorExpr:
						name = fun.Sel.Name
					case *ast.Ident:
						name = fun.Name
					}
					if slices.Contains(calls, name) {
						out[f.Name.Name] = true
					}
				}
				return true
			})
		}
	}
	return out
}

// asks lists a call for each function of the package that sends a query or reads a list, by its name.
func (w *world) asks(ctx context.Context, t *testing.T) map[string]func() error {
	t.Helper()
	for i := range 8 { // more than are compared one by one
		must(t, w.tag(i))
	}
	for i := range 5 {
		must(t, w.gh.Open(ghsim.OpenSpec{Repo: repo, Number: 2 + i, By: "ann", Title: "T"}))
		must(t, w.gh.Branch(repo, ghsim.BranchSpec{Name: fmt.Sprint("release/", i)}))
		w.gh.Comment(ghsim.CommentSpec{Pull: pull, By: "ann", Body: "text"})
	}
	head := w.gh.Commit(repo, "main")
	must(t, w.gh.Require(repo, ghsim.Requirement{}))
	group, err := w.gh.Enqueue(repo, []int{2, 3, 4})
	must(t, err)
	must(t, w.gh.RequireAlso(repo, "ci", "lint", "docs"))
	for _, name := range []string{"ci", "lint", "docs"} {
		for _, sha := range []string{group.Head, w.gh.Commit(repo, "pr-4")} {
			must(t, w.gh.Report(repo, sha, name, "success"))
		}
	}
	comment, err := w.PostComment(ctx, pull, "text")
	must(t, err)
	_, err = w.CreateIssue(ctx, repo, "t", "b", []string{"l"})
	must(t, err)
	signIn, err := ghapp.NewSignIn(ghapp.Settings{APIURL: w.url}, "client", "secret")
	must(t, err)
	read := func() (forge.Survey, error) {
		q := forge.Reading{Watched: map[coupling.Repo][]string{repo: {"x"}}}
		for n := range 5 {
			q.Pulls = append(q.Pulls, coupling.Pull{Repo: repo, Number: 1 + n})
		}
		q.Surveys = []forge.SurveyRequest{{Repo: repo, Prefixes: []string{"release/"}, Branches: []string{"main"}, Paths: []string{"x"}, Watched: []string{"x", "src"}}}
		surveys, pulls, err := w.Read(ctx, q)
		s := surveys[repo]
		if len(s.Value.Tags.Value) != 8 || len(s.Value.Branches.Value) != 6 || !pulls[q.Pulls[4]].Known() {
			err = errors.Join(err, fmt.Errorf("read %d tags, %d branches, %+v", len(s.Value.Tags.Value), len(s.Value.Branches.Value), pulls[q.Pulls[4]]))
		}
		return s.Value, err
	}
	files := func(commit string, paths ...string) error {
		var at []forge.At
		for _, path := range paths {
			at = append(at, forge.At{Commit: commit, Path: path})
		}
		found, err := w.Files(ctx, repo, at)
		for _, f := range found {
			if f.Unknown() {
				err = errors.Join(err, fmt.Errorf("files: %+v", found))
			}
		}
		return err
	}
	want := func(what string, got, want int, err error) error {
		if err == nil && got != want {
			err = fmt.Errorf("%d %s, want %d", got, what, want)
		}
		return err
	}
	run := forge.CheckRun{Name: "c", Head: head, Status: "completed", Conclusion: "success", Title: "t", Summary: "s", DetailsURL: "https://example.org", Actions: []forge.Action{{ID: "a", Label: "a", Description: "a"}}}
	newCheck := func() error {
		s, err := read()
		if err == nil {
			_, _, _, err = w.NewCheck(ctx, repo, s.NodeID, run, "x")
		}
		return err
	}
	return map[string]func() error{
		"readPart": func() error { _, err := read(); return err },
		"refs": func() error {
			_, err := w.Survey(ctx, []forge.SurveyRequest{{Repo: repo, Paths: []string{"x"}}})
			return err
		},
		"Files":    func() error { return files(head, "x", "src/a.go") },
		"places":   func() error { return files(head, "x") },
		"texts":    func() error { return files(w.gh.Commit(repo, "pr-1"), "x", "src/a.go", "src/b/c.go", "none", "none/2") },
		"tagsWith": func() error { return w.contains(ctx, head) },
		"has":      func() error { _, err := w.Contains(ctx, repo, head, []string{"v1.1"}); return err },
		"Compare": func() error {
			c, err := w.Compare(ctx, repo, "v1.1", "main")
			return errors.Join(err, want("behind", c.Value.Behind, 1, nil))
		},
		"Versions": func() error { v, err := w.Versions(ctx, repo, "main", "x", 5); return want("versions", len(v), 1, err) },
		"Log": func() error {
			c, err := w.Log(ctx, repo, "v1.7", time.Unix(1, 0), 2)
			return want("commits", len(c.Value), 2, err)
		},
		"OpenPulls": func() error {
			p, err := w.OpenPulls(ctx, repo, []string{"x"})
			return want("pull requests", len(p), 6, err)
		},
		"Queue": func() error {
			q, err := w.Queue(ctx, repo, "main")
			return want("entries", len(q.Entries.Value), 3, err)
		},
		"required": func() error {
			green, err := w.Green(ctx, forge.GroupHead{Pull: coupling.Pull{Repo: repo, Number: 4}, Head: group.Head}, "c")
			if err == nil && !green {
				err = errors.New("not green")
			}
			return err
		},
		"NewCheck": newCheck,
		"Minimize": func() error { return w.Minimize(ctx, repo, comment.NodeID) },
		"Edited":   func() error { _, err := w.Edited(ctx, repo, comment.NodeID); return err },
		"Exchange": func() error { return w.graphql("query { viewer { login } }") }, // a sign-in needs a browser
		"Readable": func() error {
			r, err := signIn.Readable(ctx, "ghp_ann", []forge.Repository{{Name: repo}, {Name: "acme/none"}, {Name: "acme/other"}})
			return want("repositories", len(r), 0, err)
		},
		"CheckRuns": func() error {
			for range 3 {
				if err := newCheck(); err != nil {
					return err
				}
			}
			r, err := w.CheckRuns(ctx, repo, head, "c")
			if err == nil && len(r) < 3 {
				err = fmt.Errorf("%d check runs", len(r))
			}
			return err
		},
		"CommentsSince": func() error {
			c, _, err := w.CommentsSince(ctx, repo, time.Unix(0, 0))
			return want("comments", len(c), 6, err)
		},
		"Comments":      func() error { c, err := w.Comments(ctx, pull); return want("comments", len(c), 6, err) },
		"Reactions":     func() error { _, err := w.Reactions(ctx, repo, comment.ID); return err },
		"Issues":        func() error { i, err := w.Issues(ctx, repo, "l"); return want("issues", len(i), 1, err) },
		"Deliveries":    func() error { _, err := w.Deliveries(ctx, time.Unix(0, 0)); return err },
		"BranchRules":   func() error { _, err := w.BranchRules(ctx, repo, "main"); return err },
		"Installations": func() error { i, err := w.Installations(ctx); return want("installations", len(i), 1, err) },
		"installed":     func() error { r, not, err := w.Repositories(ctx); return want("repositories", len(r)-len(not), 1, err) },
	}
}

// complete fails where a function that calls one of some others is not asked for.
func complete(t *testing.T, asks map[string]func() error, calls ...string) {
	t.Helper()
	for name := range senders(t, calls...) {
		if asks[name] == nil && !slices.Contains(calls, name) {
			t.Errorf("%s is not in this test", name)
		}
	}
}

// TestNothingDeprecated sends every query of the package, and holds that GitHub's published schema marks nothing in them as deprecated. On the day
// of its removal the whole query would fail.
func TestNothingDeprecated(t *testing.T) {
	w := newWorld(t, nil)
	asks := w.asks(t.Context(), t)
	complete(t, asks, "query")
	for _, name := range slices.Sorted(maps.Keys(asks)) {
		if err := asks[name](); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, p := range w.gh.Problems() {
		t.Error(p)
	}
}

// TestNothingIsTooMuch holds that nothing that is read in pages or batches goes around [App.portion]. Of a GitHub that answers pages and batches
// of one alone, everything can be read, in GraphQL and in REST. It may say so at once or leave out what it did not compute.
func TestNothingIsTooMuch(t *testing.T) {
	for _, answer := range []string{"too_much", "partial"} {
		t.Run(answer, func(t *testing.T) {
			w := newWorld(t, nil)
			asks := w.asks(t.Context(), t)
			complete(t, asks, "query", "pages", "all", "list", "batches")
			must(t, w.gh.AddFault(ghsim.Fault{Match: "reads", Answer: answer, Over: 1, Times: -1}))
			for _, name := range slices.Sorted(maps.Keys(asks)) {
				if err := asks[name](); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}

// fixed finds a page whose size is in the text of a query. What belongs to one element of a page may be a handful.
var fixed = regexp.MustCompile(`per_page=(?:[2-9]|1\d)|(?:first|last): (?:[6-9]|\d\d)`)

// TestNoSizeIsFixed holds that the text of no query names how much it asks for.
func TestNoSizeIsFixed(t *testing.T) {
	names, err := filepath.Glob("*.go")
	must(t, err)
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		must(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING && fixed.MatchString(l.Value) {
				t.Errorf("%s: %s: ask for as much as portion says", name, l.Value)
			}
			return true
		})
	}
}

// TestPortionsAreLearned holds that the size that worked is asked for from then on, of that repository alone. Twice of it is tried an hour later.
func TestPortionsAreLearned(t *testing.T) {
	w := newWorld(t, nil)
	for i := range 60 {
		must(t, w.gh.Open(ghsim.OpenSpec{Repo: repo, Number: 2 + i, By: "ann", Title: "T"}))
	}
	reads := func() int {
		t.Helper()
		before, _ := w.gh.Counts()
		pulls, err := w.OpenPulls(t.Context(), repo, nil)
		if err != nil || len(pulls) != 61 {
			t.Errorf("%d pull requests: %v", len(pulls), err)
		}
		after, _ := w.gh.Counts()
		return after - before
	}
	reads() // a token, and where the App is installed
	if n := reads(); n != 2 {
		t.Errorf("%d reads for 61 in pages of 50", n)
	}
	must(t, w.gh.AddFault(ghsim.Fault{Match: "graphql", Answer: "too_much", Over: 30, Times: -1}))
	if n := reads(); n != 4 { // 50 is too much, 25, 25, 11
		t.Errorf("%d reads when 25 had to be found", n)
	}
	if n := reads(); n != 3 {
		t.Errorf("%d reads when 25 was known", n)
	}
	w.pass(time.Hour)
	if n := reads(); n != 4 {
		t.Errorf("%d reads when 50 was tried again", n)
	}
	w.gh.ClearFaults()
	if n := reads(); n != 3 {
		t.Errorf("%d reads within the hour", n)
	}
	w.pass(time.Hour)
	if n := reads(); n != 2 {
		t.Errorf("%d reads after it", n)
	}
}
