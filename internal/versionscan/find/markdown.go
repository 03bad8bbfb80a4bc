package find

import (
	"regexp"
)

// Markdown.
var _ = register(language{
	form: "md", suffixes: ".md",
	oneForm: true,
	words:   true,
	data:    frontMatterAndComments,
	examples: []example{
		{"front matter", "v.md", "---\ntitle: x\nreleased: v26.33.0\n---\n# x\n", Finder{Symbol: "released"}, "", "3:1 released 26.33.0 md"},
		{"yaml in a html comment", "api.md", "## f()\n<!-- YAML\nadded: v25.1.0\n-->\n", Finder{Symbol: "added"}, "", "3:1 added 25.1.0 md"},
		{"yaml in a html comment, placeholder", "api.md", "<!-- YAML relbot:gate m\nadded: REPLACEME\n-->\n", Finder{Marker: "m"}, "", "2:1 added placeholder md"},
		{"front matter, not the prose", "a.md", "---\ntitle: \"Materialize v26.34\"\ndate: 2026-07-21\nreleased: true\npatch: 1\nsince: v26.34.0\n---\n\nsince: v1.0.0\n", Finder{Symbol: "since"}, "", "6:1 since 26.34.0 md"},
	},
})

// frontMatterAndComments are the front matter of a page and its HTML comments, which may hold YAML. All else is prose.
func frontMatterAndComments(text string) [][2]int {
	var spans [][2]int
	for _, m := range append(matter.FindAllStringIndex(text, 1), htmlComment.FindAllStringIndex(text, -1)...) {
		spans = append(spans, [2]int{m[0], m[1]})
	}
	return spans
}

var (
	matter      = regexp.MustCompile(`(?s)\A(?:\x{feff})?(?:---|\+\+\+)\r?\n.*?\n(?:---|\+\+\+)\r?(?:\n|\z)`)
	htmlComment = regexp.MustCompile(`(?s)<!--.*?-->`)
)
