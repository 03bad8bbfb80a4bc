package postgres_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/store/postgres"
	"github.com/relbot/relbot/internal/store/postgres/pgtest"
	"github.com/relbot/relbot/internal/store/sqlite"
	"github.com/relbot/relbot/internal/store/storetest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// databases makes a database for each name.
type databases map[string]string

func (d databases) url(t *testing.T, name string) string {
	if d[name] == "" {
		d[name] = pgtest.URL(t)
	}
	return d[name]
}

func (d databases) open(t *testing.T, name string) store.Store {
	s, err := postgres.Open(t.Context(), d.url(t, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func (d databases) maintain(t *testing.T, name string) store.Database {
	s, err := postgres.Maintain(t.Context(), d.url(t, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestStore(t *testing.T) { storetest.Run(t, databases{}.open) }

func TestMigrations(t *testing.T) {
	d := databases{}
	storetest.Migrations(t, d.maintain, d.open)
}

func TestBackups(t *testing.T) {
	d := databases{}
	storetest.Backups(t, d.maintain, d.maintain, d.open)
}

// TestFromSQLite moves a database from SQLite.
func TestFromSQLite(t *testing.T) {
	d, dir := databases{}, t.TempDir()
	file := func(t *testing.T, name string) store.Database {
		s, err := sqlite.Maintain(t.Context(), filepath.Join(dir, name+".db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	storetest.Backups(t, file, d.maintain, d.open)
}

// TestUpgradeBesideServers holds what happens when a newer program migrates while this one runs. What is under way ends, then nothing more is
// taken, so that no old program writes under a newer schema.
func TestUpgradeBesideServers(t *testing.T) {
	d := databases{}
	old, conn := d.open(t, "shared"), connect(t, d.url(t, "shared"))
	accept := func(guid string) error {
		_, err := old.Accept(t.Context(), store.Delivery{GUID: guid, Event: "push"}, nil)
		return err
	}
	if err := accept("before"); err != nil {
		t.Fatal(err)
	}
	// As a migration of the next version does.
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "ALTER TABLE delivery ADD COLUMN more BIGINT NOT NULL DEFAULT 0"); err != nil {
		t.Fatal(err)
	}
	during := make(chan error)
	go func() { during <- accept("during") }() // waits for the migration's lock
	if _, err := tx.Exec(t.Context(), "INSERT INTO schema_version VALUES (99); NOTIFY relbot_work"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-during; err != nil && !errors.Is(err, store.ErrNewer) {
		t.Errorf("a delivery under way: %v", err)
	}
	for err := accept("after 0"); !errors.Is(err, store.ErrNewer); err = accept("after") {
		if err != nil {
			t.Fatalf("after the migration: %v", err)
		}
	}
	if _, err := old.Claim(t.Context(), time.Now(), "old", time.Minute, 1); !errors.Is(err, store.ErrNewer) {
		t.Errorf("work after the migration: %v", err)
	}
	if err := old.Ping(t.Context()); !errors.Is(err, store.ErrNewer) {
		t.Errorf("ready after the migration: %v", err)
	}
	if _, err := postgres.Open(t.Context(), d.url(t, "shared")); err == nil || !strings.Contains(err.Error(), "its schema 99 is newer than this program knows") {
		t.Errorf("an old program that starts: %v", err)
	}
}

// TestRestoreBesideServers holds that a database is not replaced under a server, nor while it does not listen for a moment.
func TestRestoreBesideServers(t *testing.T) {
	d := databases{}
	server := d.open(t, "shared")
	db := d.maintain(t, "shared")
	refused := func() {
		t.Helper()
		if err := db.Reset(t.Context()); err == nil || !strings.Contains(err.Error(), "servers work on it (1): stop them first") {
			t.Error(err)
		}
	}
	refused()
	admin := connect(t, d.url(t, "shared"))
	const listening = "FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN %'"
	for n := 0; n == 0; { // until it listens
		if err := admin.QueryRow(t.Context(), "SELECT count(pg_terminate_backend(pid)) "+listening).Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	for n := 1; n > 0; {
		if err := admin.QueryRow(t.Context(), "SELECT count(*) "+listening).Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	refused()
	server.Close()
	for db.Reset(t.Context()) != nil { // PostgreSQL notices a moment later
		if t.Context().Err() != nil {
			break
		}
	}
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// TestClockSkew holds that an instance whose own clock is hours wrong takes no lease that another holds, and finds what that has queued. Both go by the database's
// clock. By its own clock it would do harm.
func TestClockSkew(t *testing.T) {
	d := databases{}
	first, second := d.open(t, "shared"), d.open(t, "shared")
	clock := func(s store.Store, skew time.Duration) *store.Clock {
		c, err := store.NewClock(t.Context(), s, func() time.Time { return time.Now().Add(skew) })
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	claim := func(s store.Store, at time.Time) []store.Claimed {
		c, err := s.Claim(t.Context(), at, "owner", time.Minute, 10)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, skew := range []time.Duration{3 * time.Hour, -3 * time.Hour} {
		right, wrong := clock(first, 0), clock(second, skew)
		if err := second.Enqueue(t.Context(), store.Work{Kind: "k", Key: skew.String(), At: wrong.Now()}); err != nil {
			t.Fatal(err)
		}
		held := claim(first, right.Now().Add(time.Second))
		if len(held) != 1 {
			t.Fatalf("skew %v: what the other queued is not found", skew)
		}
		if c := claim(second, wrong.Now()); len(c) > 0 {
			t.Errorf("skew %v: a lease was taken that is held", skew)
		}
		if skew > 0 {
			if c := claim(second, time.Now().Add(skew)); len(c) == 0 {
				t.Error("by its own clock the instance would have taken it: this test shows nothing")
			}
			continue
		}
		if err := first.Done(t.Context(), held[0]); err != nil {
			t.Error(err)
		}
	}
}

// TestLockOrder holds that rows that were claimed together are locked in the order of their keys, as those that are queued together. Else a lease
// that is renewed and work that arrives would lock each other out.
func TestLockOrder(t *testing.T) {
	d := databases{}
	s, other := d.open(t, "shared"), connect(t, d.url(t, "shared"))
	last, first := store.Work{Kind: "k", Key: "Z", Lane: "l"}, store.Work{Kind: "k", Key: "a", Lane: "l"}
	var claimed []store.Claimed
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"Renew", func() error { return s.Renew(t.Context(), claimed, time.Now().Add(time.Hour)) }},
		{"Done", func() error { return s.Done(t.Context(), claimed...) }},
		{"Release", func() error { return s.Release(t.Context(), "owner") }},
	} {
		for _, w := range []store.Work{first, last} { // the other way round
			if err := s.Enqueue(t.Context(), w); err != nil {
				t.Fatal(err)
			}
		}
		if again, err := s.Claim(t.Context(), time.Now(), "owner", time.Minute, 10); err != nil || len(claimed)+len(again) < 2 {
			t.Fatal(again, err)
		} else if len(again) > 0 {
			claimed = again
		}
		tx, err := other.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		lock := func(key string) error {
			_, err := tx.Exec(t.Context(), "SELECT 1 FROM work WHERE key = $1 FOR UPDATE", key)
			return err
		}
		if err := lock("Z"); err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- step.do() }()
		for waiting := 0; waiting == 0; {
			if err := tx.QueryRow(t.Context(), "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()").Scan(&waiting); err != nil {
				t.Fatal(err)
			}
		}
		if err := lock("a"); err != nil {
			t.Errorf("%s holds the later row while it waits for the earlier: %v", step.name, err)
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
	}
}

// TestPassedOver holds that forgetting waits for nobody who is at a row: while it held others, they would lock each other out.
func TestPassedOver(t *testing.T) {
	d := databases{}
	s, other := d.open(t, "shared"), connect(t, d.url(t, "shared"))
	now := time.Now()
	for _, key := range []string{"a", "b"} {
		if err := s.Enqueue(t.Context(), store.Work{Kind: "k", Key: key, Lane: "l", Origin: store.Origin{At: now}}); err != nil {
			t.Fatal(err)
		}
	}
	claimed, err := s.Claim(t.Context(), now, "owner", time.Minute, 10)
	if err != nil || s.Done(t.Context(), claimed...) != nil {
		t.Fatal(claimed, err)
	}
	tx, err := other.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT 1 FROM work WHERE key = 'a' FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Prune(t.Context(), now.Add(time.Hour)); n != 1 || err != nil {
		t.Errorf("pruned %d, %v", n, err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestWokenThoughDeaf holds that an instance that does not hear what is announced at the moment knows of its own work.
func TestWokenThoughDeaf(t *testing.T) {
	d := databases{}
	d.open(t, "shared")
	s, err := postgres.Attach(t.Context(), d.url(t, "shared")) // which never listens
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Enqueue(t.Context(), store.Work{Kind: "k", Key: "1"}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Notify():
	case <-time.After(10 * time.Second):
		t.Error("nobody was woken")
	}
}
