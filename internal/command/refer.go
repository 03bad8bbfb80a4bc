package command

import (
	"regexp"
	"strings"
)

var (
	pullText = regexp.MustCompile(`^(?:[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+)?#[1-9][0-9]{0,8}$`)
	bareText = regexp.MustCompile(`^(?i:gh-)?([1-9][0-9]{0,8})$`)
	// urlText is a page of a pull request, such as that of its files or of a comment.
	urlText  = regexp.MustCompile(`^(https?://[^/\s]+/[^/\s]+/[^/\s]+/pull/[1-9][0-9]{0,8})(?:[/?#]\S*)?$`)
	linkText = regexp.MustCompile(`^\[([^\]]*)\]\(([^)\s]*)\)$`)
	roleText = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]{0,63}$`)
	nameText = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
)

// punctuation may end a word without being part of it.
const punctuation = ".,:;!?…"

// reference reads a word that names a pull request, in any of the forms that people write. A bare number, or a word for the pull request of the
// comment, counts only where bare is allowed.
func reference(word string, bare bool) (t Target, ok bool) {
	text := strings.Trim(word, "()<>*"+punctuation)
	if m := linkText.FindStringSubmatch(strings.TrimRight(word, punctuation)); m != nil {
		if t, ok := reference(m[1], false); ok && t.Pull != "" {
			return t, true
		}
		text = m[2]
	}
	switch low := strings.ToLower(text); {
	case pullText.MatchString(text):
		return Target{Text: text, Pull: text}, true
	case urlText.MatchString(text):
		return Target{Text: text, Pull: urlText.FindStringSubmatch(text)[1]}, true
	case bare && (low == "this" || low == "me"):
		return Target{Text: text, Pull: this}, true
	case bareText.MatchString(text) && (bare || strings.HasPrefix(low, "gh-")):
		return Target{Text: text, Pull: "#" + bareText.FindStringSubmatch(text)[1]}, true
	}
	return Target{}, false
}

// this is the pull request of the comment, which [Command.At] puts in its place.
const this = "this"

// separators are between the members of a list, also without blanks around them.
var (
	separators = regexp.MustCompile(`,|&|;|->|→|=>`)
	commas     = regexp.MustCompile(`,|;`)
)

// joiner reports whether a word only joins the members of a list.
func joiner(word string) bool {
	switch strings.ToLower(word) {
	case "and", "&", "+", ",", ";", "/":
		return true
	}
	return false
}
