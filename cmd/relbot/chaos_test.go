package main

import (
	"flag"
	"fmt"
	"math/rand"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim/ghspec"
	"github.com/relbot/relbot/internal/scenario"
)

// chaosRuns is how many random worlds are disturbed; give more by hand: go test ./cmd/relbot -run Chaos -chaos 1000.
var chaosRuns = flag.Int64("chaos", 30, "how many random worlds are disturbed")

const chaosPolicy = `version: 1
releases: {dev_version: [{path: VERSION, pattern: "(?P<version>\\S+)"}], tags: "v{version}"}
gates: {g: {find: {path: gate.py, symbol: MIN}}}
couplings:
  set:
    members: {a: {pr: 1}, b: {pr: 2}, c: {pr: 3, safe_alone: true}}
    order: [a before b, c before-or-with b]
    gates: {g: b}
  other: {members: {b: {pr: 2}, d: {pr: 4}}}
`

func text(s string) *string { return &s }

// humans makes a random but repeatable stream of what people and release tools do. Merges are by an admin, so that what
// happens does not depend on what relbot says at the moment.
func humans(r *rand.Rand, steps int) []scenario.Action {
	repo := coupling.Repo("acme/app")
	pull := func(n int) coupling.Pull { return coupling.Pull{Repo: repo, Number: n} }
	minor := 2
	var out []scenario.Action
	for range steps {
		n := 1 + r.Intn(4)
		a := scenario.Action{Repo: repo, Pull: pull(n), By: "root", Times: 1}
		switch r.Intn(12) {
		case 0, 1:
			a.Verb, a.Files = "push", map[string]*string{"gate.py": text(fmt.Sprintf("MIN = \"1.%d.0\"\n", minor+r.Intn(3)))}
			a.Pull = pull(1)
		case 2:
			a.Verb, a.Files = "push", map[string]*string{fmt.Sprint("f", n): text(fmt.Sprint(r.Int()))}
		case 3:
			a = scenario.Action{Verb: "tag", Repo: repo, Name: fmt.Sprintf("v1.%d.0-rc.1", minor)}
			minor++
		case 4:
			a = scenario.Action{Verb: "push", Repo: repo, Branch: "main", By: "root", Files: map[string]*string{"VERSION": text(fmt.Sprintf("1.%d.0-dev\n", minor))}}
		case 5:
			a.Verb = "close"
		case 6:
			a.Verb = "reopen"
		case 7:
			draft := r.Intn(2) == 0
			a.Verb, a.Draft = "edit", &draft
		case 8:
			if r.Intn(3) == 0 {
				a.Verb, a.Bypass = "merge", true
			} else {
				a.Verb, a.Title = "edit", text(fmt.Sprint("title ", r.Intn(100)))
			}
		case 9:
			a.Verb, a.Body = "comment", text([]string{"/relbot hold x", "/relbot resume", "/relbot hold x\n/relbot override on-hold because x until merge", "/relbot override cancel"}[r.Intn(4)])
		case 10:
			base := []string{"main", "next"}[r.Intn(2)]
			a.Verb, a.Base = "edit", &base
		case 11:
			a = scenario.Action{Verb: "advance", Duration: time.Duration(1+r.Intn(20)) * time.Minute}
		}
		out = append(out, a)
	}
	return out
}

// disturb puts lost, doubled, delayed and reversed events, faults of the API and restarts between the actions.
func disturb(r *rand.Rand, actions []scenario.Action) []scenario.Action {
	var out []scenario.Action
	for _, a := range actions {
		switch r.Intn(6) {
		case 0:
			out = append(out, scenario.Action{Verb: "webhooks", Mode: []string{"on", "off", "held", "reversed", "doubled"}[r.Intn(5)]})
		case 1:
			out = append(out, scenario.Action{Verb: "fault", Match: []string{"reads", "writes", "graphql"}[r.Intn(3)],
				Answer: []string{"500", "502", "429", "timeout", "lost_answer", "truncated"}[r.Intn(6)], Times: 1 + r.Intn(4), RetryAfter: r.Intn(30)})
		case 2:
			if r.Intn(3) == 0 {
				out = append(out, scenario.Action{Verb: "restart"})
			}
		}
		out = append(out, a)
	}
	return append(out, scenario.Action{Verb: "webhooks", Mode: "on"}, scenario.Action{Verb: "clear_faults"}, scenario.Action{Verb: "advance", Duration: 2 * time.Hour})
}

// play runs actions in one step each, and returns the checks at the end with the number of live notes of each member.
func play(t *testing.T, actions []scenario.Action) (map[string]scenario.CheckResult, map[int]int) {
	t.Helper()
	s := &scenario.Scenario{Title: "chaos", Repo: "acme/app", Clock: scenario.DefaultClock, Repos: []scenario.Repo{{
		Name: "acme/app", Policy: chaosPolicy, Files: map[string]string{"VERSION": "1.2.0-dev\n", "gate.py": "MIN = \"1.2.0\"\n"},
		Tags: []scenario.Tag{{Name: "v1.1.0"}}, Branches: []scenario.Branch{{Name: "next"}}, Permissions: map[string]string{"root": "admin"},
	}}}
	w, err := scenario.NewWorld(t.Context(), s, scenario.Options{Start: startSimulated, Inspect: ghspec.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var open scenario.Step
	for n := 1; n <= 4; n++ {
		open.Do = append(open.Do, scenario.Action{Verb: "open", Pull: coupling.Pull{Repo: "acme/app", Number: n}, By: "root", Title: text("T"), Files: map[string]*string{fmt.Sprint("f", n): text("1")}})
	}
	w.Step(t.Context(), open)
	var last scenario.StepResult
	for _, a := range append(actions, scenario.Action{Verb: "advance", Duration: time.Hour}) {
		last = w.Step(t.Context(), scenario.Step{Do: []scenario.Action{a}})
	}
	notes := map[int]int{}
	for n := 1; n <= 4; n++ {
		for _, c := range w.GitHub.Comments(coupling.Pull{Repo: "acme/app", Number: n}) {
			if scenario.IsNote(c) && c.Minimized == "" {
				notes[n]++
			}
		}
	}
	// Checks of closed pull requests are not posted again.
	for key := range last.Checks {
		p, err := coupling.ParsePull(key, "acme/app")
		if err != nil {
			t.Fatal(err)
		}
		if state, _ := w.GitHub.Mergeable(p); state == "done" || state == "closed" {
			delete(last.Checks, key)
		}
	}
	if n, err := w.Pending(t.Context()); err != nil || n > 0 {
		t.Errorf("%d rows of work are pending at the end (%v)", n, err)
	}
	return last.Checks, notes
}

// TestChaosConverges holds that lost, doubled, late and reversed events, faults and restarts cost time and never a verdict. Once the
// world settles, the checks are those of an undisturbed run, and each member has one live note.
func TestChaosConverges(t *testing.T) {
	runs := *chaosRuns
	if testing.Short() {
		runs = 5
	}
	for seed := range runs {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			actions := humans(rand.New(rand.NewSource(seed)), 25)
			calm, _ := play(t, actions)
			wild, notes := play(t, disturb(rand.New(rand.NewSource(seed+1000)), actions))
			if !reflect.DeepEqual(calm, wild) {
				t.Errorf("undisturbed %+v\ndisturbed   %+v", calm, wild)
			}
			for n := 1; n <= 4; n++ {
				if notes[n] != 1 {
					t.Errorf("#%d has %d live notes", n, notes[n])
				}
			}
		})
	}
}

// TestHardFiles judges gates in files that are hard to read. They are so long that GitHub cuts their text off, binary, in another encoding,
// or gone.
func TestHardFiles(t *testing.T) {
	const policy = `version: 1
releases: {dev_version: [{path: VERSION, pattern: "(?P<version>\\S+)"}], tags: "v{version}"}
gates: {g: {find: {path: gate.go, symbol: minVersion}}}
couplings: {set: {members: {a: {pr: 1}}, gates: {g: a}}}
`
	right := "const minVersion = \"1.2.0\"\n"
	for name, c := range map[string]struct {
		file    *string
		verdict string
		reasons []string
	}{
		"long":        {text(strings.Repeat("// "+strings.Repeat("padding ", 125)+"\n", 600) + right), "pass", []string{}},
		"binary":      {text("\x00\x01" + right), "block", []string{"gate-missing"}},
		"Latin-1":     {text("// caf\xe9\n" + right), "block", []string{"gate-missing"}},
		"gone":        {nil, "block", []string{"gate-missing"}},
		"only spaces": {text("   \n"), "block", []string{"gate-missing"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &scenario.Scenario{Repo: "acme/app", Clock: scenario.DefaultClock, Repos: []scenario.Repo{{
				Name: "acme/app", Policy: policy, Files: map[string]string{"VERSION": "1.2.0-dev\n", "gate.go": right},
				Tags: []scenario.Tag{{Name: "v1.1.0"}, {Name: "vNext"}, {Name: "nightly-2026"}},
			}}}
			w, err := scenario.NewWorld(t.Context(), s, scenario.Options{Start: startSimulated, Inspect: ghspec.New(t)})
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			r := w.Step(t.Context(), scenario.Step{Do: []scenario.Action{{
				Verb: "open", Pull: coupling.Pull{Repo: "acme/app", Number: 1}, By: "ann", Title: text("T"), Files: map[string]*string{"gate.go": c.file, "other": text("x")},
			}}})
			if got := r.Checks["#1"]; got.Verdict != c.verdict || !reflect.DeepEqual(got.Reasons, c.reasons) {
				t.Errorf("got %+v, want %s %v (%v)", got, c.verdict, c.reasons, r.Failures)
			}
		})
	}
}
