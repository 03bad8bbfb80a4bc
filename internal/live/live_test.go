package live

import (
	"encoding/json"
	"slices"
	"testing"
)

// TestFence holds that nothing is written but to the repository that is open.
func TestFence(t *testing.T) {
	mine := repository{ID: 1, NodeID: "R_1", Name: "Lab/relbot-live-1"}
	mutation := func(id string) string {
		return `{"query": "mutation($in: CreateCheckRunInput!) { createCheckRun(input: $in) { checkRun { databaseId } } }", "variables": {"in": {"repositoryId": "` + id + `"}}}`
	}
	for _, c := range []struct {
		method, target, body string
		closed, open         bool // what is let through while no repository is open, and while one is
	}{
		{"GET", "/repos/acme/app", "", true, true},
		{"GET", "/installation/repositories?per_page=100", "", true, true},
		{"POST", "/orgs/lab/repos", "{}", true, false},
		{"POST", "/user/repos", "{}", true, false},
		{"POST", "/orgs/acme/repos", "{}", false, false},
		{"DELETE", "/orgs/lab/repos", "", false, false},
		{"POST", "/app/installations/1/access_tokens", "{}", true, true},
		{"DELETE", "/app/installations/1", "", false, false},
		{"POST", "/app/hook/deliveries/1/attempts", "", true, true},
		{"PATCH", "/app/hook/config", "{}", false, false},
		{"PATCH", "/repos/lab/relbot-live-1", "{}", false, true},
		{"DELETE", "/repos/lab/relbot-live-1", "", false, true},
		{"DELETE", "/repos/lab/relbot-live-12", "", false, false},
		{"DELETE", "/repos/acme/relbot-live-1", "", false, false},
		{"PUT", "/repos/lab/relbot-live-1/pulls/1/merge", "{}", false, true},
		{"PUT", "/repos/lab/relbot-live-1/../precious/pulls/1/merge", "{}", false, false},
		{"PUT", "/repos/lab/relbot-live-1/%2e%2e/precious/pulls/1/merge", "{}", false, false},
		{"PUT", "/repositories/1/pulls/1/merge", "{}", false, false},
		{"POST", "/repos/acme/app/check-runs", "{}", false, false},
		{"POST", "/graphql", `{"query": "query { viewer { login } }"}`, true, true},
		{"POST", "/graphql", `{"query": "{ viewer { login } }"}`, true, true},
		{"POST", "/graphql", mutation("R_1"), false, true},
		{"POST", "/graphql", mutation("R_2"), false, false},
		{"POST", "/graphql", `{"query": "query A { viewer { login } } mutation B { x }", "operationName": "B"}`, false, false},
		{"POST", "/graphql", `no JSON`, false, false},
	} {
		f := fence{account: "Lab"}
		if err := f.allows(c.method, c.target, []byte(c.body)); (err == nil) != c.closed {
			t.Errorf("%s %s while none is open: %v", c.method, c.target, err)
		}
		f.open(mine)
		if err := f.allows(c.method, c.target, []byte(c.body)); (err == nil) != c.open {
			t.Errorf("%s %s: %v", c.method, c.target, err)
		}
		f.close()
		if err := f.allows(c.method, c.target, []byte(c.body)); (err == nil) != c.closed {
			t.Errorf("%s %s after it was closed: %v", c.method, c.target, err)
		}
	}
}

// TestDifferences holds that what is alike is no difference, and that each other thing is one.
func TestDifferences(t *testing.T) {
	record := func(change func(*Record)) *Record {
		s := &shapes{}
		s.add("k", []byte(`{"a": 1, "b": [{"c": "x"}], "d": null, "e": {"f": true}, "p1": {"g": 1}}`))
		r := &Record{Shapes: s.all(), Steps: []Step{{Name: "one", Events: []string{"push", "create"}}, {Name: "two", Shows: []string{"#1"}}}}
		change(r)
		return r
	}
	shape := func(text string) func(*Record) {
		return func(r *Record) { s := &shapes{}; s.add("k", []byte(text)); r.Shapes = s.all() }
	}
	for name, c := range map[string]struct {
		github func(*Record)
		want   []string
	}{
		"nothing":          {func(*Record) {}, nil},
		"more members":     {shape(`{"a": 1, "b": [{"c": "x", "y": 1}], "d": null, "e": {"f": true}, "p1": {"g": 1}, "z": 1}`), nil},
		"null and empty":   {shape(`{"a": 1, "b": [], "d": "x", "e": null, "p7": {"g": 2}}`), nil},
		"a missing member": {shape(`{"a": 1, "b": [{}], "d": 1, "p1": {"g": 1}}`), []string{"form: k: b[].c is missing", "form: k: e is missing"}},
		"another type":     {shape(`{"a": "1", "b": [{"c": "x"}], "d": null, "e": [true], "p1": {"g": 1}}`), []string{"form: k: a is text, simulated number", "form: k: e is list, simulated object"}},
		"another order":    {func(r *Record) { slices.Reverse(r.Steps[0].Events) }, []string{"one: events: in another order: GitHub create, push; simulated push, create"}},
		"an event twice":   {func(r *Record) { r.Steps[0].Events = []string{"push", "push", "create"} }, []string{"one: events: GitHub alone: push"}},
		"another sight":    {func(r *Record) { r.Steps[1].Shows = []string{"#2"} }, []string{"two: shows: GitHub alone: #2", "two: shows: simulated alone: #1"}},
		"an early end":     {func(r *Record) { r.Steps = r.Steps[:1] }, []string{"steps: 1 on GitHub, 2 simulated"}},
		"a refusal":        {func(r *Record) { r.Shapes["relbot's GET /x"+answered+"403"] = Shape{} }, []string{"form: relbot's GET /x, answered 403: GitHub alone"}},
		"another question": {func(r *Record) { r.Shapes["relbot's GET /x"] = Shape{} }, nil},
	} {
		if got := Differences(record(c.github), record(func(*Record) {})); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestKinds holds that what asks for the same has the same name.
func TestKinds(t *testing.T) {
	query := func(text string) []byte { b, _ := json.Marshal(map[string]string{"query": text}); return b }
	s := &shapes{}
	two := s.kind("POST", "/graphql", query(`query($a: ID!) { r: repository(owner: "x") { p1: pullRequest(number: 1) { id } p2: pullRequest(number: 2) { id } } }`))
	one := s.kind("POST", "/graphql", query(`query($a: ID!) { r: repository(owner: "x") { p7: pullRequest(number: 7) { id } } }`))
	other := s.kind("POST", "/graphql", query(`query($a: ID!) { r: repository(owner: "x") { p7: pullRequest(number: 7) { title } } }`))
	if one != two || one == other {
		t.Errorf("%q, %q, %q", one, two, other)
	}
	for target, want := range map[string]string{
		"/repos/lab/r/pulls/12?x=1": "GET /repos/R/pulls/N", "/repos/a/b": "GET /repos/R", "/app": "GET /app",
		"/repos/a/b/compare/0123456789012345678901234567890123456789...main": "GET /repos/R/compare/SHA...main",
	} {
		if got := s.kind("GET", target, nil); got != want {
			t.Errorf("%s is %q, want %q", target, got, want)
		}
	}
}
