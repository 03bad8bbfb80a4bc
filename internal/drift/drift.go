// Package drift lists the differences between what should hold and what holds.
//
// A row of drift is a promise that branches and tags contradict, and that stays contradicted until somebody acts. So
// these are drift: an alarm in force, a half-landed coupling, a block that came without a commit of the member.
// What could not be read is drift too, as is a registered gate that the release history contradicts, and a dev version that lags. These are not: waiting for a predecessor, a hold,
// a wrong base, and a gate that its author set wrong on an open pull request. Nor is a gate that so far
// is only in an open pull request. Members that may ship alone do not make a coupling half-landed.
//
// Rows carry the date since which they stand and no count of days, so that a night without change changes nothing.
// Everything is a pure function of its arguments; the words are package note's.
package drift

import (
	"cmp"
	"slices"
	"strings"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/versionscan/find"
	"github.com/relbot/relbot/internal/versionscan/release"
)

// Row is one drift. Its code is Reason.Code; its sentence and remedy are written by package note.
type Row struct {
	Coupling string       `json:"coupling,omitempty"` // name; "" where it is the repository's own
	Code     rules.Code   `json:"code"`
	Since    string       `json:"since"` // date, 2006-01-02
	Owner    string       `json:"owner"` // login; the repository's owner where it is nobody's pull request
	Reason   rules.Reason `json:"reason"`
	// Pull is the open member that has the reason; zero for alarms and what is no member's.
	Pull coupling.Pull `json:"pull,omitzero"`
}

// Key tells one drift from another; it stays the same while details of the evidence move on.
func (r Row) Key() string {
	key := []string{r.Coupling, string(r.Code), r.Reason.Gate, r.Reason.About.String(), r.Reason.Path}
	if r.Code == rules.ReleaseSplit { // one early member may leave several behind
		key = append(key, r.Pull.String())
	}
	return strings.Join(key, " ")
}

// Coupling is a row of the report's table of couplings.
type Coupling struct {
	rules.Judgement
	Since string // date on which relbot first saw it
}

// Gate is a registered gate as the default branch has it.
type Gate struct {
	rules.GateState
	Column    int
	Raw       string // source text of the value
	Form      string
	FirstShip string // release in which its evidence first shows; "" where it has none or it is unknown
	Removable bool   // it names a release older than the oldest supported one
	Pending   bool   // it is only in an open pull request so far
	Picture   string // address of its timeline; "" is none
}

// RegisteredGate is what is known of a registered gate: its judgement over the whole history, and its place.
type RegisteredGate struct {
	State rules.GateState
	Found find.Finding // zero where there is none
	// Picture is the address of its timeline, "" where there is none.
	Picture string
}

// Input is what a report is made from.
type Input struct {
	Repo      coupling.Repo
	Private   bool
	At        string // when the report is made: a date, or RFC 3339
	Couplings []Coupling
	Gates     []RegisteredGate
	// Pending are ids of gates that an open pull request changes, in addition to those that the couplings' judgements name.
	Pending  []string
	Warnings []rules.Reason // about the repository: train-lagging, readers-disagree, train-unknown, policy-invalid
	// Oldest is the oldest supported release; zero where nobody said.
	Oldest release.Version
}

// Report is what the nightly issue and `relbot report` show.
type Report struct {
	Repo      coupling.Repo
	Private   bool
	At        string // as given; not part of the text, which a night without change leaves alone
	Drift     []Row
	Couplings []Coupling // those that have not ended
	Gates     []Gate
	Warnings  []rules.Reason
}

// standing are the codes that make an open member's verdict drift: what came over it without a commit of its own,
// or cannot be determined.
var standing = []rules.Code{
	rules.MemberClosed, rules.MemberReverted, rules.MemberMissing, rules.MemberUnreadable, rules.ReleaseSplit,
	rules.GateCutWithout, rules.GateShippedEarlier, rules.GateUnreal, rules.GateNoThreshold, rules.OrderCycle, rules.TrainUnknown,
}

// NewReport lists the drift and puts it next to what the report shows anyway. former are the rows of the report
// before, whose dates are kept.
func NewReport(in Input, former []Row) Report {
	out := Report{Repo: in.Repo, Private: in.Private, At: in.At, Drift: Carry(former, List(in), day(in.At)), Gates: gates(in)}
	for _, c := range in.Couplings {
		if !c.State.Ended() {
			out.Couplings = append(out.Couplings, c)
		}
	}
	seen := map[string]bool{}
	for _, w := range in.Warnings {
		if w.Code != rules.TrainUnknown && w.Code != rules.PolicyInvalid {
			out.Warnings = append(out.Warnings, w)
			seen[Row{Code: w.Code, Reason: w}.Key()] = true
		}
	}
	for _, c := range out.Couplings {
		for _, m := range c.Members {
			for _, w := range append(slices.Clone(m.Verdict.Warnings), c.Warnings...) {
				key := Row{Code: w.Code, Reason: w}.Key()
				if w.Code == rules.HalfLanded || w.Code == rules.HeadBehind || seen[key] {
					continue
				}
				seen[key] = true
				out.Warnings = append(out.Warnings, w)
			}
		}
	}
	return out
}

// List lists the drift without dates: couplings in the order given, then the repository's own.
func List(in Input) []Row {
	var rows []Row
	add := func(r Row) {
		r.Code = r.Reason.Code
		if r.Owner == "" {
			r.Owner = in.Repo.Owner()
		}
		if !slices.ContainsFunc(rows, func(o Row) bool { return o.Key() == r.Key() }) {
			rows = append(rows, r)
		}
	}
	for _, c := range in.Couplings {
		if !c.State.Ended() {
			couplingRows(c.Judgement, add)
		}
	}
	said := func(r rules.Reason) bool { // a coupling says it already
		return slices.ContainsFunc(rows, func(o Row) bool { return o.Code == r.Code && o.Reason.Gate == r.Gate })
	}
	pending := pendingGates(in)
	for _, g := range in.Gates {
		for _, r := range g.State.Reasons {
			if r.Code == rules.DevBuildsExcluded || r.Code == rules.GateMissing && slices.Contains(pending, g.State.ID) || said(r) {
				continue
			}
			add(Row{Reason: r})
		}
		if g.State.Level == rules.Unknown && len(g.State.Reasons) == 0 {
			add(Row{Reason: rules.GateUnreadable(coupling.Pull{}, g.State.ID, "")})
		}
	}
	for _, w := range in.Warnings {
		add(Row{Reason: w})
	}
	return rows
}

func couplingRows(j rules.Judgement, add func(Row)) {
	name := j.Coupling.Name
	for _, a := range j.Alarms {
		add(Row{Coupling: name, Owner: owner(j, a.Reason), Reason: a.Reason})
	}
	if r, ok := halfLanded(j); ok {
		add(Row{Coupling: name, Owner: owner(j, r), Reason: r})
	}
	for _, m := range j.Members {
		for _, r := range m.Verdict.Reasons {
			if !slices.Contains(standing, r.Code) || alarmed(j, r) {
				continue
			}
			if r.About.IsZero() && r.Gate == "" && r.Code != rules.OrderCycle {
				r.About = m.Pull
			}
			who := owner(j, r)
			if r.Code == rules.ReleaseSplit { // the late member has to act
				who = m.Author
			}
			if r.About.IsZero() {
				who = cmp.Or(gateOwner(j, r.Gate), m.Author)
			}
			add(Row{Coupling: name, Owner: who, Reason: r, Pull: m.Pull})
		}
	}
}

// alarmed reports whether an alarm tells of the same thing.
func alarmed(j rules.Judgement, r rules.Reason) bool {
	return slices.ContainsFunc(j.Alarms, func(a rules.Alarm) bool {
		return a.Reason.Code == r.Code && a.Reason.Gate == r.Gate && (a.Reason.About == r.About || r.About.IsZero())
	})
}

// halfLanded is the drift of a coupling of which some members are merged and others are not. Merged members that may ship alone do
// not count.
func halfLanded(j rules.Judgement) (rules.Reason, bool) {
	var merged []coupling.Pull
	rest, urgent := false, false
	for _, m := range j.Members {
		switch m.State {
		case "merged":
			merged = append(merged, m.Pull)
			urgent = urgent || !m.SafeAlone
		case "open", "draft", "closed":
			rest = true
		}
	}
	reason := rules.PartlyLanded(merged, Split(j))
	reason.Coupling = j.Coupling.Key()
	return reason, rest && urgent
}

// Split is the release whose cut would split a coupling: the one in which a member that landed already is due, while
// others are open. "" where no cut can split it, or where it is split already.
func Split(j rules.Judgement) string {
	for _, group := range j.OneRelease {
		release, open := "", false
		for _, pull := range group {
			switch m, _ := j.Member(pull); m.State {
			case "merged":
				if !m.SafeAlone && !m.Shipped && release == "" {
					release = m.ShipsIn
				}
			case "open", "draft":
				open = true
			}
		}
		if open && release != "" {
			return release
		}
	}
	return ""
}

// owner is who has to act on a reason: the author of the pull request that it is about, else of the first open member.
func owner(j rules.Judgement, r rules.Reason) string {
	if m, ok := j.Member(r.About); ok {
		return m.Author
	}
	for _, m := range j.Members {
		if m.State == "open" || m.State == "draft" {
			return m.Author
		}
	}
	return ""
}

// gateOwner is the author of the member that changes a gate, else of the gate's subject.
func gateOwner(j rules.Judgement, id string) string {
	for _, g := range j.Gates {
		if g.ID != id {
			continue
		}
		if m, ok := j.Member(g.Owner); ok {
			return m.Author
		}
		for _, m := range j.Members {
			if m.Role == g.Subject {
				return m.Author
			}
		}
	}
	return ""
}

func pendingGates(in Input) []string {
	out := slices.Clone(in.Pending)
	for _, c := range in.Couplings {
		for _, g := range c.Gates {
			if !g.Owner.IsZero() {
				out = append(out, g.ID)
			}
		}
	}
	return out
}

func gates(in Input) []Gate {
	pending := pendingGates(in)
	var out []Gate
	for _, g := range in.Gates {
		f := g.Found
		row := Gate{GateState: g.State, Column: f.Column, Raw: f.Raw, Form: f.Form, Picture: g.Picture}
		if g.State.Evidence != "" {
			row.FirstShip = g.State.Want
		}
		if row.Pending = g.State.Value == "" && slices.Contains(pending, g.State.ID); row.Pending {
			row.Level, row.Reasons = rules.Wait, nil
		}
		if !in.Oldest.IsZero() && !f.Value.IsZero() && row.Level != rules.Block {
			row.Removable = f.Value.Core().Compare(in.Oldest.Core()) < 0
		}
		out = append(out, row)
	}
	return out
}

// Carry gives the rows that stood before the date since which they stand, and the others today's.
func Carry(former, rows []Row, today string) []Row {
	out := slices.Clone(rows)
	for i := range out {
		out[i].Since = today
		for _, o := range former {
			if o.Key() == out[i].Key() && o.Since != "" {
				out[i].Since = o.Since
			}
		}
	}
	return out
}

// New lists the rows that did not stand before.
func New(former, rows []Row) []Row {
	return slices.DeleteFunc(slices.Clone(rows), func(r Row) bool {
		return slices.ContainsFunc(former, func(o Row) bool { return o.Key() == r.Key() })
	})
}

// day is the date of a date or an RFC 3339 time.
func day(at string) string { return at[:min(len(at), len("2006-01-02"))] }
