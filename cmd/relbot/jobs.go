package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/reconcile"
	"github.com/relbot/relbot/internal/store"
)

func jobsCommand() *cobra.Command {
	var format string
	var all bool
	c := &cobra.Command{
		Use:   "jobs",
		Short: "List the work that fails, was given up or refused, and why; the server may be running",
		Long: "List the work that fails, was given up or refused, and why; with --all also what merely waits. Failing work is tried again by itself, for four days;\n" +
			"what was given up waits for an event of the same pull request or repository, or for `relbot jobs retry`. What GitHub refused to write is tried again\n" +
			"when an account changes what it grants, and each time everything is looked at again. The server may be running.",
		Args: cobra.NoArgs,
	}
	database := databaseFlags(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if format != "table" && format != "json" {
			return fmt.Errorf("--format %q: want table or json", format)
		}
		q, err := openQueue(cmd.Context(), database)
		if err != nil {
			return err
		}
		defer q.Close()
		if err := tellJobs(cmd.OutOrStdout(), q.jobs, q.refused, all, format); err != nil {
			return unsure(err)
		}
		return nil
	}
	c.Flags().StringVar(&format, "format", "table", "table or json")
	c.Flags().BoolVar(&all, "all", false, "also what waits, and what is being worked on")
	c.AddCommand(whyCommand(database), retryCommand(database), dropCommand(database))
	return c
}

// queue is what `relbot jobs` needs of the database, with what was in it when it was opened.
type queue struct {
	db interface {
		Drop(ctx context.Context, kind, key string) error
		memory.Store
		io.Closer
	}
	jobs    []store.Job
	refused []reconcile.Refusal
}

func (q queue) Close() error { return q.db.Close() }

// openQueue opens the queue of a server that may be running.
func openQueue(ctx context.Context, database func() (string, error)) (queue, error) {
	db, err := visit(ctx, database)
	if err != nil {
		return queue{}, err
	}
	q := queue{db: db}
	if q.jobs, err = db.Jobs(ctx); err == nil {
		q.refused, err = reconcile.Refusals(ctx, db)
	}
	if err != nil {
		return queue{}, errors.Join(unsure(err), db.Close())
	}
	return q, nil
}

// state says which state a row is in.
func state(j store.Job) string {
	switch {
	case j.Stuck:
		return "given up"
	case j.Owner != "":
		return "at work"
	case j.Attempt > 0:
		return "failing"
	}
	return "waiting"
}

// jobRow is a row of `relbot jobs --format json`.
type jobRow struct {
	Kind     string     `json:"kind"`
	Key      string     `json:"key"`
	State    string     `json:"state"` // given up, refused, failing, at work, waiting
	Attempts int        `json:"attempts"`
	Next     *time.Time `json:"next"` // when it is tried again; null when it was given up or refused
	Error    *string    `json:"error"`
}

func tellJobs(out io.Writer, jobs []store.Job, refused []reconcile.Refusal, all bool, format string) error {
	if !all {
		jobs = slices.DeleteFunc(slices.Clone(jobs), func(j store.Job) bool { return !j.Stuck && j.Attempt == 0 })
	}
	rows := rowsOf(jobs, refused)
	if format == "json" {
		return json.NewEncoder(out).Encode(map[string]any{"jobs": rows})
	}
	if len(rows) == 0 {
		_, err := fmt.Fprintln(out, "nothing fails")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KIND\tKEY\tSTATE\tATTEMPTS\tNEXT\tERROR")
	for _, r := range rows {
		next, cause := "-", "-"
		if r.Next != nil {
			next = r.Next.Format(time.RFC3339)
		}
		if r.Error != nil {
			cause = *r.Error
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", r.Kind, r.Key, r.State, r.Attempts, next, cause)
	}
	return w.Flush()
}

// rowsOf returns rows of work as they are printed.
func rowsOf(jobs []store.Job, refused []reconcile.Refusal) []jobRow {
	rows := []jobRow{}
	for _, r := range refused {
		rows = append(rows, jobRow{r.Kind, r.Key, "refused", r.Times, nil, &r.Cause})
	}
	for _, j := range jobs {
		r := jobRow{j.Kind, j.Key, state(j), j.Attempt, nil, known(j.Error)}
		if at := j.At.UTC(); !j.Stuck && !j.At.IsZero() {
			r.Next = &at
		}
		rows = append(rows, r)
	}
	return rows
}

// chosen are the rows that arguments name, or all that fail or were given up.
func chosen(jobs []store.Job, args []string, all bool) ([]store.Job, error) {
	var out []store.Job
	for _, j := range jobs {
		if all && (j.Stuck || j.Attempt > 0) || !all && j.Kind == args[0] && j.Key == args[1] {
			out = append(out, j)
		}
	}
	if len(out) == 0 && !all {
		return nil, fmt.Errorf("no work %s %s", args[0], args[1])
	}
	return out, nil
}

func retryCommand(database func() (string, error)) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "retry KIND KEY | --all",
		Short: "Have work that fails, was given up or refused done again now",
		Args:  cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) || !all && len(args) != 2 {
				return errors.New("name the work by its kind and key, as `relbot jobs` lists it, or give --all")
			}
			q, err := openQueue(cmd.Context(), database)
			if err != nil {
				return err
			}
			defer q.Close()
			for _, r := range q.refused {
				q.jobs = append(q.jobs, store.Job{Work: r.Work, Attempt: r.Times})
			}
			jobs, err := chosen(q.jobs, args, all)
			if err != nil {
				return exit{exitBlocked, err}
			}
			for _, j := range jobs {
				if err := q.db.Enqueue(cmd.Context(), store.Work{Kind: j.Kind, Key: j.Key, Lane: j.Lane, Data: j.Data, Origin: j.Origin}); err != nil {
					return unsure(err)
				}
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d to be done again\n", len(jobs))
			return nil
		},
	}
	c.Flags().BoolVar(&all, "all", false, "all that fails, was given up or refused")
	return c
}

func dropCommand(database func() (string, error)) *cobra.Command {
	return &cobra.Command{
		Use:   "drop KIND KEY",
		Short: "Forget a row of work; an event or the next look at everything may bring it back",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := openQueue(cmd.Context(), database)
			if err != nil {
				return err
			}
			defer q.Close()
			if _, err := chosen(q.jobs, args, false); err != nil {
				return exit{exitBlocked, err}
			}
			if err := q.db.Drop(cmd.Context(), args[0], args[1]); err != nil {
				return unsure(err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s %s dropped\n", args[0], args[1])
			return nil
		},
	}
}
