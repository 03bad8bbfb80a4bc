package budget_test

import (
	"errors"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/budget"
)

const account = 7

// world is a budget with a clock.
type world struct {
	budget.Budget
	t   *testing.T
	now time.Time
}

func newWorld(t *testing.T) *world {
	return &world{t: t, now: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)}
}

// take asks for a call, and wants it to be let through or to wait as long as that.
func (w *world) take(points int, want time.Duration, why error) {
	w.t.Helper()
	if wait, err := w.Take(account, budget.REST, points, budget.Checks, w.now); wait != want || !errors.Is(err, why) {
		w.t.Fatalf("waits %s because of %v, want %s because of %v", wait, err, want, why)
	}
}

func (w *world) pass(d time.Duration) { w.now = w.now.Add(d) }

// TestRefused holds that an account that was refused for a secondary limit pauses for one minute, then for two. One call stands for all others when the pause
// ends, and an answer ends it.
func TestRefused(t *testing.T) {
	w := newWorld(t)
	for i, want := range []time.Duration{time.Minute, 2 * time.Minute, 2 * time.Minute} {
		w.take(budget.ReadPoints, 0, nil)
		if i > 0 {
			w.take(budget.ReadPoints, time.Second, budget.ErrPaused) // another, while the probe is under way
		}
		if pause := w.Refused(account, false, 0, w.now); pause != want {
			t.Fatalf("pause %d: %s, want %s", i, pause, want)
		}
		if pause := w.Refused(account, false, 0, w.now); pause != want {
			t.Fatalf("one that was under way together with it: %s, want %s", pause, want)
		}
		w.take(budget.ReadPoints, want, budget.ErrPaused)
		if i == 0 {
			w.take(budget.WritePoints, want, budget.ErrPaused)
		}
		w.pass(want)
	}
	w.take(budget.WritePoints, 0, nil) // writes have a probe of their own
	w.Answered(account, true, w.now)
	w.take(budget.WritePoints, 0, nil)
	w.take(budget.ReadPoints, 0, nil)
	w.take(budget.ReadPoints, time.Second, budget.ErrPaused)
	w.Answered(account, false, w.now)
	w.take(budget.ReadPoints, 0, nil)
	w.take(budget.ReadPoints, 0, nil)
	if pause := w.Refused(account, false, 0, w.now); pause != time.Minute {
		t.Errorf("after an answer: %s", pause)
	}
	w.pass(30 * time.Second)
	w.Answered(account, false, w.now) // it was sent before
	w.take(budget.ReadPoints, 30*time.Second, budget.ErrPaused)
	if pause := w.Refused(account, true, 5*time.Minute, w.now); pause != 5*time.Minute {
		t.Errorf("GitHub asked for five minutes, and it is %s", pause)
	}
}

// TestOutage holds that three failures in a row are an outage, in which a call is sent every 15 seconds. Reads and writes fail apart.
func TestOutage(t *testing.T) {
	w := newWorld(t)
	for range 5 { // one route alone
		w.take(budget.ReadPoints, 0, nil)
		w.Failed(account, false, budget.Usual, "GET /repos/*/issues/comments", w.now)
	}
	w.take(budget.ReadPoints, 0, nil)
	w.Answered(account, false, w.now)
	for range 2 {
		w.take(budget.ReadPoints, 0, nil)
		w.Failed(account, false, budget.Usual, "", w.now)
	}
	w.take(budget.ReadPoints, 0, nil)
	w.Failed(account, false, budget.Mild, "", w.now) // it may have asked for too much
	w.take(budget.ReadPoints, 0, nil)
	w.Failed(account, false, budget.Usual, "", w.now)
	w.take(budget.WritePoints, 0, nil)
	for range 3 {
		w.take(budget.ReadPoints, 15*time.Second, budget.ErrOutage)
		w.pass(15 * time.Second)
		w.take(budget.ReadPoints, 0, nil)
		w.take(budget.ReadPoints, time.Second, budget.ErrOutage)
		w.Failed(account, false, budget.Mild, "", w.now)
	}
	w.pass(15 * time.Second)
	w.take(budget.ReadPoints, 0, nil)
	w.Dropped(account, false)
	w.take(budget.ReadPoints, 0, nil)
	w.pass(time.Minute) // nobody said what became of it
	w.take(budget.ReadPoints, 0, nil)
	w.Answered(account, false, w.now)
	w.take(budget.ReadPoints, 0, nil)
	w.take(budget.ReadPoints, 0, nil)
}

// TestCrowd holds that of thousands that wait for one moment the first hundred come then, and the others one after another.
func TestCrowd(t *testing.T) {
	w := newWorld(t)
	w.take(budget.ReadPoints, 0, nil)
	w.Refused(account, false, 0, w.now)
	var last time.Duration
	for n := range 5000 {
		wait, why := w.Take(account, budget.REST, budget.ReadPoints, budget.Checks, w.now)
		if !errors.Is(why, budget.ErrPaused) || wait < last || n < 100 && wait != time.Minute || wait > 2*time.Minute {
			t.Fatalf("the call number %d waits %s because of %v", n, wait, why)
		}
		last = wait
	}
	if last < 80*time.Second {
		t.Errorf("the last of 5000 comes after %s, at nearly one moment with the first", last)
	}
}
