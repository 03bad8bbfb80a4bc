package memory

import (
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/policy"
	"github.com/relbot/relbot/internal/rules"
)

// Repo is a repository as it was last surveyed, and the policy in force there.
type Repo struct {
	forge.Repository
	Tip         string `json:"tip"`
	PolicyID    string `json:"policy_id"`             // blob of the newest policy file, good or bad
	Policy      string `json:"policy"`                // text in force: the last good one; "" is none
	Problems    int    `json:"problems,omitempty"`    // of the newest file, when it is not in force
	Fingerprint string `json:"fingerprint,omitempty"` // of all that couplings depend on
	Gone        bool   `json:"gone,omitempty"`        // the App is no longer installed there
	// Watched is the blob at the tip, by watched path; a path that is missing was not asked for under this policy.
	Watched map[string]string `json:"watched,omitempty"`
	// Bases are branches on which couplings of any home land, apart from those that the policy names.
	Bases []string `json:"bases,omitempty"`
	// Since is when relbot first saw the repository, on this database.
	Since time.Time `json:"since,omitzero"`
	// Moves is what events said of branches and tags in the last minute, which a read may not show yet.
	Moves []RefMove `json:"moves,omitempty"`

	parsed *parsedPolicy
}

// Surveyed reports whether the repository was read on this database.
func (d Repo) Surveyed() bool { return d.Fingerprint != "" || d.PolicyID != "" }

type policyText struct {
	repo coupling.Repo
	text string
}

// parsedPolicy is a policy as it was parsed from a text.
type parsedPolicy struct {
	policyText
	rules rules.Policy
}

// parse keeps the parsed policy with a repository; the same text is parsed once.
func (d *Repo) parse(known *lru.Cache[policyText, *parsedPolicy]) {
	text := policyText{d.Name, d.Policy}
	p, ok := known.Get(text)
	if !ok {
		p = &parsedPolicy{text, d.Rules()}
		known.Add(text, p)
	}
	d.parsed = p
}

// Rules returns the policy in force, which is shared and must not be changed. A repository without one has the defaults.
func (d Repo) Rules() rules.Policy {
	if d.parsed != nil && d.parsed.policyText == (policyText{d.Name, d.Policy}) {
		return d.parsed.rules
	}
	if d.Policy != "" {
		if p, problems := policy.Parse(d.Name, []byte(d.Policy)); len(problems) == 0 {
			return *p
		}
	}
	return rules.Policy{Check: rules.DefaultCheck, Report: rules.DefaultReport, Permissions: rules.DefaultPermissions}
}

// Moved is where a repository went that was renamed or transferred.
type Moved struct {
	To coupling.Repo `json:"to"`
}
