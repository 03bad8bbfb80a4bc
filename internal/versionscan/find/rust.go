package find

import (
	"github.com/relbot/relbot/internal/versionscan"
)

// Rust.
var _ = register(language{
	form: "rust", suffixes: ".rs",
	lexer: lexer{line: []string{"//"}, block: [][2]string{{"/*", "*/"}}, quotes: "\"", char: true, nested: true, raw: true},
	forms: map[string]string{"call": "rust-const", "string": "rust-parse"},
	examples: []example{
		{"rust const", "a.rs", "use x;\nconst V143: Version = Version::new(0, 143, 0);\n", Finder{Symbol: "V143"}, "", "2:7 V143 0.143.0 rust-const"},
		{"rust pub const", "a.rs", "pub(crate) const V26_1: Version = Version::new(26, 1, 0);\n", Finder{Symbol: "V26_1"}, "", "1:18 V26_1 26.1.0 rust-const"},
		{"rust lazy struct", "a.rs", "static V140_DEV0: LazyLock<Version> = LazyLock::new(|| Version {\n    major: 0,\n    minor: 140,\n    patch: 0,\n    pre: Prerelease::new(\"dev.0\").expect(\"ok\"),\n    build: BuildMetadata::EMPTY,\n});\n", Finder{Symbol: "V140_DEV0"}, "", "1:8 V140_DEV0 0.140.0-dev.0 rust-struct"},
		{"rust struct, empty pre", "a.rs", "static V154_DEV0: Lazy<Version> = Lazy::new(|| Version {\n    major: 0,\n    minor: 154,\n    patch: 0,\n    pre: Prerelease::new(\"\").expect(\"dev.0 is valid\"),\n});\n", Finder{Symbol: "V154_DEV0"}, "", "1:8 V154_DEV0 0.154.0 rust-struct"},
		{"rust parse", "a.rs", "static MIN: Lazy<Version> = Lazy::new(|| Version::parse(\"26.1.0-dev.0\").unwrap());\n", Finder{Symbol: "MIN"}, "", "1:8 MIN 26.1.0-dev.0 rust-parse"},
		{"rust tuple", "a.rs", "const X_MIN_VERSION: (u8, u8, u16) = (0, 2, 120);\n", Finder{Symbol: "X_MIN_VERSION"}, "", "1:7 X_MIN_VERSION 0.2.120 rust-tuple"},
		{"pattern of a symbol", "a.rs", "const V26_1_0: Version = Version::new(26, 1, 0);\nfn f() { if at(&V26_1_0) { 65534 } }\n", Finder{Selector: versionscan.Selector{Pattern: `(?P<symbol>V\d+_\d+_\d+)[^;]{0,40}65534`}}, "", "1:7 V26_1_0 26.1.0 rust-const"},
		{"placeholder", "a.rs", "const SINCE: &str = \"CURRENT_RUSTC_VERSION\";\n", Finder{Symbol: "SINCE"}, "", "1:7 SINCE placeholder rust-parse"},
		{"rust raw string", "a.rs", "const TEXT: &str = r#\"const MIN: &str = \"1.0.0\";\"#;\nconst MIN: &str = \"2.0.0\";\n", Finder{Symbol: "MIN"}, "", "2:7 MIN 2.0.0 rust-parse"},
		{"rust nested comment", "a.rs", "/* /* */ const MIN: &str = \"1.0.0\"; */\nconst MIN: &str = \"2.0.0\";\n", Finder{Symbol: "MIN"}, "", "2:7 MIN 2.0.0 rust-parse"},
		{"rust attribute", "a.rs", "#[stable(feature = \"x\", since = \"1.98.0\")]\nfn f() {}\n", Finder{Symbol: "since"}, "", "1:25 since 1.98.0 rust-parse"},
		{"rust quote as a character", "a.rs", "const Q: char = '\\\"';\nconst MIN: Version = Version::new(1, 2, 3);\nconst R: char = '\\'';\n", Finder{Symbol: "MIN"}, "", "2:7 MIN 1.2.3 rust-const"},
		{"rust raw byte string", "a.rs", "const Q: &[u8] = br#\"const MIN: Version = Version::new(9, 9, 9);\"#;\nconst MIN: Version = Version::new(1, 2, 3);\n", Finder{Symbol: "MIN"}, "", "2:7 MIN 1.2.3 rust-const"},
		{"rust call over lines, marked above", "a.rs", "vec![\n  // relbot:gate m\n  MigrationStep::replacement(\n    \"26.19.0-dev.0\",\n    CatalogItemType::View,\n    \"mz_catalog\",\n    \"x 1.0.0\",\n  ),\n]\n", Finder{Marker: "m"}, "", "4:5  26.19.0-dev.0 rust-parse"},
		{"rust struct literal, marked inside", "a.rs", "vec![\n  MigrationStep {\n    // relbot:gate m\n    version: Version::new(0, 149, 0),\n    object: X,\n  },\n]\n", Finder{Marker: "m"}, "", "4:5 version 0.149.0 rust-const"},
		{"rust tuple in an option", "a.rs", "pub const X_SHIPPED_IN: Option<(u8, u8, u16)> = Some((0, 2, 120));\n", Finder{Symbol: "X_SHIPPED_IN"}, "", "1:11 X_SHIPPED_IN 0.2.120 rust-tuple"},
		{"anchored symbol", "a.rs", "const V143: Version = Version::new(0, 143, 0);\n", Finder{Symbol: "^V143$"}, "", "1:7 V143 0.143.0 rust-const"},
		{"rust, another constant", "a.rs", "const V26_19_0: Version = Version::new(26, 19, 0);\nconst MIN_GATE: Version = V26_19_0;\n", Finder{Symbol: "MIN_GATE"}, "", "2:7 MIN_GATE 26.19.0 rust-const"},
		{"rust grouped digits", "a.rs", "const MIN: i32 = 190_000;\n", Finder{Symbol: "MIN"}, "", "1:7 MIN 19.0 rust-int"},
		{"marker above an attribute", "a.rs", "// relbot:gate m\n#[allow(dead_code)]\nconst MIN: Version = Version::new(1, 2, 3);\n", Finder{Marker: "m"}, "", "3:7 MIN 1.2.3 rust-const"},
		{"marker above a comment", "a.rs", "/// relbot:gate m\n/// More words about 2 things.\nconst MIN: Version = Version::new(1, 2, 3);\n", Finder{Marker: "m"}, "", "3:7 MIN 1.2.3 rust-const"},
		{"not a use", "a.rs", "const MIN: Version = Version::new(1, 2, 0);\nfn f(v: Version) -> bool { v == MIN }\n", Finder{Symbol: "MIN"}, "", "1:7 MIN 1.2.0 rust-const"},
	},
})
