package find

// shells.
var _ = register(language{
	form: "sh", suffixes: ".sh", also: ".bash",
	lexer: lexer{line: []string{"#"}, quotes: "\"'", heredoc: "<<"},
	words: true,
	examples: []example{
		{"shell", "a.sh", "MIN_VERSION=\"1.2.3\"\nexport OTHER=2\n", Finder{Symbol: "MIN_VERSION"}, "", "1:1 MIN_VERSION 1.2.3 sh-string"},
	},
})
