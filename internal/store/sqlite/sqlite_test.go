package sqlite_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/store/sqlite"
	"github.com/relbot/relbot/internal/store/storetest"
)

func TestStore(t *testing.T) {
	dir := t.TempDir()
	storetest.Run(t, func(t *testing.T, name string) store.Store {
		s, err := sqlite.Open(t.Context(), filepath.Join(dir, name+".db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	})
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
