package command

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/relbot/relbot/internal/nearest"
)

// maxCommands bounds how many commands one comment may hold.
const maxCommands = 50

// Parse reads the commands of a comment. codes are the reason codes that override accepts; none accepts any.
func Parse(body string, codes ...string) ([]Command, []Mistake) {
	var commands []Command
	var mistakes []Mistake
	named := 0
	for _, l := range visible(body) {
		rest, ok := cutPrefixFold(l.text, "/relbot")
		if !ok || rest != "" && rest[0] != ' ' && rest[0] != '\t' {
			continue
		}
		if len(commands)+len(mistakes) == maxCommands {
			mistakes = append(mistakes, Mistake{Line: l.number, Column: 1, Raw: l.text, Message: fmt.Sprintf("a comment holds at most %d commands", maxCommands), Accepted: "/relbot help"})
			break
		}
		p := parser{line: l.number, raw: strings.TrimRight(l.text, " \t"), words: fields(l.text), codes: codes}
		p.words = p.words[1:] // "/relbot"
		c, m := p.parse()
		if m == nil {
			if named += len(c.Named()); named > maxNamed {
				m = p.fail(1, "", "a comment names at most %d pull requests", maxNamed)
			}
		}
		if m != nil {
			mistakes = append(mistakes, *m)
		} else {
			commands = append(commands, c)
		}
	}
	return commands, mistakes
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) {
		return s[len(prefix):], true
	}
	return s, false
}

// field is a word with the column where it begins.
type field struct {
	text   string
	column int // from 1, in bytes
}

func fields(s string) []field {
	var out []field
	for i := 0; i < len(s); {
		if s[i] == ' ' || s[i] == '\t' {
			i++
			continue
		}
		end := i
		for end < len(s) && s[end] != ' ' && s[end] != '\t' {
			end++
		}
		out = append(out, field{s[i:end], i + 1})
		i = end
	}
	return out
}

// parser reads one line.
type parser struct {
	line  int
	raw   string
	words []field
	codes []string
	usage string // of the command, once it is known
}

func (p *parser) end() int { return len(p.raw) + 1 }

// fail builds a mistake at a column.
func (p *parser) fail(column int, suggestion, format string, args ...any) *Mistake {
	accepted := "/relbot " + p.usage
	if p.usage == "" {
		accepted = "/relbot VERB …, see /relbot help"
	}
	return &Mistake{Line: p.line, Column: column, Raw: p.raw, Message: fmt.Sprintf(format, args...), Accepted: accepted, Suggestion: suggestion}
}

func (p *parser) next() (field, bool) {
	if len(p.words) == 0 {
		return field{column: p.end()}, false
	}
	w := p.words[0]
	p.words = p.words[1:]
	return w, true
}

// rest is the remaining text, as written.
func (p *parser) rest() string {
	if len(p.words) == 0 {
		return ""
	}
	text := p.raw[p.words[0].column-1:]
	p.words = nil
	return strings.TrimSpace(text)
}

func (p *parser) parse() (Command, *Mistake) {
	w, ok := p.next()
	if !ok {
		return Command{}, p.fail(w.column, "/relbot help", "a command is missing")
	}
	name := strings.ToLower(w.text)
	spec, ok := SpecOf(name)
	if !ok {
		var names []string
		for _, s := range Table {
			names = append(names, s.Name)
		}
		suggestion := ""
		if near := nearest.Word(name, names); near != "" {
			suggestion = strings.TrimSpace("/relbot " + near + " " + p.rest())
		}
		return Command{}, p.fail(w.column, suggestion, "unknown command %q", w.text)
	}
	p.usage = spec.Usage
	action, m := spec.read(p)
	return Command{Spec: spec, Action: action, Line: p.line, Raw: p.raw}, m
}

// bare reads a command that is a word alone.
func bare(a Action) func(*parser) (Action, *Mistake) {
	return func(p *parser) (Action, *Mistake) { return a, p.nothing() }
}

// nothing wants the line to end.
func (p *parser) nothing() *Mistake {
	if w, more := p.next(); more {
		return p.fail(w.column, strings.TrimSpace(p.raw[:w.column-1]), "%q is one word too many", w.text)
	}
	return nil
}

// keyword wants a certain word.
func (p *parser) keyword(want string) *Mistake {
	w, ok := p.next()
	switch {
	case !ok:
		return p.fail(w.column, "", "%q is missing", want)
	case !strings.EqualFold(w.text, want):
		return p.fail(w.column, p.raw[:w.column-1]+want+" "+p.raw[w.column-1:], "want %q, found %q", want, w.text)
	}
	return nil
}

var (
	pullText = regexp.MustCompile(`^(?:(?:[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+)?#[1-9][0-9]{0,8}|https?://[^/\s]+/[^/\s]+/[^/\s]+/pull/[1-9][0-9]{0,8}/?)$`)
	roleText = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]{0,63}$`)
	nameText = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
)

// target reads a member: a pull request or a role.
func (p *parser) target() (Target, *Mistake) {
	w, ok := p.next()
	text := strings.TrimRight(w.text, ",")
	switch {
	case !ok:
		return Target{}, p.fail(w.column, "", "a member is missing: #12, owner/repo#12 or a role")
	case pullText.MatchString(text):
		return Target{Text: text, Pull: text}, nil
	case roleText.MatchString(text):
		return Target{Text: text, Role: text}, nil
	}
	suggestion := ""
	if isNumber(text) {
		suggestion = p.raw[:w.column-1] + "#" + p.raw[w.column-1:]
	}
	return Target{}, p.fail(w.column, suggestion, "%q is no member: want #12, owner/repo#12 or a role", w.text)
}

func isNumber(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// because reads the reason up to the end of the line.
func (p *parser) because() (string, *Mistake) {
	w, ok := p.next()
	switch {
	case !ok:
		return "", p.fail(w.column, p.raw+" because …", "the reason is missing")
	case !strings.EqualFold(strings.TrimSuffix(w.text, ":"), "because"):
		return "", p.fail(w.column, p.raw[:w.column-1]+"because "+p.raw[w.column-1:], "want \"because TEXT\", found %q", w.text)
	}
	reason := p.rest()
	if reason == "" {
		return "", p.fail(p.end(), p.raw+" …", "the reason is missing")
	}
	return reason, nil
}

func (p *parser) link() (Action, *Mistake) {
	var a Link
	for len(p.words) > 0 {
		w, _ := p.next()
		text := strings.TrimRight(w.text, ",")
		if strings.EqualFold(text, "as") {
			name, ok := p.next()
			if !ok || !nameText.MatchString(name.text) {
				return a, p.fail(name.column, "", "%q is no name: want letters, digits, dots and dashes", name.text)
			}
			a.Name = name.text
			continue
		}
		if strings.EqualFold(text, "and") || strings.EqualFold(text, "with") {
			continue
		}
		role, pull, given := strings.Cut(text, "=")
		if !given {
			role, pull = "", text
		}
		switch {
		case given && !roleText.MatchString(role):
			return a, p.fail(w.column, "", "%q is no role: want letters, digits, dots and dashes", role)
		case !pullText.MatchString(pull):
			suggestion := ""
			if isNumber(pull) {
				at := w.column - 1 + len(text) - len(pull)
				suggestion = p.raw[:at] + "#" + p.raw[at:]
			}
			return a, p.fail(w.column+len(text)-len(pull), suggestion, "%q is no pull request: want #12, owner/repo#12 or a URL", pull)
		}
		a.Members = append(a.Members, Member{Role: role, Target: Target{Text: text, Pull: pull}})
	}
	if len(a.Members) == 0 {
		return a, p.fail(p.end(), "", "no pull request is named")
	}
	return a, nil
}

func (p *parser) unlink() (Action, *Mistake) {
	member, m := p.target()
	if m != nil {
		return nil, m
	}
	because, m := p.because()
	return Unlink{member, because}, m
}

func (p *parser) replace() (Action, *Mistake) {
	old, m := p.target()
	if m == nil {
		m = p.keyword("with")
	}
	if m != nil {
		return nil, m
	}
	with, m := p.target()
	if m == nil {
		m = p.nothing()
	}
	return Replace{old, with}, m
}

func (p *parser) order() (Action, *Mistake) {
	before, m := p.target()
	if m != nil {
		return nil, m
	}
	a := Order{Before: before}
	w, ok := p.next()
	switch word := strings.ToLower(w.text); {
	case !ok:
		return nil, p.fail(w.column, "", "\"before\" or \"before-or-with\" is missing")
	case word == "before":
	case word == "before-or-with":
		a.Together = true
	default:
		suggestion := ""
		if near := nearest.Word(word, []string{"before", "before-or-with"}); near != "" {
			suggestion = p.raw[:w.column-1] + near + p.raw[w.column-1+len(w.text):]
		}
		return nil, p.fail(w.column, suggestion, "want \"before\" or \"before-or-with\", found %q", w.text)
	}
	if a.After, m = p.target(); m == nil && len(p.words) > 0 {
		a.Because, m = p.because()
	}
	return a, m
}

func (p *parser) unorder() (Action, *Mistake) {
	before, m := p.target()
	if m != nil {
		return nil, m
	}
	after, m := p.target()
	if m == nil {
		m = p.nothing()
	}
	return Unorder{before, after}, m
}

func (p *parser) hold() (Action, *Mistake) {
	text := p.rest()
	if rest, ok := cutPrefixFold(text, "because "); ok {
		text = rest
	}
	return Hold{text}, nil
}

func (p *parser) supersede() (Action, *Mistake) {
	if m := p.keyword("by"); m != nil {
		return nil, m
	}
	by, m := p.target()
	if m == nil && by.Pull == "" {
		m = p.fail(p.end(), "", "%q is no pull request", by.Text)
	}
	if m == nil {
		m = p.nothing()
	}
	return Supersede{by}, m
}

func (p *parser) abandon() (Action, *Mistake) {
	because, m := p.because()
	return Abandon{because}, m
}

var untilText = regexp.MustCompile(`(?i)^(.*\S)\s+until\s+(\S+)$`)

func (p *parser) override() (Action, *Mistake) {
	w, ok := p.next()
	switch {
	case !ok:
		return nil, p.fail(w.column, "", "the reason code is missing")
	case strings.EqualFold(w.text, "cancel"):
		return CancelOverride{}, p.nothing()
	}
	a := Override{Code: strings.ToLower(w.text), Until: "push"}
	if len(p.codes) > 0 && !slices.Contains(p.codes, a.Code) {
		suggestion := ""
		if near := nearest.Word(a.Code, p.codes); near != "" {
			suggestion = p.raw[:w.column-1] + near + p.raw[w.column-1+len(w.text):]
		}
		return nil, p.fail(w.column, suggestion, "%q is no reason code that an override lifts; those are %s", w.text, strings.Join(p.codes, ", "))
	}
	because, m := p.because()
	if m != nil {
		return nil, m
	}
	a.Because = because
	if m := untilText.FindStringSubmatch(because); m != nil {
		a.Because, a.Until = m[1], m[2]
		if low := strings.ToLower(a.Until); low == "push" || low == "merge" {
			a.Until = low
		} else if !strings.ContainsAny(a.Until, "0123456789") { // "until tomorrow" is part of the reason's prose, and no end that relbot knows
			return nil, p.fail(p.end()-len(a.Until), "", "%q is no end: want push, merge or a release such as 26.29", a.Until)
		}
	}
	return a, nil
}
