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
			a, err := askHistory(cmd.Context(), dirOf(args), gate, pr, cmd.ErrOrStderr())
			var unread historian.Unread
			switch {
			case errors.As(err, &unread):
				return unsure(unread.Err)
			case err != nil:
				return err
			}
			return writeHistory(cmd.OutOrStdout(), format, gate, pr, a)
		},
	}
	c.Flags().StringVar(&format, "format", "text", "text, json or svg")
	c.Flags().StringVar(&gate, "gate", "", "a gate that the policy registers")
	c.Flags().IntVar(&pr, "pr", 0, "a merged pull request, found by its number in a subject of the default branch")
	return c
}

// askHistory asks a clone for the history of a gate or, where none is named, of a pull request. A draft is policy enough for the latter.
func askHistory(ctx context.Context, clone, gate string, pr int, stderr io.Writer) (*historian.Answer, error) {
	o := historian.Options{Clone: clone, Home: placeholder, Parse: func(text []byte) (*rules.Policy, error) {
		return parsePolicy(placeholder, policy.Path, text, stderr)
	}}
	if gate == "" {
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
	case gate != "":
		return h.Gate(ctx, gate)
	}
	return h.Pull(ctx, pr)
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

// writeHistory prints an answer and turns its verdict into an exit code.
func writeHistory(out io.Writer, format, gate string, pr int, a *historian.Answer) error {
	answer := historyAnswer{Gate: gate, Releases: a.Releases, Value: known(a.Value), Verdict: a.Verdict, Reasons: historyReasons(a)}
	if gate == "" {
		answer.PR = fmt.Sprintf("#%d", pr)
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
		t := timeline.Timeline{Subject: answer.Gate + answer.PR, Releases: a.Releases, First: deref(answer.First), Value: a.Value, At: a.Names, Right: gate != "" && a.Verdict == rules.Pass}
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
