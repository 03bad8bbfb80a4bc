package find

import (
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/release"
)

// Finder finds a gate: a glob and at most one of marker, symbol or a selector. With none, the marker is the gate's id.
type Finder struct {
	Path   string // glob: *, **, ?, {a,b}
	Marker string // id in a `relbot:gate ID` comment
	Symbol string // pattern on the constant's name
	versionscan.Selector
}

// Evidence is a content predicate: some file that matches Path has text that matches Pattern.
type Evidence struct {
	Path    string
	Pattern string
}

// Finding is a version constant found in source.
type Finding struct {
	Path   string          `json:"path"`
	Line   int             `json:"line"`   // from 1
	Column int             `json:"column"` // from 1, in bytes
	Name   string          `json:"name"`   // the constant's name; "" where the form has none
	Raw    string          `json:"raw"`    // source text of the value
	Value  release.Version `json:"value"`
	Form   string          `json:"form"`            // a short stable word: rust-const, rust-struct, go-call, py-tuple, …
	Bound  string          `json:"bound,omitempty"` // ranges: "lower" (introduced-in) or "upper" (removed-in)
	// Upper and UpperValue are the upper bound of a range that has both, as it is written and as it is read.
	Upper      string          `json:"upper,omitempty"`
	UpperValue release.Version `json:"upper_value,omitzero"`
	// Placeholder is set where the source says "the coming release" (CURRENT_RUSTC_VERSION, REPLACEME): Value is zero.
	Placeholder bool `json:"placeholder,omitempty"`
	// Mismatch explains that name and value disagree; "" when they agree or the name has no version.
	Mismatch string `json:"mismatch,omitempty"`
}

// Trouble says why an extractor gave no finding.
type Trouble struct {
	Code     string // gate-missing, gate-ambiguous or gate-unparsable
	Message  string
	Findings []Finding // the candidates of an ambiguity; the place of an unparsable value
}
