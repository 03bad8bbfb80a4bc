// Package find finds versions in files: gates by symbol, marker or selector ([Gate]), constants that look like gates ([Discover]), and the
// version that a branch claims to build ([Dev]).
//
// Files are read by walking them: a decoder makes 18.1 of an unquoted 18.10, and loses the place that an annotation needs.
package find
