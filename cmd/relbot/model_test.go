package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand"
	"reflect"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/scenario"
)

var (
	modelSteps = flag.Int64("model", 2000, "how many random steps are compared with the model")
	modelSeed  = flag.Int64("model-seed", 0, "the first seed of the model test")
)

// model is what the policy of the chaos test demands, kept in the simplest way. Nothing of relbot's is used to decide whether a merge is permitted.
type model struct {
	state  map[int]string // open, closed, merged, reverted, missing: merged into another branch
	draft  map[int]bool
	away   map[int]bool // it targets another branch
	lifted map[int]bool // an override of order-waiting until the merge is in force
	gate   map[int]int  // what #1 says, by pull request; and 0, what main says
	ship   map[int]int  // minor release in which a merged one ships
	held   map[string]bool
	train  int // minor
	pushed int
	closed bool // the first of the other account's two pull requests
}

func newModel() *model {
	m := &model{state: map[int]string{}, draft: map[int]bool{}, away: map[int]bool{}, lifted: map[int]bool{}, gate: map[int]int{0: 2, 1: 2}, ship: map[int]int{}, held: map[string]bool{}, train: 2}
	for n := 1; n <= 4; n++ {
		m.state[n] = "open"
	}
	return m
}

// sets are the couplings of the chaos test's policy; #3 is safe alone.
var sets = map[string][]int{"set": {1, 2, 3}, "other": {2, 4}}

// blocks says why the check of an open pull request must not pass, "" when it must.
func (m *model) blocks(n int) string {
	for name, members := range sets {
		if !slices.Contains(members, n) {
			continue
		}
		if m.held[name] {
			return name + " is held"
		}
		for _, o := range members {
			if m.state[o] == "closed" || m.state[o] == "missing" {
				return fmt.Sprintf("#%d is %s", o, m.state[o])
			}
			if m.state[o] == "merged" && o != 3 && m.ship[o] < m.train {
				return fmt.Sprintf("#%d shipped in 1.%d, this would in 1.%d", o, m.ship[o], m.train)
			}
		}
	}
	if m.away[n] {
		return "it targets another branch"
	}
	if n == 2 && m.state[3] == "reverted" {
		return "a predecessor was reverted"
	}
	for _, o := range []int{1, 3} {
		if n == 2 && m.state[o] == "open" && (m.draft[o] || !m.lifted[2]) {
			return fmt.Sprintf("its predecessor #%d is open", o)
		}
	}
	// The gate must name the release in which #2 ships; its owner and its subject answer for it, or when neither is open all that are.
	owner := m.state[1] == "open" && !m.away[1] && m.gate[1] != m.gate[0]
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

// refuses says why GitHub must refuse a merge, "" when it must not.
func (m *model) refuses(n int) string {
	if m.state[n] != "open" || m.draft[n] {
		return "it is " + m.state[n] + " or a draft"
	}
	return m.blocks(n)
}

// alarms are what must be notified of merges that went wrong, past the check or before relbot could know: "coupling code".
func (m *model) alarms() []string {
	var out []string
	for name, members := range sets {
		landed := 0
		for _, late := range members {
			if m.state[late] == "merged" {
				landed++
			}
			for _, early := range members {
				if m.state[late] == "merged" && m.state[early] == "merged" && early != 3 && m.ship[early] < m.ship[late] {
					out = append(out, name+" release-split")
				}
			}
		}
		if name == "set" && m.state[2] == "merged" && (m.state[1] == "open" || m.state[3] == "open") {
			out = append(out, "set order-broken")
		}
		for _, n := range members {
			if m.state[n] == "reverted" && landed > 0 {
				out = append(out, name+" member-reverted")
			}
			if m.state[n] == "missing" {
				out = append(out, name+" member-missing")
			}
		}
		if name == "set" && landed == len(members) && m.gate[0] != m.ship[2] {
			out = append(out, "set gate")
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// move is one thing that somebody does or that goes wrong. Any list of moves can be played: one that makes no sense at its moment is left out.
type move struct {
	kind string
	n, k int
}

func (v move) String() string { return strings.TrimSpace(fmt.Sprintf("%s #%d %d", v.kind, v.n, v.k)) }

// randomMoves draws moves; wild ones are disturbed. Events get lost, doubled, late or reversed, the API fails, relbot is killed, its
// database lost, and several things happen before it can look.
func randomMoves(r *rand.Rand, wild bool) []move {
	kinds := []string{"gate", "gate", "gate", "cut", "bump", "close", "reopen", "reopen", "draft", "hold", "resume", "resume", "push", "title", "override", "cancel",
		"revert", "merge", "merge", "merge", "far", "far fault"}
	if wild {
		kinds = append(kinds, "bypass", "webhooks", "webhooks", "fault", "fault", "lag", "lag", "restart", "burst", "burst", "burst", "calm")
	} else {
		kinds = append(kinds, "retarget", "home", "home")
	}
	var out []move
	for range 120 {
		out = append(out, move{kinds[r.Intn(len(kinds))], 1 + r.Intn(4), r.Intn(60)})
	}
	return append(out, move{kind: "calm"})
}

const modelRepo = coupling.Repo("acme/app")

// farRepo is on another account, whose troubles must not be felt here. Of its two pull requests the second waits for the first.
const (
	farRepo   = coupling.Repo("zeta/lib")
	farPolicy = "version: 1\ncouplings: {pair: {members: {a: {pr: 1}, b: {pr: 2}}, order: [a before b]}}\n"
)

// far says what the checks of the other account's pull requests have to say; that of one that is closed does not matter.
func (m *model) far() map[int]string {
	if m.closed {
		return map[int]string{2: "block"}
	}
	return map[int]string{1: "pass", 2: "wait"}
}

// action makes a move in the model, apart from merges, and says what it is on GitHub. None: it makes no sense now.
func (m *model) action(v move) (scenario.Action, bool) {
	const repo = modelRepo
	n := v.n
	a := scenario.Action{Repo: repo, Pull: coupling.Pull{Repo: repo, Number: n}, By: "ann", Times: 1}
	ok := true
	switch v.kind {
	case "gate":
		a.Pull.Number, ok = 1, m.state[1] == "open"
		if ok {
			m.gate[1] = m.train + v.k%5/3
		}
		a.Verb, a.Files = "push", map[string]*string{"gate.py": text(fmt.Sprintf("MIN = \"1.%d.0\"\n", m.gate[1]))}
	case "cut":
		ok = v.k%3 == 0
		a = scenario.Action{Verb: "tag", Repo: repo, Name: fmt.Sprintf("v1.%d.0-rc.1", m.train)}
		if ok {
			m.train++
		}
	case "bump":
		a = scenario.Action{Verb: "push", Repo: repo, Branch: "main", By: "ann", Files: map[string]*string{"VERSION": text(fmt.Sprintf("1.%d.0-dev\n", m.train))}}
	case "close":
		a.Verb, ok = "close", m.state[n] == "open" && v.k%2 == 0
		if ok {
			m.state[n] = "closed"
		}
	case "reopen":
		a.Verb, ok = "reopen", m.state[n] == "closed"
		if ok {
			m.state[n] = "open"
		}
	case "draft":
		draft := !m.draft[n]
		a.Verb, a.Draft, ok = "edit", &draft, m.state[n] == "open"
		if ok {
			m.draft[n] = draft
		}
	case "hold", "resume":
		a.Verb, a.Body = "comment", text("/relbot "+v.kind)
		ok = v.kind == "resume" || v.k%3 == 0
		for name, members := range sets {
			if ok && slices.Contains(members, n) {
				m.held[name] = v.kind == "hold"
			}
		}
	case "title":
		a.Verb, a.Title = "edit", text(fmt.Sprint("title ", v.k))
	case "retarget", "home":
		base := map[string]string{"retarget": "next", "home": "main"}[v.kind]
		a.Verb, a.Base = "edit", &base
		ok = m.state[n] == "open" && m.away[n] == (v.kind == "home") && n != 1
		if ok {
			m.away[n] = v.kind == "retarget"
		}
	case "override":
		a.Verb, a.By, a.Body = "comment", "root", text("/relbot override order-waiting because x until merge")
		ok = n == 2 && m.state[n] == "open" && (m.state[1] == "open" || m.state[3] == "open") && v.k%2 == 0 // there is nothing to lift elsewhere
		m.lifted[n] = m.lifted[n] || ok
	case "cancel":
		a.Verb, a.By, a.Body = "comment", "root", text("/relbot override cancel")
		if ok = m.state[n] == "open" && v.k%2 == 0; ok {
			m.lifted[n] = false
		}
	case "revert":
		a.Verb, ok = "revert", (n == 3 || n == 4) && m.state[n] == "merged" && v.k%3 == 0
		if ok {
			m.state[n] = "reverted"
		}
	case "push":
		m.pushed++
		a.Verb, a.Files, ok = "push", map[string]*string{fmt.Sprint("f", n): text(fmt.Sprint(m.pushed))}, m.state[n] == "open"
	case "merge":
		a.Verb, ok = "merge", m.state[n] == "open" || m.state[n] == "closed"
	case "bypass":
		a.Verb, a.By, a.Bypass = "merge", "root", true
		ok = m.state[n] == "open" && !m.draft[n] && v.k%4 == 0
	case "webhooks":
		a = scenario.Action{Verb: v.kind, Mode: []string{"off", "held", "reversed", "doubled"}[v.k%4]}
	case "fault":
		a = scenario.Action{Verb: v.kind, Match: []string{"reads", "writes", "graphql"}[v.k%3], Times: 1 + v.k%4,
			Answer: []string{"500", "502", "429", "timeout", "lost_answer", "truncated"}[v.n%6], RetryAfter: v.k % 30}
	case "lag":
		behind := time.Duration(1+v.k%12) * time.Second
		a = scenario.Action{Verb: v.kind}
		*[]**time.Duration{&a.Lag.Commits, &a.Lag.Reads, &a.Lag.Lists}[v.n%3] = &behind
	case "far":
		a.Repo, a.Pull = farRepo, coupling.Pull{Repo: farRepo, Number: 1 + v.n%2}
		m.pushed++
		a.Verb, a.Files, ok = "push", map[string]*string{fmt.Sprint("f", a.Pull.Number): text(fmt.Sprint(m.pushed))}, a.Pull.Number == 2 || !m.closed
		if v.k%3 == 0 {
			a.Verb, a.Pull.Number, a.Files, ok = map[bool]string{true: "reopen", false: "close"}[m.closed], 1, nil, true
			m.closed = !m.closed
		}
	case "far fault":
		a = scenario.Action{Verb: "fault", Account: "zeta", Match: []string{"reads", "writes", "graphql", "GET /installation/repositories"}[v.k%4], Times: 1 + v.k%5,
			Answer: []string{"500", "403", "429", "secondary", "timeout", "404"}[v.k%6]}
	case "restart":
		a = scenario.Action{Verb: v.kind, LoseDatabase: v.k%10 == 0}
	}
	return a, ok
}

// modelRun is one world that is played next to the model.
type modelRun struct {
	*model
	w       *scenario.World
	blind   bool // relbot may not know all that happened
	burst   int  // how many of the next moves happen before it can look
	story   []string
	steps   int64
	windows map[string]int // merges that the rules forbid and that went through, by what relbot could not know
}

// play plays moves, and says what GitHub or relbot did that it must not.
func (m *modelRun) play(ctx context.Context, moves []move) error {
	var open scenario.Step
	for n := 1; n <= 4; n++ {
		open.Do = append(open.Do, scenario.Action{Verb: "open", Pull: coupling.Pull{Repo: "acme/app", Number: n}, By: "ann", Title: text("T"), Files: map[string]*string{fmt.Sprint("f", n): text("1")}})
	}
	for n := 1; n <= 2; n++ {
		open.Do = append(open.Do, scenario.Action{Verb: "open", Pull: coupling.Pull{Repo: farRepo, Number: n}, By: "ann", Title: text("T"), Files: map[string]*string{fmt.Sprint("f", n): text("1")}})
	}
	m.w.Step(ctx, open)
	for _, v := range moves {
		if err := m.move(ctx, v); err != nil {
			return err
		}
	}
	return nil
}

func (m *modelRun) move(ctx context.Context, v move) error {
	switch v.kind {
	case "calm":
		m.story = append(m.story, v.String())
		return m.settle(ctx)
	case "burst":
		m.burst = 2 + v.k%4
		return nil
	}
	if v.kind == "override" && (m.blind || m.burst > 0) { // whether there is something to lift depends on what relbot could see
		return nil
	}
	a, ok := m.action(v)
	if !ok {
		return nil
	}
	m.steps++
	m.story = append(m.story, v.String())
	m.blind = m.blind || m.burst > 0 || v.kind == "webhooks" || v.kind == "fault" || v.kind == "lag"
	verdict := "unread"
	if c, ok := m.w.GitHub.CurrentCheck(a.Pull); ok && a.Verb == "merge" {
		verdict = c.Title
	}
	if m.burst > 0 {
		m.burst--
		m.w.Act(ctx, a)
		m.w.Act(ctx, scenario.Action{Verb: "advance", Duration: time.Duration(v.k%7) * 150 * time.Millisecond}) // often within a second of GitHub's times
	} else {
		// Nobody acts faster than this, and GitHub takes some 160 checks a minute of one installation; the rest would wait.
		m.w.Step(ctx, scenario.Step{Do: []scenario.Action{a, {Verb: "advance", Duration: 15 * time.Second}}})
	}
	if a.Verb != "merge" {
		return nil
	}
	why := m.refuses(v.n)
	state, _ := m.w.GitHub.Mergeable(a.Pull)
	merged := string(state) == "done"
	switch {
	case m.away[v.n]: // no check is required there
		if merged {
			m.state[v.n] = "missing"
		}
		return nil
	case !merged && a.Bypass:
		return fmt.Errorf("an admin could not merge #%d", v.n)
	case merged && why != "" && !a.Bypass && !m.blind:
		return fmt.Errorf("GitHub merged #%d (%s), though %s", v.n, verdict, why)
	case merged && why != "" && !a.Bypass:
		m.windows["before relbot knew"]++
	case merged && why != "":
		m.windows["past the check"]++
	case !merged && why == "" && !m.blind:
		return fmt.Errorf("GitHub refused #%d (%s), which the policy permits", v.n, verdict)
	}
	if merged {
		m.state[v.n], m.ship[v.n] = "merged", m.train
		if v.n == 1 {
			m.gate[0] = m.gate[1]
		}
	}
	return nil
}

var alarmLine = regexp.MustCompile("(?m)^> - `([a-z]+)-([a-z-]+)`")

// settle ends all disturbance, and compares everything that relbot shows with the model.
func (m *modelRun) settle(ctx context.Context) error {
	m.burst, m.blind = 0, false
	r := m.w.Step(ctx, scenario.Step{Do: []scenario.Action{
		{Verb: "webhooks", Mode: "on"}, {Verb: "clear_faults"}, noLag(), {Verb: "advance", Duration: 40 * time.Minute},
	}})
	if !r.OK {
		return fmt.Errorf("the world does not settle: %v", r.Failures)
	}
	if n, err := m.w.Pending(ctx); err != nil || n > 0 {
		return fmt.Errorf("%d rows of work are pending (%v)", n, err)
	}
	for n, want := range m.far() {
		p := coupling.Pull{Repo: farRepo, Number: n}
		if got := r.Checks[p.In(modelRepo)].Verdict; got != want {
			return fmt.Errorf("the check of %s says %q, the policy %q", p, got, want)
		}
	}
	shown := map[string]bool{}
	for n := 1; n <= 4; n++ {
		p := coupling.Pull{Repo: "acme/app", Number: n}
		if why, got := m.blocks(n), r.Checks[p.In(p.Repo)]; m.state[n] == "open" && (got.Verdict == "pass") != (why == "") {
			return fmt.Errorf("the check of #%d says %+v, the policy says %q", n, got, why)
		}
		if run, _ := m.w.GitHub.CurrentCheck(p); m.state[n] == "open" {
			owner := n == 1 || m.state[1] != "open" || m.away[1] || m.gate[1] == m.gate[0] // else the annotation is on #1 alone
			if err := annotatedRight(r.Checks[p.In(p.Repo)], run, owner); err != nil {
				return fmt.Errorf("the check of #%d: %w", n, err)
			}
		}
		notes, said := 0, map[string]bool{}
		for _, c := range m.w.GitHub.Comments(p) {
			switch {
			case scenario.IsNote(c) && c.Minimized == "":
				notes++
				for _, section := range strings.Split(c.Body, "## 🔗 ")[1:] {
					name, _, _ := strings.Cut(section, " ")
					for _, a := range alarmLine.FindAllStringSubmatch(section, -1) {
						code := a[1] + "-" + a[2]
						if a[1] == "gate" {
							code = "gate"
						}
						shown[name+" "+code] = true
					}
				}
			case c.Own && said[c.Body]:
				return fmt.Errorf("#%d is reported twice: %s", n, c.Body)
			case c.Own && !scenario.IsNote(c):
				said[c.Body] = true
			}
		}
		if notes != 1 {
			return fmt.Errorf("#%d has %d live notes", n, notes)
		}
	}
	if got, want := slices.Sorted(maps.Keys(shown)), m.alarms(); !reflect.DeepEqual(got, want) && len(got)+len(want) > 0 {
		return fmt.Errorf("the notes tell of %v, wrong is %v", got, want)
	}
	return nil
}

// annotatedRight says what is wrong with the annotations of a check's newest run. There is one for what it says of the gate, unless another pull
// request changes that, and none of an earlier verdict.
func annotatedRight(c scenario.CheckResult, run ghsim.CheckRun, owner bool) error {
	wanted := map[bool]int{true: 1}[owner && slices.ContainsFunc(slices.Concat(c.Reasons, c.Warnings), func(code string) bool { return strings.HasPrefix(code, "gate-") })]
	if got := len(run.Annotations); got != wanted {
		return fmt.Errorf("%d annotations, want %d: %+v of %+v", got, wanted, run.Annotations, c)
	}
	return nil
}

// noLag ends all lags.
func noLag() scenario.Action {
	a := scenario.Action{Verb: "lag"}
	a.Lag.Commits, a.Lag.Reads, a.Lag.Lists = new(time.Duration), new(time.Duration), new(time.Duration)
	return a
}

// playModel plays moves in a new world.
func playModel(ctx context.Context, moves []move) (*modelRun, error) {
	s := &scenario.Scenario{Title: "model", Repo: "acme/app", Clock: scenario.DefaultClock, Repos: []scenario.Repo{{
		Name: "acme/app", Policy: chaosPolicy, Files: map[string]string{"VERSION": "1.2.0-dev\n", "gate.py": "MIN = \"1.2.0\"\n"},
		Tags: []scenario.Tag{{Name: "v1.1.0"}}, Branches: []scenario.Branch{{Name: "next"}}, Permissions: map[string]string{"ann": "write", "root": "admin"},
	}, {Name: farRepo, Policy: farPolicy, Permissions: map[string]string{"ann": "write"}}}}
	w, err := scenario.NewWorld(ctx, s, scenario.Options{Start: startSimulated})
	if err != nil {
		return nil, err
	}
	defer w.Close()
	m := &modelRun{model: newModel(), w: w, windows: map[string]int{}}
	if err := m.play(ctx, moves); err != nil {
		return m, err
	}
	return m, m.forgetful(ctx)
}

// forgetful compares what relbot shows in the end with what it shows once it has lost its memory. How things came about must leave no trace in
// the verdicts.
func (m *modelRun) forgetful(ctx context.Context) error {
	before := m.w.Step(ctx, scenario.Step{}).Checks
	if err := m.w.Act(ctx, scenario.Action{Verb: "restart", LoseDatabase: true}); err != nil {
		return err
	}
	if err := m.settle(ctx); err != nil {
		return fmt.Errorf("with a new database: %w", err)
	}
	for key, was := range before {
		p, err := coupling.ParsePull(key, modelRepo)
		if err != nil {
			return err
		}
		if is := m.w.Step(ctx, scenario.Step{}).Checks[key]; (p.Repo == farRepo && (p.Number == 2 || !m.closed) || p.Repo == modelRepo && m.state[p.Number] == "open") && !reflect.DeepEqual(was, is) {
			return fmt.Errorf("the check of %s said %+v, and with a new database %+v", key, was, is)
		}
	}
	return nil
}

// shrink leaves out of a list whatever it can while it still fails, larger pieces first.
func shrink[T any](list []T, fails func([]T) bool) []T {
	for size := len(list) / 2; size > 0; {
		smaller := false
		for at := 0; at+size <= len(list); {
			if rest := slices.Concat(list[:at], list[at+size:]); fails(rest) {
				list, smaller = rest, true
			} else {
				at += size
			}
		}
		if !smaller {
			size /= 2
		}
	}
	return list
}

func TestShrink(t *testing.T) {
	var list []int
	for i := range 100 {
		list = append(list, i)
	}
	got := shrink(list, func(l []int) bool { return slices.Contains(l, 17) && slices.Contains(l, 80) })
	if !slices.Equal(got, []int{17, 80}) {
		t.Errorf("got %v", got)
	}
}

// TestModel lets people and release tools act at random and asks GitHub to merge. In one half of the worlds nothing goes wrong, and it must
// take exactly what the policy permits on the facts of that moment. In the other half events get lost, doubled, late and reversed, the API
// fails and relbot is killed. Then it may merge what relbot could not know to be wrong. Once all is calm every check must be right again, everything that went wrong reported, and nothing reported twice.
func TestModel(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // worlds are small and soon gone
	want := *modelSteps
	if testing.Short() {
		want = 100
	}
	var seed, steps, failed atomic.Int64
	var mu sync.Mutex
	windows := map[string]int{}
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for steps.Load() < want && failed.Load() < 3 {
				n := *modelSeed + seed.Add(1) - 1
				random, wild, play := rand.New(rand.NewSource(n)), n%2 == 1, playModel
				moves := randomMoves(random, wild)
				if n%6 >= 4 {
					moves, play = queueMoves(random, wild), playQueue
				}
				m, err := play(t.Context(), moves)
				if m != nil {
					steps.Add(m.steps)
					mu.Lock()
					for k, v := range m.windows {
						windows[k] += v
					}
					mu.Unlock()
				}
				if err == nil {
					continue
				}
				failed.Add(1)
				moves = shrink(moves, func(l []move) bool { _, err := play(t.Context(), l); return err != nil })
				if m, shrunk := play(t.Context(), moves); shrunk != nil {
					t.Errorf("seed %d: %v\nshrunk to: %v\n%s", n, err, shrunk, strings.Join(m.story, "\n"))
				} else {
					t.Errorf("seed %d: %v (not again)", n, err)
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d steps in the worlds of the %d seeds from %d on; wrong merges, each reported afterwards: %v", steps.Load(), seed.Load(), *modelSeed, windows)
}
