package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/scenario"
)

// TestContentLimit lets one policy make 60 couplings of 120 open pull requests: GitHub takes 900 points and 80 new comments a minute, so that the
// checks come at once, the notes behind them in waves, and nothing is refused.
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
