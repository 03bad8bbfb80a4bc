package dashboard

import (
	"fmt"
	"html/template"
	"net/http"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/drift"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/reconcile"
	"github.com/relbot/relbot/internal/rules"
)

// driftRow is a drift as it is shown.
type driftRow struct {
	Code             rules.Code
	Coupling         string
	Href             string
	Sentence, Remedy string // Markdown
	Since, Owner     string
}

// driftRepo is a repository with its drift.
type driftRepo struct {
	Repo   coupling.Repo
	Href   string
	Up     string
	Count  int
	Change int // since the report before
	At     string
	Rows   []driftRow
	Gates  []driftGate
	Nights []memory.Night
	Trend  template.HTML
}

type driftGate struct {
	ID, Title, Class, Words, Value, Place, FirstShip, Evidence string
	Notes                                                      []string
	SVG                                                        template.HTML
}

// drifts shows the reports of all repositories.
func (d *Dashboard) drifts(r *http.Request, v viewer) (page, error) {
	all, err := d.o.Source.Drifts(r.Context())
	if err != nil {
		return page{}, err
	}
	var out []driftRepo
	for _, one := range all {
		if v.sees(one.Repo) {
			out = append(out, d.driftRepo(one, "small"))
		}
	}
	return page{Template: "drifts", Title: "Drift", Nav: "drift", Live: true, Data: out}, nil
}

func (d *Dashboard) driftRepo(one reconcile.Drifted, size string) driftRepo {
	out := driftRepo{Repo: one.Repo, Href: d.base + "/drift/" + string(one.Repo), Up: d.base + "/drift", Count: len(one.Rows), Nights: one.Nights, Trend: drawTrend(one.Nights, size)}
	if n := len(one.Nights); n > 0 {
		out.At = one.Nights[n-1].Date
		if n > 1 {
			out.Change = one.Nights[n-1].Rows - one.Nights[n-2].Rows
		}
	}
	return out
}

// drift shows the report of one repository.
func (d *Dashboard) drift(r *http.Request, v viewer) (page, error) {
	repo := coupling.Repo(r.PathValue("owner") + "/" + r.PathValue("name"))
	if !v.sees(repo) {
		return page{}, errNothing
	}
	all, err := d.o.Source.Drifts(r.Context())
	if err != nil {
		return page{}, err
	}
	for _, one := range all {
		if one.Repo != repo {
			continue
		}
		out := d.driftRepo(one, "large")
		var reasons []rules.Reason
		var about []rules.MemberState
		for _, row := range one.Rows {
			reasons, about = append(reasons, row.Reason), append(about, rules.MemberState{Pull: row.Pull})
		}
		for _, g := range one.Gates {
			reasons = append(reasons, g.Reasons...)
		}
		reader := note.NewReader(repo, v.sees, rules.Judgement{Warnings: reasons, Members: about})
		for _, row := range one.Rows {
			out.Rows = append(out.Rows, d.driftRow(repo, row, reader))
		}
		for _, g := range one.Gates {
			shown, err := d.driftGate(r, repo, g, reader)
			if err != nil {
				return page{}, err
			}
			out.Gates = append(out.Gates, shown)
		}
		return page{Template: "drift", Title: "Drift in " + string(repo), Nav: "drift", Live: true, Data: out}, nil
	}
	return page{}, errNothing
}

func (d *Dashboard) driftRow(repo coupling.Repo, row drift.Row, reader note.Reader) driftRow {
	out := driftRow{Code: row.Code, Coupling: row.Coupling, Since: row.Since, Owner: row.Owner}
	out.Sentence, out.Remedy = reader.Say(row.Pull, row.Reason)
	if reader.Hidden(row.Reason.About) || reader.Hidden(row.Pull) {
		out.Owner = ""
	}
	if row.Coupling != "" {
		out.Href = d.couplingHref(coupling.Coupling{Home: repo, Name: row.Coupling})
	}
	return out
}

func (d *Dashboard) driftGate(r *http.Request, repo coupling.Repo, g drift.Gate, reader note.Reader) (driftGate, error) {
	out := driftGate{ID: g.ID, Title: g.Title, Class: string(g.Level), Words: levelWords[g.Level], Value: g.Value, FirstShip: g.FirstShip, Evidence: g.Evidence}
	if g.Level == rules.Pass {
		out.Words = "right"
	}
	if g.Path != "" {
		out.Place = fmt.Sprintf("%s:%d", g.Path, g.Line)
	}
	for _, x := range g.Reasons {
		sentence, _ := reader.Say(coupling.Pull{}, x)
		out.Notes = append(out.Notes, sentence)
	}
	if g.Pending {
		out.Notes = append(out.Notes, "It is only in an open pull request so far.")
	}
	if g.Removable {
		out.Notes = append(out.Notes, "Removable: it names a release older than the oldest supported one.")
	}
	t, ok, err := d.o.Source.GateTimeline(r.Context(), repo, g.ID)
	if ok {
		out.SVG = drawTimeline(t)
	}
	return out, err
}
