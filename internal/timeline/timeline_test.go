package timeline

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// texts reads a drawing as a browser does, and gives all text in it.
func texts(t *testing.T, svg string) string {
	t.Helper()
	var b strings.Builder
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return b.String()
		}
		if err != nil {
			t.Fatalf("%v: %s", err, svg)
		}
		if c, ok := token.(xml.CharData); ok {
			b.WriteString(string(c) + "|")
		}
	}
}

func many(n, first int) []Release {
	var out []Release
	for i := range n {
		has := i >= first
		out = append(out, Release{Version: fmt.Sprintf("1.%d.0", i), Tag: fmt.Sprintf("v1.%d.0", i), Date: "2026-01-01", Has: &has})
	}
	return out
}

func TestSVG(t *testing.T) {
	method := "evidence"
	evil := many(3, 1)
	evil[2].Tag, evil[2].Has, evil[1].Method = "v1.2.0<script>&", nil, &method
	for what, c := range map[string]struct {
		timeline Timeline
		has, not []string
	}{
		"a few": {Timeline{Subject: "gate uid", Releases: evil, Train: "1.3.0", First: "1.1.0", Value: "1.1.0", At: "1.1.0", Right: true},
			[]string{"first ship 1.1.0; the gate says 1.1.0", "v1.1.0, 2026-01-01: has it (evidence)", "v1.2.0<script>&, 2026-01-01: unknown", "|1.3.0|"}, []string{"no release has", "earlier"}},
		"none yet":              {Timeline{Subject: "x", Train: "1.0.0"}, []string{"|1.0.0|", "the release to come"}, []string{"no release has"}},
		"nothing at all":        {Timeline{Subject: "x"}, []string{"first ship unknown"}, nil},
		"an unreal value":       {Timeline{Subject: "x", Releases: many(3, 1), Train: "1.3.0", First: "1.1.0", Value: "1.0.7", At: "1.0.7"}, []string{"no release has this version"}, nil},
		"the newest of many":    {Timeline{Subject: "x", Releases: many(100, 90), Train: "1.100.0", First: "1.90.0", Value: "1.90.0", At: "1.90.0"}, []string{"60 earlier", "|1.99.0|", "|1.100.0|"}, []string{"later", "|1.59.0|", "no release has"}},
		"the old ones of many":  {Timeline{Subject: "x", Releases: many(100, 8), Train: "1.100.0", First: "1.8.0", Value: "1.9.0", At: "1.9.0"}, []string{"7 earlier", "53 later", "|1.7.0|", "|1.9.0|"}, []string{"no release has", "|1.100.0|", "|1.99.0|"}},
		"a value before a ship": {Timeline{Subject: "x", Releases: many(100, 50), First: "1.50.0", Value: "1.2.0", At: "1.2.0"}, []string{"1 earlier", "|1.2.0|"}, []string{"no release has"}},
	} {
		t.Run(what, func(t *testing.T) {
			got := texts(t, c.timeline.SVG())
			for _, want := range c.has {
				if !strings.Contains(got, want) {
					t.Errorf("no %q in %s", want, got)
				}
			}
			for _, not := range c.not {
				if strings.Contains(got, not) {
					t.Errorf("%q is in %s", not, got)
				}
			}
		})
	}
}
