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

// Open opens "sqlite:PATH" ("sqlite::memory:" is a temporary database) or "postgres://…", as a server does: it is made and migrated where
// needed.
func Open(ctx context.Context, address string) (store.Database, error) {
	return open(ctx, address, sqlite.Open, postgres.Open)
}

// Maintain opens a database as its only user, and leaves it as it is.
func Maintain(ctx context.Context, address string) (store.Database, error) {
	return open(ctx, address, sqlite.Maintain, postgres.Maintain)
}

// Attach opens a database that is there and up to date, while servers may be running on it.
func Attach(ctx context.Context, address string) (store.Database, error) {
	db, err := Look(ctx, address)
	if err != nil {
		return nil, err
	}
	if err := store.Current(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// Look opens a database that is there, of whatever schema this program knows, while servers may be running on it.
func Look(ctx context.Context, address string) (store.Database, error) {
	return open(ctx, address, sqlite.Attach, postgres.Attach)
}

func open[S, P store.Database](ctx context.Context, address string, file func(context.Context, string) (S, error), server func(context.Context, string) (P, error)) (store.Database, error) {
	kind, rest, _ := strings.Cut(address, ":")
	switch {
	case kind == "sqlite" && rest != "":
		return opened(file(ctx, strings.TrimPrefix(rest, "//")))
	case kind == "postgres" || kind == "postgresql":
		return opened(server(ctx, address))
	}
	return nil, fmt.Errorf("database %q: want sqlite:PATH or postgres://USER@HOST/NAME", redacted(address))
}

// opened keeps a nil pointer from becoming an interface that is not nil.
func opened[D store.Database](d D, err error) (store.Database, error) {
	if err != nil {
		return nil, err
	}
	return d, nil
}

// Check says whether a store could be opened, without changing anything, also while a server has it open. A file that is not there yet
// can be made.
func Check(ctx context.Context, address string) error {
	if path, ok := strings.CutPrefix(address, "sqlite:"); ok {
		path = strings.TrimPrefix(path, "//")
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			if _, err := os.Stat(filepath.Dir(path)); err != nil {
				return fmt.Errorf("database %s: its directory: %w", path, err)
			}
			return nil
		}
	}
	db, err := Look(ctx, address)
	if err != nil {
		return err
	}
	return db.Close()
}

// redacted hides the password of a URL.
func redacted(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Redacted()
	}
	return address
}
