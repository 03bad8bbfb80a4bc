package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"slices"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/scenario"
)

// queuePolicy has a pair for each relation; #7 and #8 are in no coupling.
const queuePolicy = `version: 1
couplings:
  chain: {members: {a: {pr: 1}, b: {pr: 2}}, order: [a before b]}
  either: {members: {c: {pr: 3}, d: {pr: 4}}, order: [c before-or-with d]}
  both: {members: {e: {pr: 5}, f: {pr: 6}}, order: [e with f]}
`

// queueModel is what has to come of pull requests that people put into a merge queue.
type queueModel struct {
	merged map[int]bool
	draft  map[int]bool
	held   map[int]bool // by the number of the pair: 0 for #1 and #2
	pushed int
}

func pairOf(n int) int { return (n - 1) / 2 }

// lands lists those of some entries that have to land, in a queue whose entries need their own checks alone.
func (m *queueModel) lands(entries []int) []int {
	in := slices.DeleteFunc(slices.Clone(entries), func(n int) bool { return m.merged[n] || m.draft[n] || m.held[pairOf(n)] })
	for {
		rest := slices.DeleteFunc(slices.Clone(in), func(n int) bool {
			switch n {
			case 2:
				return !m.merged[1] && !slices.Contains(in[:slices.Index(in, 2)], 1)
			case 4:
				return !m.merged[3] && !slices.Contains(in, 3)
			case 5, 6:
				return !m.merged[11-n] && !slices.Contains(in, 11-n)
			}
			return false
		})
		if len(rest) == len(in) {
			return in
		}
		in = rest
	}
}

// queueMoves draws moves for a merge queue; the first says how it works.
func queueMoves(r *rand.Rand, wild bool) []move {
	kinds := []string{"enqueue", "enqueue", "enqueue", "enqueue", "draft", "hold", "resume", "resume", "push"}
	if wild {
		kinds = append(kinds, "webhooks", "fault", "fault", "lag", "lag", "restart", "soon", "soon")
	}
	out := []move{{"queue", r.Intn(12), r.Intn(3)}}
	for range 40 {
		out = append(out, move{kinds[r.Intn(len(kinds))], 1 + r.Intn(8), r.Intn(60)})
	}
	return append(out, move{kind: "calm"})
}

// entries are the pull requests that a move puts into the queue, in order: up to three, pairs more often than not.
func (v move) entries() []int {
	r := rand.New(rand.NewSource(int64(v.n*60 + v.k)))
	if v.k%2 == 0 {
		pair := []int{2*pairOf(v.n) + 1, 2*pairOf(v.n) + 2}
		if v.k%4 == 0 {
			slices.Reverse(pair)
		}
		return pair
	}
	return r.Perm(8)[:1+v.k%3]
}

// playQueue plays moves in a world with a merge queue.
func playQueue(ctx context.Context, moves []move) (*modelRun, error) {
	run := &modelRun{model: newModel(), windows: map[string]int{}}
	spec := ghsim.QueueSpec{}
	if len(moves) > 0 && moves[0].kind == "queue" {
		spec = ghsim.QueueSpec{Method: []string{"squash", "merge", "rebase"}[moves[0].n%3], Strategy: []string{"ALLGREEN", "HEADGREEN"}[moves[0].n/3%2], Build: 3 + moves[0].k, Merge: 1 + moves[0].n%4}
	}
	s := &scenario.Scenario{Title: "queue", Repo: modelRepo, Clock: scenario.DefaultClock, Repos: []scenario.Repo{{
		Name: modelRepo, Policy: queuePolicy, Permissions: map[string]string{"ann": "write", "root": "admin"}, MergeQueue: true, Queue: spec,
	}}}
	w, err := scenario.NewWorld(ctx, s, scenario.Options{Start: startSimulated})
	if err != nil {
		return run, err
	}
	defer w.Close()
	run.w = w
	var open scenario.Step
	for n := 1; n <= 8; n++ {
		open.Do = append(open.Do, scenario.Action{Verb: "open", Pull: queued(n), By: "ann", Title: text("T"), Files: map[string]*string{fmt.Sprint("f", n): text("1")}})
	}
	w.Step(ctx, open)
	m := &queueModel{merged: map[int]bool{}, draft: map[int]bool{}, held: map[int]bool{}}
	disturbed := false
	for _, v := range moves {
		a := scenario.Action{Repo: modelRepo, Pull: queued(v.n), By: "ann", Times: 1}
		var due []int
		wait := 15 * time.Minute // longer than the patience with a pair
		switch v.kind {
		case "enqueue":
			a.Verb = v.kind
			for _, n := range v.entries() {
				a.Pulls = append(a.Pulls, queued(n+map[bool]int{true: 1}[v.k%2 != 0]))
			}
			var numbers []int
			for _, p := range a.Pulls {
				numbers = append(numbers, p.Number)
			}
			due = m.lands(numbers)
			if disturbed {
				wait = time.Duration(v.k) * 10 * time.Second
			}
		case "push":
			m.pushed++
			a.Verb, a.Files = "push", map[string]*string{fmt.Sprint("f", v.n): text(fmt.Sprint("pushed ", m.pushed))}
		case "draft":
			if v.k%2 == 0 || m.merged[v.n] {
				continue
			}
			m.draft[v.n] = !m.draft[v.n]
			draft := m.draft[v.n]
			a.Verb, a.Draft = "edit", &draft
		case "hold", "resume":
			if pairOf(v.n) == 3 {
				continue
			}
			a.Verb, a.Body = "comment", text("/relbot "+v.kind)
			m.held[pairOf(v.n)] = v.kind == "hold" && !m.done(pairOf(v.n))
		case "soon":
			a, wait = scenario.Action{Verb: "advance", Duration: time.Duration(v.k) * time.Second}, 0
		case "webhooks", "fault", "lag", "restart":
			a, _ = run.action(v)
			disturbed = true
			wait = 0
		case "calm":
			a, disturbed = scenario.Action{Verb: "webhooks", Mode: "on"}, false
			_ = w.Act(ctx, noLag())
			_ = w.Act(ctx, scenario.Action{Verb: "clear_faults"})
			wait = 90 * time.Minute
		default:
			continue
		}
		if m.merged[v.n] && (a.Verb == "push" || a.Verb == "edit") {
			continue
		}
		run.steps++
		run.story = append(run.story, fmt.Sprint(v, a.Pulls))
		step := scenario.Step{Do: []scenario.Action{a}}
		if wait > 0 {
			step.Do = append(step.Do, scenario.Action{Verb: "advance", Duration: wait})
		}
		w.Step(ctx, step)
		if err := m.look(w, wildMoves(moves), disturbed); err != nil {
			return run, err
		}
		if m.merged[5] != m.merged[6] {
			if !wildMoves(moves) {
				return run, fmt.Errorf("one of #5 and #6 landed alone")
			}
			run.windows["a pair was split"] = 1
		}
		for _, n := range due {
			if !m.merged[n] && !wildMoves(moves) && spec.Strategy != "HEADGREEN" {
				return run, fmt.Errorf("#%d did not land: %s, %q", n, w.GitHub.QueueState(queued(n)), title(w, n))
			}
		}
	}
	if n, err := w.Pending(ctx); err != nil || n > 0 {
		return run, fmt.Errorf("%d rows of work are pending (%v)", n, err)
	}
	return run, nil
}

// wildMoves reports whether anything goes wrong in a list of moves.
func wildMoves(moves []move) bool {
	return slices.ContainsFunc(moves, func(v move) bool {
		return slices.Contains([]string{"webhooks", "fault", "lag", "restart", "soon"}, v.kind)
	})
}

func queued(n int) coupling.Pull { return coupling.Pull{Repo: modelRepo, Number: n} }

func title(w *scenario.World, n int) string {
	c, _ := w.GitHub.CurrentCheck(queued(n))
	return c.Title
}

func (m *queueModel) done(pair int) bool { return m.merged[2*pair+1] && m.merged[2*pair+2] }

// look learns what has merged since, and says what must not have. Where things go wrong relbot may not have known of a hold.
func (m *queueModel) look(w *scenario.World, wild, faulty bool) error {
	commits := map[int]string{}
	for _, p := range w.GitHub.Pulls(modelRepo) {
		if p.State != "merged" {
			continue
		}
		commits[p.Number] = p.MergeCommit
		if !m.merged[p.Number] && m.draft[p.Number] {
			return fmt.Errorf("#%d landed as a draft", p.Number)
		}
		if !m.merged[p.Number] && m.held[pairOf(p.Number)] && !wild {
			return fmt.Errorf("#%d landed though it is held", p.Number)
		}
		m.merged[p.Number] = true
	}
	switch {
	case m.merged[2] && !m.merged[1], m.merged[2] && !faulty && !contains(w, commits[1], commits[2]):
		return fmt.Errorf("#2 landed before #1")
	case m.merged[4] && !m.merged[3]:
		return fmt.Errorf("#4 landed before #3")
	}
	return nil
}

// contains reports whether a commit of the repository is behind another.
func contains(w *scenario.World, old, young string) bool {
	r := httptest.NewRequest(http.MethodGet, fmt.Sprintf("/repos/%s/compare/%s...%s", modelRepo, old, young), nil)
	r.Header.Set("Authorization", "Bearer ghp_root")
	rec := httptest.NewRecorder()
	w.GitHub.Handler().ServeHTTP(rec, r)
	var answer struct {
		BehindBy int `json:"behind_by"`
	}
	return rec.Code == http.StatusOK && json.Unmarshal(rec.Body.Bytes(), &answer) == nil && answer.BehindBy == 0
}
