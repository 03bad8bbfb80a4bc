package policy

import (
	"fmt"
	"strings"
)

const introduction = "# The policy file\n\n`.github/relbot.yml` on the default branch. It is strict: an unknown key, a wrong type or an impossible value is a problem with its line and\ncolumn. A file with a problem does not come into force; the last good one stays. `relbot config validate` reports all problems at once;\n[policy.schema.json](policy.schema.json) is for editors. NAME is a name of your own, [] an entry of a list.\n\n| key | accepted | meaning |\n|---|---|---|\n"

// Reference describes every key of the policy file in Markdown.
func Reference() string {
	var b strings.Builder
	b.WriteString(introduction)
	describe(&b, "", newDecoder("").file())
	return b.String()
}

func describe(b *strings.Builder, at string, f form) {
	for _, k := range f.contents {
		place := strings.TrimPrefix(at+f.step+"."+k.name, ".")
		doc := k.doc
		switch preset := k.preset.(type) {
		case nil:
		case []string:
			doc += fmt.Sprintf(" (default `%s`)", strings.Join(preset, "`, `"))
		default:
			doc += fmt.Sprintf(" (default `%v`)", preset)
		}
		if k.need != "" {
			doc += " (required)"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", place, cell(k.accepts), cell(doc))
		describe(b, place, k.form)
	}
}

// cell is a text that neither breaks a table nor is taken for HTML, as the group (?P<version>…) would be.
func cell(s string) string { return strings.NewReplacer("|", `\|`, "<", `\<`).Replace(s) }
