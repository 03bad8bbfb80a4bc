package main

import (
	"context"
	"crypto/rsa"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/doctor"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/ghsim/ghspec"
	"github.com/relbot/relbot/internal/settings"
	"github.com/relbot/relbot/internal/store/engine"
)

const doctorRepo = coupling.Repo("acme/app")

// clinic is a GitHub with an App, and the settings of a server that is this App.
type clinic struct {
	*ghsim.GitHub
	api, server *httptest.Server
	set         map[string]string // settings by name; they are given in the environment
}

// clinicKey is made once: making one takes longer than a case.
var clinicKey struct {
	sync.Once
	key  *rsa.PrivateKey
	text []byte
}

func newClinic(t *testing.T) *clinic {
	clinicKey.Do(func() { clinicKey.key, clinicKey.text = appPEM(t) })
	key, text := clinicKey.key, clinicKey.text
	c := &clinic{}
	c.server = httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(c.server.Close)
	c.GitHub = ghsim.New(ghsim.Options{Clock: time.Now, AppID: 7, Key: &key.PublicKey, Secret: "s3cret", HookURL: c.server.URL + "/webhook", Inspect: ghspec.New(t)})
	c.api = httptest.NewServer(c.Handler())
	t.Cleanup(c.api.Close)
	if err := c.CreateRepo(ghsim.RepoSpec{Name: doctorRepo, Policy: "version: 1\n", MergeQueue: true}); err != nil {
		t.Fatal(err)
	}
	if err := c.Install(doctorRepo); err != nil {
		t.Fatal(err)
	}
	c.Flush(t.Context(), func(context.Context, ghsim.Delivery) (int, error) { return http.StatusAccepted, nil })
	c.set = map[string]string{
		"github_app_id": "7", "github_private_key": string(text), "webhook_secret": "s3cret", "github_api_url": c.api.URL + "/api/v3", "public_url": c.server.URL,
		"database_url": "sqlite:" + filepath.Join(t.TempDir(), "relbot.db"),
	}
	return c
}

// examine runs the command.
func (c *clinic) examine(t *testing.T, args ...string) ([]doctor.Finding, int) {
	t.Helper()
	for name, text := range c.set {
		t.Setenv(settings.Setting{Name: name}.Env(), text)
	}
	out, errs, code := relbot(t, append([]string{"doctor", "--format", "json"}, args...)...)
	var answer struct{ Checks []doctor.Finding }
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		t.Fatalf("%v: %s %s", err, out, errs)
	}
	for _, f := range answer.Checks {
		if strings.Contains(f.Message+f.Fix, "s3cret") || strings.Contains(f.Message+f.Fix, "PRIVATE KEY") {
			t.Errorf("a secret is reported: %+v", f)
		}
		if (f.State == doctor.Fine) != (f.Fix == "") {
			t.Errorf("a trouble without a fix, or a fix without one: %+v", f)
		}
	}
	return answer.Checks, code
}

// silent is a GitHub that does not answer.
type silent struct{ doctor.GitHub }

func (silent) Registration(context.Context) (forge.Registration, error) {
	return forge.Registration{}, errors.New("no answer")
}

// TestDoctorOfARunningServer: pages that a server shows do not say that it should be started.
func TestDoctorOfARunningServer(t *testing.T) {
	away := func(context.Context, string) (int, error) { return 0, errors.New("no route") }
	for _, settingUp := range []bool{false, true} {
		o := doctor.Options{GitHub: silent{}, PublicURL: "https://r.example", Reach: away, Now: time.Now, SettingUp: settingUp}
		found := doctor.Run(t.Context(), o)
		i := slices.IndexFunc(found, func(f doctor.Finding) bool { return f.Check == "public-url" })
		if i < 0 || !strings.Contains(found[i].Fix, "at DNS, the reverse proxy and the firewall") || strings.Contains(found[i].Fix, "relbot serve") == settingUp {
			t.Errorf("setting up %v: %+v", settingUp, found)
		}
	}
}

func TestDoctor(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	perm := map[string]string{
		"metadata": "read", "contents": "read", "checks": "write", "statuses": "write", "pull_requests": "write", "issues": "write", "merge_queues": "read",
	}
	events := wantedGrant().Events
	without := func(name string) map[string]string {
		p := maps.Clone(perm)
		delete(p, name)
		return p
	}
	deliver := func(code int, err error) func(context.Context, ghsim.Delivery) (int, error) {
		return func(context.Context, ghsim.Delivery) (int, error) { return code, err }
	}
	for _, c := range []struct {
		name    string
		damage  func(c *clinic)
		args    []string
		check   string
		state   doctor.State
		message string
		fix     string
	}{
		{name: "settings", damage: func(c *clinic) { c.set["github_private_key"] = "garbage" }, check: "settings", state: doctor.Problem, message: "not a PEM file"},
		{name: "no App", damage: func(c *clinic) {
			c.set["github_app_id"], c.set["github_private_key"], c.set["webhook_secret"] = "", "", ""
		}, check: "settings", state: doctor.Problem, message: "no App is set", fix: "relbot setup"},
		{name: "a key of another App", damage: func(c *clinic) { _, text := appPEM(t); c.set["github_private_key"] = string(text) }, check: "app", state: doctor.Problem, message: "does not take the private key for App 7", fix: "belongs to another App"},
		{name: "another App's id", damage: func(c *clinic) { c.set["github_app_id"] = "8" }, check: "app", state: doctor.Problem, message: "knows no App 8", fix: "github_app_id"},
		{name: "no GitHub", damage: func(c *clinic) { c.api.Close() }, check: "app", state: doctor.Unknown, message: "does not answer", fix: "github_api_url"},
		{name: "a database of a newer relbot", damage: func(c *clinic) {
			path := strings.TrimPrefix(c.set["database_url"], "sqlite:")
			db, err := sql.Open("sqlite", path)
			must(err)
			_, err = db.Exec("PRAGMA user_version = 999")
			must(err)
			must(db.Close())
		}, check: "database", state: doctor.Problem, message: "newer than this program", fix: "newer relbot"},
		{name: "a database that is away", damage: func(c *clinic) { c.set["database_url"] = "postgres://relbot@127.0.0.1:1/relbot" }, check: "database", state: doctor.Problem, message: "127.0.0.1", fix: "Start the database"},
		{name: "a directory that is away", damage: func(c *clinic) { c.set["database_url"] = "sqlite:/no/such/relbot.db" }, check: "database", state: doctor.Problem, message: "/no/such", fix: "database_url"},
		{name: "no public URL", damage: func(c *clinic) { c.set["public_url"] = "" }, check: "public-url", state: doctor.Warning, message: "not set"},
		{name: "a public URL that is away", damage: func(c *clinic) { c.server.Close() }, check: "public-url", state: doctor.Warning, message: "cannot be reached from here", fix: "relbot serve"},
		{name: "an App that asks for less", damage: func(c *clinic) { c.Ask(without("checks"), events) }, check: "permissions", state: doctor.Problem, message: "does not ask for the permission checks: write", fix: "/settings/apps/relbot/permissions"},
		{name: "an App without an event", damage: func(c *clinic) {
			c.Ask(perm, slices.DeleteFunc(slices.Clone(events), func(e string) bool { return e == "create" }))
		}, check: "permissions", state: doctor.Problem, message: "the event create"},
		{name: "an App that asks for more", damage: func(c *clinic) { p := maps.Clone(perm); p["contents"] = "write"; c.Ask(p, events) }, check: "permissions", state: doctor.Warning, message: "contents: write"},
		{name: "a queue whose entries are not for the App", damage: func(c *clinic) { must(c.Grant(doctorRepo, without("merge_queues"), events)) }, check: "queue-entries", state: doctor.Problem, message: "cannot be read", fix: "merge_queues: read"},
		{name: "permissions that were reduced", damage: func(c *clinic) { must(c.Grant(doctorRepo, without("merge_queues"), events)) }, check: "permissions", state: doctor.Problem, message: "acme has not agreed to the permission merge_queues: read", fix: "/settings/installations/"},
		{name: "a webhook elsewhere", damage: func(c *clinic) { c.set["public_url"] = "https://elsewhere.invalid" }, check: "webhook", state: doctor.Problem, message: "https://elsewhere.invalid/webhook", fix: "--set-webhook"},
		{name: "a webhook secret that differs", damage: func(c *clinic) {
			tagged(t, c)
			c.Flush(t.Context(), deliver(http.StatusUnauthorized, nil))
		}, check: "deliveries", state: doctor.Problem, message: "refused with 401", fix: "secret"},
		{name: "a server that is away", damage: func(c *clinic) { tagged(t, c); c.Flush(t.Context(), deliver(0, os.ErrDeadlineExceeded)) }, check: "deliveries", state: doctor.Problem, message: "failed to connect", fix: "firewall"},
		{name: "a server without its database", damage: func(c *clinic) { tagged(t, c); c.Flush(t.Context(), deliver(http.StatusServiceUnavailable, nil)) }, check: "deliveries", state: doctor.Problem, message: "could not be stored", fix: "database"},
		{name: "something else there", damage: func(c *clinic) { tagged(t, c); c.Flush(t.Context(), deliver(http.StatusNotFound, nil)) }, check: "deliveries", state: doctor.Problem, message: "answered with 404"},
		{name: "installed nowhere", damage: func(c *clinic) { must(c.Uninstall(doctorRepo)) }, check: "installed", state: doctor.Problem, message: "installed nowhere", fix: "/apps/relbot/installations/new"},
		{name: "not installed there", args: []string{"--repo", "acme/other"}, check: "installed", state: doctor.Problem, message: "not installed on acme/other", fix: "/apps/relbot/installations/new"},
		{name: "suspended", damage: func(c *clinic) { must(c.Suspend(doctorRepo)) }, check: "installed", state: doctor.Problem, message: "suspended"},
		{name: "no policy", damage: func(c *clinic) { put(t, c, ".github/relbot.yml", nil) }, check: "policy", state: doctor.Warning, message: "there is no .github/relbot.yml", fix: "relbot config init"},
		{name: "an invalid policy", damage: func(c *clinic) { text := "version: 1\ngates: 7\n"; put(t, c, ".github/relbot.yml", &text) }, check: "policy", state: doctor.Problem, message: "1 problem, the first: 2:", fix: "relbot config validate"},
		{name: "not required", damage: func(c *clinic) { must(c.Require(doctorRepo, ghsim.Requirement{})) }, check: "required", state: doctor.Problem, message: "main does not require relbot/coordination", fix: "/acme/app/settings/rules"},
		{name: "required from any source", damage: func(c *clinic) {
			must(c.Require(doctorRepo, ghsim.Requirement{Check: "relbot/coordination", Source: "any"}))
		}, check: "required", state: doctor.Problem, message: "from any source"},
		{name: "required from any source, by branch protection", damage: func(c *clinic) {
			must(c.Require(doctorRepo, ghsim.Requirement{Check: "relbot/coordination", Source: "any", Classic: true}))
		}, check: "required", state: doctor.Problem, message: "from any source"},
		{name: "required from another App", damage: func(c *clinic) {
			must(c.Require(doctorRepo, ghsim.Requirement{Check: "relbot/coordination", Source: "other"}))
		}, check: "required", state: doctor.Problem, message: "from another App"},
		{name: "another check's name", damage: func(c *clinic) {
			text := "version: 1\ncheck: {name: ship/together}\n"
			put(t, c, ".github/relbot.yml", &text)
		}, check: "required", state: doctor.Problem, message: "does not require ship/together"},
		{name: "a queue of which nobody tells", damage: func(c *clinic) {
			must(c.Grant(doctorRepo, perm, slices.DeleteFunc(slices.Clone(events), func(e string) bool { return e == "merge_group" })))
		}, check: "merge-queue", state: doctor.Problem, message: "not notified of its groups", fix: "merge_group"},
		{name: "an IP allow list", damage: func(c *clinic) {
			must(c.AddFault(ghsim.Fault{Match: "GET /installation/repositories", Answer: "allow_list", Account: "acme", Times: -1}))
		}, args: []string{"--repo", "acme/app"}, check: "installed", state: doctor.Problem, message: "GitHub lets in nobody from this address: Although you appear", fix: "An owner of acme has to add this machine's address"},
		{name: "an account that is not listed", damage: func(c *clinic) {
			must(c.AddFault(ghsim.Fault{Match: "GET /installation/repositories", Answer: "500", Times: -1}))
		}, check: "installed", state: doctor.Unknown, message: "its repositories could not be listed"},
		{name: "an outage of reads", damage: func(c *clinic) {
			must(c.AddFault(ghsim.Fault{Match: "GET /repos/*/rules/*", Answer: "500", Times: -1}))
		}, check: "required", state: doctor.Unknown, message: "could not be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newClinic(t)
			if c.damage != nil {
				c.damage(w)
			}
			findings, code := w.examine(t, c.args...)
			i := slices.IndexFunc(findings, func(f doctor.Finding) bool {
				return f.Check == c.check && f.State == c.state && strings.Contains(f.Message, c.message) && strings.Contains(f.Fix, c.fix)
			})
			if i < 0 {
				t.Errorf("want %s %s %q, fix %q in %+v", c.state, c.check, c.message, c.fix, findings)
			}
			if want := map[doctor.State]int{doctor.Problem: exitBlocked, doctor.Unknown: exitUnknown, doctor.Warning: exitFine}[c.state]; code != want {
				t.Errorf("exit %d, want %d: %+v", code, want, findings)
			}
		})
	}
}

// tagged makes something happen of which the App is notified.
func tagged(t *testing.T, c *clinic) {
	t.Helper()
	if err := c.Tag(doctorRepo, ghsim.TagSpec{Name: "v1.0.0"}); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, c *clinic, path string, text *string) {
	t.Helper()
	if err := c.Push(ghsim.PushSpec{Repo: doctorRepo, Branch: "main", Files: map[string]*string{path: text}}); err != nil {
		t.Fatal(err)
	}
}

// TestDoctorFindsNothing holds that nothing is wrong with a good server, also while it runs, and that looking changes nothing.
func TestDoctorFindsNothing(t *testing.T) {
	for _, classic := range []bool{false, true} {
		c := newClinic(t)
		if err := c.Require(doctorRepo, ghsim.Requirement{Check: "relbot/coordination", Classic: classic}); err != nil {
			t.Fatal(err)
		}
		st, err := engine.Open(t.Context(), c.set["database_url"])
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		findings, code := c.examine(t)
		for _, f := range findings {
			if f.State != doctor.Fine && f.Check != "public-url" { // it is this machine's own
				t.Errorf("%+v", f)
			}
		}
		if code != exitFine || len(findings) < 9 {
			t.Errorf("exit %d, %d findings", code, len(findings))
		}
		if _, writes := c.Counts(); writes > 0 {
			t.Errorf("%d writes", writes)
		}
	}
}

// TestDoctorSetsTheWebhook fixes an address and a secret that differ.
func TestDoctorSetsTheWebhook(t *testing.T) {
	c := newClinic(t)
	c.set["public_url"], c.set["webhook_secret"] = "https://relbot.invalid", "new\ns3cret"
	findings, _ := c.examine(t, "--set-webhook")
	for _, f := range findings {
		if f.Check == "webhook" && f.State != doctor.Fine {
			t.Errorf("%+v", f)
		}
	}
	if c.HookURL() != "https://relbot.invalid/webhook" {
		t.Error(c.HookURL())
	}
	tagged(t, c)
	c.Flush(t.Context(), func(_ context.Context, d ghsim.Delivery) (int, error) {
		if github.ValidateSignature(d.Header.Get("X-Hub-Signature-256"), d.Body, []byte("new")) != nil {
			t.Error("not signed with the newest secret")
		}
		return http.StatusAccepted, nil
	})
}

// TestServeTellsOfAnotherAppsKey holds that a server whose key is not the App's says so at once, and who knows more.
func TestServeTellsOfAnotherAppsKey(t *testing.T) {
	c := newClinic(t)
	_, other := appPEM(t)
	c.set["github_private_key"], c.set["listen"] = string(other), free(t)
	for name, text := range c.set {
		t.Setenv(settings.Setting{Name: name}.Env(), text)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var log transcript
	done := make(chan int, 1)
	go func() { done <- run(ctx, []string{"serve"}, io.Discard, &log) }()
	until(t, "a word of it", func() bool { return strings.Contains(log.String(), "`relbot doctor` tells what to do") })
	cancel()
	if code := <-done; code != exitFine {
		t.Errorf("exit %d: %s", code, log.String())
	}
}
