package find

// Lua.
var _ = register(language{
	suffixes: ".lua",
	lexer:    dashes,
	words:    true,
	examples: []example{
		{"lua constant", "a.lua", "--[[ MIN = \"9.9\" ]]\nlocal MIN = \"5.4.0\"\n", Finder{Symbol: "MIN"}, "", "2:7 MIN 5.4.0 string"},
	},
})
