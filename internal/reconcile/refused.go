package reconcile

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/job"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/work"
)

// GitHub refuses some work: a permission was not granted, an organisation lets in nobody from this address, a conversation is locked. Asking again at once
// does not help, so that the row is done with. But it is not forgotten: the operator reads of it once in the log, counts it in a metric and finds it in
// `relbot jobs`; and what was to be written is tried again when an account changes what it grants, and at each round.

// Refusal is work that GitHub refused, for those who look after the server.
type Refusal struct {
	store.Work
	Account, Route, Cause string
	Times                 int
}

// Refusals lists the work that GitHub refused.
func Refusals(ctx context.Context, s memory.Store) ([]Refusal, error) {
	docs, err := memory.New(s).Refused.All(ctx)
	var out []Refusal
	for _, doc := range docs {
		d := doc.Value
		out = append(out, Refusal{Work: refusedRow(doc.Of, d), Account: d.Account, Route: d.Route, Cause: d.Message, Times: d.Times})
	}
	return out, err
}

func refusedRow(name memory.RowName, d memory.Refused) store.Work {
	return work.Named(string(name), d.Serial, d.Data)
}

// nameOf returns the key under which a refusal of a row is recorded.
func nameOf(w store.Work) memory.RowName { return memory.RowName(work.Name(w)) }

// refusals is what is known of refused work without asking the database.
type refusals struct {
	mu     sync.Mutex
	keys   map[memory.RowName]bool // of documents; nil where they were not read yet
	warned map[[3]string]bool      // account, route and message
}

// maxWarned bounds what is remembered of warnings.
const maxWarned = 1000

// heeded makes a handler of one whose work GitHub may refuse.
func (r *Reconciler) heeded(h job.Handler) job.Handler {
	return func(ctx context.Context, claimed []store.Claimed) []job.Outcome {
		out := h(ctx, claimed)
		for i := range out {
			var err error
			switch {
			case out[i].Err == nil:
				err = r.accepted(ctx, nameOf(claimed[i].Work))
			case refused(out[i].Err):
				err = r.heed(ctx, claimed[i].Work, out[i].Err)
			default:
				continue
			}
			out[i].Err = err
		}
		return out
	}
}

// heed warns of work that GitHub refused, counts it and remembers it.
func (r *Reconciler) heed(ctx context.Context, w store.Work, cause error) error {
	said := &forge.RefusedError{Account: accountOf(w), Route: w.Kind, Message: forge.ErrGone.Error()}
	if errors.Is(cause, forge.ErrSuspended) {
		said.Message = forge.ErrSuspended.Error()
	}
	errors.As(cause, &said)
	if r.refusals.fresh(said) {
		r.Log.Warn("GitHub refuses", "account", said.Account, "route", said.Route, "status", said.Status, "message", said.Message, "kind", w.Kind, "key", w.Key)
	}
	if r.Refused != nil {
		r.Refused(*said)
	}
	now, key := r.Now(), nameOf(w)
	if err := r.readRefused(ctx); err != nil {
		return err
	}
	r.refusals.mu.Lock()
	r.refusals.keys[key] = true
	r.refusals.mu.Unlock()
	_, err := r.Memory.Refused.Update(ctx, key, func(d *memory.Refused) ([]store.Work, bool) {
		if d.Since.IsZero() {
			d.Since = now
		}
		if d.Serial = w.Lane; w.Kind == work.KindComment || w.Kind == work.KindGroup { // the others read what they need
			d.Data = w.Data
		}
		d.Account, d.Route, d.Message, d.Write, d.Last = said.Account, said.Route, cause.Error(), said.Write, now
		d.Times++
		return nil, true
	})
	return err
}

// fresh reports whether nobody was warned yet of what an account says on a route.
func (s *refusals) fresh(said *forge.RefusedError) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := [3]string{said.Account, said.Route, said.Message}
	if s.warned[key] {
		return false
	}
	if s.warned == nil || len(s.warned) >= maxWarned {
		s.warned = map[[3]string]bool{}
	}
	s.warned[key] = true
	return true
}

// readRefused takes up which refused work is remembered, once.
func (r *Reconciler) readRefused(ctx context.Context) error {
	r.refusals.mu.Lock()
	defer r.refusals.mu.Unlock()
	if r.refusals.keys != nil {
		return nil
	}
	docs, err := r.Memory.Refused.All(ctx)
	if err != nil {
		return err
	}
	r.refusals.keys = map[memory.RowName]bool{}
	for _, d := range docs {
		r.refusals.keys[d.Of] = true
	}
	return nil
}

// accepted forgets that work was refused, which is done now.
func (r *Reconciler) accepted(ctx context.Context, key memory.RowName) error {
	if err := r.readRefused(ctx); err != nil {
		return err
	}
	r.refusals.mu.Lock()
	was := r.refusals.keys[key]
	delete(r.refusals.keys, key)
	r.refusals.mu.Unlock()
	if !was {
		return nil
	}
	return r.forgive(ctx, key)
}

func (r *Reconciler) forgive(ctx context.Context, key memory.RowName) error {
	d, err := r.Memory.Refused.Read(ctx, key)
	if err == nil && d.Exists() {
		err = r.Store.Put(ctx, []store.Document{d.Gone()}, nil)
	}
	if errors.Is(err, store.ErrConflict) { // it was refused again meanwhile
		return nil
	}
	return err
}

// staleRefusal is for how long a refused read is remembered that nothing asked for again.
const staleRefusal = 24 * time.Hour

// tryRefused queues again what was to be written and GitHub refused. What was queued before and was not refused since is done: another instance did it.
func (r *Reconciler) tryRefused(ctx context.Context, _ store.Claimed) error {
	all, err := r.Memory.Refused.All(ctx)
	if err != nil {
		return err
	}
	now := r.Now()
	for _, doc := range all {
		key, d := doc.Of, doc.Value
		w := refusedRow(key, d)
		gone, err := r.isGone(ctx, w)
		if err != nil {
			return err
		}
		if gone || d.Tried.After(d.Last) || !d.Write && now.Sub(d.Last) > staleRefusal {
			if err := r.forgive(ctx, key); err != nil {
				return err
			}
			continue
		}
		if !d.Write {
			continue
		}
		if _, err := r.Memory.Refused.Update(ctx, key, func(d *memory.Refused) ([]store.Work, bool) {
			if d.Last.IsZero() {
				return nil, false
			}
			d.Tried = now
			return []store.Work{w}, true
		}); err != nil {
			return err
		}
	}
	return nil
}

// isGone reports whether a row is about a repository on which the App is not installed.
func (r *Reconciler) isGone(ctx context.Context, w store.Work) (bool, error) {
	name := work.RepoOf(w)
	if name == "" {
		return false, nil
	}
	d, known, err := r.Memory.Repos.Find(ctx, name)
	return !known || d.Gone, err
}

// accountOf returns the account that a row is about.
func accountOf(w store.Work) string {
	owner, _, _ := strings.Cut(string(work.RepoOf(w)), "/")
	return owner
}

// listedAgain forgets which accounts refused to have their repositories listed, but for those that still do.
func (r *Reconciler) listedAgain(ctx context.Context, still []forge.Unlisted) error {
	if err := r.readRefused(ctx); err != nil {
		return err
	}
	r.refusals.mu.Lock()
	keys := slices.Collect(maps.Keys(r.refusals.keys))
	r.refusals.mu.Unlock()
	for _, key := range keys {
		account, is := strings.CutPrefix(string(key), work.Name(work.InstallOf("")))
		if is && !slices.ContainsFunc(still, func(u forge.Unlisted) bool { return u.Account == account }) {
			if err := r.accepted(ctx, key); err != nil {
				return err
			}
		}
	}
	return nil
}
