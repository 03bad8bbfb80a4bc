package store

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Clock tells the database's time. All instances on one database go by it. So an instance whose own clock is wrong takes
// no lease for expired that another holds. Nor does it put work off, or run the night's work at another hour.
//
// It is set now and then, and runs in between by the machine's monotonic clock, which no change of the wall clock moves. A machine that
// slept is behind until it is set again. It then believes leases of others longer than they are, and the renewal of its own tells it that they are lost.
type Clock struct {
	local func() time.Time
	mu    sync.Mutex
	base  time.Time // the database's time
	at    time.Time // when it was so, by the local clock
}

// Timekeeper is what a Clock asks.
type Timekeeper interface {
	Time(ctx context.Context) (time.Time, error)
}

// NewClock sets a clock by a database; local is [time.Now].
func NewClock(ctx context.Context, db Timekeeper, local func() time.Time) (*Clock, error) {
	c := &Clock{local: local}
	return c, c.Set(ctx, db)
}

// maxTrip is how long an answer may take that sets a clock.
const maxTrip = 2 * time.Second

// Set sets the clock. An answer that was long on its way is not used.
func (c *Clock) Set(ctx context.Context, db Timekeeper) error {
	before := c.local()
	t, err := db.Time(ctx)
	after := c.local()
	trip := after.Sub(before)
	if err == nil && trip > maxTrip {
		err = fmt.Errorf("the answer took %v", trip)
	}
	if err != nil {
		return fmt.Errorf("ask the database for the time: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.base, c.at = t.Add(trip/2), after
	return nil
}

// Now is the database's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.base.Add(c.local().Sub(c.at))
}
