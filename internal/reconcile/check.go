package reconcile

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/publish"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/work"
)

// checking is one look at what the check of a pull request has to show.
type checking struct {
	r          *Reconciler
	remembered              // with the judgements of all that share its head
	behind     bool         // its couplings are to be judged again
	sharing    []remembered // the other open pull requests with the same head
	verdict    rules.Verdict
	nonce      int64
	posted     publish.Posted
	expired    bool // the patience with an unknown verdict is over
}

// showCheck brings the check on the head of a pull request into line. behind: its couplings are to be judged again.
func (r *Reconciler) showCheck(ctx context.Context, s remembered, behind bool) error {
	c := &checking{r: r, remembered: s, behind: behind}
	if first, err := c.combine(ctx); err != nil || !first {
		return err
	}
	var err error
	if c.posted, err = r.Publish.Posted(ctx, s.pull.Repo, s.seen.Head); err != nil {
		return err
	}
	if shows, err := c.patience(ctx); err != nil || !shows {
		return err
	}
	run, err := c.run(ctx)
	if err != nil {
		return err
	}
	options := publish.CheckOptions{
		Level: string(c.verdict.Level), As: s.repo.Rules().Check.As, Verify: s.said.Verify, Now: r.Now(), Nonce: c.nonce, Again: []store.Work{work.Show(s.pull, false)},
	}
	if c.verdict.Level == rules.Pass && r.Publish.Differs(c.posted, run, options) {
		if passes, err := c.mayPass(ctx, &options); err != nil || !passes {
			return err
		}
	}
	return c.post(ctx, run, options)
}

// combine joins what is to be said of all pull requests that share the head. It reports whether this is the first of them. A check is on a commit, and its
// one writer is the work of the first of the pull requests that share it; else what one knew a moment ago might be written over what another knows.
func (c *checking) combine(ctx context.Context) (first bool, err error) {
	if c.sharing, err = c.r.sharing(ctx, c.pull, c.seen.Head); err != nil {
		return false, err
	}
	if len(c.sharing) > 0 && c.sharing[0].pull.Number < c.pull.Number {
		return false, c.r.Store.Enqueue(ctx, work.Show(c.sharing[0].pull, c.said.Verify))
	}
	c.verdict, c.nonce = verdictOf(c.pull, c.seen, c.judgements), c.seen.Recheck
	for _, other := range c.sharing {
		theirs, err := c.r.judgementsOf(ctx, other.pull)
		if err != nil {
			return false, err
		}
		c.verdict = rules.Combine(c.pull, c.verdict, verdictOf(other.pull, other.seen, theirs))
		c.judgements = append(slices.Clone(c.judgements), theirs...)
		c.nonce += other.seen.Recheck
	}
	return true, nil
}

// patience notes since when the verdict is unknown, and has it shown as failed when that lasts. It reports whether the check is to be shown now.
func (c *checking) patience(ctx context.Context) (bool, error) {
	if c.verdict.Level != rules.Unknown {
		if c.posted.Unknown.IsZero() {
			return true, nil
		}
		return true, c.r.Publish.Remember(ctx, c.pull.Repo, c.seen.Head, time.Time{})
	}
	since := c.posted.Unknown
	if since.IsZero() {
		since = c.r.Now()
		if err := c.r.Publish.Remember(ctx, c.pull.Repo, c.seen.Head, since); err != nil {
			return false, err
		}
	}
	deadline := since.Add(c.r.Patience)
	if c.expired = !c.r.Now().Before(deadline); c.expired {
		return true, nil
	}
	if err := c.r.Store.Enqueue(ctx, work.Expire(c.pull, deadline)); err != nil {
		return false, err
	}
	// In an outage what was said of this head remains for a while: it was true, and nothing newer is known.
	said := c.posted.Level != "" && c.posted.Level != string(rules.Unknown)
	return !(said && outage(c.judgements)), nil
}

// run returns the check to show.
func (c *checking) run(ctx context.Context) (forge.CheckRun, error) {
	page, err := c.r.page(ctx, c.pull, c.repo.Private)
	if err != nil {
		return forge.CheckRun{}, err
	}
	return note.Check(note.CheckInput{
		Pull: c.pull, Name: c.repo.Rules().Check.Name, Head: c.seen.Head, Verdict: c.verdict, Judgements: judgements(c.judgements), Expired: c.expired,
		Proposals: c.seen.Proposals, NearMisses: c.seen.NearMisses, Missed: c.seen.Missed, Preview: c.seen.Preview, Annotations: c.seen.Notes,
		DetailsURL: page, Private: c.repo.Private,
	}), nil
}

// mayPass reports whether a pass may be given, and queues what has to come before it. A pass is given only to a head that is still the head, was looked at,
// and was judged: what was read a moment ago counts, else it is read again at the last moment. Taking a pass back needs no read.
func (c *checking) mayPass(ctx context.Context, o *publish.CheckOptions) (bool, error) {
	if !c.seen.Looked && !c.looksWhileWriting() {
		return false, c.r.Store.Enqueue(ctx, work.Pull(c.pull))
	}
	if !c.seen.Looked {
		o.Look = c.r.looking(ctx, c.pull, c.repo, c.seen)
	} else if unlooked := c.unlooked(); len(unlooked) > 0 {
		return false, c.r.Store.Enqueue(ctx, unlooked...)
	}
	if c.behind {
		return false, nil // this head will be judged
	}
	if !slices.ContainsFunc(c.judgements, func(j memory.Judgement) bool { return c.r.Now().Sub(j.Read) > freshness }) {
		return true, nil
	}
	gone, err := c.replaced(ctx)
	if err != nil || !gone {
		return err == nil, err
	}
	return false, c.r.Store.Enqueue(ctx, work.Pull(c.pull))
}

// looksWhileWriting reports whether the call that writes the check reads all that is to be known before; see [pulling.lookOf].
func (c *checking) looksWhileWriting() bool {
	pol := c.repo.Rules()
	return len(c.judgements)+len(c.sharing) == 0 && len(pol.Gates) == 0 && pol.Check.As != "status" && c.repo.NodeID != "" && c.posted.ID == 0 && c.posted.Intent == ""
}

// unlooked is the work that looks at those that share the head and were not looked at.
func (c *checking) unlooked() []store.Work {
	var out []store.Work
	for _, other := range c.sharing {
		if !other.seen.Looked {
			out = append(out, work.Pull(other.pull))
		}
	}
	return out
}

// replaced reports whether the head is the head of the open pull request no more.
func (c *checking) replaced(ctx context.Context) (bool, error) {
	fresh, err := c.r.pulls(ctx, c.pull)
	f := fresh[c.pull]
	return !f.Known() || f.Value.Head != c.seen.Head || f.Value.State != "open", err
}

// post writes the check.
func (c *checking) post(ctx context.Context, run forge.CheckRun, o publish.CheckOptions) error {
	written, err := c.r.Publish.Check(ctx, c.pull.Repo, run, o)
	if written && c.r.Wrote != nil {
		c.r.Wrote(ctx, c.seen.Head, c.posted.Level, c.verdict)
	}
	switch {
	case errors.Is(err, forge.ErrNoCommit):
		// It was pushed a moment ago and will be there, or was replaced and never will.
		if gone, unread := c.replaced(ctx); unread == nil && gone {
			return c.r.Store.Enqueue(ctx, work.Pull(c.pull))
		}
	case errors.Is(err, forge.ErrRejected):
		// GitHub wants no more of this; the next look at everything tries it again.
		c.r.Log.Warn("check rejected", "pull", c.pull.String(), "head", c.seen.Head, "error", err)
		return nil
	}
	return err
}

// sharing are the other open pull requests with the same head, by number.
func (r *Reconciler) sharing(ctx context.Context, p coupling.Pull, head string) ([]remembered, error) {
	d, err := r.Memory.Heads.Load(ctx, memory.HeadKey{Repo: p.Repo, Commit: head})
	if err != nil {
		return nil, err
	}
	var out []remembered
	for _, q := range d.Pulls {
		s := remembered{pull: q}
		if q == p {
			continue
		}
		if s.seen, err = r.Memory.Pulls.Load(ctx, q); err != nil {
			return nil, err
		}
		if s.seen.State == "open" && s.seen.Head == head {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b remembered) int { return comparePulls(a.pull, b.pull) })
	return out, nil
}

// left is the work that shows those again with whom a pull request shared a head, when it has another now or is closed.
func (r *Reconciler) left(ctx context.Context, p coupling.Pull, before, now memory.Pull) ([]store.Work, error) {
	if before.State != "open" || before.Head == "" || now.State == "open" && now.Head == before.Head {
		return nil, nil
	}
	others, err := r.sharing(ctx, p, before.Head)
	var out []store.Work
	for _, o := range others {
		out = append(out, work.Show(o.pull, false))
	}
	return out, err
}

// freshness is for how long a read counts as one of the last moment.
const freshness = 10 * time.Second

// looking looks whether a head that nothing is known against has another policy file than the branch; see [pulling.lookOf].
func (r *Reconciler) looking(ctx context.Context, p coupling.Pull, repo memory.Repo, seen memory.Pull) *publish.Look {
	return &publish.Look{NodeID: repo.NodeID, Path: policyPath, Then: func(blob string, told bool) ([]store.Document, []store.Work, error) {
		if !told || blob != repo.PolicyID {
			return nil, []store.Work{work.Pull(p)}, nil
		}
		doc, err := r.Memory.Pulls.Read(ctx, p)
		d := doc.Value
		if err != nil || d.Head != seen.Head || d.Base != seen.Base || d.Looked {
			return nil, nil, err
		}
		d.Looked, d.LookBasis = true, lookBasis(work.PullPayload{Head: d.Head, Base: d.Base}, repo, false)
		return []store.Document{doc.With(d)}, nil, nil
	}}
}
