package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/store"
)

// keeper is a database with a clock, which takes its time to answer.
type keeper struct {
	now  func() time.Time
	trip func()
	err  error
}

func (k keeper) Time(context.Context) (time.Time, error) {
	k.trip()
	t := k.now()
	k.trip()
	return t, k.err
}

// TestClock holds that a clock goes by the database's time, whatever the local clock says, and is not set by an answer that tells little.
func TestClock(t *testing.T) {
	truth := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for _, skew := range []time.Duration{0, time.Hour, -26 * time.Hour, 90 * time.Millisecond} {
		now := truth
		local := func() time.Time { return now.Add(skew) }
		db := keeper{now: func() time.Time { return now }, trip: func() { now = now.Add(20 * time.Millisecond) }}
		c, err := store.NewClock(t.Context(), db, local)
		if err != nil {
			t.Fatal(err)
		}
		near := func(what string) {
			t.Helper()
			if d := c.Now().Sub(now); d < -time.Millisecond || d > time.Millisecond {
				t.Errorf("skew %v, %s: %v from the database's time", skew, what, d)
			}
		}
		near("set")
		now = now.Add(10 * time.Minute)
		near("later")
		slow := db
		slow.trip = func() { now = now.Add(5 * time.Second) }
		if err := c.Set(t.Context(), slow); err == nil {
			t.Error("set by an answer that took ten seconds")
		}
		broken := db
		broken.err = errors.New("gone")
		if err := c.Set(t.Context(), broken); err == nil {
			t.Error("set by no answer")
		}
		near("after answers that tell nothing")
	}
}
