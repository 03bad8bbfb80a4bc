package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/relbot/relbot/internal/budget"
	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/job"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/publish"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/work"
)

// assembled returns the couplings of a home: what its policy declares with what commands added.
func (r *Reconciler) assembled(ctx context.Context, home coupling.Repo) ([]coupling.Coupling, error) {
	d, err := r.declared(ctx, home)
	if err != nil {
		return nil, err
	}
	return r.assemble(ctx, d)
}

// declaration is of what the couplings of a home are assembled.
type declaration struct {
	home    coupling.Repo
	repo    memory.Repo
	overlay memory.Overlay
	rev     int64 // of the overlay
}

func (r *Reconciler) declared(ctx context.Context, home coupling.Repo) (declaration, error) {
	d := declaration{home: home}
	var err error
	if d.repo, err = r.Memory.Repos.Load(ctx, home); err != nil {
		return d, err
	}
	o, err := r.Memory.Overlays.Read(ctx, home)
	d.overlay, d.rev = o.Value, o.Rev
	return d, err
}

func (r *Reconciler) assemble(ctx context.Context, d declaration) ([]coupling.Coupling, error) {
	declared, effects, err := r.names(d.home).couplings(ctx, d.repo.Rules().Couplings, d.overlay.Effects)
	if err != nil {
		return nil, err
	}
	return coupling.Assemble(d.home, declared, effects), nil
}

// couplings judges a batch of couplings of one home from one set of reads.
func (r *Reconciler) couplings(ctx context.Context, claimed []store.Claimed) []job.Outcome {
	out := make([]job.Outcome, len(claimed))
	late, err := r.judge(budget.With(ctx, budget.Demotions), claimed) // what it finds may take a pass back
	for i := range out {
		out[i] = job.Outcome{Err: cmp.Or(err, late[coupling.Key(claimed[i].Key)])}
	}
	return out
}

// judge judges couplings and remembers what it finds. late are the errors of those, by key, of which reads still lag.
func (r *Reconciler) judge(ctx context.Context, claimed []store.Claimed) (late map[coupling.Key]error, err error) {
	home := coupling.Key(claimed[0].Key).Home()
	before, err := r.declared(ctx, home)
	if err != nil {
		return nil, err
	}
	active, err := r.assemble(ctx, before)
	if err != nil {
		return nil, err
	}
	asked := map[coupling.Key]bool{}
	for _, c := range claimed {
		asked[coupling.Key(c.Key)] = true
	}
	var todo, others []coupling.Coupling
	for _, c := range active {
		if key := c.Key(); asked[key] {
			todo = append(todo, c)
			delete(asked, key)
		} else {
			others = append(others, c)
		}
	}
	for key := range asked { // declared no more
		if err := r.forget(ctx, key); err != nil {
			return nil, err
		}
	}
	if len(todo) == 0 {
		return nil, nil
	}
	todo, unread, err := r.judgeable(ctx, claimed, todo)
	if err != nil || len(todo) == 0 {
		return nil, err
	}
	g, s, err := r.gather(ctx, wanted{home: home, couplings: todo, unread: unread, lag: true})
	if err != nil {
		return nil, err
	}
	// The policy may have changed with this very read: judge what is in force now.
	now, err := r.declared(ctx, home)
	if err != nil {
		return nil, err
	}
	if now.rev != before.rev || now.repo.Policy != before.repo.Policy {
		if fresh, err := r.assemble(ctx, now); err != nil {
			return nil, err
		} else if publish.Hash(fresh) != publish.Hash(active) {
			return r.judge(ctx, claimed)
		}
	}
	s.Others, g.effects = others, now.overlay.Effects
	if g.lag != nil {
		late = map[coupling.Key]error{}
		s.Couplings = slices.DeleteFunc(slices.Clone(s.Couplings), func(c coupling.Coupling) bool {
			lags := slices.ContainsFunc(c.Members, func(m coupling.Member) bool { return slices.Contains(g.lag.pulls, m.Pull) })
			if lags {
				late[c.Key()] = &forge.RetryError{Err: g.lag}
			}
			return lags
		})
	}
	if err := r.lapse(ctx, &s, g); err != nil {
		return nil, err
	}
	if err := r.lookAtMembers(ctx, g); err != nil {
		return nil, err
	}
	for _, j := range rules.Evaluate(g.policy, s) {
		if err := r.remember(ctx, j, g, s); err != nil {
			return nil, err
		}
	}
	if err := r.wakeQueues(ctx, s); err != nil {
		return nil, err
	}
	if g.isOutage() {
		return late, g.outage
	}
	return late, nil
}

// judgeable are those of some couplings of one home that can be judged, and the repositories of their members that are not known yet. A coupling
// that was judged before is judged without knowing them, so that what is said elsewhere holds; one that was never judged waits for them.
func (r *Reconciler) judgeable(ctx context.Context, claimed []store.Claimed, couplings []coupling.Coupling) ([]coupling.Coupling, map[coupling.Repo]bool, error) {
	unread := map[coupling.Repo]bool{}
	var todo []coupling.Coupling
	for _, c := range couplings {
		own := slices.DeleteFunc(slices.Clone(claimed), func(w store.Claimed) bool { return coupling.Key(w.Key) != c.Key() })
		waits := false
		for _, m := range c.Members {
			repo := m.Pull.Repo
			if is, asked := unread[repo]; !asked || is { // each coupling waits for itself
				known, err := r.await(ctx, memory.Restored, own, repo)
				if err != nil {
					return nil, nil, err
				}
				unread[repo] = !known
			}
			waits = waits || unread[repo]
		}
		if waits {
			if judged, err := r.Memory.Judgements.Has(ctx, c.Key()); err != nil {
				return nil, nil, err
			} else if !judged {
				continue
			}
		}
		todo = append(todo, c)
	}
	return todo, unread, nil
}

// remember keeps a judgement, says what changed since the last one, and queues what has to be shown. Whatever follows from a difference to the last
// judgement is written with the new one or before it: a second run, after one that was broken off, finds no difference any more.
func (r *Reconciler) remember(ctx context.Context, j rules.Judgement, g *gathering, s rules.Snapshot) error {
	now := r.Now()
	key := j.Coupling.Key()
	last, err := r.Memory.Judgements.Load(ctx, key)
	if err != nil {
		return err
	}
	if publish.Hash(last.Gates) != publish.Hash(j.Gates) {
		if err := r.strangers(ctx, j.Coupling.Home); err != nil {
			return err
		}
	}
	d, err := r.Memory.Judgements.UpdateWith(ctx, key, func(d *memory.Judgement) ([]store.Document, []store.Work, bool, error) {
		before := *d
		docs, err := r.historyOf(ctx, before.Judgement, j, g, s, now)
		if err != nil {
			return nil, nil, false, err
		}
		indexed, queue, err := r.reshow(ctx, before.Judgement, j)
		if err != nil {
			return nil, nil, false, err
		}
		docs = append(docs, indexed...)
		d.Judgement, d.Heads = j, g.heads(j)
		switch {
		case !g.isOutage():
			d.Outage = time.Time{}
		case d.Outage.IsZero():
			d.Outage = now
		}
		if d.Opened.IsZero() {
			d.Opened = now
		}
		if before.Coupling.Name != "" {
			for _, text := range note.Changes(before.Judgement, j) {
				d.Lately = append([]memory.Change{{At: now, Text: text}}, d.Lately...)
			}
			d.Lately = d.Lately[:min(len(d.Lately), maxLately)]
		}
		queue = append(queue, alarms(d)...)
		before.Read, d.Read = time.Time{}, time.Time{}
		changed := publish.Hash(before) != publish.Hash(*d)
		d.Read = g.asked
		return docs, queue, changed || len(docs) > 0, nil
	})
	if err != nil {
		return err
	}
	for _, m := range d.Members {
		if err := r.sight(ctx, m.Pull, g); err != nil {
			return err
		}
	}
	return nil
}

// reshow notes who is in a coupling now, and shows the members again: those of before, those of now, and those of other couplings whose notes speak
// of one of which something else is said now.
func (r *Reconciler) reshow(ctx context.Context, before, now rules.Judgement) (docs []store.Document, queue []store.Work, err error) {
	key := now.Coupling.Key()
	show := func(p coupling.Pull, in bool) error {
		d, err := r.Memory.Members.Read(ctx, p)
		if err == nil && d.Value.Note(key, in) {
			docs = append(docs, d.With(d.Value))
		}
		queue = append(queue, work.Show(p, false))
		return err
	}
	var turned []coupling.Pull
	for _, m := range now.Members {
		if was, is := before.Member(m.Pull); !is || publish.Hash(was.Verdict) != publish.Hash(m.Verdict) {
			turned = append(turned, m.Pull)
		}
		if err := show(m.Pull, true); err != nil {
			return nil, nil, err
		}
	}
	for _, m := range before.Members {
		if _, still := now.Member(m.Pull); still {
			continue
		}
		turned = append(turned, m.Pull)
		if err := show(m.Pull, false); err != nil {
			return nil, nil, err
		}
	}
	others, err := r.neighbours(ctx, turned, key)
	return docs, append(queue, others...), err
}

// heads returns the head that each open member had when it was read.
func (g *gathering) heads(j rules.Judgement) map[string]string {
	out := map[string]string{}
	for _, m := range j.Members {
		if f := g.shown[m.Pull]; f.Known() && f.Value.State == "open" {
			out[m.Pull.String()] = f.Value.Head
		}
	}
	return out
}

// alarms notes the alarms of a judgement, and returns the work that comments on the new ones.
func alarms(d *memory.Judgement) []store.Work {
	var queue []store.Work
	var all []string
	for _, a := range d.Alarms {
		id := alarmID(a)
		if all = append(all, id); slices.Contains(d.Alarmed, id) {
			continue
		}
		for _, p := range a.Notify {
			queue = append(queue, work.Alarm(p, id, d.Coupling.Key()))
		}
	}
	d.Alarmed = all
	return queue
}

// neighbours is the work that shows the members of other couplings again in which some pull requests are too: their notes say of these what all
// couplings say.
func (r *Reconciler) neighbours(ctx context.Context, pulls []coupling.Pull, key coupling.Key) ([]store.Work, error) {
	var queue []store.Work
	for _, p := range pulls {
		js, err := r.judgementsOf(ctx, p)
		if err != nil {
			return nil, err
		}
		for _, j := range js {
			if j.Coupling.Key() == key {
				continue
			}
			for _, m := range j.Members {
				queue = append(queue, work.Show(m.Pull, false))
			}
		}
	}
	return queue, nil
}

// strangers looks again at the pull requests that change gates from outside: what their values must be, or who owns the
// gates, is another matter now.
func (r *Reconciler) strangers(ctx context.Context, repo coupling.Repo) error {
	docs, err := r.Memory.Pulls.In(ctx, repo)
	if err != nil {
		return err
	}
	for _, doc := range docs {
		p, d := doc.Of, doc.Value
		if d.State != "open" || d.Extra == nil {
			continue
		}
		if _, err := r.Memory.Pulls.Update(ctx, p, func(d *memory.Pull) ([]store.Work, bool) {
			d.Looked = false
			return []store.Work{work.Pull(p)}, true
		}); err != nil {
			return err
		}
	}
	return nil
}

// sight keeps what was just read of a member, which is newer than any event.
func (r *Reconciler) sight(ctx context.Context, p coupling.Pull, g *gathering) error {
	fact := g.shown[p]
	if !fact.Known() {
		return nil
	}
	f := fact.Value
	_, err := r.Memory.Pulls.UpdateWith(ctx, p, func(d *memory.Pull) ([]store.Document, []store.Work, bool, error) {
		if d.Head == f.Head && d.State == f.State && d.Base == f.Base {
			return nil, nil, false, nil
		}
		if d.Head == "" {
			return nil, []store.Work{work.Pull(p)}, false, nil // no event named it yet
		}
		before := *d
		d.Head, d.State, d.Base, d.Updated, d.Learned, d.Taken, d.Looked = f.Head, f.State, f.Base, f.UpdatedAt, r.Now(), false, false
		queue, err := r.left(ctx, p, before, *d)
		return nil, append(queue, work.Pull(p)), true, err
	})
	return err
}

// maxLately bounds the list of changes that a note shows.
const maxLately = 10

func alarmID(a rules.Alarm) string {
	return publish.Hash([]any{a.Reason.Code, a.Reason.About, a.Reason.Gate, a.Reason.Coupling, a.Reason.Commit, a.Reason.Release})
}

// forget drops a coupling that is declared no more: its members are shown without it.
func (r *Reconciler) forget(ctx context.Context, key coupling.Key) error {
	d, err := r.Memory.Judgements.Read(ctx, key)
	if err != nil || !d.Exists() {
		return err
	}
	for _, m := range d.Value.Members {
		if err := r.index(ctx, m.Pull, key, false); err != nil {
			return err
		}
	}
	gone := []store.Document{d.Gone()}
	if h, err := r.Memory.Histories.Read(ctx, key); err != nil {
		return err
	} else if h.Exists() {
		gone = append(gone, h.Gone())
	}
	return r.Store.Put(ctx, gone, nil)
}

// index notes whether a pull request is in a coupling, and shows it again when that changed.
func (r *Reconciler) index(ctx context.Context, p coupling.Pull, key coupling.Key, in bool) error {
	_, err := r.Memory.Members.Update(ctx, p, func(d *memory.Member) ([]store.Work, bool) {
		if !d.Note(key, in) {
			return nil, false
		}
		return []store.Work{work.Show(p, false)}, true
	})
	return err
}

// lapse ends the overrides whose time is over: a push that changed the tree, the merge, or the cut of a release. It
// takes them out of the snapshot too.
func (r *Reconciler) lapse(ctx context.Context, s *rules.Snapshot, g *gathering) error {
	for p, fact := range g.pulls {
		if !fact.Known() {
			continue
		}
		f := fact.Value
		ended := func(o memory.Override) bool {
			switch o.Until {
			case "push":
				return f.Head != o.Head && (f.Tree == "" || f.Tree != o.Tree)
			case "merge":
				return f.State == "merged"
			}
			return r.cut(*s, p.Repo, o.Until)
		}
		var gone []memory.Override
		_, err := r.Memory.Overrides.Update(ctx, p, func(d *memory.Overrides) ([]store.Work, bool) {
			gone = nil
			d.Overrides = slices.DeleteFunc(d.Overrides, func(o memory.Override) bool {
				if ended(o) {
					gone = append(gone, o)
					return true
				}
				return false
			})
			return nil, len(gone) > 0
		})
		if err != nil {
			return err
		}
		for _, o := range gone {
			s.Overrides = slices.DeleteFunc(s.Overrides, func(q rules.Override) bool { return q == o.Override })
			if _, err := r.Store.Log(ctx, store.Audit{At: r.Now(), Repo: string(p.Repo), Pull: p.Number, Actor: "relbot", Action: "override lapsed",
				Detail: fmt.Sprintf("%s, given until %s", o.Code, o.Until), Key: "lapse " + o.ID}); err != nil {
				return err
			}
		}
	}
	return nil
}

// cut reports whether a release was cut in a repository.
func (r *Reconciler) cut(s rules.Snapshot, repo coupling.Repo, release string) bool {
	facts := s.Repos[repo]
	if facts.Releases == nil || !facts.Tags.Known() {
		return false
	}
	v, err := facts.Releases.Scheme.Parse(release)
	if err != nil {
		return false
	}
	_, is := facts.History().CutBy(v.Core())
	return is
}

// judgementsOf loads the judgements of the couplings that a pull request is in, in the order of their keys, without
// those that may not say anything about it because its repository does not trust their home.
func (r *Reconciler) judgementsOf(ctx context.Context, p coupling.Pull) ([]memory.Judgement, error) {
	return r.judgementsWith(ctx, p, map[coupling.Key]memory.Judgement{})
}

// judgementsWith takes what is loaded already from a map by coupling, and adds to it.
func (r *Reconciler) judgementsWith(ctx context.Context, p coupling.Pull, loaded map[coupling.Key]memory.Judgement) ([]memory.Judgement, error) {
	d, err := r.Memory.Members.Load(ctx, p)
	if err != nil {
		return nil, err
	}
	var repo memory.Repo
	var out []memory.Judgement
	for _, key := range d.Couplings {
		j, ok := loaded[key]
		if !ok {
			var err error
			if j, ok, err = r.Memory.Judgements.Find(ctx, key); err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
			loaded[key] = j
		}
		if p.Repo == j.Coupling.Home { // which trusts itself
			out = append(out, j)
			continue
		}
		if repo.Name == "" {
			if repo, err = r.Memory.Repos.Load(ctx, p.Repo); err != nil {
				return nil, err
			}
		}
		if trusted, err := r.trusts(ctx, repo, j.Coupling.Home); err != nil {
			return nil, err
		} else if trusted {
			out = append(out, j)
		}
	}
	return out, nil
}
