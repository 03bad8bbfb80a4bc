package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/command"
	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/work"
)

// With a new database relbot knows of no hold and no coupling until it has read policies and descriptions and run the acknowledged commands again.
// Until then nothing may be said: a check that blocks might turn green for some seconds. What would be said waits in documents, one for each
// row of work, and is queued again when the repository is known.

// waitingDoc is work that waits for a repository.
type waitingDoc struct {
	Work   []store.Work `json:"work"`
	Survey bool         `json:"survey,omitempty"` // it waits for the policy alone
}

// replayed is the watermark of the commands of a repository. It is there once they have been taken up.
func replayed(repo coupling.Repo) string { return "comments " + string(repo) }

// readUpTo is the watermark of a list of comments that was read in part.
func readUpTo(repo coupling.Repo) string { return "comments read " + string(repo) }

// proposed is the watermark of the lines in descriptions. It is there once those of the open pull requests have been taken up.
func proposed(repo coupling.Repo) string { return "descriptions " + string(repo) }

// unread is the watermark of when the comments of a repository could not be read with a new database. It is there until they could.
func unread(repo coupling.Repo) string { return "comments unread " + string(repo) }

// linesDoc are descriptions with lines, oldest first.
type linesDoc struct {
	Pulls []described `json:"pulls"`
}

// described is a pull request with its description.
type described struct {
	Pull    coupling.Pull    `json:"pull"`
	Said    work.PullPayload `json:"said"`
	Created time.Time        `json:"created"`
}

func describedBy(p forge.Pull) described {
	said := work.Read(p)
	said.Read = nil
	return described{Pull: p.Pull, Said: said, Created: p.CreatedAt}
}

func sortDescribed(ds []described) {
	slices.SortFunc(ds, func(a, b described) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Pull.Number, b.Pull.Number))
	})
}

// describe notes the lines in the descriptions of the open pull requests of a repository, when that was not done before. They are taken up
// between the commands, in the order in which all was said.
func (r *Reconciler) describe(ctx context.Context, repo coupling.Repo, pulls []forge.Pull) error {
	for kind, key := range map[string]string{docWatermark: proposed(repo), docLines: string(repo)} {
		if d, err := r.Store.Get(ctx, kind, key); err != nil || d.Rev > 0 {
			return err
		}
	}
	doc := linesDoc{Pulls: []described{}}
	for _, p := range pulls {
		if lines, _ := command.Body(p.Body); len(lines) > 0 {
			doc.Pulls = append(doc.Pulls, describedBy(p))
		}
	}
	sortDescribed(doc.Pulls)
	err := r.Store.Put(ctx, []store.Document{document(docLines, string(repo), 0, doc)}, []store.Work{work.Comments(repo)})
	if errors.Is(err, store.ErrConflict) {
		return nil // somebody else did
	}
	return err
}

// takeUp makes the lines of a description take effect as of when its pull request was opened, so that what was said of it since holds.
func (r *Reconciler) takeUp(ctx context.Context, d described) error {
	var repo repoDoc
	if _, err := r.load(ctx, docRepo, string(d.Pull.Repo), &repo); err != nil {
		return err
	}
	return r.body(ctx, d.Pull, repo, d.Said, &pullDoc{}, d.Created)
}

// takeUpClosed does so for pull requests that are closed or merged by now and have a note of relbot's, by pull request. What the note names as a
// member was one before; what was written into a description since was not.
func (r *Reconciler) takeUpClosed(ctx context.Context, notes map[coupling.Pull]string) error {
	facts, err := r.pulls(ctx, slices.Collect(maps.Keys(notes))...)
	if err != nil && transient(err) {
		return err
	}
	var closed []described
	for _, f := range facts {
		if f.Known() && f.Value.State != "open" {
			closed = append(closed, describedBy(f.Value))
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

// known reports whether policy, commands and descriptions of a repository were read. One without the App has neither.
func (r *Reconciler) known(ctx context.Context, d repoDoc) (bool, error) {
	if d.Name == "" || d.Gone {
		return true, nil
	}
	for _, key := range []string{replayed(d.Name), proposed(d.Name)} {
		if w, err := r.Store.Get(ctx, docWatermark, key); err != nil || w.Rev == 0 {
			return false, err
		}
	}
	return d.surveyed(), nil
}

// complete reports whether repositories are known: one that was loaded already, and others. When one is not, the work is queued again once
// it is.
func (r *Reconciler) complete(ctx context.Context, claimed []store.Claimed, loaded repoDoc, others ...coupling.Repo) (bool, error) {
	docs := []repoDoc{loaded}
	for _, repo := range others {
		var d repoDoc
		if _, err := r.load(ctx, docRepo, string(repo), &d); err != nil {
			return false, err
		}
		docs = append(docs, d)
	}
	for _, d := range docs {
		if known, err := r.await(ctx, claimed, d); err != nil || !known {
			return false, err
		}
	}
	return true, nil
}

// await reports whether a repository is known, and has work queued again once it is.
func (r *Reconciler) await(ctx context.Context, claimed []store.Claimed, d repoDoc) (bool, error) {
	if known, err := r.known(ctx, d); err != nil || known {
		return known, err
	}
	for _, c := range claimed {
		if err := r.park(ctx, c, d.Name, false); err != nil {
			return false, err
		}
	}
	// It may have become known meanwhile, before the work was there to be queued.
	var now repoDoc
	if _, err := r.load(ctx, docRepo, string(d.Name), &now); err != nil {
		return false, err
	}
	return r.known(ctx, now)
}

// waitingKey is the key of the document that holds work while it waits for a repository.
func waitingKey(c store.Claimed, repo coupling.Repo) string {
	return string(repo) + " " + c.Kind + " " + c.Key
}

// park notes that work waits for a repository, or for its policy alone.
func (r *Reconciler) park(ctx context.Context, c store.Claimed, repo coupling.Repo, survey bool) error {
	_, err := update(ctx, r, docWaiting, waitingKey(c, repo), func(d *waitingDoc) ([]store.Work, bool) {
		if len(d.Work) > 0 && d.Survey == survey {
			return nil, false
		}
		d.Work, d.Survey = []store.Work{work.Named(work.Name(c.Work), c.Lane, lasting(c))}, survey
		return nil, true
	})
	return err
}

// awaitPolicy reports whether the policy of a repository was read, and has work queued again once it is.
func (r *Reconciler) awaitPolicy(ctx context.Context, c store.Claimed, repo coupling.Repo) (bool, error) {
	var d repoDoc
	if _, err := r.load(ctx, docRepo, string(repo), &d); err != nil || d.surveyed() {
		return err == nil, err
	}
	if err := r.park(ctx, c, repo, true); err != nil {
		return false, err
	}
	// It may have been read meanwhile.
	_, err := r.load(ctx, docRepo, string(repo), &d)
	return d.surveyed(), err
}

// lasting is the payload that work keeps while it waits. What an event or a list said of a pull request is old by then, and the payloads of later
// events are not kept: the pull request is read.
func lasting(c store.Claimed) []byte {
	if c.Kind == work.KindPull || c.Kind == work.KindListed {
		return nil
	}
	return c.Data
}

// resume queues what waited for a repository, if that is known, and what waited for its policy, if that was read.
func (r *Reconciler) resume(ctx context.Context, repo coupling.Repo) error {
	var d repoDoc
	if _, err := r.load(ctx, docRepo, string(repo), &d); err != nil {
		return err
	}
	known, err := r.known(ctx, d)
	if err != nil || !known && !d.surveyed() {
		return err
	}
	docs, err := r.Store.List(ctx, docWaiting, string(repo))
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
		// Earlier versions kept one list for the repository.
		if doc.Key != string(repo) && !strings.HasPrefix(doc.Key, string(repo)+" ") {
			continue
		}
		var d waitingDoc
		if err := decode(doc, &d); err != nil {
			return err
		}
		if !known && !d.Survey {
			continue
		}
		gone, queue = append(gone, store.Document{Kind: docWaiting, Key: doc.Key, Rev: doc.Rev}), append(queue, d.Work...)
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
		if read, err := r.awaitPolicy(ctx, c, next); err != nil || !read {
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
		var d repoDoc
		if _, err := r.load(ctx, docRepo, string(home), &d); err != nil {
			return nil, false, err
		}
		if known, err := r.await(ctx, []store.Claimed{c}, d); err != nil || !known {
			return nil, false, err
		}
	}
	return later, true, nil
}

// again runs an acknowledged comment once more as soon as a home is known.
func (r *Reconciler) again(ctx context.Context, home coupling.Repo, p coupling.Pull, said work.CommentPayload) error {
	var d repoDoc
	if _, err := r.load(ctx, docRepo, string(home), &d); err != nil {
		return err
	}
	said.Late = true
	c := store.Claimed{Work: work.Comment(p, said)}
	if known, err := r.await(ctx, []store.Claimed{c}, d); err != nil || !known {
		return err
	}
	return r.comment(ctx, c)
}

// lately runs the comments that wait for a home, of which all is known but them.
func (r *Reconciler) lately(ctx context.Context, home coupling.Repo) error {
	docs, err := r.Store.List(ctx, docWaiting, string(home)+" "+work.KindComment+" ")
	if err != nil {
		return err
	}
	var late []store.Claimed
	for _, doc := range docs {
		var d waitingDoc
		if err := decode(doc, &d); err != nil {
			return err
		}
		for _, w := range d.Work {
			if work.Payload[work.CommentPayload](w).Late {
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
	all, docs, err := r.views.repos.list(ctx, r, docRepo)
	if err != nil {
		return nil, err
	}
	trusts := map[coupling.Repo][]coupling.Repo{} // by what is trusted, who does
	for i, name := range all {
		if len(docs[i].rules().Trust) == 0 {
			continue
		}
		homes, err := r.trusted(ctx, coupling.Repo(name))
		if err != nil {
			return nil, err
		}
		for _, home := range homes {
			trusts[home] = append(trusts[home], coupling.Repo(name))
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
	w, err := update(ctx, r, docWatermark, unread(repo), func(w *watermark) ([]store.Work, bool) {
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
		for _, kind := range []string{work.KindShow, work.KindPull} {
			prefix := c.Key + " " + kind + " "
			docs, err := r.Store.List(ctx, docWaiting, prefix)
			if err != nil {
				return err
			}
			for _, d := range docs {
				p, err := coupling.ParsePull(strings.TrimPrefix(d.Key, prefix), "")
				switch {
				case err != nil:
				case kind == work.KindShow:
					shows = append(shows, work.Show(p, false))
				default:
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
		var w watermark
		if rev, err := r.load(ctx, docWatermark, unread(next), &w); err != nil {
			return "", err
		} else if rev > 0 && r.Now().Sub(w.At) >= r.Patience {
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
	var indexed memberDoc
	if _, err := r.load(ctx, docMember, p.String(), &indexed); err != nil {
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
func (r *Reconciler) memberships(ctx context.Context, home coupling.Repo) (map[coupling.Pull][]string, error) {
	d, err := r.declared(ctx, home)
	if err != nil {
		return nil, err
	}
	type index struct {
		policy string
		rev    int64
		in     map[coupling.Pull][]string
	}
	if last, ok := r.indexes.Load(home); ok && last.(index).policy == d.repo.Policy && last.(index).rev == d.rev {
		return last.(index).in, nil
	}
	all, err := r.assemble(ctx, d)
	if err != nil {
		return nil, err
	}
	in := map[coupling.Pull][]string{}
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
