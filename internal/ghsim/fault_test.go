package ghsim_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/ghsim"
)

// ask sends a request with the world's token, and returns the answer.
func (w *world) ask(method, path string, body any) (int, http.Header, string) {
	w.t.Helper()
	raw, err := json.Marshal(body)
	w.ok(err)
	req, err := http.NewRequest(method, w.server.URL+path, bytes.NewReader(raw))
	w.ok(err)
	req.Header.Set("Authorization", "Bearer "+w.token)
	res, err := http.DefaultClient.Do(req)
	w.ok(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	w.ok(err)
	return res.StatusCode, res.Header, string(text)
}

// TestRefusals holds how GitHub says no, and for how long and for whom it does.
func TestRefusals(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{})
	w.ok(w.CreateRepo(ghsim.RepoSpec{Name: "globex/web"}))
	w.ok(w.Install("globex/web"))
	read := func() (int, http.Header, string) { return w.ask("GET", "/repos/acme/app", nil) }
	for _, c := range []struct {
		answer string
		status int
		says   string
	}{
		{"secondary", 403, "secondary rate limit"}, {"blank", 403, ""}, {"html", 403, "<title>Whoa there!"}, {"allow_list", 403, "`acme` organization has an IP allow list"}, {"410", 410, "deleted"},
	} {
		w.ok(w.AddFault(ghsim.Fault{Match: "reads", Answer: c.answer}))
		status, header, body := read()
		if status != c.status || !strings.Contains(body, c.says) || c.says == "" && body != "" || header.Get("Retry-After") != "" {
			t.Errorf("%s: %d %v %s", c.answer, status, header, body)
		}
	}
	w.ok(w.AddFault(ghsim.Fault{Match: "reads", Answer: "500", Lasts: time.Minute}))
	for range 3 {
		if status, _, _ := read(); status != 500 {
			t.Errorf("within the minute: %d", status)
		}
	}
	w.now = w.now.Add(time.Minute)
	if status, _, _ := read(); status != 200 {
		t.Errorf("after the minute: %d", status)
	}
	w.ok(w.AddFault(ghsim.Fault{Match: "reads", Answer: "500", Account: "globex", Times: -1}))
	if status, _, _ := read(); status != 200 {
		t.Errorf("another account: %d", status)
	}
	if _, body := w.graphql(`{viewer{login}}`, nil); len(body) > 0 {
		t.Errorf("another account: %s", body)
	}
	w.ClearFaults()
	w.login("globex/web")
	w.ok(w.AddFault(ghsim.Fault{Match: "reads", Answer: "500", Account: "globex"}))
	if status, _, _ := w.ask("GET", "/repos/globex/web", nil); status != 500 {
		t.Errorf("the account: %d", status)
	}
}

// TestTooMuch holds what counts as too wide: the largest page, or the things of one kind that are looked up by name.
func TestTooMuch(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{Files: map[string]string{"a": "1", "b": "2", "c": "3"}})
	w.ok(w.Open(ghsim.OpenSpec{Repo: app, Number: 1}))
	w.ok(w.AddFault(ghsim.Fault{Match: "reads", Answer: "too_much", Over: 2, Times: -1}))
	const head = `{repository(owner:"acme",name:"app"){`
	for query, wide := range map[string]bool{
		head + `pullRequests(first:2){nodes{number commits(last:1){nodes{id}} labels:comments(first:1){totalCount}}}}}`:                                              false,
		head + `pullRequests(first:3){nodes{number}}}}`:                                                                                                              true,
		head + `c0:object(expression:"main"){... on Commit{history(first:5){nodes{oid}}}}}}`:                                                                         true,
		head + `defaultBranchRef{target{... on Commit{f0:file(path:"a"){oid} f1:file(path:"b"){oid} f2:file(path:"c"){oid}}}}}}`:                                     false,
		`{r:repository(owner:"acme",name:"app"){c0:object(expression:"main"){... on Commit{f0:file(path:"a"){oid} f1:file(path:"b"){oid} f2:file(path:"c"){oid}}}}}`: true,
		`{r:repository(owner:"acme",name:"app"){p1:pullRequest(number:1){id} p2:pullRequest(number:1){id}}}`:                                                         false,
	} {
		status, _, _ := w.ask("POST", "/api/graphql", map[string]any{"query": query})
		if (status == http.StatusBadGateway) != wide {
			t.Errorf("%s: %d, want too much %v", query, status, wide)
		}
	}
	for path, want := range map[string]int{"/repos/acme/app/pulls?per_page=3": 502, "/repos/acme/app/pulls?per_page=2": 200, "/repos/acme/app": 200} {
		if status, _, _ := w.ask("GET", path, nil); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	w.ClearFaults()
	w.ok(w.AddFault(ghsim.Fault{Match: "graphql", Answer: "partial", Over: 2}))
	if _, _, body := w.ask("POST", "/api/graphql", map[string]any{"query": head + `pullRequests(first:3){nodes{number}}}}`}); !strings.Contains(body, `"nodes":[null]`) || !strings.Contains(body, "RESOURCE_LIMITS_EXCEEDED") {
		t.Error(body)
	}
	for _, f := range []ghsim.Fault{{Match: "reads", Answer: "too_much"}, {Match: "reads", Answer: "500", Over: 3}} {
		if w.AddFault(f) == nil {
			t.Errorf("%+v was taken", f)
		}
	}
	w.noProblems()
}
