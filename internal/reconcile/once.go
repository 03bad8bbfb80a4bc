package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/work"
)

// Learn reads a repository and those of the members of its couplings, as the installation of the App would have had them
// read. It is for programs that judge once, with a token of their own and an empty store.
func (r *Reconciler) Learn(ctx context.Context, repo coupling.Repo) error {
	if err := r.learn(ctx, repo); err != nil {
		return err
	}
	d, err := r.Memory.Repos.Load(ctx, repo)
	if err != nil {
		return err
	}
	if d.Problems > 0 {
		return fmt.Errorf("%s: %s has %d problems: see `relbot config validate`", repo, policyPath, d.Problems)
	}
	return r.learnMembers(ctx, repo, d.Rules().Couplings)
}

// learnMembers reads the repositories of the members of couplings that are at home in one.
func (r *Reconciler) learnMembers(ctx context.Context, repo coupling.Repo, all []coupling.Coupling) error {
	var others []coupling.Repo
	for _, c := range all {
		for _, m := range c.Members {
			if !m.Pull.Repo.Same(repo) && !slices.Contains(others, m.Pull.Repo) {
				others = append(others, m.Pull.Repo)
			}
		}
	}
	for _, other := range others {
		if err := r.learn(ctx, other); err != nil && !errors.Is(err, forge.ErrGone) {
			return err
		}
	}
	return nil
}

func (r *Reconciler) learn(ctx context.Context, repo coupling.Repo) error {
	surveys, _, err := r.GitHub.Read(ctx, forge.Reading{Surveys: []forge.SurveyRequest{{Repo: repo, NoTags: true}}})
	if err != nil {
		return err
	}
	s := surveys[repo]
	if !s.Known() {
		return fmt.Errorf("%s: %s: %w", repo, s.Why, forge.ErrGone)
	}
	if _, err := r.Memory.Repos.Update(ctx, repo, func(d *memory.Repo) ([]store.Work, bool) {
		d.Repository = s.Value.Repository
		return nil, true
	}); err != nil {
		return err
	}
	return r.adopt(ctx, repo, s.Value)
}

// Meaning is what a policy means for the pull requests of a repository that are open now.
type Meaning struct {
	Policy rules.Policy
	Answer
	Open []forge.Pull
}

// Explain judges a repository under a policy of its own, or under another in its place. Nothing is written to GitHub.
func (r *Reconciler) Explain(ctx context.Context, repo coupling.Repo, instead *rules.Policy) (Meaning, error) {
	var m Meaning
	if err := r.learn(ctx, repo); err != nil {
		return m, err
	}
	d, err := r.Memory.Repos.Load(ctx, repo)
	if err != nil {
		return m, err
	}
	m.Policy = d.Rules()
	if instead != nil {
		m.Policy = *instead
	} else if d.Problems > 0 {
		return m, fmt.Errorf("%s: %s has %d problems: see `relbot config validate`", repo, policyPath, d.Problems)
	}
	if err := r.learnMembers(ctx, repo, m.Policy.Couplings); err != nil {
		return m, err
	}
	if m.Answer, err = r.judgeOnce(ctx, wanted{home: repo, couplings: m.Policy.Couplings, policy: instead}); err != nil {
		return m, err
	}
	m.Open, err = r.GitHub.OpenPulls(ctx, repo, nil)
	return m, err
}

// Answer is what a program that judges once says of a repository.
type Answer struct {
	Repo       coupling.Repo
	Base       string
	Train      string // "" unknown
	Judgements []rules.Judgement
	// Verdict is that of the pull request or of the merge group that was asked about, else the worst of all; Check is how it would be shown.
	Verdict rules.Verdict
	Check   forge.CheckRun
}

// JudgePull judges one pull request: its couplings at home in its own repository, what its description proposes, and what it changes of the
// policy and of registered gates. Nothing is written to GitHub.
func (r *Reconciler) JudgePull(ctx context.Context, p coupling.Pull) (Answer, error) {
	repo, err := r.Memory.Repos.Load(ctx, p.Repo)
	if err != nil {
		return Answer{}, err
	}
	read, err := r.lookingAt(ctx, p, repo)
	if err != nil {
		return Answer{}, err
	}
	if !read.Known() {
		return Answer{}, fmt.Errorf("%s: %s: %w", p, read.Why, forge.ErrGone)
	}
	said := work.Read(read.Value)
	seen := memory.Pull{Head: said.Head, Base: said.Base, State: said.State, Author: said.Author, Private: said.Private}
	if said.State == "open" {
		if err := r.body(ctx, p, repo, said, &seen, r.Now()); err != nil {
			return Answer{}, err
		}
		if seen.Look, err = r.look(ctx, p, repo, said, read.Value); err != nil {
			return Answer{}, err
		}
	}
	a, err := r.Judge(ctx, p.Repo, p)
	if err != nil {
		return Answer{}, err
	}
	js := make([]memory.Judgement, len(a.Judgements))
	for i, j := range a.Judgements {
		js[i].Judgement = j
	}
	a.Verdict = verdictOf(p, seen, js)
	a.Check = note.Check(note.CheckInput{
		Pull: p, Name: repo.Rules().Check.Name, Head: seen.Head, Verdict: a.Verdict, Judgements: a.Judgements,
		Proposals: seen.Proposals, NearMisses: seen.NearMisses, Missed: seen.Missed, Preview: seen.Preview, Annotations: seen.Notes, Private: repo.Private,
	})
	return a, nil
}

// MergeGroup is a group of a merge queue, as the event tells of it.
type MergeGroup struct {
	Head    string `json:"head_sha"`
	HeadRef string `json:"head_ref"`
	BaseSHA string `json:"base_sha"`
	BaseRef string `json:"base_ref"`
}

// JudgeGroup judges a merge group. Nothing is written to GitHub.
func (r *Reconciler) JudgeGroup(ctx context.Context, repo coupling.Repo, group MergeGroup) (Answer, error) {
	d, err := r.Memory.Repos.Load(ctx, repo)
	if err != nil {
		return Answer{}, err
	}
	branch := strings.TrimPrefix(group.BaseRef, "refs/heads/")
	d, tip, err := r.fresh(ctx, d, branch)
	if err != nil {
		return Answer{}, err
	}
	queue, err := r.GitHub.Queue(ctx, repo, branch)
	if err != nil && transient(err) {
		return Answer{}, err
	}
	event := rules.GroupEvent{Head: group.Head, HeadRef: group.HeadRef, BaseSHA: group.BaseSHA}
	numbers, ok, err := r.name(ctx, repo, branch, tip, queue, event, nil)
	if err != nil {
		return Answer{}, err
	}
	pulls, verdict, found := rules.PullsOf(repo, numbers), unreadable("the pull requests in the group could not be named"), groupJudgement{}
	if ok {
		if err := r.learnGroup(ctx, d, pulls); err != nil {
			return Answer{}, err
		}
		if found, err = r.judgeGroup(ctx, d, groupTree{Group: rules.Group{Repo: repo, Base: branch, Pulls: pulls}, Head: group.Head}); err != nil {
			return Answer{}, err
		}
		verdict = found.of(repo, lands(queue, pulls)).Final()
	}
	return Answer{
		Repo: repo, Base: branch, Judgements: judgements(found.docs), Verdict: verdict, Check: groupCheck(d, group.Head, pulls, verdict, found.docs),
	}, nil
}

// learnGroup takes up the descriptions of a group's pull requests, and notes who is in which coupling.
func (r *Reconciler) learnGroup(ctx context.Context, d memory.Repo, pulls []coupling.Pull) error {
	for _, p := range pulls {
		read, err := r.lookingAt(ctx, p, d)
		if err != nil {
			return err
		}
		if !read.Known() {
			return fmt.Errorf("%s: %s: %w", p, read.Why, forge.ErrGone)
		}
		var seen memory.Pull
		if err := r.body(ctx, p, d, work.Read(read.Value), &seen, r.Now()); err != nil {
			return err
		}
	}
	all, err := r.assembled(ctx, d.Name)
	if err != nil {
		return err
	}
	for _, c := range all {
		for _, m := range c.Members {
			if err := r.index(ctx, m.Pull, c.Key(), true); err != nil {
				return err
			}
		}
	}
	return nil
}

// Judge judges the couplings at home in a repository; with a pull request only those that it is in. Nothing is written to
// GitHub. A repository that did not answer is an error.
func (r *Reconciler) Judge(ctx context.Context, repo coupling.Repo, only coupling.Pull) (Answer, error) {
	all, err := r.assembled(ctx, repo)
	if err != nil {
		return Answer{}, err
	}
	if !only.IsZero() {
		all = slices.DeleteFunc(all, func(c coupling.Coupling) bool { _, is := c.ByPull(only); return !is })
	}
	return r.judgeOnce(ctx, wanted{home: repo, couplings: all})
}

func (r *Reconciler) judgeOnce(ctx context.Context, w wanted) (Answer, error) {
	g, s, err := r.gather(ctx, w)
	if err != nil {
		return Answer{}, err
	}
	if g.isOutage() {
		return Answer{}, g.outage
	}
	repo := w.home
	out := Answer{Repo: repo, Base: s.Repos[repo].Default, Judgements: rules.Evaluate(g.policy, s)}
	if t := s.Train(repo, out.Base); t.Known() {
		out.Train = t.Value.Core.String()
	}
	var verdicts []rules.Verdict
	for _, j := range out.Judgements {
		for _, m := range j.Members {
			verdicts = append(verdicts, m.Verdict)
		}
	}
	out.Verdict = rules.Combine(coupling.Pull{Repo: repo}, verdicts...)
	out.Check = note.Check(note.CheckInput{
		Pull: coupling.Pull{Repo: repo}, Name: g.policy.Check.Name, Verdict: out.Verdict, Judgements: out.Judgements, Private: s.Repos[repo].Private,
	})
	return out, nil
}
