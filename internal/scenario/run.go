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
	// Watch is called after each step, with the world as it stands.
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

// Over a quiet time the clock leaps: when a few rounds of timers changed nothing and nobody acts meanwhile, the rounds
// that follow cannot change anything either until work or a report becomes due. Nor can work that failed, when all of it
// has been tried once more in vain and GitHub fails without end: an outage of days is not tried every few minutes.
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

// next is the next moment up to target at which something happens, or after a leap, where the world is so quiet that there may be one.
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

// do performs one action.
func (w *World) do(ctx context.Context, a Action) error {
	g := w.GitHub
	pull := a.Pull
	str := func(p *string) string {
		if p == nil {
			return ""
		}
		return *p
	}
	switch a.Verb {
	case "open":
		draft := a.Draft != nil && *a.Draft
		return g.Open(ghsim.OpenSpec{Repo: pull.Repo, Number: pull.Number, By: a.By, Title: str(a.Title), Body: str(a.Body), Base: str(a.Base), From: a.From, Files: a.Files, Draft: draft, Fork: a.Fork})
	case "push":
		repo := a.Repo
		if !pull.IsZero() {
			repo = pull.Repo
		}
		return g.Push(ghsim.PushSpec{Repo: repo, Pull: pull.Number, Branch: a.Branch, Files: a.Files, By: a.By, Message: a.Message, Force: a.Force})
	case "edit":
		return g.Edit(ghsim.EditSpec{Pull: pull, Title: a.Title, Body: a.Body, Base: a.Base, Draft: a.Draft, By: a.By})
	case "close":
		return g.Close(pull, a.By)
	case "reopen":
		return g.Reopen(pull, a.By)
	case "merge":
		g.Merge(ghsim.MergeSpec{Pull: pull, By: a.By, Method: a.Method, Bypass: a.Bypass, SaysMergedOnly: a.SaysMergedOnly}) // a refused merge changes nothing
	case "enqueue":
		var numbers []int
		for _, p := range a.Pulls {
			numbers = append(numbers, p.Number)
		}
		grouping := ""
		if a.Together {
			grouping = "HEADGREEN"
		}
		if err := g.Grouping(a.Pulls[0].Repo, grouping); err != nil {
			return err
		}
		w.queued = a.Pulls
		_, _ = g.Enqueue(a.Pulls[0].Repo, numbers) // one that is refused at the door stays out
	case "auto_merge":
		_ = g.AutoMerge(ghsim.AutoMergeSpec{Pull: pull, By: a.By, Off: a.Off}) // refused, it changes nothing
	case "tag":
		return g.Tag(a.Repo, ghsim.TagSpec{Name: a.Name, On: a.On, Files: a.Files, Annotated: a.Annotated, Quiet: a.Quiet, OffBranch: len(a.Files) > 0})
	case "delete_tag":
		return g.DeleteTag(a.Repo, a.Name)
	case "branch":
		return g.Branch(a.Repo, ghsim.BranchSpec{Name: a.Name, From: a.From, Files: a.Files})
	case "delete_branch":
		return g.DeleteBranch(a.Repo, a.Name)
	case "cherry_pick":
		return g.CherryPick(ghsim.CherrySpec{Pull: pull, To: a.To, Trailer: a.Trailer, NumberInSubject: a.NumberInSubject, By: a.By})
	case "revert":
		return g.Revert(ghsim.RevertSpec{Pull: pull, ByPR: a.ByPR, Message: a.Message, By: a.By})
	case "comment":
		id := g.Comment(ghsim.CommentSpec{Pull: pull, By: a.By, Body: *a.Body, Bot: a.Bot})
		if a.Name != "" {
			w.comments[a.Name] = id
		}
	case "edit_comment":
		id, ok := w.comments[a.Name]
		if !ok {
			return fmt.Errorf("no comment was named %q", a.Name)
		}
		return g.EditComment(id, a.By, *a.Body)
	case "edit_note":
		return w.editNote(a)
	case "permission":
		return g.SetPermission(a.Repo, a.User, a.Role)
	case "policy":
		const path = ".github/relbot.yml"
		files := map[string]*string{path: &a.Text}
		if !pull.IsZero() {
			return g.Open(ghsim.OpenSpec{Repo: pull.Repo, Number: pull.Number, By: a.By, Title: "Change the policy", Files: files})
		}
		return g.Push(ghsim.PushSpec{Repo: a.Repo, Branch: "main", Files: files, By: a.By, Message: "change the policy"})
	case "click":
		return g.Click(pull, a.Button)
	case "rerequest":
		return g.Rerequest(ghsim.RerequestSpec{Pull: pull, Run: a.Run, Suite: a.Suite})
	case "webhooks":
		return g.SetWebhooks(a.Mode)
	case "fault":
		return g.AddFault(ghsim.Fault{Match: a.Match, Answer: a.Answer, Times: a.Times, Lasts: a.Lasts, RetryAfter: a.RetryAfter, Account: a.Account, Over: a.Over})
	case "lag":
		for _, l := range []struct{ set, of *time.Duration }{{a.Lag.Commits, &w.lag.Commits}, {a.Lag.Reads, &w.lag.Reads}, {a.Lag.Lists, &w.lag.Lists}} {
			if l.set != nil {
				*l.of = *l.set
			}
		}
		g.SetLag(w.lag)
	case "clear_faults":
		g.ClearFaults()
	case "advance":
		return w.advance(ctx, a.Duration)
	case "stop":
		w.kill(ctx)
	case "restart":
		return w.restart(ctx, a.LoseDatabase)
	case "grant":
		return g.Regrant(a.Repo, a.Grants)
	case "install":
		return g.Install(a.Repo)
	case "uninstall":
		return g.Uninstall(a.Repo)
	case "suspend":
		return g.Suspend(a.Repo)
	case "rename":
		return g.Rename(a.Repo, coupling.Repo(a.To))
	default:
		return fmt.Errorf("no such action: %s", a.Verb)
	}
	return nil
}

// editNote changes relbot's own note as a person with write access could.
func (w *World) editNote(a Action) error {
	for _, c := range w.GitHub.Comments(a.Pull) {
		if !IsNote(c) || c.Minimized != "" {
			continue
		}
		body := c.Body + a.Append
		if a.Body != nil {
			body = *a.Body
		}
		return w.GitHub.EditComment(c.ID, a.By, body)
	}
	return fmt.Errorf("%s has no note", a.Pull)
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
