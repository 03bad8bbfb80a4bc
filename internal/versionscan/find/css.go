package find

// CSS.
var _ = register(language{
	suffixes: ".css .scss",
	lexer:    slashes,
	words:    true,
	examples: []example{
		{"css comment", "a.css", "/* since 5.3.0, relbot:gate m */\n.x {}\n", Finder{Marker: "m"}, "", "1:10  5.3.0 comment"},
	},
})
