package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/scenario"
)

// TestContentLimit lets one policy make 60 couplings of 120 open pull requests. GitHub takes 900 points and 80 new comments a minute. So the checks
// come at once, the notes behind them in waves, and nothing is refused.
func TestContentLimit(t *testing.T) {
	const pairs = 60
	policy := "version: 1\ncouplings:\n"
	var open scenario.Step
	for i := range pairs {
		a, b := 2*i+1, 2*i+2
		policy += fmt.Sprintf("  set%d: {members: {a: {pr: %d}, b: {pr: %d}}, order: [a before b]}\n", i, a, b)
		for _, n := range []int{a, b} {
			open.Do = append(open.Do, scenario.Action{Verb: "open", Pull: coupling.Pull{Repo: "acme/app", Number: n}, By: "ann", Title: text("T"), Files: map[string]*string{fmt.Sprint("f", n): text("1")}})
		}
	}
	s := &scenario.Scenario{Title: "limits", Repo: "acme/app", Clock: scenario.DefaultClock, Repos: []scenario.Repo{{Name: "acme/app", Policy: policy, Files: map[string]string{"x": "x"}}}}
	w, err := scenario.NewWorld(t.Context(), s, scenario.Options{Start: startSimulated})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	notes := func() (n int) {
		for i := 1; i <= 2*pairs; i++ {
			n += len(w.GitHub.Comments(coupling.Pull{Repo: "acme/app", Number: i}))
		}
		return n
	}
	r := w.Step(t.Context(), open)
	if n := notes(); n > 80 {
		t.Errorf("%d comments in the first minute", n)
	}
	for i := 1; i <= 2*pairs; i++ {
		if c := r.Checks[fmt.Sprint("#", i)]; c.Verdict == "" {
			t.Fatalf("#%d has no check yet: checks wait for no comment", i)
		}
	}
	w.Step(t.Context(), scenario.Step{Do: []scenario.Action{{Verb: "advance", Duration: 5 * time.Minute}}})
	if n := notes(); n != 2*pairs {
		t.Errorf("%d comments in the end, want one on each of %d", n, 2*pairs)
	}
	if problems := w.GitHub.Problems(); len(problems) > 0 {
		t.Errorf("GitHub complains: %s", strings.Join(problems, "; "))
	}
}

// TestDemotionInAFlood opens more pull requests at once than GitHub's points of a minute have checks for. Meanwhile a release and
// a hold revoke passes: these do not wait. Without gates first checks are GraphQL's, else REST's, which have points of
// their own.
func TestDemotionInAFlood(t *testing.T) {
	for name, gates := range map[string]bool{"rest": true, "graphql": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			policy, hold := "version: 1\nreleases: {dev_version: [{path: VERSION, pattern: \"(?P<version>\\\\S+)\"}], tags: \"v{version}\"}\n", `
couplings:
  cut: {members: {landed: {pr: 1}, open: {pr: 2}}}
  held: {members: {a: {pr: 3}, b: {pr: 4}}}
`
			if gates {
				policy += "gates: {uid: {find: {path: gate.rs, symbol: \"V\\\\d+_\\\\d+_\\\\d+\"}}}\n"
			}
			pull := func(n int) coupling.Pull { return coupling.Pull{Repo: "acme/app", Number: n} }
			open := func(n int) scenario.Action {
				return scenario.Action{Verb: "open", Pull: pull(n), By: "ann", Title: text("T"), Files: map[string]*string{fmt.Sprint("f", n): text("1")}}
			}
			s := &scenario.Scenario{Title: "flood", Repo: "acme/app", Clock: scenario.DefaultClock, Repos: []scenario.Repo{{
				Name: "acme/app", Policy: policy + hold, Files: map[string]string{"VERSION": "1.2.0-dev", "gate.rs": "\n"}, Permissions: map[string]string{"ann": "write"},
				Tags: []scenario.Tag{{Name: "v1.0.0"}, {Name: "v1.1.0"}},
			}}}
			w, err := scenario.NewWorld(t.Context(), s, scenario.Options{Start: startSimulated})
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			w.Step(t.Context(), scenario.Step{Do: []scenario.Action{open(1), open(2), open(3), open(4)}})
			r := w.Step(t.Context(), scenario.Step{Do: []scenario.Action{{Verb: "merge", Pull: pull(1), By: "ann"}, {Verb: "advance", Duration: 2 * time.Minute}}})
			for _, n := range []string{"#2", "#3", "#4"} {
				if r.Checks[n].Verdict != "pass" {
					t.Fatalf("%s before the flood: %+v", n, r.Checks[n])
				}
			}
			const flood = 600
			var burst scenario.Step
			for n := range flood {
				burst.Do = append(burst.Do, open(10+n))
			}
			r = w.Step(t.Context(), burst)
			posted := 0
			for n := range flood {
				if r.Checks[fmt.Sprint("#", 10+n)].Verdict != "" {
					posted++
				}
			}
			if posted == 0 || posted == flood {
				t.Fatalf("%d of %d have a check: that is no flood", posted, flood)
			}
			r = w.Step(t.Context(), scenario.Step{Do: []scenario.Action{
				{Verb: "tag", Repo: "acme/app", Name: "v1.2.0"}, {Verb: "comment", Pull: pull(3), By: "ann", Body: text("/relbot hold")},
			}})
			for n, reason := range map[string]string{"#2": "release-split", "#3": "on-hold", "#4": "on-hold"} {
				if c := r.Checks[n]; c.Verdict != "block" || len(c.Reasons) != 1 || c.Reasons[0] != reason {
					t.Errorf("%s in the flood: %+v, want it blocked by %s", n, c, reason)
				}
			}
			r = w.Step(t.Context(), scenario.Step{Do: []scenario.Action{{Verb: "advance", Duration: 10 * time.Minute}}})
			for n := range flood {
				if c := r.Checks[fmt.Sprint("#", 10+n)]; c.Verdict != "pass" {
					t.Fatalf("#%d after the flood: %+v", 10+n, c)
				}
			}
			if problems := w.GitHub.Problems(); len(problems) > 0 {
				t.Errorf("GitHub complains: %s", strings.Join(problems, "; "))
			}
		})
	}
}

// TestLongHistory installs the App where people have talked for long, and loses its database later. The comments are read in parts, nothing is said
// before all are known, and what was acknowledged between them holds again.
func TestLongHistory(t *testing.T) {
	t.Parallel()
	s := &scenario.Scenario{Title: "history", Repo: "acme/app", Clock: scenario.DefaultClock, Repos: []scenario.Repo{{Name: "acme/app", Files: map[string]string{"x": "x"}}}}
	listed := 0
	w, err := scenario.NewWorld(t.Context(), s, scenario.Options{Start: startSimulated, Inspect: func(r *http.Request, _ []byte, _ int, _ []byte) {
		if strings.Contains(r.URL.Path, "/acme/old/issues/comments") {
			listed++
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	const repo = coupling.Repo("acme/old")
	pull := func(n int) coupling.Pull { return coupling.Pull{Repo: repo, Number: n} }
	if err := w.GitHub.CreateRepo(ghsim.RepoSpec{Name: repo, Files: map[string]string{"x": "x"}, Permissions: map[string]string{"ann": "write"}}); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 3; n++ {
		if err := w.GitHub.Open(ghsim.OpenSpec{Repo: repo, Number: n, By: "ann", Title: "T", Files: map[string]*string{fmt.Sprint("f", n): text("1")}}); err != nil {
			t.Fatal(err)
		}
	}
	step := stepping(t, w)
	pass := scenario.Action{Verb: "advance", Duration: 20 * time.Minute}
	talk := func() {
		t.Helper()
		for range 80 {
			step(scenario.Action{Verb: "advance", Duration: time.Minute})
			for range 20 {
				w.GitHub.Comment(ghsim.CommentSpec{Pull: pull(3), By: "bob", Body: "What about `/relbot hold`?"})
			}
		}
	}
	talk()
	talk()
	step(scenario.Action{Verb: "install", Repo: repo}, pass)
	if pages := 3200 / 100; listed < pages || listed > pages*3/2 {
		t.Errorf("%d calls for %d pages of comments", listed, pages)
	}
	if c, ok := w.GitHub.CurrentCheck(pull(1)); !ok || c.Conclusion != "success" {
		t.Fatalf("after the installation: %+v", c)
	}
	step(scenario.Action{Verb: "comment", Pull: pull(1), By: "ann", Body: text("/relbot link #1 #2\n/relbot order #1 before #2")})
	talk()
	step(scenario.Action{Verb: "restart", LoseDatabase: true}, pass)
	if c, ok := w.GitHub.CurrentCheck(pull(2)); !ok || !strings.HasPrefix(c.Title, "Waiting:") {
		t.Errorf("after the loss: %+v", c)
	}
	if runs := len(w.GitHub.Checks(repo, w.GitHub.Commit(repo, "pr-2"))); runs != 2 { // passed first, then waits
		t.Errorf("%d check runs on the head of #2", runs)
	}
}
