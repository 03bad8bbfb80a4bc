package find

import (
	"strings"
)

// Make.
var _ = register(language{
	suffixes: ".mk",
	files:    func(base string) bool { return strings.HasPrefix(base, "Makefile") },
	lexer:    hashes,
	words:    true,
	examples: []example{
		{"make variable", "Makefile", "MIN_VERSION := 1.2.3 # not 1.2\n", Finder{Symbol: "MIN_VERSION"}, "", "1:1 MIN_VERSION 1.2.3 const"},
	},
})
