package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
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

// deliveriesDoc is how far GitHub's record of deliveries was read, and what was asked for again.
type deliveriesDoc struct {
	At    time.Time        `json:"at"`
	Asked map[string]asked `json:"asked,omitempty"` // by GUID; those that failed since
	// Unsigned is from when on nothing was asked for again, since relbot takes none of what GitHub signs.
	Unsigned time.Time `json:"unsigned,omitzero"`
}

// asked is a delivery that was asked for again.
type asked struct {
	Times int   `json:"times"`
	ID    int64 `json:"id"` // of the newest attempt at that time
}

// deliveries asks GitHub which deliveries failed since the last time, and has those sent again of which no attempt
// succeeded. Attempts of one delivery share its GUID; the status filter of the API is not used, since an attempt
// that never connected carries no HTTP status.
//
// While the newest ones fail with 401, the secrets of both sides differ: nothing is asked for then but the newest, where nothing else happens that would tell
// when they agree again.
func (r *Reconciler) deliveries(ctx context.Context, _ store.Claimed) error {
	now := r.Now()
	var d deliveriesDoc
	if _, err := r.load(ctx, docWatermark, "deliveries", &d); err != nil {
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
	_, err = update(ctx, r, docWatermark, "deliveries", func(kept *deliveriesDoc) ([]store.Work, bool) {
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
func (r *Reconciler) askAgain(ctx context.Context, d *deliveriesDoc, attempts []forge.DeliveryAttempt) (lost bool, err error) {
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
	d.Asked = map[string]asked{}
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
			d.Asked[a.GUID], lost = asked{k.Times, a.ID}, true
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
		d.Asked[a.GUID] = asked{k.Times + 1, a.ID}
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
	w, err := r.Store.Get(ctx, docWatermark, replayed(repo))
	if err != nil {
		return err
	}
	if w.Rev > 0 {
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

// listen is missedComments; later are the homes for which acknowledged comments run once more when these are known.
func (r *Reconciler) listen(ctx context.Context, repo coupling.Repo, later []coupling.Repo) error {
	now, key := r.Now(), replayed(repo)
	var w, part, done watermark
	var lines linesDoc
	rev, err := r.load(ctx, docWatermark, key, &w)
	if err != nil {
		return err
	}
	doneRev, err := r.load(ctx, docWatermark, proposed(repo), &done)
	if err != nil {
		return err
	}
	linesRev, err := r.load(ctx, docLines, string(repo), &lines)
	if err != nil {
		return err
	}
	if doneRev == 0 && linesRev == 0 { // they are listed first
		return r.Store.Enqueue(ctx, work.Backfill(repo))
	}
	since := w.At.Add(-overlap)
	partRev, err := r.load(ctx, docWatermark, readUpTo(repo), &part)
	if err != nil {
		return err
	} else if partRev > 0 {
		since = part.At
	}
	comments, next, err := r.GitHub.CommentsSince(ctx, repo, since)
	if err != nil {
		return err
	}
	takeUp := func(before time.Time) error {
		for len(lines.Pulls) > 0 && !lines.Pulls[0].Created.After(before) {
			if err := r.takeUp(ctx, lines.Pulls[0]); err != nil {
				return err
			}
			lines.Pulls = lines.Pulls[1:]
		}
		return nil
	}
	var queue []store.Work
	notes := map[coupling.Pull]string{}
	for _, c := range comments {
		if rev == 0 && c.Own && note.IsNote(c.Body) && !c.Minimized { // of an earlier life: it may stand where none belongs
			queue = append(queue, work.Show(c.Pull, true))
			notes[c.Pull] = c.Body
		}
		if c.Bot || c.Edited && rev > 0 || !strings.Contains(c.Body, "/relbot") {
			continue
		}
		said := work.CommentPayload{ID: c.ID, Body: c.Body, Author: c.Author, Created: c.Created}
		if rev > 0 {
			queue = append(queue, work.Comment(c.Pull, said))
			continue
		}
		if !c.Reacted {
			continue
		}
		acks, err := r.GitHub.Reactions(ctx, repo, c.ID)
		if err != nil {
			return err
		}
		if len(acks) == 0 {
			continue
		}
		if said.Edited = c.Edited; !said.Edited {
			if said.Edited, err = r.GitHub.Edited(ctx, repo, c.NodeID); err != nil {
				return err
			}
		}
		said.Replay, said.Refused = true, slices.Contains(acks, "confused")
		// Now, and in the order in which they were given: nothing is judged before they are known.
		if err := takeUp(c.Created); err != nil {
			return err
		}
		if err := r.comment(ctx, store.Claimed{Work: work.Comment(c.Pull, said)}); err != nil {
			return err
		}
		for _, home := range later {
			if err := r.again(ctx, home, c.Pull, said); err != nil {
				return err
			}
		}
	}
	if len(notes) > 0 {
		if err := r.takeUpClosed(ctx, notes); err != nil {
			return err
		}
	}
	if next.IsZero() {
		if err := takeUp(now); err != nil {
			return err
		}
		if rev == 0 {
			if err := r.lately(ctx, repo); err != nil {
				return err
			}
		}
	}
	left := store.Document{Kind: docLines, Key: string(repo), Rev: linesRev}
	if len(lines.Pulls) > 0 || !next.IsZero() {
		left = document(docLines, string(repo), linesRev, lines)
	}
	if !next.IsZero() { // nothing is known before all is
		return r.Store.Put(ctx, []store.Document{left, document(docWatermark, readUpTo(repo), partRev, watermark{next})}, append(queue, work.Comments(repo)))
	}
	docs := []store.Document{left, {Kind: docWatermark, Key: readUpTo(repo), Rev: partRev}, document(docWatermark, key, rev, watermark{now})}
	if doneRev == 0 {
		docs = append(docs, document(docWatermark, proposed(repo), 0, watermark{now}))
	}
	if d, err := r.Store.Get(ctx, docWatermark, unread(repo)); err != nil {
		return err
	} else if d.Rev > 0 {
		docs = append(docs, store.Document{Kind: docWatermark, Key: d.Key, Rev: d.Rev})
	}
	if err := r.Store.Put(ctx, docs, queue); err != nil {
		return err
	}
	return r.resume(ctx, repo)
}
