package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/publish"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/work"
)

// Each push leaves a check behind and each pull request a handful of documents. What stays for good is what people said (effects, audit), and
// couplings with their members; the rest is forgotten once nothing has touched it for a while and nothing is open that it belongs to. Each
// kind of document can go because the one who finds it missing looks at GitHub before writing:
//
//   - The check of a commit and the pull requests that have it as their head: the heads of an open pull request stay, former ones too, so that a
//     push that goes back finds its check. One that comes back after it was closed is [memory.Pull.Returned], and the check on its head is looked
//     for. A new pull request on a commit with such a check gets one as any does; of two, GitHub goes by the newer.
//   - A pull request in no coupling, its page, and the last word of its note: a note is looked for before one is posted, and a page's address is
//     made again the same. A coupling that links one later has it read.
//   - A comment whose commands ran, and its reply: GitHub delivers nothing that old again, and a comment of that age is run only if it has no
//     reaction of relbot's. That an alarm was posted is looked up by its marker.
//
// So an event that is late costs reads, and a lost database can be restored from the same sources as before.

// remembrance is for how long what is done with is remembered: much longer than GitHub delivers anything again.
const remembrance = 30 * 24 * time.Hour

// prune forgets deliveries that GitHub would not send again, and then what is done with in each repository.
func (r *Reconciler) prune(ctx context.Context, c store.Claimed) error {
	if c.Key != work.PruneDelivered {
		return r.pruneRepo(ctx, coupling.Repo(c.Key))
	}
	if _, err := r.Store.Prune(ctx, r.Now().Add(-2*retention)); err != nil {
		return err
	}
	repos, err := r.Memory.Repos.All(ctx)
	if err != nil {
		return err
	}
	var queue []store.Work
	for _, d := range repos {
		queue = append(queue, work.PruneRepo(d.Of))
	}
	return r.Store.Enqueue(ctx, queue...)
}

// forgetting is a round of forgetting in one repository.
type forgetting struct {
	*Reconciler
	gone  bool // the App is not installed there
	pulls map[string]old[memory.Pull]
	ins   map[string]old[memory.Member]
	lists map[string][]store.Document // by kind and prefix
	batch []store.Document
}

// old is a document with its content.
type old[T any] struct {
	store.Document
	v T
}

func (r *Reconciler) pruneRepo(ctx context.Context, repo coupling.Repo) error {
	d, err := r.Memory.Repos.Load(ctx, repo)
	if err != nil {
		return err
	}
	f := &forgetting{Reconciler: r, gone: d.Gone, lists: map[string][]store.Document{}}
	if f.pulls, err = listOld[memory.Pull](ctx, f, r.Memory.Pulls.Kind, r.Memory.Pulls.Prefix(repo)); err != nil {
		return err
	}
	if f.ins, err = listOld[memory.Member](ctx, f, r.Memory.Members.Kind, r.Memory.Members.Prefix(repo)); err != nil {
		return err
	}
	for _, step := range []func(context.Context, coupling.Repo) error{f.commits, f.comments, f.closed} {
		if err := step(ctx, repo); err != nil {
			return err
		}
	}
	return f.flush(ctx)
}

// commits forgets the checks and heads of commits that no open pull request has or had as its head.
func (f *forgetting) commits(ctx context.Context, repo coupling.Repo) error {
	heads, err := listOld[memory.Head](ctx, f, f.Memory.Heads.Kind, f.Memory.Heads.Prefix(repo))
	if err != nil {
		return err
	}
	checks, err := listOld[publish.Posted](ctx, f, publish.DocCheck, f.Memory.Heads.Prefix(repo))
	if err != nil {
		return err
	}
	var of []coupling.Pull
	for key, h := range heads {
		if f.young(h.Document) || slices.ContainsFunc(h.v.Pulls, func(p coupling.Pull) bool { return !f.over(p.String()) }) {
			continue
		}
		if err := f.forget(ctx, h.Document); err != nil {
			return err
		}
		of = append(of, h.v.Pulls...)
		delete(heads, key)
	}
	for key, c := range checks {
		if _, stays := heads[key]; stays || f.young(c.Document) {
			continue
		}
		if err := f.forget(ctx, c.Document); err != nil {
			return err
		}
	}
	if err := f.flush(ctx); err != nil {
		return err
	}
	// One that was reopened in this moment is the head's again.
	var again []store.Work
	for _, p := range of {
		now, err := f.Memory.Pulls.Load(ctx, p)
		if err != nil {
			return err
		}
		if now.State == "open" && !f.gone {
			again = append(again, work.Pull(p))
		}
	}
	return f.Store.Enqueue(ctx, again...)
}

// comments forgets comments whose commands ran and were answered, and what was said once.
func (f *forgetting) comments(ctx context.Context, repo coupling.Repo) error {
	comments, err := listOld[memory.Comment](ctx, f, f.Memory.Comments.Kind, f.Memory.Comments.Prefix(repo))
	if err != nil {
		return err
	}
	unanswered := map[string]bool{}
	for key, c := range comments {
		if !c.v.Done {
			unanswered[key[strings.LastIndexByte(key, ':')+1:]] = true
		} else if err := f.forget(ctx, c.Document); err != nil {
			return err
		}
	}
	for _, prefix := range []string{replyTo(repo, ""), toldOf(f.Memory.Pulls.Prefix(repo))} {
		said, err := f.list(ctx, publish.DocOnce, prefix)
		if err != nil {
			return err
		}
		for _, d := range said {
			if !publish.Settled(d) || unanswered[strings.TrimPrefix(d.Key, replyTo(repo, ""))] {
				continue
			}
			if err := f.forget(ctx, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// closed forgets pull requests that were closed and are in no coupling.
func (f *forgetting) closed(ctx context.Context, repo coupling.Repo) error {
	m := f.Memory
	for _, kind := range []string{m.Pages.Kind, m.Mentions.Kind, publish.DocNote, m.Overrides.Kind, m.Members.Kind, m.Pulls.Kind} {
		docs, err := f.list(ctx, kind, m.Pulls.Prefix(repo))
		if err != nil {
			return err
		}
		for _, d := range docs {
			if !f.over(d.Key) || len(f.ins[d.Key].v.Couplings) > 0 {
				continue
			}
			var o memory.Overrides
			switch kind {
			case publish.DocNote:
				if !publish.Settled(d) {
					continue
				}
			case m.Overrides.Kind:
				if err := json.Unmarshal(d.Body, &o); err != nil || len(o.Overrides) > 0 {
					continue
				}
			}
			if err := f.forget(ctx, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// over reports whether a pull request has been closed for long, or is known no more.
func (f *forgetting) over(key string) bool {
	d, known := f.pulls[key]
	return !known || (d.v.State != "open" || f.gone) && !f.young(d.Document)
}

// young reports whether a document was written lately, or nobody knows when.
func (f *forgetting) young(d store.Document) bool {
	return d.Updated.IsZero() || f.Now().Sub(d.Updated) < remembrance
}

// forget forgets a document if it is old enough.
func (f *forgetting) forget(ctx context.Context, d store.Document) error {
	if f.young(d) {
		return nil
	}
	d.Body = nil
	return f.put(ctx, d)
}

func (f *forgetting) put(ctx context.Context, d store.Document) error {
	f.batch = append(f.batch, d)
	if len(f.batch) < pruneBatch {
		return nil
	}
	return f.flush(ctx)
}

// pruneBatch is how many documents are written in one transaction.
const pruneBatch = 100

// flush writes what was collected. What changed meanwhile is left for another night.
func (f *forgetting) flush(ctx context.Context) error {
	err := f.Store.Put(ctx, f.batch, nil)
	if errors.Is(err, store.ErrConflict) {
		for _, d := range f.batch {
			if err = f.Store.Put(ctx, []store.Document{d}, nil); err != nil && !errors.Is(err, store.ErrConflict) {
				return err
			}
		}
		err = nil
	}
	f.batch = nil
	return err
}

// list reads all documents of a kind with a key prefix, once a round. Those of a program that dated none get today's date.
func (f *forgetting) list(ctx context.Context, kind, prefix string) ([]store.Document, error) {
	if docs, ok := f.lists[kind+" "+prefix]; ok {
		return docs, nil
	}
	docs, err := f.Store.List(ctx, kind, prefix)
	if err != nil {
		return nil, err
	}
	f.lists[kind+" "+prefix] = docs
	for _, d := range docs {
		if d.Updated.IsZero() {
			if err := f.put(ctx, d); err != nil {
				return nil, err
			}
		}
	}
	return docs, nil
}

// listOld is list with what the documents hold.
func listOld[T any](ctx context.Context, f *forgetting, kind, prefix string) (map[string]old[T], error) {
	docs, err := f.list(ctx, kind, prefix)
	if err != nil {
		return nil, err
	}
	out := make(map[string]old[T], len(docs))
	for _, d := range docs {
		o := old[T]{Document: d}
		if err := json.Unmarshal(d.Body, &o.v); err != nil {
			return nil, fmt.Errorf("%s %s: remembered text is damaged: %w", kind, d.Key, err)
		}
		out[d.Key] = o
	}
	return out, nil
}
