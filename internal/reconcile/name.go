package reconcile

import (
	"context"
	"slices"

	"github.com/relbot/relbot/internal/command"
	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/store"
)

// moved notes that a repository has another name now, also for the names that it had before.
func (r *Reconciler) moved(ctx context.Context, from, to coupling.Repo) error {
	all, err := r.Memory.Moved.All(ctx)
	if err != nil {
		return err
	}
	names := []memory.FormerName{memory.Formerly(from)}
	for _, d := range all {
		if d.Value.To == from {
			names = append(names, d.Of)
		}
	}
	for _, name := range names {
		if _, err := r.Memory.Moved.Update(ctx, name, func(d *memory.Moved) ([]store.Work, bool) {
			d.To = to
			return nil, true
		}); err != nil {
			return err
		}
	}
	return nil
}

// locate asks GitHub for repositories that nobody here knows by the names that people wrote: they may have been renamed before this database
// was made.
func (r *Reconciler) locate(ctx context.Context, written []coupling.Repo) error {
	n := r.names("")
	var q forge.Reading
	for _, name := range written {
		now, err := n.repo(ctx, name)
		if err != nil {
			return err
		}
		if known, err := r.Memory.Repos.Has(ctx, now); err != nil {
			return err
		} else if !known && now == name {
			q.Surveys = append(q.Surveys, forge.SurveyRequest{Repo: name, NoTags: true})
		}
	}
	if len(q.Surveys) == 0 {
		return nil
	}
	found, _, err := r.GitHub.Read(ctx, q)
	if err != nil && transient(err) {
		return err
	}
	for _, asked := range q.Surveys {
		now := found[asked.Repo].Value.Name
		if !found[asked.Repo].Known() || now == asked.Repo {
			continue
		}
		if known, err := r.Memory.Repos.Has(ctx, now); err != nil {
			return err
		} else if known {
			if err := r.moved(ctx, asked.Repo, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// namedIn are the repositories that a policy names.
func namedIn(p rules.Policy) []coupling.Repo {
	out := slices.Clone(p.Trust)
	for _, c := range p.Couplings {
		for _, m := range c.Members {
			out = append(out, m.Pull.Repo)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// names finds the present names of repositories. What people wrote outlives a rename, and GitHub does not tell upper from lower case.
type names struct {
	r    *Reconciler
	seen map[coupling.Repo]coupling.Repo
}

// names knows home by its present name.
func (r *Reconciler) names(home coupling.Repo) names {
	return names{r, map[coupling.Repo]coupling.Repo{home: home}}
}

func (n names) repo(ctx context.Context, repo coupling.Repo) (coupling.Repo, error) {
	if name, ok := n.seen[repo]; ok {
		return name, nil
	}
	name := repo
	if known, err := n.r.Memory.Repos.Has(ctx, repo); err != nil {
		return repo, err
	} else if !known {
		all, err := n.r.Memory.Repos.All(ctx)
		if err != nil {
			return repo, err
		}
		m, err := n.r.Memory.Moved.Load(ctx, memory.Formerly(repo))
		if err != nil {
			return repo, err
		}
		name = coupling.Repo(cmpOr(string(m.To), string(repo)))
		for _, other := range all {
			if repo.Same(other.Of) {
				name = other.Of
			}
		}
	}
	n.seen[repo] = name
	return name, nil
}

func (n names) pull(ctx context.Context, p *coupling.Pull) error {
	if p.IsZero() {
		return nil
	}
	var err error
	p.Repo, err = n.repo(ctx, p.Repo)
	return err
}

func (n names) members(ctx context.Context, ms []coupling.Member) ([]coupling.Member, error) {
	out := slices.Clone(ms)
	for i := range out {
		if err := n.pull(ctx, &out[i].Pull); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// couplings gives couplings and effects with present names; what a parsed policy shares is left as it is.
func (n names) couplings(ctx context.Context, cs []coupling.Coupling, es []coupling.Effect) ([]coupling.Coupling, []coupling.Effect, error) {
	cs, es = slices.Clone(cs), slices.Clone(es)
	var err error
	for i := range cs {
		if cs[i].Members, err = n.members(ctx, cs[i].Members); err != nil {
			return nil, nil, err
		}
	}
	for i := range es {
		if es[i].Members, err = n.members(ctx, es[i].Members); err != nil {
			return nil, nil, err
		}
		for _, p := range []*coupling.Pull{&es[i].Pull, &es[i].With} {
			if err := n.pull(ctx, p); err != nil {
				return nil, nil, err
			}
		}
	}
	return cs, es, nil
}

// target gives a pull request that a person named, at home, its present name. What names none is left to who reads it.
func (n names) target(ctx context.Context, home coupling.Repo, t command.Target) (command.Target, error) {
	p, err := t.In(home)
	if t.Pull == "" || err != nil {
		return t, nil
	}
	err = n.pull(ctx, &p)
	t.Pull = p.String()
	return t, err
}

// trusts reports whether couplings at home may block pull requests of a repository; its policy may name home as it was called before.
func (r *Reconciler) trusts(ctx context.Context, repo memory.Repo, home coupling.Repo) (bool, error) {
	pol := repo.Rules()
	if repo.Name.Same(home) || slices.ContainsFunc(pol.Trust, home.Same) {
		return true, nil
	}
	n := r.names(repo.Name)
	for _, trusted := range pol.Trust {
		if name, err := n.repo(ctx, trusted); err != nil || name == home {
			return err == nil, err
		}
	}
	return false, nil
}

// trusted are the other homes that a repository trusts, by their present names, where the App is installed.
func (r *Reconciler) trusted(ctx context.Context, repo coupling.Repo) ([]coupling.Repo, error) {
	d, err := r.Memory.Repos.Load(ctx, repo)
	if err != nil {
		return nil, err
	}
	n := r.names(repo)
	var out []coupling.Repo
	for _, named := range d.Rules().Trust {
		home, err := n.repo(ctx, named)
		if err != nil {
			return nil, err
		}
		h, known, err := r.Memory.Repos.Find(ctx, home)
		if err != nil {
			return nil, err
		} else if known && !h.Gone && home != repo && !slices.Contains(out, home) {
			out = append(out, home)
		}
	}
	return out, nil
}
