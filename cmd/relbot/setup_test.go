package main

import (
	"context"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/ghsim/ghspec"
	"github.com/relbot/relbot/internal/settings"
)

// browser is a person's browser, as far as forms and redirects go.
type browser struct {
	http.Client
	t    *testing.T
	at   *url.URL
	code int
	body string
}

func newBrowser(t *testing.T) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{Client: http.Client{Jar: jar}, t: t}
}

func (b *browser) do(req *http.Request) {
	b.t.Helper()
	res, err := b.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	b.at, b.code, b.body = res.Request.URL, res.StatusCode, string(text)
}

func (b *browser) get(address string) {
	b.t.Helper()
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	b.do(req)
}

var (
	forms  = regexp.MustCompile(`(?s)<form[^>]* method="post" action="([^"]*)">(.*?)</form>`)
	inputs = regexp.MustCompile(`<input[^>]*>`)
	attrs  = regexp.MustCompile(`(name|value)="([^"]*)"`)
)

// submit fills in the form of the page that goes to an address with that end, and sends it.
func (b *browser) submit(end string, fill map[string]string, header ...string) {
	b.t.Helper()
	for _, m := range forms.FindAllStringSubmatch(b.body, -1) {
		action := html.UnescapeString(m[1])
		path, _, _ := strings.Cut(action, "?")
		if !strings.HasSuffix(path, end) {
			continue
		}
		values := url.Values{}
		for _, in := range inputs.FindAllString(m[2], -1) {
			pair := map[string]string{}
			for _, a := range attrs.FindAllStringSubmatch(in, -1) {
				pair[a[1]] = html.UnescapeString(a[2])
			}
			values.Set(pair["name"], pair["value"])
		}
		for name, text := range fill {
			values.Set(name, text)
		}
		to, err := b.at.Parse(action)
		if err != nil {
			b.t.Fatal(err)
		}
		req, err := http.NewRequest(http.MethodPost, to.String(), strings.NewReader(values.Encode()))
		if err != nil {
			b.t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", b.at.Scheme+"://"+b.at.Host)
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		b.do(req)
		return
	}
	b.t.Fatalf("%s has no form to %s:\n%s", b.at, end, b.body)
}

// want fails unless the page has the status and all the texts.
func (b *browser) want(code int, texts ...string) {
	b.t.Helper()
	plain := html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(b.body, ""))
	for _, text := range texts {
		if !strings.Contains(plain, text) {
			b.t.Errorf("%s: without %q:\n%s", b.at, text, plain)
		}
	}
	if b.code != code {
		b.t.Errorf("%s: %d, want %d:\n%s", b.at, b.code, code, plain)
	}
}

// enterprise serves a whole GitHub at one address, as a GitHub Enterprise Server does.
func enterprise(t *testing.T, o ghsim.Options) (*ghsim.GitHub, *httptest.Server) {
	o.Clock, o.Inspect = time.Now, ghspec.New(t)
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	o.URL = server.URL
	gh := ghsim.New(o)
	mux.Handle("/api/", gh.Handler())
	mux.Handle("/", gh.Pages())
	return gh, server
}

var setupLink = regexp.MustCompile(`http://\S+/setup\?token=\S+`)

// TestSetup takes a server from nothing to its first verdict, as an operator does it with a browser.
func TestSetup(t *testing.T) {
	gh, web := enterprise(t, ghsim.Options{Unregistered: true})
	const repo = coupling.Repo("acme/app")
	if err := gh.CreateRepo(ghsim.RepoSpec{Name: repo, Policy: "version: 1\n"}); err != nil {
		t.Fatal(err)
	}
	address := free(t)
	at := "http://" + address
	config := filepath.Join(t.TempDir(), "conf", "relbot.yml")
	if err := os.Mkdir(filepath.Dir(config), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, []byte("# ours\ndebounce: 5ms\ndatabase_url: sqlite:"+filepath.Join(t.TempDir(), "relbot.db")), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var log transcript
	done := make(chan int, 1)
	go func() { done <- run(ctx, []string{"serve", "--config", config, "--listen", address}, io.Discard, &log) }()
	links := func() []string { return setupLink.FindAllString(log.String(), -1) }
	until(t, "the link", func() bool { return len(links()) == 1 })

	stranger, b := newBrowser(t), newBrowser(t)
	for _, path := range []string{"/setup", "/setup/checks", "/setup/callback?code=x&state=y"} {
		stranger.get(at + path)
		stranger.want(http.StatusForbidden, "for the operator")
	}
	stranger.get(at + "/setup?token=guess")
	stranger.want(http.StatusForbidden, "not valid")
	stranger.get(at + "/")
	stranger.want(http.StatusServiceUnavailable, "not set up yet")
	stranger.get(at + "/readyz")
	stranger.want(http.StatusServiceUnavailable)

	b.get(links()[0])
	b.want(http.StatusOK, "Register relbot's GitHub App")
	stranger.get(links()[0])
	stranger.want(http.StatusForbidden, "used already")
	if len(links()) != 2 || links()[0] == links()[1] {
		t.Errorf("no new link: %s", log.String())
	}

	b.submit("/setup/register", map[string]string{"web": "github.com", "account": "a b", "name": "", "public_url": "http://relbot.example.org"})
	b.want(http.StatusUnprocessableEntity, `GitHub: "github.com" is no address: want https://github.com`, `"a b" is no name`, "want 1 to 34", `"http://relbot.example.org" is no address: want https://host`)
	good := map[string]string{"web": web.URL, "account": "acme", "name": "Acme's relbot", "public_url": at}
	b.submit("/setup/register", good, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
	b.want(http.StatusForbidden)
	b.get(at + "/setup")
	b.submit("/setup/register", good)
	b.want(http.StatusOK, "Confirm on GitHub", "checks", "write", "merge_group")
	if strings.Contains(b.body, "relbot.example.com") {
		t.Error("the manifest's placeholder went to GitHub")
	}
	b.submit("/organizations/acme/settings/apps/new", nil)
	b.want(http.StatusOK, "Create GitHub App", "for acme")
	there := *b
	b.get(at + "/setup/callback?code=x&state=forged")
	b.want(http.StatusBadRequest, "belongs to no registration that was begun here", "Begin again")
	b.at, b.body = there.at, there.body
	b.submit("/settings/apps/manifest", nil)
	b.want(http.StatusOK, "What is missing", "The App acme-s-relbot is registered", "A test delivery is on its way", "installed nowhere")
	if b.at.Path != "/setup/checks" {
		t.Errorf("at %s", b.at)
	}
	b.get(at + "/setup")
	b.want(http.StatusOK, "What is missing")
	b.get(at + "/setup/callback?code=x&state=y")
	b.want(http.StatusOK, "What is missing")

	// What GitHub handed out is on disk for nobody else.
	files, err := os.ReadDir(filepath.Dir(config))
	if err != nil || len(files) != 4 {
		t.Errorf("%v %v", files, err)
	}
	var secrets []string
	for _, f := range files {
		info, err := f.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", f.Name(), info.Mode(), err)
		}
		if text, err := os.ReadFile(filepath.Join(filepath.Dir(config), f.Name())); err == nil && f.Name() != "relbot.yml" {
			secrets = append(secrets, strings.TrimSpace(string(text)))
		}
	}
	set, err := settings.Load(config, nil, nil)
	if err != nil || !set.Registered() || set.PublicURL != at || set.GitHubAPIURL != web.URL+"/api/v3" || set.ClientID == "" || set.Debounce != 5*time.Millisecond {
		t.Errorf("%+v %v", set, err)
	}

	// GitHub's ping was asked for again, and arrives.
	post := ghsim.Poster(http.DefaultClient, gh.HookURL())
	if n := gh.Flush(t.Context(), post); n == 0 {
		t.Error("no test delivery")
	}
	if err := gh.Require(repo, ghsim.Requirement{}); err != nil {
		t.Fatal(err)
	}
	if err := gh.Install(repo); err != nil {
		t.Fatal(err)
	}
	b.get(at + "/setup/checks")
	b.want(http.StatusOK, "deliveries: the last one arrived", "required acme/app: main does not require relbot/coordination", "0 couplings, 0 gates")
	if strings.Contains(b.body, "on its way") {
		t.Error("the test delivery is there already")
	}
	if err := gh.Require(repo, ghsim.Requirement{Check: "relbot/coordination"}); err != nil {
		t.Fatal(err)
	}
	// What happens meanwhile is not taken in, and comes again once the server runs.
	gh.Flush(t.Context(), post)
	b.get(at + "/setup/checks")
	b.want(http.StatusOK, "deliveries: what GitHub sends waits until the setup is finished", "checks are fine")
	b.submit("/setup/ping", nil)
	gh.Flush(t.Context(), post)
	b.get(at + "/setup/checks")
	b.want(http.StatusOK, "Everything is in place")
	b.submit("/setup/finish", nil)
	b.want(http.StatusOK, "This page is closed")

	until(t, "the server", func() bool {
		res, err := http.Get(at + "/readyz")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	b.get(at + "/setup")
	if b.code < 400 || strings.Contains(b.body, "test delivery") { // pages are for people who signed in
		t.Errorf("the setup is still there: %d %s", b.code, b.body)
	}
	text := "x"
	if err := gh.Open(ghsim.OpenSpec{Repo: repo, Number: 1, By: "ann", Title: "T", Files: map[string]*string{"f": &text}}); err != nil {
		t.Fatal(err)
	}
	until(t, "the first check", func() bool {
		gh.Flush(t.Context(), post)
		c, ok := gh.CurrentCheck(coupling.Pull{Repo: repo, Number: 1})
		return ok && strings.HasPrefix(c.Title, "Passed:")
	})
	cancel()
	if code := <-done; code != exitFine {
		t.Errorf("exit %d: %s", code, log.String())
	}
	for _, secret := range secrets {
		if strings.Contains(log.String(), secret) {
			t.Error("a secret is in the log")
		}
	}
	if p := gh.Problems(); len(p) > 0 {
		t.Error(p)
	}
	if out, errs, code := relbot(t, "setup", "--config", config); code != exitUsage || !strings.Contains(errs, "is set already") {
		t.Errorf("a second setup: exit %d: %s %s", code, out, errs)
	}
}

// TestSetupKeepsWhatCannotBeWritten holds that credentials, which can be had once, survive a disk that refuses them.
func TestSetupKeepsWhatCannotBeWritten(t *testing.T) {
	gh, web := enterprise(t, ghsim.Options{Unregistered: true})
	dir := filepath.Join(t.TempDir(), "conf")
	config := filepath.Join(dir, "relbot.yml")
	address := free(t)
	var log transcript
	var out strings.Builder
	done := make(chan int, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		done <- run(ctx, []string{"setup", "--config", config, "--listen", address, "--github-api-url", web.URL + "/api/v3", "--public-url", "http://" + address}, &out, &log)
	}()
	until(t, "the link", func() bool { return setupLink.MatchString(log.String()) })
	b := newBrowser(t)
	b.get(setupLink.FindString(log.String()))
	b.want(http.StatusOK, "set by github_api_url", "set by public_url")
	// The addresses are given: what a form says of them does not count.
	b.submit("/setup/register", map[string]string{"name": "relbot", "web": "https://evil.example", "public_url": "https://evil.example"})
	b.submit("/settings/apps/new", nil)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, []byte("in the way"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.submit("/settings/apps/manifest", nil)
	b.want(http.StatusInternalServerError, "in this server's memory alone", "not a directory")
	b.submit("/setup/write", nil)
	b.want(http.StatusInternalServerError, "Try again")
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	b.submit("/setup/write", nil)
	b.want(http.StatusOK, "What is missing")
	text, err := os.ReadFile(config)
	if err != nil || strings.Count(string(text), "public_url: \"http://"+address+"\"") != 1 || strings.Count(string(text), "github_api_url: \""+web.URL+"/api/v3\"") != 1 || strings.Count(string(text), "github_app_id") != 1 {
		t.Errorf("%s %v", text, err)
	}
	b.submit("/setup/finish", nil)
	if code := <-done; code != exitFine || !strings.Contains(out.String(), "relbot serve --config "+config) {
		t.Errorf("exit %d: %s %s", code, out.String(), log.String())
	}
	if gh.HookURL() != "http://"+address+"/webhook" {
		t.Error(gh.HookURL())
	}
	// The doctor goes on where the page ended.
	findings, errs, code := relbot(t, "doctor", "--format", "json", "--config", config)
	if code != exitBlocked || !json.Valid([]byte(findings)) || !strings.Contains(findings, "installed nowhere") {
		t.Errorf("exit %d: %s %s", code, findings, errs)
	}
}
