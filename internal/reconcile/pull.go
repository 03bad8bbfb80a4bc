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

// pull handles what happened to one pull request: it remembers the head, takes up the lines of its body, looks at what
// it changes of the policy and of registered gates, and has its couplings judged.
func (r *Reconciler) pull(ctx context.Context, c store.Claimed) error {
	p, ok := work.PullOf(c.Work)
	if !ok {
		return nil
	}
	repo, err := r.Memory.Repos.Load(ctx, p.Repo)
	if err != nil {
		return err
	}
	said, changes := work.Payload[work.PullPayload](c.Work), work.Trail[work.Change](c.Work)
	verify, recheck := c.Kind == work.KindVerify, c.Kind == work.KindRecheck
	seen, err := r.Memory.Pulls.Load(ctx, p)
	if err != nil {
		return err
	}
	keys, err := r.Memory.Members.Load(ctx, p)
	if err != nil {
		return err
	}
	// An event that is no newer than what is known may be late, and of several the last need not be the newest: then, as without one, the truth is
	// read.
	var outage error
	var read versionscan.Fact[forge.Pull]
	late := !said.UpdatedAt.After(seen.Updated)
	several := c.Want-c.Done > 1
	if said.Read != nil && c.Attempt == 0 && (!late || said.UpdatedAt.Equal(seen.Updated)) && !seen.Lags(versionscan.Know(*said.Read)) {
		read = versionscan.Know(*said.Read)
	} else if said.Head == "" || recheck || c.Attempt > 0 || late || several {
		if err := r.expect(ctx, p, changes); err != nil {
			return err
		}
		facts, err := r.lookingAt(ctx, p, repo)
		if _, lags := lagging(err); lags {
			return err
		}
		read = facts
		switch {
		case read.Known():
			fresh := work.Read(read.Value)
			fresh.Action = said.Action
			said = fresh
		case read.Absent():
			said.State, said.Head = "closed", seen.Head
		case err == nil || !transient(err):
			var unread []store.Work // its couplings say so
			for _, key := range keys.Couplings {
				unread = append(unread, work.Coupling(key))
			}
			if err := r.Store.Enqueue(ctx, unread...); err != nil {
				return err
			}
			return fmt.Errorf("%s: %s: %w", p, read.Why, forge.ErrGone)
		default:
			outage = err
			if said.Head == "" || said.Head != seen.Head && seen.Head != "" {
				said.Head, said.State = cmpOr(seen.Head, said.Head), cmpOr(seen.State, said.State)
			}
		}
	}
	if said.State != "closed" {
		if err := r.mention(ctx, p, said.Body); err != nil {
			return err
		}
	}
	if lines, _ := command.Body(said.Body); len(lines) > 0 && said.State == "open" {
		// With a new database they take effect in the order in which all was said, and not before.
		if known, err := r.await(ctx, memory.Restored, []store.Claimed{c}, p.Repo); err != nil {
			return err
		} else if !known {
			deaf, err := r.unheard(ctx, p.Repo)
			if err != nil || deaf == "" {
				return err
			}
			seen := memory.Pull{Head: said.Head, Base: said.Base, State: said.State, Author: said.Author, Private: said.Private, Returned: returned(said, seen)}
			return r.showNow(ctx, work.Show(p, false), remembered{pull: p, seen: seen})
		}
	}
	found := memory.Pull{Head: cmpOr(said.Head, seen.Head), Base: said.Base, State: said.State, Author: said.Author, Private: said.Private, Updated: said.UpdatedAt}
	found.Returned = returned(said, seen)
	heard := seen
	heard.Hear(changes, r.Now())
	found.Told, found.Second = r.Now(), heard.Second
	if err := r.words(ctx, p, repo, said, seen, recheck, &found); err != nil {
		if !transient(err) {
			return err
		}
		outage = err
	}
	if found.Look, err = r.lookOf(ctx, p, repo, said, seen, read, len(keys.Couplings) > 0, recheck); err != nil {
		if _, lags := lagging(err); lags {
			return errors.Join(r.expect(ctx, p, changes), err)
		}
		if !transient(err) {
			return err
		}
		outage = err
	}
	if outage != nil && !found.Looked && said.State == "open" && len(repo.Rules().Gates) > 0 {
		// What the pull request changes is unknown, and an unknown never passes. Its couplings are judged all the same.
		found.Extra = &rules.Verdict{Pull: p, Level: rules.Unknown, Reasons: []rules.Reason{rules.Unreadable(p, outage.Error())}}
	}
	var queue []store.Work
	for _, key := range keys.Couplings {
		w := work.Coupling(key)
		if said.Read != nil { // one of many that were listed: behind these, so that one set of reads serves all of their couplings
			w.At = r.Now()
		}
		queue = append(queue, w)
	}
	// What its couplings say of this head comes first; then they have it shown.
	if len(queue) > 0 && (verify || recheck) {
		queue = append(queue, work.Show(p, verify))
	}
	now, err := r.Memory.Pulls.UpdateWith(ctx, p, func(d *memory.Pull) (beside []store.Document, work []store.Work, changed bool, err error) {
		n := found
		if !d.Looked && n.LookedAt(seen.LookBasis) && seen.Looked { // somebody has it looked at anew
			n.Look = memory.Look{}
		}
		if n.Updated.Equal(d.Updated) {
			n.Told, n.Second = d.Told, d.Second
		}
		n.Recheck = d.Recheck
		if recheck {
			n.Recheck++
		}
		if n.Head != "" && n.State == "open" {
			if beside, err = r.share(ctx, p, n.Head); err != nil {
				return nil, nil, false, err
			}
		}
		if work, err = r.left(ctx, p, *d, n); err != nil {
			return nil, nil, false, err
		}
		changed = len(beside) > 0 || publish.Hash(*d) != publish.Hash(n)
		*d = n
		if outage != nil && c.Attempt > 0 && !changed {
			return nil, nil, false, nil // its couplings were called for at the first attempt, and have patience of their own
		}
		return beside, append(work, queue...), changed, nil
	})
	if err != nil || len(queue) > 0 {
		return errors.Join(err, outage)
	}
	// In no coupling: it is shown at once, under the serialization key that a row of its own would have. Such a row takes over what fails, with its own patience.
	row := work.Show(p, verify)
	if r.showNow(ctx, row, remembered{pull: p, said: work.ShowPayload{Verify: verify}, seen: now}) != nil {
		return errors.Join(r.Store.Enqueue(ctx, row), outage)
	}
	return outage
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
func (r *Reconciler) words(ctx context.Context, p coupling.Pull, repo memory.Repo, said work.PullPayload, seen memory.Pull, recheck bool, out *memory.Pull) error {
	if said.State != "open" {
		return nil
	}
	basis := wordsBasis(said, repo)
	if seen.TakenFrom(basis) && !recheck {
		out.Words = seen.Words
		return nil
	}
	out.Words = memory.Words{Taken: true, WordsBasis: basis}
	err := r.body(ctx, p, repo, said, out, r.Now())
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
func (r *Reconciler) lookOf(ctx context.Context, p coupling.Pull, repo memory.Repo, said work.PullPayload, seen memory.Pull, read versionscan.Fact[forge.Pull], coupled, recheck bool) (memory.Look, error) {
	if said.State != "open" {
		return memory.Look{}, nil
	}
	pol := repo.Rules()
	switch {
	case seen.LookedAt(lookBasis(said, repo, seen.Touches)) && !recheck:
		return seen.Look, nil
	case said.Base != repo.Default:
		return memory.Look{Looked: true, LookBasis: lookBasis(said, repo, false)}, nil
	case read.Known():
	case coupled: // its couplings read it, and look
		return memory.Look{}, nil
	case len(pol.Gates) == 0 && pol.Check.As != "status" && repo.NodeID != "":
		return memory.Look{}, nil
	default:
		var err error
		if read, err = r.lookingAt(ctx, p, repo); err != nil || !read.Known() {
			return memory.Look{}, err
		}
	}
	return r.look(ctx, p, repo, said, read.Value)
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
	told := map[coupling.Repo]bool{repo: true}
	for _, d := range today {
		open(d.Value.Judgement, func(rules.MemberState) []rules.Verdict { return nil })
		for _, m := range d.Value.Members {
			told[m.Pull.Repo] = true // in the notes
		}
	}
	for _, c := range declared {
		for _, m := range c.Members {
			if told[m.Pull.Repo] {
				continue
			}
			told[m.Pull.Repo] = true
			d, known, err := r.Memory.Repos.Find(ctx, m.Pull.Repo)
			if err != nil {
				return nil, err
			} else if !known || d.Gone || !d.Private {
				continue // relbot reads nothing there, or everybody may
			}
			if role, err := r.GitHub.Permission(ctx, m.Pull.Repo, author); err != nil && transient(err) {
				return nil, err
			} else if err != nil || !role.AtLeast(forge.RoleRead) {
				return []string{note.PreviewUnread(m.Pull.Repo, author)}, nil
			}
		}
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
		js, err := r.judgementsOf(ctx, p)
		if err != nil {
			return nil, err
		}
		now := rules.Uncoupled(p)
		if len(js) > 0 {
			now = combined(p, js)
		}
		for _, j := range js { // couplings that are at home elsewhere stay as they are
			if m, is := j.Member(p); is && j.Coupling.Home != repo {
				vs = append(vs, m.Verdict)
			}
		}
		after := rules.Uncoupled(p)
		if len(vs) > 0 {
			after = rules.Combine(p, vs...)
		}
		if after.Level != now.Level || publish.Hash(codesOf(after)) != publish.Hash(codesOf(now)) {
			lines = append(lines, note.PreviewLine(p, now, after, repo))
		}
	}
	slices.Sort(lines)
	return lines, nil
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
	lines, misses := command.Body(said.Body)
	for _, m := range misses {
		out.NearMisses = append(out.NearMisses, note.NearMiss(m))
	}
	if len(lines) == 0 || said.Bot || isLine(repo.Rules().Releases, said.Base) {
		return nil // a backport's copied text makes no member
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

// existing leaves out of a proposal the numbers that nobody knows, with a word about them. One may yet be opened: it is looked for again.
func existing(l command.BodyLine, proposal []coupling.Pull, facts map[coupling.Pull]versionscan.Fact[forge.Pull], out *memory.Pull) []coupling.Pull {
	return slices.DeleteFunc(proposal, func(p coupling.Pull) bool {
		fact, asked := facts[p]
		gone := asked && fact.Absent()
		if gone {
			out.Taken = false
			out.NearMisses = append(out.NearMisses, note.NearMiss(command.NearMiss{Line: l.Line, Raw: l.Raw, Message: p.String() + " is no pull request"}))
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
