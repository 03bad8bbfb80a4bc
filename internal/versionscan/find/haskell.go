package find

// Haskell.
var _ = register(language{
	suffixes: ".hs",
	lexer:    dashes,
	words:    true,
	examples: []example{
		{"haskell constant", "A.hs", "{- minVersion = \"9.9\" -}\nminVersion = \"9.10.1\"\n", Finder{Symbol: "minVersion"}, "", "2:1 minVersion 9.10.1 string"},
	},
})
