package memory

import (
	"slices"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/flip"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/timeline"
)

// Judgement is the last judgement of a coupling.
type Judgement struct {
	rules.Judgement
	// Outage is since when facts are missing because GitHub does not answer; zero when it does.
	Outage time.Time `json:"outage,omitzero"`
	// Read is when GitHub was asked for the facts, and Heads the head that each open pull request had then.
	Read    time.Time         `json:"read,omitzero"`
	Heads   map[string]string `json:"heads,omitempty"`
	Lately  []Change          `json:"lately,omitempty"` // newest first
	Opened  time.Time         `json:"opened"`
	Alarmed []string          `json:"alarmed,omitempty"` // alarms for which comments were queued
}

// Change is a line of the note's "what changed lately".
type Change struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// History is what is remembered of a coupling besides its judgement, for those who look at its page. It is written with the judgement, in
// one transaction, so that no flip is lost.
type History struct {
	Basis  flip.Basis       `json:"basis"` // of the last judgement
	Flips  []flip.Flip      `json:"flips"` // newest first, at most flip.MaxFlips
	Charts []timeline.Chart `json:"charts"`
}

// Member lists the couplings that a pull request is in, sorted.
type Member struct {
	Couplings []coupling.Key `json:"couplings"`
}

// Note notes whether a pull request is in a coupling, and reports whether that is news.
func (d *Member) Note(key coupling.Key, in bool) bool {
	if slices.Contains(d.Couplings, key) == in {
		return false
	}
	if in {
		d.Couplings = append(d.Couplings, key)
		slices.Sort(d.Couplings)
	} else {
		d.Couplings = slices.DeleteFunc(d.Couplings, func(k coupling.Key) bool { return k == key })
	}
	return true
}
