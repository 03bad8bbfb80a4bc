package main

import (
	"flag"
	"fmt"
	"math/rand"
	"strings"
	"testing"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/scenario"
)

// modelSteps is how many steps the model test takes; give more by hand: go test ./cmd/relbot -run Model -model 100000.
var modelSteps = flag.Int("model", 2000, "how many random steps are compared with the model")

// model is what the policy of the chaos test demands, kept in the simplest way: nothing of relbot's is used to decide whether a merge is permitted.
type model struct {
	state  map[int]string // open, closed, merged
	draft  map[int]bool
	gate   map[int]int // what #1 says, by pull request; and 0, what main says
	ship   map[int]int // minor release in which a merged one ships
	held   map[string]bool
	train  int // minor
	pushed int
}

func newModel() *model {
	m := &model{state: map[int]string{}, draft: map[int]bool{}, gate: map[int]int{0: 2, 1: 2}, ship: map[int]int{}, held: map[string]bool{}, train: 2}
	for n := 1; n <= 4; n++ {
		m.state[n] = "open"
	}
	return m
}

// sets are the couplings of the chaos test's policy.
var sets = map[string][]int{"set": {1, 2, 3}, "other": {2, 4}}

// refuses says why GitHub must refuse a merge, "" when it must not.
func (m *model) refuses(n int) string {
	if m.state[n] != "open" || m.draft[n] {
		return "it is " + m.state[n] + " or a draft"
	}
	for name, members := range sets {
		in := false
		for _, o := range members {
			in = in || o == n
		}
		if !in {
			continue
		}
		if m.held[name] {
			return name + " is held"
		}
		for _, o := range members {
			if m.state[o] == "closed" {
				return fmt.Sprintf("#%d is closed", o)
			}
			if m.state[o] == "merged" && o != 3 && m.ship[o] < m.train { // #3 is safe alone
				return fmt.Sprintf("#%d shipped in 1.%d, this would in 1.%d", o, m.ship[o], m.train)
			}
		}
	}
	if n == 2 && (m.state[1] == "open" || m.state[3] == "open") {
		return "its predecessors are open"
	}
	// The gate must name the release in which #2 ships; its owner and its subject answer for it, or when neither is open all that are.
	owner := m.state[1] == "open" && m.gate[1] != m.gate[0]
	value, want := m.gate[0], m.train
	if owner {
		value = m.gate[1]
	}
	if m.state[2] == "merged" {
		want = m.ship[2]
	}
	blamed := n == 2 || n == 1 && owner || n != 4 && !owner && m.state[2] != "open"
	if blamed && value != want {
		return fmt.Sprintf("the gate names 1.%d, not 1.%d", value, want)
	}
	return ""
}

// step does something on GitHub and in the model, and says which pull request is to be merged, if any.
func (m *model) step(r *rand.Rand) (a scenario.Action, merge int) {
	const repo = coupling.Repo("acme/app")
	n := 1 + r.Intn(4)
	a = scenario.Action{Repo: repo, Pull: coupling.Pull{Repo: repo, Number: n}, By: "ann", Times: 1}
	switch k := r.Intn(16); {
	case k < 3 && m.state[1] == "open":
		a.Pull.Number = 1
		m.gate[1] = m.train + r.Intn(5)/3
		a.Verb, a.Files = "push", map[string]*string{"gate.py": text(fmt.Sprintf("MIN = \"1.%d.0\"\n", m.gate[1]))}
	case k == 3 && r.Intn(3) == 0:
		a = scenario.Action{Verb: "tag", Repo: repo, Name: fmt.Sprintf("v1.%d.0-rc.1", m.train)}
		m.train++
	case k == 4:
		a = scenario.Action{Verb: "push", Repo: repo, Branch: "main", By: "ann", Files: map[string]*string{"VERSION": text(fmt.Sprintf("1.%d.0-dev\n", m.train))}}
	case k == 5 && m.state[n] == "open" && r.Intn(2) == 0:
		a.Verb, m.state[n] = "close", "closed"
	case k <= 7 && m.state[n] == "closed":
		a.Verb, m.state[n] = "reopen", "open"
	case k == 8 && m.state[n] == "open":
		draft := !m.draft[n]
		a.Verb, a.Draft, m.draft[n] = "edit", &draft, draft
	case k == 9 || k == 10:
		hold := k == 9 && r.Intn(3) == 0
		a.Verb, a.Body = "comment", text(map[bool]string{true: "/relbot hold", false: "/relbot resume"}[hold])
		for name, members := range sets {
			for _, o := range members {
				if o == n {
					m.held[name] = hold
				}
			}
		}
	case k == 11 && m.state[n] == "open":
		m.pushed++
		a.Verb, a.Files = "push", map[string]*string{fmt.Sprint("f", n): text(fmt.Sprint(m.pushed))}
	default:
		a.Verb, merge = "merge", n
	}
	return a, merge
}

// TestModel lets people and release tools act at random and asks GitHub to merge: it must take exactly what the policy permits on the
// facts of that moment. Every world is new after some steps, since in the end everything is merged.
func TestModel(t *testing.T) {
	const each = 40
	worlds := *modelSteps / each
	if testing.Short() {
		worlds = 3
	}
	for seed := range worlds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewSource(int64(seed)))
			s := &scenario.Scenario{Title: "model", Repo: "acme/app", Clock: scenario.DefaultClock, Repos: []scenario.Repo{{
				Name: "acme/app", Policy: chaosPolicy, Files: map[string]string{"VERSION": "1.2.0-dev\n", "gate.py": "MIN = \"1.2.0\"\n"},
				Tags: []scenario.Tag{{Name: "v1.1.0"}}, Permissions: map[string]string{"ann": "write"},
			}}}
			w, err := scenario.NewWorld(t.Context(), s, scenario.Options{Start: startSimulated})
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			var open scenario.Step
			for n := 1; n <= 4; n++ {
				open.Do = append(open.Do, scenario.Action{Verb: "open", Pull: coupling.Pull{Repo: "acme/app", Number: n}, By: "ann", Title: text("T"), Files: map[string]*string{fmt.Sprint("f", n): text("1")}})
			}
			w.Step(t.Context(), open)
			m := newModel()
			var story []string
			for range each {
				a, merge := m.step(r)
				said := fmt.Sprintf("%s #%d %s%s", a.Verb, a.Pull.Number, a.Name, a.Branch)
				if a.Body != nil {
					said += *a.Body
				}
				for path, content := range a.Files {
					said += path + "=" + strings.TrimSpace(*content)
				}
				story = append(story, said)
				result := w.Step(t.Context(), scenario.Step{Do: []scenario.Action{a}})
				if merge == 0 {
					continue
				}
				why := m.refuses(merge)
				was := m.state[merge]
				state, _ := w.GitHub.Mergeable(coupling.Pull{Repo: "acme/app", Number: merge})
				merged := string(state) == "done" && was != "merged"
				if was != "merged" && merged != (why == "") {
					t.Fatalf("GitHub merged #%d: %v; the policy says %q\nchecks %+v\nmodel %+v\n%s", merge, merged, why, result.Checks, m, strings.Join(story, "\n"))
				}
				if merged {
					m.state[merge], m.ship[merge] = "merged", m.train
					if merge == 1 {
						m.gate[0] = m.gate[1]
					}
				}
			}
		})
	}
}
