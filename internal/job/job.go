// Package job runs queued work to completion, the rows of one serialization key at a time.
//
// The store decides what is due; this package claims the rows of a serialization key, and hands them to the handler of their kind. It gives
// each back as done, to be tried later, or given up. A row that grew while it was worked on stays due. So no event is lost between
// a read and the end of the work. Waiting for GitHub's limits happens here and nowhere else: a handler never sleeps.
//
// The library cenkalti/backoff was left: it counts attempts in memory and sleeps between them. Here a row keeps its count, which outlives the
// process, and the delay is one line of arithmetic.
package job

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/relbot/relbot/internal/store"
)

// Outcome is what came of one row: done when Err is nil.
type Outcome struct {
	Err error
}

// Handler works on claimed rows of one serialization key and kind, and returns one outcome for each.
type Handler func(ctx context.Context, claimed []store.Claimed) []Outcome

// retryAfter is an error that says when trying again makes sense.
type retryAfter interface{ RetryAfter() time.Duration }

// Store is what a Runner needs of the database.
type Store interface {
	Claim(ctx context.Context, now time.Time, owner string, lease time.Duration, limit int) ([]store.Claimed, error)
	Renew(ctx context.Context, c []store.Claimed, until time.Time) error
	Done(ctx context.Context, c ...store.Claimed) error
	Later(ctx context.Context, c store.Claimed, f store.Failure) error
	Next(ctx context.Context) (time.Time, error)
	Release(ctx context.Context, owner string) error
	Every(ctx context.Context, name string, slot time.Time, work ...store.Work) (bool, error)
	Notify() <-chan struct{}
}

// Runner claims and runs work.
type Runner struct {
	Store    Store
	Handlers map[string]Handler
	Timers   []Timer
	Now      func() time.Time
	Log      *slog.Logger
	Owner    string        // of leases; unique to this process. Each claim adds a number, so that one that came to its end is not taken for the next
	Lease    time.Duration // zero is [DefaultLease]
	Workers  int           // of Run; zero is 1
	Grace    time.Duration // zero is [DefaultGrace]
	Batch    int           // rows of one serialization key that are worked on together; zero is [DefaultBatch]
	// Busy reports whether something more urgent than work needs the machine; then workers of Run wait a little before they claim. It may be nil.
	Busy func() bool
	// Count gets what became of each row that was worked on: done, retry, given-up, or lost to another worker. It may be nil.
	Count func(kind, outcome string)

	claims atomic.Int64
}

// Defaults of a Runner, and the bounds of its patience.
const (
	DefaultLease = 10 * time.Second
	DefaultBatch = 100
	firstRetry   = time.Second
	lastRetry    = 15 * time.Second // of an outage: a head must get its check soon after it ends
	lastFailure  = 5 * time.Minute  // of work that fails by itself
	atOnce       = 4                // failures after which a call is answered at once
	longestPause = 5 * time.Second
	giveUpAfter  = 4 * 24 * time.Hour // longer than GitHub keeps deliveries; an outage is waited for without end
)

// DefaultGrace is how long work in hand may go on when a Runner is stopped.
const DefaultGrace = 20 * time.Second

func (r *Runner) lease() time.Duration {
	if r.Lease > 0 {
		return r.Lease
	}
	return DefaultLease
}

// Drain runs what is due now, and what becomes due by it, until nothing is. It returns how many rows were worked on.
func (r *Runner) Drain(ctx context.Context) (int, error) {
	ran := 0
	for {
		n, err := r.step(ctx, ctx)
		ran += n
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || n == 0 {
			return ran, err
		}
	}
}

// step claims the rows of one serialization key and works on them until the second context ends.
func (r *Runner) step(ctx, working context.Context) (int, error) {
	batch := r.Batch
	if batch == 0 {
		batch = DefaultBatch
	}
	asked := time.Now()
	owner := fmt.Sprintf("%s/%d", r.Owner, r.claims.Add(1))
	// A claim that is broken off may have been made, and then nobody works on it until its lease ends.
	claimed, err := r.Store.Claim(context.WithoutCancel(ctx), r.Now(), owner, r.lease(), batch)
	if err != nil || len(claimed) == 0 {
		return 0, err
	}
	start := r.Now()
	outcomes := r.handle(working, claimed, asked)
	took := r.Now().Sub(start)
	return len(claimed), r.finish(working, claimed, outcomes, took)
}

// handle calls the handler while a renewer keeps the lease. When the lease is lost, or could not be renewed in time because the database does
// not answer, the handler is stopped. Another worker may begin. asked is when the lease was asked for.
func (r *Runner) handle(ctx context.Context, claimed []store.Claimed, asked time.Time) (out []Outcome) {
	kind := claimed[0].Kind
	h, ok := r.Handlers[kind]
	if !ok {
		return slices.Repeat([]Outcome{{Err: fmt.Errorf("no handler for work of kind %q: a newer version queued it", kind)}}, len(claimed))
	}
	ctx, cancel := context.WithCancel(ctx)
	// It stops somewhat before the lease ends, so that what is under way to GitHub arrives first.
	left := func(asked time.Time) time.Duration { return r.lease()*9/10 - time.Since(asked) }
	held := time.AfterFunc(left(asked), cancel)
	defer held.Stop()
	var renewing sync.WaitGroup
	renewing.Go(func() {
		t := time.NewTicker(r.lease() / 3)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
				asked := time.Now()
				err := r.Store.Renew(ctx, claimed, r.Now().Add(r.lease()))
				switch {
				case errors.Is(err, store.ErrLost):
					cancel()
					return
				case err == nil && held.Stop(): // a lease that ran out meanwhile stays lost
					held.Reset(left(asked))
				}
			}
		}
	})
	defer func() {
		cancel()
		renewing.Wait()
		if p := recover(); p != nil {
			r.Log.Error("panic", "kind", kind, "key", claimed[0].Key, "panic", p, "stack", string(debug.Stack()))
			out = slices.Repeat([]Outcome{{Err: fmt.Errorf("panic: %v", p)}}, len(claimed))
		}
	}()
	out = h(ctx, claimed)
	if len(out) != len(claimed) {
		panic(fmt.Sprintf("handler of %q gave %d outcomes for %d rows", kind, len(out), len(claimed)))
	}
	return out
}

// finish gives rows back, with one line in the log for each. took is the time of all of them together. What was broken off, as by a program that
// stops, has not failed: it is due at once, for the next worker.
func (r *Runner) finish(ctx context.Context, claimed []store.Claimed, outcomes []Outcome, took time.Duration) error {
	stopped := ctx.Err() != nil
	// Giving back must work while the program stops.
	ctx = context.WithoutCancel(ctx)
	var done []store.Claimed
	var failed error // of one row; the others are given back all the same
	broken := false
	for i, c := range claimed {
		log := r.Log.With("kind", c.Kind, "key", c.Key, "took", took)
		if c.Origin.Event != "" {
			log = log.With("event", c.Origin.Event)
		}
		if parts := strings.Split(c.Origin.Trace, "-"); len(parts) == 4 {
			log = log.With("trace_id", parts[1])
		}
		if err := outcomes[i].Err; err != nil && stopped {
			log.Info("stopped", "attempt", c.Attempt, "error", err)
			broken = true
			continue
		} else if err != nil {
			failed = errors.Join(failed, r.later(ctx, c, err, log))
			continue
		}
		log.Info("done", "attempt", c.Attempt)
		done = append(done, c)
	}
	if len(done) > 0 {
		failed = errors.Join(failed, r.count(r.Store.Done(ctx, done...), "done", done...))
	}
	if broken {
		failed = errors.Join(failed, r.Store.Release(ctx, claimed[0].Owner))
	}
	return failed
}

// later has a row that failed tried again, or gives it up.
func (r *Runner) later(ctx context.Context, c store.Claimed, cause error, log *slog.Logger) error {
	var after retryAfter
	outage := errors.As(cause, &after)
	outcome, wait := "retry", backoff(c, outage)
	if outage && after.RetryAfter() > 0 {
		wait = max(after.RetryAfter(), firstRetry)
	}
	// Only what fails by itself is given up: when an outage ends, however late, everything goes on that it held up.
	stuck := !outage && !errors.Is(cause, context.Canceled) && !c.Since.IsZero() && r.Now().Sub(c.Since) >= giveUpAfter
	if stuck {
		outcome = "given-up"
	}
	log.Warn("failed", "attempt", c.Attempt, "error", cause, "again_in", wait, "given_up", stuck)
	return r.count(r.Store.Later(ctx, c, store.Failure{At: r.Now().Add(wait), Again: r.Now().Add(pause(c)), Cause: cause.Error(), Stuck: stuck}), outcome, c)
}

// count counts what became of rows; that another worker took them over is no error.
func (r *Runner) count(err error, outcome string, rows ...store.Claimed) error {
	if errors.Is(err, store.ErrLost) {
		err, outcome = nil, "lost"
	}
	if r.Count != nil {
		for _, c := range rows {
			r.Count(c.Kind, outcome)
		}
	}
	return err
}

// pause is how soon a row that failed is tried again when it is called for: the call may have brought what was missing. One that comes out of the row's
// own run, directly or by other rows, must not keep it running, so that it doubles as well.
func pause(c store.Claimed) time.Duration {
	if c.Attempt < atOnce {
		return 0
	}
	return longestPause >> max(0, 9-(c.Attempt-atOnce))
}

// backoff returns the time to the next attempt: 1, 2, 4, 8 and then 15 seconds in an outage. Work that fails by itself waits for up to 5 minutes. It varies by
// up to a quarter, so that what failed together does not come back together. It is the same for the same row and attempt.
func backoff(c store.Claimed, outage bool) time.Duration {
	last := lastFailure
	if outage {
		last = lastRetry
	}
	d := min(firstRetry<<min(c.Attempt, 10), last)
	h := fnv.New32a()
	fmt.Fprintf(h, "%s %s %d", c.Kind, c.Key, c.Attempt)
	return d*3/4 + d/2*time.Duration(h.Sum32()%1000)/1000
}

// Run works until ctx ends, or until a newer program has taken the database over; then it finishes what it holds, within its grace, and returns why.
func (r *Runner) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	// What is broken off is a write whose answer is lost, and begins again somewhere else.
	working, breakOff := context.WithCancel(context.WithoutCancel(ctx))
	defer breakOff()
	context.AfterFunc(ctx, func() { time.AfterFunc(cmp.Or(r.Grace, DefaultGrace), breakOff) })
	var workers sync.WaitGroup
	watch := make(chan struct{}, 1) // held by the worker that waits for what becomes due, for all that have nothing to do
	for range max(r.Workers, 1) {
		workers.Go(func() {
			if err := r.work(ctx, working, watch); err != nil {
				stop(err)
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}

// pollInterval bounds how long a missed notification delays work of another instance.
const pollInterval = time.Second

// A worker that yields looks again after yieldStep, and goes on after yieldLimit in any case.
const (
	yieldStep  = 5 * time.Millisecond
	yieldLimit = 100 * time.Millisecond
)

// yield waits while something more urgent goes on, within limits.
func (r *Runner) yield(ctx context.Context) {
	for waited := time.Duration(0); waited < yieldLimit && r.Busy != nil && r.Busy(); waited += yieldStep {
		select {
		case <-ctx.Done():
			return
		case <-time.After(yieldStep):
		}
	}
}

func (r *Runner) work(ctx, working context.Context, watch chan struct{}) error {
	for ctx.Err() == nil {
		r.yield(ctx)
		n, err := r.step(ctx, working)
		if errors.Is(err, store.ErrNewer) {
			return err
		}
		if err != nil && ctx.Err() == nil {
			r.Log.Error("work queue", "error", err)
		}
		if n > 0 && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case watch <- struct{}{}:
			r.wait(ctx)
			<-watch
		}
	}
	return nil
}

// wait waits until something may have become due.
func (r *Runner) wait(ctx context.Context) {
	wait := pollInterval
	if next, err := r.Store.Next(ctx); err == nil && !next.IsZero() {
		wait = min(wait, max(next.Sub(r.Now()), 5*time.Millisecond))
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-r.Store.Notify():
	}
}

// Timer queues work at recurring moments.
type Timer struct {
	Name string
	Next func(after time.Time) time.Time // the first moment after a moment
	Work func(slot time.Time) []store.Work
}

// Tick fires every timer whose moment lies in (from, to], once over all instances. Of several moments of one timer
// only the last is fired: the work is level-triggered.
func (r *Runner) Tick(ctx context.Context, from, to time.Time) error {
	for _, t := range r.Timers {
		var slot time.Time
		for next := t.Next(from); !next.After(to); next = t.Next(next) {
			slot = next
		}
		if slot.IsZero() {
			continue
		}
		if _, err := r.Store.Every(ctx, t.Name, slot, t.Work(slot)...); err != nil {
			return fmt.Errorf("timer %s: %w", t.Name, err)
		}
	}
	return nil
}

// Wake is the next moment at which a timer fires or work becomes due; false when there is none.
func (r *Runner) Wake(ctx context.Context, now time.Time) (time.Time, bool) {
	var wake time.Time
	earliest := func(t time.Time) {
		if !t.IsZero() && (wake.IsZero() || t.Before(wake)) {
			wake = t
		}
	}
	for _, t := range r.Timers {
		earliest(t.Next(now))
	}
	if next, err := r.Store.Next(ctx); err == nil {
		earliest(next)
	}
	return wake, !wake.IsZero()
}
