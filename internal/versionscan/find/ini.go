package find

// INI files.
var _ = register(language{
	form: "ini", suffixes: ".ini", also: ".cfg .conf",
	lexer:   lexer{line: []string{"#", ";"}},
	oneForm: true,
	words:   true,
	examples: []example{
		{"ini", "a.ini", "; relbot:gate m\nmin_version = 1.2.3\n", Finder{Marker: "m"}, "", "2:1 min_version 1.2.3 ini"},
	},
})
