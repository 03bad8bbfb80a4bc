// Package engine opens the store that a database URL names.
package engine

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/store/sqlite"
)

// Open opens "sqlite:PATH" ("sqlite::memory:" is a temporary database) or "postgres://…".
func Open(ctx context.Context, address string) (store.Store, error) {
	if path, ok := strings.CutPrefix(address, "sqlite:"); ok && path != "" {
		return sqlite.Open(ctx, strings.TrimPrefix(path, "//"))
	}
	return nil, fmt.Errorf("database %q: want sqlite:PATH or postgres://USER@HOST/NAME", redacted(address))
}

// redacted hides the password of a URL.
func redacted(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Redacted()
	}
	return address
}
