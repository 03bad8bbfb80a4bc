package command_test

import (
	"strings"
	"testing"

	"github.com/relbot/relbot/internal/command"
	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/rules"
)

// brief says what was read: the command, what it names, and its texts.
func brief(c command.Command) string {
	out := []string{c.Spec.Name}
	c.Retarget(func(t command.Target) command.Target {
		out = append(out, t.Text)
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
	case command.Unlink:
		text("because", a.Because)
	case command.Order:
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
		"/relbot order gate before-or-with #2 because x": "order gate #2 [because x]",
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
		"text /relbot hold":                              "",
		"`code\n/relbot hold\n`":                         "",
		"<!-- /relbot hold -->":                          "",
		"<!--\n/relbot hold\n-->":                        "",
		"<!-- never closed\n/relbot hold":                "",
		"<pre>\n/relbot hold\n</pre>":                    "",
		"/relbotx hold":                                  "",
		"-/relbot hold":                                  "",
	} {
		commands, mistakes := command.Parse(text)
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
		commands, mistakes := command.Parse("/relbot " + s.Example)
		if len(mistakes) > 0 || len(commands) != 1 || commands[0].Spec.Name != s.Name {
			t.Errorf("%s: its example is %v %v", s.Name, commands, mistakes)
			continue
		}
		if change, is := commands[0].Action.(command.Change); is {
			effects, err := change.Effects(command.Scope{At: at, Coupling: in})
			if err != nil || len(effects) == 0 || effects[0].Verb == "" {
				t.Errorf("%s: its example has the effects %v %v", s.Name, effects, err)
			}
		} else if s.Right == command.MayLink || s.Right == command.MayHold {
			t.Errorf("%s: it needs a right, and changes nothing", s.Name)
		}
	}
}

func TestOverride(t *testing.T) {
	commands, mistakes := command.Parse("/relbot override gate-ahead because the release is renamed until 26.29", "gate-ahead")
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
		"/relbot link 12":                      {14, "/relbot link #12"},
		"/relbot unlink #1":                    {18, "/relbot unlink #1 because …"},
		"/relbot unlink #1 done":               {19, "/relbot unlink #1 because done"},
		"/relbot order a befor b":              {17, "/relbot order a before b"},
		"/relbot override gate-ahed because x": {18, "/relbot override gate-ahead because x"},
		"/relbot override gate-ahead because x until tomorrow": {45, ""},
		"/relbot supersede #4":                                 {19, "/relbot supersede by #4"},
		"/relbot resume now":                                   {16, "/relbot resume"},
	} {
		commands, mistakes := command.Parse(text, "gate-ahead", "order-waiting")
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
	commands, mistakes := command.Parse("/relbot hold\n/relbot nonsense\n/relbot resume\n")
	if len(commands) != 2 || len(mistakes) != 1 || commands[1].Line != 3 || mistakes[0].Line != 2 {
		t.Errorf("got %v %v", commands, mistakes)
	}
}

func TestBody(t *testing.T) {
	lines, misses := command.Body("Fixes things.\n\nShips-With: #1, acme/docs#2\nmerge-after: #3\nDepends-On: https://github.com/a/b/pull/4\n> Depends-On: #9\n\nships with #12\nShips-With: 13\nDepends-On: nothing\n")
	var got []string
	for _, l := range lines {
		text := l.Key
		for _, target := range l.Targets {
			text += " " + target.Pull
		}
		got = append(got, text)
	}
	if want := "Ships-With #1 acme/docs#2; Merge-After #3; Depends-On https://github.com/a/b/pull/4"; strings.Join(got, "; ") != want {
		t.Errorf("got %q", got)
	}
	var suggestions []string
	for _, m := range misses {
		suggestions = append(suggestions, m.Suggestion)
	}
	if want := "Ships-With: #12; Ships-With: #13; Depends-On: #12"; strings.Join(suggestions, "; ") != want {
		t.Errorf("near misses %v", misses)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range command.Table {
		f.Add("/relbot " + s.Example)
	}
	f.Add("```\n/relbot hold\n")
	f.Fuzz(func(t *testing.T, text string) {
		commands, mistakes := command.Parse(text)
		for _, c := range commands {
			if _, ok := command.SpecOf(c.Spec.Name); !ok || c.Line < 1 {
				t.Errorf("got %+v", c)
			}
		}
		for _, m := range mistakes {
			if m.Line < 1 || m.Column < 1 || m.Message == "" {
				t.Errorf("got %+v", m)
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
	if commands, mistakes := command.Parse("/relbot link" + many + "\n/relbot link #2\n/relbot link #3"); len(commands) != 2 || len(mistakes) != 1 || mistakes[0].Line != 3 {
		t.Errorf("comment: %d commands, %v", len(commands), mistakes)
	}
}
