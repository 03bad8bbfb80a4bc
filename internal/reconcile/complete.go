package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/store"
)

// With a new database relbot knows of no hold and no coupling until it has read policies and descriptions and run the acknowledged commands again.
// Until then nothing may be said: a check that blocks might turn green for some seconds. What would be said waits in a document and is
// queued again when the repository is known.

// waitingDoc is the work that waits for a repository.
type waitingDoc struct {
	Work []store.Work `json:"work"`
}

// replayed is the watermark of the commands of a repository. It is there once they have been taken up.
func replayed(repo coupling.Repo) string { return "comments " + string(repo) }

// readUpTo is the watermark of a list of comments that was read in part.
func readUpTo(repo coupling.Repo) string { return "comments read " + string(repo) }

// proposed is the watermark of the lines in descriptions. It is there once those of the open pull requests have been taken up.
func proposed(repo coupling.Repo) string { return "descriptions " + string(repo) }

// described takes up the lines in the descriptions of the open pull requests of a repository, when that was not done before.
func (r *Reconciler) described(ctx context.Context, repo repoDoc, pulls []forge.Pull) error {
	key := proposed(repo.Name)
	if d, err := r.Store.Get(ctx, docWatermark, key); err != nil || d.Rev > 0 {
		return err
	}
	for _, p := range pulls {
		if err := r.body(ctx, p.Pull, repo, hintOf(p), &pullDoc{}); err != nil {
			return err
		}
	}
	_, err := update(ctx, r, docWatermark, key, func(w *watermark) ([]store.Work, bool) {
		w.At = r.Now()
		return nil, true
	})
	return err
}

// known reports whether policy, commands and descriptions of a repository were read. One without the App has neither.
func (r *Reconciler) known(ctx context.Context, repo coupling.Repo) (bool, error) {
	var d repoDoc
	if rev, err := r.load(ctx, docRepo, string(repo), &d); err != nil || rev == 0 || d.Gone {
		return true, err
	}
	for _, key := range []string{replayed(repo), proposed(repo)} {
		if w, err := r.Store.Get(ctx, docWatermark, key); err != nil || w.Rev == 0 {
			return false, err
		}
	}
	return d.Fingerprint != "" || d.PolicyID != "", nil
}

// complete reports whether some repositories are known. When one is not, the work is queued again once it is.
func (r *Reconciler) complete(ctx context.Context, claimed []store.Claimed, repos ...coupling.Repo) (bool, error) {
	for _, repo := range repos {
		if known, err := r.known(ctx, repo); known || err != nil {
			if err != nil {
				return false, err
			}
			continue
		}
		if _, err := update(ctx, r, docWaiting, string(repo), func(d *waitingDoc) ([]store.Work, bool) {
			n := len(d.Work)
			for _, c := range claimed {
				if !slices.ContainsFunc(d.Work, func(w store.Work) bool { return w.Kind == c.Kind && w.Key == c.Key }) {
					d.Work = append(d.Work, store.Work{Kind: c.Kind, Key: c.Key, Lane: c.Lane, Data: c.Data})
				}
			}
			return nil, len(d.Work) > n
		}); err != nil {
			return false, err
		}
		// It may have become known meanwhile, before the work was there to be queued.
		if known, err := r.known(ctx, repo); err != nil || !known {
			return false, err
		}
	}
	return true, nil
}

// resume queues what waited for a repository, if that is known.
func (r *Reconciler) resume(ctx context.Context, repo coupling.Repo) error {
	known, err := r.known(ctx, repo)
	if err != nil || !known {
		return err
	}
	var d waitingDoc
	rev, err := r.load(ctx, docWaiting, string(repo), &d)
	if err != nil || rev == 0 {
		return err
	}
	return r.Store.Put(ctx, []store.Document{{Kind: docWaiting, Key: string(repo), Rev: rev}}, d.Work)
}

// unjudged reports an error, on which the work is tried again, when a pull request is declared to be a member of a coupling of some
// repositories that was never judged.
func (r *Reconciler) unjudged(ctx context.Context, p coupling.Pull, homes ...coupling.Repo) error {
	var indexed memberDoc
	if _, err := r.load(ctx, docMember, p.String(), &indexed); err != nil {
		return err
	}
	for _, home := range homes {
		all, err := r.assembled(ctx, home)
		if err != nil {
			return err
		}
		for _, c := range all {
			if _, member := c.ByPull(p); member && c.End == nil && !slices.Contains(indexed.Couplings, c.Key()) {
				return &forge.RetryError{After: time.Second, Err: fmt.Errorf("%s: its coupling %s was not judged yet", p, c.Name)}
			}
		}
	}
	return nil
}
