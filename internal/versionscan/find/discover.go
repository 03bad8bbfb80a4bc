package find

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/relbot/relbot/internal/versionscan/release"
)

// GateName is how the names of version gates look, as a pattern for whole identifiers: a version in the name, or a word that tells of a
// threshold.
const GateName = `(?:\w*_)?[vV]?\d+_\d+\w*|V\d+\w*|` +
	`(?i:\w*(?:min(?:imum)?_?(?:supported_?)?version|version_?(?:min|gate|floor)|introduced|since|removed_?in|breaks_in|deprecated|milestone|available_?(?:from|since)|shipped_?in|required_?version)\w*)`

// Discover lists constants of a file that look like version gates: a name that tells of a version or of a threshold, and a version as
// the value. A file that is no text has none.
//
// All bytes of a tree pass through here, so the text is taken apart only where something that looks like a definition was seen.
func Discover(path string, content []byte, scheme release.Scheme) []Finding {
	hints := slices.DeleteFunc(hints(content), func(h [2]int) bool {
		from := max(0, h[0]-hintReach)
		near := string(content[from:min(len(content), h[1]+maxValue)])
		s := newSource(path, near)
		s.following = maxAliases
		_, ok := s.gate(h[0]-from, h[1]-from, scheme)
		return !ok
	})
	if len(hints) == 0 || bytes.IndexByte(content, 0) >= 0 || !utf8.Valid(content) {
		return nil
	}
	s := parseSource(path, string(content))
	s.following = maxAliases // what another constant says is found there
	var out []Finding
	for _, h := range hints {
		if s.bare[h[0]:h[1]] != s.text[h[0]:h[1]] {
			continue // in a comment or a string
		}
		if f, ok := s.gate(h[0], h[1], scheme); ok {
			if out = append(out, f); len(out) >= maxFindings {
				break
			}
		}
	}
	if s.language.data != nil {
		out = s.inData(out)
	}
	return dedupe(out)
}

// gate reads the constant whose name stands at [from, to), when its value is one that a gate may have.
func (s *source) gate(from, to int, scheme release.Scheme) (Finding, bool) {
	f, ok := s.definition(from, to, scheme)
	if !ok {
		f, ok = s.call(from, to, scheme)
	}
	return f, ok && (f.Placeholder || !f.Value.IsZero() && (strings.Contains(f.Value.String(), ".") || scheme == release.Integer))
}

// hints are the spans of identifiers that are worth a closer look. They are known by the stems that [GateName]'s words begin with and by
// a number behind a V or an underscore, all searched for at once: bit i of the state says that the bytes so far end in the
// first letters of a stem, up to its letter i.
func hints(text []byte) (out [][2]int) {
	var state uint64
	for i := 0; i < len(text); i++ {
		state = (state<<1 | stems.first) & stems.letters[text[i]]
		if state&stems.last == 0 {
			continue
		}
		from, to := i, i+1
		for from > 0 && identBytes[text[from-1]] != 0 && i-from < maxName {
			from--
		}
		for to < len(text) && identBytes[text[to]] != 0 && to-i < maxName {
			to++
		}
		if identBytes[text[from]] == 1 && to-from <= maxName && plausible(text[to:min(len(text), to+hintReach)]) && gateLike(text[from:to]) {
			if out = append(out, [2]int{from, to}); len(out) == maxHints {
				return out
			}
		}
		state, i = 0, to-1
	}
	return out
}

// stems is the automaton of [hints], after Baeza-Yates and Gonnet's shift-and.
var stems = func() (s struct {
	letters     [256]uint64 // by byte: at which places of the stems it stands
	first, last uint64
}) {
	bit := 0
	for _, stem := range strings.Fields("vers intr sinc remo brea depr mile avai ship _# v#") {
		s.first |= 1 << bit
		for _, c := range stem {
			switch {
			case c == '#':
				for d := '0'; d <= '9'; d++ {
					s.letters[d] |= 1 << bit
				}
			case c == '_':
				s.letters[c] |= 1 << bit
			default:
				s.letters[c] |= 1 << bit
				s.letters[c-'a'+'A'] |= 1 << bit
			}
			bit++
		}
		s.last |= 1 << (bit - 1)
	}
	return s
}()

// maxHints bounds how many places of a file are looked at: more names of gates than this are a table that some program wrote.
const maxHints = 20_000

// maxName bounds the length of a gate's name.
const maxName = 200

// gateLike reports whether a name matches [GateName].
func gateLike(name []byte) bool {
	if bytes.IndexByte(name, '$') >= 0 {
		return false
	}
	if numbered(name) {
		return true
	}
	var buffer [maxName]byte
	lower := buffer[:len(name)]
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		lower[i] = c
	}
	for _, w := range gateWords {
		if bytes.Contains(lower, w) {
			return true
		}
	}
	for rest, before := lower, 0; ; {
		i := bytes.Index(rest, versionWord)
		if i < 0 {
			return false
		}
		before += i
		rest = rest[i+len(versionWord):]
		if tellsOfAThreshold(lower[:before], rest) {
			return true
		}
		before += len(versionWord)
	}
}

// gateWords are the words of [GateName] that need no other word next to them.
var (
	gateWords   = bytes.Fields([]byte("introduced since removed_in removedin breaks_in deprecated milestone available_from availablefrom shipped_in shippedin"))
	versionWord = []byte("version")
)

// tellsOfAThreshold reports whether the word version stands between words that make it one: MinSupportedVersion, version_floor.
func tellsOfAThreshold(before, after []byte) bool {
	after = bytes.TrimPrefix(after, []byte("_"))
	for _, w := range []string{"min", "gate", "floor"} {
		if bytes.HasPrefix(after, []byte(w)) {
			return true
		}
	}
	before = bytes.TrimSuffix(before, []byte("_"))
	if bytes.HasSuffix(before, []byte("required")) {
		return true
	}
	if supported, ok := bytes.CutSuffix(before, []byte("supported")); ok {
		before = bytes.TrimSuffix(supported, []byte("_"))
	}
	return bytes.HasSuffix(before, []byte("min")) || bytes.HasSuffix(before, []byte("minimum"))
}

// numbered reports whether a name has two numbers with an underscore between them, alone or behind one, or begins with V and a number.
func numbered(name []byte) bool {
	for i := 0; i < len(name); i++ {
		if i > 0 && name[i-1] != '_' {
			continue
		}
		k := i
		if name[k] == 'v' || name[k] == 'V' {
			k++
		}
		from := k
		for k < len(name) && digit(name[k]) {
			k++
		}
		if k > from && (i == 0 && name[0] == 'V' || k+1 < len(name) && name[k] == '_' && digit(name[k+1])) {
			return true
		}
	}
	return false
}

// hintReach is how far behind its name a gate's value may begin.
const hintReach = 400

// plausible reports whether what follows a name may define it: something that assigns, keys or calls, and a digit or a placeholder
// behind that.
func plausible(rest []byte) bool {
	for i, c := range rest {
		switch c {
		case '=', ':', '(', '"', '\'', '`':
			return i <= 120 && bytes.ContainsAny(rest[i:], "0123456789RCNTU")
		case ' ', '\t', '<', '>', '[', ']', '&', '*', ',', '$':
		case '\n', '{', '}', ';', ')', '.', '+', '-', '/':
			return false
		default:
			if digit(c) {
				return true
			}
		}
	}
	return false
}

// identBytes says which bytes make identifiers: 1, and 2 for those that none starts with.
var identBytes = func() (t [256]byte) {
	for c := range 256 {
		if b := byte(c); isIdentByte(b) || b == '$' {
			t[c] = 1
			if digit(b) {
				t[c] = 2
			}
		}
	}
	return t
}()
