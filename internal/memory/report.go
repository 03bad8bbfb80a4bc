package memory

import (
	"time"

	"github.com/relbot/relbot/internal/drift"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/timeline"
)

// Report is the last report of a repository.
type Report struct {
	Issue  int          `json:"issue"`
	Asked  time.Time    `json:"asked,omitzero"` // when the issue was asked for, while its number is not known
	Open   bool         `json:"open"`
	Hash   string       `json:"hash"`
	Rows   []drift.Row  `json:"rows"`
	Gates  []drift.Gate `json:"gates,omitempty"`
	Nights []Night      `json:"nights,omitempty"` // oldest first, at most [MaxNights]
}

// Night is how much had drifted when a report was made.
type Night struct {
	Date string             `json:"date"` // 2006-01-02
	Rows int                `json:"rows"`
	New  int                `json:"new"` // that the report before did not have
	By   map[rules.Code]int `json:"by,omitempty"`
}

// MaxNights bounds what is remembered of former reports.
const MaxNights = 60

// Timeline is the picture of a gate in the report as it was last drawn.
type Timeline struct {
	// Key is part of its address. GitHub fetches pictures as nobody in particular, so that who knows the address may see it: versions and
	// a gate's name.
	Key string `json:"key"`
	timeline.Timeline
}
