package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/settings"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/store/engine"
)

// words are those of a command line, as a shell reads it.
func words(t *testing.T, line string) []string {
	t.Helper()
	out, err := exec.Command("sh", "-c", `show() { for word in "$@"; do printf '%s\n' "$word"; done; }; show `+line).Output()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

// started is a program that runs until it is stopped.
type started struct {
	log, out transcript
	stop     func() int
}

// start runs the program as a process would.
func start(t *testing.T, args ...string) *started {
	t.Helper()
	s := &started{}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan int, 1)
	go func() { done <- run(ctx, args, &s.out, &s.log) }()
	code := -1
	s.stop = func() int {
		if cancel(); code < 0 {
			code = <-done
		}
		return code
	}
	t.Cleanup(func() { s.stop() })
	return s
}

// ready reports whether a server at an address says that it is.
func ready(at string) bool {
	res, err := http.Get(at + "/readyz")
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// registerApp does in a browser what the link leads to, up to the page that lists what is missing.
func registerApp(t *testing.T, log func() string, fill map[string]string) *browser {
	t.Helper()
	until(t, "the link", func() bool { return setupLink.MatchString(log()) })
	b := newBrowser(t)
	b.get(setupLink.FindString(log()))
	b.want(http.StatusOK, "Register relbot's GitHub App")
	if !strings.Contains(b.body, `placeholder="relbot-ACCOUNT"`) {
		t.Errorf("no name is proposed:\n%s", b.body)
	}
	b.submit("/setup/register", fill)
	b.want(http.StatusOK, "Confirm on GitHub", "Register relbot-acme on GitHub")
	b.submit("/organizations/acme/settings/apps/new", nil)
	b.submit("/settings/apps/manifest", nil)
	b.want(http.StatusOK, "The App relbot-acme is registered", "installed nowhere", "checks are fine")
	wrong, fine, folded := strings.Cut(b.body, "<details>")
	if !folded || strings.Contains(wrong, `class="ok"`) || strings.Contains(fine, `class="problem"`) || strings.Contains(wrong, "has sent nothing") {
		t.Errorf("problems do not come first, or what is fine is not folded:\n%s", b.body)
	}
	return b
}

// TestSetUpAndStartAgain sets relbot up by flags, by the environment and by the form. It starts it twice with exactly the command that is printed,
// and asks the doctor right after.
func TestSetUpAndStartAgain(t *testing.T) {
	for _, way := range []string{"flags", "environment", "form"} {
		t.Run(way, func(t *testing.T) {
			gh, web := enterprise(t, ghsim.Options{Unregistered: true})
			address := free(t)
			at := "http://" + address
			dir := filepath.Join(t.TempDir(), "it's a state") // a shell has to quote it
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			fill := map[string]string{"account": "acme"}
			var args []string
			switch way {
			case "flags":
				args = []string{"--state", dir, "--listen", address, "--public-url", at + "/", "--github-api-url", web.URL + "/api/v3", "--debounce", "5ms"}
			case "environment":
				for name, text := range map[string]string{"STATE": dir, "LISTEN": address, "PUBLIC_URL": at, "GITHUB_API_URL": web.URL + "/api/v3"} {
					t.Setenv("RELBOT_"+name, text)
				}
			case "form":
				fill["web"], fill["public_url"] = web.URL, at
				args = []string{"--config", filepath.Join(dir, "ours.yml"), "--listen", address}
			}
			setup := start(t, append([]string{"setup"}, args...)...)
			b := registerApp(t, setup.log.String, fill)
			b.submit("/setup/finish", nil)
			b.want(http.StatusOK, "Start the server now", "What comes next", "the App is installed nowhere", "relbot config init", "relbot doctor")
			if code := setup.stop(); code != exitFine {
				t.Fatalf("setup: exit %d: %s", code, setup.log.String())
			}
			_, line, _ := strings.Cut(strings.TrimSpace(setup.out.String()), "Start the server with: ")
			command := words(t, line)
			if command[0] != "relbot" || command[1] != "serve" || strings.Contains(line, "public-url") || strings.Contains(line, "github-api-url") {
				t.Fatalf("the command %q", line)
			}
			if b.want(http.StatusOK, line); way == "flags" && !strings.Contains(line, "--debounce 5ms") {
				t.Errorf("%s: a flag is lost", line)
			}
			for range 2 {
				server := start(t, command[1:]...)
				until(t, "the server", func() bool { return ready(at) })
				gh.Flush(t.Context(), ghsim.Poster(http.DefaultClient, gh.HookURL()))
				out, errs, code := relbot(t, append([]string{"doctor"}, command[2:]...)...)
				if code != exitBlocked || strings.Count(out, "problem  ") != 1 || !strings.Contains(out, "installed nowhere") || strings.Contains(out, "unknown  ") {
					t.Errorf("doctor: exit %d: %s %s", code, out, errs)
				}
				if code := server.stop(); code != exitFine {
					t.Fatalf("%s: exit %d: %s", line, code, server.log.String())
				}
				if strings.Contains(server.log.String(), "/setup?token=") {
					t.Error("a server that is set up opens the setup")
				}
			}
			found, err := filepath.Glob(filepath.Join(dir, "*"))
			if err != nil || len(found) < 5 { // settings, three secrets, the database
				t.Errorf("the state directory has %q %v", found, err)
			}
		})
	}
}

// TestServeSetsUpAndStartsAgain: what README says under "Run it", twice, word for word.
func TestServeSetsUpAndStartsAgain(t *testing.T) {
	_, web := enterprise(t, ghsim.Options{Unregistered: true})
	address := free(t)
	at := "http://" + address
	t.Chdir(t.TempDir())
	t.Setenv("RELBOT_LISTEN", address)
	args := []string{"serve", "--config", "relbot.yml", "--public-url", at}
	if want := "relbot serve --config relbot.yml --public-url https://relbot.example.com"; !strings.Contains(read2(t, "README.md"), want) {
		t.Errorf("README does not say %q", want)
	}
	server := start(t, args...)
	b := registerApp(t, server.log.String, map[string]string{"account": "acme", "web": web.URL})
	for _, path := range []string{"/readyz", "/webhook"} {
		res, err := http.Post(at+path, "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if path == "/webhook" && res.StatusCode < 400 || ready(at) {
			t.Errorf("%s: %s while relbot is set up", path, res.Status)
		}
	}
	if !strings.Contains(server.log.String(), "relbot.yml does not exist: setup will write it. If another file was meant, stop and correct --config.\n") {
		t.Errorf("a path that was mistyped is not seen: %s", server.log.String())
	}
	if !strings.Contains(server.log.String(), "neither relbot.yml nor environment nor flags give github_app_id") || !strings.Contains(server.log.String(), "knows no installation") {
		t.Errorf("it does not say why it is set up: %s", server.log.String())
	}
	b.submit("/setup/finish", nil)
	b.want(http.StatusOK, "The server goes on now", "relbot serve --config relbot.yml")
	until(t, "the server", func() bool { return ready(at) })
	server.stop()
	for _, again := range [][]string{args, {"serve"}} {
		server = start(t, again...)
		until(t, "the server", func() bool { return ready(at) })
		server.stop()
	}
}

// read2 reads a file of the repository from wherever the test is.
func read2(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(sourceRoot, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sourceRoot is the repository's root.
var sourceRoot = func() string {
	dir, err := filepath.Abs(top)
	if err != nil {
		panic(err)
	}
	return dir
}()

// TestSetupIsNotForALostSecret: a database that knows an installation keeps the set-up page shut.
func TestSetupIsNotForALostSecret(t *testing.T) {
	dir := t.TempDir()
	db, err := engine.Open(t.Context(), "sqlite:"+filepath.Join(dir, "relbot.db"))
	if err != nil {
		t.Fatal(err)
	}
	// An empty database is none that knows an installation.
	set, err := settings.Load("", nil, map[string]string{"state": dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := mayBeSetUp(t.Context(), set); err != nil {
		t.Errorf("an empty database: %v", err)
	}
	if err := db.Put(t.Context(), []store.Document{{Kind: "repo", Key: "acme/app", Body: []byte(`{"name":"acme/app"}`)}}, nil); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	address := free(t)
	out, errs, code := relbot(t, "serve", "--state", dir, "--listen", address)
	if code != exitUsage || strings.Contains(errs, "/setup?token=") || out != "" {
		t.Errorf("exit %d: %s", code, errs)
	}
	for _, want := range []string{"knows one that is installed", "mount the settings or secrets that are missing", `add the line "github_app_id: 123456"`, filepath.Join(dir, "relbot.yml")} {
		if !strings.Contains(errs, want) {
			t.Errorf("without %q: %s", want, errs)
		}
	}
	// A database that does not answer may be one.
	if _, errs, code := relbot(t, "serve", "--database-url", "postgres://relbot@127.0.0.1:1/relbot", "--listen", address); code == exitFine || strings.Contains(errs, "/setup?token=") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

// TestSetupIsNotForLostSettings: a state directory that holds an App's secrets keeps the set-up page shut, and the lines to write work.
func TestSetupIsNotForLostSettings(t *testing.T) {
	_, key := appPEM(t)
	for _, c := range []struct {
		name  string
		files map[string]string
		args  func(dir string) []string
		want  []string
	}{
		{"no settings", map[string]string{"app-7.pem": string(key), "app-7.webhook-secret": "s\n"}, func(dir string) []string { return []string{"--state", dir} }, []string{"DIR/relbot.yml is missing. "}},
		{"the directory of --config", map[string]string{"app-7.pem": string(key), "app-7.webhook-secret": "s\n"}, func(dir string) []string { return []string{"--config", dir + "/relbot.yml"} }, []string{"DIR/relbot.yml is missing. "}},
		{"a secret alone", map[string]string{"app-7.webhook-secret": "s\n"}, func(dir string) []string { return []string{"--state", dir} }, []string{"DIR/relbot.yml is missing, and DIR/app-7.pem is missing. "}},
		{"settings without the App", map[string]string{"relbot.yml": "log_level: warn\n", "app-7.pem": string(key), "app-7.webhook-secret": "s\n"}, func(dir string) []string { return []string{"--state", dir} }, []string{"DIR/relbot.yml names no App. "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range c.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			before := snapshot(t, dir)
			_, errs, code := relbot(t, append([]string{"serve", "--listen", "127.0.0.1:0"}, c.args(dir)...)...)
			if code != exitUsage || strings.Contains(errs, "/setup?token=") {
				t.Errorf("exit %d: %s", code, errs)
			}
			lines := "github_app_id: 7\ngithub_private_key_file: \"DIR/app-7.pem\"\nwebhook_secret_file: \"DIR/app-7.webhook-secret\"\n"
			for _, want := range append(c.want, lines) {
				if want = strings.ReplaceAll(want, "DIR", dir); !strings.Contains(errs, want) {
					t.Errorf("without %q: %s", want, errs)
				}
			}
			if out, _, code := relbot(t, append([]string{"doctor"}, c.args(dir)...)...); code != exitBlocked || !strings.Contains(out, "github_app_id: 7\n") || strings.Contains(out, "relbot setup") {
				t.Errorf("doctor: exit %d: %s", code, out)
			}
			if after := snapshot(t, dir); fmt.Sprint(after) != fmt.Sprint(before) {
				t.Errorf("files changed:\n%v\n%v", before, after)
			}
			if len(c.files) == 1 {
				return
			}
			file := filepath.Join(dir, "relbot.yml")
			if err := os.WriteFile(file, []byte(c.files["relbot.yml"]+strings.ReplaceAll(lines, "DIR", dir)), 0o600); err != nil {
				t.Fatal(err)
			}
			if set, err := settings.Load("", nil, map[string]string{"state": dir}); err != nil || set.AppID != 7 {
				t.Errorf("the lines do not help: %v", err)
			}
		})
	}
}

// TestSettingsThatCannotBe holds what is said of state directories and settings that are damaged, and that nothing is written over.
func TestSettingsThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	put := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(at(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, key := appPEM(t)
	put("file", "in the way")
	put("cut/relbot.yml", "github_app_id: 1\ngithub_private_key_fi")
	put("half/relbot.yml", "github_app_id: 1\ngithub_private_key_file: \""+at("half/app-1.pem")+"\"\n")
	put("half/app-1.pem", string(key[:len(key)/2]))
	put("bare/relbot.yml", "github_app_id: 1\n")
	put("no-id/relbot.yml", "webhook_secret_file: \""+at("no-id/secret")+"\"\n")
	put("no-id/secret", "x\n")
	put("signs/relbot.yml", "github_app_id: 1\ngithub_private_key_file: \""+at("signs/app.pem")+"\"\nwebhook_secret_file: \""+at("signs/secret")+"\"\ngithub_client_id: Iv1\n")
	put("signs/app.pem", string(key))
	put("signs/secret", "x\n")
	put("empty/relbot.yml", "github_app_id: 1\ngithub_private_key_file: \""+at("signs/app.pem")+"\"\nwebhook_secret_file: \""+at("empty/secret")+"\"\n")
	put("empty/secret", "\n")
	put("url/relbot.yml", "public_url: relbot.example.org\n")
	put("query/relbot.yml", "public_url: https://relbot.example.org/x/?a=b\n")
	put("fragment/relbot.yml", "public_url: https://relbot.example.org/#top\n")
	put("no-number/relbot.yml", "github_app_id:\n")
	before := snapshot(t, dir)
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"--state", at("file/below")}, []string{"the state directory cannot be written", "not a directory", "name another with --state"}},
		{[]string{"--state", at("cut")}, []string{at("cut/relbot.yml")}},
		{[]string{"--state", at("half")}, []string{"github_private_key_file: not a PEM file: want the .pem that GitHub gave", at("half/relbot.yml") + `: no webhook secret`, `add the line "webhook_secret_file: /path/to/webhook-secret"`}},
		{[]string{"--state", at("bare")}, []string{at("bare/relbot.yml") + ": no private key: add the line \"github_private_key_file: /path/to/app.pem\", or set RELBOT_GITHUB_PRIVATE_KEY_FILE"}},
		{[]string{"--state", at("no-id")}, []string{at("no-id/relbot.yml") + `: no App id, which the App's settings page shows: add the line "github_app_id: 123456"`}},
		{[]string{"--config", at("signs/relbot.yml")}, []string{at("signs/relbot.yml") + ": no client secret", `"github_client_secret_file: /path/to/client-secret"`, `add the line "public_url: https://relbot.example.com"`}},
		{[]string{"--state", at("empty")}, []string{"webhook_secret_file: no webhook secret in it"}},
		{[]string{"--state", at("url")}, []string{`public_url: "relbot.example.org" is no URL: want https://relbot.example.org`}},
		{[]string{"--state", at("query")}, []string{`public_url: "https://relbot.example.org/x/?a=b" has a query or fragment: want https://relbot.example.org/x`}},
		{[]string{"--state", at("fragment")}, []string{`public_url: "https://relbot.example.org/#top" has a query or fragment: want https://relbot.example.org`}},
		{[]string{"--state", at("no-number")}, []string{at("no-number/relbot.yml") + ":1:1: github_app_id: is empty: want the number"}},
		{[]string{"--state", at("file")}, []string{"flag --state: state: " + at("file") + " is not a directory"}},
		{[]string{"--config", at("nowhere.yml"), "--state", at("bare")}, []string{at("nowhere.yml") + ": no such file"}},
	} {
		for _, command := range []string{"serve", "setup"} {
			_, errs, code := relbot(t, append([]string{command, "--listen", "127.0.0.1:0"}, c.args...)...)
			if code != exitUsage || strings.Contains(errs, "/setup?token=") {
				t.Errorf("%s %q: exit %d: %s", command, c.args, code, errs)
			}
			for _, want := range c.want {
				if !strings.Contains(errs, want) {
					t.Errorf("%s %q: without %q: %s", command, c.args, want, errs)
				}
			}
		}
	}
	if after := snapshot(t, dir); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("files changed:\n%v\n%v", before, after)
	}
}

// snapshot is the content of all files of a directory.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		out[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestAKeyOfAnotherApp: the doctor says what to do, the server goes on to say so, and nothing is written over.
func TestAKeyOfAnotherApp(t *testing.T) {
	gh, web := enterprise(t, ghsim.Options{Unregistered: true})
	address, dir := free(t), t.TempDir()
	setup := start(t, "setup", "--state", dir, "--listen", address, "--public-url", "http://"+address, "--github-api-url", web.URL+"/api/v3")
	registerApp(t, setup.log.String, map[string]string{"account": "acme"}).submit("/setup/finish", nil)
	setup.stop()
	found, err := filepath.Glob(filepath.Join(dir, "app-*.pem"))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	_, other := appPEM(t)
	if err := os.WriteFile(found[0], other, 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, code := relbot(t, "doctor", "--state", dir)
	if code != exitBlocked || !strings.Contains(out, "The key belongs to another App") || !strings.Contains(out, "github_private_key_file") {
		t.Errorf("exit %d: %s %s", code, out, errs)
	}
	if text, err := os.ReadFile(found[0]); err != nil || string(text) != string(other) {
		t.Error("the key was written over")
	}
	if p := gh.Problems(); len(p) > 0 {
		t.Error(p)
	}
}

// TestSetupSecret prints what setup wrote as a Secret that the chart reads.
func TestSetupSecret(t *testing.T) {
	if _, errs, code := relbot(t, "setup", "secret", "relbot-github", "--state", t.TempDir()); code != exitUsage || !strings.Contains(errs, "no App is set up yet") {
		t.Errorf("exit %d: %s", code, errs)
	}
	_, key := appPEM(t)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"relbot.yml": "github_app_id: 12345678\npublic_url: https://r.example\ngithub_client_id: Iv1\ngithub_private_key_file: " + dir + "/k\nwebhook_secret_file: " + dir + "/w\ngithub_client_secret_file: " + dir + "/c\n",
		"k":          string(key), "w": "new\nold\n", "c": "hush\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, errs, code := relbot(t, "setup", "secret", "relbot-github", "--state", dir)
	for _, want := range []string{`"kind": "Secret"`, `"name": "relbot-github"`, `"webhook-secret": "new\nold\n"`, `"client-secret": "hush"`, `"private-key": "-----BEGIN`} {
		if !strings.Contains(out, want) {
			t.Errorf("without %s: %s", want, out)
		}
	}
	if code != exitFine || !strings.Contains(errs, "--set-string github.appId=12345678") || strings.Contains(errs, "hush") {
		t.Errorf("exit %d: %s", code, errs)
	}
}
