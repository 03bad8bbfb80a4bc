package ghsim

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/coupling"
)

// pull is a pull request. Its head follows the branch while it is open.
type pull struct {
	id     int64
	node   string
	number int
	repo   *repo

	title, body, author string
	base                string
	baseSHA             string // the base's tip when it was last opened, pushed or retargeted; GitHub lets it grow stale
	headRepo            *repo
	headRef             string
	head                *commit
	heads               []*commit // every head so far, oldest first
	draft               bool
	merged, closed      bool   // merged ones are closed too
	queued              *Group // its entry in the merge queue
	group               *Group // the newest group of its entry, also of one that ended
	autoMerge           string // who turned it on; "" is off

	mergeCommit *commit
	landed      []*commit // what the merge put on the branch
	onto        *commit   // the base's tip before the merge
	mergedBy    string

	created, updated, closedAt time.Time
}

func (p *pull) key() coupling.Pull { return coupling.Pull{Repo: p.repo.name, Number: p.number} }

func (p *pull) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: %w", p.key(), fmt.Errorf(format, args...))
}

// squashSubject is the subject of p's squash commit.
func (p *pull) squashSubject() string { return fmt.Sprintf("%s (#%d)", p.title, p.number) }

// baseTip is the commit of the base branch; nil when it is gone.
func (p *pull) baseTip() *commit { return p.repo.branches[p.base] }

// own lists the pull request's commits, oldest first.
func (p *pull) own() []*commit {
	if p.onto != nil {
		return only(p.onto, p.head)
	}
	return only(p.baseTip(), p.head)
}

// openPulls lists the open pull requests by number.
func (r *repo) openPulls() []*pull {
	out := r.allPulls()
	return slices.DeleteFunc(out, func(p *pull) bool { return p.closed })
}

func (r *repo) allPulls() []*pull {
	return slices.SortedFunc(maps.Values(r.pulls), func(a, b *pull) int { return cmp.Compare(a.number, b.number) })
}

// Pull is a pull request as people see it.
type Pull struct {
	Number      int
	Title, Body string
	Author      string
	State       string // "open", "closed" or "merged"
	Draft       bool
	Base        string // branch
	Branch      string // its own
	Head        string // commit
	Fork        bool
	MergeCommit string // when merged
	MergedBy    string
	Queued      bool
}

// Pulls lists a repository's pull requests by number.
func (g *GitHub) Pulls(name coupling.Repo) []Pull {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.repo(name)
	if err != nil {
		return nil
	}
	var out []Pull
	for _, p := range r.allPulls() {
		view := Pull{
			Number: p.number, Title: p.title, Body: p.body, Author: p.author, State: strings.ToLower(p.graphState()), Draft: p.draft,
			Base: p.base, Branch: p.headRef, Head: p.head.id, Fork: p.headRepo != r, MergedBy: p.mergedBy, Queued: p.queued != nil,
		}
		if p.merged {
			view.MergeCommit = p.mergeCommit.id
		}
		out = append(out, view)
	}
	return out
}

// OpenSpec describes a new pull request.
type OpenSpec struct {
	Repo        coupling.Repo
	Number      int
	By          string // "contributor" when empty
	Title, Body string
	Base        string             // the default branch when empty
	From        string             // where its branch starts; the base's tip when empty
	Files       map[string]*string // what its one commit changes; nil deletes
	Draft       bool
	Fork        bool // the branch is in the author's fork
}

const anybody = "contributor"

// Open opens a pull request with one commit, which is empty when there are no files.
func (g *GitHub) Open(spec OpenSpec) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.repo(spec.Repo)
	if err != nil {
		return err
	}
	base := cmp.Or(spec.Base, r.defaultBranch)
	from := r.resolve(cmp.Or(spec.From, base))
	if from == nil {
		return fmt.Errorf("%s: open #%d: %s is no branch, tag or commit", r.name, spec.Number, cmp.Or(spec.From, base))
	}
	by := cmp.Or(spec.By, anybody)
	title := cmp.Or(spec.Title, fmt.Sprintf("Change %d", spec.Number))
	head := g.commit(r, r.change(from.tree, spec.Files), []*commit{from}, by, title)
	_, err = g.open(r, head, fmt.Sprintf("pr-%d", spec.Number), OpenSpec{
		Number: spec.Number, By: by, Title: title, Body: spec.Body, Base: base, Draft: spec.Draft, Fork: spec.Fork,
	})
	return err
}

// open opens a pull request for head, whose branch it makes. spec is complete but for what made head.
func (g *GitHub) open(r *repo, head *commit, branch string, spec OpenSpec) (*pull, error) {
	switch {
	case spec.Number <= 0:
		return nil, fmt.Errorf("%s: open: %d is no number", r.name, spec.Number)
	case r.pulls[spec.Number] != nil || r.issues[spec.Number] != nil:
		return nil, fmt.Errorf("%s: open: #%d exists already", r.name, spec.Number)
	case r.branches[spec.Base] == nil:
		return nil, fmt.Errorf("%s: open #%d: no base branch %s", r.name, spec.Number, spec.Base)
	}
	headRepo := r
	if spec.Fork {
		headRepo = g.fork(r, spec.By)
	}
	if headRepo.branches[branch] != nil {
		return nil, fmt.Errorf("%s: open #%d: branch %s exists already", r.name, spec.Number, branch)
	}
	g.setBranch(headRepo, branch, head, spec.By)
	return g.propose(r, headRepo, head, branch, spec), nil
}

// propose opens a pull request for a branch that is there.
func (g *GitHub) propose(r, headRepo *repo, head *commit, branch string, spec OpenSpec) *pull {
	p := &pull{
		id: g.newID(), number: spec.Number, repo: r, title: spec.Title, body: spec.Body, author: spec.By, draft: spec.Draft,
		base: spec.Base, baseSHA: r.branches[spec.Base].id, headRepo: headRepo, headRef: branch, head: head,
		heads: []*commit{head}, created: g.now(), updated: g.now(),
	}
	p.node = g.node("PR", p.id, p)
	r.pulls[p.number] = p
	g.emitPull(p, "opened", nil, p.author)
	return p
}

// fork is owner's fork of r. The App is not installed there, so nothing that happens in it is reported.
func (g *GitHub) fork(r *repo, owner string) *repo {
	key := strings.ToLower(owner)
	if r.forks[key] == nil {
		f := g.newRepo(coupling.Repo(owner+"/"+r.name.Name()), r.objects)
		f.parent, f.private = r, r.private
		f.branches[r.defaultBranch] = r.branches[r.defaultBranch]
		r.forks[key] = f
	}
	return r.forks[key]
}

// PushSpec describes a push of one commit to the branch of a pull request, or to any branch.
type PushSpec struct {
	Repo    coupling.Repo
	Pull    int    // either this
	Branch  string // or this
	Files   map[string]*string
	By      string
	Message string
	Force   bool // the branch's own changes become one commit on the tip of the base (or of the default branch)
}

// Push pushes.
func (g *GitHub) Push(spec PushSpec) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.repo(spec.Repo)
	if err != nil {
		return err
	}
	where, branch, onto := r, spec.Branch, r.branches[r.defaultBranch]
	by := spec.By
	if spec.Pull != 0 {
		p, err := g.pull(coupling.Pull{Repo: r.name, Number: spec.Pull})
		if err != nil {
			return err
		}
		where, branch, onto = p.headRepo, p.headRef, p.baseTip()
		by = cmp.Or(by, p.author)
	}
	old := where.branches[branch]
	if old == nil {
		return fmt.Errorf("%s: push: no branch %s", r.name, branch)
	}
	if onto == nil {
		return fmt.Errorf("%s: push: the base of #%d is gone", r.name, spec.Pull)
	}
	by = cmp.Or(by, seedAuthor)
	message := cmp.Or(spec.Message, "Update")
	start, parent := old.tree, old
	if spec.Force {
		// Where both sides changed a file beyond joining, the branch's own text stays.
		start, _ = r.mergeCommits(old, onto)
		parent = onto
	}
	c := g.commit(r, r.change(start, spec.Files), []*commit{parent}, by, message)
	g.setBranch(where, branch, c, by)
	return nil
}

// synchronize tells that the head of p moved.
func (g *GitHub) synchronize(p *pull, head *commit, by string) {
	before := p.head
	p.head, p.updated = head, g.now()
	p.heads = append(p.heads, head)
	if tip := p.baseTip(); tip != nil {
		p.baseSHA = tip.id
	}
	if p.queued != nil {
		g.dequeue(p.queued, "dequeued", "UNKNOWN_REMOVAL_REASON")
	}
	g.emitPull(p, "synchronize", object{"before": before.id, "after": head.id}, by)
}

// EditSpec changes a pull request; nil leaves a part as it is.
type EditSpec struct {
	Pull              coupling.Pull
	Title, Body, Base *string
	Draft             *bool
	By                string
}

// Edit edits a pull request.
func (g *GitHub) Edit(spec EditSpec) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	p, err := g.pull(spec.Pull)
	if err != nil {
		return err
	}
	by := cmp.Or(spec.By, p.author)
	changes := object{}
	if spec.Title != nil && *spec.Title != p.title {
		changes["title"] = object{"from": p.title}
		p.title = *spec.Title
	}
	if spec.Body != nil && *spec.Body != p.body {
		changes["body"] = object{"from": p.body}
		p.body = *spec.Body
	}
	if spec.Base != nil && *spec.Base != p.base {
		tip := p.repo.branches[*spec.Base]
		if tip == nil {
			return p.errorf("no base branch %s", *spec.Base)
		}
		if p.closed {
			return p.errorf("it is closed: its base cannot change")
		}
		changes["base"] = object{"ref": object{"from": p.base}, "sha": object{"from": p.baseSHA}}
		p.base, p.baseSHA = *spec.Base, tip.id
		if p.queued != nil {
			g.dequeue(p.queued, "dequeued", "UNKNOWN_REMOVAL_REASON")
		}
		g.endAutoMerge(p, by)
	}
	if len(changes) > 0 {
		p.updated = g.now()
		g.emitPull(p, "edited", object{"changes": changes}, by)
	}
	if spec.Draft != nil && *spec.Draft != p.draft {
		p.draft, p.updated = *spec.Draft, g.now()
		action := "ready_for_review"
		if p.draft {
			action = "converted_to_draft"
			if p.queued != nil {
				g.dequeue(p.queued, "dequeued", "UNKNOWN_REMOVAL_REASON")
			}
		}
		g.emitPull(p, action, nil, by)
	}
	return nil
}

// Close closes a pull request unmerged.
func (g *GitHub) Close(key coupling.Pull, by string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	p, err := g.pull(key)
	if err != nil {
		return err
	}
	if p.closed {
		return p.errorf("it is closed already")
	}
	g.closePull(p, cmp.Or(by, p.author))
	return nil
}

func (g *GitHub) closePull(p *pull, by string) {
	if p.closed {
		return
	}
	if p.queued != nil {
		g.dequeue(p.queued, "dequeued", "MANUAL")
	}
	p.closed, p.closedAt, p.updated, p.autoMerge = true, g.now(), g.now(), ""
	g.emitPull(p, "closed", nil, by)
}

// Reopen opens a closed pull request again.
func (g *GitHub) Reopen(key coupling.Pull, by string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	p, err := g.pull(key)
	switch {
	case err != nil:
		return err
	case p.merged:
		return p.errorf("it is merged: GitHub does not reopen it")
	case !p.closed:
		return p.errorf("it is open")
	case p.baseTip() == nil || p.headRepo.branches[p.headRef] == nil:
		return p.errorf("its branch is gone")
	}
	p.closed, p.closedAt, p.updated = false, time.Time{}, g.now()
	p.baseSHA = p.baseTip().id
	if tip := p.headRepo.branches[p.headRef]; tip != p.head { // pushed to meanwhile
		p.head = tip
		p.heads = append(p.heads, tip)
	}
	g.emitPull(p, "reopened", nil, cmp.Or(by, p.author))
	return nil
}

// testMerge is what merging p now would give: GitHub's refs/pull/N/merge. nil when it conflicts, is closed, or its base is gone.
// The commit is made once for a pair of tips, and looks the same whenever it is asked for.
func (g *GitHub) testMerge(p *pull) *commit {
	tip := p.baseTip()
	if p.closed || tip == nil {
		return nil
	}
	pair := [2]*commit{tip, p.head}
	if c, known := p.repo.tests[pair]; known {
		return c
	}
	p.repo.tests[pair] = nil
	merged, conflicts := p.repo.mergeCommits(tip, p.head)
	if len(conflicts) > 0 {
		return nil
	}
	date := tip.date
	if p.head.date.After(date) {
		date = p.head.date
	}
	c := p.repo.objects.commit(max(tip.seq, p.head.seq)+1, merged, []*commit{tip, p.head}, commitSpec{
		author: p.author, committer: "web-flow", date: date, message: "Merge " + p.head.id + " into " + tip.id,
	})
	p.repo.tests[pair] = c
	return c
}

// MergeState says what GitHub would make of a merge.
type MergeState string

// The merge states.
const (
	MergeDone    MergeState = "done"    // it is merged
	MergeAllowed MergeState = "allowed" // it is open, and GitHub would take it, or let it into the queue its base needs
	MergeRefused MergeState = "refused" // it is open, and GitHub would not
	MergeClosed  MergeState = "closed"  // it was closed unmerged
)

// Mergeable asks what GitHub would make of a merge, and why; it changes nothing.
func (g *GitHub) Mergeable(key coupling.Pull) (MergeState, string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p, err := g.pull(key)
	switch {
	case err != nil:
		return MergeRefused, err.Error()
	case p.merged:
		return MergeDone, "it is merged"
	case p.closed:
		return MergeClosed, "it is closed"
	}
	if why := g.refusal(p, false); why != "" {
		return MergeRefused, why
	}
	return MergeAllowed, ""
}

// refusal is why GitHub would not merge p, or not let it into its queue; "" when it would.
func (g *GitHub) refusal(p *pull, bypass bool) string {
	switch {
	case p.merged:
		return "it is merged"
	case p.closed:
		return "it is closed"
	case p.draft:
		return "it is a draft"
	case g.testMerge(p) == nil:
		return "it conflicts with " + p.base
	}
	for _, name := range p.repo.requirements(p.base) {
		if ok, why := p.repo.passes(p.head, name); !ok && !bypass {
			return why
		}
	}
	return ""
}

// needsQueue reports whether branch takes merges by the queue alone.
func (r *repo) needsQueue(branch string) bool { return r.queue != nil && branch == r.defaultBranch }

// requiredOn is the name of the check that branch requires, or "".
func (r *repo) requiredOn(branch string) string {
	if branch == r.defaultBranch {
		return r.required
	}
	return ""
}

// MergeSpec describes a merge.
type MergeSpec struct {
	Pull           coupling.Pull
	By             string
	Method         string // "squash" (when empty), "merge" or "rebase"
	Bypass         bool   // an admin ignores required checks and the queue
	SaysMergedOnly bool   // GitHub says merged, but the branch does not get the commit
}

// Merge merges a pull request, or says why GitHub refuses; then nothing has changed.
func (g *GitHub) Merge(spec MergeSpec) (merged bool, why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p, err := g.pull(spec.Pull)
	if err != nil {
		return false, err.Error()
	}
	if err := g.merge(p, spec); err != nil {
		return false, err.Error()
	}
	return true, ""
}

func (g *GitHub) merge(p *pull, spec MergeSpec) error {
	if why := g.refusal(p, spec.Bypass); why != "" {
		return errors.New(why)
	}
	if p.repo.needsQueue(p.base) && !spec.Bypass {
		return fmt.Errorf("changes to %s must be made through the merge queue", p.base)
	}
	by := cmp.Or(spec.By, p.author)
	tip := p.baseTip()
	landed, err := g.land(p, tip, cmp.Or(spec.Method, "squash"), by)
	if err != nil {
		return err
	}
	p.onto, p.landed = tip, landed
	if p.queued != nil {
		g.dequeue(p.queued, "dequeued", "ALREADY_MERGED")
	}
	// Closed before the branch moves: its own commits arriving there is then no second merge.
	p.closed = true
	if !spec.SaysMergedOnly {
		g.setBranch(p.repo, p.base, landed[len(landed)-1], by)
	}
	g.markMerged(p, landed[len(landed)-1], by)
	return nil
}

// land makes the commits that merging p onto tip adds, oldest first.
func (g *GitHub) land(p *pull, tip *commit, method, by string) ([]*commit, error) {
	r := p.repo
	conflict := fmt.Errorf("it conflicts with %s", p.base)
	merged, conflicts := r.mergeCommits(tip, p.head)
	if len(conflicts) > 0 {
		return nil, conflict
	}
	switch method {
	case "squash":
		return []*commit{g.webCommit(r, merged, []*commit{tip}, p.author, p.squashSubject())}, nil
	case "merge":
		message := fmt.Sprintf("Merge pull request #%d from %s/%s\n\n%s", p.number, p.headRepo.name.Owner(), p.headRef, p.title)
		return []*commit{g.webCommit(r, merged, []*commit{tip, p.head}, by, message)}, nil
	case "rebase":
		var out []*commit
		for _, c := range only(tip, p.head) {
			if len(c.parents) != 1 {
				continue // a rebase drops merge commits
			}
			t, conflicts := r.objects.merge(c.parents[0].tree, tip.tree, c.tree)
			if len(conflicts) > 0 {
				return nil, conflict
			}
			tip = g.webCommit(r, t, []*commit{tip}, c.author, c.message)
			out = append(out, tip)
		}
		if len(out) == 0 {
			return nil, errors.New("it has no commits")
		}
		return out, nil
	}
	return nil, fmt.Errorf("%q is no merge method: want squash, merge or rebase", method)
}

// webCommit is a commit that GitHub itself makes for author.
func (g *GitHub) webCommit(r *repo, t *tree, parents []*commit, author, message string) *commit {
	return r.objects.commit(int(g.newID()), t, parents, commitSpec{author: author, committer: "web-flow", message: message, date: g.now()})
}

func (g *GitHub) markMerged(p *pull, c *commit, by string) {
	p.merged, p.closed, p.mergeCommit, p.mergedBy = true, true, c, by
	p.closedAt, p.updated = g.now(), g.now()
	if p.landed == nil {
		p.landed = []*commit{c}
	}
	if p.onto == nil && len(c.parents) > 0 {
		p.onto = c.parents[0]
	}
	g.emitPull(p, "closed", nil, by)
}

// CherrySpec describes a cherry-pick of a merged pull request.
type CherrySpec struct {
	Pull            coupling.Pull
	To              string // branch
	Trailer         bool   // the message ends with "(cherry picked from commit …)"
	NumberInSubject bool   // the subject ends with "(#N)"
	By              string
}

// CherryPick puts what a merged pull request changed on another branch, as one commit.
func (g *GitHub) CherryPick(spec CherrySpec) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	p, err := g.pull(spec.Pull)
	if err != nil {
		return err
	}
	if !p.merged {
		return p.errorf("it is not merged: nothing to pick")
	}
	tip := p.repo.branches[spec.To]
	if tip == nil {
		return p.errorf("cherry-pick: no branch %s", spec.To)
	}
	t, conflicts := p.repo.objects.merge(p.onto.tree, tip.tree, p.mergeCommit.tree)
	if len(conflicts) > 0 {
		return p.errorf("cherry-pick to %s: conflict in %s", spec.To, strings.Join(conflicts, ", "))
	}
	message := p.title
	if spec.NumberInSubject {
		message = p.squashSubject()
	}
	if spec.Trailer {
		message += "\n\n(cherry picked from commit " + p.mergeCommit.id + ")"
	}
	by := cmp.Or(spec.By, seedAuthor)
	c := p.repo.objects.commit(int(g.newID()), t, []*commit{tip}, commitSpec{author: p.author, committer: by, message: message, date: g.now(), authored: p.mergeCommit.authored})
	g.setBranch(p.repo, spec.To, c, by)
	return nil
}

// RevertSpec describes a revert of a merged pull request.
type RevertSpec struct {
	Pull    coupling.Pull
	ByPR    int    // opens this pull request, which reverts; straight on the branch when zero
	Message string // of the commit; git's own when empty
	By      string
}

// Revert takes back what a merged pull request changed.
func (g *GitHub) Revert(spec RevertSpec) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	p, err := g.pull(spec.Pull)
	if err != nil {
		return err
	}
	if !p.merged {
		return p.errorf("it is not merged: nothing to revert")
	}
	r, tip := p.repo, p.baseTip()
	if tip == nil {
		return p.errorf("revert: no branch %s", p.base)
	}
	t, conflicts := r.objects.merge(p.mergeCommit.tree, tip.tree, p.onto.tree)
	if len(conflicts) > 0 {
		return p.errorf("revert: conflict in %s", strings.Join(conflicts, ", "))
	}
	by := cmp.Or(spec.By, seedAuthor)
	message := cmp.Or(spec.Message, fmt.Sprintf("Revert \"%s\"\n\nThis reverts commit %s.", p.mergeCommit.subject(), p.mergeCommit.id))
	c := g.commit(r, t, []*commit{tip}, by, message)
	if spec.ByPR == 0 {
		g.setBranch(r, p.base, c, by)
		return nil
	}
	_, err = g.open(r, c, fmt.Sprintf("revert-%d-%s", p.number, p.headRef), OpenSpec{
		Number: spec.ByPR, By: by, Title: fmt.Sprintf("Revert \"%s\"", p.title), Body: fmt.Sprintf("Reverts #%d", p.number), Base: p.base,
	})
	return err
}
