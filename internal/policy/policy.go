// Package policy turns a repository's policy file into rules, reporting every problem with its position.
//
// The file is strict: an unknown key, a wrong type or an impossible value is a problem. It has line and column, what was
// found and what is accepted. All problems are reported at once. Scalars are read as they are written, so that a version is never taken
// for a number. A file with any problem is not in force; the last good one stays.
//
// Every place of the file is described once, by a [form]. That says how it is read, what the JSON Schema says, and what the reference says.
// Struct tags on a second set of types were refused. They say what a key is called, but neither what is accepted nor where it went wrong.
package policy

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/strict"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/find"
	"github.com/relbot/relbot/internal/versionscan/release"
)

// Path is where a repository keeps its policy.
const Path = ".github/relbot.yml"

// Problem is something wrong with a policy; its Code is policy-invalid or order-cycle.
type Problem = strict.Problem

// maxProblems bounds how many problems are reported; a file that has more is not a policy.
const maxProblems = 200

// maxText bounds a single text of a policy, patterns above all.
const maxText = 2000

// Parse reads a policy for its home repository. It returns the policy, or every problem, in the order of the file.
func Parse(home coupling.Repo, text []byte) (*rules.Policy, []Problem) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if p, ok := unreadable(text); ok {
		return nil, coded([]Problem{p})
	}
	root, r := strict.Parse(text)
	if root.IsZero() {
		return nil, coded(r.Done())
	}
	r.MaxText = maxText
	d := newDecoder(home)
	d.file().read(root)
	if problems := r.Done(); len(problems) > 0 {
		return nil, coded(problems)
	}
	rules.Pair(d.p.Gates)
	return d.p, nil
}

// coded gives every problem that has none the reason code of a bad policy.
func coded(problems []Problem) []Problem {
	if more := len(problems) - maxProblems; more > 0 {
		last := problems[maxProblems-1]
		problems = append(problems[:maxProblems:maxProblems], Problem{Line: last.Line, Column: last.Column, Message: fmt.Sprintf("%d more problems", more)})
	}
	for i := range problems {
		if problems[i].Code == "" {
			problems[i].Code = string(rules.PolicyInvalid)
		}
	}
	return problems
}

// maxEntries bounds how many list entries and keys may begin on one line, as in "- - - a", which takes a YAML parser cubic time.
const maxEntries = 20

// unreadable finds what must not reach the YAML parser or a database. It is bytes that are no UTF-8, control characters, and lines
// that are made to be expensive.
func unreadable(text []byte) (Problem, bool) {
	number := 0
	for line := range bytes.Lines(text) {
		number++
		entries := 0
		for i, c := range line {
			if (c == '-' || c == '?') && i+1 < len(line) && line[i+1] == ' ' {
				entries++
			} else if c != ' ' {
				break
			}
		}
		if entries > maxEntries {
			return Problem{Line: number, Column: 1, Message: "the file is nested too deeply", Found: fmt.Sprintf("%d entries on one line", entries), Want: fmt.Sprintf("at most %d", maxEntries)}, true
		}
		for i := 0; i < len(line); {
			c, size := utf8.DecodeRune(line[i:])
			if c == utf8.RuneError && size == 1 || c < ' ' && c != '\t' && c != '\n' && c != '\r' {
				return Problem{Line: number, Column: i + 1, Message: "not a text", Found: fmt.Sprintf("byte %#02x", line[i]), Want: "UTF-8 without control characters"}, true
			}
			i += size
		}
	}
	return Problem{}, false
}

// decoder fills a policy. What it remembers in addition to the policy holds also what has problems of its own. So one problem is not reported
// again wherever its place is named.
type decoder struct {
	home     coupling.Repo
	p        *rules.Policy
	gates    map[string]bool // whether the gate of that id has evidence
	declared bool            // the section releases is there
	edges    []placed
}

// placed is an order edge between two pull requests, with its place in the file.
type placed struct {
	at       strict.Node
	coupling coupling.Coupling
	edge     coupling.PullEdge
}

func newDecoder(home coupling.Repo) *decoder {
	p := &rules.Policy{Check: rules.DefaultCheck, Report: rules.DefaultReport, Permissions: rules.DefaultPermissions}
	return &decoder{home: home, p: p, gates: map[string]bool{}}
}

// file is the whole of it.
func (d *decoder) file() form {
	return mapping(keys{
		{name: "version", doc: "version of this form", need: "version: 1", form: version()},
		{name: "releases", doc: "how the repository versions itself", form: d.releases()},
		{name: "gates", doc: "version gates by id", form: named(id, "gates by id", d.gate)},
		{name: "couplings", doc: "sets of pull requests by name", form: d.couplings()},
		{name: "check", doc: "how verdicts are posted", form: mapping(keys{
			{name: "name", doc: "name of the check", form: text(&d.p.Check.Name, "a name", checkName)},
			{name: "as", doc: "as a check run or a commit status", form: words(&d.p.Check.As, "check", "status")},
			{name: "queue_patience", doc: "how long a merge group waits at most for members that have to land with it, and never longer than half of the queue's own time-out", form: duration(&d.p.Check.QueuePatience)},
		}, nil, nil)},
		{name: "report", doc: "the nightly drift report", form: mapping(keys{
			{name: "schedule", doc: "five cron fields", form: text(&d.p.Report.Schedule, schedule.want, schedule)},
			{name: "timezone", doc: "IANA name", form: text(&d.p.Report.Timezone, timezone.want, timezone)},
			{name: "labels", doc: "labels of the issue, by which it is found", form: texts(&d.p.Report.Labels, "a label", 1, label)},
		}, nil, nil)},
		{name: "permissions", doc: "the role that each group of commands needs", form: mapping(keys{
			{name: "link", doc: "link, after, with, unlink, replace, order, unorder, supersede, abandon, reopen", form: role(&d.p.Permissions.Link)},
			{name: "hold", doc: "hold, resume", form: role(&d.p.Permissions.Hold)},
			{name: "override", doc: "override", form: role(&d.p.Permissions.Override)},
			{name: "end", doc: "ending a coupling while an open member is blocked, taking out or replacing the member that is the reason, and reopen; left out, the role of override for couplings of the policy, and that of link for others", form: role(&d.p.Permissions.End)},
		}, nil, nil)},
		{name: "trust", doc: "home repositories that may block pull requests of this one; others may only read them", form: d.trust()},
	}, nil, nil)
}

func version() form {
	var s string
	f := text(&s, "1", check{holds: func(s string) bool { return s == "1" }, want: "1", message: "unknown version of the policy's form"})
	f.accepts, f.schema = "`1`", map[string]any{"enum": []any{1, "1"}}
	return f
}

// role is a role that people have in a repository.
func role(into *string) form { return words(into, "triage", "write", "maintain", "admin") }

func (d *decoder) trust() form {
	const want = "owner/name"
	return list("a list of "+want, 0, func() form {
		var s string
		f := text(&s, want, repository)
		read := f.read
		f.read = func(n strict.Node) {
			read(n)
			if s != "" {
				d.p.Trust = append(d.p.Trust, coupling.Repo(s))
			}
		}
		f.accepts = want
		return f
	})
}

func (d *decoder) releases() form {
	rel := &release.Releases{Scheme: release.Semver, CutOn: "prerelease", Bumped: "at_cut"}
	start := slices.Clone(release.DefaultStartWords)
	f := mapping(keys{
		{name: "dev_version", doc: "readers of the version that a branch is building; the first decides, the others are compared with it", need: "dev_version: [{path: VERSION, pattern: …}]",
			form: list("a list of readers", 1, func() form { return reader(rel) })},
		{name: "tags", doc: "which tags are releases: a pattern with {version}; \"{version}\" with an optional v when left out", form: text(&rel.Tags, tagPattern.want, tagPattern)},
		{name: "scheme", doc: "how versions are written and ordered", form: words(&rel.Scheme,
			release.Semver, release.Calver, release.PEP440, release.Maven, release.Integer, release.Dotted)},
		{name: "next", doc: "how the train moves: a step, or the versions in ascending order; minor when left out, but in the last part where the scheme is calver, and by one where it is integer", form: next(rel)},
		{name: "cut_on", doc: "which tag cuts a release", form: words(&rel.CutOn, "prerelease", "final")},
		{name: "start_words", doc: "prerelease words that mark a start or a dev build and never cut", form: texts(&start, "a word", 0, word)},
		{name: "bumped", doc: "when the dev version moves: the file names the coming release, or the last one", form: words(&rel.Bumped, "at_cut", "at_release")},
		{name: "ignore", doc: "tags that never were releases: accidental ones, and those of the coming release that are no version", form: texts(&rel.Ignore, "a tag", 0)},
		{name: "branches", doc: "release lines, such as release-{major}.{minor}", form: text(&rel.Branches, linePattern.want, linePattern)},
		{name: "supported", doc: "how many of the newest releases are supported, patch releases not counted; gates that name older ones are reported as removable", form: count(&rel.Supported)},
		{name: "train", doc: "a name; repositories that name the same train ship together", form: text(&rel.Train, "a name", filled)},
	}, nil, func(_ strict.Node, seen map[string]bool) {
		if seen["start_words"] {
			rel.StartWords = start
		}
		d.p.Releases = rel
	})
	read := f.read
	f.read = func(n strict.Node) { d.declared = true; read(n) }
	return f
}

// next is a step, or a list of versions that ascend.
func next(rel *release.Releases) form {
	step := words(&rel.Next.Step, "major", "minor", "patch", "month")
	var last release.Version
	versions := list("a list of versions", 1, func() form {
		var s string
		f := text(&s, "a version")
		read := f.read
		f.read = func(n strict.Node) {
			read(n)
			v, err := rel.Scheme.Parse(s)
			switch {
			case s == "":
			case err != nil:
				n.Problemf(fmt.Sprintf("%q", s), "a "+string(rel.Scheme)+" version", "not a version")
			case !last.IsZero() && v.Compare(last) <= 0:
				n.Problemf(fmt.Sprintf("%q", s), "a version above "+last.String(), "the versions do not ascend")
			default:
				last = v
				rel.Next.List = append(rel.Next.List, s)
			}
		}
		return f
	})
	return form{accepts: step.accepts + ", or a list of versions", schema: map[string]any{"anyOf": []any{step.schema, versions.schema}}, read: func(n strict.Node) {
		if n.Kind() == "a list" {
			versions.read(n)
			return
		}
		step.read(n)
	}}
}

// structured are the keys that name a place in a structured file, each accepting a path.
func structured(s *versionscan.Selector) keys {
	return keys{
		{name: "toml", doc: "dotted path in a TOML file", form: text(&s.TOML, "a dotted path", filled)},
		{name: "json", doc: "dotted path in a JSON file; comments are accepted", form: text(&s.JSON, "a dotted path", filled)},
		{name: "yaml", doc: "dotted path in a YAML file; scalars stay as they are written", form: text(&s.YAML, "a dotted path", filled)},
		{name: "xml", doc: "path of an element, such as project.version", form: text(&s.XML, "a dotted path", filled)},
		{name: "properties", doc: "key in a properties file", form: text(&s.Properties, "a key", filled)},
		{name: "pattern", doc: "RE2 with a group (?P<version>…), or major, minor and patch, or (?P<symbol>…), which is resolved to its definition", form: pattern(&s.Pattern, "version", "major", "symbol")},
	}
}

// reader is a reader of the dev version.
func reader(rel *release.Releases) form {
	var r release.Reader
	ks := slices.Concat(
		keys{{name: "path", doc: "file at the branch's tip", form: text(&r.Path, "a path", path)}},
		structured(&r.Selector),
		keys{{name: "tags", doc: "alone: versions live in tags; the dev version is the release after the newest cut one", form: alone(&r.Tags)}},
	)
	const want = "a path with exactly one of toml, json, yaml, xml, properties, pattern; or {tags: true}"
	either := map[string]any{"anyOf": []any{
		map[string]any{"required": []string{"tags"}, "maxProperties": 1},
		map[string]any{"required": []string{"path"}, "minProperties": 2, "maxProperties": 2, "not": map[string]any{"required": []string{"tags"}}},
	}}
	return mapping(ks, either, func(n strict.Node, seen map[string]bool) {
		if r.Tags && len(seen) == 1 || !r.Tags && seen["path"] && len(seen) == 2 {
			rel.DevVersion = append(rel.DevVersion, r)
			return
		}
		n.Problemf(present(ks, seen), want, "how to read the dev version is not clear")
	})
}

// alone is a switch that can only be turned on.
func alone(into *bool) form {
	return form{accepts: "`true`", schema: map[string]any{"const": true}, read: func(n strict.Node) {
		if n.Bool(into); !*into && n.Kind() == `"false"` {
			n.Problemf("false", "true, or nothing", "it says nothing")
		}
	}}
}

// present lists the keys that stand in a mapping.
func present(ks keys, seen map[string]bool) string {
	var out []string
	for _, name := range ks.names() {
		if seen[name] {
			out = append(out, name)
		}
	}
	return strings.Join(out, ", ")
}

// gate is a registered gate.
func (d *decoder) gate(p strict.Pair) form {
	g := rules.Gate{ID: p.Name, Relation: rules.IntroducedIn, Precision: release.Minor}
	evidence := &find.Evidence{}
	find := slices.Concat(keys{
		{name: "path", doc: "glob: *, **, ?, {a,b}", need: "path: src/*.rs", form: text(&g.Find.Path, "a glob", glob)},
		{name: "marker", doc: "id in a comment relbot:gate ID on the constant's line or the line above; the gate's own id when the path is alone", form: text(&g.Find.Marker, "an id", id)},
		{name: "symbol", doc: "pattern on the constant's name, which must leave exactly one", form: pattern(&g.Find.Symbol)},
	}, structured(&g.Find.Selector))
	shows := mapping(keys{
		{name: "path", doc: "glob", need: "path: Dockerfile", form: text(&evidence.Path, "a glob", glob)},
		{name: "pattern", doc: "pattern that some matching file has", need: "pattern: (?m)^FROM distroless$", form: pattern(&evidence.Pattern)},
	}, nil, nil)
	showing := shows.read
	shows.read = func(n strict.Node) { d.gates[p.Name] = true; showing(n) }
	f := owned(p.Key, keys{
		{name: "title", doc: "what the gate is for", form: text(&g.Title, "a text")},
		{name: "find", doc: "where the constant is: a path and at most one way to find it there", need: "find: {path: …}", form: mapping(find, map[string]any{"maxProperties": 2}, func(n strict.Node, seen map[string]bool) {
			if len(seen) > 2 {
				n.Problemf(present(find, seen), "path and at most one of "+strings.Join(find.names()[1:], ", "), "how to find the gate is not clear")
			}
		})},
		{name: "relation", doc: "what the value says of the release; removed-in names the one that no longer has what the evidence shows, and is a deadline until then; two gates with the same evidence, of which one is removed-in, make a window: the other names the release that brought a thing, and it the one that took it away", form: words(&g.Relation, rules.IntroducedIn, rules.AtLeast, rules.RemovedIn)},
		{name: "precision", doc: "how many parts are compared", form: words(&g.Precision, release.Major, release.Minor, release.Patch, release.Exact)},
		{name: "evidence", doc: "what tells at any tag whether that release has the change", form: shows},
	}, nil, func(_ strict.Node, seen map[string]bool) {
		if seen["evidence"] {
			g.Evidence = evidence
		}
		i := sort.Search(len(d.p.Gates), func(i int) bool { return d.p.Gates[i].ID > g.ID })
		d.p.Gates = slices.Insert(d.p.Gates, i, g)
	})
	read := f.read
	f.read = func(n strict.Node) {
		if !d.declared {
			p.Key.Problemf("", "a section releases", "a gate needs releases to be held against")
		}
		d.gates[p.Name] = false
		read(n)
	}
	return f
}

func (d *decoder) couplings() form {
	f := named(id, "couplings by name", d.coupling)
	read := f.read
	f.read = func(n strict.Node) { read(n); d.cycles() }
	return f
}

func (d *decoder) coupling(p strict.Pair) form {
	c := coupling.Coupling{Name: p.Name, Home: d.home, SameRelease: true, Origin: coupling.FromPolicy}
	var roles []string // also of members that have problems
	return owned(p.Key, keys{
		{name: "title", doc: "heading of the coordination note", form: text(&c.Title, "a text")},
		{name: "base", doc: "branch on which members land; the default branch when left out", form: text(&c.Base, "a branch", branch)},
		{name: "same_release", doc: "all members have to ship in one release", form: boolean(&c.SameRelease)},
		{name: "members", doc: "members by role", need: "members: {image: {pr: 12}}", form: d.members(&c, &roles)},
		{name: "order", doc: "\"A before B: reason\": B may merge only after A; \"A before-or-with B: reason\": also in one merge-queue group with it; \"A with B: reason\": both land in one merge-queue group, and without a queue the second is urgent once one has merged", form: d.order(&c, &roles)},
		{name: "gates", doc: "gates by id, each with the member whose first release it must name, or \"evidence\"", form: named(check{holds: func(string) bool { return true }, schema: id.schema}, "gates by id, each with a role or \"evidence\"",
			func(p strict.Pair) form { return d.use(p, &c, roles) })},
	}, nil, func(strict.Node, map[string]bool) { d.p.Couplings = append(d.p.Couplings, c) })
}

func (d *decoder) members(c *coupling.Coupling, roles *[]string) form {
	f := named(roleName, "members by role", func(p strict.Pair) form {
		*roles = append(*roles, p.Name)
		m := coupling.Member{Role: p.Name, Origin: coupling.FromPolicy}
		return owned(p.Key, keys{
			{name: "pr", doc: "the pull request", need: "pr: 12", form: d.pull(&m.Pull)},
			{name: "safe_alone", doc: "may ship in an earlier release than the rest", form: boolean(&m.SafeAlone)},
		}, nil, func(strict.Node, map[string]bool) {
			if i := slices.IndexFunc(c.Members, func(o coupling.Member) bool { return o.Pull.Number == m.Pull.Number && o.Pull.Repo.Same(m.Pull.Repo) }); i >= 0 {
				p.Problemf(m.Pull.In(d.home), "each pull request once", "the pull request is the member %q already", c.Members[i].Role)
				return
			}
			c.Members = append(c.Members, m)
		})
	})
	f.schema["minProperties"] = 1
	*roles = nil // the sample's
	read := f.read
	f.read = func(n strict.Node) {
		if read(n); len(*roles) == 0 && n.Kind() == "a mapping" {
			n.Problemf("an empty mapping", "at least one member", "no members")
		}
	}
	return f
}

// pull is a pull request, of the home repository when it names no other.
func (d *decoder) pull(into *coupling.Pull) form {
	const want = "12, \"#12\", owner/repo#12 or a URL"
	var s string
	f := text(&s, want, check{holds: func(s string) bool { _, err := coupling.ParsePull(s, "a/b"); return err == nil }, want: want, message: "no pull request"})
	read := f.read
	f.accepts = "`12`, `\"#12\"`, `owner/repo#12` or a URL"
	f.schema = map[string]any{"type": []string{"integer", "string"}, "minimum": 1, "pattern": "(^|#|/pull/)0*[1-9][0-9]*/?$"}
	f.read = func(n strict.Node) {
		read(n)
		*into, _ = coupling.ParsePull(s, d.home) // it was read once already
		if into.Repo.Same(d.home) {
			into.Repo = d.home
		}
	}
	return f
}

// order is a list of edges. YAML takes "A before B: reason" for a mapping of one key.
func (d *decoder) order(c *coupling.Coupling, roles *[]string) form {
	const want = "\"A before B\", \"A before-or-with B: reason\" or \"A with B: reason\""
	return list("a list of "+want, 0, func() form {
		plain := map[string]any{"type": "string", "pattern": `^\s*\S+\s+(before(-or-with)?|with)\s+[^\s:]+\s*(:|$)`}
		pair := map[string]any{"type": "object", "minProperties": 1, "maxProperties": 1, "propertyNames": map[string]any{"pattern": `^\s*\S+\s+(before(-or-with)?|with)\s+\S+\s*$`}, "additionalProperties": map[string]any{"type": scalars}}
		return form{accepts: want, schema: map[string]any{"anyOf": []any{plain, pair}}, read: func(n strict.Node) {
			var line, reason string
			if n.Kind() == "a mapping" {
				pairs := n.Mapping(want)
				if len(pairs) != 1 {
					n.Problemf(fmt.Sprintf("%d keys", len(pairs)), want, "not an order edge")
					return
				}
				line = pairs[0].Name
				text(&reason, "the reason").read(pairs[0].Node)
			} else {
				text(&line, want).read(n)
				line, reason, _ = strings.Cut(line, ":")
				if line == "" {
					return // it is reported
				}
			}
			m := edgeText.FindStringSubmatch(strings.TrimSpace(line))
			if m == nil {
				n.Problemf(fmt.Sprintf("%q", line), want, "not an order edge")
				return
			}
			d.edge(n, c, *roles, coupling.Edge{Before: m[1], After: m[3], Together: m[2] == "before-or-with", With: m[2] == "with", Reason: strings.TrimSpace(reason), Origin: coupling.FromPolicy})
		}}
	})
}

// edge takes an order edge into a coupling.
func (d *decoder) edge(n strict.Node, c *coupling.Coupling, roles []string, e coupling.Edge) {
	before := n.Count()
	for _, role := range []string{e.Before, e.After} {
		if !slices.Contains(roles, role) {
			n.Problemf(fmt.Sprintf("%q", role), "a role of this coupling: "+strings.Join(roles, ", "), "no such member")
		}
	}
	if e.Before == e.After {
		n.Problemf(fmt.Sprintf("%q twice", e.Before), "two members", "a member cannot wait for itself")
	}
	if i := slices.IndexFunc(c.Order, e.Same); i >= 0 {
		said := fmt.Sprintf("%q", e.Before+" "+e.Word()+" "+e.After)
		if o := c.Order[i]; o.With == e.With {
			n.Problemf(said, "each edge once", "the edge is there twice")
		} else {
			n.Problemf(said, "one relation of the same two", "the order says %q already", o.Before+" "+o.Word()+" "+o.After)
		}
	}
	if n.Count() > before {
		return
	}
	c.Order = append(c.Order, e)
	a, known := c.ByRole(e.Before)
	b, both := c.ByRole(e.After)
	if known && both {
		d.edges = append(d.edges, placed{at: n, coupling: *c, edge: coupling.PullEdge{Before: a.Pull, After: b.Pull, With: e.With}})
	}
}

// use ties a gate to a member or to its evidence.
func (d *decoder) use(p strict.Pair, c *coupling.Coupling, roles []string) form {
	var subject string
	want := "a role (" + strings.Join(roles, ", ") + ") or \"evidence\""
	f := text(&subject, want)
	f.accepts = "a role, or `evidence`"
	read := f.read
	f.read = func(n strict.Node) {
		evidence, known := d.gates[p.Name]
		if !known {
			ids := slices.Sorted(maps.Keys(d.gates))
			p.Key.Problemf(fmt.Sprintf("%q", p.Name), "a gate of the section gates: "+strings.Join(ids, ", "), "no such gate")
		}
		read(n)
		switch {
		case subject == "":
		case subject == coupling.Evidence && known && !evidence:
			n.Problemf(`"evidence"`, "evidence: {path: …, pattern: …} at the gate "+p.Name, "the gate declares no evidence")
		case subject != coupling.Evidence && !slices.Contains(roles, subject):
			n.Problemf(fmt.Sprintf("%q", subject), want, "no such member")
		case known:
			i := sort.Search(len(c.Gates), func(i int) bool { return c.Gates[i].Gate > p.Name })
			c.Gates = slices.Insert(c.Gates, i, coupling.GateUse{Gate: p.Name, Subject: subject})
		}
	}
	return f
}

// maxCycles bounds how many cycles of one file are reported.
const maxCycles = 10

// cycles reports each cycle of the order at the edge that closes it. A cycle may run through several couplings that share pull requests.
func (d *decoder) cycles() {
	edges := slices.Clone(d.edges)
	for range maxCycles {
		cycle := func(n int) []coupling.Pull {
			all := make([]coupling.PullEdge, n)
			for i, e := range edges[:n] {
				all[i] = e.edge
			}
			return coupling.CycleOf(all)
		}
		if cycle(len(edges)) == nil {
			return
		}
		closing := sort.Search(len(edges), func(n int) bool { return cycle(n) != nil }) - 1
		e := edges[closing]
		var names []string
		for _, p := range cycle(closing + 1) {
			if m, ok := e.coupling.ByPull(p); ok {
				names = append(names, m.Role)
			} else {
				names = append(names, p.In(d.home))
			}
		}
		e.at.Problemf(strings.Join(names, " → "), "an order without a cycle", "the order is a cycle")
		last := e.at.Last()
		last.Code, last.Cycle = string(rules.OrderCycle), names
		edges = slices.Delete(edges, closing, closing+1)
	}
}
