package memory

import (
	"slices"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/rules"
)

// Overlay is what commands and descriptions changed about the couplings of one home, in order.
type Overlay struct {
	Effects []coupling.Effect `json:"effects"`
}

// Has reports whether an effect is kept already. One command may change several couplings, each once.
func (o Overlay) Has(e coupling.Effect) bool {
	return slices.ContainsFunc(o.Effects, func(f coupling.Effect) bool { return f.ID == e.ID && f.Coupling == e.Coupling })
}

// Comment is a comment whose commands were run.
type Comment struct {
	Reaction string   `json:"reaction,omitempty"`
	Replies  []string `json:"replies,omitempty"`
	Done     bool     `json:"done,omitempty"` // it was answered, too
	Once     string   `json:"once,omitempty"` // of replies that are given once, what they are known by
}

// Overrides are the overrides in force on a pull request.
type Overrides struct {
	Overrides []Override `json:"overrides"`
	Cancelled int64      `json:"cancelled,omitempty"` // Seq of the last cancel: what was given before it is void
}

// Override is an override that a command gave.
type Override struct {
	rules.Override
	ID   string    `json:"id"`   // the command that gave it
	Seq  int64     `json:"seq"`  // orders commands by their comments
	Head string    `json:"head"` // commit it was given for
	Tree string    `json:"tree"`
	At   time.Time `json:"at"`
}
