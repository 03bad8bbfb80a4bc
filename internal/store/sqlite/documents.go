package sqlite

import (
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/relbot/relbot/internal/store"
)

const (
	keptDocuments = 4096     // in memory
	keptSize      = 16 << 10 // bytes of the largest of them
)

// documents keeps the documents in memory that were used last. The file belongs to this process, so that what it has committed is what stands
// there. A nil one keeps nothing.
type documents struct {
	mu    sync.Mutex
	used  *simplelru.LRU[name, store.Document]
	round int64 // of commits: what was read before one may be older than it
}

type name struct{ kind, key string }

func newDocuments() *documents {
	used, err := simplelru.NewLRU[name, store.Document](keptDocuments, nil)
	if err != nil {
		panic(err) // the size is positive
	}
	return &documents{used: used}
}

// get returns a document from memory, or else reads it. d has its name.
func (k *documents) get(d store.Document, read func(store.Document) (store.Document, error)) (store.Document, error) {
	if k == nil {
		return read(d)
	}
	of := name{d.Kind, d.Key}
	k.mu.Lock()
	kept, ok := k.used.Get(of)
	round := k.round
	k.mu.Unlock()
	if ok {
		return kept, nil
	}
	d, err := read(d)
	if err != nil {
		return d, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.round == round {
		k.keep(of, d)
	}
	return d, nil
}

// put keeps documents that were written, in the order of commits. They hold the revisions that they were written over.
func (k *documents) put(docs []store.Document) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.round++
	for _, d := range docs {
		of := name{d.Kind, d.Key}
		if d.Body == nil {
			k.used.Remove(of)
			continue
		}
		d.Rev, d.Updated = d.Rev+1, moment(millis(d.Updated))
		k.keep(of, d)
	}
}

// forget has documents read again of which it is not certain what stands in the file: a write failed, so that somebody else may have been at
// them. Without any it forgets all.
func (k *documents) forget(docs ...store.Document) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.round++
	for _, d := range docs {
		k.used.Remove(name{d.Kind, d.Key})
	}
	if len(docs) == 0 {
		k.used.Purge()
	}
}

func (k *documents) keep(of name, d store.Document) {
	if len(d.Body) > keptSize {
		k.used.Remove(of)
		return
	}
	k.used.Add(of, d)
}
