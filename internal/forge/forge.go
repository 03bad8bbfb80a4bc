// Package forge names what relbot reads and writes on GitHub, in plain types.
//
// It is the border between the adapter (package ghapp, the only importer of go-github) and those who gather and
// publish. No go-github type crosses it, and nothing here does I/O. Reads come in batches, since one GraphQL query
// answers for many pull requests, and each answer is a fact. What could not be read says why.
package forge

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/release"
)

// Errors that callers tell apart; adapters wrap them.
var (
	// ErrGone: GitHub says 404 or 410, or 403 for want of a permission: asking again will not help soon.
	ErrGone = errors.New("not readable")
	// ErrSuspended: the installation was suspended or removed.
	ErrSuspended = errors.New("installation suspended or removed")
	// ErrRejected: GitHub refused the write (422); repeating it will not help.
	ErrRejected = errors.New("rejected")
	// ErrNoCommit: GitHub does not know the commit that a check is for. That of a fork's push is there some seconds after its event.
	ErrNoCommit = errors.New("commit not there yet")
	// ErrToken: the token is not taken (401), or the key that signed it is not. A fresh one takes a moment to be known everywhere; a person's may have been revoked.
	ErrToken = errors.New("token not taken")
	// ErrUnanswered: a write was sent and its answer was lost; it may have happened.
	ErrUnanswered = errors.New("sent, but the answer was lost")
)

// RefusedError is an answer of GitHub that ends work: asking again will not help soon. It is [ErrGone].
type RefusedError struct {
	Account string // whose
	Route   string // method and path without names and numbers, or a GraphQL field
	Status  int    // 403, 404, 410 or 451
	Message string // GitHub's
	Write   bool
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%v: %s: %d %s", ErrGone, e.Route, e.Status, e.Message)
}

// Unwrap returns [ErrGone].
func (e *RefusedError) Unwrap() error { return ErrGone }

// IsMissing reports whether an error says that a thing is not there. That it is not for relbot (403) says nothing of that.
func IsMissing(err error) bool {
	var said *RefusedError
	return errors.Is(err, ErrGone) && !(errors.As(err, &said) && said.Status == 403)
}

// Unlisted is an account whose repositories could not be listed.
type Unlisted struct {
	Installation int64
	Account, URL string // URL is its settings page
	Err          error
}

// RetryError is a transient failure: an outage, a timeout, a rate limit.
type RetryError struct {
	After time.Duration // zero when GitHub named no time
	Err   error
}

func (e *RetryError) Error() string { return fmt.Sprintf("try again: %v", e.Err) }
func (e *RetryError) Unwrap() error { return e.Err }

// Repository is one on which the App is installed.
type Repository struct {
	ID           int64         `json:"id"`
	NodeID       string        `json:"node_id,omitempty"`
	Name         coupling.Repo `json:"name"`
	Installation int64         `json:"installation"`
	Private      bool          `json:"private"`
	Archived     bool          `json:"archived"`
	Default      string        `json:"default"`
}

// Viewer is a person who signed in.
type Viewer struct {
	Login string
	Token string        // with which GitHub is asked what they may read; a secret
	Life  time.Duration // of the token; zero is without end
}

// Survey is the state of a repository as a whole, read in one query.
type Survey struct {
	Repository
	Tip      string                              `json:"tip"`       // of the default branch
	Policy   versionscan.Fact[versionscan.File]  `json:"policy"`    // .github/relbot.yml at the tip; Absent when there is none
	PolicyID string                              `json:"policy_id"` // its blob id
	Tags     versionscan.Fact[[]release.Tag]     `json:"tags"`
	Branches versionscan.Fact[map[string]string] `json:"branches"` // heads below the asked prefixes and the asked names: branch -> tip
	Queues   map[string]bool                     `json:"queues"`   // asked branch -> merging needs the queue
	Watched  map[string]string                   `json:"watched"`  // what is at the tip: watched path -> id of the file or directory, "" for nothing
}

// SurveyRequest says what of a repository to read in addition to its default branch, policy and tags.
type SurveyRequest struct {
	Repo     coupling.Repo
	Prefixes []string // branches whose names begin so (release lines)
	Branches []string // branches by name (bases of members); the default branch is always read
	NoTags   bool
	Paths    []string // files that will be asked for at every tag: what is there is learned with the list of tags
	Watched  []string // files and directories whose ids at the tip are returned
}

// Wants reports whether the survey asks for a branch.
func (q SurveyRequest) Wants(branch string) bool {
	return slices.Contains(q.Branches, branch) || slices.ContainsFunc(q.Prefixes, func(p string) bool { return strings.HasPrefix(branch, p) })
}

// Reading is what to read at one moment, pull requests before repositories.
type Reading struct {
	Pulls   []coupling.Pull
	Surveys []SurveyRequest
	// Watched are the files and directories of repositories whose ids are returned for each of their pull requests.
	Watched map[coupling.Repo][]string
}

// Pull is a pull request.
type Pull struct {
	NodeID    string
	Pull      coupling.Pull
	Title     string
	Body      string
	Author    string
	AuthorBot bool
	State     string // "open", "closed" or "merged"
	Draft     bool
	Base      string // branch
	BaseGone  bool   // that branch was deleted
	Head      string // commit
	HeadRef   string
	Fork      bool
	Private   bool
	URL       string
	Merge     string // merge commit when merged
	CreatedAt time.Time
	MergedAt  time.Time
	MergedBy  string
	ClosedAt  time.Time
	UpdatedAt time.Time
	// TestMerge is GitHub's merge of Head into Base, when it is up to date: its parents are TestParents.
	TestMerge   string
	TestParents []string
	Tree        string // tree id of Head
	// What is at the watched paths, of the head and of the test merge: the id of the file or directory, "" for nothing. A path
	// that is missing was not read.
	AtHead, AtTest map[string]string
	LastComment    string // node id, informative
}

// At names a file at a commit.
type At struct {
	Commit string
	Path   string
}

// Entry is a file of a tree.
type Entry struct {
	Path string
	Blob string
	Link bool
}

// Commit is a commit as a log shows it.
type Commit struct {
	SHA     string
	Parents []string
	Message string
	Date    time.Time // of the committer
	// Author (an e-mail address) and Authored survive a pick.
	Author   string
	Authored time.Time
	Pulls    []int // pull requests of the same repository that GitHub associates with it
}

// Comparison is `base...head`.
type Comparison struct {
	MergeBase string
	Ahead     int      // commits in head and not in base
	Behind    int      // commits in base and not in head
	Commits   []Commit // those ahead, oldest first, at most 250
}

// Comment is an issue comment.
type Comment struct {
	ID        int64
	NodeID    string
	Pull      coupling.Pull // also for plain issues
	Author    string
	AuthorID  int64
	Bot       bool
	Own       bool // written by this App
	Body      string
	Minimized bool
	Reacted   bool // somebody reacted to it, as far as is known
	Created   time.Time
	Edited    bool
}

// Role is a collaborator's role in a repository, weakest first.
type Role string

// The roles.
const (
	RoleNone     Role = "none"
	RoleRead     Role = "read"
	RoleTriage   Role = "triage"
	RoleWrite    Role = "write"
	RoleMaintain Role = "maintain"
	RoleAdmin    Role = "admin"
)

// AtLeast reports whether r permits what s permits.
func (r Role) AtLeast(s Role) bool { return roleRank[r] >= roleRank[s] && roleRank[r] > 0 }

var roleRank = map[Role]int{RoleRead: 1, RoleTriage: 2, RoleWrite: 3, RoleMaintain: 4, RoleAdmin: 5}

// Annotation points at a line of a file.
type Annotation struct {
	Path    string `json:"path"`
	Line    int    `json:"line"`
	Level   string `json:"level"` // "failure" or "warning"
	Title   string `json:"title"`
	Message string `json:"message"`
}

// Action is a button on a check.
type Action struct {
	ID          string `json:"id"`
	Label       string `json:"label"`
	Description string `json:"description"`
}

// CheckRun is a check as relbot wants it, or as GitHub shows it.
type CheckRun struct {
	ID          int64        `json:"id,omitempty"`
	Name        string       `json:"name"`
	Head        string       `json:"head"`
	ExternalID  string       `json:"external_id"`
	Status      string       `json:"status"`               // "in_progress" or "completed"
	Conclusion  string       `json:"conclusion,omitempty"` // "success" or "failure" when completed
	Title       string       `json:"title"`
	Summary     string       `json:"summary"`
	Text        string       `json:"text"`
	DetailsURL  string       `json:"details_url,omitempty"`
	Annotations []Annotation `json:"annotations,omitempty"`
	Actions     []Action     `json:"actions,omitempty"`
}

// Incomplete is the external id of a check run that has not got all of its annotations yet, since they go in several requests.
const Incomplete = "relbot:incomplete"

// Status is a commit status.
type Status struct {
	Context     string `json:"context"`
	Head        string `json:"head"`
	State       string `json:"state"` // "success", "failure", "pending", "error"
	Description string `json:"description"`
	URL         string `json:"url,omitempty"`
}

// Issue is an issue as the drift report uses it.
type Issue struct {
	Number int
	Title  string
	Body   string
	Open   bool
	Labels []string
	Own    bool
}

// DeliveryAttempt is a row of the App's delivery log.
type DeliveryAttempt struct {
	ID        int64
	GUID      string
	Delivered time.Time
	OK        bool
	Code      int    // of the answer; what GitHub notes where there was none differs
	Status    string // "OK", or what went wrong in GitHub's words
	Event     string
}

// Grant is what an App asks for, or what the owner of an account has agreed to.
type Grant struct {
	Permissions map[string]string `json:"default_permissions"` // name -> "read" or "write"
	Events      []string          `json:"default_events"`
}

// Registration is the App as GitHub knows it.
type Registration struct {
	Grant
	ID      int64
	Slug    string
	Owner   string    // account
	URL     string    // its public page
	Created time.Time // zero when GitHub does not say
	Clock   time.Time // what time GitHub has
}

// Installation is the App on an account.
type Installation struct {
	Grant
	ID        int64
	Account   string
	URL       string // its settings page
	Suspended bool
}

// Hook is how the App's webhook is set at GitHub.
type Hook struct {
	URL      string
	Secret   bool // one is set; which, GitHub does not tell
	Insecure bool // certificates are not looked at
}

// Requirement is a check that a branch requires.
type Requirement struct {
	Check string
	App   int64 // from which alone it counts; 0 is any source
}

// BranchRules is what has to hold before something merges into a branch.
type BranchRules struct {
	Required []Requirement
	Queue    bool   // merging takes the merge queue
	Method   string // of the queue: "MERGE", "SQUASH" or "REBASE"; "" where no ruleset tells
}

// Queue is a merge queue as it is.
type Queue struct {
	Strategy string        // "ALLGREEN" or "HEADGREEN"; "" is not known
	Method   string        // "MERGE", "SQUASH" or "REBASE"; "" is not known
	Build    int           // how many entries have a group at a time; 0 is not known
	Timeout  time.Duration // how long a group waits for its checks; 0 is not known
	Entries  versionscan.Fact[[]QueueEntry]
}

// QueueEntry is a pull request in a merge queue, in the order of the queue.
type QueueEntry struct {
	Pull coupling.Pull
	Head string // commit of its merge group; "" while it has none
}

// GroupHead is the head of a merge group, with the pull request whose entry it is.
type GroupHead struct {
	Pull coupling.Pull
	Head string
}

// Credentials are what GitHub hands out, once, for an App that was registered by manifest.
type Credentials struct {
	ID                                    int64
	Slug                                  string
	ClientID, ClientSecret, WebhookSecret string
	Key                                   []byte // PEM
}

// RetryAfter is how long GitHub asked to wait.
func (e *RetryError) RetryAfter() time.Duration { return e.After }
