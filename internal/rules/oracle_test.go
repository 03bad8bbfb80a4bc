package rules_test

import (
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/rules"
)

// The oracle judges a snapshot of [snapshot] slowly and obviously, without the package's arithmetic. It knows only what such a snapshot can
// hold. It was written from the promises, sentence by sentence.

// build is a version 1.MINOR.0 with a prerelease word, which sorts before none.
type build struct {
	minor int
	pre   string
}

func parseBuild(text string) build {
	var b build
	core, pre, _ := strings.Cut(strings.TrimPrefix(text, "v"), "-")
	if _, err := fmt.Sscanf(core, "1.%d.0", &b.minor); err != nil {
		panic(text)
	}
	b.pre = pre
	return b
}

// rank orders the builds of a core: dev.0, rc.1, final.
func (b build) rank() int { return b.minor*10 + map[string]int{"dev.0": 1, "rc.1": 2, "": 3}[b.pre] }

// oracle is one coupling of a snapshot in plain words.
type oracle struct {
	s     rules.Snapshot
	c     coupling.Coupling
	tags  []build // ascending
	train int     // minor
}

func newOracle(s rules.Snapshot) *oracle {
	o := &oracle{s: s, c: s.Couplings[0], train: 3}
	for _, t := range s.Repos[home].Tags.Value {
		o.tags = append(o.tags, parseBuild(t.Name))
	}
	slices.SortFunc(o.tags, func(a, b build) int { return a.rank() - b.rank() })
	for o.cut(o.train) {
		o.train++
	}
	return o
}

func (o *oracle) cut(minor int) bool {
	return slices.ContainsFunc(o.tags, func(b build) bool { return b.minor == minor })
}

func (o *oracle) pull(role string) rules.Pull {
	m, _ := o.c.ByRole(role)
	return o.s.Pulls[m.Pull].Value
}

// Merged is what GitHub says; a change that was reverted or is not on the coupling's branch is not there.
func (o *oracle) reverted(role string) bool {
	p := o.pull(role)
	return p.State == "merged" && !o.missing(role) && p.Revert.Known()
}

func (o *oracle) missing(role string) bool {
	p := o.pull(role)
	there := p.OnBase.Value
	if p.Base != "main" {
		there = p.Elsewhere["main"].Value
	}
	return p.State == "merged" && !there
}

func (o *oracle) landed(role string) bool {
	return o.pull(role).State == "merged" && !o.reverted(role) && !o.missing(role)
}

// ship is the release in which a member first ships, and whether a tag has it.
func (o *oracle) ship(role string) (minor int, tagged bool) {
	if o.landed(role) {
		for _, b := range o.tags {
			name := fmt.Sprintf("v1.%d.0", b.minor)
			if b.pre != "" {
				name += "-" + b.pre
			}
			if o.pull(role).Carriers[name].Known() {
				return b.minor, true
			}
		}
	}
	return o.train, false
}

// finding is a reason with its level.
type finding struct {
	level rules.Level
	code  rules.Code
}

// verdict judges an open member.
func (o *oracle) verdict(role string) []finding {
	var out []finding
	say := func(level rules.Level, code rules.Code) { out = append(out, finding{level, code}) }
	queue := o.s.Repos[home].Bases["main"].Queue
	if o.pull(role).Base != "main" {
		say(rules.Block, rules.WrongBase)
	}
	if o.c.Hold != nil {
		say(rules.Block, rules.OnHold)
	}
	for _, m := range o.c.Members {
		if o.pull(m.Role).State == "closed" {
			say(rules.Block, rules.MemberClosed)
		}
		if o.missing(m.Role) {
			say(rules.Block, rules.MemberMissing)
		}
		if o.reverted(m.Role) && o.follows(role, m.Role) {
			say(rules.Block, rules.MemberReverted)
		}
		if minor, tagged := o.ship(m.Role); o.c.SameRelease && o.landed(m.Role) && tagged && minor < o.train && !m.SafeAlone {
			say(rules.Block, rules.ReleaseSplit)
		}
	}
	queued, waits := queue, false
	for _, m := range o.c.Members { // the order is an order: what comes before a predecessor comes before
		before := o.pull(m.Role)
		if before.State != "open" || !o.follows(role, m.Role) {
			continue
		}
		waits = true
		queued = queued && before.Base == "main" && o.pull(role).Base == "main" // only then one group can hold both
		if before.Draft {
			say(rules.Wait, rules.MemberDraft)
		}
	}
	switch {
	case waits && queued:
		say(rules.Pass, rules.OrderQueued)
	case waits:
		say(rules.Wait, rules.OrderWaiting)
	}
	for _, use := range o.c.Gates {
		level, codes := o.gate(use)
		if slices.Contains(o.blamed(use), role) {
			for _, code := range codes {
				say(level, code)
			}
		}
	}
	return out
}

// follows reports whether a member comes after another, over any number of edges.
func (o *oracle) follows(role, before string) bool {
	for _, e := range o.c.Order {
		if e.Before == before && (e.After == role || o.follows(role, e.After)) {
			return true
		}
	}
	return false
}

// owners are the open members that change a gate.
func (o *oracle) owners(use coupling.GateUse) []string {
	var out []string
	for _, m := range o.c.Members {
		_, owns := o.s.Repos[home].Bases["main"].Gates[use.Gate].Owners[m.Pull]
		if owns && o.pull(m.Role).State == "open" {
			out = append(out, m.Role)
		}
	}
	return out
}

// blamed are the open members on which a gate's reasons stand: its owners and its subject, else all.
func (o *oracle) blamed(use coupling.GateUse) []string {
	out := o.owners(use)
	if _, is := o.c.ByRole(use.Subject); is && o.pull(use.Subject).State == "open" {
		out = append(out, use.Subject)
	}
	if len(out) == 0 {
		for _, m := range o.c.Members {
			out = append(out, m.Role)
		}
	}
	return out
}

// gate judges a gate's value.
func (o *oracle) gate(use coupling.GateUse) (rules.Level, []rules.Code) {
	facts := o.s.Repos[home].Bases["main"].Gates[use.Gate]
	site := facts.Base
	var values []string
	for _, role := range o.owners(use) {
		m, _ := o.c.ByRole(role)
		value := "none"
		if f := facts.Owners[m.Pull].Found; f.Known() {
			value = f.Value.Value.String()
		}
		if len(values) == 0 {
			site = facts.Owners[m.Pull]
		}
		values = append(values, value)
	}
	var codes []rules.Code
	if slices.ContainsFunc(values, func(v string) bool { return v != values[0] }) {
		codes = append(codes, rules.GateConflict)
	}
	switch {
	case site.Trouble != nil:
		return rules.Block, append(codes, rules.Code(site.Trouble.Code))
	case !site.Found.Known() && len(codes) == 0:
		return rules.Unknown, []rules.Code{rules.MemberUnreadable}
	case !site.Found.Known():
		return rules.Block, codes
	}
	value := parseBuild(site.Found.Value.Value.String())
	if use.Gate == "x" {
		codes = append(codes, o.exact(value, facts)...)
	} else {
		ship, tagged := o.ship(use.Subject)
		codes = append(codes, o.names(value, ship, tagged)...)
	}
	return rules.Block, codes
}

// names holds a value against a first ship by minor release.
func (o *oracle) names(value build, ship int, tagged bool) []rules.Code {
	switch {
	case value.minor == ship:
		return nil
	case value.minor > ship && (tagged || ship < o.train):
		return []rules.Code{rules.GateShippedEarlier}
	case value.minor > ship:
		return []rules.Code{rules.GateAhead}
	case o.cut(value.minor):
		return []rules.Code{rules.GateCutWithout}
	}
	return []rules.Code{rules.GateUnreal}
}

// exact holds a value against the builds: above the last without the evidence, up to the first with it; another build of that same
// release will do.
func (o *oracle) exact(value build, facts rules.GateFacts) []rules.Code {
	last, first, ship, tagged := 0, build{o.train, "dev.0"}.rank(), o.train, false
	for _, b := range o.tags {
		name := fmt.Sprintf("v1.%d.0", b.minor)
		if b.pre != "" {
			name += "-" + b.pre
		}
		if facts.Shows[name].Value {
			first, ship, tagged = b.rank(), b.minor, true
			break
		}
		last = b.rank()
	}
	switch r := value.rank(); {
	case value.minor < ship && o.cut(value.minor):
		return []rules.Code{rules.GateCutWithout}
	case r > last && r <= first, r > first && value.minor == ship:
		return nil
	case r <= last:
		return []rules.Code{rules.GateUnreal}
	case tagged:
		return []rules.Code{rules.GateShippedEarlier}
	}
	return []rules.Code{rules.GateAhead}
}

// TestAgainstOracle compares the rules with the oracle on random snapshots.
func TestAgainstOracle(t *testing.T) {
	runs := int64(100_000)
	if testing.Short() {
		runs = 5_000
	}
	order := []rules.Level{rules.Block, rules.Unknown, rules.Wait, rules.Pass}
	levels := map[rules.Level]int{}
	for seed := range runs {
		r := rand.New(rand.NewSource(seed))
		s := snapshot(r)
		o := newOracle(s)
		for _, j := range rules.Evaluate(policy, s) {
			for _, m := range j.Members {
				if m.State != "open" && m.State != "draft" {
					continue
				}
				found := o.verdict(m.Role)
				want, codes := rules.Pass, []string{}
				for _, l := range order {
					for _, f := range found {
						if f.level == l && !slices.Contains(codes, string(f.code)) {
							want, codes = l, append(codes, string(f.code))
						}
					}
					if len(codes) > 0 {
						break
					}
				}
				got := []string{}
				for _, reason := range m.Verdict.Reasons {
					if !slices.Contains(got, string(reason.Code)) {
						got = append(got, string(reason.Code))
					}
				}
				slices.Sort(got)
				slices.Sort(codes)
				levels[want]++
				if m.Verdict.Level != want || !slices.Equal(got, codes) {
					t.Fatalf("seed %d: %s is %s %v, the oracle says %s %v\n%+v\n%+v", seed, m.Role, m.Verdict.Level, got, want, codes, s.Couplings[0], s.Pulls)
				}
			}
		}
	}
	t.Log("compared", levels)
}
