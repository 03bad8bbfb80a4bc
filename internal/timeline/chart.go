package timeline

import (
	"slices"

	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/release"
)

// Chart is the last releases of a repository with a lane for each change and gate that is held against them.
type Chart struct {
	Repo     string    `json:"repo"`
	Releases []Release `json:"releases"`          // oldest first; Has and Method are the lanes'
	Earlier  int       `json:"earlier,omitempty"` // how many lie before them
	Train    string    `json:"train,omitempty"`   // the release to come, "" when it is unknown
	Lanes    []Lane    `json:"lanes"`
}

// Lane says of each release of a chart whether it has a change.
type Lane struct {
	Name   string `json:"name"`             // role of a member, or id of a gate
	Pull   string `json:"pull,omitempty"`   // of a member, in its long form
	Gate   bool   `json:"gate,omitempty"`   // it is a gate's
	Has    string `json:"has"`              // a letter a release: [Has], [HasNot] or [NotKnown]
	Method string `json:"method,omitempty"` // by which it was found where it is
	First  string `json:"first,omitempty"`  // first ship, the train included
	Value  string `json:"value,omitempty"`  // what the gate says
	At     string `json:"at,omitempty"`     // the release that the value names, cut to the gate's precision
	Right  bool   `json:"right,omitempty"`  // the gate holds
}

// The letters of [Lane].
const (
	Has      = '+'
	HasNot   = '-'
	NotKnown = '?'
)

// maxCharted bounds how many releases a chart has.
const maxCharted = 12

// NewChart is a chart without lanes.
func NewChart(repo string, h *release.History, train string) Chart {
	all := Releases(h, nil)
	last := slices.Clone(all[max(0, len(all)-maxCharted):])
	return Chart{Repo: repo, Releases: last, Earlier: len(all) - len(last), Train: train}
}

// Add adds a lane. carriers says by tag which releases have the change; nil is that none has it yet.
func (c *Chart) Add(l Lane, carriers map[string]versionscan.Fact[string]) {
	has := make([]byte, 0, len(c.Releases))
	for _, r := range c.Releases {
		letter := byte(NotKnown)
		switch f, known := carriers[r.Tag]; {
		case carriers == nil || known && f.Absent():
			letter = HasNot
		case f.Known():
			letter = Has
			if l.Method == "" {
				l.Method = f.Value
			}
		}
		has = append(has, letter)
	}
	l.Has = string(has)
	c.Lanes = append(c.Lanes, l)
}
