package ghsim

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer/html"

	"github.com/relbot/relbot/internal/coupling"
)

// Pages serves what a person would see: the pull requests with their conversations, checks and merge buttons, and the
// issues. They only show, but for the pages of the manifest flow, which register an App.
func (g *GitHub) Pages() http.Handler {
	r := chi.NewRouter()
	r.Get("/", g.indexPage)
	r.Get("/{owner}/{repo}/pull/{number}", g.pullPage)
	r.Get("/{owner}/{repo}/issues/{number}", g.issuePage)
	r.Post("/settings/apps/new", g.registerPage)
	r.Post("/organizations/{org}/settings/apps/new", g.registerPage)
	r.Post("/settings/apps/manifest", g.register)
	return r
}

//go:embed page.html
var pageText string

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"markdown": markdown,
	"when":     func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") },
}).Parse(pageText))

// sanitizer lets through what GitHub lets through, as far as relbot uses it.
var sanitizer = bluemonday.UGCPolicy().AllowElements("details", "summary").AllowAttrs("open").OnElements("details").
	AllowElements("svg", "g", "path", "rect", "text", "line", "polygon", "title").
	AllowAttrs("viewBox", "width", "height", "role", "x", "y", "x1", "y1", "x2", "y2", "rx", "d", "points", "class", "text-anchor").OnElements("svg", "g", "path", "rect", "text", "line", "polygon")

var renderer = goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithRendererOptions(html.WithUnsafe(), html.WithHardWraps()))

// markdown renders a text as GitHub does; Mermaid graphs are drawn here, since no script may be fetched.
func markdown(text string) template.HTML {
	text = callouts(text)
	var b bytes.Buffer
	if err := renderer.Convert([]byte(text), &b); err != nil {
		return template.HTML(template.HTMLEscapeString(text))
	}
	out := b.String()
	const open, end = `<pre><code class="language-mermaid">`, `</code></pre>`
	for {
		i := strings.Index(out, open)
		if i < 0 {
			break
		}
		k := strings.Index(out[i:], end)
		if k < 0 {
			break
		}
		source := out[i+len(open) : i+k]
		out = out[:i] + drawMermaid(unescape(source)) + out[i+k+len(end):]
	}
	return template.HTML(sanitizer.Sanitize(out))
}

func unescape(s string) string {
	return strings.NewReplacer("&gt;", ">", "&lt;", "<", "&quot;", `"`, "&#39;", "'", "&amp;", "&").Replace(s)
}

// callouts turns GitHub's `> [!WARNING]` into a bold word, which is all that the pages need of it.
func callouts(text string) string {
	for _, kind := range []string{"NOTE", "TIP", "IMPORTANT", "WARNING", "CAUTION"} {
		text = strings.ReplaceAll(text, "> [!"+kind+"]", "> **"+kind[:1]+strings.ToLower(kind[1:])+"**")
	}
	return text
}

type pullView struct {
	Key      coupling.Pull
	Title    string
	Author   string
	State    string
	Base     string
	Head     string
	Body     string
	Created  time.Time
	Comments []Comment
	Checks   []CheckRun
	Required string
	Button   string
	Why      string
	Live     bool
	Now      time.Time
}

func (g *GitHub) pullPage(w http.ResponseWriter, r *http.Request) {
	key, ok := pageKey(r)
	v, found := g.view(key)
	if !ok || !found {
		http.NotFound(w, r)
		return
	}
	render(w, "pull", v)
}

func pageKey(r *http.Request) (coupling.Pull, bool) {
	n, err := strconv.Atoi(chi.URLParam(r, "number"))
	return coupling.Pull{Repo: coupling.Repo(chi.URLParam(r, "owner") + "/" + chi.URLParam(r, "repo")), Number: n}, err == nil
}

// view collects what a pull request's page shows.
func (g *GitHub) view(key coupling.Pull) (pullView, bool) {
	g.mu.Lock()
	p, err := g.pull(key)
	if err != nil {
		g.mu.Unlock()
		return pullView{}, false
	}
	v := pullView{
		Key: p.key(), Title: p.title, Author: p.author, Base: p.base, Head: p.head.id, Body: p.body, Created: p.created,
		Required: p.repo.requiredOn(p.base), Now: g.now(),
	}
	switch {
	case p.merged:
		v.State = "Merged"
	case p.closed:
		v.State = "Closed"
	case p.draft:
		v.State = "Draft"
	default:
		v.State = "Open"
	}
	queue := p.repo.needsQueue(p.base)
	g.mu.Unlock()

	v.Comments = g.Comments(key)
	v.Checks = g.Checks(key.Repo, v.Head)
	state, why := g.Mergeable(key)
	v.Why, v.Live = why, state == MergeAllowed
	v.Button = "Squash and merge"
	if queue {
		v.Button = "Merge when ready"
	}
	return v, true
}

func (g *GitHub) issuePage(w http.ResponseWriter, r *http.Request) {
	key, ok := pageKey(r)
	issues := g.Issues(key.Repo)
	i := slices.IndexFunc(issues, func(i Issue) bool { return i.Number == key.Number })
	if !ok || i < 0 {
		http.NotFound(w, r)
		return
	}
	render(w, "issue", struct {
		Key coupling.Pull
		Issue
	}{key, issues[i]})
}

func (g *GitHub) indexPage(w http.ResponseWriter, _ *http.Request) {
	type entry struct {
		Name   coupling.Repo
		Pulls  []pullView
		Issues []Issue
	}
	g.mu.Lock()
	var names []coupling.Repo
	keys := map[coupling.Repo][]coupling.Pull{}
	for _, r := range g.repos {
		if r.required == "" && len(r.allPulls()) == 0 {
			continue // a fork
		}
		names = append(names, r.name)
		for _, p := range r.allPulls() {
			keys[r.name] = append(keys[r.name], p.key())
		}
	}
	g.mu.Unlock()
	var out []entry
	for _, n := range names {
		e := entry{Name: n, Issues: g.Issues(n)}
		for _, k := range keys[n] {
			if v, ok := g.view(k); ok {
				e.Pulls = append(e.Pulls, v)
			}
		}
		slices.SortFunc(e.Pulls, func(a, b pullView) int { return a.Key.Number - b.Key.Number })
		out = append(out, e)
	}
	render(w, "index", out)
}

func render(w http.ResponseWriter, name string, data any) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, data); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:")
	_, _ = w.Write(b.Bytes()) // the reader is gone when this fails
}

// drawMermaid draws the flow charts that relbot writes: boxes in columns by their longest way from a start, with the reasons on the arrows.
func drawMermaid(source string) string {
	type edge struct {
		from, to, label string
		dashed          bool
	}
	var ids []string
	labels := map[string]string{}
	var edges []edge
	node := func(s string) string {
		s = strings.TrimSpace(s)
		id, label, has := strings.Cut(s, "[")
		id = strings.TrimSpace(strings.TrimSuffix(id, "("))
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
			labels[id] = id
		}
		if has {
			labels[id] = strings.Trim(strings.TrimRight(label, "])"), `"`)
		}
		return id
	}
	for line := range strings.Lines(source) {
		line = strings.TrimSuffix(strings.TrimSpace(line), ";")
		switch {
		case line == "", strings.HasPrefix(line, "graph"), strings.HasPrefix(line, "flowchart"), strings.HasPrefix(line, "class"), strings.HasPrefix(line, "style"), strings.HasPrefix(line, "%%"):
			continue
		}
		arrow := ""
		for _, a := range []string{"-.->", "-->"} {
			if strings.Contains(line, a) {
				arrow = a
				break
			}
		}
		if arrow == "" {
			node(line)
			continue
		}
		from, to, _ := strings.Cut(line, arrow)
		e := edge{dashed: arrow == "-.->"}
		if label, rest, ok := strings.Cut(strings.TrimSpace(to), "|"); ok && label == "" {
			e.label, to, _ = strings.Cut(rest, "|")
		}
		e.label = strings.Trim(e.label, `"`)
		e.from, e.to = node(from), node(to)
		edges = append(edges, e)
	}
	column := map[string]int{}
	for range ids { // longest way; a graph with n nodes settles in n rounds
		for _, e := range edges {
			column[e.to] = min(max(column[e.to], column[e.from]+1), len(ids))
		}
	}
	const boxW, boxH, gapX, gapY = 190, 40, 260, 34
	row := map[int]int{}
	x, y := map[string]int{}, map[string]int{}
	width, height := 0, 0
	for _, id := range ids {
		c := column[id]
		x[id], y[id] = 10+c*(boxW+gapX), 10+row[c]*(boxH+gapY)
		row[c]++
		width, height = max(width, x[id]+boxW+10), max(height, y[id]+boxH+10)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" width="%d" height="%d" role="img">`, width, height, width, height)
	for _, e := range edges {
		x1, y1, x2, y2 := x[e.from]+boxW, y[e.from]+boxH/2, x[e.to], y[e.to]+boxH/2
		class := "edge"
		if e.dashed {
			class = "edge dashed"
		}
		fmt.Fprintf(&b, `<line class="%s" x1="%d" y1="%d" x2="%d" y2="%d"/>`, class, x1, y1, x2-8, y2)
		fmt.Fprintf(&b, `<polygon class="tip" points="%d,%d %d,%d %d,%d"/>`, x2, y2, x2-9, y2-5, x2-9, y2+5)
		label := e.label
		if r := []rune(label); len(r) > 44 {
			label = string(r[:43]) + "…"
		}
		fmt.Fprintf(&b, `<text class="label" x="%d" y="%d" text-anchor="middle">%s</text>`, (x1+x2)/2, (y1+y2)/2-6, template.HTMLEscapeString(unescape(label)))
	}
	for _, id := range ids {
		text := strings.NewReplacer("<br/>", " ", "<br>", " ", "#35;", "#").Replace(labels[id])
		if r := []rune(text); len(r) > 26 {
			text = string(r[:25]) + "…"
		}
		fmt.Fprintf(&b, `<rect class="box" x="%d" y="%d" width="%d" height="%d" rx="6"/><text x="%d" y="%d" text-anchor="middle">%s</text>`,
			x[id], y[id], boxW, boxH, x[id]+boxW/2, y[id]+boxH/2+5, template.HTMLEscapeString(text))
	}
	b.WriteString(`</svg>`)
	return b.String()
}
