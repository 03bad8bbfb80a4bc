// Package publish performs the smallest set of writes that makes GitHub show what it should.
//
// Each write has three steps: compare what is wanted with what was last written and do nothing when they are equal;
// record the intent; write and record the id. A crash between the last two leaves an intent behind. Then the next run
// looks on GitHub for what the lost write may have done before it repeats it. A check is known by its external
// id, and a comment by its marker. So nothing is posted twice, and nothing is posted that was not written down first.
//
// GitHub only ever adds annotations to a check run. A run takes the wanted ones once, while it has none, and is written again as long as
// they stay the same; when they differ, a new run of the same name replaces it. The external id of a run says which it has.
//
// One pull request is published by one worker at a time; the caller's work key sees to that.
//
// The note of a pull request is in one of six states. It is saved in each state before GitHub is called, and again with the answer:
//
//	absent  → asked    a text is wanted
//	asked   → shown    GitHub answers, or a list shows it
//	asked   → absent   GitHub refuses
//	shown   → edited   another text is wanted
//	edited  → shown    GitHub answers
//	edited  → absent   somebody deleted it
//	shown   → asked    another picture is wanted, or somebody deleted it; the old note is outdated
//	edited  → asked    the same, while an answer is missing
//	shown   → closed   the pull request left its coupling, and the last text was written
//	closed  → amended  another last text is wanted
//	amended → closed   GitHub answers
//	amended → absent   somebody deleted it
//	closed  → asked    the pull request is in a coupling again
//	amended → asked    the same, while an answer is missing
//	absent  → shown    a new database finds it as it is wanted
//	absent  → edited   a new database finds it with another text
//	asked   → edited   a list shows it, and another text is wanted
//
// An outdated note gets its banner and is then minimised, in two more writes; both are tried until they succeed.
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
	// NewCheck creates a check run in a repository that is named by its node id. It returns which file is at a path of its commit, as
	// a blob's id, or "". known is false when that could not be read. The id is 0 when GitHub did not tell it.
	NewCheck(ctx context.Context, repo coupling.Repo, nodeID string, run forge.CheckRun, path string) (id int64, blob string, known bool, err error)
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

// Settled reports whether a note that was said farewell to, or a comment that is made once, is done with. Nothing is left to be written for it.
func Settled(d store.Document) bool {
	switch d.Kind {
	case DocNote:
		var n Noted
		err := json.Unmarshal(d.Body, &n)
		return err == nil && (n.state() == absent || n.state() == closed) && len(n.Outdated) == 0
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

// Hash identifies a content.
func Hash(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only plain data comes here
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:12])
}

// record is a document as it was read or written last. The worker owns its key, so that a conflict is another worker that took over.
type record[T any] struct {
	is        T
	store     Store
	kind, key string
	rev       int64 // 0: nothing is remembered
}

func load[T any](ctx context.Context, s Store, kind, key string) (record[T], error) {
	r := record[T]{store: s, kind: kind, key: key}
	d, err := s.Get(ctx, kind, key)
	if err == nil && d.Rev > 0 {
		err = json.Unmarshal(d.Body, &r.is)
	}
	if err != nil {
		err = fmt.Errorf("%s %s: %w", kind, key, err)
	}
	r.rev = d.Rev
	return r, err
}

// put writes another value.
func (r *record[T]) put(ctx context.Context, v T) error {
	r.is = v
	return r.save(ctx)
}

func (r *record[T]) save(ctx context.Context) error { return r.saveWith(ctx, nil, nil) }

// saveWith writes the document with others, and the work that they call for.
func (r *record[T]) saveWith(ctx context.Context, docs []store.Document, work []store.Work) error {
	body, err := json.Marshal(r.is)
	if err == nil {
		err = r.store.Put(ctx, append(docs, store.Document{Kind: r.kind, Key: r.key, Rev: r.rev, Body: body}), work)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", r.kind, r.key, err)
	}
	r.rev++
	return nil
}

// once remembers a comment that is made once.
type once struct {
	ID     int64     `json:"id"`
	Intent bool      `json:"intent,omitempty"`
	Asked  time.Time `json:"asked,omitzero"` // when the comment was last asked for
}

// Once posts a comment for a key, once; body must contain marker, by which a lost answer is looked up. With verify nothing may be remembered of
// what is on GitHub, and it is looked up in any case.
func (p *Publisher) Once(ctx context.Context, pull coupling.Pull, key, marker, body string, verify bool) error {
	ctx = budget.Raise(ctx, budget.Notes)
	r, err := load[once](ctx, p.Store, DocOnce, key)
	if err != nil || r.is.ID != 0 {
		return err
	}
	before := r.is
	if before.Intent || verify && r.rev == 0 {
		comments, err := p.GitHub.Comments(ctx, pull)
		if err != nil {
			return err
		}
		for _, c := range comments {
			if c.Own && strings.Contains(c.Body, marker) {
				return r.put(ctx, once{ID: c.ID})
			}
		}
		if err := Unlisted(before.Asked, p.Now()); err != nil {
			return err
		}
	}
	if err := r.put(ctx, once{Intent: true, Asked: p.Now()}); err != nil {
		return err
	}
	c, err := p.GitHub.PostComment(ctx, pull, body)
	if err != nil && undone(err) {
		return errors.Join(err, r.put(ctx, once{Intent: before.Intent}))
	}
	if err != nil {
		return err
	}
	return r.put(ctx, once{ID: c.ID})
}
