package publish

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/relbot/relbot/internal/budget"
	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/note"
)

// state is where the note of a pull request is in its life.
type state string

// In three of the states an answer is missing: the next run begins with a look at GitHub.
const (
	absent  state = "absent"  // GitHub shows none, and none is under way
	asked   state = "asked"   // a new one was asked for, and the answer is not recorded
	shown   state = "shown"   // GitHub shows what was written last
	edited  state = "edited"  // another text was asked for, and the answer is not recorded
	closed  state = "closed"  // GitHub shows the last text, folded
	amended state = "amended" // another last text was asked for, and the answer is not recorded
)

// next holds the arrows of the diagram in the package comment: the states in which a note may be saved after each.
var next = map[state][]state{
	absent:  {asked, shown, edited},
	asked:   {absent, shown, edited},
	shown:   {asked, edited, closed},
	edited:  {absent, asked, shown},
	closed:  {asked, amended},
	amended: {absent, asked, closed},
}

// Noted is the coordination note on a pull request.
type Noted struct {
	ID       int64     `json:"id"` // of the comment; 0 while GitHub shows none
	NodeID   string    `json:"node_id"`
	Picture  string    `json:"picture"`            // the members, edges and gates that it draws: another picture is another note
	Text     string    `json:"text"`               // hash of the text that was asked for last
	Body     string    `json:"body"`               // that text, with what people wrote around it
	Intent   string    `json:"intent,omitempty"`   // hash of a text of which the answer is not recorded
	Asked    time.Time `json:"asked,omitzero"`     // when the newest note was asked for
	Closed   bool      `json:"closed,omitempty"`   // the last text was written
	Renamed  bool      `json:"renamed,omitempty"`  // a repository has another name now, which makes no other picture
	Outdated []stale   `json:"outdated,omitempty"` // notes that have to be folded still
}

// stale is a note that another one followed.
type stale struct {
	ID     int64  `json:"id,omitempty"`
	NodeID string `json:"node_id"`
	Body   string `json:"body,omitempty"`
	Marked bool   `json:"marked,omitempty"` // it has its banner, or needs none
}

// state returns the note's state.
func (n Noted) state() state {
	pending := n.Intent != ""
	switch {
	case n.ID == 0 && pending:
		return asked
	case n.ID == 0:
		return absent
	case n.Closed && pending:
		return amended
	case n.Closed:
		return closed
	case pending:
		return edited
	}
	return shown
}

// Live reports whether GitHub shows a note that is kept up to date.
func (n Noted) Live() bool { return n.ID != 0 && !n.Closed }

// gone records that GitHub shows the note no longer.
func (n *Noted) gone() { n.ID, n.NodeID, n.Text, n.Body = 0, "", "", "" }

// outdate queues another note to be folded.
func (n *Noted) outdate(c stale) { n.Outdated = append(n.Outdated, c) }

// Noted returns the note that relbot keeps on a pull request.
func (p *Publisher) Noted(ctx context.Context, pull coupling.Pull) (Noted, error) {
	r, err := load[Noted](ctx, p.Store, DocNote, pull.String())
	return r.is, err
}

// Standing returns the text of the note that GitHub shows on a pull request, where nothing is remembered of one; "" when there is none.
func (p *Publisher) Standing(ctx context.Context, pull coupling.Pull) (string, error) {
	r, err := load[Noted](ctx, p.Store, DocNote, pull.String())
	if err != nil || r.rev > 0 {
		return "", err
	}
	return p.find(ctx, pull, &r.is)
}

// Renamed records that the note's picture will be another only because a repository has another name.
func (p *Publisher) Renamed(ctx context.Context, pull coupling.Pull) error {
	r, err := load[Noted](ctx, p.Store, DocNote, pull.String())
	if err != nil || r.rev == 0 || r.is.Renamed {
		return err
	}
	r.is.Renamed = true
	return r.save(ctx)
}

// NoteOptions say how a note is brought about.
type NoteOptions struct {
	Picture string
	Verify  bool // look at what GitHub shows: a person may have edited or doubled it, or the database was lost
	Last    bool // the pull request left its coupling: fold the note after this text
}

// Note makes a pull request show one note: posted, edited in place, followed by another when its picture changed, or left
// alone when nothing did.
func (p *Publisher) Note(ctx context.Context, pull coupling.Pull, body string, o NoteOptions) error {
	ctx = budget.Raise(ctx, budget.Notes)
	r, err := load[Noted](ctx, p.Store, DocNote, pull.String())
	if err != nil {
		return err
	}
	w := noteWrite{Publisher: p, record: r, pull: pull, body: body, text: Hash(body), o: o, before: r.is.Intent}
	err = w.look(ctx)
	n := &w.is
	switch {
	case err != nil:
	case n.ID == 0 && o.Last:
		return nil
	case !o.Last && (!n.Live() || n.Picture != o.Picture):
		err = w.post(ctx)
	default:
		err = w.edit(ctx)
	}
	if errors.Is(err, errDeleted) {
		return p.Note(ctx, pull, body, o)
	}
	if err == nil && o.Last && !n.Closed {
		n.Closed = true
		n.outdate(stale{NodeID: n.NodeID, Marked: true})
		err = w.save(ctx)
	}
	if err != nil {
		return err
	}
	return w.fold(ctx)
}

// noteWrite brings one text about.
type noteWrite struct {
	*Publisher
	record[Noted]
	pull   coupling.Pull
	body   string // wanted
	text   string // its hash
	shown  string // what GitHub shows, when it was looked at
	before string // the intent of a run before this one
	o      NoteOptions
}

// look brings what is remembered up to date: from GitHub where an answer is missing, where nothing is remembered, and where that is wanted.
func (w *noteWrite) look(ctx context.Context) error {
	if w.is.Renamed {
		w.is.Picture, w.is.Renamed = w.o.Picture, false
		if err := w.save(ctx); err != nil {
			return err
		}
	}
	if w.before == "" && !w.o.Verify && w.rev > 0 {
		return nil
	}
	var err error
	w.shown, err = w.find(ctx, w.pull, &w.is)
	return err
}

// post asks for a new note. The one before it is out of date.
func (w *noteWrite) post(ctx context.Context) error {
	n := &w.is
	if err := Unlisted(n.Asked, w.Now()); err != nil && w.before != "" {
		return err
	}
	if n.Live() {
		n.outdate(stale{ID: n.ID, NodeID: n.NodeID, Body: n.Body})
	}
	*n = Noted{Picture: w.o.Picture, Text: w.text, Body: w.body, Intent: w.text, Asked: w.Now(), Outdated: n.Outdated}
	if err := w.save(ctx); err != nil {
		return err
	}
	c, err := w.GitHub.PostComment(ctx, w.pull, w.body)
	if err != nil && undone(err) {
		n.Asked = time.Time{}
		if w.before == "" {
			n.Intent = "" // nothing is under way that would have to be looked for
		}
		return errors.Join(err, w.save(ctx))
	}
	if err != nil {
		return err
	}
	n.ID, n.NodeID, n.Intent = c.ID, c.NodeID, ""
	return w.save(ctx)
}

// errDeleted says that somebody deleted the note that was to be edited.
var errDeleted = errors.New("the note was deleted")

// edit makes the note that GitHub shows say what is wanted, around which people's own text stays.
func (w *noteWrite) edit(ctx context.Context) error {
	n := &w.is
	want := w.body
	if had := cmp.Or(w.shown, n.Body); had != "" {
		want = note.Merge(had, w.body)
	}
	if n.Text == w.text && n.Intent == "" && (w.shown == "" || w.shown == want) {
		if w.shown == "" || w.shown == n.Body {
			return nil
		}
		n.Body = w.shown
		return w.save(ctx)
	}
	// A list may tell what the note said before an edit of another text.
	if w.shown != want || w.before != "" && w.before != w.text {
		n.Intent = w.text
		if err := w.save(ctx); err != nil {
			return err
		}
		err := w.GitHub.EditComment(ctx, w.pull.Repo, n.ID, want)
		if forge.IsMissing(err) {
			n.gone()
			n.Intent = ""
			if err := w.save(ctx); err != nil {
				return err
			}
			return errDeleted
		}
		if err != nil {
			return err
		}
	}
	n.Text, n.Body, n.Intent = w.text, want, ""
	return w.save(ctx)
}

// fold gives outdated notes their banner and minimises them; what fails is tried again at the next run.
func (w *noteWrite) fold(ctx context.Context) error {
	for n := &w.is; len(n.Outdated) > 0; {
		old := &n.Outdated[0]
		var err error
		if old.Marked {
			err = w.GitHub.Minimize(ctx, w.pull.Repo, old.NodeID)
		} else {
			err = w.GitHub.EditComment(ctx, w.pull.Repo, old.ID, note.Outdated(old.Body, commentURL(n.ID)))
		}
		if err != nil && !errors.Is(err, forge.ErrGone) {
			return err
		}
		if old.Marked {
			n.Outdated = n.Outdated[1:]
		} else {
			old.Marked, old.Body = true, ""
		}
		if err := w.save(ctx); err != nil {
			return err
		}
	}
	return nil
}

// find looks at the notes that GitHub shows. It adopts the newest live one, marks doubles as outdated, and
// returns the adopted note's text ("" when there is none).
func (p *Publisher) find(ctx context.Context, pull coupling.Pull, n *Noted) (string, error) {
	comments, err := p.GitHub.Comments(ctx, pull)
	if err != nil {
		return "", err
	}
	live := n.among(comments, p.Now())
	keep := slices.IndexFunc(live, func(c forge.Comment) bool { return c.ID == n.ID })
	if keep < 0 {
		keep = len(live) - 1 // the newest
	}
	if keep < 0 {
		if n.Live() {
			n.gone() // deleted, or hidden by a person
		}
		return "", nil
	}
	for i, c := range live {
		if i != keep {
			n.outdate(stale{ID: c.ID, NodeID: c.NodeID, Body: c.Body})
		}
	}
	c := live[keep]
	if n.ID != c.ID {
		n.ID, n.NodeID, n.Body = c.ID, c.NodeID, c.Body
		n.Picture = cmp.Or(n.Picture, note.PictureOf(c.Body))
	}
	return c.Body, nil
}

// among returns those of a pull request's comments that are notes of its own and not out of date, oldest first.
func (n *Noted) among(comments []forge.Comment, now time.Time) []forge.Comment {
	live := slices.DeleteFunc(slices.Clone(comments), func(c forge.Comment) bool {
		queued := slices.ContainsFunc(n.Outdated, func(s stale) bool { return s.ID == c.ID })
		marked := note.IsNote(c.Body) && !note.IsOutdated(c.Body) || c.ID == n.ID // a person may have replaced the whole text
		return !c.Own || !marked || c.Minimized || queued
	})
	// One that was posted a moment ago is there, though it is not listed yet.
	listed := slices.ContainsFunc(comments, func(c forge.Comment) bool { return c.ID == n.ID })
	if n.ID != 0 && !listed && Unlisted(n.Asked, now) != nil {
		live = append(live, forge.Comment{ID: n.ID, NodeID: n.NodeID, Body: n.Body})
	}
	return live
}

// commentURL links to a comment from anywhere on its own page.
func commentURL(id int64) string {
	return fmt.Sprintf("#issuecomment-%d", id)
}
