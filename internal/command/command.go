// Package command reads commands addressed to relbot in a comment and says who may use them.
//
// A command is a line of a new comment that begins with "/relbot". Everything that only looks like one is left alone: quotes,
// code, HTML comments, text inside a line. The parser reports every mistake with its place, the accepted form and a
// suggestion, and goes on with the next line.
//
// One table holds the verbs: the parser, the help text and the documentation all come from it. A grammar a verb was refused: the verbs differ in
// a handful of word patterns, and a tokenizer with small readers says more precisely where a line went wrong.
package command

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/nearest"
)

// Group is a group of verbs that need the same right.
type Group string

// The groups. The policy's permissions section sets the role that each needs, but for Anyone.
const (
	Anyone   Group = "anyone"
	Link     Group = "link"
	Hold     Group = "hold"
	Override Group = "override"
)

// Verb describes a command.
type Verb struct {
	Name    string
	Usage   string // without "/relbot "
	Group   Group
	Summary string
	Example string
}

// Verbs is the table of all commands.
var Verbs = []Verb{
	{"help", "help", Anyone, "lists the commands", "help"},
	{"status", "status", Anyone, "answers with the present verdicts and their reasons", "status"},
	{"recheck", "recheck", Anyone, "looks at everything again", "recheck"},
	{"link", "link #A #B owner/repo#C [as NAME] [role=#N …]", Link, "makes a coupling, or extends one", "link #12 image=#13 as distroless"},
	{"unlink", "unlink #A because TEXT", Link, "takes a member out", "unlink #12 because it is no longer needed"},
	{"replace", "replace #A with #B", Link, "puts a successor in a member's place; edges and role stay", "replace #12 with #15"},
	{"order", "order A before B because TEXT, or A before-or-with B", Link, "adds or changes an order edge; members are named by role or #N", "order gate before-or-with image because nonroot images need it"},
	{"unorder", "unorder A B", Link, "removes an order edge", "unorder gate image"},
	{"hold", "hold [TEXT]", Hold, "blocks every member", "hold the cut is at noon"},
	{"resume", "resume", Hold, "lifts a hold", "resume"},
	{"override", "override CODE because TEXT [until push|merge|RELEASE], or override cancel", Override, "lifts one reason code for this pull request; ends at the next push that changes the tree unless said otherwise", "override gate-ahead because the release is renamed until merge"},
	{"supersede", "supersede by #N", Link, "ends the coupling: another pull request does its work", "supersede by #37526"},
	{"abandon", "abandon because TEXT", Link, "ends the coupling without its work being done", "abandon because the plan changed"},
	{"reopen", "reopen", Link, "takes the end of a coupling back", "reopen"},
}

// VerbOf finds a verb by name.
func VerbOf(name string) (Verb, bool) {
	i := slices.IndexFunc(Verbs, func(v Verb) bool { return v.Name == name })
	if i < 0 {
		return Verb{}, false
	}
	return Verbs[i], true
}

// Target names a member as a person wrote it: by pull request or by role.
type Target struct {
	Text string // as written
	Role string // "" where it is a pull request
	// Pull is the text of the pull request, "#12", "owner/repo#12" or a URL; see [Target.In].
	Pull string
}

// In resolves a target that names a pull request, seen from a repository.
func (t Target) In(home coupling.Repo) (coupling.Pull, error) {
	return coupling.ParsePull(t.Pull, home)
}

// Member is a pull request that link adds, with the role it was given ("" for none).
type Member struct {
	Role string
	Target
}

// Command is one well-formed command.
type Command struct {
	Verb     string
	Line     int // of the comment, from 1
	Raw      string
	Members  []Member // link
	Targets  []Target // unlink: one; replace: old and new; order, unorder: before and after; supersede: the successor
	Name     string   // link … as NAME
	Together bool     // order: before-or-with
	Because  string   // the reason; of hold its text
	Code     string   // override
	Until    string   // override; "" where nothing was said
	Cancel   bool     // override cancel
}

// UntilOr is Until, or what is meant when nothing was said.
func (c Command) UntilOr(otherwise string) string {
	if c.Until == "" {
		return otherwise
	}
	return c.Until
}

// Mistake is a line that was addressed to relbot and not understood.
type Mistake struct {
	Line, Column int    // of the offending word, from 1
	Raw          string // the line
	Message      string
	Accepted     string // the accepted form, with "/relbot "
	Suggestion   string // a line that would be understood; "" when there is no good guess
}

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
		if named += len(c.Members) + len(c.Targets); m == nil && named > maxNamed {
			m = p.fail(1, "", "a comment names at most %d pull requests", maxNamed)
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
	verb  Verb
}

func (p *parser) end() int { return len(p.raw) + 1 }

// fail builds a mistake at a column.
func (p *parser) fail(column int, suggestion, format string, args ...any) *Mistake {
	accepted := "/relbot " + p.verb.Usage
	if p.verb.Name == "" {
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
	if p.verb, ok = VerbOf(name); !ok {
		var names []string
		for _, v := range Verbs {
			names = append(names, v.Name)
		}
		suggestion := ""
		if near := nearest.Word(name, names); near != "" {
			suggestion = strings.TrimSpace("/relbot " + near + " " + p.rest())
		}
		return Command{}, p.fail(w.column, suggestion, "unknown command %q", w.text)
	}
	c := Command{Verb: name, Line: p.line, Raw: p.raw}
	var m *Mistake
	switch name {
	case "help", "status", "recheck", "resume", "reopen":
		m = p.nothing()
	case "link":
		m = p.link(&c)
	case "unlink":
		if m = p.targets(&c, 1); m == nil {
			m = p.because(&c, true)
		}
	case "replace":
		if m = p.targets(&c, 1); m == nil {
			if m = p.keyword("with"); m == nil {
				if m = p.targets(&c, 1); m == nil {
					m = p.nothing()
				}
			}
		}
	case "order":
		m = p.order(&c)
	case "unorder":
		if m = p.targets(&c, 2); m == nil {
			m = p.nothing()
		}
	case "hold":
		c.Because = p.rest()
		if rest, ok := cutPrefixFold(c.Because, "because "); ok {
			c.Because = rest
		}
	case "override":
		m = p.override(&c)
	case "supersede":
		if m = p.keyword("by"); m == nil {
			if m = p.targets(&c, 1); m == nil {
				if c.Targets[0].Pull == "" {
					m = p.fail(p.end(), "", "%q is no pull request", c.Targets[0].Text)
				} else {
					m = p.nothing()
				}
			}
		}
	case "abandon":
		m = p.because(&c, true)
	}
	return c, m
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

func (p *parser) targets(c *Command, n int) *Mistake {
	for range n {
		t, m := p.target()
		if m != nil {
			return m
		}
		c.Targets = append(c.Targets, t)
	}
	return nil
}

// because reads the reason up to the end of the line.
func (p *parser) because(c *Command, required bool) *Mistake {
	w, ok := p.next()
	switch {
	case !ok && !required:
		return nil
	case !ok:
		return p.fail(w.column, p.raw+" because …", "the reason is missing")
	case !strings.EqualFold(strings.TrimSuffix(w.text, ":"), "because"):
		return p.fail(w.column, p.raw[:w.column-1]+"because "+p.raw[w.column-1:], "want \"because TEXT\", found %q", w.text)
	}
	if c.Because = p.rest(); c.Because == "" {
		return p.fail(p.end(), p.raw+" …", "the reason is missing")
	}
	return nil
}

func (p *parser) link(c *Command) *Mistake {
	for len(p.words) > 0 {
		w, _ := p.next()
		text := strings.TrimRight(w.text, ",")
		if strings.EqualFold(text, "as") {
			name, ok := p.next()
			if !ok || !nameText.MatchString(name.text) {
				return p.fail(name.column, "", "%q is no name: want letters, digits, dots and dashes", name.text)
			}
			c.Name = name.text
			continue
		}
		if strings.EqualFold(text, "and") || strings.EqualFold(text, "with") {
			continue
		}
		m := Member{}
		role, pull, given := strings.Cut(text, "=")
		if !given {
			role, pull = "", text
		}
		switch {
		case given && !roleText.MatchString(role):
			return p.fail(w.column, "", "%q is no role: want letters, digits, dots and dashes", role)
		case !pullText.MatchString(pull):
			suggestion := ""
			if isNumber(pull) {
				at := w.column - 1 + len(text) - len(pull)
				suggestion = p.raw[:at] + "#" + p.raw[at:]
			}
			return p.fail(w.column+len(text)-len(pull), suggestion, "%q is no pull request: want #12, owner/repo#12 or a URL", pull)
		}
		m.Role, m.Target = role, Target{Text: text, Pull: pull}
		c.Members = append(c.Members, m)
	}
	if len(c.Members) == 0 {
		return p.fail(p.end(), "", "no pull request is named")
	}
	return nil
}

func (p *parser) order(c *Command) *Mistake {
	if m := p.targets(c, 1); m != nil {
		return m
	}
	w, ok := p.next()
	switch word := strings.ToLower(w.text); {
	case !ok:
		return p.fail(w.column, "", "\"before\" or \"before-or-with\" is missing")
	case word == "before":
	case word == "before-or-with":
		c.Together = true
	default:
		suggestion := ""
		if near := nearest.Word(word, []string{"before", "before-or-with"}); near != "" {
			suggestion = p.raw[:w.column-1] + near + p.raw[w.column-1+len(w.text):]
		}
		return p.fail(w.column, suggestion, "want \"before\" or \"before-or-with\", found %q", w.text)
	}
	if m := p.targets(c, 1); m != nil {
		return m
	}
	return p.because(c, false)
}

var untilText = regexp.MustCompile(`(?i)^(.*\S)\s+until\s+(\S+)$`)

func (p *parser) override(c *Command) *Mistake {
	w, ok := p.next()
	switch {
	case !ok:
		return p.fail(w.column, "", "the reason code is missing")
	case strings.EqualFold(w.text, "cancel"):
		c.Cancel = true
		return p.nothing()
	}
	c.Code = strings.ToLower(w.text)
	if len(p.codes) > 0 && !slices.Contains(p.codes, c.Code) {
		suggestion := ""
		if near := nearest.Word(c.Code, p.codes); near != "" {
			suggestion = p.raw[:w.column-1] + near + p.raw[w.column-1+len(w.text):]
		}
		return p.fail(w.column, suggestion, "%q is no reason code that an override lifts; those are %s", w.text, strings.Join(p.codes, ", "))
	}
	if m := p.because(c, true); m != nil {
		return m
	}
	if m := untilText.FindStringSubmatch(c.Because); m != nil {
		c.Because, c.Until = m[1], m[2]
		if low := strings.ToLower(c.Until); low == "push" || low == "merge" {
			c.Until = low
		} else if !strings.ContainsAny(c.Until, "0123456789") { // "until tomorrow" is part of the reason's prose, and no end that relbot knows
			return p.fail(p.end()-len(c.Until), "", "%q is no end: want push, merge or a release such as 26.29", c.Until)
		}
	}
	return nil
}
