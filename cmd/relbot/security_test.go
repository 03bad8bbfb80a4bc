package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/policy"
	"github.com/relbot/relbot/internal/scenario"
	"github.com/relbot/relbot/internal/settings"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/find"
)

// buffer is a log that may be read while it is written.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}
func (b *buffer) String() string { b.mu.Lock(); defer b.mu.Unlock(); return b.buf.String() }

// TestSecretsStayInside plants secrets, lets everything fail that can, and looks for them in logs, traces, admin endpoints, answers, errors and all written
// files.
func TestSecretsStayInside(t *testing.T) {
	key, pemText := appPEM(t)
	secrets := map[string]string{"webhook secret": "planted-webhook-secret", "older webhook secret": "planted-older-secret", "client secret": "planted-client-secret", "private key": string(pemText[200:260])}
	var mu sync.Mutex
	gh := ghsim.New(ghsim.Options{Clock: time.Now, AppID: 7, Key: &key.PublicKey, Secret: secrets["webhook secret"], Inspect: func(r *http.Request, _ []byte, status int, answer []byte) {
		mu.Lock()
		defer mu.Unlock()
		var minted struct{ Token string }
		if strings.HasSuffix(r.URL.Path, "/access_tokens") && status == http.StatusCreated && json.Unmarshal(answer, &minted) == nil {
			secrets[fmt.Sprint("token ", len(secrets))] = minted.Token
		}
		if jwt, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ey"); ok {
			secrets["the App's own signature"] = jwt
		}
	}})
	api := httptest.NewServer(gh.Handler())
	defer api.Close()
	var traces buffer
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(&traces, r.Body) }))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
	const repo = coupling.Repo("acme/app")
	if err := gh.CreateRepo(ghsim.RepoSpec{Name: repo, Permissions: map[string]string{"ann": "write"}, Policy: "version: 1\ncouplings: {set: {members: {a: {pr: 1}, b: {pr: 2}}, order: [a before b]}}\n"}); err != nil {
		t.Fatal(err)
	}
	if err := gh.Install(repo); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	public, admin := "127.0.0.1:"+freePort(t), "127.0.0.1:"+freePort(t)
	set, err := settings.Load("", []string{
		"RELBOT_LISTEN=" + public, "RELBOT_ADMIN_LISTEN=" + admin, "RELBOT_DATABASE_URL=sqlite:" + filepath.Join(dir, "relbot.db"), "RELBOT_GITHUB_API_URL=" + api.URL, "RELBOT_GITHUB_APP_ID=7",
		"RELBOT_GITHUB_PRIVATE_KEY=" + string(pemText), "RELBOT_WEBHOOK_SECRET=" + secrets["webhook secret"] + "\n" + secrets["older webhook secret"],
		"RELBOT_GITHUB_CLIENT_ID=Iv1.x", "RELBOT_GITHUB_CLIENT_SECRET=" + secrets["client secret"], "RELBOT_PUBLIC_URL=http://" + public,
		"RELBOT_DEBOUNCE=5ms", "RELBOT_LOG_LEVEL=debug",
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var shown buffer // the log, and all answers
	done := make(chan error, 1)
	go func() { done <- serve(ctx, set, &shown) }()
	get := func(url string) {
		if res, err := http.Get(url); err == nil {
			_, _ = io.Copy(&shown, res.Body)
			res.Body.Close()
		}
	}
	until(t, "ready", func() bool {
		res, err := http.Get("http://" + public + "/readyz")
		if err == nil {
			res.Body.Close()
		}
		return err == nil && res.StatusCode == http.StatusOK
	})
	for n := 1; n <= 2; n++ {
		if err := gh.Open(ghsim.OpenSpec{Repo: repo, Number: n, By: "ann", Title: "T", Files: map[string]*string{"f": text("x")}}); err != nil {
			t.Fatal(err)
		}
	}
	faults := []ghsim.Fault{{Match: "POST /app/installations/*/access_tokens", Answer: "500", Times: 2}, {Match: "POST /app/installations/*/access_tokens", Answer: "timeout"}}
	for _, answer := range []string{"500", "502", "timeout", "truncated"} {
		faults = append(faults, ghsim.Fault{Match: "graphql", Answer: answer}, ghsim.Fault{Match: "writes", Answer: answer}, ghsim.Fault{Match: "reads", Answer: answer})
	}
	for _, f := range faults {
		if err := gh.AddFault(f); err != nil {
			t.Fatal(err)
		}
	}
	post := ghsim.Poster(http.DefaultClient, "http://"+public+"/webhook")
	defer func() {
		if t.Failed() {
			fmt.Println(shown.String())
		}
	}()
	gh.Flush(t.Context(), post)
	until(t, "failures in the log", func() bool { return strings.Contains(shown.String(), `"failed"`) })
	gh.ClearFaults()
	gh.Comment(ghsim.CommentSpec{Pull: coupling.Pull{Repo: repo, Number: 1}, By: "ann", Body: "/relbot recheck"})
	until(t, "tokens", func() bool {
		gh.Flush(t.Context(), post)
		mu.Lock()
		defer mu.Unlock()
		return len(secrets) > 5
	})
	forged, err := http.NewRequest(http.MethodPost, "http://"+public+"/webhook", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	forged.Header.Set("X-Hub-Signature-256", "sha256=00")
	if res, err := http.DefaultClient.Do(forged); err != nil || res.StatusCode != http.StatusUnauthorized {
		t.Fatal(res, err)
	} else {
		_, _ = io.Copy(&shown, res.Body)
		res.Body.Close()
	}
	// What only operators may see is on the other address alone.
	for _, path := range []string{"/jobs", "/metrics", "/debug/pprof/"} {
		res, err := http.Get("http://" + public + path)
		if err != nil || res.StatusCode != http.StatusNotFound && res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s on the public address: %v %v", path, res, err)
		}
		res.Body.Close()
	}
	for _, url := range []string{"http://" + admin + "/jobs", "http://" + admin + "/metrics", "http://" + admin + "/debug/pprof/cmdline", "http://" + public + "/", "http://" + public + "/signin"} {
		get(url)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("stopped with %v", err)
	}
	bad := *set
	bad.DatabaseURL = "postgres://relbot:planted-database-password@127.0.0.1:1/relbot"
	secrets["database password"] = "planted-database-password"
	hasty, stop := context.WithTimeout(t.Context(), 3*time.Second)
	defer stop()
	if err := serve(hasty, &bad, &shown); err == nil {
		t.Error("a database that is not there was opened")
	} else {
		fmt.Fprintln(&shown, err)
	}
	places := map[string]string{"the log and answers": shown.String(), "traces": traces.String()}
	if places["traces"] == "" {
		t.Error("no traces came")
	}
	if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		places[filepath.Base(path)] = string(text)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for what, secret := range secrets {
		for place, content := range places {
			if secret == "" || strings.Contains(content, secret) {
				t.Errorf("the %s is in %s", what, place)
			}
		}
	}
}

// TestNoURLIsFetched writes URLs wherever people write text, and waits for a call that must not come.
func TestNoURLIsFetched(t *testing.T) {
	var calls atomic.Int64
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	trap := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) })}}
	trap.Start()
	defer trap.Close()
	app := coupling.Repo("acme/app")
	s := &scenario.Scenario{Title: "urls", Repo: app, Clock: scenario.DefaultClock, Repos: []scenario.Repo{{
		Name: app, Permissions: map[string]string{"ann": "admin"}, Files: map[string]string{"VERSION": trap.URL + "\n"},
		Policy: "version: 1\nreleases: {dev_version: [{path: VERSION, pattern: \"(?P<version>.+)\"}]}\ncouplings: {set: {title: \"" + trap.URL + "\", members: {a: {pr: 1}, b: {pr: 2}}, order: [\"a before b: see " + trap.URL + "\"]}}\n",
	}}}
	w, err := scenario.NewWorld(t.Context(), s, scenario.Options{Start: startSimulated})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	body := "Depends-On: " + trap.URL + "/acme/app/pull/2\nShips-With: " + trap.URL + "/acme/app/pull/2\n![x](" + trap.URL + "/x.png)\n<img src=\"" + trap.URL + "\">\n"
	r := w.Step(t.Context(), scenario.Step{Do: []scenario.Action{
		{Verb: "open", Pull: coupling.Pull{Repo: app, Number: 1}, By: "ann", Title: text(trap.URL), Body: &body, Files: map[string]*string{"f1": text(trap.URL)}},
		{Verb: "open", Pull: coupling.Pull{Repo: app, Number: 2}, By: "ann", Title: text("T"), Body: &body, Files: map[string]*string{".github/relbot.yml": text("version: 1\n# " + trap.URL + "\n")}},
		{Verb: "comment", Pull: coupling.Pull{Repo: app, Number: 1}, By: "ann", Body: text("/relbot link " + trap.URL + "/acme/app/pull/2\n/relbot hold " + trap.URL + "\n/relbot status")},
		{Verb: "advance", Duration: 26 * time.Hour},
	}})
	if !r.OK || calls.Load() > 0 {
		t.Errorf("%d calls to a URL that somebody wrote; %+v", calls.Load(), r.Failures)
	}
}

// TestHostilePolicies holds the parser against files that are made to hurt.
func TestHostilePolicies(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c <= 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat("*"+string(c-1)+",", 9), ","))
	}
	gate := func(path, pattern string) string {
		return fmt.Sprintf("version: 1\nreleases: {dev_version: [{path: VERSION, pattern: \"(?P<version>.+)\"}]}\ngates:\n  g: {find: {path: %q, pattern: %q}}\n", path, pattern)
	}
	for name, c := range map[string]string{
		"aliases of aliases":           bomb + "version: 1\n",
		"aliases in a policy":          "version: 1\ncouplings: &c {x: {members: {a: {pr: 1}}}}\nreport: *c\n",
		"deep":                         "version: 1\ngates: " + strings.Repeat("[", 20_000),
		"deep mappings":                "version: 1\ngates: " + strings.Repeat("{a: ", 20_000),
		"long":                         "version: 1\n# " + strings.Repeat("x", 8<<20),
		"repeats that add up":          gate("x", "(?P<version>"+strings.Repeat("a{0,1000}", 20)+")"),
		"a pattern of repeats":         gate("x", "(?P<version>((((a{100}){100}){100}){100}))"),
		"a path above the repository":  gate("../../etc/passwd", "(?P<version>.+)"),
		"an absolute path":             gate("/etc/passwd", "(?P<version>.+)"),
		"a glob above the repository":  gate("src/../../**", "(?P<version>.+)"),
		"a path with a NUL byte":       gate("a\x00b", "(?P<version>.+)"),
		"braces that multiply":         gate(strings.Repeat("{a,aa}", 24)+"b", "(?P<version>.+)"),
		"a version that is an integer": "version: 99999999999999999999999999\n",
	} {
		t.Run(name, func(t *testing.T) {
			finished := make(chan int, 1)
			go func() { _, problems := policy.Parse("acme/app", []byte(c)); finished <- len(problems) }()
			select {
			case n := <-finished:
				if n == 0 && name != "long" {
					t.Error("taken without a problem")
				}
			case <-time.After(time.Minute):
				t.Fatal("not parsed within a minute")
			}
		})
	}
	// A pattern that would take for ever with backtracking takes no longer than its text.
	p, problems := policy.Parse("acme/app", []byte(gate("x", "(?P<version>(a+)+)$")))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	start := time.Now()
	long := versionscan.Know(versionscan.File{Text: strings.Repeat("a", 1<<20) + "!"})
	find.Gate(p.Gates[0].Find, "g", "", map[string]versionscan.Fact[versionscan.File]{"x": long})
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("took %s", took)
	}
}

// TestStrangersCostLittle has a user without any right propose a policy whose patterns would keep a processor busy for minutes. The same
// person names repositories in a policy, a description and a command; GitHub would have to be asked for each.
func TestStrangersCostLittle(t *testing.T) {
	app := coupling.Repo("acme/app")
	s := &scenario.Scenario{Title: "bounds", Repo: app, Clock: scenario.DefaultClock, Repos: []scenario.Repo{{
		Name: app, Policy: "version: 1\n", Files: map[string]string{"VERSION": "1.2.0\n", "a.go": strings.Repeat("const A = 1 // aaaaaaaa\n", 2000)},
	}}}
	var asked atomic.Int64
	w, err := scenario.NewWorld(t.Context(), s, scenario.Options{Start: startSimulated, Inspect: func(r *http.Request, _ []byte, _ int, _ []byte) {
		if strings.HasPrefix(r.URL.Path, "/repos/none") {
			asked.Add(1)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	text := "version: 1\nreleases: {dev_version: [{path: VERSION, pattern: \"(?P<version>.+)\"}]}\ngates:\n"
	uses := ""
	for i := range 50 {
		text += fmt.Sprintf("  g%d: {find: {path: \"**/*.go\", pattern: \"(?s)(a|aa|aaa)*(?P<version>b%d)%s\"}}\n", i, i, strings.Repeat("(.{0,500}c){1}", 10))
		uses += fmt.Sprintf("g%d: a, ", i)
	}
	text += "couplings: {set: {members: {a: {pr: 1}}, gates: {" + strings.TrimSuffix(uses, ", ") + "}}}\n"
	many, lines, link := "version: 1\ncouplings:\n", "", "/relbot link"
	for i := range 80 {
		lines += fmt.Sprintf("Ships-With: none%d/app#1\n", i)
		link += fmt.Sprintf(" none%d/app#1", i)
	}
	for i := range 300 {
		many += fmt.Sprintf("  c%d: {members: {a: {pr: 1}, b: {pr: none%d/app#1}}}\n", i, i)
	}
	if r := w.Step(t.Context(), scenario.Step{Do: []scenario.Action{
		{Verb: "open", Pull: coupling.Pull{Repo: app, Number: 1}, By: "guest", Title: new(string), Files: map[string]*string{".github/relbot.yml": &text}},
		{Verb: "open", Pull: coupling.Pull{Repo: app, Number: 2}, By: "guest", Title: new(string), Files: map[string]*string{".github/relbot.yml": &many}},
		{Verb: "open", Pull: coupling.Pull{Repo: app, Number: 3}, By: "guest", Title: new(string), Body: &lines, Files: map[string]*string{"b": new(string)}},
		{Verb: "comment", Pull: coupling.Pull{Repo: app, Number: 3}, By: "guest", Body: &link},
	}}); !r.OK {
		t.Fatalf("%+v", r.Failures)
	}
	if c, _ := w.GitHub.CurrentCheck(coupling.Pull{Repo: app, Number: 1}); !strings.Contains(c.Text, "no preview: the patterns") {
		t.Errorf("%s\n%s", c.Title, c.Text)
	}
	if c, _ := w.GitHub.CurrentCheck(coupling.Pull{Repo: app, Number: 2}); !strings.Contains(c.Text, "member-unreadable") || asked.Load() > 0 {
		t.Errorf("%d calls: %s\n%s", asked.Load(), c.Title, c.Text)
	}
}
