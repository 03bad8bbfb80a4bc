// Package deploy holds what an operator needs to run relbot; the program itself reads the App's manifest from it.
package deploy

import _ "embed"

// Manifest is the App as it has to be registered, with relbot.example.com in the places of addresses.
//
//go:embed github-app-manifest.json
var Manifest []byte
