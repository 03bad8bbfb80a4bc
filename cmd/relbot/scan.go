package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/relbot/relbot/internal/policy"
	"github.com/relbot/relbot/internal/scan"
)

// The shapes of `relbot scan --format json`.
type (
	scanAnswer struct {
		Gates []scanGate `json:"gates"`
	}
	scanGate struct {
		ID        *string   `json:"id"`
		Path      *string   `json:"path"`
		Line      *int      `json:"line"`
		Column    *int      `json:"column"`
		Name      *string   `json:"name"`
		Raw       *string   `json:"raw"`
		Value     *string   `json:"value"`
		Form      *string   `json:"form"`
		Anomalies []anomaly `json:"anomalies"`
	}
	anomaly struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
)

func scanCommand() *cobra.Command {
	var format string
	var o scan.Options
	c := &cobra.Command{
		Use:   "scan [DIR]",
		Short: "List every version gate of a tree, with what is odd about it",
		Long:  "List the gates that DIR's policy registers, and with --discover also constants that look like gates.\nExits 1 when a registered gate is missing, ambiguous or no version.",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains([]string{"text", "json", "sarif"}, format) {
				return fmt.Errorf("--format %q: want text, json or sarif", format)
			}
			o.Dir, o.Progress = dirOf(args), progress(cmd)
			if err := scannedPolicy(&o, cmd.ErrOrStderr()); err != nil {
				return err
			}
			answer, err := scan.Scan(cmd.Context(), o)
			if err != nil {
				return err
			}
			for _, f := range answer.Skipped {
				fmt.Fprintln(cmd.ErrOrStderr(), "skipped", printable(f))
			}
			if len(o.Policy.Gates) == 0 && !o.Discover && format == "text" {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s registers no gate; --discover looks for constants that look like gates\n", filepath.Join(o.Dir, policy.Path))
			}
			return scanAnswerOf(answer).write(cmd.OutOrStdout(), format)
		},
	}
	c.Flags().StringVar(&format, "format", "text", "text, json or sarif")
	c.Flags().BoolVar(&o.Discover, "discover", false, "also list constants that look like gates and are not registered")
	c.Flags().StringVar(&o.Since, "since", "", "look only at files that changed since this revision")
	return c
}

// dirOf is the directory that a command's arguments name: the current one, where there is none.
func dirOf(args []string) string {
	if len(args) > 0 {
		return args[0]
	}
	return "."
}

// progress is where words about progress go: a terminal, or nowhere.
func progress(cmd *cobra.Command) io.Writer {
	if f, ok := cmd.ErrOrStderr().(*os.File); ok && isatty.IsTerminal(f.Fd()) {
		return f
	}
	return io.Discard
}

// scannedPolicy reads the policy of the tree that is scanned. A search for gates needs none.
func scannedPolicy(o *scan.Options, stderr io.Writer) error {
	if info, err := os.Stat(o.Dir); err != nil {
		return err
	} else if !info.IsDir() {
		return fmt.Errorf("%s: not a directory", o.Dir)
	}
	path := filepath.Join(o.Dir, policy.Path)
	text, err := os.ReadFile(path)
	switch {
	case err == nil:
		p, err := parsePolicy(placeholder, policy.Path, text, stderr)
		if err != nil {
			return err
		}
		o.Policy = *p
	case !errors.Is(err, fs.ErrNotExist):
		return err
	case !o.Discover:
		return fmt.Errorf("%s: no policy there: nothing is registered; --discover looks for constants that look like gates", path)
	}
	return nil
}

// scanAnswerOf is an answer in the shape in which it is printed.
func scanAnswerOf(a scan.Answer) *scanAnswer {
	out := &scanAnswer{Gates: []scanGate{}}
	for _, g := range a.Gates {
		row := scanGate{ID: known(g.ID), Path: known(g.Path), Name: known(g.Name), Raw: known(g.Raw), Value: known(g.Value.String()), Form: known(g.Form), Anomalies: []anomaly{}}
		if g.Line > 0 {
			row.Line, row.Column = &g.Line, &g.Column
		}
		for _, o := range g.Anomalies {
			row.Anomalies = append(row.Anomalies, anomaly(o))
		}
		out.Gates = append(out.Gates, row)
	}
	return out
}

// write prints the answer and turns gates that cannot be read into an exit code.
func (a *scanAnswer) write(out io.Writer, format string) error {
	var err error
	switch format {
	case "json":
		err = printJSON(out, a)
	case "sarif":
		err = printJSON(out, a.sarif())
	default:
		_, err = io.WriteString(out, actionsJob{getenv: os.Getenv}.shield(a.text()))
	}
	if err != nil {
		return unsure(err)
	}
	unknown := ""
	for _, g := range a.Gates {
		for _, o := range g.Anomalies {
			switch {
			case scan.Anomaly(o).Broken():
				return blocked
			case o.Code == scan.Unreadable:
				unknown = cmp.Or(unknown, fmt.Sprintf("gate %s: %s", deref(g.ID), o.Message))
			}
		}
	}
	if unknown != "" {
		return unsure(errors.New(unknown))
	}
	return nil
}

// printJSON prints data for programs, and for people who read it.
func printJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// text is the answer for people: a line for each gate, and below it what is odd.
func (a *scanAnswer) text() string {
	var b strings.Builder
	for _, g := range a.Gates {
		if g.Line == nil {
			fmt.Fprintf(&b, "%s: %s\n", printable(deref(g.Path)), registration(g.ID))
		} else {
			fmt.Fprintf(&b, "%s:%d:%d: %s = %s (%s) %s\n", printable(deref(g.Path)), *g.Line, *g.Column, deref(g.Name), printable(deref(cmp.Or(g.Value, g.Raw))), deref(g.Form), registration(g.ID))
		}
		for _, o := range g.Anomalies {
			fmt.Fprintf(&b, "    %s: %s\n", o.Code, printable(o.Message))
		}
	}
	return b.String()
}

func deref(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}

// printable is what a tree holds as it may be printed. Control characters would give orders to a terminal, and a new line begins one that is not
// relbot's.
func printable(s string) string {
	if strings.ContainsFunc(s, unicode.IsControl) {
		s = strconv.Quote(s)
	}
	return s
}

// registration names a gate, or says that nobody registered it.
func registration(id *string) string {
	if id == nil {
		return "not registered"
	}
	return "gate " + *id
}
