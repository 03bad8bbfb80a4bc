// Package policy turns a repository's policy file into rules, reporting every problem with its position.
//
// The file is strict: an unknown key, a wrong type or an impossible value is a problem with line and column, what was found
// and what is accepted, and all problems are reported at once. Scalars are read as they are written, so that a version is never taken
// for a number. A file with any problem is not in force; the last good one stays.
package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/goccy/go-yaml/ast"
	"github.com/robfig/cron/v3"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/strict"
	"github.com/relbot/relbot/internal/versionscan"
)

// Path is where a repository keeps its policy.
const Path = ".github/relbot.yml"

// Problem is something wrong with a policy; its Code is policy-invalid or order-cycle.
type Problem = strict.Problem

// Parse reads a policy for its home repository. It returns the policy, or every problem.
func Parse(home coupling.Repo, text []byte) (*rules.Policy, []Problem) {
	root, r := strict.Parse(text)
	if root.IsZero() {
		return nil, coded(r.Done())
	}
	p := &rules.Policy{Check: rules.DefaultCheck, Report: rules.DefaultReport, Permissions: rules.DefaultPermissions}
	d := decoder{home: home, p: p}
	d.policy(root)
	if problems := r.Done(); len(problems) > 0 {
		return nil, coded(problems)
	}
	return p, nil
}

// coded gives every problem that has none the reason code of a bad policy.
func coded(problems []Problem) []Problem {
	for i := range problems {
		if problems[i].Code == "" {
			problems[i].Code = string(rules.PolicyInvalid)
		}
	}
	return problems
}

// decoder fills a policy.
type decoder struct {
	home coupling.Repo
	p    *rules.Policy
}

func (d *decoder) policy(n strict.Node) {
	var couplings, gates, releases strict.Node
	seen := n.Object(map[string]func(strict.Node){
		"version": func(n strict.Node) {
			if s, ok := n.Text("1"); ok && s != "1" {
				n.Problemf(fmt.Sprintf("%q", s), "1", "unknown version of the policy's form")
			}
		},
		"releases":    func(n strict.Node) { releases = n },
		"gates":       func(n strict.Node) { gates = n },
		"couplings":   func(n strict.Node) { couplings = n },
		"check":       d.check,
		"report":      d.report,
		"permissions": d.permissions,
		"trust": func(n strict.Node) {
			for _, s := range n.List("a list of owner/name") {
				if text, ok := s.Text("owner/name"); ok {
					if repo, err := coupling.ParseRepo(text); err != nil {
						s.Problemf(fmt.Sprintf("%q", text), "owner/name", "no repository")
					} else {
						d.p.Trust = append(d.p.Trust, repo)
					}
				}
			}
		},
	})
	if _, ok := seen["version"]; !ok && n.Kind() == "a mapping" {
		n.Problemf("", "version: 1", "the key version is missing")
	}
	if !releases.IsZero() {
		d.releases(releases)
	}
	if !gates.IsZero() {
		d.gates(gates)
	}
	if !couplings.IsZero() {
		d.couplings(couplings)
	}
}

func (d *decoder) releases(n strict.Node) {
	rel := &versionscan.Releases{Scheme: versionscan.Semver, CutOn: "prerelease", Bumped: "at_cut"}
	before := n.Count()
	n.Object(map[string]func(strict.Node){
		"dev_version": func(n strict.Node) {
			for _, e := range n.List("a list of readers") {
				if r, ok := d.reader(e); ok {
					rel.DevVersion = append(rel.DevVersion, r)
				}
			}
		},
		"tags": func(n strict.Node) {
			if s, ok := n.Text("a pattern with {version}"); ok {
				if strings.Count(s, "{version}") != 1 {
					n.Problemf(fmt.Sprintf("%q", s), "a pattern with {version} in it once, such as v{version}", "not a tag pattern")
				}
				rel.Tags = s
			}
		},
		"scheme": func(n strict.Node) {
			var s string
			n.One(&s, "semver", "calver", "pep440", "maven", "integer", "dotted")
			if s != "" {
				rel.Scheme = versionscan.Scheme(s)
			}
		},
		"next": func(n strict.Node) {
			if _, list := n.Syntax().(*ast.SequenceNode); list {
				rel.Next.List = n.Texts("a version")
				return
			}
			n.One(&rel.Next.Step, "major", "minor", "patch", "month")
		},
		"cut_on":      func(n strict.Node) { n.One(&rel.CutOn, "prerelease", "final") },
		"start_words": func(n strict.Node) { rel.StartWords = append([]string{}, n.Texts("a word")...) },
		"bumped":      func(n strict.Node) { n.One(&rel.Bumped, "at_cut", "at_release") },
		"ignore":      func(n strict.Node) { rel.Ignore = n.Texts("a tag") },
		"branches": func(n strict.Node) {
			if s, ok := n.Text("a pattern such as release-{major}.{minor}"); ok {
				if !strings.Contains(s, "{major}") && !strings.Contains(s, "{version}") {
					n.Problemf(fmt.Sprintf("%q", s), "a pattern with {major}, {major}.{minor} or {version}", "not a branch pattern")
				}
				rel.Branches = s
			}
		},
		"train": func(n strict.Node) {
			if s, ok := n.Text("a name"); ok {
				rel.Train = s
			}
		},
	})
	for i, v := range rel.Next.List {
		if _, err := rel.Scheme.Parse(v); err != nil {
			n.Problemf(fmt.Sprintf("%q", v), "a "+string(rel.Scheme)+" version", "next[%d] is no version", i)
		}
	}
	d.p.Releases = rel
	if len(rel.DevVersion) == 0 && n.Count() == before {
		n.Problemf("", "dev_version: [{path: VERSION, pattern: …}]", "no reader of the dev version")
	}
}

// selectors reads the keys that say where in a file a version stands.
func selectors(into *versionscan.Selector) map[string]func(strict.Node) {
	path := func(field *string) func(strict.Node) {
		return func(n strict.Node) {
			if s, ok := n.Text("a dotted path"); ok {
				*field = s
				if s == "" {
					n.Problemf(`""`, "a dotted path", "empty")
				}
			}
		}
	}
	return map[string]func(strict.Node){
		"toml": path(&into.TOML), "json": path(&into.JSON), "yaml": path(&into.YAML), "xml": path(&into.XML), "properties": path(&into.Properties),
		"pattern": func(n strict.Node) { into.Pattern = versionPattern(n) },
	}
}

// versionPattern reads a pattern with the groups that name a version.
func versionPattern(n strict.Node) string {
	s, re := pattern(n)
	if re == nil {
		return s
	}
	has := func(name string) bool { return re.SubexpIndex(name) > 0 }
	if !has("version") && !has("symbol") && !has("major") {
		n.Problemf(fmt.Sprintf("%q", s), "a group (?P<version>…), (?P<major>…) with minor and patch, or (?P<symbol>…)", "the pattern names no version")
	}
	return s
}

func pattern(n strict.Node) (string, *regexp.Regexp) {
	s, ok := n.Text("a pattern (RE2)")
	if !ok {
		return "", nil
	}
	re, err := regexp.Compile(s)
	if err != nil {
		n.Problemf(fmt.Sprintf("%q", s), "a pattern in RE2's syntax", "%s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		return s, nil
	}
	if s == "" {
		n.Problemf(`""`, "a pattern (RE2)", "empty")
	}
	return s, re
}

func glob(n strict.Node, literal bool) string {
	want := "a path inside the repository"
	s, ok := n.Text(want)
	if !ok {
		return ""
	}
	bad := s == "" || strings.HasPrefix(s, "/") || slices.Contains(strings.Split(s, "/"), "..") || strings.ContainsAny(s, "\x00\n")
	if !literal {
		want = "a glob inside the repository: src/*.rs, **/version.py"
		bad = bad || !doublestar.ValidatePattern(s)
	}
	if bad {
		n.Problemf(fmt.Sprintf("%q", s), want, "not an accepted path")
	}
	return s
}

func (d *decoder) reader(n strict.Node) (versionscan.Reader, bool) {
	var r versionscan.Reader
	keys := selectors(&r.Selector)
	keys["path"] = func(n strict.Node) { r.Path = glob(n, true) }
	keys["tags"] = func(n strict.Node) { n.Bool(&r.Tags) }
	before := n.Count()
	seen := n.Object(keys)
	if n.Count() > before {
		return r, false
	}
	_, path := seen["path"]
	chosen := len(seen)
	if path {
		chosen--
	}
	switch {
	case r.Tags && len(seen) > 1:
		n.Problemf("", "{tags: true} alone", "tags stands with other keys")
	case r.Tags:
	case !path:
		n.Problemf("", "path", "the key path is missing")
	case chosen != 1:
		n.Problemf(fmt.Sprintf("%d", chosen), "exactly one of toml, json, yaml, xml, properties, pattern", "how to read the file is not clear")
	default:
		return r, true
	}
	return r, r.Tags
}

var (
	idText   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	roleText = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]{0,63}$`)
)

func (d *decoder) gates(n strict.Node) {
	for _, g := range n.Mapping("gates by id") {
		if !idText.MatchString(g.Name) {
			g.Key.Problemf(fmt.Sprintf("%q", g.Name), "letters, digits, dots and dashes", "not an id")
		}
		if d.p.Releases == nil {
			g.Key.Problemf("", "a section releases", "a gate needs releases to be held against")
		}
		d.p.Gates = append(d.p.Gates, d.gate(g))
	}
	slices.SortFunc(d.p.Gates, func(a, b rules.Gate) int { return strings.Compare(a.ID, b.ID) })
}

func (d *decoder) gate(g strict.Pair) rules.Gate {
	out := rules.Gate{ID: g.Name, Relation: rules.IntroducedIn, Precision: versionscan.Minor}
	relation, precision := string(out.Relation), string(out.Precision)
	seen := g.Object(map[string]func(strict.Node){
		"title": func(n strict.Node) { out.Title, _ = n.Text("a text") },
		"find": func(n strict.Node) {
			f := &out.Find
			keys := selectors(&f.Selector)
			keys["path"] = func(n strict.Node) { f.Path = glob(n, false) }
			keys["marker"] = func(n strict.Node) {
				if f.Marker, _ = n.Text("an id"); f.Marker != "" && !idText.MatchString(f.Marker) {
					n.Problemf(fmt.Sprintf("%q", f.Marker), "letters, digits, dots and dashes", "not an id")
				}
			}
			keys["symbol"] = func(n strict.Node) { f.Symbol, _ = pattern(n) }
			seen := n.Object(keys)
			if _, ok := seen["path"]; !ok {
				n.Problemf("", "path", "the key path is missing")
			} else if len(seen) > 2 {
				n.Problemf(fmt.Sprintf("%d", len(seen)-1), "at most one of marker, symbol, pattern, toml, json, yaml, xml, properties", "how to find the gate is not clear")
			}
		},
		"relation":  func(n strict.Node) { n.One(&relation, "introduced-in", "at-least", "removed-in") },
		"precision": func(n strict.Node) { n.One(&precision, "major", "minor", "patch", "exact") },
		"evidence": func(n strict.Node) {
			out.Evidence = &versionscan.Evidence{}
			seen := n.Object(map[string]func(strict.Node){
				"path":    func(n strict.Node) { out.Evidence.Path = glob(n, false) },
				"pattern": func(n strict.Node) { out.Evidence.Pattern, _ = pattern(n) },
			})
			for _, key := range []string{"path", "pattern"} {
				if _, ok := seen[key]; !ok && !n.IsZero() {
					n.Problemf("", key, "the key %s is missing", key)
				}
			}
		},
	})
	if _, ok := seen["find"]; !ok {
		g.Key.Problemf("", "find: {path: …}", "the key find is missing")
	}
	out.Relation, out.Precision = rules.Relation(relation), versionscan.Precision(precision)
	return out
}

func (d *decoder) couplings(n strict.Node) {
	type edge struct {
		n    strict.Node
		c    int // index of the coupling
		a, b coupling.Pull
	}
	var all []edge
	for _, c := range n.Mapping("couplings by name") {
		if !idText.MatchString(c.Name) {
			c.Key.Problemf(fmt.Sprintf("%q", c.Name), "letters, digits, dots and dashes", "not a name")
		}
		out, places := d.coupling(c)
		d.p.Couplings = append(d.p.Couplings, out)
		for i, e := range out.Order {
			a, _ := out.ByRole(e.Before)
			b, _ := out.ByRole(e.After)
			all = append(all, edge{n: places[i], c: len(d.p.Couplings) - 1, a: a.Pull, b: b.Pull})
		}
	}
	// A cycle may run through several couplings that share pull requests.
	var pairs [][2]coupling.Pull
	for _, e := range all {
		pairs = append(pairs, [2]coupling.Pull{e.a, e.b})
		cycle := coupling.Cycle(pairs)
		if cycle == nil {
			continue
		}
		var names []string
		for _, p := range cycle {
			names = append(names, d.nameOf(p, e.c))
		}
		path := strings.Join(names, " → ")
		e.n.Problemf(path, "an order without a cycle", "the order is a cycle")
		last := e.n.Last()
		last.Code, last.Cycle = string(rules.OrderCycle), names
		pairs = pairs[:len(pairs)-1]
	}
}

// nameOf calls a pull request by its role in a coupling where it has one there.
func (d *decoder) nameOf(p coupling.Pull, c int) string {
	if m, ok := d.p.Couplings[c].ByPull(p); ok {
		return m.Role
	}
	return p.In(d.home)
}

func (d *decoder) coupling(n strict.Pair) (coupling.Coupling, []strict.Node) {
	out := coupling.Coupling{Name: n.Name, Home: d.home, SameRelease: true, Origin: coupling.FromPolicy}
	var order, gates strict.Node
	seen := n.Object(map[string]func(strict.Node){
		"title":        func(n strict.Node) { out.Title, _ = n.Text("a text") },
		"base":         func(n strict.Node) { out.Base = branch(n) },
		"same_release": func(n strict.Node) { n.Bool(&out.SameRelease) },
		"members": func(n strict.Node) {
			for _, m := range n.Mapping("members by role") {
				if member, ok := d.member(m); ok {
					if other, twice := out.ByPull(member.Pull); twice {
						m.Problemf(member.Pull.In(d.home), "each pull request once", "the pull request is the member %q already", other.Role)
						continue
					}
					out.Members = append(out.Members, member)
				}
			}
			if len(out.Members) == 0 && n.Count() == 0 {
				n.Problemf("", "at least one member", "no members")
			}
		},
		"order": func(n strict.Node) { order = n },
		"gates": func(n strict.Node) { gates = n },
	})
	if _, ok := seen["members"]; !ok {
		n.Key.Problemf("", "members: {role: {pr: 12}}", "the key members is missing")
	}
	var places []strict.Node
	if !order.IsZero() {
		for _, e := range order.List("a list of \"A before B: reason\"") {
			if edge, ok := d.edge(e, out); ok {
				out.Order, places = append(out.Order, edge), append(places, e)
			}
		}
	}
	if !gates.IsZero() {
		for _, g := range gates.Mapping("gates by id, each with a member or \"evidence\"") {
			if use, ok := d.use(g, out); ok {
				out.Gates = append(out.Gates, use)
			}
		}
		slices.SortFunc(out.Gates, func(a, b coupling.GateUse) int { return strings.Compare(a.Gate, b.Gate) })
	}
	return out, places
}

func branch(n strict.Node) string {
	s, ok := n.Text("a branch")
	if ok && (s == "" || strings.ContainsAny(s, " ~^:?*[\\\x00\n") || strings.Contains(s, "..") || strings.HasPrefix(s, "-") || strings.HasPrefix(s, "refs/")) {
		n.Problemf(fmt.Sprintf("%q", s), "a branch such as main", "not a branch name")
	}
	return s
}

func (d *decoder) member(n strict.Pair) (coupling.Member, bool) {
	m := coupling.Member{Role: n.Name, Origin: coupling.FromPolicy}
	if !roleText.MatchString(n.Name) || n.Name == coupling.Evidence {
		n.Key.Problemf(fmt.Sprintf("%q", n.Name), "a word of letters, digits, dots and dashes, other than \"evidence\"", "not a role")
	}
	ok := false
	seen := n.Object(map[string]func(strict.Node){
		"pr": func(n strict.Node) {
			const want = "12, owner/repo#12 or a URL"
			text, is := n.Text(want)
			if !is {
				return
			}
			p, err := coupling.ParsePull(text, d.home)
			if err != nil {
				n.Problemf(fmt.Sprintf("%q", strict.Clip(text)), want, "no pull request")
				return
			}
			m.Pull, ok = p, true
		},
		"safe_alone": func(n strict.Node) { n.Bool(&m.SafeAlone) },
	})
	if _, has := seen["pr"]; !has && n.Kind() == "a mapping" {
		n.Problemf("", "pr: 12", "the key pr is missing")
	}
	return m, ok
}

var edgeText = regexp.MustCompile(`^(\S+)\s+(before-or-with|before)\s+(\S+)$`)

// edge reads "A before B" with an optional ": reason", which YAML takes for a mapping of one key.
func (d *decoder) edge(n strict.Node, c coupling.Coupling) (coupling.Edge, bool) {
	const want = "\"A before B\" or \"A before-or-with B: reason\""
	text, reason := "", ""
	switch v := n.Syntax().(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		pairs := n.Mapping(want)
		if len(pairs) != 1 {
			n.Problemf(n.Kind(), want, "not an order edge")
			return coupling.Edge{}, false
		}
		text = pairs[0].Name
		reason, _ = pairs[0].Text("the reason")
	case ast.ScalarNode:
		text = strict.ScalarText(v)
		if strict.IsNull(v) {
			text = ""
		}
		if a, b, ok := strings.Cut(text, ":"); ok {
			text, reason = strings.TrimSpace(a), strings.TrimSpace(b)
		}
	default:
		n.Problemf(n.Kind(), want, "not an order edge")
		return coupling.Edge{}, false
	}
	m := edgeText.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		n.Problemf(fmt.Sprintf("%q", strict.Clip(text)), want, "not an order edge")
		return coupling.Edge{}, false
	}
	e := coupling.Edge{Before: m[1], After: m[3], Together: m[2] == "before-or-with", Reason: reason, Origin: coupling.FromPolicy}
	ok := true
	for _, role := range []string{e.Before, e.After} {
		if _, is := c.ByRole(role); !is {
			n.Problemf(fmt.Sprintf("%q", role), "a role of this coupling: "+roles(c), "no such member")
			ok = false
		}
	}
	if ok && e.Before == e.After {
		n.Problemf(fmt.Sprintf("%q", text), "two members", "a member cannot wait for itself")
		ok = false
	}
	if slices.ContainsFunc(c.Order, func(o coupling.Edge) bool { return o.Before == e.Before && o.After == e.After }) {
		n.Problemf(fmt.Sprintf("%q", text), "each edge once", "the edge stands twice")
		ok = false
	}
	return e, ok
}

func roles(c coupling.Coupling) string {
	var out []string
	for _, m := range c.Members {
		out = append(out, m.Role)
	}
	return strings.Join(out, ", ")
}

func (d *decoder) use(n strict.Pair, c coupling.Coupling) (coupling.GateUse, bool) {
	g, known := d.p.Gate(n.Name)
	if !known {
		var ids []string
		for _, g := range d.p.Gates {
			ids = append(ids, g.ID)
		}
		n.Key.Problemf(fmt.Sprintf("%q", n.Name), "a gate of the section gates: "+strings.Join(ids, ", "), "no such gate")
	}
	want := "a role (" + roles(c) + ") or \"evidence\""
	subject, ok := n.Text(want)
	if !ok {
		return coupling.GateUse{}, false
	}
	if _, member := c.ByRole(subject); !member && subject != coupling.Evidence {
		n.Problemf(fmt.Sprintf("%q", subject), want, "no such member")
		ok = false
	}
	if subject == coupling.Evidence && known && g.Evidence == nil {
		n.Problemf(`"evidence"`, "evidence: {path: …, pattern: …} at the gate "+g.ID, "the gate declares no evidence")
		ok = false
	}
	return coupling.GateUse{Gate: n.Name, Subject: subject}, ok && known
}

func (d *decoder) check(n strict.Node) {
	n.Object(map[string]func(strict.Node){
		"name": func(n strict.Node) {
			s, ok := n.Text("a name")
			if ok && (s == "" || len(s) > 100 || strings.ContainsAny(s, "\n\x00")) {
				n.Problemf(fmt.Sprintf("%q", s), "1 to 100 characters on one line", "not a check name")
			}
			d.p.Check.Name = s
		},
		"as": func(n strict.Node) { n.One(&d.p.Check.As, "check", "status") },
	})
}

func (d *decoder) report(n strict.Node) {
	n.Object(map[string]func(strict.Node){
		"schedule": func(n strict.Node) {
			const want = "five cron fields such as \"0 6 * * *\""
			s, ok := n.Text(want)
			if !ok {
				return
			}
			if _, err := cron.ParseStandard(s); err != nil || len(strings.Fields(s)) != 5 {
				n.Problemf(fmt.Sprintf("%q", s), want, "not a schedule")
			}
			d.p.Report.Schedule = s
		},
		"timezone": func(n strict.Node) {
			const want = "a time zone such as UTC or Europe/Berlin"
			s, ok := n.Text(want)
			if !ok {
				return
			}
			if _, err := time.LoadLocation(s); err != nil || s == "Local" {
				n.Problemf(fmt.Sprintf("%q", s), want, "not a time zone")
			}
			d.p.Report.Timezone = s
		},
		"labels": func(n strict.Node) {
			d.p.Report.Labels = n.Texts("a label")
			if len(d.p.Report.Labels) == 0 {
				n.Problemf("", "at least one label", "no labels: the report's issue is found by them")
			}
		},
	})
}

func (d *decoder) permissions(n strict.Node) {
	keys := map[string]func(strict.Node){}
	for name, field := range map[string]*string{"link": &d.p.Permissions.Link, "hold": &d.p.Permissions.Hold, "override": &d.p.Permissions.Override} {
		keys[name] = func(n strict.Node) { n.One(field, "triage", "write", "maintain", "admin") }
	}
	n.Object(keys)
}
