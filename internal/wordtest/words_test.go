package wordtest

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// list prints what is wrong in the directories that are not held yet, too.
var list = flag.Bool("list", false, "report the directories that are not held yet, too")

const (
	sentenceWords  = 25 // of a sentence of prose
	changelogWords = 20 // of a line of the changelog
	dialectWords   = 60 // of [dialect] in the whole tree
)

// out are words for which English has plainer ones, with those.
var out = map[string]string{
	"told": "reported, notified", "anew": "again", "whoever": "the user who", "beside": "next to, also", "mend": "fix", "mended": "fixed", "mends": "fixes",
	"taken back": "revoked", "stands": "exists, remains, is shown", "hint": "payload", "hints": "payloads", "unheard": "a name for the state", "deaf": "a name for the state",
}

// dialect is counted in the whole tree, names and tests included.
var dialect = regexp.MustCompile(`(?i)\b(told|anew|whoever|beside)\b`)

// notHeld are the directories and files whose prose is not held yet. docs/reasons.md has the sentences of package note.
var notHeld = []string{
	"docs/reasons.md", "internal/command", "internal/memory", "internal/note", "internal/reconcile", "internal/versionscan", "internal/versionscan/find", "internal/versionscan/release",
}

// prose is a paragraph of text, without code.
type prose struct {
	file string
	line int
	text string
	kind string // doc, comment or message
}

func (p prose) String() string { return fmt.Sprintf("%s:%d", p.file, p.line) }

const root = "../.."

// files lists the files of the tree with one of the endings, by their path from the root.
func files(t *testing.T, endings ...string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); name == ".git" || name == "dist" || name == "out" || name == "node_modules" {
				return filepath.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if slices.ContainsFunc(endings, func(e string) bool { return strings.HasSuffix(path, e) }) {
			all = append(all, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// comments returns the comments of a Go file, a paragraph each. Tables and code in them are indented.
func comments(t *testing.T, path string) []prose {
	t.Helper()
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, filepath.Join(root, path), nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var all []prose
	for _, group := range f.Comments {
		all = append(all, paragraphs(path, set.Position(group.Pos()).Line, "comment", group.Text())...)
	}
	if !strings.HasSuffix(path, "_test.go") {
		ast.Inspect(f, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				if text, err := strconv.Unquote(l.Value); err == nil && strings.Count(text, " ") > 1 {
					all = append(all, prose{path, set.Position(l.Pos()).Line, text, "message"})
				}
			}
			return true
		})
	}
	return all
}

// item begins a line of a list.
var item = regexp.MustCompile(`^\s*([-*]|\d+\.) `)

// paragraphs cuts a text at empty lines and items of lists, and leaves out what is indented, fenced, in a table or generated.
func paragraphs(path string, line int, kind, text string) []prose {
	var all []prose
	var open *prose
	fenced, generated := false, false
	for i, l := range strings.Split(text, "\n") {
		bare := strings.TrimSpace(l)
		switch {
		case strings.HasPrefix(bare, "```"):
			fenced, open = !fenced, nil
			continue
		case strings.HasPrefix(bare, "<!-- generated"):
			generated = true
		case strings.HasPrefix(bare, "<!-- end generated"):
			generated, open = false, nil
			continue
		}
		switch {
		case fenced || generated || bare == "" || strings.HasPrefix(l, "\t") || strings.HasPrefix(l, "    ") || strings.HasPrefix(bare, "|") || strings.HasPrefix(bare, "#") || strings.HasPrefix(bare, "!["):
			open = nil
		case open == nil || item.MatchString(l):
			all = append(all, prose{path, line + i, item.ReplaceAllString(bare, ""), kind})
			open = &all[len(all)-1]
		default:
			open.text += " " + bare
		}
	}
	return all
}

var (
	quoted = regexp.MustCompile("`[^`]*`")
	cited  = regexp.MustCompile(`"[^"]{20,}"`)
	end    = regexp.MustCompile(`[.!?;](["')\]*]*)(\s+|$)`)
	link   = regexp.MustCompile(`\]\([^)]*\)`)
)

// sentences cuts a paragraph. Code and what is cited count as one word each; a semicolon ends a sentence.
func sentences(text string) []string {
	text = link.ReplaceAllString(cited.ReplaceAllString(quoted.ReplaceAllString(text, "CODE"), "CITED"), "]")
	text = strings.NewReplacer("e.g. ", "eg ", "i.e. ", "ie ", " vs. ", " vs ").Replace(text)
	var all []string
	from := 0
	for _, m := range end.FindAllStringIndex(text, -1) {
		all = append(all, text[from:m[1]])
		from = m[1]
	}
	return append(all, text[from:])
}

var word = regexp.MustCompile(`[\pL\pN][\pL\pN'’./-]*`)

// wrong says what is wrong with a paragraph.
func wrong(p prose) []string {
	var found []string
	text := quoted.ReplaceAllString(p.text, "CODE")
	lower := strings.NewReplacer("stands for", "", "stands still", "").Replace(strings.ToLower(text))
	for w, better := range out {
		if regexp.MustCompile(`\b` + w + `\b`).MatchString(lower) {
			found = append(found, fmt.Sprintf("%q is out: %s", w, better))
		}
	}
	if p.kind == "message" {
		return found
	}
	for _, s := range sentences(p.text) {
		if n := len(word.FindAllString(s, -1)); n > sentenceWords {
			found = append(found, fmt.Sprintf("a sentence of %d words: %s", n, strings.TrimSpace(s)))
		}
	}
	return found
}

// TestWords holds the prose of docs, comments, help and messages.
func TestWords(t *testing.T) {
	var all []prose
	for _, path := range files(t, ".go") {
		if strings.Contains(path, "testdata/") {
			continue
		}
		all = append(all, comments(t, path)...)
	}
	for _, path := range files(t, ".md") {
		if strings.Contains(path, "testdata/") {
			continue
		}
		all = append(all, paragraphs(path, 1, "doc", read(t, path))...)
	}
	if len(all) < 1000 {
		t.Fatalf("only %d paragraphs were found", len(all))
	}
	left := map[string]int{}
	for _, p := range all {
		found := wrong(p)
		if i := slices.IndexFunc(notHeld, func(at string) bool { return at == p.file || at == path.Dir(p.file) }); i >= 0 {
			left[notHeld[i]] += len(found)
			if !*list {
				continue
			}
		}
		for _, f := range found {
			t.Errorf("%s: %s", p, f)
		}
	}
	for _, at := range notHeld {
		if left[at] == 0 {
			t.Errorf("%s is clean: take it off the list", at)
		}
	}
}

// TestDialect counts the words that made the project hard to read, wherever they are.
func TestDialect(t *testing.T) {
	n := 0
	for _, path := range files(t, ".go", ".md", ".yml", ".yaml", ".sql", ".js", ".html", ".txt", ".txtar") {
		if !strings.HasPrefix(path, "internal/wordtest/") {
			n += len(dialect.FindAllString(read(t, path), -1))
		}
	}
	if n > dialectWords {
		t.Errorf("%d times told, anew, whoever or beside, want at most %d", n, dialectWords)
	}
}

// TestChangelog holds the form of the changelog: one short line for each change, under a heading that says its kind.
func TestChangelog(t *testing.T) {
	kind := ""
	for i, l := range strings.Split(read(t, "CHANGELOG.md"), "\n") {
		switch {
		case strings.HasPrefix(l, "### "):
			if kind = l[4:]; !slices.Contains([]string{"Added", "Changed", "Fixed"}, kind) {
				t.Errorf("line %d: %q is none of Added, Changed, Fixed", i+1, kind)
			}
		case strings.HasPrefix(l, "- "):
			if n := len(word.FindAllString(l, -1)); kind == "" || n > changelogWords {
				t.Errorf("line %d has %d words, want at most %d under a heading: %s", i+1, n, changelogWords, l)
			}
		case kind != "" && l != "" && !strings.HasPrefix(l, "## "):
			t.Errorf("line %d: one line for each change: %s", i+1, l)
		}
	}
}
