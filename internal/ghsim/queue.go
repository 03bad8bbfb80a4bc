package ghsim

import (
	"fmt"
	"slices"
	"time"

	"github.com/relbot/relbot/internal/coupling"
)

// Group is a merge group: pull requests that the queue means to land at once.
type Group struct {
	Repo   coupling.Repo
	Base   string // branch
	Branch string // gh-readonly-queue/…
	Tip    string // the base's commit below the group
	Head   string // the commit that the required check is asked for
	Pulls  []int  // in merge order
	State  string // "pending", "merged" or "destroyed"
	Reason string // of its end: "merged", "invalidated" or "dequeued"

	repo    *repo
	commits []*commit // one for each pull request
	since   time.Time
}

// queueTimeout is how long the queue waits for a required check.
const queueTimeout = time.Hour

// copy is what callers may keep.
func (q *Group) copy() *Group {
	if q == nil {
		return nil
	}
	c := *q
	c.Pulls = slices.Clone(q.Pulls)
	c.repo, c.commits = nil, nil
	return &c
}

// Enqueue puts pull requests into the merge queue of their base, as one group. It is refused when one of them could
// not enter the queue on its own, or does not merge onto those before it.
func (g *GitHub) Enqueue(name coupling.Repo, numbers []int) (*Group, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.repo(name)
	if err != nil {
		return nil, err
	}
	if len(numbers) == 0 {
		return nil, fmt.Errorf("%s: enqueue: no pull requests", name)
	}
	var pulls []*pull
	for _, n := range numbers {
		p, err := g.pull(coupling.Pull{Repo: r.name, Number: n})
		if err != nil {
			return nil, err
		}
		switch why := g.refusal(p, false); {
		case why != "":
			return nil, p.errorf("%s", why)
		case p.queued != nil || slices.Contains(pulls, p):
			return nil, p.errorf("it is in the queue already")
		case !r.needsQueue(p.base):
			return nil, p.errorf("%s has no merge queue", p.base)
		}
		pulls = append(pulls, p)
	}
	q := &Group{repo: r, Repo: r.name, Base: pulls[0].base, Pulls: slices.Clone(numbers)}
	if err := g.build(q); err != nil {
		return nil, err
	}
	for _, p := range pulls {
		p.queued = q
		g.emitPull(p, "enqueued", nil, p.author)
	}
	r.groups = append(r.groups, q)
	g.group = q
	g.announce(q)
	return q.copy(), nil
}

// build squashes the group's pull requests onto its base, one after the other. A group that cannot be built stays as
// it was.
func (g *GitHub) build(q *Group) error {
	base := q.repo.branches[q.Base]
	tip := base
	var commits []*commit
	for _, n := range q.Pulls {
		p := q.repo.pulls[n]
		landed, err := g.land(p, tip, "squash", p.author)
		if err != nil {
			return p.errorf("%w", err)
		}
		tip = landed[0]
		commits = append(commits, tip)
	}
	q.commits, q.Tip, q.Head = commits, base.id, tip.id
	q.Branch = fmt.Sprintf("gh-readonly-queue/%s/pr-%d-%s", q.Base, q.Pulls[len(q.Pulls)-1], q.Tip)
	q.State, q.Reason, q.since = "pending", "", g.now()
	return nil
}

// announce makes the group's branch and asks for its checks.
func (g *GitHub) announce(q *Group) {
	g.setBranch(q.repo, q.Branch, q.commits[len(q.commits)-1], queueBot)
	g.emit(q.repo, "merge_group", "checks_requested", object{"merge_group": g.groupJSON(q)}, queueBot)
}

const queueBot = "github-merge-queue[bot]"

// LastGroup is the group of the last Enqueue that was let in; nil before.
func (g *GitHub) LastGroup() *Group {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.group.copy()
}

// SettleGroups merges each group whose required check passed on its head and destroys each where it failed. A group
// that has no answer yet waits, for an hour at most; one whose base moved is built anew and asked about again.
func (g *GitHub) SettleGroups() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range g.repos {
		for _, q := range slices.Clone(r.groups) {
			g.settle(q)
		}
	}
}

func (g *GitHub) settle(q *Group) {
	r := q.repo
	if tip := r.branches[q.Base]; tip.id != q.Tip {
		g.emit(r, "merge_group", "destroyed", object{"merge_group": g.groupJSON(q), "reason": "invalidated"}, queueBot)
		g.setBranch(r, q.Branch, nil, queueBot)
		if err := g.build(q); err != nil {
			g.destroyGroup(q, "invalidated", "MERGE_CONFLICT")
			return
		}
		g.announce(q)
		return
	}
	head := q.commits[len(q.commits)-1]
	name := r.requiredOn(q.Base)
	if ok, _ := r.passes(head, name); ok {
		g.landGroup(q, head)
		return
	}
	switch c := r.newest(head, name); {
	case c != nil && c.Status == "completed":
		g.destroyGroup(q, "dequeued", "CI_FAILURE")
	case g.now().Sub(q.since) >= queueTimeout:
		g.destroyGroup(q, "dequeued", "CI_TIMEOUT")
	}
}

// landGroup puts a group on its base.
func (g *GitHub) landGroup(q *Group, head *commit) {
	r := q.repo
	onto := r.branches[q.Base]
	for _, n := range q.Pulls {
		r.pulls[n].closed = true // before the branch moves, as in merge
	}
	g.setBranch(r, q.Base, head, queueBot)
	for i, n := range q.Pulls {
		p := r.pulls[n]
		p.queued, p.onto, p.landed = nil, onto, []*commit{q.commits[i]}
		onto = q.commits[i]
		g.emitPull(p, "dequeued", object{"reason": "MERGE"}, queueBot)
		g.markMerged(p, q.commits[i], queueBot)
	}
	g.endGroup(q, "merged", "merged")
}

// destroyGroup takes a group and its pull requests out of the queue. reason is the group's, why the pull requests'.
func (g *GitHub) destroyGroup(q *Group, reason, why string) {
	for _, n := range q.Pulls {
		p := q.repo.pulls[n]
		p.queued = nil
		g.emitPull(p, "dequeued", object{"reason": why}, queueBot)
	}
	g.endGroup(q, "destroyed", reason)
}

func (g *GitHub) endGroup(q *Group, state, reason string) {
	r := q.repo
	q.State, q.Reason = state, reason
	r.groups = slices.DeleteFunc(r.groups, func(x *Group) bool { return x == q })
	g.emit(r, "merge_group", "destroyed", object{"merge_group": g.groupJSON(q), "reason": reason}, queueBot)
	g.setBranch(r, q.Branch, nil, queueBot)
}
