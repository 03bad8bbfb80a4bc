package release

import (
	"fmt"
	"regexp"
	"strings"
)

// Scheme is a way of writing and ordering versions. The zero Scheme is [Semver].
type Scheme string

// The schemes.
const (
	Semver  Scheme = "semver"  // up to three numbers, -prerelease, +build
	Calver  Scheme = "calver"  // like semver with a year first; zeros may lead, words may be glued to the numbers
	PEP440  Scheme = "pep440"  // Python: 2026.2.0.dev0 < 2026.2.0b1 < 2026.2.0rc1 < 2026.2.0
	Maven   Scheme = "maven"   // Java: alpha < beta < milestone < rc < snapshot < release
	Integer Scheme = "integer" // one number
	Dotted  Scheme = "dotted"  // any count of numbers; words after them mean nothing
)

// Valid reports whether s is a known scheme; the zero Scheme is.
func (s Scheme) Valid() bool {
	switch s {
	case "", Semver, Calver, PEP440, Maven, Integer, Dotted:
		return true
	}
	return false
}

// maxText is the longest version in bytes; the length of a number has to fit a byte of a key.
const maxText = 250

// Parse reads a version as this scheme writes it. A leading v, missing parts and leading zeros are accepted: "v26.28"
// is a version. Numbers are never taken for floats: 18.10 is not 18.1.
func (s Scheme) Parse(text string) (Version, error) {
	if s == "" {
		s = Semver
	}
	bad := func(why string) (Version, error) {
		return Version{}, fmt.Errorf("%q is no %s version: %s", shorten(text), s, why)
	}
	if !s.Valid() {
		return bad("no such scheme")
	}
	t := strings.TrimSpace(text)
	if len(t) > maxText {
		return bad("too long")
	}
	if len(t) > 1 && (t[0] == 'v' || t[0] == 'V') && digit(t[1]) {
		t = t[1:]
	}
	v := Version{scheme: s}
	if s == PEP440 {
		if epoch, rest, ok := strings.Cut(t, "!"); ok && epoch != "" && digits(epoch) == len(epoch) {
			v.epoch, t = epoch, rest
		}
	}
	n := numbers(t)
	v.core, v.tail = t[:n], t[n:]
	if v.core == "" {
		return bad("it does not begin with a number")
	}
	parts := 1 + strings.Count(v.core, ".")
	switch {
	case s == Integer && parts > 1:
		return bad("it has more than one number")
	case s == Semver && parts > 3:
		return bad("it has more than three numbers")
	}
	order, ok := "", false
	switch s {
	case Semver:
		v.pre, order, ok = semverTail(v.tail)
	case Calver, Integer:
		v.pre, order, ok = looseTail(v.tail)
	case PEP440:
		v.pre, order, ok = pepTail(v.tail)
	case Maven:
		v.pre, order, ok = mavenTail(v.tail)
	case Dotted:
		order, ok = finalOrder[s], v.tail == "" || anyTail.MatchString(v.tail)
		v.tail = ""
	}
	if !ok {
		return bad(fmt.Sprintf("%q cannot follow its numbers", shorten(v.tail)))
	}
	v.seal(order)
	return v, nil
}

func shorten(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// digits counts the digits that s begins with.
func digits(s string) int {
	n := 0
	for n < len(s) && digit(s[n]) {
		n++
	}
	return n
}

// numbers is the length of the dotted numbers that s begins with; a dot counts only before a digit.
func numbers(s string) int {
	n := digits(s)
	for n > 0 && n+1 < len(s) && s[n] == '.' && digit(s[n+1]) {
		n += 1 + digits(s[n+1:])
	}
	return n
}

// An order is a string of bytes that sorts, byte by byte, as a scheme sorts what follows the numbers. It is made once
// when a version is parsed, so that comparing versions of any scheme compares two strings.

// finalOrder is the order of nothing at all: a final release.
var finalOrder = map[Scheme]string{Semver: "\x02", Calver: "\x02", Integer: "\x02", Dotted: "\x02", PEP440: "\x03\x01\x02", Maven: "\x07"}

// number encodes a number so that more digits sort after fewer, whatever zeros lead.
func number(s string) string {
	s = strings.TrimLeft(s, "0")
	return string([]byte{byte(1 + len(s))}) + s
}

// semverTail follows semver 2: numeric identifiers sort before words, words by ASCII, fewer before more.
func semverTail(tail string) (pre, order string, ok bool) {
	text, build, built := strings.Cut(tail, "+")
	if built && !identifiers(build) {
		return "", "", false
	}
	if text == "" {
		return "", finalOrder[Semver], true
	}
	pre, ok = strings.CutPrefix(text, "-")
	if !ok || !identifiers(pre) {
		return "", "", false
	}
	var b strings.Builder
	b.WriteByte(1)
	for id := range strings.SplitSeq(pre, ".") {
		if digits(id) == len(id) {
			b.WriteByte(1)
			b.WriteString(number(id))
			continue
		}
		b.WriteByte(2)
		b.WriteString(id)
		b.WriteByte(0)
	}
	b.WriteByte(0)
	return pre, b.String(), true
}

// identifiers reports whether s is a list of semver's identifiers. Zeros may lead, since tags in the wild have them.
func identifiers(s string) bool {
	empty := true
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.' && empty:
			return false
		case c == '.':
			empty = true
		case digit(c), 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '-':
			empty = false
		default:
			return false
		}
	}
	return !empty
}

var anyTail = regexp.MustCompile(`^[-+._ ]?[A-Za-z0-9].*$`)

var (
	wordTail  = regexp.MustCompile(`^[-._]?[A-Za-z0-9]+(?:[-._]+[A-Za-z0-9]+)*$`)
	gluedTail = regexp.MustCompile(`(?i)^(?:[-._]|(?:dev|alpha|beta|pre|rc|a|b)(?:[^a-z]|$))`)
)

// looseTail takes any words and numbers, of which the usual ones may be glued to the numbers before them: rc2 sorts
// before rc10, and dev before every other word.
func looseTail(tail string) (pre, order string, ok bool) {
	text, _, _ := strings.Cut(tail, "+")
	if text == "" {
		return "", finalOrder[Calver], true
	}
	if !wordTail.MatchString(text) || !gluedTail.MatchString(text) {
		return "", "", false
	}
	var b strings.Builder
	b.WriteByte(1)
	for _, t := range tokens(text) {
		switch {
		case digit(t[0]):
			b.WriteByte(1)
			b.WriteString(number(t))
		case t == "dev":
			b.WriteString("\x02\x01\x00")
		default:
			b.WriteByte(2)
			b.WriteString(t)
			b.WriteByte(0)
		}
	}
	b.WriteByte(0)
	return strings.TrimLeft(text, "-._"), b.String(), true
}

// tokens splits text into numbers and lower-case words.
func tokens(text string) []string {
	var out []string
	for i := 0; i < len(text); {
		n := digits(text[i:])
		if n == 0 {
			for i+n < len(text) && letter(text[i+n]) {
				n++
			}
		}
		if n == 0 {
			i++
			continue
		}
		out = append(out, strings.ToLower(text[i:i+n]))
		i += n
	}
	return out
}

func letter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

var pep440 = regexp.MustCompile(`(?i)^(?:[-_.]?(alpha|beta|preview|pre|rc|a|b|c)[-_.]?(\d*))?` +
	`(?:-(\d+)|[-_.]?(post|rev|r)[-_.]?(\d*))?(?:[-_.]?(dev)[-_.]?(\d*))?(?:\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?$`)

// pepTail follows PEP 440; a local version (+abc) means nothing here, like build metadata elsewhere.
func pepTail(tail string) (pre, order string, ok bool) {
	m := pep440.FindStringSubmatch(tail)
	if m == nil {
		return "", "", false
	}
	stage, dev := strings.ToLower(m[1]), m[6] != ""
	post := m[3] != "" || m[4] != ""
	var b strings.Builder
	switch {
	case stage != "":
		b.WriteByte(2)
		switch stage {
		case "a", "alpha":
			b.WriteByte('a')
		case "b", "beta":
			b.WriteByte('b')
		default:
			b.WriteByte('c')
		}
		b.WriteString(number(m[2]))
	case dev && !post:
		b.WriteByte(1)
	default:
		b.WriteByte(3)
	}
	if post {
		b.WriteByte(2)
		b.WriteString(number(m[3] + m[5]))
	} else {
		b.WriteByte(1)
	}
	if dev {
		b.WriteByte(1)
		b.WriteString(number(m[7]))
	} else {
		b.WriteByte(2)
	}
	if stage != "" || dev {
		pre, _, _ = strings.Cut(strings.TrimLeft(tail, "-_."), "+")
	}
	return pre, b.String(), true
}

// Ranks of Maven's qualifiers. Words that Maven does not know sort after the release, as Maven has it, except those that
// everybody takes for a development build: these sort first.
const (
	mavenDev = 1 + iota
	mavenAlpha
	mavenBeta
	mavenMilestone
	mavenRC
	mavenSnapshot
	mavenRelease
	mavenSP
	mavenWord
	mavenNumber
)

var mavenRank = map[string]byte{
	"dev": mavenDev, "nightly": mavenDev, "pre": mavenDev, "preview": mavenDev, "ea": mavenDev, "new": mavenDev,
	"alpha": mavenAlpha, "beta": mavenBeta, "milestone": mavenMilestone, "rc": mavenRC, "cr": mavenRC, "snapshot": mavenSnapshot,
	"final": mavenRelease, "ga": mavenRelease, "release": mavenRelease, "sp": mavenSP,
}

// mavenTail follows Maven's ComparableVersion behind the leading numbers: 4.1.133.Final, 2.0.0.RC1, 1.0-beta-3-SNAPSHOT.
func mavenTail(tail string) (pre, order string, ok bool) {
	text, _, _ := strings.Cut(tail, "+")
	if text != "" && !wordTail.MatchString(text) {
		return "", "", false
	}
	all := tokens(text)
	early := false
	var b strings.Builder
	for i, t := range all {
		glued := i+1 < len(all) && digit(all[i+1][0]) // a1 is alpha 1, but a alone is a word
		rank, known := mavenRank[t]
		switch {
		case digit(t[0]):
			if n := number(t); len(n) > 1 {
				b.WriteByte(mavenNumber)
				b.WriteString(n)
			}
			continue
		case glued && t == "a":
			rank = mavenAlpha
		case glued && t == "b":
			rank = mavenBeta
		case glued && t == "m":
			rank = mavenMilestone
		case !known:
			rank = mavenWord
		}
		if rank == mavenRelease { // says nothing, like a zero
			continue
		}
		early = early || rank < mavenRelease
		b.WriteByte(rank)
		if rank == mavenDev || rank == mavenWord {
			b.WriteString(t)
			b.WriteByte(0)
		}
	}
	b.WriteByte(mavenRelease)
	if early {
		pre = strings.TrimLeft(text, "-._")
	}
	return pre, b.String(), true
}
