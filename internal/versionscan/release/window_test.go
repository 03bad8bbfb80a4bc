package release

import (
	"fmt"
	"strings"
	"testing"

	"github.com/relbot/relbot/internal/versionscan"
)

// holding says of minor releases 1.0, 1.1, … by a letter each whether they hold the evidence: y, n, or ? where it was not read.
func holding(letters string) (*History, map[string]versionscan.Fact[bool]) {
	var tags []Tag
	holds := map[string]versionscan.Fact[bool]{}
	for i, c := range letters {
		name := fmt.Sprintf("v1.%d.0", i)
		tags = append(tags, Tag{Name: name})
		switch c {
		case 'y':
			holds[name] = versionscan.Know(true)
		case 'n':
			holds[name] = versionscan.Know(false)
		}
	}
	return Releases{Tags: "v{version}"}.History(tags, nil), holds
}

func say(f versionscan.Fact[Threshold]) string {
	switch {
	case f.Unknown():
		return "unknown"
	case f.Absent():
		return "none"
	}
	out := f.Value.Core.String()
	if !f.Value.Tagged {
		out = "train " + out
	}
	for _, b := range f.Value.Breaks {
		out += " breaks " + b.String()
	}
	return out
}

func TestWindow(t *testing.T) {
	train, err := Semver.Parse("1.9.0")
	if err != nil {
		t.Fatal(err)
	}
	for letters, want := range map[string]string{
		"nnyyynn":  "1.2.0; 1.5.0",
		"nnyyy":    "1.2.0; none",
		"nnn":      "train 1.9.0; none",
		"yyn":      "1.0.0; 1.2.0",
		"nyyny":    "1.1.0 breaks 1.4.0; 1.3.0 breaks 1.4.0",
		"n?yyn":    "unknown; unknown",
		"nyy?n":    "unknown; unknown",
		"nyynn??":  "unknown; unknown",
		"nyynnnnn": "1.1.0; 1.3.0",
	} {
		h, holds := holding(letters)
		opened, closed := h.Window(holds, versionscan.Know(train))
		if got := say(opened) + "; " + say(closed); got != want {
			t.Errorf("%s: %s, want %s", letters, got, want)
		}
	}
}

// TestWindowWithoutAnEnd holds windows against thresholds: while nothing was lost they are the same.
func TestWindowWithoutAnEnd(t *testing.T) {
	for i := range 9 {
		letters := strings.Repeat("n", i) + strings.Repeat("y", 8-i)
		h, holds := holding(letters)
		train := versionscan.Know(h.rules.mustParse("1.9.0"))
		opened, closed := h.Window(holds, train)
		if want := h.Threshold(holds, train); say(opened) != say(want) || !closed.Absent() {
			t.Errorf("%s: %s; %s, want %s", letters, say(opened), say(closed), say(want))
		}
	}
}

func (r Releases) mustParse(text string) Version {
	v, err := r.Scheme.Parse(text)
	if err != nil {
		panic(err)
	}
	return v
}

func TestOldest(t *testing.T) {
	tags := func(names ...string) (out []Tag) {
		for _, n := range names {
			out = append(out, Tag{Name: n})
		}
		return out
	}
	h := Releases{Tags: "v{version}"}.History(tags("v1.0.0", "v1.1.0", "v1.1.1", "v1.2.0-rc.1", "v1.3.0-alpha.1", "v1.1.2"), nil)
	for n, want := range map[int]string{1: "1.2.0", 2: "1.1.0", 3: "1.0.0", 4: ""} {
		got, ok := h.Oldest(n)
		if got.String() != want || ok != (want != "") {
			t.Errorf("the oldest of %d is %q %v, want %q", n, got, ok, want)
		}
	}
}
