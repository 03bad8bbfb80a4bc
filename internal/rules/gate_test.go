package rules_test

import (
	"fmt"
	"math/rand"
	"testing"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/find"
	"github.com/relbot/relbot/internal/versionscan/release"
)

// history is a random release history with evidence, and a gate value.
type history struct {
	tags  []release.Tag
	shows map[string]versionscan.Fact[bool]
	dev   int
}

func (h *history) add(minor int, pre string, shows bool) {
	name := fmt.Sprintf("v1.%d.0%s", minor, pre)
	if _, ok := h.shows[name]; !ok {
		h.tags = append(h.tags, release.Tag{Name: name})
		h.shows[name] = known(shows)
	}
}

// judge holds a gate with some value against the history.
func (h *history) judge(t *testing.T, g rules.Gate, value string) rules.Answer {
	t.Helper()
	rel := release.Releases{Tags: "v{version}", DevVersion: []release.Reader{{Path: "VERSION", Selector: versionscan.Selector{Pattern: `(?P<version>\S+)`}}}}
	s := rules.Snapshot{Repos: map[coupling.Repo]rules.Repository{home: {
		Name: home, Default: "main", Releases: &rel, Tags: known(h.tags), Branches: known([]string{}),
		Bases: map[string]rules.Base{"main": {
			Files: map[string]versionscan.Fact[versionscan.File]{"VERSION": known(versionscan.File{Text: fmt.Sprintf("1.%d.0-dev.0", h.dev)})},
			Gates: map[string]rules.GateFacts{g.ID: {Shows: h.shows, Tip: known(true)}},
		}},
	}}}
	v, err := release.Semver.Parse(value)
	if err != nil {
		t.Fatal(err)
	}
	return g.Hold(rules.Site{Found: known(find.Finding{Path: "gate.rs", Line: 1, Value: v})}, rules.Ask(g, s, home))
}

// TestAReleaseWithoutTheChangeMendsNothing adds releases without the change to random histories: a gate that history contradicted stays
// contradicted. (A gate ahead of the train is no such: the train may come to it.)
func TestAReleaseWithoutTheChangeMendsNothing(t *testing.T) {
	judged := 0
	for seed := range int64(4000) {
		r := rand.New(rand.NewSource(seed))
		h := history{shows: map[string]versionscan.Fact[bool]{}, dev: r.Intn(8)}
		first := r.Intn(9)
		for range r.Intn(10) {
			minor := r.Intn(8)
			h.add(minor, []string{"", "-rc.1"}[r.Intn(2)], minor >= first)
		}
		g := rules.Gate{ID: "g", Relation: rules.IntroducedIn, Evidence: &find.Evidence{Path: "x", Pattern: "y"},
			Precision: []release.Precision{release.Minor, release.Patch, release.Exact}[r.Intn(3)]}
		value := fmt.Sprintf("1.%d.0%s", r.Intn(9), []string{"", "-dev.0"}[r.Intn(2)])
		before := h.judge(t, g, value)
		if before.Level() != rules.Block || before.Reasons[0].Code == rules.GateAhead {
			continue
		}
		minor := r.Intn(9)
		if _, rc := h.shows[fmt.Sprintf("v1.%d.0-rc.1", minor)]; rc {
			continue // its final would only speak for it in place of the candidate
		}
		judged++
		h.add(minor, "", false)
		if after := h.judge(t, g, value); after.Level() == rules.Pass {
			t.Errorf("seed %d: %s was %s, and passes with one more release without the change: %v", seed, value, before.Reasons[0].Code, h.tags)
		}
	}
	if judged < 500 {
		t.Errorf("only %d of the histories contradicted their gate", judged)
	}
}
