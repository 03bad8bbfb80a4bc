package memory

import (
	"hash/maphash"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/relbot/relbot/internal/store"
)

// What is decoded again and again is kept decoded, as long as its text stays the same.
const (
	maxRepos    = 512
	maxOverlays = 128
	maxPolicies = 512
)

// cache keeps documents of one kind decoded. The zero value keeps nothing.
type cache[T any] struct {
	seed   maphash.Seed
	finish func(*T)                       // after decoding; it may be nil
	recent *lru.Cache[string, decoded[T]] // those that were read one by one; nil for none

	listed bool // keep those of the last list of all
	mu     sync.Mutex
	list   map[string]decoded[T]
}

// decoded is a document in its decoded form, with the checksum of its text.
type decoded[T any] struct {
	sum uint64
	v   *T
}

// shared has the table keep decoded documents: all of the last list of all, and up to recent of those that were read one by one.
func (t *Table[K, T]) shared(recent int, finish func(*T)) *Table[K, T] {
	t.cache.seed, t.cache.listed, t.cache.finish = maphash.MakeSeed(), true, finish
	if recent > 0 {
		t.cache.recent, _ = lru.New[string, decoded[T]](recent) // of a positive size
	}
	return t
}

// of decodes a document. Where it is kept it is decoded only when its text changed.
func (c *cache[T]) of(known decoded[T], d store.Document, kept bool) (decoded[T], error) {
	var sum uint64
	if kept {
		if sum = maphash.Bytes(c.seed, d.Body); known.v != nil && known.sum == sum {
			return known, nil
		}
	}
	known = decoded[T]{sum, new(T)}
	err := decode(d, known.v)
	if err == nil && c.finish != nil {
		c.finish(known.v)
	}
	return known, err
}

// one decodes a document that was read by itself.
func (c *cache[T]) one(d store.Document) (v T, err error) {
	var known decoded[T]
	if c.recent != nil {
		known, _ = c.recent.Get(d.Key)
	}
	if known, err = c.of(known, d, c.recent != nil); err != nil {
		return v, err
	}
	if c.recent != nil {
		c.recent.Add(d.Key, known)
	}
	return *known.v, nil
}

// many decodes documents that were listed.
func (c *cache[T]) many(docs []store.Document) ([]T, error) {
	out := make([]T, len(docs))
	for i, d := range docs {
		one, err := c.of(decoded[T]{}, d, false)
		if err != nil {
			return nil, err
		}
		out[i] = *one.v
	}
	return out, nil
}

// all decodes a list of all documents of the kind.
func (c *cache[T]) all(docs []store.Document) ([]T, error) {
	if !c.listed {
		return c.many(docs)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	fresh, out := make(map[string]decoded[T], len(docs)), make([]T, len(docs))
	for i, d := range docs {
		one, err := c.of(c.list[d.Key], d, true)
		if err != nil {
			return nil, err
		}
		fresh[d.Key], out[i] = one, *one.v
	}
	c.list = fresh
	return out, nil
}
