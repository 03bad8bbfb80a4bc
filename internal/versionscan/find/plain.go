package find

import (
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/release"
)

// plain is the language of files of which nothing is known: no comment, no string, and any word may be a value.
var plain = &language{
	words: true,
	examples: []example{
		{"pattern", "a.txt", "since 26.20 of it\n", Finder{Selector: versionscan.Selector{Pattern: `since (?P<version>\S+)`}}, "", "1:7  26.20 pattern"},
		{"pattern of parts", "a.txt", "v26_20\n", Finder{Selector: versionscan.Selector{Pattern: `v(?P<major>\d+)_(?P<minor>\d+)`}}, "", "1:2  26.20 pattern"},
		{"swift availability macro", "availability-macros.def", "# x\nSwiftStdlib 6.2:macOS 26.0, iOS 26.0\nSwiftStdlib 6.3:macOS 9999, iOS 9999 # relbot:gate m\n", Finder{Marker: "m"}, "", "3:13  6.3 const"},
		{"xml path", "a.csproj", "<Project><PropertyGroup><VersionPrefix>1.2.3</VersionPrefix></PropertyGroup></Project>", Finder{Selector: versionscan.Selector{XML: "Project.PropertyGroup.VersionPrefix"}}, "", "1:40  1.2.3 xml"},
		{"four parts", "a.txt", "x: 24.8.9.1-lts # relbot:gate m\n", Finder{Marker: "m"}, release.Dotted, "1:1 x 24.8.9.1 const"},
	},
}
