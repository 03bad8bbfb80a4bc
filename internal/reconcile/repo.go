package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/relbot/relbot/internal/budget"
	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/policy"
	"github.com/relbot/relbot/internal/publish"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/release"
	"github.com/relbot/relbot/internal/work"
)

// install learns on which repositories the App is installed. A new one has all its open pull requests looked at, since
// a required check that is never posted blocks for ever; one that went away is unreadable from now on.
func (r *Reconciler) install(ctx context.Context, c store.Claimed) error {
	repos, unlisted, err := r.GitHub.Repositories(ctx)
	if err != nil {
		return err
	}
	failed, later, err := r.unlisted(ctx, unlisted)
	if err != nil {
		return err
	}
	all, err := r.Memory.Repos.All(ctx)
	if err != nil {
		return err
	}
	here, known := map[coupling.Repo]bool{}, map[coupling.Repo]memory.Repo{}
	ids := map[int64]coupling.Repo{}
	for _, d := range all {
		known[d.Of], ids[d.Value.ID] = d.Value, d.Of
	}
	for _, repo := range repos {
		here[repo.Name] = true
		if old, renamed := ids[repo.ID]; renamed && old != repo.Name {
			if err := r.rename(ctx, old, repo.Name); err != nil {
				return err
			}
			delete(known, old)
		}
		d, seen := known[repo.Name]
		if seen && !d.Gone && d.Repository == repo {
			continue
		}
		backfill := work.Backfill(repo.Name)
		if _, err := r.Memory.Repos.Update(ctx, repo.Name, func(d *memory.Repo) ([]store.Work, bool) {
			if d.Since.IsZero() || d.Gone {
				d.Since = r.Now()
			}
			d.Repository, d.Gone, d.Fingerprint = repo, false, ""
			return []store.Work{backfill}, true
		}); err != nil {
			return err
		}
	}
	for name, d := range known {
		if d.Gone || here[name] || failed[d.Installation] {
			continue
		}
		affected, err := r.touching(ctx, name)
		if err != nil {
			return err
		}
		if _, err := r.Memory.Repos.Update(ctx, name, func(d *memory.Repo) ([]store.Work, bool) {
			d.Gone = true
			return judging(affected), true
		}); err != nil {
			return err
		}
		if err := r.resume(ctx, name); err != nil { // nothing is to be waited for any more
			return err
		}
	}
	expected := map[coupling.Repo]bool{}
	for _, said := range work.Trail[work.InstallPayload](c.Work) {
		for _, name := range said.Listed {
			expected[name] = true
		}
		for _, name := range said.Gone {
			expected[name] = false
		}
	}
	maps.DeleteFunc(expected, func(name coupling.Repo, there bool) bool { return here[name] == there })
	lags := slices.Sorted(maps.Keys(expected))
	if len(lags) > 0 && len(unlisted) == 0 && r.Now().Sub(c.Origin.At) < lagLimit {
		return cmp.Or(later, error(&forge.RetryError{Err: &lagError{repos: lags}}))
	}
	return later
}

// unlisted warns of the accounts whose repositories GitHub does not list, and returns their installations, and an error where asking again may
// help. Each account fails alone: one organisation lets in nobody from this address, and the others go on.
func (r *Reconciler) unlisted(ctx context.Context, accounts []forge.Unlisted) (failed map[int64]bool, later error, err error) {
	failed = map[int64]bool{}
	for _, u := range accounts {
		failed[u.Installation] = true
		switch {
		case refused(u.Err):
			if err := r.heed(ctx, work.InstallOf(u.Account), u.Err); err != nil {
				return nil, nil, err
			}
		default:
			later = cmp.Or(later, u.Err)
		}
	}
	return failed, later, r.listedAgain(ctx, accounts)
}

// touching returns the couplings that have to do with a repository: those at home there, and those elsewhere with a member there.
func (r *Reconciler) touching(ctx context.Context, repo coupling.Repo) ([]coupling.Key, error) {
	judged, err := r.Memory.Judgements.Keys(ctx, repo)
	if err != nil {
		return nil, err
	}
	keys := map[coupling.Key]bool{}
	for _, key := range judged {
		keys[key] = true
	}
	members, err := r.Memory.Members.In(ctx, repo)
	if err != nil {
		return nil, err
	}
	for _, d := range members {
		for _, key := range d.Value.Couplings {
			keys[key] = true
		}
	}
	return slices.Sorted(maps.Keys(keys)), nil
}

// judging is the work that judges couplings.
func judging(keys []coupling.Key) []store.Work {
	var out []store.Work
	for _, key := range keys {
		out = append(out, work.Coupling(key))
	}
	return out
}

// repo looks at a repository as a whole: its policy, tags, release lines and base branches. When something that
// couplings depend on changed, they are judged again.
func (r *Reconciler) repo(ctx context.Context, c store.Claimed) error {
	name := coupling.Repo(c.Key)
	d, err := r.Memory.Repos.Load(ctx, name)
	if err != nil {
		return err
	}
	for range 2 {
		surveys, _, failure := r.read(budget.With(ctx, budget.Demotions), forge.Reading{Surveys: []forge.SurveyRequest{r.request(d, d.Rules())}})
		s := surveys[name]
		if _, lags := lagging(failure); lags {
			return failure
		}
		var unread []store.Work // what was to be seen may have changed every verdict: they are unknown, and tried again by themselves
		if !s.Known() && c.Attempt == 0 {
			keys, err := r.touching(ctx, name)
			if err != nil {
				return err
			}
			unread = judging(keys)
		}
		if failure != nil {
			return errors.Join(r.Store.Enqueue(ctx, unread...), failure)
		}
		if !s.Known() || !s.Value.Name.Same(name) { // renamed, removed, or no longer readable
			return r.Store.Enqueue(ctx, append(unread, work.Install())...)
		}
		if err := r.adopt(ctx, name, s.Value); err != nil {
			return err
		}
		if d, err = r.Memory.Repos.Load(ctx, name); err != nil {
			return err
		}
		// A new policy has other places to watch than the one under which this was read.
		if len(d.Watched) >= len(watched(d.Rules())) {
			break
		}
	}
	if work.Payload[work.RepoPayload](c.Work).Backfill {
		if err := r.backfill(ctx, d); err != nil {
			return err
		}
	}
	if heard, err := r.Memory.Watermarks.Has(ctx, memory.Replayed.Of(name)); err != nil {
		return err
	} else if !heard {
		if err := r.Store.Enqueue(ctx, work.Comments(name)); err != nil {
			return err
		}
	}
	return r.resume(ctx, name)
}

// watched are the paths where what a repository's policy tells of stands: what is the same there on both sides of a merge need not be read.
func watched(p rules.Policy) []string {
	out := lookedAt(p)
	add := func(glob string) {
		if base, _ := versionscan.GlobBase(glob); base != "" && !slices.Contains(out, base) {
			out = append(out, base)
		}
	}
	if p.Releases != nil {
		for _, d := range p.Releases.DevVersion {
			if !d.Tags {
				add(d.Path)
			}
		}
	}
	for _, g := range p.Gates {
		if g.Evidence != nil {
			add(g.Evidence.Path)
		}
	}
	return out[:min(len(out), maxWatched)]
}

// maxWatched bounds what is asked for each pull request; what is beyond is read when it is needed.
const maxWatched = 20

// lookedAt are the paths where a pull request may change something that concerns it though it is in no coupling. A gate that may be
// anywhere has none.
func lookedAt(p rules.Policy) []string {
	out := []string{policyPath}
	for _, g := range p.Gates {
		for _, glob := range places(g) {
			if base, _ := versionscan.GlobBase(glob); base != "" && !slices.Contains(out, base) {
				out = append(out, base)
			}
		}
	}
	return out
}

// places are where a pull request that is in no coupling may do something about a gate: who touches a thing that is due to go hears of it.
func places(g rules.Gate) []string {
	if g.Relation == rules.RemovedIn && g.Evidence != nil {
		return []string{g.Find.Path, g.Evidence.Path}
	}
	return []string{g.Find.Path}
}

// request asks for what couplings depend on in a repository under a policy: its own, unless another is tried out.
func (r *Reconciler) request(d memory.Repo, p rules.Policy) forge.SurveyRequest {
	q := forge.SurveyRequest{Repo: d.Name, NoTags: p.Releases == nil, Watched: watched(p)}
	if rel := p.Releases; rel != nil {
		if prefix := rel.LinePrefix(); rel.Branches != "" {
			q.Prefixes = append(q.Prefixes, prefix)
		}
		for _, g := range p.Gates {
			if g.Evidence == nil {
				continue
			}
			if path, literal := versionscan.GlobBase(g.Evidence.Path); literal && !slices.Contains(q.Paths, path) {
				q.Paths = append(q.Paths, path)
			}
		}
	}
	bases := map[string]bool{}
	for _, c := range p.Couplings {
		if c.Base != "" {
			bases[c.Base] = true
		}
	}
	if d.Default != "" {
		bases[d.Default] = true
	}
	for _, b := range d.Bases {
		bases[b] = true
	}
	q.Branches = slices.Sorted(maps.Keys(bases))
	return q
}

// fingerprint identifies the state of a repository that couplings depend on.
func fingerprint(s forge.Survey) string {
	return publish.Hash(struct {
		Tip      string
		Policy   string
		Tags     versionscan.Fact[[]release.Tag]
		Branches versionscan.Fact[map[string]string]
		Queues   map[string]bool
		Private  bool
	}{s.Tip, s.PolicyID, s.Tags, s.Branches, s.Queues, s.Private})
}

// adopt takes over a survey: a good new policy comes into force, a bad one is counted and the last good one stays.
func (r *Reconciler) adopt(ctx context.Context, name coupling.Repo, s forge.Survey) error {
	print := fingerprint(s)
	seen, err := r.Memory.Repos.Load(ctx, name)
	if err != nil {
		return err
	}
	var touched []store.Work
	if seen.Fingerprint != print || seen.Repository != s.Repository {
		keys, err := r.touching(ctx, name)
		if err != nil {
			return err
		}
		touched = judging(keys)
	} else if maps.Equal(seen.Watched, s.Watched) {
		return nil
	}
	var last string
	if seen.PolicyID != s.PolicyID && !s.Policy.Unknown() {
		p, problems := policyOf(name, s.Policy)
		if problems > 0 && !seen.Surveyed() {
			var err error
			if last, err = r.lastGood(ctx, name, s.Tip); err != nil {
				return err
			}
			p, _ = policyOf(name, versionscan.Know(versionscan.File{Text: last}))
		}
		if err := r.locate(ctx, namedIn(p)); err != nil {
			return err
		}
	}
	if !seen.Surveyed() {
		behind, err := r.behind(ctx, name)
		if err != nil {
			return err
		}
		touched = append(touched, behind...)
	}
	_, err = r.Memory.Repos.Update(ctx, name, func(d *memory.Repo) ([]store.Work, bool) {
		queue, fresh := touched, !d.Surveyed()
		before := d.Rules()
		d.Repository, d.Tip, d.Fingerprint, d.Watched = s.Repository, s.Tip, print, s.Watched
		if d.PolicyID != s.PolicyID && !s.Policy.Unknown() {
			d.PolicyID = s.PolicyID
			if !fresh { // a newer one may have been adopted while this was on its way: what is in force then is read again
				queue = append(queue, work.Repo(name))
			}
			if _, d.Problems = policyOf(name, s.Policy); d.Problems == 0 {
				d.Policy = s.Policy.Value.Text
			} else if fresh {
				d.Policy = last
			}
			after := d.Rules()
			for _, c := range after.Couplings {
				queue = append(queue, work.Coupling(c.Key()))
			}
			// Which gates are registered, what the check is called and whom the repository trusts concern every pull request.
			if publish.Hash([]any{before.Gates, before.Check, before.Trust}) != publish.Hash([]any{after.Gates, after.Check, after.Trust}) {
				queue = append(queue, work.Backfill(name))
			}
		}
		return queue, true
	})
	return err
}

// policyOf reads a policy file; one that is not there is the empty policy.
func policyOf(name coupling.Repo, file versionscan.Fact[versionscan.File]) (p rules.Policy, problems int) {
	if file.Value.Text == "" && !file.Known() {
		return rules.Policy{}, 0
	}
	read, all := policy.Parse(name, []byte(file.Value.Text))
	if len(all) > 0 {
		return rules.Policy{}, len(all)
	}
	return *read, 0
}

// lastGood is the text of the policy in force when the newest file is bad and nothing is remembered: the last good one that stood on the branch,
// "" for none.
func (r *Reconciler) lastGood(ctx context.Context, name coupling.Repo, tip string) (string, error) {
	versions, err := r.GitHub.Versions(ctx, name, tip, policyPath, formerPolicies)
	if err != nil {
		return "", err
	}
	for _, v := range versions {
		if v.Unknown() {
			return "", &forge.RetryError{Err: fmt.Errorf("%s: a former %s: %s", name, policyPath, v.Why)}
		}
		if _, problems := policyOf(name, v); problems == 0 {
			return v.Value.Text, nil
		}
	}
	return "", nil
}

// formerPolicies is how many bad versions of a policy are passed over.
const formerPolicies = 50

// backfill looks at every open pull request, and at those believed open that are not.
func (r *Reconciler) backfill(ctx context.Context, repo memory.Repo) error {
	pulls, err := r.GitHub.OpenPulls(ctx, repo.Name, lookedAt(repo.Rules()))
	if err != nil {
		return err
	}
	if err := r.describe(ctx, repo.Name, pulls); err != nil {
		return err
	}
	docs, err := r.Memory.Pulls.In(ctx, repo.Name)
	if err != nil {
		return err
	}
	known := map[coupling.Pull]memory.Pull{}
	for _, d := range docs {
		known[d.Of] = d.Value
	}
	posted, err := publish.PostedOn(ctx, r.Store, repo.Name)
	if err != nil {
		return err
	}
	var queue []store.Work
	for _, p := range pulls {
		d, seen := known[p.Pull]
		delete(known, p.Pull)
		said := work.Read(p)
		if seen && d.State == "open" && d.Head == p.Head && d.Base == p.Base && d.TakenFrom(wordsBasis(said, repo)) && d.LookedAt(lookBasis(said, repo, d.Touches)) {
			if !checked(d, posted[p.Head]) { // GitHub did not take its check
				queue = append(queue, work.Show(p.Pull, false))
			}
			// Nothing happened but comments, relbot's own among them. That the pull request was seen then is remembered: an event from before is late.
			if !d.Updated.Equal(p.UpdatedAt) {
				if err := r.seenAt(ctx, p); err != nil {
					return err
				}
			}
			continue
		}
		queue = append(queue, work.Listed(p))
	}
	for p, d := range known {
		if d.State == "open" {
			queue = append(queue, work.Pull(p))
		}
	}
	return r.queue(ctx, queue)
}

// checked reports whether a check was written that says what is to be said of a pull request in no coupling. What couplings say is shown whenever they
// are judged.
func checked(d memory.Pull, c publish.Posted) bool {
	level := rules.Pass
	if d.Extra != nil {
		level = d.Extra.Level
	}
	return c.Hash != "" && c.Intent == "" && c.Level == string(level)
}

// queue queues work in parts: a transaction of ten thousand rows keeps deliveries waiting.
func (r *Reconciler) queue(ctx context.Context, rows []store.Work) error {
	for part := range slices.Chunk(rows, queuedAtOnce) {
		if err := r.Store.Enqueue(ctx, part...); err != nil {
			return err
		}
	}
	return nil
}

// queuedAtOnce is how many rows of work are queued in a transaction where it does not matter that they are queued together.
const queuedAtOnce = 500

// seenAt notes of a pull request that is remembered as it was read when that was.
func (r *Reconciler) seenAt(ctx context.Context, p forge.Pull) error {
	_, err := r.Memory.Pulls.Update(ctx, p.Pull, func(d *memory.Pull) ([]store.Work, bool) {
		if d.Head != p.Head || !d.Updated.Before(p.UpdatedAt) {
			return nil, false
		}
		d.Updated = p.UpdatedAt
		return nil, true
	})
	return err
}

// all queues everything: the repair that makes a lost event cost no more than time.
func (r *Reconciler) all(ctx context.Context, _ store.Claimed) error {
	repos, err := r.Memory.Repos.All(ctx)
	if err != nil {
		return err
	}
	if err := r.Store.Enqueue(ctx, work.Install(), work.Deliveries(), work.Refused()); err != nil {
		return err
	}
	// One home after the other: all judgements together may be more than there is memory for.
	for _, d := range repos {
		repo := d.Of
		var queue []store.Work
		if !d.Value.Gone {
			queue = append(queue, work.Backfill(repo), work.Comments(repo))
		}
		judged, err := r.Memory.Judgements.In(ctx, repo)
		if err != nil {
			return err
		}
		for _, j := range judged {
			if !j.Value.State.Ended() {
				queue = append(queue, work.Coupling(j.Of))
			}
		}
		if err := r.queue(ctx, queue); err != nil {
			return err
		}
	}
	return nil
}
