package memory

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/versionscan/release"
	"github.com/relbot/relbot/internal/work"
)

// RefMove is what events said of a branch or a tag.
type RefMove struct {
	Ref    string    `json:"ref"` // refs/heads/main
	Gone   bool      `json:"gone,omitempty"`
	After  string    `json:"after,omitempty"`  // the object at which it points; "" when that is not known
	Before []string  `json:"before,omitempty"` // the objects that it pointed at before, as far as is known
	At     time.Time `json:"at"`
}

// Lags reports whether a survey tells an older state of a branch or a tag. Only refs that were asked for can be missing.
func (d RefMove) Lags(s forge.Survey, asked forge.SurveyRequest) bool {
	var at string
	if name, is := strings.CutPrefix(d.Ref, "refs/tags/"); is {
		if asked.NoTags || !s.Tags.Known() {
			return false
		}
		if i := slices.IndexFunc(s.Tags.Value, func(t release.Tag) bool { return t.Name == name }); i >= 0 {
			at = cmp.Or(s.Tags.Value[i].Object, s.Tags.Value[i].Commit) // events name the tag object of an annotated tag
		}
	} else if name := strings.TrimPrefix(d.Ref, "refs/heads/"); name == s.Default {
		at = s.Tip
	} else if s.Branches.Known() && asked.Wants(name) {
		at = s.Branches.Value[name]
	} else {
		return false
	}
	if at == "" {
		return !d.Gone
	}
	return d.Gone || slices.Contains(d.Before, at)
}

// Then returns what is to be expected of a ref after one more event of it, which may be an older one.
func (d RefMove) Then(said work.RefPayload, now time.Time) RefMove {
	made := !said.Gone && said.After == "" // the event does not tell where
	switch {
	case made && d.Gone:
		d.Before, d.After = nil, ""
	case made:
	case said.After != "" && said.Before != d.After && slices.Contains(d.Before, said.After): // older
	default:
		d.After = said.After
	}
	d.Gone, d.At = said.Gone, now
	d.Before = slices.DeleteFunc(append(slices.Clone(d.Before), said.Before), func(c string) bool { return c == "" || c == d.After })
	slices.Sort(d.Before)
	d.Before = slices.Compact(d.Before)
	return d
}
