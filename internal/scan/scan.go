// Package scan lists the version gates of a tree, with what is odd about each of them.
//
// The gates are those that a policy registers and, on demand, constants that look like gates. A gate is odd by itself (a name that
// contradicts its value), or against the release history (a release that does not exist). It is odd next to another (a comment that claims
// another distance between the two).
package scan

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/relbot/relbot/internal/gitrepo"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/find"
	"github.com/relbot/relbot/internal/versionscan/release"
)

// Options say what is scanned.
type Options struct {
	Dir      string
	Policy   rules.Policy
	Since    string    // look only at files that changed since this revision; "" is all
	Discover bool      // list constants that look like gates, too
	Progress io.Writer // shows how many files were read
}

// Answer is what a scan found.
type Answer struct {
	Gates   []Gate   // the registered ones as the policy has them, then the others by place
	Skipped []string // files that were not looked through, and why
}

// Gate is a gate of a tree.
type Gate struct {
	ID           string // "" for a constant that the policy does not register
	find.Finding        // where nothing was found, only Path is set: the glob that was looked through
	Anomalies    []Anomaly
}

// Anomaly is something odd about a gate.
type Anomaly struct {
	Code    string // a reason code, or one of the constants below
	Message string
}

// The anomalies that are no reason codes.
const (
	Unreadable      = "unreadable"       // the files that may hold the gate could not be read
	Removable       = "removable"        // every supported release is past the gate
	CommentDistance = "comment-distance" // a comment claims a distance between two gates that is not so
)

type scanner struct {
	Options
	tree     *Tree
	scheme   release.Scheme
	releases release.Releases
	history  *release.History // nil where there is none to be had
	released string           // the release tag that is checked out
	known    map[place]bool   // where registered gates were found
}

// place is a line of a file.
type place struct {
	path string
	line int
}

// Scan lists the gates of a tree.
func Scan(ctx context.Context, o Options) (Answer, error) {
	s := scanner{Options: o, tree: &Tree{Dir: o.Dir, Progress: o.Progress}, known: map[place]bool{}}
	if o.Policy.Releases != nil {
		s.releases = *o.Policy.Releases
		s.scheme = s.releases.Scheme
		s.look(ctx)
	}
	files, err := s.tree.Files(ctx, "")
	if err != nil {
		return Answer{}, err
	}
	changed := files
	if o.Since != "" {
		if changed, err = s.tree.Files(ctx, o.Since); err != nil {
			return Answer{}, err
		}
	}
	gates := s.registered(files, changed)
	if o.Discover {
		gates = append(gates, s.discovered(changed)...)
	}
	s.distances(gates)
	slices.Sort(s.tree.skipped)
	return Answer{gates, s.tree.skipped}, nil
}

// registered finds the gates of the policy whose files changed.
func (s *scanner) registered(files, changed []string) []Gate {
	var out []Gate
	for _, g := range s.Policy.Gates {
		matches := func(file string) bool { return versionscan.Match(g.Find.Path, file) }
		if s.Since != "" && !slices.ContainsFunc(changed, matches) {
			continue
		}
		facts := map[string]versionscan.Fact[versionscan.File]{}
		for _, f := range files {
			if matches(f) {
				fact := s.tree.Read(f)
				if fact.Known() && !g.Find.Concerns(fact.Value.Text) {
					fact.Value.Text = ""
				}
				facts[f] = fact
			}
		}
		found, trouble := g.Locate(s.scheme, facts)
		if found.Known() && s.Since != "" && !slices.Contains(changed, found.Value.Path) {
			continue // another file of its glob changed
		}
		row := Gate{ID: g.ID, Finding: find.Finding{Path: g.Find.Path}}
		switch {
		case trouble != nil:
			if len(trouble.Findings) > 0 {
				row.Finding = trouble.Findings[0]
			}
			row.Anomalies = []Anomaly{{trouble.Code, trouble.Message}}
		case found.Known():
			row.Finding, row.Anomalies = found.Value, s.oddities(found.Value, g.Relation)
			s.known[place{row.Path, row.Line}] = true
		default:
			row.Anomalies = []Anomaly{{Unreadable, found.Why}}
		}
		out = append(out, row)
	}
	s.tree.done()
	return out
}

// discovered finds constants that look like gates and are not registered.
func (s *scanner) discovered(files []string) []Gate {
	var out []Gate
	for _, f := range s.tree.Discover(files, s.scheme) {
		if !s.known[place{f.Path, f.Line}] {
			out = append(out, Gate{Finding: f, Anomalies: s.oddities(f, rules.IntroducedIn)})
		}
	}
	return out
}

// Broken reports whether the anomaly keeps a gate from being read.
func (a Anomaly) Broken() bool {
	switch rules.Code(a.Code) {
	case rules.GateMissing, rules.GateAmbiguous, rules.GateUnparsable:
		return true
	}
	return false
}

// look reads the release history of the clone, where there is one, and whether a release is checked out.
func (s *scanner) look(ctx context.Context) {
	repo, err := gitrepo.Open(ctx, s.Dir)
	if err != nil {
		return
	}
	tags, err := repo.Tags(ctx)
	if err != nil || len(tags) == 0 {
		return
	}
	branches, err := repo.Branches(ctx)
	if err != nil {
		return
	}
	s.history = s.releases.History(tags, slices.Collect(maps.Keys(branches)))
	head, err := repo.Resolve(ctx, "HEAD")
	if err != nil {
		return
	}
	for _, r := range s.history.Releases() {
		if r.Speaks != nil && r.Speaks.Commit == head {
			s.released = r.Speaks.Name
		}
	}
}

// oddities is what is odd about a finding by itself and in the light of the release history.
func (s *scanner) oddities(f find.Finding, relation rules.Relation) []Anomaly {
	var out []Anomaly
	odd := func(code, format string, args ...any) { out = append(out, Anomaly{code, fmt.Sprintf(format, args...)}) }
	if f.Mismatch != "" {
		odd(string(rules.GateNameMismatch), "%s", f.Mismatch)
	}
	if f.Placeholder && s.released != "" {
		odd(string(rules.GateUnparsable), "the release %s still has the placeholder %s", s.released, f.Raw)
	}
	if s.history == nil || f.Value.IsZero() {
		return out
	}
	newest, _ := s.history.NewestCut()
	known := slices.ContainsFunc(s.history.Releases(), func(r release.Release) bool {
		return r.Core.At(release.Minor).Compare(f.Value.At(release.Minor)) == 0
	})
	if !known && f.Value.Core().Compare(newest) < 0 {
		odd(string(rules.GateUnreal), "%s is below the newest release %s and was never released", f.Value.Core(), newest)
	}
	if oldest, ok := s.history.Oldest(s.releases.Supported); ok && relation != rules.RemovedIn && f.Value.Core().Compare(oldest) < 0 {
		odd(Removable, "every supported release, from %s on, is past it", oldest)
	}
	return out
}

// distances adds what comments claim of the distance between two of the gates, where that is not so.
func (s *scanner) distances(gates []Gate) {
	values, lines := map[string]release.Version{}, map[string][]int{}
	for _, g := range gates {
		if g.Name == "" {
			continue
		}
		lines[g.Path] = append(lines[g.Path], g.Line)
		if !g.Value.IsZero() {
			values[g.Name] = g.Value
		}
	}
	claims := map[string]map[int][]find.Claim{}
	for path, at := range lines {
		claims[path] = find.Claims(path, s.tree.Read(path).Value.Text, at)
	}
	for i, g := range gates {
		for _, c := range claims[g.Path][g.Line] {
			own, ok := values[g.Name]
			other, found := values[c.Name]
			if !ok || !found || c.Name == g.Name {
				continue
			}
			if n, ok := s.releases.Between(own, other, s.history); ok && n != c.Releases {
				gates[i].Anomalies = append(gates[i].Anomalies, Anomaly{CommentDistance,
					fmt.Sprintf("the comment in line %d says %d between %s and %s, there are %d: %s and %s", c.Line, c.Releases, g.Name, c.Name, n, own, other)})
			}
		}
	}
}
