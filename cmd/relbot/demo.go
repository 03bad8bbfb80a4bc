package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/scenario"
	"github.com/relbot/relbot/scenarios"
)

func demoCommand() *cobra.Command {
	var fast bool
	var address string
	c := &cobra.Command{
		Use:   "demo",
		Short: "Play the real story on an embedded GitHub and an embedded database",
		Long:  "Play the real story on an embedded GitHub and an embedded database, through the same code as the server: no account, no network.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			pause := time.Second
			if fast || !colours(out) {
				pause = 0
			}
			return demo(cmd.Context(), out, pause, address)
		},
	}
	c.Flags().BoolVar(&fast, "fast", false, "do not wait between the steps")
	c.Flags().StringVar(&address, "serve", "", "serve the pages of the embedded GitHub and the dashboard at this address, and keep them open at the end")
	return c
}

// demo plays the story, at the pace of one step a pause.
func demo(ctx context.Context, out io.Writer, pause time.Duration, address string) error {
	s, problems := scenario.Parse("scenarios/story.yml", scenarios.Story, nil)
	if len(problems) > 0 {
		return fmt.Errorf("the story: %s", problems[0])
	}
	start := startSimulated
	var shown *stage
	if address != "" {
		var err error
		if shown, err = newStage(address, s); err != nil {
			return err
		}
		defer shown.close()
		start = shown.start
	}
	w, err := scenario.NewWorld(ctx, s, scenario.Options{Start: start})
	if err != nil {
		return unsure(err)
	}
	defer w.Close()
	t := teller{out: out, p: scenario.Printer{W: out, Colour: colours(out)}, w: w, before: map[string]scenario.CheckResult{}}
	if shown != nil {
		shown.show(out, w)
	}
	fmt.Fprintf(out, "%s\n%d steps on %s, through the same code as the server.\n", t.p.Paint("bold", s.Title), len(s.Steps), s.Repo)
	for i, step := range s.Steps {
		began := time.Now()
		r := w.Step(ctx, step)
		t.step(i+1, len(s.Steps), step, r)
		if !wait(ctx, pause-time.Since(began)) {
			return nil
		}
	}
	t.summary()
	if shown != nil {
		if err := shown.stay(ctx, out); err != nil {
			return err
		}
	}
	if t.failed > 0 {
		return exit{exitBlocked, errors.New("the story did not end as it should")}
	}
	return nil
}

// wait pauses, and reports false when the program is to end.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// teller tells the story step by step.
type teller struct {
	out    io.Writer
	p      scenario.Printer
	w      *scenario.World
	before map[string]scenario.CheckResult
	notes  map[coupling.Pull]string
	flips  int
	silent int // flips for which nobody had pushed
	failed int
}

func (t *teller) step(n, of int, s scenario.Step, r scenario.StepResult) {
	fmt.Fprintf(t.out, "\n%s %s  %s\n", t.p.Paint("dim", fmt.Sprintf("[%d/%d]", n, of)), t.p.Paint("bold", s.Name[strings.Index(s.Name, " ")+1:]), t.p.Paint("dim", t.w.Now().Format("2006-01-02")))
	for _, a := range s.Do {
		if text := event(a); text != "" {
			fmt.Fprintf(t.out, "    · %s\n", text)
		}
	}
	pushed := map[string]bool{}
	for _, a := range s.Do {
		if a.Verb == "push" || a.Verb == "open" {
			pushed[a.Pull.In(t.w.Scenario.Repo)] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(r.Checks)) {
		now, then := r.Checks[key], t.before[key]
		if now.Verdict == then.Verdict && slices.Equal(now.Reasons, then.Reasons) {
			continue
		}
		t.flips++
		if !pushed[key] && then.Verdict != "" {
			t.silent++
		}
		from := then.Verdict
		if from == "" {
			from = "new"
		}
		p, err := coupling.ParsePull(key, t.w.Scenario.Repo)
		if err != nil {
			continue
		}
		c, _ := t.w.GitHub.CurrentCheck(p)
		fmt.Fprintf(t.out, "    %s %s → %s  %s\n", key, t.p.Paint(from, from), t.p.Paint(now.Verdict, now.Verdict), c.Title)
	}
	t.before = r.Checks
	if text := t.note(); text != "" {
		fmt.Fprintf(t.out, "    %s %s\n", t.p.Paint("dim", "note:"), text)
	}
	if !r.OK {
		t.failed++
		for _, f := range r.Failures {
			fmt.Fprintf(t.out, "    %s %s: want %s, got %s\n", t.p.Paint("block", "✗"), f.Path, f.Want, f.Got)
		}
	}
}

// event tells an action in words.
func event(a scenario.Action) string {
	name := fmt.Sprintf("#%d", a.Pull.Number)
	switch a.Verb {
	case "open":
		return fmt.Sprintf("%s opens %s: %s", a.By, name, *a.Title)
	case "push":
		if a.Pull.IsZero() {
			return fmt.Sprintf("%s pushes to %s: %s", a.By, a.Branch, a.Message)
		}
		return fmt.Sprintf("%s pushes to %s", a.By, name)
	case "close", "reopen":
		return fmt.Sprintf("%s %ss %s", a.By, a.Verb, name)
	case "merge":
		return fmt.Sprintf("%s tries to merge %s", a.By, name)
	case "tag":
		return "tag " + a.Name
	case "comment":
		return fmt.Sprintf("%s comments on %s", a.By, name)
	case "policy":
		return "the policy changes: .github/relbot.yml"
	case "edit":
		return name + " is edited"
	}
	return ""
}

var nextAction = regexp.MustCompile(`(?m)^\*\*Next:?\*\*.*$|^.*\*\*Next action.*$`)

// note is the one sentence of the first member's note, when it changed.
func (t *teller) note() string {
	if t.notes == nil {
		t.notes = map[coupling.Pull]string{}
	}
	for _, p := range t.w.GitHub.Pulls(t.w.Scenario.Repo) {
		key := coupling.Pull{Repo: t.w.Scenario.Repo, Number: p.Number}
		for _, c := range t.w.GitHub.Comments(key) {
			if !c.Own || c.Minimized != "" || !strings.Contains(c.Body, "<!-- relbot:note") {
				continue
			}
			text := sentence(c.Body)
			if t.notes[key] == text {
				return ""
			}
			t.notes[key] = text
			return text
		}
	}
	return ""
}

// sentence is the first paragraph of a note below its heading.
func sentence(body string) string {
	if m := nextAction.FindString(body); m != "" {
		return m
	}
	heading := false
	for line := range strings.Lines(body) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#"):
			heading = true
		case heading && line != "" && !strings.HasPrefix(line, "<!--"):
			return line
		}
	}
	return ""
}

func (t *teller) summary() {
	reads, writes := t.w.GitHub.Counts()
	notes := 0
	var pulls []ghsim.Pull
	for _, p := range t.w.GitHub.Pulls(t.w.Scenario.Repo) {
		pulls = append(pulls, p)
		for _, c := range t.w.GitHub.Comments(coupling.Pull{Repo: t.w.Scenario.Repo, Number: p.Number}) {
			if c.Own {
				notes++
			}
		}
	}
	fmt.Fprintf(t.out, "\n%s\n  %d checks flipped on %d pull requests, %d of them with no commit on the pull request.\n  %d comments by relbot in %d days; %d reads and %d writes of GitHub's API.\n",
		t.p.Paint("bold", "In sum"), t.flips, len(pulls), t.silent, notes, int(t.w.Now().Sub(t.w.Scenario.Clock).Hours()/24), reads, writes)
	fmt.Fprintln(t.out, "  The gate was written as 26.20, 26.21, 26.28, 26.32 and 26.33. The change shipped in 26.34: relbot said so of each value, within its first cut.")
}
