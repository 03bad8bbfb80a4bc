package find

import (
	"github.com/relbot/relbot/internal/versionscan/release"
)

// Java.
var _ = register(language{
	form: "java", suffixes: ".java",
	lexer: java,
	forms: map[string]string{"string": "java-const"},
	examples: []example{
		{"java", "A.java", "class A {\n  static final String SINCE = \"4.1.0\";\n}\n", Finder{Symbol: "SINCE"}, "", "2:23 SINCE 4.1.0 java-const"},
		{"java enum", "A.java", "enum V {\n  IBP_4_0_IV0(25, \"4.0\", \"IV0\", true),\n  IBP_4_1_IV0(26, \"4.1\", \"IV0\", false);\n}\n", Finder{Symbol: "IBP_4_1_IV0"}, "", "3:3 IBP_4_1_IV0 4.1 java-call"},
		{"not in a java text block", "A.java", "class A {\n  String D = \"\"\"\n    static final String MIN = \"9.9\";\n    \"\"\";\n  static final String MIN = \"1.2\";\n}\n", Finder{Symbol: "MIN"}, "", "5:23 MIN 1.2 java-const"},
		{"java annotation", "A.java", "@Deprecated(since = \"4.1\", forRemoval = true)\nclass A {}\n", Finder{Symbol: "since"}, "", "1:13 since 4.1 java-const"},
		{"java docblock", "A.java", "/**\n * X.\n *\n * @since 9.6 relbot:gate m\n */\nclass A {}\n", Finder{Marker: "m"}, "", "4:11  9.6 java-comment"},
		{"java, another constant", "A.java", "enum M {\n IBP_4_1_IV0(26, \"4.1\", \"IV0\", false);\n public static final M LATEST_PRODUCTION = IBP_4_1_IV0;\n}\n", Finder{Symbol: "LATEST_PRODUCTION"}, "", "3:24 LATEST_PRODUCTION 4.1 java-const"},
		{"java packed number", "A.java", "static final int MIN = 9_250_007;\n", Finder{Symbol: "MIN"}, release.Integer, "1:18 MIN 9250007 java-const"},
	},
})
