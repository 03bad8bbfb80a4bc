package ghapp_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/versionscan"
)

// cutter leaves parts out of answers to GraphQL queries, as GitHub does: null is there, and an error names the place.
type cutter struct {
	seen []string       // places of all answers so far, with the number of the query
	at   string         // which to cut
	kind map[string]any // what the error also says
}

func (c *cutter) wrap(next http.Handler) http.Handler {
	query := 0
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/graphql" {
			next.ServeHTTP(w, r)
			return
		}
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		var answer map[string]any
		d := json.NewDecoder(bytes.NewReader(rec.Body.Bytes()))
		d.UseNumber()
		if err := d.Decode(&answer); err != nil {
			panic(err)
		}
		query++
		c.walk(answer, fmt.Sprint(query), nil, answer["data"])
		_ = json.NewEncoder(w).Encode(answer)
	})
}

// walk notes each place at and below v, and cuts the one it is to cut. It reports whether that is v itself.
func (c *cutter) walk(answer map[string]any, name string, path []any, v any) bool {
	if v == nil {
		return false
	}
	if len(path) > 0 {
		c.seen = append(c.seen, name)
		if name == c.at {
			e := map[string]any{"message": "something went wrong", "path": path}
			maps.Copy(e, c.kind)
			answer["errors"] = []any{e}
			return true
		}
	}
	switch v := v.(type) {
	case map[string]any:
		for key, below := range v {
			if c.walk(answer, name+"."+key, append(slices.Clone(path), key), below) {
				v[key] = nil
			}
		}
	case []any:
		for i, below := range v {
			if c.walk(answer, fmt.Sprint(name, ".", i), append(slices.Clone(path), i), below) {
				v[i] = nil
			}
		}
	}
	return false
}

// facts is what an App says that it knows, fact by fact.
type facts map[string]string

func (k facts) add(name string, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	k[name] = string(text)
}

func addFact[T any](k facts, name string, f versionscan.Fact[T]) {
	if !f.Unknown() {
		f.Why = ""
		k.add(name, f)
	}
}

func (k facts) pull(p forge.Pull) {
	name := p.Pull.String()
	for where, at := range map[string]map[string]string{"head": p.AtHead, "test": p.AtTest} {
		for path, id := range at {
			k.add(fmt.Sprint(name, " ", where, " ", path), id)
		}
	}
	p.AtHead, p.AtTest = nil, nil
	k.add(name, p)
}

var watched = []string{"x", "src", "none"}

// read reads pull requests and a repository at one moment.
func (k facts) read(t *testing.T, w *world) {
	surveys, pulls, _ := w.Read(t.Context(), forge.Reading{
		Pulls:   []coupling.Pull{pull, {Repo: repo, Number: 2}, {Repo: repo, Number: 3}},
		Surveys: []forge.SurveyRequest{{Repo: repo, Prefixes: []string{"release/"}, Branches: []string{"main", "old"}, Paths: []string{"x", "none"}, Watched: watched}},
		Watched: map[coupling.Repo][]string{repo: watched},
	})
	if s := surveys[repo]; s.Known() {
		v := s.Value
		addFact(k, "policy", v.Policy)
		addFact(k, "tags", v.Tags)
		addFact(k, "branches", v.Branches)
		for path, id := range v.Watched {
			k.add("tip "+path, id)
		}
		v.Policy, v.Tags, v.Branches, v.Watched, v.Queues = forge.Survey{}.Policy, forge.Survey{}.Tags, forge.Survey{}.Branches, nil, nil
		v.PolicyID = ""
		k.add("survey", v)
	}
	for p, f := range pulls {
		if f.Known() {
			k.pull(f.Value)
		} else {
			addFact(k, p.String(), f)
		}
	}
}

// ask asks all that is asked by GraphQL.
func ask(t *testing.T, w *world) facts {
	k := facts{}
	k.read(t, w)
	if open, err := w.OpenPulls(t.Context(), repo, watched); err == nil {
		var numbers []int
		for _, p := range open {
			numbers = append(numbers, p.Pull.Number)
			k.pull(p)
		}
		k.add("open", numbers)
	}
	main := w.gh.Commit(repo, "main")
	for _, at := range [][]forge.At{{{Commit: main, Path: "x"}, {Commit: main, Path: "none"}}, {{Commit: main, Path: "src/a.go"}, {Commit: main, Path: "src/b/c.go"},
		{Commit: main, Path: "y"}, {Commit: w.gh.Commit(repo, "v1"), Path: "x"}, {Commit: w.gh.Commit(repo, "v2"), Path: "none"}}} {
		files, _ := w.Files(t.Context(), repo, at)
		for at, f := range files {
			addFact(k, fmt.Sprint(at), f)
		}
	}
	var revs []string
	for n := range 7 {
		revs = append(revs, w.gh.Commit(repo, fmt.Sprint("v", n)))
	}
	in, _ := w.Contains(t.Context(), repo, revs[3], revs)
	for rev, f := range in {
		addFact(k, "in "+rev, f)
	}
	log, _ := w.Log(t.Context(), repo, main, w.clock.Add(-240*time.Hour), 50)
	addFact(k, "log", log)
	return k
}

// TestPartialAnswers leaves each part of each answer out in turn: what is said then is what is said without, or nothing; and nothing wrong is kept.
func TestPartialAnswers(t *testing.T) {
	newPartial := func(c *cutter) *world {
		w := newWorld(t, c.wrap)
		text := "text"
		must(t, w.gh.Push(ghsim.PushSpec{Repo: repo, Branch: "main", By: "ann", Message: "policy", Files: map[string]*string{".github/relbot.yml": ptr("version: 1\n")}}))
		for n := range 7 {
			must(t, w.gh.Push(ghsim.PushSpec{Repo: repo, Branch: "main", By: "ann", Message: fmt.Sprint("m", n), Files: map[string]*string{"y": ptr(fmt.Sprint(n))}}))
			must(t, w.gh.Tag(repo, ghsim.TagSpec{Name: fmt.Sprint("v", n), Annotated: n%2 == 0}))
		}
		must(t, w.gh.Branch(repo, ghsim.BranchSpec{Name: "release/1"}))
		must(t, w.gh.Branch(repo, ghsim.BranchSpec{Name: "old"}))
		must(t, w.gh.Open(ghsim.OpenSpec{Repo: repo, Number: 2, By: "ann", Title: "Two", Files: map[string]*string{"two": &text}}))
		must(t, w.gh.Open(ghsim.OpenSpec{Repo: repo, Number: 3, By: "ann", Title: "Three", Files: map[string]*string{"three": &text}}))
		if ok, why := w.gh.Merge(ghsim.MergeSpec{Pull: coupling.Pull{Repo: repo, Number: 3}, By: "ann", Bypass: true}); !ok {
			t.Fatal(why)
		}
		return w
	}
	var plain cutter
	want := ask(t, newPartial(&plain))
	if len(want) < 40 || len(plain.seen) < 200 {
		t.Fatalf("%d facts from %d places: %v", len(want), len(plain.seen), slices.Sorted(maps.Keys(want)))
	}
	for at, still := range map[string][]string{
		"1.r0.p2.baseRef":                   {"acme/app#1", "survey", "policy", "tags", "branches", "tip x"},
		"1.r0.p1.commits.nodes.0.commit.f0": {"acme/app#1", "acme/app#1 head src", "acme/app#2", "survey"},
		"1.r0.policy.oid":                   {"acme/app#1", "survey", "tags", "branches", "tip x"},
		"1.r0.tags.nodes.3":                 {"acme/app#1", "survey", "policy", "branches", "tip x"},
		"1.r0.b1":                           {"acme/app#1", "survey", "policy", "tags", "tip x"},
		"1.r0.defaultBranchRef.target.f0":   {"acme/app#1", "survey", "policy", "tags", "branches", "tip src"},
	} {
		if !slices.Contains(plain.seen, at) {
			t.Errorf("there is nothing at %s", at)
		}
		k := facts{}
		k.read(t, newPartial(&cutter{at: at}))
		for _, name := range still {
			if k[name] != want[name] {
				t.Errorf("%s: %s is not known", at, name)
			}
		}
	}
	for i, at := range plain.seen {
		if testing.Short() && i%8 > 0 {
			continue
		}
		for _, kind := range []map[string]any{nil, {"type": "NOT_FOUND"}, {"type": "FORBIDDEN"}} {
			if kind != nil && strings.Count(at, ".") > 3 || kind["type"] == "NOT_FOUND" && noPull.MatchString(at) {
				continue // it makes no difference; so GitHub says that there is none
			}
			c := cutter{at: at, kind: kind}
			w := newPartial(&c)
			for _, round := range []string{"cut", "kept"} {
				for name, got := range ask(t, w) {
					if got != want[name] {
						t.Errorf("%s %v, %s: %s\n got %s\nwant %s", at, kind, round, name, got, want[name])
					}
				}
				c.at = "" // the numbers of queries go on
			}
		}
	}
}

var noPull = regexp.MustCompile(`^1\.r0\.p\d+$`)

func ptr(s string) *string { return &s }
