package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// lines is an output that is read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestDemoServes: while the demo's pages are open, the dashboard shows the story, and links to the embedded GitHub and back.
func TestDemoServes(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var out lines
	done := make(chan error, 1)
	go func() { done <- demo(ctx, &out, 0, "127.0.0.1:0") }()
	said := regexp.MustCompile(`dashboard: +(http://\S+)`)
	until(t, "the dashboard's address", func() bool { return said.MatchString(out.String()) })
	dashboard := said.FindStringSubmatch(out.String())[1]
	get := func(url string) string {
		res, err := http.Get(url)
		if err != nil {
			return ""
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			return ""
		}
		return string(text)
	}
	coupling := dashboard + "couplings/MaterializeInc/materialize/distroless"
	until(t, "the coupling's page", func() bool { return strings.Contains(get(coupling), "Distroless migration") })
	until(t, "the coupling in the list", func() bool {
		return strings.Contains(get(dashboard), `href="/relbot/couplings/MaterializeInc/materialize/distroless"`)
	})
	github := strings.TrimSuffix(dashboard, "/relbot/")
	for url, want := range map[string]string{
		coupling: github + "/MaterializeInc/materialize/pull/36101",
		github + "/MaterializeInc/materialize/pull/36101":    dashboard + "pulls/MaterializeInc/materialize/36101",
		dashboard + "pulls/MaterializeInc/materialize/36101": "Distroless migration",
	} {
		until(t, url+" with "+want, func() bool { return strings.Contains(get(url), want) })
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("stopped with %v\n%s", err, out.String())
	}
}
