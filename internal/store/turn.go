package store

import (
	"cmp"
	"slices"
	"sync"
)

// Turns remembers which account was served last, so that engines hand out the work of accounts in turn. An organisation with ten thousand
// rows does not keep another waiting for more than one claim. What is forgotten with the process does no harm, and each instance keeps its
// own.
type Turns struct {
	mu   sync.Mutex
	n    int64
	last map[string]int64
}

// Order sorts accounts: who has waited longest comes first.
func (t *Turns) Order(accounts []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	slices.SortFunc(accounts, func(a, b string) int { return cmp.Or(cmp.Compare(t.last[a], t.last[b]), cmp.Compare(a, b)) })
}

// Served notes that an account had its turn.
func (t *Turns) Served(account string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil {
		t.last = map[string]int64{}
	}
	t.n++
	t.last[account] = t.n
}
