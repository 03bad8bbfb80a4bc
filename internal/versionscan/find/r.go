package find

// R.
var _ = register(language{
	suffixes: ".r",
	lexer:    hashes,
	words:    true,
	examples: []example{
		{"r constant", "a.r", "min_version = \"4.5.0\" # not 4.4\n", Finder{Symbol: "min_version"}, "", "1:1 min_version 4.5.0 string"},
	},
})
