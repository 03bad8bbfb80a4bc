// Package historian reports from a clone and its policy which releases have a change, where it first shipped, and whether a gate names that
// release.
//
// What is asked and concluded is the server's own: package history looks for the change, package rules judges. Only the source differs.
package historian

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/gitrepo"
	"github.com/relbot/relbot/internal/history"
	"github.com/relbot/relbot/internal/policy"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/timeline"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/find"
	"github.com/relbot/relbot/internal/versionscan/release"
)

// Options say what is asked and how its policy is read.
type Options struct {
	Clone string        // a directory, or the URL of a repository
	Home  coupling.Repo // the repository's name
	// Parse parses the text of a policy.
	Parse func(text []byte) (*rules.Policy, error)
	// Draft writes the text of a policy for a clone that has none; nil where a draft does not do.
	Draft func(ctx context.Context, dir string) ([]byte, error)
}

// Unread is an error that says nothing about the question: what would answer it could not be read.
type Unread struct{ Err error }

func (u Unread) Error() string { return u.Err.Error() }

// Unwrap returns the error behind it.
func (u Unread) Unwrap() error { return u.Err }

// Historian answers from a clone and its policy.
type Historian struct {
	home     coupling.Repo
	repo     *gitrepo.Repo
	policy   rules.Policy
	all      []release.Tag
	tags     []release.Tag // those that name releases
	branches map[string]string
	base     string // branch
	tip      string
	ask      *history.Asker
	failed   error // of the first read that did
}

// Open opens a clone, or makes one of its own of a URL, in the user's cache directory.
func Open(ctx context.Context, o Options) (*Historian, error) {
	repo, err := clone(ctx, o.Clone)
	if err != nil {
		return nil, err
	}
	h := &Historian{home: o.Home, repo: repo, base: repo.Default(ctx)}
	h.ask = &history.Asker{Source: h.repo, Repo: h.home, Failed: func(err error) { h.failed = cmp.Or(h.failed, err) }}
	if h.tip, err = repo.Resolve(ctx, h.base); err != nil {
		return nil, Unread{err}
	}
	if shallow, err := repo.Shallow(ctx); err != nil || shallow {
		return nil, Unread{fmt.Errorf("%s: a shallow clone has no history to tell from: run git fetch --unshallow --tags", o.Clone)}
	}
	text, err := h.policyText(ctx, o)
	if err != nil {
		return nil, err
	}
	p, err := o.Parse(text)
	if err != nil {
		return nil, err
	}
	if p.Releases == nil {
		return nil, fmt.Errorf("%s declares no releases", policy.Path)
	}
	h.policy = *p
	if h.all, err = repo.Tags(ctx); err != nil {
		return nil, Unread{err}
	}
	h.tags = history.Releases(p.Releases, h.all)
	if h.branches, err = repo.Branches(ctx); err != nil {
		return nil, Unread{err}
	}
	return h, nil
}

// remote tells a repository's URL from a directory.
var remote = regexp.MustCompile(`^(?:https?|ssh|git|file)://|^[\w.-]+@[\w.-]+:`)

func clone(ctx context.Context, from string) (*gitrepo.Repo, error) {
	if !remote.MatchString(from) {
		return gitrepo.Open(ctx, from)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(from))
	repo, err := gitrepo.Clone(ctx, from, filepath.Join(cache, "relbot", "clones", hex.EncodeToString(sum[:8])))
	if err != nil {
		return nil, Unread{err}
	}
	return repo, nil
}

// policyText is the policy that is checked out, else the one on the default branch, else a draft.
func (h *Historian) policyText(ctx context.Context, o Options) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(h.repo.Dir(), policy.Path))
	if !errors.Is(err, fs.ErrNotExist) {
		return text, err
	}
	if committed := h.ask.Files(ctx, h.tip, []string{policy.Path})[policy.Path]; committed.Known() {
		return []byte(committed.Value.Text), nil
	}
	if o.Draft == nil {
		return nil, fmt.Errorf("%s: no %s there, nor on %s: `relbot config init` writes a first one", o.Clone, policy.Path, h.base)
	}
	if text, err = o.Draft(ctx, h.repo.Dir()); err != nil {
		return nil, fmt.Errorf("%s: no %s there, nor on %s, and no draft: %w", o.Clone, policy.Path, h.base, err)
	}
	return text, nil
}

// Answer is the history of a gate or of a pull request.
type Answer struct {
	Releases []timeline.Release // oldest first
	Train    versionscan.Fact[release.Train]
	Ship     versionscan.Fact[release.Ship]
	Interval versionscan.Fact[release.Interval]

	Value    string // of the gate; "" where it was not found
	Names    string // the release that the value names; "" for a placeholder
	Verdict  rules.Level
	Unknown  string     // why nothing can be determined
	Code     rules.Code // of that
	Reasons  []rules.Reason
	Warnings []rules.Reason
}

// Gate answers for a gate that the policy registers.
func (h *Historian) Gate(ctx context.Context, id string) (*Answer, error) {
	gate, ok := h.policy.Gate(id)
	if !ok {
		return nil, fmt.Errorf("%s registers no gate %q", policy.Path, id)
	}
	var subject history.Change
	if gate.Evidence == nil {
		pull, err := h.subject(id)
		if err != nil {
			return nil, err
		}
		if subject, err = h.merged(ctx, pull); err != nil {
			return nil, err
		}
	}
	s := h.snapshot(ctx, gate)
	facts := s.Repos[h.home].Bases[h.base].Gates[id]
	a, q, err := h.ship(ctx, gate, s, subject)
	if err != nil {
		return nil, err
	}
	held := gate.Hold(facts.Base, q)
	if r := gate.Unreplaced(facts); r != nil {
		held.Reasons = append(held.Reasons, *r)
	}
	if f := facts.Base.Found; f.Known() {
		a.Value = cmp.Or(f.Value.Value.String(), f.Value.Raw)
		if !f.Value.Placeholder {
			a.Names = q.Named(gate, f.Value.Value)
		}
	}
	if a.Verdict != rules.Block { // else there is nothing to name: the subject was reverted
		a.Verdict, a.Unknown, a.Reasons, a.Warnings = held.Level(), held.Unknown, held.Reasons, held.Warnings
	}
	if q.Train.Known() {
		a.Warnings = append(a.Warnings, rules.Standing(s, h.home)...)
	}
	return a.explained(), nil
}

// explained says what kind of thing is unknown, where the answer is.
func (a *Answer) explained() *Answer {
	switch {
	case a.Verdict != rules.Unknown:
		a.Unknown = ""
	case !a.Train.Known():
		a.Code, a.Unknown = rules.TrainUnknown, cmp.Or(a.Unknown, a.Train.Why)
	default:
		a.Code = rules.MemberUnreadable
	}
	return a
}

// Pull answers for a merged pull request.
func (h *Historian) Pull(ctx context.Context, number int) (*Answer, error) {
	change, err := h.merged(ctx, number)
	if err != nil {
		return nil, err
	}
	return h.change(ctx, change)
}

// Commit answers for a commit of the default branch.
func (h *Historian) Commit(ctx context.Context, rev string) (*Answer, error) {
	sha, err := h.repo.Resolve(ctx, rev)
	if err != nil {
		return nil, err
	}
	log, err := h.repo.Log(ctx, h.home, sha, time.Unix(0, 0), 1)
	if err != nil {
		return nil, Unread{err}
	}
	change := h.changeOf(log.Value[0], history.PullOf(log.Value[0]))
	switch on := h.ask.OnBase(ctx, change); {
	case on.Unknown():
		return nil, Unread{errors.New(on.Why)}
	case !on.Value:
		return nil, Unread{fmt.Errorf("%s is not on %s", rev, h.base)}
	}
	return h.change(ctx, change)
}

func (h *Historian) change(ctx context.Context, c history.Change) (*Answer, error) {
	a, _, err := h.ship(ctx, rules.Gate{}, h.snapshot(ctx, rules.Gate{}), c)
	if err != nil {
		return nil, err
	}
	return a.explained(), nil
}

func (h *Historian) changeOf(m forge.Commit, number int) history.Change {
	return history.Change{Number: number, Tip: h.tip, Merge: m.SHA, Begun: m.Authored, MergedAt: m.Date, Title: history.Title(m)}
}

// ship looks for the first ship of a gate's evidence, or of a change.
func (h *Historian) ship(ctx context.Context, gate rules.Gate, s rules.Snapshot, subject history.Change) (*Answer, rules.Question, error) {
	q := rules.Ask(gate, s, h.home)
	carriers := timeline.ByEvidence(s.Repos[h.home].Bases[h.base].Gates[gate.ID].Shows)
	var reverted *rules.Reason
	if gate.Evidence == nil {
		carriers, reverted = h.subjectOf(ctx, subject, &q)
	}
	if h.failed != nil {
		return nil, q, Unread{h.failed}
	}
	a := &Answer{Releases: timeline.Releases(q.History, carriers), Train: q.Train, Ship: q.Ship, Interval: q.Interval, Verdict: rules.Pass}
	switch {
	case reverted != nil:
		a.Verdict, a.Reasons = rules.Block, []rules.Reason{*reverted}
	case !q.Ship.Known():
		a.Verdict, a.Unknown = rules.Unknown, q.Ship.Why
	}
	return a, q, nil
}

// merged finds the commit by which a pull request came into the default branch.
func (h *Historian) merged(ctx context.Context, pull int) (history.Change, error) {
	log, err := h.repo.Log(ctx, h.home, h.tip, time.Unix(0, 0), maxLog)
	if err != nil {
		return history.Change{}, Unread{err}
	}
	m, ok := history.Merged(log.Value, pull)
	if !ok {
		return history.Change{}, Unread{fmt.Errorf("no commit of %s names #%d: it is not merged, or by another name (--commit SHA names it)", h.base, pull)}
	}
	return h.changeOf(m, pull), nil
}

// maxLog bounds how far back a pull request is looked for, in commits.
const maxLog = 200_000

// snapshot is what the rules look at: the default branch with its version files and, where one is asked about, a gate.
func (h *Historian) snapshot(ctx context.Context, gate rules.Gate) rules.Snapshot {
	var paths []string
	for _, r := range h.policy.Releases.DevVersion {
		if !r.Tags {
			paths = append(paths, r.Path)
		}
	}
	base := rules.Base{Tip: h.tip, Files: h.ask.Files(ctx, h.tip, paths), Gates: map[string]rules.GateFacts{}}
	if gate.ID != "" {
		base.Gates[gate.ID] = h.gateFacts(ctx, gate)
	}
	return rules.Snapshot{Repos: map[coupling.Repo]rules.Repository{h.home: rules.Repository{
		Name: h.home, Default: h.base, Releases: h.policy.Releases, Tags: versionscan.Know(h.all),
		Branches: versionscan.Know(slices.Sorted(maps.Keys(h.branches))), Bases: map[string]rules.Base{h.base: base},
	}.Ordered()}}
}

func (h *Historian) gateFacts(ctx context.Context, gate rules.Gate) rules.GateFacts {
	var facts rules.GateFacts
	at := func(commit string) (versionscan.Fact[find.Finding], *find.Trouble) {
		return gate.Locate(h.policy.Releases.Scheme, h.ask.Matching(ctx, commit, gate.Find.Path))
	}
	facts.Base.Found, facts.Base.Trouble = at(h.tip)
	if gate.Evidence != nil {
		facts.Shows = h.ask.Shows(ctx, h.tags, *gate.Evidence)[0]
		facts.Tip = gate.Evidence.Holds(h.ask.Matching(ctx, h.tip, gate.Evidence.Path))
	}
	if f := facts.Base.Found; f.Known() && f.Value.Placeholder {
		if newest, ok := h.policy.Releases.History(h.tags, nil).Newest(); ok {
			if there, _ := at(newest.Commit); there.Known() && there.Value.Placeholder {
				facts.Left = newest.Name
			}
		}
	}
	return facts
}

// subjectOf makes a merged change the subject of a question, and says which tags have it. A change that was reverted before any release had
// it ships in none, and the reason says by what.
func (h *Historian) subjectOf(ctx context.Context, change history.Change, q *rules.Question) (map[string]versionscan.Fact[string], *rules.Reason) {
	train := versionscan.NotKnown[release.Version](q.Train.Why)
	if q.Train.Known() {
		train = versionscan.Know(q.Train.Value.Core)
	}
	tags, lines := h.ask.Carriers(ctx, change, h.policy.Releases, h.tags, history.Lines(h.policy.Releases, h.branches, h.base))
	q.Ship = q.History.FirstShip(tags, lines, train)
	if ship := q.Ship; ship.Known() && !ship.Value.Tagged && ship.Value.Line == "" {
		switch back := h.ask.Reverted(ctx, change); {
		case back.Unknown():
			q.Ship = versionscan.NotKnown[release.Ship](back.Why)
		case back.Known():
			r := rules.Reverted(coupling.Pull{Repo: h.home, Number: change.Number}, rules.Revert{Commit: back.Value.Commit, Pull: h.pull(back.Value.Number), How: "commit"})
			q.Ship, q.Interval = versionscan.None[release.Ship]("it was reverted"), versionscan.Fact[release.Interval]{}
			return tags, &r
		}
	}
	if train.Known() {
		q.Interval = q.History.Interval(func(tag string) versionscan.Fact[bool] {
			f := tags[tag]
			if f.Unknown() {
				return versionscan.NotKnown[bool](f.Why)
			}
			return versionscan.Know(f.Known())
		}, train.Value)
	}
	return tags, nil
}

// pull is a pull request of the clone's repository; zero for no number.
func (h *Historian) pull(number int) coupling.Pull {
	if number == 0 {
		return coupling.Pull{}
	}
	return coupling.Pull{Repo: h.home, Number: number}
}

// subject is the pull request whose release a gate without evidence must name.
func (h *Historian) subject(id string) (int, error) {
	for _, c := range h.policy.Couplings {
		i := slices.IndexFunc(c.Gates, func(u coupling.GateUse) bool { return u.Gate == id })
		if i < 0 {
			continue
		}
		if m, ok := c.ByRole(c.Gates[i].Subject); ok && m.Pull.Repo == h.home {
			return m.Pull.Number, nil
		}
	}
	return 0, fmt.Errorf("gate %s has no evidence, and no coupling says whose release it must name", id)
}
