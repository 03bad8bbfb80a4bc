package note

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/drift"
	"github.com/relbot/relbot/internal/rules"
)

// ReportTitle is the title of the drift report's issue.
const ReportTitle = "Release coordination: drift report"

// maxRows bounds the tables of a report.
const maxRows = 200

// reportVoice speaks to the readers of a report.
func reportVoice(in drift.Report) voice {
	var js []rules.Judgement
	for _, c := range in.Couplings {
		js = append(js, c.Judgement)
	}
	return voice{home: in.Repo, hidden: hidden(in.Repo, in.Private, js)}
}

// of is the voice in which a row is written.
func (v voice) of(r drift.Row) voice { v.self = r.Pull; return v }

// Report is the body of the drift report's issue. It holds dates since when things stand and no counts of days, so that it
// stays the same over a night without change.
func Report(in drift.Report) string {
	v := reportVoice(in)
	var b strings.Builder
	b.WriteString(driftSentence(in) + "\n")
	if len(in.Drift) > 0 {
		b.WriteString("\n### Drift\n\n| Coupling | What | Since | Owner | Remedy |\n|---|---|---|---|---|\n")
		for _, r := range in.Drift[:min(len(in.Drift), maxRows)] {
			b.WriteString(driftRow(v, r))
		}
		if n := len(in.Drift) - maxRows; n > 0 {
			fmt.Fprintf(&b, "| | … and %d more | | | |\n", n)
		}
	}
	if len(in.Couplings) > 0 {
		b.WriteString("\n### Couplings\n\n| Coupling | State | Open since | What blocks | A cut that would split it | Members | Gates |\n|---|---|---|---|---|---|---|\n")
		for _, c := range in.Couplings[:min(len(in.Couplings), maxRows)] {
			b.WriteString(couplingRow(v, c))
		}
	}
	if len(in.Gates) > 0 {
		b.WriteString("\n### Registered gates\n\n| Gate | Value | First ship | Evidence | Verdict |\n|---|---|---|---|---|\n")
		for _, g := range in.Gates[:min(len(in.Gates), maxRows)] {
			b.WriteString(registeredRow(v, g))
		}
		for _, g := range in.Gates[:min(len(in.Gates), maxRows)] {
			if g.Picture != "" {
				fmt.Fprintf(&b, "\n<details><summary>Releases of %s</summary>\n\n![Which releases have what the gate stands for, and what it names](%s)\n\n</details>\n", v.code(g.ID), g.Picture)
			}
		}
	}
	if aside := besideDrift(in); len(aside) > 0 {
		b.WriteString("\n### Warnings\n\n")
		for _, w := range aside[:min(len(aside), maxRows)] {
			b.WriteString("- " + reason(v, w) + "\n")
		}
	}
	head := reportMark + "\n"
	for _, c := range in.Couplings[:min(len(in.Couplings), maxRows)] {
		if len(head) > maxNote/2 {
			break
		}
		head += stateMarker(v, c.Judgement)
	}
	return head + fold(b.String(), maxNote-len(head), "_This report was shortened; `relbot report` prints all of it._\n")
}

// since is a date between two cells.
var since = regexp.MustCompile(` \| (\d{4}-\d{2}-\d{2}) \| `)

// Recall reads from the text of an earlier report, for a relbot that has lost its memory, which rows of a new one stood there already, with
// their dates, and since when each coupling is open, by name.
func Recall(text string, in drift.Report) (rows []drift.Row, open map[string]string) {
	v := reportVoice(in)
	open = map[string]string{}
	for line := range strings.Lines(text) {
		for _, at := range since.FindAllStringSubmatch(line, -1) {
			for _, r := range in.Drift {
				if r.Since = at[1]; driftRow(v, r) == line {
					rows = append(rows, r)
				}
			}
			for _, c := range in.Couplings {
				if strings.HasPrefix(line, couplingHead(v, c)) {
					open[c.Judgement.Coupling.Name] = at[1]
				}
			}
		}
	}
	return rows, open
}

// couplingHead begins a coupling's row.
func couplingHead(v voice, c drift.Coupling) string {
	return fmt.Sprintf("| %s %s | **", v.code(c.Judgement.Coupling.Name), Escape(c.Judgement.Coupling.Title))
}

// driftSentence counts what has drifted.
func driftSentence(in drift.Report) string {
	switch n := len(in.Drift); n {
	case 0:
		return "Nothing has drifted."
	case 1:
		return "One thing has drifted: what is promised and what branches and tags show differ."
	default:
		return fmt.Sprintf("%d things have drifted: what is promised and what branches and tags show differ.", n)
	}
}

func driftRow(v voice, r drift.Row) string {
	w := v.of(r)
	return fmt.Sprintf("| %s | %s: %s | %s | %s | %s |\n", orElse(v.code(r.Coupling), "—"), v.code(string(r.Code)), w.sentence(r.Reason), r.Since, orElse(v.owner(r), "—"), w.remedy(r.Reason))
}

// owner names who has to act; of a hidden member nobody may learn.
func (v voice) owner(r drift.Row) string {
	if v.hidden[r.Reason.About] || v.hidden[r.Pull] {
		return ""
	}
	return v.code(r.Owner)
}

func couplingRow(v voice, c drift.Coupling) string {
	j := c.Judgement
	var blocks []string
	for _, m := range j.Members {
		for _, r := range m.Verdict.Reasons {
			if m.Verdict.Level == rules.Block || m.Verdict.Level == rules.Unknown {
				if s := v.pull(m.Pull) + ": " + v.code(string(r.Code)); !slices.Contains(blocks, s) {
					blocks = append(blocks, s)
				}
			}
		}
	}
	var members []string
	for _, m := range j.Members {
		s := v.role(m.Role) + " " + v.pull(m.Pull) + " " + m.State
		if v.hidden[m.Pull] {
			s = v.pull(m.Pull) + " " + m.State
		}
		if m.ShipsIn != "" {
			s += ", " + m.ShipsIn
		}
		members = append(members, s)
	}
	var gates []string
	for _, g := range j.Gates {
		s := fmt.Sprintf("%s %s %s", mark(g.Level), v.code(g.ID), orElse(v.code(g.Value), "not found"))
		if g.Want != "" {
			s += ", must name " + g.Want
		}
		if g.Evidence != "" {
			s += " (" + v.code(g.Evidence) + ")"
		}
		gates = append(gates, s)
	}
	return couplingHead(v, c) + fmt.Sprintf("%s** | %s | %s | %s | %s | %s |\n", j.State, orElse(c.Since, "—"),
		orElse(strings.Join(blocks, "; "), "—"), orElse(drift.Split(j), "—"), strings.Join(members, "; "), orElse(strings.Join(gates, "; "), "—"))
}

func registeredRow(v voice, g drift.Gate) string {
	name := v.code(g.ID)
	if g.Title != "" {
		name += " " + Escape(g.Title)
	}
	value := "not found"
	if g.Value != "" {
		value = v.code(g.Value) + v.place(g.Path, g.Line)
	}
	var said []string
	for _, r := range g.Reasons {
		said = append(said, v.code(string(r.Code)))
	}
	if g.Pending {
		said = append(said, "only in an open pull request so far")
	}
	if g.Removable {
		said = append(said, "removable: older than the oldest supported release")
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s |\n", name, value, orElse(g.FirstShip, "—"), orElse(v.code(g.Evidence), "—"), strings.TrimSpace(mark(g.Level)+" "+strings.Join(said, ", ")))
}

// besideDrift are the warnings that no row of drift tells already.
func besideDrift(in drift.Report) []rules.Reason {
	var out []rules.Reason
	for _, w := range in.Warnings {
		if !slices.ContainsFunc(in.Drift, func(r drift.Row) bool { return r.Code == w.Code && r.Reason.Gate == w.Gate && r.Reason.Path == w.Path }) {
			out = append(out, w)
		}
	}
	return out
}

// ReportComment tells the subscribers of the issue what newly drifted. It begins with ReplyMarker("report " + in.At).
func ReportComment(in drift.Report, fresh []drift.Row) string {
	v := reportVoice(in)
	var b strings.Builder
	b.WriteString("Newly drifted:\n\n")
	for _, r := range fresh[:min(len(fresh), maxRows)] {
		w := v.of(r)
		fmt.Fprintf(&b, "- %s", reason(w, r.Reason))
		if r.Coupling != "" {
			fmt.Fprintf(&b, " Coupling: %s.", v.code(r.Coupling))
		}
		if o := v.owner(r); o != "" {
			fmt.Fprintf(&b, " Owner: %s.", o)
		}
		b.WriteString("\n")
	}
	return Reply("report "+in.At, []string{b.String()})
}

// ReportText is a report for a terminal.
func ReportText(in drift.Report) string {
	v := reportVoice(in)
	v.plain, v.raw = true, true
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", in.Repo, driftSentence(in))
	for _, r := range in.Drift {
		w := v.of(r)
		fmt.Fprintf(&b, "\n%s", r.Code)
		if r.Coupling != "" {
			fmt.Fprintf(&b, " in %s", v.code(r.Coupling))
		}
		fmt.Fprintf(&b, ", since %s", r.Since)
		if o := v.owner(r); o != "" {
			fmt.Fprintf(&b, ", owner %s", o)
		}
		fmt.Fprintf(&b, "\n  %s\n  %s\n", w.sentence(r.Reason), w.remedy(r.Reason))
	}
	if len(in.Couplings) > 0 {
		b.WriteString("\nCouplings\n")
	}
	for _, c := range in.Couplings {
		j := c.Judgement
		fmt.Fprintf(&b, "  %s: %s, %s", v.code(j.Coupling.Name), j.State, stateWords(v, j))
		if c.Since != "" {
			fmt.Fprintf(&b, ", since %s", c.Since)
		}
		if s := drift.Split(j); s != "" {
			fmt.Fprintf(&b, "; a cut of %s would split it", s)
		}
		b.WriteString("\n")
	}
	if len(in.Gates) > 0 {
		b.WriteString("\nRegistered gates\n")
	}
	for _, g := range in.Gates {
		fmt.Fprintf(&b, "  %s: %s%s, first ship %s, %s", v.code(g.ID), orElse(v.code(g.Value), "not found"), v.place(g.Path, g.Line), orElse(g.FirstShip, "unknown"), g.Level)
		if g.Pending {
			b.WriteString(", only in an open pull request so far")
		}
		if g.Removable {
			b.WriteString(", removable")
		}
		b.WriteString("\n")
	}
	aside := besideDrift(in)
	if len(aside) > 0 {
		b.WriteString("\nWarnings\n")
	}
	for _, w := range aside {
		fmt.Fprintf(&b, "  %s: %s %s\n", w.Code, v.sentence(w), v.remedy(w))
	}
	return b.String()
}

// Anomaly is what is odd about a gate, in JSON.
type Anomaly struct {
	Code    rules.Code `json:"code"`
	Message string     `json:"message"`
}

// ReportJSON is a report as JSON, ending in a line feed: {"repo","at","drift":[{"coupling","code","since","message","remedy","owner"}],
// "gates":[{"id","path","line","column","name","raw","value","form","anomalies","first_ship","verdict"}],"warnings":[{"code","message"}]}.
// What is unknown is null.
func ReportJSON(in drift.Report) []byte {
	v := reportVoice(in)
	v.plain, v.raw = true, true
	type row struct {
		Coupling *string    `json:"coupling"`
		Code     rules.Code `json:"code"`
		Since    *string    `json:"since"`
		Message  string     `json:"message"`
		Remedy   string     `json:"remedy"`
		Owner    *string    `json:"owner"`
	}
	type gate struct {
		ID        string      `json:"id"`
		Path      *string     `json:"path"`
		Line      *int        `json:"line"`
		Column    *int        `json:"column"`
		Name      *string     `json:"name"`
		Raw       *string     `json:"raw"`
		Value     *string     `json:"value"`
		Form      *string     `json:"form"`
		Anomalies []Anomaly   `json:"anomalies"`
		FirstShip *string     `json:"first_ship"`
		Verdict   rules.Level `json:"verdict"`
	}
	out := struct {
		Repo     coupling.Repo `json:"repo"`
		At       *string       `json:"at"`
		Drift    []row         `json:"drift"`
		Gates    []gate        `json:"gates"`
		Warnings []Anomaly     `json:"warnings"`
	}{in.Repo, orNull(in.At), []row{}, []gate{}, []Anomaly{}}
	for _, r := range in.Drift {
		w := v.of(r)
		out.Drift = append(out.Drift, row{orNull(r.Coupling), r.Code, orNull(r.Since), w.sentence(r.Reason), w.remedy(r.Reason), orNull(v.owner(r))})
	}
	for _, g := range in.Gates {
		anomalies := []Anomaly{}
		for _, r := range g.Reasons {
			anomalies = append(anomalies, Anomaly{r.Code, v.sentence(r)})
		}
		if g.Removable {
			anomalies = append(anomalies, Anomaly{"removable", "It names a release older than the oldest supported one."})
		}
		out.Gates = append(out.Gates, gate{g.ID, orNull(g.Path), orNull(g.Line), orNull(g.Column), orNull(g.Name), orNull(g.Raw), orNull(g.Value), orNull(g.Form), anomalies, orNull(g.FirstShip), g.Level})
	}
	for _, w := range in.Warnings {
		out.Warnings = append(out.Warnings, Anomaly{w.Code, v.sentence(w)})
	}
	b, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		panic(err) // plain data
	}
	return append(b, '\n')
}

// orNull is nil for what is not known.
func orNull[T comparable](t T) *T {
	var zero T
	if t == zero {
		return nil
	}
	return &t
}
