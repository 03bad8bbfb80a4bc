package note

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/relbot/relbot/internal/command"
	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/rules"
)

// ReplyMarker is the hidden line by which a reply is found again; key is plain text of relbot's own.
func ReplyMarker(key string) string {
	return "<!-- relbot:reply " + strings.NewReplacer("--", "", "\n", "", ">", "").Replace(key) + " -->"
}

// IsReply reports whether a comment has a reply's marker.
func IsReply(body string) bool { return strings.HasPrefix(body, "<!-- relbot:reply ") }

// Reply joins the answers to the commands of one comment into one comment.
func Reply(key string, answers []string) string {
	marker := ReplyMarker(key) + "\n"
	text := strings.Join(answers, "\n\n")
	return marker + fold(strings.TrimRight(text, "\n")+"\n", maxNote-len(marker), "_This answer was shortened._\n")
}

// Help answers the command help.
func Help() string {
	return "These are the commands. Each stands at the start of a line of a new comment; where a member is named, its role or `#N` will do.\n\n" + commandTable()
}

// StatusReply answers the command status: the verdict of a pull request with its reasons, and where its couplings stand.
func StatusReply(p coupling.Pull, verdict rules.Verdict, js []rules.Judgement) string {
	v := voice{home: p.Repo, hidden: hidden(p.Repo, false, js)}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: **%s**\n", v.pull(p), verdict.Level)
	for _, r := range slices.Concat(verdict.Reasons, verdict.Warnings) {
		b.WriteString("- " + reason(v, r) + "\n")
	}
	for _, j := range js {
		fmt.Fprintf(&b, "\n**%s** (%s)\n\n%s %s\n\n%s", Escape(j.Coupling.Heading()), v.code(j.Coupling.Name), stateSentence(v, j), trainSentence(v, j), memberTable(v, j))
		if len(j.Gates) > 0 {
			b.WriteString("\n" + gateTable(v, j))
		}
		for _, a := range j.Alarms {
			b.WriteString("\nAlarm: " + reason(v, a.Reason) + "\n")
		}
	}
	return b.String()
}

// Mistakes answers lines that were not understood, all in one text: where each went wrong, the accepted form, a suggestion.
func Mistakes(ms []command.Mistake) string {
	var b strings.Builder
	for i, m := range ms {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "Line %d, column %d: %s.\n\n", m.Line, m.Column, said(strings.TrimSuffix(m.Message, ".")))
		b.WriteString(block(caret(m.Raw, m.Column)...))
		if m.Accepted != "" {
			b.WriteString("\nAccepted form: " + spanned(m.Accepted) + "\n")
		}
		if m.Suggestion != "" {
			b.WriteString("\nDid you mean " + spanned(m.Suggestion) + "?\n")
		}
	}
	return b.String()
}

// caret shows a line with a mark below a column, counted in bytes from 1. A long line is cut around it.
func caret(raw string, column int) []string {
	raw = strings.Map(func(r rune) rune {
		if r < ' ' || r == utf8.RuneError {
			return ' '
		}
		return r
	}, raw)
	at := utf8.RuneCountInString(raw[:min(max(column-1, 0), len(raw))])
	rs := []rune(raw)
	const width = 120
	from := 0
	if at > width {
		from = at - width/2
	}
	line := string(rs[from:min(len(rs), from+width+width/2)])
	return []string{line, strings.Repeat(" ", at-from) + "^"}
}

// Given says which reasons an override could lift now, each as a line that does.
func Given(codes []rules.Code) string {
	if len(codes) == 0 {
		return "No reason that an override lifts is given for this pull request now."
	}
	var b strings.Builder
	b.WriteString("What is given for this pull request now, and how a maintainer lifts it:\n")
	for _, c := range codes {
		b.WriteString("- " + spanned("/relbot override "+string(c)+" because …") + "\n")
	}
	return b.String()
}

// NoEnd answers a hold whose text names an end.
const NoEnd = "The coupling is on hold. The text says until when, and relbot does not watch for that: the hold lasts until somebody says `/relbot resume`."

// Bridged says which order remains when the middle of a chain was taken out.
func Bridged(c coupling.Coupling, kept []coupling.Edge, home coupling.Repo) string {
	v := voice{home: home}
	name := func(role string) string { // readers need not be able to see other repositories
		if m, _ := c.ByRole(role); m.Pull.Repo.Same(home) {
			return v.pull(m.Pull)
		}
		return "a member in another repository"
	}
	var lines []string
	for _, e := range kept {
		lines = append(lines, fmt.Sprintf("%s %s %s%s", name(e.Before), e.Word(), name(e.After), v.because(e.Reason)))
	}
	return "What came after the member that left now comes after what was before it: " + strings.Join(lines, "; ") + "."
}

// Refused answers a command that was understood and not carried out.
func Refused(cmd command.Command, why string) string {
	return spanned(cmd.Raw) + " was refused: " + said(strings.TrimSuffix(why, ".")) + "."
}

// WasRefused reports whether a reply says that a line was refused.
func WasRefused(reply string, cmd command.Command) bool {
	return strings.Contains(reply, spanned(cmd.Raw)+" was refused")
}

// RefusalText says why a coupling cannot be changed so; it is plain text for [Refused].
func RefusalText(r *coupling.Refusal) string {
	s := r.Message
	if len(r.Cycle) > 0 {
		s += ": " + strings.Join(r.Cycle, " → ")
		if len(r.Numbers) > 0 {
			s += " (" + strings.Join(r.Numbers, " → ") + ")"
		}
	}
	if r.Overruled {
		s = "the policy file wins where it speaks: " + s
	}
	return s
}

// Alarm is the comment that tells of an alarm, on one of the pull requests that it concerns. Unlike the note it mentions people: the
// members' authors, and who merged.
func Alarm(a rules.Alarm, j rules.Judgement, p coupling.Pull, key string) string {
	v := voice{home: p.Repo, hidden: hidden(p.Repo, false, []rules.Judgement{j})}
	var b strings.Builder
	fmt.Fprintf(&b, "🚨 **%s**: %s\n\n%s\n", Escape(j.Coupling.Heading()), v.sentence(a.Reason), v.remedy(a.Reason))
	var people []string
	mention := func(login string) {
		at := "@" + login
		if loginPattern.MatchString(login) && !slices.Contains(people, at) {
			people = append(people, at)
		}
	}
	for _, m := range j.Members {
		if !v.hidden[m.Pull] {
			mention(m.Author)
		}
	}
	mention(a.Reason.By)
	for _, m := range j.Members {
		if m.Pull == a.Reason.About && !v.hidden[m.Pull] {
			mention(m.MergedBy)
		}
	}
	if len(people) > 0 {
		fmt.Fprintf(&b, "\ncc %s\n", strings.Join(people, " "))
	}
	return Reply(key, []string{b.String()})
}

// loginPattern is what can be mentioned; bots cannot.
var loginPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,100}$`)

// Proposal shows a line of a description that did not take effect, and the commands that accept it.
func Proposal(l command.BodyLine, p coupling.Pull) string {
	var pulls []string
	for _, t := range l.Targets {
		q, err := t.In(p.Repo)
		if err != nil {
			continue
		}
		pulls = append(pulls, q.In(p.Repo))
	}
	self := p.In(p.Repo)
	accept := []string{code("/relbot link " + strings.Join(append([]string{self}, pulls...), " "))}
	if l.Key != command.ShipsWith {
		for _, q := range pulls {
			accept = append(accept, code("/relbot order "+q+" before "+self))
		}
	}
	return fmt.Sprintf("%s (line %d of the description) takes effect when somebody with write access accepts it: %s.", spanned(l.Raw), l.Line, list(accept))
}

// NearMiss warns of a line of a description that looks as if it were meant for relbot.
func NearMiss(m command.NearMiss) string {
	s := fmt.Sprintf("%s (line %d of the description): %s", spanned(m.Raw), m.Line, said(strings.TrimSuffix(m.Message, ".")))
	if m.Suggestion != "" {
		s += "; did you mean " + spanned(m.Suggestion) + "?"
		return s
	}
	return s + "."
}

// spanned is a line by people in a code span outside of any table.
func spanned(s string) string { return strings.ReplaceAll(code(s), `\|`, "|") }

// said is text of relbot's own that quotes what a person wrote in a command: as safe as [Escape], but pull requests stay links, since whoever
// wrote the command could link to them as well.
func said(s string) string {
	return strings.ReplaceAll(Escape(s), "#"+gap, "#")
}
