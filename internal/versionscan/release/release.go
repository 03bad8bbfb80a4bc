package release

import (
	"time"

	"github.com/relbot/relbot/internal/versionscan"
)

// Releases is how a repository versions itself: the `releases` section of a policy.
type Releases struct {
	DevVersion []Reader // every reader must agree; the first one decides
	Tags       string   // pattern with {version}, e.g. "v{version}"; "" is "{version}" with an optional v
	Scheme     Scheme   // "" is Semver
	Next       Next     // how the train moves; zero is minor
	CutOn      string   // "prerelease" (default) or "final"
	StartWords []string // prerelease words that never cut; nil is [DefaultStartWords]
	Bumped     string   // "at_cut" (default) or "at_release"
	Ignore     []string // tags that never were releases
	Branches   string   // release lines, e.g. "release-{major}.{minor}"; "" is none
	Train      string   // repositories that name the same train ship together
	Supported  int      // how many of the newest releases are supported, patch releases not counted; 0 is not said
}

// Next says how the train moves past a cut core: by a step, or along an explicit list of versions.
type Next struct {
	Step string   // "major", "minor", "patch", "month"; "" with an empty list is minor
	List []string // explicit versions, ascending
}

// Reader reads the dev version from one file of a branch's tip, or, with Tags, from the tags alone.
type Reader struct {
	Path string
	Tags bool // the dev version is the release after the newest cut one
	versionscan.Selector
}

// Precision says how many parts of a version a comparison looks at.
type Precision string

// The precisions.
const (
	Major Precision = "major"
	Minor Precision = "minor"
	Patch Precision = "patch"
	Exact Precision = "exact" // full prerelease order
)

// Tag is a git tag as it was listed; Commit is peeled.
type Tag struct {
	Name   string    `json:"name"`
	Commit string    `json:"commit"`
	Object string    `json:"object,omitempty"` // the annotated tag itself; "" for a tag without one, or when not read
	Date   time.Time `json:"date"`             // commit date; informative only, dates never decide
}

// Build is a tag that names a version of the scheme.
type Build struct {
	Tag
	Version Version
}

// Release is one core version and all the builds tagged for it.
type Release struct {
	Core   Version
	Builds []Build // ascending
	Speaks *Build  // the newest: the final, else the last build whose prerelease cuts; nil when none
	Cut    bool
	CutBy  string // the first tag, or the release line's branch, that cut it
}

// Final reports whether the final tag exists.
func (r Release) Final() bool { return r.Speaks != nil && r.Speaks.Version.Pre() == "" }

// Train is the release in which something merged now into a branch would ship.
type Train struct {
	Core    Version // the answer
	Dev     Version // what the branch claims to be building
	Lagging bool    // Dev's core was cut already and the file was not bumped
	CutBy   string  // what cut Dev's core, when it was
}

// Dev is what the readers say a branch is building.
type Dev struct {
	Version Version // the first reader's
	Differ  []Reading
}

// Reading is what one reader said.
type Reading struct {
	Reader  Reader
	Version Version
	Err     string // why it could not be read
}

// Ship says in which release a change is.
type Ship struct {
	Core   Version // the release
	Tagged bool    // some tag has it; else Core is a train
	Tag    string  // the tag that shows it, when Tagged
	Build  Version // the lowest build that has it, when Tagged
	Line   string  // the release line that has it without a tag
	Method string  // ancestry, cherry-pick trailer, pull request number, patch-id, evidence, train
}

// Threshold is what evidence says over the whole history.
type Threshold struct {
	Ship
	Breaks []Version // releases that make a single threshold impossible; empty when there is one
}

// Interval holds the valid values at exact precision: above After, up to UpTo. A zero bound is open.
type Interval struct {
	After, UpTo Version
}
