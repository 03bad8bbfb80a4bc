// Package release orders versions and says in which release a change ships.
//
// A version in a file is a claim, and a tag is a fact. So a [History] is made of tags and release lines alone. What a branch says of itself
// is only the point from which [History.Train] starts to walk. All else asks the history a question:
//
//   - which core was cut, and by what: [History.CutBy]
//   - in which release a merged change is: [History.FirstShip]
//   - from which release on a file's content shows the change: [History.Threshold]
//   - which prerelease strings separate the builds that have it from those that have not: [History.Interval]
//
// A release is a core, and 26.23.0 and 26.23.2 are two. The newest tag of a core speaks for it: the final, else the last candidate. Dev
// builds and starts never speak and never cut.
//
// Invariants:
//
//   - The order of the arguments does not matter.
//   - Dates never decide. A patch release that was tagged after a higher minor is still the lower version.
//   - What was not read is an unknown fact, and a release or threshold that depends on it is unknown too.
//   - A release without a change never makes the change ship earlier.
//   - Versions of a [Scheme] are totally ordered, and keep the text they were written with.
//
// Versions order by a key that is made when they are parsed: a string that sorts byte by byte as the scheme does. A comparison for each
// scheme on top of a library for each was the alternative. With keys the order is total by construction, one comparison serves six schemes,
// and sorting a thousand tags parses nothing. The tests compare the keys with an independent semver library.
package release
