package find

// Dart.
var _ = register(language{
	suffixes: ".dart",
	lexer:    java,
	words:    true,
	examples: []example{
		{"dart constant", "a.dart", "const minVersion = '3.4.0';\n", Finder{Symbol: "minVersion"}, "", "1:7 minVersion 3.4.0 string"},
	},
})
