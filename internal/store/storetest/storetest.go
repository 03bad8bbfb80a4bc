// Package storetest states what every store has to do. What it does not state is not promised.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/store/backup"
)

// Open opens a store for a test: a fresh database for a new name, the same one for a name that was opened before.
type Open func(t *testing.T, name string) store.Store

// now is the moment at which the tests begin.
var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// Run holds an engine against the whole suite.
func Run(t *testing.T, open Open) {
	for name, test := range map[string]func(*testing.T, store.Store){
		"delivery": delivery, "coalescing": coalescing, "lost wake-up": lostWakeUp, "lanes": lanes, "leases": leases, "fairness": fairness,
		"failures": failures, "given up": givenUp, "periodic": periodic, "documents": documents, "put queues": putQueues, "audit": audit,
		"two workers": twoWorkers, "hints": hints, "release": release, "origins": origins, "backlog": backlog,
		"turns": turns, "time": timeOf, "pruning": pruning, "batches": batches, "many writers": manyWriters, "any order": anyOrder, "windows": windows, "trails": trails,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t, name)) })
	}
	t.Run("reopened", func(t *testing.T) { reopened(t, open) })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func claim(t *testing.T, s store.Store, at time.Time) []store.Claimed {
	t.Helper()
	c, err := s.Claim(t.Context(), at, "me", time.Minute, 10)
	must(t, err)
	return c
}

func delivery(t *testing.T, s store.Store) {
	d := store.Delivery{GUID: "g1", Event: "push", Received: now, Payload: bytes.Repeat([]byte("payload "), 1000)}
	fresh, err := s.Accept(t.Context(), d, []store.Work{{Kind: "repo", Key: "a/b"}})
	must(t, err)
	if !fresh {
		t.Error("the first delivery was taken for a repetition")
	}
	got, err := s.Delivery(t.Context(), "g1")
	must(t, err)
	if got.Event != d.Event || !got.Received.Equal(d.Received) || !bytes.Equal(got.Payload, d.Payload) {
		t.Errorf("got %s %v, %d bytes", got.Event, got.Received, len(got.Payload))
	}
	if fresh, err = s.Accept(t.Context(), d, []store.Work{{Kind: "repo", Key: "other"}}); err != nil || fresh {
		t.Errorf("repetition: fresh %v, %v", fresh, err)
	}
	if c := claim(t, s, now); len(c) != 1 || c[0].Key != "a/b" {
		t.Errorf("claimed %v, want the work of the first delivery alone", c)
	}
	if _, err := s.Delivery(t.Context(), "unknown"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("unknown delivery: %v", err)
	}
	n, err := s.Prune(t.Context(), now.Add(time.Hour))
	must(t, err)
	if n != 1 {
		t.Errorf("pruned %d, want 1", n)
	}
}

// pruning forgets work that is done, and no other.
func pruning(t *testing.T, s store.Store) {
	queue := func(key string, at time.Time) {
		must(t, s.Enqueue(t.Context(), store.Work{Kind: "pull", Key: key, Lane: key, Origin: store.Origin{At: at}}))
	}
	for n := range 450 {
		queue(fmt.Sprintf("a/b#%d", n), now)
	}
	for c := claim(t, s, now); len(c) > 0; c = claim(t, s, now) {
		for _, c := range c {
			must(t, s.Done(t.Context(), c))
		}
	}
	queue("a/b#2", now.Add(2*time.Hour))
	for _, c := range claim(t, s, now) {
		must(t, s.Done(t.Context(), c)) // lately
	}
	queue("a/b#1", now)
	if c := claim(t, s, now); len(c) != 1 || c[0].Key != "a/b#1" { // is worked on
		t.Fatalf("claimed %+v", c)
	}
	queue("a/b#0", now) // is due again
	if n, err := s.Prune(t.Context(), now.Add(time.Hour)); err != nil || n != 447 {
		t.Errorf("pruned %d %v, want the 447 that were done before", n, err)
	}
	jobs, err := s.Jobs(t.Context())
	if err != nil || len(jobs) != 2 {
		t.Errorf("left %+v %v, want two that are not done", jobs, err)
	}
	must(t, s.Drop(t.Context(), "pull", "a/b#0"))
	queue("a/b#9", now) // one that is forgotten begins again
	if c := claim(t, s, now); len(c) != 1 || c[0].Key != "a/b#9" || c[0].Want != 1 {
		t.Errorf("claimed %+v", c)
	}
}

func coalescing(t *testing.T, s store.Store) {
	for range 10 {
		must(t, s.Enqueue(t.Context(), store.Work{Kind: "pull", Key: "a/b#1"}))
	}
	c := claim(t, s, now)
	if len(c) != 1 || c[0].Want != 10 || c[0].Done != 0 {
		t.Fatalf("claimed %+v, want one row that wants 10", c)
	}
	must(t, s.Enqueue(t.Context(), store.Work{Kind: "pull", Key: "a/b#1"}))
	must(t, s.Done(t.Context(), c[0]))
	if c = claim(t, s, now); len(c) != 1 || c[0].Want != 11 || c[0].Done != 10 {
		t.Fatalf("claimed %+v, want what came meanwhile", c)
	}
	must(t, s.Done(t.Context(), c[0]))
	if c := claim(t, s, now); len(c) != 0 {
		t.Errorf("still due: %v", c)
	}
}

// windows holds that the first event of a quiet key runs at once. A burst costs one more run at the end of the window. No event is lost.
func windows(t *testing.T, s store.Store) {
	const window, step = time.Second, 50 * time.Millisecond
	random := rand.New(rand.NewPCG(1, 2))
	for key := range 40 {
		w := store.Work{Kind: "pull", Key: fmt.Sprint("a/b#", key), Window: window}
		var starts, events []time.Time
		var held []store.Claimed
		said, answered := "", ""
		var until time.Time
		for at := now; at.Before(now.Add(20*time.Second)) || len(held) > 0; at = at.Add(step) {
			if len(held) > 0 && !at.Before(until) {
				if random.IntN(8) == 0 {
					must(t, s.Later(t.Context(), held[0], store.Failure{At: at.Add(time.Hour)}))
					must(t, s.Enqueue(t.Context(), store.Work{Kind: w.Kind, Key: w.Key, At: at, Window: window}))
				} else {
					must(t, s.Done(t.Context(), held...))
					answered += held[0].Trail
				}
				held = nil
			}
			if at.Before(now.Add(15*time.Second)) && random.IntN(key+1) == 0 {
				w.At, w.Trail = at, fmt.Sprintf("é%d\n", len(events))
				must(t, s.Enqueue(t.Context(), w))
				said += w.Trail
				quiet := len(held) == 0 && (len(starts) == 0 || at.Sub(starts[len(starts)-1]) >= window)
				if next, err := s.Next(t.Context()); err != nil || quiet && next.After(at) {
					t.Fatalf("key %d: an event after a quiet time waits until %v, %v", key, next, err)
				}
				events = append(events, at)
			}
			if got := claim(t, s, at); len(got) > 0 {
				held, until = got, at.Add(time.Duration(random.IntN(30))*step)
				starts = append(starts, at)
			}
		}
		if answered != said {
			t.Errorf("key %d: the runs that came to an end had the lines %q, want each once: %q", key, answered, said)
		}
		for i := 2; i < len(starts); i++ {
			if starts[i].Sub(starts[i-2]) < window {
				t.Errorf("key %d: three runs within a window: %v", key, starts[i-2:i+1])
			}
		}
		if n := len(events); n > 0 && starts[len(starts)-1].Before(events[n-1]) {
			t.Errorf("key %d: the last event, at %v, came after the last run, at %v", key, events[n-1], starts[len(starts)-1])
		}
	}
}

// trails holds that a row that cannot run does not grow without end, and that the newest data is kept all the same.
func trails(t *testing.T, s store.Store) {
	line := strings.Repeat("x", 999) + "\n"
	for i := range 100 {
		must(t, s.Enqueue(t.Context(), store.Work{Kind: "pull", Key: "a/b#1", Trail: line, Data: []byte(fmt.Sprint(i))}))
	}
	got := claim(t, s, now)
	if n := len(got[0].Trail); n != store.TrailLimit || string(got[0].Data) != "99" {
		t.Errorf("a trail of %d, data %q", n, got[0].Data)
	}
	must(t, s.Enqueue(t.Context(), store.Work{Kind: "pull", Key: "a/b#1", Trail: "new\n"}))
	must(t, s.Done(t.Context(), got...))
	if got := claim(t, s, now); got[0].Trail != "" {
		t.Errorf("the rest of the trail is %q", got[0].Trail)
	}
}

func lostWakeUp(t *testing.T, s store.Store) {
	w := store.Work{Kind: "pull", Key: "a/b#1"}
	must(t, s.Enqueue(t.Context(), w))
	c := claim(t, s, now)
	must(t, s.Enqueue(t.Context(), w)) // arrives while the row is worked on
	if c := claim(t, s, now); len(c) != 0 {
		t.Fatal("one key was handed out twice at a time")
	}
	must(t, s.Done(t.Context(), c[0]))
	if c := claim(t, s, now); len(c) != 1 {
		t.Error("the event that arrived during the work was lost")
	}
}

func lanes(t *testing.T, s store.Store) {
	must(t, s.Enqueue(t.Context(),
		store.Work{Kind: "coupling", Key: "x", Lane: "home"}, store.Work{Kind: "coupling", Key: "y", Lane: "home"},
		store.Work{Kind: "coupling", Key: "z", Lane: "elsewhere"}))
	first := claim(t, s, now)
	second := claim(t, s, now)
	if len(first)+len(second) != 3 || first[0].Lane == second[0].Lane {
		t.Fatalf("claimed %v and %v, want the rows of one lane together", first, second)
	}
	must(t, s.Enqueue(t.Context(), store.Work{Kind: "coupling", Key: "w", Lane: "home"}))
	if c := claim(t, s, now); len(c) != 0 {
		t.Errorf("claimed %v of a lane that is held", c)
	}
	if next, err := s.Next(t.Context()); err != nil || !next.Equal(now.Add(time.Minute)) {
		t.Errorf("next is %v %v: who waits for a lane that is held would ask without end", next, err)
	}
	for _, c := range append(first, second...) {
		must(t, s.Done(t.Context(), c))
	}
	if c := claim(t, s, now); len(c) != 1 || c[0].Key != "w" {
		t.Errorf("claimed %v, want w", c)
	}
}

func leases(t *testing.T, s store.Store) {
	must(t, s.Enqueue(t.Context(), store.Work{Kind: "k", Key: "1"}))
	c := claim(t, s, now)
	must(t, s.Renew(t.Context(), c, now.Add(2*time.Minute)))
	if again := claim(t, s, now.Add(90*time.Second)); len(again) != 0 {
		t.Fatal("a renewed lease did not hold")
	}
	next, err := s.Next(t.Context())
	must(t, err)
	if !next.Equal(now.Add(2 * time.Minute)) {
		t.Errorf("next is %v, want the end of the lease", next)
	}
	other, err := s.Claim(t.Context(), now.Add(3*time.Minute), "other", time.Minute, 10)
	must(t, err)
	if len(other) != 1 {
		t.Fatal("an expired lease was not taken over")
	}
	for name, err := range map[string]error{
		"Done": s.Done(t.Context(), c[0]), "Renew": s.Renew(t.Context(), c, now.Add(time.Hour)), "Later": s.Later(t.Context(), c[0], store.Failure{At: now, Cause: "x"}),
	} {
		if !errors.Is(err, store.ErrLost) {
			t.Errorf("%s of a lost lease: %v", name, err)
		}
	}
	must(t, s.Done(t.Context(), other[0]))
}

func fairness(t *testing.T, s store.Store) {
	for i := range 5 {
		must(t, s.Enqueue(t.Context(), store.Work{Kind: "k", Key: fmt.Sprint("busy", i), Lane: "busy", At: now.Add(-time.Minute)}))
	}
	must(t, s.Enqueue(t.Context(), store.Work{Kind: "k", Key: "quiet", Lane: "quiet", At: now.Add(-30 * time.Second)}))
	first, second := claim(t, s, now), claim(t, s, now)
	if first[0].Lane != "busy" || len(second) != 1 || second[0].Lane != "quiet" {
		t.Errorf("claimed %v, then %v", first, second)
	}
}

func failures(t *testing.T, s store.Store) {
	must(t, s.Enqueue(t.Context(), store.Work{Kind: "k", Key: "1"}))
	c := claim(t, s, now)
	must(t, s.Later(t.Context(), c[0], store.Failure{At: now.Add(time.Minute), Cause: "out of order"}))
	if c := claim(t, s, now); len(c) != 0 {
		t.Fatal("claimed before its time")
	}
	c = claim(t, s, now.Add(time.Minute))
	if len(c) != 1 || c[0].Attempt != 1 || c[0].Since.IsZero() {
		t.Fatalf("claimed %+v, want attempt 1", c)
	}
	jobs, err := s.Jobs(t.Context())
	must(t, err)
	if len(jobs) != 1 || jobs[0].Error != "out of order" {
		t.Errorf("jobs %+v", jobs)
	}
	must(t, s.Done(t.Context(), c[0]))
	must(t, s.Enqueue(t.Context(), store.Work{Kind: "k", Key: "1"}))
	if c = claim(t, s, now); len(c) != 1 || c[0].Attempt != 0 {
		t.Errorf("claimed %+v, want a row without failures", c)
	}
	for attempt, stuck := range []bool{false, true} {
		must(t, s.Enqueue(t.Context(), store.Work{Kind: "k", Key: "1", At: now}))
		must(t, s.Later(t.Context(), c[0], store.Failure{At: now.Add(time.Hour), Cause: "came too early", Stuck: stuck}))
		if c = claim(t, s, now); len(c) != 1 || c[0].Attempt != 1-attempt {
			t.Fatalf("claimed %+v, want what was enqueued while the row failed", c)
		}
	}
	must(t, s.Enqueue(t.Context(), store.Work{Kind: "k", Key: "1", At: now}))
	must(t, s.Later(t.Context(), c[0], store.Failure{At: now.Add(time.Hour), Again: now.Add(time.Second)}))
	for _, key := range []string{"", "1"} { // and when it is called for while it waits
		if key != "" {
			must(t, s.Enqueue(t.Context(), store.Work{Kind: "k", Key: key, At: now}))
		}
		if next, err := s.Next(t.Context()); err != nil || !next.Equal(now.Add(time.Second)) {
			t.Errorf("next is %v %v, want the earliest that the failure allows", next, err)
		}
	}
}

func givenUp(t *testing.T, s store.Store) {
	d := store.Delivery{GUID: "g", Event: "push", Received: now, Payload: []byte("{}")}
	_, err := s.Accept(t.Context(), d, []store.Work{{Kind: "k", Key: "1"}})
	must(t, err)
	c := claim(t, s, now)
	must(t, s.Later(t.Context(), c[0], store.Failure{At: now, Cause: "hopeless", Stuck: true}))
	if c := claim(t, s, now.Add(time.Hour)); len(c) != 0 {
		t.Fatal("a row that was given up was claimed")
	}
	jobs, err := s.Jobs(t.Context())
	must(t, err)
	if len(jobs) != 1 || !jobs[0].Stuck {
		t.Fatalf("jobs %+v, want the stuck one", jobs)
	}
	fresh, err := s.Accept(t.Context(), d, []store.Work{{Kind: "k", Key: "1"}})
	must(t, err)
	if c := claim(t, s, now); !fresh || len(c) != 1 || c[0].Attempt != 0 {
		t.Errorf("after a redelivery: fresh %v, claimed %+v", fresh, c)
	}
	must(t, s.Drop(t.Context(), "k", "1"))
	if jobs, err := s.Jobs(t.Context()); err != nil || len(jobs) != 0 {
		t.Errorf("dropped, and still %v %v", jobs, err)
	}
}

func periodic(t *testing.T, s store.Store) {
	var mine int
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			ok, err := s.Every(t.Context(), "nightly", now)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			if ok {
				mine++
			}
		})
	}
	all.Wait()
	if mine != 1 {
		t.Errorf("%d callers got the slot", mine)
	}
	if last, err := s.Last(t.Context(), "nightly"); err != nil || !last.Equal(now) {
		t.Errorf("the last slot: %v %v", last, err)
	}
	if last, err := s.Last(t.Context(), "never"); err != nil || !last.IsZero() {
		t.Errorf("the last slot of a name that never had one: %v %v", last, err)
	}
	if ok, err := s.Every(t.Context(), "nightly", now.Add(24*time.Hour), store.Work{Kind: "report", Key: "a/b"}); err != nil || !ok {
		t.Errorf("the next slot: %v %v", ok, err)
	}
	if ok, err := s.Every(t.Context(), "nightly", now.Add(24*time.Hour), store.Work{Kind: "report", Key: "c/d"}); err != nil || ok {
		t.Errorf("the next slot again: %v %v", ok, err)
	}
	if c := claim(t, s, now); len(c) != 1 || c[0].Key != "a/b" {
		t.Errorf("claimed %v, want the work of the caller that got the slot", c)
	}
}

// turns holds that an account with ten thousand rows does not keep another waiting, not even with one worker.
func turns(t *testing.T, s store.Store) {
	var many []store.Work
	for i := range 10_000 {
		key := fmt.Sprintf("noisy/app#%d", i)
		many = append(many, store.Work{Kind: "pull", Key: key, Lane: key, At: now.Add(-time.Hour)})
	}
	must(t, s.Enqueue(t.Context(), many...))
	var order []string
	next := func() {
		for _, c := range claim(t, s, now) {
			order = append(order, c.Key)
			must(t, s.Done(t.Context(), c))
		}
	}
	next()
	must(t, s.Enqueue(t.Context(), store.Work{Kind: "pull", Key: "quiet/app#1", At: now}, store.Work{Kind: "install", Key: "all", At: now}))
	for range 3 {
		next()
	}
	if !slices.Contains(order, "quiet/app#1") || !slices.Contains(order, "all") || len(order) != 4 {
		t.Errorf("claimed %v: one that came later waits for the ten thousand of another account", order)
	}
	// An account whose lanes are all held, or whose time has not come, takes nobody's turn.
	must(t, s.Enqueue(t.Context(), store.Work{Kind: "pull", Key: "quiet/app#2", At: now}))
	for held := claim(t, s, now); len(held) > 0 && held[0].Key != "quiet/app#2"; held = claim(t, s, now) {
		must(t, s.Done(t.Context(), held[0]))
	}
	must(t, s.Enqueue(t.Context(), store.Work{Kind: "pull", Key: "quiet/app#2", At: now}, store.Work{Kind: "pull", Key: "later/app#1", At: now.Add(time.Hour)}))
	if c := claim(t, s, now); len(c) != 1 || !strings.HasPrefix(c[0].Key, "noisy/") {
		t.Errorf("claimed %v, want one of the noisy account", c)
	}
}

func timeOf(t *testing.T, s store.Store) {
	got, err := s.Time(t.Context())
	must(t, err)
	if d := time.Since(got); d < -time.Minute || d > time.Minute {
		t.Errorf("the database's time is %v", got)
	}
}

func documents(t *testing.T, s store.Store) {
	none, err := s.Get(t.Context(), "k", "a")
	must(t, err)
	if none.Rev != 0 {
		t.Fatalf("got %+v", none)
	}
	put := func(key string, rev int64, body string) error {
		return s.Put(t.Context(), []store.Document{{Kind: "k", Key: key, Rev: rev, Body: []byte(body)}}, nil)
	}
	must(t, put("a", 0, "one"))
	if err := put("a", 0, "again"); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a second first write: %v", err)
	}
	must(t, put("a", 1, "two"))
	if err := put("a", 1, "late"); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a write on an old revision: %v", err)
	}
	for _, key := range []string{"ab", "b%", "A", "aZ", "aé", "a_", "Ab"} {
		must(t, put(key, 0, "x"))
	}
	for prefix, want := range map[string][]string{"a": {"a", "aZ", "a_", "ab", "aé"}, "": {"A", "Ab", "a", "aZ", "a_", "ab", "aé", "b%"}, "b%": {"b%"}, "b_": nil} {
		docs, err := s.List(t.Context(), "k", prefix)
		must(t, err)
		var keys []string
		for _, d := range docs {
			keys = append(keys, d.Key)
			if d.Key == "a" && string(d.Body) != "two" {
				t.Errorf("listed %+v", d)
			}
		}
		if !slices.Equal(keys, want) {
			t.Errorf("with %q begin %q, want %q", prefix, keys, want)
		}
	}
	// All or nothing.
	err = s.Put(t.Context(), []store.Document{{Kind: "k", Key: "new", Body: []byte("z")}, {Kind: "k", Key: "a", Rev: 1, Body: []byte("z")}}, nil)
	if d, _ := s.Get(t.Context(), "k", "new"); !errors.Is(err, store.ErrConflict) || d.Rev != 0 {
		t.Errorf("half a write: %v, %+v", err, d)
	}
	must(t, s.Put(t.Context(), []store.Document{{Kind: "k", Key: "a", Rev: 2}}, nil))
	if d, _ := s.Get(t.Context(), "k", "a"); d.Rev != 0 {
		t.Errorf("deleted, and still %+v", d)
	}
}

func putQueues(t *testing.T, s store.Store) {
	w := []store.Work{{Kind: "k", Key: "1"}}
	must(t, s.Put(t.Context(), []store.Document{{Kind: "d", Key: "1", Body: []byte("x")}}, w))
	if err := s.Put(t.Context(), []store.Document{{Kind: "d", Key: "1", Body: []byte("x")}}, []store.Work{{Kind: "k", Key: "2"}}); !errors.Is(err, store.ErrConflict) {
		t.Fatal(err)
	}
	jobs, err := s.Jobs(t.Context())
	must(t, err)
	if len(jobs) != 1 || jobs[0].Key != "1" {
		t.Errorf("jobs %+v, want the work of the write that held", jobs)
	}
}

// anyOrder holds that two who write the same documents, each in an order of its own, do not lock each other out.
func anyOrder(t *testing.T, s store.Store) {
	var docs []store.Document
	for i := range 20 {
		docs = append(docs, store.Document{Kind: "k", Key: fmt.Sprint(i), Body: []byte("{}")})
	}
	must(t, s.Put(t.Context(), docs, nil))
	var all sync.WaitGroup
	for range 2 {
		slices.Reverse(docs)
		mine := slices.Clone(docs)
		all.Go(func() {
			for range 50 {
				for i := range mine {
					d, err := s.Get(t.Context(), "k", mine[i].Key)
					if err != nil {
						t.Error(err)
					}
					mine[i].Rev = d.Rev
				}
				if err := s.Put(t.Context(), mine, nil); err != nil && !errors.Is(err, store.ErrConflict) {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func audit(t *testing.T, s store.Store) {
	a := store.Audit{At: now, Repo: "a/b", Pull: 3, Actor: "ann", Action: "hold", Detail: "{}", Key: "comment 1 line 1"}
	fresh, err := s.Log(t.Context(), a)
	must(t, err)
	again, err := s.Log(t.Context(), a)
	must(t, err)
	if !fresh || again {
		t.Errorf("logged %v, then %v", fresh, again)
	}
	a.Key, a.Repo = "2", "c/d"
	_, err = s.Log(t.Context(), a)
	must(t, err)
	rows, err := s.Audits(t.Context(), "a/b", 0, 10)
	must(t, err)
	if len(rows) != 1 || rows[0].Actor != "ann" || rows[0].Pull != 3 || !rows[0].At.Equal(now) {
		t.Errorf("audits %+v", rows)
	}
	all, err := s.Audits(t.Context(), "", rows[0].Seq, 10)
	must(t, err)
	if len(all) != 1 || all[0].Repo != "c/d" {
		t.Errorf("audits after the first %+v", all)
	}
}

func twoWorkers(t *testing.T, s store.Store) {
	const keys, events = 20, 10
	var mu sync.Mutex
	working := map[string]bool{}
	ran := 0
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range keys * events / 4 {
				w := store.Work{Kind: "k", Key: fmt.Sprint(i % keys), Lane: fmt.Sprint("lane", i%keys/2)}
				if err := s.Enqueue(t.Context(), w); err != nil {
					t.Error(err)
				}
				claimed, err := s.Claim(t.Context(), now, fmt.Sprint("worker", worker), time.Minute, 10)
				if err != nil {
					t.Error(err)
					return
				}
				for _, c := range claimed {
					mu.Lock()
					if working[c.Lane+c.Key] {
						t.Errorf("%s is worked on twice", c.Key)
					}
					working[c.Lane+c.Key] = true
					ran++
					mu.Unlock()
				}
				for _, c := range claimed {
					mu.Lock()
					delete(working, c.Lane+c.Key)
					mu.Unlock()
					if err := s.Done(t.Context(), c); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	for c := claim(t, s, now); len(c) > 0; c = claim(t, s, now) {
		for _, c := range c {
			ran++
			must(t, s.Done(t.Context(), c))
		}
	}
	if jobs, err := s.Jobs(t.Context()); err != nil || len(jobs) > 0 || ran < keys {
		t.Errorf("%d runs, left %v %v", ran, jobs, err)
	}
}

// batches gives rows that were claimed together back together.
func batches(t *testing.T, s store.Store) {
	must(t, s.Enqueue(t.Context(), store.Work{Kind: "k", Key: "a", Lane: "l"}, store.Work{Kind: "k", Key: "b", Lane: "l"}))
	late := claim(t, s, now)
	must(t, s.Enqueue(t.Context(), store.Work{Kind: "k", Key: "b", Lane: "l"}))
	must(t, s.Done(t.Context(), late...))
	if c := claim(t, s, now); len(c) != 1 || c[0].Key != "b" {
		t.Fatalf("claimed %v, want b, which was queued again", c)
	} else {
		must(t, s.Done(t.Context(), c...))
	}
	must(t, s.Enqueue(t.Context(), store.Work{Kind: "k", Key: "a", Lane: "l"}, store.Work{Kind: "k", Key: "b", Lane: "l"}))
	late = claim(t, s, now)
	other, err := s.Claim(t.Context(), now.Add(time.Hour), "other", time.Minute, 10)
	must(t, err)
	if len(late) != 2 || len(other) != 2 {
		t.Fatalf("claimed %v, then %v", late, other)
	}
	if err := s.Done(t.Context(), late...); !errors.Is(err, store.ErrLost) {
		t.Errorf("done after the lease: %v", err)
	}
	must(t, s.Done(t.Context(), other...))
}

// manyWriters write at once, over each other: only the one who comes late learns of it, nothing is lost, and each reads what it wrote.
func manyWriters(t *testing.T, s store.Store) {
	const writers, rounds = 8, 40
	count := func(d store.Document) (n int) {
		_, _ = fmt.Sscan(string(d.Body), &n) // none yet is zero
		return n
	}
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range rounds {
				for {
					d, err := s.Get(t.Context(), "counter", fmt.Sprint(i%3))
					if err != nil {
						t.Error(err)
						return
					}
					d.Body = fmt.Append(nil, count(d)+1)
					own := store.Document{Kind: "own", Key: fmt.Sprint(w), Rev: int64(i), Body: fmt.Append(nil, i)}
					err = s.Put(t.Context(), []store.Document{own, d}, []store.Work{{Kind: "k", Key: fmt.Sprint(w, " ", i)}})
					if errors.Is(err, store.ErrConflict) {
						continue
					}
					if err != nil {
						t.Error(err)
						return
					}
					break
				}
				if d, err := s.Get(t.Context(), "own", fmt.Sprint(w)); err != nil || d.Rev != int64(i)+1 || count(d) != i {
					t.Errorf("read %+v after writing %d: %v", d, i, err)
				}
			}
		})
	}
	all.Wait()
	sum := 0
	for i := range 3 {
		d, err := s.Get(t.Context(), "counter", fmt.Sprint(i))
		must(t, err)
		sum += count(d)
		listed, err := s.List(t.Context(), "counter", fmt.Sprint(i))
		must(t, err)
		if len(listed) != 1 || listed[0].Rev != d.Rev || !bytes.Equal(listed[0].Body, d.Body) {
			t.Errorf("listed %+v, read %+v", listed, d)
		}
	}
	jobs, err := s.Jobs(t.Context())
	must(t, err)
	if sum != writers*rounds || len(jobs) != writers*rounds {
		t.Errorf("counted to %d with %d rows of work, want %d of both", sum, len(jobs), writers*rounds)
	}
}

func hints(t *testing.T, s store.Store) {
	w := store.Work{Kind: "k", Key: "1", At: now.Add(time.Hour), Data: []byte("old")}
	must(t, s.Enqueue(t.Context(), w))
	must(t, s.Enqueue(t.Context(), store.Work{Kind: "k", Key: "1", Data: []byte("new")}, store.Work{Kind: "k", Key: "1"}))
	c := claim(t, s, now)
	if len(c) != 1 || string(c[0].Data) != "new" {
		t.Fatalf("claimed %+v, want at once and with the newest payload", c)
	}
	must(t, s.Done(t.Context(), c[0]))
	must(t, s.Enqueue(t.Context(), store.Work{Kind: "k", Key: "1"}))
	if c := claim(t, s, now); len(c) != 1 || len(c[0].Data) != 0 {
		t.Errorf("claimed %+v, want no payload from before", c)
	}
}

func origins(t *testing.T, s store.Store) {
	from := func(event string, at time.Duration) store.Work {
		return store.Work{Kind: "k", Key: "1", Origin: store.Origin{Event: event, At: now.Add(at), Trace: "trace of " + event, Queued: now.Add(at), Waited: "as long as " + event}}
	}
	want := func(event string) store.Claimed {
		t.Helper()
		c := claim(t, s, now)
		if len(c) != 1 || c[0].Origin.Event != event || event != "" && c[0].Origin != from(event, c[0].Origin.At.Sub(now)).Origin {
			t.Fatalf("claimed %+v, want the origin %q", c, event)
		}
		return c[0]
	}
	must(t, s.Enqueue(t.Context(), from("first", 0)))
	must(t, s.Enqueue(t.Context(), from("second", time.Second), store.Work{Kind: "k", Key: "1"}))
	c := want("first")
	if jobs, err := s.Jobs(t.Context()); err != nil || len(jobs) != 1 || jobs[0].Origin != c.Origin {
		t.Errorf("listed %+v %v", jobs, err)
	}
	must(t, s.Enqueue(t.Context(), from("meanwhile", time.Minute)))
	must(t, s.Done(t.Context(), c))
	c = want("meanwhile")
	must(t, s.Later(t.Context(), c, store.Failure{At: now, Cause: "failed"}))
	must(t, s.Enqueue(t.Context(), from("third", time.Hour)))
	if c = want("meanwhile"); c.Cause != "failed" || c.Attempt != 1 {
		t.Errorf("claimed again: %+v", c)
	}
	must(t, s.Done(t.Context(), c))
	must(t, s.Enqueue(t.Context(), store.Work{Kind: "k", Key: "1"}))
	must(t, s.Done(t.Context(), want("")))
	_, err := s.Accept(t.Context(), store.Delivery{GUID: "g", Event: "push", Received: now}, []store.Work{from("push", 0)})
	must(t, err)
	want("push")
}

func backlog(t *testing.T, s store.Store) {
	row := func(kind, key string, at, origin time.Duration) store.Work {
		return store.Work{Kind: kind, Key: key, At: now.Add(at), Origin: store.Origin{At: now.Add(origin)}}
	}
	must(t, s.Enqueue(t.Context(), row("a", "waits", time.Hour, -time.Hour), row("a", "due", 0, -time.Minute), row("a", "new", 0, 0), row("b", "x", 0, -time.Hour), row("c", "done", 0, 0)))
	for range 4 { // lane by lane
		for _, c := range claim(t, s, now) {
			switch {
			case c.Kind == "b":
				must(t, s.Later(t.Context(), c, store.Failure{At: now.Add(time.Hour), Cause: "failed"}))
			case c.Kind == "c":
				must(t, s.Done(t.Context(), c))
			}
		}
	}
	got, err := s.Backlog(t.Context(), now)
	must(t, err)
	want := []store.Backlog{{Kind: "a", Waiting: 1, Due: 2, Oldest: now.Add(-time.Minute)}, {Kind: "b", Waiting: 1, Failing: 1, Oldest: now.Add(-time.Hour)}}
	if !slices.Equal(got, want) {
		t.Errorf("backlog %+v, want %+v", got, want)
	}
	for _, c := range claim(t, s, now.Add(2*time.Hour)) {
		must(t, s.Later(t.Context(), c, store.Failure{At: now, Cause: "given up", Stuck: true}))
	}
	got, err = s.Backlog(t.Context(), now.Add(2*time.Hour))
	must(t, err)
	if len(got) == 0 || got[0].Stuck+got[len(got)-1].Stuck == 0 {
		t.Errorf("backlog %+v: nothing is given up", got)
	}
}

func release(t *testing.T, s store.Store) {
	must(t, s.Enqueue(t.Context(), store.Work{Kind: "k", Key: "1"}))
	claim(t, s, now)
	must(t, s.Release(t.Context(), ""))
	if c := claim(t, s, now); len(c) != 1 {
		t.Error("a released row was not claimed at once")
	}
	must(t, s.Ping(t.Context()))
}

func reopened(t *testing.T, open Open) {
	s := open(t, "reopened")
	_, err := s.Accept(t.Context(), store.Delivery{GUID: "g", Event: "push", Received: now, Payload: []byte("{}")}, []store.Work{{Kind: "k", Key: "1"}})
	must(t, err)
	must(t, s.Put(t.Context(), []store.Document{{Kind: "d", Key: "1", Body: []byte("kept")}}, nil))
	must(t, s.Close())
	must(t, s.Close())
	s = open(t, "reopened")
	if d, err := s.Get(t.Context(), "d", "1"); err != nil || string(d.Body) != "kept" {
		t.Errorf("got %+v %v", d, err)
	}
	if c := claim(t, s, now); len(c) != 1 {
		t.Error("accepted work was lost")
	}
}

// Maintain opens a database as [Open] does, without a schema when it is new.
type Maintain func(t *testing.T, name string) store.Database

// Migrations holds that a database of each earlier schema, filled, is brought up to date without loss, and then works.
func Migrations(t *testing.T, maintain Maintain, open Open) {
	_, newest, err := maintain(t, "newest").Schema(t.Context())
	must(t, err)
	for version := 1; version <= newest; version++ {
		t.Run(fmt.Sprint("from ", version), func(t *testing.T) {
			name := fmt.Sprint("version ", version)
			db := maintain(t, name)
			must(t, db.Migrate(t.Context(), version))
			rows := filled(version)
			must(t, db.Import(t.Context(), Tables(version), from(rows)))
			if have, _, err := db.Schema(t.Context()); err != nil || have != version {
				t.Fatalf("schema %d %v, want %d", have, err, version)
			}
			must(t, db.Close())
			s := open(t, name) // as a server does
			migrated, ok := s.(store.Database)
			if !ok {
				t.Fatal("no database")
			}
			if have, _, err := migrated.Schema(t.Context()); err != nil || have != newest {
				t.Fatalf("schema %d %v, want %d", have, err, newest)
			}
			checkFilled(t, s)
		})
	}
}

// introduced says since which schema a column is there; those that are not named were in the first.
var introduced = map[string]int{"origin_at": 2, "origin_event": 2, "origin_trace": 2, "again": 5, "ran": 6, "trail": 7, "origin_queued": 8, "origin_waited": 8}

// Tables are the tables at a schema.
func Tables(version int) []store.Table {
	var out []store.Table
	for _, t := range store.Tables {
		t.Columns = slices.DeleteFunc(slices.Clone(t.Columns), func(c store.Column) bool { return introduced[c.Name] > version })
		out = append(out, t)
	}
	return out
}

// packed is a payload as engines keep it.
var packed = func() []byte {
	z, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err) // no option was given
	}
	return z.EncodeAll([]byte("{}"), nil)
}()

// filled are the rows of a database in use.
func filled(version int) []store.Row {
	ms := now.UnixMilli()
	rows := []store.Row{
		{Table: "delivery", Values: []any{"g1", "push", ms, packed}},
		{Table: "work", Values: []any{"pull", "acme/app#1", "acme/app#1", int64(3), int64(1), ms, []byte("hint"), "g1", "dead", ms + 1, int64(2), ms, "it failed", int64(0)}},
		{Table: "work", Values: []any{"comment", "acme/app#2:7", "comments:acme/app", int64(1), int64(0), ms, []byte("{}"), "", "", int64(0), int64(9), ms, "hopeless", int64(1)}},
		{Table: "work", Values: []any{"install", "all", "install", int64(5), int64(5), ms, []byte{}, "", "", int64(0), int64(0), int64(0), "", int64(0)}},
		{Table: "periodic", Values: []any{"nightly", ms}},
		{Table: "document", Values: []any{"overlay", "acme/app", int64(4), []byte(`{"effects":[]}`), ms}},
		{Table: "audit", Values: []any{ms, "acme/app", int64(2), "ann", "hold", "{}", "one"}},
		{Table: "audit", Values: []any{ms, "acme/app", int64(2), "bob", "resume", "{}", "two"}},
	}
	for i, r := range rows {
		if r.Table == "work" && version >= 2 {
			rows[i].Values = append(r.Values, ms, "push", "")
		}
		if r.Table == "work" && version >= 5 {
			rows[i].Values = append(rows[i].Values, ms)
		}
		if r.Table == "work" && version >= 6 {
			rows[i].Values = append(rows[i].Values, ms-1)
		}
		if r.Table == "work" && version >= 7 {
			rows[i].Values = append(rows[i].Values, "a line\n")
		}
		if r.Table == "work" && version >= 8 {
			rows[i].Values = append(rows[i].Values, ms, "2s for a free worker")
		}
	}
	return rows
}

// from gives rows one by one.
func from(rows []store.Row) func() (store.Row, error) {
	return func() (store.Row, error) {
		if len(rows) == 0 {
			return store.Row{}, io.EOF
		}
		r := rows[0]
		rows = rows[1:]
		return r, nil
	}
}

// checkFilled holds that a store has what [filled] put there, and works on.
func checkFilled(t *testing.T, s store.Store) {
	t.Helper()
	if d, err := s.Delivery(t.Context(), "g1"); err != nil || d.Event != "push" || string(d.Payload) != "{}" || !d.Received.Equal(now) {
		t.Errorf("delivery %+v %v", d, err)
	}
	if fresh, err := s.Accept(t.Context(), store.Delivery{GUID: "g1", Event: "push", Received: now}, []store.Work{{Kind: "x", Key: "y"}}); err != nil || fresh {
		t.Errorf("accepted twice: %v %v", fresh, err)
	}
	if d, err := s.Get(t.Context(), "overlay", "acme/app"); err != nil || d.Rev != 4 || string(d.Body) != `{"effects":[]}` {
		t.Errorf("document %+v %v", d, err)
	}
	if rows, err := s.Audits(t.Context(), "acme/app", 0, 10); err != nil || len(rows) != 2 || rows[0].Actor != "ann" || rows[1].Action != "resume" {
		t.Errorf("audit %+v %v", rows, err)
	}
	if last, err := s.Last(t.Context(), "nightly"); err != nil || !last.Equal(now) {
		t.Errorf("last %v %v", last, err)
	}
	jobs, err := s.Jobs(t.Context())
	must(t, err)
	if len(jobs) != 2 || !jobs[0].Stuck || jobs[0].Error != "hopeless" || jobs[1].Error != "it failed" || jobs[1].Attempt != 2 {
		t.Errorf("jobs %+v", jobs)
	}
	c := claim(t, s, now.Add(time.Second)) // the lease of the dead one is over
	if len(c) != 1 || c[0].Key != "acme/app#1" || c[0].Want != 3 || string(c[0].Data) != "hint" {
		t.Fatalf("claimed %+v", c)
	}
	must(t, s.Done(t.Context(), c[0]))
	must(t, s.Enqueue(t.Context(), store.Work{Kind: "install", Key: "all"}, store.Work{Kind: "comment", Key: "acme/app#2:7", Lane: "comments:acme/app"}))
	if c = claim(t, s, now.Add(time.Second)); len(c) != 1 {
		t.Errorf("claimed %+v after a new event", c)
	}
}

// Backups holds that a backup that is taken while work goes on restores what was there. That holds in another engine too; give
// its openers as to and open. Half a backup, or one that does not fit, replaces nothing.
func Backups(t *testing.T, maintain, to Maintain, open Open) {
	db := maintain(t, "source")
	_, newest, err := db.Schema(t.Context())
	must(t, err)
	must(t, db.Migrate(t.Context(), newest))
	must(t, db.Import(t.Context(), Tables(newest), from(filled(newest))))
	var file bytes.Buffer
	stop, writing := make(chan struct{}), make(chan error, 1)
	go func() {
		var err error
		for i := 0; err == nil; i++ {
			select {
			case <-stop:
				writing <- nil
				return
			default:
				_, err = db.Log(context.WithoutCancel(t.Context()), store.Audit{At: now, Repo: "other/repo", Key: fmt.Sprint("later ", i)})
			}
		}
		writing <- err
	}()
	rows, err := backup.Write(t.Context(), db, &file, now)
	close(stop)
	must(t, errors.Join(err, <-writing))
	if rows < len(filled(newest)) {
		t.Errorf("%d rows in the backup", rows)
	}
	everything := func(string, string) bool { return true }
	target := to(t, "target")
	for name, broken := range map[string][]byte{"half": file.Bytes()[:file.Len()/2], "none": []byte("hello"), "cut off": file.Bytes()[:file.Len()-4]} {
		if _, err := backup.Restore(t.Context(), target, bytes.NewReader(broken), everything); err == nil {
			t.Errorf("%s: restored", name)
		}
	}
	if have, _, err := target.Schema(t.Context()); err != nil || have != 0 {
		t.Errorf("schema %d %v of a database to which nothing was restored", have, err)
	}
	for range 2 { // also over what is there
		taken, err := backup.Restore(t.Context(), target, bytes.NewReader(file.Bytes()), everything)
		must(t, err)
		if taken != rows {
			t.Errorf("%d rows restored of %d", taken, rows)
		}
	}
	must(t, target.Close())
	checkFilled(t, open(t, "target"))
}
