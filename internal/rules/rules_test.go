package rules_test

import (
	"fmt"
	"math/rand"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/find"
	"github.com/relbot/relbot/internal/versionscan/release"
)

const home = coupling.Repo("acme/app")

func pull(n int) coupling.Pull { return coupling.Pull{Repo: home, Number: n} }

var releases = &release.Releases{
	DevVersion: []release.Reader{{Path: "VERSION", Selector: versionscan.Selector{Pattern: `(?P<version>\S+)`}}},
	Tags:       "v{version}",
}

var policy = rules.Policy{
	Releases: releases,
	Gates: []rules.Gate{
		{ID: "g", Find: find.Finder{Path: "g"}, Relation: rules.IntroducedIn, Precision: release.Minor},
		{ID: "x", Find: find.Finder{Path: "x"}, Relation: rules.IntroducedIn, Precision: release.Exact,
			Evidence: &find.Evidence{Path: "e", Pattern: "e"}},
	},
}

func known[T any](v T) versionscan.Fact[T] { return versionscan.Know(v) }

func site(t *rand.Rand) rules.Site {
	switch t.Intn(6) {
	case 0:
		return rules.Site{Found: versionscan.None[find.Finding]("none"), Trouble: &find.Trouble{Code: "gate-missing", Message: "none"}}
	case 1:
		return rules.Site{}
	}
	v, err := release.Semver.Parse([]string{"1.2.0", "1.3.0", "1.3.0-dev.0", "1.4.0", "1.4.0-dev.0", "1.5.0"}[t.Intn(6)])
	if err != nil {
		panic(err)
	}
	return rules.Site{Found: known(find.Finding{Path: "g", Line: 3, Name: "minVersion", Raw: v.String(), Value: v})}
}

// snapshot makes a random state of the world.
func snapshot(t *rand.Rand) rules.Snapshot {
	c := coupling.Coupling{Name: "set", Home: home, SameRelease: t.Intn(4) > 0, Origin: coupling.FromPolicy}
	roles := []string{"a", "b", "c"}[:1+t.Intn(3)]
	for i, r := range roles {
		c.Members = append(c.Members, coupling.Member{Role: r, Pull: pull(i + 1), SafeAlone: t.Intn(4) == 0})
	}
	for i := 1; i < len(roles); i++ {
		if t.Intn(2) == 0 {
			c.Order = append(c.Order, coupling.Edge{Before: roles[i-1], After: roles[i], Together: t.Intn(2) == 0})
		}
	}
	if t.Intn(2) == 0 {
		c.Gates = append(c.Gates, coupling.GateUse{Gate: "g", Subject: roles[t.Intn(len(roles))]})
	}
	if t.Intn(3) == 0 {
		c.Gates = append(c.Gates, coupling.GateUse{Gate: "x", Subject: coupling.Evidence})
	}
	if t.Intn(8) == 0 {
		c.Hold = &coupling.Hold{By: "ann"}
	}
	tags := []release.Tag{{Name: "v1.1.0", Commit: "1"}, {Name: "v1.2.0", Commit: "2"}}
	if t.Intn(2) == 0 {
		tags = append(tags, release.Tag{Name: "v1.3.0-rc.1", Commit: "3"})
	}
	facts := rules.GateFacts{Base: site(t), Owners: map[coupling.Pull]rules.Site{}, Shows: map[string]versionscan.Fact[bool]{}, Tip: known(t.Intn(3) > 0)}
	has := t.Intn(len(tags) + 1)
	for i, tag := range tags {
		facts.Shows[tag.Name] = known(i >= has)
	}
	s := rules.Snapshot{
		Couplings: []coupling.Coupling{c},
		Repos: map[coupling.Repo]rules.Repository{home: {
			Name: home, Default: "main", Releases: releases, Tags: known(tags), Branches: known([]string{}),
			Bases: map[string]rules.Base{"main": {
				Tip: "t", Queue: t.Intn(3) == 0, Files: map[string]versionscan.Fact[versionscan.File]{"VERSION": known(versionscan.File{Text: "1.3.0-dev.0\n"})},
				Gates: map[string]rules.GateFacts{"g": facts, "x": facts},
			}},
		}},
		Pulls: map[coupling.Pull]versionscan.Fact[rules.Pull]{},
	}
	for _, m := range c.Members {
		p := rules.Pull{State: []string{"open", "open", "merged", "closed"}[t.Intn(4)], Draft: t.Intn(5) == 0, Base: "main", Head: "h", Author: "ann"}
		if t.Intn(10) == 0 {
			p.Base = "next"
		}
		if p.State == "merged" {
			p.Merge, p.MergedAt, p.OnBase, p.Revert = "m", time.Unix(1, 0), known(t.Intn(8) > 0), versionscan.None[rules.Revert]("")
			if p.Base != "main" {
				p.Elsewhere = map[string]versionscan.Fact[bool]{"main": known(t.Intn(2) == 0)}
			}
			if t.Intn(6) == 0 {
				p.Revert = known(rules.Revert{Commit: "r", How: "commit"})
			}
			p.Carriers = map[string]versionscan.Fact[string]{}
			from := t.Intn(len(tags) + 1)
			for i, tag := range tags {
				p.Carriers[tag.Name] = versionscan.None[string]("")
				if i >= from {
					p.Carriers[tag.Name] = known("ancestry")
				}
			}
		} else if t.Intn(2) == 0 {
			facts.Owners[m.Pull] = site(t)
		}
		s.Pulls[m.Pull] = known(p)
	}
	return s
}

// forget makes one known fact of a snapshot unknown, and says which.
func forget(t *rand.Rand, s rules.Snapshot) (rules.Snapshot, string) {
	pulls := map[coupling.Pull]versionscan.Fact[rules.Pull]{}
	for p, f := range s.Pulls {
		pulls[p] = f
	}
	repo := s.Repos[home]
	base := repo.Bases["main"]
	s.Pulls = pulls
	what := ""
	p := pull(1 + t.Intn(len(s.Couplings[0].Members)))
	f := pulls[p].Value
	switch t.Intn(8) {
	case 0:
		what = fmt.Sprint("pull ", p)
		pulls[p] = versionscan.NotKnown[rules.Pull]("forgotten")
	case 1:
		what = "tags"
		repo.Tags = versionscan.NotKnown[[]release.Tag]("forgotten")
	case 2:
		what = "dev version"
		base.Files = map[string]versionscan.Fact[versionscan.File]{}
	case 3:
		what = fmt.Sprint("on base ", p)
		f.OnBase, f.Elsewhere = versionscan.NotKnown[bool]("forgotten"), nil
		pulls[p] = known(f)
	case 4:
		what = fmt.Sprint("carriers ", p)
		f.Carriers = nil
		pulls[p] = known(f)
	case 5:
		what = fmt.Sprint("revert ", p)
		f.Revert = versionscan.NotKnown[rules.Revert]("forgotten")
		pulls[p] = known(f)
	case 6:
		what = "gates at the tip"
		base.Gates = map[string]rules.GateFacts{}
		for id, g := range s.Repos[home].Bases["main"].Gates {
			g.Base = rules.Site{}
			base.Gates[id] = g
		}
	case 7:
		what = "evidence"
		base.Gates = map[string]rules.GateFacts{}
		for id, g := range s.Repos[home].Bases["main"].Gates {
			g.Shows = nil
			base.Gates[id] = g
		}
	}
	repo.Bases = map[string]rules.Base{"main": base}
	s.Repos = map[coupling.Repo]rules.Repository{home: repo}
	return s, what
}

// TestUnknownNeverPasses holds the invariant of the package: what is not known never makes a verdict better.
func TestUnknownNeverPasses(t *testing.T) {
	for seed := range int64(20000) {
		r := rand.New(rand.NewSource(seed))
		before := snapshot(r)
		after, what := forget(r, before)
		was, is := rules.Evaluate(policy, before)[0], rules.Evaluate(policy, after)[0]
		if was.State.Ended() || is.State.Ended() {
			continue
		}
		for i, m := range was.Members {
			if m.State != "open" && m.State != "draft" {
				continue
			}
			if m.Verdict.Level != rules.Pass && is.Members[i].Verdict.Level == rules.Pass {
				t.Fatalf("seed %d: forgetting %s turned %s from %s %v into a pass", seed, what, m.Pull, m.Verdict.Level, m.Verdict.Reasons)
			}
		}
	}
}

// TestDeterministic holds that equal arguments give equal judgements in equal order.
func TestDeterministic(t *testing.T) {
	for seed := range int64(500) {
		a := rules.Evaluate(policy, snapshot(rand.New(rand.NewSource(seed))))
		b := rules.Evaluate(policy, snapshot(rand.New(rand.NewSource(seed))))
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("seed %d: %+v and %+v", seed, a, b)
		}
	}
}

// TestReasonsAreOfTheVerdictsLevel holds that a verdict is what its reasons say: a block has one, and none of a lower level.
func TestReasonsAreOfTheVerdictsLevel(t *testing.T) {
	level := map[rules.Code]rules.Level{
		rules.OrderWaiting: rules.Wait, rules.MemberDraft: rules.Wait, rules.MemberUnreadable: rules.Unknown, rules.TrainUnknown: rules.Unknown,
		rules.OrderQueued: rules.Pass, rules.NotCoupled: rules.Pass, rules.Overridden: rules.Pass,
	}
	seen := map[rules.Code]bool{}
	for seed := range int64(20000) {
		for _, m := range rules.Evaluate(policy, snapshot(rand.New(rand.NewSource(seed))))[0].Members {
			if m.Verdict.Level != rules.Pass && len(m.Verdict.Reasons) == 0 {
				t.Fatalf("seed %d: %s without a reason", seed, m.Verdict.Level)
			}
			for _, r := range m.Verdict.Reasons {
				seen[r.Code] = true
				want, ok := level[r.Code]
				if !ok {
					want = rules.Block
				}
				if want != m.Verdict.Level {
					t.Fatalf("seed %d: %s is in a verdict of %s", seed, r.Code, m.Verdict.Level)
				}
			}
		}
	}
	for _, code := range []rules.Code{rules.OrderWaiting, rules.MemberClosed, rules.GateCutWithout, rules.GateShippedEarlier, rules.GateAhead, rules.ReleaseSplit, rules.MemberMissing, rules.MemberReverted, rules.WrongBase, rules.GateMissing, rules.OrderQueued, rules.OnHold} {
		if !seen[code] {
			t.Errorf("no random world produced %s", code)
		}
	}
}

// TestCombine holds that the worst coupling decides and that "not coupled" is said only alone.
func TestCombine(t *testing.T) {
	wait := rules.Verdict{Level: rules.Wait, Reasons: []rules.Reason{{Code: rules.OrderWaiting}}}
	block := rules.Verdict{Level: rules.Block, Reasons: []rules.Reason{{Code: rules.MemberClosed}}}
	if v := rules.Combine(pull(1), wait, block, rules.Uncoupled(pull(1))); v.Level != rules.Block || len(v.Reasons) != 1 {
		t.Errorf("got %+v", v)
	}
	over := rules.Verdict{Level: rules.Pass, Reasons: []rules.Reason{{Code: rules.Overridden}}}
	v := rules.Combine(pull(1), rules.Uncoupled(pull(1)), over)
	if codes := []rules.Code{v.Reasons[0].Code}; len(v.Reasons) != 1 || !slices.Equal(codes, []rules.Code{rules.Overridden}) {
		t.Errorf("got %+v", v)
	}
}
