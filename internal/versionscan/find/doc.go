// Package find finds versions in files: gates by symbol, marker or selector ([Gate]), constants that look like gates ([Discover]), and the
// version that a branch claims to build ([Dev]).
//
// Each language has one file, which registers what is known of it: how its files are named, its comments and strings, what its forms are
// called, the definitions that it alone has, and an example of each form. The examples are tests, and the rows of docs/gates.md. The rest
// of the package is the engine, which knows no language.
//
// Files are read by walking them: a decoder makes 18.1 of an unquoted 18.10, and loses the place that an annotation needs.
package find
