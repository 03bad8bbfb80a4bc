// Package versionscan finds versions in source and says in which release a change ships.
//
// The idea: a version in a file is a claim, a tag is a fact. So a [History] is made of tags and release lines alone, and
// what a branch says of itself is only the point from which [History.Train] starts to walk. Everything else asks the
// history a question: which core was cut and by what ([History.CutBy]), in which release a merged change is
// ([History.FirstShip]), from which release on a file's content shows it ([History.Threshold]), and which prerelease
// strings separate the builds that have it from those that have not ([History.Interval]).
//
// A release is a core, and 26.23.0 and 26.23.2 are two. The newest tag of a core speaks for it: the final, else the last
// candidate. Dev builds and starts never speak and never cut.
//
// Invariants:
//
//   - Nothing here reads a clock, a file or a network; equal arguments give equal answers, whatever their order.
//   - Dates never decide. A patch release that was tagged after a higher minor is still the lower version.
//   - What was not read is an unknown [Fact], and a release or threshold that depends on it is unknown too.
//   - A release without a change never makes the change ship earlier.
//   - Versions of a [Scheme] are totally ordered, and keep the text they were written with.
//
// Versions order by a key that is made when they are parsed: a string that sorts byte by byte as the scheme does. The
// alternative, a comparison for each scheme on top of a library for each, was refused: with keys the order is total by
// construction, one comparison serves six schemes, and sorting a thousand tags costs no parsing. The tests hold the
// keys against an independent semver library.
//
// Files are read by walking them, since decoders make 18.1 of an unquoted 18.10 and lose the place that an annotation
// needs.
package versionscan
