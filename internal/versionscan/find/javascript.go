package find

// JavaScript and TypeScript.
var _ = register(language{
	form: "js", suffixes: ".js .jsx .ts .tsx .mjs", also: ".cjs",
	lexer: lexer{line: []string{"//"}, block: [][2]string{{"/*", "*/"}}, quotes: "\"'`", regexp: true},
	forms: map[string]string{"string": "js-const"},
	examples: []example{
		{"typescript", "a.ts", "export const MIN_VERSION: string = \"0.11.10\";\n", Finder{Symbol: "MIN_VERSION"}, "", "1:14 MIN_VERSION 0.11.10 js-const"},
		{"typescript static", "a.ts", "class A { static readonly MIN: string = \"1.2.3\"; }\n", Finder{Symbol: "MIN"}, "", "1:27 MIN 1.2.3 js-const"},
		{"javascript, behind a pattern", "a.js", "const r = /`/;\nconst MIN = \"1.2.3\";\nconst q = /[\"`]/;\n", Finder{Symbol: "MIN"}, "", "2:7 MIN 1.2.3 js-const"},
	},
})
