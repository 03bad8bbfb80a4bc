package find

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/relbot/relbot/internal/versionscan"
)

// Located is a value that a selector found in a file.
type Located struct {
	Raw    string // the text; "" when the pattern names a symbol only
	Line   int    // from 1
	Column int    // from 1, in bytes
	Symbol string // what the pattern's group of that name matched
}

// Values reads what a selector selects in a text, in order of place: every match of a pattern, every node at a path.
// Nothing there gives none. Scalars keep the text they were written with. A document that cannot be parsed, a path to
// something that is no scalar and a pattern without a usable group are errors.
func Values(s versionscan.Selector, text string) ([]Located, error) {
	switch {
	case s.Pattern != "":
		return patternValues(s.Pattern, text)
	case s.TOML != "":
		return tomlValues(s.TOML, text)
	case s.JSON != "":
		return jsonValues(s.JSON, text)
	case s.YAML != "":
		return yamlValues(s.YAML, text)
	case s.XML != "":
		return xmlValues(s.XML, text)
	case s.Properties != "":
		return propertyValues(s.Properties, text), nil
	}
	return nil, errors.New("no pattern and no path says where to read")
}

// at locates a byte offset of a text.
func at(text string, offset int) (line, column int) {
	before := text[:min(max(offset, 0), len(text))]
	return 1 + strings.Count(before, "\n"), len(before) - strings.LastIndexByte(before, '\n')
}

// located is a value that stands at a byte offset of a text.
func located(text, raw string, offset int) Located {
	line, column := at(text, offset)
	return Located{Raw: raw, Line: line, Column: column}
}

// places locates values at offsets that mostly grow, without counting the lines before them again.
func places(text string) func(raw string, offset int) Located {
	line, start, counted := 1, 0, 0
	return func(raw string, offset int) Located {
		if offset < counted {
			return located(text, raw, offset)
		}
		line += strings.Count(text[counted:offset], "\n")
		if i := strings.LastIndexByte(text[counted:offset], '\n'); i >= 0 {
			start = counted + i + 1
		}
		counted = offset
		return Located{Raw: raw, Line: line, Column: offset - start + 1}
	}
}

// Steps is how many steps matching a pattern against files takes at the most: its size for each byte; or more than limit.
func Steps(pattern string, files map[string]versionscan.Fact[versionscan.File], limit int64) int64 {
	size := int64(PatternSize(pattern))
	var steps int64
	for _, f := range files {
		if steps += size * int64(len(f.Value.Text)); steps > limit {
			return limit + 1
		}
	}
	return steps
}

// PatternSize is how many instructions a pattern is compiled to, each of which may be taken for each byte of a text; 1 where it cannot be.
func PatternSize(pattern string) int {
	if tree, err := syntax.Parse(pattern, syntax.Perl); err == nil {
		if program, err := syntax.Compile(tree.Simplify()); err == nil {
			return len(program.Inst)
		}
	}
	return 1
}

// patternValues reads the groups of each match: version, or major with minor and patch, or symbol.
func patternValues(pattern, text string) ([]Located, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	version, symbol := re.SubexpIndex("version"), re.SubexpIndex("symbol")
	major, minor, patch := re.SubexpIndex("major"), re.SubexpIndex("minor"), re.SubexpIndex("patch")
	if version < 0 && symbol < 0 && major < 0 {
		return nil, errors.New("the pattern has no group version, major or symbol")
	}
	var out []Located
	place := places(text)
	for _, m := range re.FindAllStringSubmatchIndex(text, maxFindings+1) {
		group := func(i int) (string, bool) {
			if i < 0 || m[2*i] < 0 {
				return "", false
			}
			return text[m[2*i]:m[2*i+1]], true
		}
		var l Located
		if raw, ok := group(version); ok {
			l = place(raw, m[2*version])
		} else if raw, ok := group(major); ok {
			l = place(raw, m[2*major])
			for _, i := range []int{minor, patch} {
				part, ok := group(i)
				if !ok {
					break
				}
				l.Raw += "." + part
			}
		}
		if name, ok := group(symbol); ok {
			if l.Line == 0 {
				l = place("", m[2*symbol])
			}
			l.Symbol = name
		}
		if l.Line > 0 {
			out = append(out, l)
		}
	}
	return out, nil
}

// splitPath takes a dotted path apart: a.b, a."b.c", a[0].b and a.0.b; a leading $ stands for the document.
func splitPath(path string) ([]string, error) {
	var parts []string
	rest := strings.TrimPrefix(path, "$")
	for first := true; rest != ""; first = false {
		if rest[0] == '.' && !(first && rest == path) {
			rest = rest[1:]
		}
		switch {
		case rest == "":
			return nil, fmt.Errorf("path %q ends in a dot", path)
		case rest[0] == '"' || rest[0] == '\'':
			end := strings.IndexByte(rest[1:], rest[0])
			if end < 0 {
				return nil, fmt.Errorf("path %q: the quote is not closed", path)
			}
			parts, rest = append(parts, rest[1:1+end]), rest[2+end:]
		case rest[0] == '[':
			end := strings.IndexByte(rest, ']')
			if end < 0 {
				return nil, fmt.Errorf("path %q: the bracket is not closed", path)
			}
			parts, rest = append(parts, strings.Trim(rest[1:end], `"'`)), rest[end+1:]
		default:
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			if end == 0 {
				return nil, fmt.Errorf("path %q has an empty part", path)
			}
			parts, rest = append(parts, rest[:end]), rest[end:]
		}
	}
	if len(parts) == 0 {
		return nil, fmt.Errorf("path %q names nothing", path)
	}
	return parts, nil
}

// notScalar is the error for a path that leads to a table or a list.
func notScalar(path, kind string) error {
	return fmt.Errorf("%s is %s, not a value", path, kind)
}

// The readers of structured files walk a document and meet each scalar with its path. Decoders are of no use here: they
// lose the place, and make 18.1 of 18.10.

// maxDepth bounds how deep a document may nest.
const maxDepth = 200

var errDepth = fmt.Errorf("it nests deeper than %d levels", maxDepth)

// lookup collects the scalars that stand at a path.
type lookup struct {
	path  string
	want  []string
	found []Located
	kind  string // what stands at the path, when it is no scalar
}

func newLookup(path string) (*lookup, error) {
	want, err := splitPath(path)
	return &lookup{path: path, want: want}, err
}

// meet takes a scalar at a path; raw is read only where it is wanted.
func (l *lookup) meet(at []string, raw func() Located) {
	if len(at) < len(l.want) {
		return
	}
	for i, part := range l.want {
		if at[i] != part {
			return
		}
	}
	if len(at) > len(l.want) {
		l.kind = "a table or a list"
		return
	}
	l.found = append(l.found, raw())
}

func (l *lookup) result() ([]Located, error) {
	if len(l.found) == 0 && l.kind != "" {
		return nil, notScalar(l.path, l.kind)
	}
	return l.found, nil
}
