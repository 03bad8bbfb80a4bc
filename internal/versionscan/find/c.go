package find

// C and Objective-C.
var _ = register(language{
	form: "c", suffixes: ".c", also: ".m",
	lexer: slashes,
	examples: []example{
		{"c condition", "x.c", "#if PG_VERSION_NUM >= 190000 // relbot:gate m\n", Finder{Marker: "m"}, "", "1:23  19.0 c-int"},
	},
})
