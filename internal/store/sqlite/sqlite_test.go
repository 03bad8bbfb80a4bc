package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/store/sqlite"
	"github.com/relbot/relbot/internal/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, opened(t.TempDir()))
}

// maintained opens databases of a directory.
func maintained(dir string) storetest.Maintain {
	return func(t *testing.T, name string) store.Database {
		s, err := sqlite.Maintain(t.Context(), filepath.Join(dir, name+".db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
}

func opened(dir string) storetest.Open {
	return func(t *testing.T, name string) store.Store {
		s, err := sqlite.Open(t.Context(), filepath.Join(dir, name+".db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
}

func TestMigrations(t *testing.T) {
	dir := t.TempDir()
	storetest.Migrations(t, maintained(dir), opened(dir))
}

func TestBackups(t *testing.T) {
	dir := t.TempDir()
	storetest.Backups(t, maintained(dir), maintained(dir), opened(dir))
}

func TestSecondProcessIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relbot.db")
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := sqlite.Open(t.Context(), path); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second opening: %v", err)
	}
}

// TestNewerSchemaIsRefused holds that a program does not touch what a newer one has made, and says so.
func TestNewerSchemaIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relbot.db")
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	for name, open := range map[string]func(context.Context, string) (*sqlite.Store, error){"Open": sqlite.Open, "Next to": sqlite.Attach} {
		if _, err := open(t.Context(), path); err == nil || !strings.Contains(err.Error(), "its schema 99 is newer than this program knows") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestByAnotherName holds that a file has one owner by whatever name it is opened.
func TestByAnotherName(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "relbot.db"), filepath.Join(dir, "other.db")
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := os.Symlink(path, other); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), other); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second opening: %v", err)
	}
	hard := filepath.Join(dir, "hard.db")
	if err := os.Link(path, hard); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), hard); err == nil || !strings.Contains(err.Error(), "several names") {
		t.Errorf("by a hard link: %v", err)
	}
}

// TestLockRemoved holds that of two processes only one writes when somebody removed the lock.
func TestLockRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relbot.db")
	first, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if err := os.Remove(path + ".lock"); err != nil {
		t.Fatal(err)
	}
	work := store.Work{Kind: "k", Key: "1"}
	if err := first.Enqueue(t.Context(), work); err != nil {
		t.Errorf("alone: %v", err)
	}
	second, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if err := first.Enqueue(t.Context(), work); err == nil || !strings.Contains(err.Error(), "lock file was removed") {
		t.Errorf("the first wrote next to the second: %v", err)
	}
	if err := second.Enqueue(t.Context(), work); err != nil {
		t.Errorf("the second: %v", err)
	}
}

// TestPrivate holds that nobody else may read the database, nor the files next to it.
func TestPrivate(t *testing.T) {
	dir := t.TempDir()
	s, err := sqlite.Open(t.Context(), filepath.Join(dir, "relbot.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", f.Name(), info.Mode(), err)
		}
	}
}

// TestGone holds that nothing is taken in once the file is gone, and that it goes on when the file is back.
func TestGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relbot.db")
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	accept := func(guid string) error {
		_, err := s.Accept(t.Context(), store.Delivery{GUID: guid, Event: "push"}, nil)
		return err
	}
	if err := accept("1"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	if err := accept("2"); err == nil || s.Ping(t.Context()) == nil {
		t.Error("a delivery was taken into a file that is gone")
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := accept("2"); err == nil || !strings.Contains(err.Error(), "another file") {
		t.Errorf("with another file in its place: %v", err)
	}
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	if err := accept("2"); err != nil {
		t.Errorf("after it is back: %v", err)
	}
}

// TestOthersWrite holds that what another process or the upkeep did to a document is seen: at once or after the write that it made fail.
func TestOthersWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relbot.db")
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	other, err := sqlite.Attach(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	put := func(s store.Store, rev int64, body string) error {
		return s.Put(t.Context(), []store.Document{{Kind: "k", Key: "a", Rev: rev, Body: []byte(body)}}, nil)
	}
	if err := errors.Join(put(s, 0, "one"), put(other, 1, "two")); err != nil {
		t.Fatal(err)
	}
	if err := put(s, 1, "three"); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a write over another's: %v", err)
	}
	if d, err := s.Get(t.Context(), "k", "a"); err != nil || d.Rev != 2 || string(d.Body) != "two" {
		t.Errorf("after it: %+v, %v", d, err)
	}
	_, newest, err := s.Schema(t.Context())
	if err = errors.Join(err, s.Reset(t.Context()), s.Migrate(t.Context(), newest)); err != nil {
		t.Fatal(err)
	}
	if d, err := s.Get(t.Context(), "k", "a"); err != nil || d.Rev != 0 {
		t.Errorf("after a reset: %+v, %v", d, err)
	}
}
