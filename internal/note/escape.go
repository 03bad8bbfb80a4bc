package note

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText bounds a text by people, in runes: titles and reasons are shown, not stored.
const maxText = 240

// gap is put into what GitHub would turn into a mention or a reference. GitHub looks for these in the rendered text,
// where a backslash is gone already, so that only another character between helps.
const gap = "\u200b"

var (
	mention   = regexp.MustCompile(`@`)
	reference = regexp.MustCompile(`#(\d)`)
	shortRef  = regexp.MustCompile(`(?i)\b(gh)-(\d)`)
	scheme    = regexp.MustCompile(`://|(?i:\b(www)\.)`)
	markup    = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "~", `\~`, "[", `\[`, "]", `\]`, "|", `\|`,
		"&", "&amp;", "<", "&lt;", ">", "&gt;")
)

// Escape makes a text by people safe in Markdown: in a paragraph, a heading or a table cell. It becomes one line of bounded length; no
// mention, reference, link, HTML, marker or table break comes through. Ordinary text and constant names stay as they read.
func Escape(s string) string {
	return underscores(markup.Replace(disarm(oneLine(s, maxText))))
}

// oneLine drops control characters and those that turn the reading direction, joins lines and bounds the length.
func oneLine(s string, limit int) string {
	var b strings.Builder
	n, space := 0, false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r), r == '\u2028', r == '\u2029':
			space = b.Len() > 0
			continue
		case r == utf8.RuneError, unicode.IsControl(r), unicode.Is(unicode.Cf, r) && r != '\u200d':
			continue
		}
		if space {
			b.WriteByte(' ')
			space = false
			n++
		}
		if n >= limit-1 {
			return strings.TrimRight(b.String(), " ") + "…"
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}

// disarm breaks up mentions, references and addresses.
func disarm(s string) string {
	s = mention.ReplaceAllString(s, "@"+gap)
	s = reference.ReplaceAllString(s, "#"+gap+"$1")
	s = shortRef.ReplaceAllString(s, "$1"+gap+"-$2")
	return scheme.ReplaceAllStringFunc(s, func(m string) string {
		if m == "://" {
			return ":" + gap + "//"
		}
		return m[:len(m)-1] + gap + "."
	})
}

// underscores escapes those that could begin or end emphasis; inside a word they never do, and V26_28_0 stays V26_28_0.
func underscores(s string) string {
	if !strings.Contains(s, "_") {
		return s
	}
	rs := []rune(s)
	word := func(i int) bool { return i >= 0 && i < len(rs) && (unicode.IsLetter(rs[i]) || unicode.IsDigit(rs[i])) }
	var b strings.Builder
	for i, r := range rs {
		if r == '_' && !(word(i-1) && word(i+1)) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

var codeMarkup = strings.NewReplacer("`", "'", "|", `\|`, "<!--", "<"+gap+"!--")

// code is a code span that holds in a table too.
func code(s string) string {
	s = codeMarkup.Replace(oneLine(s, maxText))
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

// block is a fenced block of lines as people wrote them. Each is indented, so that none begins as a command does.
func block(lines ...string) string {
	fence := "```"
	for _, l := range lines {
		for strings.Contains(l, fence) {
			fence += "`"
		}
	}
	var b strings.Builder
	b.WriteString(fence + "text\n")
	for _, l := range lines {
		b.WriteString("  " + strings.ReplaceAll(l, "<!--", "<"+gap+"!--") + "\n")
	}
	b.WriteString(fence + "\n")
	return b.String()
}

var graphMarkup = strings.NewReplacer("#", "#35;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "&", "#amp;", "`", "'", `\`, "/")

// label is a quoted label of a Mermaid graph. Entities there begin with "#".
func label(s string) string {
	return `"` + graphMarkup.Replace(mention.ReplaceAllString(oneLine(s, 100), "@"+gap)) + `"`
}

// clip bounds plain text, in runes.
func clip(s string, limit int) string {
	rs := []rune(s)
	if len(rs) <= limit {
		return s
	}
	return strings.TrimRight(string(rs[:limit-1]), " ,;:") + "…"
}

// fold keeps a Markdown text below limit bytes: it is cut at a line, what is open there is closed, and tail follows.
func fold(text string, limit int, tail string) string {
	if len(text) <= limit {
		return text
	}
	const closing = 400 // room for what has to be closed
	cut := text[:max(limit-len(tail)-closing, 0)]
	cut = cut[:strings.LastIndexByte(cut, '\n')+1]
	if fences := strings.Count("\n"+cut, "\n```"); fences%2 == 1 {
		cut += "```\n"
	}
	for range strings.Count(cut, "<details>") - strings.Count(cut, "</details>") {
		cut += "\n</details>\n"
	}
	return cut + "\n" + tail
}
