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

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/history"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/find"
	"github.com/relbot/relbot/internal/versionscan/release"
)

const policyPath = ".github/relbot.yml"

// gathering collects the facts for one evaluation. A read that fails leaves an unknown fact behind and is remembered
// in outage, so that the caller can try again later; it never ends the evaluation.
type gathering struct {
	r      *Reconciler
	home   coupling.Repo
	policy rules.Policy
	docs   map[coupling.Repo]memory.Repo

	surveys map[coupling.Repo]versionscan.Fact[forge.Survey]
	pulls   map[coupling.Pull]versionscan.Fact[forge.Pull] // as they are judged: stacks are on the base where they will land
	shown   map[coupling.Pull]versionscan.Fact[forge.Pull] // as GitHub shows them
	asked   time.Time                                      // when they were read
	effects []coupling.Effect                              // of commands at home, where they are remembered with a judgement
	outage  error
	lag     *lagError // pull requests that were not read as events showed them; nil for none
	askers  map[coupling.Repo]*history.Asker
	fatal   error // the store failed, or it would cost too much: nothing can be judged
	bounded bool  // anybody may have written the policy: see [gathering.costly]
	steps   int64 // that are left to it
}

// note remembers an outage; other errors are in the facts already.
func (g *gathering) note(err error) {
	if err != nil && (transient(err) || g.outage == nil) {
		g.outage = err
	}
}

// wanted says what to gather facts for.
type wanted struct {
	home      coupling.Repo
	couplings []coupling.Coupling    // all of one home
	extra     []coupling.Pull        // pull requests other than the members
	group     *groupTree             // judged in place of its base's tip
	policy    *rules.Policy          // in place of the home's own, to preview it
	lag       bool                   // pull requests may lag: their couplings are not judged
	unread    map[coupling.Repo]bool // whose commands and descriptions are not known yet: their pull requests are not either
}

// gather reads everything that the rules need.
func (r *Reconciler) gather(ctx context.Context, w wanted) (*gathering, rules.Snapshot, error) {
	couplings, extra, group := w.couplings, w.extra, w.group
	g := &gathering{r: r, home: w.home, docs: map[coupling.Repo]memory.Repo{}}
	s := rules.Snapshot{
		Couplings: couplings,
		Repos:     map[coupling.Repo]rules.Repository{},
		Pulls:     map[coupling.Pull]versionscan.Fact[rules.Pull]{},
	}
	var pulls []coupling.Pull
	for _, c := range couplings {
		for _, m := range c.Members {
			pulls = append(pulls, m.Pull)
		}
	}
	pulls = append(pulls, extra...)
	slices.SortFunc(pulls, comparePulls)
	pulls = slices.Compact(pulls)
	if err := g.read(ctx, w, pulls); err != nil {
		return nil, s, err
	}
	if w.policy != nil {
		g.policy, g.bounded, g.steps = *w.policy, true, maxSteps
	}
	g.shown = maps.Clone(g.pulls)
	unstack(g.pulls, func(repo coupling.Repo, branch string) bool {
		named := func(c coupling.Coupling) bool { return c.Base == branch }
		return branch == g.surveys[repo].Value.Default || branch == g.docs[repo].Default || slices.ContainsFunc(couplings, named)
	})
	for repo := range g.docs {
		s.Repos[repo] = g.repository(ctx, repo, couplings, pulls, group).Ordered()
	}
	for _, p := range pulls {
		s.Pulls[p] = g.pull(ctx, p, s.Repos[p.Repo], couplings)
		o, err := r.Memory.Overrides.Load(ctx, p)
		if err != nil {
			return nil, s, err
		}
		for _, o := range o.Overrides {
			s.Overrides = append(s.Overrides, o.Override)
		}
	}
	if group != nil {
		s.Group = &group.Group
	}
	return g, s, g.fatal
}

func comparePulls(a, b coupling.Pull) int {
	if c := strings.Compare(string(a.Repo), string(b.Repo)); c != 0 {
		return c
	}
	return a.Number - b.Number
}

const notInstalled = "the App is not installed there"

// justMerged is how young a merge is while the branch may have been read before it.
const justMerged = time.Minute

// read reads pull requests and the repositories that the couplings touch, as one query where it serves, and takes over the policies.
func (g *gathering) read(ctx context.Context, w wanted, pulls []coupling.Pull) error {
	requests, err := g.requests(ctx, w)
	if err != nil {
		return err
	}
	watched := map[coupling.Repo][]string{}
	for _, q := range requests {
		watched[q.Repo] = q.Watched
	}
	g.asked = g.r.Now()
	// Anybody may propose a policy: what it names in repositories where the App is not known to be costs no calls.
	unasked := func(p coupling.Pull) bool { _, known := watched[p.Repo]; return w.policy != nil && !known }
	ask := slices.DeleteFunc(slices.Clone(pulls), unasked)
	g.surveys, g.pulls, err = g.r.read(ctx, forge.Reading{Pulls: ask, Surveys: requests, Watched: watched})
	var lags bool
	if g.lag, lags = lagging(err); lags && (len(g.lag.repos) > 0 || !w.lag) {
		return err
	} else if !lags {
		g.note(err)
	}
	for _, p := range pulls {
		if unasked(p) {
			g.pulls[p] = versionscan.NotKnown[forge.Pull](notInstalled)
		}
		if w.unread[p.Repo] {
			err := fmt.Errorf("what was said in %s is still being read", p.Repo)
			g.pulls[p] = versionscan.NotKnown[forge.Pull](err.Error())
			g.note(&forge.RetryError{Err: err})
		}
	}
	// One that merges while it is read must not look as if its commit were missing.
	if slices.ContainsFunc(pulls, func(p coupling.Pull) bool {
		f := g.pulls[p].Value
		return f.State == "merged" && g.asked.Sub(f.MergedAt) < justMerged
	}) {
		if g.surveys, _, err = g.r.read(ctx, forge.Reading{Surveys: requests}); err != nil {
			if _, lags := lagging(err); lags {
				return err
			}
			g.note(err)
		}
	}
	return g.takeOver(ctx, requests)
}

// requests asks for the repositories that couplings touch, with the branches on which their members land, and loads what is remembered of them.
func (g *gathering) requests(ctx context.Context, w wanted) ([]forge.SurveyRequest, error) {
	bases := map[coupling.Repo][]string{g.home: nil}
	for _, c := range w.couplings {
		for _, m := range c.Members {
			bases[m.Pull.Repo] = append(bases[m.Pull.Repo], c.Base)
		}
		bases[g.home] = append(bases[g.home], c.Base)
	}
	for _, p := range w.extra {
		bases[p.Repo] = append(bases[p.Repo], "") // surveyed, whatever its base
	}
	var out []forge.SurveyRequest
	for _, repo := range slices.Sorted(maps.Keys(bases)) {
		d, known, err := g.r.Memory.Repos.Find(ctx, repo)
		if err != nil {
			return nil, err
		}
		if !known {
			d.Name = repo
		}
		g.docs[repo] = d
		if !known || d.Gone {
			continue // not installed: unreadable
		}
		p := d.Rules()
		if w.policy != nil && repo == g.home {
			p = *w.policy
		}
		q := g.r.request(d, p)
		var more []string
		for _, b := range bases[repo] {
			if b != "" && !slices.Contains(q.Branches, b) && !slices.Contains(more, b) {
				more = append(more, b)
			}
		}
		if len(more) > 0 && w.policy == nil { // what is merely proposed is not remembered
			if _, err := g.r.Memory.Repos.Update(ctx, repo, func(d *memory.Repo) ([]store.Work, bool) {
				d.Bases = slices.Concat(d.Bases, more)
				return nil, true
			}); err != nil {
				return nil, err
			}
		}
		q.Branches = append(q.Branches, more...)
		out = append(out, q)
	}
	return out, nil
}

// takeOver adopts the policies that were read.
func (g *gathering) takeOver(ctx context.Context, requests []forge.SurveyRequest) (err error) {
	for _, q := range requests {
		s := g.surveys[q.Repo]
		if !s.Known() {
			continue
		}
		if err := g.r.adopt(ctx, q.Repo, s.Value); err != nil {
			return err
		}
		if g.docs[q.Repo], err = g.r.Memory.Repos.Load(ctx, q.Repo); err != nil {
			return err
		}
	}
	g.policy = g.docs[g.home].Rules()
	return nil
}

// repository turns a survey into facts about a repository: tags, lines, and the branches that members target with their version files
// and, at home, their gates.
func (g *gathering) repository(ctx context.Context, repo coupling.Repo, couplings []coupling.Coupling, pulls []coupling.Pull, group *groupTree) rules.Repository {
	d := g.docs[repo]
	p := d.Rules()
	if repo == g.home {
		p = g.policy
	}
	out := rules.Repository{Name: repo, Default: d.Default, Private: d.Private, Releases: p.Releases, Bases: map[string]rules.Base{}}
	survey := g.surveys[repo]
	if !survey.Known() {
		why := survey.Why
		if why == "" {
			why = notInstalled
		}
		out.Tags, out.Branches = versionscan.NotKnown[[]release.Tag](why), versionscan.NotKnown[[]string](why)
		return out
	}
	s := survey.Value
	out.Tags = s.Tags
	out.Branches = versionscan.NotKnown[[]string](s.Branches.Why)
	if s.Branches.Known() {
		out.Branches = versionscan.Know(slices.Sorted(maps.Keys(s.Branches.Value)))
	}
	tips := map[string]string{}
	if s.Default != "" {
		tips[s.Default] = s.Tip
	}
	for _, c := range couplings {
		if tip, ok := s.Branches.Value[c.Base]; ok {
			tips[c.Base] = tip
		}
	}
	for _, q := range pulls {
		if fact := g.pulls[q]; q.Repo == repo && fact.Known() {
			if tip, ok := s.Branches.Value[fact.Value.Base]; ok {
				tips[fact.Value.Base] = tip
			}
		}
	}
	for branch, tip := range tips {
		tree := tip
		if group != nil && group.Repo == repo && group.Base == branch {
			tree = group.Head
		}
		base := rules.Base{Tip: tip, Queue: s.Queues[branch], Files: g.devFiles(ctx, repo, tree, p.Releases)}
		if repo == g.home && len(p.Gates) > 0 {
			base.Gates = g.gates(ctx, repo, branch, tip, tree, s, couplings, group)
		}
		out.Bases[branch] = base
	}
	return out
}

// devFiles reads the version files at a commit.
func (g *gathering) devFiles(ctx context.Context, repo coupling.Repo, commit string, rel *release.Releases) map[string]versionscan.Fact[versionscan.File] {
	if rel == nil {
		return nil
	}
	var paths []string
	for _, r := range rel.DevVersion {
		if !r.Tags {
			paths = append(paths, r.Path)
		}
	}
	return g.ask(repo).Files(ctx, commit, paths)
}

// ask asks one repository for its content and history, and remembers what failed.
func (g *gathering) ask(repo coupling.Repo) *history.Asker {
	if g.askers == nil {
		g.askers = map[coupling.Repo]*history.Asker{}
	}
	if g.askers[repo] == nil {
		g.askers[repo] = &history.Asker{Source: g.r.GitHub, Repo: repo, Failed: g.note}
	}
	return g.askers[repo]
}

// groupTree is a merge group under judgement.
type groupTree struct {
	rules.Group
	Head string
}

// gates reads the registered gates of the home: on the branch, in the merge result of every open member that
// targets it, and their evidence at every release.
func (g *gathering) gates(ctx context.Context, repo coupling.Repo, branch, tip, tree string, s forge.Survey, couplings []coupling.Coupling, group *groupTree) map[string]rules.GateFacts {
	if g.bounded && g.costly(ctx, repo, tree, s) {
		g.fatal = cmp.Or(g.fatal, errCostly)
		return nil
	}
	d, out := g.docs[repo], map[string]rules.GateFacts{}
	var evidence []find.Evidence
	for _, gate := range g.policy.Gates {
		if gate.Evidence != nil {
			evidence = append(evidence, *gate.Evidence)
		}
	}
	shows := g.ask(repo).Shows(ctx, history.Releases(g.policy.Releases, s.Tags.Value), evidence...)
	pulls := slices.SortedFunc(maps.Keys(g.pulls), comparePulls)
	for _, gate := range g.policy.Gates {
		facts := rules.GateFacts{Owners: map[coupling.Pull]rules.Site{}}
		base, _ := versionscan.GlobBase(gate.Find.Path)
		facts.Base = g.site(ctx, repo, tree, gate)
		before := facts.Base
		if group != nil {
			before = g.site(ctx, repo, tip, gate)
		}
		for _, p := range pulls {
			fact := g.pulls[p]
			if p.Repo != repo || !fact.Known() || fact.Value.State != "open" || fact.Value.Base != branch {
				continue
			}
			if group != nil && !awaited(couplings, group.Group, p) {
				if slices.Contains(group.Pulls, p) && !same(before, facts.Base) && g.changes(ctx, repo, fact.Value, tip, gate, before) {
					facts.Owners[p] = facts.Base
				}
				continue
			}
			if base != "" && group == nil && tree == d.Tip && unchanged(d, fact.Value, base) {
				continue
			}
			if site := g.merged(ctx, repo, fact.Value, tip, gate); !same(site, facts.Base) {
				facts.Owners[p] = site
			}
		}
		if gate.Evidence != nil {
			facts.Tip = gate.Evidence.Holds(g.ask(repo).Matching(ctx, tree, gate.Evidence.Path))
			facts.Shows = shows[0]
			shows = shows[1:]
		}
		facts.Left = g.left(ctx, repo, gate, facts.Base, s)
		out[gate.ID] = facts
	}
	return out
}

// awaited reports whether a pull request that is not in a merge group may come in behind it, so that the gate is right with it.
func awaited(couplings []coupling.Coupling, group rules.Group, p coupling.Pull) bool {
	return !slices.Contains(group.Pulls, p) && slices.ContainsFunc(couplings, func(c coupling.Coupling) bool {
		return slices.ContainsFunc(group.Pulls, func(own coupling.Pull) bool { return slices.Contains(rules.Partners(c, own), p) })
	})
}

// errCostly says that looking for the gates of a policy would take too long.
var errCostly = errors.New("its patterns would have to look through too much")

// maxSteps is how much a policy that anybody may have proposed may have looked through, some seconds at the worst. See [versionscan.Steps].
const maxSteps = 20_000_000_000

// costly reports whether looking for the gates, on this branch too, takes more than that, going by what their globs match in a tree.
func (g *gathering) costly(ctx context.Context, repo coupling.Repo, tree string, s forge.Survey) bool {
	spend := func(glob, pattern string, times int) {
		if g.steps >= 0 {
			g.steps -= find.Steps(pattern, g.ask(repo).Matching(ctx, tree, glob), g.steps/int64(times)) * int64(times)
		}
	}
	for _, gate := range g.policy.Gates {
		spend(gate.Find.Path, cmp.Or(gate.Find.Symbol, gate.Find.Pattern), 1+len(g.pulls))
		if gate.Evidence != nil {
			spend(gate.Evidence.Path, gate.Evidence.Pattern, 1+len(s.Tags.Value))
		}
	}
	return g.steps < 0
}

// left is the newest release tag, when a gate is a placeholder and still one there.
func (g *gathering) left(ctx context.Context, repo coupling.Repo, gate rules.Gate, base rules.Site, s forge.Survey) string {
	if !base.Found.Known() || !base.Found.Value.Placeholder || g.policy.Releases == nil || !s.Tags.Known() {
		return ""
	}
	newest, ok := g.policy.Releases.History(s.Tags.Value, nil).Newest()
	if !ok {
		return ""
	}
	if there := g.site(ctx, repo, newest.Commit, gate).Found; there.Known() && there.Value.Placeholder {
		return newest.Name
	}
	return ""
}

// changes reports whether a pull request's own merge result changes a gate.
func (g *gathering) changes(ctx context.Context, repo coupling.Repo, p forge.Pull, tip string, gate rules.Gate, before rules.Site) bool {
	return !same(g.merged(ctx, repo, p, tip, gate), before)
}

// same reports whether two trees have the same gate; the line on which it stands does not matter.
func same(a, b rules.Site) bool {
	if a.Found.State != b.Found.State || (a.Trouble == nil) != (b.Trouble == nil) {
		return false
	}
	if a.Trouble != nil {
		return a.Trouble.Code == b.Trouble.Code && a.Trouble.Message == b.Trouble.Message
	}
	f, h := a.Found.Value, b.Found.Value
	return f.Raw == h.Raw && f.Name == h.Name && f.Path == h.Path
}

func (g *gathering) scheme() release.Scheme {
	if g.policy.Releases != nil {
		return g.policy.Releases.Scheme
	}
	return ""
}

// site finds a gate in a tree.
func (g *gathering) site(ctx context.Context, repo coupling.Repo, commit string, gate rules.Gate) rules.Site {
	return g.find(gate, g.ask(repo).Matching(ctx, commit, gate.Find.Path))
}

func (g *gathering) find(gate rules.Gate, files map[string]versionscan.Fact[versionscan.File]) rules.Site {
	found, trouble := gate.Locate(g.scheme(), files)
	return rules.Site{Found: found, Trouble: trouble}
}

// merged finds a gate in the merge result of a pull request.
func (g *gathering) merged(ctx context.Context, repo coupling.Repo, p forge.Pull, tip string, gate rules.Gate) rules.Site {
	return g.find(gate, g.after(ctx, repo, p, tip, gate.Find.Path))
}

// after are the files that match a glob in the merge result of a pull request.
func (g *gathering) after(ctx context.Context, repo coupling.Repo, p forge.Pull, tip, glob string) map[string]versionscan.Fact[versionscan.File] {
	commit, files := g.mergeResult(ctx, repo, p, tip, glob)
	if commit != "" {
		return g.ask(repo).Matching(ctx, commit, glob)
	}
	return files
}

// current reports whether GitHub's test merge of a pull request is of its head into this tip of its base.
func current(p forge.Pull, tip string) bool {
	return p.TestMerge != "" && slices.Equal(p.TestParents, []string{tip, p.Head})
}

// mergeResult is what a glob would match after the merge: the commit of GitHub's own test merge where it is up to
// date, else the files, merged here: a side that did not change a file since the merge base gives way to the other. Where both
// changed it the head's text stands, and GitHub lets no such conflict merge unless it can be resolved line by line.
func (g *gathering) mergeResult(ctx context.Context, repo coupling.Repo, p forge.Pull, tip, glob string) (string, map[string]versionscan.Fact[versionscan.File]) {
	if current(p, tip) {
		return p.TestMerge, nil
	}
	cmp, err := g.r.GitHub.Compare(ctx, repo, tip, p.Head)
	g.note(err)
	if !cmp.Known() {
		return "", map[string]versionscan.Fact[versionscan.File]{glob: versionscan.NotKnown[versionscan.File](cmp.Why)}
	}
	if cmp.Value.Behind == 0 {
		return p.Head, nil
	}
	base := g.ask(repo).Matching(ctx, cmp.Value.MergeBase, glob)
	ours := g.ask(repo).Matching(ctx, tip, glob)
	theirs := g.ask(repo).Matching(ctx, p.Head, glob)
	out := map[string]versionscan.Fact[versionscan.File]{}
	absent := versionscan.None[versionscan.File]("")
	at := func(m map[string]versionscan.Fact[versionscan.File], path string) versionscan.Fact[versionscan.File] {
		if f, ok := m[path]; ok {
			return f
		}
		return absent
	}
	for _, m := range []map[string]versionscan.Fact[versionscan.File]{base, ours, theirs} {
		for path := range m {
			b, o, t := at(base, path), at(ours, path), at(theirs, path)
			switch {
			case b.Unknown(), o.Unknown(), t.Unknown():
				out[path] = versionscan.NotKnown[versionscan.File](b.Why + o.Why + t.Why)
			case t.State == b.State && t.Value == b.Value:
				out[path] = o
			default:
				out[path] = t
			}
		}
	}
	for path, f := range out {
		if f.Absent() && path != glob {
			delete(out, path)
		}
	}
	return "", out
}

// pull turns a pull request into facts, for a merged one with its place in the history.
func (g *gathering) pull(ctx context.Context, p coupling.Pull, repo rules.Repository, couplings []coupling.Coupling) versionscan.Fact[rules.Pull] {
	fact, asked := g.pulls[p]
	switch {
	case !asked && g.outage != nil:
		return versionscan.NotKnown[rules.Pull](g.outage.Error())
	case fact.Absent():
		return versionscan.NotKnown[rules.Pull](cmpOr(fact.Why, "GitHub knows no such pull request"))
	case !fact.Known():
		return versionscan.NotKnown[rules.Pull](cmpOr(fact.Why, "it was not read"))
	}
	f := g.landedThoughClosed(ctx, p, fact.Value, repo, couplings)
	out := rules.Pull{
		Title: f.Title, Author: f.Author, State: f.State, Draft: f.Draft, Base: f.Base, BaseGone: f.BaseGone, Head: f.Head, Fork: f.Fork,
		Private: f.Private, URL: f.URL, Merge: f.Merge, MergedAt: f.MergedAt, MergedBy: f.MergedBy, ClosedAt: f.ClosedAt,
	}
	if f.State == "closed" {
		m, err := g.r.Memory.Mentions.Load(ctx, p)
		if err != nil {
			g.fatal = err
		}
		out.MentionedBy = m.By
	}
	survey := g.surveys[p.Repo]
	switch {
	case f.State == "open" && repo.Releases != nil && len(repo.Releases.DevVersion) > 0:
		out.HeadDev = g.headDev(ctx, p.Repo, f.Head, repo)
	case f.State == "merged" && !survey.Known():
		out.OnBase.Why, out.Revert.Why = survey.Why, survey.Why
	case f.State == "merged":
		g.history(ctx, p, f, survey.Value, repo.Releases, couplings, &out)
	}
	return versionscan.Know(out)
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// landedThoughClosed takes a pull request for merged that GitHub shows as closed, when its change is on the base all the same, as after a
// merge by hand or by another bot: a commit there names it, and the evidence of a gate that has it as its subject holds. Either alone
// proves nothing.
func (g *gathering) landedThoughClosed(ctx context.Context, p coupling.Pull, f forge.Pull, repo rules.Repository, couplings []coupling.Coupling) forge.Pull {
	if f.State != "closed" {
		return f
	}
	shown := false
	for _, c := range couplings {
		m, is := c.ByPull(p)
		for _, use := range c.Gates {
			gate, ok := g.policy.Gate(use.Gate)
			holds := repo.Bases[f.Base].Gates[use.Gate].Tip
			shown = shown || is && ok && c.Home == p.Repo && use.Subject == m.Role && gate.Evidence != nil && gate.Relation != rules.RemovedIn && holds.Known() && holds.Value
		}
	}
	survey := g.surveys[p.Repo].Value
	tip, ok := survey.Branches.Value[f.Base]
	if f.Base == survey.Default {
		tip, ok = survey.Tip, true
	}
	if !shown || !ok {
		return f
	}
	if c, found := g.ask(p.Repo).Named(ctx, tip, p.Number, f.ClosedAt); found {
		f.State, f.Merge, f.MergedAt = "merged", c.SHA, c.Date
	}
	return f
}

// headDev reads the dev version that a head's own files claim.
func (g *gathering) headDev(ctx context.Context, repo coupling.Repo, head string, facts rules.Repository) versionscan.Fact[release.Version] {
	if !facts.Tags.Known() || facts.Releases.DevVersion[0].Tags {
		return versionscan.NotKnown[release.Version]("")
	}
	first := *facts.Releases
	first.DevVersion = first.DevVersion[:1]
	d := find.Dev(first, g.devFiles(ctx, repo, head, &first), facts.History())
	if !d.Known() {
		return versionscan.NotKnown[release.Version](d.Why)
	}
	return versionscan.Know(d.Value.Version)
}

// history finds where a merged change is: on its base, or on that of a coupling, taken back, in which tags and on which release lines.
func (g *gathering) history(ctx context.Context, p coupling.Pull, f forge.Pull, s forge.Survey, rel *release.Releases, couplings []coupling.Coupling, out *rules.Pull) {
	tipOf := func(branch string) (string, bool) {
		if branch == s.Default {
			return s.Tip, true
		}
		tip, ok := s.Branches.Value[branch]
		return tip, ok
	}
	ask, change := g.ask(p.Repo), history.Change{Merge: f.Merge, Number: p.Number, Title: f.Title, Begun: f.CreatedAt, MergedAt: f.MergedAt}
	on := func(branch string) versionscan.Fact[bool] {
		tip, ok := tipOf(branch)
		switch {
		case f.Merge == "":
			return versionscan.NotKnown[bool]("GitHub names no merge commit")
		case !ok:
			return versionscan.NotKnown[bool]("branch " + branch + " is not there")
		}
		change.Tip = tip
		return ask.OnBase(ctx, change)
	}
	// A member that was merged into another branch than its coupling's is followed on that of the coupling.
	landing := f.Base
	for _, c := range couplings {
		base := cmpOr(c.Base, s.Default)
		if _, member := c.ByPull(p); !member || base == f.Base || !out.Elsewhere[base].Unknown() {
			continue
		}
		if out.Elsewhere == nil {
			out.Elsewhere = map[string]versionscan.Fact[bool]{}
		}
		out.Elsewhere[base], landing = on(base), base
	}
	out.OnBase = on(f.Base)
	tip, ok := tipOf(landing)
	if !ok || f.Merge == "" {
		out.Revert = versionscan.NotKnown[rules.Revert](on(landing).Why)
		return
	}
	change.Tip = tip
	out.Carriers, out.Lines = ask.Carriers(ctx, change, rel, history.Releases(rel, s.Tags.Value), history.Lines(rel, s.Branches.Value, landing))
	switch revert := ask.Reverted(ctx, change); {
	case revert.Known():
		v := rules.Revert{Commit: revert.Value.Commit, How: "commit"}
		if revert.Value.Number != 0 {
			v.Pull = coupling.Pull{Repo: p.Repo, Number: revert.Value.Number}
		}
		out.Revert = versionscan.Know(v)
	default:
		out.Revert = versionscan.Fact[rules.Revert]{State: revert.State, Why: revert.Why}
	}
}

// isOutage reports whether facts are missing because GitHub does not answer, as against answering no.
func (g *gathering) isOutage() bool {
	return g.outage != nil && transient(g.outage) && !errors.Is(g.outage, forge.ErrGone)
}
