package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/store"
)

// Learn reads a repository and those of the members of its couplings, as the installation of the App would have had them
// read. It is for programs that judge once, with a token of their own and an empty store.
func (r *Reconciler) Learn(ctx context.Context, repo coupling.Repo) error {
	if err := r.learn(ctx, repo); err != nil {
		return err
	}
	all, err := r.assembled(ctx, repo)
	if err != nil {
		return err
	}
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
	if _, err := update(ctx, r, docRepo, string(repo), func(d *repoDoc) ([]store.Work, bool) {
		d.Repository = s.Value.Repository
		return nil, true
	}); err != nil {
		return err
	}
	if err := r.adopt(ctx, repo, s.Value); err != nil {
		return err
	}
	var d repoDoc
	if _, err := r.load(ctx, docRepo, string(repo), &d); err != nil {
		return err
	}
	if d.Problems > 0 {
		return fmt.Errorf("%s: %s has %d problems: see `relbot config validate`", repo, policyPath, d.Problems)
	}
	return nil
}

// Answer is what a program that judges once says of a repository.
type Answer struct {
	Repo       coupling.Repo
	Base       string
	Train      string // "" unknown
	Judgements []rules.Judgement
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
	g, s, err := r.gather(ctx, wanted{home: repo, couplings: all})
	if err != nil {
		return Answer{}, err
	}
	if g.isOutage() {
		return Answer{}, g.outage
	}
	out := Answer{Repo: repo, Base: s.Repos[repo].Default, Judgements: rules.Evaluate(g.policy, s)}
	if t := s.Train(repo, out.Base); t.Known() {
		out.Train = t.Value.Core.String()
	}
	return out, nil
}
