package reconcile

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/policy"
	"github.com/relbot/relbot/internal/publish"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/versionscan"
)

// install learns on which repositories the App is installed. A new one has all its open pull requests looked at, since
// a required check that is never posted blocks for ever; one that went away is unreadable from now on.
func (r *Reconciler) install(ctx context.Context, _ store.Claimed) error {
	repos, err := r.GitHub.Repositories(ctx)
	if err != nil {
		return err
	}
	known, err := list[repoDoc](ctx, r, docRepo, "")
	if err != nil {
		return err
	}
	here := map[coupling.Repo]bool{}
	ids := map[int64]coupling.Repo{}
	for name, d := range known {
		ids[d.ID] = coupling.Repo(name)
	}
	for _, repo := range repos {
		here[repo.Name] = true
		if old, renamed := ids[repo.ID]; renamed && old != repo.Name {
			if err := r.rename(ctx, old, repo.Name); err != nil {
				return err
			}
		}
		d, seen := known[string(repo.Name)]
		if seen && !d.Gone && d.Repository == repo {
			continue
		}
		backfill := repoWork(repo.Name)
		backfill.Data, _ = json.Marshal(repoHint{Backfill: true})
		if _, err := update(ctx, r, docRepo, string(repo.Name), func(d *repoDoc) ([]store.Work, bool) {
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
		if d.Gone || here[coupling.Repo(name)] {
			continue
		}
		affected, err := r.touching(ctx, coupling.Repo(name))
		if err != nil {
			return err
		}
		if _, err := update(ctx, r, docRepo, name, func(d *repoDoc) ([]store.Work, bool) {
			d.Gone = true
			return affected, true
		}); err != nil {
			return err
		}
	}
	return nil
}

// rename carries what is remembered of a repository over to its new name.
func (r *Reconciler) rename(ctx context.Context, from, to coupling.Repo) error {
	affected, err := r.touching(ctx, from)
	if err != nil {
		return err
	}
	var docs []store.Document
	move := func(kind, key, target string) error {
		d, err := r.Store.Get(ctx, kind, key)
		if err != nil || d.Rev == 0 {
			return err
		}
		existing, err := r.Store.Get(ctx, kind, target)
		if err != nil {
			return err
		}
		body := []byte(strings.ReplaceAll(string(d.Body), string(from), string(to)))
		docs = append(docs, store.Document{Kind: kind, Key: target, Rev: existing.Rev, Body: body},
			store.Document{Kind: kind, Key: key, Rev: d.Rev})
		return nil
	}
	if err := move(docOverlay, string(from), string(to)); err != nil {
		return err
	}
	for _, kind := range []string{docReport, docRepo} {
		if err := move(kind, string(from), string(to)); err != nil {
			return err
		}
	}
	for kind, sep := range map[string]string{docJudgement: ":", docMember: "#", docPull: "#", docOverride: "#", docComment: "#", docHead: "@", "note": "#", "check": "@"} {
		all, err := r.Store.List(ctx, kind, string(from)+sep)
		if err != nil {
			return err
		}
		for _, d := range all {
			if err := move(kind, d.Key, string(to)+strings.TrimPrefix(d.Key, string(from))); err != nil {
				return err
			}
		}
	}
	for i := range affected {
		affected[i].Key = strings.Replace(affected[i].Key, string(from), string(to), 1)
		affected[i].Lane = strings.Replace(affected[i].Lane, string(from), string(to), 1)
	}
	return r.Store.Put(ctx, docs, append(affected, repoWork(to)))
}

// touching is the work of every coupling that has to do with a repository: those at home there, and those elsewhere
// with a member there.
func (r *Reconciler) touching(ctx context.Context, repo coupling.Repo) ([]store.Work, error) {
	all, err := list[judgementDoc](ctx, r, docJudgement, "")
	if err != nil {
		return nil, err
	}
	var out []store.Work
	for _, d := range all {
		if d.Coupling.Home.Same(repo) || slices.ContainsFunc(d.Coupling.Members, func(m coupling.Member) bool { return m.Pull.Repo.Same(repo) }) {
			out = append(out, couplingWork(d.Coupling))
		}
	}
	slices.SortFunc(out, func(a, b store.Work) int { return strings.Compare(a.Key, b.Key) })
	return out, nil
}

// repoHint says what a repository's work should look at beside the repository itself.
type repoHint struct {
	Backfill bool `json:"backfill,omitempty"` // list the open pull requests
}

// repo looks at a repository as a whole: its policy, tags, release lines and base branches. When something that
// couplings depend on changed, they are judged again.
func (r *Reconciler) repo(ctx context.Context, c store.Claimed) error {
	name := coupling.Repo(c.Key)
	var hint repoHint
	_ = json.Unmarshal(c.Data, &hint) // a hint of the webhook has other keys
	var d repoDoc
	if rev, err := r.load(ctx, docRepo, c.Key, &d); err != nil {
		return err
	} else if rev == 0 || d.Gone {
		return r.Store.Enqueue(ctx, InstallWork())
	}
	surveys, err := r.GitHub.Survey(ctx, []forge.SurveyRequest{r.request(d, d.rules())})
	if err != nil {
		return err
	}
	s := surveys[name]
	if !s.Known() || !s.Value.Name.Same(name) { // renamed, removed, or no longer readable
		return r.Store.Enqueue(ctx, InstallWork())
	}
	if err := r.adopt(ctx, name, s.Value); err != nil {
		return err
	}
	if hint.Backfill {
		return r.backfill(ctx, name)
	}
	return nil
}

// request asks for what couplings depend on in a repository under a policy: its own, unless another is tried out.
func (r *Reconciler) request(d repoDoc, p rules.Policy) forge.SurveyRequest {
	q := forge.SurveyRequest{Repo: d.Name, NoTags: p.Releases == nil}
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
	q.Branches = slices.Sorted(maps.Keys(bases))
	return q
}

// fingerprint identifies the state of a repository that couplings depend on.
func fingerprint(s forge.Survey) string {
	return publish.Hash(struct {
		Tip      string
		Policy   string
		Tags     versionscan.Fact[[]versionscan.Tag]
		Branches versionscan.Fact[map[string]string]
		Queues   map[string]bool
		Private  bool
	}{s.Tip, s.PolicyID, s.Tags, s.Branches, s.Queues, s.Private})
}

// adopt takes over a survey: a good new policy comes into force, a bad one is counted and the last good one stays.
func (r *Reconciler) adopt(ctx context.Context, name coupling.Repo, s forge.Survey) error {
	touched, err := r.touching(ctx, name)
	if err != nil {
		return err
	}
	_, err = update(ctx, r, docRepo, string(name), func(d *repoDoc) ([]store.Work, bool) {
		print := fingerprint(s)
		if d.Fingerprint == print && d.Repository == s.Repository {
			return nil, false
		}
		work := touched
		before := d.rules()
		d.Repository, d.Tip, d.Fingerprint = s.Repository, s.Tip, print
		if d.PolicyID != s.PolicyID && !s.Policy.Unknown() {
			d.PolicyID, d.Problems = s.PolicyID, 0
			if text := s.Policy.Value.Text; s.Policy.Absent() {
				d.Policy = ""
			} else if _, problems := policy.Parse(name, []byte(text)); len(problems) > 0 {
				d.Problems = len(problems)
			} else {
				d.Policy = text
			}
			after := d.rules()
			for _, c := range after.Couplings {
				work = append(work, couplingWork(c))
			}
			// Which gates are registered, what the check is called and whom the repository trusts concern every pull request.
			if publish.Hash([]any{before.Gates, before.Check, before.Trust}) != publish.Hash([]any{after.Gates, after.Check, after.Trust}) {
				again := repoWork(name)
				again.Data, _ = json.Marshal(repoHint{Backfill: true})
				work = append(work, again)
			}
		}
		return work, true
	})
	return err
}

// backfill looks at every open pull request, and at those believed open that are not.
func (r *Reconciler) backfill(ctx context.Context, repo coupling.Repo) error {
	pulls, err := r.GitHub.OpenPulls(ctx, repo)
	if err != nil {
		return err
	}
	known, err := list[pullDoc](ctx, r, docPull, string(repo)+"#")
	if err != nil {
		return err
	}
	var work []store.Work
	for _, p := range pulls {
		w := pullWork(p.Pull)
		w.Data, _ = json.Marshal(hintOf(p))
		work = append(work, w)
		delete(known, p.Pull.String())
	}
	for key, d := range known {
		if d.State == "open" {
			work = append(work, store.Work{Kind: KindPull, Key: key, Lane: key})
		}
	}
	return r.Store.Enqueue(ctx, work...)
}

// all queues everything: the repair that makes a lost event cost no more than time.
func (r *Reconciler) all(ctx context.Context, _ store.Claimed) error {
	repos, err := list[repoDoc](ctx, r, docRepo, "")
	if err != nil {
		return err
	}
	work := []store.Work{InstallWork(), DeliveriesWork()}
	for _, name := range slices.Sorted(maps.Keys(repos)) {
		if repos[name].Gone {
			continue
		}
		w := repoWork(coupling.Repo(name))
		w.Data, _ = json.Marshal(repoHint{Backfill: true})
		work = append(work, w, commentsWork(coupling.Repo(name)))
	}
	judged, err := list[judgementDoc](ctx, r, docJudgement, "")
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(judged)) {
		if !judged[key].State.Ended() {
			work = append(work, couplingWork(judged[key].Coupling))
		}
	}
	return r.Store.Enqueue(ctx, work...)
}
