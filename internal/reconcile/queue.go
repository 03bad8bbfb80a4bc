package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/history"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/work"
)

// One kind of work handles all groups of a merge queue, and its serialization key makes it the only writer of their checks. The event of a group only records the group.
//
//	event of a group, a coupling judged, a timer
//	  → read policies, tip and entries → name each group → judge it on its own tree → rules.Released → post, the last group first
//	  → look again: immediately when a posted pass releases a group ahead, else after a pause while something is awaited
//
// So every release follows from a new read of the queue. A group that failed stays failed, since GitHub removes its entry.

const (
	unnamedPause = 5 * time.Second  // between these
	awaitedPause = 15 * time.Second // between looks while a partner, or another check, is awaited
	longestWait  = 30 * time.Minute // for partners, where the queue's time-out is not known: half of GitHub's own default
)

// wakeQueue looks at a queue again later. It is a row of its own, since one that is worked on keeps its moment.
func (r *Reconciler) wakeQueue(ctx context.Context, c store.Claimed) error {
	return r.Store.Enqueue(ctx, work.Queue(work.QueueOf(c.Work)))
}

// queueLook is one look at a merge queue.
type queueLook struct {
	*Reconciler
	key    memory.QueueKey
	began  time.Time
	repo   memory.Repo
	branch string
	tip    string
	doc    memory.Queue
	queue  forge.Queue
	groups []*lookedGroup // those that have names, in the order of the queue
	again  time.Time      // when to look again; zero is not
}

// lookedGroup is a live group whose pull requests are known.
type lookedGroup struct {
	memory.Group
	rules.QueuedGroup
	found   groupJudgement
	unread  error // why it could not be judged
	settled bool  // it passed, nothing has changed since, and nobody ahead waits for it
}

// lookAtQueue answers each group of a merge queue that it can, and leaves none waiting for anything but a partner, for a bounded time.
func (r *Reconciler) lookAtQueue(ctx context.Context, c store.Claimed) error {
	repo, branch := work.QueueOf(c.Work)
	l := &queueLook{Reconciler: r, key: memory.QueueKey{Repo: repo, Branch: branch}, branch: branch, began: r.Now()}
	var err error
	if l.doc, err = r.Memory.Queues.Load(ctx, l.key); err != nil {
		return err
	}
	if !slices.ContainsFunc(l.doc.Groups, memory.Group.Live) {
		return nil
	}
	if l.repo, err = r.Memory.Repos.Load(ctx, repo); err != nil {
		return err
	}
	err = l.look(ctx, c)
	if err != nil {
		err = l.trouble(ctx, err)
	}
	if l.again.IsZero() {
		return err
	}
	later := work.Queue(repo, branch)
	if later.At = l.again; l.again.After(r.Now()) {
		later = work.QueueLater(repo, branch, l.again)
	}
	return errors.Join(err, r.Store.Enqueue(ctx, later))
}

// look names, judges and posts.
func (l *queueLook) look(ctx context.Context, c store.Claimed) error {
	var err error
	if l.repo, l.tip, err = l.fresh(ctx, l.repo, l.branch); err != nil {
		return err
	}
	if err := l.informed(ctx, c, l.repo); err != nil {
		return err
	}
	l.queue, err = l.GitHub.Queue(ctx, l.repo.Name, l.branch)
	answered := err == nil || !transient(err)
	if l.stale() {
		l.queue.Entries, answered = versionscan.NotKnown[[]forge.QueueEntry]("the queue still shows what has left it"), false
	}
	if err := l.discover(ctx); err != nil {
		return err
	}
	for _, g := range l.doc.Groups {
		if !g.Live() {
			continue
		}
		if err := l.take(ctx, g, answered); err != nil {
			return err
		}
	}
	slices.SortStableFunc(l.groups, func(a, b *lookedGroup) int { return len(a.Pulls) - len(b.Pulls) })
	return l.answer(ctx)
}

// take names a group, or answers it without names once it was asked for long enough which pull requests are in it.
func (l *queueLook) take(ctx context.Context, g memory.Group, answered bool) error {
	old := l.Now().Sub(g.Seen) >= memory.UnnamedPatience
	if answered || old {
		numbers, ok, err := l.name(ctx, l.repo.Name, l.branch, l.tip, l.queue, g.GroupEvent, l.doc.Events())
		if err != nil && !ofGitHub(err) {
			return err
		}
		if ok {
			l.groups = append(l.groups, &lookedGroup{Group: g, QueuedGroup: rules.QueuedGroup{Pulls: rules.PullsOf(l.repo.Name, numbers)}})
			return nil
		}
	}
	if old {
		return l.showUnnamed(ctx, g)
	}
	l.lookAgain(g.Seen.Add(memory.UnnamedPatience))
	l.lookAgain(l.Now().Add(unnamedPause))
	return nil
}

// stale reports whether the queue was read as it stood before the last events: it shows a group that was destroyed a moment ago.
func (l *queueLook) stale() bool {
	return slices.ContainsFunc(l.queue.Entries.Value, func(e forge.QueueEntry) bool {
		g := l.doc.Find(e.Head)
		return e.Head != "" && g != nil && !g.Gone.IsZero() && l.Now().Sub(g.Gone) < memory.UnnamedPatience
	})
}

func (l *queueLook) lookAgain(at time.Time) {
	if l.again.IsZero() || at.Before(l.again) {
		l.again = at
	}
}

// discover adds the groups that the queue shows and no event reported, and ends those that have landed.
func (l *queueLook) discover(ctx context.Context) error {
	var landed []string
	for at := l.doc.Find(l.tip); at != nil && !slices.Contains(landed, at.Head); at = l.doc.Find(at.BaseSHA) {
		landed = append(landed, at.Head)
	}
	below := l.tip
	var news []rules.GroupEvent
	for _, e := range l.queue.Entries.Value {
		if g := l.doc.Find(e.Head); e.Head != "" && (g == nil || !g.Gone.IsZero()) {
			news = append(news, rules.GroupEvent{Head: e.Head, BaseSHA: below, HeadRef: fmt.Sprintf("gh-readonly-queue/%s/pr-%d-%s", l.branch, e.Pull.Number, below)})
		}
		below = e.Head
	}
	var err error
	l.doc, err = l.Memory.Queues.Update(ctx, l.key, func(d *memory.Queue) ([]store.Work, bool) {
		changed := len(news) > 0
		for _, e := range news {
			d.Add(e, l.Now())
			g := d.Find(e.Head)
			g.Gone, g.Reason = time.Time{}, ""
		}
		for _, head := range landed {
			if g := d.Find(head); g != nil && g.Gone.IsZero() {
				g.Gone, g.Reason, changed = l.Now(), "merged", true
			}
		}
		return nil, changed
	})
	return err
}

// name tells which pull requests are in a group, by number and in merge order: as the queue's entries have it; where they cannot be read by the events,
// and then by the commits.
func (r *Reconciler) name(ctx context.Context, repo coupling.Repo, branch, tip string, queue forge.Queue, e rules.GroupEvent, remembered []rules.GroupEvent) ([]int, bool, error) {
	if entries := queue.Entries; entries.Known() {
		var all []rules.Entry
		listed := false // without its head
		for _, x := range entries.Value {
			all = append(all, rules.Entry{Number: x.Pull.Number, Head: x.Head})
			listed = listed || x.Pull.Number == e.Number() && x.Head == ""
		}
		if numbers, ok := rules.NameByEntries(e, all, remembered, tip); ok || !listed {
			return numbers, ok, nil
		}
	}
	if numbers, ok := rules.NameByEvents(e, remembered, tip); ok {
		return numbers, true, nil
	}
	method := queue.Method
	if method == "" {
		b, err := r.GitHub.BranchRules(ctx, repo, branch)
		if err != nil && transient(err) {
			return nil, false, err
		}
		method = b.Method
	}
	cmp, err := r.GitHub.Compare(ctx, repo, tip, e.Head)
	if err != nil && transient(err) {
		return nil, false, err
	}
	if !cmp.Known() || cmp.Value.Behind > 0 {
		return nil, false, nil
	}
	var commits []rules.QueueCommit
	for _, c := range cmp.Value.Commits {
		commits = append(commits, rules.QueueCommit{SHA: c.SHA, Parents: c.Parents, Number: history.PullOf(c)})
	}
	numbers, ok := rules.NameByParents(e, method, tip, commits)
	return numbers, ok, nil
}

// lands are those of a group that its check lets land: its own entry, and the ones ahead where GitHub lands these with it even if their own groups
// failed, or where that is not known.
func lands(queue forge.Queue, pulls []coupling.Pull) []coupling.Pull {
	if queue.Strategy == "ALLGREEN" {
		return pulls[len(pulls)-1:]
	}
	return pulls
}

// answer judges the groups and posts their checks, the last one first.
func (l *queueLook) answer(ctx context.Context) error {
	waiting := false // one ahead waits for those behind it
	for i, g := range l.groups {
		posted, err := l.Publish.Posted(ctx, l.repo.Name, g.Head)
		if err != nil {
			return err
		}
		g.Passed = posted.Level == string(rules.Pass) && posted.Intent == ""
		if g.settled = !waiting && g.Passed && g.Right.After(l.doc.Changed); g.settled {
			continue
		}
		tree := groupTree{Head: g.Head, Group: rules.Group{Repo: l.repo.Name, Base: l.branch, Pulls: g.Pulls, Behind: l.behind(i), Build: l.queue.Build}}
		if g.found, g.unread = l.judgedGroup(ctx, tree); g.unread != nil && !ofGitHub(g.unread) {
			return g.unread
		}
		g.Verdict, g.Verdicts = g.found.of(l.repo.Name, lands(l.queue, g.Pulls)), g.found.verdicts
		if g.unread != nil {
			g.Verdict = unreadable(g.unread.Error())
		}
		if err := l.wait(ctx, g); err != nil {
			return err
		}
		waiting = waiting || len(g.Verdict.Awaits()) > 0
	}
	for i := len(l.groups) - 1; i >= 0; i-- {
		if err := l.post(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// judgedGroup judges a group once what couplings say of its pull requests is known.
func (l *queueLook) judgedGroup(ctx context.Context, tree groupTree) (groupJudgement, error) {
	for _, p := range tree.Pulls {
		if err := l.unjudged(ctx, p, append([]coupling.Repo{l.repo.Name}, l.repo.Rules().Trust...)...); err != nil {
			return groupJudgement{}, err
		}
	}
	return l.judgeGroup(ctx, l.repo, tree)
}

// ofGitHub reports whether an error is about what GitHub says, or what is not known yet, as against one of relbot's own database.
func ofGitHub(err error) bool {
	return transient(err) || refused(err) || errors.Is(err, forge.ErrRejected) || errors.Is(err, forge.ErrToken)
}

// unreadable is the verdict on a group of which something could not be read.
func unreadable(why string) rules.Verdict {
	return rules.Verdict{Level: rules.Unknown, Reasons: []rules.Reason{rules.Unreadable(coupling.Pull{}, why)}}
}

// behind are the pull requests behind a group in the queue.
func (l *queueLook) behind(i int) []coupling.Pull {
	pulls := l.groups[i].Pulls
	if l.queue.Entries.Known() {
		at := slices.IndexFunc(l.queue.Entries.Value, func(e forge.QueueEntry) bool { return e.Pull == pulls[len(pulls)-1] })
		var out []coupling.Pull
		for _, e := range l.queue.Entries.Value[at+1:] {
			out = append(out, e.Pull)
		}
		return out
	}
	last := l.groups[len(l.groups)-1].Pulls
	return last[min(len(pulls), len(last)):]
}

// wait notes since when a group waits for partners, and until when it may.
func (l *queueLook) wait(ctx context.Context, g *lookedGroup) error {
	if len(g.Verdict.Awaits()) == 0 {
		return nil
	}
	if g.Waits.IsZero() {
		g.Waits = l.Now()
	}
	patience := longestWait
	if l.queue.Timeout > 0 {
		patience = l.queue.Timeout / 2
	}
	for _, reason := range g.Verdict.Reasons {
		if d, ok := g.found.patience[reason.Coupling]; ok {
			patience = min(patience, d)
		}
	}
	g.Deadline = g.Waits.Add(patience)
	if g.Deadline.Equal(g.Until) {
		return nil
	}
	return l.note(ctx, g.Head, func(q *memory.Group) { q.Waits, q.Until = g.Waits, g.Deadline })
}

// note changes what is remembered of a group.
func (l *queueLook) note(ctx context.Context, head string, change func(*memory.Group)) error {
	_, err := l.Memory.Queues.Update(ctx, l.key, func(d *memory.Queue) ([]store.Work, bool) {
		g := d.Find(head)
		if g != nil {
			change(g)
		}
		return nil, g != nil
	})
	return err
}

// post shows what the check of a group has to be, given those behind it.
func (l *queueLook) post(ctx context.Context, i int) error {
	g := l.groups[i]
	if g.settled {
		return nil
	}
	if g.unread != nil && (g.Passed || transient(g.unread) && l.Now().Before(g.Due())) {
		l.lookAgain(l.Now().Add(awaitedPause))
		return nil
	}
	awaits := g.Verdict.Awaits()
	var behind []rules.QueuedGroup
	for _, b := range l.groups[i+1:] {
		if len(awaits) > 0 && b.Passed && !slices.ContainsFunc(awaits, func(p coupling.Pull) bool { return !slices.Contains(b.Pulls, p) }) {
			b.Green = b.Green || l.green(ctx, b)
		}
		behind = append(behind, b.QueuedGroup)
	}
	v := rules.Released(g.QueuedGroup, behind, l.Now())
	if err := l.showGroup(ctx, l.repo, g.Head, g.Pulls, v, g.found.docs); err != nil {
		return err
	}
	switch {
	case v.Pending():
		l.lookAgain(g.Deadline)
		l.lookAgain(l.Now().Add(awaitedPause))
		return nil
	case v.Level != rules.Pass:
		late := l.late(i)
		return l.note(ctx, g.Head, func(q *memory.Group) { q.Failed, q.Late = true, late })
	}
	if !g.Passed && slices.ContainsFunc(l.groups[:i], func(a *lookedGroup) bool { return len(a.Verdict.Awaits()) > 0 }) {
		l.lookAgain(l.Now()) // now that it shows a pass, one ahead of it may follow
	}
	if g.Verdict.Level != rules.Pass { // released with others, without which it does not pass
		return nil
	}
	return l.note(ctx, g.Head, func(q *memory.Group) { q.Right = l.began })
}

// late reports whether a group waits for a partner of its own entry that is not in the queue.
func (l *queueLook) late(i int) bool {
	g, behind := l.groups[i], l.behind(i)
	return slices.ContainsFunc(g.Verdict.Reasons, func(r rules.Reason) bool {
		return r.About == g.Pulls[len(g.Pulls)-1] && r.Queue == rules.Awaited && slices.ContainsFunc(r.Pulls, func(p coupling.Pull) bool { return !slices.Contains(behind, p) })
	})
}

// green reports whether the other required checks of a group have passed. What cannot be read has not.
func (l *queueLook) green(ctx context.Context, g *lookedGroup) bool {
	ok, err := l.GitHub.Green(ctx, forge.GroupHead{Pull: g.Pulls[len(g.Pulls)-1], Head: g.Head}, l.repo.Rules().Check.Name)
	if err != nil {
		l.Log.Warn("the checks of a merge group could not be read", "repo", string(l.repo.Name), "head", g.Head, "error", err)
	}
	return err == nil && ok
}

// showUnnamed answers a group whose pull requests could not be named. It fails where something on its branch may be coupled. A group that was
// answered before, and is not in the queue, is recorded as ended.
func (l *queueLook) showUnnamed(ctx context.Context, g memory.Group) error {
	entries := l.queue.Entries
	if posted, err := l.Publish.Posted(ctx, l.repo.Name, g.Head); err != nil {
		return err
	} else if posted.Level != "" && entries.Known() && !slices.ContainsFunc(entries.Value, func(e forge.QueueEntry) bool { return e.Pull.Number == g.Number() }) {
		return l.note(ctx, g.Head, func(q *memory.Group) { q.Gone = l.Now() })
	}
	quiet, err := l.nothingCoupled(ctx)
	if err != nil {
		return err
	}
	if quiet {
		v := rules.Verdict{Level: rules.Pass, Reasons: []rules.Reason{rules.Uncoupling(l.branch)}}
		return l.showGroup(ctx, l.repo, g.Head, nil, v, nil)
	}
	return l.fail(ctx, g, "the pull requests in the group could not be named: "+cmpOr(entries.Why, "the queue does not show it"))
}

// fail ends a group of which something cannot be known.
func (l *queueLook) fail(ctx context.Context, g memory.Group, why string) error {
	if err := l.showGroup(ctx, l.repo, g.Head, nil, unreadable(why), nil); err != nil {
		return err
	}
	return l.note(ctx, g.Head, func(q *memory.Group) { q.Failed = true })
}

// trouble answers the groups that have waited long enough for what cannot be read or is not known, so that the queue is not kept waiting for its
// time-out. What it does not answer is tried again.
func (l *queueLook) trouble(ctx context.Context, cause error) error {
	if ctx.Err() != nil || !ofGitHub(cause) {
		return cause
	}
	for _, g := range l.doc.Groups {
		if !g.Live() {
			continue
		}
		posted, err := l.Publish.Posted(ctx, l.repo.Name, g.Head)
		switch {
		case err != nil:
			return err
		case posted.Level == string(rules.Pass): // it was right, and nothing newer is known
		case transient(cause) && l.Now().Before(g.Due()):
			l.lookAgain(g.Due())
		default:
			if err := l.fail(ctx, g, cause.Error()); err != nil {
				return err
			}
		}
	}
	if l.again.IsZero() {
		return nil
	}
	return cause
}

// nothingCoupled reports whether no coupling can say anything of a pull request that lands on the branch: none of an open one there, no hold, and no
// command that was not run yet.
func (l *queueLook) nothingCoupled(ctx context.Context) (bool, error) {
	homes, err := l.trusted(ctx, l.repo.Name)
	if err != nil {
		return false, err
	}
	for _, home := range append(homes, l.repo.Name) {
		all, err := l.assembled(ctx, home)
		if err != nil {
			return false, err
		}
		for _, c := range all {
			for _, m := range c.Members {
				if c.End != nil || m.Pull.Repo != l.repo.Name {
					continue
				}
				seen, err := l.Memory.Pulls.Load(ctx, m.Pull)
				if err != nil {
					return false, err
				}
				if there := seen.Base == l.branch || seen.Base == ""; c.Hold != nil || there && (seen.State == "open" || seen.State == "") {
					return false, nil
				}
			}
		}
	}
	jobs, err := l.Store.Jobs(ctx)
	return !slices.ContainsFunc(jobs, func(j store.Job) bool {
		return (j.Kind == work.KindComment || j.Kind == work.KindComments) && strings.HasPrefix(j.Key, string(l.repo.Name))
	}), err
}

// wakeQueues has the queues looked at that have groups with members of what was judged.
func (r *Reconciler) wakeQueues(ctx context.Context, s rules.Snapshot) error {
	for repo, facts := range s.Repos {
		for branch, base := range facts.Bases {
			if !base.Queue {
				continue
			}
			if _, err := r.Memory.Queues.Update(ctx, memory.QueueKey{Repo: repo, Branch: branch}, func(d *memory.Queue) ([]store.Work, bool) {
				if !slices.ContainsFunc(d.Groups, memory.Group.Live) {
					return nil, false
				}
				d.Changed = r.Now()
				return []store.Work{work.Queue(repo, branch)}, true
			}); err != nil {
				return err
			}
		}
	}
	return nil
}
