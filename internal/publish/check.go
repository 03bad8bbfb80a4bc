package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/budget"
	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/store"
)

// Posted is the check that is on a commit.
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
	// Event is what called for the write, at Since; "" for a timer. Waited is what the work has waited for, as people read it.
	Event  string    `json:"event,omitempty"`
	Since  time.Time `json:"since,omitzero"`
	Waited string    `json:"waited,omitempty"`
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

// takes returns the run as it is to be written so that GitHub shows it. It goes into the run that exists where that can become it, else it
// is a new one. A completed run cannot return to in_progress, and no annotation can be taken off a run.
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

func checkKey(repo coupling.Repo, head string) string { return string(repo) + "@" + head }

// Posted returns the check that relbot last wrote on a commit.
func (p *Publisher) Posted(ctx context.Context, repo coupling.Repo, head string) (Posted, error) {
	r, err := load[Posted](ctx, p.Store, DocCheck, checkKey(repo, head))
	return r.is, err
}

// lister lists the documents of a kind with a key prefix.
type lister interface {
	List(ctx context.Context, kind, prefix string) ([]store.Document, error)
}

// PostedOn returns the checks that relbot last wrote in a repository, by commit.
func PostedOn(ctx context.Context, s lister, repo coupling.Repo) (map[string]Posted, error) {
	prefix := checkKey(repo, "")
	docs, err := s.List(ctx, DocCheck, prefix)
	if err != nil {
		return nil, fmt.Errorf("list %s %s: %w", DocCheck, prefix, err)
	}
	out := make(map[string]Posted, len(docs))
	for _, d := range docs {
		var v Posted
		if err := json.Unmarshal(d.Body, &v); err != nil {
			return nil, fmt.Errorf("%s %s: %w", d.Kind, d.Key, err)
		}
		out[strings.TrimPrefix(d.Key, prefix)] = v
	}
	return out, nil
}

// Remember notes since when the verdict on a commit has been unknown, without writing to GitHub.
func (p *Publisher) Remember(ctx context.Context, repo coupling.Repo, head string, unknown time.Time) error {
	r, err := load[Posted](ctx, p.Store, DocCheck, checkKey(repo, head))
	if err != nil || r.is.Unknown.Equal(unknown) {
		return err
	}
	r.is.Unknown = unknown
	return r.save(ctx)
}

// CheckOptions say how a check is brought about.
type CheckOptions struct {
	Level  string // of the verdict; remembered next to the check
	As     string // "check" or "status"
	Verify bool   // nothing may be remembered of what is on GitHub: look first
	Now    time.Time
	Nonce  int64 // changes when the check has to be posted again though nothing in it changed
	Look   *Look // for a commit that has no check yet; may be nil
	// Again is queued when somebody else wrote the check at the same time, so that it cannot be known which of the two is shown.
	Again []store.Work
}

// Look is a look at a commit in the call that writes its first check.
type Look struct {
	NodeID string // of the repository
	Path   string // of a file
	// Then tells what is to be remembered and queued together with the check, by the file's blob; known is false when GitHub did not tell it.
	Then func(blob string, known bool) ([]store.Document, []store.Work, error)
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
	r, err := load[Posted](ctx, p.Store, DocCheck, checkKey(repo, run.Head))
	if err != nil {
		return false, err
	}
	if !p.Differs(r.is, run, o) {
		return false, nil
	}
	w := checkWrite{Publisher: p, record: r, repo: repo, run: run, hash: o.hash(run), o: o}
	w.run.ExternalID = externalID(w.hash, annotated(run))
	if w.is.demoted(o) {
		ctx = budget.With(ctx, budget.Demotions)
	}
	if o.As == "status" {
		err = w.status(ctx)
	} else {
		err = w.check(ctx)
	}
	if err != nil {
		return false, err
	}
	err = w.done(ctx)
	if errors.Is(err, store.ErrConflict) {
		err = errors.Join(err, p.doubt(context.WithoutCancel(ctx), w.key, o.Again))
	}
	return true, err
}

// checkWrite brings one check about. Its record holds what was written before, then the intent, then what is written.
type checkWrite struct {
	*Publisher
	record[Posted]
	repo  coupling.Repo
	run   forge.CheckRun
	hash  string // of what is wanted
	o     CheckOptions
	blob  string // what Look has found; known is false when GitHub did not say
	known bool
}

// status writes a status. It replaces the one before it under the same context, so that repeating one does no harm.
func (w *checkWrite) status(ctx context.Context) error {
	if err := w.put(ctx, with(w.is, func(q *Posted) { q.Intent = w.hash })); err != nil {
		return err
	}
	return w.GitHub.PutStatus(ctx, w.repo, note.Status(w.run))
}

// check writes a check run, unless GitHub shows it already.
func (w *checkWrite) check(ctx context.Context) error {
	before := w.is
	posted, done, err := w.adopt(ctx)
	if err != nil {
		return err
	}
	if done {
		w.is = posted
		return nil
	}
	taken := posted.takes(w.run)
	intended := with(posted, func(q *Posted) { q.Intent, q.Meant, q.Asked = w.hash, w.o.Level, time.Time{} })
	if taken.ID == 0 || len(taken.Annotations) > 0 {
		intended.Asked = w.Now()
	}
	if err := w.put(ctx, intended); err != nil {
		return err
	}
	id, err := w.write(ctx, taken)
	if errors.Is(err, forge.ErrGone) && taken.ID != 0 { // archived or deleted by GitHub
		id, err = w.write(ctx, w.run)
	}
	if err != nil && undone(err) {
		return errors.Join(err, w.put(ctx, before))
	}
	w.is.ID, w.is.Annotated = id, annotated(w.run)
	return err
}

// write writes a run, and looks at the commit in the same call where that has room for both.
func (w *checkWrite) write(ctx context.Context, run forge.CheckRun) (id int64, err error) {
	look := w.o.Look
	if look == nil || run.ID != 0 || len(run.Annotations) > 0 {
		return w.GitHub.PutCheck(ctx, w.repo, run)
	}
	id, w.blob, w.known, err = w.GitHub.NewCheck(ctx, w.repo, look.NodeID, run, look.Path)
	return id, err
}

// done records what was written, and what Look calls for.
func (w *checkWrite) done(ctx context.Context) error {
	q := &w.is
	q.Name, q.Level, q.Status, q.Hash, q.At = w.run.Name, w.o.Level, w.run.Status, w.hash, w.o.Now
	from := store.OriginOf(ctx)
	q.Event, q.Since, q.Waited = from.Event, from.At, from.Waited
	q.Intent, q.Meant, q.Asked = "", "", time.Time{}
	if w.o.Level != "unknown" {
		q.Unknown = time.Time{}
	}
	if w.o.Look == nil {
		return w.save(ctx)
	}
	docs, work, err := w.o.Look.Then(w.blob, w.known)
	if err != nil {
		return err
	}
	return w.saveWith(ctx, docs, work)
}

// doubt notes that GitHub may show another check than the one that is remembered, so that the next run looks.
func (p *Publisher) doubt(ctx context.Context, key string, again []store.Work) error {
	for {
		r, err := load[Posted](ctx, p.Store, DocCheck, key)
		if err != nil {
			return err
		}
		r.is.Intent = "doubt"
		if err = r.saveWith(ctx, nil, again); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// demoted reports whether a check revokes a pass that is shown, or may.
func (p Posted) demoted(o CheckOptions) bool {
	return (p.Level == "pass" || p.Meant == "pass") && o.Level != "pass"
}

func with(p Posted, f func(*Posted)) Posted { f(&p); return p }

// adopt looks for the effect of a write whose answer was lost, or of a relbot whose database was lost. It returns the check that the commit has,
// and reports whether that is the wanted one already.
func (w *checkWrite) adopt(ctx context.Context) (Posted, bool, error) {
	posted := w.is
	if posted.Intent == "" && !(w.o.Verify && w.rev == 0) {
		return posted, false, nil
	}
	newest, err := w.newest(ctx)
	wanted := newest.ExternalID == w.run.ExternalID
	if err == nil && !wanted && newest.ExternalID != forge.Incomplete && newest.ID <= posted.ID {
		err = Unlisted(posted.Asked, w.Now())
	}
	if err != nil && posted.demoted(w.o) {
		posted.Annotated = "" // a pass is revoked at once, by a run of its own
		return posted, false, nil
	}
	if err != nil {
		return posted, false, err
	}
	if newest.ID != 0 {
		posted.ID, posted.Name, posted.Status, posted.Annotated = newest.ID, newest.Name, newest.Status, annotatedIn(newest.ExternalID)
	}
	// A list may tell of a run what it showed before another write of the last moment, or one whose answer was lost.
	other := posted.Intent != "" && posted.Intent != w.hash || w.Now().Sub(posted.At) < listLag
	return posted, wanted && !other, nil
}

// newest returns the newest run that GitHub lists for the commit; its id is 0 where there is none.
func (w *checkWrite) newest(ctx context.Context) (forge.CheckRun, error) {
	var newest forge.CheckRun
	runs, err := w.GitHub.CheckRuns(ctx, w.repo, w.run.Head, w.run.Name)
	for _, r := range runs {
		if r.ID > newest.ID {
			newest = r
		}
	}
	return newest, err
}
