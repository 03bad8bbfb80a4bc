package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/scenario"
)

// queueProxy answers, in place of the simulated GitHub, queries about merge queues as GitHub may.
type queueProxy struct {
	http.RoundTripper
	before func(query string) *http.Response         // in GitHub's place; nil lets it answer
	after  func(query string, answer map[string]any) // changes its answer
}

func (p queueProxy) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, "graphql") {
		return p.RoundTripper.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	query := string(body)
	if p.before != nil {
		if res := p.before(query); res != nil {
			res.Request = r
			return res, nil
		}
	}
	res, err := p.RoundTripper.RoundTrip(r)
	if err != nil || p.after == nil {
		return res, err
	}
	var answer map[string]any
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return nil, err
	}
	p.after(query, answer)
	changed, err := json.Marshal(answer)
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(changed)), int64(len(changed))
	res.Header.Del("Content-Length")
	return res, err
}

// reply is an answer.
func reply(status int, kind, body string) *http.Response {
	return &http.Response{StatusCode: status, Status: fmt.Sprint(status), ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {kind}}, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}
}

// parsed parses a scenario.
func parsed(t *testing.T, text string) *scenario.Scenario {
	t.Helper()
	s, problems := scenario.Parse("story.yml", []byte(text), nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return s
}

// through runs a server whose calls go through a proxy.
func through(p queueProxy) scenario.Start {
	return func(ctx context.Context, o scenario.StartOptions) (scenario.Server, error) {
		p.RoundTripper = o.HTTP
		o.HTTP = p
		return startSimulated(ctx, o)
	}
}

const aboutEntries = "entries(first"

// queues are the ways in which GitHub may answer what is asked of a merge queue.
var queues = map[string]queueProxy{
	"as it is": {},
	"403": {before: func(q string) *http.Response {
		if strings.Contains(q, aboutEntries) {
			return reply(403, "application/json", `{"message":"Resource not accessible by integration"}`)
		}
		return nil
	}},
	"403 without a body": {before: func(q string) *http.Response {
		if strings.Contains(q, aboutEntries) {
			return reply(403, "", "")
		}
		return nil
	}},
	"502 in HTML": {before: func(q string) *http.Response {
		if strings.Contains(q, aboutEntries) {
			return reply(502, "text/html", "<html><body>Unicorn!</body></html>")
		}
		return nil
	}},
	"200 in HTML": {before: func(q string) *http.Response {
		if strings.Contains(q, aboutEntries) {
			return reply(200, "text/html", "<html><body>One moment, please</body></html>")
		}
		return nil
	}},
	"the queue is not for the App": {before: func(q string) *http.Response {
		if strings.Contains(q, aboutEntries) {
			return reply(200, "application/json", `{"data":{"r":{"mergeQueue":null}},"errors":[{"type":"FORBIDDEN","path":["r","mergeQueue"],"message":"Resource not accessible by integration"}]}`)
		}
		return nil
	}},
	"the entries are not": {after: change(func(queue, answer map[string]any) {
		queue["entries"] = nil
		answer["errors"] = []any{map[string]any{"type": "FORBIDDEN", "path": []any{"r", "mergeQueue", "entries"}, "message": "Resource not accessible by integration"}}
	})},
	"the configuration is not": {after: change(func(queue, answer map[string]any) {
		queue["configuration"] = nil
		answer["errors"] = []any{map[string]any{"type": "FORBIDDEN", "path": []any{"r", "mergeQueue", "configuration"}, "message": "Resource not accessible by integration"}}
	})},
	"a strategy that nobody knows": {after: change(func(queue, _ map[string]any) {
		configuration := queue["configuration"].(map[string]any)
		configuration["mergingStrategy"], configuration["mergeMethod"] = "SOMEGREEN", "OCTOPUS"
	})},
	"entries without commits": {after: change(func(queue, _ map[string]any) {
		for _, n := range queue["entries"].(map[string]any)["nodes"].([]any) {
			n.(map[string]any)["headCommit"] = nil
		}
	})},
	"in the wrong order": {after: change(func(queue, _ map[string]any) {
		nodes := queue["entries"].(map[string]any)["nodes"].([]any)
		for i, j := 0, len(nodes)-1; i < j; i, j = i+1, j-1 {
			nodes[i], nodes[j] = nodes[j], nodes[i]
		}
	})},
}

// change changes what GitHub tells of a merge queue.
func change(f func(queue, answer map[string]any)) func(string, map[string]any) {
	return func(query string, answer map[string]any) {
		if !strings.Contains(query, aboutEntries) {
			return
		}
		data, _ := answer["data"].(map[string]any)
		r, _ := data["r"].(map[string]any)
		if queue, ok := r["mergeQueue"].(map[string]any); ok {
			f(queue, answer)
		}
	}
}

// TestQueueHoweverItIsRead plays one story on a GitHub that shows its merge queue in different ways, for each merge method. What may land
// does, and nothing that may not.
func TestQueueHoweverItIsRead(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"squash", "merge", "rebase"} {
		text := `
policy: |
  version: 1
  couplings:
    ordered: {members: {a: {pr: 1}, b: {pr: 2}}, order: [a before b]}
    both: {members: {c: {pr: 3}, d: {pr: 4}}, order: [c with d]}
given: {merge_queue: ` + method + `, permissions: {ann: write}}
steps:
  - do:
      - open: {pr: 1, by: ann, title: A, files: {a: "1"}}
      - push: {pr: 1, files: {a: "2"}, message: "More (#3)"}
      - open: {pr: 2, by: ann, title: B, files: {b: "1"}}
      - push: {pr: 2, files: {b: "2"}, message: "More (#1)"}
      - open: {pr: 3, by: ann, title: C, files: {c: "1"}}
      - open: {pr: 4, by: ann, title: D, files: {d: "1"}}
      - push: {pr: 4, files: {d: "2"}, message: "More"}
      - open: {pr: 5, by: ann, title: E, files: {e: "1"}}
      - open: {pr: 6, by: ann, title: F, files: {f: "1"}}
  - {name: uncoupled, do: [enqueue: {prs: [5, 6]}, advance: 3m], expect: {queue: merged}}
  - {name: the second alone, do: [enqueue: {prs: [2]}, advance: 3m], expect: {queue: refused}}
  - {name: in the wrong order, do: [enqueue: {prs: [2, 1]}, advance: 3m], expect: {queue: {1: merged, 2: refused}}}
  - {name: in order, do: [enqueue: {prs: [2]}, advance: 3m], expect: {queue: merged}}
  - {name: half a pair, do: [enqueue: {prs: [4]}, advance: 3m], expect: {queue: waiting}}
  - {name: the pair, do: [enqueue: {prs: [3]}, advance: 3m], expect: {merge: {3: done, 4: done}, coupling: {ordered: landed, both: landed}}}
`
		for name, proxy := range queues {
			if method != "merge" && !slices.Contains([]string{"as it is", "403", "502 in HTML"}, name) {
				continue // all of them with merge commits, the ways of naming with each method
			}
			t.Run(method+" "+name, func(t *testing.T) {
				t.Parallel()
				holds(t, parsed(t, text), scenario.Options{Start: through(proxy)})
			})
		}
	}
}

// TestQueueThatCannotBeNamed has the news of the first group lost, and no entries to be read.
func TestQueueThatCannotBeNamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, method, policy, say, proxy string
		queue                            string // what becomes of the second entry
		says                             string
	}{
		{"the commits tell, by the method of the rules", "squash", "", "", "403", "waiting", "in no coupling"},
		{"merge commits too", "merge", "order: [a before b]", "", "403", "waiting", "holds together"},
		{"rebased ones do not, and nothing is coupled", "rebase", "", "", "403", "waiting", "nothing coupled is on this branch"},
		{"but where something is, it fails", "rebase", "order: [a before b]", "", "403", "refused", "could not be named"},
		{"whatever that has to do with it", "rebase", "other", "", "502 in HTML", "refused", "could not be named"},
		{"or a command makes it", "rebase", "", "/relbot link #3 #4", "403", "refused", "could not be named"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			policy := ""
			switch {
			case c.policy == "other":
				policy = "policy: \"version: 1\\ncouplings: {set: {members: {c: {pr: 3}}}}\\n\"\n"
			case c.policy != "":
				policy = "policy: \"version: 1\\ncouplings: {set: {members: {a: {pr: 1}, b: {pr: 2}}, " + c.policy + "}}\\n\"\n"
			}
			holds(t, parsed(t, policy+`
given: {merge_queue: `+c.method+`, permissions: {ann: write}}
steps:
  - do:
      - open: {pr: 1, by: ann, title: A, files: {a: "1"}}
      - open: {pr: 2, by: ann, title: B, files: {b: "1"}}
      - open: {pr: 3, by: ann, title: C, files: {c: "1"}}
      - open: {pr: 4, by: ann, title: D, files: {d: "1"}}
  - {do: [comment: {pr: 3, by: ann, body: "`+c.say+`"}]}
  - {do: [webhooks: off, enqueue: {prs: [1]}, webhooks: on, enqueue: {prs: [2]}, advance: 2m], expect: {queue: {2: `+c.queue+`}, group_check: {2: {says: ["`+c.says+`"]}}}}
`), scenario.Options{Start: through(queues[c.proxy])})
		})
	}
}

// TestQueueWaitsForOtherChecks holds that the first of a pair is not released before the other required checks of the last group's head have passed.
func TestQueueWaitsForOtherChecks(t *testing.T) {
	t.Parallel()
	s := parsed(t, `
policy: |
  version: 1
  couplings: {pair: {members: {a: {pr: 1}, b: {pr: 2}}, order: [a with b]}}
given: {merge_queue: true, permissions: {ann: write}}
steps: [{do: []}]
`)
	w, err := scenario.NewWorld(t.Context(), s, scenario.Options{Start: startSimulated})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	const repo = coupling.Repo("acme/app")
	pull := func(n int) coupling.Pull { return coupling.Pull{Repo: repo, Number: n} }
	step, gh := stepping(t, w), w.GitHub
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	report := func(head, conclusion string) { t.Helper(); must(gh.Report(repo, head, "ci", conclusion)) }
	state := func(what, want string) {
		t.Helper()
		first, _ := gh.CheckAt(repo, gh.GroupOf(pull(1)).Head)
		if got := gh.QueueState(pull(1)) + " " + gh.QueueState(pull(2)) + " " + first.Title; !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %s, want %s", what, got, want)
		}
	}
	must(gh.RequireAlso(repo, "ci"))
	for n := 1; n <= 2; n++ {
		step(scenario.Action{Verb: "open", Pull: pull(n), By: "ann", Title: text("T"), Files: map[string]*string{fmt.Sprint("f", n): text("1")}})
		report(gh.Commit(repo, fmt.Sprint("pr-", n)), "success")
	}
	enqueue := scenario.Action{Verb: "enqueue", Pulls: []coupling.Pull{pull(1), pull(2)}}
	pass := func(minutes int) scenario.Action {
		return scenario.Action{Verb: "advance", Duration: time.Duration(minutes) * time.Minute}
	}
	step(enqueue)
	report(gh.GroupOf(pull(1)).Head, "success")
	step(pass(3))
	state("no check on the last group yet", "waiting waiting Waiting: #1: waits for the other required checks of #2")
	report(gh.GroupOf(pull(2)).Head, "")
	step(pass(3))
	state("it is in progress", "waiting waiting Waiting: #1: waits for the other required checks of #2")
	report(gh.GroupOf(pull(2)).Head, "failure")
	step(pass(1))
	state("it has failed", "waiting refused Waiting: #1: waits for #2 to enter the queue behind it")
	report(gh.GroupOf(pull(1)).Head, "success")
	step(pass(4))
	state("nobody came in time", "refused refused Blocked: #1: #2 did not come in behind it in time")
	step(enqueue)
	report(gh.GroupOf(pull(2)).Head, "success")
	step(pass(1))
	state("the first is released, and another check of its own is missing", "waiting waiting Passed: ")
	must(gh.Dequeue(pull(2)))
	step()
	state("its partner leaves before it lands", "waiting refused Waiting: #1: waits for #2 to enter the queue behind it")
	report(gh.GroupOf(pull(1)).Head, "success")
	step(pass(10))
	state("it does not land alone", "refused refused Blocked: ")
	step(enqueue)
	report(gh.GroupOf(pull(1)).Head, "success")
	step(pass(1))
	report(gh.GroupOf(pull(2)).Head, "success")
	step(pass(1))
	state("all have passed", "merged merged")
}

// TestQueueLandsNothingAlone does random things to a queue. Entries come and go, and pull requests are pushed to, closed and held. News is late, lost,
// doubled and in the wrong order; GitHub fails; relbot starts again. Nobody bypasses the queue. What has to land first lands first, and of
// what has to land together nothing lands alone.
func TestQueueLandsNothingAlone(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			landNothingAlone(t, seed)
		})
	}
}

func landNothingAlone(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	pick := func(words ...string) string { return words[rnd.IntN(len(words))] }
	w, err := scenario.NewWorld(t.Context(), parsed(t, `
policy: |
  version: 1
  check: {queue_patience: 5m}
  couplings:
    pair: {members: {a: {pr: 1}, b: {pr: 2}}, order: [a with b]}
    chain: {members: {c: {pr: 3}, d: {pr: 4}, e: {pr: 5}}, order: [c before d, d with e]}
    either: {members: {f: {pr: 6}, g: {pr: 7}}, order: [f before-or-with g]}
given:
  merge_queue: {method: `+pick("squash", "merge", "rebase")+`, strategy: `+pick("ALLGREEN", "HEADGREEN")+`, build: `+pick("2", "3", "5", "9")+`, merge: `+pick("1", "2", "5")+`}
  permissions: {ann: write}
steps: [{do: []}]
`), scenario.Options{Start: startSimulated})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	gh := w.GitHub
	pull := func(n int) coupling.Pull { return coupling.Pull{Repo: "acme/app", Number: n} }
	const last = 9 // two of them in no coupling
	var did []string
	act := func(a scenario.Action) {
		did = append(did, fmt.Sprintf("%s %v %v %s %s %v", a.Verb, a.Pull.Number, a.Pulls, a.Mode, a.Answer, a.Duration))
		_ = w.Act(t.Context(), a) // what GitHub refuses changes nothing
	}
	settle := func() {
		if r := w.Step(t.Context(), scenario.Step{}); len(r.Failures) > 0 {
			t.Fatalf("%v after %s", r.Failures, strings.Join(did, "\n"))
		}
	}
	for n := 1; n <= last; n++ {
		act(scenario.Action{Verb: "open", Pull: pull(n), By: "ann", Title: text("T"), Files: map[string]*string{fmt.Sprint("f", n): text("1")}})
	}
	settle()
	random := func() coupling.Pull { return pull(1 + rnd.IntN(last)) }
	merged := func(n int) bool { return gh.QueueState(pull(n)) == "merged" }
	for range 60 {
		for range 1 + rnd.IntN(4) {
			switch rnd.IntN(14) {
			case 0, 1, 2, 3, 4:
				var pulls []coupling.Pull
				for _, i := range rnd.Perm(last)[:1+rnd.IntN(4)] {
					pulls = append(pulls, pull(i+1))
				}
				act(scenario.Action{Verb: "enqueue", Pulls: pulls})
			case 5:
				_ = gh.Dequeue(random())
			case 6:
				p := random()
				act(scenario.Action{Verb: "push", Pull: p, By: "ann", Files: map[string]*string{fmt.Sprint("f", p.Number): text(fmt.Sprint(rnd.Int()))}})
			case 7:
				act(scenario.Action{Verb: pick("close", "reopen", "reopen"), Pull: random(), By: "ann"})
			case 8:
				draft := rnd.IntN(3) == 0
				act(scenario.Action{Verb: "edit", Pull: random(), Draft: &draft})
			case 9:
				act(scenario.Action{Verb: "comment", Pull: random(), By: "ann", Body: text(pick("/relbot hold", "/relbot resume", "/relbot resume"))})
			case 10:
				act(scenario.Action{Verb: "webhooks", Mode: pick("on", "on", "held", "reversed", "doubled", "off")})
			case 11:
				act(scenario.Action{Verb: "fault", Match: pick("graphql", "reads", "writes"), Answer: pick("502", "lost_answer", "403", "timeout"), Times: 1 + rnd.IntN(3)})
			case 12:
				if rnd.IntN(4) == 0 {
					act(scenario.Action{Verb: "restart", LoseDatabase: rnd.IntN(2) == 0})
				}
			case 13:
				act(scenario.Action{Verb: "advance", Duration: time.Duration(rnd.IntN(400)) * time.Second})
			}
		}
		settle()
		switch {
		case merged(1) != merged(2), merged(4) != merged(5):
			t.Fatalf("a pair is split: %v\n%s", gh.Pulls("acme/app"), strings.Join(did, "\n"))
		case (merged(4) || merged(5)) && !merged(3):
			t.Fatalf("the second has landed before the first:\n%s", strings.Join(did, "\n"))
		case merged(7) && !merged(6):
			t.Fatalf("a before-or-with is split:\n%s", strings.Join(did, "\n"))
		}
	}
	act(scenario.Action{Verb: "clear_faults"})
	act(scenario.Action{Verb: "webhooks", Mode: "on"})
	for n := 1; n <= last; n++ { // all that is still open lands, once everything is as it should be
		ready := false
		act(scenario.Action{Verb: "reopen", Pull: pull(n), By: "ann"})
		act(scenario.Action{Verb: "edit", Pull: pull(n), Draft: &ready})
	}
	for _, n := range []int{1, 3, 6} {
		act(scenario.Action{Verb: "comment", Pull: pull(n), By: "ann", Body: text("/relbot resume")})
	}
	act(scenario.Action{Verb: "advance", Duration: time.Hour})
	settle()
	for _, n := range []int{1, 3, 5, 7} {
		pulls := []coupling.Pull{pull(n), pull(n + 1)}
		if n == 5 {
			pulls = []coupling.Pull{pull(5), pull(4)}
		} else if n == 7 {
			pulls = []coupling.Pull{pull(7), pull(6)}
		}
		act(scenario.Action{Verb: "enqueue", Pulls: pulls})
		act(scenario.Action{Verb: "advance", Duration: 2 * time.Minute})
	}
	settle()
	for n := 1; n <= 7; n++ {
		if !merged(n) && gh.Pulls("acme/app")[n-1].State == "open" {
			t.Errorf("#%d did not land in the end: %v", n, gh.QueueState(pull(n)))
		}
	}
}
