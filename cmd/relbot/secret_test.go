package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/ghsim/ghspec"
	"github.com/relbot/relbot/internal/settings"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/store/engine"
)

// planted are texts that may leave the process nowhere but where they belong, by what they are.
type planted map[string]string

// search looks for what was planted in a text.
func (p planted) search(t *testing.T, where, text string) {
	t.Helper()
	for what, secret := range p {
		if i := strings.Index(text, secret); i >= 0 {
			t.Errorf("%s: %s is in it: …%q…", where, what, text[max(0, i-80):min(len(text), i+len(secret)+20)])
		}
	}
}

// transcript is a writer for several goroutines.
type transcript struct {
	mu sync.Mutex
	b  strings.Builder
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(p)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

// free is an address on which nobody listens.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// fetch reads an address; "" when nobody answers.
func fetch(url string) string {
	res, err := http.Get(url)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return string(body)
}

// TestNoSecretLeaves runs the server through good and bad days with secrets planted everywhere, at the log's most talkative level. It
// searches all that an operator collects: logs, metrics, traces, the job list, and errors.
func TestNoSecretLeaves(t *testing.T) {
	key, pem := appPEM(t)
	secrets := planted{
		"a webhook secret":          "planted-webhook-secret",
		"an older webhook secret":   "planted-older-secret",
		"the private key":           strings.Split(string(pem), "\n")[3],
		"the private key in base64": base64.StdEncoding.EncodeToString(pem)[100:160],
		"an installation token":     "ghs_",
		"a JSON Web Token":          "eyJhbGciOi",
		"a collector's key":         "planted-collector-key",
		"a title":                   "planted private title",
		"a description":             "planted private description",
		"a database password":       "planted-password",
	}
	var spans transcript
	sent := make(chan string, 1000)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(&spans, r.Body)
		sent <- r.Header.Get("Authorization")
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "Authorization="+secrets["a collector's key"])
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
	gh := ghsim.New(ghsim.Options{Clock: time.Now, AppID: 7, Key: &key.PublicKey, Secret: secrets["a webhook secret"], Inspect: ghspec.New(t)})
	api := httptest.NewServer(gh.Handler())
	defer api.Close()
	const repo = coupling.Repo("acme/vault")
	if err := gh.CreateRepo(ghsim.RepoSpec{Name: repo, Private: true, Policy: "version: 1\ncouplings: {set: {members: {a: {pr: 1}, b: {pr: 2}}, order: [a before b]}}\n"}); err != nil {
		t.Fatal(err)
	}
	if err := gh.Install(repo); err != nil {
		t.Fatal(err)
	}
	public, admin := free(t), free(t)
	set, err := settings.Load("", []string{
		"RELBOT_LISTEN=" + public, "RELBOT_ADMIN_LISTEN=" + admin, "RELBOT_DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "relbot.db"), "RELBOT_GITHUB_API_URL=" + api.URL,
		"RELBOT_GITHUB_APP_ID=7", "RELBOT_GITHUB_PRIVATE_KEY=" + string(pem), "RELBOT_WEBHOOK_SECRET=" + secrets["a webhook secret"] + "\n" + secrets["an older webhook secret"],
		"RELBOT_DEBOUNCE=10ms", "RELBOT_LOG_LEVEL=debug",
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var log transcript
	done := make(chan error, 1)
	go func() { done <- serve(ctx, set, &log) }()
	until(t, "ready", func() bool { return strings.Contains(fetch("http://"+public+"/readyz"), "ready") })
	body := secrets["a description"]
	for n := 1; n <= 2; n++ {
		if err := gh.Open(ghsim.OpenSpec{Repo: repo, Number: n, By: "ann", Title: secrets["a title"], Body: body, Files: map[string]*string{"f": &body}}); err != nil {
			t.Fatal(err)
		}
	}
	// The first attempts meet every kind of trouble.
	for match, answer := range map[string]string{"POST /repos/*/check-runs": "502", "POST /repos/*/comments": "lost_answer", "POST /app/installations/*/access_tokens": "500", "graphql": "truncated"} {
		if err := gh.AddFault(ghsim.Fault{Match: match, Answer: answer}); err != nil {
			t.Fatal(err)
		}
	}
	// A delivery that is not GitHub's.
	res, err := http.Post("http://"+public+"/webhook", "application/json", strings.NewReader(`{"title": "`+secrets["a title"]+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	post := ghsim.Poster(http.DefaultClient, "http://"+public+"/webhook")
	jobs := ""
	until(t, "a failure in the log and in the list of jobs, and work on a pull request", func() bool {
		gh.Flush(t.Context(), post)
		list := fetch("http://" + admin + "/jobs")
		var rows []store.Job
		if err := json.Unmarshal([]byte(list), &rows); err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			list += string(r.Data) // in base64 above
		}
		jobs += list
		return strings.Contains(log.String(), `"msg":"failed"`) && strings.Contains(list, "try again") && strings.Contains(log.String(), `"kind":"pull"`)
	})
	metrics := fetch("http://" + admin + "/metrics")
	for _, path := range []string{"/metrics", "/jobs", "/debug/pprof/"} {
		if res, err := http.Get("http://" + public + path); err != nil || res.StatusCode != http.StatusNotFound {
			t.Errorf("%s is public: %v %v", path, res.Status, err)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("stopped with %v", err)
	}
	if got := <-sent; got != secrets["a collector's key"] {
		t.Errorf("the collector was sent the key %q", got)
	}
	for where, text := range map[string]string{"the log": log.String(), "the metrics": metrics, "the traces": spans.String(), "the job list": jobs} {
		secrets.search(t, where, text)
	}
	// What was searched was really there.
	for where, held := range map[string]bool{
		"the log":     strings.Contains(log.String(), `"reason":"unsigned"`) && strings.Contains(log.String(), `"trace_id":"`),
		"the metrics": strings.Contains(metrics, `relbot_deliveries_total{event="pull_request",outcome="accepted"}`) && strings.Contains(metrics, `outcome="retry"`),
		"the traces":  strings.Contains(spans.String(), "job pull") && strings.Contains(spans.String(), "GitHub POST graphql") && strings.Contains(spans.String(), "delivery"),
	} {
		if !held {
			t.Errorf("%s: less than expected:\n%s\n%s", where, log.String(), metrics)
		}
	}

	// Errors before anything runs.
	_, err = settings.Load("", []string{
		"RELBOT_GITHUB_PRIVATE_KEY=" + strings.ReplaceAll(string(pem), "BEGIN", "BEGAN"), "RELBOT_WEBHOOK_SECRET=" + secrets["a webhook secret"], "RELBOT_WEBHOOK_SECRET_FILE=/nowhere",
		"RELBOT_DATABASE_URL=mysql://relbot:" + secrets["a database password"] + "@127.0.0.1/relbot", "RELBOT_WORKERS=none",
	}, nil)
	if err == nil {
		t.Fatal("settings that are wrong were taken")
	}
	secrets.search(t, "errors of settings", err.Error())
	for _, url := range []string{"postgres://relbot:" + secrets["a database password"] + "@" + free(t) + "/relbot", "postgres://relbot:" + secrets["a database password"] + "@127.0.0.1:port/relbot"} {
		if _, err = engine.Open(t.Context(), url); err == nil {
			t.Fatal("a database that is not there was opened")
		}
		secrets.search(t, "errors of the database", err.Error())
	}
}
