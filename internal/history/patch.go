package history

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// patchID tells equal patches from others, as git's patch-id does: by the files and lines of a unified diff without white space, wherever in
// the files they stand. A diff that is empty, or of binary files, has none.
func patchID(diff string) string {
	h := sha256.New()
	any, inHunk := false, false
	for line := range strings.Lines(diff) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case !inHunk && (strings.HasPrefix(line, "Binary files ") || strings.HasPrefix(line, "GIT binary patch")):
			return ""
		case strings.HasPrefix(line, "diff --git "):
			inHunk = false
		case strings.HasPrefix(line, "@@ "):
			inHunk = true
			continue
		case !inHunk && !strings.HasPrefix(line, "--- ") && !strings.HasPrefix(line, "+++ "), strings.HasPrefix(line, `\ `):
			continue // modes, blob ids, similarity; a missing line break
		default:
			any = true
		}
		h.Write([]byte(strings.Join(strings.Fields(line), "")))
		h.Write([]byte{'\n'})
	}
	if !any {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}
