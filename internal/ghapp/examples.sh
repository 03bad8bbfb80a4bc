#!/usr/bin/env bash
# Makes testdata/examples.json: the answers that GitHub's published description of its REST API gives as examples for the routes that this
# package calls, from the npm package @octokit/openapi (MIT licence; the file generated/api.github.com.json, components/examples). Links that
# relbot does not read are left out, and the private key. All other keys stay, so that readers meet many that they do not know.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && npm pack --silent @octokit/openapi@23.0.2 >/dev/null && tar xzf ./*.tgz package/generated/api.github.com.json)
node -e '
const fs = require("fs");
const doc = JSON.parse(fs.readFileSync(process.argv[1] + "/package/generated/api.github.com.json"));
const routes = `
GET /app
GET /app/installations
POST /app/installations/{installation_id}/access_tokens
POST /app-manifests/{code}/conversions
GET /app/hook/config
PATCH /app/hook/config
GET /app/hook/deliveries
POST /app/hook/deliveries/{delivery_id}/attempts
GET /installation/repositories
GET /repos/{owner}/{repo}/installation
GET /repos/{owner}/{repo}/collaborators/{username}/permission
GET /repos/{owner}/{repo}/rules/branches/{branch}
GET /repos/{owner}/{repo}/branches/{branch}
GET /repos/{owner}/{repo}/compare/{basehead}
GET /repos/{owner}/{repo}/git/trees/{tree_sha}
GET /repos/{owner}/{repo}/commits/{ref}
GET /repos/{owner}/{repo}/commits/{ref}/check-runs
POST /repos/{owner}/{repo}/check-runs
PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}
POST /repos/{owner}/{repo}/statuses/{sha}
GET /repos/{owner}/{repo}/issues/comments
PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}
GET /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions
POST /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions
GET /repos/{owner}/{repo}/issues/{issue_number}/comments
POST /repos/{owner}/{repo}/issues/{issue_number}/comments
GET /repos/{owner}/{repo}/issues
POST /repos/{owner}/{repo}/issues
PATCH /repos/{owner}/{repo}/issues/{issue_number}
`.trim().split("\n");
const follow = v => v.$ref ? v.$ref.split("/").slice(1).reduce((at, key) => at[key], doc) : v;
const read = ["html_url", "issue_url", "details_url"];
const trim = (key, v) => key.endsWith("_url") && !read.includes(key) ? undefined : key === "pem" ? v.split("\n")[0] + "\n" : v;
const out = [];
for (const route of routes) {
  const [method, path] = route.split(" ");
  for (const [status, answer] of Object.entries(doc.paths[path][method.toLowerCase()].responses)) {
    for (const [type, media] of Object.entries(follow(answer).content ?? {})) {
      if (path.endsWith("/commits/{ref}") !== type.endsWith(".diff") || type.endsWith(".patch")) continue; // not asked for
      for (const [name, example] of Object.entries(media.examples ?? {})) {
        out.push({route, status: Number(status), type, name: (example.$ref ?? name).replace(/.*\//, ""), body: follow(example).value});
      }
    }
  }
}
// No example of these two routes has a required check. An entry of the list of branches has one, and the form of a single branch.
const route = "GET /repos/{owner}/{repo}/branches/{branch}", name = "short-branch-with-protection-items";
out.push({route, status: 200, type: "application/json", name, body: doc.components.examples[name].value[0]});
process.stdout.write(JSON.stringify(out, trim, 1) + "\n");
' "$work" >testdata/examples.json
