package note

import (
	"fmt"
	"slices"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/flip"
	"github.com/relbot/relbot/internal/rules"
)

// Reader is somebody who looks at a page. What lies in repositories that they may not read is neither named nor quoted to them. Texts are
// Markdown, but where plain text is promised.
type Reader struct{ v voice }

// NewReader makes a reader of pages of a home repository, who sees the repositories that sees accepts. The judgements are those of which the
// page speaks.
func NewReader(home coupling.Repo, sees func(coupling.Repo) bool, js ...rules.Judgement) Reader {
	v := voice{home: home, hidden: map[coupling.Pull]bool{}}
	for _, j := range js {
		for _, p := range mentioned(j) {
			if !p.IsZero() && !sees(p.Repo) {
				v.hidden[p] = true
			}
		}
	}
	return Reader{v}
}

// mentioned are the pull requests that a judgement names anywhere.
func mentioned(j rules.Judgement) []coupling.Pull {
	var out []coupling.Pull
	reasons := func(rs ...rules.Reason) {
		for _, r := range rs {
			out = append(append(out, r.About, r.Owner), r.Pulls...)
		}
	}
	for _, m := range j.Coupling.Members {
		out = append(out, m.Pull)
	}
	for _, m := range j.Members {
		out = slices.Concat(append(out, m.Pull), m.WaitsFor, m.With)
		reasons(m.Verdict.Reasons...)
		reasons(m.Verdict.Warnings...)
	}
	for _, g := range j.Gates {
		out = append(out, g.Owner)
		reasons(g.Reasons...)
	}
	for _, a := range j.Alarms {
		reasons(a.Reason)
	}
	reasons(j.Warnings...)
	if e := j.Coupling.End; e != nil {
		out = append(out, e.Successor)
	}
	return out
}

// Hidden reports whether a pull request lies where the reader may not look.
func (r Reader) Hidden(p coupling.Pull) bool { return r.v.hidden[p] }

// plainly is the voice for plain text.
func (r Reader) plainly() voice {
	v := r.v
	v.plain, v.raw = true, true
	return v
}

// Pull names a pull request, in plain text.
func (r Reader) Pull(p coupling.Pull) string { return r.plainly().pull(p) }

// Role names a role, in plain text.
func (r Reader) Role(role string) string { return r.plainly().role(role) }

// State says where a coupling stands, as a sentence.
func (r Reader) State(j rules.Judgement) string { return capital(stateWords(r.v, j)) + "." }

// Next says the next action, and the logins of those whose it is.
func (r Reader) Next(j rules.Judgement) (text string, by []string) {
	text, by = action(r.v, j)
	return capital(text), by
}

// Say says a reason and its remedy. self is the member on which it stands; zero where it is the coupling's.
func (r Reader) Say(self coupling.Pull, x rules.Reason) (sentence, remedy string) {
	v := r.v
	v.self = self
	if v.hidden[x.About] || v.hidden[x.Owner] || slices.ContainsFunc(x.Pulls, func(p coupling.Pull) bool { return v.hidden[p] }) {
		x.Detail, x.By, x.Commit, x.Tag, x.Method, x.Edges = "", "", "", "", "", nil
	}
	return v.sentence(x), v.remedy(x)
}

// Title is the title of the check on a pull request, in plain text.
func (r Reader) Title(p coupling.Pull, verdict rules.Verdict, js []rules.Judgement) string {
	return title(r.v, CheckInput{Pull: p, Verdict: verdict, Judgements: js})
}

// GateHref is where a gate's value stands, from the root of GitHub's pages; "" where that is not known.
func (r Reader) GateHref(j rules.Judgement, g rules.GateState) string { return gateHref(r.v, j, g) }

// Edge says an order edge with its reason.
func (r Reader) Edge(e coupling.Edge) string { return r.v.edge(e) }

// Cause says what caused a flip, in plain text.
func (r Reader) Cause(c flip.Cause, sees func(coupling.Repo) bool) string {
	repo := c.Repo
	if !c.Pull.IsZero() {
		repo = c.Pull.Repo
	}
	if repo != "" && !sees(repo) {
		return "something in a private repository"
	}
	v := r.plainly()
	pull := v.pull(c.Pull)
	in := ""
	if repo != "" && !repo.Same(v.home) {
		in = " in " + string(repo)
	}
	by := ""
	if c.By != "" {
		by = " by " + v.code(c.By)
	}
	name := v.code(c.Name)
	switch c.Kind {
	case flip.Joined:
		return pull + " became a member"
	case flip.Command:
		return "command" + by + ": " + name
	case flip.Override:
		return "override of " + name + by
	case flip.Lapsed:
		return "the override of " + name + " ended"
	case flip.Pushed:
		return fmt.Sprintf("%s was pushed (%s)", pull, v.commit(c.Commit))
	case flip.Merged:
		return pull + " was merged" + by
	case flip.Closed:
		return pull + " was closed"
	case flip.Reopened:
		return pull + " was opened again"
	case flip.Draft:
		return pull + " was made a draft"
	case flip.Ready:
		return pull + " was marked as ready for review"
	case flip.Readable:
		return pull + " can be read now"
	case flip.Gone:
		return pull + " cannot be read any more"
	case flip.Retarget:
		return pull + " now targets " + name
	case flip.Tagged:
		return "tag " + name + " was created" + in
	case flip.Untagged:
		return "tag " + name + " was deleted" + in
	case flip.Line:
		return "release line " + name + " was created" + in
	case flip.Policy:
		return "the policy changed" + in
	case flip.Base:
		return fmt.Sprintf("%s moved to %s%s", name, v.commit(c.Commit), in)
	case flip.Outage:
		return "GitHub did not answer"
	case flip.Answering:
		return "GitHub answers again"
	}
	return "something changed"
}
