package release

import (
	"slices"
	"strings"
)

// MatchesNothing reports whether there are tags and the tag pattern matches none of them; one is an example.
func (h *History) MatchesNothing() (one string, nothing bool) {
	if len(h.builds) > 0 || len(h.odd) > 0 || len(h.others) == 0 {
		return "", false
	}
	return h.others[len(h.others)-1], true
}

// Elsewhere is a tag that may have cut a release under another name than the pattern's: a version that is the train or later, behind another
// prefix. A component that has tags of its own next to this one is not meant: some of its versions are older.
func (h *History) Elsewhere(train Version) (string, bool) {
	if len(h.builds) == 0 {
		return "", false
	}
	newest := h.builds[len(h.builds)-1].Version.Core()
	families, own := map[string]Build{}, map[string]bool{}
	for _, name := range h.others {
		prefix, v, ok := h.rules.behindPrefix(name)
		if !ok {
			continue
		}
		core := v.Core()
		own[prefix] = own[prefix] || core.Compare(newest) <= 0
		if last, ok := families[prefix]; core.Compare(train.Core()) >= 0 && h.rules.cuts(v) && (!ok || v.Compare(last.Version) > 0) {
			families[prefix] = Build{Tag{Name: name}, v}
		}
	}
	var out []string
	for prefix, b := range families {
		if !own[prefix] {
			out = append(out, b.Name)
		}
	}
	if len(out) == 0 {
		return "", false
	}
	return slices.Min(out), true
}

// behindPrefix reads the version that a name ends in.
func (r Releases) behindPrefix(name string) (prefix string, v Version, ok bool) {
	for i := range len(name) {
		if !digit(name[i]) || i > 0 && (digit(name[i-1]) || name[i-1] == '.') {
			continue
		}
		if text := name[i:]; strings.Contains(text, ".") || r.Scheme == Integer {
			if v, err := r.Scheme.Parse(text); err == nil {
				return name[:i], v, true
			}
		}
	}
	return "", Version{}, false
}
