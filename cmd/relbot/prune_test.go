package main

import (
	"database/sql"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/scenario"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/store/engine"
)

// TestForgetting lets a quarter pass in which pull requests come, are pushed to, commented, linked, unlinked and go. What the database holds
// does not grow but by the audit log.
func TestForgetting(t *testing.T) {
	t.Parallel()
	address := "sqlite:" + filepath.Join(t.TempDir(), "relbot.db")
	s := &scenario.Scenario{Title: "a quarter", Repo: "acme/app", Clock: scenario.DefaultClock, Repos: []scenario.Repo{{
		Name: "acme/app", Policy: "version: 1\ncouplings: {set: {members: {a: {pr: 1}, b: {pr: 2}}, order: [a before b]}}\n",
		Files: map[string]string{"x": "x"}, Permissions: map[string]string{"ann": "write"}, MergeQueue: true,
	}}}
	w, err := scenario.NewWorld(t.Context(), s, scenario.Options{Start: startSimulated, Database: func() (string, error) { return address, nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	pull := func(n int) coupling.Pull { return coupling.Pull{Repo: "acme/app", Number: n} }
	step := stepping(t, w)
	open := func(n int) scenario.Action {
		return scenario.Action{Verb: "open", Pull: pull(n), By: "ann", Title: text("T"), Files: map[string]*string{fmt.Sprint("f", n): text("1")}}
	}
	push := func(n int, v string) scenario.Action {
		return scenario.Action{Verb: "push", Pull: pull(n), By: "ann", Files: map[string]*string{fmt.Sprint("f", n): text(v)}}
	}
	say := func(n int, body string) scenario.Action {
		return scenario.Action{Verb: "comment", Pull: pull(n), By: "ann", Body: text(body)}
	}
	pass := func(d time.Duration) scenario.Action { return scenario.Action{Verb: "advance", Duration: d} }
	step(open(1), open(2))
	const weeks, perWeek, first = 12, 5, 10
	var counts []map[string]int
	for week := range weeks {
		n := first + week*perWeek
		step(open(n), open(n+1), open(n+2), open(n+3), open(n+4))
		step(push(n, "2"), push(n+1, "2"), say(n, "/relbot help"), say(1, fmt.Sprintf("/relbot link #1 #%d", n+2)))
		step(pass(24*time.Hour), push(n, "3"), say(1, fmt.Sprintf("/relbot unlink #%d because it is done", n+2)))
		step(scenario.Action{Verb: "close", Pull: pull(n), By: "ann"}, scenario.Action{Verb: "close", Pull: pull(n + 2), By: "ann"},
			scenario.Action{Verb: "enqueue", Pulls: []coupling.Pull{pull(n + 1), pull(n + 3)}}, scenario.Action{Verb: "enqueue", Pulls: []coupling.Pull{pull(n + 4)}})
		step(pass(6 * 24 * time.Hour))
		counts = append(counts, stored(t, address))
		if week == 0 { // as an earlier version left it
			step(scenario.Action{Verb: "stop"})
			raw, err := sql.Open("sqlite", strings.TrimPrefix(address, "sqlite:"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := raw.ExecContext(t.Context(), "UPDATE document SET updated = 0"); err != nil {
				t.Fatal(err)
			}
			raw.Close()
			step(scenario.Action{Verb: "restart"})
		}
	}
	// What is a month old goes in the night after, so that then each week ends with as much as the one before.
	settled, last := counts[6], counts[weeks-1]
	for _, kind := range slices.Sorted(maps.Keys(last)) {
		if last[kind] > settled[kind] && kind != "audit" {
			t.Errorf("%s: %d after seven weeks, %d after %d", kind, settled[kind], last[kind], weeks)
		}
	}
	if last["document pull"] < 2+4*perWeek || last["document pull"] > 2+6*perWeek {
		t.Errorf("%d pull requests are remembered, want those of about the last month", last["document pull"])
	}
	db, err := engine.Attach(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for n := first; n < first+perWeek; n++ {
		if d, err := db.Get(t.Context(), "pull", pull(n).String()); err != nil || d.Rev > 0 {
			t.Errorf("%s of the first week is remembered: %v", pull(n), err)
		}
	}
	// One of the first weeks comes back, with the check that is on its head.
	head := w.GitHub.Commit("acme/app", fmt.Sprint("pr-", first))
	before := len(w.GitHub.Checks("acme/app", head))
	r := step(scenario.Action{Verb: "reopen", Pull: pull(first), By: "ann"})
	if after := len(w.GitHub.Checks("acme/app", head)); before == 0 || after != before || r.Checks[fmt.Sprint("#", first)].Verdict != "pass" {
		t.Errorf("%d checks on its head, %d when it came back: %+v", before, after, r.Checks)
	}
}

// stored counts what a database holds, by table, and documents by kind.
func stored(t *testing.T, address string) map[string]int {
	t.Helper()
	db, err := engine.Attach(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	out := map[string]int{}
	if err := db.Export(t.Context(), func(r store.Row) error {
		name := r.Table
		if name == "document" {
			name += " " + r.Values[0].(string)
		}
		out[name]++
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// stepping does actions in a world, of which none may fail.
func stepping(t *testing.T, w *scenario.World) func(do ...scenario.Action) scenario.StepResult {
	return func(do ...scenario.Action) scenario.StepResult {
		t.Helper()
		r := w.Step(t.Context(), scenario.Step{Do: do})
		if len(r.Failures) > 0 {
			t.Fatalf("%+v", r.Failures)
		}
		return r
	}
}
