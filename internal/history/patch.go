package history

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// patchID tells equal patches from others, as git's patch-id does. It goes by the files and lines of a unified diff without white space,
// wherever in the files they are. A diff that is empty, or of binary files, has none.
func patchID(diff string) string { return idOf(diff, false) }

// inverseID is the patchID of the patch that takes a diff back.
func inverseID(diff string) string { return idOf(diff, true) }

func idOf(diff string, inverse bool) string {
	h := sha256.New()
	out := func(line string) {
		h.Write([]byte(strings.Join(strings.Fields(line), "")))
		h.Write([]byte{'\n'})
	}
	var gone, come []string // the lines of a change; those that go come first
	flush := func() {
		for _, lines := range [][]string{gone, come} {
			for _, line := range lines {
				out(line)
			}
		}
		gone, come = nil, nil
	}
	any, inHunk := false, false
	take := func(line string) {
		goes := line[0] == '-'
		if inverse {
			goes = !goes
			line = inverted(line, inHunk)
		}
		if goes {
			gone = append(gone, line)
		} else {
			come = append(come, line)
		}
	}
	for line := range strings.Lines(diff) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case !inHunk && (strings.HasPrefix(line, "Binary files ") || strings.HasPrefix(line, "GIT binary patch")):
			return ""
		case strings.HasPrefix(line, "diff --git "):
			inHunk = false
			flush()
			out(line)
		case strings.HasPrefix(line, "@@ "):
			inHunk = true
			flush()
		case !inHunk && !strings.HasPrefix(line, "--- ") && !strings.HasPrefix(line, "+++ "), strings.HasPrefix(line, `\ `):
			// modes, blob ids, similarity; a missing line break
		case line != "" && (line[0] == '-' || line[0] == '+'):
			any = true
			take(line)
		default:
			any = true
			flush()
			out(line)
		}
	}
	flush()
	if !any {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}

// inverted is a line of a diff in the one that takes it back.
func inverted(line string, inHunk bool) string {
	switch name := line[min(len(line), 4):]; {
	case !inHunk && strings.HasPrefix(line, "--- "):
		return "+++ " + strings.Replace(name, "a/", "b/", 1)
	case !inHunk && strings.HasPrefix(line, "+++ "):
		return "--- " + strings.Replace(name, "b/", "a/", 1)
	case line[0] == '-':
		return "+" + line[1:]
	}
	return "-" + line[1:]
}
