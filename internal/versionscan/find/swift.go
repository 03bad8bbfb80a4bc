package find

// Swift.
var _ = register(language{
	form: "swift", suffixes: ".swift",
	lexer: nesting,
	examples: []example{
		{"swift", "a.swift", "@available(SwiftStdlib 6.3, *) // relbot:gate m\n", Finder{Marker: "m"}, "", "1:24  6.3 swift-const"},
		{"swift by name", "a.swift", "@available(SwiftStdlib 6.3, *)\nfunc f() {}\n", Finder{Symbol: "SwiftStdlib"}, "", "1:12 SwiftStdlib 6.3 swift-call"},
		{"swift placeholder", "a.swift", "@available(SwiftStdlib 9999, *) // relbot:gate m\n", Finder{Marker: "m"}, "", "1:24  placeholder swift-const"},
		{"swift availability word", "a.swift", "@available(macOS, introduced: 14.0, deprecated: 15.1)\nfunc f() {}\n", Finder{Symbol: "deprecated"}, "", "1:37 deprecated 15.1 swift-const"},
	},
})
