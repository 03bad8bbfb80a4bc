package ghapp_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/ghapp"
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

// TestNothingDeprecated sends every query of the package, and holds that GitHub's published schema marks nothing in them as deprecated: on the day
// of its removal the whole query would fail.
func TestNothingDeprecated(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	head := w.gh.Commit(repo, "main")
	survey := forge.SurveyRequest{Repo: repo, Prefixes: []string{"release/"}, Branches: []string{"main"}, Paths: []string{"x"}, Watched: []string{"x", "src"}}
	surveys, pulls, err := w.Read(ctx, forge.Reading{Pulls: []coupling.Pull{pull}, Surveys: []forge.SurveyRequest{survey}, Watched: map[coupling.Repo][]string{repo: {"x"}}})
	if err != nil || !surveys[repo].Known() || !pulls[pull].Known() {
		t.Fatalf("%+v %+v %v", surveys, pulls, err)
	}
	comment, err := w.PostComment(ctx, pull, "text")
	must(t, err)
	signIn, err := ghapp.NewSignIn(ghapp.Settings{APIURL: w.url}, "client", "secret")
	must(t, err)
	sent := map[string]func() error{
		"readPart": func() error { return nil }, // above
		"places": func() error {
			_, err := w.Files(ctx, repo, []forge.At{{Commit: head, Path: "x"}})
			return err
		},
		"texts": func() error {
			var at []forge.At
			for _, path := range []string{"x", "src/a.go", "src/b/c.go", "none", "none/2"} {
				at = append(at, forge.At{Commit: w.gh.Commit(repo, "pr-1"), Path: path})
			}
			_, err := w.Files(ctx, repo, at)
			return err
		},
		"tagsWith": func() error { return w.contains(ctx, head) },
		"Versions": func() error { _, err := w.Versions(ctx, repo, "main", "x", 5); return err },
		"Log":      func() error { _, err := w.Log(ctx, repo, "main", time.Unix(1, 0), 5); return err },
		"refs": func() error {
			_, err := w.Survey(ctx, []forge.SurveyRequest{{Repo: repo, Paths: []string{"x"}}})
			return err
		},
		"OpenPulls": func() error { _, err := w.OpenPulls(ctx, repo, []string{"x"}); return err },
		"NewCheck": func() error {
			_, _, _, err := w.NewCheck(ctx, repo, surveys[repo].Value.NodeID, forge.CheckRun{Name: "c", Head: head, Status: "completed", Conclusion: "success", Title: "t", Summary: "s", DetailsURL: "https://example.org",
				Actions: []forge.Action{{ID: "a", Label: "a", Description: "a"}}}, "x")
			return err
		},
		"Minimize": func() error { return w.Minimize(ctx, repo, comment.NodeID) },
		"Edited":   func() error { _, err := w.Edited(ctx, repo, comment.NodeID); return err },
		"Exchange": func() error { return w.graphql("query { viewer { login } }") }, // a sign-in needs a browser
		"Readable": func() error { _, err := signIn.Readable(ctx, "ghp_ann", []forge.Repository{{Name: repo}}); return err },
	}
	for i := range 120 { // more than a page
		must(t, w.tag(i))
	}
	for name := range senders(t, "query") {
		if sent[name] == nil {
			t.Errorf("%s sends a query that is not in this test", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sent)) {
		if err := sent[name](); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, p := range w.gh.Problems() {
		t.Error(p)
	}
}
