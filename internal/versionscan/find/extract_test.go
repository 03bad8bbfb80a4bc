package find

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/release"
)

var update = flag.Bool("update", false, "write docs/gates.md")

// forms is one example of each form in which gates are written: path, text, how it is found, and what has to be found.
var forms = []struct {
	name, path, text string
	find             Finder
	scheme           release.Scheme
	want             string // "line:column name value form"
}{
	{"rust const", "a.rs", "use x;\nconst V143: Version = Version::new(0, 143, 0);\n", Finder{Symbol: "V143"}, "", "2:7 V143 0.143.0 rust-const"},
	{"rust pub const", "a.rs", "pub(crate) const V26_1: Version = Version::new(26, 1, 0);\n", Finder{Symbol: "V26_1"}, "", "1:18 V26_1 26.1.0 rust-const"},
	{"rust lazy struct", "a.rs", "static V140_DEV0: LazyLock<Version> = LazyLock::new(|| Version {\n    major: 0,\n    minor: 140,\n    patch: 0,\n    pre: Prerelease::new(\"dev.0\").expect(\"ok\"),\n    build: BuildMetadata::EMPTY,\n});\n", Finder{Symbol: "V140_DEV0"}, "", "1:8 V140_DEV0 0.140.0-dev.0 rust-struct"},
	{"rust struct, empty pre", "a.rs", "static V154_DEV0: Lazy<Version> = Lazy::new(|| Version {\n    major: 0,\n    minor: 154,\n    patch: 0,\n    pre: Prerelease::new(\"\").expect(\"dev.0 is valid\"),\n});\n", Finder{Symbol: "V154_DEV0"}, "", "1:8 V154_DEV0 0.154.0 rust-struct"},
	{"rust parse", "a.rs", "static MIN: Lazy<Version> = Lazy::new(|| Version::parse(\"26.1.0-dev.0\").unwrap());\n", Finder{Symbol: "MIN"}, "", "1:8 MIN 26.1.0-dev.0 rust-parse"},
	{"rust tuple", "a.rs", "const X_MIN_VERSION: (u8, u8, u16) = (0, 2, 120);\n", Finder{Symbol: "X_MIN_VERSION"}, "", "1:7 X_MIN_VERSION 0.2.120 rust-tuple"},
	{"go call", "a.go", "var minVersion = semver.MustParse(\"1.2.3\")\n", Finder{Symbol: "minVersion"}, "", "1:5 minVersion 1.2.3 go-call"},
	{"go const", "a.go", "const (\n\tMin = \"1.34\"\n)\n", Finder{Symbol: "Min"}, "", "2:2 Min 1.34 go-const"},
	{"go typed const", "a.go", "const Min string = \"1.34\"\n", Finder{Symbol: "Min"}, "", "1:7 Min 1.34 go-const"},
	{"go feature gate", "a.go", "var defaults = map[F][]S{\n\tMyFeature: {\n\t\t{Version: version.MustParse(\"1.34\"), Default: false, PreRelease: Alpha},\n\t},\n}\n", Finder{Symbol: "MyFeature"}, "", "2:2 MyFeature 1.34 go-call"},
	{"go table", "a.go", "var t = T{\n\tV25_4_Start: {Major: 25, Minor: 4, Internal: 2},\n}\n", Finder{Symbol: "V25_4_Start"}, "", "2:2 V25_4_Start 25.4 go-struct"},
	{"python string", "a.py", "MIN_VERSION = \"3.1.0\"  # not 3.0\n", Finder{Symbol: "MIN_VERSION"}, "", "1:1 MIN_VERSION 3.1.0 py-string"},
	{"python tuple", "a.py", "VERSION = (6, 1, 0, \"alpha\", 0)\n", Finder{Symbol: "VERSION"}, "", "1:1 VERSION 6.1.0-alpha.0 py-tuple"},
	{"python annotated", "a.py", "MIN: Final = \"2026.4\"\n", Finder{Symbol: "MIN"}, "", "1:1 MIN 2026.4 py-string"},
	{"python keyword", "a.py", "report(\n    hass,\n    breaks_in_ha_version=\"2026.4.0\",\n)\n", Finder{Symbol: "breaks_in_ha_version"}, "", "3:5 breaks_in_ha_version 2026.4.0 py-string"},
	{"python class", "a.py", "class RemovedInDjango61Warning(DeprecationWarning):\n    pass\n", Finder{Symbol: "RemovedIn\\w+"}, "", "1:7 RemovedInDjango61Warning 6.1 py-class"},
	{"typescript", "a.ts", "export const MIN_VERSION: string = \"0.11.10\";\n", Finder{Symbol: "MIN_VERSION"}, "", "1:14 MIN_VERSION 0.11.10 js-const"},
	{"java", "A.java", "class A {\n  static final String SINCE = \"4.1.0\";\n}\n", Finder{Symbol: "SINCE"}, "", "2:23 SINCE 4.1.0 java-const"},
	{"java enum", "A.java", "enum V {\n  IBP_4_0_IV0(25, \"4.0\", \"IV0\", true),\n  IBP_4_1_IV0(26, \"4.1\", \"IV0\", false);\n}\n", Finder{Symbol: "IBP_4_1_IV0"}, "", "3:3 IBP_4_1_IV0 4.1 java-call"},
	{"kotlin", "a.kt", "const val SINCE = \"1.9.0\"\n", Finder{Symbol: "SINCE"}, "", "1:11 SINCE 1.9.0 java-const"},
	{"c integer", "a.h", "#define MIN_PG 190000\n", Finder{Symbol: "MIN_PG"}, "", "1:9 MIN_PG 19.0 c-int"},
	{"c old integer", "a.h", "#define MIN_PG 90624 /* 9.6.24 */\n", Finder{Symbol: "MIN_PG"}, "", "1:9 MIN_PG 9.6.24 c-int"},
	{"c hex", "a.h", "#define MIN_SSL 0x30000000L\n", Finder{Symbol: "MIN_SSL"}, "", "1:9 MIN_SSL 3.0.0 c-int"},
	{"c string", "a.h", "#define MIN \"1.2.3\"\n", Finder{Symbol: "MIN"}, "", "1:9 MIN 1.2.3 c-string"},
	{"ruby dsl", "a.rb", "# relbot:gate m\nmilestone '18.10'\n", Finder{Marker: "m"}, "", "2:11  18.10 ruby-string"},
	{"php call", "a.php", "<?php\n// relbot:gate m\ntrigger_deprecation('symfony/http-kernel', '8.1', 'Old.');\n", Finder{Marker: "m"}, "", "3:44  8.1 php-call"},
	{"swift", "a.swift", "@available(SwiftStdlib 6.3, *) // relbot:gate m\n", Finder{Marker: "m"}, "", "1:24  6.3 swift-const"},
	{"sql comment", "a.sql", "-- relbot:gate m\nINSERT INTO v VALUES ('2.3.0');\n", Finder{Marker: "m"}, "", "2:23  2.3.0 sql-call"},
	{"helm range", "a.tpl", "{{- if semverCompare \">=1.33-0\" .Capabilities.KubeVersion.GitVersion }} {{/* relbot:gate m */}}\n", Finder{Marker: "m"}, "", "1:22  1.33 range"},
	{"dockerfile", "Dockerfile", "FROM x\nARG BASE_VERSION=1.4.2\n", Finder{Symbol: "BASE_VERSION"}, "", "2:5 BASE_VERSION 1.4.2 dockerfile"},
	{"yaml", "Chart.yaml", "name: x\nappVersion: v26.12.0 # relbot:gate m\n", Finder{Marker: "m"}, "", "2:1 appVersion 26.12.0 yaml"},
	{"yaml path", "Chart.yaml", "a:\n  b: [1.10, 18.10]\n", Finder{Selector: versionscan.Selector{YAML: "a.b[1]"}}, "", "2:13  18.10 yaml"},
	{"toml path", "Cargo.toml", "[package]\nname = \"x\"\nversion = \"1.2.3-dev.0\"\n", Finder{Selector: versionscan.Selector{TOML: "package.version"}}, "", "3:12  1.2.3-dev.0 toml"},
	{"json path", "p.json", "{\n  // comment\n  \"version\": \"1.2.3\",\n}\n", Finder{Selector: versionscan.Selector{JSON: "version"}}, "", "3:15  1.2.3 json"},
	{"pattern", "a.txt", "since 26.20 of it\n", Finder{Selector: versionscan.Selector{Pattern: `since (?P<version>\S+)`}}, "", "1:7  26.20 pattern"},
	{"pattern of parts", "a.txt", "v26_20\n", Finder{Selector: versionscan.Selector{Pattern: `v(?P<major>\d+)_(?P<minor>\d+)`}}, "", "1:2  26.20 pattern"},
	{"pattern of a symbol", "a.rs", "const V26_1_0: Version = Version::new(26, 1, 0);\nfn f() { if at(&V26_1_0) { 65534 } }\n", Finder{Selector: versionscan.Selector{Pattern: `(?P<symbol>V\d+_\d+_\d+)[^;]{0,40}65534`}}, "", "1:7 V26_1_0 26.1.0 rust-const"},
	{"placeholder", "a.rs", "const SINCE: &str = \"CURRENT_RUSTC_VERSION\";\n", Finder{Symbol: "SINCE"}, "", "1:7 SINCE placeholder rust-parse"},
	{"integer", "a.go", "const version254 = 254 // added x\n", Finder{Symbol: "version254"}, release.Integer, "1:7 version254 254 go-const"},
	{"rust raw string", "a.rs", "const TEXT: &str = r#\"const MIN: &str = \"1.0.0\";\"#;\nconst MIN: &str = \"2.0.0\";\n", Finder{Symbol: "MIN"}, "", "2:7 MIN 2.0.0 rust-parse"},
	{"rust nested comment", "a.rs", "/* /* */ const MIN: &str = \"1.0.0\"; */\nconst MIN: &str = \"2.0.0\";\n", Finder{Symbol: "MIN"}, "", "2:7 MIN 2.0.0 rust-parse"},
	{"rust attribute", "a.rs", "#[stable(feature = \"x\", since = \"1.98.0\")]\nfn f() {}\n", Finder{Symbol: "since"}, "", "1:25 since 1.98.0 rust-parse"},
	{"go feature gate and its constant", "a.go", "const MyFeature Feature = \"MyFeature\"\n\nvar defaults = T{\n\tMyFeature: {\n\t\t{Version: version.MustParse(\"1.34\")},\n\t},\n}\n", Finder{Symbol: "MyFeature"}, "", "4:2 MyFeature 1.34 go-call"},
	{"go feature gate, stages", "a.go", "var defaults = map[F][]S{\n\tMyFeature: {\n\t\t{Version: version.MustParse(\"1.30\"), Default: false},\n\t\t{Version: version.MustParse(\"1.34\"), Default: true},\n\t},\n}\n", Finder{Symbol: "MyFeature"}, "", "2:2 MyFeature 1.34 go-call"},
	{"go table, counted from the release before", "a.go", "var t = T{\n\tV25_4_Start: {Major: 25, Minor: 3, Internal: 2},\n}\n", Finder{Symbol: "V25_4_Start"}, "", "2:2 V25_4_Start 25.4 go-struct"},
	{"python call argument", "a.py", "steps = [\n    step(  # relbot:gate m\n        \"26.19.0-dev.0\",\n    ),\n]\n", Finder{Marker: "m"}, "", "3:9  26.19.0-dev.0 py-string"},
	{"python parts", "const.py", "MAJOR_VERSION: Final = 2026\nMINOR_VERSION: Final = 11\nPATCH_VERSION: Final = \"0.dev0\"\n", Finder{Symbol: "M\\w+_VERSION|PATCH_VERSION"}, release.PEP440, "1:1 MAJOR_VERSION 2026.11.0.dev0 py-parts"},
	{"python dict key", "a.py", "GATES = {\"min_version\": \"1.2.3\"}\n", Finder{Symbol: "min_version"}, "", "1:11 min_version 1.2.3 py-string"},
	{"pandas class", "a.py", "class Pandas4Warning(DeprecationWarning):\n", Finder{Symbol: "Pandas\\d+Warning"}, "", "1:7 Pandas4Warning 4 py-class"},
	{"c parts", "v.h", "#define NODE_MAJOR_VERSION 25\n#define NODE_MINOR_VERSION 1\n#define NODE_PATCH_VERSION 0\n", Finder{Symbol: "NODE_(MAJOR|MINOR|PATCH)_VERSION"}, "", "1:9 NODE_MAJOR_VERSION 25.1.0 c-parts"},
	{"c parts, marked", "v.h", "// relbot:gate m\n#define X_MAJOR 25\n#define X_MINOR 1\n#define X_PATCH 3\n", Finder{Marker: "m"}, "", "2:9 X_MAJOR 25.1.3 c-parts"},
	{"c macro call", "v.h", "#define MIN KERNEL_VERSION(5, 4, 0)\n", Finder{Symbol: "MIN"}, "", "1:9 MIN 5.4.0 c-call"},
	{"c condition", "x.c", "#if PG_VERSION_NUM >= 190000 // relbot:gate m\n", Finder{Marker: "m"}, "", "1:23  19.0 c-int"},
	{"ruby dsl by name", "a.rb", "class X < Migration\n  milestone '18.6'\nend\n", Finder{Symbol: "milestone"}, "", "2:3 milestone 18.6 ruby-call"},
	{"php call by name", "a.php", "<?php\ntrigger_deprecation('symfony/http-kernel', '8.1', 'Old.');\n", Finder{Symbol: "trigger_deprecation"}, "", "2:1 trigger_deprecation 8.1 php-call"},
	{"php docblock", "a.php", "<?php\n/**\n * relbot:gate m\n * @deprecated since 8.1\n */\n", Finder{Marker: "m"}, "", "4:22  8.1 php-comment"},
	{"swift by name", "a.swift", "@available(SwiftStdlib 6.3, *)\nfunc f() {}\n", Finder{Symbol: "SwiftStdlib"}, "", "1:12 SwiftStdlib 6.3 swift-call"},
	{"swift placeholder", "a.swift", "@available(SwiftStdlib 9999, *) // relbot:gate m\n", Finder{Marker: "m"}, "", "1:24  placeholder swift-const"},
	{"kotlin dsl", "a.kt", "DeprecationLogger.deprecate(\"x\").willBeRemovedInGradle10()\n", Finder{Symbol: "willBeRemovedInGradle\\d+"}, "", "1:34 willBeRemovedInGradle10 10 java-name"},
	{"sql comment with the version", "a.sql", "-- since 2.3.0, relbot:gate m\nSELECT 1;\n", Finder{Marker: "m"}, "", "1:10  2.3.0 sql-comment"},
	{"helm range by name", "a.tpl", "{{- if semverCompare \">=1.33-0\" .Capabilities.KubeVersion.GitVersion }}\n", Finder{Symbol: "semverCompare"}, "", "1:8 semverCompare 1.33 range"},
	{"dockerfile line", "Dockerfile", "FROM base:26.4.0 AS b # relbot:gate m\n", Finder{Marker: "m"}, "", "1:6 base 26.4.0 dockerfile"},
	{"front matter", "v.md", "---\ntitle: x\nreleased: v26.33.0\n---\n# x\n", Finder{Symbol: "released"}, "", "3:1 released 26.33.0 md"},
	{"yaml in a html comment", "api.md", "## f()\n<!-- YAML\nadded: v25.1.0\n-->\n", Finder{Symbol: "added"}, "", "3:1 added 25.1.0 md"},
	{"yaml in a html comment, placeholder", "api.md", "<!-- YAML relbot:gate m\nadded: REPLACEME\n-->\n", Finder{Marker: "m"}, "", "2:1 added placeholder md"},
	{"block heading by name", "h.cpp", "void f() {\n    add(history, \"25.12\",\n    {\n        {\"other\", 0, 1, \"x 1.0\"},\n        {\"max_rows\", 0, 100, \"New\"},\n    });\n    add(history, \"25.11\", {\n        {\"older\", 0, 1, \"y\"},\n    });\n}\n", Finder{Symbol: "max_rows"}, "", "5:11 max_rows 25.12 c-heading"},
	{"block heading, marked", "h.cpp", "add(history, \"25.11\", {\n    {\"a\", 0, 1, \"x\"},\n    {\"b\", 0, 100, \"New\"}, // relbot:gate m\n});\n", Finder{Marker: "m"}, "", "3:7 b 25.11 c-heading"},
	{"json key", "p.json", "{\"flag\": 1, \"expiry_milestone\": 154}\n", Finder{Symbol: "expiry_milestone"}, release.Integer, "1:14 expiry_milestone 154 json"},
	{"cmake parts", "CMakeLists.txt", "set(VERSION_MAJOR 24)\nset(VERSION_MINOR 8)\nset(VERSION_PATCH 9)\n", Finder{Symbol: "VERSION_(MAJOR|MINOR|PATCH)"}, "", "1:5 VERSION_MAJOR 24.8.9 parts"},
	{"rust quote as a character", "a.rs", "const Q: char = '\\\"';\nconst MIN: Version = Version::new(1, 2, 3);\nconst R: char = '\\'';\n", Finder{Symbol: "MIN"}, "", "2:7 MIN 1.2.3 rust-const"},
	{"rust raw byte string", "a.rs", "const Q: &[u8] = br#\"const MIN: Version = Version::new(9, 9, 9);\"#;\nconst MIN: Version = Version::new(1, 2, 3);\n", Finder{Symbol: "MIN"}, "", "2:7 MIN 1.2.3 rust-const"},
	{"rust call over lines, marked above", "a.rs", "vec![\n  // relbot:gate m\n  MigrationStep::replacement(\n    \"26.19.0-dev.0\",\n    CatalogItemType::View,\n    \"mz_catalog\",\n    \"x 1.0.0\",\n  ),\n]\n", Finder{Marker: "m"}, "", "4:5  26.19.0-dev.0 rust-parse"},
	{"rust struct literal, marked inside", "a.rs", "vec![\n  MigrationStep {\n    // relbot:gate m\n    version: Version::new(0, 149, 0),\n    object: X,\n  },\n]\n", Finder{Marker: "m"}, "", "4:5 version 0.149.0 rust-const"},
	{"rust tuple in an option", "a.rs", "pub const X_SHIPPED_IN: Option<(u8, u8, u16)> = Some((0, 2, 120));\n", Finder{Symbol: "X_SHIPPED_IN"}, "", "1:11 X_SHIPPED_IN 0.2.120 rust-tuple"},
	{"go feature gate of another package", "a.go", "package f\n\nvar d = map[F]S{\n\tgenericfeatures.PodLevelResources: {\n\t\t{Version: version.MustParse(\"1.32\"), Default: false, PreRelease: featuregate.Alpha},\n\t},\n}\n", Finder{Symbol: "PodLevelResources"}, "", "4:18 PodLevelResources 1.32 go-call"},
	{"go table, final", "a.go", "package cv\n\nvar versionTable = [numKeys]roachpb.Version{\n\tV25_4: {Major: 25, Minor: 4, Internal: 0},\n}\n", Finder{Symbol: "V25_4"}, "", "4:2 V25_4 25.4 go-struct"},
	{"go back quote as a rune", "a.go", "package a\n\nvar r = '`'\nconst Min = \"1.2\"\nvar q = '`'\n", Finder{Symbol: "Min"}, "", "4:7 Min 1.2 go-const"},
	{"go struct field", "a.go", "package a\n\nvar p = ParamItem{Key: \"x\", GateVersion: \"2.6.23\"}\n", Finder{Symbol: "GateVersion"}, "", "3:29 GateVersion 2.6.23 go-const"},
	{"python comparison", "a.py", "AIRFLOW_V_3_1_PLUS = get_base_airflow_version_tuple() >= (3, 1, 0)\n", Finder{Symbol: "AIRFLOW_V_3_1_PLUS"}, "", "1:1 AIRFLOW_V_3_1_PLUS 3.1.0 py-tuple"},
	{"python keyword without a patch number", "a.py", "report(breaks_in_ha_version=\"2026.4\")\n", Finder{Symbol: "breaks_in_ha_version"}, release.Calver, "1:8 breaks_in_ha_version 2026.4 py-string"},
	{"not in a docstring", "a.py", "\"\"\"\nMIN = \"9.9\"\n\"\"\"\nMIN = \"1.2\"\n", Finder{Symbol: "MIN"}, "", "4:1 MIN 1.2 py-string"},
	{"typescript static", "a.ts", "class A { static readonly MIN: string = \"1.2.3\"; }\n", Finder{Symbol: "MIN"}, "", "1:27 MIN 1.2.3 js-const"},
	{"javascript, behind a pattern", "a.js", "const r = /`/;\nconst MIN = \"1.2.3\";\nconst q = /[\"`]/;\n", Finder{Symbol: "MIN"}, "", "2:7 MIN 1.2.3 js-const"},
	{"not in a java text block", "A.java", "class A {\n  String D = \"\"\"\n    static final String MIN = \"9.9\";\n    \"\"\";\n  static final String MIN = \"1.2\";\n}\n", Finder{Symbol: "MIN"}, "", "5:23 MIN 1.2 java-const"},
	{"java annotation", "A.java", "@Deprecated(since = \"4.1\", forRemoval = true)\nclass A {}\n", Finder{Symbol: "since"}, "", "1:13 since 4.1 java-const"},
	{"java docblock", "A.java", "/**\n * X.\n *\n * @since 9.6 relbot:gate m\n */\nclass A {}\n", Finder{Marker: "m"}, "", "4:11  9.6 java-comment"},
	{"not in a kotlin raw string", "a.kt", "val d = \"\"\"\nconst val MIN = \"9.9\"\n\"\"\"\nconst val MIN = \"1.9\"\n", Finder{Symbol: "MIN"}, "", "4:11 MIN 1.9 java-const"},
	{"kotlin annotation", "a.kt", "@SinceKotlin(\"2.2\")\nfun f() {}\n", Finder{Symbol: "SinceKotlin"}, "", "1:2 SinceKotlin 2.2 java-call"},
	{"c hex, up to 1.1.1", "a.h", "#define MINSSL 0x1010100fL\n", Finder{Symbol: "MINSSL"}, "", "1:9 MINSSL 1.1.1 c-int"},
	{"c macro condition", "a.cc", "#if NODE_VERSION_AT_LEAST(26, 3, 0) // relbot:gate m\n", Finder{Marker: "m"}, "", "1:1  26.3.0 c-call"},
	{"not in a c++ raw string", "a.cc", "auto d = R\"x(\n#define MIN \"9.9.9\"\n)x\";\n#define MIN \"1.2.3\"\n", Finder{Symbol: "MIN"}, "", "4:9 MIN 1.2.3 c-string"},
	{"c++ braces", "a.cc", "const Version kMin{1, 2, 3};\n", Finder{Symbol: "kMin"}, "", "1:15 kMin 1.2.3 c-tuple"},
	{"ruby constant", "a.rb", "module A\n  MIN_VERSION = Gem::Version.new('3.2.0').freeze\nend\n", Finder{Symbol: "MIN_VERSION"}, "", "2:3 MIN_VERSION 3.2.0 ruby-call"},
	{"not in a ruby comment block", "a.rb", "=begin\nMIN = '9.9'\n=end\nMIN = '1.2'\n", Finder{Symbol: "MIN"}, "", "4:1 MIN 1.2 ruby-string"},
	{"not in a ruby heredoc", "a.rb", "X = <<~EOS\n  MIN = \"9.9\"\nEOS\nMIN = \"1.2\"\n", Finder{Symbol: "MIN"}, "", "4:1 MIN 1.2 ruby-string"},
	{"ruby hash", "a.rb", "G = { :min_version => \"1.2.3\" }\n", Finder{Symbol: "min_version"}, "", "1:8 min_version 1.2.3 ruby-string"},
	{"php attribute", "a.php", "<?php\n#[Deprecated(since: '8.1')]\nfunction f() {}\n", Finder{Symbol: "since"}, "", "2:14 since 8.1 php-string"},
	{"php define", "a.php", "<?php\ndefine('MIN_VERSION', '8.1.0');\n", Finder{Symbol: "MIN_VERSION"}, "", "2:9 MIN_VERSION 8.1.0 php-string"},
	{"not in a php heredoc", "a.php", "<?php\n$x = <<<EOT\nconst MIN = '9.9';\nEOT;\nconst MIN = '1.2';\n", Finder{Symbol: "MIN"}, "", "5:7 MIN 1.2 php-string"},
	{"php variable", "a.php", "<?php\n$minVersion = '1.2.3';\n", Finder{Symbol: "minVersion"}, "", "2:1 minVersion 1.2.3 php-string"},
	{"swift availability word", "a.swift", "@available(macOS, introduced: 14.0, deprecated: 15.1)\nfunc f() {}\n", Finder{Symbol: "deprecated"}, "", "1:37 deprecated 15.1 swift-const"},
	{"swift availability macro", "availability-macros.def", "# x\nSwiftStdlib 6.2:macOS 26.0, iOS 26.0\nSwiftStdlib 6.3:macOS 9999, iOS 9999 # relbot:gate m\n", Finder{Marker: "m"}, "", "3:13  6.3 const"},
	{"helm range with both ends", "templates/a.yaml", "# relbot:gate m\n{{- if semverCompare \">=1.32-0 <1.34-0\" .Capabilities.KubeVersion.Version }}\nkind: X\n{{- end }}\n", Finder{Marker: "m"}, "", "2:22  1.32 range"},
	{"helm upper bound", "templates/a.yaml", "# relbot:gate m\n{{- if semverCompare \"<1.34-0\" .Capabilities.KubeVersion.Version }}\nkind: X\n{{- end }}\n", Finder{Marker: "m"}, "", "2:22  1.34 range"},
	{"helm chart range", "Chart.yaml", "apiVersion: v2\nname: x\nkubeVersion: \">= 1.29.0-0 < 1.35.0\"\n", Finder{Symbol: "kubeVersion"}, "", "3:1 kubeVersion 1.29.0 range"},
	{"dockerfile, registry with a port", "Dockerfile", "FROM reg:5000/base:26.4.0 # relbot:gate m\n", Finder{Marker: "m"}, "", "1:15 base 26.4.0 dockerfile"},
	{"dockerfile by suffix", "app.Dockerfile", "ARG V_MIN=1.4.2\n", Finder{Symbol: "V_MIN"}, "", "1:5 V_MIN 1.4.2 dockerfile"},
	{"front matter, not the prose", "a.md", "---\ntitle: \"Materialize v26.34\"\ndate: 2026-07-21\nreleased: true\npatch: 1\nsince: v26.34.0\n---\n\nsince: v1.0.0\n", Finder{Symbol: "since"}, "", "6:1 since 26.34.0 md"},
	{"properties", "gradle.properties", "group=x\nversion=4.2.0-SNAPSHOT\n", Finder{Symbol: "version"}, "", "2:1 version 4.2.0-SNAPSHOT properties"},
	{"xml path", "a.csproj", "<Project><PropertyGroup><VersionPrefix>1.2.3</VersionPrefix></PropertyGroup></Project>", Finder{Selector: versionscan.Selector{XML: "Project.PropertyGroup.VersionPrefix"}}, "", "1:40  1.2.3 xml"},
	{"protobuf option", "a.proto", "message X {\n  option (versionpb.etcd_version_msg) = \"3.6\";\n}\n", Finder{Symbol: "etcd_version_msg"}, "", "2:21 etcd_version_msg 3.6 proto-string"},
	{"c#", "A.cs", "public static readonly Version Min = new Version(17, 0, 1);\n", Finder{Symbol: "Min"}, "", "1:32 Min 17.0.1 cs-call"},
	{"shell", "a.sh", "MIN_VERSION=\"1.2.3\"\nexport OTHER=2\n", Finder{Symbol: "MIN_VERSION"}, "", "1:1 MIN_VERSION 1.2.3 sh-string"},
	{"anchored symbol", "a.rs", "const V143: Version = Version::new(0, 143, 0);\n", Finder{Symbol: "^V143$"}, "", "1:7 V143 0.143.0 rust-const"},
	{"four parts", "a.txt", "x: 24.8.9.1-lts # relbot:gate m\n", Finder{Marker: "m"}, release.Dotted, "1:1 x 24.8.9.1 const"},
	{"terraform range", "a.tf", "terraform {\n  required_version = \">= 1.9.0, < 2.0.0\"\n}\n", Finder{Symbol: "required_version"}, "", "2:3 required_version 1.9.0 range"},
	{"range at a path", "package.json", "{\"engines\": {\"node\": \">=20.11\"}}", Finder{Selector: versionscan.Selector{JSON: "engines.node"}}, "", "1:23  20.11 json"},
	{"rust, another constant", "a.rs", "const V26_19_0: Version = Version::new(26, 19, 0);\nconst MIN_GATE: Version = V26_19_0;\n", Finder{Symbol: "MIN_GATE"}, "", "2:7 MIN_GATE 26.19.0 rust-const"},
	{"java, another constant", "A.java", "enum M {\n IBP_4_1_IV0(26, \"4.1\", \"IV0\", false);\n public static final M LATEST_PRODUCTION = IBP_4_1_IV0;\n}\n", Finder{Symbol: "LATEST_PRODUCTION"}, "", "3:24 LATEST_PRODUCTION 4.1 java-const"},
	{"python, another class", "a.py", "class RemovedInDjango61Warning(DeprecationWarning):\n    pass\n\nRemovedInNextVersionWarning = RemovedInDjango61Warning\n", Finder{Symbol: "RemovedInNextVersionWarning"}, "", "4:1 RemovedInNextVersionWarning 6.1 py-const"},
	{"java packed number", "A.java", "static final int MIN = 9_250_007;\n", Finder{Symbol: "MIN"}, release.Integer, "1:18 MIN 9250007 java-const"},
	{"rust grouped digits", "a.rs", "const MIN: i32 = 190_000;\n", Finder{Symbol: "MIN"}, "", "1:7 MIN 19.0 rust-int"},
	{"yaml image", "a.yaml", "image: reg:5000/base:26.4.0 # relbot:gate m\n", Finder{Marker: "m"}, "", "1:1 image 26.4.0 yaml"},
	{"c define over lines", "a.h", "#define MIN_VERSION \\\n  \"1.2.3\"\n", Finder{Symbol: "MIN_VERSION"}, "", "1:9 MIN_VERSION 1.2.3 c-string"},
	{"go build tag", "a.go", "//go:build go1.26 // relbot:gate m\n\npackage a\n", Finder{Marker: "m"}, "", "1:14  1.26 go-comment"},
	{"marker above an attribute", "a.rs", "// relbot:gate m\n#[allow(dead_code)]\nconst MIN: Version = Version::new(1, 2, 3);\n", Finder{Marker: "m"}, "", "3:7 MIN 1.2.3 rust-const"},
	{"marker above a comment", "a.rs", "/// relbot:gate m\n/// More words about 2 things.\nconst MIN: Version = Version::new(1, 2, 3);\n", Finder{Marker: "m"}, "", "3:7 MIN 1.2.3 rust-const"},
	{"ini", "a.ini", "; relbot:gate m\nmin_version = 1.2.3\n", Finder{Marker: "m"}, "", "2:1 min_version 1.2.3 ini"},
	{"go conversion", "a.go", "const minVersion = int64(254)\n", Finder{Symbol: "minVersion"}, release.Integer, "1:7 minVersion 254 go-const"},
	{"not in a comment", "a.go", "// const Min = \"1.0.0\"\nconst Min = \"2.0.0\"\n", Finder{Symbol: "Min"}, "", "2:7 Min 2.0.0 go-const"},
	{"not in a string", "a.py", "x = \"MIN = '1.0'\"\nMIN = '2.0'\n", Finder{Symbol: "MIN"}, "", "2:1 MIN 2.0 py-string"},
	{"not a use", "a.rs", "const MIN: Version = Version::new(1, 2, 0);\nfn f(v: Version) -> bool { v == MIN }\n", Finder{Symbol: "MIN"}, "", "1:7 MIN 1.2.0 rust-const"},
}

func TestForms(t *testing.T) {
	for _, c := range forms {
		t.Run(c.name, func(t *testing.T) {
			c.find.Path = c.path
			found, trouble := Gate(c.find, "m", c.scheme, map[string]versionscan.Fact[versionscan.File]{c.path: versionscan.Know(versionscan.File{Text: c.text})})
			if trouble != nil || !found.Known() {
				t.Fatalf("found nothing: %+v %s", trouble, found.Why)
			}
			f := found.Value
			value := f.Value.String()
			if f.Placeholder {
				value = "placeholder"
			}
			if got := fmt.Sprintf("%d:%d %s %s %s", f.Line, f.Column, f.Name, value, f.Form); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestFormsAreDocumented holds the page about forms against what the tests show.
func TestFormsAreDocumented(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Forms of version gates\n\n<!-- generated: make generate -->\n\n" +
		"Each row is a test: this text, found in this way, is this value. `symbol` is a pattern on the constant's name; a `marker` is a comment\n" +
		"`relbot:gate ID` on the constant's line or the line above. Comments and the texts of strings define nothing.\n\n" +
		"| form | source | found by | name | value | `form` |\n|---|---|---|---|---|---|\n")
	cell := func(s string) string {
		if s == "" {
			return ""
		}
		s = strings.NewReplacer("|", "\\|", "\n", " ⏎ ", "\t", "").Replace(strings.TrimSpace(s))
		return "`` " + strings.Join(strings.Fields(s), " ") + " ``"
	}
	for _, f := range forms {
		by := "marker"
		switch {
		case f.find.Symbol != "":
			by = "symbol " + cell(f.find.Symbol)
		case !f.find.Selector.IsZero():
			by = f.find.Selector.Form() + " " + cell(f.find.Pattern+f.find.TOML+f.find.JSON+f.find.YAML)
		}
		want := strings.Split(f.want, " ")
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", f.name, cell(f.text), by, cell(want[1]), cell(want[2]), cell(want[3]))
	}
	const path = "../../../docs/gates.md"
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != b.String() {
		t.Errorf("%s is not up to date (make generate): %v", path, err)
	}
}

func TestTroubles(t *testing.T) {
	know := func(text string) versionscan.Fact[versionscan.File] {
		return versionscan.Know(versionscan.File{Text: text})
	}
	for name, c := range map[string]struct {
		files map[string]versionscan.Fact[versionscan.File]
		find  Finder
		want  string
	}{
		"no file":                        {nil, Finder{Path: "a.go", Symbol: "X"}, "gate-missing"},
		"absent":                         {map[string]versionscan.Fact[versionscan.File]{"a.go": versionscan.None[versionscan.File]("")}, Finder{Path: "a.go", Symbol: "X"}, "gate-missing"},
		"binary":                         {map[string]versionscan.Fact[versionscan.File]{"a.go": versionscan.Know(versionscan.File{Binary: true})}, Finder{Path: "a.go", Symbol: "X"}, "gate-missing"},
		"invalid UTF-8":                  {map[string]versionscan.Fact[versionscan.File]{"a.go": know("const X = \"1.0\xff\"")}, Finder{Path: "a.go", Symbol: "X"}, "gate-missing"},
		"two that differ":                {map[string]versionscan.Fact[versionscan.File]{"a.go": know("const X = \"1.0\"\n"), "b.go": know("const X = \"1.1\"\n")}, Finder{Path: "*.go", Symbol: "X"}, "gate-ambiguous"},
		"two that agree":                 {map[string]versionscan.Fact[versionscan.File]{"a.go": know("const X = \"1.0\"\n"), "b.go": know("const X = \"1.0\"\n")}, Finder{Path: "*.go", Symbol: "X"}, ""},
		"no version":                     {map[string]versionscan.Fact[versionscan.File]{"a.go": know("const X = \"soon\"\n")}, Finder{Path: "a.go", Symbol: "X"}, "gate-unparsable"},
		"unread":                         {map[string]versionscan.Fact[versionscan.File]{"a.go": versionscan.NotKnown[versionscan.File]("an outage")}, Finder{Path: "a.go", Symbol: "X"}, "unknown"},
		"another marker":                 {map[string]versionscan.Fact[versionscan.File]{"a.go": know("// relbot:gate other\nconst X = \"1.0\"\n")}, Finder{Path: "a.go", Marker: "m"}, "gate-missing"},
		"a number below none":            {map[string]versionscan.Fact[versionscan.File]{"a.json": know("{\"expiry_milestone\": -1}\n")}, Finder{Path: "a.json", Symbol: "expiry_milestone"}, "gate-unparsable"},
		"a sum":                          {map[string]versionscan.Fact[versionscan.File]{"a.rs": know("const MIN: u32 = 5 * 4;\n")}, Finder{Path: "a.rs", Symbol: "MIN"}, "gate-unparsable"},
		"other constants":                {map[string]versionscan.Fact[versionscan.File]{"a.rs": know("const MIN: Version = Version::new(MAJOR, 20, 0);\n")}, Finder{Path: "a.rs", Symbol: "MIN"}, "gate-unparsable"},
		"a choice":                       {map[string]versionscan.Fact[versionscan.File]{"a.ts": know("const MIN = beta ? \"1.2.3\" : \"1.3.0\";\n")}, Finder{Path: "a.ts", Symbol: "MIN"}, "gate-unparsable"},
		"a choice of two":                {map[string]versionscan.Fact[versionscan.File]{"a.py": know("MIN = \"1.2\" if A else \"1.3\"\n")}, Finder{Path: "a.py", Symbol: "MIN"}, "gate-unparsable"},
		"put together":                   {map[string]versionscan.Fact[versionscan.File]{"a.py": know("MIN = \"26.\" + \"20\"\n")}, Finder{Path: "a.py", Symbol: "MIN"}, "gate-unparsable"},
		"constants in turn":              {map[string]versionscan.Fact[versionscan.File]{"a.go": know("const A = B\nconst B = A\nconst V1 = V2\nconst V2 = V1\n")}, Finder{Path: "a.go", Symbol: "V1"}, "gate-unparsable"},
		"a pattern that matches nothing": {map[string]versionscan.Fact[versionscan.File]{"a.txt": know("x")}, Finder{Path: "a.txt", Selector: versionscan.Selector{Pattern: `(?P<version>\d*)`}}, "gate-unparsable"},
		"many that differ":               {map[string]versionscan.Fact[versionscan.File]{"a.txt": know(strings.Repeat("v1 v2 ", 5000))}, Finder{Path: "a.txt", Selector: versionscan.Selector{Pattern: `v(?P<version>\d)`}}, "gate-ambiguous"},
	} {
		t.Run(name, func(t *testing.T) {
			found, trouble := Gate(c.find, "m", "", c.files)
			got := ""
			switch {
			case trouble != nil:
				got = trouble.Code
			case found.Unknown():
				got = "unknown"
			}
			if got != c.want {
				t.Errorf("got %q (%+v %+v), want %q", got, found, trouble, c.want)
			}
		})
	}
}

func TestNamesAndValues(t *testing.T) {
	for _, c := range []struct {
		name, value string
		disagree    bool
	}{
		{"V143", "0.143.0", false}, {"V26_1_0", "26.1.0-dev.0", false}, {"V154_DEV0", "0.154.0", true}, {"V140_DEV0", "0.140.0-dev.0", false},
		{"V26_33_0", "26.32.0-dev.0", true}, {"IBP_4_1_IV0", "4.1", false}, {"IBP_4_1_IV0", "4.2", true}, {"AIRFLOW_V_3_1_PLUS", "3.1.0", false},
		{"RemovedInDjango61Warning", "6.1", false}, {"MIN_VERSION", "1.2.3", false}, {"V1_5_0", "1.6.0", true},
		{"V26_20_0_RC1", "26.20.0-rc.1", false}, {"V26_20_0_RC1", "26.20.0-rc.2", true}, {"V26_20_0_RC1", "26.20.0-dev.0", true}, {"V26_20_0_DEV", "26.20.0-dev.3", false},
		{"version254", "254", false}, {"version254", "253", true}, {"v26_28_0", "26.27.0", true}, {"SHA256_MIN", "26.27.0", false}, {"RemovedInDjango610Warning", "6.1.0", false},
	} {
		v, err := release.Semver.Parse(c.value)
		if err != nil {
			t.Fatal(err)
		}
		if got := disagreement(c.name, v); (got != "") != c.disagree {
			t.Errorf("%s = %s: %q", c.name, c.value, got)
		}
	}
}

// TestConstantsThatContradictThemselves finds constants whose parts do not agree.
func TestConstantsThatContradictThemselves(t *testing.T) {
	for text, want := range map[string]string{
		"enum V {\n  A_1(1, \"1.0\"),\n  IBP_4_1_IV0(26, \"4.1\", \"IV0\", false);\n}\n":                         "",
		"enum V {\n  IBP_4_1_IV0(26, \"4.2\", \"IV0\", false);\n}\n":                                             "the name IBP_4_1_IV0 says 4.1, the value is 4.2",
		"enum V {\n  IBP_4_1_IV0(26, \"4.1\", \"IV1\", false);\n}\n":                                             "the name IBP_4_1_IV0 says IV0, the arguments say IV1",
		"enum V {\n  IBP_4_0_IV0(26, \"4.0\", \"IV0\", true),\n  IBP_4_1_IV0(26, \"4.1\", \"IV0\", false);\n}\n": "the number 26 of IBP_4_1_IV0 does not follow the 26 of IBP_4_0_IV0 before it",
		"enum V {\n  IBP_4_1_IV0(7010299, \"7.1.2\");\n}\n":                                                      "the name IBP_4_1_IV0 says 4.1, the value is 7.1.2",
		"class V {\n  static final Version IBP_4_1_IV0 = new Version(4010299, \"4.1.3\");\n}\n":                  "the number 4010299 says 4.1.2, the text says 4.1.3",
	} {
		all := Gates(Finder{Path: "V.java", Symbol: "IBP_4_1_IV0"}, "", "", map[string]versionscan.Fact[versionscan.File]{"V.java": versionscan.Know(versionscan.File{Text: text})})
		if len(all) != 1 || all[0].Mismatch != want {
			t.Errorf("%s: %+v, want %q", text, all, want)
		}
	}
}

func FuzzFind(f *testing.F) {
	for _, c := range forms {
		f.Add(c.path, c.text, c.find.Symbol)
	}
	f.Fuzz(func(t *testing.T, path, text, symbol string) {
		if len(symbol) > 100 || len(text) > 1<<16 {
			return
		}
		files := map[string]versionscan.Fact[versionscan.File]{path: versionscan.Know(versionscan.File{Text: text})}
		for _, finder := range []Finder{{Path: path, Symbol: symbol}, {Path: path, Marker: "m"}} {
			found, trouble := Gate(finder, "m", "", files)
			if found.Known() == (trouble != nil) {
				t.Errorf("found %+v and %+v", found, trouble)
			}
			if fd := found.Value; found.Known() && (fd.Line < 1 || fd.Column < 1 || fd.Line > 1+strings.Count(text, "\n")) {
				t.Errorf("found at %d:%d", fd.Line, fd.Column)
			}
		}
		// What a text is passed over for must be nowhere in it.
		if re, err := regexp.Compile("^(?:" + symbol + ")$"); err == nil && symbol != "" && utf8.ValidString(text) {
			if fs := definitions(parseSource(path, text), "", re.MatchString); len(fs) > 0 && !(Finder{Symbol: symbol}).Concerns(text) {
				t.Errorf("%q does not concern %q, in which it finds %+v", text, symbol, fs)
			}
		}
		Discover(path, []byte(text), "")
		Claims(path, text, []int{0, 1, 2})
	})
}
