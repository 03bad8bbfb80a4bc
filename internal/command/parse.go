package command

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/relbot/relbot/internal/nearest"
)

// maxCommands bounds how many commands one comment may hold, and maxNamed how many pull requests a description or a comment names: anybody may
// write one, and each costs a look.
const (
	maxCommands = 50
	maxNamed    = 100
)

// Language is what a reader of commands knows besides the table.
type Language struct {
	Slug  string   // the App's name: "@SLUG" addresses it too; "" for none
	Codes []string // the reason codes that an override lifts; none for any
}

// Parse reads the commands of a comment.
func (l Language) Parse(body string) ([]Command, []Mistake) {
	var commands []Command
	var mistakes []Mistake
	named := 0
	lines := visible(body, true)
	for i := 0; i < len(lines); i++ {
		p, addressed := l.parser(lines[i])
		if !addressed {
			if m := l.stray(lines[i]); m != nil && len(mistakes) < maxCommands {
				mistakes = append(mistakes, *m)
			}
			continue
		}
		if len(commands)+len(mistakes) >= maxCommands {
			mistakes = append(mistakes, Mistake{Line: p.line, Column: 1, Raw: p.raw, Message: fmt.Sprintf("a comment holds at most %d commands", maxCommands), Accepted: "/relbot help"})
			break
		}
		if i+1 < len(lines) && lines[i+1].number == p.line+1 {
			if _, another := l.parser(lines[i+1]); !another {
				p.below = lines[i+1].text
			}
		}
		c, m := p.parse()
		if m == nil {
			if named += len(c.Named()); named > maxNamed {
				m = p.fail(1, "", "a comment names at most %d pull requests", maxNamed)
			}
		}
		if m != nil {
			m.Suggestion = l.sound(m.Suggestion)
			mistakes = append(mistakes, *m)
		} else {
			commands = append(commands, c)
		}
		if p.took { // the reason was on the line below
			i++
		}
	}
	return commands, mistakes
}

// sound returns a suggestion that would be understood, or what would be suggested in its place; "" where there is nothing.
func (l Language) sound(suggestion string) string {
	for range 3 {
		if suggestion == "" {
			return ""
		}
		p, ok := l.parser(textLine{number: 1, text: suggestion})
		if !ok {
			return ""
		}
		_, m := p.parse()
		if m == nil {
			return suggestion
		}
		suggestion = m.Suggestion
	}
	return ""
}

var (
	emphasis = regexp.MustCompile(`^(?:\*{1,3}|_{1,3})`)
	// almost is a word that is nearly how relbot is addressed.
	almost = regexp.MustCompile(`(?i)^[/／⁄∕\\]\s?relbot(?:[-_./][a-z]|\s|$)`)
	inline = regexp.MustCompile(`(?i)(?:^|[\s(])/relbot\s+([a-z-]+)`)
)

// parser begins to read a line, if it addresses relbot.
func (l Language) parser(line textLine) (*parser, bool) {
	if line.cell {
		return nil, false
	}
	text := strings.TrimLeftFunc(line.text, unicode.IsSpace)
	if blanks := []rune(line.text[:len(line.text)-len(text)]); len(blanks) > 3 {
		return nil, false
	}
	if mark := emphasis.FindString(text); mark != "" {
		text = strings.Replace(text[len(mark):], mark, "", 1)
	}
	rest, ok := cutPrefixFold(text, "/relbot")
	if !ok && l.Slug != "" {
		rest, ok = cutPrefixFold(text, "@"+l.Slug)
	}
	if !ok || rest != "" && !strings.ContainsAny(rest[:1], ":,") && !unicode.IsSpace([]rune(rest)[0]) {
		return nil, false
	}
	p := &parser{language: l, line: line.number, raw: strings.TrimRightFunc(text, unicode.IsSpace)}
	p.words = fields(p.raw)[1:]
	return p, true
}

// stray answers a line that looks like a command and is none. Such lines are many and mean little, so that one answer will do.
func (l Language) stray(line textLine) *Mistake {
	text := strings.TrimLeftFunc(line.plain, unicode.IsSpace)
	m := Mistake{Line: line.number, Column: 1, Raw: line.text, Message: "a command begins with /relbot and a blank, at the start of a line", Accepted: "/relbot VERB …, see /relbot help", Stray: true}
	if almost.MatchString(text) {
		return &m
	}
	for _, at := range inline.FindAllStringSubmatchIndex(line.plain, -1) {
		if _, known := named(fields(line.plain[at[2]:at[3]])); known > 0 {
			m.Column = at[2]
			return &m
		}
	}
	return nil
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

// low returns the word in lower case and without the punctuation that ends it.
func (f field) low() string { return strings.ToLower(strings.TrimRight(f.text, punctuation)) }

func fields(s string) []field {
	var out []field
	begin := -1
	for i, r := range s {
		switch blank := unicode.IsSpace(r); {
		case blank && begin >= 0:
			out = append(out, field{s[begin:i], begin + 1})
			begin = -1
		case !blank && begin < 0:
			begin = i
		}
	}
	if begin >= 0 {
		out = append(out, field{s[begin:], begin + 1})
	}
	return out
}

// parser reads one line.
type parser struct {
	language Language
	line     int
	raw      string
	below    string // the next line, where that may be the reason
	took     bool   // it was
	words    []field
	colon    bool   // the last word ended in a colon, so that the rest is the reason
	named    string // the words that name the command
	usage    string // of the command, once it is known
}

func (p *parser) end() int { return len(p.raw) + 1 }

// at returns the column of the next word, or of the end.
func (p *parser) at() int {
	if len(p.words) == 0 {
		return p.end()
	}
	return p.words[0].column
}

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
	p.colon = strings.HasSuffix(w.text, ":")
	return w, true
}

// peek returns the next word in lower case and without punctuation; "" at the end.
func (p *parser) peek() string {
	if len(p.words) == 0 {
		return ""
	}
	return p.words[0].low()
}

// word takes the next word if it is one of some.
func (p *parser) word(any ...string) (string, bool) {
	w := p.peek()
	if w == "" || !slices.Contains(any, w) {
		return "", false
	}
	p.next()
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

// named finds the command that words begin with, by its name or one of its other names, and how many words that takes.
func named(words []field) (Spec, int) {
	var low []string
	for _, w := range words[:min(len(words), 3)] {
		low = append(low, w.low())
	}
	for n := len(low); n > 0; n-- {
		name := strings.Join(low[:n], " ")
		for _, s := range Table {
			if name == s.Name || slices.Contains(s.Names, name) {
				return s, n
			}
		}
	}
	return Spec{}, 0
}

func (p *parser) parse() (Command, *Mistake) {
	if len(p.words) == 0 {
		return Command{}, p.fail(p.end(), "/relbot help", "a command is missing")
	}
	spec, n := named(p.words)
	if n == 0 {
		return Command{}, p.unknown()
	}
	p.usage = spec.Usage
	if m := p.placeholder(spec); m != nil {
		return Command{}, m
	}
	for range n {
		w, _ := p.next()
		p.named += strings.ToLower(w.text) + " "
	}
	action, m := spec.read(p)
	if _, lifts := action.(Resume); lifts { // "hold cancel" is one too
		spec, _ = SpecOf("resume")
	}
	return Command{Spec: spec, Action: action, Line: p.line, Raw: p.raw}, m
}

// unknown answers a word that is no command with the whole line that was meant.
func (p *parser) unknown() *Mistake {
	w, _ := p.next()
	verb := w.low()
	if verb == "release" {
		return p.fail(w.column, "", "%q may mean to hold or to lift a hold: say /relbot hold or /relbot resume", w.text)
	}
	rest := p.rest()
	suggestion := ""
	var names []string
	for _, s := range Table {
		names = append(names, s.Name)
		if slices.Contains(s.Akin, verb) {
			suggestion = strings.TrimSpace("/relbot " + s.Name + " " + rest)
		}
	}
	if near := nearest.Word(verb, names); near != "" && suggestion == "" {
		suggestion = strings.TrimSpace("/relbot " + near + " " + rest)
	}
	return p.fail(w.column, suggestion, "unknown command %q", w.text)
}

// holder is a placeholder of the help, which means nothing in a command.
var holder = regexp.MustCompile(`^[\[(]*(?:TEXT|CODE|NAME|#[A-N]|owner/repo#C|role=#N)[\])` + punctuation + `]*$`)

// placeholder refuses lines of relbot's own help: they come back by mail and by copy, and nobody means them.
func (p *parser) placeholder(spec Spec) *Mistake {
	for _, w := range p.words {
		if holder.MatchString(w.text) {
			return p.fail(w.column, "", "%q is a placeholder of the help: write what it is for you", w.text)
		}
	}
	text := strings.Join(strings.Fields(p.raw), " ")
	if strings.HasSuffix(text, spec.Usage+" "+spec.Summary) {
		return p.fail(1, "", "this is a line of the help")
	}
	return nil
}

// bare reads a command that is a word alone. What people add to it changes nothing.
func bare(a Action) func(*parser) (Action, *Mistake) {
	return func(*parser) (Action, *Mistake) { return a, nil }
}

// nothing wants the line to end.
func (p *parser) nothing() *Mistake {
	if w, more := p.next(); more {
		return p.fail(w.column, strings.TrimSpace(p.raw[:w.column-1]), "%q is one word too many", w.text)
	}
	return nil
}

// split takes a list that was written as one word apart, "#12,#13" or "#12->#13".
func (p *parser) split() {
	if len(p.words) == 0 {
		return
	}
	w := p.words[0]
	signs := separators
	if strings.Contains(w.text, "://") {
		signs = commas // the others may be part of an address
	}
	places := signs.FindAllStringIndex(w.text, -1)
	if len(places) == 0 || joiner(w.text) || slices.Contains(relations, w.text) {
		return
	}
	var parts []field
	add := func(from, to int) {
		if from < to {
			parts = append(parts, field{w.text[from:to], w.column + from})
		}
	}
	from := 0
	for _, at := range places {
		add(from, at[0])
		add(at[0], at[1])
		from = at[1]
	}
	add(from, len(w.text))
	p.words = append(parts, p.words[1:]...)
}

// target reads a member: a pull request or a role.
func (p *parser) target() (Target, *Mistake) {
	p.split()
	w, ok := p.next()
	text := strings.TrimRight(w.text, punctuation)
	if !ok {
		return Target{}, p.fail(w.column, "", "a member is missing: #12, owner/repo#12 or a role")
	}
	if t, ok := reference(w.text, true); ok {
		return t, nil
	}
	if roleText.MatchString(text) {
		return Target{Text: text, Role: text}, nil
	}
	return Target{}, p.fail(w.column, "", "%q is no member: want #12, owner/repo#12 or a role", w.text)
}

// targets reads a list of members.
func (p *parser) targets() ([]Target, *Mistake) {
	var out []Target
	for {
		t, m := p.target()
		if m != nil {
			return nil, m
		}
		out = append(out, t)
		if p.colon || !p.listed() {
			return out, nil
		}
	}
}

// listed takes the word that joins the next member of a list, and reports whether there is one.
func (p *parser) listed() bool {
	joined := false
	for len(p.words) > 0 && joiner(p.words[0].text) {
		p.next()
		joined = true
	}
	if len(p.words) == 0 || slices.Contains(relations, p.peek()) || slices.Contains(reasons, p.peek()) {
		return false
	}
	p.split()
	_, more := reference(p.words[0].text, false)
	return joined || more
}

// reasons are the words that begin a reason.
var reasons = []string{"because", "since"}

// reason reads the reason up to the end of the line; "" where there is none.
func (p *parser) reason() (string, bool) {
	for len(p.words) > 0 && p.words[0].text == "," {
		p.next()
	}
	if p.colon && len(p.words) > 0 {
		if _, again := p.word(reasons...); !again || len(p.words) > 0 {
			return p.rest(), true
		}
	}
	if len(p.words) == 0 {
		return "", true
	}
	w := p.words[0].text
	_, is := p.word(reasons...)
	switch {
	case is && len(p.words) > 0:
		return p.rest(), true
	case is:
		p.took = p.below != ""
		return p.below, true
	case strings.Trim(w, ":-–—") == "":
		p.next()
		return p.rest(), true
	case w[0] == ':':
		return strings.TrimSpace(p.rest()[1:]), true
	}
	return "", false
}

// because wants a reason.
func (p *parser) because() (string, *Mistake) {
	at := p.at()
	text, ok := p.reason()
	switch {
	case !ok:
		return "", p.fail(at, p.raw[:at-1]+"because "+p.raw[at-1:], "want \"because TEXT\", found %q", p.words[0].text)
	case text == "" && at == p.end():
		return "", p.fail(at, strings.TrimRight(p.raw, ":")+" because …", "the reason is missing")
	case text == "":
		return "", p.fail(p.end(), p.raw+" …", "the reason is missing")
	}
	return text, nil
}

// optional reads a reason that need not be given.
func (p *parser) optional() (string, *Mistake) {
	if text, ok := p.reason(); ok {
		return text, nil
	}
	w := p.words[0]
	return "", p.fail(w.column, p.raw[:w.column-1]+"because "+p.raw[w.column-1:], "want \"because TEXT\", found %q", w.text)
}
