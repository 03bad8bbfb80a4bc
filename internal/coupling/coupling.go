// Package coupling says which pull requests belong together and in which order they must merge.
//
// It is the vocabulary of relbot: every other package speaks of pulls, members, order edges and couplings in
// these types. It knows nothing of GitHub, of files or of time, and imports nothing of the module.
//
// A coupling is a set of members with roles. Order edges and gates name roles, not numbers, so that a member can
// be replaced without rewriting them.
package coupling

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Repo names a repository as "owner/name".
type Repo string

// ParseRepo reads "owner/name".
func ParseRepo(s string) (Repo, error) {
	if !repoPattern.MatchString(s) {
		return "", fmt.Errorf("%q is no repository: want owner/name", s)
	}
	return Repo(s), nil
}

var repoPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}$`)

// Owner is the part before the slash.
func (r Repo) Owner() string { owner, _, _ := strings.Cut(string(r), "/"); return owner }

// Name is the part after the slash.
func (r Repo) Name() string { _, name, _ := strings.Cut(string(r), "/"); return name }

// Same reports whether both name one repository; GitHub does not tell upper from lower case.
func (r Repo) Same(s Repo) bool { return strings.EqualFold(string(r), string(s)) }

// Pull names a pull request. It is comparable and serves as a map key.
type Pull struct {
	Repo   Repo `json:"repo"`
	Number int  `json:"number"`
}

// String is the long form, "acme/app#12".
func (p Pull) String() string { return fmt.Sprintf("%s#%d", p.Repo, p.Number) }

// In is the form to use in a text shown in home: "#12" there, "acme/app#12" elsewhere.
func (p Pull) In(home Repo) string {
	if p.Repo.Same(home) {
		return "#" + strconv.Itoa(p.Number)
	}
	return p.String()
}

// IsZero reports whether p names nothing.
func (p Pull) IsZero() bool { return p.Number == 0 }

// MarshalText and UnmarshalText use the long form, so that a Pull can be a key of a JSON object.
func (p Pull) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the long form.
func (p *Pull) UnmarshalText(text []byte) error {
	if string(text) == "#0" {
		*p = Pull{}
		return nil
	}
	q, err := ParsePull(string(text), "")
	if err == nil {
		*p = q
	}
	return err
}

var pullPattern = regexp.MustCompile(`^(?:(?:([A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}))?#|https?://[^/\s]+/([A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100})/pull/)?([0-9]{1,9})$`)

// ParsePull reads "12", "#12", "owner/repo#12" or a pull request's URL; a form without a repository is in home.
func ParsePull(s string, home Repo) (Pull, error) {
	m := pullPattern.FindStringSubmatch(strings.TrimSuffix(s, "/"))
	if m == nil {
		return Pull{}, fmt.Errorf("%q is no pull request: want #12, owner/repo#12 or a URL", s)
	}
	n, err := strconv.Atoi(m[3])
	if err != nil || n == 0 {
		return Pull{}, fmt.Errorf("%q is no pull request: numbers start at 1", s)
	}
	repo := Repo(m[1] + m[2])
	if repo == "" {
		repo = home
	}
	if repo == "" {
		return Pull{}, fmt.Errorf("%q names no repository: want owner/repo#12", s)
	}
	return Pull{repo, n}, nil
}

// State is which state a coupling is in in its life.
type State string

// The states of a coupling.
const (
	Open       State = "open"       // nothing merged
	Landing    State = "landing"    // some merged
	Landed     State = "landed"     // all merged
	Shipped    State = "shipped"    // in a final release, verified by history
	Superseded State = "superseded" // ended by command
	Abandoned  State = "abandoned"  // ended by command, or all members closed
	Broken     State = "broken"     // an alarm is in force
)

// Ended reports whether nothing more is expected of a coupling in this state.
func (s State) Ended() bool { return s == Shipped || s == Superseded || s == Abandoned }

// Origin says who declared a thing.
type Origin string

// Origins, strongest first: the policy wins where it speaks.
const (
	FromPolicy  Origin = "policy"
	FromCommand Origin = "command"
	FromBody    Origin = "body"
)

// Coupling is a named set of pull requests that ship together.
type Coupling struct {
	Name        string    `json:"name"`
	Home        Repo      `json:"home"`
	Title       string    `json:"title,omitempty"`
	Base        string    `json:"base,omitempty"` // "" is the default branch of each member's repository
	SameRelease bool      `json:"same_release"`
	Members     []Member  `json:"members"` // in the order of declaration
	Order       []Edge    `json:"order,omitempty"`
	Gates       []GateUse `json:"gates,omitempty"` // sorted by gate
	Origin      Origin    `json:"origin"`
	End         *End      `json:"end,omitempty"` // set when a command ended it
	Hold        *Hold     `json:"hold,omitempty"`
}

// End records the command that ended a coupling.
type End struct {
	State     State  `json:"state"` // Superseded or Abandoned
	By        string `json:"by"`
	Why       string `json:"why,omitempty"`
	Successor Pull   `json:"successor,omitzero"`
}

// Hold records who blocked every member, and why.
type Hold struct {
	By  string `json:"by"`
	Why string `json:"why,omitempty"`
}

// Member is a pull request in a coupling.
type Member struct {
	Role      string `json:"role"`
	Pull      Pull   `json:"pull"`
	SafeAlone bool   `json:"safe_alone,omitempty"` // may ship in an earlier release than the rest
	Origin    Origin `json:"origin,omitempty"`
}

// Edge says that Before must merge before After may; both are roles. With says that both land together: then neither comes first.
type Edge struct {
	Before   string `json:"before"`
	After    string `json:"after"`
	Together bool   `json:"together,omitempty"` // before-or-with: one merge group may hold both
	With     bool   `json:"with,omitempty"`     // one merge group has to hold both
	Reason   string `json:"reason,omitempty"`
	Origin   Origin `json:"origin,omitempty"`
}

// Word is the edge's name in the policy and in commands.
func (e Edge) Word() string {
	switch {
	case e.With:
		return "with"
	case e.Together:
		return "before-or-with"
	}
	return "before"
}

// Strict reports whether Before has to land first, wherever both are in a merge queue.
func (e Edge) Strict() bool { return !e.Together && !e.With }

// Joins reports whether the edge relates two roles, in either direction.
func (e Edge) Joins(a, b string) bool {
	return e.Before == a && e.After == b || e.Before == b && e.After == a
}

// Same reports whether both edges relate the same two roles, and one of them rules the other out. It is the same edge, or one of them is a with.
func (e Edge) Same(o Edge) bool {
	return e.Before == o.Before && e.After == o.After || (e.With || o.With) && e.Joins(o.Before, o.After)
}

// Evidence as a gate's subject: the gate must name the release that its evidence shows.
const Evidence = "evidence"

// GateUse ties a registered gate to the member whose release it must name, or to [Evidence].
type GateUse struct {
	Gate    string `json:"gate"`
	Subject string `json:"subject"`
}

// Key names a coupling across repositories: "acme/app:distroless".
type Key string

// Key returns the key of the coupling.
func (c Coupling) Key() Key { return Key(string(c.Home) + ":" + c.Name) }

// Home returns the repository in which the coupling is at home.
func (k Key) Home() Repo {
	home, _, _ := strings.Cut(string(k), ":")
	return Repo(home)
}

// ByRole finds a member by role.
func (c Coupling) ByRole(role string) (Member, bool) {
	i := slices.IndexFunc(c.Members, func(m Member) bool { return m.Role == role })
	if i < 0 {
		return Member{}, false
	}
	return c.Members[i], true
}

// ByPull finds a member by pull request.
func (c Coupling) ByPull(p Pull) (Member, bool) {
	i := slices.IndexFunc(c.Members, func(m Member) bool { return m.Pull == p })
	if i < 0 {
		return Member{}, false
	}
	return c.Members[i], true
}

// Heading is the title, or the name where there is none.
func (c Coupling) Heading() string {
	if c.Title != "" {
		return c.Title
	}
	return c.Name
}

// PullEdge is an order edge between two pull requests, of whatever coupling.
type PullEdge struct {
	Before, After Pull
	With          bool
}

// PullEdges resolves the coupling's edges to pull requests; edges that name no member are left out.
func (c Coupling) PullEdges() []PullEdge {
	var out []PullEdge
	for _, e := range c.Order {
		a, ok := c.ByRole(e.Before)
		b, ok2 := c.ByRole(e.After)
		if ok && ok2 {
			out = append(out, PullEdge{a.Pull, b.Pull, e.With})
		}
	}
	return out
}

// CycleOf finds a cycle of the merge order. Pull requests that have to land together are one node in it.
func CycleOf(edges []PullEdge) []Pull {
	var order, with [][2]Pull
	for _, e := range edges {
		if pair := [2]Pull{e.Before, e.After}; e.With {
			with = append(with, pair)
		} else {
			order = append(order, pair)
		}
	}
	return Cycle(Contract(order, with))
}

// Contract returns edges in which nodes that pairs join, directly or not, are replaced by the first of them.
func Contract[T comparable](edges, pairs [][2]T) [][2]T {
	first := map[T]T{}
	of := func(n T) T {
		for {
			up, joined := first[n]
			if !joined {
				return n
			}
			n = up
		}
	}
	for _, p := range pairs {
		if a, b := of(p[0]), of(p[1]); a != b {
			first[b] = a
		}
	}
	out := make([][2]T, len(edges))
	for i, e := range edges {
		out[i] = [2]T{of(e[0]), of(e[1])}
	}
	return out
}

// Cycle finds a cycle and returns its path, first node repeated at the end, or nil. The path is deterministic:
// nodes are tried in the order in which the edges name them. An edge from a node to itself is a cycle.
func Cycle[T comparable](edges [][2]T) []T {
	next := map[T][]T{}
	var nodes []T
	for _, e := range edges {
		for _, n := range e {
			if _, seen := next[n]; !seen {
				next[n] = nil
				nodes = append(nodes, n)
			}
		}
		next[e[0]] = append(next[e[0]], e[1])
	}
	const (
		active = 1
		done   = 2
	)
	state := map[T]int{}
	var path []T
	var visit func(n T) []T
	visit = func(n T) []T {
		switch state[n] {
		case done:
			return nil
		case active:
			i := slices.Index(path, n)
			return append(slices.Clone(path[i:]), n)
		}
		state[n] = active
		path = append(path, n)
		for _, m := range next[n] {
			if c := visit(m); c != nil {
				return c
			}
		}
		path = path[:len(path)-1]
		state[n] = done
		return nil
	}
	for _, n := range nodes {
		if c := visit(n); c != nil {
			return c
		}
	}
	return nil
}
