package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/publish"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/work"
)

// group takes the news of a merge group, and has its queue looked at.
func (r *Reconciler) group(ctx context.Context, c store.Claimed) error {
	said := work.Payload[work.GroupPayload](c.Work)
	if said.Head == "" {
		return nil
	}
	repo, branch := work.RepoOf(c.Work), said.Branch()
	event := rules.GroupEvent{Head: said.Head, HeadRef: said.HeadRef, BaseSHA: said.BaseSHA}
	_, err := r.Memory.Queues.Update(ctx, memory.QueueKey{Repo: repo, Branch: branch}, func(d *memory.Queue) ([]store.Work, bool) {
		if said.Action == "destroyed" {
			d.End(event, said.Reason, r.Now())
		} else {
			d.Add(event, r.Now())
		}
		return []store.Work{work.Queue(repo, branch)}, true
	})
	return err
}

// fresh takes over the policies that may say something of a repository's pull requests: a group lands for good, and news of a policy may be
// behind the news of the group. It tells the tip of a branch as well.
func (r *Reconciler) fresh(ctx context.Context, d memory.Repo, branch string) (memory.Repo, string, error) {
	homes, err := r.trusted(ctx, d.Name)
	if err != nil {
		return d, "", err
	}
	homes = append(homes, d.Name)
	var requests []forge.SurveyRequest
	for _, home := range homes {
		h, err := r.Memory.Repos.Load(ctx, home)
		if err != nil {
			return d, "", err
		}
		q := r.request(h, h.Rules())
		if home == d.Name && !slices.Contains(q.Branches, branch) {
			q.Branches = append(q.Branches, branch)
		}
		requests = append(requests, q)
	}
	surveys, _, err := r.read(ctx, forge.Reading{Surveys: requests})
	if err != nil {
		return d, "", err
	}
	for _, home := range homes {
		s := surveys[home]
		if !s.Known() {
			return d, "", fmt.Errorf("%s: %s: %w", home, s.Why, forge.ErrGone)
		}
		if err := r.adopt(ctx, home, s.Value); err != nil {
			return d, "", err
		}
	}
	tip := tipOf(surveys[d.Name].Value, branch)
	d, err = r.Memory.Repos.Load(ctx, d.Name)
	return d, tip, err
}

// tipOf is the tip of a branch, "" where it is not known.
func tipOf(s forge.Survey, branch string) string {
	if branch == s.Default {
		return s.Tip
	}
	return s.Branches.Value[branch]
}

// groupCheck is how a verdict on a group is shown.
func groupCheck(d memory.Repo, head string, pulls []coupling.Pull, v rules.Verdict, js []memory.Judgement) forge.CheckRun {
	return note.Check(note.CheckInput{
		Pull: coupling.Pull{Repo: d.Name}, Name: d.Rules().Check.Name, Head: head, Verdict: v, Judgements: judgements(js), Group: pulls, InGroup: true, Private: d.Private,
	})
}

// groupJudgement is what was found of a merge group on its own tree.
type groupJudgement struct {
	verdicts map[coupling.Pull]rules.Verdict // of its coupled pull requests
	docs     []memory.Judgement
	patience map[coupling.Key]time.Duration // by coupling
}

// of is the verdict on those of the group that it would land, the worst of them.
func (g groupJudgement) of(repo coupling.Repo, lands []coupling.Pull) rules.Verdict {
	var all []rules.Verdict
	for _, p := range lands {
		if v, coupled := g.verdicts[p]; coupled {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return rules.Uncoupled(coupling.Pull{Repo: repo})
	}
	return rules.Combine(coupling.Pull{Repo: repo}, all...)
}

func (r *Reconciler) showGroup(ctx context.Context, d memory.Repo, head string, pulls []coupling.Pull, v rules.Verdict, js []memory.Judgement) error {
	pol := d.Rules()
	run := groupCheck(d, head, pulls, v, js)
	posted, err := r.Publish.Posted(ctx, d.Name, head)
	if err != nil {
		return err
	}
	written, err := r.Publish.Check(ctx, d.Name, run, publish.CheckOptions{Level: string(v.Level), As: pol.Check.As, Now: r.Now()})
	if written && r.Wrote != nil {
		r.Wrote(ctx, head, posted.Level, v)
	}
	if errors.Is(err, forge.ErrRejected) { // the group is gone: the queue makes another, or lets it go
		r.Log.Warn("check of a merge group rejected", "repo", string(d.Name), "head", head, "error", err)
		return nil
	}
	return err
}

// judgeGroup judges the couplings of a group's pull requests on the group's own tree.
func (r *Reconciler) judgeGroup(ctx context.Context, d memory.Repo, group groupTree) (groupJudgement, error) {
	out := groupJudgement{verdicts: map[coupling.Pull]rules.Verdict{}, patience: map[coupling.Key]time.Duration{}}
	homes := map[coupling.Repo][]coupling.Key{}
	for _, p := range group.Pulls {
		keys, err := r.Memory.Members.Load(ctx, p)
		if err != nil {
			return out, err
		}
		for _, key := range keys.Couplings {
			home := key.Home()
			if trusted, err := r.trusts(ctx, d, home); err != nil {
				return out, err
			} else if trusted && !slices.Contains(homes[home], key) {
				homes[home] = append(homes[home], key)
			}
		}
	}
	verdicts := map[coupling.Pull][]rules.Verdict{}
	for home, keys := range homes {
		all, err := r.assembled(ctx, home)
		if err != nil {
			return out, err
		}
		all = slices.DeleteFunc(all, func(c coupling.Coupling) bool { return !slices.Contains(keys, c.Key()) })
		if len(all) == 0 {
			continue
		}
		g, s, err := r.gather(ctx, wanted{home: home, couplings: all, group: &group})
		if err != nil {
			return out, err
		}
		if g.isOutage() {
			return out, g.outage
		}
		if err := r.lapse(ctx, &s, g); err != nil {
			return out, err
		}
		if s.Group.Barred, err = r.barred(ctx, all, g); err != nil {
			return out, err
		}
		for _, j := range rules.Evaluate(g.policy, s) {
			out.docs = append(out.docs, memory.Judgement{Judgement: j})
			out.patience[j.Coupling.Key()] = g.policy.Check.QueuePatience
			for _, m := range j.Members {
				if slices.Contains(group.Pulls, m.Pull) {
					verdicts[m.Pull] = append(verdicts[m.Pull], m.Verdict)
				}
			}
		}
	}
	for p, vs := range verdicts {
		v := rules.Combine(p, vs...)
		for i := range v.Reasons { // the group's check speaks of several: say of whom
			if v.Reasons[i].About.IsZero() {
				v.Reasons[i].About = p
			}
		}
		out.verdicts[p] = v
	}
	return out, nil
}

// barred are the open members whose own check blocks, whatever coupling is why: they cannot enter the queue.
func (r *Reconciler) barred(ctx context.Context, all []coupling.Coupling, g *gathering) (map[coupling.Pull]bool, error) {
	out := map[coupling.Pull]bool{}
	if r.Publish == nil { // a job that judges once has posted nothing
		return out, nil
	}
	for _, c := range all {
		for _, m := range c.Members {
			fact := g.pulls[m.Pull]
			if !fact.Known() || fact.Value.State != "open" {
				continue
			}
			posted, err := r.Publish.Posted(ctx, m.Pull.Repo, fact.Value.Head)
			if err != nil {
				return nil, err
			}
			out[m.Pull] = posted.Level == string(rules.Block)
		}
	}
	return out, nil
}

// informed returns an error unless relbot knows the policies and commands of all repositories whose couplings may concern a repository's pull requests.
// It queues the work again once it does.
func (r *Reconciler) informed(ctx context.Context, c store.Claimed, d memory.Repo) error {
	for _, home := range append([]coupling.Repo{d.Name}, d.Rules().Trust...) {
		if known, err := r.await(ctx, memory.Restored, []store.Claimed{c}, home); err != nil {
			return err
		} else if !known {
			return &forge.RetryError{Err: fmt.Errorf("what was said in %s is not known yet", home)}
		}
	}
	return nil
}
