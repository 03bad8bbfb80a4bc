package reconcile

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"slices"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/timeline"
)

// pageDoc is the address of a pull request's page.
type pageDoc struct {
	// Key is part of the address, so that who may see the check or the note may see the page, and nobody else finds it.
	Key string `json:"key"`
}

// page is the address of a pull request's page; "" where the server has no public URL.
func (r *Reconciler) page(ctx context.Context, p coupling.Pull) (string, error) {
	if r.PublicURL == "" {
		return "", nil
	}
	d, err := update(ctx, r, docPage, p.String(), func(d *pageDoc) ([]store.Work, bool) {
		if d.Key != "" {
			return nil, false
		}
		d.Key = rand.Text()
		return nil, true
	})
	return fmt.Sprintf("%s/pulls/%s/%d?key=%s", r.PublicURL, p.Repo, p.Number, d.Key), err
}

// Page is all that is to be said of a pull request: what its check says and what its note says, in Markdown, and the timelines of the
// gates of its couplings.
type Page struct {
	Pull      coupling.Pull
	Title     string
	Check     string
	Note      string
	Timelines []timeline.Timeline
}

// Page is the page of a pull request from what is remembered of it, for who knows its key.
func (r *Reconciler) Page(ctx context.Context, p coupling.Pull, key string) (Page, bool, error) {
	out := Page{Pull: p}
	var d pageDoc
	rev, err := r.load(ctx, docPage, p.String(), &d)
	if err != nil || rev == 0 || subtle.ConstantTimeCompare([]byte(d.Key), []byte(key)) != 1 {
		return out, false, err
	}
	var repo repoDoc
	var seen pullDoc
	if _, err := r.load(ctx, docRepo, string(p.Repo), &repo); err != nil {
		return out, false, err
	}
	if _, err := r.load(ctx, docPull, p.String(), &seen); err != nil {
		return out, false, err
	}
	js, err := r.judgementsOf(ctx, p)
	if err != nil {
		return out, false, err
	}
	run := note.Check(note.CheckInput{
		Pull: p, Name: repo.rules().Check.Name, Head: seen.Head, Verdict: verdictOf(p, seen, js), Judgements: judgements(js),
		Proposals: seen.Proposals, NearMisses: seen.NearMisses, Preview: seen.Preview, Annotations: seen.Notes, Private: repo.Private,
	})
	out.Title, out.Check = run.Title, run.Text
	if len(js) > 0 {
		shown, err := r.together(ctx, js)
		if err != nil {
			return out, false, err
		}
		out.Note = note.Note(noteOf(p, repo, shown))
	}
	var shown []string
	for _, j := range js {
		for _, g := range j.Gates {
			key := string(j.Coupling.Home) + " " + g.ID
			var t timelineDoc
			rev, err := r.load(ctx, docTimeline, key, &t)
			if err != nil {
				return out, false, err
			}
			if rev > 0 && j.Coupling.Home == p.Repo && !slices.Contains(shown, key) {
				shown = append(shown, key)
				out.Timelines = append(out.Timelines, t.Timeline)
			}
		}
	}
	return out, true, nil
}

// noteOf is what a note is made from.
func noteOf(p coupling.Pull, repo repoDoc, js []judgementDoc) note.NoteInput {
	in := note.NoteInput{Pull: p, Private: repo.Private}
	for _, j := range js {
		in.Judgements = append(in.Judgements, j.Judgement)
		for _, c := range j.Lately {
			in.Lately = append(in.Lately, note.Change{At: c.At, Text: c.Text})
		}
	}
	slices.SortStableFunc(in.Lately, func(a, b note.Change) int { return b.At.Compare(a.At) })
	return in
}
