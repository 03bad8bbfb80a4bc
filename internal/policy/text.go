package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/robfig/cron/v3"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/strict"
	"github.com/relbot/relbot/internal/versionscan/find"
)

// Conditions on the texts of a policy.
var (
	filled   = check{holds: func(s string) bool { return s != "" }, want: "a text", message: "nothing is there", schema: map[string]any{"minLength": 1}}
	word     = like(`^[A-Za-z][A-Za-z0-9_-]*$`, "a word such as alpha", "not a word")
	id       = like(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`, "up to 64 letters, digits, dots and dashes", "not a name")
	roleName = check{
		holds: func(s string) bool { return roleText.MatchString(s) && s != coupling.Evidence },
		want:  "a word of letters, digits, dots and dashes, other than \"evidence\"", message: "not a role",
		schema: map[string]any{"pattern": roleText.String(), "not": map[string]any{"const": coupling.Evidence}},
	}
	checkName = check{
		holds: func(s string) bool {
			return strings.TrimSpace(s) != "" && utf8.RuneCountInString(s) <= 100 && !strings.ContainsFunc(s, unicode.IsControl)
		},
		want: "1 to 100 characters on one line", message: "not a check name", schema: map[string]any{"minLength": 1, "maxLength": 100},
	}
	label = check{
		holds: func(s string) bool {
			return strings.TrimSpace(s) != "" && utf8.RuneCountInString(s) <= 50 && !strings.ContainsAny(s, ",\n") // a comma separates labels in GitHub's queries
		},
		want: "1 to 50 characters without a comma", message: "not a label", schema: map[string]any{"minLength": 1, "maxLength": 50, "pattern": "^[^,]*$"},
	}
	repository = check{
		holds: func(s string) bool { _, err := coupling.ParseRepo(s); return err == nil },
		want:  "owner/name", message: "no repository", schema: map[string]any{"pattern": "^[^/]+/[^/]+$"},
	}
	schedule = check{
		holds: func(s string) bool { _, err := cron.ParseStandard(s); return err == nil && len(strings.Fields(s)) == 5 },
		want:  "five cron fields such as \"0 6 * * *\"", message: "not a schedule",
	}
	timezone = check{
		holds: func(s string) bool { _, err := time.LoadLocation(s); return err == nil && s != "" && s != "Local" },
		want:  "a time zone such as UTC or Europe/Berlin", message: "not a time zone", schema: map[string]any{"minLength": 1},
	}
	tagPattern = check{
		holds: func(s string) bool { return strings.Count(s, "{version}") == 1 && slots(s) && refName(s) },
		want:  "a pattern with {version} in it once that the name of a git tag can match, such as v{version}", message: "not a tag pattern", schema: map[string]any{"pattern": `\{version\}`},
	}
	linePattern = check{
		holds: func(s string) bool {
			has := func(slot string) bool { return strings.Contains(s, slot) }
			if has("{version}") {
				return slots(s) && !has("{major}") && !has("{minor}") && !has("{patch}")
			}
			return slots(s) && has("{major}") && (has("{minor}") || !has("{patch}"))
		},
		want: "a pattern with {version}, {major} or {major}.{minor} in it, such as release-{major}.{minor}", message: "not a branch pattern", schema: map[string]any{"pattern": `\{(version|major)\}`},
	}
	path = check{
		holds: inside, want: "a path inside the repository, without a leading slash, \".\" or \"..\"", message: "not an accepted path", schema: relative,
	}
	glob = check{
		holds: func(s string) bool {
			return inside(s) && doublestar.ValidatePattern(s) && alternatives(s) <= maxAlternatives
		},
		want: "a glob inside the repository: src/*.rs, **/version.py", message: "not an accepted path", schema: relative,
	}
	branch = check{
		holds: func(s string) bool {
			return s != "" && !strings.ContainsAny(s, " ~^:?*[\\\x00\n") && !strings.Contains(s, "..") && !strings.HasPrefix(s, "-") && !strings.HasPrefix(s, "refs/")
		},
		want: "a branch such as main", message: "not a branch name", schema: map[string]any{"minLength": 1},
	}
	relative = map[string]any{"minLength": 1, "pattern": "^[^/]"}
	roleText = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]{0,63}$`)
	edgeText = regexp.MustCompile(`^(\S+)\s+(before-or-with|before|with)\s+(\S+)$`)
	slotText = regexp.MustCompile(`\{[^}]*\}?`)
)

// slots reports whether a pattern has known placeholders only, each once.
func slots(pattern string) bool {
	var seen []string
	for _, s := range slotText.FindAllString(pattern, -1) {
		if slices.Contains(seen, s) || !slices.Contains([]string{"{version}", "{major}", "{minor}", "{patch}"}, s) {
			return false
		}
		seen = append(seen, s)
	}
	return true
}

// inside reports whether a path or glob can match what a tree lists: GitHub's trees know neither ".", ".." nor a leading slash.
func inside(s string) bool {
	for part := range strings.SplitSeq(s, "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return !strings.ContainsFunc(s, unicode.IsControl)
}

// pattern is a regular expression, which has one of these groups, or none is asked for.
func pattern(into *string, groups ...string) form {
	const want = "a pattern (RE2)"
	f := text(into, want, filled)
	f.accepts = "RE2"
	read := f.read
	f.read = func(n strict.Node) {
		if read(n); *into == "" {
			return
		}
		re, err := regexp.Compile(*into)
		if err != nil {
			n.Problemf(fmt.Sprintf("%q", *into), "a pattern in RE2's syntax", "%s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
			return
		}
		if size := find.PatternSize(*into); size > maxPatternSize {
			n.Problemf(fmt.Sprintf("%q", *into), "fewer or smaller repetitions", "the pattern is too large: it has %d steps, more than %d, each of which may be taken for each byte of a file", size, maxPatternSize)
			return
		}
		if len(groups) > 0 && !slices.ContainsFunc(groups, func(g string) bool { return re.SubexpIndex(g) > 0 }) {
			n.Problemf(fmt.Sprintf("%q", *into), "a group (?P<version>…), (?P<major>…) with minor and patch, or (?P<symbol>…)", "the pattern names no version")
		}
	}
	return f
}

// maxPatternSize bounds a pattern, in instructions: two repetitions of up to 1,000 each have 4,000.
const maxPatternSize = 20_000

// maxAlternatives bounds the ways in which the braces of a glob can be read. Matching tries them all, and a pull request of anybody may propose
// a policy.
const maxAlternatives = 100

// alternatives is in how many ways the braces of a glob can be read, at the most.
func alternatives(glob string) int {
	n := 1
	var commas []int // of the braces that are open
	for i := 0; i < len(glob) && n <= maxAlternatives; i++ {
		switch glob[i] {
		case '\\':
			i++
		case '{':
			commas = append(commas, 0)
		case ',':
			if len(commas) > 0 {
				commas[len(commas)-1]++
			}
		case '}':
			if last := len(commas) - 1; last >= 0 {
				n *= commas[last] + 1
				commas = commas[:last]
			}
		}
	}
	return n
}

// refName reports whether a git tag can be called what a pattern matches, by the rules of git-check-ref-format(1).
func refName(pattern string) bool {
	name := refExample(pattern)
	if strings.HasPrefix(name, "refs/") || strings.HasSuffix(name, ".") || strings.HasPrefix(name, "-") || strings.Contains(name, "..") || strings.Contains(name, "@{") {
		return false
	}
	if strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`~^:?*[\`, r) }) {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	return true
}

// refExample is a tag that a pattern matches.
func refExample(pattern string) string {
	return strings.NewReplacer("{version}", "1.2.3", "{major}", "1", "{minor}", "2", "{patch}", "3").Replace(pattern)
}
