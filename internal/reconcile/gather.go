package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/versionscan"
)

const policyPath = ".github/relbot.yml"

// gathering collects the facts for one evaluation. A read that fails leaves an unknown fact behind and is remembered
// in outage, so that the caller can try again later; it never ends the evaluation.
type gathering struct {
	r      *Reconciler
	home   coupling.Repo
	policy rules.Policy
	docs   map[coupling.Repo]repoDoc

	surveys map[coupling.Repo]versionscan.Fact[forge.Survey]
	pulls   map[coupling.Pull]versionscan.Fact[forge.Pull]
	outage  error
	logs    map[string]versionscan.Fact[[]forge.Commit]
	fatal   error // the store failed: nothing can be judged
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
	couplings []coupling.Coupling // all of one home
	extra     []coupling.Pull     // pull requests beside the members
	group     *groupTree          // judged in place of its base's tip
	policy    *rules.Policy       // in place of the home's own, to preview it
}

// gather reads everything that the rules need.
func (r *Reconciler) gather(ctx context.Context, w wanted) (*gathering, rules.Snapshot, error) {
	couplings, extra, group := w.couplings, w.extra, w.group
	g := &gathering{r: r, home: w.home, docs: map[coupling.Repo]repoDoc{}, logs: map[string]versionscan.Fact[[]forge.Commit]{}}
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
	var err error
	// Pull requests before branches: one that merges in between must not look as if its commit were missing.
	g.pulls, err = r.GitHub.Pulls(ctx, pulls)
	g.note(err)
	if err := g.survey(ctx, couplings, extra); err != nil {
		return nil, s, err
	}
	if w.policy != nil {
		g.policy = *w.policy
	}
	for repo := range g.docs {
		s.Repos[repo] = g.repository(ctx, repo, couplings, pulls, group)
	}
	for _, p := range pulls {
		s.Pulls[p] = g.pull(ctx, p, s.Repos[p.Repo])
		var o overrideDoc
		if _, err := r.load(ctx, docOverride, p.String(), &o); err != nil {
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

// survey reads the repositories that the couplings touch, and takes over their policies.
func (g *gathering) survey(ctx context.Context, couplings []coupling.Coupling, extra []coupling.Pull) error {
	repos := map[coupling.Repo][]string{g.home: nil}
	for _, c := range couplings {
		for _, m := range c.Members {
			repos[m.Pull.Repo] = append(repos[m.Pull.Repo], c.Base)
		}
		repos[g.home] = append(repos[g.home], c.Base)
	}
	for _, p := range extra {
		repos[p.Repo] = append(repos[p.Repo], "") // surveyed, whatever its base
	}
	var requests []forge.SurveyRequest
	for _, repo := range slices.Sorted(maps.Keys(repos)) {
		d := repoDoc{Repository: forge.Repository{Name: repo}}
		rev, err := g.r.load(ctx, docRepo, string(repo), &d)
		if err != nil {
			return err
		}
		g.docs[repo] = d
		if rev == 0 || d.Gone {
			continue // not installed: unreadable
		}
		q := g.r.request(ctx, d)
		for _, b := range repos[repo] {
			if b != "" && !slices.Contains(q.Branches, b) {
				q.Branches = append(q.Branches, b)
			}
		}
		requests = append(requests, q)
	}
	var err error
	g.surveys, err = g.r.GitHub.Survey(ctx, requests)
	g.note(err)
	for _, q := range requests {
		s := g.surveys[q.Repo]
		if !s.Known() {
			continue
		}
		if err := g.r.adopt(ctx, q.Repo, s.Value); err != nil {
			return err
		}
		var d repoDoc
		if _, err := g.r.load(ctx, docRepo, string(q.Repo), &d); err != nil {
			return err
		}
		g.docs[q.Repo] = d
	}
	g.policy = g.docs[g.home].rules()
	return nil
}

// repository turns a survey into facts about a repository: tags, lines, and the branches that members target with their version files
// and, at home, their gates.
func (g *gathering) repository(ctx context.Context, repo coupling.Repo, couplings []coupling.Coupling, pulls []coupling.Pull, group *groupTree) rules.Repository {
	d := g.docs[repo]
	p := d.rules()
	if repo == g.home {
		p = g.policy
	}
	out := rules.Repository{Name: repo, Default: d.Default, Private: d.Private, Releases: p.Releases, Bases: map[string]rules.Base{}}
	survey := g.surveys[repo]
	if !survey.Known() {
		why := survey.Why
		if why == "" {
			why = "the App is not installed there"
		}
		out.Tags, out.Branches = versionscan.NotKnown[[]versionscan.Tag](why), versionscan.NotKnown[[]string](why)
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
func (g *gathering) devFiles(ctx context.Context, repo coupling.Repo, commit string, rel *versionscan.Releases) map[string]versionscan.Fact[versionscan.File] {
	if rel == nil {
		return nil
	}
	var paths []string
	for _, r := range rel.DevVersion {
		if !r.Tags {
			paths = append(paths, r.Path)
		}
	}
	return g.files(ctx, repo, commit, paths)
}

func (g *gathering) files(ctx context.Context, repo coupling.Repo, commit string, paths []string) map[string]versionscan.Fact[versionscan.File] {
	var at []forge.At
	for _, p := range paths {
		at = append(at, forge.At{Commit: commit, Path: p})
	}
	out := map[string]versionscan.Fact[versionscan.File]{}
	if len(at) == 0 {
		return out
	}
	found, err := g.r.GitHub.Files(ctx, repo, at)
	g.note(err)
	for _, a := range at {
		f, ok := found[a]
		if !ok {
			f = versionscan.NotKnown[versionscan.File](reason(err))
		}
		out[a.Path] = f
	}
	return out
}

func reason(err error) string {
	if err == nil {
		return "it was not read"
	}
	return err.Error()
}

// matching reads the files that match a glob at a commit. When the tree cannot be listed the glob itself stands for
// an unknown file.
func (g *gathering) matching(ctx context.Context, repo coupling.Repo, commit, glob string) map[string]versionscan.Fact[versionscan.File] {
	if path, literal := versionscan.GlobBase(glob); literal {
		return g.files(ctx, repo, commit, []string{path})
	}
	tree, err := g.r.GitHub.Tree(ctx, repo, commit)
	g.note(err)
	if !tree.Known() {
		return map[string]versionscan.Fact[versionscan.File]{glob: versionscan.NotKnown[versionscan.File](tree.Why)}
	}
	var paths []string
	for _, e := range tree.Value {
		if versionscan.Match(glob, e.Path) {
			paths = append(paths, e.Path)
		}
	}
	if len(paths) > maxMatches {
		return map[string]versionscan.Fact[versionscan.File]{glob: versionscan.NotKnown[versionscan.File](fmt.Sprintf("%d files match, more than %d", len(paths), maxMatches))}
	}
	return g.files(ctx, repo, commit, paths)
}

// maxMatches bounds how many files one glob may bring into an evaluation.
const maxMatches = 2000

// groupTree is a merge group under judgement.
type groupTree struct {
	rules.Group
	Head string
}

// gates reads the registered gates of the home: on the branch, in the merge result of every open member that
// targets it, and their evidence at every release.
func (g *gathering) gates(ctx context.Context, repo coupling.Repo, branch, tip, tree string, s forge.Survey, couplings []coupling.Coupling, group *groupTree) map[string]rules.GateFacts {
	out := map[string]rules.GateFacts{}
	for _, gate := range g.policy.Gates {
		facts := rules.GateFacts{Owners: map[coupling.Pull]rules.Site{}}
		facts.Base = g.site(ctx, repo, tree, gate)
		before := facts.Base
		if group != nil {
			before = g.site(ctx, repo, tip, gate)
		}
		for _, p := range slices.SortedFunc(maps.Keys(g.pulls), comparePulls) {
			fact := g.pulls[p]
			if p.Repo != repo || !fact.Known() || fact.Value.State != "open" || fact.Value.Base != branch {
				continue
			}
			if group != nil {
				if slices.Contains(group.Pulls, p) && !same(before, facts.Base) && g.changes(ctx, repo, fact.Value, tip, gate, before) {
					facts.Owners[p] = facts.Base
				}
				continue
			}
			if site := g.merged(ctx, repo, fact.Value, tip, gate); !same(site, facts.Base) {
				facts.Owners[p] = site
			}
		}
		if gate.Evidence != nil {
			facts.Shows, facts.Tip = g.evidence(ctx, repo, *gate.Evidence, tree, s, g.policy.Releases)
		}
		out[gate.ID] = facts
	}
	return out
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

func (g *gathering) scheme() versionscan.Scheme {
	if g.policy.Releases != nil {
		return g.policy.Releases.Scheme
	}
	return ""
}

// site finds a gate in a tree.
func (g *gathering) site(ctx context.Context, repo coupling.Repo, commit string, gate rules.Gate) rules.Site {
	return g.find(gate, g.matching(ctx, repo, commit, gate.Find.Path))
}

func (g *gathering) find(gate rules.Gate, files map[string]versionscan.Fact[versionscan.File]) rules.Site {
	found, trouble := versionscan.Find(gate.Find, gate.ID, g.scheme(), files)
	return rules.Site{Found: found, Trouble: trouble}
}

// merged finds a gate in the merge result of a pull request.
func (g *gathering) merged(ctx context.Context, repo coupling.Repo, p forge.Pull, tip string, gate rules.Gate) rules.Site {
	commit, files := g.mergeResult(ctx, repo, p, tip, gate.Find.Path)
	if commit != "" {
		return g.site(ctx, repo, commit, gate)
	}
	return g.find(gate, files)
}

// mergeResult is what a glob would match after the merge: the commit of GitHub's own test merge where it is up to
// date, else the files, merged here: a side that did not change a file since the merge base gives way to the other. Where both
// changed it the head's text stands, and GitHub lets no such conflict merge unless it can be resolved line by line.
func (g *gathering) mergeResult(ctx context.Context, repo coupling.Repo, p forge.Pull, tip, glob string) (string, map[string]versionscan.Fact[versionscan.File]) {
	if p.TestMerge != "" && slices.Equal(p.TestParents, []string{tip, p.Head}) {
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
	base := g.matching(ctx, repo, cmp.Value.MergeBase, glob)
	ours := g.matching(ctx, repo, tip, glob)
	theirs := g.matching(ctx, repo, p.Head, glob)
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

// evidence says at which tags a predicate holds, and whether it holds at the tip.
func (g *gathering) evidence(ctx context.Context, repo coupling.Repo, e versionscan.Evidence, tip string, s forge.Survey, rel *versionscan.Releases) (map[string]versionscan.Fact[bool], versionscan.Fact[bool]) {
	shows := map[string]versionscan.Fact[bool]{}
	at := e.Holds(g.matching(ctx, repo, tip, e.Path))
	if !s.Tags.Known() || rel == nil {
		return shows, at
	}
	tags := releaseTags(rel, s.Tags.Value)
	if path, literal := versionscan.GlobBase(e.Path); literal {
		var ats []forge.At
		for _, t := range tags {
			ats = append(ats, forge.At{Commit: t.Commit, Path: path})
		}
		found, err := g.r.GitHub.Files(ctx, repo, ats)
		g.note(err)
		for _, t := range tags {
			f, ok := found[forge.At{Commit: t.Commit, Path: path}]
			if !ok {
				f = versionscan.NotKnown[versionscan.File](reason(err))
			}
			shows[t.Name] = e.Holds(map[string]versionscan.Fact[versionscan.File]{path: f})
		}
		return shows, at
	}
	for _, t := range tags {
		shows[t.Name] = e.Holds(g.matching(ctx, repo, t.Commit, e.Path))
	}
	return shows, at
}

// releaseTags are the tags that name releases.
func releaseTags(rel *versionscan.Releases, tags []versionscan.Tag) []versionscan.Tag {
	return slices.DeleteFunc(slices.Clone(tags), func(t versionscan.Tag) bool {
		_, ok := rel.ParseTag(t.Name)
		return !ok
	})
}

// pull turns a pull request into facts, for a merged one with its place in the history.
func (g *gathering) pull(ctx context.Context, p coupling.Pull, repo rules.Repository) versionscan.Fact[rules.Pull] {
	fact, asked := g.pulls[p]
	switch {
	case !asked && g.outage != nil:
		return versionscan.NotKnown[rules.Pull](g.outage.Error())
	case fact.Absent():
		return versionscan.NotKnown[rules.Pull](cmpOr(fact.Why, "GitHub knows no such pull request"))
	case !fact.Known():
		return versionscan.NotKnown[rules.Pull](cmpOr(fact.Why, "it was not read"))
	}
	f := fact.Value
	out := rules.Pull{
		Title: f.Title, Author: f.Author, State: f.State, Draft: f.Draft, Base: f.Base, Head: f.Head, Fork: f.Fork,
		Private: f.Private, URL: f.URL, Merge: f.Merge, MergedAt: f.MergedAt, MergedBy: f.MergedBy, ClosedAt: f.ClosedAt,
	}
	survey := g.surveys[p.Repo]
	switch {
	case f.State == "open" && repo.Releases != nil && len(repo.Releases.DevVersion) > 0:
		out.HeadDev = g.headDev(ctx, p.Repo, f.Head, repo)
	case f.State == "merged" && !survey.Known():
		out.OnBase.Why, out.Revert.Why = survey.Why, survey.Why
	case f.State == "merged":
		g.history(ctx, p, f, survey.Value, repo.Releases, &out)
	}
	return versionscan.Know(out)
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// headDev reads the dev version that a head's own files claim.
func (g *gathering) headDev(ctx context.Context, repo coupling.Repo, head string, facts rules.Repository) versionscan.Fact[versionscan.Version] {
	if !facts.Tags.Known() || facts.Releases.DevVersion[0].Tags {
		return versionscan.NotKnown[versionscan.Version]("")
	}
	first := *facts.Releases
	first.DevVersion = first.DevVersion[:1]
	d := first.ReadDev(g.devFiles(ctx, repo, head, &first), first.History(facts.Tags.Value, facts.Branches.Value))
	if !d.Known() {
		return versionscan.NotKnown[versionscan.Version](d.Why)
	}
	return versionscan.Know(d.Value.Version)
}

// history finds where a merged change is: on its base, taken back, in which tags and on which release lines.
func (g *gathering) history(ctx context.Context, p coupling.Pull, f forge.Pull, s forge.Survey, rel *versionscan.Releases, out *rules.Pull) {
	tip, ok := s.Branches.Value[f.Base]
	if f.Base == s.Default {
		tip, ok = s.Tip, true
	}
	if !ok || f.Merge == "" {
		why := "branch " + f.Base + " is gone"
		if f.Merge == "" {
			why = "GitHub names no merge commit"
		}
		out.OnBase = versionscan.NotKnown[bool](why)
		out.Revert = versionscan.NotKnown[rules.Revert](why)
		return
	}
	var tags []versionscan.Tag
	if rel != nil && s.Tags.Known() {
		tags = releaseTags(rel, s.Tags.Value)
	}
	lines := map[string]string{}
	for branch, commit := range s.Branches.Value {
		if rel != nil && rel.Branches != "" {
			if _, is := rel.LineOf(branch); is {
				lines[branch] = commit
			}
		}
	}
	revs := []string{tip}
	for _, t := range tags {
		revs = append(revs, t.Commit)
	}
	for _, c := range lines {
		revs = append(revs, c)
	}
	slices.Sort(revs)
	revs = slices.Compact(revs)
	contains, err := g.r.GitHub.Contains(ctx, p.Repo, f.Merge, revs)
	g.note(err)
	in := func(rev string) versionscan.Fact[bool] {
		if c, ok := contains[rev]; ok {
			return c
		}
		return versionscan.NotKnown[bool](reason(err))
	}
	out.OnBase = in(tip)
	out.Revert = g.revert(ctx, p, f, tip)
	out.Carriers = map[string]versionscan.Fact[string]{}
	for _, t := range tags {
		out.Carriers[t.Name] = g.carries(ctx, p, f, t.Commit, t.Date, in(t.Commit))
	}
	out.Lines = map[string]versionscan.Fact[string]{}
	for branch, commit := range lines {
		if branch == f.Base {
			continue
		}
		out.Lines[branch] = g.carries(ctx, p, f, commit, time.Time{}, in(commit))
	}
}

// carries says whether a tag or line has a change, and by which method that was found: ancestry, or an equivalent
// pick told by its trailer or its number.
func (g *gathering) carries(ctx context.Context, p coupling.Pull, f forge.Pull, rev string, date time.Time, ancestor versionscan.Fact[bool]) versionscan.Fact[string] {
	switch {
	case !ancestor.Known():
		return versionscan.NotKnown[string](ancestor.Why)
	case ancestor.Value:
		return versionscan.Know("ancestry")
	case !date.IsZero() && date.Add(24*time.Hour).Before(f.MergedAt):
		return versionscan.None[string]("older than the change") // no pick is older than what it picks
	}
	cmp, err := g.r.GitHub.Compare(ctx, p.Repo, f.Merge, rev)
	g.note(err)
	if !cmp.Known() {
		return versionscan.NotKnown[string](cmp.Why)
	}
	return picked(cmp.Value.Commits, p, f)
}

// picked looks for a pick of a change among commits, and whether a later one takes it back.
func picked(commits []forge.Commit, p coupling.Pull, f forge.Pull) versionscan.Fact[string] {
	method, sha := "", ""
	for _, c := range commits {
		subject, _, _ := strings.Cut(c.Message, "\n")
		switch {
		case method != "" && revertOf(c, sha, 0, ""):
			method, sha = "", ""
		case strings.Contains(c.Message, "(cherry picked from commit "+f.Merge):
			method, sha = "cherry-pick trailer", c.SHA
		case !strings.HasPrefix(subject, "Revert ") && namesPull(subject, p.Number):
			method, sha = "pull request number", c.SHA
		}
	}
	if method == "" {
		return versionscan.None[string]("no pick of it")
	}
	return versionscan.Know(method)
}

// namesPull reports whether a commit's subject ends in "(#N)", as GitHub writes it for a squash.
func namesPull(subject string, n int) bool {
	return strings.Contains(subject, fmt.Sprintf("(#%d)", n))
}

var revertsPull = regexp.MustCompile(`(?im)^reverts? (?:[\w.-]+/[\w.-]+)?#(\d+)\b`)

// revertOf reports whether a commit takes back another: by git's own words, by naming the pull request, or by quoting
// its subject.
func revertOf(c forge.Commit, sha string, number int, title string) bool {
	if sha != "" && strings.Contains(c.Message, "This reverts commit "+sha) {
		return true
	}
	if number == 0 {
		return false
	}
	subject, _, _ := strings.Cut(c.Message, "\n")
	if quoted, ok := strings.CutPrefix(subject, `Revert "`); ok {
		if i := strings.LastIndexByte(quoted, '"'); i >= 0 {
			quoted = quoted[:i]
		}
		if strings.HasSuffix(quoted, fmt.Sprintf("(#%d)", number)) || title != "" && quoted == title {
			return true
		}
	}
	for _, m := range revertsPull.FindAllStringSubmatch(c.Message, -1) {
		if m[1] == fmt.Sprint(number) {
			return true
		}
	}
	return false
}

// revert finds the commit that took a merged change back, following reverts of reverts.
func (g *gathering) revert(ctx context.Context, p coupling.Pull, f forge.Pull, tip string) versionscan.Fact[rules.Revert] {
	since := f.MergedAt.Add(-time.Minute).UTC().Truncate(24 * time.Hour) // by the day, so that members share one read
	key := string(p.Repo) + "@" + tip + since.String()
	log, ok := g.logs[key]
	if !ok {
		var err error
		log, err = g.r.GitHub.Log(ctx, p.Repo, tip, since, maxLog)
		g.note(err)
		if !log.Known() && log.Why == "" {
			log.Why = reason(err)
		}
		g.logs[key] = log
	}
	if !log.Known() {
		return versionscan.NotKnown[rules.Revert](log.Why)
	}
	commits := slices.Clone(log.Value)
	slices.Reverse(commits) // oldest first
	sha, number, title := f.Merge, p.Number, f.Title
	reverted := versionscan.None[rules.Revert]("no commit takes it back")
	for _, c := range commits {
		if c.SHA == f.Merge || !revertOf(c, sha, number, title) {
			continue
		}
		if reverted.Known() { // the revert was reverted: the change is back
			reverted = versionscan.None[rules.Revert]("the revert was reverted")
		} else {
			v := rules.Revert{Commit: c.SHA, How: "commit"}
			if n := pullOf(c); n != 0 {
				v.Pull = coupling.Pull{Repo: p.Repo, Number: n}
			}
			reverted = versionscan.Know(v)
		}
		sha, number = c.SHA, pullOf(c)
		title, _, _ = strings.Cut(c.Message, "\n")
		title = strings.TrimSpace(strings.TrimSuffix(title, fmt.Sprintf("(#%d)", number)))
	}
	return reverted
}

var subjectPull = regexp.MustCompile(`\(#(\d+)\)$|^Merge pull request #(\d+) `)

// pullOf is the pull request that a commit came from: what GitHub associates, else the number in its subject.
func pullOf(c forge.Commit) int {
	subject, _, _ := strings.Cut(c.Message, "\n")
	if m := subjectPull.FindStringSubmatch(strings.TrimSpace(subject)); m != nil {
		var n int
		fmt.Sscan(m[1]+m[2], &n)
		return n
	}
	if len(c.Pulls) > 0 {
		return c.Pulls[0]
	}
	return 0
}

// maxLog bounds how far back a revert is looked for.
const maxLog = 2000

// isOutage reports whether facts are missing because GitHub does not answer, as against answering no.
func (g *gathering) isOutage() bool {
	return g.outage != nil && transient(g.outage) && !errors.Is(g.outage, forge.ErrGone)
}
