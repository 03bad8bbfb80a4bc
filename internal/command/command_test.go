package command_test

import (
	"strings"
	"testing"

	"github.com/relbot/relbot/internal/command"
	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/rules"
)

func parse(text string) ([]command.Command, []command.Mistake) {
	return command.Language{Slug: "relbot-app"}.Parse(text)
}

// brief says what was read: the command, what it names, and its texts.
func brief(c command.Command) string {
	out := []string{c.Spec.Name}
	c.Retarget(func(t command.Target) command.Target {
		if t.Text != "" {
			out = append(out, t.Text)
		}
		return t
	})
	text := func(name, s string) {
		if s != "" {
			out = append(out, "["+name+" "+s+"]")
		}
	}
	switch a := c.Action.(type) {
	case command.Link:
		text("as", a.Name)
		text("title", a.Title)
	case command.Unlink:
		text("because", a.Because)
	case command.Order:
		if a.Edges[0].Together {
			out = append(out, "[or]")
		}
		text("because", a.Edges[0].Reason)
	case command.After:
		text("because", a.Because)
	case command.Hold:
		text("because", a.Text)
	case command.Abandon:
		text("because", a.Because)
	case command.Override:
		text("code", a.Code)
		text("because", a.Because)
		text("until", a.Until)
	}
	return strings.Join(out, " ")
}

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"/relbot help":                                   "help",
		"/relbot STATUS":                                 "status",
		"/relbot link #1 image=#2 acme/docs#3":           "link #1 image=#2 acme/docs#3",
		"/relbot link https://github.com/a/b/pull/7":     "link https://github.com/a/b/pull/7",
		"/relbot unlink #1 because it is done":           "unlink #1 [because it is done]",
		"/relbot replace image with #9":                  "replace image #9",
		"/relbot order gate before image":                "order gate image",
		"/relbot order gate before-or-with #2 because x": "order gate #2 [or] [because x]",
		"/relbot unorder gate image":                     "unorder gate image",
		"/relbot hold":                                   "hold",
		"/relbot hold the cut is at noon":                "hold [because the cut is at noon]",
		"/relbot resume":                                 "resume",
		"/relbot override cancel":                        "override",
		"/relbot supersede by #4":                        "supersede #4",
		"/relbot abandon because the plan changed":       "abandon [because the plan changed]",
		"/relbot reopen":                                 "reopen",
		"some words\n\n/relbot help":                     "help",
		"/relbot help\r\n":                               "help",
		"> quoted\n\n/relbot help":                       "help",
		"> /relbot hold\n/relbot hold lazily":            "",
		"```\n/relbot hold\n```":                         "",
		"~~~\n/relbot hold\n```\n/relbot hold\n~~~":      "",
		"    /relbot hold":                               "",
		"\t/relbot hold":                                 "",
		"`code\n/relbot hold\n`":                         "",
		"<!-- /relbot hold -->":                          "",
		"<!--\n/relbot hold\n-->":                        "",
		"<!-- never closed\n/relbot hold":                "",
		"<pre>\n/relbot hold\n</pre>":                    "",
		"/relbotx hold":                                  "",
		"-/relbot hold":                                  "",
	} {
		commands, mistakes := parse(text)
		var got []string
		for _, c := range commands {
			got = append(got, brief(c))
		}
		if joined := strings.Join(got, "; "); joined != want || len(mistakes) > 0 {
			t.Errorf("%q: got %q %v, want %q", text, joined, mistakes, want)
		}
	}
}

// TestTable holds that each command is complete: its example is read as that command, its right is one that a policy grants, and a change
// has an effect on a coupling that has the members it names.
func TestTable(t *testing.T) {
	at := coupling.Pull{Repo: "acme/app", Number: 12}
	in := coupling.Coupling{Name: "set", Home: at.Repo, Members: []coupling.Member{
		{Role: "image", Pull: at}, {Role: "gate", Pull: coupling.Pull{Repo: at.Repo, Number: 14}},
	}, Order: []coupling.Edge{{Before: "gate", After: "image"}}}
	for _, s := range command.Table {
		if got, _ := command.SpecOf(s.Name); got.Usage != s.Usage {
			t.Errorf("%s: the table has the name twice", s.Name)
		}
		if !strings.HasPrefix(s.Usage, s.Name) || s.Summary == "" || s.Reach == "" {
			t.Errorf("%s: usage %q, summary %q, reach %q", s.Name, s.Usage, s.Summary, s.Reach)
		}
		if s.Right != command.Anybody && rules.DefaultPermissions.Role(string(s.Right)) == "" {
			t.Errorf("%s: no policy grants %q", s.Name, s.Right)
		}
		commands, mistakes := parse("/relbot " + s.Example)
		if len(mistakes) > 0 || len(commands) != 1 || commands[0].Spec.Name != s.Name {
			t.Errorf("%s: its example is %v %v", s.Name, commands, mistakes)
			continue
		}
		if change, is := commands[0].Action.(command.Change); is {
			effects, err := change.Effects(command.Scope{At: coupling.Pull{Repo: at.Repo, Number: 11}, Coupling: in})
			if err != nil || len(effects) == 0 || effects[0].Verb == "" {
				t.Errorf("%s: its example has the effects %v %v", s.Name, effects, err)
			}
		} else if s.Right == command.MayLink || s.Right == command.MayHold {
			t.Errorf("%s: it needs a right, and changes nothing", s.Name)
		}
	}
}

// TestPeople reads what people type: the right-hand side is what was understood.
func TestPeople(t *testing.T) {
	for text, want := range map[string]string{
		"@relbot-app hold lunch":                          "hold [because lunch]",
		"@RELBOT-APP: status":                             "status",
		"- /relbot resume":                                "resume",
		"1. /relbot resume":                               "resume",
		"**/relbot hold** the tests are red":              "hold [because the tests are red]",
		"/relbot\u00a0hold\u00a0the tests":                "hold [because the tests]",
		"\u00a0/relbot hold":                              "hold",
		"\ufeff/relbot hold":                              "hold",
		"/relbot\u200b hold":                              "hold",
		"It`s late.\n/relbot hold the tests":              "hold [because the tests]",
		"/relbot hold the tests\n---":                     "hold [because the tests]",
		"a `code` b\n/relbot hold":                        "hold",
		"/relbot status.":                                 "status",
		"/relbot status? please":                          "status",
		"/relbot status #13":                              "status #13",
		"/relbot resume, the tests are green":             "resume",
		"/relbot why":                                     "status",
		"/relbot retest":                                  "recheck",
		"/relbot hold: the tests are red":                 "hold [because the tests are red]",
		"/relbot hold - the tests are red":                "hold [because the tests are red]",
		"/relbot hold because\nthe tests are red":         "hold [because the tests are red]",
		"/relbot hold cancel":                             "resume",
		"/relbot hold: cancel":                            "resume",
		"/relbot hold cancel because the tests are green": "resume",
		"/relbot Unhold!":                                 "resume",
		"/relbot remove-hold":                             "resume",
		"/relbot unblock":                                 "resume",
		"/relbot hold off till Monday":                    "hold [because till Monday]",
		"/relbot hold on":                                 "hold [because on]",
		"/relbot link 12,13 & GH-14 #15. this":            "link 12 13 GH-14 #15 this",
		"/relbot link https://github.com/a/b/pull/7/files?w=1#diff-1 [#8](https://github.com/a/b/pull/8)": "link https://github.com/a/b/pull/7/files?w=1#diff-1 #8",
		"/relbot link #1 #2 as “Signal handling”":                                                         "link #1 #2 [as signal-handling] [title Signal handling]",
		"/relbot link #1 #2 because they call each other":                                                 "link #1 #2",
		"/relbot unlink #1: it is done":                                                                   "unlink #1 [because it is done]",
		"/relbot unlink #1, since it is done":                                                             "unlink #1 [because it is done]",
		"/relbot unlink #1 because\nit is done":                                                           "unlink #1 [because it is done]",
		"/relbot unlink #1 because: it is done":                                                           "unlink #1 [because it is done]",
		"/relbot replace #1 by #2":                                                                        "replace #1 #2",
		"/relbot replace #1 #2":                                                                           "replace #1 #2",
		"/relbot superseded by #4":                                                                        "supersede #4",
		"/relbot order #1 after #2":                                                                       "order #2 #1",
		"/relbot order #1 -> #2":                                                                          "order #1 #2",
		"/relbot order #1->#2 because x":                                                                  "order #1 #2 [because x]",
		"/relbot order #1 then #2 then #3":                                                                "order #1 #2 #2 #3",
		"/relbot order #1 before or with #2":                                                              "order #1 #2 [or]",
		"/relbot order #1, #2 before #3, because x":                                                       "order #1 #3 #2 #3 [because x]",
		"/relbot unorder #1 before #2":                                                                    "unorder #1 #2",
		"/relbot unorder #1 after #2":                                                                     "unorder #2 #1",
		"/relbot after #1, #2 because x":                                                                  "after #1 #2 [because x]",
		"/relbot depends on #1":                                                                           "after #1",
		"/relbot Merge-After: #1":                                                                         "after #1",
		"/relbot wait for #1 and #2":                                                                      "after #1 #2",
		"/relbot blocked by #1":                                                                           "after #1",
		"/relbot with #1":                                                                                 "with #1",
		"/relbot override gate-ahead: x until merge.":                                                     "override [code gate-ahead] [because x] [until merge]",
		"/relbot help me":                                                                                 "help",
	} {
		commands, mistakes := parse(text)
		var got []string
		for _, c := range commands {
			got = append(got, brief(c))
		}
		if joined := strings.Join(got, "; "); joined != want || len(mistakes) > 0 {
			t.Errorf("%q: got %q %+v, want %q", text, joined, mistakes, want)
		}
	}
}

// TestAskedBack holds that a word is never taken for its opposite: what may mean both changes nothing.
func TestAskedBack(t *testing.T) {
	for _, text := range []string{
		"/relbot hold off", "/relbot release", "/relbot hold lifted", "/relbot hold cancel the train", "/relbot hold is no longer needed", "/relbot hold not needed any more",
	} {
		commands, mistakes := parse(text)
		if len(commands) > 0 || len(mistakes) != 1 || !strings.Contains(mistakes[0].Message, "/relbot hold or /relbot resume") {
			t.Errorf("%q: got %v %v", text, commands, mistakes)
		}
	}
}

// TestStray finds lines that look like commands, and are none.
func TestStray(t *testing.T) {
	for text, want := range map[string]int{
		"please run /relbot hold": 1, "/relbot-status": 1, "／relbot hold": 1, "| /relbot hold | x |": 1, "see `/relbot hold`": 0, "thanks, @relbot-app": 0,
		"look at the /relbot folder": 0, "https://example.org/relbot hold": 0, "> please run /relbot hold": 0,
	} {
		commands, mistakes := parse(text)
		if len(commands) > 0 || len(mistakes) != want || want > 0 && !mistakes[0].Stray {
			t.Errorf("%q: got %v %+v", text, commands, mistakes)
		}
	}
}

// TestMail holds that nothing runs from what came back below an answer by mail, and that the help runs nowhere.
func TestMail(t *testing.T) {
	var help strings.Builder
	for _, s := range command.Table {
		help.WriteString("/relbot " + s.Usage + "\t" + s.Summary + "\n")
	}
	for _, head := range []string{
		"On Tue, 2 Jun 2026 at 11:00, Relbot <x@example.org> wrote:\n\n", "On Tue, 2 Jun 2026 at 11:00, Relbot\n<x@example.org> wrote:\n", "Am 02.06.2026 um 11:00 schrieb Relbot:\n",
		"Le mar. 2 juin 2026 à 11:00, Relbot a écrit :\n", "From: Relbot\nSent: Tuesday\n", "**Von:** Relbot\n**Gesendet:** Dienstag\n", "-----Original Message-----\n",
		"________________________________\n", "Sent from my phone\n\n", "---- On Tue, 02 Jun 2026 Relbot wrote ----\n",
	} {
		commands, mistakes := parse("Thank you.\n\n" + head + help.String() + "\n/relbot hold\n")
		if len(commands)+len(mistakes) > 0 {
			t.Errorf("%q: got %v %v", head, commands, mistakes)
		}
	}
	if commands, _ := parse(help.String()); len(commands) > 0 {
		t.Errorf("the help runs %v", commands)
	}
	if commands, _ := parse("On Tuesday I wrote:\n\n/relbot hold\n\n```\n______________\n```\n\n/relbot resume"); len(commands) != 2 {
		t.Errorf("an answer with prose before it: %v", commands)
	}
}

// TestSuggestions holds that what is suggested is understood, and is the whole line that was meant.
func TestSuggestions(t *testing.T) {
	for text, want := range map[string]string{
		"/relbot freeze the tests are red": "/relbot hold the tests are red", "/relbot lnik 1 2": "/relbot link 1 2", "/relbot superseded #4": "/relbot supersede by #4",
		"/relbot remove #1 because x": "/relbot unlink #1 because x", "/relbot remove #1": "/relbot unlink #1 because …", "/relbot frobnicate": "",
	} {
		_, mistakes := parse(text)
		if len(mistakes) != 1 || mistakes[0].Suggestion != want {
			t.Errorf("%q: got %+v", text, mistakes)
		}
	}
}

func TestOverride(t *testing.T) {
	commands, mistakes := (command.Language{Codes: []string{"gate-ahead"}}).Parse("/relbot override gate-ahead because the release is renamed until 26.29")
	if len(mistakes) > 0 || commands[0].Action != (command.Override{Code: "gate-ahead", Because: "the release is renamed", Until: "26.29"}) {
		t.Errorf("got %+v %v", commands, mistakes)
	}
}

func TestMistakes(t *testing.T) {
	for text, want := range map[string]struct {
		column     int
		suggestion string
	}{
		"/relbot":                              {8, "/relbot help"},
		"/relbot hodl lunch":                   {9, "/relbot hold lunch"},
		"/relbot unlink #1":                    {18, "/relbot unlink #1 because …"},
		"/relbot unlink #1 done":               {19, "/relbot unlink #1 because done"},
		"/relbot order a befor b":              {17, "/relbot order a before b"},
		"/relbot override gate-ahed because x": {18, "/relbot override gate-ahead because x"},
		"/relbot override gate-ahead because x until tomorrow": {45, ""},
		"/relbot supersede #4":                                 {19, "/relbot supersede by #4"},
	} {
		commands, mistakes := (command.Language{Codes: []string{"gate-ahead", "order-waiting"}}).Parse(text)
		if len(commands) > 0 || len(mistakes) != 1 {
			t.Errorf("%q: got %v %v", text, commands, mistakes)
			continue
		}
		if m := mistakes[0]; m.Column != want.column || m.Suggestion != want.suggestion || m.Line != 1 || m.Accepted == "" {
			t.Errorf("%q: got column %d, suggestion %q (%s)", text, m.Column, m.Suggestion, m.Message)
		}
	}
}

func TestManyInOneComment(t *testing.T) {
	commands, mistakes := parse("/relbot hold\n/relbot nonsense\n/relbot resume\n")
	if len(commands) != 2 || len(mistakes) != 1 || commands[1].Line != 3 || mistakes[0].Line != 2 {
		t.Errorf("got %v %v", commands, mistakes)
	}
}

func TestBody(t *testing.T) {
	lines, misses := command.Body("Fixes things.\n\nShips-With: #1, acme/docs#2\nmerge-after: #3\nDepends-On: https://github.com/a/b/pull/4\n> Depends-On: #9\n\nships with #12\nShips-With: 13\nDepends-On: nothing\nDepends on #1 being fixed upstream.\n<details>\n\nDepends-On: #8\n\n</details>\n")
	var got []string
	for _, l := range lines {
		text := l.Key
		for _, target := range l.Targets {
			text += " " + target.Pull
		}
		got = append(got, text)
	}
	if want := "Ships-With #1 acme/docs#2; Merge-After #3; Depends-On https://github.com/a/b/pull/4; Ships-With #12; Ships-With #13"; strings.Join(got, "; ") != want {
		t.Errorf("got %q", got)
	}
	var suggestions []string
	for _, m := range misses {
		suggestions = append(suggestions, m.Suggestion)
	}
	if want := "Depends-On: #12; Depends-On: #1"; strings.Join(suggestions, "; ") != want {
		t.Errorf("near misses %v", misses)
	}
}

// TestBodyForms reads dependency lines as people write them.
func TestBodyForms(t *testing.T) {
	for text, want := range map[string]string{
		"**Depends-On:** #1": "Depends-On: #1", "**Depends-On**: #1": "Depends-On: #1", "- Depends-On: #1": "Depends-On: #1", "1. depends on #1": "Depends-On: #1",
		"- [x] Merge-After: #1, #2.": "Merge-After: #1, #2", "## Ships-With: #1 & #2": "Ships-With: #1, #2", "Depends\u2011On: #1": "Depends-On: #1",
		"Blocked by #1": "Depends-On: #1", "Requires: acme/docs#1": "Depends-On: acme/docs#1", "Requires #1 and #2": "Depends-On: #1, #2", "merge after GH-12": "Merge-After: #12",
		"Depends-On: [the other one](https://github.com/a/b/pull/1/files)": "Depends-On: https://github.com/a/b/pull/1",
		"| Depends-On | #1, #2 |\n|---|---|\n| Ships-With | #3 |":          "Depends-On: #1, #2; Ships-With: #3",
		"Depends-On:\n- #1\n- #2\n\ntext #3":                               "Depends-On: #1, #2", "## Depends on\n\n- #1": "Depends-On: #1",
		"It depends on #1": "", "Ships with the tool (#1)": "", "merge after #1 lands": "Merge-After: #1", "Requires Go 1.26": "", "Requires a look at #1": "", "`Depends-On: #1`": "", "Depends on the weather": "", "Requires": "",
	} {
		lines, _ := command.Body(text)
		var got []string
		for _, l := range lines {
			got = append(got, l.String())
		}
		if joined := strings.Join(got, "; "); joined != want {
			t.Errorf("%q: got %q, want %q", text, joined, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range command.Table {
		f.Add("/relbot " + s.Example)
	}
	f.Add("```\n/relbot hold\n")
	f.Fuzz(func(t *testing.T, text string) {
		commands, mistakes := parse(text)
		for _, c := range commands {
			if _, ok := command.SpecOf(c.Spec.Name); !ok || c.Line < 1 {
				t.Errorf("got %+v", c)
			}
		}
		for _, m := range mistakes {
			if m.Line < 1 || m.Column < 1 || m.Message == "" {
				t.Errorf("got %+v", m)
			}
			if again, wrong := parse(m.Suggestion); m.Suggestion != "" && (len(again) != 1 || len(wrong) > 0) {
				t.Errorf("%q suggests %q, which is %v %v", m.Raw, m.Suggestion, again, wrong)
			}
		}
		command.Body(text)
	})
}

// TestNamedAreBounded holds that a text names no more pull requests than it may.
func TestNamedAreBounded(t *testing.T) {
	many := strings.TrimSuffix(strings.Repeat(" #1", 100), " #1")
	if lines, misses := command.Body("Ships-With:" + many + "\nDepends-On: #2\nDepends-On: #3\nDepends-On: #4"); len(lines) != 2 || len(misses) != 1 || misses[0].Line != 3 {
		t.Errorf("description: %d lines, %v", len(lines), misses)
	}
	if commands, mistakes := parse("/relbot link" + many + "\n/relbot link #2\n/relbot link #3"); len(commands) != 2 || len(mistakes) != 1 || mistakes[0].Line != 3 {
		t.Errorf("comment: %d commands, %v", len(commands), mistakes)
	}
}
