package find

import (
	"strings"
)

// Protocol Buffers.
var _ = register(language{
	form: "proto", suffixes: ".proto",
	lexer:  slashes,
	starts: protoOption,
	examples: []example{
		{"protobuf option", "a.proto", "message X {\n  option (versionpb.etcd_version_msg) = \"3.6\";\n}\n", Finder{Symbol: "etcd_version_msg"}, "", "2:21 etcd_version_msg 3.6 proto-string"},
	},
})

// protoOption is where the value starts of an option: (package.option) = ….
func protoOption(_, rest string) int {
	option, ok := strings.CutPrefix(rest, ")")
	if !ok {
		return -1
	}
	m := assigned.FindStringSubmatchIndex(option)
	if m == nil {
		return -1
	}
	return len(")") + m[2]
}
