package scenario

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/strict"
)

// Server is the program under a simulated clock.
type Server interface {
	Handler() http.Handler
	Start(ctx context.Context) error                    // queues what every start looks at
	Settle(ctx context.Context) error                   // does all work that is due
	Tick(ctx context.Context, from, to time.Time) error // fires the timers of a span
	Wake(ctx context.Context) (time.Time, bool)         // when the next timer fires or work becomes due
	// Due is the same without the timers that only look for what was missed and, where failing is false, without work that failed.
	Due(ctx context.Context, failing bool) (time.Time, bool)
	Pending(ctx context.Context) (int, error) // rows of work that are due or failing
	Close() error                             // without any graceful end
}

// Start makes a server.
type Start func(ctx context.Context, o StartOptions) (Server, error)

// StartOptions are what a server needs to know.
type StartOptions struct {
	APIURL      string
	HTTP        http.RoundTripper // of requests to the API
	AppID       int64
	Key         []byte // PEM
	Secret      string
	DatabaseURL string
	PublicURL   string
	Settings    map[string]string
	Now         func() time.Time
	Log         *slog.Logger
}

// Options say how scenarios are run.
type Options struct {
	Start Start
	// Database gives the URL of a new empty database; nil is a temporary SQLite file.
	Database func() (string, error)
	Log      *slog.Logger
	// Inspect sees every request to the embedded GitHub and its answer; tests hold them against GitHub's descriptions.
	Inspect func(r *http.Request, request []byte, status int, response []byte)
	// Strict also fails a scenario that ends with pending work or with a request that the embedded GitHub does not know.
	Strict bool
	// Watch is called after each step, with the world as it is.
	Watch func(w *World, s Step, r StepResult)
}

// secret signs the webhooks of the simulation; it protects nothing.
const secret = "simulated"

// appKey is the simulated App's key, made once a process.
var appKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// World is a running scenario: the embedded GitHub, the server and the clock.
type World struct {
	GitHub   *ghsim.GitHub
	Scenario *Scenario

	o        Options
	now      atomic.Int64 // Unix milliseconds; pages that are open read it too
	server   Server
	down     bool // the server is stopped
	key      []byte
	database string
	temp     string
	comments map[string]int64 // by the name that the scenario gave
	queued   []coupling.Pull  // of the last enqueue
	reads    int
	writes   int
	lag      ghsim.Lag
}

// Now is the simulated time.
func (w *World) Now() time.Time { return time.UnixMilli(w.now.Load()).UTC() }

// Server is the program under test, which a restart replaces.
func (w *World) Server() Server { return w.server }

// NewWorld sets a scenario up: its repositories, with relbot installed on all of them.
func NewWorld(ctx context.Context, s *Scenario, o Options) (*World, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	key, err := appKey()
	if err != nil {
		return nil, err
	}
	w := &World{Scenario: s, o: o, comments: map[string]int64{}}
	w.now.Store(s.Clock.UnixMilli())
	w.key = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	w.GitHub = ghsim.New(ghsim.Options{Clock: w.Now, AppID: 1, Key: &key.PublicKey, Secret: secret, Limits: true, Inspect: o.Inspect})
	if err := w.begin(ctx); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

func (w *World) begin(ctx context.Context) error {
	for _, r := range w.Scenario.Repos {
		spec := ghsim.RepoSpec{Name: r.Name, Files: r.Files, Permissions: r.Permissions, Private: r.Private, MergeQueue: r.MergeQueue, Queue: r.Queue, Policy: r.Policy, RequiredCheck: checkName(r.Policy)}
		for _, t := range r.Tags {
			spec.Tags = append(spec.Tags, ghsim.TagSpec{Name: t.Name, Files: t.Files, OffBranch: t.OffBranch})
		}
		for _, b := range r.Branches {
			spec.Branches = append(spec.Branches, ghsim.BranchSpec{Name: b.Name, From: b.From, Files: b.Files})
		}
		if err := w.GitHub.CreateRepo(spec); err != nil {
			return err
		}
	}
	for _, r := range w.Scenario.Repos {
		if err := w.GitHub.Install(r.Name); err != nil {
			return err
		}
	}
	if err := w.newDatabase(); err != nil {
		return err
	}
	if err := w.boot(ctx); err != nil {
		return err
	}
	if err := w.settle(ctx); err != nil {
		return err
	}
	w.reads, w.writes = w.GitHub.Counts()
	return nil
}

// checkName finds the name of the required check in a policy, without judging the policy; "" where it names none.
func checkName(policy string) string {
	root, _ := strict.Parse([]byte(policy))
	name := ""
	if root.IsZero() {
		return name
	}
	for _, section := range root.Mapping("") {
		if section.Name != "check" {
			continue
		}
		for _, p := range section.Mapping("") {
			if p.Name == "name" {
				name, _ = p.Text("")
			}
		}
	}
	return name
}

func (w *World) newDatabase() error {
	if w.o.Database != nil {
		url, err := w.o.Database()
		w.database = url
		return err
	}
	if w.temp == "" {
		dir, err := os.MkdirTemp("", "relbot-simulate")
		if err != nil {
			return err
		}
		w.temp = dir
	}
	w.database = "sqlite:" + filepath.Join(w.temp, fmt.Sprintf("relbot-%d.db?synchronous=off", time.Now().UnixNano()))
	return nil
}

// boot starts a server on the present database.
func (w *World) boot(ctx context.Context) error {
	s, err := w.o.Start(ctx, StartOptions{
		APIURL: "http://api.github.test", HTTP: direct{w.GitHub.Handler()}, AppID: 1, Key: w.key, Secret: secret, DatabaseURL: w.database, PublicURL: w.Scenario.URL,
		Settings: w.Scenario.Settings, Now: w.Now, Log: w.o.Log,
	})
	if err != nil {
		return err
	}
	w.server, w.down = s, false
	return s.Start(ctx)
}

// Close ends the world.
func (w *World) Close() {
	w.stop()
	if w.temp != "" {
		os.RemoveAll(w.temp)
	}
}

// send hands a delivery to the server, as GitHub would over the network.
func (w *World) send(ctx context.Context, d ghsim.Delivery) (int, error) {
	if w.down {
		return 0, errors.New("connection refused")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://relbot/webhook", strings.NewReader(string(d.Body)))
	if err != nil {
		return 0, err
	}
	r.Header = d.Header.Clone()
	res, err := direct{w.server.Handler()}.RoundTrip(r)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, nil
}

// maxRounds ends a world that never comes to rest: relbot answering its own events for ever.
const maxRounds = 200

// settle delivers all webhooks and does all work that is due, until there is none.
func (w *World) settle(ctx context.Context) error {
	for range maxRounds {
		sent := w.GitHub.Flush(ctx, w.send)
		if !w.down {
			if err := w.server.Settle(ctx); err != nil {
				return err
			}
		}
		w.GitHub.SettleGroups()
		if sent == 0 && w.GitHub.Pending() == 0 {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return errors.New("the world does not come to rest: relbot goes on answering its own events")
}

// Over a quiet time the clock leaps. When a few rounds of timers changed nothing and nobody acts, the rounds that
// follow change nothing either until work or a report becomes due. Nor can work that failed, when all of it
// has been tried once more in vain and GitHub fails without end. An outage of days is not tried every few minutes.
const (
	quietRounds = 3
	quietOutage = 15 * time.Minute // longer than any work waits for its next try
	longestLeap = 24 * time.Hour
)

// advance moves the clock from one moment at which something happens to the next.
func (w *World) advance(ctx context.Context, d time.Duration) error {
	if err := w.settle(ctx); err != nil {
		return err
	}
	target, quiet, leap := w.Now().Add(d), 0, time.Duration(0)
	_, written := w.GitHub.Counts()
	changed := w.Now()
	for w.Now().Before(target) {
		next := target
		if !w.down {
			next = w.next(ctx, target, leap, !w.GitHub.FailsForever() || w.Now().Sub(changed) < quietOutage)
		}
		from := w.Now()
		w.now.Store(next.UnixMilli())
		if !w.down {
			if err := w.server.Tick(ctx, from, next); err != nil {
				return err
			}
		}
		if err := w.settle(ctx); err != nil {
			return err
		}
		if _, now := w.GitHub.Counts(); now != written {
			written, quiet, leap, changed = now, 0, 0, next
		} else if quiet++; quiet > quietRounds {
			leap = min(max(2*leap, time.Hour), longestLeap)
		}
	}
	return nil
}

// next is the next moment up to target at which something happens. It is after a leap where the world is so quiet that there may be one.
func (w *World) next(ctx context.Context, target time.Time, leap time.Duration, failing bool) time.Time {
	from := w.Now()
	next, ok := w.server.Wake(ctx)
	if leap > 0 {
		next = from.Add(leap)
		if due, ok := w.server.Due(ctx, failing); ok && due.After(from) && due.Before(next) {
			next = due
		}
	} else if ok && !next.After(from) { // due already, but not done: it fails and comes back later
		next = from.Add(time.Second)
	}
	if !ok || next.After(target) {
		next = target
	}
	return next
}

// stop kills the server.
func (w *World) stop() {
	if w.server != nil && !w.down {
		w.server.Close()
		w.down = true
	}
}

// kill stops the server with half of the deliveries made: nobody is there to take the rest, and GitHub records them as failed.
func (w *World) kill(ctx context.Context) {
	w.GitHub.FlushN(ctx, (w.GitHub.Pending()+1)/2, w.send)
	w.stop()
	w.GitHub.DropOutbox()
}

// restart starts the server again, and kills it before where it runs.
func (w *World) restart(ctx context.Context, lose bool) error {
	w.kill(ctx)
	if lose {
		if err := w.newDatabase(); err != nil {
			return err
		}
	}
	return w.boot(ctx)
}

// Pending counts the rows of work that are due or failing.
func (w *World) Pending(ctx context.Context) (int, error) { return w.server.Pending(ctx) }

// Act performs one action before relbot hears of it.
func (w *World) Act(ctx context.Context, a Action) error { return w.do(ctx, a) }

// Step performs one step and holds its expectations against the embedded GitHub.
func (w *World) Step(ctx context.Context, s Step) StepResult {
	r := StepResult{Name: s.Name, Checks: map[string]CheckResult{}, Titles: map[string]string{}, Failures: []Failure{}}
	fail := func(path, want string, err error) {
		r.Failures = append(r.Failures, Failure{Path: path, Want: want, Got: err.Error()})
	}
	for i, a := range s.Do {
		if err := w.do(ctx, a); err != nil {
			fail(fmt.Sprintf("do[%d].%s", i, a.Verb), "done", err)
		}
	}
	if err := w.settle(ctx); err != nil {
		fail("settle", "the world at rest", err)
	}
	w.compare(s.Expect, &r)
	w.reads, w.writes = w.GitHub.Counts()
	r.OK = len(r.Failures) == 0
	return r
}

// Run runs a scenario. The error is about the scenario's world, not about its expectations.
func Run(ctx context.Context, s *Scenario, o Options) (FileResult, error) {
	out := FileResult{File: s.File, Title: s.Title, OK: true}
	w, err := NewWorld(ctx, s, o)
	if err != nil {
		return out, fmt.Errorf("%s: %w", s.File, err)
	}
	defer w.Close()
	for _, step := range s.Steps {
		r := w.Step(ctx, step)
		out.Steps = append(out.Steps, r)
		out.OK = out.OK && r.OK
		if o.Watch != nil {
			o.Watch(w, step, r)
		}
	}
	if o.Strict && len(out.Steps) > 0 {
		last := &out.Steps[len(out.Steps)-1]
		if n, err := w.server.Pending(ctx); err != nil || n > 0 {
			last.Failures = append(last.Failures, Failure{"end.pending", "no pending work", fmt.Sprintf("%d rows %v", n, err)})
		}
		for _, p := range w.GitHub.Problems() {
			last.Failures = append(last.Failures, Failure{"end.requests", "only known requests", p})
		}
		last.OK = len(last.Failures) == 0
		out.OK = out.OK && last.OK
	}
	return out, nil
}
