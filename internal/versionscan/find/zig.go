package find

// Zig.
var _ = register(language{
	suffixes: ".zig",
	lexer:    slashes,
	words:    true,
	examples: []example{
		{"zig constant", "a.zig", "pub const min_version = \"0.14.0\";\n", Finder{Symbol: "min_version"}, "", "1:11 min_version 0.14.0 string"},
	},
})
