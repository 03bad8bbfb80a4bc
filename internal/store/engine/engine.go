// Package engine opens the store that a database URL names.
package engine

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/store/postgres"
	"github.com/relbot/relbot/internal/store/sqlite"
)

// Open opens "sqlite:PATH" ("sqlite::memory:" is a temporary database) or "postgres://…".
func Open(ctx context.Context, address string) (store.Store, error) {
	kind, rest, _ := strings.Cut(address, ":")
	switch {
	case kind == "sqlite" && rest != "":
		return sqlite.Open(ctx, strings.TrimPrefix(rest, "//"))
	case kind == "postgres" || kind == "postgresql":
		return postgres.Open(ctx, address)
	}
	return nil, fmt.Errorf("database %q: want sqlite:PATH or postgres://USER@HOST/NAME", redacted(address))
}

// Log is what can be read of a store beside a running server.
type Log interface {
	Audits(ctx context.Context, repo string, after int64, limit int) ([]store.Audit, error)
	Close() error
}

// OpenLog opens a store for reading its audit log.
func OpenLog(ctx context.Context, address string) (Log, error) {
	if path, ok := strings.CutPrefix(address, "sqlite:"); ok && path != "" {
		return sqlite.OpenLog(ctx, strings.TrimPrefix(path, "//"))
	}
	return Open(ctx, address)
}

// Check says whether a store could be opened, without changing anything, also while a server has it open. A file that is not there yet
// can be made.
func Check(ctx context.Context, address string) error {
	path, ok := strings.CutPrefix(address, "sqlite:")
	if !ok {
		return postgres.Check(ctx, address)
	}
	path = strings.TrimPrefix(path, "//")
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		if _, err := os.Stat(filepath.Dir(path)); err != nil {
			return fmt.Errorf("database %s: its directory: %w", path, err)
		}
		return nil
	}
	log, err := sqlite.OpenLog(ctx, path)
	if err != nil {
		return err
	}
	return log.Close()
}

// redacted hides the password of a URL.
func redacted(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Redacted()
	}
	return address
}
