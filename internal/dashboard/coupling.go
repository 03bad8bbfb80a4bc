package dashboard

import (
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/drift"
	"github.com/relbot/relbot/internal/flip"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/reconcile"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/timeline"
)

// said is a reason as it is shown.
type said struct {
	Code     rules.Code
	Class    string // of the level
	Who      string // the member that has it, in plain text
	Sentence string // Markdown
	Remedy   string // Markdown
}

// member is a row of the table of members.
type member struct {
	Role      string
	Pull      string
	Href      string // on GitHub; "" for one that stays unnamed
	Page      string // here
	Title     string
	Author    string
	Class     string
	Words     string // of the verdict or the state
	SafeAlone bool
	WaitsFor  string
	ShipsIn   string
	Shipped   bool
	Evidence  string // tag and method
	Also      []also
}

// also is another coupling that a member is in.
type also struct {
	Title, Href, Words string
}

// gate is a row of the table of gates.
type gate struct {
	ID, Title string
	Class     string
	Words     string
	Value     string
	Href      string // of its line, on GitHub
	Place     string
	In        string // the pull request that changes it
	Want      string
	Subject   string
	Evidence  string
}

// event is what flipped at one time, for one cause.
type event struct {
	At     time.Time
	Causes []string
	Flips  []flipped
}

type flipped struct {
	pull     coupling.Pull
	Who      string
	From, To mark
}

type mark struct {
	Class, Words string
	Codes        []rules.Code
}

// chart is a drawing of releases, and the same in a table.
type chart struct {
	Repo     string
	SVG      template.HTML
	Releases []timeline.Release
	Train    string
	Lanes    []lane
	Earlier  int
}

type lane struct {
	timeline.Lane
	Label string
	Cells []string
}

// couplingView is all that a page shows of a coupling.
type couplingView struct {
	Key, Title, Name, Href string
	Repo                   coupling.Repo
	Standing               standing
	State                  coupling.State
	Sentence               string // Markdown
	Next                   string // Markdown
	By                     []string
	Train, Base            string
	Split                  string
	Opened                 time.Time
	Outage                 time.Time
	Origin                 coupling.Origin
	Members                []member
	Alarms                 []said
	Reasons                []said
	Graph                  template.HTML
	Edges                  []string // Markdown
	Charts                 []chart
	Gates                  []gate
	Events                 []event
	Unseen                 int  // members that the viewer may not know
	Sub                    bool // it is on a page of something else
	Linked                 bool // it has a page of its own for this viewer
}

// coupling shows one coupling.
func (d *Dashboard) coupling(r *http.Request, v viewer) (page, error) {
	home := coupling.Repo(r.PathValue("owner") + "/" + r.PathValue("name"))
	if !v.sees(home) {
		return page{}, errNothing
	}
	c, h, ok, err := d.o.Source.Coupling(r.Context(), coupling.Coupling{Home: home, Name: r.PathValue("coupling")}.Key())
	if err != nil {
		return page{}, err
	}
	if !ok {
		return page{}, errNothing
	}
	view, err := d.view(r, c, h, v)
	return page{Template: "coupling", Title: view.Title, Nav: "couplings", Live: true, Data: view}, err
}

// view makes what a viewer may see of a coupling.
func (d *Dashboard) view(r *http.Request, c reconcile.Coupled, h reconcile.History, v viewer) (couplingView, error) {
	others, worst, err := d.others(r.Context(), c)
	if err != nil {
		return couplingView{}, err
	}
	j := c.Judgement
	reader := note.NewReader(j.Coupling.Home, v.sees, j)
	out := couplingView{
		Key: string(j.Coupling.Key()), Title: j.Coupling.Heading(), Name: j.Coupling.Name, Href: d.couplingHref(j.Coupling), Repo: j.Coupling.Home, Standing: standingOf(j, worst), State: j.State,
		Sentence: reader.State(j), Train: j.Train, Base: j.Base, Opened: c.Opened, Outage: c.Outage, Origin: j.Coupling.Origin,
	}
	out.Next, out.By = reader.Next(j)
	if !j.State.Ended() {
		out.Split = drift.Split(j)
	}
	say := func(self coupling.Pull, class string, x rules.Reason) said { return reasonOf(reader, self, class, x) }
	for _, a := range j.Alarms {
		out.Alarms = append(out.Alarms, say(coupling.Pull{}, "block", a.Reason))
	}
	add := func(s said) {
		if i := slices.IndexFunc(out.Reasons, func(o said) bool { return o.Code == s.Code && o.Sentence == s.Sentence }); i < 0 {
			out.Reasons = append(out.Reasons, s)
		} else if !strings.Contains(out.Reasons[i].Who, s.Who) {
			out.Reasons[i].Who += ", " + s.Who
		}
	}
	for _, m := range j.Members {
		row := member{Role: reader.Role(m.Role), Pull: reader.Pull(m.Pull)}
		row.Class, row.Words = look(m, worst)
		if m.State == "draft" && row.Class != "draft" {
			row.Words = "draft, " + row.Words
		}
		if reader.Hidden(m.Pull) {
			out.Unseen++
			row.Role = "—"
			out.Members = append(out.Members, row)
			continue
		}
		var waits []string
		for _, w := range m.WaitsFor {
			waits = append(waits, reader.Pull(w))
		}
		slices.Sort(waits)
		for _, w := range m.With {
			waits = append(waits, "together with "+reader.Pull(w))
		}
		row.WaitsFor = strings.Join(slices.Compact(waits), ", ")
		row.Title, row.Author, row.SafeAlone, row.ShipsIn, row.Shipped = m.Title, m.Author, m.SafeAlone, m.ShipsIn, m.Shipped
		row.Href, row.Page = d.onGitHub(m.Pull), d.pullHref(m.Pull)
		if m.Tag != "" {
			row.Evidence = m.Tag
			if m.Method != "" {
				row.Evidence += ", by " + m.Method
			}
		}
		for _, o := range others[m.Pull] {
			om, _ := o.Member(m.Pull)
			a := also{Title: "another coupling, which you may not see", Words: levelWords[om.Verdict.Level]}
			if v.sees(o.Coupling.Home) {
				a.Title, a.Href = o.Coupling.Heading(), d.couplingHref(o.Coupling)
			}
			row.Also = append(row.Also, a)
		}
		out.Members = append(out.Members, row)
		for _, x := range m.Verdict.Reasons {
			if x.Code != rules.NotCoupled && isOpen(m) {
				add(say(m.Pull, string(m.Verdict.Level), x))
			}
		}
	}
	for _, m := range j.Members {
		if !reader.Hidden(m.Pull) {
			for _, x := range m.Verdict.Warnings {
				add(say(m.Pull, "warn", x))
			}
		}
	}
	for _, x := range j.Warnings {
		add(say(coupling.Pull{}, "warn", x))
	}
	slices.SortStableFunc(out.Reasons, func(a, b said) int { return order[a.Class] - order[b.Class] })
	for _, e := range j.Coupling.Order {
		out.Edges = append(out.Edges, reader.Edge(e))
	}
	out.Graph = graph(j, reader, worst)
	for _, ch := range h.Charts {
		if c, ok := chartOf(ch, reader, v); ok {
			out.Charts = append(out.Charts, c)
		}
	}
	for _, g := range j.Gates {
		out.Gates = append(out.Gates, d.gate(j, g, reader))
	}
	out.Events = events(h.Flips, reader, v)
	return out, nil
}

// reasonOf says a reason that is on a member, or with a zero one on the page's own subject.
func reasonOf(reader note.Reader, self coupling.Pull, class string, x rules.Reason) said {
	s := said{Code: x.Code, Class: class}
	s.Sentence, s.Remedy = reader.Say(self, x)
	if !self.IsZero() {
		s.Who = reader.Pull(self)
	}
	return s
}

// order sorts reasons by how much they matter.
var order = map[string]int{"block": 0, "unknown": 1, "wait": 2, "pass": 3, "warn": 4}

func (d *Dashboard) onGitHub(p coupling.Pull) string {
	return fmt.Sprintf("%s/%s/pull/%d", d.o.WebURL, p.Repo, p.Number)
}

func (d *Dashboard) pullHref(p coupling.Pull) string {
	return fmt.Sprintf("%s/pulls/%s/%d", d.base, p.Repo, p.Number)
}

func (d *Dashboard) gate(j rules.Judgement, g rules.GateState, reader note.Reader) gate {
	out := gate{ID: g.ID, Title: g.Title, Class: string(g.Level), Words: levelWords[g.Level], Value: g.Value, Want: g.Want, Evidence: g.Evidence, Subject: "its evidence"}
	if g.Level == rules.Pass {
		out.Words = "right"
	}
	if out.Evidence == "train" { // no release shows it yet
		out.Evidence = ""
	}
	if href := reader.GateHref(j, g); href != "" {
		out.Href = d.o.WebURL + href
	}
	if g.Path != "" {
		out.Place = g.Path
		if g.Line > 0 {
			out.Place += fmt.Sprintf(":%d", g.Line)
		}
	}
	if !g.Owner.IsZero() {
		out.In = reader.Pull(g.Owner)
		if reader.Hidden(g.Owner) {
			out.Place = ""
		}
	}
	if g.Subject != coupling.Evidence {
		out.Subject = "first ship of " + reader.Role(g.Subject)
		if m, ok := j.Coupling.ByRole(g.Subject); ok && reader.Hidden(m.Pull) {
			out.Evidence = ""
		}
	}
	return out
}

// events groups flips that were found together, newest first, with what caused them.
func events(flips []flip.Flip, reader note.Reader, v viewer) []event {
	var out []event
	for _, f := range flips {
		who := reader.Role(f.Role) + " " + reader.Pull(f.Pull)
		if !v.sees(f.Pull.Repo) {
			who = "a member in a private repository"
		}
		if last := len(out) - 1; last < 0 || !out[last].At.Equal(f.At) || slices.ContainsFunc(out[last].Flips, func(o flipped) bool { return o.pull == f.Pull }) {
			out = append(out, event{At: f.At})
		}
		e := &out[len(out)-1]
		for _, c := range f.Causes {
			if text := reader.Cause(c, v.sees); !slices.Contains(e.Causes, text) {
				e.Causes = append(e.Causes, text)
			}
		}
		e.Flips = append(e.Flips, flipped{f.Pull, who, markOf(f.From), markOf(f.To)})
	}
	return out
}

func markOf(m flip.Mark) mark {
	switch {
	case m.State == "":
		return mark{}
	case m.Open():
		return mark{string(m.Level), levelWords[m.Level], m.Codes}
	case m.State == "merged":
		return mark{Class: "merged", Words: "merged"}
	case m.State == "unreadable":
		return mark{Class: "unknown", Words: m.State}
	}
	return mark{Class: "gone", Words: m.State}
}

// chartOf is what a viewer may see of a chart.
func chartOf(c timeline.Chart, reader note.Reader, v viewer) (chart, bool) {
	out := chart{Repo: c.Repo, Releases: c.Releases, Train: c.Train, Earlier: c.Earlier}
	if !v.sees(coupling.Repo(c.Repo)) || len(c.Releases) == 0 {
		return out, false
	}
	for _, l := range c.Lanes {
		shown := lane{Lane: l, Label: reader.Role(l.Name)}
		if p, err := coupling.ParsePull(l.Pull, ""); err == nil {
			shown.Label += " " + p.In(coupling.Repo(c.Repo))
		}
		if l.Gate {
			shown.Label = "gate " + l.Name
		}
		for _, has := range l.Has {
			shown.Cells = append(shown.Cells, map[rune]string{timeline.Has: "has it", timeline.HasNot: "without", timeline.NotKnown: "unknown"}[has])
		}
		out.Lanes = append(out.Lanes, shown)
	}
	out.SVG = drawChart(out)
	return out, true
}
