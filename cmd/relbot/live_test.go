package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/ghsim/ghspec"
	"github.com/relbot/relbot/internal/live"
	"github.com/relbot/relbot/internal/settings"
)

// liveAccount is where `make live` plays; docs/live.md says what it has to be.
var liveAccount = flag.String("live", "", "play the story of docs/live.md on a real GitHub, on this account, which must own no repository")

// withServer has a play run the server of this program.
func withServer(t *testing.T, o live.Options, log io.Writer, env ...string) live.Options {
	o.Serve = func(api, secret string) (string, func() error, error) {
		i := startLogging(t, append([]string{
			"RELBOT_DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "relbot.db"), "RELBOT_GITHUB_API_URL=" + api, "RELBOT_GITHUB_APP_ID=" + fmt.Sprint(o.AppID),
			"RELBOT_GITHUB_PRIVATE_KEY=" + string(o.Key), "RELBOT_WEBHOOK_SECRET=" + secret,
		}, env...), log)
		return "http://" + i.address + "/webhook", func() error { i.cancel(); return <-i.done }, nil
	}
	return o
}

// lab is a simulated GitHub that answers as a real one does where relbot has no public address. No delivery arrives, and all are in
// the log.
type lab struct {
	*ghsim.GitHub
	live.Options
	before func(w http.ResponseWriter, r *http.Request) bool // sees each request; true when it answered
	after  func(r *http.Request, body []byte) []byte         // changes answers
}

func newLab(t *testing.T, kind string) *lab {
	t.Helper()
	key, pem := appPEM(t)
	l := &lab{GitHub: ghsim.New(ghsim.Options{Clock: time.Now, AppID: 7, Key: &key.PublicKey, Secret: "of the App", Limits: true, Inspect: ghspec.New(t)})}
	api := httptest.NewServer(l)
	t.Cleanup(api.Close)
	account := map[string]string{"Organization": "lab", "User": "ann"}[kind]
	l.InstallAll(account, kind == "Organization")
	if err := l.SetWebhooks("off"); err != nil {
		t.Fatal(err)
	}
	go func() { // auto-merge and the queue go on by themselves
		for t.Context().Err() == nil {
			l.SettleGroups()
			time.Sleep(20 * time.Millisecond)
		}
	}()
	l.Options = withServer(t, live.Options{
		API: api.URL, Account: account, Token: "ghp_ann", AppID: 7, Key: pem, Pace: 20 * time.Millisecond, Patience: 2 * time.Minute, Quiet: 400 * time.Millisecond, Log: t.Logf,
	}, io.Discard, "RELBOT_DEBOUNCE=1ms")
	return l
}

func (l *lab) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if l.before != nil && l.before(w, r) {
		return
	}
	if l.after == nil {
		l.Handler().ServeHTTP(w, r)
		return
	}
	rec := httptest.NewRecorder()
	l.Handler().ServeHTTP(rec, r)
	for name, values := range rec.Header() {
		if name != "Content-Length" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(l.after(r, rec.Body.Bytes())) // an error is the client's going away
}

// TestLive plays the story on a real GitHub where it is asked for, else on a simulated one, and then on another simulated one. It prints where
// they differ. Between two simulated ones there is no difference, and nothing is left behind.
func TestLive(t *testing.T) {
	t.Parallel()
	github := newLab(t, "Organization")
	o, ctx := github.Options, t.Context()
	if *liveAccount != "" {
		o = realGitHub(t)
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		defer stop()
	}
	got, failed := live.Run(ctx, o)
	if got == nil || ctx.Err() != nil {
		t.Fatal(failed)
	}
	simulated := newLab(t, got.Kind)
	want, err := live.Run(t.Context(), simulated.Options)
	if err != nil {
		t.Fatal(err)
	}
	differences := live.Differences(got, want)
	if *liveAccount != "" {
		printLive(got, differences)
		differences = nil
	}
	if failed != nil {
		t.Error(failed)
	}
	for _, d := range differences {
		t.Error(d)
	}
	for _, l := range []*lab{github, simulated} {
		if left := l.Repos(); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		for _, p := range l.Problems() {
			t.Error(p)
		}
	}
}

// realGitHub is the GitHub that the environment names.
func realGitHub(t *testing.T) live.Options {
	t.Helper()
	set, err := settings.Load("", append(os.Environ(), "RELBOT_WEBHOOK_SECRET=none", "RELBOT_WEBHOOK_SECRET_FILE="), nil)
	if err != nil {
		t.Fatal(err)
	}
	token := os.Getenv("LIVE_TOKEN")
	if token == "" {
		t.Fatal("LIVE_TOKEN is missing: the token of the person who acts (docs/live.md)")
	}
	log, err := os.CreateTemp("", "relbot-live-*.log")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	fmt.Println("relbot's log:", log.Name())
	return withServer(t, live.Options{
		API: set.GitHubAPIURL, Account: *liveAccount, Token: token, AppID: set.AppID, Key: set.PrivateKey, Pace: 2 * time.Second, Patience: 5 * time.Minute, Quiet: 15 * time.Second,
		Log: func(format string, args ...any) { fmt.Printf(format+"\n", args...) },
	}, log)
}

func printLive(r *live.Record, differences []string) {
	for _, s := range r.Steps {
		fmt.Printf("\n%s\n", s.Name)
		for _, line := range slices.Concat(s.Answers, s.Shows) {
			fmt.Println("  ", line)
		}
		fmt.Println("   events:", strings.Join(s.Events, ", "))
	}
	fmt.Printf("\n%d differences from the simulated GitHub\n", len(differences))
	for _, d := range differences {
		fmt.Println("  ", d)
	}
}

// TestLiveOfAUser plays the story on the account of a person, which has no merge queue.
func TestLiveOfAUser(t *testing.T) {
	t.Parallel()
	l := newLab(t, "User")
	r, err := live.Run(t.Context(), l.Options)
	if err != nil || r.Kind != "User" {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestLiveDiffers has a GitHub behave in another way than the simulated one, and holds that each difference is reported, and no other.
func TestLiveDiffers(t *testing.T) {
	t.Parallel()
	l := newLab(t, "Organization")
	l.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/pulls/1/merge") {
			http.Error(w, `{"message":"Not now"}`, http.StatusConflict)
			return true
		}
		return false
	}
	l.after = func(r *http.Request, body []byte) []byte {
		switch {
		case strings.HasSuffix(r.URL.Path, "/annotations"):
			return bytes.ReplaceAll(body, []byte(`"start_line":1`), []byte(`"start_line":"one"`))
		case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/pulls/3"):
			return bytes.ReplaceAll(bytes.ReplaceAll(body, []byte(`"draft":`), []byte(`"drafted":`)), []byte(`"mergeable":`), []byte(`"can_merge":`))
		case r.URL.Path == "/app/hook/deliveries":
			return bytes.ReplaceAll(body, []byte(`"action":"closed"`), []byte(`"action":"merged"`))
		}
		return body
	}
	got, err := live.Run(t.Context(), l.Options)
	if err != nil {
		t.Fatal(err)
	}
	want, err := live.Run(t.Context(), newLab(t, "Organization").Options)
	if err != nil {
		t.Fatal(err)
	}
	differences := live.Differences(got, want)
	for _, d := range []string{
		"the one that waits is merged: answers: GitHub alone: the merge of #1 is refused with 409",
		"the one that waits is merged: answers: simulated alone: the merge of #1 is refused with 405",
		"the first lands, and the other by itself: events: GitHub alone: pull_request.merged",
		"the first lands, and the other by itself: events: simulated alone: pull_request.closed",
		"both are queued: events: GitHub alone: pull_request.merged",
		"both are queued: events: simulated alone: pull_request.closed",
		"form: a person's GET /repos/R/check-runs/N/annotations: [].start_line is text, simulated number",
		"form: the webhook pull_request.merged: GitHub alone",
		"form: the webhook pull_request.closed: simulated alone",
	} {
		if !slices.Contains(differences, d) {
			t.Errorf("not reported: %s", d)
		}
		differences = slices.DeleteFunc(differences, func(s string) bool { return s == d })
	}
	for _, d := range differences {
		t.Errorf("reported, too: %s", d)
	}
}

// TestLiveRefuses holds that nothing is written where anything could be lost.
func TestLiveRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind    string
		arrange func(t *testing.T, l *lab)
		why     string
	}{
		"somebody's repository": {"Organization", func(t *testing.T, l *lab) { createRepo(t, l, "precious", "") }, "lab/precious was not made by this suite"},
		"a name alone":          {"Organization", func(t *testing.T, l *lab) { createRepo(t, l, "relbot-live-1", "") }, "lab/relbot-live-1 was not made by this suite"},
		"a copied mark": {"Organization", func(t *testing.T, l *lab) {
			createRepo(t, l, "relbot-live-copy", leaveBehind(t, l, true))
		}, "lab/relbot-live-copy was not made by this suite"},
		"another App's mark": {"Organization", func(t *testing.T, l *lab) {
			other := newLab(t, "Organization") // where the repository has the same id
			createRepo(t, l, "relbot-live-other", leaveBehind(t, other, false))
		}, "lab/relbot-live-other was not made by this suite"},
		"an App of many": {"Organization", func(t *testing.T, l *lab) { l.InstallAll("acme", true) }, "2 installations"},
		"selected repositories": {"Organization", func(t *testing.T, l *lab) {
			if err := errors.Join(l.CreateRepo(ghsim.RepoSpec{Name: "acme/app"}), l.Install("acme/app")); err != nil {
				t.Fatal(err)
			}
		}, "2 installations"},
		"another account":  {"Organization", func(_ *testing.T, l *lab) { l.Account = "acme" }, "is installed on lab, and not on acme"},
		"another's token":  {"User", func(_ *testing.T, l *lab) { l.Token = "ghp_bob" }, "the token is bob's"},
		"no key of an App": {"User", func(_ *testing.T, l *lab) { l.Key = []byte("x") }, "the App's private key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, c.kind)
			c.arrange(t, l)
			_, before := l.Counts()
			repos := l.Repos()
			_, err := live.Run(t.Context(), l.Options)
			if err == nil || !strings.Contains(err.Error(), c.why) {
				t.Errorf("%v, want %q", err, c.why)
			}
			if _, now := l.Counts(); now != before || !slices.Equal(l.Repos(), repos) {
				t.Errorf("%d writes; %v were there, and are now %v", now-before, repos, l.Repos())
			}
		})
	}
}

// createRepo has a person make a repository over the API.
func createRepo(t *testing.T, l *lab, name, description string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"name": name, "description": description, "auto_init": true})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, l.API+"/orgs/lab/repos", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer ghp_ann")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusCreated {
		t.Fatal(res.Status)
	}
}

// leaveBehind has a run end before it can delete what it made, and gives the description with which that is marked. With stays it is there still,
// else it was deleted since.
func leaveBehind(t *testing.T, l *lab, stays bool) string {
	t.Helper()
	var mu sync.Mutex
	var mark string
	l.before = func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if r.Method == http.MethodPatch {
			body, _ := io.ReadAll(r.Body) // it is checked below
			r.Body = io.NopCloser(bytes.NewReader(body))
			mark = string(regexp.MustCompile(`"description":"([^"]*)"`).FindSubmatch(body)[1])
		}
		if stays && r.Method == http.MethodDelete || r.Method == http.MethodPut {
			http.Error(w, "{}", http.StatusBadGateway)
			return true
		}
		return false
	}
	if _, err := live.Run(t.Context(), l.Options); err == nil {
		t.Fatal("nothing was broken off")
	}
	l.before = nil
	if n := len(l.Repos()); !strings.Contains(mark, "Mark: ") || stays != (n == 1) {
		t.Fatalf("%d repositories, marked %q", n, mark)
	}
	return mark
}

// TestLiveCleansUp holds that a run deletes what it made however it ends, and the next one what could not be deleted.
func TestLiveCleansUp(t *testing.T) {
	t.Parallel()
	broken := func(l *lab, method, end string) {
		l.before = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != method || !strings.HasSuffix(r.URL.Path, end) {
				return false
			}
			http.Error(w, `{"message":"Broken"}`, http.StatusInternalServerError)
			return true
		}
	}
	for name, arrange := range map[string]func(t *testing.T, l *lab){
		"the mark cannot be written": func(_ *testing.T, l *lab) {
			l.before = func(w http.ResponseWriter, r *http.Request) bool { return refuse(w, r.Method == http.MethodPatch) }
		},
		"a file cannot be written":     func(_ *testing.T, l *lab) { broken(l, http.MethodPut, "/contents/VERSION") },
		"the rule cannot be made":      func(_ *testing.T, l *lab) { broken(l, http.MethodPost, "/rulesets") },
		"a pull request is not opened": func(_ *testing.T, l *lab) { broken(l, http.MethodPost, "/pulls") },
		"relbot does not start": func(_ *testing.T, l *lab) {
			l.Serve = func(string, string) (string, func() error, error) { return "", nil, errors.New("it does not start") }
		},
		"relbot does nothing": func(_ *testing.T, l *lab) {
			l.Patience = 500 * time.Millisecond
			l.Serve = func(string, string) (string, func() error, error) {
				deaf := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
				return deaf.URL, func() error { deaf.Close(); return nil }, nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, "Organization")
			arrange(t, l)
			if _, err := live.Run(t.Context(), l.Options); err == nil {
				t.Error("it came to its end")
			}
			if left := l.Repos(); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
	t.Run("it is interrupted", func(t *testing.T) {
		t.Parallel()
		l := newLab(t, "Organization")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		l.before = func(_ http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/pulls/1/merge") {
				cancel()
			}
			return false
		}
		if _, err := live.Run(ctx, l.Options); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if left := l.Repos(); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	t.Run("the next run", func(t *testing.T) {
		t.Parallel()
		l := newLab(t, "Organization")
		leaveBehind(t, l, true)
		old := l.Repos()[0]
		broken(l, http.MethodPost, "/orgs/lab/repos")
		if _, err := live.Run(t.Context(), l.Options); err == nil || len(l.Repos()) > 0 {
			t.Errorf("%v; %s was left behind, and there are %v", err, old, l.Repos())
		}
	})
	t.Run("another repository took its name", func(t *testing.T) {
		t.Parallel()
		l := newLab(t, "Organization")
		var taken atomic.Bool
		l.before = func(_ http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/pulls/1/merge") && taken.CompareAndSwap(false, true) {
				name := l.Repos()[0]
				if err := errors.Join(l.Rename(name, "gone"), l.CreateRepo(ghsim.RepoSpec{Name: name})); err != nil {
					t.Error(err)
				}
			}
			return false
		}
		_, err := live.Run(t.Context(), l.Options)
		if err == nil || !strings.Contains(err.Error(), "is another repository now: it stays") {
			t.Error(err)
		}
		if !slices.ContainsFunc(l.Repos(), func(r coupling.Repo) bool { return strings.HasPrefix(r.Name(), "relbot-live-") }) {
			t.Errorf("there are %v", l.Repos())
		}
	})
}

func refuse(w http.ResponseWriter, is bool) bool {
	if is {
		http.Error(w, `{"message":"Broken"}`, http.StatusInternalServerError)
	}
	return is
}
