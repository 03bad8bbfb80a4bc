package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/budget"
	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/drift"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/publish"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/store"
)

// Schedules says when each repository with a policy wants its report.
func (r *Reconciler) Schedules(ctx context.Context) (map[coupling.Repo]rules.Report, error) {
	docs, err := r.Memory.Repos.All(ctx)
	if err != nil {
		return nil, err
	}
	out := map[coupling.Repo]rules.Report{}
	for _, doc := range docs {
		if d := doc.Value; (d.Policy != "" || d.Problems > 0) && !d.Gone && !d.Archived {
			out[doc.Of] = d.Rules().Report
		}
	}
	return out, nil
}

// report brings the drift report's issue into line: its text is rewritten when it changed, a comment tells of new drift, and the
// issue is closed while nothing drifts.
func (r *Reconciler) report(ctx context.Context, c store.Claimed) error {
	ctx = budget.With(ctx, budget.Report)
	repo := coupling.Repo(c.Key)
	d, err := r.Memory.Repos.Load(ctx, repo)
	if err != nil || d.Archived {
		return err
	}
	last, reported, err := r.Memory.Reports.Find(ctx, repo)
	if err != nil {
		return err
	}
	var standing forge.Issue
	if !reported || last.Issue == 0 && !last.Asked.IsZero() { // the first, or one whose answer or whose database was lost
		if standing, err = r.findReport(ctx, repo, d.Rules().Report.Labels[0]); err != nil {
			return err
		}
		if last.Issue = standing.Number; last.Issue > 0 {
			if last.Rows, err = r.recallReport(ctx, repo, standing); err != nil {
				return err
			}
		}
	}
	rep, err := r.Report(ctx, repo, last.Rows)
	if err != nil {
		return err
	}
	body := note.Report(rep)
	drifted := len(rep.Drift) > 0
	hash := publish.Hash([]any{body, drifted})
	if last.Issue > 0 && strings.TrimSpace(standing.Body) == strings.TrimSpace(body) && standing.Open == drifted {
		last.Hash, last.Open = hash, drifted
	}
	if hash == last.Hash || !drifted && last.Issue == 0 {
		return r.keepReport(ctx, repo, last, rep, hash)
	}
	fresh := drift.New(last.Rows, rep.Drift)
	if last.Issue == 0 {
		if err := r.askReport(ctx, repo, last); err != nil {
			return err
		}
		if last.Issue, err = r.Publish.GitHub.CreateIssue(ctx, repo, note.ReportTitle, body, d.Rules().Report.Labels); err != nil {
			return err
		}
		fresh = nil // the issue itself tells of it
	} else if err := r.Publish.GitHub.EditIssue(ctx, repo, forge.Issue{Number: last.Issue, Title: note.ReportTitle, Body: body, Open: drifted}); err != nil {
		return err
	}
	last.Open = drifted
	if len(fresh) > 0 {
		key := "report " + hash
		issue := coupling.Pull{Repo: repo, Number: last.Issue}
		if err := r.Publish.Once(ctx, issue, string(repo)+" "+key, note.ReplyMarker(key), note.ReplyMarker(key)+"\n"+note.ReportComment(rep, fresh), false); err != nil {
			return err
		}
	}
	return r.keepReport(ctx, repo, last, rep, hash)
}

// askReport remembers that an issue is asked for, unless one was a moment ago and may not be listed yet.
func (r *Reconciler) askReport(ctx context.Context, repo coupling.Repo, last memory.Report) error {
	if err := publish.Unlisted(last.Asked, r.Now()); err != nil {
		return err
	}
	_, err := r.Memory.Reports.Update(ctx, repo, func(d *memory.Report) ([]store.Work, bool) {
		d.Asked = r.Now()
		return nil, true
	})
	return err
}

func (r *Reconciler) keepReport(ctx context.Context, repo coupling.Repo, last memory.Report, rep drift.Report, hash string) error {
	_, err := r.Memory.Reports.Update(ctx, repo, func(d *memory.Report) ([]store.Work, bool) {
		before := publish.Hash(*d)
		night := memory.Night{Date: rep.At, Rows: len(rep.Drift), New: len(drift.New(d.Rows, rep.Drift)), By: map[rules.Code]int{}}
		for _, row := range rep.Drift {
			night.By[row.Code]++
		}
		nights := slices.DeleteFunc(slices.Clone(d.Nights), func(n memory.Night) bool {
			if n.Date == night.Date { // the same night's report once more
				night.New += n.New
			}
			return n.Date == night.Date
		})
		nights = append(nights, night)
		*d = last
		d.Asked, d.Hash, d.Rows, d.Gates, d.Nights = time.Time{}, hash, rep.Drift, rep.Gates, nights[max(0, len(nights)-memory.MaxNights):]
		return nil, publish.Hash(*d) != before
	})
	return err
}

// Drift counts the rows of the newest reports of all repositories, by code.
func (r *Reconciler) Drift(ctx context.Context) (map[rules.Code]int, error) {
	docs, err := r.Memory.Reports.All(ctx)
	if err != nil {
		return nil, err
	}
	out := map[rules.Code]int{}
	for _, d := range docs {
		for _, row := range d.Value.Rows {
			out[row.Code]++
		}
	}
	return out, nil
}

// findReport looks for the report's issue by its label and marker; its number is 0 when there is none.
func (r *Reconciler) findReport(ctx context.Context, repo coupling.Repo, label string) (forge.Issue, error) {
	issues, err := r.Publish.GitHub.Issues(ctx, repo, label)
	if err != nil {
		return forge.Issue{}, err
	}
	for _, i := range issues {
		if i.Own && note.IsReport(i.Body) {
			return i, nil
		}
	}
	return forge.Issue{}, nil
}

// recallReport reads from the report that stands since when what it says stands.
func (r *Reconciler) recallReport(ctx context.Context, repo coupling.Repo, standing forge.Issue) ([]drift.Row, error) {
	rep, err := r.Report(ctx, repo, nil)
	if err != nil {
		return nil, err
	}
	rows, open := note.Recall(standing.Body, rep)
	for name, date := range open {
		at, err := time.Parse(time.DateOnly, date)
		if err != nil {
			continue // a person wrote it
		}
		if _, err := r.Memory.Judgements.Update(ctx, coupling.Coupling{Home: repo, Name: name}.Key(), func(d *memory.Judgement) ([]store.Work, bool) {
			if d.Coupling.Name == "" || !at.Before(d.Opened) {
				return nil, false
			}
			d.Opened = at
			return nil, true
		}); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// Report makes a repository's drift report from what GitHub shows now. former are the rows of the report before,
// which keep their dates.
func (r *Reconciler) Report(ctx context.Context, repo coupling.Repo, former []drift.Row) (drift.Report, error) {
	all, err := r.assembled(ctx, repo)
	if err != nil {
		return drift.Report{}, err
	}
	g, s, err := r.gather(ctx, wanted{home: repo, couplings: all})
	if err != nil {
		return drift.Report{}, err
	}
	if g.isOutage() {
		return drift.Report{}, fmt.Errorf("%s: report: %w", repo, g.outage)
	}
	if err := r.lapse(ctx, &s, g); err != nil {
		return drift.Report{}, err
	}
	in := drift.Input{Repo: repo, Private: g.docs[repo].Private, At: r.Now().UTC().Format("2006-01-02")}
	for _, j := range rules.Evaluate(g.policy, s) {
		d, err := r.Memory.Judgements.Load(ctx, j.Coupling.Key())
		if err != nil {
			return drift.Report{}, err
		}
		since := in.At
		if !d.Opened.IsZero() {
			since = d.Opened.UTC().Format("2006-01-02")
		}
		in.Couplings = append(in.Couplings, drift.Coupling{Judgement: j, Since: since})
	}
	facts := s.Repos[repo]
	base := facts.Bases[facts.Default]
	for _, state := range rules.Registered(g.policy, s, repo) {
		row := drift.RegisteredGate{State: state, Found: base.Gates[state.ID].Base.Found.Value}
		if g, _ := g.policy.Gate(state.ID); r.PublicURL != "" {
			if t, ok := timelineOf(g, s, repo, state); ok {
				if row.Picture, err = r.keepTimeline(ctx, repo, state.ID, t); err != nil {
					return drift.Report{}, err
				}
			}
		}
		in.Gates = append(in.Gates, row)
		if len(base.Gates[state.ID].Owners) > 0 {
			in.Pending = append(in.Pending, state.ID)
		}
	}
	if rel := g.policy.Releases; rel != nil && rel.Supported > 0 && facts.Tags.Known() && facts.Branches.Known() {
		in.Oldest, _ = facts.History().Oldest(rel.Supported)
	}
	in.Warnings = rules.Standing(s, repo)
	if d := g.docs[repo]; d.Problems > 0 {
		in.Warnings = append(in.Warnings, rules.BadPolicy(policyPath, 0, "", d.Problems))
	}
	pending, err := r.pendingGates(ctx, repo)
	in.Pending = append(in.Pending, pending...)
	return drift.NewReport(in, former), err
}

// pendingGates are the gates that only open pull requests outside the couplings have, as far as their checks said so.
func (r *Reconciler) pendingGates(ctx context.Context, repo coupling.Repo) ([]string, error) {
	docs, err := r.Memory.Pulls.In(ctx, repo)
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, doc := range docs {
		d := doc.Value
		if d.State != "open" || d.Extra == nil {
			continue
		}
		for _, reason := range slices.Concat(d.Extra.Reasons, d.Extra.Warnings) {
			if reason.Code == rules.GateForeignEdit {
				found[reason.Gate] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}
