package ghsim

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// hunk is a stretch in which two texts differ: lines a0 to a1 of the first became lines b0 to b1 of the second.
type hunk struct{ a0, a1, b0, b1 int }

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

// diffLines lists the differences of two texts in order, by Myers' greedy algorithm.
func diffLines(a, b []string) []hunk {
	start := 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		start++
	}
	enda, endb := len(a), len(b)
	for enda > start && endb > start && a[enda-1] == b[endb-1] {
		enda--
		endb--
	}
	n, m := enda-start, endb-start
	if n == 0 && m == 0 {
		return nil
	}
	// reach[d+k] is the furthest x on diagonal k after d edits; one row is kept for each d to walk back on.
	var rows [][]int
	reach := make([]int, 2*(n+m)+3)
	at := n + m + 1
search:
	for d := 0; ; d++ {
		rows = append(rows, slices.Clone(reach[at-d-1:at+d+2]))
		for k := -d; k <= d; k += 2 {
			x := reach[at+k-1] + 1
			if k == -d || k != d && reach[at+k-1] < reach[at+k+1] {
				x = reach[at+k+1]
			}
			y := x - k
			for x < n && y < m && a[start+x] == b[start+y] {
				x++
				y++
			}
			reach[at+k] = x
			if x >= n && y >= m {
				break search
			}
		}
	}
	var out []hunk
	x, y := n, m
	for d := len(rows) - 1; d > 0; d-- {
		row := rows[d]
		get := func(k int) int { return row[k+d+1] }
		k := x - y
		prev := k - 1
		if k == -d || k != d && get(k-1) < get(k+1) {
			prev = k + 1
		}
		px := get(prev)
		py := px - prev
		h := hunk{start + px, start + px, start + py, start + py}
		if prev == k-1 {
			h.a1++
		} else {
			h.b1++
		}
		if last := len(out) - 1; last >= 0 && out[last].a0 == h.a1 && out[last].b0 == h.b1 {
			out[last].a0, out[last].b0 = h.a0, h.b0
		} else {
			out = append(out, h)
		}
		x, y = px, py
	}
	slices.Reverse(out)
	return out
}

// mergeText joins the changes that ours and theirs made to base. It reports false when both changed the same lines
// or lines that touch, as git does, unless both made the same change.
func mergeText(base, ours, theirs string) (string, bool) {
	b, o, t := splitLines(base), splitLines(ours), splitLines(theirs)
	left, right := diffLines(b, o), diffLines(b, t)
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
			lo, hi = left[0].a0, left[0].a1
		}
		if len(right) > 0 && right[0].a0 < lo {
			lo, hi = right[0].a0, right[0].a1
		}
		nl, nr := 0, 0
		for grown := true; grown; {
			grown = false
			for nl < len(left) && left[nl].a0 <= hi {
				hi = max(hi, left[nl].a1)
				nl++
				grown = true
			}
			for nr < len(right) && right[nr].a0 <= hi {
				hi = max(hi, right[nr].a1)
				nr++
				grown = true
			}
		}
		write(b[pos:lo])
		pick := func(text []string, shift *int, hunks []hunk) []string {
			from := lo + *shift
			for _, h := range hunks {
				*shift += (h.b1 - h.b0) - (h.a1 - h.a0)
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
	const context = 3
	a, b := splitLines(before), splitLines(after)
	hunks := diffLines(a, b)
	var out strings.Builder
	line := func(mark, l string) {
		out.WriteString(mark + l)
		if !strings.HasSuffix(l, "\n") {
			out.WriteString("\n\\ No newline at end of file\n")
		}
	}
	for i := 0; i < len(hunks); {
		j := i + 1
		for j < len(hunks) && hunks[j].a0-hunks[j-1].a1 <= 2*context {
			j++
		}
		first, last := hunks[i], hunks[j-1]
		lead, tail := min(context, first.a0), min(context, len(a)-last.a1)
		a0, b0 := first.a0-lead, first.b0-lead
		na, nb := last.a1+tail-a0, last.b1+tail-b0
		fmt.Fprintf(&out, "@@ -%s +%s @@\n", span(a0, na), span(b0, nb))
		pos := a0
		for _, h := range hunks[i:j] {
			for _, l := range a[pos:h.a0] {
				line(" ", l)
			}
			for _, l := range a[h.a0:h.a1] {
				line("-", l)
				removed++
			}
			for _, l := range b[h.b0:h.b1] {
				line("+", l)
				added++
			}
			pos = h.a1
		}
		for _, l := range a[pos : pos+tail] {
			line(" ", l)
		}
		i = j
	}
	return strings.TrimSuffix(out.String(), "\n"), added, removed
}

// span is a hunk's place in the form of a unified diff, which counts lines from 1 and an empty stretch from the
// line before it.
func span(from, count int) string {
	switch count {
	case 0:
		return fmt.Sprintf("%d,0", from)
	case 1:
		return fmt.Sprint(from + 1)
	}
	return fmt.Sprintf("%d,%d", from+1, count)
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
