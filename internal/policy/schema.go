package policy

import "encoding/json"

// Schema is the JSON Schema (draft 2020-12) of a policy file, for editors. It accepts every file that [Parse] accepts. What it cannot say,
// such as that a role exists, only the parser finds.
func Schema() []byte {
	schema := newDecoder("").file().schema
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["title"] = "relbot policy"
	schema["description"] = "Policy of relbot: which pull requests belong together, and what version gates must name"
	out, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		panic(err) // plain data
	}
	return append(out, '\n')
}
