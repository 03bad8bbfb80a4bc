package sqlite

import (
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/store/sqldb"
)

// Bytes in memory: of all documents, of the largest that is kept, and what one takes in addition to its name and its body.
const (
	keptBytes   = 64 << 20
	keptLargest = 1 << 20
	keptBeside  = 256
)

// documents keeps the documents in memory that were used last. The file belongs to this process, so that what it has committed is what is there
// there. A nil one keeps nothing.
type documents struct {
	mu    sync.Mutex
	used  *simplelru.LRU[name, store.Document]
	bytes int
	round int64 // of commits: what was read before one may be older than it
}

type name struct{ kind, key string }

func sizeOf(of name, d store.Document) int {
	return len(of.kind) + len(of.key) + len(d.Body) + keptBeside
}

func newDocuments() *documents {
	k := &documents{}
	used, err := simplelru.NewLRU(keptBytes/keptBeside, func(of name, d store.Document) { k.bytes -= sizeOf(of, d) })
	if err != nil {
		panic(err) // the size is positive
	}
	k.used = used
	return k
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
		d.Rev, d.Updated = d.Rev+1, sqldb.Moment(sqldb.Millis(d.Updated))
		k.keep(of, d)
	}
}

// forget has documents read again of which it is not certain what is in the file. A write failed, so that somebody else may have been at
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
	k.used.Remove(of)
	if len(d.Body) > keptLargest {
		return
	}
	k.used.Add(of, d)
	for k.bytes += sizeOf(of, d); k.bytes > keptBytes; {
		k.used.RemoveOldest()
	}
}
