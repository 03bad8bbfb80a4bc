package main

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/scenario"
)

// calls records what is asked of GitHub, a line a call.
type calls struct{ list []string }

func (c *calls) inspect(r *http.Request, request []byte, status int, _ []byte) {
	what := r.Method + " " + r.URL.Path
	if strings.HasSuffix(r.URL.Path, "/graphql") {
		what = "query"
		if bytes.Contains(request, []byte(`"mutation`)) {
			what = "mutation"
		}
		what += " " + string(request)
	}
	if strings.HasSuffix(r.URL.Path, "/check-runs") && r.Method == http.MethodPost {
		what += " " + string(request)
	}
	c.list = append(c.list, fmt.Sprint(status, " ", what))
}

// TestAPICost holds what an event may cost, in calls of GitHub's API.
func TestAPICost(t *testing.T) {
	const gated = `version: 1
releases:
  dev_version: [{path: VERSION, pattern: "(?P<version>.+)"}]
gates:
  env: {find: {path: "src/*.rs", symbol: "ENV_VERSION"}}
couplings:
  pair: {members: {a: {pr: 1}, b: {pr: 2}}, order: [a before b], gates: {env: a}}
`
	const plain = `version: 1
couplings:
  pair: {members: {a: {pr: 1}, b: {pr: 2}}, order: [a before b]}
`
	app := coupling.Repo("acme/app")
	file := func(path, content string) map[string]*string { return map[string]*string{path: text(content)} }
	open := func(n int, files map[string]*string) scenario.Action {
		return scenario.Action{Verb: "open", Pull: coupling.Pull{Repo: app, Number: n}, By: "ann", Title: text(fmt.Sprint("Change ", n)), Files: files}
	}
	push := func(n int, files map[string]*string) scenario.Action {
		return scenario.Action{Verb: "push", Pull: coupling.Pull{Repo: app, Number: n}, By: "ann", Files: files}
	}
	onMain := func(files map[string]*string) scenario.Action {
		return scenario.Action{Verb: "push", Repo: app, Branch: "main", By: "ann", Files: files}
	}
	wrong := file("src/env.rs", "pub const ENV_VERSION: Version = Version::new(9, 9, 0);\n")
	for _, c := range []struct {
		name, policy  string
		do            []scenario.Action
		reads, writes int // reads below zero: not held
	}{
		{"never green: a gate edited from outside", gated, []scenario.Action{open(9, wrong)}, -1, 1},
		{"never green: a gate edited from outside, later", gated, []scenario.Action{push(3, wrong)}, -1, 1},
		{"never green: a member's gate edited", gated, []scenario.Action{push(1, wrong)}, -1, 4},
		{"a bad policy is blocked in the end", plain, []scenario.Action{open(9, file(".github/relbot.yml", "version: 2\n"))}, -1, 2},
		{"uncoupled, opened", plain, []scenario.Action{open(9, file("x9", "1"))}, 0, 1},
		{"uncoupled, pushed", plain, []scenario.Action{push(3, file("x3", "2"))}, 0, 1},
		{"uncoupled, title edited", plain, []scenario.Action{{Verb: "edit", Pull: coupling.Pull{Repo: app, Number: 3}, By: "ann", Title: text("Other")}}, 0, 0},
		{"uncoupled, body edited", plain, []scenario.Action{{Verb: "edit", Pull: coupling.Pull{Repo: app, Number: 3}, By: "ann", Body: text("Other")}}, 0, 0},
		{"uncoupled, no policy, opened", "", []scenario.Action{open(9, file("x9", "1"))}, 0, 1},
		{"uncoupled, gates, opened", gated, []scenario.Action{open(9, file("x9", "1"))}, 1, 1},
		{"uncoupled, gates, pushed", gated, []scenario.Action{push(3, file("x3", "2"))}, 1, 1},
		{"uncoupled, gates, body edited", gated, []scenario.Action{{Verb: "edit", Pull: coupling.Pull{Repo: app, Number: 3}, By: "ann", Body: text("Other")}}, 0, 0},
		{"member, pushed", plain, []scenario.Action{push(1, file("x1", "2"))}, 1, 1},
		{"member, gates, pushed", gated, []scenario.Action{push(1, file("x1", "2"))}, 1, 1},
		{"member that waits, gates, pushed", gated, []scenario.Action{push(2, file("x2", "2"))}, 1, 1},
		{"default branch pushed", gated, []scenario.Action{onMain(file("y", "2"))}, 2, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var seen calls
			s := &scenario.Scenario{Title: "cost", Repo: app, Clock: scenario.DefaultClock, Repos: []scenario.Repo{{
				Name: app, Policy: c.policy, Tags: []scenario.Tag{{Name: "v1.0.0"}},
				Files: map[string]string{"VERSION": "1.1.0-dev.0\n", "src/env.rs": "pub const ENV_VERSION: Version = Version::new(1, 1, 0);\n"},
			}}}
			w, err := scenario.NewWorld(t.Context(), s, scenario.Options{Start: startSimulated, Inspect: seen.inspect})
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			// After the first minutes what is on GitHub is not looked at any more before it is written over.
			w.Step(t.Context(), scenario.Step{Do: []scenario.Action{open(1, file("src/env.rs", "pub const ENV_VERSION: Version = Version::new(1, 1, 0); // by 1\n")), open(2, file("x2", "1")), open(3, file("x3", "1")), {Verb: "advance", Duration: time.Hour}}})
			seen.list = nil
			reads, writes := w.GitHub.Counts()
			w.Step(t.Context(), scenario.Step{Do: c.do})
			after, written := w.GitHub.Counts()
			for _, call := range seen.list {
				if strings.HasPrefix(c.name, "never green") && strings.Contains(call, `"conclusion":"success"`) || strings.Contains(call, "mutation") && strings.Contains(c.policy, "gates:") {
					t.Errorf("a green check before the content was known: %s", call)
				}
			}
			if c.reads >= 0 && after-reads != c.reads || written-writes != c.writes {
				t.Errorf("%d reads and %d writes, want %d and %d:\n%s", after-reads, written-writes, c.reads, c.writes, strings.Join(seen.list, "\n"))
			}
		})
	}
}
