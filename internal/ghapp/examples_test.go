package ghapp_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/ghapp"
)

var update = flag.Bool("update", false, "write the golden file again")

// example is an answer from GitHub's published description; examples.sh makes the file.
type example struct {
	Route  string // as in a pattern of [http.ServeMux]
	Status int
	Type   string
	Name   string
	Body   json.RawMessage
	served atomic.Bool
}

// answer writes the example, edited where a case asks for that.
func (e *example) answer(w http.ResponseWriter, edit *strings.Replacer) {
	e.served.Store(true)
	body := string(e.Body)
	if e.Type != "application/json" {
		_ = json.Unmarshal(e.Body, &body) // a text
	}
	if edit != nil {
		body = edit.Replace(body)
	}
	w.Header().Set("Content-Type", e.Type)
	w.Header().Set("Date", "Tue, 02 Jun 2026 12:00:00 GMT")
	w.WriteHeader(e.Status)
	_, _ = io.WriteString(w, body)
}

// The examples speak of this repository, commit and App.
const (
	hello     = coupling.Repo("octocat/Hello-World")
	helloHead = "6dcb09b5b57875f334f61aebed695e2e4193db5e"
	octoapp   = 1
)

var (
	issue1347 = coupling.Pull{Repo: hello, Number: 1347}
	// byApp makes the App the author in the examples, in which somebody else is, and makes a pull request an issue.
	byApp = strings.NewReplacer(`"login": "octocat"`, `"login": "octoapp[bot]"`, `"pull_request":`, `"other":`)
)

// reads are the calls whose answers GitHub gives examples of. Calls that return nothing have to take the answer.
var reads = []struct {
	name string
	with string // an example in place of the first of its route
	edit *strings.Replacer
	call func(ctx context.Context, a *ghapp.App) (any, error)
}{
	{name: "Registration", call: func(ctx context.Context, a *ghapp.App) (any, error) { return a.Registration(ctx) }},
	{name: "Installations", call: func(ctx context.Context, a *ghapp.App) (any, error) { return a.Installations(ctx) }},
	{name: "Repositories", call: func(ctx context.Context, a *ghapp.App) (any, error) {
		listed, unlisted, err := a.Repositories(ctx)
		return map[string]any{"listed": listed, "unlisted": unlisted}, err
	}},
	{name: "Hook", call: func(ctx context.Context, a *ghapp.App) (any, error) { return a.Hook(ctx) }},
	{name: "SetHook", call: func(ctx context.Context, a *ghapp.App) (any, error) {
		return nil, a.SetHook(ctx, "https://example.com/webhook", "secret")
	}},
	{name: "Deliveries", call: func(ctx context.Context, a *ghapp.App) (any, error) { return a.Deliveries(ctx, time.Time{}) }},
	{name: "Redeliver", call: func(ctx context.Context, a *ghapp.App) (any, error) { return nil, a.Redeliver(ctx, 12345678) }},
	{name: "Permission", call: func(ctx context.Context, a *ghapp.App) (any, error) { return a.Permission(ctx, hello, "octocat") }},
	{name: "BranchRules", call: func(ctx context.Context, a *ghapp.App) (any, error) { return a.BranchRules(ctx, hello, "main") }},
	{name: "BranchRules, required checks", with: "short-branch-with-protection-items", call: func(ctx context.Context, a *ghapp.App) (any, error) {
		return a.BranchRules(ctx, hello, "master")
	}},
	{name: "Compare", call: func(ctx context.Context, a *ghapp.App) (any, error) { return a.Compare(ctx, hello, "master", "topic") }},
	{name: "Contains", call: func(ctx context.Context, a *ghapp.App) (any, error) {
		return a.Contains(ctx, hello, "master", []string{"topic"})
	}},
	{name: "Tree", call: func(ctx context.Context, a *ghapp.App) (any, error) { return a.Tree(ctx, hello, "main", "") }},
	{name: "Tree, recursive", with: "git-tree-response-recursively-retrieving-a-tree", call: func(ctx context.Context, a *ghapp.App) (any, error) {
		return a.Tree(ctx, hello, "main", "")
	}},
	{name: "Diff", call: func(ctx context.Context, a *ghapp.App) (any, error) { return a.Diff(ctx, hello, helloHead) }},
	{name: "CheckRuns", call: func(ctx context.Context, a *ghapp.App) (any, error) {
		return a.CheckRuns(ctx, hello, "ce587453ced02b1526dfb4cb910479d431683101", "mighty_readme")
	}},
	{name: "PutCheck, completed", call: func(ctx context.Context, a *ghapp.App) (any, error) {
		return a.PutCheck(ctx, hello, forge.CheckRun{Name: "mighty_readme", Head: helloHead, Status: "completed", Conclusion: "success"})
	}},
	{name: "PutCheck, in progress", with: "check-run-example-of-in-progress-conclusion", call: func(ctx context.Context, a *ghapp.App) (any, error) {
		return a.PutCheck(ctx, hello, forge.CheckRun{Name: "mighty_readme", Head: helloHead, Status: "in_progress"})
	}},
	{name: "PutCheck, again", call: func(ctx context.Context, a *ghapp.App) (any, error) {
		return a.PutCheck(ctx, hello, forge.CheckRun{ID: 4, Name: "mighty_readme", Head: helloHead, Status: "completed", Conclusion: "success"})
	}},
	{name: "PutStatus", call: func(ctx context.Context, a *ghapp.App) (any, error) {
		return nil, a.PutStatus(ctx, hello, forge.Status{Context: "continuous-integration/jenkins", Head: helloHead, State: "success"})
	}},
	{name: "Comments", call: func(ctx context.Context, a *ghapp.App) (any, error) { return a.Comments(ctx, issue1347) }},
	{name: "Comments, by the App", edit: byApp, call: func(ctx context.Context, a *ghapp.App) (any, error) { return a.Comments(ctx, issue1347) }},
	{name: "CommentsSince", call: func(ctx context.Context, a *ghapp.App) (any, error) {
		found, next, err := a.CommentsSince(ctx, hello, time.Time{})
		return map[string]any{"found": found, "next": next}, err
	}},
	{name: "PostComment", edit: byApp, call: func(ctx context.Context, a *ghapp.App) (any, error) { return a.PostComment(ctx, issue1347, "Me too") }},
	{name: "EditComment", call: func(ctx context.Context, a *ghapp.App) (any, error) {
		return nil, a.EditComment(ctx, hello, 1, "Me too")
	}},
	{name: "Reactions", call: func(ctx context.Context, a *ghapp.App) (any, error) { return a.Reactions(ctx, hello, 1) }},
	{name: "Reactions, by the App", edit: byApp, call: func(ctx context.Context, a *ghapp.App) (any, error) { return a.Reactions(ctx, hello, 1) }},
	{name: "React", call: func(ctx context.Context, a *ghapp.App) (any, error) { return nil, a.React(ctx, hello, 1, "heart") }},
	{name: "React, the first", with: "reaction 201", call: func(ctx context.Context, a *ghapp.App) (any, error) { return nil, a.React(ctx, hello, 1, "heart") }},
	{name: "Issues, which is a pull request", call: func(ctx context.Context, a *ghapp.App) (any, error) { return a.Issues(ctx, hello, "bug") }},
	{name: "Issues, by the App", edit: byApp, call: func(ctx context.Context, a *ghapp.App) (any, error) { return a.Issues(ctx, hello, "bug") }},
	{name: "CreateIssue", call: func(ctx context.Context, a *ghapp.App) (any, error) {
		return a.CreateIssue(ctx, hello, "Found a bug", "I'm having a problem with this.", []string{"bug"})
	}},
	{name: "EditIssue", call: func(ctx context.Context, a *ghapp.App) (any, error) {
		return nil, a.EditIssue(ctx, hello, forge.Issue{Number: 1347, Title: "Found a bug", Open: true})
	}},
}

// TestExamples holds what this package reads against the answers that GitHub publishes as examples: they know nothing of the simulated GitHub.
func TestExamples(t *testing.T) {
	text, err := os.ReadFile("testdata/examples.json")
	must(t, err)
	var examples []*example
	must(t, json.Unmarshal(text, &examples))
	var golden bytes.Buffer
	write := func(t *testing.T, got any, err error) {
		t.Helper()
		must(t, err)
		_, name, _ := strings.Cut(t.Name(), "/")
		fmt.Fprintf(&golden, "# %s\n", strings.ReplaceAll(name, "_", " "))
		e := json.NewEncoder(&golden)
		e.SetIndent("", " ")
		e.SetEscapeHTML(false)
		must(t, e.Encode(got))
	}
	for _, r := range reads {
		t.Run(r.name, func(t *testing.T) {
			api := serve(t, examples, r.with, r.edit)
			key, err := appKey()
			must(t, err)
			a, err := ghapp.New(ghapp.Settings{APIURL: api, AppID: octoapp, Key: pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})})
			must(t, err)
			got, err := r.call(t.Context(), a)
			write(t, got, err)
		})
	}
	t.Run("Convert", func(t *testing.T) {
		got, err := ghapp.Convert(t.Context(), serve(t, examples, "", nil), "code", http.DefaultTransport)
		write(t, got, err)
	})
	for _, e := range examples {
		if !e.served.Load() {
			t.Errorf("nothing asks for %s, example %s %d", e.Route, e.Name, e.Status)
		}
	}
	const path = "testdata/examples.golden"
	if *update {
		must(t, os.WriteFile(path, golden.Bytes(), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	must(t, err)
	a, b := strings.Split(string(want), "\n"), strings.Split(golden.String(), "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Fatalf("%s:%d differs (-update writes it again)\nwant %s\ngot  %s", path, i+1, a[i], b[i])
		}
	}
	if len(a) != len(b) {
		t.Errorf("%s: %d lines, want %d (-update writes it again)", path, len(b), len(a))
	}
}

// serve answers each route with its first example, or with the one that is named, and returns the address. A request that is none of the routes',
// or not authorized as the examples say, is an error.
func serve(t *testing.T, examples []*example, with string, edit *strings.Replacer) string {
	t.Helper()
	routes := map[string]*example{}
	for _, e := range examples {
		if routes[e.Route] == nil || with == e.Name || with == fmt.Sprint(e.Name, " ", e.Status) {
			routes[e.Route] = e
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("there is no example for %s %s", r.Method, r.URL)
		http.NotFound(w, r)
	})
	for route, e := range routes {
		mux.HandleFunc(route, func(w http.ResponseWriter, r *http.Request) {
			asApp := strings.Contains(route, " /app") || strings.HasSuffix(route, "/installation")
			if got := r.Header.Get("Authorization"); !asApp && got != "token ghs_16C7e42F292c6912E7710c838347Ae178B4a" {
				t.Errorf("%s is authorized with %q", route, got)
			}
			e.answer(w, edit)
		})
	}
	api := httptest.NewServer(mux)
	t.Cleanup(api.Close)
	return api.URL
}
