package release

import (
	"strings"
	"testing"
)

// TestElsewhere finds tags that may have cut a release under another name than the pattern's.
func TestElsewhere(t *testing.T) {
	for what, c := range map[string]struct {
		pattern, tags, train string
		elsewhere, example   string
	}{
		"all match":                   {"v{version}", "v1.0.0 v2.0.0", "2.1.0", "", ""},
		"none matches":                {"app-v{version}", "v1.0.0 v2.0.0", "2.1.0", "", "v2.0.0"},
		"no tags":                     {"app-v{version}", "", "2.1.0", "", ""},
		"another prefix, the train":   {"v{version}", "v1.0.0 v2.0.0 app-v2.1.0", "2.1.0", "app-v2.1.0", ""},
		"another prefix, later":       {"v{version}", "v1.0.0 v2.0.0 app-v2.1.0 app-v2.2.0", "2.1.0", "app-v2.2.0", ""},
		"another prefix, no release":  {"v{version}", "v1.0.0 v2.0.0 app-v2.1.0-dev.0", "2.1.0", "", ""},
		"an older prefix":             {"v{version}", "app-0.9.0 v1.0.0 v2.0.0", "2.1.0", "", ""},
		"a component of its own":      {"v{version}", "v1.0.0 v2.0.0 macros-1.2.0 macros-2.7.2", "2.1.0", "", ""},
		"another name, without dots":  {"v{version}", "v1.0.0 v2.0.0 build-77", "2.1.0", "", ""},
		"no version behind a number":  {"v{version}", "v1.0.0 v2.0.0 log4j-2.9.0", "2.1.0", "log4j-2.9.0", ""},
		"nothing of the pattern, odd": {"v{version}", "v1.0.x app-v2.1.0", "2.1.0", "", ""},
	} {
		var tags []Tag
		for name := range strings.FieldsSeq(c.tags) {
			tags = append(tags, Tag{Name: name})
		}
		h := Releases{Tags: c.pattern}.History(tags, nil)
		if got, _ := h.Elsewhere(parse(t, Semver, c.train)); got != c.elsewhere {
			t.Errorf("%s: elsewhere %q, want %q", what, got, c.elsewhere)
		}
		if got, _ := h.MatchesNothing(); got != c.example {
			t.Errorf("%s: matches nothing such as %q, want %q", what, got, c.example)
		}
	}
	ignored := Releases{Tags: "v{version}", Ignore: []string{"app-v2.1.0"}}.History([]Tag{{Name: "v2.0.0"}, {Name: "app-v2.1.0"}}, nil)
	if got, ok := ignored.Elsewhere(parse(t, Semver, "2.1.0")); ok {
		t.Errorf("a tag that is ignored: %s", got)
	}
}
