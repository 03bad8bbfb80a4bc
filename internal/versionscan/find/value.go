package find

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/relbot/relbot/internal/versionscan/release"
)

// finish parses a raw value and compares it with what the name says.
func finish(f Finding, text string, scheme release.Scheme) Finding {
	f.Value, f.Placeholder = valueOf(text, scheme)
	if f.Value.IsZero() && !f.Placeholder {
		return f
	}
	f.Mismatch = disagreement(f.Name, f.Value)
	return f
}

// selected finishes what a selector gave: a version, else a range of versions.
func selected(f Finding, scheme release.Scheme) Finding {
	if done := finish(f, f.Raw, scheme); !done.Value.IsZero() || done.Placeholder {
		return done
	}
	if r, ok := readRange(f.Raw); ok {
		return f.of(r, scheme)
	}
	return f
}

// of completes a finding with what was read of its value.
func (f Finding) of(v value, scheme release.Scheme) Finding {
	f.Bound, f.Upper = v.bound, v.upper
	f = finish(f, v.text, scheme)
	if v.upper != "" {
		f.UpperValue, _ = valueOf(v.upper, scheme)
	}
	f.Mismatch = cmp.Or(f.Mismatch, v.mismatch)
	return f
}

// placeholders are words by which a source says "the coming release".
var placeholders = map[string]bool{"CURRENT_RUSTC_VERSION": true, "REPLACEME": true, "9999": true, "TBD": true, "NEXT": true, "NEXT_VERSION": true, "UNRELEASED": true}

// valueOf parses a version, or recognises a placeholder.
func valueOf(text string, scheme release.Scheme) (release.Version, bool) {
	text = strings.Trim(strings.TrimSpace(text), "\"'`")
	if placeholders[strings.ToUpper(text)] {
		return release.Version{}, true
	}
	v, err := scheme.Parse(text)
	if err != nil {
		return release.Version{}, false
	}
	return v, false
}

// value is what was read from the right side of a definition.
type value struct {
	raw      string // source text of the version
	text     string // the version to parse
	form     string
	bound    string
	upper    string // the upper bound of a range that has both
	mismatch string
	lone     bool // a number among other things, without a dot
	ok       bool
}

var (
	fieldPattern = regexp.MustCompile(`(?i)\b(major|minor|patch|micro|internal)\b\s*[:=]\s*(\d+)`)
	prePattern   = regexp.MustCompile(`(?i)\bpre(?:release)?\s*[:=]\s*[^"'\n]*["']([^"']*)["']`)
	tuplePattern = regexp.MustCompile(`[({\[]\s*(\d+)\s*,\s*(\d+)(?:\s*,\s*(\d+))?(?:\s*,\s*(\d+))?\s*(?:,\s*(?:[A-Za-z_:!]*\(?)?\s*["']([^"']*)["'](?:\s*,\s*(\d+))?)?`)
	stringFirst  = regexp.MustCompile("[\"'`]([^\"'`\\n]*)[\"'`]")
	numberFirst  = regexp.MustCompile(`(?:^|[^0-9A-Za-z_.]|\bgo)(\d+(?:[_']\d+)+|[vV]?(?:0[xX][0-9A-Fa-f]+|\d+(?:\.\d+)*(?:[-.][0-9A-Za-z.-]+)?))[uUlL]*\b`)
	rangePattern = regexp.MustCompile(`(>=|>|<=|<|\^|~)\s*v?(\d[^\s,|]*)`)
	specPattern  = regexp.MustCompile(`\bVersion\s*:\s*[\w.]*\(?\s*("[^"\n]*")`)
	imageTag     = regexp.MustCompile(`^["']?(?:[\w.-]+(?::\d+)?/)+[\w.-]+:([\w.-]+)(?:@sha256:\w+)?["']?(?:\s|$)`)
	versionText  = regexp.MustCompile(`^[vV]?\d+(?:[._]\d+)*(?:[-.+][0-9A-Za-z][0-9A-Za-z.+-]*)?$`)
)

// readValue reads a version from the source text of a value: a struct with named fields, a call or tuple of numbers, a
// string, a number.
func readValue(raw, name string, scheme release.Scheme) value {
	for _, read := range []func() (value, bool){
		func() (value, bool) { return readFields(raw, name) },
		func() (value, bool) { return readTuple(raw) },
		func() (value, bool) { return readStages(raw) },
		func() (value, bool) { return readStrings(raw, name) },
		func() (value, bool) { return readNumber(raw, scheme) },
	} {
		if v, ok := read(); ok {
			return v
		}
	}
	return value{raw: clip(raw), text: raw, form: "const"}
}

// readFields reads a struct with named fields.
func readFields(raw, name string) (value, bool) {
	fields := fieldPattern.FindAllStringSubmatch(raw, -1)
	if len(fields) < 2 {
		return value{}, false
	}
	parts := map[string]string{}
	for _, m := range fields {
		parts[strings.ToLower(m[1])] = m[2]
	}
	text := parts["major"] + "." + cmp.Or(parts["minor"], "0")
	if n, ok := readName(name); ok && cmp.Or(parts["internal"], "0") != "0" && len(n.parts) > 1 && strings.Join(n.parts, ".") != text {
		// A step on the way to the release of its name, counted from the release before.
		return value{raw: raw, text: strings.Join(n.parts, "."), form: "struct", ok: true}, true
	}
	if p := cmp.Or(parts["patch"], parts["micro"]); p != "" {
		text += "." + p
	}
	if m := prePattern.FindStringSubmatch(raw); m != nil && m[1] != "" {
		text += "-" + m[1]
	}
	return value{raw: raw, text: text, form: "struct", ok: parts["major"] != ""}, true
}

// readTuple reads numbers in a row, with a stage such as "rc" behind them.
func readTuple(raw string) (value, bool) {
	at := tuplePattern.FindStringSubmatchIndex(raw)
	if at == nil || hasVersion(raw[:at[0]]) {
		return value{}, false
	}
	m := tuplePattern.FindStringSubmatch(raw)
	text := strings.Join(slices.DeleteFunc(m[1:5], func(n string) bool { return n == "" }), ".")
	switch stage := strings.ToLower(m[5]); stage {
	case "", "final":
	case "alpha", "beta", "rc", "dev":
		text += "-" + stage + "." + cmp.Or(m[6], "0")
	default:
		if versionText.MatchString("0-" + m[5]) {
			text += "-" + m[5]
		}
	}
	form := "tuple"
	if i := at[0]; i > 0 && isIdentByte(raw[i-1]) {
		form = "call"
	}
	return value{raw: raw, text: text, form: form, ok: true}, true
}

// readStages reads the stages of a feature, of which the newest is being worked on.
func readStages(raw string) (value, bool) {
	specs := specPattern.FindAllStringSubmatch(raw, -1)
	if len(specs) < 2 {
		return value{}, false
	}
	last := specs[len(specs)-1][1]
	return value{raw: last, text: strings.Trim(last, `"`), form: "call", ok: true}, true
}

// readStrings reads the first string that is a version, a range or a placeholder, else a placeholder alone, else the first string as it is.
func readStrings(raw, name string) (value, bool) {
	all := stringFirst.FindAllStringSubmatch(raw, -1)
	if dependent(raw, all) {
		return value{raw: clip(raw), text: raw, form: "string", ok: true}, true
	}
	if m := imageTag.FindStringSubmatch(raw); m != nil && versionText.MatchString(m[1]) {
		return value{raw: m[1], text: m[1], form: "const", ok: true}, true
	}
	for _, m := range all {
		text := strings.TrimSpace(m[1])
		if placeholders[strings.ToUpper(text)] || versionText.MatchString(text) {
			return value{raw: m[0], text: text, form: stringForm(raw, m[0]), mismatch: enumMismatch(name, text, raw), ok: true}, true
		}
		if v, ok := readRange(text); ok {
			v.raw = m[0]
			return v, true
		}
	}
	if word := strings.TrimSpace(raw); placeholders[strings.ToUpper(word)] {
		return value{raw: word, text: word, form: "const", ok: true}, true
	}
	if len(all) == 0 {
		return value{}, false
	}
	return value{raw: all[0][0], text: all[0][1], form: "string", ok: true}, true
}

// stringForm returns the form of a string in a value: the argument of a call that does not parse it is a call.
func stringForm(raw, quoted string) string {
	if i := strings.Index(raw, quoted); i > 0 && strings.Contains(raw[:i], "(") && !strings.Contains(raw[:i], "parse") {
		return "call"
	}
	return "string"
}

// readNumber reads the first number.
func readNumber(raw string, scheme release.Scheme) (value, bool) {
	m := numberFirst.FindStringSubmatch(raw)
	if m == nil {
		return value{}, false
	}
	text := strings.NewReplacer("_", "", "'", "").Replace(m[1])
	form := "const"
	if encoded, ok := decodeInteger(text, scheme); ok {
		text, form = encoded, "int"
	}
	return value{raw: m[1], text: text, form: form, lone: !strings.Contains(m[1], "."), ok: true}, true
}

var (
	choice = regexp.MustCompile(`\?|\bif\b|\|\|`)
	stump  = regexp.MustCompile(`^\d+(?:\.\d+)*\.$`)
)

// dependent reports whether a value is put together from strings, or chosen among several versions.
func dependent(raw string, strs [][]string) bool {
	versions := map[string]bool{}
	for _, m := range strs {
		if stump.MatchString(m[1]) {
			return true
		}
		if versionText.MatchString(m[1]) {
			versions[m[1]] = true
		}
	}
	return len(versions) > 1 && choice.MatchString(stringFirst.ReplaceAllString(raw, ""))
}

// hasVersion reports whether some string in a source text is a version.
func hasVersion(raw string) bool {
	return slices.ContainsFunc(stringFirst.FindAllStringSubmatch(raw, -1), func(m []string) bool {
		return strings.Contains(m[1], ".") && versionText.MatchString(m[1])
	})
}

// readRange reads a range of versions: its lower bound, where something was introduced, and its upper one, where it was removed. A trailing -0
// only admits prereleases.
func readRange(text string) (value, bool) {
	v := value{form: "range"}
	if loc := rangePattern.FindStringIndex(text); loc == nil || strings.TrimSpace(text[:loc[0]]) != "" {
		return v, false
	}
	for _, r := range rangePattern.FindAllStringSubmatch(text, 4) {
		bound := strings.TrimSuffix(r[2], "-0")
		switch upper := r[1][0] == '<'; {
		case v.text == "" && upper:
			v.text, v.bound, v.upper, v.ok = bound, "upper", bound, true
		case v.text == "":
			v.text, v.bound, v.ok = bound, "lower", true
		case upper && v.upper == "":
			v.upper = bound
		}
	}
	return v, v.ok
}

var (
	subVersion = regexp.MustCompile(`"(?i:IV)(\d+)"`)
	nameSub    = regexp.MustCompile(`_IV(\d+)$`)
	longNumber = regexp.MustCompile(`^\s*(?:new\s+\w+\s*)?\(\s*(\d{6,9})\s*,`)
)

// enumMismatch says how the arguments of an enum's constant contradict each other: IBP_4_1_IV0(26, "4.1", "IV0", false) says its release and
// its step twice, V_7_1_2(7010299, "7.1.2") its release three times.
func enumMismatch(name, text, raw string) string {
	if n, s := nameSub.FindStringSubmatch(name), subVersion.FindStringSubmatch(raw); n != nil && s != nil && n[1] != s[1] {
		return fmt.Sprintf("the name %s says IV%s, the arguments say IV%s", name, n[1], s[1])
	}
	parts := strings.Split(strings.TrimLeft(text, "vV"), ".")
	if m := longNumber.FindStringSubmatch(raw); m != nil && len(parts) == 3 {
		id, _ := strconv.Atoi(m[1])
		if got := fmt.Sprintf("%d.%d.%d", id/1000000, id/10000%100, id/100%100); got != strings.Join(parts, ".") {
			return fmt.Sprintf("the number %d says %s, the text says %s", id, got, text)
		}
	}
	return ""
}

var (
	enumLevel  = regexp.MustCompile(`^\(\s*(\d{1,5})\s*,`)
	enumBefore = regexp.MustCompile(`([A-Za-z_]\w*)\s*\(\s*(\d{1,5})\s*,[^()]*\)\s*,\s*$`)
)

// enumOrder says how the number of an enum's constant contradicts its place: levels count up.
func (s *source) enumOrder(name, raw string, from int) string {
	own := enumLevel.FindStringSubmatch(raw)
	last := enumBefore.FindStringSubmatch(s.code[max(0, from-maxName):from])
	if own == nil || last == nil {
		return ""
	}
	level, _ := strconv.Atoi(own[1])
	if below, _ := strconv.Atoi(last[2]); level <= below {
		return fmt.Sprintf("the number %d of %s does not follow the %d of %s before it", level, name, below, last[1])
	}
	return ""
}

// decodeInteger reads the integer encodings of C: 190000 is 19.0, 90624 is 9.6.24, 0x30000000 is 3.0.0.
func decodeInteger(text string, scheme release.Scheme) (string, bool) {
	if scheme == release.Integer {
		return "", false
	}
	if hex, ok := strings.CutPrefix(strings.ToLower(text), "0x"); ok {
		n, err := strconv.ParseUint(hex, 16, 32)
		if len(hex) != 8 || err != nil {
			return "", false
		}
		patch := n >> 12 & 0xff // OpenSSL: MNNFFPPS up to 1.1.1, whose patches are letters
		if n>>28 >= 3 {         // MNN00PP0 from 3 on
			patch = n >> 4 & 0xff
		}
		return fmt.Sprintf("%d.%d.%d", n>>28, n>>20&0xff, patch), true
	}
	if !isNumber(text) || len(text) < 5 || len(text) > 6 {
		return "", false
	}
	n := 0
	fmt.Sscan(text, &n)
	if n >= 100000 { // PostgreSQL from 10 on: MM00pp
		return fmt.Sprintf("%d.%d", n/10000, n%10000), true
	}
	return fmt.Sprintf("%d.%d.%d", n/10000, n/100%100, n%100), true // MMmmpp
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

func isNumber(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}
