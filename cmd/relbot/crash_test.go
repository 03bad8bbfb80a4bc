package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/scenario"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/store/engine"
	"github.com/relbot/relbot/internal/store/postgres/pgtest"
)

// crashes is how often a server is killed; give more by hand: go test ./cmd/relbot -run Crashes -crashes 1000.
var crashes = flag.Int("crashes", 10, "how often a server is killed, on each engine")

// serveChild is set for a process of this test that is to be a server.
const serveChild = "RELBOT_TEST_SERVE"

// TestCrashes kills a server with SIGKILL at random moments, again and again, while people work and GitHub answers with faults. What was
// acknowledged is done in the end, and nothing is done twice.
func TestCrashes(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	t.Run("sqlite", func(t *testing.T) { crash(t, "sqlite:"+filepath.Join(t.TempDir(), "relbot.db")) })
	t.Run("postgres", func(t *testing.T) { crash(t, pgtest.URL(t)) })
}

func crash(t *testing.T, database string) {
	key, pemText := appPEM(t)
	var writes checkWrites
	gh := ghsim.New(ghsim.Options{Clock: time.Now, AppID: 7, Key: &key.PublicKey, Secret: "s3cret", Inspect: writes.see})
	api := httptest.NewServer(gh.Handler())
	defer api.Close()
	const repo, pairs = coupling.Repo("acme/app"), 4
	policy := "version: 1\ncouplings:\n"
	for i := range pairs {
		policy += fmt.Sprintf("  c%d: {members: {a: {pr: %d}, b: {pr: %d}}, order: [a before b]}\n", i, 2*i+1, 2*i+2)
	}
	if err := gh.CreateRepo(ghsim.RepoSpec{Name: repo, Policy: policy, Permissions: map[string]string{"ann": "write"}}); err != nil {
		t.Fatal(err)
	}
	if err := gh.Install(repo); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	start := func() *exec.Cmd {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), serveChild+"=1", "RELBOT_LISTEN="+address, "RELBOT_DATABASE_URL="+database, "RELBOT_GITHUB_API_URL="+api.URL, "RELBOT_GITHUB_APP_ID=7",
			"RELBOT_GITHUB_PRIVATE_KEY="+string(pemText), "RELBOT_WEBHOOK_SECRET=s3cret", "RELBOT_DEBOUNCE=5ms", "RELBOT_WORKERS=4")
		c.Stdout, c.Stderr = log, log
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		until(t, "ready", func() bool {
			res, err := http.Get("http://" + address + "/readyz")
			if err != nil {
				return false
			}
			res.Body.Close()
			return res.StatusCode == http.StatusOK
		})
		return c
	}
	var acknowledged acks
	ctx, stop := context.WithCancel(t.Context())
	flushed := make(chan struct{})
	go func() { // GitHub sends what happens, whether anybody listens or not
		defer close(flushed)
		post := acknowledged.poster("http://" + address + "/webhook")
		for ctx.Err() == nil {
			if gh.Flush(ctx, post) == 0 {
				select {
				case <-ctx.Done():
				case <-time.After(2 * time.Millisecond):
				}
			}
		}
	}()
	defer func() { stop(); <-flushed }()

	r := rand.New(rand.NewSource(1))
	body := func(s string) map[string]*string { return map[string]*string{"f": &s} }
	for n := 1; n <= 2*pairs; n++ {
		if err := gh.Open(ghsim.OpenSpec{Repo: repo, Number: n, By: "ann", Title: "T", Files: map[string]*string{fmt.Sprint("f", n): text("x")}}); err != nil {
			t.Fatal(err)
		}
	}
	held, commands := map[int]bool{}, map[int][]int64{}
	act := func(step int) {
		n := 1 + r.Intn(2*pairs)
		pull := coupling.Pull{Repo: repo, Number: n}
		switch r.Intn(5) {
		case 0, 1:
			if err := gh.Push(ghsim.PushSpec{Repo: repo, Pull: n, By: "ann", Files: body(fmt.Sprint(step, r.Int()))}); err != nil {
				t.Fatal(err)
			}
		case 2:
			hold := r.Intn(2) == 0
			held[(n-1)/2] = hold
			commands[n] = append(commands[n], gh.Comment(ghsim.CommentSpec{Pull: pull, By: "ann", Body: map[bool]string{true: "/relbot hold", false: "/relbot resume"}[hold]}))
		case 3:
			title := fmt.Sprint("T ", step)
			if err := gh.Edit(ghsim.EditSpec{Pull: pull, By: "ann", Title: &title}); err != nil {
				t.Fatal(err)
			}
		case 4:
			if err := gh.AddFault(ghsim.Fault{Match: []string{"reads", "writes", "graphql"}[r.Intn(3)], Answer: []string{"500", "502", "lost_answer", "timeout", "truncated"}[r.Intn(5)]}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for step := range *crashes {
		c := start()
		for range 1 + r.Intn(4) {
			act(step)
			time.Sleep(time.Duration(r.Intn(60)) * time.Millisecond)
		}
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = c.Wait()
	}
	gh.ClearFaults()
	c := start()
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()

	wrong := ""
	deadline := time.Now().Add(7 * time.Minute) // GitHub is asked every five for deliveries that it could not make
	for {
		if wrong = crashed(gh, repo, pairs, held, commands); wrong == "" || time.Now().After(deadline) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if wrong != "" {
		text, _ := os.ReadFile(log.Name())
		if out, _, _ := relbot(t, "jobs", "--all", "--database-url", database); out != "" {
			t.Log(out)
		}
		t.Fatalf("after %d crashes: %s\n%s", *crashes, wrong, tail(string(text), 4000))
	}
	time.Sleep(300 * time.Millisecond) // what is done twice is done late
	if wrong := crashed(gh, repo, pairs, held, commands); wrong != "" {
		t.Errorf("after it had settled: %s", wrong)
	}
	if p := append(gh.Problems(), writes.twice...); len(p) > 0 {
		t.Error(p)
	}
	db, err := engine.Attach(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	guids := acknowledged.list()
	for _, guid := range guids {
		if _, err := db.Delivery(t.Context(), guid); err != nil {
			t.Errorf("delivery %s was acknowledged: %v", guid, err)
		}
	}
	until(t, "no work left", func() bool {
		jobs, err := db.Jobs(t.Context())
		return err == nil && !slices.ContainsFunc(jobs, func(j store.Job) bool { return j.Attempt > 0 || !j.At.After(time.Now()) })
	})
	ran := map[string]int{}
	audits, err := db.Audits(t.Context(), "", 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range audits {
		ran[a.Key]++
	}
	given := 0
	for _, ids := range commands {
		for _, id := range ids {
			given++
			if n := ran[fmt.Sprintf("%s comment %d line 1", repo, id)]; n != 1 {
				t.Errorf("the command %d took effect %d times", id, n)
			}
		}
	}
	if faults, rows, err := checkDatabase(t.Context(), db); err != nil || len(faults) > 0 {
		t.Errorf("the database: %v %v", faults, err)
	} else {
		t.Logf("%d crashes, %d deliveries acknowledged, %d commands, %d rows", *crashes, len(guids), given, rows)
	}
}

// acks notes which deliveries were taken in.
type acks struct {
	mu    sync.Mutex
	guids map[string]bool
}

func (a *acks) list() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(maps.Keys(a.guids))
}

// poster sends deliveries and notes those that are acknowledged.
func (a *acks) poster(url string) func(context.Context, ghsim.Delivery) (int, error) {
	client := &http.Client{Timeout: 5 * time.Second}
	return func(ctx context.Context, d ghsim.Delivery) (int, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(d.Body))
		if err != nil {
			return 0, err
		}
		r.Header = d.Header.Clone()
		res, err := client.Do(r)
		if err != nil {
			return 0, err
		}
		defer res.Body.Close()
		outcome, err := io.ReadAll(res.Body)
		if err == nil && res.StatusCode == http.StatusAccepted && string(outcome) == "accepted\n" { // and not ignored
			a.mu.Lock()
			if a.guids == nil {
				a.guids = map[string]bool{}
			}
			a.guids[d.GUID] = true
			a.mu.Unlock()
		}
		return res.StatusCode, err
	}
}

// checkWrites watches the checks that are made. One that is made although the check before it on the same commit says the same was made
// twice.
type checkWrites struct {
	mu    sync.Mutex
	last  map[string]string // by commit: what was last said
	twice []string
}

func (w *checkWrites) see(r *http.Request, request []byte, status int, response []byte) {
	if !strings.Contains(r.URL.Path, "/check-runs") || r.Method == http.MethodGet || status/100 != 2 {
		return
	}
	var run struct {
		Head       string `json:"head_sha"`
		ExternalID string `json:"external_id"`
	}
	if err := json.Unmarshal(response, &run); err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last == nil {
		w.last = map[string]string{}
	}
	if r.Method == http.MethodPost && w.last[run.Head] == run.ExternalID {
		w.twice = append(w.twice, fmt.Sprintf("the check %s on %s was made twice", run.ExternalID, run.Head))
	}
	w.last[run.Head] = run.ExternalID
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// crashed says what is not as it would be without any crash.
func crashed(gh *ghsim.GitHub, repo coupling.Repo, pairs int, held map[int]bool, commands map[int][]int64) string {
	for n := 1; n <= 2*pairs; n++ {
		pull := coupling.Pull{Repo: repo, Number: n}
		want := "Passed:"
		if n%2 == 0 {
			want = "Waiting:"
		}
		if held[(n-1)/2] {
			want = "Blocked:"
		}
		if c, ok := gh.CurrentCheck(pull); !ok || !strings.HasPrefix(c.Title, want) {
			return fmt.Sprintf("#%d shows %q, want %s", n, c.Title, want)
		}
		notes := 0
		for _, c := range gh.Comments(pull) {
			switch {
			case c.Own && scenario.IsNote(c):
				notes++
			case c.Own:
				return fmt.Sprintf("#%d has a reply that nobody asked for: %s", n, c.Body)
			}
		}
		for _, c := range gh.Comments(pull) {
			switch {
			case slices.Contains(commands[n], c.ID) && !slices.Equal(c.Reactions, []string{"+1"}):
				return fmt.Sprintf("#%d: the command %q has the reactions %v", n, c.Body, c.Reactions)
			}
		}
		if notes != 1 {
			return fmt.Sprintf("#%d has %d notes", n, notes)
		}
	}
	return ""
}
