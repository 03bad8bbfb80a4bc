package server_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
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
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/store/engine"
	"github.com/relbot/relbot/internal/telemetry"
)

const drifting = `version: 1
releases: {dev_version: [{path: VERSION, pattern: "(?P<version>\\S+)"}], tags: "v{version}", supported: 2}
gates:
  image: {find: {path: gate.rs, symbol: "V\\d+_\\d+_\\d+"}, evidence: {path: Dockerfile, pattern: "(?m)^FROM distroless$"}}
  old: {find: {path: old.rs, symbol: "V\\d+_\\d+_\\d+"}, evidence: {path: Dockerfile, pattern: "(?m)^FROM"}}
`

// rig is a server on the simulated GitHub, with a clock of its own.
type rig struct {
	*testing.T
	*server.Server
	gh  *ghsim.GitHub
	now time.Time
	st  store.Store
	log bytes.Buffer
	// before is called before documents are written, and may panic in the place of a crash; it may be nil.
	before func(docs []store.Document)
}

// interrupted has others do something in the middle of work.
type interrupted struct {
	store.Store
	r *rig
}

func (i interrupted) Put(ctx context.Context, docs []store.Document, work []store.Work) error {
	if i.r.before != nil {
		i.r.before(docs)
	}
	return i.Store.Put(ctx, docs, work)
}

const repo = coupling.Repo("acme/app")

func newRig(t *testing.T, spec ghsim.RepoSpec, measured telemetry.Options) *rig {
	t.Helper()
	r := &rig{T: t, now: time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return r.now }
	r.gh = ghsim.New(ghsim.Options{Clock: clock, AppID: 7, Key: &key.PublicKey, Secret: "s3cret", Inspect: ghspec.New(t)})
	api := httptest.NewServer(r.gh.Handler())
	t.Cleanup(api.Close)
	if err := r.gh.CreateRepo(spec); err != nil {
		t.Fatal(err)
	}
	if err := r.gh.Install(repo); err != nil {
		t.Fatal(err)
	}
	measured.Now, measured.Log = clock, slog.New(slog.NewJSONHandler(&r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	measure := telemetry.New(measured)
	app, err := ghapp.New(ghapp.Settings{APIURL: api.URL, AppID: 7, HTTP: measure.Transport(ghapp.Transport(), ghapp.Account), Key: pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})})
	if err != nil {
		t.Fatal(err)
	}
	st, err := engine.Open(t.Context(), "sqlite::memory:")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	r.st = st
	r.Server, err = server.New(server.Options{Store: interrupted{st, r}, GitHub: app, Secrets: [][]byte{[]byte("s3cret")}, Now: clock, PublicURL: "https://relbot.example", WebURL: "https://github.example", Owner: "test", Telemetry: measure, Log: slog.New(slog.NewJSONHandler(&r.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.settle()
	return r
}

// settle does all work, deliveries included.
func (r *rig) settle() {
	r.Helper()
	for range 10 {
		r.flush()
		r.now = r.now.Add(2 * time.Second)
		r.work()
	}
}

// flush brings all deliveries.
func (r *rig) flush() {
	r.gh.Flush(r.Context(), r.deliver)
}

func (r *rig) deliver(_ context.Context, d ghsim.Delivery) (int, error) {
	w := httptest.NewRecorder()
	q := httptest.NewRequest(http.MethodPost, "/webhook", bytes.NewReader(d.Body))
	q.Header = d.Header
	r.Handler().ServeHTTP(w, q)
	return w.Code, nil
}

// work does what is due.
func (r *rig) work() {
	r.Helper()
	if err := r.Settle(r.Context()); err != nil {
		r.Fatal(err)
	}
}

// get asks for an address of the server's public URL.
func (r *rig) get(address string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, strings.TrimPrefix(address, "https://relbot.example"), nil))
	return w
}

func text(s string) *string { return &s }

// TestReportShowsTimelines runs the nightly report and looks at the pictures that its issue shows.
func TestReportShowsTimelines(t *testing.T) {
	r := newRig(t, ghsim.RepoSpec{Name: repo, Policy: drifting, Tags: []ghsim.TagSpec{
		{Name: "v1.0.0", Files: map[string]*string{"Dockerfile": text("FROM debian\n"), "gate.rs": text("const V1_3_0: Version = Version::new(1, 3, 0);\n"), "old.rs": text("const V1_0_0: Version = Version::new(1, 0, 0);\n")}},
		{Name: "v1.1.0"}, {Name: "v1.2.0", Files: map[string]*string{"Dockerfile": text("FROM distroless\n")}}, {Name: "v1.3.0"},
	}, Files: map[string]string{"VERSION": "1.4.0-dev.0\n"}}, telemetry.Options{})
	night := func() ghsim.Issue {
		t.Helper()
		from := r.now
		r.now = r.now.Add(24 * time.Hour)
		if err := r.Tick(t.Context(), from, r.now); err != nil {
			t.Fatal(err)
		}
		r.settle()
		issues := r.gh.Issues(repo)
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
	w := r.get(pictures[0][1])
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
		if w := r.get(address); w.Code != http.StatusNotFound {
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

// TestPage follows the links of a check and of a note.
func TestPage(t *testing.T) {
	r := newRig(t, ghsim.RepoSpec{Name: repo, Policy: "version: 1\ncouplings: {set: {title: 'The <b>set</b>', members: {a: {pr: 1}, b: {pr: 2}}, order: ['a before b: because <script>alert(1)</script>']}}\n"}, telemetry.Options{})
	for n := 1; n <= 2; n++ {
		if err := r.gh.Open(ghsim.OpenSpec{Repo: repo, Number: n, By: "ann", Title: "A <img src=x onerror=alert(1)> title", Files: map[string]*string{fmt.Sprint("f", n): text("x")}}); err != nil {
			t.Fatal(err)
		}
	}
	r.settle()
	p := coupling.Pull{Repo: repo, Number: 2}
	check, ok := r.gh.CurrentCheck(p)
	if !ok || !strings.HasPrefix(check.DetailsURL, "https://relbot.example/pulls/acme/app/2?key=") {
		t.Fatalf("the check links to %q", check.DetailsURL)
	}
	if comments := r.gh.Comments(p); len(comments) != 1 || !strings.Contains(comments[0].Body, check.DetailsURL) {
		t.Errorf("the note does not link to %s: %+v", check.DetailsURL, comments)
	}
	w := r.get(check.DetailsURL)
	body := w.Body.String()
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, body)
	}
	for _, want := range []string{"Waiting: merges after #1", "order-waiting", "<table>", "acme/app#2", "Next action", "#1 has to merge first"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in\n%s", want, body)
		}
	}
	for _, bad := range []string{"<script>", "<img", "<b>set"} {
		if strings.Contains(body, bad) {
			t.Errorf("%q in\n%s", bad, body)
		}
	}
	for header, want := range map[string]string{"Referrer-Policy": "same-origin", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} {
		if got := w.Header().Get(header); got != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
	for _, address := range []string{"/pulls/acme/app/2", "/pulls/acme/app/2?key=", "/pulls/acme/app/1?" + strings.SplitN(check.DetailsURL, "?", 2)[1], "/pulls/acme/app/x?key=y", "/pulls/acme/other/2?key=y"} {
		if w := r.get(address); w.Code != http.StatusNotFound {
			t.Errorf("%s: status %d", address, w.Code)
		}
	}
}

// TestTimersOverRestart holds that a timer whose moment fell into a restart fires after it, once; and that a new database has nothing to make up for.
func TestTimersOverRestart(t *testing.T) {
	r := newRig(t, ghsim.RepoSpec{Name: repo}, telemetry.Options{})
	last := func() time.Time {
		at, err := r.st.Last(t.Context(), "deliveries")
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	run := func(until func() bool) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Server.Run(ctx) }()
		poll, timeout := time.NewTicker(20*time.Millisecond), time.After(30*time.Second)
		defer poll.Stop()
		for !until() {
			select {
			case <-poll.C:
			case <-timeout:
				t.Fatal("not within 30 seconds")
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	started := time.Now()
	run(func() bool { return time.Since(started) > 1500*time.Millisecond }) // one tick
	if at := last(); !at.IsZero() {
		t.Errorf("a new database made up for %v", at)
	}
	slot := r.now.Truncate(15 * time.Minute).Add(-15 * time.Minute)
	if _, err := r.st.Every(t.Context(), "reconcile", slot); err != nil {
		t.Fatal(err)
	}
	run(func() bool { return !last().IsZero() })
	if want := r.now.Truncate(5 * time.Minute); !last().Equal(want) {
		t.Errorf("fired for %v, want %v", last(), want)
	}
}

// meanwhile has something done once, when a pull request's row of work has looked at everything and is about to write what it found.
func (r *rig) meanwhile(p coupling.Pull, do func()) {
	r.before = func(docs []store.Document) {
		for _, d := range docs {
			if d.Kind == "pull" && d.Key == p.String() {
				r.before = nil
				do()
			}
		}
	}
}

// TestMemberMeanwhile holds that a head is judged that a coupling did not know when it took the pull request up.
func TestMemberMeanwhile(t *testing.T) {
	r := newRig(t, ghsim.RepoSpec{Name: repo, Policy: drifting + "couplings: {set: {title: Set, members: {a: {pr: 1}, b: {pr: 2}}}}\n", Files: map[string]string{"VERSION": "1.4.0-dev.0\n"}}, telemetry.Options{})
	p := coupling.Pull{Repo: repo, Number: 1}
	for n := 1; n <= 2; n++ {
		if err := r.gh.Open(ghsim.OpenSpec{Repo: repo, Number: n, By: "ann", Title: "One", Files: map[string]*string{"f": text("x")}}); err != nil {
			t.Fatal(err)
		}
	}
	r.settle()
	old, _ := r.gh.CurrentCheck(p)
	// As if it were noted only later that the pull request is a member.
	member, err := r.st.Get(t.Context(), "member", p.String())
	if err != nil || member.Rev == 0 {
		t.Fatal(member, err)
	}
	if err := r.st.Put(t.Context(), []store.Document{{Kind: member.Kind, Key: member.Key, Rev: member.Rev}}, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.gh.Push(ghsim.PushSpec{Repo: repo, Pull: 1, Files: map[string]*string{"f": text("y")}}); err != nil {
		t.Fatal(err)
	}
	r.meanwhile(p, func() {
		member.Rev = 0
		if err := r.st.Put(t.Context(), []store.Document{member}, nil); err != nil {
			t.Error(err)
		}
	})
	r.settle()
	if r.before != nil {
		t.Fatal("nothing happened meanwhile: this test shows nothing")
	}
	if check, ok := r.gh.CurrentCheck(p); !ok || check.Title != old.Title {
		t.Errorf("the new head has %+v, want %q", check, old.Title)
	}
}

// TestPolicyMeanwhile holds that no pass is given by a policy that is not in force any more.
func TestPolicyMeanwhile(t *testing.T) {
	r := newRig(t, ghsim.RepoSpec{Name: repo, Policy: "version: 1\n", Files: map[string]string{"gate.rs": "const V1_3_0: Version = Version::new(1, 3, 0);\n"}}, telemetry.Options{})
	p := coupling.Pull{Repo: repo, Number: 1}
	if err := r.gh.Open(ghsim.OpenSpec{Repo: repo, Number: 1, By: "ann", Title: "One", Files: map[string]*string{"f": text("x")}}); err != nil {
		t.Fatal(err)
	}
	r.meanwhile(p, func() {
		if err := r.gh.Push(ghsim.PushSpec{Repo: repo, Branch: "main", Files: map[string]*string{".github/relbot.yml": text("version: 1\ncheck: {name: other}\n")}}); err != nil {
			t.Error(err)
		}
		r.flush()
		r.work()
	})
	r.settle()
	head := r.gh.Pulls(repo)[0].Head
	if checks := r.gh.Checks(repo, head); len(checks) != 1 || checks[0].Name != "other" {
		t.Errorf("checks %+v, want only that of the new policy", checks)
	}
}
