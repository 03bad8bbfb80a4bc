package find

// Scala.
var _ = register(language{
	suffixes: ".scala",
	lexer:    nesting,
	words:    true,
	examples: []example{
		{"scala constant", "A.scala", "object A {\n  val MinVersion = \"2.13.0\"\n}\n", Finder{Symbol: "MinVersion"}, "", "2:7 MinVersion 2.13.0 string"},
	},
})
