// Package scenarios holds the project's own scenario files; the demo plays one of them.
package scenarios

import _ "embed"

// Story is the real story that relbot was made for.
//
//go:embed story.yml
var Story []byte
