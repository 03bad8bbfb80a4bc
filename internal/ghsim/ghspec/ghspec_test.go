package ghspec

import (
	"net/http"
	"strings"
	"testing"
)

func TestDeviationsAreFound(t *testing.T) {
	router, err := load()
	if err != nil {
		t.Fatal(err)
	}
	const sha = "ce013625030ba8dba906f756967f9e9ca394464a"
	const reaction = `{"id":1,"node_id":"x","user":null,"content":"eyes","created_at":"2026-06-01T00:00:00Z"}`
	for _, c := range []struct {
		name, call, request string
		status              int
		response            string
		want                string // in the one error; "" for none
	}{
		{"right", "POST /repos/a/b/issues/comments/1/reactions", `{"content":"eyes"}`, 201, reaction, ""},
		{"right, on a server of one's own", "POST /api/v3/repos/a/b/issues/comments/1/reactions", `{"content":"eyes"}`, 201, reaction, ""},
		{"right, after a redirect", "POST /repositories/12/issues/comments/1/reactions", `{"content":"eyes"}`, 201, reaction, ""},
		{"graphql is not described", "POST /graphql", `{`, 200, `{`, ""},
		{"unknown operation", "GET /repos/a/b/branches", "", 200, `[]`, "not in GitHub's description"},
		{"unknown field", "POST /repos/a/b/issues/comments/1/reactions", `{"content":"eyes","why":"x"}`, 201, reaction, "why"},
		{"unknown value", "POST /repos/a/b/issues/comments/1/reactions", `{"content":"shrug"}`, 201, reaction, "request"},
		{"refused as invalid", "POST /repos/a/b/issues/comments/1/reactions", `{"content":"shrug"}`, 422, `{"message":"m","documentation_url":"u"}`, ""},
		{"answer lacks a field", "POST /repos/a/b/issues/comments/1/reactions", `{"content":"eyes"}`, 201, `{"id":1}`, "answer 201"},
		{"no conclusion in words", "POST /repos/a/b/check-runs", `{"name":"n","head_sha":"` + sha + `","conclusion":"great"}`, 422, `{"message":"m","documentation_url":"u"}`, ""},
		{"branch with a slash", "GET /repos/a/b/rules/branches/release/1.2", "", 200, `[]`, ""},
		{"page size in words", "GET /repos/a/b/pulls?per_page=many", "", 200, `[]`, "per_page"},
	} {
		method, target, _ := strings.Cut(c.call, " ")
		r, err := http.NewRequest(method, "http://localhost"+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		errs := check(router, r, []byte(c.request), c.status, []byte(c.response))
		switch {
		case c.want == "" && len(errs) > 0:
			t.Errorf("%s: %v", c.name, errs)
		case c.want != "" && (len(errs) != 1 || !strings.Contains(errs[0].Error(), c.want)):
			t.Errorf("%s: got %v, want one error with %q", c.name, errs, c.want)
		}
	}
}
