package importtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/relbot/relbot/"

// row says what a package may import of this module, and why no more.
type row struct {
	pkg    string
	may    []string // "*" is everything
	reason string
}

// directions is the architecture.
var directions = []row{
	{"internal/coupling", nil, "the vocabulary depends on nothing"},
	{"internal/versionscan", nil, "a fact and a file mean the same to all"},
	{"internal/versionscan/release", []string{"versionscan"}, "release arithmetic knows neither couplings nor GitHub"},
	{"internal/versionscan/find", []string{"versionscan", "versionscan/release"}, "finding a version in a text knows neither couplings nor GitHub"},
	{"internal/nearest", nil, "a function over words"},
	{"internal/strict", []string{"nearest"}, "reading YAML knows nothing of what is read"},
	{"internal/rules", []string{"coupling", "versionscan", "versionscan/find", "versionscan/release"}, "judging looks at facts alone"},
	{"internal/command", []string{"coupling", "nearest"}, "a command is text until it is run"},
	{"internal/drift", []string{"coupling", "rules", "versionscan/find", "versionscan/release"}, "drift is computed from judgements"},
	{"internal/flip", []string{"coupling", "rules", "versionscan/release"}, "what flipped is reported from judgements and facts"},
	{"internal/timeline", []string{"versionscan", "versionscan/release"}, "a drawing knows releases"},
	{"internal/policy", []string{"coupling", "rules", "versionscan", "versionscan/find", "versionscan/release", "strict", "nearest"}, "the policy file turns into rules"},
	{"internal/forge", []string{"coupling", "versionscan", "versionscan/release"}, "the border to GitHub has plain types"},
	{"internal/note", []string{"coupling", "rules", "command", "drift", "flip", "forge"}, "words come after judgement"},
	{"internal/store", []string{"coupling"}, "remembering knows no rules"},
	{"internal/store/sqldb", []string{"store"}, "what both engines share knows neither"},
	{"internal/store/sqlite", []string{"store", "store/sqldb"}, "an engine keeps what the store says"},
	{"internal/store/postgres", []string{"store", "store/sqldb"}, "an engine keeps what the store says"},
	{"internal/store/postgres/pgtest", nil, "tests get a database"},
	{"internal/store/storetest", []string{"store", "store/backup"}, "the suite knows no engine"},
	{"internal/store/backup", []string{"store"}, "a backup knows no engine"},
	{"internal/store/engine", []string{"store", "store/sqlite", "store/postgres"}, "a URL names an engine"},
	{"internal/cache", nil, "a cache knows nothing of what it keeps"},
	{"internal/budget", nil, "limits are numbers and moments"},
	{"internal/ghapp", []string{"budget", "cache", "coupling", "forge", "versionscan", "versionscan/release"}, "the adapter translates and decides nothing"},
	{"internal/history", []string{"coupling", "forge", "versionscan", "versionscan/find", "versionscan/release"}, "questions about history know neither GitHub nor git"},
	{"internal/gitrepo", []string{"coupling", "forge", "versionscan", "versionscan/release"}, "a clone gives files and history"},
	{"internal/work", []string{"coupling", "forge", "store"}, "kinds of work, their keys and payloads have one place"},
	{"internal/gitrepo/gittest", nil, "repositories for tests"},
	{"internal/memory", []string{"coupling", "drift", "flip", "forge", "policy", "rules", "store", "timeline", "versionscan", "versionscan/release", "work"}, "remembering what was found asks nobody and decides nothing"},
	{"internal/webhook", []string{"coupling", "store", "work"}, "intake records and queues, and never judges"},
	{"internal/job", []string{"store"}, "running work knows no kinds of work"},
	{"internal/publish", []string{"budget", "coupling", "forge", "note", "store"}, "effects come last"},
	{"internal/reconcile", []string{"budget", "command", "coupling", "drift", "flip", "forge", "history", "job", "memory", "note", "policy", "publish", "rules", "store", "timeline", "versionscan", "versionscan/find", "versionscan/release", "work"}, "the one place that gathers, judges, says and plans"},
	{"internal/draft", []string{"coupling", "policy", "versionscan", "versionscan/find", "versionscan/release"}, "a draft is a text, until somebody writes it"},
	{"internal/scan", []string{"gitrepo", "rules", "versionscan", "versionscan/find", "versionscan/release"}, "a scan looks at a tree and prints nothing"},
	{"internal/historian", []string{"coupling", "forge", "gitrepo", "history", "policy", "rules", "timeline", "versionscan", "versionscan/find", "versionscan/release"}, "a clone is asked as the server asks GitHub"},
	{"internal/doctor", []string{"coupling", "forge", "policy", "rules", "versionscan"}, "looking for what is wrong changes nothing"},
	{"internal/telemetry", []string{"coupling", "forge", "job", "publish", "rules", "store", "webhook"}, "measuring is at the borders and wraps what is there"},
	{"internal/setup", []string{"doctor", "forge"}, "registering an App needs no server"},
	{"internal/dashboard", []string{"coupling", "drift", "flip", "forge", "memory", "note", "reconcile", "rules", "store", "timeline"}, "pages show what is remembered, and ask GitHub for nothing but permissions"},
	{"internal/settings", []string{"nearest"}, "settings are read before anything else exists"},
	{"internal/server", []string{"coupling", "dashboard", "job", "memory", "publish", "reconcile", "rules", "store", "telemetry", "webhook", "work"}, "the program is put together here, without choosing engines or adapters"},
	{"internal/ghsim", []string{"coupling"}, "the simulated GitHub shares no code with relbot's side"},
	{"internal/ghsim/ghspec", nil, "GitHub's descriptions, for tests"},
	{"internal/scenario", []string{"coupling", "ghsim", "strict"}, "stories see the server from outside"},
	{"internal/live", nil, "a play on a real GitHub sees it, and relbot, from outside"},
	{"internal/importtest", nil, "tests only"},
	{"internal/wordtest", nil, "tests only"},
	{"deploy/check", nil, "a module of its own, which sees files and tools alone"},
	{"scenarios", nil, "data"},
	{"deploy", nil, "data"},
	{"cmd/relbot", []string{"*"}, "main wires"},
}

// pure packages compute; they have no context, no clock and no I/O.
var pure = []string{"draft", "coupling", "versionscan", "versionscan/find", "versionscan/release", "nearest", "strict", "rules", "command", "drift", "policy", "note", "forge", "timeline", "flip"}

var impure = regexp.MustCompile(`^(context|os|os/.*|net|net/.*|log/slog|database/sql|math/rand.*)$`)

// owners are the packages that alone may import something of others.
var owners = map[string]string{
	"github.com/google/go-github/":       "internal/ghapp",
	"github.com/bradleyfalzon/":          "internal/ghapp",
	"golang.org/x/oauth2":                "internal/ghapp",
	"modernc.org/sqlite":                 "internal/store/sqlite internal/cache",
	"github.com/jackc/pgx/":              "internal/store/postgres",
	"github.com/aymanbagabas/go-udiff":   "internal/ghsim",
	"github.com/getkin/kin-openapi/":     "internal/ghsim/ghspec",
	"github.com/prometheus/":             "internal/telemetry",
	"go.opentelemetry.io/":               "internal/telemetry",
	"github.com/spf13/cobra":             "cmd/relbot",
	"github.com/go-chi/chi/":             "internal/server internal/ghsim",
	"github.com/hashicorp/golang-lru/v2": "internal/cache internal/dashboard internal/memory internal/store/sqlite",
	"github.com/go-json-experiment/json": "internal/webhook",
}

// source is a parsed file of the module.
type source struct {
	pkg  string // directory, from the module's root
	name string
	file *ast.File
	test bool
}

func sources(t *testing.T) []source {
	t.Helper()
	var out []source
	fset := token.NewFileSet()
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.HasPrefix(string(text), "//go:build ignore") {
			return nil
		}
		rel, err := filepath.Rel("../..", filepath.Dir(path))
		out = append(out, source{pkg: filepath.ToSlash(rel), name: filepath.Base(path), file: f, test: strings.HasSuffix(path, "_test.go")})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func imports(f *ast.File) []string {
	var out []string
	for _, i := range f.Imports {
		path, _ := strconv.Unquote(i.Path.Value) // it was parsed
		out = append(out, path)
	}
	return out
}

func TestDirections(t *testing.T) {
	known := map[string]row{}
	for _, r := range directions {
		known[r.pkg] = r
	}
	for _, s := range sources(t) {
		r, ok := known[s.pkg]
		if !ok {
			t.Errorf("%s: not in the table of directions: say what it may import", s.pkg)
			continue
		}
		if s.test {
			continue
		}
		for _, path := range imports(s.file) {
			own, is := strings.CutPrefix(path, module)
			if !is || slices.Contains(r.may, "*") || slices.Contains(r.may, strings.TrimPrefix(own, "internal/")) {
				continue
			}
			t.Errorf("%s/%s imports %s: %s", s.pkg, s.name, own, r.reason)
		}
	}
}

func TestOwners(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || s.pkg == "internal/store/postgres/pgtest" {
			continue
		}
		for _, path := range imports(s.file) {
			for prefix, owner := range owners {
				if strings.HasPrefix(path, prefix) && !slices.Contains(strings.Fields(owner), s.pkg) {
					t.Errorf("%s/%s imports %s, which belongs to %s", s.pkg, s.name, path, owner)
				}
			}
		}
	}
}

func TestPure(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || !slices.Contains(pure, strings.TrimPrefix(s.pkg, "internal/")) {
			continue
		}
		for _, path := range imports(s.file) {
			if impure.MatchString(path) {
				t.Errorf("%s/%s imports %s: the package is pure", s.pkg, s.name, path)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && sel.Sel.Name == "Now" {
					t.Errorf("%s/%s asks the clock: the package is pure", s.pkg, s.name)
				}
			}
			return true
		})
	}
}

// TestRowsOfWork holds that package work alone makes rows of work: elsewhere a row is one of its constructors, or a copy of another.
func TestRowsOfWork(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || s.pkg == "internal/work" || strings.HasPrefix(s.pkg, "internal/store") {
			continue
		}
		row := func(e ast.Expr) bool {
			if list, ok := e.(*ast.ArrayType); ok {
				e = list.Elt
			}
			sel, ok := e.(*ast.SelectorExpr)
			if !ok || sel.Sel.Name != "Work" {
				return false
			}
			x, ok := sel.X.(*ast.Ident)
			return ok && x.Name == "store"
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok || !row(lit.Type) {
				return true
			}
			ast.Inspect(lit, func(n ast.Node) bool {
				field, ok := n.(*ast.KeyValueExpr)
				if !ok {
					return true
				}
				name, _ := field.Key.(*ast.Ident)
				copied, _ := field.Value.(*ast.SelectorExpr)
				if name != nil && name.Name == "Kind" && (copied == nil || copied.Sel.Name != "Kind") {
					t.Errorf("%s/%s makes a row of work by hand: internal/work has a constructor for each kind", s.pkg, s.name)
				}
				return true
			})
			return true
		})
	}
}

func TestOnePackageComment(t *testing.T) {
	comments := map[string]int{}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		comments[s.pkg] += 0
		if s.file.Doc != nil {
			comments[s.pkg]++
		}
	}
	for pkg, n := range comments {
		if n != 1 {
			t.Errorf("%s has %d package comments", pkg, n)
		}
	}
}

// TestReasons holds that reasons are made by the constructors of package rules, which say what evidence each code has. Package note shows
// examples of its own.
func TestReasons(t *testing.T) {
	for _, s := range sources(t) {
		where := s.pkg + "/" + s.name
		if s.test || where == "internal/rules/reason.go" || where == "internal/note/sentence.go" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok || len(lit.Elts) == 0 {
				return true
			}
			made := typeName(lit.Type) == "Reason"
			if list, ok := lit.Type.(*ast.ArrayType); ok && typeName(list.Elt) == "Reason" { // []rules.Reason{{…}}
				for _, e := range lit.Elts {
					inner, ok := e.(*ast.CompositeLit)
					made = made || ok && inner.Type == nil
				}
			}
			if made {
				t.Errorf("%s makes a reason by hand", where)
			}
			return true
		})
	}
}

// typeName returns the last part of a type's name.
func typeName(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return x.Sel.Name
	}
	return ""
}
