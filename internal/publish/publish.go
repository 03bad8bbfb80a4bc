// Package publish performs the smallest set of writes that makes GitHub show what it should.
//
// Each write has three steps: compare what is wanted with what was last written and do nothing when they are equal;
// record the intent; write and record the id. A crash between the last two leaves an intent behind, and then the next
// run looks on GitHub for what the lost write may have done before it repeats it: a check by its external id, a
// comment by its marker. So nothing is posted twice, and nothing is posted that was not written down first.
//
// GitHub only ever adds annotations to a check run. A run takes the wanted ones once, while it has none, and is written again as long as
// they stay the same; when they differ, a new run of the same name replaces it. The external id of a run says which it has.
//
// One pull request is published by one worker at a time; the caller's work lane sees to that.
package publish

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/budget"
	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/store"
)

// GitHub is what publishing needs of GitHub.
type GitHub interface {
	Checks
	Comments
	Issues
}

// Checks writes checks and statuses.
type Checks interface {
	CheckRuns(ctx context.Context, repo coupling.Repo, sha, name string) ([]forge.CheckRun, error)
	PutCheck(ctx context.Context, repo coupling.Repo, run forge.CheckRun) (int64, error)
	// NewCheck creates a check run in a repository that is named by its node id, and tells which file stands at a path of its commit: a
	// blob's id, or "". told is false when that could not be read. The id is 0 when GitHub did not tell it.
	NewCheck(ctx context.Context, repo coupling.Repo, nodeID string, run forge.CheckRun, path string) (id int64, blob string, told bool, err error)
	PutStatus(ctx context.Context, repo coupling.Repo, s forge.Status) error
}

// Comments writes comments and reactions.
type Comments interface {
	Comments(ctx context.Context, pull coupling.Pull) ([]forge.Comment, error)
	PostComment(ctx context.Context, pull coupling.Pull, body string) (forge.Comment, error)
	EditComment(ctx context.Context, repo coupling.Repo, id int64, body string) error
	Minimize(ctx context.Context, repo coupling.Repo, nodeID string) error
	React(ctx context.Context, repo coupling.Repo, comment int64, content string) error
}

// Issues writes the drift report.
type Issues interface {
	Issues(ctx context.Context, repo coupling.Repo, label string) ([]forge.Issue, error)
	CreateIssue(ctx context.Context, repo coupling.Repo, title, body string, labels []string) (int, error)
	EditIssue(ctx context.Context, repo coupling.Repo, i forge.Issue) error
}

// Kinds of documents that publishing remembers; package reconcile moves and forgets them with the rest.
const (
	DocCheck = "check" // key: repository "@" head
	DocNote  = "note"  // key: pull request
	DocOnce  = "once"  // key: a comment that is made once
)

// Documents are their types.
var Documents = map[string]func() any{
	DocCheck: func() any { return new(Posted) },
	DocNote:  func() any { return new(Noted) },
	DocOnce:  func() any { return new(once) },
}

// Settled reports whether a note that was said farewell to, or a comment that is made once, is done with: nothing is left to be written for it.
func Settled(d store.Document) bool {
	switch d.Kind {
	case DocNote:
		var n Noted
		err := json.Unmarshal(d.Body, &n)
		return err == nil && (n.Closed || n.ID == 0) && n.Intent == "" && len(n.Minimize)+len(n.Banner) == 0
	case DocOnce:
		var o once
		return json.Unmarshal(d.Body, &o) == nil && o.ID != 0
	}
	return false
}

// Store is what publishing needs of the database.
type Store interface {
	Get(ctx context.Context, kind, key string) (store.Document, error)
	Put(ctx context.Context, docs []store.Document, work []store.Work) error
}

// Publisher writes.
type Publisher struct {
	GitHub GitHub
	Store  Store
	Now    func() time.Time
}

// listLag is how long what was just written may be missing from GitHub's lists.
const listLag = 20 * time.Second

// Unlisted returns an error while something that was asked for, without an answer, may exist though no list has it: a second one must wait. asked is
// when; zero is never.
func Unlisted(asked, now time.Time) error {
	left := asked.Add(listLag).Sub(now)
	if left <= 0 {
		return nil
	}
	return &forge.RetryError{After: min(left, listLag/4), Err: errors.New("what was written may not be listed yet")}
}

// undone reports whether an error says that a write had no effect.
func undone(err error) bool {
	var retry *forge.RetryError
	refused := errors.As(err, &retry) && retry.After > 0 || slices.ContainsFunc([]error{forge.ErrRejected, forge.ErrNoCommit, forge.ErrGone, forge.ErrSuspended, forge.ErrToken}, func(e error) bool { return errors.Is(err, e) })
	return budget.Held(err) || refused && !errors.Is(err, forge.ErrUnanswered)
}

// Posted is the check that stands on a commit.
type Posted struct {
	ID      int64     `json:"id"`
	Name    string    `json:"name"`
	Level   string    `json:"level"` // pass, wait, block, unknown
	Status  string    `json:"status"`
	Hash    string    `json:"hash"`             // of what was written last
	Intent  string    `json:"intent,omitempty"` // hash of a write whose answer is not recorded yet
	Meant   string    `json:"meant,omitempty"`  // the level of that write
	Asked   time.Time `json:"asked,omitzero"`   // when that asked for a run or annotations, which must not come twice
	Unknown time.Time `json:"unknown,omitzero"` // since when the verdict has been unknown
	At      time.Time `json:"at,omitzero"`
	// Annotated is the hash of the annotations that the run has: unannotated for none, "" when they are not known.
	Annotated string `json:"annotated,omitempty"`
}

// unannotated stands for the annotations of a run that has none.
const unannotated = "none"

// annotated identifies the annotations of a run.
func annotated(run forge.CheckRun) string {
	if len(run.Annotations) == 0 {
		return unannotated
	}
	return Hash(run.Annotations)
}

// externalID names what a run shows, and which annotations it has.
func externalID(hash, annotated string) string { return "relbot:" + hash + ":" + annotated }

// annotatedIn reads from an external id which annotations a run has; "" when that is not known.
func annotatedIn(externalID string) string {
	parts := strings.Split(externalID, ":")
	if len(parts) != 3 || parts[0] != "relbot" {
		return ""
	}
	return parts[2]
}

// takes returns the run as it is to be written so that GitHub shows it: into the run that exists where that can become it, else as a new
// one. A completed run cannot return to in_progress, and no annotation can be taken off a run.
func (p Posted) takes(run forge.CheckRun) forge.CheckRun {
	same := p.Annotated == annotated(run)
	if p.ID == 0 || p.Name != run.Name || p.Status == "completed" && run.Status != "completed" || !same && p.Annotated != unannotated {
		return run
	}
	run.ID = p.ID
	if same {
		run.Annotations = nil // they would be added once more
	}
	return run
}

// Hash identifies a content.
func Hash(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only plain data comes here
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:12])
}

func get[T any](ctx context.Context, s Store, kind, key string) (T, int64, error) {
	var v T
	d, err := s.Get(ctx, kind, key)
	if err == nil && d.Rev > 0 {
		err = json.Unmarshal(d.Body, &v)
	}
	if err != nil {
		err = fmt.Errorf("%s %s: %w", kind, key, err)
	}
	return v, d.Rev, err
}

// put writes a document; the worker owns its key, so that a conflict is another worker that took over.
func put(ctx context.Context, s Store, kind, key string, rev int64, v any) (int64, error) {
	return rev + 1, putWith(ctx, s, kind, key, rev, v, nil, nil)
}

// putWith writes a document with others, and the work that they call for.
func putWith(ctx context.Context, s Store, kind, key string, rev int64, v any, docs []store.Document, work []store.Work) error {
	body, err := json.Marshal(v)
	if err == nil {
		err = s.Put(ctx, append(docs, store.Document{Kind: kind, Key: key, Rev: rev, Body: body}), work)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", kind, key, err)
	}
	return nil
}

func checkKey(repo coupling.Repo, head string) string { return string(repo) + "@" + head }

// Posted returns the check that relbot last wrote on a commit.
func (p *Publisher) Posted(ctx context.Context, repo coupling.Repo, head string) (Posted, error) {
	v, _, err := get[Posted](ctx, p.Store, DocCheck, checkKey(repo, head))
	return v, err
}

// Remember notes since when the verdict on a commit has been unknown, without writing to GitHub.
func (p *Publisher) Remember(ctx context.Context, repo coupling.Repo, head string, unknown time.Time) error {
	v, rev, err := get[Posted](ctx, p.Store, DocCheck, checkKey(repo, head))
	if err != nil || v.Unknown.Equal(unknown) {
		return err
	}
	v.Unknown = unknown
	_, err = put(ctx, p.Store, DocCheck, checkKey(repo, head), rev, v)
	return err
}

// CheckOptions say how a check is brought about.
type CheckOptions struct {
	Level  string // of the verdict; remembered beside the check
	As     string // "check" or "status"
	Verify bool   // nothing may be remembered of what stands on GitHub: look first
	Now    time.Time
	Nonce  int64 // changes when the check has to be posted anew though nothing in it changed
	Look   *Look // for a commit that has no check yet; may be nil
	// Again is queued when somebody else wrote the check at the same time, so that it cannot be known which of the two stands.
	Again []store.Work
}

// Look is a look at a commit in the call that writes its first check.
type Look struct {
	NodeID string // of the repository
	Path   string // of a file
	// Then tells what is to be remembered and queued together with the check, by the file's blob; told is false when GitHub did not tell it.
	Then func(blob string, told bool) ([]store.Document, []store.Work, error)
}

// hash identifies what is to be shown.
func (o CheckOptions) hash(run forge.CheckRun) string {
	return Hash(struct {
		Run   forge.CheckRun
		As    string
		Nonce int64
	}{run, o.As, o.Nonce})
}

// Differs reports whether a check would be written.
func (p *Publisher) Differs(posted Posted, run forge.CheckRun, o CheckOptions) bool {
	return posted.Hash != o.hash(run) || posted.Intent != ""
}

// Check makes a commit show a check. It reports whether anything was written.
func (p *Publisher) Check(ctx context.Context, repo coupling.Repo, run forge.CheckRun, o CheckOptions) (bool, error) {
	hash := o.hash(run)
	key := checkKey(repo, run.Head)
	posted, rev, err := get[Posted](ctx, p.Store, DocCheck, key)
	if err != nil {
		return false, err
	}
	if !p.Differs(posted, run, o) {
		return false, nil
	}
	before := posted
	if posted.demoted(o) {
		ctx = budget.With(ctx, budget.Demotions)
	}
	run.ExternalID = externalID(hash, annotated(run))
	var blob string // for Look
	var told bool
	write := func(run forge.CheckRun) (id int64, err error) {
		if o.Look == nil || run.ID != 0 || len(run.Annotations) > 0 {
			return p.GitHub.PutCheck(ctx, repo, run)
		}
		id, blob, told, err = p.GitHub.NewCheck(ctx, repo, o.Look.NodeID, run, o.Look.Path)
		return id, err
	}
	if o.As == "status" {
		if rev, err = put(ctx, p.Store, DocCheck, key, rev, with(posted, func(q *Posted) { q.Intent = hash })); err != nil {
			return false, err
		}
		// A status replaces the one before it under the same context, so that repeating one does no harm.
		if err := p.GitHub.PutStatus(ctx, repo, note.Status(run)); err != nil {
			return false, err
		}
	} else if done, err := p.adopt(ctx, repo, run, hash, &posted, o, rev == 0); err != nil {
		return false, err
	} else if !done {
		taken := posted.takes(run)
		intended := with(posted, func(q *Posted) { q.Intent, q.Meant, q.Asked = hash, o.Level, time.Time{} })
		if taken.ID == 0 || len(taken.Annotations) > 0 {
			intended.Asked = p.Now()
		}
		if rev, err = put(ctx, p.Store, DocCheck, key, rev, intended); err != nil {
			return false, err
		}
		id, err := write(taken)
		if errors.Is(err, forge.ErrGone) && taken.ID != 0 { // archived or deleted by GitHub
			id, err = write(run)
		}
		if err != nil && undone(err) {
			_, failed := put(ctx, p.Store, DocCheck, key, rev, before)
			return false, errors.Join(err, failed)
		}
		if err != nil {
			return false, err
		}
		posted.ID, posted.Annotated = id, annotated(run)
	}
	posted.Name, posted.Level, posted.Status, posted.Hash, posted.Intent, posted.At = run.Name, o.Level, run.Status, hash, "", o.Now
	posted.Meant, posted.Asked = "", time.Time{}
	if o.Level != "unknown" {
		posted.Unknown = time.Time{}
	}
	var docs []store.Document
	var work []store.Work
	if o.Look != nil {
		docs, work, err = o.Look.Then(blob, told)
	}
	if err == nil {
		err = putWith(ctx, p.Store, DocCheck, key, rev, posted, docs, work)
	}
	if errors.Is(err, store.ErrConflict) {
		err = errors.Join(err, p.doubt(context.WithoutCancel(ctx), key, o.Again))
	}
	return true, err
}

// doubt notes that another check may stand on a commit than the one that is remembered, so that the next run looks.
func (p *Publisher) doubt(ctx context.Context, key string, again []store.Work) error {
	for {
		posted, rev, err := get[Posted](ctx, p.Store, DocCheck, key)
		if err != nil {
			return err
		}
		posted.Intent = "doubt"
		if err = putWith(ctx, p.Store, DocCheck, key, rev, posted, nil, again); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// demoted reports whether a check takes back a pass that stands, or may.
func (p Posted) demoted(o CheckOptions) bool {
	return (p.Level == "pass" || p.Meant == "pass") && o.Level != "pass"
}

func with(p Posted, f func(*Posted)) Posted { f(&p); return p }

// adopt looks for the effect of a write whose answer was lost, or of a relbot whose database was lost, and reports whether the wanted check stands already.
func (p *Publisher) adopt(ctx context.Context, repo coupling.Repo, run forge.CheckRun, hash string, posted *Posted, o CheckOptions, forgotten bool) (bool, error) {
	if posted.Intent == "" && !(o.Verify && forgotten) {
		return false, nil
	}
	runs, err := p.GitHub.CheckRuns(ctx, repo, run.Head, run.Name)
	if err != nil && posted.demoted(o) { // a pass is taken back without a read
		posted.ID = 0
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var newest forge.CheckRun
	for _, r := range runs {
		if r.ID > newest.ID {
			newest = r
		}
	}
	if newest.ExternalID != run.ExternalID && newest.ExternalID != forge.Incomplete && newest.ID <= posted.ID {
		if err := Unlisted(posted.Asked, p.Now()); err != nil && !posted.demoted(o) {
			return false, err
		} else if err != nil {
			posted.Annotated = "" // a pass is taken back at once, by a run of its own
			return false, nil
		}
	}
	if newest.ID != 0 {
		posted.ID, posted.Name, posted.Status, posted.Annotated = newest.ID, newest.Name, newest.Status, annotatedIn(newest.ExternalID)
	}
	// A list may tell of a run what it showed before another write of the last moment, or one whose answer was lost.
	other := posted.Intent != "" && posted.Intent != hash || p.Now().Sub(posted.At) < listLag
	return newest.ExternalID == run.ExternalID && !other, nil
}

// Noted is the coordination note on a pull request.
type Noted struct {
	ID       int64     `json:"id"`
	NodeID   string    `json:"node_id"`
	URL      string    `json:"url"`
	Picture  string    `json:"picture"`
	Hash     string    `json:"hash"`
	Intent   string    `json:"intent,omitempty"`
	Asked    time.Time `json:"asked,omitzero"` // when the newest note was asked for
	Body     string    `json:"body"`
	Minimize []string  `json:"minimize,omitempty"` // node ids of outdated notes that have to be folded still
	Banner   []stale   `json:"banner,omitempty"`   // outdated notes that have to get their banner still
	Closed   bool      `json:"closed,omitempty"`   // the last word was said
	Renamed  bool      `json:"renamed,omitempty"`  // a repository that it names has another name now, which makes no other picture
}

// stale is an outdated note.
type stale struct {
	ID     int64  `json:"id"`
	NodeID string `json:"node_id"`
	Body   string `json:"body"`
}

// Noted returns the note that relbot keeps on a pull request.
func (p *Publisher) Noted(ctx context.Context, pull coupling.Pull) (Noted, error) {
	v, _, err := get[Noted](ctx, p.Store, DocNote, pull.String())
	return v, err
}

// Standing is the text of the note that stands on a pull request, where nothing is remembered of one; "" when there is none.
func (p *Publisher) Standing(ctx context.Context, pull coupling.Pull) (string, error) {
	n, rev, err := get[Noted](ctx, p.Store, DocNote, pull.String())
	if err != nil || rev > 0 {
		return "", err
	}
	return p.find(ctx, pull, &n)
}

// Renamed says of the note on a pull request, where one stands, that its picture will be another only because a repository has another name.
func (p *Publisher) Renamed(ctx context.Context, pull coupling.Pull) error {
	n, rev, err := get[Noted](ctx, p.Store, DocNote, pull.String())
	if err != nil || rev == 0 || n.Renamed {
		return err
	}
	n.Renamed = true
	_, err = put(ctx, p.Store, DocNote, pull.String(), rev, n)
	return err
}

// NoteOptions say how a note is brought about.
type NoteOptions struct {
	Picture string
	Verify  bool // look at what stands on GitHub: a person may have edited or doubled it, or the database was lost
	Last    bool // the pull request left its coupling: minimise the note after this text
}

// Note makes a pull request show one note: posted, edited in place, superseded when its picture changed, or left
// alone when nothing did.
func (p *Publisher) Note(ctx context.Context, pull coupling.Pull, body string, o NoteOptions) error {
	ctx = budget.Raise(ctx, budget.Notes)
	n, rev, err := get[Noted](ctx, p.Store, DocNote, pull.String())
	if err != nil {
		return err
	}
	save := func() error {
		rev, err = put(ctx, p.Store, DocNote, pull.String(), rev, n)
		return err
	}
	if n.Renamed {
		n.Picture, n.Renamed = o.Picture, false
		if err := save(); err != nil {
			return err
		}
	}
	hash, pending := Hash(body), n.Intent != ""
	other := pending && n.Intent != hash // a list may tell what the note said before that
	standing := ""
	if n.Intent != "" || o.Verify || rev == 0 { // a note is posted once in a pull request's life: looking first is cheap
		if standing, err = p.find(ctx, pull, &n); err != nil {
			return err
		}
	}
	switch {
	case n.ID == 0 && o.Last:
		return nil
	case n.ID == 0 || n.Closed && !o.Last || n.Picture != o.Picture && !o.Last:
		if err := Unlisted(n.Asked, p.Now()); err != nil && pending {
			return err
		}
		if n.ID != 0 && !n.Closed {
			n.Banner = append(n.Banner, stale{n.ID, n.NodeID, n.Body})
		}
		n.ID, n.NodeID = 0, ""
		n.Intent, n.Picture, n.Hash, n.Body, n.Closed, n.Asked = hash, o.Picture, hash, body, false, p.Now()
		if err := save(); err != nil {
			return err
		}
		c, err := p.GitHub.PostComment(ctx, pull, body)
		if err != nil && undone(err) {
			n.Asked = time.Time{}
			if !pending {
				n.Intent = "" // nothing is under way that would have to be looked for
			}
			return errors.Join(err, save())
		}
		if err != nil {
			return err
		}
		n.ID, n.NodeID, n.Intent = c.ID, c.NodeID, ""
		n.URL = commentURL(c.ID)
		if err := save(); err != nil {
			return err
		}
	default:
		want := body
		if standing != "" {
			want = note.Merge(standing, body)
		} else if n.Body != "" {
			want = note.Merge(n.Body, body)
		}
		if n.Hash != hash || n.Intent != "" || standing != "" && standing != want {
			if standing != want || other {
				n.Intent = hash
				if err := save(); err != nil {
					return err
				}
				err := p.GitHub.EditComment(ctx, pull.Repo, n.ID, want)
				if forge.IsMissing(err) { // somebody deleted it
					n.ID, n.NodeID, n.Hash, n.Intent, n.Body = 0, "", "", "", ""
					if err := save(); err != nil {
						return err
					}
					return p.Note(ctx, pull, body, o)
				}
				if err != nil {
					return err
				}
			}
			n.Hash, n.Body, n.Intent = hash, want, ""
			if err := save(); err != nil {
				return err
			}
		} else if o.Verify && standing != "" && n.Body != standing {
			n.Body = standing
			if err := save(); err != nil {
				return err
			}
		}
	}
	if o.Last && !n.Closed {
		n.Closed = true
		n.Minimize = append(n.Minimize, n.NodeID)
		if err := save(); err != nil {
			return err
		}
	}
	return p.fold(ctx, pull, &n, save)
}

// fold gives outdated notes their banner and minimises them; what fails is tried again at the next run.
func (p *Publisher) fold(ctx context.Context, pull coupling.Pull, n *Noted, save func() error) error {
	for len(n.Banner) > 0 {
		old := n.Banner[0]
		if err := p.GitHub.EditComment(ctx, pull.Repo, old.ID, note.Outdated(old.Body, n.URL)); err != nil && !errors.Is(err, forge.ErrGone) {
			return err
		}
		n.Banner, n.Minimize = n.Banner[1:], append(n.Minimize, old.NodeID)
		if err := save(); err != nil {
			return err
		}
	}
	for len(n.Minimize) > 0 {
		if err := p.GitHub.Minimize(ctx, pull.Repo, n.Minimize[0]); err != nil && !errors.Is(err, forge.ErrGone) {
			return err
		}
		n.Minimize = n.Minimize[1:]
		if err := save(); err != nil {
			return err
		}
	}
	return nil
}

// find looks at the notes that stand on GitHub: it adopts the newest live one, marks doubles as outdated, and
// returns the adopted note's text ("" when there is none).
func (p *Publisher) find(ctx context.Context, pull coupling.Pull, n *Noted) (string, error) {
	comments, err := p.GitHub.Comments(ctx, pull)
	if err != nil {
		return "", err
	}
	var live []forge.Comment
	for _, c := range comments {
		queued := slices.ContainsFunc(n.Banner, func(s stale) bool { return s.ID == c.ID })
		marked := note.IsNote(c.Body) && !note.IsOutdated(c.Body) || c.ID == n.ID // a person may have replaced the whole text
		if c.Own && marked && !c.Minimized && !queued {
			live = append(live, c)
		}
	}
	// One that was posted a moment ago stands though it is not listed yet.
	if known := func(c forge.Comment) bool { return c.ID == n.ID }; n.ID != 0 && !slices.ContainsFunc(comments, known) && Unlisted(n.Asked, p.Now()) != nil {
		live = append(live, forge.Comment{ID: n.ID, NodeID: n.NodeID, Body: n.Body})
	}
	keep := -1
	for i, c := range live {
		if c.ID == n.ID || n.ID == 0 { // of several the newest
			keep = i
		}
	}
	if keep < 0 && len(live) > 0 {
		keep = len(live) - 1
	}
	if keep < 0 {
		if n.ID != 0 && !n.Closed {
			n.ID, n.NodeID, n.Hash, n.Body = 0, "", "", "" // deleted, or hidden by a person
		}
		return "", nil
	}
	for i, c := range live {
		if i != keep {
			n.Banner = append(n.Banner, stale{c.ID, c.NodeID, c.Body})
		}
	}
	c := live[keep]
	if n.ID != c.ID {
		n.ID, n.NodeID, n.URL, n.Body = c.ID, c.NodeID, commentURL(c.ID), c.Body
		if n.Picture == "" {
			n.Picture = note.PictureOf(c.Body)
		}
	}
	return c.Body, nil
}

// commentURL links to a comment from anywhere on its own page.
func commentURL(id int64) string {
	return fmt.Sprintf("#issuecomment-%d", id)
}

// once remembers a comment that is made once.
type once struct {
	ID     int64     `json:"id"`
	Intent bool      `json:"intent,omitempty"`
	Asked  time.Time `json:"asked,omitzero"` // when the comment was last asked for
}

// Once posts a comment for a key, once; body must contain marker, by which a lost answer is looked up. With verify nothing may be remembered of
// what stands on GitHub, and it is looked up in any case.
func (p *Publisher) Once(ctx context.Context, pull coupling.Pull, key, marker, body string, verify bool) error {
	ctx = budget.Raise(ctx, budget.Notes)
	o, rev, err := get[once](ctx, p.Store, DocOnce, key)
	if err != nil || o.ID != 0 {
		return err
	}
	if o.Intent || verify && rev == 0 {
		comments, err := p.GitHub.Comments(ctx, pull)
		if err != nil {
			return err
		}
		for _, c := range comments {
			if c.Own && strings.Contains(c.Body, marker) {
				_, err = put(ctx, p.Store, DocOnce, key, rev, once{ID: c.ID})
				return err
			}
		}
		if err := Unlisted(o.Asked, p.Now()); err != nil {
			return err
		}
	}
	if rev, err = put(ctx, p.Store, DocOnce, key, rev, once{Intent: true, Asked: p.Now()}); err != nil {
		return err
	}
	c, err := p.GitHub.PostComment(ctx, pull, body)
	if err != nil && undone(err) {
		_, failed := put(ctx, p.Store, DocOnce, key, rev, once{Intent: o.Intent})
		return errors.Join(err, failed)
	}
	if err != nil {
		return err
	}
	_, err = put(ctx, p.Store, DocOnce, key, rev, once{ID: c.ID})
	return err
}
