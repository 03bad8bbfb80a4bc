package versionscan_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/find"
	"github.com/relbot/relbot/internal/versionscan/release"
)

var update = flag.Bool("update", false, "write what the code answers into testdata")

// TestHistory plays the cases of testdata/history. Each says in its first line what it proves. Section rules has the
// keys of a policy's releases. Section tags has one tag a line, with "has" and a method when it has the change, "?" when
// nobody knows; a line that begins with "branch" is a branch. Section files, where there is one, holds what a dev-version
// reader reads. Section ask has questions, each followed by ": " and its answer.
func TestHistory(t *testing.T) {
	cases, err := filepath.Glob("testdata/history/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatal("no cases", err)
	}
	for _, path := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if first, _, _ := strings.Cut(string(a.Comment), "\n"); !strings.HasSuffix(first, ".") {
				t.Errorf("the first line says nothing: %q", first)
			}
			c := newStory(t, a)
			var b strings.Builder
			for _, line := range lines(section(a, "ask")) {
				question, want, _ := strings.Cut(line, ": ")
				got := c.answer(strings.Fields(question))
				if got != want && !*update {
					t.Errorf("%s:\n got %s\nwant %s", question, got, want)
				}
				fmt.Fprintf(&b, "%s: %s\n", question, got)
			}
			if *update {
				for i := range a.Files {
					if a.Files[i].Name == "ask" {
						a.Files[i].Data = []byte(b.String())
					}
				}
				if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func section(a *txtar.Archive, name string) string {
	for _, f := range a.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func lines(s string) []string {
	return slices.DeleteFunc(strings.Split(s, "\n"), func(l string) bool { return strings.TrimSpace(l) == "" })
}

// story is a case: a history and what is known of a change in it.
type story struct {
	t        testing.TB
	r        release.Releases
	tags     []release.Tag
	branches []string
	has      map[string]versionscan.Fact[string]
	lines    map[string]versionscan.Fact[string]
	files    map[string]versionscan.Fact[versionscan.File]
}

func newStory(t testing.TB, a *txtar.Archive) *story {
	c := &story{t: t, has: map[string]versionscan.Fact[string]{}, lines: map[string]versionscan.Fact[string]{}, files: map[string]versionscan.Fact[versionscan.File]{}}
	for _, l := range lines(section(a, "rules")) {
		key, value, _ := strings.Cut(l, ": ")
		switch key {
		case "tags":
			c.r.Tags = value
		case "scheme":
			c.r.Scheme = release.Scheme(value)
		case "next":
			c.r.Next.Step = value
		case "list":
			c.r.Next.List = strings.Fields(value)
		case "cut_on":
			c.r.CutOn = value
		case "start_words":
			c.r.StartWords = strings.Fields(value)
		case "bumped":
			c.r.Bumped = value
		case "ignore":
			c.r.Ignore = strings.Fields(value)
		case "branches":
			c.r.Branches = value
		case "read":
			c.r.DevVersion = append(c.r.DevVersion, reader(t, value))
		default:
			t.Fatalf("rules: no key %q", key)
		}
	}
	for _, l := range lines(section(a, "tags")) {
		line, branch := strings.CutPrefix(l, "branch ")
		name, state, _ := strings.Cut(line, " ")
		f := versionscan.None[string]("")
		switch {
		case state == "?":
			f = versionscan.NotKnown[string]("a timeout")
		case state != "":
			f = versionscan.Know(strings.TrimSpace(strings.TrimPrefix(state, "has")))
		}
		if branch {
			c.branches, c.lines[name] = append(c.branches, name), f
		} else {
			c.tags, c.has[name] = append(c.tags, release.Tag{Name: name}), f
		}
	}
	for _, f := range a.Files {
		if path, ok := strings.CutPrefix(f.Name, "file "); ok {
			c.files[path] = versionscan.Know(versionscan.File{Text: string(f.Data)})
		} else if path, ok := strings.CutPrefix(f.Name, "lost "); ok {
			c.files[path] = versionscan.NotKnown[versionscan.File]("a timeout")
		} else if path, ok := strings.CutPrefix(f.Name, "no "); ok {
			c.files[path] = versionscan.None[versionscan.File]("")
		}
	}
	return c
}

// reader reads "tags" or "PATH KIND WHERE".
func reader(t testing.TB, text string) release.Reader {
	if text == "tags" {
		return release.Reader{Tags: true}
	}
	f := strings.SplitN(text, " ", 3)
	r := release.Reader{Path: f[0]}
	switch f[1] {
	case "pattern":
		r.Pattern = f[2]
	case "toml":
		r.TOML = f[2]
	case "yaml":
		r.YAML = f[2]
	case "json":
		r.JSON = f[2]
	default:
		t.Fatalf("no reader %q", f[1])
	}
	return r
}

func (c *story) version(text string) release.Version { return parse(c.t, c.r.Scheme, text) }

func parse(t testing.TB, s release.Scheme, text string) release.Version {
	t.Helper()
	v, err := s.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// answer answers a question; where one ends in "@N", only the first N tags exist.
func (c *story) answer(q []string) string {
	tags := c.tags
	if n := len(q); strings.HasPrefix(q[n-1], "@") {
		until := slices.IndexFunc(tags, func(t release.Tag) bool { return t.Name == q[n-1][1:] })
		if until < 0 {
			c.t.Fatalf("no tag %s", q[n-1][1:])
		}
		tags, q = tags[:until+1], q[:n-1]
	}
	h := c.r.History(tags, c.branches)
	holds := map[string]versionscan.Fact[bool]{}
	for tag, f := range c.has {
		holds[tag] = versionscan.Fact[bool]{State: f.State, Why: f.Why, Value: f.Known()}
		if f.Absent() {
			holds[tag] = versionscan.Know(false)
		}
	}
	train := func() versionscan.Fact[release.Version] {
		if q[1] == "?" {
			return versionscan.NotKnown[release.Version]("no reader")
		}
		t, ok := h.Train(c.version(q[1]))
		if !ok {
			return versionscan.NotKnown[release.Version]("the list ends")
		}
		return versionscan.Know(t.Core)
	}
	switch q[0] {
	case "tag":
		v, ok := c.r.ParseTag(q[1])
		if !ok {
			return "none"
		}
		return v.String()
	case "releases":
		var out []string
		for _, r := range h.Releases() {
			s := r.Core.String()
			if r.Speaks != nil {
				s += "=" + r.Speaks.Name
			}
			if !r.Cut {
				s += " (uncut)"
			}
			if r.Final() {
				s += "!"
			}
			out = append(out, s)
		}
		return strings.Join(out, ", ")
	case "cut":
		by, ok := h.CutBy(c.version(q[1]))
		if !ok {
			return "no"
		}
		return by
	case "next":
		v, ok := c.r.NextAfter(c.version(q[1]))
		if !ok {
			return "none"
		}
		return v.String()
	case "train":
		t, ok := h.Train(c.version(q[1]))
		s := t.Core.String()
		if !ok {
			s = "none"
		}
		if t.CutBy != "" {
			s += " cut by " + t.CutBy
		}
		if t.Lagging {
			s += ", lagging"
		}
		return s
	case "line":
		v, ok := h.LineTrain(q[1])
		if !ok {
			return "none"
		}
		return v.String()
	case "prefix":
		return c.r.LinePrefix()
	case "lineof":
		v, ok := c.r.LineOf(q[1])
		if !ok {
			return "none"
		}
		return v.String()
	case "ship":
		f := h.FirstShip(c.has, c.lines, train())
		if !f.Known() {
			return "unknown: " + f.Why
		}
		s := f.Value
		return strings.TrimSpace(fmt.Sprintf("%s by %s %s%s %s", s.Core, s.Method, s.Tag, s.Line, s.Build))
	case "threshold":
		f := h.Threshold(holds, train())
		if !f.Known() {
			return "unknown: " + f.Why
		}
		s := fmt.Sprintf("%s by %s %s", f.Value.Core, f.Value.Method, f.Value.Tag)
		for _, b := range f.Value.Breaks {
			s += ", not in " + b.String()
		}
		return strings.TrimSpace(s)
	case "interval":
		f := h.Interval(func(tag string) versionscan.Fact[bool] { return holds[tag] }, train().Value)
		if !f.Known() {
			return "unknown: " + f.Why
		}
		return fmt.Sprintf("(%s, %s]", f.Value.After, f.Value.UpTo)
	case "lineinterval":
		v, _ := h.LineTrain(q[1])
		f := h.Interval(func(tag string) versionscan.Fact[bool] { return holds[tag] }, v)
		return fmt.Sprintf("(%s, %s]", f.Value.After, f.Value.UpTo)
	case "dev":
		f := find.Dev(c.r, c.files, h)
		if !f.Known() {
			return "unknown: " + f.Why
		}
		s := f.Value.Version.String()
		for _, d := range f.Value.Differ {
			s += fmt.Sprintf("; %s says %s%s", d.Reader.Path, d.Version, d.Err)
		}
		return s
	}
	c.t.Fatalf("no question %q", q)
	return ""
}

// TestNothingKnown: without tags, files or readers nothing is claimed.
func TestNothingKnown(t *testing.T) {
	r := release.Releases{DevVersion: []release.Reader{{Tags: true}}}
	if f := find.Dev(r, nil, nil); f.Known() || f.Why != "the tags could not be read" {
		t.Errorf("got %v", f)
	}
	if f := find.Dev(release.Releases{}, nil, nil); f.Known() || f.Why == "" {
		t.Errorf("got %v", f)
	}
	for _, file := range []versionscan.File{{Binary: true}, {Link: true, Text: "../VERSION"}, {Text: "nothing"}} {
		r := release.Releases{DevVersion: []release.Reader{{Path: "VERSION", Selector: versionscan.Selector{Pattern: `(?P<version>\d+)`}}}}
		if f := find.Dev(r, map[string]versionscan.Fact[versionscan.File]{"VERSION": versionscan.Know(file)}, r.History(nil, nil)); f.Known() || !strings.HasPrefix(f.Why, "VERSION: ") {
			t.Errorf("got %v", f)
		}
	}
	h := release.Releases{}.History(nil, nil)
	if _, ok := h.Release(parse(t, release.Semver, "1.0")); ok {
		t.Error("an empty history has a release")
	}
	list := release.Releases{Next: release.Next{List: []string{"1.0", "what"}}}
	if train, ok := list.History([]release.Tag{{Name: "v1.0.0"}}, nil).Train(parse(t, release.Semver, "1.0.0-dev.0")); ok {
		t.Errorf("after the end of the list comes %v", train)
	}
}
