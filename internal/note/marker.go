package note

import (
	"regexp"
	"strings"

	"github.com/relbot/relbot/internal/coupling"
)

// Markers. What is between the first and the last of a note is relbot's; the rest of the comment is of the person who wrote it.
const (
	noteOpen     = "<!-- relbot:note v1"
	noteClose    = "<!-- /relbot:note -->"
	outdatedMark = "<!-- relbot:outdated -->"
	reportMark   = "<!-- relbot:report v1 -->"
)

var openMarker = regexp.MustCompile(`<!-- relbot:note v\d+(?: picture=([0-9a-f]*))? -->`)

// span finds the markers of the first note in a comment: where it begins, where its text begins, where it ends. A
// closing marker that somebody deleted puts the end at the comment's end.
func span(text string) (start, inside, end int, ok bool) {
	at := openMarker.FindStringIndex(text)
	if at == nil {
		return 0, 0, 0, false
	}
	if i := strings.Index(text[at[1]:], noteClose); i >= 0 {
		return at[0], at[1], at[1] + i + len(noteClose), true
	}
	return at[0], at[1], len(text), true
}

// IsNote reports whether a comment has a coordination note's marker. Whose comment it is the caller has to know: anybody can
// paste a marker.
func IsNote(body string) bool { return openMarker.MatchString(body) }

// IsReport reports whether an issue has the drift report's marker.
func IsReport(body string) bool { return strings.Contains(body, reportMark) }

// IsOutdated reports whether a note carries the banner of a superseded one.
func IsOutdated(body string) bool {
	start, _, end, ok := span(body)
	return ok && strings.Contains(body[start:end], outdatedMark)
}

// PictureOf is the picture for which a note was written, "" where it has none.
func PictureOf(body string) string {
	if m := openMarker.FindStringSubmatch(body); m != nil {
		return m[1]
	}
	return ""
}

// Body is the text between a note's markers.
func Body(text string) (string, bool) {
	_, inside, end, ok := span(text)
	if !ok {
		return "", false
	}
	return strings.TrimSuffix(text[inside:end], noteClose), true
}

// Merge puts a fresh note in the place of the one in a comment. What people added outside the markers stays byte for
// byte; what they changed inside is gone. A comment without markers is replaced: its text stood where the note was.
func Merge(existing, fresh string) string {
	start, _, end, ok := span(existing)
	if !ok {
		return fresh
	}
	return existing[:start] + fresh + existing[end:]
}

// Outdated puts a banner on top of a note that has a successor at a URL. Doing it again changes nothing.
func Outdated(old, url string) string {
	_, inside, end, ok := span(old)
	if !ok || IsOutdated(old) {
		return old
	}
	where := "a newer note below"
	if url != "" {
		where = "[a newer note](" + url + ")"
	}
	tail := ""
	if !strings.HasSuffix(old[:end], noteClose) {
		tail = "\n" + noteClose
	}
	return old[:inside] + "\n" + outdatedMark + "\n> [!WARNING]\n> This note is outdated, " + where + " has taken its place.\n" + old[inside:end] + tail + old[end:]
}

// Farewell is the last text of the note on a pull request that left its coupling.
func Farewell(p coupling.Pull) string {
	return wrap("", "## 🔗 Coordination note\n\nThis pull request is in no coupling any more. Nothing holds it up, and this note is no longer kept.\n")
}

// wrap puts markers around a note's text.
func wrap(picture, text string) string {
	open := noteOpen
	if picture != "" {
		open += " picture=" + picture
	}
	return open + " -->\n" + text + noteClose
}
