// Package draft writes a first policy from what a clone shows.
//
// It guesses, and then lets relbot's own arithmetic say how good a guess is. Of several tag patterns, schemes and steps it takes those under which
// most of the real tags are releases that follow one another. A file counts as a dev version only when what is in it fits to these releases. What
// nobody but the owners can know (which constants are gates, which pull requests belong together) is written as a comment, ready
// to be uncommented. The text is read back by the policy's parser, with and without these comments, before anybody sees it.
//
// Asking questions on the terminal was refused: the file is the dialogue, with the reasons next to each line.
package draft

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/policy"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/find"
	"github.com/relbot/relbot/internal/versionscan/release"
)

// Input is a clone.
type Input struct {
	Repo     coupling.Repo
	Tags     []release.Tag
	Branches []string
	Files    []string                                             // paths of the tree
	Read     func(path string) versionscan.Fact[versionscan.File] // of a path in Files
	Discover func(scheme release.Scheme) []find.Finding           // constants that look like gates
}

// Draft is a policy file, and what its owners should know of how it came about.
type Draft struct {
	Text  string
	Notes []string
}

// SchemaComment makes editors that use the YAML language server check a policy while it is written.
const SchemaComment = "# yaml-language-server: $schema=https://raw.githubusercontent.com/relbot/relbot/main/docs/policy.schema.json"

// Policy drafts a policy. An error says that the draft was not a valid policy, which is a fault of this package.
func Policy(in Input) (Draft, error) {
	var d Draft
	rel, tags := releases(in.Tags)
	if tags == 0 {
		if len(in.Tags) == 0 {
			d.note("The clone has no tags: releases could not be looked at. Fetch them (git fetch --tags) and run this again, or correct tags, scheme and next.")
		} else {
			d.note("None of the %d tags looks like a version: correct tags, scheme and next.", len(in.Tags))
		}
	}
	rel.Branches = lines(rel, in.Branches, in.Tags)
	h := rel.History(in.Tags, in.Branches)
	readers := devVersions(in, rel, h)
	if len(readers) == 0 {
		if tags == 0 {
			d.note("No file was found that states the version. Nothing shows the releases, so the policy has none: order is judged all the same.")
		} else {
			d.note("No file was found that states the coming version: the release after the newest tag is taken for it.")
		}
	}
	for _, r := range readers {
		rel.DevVersion = append(rel.DevVersion, r.Reader)
	}
	if len(readers) > 0 {
		if r, ok := h.Release(readers[0].version.Core()); ok && r.Final() && readers[0].version.Pre() == "" {
			rel.Bumped = "at_release"
		}
	}

	var b strings.Builder
	fmt.Fprintf(&b, "%s\n# A first policy, written by `relbot config init` from what the clone shows. Every key is described in docs/policy.md of relbot.\nversion: 1\n", SchemaComment)
	if tags > 0 || len(readers) > 0 {
		tagged := rel
		tagged.Branches = "" // lines are releases too, and here the tags are notified of
		writeReleases(&b, rel, tagged.History(in.Tags, nil), readers, tags)
	}
	b.WriteString(example)
	rest := gates(in, rel, h, readers)
	if len(rest) == 1 {
		d.note("1 constant looks like a version gate: it is in the file as a comment. Uncomment it if it has to name a release.")
	} else if len(rest) > 1 {
		d.note("%d constants look like version gates: they are in the file as comments. Uncomment those that have to name a release.", len(rest))
	}
	if len(rest) > 0 {
		writeGates(&b, rest)
	}
	d.Text = b.String()

	bare := strings.ReplaceAll(d.Text, "\n#~ ", "\n")
	d.Text = strings.ReplaceAll(d.Text, "\n#~ ", "\n# ")
	for _, text := range []string{d.Text, bare} {
		if _, problems := policy.Parse(in.Repo, []byte(text)); len(problems) > 0 {
			return Draft{}, fmt.Errorf("the draft is no valid policy: %s\n%s", problems[0], text)
		}
	}
	return d, nil
}

func (d *Draft) note(format string, args ...any) {
	d.Notes = append(d.Notes, fmt.Sprintf(format, args...))
}

// tagName cuts a tag into what is before its version, and the version.
var tagName = regexp.MustCompile(`^(.*?)(\d+(?:\.\d+)+\S*|\d+)$`)

// releases guesses how a repository's tags name its releases: pattern, scheme and step. n is how many tags are releases then.
func releases(tags []release.Tag) (rel release.Releases, n int) {
	count, counters := map[string]int{}, map[string]int{}
	for _, t := range tags {
		if m := tagName.FindStringSubmatch(t.Name); m != nil {
			count[m[1]]++
			if !strings.Contains(m[2], ".") {
				counters[m[1]]++
			}
		}
	}
	type guess struct {
		release.Releases
		n int
	}
	var best guess
	for _, prefix := range sorted(count) {
		for _, scheme := range []release.Scheme{release.Semver, release.PEP440, release.Maven, release.Dotted, release.Integer} {
			if (scheme == release.Integer) != (counters[prefix] == count[prefix]) {
				continue
			}
			g := guess{Releases: release.Releases{Tags: prefix + "{version}", Scheme: scheme}}
			years := 0
			for _, t := range tags {
				v, ok := g.ParseTag(t.Name)
				if !ok {
					continue
				}
				g.n++
				if year, err := strconv.Atoi(v.Part(0)); err == nil && year >= 1990 && year < 2200 {
					years++
				}
			}
			if scheme != release.Integer && years > 0 && 2*years > g.n {
				g.Scheme = release.Calver
			}
			// A component of a repository of several ("cli/v1.2.0") comes after the whole.
			weight := func(g guess) int {
				if strings.ContainsAny(strings.TrimRight(strings.TrimSuffix(g.Tags, "{version}"), "vV"), "/@") {
					return g.n / 10
				}
				return g.n
			}
			if weight(g) > weight(best) {
				best = g
			}
		}
	}
	if best.n == 0 {
		return release.Releases{Tags: "v{version}", Scheme: release.Semver}, 0
	}
	best.Next.Step = step(best.Releases, tags)
	return best.Releases, best.n
}

func sorted(count map[string]int) []string {
	var out []string
	for k := range count {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b string) int { return cmp.Or(count[b]-count[a], strings.Compare(a, b)) })
	return out
}

// step is the step by which most releases are followed by another; "" is the scheme's own.
func step(rel release.Releases, tags []release.Tag) string {
	steps := []string{"", "minor", "major", "patch"}
	if rel.Scheme == release.Calver {
		steps = append(steps, "month")
	}
	if rel.Scheme == release.Integer {
		steps = steps[:1]
	}
	best, most := "", -1
	for _, s := range steps {
		rel.Next.Step = s
		h := rel.History(tags, nil)
		n := 0
		for _, r := range recent(h) {
			if next, ok := rel.NextAfter(r.Core); ok {
				if _, there := h.Release(next); there {
					n++
				}
			}
		}
		if n > most {
			best, most = s, n
		}
	}
	return best
}

// looked is how many releases are looked at to learn a habit: old ones followed another.
const looked = 60

func recent(h *release.History) []release.Release {
	all := h.Releases()
	return all[max(0, len(all)-looked):]
}

var lineName = regexp.MustCompile(`^(.*?)(\d+)\.(\d+)(\.x|)$`)

// lines guesses the pattern of release branches: one that at least two branches have, whose releases exist.
func lines(rel release.Releases, branches []string, tags []release.Tag) string {
	h := rel.History(tags, nil)
	count := map[string]int{}
	for _, name := range branches {
		m := lineName.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		pattern := m[1] + "{major}.{minor}" + m[4]
		rel.Branches = pattern
		core, ok := rel.LineOf(name)
		if !ok {
			continue
		}
		if slices.ContainsFunc(h.Releases(), func(r release.Release) bool {
			return r.Core.At(release.Minor).Compare(core.At(release.Minor)) == 0
		}) {
			count[pattern]++
		}
	}
	for _, pattern := range sorted(count) {
		if count[pattern] > 1 {
			return pattern
		}
	}
	return ""
}

// reader is a place that has a version.
type reader struct {
	release.Reader
	version release.Version
}

// known are the files in which the usual build systems state a version, and where, in the order in which they are preferred.
var known = []struct {
	name *regexp.Regexp // of the file
	at   versionscan.Selector
}{
	{regexp.MustCompile(`^Cargo\.toml$`), versionscan.Selector{TOML: "workspace.package.version"}},
	{regexp.MustCompile(`^Cargo\.toml$`), versionscan.Selector{TOML: "package.version"}},
	{regexp.MustCompile(`^pyproject\.toml$`), versionscan.Selector{TOML: "project.version"}},
	{regexp.MustCompile(`^pyproject\.toml$`), versionscan.Selector{TOML: "tool.poetry.version"}},
	{regexp.MustCompile(`^lerna\.json$`), versionscan.Selector{JSON: "version"}},
	{regexp.MustCompile(`^package\.json$`), versionscan.Selector{JSON: "version"}},
	{regexp.MustCompile(`^pom\.xml$`), versionscan.Selector{XML: "project.version"}},
	{regexp.MustCompile(`^gradle\.properties$`), versionscan.Selector{Properties: "version"}},
	{regexp.MustCompile(`^gradle\.properties$`), versionscan.Selector{Properties: "VERSION_NAME"}},
	{regexp.MustCompile(`^version\.properties$`), versionscan.Selector{Pattern: `(?m)^\w+\s*=\s*(?P<version>\d+\.\S+)$`}},
	{regexp.MustCompile(`(?i)^version(\.txt)?$`), versionscan.Selector{Pattern: `(?m)\A\s*v?(?P<version>\d\S*)`}},
	{regexp.MustCompile(`^(const|version|_version|__init__|__version__|__about__)\.py$`), versionscan.Selector{Pattern: `(?m)^(?:__version__|VERSION|version)\s*(?::\s*\w+\s*)?=\s*["'](?P<version>\d[^"']*)["']`}},
	{regexp.MustCompile(`^setup\.(py|cfg)$`), versionscan.Selector{Pattern: `(?m)^\s*version\s*=\s*["']?(?P<version>\d[^"',\s]*)`}},
	{regexp.MustCompile(`(?i)^version\.(go|rb|ts|js|php|ex|java|kt|scala|cs)$`), versionscan.Selector{Pattern: `(?i)\bversion\w*\s*(?::?=|\()\s*["']v?(?P<version>\d+\.\d[^"']*)["']`}},
	{regexp.MustCompile(`^mix\.exs$`), versionscan.Selector{Pattern: `(?m)^\s*(?:version:|@version)\s*"(?P<version>\d[^"]*)"`}},
	{regexp.MustCompile(`^build\.gradle(\.kts)?$`), versionscan.Selector{Pattern: `(?m)^\s*version\s*=?\s*["'](?P<version>\d[^"']*)["']`}},
	{regexp.MustCompile(`^CMakeLists\.txt$`), versionscan.Selector{Pattern: `(?is)\bproject\s*\([^)]{0,200}?\bversion\s+(?P<version>\d[\d.]*)`}},
	{regexp.MustCompile(`^configure\.ac$`), versionscan.Selector{Pattern: `(?s)AC_INIT\(\s*\[[^\]]*\]\s*,\s*\[(?P<version>\d[^\]]*)\]`}},
	{regexp.MustCompile(`\.(csproj|props)$`), versionscan.Selector{XML: "Project.PropertyGroup.Version"}},
	{regexp.MustCompile(`^Chart\.yaml$`), versionscan.Selector{YAML: "appVersion"}},
	{regexp.MustCompile(`^galaxy\.yml$`), versionscan.Selector{YAML: "version"}},
}

// elsewhere are directories whose versions are not the repository's own.
var elsewhere = regexp.MustCompile(`(?i)(^|/)(vendor|node_modules|third_party|testdata|tests?|fixtures?|examples?|demos?|samples?|benchmarks?|docs?|website|templates?|e2e|hack|tools)/`)

// maxReaders bounds how many files the draft compares.
const maxReaders = 3

// devVersions finds the files that state the version that the branch is building: the best first, and others that say the same.
func devVersions(in Input, rel release.Releases, h *release.History) []reader {
	newest, any := h.NewestCut()
	var found []reader
	rank := map[string]int{}
	for _, file := range in.Files {
		if elsewhere.MatchString(file) {
			continue
		}
		for i, k := range known {
			if !k.name.MatchString(path.Base(file)) {
				continue
			}
			fact := in.Read(file)
			if !fact.Known() {
				continue
			}
			at := release.Reader{Path: file, Selector: k.at}
			rel.DevVersion = []release.Reader{at}
			dev := find.Dev(rel, map[string]versionscan.Fact[versionscan.File]{file: fact}, h)
			if !dev.Known() || any && !fits(rel, dev.Value.Version.Core(), newest) {
				continue
			}
			found = append(found, reader{at, dev.Value.Version})
			rank[file] = i
			break
		}
	}
	slices.SortStableFunc(found, func(a, b reader) int {
		// A version that is ahead of all releases is one in the making.
		ahead := func(r reader) int {
			if any && r.version.Core().Compare(newest) <= 0 {
				return 1
			}
			return 0
		}
		return cmp.Or(ahead(a)-ahead(b), strings.Count(a.Path, "/")-strings.Count(b.Path, "/"), rank[a.Path]-rank[b.Path], strings.Compare(a.Path, b.Path))
	})
	if len(found) == 0 {
		return nil
	}
	first := found[0]
	out := found[:1:1]
	for _, r := range found[1:] {
		// Of each kind of file one: those of a kind are moved together.
		if len(out) < maxReaders && r.version.Compare(first.version) == 0 && !slices.ContainsFunc(out, func(o reader) bool { return path.Base(o.Path) == path.Base(r.Path) }) {
			out = append(out, r)
		}
	}
	return out
}

// fits reports whether a version can be what is built after the newest release. It may be that release, or what a step of any size makes of it.
func fits(rel release.Releases, core, newest release.Version) bool {
	if core.Compare(newest) == 0 {
		return true
	}
	if core.Compare(newest) < 0 {
		return false
	}
	far := newest
	for range 2 { // two releases ahead at most
		for _, s := range []string{"", "patch", "minor", "major"} {
			rel.Next = release.Next{Step: s}
			if next, ok := rel.NextAfter(newest); ok && next.Compare(far) > 0 {
				far = next
			}
		}
		newest = far
	}
	return core.Compare(far) <= 0
}

func writeReleases(b *strings.Builder, rel release.Releases, h *release.History, readers []reader, tags int) {
	b.WriteString("\nreleases:\n  # Where the default branch says what it is building. All readers have to agree; the first one decides.\n  dev_version:\n")
	for _, r := range readers {
		fmt.Fprintf(b, "    - {path: %s, %s: %s} # %s\n", quoted(r.Path), r.Form(), quoted(r.Selector.TOML+r.JSON+r.YAML+r.XML+r.Properties+r.Pattern), r.version)
	}
	if len(readers) == 0 {
		b.WriteString("    - {tags: true} # no file states it: it is the release after the newest tag\n")
	}
	all := h.Releases()
	if tags > 0 {
		fmt.Fprintf(b, "  # %d tags make up %d releases, from %s to %s.\n", tags, len(all), all[0].Core, all[len(all)-1].Core)
	}
	fmt.Fprintf(b, "  tags: %s\n", quoted(rel.Tags))
	fmt.Fprintf(b, "  scheme: %s\n", rel.Scheme)
	if rel.Next.Step != "" {
		fmt.Fprintf(b, "  next: %s # how the coming release is numbered once one is cut\n", rel.Next.Step)
	}
	if rel.Bumped != "" {
		fmt.Fprintf(b, "  bumped: %s # the file names the last release, not the coming one\n", rel.Bumped)
	}
	if rel.Branches != "" {
		fmt.Fprintf(b, "  branches: %s # release lines: making such a branch cuts its release\n", quoted(rel.Branches))
	}
	if pre := prerelease(rel, h); pre != "" {
		fmt.Fprintf(b, "  # A candidate such as %s cuts its release: what merges after it ships in the next. With `cut_on: final` only the final tag does.\n", pre)
	}
}

// prerelease is the newest tag of a candidate that cuts its release.
func prerelease(rel release.Releases, h *release.History) string {
	for _, build := range slices.Backward(h.Builds()) {
		if build.Version.Pre() == "" {
			continue
		}
		if alone := rel.History([]release.Tag{build.Tag}, nil).Releases(); len(alone) == 1 && alone[0].Cut {
			return build.Name
		}
	}
	return ""
}

// quoted writes a YAML scalar that is read as this text.
func quoted(s string) string {
	if regexp.MustCompile(`^[A-Za-z][\w./-]*$`).MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// example shows a coupling. "#~" begins a line that has to be valid when it is uncommented.
const example = `
# Pull requests that have to ship in one release, and their order:
#~ couplings:
#~   example:
#~     title: What this is about
#~     members:
#~       server: {pr: 101}
#~       client: {pr: 102}
#~     order:
#~       - server before-or-with client: the client needs the new call
`

// maxGates bounds how many candidates are listed; near releases come first.
const maxGates = 12

type candidate struct {
	find.Finding
	id string
}

// noise are files whose constants are no gates.
var noise = regexp.MustCompile(`(?i)(^|/)(change(s|log)[^/]*|[^/]*\.lock|package-lock\.json|go\.(sum|mod)|[^/]*\.(md|rst|txt|snap|svg)|[^/]*(_test\.go|\.test\.[jt]sx?|_spec\.rb|_test\.py))$`)

// gates picks constants that look like gates. They have a name that leaves exactly one and a value near the newest release, outside of
// tests and of what is the version itself.
func gates(in Input, rel release.Releases, h *release.History, readers []reader) []candidate {
	newest, any := h.NewestCut()
	if !any || in.Discover == nil {
		return nil
	}
	oldest := recent(h)[0].Core
	var out []candidate
	used := map[string]bool{}
	for _, f := range in.Discover(rel.Scheme) {
		core := f.Value.Core()
		switch {
		case f.Name == "" || f.Value.IsZero() || f.Placeholder,
			elsewhere.MatchString(f.Path) || noise.MatchString(f.Path),
			core.Compare(oldest) < 0 || core.Compare(newest) > 0 && !fits(rel, core, newest),
			slices.ContainsFunc(readers, func(r reader) bool { return r.Path == f.Path }):
			continue
		}
		finder := find.Finder{Path: f.Path, Symbol: "^" + regexp.QuoteMeta(f.Name) + "$"}
		got, trouble := find.Gate(finder, "x", rel.Scheme, map[string]versionscan.Fact[versionscan.File]{f.Path: in.Read(f.Path)})
		id := ident(f.Name)
		if trouble != nil || !got.Known() || got.Value.Line != f.Line || id == "" || used[id] {
			continue
		}
		used[id] = true
		out = append(out, candidate{f, id})
	}
	slices.SortStableFunc(out, func(a, b candidate) int { return b.Value.Compare(a.Value) })
	return out[:min(len(out), maxGates)]
}

// ident makes an id of a constant's name.
func ident(name string) string {
	return strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(name), "-"), "-")
}

func writeGates(b *strings.Builder, list []candidate) {
	b.WriteString("\n# Constants that look like version gates. Keep those that have to name the release in which something first ships; `relbot scan` then watches them,\n# and a coupling that lists one checks it against its member (or, with evidence, against the release history: docs/gates.md).\n#~ gates:\n")
	for _, c := range list {
		fmt.Fprintf(b, "#~   %s:\n#~     find: {path: %s, symbol: %s} # line %d: %s\n", c.id, quoted(c.Path), quoted("^"+regexp.QuoteMeta(c.Name)+"$"), c.Line, c.Value)
	}
}
