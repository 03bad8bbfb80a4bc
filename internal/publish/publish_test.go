package publish_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
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
	"github.com/relbot/relbot/internal/ghsim/ghspec"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/publish"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/store/sqlite"
)

const repo = coupling.Repo("acme/app")

var pull = coupling.Pull{Repo: repo, Number: 1}

// world is a publisher before the embedded GitHub.
type world struct {
	t    *testing.T
	gh   *ghsim.GitHub
	app  *ghapp.App
	st   store.Store
	path string
	left int           // writes of checks that come through; negative is all
	skew *atomic.Int64 // of the clock, in nanoseconds
	*publish.Publisher
}

// RoundTrip breaks the connection for writes of checks when none is left.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet && strings.Contains(r.URL.Path, "/check-runs") {
		if w.left == 0 {
			return nil, errors.New("connection refused")
		}
		w.left--
	}
	return http.DefaultTransport.RoundTrip(r)
}

// appKey takes long to make.
var appKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.skew.Load())) }

// until does something until it succeeds, each time when its error says so, and fails the test after half a minute of the world's clock.
func (w *world) until(do func(*world) error) {
	w.t.Helper()
	for begun := w.now(); ; {
		err := do(w)
		var wait *forge.RetryError
		if err == nil {
			return
		}
		if !errors.As(err, &wait) || w.now().Sub(begun) > 30*time.Second {
			w.t.Fatal(err)
		}
		w.skew.Add(int64(max(wait.After, time.Second)))
	}
}

func newWorld(t *testing.T) *world {
	key, err := appKey()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, left: -1, skew: new(atomic.Int64), path: filepath.Join(t.TempDir(), "relbot.db")}
	w.gh = ghsim.New(ghsim.Options{Clock: w.now, AppID: 7, Key: &key.PublicKey, Secret: "x", Inspect: ghspec.New(t)})
	api := httptest.NewServer(w.gh.Handler())
	t.Cleanup(api.Close)
	text := "x"
	for _, err := range []error{
		w.gh.CreateRepo(ghsim.RepoSpec{Name: repo}), w.gh.Install(repo),
		w.gh.Open(ghsim.OpenSpec{Repo: repo, Number: 1, By: "ann", Title: "T", Files: map[string]*string{"f": &text}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	w.app, err = ghapp.New(ghapp.Settings{APIURL: api.URL, AppID: 7, Now: w.now, HTTP: w, Key: pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})})
	if err != nil {
		t.Fatal(err)
	}
	w.open()
	return w
}

// open opens the store, as after a crash.
func (w *world) open() {
	w.t.Helper()
	if w.st != nil {
		w.st.Close()
	}
	st, err := sqlite.Open(w.t.Context(), w.path)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { st.Close() })
	w.st, w.Publisher = st, &publish.Publisher{GitHub: w.app, Store: st, Now: w.now}
}

func (w *world) head() string { return w.gh.Commit(repo, "pr-1") }

// effects are all ways in which something is published.
var effects = map[string]struct {
	before func(w *world) error // what is first
	do     func(w *world) error
	match  string                // the write whose answer is lost
	shows  func(w *world) string // what it did, or what is wrong with that
	want   string
}{
	"a check is made": {
		do: func(w *world) error { return check(w, "in_progress", "", "Waiting: one") }, match: "POST /repos/*/check-runs", shows: checks, want: "Waiting: one",
	},
	"a check is changed": {
		before: func(w *world) error { return check(w, "in_progress", "", "Waiting: one") },
		do:     func(w *world) error { return check(w, "completed", "success", "Passed: two") }, match: "PATCH /repos/*/check-runs/*", shows: checks, want: "Passed: two",
	},
	"a check is reverted": {
		before: func(w *world) error { return check(w, "completed", "success", "Passed: one") },
		do:     func(w *world) error { return check(w, "in_progress", "", "Waiting: two") }, match: "POST /repos/*/check-runs", shows: checks, want: "Waiting: two",
	},
	"a check is made with annotations": {
		do: func(w *world) error { return annotated(w, "Blocked: one", "a", "b") }, match: "POST /repos/*/check-runs", shows: annotations, want: "Blocked: one [a b], 1 run",
	},
	"a check is changed, and its annotations are not": {
		before: func(w *world) error { return annotated(w, "Blocked: one", "a", "b") },
		do:     func(w *world) error { return annotated(w, "Blocked: two", "a", "b") }, match: "PATCH /repos/*/check-runs/*", shows: annotations, want: "Blocked: two [a b], 1 run",
	},
	"a check gets its first annotations": {
		before: func(w *world) error { return check(w, "in_progress", "", "Waiting: one") },
		do:     func(w *world) error { return annotated(w, "Blocked: two", "a") }, match: "PATCH /repos/*/check-runs/*", shows: annotations, want: "Blocked: two [a], 1 run",
	},
	"a check gets other annotations": {
		before: func(w *world) error { return annotated(w, "Blocked: one", "a", "b") },
		do:     func(w *world) error { return annotated(w, "Blocked: two", "b", "c") }, match: "POST /repos/*/check-runs", shows: annotations, want: "Blocked: two [b c], 2 runs",
	},
	"a check loses its annotations": {
		before: func(w *world) error { return annotated(w, "Blocked: one", "a") },
		do:     func(w *world) error { return check(w, "completed", "success", "Passed: two") }, match: "POST /repos/*/check-runs", shows: annotations, want: "Passed: two [], 2 runs",
	},
	"a check has annotations for three requests": {
		before: func(w *world) error { return annotated(w, "Blocked: one", "a") },
		do:     func(w *world) error { return annotated(w, "Blocked: many", many...) }, match: "POST /repos/*/check-runs", shows: wholly, want: "Blocked: many " + fmt.Sprint(many),
	},
	"the second of three requests for annotations": {
		before: func(w *world) error { return check(w, "in_progress", "", "Waiting: one") },
		do:     func(w *world) error { return annotated(w, "Blocked: many", many...) }, match: "PATCH /repos/*/check-runs/*", shows: wholly, want: "Blocked: many " + fmt.Sprint(many),
	},
	"a note is posted": {
		do: func(w *world) error { return post(w, "p", "one") }, match: "POST /repos/*/issues/1/comments", shows: comments, want: "one",
	},
	"a note is edited": {
		before: func(w *world) error { return post(w, "p", "one") },
		do:     func(w *world) error { return post(w, "p", "two") }, match: "PATCH /repos/*/issues/comments/*", shows: comments, want: "two",
	},
	"a note is followed by another": {
		before: func(w *world) error { return post(w, "p", "one") },
		do:     func(w *world) error { return post(w, "q", "two") }, match: "POST /repos/*/issues/1/comments", shows: comments, want: "-outdated- two",
	},
	"a note gets its banner": {
		before: func(w *world) error { return post(w, "p", "one") },
		do:     func(w *world) error { return post(w, "q", "two") }, match: "PATCH /repos/*/issues/comments/*", shows: comments, want: "-outdated- two",
	},
	"a note is folded": {
		before: func(w *world) error { return post(w, "p", "one") },
		do:     func(w *world) error { return post(w, "q", "two") }, match: "graphql", shows: comments, want: "-outdated- two",
	},
	"a reply is made": {
		do: func(w *world) error {
			return w.Once(w.t.Context(), pull, "k", note.ReplyMarker("k"), note.ReplyMarker("k")+"\nreply", false)
		}, match: "POST /repos/*/issues/1/comments", shows: comments, want: "reply",
	},
	"a comment gets a reaction": {
		before: func(w *world) error {
			w.gh.Comment(ghsim.CommentSpec{Pull: pull, By: "ann", Body: "hello"})
			return nil
		},
		do: func(w *world) error { return w.GitHub.React(w.t.Context(), repo, w.gh.Comments(pull)[0].ID, "+1") }, match: "POST /repos/*/reactions",
		shows: func(w *world) string { return strings.Join(w.gh.Comments(pull)[0].Reactions, " ") }, want: "+1",
	},
}

func check(w *world, status, conclusion, title string) error {
	_, err := w.Check(w.t.Context(), repo, forge.CheckRun{Name: "relbot/coordination", Head: w.head(), Status: status, Conclusion: conclusion, Title: title, Summary: "s"}, publish.CheckOptions{As: "check", Now: w.now(), Again: []store.Work{{Kind: "k", Key: "again"}}})
	return err
}

// annotated publishes a check that fails, with an annotation for each message.
func annotated(w *world, title string, messages ...string) error {
	_, err := w.Check(w.t.Context(), repo, failing(w, title, messages...), publish.CheckOptions{As: "check", Now: time.Now()})
	return err
}

func failing(w *world, title string, messages ...string) forge.CheckRun {
	run := forge.CheckRun{Name: "relbot/coordination", Head: w.head(), Status: "completed", Conclusion: "failure", Title: title, Summary: "s"}
	for i, m := range messages {
		run.Annotations = append(run.Annotations, forge.Annotation{Path: "f", Line: i + 1, Level: "failure", Title: "t", Message: m})
	}
	return run
}

// many are more annotations than two requests carry.
var many = func() (out []string) {
	for i := range 120 {
		out = append(out, fmt.Sprint("m", i))
	}
	return out
}()

// wholly is the title of the check that is shown, with its annotations.
func wholly(w *world) string {
	c, _ := w.gh.CurrentCheck(pull)
	said := []string{}
	for _, a := range c.Annotations {
		said = append(said, a.Message)
	}
	return fmt.Sprint(c.Title, " ", said)
}

// annotations is the same, with how many runs there are.
func annotations(w *world) string {
	n := len(w.gh.Checks(repo, w.head()))
	return fmt.Sprintf("%s, %d run%s", wholly(w), n, strings.Repeat("s", min(n-1, 1)))
}

func post(w *world, picture, text string) error {
	return w.Note(w.t.Context(), pull, strings.Replace(note.Note(note.NoteInput{Pull: pull}), "<details>", text+"\n\n<details>", 1), publish.NoteOptions{Picture: picture})
}

// checks is the title of the check that is shown.
func checks(w *world) string {
	c, _ := w.gh.CurrentCheck(pull)
	return c.Title
}

// comments is what each comment says, "-outdated-" for what is folded.
func comments(w *world) string {
	var out []string
	for _, c := range w.gh.Comments(pull) {
		says := ""
		for _, word := range []string{"one", "two", "reply"} {
			if strings.Contains(c.Body, "\n"+word) {
				says = word
			}
		}
		if c.Minimized != "" && note.IsOutdated(c.Body) {
			says = "-outdated-"
		}
		out = append(out, says)
	}
	return strings.Join(out, " ")
}

// TestHeld holds that a note and a reply that wait for GitHub's limit are not looked for before each try, since they were never sent.
func TestHeld(t *testing.T) {
	w := newWorld(t)
	reply := func(key string) error {
		return w.Once(t.Context(), pull, key, note.ReplyMarker(key), note.ReplyMarker(key), false)
	}
	sent := 0
	for err := error(nil); !budget.Held(err); sent++ {
		if err = reply(fmt.Sprint("k", sent)); err != nil && !budget.Held(err) || sent > 100 {
			t.Fatalf("reply %d: %v", sent, err)
		}
	}
	if err := post(w, "p", "one"); !budget.Held(err) { // the first look
		t.Fatal(err)
	}
	before, _ := w.gh.Counts()
	for _, err := range []error{post(w, "p", "one"), post(w, "p", "two"), reply(fmt.Sprint("k", sent-1))} {
		if !budget.Held(err) {
			t.Error(err)
		}
	}
	if after, _ := w.gh.Counts(); after > before {
		t.Errorf("%d reads for what was not sent", after-before)
	}
}

// TestLostAnswers loses the answer of each kind of write, of each that a publishing makes, with and without a crash after it. The next
// run ends with what was wanted, once.
func TestLostAnswers(t *testing.T) {
	for name, e := range effects {
		for _, crash := range []bool{false, true} {
			for _, answer := range []string{"lost_answer", "truncated", "timeout", "502", "lost_answer, and lists lag"} {
				t.Run(fmt.Sprintf("%s, %s, crash %v", name, answer, crash), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t)
					if e.before != nil {
						if err := e.before(w); err != nil {
							t.Fatal(err)
						}
					}
					answer, lags := strings.CutSuffix(answer, ", and lists lag")
					if lags {
						w.gh.SetLag(ghsim.Lag{Lists: 10 * time.Second})
					}
					if err := w.gh.AddFault(ghsim.Fault{Match: e.match, Answer: answer}); err != nil {
						t.Fatal(err)
					}
					failed := e.do(w)
					w.gh.ClearFaults()
					if failed == nil && answer != "truncated" { // of some answers only the status is read
						t.Error("the lost answer went unnoticed")
					}
					if crash {
						w.open()
					}
					w.until(e.do)
					if got := e.shows(w); got != e.want {
						t.Errorf("shows %q, want %q", got, e.want)
					}
					_, before := w.gh.Counts()
					if err := e.do(w); err != nil {
						t.Fatal(err)
					}
					if _, now := w.gh.Counts(); now != before && name != "a comment gets a reaction" {
						t.Errorf("%d writes though nothing changed", now-before)
					}
					if p := w.gh.Problems(); len(p) > 0 {
						t.Error(p)
					}
				})
			}
		}
	}
}

// broken is a store that fails from its nth write on.
type broken struct {
	store.Store
	left int
}

func (b *broken) Put(ctx context.Context, docs []store.Document, work []store.Work) error {
	if b.left--; b.left < 0 {
		return context.DeadlineExceeded
	}
	return b.Store.Put(ctx, docs, work)
}

// TestDatabaseLostBetween loses the database before each of the records of a publishing: nothing is written that was not recorded first,
// and nothing twice.
func TestDatabaseLostBetween(t *testing.T) {
	for name, e := range effects {
		if name == "a comment gets a reaction" { // nothing is recorded of it: GitHub keeps one of each kind
			continue
		}
		for n := range 8 {
			t.Run(fmt.Sprintf("%s, record %d", name, n), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				if e.before != nil {
					if err := e.before(w); err != nil {
						t.Fatal(err)
					}
				}
				_, before := w.gh.Counts()
				w.Publisher.Store = &broken{w.st, n}
				err := e.do(w)
				if _, now := w.gh.Counts(); n == 0 && (err == nil || now != before) {
					t.Errorf("%v, %d writes before any record", err, now-before)
				}
				w.open()
				w.until(e.do)
				if got := e.shows(w); got != e.want {
					t.Errorf("shows %q, want %q", got, e.want)
				}
			})
		}
	}
}

// overtaken has something done before a check arrives at GitHub.
type overtaken struct {
	publish.GitHub
	by func()
}

func (o overtaken) PutCheck(ctx context.Context, repo coupling.Repo, run forge.CheckRun) (int64, error) {
	o.by()
	return o.GitHub.PutCheck(ctx, repo, run)
}

// TestOvertaken holds that the newer check is in the end when a worker that lost its lease writes an older one behind it.
func TestOvertaken(t *testing.T) {
	w := newWorld(t)
	newer := func() error { return check(w, "completed", "failure", "Blocked: two") }
	late := *w
	late.Publisher = &publish.Publisher{Store: w.st, Now: w.now, GitHub: overtaken{w.app, func() {
		w.until(func(*world) error { return newer() })
	}}}
	if err := check(&late, "completed", "success", "Passed: one"); !errors.Is(err, store.ErrConflict) {
		t.Errorf("overtaken, and wrote with %v", err)
	}
	if says := checks(w); says != "Passed: one" {
		t.Fatalf("it says %q: this test shows nothing", says)
	}
	if c, err := w.st.Claim(t.Context(), time.Now(), "me", time.Minute, 1); err != nil || len(c) != 1 || c[0].Key != "again" {
		t.Errorf("queued %+v, %v", c, err)
	}
	if err := newer(); err != nil || checks(w) != "Blocked: two" {
		t.Errorf("it says %q, %v", checks(w), err)
	}
}

// TestBatchLostBetween breaks off a check between the requests that carry its annotations, with and without a crash, with the database and
// without it. The run is not taken for complete, and the next one has each annotation once.
func TestBatchLostBetween(t *testing.T) {
	for _, how := range []string{"goes on", "crashes", "loses its database"} {
		for broken := range 3 { // requests that come through
			t.Run(fmt.Sprintf("%s after %d requests", how, broken), func(t *testing.T) {
				w := newWorld(t)
				if err := annotated(w, "Blocked: one", "a"); err != nil {
					t.Fatal(err)
				}
				w.left = broken
				if err := annotated(w, "Blocked: many", many...); err == nil {
					t.Fatal("nothing was broken off")
				}
				c, _ := w.gh.CurrentCheck(pull)
				if n := len(c.Annotations); n != max(1, 50*broken) || broken > 0 && c.ExternalID != forge.Incomplete {
					t.Fatalf("the run %s has %d annotations: this test shows nothing", c.ExternalID, n)
				}
				switch how {
				case "crashes":
					w.open()
				case "loses its database":
					w.path = filepath.Join(t.TempDir(), "new.db")
					w.open()
				}
				w.left = -1
				for range 2 {
					w.until(func(*world) error {
						_, err := w.Check(t.Context(), repo, failing(w, "Blocked: many", many...), publish.CheckOptions{As: "check", Now: w.now(), Verify: true})
						return err
					})
					if got, want := wholly(w), "Blocked: many "+fmt.Sprint(many); got != want {
						t.Errorf("shows %s\nwant  %s", got, want)
					}
				}
			})
		}
	}
}

// node is the node id of the repository.
func node(t *testing.T, w *world) string {
	t.Helper()
	repos, _, err := w.app.Repositories(t.Context())
	if err != nil || len(repos) != 1 {
		t.Fatal(repos, err)
	}
	return repos[0].NodeID
}

// TestLookKeepsAnnotations holds that a first check with annotations is not made by the call that has no room for them; what that call would have
// known is unknown then.
func TestLookKeepsAnnotations(t *testing.T) {
	for _, messages := range [][]string{nil, {"a"}} {
		w := newWorld(t)
		looked := false
		_, err := w.Check(t.Context(), repo, failing(w, "Blocked: one", messages...), publish.CheckOptions{As: "check", Now: time.Now(), Look: &publish.Look{
			NodeID: node(t, w), Path: "f", Then: func(_ string, known bool) ([]store.Document, []store.Work, error) {
				looked = known
				return nil, nil, nil
			},
		}})
		if want := fmt.Sprintf("Blocked: one %v, 1 run", append([]string{}, messages...)); err != nil || annotations(w) != want || looked != (messages == nil) {
			t.Errorf("shows %s, want %s; looked %v, %v", annotations(w), want, looked, err)
		}
	}
}

// TestNewDatabaseKnowsAnnotations holds that a run that was found tells which annotations it has: it is written again while they are the same.
func TestNewDatabaseKnowsAnnotations(t *testing.T) {
	for _, c := range []struct {
		before, now []string
		want        string
	}{
		{[]string{"a", "b"}, []string{"a", "b"}, "Blocked: two [a b], 1 run"},
		{[]string{"a", "b"}, []string{"a"}, "Blocked: two [a], 2 runs"},
		{[]string{"a", "b"}, nil, "Blocked: two [], 2 runs"},
		{nil, []string{"a"}, "Blocked: two [a], 1 run"},
		{many, many, "Blocked: two " + fmt.Sprint(many) + ", 1 run"},
	} {
		w := newWorld(t)
		if err := annotated(w, "Blocked: one", c.before...); err != nil {
			t.Fatal(err)
		}
		w.path = filepath.Join(t.TempDir(), "new.db")
		w.open()
		if _, err := w.Check(t.Context(), repo, failing(w, "Blocked: two", c.now...), publish.CheckOptions{As: "check", Now: time.Now(), Verify: true}); err != nil {
			t.Fatal(err)
		}
		if got := annotations(w); got != c.want {
			t.Errorf("%v, then %v: shows %s, want %s", c.before, c.now, got, c.want)
		}
	}
}

// TestOvertakenAnnotations holds that the newest run has the annotations of the newer check when another instance writes an older one
// behind it.
func TestOvertakenAnnotations(t *testing.T) {
	for name, before := range map[string][]string{"into the same run": nil, "into a run of its own": {"a"}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if err := annotated(w, "Blocked: one", before...); err != nil {
				t.Fatal(err)
			}
			newer := func() error { return annotated(w, "Blocked: three", "c") }
			late := *w
			late.Publisher = &publish.Publisher{Store: w.st, Now: w.now, GitHub: overtaken{w.app, func() {
				w.until(func(*world) error { return newer() })
			}}}
			if err := annotated(&late, "Blocked: two", "b"); !errors.Is(err, store.ErrConflict) {
				t.Errorf("overtaken, and wrote with %v", err)
			}
			if says := wholly(w); says == "Blocked: three [c]" {
				t.Fatalf("it says %q: this test shows nothing", says)
			}
			w.until(func(*world) error { return newer() })
			if wholly(w) != "Blocked: three [c]" {
				t.Errorf("it says %q", wholly(w))
			}
		})
	}
}

// TestListsThatTellThePast holds that what a list tells is not taken for what is there when something else was written since.
func TestListsThatTellThePast(t *testing.T) {
	blocked := func(w *world) error { return check(w, "completed", "failure", "Blocked: one") }
	passed := func(w *world) error { return check(w, "completed", "success", "Passed: two") }
	one, two := func(w *world) error { return post(w, "p", "one") }, func(w *world) error { return post(w, "p", "two") }
	for name, c := range map[string]struct {
		before []func(w *world) error // of which the second is a moment old
		fails  func(w *world) error
		answer string
		do     func(w *world) error
		shows  func(w *world) string
		want   string
	}{
		"a pass whose answer was lost":  {[]func(w *world) error{blocked}, passed, "lost_answer", blocked, checks, "Blocked: one"},
		"a pass, and a failed write":    {[]func(w *world) error{blocked, passed}, blocked, "timeout", blocked, checks, "Blocked: one"},
		"a note whose answer was lost":  {[]func(w *world) error{one}, two, "lost_answer", one, comments, "one"},
		"a block whose answer was lost": {[]func(w *world) error{passed}, blocked, "lost_answer", passed, checks, "Passed: two"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for i, do := range c.before {
				if i == 1 {
					w.gh.SetLag(ghsim.Lag{Reads: 5 * time.Second})
				}
				w.until(do)
				if i == 0 {
					w.skew.Add(int64(time.Hour))
				}
			}
			w.gh.SetLag(ghsim.Lag{Reads: 5 * time.Second})
			if err := w.gh.AddFault(ghsim.Fault{Match: "writes", Answer: c.answer, Times: 1}); err != nil {
				t.Fatal(err)
			}
			if err := c.fails(w); err == nil {
				t.Fatal("the write did not fail")
			}
			w.skew.Add(int64(time.Second))
			w.until(c.do)
			if got := c.shows(w); got != c.want {
				t.Errorf("%q is shown, want %q", got, c.want)
			}
		})
	}
}
