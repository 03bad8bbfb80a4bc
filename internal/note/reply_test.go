package note

import (
	"regexp"
	"strings"
	"testing"

	"github.com/relbot/relbot/internal/command"
	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/rules"
)

func TestReply(t *testing.T) {
	reply := func(name string, answers ...string) {
		t.Helper()
		got := Reply("comment 7", answers)
		if !IsReply(got) || !strings.HasPrefix(got, ReplyMarker("comment 7")+"\n") || IsNote(got) {
			t.Errorf("%s: begins %q", name, got[:min(60, len(got))])
		}
		golden(t, "reply/"+name+".md", got)
	}
	reply("help", Help())
	j := distroless()
	reply("status", StatusReply(pr(3), j.Members[2].Verdict, []rules.Judgement{j}))
	reply("status-uncoupled", StatusReply(pr(9), rules.Uncoupled(pr(9)), nil))
	_, mistakes := command.Language{}.Parse("/relbot lnik #12 #13\n/relbot order gate befor image\n/relbot unlink `@ann` <!-- relbot:note v1 -->\n")
	reply("mistakes", Mistakes(mistakes))
	refused := func(raw, why string) string { return Refused(command.Command{Raw: raw}, why) }
	reply("refused", refused("/relbot hold", "it needs the role write in acme/app, and you have read there"),
		refused("/relbot order image before gate because @ann `wants` it", RefusalText(&coupling.Refusal{Message: "the order would be a cycle", Cycle: []string{"gate", "image", "gate"}})),
		refused("/relbot unlink #3 because x", RefusalText(&coupling.Refusal{Overruled: true, Message: "the policy declares acme/app#3 as \"gate\" of distroless: take it out there"})))
	lines, misses := command.Body("Ships-With: #12, acme/docs#3\nMerge-After: #4\nships with #12\nDepends-On: 5\n")
	var answers []string
	for _, l := range lines {
		answers = append(answers, Proposal(l, pr(1)))
	}
	for _, m := range misses {
		answers = append(answers, NearMiss(m))
	}
	reply("body", answers...)
}

func TestAlarm(t *testing.T) {
	j := landing()
	j.Members[1].Author = "dependabot[bot]"
	got := Alarm(j.Alarms[0], j, pr(3), "alarm 1")
	golden(t, "reply/alarm.md", got)
	if !strings.HasPrefix(got, ReplyMarker("alarm 1")) || !strings.Contains(got, "@ann @root") || strings.Contains(got, "bot]") {
		t.Errorf("got %s", got)
	}
}

func TestReplyMarker(t *testing.T) {
	if got := ReplyMarker("a-->\n<!-- b"); strings.Count(got, "-->") != 1 || strings.Contains(got, "\n") {
		t.Errorf("got %q", got)
	}
}

func TestReplyLimit(t *testing.T) {
	if got := Reply("k", []string{strings.Repeat("ü ü\n", 60_000)}); len(got) > 60_000 || !IsReply(got) {
		t.Errorf("%d bytes", len(got))
	}
}

// TestCaret marks the right character, also behind wide text and in long lines.
func TestCaret(t *testing.T) {
	for _, raw := range []string{"/relbot lnik #1", "/relbot üü lnik", strings.Repeat("x", 500) + " lnik"} {
		at := strings.Index(raw, "lnik")
		got := caret(raw, at+1)
		line, mark := []rune(got[0]), len([]rune(got[1]))-1
		if !strings.HasPrefix(string(line[mark:]), "lnik") {
			t.Errorf("%q: the mark is below %q", raw, string(line[mark:]))
		}
	}
	for _, column := range []int{-1, 0, 1, 5, 99} {
		caret("abc", column)
		caret("", column)
	}
}

// TestProposedCommands holds that the commands which accept a line of a description are understood as they are.
func TestProposedCommands(t *testing.T) {
	lines, _ := command.Body("Ships-With: #12, acme/docs#3\nMerge-After: #4\nDepends on https://github.com/acme/app/pull/5/files\n")
	seen := 0
	for _, l := range lines {
		for _, m := range regexp.MustCompile("`(/relbot [^`]*)`").FindAllStringSubmatch(Proposal(l, pr(1)), -1) {
			seen++
			if commands, mistakes := (command.Language{}).Parse(m[1]); len(commands) != 1 || len(mistakes) > 0 {
				t.Errorf("%q: %v %v", m[1], commands, mistakes)
			}
		}
	}
	if seen != 5 {
		t.Errorf("%d commands are proposed", seen)
	}
}
