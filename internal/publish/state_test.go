package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/store"
)

// arrow is a change of a note's state from one save to the next.
type arrow struct{ from, to state }

// shelf keeps one document, and the arrows of its saves.
type shelf struct {
	doc  store.Document
	went map[arrow]bool
}

func (s *shelf) Get(_ context.Context, kind, key string) (store.Document, error) {
	d := s.doc
	d.Kind, d.Key = kind, key
	return d, nil
}

func (s *shelf) Put(_ context.Context, docs []store.Document, _ []store.Work) error {
	was, is := noted(s.doc), noted(docs[0])
	if was.state() != is.state() {
		s.went[arrow{was.state(), is.state()}] = true
	}
	s.doc = docs[0]
	s.doc.Rev++
	return nil
}

func noted(d store.Document) (n Noted) {
	_ = json.Unmarshal(d.Body, &n) // nothing yet is the zero value
	return n
}

// wall shows comments, as GitHub does, and breaks in one of several ways.
type wall struct {
	GitHub   // what a note does not call
	comments []forge.Comment
	breaks   error // of the next write
	late     bool  // it is made nevertheless
}

func (w *wall) fails() (err error) {
	err, w.breaks = w.breaks, nil
	return err
}

func (w *wall) Comments(context.Context, coupling.Pull) ([]forge.Comment, error) {
	return w.comments, nil
}

func (w *wall) PostComment(_ context.Context, _ coupling.Pull, body string) (forge.Comment, error) {
	c := forge.Comment{ID: int64(len(w.comments) + 1), Own: true, Body: body}
	err := w.fails()
	if err == nil || w.late {
		w.comments = append(w.comments, c)
	}
	return c, err
}

func (w *wall) at(id int64) int {
	return slices.IndexFunc(w.comments, func(c forge.Comment) bool { return c.ID == id })
}

func (w *wall) EditComment(_ context.Context, _ coupling.Repo, id int64, body string) error {
	i := w.at(id)
	if i < 0 {
		return forge.ErrGone
	}
	err := w.fails()
	if err == nil || w.late {
		w.comments[i].Body = body
	}
	return err
}

func (w *wall) Minimize(context.Context, coupling.Repo, string) error { return nil }

// TestStates walks a note through every arrow of the diagram, in the code and in the package comment, and through no other.
func TestStates(t *testing.T) {
	lost := errors.New("the answer is lost")
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	pull := coupling.Pull{Repo: "acme/app", Number: 1}
	empty := note.Note(note.NoteInput{Pull: pull})
	picture := note.PictureOf(empty)
	text := func(says string) string {
		return strings.Replace(empty, "<details>", says+"\n\n<details>", 1)
	}
	went := map[arrow]bool{}
	type world struct {
		*wall
		*shelf
	}
	// Each word of a walk is an event; "!" before a write loses its answer, "-" its effect too, "x" has it refused.
	events := map[string]NoteOptions{"one": {Picture: picture}, "two": {Picture: picture}, "other": {Picture: "another"}, "last": {Last: true}, "last2": {Last: true}, "look": {Picture: picture, Verify: true}}
	for _, walk := range []string{
		"one two other last", "!one one", "!one two", "-one one", "xone one", "one !two two", "one -two one", "one deleted two", "one deleted look", "one !two other",
		"one !two deleted two", "one last last2 one", "one last !last2 last2", "one last !last2 one", "one last -last2 deleted last2", "one last deleted last2 one",
		"one forgotten one", "one forgotten two", "one hidden look",
	} {
		w := world{&wall{}, &shelf{went: went}}
		p := &Publisher{GitHub: w.wall, Store: w.shelf, Now: func() time.Time { return now }}
		for word := range strings.FieldsSeq(walk) {
			now = now.Add(time.Hour)
			switch word {
			case "deleted":
				w.comments = w.comments[:len(w.comments)-1]
				continue
			case "hidden":
				w.comments[len(w.comments)-1].Minimized = true
				continue
			case "forgotten":
				w.doc = store.Document{}
				continue
			}
			how, says := byte(' '), word
			if strings.ContainsRune("!-x", rune(word[0])) && word != "x" {
				how, says = word[0], word[1:]
			}
			w.breaks, w.late = map[byte]error{'!': lost, '-': lost, 'x': forge.ErrRejected}[how], how == '!'
			o := events[says]
			if says == "look" {
				says = "one"
			}
			if err := p.Note(t.Context(), pull, text(says), o); (err != nil) != (how != ' ') {
				t.Errorf("%s: %s: %v", walk, word, err)
			}
		}
	}
	drawn := map[arrow]bool{}
	file, err := parser.ParseFile(token.NewFileSet(), "publish.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^\t(\w+) +→ (\w+)`).FindAllStringSubmatch(file.Doc.Text(), -1) {
		drawn[arrow{state(m[1]), state(m[2])}] = true
	}
	coded := map[arrow]bool{}
	for from, all := range next {
		for _, to := range all {
			coded[arrow{from, to}] = true
		}
	}
	list := func(all map[arrow]bool) []string {
		var out []string
		for a := range all {
			out = append(out, fmt.Sprint(a))
		}
		return slices.Sorted(slices.Values(out))
	}
	if !maps.Equal(went, coded) || !maps.Equal(drawn, coded) {
		t.Errorf("a note went  %v\nthe code says  %v\nthe comment says %v", list(went), list(coded), list(drawn))
	}
}
