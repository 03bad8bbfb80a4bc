package job_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/job"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/store/sqlite"
)

// cut is a store that is cut off for renewals.
type cut struct {
	store.Store
	err error
}

func (c cut) Renew(ctx context.Context, claimed []store.Claimed, until time.Time) error {
	if c.err == nil {
		return c.Store.Renew(ctx, claimed, until)
	}
	return c.err
}

func open(t *testing.T) store.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "relbot.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Enqueue(t.Context(), store.Work{Kind: "k", Key: "1"}); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestBusy holds that work is done also when something more urgent never ends.
func TestBusy(t *testing.T) {
	ctx, done := context.WithTimeout(t.Context(), time.Minute)
	defer done()
	asked := 0
	r := job.Runner{
		Store: open(t), Now: time.Now, Log: slog.New(slog.DiscardHandler), Owner: "me",
		Busy: func() bool { asked++; return true },
		Handlers: map[string]job.Handler{"k": func(context.Context, []store.Claimed) []job.Outcome {
			done()
			return []job.Outcome{{}}
		}},
	}
	if err := r.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v, and not by the work", err)
	}
	if asked < 2 {
		t.Error("the worker made no room")
	}
}

// TestLease holds that a handler is stopped before its lease ends when that cannot be renewed, whether the database says so or says nothing.
// It goes on as long as it is renewed.
func TestLease(t *testing.T) {
	const lease = 5 * time.Second
	for name, err := range map[string]error{"no answer": errors.New("connection refused"), "lost": store.ErrLost, "renewed": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stopped, late := false, false
			r := job.Runner{
				Store: cut{open(t), err}, Now: time.Now, Log: slog.New(slog.DiscardHandler), Owner: "me", Lease: lease,
				Handlers: map[string]job.Handler{"k": func(ctx context.Context, claimed []store.Claimed) []job.Outcome {
					enough := time.NewTimer(lease * 3 / 2)
					defer enough.Stop()
					select {
					case <-ctx.Done():
						stopped = true
					case <-enough.C:
					}
					late = !time.Now().Before(claimed[0].Lease)
					return []job.Outcome{{Err: ctx.Err()}}
				}},
			}
			if _, err := r.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			if want := err != nil; stopped != want || stopped && late {
				t.Errorf("stopped %v, after the lease %v", stopped, late)
			}
		})
	}
}

// TestLostLease holds that a worker whose lease ended does not let go what another worker of the same program has taken over.
func TestLostLease(t *testing.T) {
	s, now := open(t), time.Now()
	begun, end := make(chan struct{}), make(chan struct{})
	calls := 0
	var both sync.WaitGroup
	r := job.Runner{Store: s, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler), Owner: "me"}
	r.Handlers = map[string]job.Handler{"k": func(context.Context, []store.Claimed) []job.Outcome {
		if calls++; calls > 1 {
			close(begun)
			<-end
			return []job.Outcome{{}}
		}
		now = now.Add(2 * job.DefaultLease)
		both.Go(func() {
			if _, err := r.Drain(t.Context()); err != nil {
				t.Error(err)
			}
		})
		<-begun
		return []job.Outcome{{}}
	}}
	if _, err := r.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	jobs, err := s.Jobs(t.Context())
	if err != nil || len(jobs) != 1 || jobs[0].Lease.IsZero() {
		t.Errorf("while it is worked on: %+v %v", jobs, err)
	}
	close(end)
	both.Wait()
}

// TestCallsForItself holds that a row that fails is tried at once when it is called for. Rows that call for themselves or for one another, and fail,
// do not run without end.
func TestCallsForItself(t *testing.T) {
	for name, keys := range map[string][]string{"itself": {"1"}, "one another": {"1", "2", "3"}} {
		t.Run(name, func(t *testing.T) {
			s, now, ran := open(t), time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC), 0
			r := job.Runner{Store: s, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler), Owner: "me", Batch: 1, Handlers: map[string]job.Handler{"k": func(ctx context.Context, claimed []store.Claimed) []job.Outcome {
				if ran++; ran > 1000 {
					return []job.Outcome{{}}
				}
				next := store.Work{Kind: "k", Key: keys[(slices.Index(keys, claimed[0].Key)+1)%len(keys)], At: now}
				return []job.Outcome{{Err: errors.Join(s.Enqueue(ctx, next), errors.New("not now"))}}
			}}}
			if err := s.Enqueue(t.Context(), store.Work{Kind: "k", Key: "1", At: now}); err != nil {
				t.Fatal(err)
			}
			for begun := now; now.Sub(begun) < time.Minute; now = now.Add(5 * time.Millisecond) {
				if _, err := r.Drain(t.Context()); err != nil {
					t.Fatal(err)
				}
				if now.Equal(begun) && ran < 3*len(keys) {
					t.Fatalf("it ran %d times at once", ran)
				}
			}
			if ran > 30*len(keys) {
				t.Errorf("it ran %d times in a minute", ran)
			}
		})
	}
}

// TestBrokenOff holds that what was broken off when the program stopped is due at once for the next, and has not failed.
func TestBrokenOff(t *testing.T) {
	s := open(t)
	ctx, stop := context.WithCancel(t.Context())
	r := job.Runner{
		Store: s, Now: time.Now, Log: slog.New(slog.DiscardHandler), Owner: "me", Grace: time.Millisecond,
		Handlers: map[string]job.Handler{"k": func(ctx context.Context, _ []store.Claimed) []job.Outcome {
			stop()
			<-ctx.Done()
			return []job.Outcome{{Err: ctx.Err()}}
		}},
	}
	if n, err := r.Drain(ctx); n != 1 || !errors.Is(err, context.Canceled) {
		t.Fatal(n, err)
	}
	if c, err := s.Claim(t.Context(), time.Now(), "next", time.Minute, 1); err != nil || len(c) != 1 || c[0].Attempt != 0 {
		t.Errorf("claimed %+v %v", c, err)
	}
}

// retry says when to come back.
type retry struct{ after time.Duration }

func (retry) Error() string               { return "not now" }
func (r retry) RetryAfter() time.Duration { return r.after }
func (r retry) outcome() []job.Outcome    { return []job.Outcome{{Err: r}} }
func at(t time.Time) func() time.Time     { return func() time.Time { return t } }
func next(t *testing.T, s store.Store) time.Time {
	t.Helper()
	n, err := s.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestPatience holds that failing work waits longer and longer, as long as it is asked to. It is given up after four days, where an operator sees it, unless it waits for
// the end of an outage.
func TestPatience(t *testing.T) {
	s := open(t)
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	begun := now
	after, outage := time.Duration(0), true
	r := job.Runner{Store: s, Log: slog.New(slog.DiscardHandler), Owner: "me", Handlers: map[string]job.Handler{"k": func(context.Context, []store.Claimed) []job.Outcome {
		if outage {
			return retry{after}.outcome()
		}
		return []job.Outcome{{Err: errors.New("not ever")}}
	}}}
	fail := func() time.Duration {
		t.Helper()
		r.Now = at(now)
		if n, err := r.Drain(t.Context()); err != nil || n != 1 {
			t.Fatal(n, err)
		}
		wait := next(t, s).Sub(now)
		now = next(t, s)
		return wait
	}
	first, second := fail(), fail()
	if first < 700*time.Millisecond || second < first || second > 3*time.Second {
		t.Errorf("waited %v, then %v", first, second)
	}
	for range 20 {
		if wait := fail(); wait > 20*time.Second {
			t.Fatalf("waited %v: work must go on within 30 s of the end of an outage", wait)
		}
	}
	after = 17 * time.Minute
	if wait := fail(); wait != after {
		t.Errorf("waited %v, was notified %v", wait, after)
	}
	after = time.Hour
	for now.Sub(begun) < 6*24*time.Hour {
		fail()
	}
	if jobs, err := s.Jobs(t.Context()); err != nil || len(jobs) != 1 || jobs[0].Stuck {
		t.Fatalf("after six days of an outage: %+v %v", jobs, err)
	}
	if err := errors.Join(s.Drop(t.Context(), "k", "1"), s.Enqueue(t.Context(), store.Work{Kind: "k", Key: "1"})); err != nil {
		t.Fatal(err)
	}
	begun, outage = now, false
	for !next(t, s).IsZero() {
		r.Now = at(now)
		if _, err := r.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := next(t, s); !n.IsZero() {
			if wait := n.Sub(now); wait > 7*time.Minute {
				t.Fatalf("waited %v", wait)
			}
			now = n
		}
	}
	jobs, err := s.Jobs(t.Context())
	if err != nil || len(jobs) != 1 || !jobs[0].Stuck || jobs[0].Error != "not ever" {
		t.Fatalf("jobs %+v %v", jobs, err)
	}
	if tried := now.Sub(begun); tried < 4*24*time.Hour || tried > 5*24*time.Hour {
		t.Errorf("given up after %v", tried)
	}
}

// TestNewer holds that a runner ends when a newer program has the database.
func TestNewer(t *testing.T) {
	r := job.Runner{Store: taken{open(t)}, Now: time.Now, Log: slog.New(slog.DiscardHandler), Owner: "me", Workers: 3}
	if err := r.Run(t.Context()); !errors.Is(err, store.ErrNewer) {
		t.Errorf("ended with %v", err)
	}
}

type taken struct{ store.Store }

func (taken) Claim(context.Context, time.Time, string, time.Duration, int) ([]store.Claimed, error) {
	return nil, store.ErrNewer
}

// refusing fails to put rows off.
type refusing struct{ store.Store }

var errRefused = errors.New("refused")

func (refusing) Later(context.Context, store.Claimed, store.Failure) error {
	return errRefused
}

// TestGivenBack holds that rows that are done are given back though another of their batch could not be.
func TestGivenBack(t *testing.T) {
	st := open(t)
	if err := st.Enqueue(t.Context(), store.Work{Kind: "b", Key: "1", Lane: "l"}, store.Work{Kind: "b", Key: "2", Lane: "l"}); err != nil {
		t.Fatal(err)
	}
	r := job.Runner{
		Store: refusing{st}, Now: time.Now, Log: slog.New(slog.DiscardHandler), Owner: "me",
		Handlers: map[string]job.Handler{
			"b": func(context.Context, []store.Claimed) []job.Outcome {
				return []job.Outcome{{Err: errors.New("no answer")}, {}}
			},
			"k": func(context.Context, []store.Claimed) []job.Outcome { return []job.Outcome{{}} },
		},
	}
	if _, err := r.Drain(t.Context()); !errors.Is(err, errRefused) {
		t.Errorf("drained with %v", err)
	}
	jobs, err := st.Jobs(t.Context())
	jobs = slices.DeleteFunc(jobs, func(j store.Job) bool { return j.Kind != "b" })
	if err != nil || len(jobs) != 1 || jobs[0].Key != "1" {
		t.Errorf("left %+v, %v", jobs, err)
	}
}

// TestStop holds that work in hand is finished when the runner is stopped, and nothing more is begun.
func TestStop(t *testing.T) {
	st := open(t)
	if err := st.Enqueue(t.Context(), store.Work{Kind: "k", Key: "2"}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	r := job.Runner{
		Store: st, Now: time.Now, Log: slog.New(slog.DiscardHandler), Owner: "me",
		Handlers: map[string]job.Handler{"k": func(working context.Context, _ []store.Claimed) []job.Outcome {
			stop()
			return []job.Outcome{{Err: working.Err()}}
		}},
	}
	if err := r.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	jobs, err := st.Jobs(t.Context())
	if err != nil || len(jobs) != 1 || jobs[0].Key != "2" || jobs[0].Attempt != 0 {
		t.Errorf("left %+v, %v", jobs, err)
	}
}
