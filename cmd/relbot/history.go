package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/gitrepo"
	"github.com/relbot/relbot/internal/history"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/policy"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/timeline"
	"github.com/relbot/relbot/internal/versionscan"
	versions "github.com/relbot/relbot/internal/versionscan/release"
)

// The shapes of `relbot history --format json`; the key is "gate" or "pr".
type (
	historyAnswer struct {
		Gate     string             `json:"gate,omitempty"`
		PR       string             `json:"pr,omitempty"`
		Releases []timeline.Release `json:"releases"`
		First    *string            `json:"first_ship"`
		Interval historyInterval    `json:"interval"`
		Value    *string            `json:"value"`
		Verdict  rules.Level        `json:"verdict"`
		Reasons  []anomaly          `json:"reasons"`
		timeline timeline.Timeline
	}
	historyInterval struct {
		After *string `json:"after"`
		UpTo  *string `json:"upto"`
	}
)

func historyCommand() *cobra.Command {
	var format, gate string
	var pr int
	c := &cobra.Command{
		Use:   "history [DIR|URL] --gate ID | --pr N",
		Short: "Tell from a clone which releases have a change, and the first ship",
		Long:  "Tell from a clone (of a URL one is made in the cache directory, without the content of files) which releases have a change, in which it first shipped and by which method that was found,\nand whether a gate names it. Exits 1 when the gate is wrong, 3 when it cannot be told.",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains([]string{"text", "json", "svg"}, format) {
				return fmt.Errorf("--format %q: want text, json or svg", format)
			}
			if (gate == "") == (pr == 0) {
				return fmt.Errorf("want either --gate ID or --pr N")
			}
			dir := "."
			if len(args) > 0 {
				dir = args[0]
			}
			h := historian{}
			if err := h.open(cmd.Context(), dir, pr != 0, cmd.ErrOrStderr()); err != nil {
				return err
			}
			answer, err := h.answer(cmd.Context(), gate, pr)
			if err != nil {
				return err
			}
			return answer.write(cmd.OutOrStdout(), format)
		},
	}
	c.Flags().StringVar(&format, "format", "text", "text, json or svg")
	c.Flags().StringVar(&gate, "gate", "", "a gate that the policy registers")
	c.Flags().IntVar(&pr, "pr", 0, "a merged pull request, found by its number in a subject of the default branch")
	return c
}

// historian answers from a clone and its policy.
type historian struct {
	repo     *gitrepo.Repo
	policy   rules.Policy
	all      []versions.Tag
	tags     []versions.Tag // those that name releases
	branches map[string]string
	base     string // branch
	tip      string
	ask      *history.Asker
	failed   error // of the first read that did
}

// remote tells a repository's URL from a directory.
var remote = regexp.MustCompile(`^(?:https?|ssh|git|file)://|^[\w.-]+@[\w.-]+:`)

// open opens a clone, or makes one of its own of a URL, in the user's cache directory. Where there is no policy a draft takes its place, if that
// is enough to answer.
func (h *historian) open(ctx context.Context, dir string, drafted bool, stderr io.Writer) error {
	var err error
	if remote.MatchString(dir) {
		cache, err := os.UserCacheDir()
		if err != nil {
			return err
		}
		sum := sha256.Sum256([]byte(dir))
		if h.repo, err = gitrepo.Clone(ctx, dir, filepath.Join(cache, "relbot", "clones", hex.EncodeToString(sum[:8]))); err != nil {
			return unsure(err)
		}
	} else if h.repo, err = gitrepo.Open(ctx, dir); err != nil {
		return err
	}
	h.ask = &history.Asker{Source: h.repo, Repo: placeholder, Failed: func(err error) { h.failed = cmp.Or(h.failed, err) }}
	h.base = h.repo.Default(ctx)
	if h.tip, err = h.repo.Resolve(ctx, h.base); err != nil {
		return unsure(err)
	}
	if shallow, err := h.repo.Shallow(ctx); err != nil || shallow {
		return unsure(fmt.Errorf("%s: a shallow clone has no history to tell from: run git fetch --unshallow --tags", dir))
	}
	text, err := os.ReadFile(filepath.Join(h.repo.Dir(), policy.Path))
	if errors.Is(err, fs.ErrNotExist) { // also where nothing is checked out
		committed := h.ask.Files(ctx, h.tip, []string{policy.Path})[policy.Path]
		switch {
		case committed.Known():
			text, err = []byte(committed.Value.Text), nil
		case drafted:
			d, failed := draftOf(ctx, h.repo.Dir())
			if failed != nil {
				return fmt.Errorf("%s: no %s there, nor on %s, and no draft: %w", dir, policy.Path, h.base, failed)
			}
			fmt.Fprintf(stderr, "There is no %s: this is by the draft that `relbot config init` would write.\n", policy.Path)
			text, err = []byte(d.Text), nil
		default:
			return fmt.Errorf("%s: no %s there, nor on %s: `relbot config init` writes a first one", dir, policy.Path, h.base)
		}
	}
	if err != nil {
		return err
	}
	p, err := parsePolicy(placeholder, policy.Path, text, stderr)
	if err != nil {
		return err
	}
	if p.Releases == nil {
		return fmt.Errorf("%s declares no releases", policy.Path)
	}
	h.policy = *p
	if h.all, err = h.repo.Tags(ctx); err != nil {
		return unsure(err)
	}
	h.tags = history.Releases(p.Releases, h.all)
	if h.branches, err = h.repo.Branches(ctx); err != nil {
		return unsure(err)
	}
	return nil
}

// merged finds the commit by which a pull request came into the default branch.
func (h *historian) merged(ctx context.Context, pr int) (history.Change, error) {
	c := history.Change{Number: pr, Tip: h.tip}
	log, err := h.repo.Log(ctx, placeholder, h.tip, time.Unix(0, 0), maxLog)
	if err != nil {
		return c, unsure(err)
	}
	m, ok := history.Merged(log.Value, pr)
	if !ok {
		return c, unsure(fmt.Errorf("no commit of %s names #%d: it is not merged, or by another name", h.base, pr))
	}
	c.Merge, c.Begun, c.MergedAt, c.Title = m.SHA, m.Authored, m.Date, history.Title(m)
	return c, nil
}

// maxLog bounds how far back a pull request is looked for, in commits.
const maxLog = 200_000

// snapshot is what the rules look at: the default branch with its version files and, where one is asked about, a gate.
func (h *historian) snapshot(ctx context.Context, gate rules.Gate) rules.Snapshot {
	var paths []string
	for _, r := range h.policy.Releases.DevVersion {
		if !r.Tags {
			paths = append(paths, r.Path)
		}
	}
	base := rules.Base{Tip: h.tip, Files: h.ask.Files(ctx, h.tip, paths), Gates: map[string]rules.GateFacts{}}
	if gate.ID != "" {
		var facts rules.GateFacts
		facts.Base.Found, facts.Base.Trouble = gate.Locate(h.policy.Releases.Scheme, h.ask.Matching(ctx, h.tip, gate.Find.Path))
		if gate.Evidence != nil {
			facts.Shows = h.ask.Shows(ctx, h.tags, *gate.Evidence)[0]
			facts.Tip = gate.Evidence.Holds(h.ask.Matching(ctx, h.tip, gate.Evidence.Path))
		}
		if f := facts.Base.Found; f.Known() && f.Value.Placeholder {
			if newest, ok := h.policy.Releases.History(h.tags, nil).Newest(); ok {
				there, _ := gate.Locate(h.policy.Releases.Scheme, h.ask.Matching(ctx, newest.Commit, gate.Find.Path))
				if there.Known() && there.Value.Placeholder {
					facts.Left = newest.Name
				}
			}
		}
		base.Gates[gate.ID] = facts
	}
	return rules.Snapshot{Repos: map[coupling.Repo]rules.Repository{placeholder: {
		Name: placeholder, Default: h.base, Releases: h.policy.Releases, Tags: versionscan.Know(h.all),
		Branches: versionscan.Know(slices.Sorted(maps.Keys(h.branches))), Bases: map[string]rules.Base{h.base: base},
	}}}
}

// answer tells the history of a gate or of a pull request.
func (h *historian) answer(ctx context.Context, id string, pr int) (*historyAnswer, error) {
	var gate rules.Gate
	out := &historyAnswer{Gate: id, Verdict: rules.Pass, Reasons: []anomaly{}}
	if id != "" {
		var ok bool
		if gate, ok = h.policy.Gate(id); !ok {
			return nil, fmt.Errorf("%s registers no gate %q", policy.Path, id)
		}
		if gate.Evidence == nil {
			var err error
			if pr, err = h.subject(id); err != nil {
				return nil, err
			}
		}
	} else {
		out.PR = fmt.Sprintf("#%d", pr)
	}
	s := h.snapshot(ctx, gate)
	facts := s.Repos[placeholder].Bases[h.base].Gates[id]
	q := rules.Ask(gate, s, placeholder)
	carriers := timeline.ByEvidence(facts.Shows)
	if gate.Evidence == nil {
		if err := h.subjectOf(ctx, pr, &q, &carriers); err != nil {
			return nil, err
		}
	}
	if h.failed != nil {
		return nil, unsure(h.failed)
	}
	out.Releases = timeline.Releases(q.History, carriers)
	if q.Ship.Known() {
		out.First = known(q.Ship.Value.Core.String())
	} else {
		out.Verdict = rules.Unknown
	}
	if q.Interval.Known() {
		out.Interval = historyInterval{known(q.Interval.Value.After.String()), known(q.Interval.Value.UpTo.String())}
	}
	out.timeline = timeline.Timeline{Subject: id + out.PR, Releases: out.Releases, First: deref(out.First)}
	if q.Train.Known() {
		out.timeline.Train = q.Train.Value.Core.String()
	}
	if id == "" {
		out.unknown(q, q.Ship.Why)
		return out, nil
	}
	a := gate.Hold(facts.Base, q)
	if r := gate.Unreplaced(facts); r != nil {
		a.Reasons = append(a.Reasons, *r)
	}
	if f := facts.Base.Found; f.Known() {
		out.Value = known(cmp.Or(f.Value.Value.String(), f.Value.Raw))
		if out.timeline.Value = deref(out.Value); !f.Value.Placeholder {
			out.timeline.At = q.Named(gate, f.Value.Value)
		}
	}
	out.Verdict = a.Level()
	out.timeline.Right = out.Verdict == rules.Pass
	out.unknown(q, a.Unknown)
	warnings := a.Warnings
	if q.Train.Known() {
		warnings = append(warnings, rules.Standing(s, placeholder)...)
	}
	for _, r := range append(a.Reasons, warnings...) {
		out.Reasons = append(out.Reasons, anomaly{string(r.Code), note.Plain(r, placeholder)})
	}
	return out, nil
}

// unknown says why nothing can be told.
func (a *historyAnswer) unknown(q rules.Question, why string) {
	switch {
	case a.Verdict != rules.Unknown:
	case !q.Train.Known():
		a.Reasons = append(a.Reasons, anomaly{string(rules.TrainUnknown), cmp.Or(why, q.Train.Why)})
	default:
		a.Reasons = append(a.Reasons, anomaly{string(rules.MemberUnreadable), why})
	}
}

// subjectOf makes a merged pull request the subject of a question.
func (h *historian) subjectOf(ctx context.Context, pr int, q *rules.Question, carriers *map[string]versionscan.Fact[string]) error {
	change, err := h.merged(ctx, pr)
	if err != nil {
		return err
	}
	train := versionscan.NotKnown[versions.Version](q.Train.Why)
	if q.Train.Known() {
		train = versionscan.Know(q.Train.Value.Core)
	}
	tags, lines := h.ask.Carriers(ctx, change, h.policy.Releases, h.tags, history.Lines(h.policy.Releases, h.branches, h.base))
	*carriers = tags
	q.Ship = q.History.FirstShip(tags, lines, train)
	if train.Known() {
		q.Interval = q.History.Interval(func(tag string) versionscan.Fact[bool] {
			f := tags[tag]
			if f.Unknown() {
				return versionscan.NotKnown[bool](f.Why)
			}
			return versionscan.Know(f.Known())
		}, train.Value)
	}
	return nil
}

// subject is the pull request whose release a gate without evidence must name.
func (h *historian) subject(id string) (int, error) {
	for _, c := range h.policy.Couplings {
		i := slices.IndexFunc(c.Gates, func(u coupling.GateUse) bool { return u.Gate == id })
		if i < 0 {
			continue
		}
		if m, ok := c.ByRole(c.Gates[i].Subject); ok && m.Pull.Repo == placeholder {
			return m.Pull.Number, nil
		}
	}
	return 0, fmt.Errorf("gate %s has no evidence, and no coupling says whose release it must name", id)
}

func (a *historyAnswer) write(out io.Writer, format string) error {
	switch format {
	case "json":
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		if err := enc.Encode(a); err != nil {
			return unsure(err)
		}
	case "svg":
		fmt.Fprint(out, a.timeline.SVG())
	default:
		fmt.Fprintf(out, "%-14s %-20s %-12s %-4s %s\n", "release", "tag", "date", "has", "method")
		for _, r := range a.Releases {
			has := "?"
			if r.Has != nil {
				has = map[bool]string{true: "yes", false: "no"}[*r.Has]
			}
			method := ""
			if r.Method != nil {
				method = *r.Method
			}
			fmt.Fprintf(out, "%-14s %-20s %-12s %-4s %s\n", r.Version, r.Tag, r.Date, has, method)
		}
		fmt.Fprintf(out, "\nfirst ship: %s\nvalid at exact precision: above %s, up to %s\n", deref(a.First), deref(a.Interval.After), deref(a.Interval.UpTo))
		if a.Gate != "" {
			fmt.Fprintf(out, "the gate says %s: %s\n", deref(a.Value), a.Verdict)
		}
		for _, r := range a.Reasons {
			fmt.Fprintf(out, "  %s: %s\n", r.Code, r.Message)
		}
	}
	switch a.Verdict {
	case rules.Block:
		return blocked
	case rules.Unknown:
		return exit{code: exitUnknown}
	}
	return nil
}
