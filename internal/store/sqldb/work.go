package sqldb

import (
	"context"
	"time"

	"github.com/relbot/relbot/internal/store"
)

// Queued returns the parameters of an engine's statement that queues a row of work, as $1, $2, … name them
// there.
func Queued(w store.Work, guid string) []any {
	lane := w.Lane
	if lane == "" {
		lane = w.Kind + " " + w.Key
	}
	if w.Data == nil {
		w.Data = []byte{}
	}
	return []any{w.Kind, w.Key, lane, Millis(w.At), w.Data, guid, Millis(w.Origin.At), w.Origin.Event, w.Origin.Trace, w.Window.Milliseconds(),
		w.Trail, store.TrailLimit, Millis(w.Origin.Queued), w.Origin.Waited}
}

// ClaimedColumns are the columns that [Claimed] reads.
const ClaimedColumns = `kind, key, lane, run_at, data, trail, want, done, attempt, since, error, ` + originColumns

const originColumns = `origin_at, origin_event, origin_trace, origin_queued, origin_waited`

// Claimed returns a function that reads a claimed row.
func Claimed(owner string, until time.Time) func(Scan) (store.Claimed, error) {
	return func(scan Scan) (store.Claimed, error) {
		c := store.Claimed{Owner: owner, Lease: until}
		var at, since, origin, queued int64
		err := scan(&c.Kind, &c.Key, &c.Lane, &at, &c.Data, &c.Trail, &c.Want, &c.Done, &c.Attempt, &since, &c.Cause,
			&origin, &c.Origin.Event, &c.Origin.Trace, &queued, &c.Origin.Waited)
		c.At, c.Since, c.Origin.At, c.Origin.Queued = Moment(at), Moment(since), Moment(origin), Moment(queued)
		return c, err
	}
}

// Waiting lists the accounts that have anything due at a moment. It takes one step in the index for each account, however many rows each has.
func Waiting(ctx context.Context, r Reader, now time.Time) ([]string, error) {
	return All(ctx, r, func(scan Scan) (account string, err error) { return account, scan(&account) }, `
WITH RECURSIVE turn (account) AS (
    SELECT min(account) FROM work WHERE want > done AND stuck = 0
    UNION ALL
    SELECT (SELECT min(w.account) FROM work AS w WHERE w.want > w.done AND w.stuck = 0 AND w.account > turn.account) FROM turn WHERE turn.account IS NOT NULL)
SELECT account FROM turn
WHERE account IS NOT NULL
  AND (SELECT min(w.run_at) FROM work AS w WHERE w.account = turn.account AND w.want > w.done AND w.stuck = 0) <= $1`, Millis(now))
}

// Jobs lists rows that are not done.
func (d *DB) Jobs(ctx context.Context) ([]store.Job, error) {
	return All(ctx, d.conn, func(scan Scan) (j store.Job, err error) {
		var at, lease, origin, queued int64
		err = scan(&j.Kind, &j.Key, &j.Lane, &at, &j.Data, &j.Want, &j.Done, &j.Attempt, &j.Error, &j.Stuck, &lease, &j.Owner,
			&origin, &j.Origin.Event, &j.Origin.Trace, &queued, &j.Origin.Waited)
		j.At, j.Lease, j.Origin.At, j.Origin.Queued = Moment(at), Moment(lease), Moment(origin), Moment(queued)
		return j, err
	}, `
SELECT kind, key, lane, run_at, data, want, done, attempt, error, stuck <> 0, lease, owner, `+originColumns+` FROM work WHERE want > done ORDER BY run_at, kind, key`)
}

// Backlog sums up what is not done.
func (d *DB) Backlog(ctx context.Context, now time.Time) ([]store.Backlog, error) {
	return All(ctx, d.conn, func(scan Scan) (b store.Backlog, err error) {
		var oldest int64
		err = scan(&b.Kind, &b.Waiting, &b.Due, &b.Failing, &b.Stuck, &oldest)
		b.Oldest = Moment(oldest)
		return b, err
	}, `
SELECT kind,
    count(CASE WHEN stuck = 0 AND run_at > $1 AND lease <= $1 THEN 1 END),
    count(CASE WHEN stuck = 0 AND (run_at <= $1 OR lease > $1) THEN 1 END),
    count(CASE WHEN stuck = 0 AND attempt > 0 THEN 1 END),
    count(CASE WHEN stuck = 1 THEN 1 END),
    coalesce(min(CASE WHEN stuck = 0 AND origin_at > 0 AND (run_at <= $1 OR lease > $1 OR attempt > 0) THEN origin_at END), 0)
FROM work WHERE want > done GROUP BY kind ORDER BY kind`, Millis(now))
}

// Drop forgets a row.
func (d *DB) Drop(ctx context.Context, kind, key string) error {
	_, err := d.conn.Exec(ctx, `DELETE FROM work WHERE kind = $1 AND key = $2`, kind, key)
	return err
}

// Prune forgets what is older than a moment: deliveries, and work that was done before. It takes a few rows at a time, so that nobody waits long.
// lock is how an engine passes over rows that somebody else is at. Work is looked at twice, since it may be queued again while it is chosen.
// Work without a moment of its own stays.
func Prune(ctx context.Context, w Writer, t time.Time, lock string) (int, error) {
	total := 0
	for _, statement := range []string{
		`DELETE FROM delivery WHERE id IN (SELECT id FROM delivery WHERE received < $1 ORDER BY id LIMIT 200 ` + lock + `)`,
		`DELETE FROM work WHERE want <= done AND lease = 0 AND (kind, key) IN (
    SELECT kind, key FROM work WHERE want <= done AND lease = 0 AND origin_at > 0 AND origin_at < $1 AND run_at < $1 LIMIT 200 ` + lock + `)`,
	} {
		for {
			n, err := w.Exec(ctx, statement, Millis(t))
			total += n
			if err != nil {
				return total, err
			}
			if n == 0 {
				break
			}
		}
	}
	return total, nil
}
