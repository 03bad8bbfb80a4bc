// Package work defines every kind of work: its key, its serialization key, its payload, and the one constructor of its rows.
//
// A row of work says that a key has to be looked at again. Rows with one serialization key never run at once, whatever their kinds; the store
// keeps it in the field Lane. A payload saves a read, and no verdict depends on it: a handler that has none, or cannot read it, asks GitHub.
// Of the payloads of one row the newest counts. What must not be lost when several events become one run is in the row's trail instead.
//
// PULL is owner/name#number, REPO is owner/name, COUPLING is REPO:name.
//
//	kind        | key          | serialization key | queued by                       | what it does
//	install     | all          | install           | webhook, timer, other work      | lists the repositories on which the App is installed
//	install     | ACCOUNT      | install           | nothing; refused rows alone     | names an account whose repositories GitHub does not list
//	repo        | REPO         | REPO              | webhook, timer, other work      | surveys a repository and adopts its policy
//	ref         | REPO@REF     | refs:REPO         | webhook                         | remembers where an event says that a branch or tag is
//	pull        | PULL         | PULL              | webhook, other work             | handles what happened to a pull request
//	listed      | PULL         | PULL              | a survey                        | does the same for one that a list showed with news
//	recheck     | PULL         | PULL              | webhook                         | does the same and posts the check again
//	verify      | PULL         | PULL              | webhook, a command              | does the same and compares with what GitHub shows
//	comment     | PULL:ID      | comments:REPO     | webhook, comments               | runs the commands of a comment
//	comments    | REPO         | comments:REPO     | timer, a survey                 | finds commands whose deliveries were lost
//	group       | REPO@COMMIT  | queue:REPO@BRANCH | webhook                         | records that a merge group was made or destroyed
//	queue       | REPO@BRANCH  | queue:REPO@BRANCH | group, coupling, queue-later    | judges the groups of a merge queue and posts their checks
//	queue-later | REPO@BRANCH  | queue:REPO@BRANCH | queue                           | queues the same once its time has come
//	coupling    | COUPLING     | couplings:REPO    | pull, repo, commands, timer     | judges a coupling
//	show        | PULL         | PULL              | coupling, expire, other work    | posts the check of a pull request
//	tell        | PULL         | PULL              | show                            | writes the note of a pull request
//	expire      | PULL         | PULL              | show                            | ends the patience with an unknown verdict
//	alarm       | PULL ALARM   | PULL              | coupling                        | comments on an alarm
//	report      | REPO         | report:REPO       | timer                           | writes the drift report
//	deliveries  | app          | deliveries        | timer, start                    | has GitHub deliver again what failed
//	prune       | deliveries   | prune             | timer                           | forgets old deliveries, and queues the same for each repository
//	prune       | REPO         | prune             | prune                           | forgets old documents of a repository
//	refused     | all          | refused           | webhook, timer                  | tries again what GitHub refused
//	reconcile   | all          | reconcile         | timer, start, deliveries        | queues everything
//
// The serialization keys are what makes writers exclusive. All that writes on a pull request has its key, so that a check and a note have one
// writer at a time. The commands of a repository run in their order. The couplings of one home are judged from one set of reads. The
// checks of all groups of a queue have one writer.
package work

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/store"
)

// Kinds of work, as the table of the package comment describes them.
const (
	KindInstall    = "install"
	KindRepo       = "repo"
	KindRef        = "ref"
	KindPull       = "pull"
	KindListed     = "listed"
	KindRecheck    = "recheck"
	KindVerify     = "verify"
	KindComment    = "comment"
	KindComments   = "comments"
	KindGroup      = "group"
	KindQueue      = "queue"
	KindQueueLater = "queue-later"
	KindCoupling   = "coupling"
	KindShow       = "show"
	KindTell       = "tell"
	KindExpire     = "expire"
	KindAlarm      = "alarm"
	KindReport     = "report"
	KindDeliveries = "deliveries"
	KindPrune      = "prune"
	KindRefused    = "refused"
	KindReconcile  = "reconcile"
)

// Keys that name no repository and no pull request.
const (
	everything     = "all"
	app            = "app"
	PruneDelivered = "deliveries" // of the prune work that begins a round
)

// InstallPayload is what an event says of the repositories on which the App is installed.
type InstallPayload struct {
	Gone   []coupling.Repo `json:"gone"`   // some that the list must not have any more
	Listed []coupling.Repo `json:"listed"` // some that it must have
}

// RepoPayload says what to look at besides the repository.
type RepoPayload struct {
	Backfill bool `json:"backfill,omitempty"` // list the open pull requests
}

// RefPayload is what an event says of a branch or a tag.
type RefPayload struct {
	Before string `json:"before,omitempty"` // a commit, or an annotated tag; "" when it is new, or the event does not say
	After  string `json:"after,omitempty"`
	Gone   bool   `json:"gone,omitempty"`
}

// PullPayload is what an event or a list says of a pull request.
type PullPayload struct {
	Action    string    `json:"action"` // of the event; "" for a list
	Head      string    `json:"head"`
	Base      string    `json:"base"`
	State     string    `json:"state"` // open, closed or merged
	Title     string    `json:"title"`
	Body      string    `json:"body"`
	Author    string    `json:"author"`
	Bot       bool      `json:"bot"`
	Private   bool      `json:"private"`
	UpdatedAt time.Time `json:"updated_at"`
	// Read is the pull request as GitHub showed it, when no event did.
	Read *forge.Pull `json:"read,omitempty"`
}

// Change is what an event says that it changed of a pull request, at a time in whole seconds.
type Change struct {
	At   time.Time `json:"at"`
	Of   string    `json:"of,omitempty"` // head, base, body, state or draft; "" is nothing of these
	From string    `json:"from,omitempty"`
	To   string    `json:"to,omitempty"`
}

// Changes are the fields of a pull request of which a [Change] may tell, as GitHub shows them.
func Changes(f forge.Pull) map[string]string {
	return map[string]string{"head": f.Head, "base": f.Base, "body": Digest(f.Body), "state": f.State, "draft": strconv.FormatBool(f.Draft)}
}

// Digest represents a text in a [Change].
func Digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// Read returns the payload for a pull request as GitHub shows it.
func Read(f forge.Pull) PullPayload {
	return PullPayload{
		Head: f.Head, Base: f.Base, State: f.State, Title: f.Title, Body: f.Body, Author: f.Author, Bot: f.AuthorBot,
		Private: f.Private, UpdatedAt: f.UpdatedAt, Read: &f,
	}
}

// CommentPayload is a comment as the event brought it: its text when it was created, which a later edit cannot change.
type CommentPayload struct {
	Author  string    `json:"author"`
	Body    string    `json:"body"`
	Created time.Time `json:"created"`
	ID      int64     `json:"id"`
	Replay  bool      `json:"replay,omitempty"`  // it was acknowledged once, and the database was lost since
	Refused bool      `json:"refused,omitempty"` // of a replay: some of its lines were refused
	Edited  bool      `json:"edited,omitempty"`  // of a replay: the text may differ from the one that was acknowledged
	Late    bool      `json:"late,omitempty"`    // of a replay: it runs again, for a home that was not known at first
}

// GroupPayload is what an event says of a merge group.
type GroupPayload struct {
	Action  string `json:"action"`
	BaseRef string `json:"base_ref"`
	BaseSHA string `json:"base_sha"`
	Head    string `json:"head"`
	HeadRef string `json:"head_ref"`
	Reason  string `json:"reason"` // why the group was destroyed
}

// Branch returns the branch into which the group merges.
func (p GroupPayload) Branch() string { return strings.TrimPrefix(p.BaseRef, "refs/heads/") }

// ShowPayload says how to show a pull request.
type ShowPayload struct {
	Verify bool `json:"verify,omitempty"` // compare with what GitHub shows first
}

// AlarmPayload says where an alarm is.
type AlarmPayload struct {
	Coupling coupling.Key `json:"coupling"`
}

// Payload decodes the payload of a row; the zero value where there is none, or it cannot be read.
func Payload[T RepoPayload | PullPayload | CommentPayload | GroupPayload | ShowPayload | AlarmPayload](w store.Work) T {
	var p, none T
	if err := json.Unmarshal(w.Data, &p); err != nil {
		return none
	}
	return p
}

// Trail decodes what all the events that a row answers said, in the order in which they came, for the kinds whose rows keep that.
func Trail[T Change | InstallPayload | RefPayload](w store.Work) []T {
	var out []T
	for line := range strings.Lines(w.Trail) {
		var t T
		if json.Unmarshal([]byte(line), &t) == nil {
			out = append(out, t)
		}
	}
	return out
}

// trail returns a row that keeps what an event says when the row answers others as well.
func trail[T Change | InstallPayload | RefPayload](w store.Work, said ...T) store.Work {
	for _, s := range said {
		line, _ := json.Marshal(s) // plain data
		w.Trail += string(line) + "\n"
	}
	return w
}

// row builds a row; a nil payload is none.
func row(kind, key, serial string, payload any) store.Work {
	w := store.Work{Kind: kind, Key: key, Lane: serial}
	if payload != nil {
		w.Data, _ = json.Marshal(payload) // plain data
	}
	return w
}

// onPull builds a row of a kind that writes on a pull request.
func onPull(kind string, p coupling.Pull, payload any) store.Work {
	return row(kind, p.String(), p.String(), payload)
}

// Install lists the repositories on which the App is installed.
func Install() store.Work { return row(KindInstall, everything, "install", nil) }

// Installed does the same and takes what an event says of them.
func Installed(p InstallPayload) store.Work { return trail(Install(), p) }

// InstallOf names the listing of one account. It is never queued: a refusal is recorded with it.
func InstallOf(account string) store.Work { return row(KindInstall, account, "install", nil) }

// Repo surveys a repository.
func Repo(repo coupling.Repo) store.Work { return row(KindRepo, string(repo), string(repo), nil) }

// Backfill surveys a repository and looks at each of its open pull requests.
func Backfill(repo coupling.Repo) store.Work {
	return row(KindRepo, string(repo), string(repo), RepoPayload{Backfill: true})
}

// Ref remembers what an event says of a branch or a tag, by its full name.
func Ref(repo coupling.Repo, ref string, p RefPayload) store.Work {
	return trail(row(KindRef, string(repo)+"@"+ref, "refs:"+string(repo), nil), p)
}

// Pull looks at a pull request, without a payload.
func Pull(p coupling.Pull) store.Work { return onPull(KindPull, p, nil) }

// PullEvent handles what an event says of a pull request, and what it says that it changed.
func PullEvent(p coupling.Pull, said PullPayload, changed ...Change) store.Work {
	return trail(onPull(KindPull, p, said), changed...)
}

// Listed handles a pull request that a list shows. Its kind differs from that of events, since of one row the newest payload
// replaces the others.
func Listed(f forge.Pull) store.Work { return onPull(KindListed, f.Pull, Read(f)) }

// Recheck looks at a pull request and posts its check again.
func Recheck(p coupling.Pull) store.Work { return onPull(KindRecheck, p, nil) }

// Verify looks at a pull request and at what GitHub shows of relbot's check and note.
func Verify(p coupling.Pull) store.Work { return onPull(KindVerify, p, nil) }

// Comment runs the commands of a comment.
func Comment(p coupling.Pull, c CommentPayload) store.Work {
	return row(KindComment, fmt.Sprintf("%s:%d", p, c.ID), commands(p.Repo), c)
}

// Comments finds commands of a repository whose deliveries were lost.
func Comments(repo coupling.Repo) store.Work {
	return row(KindComments, string(repo), commands(repo), nil)
}

// commands is the serialization key of all that runs commands in a repository.
func commands(repo coupling.Repo) string { return "comments:" + string(repo) }

// Group records what an event says of a merge group.
func Group(repo coupling.Repo, p GroupPayload) store.Work {
	return row(KindGroup, string(repo)+"@"+p.Head, "queue:"+queueKey(repo, p.Branch()), p)
}

// Queue judges the groups of a branch's merge queue.
func Queue(repo coupling.Repo, branch string) store.Work {
	key := queueKey(repo, branch)
	return row(KindQueue, key, "queue:"+key, nil)
}

// QueueLater queues the same at a moment. It is a kind of its own, since a row that is worked on keeps its moment.
func QueueLater(repo coupling.Repo, branch string, at time.Time) store.Work {
	key := queueKey(repo, branch)
	w := row(KindQueueLater, key, "queue:"+key, nil)
	w.At = at
	return w
}

func queueKey(repo coupling.Repo, branch string) string { return string(repo) + "@" + branch }

// Coupling judges the coupling with a key.
func Coupling(key coupling.Key) store.Work {
	return row(KindCoupling, string(key), "couplings:"+string(key.Home()), nil)
}

// Show posts the check of a pull request; verify has it compared with what GitHub shows.
func Show(p coupling.Pull, verify bool) store.Work { return shown(KindShow, p, verify) }

// Tell writes the note of a pull request, after all that is due at a moment.
func Tell(p coupling.Pull, verify bool, at time.Time) store.Work {
	w := shown(KindTell, p, verify)
	w.At = at
	return w
}

func shown(kind string, p coupling.Pull, verify bool) store.Work {
	if !verify {
		return onPull(kind, p, nil) // so that it keeps the payload of a row that waits
	}
	return onPull(kind, p, ShowPayload{Verify: true})
}

// Expire shows a pull request when the patience with an unknown verdict ends.
func Expire(p coupling.Pull, at time.Time) store.Work {
	w := onPull(KindExpire, p, nil)
	w.At = at
	return w
}

// Alarm comments on an alarm of a coupling.
func Alarm(p coupling.Pull, id string, of coupling.Key) store.Work {
	return row(KindAlarm, p.String()+" "+id, p.String(), AlarmPayload{Coupling: of})
}

// Report writes a repository's drift report.
func Report(repo coupling.Repo) store.Work {
	return row(KindReport, string(repo), "report:"+string(repo), nil)
}

// Deliveries has GitHub deliver again what failed.
func Deliveries() store.Work { return row(KindDeliveries, app, "deliveries", nil) }

// Prune forgets old deliveries, and then what is old in each repository.
func Prune() store.Work { return row(KindPrune, PruneDelivered, "prune", nil) }

// PruneRepo forgets what is old in a repository.
func PruneRepo(repo coupling.Repo) store.Work { return row(KindPrune, string(repo), "prune", nil) }

// Refused tries again what GitHub refused.
func Refused() store.Work { return row(KindRefused, everything, "refused", nil) }

// Reconcile queues everything.
func Reconcile() store.Work { return row(KindReconcile, everything, "reconcile", nil) }

// PullOf returns the pull request of a row that writes on one; false where the key names none.
func PullOf(w store.Work) (coupling.Pull, bool) {
	p, err := coupling.ParsePull(w.Key, "")
	return p, err == nil
}

// CommentOf returns the pull request of a comment's row; false where the key names none.
func CommentOf(w store.Work) (coupling.Pull, bool) {
	i := strings.LastIndexByte(w.Key, ':')
	p, err := coupling.ParsePull(w.Key[:max(i, 0)], "")
	return p, err == nil
}

// AlarmOf returns the pull request and the alarm of an alarm's row; false where the key names none.
func AlarmOf(w store.Work) (p coupling.Pull, id string, ok bool) {
	of, id, _ := strings.Cut(w.Key, " ")
	p, err := coupling.ParsePull(of, "")
	return p, id, err == nil
}

// RefOf returns the repository and the full name of the branch or tag of a ref's row.
func RefOf(w store.Work) (coupling.Repo, string) {
	repo, ref, _ := strings.Cut(w.Key, "@")
	return coupling.Repo(repo), ref
}

// QueueOf returns the repository and the branch of a queue's row.
func QueueOf(w store.Work) (coupling.Repo, string) { return RefOf(w) }

// RepoOf returns the repository with which the key of a row begins, "" where it begins with none.
func RepoOf(w store.Work) coupling.Repo {
	key := w.Key
	if i := strings.IndexAny(key, "#@: "); i >= 0 {
		key = key[:i]
	}
	if !strings.Contains(key, "/") {
		return ""
	}
	return coupling.Repo(key)
}

// Name identifies a row in one text; [Named] takes it apart.
func Name(w store.Work) string { return w.Kind + " " + w.Key }

// Named returns the row that has a name, with what is kept of it elsewhere.
func Named(name, serial string, payload []byte) store.Work {
	kind, key, _ := strings.Cut(name, " ")
	return store.Work{Kind: kind, Key: key, Lane: serial, Data: payload}
}
