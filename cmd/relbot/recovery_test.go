package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/scenario"
)

// TestChecksAfterFaults holds that when a fault ends every open head has the right check within 30 s, without a round of reconciliation; after a pause
// that GitHub asked for, within 30 s of the end of that.
func TestChecksAfterFaults(t *testing.T) {
	const policy = `version: 1
releases: {dev_version: [{path: VERSION, pattern: "(?P<version>\\S+)"}], tags: "v{version}"}
gates: {gate: {find: {path: gate.rs, symbol: "V\\d+_\\d+_\\d+"}}}
couplings: {set: {members: {a: {pr: 1}, b: {pr: 2}, c: {pr: 3}}, order: [a before b: it needs it], gates: {gate: a}}}
`
	app := coupling.Repo("acme/app")
	pull := func(n int) coupling.Pull { return coupling.Pull{Repo: app, Number: n} }
	gate := func(minor int) map[string]*string {
		return map[string]*string{"gate.rs": text(fmt.Sprintf("const V1_%d_0: Version = Version::new(1, %d, 0);\n", minor, minor))}
	}
	file := func(name, content string) map[string]*string { return map[string]*string{name: text(content)} }
	open := func(n int, by string, files map[string]*string, fork bool) scenario.Action {
		return scenario.Action{Verb: "open", Pull: pull(n), By: by, Title: text("T"), Files: files, Fork: fork}
	}
	advance := func(d time.Duration) scenario.Action { return scenario.Action{Verb: "advance", Duration: d} }
	stories := map[string][]scenario.Action{
		"opened":           {open(5, "eve", file("e", "1"), true)},
		"pushed":           {{Verb: "push", Pull: pull(4), By: "eve", Files: file("d", "2")}},
		"a member pushed":  {{Verb: "push", Pull: pull(1), By: "ann", Files: gate(0)}},
		"a release is cut": {{Verb: "tag", Repo: app, Name: "v1.1.0-rc.1"}},
		"cut and pushed":   {{Verb: "tag", Repo: app, Name: "v1.1.0-rc.1"}, {Verb: "push", Pull: pull(1), By: "ann", Files: gate(2)}},
		"one lands":        {{Verb: "merge", Pull: pull(1), By: "ann", Method: "squash"}},
		"closed":           {{Verb: "close", Pull: pull(1), By: "ann"}},
		"a draft":          {{Verb: "edit", Pull: pull(1), By: "ann", Draft: new(bool)}, {Verb: "push", Repo: app, Branch: "main", By: "ann", Files: file("VERSION", "1.2.0-dev.0\n")}},
	}
	*stories["a draft"][0].Draft = true
	world := func(t *testing.T) *scenario.World {
		t.Helper()
		s := &scenario.Scenario{Title: "faults", Repo: app, Clock: scenario.DefaultClock, Settings: map[string]string{"reconcile_interval": "8760h"}, Repos: []scenario.Repo{{
			Name: app, Policy: policy, Tags: []scenario.Tag{{Name: "v1.0.0"}}, Permissions: map[string]string{"ann": "write"},
			Files: map[string]string{"VERSION": "1.1.0-dev.0\n", "gate.rs": "\n"},
		}}}
		w, err := scenario.NewWorld(t.Context(), s, scenario.Options{Start: startSimulated})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Close)
		act(t, w, open(1, "ann", gate(1), false), open(2, "ann", file("b", "1"), false), open(3, "ann", file("c", "1"), false), open(4, "eve", file("d", "1"), true), advance(time.Hour))
		return w
	}
	shows := func(w *scenario.World) string {
		out := ""
		for _, p := range w.GitHub.Pulls(app) {
			if c, ok := w.GitHub.CurrentCheck(pull(p.Number)); p.State == "open" && ok {
				out += fmt.Sprintln(pull(p.Number), c.Title)
			} else if p.State == "open" {
				out += fmt.Sprintln(pull(p.Number), "no check")
			}
		}
		return out
	}
	type fault struct {
		name  string
		fault []ghsim.Fault
		lag   ghsim.Lag
		pause time.Duration // for which GitHub asks
		lasts []time.Duration
	}
	var faults []fault
	for _, answer := range []string{"500", "502", "timeout", "lost_answer", "truncated"} {
		for _, match := range []string{"reads", "writes", "graphql"} {
			faults = append(faults, fault{name: match + " " + answer, fault: []ghsim.Fault{{Match: match, Answer: answer, Times: -1}}, lasts: []time.Duration{2 * time.Second, 25 * time.Minute}})
		}
	}
	for _, match := range []string{"reads", "writes"} {
		faults = append(faults,
			fault{name: match + " 429", fault: []ghsim.Fault{{Match: match, Answer: "429", Times: -1}}, pause: time.Minute},
			fault{name: match + " 403 with Retry-After", fault: []ghsim.Fault{{Match: match, Answer: "403", RetryAfter: 90, Times: -1}}, pause: 90 * time.Second})
	}
	for _, lag := range []time.Duration{2 * time.Second, 8 * time.Second, 25 * time.Second} {
		faults = append(faults,
			fault{name: fmt.Sprint("commits lag ", lag), lag: ghsim.Lag{Commits: lag}}, fault{name: fmt.Sprint("reads lag ", lag), lag: ghsim.Lag{Reads: lag}},
			fault{name: fmt.Sprint("all lag ", lag), lag: ghsim.Lag{Commits: lag, Reads: lag, Lists: lag}},
			fault{name: fmt.Sprint("lists lag, and answers are lost ", lag), lag: ghsim.Lag{Lists: lag}, fault: []ghsim.Fault{{Match: "writes", Answer: "lost_answer", Times: 2}}})
	}
	for i := range faults {
		if faults[i].lasts == nil {
			faults[i].lasts = []time.Duration{100 * time.Second}
		}
	}
	for story, do := range stories {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			calm := world(t)
			act(t, calm, do...)
			act(t, calm, advance(time.Minute))
			want := shows(calm)
			for _, f := range faults {
				for _, lasts := range f.lasts {
					w := world(t)
					for _, one := range f.fault {
						if err := w.GitHub.AddFault(one); err != nil {
							t.Fatal(err)
						}
					}
					w.GitHub.SetLag(f.lag)
					act(t, w, do...)
					act(t, w, advance(lasts))
					w.GitHub.ClearFaults()
					w.GitHub.SetLag(ghsim.Lag{})
					act(t, w, advance(f.pause+30*time.Second))
					if got := shows(w); got != want {
						t.Errorf("%s for %v: 30 s later\n%swant\n%s", f.name, lasts, got, want)
					}
					w.Close()
				}
			}
		})
	}
}

// act performs actions, each before relbot hears of it.
func act(t *testing.T, w *scenario.World, actions ...scenario.Action) {
	t.Helper()
	for _, a := range actions {
		if err := w.Act(t.Context(), a); err != nil {
			t.Fatal(a.Verb, err)
		}
	}
}
