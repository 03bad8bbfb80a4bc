package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/ghsim/ghspec"
	"github.com/relbot/relbot/internal/settings"
	"github.com/relbot/relbot/internal/store/postgres/pgtest"
)

// appPEM makes an App's key.
func appPEM(t testing.TB) (*rsa.PrivateKey, []byte) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
}

// until polls a condition that another process brings about.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// TestServe runs the real server by the wall clock against the embedded GitHub, from settings to a graceful stop.
func TestServe(t *testing.T) {
	key, text := appPEM(t)
	gh := ghsim.New(ghsim.Options{Clock: time.Now, AppID: 7, Key: &key.PublicKey, Secret: "s3cret", Inspect: ghspec.New(t)})
	api := httptest.NewServer(gh.Handler())
	defer api.Close()
	const repo = coupling.Repo("acme/app")
	if err := gh.CreateRepo(ghsim.RepoSpec{Name: repo, Policy: "version: 1\ncouplings: {set: {members: {a: {pr: 1}, b: {pr: 2}}, order: [a before b]}}\n"}); err != nil {
		t.Fatal(err)
	}
	if err := gh.Install(repo); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	config := write("relbot.yml", "listen: "+address+"\ndatabase_url: sqlite:"+filepath.Join(dir, "relbot.db")+"\ngithub_api_url: "+api.URL+"/api/v3\ngithub_app_id: 7\ndebounce: 10ms\n")
	set, err := settings.Load(config, []string{
		"RELBOT_GITHUB_PRIVATE_KEY=" + strings.ReplaceAll(string(text), "\n", `\n`), "RELBOT_WEBHOOK_SECRET_FILE=" + write("secret", "s3cret\nolder\n"),
	}, map[string]string{"log_level": "debug"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var log strings.Builder
	done := make(chan error, 1)
	go func() { done <- serve(ctx, set, &log) }()
	get := func(path string) int {
		res, err := http.Get("http://" + address + path)
		if err != nil {
			return 0
		}
		defer res.Body.Close()
		_, _ = io.Copy(io.Discard, res.Body)
		return res.StatusCode
	}
	until(t, "ready", func() bool { return get("/readyz") == http.StatusOK })
	if get("/healthz") != http.StatusOK || get("/debug/pprof/") != http.StatusNotFound {
		t.Error("probes, or profiling on the public address")
	}
	for n := 1; n <= 2; n++ {
		body := "x"
		if err := gh.Open(ghsim.OpenSpec{Repo: repo, Number: n, By: "ann", Title: "T", Files: map[string]*string{"f": &body}}); err != nil {
			t.Fatal(err)
		}
	}
	post := ghsim.Poster(http.DefaultClient, "http://"+address+"/webhook")
	until(t, "the checks", func() bool {
		gh.Flush(t.Context(), post)
		second, ok := gh.CurrentCheck(coupling.Pull{Repo: repo, Number: 2})
		return ok && strings.HasPrefix(second.Title, "Waiting:")
	})
	cancel()
	if err := <-done; err != nil {
		t.Errorf("stopped with %v", err)
	}
	if out := log.String(); strings.Contains(out, "s3cret") || strings.Contains(out, "PRIVATE KEY") || strings.Contains(out, "ghs_") {
		t.Errorf("a secret is in the log:\n%s", out)
	}
	if p := gh.Problems(); len(p) > 0 {
		t.Error(p)
	}
}

// TestTwoInstances runs two servers on one PostgreSQL database: deliveries go to either, and every note is written once.
func TestTwoInstances(t *testing.T) {
	key, text := appPEM(t)
	gh := ghsim.New(ghsim.Options{Clock: time.Now, AppID: 7, Key: &key.PublicKey, Secret: "s3cret", Inspect: ghspec.New(t)})
	api := httptest.NewServer(gh.Handler())
	defer api.Close()
	const repo = coupling.Repo("acme/app")
	policy := "version: 1\ncouplings:\n"
	const pairs = 8
	for i := range pairs {
		policy += fmt.Sprintf("  c%d: {members: {a: {pr: %d}, b: {pr: %d}}, order: [a before b]}\n", i, 2*i+1, 2*i+2)
	}
	if err := gh.CreateRepo(ghsim.RepoSpec{Name: repo, Policy: policy}); err != nil {
		t.Fatal(err)
	}
	if err := gh.Install(repo); err != nil {
		t.Fatal(err)
	}
	database := pgtest.URL(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 2)
	var posts []func(context.Context, ghsim.Delivery) (int, error)
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := l.Addr().String()
		l.Close()
		set, err := settings.Load("", []string{
			"RELBOT_LISTEN=" + address, "RELBOT_DATABASE_URL=" + database, "RELBOT_GITHUB_API_URL=" + api.URL, "RELBOT_GITHUB_APP_ID=7",
			"RELBOT_GITHUB_PRIVATE_KEY=" + string(text), "RELBOT_WEBHOOK_SECRET=s3cret", "RELBOT_DEBOUNCE=5ms", "RELBOT_WORKERS=4",
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		go func() { done <- serve(ctx, set, io.Discard) }()
		until(t, "ready", func() bool {
			res, err := http.Get("http://" + address + "/readyz")
			if err != nil {
				return false
			}
			res.Body.Close()
			return res.StatusCode == http.StatusOK
		})
		posts = append(posts, ghsim.Poster(http.DefaultClient, "http://"+address+"/webhook"))
	}
	n := 0
	either := func(ctx context.Context, d ghsim.Delivery) (int, error) { n++; return posts[n%2](ctx, d) }
	for i := 1; i <= 2*pairs; i++ {
		body := "x"
		if err := gh.Open(ghsim.OpenSpec{Repo: repo, Number: i, By: "ann", Title: "T", Files: map[string]*string{fmt.Sprint("f", i): &body}}); err != nil {
			t.Fatal(err)
		}
	}
	settled := func() bool {
		gh.Flush(t.Context(), either)
		for i := 1; i <= 2*pairs; i++ {
			p := coupling.Pull{Repo: repo, Number: i}
			c, ok := gh.CurrentCheck(p)
			want := "Passed:"
			if i%2 == 0 {
				want = "Waiting:"
			}
			if !ok || !strings.HasPrefix(c.Title, want) || len(gh.Comments(p)) == 0 {
				return false
			}
		}
		return true
	}
	until(t, "all judged", settled)
	for i := 1; i <= 2*pairs; i++ {
		if comments := gh.Comments(coupling.Pull{Repo: repo, Number: i}); len(comments) != 1 {
			t.Errorf("#%d has %d comments", i, len(comments))
		}
	}
	cancel()
	for range 2 {
		if err := <-done; err != nil {
			t.Errorf("stopped with %v", err)
		}
	}
}

// TestServeRefusesBadSettings holds that every problem is reported at once, with its place.
func TestServeRefusesBadSettings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relbot.yml")
	if err := os.WriteFile(path, []byte("lissten: :80\ndatabase_url: mysql://x\ngithub_app_id: abc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("RELBOT_GITHUB_PRIVATE_KEY", "garbage")
	t.Setenv("RELBOT_WEBHOOK_SECRT", "x")
	_, errs, code := relbot(t, "serve", "--config", path)
	for _, want := range []string{
		":1:1: unknown setting lissten: did you mean listen?", `database_url: "mysql://x" is no database`, `github_app_id: "abc" is no App id`,
		"RELBOT_GITHUB_PRIVATE_KEY: github_private_key: not a PEM file", "no webhook secret", "unknown setting RELBOT_WEBHOOK_SECRT: did you mean RELBOT_WEBHOOK_SECRET?",
	} {
		if !strings.Contains(errs, want) {
			t.Errorf("not reported: %s\nin %s", want, errs)
		}
	}
	if code != exitUsage {
		t.Errorf("exit %d", code)
	}
}

// TestExampleSettings holds that the example that users begin with loads.
func TestExampleSettings(t *testing.T) {
	text, err := os.ReadFile("../../deploy/relbot.example.yml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	_, key := appPEM(t)
	for name, content := range map[string][]byte{"app.pem": key, "webhook-secret": []byte("x\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "relbot.yml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "/var/lib/relbot/", dir+"/")), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := settings.Load(path, nil, nil); err != nil {
		t.Error(err)
	}
}

// TestCheckAndReport judges once, with a person's token, against the embedded GitHub.
func TestCheckAndReport(t *testing.T) {
	gh := ghsim.New(ghsim.Options{Clock: time.Now, Inspect: ghspec.New(t)})
	api := httptest.NewServer(gh.Handler())
	defer api.Close()
	const repo = coupling.Repo("acme/app")
	policy := `version: 1
releases: {dev_version: [{path: VERSION, pattern: "(?P<version>\\S+)"}], tags: "v{version}"}
gates: {g: {find: {path: gate.py, symbol: MIN}}}
couplings: {set: {title: The set, members: {a: {pr: 1}, b: {pr: 2}}, order: [a before b], gates: {g: a}}}
`
	if err := gh.CreateRepo(ghsim.RepoSpec{Name: repo, Policy: policy, Permissions: map[string]string{"ann": "write"}, Files: map[string]string{"VERSION": "1.2.0-dev\n"}, Tags: []ghsim.TagSpec{{Name: "v1.1.0"}}}); err != nil {
		t.Fatal(err)
	}
	gate, other := "MIN = \"1.1.0\"\n", "x"
	for n, files := range []map[string]*string{{"gate.py": &gate}, {"other": &other}} {
		if err := gh.Open(ghsim.OpenSpec{Repo: repo, Number: n + 1, By: "ann", Title: "T", Files: files}); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("GITHUB_TOKEN", "ghp_ann")
	summary := filepath.Join(t.TempDir(), "summary.md")
	t.Setenv("GITHUB_STEP_SUMMARY", summary)
	args := []string{"--repo", string(repo), "--api-url", api.URL}
	out, errs, code := relbot(t, append([]string{"check", "--pr", "1", "--format", "json"}, args...)...)
	if code != exitBlocked || !strings.Contains(out, `"expected": "1.2.0"`) || !strings.Contains(out, `"code": "gate-cut-without"`) || !strings.Contains(out, `"train": "1.2.0"`) {
		t.Errorf("check: exit %d: %s %s", code, out, errs)
	}
	if text, err := os.ReadFile(summary); err != nil || !strings.Contains(string(text), "gate-cut-without") {
		t.Errorf("the job's summary: %s %v", text, err)
	}
	out, errs, code = relbot(t, append([]string{"check", "--pr", "2"}, args...)...)
	if code != exitFine || !strings.Contains(out, "order-waiting") {
		t.Errorf("check of a waiting one: exit %d: %s %s", code, out, errs)
	}
	out, errs, code = relbot(t, append([]string{"report", "--format", "json"}, args...)...)
	if code != exitBlocked || !strings.Contains(out, "gate-cut-without") {
		t.Errorf("report: exit %d: %s %s", code, out, errs)
	}
	if _, errs, code = relbot(t, "check", "--repo", "acme/none", "--api-url", api.URL); code != exitUnknown {
		t.Errorf("an unknown repository: exit %d: %s", code, errs)
	}
	if _, writes := gh.Counts(); writes > 0 {
		t.Errorf("%d writes by commands that only look", writes)
	}
}

func TestProbeFollowsListen(t *testing.T) {
	for listen, want := range map[string]string{
		"": "http://127.0.0.1:8080/readyz", ":9000": "http://127.0.0.1:9000/readyz", "0.0.0.0:80": "http://127.0.0.1:80/readyz", "[::]:8081": "http://127.0.0.1:8081/readyz",
	} {
		if got := probeURL(listen); got != want {
			t.Errorf("%q: %s, want %s", listen, got, want)
		}
	}
}
