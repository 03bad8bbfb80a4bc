package command

import (
	"fmt"
	"regexp"
	"strings"
)

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

// keyForms are the words of the keys, as people write them. Those of which only means the words alone are prose, unless nothing but pull
// requests follows.
var keyForms = []struct {
	key   string
	form  *regexp.Regexp
	prose bool
}{
	{ShipsWith, keyForm(`ships?`, `with`), false},
	{MergeAfter, keyForm(`merges?`, `after`), false},
	{DependsOn, keyForm(`depends?`, `on`), true},
	{DependsOn, keyForm(`blocked`, `by`), true},
	{DependsOn, regexp.MustCompile(`(?i)^requires()(?:$|[\s:*_])`), true},
}

// keyForm matches two words with a hyphen or blanks between them.
func keyForm(first, second string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)^` + first + `(?:[-_\x{2010}\x{2011}]|\s+)` + second + `()(?:$|[\s:*_#])`)
}

var (
	taskMark = regexp.MustCompile(`^\[[ xX]\]\s+`)
	linked   = regexp.MustCompile(`\[([^\]]*)\]\(([^)\s]+)[^)]*\)`)
	keyEnd   = regexp.MustCompile(`^[*_]*\s*(:?)[*_]*\s*`)
)

// keyOf splits a line into its key and what follows.
func keyOf(text string) (key, rest string, colon, prose, ok bool) {
	text = taskMark.ReplaceAllString(strings.TrimSpace(text), "")
	text = strings.TrimLeft(text, "*_ ")
	for _, k := range keyForms {
		if m := k.form.FindStringSubmatchIndex(text); m != nil {
			end := keyEnd.FindStringSubmatch(text[m[2]:])
			return k.key, text[m[2]+len(end[0]):], end[1] != "", k.prose, true
		}
	}
	return "", "", false, false, false
}

// list reads the pull requests of a text, and the first word that is none.
func list(text string, bare bool) (targets []Target, bad string) {
	p := parser{words: fields(linked.ReplaceAllStringFunc(text, func(link string) string {
		m := linked.FindStringSubmatch(link)
		if t, ok := reference(m[1], false); ok {
			return t.Pull
		}
		return m[2]
	}))}
	for len(p.words) > 0 {
		p.split()
		w, _ := p.next()
		word := strings.Trim(w.text, "*_"+punctuation)
		if t, ok := reference(w.text, bare); ok && t.Pull != this {
			targets = append(targets, t)
		} else if bad == "" && word != "" && !joiner(w.text) && !strings.EqualFold(word, "and") {
			bad = word
		}
	}
	return targets, bad
}

// begins reports whether a text begins with a pull request; an empty one does.
func begins(text string) bool {
	words := strings.Fields(linked.ReplaceAllString(text, "$2"))
	if len(words) == 0 {
		return true
	}
	first, _ := list(words[0], false)
	return len(first) > 0
}

// Body reads the lines of a pull request's description.
func Body(body string) ([]BodyLine, []NearMiss) {
	var lines []BodyLine
	var misses []NearMiss
	count := 0
	seen := visible(body, false)
	for i := 0; i < len(seen); i++ {
		l := seen[i]
		key, rest, colon, prose, ok := keyOf(l.text)
		if !ok || l.folded {
			continue
		}
		raw := l.text
		targets, bad := list(rest, colon)
		if rest == "" { // what is meant may be in the next cells, or in the list below
			colon = colon || l.cell
			for i+1 < len(seen) && (l.cell && seen[i+1].number == l.number || !l.cell && seen[i+1].number <= seen[i].number+2) {
				more, other := list(taskMark.ReplaceAllString(seen[i+1].text, ""), l.cell)
				if other != "" || len(more) == 0 {
					break
				}
				targets = append(targets, more...)
				i++
				raw += " " + seen[i].text
			}
			if len(targets) == 0 && !colon {
				continue
			}
		}
		line := BodyLine{Key: key, Line: l.number, Raw: raw, Targets: targets}
		switch {
		case !colon && (len(targets) == 0 || prose && bad != "" || !begins(rest)):
			if len(targets) > 0 {
				misses = append(misses, NearMiss{l.number, raw, "it is not in the form that relbot reads", line.String()})
			}
			continue
		case len(targets) == 0:
			misses = append(misses, NearMiss{l.number, raw, "it names no pull request", key + ": #12"})
			continue
		case colon && bad != "":
			misses = append(misses, NearMiss{l.number, raw, "\"" + bad + "\" is no pull request", line.String()})
		}
		if count += len(targets); count > maxNamed {
			return lines, append(misses, NearMiss{l.number, raw, fmt.Sprintf("a description names at most %d pull requests", maxNamed), ""})
		}
		lines = append(lines, line)
	}
	return lines, misses
}
