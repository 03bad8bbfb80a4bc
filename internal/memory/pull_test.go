package memory

import (
	"slices"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/work"
)

// TestHear holds which reads count after some events within one second.
func TestHear(t *testing.T) {
	second := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	change := func(of, from, to string) work.Change { return work.Change{At: second, Of: of, From: from, To: to} }
	push, retarget, describe := change("head", "a", "b"), change("base", "main", "next"), change("body", work.Digest(""), work.Digest("Depends-On: #3"))
	before := forge.Pull{Head: "a", Base: "main", State: "open", UpdatedAt: second}
	with := func(edit func(*forge.Pull)) forge.Pull {
		p := before
		edit(&p)
		return p
	}
	pushed, both := with(func(p *forge.Pull) { p.Head = "b" }), with(func(p *forge.Pull) { p.Head, p.Base = "b", "next" })
	for _, c := range []struct {
		name string
		said []work.Change
		read forge.Pull
		lags bool
	}{
		{"a push", []work.Change{push}, pushed, false},
		{"before the push", []work.Change{push}, before, true},
		{"between the push and the new base", []work.Change{push, retarget}, pushed, true},
		{"after both", []work.Change{push, retarget}, both, false},
		{"after both, and an event that changed nothing", []work.Change{push, retarget, {At: second}}, both, false},
		{"before that event too", []work.Change{push, retarget, {At: second}}, pushed, true},
		{"there and back, twice the way of a third", []work.Change{push, change("head", "b", "a"), change("head", "a", "c")}, before, true},
		{"a description that is old", []work.Change{describe}, before, true},
		{"a description that is new", []work.Change{describe}, with(func(p *forge.Pull) { p.Body = "Depends-On: #3" }), false},
		{"an open one that was closed", []work.Change{change("state", "open", "closed")}, before, true},
		{"a closed one", []work.Change{change("state", "open", "closed")}, with(func(p *forge.Pull) { p.State = "closed" }), false},
		{"a ready one that is a draft now", []work.Change{change("draft", "false", "true")}, before, true},
		{"there and back", []work.Change{push, change("head", "b", "a")}, before, false},
		{"there, not yet back", []work.Change{push, change("head", "b", "a")}, pushed, true},
		{"a second later", []work.Change{push, {At: second.Add(time.Second)}}, pushed, true},
		{"a second earlier", []work.Change{push, {At: second.Add(-time.Second), Of: "base", From: "next", To: "main"}}, both, false},
	} {
		for i := range 2 * len(c.said) { // in any order, at once or one by one, and some twice
			said := slices.Concat(c.said[i%len(c.said):], c.said[:i%len(c.said)])
			if i >= len(c.said) {
				slices.Reverse(said)
			}
			d := Pull{Head: "a", Base: "main", State: "open", Updated: second.Add(-time.Hour), Learned: second}
			d.Hear(said[:i/2], second)
			d.Hear(said, second)
			if got := d.Lags(versionscan.Know(c.read)); got != c.lags {
				t.Errorf("%s: %v: lags %v, want %v", c.name, said, got, c.lags)
			}
		}
	}
}
