// Package versionscan holds the words that finding a version and judging it share: a [Fact], a [File], a place in a file ([Selector]) and
// the globs that name files.
//
// Package find looks for versions in files. Package release says which release a version or a change belongs to. Both compute: nothing
// below this directory reads a clock, a disk or a network, and equal arguments give equal answers.
package versionscan
