package find

// Elixir.
var _ = register(language{
	suffixes: ".ex .exs",
	lexer:    python,
	words:    true,
	examples: []example{
		{"elixir attribute", "a.ex", "@doc since: \"1.19.0\"\ndef f, do: 1\n", Finder{Symbol: "since"}, "", "1:6 since 1.19.0 string"},
	},
})
