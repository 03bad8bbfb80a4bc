package server_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghapp"
	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/ghsim/ghspec"
	"github.com/relbot/relbot/internal/server"
	"github.com/relbot/relbot/internal/store/engine"
)

const drifting = `version: 1
releases: {dev_version: [{path: VERSION, pattern: "(?P<version>\\S+)"}], tags: "v{version}", supported: 2}
gates:
  image: {find: {path: gate.rs, symbol: "V\\d+_\\d+_\\d+"}, evidence: {path: Dockerfile, pattern: "(?m)^FROM distroless$"}}
  old: {find: {path: old.rs, symbol: "V\\d+_\\d+_\\d+"}, evidence: {path: Dockerfile, pattern: "(?m)^FROM"}}
`

// TestReportShowsTimelines runs the nightly report and looks at the pictures that its issue shows.
func TestReportShowsTimelines(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)
	gh := ghsim.New(ghsim.Options{Clock: func() time.Time { return now }, AppID: 7, Key: &key.PublicKey, Secret: "s3cret", Inspect: ghspec.New(t)})
	api := httptest.NewServer(gh.Handler())
	defer api.Close()
	const repo = coupling.Repo("acme/app")
	text := func(s string) *string { return &s }
	err = gh.CreateRepo(ghsim.RepoSpec{Name: repo, Policy: drifting, Tags: []ghsim.TagSpec{
		{Name: "v1.0.0", Files: map[string]*string{"Dockerfile": text("FROM debian\n"), "gate.rs": text("const V1_3_0: Version = Version::new(1, 3, 0);\n"), "old.rs": text("const V1_0_0: Version = Version::new(1, 0, 0);\n")}},
		{Name: "v1.1.0"}, {Name: "v1.2.0", Files: map[string]*string{"Dockerfile": text("FROM distroless\n")}}, {Name: "v1.3.0"},
	}, Files: map[string]string{"VERSION": "1.4.0-dev.0\n"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := gh.Install(repo); err != nil {
		t.Fatal(err)
	}
	app, err := ghapp.New(ghapp.Settings{APIURL: api.URL, AppID: 7, Key: pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})})
	if err != nil {
		t.Fatal(err)
	}
	st, err := engine.Open(t.Context(), "sqlite::memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	s, err := server.New(server.Options{Store: st, GitHub: app, Secrets: [][]byte{[]byte("s3cret")}, Now: func() time.Time { return now }, PublicURL: "https://relbot.example", Owner: "test"})
	if err != nil {
		t.Fatal(err)
	}
	settle := func() {
		t.Helper()
		for range 10 {
			if err := s.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	settle()
	night := func() ghsim.Issue {
		t.Helper()
		from := now
		now = now.Add(24 * time.Hour)
		if err := s.Tick(t.Context(), from, now); err != nil {
			t.Fatal(err)
		}
		settle()
		issues := gh.Issues(repo)
		if len(issues) != 1 {
			t.Fatalf("%d issues", len(issues))
		}
		return issues[0]
	}
	issue := night()
	pictures := regexp.MustCompile(`!\[[^\]]*\]\((https://relbot\.example/timeline/[^)]*)\)`).FindAllStringSubmatch(issue.Body, -1)
	if len(pictures) != 2 {
		t.Fatalf("%d pictures in\n%s", len(pictures), issue.Body)
	}
	if !strings.Contains(issue.Body, "removable: older than the oldest supported release") {
		t.Errorf("the gate that names 1.0 is not called removable:\n%s", issue.Body)
	}
	get := func(address string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, strings.TrimPrefix(address, "https://relbot.example"), nil))
		return w
	}
	w := get(pictures[0][1])
	svg := w.Body.String()
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "image/svg+xml; charset=utf-8" {
		t.Fatalf("status %d, %v", w.Code, w.Header())
	}
	for _, want := range []string{"first ship 1.2.0; the gate says 1.3.0", `<circle class="not"`, "v1.2.0, 2026-04-01: has it (evidence)", "the release to come", `<path class="gate"`} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %q in\n%s", want, svg)
		}
	}
	if strings.Count(svg, `<circle class="has"`) != 2 || strings.Count(svg, `<circle class="not"`) != 2 || strings.Contains(svg, "<script") {
		t.Errorf("drawn otherwise:\n%s", svg)
	}
	u, err := url.Parse(pictures[0][1])
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{u.Path, u.Path + "?key=other", "/timeline/acme/other/image.svg?" + u.RawQuery} {
		if w := get(address); w.Code != http.StatusNotFound {
			t.Errorf("%s: status %d", address, w.Code)
		}
	}
	if next := night(); next.Body != issue.Body {
		t.Errorf("a night without change changed the report:\n%s", next.Body)
	}
	if bytes.Contains([]byte(issue.Body), []byte("<svg")) {
		t.Error("GitHub shows no inline drawing")
	}
}
