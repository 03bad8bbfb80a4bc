package find

// HTML.
var _ = register(language{
	suffixes: ".html",
	lexer:    angles,
	words:    true,
	examples: []example{
		{"html attribute", "a.html", "<!-- data_since=\"9.9\" -->\n<p data_since=\"1.2.3\">\n", Finder{Symbol: "data_since"}, "", "2:4 data_since 1.2.3 string"},
	},
})
