package versionscan

import (
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// Match reports whether a path matches a glob: * and ? within a part, ** over parts, {a,b} and [a-z].
func Match(glob, path string) bool {
	ok, err := doublestar.Match(glob, path)
	return ok && err == nil
}

// GlobBase is the directory that all matches share ("" is the root), and for a glob without wildcards the path itself.
func GlobBase(glob string) (base string, literal bool) {
	if !strings.ContainsAny(glob, `*?[{\`) {
		return glob, true
	}
	if base, _ = doublestar.SplitPattern(glob); base == "." {
		base = ""
	}
	return base, false
}
