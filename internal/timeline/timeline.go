// Package timeline draws in which releases a change is, with a gate's value on it.
//
// The drawing is one SVG without scripts, fonts or links, that is readable in light and dark, and by a screen reader; it is alone, in a
// page and in an issue.
package timeline

import (
	"fmt"
	"html"
	"slices"
	"strings"

	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/release"
)

// Release is a release of a history: whether it has a change, and by which method that was found. Has is nil where that is unknown.
type Release struct {
	Version string  `json:"version"`
	Tag     string  `json:"tag"`
	Date    string  `json:"date"` // of the tag's commit, 2006-01-02
	Has     *bool   `json:"has"`
	Method  *string `json:"method"`
}

// Releases are the releases of a history that are tagged, oldest first. carriers says by tag which have the change, and by which method.
func Releases(h *release.History, carriers map[string]versionscan.Fact[string]) []Release {
	out := []Release{}
	for _, r := range h.Releases() {
		if r.Speaks == nil {
			continue
		}
		row := Release{Version: r.Core.String(), Tag: r.Speaks.Name, Date: r.Speaks.Date.Format("2006-01-02")}
		if f := carriers[r.Speaks.Name]; !f.Unknown() {
			has := f.Known()
			row.Has = &has
			if f.Value != "" {
				row.Method = &f.Value
			}
		}
		out = append(out, row)
	}
	return out
}

// ByEvidence are carriers that some evidence tells.
func ByEvidence(shows map[string]versionscan.Fact[bool]) map[string]versionscan.Fact[string] {
	out := map[string]versionscan.Fact[string]{}
	for tag, f := range shows {
		switch {
		case f.Unknown():
			out[tag] = versionscan.NotKnown[string](f.Why)
		case f.Value:
			out[tag] = versionscan.Know("evidence")
		default:
			out[tag] = versionscan.None[string]("")
		}
	}
	return out
}

// Timeline is what is drawn.
type Timeline struct {
	Subject  string    `json:"subject"` // what the releases have or have not: a gate's id, a pull request
	Releases []Release `json:"releases"`
	Train    string    `json:"train,omitempty"` // the release to come, "" when it is unknown
	First    string    `json:"first,omitempty"` // first ship
	Value    string    `json:"value,omitempty"` // what the gate says
	At       string    `json:"at,omitempty"`    // the release that the value names, cut to the gate's precision
	Right    bool      `json:"right,omitempty"`
}

// maxDrawn bounds how many releases are drawn.
const maxDrawn = 40

// drawn are the bounds of the releases that are drawn: the newest, unless the first ship or the gate's value lies before them.
func (t Timeline) drawn() (from, to int) {
	from = max(0, len(t.Releases)-maxDrawn)
	for i, r := range t.Releases[:from] {
		if r.Version == t.First || r.Version == t.At {
			from = max(0, i-1)
			break
		}
	}
	return from, min(len(t.Releases), from+maxDrawn)
}

// SVG draws the timeline. Each release is a dot, filled where it has the change and dashed where it is to come. The gate's value is a
// mark at the release that it names.
func (t Timeline) SVG() string {
	const step, left, y = 74, 40, 70
	type dot struct{ class, version, about string }
	var dots []dot
	from, to := t.drawn()
	marked := slices.ContainsFunc(t.Releases, func(r Release) bool { return r.Version == t.At })
	for _, r := range t.Releases[from:to] {
		d := dot{"unknown", r.Version, r.Tag + ", " + r.Date + ": unknown"}
		if r.Has != nil {
			d.class, d.about = "not", r.Tag+", "+r.Date+": without it"
			if *r.Has {
				d.class, d.about = "has", r.Tag+", "+r.Date+": has it"
				if r.Method != nil {
					d.about += " (" + *r.Method + ")"
				}
			}
		}
		dots = append(dots, d)
	}
	later := len(t.Releases) - to
	if t.Train != "" && later == 0 && (len(dots) == 0 || dots[len(dots)-1].version != t.Train) {
		dots = append(dots, dot{"train", t.Train, "the release to come"})
	}
	marked = marked || t.Train == t.At
	if t.At != "" && !marked { // neither released nor to come
		dots = append(dots, dot{"never", t.At, "no release has this version"})
	}
	width := left*2 + step*max(1, len(dots))
	var b strings.Builder
	said := fmt.Sprintf("Releases that have %s; first ship %s", t.Subject, orElse(t.First, "unknown"))
	if t.Value != "" {
		said += "; the gate says " + t.Value
	}
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d 130\" width=\"%d\" height=\"130\" role=\"img\" aria-labelledby=\"t\">\n<title id=\"t\">%s</title>\n", width, width, html.EscapeString(said))
	b.WriteString("<style>text{font:11px sans-serif;fill:#59636e}.has{fill:#1a7f37}.not,.train,.unknown,.never{fill:#fff;stroke:#59636e;stroke-width:2}.train{stroke-dasharray:3 2}.never{stroke:#cf222e}" +
		".line{stroke:#d1d9e0;stroke-width:2}.gate{fill:#cf222e}.right{fill:#1a7f37}" +
		"@media(prefers-color-scheme:dark){text{fill:#9198a1}.has,.right{fill:#3fb950}.not,.train,.unknown,.never{fill:#0d1117;stroke:#9198a1}.never{stroke:#f85149}.line{stroke:#3d444d}.gate{fill:#f85149}}</style>\n")
	fmt.Fprintf(&b, "<line class=\"line\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>\n", left, y, width-left, y)
	if from > 0 {
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\">%d earlier</text>\n", 4, y+44, from)
	}
	if later > 0 {
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%d later</text>\n", width-4, y+44, later)
	}
	for i, d := range dots {
		x := left + step/2 + i*step
		fmt.Fprintf(&b, "<circle class=\"%s\" cx=\"%d\" cy=\"%d\" r=\"7\"><title>%s</title></circle><text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
			d.class, x, y, html.EscapeString(d.about), x, y+26, html.EscapeString(d.version))
		if d.class == "unknown" {
			fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">?</text>\n", x, y+4)
		}
		if t.At != "" && d.version == t.At {
			class := "gate"
			if t.Right {
				class = "right"
			}
			fmt.Fprintf(&b, "<path class=\"%s\" d=\"M%d %d l-6 -11 h12 z\"/><text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", class, x, y-12, x, y-28, html.EscapeString(t.Value))
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
