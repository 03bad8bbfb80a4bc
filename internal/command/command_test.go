package command_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/relbot/relbot/internal/command"
)

func brief(c command.Command) string {
	var parts []string
	for _, m := range c.Members {
		parts = append(parts, strings.TrimPrefix(m.Role+"="+m.Pull, "="))
	}
	for _, t := range c.Targets {
		parts = append(parts, t.Text)
	}
	out := c.Verb
	if len(parts) > 0 {
		out += " " + strings.Join(parts, " ")
	}
	for name, v := range map[string]string{"as": c.Name, "because": c.Because, "code": c.Code, "until": c.Until} {
		if v != "" {
			out += fmt.Sprintf(" [%s %s]", name, v)
		}
	}
	return out
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

func TestOverride(t *testing.T) {
	commands, mistakes := command.Parse("/relbot override gate-ahead because the release is renamed until 26.29", "gate-ahead")
	if len(mistakes) > 0 || commands[0].Code != "gate-ahead" || commands[0].Because != "the release is renamed" || commands[0].Until != "26.29" {
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
	for _, v := range command.Verbs {
		f.Add("/relbot " + v.Example)
	}
	f.Add("```\n/relbot hold\n")
	f.Fuzz(func(t *testing.T, text string) {
		commands, mistakes := command.Parse(text)
		for _, c := range commands {
			if _, ok := command.VerbOf(c.Verb); !ok || c.Line < 1 {
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
