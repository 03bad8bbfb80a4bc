package rules

import (
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/find"
	"github.com/relbot/relbot/internal/versionscan/release"
)

// Snapshot is everything Evaluate may look at: the couplings, and what GitHub showed of them at one moment.
// What was not gathered is an unknown fact.
type Snapshot struct {
	// Couplings are the ones to judge; Others are further active couplings whose order edges count for cycles.
	Couplings []coupling.Coupling
	Others    []coupling.Coupling
	Repos     map[coupling.Repo]Repository
	Pulls     map[coupling.Pull]versionscan.Fact[Pull]
	Overrides []Override
	// Group is set when a merge group is judged instead of heads.
	Group *Group
}

// Repository is what was read of one repository.
type Repository struct {
	Name     coupling.Repo
	Default  string // default branch
	Private  bool
	Releases *release.Releases // from its own policy; nil when it has none
	Tags     versionscan.Fact[[]release.Tag]
	Branches versionscan.Fact[[]string] // names of the existing release lines
	Bases    map[string]Base            // by branch, the bases that members target

	ordered *ordered
}

// ordered is a history that was made already, with what it was made of.
type ordered struct {
	releases *release.Releases
	tags     []release.Tag
	branches []string
	history  *release.History
}

// Ordered is the repository with its history made, so that of many who ask for it none has to make it again.
func (r Repository) Ordered() Repository {
	r.ordered = &ordered{r.Releases, r.Tags.Value, r.Branches.Value, r.History()}
	return r
}

// History orders the tags into releases, with the release lines as far as they are known; nil where no releases are declared or the tags are
// not known.
func (r Repository) History() *release.History {
	if r.Releases == nil || !r.Tags.Known() {
		return nil
	}
	// A list that somebody has put in another's place since is another list.
	if o := r.ordered; o != nil && o.releases == r.Releases && identical(o.tags, r.Tags.Value) && identical(o.branches, r.Branches.Value) {
		return o.history
	}
	return r.Releases.History(r.Tags.Value, r.Branches.Value)
}

// identical reports whether two slices are one.
func identical[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// Base is a branch that members target.
type Base struct {
	Tip   string
	Queue bool                                          // merging needs the merge queue
	Files map[string]versionscan.Fact[versionscan.File] // version files at the tip, by path
	// Gates are facts about the policy's registered gates on this branch, by id.
	Gates map[string]GateFacts
}

// GateFacts is what was read of one registered gate.
type GateFacts struct {
	Base Site // at the tip of the coupling's base
	// Owners are open pull requests whose merge result changes the gate (value, name, or presence).
	Owners map[coupling.Pull]Site
	// Shows says by tag whether the release has the evidence; Tip whether the base's tip has it.
	Shows map[string]versionscan.Fact[bool]
	Tip   versionscan.Fact[bool]
	// Left is the newest release tag, where the gate still holds a placeholder there that the release should have replaced.
	Left string
}

// Site is a gate as one tree has it.
type Site struct {
	Found   versionscan.Fact[find.Finding]
	Trouble *find.Trouble
}

// Pull is a pull request as GitHub showed it.
type Pull struct {
	Title    string
	Author   string
	State    string // "open", "closed" or "merged"
	Draft    bool
	Base     string // branch; for a native stack, the stack's base
	BaseGone bool   // that branch was deleted, by which GitHub closes what was to merge there
	Head     string // commit
	Fork     bool
	Private  bool
	URL      string
	Merge    string // merge commit, when merged
	MergedAt time.Time
	MergedBy string
	ClosedAt time.Time
	// OnBase says of a merged pull whether its merge commit is an ancestor of the base's tip; Elsewhere the same of other branches, on which
	// couplings want it.
	OnBase    versionscan.Fact[bool]
	Elsewhere map[string]versionscan.Fact[bool]
	// Revert is the commit that took the change back, when one did and nothing brought it in again.
	Revert versionscan.Fact[Revert]
	// Carriers says by tag which tags have the change and by which method; Lines by release line.
	Carriers map[string]versionscan.Fact[string]
	Lines    map[string]versionscan.Fact[string]
	// HeadDev is the dev version that the head's own files claim.
	HeadDev versionscan.Fact[release.Version]
	// MentionedBy is an open or merged outside pull request that names this member as closed.
	MentionedBy coupling.Pull
}

// Revert is a reverted change.
type Revert struct {
	Commit string
	Pull   coupling.Pull // zero when it was pushed without one
	How    string        // "commit" or "evidence"
}

// Override lifts one reason code for one pull request; the gatherer leaves out those that have lapsed.
type Override struct {
	Pull  coupling.Pull
	Code  Code
	By    string
	Why   string
	Until string // "push", "merge" or a release
}

// Group is a merge group under judgement.
type Group struct {
	Repo   coupling.Repo
	Base   string
	Pulls  []coupling.Pull        // in merge order: those ahead in the queue, then the entry whose group it is
	Behind []coupling.Pull        // the entries behind it in the queue, in order, as far as they are known
	Build  int                    // how many entries the queue builds groups for at a time; 0 is not known
	Barred map[coupling.Pull]bool // whose own check blocks, so that they cannot enter the queue
}
