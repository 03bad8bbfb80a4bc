package dashboard

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/rules"
)

// pullPage is the page to which a check's Details link and a note lead.
type pullPage struct {
	Pull       coupling.Pull
	Href       string // on GitHub
	Open       bool
	Class      string
	Check      string // its title, in plain text
	PullTitle  string
	Reasons    []said
	Proposals  []string
	NearMisses []string
	Preview    []string
	Problems   []problem
	Couplings  []couplingView
	Unseen     int // couplings that the viewer may not see
}

type problem struct {
	Place, Text string
	Line        int
}

// pullOf is the pull request that an address names.
func pullOf(r *http.Request) (coupling.Pull, bool) {
	if r.PathValue("number") == "" {
		return coupling.Pull{}, false
	}
	p, err := coupling.ParsePull(r.PathValue("owner")+"/"+r.PathValue("name")+"#"+r.PathValue("number"), "")
	return p, err == nil
}

// pull shows one pull request.
func (d *Dashboard) pull(r *http.Request, v viewer) (page, error) {
	p, ok := pullOf(r)
	if !ok || !v.sees(p.Repo) {
		return page{}, errNothing
	}
	seen, ok, err := d.o.Source.PullView(r.Context(), p)
	if err != nil {
		return page{}, err
	}
	if !ok {
		return page{}, errNothing
	}
	out := pullPage{Pull: p, Href: d.onGitHub(p), Open: seen.Open, Class: string(seen.Verdict.Level), Proposals: seen.Proposals, NearMisses: seen.NearMisses}
	var visible []rules.Judgement
	var verdicts []rules.Verdict
	if seen.Extra != nil {
		verdicts = append(verdicts, *seen.Extra)
	}
	for _, c := range seen.Couplings {
		if !v.sees(c.Coupling.Home) {
			out.Unseen++
			continue
		}
		visible = append(visible, c.Judgement)
		h, err := d.o.Source.History(r.Context(), c.Coupling.Key())
		if err != nil {
			return page{}, err
		}
		view, err := d.view(r, c, h, v)
		if err != nil {
			return page{}, err
		}
		view.Sub, view.Linked = true, !v.keyed
		out.Couplings = append(out.Couplings, view)
		if m, ok := c.Member(p); ok {
			out.PullTitle = cmp.Or(out.PullTitle, m.Title)
			verdicts = append(verdicts, m.Verdict)
		}
	}
	// What a coupling says that the viewer may not see is not repeated, but that it is in the way is.
	verdict := seen.Verdict
	if out.Unseen > 0 {
		if verdict = rules.Combine(p, verdicts...); verdict.Level != seen.Verdict.Level {
			verdict = rules.Verdict{Pull: p, Level: seen.Verdict.Level, Warnings: verdict.Warnings}
		}
	}
	reader := note.NewReader(p.Repo, v.sees, append(visible, rules.Judgement{Warnings: append(verdict.Reasons, verdict.Warnings...)})...)
	switch {
	case !seen.Open:
		out.Class, out.Check = "gone", "This pull request is not open; no check is posted on it."
	case out.Unseen > 0 && len(verdict.Reasons) == 0 && verdict.Level != rules.Pass:
		out.Check = capital(levelWords[verdict.Level]) + ": a coupling that you may not see is in the way"
	default:
		out.Check = reader.Title(p, verdict, visible)
	}
	add := func(class string, rs []rules.Reason) {
		for _, x := range rs {
			out.Reasons = append(out.Reasons, reasonOf(reader, coupling.Pull{}, class, x))
		}
	}
	if seen.Open {
		add(out.Class, verdict.Reasons)
		add("warn", verdict.Warnings)
	}
	for _, line := range seen.Preview {
		name, _, _ := strings.Cut(line, ":")
		if q, err := coupling.ParsePull(name, p.Repo); err == nil && v.sees(q.Repo) {
			out.Preview = append(out.Preview, line)
		}
	}
	for i := range out.Couplings { // what is above need not be said again
		c := &out.Couplings[i]
		c.Reasons = slices.DeleteFunc(c.Reasons, func(s said) bool {
			return slices.ContainsFunc(out.Reasons, func(o said) bool { return o.Code == s.Code && o.Sentence == s.Sentence })
		})
	}
	for _, a := range seen.Annotations {
		out.Problems = append(out.Problems, problem{a.Path, a.Message, a.Line})
	}
	return page{Template: "pull", Title: p.String(), Nav: "", Live: true, Data: out}, nil
}
