package find

// C#.
var _ = register(language{
	form: "cs", suffixes: ".cs",
	lexer: java,
	examples: []example{
		{"c#", "A.cs", "public static readonly Version Min = new Version(17, 0, 1);\n", Finder{Symbol: "Min"}, "", "1:32 Min 17.0.1 cs-call"},
	},
})
