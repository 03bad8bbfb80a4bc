package store

import (
	"context"
	"slices"
	"time"
)

// Dated is a store that dates the documents that are written through it, by a clock.
func Dated(s Store, now func() time.Time) Store { return dated{s, now} }

type dated struct {
	Store
	now func() time.Time
}

func (d dated) Put(ctx context.Context, docs []Document, work []Work) error {
	docs = slices.Clone(docs)
	for i := range docs {
		docs[i].Updated = d.now()
	}
	return d.Store.Put(ctx, docs, work)
}
