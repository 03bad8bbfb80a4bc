package dashboard_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/store"
)

// crowd copies the coupling of the story until there are n, each with members of its own.
func (w *world) crowd(n int) {
	w.t.Helper()
	for _, kind := range []string{"judgement", "history"} {
		doc, err := w.store.Get(w.t.Context(), kind, "acme/app:wide")
		w.must(err)
		var docs []store.Document
		for i := range n - 1 {
			var v map[string]any
			w.must(json.Unmarshal(doc.Body, &v))
			name := fmt.Sprintf("wide-%04d", i)
			if c, ok := v["coupling"].(map[string]any); ok {
				c["name"], c["title"] = name, fmt.Sprintf("Wide identifiers, part %d", i)
			}
			renumber(v, 2*i)
			body, err := json.Marshal(v)
			w.must(err)
			docs = append(docs, store.Document{Kind: kind, Key: "acme/app:" + name, Body: body})
		}
		w.must(w.store.Put(w.t.Context(), docs, nil))
	}
}

// renumber moves the numbers of pull requests on, so that couplings share none.
func renumber(v any, by int) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			if s, ok := x.(string); ok {
				if p, err := coupling.ParsePull(s, ""); err == nil {
					p.Number += by
					v[k] = p.String()
				}
			}
			renumber(x, by)
		}
	case []any:
		for i, x := range v {
			if s, ok := x.(string); ok {
				if p, err := coupling.ParsePull(s, ""); err == nil {
					p.Number += by
					v[i] = p.String()
				}
			}
			renumber(x, by)
		}
	}
}

// BenchmarkPages is the time that the server takes for a page: of a list of a thousand couplings, and of one of them.
func BenchmarkPages(b *testing.B) {
	w := newWorld(b, access{public: true})
	w.story("acme/app")
	w.crowd(1000)
	for name, path := range map[string]string{
		"list-of-1000": "/", "search-in-1000": "/?q=part+777", "split-of-1000": "/?state=split", "coupling": "/couplings/acme/app/wide-0500", "pull": "/pulls/acme/app/1", "drift": "/drift",
	} {
		b.Run(name, func(b *testing.B) {
			before := w.calls.Load()
			for b.Loop() {
				rec := httptest.NewRecorder()
				w.srv.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
				if rec.Code != http.StatusOK {
					b.Fatalf("%s: status %d", path, rec.Code)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1000, "ms/page")
			b.ReportMetric(float64(w.calls.Load()-before)/float64(b.N), "calls/page")
		})
	}
}
