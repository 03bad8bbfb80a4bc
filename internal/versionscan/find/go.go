package find

import (
	"regexp"
	"strings"

	"github.com/relbot/relbot/internal/versionscan/release"
)

// Go.
var _ = register(language{
	form: "go", suffixes: ".go",
	lexer:  slashes,
	forms:  map[string]string{"string": "go-const"},
	starts: tableKey,
	examples: []example{
		{"go call", "a.go", "var minVersion = semver.MustParse(\"1.2.3\")\n", Finder{Symbol: "minVersion"}, "", "1:5 minVersion 1.2.3 go-call"},
		{"go const", "a.go", "const (\n\tMin = \"1.34\"\n)\n", Finder{Symbol: "Min"}, "", "2:2 Min 1.34 go-const"},
		{"go typed const", "a.go", "const Min string = \"1.34\"\n", Finder{Symbol: "Min"}, "", "1:7 Min 1.34 go-const"},
		{"go feature gate", "a.go", "var defaults = map[F][]S{\n\tMyFeature: {\n\t\t{Version: version.MustParse(\"1.34\"), Default: false, PreRelease: Alpha},\n\t},\n}\n", Finder{Symbol: "MyFeature"}, "", "2:2 MyFeature 1.34 go-call"},
		{"go table", "a.go", "var t = T{\n\tV25_4_Start: {Major: 25, Minor: 4, Internal: 2},\n}\n", Finder{Symbol: "V25_4_Start"}, "", "2:2 V25_4_Start 25.4 go-struct"},
		{"integer", "a.go", "const version254 = 254 // added x\n", Finder{Symbol: "version254"}, release.Integer, "1:7 version254 254 go-const"},
		{"go feature gate and its constant", "a.go", "const MyFeature Feature = \"MyFeature\"\n\nvar defaults = T{\n\tMyFeature: {\n\t\t{Version: version.MustParse(\"1.34\")},\n\t},\n}\n", Finder{Symbol: "MyFeature"}, "", "4:2 MyFeature 1.34 go-call"},
		{"go feature gate, stages", "a.go", "var defaults = map[F][]S{\n\tMyFeature: {\n\t\t{Version: version.MustParse(\"1.30\"), Default: false},\n\t\t{Version: version.MustParse(\"1.34\"), Default: true},\n\t},\n}\n", Finder{Symbol: "MyFeature"}, "", "2:2 MyFeature 1.34 go-call"},
		{"go table, counted from the release before", "a.go", "var t = T{\n\tV25_4_Start: {Major: 25, Minor: 3, Internal: 2},\n}\n", Finder{Symbol: "V25_4_Start"}, "", "2:2 V25_4_Start 25.4 go-struct"},
		{"go feature gate of another package", "a.go", "package f\n\nvar d = map[F]S{\n\tgenericfeatures.PodLevelResources: {\n\t\t{Version: version.MustParse(\"1.32\"), Default: false, PreRelease: featuregate.Alpha},\n\t},\n}\n", Finder{Symbol: "PodLevelResources"}, "", "4:18 PodLevelResources 1.32 go-call"},
		{"go table, final", "a.go", "package cv\n\nvar versionTable = [numKeys]roachpb.Version{\n\tV25_4: {Major: 25, Minor: 4, Internal: 0},\n}\n", Finder{Symbol: "V25_4"}, "", "4:2 V25_4 25.4 go-struct"},
		{"go back quote as a rune", "a.go", "package a\n\nvar r = '`'\nconst Min = \"1.2\"\nvar q = '`'\n", Finder{Symbol: "Min"}, "", "4:7 Min 1.2 go-const"},
		{"go struct field", "a.go", "package a\n\nvar p = ParamItem{Key: \"x\", GateVersion: \"2.6.23\"}\n", Finder{Symbol: "GateVersion"}, "", "3:29 GateVersion 2.6.23 go-const"},
		{"go build tag", "a.go", "//go:build go1.26 // relbot:gate m\n\npackage a\n", Finder{Marker: "m"}, "", "1:14  1.26 go-comment"},
		{"go conversion", "a.go", "const minVersion = int64(254)\n", Finder{Symbol: "minVersion"}, release.Integer, "1:7 minVersion 254 go-const"},
		{"not in a comment", "a.go", "// const Min = \"1.0.0\"\nconst Min = \"2.0.0\"\n", Finder{Symbol: "Min"}, "", "2:7 Min 2.0.0 go-const"},
	},
})

// tableKey is where the value starts of a table's entry whose key is a constant of another package: genericfeatures.X: {…}.
func tableKey(before, rest string) int {
	if !strings.HasSuffix(before, ".") || !keyedBlock.MatchString(rest) {
		return -1
	}
	return strings.IndexByte(rest, '{')
}

var keyedBlock = regexp.MustCompile(`^\s*:\s*\{`)
