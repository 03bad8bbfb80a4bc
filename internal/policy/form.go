package policy

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/relbot/relbot/internal/strict"
)

// form is what the policy accepts at one place. The parser reads by it, and the schema and the reference are written from it, so that the
// three cannot differ. A form is made for the value that it fills; one that fills a sample serves to describe.
type form struct {
	accepts  string         // for the reference: "text", "`major`, `minor`"
	schema   map[string]any // JSON Schema, without description and default
	preset   any            // what holds when nothing is written: what the filled value holds already; nil is nothing
	read     func(strict.Node)
	contents keys   // of a mapping, or of the mappings in it
	step     string // from the place to its contents: "", "[]" or ".NAME"
}

// key is a key of a mapping.
type key struct {
	name string
	doc  string
	need string // what to write when the key is missing; "" when it may be left out
	form
}

// keys are the keys of a mapping. They are read in this order, whatever the file's: a later one may rely on an earlier one.
type keys []key

func (ks keys) names() []string {
	var out []string
	for _, k := range ks {
		out = append(out, k.name)
	}
	return out
}

// read reads a mapping, and tells which keys stand there. A key that is missing is reported at its owner.
func (ks keys) read(n, owner strict.Node) map[string]bool {
	there := map[string]strict.Node{}
	for _, p := range n.Mapping("the keys " + strings.Join(ks.names(), ", ")) {
		if !slices.Contains(ks.names(), p.Name) {
			p.Key.Unknown("key", p.Name, ks.names())
			continue
		}
		there[p.Name] = p.Node
	}
	seen := map[string]bool{}
	for _, k := range ks {
		if value, ok := there[k.name]; ok {
			seen[k.name] = true
			k.read(value)
		} else if k.need != "" && n.Kind() == "a mapping" {
			owner.Problemf("", k.need, "the key %s is missing", k.name)
		}
	}
	return seen
}

func (ks keys) schema() map[string]any {
	properties, required := map[string]any{}, []string{}
	for _, k := range ks {
		s := maps.Clone(k.form.schema)
		s["description"] = k.doc
		if k.preset != nil {
			s["default"] = k.preset
		}
		properties[k.name] = s
		if k.need != "" {
			required = append(required, k.name)
		}
	}
	s := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// mapping is a mapping with these keys. more is what the schema says beyond them; then, which may be nil, is called with the keys that
// stand there, unless something in the mapping is wrong.
func mapping(ks keys, more map[string]any, then func(n strict.Node, seen map[string]bool)) form {
	return owned(strict.Node{}, ks, more, then)
}

// owned is a mapping that is under a name, at which missing keys are reported.
func owned(name strict.Node, ks keys, more map[string]any, then func(n strict.Node, seen map[string]bool)) form {
	s := ks.schema()
	maps.Copy(s, more)
	return form{accepts: "mapping", schema: s, contents: ks, read: func(n strict.Node) {
		before, owner := n.Count(), n
		if !name.IsZero() {
			owner = name
		}
		if seen := ks.read(n, owner); then != nil && n.Count() == before {
			then(n, seen)
		}
	}}
}

// named is a mapping of free names to values of one form; entry makes the form for one of them, whose name it gets.
func named(names check, want string, entry func(p strict.Pair) form) form {
	sample := entry(strict.Pair{})
	s := map[string]any{"type": "object", "additionalProperties": sample.schema, "propertyNames": names.schema}
	return form{accepts: "mapping", schema: s, contents: sample.contents, step: ".NAME", read: func(n strict.Node) {
		for _, p := range n.Mapping(want) {
			names.hold(p.Key, p.Name)
			entry(p).read(p.Node)
		}
	}}
}

// list is a list of values of one form.
func list(want string, least int, entry func() form) form {
	sample := entry()
	s := map[string]any{"type": "array", "items": sample.schema}
	if least > 0 {
		s["minItems"] = least
	}
	return form{accepts: "list", schema: s, contents: sample.contents, step: "[]", read: func(n strict.Node) {
		entries := n.List(want)
		if len(entries) < least && n.Kind() == "a list" {
			n.Problemf("an empty list", want, "nothing is listed")
		}
		for _, e := range entries {
			entry().read(e)
		}
	}}
}

// texts is a list of texts. A file that has the key replaces what holds without it.
func texts(into *[]string, want string, least int, checks ...check) form {
	f := list(want, least, func() form {
		var s string
		f := text(&s, want, checks...)
		read := f.read
		f.read = func(n strict.Node) { read(n); *into = append(*into, s) }
		return f
	})
	f.accepts = "list of texts"
	if len(*into) > 0 {
		f.preset = slices.Clone(*into)
	}
	read := f.read
	f.read = func(n strict.Node) { *into = []string{}; read(n) }
	return f
}

// check is a condition on a text.
type check struct {
	holds   func(string) bool
	want    string
	message string
	schema  map[string]any // nil where the schema cannot say it
}

// hold reports a text that the condition does not hold for.
func (c check) hold(n strict.Node, s string) bool {
	if c.holds(s) {
		return true
	}
	n.Problemf(fmt.Sprintf("%q", strict.Clip(s)), c.want, "%s", c.message)
	return false
}

// like is the condition that a text has a form.
func like(pattern, want, message string) check {
	return check{holds: regexp.MustCompile(pattern).MatchString, want: want, message: message, schema: map[string]any{"pattern": pattern}}
}

// scalars are the types that YAML has for what is written as one word or text.
var scalars = []string{"string", "number", "boolean"}

// text is a scalar, read as it is written: a number is its own digits. A text that a condition does not hold for is not taken.
func text[S ~string](into *S, want string, checks ...check) form {
	s := map[string]any{"type": scalars}
	for _, c := range checks {
		maps.Copy(s, c.schema)
	}
	f := form{accepts: "text", schema: s, read: func(n strict.Node) {
		if _, tagged := n.Syntax().(*ast.TagNode); tagged { // whose text would be the tag itself
			n.Problemf(n.Syntax().GetToken().Value, want, "YAML tags are not accepted")
			return
		}
		s, ok := n.Text(want)
		for _, c := range checks {
			ok = ok && c.hold(n, s)
		}
		if ok {
			*into = S(s)
		}
	}}
	if *into != "" {
		f.preset = string(*into)
	}
	return f
}

// words is one of several words.
func words[S ~string](into *S, accepted ...S) form {
	var plain, shown []string
	for _, w := range accepted {
		plain, shown = append(plain, string(w)), append(shown, "`"+string(w)+"`")
	}
	f := form{accepts: strings.Join(shown, ", "), schema: map[string]any{"enum": plain}, read: func(n strict.Node) {
		s := string(*into)
		n.One(&s, plain...)
		*into = S(s)
	}}
	if *into != "" {
		f.preset = string(*into)
	}
	return f
}

// count is a number of things.
func count(into *int) form {
	var s string
	c := like(`^[1-9][0-9]{0,2}$`, "a number from 1 to 999", "not a count")
	c.schema["minimum"], c.schema["maximum"], c.schema["multipleOf"] = 1, 999, 1
	f := text(&s, c.want, c)
	read := f.read
	f.accepts = "`1` to `999`"
	f.read = func(n strict.Node) {
		read(n)
		*into, _ = strconv.Atoi(s) // nothing was taken that is none
	}
	return f
}

// duration is a time in hours, minutes and seconds, of six hours at most: the longest that GitHub waits for a check.
func duration(into *time.Duration) form {
	const longest = 6 * time.Hour
	whole := like(`^(0s|([1-9][0-9]{0,3}h)?([1-9][0-9]{0,4}m)?([1-9][0-9]{0,5}s)?)$`, "a duration such as 90s, 10m or 1h, of 6h at most", "not a duration")
	shown := strings.TrimSuffix(into.String(), "0s")
	f := text(&shown, whole.want, whole, check{holds: func(s string) bool { d, err := time.ParseDuration(s); return err == nil && d <= longest }, want: whole.want, message: whole.message})
	read := f.read
	f.accepts = "`0s` to `6h`"
	f.read = func(n strict.Node) {
		read(n)
		if d, err := time.ParseDuration(shown); err == nil {
			*into = d
		}
	}
	return f
}

// boolean is true or false.
func boolean(into *bool) form {
	return form{accepts: "`true`, `false`", schema: map[string]any{"type": "boolean"}, preset: *into, read: func(n strict.Node) { n.Bool(into) }}
}
