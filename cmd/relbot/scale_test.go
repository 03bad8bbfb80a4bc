package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	measured "runtime/metrics"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/scenario"
	"github.com/relbot/relbot/internal/server"
	"github.com/relbot/relbot/internal/store"
)

// scaleFull makes the simulation as large as docs/scaling.md reports: go test ./cmd/relbot -run TestScale -scale -v -timeout 60m.
var scaleFull = flag.Bool("scale", false, "simulate 10, 100 and 1,000 couplings among up to 20,000 open pull requests")

// estate is an organisation on an embedded GitHub, with a server next to it.
type estate struct {
	size
	gh      *ghsim.GitHub
	api     *httptest.Server
	latency atomic.Int64 // of an API call, in nanoseconds
	now     func() time.Time
	clock   time.Time    // what now tells when the clock is not the wall's
	ahead   atomic.Int64 // of the wall's, in nanoseconds
	meter   meter
	options scenario.StartOptions
	server  *server.Server
}

// size says how large an estate is. Couplings have three members and live in the first repositories, a hundred in each.
type size struct {
	repos, pulls, couplings, tagged, tags int
}

func (s size) String() string {
	return fmt.Sprintf("%d couplings, %d pull requests in %d repositories, %d tags in each of %d", s.couplings, s.pulls, s.repos, s.tags, s.tagged)
}

const (
	perHome = 100 // couplings
	perGate = 10  // couplings of which one has a gate
)

func repoName(i int) coupling.Repo { return coupling.Repo(fmt.Sprintf("acme/r%d", i)) }

// gateText is a file with a gate that names a minor release.
func gateText(g, minor int) *string {
	return text(fmt.Sprintf("pub const G%d_VERSION: Version = Version::new(1, %d, 0);\n", g, minor))
}

// build makes the estate. In a home, pull requests 1 to 3 are the first coupling's, and so on; the third of every tenth writes a gate.
func build(t testing.TB, s size, wall bool) *estate {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	e := &estate{size: s, clock: scenario.DefaultClock}
	e.now = func() time.Time { return e.clock }
	if wall {
		e.now = func() time.Time { return time.Now().Add(time.Duration(e.ahead.Load())) }
	}
	key, pemText := appPEM(t)
	e.gh = ghsim.New(ghsim.Options{Clock: e.now, AppID: 7, Key: &key.PublicKey, Secret: "s3cret"})
	for i := range s.repos {
		spec := ghsim.RepoSpec{Name: repoName(i), Files: map[string]string{"README": "x"}}
		if i < s.tagged {
			for n := range s.tags {
				spec.Tags = append(spec.Tags, ghsim.TagSpec{Name: fmt.Sprintf("v1.%d.0", n)})
			}
		}
		inHome := min(perHome, s.couplings-i*perHome)
		if inHome > 0 {
			var b strings.Builder
			b.WriteString("version: 1\nreleases:\n  dev_version: [{path: VERSION, pattern: \"(?P<version>.+)\"}]\ngates:\n")
			for g := range (inHome + perGate - 1) / perGate {
				fmt.Fprintf(&b, "  g%d: {find: {path: \"src/gates/*.rs\", symbol: \"G%d_VERSION\"}}\n", g, g)
				spec.Files[fmt.Sprintf("src/gates/g%d.rs", g)] = *gateText(g, 0)
			}
			b.WriteString("couplings:\n")
			for c := range inHome {
				fmt.Fprintf(&b, "  c%d:\n    members: {a: {pr: %d}, b: {pr: %d}, c: {pr: %d}}\n    order: [a before-or-with b]\n", c, 3*c+1, 3*c+2, 3*c+3)
				if c%perGate == 0 {
					fmt.Fprintf(&b, "    gates: {g%d: a}\n", c/perGate)
				}
			}
			spec.Policy = b.String()
			spec.Files["VERSION"] = fmt.Sprintf("1.%d.0-dev.0\n", s.tags)
		}
		must(e.gh.CreateRepo(spec))
	}
	for i := range s.repos {
		inHome := max(0, min(perHome, s.couplings-i*perHome))
		for n := 1; n <= max(3*inHome, s.pulls/s.repos); n++ {
			files := map[string]*string{fmt.Sprintf("d%d/f%d", n%10, n): text("x")}
			if n <= 3*inHome && n%3 == 0 && (n/3-1)%perGate == 0 {
				g := (n/3 - 1) / perGate
				files = map[string]*string{fmt.Sprintf("src/gates/g%d.rs", g): gateText(g, s.tags)}
			}
			must(e.gh.Open(ghsim.OpenSpec{Repo: repoName(i), Number: n, By: "ann", Title: fmt.Sprint("Change ", n), Files: files}))
		}
	}
	for i := range s.repos {
		must(e.gh.Install(repoName(i)))
	}
	e.gh.DropOutbox()
	handler := e.gh.Handler()
	e.api = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Duration(e.latency.Load()))
		e.meter.enter()
		defer e.meter.leave()
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(e.api.Close)
	e.options = scenario.StartOptions{APIURL: e.api.URL, AppID: 7, Key: pemText, Secret: "s3cret", DatabaseURL: "sqlite:" + filepath.Join(t.TempDir(), "relbot.db"), Now: e.now}
	srv, err := startSimulated(t.Context(), e.options)
	must(err)
	e.server = srv.(*server.Server)
	t.Cleanup(func() { e.server.Close() })
	return e
}

// settle delivers events and does all work that is due.
func (e *estate) settle(t testing.TB) {
	t.Helper()
	for {
		e.meter.enter()
		sent := e.gh.Flush(t.Context(), e.deliver)
		e.meter.leave()
		if err := e.server.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if sent == 0 && e.gh.Pending() == 0 {
			return
		}
	}
}

func (e *estate) deliver(ctx context.Context, d ghsim.Delivery) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://relbot/webhook", strings.NewReader(string(d.Body)))
	if err != nil {
		return 0, err
	}
	r.Header = d.Header.Clone()
	w := httptest.NewRecorder()
	e.meter.leave()
	defer e.meter.enter()
	e.server.Handler().ServeHTTP(w, r)
	return w.Code, nil
}

// waiting reports whether work waits for its time, as notes do for GitHub's limit.
func (e *estate) waiting(t testing.TB) bool {
	t.Helper()
	e.meter.enter() // it is no work of relbot's
	defer e.meter.leave()
	jobs, err := e.server.Jobs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(jobs) > 0
}

// pass lets time pass, with the timers that fire in it.
func (e *estate) pass(t testing.TB, d time.Duration) {
	t.Helper()
	for target := e.clock.Add(d); e.clock.Before(target); {
		from := e.clock
		e.clock = from.Add(min(time.Minute, target.Sub(from)))
		if err := e.server.Tick(t.Context(), from, e.clock); err != nil {
			t.Fatal(err)
		}
		e.settle(t)
	}
}

// effort is what the process has used up. Bytes allocated say how much was done, the same from run to run and on every machine.
type effort struct {
	cpu   time.Duration
	bytes uint64
}

func spent() effort {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it knows its own process
	}
	allocated := []measured.Sample{{Name: "/gc/heap/allocs:bytes"}}
	measured.Read(allocated)
	return effort{time.Duration(u.Utime.Nano() + u.Stime.Nano()), allocated[0].Value.Uint64()}
}

func (a effort) plus(b effort) effort  { return effort{a.cpu + b.cpu, a.bytes + b.bytes} }
func (a effort) minus(b effort) effort { return effort{a.cpu - b.cpu, a.bytes - b.bytes} }

// meter keeps apart what the simulated GitHub uses up: whatever is used while it does anything.
type meter struct {
	mu     sync.Mutex
	inside int
	since  effort
	github effort
}

func (m *meter) enter() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.inside++; m.inside == 1 {
		m.since = spent()
	}
}

func (m *meter) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.inside--; m.inside == 0 {
		m.github = m.github.plus(spent().minus(m.since))
	}
}

// cost is what something took: calls, and what relbot and the simulated GitHub used up.
type cost struct {
	reads, writes  int
	relbot, github effort
}

func (c cost) String() string {
	return fmt.Sprintf("%d + %d\t%.2f s\t%.2f s\t%.1f MB", c.reads, c.writes, c.relbot.cpu.Seconds(), c.github.cpu.Seconds(), float64(c.relbot.bytes)/1e6)
}

func (e *estate) measure(t testing.TB, do func()) cost {
	t.Helper()
	r, w := e.gh.Counts()
	start, github := spent(), e.meter.github
	do()
	reads, writes := e.gh.Counts()
	c := cost{reads: reads - r, writes: writes - w, github: e.meter.github.minus(github)}
	c.relbot = spent().minus(start).minus(c.github)
	return c
}

func (e *estate) push(t testing.TB, repo, pull int, files map[string]*string) {
	t.Helper()
	s := ghsim.PushSpec{Repo: repoName(repo), Pull: pull, By: "ann", Files: files}
	if pull == 0 {
		s.Branch = "main"
	}
	e.meter.enter()
	defer e.meter.leave()
	if err := e.gh.Push(s); err != nil {
		t.Fatal(err)
	}
}

// story is what an estate goes through, and what it costs.
type story struct {
	size
	cold, notes, uncoupled, member, storm, cut, round, nightly cost
	heap                                                       uint64 // of the server, in bytes
}

// chapter is a part of a story, and what its cost may grow with.
type chapter struct {
	name string
	cost
	grows growth
}

// growth is with what a cost may grow.
type growth string

const (
	estates growth = "estate" // with all couplings and pull requests
	homes   growth = "home"   // with the couplings of a home
	none    growth = "none"
	paced   growth = "paced" // GitHub's limit decides
)

func (s story) chapters() []chapter {
	return []chapter{
		{"cold start: every check, and the notes of the first minute", s.cold, estates},
		{"the other notes, at GitHub's pace", s.notes, paced},
		{fmt.Sprintf("%d pushes to pull requests in no coupling", events), s.uncoupled, none},
		{fmt.Sprintf("%d pushes to members", events), s.member, none},
		{"a push to every default branch", s.storm, estates},
		{"a release cut in one home", s.cut, homes},
		{"a round of looking for what was missed", s.round, estates},
		{"the nightly run", s.nightly, estates},
	}
}

// growth is how many times larger an estate is than another.
func (s size) growth(than size, what growth) float64 {
	switch what {
	case estates:
		return max(float64(s.couplings)/float64(than.couplings), float64(s.pulls)/float64(than.pulls))
	case homes:
		return float64(min(perHome, s.couplings)) / float64(min(perHome, than.couplings))
	}
	return 1
}

// events are how many pull requests in no coupling, and how many members, are pushed to.
const events = 10

func (e *estate) live(t testing.TB) story {
	s := story{size: e.size}
	if err := e.server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.cold = e.measure(t, func() { e.settle(t) }) // every check, and the notes of the first minute
	s.notes = e.measure(t, func() {
		for e.waiting(t) {
			e.clock = e.clock.Add(time.Minute)
			e.settle(t)
		}
	})
	e.clock = e.clock.Add(server.DefaultReconcileInterval) // nothing is new any more
	pushes := func(repo, first int) cost {
		return e.measure(t, func() {
			for n := range events {
				e.push(t, repo, first+n, map[string]*string{"z": text("2")})
				e.settle(t)
				e.clock = e.clock.Add(time.Minute)
			}
		})
	}
	s.uncoupled = pushes(e.repos-1, e.pulls/e.repos-events+1)
	s.member = pushes(0, 1)
	s.storm = e.measure(t, func() { // every default branch moves
		for i := range e.repos {
			e.push(t, i, 0, map[string]*string{"README": text("2")})
		}
		e.settle(t)
	})
	e.clock = e.clock.Add(time.Minute)
	s.cut = e.measure(t, func() {
		if err := e.gh.Tag(repoName(0), ghsim.TagSpec{Name: fmt.Sprintf("v1.%d.0-rc.1", e.tags)}); err != nil {
			t.Fatal(err)
		}
		e.settle(t)
	})
	e.clock = e.clock.Add(time.Minute)
	s.round = e.measure(t, func() { e.pass(t, server.DefaultReconcileInterval) })
	s.nightly = e.measure(t, func() { // from six to six, the report is written once
		at := e.clock.UTC().Truncate(24 * time.Hour).Add(30 * time.Hour)
		from := at.Add(-time.Minute)
		e.clock = at
		if err := e.server.Tick(t.Context(), from, at); err != nil {
			t.Fatal(err)
		}
		e.settle(t)
	})
	if problems := e.gh.Problems(); len(problems) > 0 {
		t.Errorf("GitHub complains: %v", problems[:min(3, len(problems))])
	}
	with := heap()
	e.server.Close()
	e.server = nil
	s.heap = with - min(heap(), with)
	srv, err := startSimulated(context.WithoutCancel(t.Context()), e.options)
	if err != nil {
		t.Fatal(err)
	}
	e.server = srv.(*server.Server)
	return s
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestScale holds how the cost of what happens grows with the number of couplings. That of an event stays, that of what concerns all of them
// grows no faster than they do. Bytes allocated stand for the work that is done: processor times differ from run to run.
func TestScale(t *testing.T) {
	sizes := []size{{2, 40, 5, 1, 30}, {20, 400, 50, 1, 30}}
	if *scaleFull {
		sizes = []size{{2, 200, 10, 1, 1000}, {20, 2000, 100, 2, 1000}, {200, 20_000, 1000, 20, 1000}}
	}
	var stories []story
	out := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	for _, s := range sizes {
		start := time.Now()
		e := build(t, s, false)
		built := time.Since(start)
		story := e.live(t)
		stories = append(stories, story)
		if testing.Verbose() {
			fmt.Fprintf(out, "%s (built in %.1f s, %.1f s in all)\treads + writes\tprocessor\tGitHub's\tallocated\n", s, built.Seconds(), time.Since(start).Seconds())
			for _, c := range story.chapters() {
				fmt.Fprintf(out, "%s\t%s\n", c.name, c.cost)
			}
			fmt.Fprintf(out, "memory of the server\t%.0f MiB\n\n", float64(story.heap)/(1<<20))
			out.Flush()
		}
	}
	for i, s := range stories {
		if s.uncoupled.reads+s.uncoupled.writes != events || s.member.reads != events || s.member.writes > events {
			t.Errorf("%s: %d events take %d + %d calls in no coupling and %d + %d in one", s, events, s.uncoupled.reads, s.uncoupled.writes, s.member.reads, s.member.writes)
		}
		if members := 3 * min(perHome, s.couplings); s.cut.reads > 3*((members+49)/50) {
			t.Errorf("%s: a cut takes %d reads for %d pull requests, want 3 for each 50 at the most", s, s.cut.reads, members)
		}
		if i == 0 {
			continue
		}
		former := stories[i-1]
		for j, now := range s.chapters() {
			was, growth := former.chapters()[j].cost, s.growth(former.size, now.grows)
			if now.grows == paced {
				continue
			}
			if a, b := was.reads+was.writes, now.reads+now.writes; float64(b) > growth*float64(a)*1.1+10 {
				t.Errorf("%s: %d calls for %s, %d for %s", now.name, a, former, b, s)
			}
			if a, b := was.relbot.bytes, now.relbot.bytes; float64(b) > growth*float64(a)*1.4+1e6 {
				t.Errorf("%s: %.1f MB allocated for %s, %.1f MB for %s", now.name, float64(a)/1e6, former, float64(b)/1e6, s)
			}
		}
	}
}

// BenchmarkCut cuts a release under 100 couplings of 300 pull requests, and waits until each verdict that changes is posted. It goes by the wall
// clock, with the server's own workers, and with GitHub's answers at once or after 50 ms.
func BenchmarkCut(b *testing.B) {
	for _, latency := range []time.Duration{0, 50 * time.Millisecond} {
		b.Run(fmt.Sprint("latency-", latency), func(b *testing.B) {
			s := size{1, 3 * perHome, perHome, 1, 100}
			e := build(b, s, true)
			ctx, stop := context.WithCancel(b.Context())
			done := make(chan error, 1)
			go func() { done <- e.server.Run(ctx) }()
			defer func() {
				stop()
				if err := <-done; err != nil {
					b.Error(err)
				}
			}()
			owners := func(title string) func() bool {
				return func() bool {
					for g := range perHome / perGate {
						c, ok := e.gh.CurrentCheck(coupling.Pull{Repo: repoName(0), Number: 3*perGate*g + 3})
						if !ok || !strings.HasPrefix(c.Title, title) {
							return false
						}
					}
					return true
				}
			}
			wait := func(ok func() bool) {
				for deadline := time.Now().Add(5 * time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
					if time.Now().After(deadline) {
						b.Fatal("not within five minutes")
					}
				}
			}
			// rest waits until nothing is left to do: for notes, which are written at GitHub's pace, time passes faster.
			rest := func() {
				wait(func() bool {
					jobs, err := e.server.Jobs(ctx)
					if err != nil {
						b.Fatal(err)
					}
					held := func(j store.Job) bool { return j.Owner != "" || !j.At.After(e.now()) }
					if slices.ContainsFunc(jobs, held) {
						return false
					}
					if slices.ContainsFunc(jobs, func(j store.Job) bool { return j.Attempt > 0 }) {
						e.ahead.Add(int64(time.Minute))
						return false
					}
					return true
				})
			}
			wait(owners("Passed:"))
			rest()
			e.ahead.Add(int64(time.Hour)) // the repository is known for long
			time.Sleep(2 * time.Second)   // the timers fire once a second
			minor := e.tags
			for b.Loop() {
				e.latency.Store(0)
				rest()
				e.latency.Store(int64(latency))
				reads, _ := e.gh.Counts()
				start := time.Now()
				if err := e.gh.Tag(repoName(0), ghsim.TagSpec{Name: fmt.Sprintf("v1.%d.0-rc.%d", minor, b.N)}); err != nil {
					b.Fatal(err)
				}
				e.gh.Flush(ctx, e.deliver)
				wait(owners("Blocked:"))
				took := time.Since(start)
				after, _ := e.gh.Counts()
				b.ReportMetric(took.Seconds(), "s/cut")
				b.ReportMetric(float64(after-reads)/(3*perHome/50), "reads/50-pulls")
				if err := e.gh.DeleteTag(repoName(0), fmt.Sprintf("v1.%d.0-rc.%d", minor, b.N)); err != nil {
					b.Fatal(err)
				}
				e.gh.Flush(ctx, e.deliver)
				wait(owners("Passed:"))
			}
		})
	}
}
