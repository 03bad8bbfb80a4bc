package find

// SQL.
var _ = register(language{
	form: "sql", suffixes: ".sql",
	lexer: lexer{line: []string{"--"}, block: [][2]string{{"/*", "*/"}}, quotes: "'\""},
	examples: []example{
		{"sql comment", "a.sql", "-- relbot:gate m\nINSERT INTO v VALUES ('2.3.0');\n", Finder{Marker: "m"}, "", "2:23  2.3.0 sql-call"},
		{"sql comment with the version", "a.sql", "-- since 2.3.0, relbot:gate m\nSELECT 1;\n", Finder{Marker: "m"}, "", "1:10  2.3.0 sql-comment"},
	},
})
