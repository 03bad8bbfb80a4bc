// Package sqlite keeps what relbot remembers in one SQLite file: the default, for one machine.
//
// All writes go through one connection, in immediate transactions; readers have a pool of their own. They are committed in
// groups: one writer takes whatever has queued up while the last commit ran, so that many deliveries, and the work in hand,
// share one fsync, and every delivery is on disk before it is acknowledged. The file belongs to one process: a lock file says so,
// and a second process is refused rather than left to fight over the writer.
//
// The driver is modernc.org/sqlite, since the shipped binary has no cgo. Migrations are two short functions, because a migration library brings
// more code than the four statements that it would save.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
	_ "modernc.org/sqlite" // the driver

	"github.com/relbot/relbot/internal/store"
)

//go:embed migration/*.sql
var migrations embed.FS

// Store is a [store.Store] in a file.
type Store struct {
	write   *writer
	read    *reader
	lock    *os.File
	notify  chan struct{}
	closing sync.Once
	zip     *zstd.Encoder
	unzip   *zstd.Decoder
	dir     string // of a temporary database, removed at the end
	path    string
	file    os.FileInfo // as it was opened
	locked  os.FileInfo // the lock file; nil where the process does not have the database to itself
	turns   store.Turns
	hasty   bool         // a commit does not wait for the disk
	pinged  atomic.Int64 // when Ping wrote last, Unix nanoseconds
	kept    *documents
}

// Open opens or creates the database file, for one process; ":memory:" is a temporary one. With "?synchronous=off" behind the path a commit does
// not wait for the disk: what a simulation writes may be lost with the machine.
func Open(ctx context.Context, path string) (*Store, error) {
	return begin(path, func(s *Store, path string) error {
		if err := s.own(path); err != nil {
			return err
		}
		if err := s.Migrate(ctx, len(versions)); err != nil {
			return err
		}
		// Whatever an earlier process held when it died is free now.
		return s.Release(ctx, "")
	})
}

// Maintain opens or creates the database file as [Open] does, but leaves it as it is.
func Maintain(_ context.Context, path string) (*Store, error) {
	return begin(path, (*Store).own)
}

// Beside opens a database that a server may have open at the same time. It is neither made nor
// migrated; a newer schema is refused.
func Beside(ctx context.Context, path string) (*Store, error) {
	return begin(path, func(s *Store, path string) error {
		if _, err := os.Stat(path); err != nil {
			return err
		}
		s.kept = nil // another process writes, too
		if err := s.connect(path); err != nil {
			return err
		}
		return store.NotNewer(ctx, s)
	})
}

func begin(path string, open func(s *Store, path string) error) (*Store, error) {
	s := &Store{notify: make(chan struct{}, 1), kept: newDocuments()}
	if path == ":memory:" {
		dir, err := os.MkdirTemp("", "relbot")
		if err != nil {
			return nil, err
		}
		s.dir, path = dir, filepath.Join(dir, "relbot.db")
	}
	path, s.hasty = strings.CutSuffix(path, "?synchronous=off")
	if err := open(s, path); err != nil {
		s.release()
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	return s, nil
}

// own makes sure that no other process has the file, by whatever name, and connects.
func (s *Store) own(path string) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	var err error
	if s.lock, err = os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return err
	}
	if err := lock(s.lock); err != nil {
		return errors.New("another process has it open: stop that one first; several instances need PostgreSQL")
	}
	if s.locked, err = s.lock.Stat(); err != nil {
		return err
	}
	// Texts of private repositories are for the owner alone. SQLite's own files beside it take its permissions.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if names(path, info) > 1 {
		return errors.New("the file has several names (hard links): what one process writes under one of them is lost for another; remove the others")
	}
	return s.connect(path)
}

// checkpointPages is how many pages the log gathers before they go into the file, 32 MB: pages that change with every delivery go there once
// for many.
const checkpointPages = 8000

func (s *Store) connect(path string) error {
	synchronous := "synchronous(FULL)"
	if s.hasty {
		synchronous = "synchronous(OFF)"
	}
	q := url.Values{"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", synchronous, "foreign_keys(1)", fmt.Sprintf("wal_autocheckpoint(%d)", checkpointPages)}}
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
	var err error
	if s.write, err = newWriter(dsn, s.there); err != nil {
		return err
	}
	if s.read, err = newReader(dsn + "&_pragma=" + url.QueryEscape("query_only(1)")); err != nil {
		return err
	}
	if s.zip, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2)); err != nil {
		return err
	}
	if s.unzip, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1)); err != nil {
		return err
	}
	s.path = path
	s.file, err = os.Stat(path)
	return err
}

// versions are the schema's steps, in order.
var versions = func() []string {
	names, err := fs.Glob(migrations, "migration/*.sql")
	if err != nil {
		panic(err) // the pattern is well formed
	}
	slices.Sort(names)
	return names
}()

// Schema is the version of the database, and the newest.
func (s *Store) Schema(ctx context.Context) (have, newest int, err error) {
	err = s.write.QueryRowContext(ctx, "PRAGMA user_version").Scan(&have)
	return have, len(versions), err
}

// Migrate brings the schema up to a version, each step in a transaction of its own. A newer schema is refused.
func (s *Store) Migrate(ctx context.Context, version int) error {
	defer s.kept.forget()
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
		err = s.write.alone(ctx, func(ctx context.Context, tx *statements) error {
			if _, err := tx.ExecContext(ctx, string(text)); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", i+1))
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", versions[i], err)
		}
	}
	return nil
}

// Integrity has SQLite look at every page and index.
func (s *Store) Integrity(ctx context.Context) ([]string, error) {
	rows, err := s.read.QueryContext(ctx, "PRAGMA integrity_check")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return nil, err
		}
		if line != "ok" {
			out = append(out, line)
		}
	}
	return out, rows.Err()
}

// Export reads everything in one transaction, which sees one moment whatever is written meanwhile.
func (s *Store) Export(ctx context.Context, row func(store.Row) error) error {
	conn, err := s.read.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "BEGIN DEFERRED"); err != nil {
		return err
	}
	defer func() { _, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") }() // nothing was written
	for _, t := range store.Tables {
		rows, err := conn.QueryContext(ctx, t.Select())
		if err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
		if err := export(rows, t, row); err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
	}
	return nil
}

func export(rows *sql.Rows, t store.Table, row func(store.Row) error) error {
	defer rows.Close()
	for rows.Next() {
		values, into := t.Scan()
		if err := rows.Scan(into...); err != nil {
			return err
		}
		if err := row(store.Row{Table: t.Name, Values: values()}); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Reset drops everything. The process has the file to itself.
func (s *Store) Reset(ctx context.Context) error {
	defer s.kept.forget()
	return s.write.alone(ctx, func(ctx context.Context, tx *statements) error {
		for _, t := range store.Tables {
			if _, err := tx.ExecContext(ctx, "DROP TABLE IF EXISTS "+t.Name); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, "PRAGMA user_version = 0")
		return err
	})
}

// Import adds rows.
func (s *Store) Import(ctx context.Context, tables []store.Table, next func() (store.Row, error)) error {
	defer s.kept.forget()
	return s.write.alone(ctx, func(ctx context.Context, tx *statements) error {
		insert := map[string]*sql.Stmt{}
		for _, t := range tables {
			stmt, err := tx.PrepareContext(ctx, t.Insert(func(int) string { return "?" }))
			if err != nil {
				return err
			}
			defer stmt.Close()
			insert[t.Name] = stmt
		}
		for {
			r, err := next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if _, err := insert[r.Table].ExecContext(ctx, r.Values...); err != nil {
				return fmt.Errorf("%s: %w", r.Table, err)
			}
		}
	})
}

// Close ends the writer and closes the file. It may be called more than once.
func (s *Store) Close() error {
	s.closing.Do(s.release)
	return nil
}

func (s *Store) release() {
	if s.read != nil {
		s.read.Close()
	}
	if s.write != nil {
		s.write.Close()
	}
	if s.lock != nil {
		s.lock.Close()
	}
	if s.dir != "" {
		os.RemoveAll(s.dir)
	}
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// Accept hands a delivery to the writer and waits until it is on disk.
func (s *Store) Accept(ctx context.Context, d store.Delivery, work []store.Work) (bool, error) {
	packed := s.zip.EncodeAll(d.Payload, make([]byte, 0, len(d.Payload)/4))
	var fresh bool
	err := s.write.take(ctx, func(ctx context.Context, tx *statements) (err error) {
		fresh, err = insert(ctx, tx, d, packed, work)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("delivery %s: %w", d.GUID, err)
	}
	s.wake()
	return fresh, nil
}

// there reports an error when the file is no longer the one that was opened, or the lock no longer the one that is held: what is written to a
// file that was removed goes with this process, and without the lock another one may write, too.
func (s *Store) there() error {
	now, err := os.Stat(s.path)
	if err == nil && !os.SameFile(now, s.file) {
		err = errors.New("another file was put in its place: start again")
	}
	if err == nil && s.locked != nil {
		if now, gone := os.Stat(s.lock.Name()); gone == nil && !os.SameFile(now, s.locked) {
			err = errors.New("its lock file was removed, and another process has it open by now")
		}
	}
	return err
}

// insert records a delivery and its work. A GUID that is known brings back only work that was given up.
func insert(ctx context.Context, tx *statements, d store.Delivery, packed []byte, work []store.Work) (bool, error) {
	res, err := tx.ExecContext(ctx, `INSERT INTO delivery (guid, event, received, payload) VALUES (?, ?, ?, ?) ON CONFLICT (guid) DO NOTHING`,
		d.GUID, d.Event, millis(d.Received), packed)
	if err != nil {
		return false, err
	}
	if n, err := res.RowsAffected(); err != nil {
		return false, err
	} else if n == 0 {
		res, err := tx.ExecContext(ctx, `UPDATE work SET want = want + 1, stuck = 0, attempt = 0, since = 0, run_at = 0 WHERE guid = ? AND stuck = 1`, d.GUID)
		if err != nil {
			return false, err
		}
		n, err := res.RowsAffected()
		return n > 0, err
	}
	return true, enqueue(ctx, tx, work, d.GUID)
}

func enqueue(ctx context.Context, tx *statements, work []store.Work, guid string) error {
	for _, w := range work {
		lane := w.Lane
		if lane == "" {
			lane = w.Kind + " " + w.Key
		}
		if w.Data == nil {
			w.Data = []byte{}
		}
		// A row that waits keeps its earliest moment, and so does one that runs and was called for since; others take the new one. A row that runs has a
		// moment before ran until it is called for.
		_, err := tx.ExecContext(ctx, `
INSERT INTO work (kind, key, lane, want, done, run_at, data, guid, owner, lease, attempt, since, error, stuck, origin_at, origin_event, origin_trace, trail)
VALUES (?1, ?2, ?3, 1, 0, ?4, ?5, ?6, '', 0, 0, 0, '', 0, ?7, ?8, ?9, ?11)
ON CONFLICT (kind, key) DO UPDATE SET
    run_at  = CASE
        WHEN stuck = 1 OR want = done AND ?10 = 0 THEN excluded.run_at
        WHEN want = done OR lease > 0 AND run_at < ran THEN max(excluded.run_at, ran + ?10)
        WHEN ?10 = 0 THEN min(run_at, max(excluded.run_at, again))
        ELSE min(run_at, max(excluded.run_at, ran + ?10, again)) END,
    want    = want + 1,
    lane    = excluded.lane,
    data    = CASE WHEN length(excluded.data) > 0 THEN excluded.data ELSE data END,
    trail   = CASE WHEN length(trail) < ?12 THEN trail || excluded.trail ELSE trail END,
    guid    = CASE WHEN excluded.guid <> '' THEN excluded.guid ELSE guid END,
    attempt = CASE WHEN stuck = 1 THEN 0 ELSE attempt END,
    since   = CASE WHEN stuck = 1 THEN 0 ELSE since END,
    origin_at    = CASE WHEN want > done AND lease = 0 AND origin_at > 0 THEN origin_at ELSE excluded.origin_at END,
    origin_event = CASE WHEN want > done AND lease = 0 AND origin_at > 0 THEN origin_event ELSE excluded.origin_event END,
    origin_trace = CASE WHEN want > done AND lease = 0 AND origin_at > 0 THEN origin_trace ELSE excluded.origin_trace END,
    stuck   = 0`,
			w.Kind, w.Key, lane, millis(w.At), w.Data, guid, millis(w.Origin.At), w.Origin.Event, w.Origin.Trace, w.Window.Milliseconds(), w.Trail, store.TrailLimit)
		if err != nil {
			return fmt.Errorf("queue %s %s: %w", w.Kind, w.Key, err)
		}
	}
	return nil
}

// Delivery returns an accepted delivery.
func (s *Store) Delivery(ctx context.Context, guid string) (store.Delivery, error) {
	d := store.Delivery{GUID: guid}
	var received int64
	var packed []byte
	err := s.read.QueryRowContext(ctx, `SELECT event, received, payload FROM delivery WHERE guid = ?`, guid).Scan(&d.Event, &received, &packed)
	if errors.Is(err, sql.ErrNoRows) {
		return d, store.ErrNotFound
	}
	if err != nil {
		return d, err
	}
	d.Received = moment(received)
	d.Payload, err = s.unzip.DecodeAll(packed, nil)
	return d, err
}

// Prune forgets old deliveries and work, a few at a time so that the writer is never held for long.
func (s *Store) Prune(ctx context.Context, t time.Time) (int, error) {
	total := 0
	for _, statement := range store.Pruning("?1", "") {
		for {
			n, err := s.exec(ctx, statement, millis(t))
			total += n
			if err != nil {
				return total, err
			}
			if n == 0 {
				break
			}
		}
	}
	return total, s.write.exec(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`)
}

// exec writes with one statement, and tells how many rows it changed.
func (s *Store) exec(ctx context.Context, text string, args ...any) (int, error) {
	var n int64
	err := s.write.write(ctx, func(ctx context.Context, tx *statements) error {
		res, err := tx.ExecContext(ctx, text, args...)
		if err == nil {
			n, err = res.RowsAffected()
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return int(n), nil
}

// Enqueue makes keys due.
func (s *Store) Enqueue(ctx context.Context, work ...store.Work) error {
	if len(work) == 0 {
		return nil
	}
	err := s.write.write(ctx, func(ctx context.Context, tx *statements) error { return enqueue(ctx, tx, work, "") })
	s.wake()
	return err
}

// Claim leases the due rows of one free lane, of the account that has waited longest.
func (s *Store) Claim(ctx context.Context, now time.Time, owner string, lease time.Duration, limit int) ([]store.Claimed, error) {
	until := now.Add(lease)
	var out []store.Claimed
	err := s.write.write(ctx, func(ctx context.Context, tx *statements) error {
		out = nil
		accounts, err := waiting(ctx, tx, now)
		if err != nil {
			return err
		}
		s.turns.Order(accounts)
		for _, account := range accounts {
			var lane, kind string
			err := tx.QueryRowContext(ctx, `
SELECT lane, kind FROM work AS w
WHERE account = ? AND want > done AND stuck = 0 AND run_at <= ? AND lease <= ?
  AND NOT EXISTS (SELECT 1 FROM work AS o WHERE o.lane = w.lane AND o.lease > 0 AND o.lease > ?)
ORDER BY run_at, kind, key LIMIT 1`, account, millis(now), millis(now), millis(now)).Scan(&lane, &kind)
			if errors.Is(err, sql.ErrNoRows) {
				continue // all its lanes are held
			}
			if err != nil {
				return err
			}
			s.turns.Served(account)
			out, err = take(ctx, tx, lane, kind, now, owner, until, limit)
			return err
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b store.Claimed) int { return strings.Compare(a.Key, b.Key) })
	return out, nil
}

// waiting lists the accounts that have anything due, by one step in the index for each.
func waiting(ctx context.Context, tx *statements, now time.Time) ([]string, error) {
	rows, err := tx.QueryContext(ctx, store.Waiting("?"), millis(now))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var account string
		if err := rows.Scan(&account); err != nil {
			return nil, err
		}
		out = append(out, account)
	}
	return out, rows.Err()
}

func take(ctx context.Context, tx *statements, lane, kind string, now time.Time, owner string, until time.Time, limit int) ([]store.Claimed, error) {
	rows, err := tx.QueryContext(ctx, `
UPDATE work SET owner = ?1, lease = ?2, ran = ?5, run_at = min(run_at, ?5 - 1)
WHERE (kind, key) IN (
    SELECT kind, key FROM work
    WHERE lane = ?3 AND kind = ?4 AND want > done AND stuck = 0 AND run_at <= ?5
    ORDER BY run_at, key LIMIT ?6)
RETURNING kind, key, lane, run_at, data, trail, want, done, attempt, since, origin_at, origin_event, origin_trace`, owner, millis(until), lane, kind, millis(now), limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []store.Claimed
	for rows.Next() {
		c := store.Claimed{Owner: owner, Lease: until}
		var at, since, origin int64
		if err := rows.Scan(&c.Kind, &c.Key, &c.Lane, &at, &c.Data, &c.Trail, &c.Want, &c.Done, &c.Attempt, &since, &origin, &c.Origin.Event, &c.Origin.Trace); err != nil {
			return nil, err
		}
		c.At, c.Since, c.Origin.At = moment(at), moment(since), moment(origin)
		out = append(out, c)
	}
	return out, rows.Err()
}

// Renew extends a lease.
func (s *Store) Renew(ctx context.Context, claimed []store.Claimed, until time.Time) error {
	n, err := s.exec(ctx, `UPDATE work SET lease = ? WHERE lane = ? AND kind = ? AND owner = ? AND lease > 0`, millis(until), claimed[0].Lane, claimed[0].Kind, claimed[0].Owner)
	if err == nil && n < len(claimed) {
		err = store.ErrLost
	}
	return err
}

// Done releases rows that were worked on.
func (s *Store) Done(ctx context.Context, claimed ...store.Claimed) error {
	defer s.wake()
	return s.give(ctx, claimed, func(c store.Claimed) (string, []any) {
		return `
UPDATE work SET done = max(done, ?), owner = '', lease = 0, attempt = 0, since = 0, again = 0, error = '',
    data = CASE WHEN want = ? THEN x'' ELSE data END, trail = substr(trail, ?)
WHERE kind = ? AND key = ? AND owner = ? AND lease > 0`, []any{c.Want, c.Want, utf8.RuneCountInString(c.Trail) + 1, c.Kind, c.Key, c.Owner}
	})
}

// Later releases a row that failed.
func (s *Store) Later(ctx context.Context, c store.Claimed, f store.Failure) error {
	defer s.wake()
	return s.give(ctx, []store.Claimed{c}, func(c store.Claimed) (string, []any) {
		return `
UPDATE work SET owner = '', lease = 0, error = ?, again = ?,
    run_at  = CASE WHEN want = ? THEN ? ELSE max(run_at, ?) END,
    stuck   = CASE WHEN want = ? THEN ? ELSE 0 END,
    attempt = CASE WHEN want > ? AND ? THEN 0 ELSE attempt + 1 END,
    since   = CASE WHEN want > ? AND ? THEN 0 WHEN since = 0 THEN ? ELSE since END
WHERE kind = ? AND key = ? AND owner = ? AND lease > 0`, []any{store.Cause(f.Cause), millis(f.Again),
				c.Want, millis(f.At), millis(f.Again), c.Want, f.Stuck, c.Want, f.Stuck, c.Want, f.Stuck, millis(f.At), c.Kind, c.Key, c.Owner}
	})
}

// give releases claimed rows, and reports [store.ErrLost] when one was no longer held.
func (s *Store) give(ctx context.Context, claimed []store.Claimed, by func(store.Claimed) (text string, args []any)) error {
	var lost bool
	err := s.write.write(ctx, func(ctx context.Context, tx *statements) error {
		lost = false
		for _, c := range claimed {
			text, args := by(c)
			res, err := tx.ExecContext(ctx, text, args...)
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			lost = lost || n == 0
		}
		return nil
	})
	if err == nil && lost {
		err = store.ErrLost
	}
	return err
}

// Next is when the next row becomes due.
func (s *Store) Next(ctx context.Context) (time.Time, error) {
	var ms sql.NullInt64
	err := s.read.QueryRowContext(ctx, `SELECT min(max(run_at, lease, 1)) FROM work WHERE want > done AND stuck = 0
AND (lease > 0 OR lane NOT IN (SELECT lane FROM work WHERE lease > 0))`).Scan(&ms)
	return moment(ms.Int64), err
}

// Jobs lists rows that are not done.
func (s *Store) Jobs(ctx context.Context) ([]store.Job, error) {
	rows, err := s.read.QueryContext(ctx, `
SELECT kind, key, lane, run_at, data, want, done, attempt, error, stuck, lease, owner, origin_at, origin_event, origin_trace FROM work WHERE want > done ORDER BY run_at, kind, key`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []store.Job
	for rows.Next() {
		var j store.Job
		var at, lease, origin int64
		if err := rows.Scan(&j.Kind, &j.Key, &j.Lane, &at, &j.Data, &j.Want, &j.Done, &j.Attempt, &j.Error, &j.Stuck, &lease, &j.Owner, &origin, &j.Origin.Event, &j.Origin.Trace); err != nil {
			return nil, err
		}
		j.At, j.Lease, j.Origin.At = moment(at), moment(lease), moment(origin)
		out = append(out, j)
	}
	return out, rows.Err()
}

// Backlog sums up what is not done.
func (s *Store) Backlog(ctx context.Context, now time.Time) ([]store.Backlog, error) {
	rows, err := s.read.QueryContext(ctx, `
SELECT kind,
    count(CASE WHEN stuck = 0 AND run_at > ?1 AND lease <= ?1 THEN 1 END),
    count(CASE WHEN stuck = 0 AND (run_at <= ?1 OR lease > ?1) THEN 1 END),
    count(CASE WHEN stuck = 0 AND attempt > 0 THEN 1 END),
    count(CASE WHEN stuck = 1 THEN 1 END),
    coalesce(min(CASE WHEN stuck = 0 AND origin_at > 0 AND (run_at <= ?1 OR lease > ?1 OR attempt > 0) THEN origin_at END), 0)
FROM work WHERE want > done GROUP BY kind ORDER BY kind`, millis(now))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []store.Backlog
	for rows.Next() {
		var b store.Backlog
		var oldest int64
		if err := rows.Scan(&b.Kind, &b.Waiting, &b.Due, &b.Failing, &b.Stuck, &oldest); err != nil {
			return nil, err
		}
		b.Oldest = moment(oldest)
		out = append(out, b)
	}
	return out, rows.Err()
}

// Drop forgets a row.
func (s *Store) Drop(ctx context.Context, kind, key string) error {
	_, err := s.exec(ctx, `DELETE FROM work WHERE kind = ? AND key = ?`, kind, key)
	return err
}

// Release frees leases.
func (s *Store) Release(ctx context.Context, owner string) error {
	_, err := s.exec(ctx, `UPDATE work SET owner = '', lease = 0 WHERE lease > 0 AND (? = '' OR owner = ?)`, owner, owner)
	s.wake()
	return err
}

// Every queues work once for each name and slot.
func (s *Store) Every(ctx context.Context, name string, slot time.Time, work ...store.Work) (bool, error) {
	mine := false
	err := s.write.write(ctx, func(ctx context.Context, tx *statements) error {
		res, err := tx.ExecContext(ctx, `INSERT INTO periodic (name, slot) VALUES (?, ?) ON CONFLICT DO NOTHING`, name, millis(slot))
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if mine = n > 0; err != nil || !mine {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM periodic WHERE name = ? AND slot < ?`, name, millis(slot.Add(-7*24*time.Hour))); err != nil {
			return err
		}
		return enqueue(ctx, tx, work, "")
	})
	if err != nil {
		return false, err
	}
	s.wake()
	return mine, nil
}

// Last is the last slot of a name.
func (s *Store) Last(ctx context.Context, name string) (time.Time, error) {
	var ms sql.NullInt64
	err := s.read.QueryRowContext(ctx, `SELECT max(slot) FROM periodic WHERE name = ?`, name).Scan(&ms)
	return moment(ms.Int64), err
}

// Time is the machine's: the file has no other.
func (s *Store) Time(context.Context) (time.Time, error) { return time.Now(), nil }

// Get returns a document.
func (s *Store) Get(ctx context.Context, kind, key string) (store.Document, error) {
	return s.kept.get(store.Document{Kind: kind, Key: key}, func(d store.Document) (store.Document, error) {
		var updated int64
		err := s.read.QueryRowContext(ctx, `SELECT rev, body, updated FROM document WHERE kind = ? AND key = ?`, kind, key).Scan(&d.Rev, &d.Body, &updated)
		if errors.Is(err, sql.ErrNoRows) {
			return d, nil
		}
		d.Updated = moment(updated)
		return d, err
	})
}

// Put writes documents and queues work.
func (s *Store) Put(ctx context.Context, docs []store.Document, work []store.Work) error {
	err := s.write.writeThen(ctx, func(ctx context.Context, tx *statements) error {
		for _, d := range docs {
			if err := put(ctx, tx, d); err != nil {
				return err
			}
		}
		return enqueue(ctx, tx, work, "")
	}, func() { s.kept.put(docs) })
	if err != nil && len(docs) > 0 {
		s.kept.forget(docs...)
	}
	if len(work) > 0 {
		s.wake()
	}
	return err
}

func put(ctx context.Context, tx *statements, d store.Document) error {
	var res sql.Result
	var err error
	switch {
	case d.Body == nil:
		if d.Rev == 0 {
			return nil
		}
		res, err = tx.ExecContext(ctx, `DELETE FROM document WHERE kind = ? AND key = ? AND rev = ?`, d.Kind, d.Key, d.Rev)
	case d.Rev == 0:
		res, err = tx.ExecContext(ctx, `INSERT INTO document (kind, key, rev, body, updated) VALUES (?, ?, 1, ?, ?) ON CONFLICT DO NOTHING`, d.Kind, d.Key, d.Body, millis(d.Updated))
	default:
		res, err = tx.ExecContext(ctx, `UPDATE document SET rev = rev + 1, body = ?, updated = ? WHERE kind = ? AND key = ? AND rev = ?`, d.Body, millis(d.Updated), d.Kind, d.Key, d.Rev)
	}
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		err = store.ErrConflict
	}
	return err
}

// List returns documents by key prefix.
func (s *Store) List(ctx context.Context, kind, prefix string) ([]store.Document, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT key, rev, body, updated FROM document WHERE kind = ? AND key >= ? AND key < ? ORDER BY key`, kind, prefix, store.Beyond(prefix))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []store.Document
	for rows.Next() {
		d := store.Document{Kind: kind}
		var updated int64
		if err := rows.Scan(&d.Key, &d.Rev, &d.Body, &updated); err != nil {
			return nil, err
		}
		d.Updated = moment(updated)
		out = append(out, d)
	}
	return out, rows.Err()
}

// Log appends to the audit log.
func (s *Store) Log(ctx context.Context, a store.Audit) (bool, error) {
	n, err := s.exec(ctx, `INSERT INTO audit (at, repo, pull, actor, action, detail, key) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING`,
		millis(a.At), a.Repo, a.Pull, a.Actor, a.Action, a.Detail, a.Key)
	return n > 0, err
}

// Audits lists the audit log.
func (s *Store) Audits(ctx context.Context, repo string, after int64, limit int) ([]store.Audit, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT seq, at, repo, pull, actor, action, detail, key FROM audit WHERE seq > ? AND (? = '' OR repo = ?) ORDER BY seq LIMIT ?`, after, repo, repo, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []store.Audit
	for rows.Next() {
		var a store.Audit
		var at int64
		if err := rows.Scan(&a.Seq, &at, &a.Repo, &a.Pull, &a.Actor, &a.Action, &a.Detail, &a.Key); err != nil {
			return nil, err
		}
		a.At = moment(at)
		out = append(out, a)
	}
	return out, rows.Err()
}

// pingEvery is for how long a write that succeeded shows that the next would: anybody may ask whether the server is ready.
const pingEvery = 5 * time.Second

// Ping writes, since a disk that is full or has become read-only tells nothing before.
func (s *Store) Ping(ctx context.Context) error {
	if time.Since(time.Unix(0, s.pinged.Load())) < pingEvery {
		_, err := s.exec(ctx, `UPDATE periodic SET slot = slot WHERE 0`) // the writer answers
		return err
	}
	_, err := s.exec(ctx, `INSERT OR REPLACE INTO periodic (name, slot) VALUES ('ping', 0)`)
	if err == nil {
		s.pinged.Store(time.Now().UnixNano())
	}
	return err
}

// Notify tells that work may have become due.
func (s *Store) Notify() <-chan struct{} { return s.notify }

func (s *Store) wake() {
	select {
	case s.notify <- struct{}{}:
	default:
	}
}
