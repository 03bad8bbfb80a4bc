package sqlite

import (
	"fmt"
	"testing"

	"github.com/relbot/relbot/internal/store"
)

// TestDocumentsAreBounded keeps what fits, what was used last, and nothing of it twice.
func TestDocumentsAreBounded(t *testing.T) {
	k := newDocuments()
	reads := 0
	read := func(d store.Document) (store.Document, error) {
		reads++
		d.Body = make([]byte, keptLargest)
		return d, nil
	}
	get := func(key string) bool {
		before := reads
		if _, err := k.get(store.Document{Kind: "k", Key: key}, read); err != nil {
			t.Fatal(err)
		}
		return reads > before
	}
	fit := keptBytes / (keptLargest + keptBeside)
	for i := range 2 * fit {
		get(fmt.Sprint(i))
		get("often")
	}
	if k.bytes > keptBytes || k.bytes < keptBytes*9/10 || k.used.Len() > fit {
		t.Errorf("%d bytes in %d documents", k.bytes, k.used.Len())
	}
	if get("often") || !get("0") {
		t.Error("what was used last is not kept, or what was not is")
	}
	k.put([]store.Document{{Kind: "k", Key: "often", Body: []byte("short")}})
	k.put([]store.Document{{Kind: "k", Key: "0", Body: make([]byte, keptLargest+1)}})
	if get("often") || !get("0") {
		t.Error("what was written is not kept, or what is too large is")
	}
	if k.forget(); k.bytes != 0 || k.used.Len() != 0 {
		t.Errorf("%d bytes in %d documents when all are forgotten", k.bytes, k.used.Len())
	}
}
