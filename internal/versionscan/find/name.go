package find

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/relbot/relbot/internal/versionscan/release"
)

var (
	nameNumbers = regexp.MustCompile(`(?i)(?:^|_|[a-z])v?(\d+(?:_\d+)*)(?:_?(dev|rc|alpha|beta|pre|iv)_?(\d*))?(?:_?plus|_?start)?(?:[A-Z_]\w*)?$`)
	versionName = regexp.MustCompile(`^[A-Z]*_?V?\d+(?:_\d+)+|^v\d+(?:_\d+)+|^V\d+|_V_?\d+|(?i)_version_\d+|(?i:^version_?\d+$)|In[A-Z][a-z]+\d+|[a-z]\d+Warning|Gradle\d+`)
)

// named is what a constant's name says of a version.
type named struct {
	parts []string
	pre   string // "dev", "rc", …; "" when the name says none
	count string // the number behind pre
}

// readName reads the version in a constant's name: V26_28_0, V140_DEV0, IBP_4_1_IV0. It reports false for names
// without one.
func readName(name string) (named, bool) {
	if !versionName.MatchString(name) {
		return named{}, false
	}
	m := nameNumbers.FindStringSubmatch(name)
	if m == nil {
		return named{}, false
	}
	n := named{parts: strings.Split(m[1], "_"), pre: strings.ToLower(m[2]), count: m[3]}
	for i, p := range n.parts {
		n.parts[i] = cmp.Or(strings.TrimLeft(p, "0"), "0")
	}
	if n.pre == "iv" { // Kafka's own counter
		n.pre, n.count = "", ""
	}
	return n, true
}

// disagreement explains how a name contradicts a value; "" when it does not or says nothing. They disagree when
// their numbers differ, where V143 may leave out the zero of 0.143.0, or when the name tells of a prerelease that the value lacks.
// A value more precise than its name is no contradiction: V26_1_0 may be 26.1.0-dev.0.
func disagreement(name string, v release.Version) string {
	n, ok := readName(name)
	if !ok || v.IsZero() {
		return ""
	}
	said := strings.Join(n.parts, ".")
	if n.pre != "" && !n.prereleaseOf(v) {
		return fmt.Sprintf("the name %s says %s-%s, the value is %s", name, said, n.pre+n.count, v)
	}
	if !agrees(n.parts, v) {
		return fmt.Sprintf("the name %s says %s, the value is %s", name, said, v)
	}
	return ""
}

// prereleaseOf reports whether a version is the prerelease that a name tells of.
func (n named) prereleaseOf(v release.Version) bool {
	words := v.Words()
	i := slices.IndexFunc(words, func(w string) bool { return w == n.pre || v.Scheme() == release.PEP440 && strings.HasPrefix(n.pre, w) })
	if i < 0 {
		return false
	}
	return n.count == "" || i+1 >= len(words) || strings.TrimLeft(words[i+1], "0") == strings.TrimLeft(n.count, "0")
}

// agrees reports whether the numbers of a name are those of a version.
func agrees(parts []string, v release.Version) bool {
	from := func(offset int) bool {
		for i, p := range parts {
			if v.Part(i+offset) != p {
				return false
			}
		}
		return true
	}
	if from(0) || v.Part(0) == "0" && from(1) {
		return true
	}
	// Digits glued together: RemovedInDjango61Warning is 6.1.
	numbers := v.Numbers()
	for n := 2; len(parts) == 1 && n <= len(numbers); n++ {
		if strings.Join(numbers[:n], "") == parts[0] {
			return true
		}
	}
	return false
}

// nameVersion reads the version of a constant that has it in its name alone.
func nameVersion(name string, scheme release.Scheme) (release.Version, bool) {
	n, ok := readName(name)
	if !ok {
		return release.Version{}, false
	}
	parts := slices.Clone(n.parts)
	if len(parts) == 1 && len(parts[0]) == 2 && strings.Contains(name, "In") && !digit(name[len(name)-1]) { // glued digits
		parts = []string{parts[0][:1], parts[0][1:]}
	}
	v, err := scheme.Parse(strings.Join(parts, "."))
	return v, err == nil
}
