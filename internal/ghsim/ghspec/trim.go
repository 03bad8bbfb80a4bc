//go:build ignore

// Trim cuts GitHub's published OpenAPI description down to the operations that relbot uses. It reads the file
// generated/api.github.com.json of the npm package @octokit/openapi (23.0.2 was used):
//
//	npm pack @octokit/openapi@23.0.2 && tar xzf octokit-openapi-23.0.2.tgz package/generated/api.github.com.json
//	go run trim.go package/generated/api.github.com.json >openapi.json
package main

import (
	"encoding/json"
	"log"
	"os"
	"strings"
)

// kept are the operations.
const kept = `
GET /app
DELETE /applications/{client_id}/token
GET /app/installations
POST /app/installations/{installation_id}/access_tokens
POST /app-manifests/{code}/conversions
GET /app/hook/config
PATCH /app/hook/config
GET /app/hook/deliveries
POST /app/hook/deliveries/{delivery_id}/attempts
GET /installation/repositories
GET /rate_limit
POST /orgs/{org}/repos
POST /user/repos
GET /repos/{owner}/{repo}
PATCH /repos/{owner}/{repo}
DELETE /repos/{owner}/{repo}
POST /repos/{owner}/{repo}/rulesets
PUT /repos/{owner}/{repo}/contents/{path}
POST /repos/{owner}/{repo}/git/refs
POST /repos/{owner}/{repo}/pulls
GET /repos/{owner}/{repo}/check-runs/{check_run_id}/annotations
GET /app/hook/deliveries/{delivery_id}
GET /repos/{owner}/{repo}/installation
GET /repos/{owner}/{repo}/collaborators/{username}/permission
GET /repos/{owner}/{repo}/rules/branches/{branch}
GET /repos/{owner}/{repo}/branches/{branch}
GET /repos/{owner}/{repo}/compare/{basehead}
GET /repos/{owner}/{repo}/git/trees/{tree_sha}
GET /repos/{owner}/{repo}/git/blobs/{file_sha}
GET /repos/{owner}/{repo}/pulls
GET /repos/{owner}/{repo}/pulls/{pull_number}
PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge
GET /repos/{owner}/{repo}/commits/{ref}/check-runs
POST /repos/{owner}/{repo}/check-runs
PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}
POST /repos/{owner}/{repo}/statuses/{sha}
GET /repos/{owner}/{repo}/commits/{ref}/statuses
GET /repos/{owner}/{repo}/commits/{ref}
GET /repos/{owner}/{repo}/issues/comments
GET /repos/{owner}/{repo}/issues/comments/{comment_id}
PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}
DELETE /repos/{owner}/{repo}/issues/comments/{comment_id}
GET /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions
POST /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions
GET /repos/{owner}/{repo}/issues/{issue_number}/comments
POST /repos/{owner}/{repo}/issues/{issue_number}/comments
GET /repos/{owner}/{repo}/issues
POST /repos/{owner}/{repo}/issues
PATCH /repos/{owner}/{repo}/issues/{issue_number}
`

type object = map[string]any

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: go run trim.go DESCRIPTION")
	}
	raw, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	var doc object
	if err := json.Unmarshal(raw, &doc); err != nil {
		log.Fatal(err)
	}
	paths := object{}
	for line := range strings.Lines(strings.TrimSpace(kept)) {
		method, path, _ := strings.Cut(strings.TrimSpace(line), " ")
		item, _ := doc["paths"].(object)[path].(object)
		op, ok := item[strings.ToLower(method)].(object)
		if !ok {
			log.Fatalf("no operation %s %s", method, path)
		}
		op = clean(op).(object)
		for _, key := range []string{"tags", "security", "externalDocs", "operationId"} {
			delete(op, key)
		}
		op["operationId"] = method + " " + path
		if item["parameters"] != nil {
			op["parameters"] = append(op["parameters"].([]any), clean(item["parameters"]).([]any)...)
		}
		if paths[path] == nil {
			paths[path] = object{}
		}
		paths[path].(object)[strings.ToLower(method)] = op
	}
	// The listing wants an account to be a user and an enterprise at once; what describes one installation has it right.
	one := object{"$ref": "#/components/schemas/installation"}
	listing := paths["/app/installations"].(object)["get"].(object)["responses"].(object)["200"].(object)
	listing["content"].(object)["application/json"].(object)["schema"].(object)["items"] = one
	// A refusal for a rule of the repository fits the form of any other error, too.
	refusal := paths["/repos/{owner}/{repo}/contents/{path}"].(object)["put"].(object)["responses"].(object)["409"].(object)
	schema := refusal["content"].(object)["application/json"].(object)["schema"].(object)
	schema["anyOf"] = schema["oneOf"]
	delete(schema, "oneOf")

	components := object{}
	follow(doc, components, paths)
	out, err := json.Marshal(object{
		"openapi": doc["openapi"],
		"info": object{
			"title": "GitHub REST API, trimmed", "version": doc["info"].(object)["version"],
			"description": "Trimmed by trim.go from npm @octokit/openapi (MIT licence). Do not edit.", "license": doc["info"].(object)["license"],
		},
		"paths": paths, "components": components,
	})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := os.Stdout.Write(append(out, '\n')); err != nil {
		log.Fatal(err)
	}
}

// clean drops what no validation looks at. A "description" that is not a text is a property of that name.
func clean(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = clean(x)
		}
		return out
	case object:
		out := object{}
		for k, x := range v {
			_, isText := x.(string)
			switch {
			case (k == "description" || k == "title" || k == "summary") && isText:
				// Responses must have a description.
				if k == "description" && (v["content"] != nil || v["headers"] != nil || len(v) == 1) {
					out[k] = ""
				}
			case k == "example", k == "examples", strings.HasPrefix(k, "x-"):
			case k == "headers" && v["description"] != nil:
			default:
				out[k] = clean(x)
			}
		}
		return out
	}
	return v
}

// follow copies what v refers to into components, and what that refers to.
func follow(doc, components object, v any) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			follow(doc, components, x)
		}
	case object:
		for _, x := range v {
			follow(doc, components, x)
		}
		ref, _ := v["$ref"].(string)
		parts := strings.Split(ref, "/")
		if len(parts) != 4 {
			return
		}
		kind, name := parts[2], parts[3]
		if components[kind] == nil {
			components[kind] = object{}
		}
		if into := components[kind].(object); into[name] == nil {
			into[name] = clean(doc["components"].(object)[kind].(object)[name])
			follow(doc, components, into[name])
		}
	}
}
