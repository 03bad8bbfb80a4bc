package reconcile

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/history"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/publish"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/versionscan"
)

// groupHint is what the merge_group event told.
type groupHint struct {
	Action  string `json:"action"`
	Head    string `json:"head"`
	HeadRef string `json:"head_ref"`
	BaseSHA string `json:"base_sha"`
	BaseRef string `json:"base_ref"`
}

// group judges a merge group: its own tree, and the pull requests in it in their order. It always answers, and never
// with anything that leaves the queue waiting: what waits or is unknown fails.
func (r *Reconciler) group(ctx context.Context, c store.Claimed) error {
	var hint groupHint
	if err := json.Unmarshal(c.Data, &hint); err != nil || hint.Action == "destroyed" || hint.Head == "" {
		return nil
	}
	repo := coupling.Repo(c.Key[:strings.LastIndexByte(c.Key, '@')])
	var d repoDoc
	if rev, err := r.load(ctx, docRepo, string(repo), &d); err != nil || d.Gone {
		return err
	} else if rev == 0 { // the event may have come before the news of the installation
		return r.unread(ctx, c, repo, InstallWork())
	}
	d, err := r.fresh(ctx, d)
	if err != nil {
		return r.groupTrouble(ctx, c, d, hint, err)
	}
	pulls, verdict, js, err := r.groupVerdict(ctx, d, hint)
	if err == nil {
		err = r.told(ctx, c, d, pulls)
	}
	if err != nil {
		return r.groupTrouble(ctx, c, d, hint, err)
	}
	return r.showGroup(ctx, d, hint.Head, pulls, verdict, js)
}

// fresh takes over the policies that may say something of a repository's pull requests: a group lands for good, and news of a policy may be
// behind the news of the group.
func (r *Reconciler) fresh(ctx context.Context, d repoDoc) (repoDoc, error) {
	homes, err := r.trusted(ctx, d.Name)
	if err != nil {
		return d, err
	}
	homes = append(homes, d.Name)
	var requests []forge.SurveyRequest
	for _, home := range homes {
		var h repoDoc
		if _, err := r.load(ctx, docRepo, string(home), &h); err != nil {
			return d, err
		}
		requests = append(requests, r.request(h, h.rules()))
	}
	surveys, _, err := r.GitHub.Read(ctx, forge.Reading{Surveys: requests})
	if err != nil {
		return d, err
	}
	for _, home := range homes {
		s := surveys[home]
		if !s.Known() {
			return d, fmt.Errorf("%s: %s: %w", home, s.Why, forge.ErrGone)
		}
		if err := r.adopt(ctx, home, s.Value); err != nil {
			return d, err
		}
	}
	_, err = r.load(ctx, docRepo, string(d.Name), &d)
	return d, err
}

// groupVerdict judges a group: the pull requests in it, in merge order, and what is to be said of them together.
func (r *Reconciler) groupVerdict(ctx context.Context, d repoDoc, hint groupHint) ([]coupling.Pull, rules.Verdict, []judgementDoc, error) {
	cmp, err := r.GitHub.Compare(ctx, d.Name, hint.BaseSHA, hint.Head)
	if err != nil {
		return nil, rules.Verdict{}, nil, err
	}
	pulls, ok := groupPulls(d.Name, cmp, hint)
	if !ok {
		return nil, rules.Verdict{Level: rules.Unknown, Reasons: []rules.Reason{{Code: rules.MemberUnreadable, Detail: "which pull requests are in the group could not be told: " + cmpOr(cmp.Why, "a commit of it names none, as after a rebase")}}}, nil, nil
	}
	base := strings.TrimPrefix(hint.BaseRef, "refs/heads/")
	verdict, js, err := r.judgeGroup(ctx, d, groupTree{Group: rules.Group{Repo: d.Name, Base: base, Pulls: pulls}, Head: hint.Head})
	return pulls, verdict, js, err
}

// groupCheck is how a verdict on a group is shown.
func groupCheck(d repoDoc, head string, pulls []coupling.Pull, v rules.Verdict, js []judgementDoc) forge.CheckRun {
	return note.Check(note.CheckInput{
		Pull: coupling.Pull{Repo: d.Name}, Name: d.rules().Check.Name, Head: head, Verdict: v, Judgements: judgements(js), Group: pulls, InGroup: true, Private: d.Private,
	})
}

// groupTrouble fails the group's check after a few tries, so that the queue is not kept waiting for its timeout.
func (r *Reconciler) groupTrouble(ctx context.Context, c store.Claimed, d repoDoc, hint groupHint, cause error) error {
	if transient(cause) && c.Attempt < 3 {
		return cause
	}
	v := rules.Verdict{Level: rules.Unknown, Reasons: []rules.Reason{{Code: rules.MemberUnreadable, Detail: cause.Error()}}}
	if err := r.showGroup(ctx, d, hint.Head, nil, v, nil); err != nil {
		return err
	}
	return nil
}

func (r *Reconciler) showGroup(ctx context.Context, d repoDoc, head string, pulls []coupling.Pull, v rules.Verdict, js []judgementDoc) error {
	pol := d.rules()
	run := groupCheck(d, head, pulls, v, js)
	posted, err := r.Publish.Posted(ctx, d.Name, head)
	if err != nil {
		return err
	}
	written, err := r.Publish.Check(ctx, d.Name, run, publish.CheckOptions{Level: string(v.Level), As: pol.Check.As, Now: r.Now()})
	if written && r.Wrote != nil {
		r.Wrote(ctx, posted.Level, v)
	}
	return err
}

// groupPulls tells which pull requests are in a group, in merge order: by the commits that the queue made, the last of
// which the group's branch names.
func groupPulls(repo coupling.Repo, cmp versionscan.Fact[forge.Comparison], hint groupHint) ([]coupling.Pull, bool) {
	if !cmp.Known() {
		return nil, false
	}
	var out []coupling.Pull
	for _, c := range cmp.Value.Commits {
		n := history.PullOf(c)
		if n == 0 { // rebased: whose commit it is cannot be told, and an unseen member might be in the group
			return nil, false
		}
		if p := (coupling.Pull{Repo: repo, Number: n}); !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	// gh-readonly-queue/main/pr-12-<base sha>
	ref := hint.HeadRef[strings.LastIndexByte(hint.HeadRef, '/')+1:]
	var last int
	if _, err := fmt.Sscanf(ref, "pr-%d-", &last); err == nil && !slices.Contains(out, coupling.Pull{Repo: repo, Number: last}) {
		out = append(out, coupling.Pull{Repo: repo, Number: last})
	}
	return out, len(out) > 0
}

// judgeGroup judges the couplings of a group's members on the group's own tree; the group gets the worst verdict.
func (r *Reconciler) judgeGroup(ctx context.Context, d repoDoc, group groupTree) (rules.Verdict, []judgementDoc, error) {
	homes := map[coupling.Repo][]string{}
	for _, p := range group.Pulls {
		var keys memberDoc
		if _, err := r.load(ctx, docMember, p.String(), &keys); err != nil {
			return rules.Verdict{}, nil, err
		}
		for _, key := range keys.Couplings {
			home := homeOf(key)
			if trusted, err := r.trusts(ctx, d, home); err != nil {
				return rules.Verdict{}, nil, err
			} else if trusted && !slices.Contains(homes[home], key) {
				homes[home] = append(homes[home], key)
			}
		}
	}
	verdicts := map[coupling.Pull][]rules.Verdict{}
	var docs []judgementDoc
	for home, keys := range homes {
		all, err := r.assembled(ctx, home)
		if err != nil {
			return rules.Verdict{}, nil, err
		}
		all = slices.DeleteFunc(all, func(c coupling.Coupling) bool { return !slices.Contains(keys, c.Key()) })
		if len(all) == 0 {
			continue
		}
		g, s, err := r.gather(ctx, wanted{home: home, couplings: all, group: &group})
		if err != nil {
			return rules.Verdict{}, nil, err
		}
		if g.isOutage() {
			return rules.Verdict{}, nil, g.outage
		}
		if err := r.lapse(ctx, &s, g); err != nil {
			return rules.Verdict{}, nil, err
		}
		for _, j := range rules.Evaluate(g.policy, s) {
			docs = append(docs, judgementDoc{Judgement: j})
			for _, m := range j.Members {
				if slices.Contains(group.Pulls, m.Pull) {
					verdicts[m.Pull] = append(verdicts[m.Pull], m.Verdict)
				}
			}
		}
	}
	var all []rules.Verdict
	for _, p := range group.Pulls {
		if vs := verdicts[p]; len(vs) > 0 {
			v := rules.Combine(p, vs...)
			for i := range v.Reasons { // the group's check speaks of several: say of whom
				if v.Reasons[i].About.IsZero() {
					v.Reasons[i].About = p
				}
			}
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return rules.Uncoupled(coupling.Pull{Repo: d.Name}), nil, nil
	}
	return rules.Combine(coupling.Pull{Repo: d.Name}, all...), docs, nil
}

// told reports an error, on which the group is tried again (at once when what is missing is there) and then fails, unless all is known that couplings
// say of its pull requests.
func (r *Reconciler) told(ctx context.Context, c store.Claimed, d repoDoc, pulls []coupling.Pull) error {
	homes := append([]coupling.Repo{d.Name}, d.rules().Trust...)
	for _, home := range homes {
		var h repoDoc
		if _, err := r.load(ctx, docRepo, string(home), &h); err != nil {
			return err
		}
		if known, err := r.await(ctx, []store.Claimed{c}, h); err != nil {
			return err
		} else if !known {
			return &forge.RetryError{Err: fmt.Errorf("what was said in %s is not known yet", home)}
		}
	}
	for _, p := range pulls {
		if err := r.unjudged(ctx, p, homes...); err != nil {
			return err
		}
	}
	return nil
}
