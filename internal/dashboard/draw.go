package dashboard

import (
	"cmp"
	"fmt"
	"html"
	"html/template"
	"slices"
	"strings"

	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/timeline"
)

// Drawings are SVG without styles of their own: colours are classes of the style sheet, so that no inline style has to be allowed. What a
// drawing shows is named in its label, and is next to it in words.

// canvas collects an SVG. All text goes through [canvas.text] or is a class name.
type canvas struct{ strings.Builder }

func (c *canvas) printf(format string, args ...any) { fmt.Fprintf(&c.Builder, format, args...) }

func (c *canvas) text(class string, x, y int, anchor, s string) {
	c.printf(`<text class="%s" x="%d" y="%d" text-anchor="%s">%s</text>`, class, x, y, anchor, html.EscapeString(s))
}

func (c *canvas) svg(width, height int, class, label string) template.HTML {
	return template.HTML(fmt.Sprintf(`<svg class="%s" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">%s</svg>`,
		class, width, height, width, height, html.EscapeString(label), c.String()))
}

// clip shortens a text for a drawing.
func clip(s string, limit int) string {
	if r := []rune(s); len(r) > limit {
		return string(r[:limit-1]) + "…"
	}
	return s
}

// glyphs tell verdicts apart without colours.
var glyphs = map[string]string{"pass": "✓", "wait": "…", "block": "✕", "unknown": "?", "merged": "●", "gone": "–", "draft": "○"}

// maxNodes bounds a graph; a larger one is in the list of edges alone.
const maxNodes = 60

// graph draws the merge order: members in columns, what merges first on the left.
func graph(j rules.Judgement, reader note.Reader, worst levels) template.HTML {
	c := j.Coupling
	if len(c.Order) == 0 || len(j.Members) > maxNodes {
		return ""
	}
	column := map[string]int{}
	linked := map[string]bool{}
	for range j.Members { // longest way; n nodes settle in n rounds, and a cycle ends with them
		for _, e := range c.Order {
			linked[e.Before], linked[e.After] = true, true
			column[e.After] = min(max(column[e.After], column[e.Before]+1), len(j.Members)-1)
		}
	}
	const boxW, boxH, gapX, gapY, pad = 208, 48, 64, 16, 4
	rows := map[int]int{}
	x, y := map[string]int{}, map[string]int{}
	width, height := 0, 0
	members := slices.Clone(j.Members)
	slices.SortStableFunc(members, func(a, b rules.MemberState) int { // those without an edge last
		is := func(m rules.MemberState) int {
			if linked[m.Role] {
				return 0
			}
			return 1
		}
		return is(a) - is(b)
	})
	for _, m := range members {
		col := column[m.Role]
		x[m.Role], y[m.Role] = pad+col*(boxW+gapX), pad+rows[col]*(boxH+gapY)
		rows[col]++
		width, height = max(width, x[m.Role]+boxW+pad), max(height, y[m.Role]+boxH+pad)
	}
	var b canvas
	var said []string
	for _, e := range c.Order {
		if _, ok := x[e.Before]; !ok {
			continue
		}
		if _, ok := x[e.After]; !ok {
			continue
		}
		x1, y1, x2, y2 := x[e.Before]+boxW, y[e.Before]+boxH/2, x[e.After]-7, y[e.After]+boxH/2
		class := "edge"
		if !e.Strict() {
			class = "edge together"
		}
		if column[e.After]-column[e.Before] > 1 { // below the boxes between them
			low := y1 + boxH/2 + gapY/2 + 2
			for _, m := range members {
				if column[m.Role] > column[e.Before] && column[m.Role] < column[e.After] {
					low = max(low, y[m.Role]+boxH+gapY/2+2)
				}
			}
			height = max(height, low+pad)
			b.printf(`<path class="%s" d="M%d %dC%d %d %d %d %d %dH%dC%d %d %d %d %d %d"/>`, class, x1, y1, x1+gapX/2, y1, x1+gapX/4, low, x1+gapX/2, low, x2-gapX/2, x2-gapX/4, low, x2-gapX/2, y2+6, x2, y2+6)
			y2 += 6
		} else {
			bend := max(24, (x2-x1)/2)
			b.printf(`<path class="%s" d="M%d %dC%d %d %d %d %d %d"/>`, class, x1, y1, x1+bend, y1, x2-bend, y2, x2, y2)
		}
		b.printf(`<path class="tip" d="M%d %dl-8 -5v10z"/>`, x2+7, y2)
		if e.With { // neither comes first
			b.printf(`<path class="tip" d="M%d %dl8 -5v10z"/>`, x1, y1)
		}
		said = append(said, fmt.Sprintf("%s %s %s", reader.Role(e.Before), e.Word(), reader.Role(e.After)))
	}
	for _, m := range members {
		class, words := look(m, worst)
		role, pull := reader.Role(m.Role), reader.Pull(m.Pull)
		if reader.Hidden(m.Pull) {
			role, pull = "private member", ""
		}
		nx, ny := x[m.Role], y[m.Role]
		b.printf(`<rect class="node" x="%d" y="%d" width="%d" height="%d" rx="6"/><rect class="v-%s" x="%d" y="%d" width="4" height="%d" rx="2"/>`, nx, ny, boxW, boxH, class, nx+5, ny+8, boxH-16)
		b.text("role", nx+18, ny+20, "start", clip(role, 22))
		b.text("faint", nx+18, ny+37, "start", clip(strings.TrimSpace(pull+" "+words), 30))
		b.printf(`<circle class="v-%s" cx="%d" cy="%d" r="9"/>`, class, nx+boxW-18, ny+boxH/2)
		b.text("glyph", nx+boxW-18, ny+boxH/2+4, "middle", glyphs[class])
	}
	return b.svg(width, height, "graph", "Merge order: "+strings.Join(said, "; "))
}

// drawChart draws a lane for each member and gate over the releases. Filled is a release that has the change; a label on a gate's lane is its value, and a dashed one is what it must name.
func drawChart(c chart) template.HTML {
	d := chartDrawing{chart: c, columns: len(c.Releases)}
	n := len(c.Releases)
	if c.Train != "" && (n == 0 || c.Releases[n-1].Version != c.Train) {
		d.columns++
	}
	width, height := chartLabel+d.columns*chartColumn+8, chartHead+len(c.Lanes)*chartRow+6
	if d.columns > n {
		d.printf(`<rect class="train" x="%d" y="2" width="%d" height="%d" rx="6"/>`, chartLabel+n*chartColumn+2, chartColumn-4, height-4)
		d.text("ver", d.middle(n), 18, "middle", clip(c.Train, 10))
		d.text("faint", d.middle(n), 34, "middle", "next cut")
	}
	for i, r := range c.Releases {
		d.text("ver", d.middle(i), 18, "middle", clip(r.Version, 10))
		d.text("faint", d.middle(i), 34, "middle", short(r.Date))
	}
	var said []string
	for k, l := range c.Lanes {
		y := chartHead + k*chartRow + chartRow/2
		d.text(map[bool]string{true: "gate", false: "role"}[l.Gate], 2, y+4, "start", clip(l.Label, 25))
		d.run(l, y)
		for i := range d.columns {
			d.mark(l, i, y)
		}
		switch {
		case l.Gate:
			said = append(said, d.gate(l, y))
		case l.First != "":
			said = append(said, l.Label+" first ships in "+l.First)
		default:
			said = append(said, l.Label)
		}
	}
	return d.svg(width, height, "chart", "Releases of "+c.Repo+": "+strings.Join(said, "; "))
}

// Measures of a chart, in pixels.
const chartLabel, chartColumn, chartHead, chartRow = 176, 66, 44, 34

// chartDrawing is a chart as it is drawn: a column for each release, and one for the train where no release has its version.
type chartDrawing struct {
	canvas
	chart
	columns int
}

func (d *chartDrawing) middle(i int) int { return chartLabel + i*chartColumn + chartColumn/2 }

// column returns where a version is drawn, and whether it is.
func (d *chartDrawing) column(version string) (int, bool) {
	for i, r := range d.Releases {
		if r.Version == version {
			return i, true
		}
	}
	return d.columns - 1, version != "" && version == d.Train
}

// run draws the track of a lane, thick between releases that have the change.
func (d *chartDrawing) run(l lane, y int) {
	n := len(d.Releases)
	d.printf(`<path class="track" d="M%d %dH%d"/>`, d.middle(0), y, d.middle(d.columns-1))
	for i := range n {
		if last := i+1 == n; l.Has[i] == timeline.Has && (last && d.columns > n || !last && l.Has[i+1] == timeline.Has) {
			d.printf(`<path class="run" d="M%d %dH%d"/>`, d.middle(i), y, d.middle(i+1))
		}
	}
}

// mark draws whether a release has the change of a lane, or will.
func (d *chartDrawing) mark(l lane, i, y int) {
	n := len(d.Releases)
	class, radius := "not", 4
	switch {
	case i >= n && n > 0 && l.Has[n-1] == timeline.Has:
		class = "has"
	case i >= n && l.First == d.Train:
		class, radius = "will", 6
	case i >= n, l.Has[i] == timeline.HasNot:
	case l.Has[i] == timeline.Has:
		class, radius = "has", 6
	default:
		class, radius = "unsure", 7
	}
	d.printf(`<circle class="%s" cx="%d" cy="%d" r="%d"/>`, class, d.middle(i), y, radius)
	if class == "unsure" {
		d.text("faint", d.middle(i), y+4, "middle", "?")
	}
}

// gate draws the value of a gate, and what it must name instead. It returns both in words.
func (d *chartDrawing) gate(l lane, y int) string {
	text := l.Label + " must name " + orUnknown(l.First)
	if want, known := d.column(l.First); known && !l.Right {
		d.printf(`<rect class="want" x="%d" y="%d" width="60" height="22" rx="11"/>`, d.middle(want)-30, y-11)
		d.text("wanted", d.middle(want), y+4, "middle", clip(l.First, 9))
	}
	if l.Value == "" {
		return text
	}
	i, shown := d.column(l.At)
	value := cmp.Or(l.At, l.Value)
	if !shown { // it is older than those that are drawn, or never existed: the table next to the chart says which
		i, value = 0, "‹ "+value
	}
	class := map[bool]string{true: "right", false: "wrong"}[l.Right]
	d.printf(`<rect class="%s" x="%d" y="%d" width="60" height="22" rx="11"/>`, class, d.middle(i)-30, y-11)
	d.text("value", d.middle(i), y+4, "middle", clip(value, 9))
	return text + ", says " + l.Value
}

func orUnknown(s string) string {
	if s == "" {
		return "an unknown release"
	}
	return s
}

// short is month and day of a date.
func short(date string) string {
	if len(date) == len("2006-01-02") {
		return date[5:]
	}
	return date
}

// drawTimeline draws the timeline of one gate.
func drawTimeline(t timeline.Timeline) template.HTML {
	const most = 12
	releases := t.Releases[max(0, len(t.Releases)-most):]
	if len(releases) == 0 {
		return ""
	}
	l := lane{Lane: timeline.Lane{Name: t.Subject, Gate: true, First: t.First, Value: t.Value, At: t.At, Right: t.Right}, Label: "gate " + t.Subject}
	for _, r := range releases {
		switch {
		case r.Has == nil:
			l.Has += string(timeline.NotKnown)
		case *r.Has:
			l.Has += string(timeline.Has)
		default:
			l.Has += string(timeline.HasNot)
		}
	}
	return drawChart(chart{Repo: t.Subject, Releases: releases, Train: t.Train, Lanes: []lane{l}})
}

// drawTrend draws how much had drifted, a bar a report.
func drawTrend(nights []memory.Night, size string) template.HTML {
	bar, gap, height, most := 5, 2, 28, 30
	if size == "large" {
		bar, gap, height, most = 12, 4, 96, 60
	}
	nights = nights[max(0, len(nights)-most):]
	if len(nights) == 0 {
		return ""
	}
	top := 1
	for _, n := range nights {
		top = max(top, n.Rows)
	}
	var b canvas
	for i, n := range nights {
		x := i * (bar + gap)
		h := n.Rows * (height - 4) / top
		class := "bar"
		if n.Rows == 0 {
			h, class = 2, "bar none"
		}
		fresh := min(n.New, n.Rows) * (height - 4) / top
		b.printf(`<rect class="%s" x="%d" y="%d" width="%d" height="%d"/>`, class, x, height-h, bar, h)
		if fresh > 0 {
			b.printf(`<rect class="bar fresh" x="%d" y="%d" width="%d" height="%d"/>`, x, height-h, bar, fresh)
		}
	}
	first, last := nights[0], nights[len(nights)-1]
	width := len(nights) * (bar + gap)
	if size == "large" {
		width = max(width, 120)
		b.text("faint", 0, height+16, "start", first.Date)
		if len(nights) > 1 {
			b.text("faint", width, height+16, "end", short(last.Date))
		}
		height += 20
	}
	return b.svg(width, height, "trend", fmt.Sprintf("Drift in %d reports: %d on %s, %d on %s, at most %d", len(nights), first.Rows, first.Date, last.Rows, last.Date, top))
}
