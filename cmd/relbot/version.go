package main

// release is the version of this source. Chart, image, Compose file, CHANGELOG and documents name it too, which TestOneVersion holds.
const release = "0.1.0"

// published reports whether the release is on GitHub, with its tag, archives, image and Action. While it is not, documents say how to build from a
// clone; after a change run make generate.
const published = false

var (
	version  = release
	revision = "" // commit, set when a release is built; "" is what the Go tool noted
)
