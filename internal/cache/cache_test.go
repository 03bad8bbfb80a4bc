package cache

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func openAt(t *testing.T, o Options) *Cache {
	t.Helper()
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

type thing struct {
	Name  string
	Count int
}

func TestKeepsOverRestarts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	c := openAt(t, Options{Path: path})
	Add(c, "a", thing{"x", 3})
	Add(c, "b", false)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = openAt(t, Options{Path: path})
	if v, ok := Get[thing](c, "a"); !ok || v != (thing{"x", 3}) {
		t.Errorf("got %v %v", v, ok)
	}
	if v, ok := Get[bool](c, "b"); !ok || v {
		t.Errorf("got %v %v", v, ok)
	}
	if _, ok := Get[bool](c, "c"); ok {
		t.Error("found what nobody added")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	const limit = 4 << 20
	for range 2 { // more than once: room is used again
		c := openAt(t, Options{Path: path, Bytes: limit})
		text := strings.Repeat("x", 10_000)
		for i := range 2000 {
			Add(c, fmt.Sprint("k", i), text)
			if i%100 == 99 {
				for len(c.pending) > 0 { // what is dropped would prove nothing
				}
			}
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 2*limit || info.Size() < limit/4 {
		t.Errorf("the file has %d bytes, the bound is %d: %v", info.Size(), limit, err)
	}
}

func TestDamagedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	c := openAt(t, Options{Path: path})
	if c.db == nil {
		t.Error("a damaged file was not replaced")
	}
	Add(c, "a", 1)
	if v, ok := Get[int](c, "a"); !ok || v != 1 {
		t.Error("nothing is kept")
	}
}

func TestNoRoom(t *testing.T) {
	c := openAt(t, Options{Path: filepath.Join(t.TempDir(), "no", "such", "directory", "c.db")})
	Add(c, "a", 1)
	if v, ok := Get[int](c, "a"); !ok || v != 1 {
		t.Error("without a file nothing is kept in memory")
	}
}
