package find

// CMake.
var _ = register(language{
	suffixes: ".cmake",
	files:    func(base string) bool { return base == "CMakeLists.txt" },
	lexer:    hashes,
	words:    true,
	examples: []example{
		{"cmake parts", "CMakeLists.txt", "set(VERSION_MAJOR 24)\nset(VERSION_MINOR 8)\nset(VERSION_PATCH 9)\n", Finder{Symbol: "VERSION_(MAJOR|MINOR|PATCH)"}, "", "1:5 VERSION_MAJOR 24.8.9 parts"},
	},
})
