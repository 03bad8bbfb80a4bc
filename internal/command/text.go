package command

import (
	"fmt"
	"regexp"
	"strings"
)

// visibleLine is a line that a reader sees as plain text.
type visibleLine struct {
	number int
	text   string
}

var (
	fence      = regexp.MustCompile("^ {0,3}(```+|~~~+)")
	htmlOpen   = regexp.MustCompile(`(?i)<(pre|code|script|style|textarea)\b[^>]*>`)
	inlineCode = regexp.MustCompile("`+")
)

// visible lists the lines of a Markdown text that are neither quoted, nor code, nor inside an HTML comment or a code element. It
// errs on the side of leaving lines out.
func visible(body string) []visibleLine {
	body = strings.ReplaceAll(strings.ReplaceAll(body, "\r\n", "\n"), "\r", "\n")
	body = blankComments(body)
	var out []visibleLine
	closing := ""   // the fence that ends a code block
	element := ""   // the tag that ends an HTML code element
	span := ""      // the backticks that end a code span begun on an earlier line
	quoted := false // a quote goes on lazily until a blank line
	before := ""
	n := 0
	for line := range strings.SplitSeq(body, "\n") {
		n++
		text := line
		blank := strings.TrimSpace(text) == ""
		switch {
		case closing != "":
			if m := fence.FindStringSubmatch(text); m != nil && m[1][0] == closing[0] && len(m[1]) >= len(closing) && strings.Trim(strings.TrimSpace(text), closing[:1]) == "" {
				closing = ""
			}
		case element != "":
			if strings.Contains(strings.ToLower(text), "</"+element) {
				element = ""
			}
		case blank:
			quoted, span = false, "" // a code span does not cross a paragraph
		case fence.MatchString(text):
			closing = fence.FindStringSubmatch(text)[1]
		case strings.HasPrefix(strings.TrimLeft(text, " "), ">"):
			quoted = true
		case quoted:
		case (strings.HasPrefix(text, "    ") || strings.HasPrefix(text, "\t")) && strings.TrimSpace(before) == "":
		default:
			inSpan := span != ""
			for _, ticks := range inlineCode.FindAllString(text, -1) {
				switch span {
				case "":
					span = ticks
				case ticks:
					span = ""
				}
			}
			if m := htmlOpen.FindStringSubmatch(text); m != nil {
				if tag := strings.ToLower(m[1]); !strings.Contains(strings.ToLower(text), "</"+tag) {
					element = tag
				}
			}
			if !inSpan {
				out = append(out, visibleLine{n, text})
			}
		}
		before = line
	}
	return out
}

// blankComments takes HTML comments out and keeps the line breaks. A comment that is never closed reaches to the end.
func blankComments(s string) string {
	var b strings.Builder
	for {
		start := strings.Index(s, "<!--")
		if start < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:start])
		end := strings.Index(s[start:], "-->")
		comment := s[start:]
		if end >= 0 {
			comment, s = s[start:start+end+3], s[start+end+3:]
		} else {
			s = ""
		}
		// What follows on the comment's last line is not at the line's start for a reader of the source.
		b.WriteString("\x00" + strings.Repeat("\n", strings.Count(comment, "\n")) + "\x00")
	}
}

// BodyLine is a line of a pull request's description that proposes a coupling.
type BodyLine struct {
	Key     string // Ships-With, Merge-After or Depends-On
	Line    int
	Raw     string
	Targets []Target
}

// String is the line in the form that relbot reads.
func (l BodyLine) String() string {
	var names []string
	for _, t := range l.Targets {
		names = append(names, t.Pull)
	}
	return l.Key + ": " + strings.Join(names, ", ")
}

// NearMiss is a line that looks as if it were meant for relbot.
type NearMiss struct {
	Line       int
	Raw        string
	Message    string
	Suggestion string
}

// Keys of body lines.
const (
	ShipsWith  = "Ships-With"
	MergeAfter = "Merge-After"
	DependsOn  = "Depends-On"
)

var (
	bodyKey = regexp.MustCompile(`(?i)^(ships-with|merge-after|depends-on)[ \t]*:[ \t]*(.*?)[ \t]*$`)
	almost  = regexp.MustCompile(`(?i)^[-*]?[ \t]*(ships?[-_ ]+with|merges?[-_ ]+after|depends?[-_ ]+on)\b[ \t]*:?[ \t]*(.*(?:#\d+|/pull/\d+).*)$`)
	anyPull = regexp.MustCompile(`(?:[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+)?#[1-9][0-9]{0,8}\b|https?://[^\s,]+/pull/[1-9][0-9]{0,8}`)
)

var bodyKeys = map[string]string{"ships-with": ShipsWith, "merge-after": MergeAfter, "depends-on": DependsOn}

// maxNamed bounds how many pull requests a description or a comment names: anybody may write one, and each costs a look.
const maxNamed = 100

// Body reads the lines of a pull request's description.
func Body(body string) ([]BodyLine, []NearMiss) {
	var lines []BodyLine
	var misses []NearMiss
	named := 0
	for _, l := range visible(body) {
		text := strings.TrimRight(l.text, " \t")
		if m := bodyKey.FindStringSubmatch(text); m != nil {
			key := bodyKeys[strings.ToLower(m[1])]
			line := BodyLine{Key: key, Line: l.number, Raw: text}
			bad := ""
			for _, word := range strings.FieldsFunc(m[2], func(r rune) bool { return r == ' ' || r == ',' || r == '\t' }) {
				if pullText.MatchString(word) {
					line.Targets = append(line.Targets, Target{Text: word, Pull: word})
				} else if bad == "" && !strings.EqualFold(word, "and") {
					bad = word
				}
			}
			switch {
			case bad != "" && isNumber(bad):
				misses = append(misses, NearMiss{l.number, text, "\"" + bad + "\" is no pull request", key + ": #" + bad})
			case bad != "" || len(line.Targets) == 0:
				misses = append(misses, NearMiss{l.number, text, "it names no pull request", key + ": #12"})
			}
			if named += len(line.Targets); named > maxNamed {
				return lines, append(misses, NearMiss{l.number, text, fmt.Sprintf("a description names at most %d pull requests", maxNamed), ""})
			}
			if len(line.Targets) > 0 {
				lines = append(lines, line)
			}
			continue
		}
		if m := almost.FindStringSubmatch(text); m != nil {
			word := strings.ToLower(strings.NewReplacer("_", "-", " ", "-").Replace(m[1]))
			key := ShipsWith
			switch {
			case strings.HasPrefix(word, "merge"):
				key = MergeAfter
			case strings.HasPrefix(word, "depend"):
				key = DependsOn
			}
			misses = append(misses, NearMiss{l.number, text, "it is not in the form that relbot reads", key + ": " + strings.Join(anyPull.FindAllString(m[2], -1), ", ")})
		}
	}
	return lines, misses
}
