package find

// Terraform.
var _ = register(language{
	suffixes: ".tf",
	lexer:    lexer{line: []string{"//", "#"}, block: [][2]string{{"/*", "*/"}}, quotes: "\"", heredoc: "<<"},
	words:    true,
	examples: []example{
		{"terraform range", "a.tf", "terraform {\n  required_version = \">= 1.9.0, < 2.0.0\"\n}\n", Finder{Symbol: "required_version"}, "", "2:3 required_version 1.9.0 range"},
	},
})
