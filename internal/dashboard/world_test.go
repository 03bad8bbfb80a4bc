package dashboard_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghapp"
	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/ghsim/ghspec"
	"github.com/relbot/relbot/internal/server"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/store/engine"
)

// world is an embedded GitHub with a server on it, and the server's pages.
type world struct {
	t     testing.TB
	gh    *ghsim.GitHub
	url   string // of the pages
	store store.Store
	calls atomic.Int64 // requests to GitHub's API
	log   syncBuilder
	now   atomic.Int64 // Unix seconds
	srv   *server.Server
	api   string
	key   []byte
}

type syncBuilder struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *syncBuilder) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuilder) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

var appKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

const clientID, clientSecret = "Iv1.dashboard", "the client's secret"

// access says how people get in.
type access struct{ signIn, public bool }

func newWorld(t testing.TB, a access) *world {
	t.Helper()
	w := &world{t: t}
	w.now.Store(time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC).Unix())
	key, err := appKey()
	if err != nil {
		t.Fatal(err)
	}
	w.key = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.url = "http://" + l.Addr().String()
	inspect := ghspec.New(t)
	w.gh = ghsim.New(ghsim.Options{
		Clock: w.clock, AppID: 1, Key: &key.PublicKey, Secret: "s3cret", ClientID: clientID, ClientSecret: clientSecret, Callbacks: []string{w.url + "/auth/callback"},
		Inspect: func(r *http.Request, request []byte, status int, response []byte) {
			w.calls.Add(1)
			inspect(r, request, status, response)
		},
	})
	api := httptest.NewServer(w.gh.Handler())
	t.Cleanup(api.Close)
	w.api = api.URL
	if w.store, err = engine.Open(t.Context(), "sqlite::memory:"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.store.Close() })
	w.srv = w.instance(a)
	serve(t, l, w.srv.Handler())
	return w
}

func serve(t testing.TB, l net.Listener, h http.Handler) {
	s := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.Serve(l) }() // ends with Close
	t.Cleanup(func() { s.Close() })
}

// instance is a further server on the same database.
func (w *world) instance(a access) *server.Server {
	w.t.Helper()
	app, err := ghapp.New(ghapp.Settings{APIURL: w.api, AppID: 1, Key: w.key})
	if err != nil {
		w.t.Fatal(err)
	}
	o := server.Options{
		Store: w.store, GitHub: app, Secrets: [][]byte{[]byte("s3cret")}, Now: w.clock, PublicURL: w.url, WebURL: "https://github.example", Public: a.public,
		Owner: "test", Log: slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if a.signIn {
		if o.SignIn, err = ghapp.NewSignIn(ghapp.Settings{APIURL: w.api}, clientID, clientSecret); err != nil {
			w.t.Fatal(err)
		}
	}
	s, err := server.New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) clock() time.Time { return time.Unix(w.now.Load(), 0).UTC() }

// pass lets time pass.
func (w *world) pass(d time.Duration) { w.now.Add(int64(d / time.Second)) }

// settle delivers all webhooks and does all work.
func (w *world) settle() {
	w.t.Helper()
	post := ghsim.Poster(http.DefaultClient, w.url+"/webhook")
	for range 50 {
		sent := w.gh.Flush(context.WithoutCancel(w.t.Context()), post)
		if err := w.srv.Settle(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		if sent == 0 && w.gh.Pending() == 0 {
			return
		}
	}
	w.t.Fatal("the world does not come to rest")
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) repo(name coupling.Repo, policy string, private bool, permissions map[string]string) {
	w.t.Helper()
	w.must(w.gh.CreateRepo(ghsim.RepoSpec{
		Name: name, Policy: policy, Private: private, Permissions: permissions, Files: map[string]string{"VERSION": "2.1.0-dev.0\n", "gate.go": "package gate\n"}, Tags: []ghsim.TagSpec{{Name: "v2.0.0"}},
	}))
	w.must(w.gh.Install(name))
}

func (w *world) open(repo coupling.Repo, number int, by, title string, files map[string]*string) {
	w.t.Helper()
	if files == nil {
		body := title
		files = map[string]*string{"f" + title: &body}
	}
	w.must(w.gh.Open(ghsim.OpenSpec{Repo: repo, Number: number, By: by, Title: title, Files: files}))
}

// browser is somebody with a cookie jar.
type browser struct {
	w      *world
	client *http.Client
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &browser{w, &http.Client{Jar: jar}}
}

// response is an answer that was read.
type response struct {
	status int
	body   string
	header http.Header
	url    *url.URL // where it came from, after redirects
}

func (b *browser) do(r *http.Request) response {
	b.w.t.Helper()
	res, err := b.client.Do(r)
	if err != nil {
		b.w.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.w.t.Fatal(err)
	}
	return response{res.StatusCode, string(text), res.Header, res.Request.URL}
}

func (b *browser) get(path string) response {
	b.w.t.Helper()
	r, err := http.NewRequest(http.MethodGet, b.w.url+path, nil)
	b.w.must(err)
	return b.do(r)
}

func (b *browser) post(address string, form url.Values, header ...string) response {
	b.w.t.Helper()
	r, err := http.NewRequest(http.MethodPost, address, strings.NewReader(form.Encode()))
	b.w.must(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return b.do(r)
}

// signIn goes the whole way over GitHub's page.
func (b *browser) signIn(login, to string) response {
	b.w.t.Helper()
	page := b.get("/auth/signin?to=" + url.QueryEscape(to))
	if page.status != http.StatusOK || !strings.Contains(page.body, "Authorize") {
		b.w.t.Fatalf("GitHub's page: %d %s", page.status, page.body)
	}
	return b.post(page.url.String(), url.Values{"login": {login}, "allow": {"1"}})
}

// policy couples two pull requests of a repository that must ship together, with a gate.
const policy = `version: 1
releases:
  dev_version: [{path: VERSION, pattern: "(?P<version>.+)"}]
  tags: "v{version}"
gates:
  ids:
    title: wide ids are written
    find: {path: gate.go, symbol: "Wide.*"}
couplings:
  wide:
    title: Wide identifiers
    members: {reader: {pr: 1}, writer: {pr: 2}}
    order: ["reader before writer: old readers choke on wide ids"]
    gates: {ids: writer}
`

// story opens the two.
func (w *world) story(repo coupling.Repo) {
	w.t.Helper()
	w.repo(repo, policy, false, map[string]string{"ann": "maintain", "mallory": "read"})
	w.must(w.srv.Start(w.t.Context()))
	gate := "package gate\n\nconst WideIDs = \"2.1.0\"\n"
	w.open(repo, 1, "ann", "Read wide ids", nil)
	w.open(repo, 2, "bob", "Write wide ids", map[string]*string{"gate.go": &gate})
	w.settle()
}

func docsOf(kind, key string, body []byte) []store.Document {
	return []store.Document{{Kind: kind, Key: key, Body: body}}
}
