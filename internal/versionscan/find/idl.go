package find

// interface definitions.
var _ = register(language{
	suffixes: ".idl",
	lexer:    hashes,
	words:    true,
	examples: []example{
		{"interface definition", "a.idl", "min_version: \"7.2.0\" # not 7.1\n", Finder{Symbol: "min_version"}, "", "1:1 min_version 7.2.0 string"},
	},
})
