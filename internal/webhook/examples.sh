#!/usr/bin/env bash
# Makes testdata/examples.json.gz from the npm package @octokit/webhooks-examples: for every event of github.com its example payloads.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && npm pack --silent @octokit/webhooks-examples@7.6.1 >/dev/null && tar xzf ./*.tgz)
node -e '
const fs = require("fs");
const all = JSON.parse(fs.readFileSync(process.argv[1] + "/package/api.github.com/index.json"));
const out = all.map(e => ({event: e.name, examples: e.examples}));
process.stdout.write(JSON.stringify(out));
' "$work" | gzip -9n >testdata/examples.json.gz
