package release

import (
	"cmp"
	"strconv"
	"strings"
)

// Version is a version of some [Scheme]. The zero Version is no version and sorts before all.
type Version struct {
	scheme Scheme
	epoch  string // PEP 440; "" is none
	core   string // the dotted numbers as they were written
	tail   string // what follows them, with its separator
	pre    string // the prerelease in tail
	key    string // sorts as the version does
	line   int    // how much of key stands for epoch and core
}

// seal makes the key from the numbers and the order of the tail.
func (v *Version) seal(order string) {
	core := v.core
	for strings.HasSuffix(core, "0") { // 1.32 and 1.32.0 are one
		cut := strings.TrimRight(core, "0")
		if !strings.HasSuffix(cut, ".") {
			break
		}
		core = cut[:len(cut)-1]
	}
	var b strings.Builder
	b.Grow(len(core) + len(order) + 8)
	b.WriteString(number(v.epoch))
	for part := range strings.SplitSeq(core, ".") {
		part = strings.TrimLeft(part, "0")
		b.WriteByte(byte(1 + len(part)))
		b.WriteString(part)
	}
	b.WriteByte(0)
	v.line = b.Len()
	b.WriteString(order)
	v.key = b.String()
}

// final is a version without prerelease from dotted numbers.
func (v Version) final(core string) Version {
	w := Version{scheme: v.scheme, epoch: v.epoch, core: core}
	w.seal(finalOrder[v.scheme])
	return w
}

// IsZero reports whether v is no version.
func (v Version) IsZero() bool { return v.core == "" }

// Scheme is the scheme that v was read by.
func (v Version) Scheme() Scheme { return v.scheme }

// String is the version as it was written, without a leading v.
func (v Version) String() string {
	if v.epoch != "" {
		return v.epoch + "!" + v.core + v.tail
	}
	return v.core + v.tail
}

// Pre is the prerelease part as it was written, without its separator; "" for a final version.
func (v Version) Pre() string { return v.pre }

// Part is number i of the version without leading zeros; "0" when it has fewer.
func (v Version) Part(i int) string {
	parts := v.Numbers()
	if i >= len(parts) {
		return "0"
	}
	return cmp.Or(strings.TrimLeft(parts[i], "0"), "0")
}

// Words are the words, in lower case, and the numbers of the prerelease part.
func (v Version) Words() []string { return tokens(v.pre) }

// Numbers are the numbers of the version as they were written.
func (v Version) Numbers() []string { return strings.Split(v.core, ".") }

// padded are at least n numbers.
func (v Version) padded(n int) []string {
	parts := v.Numbers()
	for len(parts) < n {
		parts = append(parts, "0")
	}
	return parts
}

// Core is the version without prerelease and build; a semver's has three parts.
func (v Version) Core() Version {
	if v.IsZero() {
		return v
	}
	core := v.core
	if v.scheme == Semver {
		core = strings.Join(v.padded(3), ".")
	}
	return Version{scheme: v.scheme, epoch: v.epoch, core: core, key: v.key[:v.line] + finalOrder[v.scheme], line: v.line}
}

// parts is how many numbers a precision looks at; 0 is all of the version.
func (p Precision) parts() int {
	switch p {
	case Major:
		return 1
	case Minor, "":
		return 2
	case Patch:
		return 3
	}
	return 0
}

// At is the version cut to a precision; its prerelease goes too, except at [Exact], which returns v. The zero
// Precision is [Minor].
func (v Version) At(p Precision) Version {
	n := p.parts()
	if n == 0 || v.IsZero() {
		return v
	}
	parts := v.Numbers()
	if v.scheme == Semver {
		parts = v.padded(n)
	}
	return v.final(strings.Join(parts[:min(n, len(parts))], "."))
}

// Compare orders versions as their scheme does. Parts that are missing count as 0, build metadata does not count.
func (v Version) Compare(w Version) int { return strings.Compare(v.key, w.key) }

// sameCore reports whether two versions differ at most in what follows their numbers.
func (v Version) sameCore(w Version) bool { return v.key[:v.line] == w.key[:w.line] }

// sameLine reports whether two versions agree in their first n numbers.
func (v Version) sameLine(w Version, n int) bool {
	if v.epoch != w.epoch {
		return false
	}
	a, b := v.padded(n), w.padded(n)
	for i := range n {
		if number(a[i]) != number(b[i]) {
			return false
		}
	}
	return true
}

// bumped is the core with part i one higher and zeros behind it. Where the part was written with a leading zero,
// or pad is set, it keeps at least two digits.
func (v Version) bumped(i int, pad bool) Version {
	parts := v.padded(i + 1)
	parts[i] = increment(parts[i], pad)
	for j := i + 1; j < len(parts); j++ {
		parts[j] = "0"
	}
	return v.final(strings.Join(parts, "."))
}

// nextPatch is the core one patch higher; an integer is one higher.
func (v Version) nextPatch() Version {
	if v.scheme == Integer {
		return v.bumped(0, false)
	}
	return v.bumped(2, false)
}

// increment adds one to a decimal of any length.
func increment(s string, pad bool) string {
	width := 1
	if pad {
		width = 2
	}
	if len(s) > 1 && s[0] == '0' {
		width = len(s)
	}
	b := []byte(s)
	i := len(b) - 1
	for i >= 0 && b[i] == '9' {
		b[i] = '0'
		i--
	}
	if i >= 0 {
		b[i]++
		s = string(b)
	} else {
		s = "1" + string(b)
	}
	for len(s) < width {
		s = "0" + s
	}
	return s
}

// nextMonth is the core a month later; December is followed by January.
func (v Version) nextMonth(pad bool) Version {
	parts := v.padded(2)
	if m, err := strconv.Atoi(parts[1]); err == nil && m < 12 {
		return v.bumped(1, pad)
	}
	parts[0] = increment(parts[0], false)
	parts[1] = "0"
	for j := 2; j < len(parts); j++ {
		parts[j] = "0"
	}
	return v.final(strings.Join(parts, ".")).bumped(1, pad)
}

// firstBuild is how a branch that works towards a core calls itself before anything is tagged.
func (v Version) firstBuild() Version {
	suffix := "-dev.0"
	switch v.scheme {
	case PEP440:
		suffix = ".dev0"
	case Maven:
		suffix = "-SNAPSHOT"
	case Integer, Dotted:
		return v
	}
	if w, err := v.scheme.Parse(v.String() + suffix); err == nil {
		return w
	}
	return v
}

// nextBuild is the build that follows one of the same core: its last number one higher, or the final version where
// the scheme does not sort that above.
func (v Version) nextBuild() Version {
	text, _, _ := strings.Cut(v.String(), "+")
	n := len(text)
	for n > 0 && digit(text[n-1]) {
		n--
	}
	if n < len(text) {
		text = text[:n] + increment(text[n:], false)
	} else {
		text += ".1"
	}
	if w, err := v.scheme.Parse(text); err == nil && v.Pre() != "" && w.sameCore(v) && w.Compare(v) > 0 {
		return w
	}
	return v.Core()
}

// MarshalText writes the version so that UnmarshalText gets the same one back: other schemes than semver stand before
// a colon.
func (v Version) MarshalText() ([]byte, error) {
	if v.IsZero() || v.scheme == Semver {
		return []byte(v.String()), nil
	}
	return []byte(string(v.scheme) + ":" + v.String()), nil
}

// UnmarshalText reads what MarshalText wrote; no text is the zero Version.
func (v *Version) UnmarshalText(text []byte) error {
	*v = Version{}
	if len(text) == 0 {
		return nil
	}
	scheme, rest, ok := strings.Cut(string(text), ":")
	if !ok {
		scheme, rest = string(Semver), string(text)
	}
	w, err := Scheme(scheme).Parse(rest)
	if err != nil {
		return err
	}
	*v = w
	return nil
}
