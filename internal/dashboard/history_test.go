package dashboard_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim"
)

// TestHistory: each flip is shown with what caused it, through events, commands, lost events and a new name, and ends with the coupling.
func TestHistory(t *testing.T) {
	w := newWorld(t, access{public: true})
	w.story("acme/app")
	const page = "/couplings/acme/app/wide"
	one, two := coupling.Pull{Repo: "acme/app", Number: 1}, coupling.Pull{Repo: "acme/app", Number: 2}
	happened := func(page, cause, flip string) {
		t.Helper()
		w.pass(time.Minute)
		w.settle()
		got := w.browser().get(page)
		_, events, _ := strings.Cut(got.body, `<ol class="events">`)
		newest, _, _ := strings.Cut(events, "</ul></li>")
		if got.status != http.StatusOK || !strings.Contains(newest, "<strong>"+cause+"</strong>") || !strings.Contains(newest, flip) {
			t.Errorf("want %q and %q in %d\n%s", cause, flip, got.status, newest)
		}
	}
	// A branch that moves is no news.
	before, err := w.store.Get(t.Context(), "history", "acme/app:wide")
	w.must(err)
	text := "nothing that matters"
	w.must(w.gh.Push(ghsim.PushSpec{Repo: "acme/app", Branch: "main", By: "ann", Files: map[string]*string{"README": &text}}))
	w.settle()
	if after, err := w.store.Get(t.Context(), "history", "acme/app:wide"); err != nil || after.Rev != before.Rev {
		t.Errorf("a push to the base was written down: revision %d, then %d, %v", before.Rev, after.Rev, err)
	}
	w.gh.Comment(ghsim.CommentSpec{Pull: one, By: "ann", Body: "/relbot hold until the freeze ends"})
	happened(page, "command by ann: hold", "on-hold")
	w.gh.Comment(ghsim.CommentSpec{Pull: one, By: "ann", Body: "/relbot resume"})
	happened(page, "command by ann: resume", "passed")
	w.must(w.gh.Tag("acme/app", ghsim.TagSpec{Name: "v2.1.0-rc.1", Quiet: true})) // no event tells of it
	w.must(w.srv.Start(t.Context()))
	happened(page, "tag v2.1.0-rc.1 was created", "gate-cut-without")
	gate := "package gate\n\nconst WideIDs = \"2.2.0\"\n"
	w.must(w.gh.Push(ghsim.PushSpec{Repo: "acme/app", Pull: two.Number, By: "bob", Files: map[string]*string{"gate.go": &gate}}))
	head := ""
	for _, p := range w.gh.Pulls("acme/app") {
		if p.Number == two.Number {
			head = p.Head[:10]
		}
	}
	happened(page, "#2 was pushed ("+head+")", "waiting")
	w.must(w.gh.Rename("acme/app", "acme/application"))
	w.settle()
	happened("/couplings/acme/application/wide", "#2 was pushed ("+head+")", "waiting")
	if got := w.browser().get(page); got.status != http.StatusNotFound {
		t.Errorf("the old name: status %d", got.status)
	}
	none := "version: 1\n"
	w.must(w.gh.Push(ghsim.PushSpec{Repo: "acme/application", Branch: "main", By: "ann", Files: map[string]*string{".github/relbot.yml": &none}}))
	w.settle()
	if got := w.browser().get("/couplings/acme/application/wide"); got.status != http.StatusNotFound {
		t.Errorf("a coupling that is declared no more: status %d", got.status)
	}
	if docs, err := w.store.List(t.Context(), "history", ""); err != nil || len(docs) != 0 {
		t.Errorf("its history is kept: %d, %v", len(docs), err)
	}
}
