package reconcile

import (
	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/versionscan"
)

// unstack puts stacked members on the base of their stack: one that is based on another's branch is judged as if it were based where that
// one is, since there it will land. kept are branches that are bases of their own, no matter which pull request has them as a head.
//
// A member that was merged into another's branch has landed nowhere yet: until the other is merged it counts as open, and then as
// landed with it.
func unstack(pulls map[coupling.Pull]versionscan.Fact[forge.Pull], kept func(repo coupling.Repo, branch string) bool) {
	done := map[coupling.Pull]bool{}
	var resolve func(p coupling.Pull) forge.Pull
	resolve = func(p coupling.Pull) forge.Pull {
		f := pulls[p].Value
		if done[p] || kept(p.Repo, f.Base) {
			return f
		}
		done[p] = true // also ends a circle
		for q, below := range pulls {
			if q == p || q.Repo != p.Repo || !below.Known() || below.Value.Fork || below.Value.HeadRef != f.Base {
				continue
			}
			under := resolve(q)
			f.Base = under.Base
			if f.State == "merged" {
				if f.State = under.State; f.State == "merged" {
					f.Merge, f.MergedAt = under.Merge, under.MergedAt
				}
			}
			pulls[p] = versionscan.Know(f)
			break
		}
		return f
	}
	for p, f := range pulls {
		if f.Known() {
			resolve(p)
		}
	}
}
