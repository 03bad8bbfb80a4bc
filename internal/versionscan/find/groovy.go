package find

// Groovy.
var _ = register(language{
	suffixes: ".groovy .gradle",
	lexer:    java,
	words:    true,
	examples: []example{
		{"groovy constant", "a.gradle", "def minVersion = \"4.2.0\"\n", Finder{Symbol: "minVersion"}, "", "1:5 minVersion 4.2.0 string"},
	},
})
