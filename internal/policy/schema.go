package policy

import "encoding/json"

// object builds the schema of a mapping that accepts these keys only.
func object(doc string, required []string, properties map[string]any) map[string]any {
	s := map[string]any{"type": "object", "description": doc, "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

func texts(doc string) map[string]any {
	return map[string]any{"type": "array", "description": doc, "items": scalar("")}
}

// scalar is a text; a number stands for its own digits.
func scalar(doc string) map[string]any {
	s := map[string]any{"type": []string{"string", "number"}}
	if doc != "" {
		s["description"] = doc
	}
	return s
}

func text(doc string) map[string]any { return map[string]any{"type": "string", "description": doc} }

func words(doc, preset string, accepted ...string) map[string]any {
	s := map[string]any{"enum": accepted, "description": doc}
	if preset != "" {
		s["default"] = preset
	}
	return s
}

func boolean(doc string, preset bool) map[string]any {
	return map[string]any{"type": "boolean", "description": doc, "default": preset}
}

// named is a mapping of names to things of one kind.
func named(doc string, of any) map[string]any {
	return map[string]any{"type": "object", "description": doc, "additionalProperties": of, "propertyNames": map[string]any{"pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"}}
}

func selectorKeys(more map[string]any) map[string]any {
	keys := map[string]any{
		"pattern":    text("RE2 with a group (?P<version>…), or major, minor and patch, or (?P<symbol>…), which is resolved to its definition"),
		"toml":       text("dotted path in a TOML file"),
		"json":       text("dotted path in a JSON file; comments are accepted"),
		"yaml":       text("dotted path in a YAML file; scalars stay as they are written"),
		"xml":        text("path of an element, such as project.version"),
		"properties": text("key in a properties file"),
	}
	for k, v := range more {
		keys[k] = v
	}
	return keys
}

// Schema is the JSON Schema (draft 2020-12) of a policy file, for editors. What it cannot say, such as that a role exists, only the
// parser finds.
func Schema() []byte {
	pr := map[string]any{"type": []string{"integer", "string"}, "description": "12, \"#12\", owner/repo#12 or a URL"}
	schema := object("Policy of relbot: which pull requests belong together, and what version gates must name", []string{"version"}, map[string]any{
		"version": map[string]any{"const": 1, "description": "version of this form"},
		"releases": object("how the repository versions itself", []string{"dev_version"}, map[string]any{
			"dev_version": map[string]any{"type": "array", "minItems": 1, "description": "readers of the version that a branch is building; the first decides, the others are compared with it",
				"items": object("one reader", nil, selectorKeys(map[string]any{"path": text("file"), "tags": boolean("versions live in tags alone", false)}))},
			"tags":        text("which tags are releases: a pattern with {version}"),
			"scheme":      words("how versions are written and ordered", "semver", "semver", "calver", "pep440", "maven", "integer", "dotted"),
			"next":        map[string]any{"description": "how the train moves", "default": "minor", "anyOf": []any{map[string]any{"enum": []string{"major", "minor", "patch", "month"}}, texts("versions in order")}},
			"cut_on":      words("which tag cuts a release", "prerelease", "prerelease", "final"),
			"start_words": texts("prerelease words that mark a start or a dev build and never cut"),
			"bumped":      words("when the dev version moves", "at_cut", "at_cut", "at_release"),
			"ignore":      texts("tags that never were releases"),
			"branches":    text("release lines, such as release-{major}.{minor}"),
			"train":       text("repositories that name the same train ship together"),
		}),
		"gates": named("version gates by id", object("a version constant in the source", []string{"find"}, map[string]any{
			"title": text("what the gate is for"),
			"find": object("where the constant stands", []string{"path"}, selectorKeys(map[string]any{
				"path": text("glob"), "marker": text("id in a relbot:gate comment"), "symbol": text("pattern on the constant's name"),
			})),
			"relation":  words("what the value says of the release", "introduced-in", "introduced-in", "at-least", "removed-in"),
			"precision": words("how many parts are compared", "minor", "major", "minor", "patch", "exact"),
			"evidence":  object("what tells at any tag whether that release has the change", []string{"path", "pattern"}, map[string]any{"path": text("glob"), "pattern": text("RE2")}),
		})),
		"couplings": named("sets of pull requests by name", object("pull requests that belong together", []string{"members"}, map[string]any{
			"title":        text("heading of the coordination note"),
			"base":         text("branch on which members land; the default branch when left out"),
			"same_release": boolean("all members have to ship in one release", true),
			"members":      named("members by role", object("a pull request", []string{"pr"}, map[string]any{"pr": pr, "safe_alone": boolean("may ship in an earlier release than the rest", false)})),
			"order": map[string]any{"type": "array", "description": "\"A before B: reason\" or \"A before-or-with B: reason\"", "items": map[string]any{"anyOf": []any{
				map[string]any{"type": "string"}, map[string]any{"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": scalar("")}}}},
			"gates": named("gates by id, each with the member whose release it must name, or \"evidence\"", map[string]any{"type": "string"}),
		})),
		"check":  object("how verdicts are posted", nil, map[string]any{"name": text("name of the check"), "as": words("as a check run or a commit status", "check", "check", "status")}),
		"report": object("the nightly drift report", nil, map[string]any{"schedule": text("five cron fields"), "timezone": text("IANA name"), "labels": texts("labels of the issue")}),
		"permissions": object("the role that each group of commands needs", nil, map[string]any{
			"link": words("link, unlink, replace, order, supersede, abandon, reopen", "write", "triage", "write", "maintain", "admin"),
			"hold": words("hold, resume", "write", "triage", "write", "maintain", "admin"), "override": words("override", "maintain", "triage", "write", "maintain", "admin"),
		}),
		"trust": texts("home repositories that may block pull requests of this one"),
	})
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["title"] = "relbot policy"
	out, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		panic(err) // plain data
	}
	return append(out, '\n')
}
