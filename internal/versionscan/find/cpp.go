package find

// C++, and the headers of C.
var _ = register(language{
	form: "c", suffixes: ".h .cc .cpp .hpp", also: ".cxx .hh .mm",
	lexer: lexer{line: []string{"//"}, block: [][2]string{{"/*", "*/"}}, quotes: "\"'", cRaw: true},
	examples: []example{
		{"c integer", "a.h", "#define MIN_PG 190000\n", Finder{Symbol: "MIN_PG"}, "", "1:9 MIN_PG 19.0 c-int"},
		{"c old integer", "a.h", "#define MIN_PG 90624 /* 9.6.24 */\n", Finder{Symbol: "MIN_PG"}, "", "1:9 MIN_PG 9.6.24 c-int"},
		{"c hex", "a.h", "#define MIN_SSL 0x30000000L\n", Finder{Symbol: "MIN_SSL"}, "", "1:9 MIN_SSL 3.0.0 c-int"},
		{"c string", "a.h", "#define MIN \"1.2.3\"\n", Finder{Symbol: "MIN"}, "", "1:9 MIN 1.2.3 c-string"},
		{"c parts", "v.h", "#define NODE_MAJOR_VERSION 25\n#define NODE_MINOR_VERSION 1\n#define NODE_PATCH_VERSION 0\n", Finder{Symbol: "NODE_(MAJOR|MINOR|PATCH)_VERSION"}, "", "1:9 NODE_MAJOR_VERSION 25.1.0 c-parts"},
		{"c parts, marked", "v.h", "// relbot:gate m\n#define X_MAJOR 25\n#define X_MINOR 1\n#define X_PATCH 3\n", Finder{Marker: "m"}, "", "2:9 X_MAJOR 25.1.3 c-parts"},
		{"c macro call", "v.h", "#define MIN KERNEL_VERSION(5, 4, 0)\n", Finder{Symbol: "MIN"}, "", "1:9 MIN 5.4.0 c-call"},
		{"block heading by name", "h.cpp", "void f() {\n    add(history, \"25.12\",\n    {\n        {\"other\", 0, 1, \"x 1.0\"},\n        {\"max_rows\", 0, 100, \"New\"},\n    });\n    add(history, \"25.11\", {\n        {\"older\", 0, 1, \"y\"},\n    });\n}\n", Finder{Symbol: "max_rows"}, "", "5:11 max_rows 25.12 c-heading"},
		{"block heading, marked", "h.cpp", "add(history, \"25.11\", {\n    {\"a\", 0, 1, \"x\"},\n    {\"b\", 0, 100, \"New\"}, // relbot:gate m\n});\n", Finder{Marker: "m"}, "", "3:7 b 25.11 c-heading"},
		{"c hex, up to 1.1.1", "a.h", "#define MINSSL 0x1010100fL\n", Finder{Symbol: "MINSSL"}, "", "1:9 MINSSL 1.1.1 c-int"},
		{"c macro condition", "a.cc", "#if NODE_VERSION_AT_LEAST(26, 3, 0) // relbot:gate m\n", Finder{Marker: "m"}, "", "1:1  26.3.0 c-call"},
		{"not in a c++ raw string", "a.cc", "auto d = R\"x(\n#define MIN \"9.9.9\"\n)x\";\n#define MIN \"1.2.3\"\n", Finder{Symbol: "MIN"}, "", "4:9 MIN 1.2.3 c-string"},
		{"c++ braces", "a.cc", "const Version kMin{1, 2, 3};\n", Finder{Symbol: "kMin"}, "", "1:15 kMin 1.2.3 c-tuple"},
		{"c define over lines", "a.h", "#define MIN_VERSION \\\n  \"1.2.3\"\n", Finder{Symbol: "MIN_VERSION"}, "", "1:9 MIN_VERSION 1.2.3 c-string"},
	},
})
