// Package postgres keeps what relbot remembers in PostgreSQL, for several instances on one database.
//
// The database's own means are the distributed engine: row locks with SKIP LOCKED hand out work, and advisory locks keep a
// lane to one worker. LISTEN/NOTIFY wakes the other instances, outside of commits, since commits that notify wait for each other. A lease, not a connection, says who works on a row. So an instance
// that is killed or cut off loses its work to another when the lease ends. Every acknowledged delivery was committed with
// the server's own durability.
//
// Instances agree on the time by the database's clock (see [store.Clock]). No call waits for ever: an instance that is cut off gives up
// after some seconds and comes back by itself. The server ends what it left open, so that its locks hold nobody up.
//
// The driver is pgx. Migrations run under an advisory lock, so that instances may start together; a schema newer than the
// program is refused. In a rolling upgrade the new program migrates while the old one runs. A migration leaves what the version before it uses, so
// that statements under way succeed; then the old instances are notified, take nothing more, and end. That an old program should go on writing
// under a newer schema was refused: nobody tests that pair.
package postgres

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/store/sqldb"
)

//go:embed migration/*.sql
var migrations embed.FS

// channel is where instances tell each other of work. Each listens on one connection, by which it is known.
const (
	channel = "relbot_work"
	listen  = "LISTEN " + channel
)

// uniqueViolation is the SQLSTATE of a key that is there already.
const uniqueViolation = "23505"

// Keys of advisory locks.
const (
	lockMigrate = 0x72656c62 // "relb"
	lockLanes   = 0x6c616e65 // "lane", next to the lane's hash
)

// patience is how long a call may take, short of GitHub's own and of a lease.
const patience = 8 * time.Second

// session settings make the server give up what an instance that is cut off holds.
var session = map[string]string{
	"idle_in_transaction_session_timeout": "8000",
	"lock_timeout":                        "8000",
	"tcp_keepalives_idle":                 "5",
	"tcp_keepalives_interval":             "2",
	"tcp_keepalives_count":                "3",
	"tcp_user_timeout":                    "10000",
	// A statement sees what was committed before it. So a lane's lock shows whether the lane is held, and rows that others changed are no error.
	"default_transaction_isolation": "read committed",
	// Plans are kept, also those made while a table was empty. What runs often finds its rows by an index, one by one.
	"enable_seqscan":    "off",
	"enable_bitmapscan": "off",
	"enable_hashjoin":   "off",
	"enable_mergejoin":  "off",
	"jit":               "off",
}

// Store is a [store.Store] on PostgreSQL.
type Store struct {
	*sqldb.DB
	pool    *pgxpool.Pool
	host    string
	newer   atomic.Bool // a newer program has migrated the database
	turns   store.Turns
	notify  chan struct{}
	tell    chan struct{}   // work was queued: the other instances have to know
	hears   atomic.Bool     // what instances tell each other
	running context.Context // until Close
	cancel  context.CancelFunc
	closing sync.Once
	done    sync.WaitGroup
}

// Names under which programs are connected: one that works on the database, which names its machine and process too, and one that looks or
// maintains.
const (
	working = "relbot serve "
	visitor = "relbot"
)

// Open connects and brings the schema up to date.
func Open(ctx context.Context, url string) (*Store, error) {
	host, _ := os.Hostname() // for people
	s, err := begin(ctx, url, fmt.Sprintf("%s%d at %s", working, os.Getpid(), host), func(s *Store) error { return s.Migrate(ctx, len(versions)) })
	if err != nil {
		return nil, err
	}
	s.done.Go(func() { s.listen(s.running) })
	return s, nil
}

// Maintain connects, and leaves the database as it is.
func Maintain(ctx context.Context, url string) (*Store, error) {
	return begin(ctx, url, visitor, func(s *Store) error { _, _, err := s.Schema(ctx); return err })
}

// Attach connects to a database whose schema this program knows, and leaves it as it is.
func Attach(ctx context.Context, url string) (*Store, error) {
	return begin(ctx, url, visitor, func(s *Store) error { return store.NotNewer(ctx, s) })
}

func begin(ctx context.Context, url, name string, open func(*Store) error) (*Store, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("database URL: %w", err)
	}
	config.MaxConns = max(config.MaxConns, Connections)
	config.ConnConfig.ConnectTimeout = patience
	config.ConnConfig.RuntimeParams["application_name"] = name
	config.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		for name, value := range session {
			if _, err := c.Exec(ctx, "SELECT set_config($1, $2, false)", name, value); err != nil {
				return fmt.Errorf("set %s: %w", name, err)
			}
		}
		// What is acknowledged is on disk, whatever the server does by default.
		_, err := c.Exec(ctx, "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'")
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	s := &Store{pool: pool, host: config.ConnConfig.Host, notify: make(chan struct{}, 1), tell: make(chan struct{}, 1)}
	s.running, s.cancel = context.WithCancel(context.Background())
	if s.DB, err = sqldb.New(conn{s}); err == nil {
		err = open(s)
	}
	if err != nil {
		s.cancel()
		pool.Close()
		return nil, fmt.Errorf("database %s: %w", s.host, err)
	}
	s.done.Go(s.announce)
	return s, nil
}

// versions are the schema's steps, in order.
var versions = sqldb.Migrations(migrations)

// Schema is the version of the database, and the newest.
func (s *Store) Schema(ctx context.Context) (have, newest int, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err = s.pool.QueryRow(ctx, `SELECT coalesce(max(version), 0) FROM schema_version`).Scan(&have)
	var undefined *pgconn.PgError
	if errors.As(err, &undefined) && undefined.Code == "42P01" { // no such table: an empty database
		err = nil
	}
	return have, len(versions), err
}

// Migrate brings the schema up to a version, one instance at a time, and tells the others.
func (s *Store) Migrate(ctx context.Context, version int) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	// Another instance may be at it, and a large table takes its time.
	if _, err := conn.Exec(ctx, `SET lock_timeout = 0`); err != nil {
		return err
	}
	defer func() {
		_, _ = conn.Exec(context.WithoutCancel(ctx), `SELECT set_config('lock_timeout', $1, false)`, session["lock_timeout"]) // of a connection that is lost otherwise
	}()
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1)`, lockMigrate); err != nil {
		return err
	}
	defer func() { _, _ = conn.Exec(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, lockMigrate) }() // it goes with the connection otherwise
	if _, err := conn.Exec(ctx, `CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)`); err != nil {
		return err
	}
	have, newest, err := s.Schema(ctx)
	if err != nil {
		return err
	}
	if have > newest {
		return store.TooNew(have, newest)
	}
	for i := have; i < version; i++ {
		text, err := migrations.ReadFile(versions[i])
		if err != nil {
			return err
		}
		err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, string(text)); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `INSERT INTO schema_version VALUES ($1)`, i+1)
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", versions[i], err)
		}
	}
	_, err = conn.Exec(ctx, "NOTIFY "+channel)
	return err
}

// Integrity finds nothing of its own: a PostgreSQL server checks its pages itself when it reads them, if it was set up with checksums.
func (s *Store) Integrity(context.Context) ([]string, error) { return nil, nil }

// Export reads everything in one transaction, which sees one moment whatever is written meanwhile.
func (s *Store) Export(ctx context.Context, row func(store.Row) error) error {
	return pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		return sqldb.Export(ctx, reading{tx}, row)
	})
}

// Reset drops everything, unless a server is connected.
func (s *Store) Reset(ctx context.Context) error {
	return s.tx(ctx, func(tx pgx.Tx) error {
		var others int
		if err := tx.QueryRow(ctx, `SELECT count(DISTINCT application_name) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE $1 || '%'`, working).Scan(&others); err != nil {
			return err
		}
		if others > 0 {
			return fmt.Errorf("servers work on it (%d): stop them first", others)
		}
		for _, t := range append(slices.Clone(store.Tables), store.Table{Name: "schema_version"}) {
			if _, err := tx.Exec(ctx, "DROP TABLE IF EXISTS "+t.Name); err != nil {
				return err
			}
		}
		return nil
	})
}

// Import adds rows.
func (s *Store) Import(ctx context.Context, tables []store.Table, next func() (store.Row, error)) error {
	return s.tx(ctx, func(tx pgx.Tx) error {
		for {
			r, err := next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			i := slices.IndexFunc(tables, func(t store.Table) bool { return t.Name == r.Table })
			if _, err := tx.Exec(ctx, tables[i].Insert(func(n int) string { return fmt.Sprint("$", n) }), r.Values...); err != nil {
				return fmt.Errorf("%s: %w", r.Table, err)
			}
		}
	})
}

// listen turns notifications of all instances into wake-ups, and watches for a newer program. A lost connection only delays them: workers
// poll too.
func (s *Store) listen(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.hear(ctx)
		if err != nil && ctx.Err() == nil {
			t := time.NewTimer(time.Second)
			select {
			case <-ctx.Done():
			case <-t.C:
			}
			t.Stop()
		}
	}
}

func (s *Store) hear(ctx context.Context) error {
	begun, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := s.pool.Acquire(begun)
	if err != nil {
		return err
	}
	defer conn.Release()
	defer conn.Conn().Close(context.WithoutCancel(begun)) // its state is not known: it is not given back
	if _, err := conn.Exec(begun, listen); err != nil {
		return err
	}
	s.hears.Store(true)
	defer s.hears.Store(false)
	for {
		have, newest, err := s.Schema(ctx)
		if err != nil {
			return err
		}
		if have > newest {
			s.newer.Store(true)
		}
		s.wake()
		// A silent connection may be a dead one: now and then it is given up for a new one.
		waiting, cancel := context.WithTimeout(ctx, silence)
		_, err = conn.Conn().WaitForNotification(waiting)
		silent := waiting.Err() != nil && ctx.Err() == nil
		cancel()
		if silent {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Connections is how many an instance has at most, unless its URL asks for more.
const Connections = 20

// silence is how long nothing may be heard before the connection is made again.
const silence = time.Minute

// ready bounds a call, and refuses it once a newer program has the database.
func (s *Store) ready(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if s.newer.Load() {
		return nil, nil, store.ErrNewer
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	return ctx, cancel, nil
}

func (s *Store) wake() { signal(s.notify) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// announceEvery bounds how often instances tell each other of work.
const announceEvery = 20 * time.Millisecond

// announce tells all instances that work was queued, soon after it was.
func (s *Store) announce() {
	for {
		last := false
		select {
		case <-s.tell:
		case <-s.running.Done():
			if last = true; len(s.tell) == 0 {
				return
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		_, err := s.pool.Exec(ctx, "NOTIFY "+channel)
		cancel()
		if last {
			return
		}
		if err != nil || !s.hears.Load() {
			s.wake() // its own workers at least
		}
		select {
		case <-time.After(announceEvery):
		case <-s.running.Done():
		}
	}
}

// Close closes all connections. It may be called more than once.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.cancel()
		s.done.Wait()
		s.pool.Close()
	})
	return nil
}

// reading runs queries on what pgx offers for it.
type reading struct {
	on interface {
		Query(ctx context.Context, text string, args ...any) (pgx.Rows, error)
	}
}

func (r reading) Query(ctx context.Context, text string, args []any, row func(sqldb.Scan) error) error {
	rows, err := r.on.Query(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	return sqldb.Each(rows, row)
}

// conn is the database as [sqldb.DB] uses it.
type conn struct{ s *Store }

func (c conn) Query(ctx context.Context, text string, args []any, row func(sqldb.Scan) error) error {
	ctx, cancel, err := c.s.ready(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	return reading{c.s.pool}.Query(ctx, text, args, row)
}

func (c conn) Exec(ctx context.Context, text string, args ...any) (int, error) {
	ctx, cancel, err := c.s.ready(ctx)
	if err != nil {
		return 0, err
	}
	defer cancel()
	return changed(c.s.pool.Exec(ctx, text, args...))
}

// within is a transaction as [sqldb.Slot] uses it.
type within struct{ pgx.Tx }

func (w within) Exec(ctx context.Context, text string, args ...any) (int, error) {
	return changed(w.Tx.Exec(ctx, text, args...))
}

// changed returns how many rows a statement changed.
func changed(tag pgconn.CommandTag, err error) (int, error) { return int(tag.RowsAffected()), err }

func (s *Store) tx(ctx context.Context, do func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, s.pool, do)
}

// Accept records a delivery and its work.
func (s *Store) Accept(ctx context.Context, d store.Delivery, work []store.Work) (bool, error) {
	ctx, cancel, err := s.ready(ctx)
	if err != nil {
		return false, err
	}
	defer cancel()
	packed := s.Pack(d.Payload)
	// A batch is one transaction, and one trip: a GUID that is known makes it fail as a whole.
	var all pgx.Batch
	all.Queue(`INSERT INTO delivery (guid, event, received, payload) VALUES ($1, $2, $3, $4)`, d.GUID, d.Event, sqldb.Millis(d.Received), packed)
	enqueue(&all, work, d.GUID)
	err = s.pool.SendBatch(ctx, &all).Close()
	fresh := err == nil
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == uniqueViolation {
		var tag pgconn.CommandTag
		tag, err = s.pool.Exec(ctx, `UPDATE work SET want = want + 1, stuck = 0, attempt = 0, since = 0, run_at = 0 WHERE (kind, key) IN (
    SELECT kind, key FROM work WHERE guid = $1 AND stuck = 1 `+inOrder+`)`, d.GUID)
		fresh = tag.RowsAffected() > 0
	}
	if err != nil {
		return false, fmt.Errorf("delivery %s: %w", d.GUID, err)
	}
	signal(s.tell)
	return fresh, nil
}

// inOrder locks the rows of a query in the order in which enqueue does.
const inOrder = `ORDER BY kind COLLATE "C", key COLLATE "C" FOR UPDATE`

// enqueue makes rows due, as part of a batch. They are locked in the order of their keys, so that two instances cannot lock each other out.
func enqueue(all *pgx.Batch, work []store.Work, guid string) {
	work = slices.Clone(work)
	slices.SortStableFunc(work, func(a, b store.Work) int {
		return strings.Compare(a.Kind+" "+a.Key, b.Kind+" "+b.Key)
	})
	for _, w := range work {
		// A row that waits keeps its earliest moment, and so does one that runs and was called for since; others take the new one. A row that runs has a
		// moment before ran until it is called for.
		all.Queue(`
INSERT INTO work AS w (kind, key, lane, want, done, run_at, data, guid, owner, lease, attempt, since, error, stuck, origin_at, origin_event, origin_trace, trail, origin_queued, origin_waited)
VALUES ($1, $2, $3, 1, 0, $4, $5, $6, '', 0, 0, 0, '', 0, $7, $8, $9, $11, $13, $14)
ON CONFLICT (kind, key) DO UPDATE SET
    run_at  = CASE
        WHEN w.stuck = 1 OR w.want = w.done AND $10::bigint = 0 THEN excluded.run_at
        WHEN w.want = w.done OR w.lease > 0 AND w.run_at < w.ran THEN greatest(excluded.run_at, w.ran + $10)
        WHEN $10 = 0 THEN least(w.run_at, greatest(excluded.run_at, w.again))
        ELSE least(w.run_at, greatest(excluded.run_at, w.ran + $10, w.again)) END,
    want    = w.want + 1,
    lane    = excluded.lane,
    data    = CASE WHEN length(excluded.data) > 0 THEN excluded.data ELSE w.data END,
    trail   = CASE WHEN length(w.trail) < $12 THEN w.trail || excluded.trail ELSE w.trail END,
    guid    = CASE WHEN excluded.guid <> '' THEN excluded.guid ELSE w.guid END,
    attempt = CASE WHEN w.stuck = 1 THEN 0 ELSE w.attempt END,
    since   = CASE WHEN w.stuck = 1 THEN 0 ELSE w.since END,
    origin_at    = CASE WHEN w.want > w.done AND w.lease = 0 AND w.origin_at > 0 THEN w.origin_at ELSE excluded.origin_at END,
    origin_event = CASE WHEN w.want > w.done AND w.lease = 0 AND w.origin_at > 0 THEN w.origin_event ELSE excluded.origin_event END,
    origin_trace = CASE WHEN w.want > w.done AND w.lease = 0 AND w.origin_at > 0 THEN w.origin_trace ELSE excluded.origin_trace END,
    origin_queued = CASE WHEN w.want > w.done AND w.lease = 0 AND w.origin_at > 0 THEN w.origin_queued ELSE excluded.origin_queued END,
    origin_waited = CASE WHEN w.want > w.done AND w.lease = 0 AND w.origin_at > 0 THEN w.origin_waited ELSE excluded.origin_waited END,
    stuck   = 0`, sqldb.Queued(w, guid)...)
	}
}

// Prune forgets old deliveries and work.
func (s *Store) Prune(ctx context.Context, t time.Time) (int, error) {
	return sqldb.Prune(ctx, conn{s}, t, "FOR UPDATE SKIP LOCKED")
}

// Enqueue makes keys due.
func (s *Store) Enqueue(ctx context.Context, work ...store.Work) error {
	if len(work) == 0 {
		return nil
	}
	ctx, cancel, err := s.ready(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	var all pgx.Batch
	enqueue(&all, work, "")
	if err := s.pool.SendBatch(ctx, &all).Close(); err != nil {
		return fmt.Errorf("queue %s %s: %w", work[0].Kind, work[0].Key, err)
	}
	signal(s.tell)
	return nil
}

// Claim leases the due rows of one free lane, of the account that has waited longest. Candidates are tried in order; the lane's advisory lock
// makes sure that no other instance claims the same one at the same moment.
func (s *Store) Claim(ctx context.Context, now time.Time, owner string, lease time.Duration, limit int) ([]store.Claimed, error) {
	ctx, cancel, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	until := now.Add(lease)
	var out []store.Claimed
	err = s.tx(ctx, func(tx pgx.Tx) error {
		accounts, err := sqldb.Waiting(ctx, reading{tx}, now)
		if err != nil {
			return err
		}
		s.turns.Order(accounts)
		for _, account := range accounts {
			if out, err = claim(ctx, tx, account, now, owner, until, limit); err != nil || len(out) > 0 {
				s.turns.Served(account)
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b store.Claimed) int { return strings.Compare(a.Key, b.Key) })
	return out, nil
}

func claim(ctx context.Context, tx pgx.Tx, account string, now time.Time, owner string, until time.Time, limit int) ([]store.Claimed, error) {
	for range 3 { // between the two statements another instance may have claimed the lane and let its lock go
		var lane, kind string
		found, err := sqldb.One(ctx, reading{tx}, []any{&lane, &kind}, `
SELECT lane, kind FROM (
    SELECT lane, kind FROM work AS w
    WHERE account = $1 AND want > done AND stuck = 0 AND run_at <= $2 AND lease <= $2
      AND NOT EXISTS (SELECT 1 FROM work AS o WHERE o.lane = w.lane AND o.lease > 0 AND o.lease > $2)
    ORDER BY run_at, kind, key LIMIT 32) AS candidate
WHERE pg_try_advisory_xact_lock($3, hashtext(lane)) LIMIT 1`, account, sqldb.Millis(now), lockLanes)
		if err != nil || !found {
			return nil, err
		}
		out, err := sqldb.All(ctx, reading{tx}, sqldb.Claimed(owner, until), `
UPDATE work SET owner = $1, lease = $2, ran = $5, run_at = least(run_at, $5 - 1)
WHERE (kind, key) IN (
    SELECT kind, key FROM work AS w
    WHERE lane = $3 AND kind = $4 AND want > done AND stuck = 0 AND run_at <= $5
      AND NOT EXISTS (SELECT 1 FROM work AS o WHERE o.lane = $3 AND o.lease > 0 AND o.lease > $5)
    ORDER BY run_at, key LIMIT $6 FOR UPDATE SKIP LOCKED)
RETURNING `+sqldb.ClaimedColumns, owner, sqldb.Millis(until), lane, kind, sqldb.Millis(now), limit)
		if err != nil || len(out) > 0 {
			return out, err
		}
	}
	return nil, nil
}

// each runs a statement for each of the rows that were claimed together, in one transaction and one trip. It reports [store.ErrLost] unless it
// found all of them. They are locked in the order of their keys, as those that are queued are. One statement for all would lock them as its
// plan happens to find them.
func (s *Store) each(ctx context.Context, claimed []store.Claimed, statement string, args func(store.Claimed) []any) error {
	ctx, cancel, err := s.ready(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	var all pgx.Batch
	found := 0
	for _, c := range claimed { // as Claim sorted them
		all.Queue(statement, args(c)...).Exec(func(tag pgconn.CommandTag) error {
			found += int(tag.RowsAffected())
			return nil
		})
	}
	err = s.pool.SendBatch(ctx, &all).Close()
	if err == nil && found < len(claimed) {
		err = store.ErrLost
	}
	return err
}

// Renew extends a lease.
func (s *Store) Renew(ctx context.Context, claimed []store.Claimed, until time.Time) error {
	return s.each(ctx, claimed, `UPDATE work SET lease = $1 WHERE kind = $2 AND key = $3 AND owner = $4 AND lease > 0`, func(c store.Claimed) []any {
		return []any{sqldb.Millis(until), c.Kind, c.Key, c.Owner}
	})
}

// Done releases rows that were worked on.
func (s *Store) Done(ctx context.Context, claimed ...store.Claimed) error {
	defer s.wake()
	return s.each(ctx, claimed, `
UPDATE work SET done = greatest(done, $1), owner = '', lease = 0, attempt = 0, since = 0, again = 0, error = '',
    data = CASE WHEN want = $1 THEN ''::bytea ELSE data END, trail = substr(trail, $5)
WHERE kind = $2 AND key = $3 AND owner = $4 AND lease > 0`, func(c store.Claimed) []any {
		return []any{c.Want, c.Kind, c.Key, c.Owner, utf8.RuneCountInString(c.Trail) + 1}
	})
}

// Later releases a row that failed.
func (s *Store) Later(ctx context.Context, c store.Claimed, f store.Failure) error {
	defer s.wake()
	flag := 0
	if f.Stuck {
		flag = 1
	}
	return s.each(ctx, []store.Claimed{c}, `
UPDATE work SET owner = '', lease = 0, error = $1, again = $8,
    run_at  = CASE WHEN want = $2 THEN $3 ELSE greatest(run_at, $8) END,
    stuck   = CASE WHEN want = $2 THEN $4 ELSE 0 END,
    attempt = CASE WHEN want > $2 AND $4 = 1 THEN 0 ELSE attempt + 1 END,
    since   = CASE WHEN want > $2 AND $4 = 1 THEN 0 WHEN since = 0 THEN $3 ELSE since END
WHERE kind = $5 AND key = $6 AND owner = $7 AND lease > 0`, func(c store.Claimed) []any {
		return []any{sqldb.Cause(f.Cause), c.Want, sqldb.Millis(f.At), flag, c.Kind, c.Key, c.Owner, sqldb.Millis(f.Again)}
	})
}

// Next is when the next row becomes due.
func (s *Store) Next(ctx context.Context) (time.Time, error) {
	var ms int64
	_, err := sqldb.One(ctx, conn{s}, []any{&ms}, `SELECT coalesce(min(greatest(run_at, lease, 1)), 0) FROM work WHERE want > done AND stuck = 0
AND (lease > 0 OR lane NOT IN (SELECT lane FROM work WHERE lease > 0))`)
	return sqldb.Moment(ms), err
}

// Release frees leases.
func (s *Store) Release(ctx context.Context, owner string) error {
	_, err := conn{s}.Exec(ctx, `UPDATE work SET owner = '', lease = 0 WHERE (kind, key) IN (
    SELECT kind, key FROM work WHERE lease > 0 AND ($1 = '' OR owner = $1) `+inOrder+`)`, owner)
	signal(s.tell)
	return err
}

// Every queues work once for each name and slot.
func (s *Store) Every(ctx context.Context, name string, slot time.Time, work ...store.Work) (bool, error) {
	ctx, cancel, err := s.ready(ctx)
	if err != nil {
		return false, err
	}
	defer cancel()
	mine := false
	err = s.tx(ctx, func(tx pgx.Tx) error {
		if mine, err = sqldb.Slot(ctx, within{tx}, name, slot); err != nil || !mine {
			return err
		}
		var all pgx.Batch
		enqueue(&all, work, "")
		return tx.SendBatch(ctx, &all).Close()
	})
	if err != nil {
		return false, err
	}
	signal(s.tell)
	return mine, nil
}

// Time is the server's.
func (s *Store) Time(ctx context.Context) (time.Time, error) {
	var t time.Time
	_, err := sqldb.One(ctx, conn{s}, []any{&t}, `SELECT clock_timestamp()`)
	return t, err
}

// Put writes documents and queues work.
func (s *Store) Put(ctx context.Context, docs []store.Document, work []store.Work) error {
	ctx, cancel, err := s.ready(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	var all pgx.Batch
	// They are locked in the order of their keys, too, so that two that write the same ones cannot lock each other out.
	docs = slices.Clone(docs)
	slices.SortFunc(docs, func(a, b store.Document) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Key, b.Key))
	})
	for _, d := range docs {
		put(&all, d)
	}
	if all.Len() <= 1 && len(work) == 0 { // a transaction by itself
		return s.pool.SendBatch(ctx, &all).Close()
	}
	enqueue(&all, work, "")
	err = s.tx(ctx, func(tx pgx.Tx) error { return tx.SendBatch(ctx, &all).Close() })
	if err == nil && len(work) > 0 {
		signal(s.tell)
	}
	return err
}

// put writes a document, as part of a batch.
func put(all *pgx.Batch, d store.Document) {
	text, args := sqldb.Write(d)
	if text == "" {
		return
	}
	all.Queue(text, args...).Exec(func(tag pgconn.CommandTag) error {
		if tag.RowsAffected() == 0 {
			return store.ErrConflict
		}
		return nil
	})
}

// Ping asks for a transaction that could write: a read-only server is not ready.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel, err := s.ready(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	return s.tx(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE periodic SET slot = slot WHERE false`)
		return err
	})
}

// Notify tells that work may have become due, on this instance or another.
func (s *Store) Notify() <-chan struct{} { return s.notify }
