package ghsim

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/coupling"
)

// QueueSpec configures a merge queue, in the words of GitHub's settings.
type QueueSpec struct {
	Method   string        // "squash" (when empty), "merge" or "rebase"
	Strategy string        // "ALLGREEN" (when empty): each entry's own checks have to pass; "HEADGREEN": those of the last that lands
	Build    int           // how many entries have a group at a time; 5 when zero
	Merge    int           // how many land in one go; 5 when zero
	Timeout  time.Duration // how long a group waits for its checks; an hour when zero
}

func (q QueueSpec) filled() QueueSpec {
	return QueueSpec{cmp.Or(q.Method, "squash"), cmp.Or(q.Strategy, "ALLGREEN"), cmp.Or(q.Build, 5), cmp.Or(q.Merge, 5), cmp.Or(q.Timeout, time.Hour)}
}

// mergeQueue is the queue of a repository's default branch.
//
// GitHub makes one group for each entry, on top of that of the entry ahead; base_sha is "the SHA of the merge group's parent commit" (published
// description of the merge_group event; firezone/firezone#13268, iotaledger/iota#12491). An entry lands when its group has passed and all ahead have
// landed. When an entry is thrown out, the groups behind it are destroyed and rebuilt without it.
type mergeQueue struct {
	QueueSpec
	entries []*Group // in order; those beyond Build have no group yet
}

// Group is an entry of a merge queue with its merge group.
type Group struct {
	Repo   coupling.Repo
	Base   string // branch
	Branch string // gh-readonly-queue/…; "" while no group is built
	Tip    string // the commit below the group: the head of the entry ahead, or the base's tip
	Head   string // the commit that the required checks are asked for
	Pull   int
	State  string // "pending", "merged" or "destroyed"
	Reason string // of its end: "merged", "invalidated" or "dequeued"

	pull    *pull
	commits []*commit // what the entry adds
	since   time.Time
}

// head is the group's own commit; nil while it is not built.
func (q *Group) head() *commit {
	if len(q.commits) == 0 {
		return nil
	}
	return q.commits[len(q.commits)-1]
}

// copy is what callers may keep.
func (q *Group) copy() *Group {
	if q == nil {
		return nil
	}
	c := *q
	c.pull, c.commits = nil, nil
	return &c
}

// Enqueue puts pull requests into the merge queue of their base, in order. One that GitHub would not let in stays out, which is an error; the
// others enter. It returns the last group that was made, nil when there is none.
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
	var refused error
	for _, n := range numbers {
		p, err := g.pull(coupling.Pull{Repo: r.name, Number: n})
		if err == nil {
			err = g.enter(p, p.author)
		}
		refused = errors.Join(refused, err)
	}
	before := g.group
	g.rebuild(r)
	if g.group == before {
		return nil, refused
	}
	return g.group.copy(), refused
}

// enter puts a pull request at the end of its queue.
func (g *GitHub) enter(p *pull, by string) error {
	switch why := g.refusal(p, false); {
	case why != "":
		return p.errorf("%s", why)
	case p.queued != nil:
		return p.errorf("it is in the queue already")
	case !p.repo.needsQueue(p.base):
		return p.errorf("%s has no merge queue", p.base)
	}
	p.queued = &Group{Repo: p.repo.name, Base: p.base, Pull: p.number, State: "pending", pull: p}
	p.repo.queue.entries = append(p.repo.queue.entries, p.queued)
	g.emitPull(p, "enqueued", nil, by)
	return nil
}

// Grouping sets how the queue of a repository groups from now on; "" is as it was made.
func (g *GitHub) Grouping(name coupling.Repo, strategy string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.repo(name)
	if err == nil && r.queue == nil {
		err = fmt.Errorf("%s has no merge queue", name)
	}
	if err == nil {
		r.queue.Strategy = cmp.Or(strategy, r.grouping)
	}
	return err
}

// rebuild makes the groups of the first entries that have none on top of the entry ahead. It destroys those that are built on something else by now.
func (g *GitHub) rebuild(r *repo) {
	if r.queue == nil {
		return
	}
	below := r.branches[r.defaultBranch]
	for i := 0; i < min(len(r.queue.entries), r.queue.Build); i++ {
		q := r.queue.entries[i]
		if q.head() == nil || q.Tip != below.id {
			if q.head() != nil {
				for _, stale := range slices.Backward(r.queue.entries[i:]) {
					g.unbuild(stale, "invalidated")
				}
			}
			if err := g.build(q, below); err != nil {
				g.dequeue(q, "dequeued", "MERGE_CONFLICT")
				i--
				continue
			}
		}
		below = q.head()
	}
}

// build makes the group of an entry on top of a commit, and asks for its checks.
func (g *GitHub) build(q *Group, below *commit) error {
	r := q.pull.repo
	landed, err := g.land(q.pull, below, r.queue.Method, q.pull.author)
	if err != nil {
		return err
	}
	q.commits, q.Tip, q.since = landed, below.id, g.now()
	q.Head = q.head().id
	q.Branch = fmt.Sprintf("gh-readonly-queue/%s/pr-%d-%s", q.Base, q.Pull, q.Tip)
	g.group, q.pull.group = q, q
	g.setBranch(r, q.Branch, q.head(), queueBot)
	g.emit(r, "merge_group", "checks_requested", object{"merge_group": g.groupJSON(q)}, queueBot)
	return nil
}

const queueBot = "github-merge-queue[bot]"

// unbuild destroys the group of an entry, if it has one; the entry stays.
func (g *GitHub) unbuild(q *Group, reason string) {
	if q.head() == nil {
		return
	}
	r, ended := q.pull.repo, *q
	ended.State, ended.Reason = "destroyed", reason
	q.pull.group = &ended
	if g.group == q {
		g.group = &ended
	}
	g.emit(r, "merge_group", "destroyed", object{"merge_group": g.groupJSON(q), "reason": reason}, queueBot)
	g.setBranch(r, q.Branch, nil, queueBot)
	q.Branch, q.Tip, q.Head, q.commits = "", "", "", nil
}

// LastGroup is the group that was made last; nil before.
func (g *GitHub) LastGroup() *Group {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.group.copy()
}

// GroupOf is the newest group of a pull request's entry; nil when there was none.
func (g *GitHub) GroupOf(key coupling.Pull) *Group {
	g.mu.Lock()
	defer g.mu.Unlock()
	p, err := g.pull(key)
	if err != nil {
		return nil
	}
	return p.group.copy()
}

// QueueState says what became of a pull request that was to land by a queue: "merged", "waiting" while it is in there, or "refused".
func (g *GitHub) QueueState(key coupling.Pull) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch p, err := g.pull(key); {
	case err == nil && p.merged:
		return "merged"
	case err == nil && p.queued != nil:
		return "waiting"
	}
	return "refused"
}

// SettleGroups does what GitHub does by itself once checks have changed. It merges what has auto-merge, lands the entries of queues whose groups
// passed, and throws out those whose groups failed or waited too long.
func (g *GitHub) SettleGroups() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range g.repos {
		g.fireAutoMerges(r)
		for g.rebuild(r); g.settle(r); {
			g.rebuild(r)
		}
	}
}

// settle lands or throws out what comes next of a queue, and reports whether there was anything.
func (g *GitHub) settle(r *repo) bool {
	if r.queue == nil {
		return false
	}
	var states []string
	for _, q := range r.queue.entries {
		states = append(states, g.stateOf(q))
	}
	if n := r.queue.landing(states); n > 0 {
		g.landEntries(r, r.queue.entries[:n])
		return true
	}
	for i, state := range states {
		// Under HEADGREEN one that failed may still land below one behind it that passes.
		saved := r.queue.Strategy == "HEADGREEN" && slices.Contains(states[i+1:], "pending")
		if q := r.queue.entries[i]; (state == "failed" || state == "late") && !saved {
			g.dequeue(q, "dequeued", map[string]string{"failed": "CI_FAILURE", "late": "CI_TIMEOUT"}[state])
			return true
		}
	}
	return false
}

// landing is how many of the first entries land now, given the states of all.
func (s *mergeQueue) landing(states []string) int {
	n := 0
	for i, state := range states[:min(len(states), s.Merge)] {
		if state == "passed" {
			n = i + 1
		} else if s.Strategy != "HEADGREEN" {
			break
		}
	}
	return n
}

// stateOf returns the state of the checks of an entry's group: "queued" before there is one, then "pending", "passed", "failed" or "late".
func (g *GitHub) stateOf(q *Group) string {
	r, head := q.pull.repo, q.head()
	if head == nil {
		return "queued"
	}
	state := "passed"
	for _, name := range r.requirements(q.Base) {
		if ok, _ := r.passes(head, name); ok {
			continue
		}
		if c := r.newest(head, name); c != nil && c.Status == "completed" {
			return "failed"
		}
		state = "pending"
	}
	if state == "pending" && g.now().Sub(q.since) >= r.queue.Timeout {
		return "late"
	}
	return state
}

// landEntries puts the first entries of a queue on its base, in one go.
func (g *GitHub) landEntries(r *repo, entries []*Group) {
	entries = slices.Clone(entries)
	last := entries[len(entries)-1]
	r.queue.entries = r.queue.entries[len(entries):]
	onto := r.branches[last.Base]
	for _, q := range entries {
		q.pull.closed = true // before the branch moves, as in merge
	}
	g.setBranch(r, last.Base, last.head(), queueBot)
	for _, q := range entries {
		p := q.pull
		p.queued, p.onto, p.landed = nil, onto, q.commits
		onto = q.head()
		g.emitPull(p, "dequeued", object{"reason": "MERGE"}, queueBot)
		g.markMerged(p, q.head(), queueBot)
		q.State, q.Reason = "merged", "merged"
		g.emit(r, "merge_group", "destroyed", object{"merge_group": g.groupJSON(q), "reason": "merged"}, queueBot)
		g.setBranch(r, q.Branch, nil, queueBot)
	}
}

// dequeue takes an entry out of its queue. reason is the group's, why the pull request's. The groups behind it remain until GitHub rebuilds them.
func (g *GitHub) dequeue(q *Group, reason, why string) {
	r := q.pull.repo
	r.queue.entries = slices.DeleteFunc(r.queue.entries, func(x *Group) bool { return x == q })
	q.pull.queued = nil
	g.emitPull(q.pull, "dequeued", object{"reason": why}, queueBot)
	g.unbuild(q, reason)
}

// Dequeue takes a pull request out of the merge queue, as people may.
func (g *GitHub) Dequeue(key coupling.Pull) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	p, err := g.pull(key)
	if err == nil && p.queued == nil {
		err = p.errorf("it is in no queue")
	}
	if err == nil {
		g.dequeue(p.queued, "dequeued", "MANUAL")
	}
	return err
}

// AutoMergeSpec asks for a pull request to be merged as soon as GitHub allows it, or takes that back.
type AutoMergeSpec struct {
	Pull coupling.Pull
	By   string
	Off  bool
}

// AutoMerge turns auto-merge on or off. GitHub refuses it for what could be merged at once: "Pull request is in clean status" (message of
// enablePullRequestAutoMerge).
func (g *GitHub) AutoMerge(spec AutoMergeSpec) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	p, err := g.pull(spec.Pull)
	switch {
	case err != nil:
		return err
	case spec.Off:
		g.endAutoMerge(p, cmp.Or(spec.By, p.author))
		return nil
	}
	return g.setAutoMerge(p, cmp.Or(spec.By, p.author))
}

func (g *GitHub) setAutoMerge(p *pull, by string) error {
	switch {
	case p.closed, p.draft, p.queued != nil:
		return p.errorf("auto-merge is for open pull requests that are no draft and in no queue")
	case g.refusal(p, false) == "":
		return p.errorf("Pull request is in clean status")
	case p.autoMerge == "":
		p.autoMerge = by
		g.emitPull(p, "auto_merge_enabled", nil, p.autoMerge)
	}
	return nil
}

// endAutoMerge turns auto-merge off where it is on.
func (g *GitHub) endAutoMerge(p *pull, by string) {
	if p.autoMerge != "" {
		p.autoMerge = ""
		g.emitPull(p, "auto_merge_disabled", nil, by)
	}
}

// fireAutoMerges merges, or enqueues, what may be merged by now.
func (g *GitHub) fireAutoMerges(r *repo) {
	for _, p := range r.openPulls() {
		by := p.autoMerge
		if by == "" || p.queued != nil || g.refusal(p, false) != "" {
			continue
		}
		p.autoMerge = ""
		if r.needsQueue(p.base) {
			_ = g.enter(p, by) // what could refuse it was asked for
		} else if err := g.merge(p, MergeSpec{By: by}); err != nil {
			p.autoMerge = by // a rebase that conflicts
		}
	}
}

// RequireAlso adds checks of other Apps to what the default branch requires.
func (g *GitHub) RequireAlso(name coupling.Repo, checks ...string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.repo(name)
	if err == nil {
		r.others = append(r.others, checks...)
	}
	return err
}

// Report has another App post a check run on a commit; an empty conclusion leaves it in progress.
func (g *GitHub) Report(name coupling.Repo, sha, check, conclusion string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.repo(name)
	if err != nil {
		return err
	}
	in := checkInput{Name: &check, HeadSHA: sha}
	status := "in_progress"
	if conclusion != "" {
		in.Conclusion, status = &conclusion, "completed"
	}
	in.Status = &status
	_, err = g.newCheck(r, in)
	return err
}

// requirements are the names of the checks that a branch requires.
func (r *repo) requirements(branch string) []string {
	var out []string
	if name := r.requiredOn(branch); name != "" {
		out = append(out, name)
	}
	if branch == r.defaultBranch {
		out = append(out, r.others...)
	}
	return out
}

// method is how the queue merges, in the words of GraphQL and REST.
func (s *mergeQueue) method() string { return strings.ToUpper(s.Method) }
