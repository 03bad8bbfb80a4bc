package versionscan

import (
	"regexp"
	"strings"
)

var (
	gateName = regexp.MustCompile(`(?i)(?:^|_)V?\d+_\d+|^V\d+|min(?:imum)?_?(?:supported_?)?version|version_?(?:min|gate|floor)|introduced|since|removed_?in|breaks_in|deprecated|milestone|available_?(?:from|since)|shipped_?in|required_?version`)
	worth    = regexp.MustCompile(`\d`)
)

// Discover lists constants of a file that look like version gates: a name that tells of a version or of a threshold, and a version as
// the value.
func Discover(path, text string, scheme Scheme) []Finding {
	if !worth.MatchString(text) {
		return nil
	}
	var out []Finding
	for _, f := range definitions(parseSource(path, text), scheme, gateName.MatchString) {
		if f.Placeholder || !f.Value.IsZero() && (strings.Contains(f.Value.String(), ".") || scheme == Integer) {
			out = append(out, f)
		}
	}
	return out
}
