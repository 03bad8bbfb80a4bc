package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/relbot/relbot/internal/command"
	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/work"
)

func sortDescribed(ds []memory.Described) {
	slices.SortFunc(ds, func(a, b memory.Described) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Pull.Number, b.Pull.Number))
	})
}

// describe notes the lines in the descriptions of the open pull requests of a repository, when that was not done before. They are taken up
// between the commands, in the order in which all was said.
func (r *Reconciler) describe(ctx context.Context, repo coupling.Repo, pulls []forge.Pull) error {
	if done, err := r.Memory.Watermarks.Has(ctx, memory.Proposed.Of(repo)); err != nil || done {
		return err
	}
	d, err := r.Memory.Lines.Read(ctx, repo)
	if err != nil || d.Exists() {
		return err
	}
	doc := memory.Lines{Pulls: []memory.Described{}}
	for _, p := range pulls {
		if lines, _ := command.Body(p.Body); len(lines) > 0 {
			doc.Pulls = append(doc.Pulls, memory.Describe(p))
		}
	}
	sortDescribed(doc.Pulls)
	err = r.Store.Put(ctx, []store.Document{d.With(doc)}, []store.Work{work.Comments(repo)})
	if errors.Is(err, store.ErrConflict) {
		return nil // somebody else did
	}
	return err
}

// takeUp makes the lines of a description take effect as of when its pull request was opened, so that what was said of it since holds.
func (r *Reconciler) takeUp(ctx context.Context, d memory.Described) error {
	repo, err := r.Memory.Repos.Load(ctx, d.Pull.Repo)
	if err != nil {
		return err
	}
	return r.body(ctx, d.Pull, repo, d.Said, &memory.Pull{}, d.Created)
}

// takeUpClosed does so for pull requests that are closed or merged by now and have a note of relbot's, by pull request. What the note names as a
// member was one before; what was written into a description since was not.
func (r *Reconciler) takeUpClosed(ctx context.Context, notes map[coupling.Pull]string) error {
	facts, err := r.pulls(ctx, slices.Collect(maps.Keys(notes))...)
	if err != nil && transient(err) {
		return err
	}
	var closed []memory.Described
	for _, f := range facts {
		if f.Known() && f.Value.State != "open" {
			closed = append(closed, memory.Describe(f.Value))
		}
	}
	sortDescribed(closed)
	for _, d := range closed {
		p := d.Pull
		members, n := note.MembersOf(notes[p], p.Repo), r.names(p.Repo)
		lines, _ := command.Body(d.Said.Body)
		d.Said.Body = ""
		for _, l := range lines {
			var targets []command.Target
			for _, t := range l.Targets {
				now, err := n.target(ctx, p.Repo, t)
				if err != nil {
					return err
				}
				if q, err := now.In(p.Repo); err == nil && slices.Contains(members, q) {
					targets = append(targets, t)
				}
			}
			if l.Targets = targets; len(targets) > 0 {
				d.Said.Body += l.String() + "\n"
			}
		}
		if err := r.takeUp(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// await reports whether repositories are as ready as some work needs them, and has it queued again once the first that is not so is.
func (r *Reconciler) await(ctx context.Context, need memory.Readiness, claimed []store.Claimed, repos ...coupling.Repo) (bool, error) {
	for _, repo := range repos {
		if now, err := r.Memory.Readiness(ctx, repo); err != nil {
			return false, err
		} else if now.Has(need) {
			continue
		}
		for _, c := range claimed {
			if err := r.park(ctx, c, repo, need); err != nil {
				return false, err
			}
		}
		// It may have become ready meanwhile, before the work was there to be queued.
		if now, err := r.Memory.Readiness(ctx, repo); err != nil || !now.Has(need) {
			return false, err
		}
	}
	return true, nil
}

// waitingFor returns the key of work while it waits for a repository.
func waitingFor(repo coupling.Repo, c store.Claimed) memory.WaitingKey {
	return memory.WaitingKey{Repo: repo, Row: memory.RowName(work.Name(c.Work))}
}

// park notes that work waits for a repository.
func (r *Reconciler) park(ctx context.Context, c store.Claimed, repo coupling.Repo, need memory.Readiness) error {
	_, err := r.Memory.Waiting.Update(ctx, waitingFor(repo, c), func(d *memory.Waiting) ([]store.Work, bool) {
		if len(d.Work) > 0 && d.Need == need {
			return nil, false
		}
		d.Work, d.Need = []store.Work{work.Named(work.Name(c.Work), c.Lane, lasting(c))}, need
		return nil, true
	})
	return err
}

// lasting is the payload that work keeps while it waits. What an event or a list said of a pull request is old by then, and the payloads of later
// events are not kept: the pull request is read.
func lasting(c store.Claimed) []byte {
	if c.Kind == work.KindPull || c.Kind == work.KindListed {
		return nil
	}
	return c.Data
}

// resume queues what waited for a repository and may run now.
func (r *Reconciler) resume(ctx context.Context, repo coupling.Repo) error {
	now, err := r.Memory.Readiness(ctx, repo)
	if err != nil {
		return err
	}
	docs, err := r.Memory.Waiting.In(ctx, repo)
	if err != nil {
		return err
	}
	var gone []store.Document
	var queue []store.Work
	take := func() error {
		if len(gone) == 0 {
			return nil
		}
		err := r.Store.Put(ctx, gone, queue)
		gone, queue = nil, nil
		return err
	}
	for _, doc := range docs {
		if !now.Has(doc.Value.Need) {
			continue
		}
		gone, queue = append(gone, doc.Gone()), append(queue, doc.Value.Work...)
		if len(gone) == queuedAtOnce {
			if err = take(); err != nil {
				break
			}
		}
	}
	if err == nil {
		err = take()
	}
	if errors.Is(err, store.ErrConflict) {
		return r.resume(ctx, repo) // somebody else does so, or more waits by now
	}
	return err
}

// before reports whether what comes before the comments of a repository is known when a new database takes these up: what couplings at homes that
// it trusts say of its pull requests, which its commands are about. Among repositories that trust each other in a circle the name decides: later are
// the homes of which that is known only afterwards.
func (r *Reconciler) before(ctx context.Context, c store.Claimed, repo coupling.Repo) (later []coupling.Repo, known bool, err error) {
	reached := map[coupling.Repo][]coupling.Repo{} // by repository, what it trusts
	for queue := []coupling.Repo{repo}; len(queue) > 0; queue = queue[1:] {
		next := queue[0]
		if _, seen := reached[next]; seen {
			continue
		}
		if read, err := r.await(ctx, memory.Surveyed, []store.Claimed{c}, next); err != nil || !read {
			return nil, false, err
		}
		homes, err := r.trusted(ctx, next)
		if err != nil {
			return nil, false, err
		}
		reached[next], queue = homes, append(queue, homes...)
	}
	var leads func(from coupling.Repo, seen map[coupling.Repo]bool) bool
	leads = func(from coupling.Repo, seen map[coupling.Repo]bool) bool {
		seen[from] = true
		return from == repo || slices.ContainsFunc(reached[from], func(next coupling.Repo) bool { return !seen[next] && leads(next, seen) })
	}
	for _, home := range reached[repo] {
		if home > repo && leads(home, map[coupling.Repo]bool{}) {
			later = append(later, home)
			continue
		}
		if known, err := r.await(ctx, memory.Restored, []store.Claimed{c}, home); err != nil || !known {
			return nil, false, err
		}
	}
	return later, true, nil
}

// again runs an acknowledged comment once more as soon as a home is known.
func (r *Reconciler) again(ctx context.Context, home coupling.Repo, p coupling.Pull, said work.CommentPayload) error {
	said.Late = true
	c := store.Claimed{Work: work.Comment(p, said)}
	if known, err := r.await(ctx, memory.Restored, []store.Claimed{c}, home); err != nil || !known {
		return err
	}
	return r.comment(ctx, c)
}

// lately runs the comments that wait for a home, of which all is known but them.
func (r *Reconciler) lately(ctx context.Context, home coupling.Repo) error {
	docs, err := r.Memory.Waiting.In(ctx, home)
	if err != nil {
		return err
	}
	var late []store.Claimed
	for _, doc := range docs {
		for _, w := range doc.Value.Work {
			if w.Kind == work.KindComment && work.Payload[work.CommentPayload](w).Late {
				late = append(late, store.Claimed{Work: w})
			}
		}
	}
	slices.SortFunc(late, func(a, b store.Claimed) int {
		return work.Payload[work.CommentPayload](a.Work).Created.Compare(work.Payload[work.CommentPayload](b.Work).Created)
	})
	for _, c := range late {
		if err := r.comment(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// behind is the work that waits, as [Reconciler.before] says, for the policy of a repository: the comments of those that trust it, or trust one that does.
func (r *Reconciler) behind(ctx context.Context, repo coupling.Repo) ([]store.Work, error) {
	all, err := r.Memory.Repos.All(ctx)
	if err != nil {
		return nil, err
	}
	trusts := map[coupling.Repo][]coupling.Repo{} // by what is trusted, who does
	for _, d := range all {
		if len(d.Value.Rules().Trust) == 0 {
			continue
		}
		homes, err := r.trusted(ctx, d.Of)
		if err != nil {
			return nil, err
		}
		for _, home := range homes {
			trusts[home] = append(trusts[home], d.Of)
		}
	}
	var out []store.Work
	seen := map[coupling.Repo]bool{repo: true}
	for queue := trusts[repo]; len(queue) > 0; queue = queue[1:] {
		if next := queue[0]; !seen[next] {
			seen[next] = true
			out, queue = append(out, work.Comments(next)), append(queue, trusts[next]...)
		}
	}
	return out, nil
}

// deaf notes that the comments of a repository cannot be read. When that lasts, what waits for them to be shown is shown as unknown: a pass of
// before the loss must not stand.
func (r *Reconciler) deaf(ctx context.Context, repo coupling.Repo) error {
	w, err := r.Memory.Watermarks.Update(ctx, memory.Unread.Of(repo), func(w *memory.Watermark) ([]store.Work, bool) {
		first := w.At.IsZero()
		if first {
			w.At = r.Now()
		}
		return nil, first
	})
	if err != nil || r.Now().Sub(w.At) < r.Patience {
		return err
	}
	behind, err := r.behind(ctx, repo)
	if err != nil {
		return err
	}
	var shows []store.Work
	for _, c := range append(behind, work.Comments(repo)) {
		docs, err := r.Memory.Waiting.In(ctx, work.RepoOf(c))
		if err != nil {
			return err
		}
		for _, d := range docs {
			for _, w := range d.Value.Work {
				p, ok := work.PullOf(w)
				switch {
				case ok && w.Kind == work.KindShow:
					shows = append(shows, work.Show(p, false))
				case ok && w.Kind == work.KindPull:
					shows = append(shows, work.Pull(p))
				}
			}
		}
	}
	return r.queue(ctx, shows)
}

// unheard reports which comments could not be read for long, of those that have to be known before anything is said of a repository's pull
// requests; "" is none.
func (r *Reconciler) unheard(ctx context.Context, repo coupling.Repo) (coupling.Repo, error) {
	seen := map[coupling.Repo]bool{}
	for queue := []coupling.Repo{repo}; len(queue) > 0; queue = queue[1:] {
		next := queue[0]
		if seen[next] {
			continue
		}
		seen[next] = true
		w, known, err := r.Memory.Watermarks.Find(ctx, memory.Unread.Of(next))
		if err != nil {
			return "", err
		} else if known && r.Now().Sub(w.At) >= r.Patience {
			return next, nil
		}
		homes, err := r.trusted(ctx, next)
		if err != nil {
			return "", err
		}
		queue = append(queue, homes...)
	}
	return "", nil
}

// unjudged reports an error, on which the work is tried again, when a pull request is declared to be a member of a coupling of some
// repositories that was never judged.
func (r *Reconciler) unjudged(ctx context.Context, p coupling.Pull, homes ...coupling.Repo) error {
	indexed, err := r.Memory.Members.Load(ctx, p)
	if err != nil {
		return err
	}
	for _, home := range homes {
		in, err := r.memberships(ctx, home)
		if err != nil {
			return err
		}
		for _, key := range in[p] {
			if !slices.Contains(indexed.Couplings, key) {
				return &forge.RetryError{Err: fmt.Errorf("%s: its coupling %s was not judged yet", p, key)}
			}
		}
	}
	return nil
}

// memberships tells in which open couplings of a home a pull request is declared to be, by key. They are worked out once for what is declared.
func (r *Reconciler) memberships(ctx context.Context, home coupling.Repo) (map[coupling.Pull][]coupling.Key, error) {
	d, err := r.declared(ctx, home)
	if err != nil {
		return nil, err
	}
	type index struct {
		policy string
		rev    int64
		in     map[coupling.Pull][]coupling.Key
	}
	if last, ok := r.indexes.Load(home); ok && last.(index).policy == d.repo.Policy && last.(index).rev == d.rev {
		return last.(index).in, nil
	}
	all, err := r.assemble(ctx, d)
	if err != nil {
		return nil, err
	}
	in := map[coupling.Pull][]coupling.Key{}
	for _, c := range all {
		for _, m := range c.Members {
			if _, member := c.ByPull(m.Pull); member && c.End == nil {
				in[m.Pull] = append(in[m.Pull], c.Key())
			}
		}
	}
	r.indexes.Store(home, index{d.repo.Policy, d.rev, in})
	return in, nil
}
