package memory

import (
	"testing"

	"github.com/relbot/relbot/internal/store"
)

// TestReadiness holds the table of readiness in the package comment: what each event makes of each state, with a new database and with one from before.
func TestReadiness(t *testing.T) {
	type step struct {
		event string
		want  Readiness
	}
	for name, steps := range map[string][]step{
		"a new database":             {{"", Absent}, {"listed", Unknown}, {"surveyed", Surveyed}, {"described", Surveyed}, {"heard", Restored}},
		"comments before the survey": {{"listed", Unknown}, {"heard", Unknown}, {"described", Unknown}, {"surveyed", Restored}},
		"gone before it was read":    {{"listed", Unknown}, {"unlisted", Gone}, {"listed", Unknown}},
		"gone after the survey":      {{"listed", Unknown}, {"surveyed", Surveyed}, {"unlisted", Gone}, {"listed", Surveyed}},
		"gone and back":              {{"listed", Unknown}, {"surveyed", Surveyed}, {"described", Surveyed}, {"heard", Restored}, {"unlisted", Gone}, {"listed", Restored}},
		"listed again":               {{"listed", Unknown}, {"surveyed", Surveyed}, {"described", Surveyed}, {"heard", Restored}, {"listed", Restored}},
	} {
		m, _ := open(t)
		for i, s := range steps {
			change := map[string]func(d *Repo){
				"listed":   func(d *Repo) { d.Name, d.Gone = app, false },
				"unlisted": func(d *Repo) { d.Gone = true },
				"surveyed": func(d *Repo) { d.Fingerprint = "read" },
			}
			var err error
			if of := change[s.event]; of != nil {
				_, err = m.Repos.Update(t.Context(), app, func(d *Repo) ([]store.Work, bool) { of(d); return nil, true })
			} else if list := map[string]List{"heard": Replayed, "described": Proposed}[s.event]; list != "" {
				_, err = m.Watermarks.Update(t.Context(), list.Of(app), func(*Watermark) ([]store.Work, bool) { return nil, true })
			}
			if err != nil {
				t.Fatal(err)
			}
			if now, err := m.Readiness(t.Context(), app); err != nil || now != s.want {
				t.Errorf("%s: after %d steps, the last of them %q, it is %s, want %s; %v", name, i+1, s.event, now, s.want, err)
			}
		}
	}
}

// TestHas holds which work may run at which readiness.
func TestHas(t *testing.T) {
	for now, want := range map[Readiness][2]bool{ // for the policy; for commands too
		Absent: {false, true}, Unknown: {false, false}, Surveyed: {true, false}, Restored: {true, true}, Gone: {true, true},
	} {
		if got := [2]bool{now.Has(Surveyed), now.Has(Restored)}; got != want {
			t.Errorf("%s: %v, want %v", now, got, want)
		}
	}
}
