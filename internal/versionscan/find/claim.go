package find

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Claim is what a comment at a constant says of its distance to another one.
type Claim struct {
	Name     string // of the other constant
	Releases int    // that lie between them; in which direction is left open, since prose is
	Line     int    // of the comment
}

var (
	distance = regexp.MustCompile(`(?i)\b(one|two|three|four|five|\d{1,2})\s+(?:minor\s+)?(?:release|version)s?\s+(?:earlier|before|prior|older|sooner|later|after|newer)\b`)
	constant = regexp.MustCompile(`\b[A-Z][A-Z0-9]*_?\d\w*\b`)
	inWords  = map[string]int{"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
)

// Claims reads the comments on some lines or right above them for distances to other constants ("one release earlier than V26_19_0"), by
// line.
func Claims(path, text string, at []int) map[int][]Claim {
	out := map[int][]Claim{}
	at = slices.Compact(slices.Sorted(slices.Values(at)))
	if !mayClaim(text, at) {
		return out
	}
	s := parseSource(path, text)
	for _, line := range at {
		if claims := s.claims(line); len(claims) > 0 {
			out[line] = claims
		}
	}
	return out
}

// mayClaim reports whether there is talk of a distance on some lines, given in order, or in the prose above one.
func mayClaim(text string, at []int) bool {
	line, start := 1, 0
	for _, n := range at {
		for ; line < n; line++ {
			i := strings.IndexByte(text[start:], '\n')
			if i < 0 {
				return false
			}
			start += i + 1
		}
		from, to := start, len(text)
		if i := strings.IndexByte(text[start:], '\n'); i >= 0 {
			to = start + i
		}
		for k := 0; k < maxProse && from > 0; k++ {
			from = strings.LastIndexByte(text[:from-1], '\n') + 1
		}
		if distance.MatchString(text[from:to]) {
			return true
		}
	}
	return false
}

func (s *source) claims(line int) []Claim {
	from, to, ok := s.lineSpan(line)
	if !ok {
		return nil
	}
	top := line
	for n := line - 1; n >= 1 && line-n < maxProse; n-- {
		a, b, _ := s.lineSpan(n)
		if strings.TrimSpace(s.code[a:b]) != "" || strings.TrimSpace(s.text[a:b]) == "" {
			break
		}
		from, top = a, n
	}
	var above []string
	first, _ := slices.BinarySearchFunc(s.comments, from, func(c [2]int, from int) int { return c[0] - from })
	for _, c := range s.comments[first:] {
		if c[1] > to {
			break
		}
		above = append(above, strings.TrimLeft(s.text[c[0]:c[1]], "/*#-! "))
	}
	prose := strings.Join(strings.Fields(strings.Join(above, " ")), " ")
	var out []Claim
	for sentence := range strings.SplitSeq(prose, ". ") {
		d := distance.FindStringSubmatch(sentence)
		name := constant.FindString(sentence)
		if d == nil || name == "" {
			continue
		}
		n, ok := inWords[strings.ToLower(d[1])]
		if !ok {
			n, _ = strconv.Atoi(d[1])
		}
		out = append(out, Claim{Name: name, Releases: n, Line: top})
	}
	return out
}

// maxProse bounds how many lines of a comment are read.
const maxProse = 60
