package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Reference describes every key of the policy file in Markdown, from the same source as the schema.
func Reference() string {
	var schema map[string]any
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		panic(err) // Schema wrote it
	}
	var b strings.Builder
	b.WriteString("# The policy file\n\n`.github/relbot.yml` on the default branch. It is strict: an unknown key, a wrong type or an impossible value is a problem with its line and\ncolumn, and a file with a problem does not come into force: the last good one stays. `relbot config validate` reports all problems at once;\n[policy.schema.json](policy.schema.json) is for editors.\n\n| key | accepted | meaning |\n|---|---|---|\n")
	describe(&b, "", schema)
	return b.String()
}

func describe(b *strings.Builder, path string, schema map[string]any) {
	if properties, ok := schema["properties"].(map[string]any); ok {
		for _, key := range slices.Sorted(maps.Keys(properties)) {
			row(b, strings.TrimPrefix(path+"."+key, "."), properties[key].(map[string]any))
		}
	}
}

func row(b *strings.Builder, path string, schema map[string]any) {
	doc, _ := schema["description"].(string)
	if preset, ok := schema["default"]; ok {
		doc += fmt.Sprintf(" (default `%v`)", preset)
	}
	fmt.Fprintf(b, "| `%s` | %s | %s |\n", path, accepted(schema), strings.ReplaceAll(doc, "|", `\|`))
	describe(b, path, schema)
	for key, name := range map[string]string{"items": "[]", "additionalProperties": ".NAME"} {
		if inner, ok := schema[key].(map[string]any); ok && inner["properties"] != nil {
			describe(b, path+name, inner)
		}
	}
}

func accepted(schema map[string]any) string {
	if list, ok := schema["enum"].([]any); ok {
		var out []string
		for _, v := range list {
			out = append(out, fmt.Sprintf("`%v`", v))
		}
		return strings.Join(out, ", ")
	}
	if v, ok := schema["const"]; ok {
		return fmt.Sprintf("`%v`", v)
	}
	switch kind := schema["type"].(type) {
	case string:
		return map[string]string{"object": "mapping", "array": "list", "string": "text", "boolean": "`true`, `false`"}[kind]
	case []any:
		return "text or number"
	}
	return "text or list"
}
