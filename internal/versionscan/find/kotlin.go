package find

// Kotlin.
var _ = register(language{
	form: "java", suffixes: ".kt .kts",
	lexer: nesting,
	forms: map[string]string{"string": "java-const"},
	examples: []example{
		{"kotlin", "a.kt", "const val SINCE = \"1.9.0\"\n", Finder{Symbol: "SINCE"}, "", "1:11 SINCE 1.9.0 java-const"},
		{"kotlin dsl", "a.kt", "DeprecationLogger.deprecate(\"x\").willBeRemovedInGradle10()\n", Finder{Symbol: "willBeRemovedInGradle\\d+"}, "", "1:34 willBeRemovedInGradle10 10 java-name"},
		{"not in a kotlin raw string", "a.kt", "val d = \"\"\"\nconst val MIN = \"9.9\"\n\"\"\"\nconst val MIN = \"1.9\"\n", Finder{Symbol: "MIN"}, "", "4:11 MIN 1.9 java-const"},
		{"kotlin annotation", "a.kt", "@SinceKotlin(\"2.2\")\nfun f() {}\n", Finder{Symbol: "SinceKotlin"}, "", "1:2 SinceKotlin 2.2 java-call"},
	},
})
