package ghapp_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/budget"
	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/ghapp"
	"github.com/relbot/relbot/internal/ghsim"
)

const repo = coupling.Repo("acme/app")

var pull = coupling.Pull{Repo: repo, Number: 1}

var appKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// world is a GitHub with limits, and an App that speaks to it.
type world struct {
	*ghapp.App
	gh    *ghsim.GitHub
	url   string // of the API
	clock time.Time

	mu      sync.Mutex
	calls   []string // "METHOD path: status"
	bodies  []string // of requests for tokens
	refused int      // calls that GitHub refused for a limit
}

func newWorld(t *testing.T, wrap func(http.Handler) http.Handler) *world {
	t.Helper()
	key, err := appKey()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{clock: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)}
	now := func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.clock }
	w.gh = ghsim.New(ghsim.Options{Clock: now, AppID: 7, Key: &key.PublicKey, Limits: true, Inspect: func(r *http.Request, body []byte, status int, answer []byte) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.calls = append(w.calls, fmt.Sprintf("%s %s: %d", r.Method, r.URL.Path, status))
		if strings.HasSuffix(r.URL.Path, "/access_tokens") {
			w.bodies = append(w.bodies, string(body))
		}
		if text := string(answer); strings.Contains(text, "rate limit") {
			w.refused++
		}
	}})
	must(t, w.gh.CreateRepo(ghsim.RepoSpec{Name: repo, Private: true, MergeQueue: true, Files: map[string]string{"src/a.go": "a", "src/b/c.go": "c", "x": "x"}, Permissions: map[string]string{"ann": "write"}}))
	must(t, w.gh.Install(repo))
	must(t, w.gh.Open(ghsim.OpenSpec{Repo: repo, Number: 1, By: "ann", Title: "T"}))
	handler := w.gh.Handler()
	if wrap != nil {
		handler = wrap(handler)
	}
	api := httptest.NewServer(handler)
	t.Cleanup(api.Close)
	w.url = api.URL
	pemText := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	if w.App, err = ghapp.New(ghapp.Settings{APIURL: api.URL, AppID: 7, Key: pemText, Now: now}); err != nil {
		t.Fatal(err)
	}
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

func (w *world) sent() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.calls)
}

// check posts a check; each has another text.
func (w *world) check(ctx context.Context, n int) error {
	_, err := w.PutCheck(ctx, repo, forge.CheckRun{Name: "relbot/coordination", Head: w.gh.Commit(repo, "pr-1"), Status: "in_progress", Title: fmt.Sprint(n), Summary: "s"})
	return err
}

// comment is a call for notes.
func (w *world) comment(ctx context.Context) error {
	_, err := w.Comments(budget.With(ctx, budget.Notes), pull)
	return err
}

// tag sets the i-th tag, each on a commit of its own.
func (w *world) tag(i int) error {
	text := fmt.Sprint(i)
	return w.gh.Tag(repo, ghsim.TagSpec{Name: "v1." + text, Files: map[string]*string{"x": &text}, OffBranch: true})
}

// contains asks of more revisions than are compared one by one whether they have a commit.
func (w *world) contains(ctx context.Context, commit string) error {
	var revs []string
	for i := range 10 {
		revs = append(revs, fmt.Sprint("v1.", i))
	}
	_, err := w.Contains(ctx, repo, commit, revs)
	return err
}

// graphql sends a query as ann.
func (w *world) graphql(query string) error {
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodPost, w.url+"/graphql", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer ghp_ann")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

func waits(t *testing.T, err error, why error) time.Duration {
	t.Helper()
	var retry *forge.RetryError
	if !errors.As(err, &retry) || !errors.Is(err, why) {
		t.Fatalf("got %v, want a retry because %v", err, why)
	}
	return retry.After
}

func TestPriority(t *testing.T) {
	w := newWorld(t, nil)
	must(t, w.check(t.Context(), 0))
	w.gh.Spend(string(repo), "core", 10_000) // less than a quarter is left
	must(t, w.check(t.Context(), 1))
	must(t, w.comment(t.Context()))
	_, err := w.Issues(budget.With(t.Context(), budget.Report), repo, "x")
	if after := waits(t, err, budget.ErrHour); after < 59*time.Minute || after > 61*time.Minute {
		t.Errorf("the report waits for %s, want until the hour ends", after)
	}
	w.gh.Spend(string(repo), "core", 2_000) // less than a tenth
	must(t, w.check(t.Context(), 2))
	waits(t, w.comment(t.Context()), budget.ErrHour)
	for n := range 60 { // what is left is for the checks
		must(t, w.check(t.Context(), 3+n))
	}
	w.gh.Spend(string(repo), "core", 12_500)
	var retry *forge.RetryError
	if err := w.check(t.Context(), 99); !errors.As(err, &retry) || retry.After < 59*time.Minute { // GitHub says so
		t.Errorf("got %v", err)
	}
	before := w.sent()
	waits(t, w.check(t.Context(), 100), budget.ErrHour)
	if w.sent() != before {
		t.Error("asked GitHub though nothing was left")
	}
	w.pass(61 * time.Minute)
	must(t, w.check(t.Context(), 101))
	must(t, w.comment(t.Context()))
}

func TestPointsAMinute(t *testing.T) {
	w := newWorld(t, nil)
	done, turns := 0, []time.Duration{}
	for n := range 400 {
		switch err := w.check(t.Context(), n); {
		case err == nil:
			done++
		default:
			turns = append(turns, waits(t, err, budget.ErrPoints))
		}
	}
	if done < 140 || done > 180 || w.refused != 0 {
		t.Errorf("%d checks at once, %d refused by GitHub; it takes 180 a minute", done, w.refused)
	}
	// Those who wait come one after the other.
	if slices.Sort(turns); turns[0] > time.Minute || turns[len(turns)-1] < time.Minute+time.Duration(len(turns)-done)*time.Minute/180 {
		t.Errorf("they come after %s to %s", turns[0], turns[len(turns)-1])
	}
	w.pass(time.Minute)
	for n := range done - 5 {
		must(t, w.check(t.Context(), 1000+n))
	}
	if w.refused != 0 {
		t.Error("GitHub refused a call")
	}
}

// TestDemotionsDoNotWait holds that a flood of checks leaves room for those that take a pass back, and keeps no place before them in the line.
func TestDemotionsDoNotWait(t *testing.T) {
	w := newWorld(t, nil)
	for n := range 2000 {
		_ = w.check(t.Context(), n) // most of them wait
	}
	waits(t, w.check(t.Context(), 2000), budget.ErrPoints)
	first := budget.With(t.Context(), budget.Demotions)
	demoted, longest := 0, time.Duration(0)
	for n := range 100 {
		if err := w.check(first, 3000+n); err == nil {
			demoted++
		} else {
			longest = max(longest, waits(t, err, budget.ErrPoints))
		}
	}
	if demoted < 10 || longest > 2*time.Minute || w.refused != 0 {
		t.Errorf("%d at once, the others after %s at the most, %d refused by GitHub", demoted, longest, w.refused)
	}
	// Near the end of the hour's calls it is the same.
	w.pass(time.Minute)
	w.gh.Spend(string(repo), "core", 12_500-350)
	must(t, w.check(first, 5000))
	waits(t, w.check(t.Context(), 5001), budget.ErrHour)
	must(t, w.check(first, 5002))
}

func TestGitHubAsksToWait(t *testing.T) {
	for _, c := range []struct {
		fault ghsim.Fault
		after time.Duration
	}{
		{ghsim.Fault{Match: "writes", Answer: "403", RetryAfter: 30}, 30 * time.Second},
		{ghsim.Fault{Match: "writes", Answer: "429", RetryAfter: 90}, 90 * time.Second},
		{ghsim.Fault{Match: "writes", Answer: "429"}, time.Minute},
	} {
		w := newWorld(t, nil)
		must(t, w.comment(t.Context()))
		must(t, w.gh.AddFault(c.fault))
		var retry *forge.RetryError
		if err := w.check(t.Context(), 1); !errors.As(err, &retry) || retry.After != c.after {
			t.Errorf("%+v: %v, want to wait %s", c.fault, err, c.after)
		}
		before := w.sent()
		if after := waits(t, w.comment(t.Context()), budget.ErrPaused); after > c.after || w.sent() != before {
			t.Errorf("%+v: other calls wait %s, %d were sent", c.fault, after, w.sent()-before)
		}
		w.pass(c.after)
		must(t, w.check(t.Context(), 2))
	}
}

func TestGraphQLRefusesWith200(t *testing.T) {
	w := newWorld(t, nil)
	if _, err := w.Survey(t.Context(), []forge.SurveyRequest{{Repo: repo}}); err != nil {
		t.Fatal(err)
	}
	w.gh.Spend(string(repo), "graphql", 12_500)
	_, pulls, err := w.Read(t.Context(), forge.Reading{Pulls: []coupling.Pull{pull}})
	var retry *forge.RetryError
	if !errors.As(err, &retry) || retry.After < 59*time.Minute || !pulls[pull].Unknown() {
		t.Errorf("got %v, %+v", err, pulls)
	}
	must(t, w.check(t.Context(), 1)) // REST has a budget of its own
	w.pass(61 * time.Minute)
	if _, pulls, err = w.Read(t.Context(), forge.Reading{Pulls: []coupling.Pull{pull}}); err != nil || !pulls[pull].Known() {
		t.Errorf("got %v, %+v", err, pulls)
	}
}

func TestCallsAtOnce(t *testing.T) {
	var now, most atomic.Int64
	gate := make(chan struct{})
	w := newWorld(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/comments") {
				most.Store(max(most.Load(), now.Add(1)))
				<-gate
				now.Add(-1)
			}
			next.ServeHTTP(rw, r)
		})
	})
	if _, err := w.Survey(t.Context(), []forge.SurveyRequest{{Repo: repo}}); err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	for range 200 {
		running.Go(func() {
			if err := w.comment(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	for range 200 {
		gate <- struct{}{}
	}
	running.Wait()
	if most.Load() > budget.MaxAtOnce {
		t.Errorf("%d calls at once", most.Load())
	}
}

func TestTokensAreNarrow(t *testing.T) {
	w := newWorld(t, nil)
	must(t, w.check(t.Context(), 1))
	must(t, w.comment(t.Context()))
	if _, err := w.PostComment(t.Context(), pull, "hello"); err != nil {
		t.Fatal(err)
	}
	var asked []string
	for _, body := range w.bodies {
		var in struct {
			Permissions  map[string]string
			Repositories []string
		}
		must(t, json.Unmarshal([]byte(body), &in))
		if in.Permissions["contents"] == "write" {
			t.Errorf("a token may write contents: %s", body)
		}
		writes := []string{}
		for name, level := range in.Permissions {
			if level != "read" {
				writes = append(writes, name)
			}
		}
		slices.Sort(writes)
		asked = append(asked, fmt.Sprint(in.Repositories, writes))
	}
	if want := []string{"[app] [checks statuses]", "[] []", "[app] [issues pull_requests]"}; !slices.Equal(asked, want) {
		t.Errorf("tokens for %q, want %q", asked, want)
	}
}

func TestTokenFailures(t *testing.T) {
	t.Run("GitHub fails", func(t *testing.T) {
		w := newWorld(t, nil)
		must(t, w.gh.AddFault(ghsim.Fault{Match: "POST /app/installations/*/access_tokens", Answer: "timeout"}))
		var retry *forge.RetryError
		if err := w.check(t.Context(), 1); !errors.As(err, &retry) || errors.Is(err, forge.ErrUnanswered) {
			t.Errorf("got %v; the check was never sent", err)
		}
		must(t, w.check(t.Context(), 1))
	})
	t.Run("suspended", func(t *testing.T) {
		w := newWorld(t, nil)
		must(t, w.check(t.Context(), 1))
		must(t, w.gh.Suspend(repo))
		var retry *forge.RetryError
		if err := w.comment(t.Context()); !errors.Is(err, forge.ErrSuspended) || errors.As(err, &retry) {
			t.Errorf("got %v", err)
		}
		must(t, w.gh.Install(repo))
		must(t, w.comment(t.Context()))
	})
	t.Run("removed", func(t *testing.T) {
		w := newWorld(t, nil)
		must(t, w.check(t.Context(), 1))
		must(t, w.gh.Uninstall(repo))
		if err := w.comment(t.Context()); !errors.Is(err, forge.ErrSuspended) && !errors.Is(err, forge.ErrGone) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no longer valid", func(t *testing.T) {
		refuse := true
		w := newWorld(t, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/comments") && refuse {
					refuse = false
					http.Error(rw, `{"message":"Bad credentials"}`, http.StatusUnauthorized)
					return
				}
				next.ServeHTTP(rw, r)
			})
		})
		if err := w.comment(t.Context()); !errors.Is(err, forge.ErrToken) {
			t.Errorf("got %v", err)
		}
		must(t, w.comment(t.Context()))
		if len(w.bodies) != 2 {
			t.Errorf("%d tokens were asked for, want a second after the first was refused", len(w.bodies))
		}
	})
}

func TestRenamed(t *testing.T) {
	w := newWorld(t, nil)
	must(t, w.comment(t.Context()))
	must(t, w.gh.Rename(repo, "acme/other"))
	must(t, w.comment(t.Context())) // redirected
	surveys, err := w.Survey(t.Context(), []forge.SurveyRequest{{Repo: repo}})
	if s := surveys[repo]; err != nil || s.Value.Name != "acme/other" {
		t.Errorf("got %+v %v", s, err)
	}
	// The token that writes is asked for by the new name, once that is known.
	var retry *forge.RetryError
	if err := w.check(t.Context(), 1); !errors.As(err, &retry) {
		t.Errorf("got %v", err)
	}
}

func TestArchived(t *testing.T) {
	w := newWorld(t, nil)
	must(t, w.gh.Archive(repo, true))
	var retry *forge.RetryError
	if err := w.check(t.Context(), 1); !errors.Is(err, forge.ErrGone) || errors.As(err, &retry) {
		t.Errorf("got %v, want no retry", err)
	}
	must(t, w.comment(t.Context()))
	surveys, err := w.Survey(t.Context(), []forge.SurveyRequest{{Repo: repo}})
	if s := surveys[repo]; err != nil || !s.Value.Archived {
		t.Errorf("got %+v %v", s, err)
	}
	must(t, w.gh.Archive(repo, false))
	must(t, w.check(t.Context(), 1))
}

// TestDirectories reads a list below a directory once for all commits that have the same.
func TestDirectories(t *testing.T) {
	w := newWorld(t, nil)
	main := w.gh.Commit(repo, "main")
	list, err := w.Tree(t.Context(), repo, main, "src")
	if err != nil || len(list.Value) != 2 || list.Value[1].Path != "src/b/c.go" {
		t.Fatalf("got %+v %v", list, err)
	}
	other := "y"
	must(t, w.gh.Push(ghsim.PushSpec{Repo: repo, Branch: "main", By: "ann", Files: map[string]*string{"x": &other}}))
	surveys, err := w.Survey(t.Context(), []forge.SurveyRequest{{Repo: repo, Watched: []string{"src", "none"}}})
	s := surveys[repo].Value
	if err != nil || s.Tip == main || s.Watched["src"] == "" || s.Watched["none"] != "" {
		t.Fatalf("got %+v %v", s, err)
	}
	before := w.sent()
	again, err := w.Tree(t.Context(), repo, s.Tip, "src")
	files, failed := w.Files(t.Context(), repo, []forge.At{{Commit: s.Tip, Path: "src/none.go"}})
	if err = errors.Join(err, failed); err != nil || len(again.Value) != 2 || !files[forge.At{Commit: s.Tip, Path: "src/none.go"}].Absent() || w.sent() != before {
		t.Errorf("got %+v, %+v, %v with %d calls", again, files, err, w.sent()-before)
	}
}

// TestNewCheck tells of a file of the commit with the answer of the write.
func TestNewCheck(t *testing.T) {
	w := newWorld(t, nil)
	surveys, err := w.Survey(t.Context(), []forge.SurveyRequest{{Repo: repo, Watched: []string{"x"}}})
	must(t, err)
	s := surveys[repo].Value
	run := forge.CheckRun{Name: "relbot/coordination", Head: w.gh.Commit(repo, "pr-1"), ExternalID: "e", Status: "completed", Conclusion: "success", Title: "t", Summary: "s"}
	id, blob, known, err := w.NewCheck(t.Context(), repo, s.NodeID, run, "x")
	if err != nil || id == 0 || !known || blob != s.Watched["x"] || blob == "" {
		t.Errorf("got %d %q %v %v", id, blob, known, err)
	}
	if posted := w.gh.Checks(repo, run.Head); len(posted) != 1 || posted[0].Conclusion != "success" || posted[0].ExternalID != "e" {
		t.Errorf("posted %+v", posted)
	}
	if _, _, _, err := w.NewCheck(t.Context(), repo, "R_none", run, "x"); !errors.Is(err, forge.ErrGone) {
		t.Errorf("got %v", err)
	}
	run.Head = strings.Repeat("0", 40)
	if _, _, _, err := w.NewCheck(t.Context(), repo, s.NodeID, run, "x"); !errors.Is(err, forge.ErrNoCommit) {
		t.Errorf("got %v", err)
	}
}

// TestCommentsSince reads a long list in parts, misses none that stands still while others are changed, and nothing from before the App was made.
func TestCommentsSince(t *testing.T) {
	w := newWorld(t, nil)
	_, _, err := w.CommentsSince(t.Context(), repo, time.Time{})
	must(t, err)
	made := w.clock
	say := func(n int) (ids []int64) {
		for range n {
			ids = append(ids, w.gh.Comment(ghsim.CommentSpec{Pull: pull, By: "ann", Body: "hello"}))
		}
		return ids
	}
	w.pass(-1000 * time.Hour)
	say(300)
	w.pass(made.Sub(w.clock) + time.Hour)
	before := w.sent()
	if found, next, err := w.CommentsSince(t.Context(), repo, time.Time{}); err != nil || len(found) != 0 || !next.IsZero() || w.sent() != before+1 {
		t.Fatalf("of an App that was just made: %d comments with %d calls, then %v, %v", len(found), w.sent()-before, next, err)
	}
	var want []int64
	for range 30 {
		w.pass(time.Minute)
		want = append(want, say(70)...)
	}
	w.pass(time.Minute)
	want = append(want, say(350)...) // within a second
	listed, calls, parts := map[int64]bool{}, w.sent(), 0
	for at := (time.Time{}); ; parts++ {
		found, next, err := w.CommentsSince(t.Context(), repo, at)
		must(t, err)
		for _, c := range found {
			listed[c.ID] = true
		}
		if next.IsZero() {
			break
		}
		at = next
		for _, id := range want[:50] { // they go to the end
			must(t, w.gh.EditComment(id, "ann", "changed"))
		}
		w.pass(time.Minute)
	}
	for _, id := range want {
		if !listed[id] {
			t.Fatalf("comment %d of %d is missing", id, len(want))
		}
	}
	if calls = w.sent() - calls; parts != 1 || calls > 60 {
		t.Errorf("%d comments with %d calls in %d parts", len(want), calls, parts+1)
	}
}
