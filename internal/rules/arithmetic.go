package rules

import (
	"cmp"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/find"
	"github.com/relbot/relbot/internal/versionscan/release"
)

// arithmetic answers questions about releases from a snapshot, each once.
type arithmetic struct {
	s         Snapshot
	histories map[coupling.Repo]*release.History
	trained   map[branchOf]versionscan.Fact[release.Train]
	devs      map[branchOf]versionscan.Fact[release.Dev]
	doubted   map[branchOf][]Reason
}

type branchOf struct {
	repo   coupling.Repo
	branch string
}

func newArithmetic(s Snapshot) *arithmetic {
	return &arithmetic{
		s:         s,
		histories: map[coupling.Repo]*release.History{},
		trained:   map[branchOf]versionscan.Fact[release.Train]{},
		devs:      map[branchOf]versionscan.Fact[release.Dev]{},
		doubted:   map[branchOf][]Reason{},
	}
}

// history is the release history of a repository; nil when it has no releases or they could not be listed.
func (a *arithmetic) history(repo coupling.Repo) *release.History {
	if h, ok := a.histories[repo]; ok {
		return h
	}
	var h *release.History
	r := a.s.Repos[repo]
	if r.Releases != nil && (r.Branches.Known() || r.Releases.Branches == "") {
		h = r.History()
	}
	a.histories[repo] = h
	return h
}

// dev is what a branch says it is building.
func (a *arithmetic) dev(repo coupling.Repo, branch string) versionscan.Fact[release.Dev] {
	key := branchOf{repo, branch}
	if d, ok := a.devs[key]; ok {
		return d
	}
	var d versionscan.Fact[release.Dev]
	if h := a.history(repo); h != nil {
		if base, ok := a.s.Repos[repo].Bases[branch]; ok {
			d = find.Dev(*a.s.Repos[repo].Releases, base.Files, h)
		} else {
			d.Why = "branch " + branch + " could not be read"
		}
	}
	a.devs[key] = d
	return d
}

// train is the release in which something merged now into a branch would ship. It is absent where the repository
// declares no releases.
func (a *arithmetic) train(repo coupling.Repo, branch string) versionscan.Fact[release.Train] {
	key := branchOf{repo, branch}
	if t, ok := a.trained[key]; ok {
		return t
	}
	t := a.computeTrain(repo, branch)
	a.trained[key] = t
	return t
}

func (a *arithmetic) computeTrain(repo coupling.Repo, branch string) versionscan.Fact[release.Train] {
	r, ok := a.s.Repos[repo]
	switch {
	case !ok:
		return versionscan.NotKnown[release.Train]("the repository could not be read")
	case r.Releases == nil:
		return versionscan.None[release.Train]("the policy declares no releases")
	case !r.Tags.Known():
		return versionscan.NotKnown[release.Train]("the tags could not be listed: " + r.Tags.Why)
	}
	h := a.history(repo)
	if h == nil {
		return versionscan.NotKnown[release.Train]("the release lines could not be listed: " + r.Branches.Why)
	}
	if core, ok := h.LineTrain(branch); ok {
		if odd := h.Unreadable(core); odd != "" {
			return versionscan.NotKnown[release.Train](odd)
		}
		return versionscan.Know(release.Train{Core: core, Dev: core})
	}
	dev := a.dev(repo, branch)
	if !dev.Known() {
		return versionscan.NotKnown[release.Train](cmp.Or(dev.Why, "no dev version is declared"))
	}
	t, ok := h.Train(dev.Value.Version)
	if !ok {
		return versionscan.NotKnown[release.Train]("the list of versions ends before the next release")
	}
	if odd := h.Unreadable(t.Core); odd != "" {
		return versionscan.NotKnown[release.Train](odd)
	}
	return versionscan.Know(t)
}

// devPath is the file that states the dev version, for messages.
func (a *arithmetic) devPath(repo coupling.Repo) string {
	if r := a.s.Repos[repo].Releases; r != nil && len(r.DevVersion) > 0 {
		return r.DevVersion[0].Path
	}
	return ""
}

// Train answers for one branch of a snapshot, for reports and command lines.
func (s Snapshot) Train(repo coupling.Repo, branch string) versionscan.Fact[release.Train] {
	return newArithmetic(s).train(repo, branch)
}

// Standing is what is wrong or doubtful about a repository's own versions, whatever couplings there are.
func Standing(s Snapshot, repo coupling.Repo) []Reason {
	r := s.Repos[repo]
	if r.Releases == nil {
		return nil
	}
	a := newArithmetic(s)
	t := a.train(repo, r.Default)
	if !t.Known() {
		return []Reason{trainUnknown(r.Default, t.Why)}
	}
	return a.doubts(repo, r.Default, t.Value)
}

// doubts are the warnings about a branch's versions. They are looked for once, since each tag may have to be read.
func (a *arithmetic) doubts(repo coupling.Repo, branch string, t release.Train) []Reason {
	key := branchOf{repo, branch}
	if out, ok := a.doubted[key]; ok {
		return out
	}
	var out []Reason
	if t.Lagging {
		out = append(out, trainLagging(t, a.devPath(repo)))
	}
	if dev, ok := a.devs[key]; ok {
		for _, d := range dev.Value.Differ {
			out = append(out, readersDisagree(d, t.Dev))
		}
	}
	if h := a.history(repo); h != nil {
		pattern := a.s.Repos[repo].Releases.Tags
		if tag, nothing := h.MatchesNothing(); nothing {
			out = append(out, tagsMatchNothing(pattern, tag))
		}
		if tag, ok := h.Elsewhere(t.Core); ok {
			out = append(out, tagElsewhere(pattern, tag, t.Core))
		}
	}
	a.doubted[key] = out
	return out
}
