package find

// templates of Helm.
var _ = register(language{
	suffixes: ".tpl",
	lexer:    lexer{line: []string{"#"}, block: [][2]string{{"{{/*", "*/}}"}, {"{#", "#}"}}, quotes: "\"'"},
	words:    true,
	examples: []example{
		{"helm range", "a.tpl", "{{- if semverCompare \">=1.33-0\" .Capabilities.KubeVersion.GitVersion }} {{/* relbot:gate m */}}\n", Finder{Marker: "m"}, "", "1:22  1.33 range"},
		{"helm range by name", "a.tpl", "{{- if semverCompare \">=1.33-0\" .Capabilities.KubeVersion.GitVersion }}\n", Finder{Symbol: "semverCompare"}, "", "1:8 semverCompare 1.33 range"},
	},
})
