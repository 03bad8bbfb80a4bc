package scenario

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Printer writes results for people: a line a step with a mark and its checks. Below it are the title of each check that changed, and the wanted
// and the real value where an expectation failed.
type Printer struct {
	W      io.Writer
	Colour bool
	titles map[string]string // of the checks after the step before
}

var paints = map[string]string{"pass": "32", "wait": "33", "block": "31", "unknown": "35", "dim": "2", "bold": "1"}

// Paint colours a text by a verdict, where colours are wanted.
func (p Printer) Paint(as, text string) string {
	if !p.Colour || paints[as] == "" {
		return text
	}
	return "\x1b[" + paints[as] + "m" + text + "\x1b[0m"
}

// File writes one scenario.
func (p *Printer) File(r FileResult) {
	p.titles = nil
	fmt.Fprintf(p.W, "%s %s\n", p.Paint("bold", r.Title), p.Paint("dim", r.File))
	for _, s := range r.Steps {
		p.Step(s)
	}
}

// Step writes one step.
func (p *Printer) Step(s StepResult) {
	mark := p.Paint("pass", "✓")
	if !s.OK {
		mark = p.Paint("block", "✗")
	}
	checks := p.Checks(s.Checks)
	switch {
	case checks != "":
	case s.Open:
		checks = p.Paint("dim", "no check on any head yet")
	default:
		checks = p.Paint("dim", "nothing is open: nothing was judged")
	}
	fmt.Fprintf(p.W, "  %s %s  %s\n", mark, s.Name, checks)
	for _, key := range slices.SortedFunc(maps.Keys(s.Titles), natural) {
		if title := s.Titles[key]; title != p.titles[key] {
			fmt.Fprintf(p.W, "      %s %s\n", key, p.Paint(s.Checks[key].Verdict, title))
		}
	}
	p.titles = s.Titles
	for _, f := range s.Failures {
		fmt.Fprintf(p.W, "      %s\n        want %s\n        got  %s\n", f.Path, indent(f.Want), indent(f.Got))
	}
}

func indent(s string) string { return strings.ReplaceAll(s, "\n", "\n             ") }

// Checks writes checks in one line: "#1 wait (order-waiting)  #2 pass".
func (p Printer) Checks(checks map[string]CheckResult) string {
	var out []string
	for _, key := range slices.SortedFunc(maps.Keys(checks), natural) {
		c := checks[key]
		text := c.Verdict
		if len(c.Reasons) > 0 {
			text += " (" + strings.Join(c.Reasons, ", ") + ")"
		}
		out = append(out, key+" "+p.Paint(c.Verdict, text))
	}
	return strings.Join(out, "  ")
}

// natural orders "#9" before "#10".
func natural(a, b string) int {
	if len(a) != len(b) && strings.HasPrefix(a, "#") && strings.HasPrefix(b, "#") {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}
