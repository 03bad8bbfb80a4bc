package ghsim

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aymanbagabas/go-udiff"
	"github.com/aymanbagabas/go-udiff/lcs"
)

// splitLines cuts a text into lines that keep their line ends, so that joining them gives the text again.
func splitLines(text string) []string {
	if text == "" {
		return nil
	}
	lines := strings.SplitAfter(text, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// mergeText joins the changes that ours and theirs made to base. It reports false when both changed the same lines
// or lines that touch, as git does, unless both made the same change.
func mergeText(base, ours, theirs string) (string, bool) {
	b, o, t := splitLines(base), splitLines(ours), splitLines(theirs)
	left, right := lcs.DiffLines(b, o), lcs.DiffLines(b, t)
	var out strings.Builder
	write := func(lines []string) {
		for _, l := range lines {
			out.WriteString(l)
		}
	}
	pos, shiftO, shiftT := 0, 0, 0 // shift: line in that text = line in base + shift
	for len(left) > 0 || len(right) > 0 {
		lo, hi := len(b)+1, 0
		if len(left) > 0 {
			lo, hi = left[0].Start, left[0].End
		}
		if len(right) > 0 && right[0].Start < lo {
			lo, hi = right[0].Start, right[0].End
		}
		nl, nr := 0, 0
		for grown := true; grown; {
			grown = false
			for nl < len(left) && left[nl].Start <= hi {
				hi = max(hi, left[nl].End)
				nl++
				grown = true
			}
			for nr < len(right) && right[nr].Start <= hi {
				hi = max(hi, right[nr].End)
				nr++
				grown = true
			}
		}
		write(b[pos:lo])
		pick := func(text []string, shift *int, hunks []lcs.Diff) []string {
			from := lo + *shift
			for _, h := range hunks {
				*shift += (h.ReplEnd - h.ReplStart) - (h.End - h.Start)
			}
			return text[from : hi+*shift]
		}
		mine, other := pick(o, &shiftO, left[:nl]), pick(t, &shiftT, right[:nr])
		switch {
		case nr == 0 || slices.Equal(mine, other):
			write(mine)
		case nl == 0:
			write(other)
		default:
			return "", false
		}
		left, right, pos = left[nl:], right[nr:], hi
	}
	write(b[pos:])
	return out.String(), true
}

// patch renders the difference of two texts as GitHub shows it in a file's `patch`: hunks with three lines of
// context and no file header. It also counts added and removed lines.
func patch(before, after string) (text string, added, removed int) {
	u, err := udiff.ToUnifiedDiff("", "", before, udiff.Lines(before, after), 3)
	if err != nil {
		panic(err) // the edits are those of this text
	}
	for _, h := range u.Hunks {
		for _, l := range h.Lines {
			switch l.Kind {
			case udiff.Insert:
				added++
			case udiff.Delete:
				removed++
			}
		}
	}
	_, hunks, _ := strings.Cut(u.String(), "\n+++ \n")
	return strings.TrimSuffix(hunks, "\n"), added, removed
}

// diff renders changes as git does, without blob ids.
func (o *objects) diff(all []fileChange) string {
	var out strings.Builder
	for _, f := range all {
		fmt.Fprintf(&out, "diff --git a/%s b/%s\n", f.path, f.path)
		before, after := o.blobs[f.before], o.blobs[f.after]
		if isBinary(before) || isBinary(after) {
			fmt.Fprintf(&out, "Binary files a/%s and b/%s differ\n", f.path, f.path)
			continue
		}
		from, to := "a/"+f.path, "b/"+f.path
		if f.before == "" {
			from = "/dev/null"
		}
		if f.after == "" {
			to = "/dev/null"
		}
		text, _, _ := patch(before, after)
		if text != "" {
			fmt.Fprintf(&out, "--- %s\n+++ %s\n%s\n", from, to, text)
		}
	}
	return out.String()
}

func isBinary(text string) bool { return strings.Contains(text, "\x00") || !utf8.ValidString(text) }
