package reconcile

import (
	"context"
	"slices"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/flip"
	"github.com/relbot/relbot/internal/publish"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/timeline"
	"github.com/relbot/relbot/internal/versionscan"
)

// historyOf is the document that follows from a new judgement, for the same transaction; none when nothing changed.
func (r *Reconciler) historyOf(ctx context.Context, before, after rules.Judgement, g *gathering, s rules.Snapshot, now time.Time) ([]store.Document, error) {
	key := after.Coupling.Key()
	doc, err := r.Memory.Histories.Read(ctx, key)
	if err != nil {
		return nil, err
	}
	h := doc.Value
	policies := map[coupling.Repo]string{}
	for repo, d := range g.docs {
		policies[repo] = publish.Hash(d.Policy)
	}
	basis := flip.NewBasis(after.Coupling, s, policies, g.effects, g.isOutage())
	drawn := charts(g.policy, after, s)
	flips := flip.Since(before, after, h.Basis, basis, now)
	if doc.Exists() && len(flips) == 0 && publish.Hash([]any{h.Basis.Still(), h.Charts}) == publish.Hash([]any{basis.Still(), drawn}) {
		return nil, nil // a branch that moves writes nothing
	}
	h.Flips = append(flips, h.Flips...)
	h.Flips = h.Flips[:min(len(h.Flips), flip.MaxFlips)]
	h.Basis, h.Charts = basis, drawn
	return []store.Document{doc.With(h)}, nil
}

// charts are the releases of the repositories of a coupling, home first, with a lane for each member and gate.
func charts(pol rules.Policy, j rules.Judgement, s rules.Snapshot) []timeline.Chart {
	home := j.Coupling.Home
	var out []timeline.Chart
	for _, repo := range reposOf(append([]coupling.Pull{{Repo: home}}, pullsOf(j)...)) {
		facts := s.Repos[repo]
		if facts.Releases == nil || !facts.Tags.Known() {
			continue
		}
		train := ""
		if t := s.Train(repo, baseOf(j, repo, facts)); t.Known() {
			train = t.Value.Core.String()
		}
		c := timeline.NewChart(string(repo), facts.History(), train)
		for _, m := range j.Members {
			if m.Pull.Repo == repo {
				c.Add(timeline.Lane{Name: m.Role, Pull: m.Pull.String(), First: m.ShipsIn, Method: m.Method}, carriersOf(m, s))
			}
		}
		if repo == home {
			for _, state := range j.Gates {
				c.Add(gateLane(pol, j, s, state))
			}
		}
		if len(c.Lanes) > 0 {
			out = append(out, c)
		}
	}
	return out
}

func pullsOf(j rules.Judgement) []coupling.Pull {
	var out []coupling.Pull
	for _, m := range j.Members {
		out = append(out, m.Pull)
	}
	return out
}

// baseOf is the branch on which the members of a repository land.
func baseOf(j rules.Judgement, repo coupling.Repo, facts rules.Repository) string {
	if j.Coupling.Base != "" {
		return j.Coupling.Base
	}
	if repo == j.Coupling.Home && j.Base != "" {
		return j.Base
	}
	return facts.Default
}

// carriersOf says which releases have a member's change; nil is that none has it, since it is not merged.
func carriersOf(m rules.MemberState, s rules.Snapshot) map[string]versionscan.Fact[string] {
	f := s.Pulls[m.Pull]
	switch {
	case !f.Known():
		return map[string]versionscan.Fact[string]{}
	case f.Value.State != "merged":
		return nil
	case f.Value.Carriers == nil:
		return map[string]versionscan.Fact[string]{}
	}
	return f.Value.Carriers
}

// gateLane is a gate on a chart: what it stands for, and its value.
func gateLane(pol rules.Policy, j rules.Judgement, s rules.Snapshot, state rules.GateState) (timeline.Lane, map[string]versionscan.Fact[string]) {
	home := j.Coupling.Home
	l := timeline.Lane{Name: state.ID, Gate: true, First: state.Want, Value: state.Value, Right: state.Level == rules.Pass}
	g, _ := pol.Gate(state.ID)
	if rel := s.Repos[home].Releases; rel != nil && state.Value != "" {
		if v, err := rel.Scheme.Parse(state.Value); err == nil {
			l.At = rules.Ask(g, s, home).Named(g, v)
		}
	}
	if i := slices.IndexFunc(j.Members, func(m rules.MemberState) bool { return m.Role == state.Subject }); i >= 0 {
		if j.Members[i].Pull.Repo == home {
			return l, carriersOf(j.Members[i], s)
		}
		return l, map[string]versionscan.Fact[string]{} // its releases are another repository's
	}
	return l, timeline.ByEvidence(s.Repos[home].Bases[baseOf(j, home, s.Repos[home])].Gates[state.ID].Shows)
}
