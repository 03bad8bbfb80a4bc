package rules

import (
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/versionscan/find"
	"github.com/relbot/relbot/internal/versionscan/release"
)

// Policy is a repository's `.github/relbot.yml` after parsing: defaults are filled in, names are resolved,
// impossible values are gone.
type Policy struct {
	Releases    *release.Releases   // nil when the section is left out
	Gates       []Gate              // sorted by id
	Couplings   []coupling.Coupling // in the file's order; Home is set, Origin is policy
	Check       Check
	Report      Report
	Permissions Permissions
	Trust       []coupling.Repo
}

// Gate is a registered version gate.
type Gate struct {
	ID        string
	Title     string
	Find      find.Finder
	Relation  Relation
	Precision release.Precision
	Evidence  *find.Evidence
	// Window says that another gate has the same evidence. Of the two one names the release that brought a thing and the other
	// the one that took it away; see [Pair].
	Window bool
}

// Pair marks the gates that make windows: of those with the same evidence one must be removed-in and another not.
func Pair(gates []Gate) {
	for i := range gates {
		for k := range gates {
			if a, b := &gates[i], gates[k]; a.Evidence != nil && b.Evidence != nil && *a.Evidence == *b.Evidence && (a.Relation == RemovedIn) != (b.Relation == RemovedIn) {
				a.Window = true
			}
		}
	}
}

// Relation is what a gate's value must be to the release of its subject.
type Relation string

// The relations.
const (
	IntroducedIn Relation = "introduced-in"
	AtLeast      Relation = "at-least"
	RemovedIn    Relation = "removed-in"
)

// Check is how verdicts are posted.
type Check struct {
	Name string
	As   string // "check" or "status"
	// QueuePatience is how long a merge group waits at most for members that have to land with it.
	QueuePatience time.Duration
}

// Report configures the nightly drift report.
type Report struct {
	Schedule string // five cron fields
	Timezone string // IANA name
	Labels   []string
}

// Permissions name the repository role that each group of commands needs.
type Permissions struct {
	Link, Hold, Override string
	// End is needed for ending a coupling while a member is blocked; see [Permissions.Ending].
	End string
}

// Ending returns the role that may end a coupling while an open member is blocked. Where the policy sets none, it is that of an override for
// couplings of the policy. For those that commands made it is that of link.
func (p Permissions) Ending(declared bool) string {
	switch {
	case p.End != "":
		return p.End
	case declared:
		return p.Override
	}
	return p.Link
}

// Role returns the role that a group of commands needs, by its key in the policy; "" for a group that needs none.
func (p Permissions) Role(group string) string {
	switch group {
	case "link":
		return p.Link
	case "hold":
		return p.Hold
	case "override":
		return p.Override
	}
	return ""
}

// Defaults of the policy file, also in force where there is none.
var (
	DefaultCheck       = Check{Name: "relbot/coordination", As: "check", QueuePatience: 10 * time.Minute}
	DefaultReport      = Report{Schedule: "0 6 * * *", Timezone: "UTC", Labels: []string{"release-coordination"}}
	DefaultPermissions = Permissions{Link: "write", Hold: "write", Override: "maintain"}
)

// Gate finds a registered gate by id.
func (p *Policy) Gate(id string) (Gate, bool) {
	for _, g := range p.Gates {
		if g.ID == id {
			return g, true
		}
	}
	return Gate{}, false
}
