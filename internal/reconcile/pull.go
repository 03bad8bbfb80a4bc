package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/relbot/relbot/internal/command"
	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/policy"
	"github.com/relbot/relbot/internal/publish"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/release"
	"github.com/relbot/relbot/internal/work"
)

// pulling is the work on one pull request.
type pulling struct {
	*Reconciler
	row             store.Claimed
	pull            coupling.Pull
	verify, recheck bool
	said            work.PullPayload // what is known of it by now: what an event or a list said, and then what was read
	changes         []work.Change
	repo            memory.Repo
	seen            memory.Pull // as it was remembered
	keys            []coupling.Key
	read            versionscan.Fact[forge.Pull] // where it was read
	outage          error                        // why something could not be read
}

// pull handles what happened to one pull request: it remembers the head, takes up the lines of its body, looks at what
// it changes of the policy and of registered gates, and has its couplings judged.
func (r *Reconciler) pull(ctx context.Context, c store.Claimed) error {
	p, ok := work.PullOf(c.Work)
	if !ok {
		return nil
	}
	l := &pulling{
		Reconciler: r, row: c, pull: p, verify: c.Kind == work.KindVerify, recheck: c.Kind == work.KindRecheck,
		said: work.Payload[work.PullPayload](c.Work), changes: work.Trail[work.Change](c.Work),
	}
	for _, step := range []func(context.Context) error{l.recallPull, l.readPull, l.noteMention} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if runs, err := l.inOrder(ctx); err != nil || !runs {
		return err
	}
	found, err := l.compose(ctx)
	if err != nil {
		return err
	}
	queue := l.judging()
	now, err := l.keep(ctx, found, queue)
	if err != nil || len(queue) > 0 {
		return errors.Join(err, l.outage)
	}
	// In no coupling: it is shown at once, under the serialization key that a row of its own would have. Such a row takes over what fails, with its own patience.
	row := work.Show(p, l.verify)
	if r.showNow(ctx, row, remembered{pull: p, said: work.ShowPayload{Verify: l.verify}, seen: now}) != nil {
		return errors.Join(r.Store.Enqueue(ctx, row), l.outage)
	}
	return l.outage
}

// recallPull loads what is remembered of the pull request.
func (l *pulling) recallPull(ctx context.Context) (err error) {
	if l.repo, err = l.Memory.Repos.Load(ctx, l.pull.Repo); err != nil {
		return err
	}
	if l.seen, err = l.Memory.Pulls.Load(ctx, l.pull); err != nil {
		return err
	}
	in, err := l.Memory.Members.Load(ctx, l.pull)
	l.keys = in.Couplings
	return err
}

// believed reports whether what an event or a list said counts without a read. An event that is no newer than what is known may be late, and of several
// the last need not be the newest.
func (l *pulling) believed() bool {
	late := !l.said.UpdatedAt.After(l.seen.Updated)
	if f := l.said.Read; f != nil && l.row.Attempt == 0 && (!late || l.said.UpdatedAt.Equal(l.seen.Updated)) && !l.seen.Lags(versionscan.Know(*f)) {
		return true
	}
	several := l.row.Want-l.row.Done > 1
	return l.said.Head != "" && !l.recheck && l.row.Attempt == 0 && !late && !several
}

// readPull reads the pull request, unless what is known of it counts.
func (l *pulling) readPull(ctx context.Context) error {
	if l.believed() {
		if f := l.said.Read; f != nil && !l.seen.Lags(versionscan.Know(*f)) {
			l.read = versionscan.Know(*f)
		}
		return nil
	}
	if err := l.expect(ctx, l.pull, l.changes); err != nil {
		return err
	}
	var err error
	l.read, err = l.lookingAt(ctx, l.pull, l.repo)
	if _, lags := lagging(err); lags {
		return err
	}
	switch {
	case l.read.Known():
		action := l.said.Action
		l.said = work.Read(l.read.Value)
		l.said.Action = action
	case l.read.Absent():
		l.said.State, l.said.Head = "closed", l.seen.Head
	case err == nil || !transient(err):
		if err := l.Store.Enqueue(ctx, judging(l.keys)...); err != nil { // its couplings say so
			return err
		}
		return fmt.Errorf("%s: %s: %w", l.pull, l.read.Why, forge.ErrGone)
	default:
		l.outage = err
		if l.said.Head == "" || l.said.Head != l.seen.Head && l.seen.Head != "" {
			l.said.Head, l.said.State = cmpOr(l.seen.Head, l.said.Head), cmpOr(l.seen.State, l.said.State)
		}
	}
	return nil
}

func (l *pulling) noteMention(ctx context.Context) error {
	if l.said.State == "closed" {
		return nil
	}
	return l.mention(ctx, l.pull, l.said.Body)
}

// inOrder reports whether the lines of the description may be taken up. With a new database they take effect in the order in which all was said, and
// not before.
func (l *pulling) inOrder(ctx context.Context) (bool, error) {
	if l.said.State != "open" {
		return true, nil
	}
	if lines, _ := command.Body(l.said.Body); len(lines) == 0 {
		return true, nil
	}
	if ready, err := l.await(ctx, memory.Restored, []store.Claimed{l.row}, l.pull.Repo); err != nil || ready {
		return ready, err
	}
	deaf, err := l.unheard(ctx, l.pull.Repo)
	if err != nil || deaf == "" {
		return false, err
	}
	seen := memory.Pull{Head: l.said.Head, Base: l.said.Base, State: l.said.State, Author: l.said.Author, Private: l.said.Private, Returned: returned(l.said, l.seen)}
	return false, l.showNow(ctx, work.Show(l.pull, false), remembered{pull: l.pull, seen: seen})
}

// compose returns what is to be remembered of the pull request.
func (l *pulling) compose(ctx context.Context) (memory.Pull, error) {
	said := l.said
	found := memory.Pull{Head: cmpOr(said.Head, l.seen.Head), Base: said.Base, State: said.State, Author: said.Author, Private: said.Private, Updated: said.UpdatedAt}
	found.Returned = returned(said, l.seen)
	heard := l.seen
	heard.Hear(l.changes, l.Now())
	found.Learned, found.Second = l.Now(), heard.Second
	if err := l.words(ctx, &found); err != nil {
		if !transient(err) {
			return found, err
		}
		l.outage = err
	}
	var err error
	if found.Look, err = l.lookOf(ctx); err != nil {
		if _, lags := lagging(err); lags {
			return found, errors.Join(l.expect(ctx, l.pull, l.changes), err)
		}
		if !transient(err) {
			return found, err
		}
		l.outage = err
	}
	if l.outage != nil && !found.Looked && said.State == "open" && len(l.repo.Rules().Gates) > 0 {
		// What the pull request changes is unknown, and an unknown never passes. Its couplings are judged all the same.
		found.Extra = &rules.Verdict{Pull: l.pull, Level: rules.Unknown, Reasons: []rules.Reason{rules.Unreadable(l.pull, l.outage.Error())}}
	}
	return found, nil
}

// judging is the work that judges the couplings of the pull request. What they say of its head comes first; then they have it shown.
func (l *pulling) judging() []store.Work {
	queue := judging(l.keys)
	if l.said.Read != nil { // one of many that were listed: behind these, so that one set of reads serves all of their couplings
		for i := range queue {
			queue[i].At = l.Now()
		}
	}
	if len(queue) > 0 && (l.verify || l.recheck) {
		queue = append(queue, work.Show(l.pull, l.verify))
	}
	return queue
}

// keep remembers what was found, and queues what follows from it.
func (l *pulling) keep(ctx context.Context, found memory.Pull, queue []store.Work) (memory.Pull, error) {
	return l.Memory.Pulls.UpdateWith(ctx, l.pull, func(d *memory.Pull) ([]store.Document, []store.Work, bool, error) {
		before := *d
		*d = l.merged(before, found)
		var more []store.Document
		var err error
		if d.Head != "" && d.State == "open" {
			if more, err = l.share(ctx, l.pull, d.Head); err != nil {
				return nil, nil, false, err
			}
		}
		shows, err := l.left(ctx, l.pull, before, *d)
		if err != nil {
			return nil, nil, false, err
		}
		changed := len(more) > 0 || publish.Hash(before) != publish.Hash(*d)
		if l.outage != nil && l.row.Attempt > 0 && !changed {
			return nil, nil, false, nil // its couplings were called for at the first attempt, and have patience of their own
		}
		return more, append(shows, queue...), changed, nil
	})
}

// merged returns what was found, with what another wrote since the work began.
func (l *pulling) merged(now, found memory.Pull) memory.Pull {
	if !now.Looked && l.seen.Looked && found.LookedAt(l.seen.LookBasis) { // somebody has it looked at again
		found.Look = memory.Look{}
	}
	if found.Updated.Equal(now.Updated) {
		found.Learned, found.Second = now.Learned, now.Second
	}
	if found.Recheck = now.Recheck; l.recheck {
		found.Recheck++
	}
	return found
}

// showNow shows a pull request of which everything is at hand but what others may have changed meanwhile: the policy, and what couplings say.
func (r *Reconciler) showNow(ctx context.Context, row store.Work, s remembered) error {
	var err error
	if s.repo, err = r.Memory.Repos.Load(ctx, s.pull.Repo); err != nil {
		return err
	}
	s, err = r.judged(ctx, row, s)
	if err != nil {
		return err
	}
	return r.bring(ctx, s)
}

// returned reports whether an open pull request was open before, and may have been forgotten since: it was closed, or no event told that it is
// new or has a new head.
func returned(said work.PullPayload, seen memory.Pull) bool {
	switch {
	case said.State != "open":
		return false
	case seen.Head == "":
		return said.Action != "opened" && said.Action != "synchronize"
	case seen.State != "open":
		return true
	}
	return seen.Returned && seen.Head == said.Head
}

// lookingAt reads a pull request with what a look at its content needs.
func (r *Reconciler) lookingAt(ctx context.Context, p coupling.Pull, repo memory.Repo) (versionscan.Fact[forge.Pull], error) {
	_, facts, err := r.read(ctx, forge.Reading{Pulls: []coupling.Pull{p}, Watched: map[coupling.Repo][]string{p.Repo: lookedAt(repo.Rules())}})
	return facts[p], err
}

// share is what has to be written to note that a commit is the head of a pull request. A check stands on a commit, so that pull requests with
// the same head have one check between them.
func (r *Reconciler) share(ctx context.Context, p coupling.Pull, head string) ([]store.Document, error) {
	d, err := r.Memory.Heads.Read(ctx, memory.HeadKey{Repo: p.Repo, Commit: head})
	if err != nil || slices.Contains(d.Value.Pulls, p) {
		return nil, err
	}
	d.Value.Pulls = append(d.Value.Pulls, p)
	return []store.Document{d.With(d.Value)}, nil
}

// wordsBasis is what the texts depend on that come from a pull request's description.
func wordsBasis(said work.PullPayload, repo memory.Repo) string {
	return publish.Hash([]string{said.Base, said.Body, said.State, said.Author, repo.Policy})
}

// words takes up a description's lines, unless that was done.
func (l *pulling) words(ctx context.Context, out *memory.Pull) error {
	if l.said.State != "open" {
		return nil
	}
	basis := wordsBasis(l.said, l.repo)
	if l.seen.TakenFrom(basis) && !l.recheck {
		out.Words = l.seen.Words
		return nil
	}
	out.Words = memory.Words{Taken: true, WordsBasis: basis}
	err := l.body(ctx, l.pull, l.repo, l.said, out, l.Now())
	if err != nil {
		out.Taken = false
	}
	return err
}

// lookBasis is what a look at a pull request's content depends on. One that touches nothing of interest need not be looked at again when
// the branch moves or a release is cut.
func lookBasis(said work.PullPayload, repo memory.Repo, touches bool) string {
	basis := []string{said.Head, said.Base, repo.Default, repo.PolicyID, repo.Policy}
	for _, path := range lookedAt(repo.Rules()) {
		basis = append(basis, path, repo.Watched[path])
	}
	if touches {
		basis = append(basis, repo.Fingerprint)
	}
	return publish.Hash(basis)
}

// lookOf is what is known of an open pull request's content, looked at where it can be without a read, or has to be.
//
// What it changes must be known before its check passes, with one exception: where no gate is registered it can do no harm but to the
// policy file, and a bad one never comes into force. So there the check is written at once, and the write reads the file's id on the
// way; a pull request that turns out to change it is looked at then. That one is a single call.
func (l *pulling) lookOf(ctx context.Context) (memory.Look, error) {
	if l.said.State != "open" {
		return memory.Look{}, nil
	}
	pol, read := l.repo.Rules(), l.read
	switch {
	case l.seen.LookedAt(lookBasis(l.said, l.repo, l.seen.Touches)) && !l.recheck:
		return l.seen.Look, nil
	case l.said.Base != l.repo.Default:
		return memory.Look{Looked: true, LookBasis: lookBasis(l.said, l.repo, false)}, nil
	case read.Known():
	case len(l.keys) > 0: // its couplings read it, and look
		return memory.Look{}, nil
	case len(pol.Gates) == 0 && pol.Check.As != "status" && l.repo.NodeID != "":
		return memory.Look{}, nil
	default:
		var err error
		if read, err = l.lookingAt(ctx, l.pull, l.repo); err != nil || !read.Known() {
			return memory.Look{}, err
		}
	}
	return l.look(ctx, l.pull, l.repo, l.said, read.Value)
}

// unchanged reports whether a pull request's merge leaves what stands at a watched path as it is. Where the head has the same as the branch, so
// has any merge of the two.
func unchanged(repo memory.Repo, f forge.Pull, path string) bool {
	tip, told := repo.Watched[path]
	if !told {
		return false
	}
	if head, ok := f.AtHead[path]; ok && head == tip {
		return true
	}
	test, ok := f.AtTest[path]
	return ok && test == tip && current(f, repo.Tip)
}

// look finds what is to be said of a pull request's content. f is the pull request as it was just read.
func (r *Reconciler) look(ctx context.Context, p coupling.Pull, repo memory.Repo, said work.PullPayload, f forge.Pull) (memory.Look, error) {
	pol := repo.Rules()
	var out memory.Look
	var verdicts []rules.Verdict
	g := &gathering{r: r, home: p.Repo, policy: pol, docs: map[coupling.Repo]memory.Repo{p.Repo: repo}}
	if f.Base == repo.Default && !unchanged(repo, f, policyPath) {
		out.Touches = true
		if v, err := r.policyChange(ctx, g, p, f, repo, &out); err != nil {
			return memory.Look{}, err
		} else if v != nil {
			verdicts = append(verdicts, *v)
		}
	}
	if f.Base == repo.Default && slices.ContainsFunc(pol.Gates, func(gate rules.Gate) bool {
		return slices.ContainsFunc(places(gate), func(glob string) bool {
			base, _ := versionscan.GlobBase(glob)
			return base == "" || !unchanged(repo, f, base)
		})
	}) {
		out.Touches = true
		if v, err := r.foreign(ctx, p, pol, f, repo); err != nil {
			return memory.Look{}, err
		} else if v != nil {
			verdicts = append(verdicts, *v)
		}
	}
	if g.isOutage() {
		return memory.Look{}, g.outage
	}
	if len(verdicts) > 0 {
		v := rules.Combine(p, verdicts...)
		out.Extra = &v
	}
	out.Looked, out.LookBasis = true, lookBasis(said, repo, out.Touches)
	return out, nil
}

// lookAtMembers looks at the content of the members that were read.
func (r *Reconciler) lookAtMembers(ctx context.Context, g *gathering) error {
	for p, fact := range g.shown {
		f, repo := fact.Value, g.docs[p.Repo]
		if !fact.Known() || f.State != "open" || repo.Name == "" || repo.Gone {
			continue
		}
		seen, err := r.Memory.Pulls.Load(ctx, p)
		if err != nil {
			return err
		}
		said := work.Read(f)
		if seen.Head != f.Head || seen.Base != f.Base || seen.State != f.State || seen.LookedAt(lookBasis(said, repo, seen.Touches)) {
			continue
		}
		found := memory.Look{Looked: true, LookBasis: lookBasis(said, repo, false)}
		if f.Base == repo.Default {
			var err error
			if found, err = r.look(ctx, p, repo, said, f); transient(err) {
				g.note(err)
				continue
			} else if err != nil {
				return err
			}
		}
		if _, err := r.Memory.Pulls.Update(ctx, p, func(d *memory.Pull) ([]store.Work, bool) {
			if d.Head != f.Head || d.Base != f.Base {
				return nil, false
			}
			d.Look = found
			return nil, true
		}); err != nil {
			return err
		}
	}
	return nil
}

// policyChange holds a pull request's policy file against the parser, when it changes it: problems block it and are
// annotated on their lines; a good one is previewed.
func (r *Reconciler) policyChange(ctx context.Context, g *gathering, p coupling.Pull, f forge.Pull, repo memory.Repo, out *memory.Look) (*rules.Verdict, error) {
	file := g.after(ctx, p.Repo, f, repo.Tip, policyPath)[policyPath]
	base := g.ask(p.Repo).Files(ctx, repo.Tip, []string{policyPath})[policyPath]
	if g.isOutage() || file.State == base.State && file.Value == base.Value {
		return nil, nil
	}
	none := memory.Repo{}.Rules()
	proposed, problems := &none, []policy.Problem(nil)
	switch {
	case file.Known():
		proposed, problems = policy.Parse(p.Repo, []byte(file.Value.Text))
	case file.Unknown(): // a link, no text, too large
		problems = []policy.Problem{{Line: 1, Column: 1, Message: "the file cannot be read: " + file.Why}}
	}
	if len(problems) == 0 {
		preview, err := r.preview(ctx, p.Repo, *proposed, f.Author)
		out.Preview = preview
		return nil, err
	}
	v := rules.Verdict{Pull: p, Level: rules.Block}
	for _, problem := range problems {
		reason := rules.BadPolicy(policyPath, problem.Line, problem.String(), len(problems))
		if problem.Code == string(rules.OrderCycle) {
			reason = rules.CyclicPolicy(policyPath, problem.Line, problem.String(), len(problems))
		}
		out.Notes = append(out.Notes, forge.Annotation{Path: policyPath, Line: problem.Line, Level: "failure", Title: string(reason.Code), Message: problem.String()})
		if !slices.ContainsFunc(v.Reasons, func(q rules.Reason) bool { return q.Code == reason.Code }) {
			v.Reasons = append(v.Reasons, reason)
		}
	}
	return &v, nil
}

// preview says which verdicts a proposed policy would change. Anybody may propose one: nothing is told of pull requests that its author cannot
// read, and there is a bound to what is looked through for it.
func (r *Reconciler) preview(ctx context.Context, repo coupling.Repo, proposed rules.Policy, author string) ([]string, error) {
	o, err := r.Memory.Overlays.Load(ctx, repo)
	if err != nil {
		return nil, err
	}
	declared, effects, err := r.names(repo).couplings(ctx, proposed.Couplings, o.Effects)
	if err != nil {
		return nil, err
	}
	then := map[coupling.Pull][]rules.Verdict{} // none: in no coupling any more
	open := func(j rules.Judgement, verdicts func(m rules.MemberState) []rules.Verdict) {
		for _, m := range j.Members {
			if m.State == "open" || m.State == "draft" {
				then[m.Pull] = append(then[m.Pull], verdicts(m)...)
			}
		}
	}
	today, err := r.Memory.Judgements.In(ctx, repo)
	if err != nil {
		return nil, err
	}
	named := map[coupling.Repo]bool{repo: true}
	for _, d := range today {
		open(d.Value.Judgement, func(rules.MemberState) []rules.Verdict { return nil })
		for _, m := range d.Value.Members {
			named[m.Pull.Repo] = true // in the notes
		}
	}
	if secret, err := r.unreadBy(ctx, author, declared, named); err != nil {
		return nil, err
	} else if secret != "" {
		return []string{note.PreviewUnread(secret, author)}, nil
	}
	if couplings := coupling.Assemble(repo, declared, effects); len(couplings) > 0 {
		g, s, err := r.gather(ctx, wanted{home: repo, couplings: couplings, policy: &proposed})
		if errors.Is(err, errCostly) {
			return []string{note.PreviewCostly}, nil
		}
		if err != nil {
			return nil, err
		}
		for _, j := range rules.Evaluate(g.policy, s) {
			open(j, func(m rules.MemberState) []rules.Verdict { return []rules.Verdict{m.Verdict} })
		}
	}
	var lines []string
	for p, vs := range then {
		line, err := r.previewLine(ctx, p, repo, vs)
		if err != nil {
			return nil, err
		}
		if line != "" {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return lines, nil
}

// unreadBy returns the first private repository with a declared member that somebody cannot read, apart from those that notes name; "" for none.
func (r *Reconciler) unreadBy(ctx context.Context, login string, declared []coupling.Coupling, named map[coupling.Repo]bool) (coupling.Repo, error) {
	for _, c := range declared {
		for _, m := range c.Members {
			if named[m.Pull.Repo] {
				continue
			}
			named[m.Pull.Repo] = true
			d, known, err := r.Memory.Repos.Find(ctx, m.Pull.Repo)
			if err != nil {
				return "", err
			} else if !known || d.Gone || !d.Private {
				continue // relbot reads nothing there, or everybody may
			}
			if role, err := r.GitHub.Permission(ctx, m.Pull.Repo, login); err != nil && transient(err) {
				return "", err
			} else if err != nil || !role.AtLeast(forge.RoleRead) {
				return m.Pull.Repo, nil
			}
		}
	}
	return "", nil
}

// previewLine says how a policy proposed at home would change the verdict on a pull request; "" when it would not. vs are the verdicts of the couplings at
// home under it.
func (r *Reconciler) previewLine(ctx context.Context, p coupling.Pull, home coupling.Repo, vs []rules.Verdict) (string, error) {
	js, err := r.judgementsOf(ctx, p)
	if err != nil {
		return "", err
	}
	now := rules.Uncoupled(p)
	if len(js) > 0 {
		now = combined(p, js)
	}
	for _, j := range js { // couplings that are at home elsewhere stay as they are
		if m, is := j.Member(p); is && j.Coupling.Home != home {
			vs = append(vs, m.Verdict)
		}
	}
	after := rules.Uncoupled(p)
	if len(vs) > 0 {
		after = rules.Combine(p, vs...)
	}
	if after.Level == now.Level && publish.Hash(codesOf(after)) == publish.Hash(codesOf(now)) {
		return "", nil
	}
	return note.PreviewLine(p, now, after, home), nil
}

func codesOf(v rules.Verdict) []rules.Code {
	var out []rules.Code
	for _, r := range v.Reasons {
		out = append(out, r.Code)
	}
	return slices.Compact(out)
}

// combined joins what the couplings of a pull request say of it.
func combined(p coupling.Pull, js []memory.Judgement) rules.Verdict {
	var vs []rules.Verdict
	for _, j := range js {
		if m, ok := j.Member(p); ok {
			vs = append(vs, m.Verdict)
		}
	}
	return rules.Combine(p, vs...)
}

// foreign judges what a pull request changes of registered gates that are not its business.
func (r *Reconciler) foreign(ctx context.Context, p coupling.Pull, pol rules.Policy, f forge.Pull, repo memory.Repo) (*rules.Verdict, error) {
	if len(pol.Gates) == 0 {
		return nil, nil
	}
	all, err := r.assembled(ctx, p.Repo)
	if err != nil {
		return nil, err
	}
	// What a member changes of a gate that its own coupling uses is judged there.
	own := map[string]bool{}
	for _, c := range all {
		if _, member := c.ByPull(p); member && c.End == nil {
			for _, use := range c.Gates {
				own[use.Gate] = true
			}
		}
	}
	quick := &gathering{r: r, home: p.Repo, policy: pol}
	edits := map[string]rules.Edit{}
	for _, gate := range pol.Gates {
		if own[gate.ID] || f.Base != repo.Default {
			continue
		}
		e := rules.Edit{Site: quick.merged(ctx, p.Repo, f, repo.Tip, gate)}
		e.Changed = !same(e.Site, quick.site(ctx, p.Repo, repo.Tip, gate))
		touched := false
		if gate.Relation == rules.RemovedIn && gate.Evidence != nil {
			after := quick.after(ctx, p.Repo, f, repo.Tip, gate.Evidence.Path)
			touched = !maps.Equal(after, quick.ask(p.Repo).Matching(ctx, repo.Tip, gate.Evidence.Path))
			e.Holds = gate.Evidence.Holds(after)
		}
		if e.Changed || touched {
			edits[gate.ID] = e
		}
	}
	if quick.isOutage() {
		return nil, quick.outage
	}
	if len(edits) == 0 {
		return nil, nil
	}
	var using []coupling.Coupling
	for _, c := range all {
		if c.End == nil && slices.ContainsFunc(c.Gates, func(u coupling.GateUse) bool { _, hit := edits[u.Gate]; return hit }) {
			using = append(using, c)
		}
	}
	g, s, err := r.gather(ctx, wanted{home: p.Repo, couplings: using, extra: []coupling.Pull{p}})
	if err != nil {
		return nil, err
	}
	if g.isOutage() {
		return nil, g.outage
	}
	if err := r.lapse(ctx, &s, g); err != nil {
		return nil, err
	}
	for id := range edits {
		for name, base := range s.Repos[p.Repo].Bases {
			delete(base.Gates[id].Owners, p)
			s.Repos[p.Repo].Bases[name] = base
		}
	}
	v := rules.Foreign(pol, s, p, edits)
	return &v, nil
}

// body takes up the lines of a pull request's description. Where its author may write in every repository that they
// name they take effect, for good: emptying the description removes nothing. Otherwise the check shows them as
// proposals. at is when they were written.
func (r *Reconciler) body(ctx context.Context, p coupling.Pull, repo memory.Repo, said work.PullPayload, out *memory.Pull, at time.Time) error {
	if said.Bot || isLine(repo.Rules().Releases, said.Base) {
		return nil // a backport's copied text makes no member, and a bot's text is mostly other people's
	}
	lines, misses := command.Body(said.Body)
	for _, m := range misses {
		miss(out, m)
	}
	if len(lines) == 0 {
		return nil
	}
	roles := map[coupling.Repo]bool{}
	writes := func(repo coupling.Repo) (bool, error) {
		if _, asked := roles[repo]; !asked {
			role, err := r.GitHub.Permission(ctx, repo, said.Author)
			if err != nil && transient(err) {
				return false, err
			}
			roles[repo] = err == nil && role.AtLeast(forge.RoleWrite)
		}
		return roles[repo], nil
	}
	// Who may not write here only proposes, whatever is named: other repositories are not asked for it.
	here, err := writes(p.Repo)
	if err != nil {
		return err
	}
	proposals := make([][]coupling.Pull, len(lines))
	var ask []coupling.Pull
	for i, l := range lines {
		if proposals[i], err = r.propose(ctx, p, l); err != nil {
			return err
		}
		for _, q := range proposals[i] {
			if (here || q.Repo == p.Repo) && !slices.Contains(ask, q) {
				ask = append(ask, q)
			}
		}
	}
	var facts map[coupling.Pull]versionscan.Fact[forge.Pull]
	if len(ask) > 0 {
		if facts, err = r.pulls(ctx, ask...); err != nil && transient(err) {
			return err
		}
	}
	for i, l := range lines {
		proposal := existing(l, proposals[i], facts, out)
		if len(proposal) == 0 {
			continue
		}
		may := here
		for _, repo := range reposOf(proposal) {
			if !may {
				break
			}
			if may, err = writes(repo); err != nil {
				return err
			}
		}
		if !may {
			out.Proposals = append(out.Proposals, note.Proposal(l, p))
			continue
		}
		if err := r.take(ctx, p, l, proposal, said.Author, at); err != nil {
			return err
		}
	}
	return nil
}

// miss notes a line of the description that was not understood.
func miss(d *memory.Pull, m command.NearMiss) {
	d.NearMisses = append(d.NearMisses, note.NearMiss(m))
	if !slices.Contains(d.Missed, m.Line) {
		d.Missed = append(d.Missed, m.Line)
	}
}

// existing leaves out of a proposal the numbers that nobody knows, with a word about them. One may yet be opened: it is looked for again.
func existing(l command.BodyLine, proposal []coupling.Pull, facts map[coupling.Pull]versionscan.Fact[forge.Pull], out *memory.Pull) []coupling.Pull {
	return slices.DeleteFunc(proposal, func(p coupling.Pull) bool {
		fact, asked := facts[p]
		gone := asked && fact.Absent()
		if gone {
			out.Taken = false
			miss(out, command.NearMiss{Line: l.Line, Raw: l.Raw, Message: p.String() + " is no pull request"})
		}
		return gone
	})
}

func isLine(rel *release.Releases, branch string) bool {
	if rel == nil || rel.Branches == "" {
		return false
	}
	_, is := rel.LineOf(branch)
	return is
}

func reposOf(pulls []coupling.Pull) []coupling.Repo {
	var out []coupling.Repo
	for _, p := range pulls {
		if !slices.Contains(out, p.Repo) {
			out = append(out, p.Repo)
		}
	}
	return out
}
