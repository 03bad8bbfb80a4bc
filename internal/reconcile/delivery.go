package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/relbot/relbot/internal/command"
	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/work"
)

const (
	// retention is how long GitHub keeps deliveries for certain; what is older is found by looking at everything.
	retention = 72 * time.Hour
	// overlap covers deliveries that are listed late and clocks that differ a little.
	overlap = 10 * time.Minute
)

const (
	// redeliveries is how often a delivery is asked for again. What it was about is then found by looking at everything.
	redeliveries = 3
	// unsigned is how many of the newest deliveries say that the secret is wrong.
	unsigned = 3
)

// deliveries asks GitHub which deliveries failed since the last time, and has those sent again of which no attempt
// succeeded. Attempts of one delivery share its GUID; the status filter of the API is not used, since an attempt
// that never connected carries no HTTP status.
//
// While the newest ones fail with 401, the secrets of both sides differ: nothing is asked for then but the newest, where nothing else happens that would tell
// when they agree again.
func (r *Reconciler) deliveries(ctx context.Context, _ store.Claimed) error {
	now := r.Now()
	d, err := r.Memory.Deliveries.Load(ctx, memory.App{})
	if err != nil {
		return err
	}
	attempts, err := r.attempts(ctx, d.At)
	if err != nil {
		return err
	}
	missed := d.At.IsZero() || now.Sub(d.At) > retention
	switch unsigned := areUnsigned(attempts); {
	case unsigned && d.Unsigned.IsZero():
		r.Log.Warn("GitHub signs with another webhook secret than relbot has: nothing is delivered again until relbot takes one; see relbot doctor")
		d.Unsigned = cmp.Or(d.At, now.Add(-retention))
		attempts = nil
	case unsigned:
		attempts = nil
	case !d.Unsigned.IsZero():
		if attempts, err = r.attempts(ctx, d.Unsigned); err != nil {
			return err
		}
		if areUnsigned(attempts) {
			attempts = attempts[:1]
		} else {
			d.Unsigned = time.Time{}
		}
	}
	lost, failed := r.askAgain(ctx, &d, attempts)
	if failed == nil { // else the rest is asked for the next time
		d.At = now
	}
	_, err = r.Memory.Deliveries.Update(ctx, memory.App{}, func(kept *memory.Deliveries) ([]store.Work, bool) {
		*kept = d
		if lost || missed && failed == nil {
			return []store.Work{work.Reconcile()}, true
		}
		return nil, true
	})
	return errors.Join(failed, err)
}

// attempts lists deliveries since the last time, as long as GitHub keeps them.
func (r *Reconciler) attempts(ctx context.Context, last time.Time) ([]forge.DeliveryAttempt, error) {
	since := r.Now().Add(-retention)
	if from := last.Add(-overlap); from.After(since) {
		since = from
	}
	return r.GitHub.Deliveries(ctx, since)
}

// areUnsigned reports whether the newest deliveries were refused for their signature.
func areUnsigned(attempts []forge.DeliveryAttempt) bool {
	return len(attempts) >= unsigned && !slices.ContainsFunc(attempts[:unsigned], func(a forge.DeliveryAttempt) bool { return a.OK || a.Code != http.StatusUnauthorized })
}

// askAgain has those deliveries sent again of which no attempt succeeded. It reports whether one is lost for good.
func (r *Reconciler) askAgain(ctx context.Context, d *memory.Deliveries, attempts []forge.DeliveryAttempt) (lost bool, err error) {
	failed := map[string]forge.DeliveryAttempt{}
	done := map[string]bool{}
	for _, a := range attempts {
		if a.OK {
			done[a.GUID] = true
		} else if newest, ok := failed[a.GUID]; !ok || a.ID > newest.ID {
			failed[a.GUID] = a
		}
	}
	maps.DeleteFunc(failed, func(guid string, _ forge.DeliveryAttempt) bool { return done[guid] })
	before := d.Asked
	d.Asked = map[string]memory.Asked{}
	for guid, k := range before {
		if _, still := failed[guid]; still || !d.Unsigned.IsZero() && !done[guid] {
			d.Asked[guid] = k
		}
	}
	n := 0
	for _, a := range slices.SortedFunc(maps.Values(failed), func(a, b forge.DeliveryAttempt) int { return cmp.Compare(a.ID, b.ID) }) {
		k := d.Asked[a.GUID]
		if k.ID == a.ID { // on its way
			continue
		}
		if k.Times >= redeliveries {
			r.Log.Warn("not delivered again", "delivery", a.GUID, "attempts", k.Times)
			d.Asked[a.GUID], lost = memory.Asked{Times: k.Times, ID: a.ID}, true
			continue
		}
		err := r.GitHub.Redeliver(ctx, a.ID)
		if err != nil && transient(err) {
			return lost, fmt.Errorf("redeliver %s: %w", a.GUID, err)
		} else if err != nil {
			// GitHub does not have it any more, or does not want to: the rest must not wait for it. Looking at everything finds what it was about.
			r.Log.Warn("not delivered again", "delivery", a.GUID, "error", err)
			lost = true
		}
		d.Asked[a.GUID] = memory.Asked{Times: k.Times + 1, ID: a.ID}
		n++
	}
	if n > 0 {
		r.Log.Info("asked GitHub to deliver again", "deliveries", n)
	}
	return lost, nil
}

// missedComments queues the commands in comments written since the last look, in case their deliveries were lost for good. With an
// empty database only those that relbot had acknowledged are taken up again: the others were never accepted. Between them the lines of
// descriptions are. A long list is read in parts, and how far is remembered.
func (r *Reconciler) missedComments(ctx context.Context, c store.Claimed) error {
	repo := coupling.Repo(c.Key)
	if heard, err := r.Memory.Watermarks.Has(ctx, memory.Replayed.Of(repo)); err != nil {
		return err
	} else if heard {
		return r.listen(ctx, repo, nil)
	}
	later, known, err := r.before(ctx, c, repo)
	if err != nil || !known {
		return err
	}
	if err := r.listen(ctx, repo, later); err != nil {
		return errors.Join(err, r.deaf(ctx, repo))
	}
	return nil
}

// listening is one look at the comments of a repository.
type listening struct {
	*Reconciler
	repo  coupling.Repo
	now   time.Time
	later []coupling.Repo // homes for which acknowledged comments run again as soon as these are known

	heard    memory.Doc[memory.WatermarkKey, memory.Watermark] // it exists unless the database is new
	part     memory.Doc[memory.WatermarkKey, memory.Watermark]
	proposed memory.Doc[memory.WatermarkKey, memory.Watermark]
	lines    memory.Doc[coupling.Repo, memory.Lines]

	queue []store.Work
	notes map[coupling.Pull]string // relbot's own, of before the loss of the database
}

// listen is missedComments; later are the homes for which acknowledged comments run again when these are known.
func (r *Reconciler) listen(ctx context.Context, repo coupling.Repo, later []coupling.Repo) error {
	l := &listening{Reconciler: r, repo: repo, now: r.Now(), later: later, notes: map[coupling.Pull]string{}}
	if err := l.load(ctx); err != nil {
		return err
	}
	if !l.proposed.Exists() && !l.lines.Exists() { // they are listed first
		return r.Store.Enqueue(ctx, work.Backfill(repo))
	}
	since := l.heard.Value.At.Add(-overlap)
	if l.part.Exists() {
		since = l.part.Value.At
	}
	comments, next, err := r.GitHub.CommentsSince(ctx, repo, since)
	if err != nil {
		return err
	}
	for _, c := range comments {
		if err := l.hear(ctx, c); err != nil {
			return err
		}
	}
	if len(l.notes) > 0 {
		if err := r.takeUpClosed(ctx, l.notes); err != nil {
			return err
		}
	}
	if !next.IsZero() { // nothing is known before all is
		return l.keepPart(ctx, next)
	}
	if err := l.takeUp(ctx, l.now); err != nil {
		return err
	}
	if !l.heard.Exists() {
		if err := r.lately(ctx, repo); err != nil {
			return err
		}
	}
	if err := l.keep(ctx); err != nil {
		return err
	}
	return r.resume(ctx, repo)
}

func (l *listening) load(ctx context.Context) (err error) {
	for list, d := range map[memory.List]*memory.Doc[memory.WatermarkKey, memory.Watermark]{memory.Replayed: &l.heard, memory.ReadUpTo: &l.part, memory.Proposed: &l.proposed} {
		if *d, err = l.Memory.Watermarks.Read(ctx, list.Of(l.repo)); err != nil {
			return err
		}
	}
	l.lines, err = l.Memory.Lines.Read(ctx, l.repo)
	return err
}

// hear queues the commands of a comment. With a new database it runs those that were acknowledged, in their order: nothing is judged before they are
// known.
func (l *listening) hear(ctx context.Context, c forge.Comment) error {
	replay := !l.heard.Exists()
	if replay && c.Own && note.IsNote(c.Body) && !c.Minimized { // of an earlier life: it may be where none belongs
		l.queue = append(l.queue, work.Show(c.Pull, true))
		l.notes[c.Pull] = c.Body
	}
	if c.Bot || !command.Mentioned(c.Body) {
		return nil
	}
	said := work.CommentPayload{ID: c.ID, Body: c.Body, Author: c.Author, Created: c.Created}
	switch {
	case replay && c.Reacted:
		return l.replay(ctx, c, said)
	case !replay && !c.Edited:
		l.queue = append(l.queue, work.Comment(c.Pull, said))
	}
	return nil
}

// replay runs the commands of a comment that was acknowledged.
func (l *listening) replay(ctx context.Context, c forge.Comment, said work.CommentPayload) error {
	acks, err := l.GitHub.Reactions(ctx, l.repo, c.ID)
	if err != nil || len(acks) == 0 {
		return err
	}
	if said.Edited = c.Edited; !said.Edited {
		if said.Edited, err = l.GitHub.Edited(ctx, l.repo, c.NodeID); err != nil {
			return err
		}
	}
	said.Replay, said.Refused = true, slices.Contains(acks, "confused")
	if err := l.takeUp(ctx, c.Created); err != nil {
		return err
	}
	if err := l.comment(ctx, store.Claimed{Work: work.Comment(c.Pull, said)}); err != nil {
		return err
	}
	for _, home := range l.later {
		if err := l.again(ctx, home, c.Pull, said); err != nil {
			return err
		}
	}
	return nil
}

// takeUp takes up the descriptions of pull requests that were opened before a moment.
func (l *listening) takeUp(ctx context.Context, before time.Time) error {
	pulls := &l.lines.Value.Pulls
	for ; len(*pulls) > 0 && !(*pulls)[0].Created.After(before); *pulls = (*pulls)[1:] {
		if err := l.Reconciler.takeUp(ctx, (*pulls)[0]); err != nil {
			return err
		}
	}
	return nil
}

// keepPart remembers how far a list was read, and queues the rest.
func (l *listening) keepPart(ctx context.Context, next time.Time) error {
	docs := []store.Document{l.lines.With(l.lines.Value), l.part.With(memory.Watermark{At: next})}
	return l.Store.Put(ctx, docs, append(l.queue, work.Comments(l.repo)))
}

// keep remembers that all of a list was read.
func (l *listening) keep(ctx context.Context) error {
	docs := []store.Document{l.lines.Gone(), l.part.Gone(), l.heard.With(memory.Watermark{At: l.now})}
	if len(l.lines.Value.Pulls) > 0 {
		docs[0] = l.lines.With(l.lines.Value)
	}
	if !l.proposed.Exists() {
		docs = append(docs, l.proposed.With(memory.Watermark{At: l.now}))
	}
	unread, err := l.Memory.Watermarks.Read(ctx, memory.Unread.Of(l.repo))
	if err != nil {
		return err
	}
	if unread.Exists() {
		docs = append(docs, unread.Gone())
	}
	return l.Store.Put(ctx, docs, l.queue)
}
