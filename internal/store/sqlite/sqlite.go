// Package sqlite keeps what relbot remembers in one SQLite file: the default, for one machine.
//
// All writes go through one connection, in immediate transactions; readers have a pool of their own. They are committed in
// groups: one writer takes whatever has queued up while the last commit ran. So many deliveries and the work in hand share one fsync, and every delivery is on disk before it is acknowledged. The file belongs to one process: a lock file says so,
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
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	_ "modernc.org/sqlite" // the driver

	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/store/sqldb"
)

//go:embed migration/*.sql
var migrations embed.FS

// Store is a [store.Store] in a file.
type Store struct {
	*sqldb.DB
	write   *writer
	read    *reader
	lock    *os.File
	notify  chan struct{}
	closing sync.Once
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

// Attach opens a database that a server may have open at the same time. It is neither made nor
// migrated; a newer schema is refused.
func Attach(ctx context.Context, path string) (*Store, error) {
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
	// Texts of private repositories are for the owner alone. SQLite's own files next to it take its permissions.
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

// checkpointPages is how many pages the log gathers before they go into the file, 32 MB. Pages that change with every delivery go there once
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
	if s.DB, err = sqldb.New(conn{s}); err != nil {
		return err
	}
	s.path = path
	s.file, err = os.Stat(path)
	return err
}

// versions are the schema's steps, in order.
var versions = sqldb.Migrations(migrations)

// Schema is the version of the database, and the newest.
func (s *Store) Schema(ctx context.Context) (have, newest int, err error) {
	_, err = sqldb.One(ctx, reading{s.write}, []any{&have}, "PRAGMA user_version")
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
	lines, err := sqldb.All(ctx, conn{s}, func(scan sqldb.Scan) (line string, err error) { return line, scan(&line) }, "PRAGMA integrity_check")
	return slices.DeleteFunc(lines, func(line string) bool { return line == "ok" }), err
}

// Export reads everything in one transaction, which sees one moment whatever is written meanwhile.
func (s *Store) Export(ctx context.Context, row func(store.Row) error) error {
	alone, err := s.read.Conn(ctx)
	if err != nil {
		return err
	}
	defer alone.Close()
	if _, err := alone.ExecContext(ctx, "BEGIN DEFERRED"); err != nil {
		return err
	}
	defer func() { _, _ = alone.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") }() // nothing was written
	return sqldb.Export(ctx, reading{alone}, row)
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

// reading runs queries on what database/sql offers for it.
type reading struct {
	on interface {
		QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error)
	}
}

func (r reading) Query(ctx context.Context, text string, args []any, row func(sqldb.Scan) error) error {
	rows, err := r.on.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	return sqldb.Each(rows, row)
}

// conn is the database as [sqldb.DB] uses it: the pool reads, and the one writer writes.
type conn struct{ s *Store }

func (c conn) Query(ctx context.Context, text string, args []any, row func(sqldb.Scan) error) error {
	return reading{c.s.read}.Query(ctx, text, args, row)
}

func (c conn) Exec(ctx context.Context, text string, args ...any) (int, error) {
	var n int
	err := c.s.write.write(ctx, func(ctx context.Context, tx *statements) (err error) {
		n, err = tx.Exec(ctx, text, args...)
		return err
	})
	if err != nil {
		return 0, err // the commit failed, perhaps after the statement
	}
	return n, nil
}

// Accept hands a delivery to the writer and waits until it is on disk.
func (s *Store) Accept(ctx context.Context, d store.Delivery, work []store.Work) (bool, error) {
	packed := s.Pack(d.Payload)
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

// there reports an error when the file is no longer the one that was opened, or the lock no longer the one that is held. What is written to a
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
	n, err := tx.Exec(ctx, `INSERT INTO delivery (guid, event, received, payload) VALUES (?, ?, ?, ?) ON CONFLICT (guid) DO NOTHING`,
		d.GUID, d.Event, sqldb.Millis(d.Received), packed)
	if err != nil {
		return false, err
	}
	if n == 0 {
		n, err := tx.Exec(ctx, `UPDATE work SET want = want + 1, stuck = 0, attempt = 0, since = 0, run_at = 0 WHERE guid = ? AND stuck = 1`, d.GUID)
		return n > 0, err
	}
	return true, enqueue(ctx, tx, work, d.GUID)
}

func enqueue(ctx context.Context, tx *statements, work []store.Work, guid string) error {
	for _, w := range work {
		// A row that waits keeps its earliest moment, and so does one that runs and was called for since; others take the new one. A row that runs has a
		// moment before ran until it is called for.
		_, err := tx.Exec(ctx, `
INSERT INTO work (kind, key, lane, want, done, run_at, data, guid, owner, lease, attempt, since, error, stuck, origin_at, origin_event, origin_trace, trail, origin_queued, origin_waited)
VALUES (?1, ?2, ?3, 1, 0, ?4, ?5, ?6, '', 0, 0, 0, '', 0, ?7, ?8, ?9, ?11, ?13, ?14)
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
    origin_queued = CASE WHEN want > done AND lease = 0 AND origin_at > 0 THEN origin_queued ELSE excluded.origin_queued END,
    origin_waited = CASE WHEN want > done AND lease = 0 AND origin_at > 0 THEN origin_waited ELSE excluded.origin_waited END,
    stuck   = 0`, sqldb.Queued(w, guid)...)
		if err != nil {
			return fmt.Errorf("queue %s %s: %w", w.Kind, w.Key, err)
		}
	}
	return nil
}

// Prune forgets old deliveries and work, a few at a time so that the writer is never held for long.
func (s *Store) Prune(ctx context.Context, t time.Time) (int, error) {
	total, err := sqldb.Prune(ctx, conn{s}, t, "")
	if err != nil {
		return total, err
	}
	return total, s.write.exec(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`)
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
		accounts, err := sqldb.Waiting(ctx, reading{tx}, now)
		if err != nil {
			return err
		}
		s.turns.Order(accounts)
		for _, account := range accounts {
			var lane, kind string
			found, err := sqldb.One(ctx, reading{tx}, []any{&lane, &kind}, `
SELECT lane, kind FROM work AS w
WHERE account = ?1 AND want > done AND stuck = 0 AND run_at <= ?2 AND lease <= ?2
  AND NOT EXISTS (SELECT 1 FROM work AS o WHERE o.lane = w.lane AND o.lease > 0 AND o.lease > ?2)
ORDER BY run_at, kind, key LIMIT 1`, account, sqldb.Millis(now))
			if err != nil {
				return err
			}
			if !found {
				continue // all its lanes are held
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

func take(ctx context.Context, tx *statements, lane, kind string, now time.Time, owner string, until time.Time, limit int) ([]store.Claimed, error) {
	return sqldb.All(ctx, reading{tx}, sqldb.Claimed(owner, until), `
UPDATE work SET owner = ?1, lease = ?2, ran = ?5, run_at = min(run_at, ?5 - 1)
WHERE (kind, key) IN (
    SELECT kind, key FROM work
    WHERE lane = ?3 AND kind = ?4 AND want > done AND stuck = 0 AND run_at <= ?5
    ORDER BY run_at, key LIMIT ?6)
RETURNING `+sqldb.ClaimedColumns, owner, sqldb.Millis(until), lane, kind, sqldb.Millis(now), limit)
}

// Renew extends a lease.
func (s *Store) Renew(ctx context.Context, claimed []store.Claimed, until time.Time) error {
	n, err := conn{s}.Exec(ctx, `UPDATE work SET lease = ? WHERE lane = ? AND kind = ? AND owner = ? AND lease > 0`, sqldb.Millis(until), claimed[0].Lane, claimed[0].Kind, claimed[0].Owner)
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
WHERE kind = ? AND key = ? AND owner = ? AND lease > 0`, []any{sqldb.Cause(f.Cause), sqldb.Millis(f.Again),
				c.Want, sqldb.Millis(f.At), sqldb.Millis(f.Again), c.Want, f.Stuck, c.Want, f.Stuck, c.Want, f.Stuck, sqldb.Millis(f.At), c.Kind, c.Key, c.Owner}
	})
}

// give releases claimed rows, and reports [store.ErrLost] when one was no longer held.
func (s *Store) give(ctx context.Context, claimed []store.Claimed, by func(store.Claimed) (text string, args []any)) error {
	var lost bool
	err := s.write.write(ctx, func(ctx context.Context, tx *statements) error {
		lost = false
		for _, c := range claimed {
			text, args := by(c)
			n, err := tx.Exec(ctx, text, args...)
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
	var ms int64
	_, err := sqldb.One(ctx, conn{s}, []any{&ms}, `SELECT coalesce(min(max(run_at, lease, 1)), 0) FROM work WHERE want > done AND stuck = 0
AND (lease > 0 OR lane NOT IN (SELECT lane FROM work WHERE lease > 0))`)
	return sqldb.Moment(ms), err
}

// Release frees leases.
func (s *Store) Release(ctx context.Context, owner string) error {
	_, err := conn{s}.Exec(ctx, `UPDATE work SET owner = '', lease = 0 WHERE lease > 0 AND (? = '' OR owner = ?)`, owner, owner)
	s.wake()
	return err
}

// Every queues work once for each name and slot.
func (s *Store) Every(ctx context.Context, name string, slot time.Time, work ...store.Work) (bool, error) {
	mine := false
	err := s.write.write(ctx, func(ctx context.Context, tx *statements) (err error) {
		if mine, err = sqldb.Slot(ctx, tx, name, slot); err != nil || !mine {
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

// Time is the machine's: the file has no other.
func (s *Store) Time(context.Context) (time.Time, error) { return time.Now(), nil }

// Get returns a document, from memory where it is there.
func (s *Store) Get(ctx context.Context, kind, key string) (store.Document, error) {
	return s.kept.get(store.Document{Kind: kind, Key: key}, func(d store.Document) (store.Document, error) { return s.DB.Get(ctx, d.Kind, d.Key) })
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
	text, args := sqldb.Write(d)
	if text == "" {
		return nil
	}
	n, err := tx.Exec(ctx, text, args...)
	if err == nil && n == 0 {
		err = store.ErrConflict
	}
	return err
}

// pingEvery is for how long a write that succeeded shows that the next would: anybody may ask whether the server is ready.
const pingEvery = 5 * time.Second

// Ping writes, since a disk that is full or has become read-only tells nothing before.
func (s *Store) Ping(ctx context.Context) error {
	if time.Since(time.Unix(0, s.pinged.Load())) < pingEvery {
		_, err := conn{s}.Exec(ctx, `UPDATE periodic SET slot = slot WHERE 0`) // the writer answers
		return err
	}
	_, err := conn{s}.Exec(ctx, `INSERT OR REPLACE INTO periodic (name, slot) VALUES ('ping', 0)`)
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
