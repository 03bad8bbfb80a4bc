package sqldb

import (
	"context"

	"github.com/relbot/relbot/internal/store"
)

// Get returns a document, or one with revision 0.
func (d *DB) Get(ctx context.Context, kind, key string) (store.Document, error) {
	out := store.Document{Kind: kind, Key: key}
	var updated int64
	_, err := One(ctx, d.conn, []any{&out.Rev, &out.Body, &updated}, `SELECT rev, body, updated FROM document WHERE kind = $1 AND key = $2`, kind, key)
	out.Updated = Moment(updated)
	return out, err
}

// List returns the documents of a kind whose key has the prefix.
func (d *DB) List(ctx context.Context, kind, prefix string) ([]store.Document, error) {
	return All(ctx, d.conn, func(scan Scan) (store.Document, error) {
		out := store.Document{Kind: kind}
		var updated int64
		err := scan(&out.Key, &out.Rev, &out.Body, &updated)
		out.Updated = Moment(updated)
		return out, err
	}, `SELECT key, rev, body, updated FROM document WHERE kind = $1 AND key >= $2 AND key < $3 ORDER BY key`, kind, prefix, beyond(prefix))
}

// beyond returns the first text behind all keys with a prefix: no key has the last of all code points. Engines compare keys by their bytes.
func beyond(prefix string) string { return prefix + "\U0010FFFF" }

// Write returns the statement that writes a document, "" when there is nothing to write. It changes no row when the stored revision is another
// than the document's: that is [store.ErrConflict].
func Write(d store.Document) (text string, args []any) {
	switch {
	case d.Body == nil && d.Rev == 0:
		return "", nil
	case d.Body == nil:
		return `DELETE FROM document WHERE kind = $1 AND key = $2 AND rev = $3`, []any{d.Kind, d.Key, d.Rev}
	case d.Rev == 0:
		return `INSERT INTO document (kind, key, rev, body, updated) VALUES ($1, $2, 1, $3, $4) ON CONFLICT DO NOTHING`, []any{d.Kind, d.Key, d.Body, Millis(d.Updated)}
	}
	return `UPDATE document SET rev = rev + 1, body = $1, updated = $2 WHERE kind = $3 AND key = $4 AND rev = $5`, []any{d.Body, Millis(d.Updated), d.Kind, d.Key, d.Rev}
}
