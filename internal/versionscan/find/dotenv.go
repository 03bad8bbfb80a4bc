package find

// files of environment variables.
var _ = register(language{
	suffixes: ".env",
	lexer:    hashes,
	words:    true,
	examples: []example{
		{"environment", "a.env", "MIN_VERSION=1.2.3 # not 1.2\n", Finder{Symbol: "MIN_VERSION"}, "", "1:1 MIN_VERSION 1.2.3 const"},
	},
})
