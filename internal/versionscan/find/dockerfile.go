package find

import (
	"strings"
)

// Dockerfiles.
var _ = register(language{
	form: "dockerfile", suffixes: ".dockerfile .containerfile",
	files:   isDockerfile,
	lexer:   hashes,
	oneForm: true,
	words:   true,
	refuses: registryPort,
	examples: []example{
		{"dockerfile", "Dockerfile", "FROM x\nARG BASE_VERSION=1.4.2\n", Finder{Symbol: "BASE_VERSION"}, "", "2:5 BASE_VERSION 1.4.2 dockerfile"},
		{"dockerfile line", "Dockerfile", "FROM base:26.4.0 AS b # relbot:gate m\n", Finder{Marker: "m"}, "", "1:6 base 26.4.0 dockerfile"},
		{"dockerfile, registry with a port", "Dockerfile", "FROM reg:5000/base:26.4.0 # relbot:gate m\n", Finder{Marker: "m"}, "", "1:15 base 26.4.0 dockerfile"},
		{"dockerfile by suffix", "app.Dockerfile", "ARG V_MIN=1.4.2\n", Finder{Symbol: "V_MIN"}, "", "1:5 V_MIN 1.4.2 dockerfile"},
	},
})

func isDockerfile(base string) bool {
	return strings.HasPrefix(base, "Dockerfile") || strings.HasPrefix(base, "Containerfile")
}

// registryPort reports whether what follows a name is the port of a registry and the image there.
func registryPort(raw string) bool { return strings.Contains(raw, "/") && digit(raw[0]) }
