package history

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/versionscan"
)

// What commits say of one another is read here alone. People and bots say it in many words, so a word counts only with the change that it
// is about. That is a subject that is quoted or follows, a number, or a commit id.

// verbs are the words for taking a change back, and for bringing one in again.
var (
	reverts   = regexp.MustCompile(`(?i)\b(?:revert(?:s|ed|ing)?|back(?:s|ed|ing)?[ -]?out|roll(?:s|ed|ing)?[ -]?back|undo(?:es|ne|ing)?)\b(?:\([^)]*\))?!?:?`)
	reapplies = regexp.MustCompile(`(?i)\b(?:re-?appl(?:y|ies|ied)|re-?land(?:s|ed|ing)?|un-?revert(?:s|ed)?)\b(?:\([^)]*\))?!?:?`)
)

var (
	// labels stand before the verb that leads a subject: [release-1.2], fix:, ABC-12:, ⏪️.
	labels = regexp.MustCompile(`^(?:[^\w"'“‘]*(?:\[[^\]]*\]|[\w./-]+(?:\([^)]*\))?!?:))*[^\w"'“‘]*`)
	filler = regexp.MustCompile(`(?i)^(?:(?:of|the|commits?|changes?|pull request|pr|merge)\s+)+`)
	// behind may follow what is quoted: the number of the pull request, a label, a branch.
	behind = regexp.MustCompile(`^[\s.]*(?:\s(?:on|for|from|in|to)\s+[\w./-]+)?[\s.]*(?:[\[(][^\])]*[\])][\s.]*)*$`)

	numberSuffix  = regexp.MustCompile(`(?:\s*\(#\d+\))+$`)
	number        = regexp.MustCompile(`#(\d+)\b`)
	mergeOf       = regexp.MustCompile(`^Merge pull request #(\d+) `)
	leadingNumber = regexp.MustCompile(`^#(\d+)\b`)
)

func subject(c forge.Commit) string {
	s, _, _ := strings.Cut(c.Message, "\n")
	return strings.TrimSpace(s)
}

// bare is a subject without the numbers that squashes put behind it.
func bare(subject string) string { return numberSuffix.ReplaceAllString(subject, "") }

// numbersOf are the pull requests that a subject says it comes from: those at its end, and that of a merge.
func numbersOf(subject string) []string {
	var out []string
	for _, m := range number.FindAllStringSubmatch(subject[len(bare(subject)):], -1) {
		out = append(out, m[1])
	}
	if m := mergeOf.FindStringSubmatch(subject); m != nil {
		out = append(out, m[1])
	}
	return out
}

// object is what a subject's verb is done to.
type object struct {
	title   string
	numbers []string
}

// objectOf reads what a verb is done to. Whatever is before it, it may be quoted, and then next to nothing follows; what is not quoted
// follows a verb that leads the subject.
func objectOf(subject string, verb *regexp.Regexp) (object, bool) {
	at := verb.FindStringIndex(subject)
	if at == nil {
		return object{}, false
	}
	rest := strings.TrimSpace(subject[at[1]:])
	if cut := filler.ReplaceAllString(rest, ""); cut != "" && (cut[0] == '#' || opens(cut) != "") {
		rest = cut
	}
	if m := leadingNumber.FindStringSubmatch(rest); m != nil {
		return object{numbers: m[1:]}, leads(subject, at[0]) && behind.MatchString(rest[len(m[0]):])
	}
	if end := opens(rest); end != "" {
		_, quoted, _ := strings.Cut(rest, rest[:len(end)])
		if i := strings.LastIndex(quoted, end); i >= 0 {
			if !behind.MatchString(quoted[i+len(end):]) {
				return object{}, false
			}
			quoted = quoted[:i]
		}
		return object{quoted, numbersOf(quoted)}, true
	}
	return object{rest, numbersOf(rest)}, leads(subject, at[0])
}

// opens is the quote that closes what a text begins with; "" where it begins with none.
func opens(text string) string {
	for _, q := range quotes {
		if strings.HasPrefix(text, q[0]) {
			return q[1]
		}
	}
	return ""
}

// quotes are the pairs of quotes that people use.
var quotes = [][2]string{{`"`, `"`}, {"'", "'"}, {"`", "`"}, {"“", "”"}, {"‘", "’"}}

// leads reports whether nothing but labels is before an offset of a subject.
func leads(subject string, at int) bool {
	return len(labels.FindString(subject[:at])) == at
}

// isRevert reports whether a commit's subject says that it takes something back.
func isRevert(o forge.Commit) bool {
	s := subject(o)
	if at := reverts.FindStringIndex(s); at != nil && leads(s, at[0]) {
		return true
	}
	obj, ok := objectOf(s, reverts)
	return ok && obj.title != ""
}

// isRevert is as for any commit, except that a change may be called like a revert of something, as a roll-back that a program learned. What
// bears its title reverts nothing of it.
func (c Change) isRevert(o forge.Commit) bool {
	return isRevert(o) && (c.Title == "" || bare(c.Title) != bare(subject(o)))
}

// canonical is a title as it is compared: without numbers and case, and reverts alike in whatever words.
func canonical(title string) string {
	title = strings.TrimSpace(bare(title))
	if obj, ok := objectOf(title, reverts); ok && obj.title != "" {
		return reverted(obj.title)
	}
	return strings.ToLower(title)
}

// reverted is the canonical title of the revert of a change.
func reverted(title string) string { return `revert "` + canonical(title) + `"` }

// identity is what a commit may be called where another one takes it back.
type identity struct {
	shas    []string // of it and of those that it is a pick of
	numbers []string // of its pull requests
	titles  []string // canonical
	undone  []string // of a revert: the pull requests that it names
}

func (c Change) identity() identity {
	id := identity{shas: []string{c.Merge}}
	if c.Number != 0 {
		id.numbers = []string{fmt.Sprint(c.Number)}
	}
	if c.Title != "" {
		id.titles = []string{canonical(c.Title)}
	}
	return id
}

func identityOf(o forge.Commit) identity {
	id := identity{shas: append([]string{o.SHA}, origins(o)...), titles: []string{canonical(subject(o))}}
	if n := PullOf(o); n != 0 {
		id.numbers = []string{fmt.Sprint(n)}
	}
	if obj, ok := objectOf(subject(o), reverts); ok {
		id.undone = obj.numbers
	}
	return id
}

func (id identity) and(other identity) identity {
	return identity{slices.Concat(id.shas, other.shas), slices.Concat(id.numbers, other.numbers), slices.Concat(id.titles, other.titles), slices.Concat(id.undone, other.undone)}
}

func (id identity) hasSHA(sha string) bool {
	return slices.ContainsFunc(id.shas, func(own string) bool { return strings.HasPrefix(own, sha) || strings.HasPrefix(sha, own) })
}

func (id identity) hasNumber(n string) bool { return slices.Contains(id.numbers, n) }

// hasTitle reports whether a title is its own. A title says little of a commit that came by no pull request, unless it names what it reverts.
func (id identity) hasTitle(title string) bool {
	return slices.Contains(id.titles, title) && (len(id.numbers) > 0 || strings.HasPrefix(title, `revert "`))
}

var (
	revertsCommit = regexp.MustCompile(`(?i)\bthis (?:reverts|backs out|rolls back) (?:commits?|changesets?):?\s+((?:[0-9a-f]{7,40}(?:,? and |[,\s]+)?)+)`)
	revertsRef    = regexp.MustCompile(`(?m)^Refs: (.*)$`)
	revertsPull   = regexp.MustCompile(`(?im)^(?:this )?reverts? (?:pull request |pr )?(?:[\w.-]+/[\w.-]+#|#|https?://\S+/pull/)(\d+)\b`)
	hexID         = regexp.MustCompile(`\b[0-9a-f]{7,40}\b`)
)

// takenBackBy reports whether a commit takes it back: by git's own words, by naming the pull request, or by its subject.
func (id identity) takenBackBy(o forge.Commit) bool {
	named := revertsCommit.FindAllStringSubmatch(o.Message, -1)
	if isRevert(o) {
		named = append(named, revertsRef.FindAllStringSubmatch(o.Message, -1)...)
	}
	for _, m := range named {
		if slices.ContainsFunc(hexID.FindAllString(m[1], -1), id.hasSHA) {
			return true
		}
	}
	for _, m := range revertsPull.FindAllStringSubmatch(o.Message, -1) {
		if id.hasNumber(m[1]) {
			return true
		}
	}
	s := subject(o)
	if id.hasTitle(canonical(s)) {
		return false // it has its very title, as a pick has
	}
	if obj, ok := objectOf(s, reverts); ok {
		return id.is(obj)
	}
	obj, ok := objectOf(s, reapplies) // takes the revert of it back
	return ok && id.hasTitle(reverted(obj.title)) && (len(obj.numbers) == 0 || len(id.undone) == 0 || meet(obj.numbers, id.undone))
}

// is reports whether a commit's words are about it. Pull requests may have the same title, so that a number decides where there is one.
func (id identity) is(obj object) bool {
	if len(obj.numbers) > 0 && len(id.numbers) > 0 {
		return meet(obj.numbers, id.numbers)
	}
	return id.hasTitle(canonical(obj.title))
}

func meet(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// broughtBackBy reports whether a commit says that it brings the change in again.
func (c Change) broughtBackBy(o forge.Commit) bool {
	obj, ok := objectOf(subject(o), reapplies)
	return ok && c.identity().is(obj)
}

var (
	trailer   = regexp.MustCompile(`(?i)\b(?:cherry[ -]?pick(?:ed)?|backport(?:ed)?)(?: of| from)?(?: commit)?:? ([0-9a-f]{7,40})\b`)
	pickVerb  = regexp.MustCompile(`(?i)^(?:(?:automated|automatic|manual) )?(?:cherry[ -]?pick|backport)(?:s|ed|ing)?\b`)
	pickNote  = regexp.MustCompile(`(?i)[\[(](?:cherry[ -]?pick|backport)(?:s|ed)?(?: of| from)?:? #(\d+)[\])]`)
	pickBody  = regexp.MustCompile(`(?im)^(?:this is an? )?(?:automated |manual )?(?:cherry[ -]?pick(?:ed)?|backport(?:ed|s)?)(?: of| from)?(?: pull request| pr)? (?:[\w.-]+/[\w.-]+)?#(\d+)\b`)
	pickMerge = regexp.MustCompile(`(?i)^Merge pull request #\d+ from \S*?(?:cherry-?pick|backport)(?:-of)?[-_/]#?(\d+)\b`)
	lineLabel = regexp.MustCompile(`^\[[^\]]*\d[^\]]*\]\s*`)
)

// origins are the commits that a commit says it is a pick of.
func origins(o forge.Commit) []string {
	var out []string
	for _, m := range trailer.FindAllStringSubmatch(o.Message, -1) {
		out = append(out, m[1])
	}
	return out
}

// pickedBy reports whether a commit is a pick of it.
func (id identity) pickedBy(o forge.Commit) bool { return slices.ContainsFunc(origins(o), id.hasSHA) }

// toldBy says whether a commit says that it is a pick of a change. A revert never is one, and a number in the middle of a subject is a mention.
func (c Change) toldBy(o forge.Commit) versionscan.Fact[string] {
	switch {
	case slices.ContainsFunc(origins(o), func(sha string) bool { return strings.HasPrefix(c.Merge, sha) }):
		return versionscan.Know(byTrailer)
	case c.Number != 0 && !c.isRevert(o) && (slices.Contains(picksOf(o), fmt.Sprint(c.Number)) || c.labelled(o)):
		return versionscan.Know(byNumber)
	}
	return noPick
}

// labelled reports whether a commit has the change's title behind the label of a release line: [1.2] title (#34).
func (c Change) labelled(o forge.Commit) bool {
	s := subject(o)
	label := lineLabel.FindString(s)
	return label != "" && c.Title != "" && bare(s[len(label):]) == bare(c.Title)
}

// picksOf are the pull requests that a commit says it brings.
func picksOf(o forge.Commit) []string {
	s := subject(o)
	out := numbersOf(s)
	if text := bare(s)[len(labels.FindString(bare(s))):]; pickVerb.MatchString(text) {
		for _, m := range number.FindAllStringSubmatch(text, -1) {
			out = append(out, m[1])
		}
	}
	for _, re := range []*regexp.Regexp{pickNote, pickBody, pickMerge} {
		for _, m := range re.FindAllStringSubmatch(o.Message, -1) {
			out = append(out, m[1])
		}
	}
	return out
}
