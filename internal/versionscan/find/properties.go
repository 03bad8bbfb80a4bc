package find

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Java's properties.
var _ = register(language{
	form: "properties", suffixes: ".properties",
	lexer:   lexer{line: []string{"#", "!"}},
	oneForm: true,
	words:   true,
	examples: []example{
		{"properties", "gradle.properties", "group=x\nversion=4.2.0-SNAPSHOT\n", Finder{Symbol: "version"}, "", "2:1 version 4.2.0-SNAPSHOT properties"},
	},
})

// propertyValues reads a key of a Java properties file, which a file of KEY=value lines is too. The last one wins
// for Java; all are given here, so that a second one is noticed.
func propertyValues(key, text string) []Located {
	var out []Located
	offset := 0
	for offset < len(text) {
		start := offset
		line := ""
		for offset < len(text) { // a backslash at the end goes on in the next line
			l := firstLine(text[offset:])
			offset += len(l) + 1
			l = strings.TrimSuffix(l, "\r")
			if line != "" {
				l = strings.TrimLeft(l, " \t\f")
			}
			trimmed := strings.TrimRight(l, `\`)
			if (len(l)-len(trimmed))%2 == 0 || isComment(text[start:]) {
				line += l
				break
			}
			line += l[:len(l)-1]
		}
		if isComment(line) {
			continue
		}
		k, v, at := splitProperty(line)
		if k == key {
			out = append(out, located(text, v, start+at))
		}
	}
	return out
}

func isComment(line string) bool {
	line = strings.TrimLeft(line, " \t\f")
	return strings.HasPrefix(line, "#") || strings.HasPrefix(line, "!")
}

// splitProperty also says where in the line the value begins.
func splitProperty(line string) (key, value string, at int) {
	i := len(line) - len(strings.TrimLeft(line, " \t\f"))
	from := i
	for i < len(line) && strings.IndexByte(" \t\f=:", line[i]) < 0 {
		if line[i] == '\\' {
			i++
		}
		i++
	}
	i = min(i, len(line))
	key = unescape(line[from:i])
	separated := false
	for i < len(line) {
		if c := line[i]; (c == '=' || c == ':') && !separated {
			separated = true
		} else if c != ' ' && c != '\t' && c != '\f' {
			break
		}
		i++
	}
	return key, strings.TrimSpace(unescape(line[i:])), i
}

// unescape undoes the escapes of a properties file.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 'n':
			b.WriteByte('\n')
		case 't':
			b.WriteByte('\t')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			if i+5 <= len(s) {
				if n, err := strconv.ParseUint(s[i+1:i+5], 16, 16); err == nil && utf8.ValidRune(rune(n)) {
					b.WriteRune(rune(n))
					i += 4
					continue
				}
			}
			b.WriteByte('u')
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
