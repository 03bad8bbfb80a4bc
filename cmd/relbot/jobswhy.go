package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/reconcile"
)

func whyCommand(database func() (string, error)) *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "why OWNER/REPO#N",
		Short: "Say what a pull request waits for now, and what its last check waited for",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := coupling.ParsePull(args[0], "")
			if err != nil {
				return fmt.Errorf("%q is no pull request: want OWNER/REPO#N", args[0])
			}
			if format != "text" && format != "json" {
				return fmt.Errorf("--format %q: want text or json", format)
			}
			q, err := openQueue(cmd.Context(), database)
			if err != nil {
				return err
			}
			defer q.Close()
			l, err := reconcile.Why(cmd.Context(), q.db, p, q.jobs, q.refused)
			if err != nil {
				return unsure(err)
			}
			if !l.Known && len(l.Waiting) == 0 && len(l.Refused) == 0 {
				return exit{exitBlocked, fmt.Errorf("relbot has not seen %s", p)}
			}
			return sayWhy(cmd.OutOrStdout(), p, l, format)
		},
	}
	c.Flags().StringVar(&format, "format", "text", "text or json")
	return c
}

// lastCheck is how the check on a head came about, as `relbot jobs why --format json` prints it.
type lastCheck struct {
	Head    string     `json:"head"`
	Verdict string     `json:"verdict"`
	Written time.Time  `json:"written"`
	Event   *string    `json:"event"` // null for a timer
	Since   *time.Time `json:"since"` // when the event arrived; null where that is not known
	Waited  *string    `json:"waited"`
}

// sayWhy prints what a pull request waits for and how its last check came about.
func sayWhy(out io.Writer, p coupling.Pull, l reconcile.Lateness, format string) error {
	rows := rowsOf(l.Waiting, l.Refused)
	var last *lastCheck
	if c := l.Last; !c.At.IsZero() {
		last = &lastCheck{Head: l.Head, Verdict: c.Level, Written: c.At.UTC(), Event: known(c.Event), Waited: known(c.Waited)}
		if since := c.Since.UTC(); !c.Since.IsZero() {
			last.Since = &since
		}
	}
	if format == "json" {
		return json.NewEncoder(out).Encode(map[string]any{"pull": p.String(), "waiting": rows, "check": last})
	}
	fmt.Fprintln(out, p)
	if len(rows) == 0 {
		fmt.Fprintln(out, "  waits for nothing")
	}
	for _, r := range rows {
		fmt.Fprintf(out, "  waits for %s %s: %s", r.Kind, r.Key, r.State)
		if r.Attempts > 0 {
			fmt.Fprintf(out, ", %s", coupling.Count(r.Attempts, "attempt"))
		}
		if r.Next != nil {
			fmt.Fprintf(out, ", next at %s", r.Next.Format(time.RFC3339))
		}
		if r.Error != nil {
			fmt.Fprintf(out, ": %s", *r.Error)
		}
		fmt.Fprintln(out)
	}
	if last == nil {
		fmt.Fprintln(out, "  has no check of relbot on its head")
		return nil
	}
	fmt.Fprintf(out, "  last check: %s on %.8s, written at %s", last.Verdict, last.Head, last.Written.Format(time.RFC3339))
	if last.Since != nil {
		event := "a timer"
		if last.Event != nil {
			event = *last.Event
		}
		fmt.Fprintf(out, ", %s after %s", last.Written.Sub(*last.Since).Round(100*time.Millisecond), event)
	}
	fmt.Fprintln(out)
	if last.Waited != nil {
		fmt.Fprintf(out, "  it waited %s\n", *last.Waited)
	}
	return nil
}
