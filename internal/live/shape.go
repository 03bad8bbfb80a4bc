package live

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Shape is the form of answers of one kind: which members they have, by path, and of which types. The path of what is in a list ends in [].
type Shape map[string]Types

// Types are the JSON types that a member was seen with.
type Types map[string]bool

func (t Types) String() string { return strings.Join(slices.Sorted(maps.Keys(t)), " or ") }

// beyondNull lists the types but null.
func (t Types) beyondNull() []string { return without(slices.Sorted(maps.Keys(t)), []string{"null"}) }

// shapes collects the shapes of a play.
type shapes struct {
	mu   sync.Mutex
	seen map[string]Shape
}

// add takes an answer. What is no JSON has no shape.
func (s *shapes) add(kind string, raw []byte) {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[string]Shape{}
	}
	if s.seen[kind] == nil {
		s.seen[kind] = Shape{}
	}
	s.seen[kind].add("", v)
}

// alias is a name that a query gives to one of several of a kind.
var alias = regexp.MustCompile(`^([a-z]+)\d+$`)

func (s Shape) add(path string, v any) {
	is := func(kind string) {
		if s[path] == nil {
			s[path] = Types{}
		}
		s[path][kind] = true
	}
	switch v := v.(type) {
	case nil:
		is("null")
	case bool:
		is("boolean")
	case float64:
		is("number")
	case string:
		is("text")
	case []any:
		is("list")
		for _, x := range v {
			s.add(path+"[]", x)
		}
	case map[string]any:
		is("object")
		for name, x := range v {
			s.add(path+"."+alias.ReplaceAllString(name, "$1"), x)
		}
	}
}

func (s *shapes) all() map[string]Shape {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.seen)
}

var (
	ofRepo = regexp.MustCompile(`^/repos/[^/]+/[^/]+`)
	number = regexp.MustCompile(`^\d+$`)
	commit = regexp.MustCompile(`[0-9a-f]{40}`)
	words  = regexp.MustCompile(`[A-Za-z_]+`)
)

// kind names what a request asks for, alike in each play.
func (s *shapes) kind(method, target string, body []byte) string {
	u, err := url.Parse(target)
	if err != nil {
		return method
	}
	if u.Path == "/graphql" {
		var q struct {
			Query string `json:"query"`
		}
		_ = json.Unmarshal(body, &q) // it was sent
		return graphKind(q.Query)
	}
	parts := strings.Split(ofRepo.ReplaceAllString(u.Path, "/repos/R"), "/")
	for i, part := range parts {
		switch {
		case number.MatchString(part):
			parts[i] = "N"
		default:
			parts[i] = commit.ReplaceAllString(part, "SHA")
		}
	}
	return method + " " + strings.Join(parts, "/")
}

// graphKind names a query by its first field, and by the words in it however often each is there. A batch of two asks for what one of ten does.
func graphKind(query string) string {
	found := words.FindAllString(query, -1)
	slices.Sort(found)
	h := fnv.New32a()
	for _, w := range slices.Compact(found) {
		fmt.Fprintln(h, w)
	}
	_, inside, _ := strings.Cut(query, "{")
	first := words.FindString(inside[strings.Index(strings.SplitN(inside, "(", 2)[0], ":")+1:])
	return fmt.Sprintf("%s graphql %s %04x", http.MethodPost, first, h.Sum32()&0xffff)
}
