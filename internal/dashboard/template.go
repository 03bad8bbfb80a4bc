package dashboard

import (
	"bytes"
	"html/template"
	"strings"
	"time"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
)

// markdown turns what package note writes into HTML. Raw HTML in it is left out, and what people wrote was escaped there, so that nothing of
// theirs becomes a part of the page.
var markdown = goldmark.New(goldmark.WithExtensions(extension.Strikethrough, extension.Table))

// html turns a line of Markdown into HTML without a paragraph around it, each text once.
func (d *Dashboard) html(text string) template.HTML {
	if h, ok := d.said.Get(text); ok {
		return h
	}
	var b bytes.Buffer
	if err := markdown.Convert([]byte(text), &b); err != nil {
		return template.HTML(template.HTMLEscapeString(text))
	}
	out := strings.TrimSpace(b.String())
	if inner, ok := strings.CutPrefix(out, "<p>"); ok && strings.Count(out, "<p>") == 1 {
		out = strings.TrimSuffix(inner, "</p>")
	}
	h := template.HTML(out)
	d.said.Add(text, h)
	return h
}

func (d *Dashboard) parse() (*template.Template, error) {
	return template.New("").Funcs(template.FuncMap{
		"md":    d.html,
		"when":  func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") },
		"day":   func(t time.Time) string { return t.UTC().Format("2006-01-02") },
		"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"join":  strings.Join,
		"glyph": func(class string) string { return glyphs[class] },
		"plural": func(n int, one, many string) string {
			if n == 1 {
				return one
			}
			return many
		},
		"lines": func(heading string, lines []string) any {
			return struct {
				Heading string
				Lines   []string
			}{heading, lines}
		},
	}).ParseFS(files, "page.html")
}
