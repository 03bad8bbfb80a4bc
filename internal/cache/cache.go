// Package cache keeps facts that never change (a blob's text, whether a commit contains another), in memory and on disk.
//
// Since what a key means never changes, nothing is ever invalidated; the cache is bounded by forgetting what was not used for the longest time.
// On disk it is an SQLite file of its own, without durability: what a crash loses is read again. A file that is damaged, full or
// locked costs speed and no answer: the cache goes on in memory and says so once.
//
// The program has SQLite at hand already, and the memory is golang-lru's. Key-value stores (bbolt, badger) were left: they would be a second
// engine, and neither forgets what was not used. Directories of small files were left too: a history of a thousand tags has thousands of
// entries of a few bytes.
package cache

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// Options bound a cache.
type Options struct {
	Path  string // of the file; "" keeps everything in memory
	Bytes int64  // on disk; 0 is [DefaultBytes]
	Log   *slog.Logger
}

// DefaultBytes bounds the file when nothing else does.
const DefaultBytes = 512 << 20

// In memory there are many small entries (up to small bytes), fewer large ones, and of the latter only those up to large bytes.
const (
	small, smallEntries = 1 << 10, 200_000
	large, largeEntries = 256 << 10, 4_000
)

// Cache is safe for concurrent use.
type Cache struct {
	small, large *lru.Cache[string, any]
	log          *slog.Logger
	bytes        int64

	db      *sql.DB
	broken  atomic.Bool
	pending chan entry
	done    sync.WaitGroup
	closing sync.Once
}

// entry is a write to come; no body only notes a use.
type entry struct {
	key  string
	body []byte
}

// Open opens a cache. It does not fail for want of a usable file: then it keeps to memory.
func Open(o Options) (*Cache, error) {
	if o.Bytes == 0 {
		o.Bytes = DefaultBytes
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	few, err := lru.New[string, any](largeEntries)
	if err != nil {
		return nil, err
	}
	many, err := lru.New[string, any](smallEntries)
	if err != nil {
		return nil, err
	}
	c := &Cache{small: many, large: few, log: o.Log, bytes: o.Bytes}
	if o.Path == "" {
		return c, nil
	}
	if c.db, err = open(o.Path); err != nil { // damaged, or of another program's making
		if err = errors.Join(remove(o.Path), err); err == nil || !errors.Is(err, fs.ErrPermission) {
			c.db, err = open(o.Path)
		}
	}
	if err != nil {
		c.log.Warn("the cache on disk cannot be used; reads are kept in memory alone", "path", o.Path, "error", err)
		return c, nil
	}
	c.pending = make(chan entry, 8192)
	c.done.Go(c.write)
	return c, nil
}

func remove(path string) error {
	var failed error
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

func open(path string) (*sql.DB, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) // private repositories' texts are in it
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	q := url.Values{"_pragma": {"busy_timeout(2000)", "journal_mode(WAL)", "synchronous(OFF)", "auto_vacuum(INCREMENTAL)"}, "_txlock": {"immediate"}}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: path, RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(4)
	_, err = db.Exec(`CREATE TABLE IF NOT EXISTS entry (key TEXT PRIMARY KEY, day INTEGER NOT NULL, body BLOB NOT NULL);
		CREATE INDEX IF NOT EXISTS entry_day ON entry (day);`)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// Close writes what is still to be written. The cache must not be used any more.
func (c *Cache) Close() error {
	if c.db == nil {
		return nil
	}
	var err error
	c.closing.Do(func() {
		close(c.pending)
		c.done.Wait()
		err = c.db.Close()
	})
	return err
}

// Get looks up what was added under a key with the same type.
func Get[T any](c *Cache, key string) (T, bool) {
	var out T
	v, ok := c.small.Get(key)
	if !ok {
		v, ok = c.large.Get(key)
	}
	if ok {
		t, ok := v.(T)
		return t, ok
	}
	if c.db == nil || c.broken.Load() {
		return out, false
	}
	var body []byte
	var day int64
	err := c.db.QueryRow(`SELECT body, day FROM entry WHERE key = ?`, key).Scan(&body, &day)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return out, false
	case err != nil:
		c.fail(err)
		return out, false
	}
	if err := json.Unmarshal(body, &out); err != nil { // written by another version
		return *new(T), false
	}
	c.remember(key, out, len(body))
	if day != today() {
		c.queue(entry{key: key})
	}
	return out, true
}

// Add keeps a value under a key that never means anything else. The value must survive JSON.
func Add[T any](c *Cache, key string, value T) {
	body, err := json.Marshal(value)
	if err != nil {
		return
	}
	c.remember(key, value, len(body))
	if c.db != nil && !c.broken.Load() {
		c.queue(entry{key, body})
	}
}

func (c *Cache) remember(key string, value any, size int) {
	switch {
	case size <= small:
		c.small.Add(key, value)
	case size <= large || c.db == nil:
		c.large.Add(key, value)
	}
}

// queue hands a write over; when too many wait it is dropped, and the next read of it asks GitHub.
func (c *Cache) queue(e entry) {
	select {
	case c.pending <- e:
	default:
	}
}

func (c *Cache) fail(err error) {
	if !c.broken.Swap(true) {
		c.log.Warn("the cache on disk failed; reads are kept in memory alone from here on", "error", err)
	}
}

func today() int64 { return time.Now().Unix() / (24 * 60 * 60) }

// maxBatch is how many writes go into one transaction.
const maxBatch = 1000

// write takes writes over until the cache is closed, many in one transaction.
func (c *Cache) write() {
	var size int64
	if err := c.db.QueryRow(`SELECT coalesce(sum(length(body)), 0) FROM entry`).Scan(&size); err != nil {
		c.fail(err)
	}
	for first := range c.pending {
		batch := []entry{first}
	collect:
		for len(batch) < maxBatch {
			select {
			case e, ok := <-c.pending:
				if !ok {
					break collect
				}
				batch = append(batch, e)
			default:
				break collect
			}
		}
		if c.broken.Load() {
			continue
		}
		added, err := c.store(batch)
		if err == nil {
			if size += added; size > c.bytes {
				size, err = c.forget(size)
			}
		}
		if err != nil {
			c.fail(err)
		}
	}
}

func (c *Cache) store(batch []entry) (added int64, err error) {
	tx, err := c.db.BeginTx(context.Background(), nil)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, ignoreDone(tx.Rollback())) }()
	for _, e := range batch {
		if e.body == nil {
			if _, err := tx.Exec(`UPDATE entry SET day = ? WHERE key = ?`, today(), e.key); err != nil {
				return 0, err
			}
			continue
		}
		done, err := tx.Exec(`INSERT INTO entry (key, day, body) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, e.key, today(), e.body)
		if err != nil {
			return 0, err
		}
		if n, err := done.RowsAffected(); err == nil && n > 0 {
			added += int64(len(e.body))
		}
	}
	return added, tx.Commit()
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

// forget deletes what was not used for the longest time until a fifth of the room is free.
func (c *Cache) forget(size int64) (int64, error) {
	for size > c.bytes/5*4 {
		freed, err := c.delete(size - c.bytes/5*4)
		if err != nil {
			return size, err
		}
		if size -= freed; freed == 0 {
			break
		}
	}
	if _, err := c.db.Exec(`PRAGMA incremental_vacuum`); err != nil {
		return size, fmt.Errorf("vacuum: %w", err)
	}
	return size, nil
}

// delete deletes some hundreds of the oldest entries, or fewer where they free enough; of those that were last used on one day the
// first written go first.
func (c *Cache) delete(enough int64) (freed int64, err error) {
	rows, err := c.db.Query(`DELETE FROM entry WHERE rowid IN (
		SELECT rowid FROM (SELECT rowid, sum(length(body)) OVER (ORDER BY day, rowid) - length(body) AS before
			FROM (SELECT rowid, day, body FROM entry ORDER BY day, rowid LIMIT 500))
		WHERE before < ?) RETURNING length(body)`, enough)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return freed, err
		}
		freed += n
	}
	return freed, rows.Err()
}
