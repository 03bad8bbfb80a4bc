package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/relbot/relbot/internal/historian"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/policy"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/timeline"
)

// The shapes of `relbot history --format json`; the key is "gate", "pr" or "commit".
type (
	historyAnswer struct {
		Gate     string             `json:"gate,omitempty"`
		PR       string             `json:"pr,omitempty"`
		Commit   string             `json:"commit,omitempty"`
		Releases []timeline.Release `json:"releases"`
		First    *string            `json:"first_ship"`
		Interval historyInterval    `json:"interval"`
		Value    *string            `json:"value"`
		Verdict  rules.Level        `json:"verdict"`
		Reasons  []anomaly          `json:"reasons"`
	}
	historyInterval struct {
		After *string `json:"after"`
		UpTo  *string `json:"upto"`
	}
)

func historyCommand() *cobra.Command {
	var format string
	var q historyQuestion
	c := &cobra.Command{
		Use:   "history [DIR|URL] --gate ID | --pr N | --commit SHA",
		Short: "Tell from a clone which releases have a change, and the first ship",
		Long:  "Tell from a clone (of a URL one is made in the cache directory, without the content of files) which releases have a change, in which it first shipped and by which method that was found,\nand whether a gate names it. Exits 1 when the gate is wrong or the change was reverted before a release had it, 3 when it cannot be determined.",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains([]string{"text", "json", "svg"}, format) {
				return fmt.Errorf("--format %q: want text, json or svg", format)
			}
			if q.count() != 1 {
				return fmt.Errorf("want one of --gate ID, --pr N and --commit SHA")
			}
			a, err := q.ask(cmd.Context(), dirOf(args), cmd.ErrOrStderr())
			var unread historian.Unread
			switch {
			case errors.As(err, &unread):
				return unsure(unread.Err)
			case err != nil:
				return err
			}
			return q.write(cmd.OutOrStdout(), format, a)
		},
	}
	c.Flags().StringVar(&format, "format", "text", "text, json or svg")
	c.Flags().StringVar(&q.gate, "gate", "", "a gate that the policy registers")
	c.Flags().IntVar(&q.pr, "pr", 0, "a merged pull request, found by its number where the commits of the default branch have it")
	c.Flags().StringVar(&q.commit, "commit", "", "a commit of the default branch")
	return c
}

// historyQuestion is what is asked about: one of the three.
type historyQuestion struct {
	gate, commit string
	pr           int
}

func (q historyQuestion) count() int {
	n := 0
	for _, is := range []bool{q.gate != "", q.commit != "", q.pr != 0} {
		if is {
			n++
		}
	}
	return n
}

// ask asks a clone. Where no gate is asked about, a draft is policy enough.
func (q historyQuestion) ask(ctx context.Context, clone string, stderr io.Writer) (*historian.Answer, error) {
	o := historian.Options{Clone: clone, Home: placeholder, Parse: func(text []byte) (*rules.Policy, error) {
		return parsePolicy(placeholder, policy.Path, text, stderr)
	}}
	if q.gate == "" {
		o.Draft = func(ctx context.Context, dir string) ([]byte, error) {
			d, err := draftOf(ctx, dir)
			if err == nil {
				fmt.Fprintf(stderr, "There is no %s: this is by the draft that `relbot config init` would write.\n", policy.Path)
			}
			return []byte(d.Text), err
		}
	}
	h, err := historian.Open(ctx, o)
	switch {
	case err != nil:
		return nil, err
	case q.gate != "":
		return h.Gate(ctx, q.gate)
	case q.commit != "":
		return h.Commit(ctx, q.commit)
	}
	return h.Pull(ctx, q.pr)
}

// historyReasons are the reasons of an answer in the shape in which they are printed.
func historyReasons(a *historian.Answer) []anomaly {
	out := []anomaly{}
	if a.Verdict == rules.Unknown {
		out = append(out, anomaly{string(a.Code), a.Unknown})
	}
	for _, r := range slices.Concat(a.Reasons, a.Warnings) {
		out = append(out, anomaly{string(r.Code), note.Plain(r, placeholder)})
	}
	return out
}

// write prints an answer and turns its verdict into an exit code.
func (q historyQuestion) write(out io.Writer, format string, a *historian.Answer) error {
	answer := historyAnswer{Gate: q.gate, Commit: q.commit, Releases: a.Releases, Value: known(a.Value), Verdict: a.Verdict, Reasons: historyReasons(a)}
	if q.pr != 0 {
		answer.PR = fmt.Sprintf("#%d", q.pr)
	}
	if a.Ship.Known() {
		answer.First = known(a.Ship.Value.Core.String())
	}
	if a.Interval.Known() {
		answer.Interval = historyInterval{known(a.Interval.Value.After.String()), known(a.Interval.Value.UpTo.String())}
	}
	switch format {
	case "json":
		if err := printJSON(out, answer); err != nil {
			return unsure(err)
		}
	case "svg":
		t := timeline.Timeline{Subject: answer.Gate + answer.PR + answer.Commit, Releases: a.Releases, First: deref(answer.First), Value: a.Value, At: a.Names, Right: q.gate != "" && a.Verdict == rules.Pass}
		if a.Train.Known() {
			t.Train = a.Train.Value.Core.String()
		}
		fmt.Fprint(out, t.SVG())
	default:
		answer.print(out)
	}
	switch a.Verdict {
	case rules.Block:
		return blocked
	case rules.Unknown:
		return exit{code: exitUnknown}
	}
	return nil
}

// print prints the answer for people.
func (a historyAnswer) print(out io.Writer) {
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
