package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/relbot/relbot/internal/store"
)

// auditRow is a row of `relbot audit --format json`, one object a line.
type auditRow struct {
	At      time.Time `json:"at"`
	Repo    string    `json:"repo"`
	PR      int       `json:"pr"`
	Actor   string    `json:"actor"`
	Action  string    `json:"action"`
	Command string    `json:"command"`
	Head    *string   `json:"head"` // commit for which it was given
}

func auditCommand() *cobra.Command {
	var repo, since, format string
	c := &cobra.Command{
		Use:   "audit",
		Short: "Print who ran which command, on which pull request, for which commit",
		Long:  "Print the log of commands, oldest first, from the database; the server may be running.",
		Args:  cobra.NoArgs,
	}
	database := databaseFlags(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if format != "text" && format != "json" {
			return fmt.Errorf("--format %q: want text or json", format)
		}
		var from time.Time
		if since != "" {
			var err error
			if from, err = time.Parse("2006-01-02", since); err != nil {
				return fmt.Errorf("--since %q: want a date such as 2026-04-01", since)
			}
		}
		log, err := visit(cmd.Context(), database)
		if err != nil {
			return err
		}
		defer log.Close()
		const page = 1000
		for after := int64(0); ; {
			rows, err := log.Audits(cmd.Context(), repo, after, page)
			if err != nil {
				return unsure(err)
			}
			for _, a := range rows {
				after = a.Seq
				if a.At.Before(from) {
					continue
				}
				if err := tellAudit(cmd.OutOrStdout(), a, format); err != nil {
					return unsure(err)
				}
			}
			if len(rows) < page {
				return nil
			}
		}
	}
	c.Flags().StringVar(&repo, "repo", "", "only what happened in this repository: owner/name")
	c.Flags().StringVar(&since, "since", "", "only from this date on (UTC)")
	c.Flags().StringVar(&format, "format", "text", "text or json (one object a line)")
	return c
}

func tellAudit(out io.Writer, a store.Audit, format string) error {
	var detail struct{ Command, Head string }
	if err := json.Unmarshal([]byte(a.Detail), &detail); err != nil {
		detail.Command = a.Detail
	}
	if format == "json" {
		return json.NewEncoder(out).Encode(auditRow{a.At.UTC(), a.Repo, a.Pull, a.Actor, a.Action, detail.Command, known(detail.Head)})
	}
	_, err := fmt.Fprintf(out, "%s  %s#%d  %s  %s  %q for %.10s\n", a.At.UTC().Format(time.RFC3339), a.Repo, a.Pull, a.Actor, a.Action, detail.Command, cmp.Or(detail.Head, "no commit"))
	return err
}
