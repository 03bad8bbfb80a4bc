package server

import (
	"bytes"
	"html/template"
	"net/http"
	"regexp"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/reconcile"
)

// markdown turns what relbot writes on GitHub into HTML; raw HTML in it is left out, so that nothing that people wrote becomes a part of
// the page.
var markdown = goldmark.New(goldmark.WithExtensions(extension.GFM))

var pageTemplate = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{.Pull}}: {{.Title}}</title>
<style>
:root { --text: #1f2328; --faint: #59636e; --line: #d1d9e0; --back: #fff; --code: #f6f8fa; --link: #0969da }
@media (prefers-color-scheme: dark) { :root { --text: #f0f6fc; --faint: #9198a1; --line: #3d444d; --back: #0d1117; --code: #151b23; --link: #4493f8 } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
a { color: var(--link) } header p { color: var(--faint); margin: 0 } h1 { margin: 0 0 1rem } section { border-top: 1px solid var(--line); margin-top: 1.5rem }
table { border-collapse: collapse; display: block; overflow-x: auto } th, td { border: 1px solid var(--line); padding: .3rem .6rem; text-align: left }
code, pre { background: var(--code); border-radius: 4px; padding: .1rem .3rem } pre { padding: .6rem; overflow-x: auto } pre code { padding: 0 }
figure { margin: 1rem 0; overflow-x: auto }
</style>
</head>
<body>
<header><p>{{.Pull}}</p><h1>{{.Title}}</h1></header>
<main>
{{.Check}}
{{range .Timelines}}<figure>{{.}}</figure>
{{end}}{{with .Note}}<section aria-label="Coordination note">
{{.}}
</section>{{end}}
</main>
</body>
</html>
`))

// page serves what is to be said of a pull request, in full: checks and notes link here.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	p, err := coupling.ParsePull(chi.URLParam(r, "owner")+"/"+chi.URLParam(r, "name")+"#"+chi.URLParam(r, "number"), "")
	if err != nil {
		http.NotFound(w, r)
		return
	}
	page, ok, err := s.recon.Page(r.Context(), p, r.URL.Query().Get("key"))
	switch {
	case err != nil:
		s.options.Log.Error("page", "pull", p.String(), "error", err)
		http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
		return
	case !ok:
		http.Error(w, "There is no such page, or its address is not complete: follow the link in the pull request's check or note.", http.StatusNotFound)
		return
	}
	var b bytes.Buffer
	if err := render(&b, page, s.options.WebURL); err != nil {
		s.options.Log.Error("page", "pull", p.String(), "error", err)
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer") // the address is the key
	h.Set("Cache-Control", "no-store")
	_, _ = b.WriteTo(w)
}

// drawing is the source of a drawing that only GitHub draws; what it shows stands below it in words.
var drawing = regexp.MustCompile("(?s)```mermaid\n.*?\n```\n")

func render(b *bytes.Buffer, page reconcile.Page, web string) error {
	text := func(source string) (template.HTML, error) {
		var out bytes.Buffer
		source = drawing.ReplaceAllString(source, "")
		source = strings.ReplaceAll(source, "](/", "]("+web+"/") // on GitHub links are relative
		err := markdown.Convert([]byte(source), &out)
		return template.HTML(out.String()), err // goldmark leaves raw HTML out
	}
	view := struct {
		Pull, Title string
		Check, Note template.HTML
		Timelines   []template.HTML
	}{Pull: page.Pull.String(), Title: page.Title}
	var err error
	if view.Check, err = text(page.Check); err != nil {
		return err
	}
	if view.Note, err = text(page.Note); err != nil {
		return err
	}
	for _, t := range page.Timelines {
		view.Timelines = append(view.Timelines, template.HTML(t.SVG())) // escapes all that people wrote
	}
	return pageTemplate.Execute(b, view)
}
