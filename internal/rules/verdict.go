package rules

import (
	"github.com/relbot/relbot/internal/coupling"
)

// Level is how good a verdict is.
type Level string

// The levels, best first.
const (
	Pass    Level = "pass"
	Wait    Level = "wait"
	Unknown Level = "unknown"
	Block   Level = "block"
)

// Verdict is what relbot says of one member.
type Verdict struct {
	Pull     coupling.Pull `json:"pull"`
	Level    Level         `json:"verdict"`
	Reasons  []Reason      `json:"reasons"` // of the verdict's own level, sorted by code and subject, one a subject
	Warnings []Reason      `json:"warnings"`
	// Also are the codes that were found at a lower level, or lifted by an override.
	Also []Code `json:"also,omitempty"`
}

// Codes returns the codes of everything that was found, whatever decides.
func (v Verdict) Codes() []Code {
	var out []Code
	for _, r := range v.Reasons {
		out = append(out, r.Code)
	}
	return append(out, v.Also...)
}

// Alarm is something that went wrong after a merge. It is in the notes of all members until it is fixed.
type Alarm struct {
	Reason Reason          `json:"reason"` // About is the pull it is about
	Notify []coupling.Pull `json:"notify"` // open members, and About
}

// GateState is a row of the note's gate table.
type GateState struct {
	ID       string        `json:"id"`
	Title    string        `json:"title,omitempty"`
	Subject  string        `json:"subject"`        // role, or "evidence"
	Owner    coupling.Pull `json:"owner,omitzero"` // the open member that changes it
	Name     string        `json:"name,omitempty"`
	Value    string        `json:"value"` // "" when none was found
	Want     string        `json:"want"`  // "" when unknown
	Path     string        `json:"path,omitempty"`
	Line     int           `json:"line,omitempty"`
	Level    Level         `json:"verdict"`
	Evidence string        `json:"evidence,omitempty"` // tag that shows it, or the method
	Reasons  []Reason      `json:"reasons,omitempty"`
}

// MemberState is a row of the note's member table.
type MemberState struct {
	Role      string          `json:"role"`
	Pull      coupling.Pull   `json:"pull"`
	Title     string          `json:"title"`
	Author    string          `json:"author"`
	State     string          `json:"state"` // open, draft, merged, closed, reverted, missing, unreadable
	Private   bool            `json:"private,omitempty"`
	SafeAlone bool            `json:"safe_alone,omitempty"`
	WaitsFor  []coupling.Pull `json:"waits_for,omitempty"` // open predecessors
	With      []coupling.Pull `json:"with,omitempty"`      // open members with which it has to land
	ShipsIn   string          `json:"ships_in"`            // full core; "" unknown
	Shipped   bool            `json:"shipped,omitempty"`   // in a tag already
	Tag       string          `json:"tag,omitempty"`
	Method    string          `json:"method,omitempty"`
	MergedBy  string          `json:"merged_by,omitempty"`
	Verdict   Verdict         `json:"verdict"`
}

// Judgement is everything said of one coupling: what the note shows and what is posted on members.
type Judgement struct {
	Coupling coupling.Coupling `json:"coupling"`
	State    coupling.State    `json:"state"`
	Base     string            `json:"base,omitempty"` // branch of the home repository on which members land; "" unknown
	Train    string            `json:"train"`          // of that base; "" unknown or not judged
	Members  []MemberState     `json:"members"`
	Gates    []GateState       `json:"gates"`
	// OneRelease are the members, by group, that have to ship together; members whose releases cannot be compared are in none.
	OneRelease [][]coupling.Pull `json:"one_release,omitempty"`
	Alarms     []Alarm           `json:"alarms"`
	Warnings   []Reason          `json:"warnings"` // about the coupling as a whole
	Proposal   []string          `json:"proposals,omitempty"`
}

// Member finds the row of a pull request.
func (j Judgement) Member(p coupling.Pull) (MemberState, bool) {
	for _, m := range j.Members {
		if m.Pull == p {
			return m, true
		}
	}
	return MemberState{}, false
}
