// Package sqldb holds the SQL that both engines share: everything that reads, the documents, the audit log, and the slots of timers.
//
// Both drivers accept parameters as $1, $2, …, so that one text serves both. What differs stays in the engine: how work is queued, claimed and
// released, how a transaction is made, and how long a call may take. Both read side and documents were once written twice, and differed in
// nothing but their parameters.
package sqldb

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/relbot/relbot/internal/store"
)

// Scan reads the columns of a row.
type Scan func(into ...any) error

// Reader runs a query and calls row for each row of its result.
type Reader interface {
	Query(ctx context.Context, text string, args []any, row func(Scan) error) error
}

// Writer runs one statement and returns how many rows it changed.
type Writer interface {
	Exec(ctx context.Context, text string, args ...any) (int, error)
}

// Conn is an engine's database.
type Conn interface {
	Reader
	Writer
}

// Rows is what both drivers return for a query.
type Rows interface {
	Next() bool
	Scan(into ...any) error
	Err() error
}

// Each calls row for each of rows. The caller closes them.
func Each(rows Rows, row func(Scan) error) error {
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// All returns what read makes of each row of a query.
func All[T any](ctx context.Context, r Reader, read func(Scan) (T, error), text string, args ...any) ([]T, error) {
	var out []T
	err := r.Query(ctx, text, args, func(scan Scan) error {
		v, err := read(scan)
		out = append(out, v)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// One reads the only row of a query, and reports whether there was one.
func One(ctx context.Context, r Reader, into []any, text string, args ...any) (bool, error) {
	found := false
	err := r.Query(ctx, text, args, func(scan Scan) error {
		found = true
		return scan(into...)
	})
	return found, err
}

// Millis returns a time as the tables keep it; 0 is none.
func Millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// Moment returns a time that [Millis] made.
func Moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// Cause returns an error's text as a row keeps it: bounded, and text in every engine.
func Cause(text string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text[:min(len(text), 2000)], "\x00", ""), "")
}

// Migrations returns the names of the schema's steps, in order.
func Migrations(files fs.FS) []string {
	names, err := fs.Glob(files, "migration/*.sql")
	if err != nil {
		panic(err) // the pattern is well formed
	}
	slices.Sort(names)
	return names
}

// Export calls row for all rows of all tables.
func Export(ctx context.Context, r Reader, row func(store.Row) error) error {
	for _, t := range store.Tables {
		err := r.Query(ctx, t.Select(), nil, func(scan Scan) error {
			values, into := t.Scan()
			if err := scan(into...); err != nil {
				return err
			}
			return row(store.Row{Table: t.Name, Values: values()})
		})
		if err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
	}
	return nil
}

// DB is the part of a [store.Store] that both engines share. They embed it.
type DB struct {
	conn  Conn
	zip   *zstd.Encoder
	unzip *zstd.Decoder
}

// New returns the shared part of an engine.
func New(conn Conn) (*DB, error) {
	zip, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2))
	if err != nil {
		return nil, err
	}
	unzip, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	return &DB{conn, zip, unzip}, nil
}

// Pack compresses a payload as the table of deliveries keeps it.
func (d *DB) Pack(payload []byte) []byte {
	return d.zip.EncodeAll(payload, make([]byte, 0, len(payload)/4))
}

// Delivery returns an accepted delivery.
func (d *DB) Delivery(ctx context.Context, guid string) (store.Delivery, error) {
	out := store.Delivery{GUID: guid}
	var received int64
	var packed []byte
	found, err := One(ctx, d.conn, []any{&out.Event, &received, &packed}, `SELECT event, received, payload FROM delivery WHERE guid = $1`, guid)
	if err == nil && !found {
		err = store.ErrNotFound
	}
	if err != nil {
		return out, err
	}
	out.Received = Moment(received)
	out.Payload, err = d.unzip.DecodeAll(packed, nil)
	return out, err
}

// Last returns the last slot of a name.
func (d *DB) Last(ctx context.Context, name string) (time.Time, error) {
	var ms int64
	_, err := One(ctx, d.conn, []any{&ms}, `SELECT coalesce(max(slot), 0) FROM periodic WHERE name = $1`, name)
	return Moment(ms), err
}

// slots is for how long the slots of a timer are kept.
const slots = 7 * 24 * time.Hour

// Slot takes a slot of a timer, as a part of a transaction, and reports whether nobody had taken it.
func Slot(ctx context.Context, w Writer, name string, slot time.Time) (bool, error) {
	n, err := w.Exec(ctx, `INSERT INTO periodic (name, slot) VALUES ($1, $2) ON CONFLICT DO NOTHING`, name, Millis(slot))
	if err != nil || n == 0 {
		return false, err
	}
	_, err = w.Exec(ctx, `DELETE FROM periodic WHERE name = $1 AND slot < $2`, name, Millis(slot.Add(-slots)))
	return true, err
}

// Log appends to the audit log.
func (d *DB) Log(ctx context.Context, a store.Audit) (bool, error) {
	n, err := d.conn.Exec(ctx, `INSERT INTO audit (at, repo, pull, actor, action, detail, key) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (key) DO NOTHING`,
		Millis(a.At), a.Repo, a.Pull, a.Actor, a.Action, a.Detail, a.Key)
	return n > 0, err
}

// Audits lists the audit log.
func (d *DB) Audits(ctx context.Context, repo string, after int64, limit int) ([]store.Audit, error) {
	return All(ctx, d.conn, func(scan Scan) (a store.Audit, err error) {
		var at int64
		err = scan(&a.Seq, &at, &a.Repo, &a.Pull, &a.Actor, &a.Action, &a.Detail, &a.Key)
		a.At = Moment(at)
		return a, err
	}, `SELECT seq, at, repo, pull, actor, action, detail, key FROM audit WHERE seq > $1 AND ($2 = '' OR repo = $2) ORDER BY seq LIMIT $3`, after, repo, limit)
}
