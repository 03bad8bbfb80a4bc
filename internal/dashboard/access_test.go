package dashboard_test

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim"
)

// Words that only those who may read acme/vault may see.
var hush = []string{"vault", "hush", "zoe", "#77", "Sealed"}

// secrets makes a public coupling with a private member, and a private coupling. ann reads everything, mallory what is public.
func (w *world) secrets() {
	w.t.Helper()
	w.repo("acme/vault", "version: 1\ntrust: [acme/app]\ncouplings: {sealed: {title: Sealed plan, members: {plan: {pr: 78}, vaulted: {pr: 77}}, order: [vaulted before plan]}, across: {title: Sealed crossing, members: {inside: {pr: 78}, outside: {pr: acme/app#2}}, order: ['inside before outside: hush reason']}}\n", true, map[string]string{"ann": "admin", "mallory": "none"})
	w.repo("acme/app", `version: 1
trust: [acme/vault]
couplings:
  open:
    title: "Open <b>plan</b> & more"
    members: {front: {pr: 1}, back: {pr: acme/vault#77}}
    order: ["back before front: it reads <i>what</i> back writes"]
`, false, map[string]string{"ann": "write", "mallory": "read"})
	w.must(w.srv.Start(w.t.Context()))
	w.open("acme/vault", 77, "zoe", "hush hush", nil)
	w.open("acme/vault", 78, "zoe", "hush plan", nil)
	w.open("acme/app", 2, "ann", "Outside", nil)
	w.open("acme/app", 1, "ann", "A <img src=x onerror=alert(1)> title", nil)
	w.settle()
	w.pass(24 * time.Hour)
	w.must(w.srv.Tick(w.t.Context(), w.clock().Add(-24*time.Hour), w.clock()))
	w.settle()
}

// pagesOf are all pages that there are.
var pagesOf = []string{
	"/", "/?state=ended", "/?q=hush", "/?q=vault", "/?q=zoe", "/?repo=acme/vault", "/?state=waiting", "/drift", "/drift/acme/app", "/drift/acme/vault",
	"/couplings/acme/app/open", "/couplings/acme/vault/sealed", "/pulls/acme/app/1", "/pulls/acme/app/2", "/pulls/acme/vault/77", "/pulls/acme/vault/78",
	"/couplings/acme/vault/none", "/couplings/none/none/none", "/pulls/acme/app/999", "/nowhere",
}

// asked is where a page gives back what the viewer typed themselves.
var asked = regexp.MustCompile(`(?s)href="/\?[^"]*"|<input[^>]*>`)

func (w *world) leaks(name string, r response) {
	w.t.Helper()
	text := asked.ReplaceAllString(r.body, "")
	text = strings.ReplaceAll(text, url.QueryEscape(r.url.RequestURI()), "")
	for _, word := range hush {
		if strings.Contains(text, word) {
			i := strings.Index(text, word)
			w.t.Errorf("%s: shows %q: …%s…", name, word, text[max(0, i-80):min(len(text), i+80)])
		}
	}
}

// TestSight: each sees what GitHub lets them read, in every page, list, search, drawing and error.
func TestSight(t *testing.T) {
	w := newWorld(t, access{signIn: true})
	w.secrets()
	nobody, ann, mallory := w.browser(), w.browser(), w.browser()

	for _, path := range pagesOf {
		got := nobody.get(path)
		if path != "/nowhere" && got.status != http.StatusUnauthorized {
			t.Errorf("nobody: %s: status %d", path, got.status)
		}
		w.leaks("nobody: "+path, got)
	}

	ann.signIn("ann", "/")
	for path, want := range map[string][]string{
		"/":                            {"Open &lt;b&gt;plan&lt;/b&gt; &amp; more", "Sealed plan"},
		"/?q=hush":                     {"Sealed plan", "Open &lt;b&gt;plan"},
		"/couplings/acme/app/open":     {"hush hush", "zoe", "acme/vault#77", "reads &lt;i&gt;what&lt;/i&gt;"},
		"/couplings/acme/vault/sealed": {"hush plan", "hush hush", "also in"},
		"/pulls/acme/vault/77":         {"Passed:", "Sealed plan"},
		"/pulls/acme/app/1":            {"Waiting:", "A &lt;img src=x"},
		"/drift":                       {"acme/vault", "acme/app"},
	} {
		got := ann.get(path)
		for _, text := range want {
			if got.status != http.StatusOK || !strings.Contains(got.body, text) {
				t.Errorf("ann: %s: status %d, no %q in\n%s", path, got.status, text, got.body)
			}
		}
		for _, bad := range []string{"<img", "<b>plan", "<i>what"} {
			if strings.Contains(got.body, bad) {
				t.Errorf("ann: %s: %s comes through", path, bad)
			}
		}
	}

	mallory.signIn("mallory", "/")
	for _, path := range pagesOf {
		w.leaks("mallory: "+path, mallory.get(path))
	}
	if got := mallory.get("/couplings/acme/app/open"); got.status != http.StatusOK || !strings.Contains(got.body, "private repository") || !strings.Contains(got.body, "1 member lies") {
		t.Errorf("mallory: %d %s", got.status, got.body)
	}
	if got := mallory.get("/pulls/acme/app/2"); got.status != http.StatusOK || !strings.Contains(got.body, "Waiting: a coupling that you may not see is in the way") {
		t.Errorf("mallory: a pull request that a private coupling holds: %d %s", got.status, got.body)
	}
	if got := ann.get("/pulls/acme/app/2"); !strings.Contains(got.body, "hush reason") || !strings.Contains(got.body, "Sealed crossing") {
		t.Errorf("ann: a pull request that a private coupling holds: %d %s", got.status, got.body)
	}
	// What may not be seen answers word for word as what is not there.
	none := mallory.get("/couplings/acme/none/sealed")
	for _, path := range []string{"/couplings/acme/vault/sealed", "/couplings/acme/vault/none", "/pulls/acme/vault/77", "/drift/acme/vault", "/pulls/acme/app/999", "/nowhere"} {
		got := mallory.get(path)
		if got.status != http.StatusNotFound || got.body != none.body || got.header.Get("ETag") != "" {
			t.Errorf("mallory: %s: %d %s\nwant %s", path, got.status, got.body, none.body)
		}
	}
	if log := w.log.String(); strings.Contains(log, "ghu_") || strings.Contains(log, clientSecret) {
		t.Error("a secret is in the log")
	}
	if problems := w.gh.Problems(); len(problems) > 0 {
		t.Errorf("GitHub could not have taken: %q", problems)
	}
}

// TestSightEnds: what GitHub takes back is not shown for longer than some minutes, and nothing is while GitHub does not answer.
func TestSightEnds(t *testing.T) {
	w := newWorld(t, access{signIn: true})
	w.secrets()
	ann := w.browser()
	ann.signIn("ann", "/")
	const sealed = "/couplings/acme/vault/sealed"
	if got := ann.get(sealed); got.status != http.StatusOK {
		t.Fatalf("status %d", got.status)
	}
	w.must(w.gh.SetPermission("acme/vault", "ann", "none"))
	w.pass(3 * time.Minute)
	if got := ann.get(sealed); got.status != http.StatusNotFound {
		t.Errorf("access was reverted: status %d", got.status)
	}
	w.must(w.gh.SetPermission("acme/vault", "ann", "read"))
	w.pass(3 * time.Minute)
	if got := ann.get(sealed); got.status != http.StatusOK {
		t.Errorf("access was given again: status %d", got.status)
	}
	w.must(w.gh.AddFault(ghsim.Fault{Match: "graphql", Answer: "502", Times: -1}))
	w.pass(3 * time.Minute)
	if got := ann.get(sealed); got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "GitHub does not answer") {
		t.Errorf("in an outage: %d %s", got.status, got.body)
	}
	w.gh.ClearFaults()
	if got := ann.get(sealed); got.status != http.StatusOK {
		t.Errorf("after the outage: status %d", got.status)
	}
	w.gh.RevokeUser("ann")
	w.pass(3 * time.Minute)
	if got := ann.get(sealed); got.status != http.StatusUnauthorized || !strings.Contains(got.body, "You are signed out") {
		t.Errorf("the token was revoked: %d %s", got.status, got.body)
	}
	ann.signIn("ann", "/")
	w.pass(9 * time.Hour)
	if got := ann.get(sealed); got.status != http.StatusUnauthorized {
		t.Errorf("after the session's end: status %d", got.status)
	}
}

// TestSession: sessions cannot be forged, are shared by instances, and end when somebody signs out.
func TestSession(t *testing.T) {
	w := newWorld(t, access{signIn: true})
	w.secrets()
	ann := w.browser()
	if got := ann.signIn("ann", "/drift"); got.status != http.StatusOK || got.url.Path != "/drift" {
		t.Errorf("after signing in: %d at %s", got.status, got.url)
	}
	home, err := url.Parse(w.url)
	w.must(err)
	cookie := ann.client.Jar.Cookies(home)[0]

	for _, forged := range []string{"", "x", base64.RawURLEncoding.EncodeToString(make([]byte, 32)), cookie.Value + "A", cookie.Value[1:] + "A", strings.ToUpper(cookie.Value)} {
		b := w.browser()
		b.client.Jar.SetCookies(home, []*http.Cookie{{Name: cookie.Name, Value: forged}})
		if got := b.get("/"); got.status != http.StatusUnauthorized {
			t.Errorf("a forged session %q: status %d", forged, got.status)
		}
	}
	// The database alone opens nothing.
	docs, err := w.store.List(t.Context(), "session", "")
	w.must(err)
	if len(docs) != 1 || strings.Contains(string(docs[0].Body), "ann") || strings.Contains(string(docs[0].Body), "ghu_") || strings.Contains(cookie.Value, docs[0].Key) {
		t.Errorf("the database holds %s", docs[0].Body)
	}
	// A longer life written into the database does not open either.
	longer := docs[0]
	longer.Body = []byte(strings.Replace(string(longer.Body), `"expires":"2026`, `"expires":"2036`, 1))
	second := w.browser()
	second.signIn("mallory", "/")

	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	serve(t, l, w.instance(access{signIn: true}).Handler())
	r, err := http.NewRequest(http.MethodGet, "http://"+l.Addr().String()+"/couplings/acme/vault/sealed", nil)
	w.must(err)
	r.AddCookie(cookie)
	if got := w.browser().do(r); got.status != http.StatusOK {
		t.Errorf("another instance: status %d", got.status)
	}

	// Another site cannot sign anybody out.
	for _, site := range []string{"cross-site", "same-site"} {
		if got := ann.post(w.url+"/auth/signout", nil, "Sec-Fetch-Site", site); got.status != http.StatusForbidden {
			t.Errorf("a request from %s: status %d", site, got.status)
		}
	}
	if got := ann.post(w.url+"/auth/signout", nil, "Origin", "https://evil.example"); got.status != http.StatusForbidden {
		t.Errorf("a request from another origin: status %d", got.status)
	}
	if got := ann.get("/auth/signout"); got.status != http.StatusNotFound && got.status != http.StatusMethodNotAllowed {
		t.Errorf("a link that signs out: status %d", got.status)
	}
	if got := ann.get("/"); got.status != http.StatusOK {
		t.Errorf("still signed in: status %d", got.status)
	}
	if got := ann.post(w.url+"/auth/signout", nil, "Origin", w.url); got.status != http.StatusOK || !strings.Contains(got.body, "You are signed out") {
		t.Errorf("signing out: %d %s", got.status, got.body)
	}
	b := w.browser()
	b.client.Jar.SetCookies(home, []*http.Cookie{cookie})
	if got := b.get("/"); got.status != http.StatusUnauthorized {
		t.Errorf("a session that was signed out: status %d", got.status)
	}
	if err := w.store.Put(t.Context(), docsOf(longer.Kind, longer.Key, longer.Body), nil); err != nil {
		t.Fatal(err)
	}
	if got := b.get("/"); got.status != http.StatusUnauthorized {
		t.Errorf("a session with a longer life: status %d", got.status)
	}
}

// TestSignInFails: each way in which a sign-in fails says what to do, and signs nobody in.
func TestSignInFails(t *testing.T) {
	w := newWorld(t, access{signIn: true})
	w.story("acme/app")
	b := w.browser()
	expect := func(name string, got response, status int, text string) {
		t.Helper()
		if got.status != status || !strings.Contains(got.body, text) {
			t.Errorf("%s: %d, no %q in\n%s", name, got.status, text, got.body)
		}
		if after := b.get("/"); after.status != http.StatusUnauthorized {
			t.Errorf("%s: signed in", name)
		}
	}
	ask := func() string { return b.get("/auth/signin?to=/").url.String() }
	expect("no state", b.get("/auth/callback?code=x"), http.StatusBadRequest, "not begun here")
	ask()
	expect("another's state", b.get("/auth/callback?code=x&state=y"), http.StatusBadRequest, "not begun here")
	expect("refused", b.post(ask(), url.Values{"login": {"ann"}, "allow": {"0"}}), http.StatusForbidden, "did not sign you in")
	page, err := url.Parse(ask())
	w.must(err)
	state := page.Query().Get("state")
	if page.Query().Get("code_challenge_method") != "S256" || len(page.Query().Get("code_challenge")) < 43 || len(state) < 40 {
		t.Errorf("GitHub is asked without PKCE or state: %s", page)
	}
	expect("a made-up code", b.get("/auth/callback?code=made-up&state="+url.QueryEscape(state)), http.StatusBadGateway, "callback URL")
	// A code that was given to one browser is worth nothing in another.
	other := w.browser()
	other.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/auth/callback" {
			return http.ErrUseLastResponse
		}
		return nil
	}
	led := other.post(other.get("/auth/signin?to=/").url.String(), url.Values{"login": {"ann"}, "allow": {"1"}})
	to, err := url.Parse(led.header.Get("Location"))
	w.must(err)
	expect("another's whole address", b.get(to.RequestURI()), http.StatusBadRequest, "not begun here")
	mine, err := url.Parse(ask())
	w.must(err)
	q := to.Query()
	q.Set("state", mine.Query().Get("state"))
	expect("another's code", b.get("/auth/callback?"+q.Encode()), http.StatusBadGateway, "callback URL")

	for _, away := range []string{"https://evil.example/", "//evil.example/", `/\evil.example`, "/auth/signin", "javascript:alert(1)", "/\tx"} {
		if got := w.browser().signIn("ann", away); got.status != http.StatusOK || got.url.Host != mine.Host && got.url.Path != "/" || !strings.HasPrefix(got.url.String(), w.url+"/") {
			t.Errorf("led to %s from %q: %d", got.url, away, got.status)
		}
	}
}

// TestPublic: public shows public repositories alone; what is private keeps its keys, and signing in adds to it.
func TestPublic(t *testing.T) {
	w := newWorld(t, access{public: true})
	w.secrets()
	b := w.browser()
	for _, path := range pagesOf {
		w.leaks(path, b.get(path))
	}
	if got := b.get("/"); got.status != http.StatusOK || !strings.Contains(got.body, "Open &lt;b&gt;plan") || strings.Contains(got.body, "Sign in") {
		t.Errorf("%d %s", got.status, got.body)
	}
	open, ok := w.gh.CurrentCheck(coupling.Pull{Repo: "acme/app", Number: 1})
	if !ok || open.DetailsURL != w.url+"/pulls/acme/app/1" {
		t.Errorf("a public check links to %q", open.DetailsURL)
	}
	shut, ok := w.gh.CurrentCheck(coupling.Pull{Repo: "acme/vault", Number: 77})
	if !ok || !strings.HasPrefix(shut.DetailsURL, w.url+"/pulls/acme/vault/77?key=") {
		t.Fatalf("a private check links to %q", shut.DetailsURL)
	}
	keyed := strings.TrimPrefix(shut.DetailsURL, w.url)
	if got := b.get(keyed); got.status != http.StatusOK || !strings.Contains(got.body, "Sealed plan") {
		t.Errorf("with its key: %d %s", got.status, got.body)
	}
	if got := b.get(strings.Replace(keyed, "/77", "/78", 1)); got.status != http.StatusNotFound {
		t.Errorf("another page with this key: status %d", got.status)
	}
	// Once people can sign in, a key opens nothing.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	serve(t, l, w.instance(access{signIn: true, public: true}).Handler())
	r, err := http.NewRequest(http.MethodGet, "http://"+l.Addr().String()+keyed, nil)
	w.must(err)
	if got := b.do(r); got.status != http.StatusNotFound || !strings.Contains(got.body, "Sign in with GitHub") {
		t.Errorf("a key where people can sign in: %d %s", got.status, got.body)
	}
}

// TestClosed: without a client id and without public there is no page but those with keys.
func TestClosed(t *testing.T) {
	w := newWorld(t, access{})
	w.secrets()
	b := w.browser()
	for _, path := range append(pagesOf, "/auth/signin", "/auth/callback?code=x&state=y") {
		got := b.get(path)
		if got.status != http.StatusNotFound {
			t.Errorf("%s: status %d", path, got.status)
		}
		w.leaks(path, got)
	}
	if got := b.get("/"); !strings.Contains(got.body, "github_client_id") {
		t.Errorf("what to do is not said: %s", got.body)
	}
}

// TestHeaders: every answer keeps to itself.
func TestHeaders(t *testing.T) {
	w := newWorld(t, access{public: true})
	w.story("acme/app")
	b := w.browser()
	for _, path := range []string{"/", "/couplings/acme/app/wide", "/nowhere", "/pulls/acme/app/1"} {
		got := b.get(path)
		csp := got.header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: policy %q", path, csp)
		}
		for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin"} {
			if got.header.Get(name) != want {
				t.Errorf("%s: %s: %q", path, name, got.header.Get(name))
			}
		}
		for _, inline := range []string{"<style", " style=", " onclick=", "<script>"} {
			if strings.Contains(got.body, inline) {
				t.Errorf("%s: %s is in the page", path, inline)
			}
		}
	}
	page := b.get("/")
	r, err := http.NewRequest(http.MethodGet, w.url+"/", nil)
	w.must(err)
	r.Header.Set("If-None-Match", page.header.Get("ETag"))
	if got := b.do(r); got.status != http.StatusNotModified || got.body != "" {
		t.Errorf("an unchanged page: %d %s", got.status, got.body)
	}
	for line := range strings.Lines(page.body) {
		if _, rest, ok := strings.Cut(line, `href="/assets/`); ok {
			path, _, _ := strings.Cut(rest, `"`)
			if got := b.get("/assets/" + path); got.status != http.StatusOK || !strings.Contains(got.header.Get("Cache-Control"), "immutable") {
				t.Errorf("%s: %d %v", path, got.status, got.header)
			}
		}
	}
}

// TestNoCalls: looking at pages asks GitHub for nothing but what the viewer may read, and that once in some minutes.
func TestNoCalls(t *testing.T) {
	w := newWorld(t, access{signIn: true})
	w.secrets()
	ann := w.browser()
	ann.signIn("ann", "/")
	before := w.calls.Load()
	for range 3 {
		for _, path := range pagesOf {
			ann.get(path)
		}
	}
	if n := w.calls.Load() - before; n != 0 {
		t.Errorf("%d calls for pages that were looked at just now", n)
	}
	w.pass(3 * time.Minute)
	for _, path := range pagesOf {
		ann.get(path)
	}
	if n := w.calls.Load() - before; n != 1 {
		t.Errorf("%d calls after some minutes, want the one that asks what may be read", n)
	}
}

// TestFilter: the list is searched and filtered without a script.
func TestFilter(t *testing.T) {
	w := newWorld(t, access{public: true})
	var b strings.Builder
	b.WriteString("version: 1\ncouplings:\n")
	b.WriteString("  set-001: {title: Set number 001, members: {a: {pr: 1}, b: {pr: 2}}, order: [a before b]}\n")
	for n := 2; n <= 130; n++ {
		fmt.Fprintf(&b, "  set-%03d: {title: Set number %03d, members: {a: {pr: %d}}}\n", n, n, n+1)
	}
	w.repo("acme/app", b.String(), false, nil)
	w.must(w.srv.Start(t.Context()))
	w.open("acme/app", 1, "ann", "First", nil)
	w.open("acme/app", 2, "bob", "Second", nil)
	w.settle()
	for path, want := range map[string]struct {
		rows  int
		texts []string
	}{
		"/":                           {100, []string{`rel="next"`, "Set number 002"}},
		"/?page=2":                    {30, []string{`rel="prev"`}},
		"/?page=99":                   {30, nil},
		"/?page=-1":                   {100, nil},
		"/?q=number+007":              {1, []string{"Set number 007"}},
		"/?q=bob+first":               {1, []string{"Set number 001"}},
		"/?q=acme%2Fapp%232+bob":      {1, nil},
		"/?q=nothing-like-it":         {0, []string{"No coupling matches"}},
		"/?state=ready":               {1, []string{"Set number 001"}},
		"/?state=unknown&q=set-13":    {1, nil},
		"/?state=made-up&q=set-12":    {10, nil},
		"/?repo=acme%2Fapp&q=set-001": {1, nil},
		"/?repo=acme%2Fother":         {0, []string{"Show all open couplings"}},
	} {
		got := w.browser().get(path)
		if n := strings.Count(got.body, `<li class="row`); got.status != http.StatusOK || n != want.rows {
			t.Errorf("%s: %d rows, want %d (status %d)", path, n, want.rows, got.status)
		}
		for _, text := range want.texts {
			if !strings.Contains(got.body, text) {
				t.Errorf("%s: no %q", path, text)
			}
		}
	}
}
