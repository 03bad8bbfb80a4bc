package memory

import (
	"encoding/json"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/work"
)

// Waiting is work that waits for a repository.
type Waiting struct {
	Work []store.Work `json:"work"`
	Need Readiness    `json:"need"` // [Surveyed] or [Restored]
}

// Lines are descriptions with lines, oldest first.
type Lines struct {
	Pulls []Described `json:"pulls"`
}

// Described is a pull request with its description.
type Described struct {
	Pull    coupling.Pull    `json:"pull"`
	Said    work.PullPayload `json:"said"`
	Created time.Time        `json:"created"`
}

// Describe returns a pull request with its description.
func Describe(p forge.Pull) Described {
	said := work.Read(p)
	said.Read = nil
	return Described{Pull: p.Pull, Said: said, Created: p.CreatedAt}
}

// Watermark remembers up to when a list was read.
type Watermark struct {
	At time.Time `json:"at"`
}

// Deliveries is how far GitHub's record of deliveries was read, and what was asked for again.
type Deliveries struct {
	At    time.Time        `json:"at"`
	Asked map[string]Asked `json:"asked,omitempty"` // by GUID; those that failed since
	// Unsigned is from when on nothing was asked for again, since relbot takes none of what GitHub signs.
	Unsigned time.Time `json:"unsigned,omitzero"`
}

// Asked is a delivery that was asked for again.
type Asked struct {
	Times int   `json:"times"`
	ID    int64 `json:"id"` // of the newest attempt at that time
}

// Refused is work that GitHub refused.
type Refused struct {
	Serial  string          `json:"lane"`           // its serialization key
	Data    json.RawMessage `json:"data,omitempty"` // of what cannot be made again
	Account string          `json:"account"`
	Route   string          `json:"route"`
	Message string          `json:"message"`
	Write   bool            `json:"write,omitempty"`
	Since   time.Time       `json:"since"`
	Last    time.Time       `json:"last"`
	Times   int             `json:"times"`
	Tried   time.Time       `json:"tried,omitzero"` // when it was last queued again
}
