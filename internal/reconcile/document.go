package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/drift"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/policy"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/store"
)

// Kinds of remembered documents. Their JSON is read by later versions: fields may be added, never reused.
const (
	docRepo      = "repo"      // key: repository
	docOverlay   = "overlay"   // key: home; what commands changed
	docJudgement = "judgement" // key: coupling
	docHistory   = "history"   // key: coupling; its flips and charts
	docMember    = "member"    // key: pull request; the couplings it is in
	docPull      = "pull"      // key: pull request; last known
	docHead      = "head"      // key: repository "@" commit; the pull requests of which it is or was the head
	docOverride  = "override"  // key: pull request
	docComment   = "comment"   // key: pull request ":" comment id
	docMention   = "mention"   // key: pull request; who says that it does away with it
	docReport    = "report"    // key: repository
	docPage      = "page"      // key: pull request
	docTimeline  = "timeline"  // key: repository " " gate
	docWaiting   = "waiting"   // key: repository " " kind " " key of the work that waits until it is known
	docLines     = "lines"     // key: repository; descriptions that have to be taken up, with a new database
	docWatermark = "watermark" // key: what has been listed so far
	docQueue     = "queue"     // key: repository "@" branch; the groups of its merge queue
	docMoved     = "moved"     // key: former name of a repository, in lower case
	docRefused   = "refused"   // key: kind " " key of work that GitHub refused
)

// repoDoc is a repository as it was last surveyed, and the policy in force there.
type repoDoc struct {
	forge.Repository
	Tip         string `json:"tip"`
	PolicyID    string `json:"policy_id"`             // blob of the newest policy file, good or bad
	Policy      string `json:"policy"`                // text in force: the last good one; "" is none
	Problems    int    `json:"problems,omitempty"`    // of the newest file, when it is not in force
	Fingerprint string `json:"fingerprint,omitempty"` // of all that couplings depend on
	Gone        bool   `json:"gone,omitempty"`        // the App is no longer installed there
	// Watched is what stands at the tip, by watched path; a path that is missing was not asked for under this policy.
	Watched map[string]string `json:"watched,omitempty"`
	// Bases are branches on which couplings of any home land, beside those that the policy names.
	Bases []string `json:"bases,omitempty"`
	// Since is when relbot first saw the repository, on this database.
	Since time.Time `json:"since,omitzero"`
	// Told is what events told of branches and tags in the last minute, which a read may not show yet.
	Told []refDoc `json:"told,omitempty"`
}

// surveyed reports whether the repository was read on this database.
func (d repoDoc) surveyed() bool { return d.Fingerprint != "" || d.PolicyID != "" }

// settling is how long after a repository was first seen what stands there is looked at before it is written over: the
// database may be new and relbot not.
const settling = 10 * time.Minute

func (r *Reconciler) settling(d repoDoc) bool { return r.Now().Sub(d.Since) < settling }

// parsed keeps policies that were parsed; surveyed and overlaid keep repositories, and what commands changed there, that were decoded: the same
// is asked for many times in an evaluation.
var (
	parsed, _   = lru.New[policyText, rules.Policy](512)
	surveyed, _ = lru.New[string, decodedDoc[repoDoc]](512)
	overlaid, _ = lru.New[string, decodedDoc[overlayDoc]](128)
)

type policyText struct {
	repo coupling.Repo
	text string
}

// rules parses the policy in force. A repository without one has the defaults. What it returns is shared and must not be
// changed.
func (d repoDoc) rules() rules.Policy {
	if d.Policy != "" {
		key := policyText{d.Name, d.Policy}
		if p, ok := parsed.Get(key); ok {
			return p
		}
		if p, problems := policy.Parse(d.Name, []byte(d.Policy)); len(problems) == 0 {
			parsed.Add(key, *p)
			return *p
		}
	}
	return rules.Policy{Check: rules.DefaultCheck, Report: rules.DefaultReport, Permissions: rules.DefaultPermissions}
}

// judgementDoc is the last judgement of a coupling.
type judgementDoc struct {
	rules.Judgement
	// Outage is since when facts are missing because GitHub does not answer; zero when it does.
	Outage time.Time `json:"outage,omitzero"`
	// Read is when GitHub was asked for the facts, and Heads the head that each open pull request had then.
	Read   time.Time         `json:"read,omitzero"`
	Heads  map[string]string `json:"heads,omitempty"`
	Lately []change          `json:"lately,omitempty"` // newest first
	Opened time.Time         `json:"opened"`
	Told   []string          `json:"told,omitempty"` // alarms for which comments were queued
}

// renamed is the same after a repository was renamed. What was told of is still told.
func (d judgementDoc) renamed(from, to coupling.Repo) (judgementDoc, error) {
	body, err := json.Marshal(d)
	if err != nil {
		return d, err
	}
	var out judgementDoc
	if err := json.Unmarshal([]byte(renamed(string(body), from, to)), &out); err != nil {
		return d, err
	}
	out.Told = nil
	for _, a := range out.Alarms {
		out.Told = append(out.Told, alarmID(a))
	}
	return out, nil
}

// change is a line of the note's "what changed lately".
type change struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// memberDoc lists the couplings that a pull request is in, by key, sorted.
type memberDoc struct {
	Couplings []string `json:"couplings"`
}

// commentDoc is a comment whose commands were run.
type commentDoc struct {
	Reaction string   `json:"reaction,omitempty"`
	Replies  []string `json:"replies,omitempty"`
	Done     bool     `json:"done,omitempty"` // it was said, too
}

// mentionDoc says which pull request outside a coupling claims to do away with a member, and with all others of its coupling.
type mentionDoc struct {
	By coupling.Pull `json:"by"`
}

// headDoc lists the pull requests that share a head.
type headDoc struct {
	Pulls []coupling.Pull `json:"pulls"`
}

// pullDoc is what is known of a pull request outside any coupling: enough to post a check on its head.
type pullDoc struct {
	Head    string    `json:"head"`
	Base    string    `json:"base"`
	State   string    `json:"state"` // open, closed, merged
	Author  string    `json:"author"`
	Private bool      `json:"private,omitempty"`
	Updated time.Time `json:"updated"`
	// Told is when relbot learned of that: see [pullDoc.lags].
	Told    time.Time `json:"told,omitzero"`
	Recheck int64     `json:"recheck,omitempty"` // counts clicks on re-run, so that the check is posted anew
	// Returned: it was open before, as far as is known, so that a check that nothing is remembered of may stand on its head.
	Returned bool `json:"returned,omitempty"`
	// Proposals of the body, and near misses, are texts for the check; they are computed again when Basis differs.
	Basis      string   `json:"basis,omitempty"`
	Proposals  []string `json:"proposals,omitempty"`
	NearMisses []string `json:"near_misses,omitempty"`
	second
	look
}

// look is what was found of a pull request's content apart from its couplings.
type look struct {
	Looked  string             `json:"looked,omitempty"`  // of what it was found: looked at again when it differs; "" is not yet
	Touches bool               `json:"touches,omitempty"` // it changes the policy file, or something where gates are
	Extra   *rules.Verdict     `json:"extra,omitempty"`   // what is to be said of it: a foreign gate edit, a policy change
	Notes   []forge.Annotation `json:"notes,omitempty"`   // problems of a changed policy
	Preview []string           `json:"preview,omitempty"` // verdicts that a changed policy would change
}

// overrideDoc are the overrides in force on a pull request.
type overrideDoc struct {
	Overrides []override `json:"overrides"`
	Cancelled int64      `json:"cancelled,omitempty"` // Seq of the last cancel: what was given before it is void
}

type override struct {
	rules.Override
	ID   string    `json:"id"`   // the command that gave it
	Seq  int64     `json:"seq"`  // orders commands by their comments
	Head string    `json:"head"` // commit it was given for
	Tree string    `json:"tree"`
	At   time.Time `json:"at"`
}

// reportDoc is the last report of a repository.
type reportDoc struct {
	Issue  int          `json:"issue"`
	Asked  time.Time    `json:"asked,omitzero"` // when the issue was asked for, while its number is not known
	Open   bool         `json:"open"`
	Hash   string       `json:"hash"`
	Rows   []drift.Row  `json:"rows"`
	Gates  []drift.Gate `json:"gates,omitempty"`
	Nights []Night      `json:"nights,omitempty"` // oldest first, at most maxNights
}

// Night is how much had drifted when a report was made.
type Night struct {
	Date string             `json:"date"` // 2006-01-02
	Rows int                `json:"rows"`
	New  int                `json:"new"` // that had not stood in the report before
	By   map[rules.Code]int `json:"by,omitempty"`
}

// maxNights bounds what is remembered of former reports.
const maxNights = 60

// watermark remembers up to when a list was read.
type watermark struct {
	At time.Time `json:"at"`
}

// load reads a document into v and returns its revision; v is untouched when there is none. The maps and slices of a repository and
// an overlay are shared: they are replaced, and never changed.
func (r *Reconciler) load(ctx context.Context, kind, key string, v any) (int64, error) {
	d, err := r.Store.Get(ctx, kind, key)
	if err != nil {
		return 0, fmt.Errorf("%s %s: %w", kind, key, err)
	}
	if d.Rev == 0 {
		return 0, nil
	}
	switch v := v.(type) {
	case *repoDoc:
		err = once(surveyed, d, v)
	case *overlayDoc:
		err = once(overlaid, d, v)
	default:
		err = decode(d, v)
	}
	return d.Rev, err
}

// once decodes a document unless it is kept.
func once[T any](kept *lru.Cache[string, decodedDoc[T]], d store.Document, v *T) error {
	one, _ := kept.Get(d.Key)
	one, err := one.or(d)
	if err == nil {
		kept.Add(d.Key, one)
		*v = *one.v
	}
	return err
}

func decode(d store.Document, v any) error {
	if err := json.Unmarshal(d.Body, v); err != nil {
		return fmt.Errorf("%s %s: remembered text is damaged: %w", d.Kind, d.Key, err)
	}
	return nil
}

// document builds a document to put.
func document(kind, key string, rev int64, v any) store.Document {
	body, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("%s %s: %v", kind, key, err)) // only types of this package come here
	}
	return store.Document{Kind: kind, Key: key, Rev: rev, Body: body}
}

// update reads a document, lets change alter it, and writes it with the work it calls for; it begins again when
// somebody else wrote in between. change reports whether there is anything to write.
func update[T any](ctx context.Context, r *Reconciler, kind, key string, change func(v *T) ([]store.Work, bool)) (T, error) {
	return updateWith(ctx, r, kind, key, func(v *T) ([]store.Document, []store.Work, bool, error) {
		work, write := change(v)
		return nil, work, write, nil
	})
}

// updateWith is [update] with further documents that are written in the same transaction.
func updateWith[T any](ctx context.Context, r *Reconciler, kind, key string, change func(v *T) ([]store.Document, []store.Work, bool, error)) (T, error) {
	for {
		var v T
		rev, err := r.load(ctx, kind, key, &v)
		if err != nil {
			return v, err
		}
		beside, work, write, err := change(&v)
		if err != nil {
			return v, err
		}
		if !write {
			if len(work) > 0 {
				err = r.Store.Enqueue(ctx, work...)
			}
			return v, err
		}
		err = r.Store.Put(ctx, append(beside, document(kind, key, rev, v)), work)
		if !errors.Is(err, store.ErrConflict) {
			return v, err
		}
	}
}

// list reads all documents of a kind with a key prefix.
func list[T any](ctx context.Context, r *Reconciler, kind, prefix string) (map[string]T, error) {
	docs, err := r.Store.List(ctx, kind, prefix)
	if err != nil {
		return nil, fmt.Errorf("list %s %s: %w", kind, prefix, err)
	}
	out := make(map[string]T, len(docs))
	for _, d := range docs {
		var v T
		if err := decode(d, &v); err != nil {
			return nil, err
		}
		out[d.Key] = v
	}
	return out, nil
}
