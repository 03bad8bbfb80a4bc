package command

import (
	"bytes"
	"cmp"
	"regexp"
	"slices"
	"sort"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

// markdown reads texts as GitHub does.
var markdown = goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser()

// textLine is a line that a reader sees as text of the author's own: no quote, no code, no HTML.
type textLine struct {
	number int    // of the source, from 1
	text   string // without what makes it a list item, a heading or the cell of a table
	plain  string // the same, with code and HTML within the line blanked out
	cell   bool   // it is a cell of a table
	folded bool   // it is in a <details>
}

// invisible are characters that nobody sees: those without width, and the byte order mark.
var invisible = strings.NewReplacer("\u200b", "", "\u200c", "", "\u200d", "", "\u2060", "", "\ufeff", "", "\u00ad", "", "\r\n", "\n", "\r", "\n")

// visible lists the lines of a Markdown text that its author wrote as text. mail says to end where a quoted mail begins.
func visible(body string, mail bool) []textLine {
	src := []byte(invisible.Replace(body))
	var out []textLine
	folds := 0                                  // how many <details> are open
	own, code := map[int]bool{}, map[int]bool{} // the numbers of lines of text, and of code
	starts := []int{0}
	for i, b := range src {
		if b == '\n' {
			starts = append(starts, i+1)
		}
	}
	number := func(at int) int { return sort.SearchInts(starts, at+1) }
	_ = ast.Walk(markdown.Parse(text.NewReader(src)), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n.Kind() {
		case ast.KindHTMLBlock:
			if entering {
				folds = max(folds+foldsIn(n.(*ast.HTMLBlock), src), 0)
			}
			return ast.WalkSkipChildren, nil
		case ast.KindBlockquote:
			return ast.WalkSkipChildren, nil
		case ast.KindCodeBlock, ast.KindFencedCodeBlock:
			for i := range n.Lines().Len() {
				code[number(n.Lines().At(i).Start)] = true
			}
			return ast.WalkSkipChildren, nil
		}
		if !entering || n.Type() != ast.TypeBlock || n.Lines() == nil {
			return ast.WalkContinue, nil
		}
		hidden := hiddenIn(n, src)
		for i := range n.Lines().Len() {
			seg := n.Lines().At(i)
			l := textLine{number: number(seg.Start), cell: n.Kind().String() == "TableCell", folded: folds > 0}
			own[l.number] = true
			for len(hidden) > 0 && hidden[0].to <= seg.Start {
				hidden = hidden[1:]
			}
			if len(hidden) > 0 && hidden[0].from <= seg.Start || n.Parent().Kind() == ast.KindDocument && indented(src, seg.Start) {
				continue
			}
			l.text = strings.TrimRightFunc(string(src[seg.Start:seg.Stop]), unicode.IsSpace)
			plain := []byte(l.text)
			for _, s := range hidden {
				if s.from >= seg.Start+len(plain) {
					break
				}
				for k := max(s.from-seg.Start, 0); k < min(s.to-seg.Start, len(plain)); k++ {
					plain[k] = '`'
				}
			}
			l.plain = string(plain)
			out = append(out, l)
		}
		return ast.WalkContinue, nil
	})
	if mail {
		end := mailTail(strings.Split(string(src), "\n"), own, code)
		for i, l := range out {
			if l.number >= end {
				return out[:i]
			}
		}
	}
	return out
}

// foldsIn counts how many <details> a block of HTML opens more than it closes.
func foldsIn(n *ast.HTMLBlock, src []byte) int {
	html := n.Lines().Value(src)
	if n.HasClosure() {
		html = append(html, n.ClosureLine.Value(src)...)
	}
	html = bytes.ToLower(html)
	return bytes.Count(html, []byte("<details")) - bytes.Count(html, []byte("</details"))
}

// indented reports whether a line that goes on with a paragraph is set off as code is.
func indented(src []byte, at int) bool {
	before := src[bytes.LastIndexByte(src[:at], '\n')+1 : at]
	return len(bytes.TrimSpace(before)) == 0 && (len(before) > 3 || bytes.ContainsRune(before, '\t'))
}

// span is a part of a text, by offsets.
type span struct{ from, to int }

var codeTag = regexp.MustCompile(`(?i)^<(/?)(pre|code|kbd|samp|script|style|textarea)\b`)

// hiddenIn finds code spans, HTML and what lies within elements of code in the text of a block.
func hiddenIn(block ast.Node, src []byte) []span {
	var out []span
	open := -1 // where an element of code began
	_ = ast.Walk(block, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering || n == block {
			return ast.WalkContinue, nil
		}
		if n.Type() == ast.TypeBlock {
			return ast.WalkSkipChildren, nil
		}
		switch n := n.(type) {
		case *ast.CodeSpan:
			for c := n.FirstChild(); c != nil; c = c.NextSibling() {
				if t, ok := c.(*ast.Text); ok {
					out = append(out, span{t.Segment.Start, t.Segment.Stop + 1})
				}
			}
		case *ast.RawHTML:
			s := span{n.Segments.At(0).Start, n.Segments.At(n.Segments.Len() - 1).Stop}
			out = append(out, s)
			if m := codeTag.FindSubmatch(src[s.from:s.to]); m != nil && len(m[1]) == 0 && open < 0 {
				open = s.to
			} else if m != nil && len(m[1]) > 0 && open >= 0 {
				out = append(out, span{open, s.from})
				open = -1
			}
		}
		return ast.WalkContinue, nil
	})
	if open >= 0 {
		out = append(out, span{open, len(src)})
	}
	slices.SortFunc(out, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	return out
}

var (
	// wroteLine introduces what is quoted below it in a mail, in the commonest languages; it may be broken over two lines.
	wroteLine = regexp.MustCompile(`(?i)^(?:on\b.*\d.*\bwrote:|am\b.*\d.*\bschrieb\b.*:|le\b.*\d.*\ba écrit\s*:|el\b.*\d.*\bescribió:|il\b.*\d.*\bha scritto:|-{2,} ?on\b.*\bwrote ?-{2,}|-{2,} ?(?:original message|forwarded message|ursprüngliche nachricht)\b.*-{2,}|-{2,} ?reply to this email directly.*)$`)
	fromLine  = regexp.MustCompile(`(?i)^\**(?:from|von|de):`)
	sentLine  = regexp.MustCompile(`(?i)^\**(?:sent|date|gesendet|datum|envoyé):`)
	ruleLine  = regexp.MustCompile(`^_{10,}$`)
	deviceTag = regexp.MustCompile(`(?i)^(?:sent from my|von meinem .* gesendet|get outlook for)\b`)
)

// mailTail returns the number of the first line that came back by mail below somebody's answer. own are the lines that are text,
// and code are those of code.
func mailTail(lines []string, own, code map[int]bool) int {
	for i := range lines {
		line := strings.TrimSpace(lines[i])
		next := ""
		if i+1 < len(lines) {
			next = strings.TrimSpace(lines[i+1])
		}
		switch number := i + 1; {
		case ruleLine.MatchString(line) && !code[number]:
			return number
		case !own[number]:
		case wroteLine.MatchString(line), deviceTag.MatchString(line), wroteLine.MatchString(line + " " + next), fromLine.MatchString(line) && sentLine.MatchString(next):
			return number
		}
	}
	return len(lines) + 1
}
