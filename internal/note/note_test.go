package note

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/rules"
)

func TestNote(t *testing.T) {
	golden(t, "note/open.md", Note(NoteInput{Pull: pr(3), Page: "https://relbot.example/pulls/acme/app/3", Judgements: []rules.Judgement{distroless()},
		Lately: []Change{{noon, "what merges into `main` now ships in 26.29.0 (before: 26.28.0)"}}}))
	golden(t, "note/broken.md", Note(NoteInput{Pull: pr(3), Judgements: []rules.Judgement{landing()}}))

	j := landing()
	j.State, j.Alarms = coupling.Landing, nil
	golden(t, "note/landing.md", Note(NoteInput{Pull: pr(3), Judgements: []rules.Judgement{j}}))

	j.State = coupling.Landed
	j.Members[2].State, j.Members[2].Verdict = "merged", rules.Verdict{Level: rules.Pass}
	golden(t, "note/landed.md", Note(NoteInput{Pull: pr(3), Judgements: []rules.Judgement{j}}))

	j.State = coupling.Shipped
	for i := range j.Members {
		j.Members[i].Shipped, j.Members[i].ShipsIn, j.Members[i].Tag, j.Members[i].Method = true, "26.29.0", "v26.29.0", "ancestry"
	}
	golden(t, "note/shipped.md", Note(NoteInput{Pull: pr(3), Judgements: []rules.Judgement{j}}))

	j = distroless()
	j.State, j.Coupling.End = coupling.Superseded, &coupling.End{State: coupling.Superseded, By: "ann", Successor: pr(6), Why: "lighter"}
	golden(t, "note/superseded.md", Note(NoteInput{Pull: pr(3), Judgements: []rules.Judgement{j}}))

	j = distroless()
	j.State = coupling.Abandoned
	for i := range j.Members {
		j.Members[i].State, j.Members[i].ShipsIn, j.Members[i].WaitsFor = "closed", "", nil
	}
	golden(t, "note/abandoned.md", Note(NoteInput{Pull: pr(3), Judgements: []rules.Judgement{j}}))

	j = distroless()
	j.Coupling.Hold = &coupling.Hold{By: "ann", Why: "the cut is at noon"}
	held := rules.Verdict{Level: rules.Block, Reasons: []rules.Reason{{Code: rules.OnHold, By: "ann", Detail: "the cut is at noon"}}}
	for i := range j.Members {
		j.Members[i].Verdict = held
	}
	golden(t, "note/held.md", Note(NoteInput{Pull: pr(3), Judgements: []rules.Judgement{j}}))

	j = distroless()
	j.Coupling.Name, j.Coupling.Title, j.Coupling.Origin = "second", "", coupling.FromCommand
	j.Coupling.Order, j.Gates, j.Train, j.OneRelease = nil, nil, "", nil
	for i := range j.Members {
		j.Members[i].Verdict, j.Members[i].ShipsIn, j.Members[i].State = rules.Verdict{Level: rules.Pass}, "", "open"
	}
	golden(t, "note/two-couplings.md", Note(NoteInput{Pull: pr(3), Judgements: []rules.Judgement{distroless(), j}}))
	golden(t, "note/farewell.md", Farewell(pr(3)))
}

// TestPrivate: readers of a public repository learn neither title nor author nor number of a private member; readers
// of a private one do.
func TestPrivate(t *testing.T) {
	public := Note(NoteInput{Pull: pr(3), Judgements: []rules.Judgement{private()}})
	golden(t, "note/private.md", public)
	for _, leak := range []string{"hidden title", "zoe", "vault", "#77"} {
		if strings.Contains(public, leak) {
			t.Errorf("the note says %q", leak)
		}
	}
	a := rules.Alarm{Reason: rules.Reason{Code: rules.MemberReverted, About: coupling.Pull{Repo: "acme/vault", Number: 77}}}
	for what, text := range map[string]string{
		"alarm":   Alarm(a, private(), pr(3), "alarm 1"),
		"status":  StatusReply(pr(1), private().Members[0].Verdict, []rules.Judgement{private()}),
		"changes": strings.Join(Changes(distroless(), private()), "\n"),
	} {
		for _, leak := range []string{"hidden title", "zoe", "vault", "#77"} {
			if strings.Contains(text, leak) {
				t.Errorf("the %s says %q:\n%s", what, leak, text)
			}
		}
	}
	if own := Note(NoteInput{Pull: pr(3), Private: true, Judgements: []rules.Judgement{private()}}); !strings.Contains(own, "hidden title") {
		t.Error("readers of a private repository do not see the title")
	}
	if own := Note(NoteInput{Pull: coupling.Pull{Repo: "acme/vault", Number: 77}, Judgements: []rules.Judgement{private()}}); !strings.Contains(own, "hidden title") {
		t.Error("the private member does not see its own title")
	}
}

// TestUnnamedReasons: no code's texts name a hidden pull request, wherever its reason carries it.
func TestUnnamedReasons(t *testing.T) {
	secret := coupling.Pull{Repo: "acme/vault", Number: 77}
	v := voice{home: "acme/app", hidden: map[coupling.Pull]bool{secret: true}}
	for _, w := range sentences {
		r := w.example
		r.About, r.Pulls, r.Owner = secret, []coupling.Pull{secret}, secret
		for _, text := range []string{v.sentence(r), v.remedy(r), v.short(r)} {
			if strings.Contains(text, "vault") || strings.Contains(text, "77") {
				t.Errorf("%s: %q", w.code, text)
			}
		}
	}
}

func TestPicture(t *testing.T) {
	base := Picture([]rules.Judgement{distroless()})
	same := map[string]func(*rules.Judgement){
		"state":    func(j *rules.Judgement) { j.State = coupling.Landing },
		"train":    func(j *rules.Judgement) { j.Train = "26.30.0" },
		"title":    func(j *rules.Judgement) { j.Coupling.Title = "other" },
		"verdicts": func(j *rules.Judgement) { j.Members[0].Verdict = rules.Verdict{} },
		"gate":     func(j *rules.Judgement) { j.Gates[0].Value = "26.29.0" },
		"end":      func(j *rules.Judgement) { j.Coupling.End = &coupling.End{State: coupling.Abandoned} },
	}
	other := map[string]func(*rules.Judgement){
		"member":      func(j *rules.Judgement) { j.Coupling.Members[0].Pull = pr(9) },
		"role":        func(j *rules.Judgement) { j.Coupling.Members[0].Role = "picture" },
		"safe alone":  func(j *rules.Judgement) { j.Coupling.Members[0].SafeAlone = true },
		"edge":        func(j *rules.Judgement) { j.Coupling.Order = j.Coupling.Order[:1] },
		"edge's word": func(j *rules.Judgement) { j.Coupling.Order[1].Together = true },
		"edge's why":  func(j *rules.Judgement) { j.Coupling.Order[1].Reason = "other" },
		"gate rule":   func(j *rules.Judgement) { j.Coupling.Gates[0].Subject = coupling.Evidence },
		"no gate":     func(j *rules.Judgement) { j.Coupling.Gates = nil },
	}
	for name, change := range same {
		j := distroless()
		change(&j)
		if Picture([]rules.Judgement{j}) != base {
			t.Errorf("%s: the picture changed", name)
		}
	}
	for name, change := range other {
		j := distroless()
		change(&j)
		if Picture([]rules.Judgement{j}) == base {
			t.Errorf("%s: the picture stayed", name)
		}
	}
	if got := PictureOf(Note(NoteInput{Pull: pr(3), Judgements: []rules.Judgement{distroless()}})); got != base {
		t.Errorf("the note's marker has picture %q, want %q", got, base)
	}
}

func TestMerge(t *testing.T) {
	old := Note(NoteInput{Pull: pr(3), Judgements: []rules.Judgement{distroless()}})
	fresh := Note(NoteInput{Pull: pr(3), Judgements: []rules.Judgement{landing()}})
	for _, test := range []struct{ name, existing, want string }{
		{"untouched", old, fresh},
		{"text around it", "above\r\n" + old + "\n\nbelow  \n", "above\r\n" + fresh + "\n\nbelow  \n"},
		{"tampered inside", strings.Replace(old, "Nothing is merged yet", "Go ahead", 1) + "\nmine", fresh + "\nmine"},
		{"line ends of a browser", strings.ReplaceAll(old, "\n", "\r\n") + "\r\nmine", fresh + "\r\nmine"},
		{"closing marker gone", strings.TrimSuffix(old, noteClose), fresh},
		{"both markers gone", "merge away", fresh},
		{"a copy below", old + "\n> " + old, fresh + "\n> " + old},
		{"an older version's marker", "x" + strings.Replace(old, "note v1", "note v0", 1), "x" + fresh},
	} {
		got := Merge(test.existing, fresh)
		if got != test.want {
			t.Errorf("%s: got %q", test.name, got)
		}
		if again := Merge(got, fresh); again != got {
			t.Errorf("%s: merging again changes it", test.name)
		}
	}
}

func TestOutdated(t *testing.T) {
	body := Note(NoteInput{Pull: pr(3), Judgements: []rules.Judgement{distroless()}})
	note := "mine\n" + body + "\nmine too"
	got := Outdated(note, "#issuecomment-5")
	golden(t, "note/outdated.md", got)
	switch {
	case IsOutdated(note) || !IsOutdated(got) || !IsNote(got):
		t.Error("the banner is not recognised")
	case Outdated(got, "#issuecomment-6") != got:
		t.Error("doing it twice changes it")
	case !strings.HasPrefix(got, "mine\n"+noteOpen) || !strings.HasSuffix(got, noteClose+"\nmine too"):
		t.Error("text outside the markers changed")
	case !strings.Contains(got, "[!WARNING]") || !strings.Contains(got, "#issuecomment-5"):
		t.Error("no banner, or no link")
	case Outdated("no note", "x") != "no note":
		t.Error("a comment that is no note was changed")
	}
	if inside, ok := Body(got); !ok || strings.Contains(inside, "mine") || !strings.Contains(inside, "[!WARNING]") {
		t.Errorf("inside is %q", inside)
	}
	if _, ok := Body("nothing"); ok {
		t.Error("a text without markers has an inside")
	}
}

func TestNoteLimits(t *testing.T) {
	for _, n := range []int{40, 51, 1000, 5000} {
		j := distroless()
		for i := range n {
			m := rules.MemberState{Role: fmt.Sprint("role", i), Pull: pr(i + 10), Title: strings.Repeat("ü", 300), Author: "ann", State: "open", ShipsIn: "26.29.0",
				Verdict: rules.Verdict{Level: rules.Block, Reasons: []rules.Reason{{Code: rules.WrongBase, Value: "a", Want: "b"}}}}
			j.Members = append(j.Members, m)
			j.Coupling.Members = append(j.Coupling.Members, coupling.Member{Role: m.Role, Pull: m.Pull})
			j.Coupling.Order = append(j.Coupling.Order, coupling.Edge{Before: m.Role, After: "image", Reason: strings.Repeat("r", 300)})
		}
		got := Note(NoteInput{Pull: pr(1), Judgements: []rules.Judgement{j, j}, Page: "https://relbot.example/pulls/acme/app/1"})
		if len(got) > 60_000 || !utf8.ValidString(got) {
			t.Errorf("%d members: %d bytes", n, len(got))
		}
		if !IsNote(got) || !strings.HasSuffix(got, noteClose) || PictureOf(got) == "" {
			t.Errorf("%d members: a marker did not survive", n)
		}
		if strings.Count(got, "<details>") != strings.Count(got, "</details>") || strings.Count(got, "\n```")%2 != 0 {
			t.Errorf("%d members: something stays open", n)
		}
		if n > 500 && !strings.Contains(got, "(https://relbot.example/pulls/acme/app/1)") {
			t.Errorf("%d members: no link to the full page", n)
		}
	}
}

func TestDeterministic(t *testing.T) {
	in := NoteInput{Pull: pr(3), Judgements: []rules.Judgement{private()}}
	first := Note(in)
	for range 20 {
		if Note(in) != first {
			t.Fatal("equal inputs give different notes")
		}
	}
}

func TestChanges(t *testing.T) {
	if got := Changes(distroless(), distroless()); len(got) > 0 {
		t.Errorf("nothing changed: %q", got)
	}
	held := distroless()
	held.Coupling.Hold = &coupling.Hold{By: "ann", Why: "wait"}
	replaced := distroless()
	replaced.Members[1].Pull = pr(8)
	replaced.Members = slices.Delete(replaced.Members, 2, 3)
	bumped := distroless()
	bumped.Train, bumped.Gates[0].Value = "26.30.0", "26.29.0"
	bumped.Members[2].Verdict = rules.Verdict{Level: rules.Pass}
	var b strings.Builder
	for _, c := range []struct {
		name          string
		before, after rules.Judgement
	}{
		{"merged past the check", distroless(), landing()},
		{"mended", landing(), distroless()},
		{"held", distroless(), held},
		{"resumed", held, distroless()},
		{"replaced and left", distroless(), replaced},
		{"joined", replaced, distroless()},
		{"cut and bumped", distroless(), bumped},
	} {
		fmt.Fprintf(&b, "%s\n", c.name)
		for _, line := range Changes(c.before, c.after) {
			fmt.Fprintf(&b, "- %s\n", line)
		}
		b.WriteString("\n")
	}
	golden(t, "note/changes.md", b.String())
}
