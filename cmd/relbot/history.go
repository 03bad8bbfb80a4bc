package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/gitrepo"
	"github.com/relbot/relbot/internal/history"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/policy"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/versionscan"
)

// The shapes of `relbot history --format json`; the key is "gate" or "pr".
type (
	historyAnswer struct {
		Gate     string          `json:"gate,omitempty"`
		PR       string          `json:"pr,omitempty"`
		Releases []historyRow    `json:"releases"`
		First    *string         `json:"first_ship"`
		Interval historyInterval `json:"interval"`
		Value    *string         `json:"value"`
		Verdict  rules.Level     `json:"verdict"`
		Reasons  []anomaly       `json:"reasons"`
	}
	historyRow struct {
		Version string  `json:"version"`
		Tag     string  `json:"tag"`
		Date    string  `json:"date"`
		Has     *bool   `json:"has"`
		Method  *string `json:"method"`
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
			if err := h.open(cmd.Context(), dir); err != nil {
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
	tags     []versionscan.Tag // those that name releases
	branches map[string]string
	history  *versionscan.History
	base     string // branch
	tip      string
	ask      *history.Asker
	failed   error // of the first read that did
}

// remote tells a repository's URL from a directory.
var remote = regexp.MustCompile(`^(?:https?|ssh|git|file)://|^[\w.-]+@[\w.-]+:`)

// open opens a clone, or makes one of its own of a URL, in the user's cache directory.
func (h *historian) open(ctx context.Context, dir string) error {
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
		if !committed.Known() {
			return fmt.Errorf("%s: no %s there, nor on %s", dir, policy.Path, h.base)
		}
		text, err = []byte(committed.Value.Text), nil
	}
	if err != nil {
		return err
	}
	p, problems := policy.Parse(placeholder, text)
	if len(problems) > 0 {
		return fmt.Errorf("%s:%s (and %d more)", policy.Path, problems[0], len(problems)-1)
	}
	if p.Releases == nil {
		return fmt.Errorf("%s declares no releases", policy.Path)
	}
	h.policy = *p
	all, err := h.repo.Tags(ctx)
	if err != nil {
		return unsure(err)
	}
	h.tags = history.Releases(p.Releases, all)
	if h.branches, err = h.repo.Branches(ctx); err != nil {
		return unsure(err)
	}
	h.history = p.Releases.History(h.tags, slices.Sorted(maps.Keys(h.branches)))
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
	c.Merge, c.MergedAt = m.SHA, m.Date
	return c, nil
}

// maxLog bounds how far back a pull request is looked for, in commits.
const maxLog = 200_000

// train is the train of the default branch.
func (h *historian) train(ctx context.Context) (versionscan.Fact[versionscan.Train], error) {
	var paths []string
	for _, r := range h.policy.Releases.DevVersion {
		if !r.Tags {
			paths = append(paths, r.Path)
		}
	}
	files := h.ask.Files(ctx, h.tip, paths)
	if h.failed != nil {
		return versionscan.Fact[versionscan.Train]{}, h.failed
	}
	dev := h.policy.Releases.ReadDev(files, h.history)
	if !dev.Known() {
		return versionscan.NotKnown[versionscan.Train](dev.Why), nil
	}
	t, ok := h.history.Train(dev.Value.Version)
	if !ok {
		return versionscan.NotKnown[versionscan.Train]("the list of versions ends before the next release"), nil
	}
	return versionscan.Know(t), nil
}

// answer tells the history of a gate or of a pull request.
func (h *historian) answer(ctx context.Context, id string, pr int) (*historyAnswer, error) {
	train, err := h.train(ctx)
	if err != nil {
		return nil, unsure(err)
	}
	q := rules.Question{History: h.history, Scheme: h.policy.Releases.Scheme, Train: train}
	core := versionscan.NotKnown[versionscan.Version](train.Why)
	if train.Known() {
		core = versionscan.Know(train.Value.Core)
	}
	out := &historyAnswer{Gate: id, Releases: []historyRow{}, Verdict: rules.Pass, Reasons: []anomaly{}}
	var gate rules.Gate
	if id != "" {
		var ok bool
		if gate, ok = h.policy.Gate(id); !ok {
			return nil, fmt.Errorf("%s registers no gate %q", policy.Path, id)
		}
		if gate.Evidence == nil {
			if pr, err = h.subject(id); err != nil {
				return nil, err
			}
		}
	} else {
		out.PR = fmt.Sprintf("#%d", pr)
	}
	carriers := map[string]versionscan.Fact[string]{}
	if id != "" && gate.Evidence != nil {
		shows := h.ask.Shows(ctx, h.tags, *gate.Evidence)[0]
		for tag, f := range shows {
			switch {
			case f.Known() && f.Value:
				carriers[tag] = versionscan.Know("evidence")
			case f.Known():
				carriers[tag] = versionscan.None[string]("")
			default:
				carriers[tag] = versionscan.NotKnown[string](f.Why)
			}
		}
		t := h.history.Threshold(shows, core)
		q.Ship.Why = t.Why
		if t.Known() {
			q.Ship, q.Breaks = versionscan.Know(t.Value.Ship), t.Value.Breaks
		}
		q.Holds = gate.Evidence.Holds(h.ask.Matching(ctx, h.tip, gate.Evidence.Path))
	} else {
		change, err := h.merged(ctx, pr)
		if err != nil {
			return nil, err
		}
		tags, lines := h.ask.Carriers(ctx, change, h.tags, history.Lines(h.policy.Releases, h.branches, h.base))
		carriers = tags
		q.Ship = h.history.FirstShip(tags, lines, core)
	}
	if core.Known() {
		q.Interval = h.history.Interval(func(tag string) versionscan.Fact[bool] {
			f := carriers[tag]
			if f.Unknown() {
				return versionscan.NotKnown[bool](f.Why)
			}
			return versionscan.Know(f.Known())
		}, core.Value)
	}
	for _, r := range h.history.Releases() {
		if r.Speaks == nil {
			continue
		}
		row := historyRow{Version: r.Core.String(), Tag: r.Speaks.Name, Date: r.Speaks.Date.Format("2006-01-02")}
		if f := carriers[r.Speaks.Name]; !f.Unknown() {
			has := f.Known()
			row.Has = &has
			row.Method = known(f.Value)
		}
		out.Releases = append(out.Releases, row)
	}
	if q.Ship.Known() {
		out.First = known(q.Ship.Value.Core.String())
	} else {
		out.Verdict = rules.Unknown
	}
	if q.Interval.Known() {
		out.Interval = historyInterval{known(q.Interval.Value.After.String()), known(q.Interval.Value.UpTo.String())}
	}
	if id == "" {
		return out, nil
	}
	files := h.ask.Matching(ctx, h.tip, gate.Find.Path)
	if h.failed != nil {
		return nil, unsure(h.failed)
	}
	var site rules.Site
	site.Found, site.Trouble = versionscan.Find(gate.Find, gate.ID, h.policy.Releases.Scheme, files)
	if site.Found.Known() {
		out.Value = known(site.Found.Value.Value.String())
	}
	a := gate.Hold(site, q)
	out.Verdict = a.Level()
	for _, r := range append(a.Reasons, a.Warnings...) {
		out.Reasons = append(out.Reasons, anomaly{string(r.Code), note.Plain(r, placeholder)})
	}
	return out, nil
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
		fmt.Fprint(out, a.svg())
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

// svg draws the releases as a line of dots, filled where a release has the change, with the gate's value as a mark.
func (a *historyAnswer) svg() string {
	const step, left, y = 74, 40, 60
	width := left*2 + step*max(1, len(a.Releases))
	name := a.Gate + a.PR
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d 120" width="%d" height="120" role="img" aria-labelledby="t">`+"\n", width, width)
	fmt.Fprintf(&b, "<title id=\"t\">Releases that have %s; first ship %s</title>\n", html.EscapeString(name), html.EscapeString(deref(a.First)))
	b.WriteString("<style>text{font:11px sans-serif;fill:#59636e}.has{fill:#1a7f37}.not{fill:none;stroke:#59636e}.line{stroke:#d1d9e0;stroke-width:2}.gate{fill:#cf222e}@media(prefers-color-scheme:dark){text{fill:#9198a1}.has{fill:#3fb950}.not{stroke:#9198a1}.line{stroke:#3d444d}.gate{fill:#f85149}}</style>\n")
	fmt.Fprintf(&b, `<line class="line" x1="%d" y1="%d" x2="%d" y2="%d"/>`+"\n", left, y, width-left, y)
	for i, r := range a.Releases {
		x := left + step/2 + i*step
		class := "not"
		if r.Has != nil && *r.Has {
			class = "has"
		}
		fmt.Fprintf(&b, `<circle class="%s" cx="%d" cy="%d" r="7"><title>%s, %s</title></circle><text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", class, x, y, html.EscapeString(r.Tag), r.Date, x, y+26, html.EscapeString(r.Version))
		if a.Value != nil && strings.HasPrefix(*a.Value+".", r.Version+".") || a.Value != nil && strings.HasPrefix(*a.Value, r.Version+"-") {
			fmt.Fprintf(&b, `<path class="gate" d="M%d %d l-6 -11 h12 z"/><text x="%d" y="%d" text-anchor="middle">gate %s</text>`+"\n", x, y-12, x, y-28, html.EscapeString(*a.Value))
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}
