// Package flip says which verdicts changed between two judgements, and what caused that.
//
// A verdict flips without a commit on its pull request, so the reader of it asks why later. The cause is found from facts, by holding
// what a judgement was made from (a [Basis]) against what the one before was made from. It is a new tag, a head that moved, or a
// command. Events were refused as the source. They are coalesced, get lost and come late, and relbot judges from
// what is there, not from what it was notified.
//
// Several things may have changed at once; they are all named, the nearest to the pull request first.
package flip

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/versionscan/release"
)

// Mark is what was said of a member at one time.
type Mark struct {
	State string       `json:"state,omitempty"` // of the pull request, as in [rules.MemberState]; "" before it was a member
	Level rules.Level  `json:"verdict,omitempty"`
	Codes []rules.Code `json:"codes,omitempty"`
}

// Open reports whether a verdict was posted: the pull request was open.
func (m Mark) Open() bool { return m.State == "open" || m.State == "draft" }

// Flip is one change of what was said of a member.
type Flip struct {
	At     time.Time     `json:"at"`
	Pull   coupling.Pull `json:"pull"`
	Role   string        `json:"role"`
	From   Mark          `json:"from"`
	To     Mark          `json:"to"`
	Causes []Cause       `json:"causes,omitempty"`
}

// Kind says what happened.
type Kind string

// The kinds of causes.
const (
	Joined    Kind = "joined"    // the pull request became a member
	Command   Kind = "command"   // Name is the verb, By who gave it
	Override  Kind = "override"  // Name is the code, By who gave it
	Lapsed    Kind = "lapsed"    // an override ended; Name is the code
	Pushed    Kind = "pushed"    // Commit is the new head
	Merged    Kind = "merged"    // By is who merged
	Closed    Kind = "closed"    //
	Reopened  Kind = "reopened"  //
	Draft     Kind = "draft"     //
	Ready     Kind = "ready"     // for review
	Readable  Kind = "readable"  // it could not be read before
	Gone      Kind = "gone"      // it cannot be read any more
	Retarget  Kind = "retarget"  // Name is the new base
	Tagged    Kind = "tagged"    // Name is the tag
	Untagged  Kind = "untagged"  // Name is the tag
	Line      Kind = "line"      // a release line was created; Name is the branch
	Policy    Kind = "policy"    // the policy in force changed
	Base      Kind = "base"      // Name is the branch that moved, Commit its tip
	Outage    Kind = "outage"    // GitHub does not answer
	Answering Kind = "answering" // GitHub answers again
)

// Cause is one thing that changed.
type Cause struct {
	Kind   Kind          `json:"kind"`
	Repo   coupling.Repo `json:"repo,omitempty"` // where, for what is no pull request's
	Pull   coupling.Pull `json:"pull,omitzero"`
	Name   string        `json:"name,omitempty"`
	By     string        `json:"by,omitempty"`
	Commit string        `json:"commit,omitempty"`
}

// Basis is what a judgement was made from, as far as it shows causes.
type Basis struct {
	Repos     map[coupling.Repo]Repo `json:"repos,omitempty"`
	Pulls     map[coupling.Pull]Pull `json:"pulls,omitempty"`
	Commands  []Given                `json:"commands,omitempty"`
	Overrides []Given                `json:"overrides,omitempty"`
	Outage    bool                   `json:"outage,omitempty"`
}

// Repo is a repository in a [Basis].
type Repo struct {
	Policy string            `json:"policy,omitempty"` // identifies the policy in force
	Tips   map[string]string `json:"tips,omitempty"`   // of the branches that members target
	Tags   []Tag             `json:"tags,omitempty"`   // the newest, at most maxTags
	Lines  []string          `json:"lines,omitempty"`
}

// Tag is a tag in a [Basis].
type Tag struct {
	Name string    `json:"name"`
	Date time.Time `json:"date"` // of its commit
}

// Pull is a member in a [Basis].
type Pull struct {
	Head  string `json:"head"`
	State string `json:"state"`
	Draft bool   `json:"draft,omitempty"`
	Base  string `json:"base"`
	By    string `json:"by,omitempty"` // who merged it
}

// Given is a command or an override that somebody gave.
type Given struct {
	ID   string        `json:"id"`
	Name string        `json:"name"`
	By   string        `json:"by"`
	Pull coupling.Pull `json:"pull,omitzero"`
}

const (
	maxTags   = 40
	maxGiven  = 50
	maxCauses = 4
	// MaxFlips bounds the history of a coupling.
	MaxFlips = 100
)

// NewBasis is the basis of judging a coupling from a snapshot, after the effects of commands on it.
func NewBasis(c coupling.Coupling, s rules.Snapshot, policies map[coupling.Repo]string, effects []coupling.Effect, outage bool) Basis {
	b := Basis{Repos: map[coupling.Repo]Repo{}, Pulls: map[coupling.Pull]Pull{}, Outage: outage}
	targets := map[coupling.Repo]map[string]bool{c.Home: {}}
	for _, m := range c.Members {
		if targets[m.Pull.Repo] == nil {
			targets[m.Pull.Repo] = map[string]bool{}
		}
		if f := s.Pulls[m.Pull]; f.Known() {
			p := f.Value
			b.Pulls[m.Pull] = Pull{Head: p.Head, State: p.State, Draft: p.Draft, Base: p.Base, By: p.MergedBy}
			targets[m.Pull.Repo][p.Base] = true
		}
	}
	for repo, bases := range targets {
		facts := s.Repos[repo]
		r := Repo{Policy: policies[repo], Tips: map[string]string{}, Lines: facts.Branches.Value}
		for base := range bases {
			if tip := facts.Bases[base].Tip; tip != "" {
				r.Tips[base] = tip
			}
		}
		if facts.Tags.Known() {
			r.Tags = newest(facts.Tags.Value)
		}
		b.Repos[repo] = r
	}
	for _, e := range effects {
		if e.Coupling == c.Name {
			b.Commands = append(b.Commands, Given{ID: e.ID, Name: string(e.Verb), By: e.By})
		}
	}
	b.Commands = b.Commands[max(0, len(b.Commands)-maxGiven):]
	for _, o := range s.Overrides {
		if _, is := c.ByPull(o.Pull); is {
			b.Overrides = append(b.Overrides, Given{ID: o.Pull.String() + " " + string(o.Code) + " " + o.Why, Name: string(o.Code), By: o.By, Pull: o.Pull})
		}
	}
	return b
}

// Still is a basis without what moves all day: where branches stand. What differs in that alone need not be remembered, since a later
// comparison with what was remembered is as true.
func (b Basis) Still() Basis {
	repos := make(map[coupling.Repo]Repo, len(b.Repos))
	for name, r := range b.Repos {
		r.Tips = nil
		repos[name] = r
	}
	b.Repos = repos
	return b
}

func newest(tags []release.Tag) []Tag {
	out := make([]Tag, 0, len(tags))
	for _, t := range tags {
		out = append(out, Tag{t.Name, t.Date.UTC()})
	}
	slices.SortFunc(out, func(a, b Tag) int { return cmp.Or(b.Date.Compare(a.Date), cmp.Compare(b.Name, a.Name)) })
	return slices.Clip(out[:min(len(out), maxTags)])
}

// causes lists what changed between two bases.
func causes(before, after Basis) []Cause {
	var out []Cause
	given := func(kind Kind, before, after []Given) {
		for _, g := range after {
			if !slices.ContainsFunc(before, func(o Given) bool { return o.ID == g.ID }) {
				out = append(out, Cause{Kind: kind, Name: g.Name, By: g.By, Pull: g.Pull})
			}
		}
	}
	given(Command, before.Commands, after.Commands)
	given(Override, before.Overrides, after.Overrides)
	given(Lapsed, after.Overrides, before.Overrides)
	for _, p := range slices.SortedFunc(maps.Keys(after.Pulls), order) {
		if was, ok := before.Pulls[p]; ok {
			out = append(out, moved(p, was, after.Pulls[p])...)
		} else if len(before.Repos) > 0 {
			out = append(out, Cause{Kind: Readable, Pull: p})
		}
	}
	for _, p := range slices.SortedFunc(maps.Keys(before.Pulls), order) {
		if _, ok := after.Pulls[p]; !ok {
			out = append(out, Cause{Kind: Gone, Pull: p})
		}
	}
	for _, repo := range slices.Sorted(maps.Keys(after.Repos)) {
		was, ok := before.Repos[repo]
		if ok {
			out = append(out, changed(repo, was, after.Repos[repo])...)
		}
	}
	switch {
	case after.Outage && !before.Outage:
		out = append(out, Cause{Kind: Outage})
	case before.Outage && !after.Outage:
		out = append(out, Cause{Kind: Answering})
	}
	return out
}

func order(a, b coupling.Pull) int {
	return cmp.Or(cmp.Compare(a.Repo, b.Repo), cmp.Compare(a.Number, b.Number))
}

func moved(p coupling.Pull, was, is Pull) []Cause {
	var out []Cause
	add := func(when bool, c Cause) {
		if when {
			c.Pull = p
			out = append(out, c)
		}
	}
	add(is.State == "merged" && was.State != "merged", Cause{Kind: Merged, By: is.By})
	add(is.State == "closed" && was.State != "closed", Cause{Kind: Closed})
	add(is.State == "open" && was.State != "open", Cause{Kind: Reopened})
	add(is.State == "open" && is.Head != was.Head, Cause{Kind: Pushed, Commit: is.Head})
	add(is.State == "open" && is.Draft && !was.Draft, Cause{Kind: Draft})
	add(is.State == "open" && !is.Draft && was.Draft, Cause{Kind: Ready})
	add(is.Base != was.Base, Cause{Kind: Retarget, Name: is.Base})
	return out
}

func changed(repo coupling.Repo, was, is Repo) []Cause {
	var out []Cause
	had := func(tags []Tag, name string) bool {
		return slices.ContainsFunc(tags, func(t Tag) bool { return t.Name == name })
	}
	// A tag older than all that were kept may have been there before.
	within := func(kept []Tag, t Tag) bool {
		return len(kept) < maxTags || !t.Date.Before(kept[len(kept)-1].Date)
	}
	if is.Tags != nil && was.Tags != nil {
		for _, t := range is.Tags {
			if !had(was.Tags, t.Name) && within(was.Tags, t) {
				out = append(out, Cause{Kind: Tagged, Repo: repo, Name: t.Name})
			}
		}
		for _, t := range was.Tags {
			if !had(is.Tags, t.Name) && within(is.Tags, t) {
				out = append(out, Cause{Kind: Untagged, Repo: repo, Name: t.Name})
			}
		}
	}
	for _, l := range is.Lines {
		if !slices.Contains(was.Lines, l) {
			out = append(out, Cause{Kind: Line, Repo: repo, Name: l})
		}
	}
	if was.Policy != is.Policy {
		out = append(out, Cause{Kind: Policy, Repo: repo})
	}
	for _, branch := range slices.Sorted(maps.Keys(is.Tips)) {
		if old, ok := was.Tips[branch]; ok && old != is.Tips[branch] {
			out = append(out, Cause{Kind: Base, Repo: repo, Name: branch, Commit: is.Tips[branch]})
		}
	}
	return out
}

// nearest are the causes to name for one pull request, those of its own first. That a branch moved is named only where nothing else is.
func nearest(all []Cause, p coupling.Pull) []Cause {
	out := slices.Clone(all)
	rank := func(c Cause) int {
		switch {
		case c.Kind == Base:
			return 2
		case !c.Pull.IsZero() && c.Pull != p:
			return 1
		}
		return 0
	}
	slices.SortStableFunc(out, func(a, b Cause) int { return rank(a) - rank(b) })
	if i := slices.IndexFunc(out, func(c Cause) bool { return c.Kind == Base }); i > 0 {
		out = out[:i]
	}
	return out[:min(len(out), maxCauses)]
}

// Since lists what flipped from one judgement of a coupling to the next, in the order of the members; before is the zero judgement at first.
func Since(before, after rules.Judgement, was, is Basis, at time.Time) []Flip {
	all := slices.DeleteFunc(causes(was, is), func(c Cause) bool { // that a member came or went is no matter of what can be read
		_, stayed := before.Member(c.Pull)
		_, stays := after.Member(c.Pull)
		return (c.Kind == Readable || c.Kind == Gone) && !(stayed && stays)
	})
	first := before.Coupling.Name == ""
	var out []Flip
	for _, m := range after.Members {
		old, known := before.Member(m.Pull)
		f := Flip{At: at, Pull: m.Pull, Role: m.Role, To: markOf(m)}
		switch {
		case !known:
			f.Causes = []Cause{{Kind: Joined, Pull: m.Pull}}
			if !first {
				f.Causes = append(nearest(slices.DeleteFunc(slices.Clone(all), func(c Cause) bool { return c.Kind != Command && c.Kind != Policy }), m.Pull), f.Causes...)
			}
		default:
			if f.From = markOf(old); same(f.From, f.To) {
				continue
			}
			f.Causes = nearest(all, m.Pull)
		}
		out = append(out, f)
	}
	return out
}

// markOf is what is said of a member. No verdict is posted on one that is not open.
func markOf(m rules.MemberState) Mark {
	out := Mark{State: m.State}
	if !out.Open() {
		return out
	}
	out.Level = m.Verdict.Level
	for _, r := range m.Verdict.Reasons {
		if !slices.Contains(out.Codes, r.Code) {
			out.Codes = append(out.Codes, r.Code)
		}
	}
	return out
}

// same reports whether two marks say the same; a draft is no other verdict by itself.
func same(a, b Mark) bool {
	state := a.State == b.State || a.Open() && b.Open()
	return state && a.Level == b.Level && slices.Equal(a.Codes, b.Codes)
}
