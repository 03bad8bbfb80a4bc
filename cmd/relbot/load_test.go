package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/store/engine"
	"github.com/relbot/relbot/internal/store/postgres/pgtest"
)

// soak is how long TestSoak runs; docs/scaling.md tells of half an hour: go test ./cmd/relbot -run TestSoak -soak 30m -timeout 1h -v.
var soak = flag.Duration("soak", 10*time.Second, "how long TestSoak sends deliveries")

// stub answers as much of GitHub's API as a check on a pull request in no coupling takes, as fast as it can. What is measured is the
// program that calls it. It tells no limits.
type stub struct {
	checks atomic.Int64
	heads  sync.Map // commits that have a check
	twice  atomic.Int64
}

const (
	loadRepo   = "acme/app"
	loadSecret = "s3cret"
	someCommit = "1111111111111111111111111111111111111111"
)

func (s *stub) posted(head string) {
	if _, known := s.heads.LoadOrStore(head, true); known {
		s.twice.Add(1)
	}
	s.checks.Add(1)
}

func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	const repository = `{"id":1,"node_id":"R_1","full_name":"` + loadRepo + `","private":false,"archived":false,"default_branch":"main"}`
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, "/access_tokens"):
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"token":"ghs_stub","expires_at":%q,"permissions":{},"repository_selection":"all"}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	case path == "/app":
		io.WriteString(w, `{"id":7,"slug":"relbot"}`)
	case path == "/app/installations":
		io.WriteString(w, `[{"id":1,"account":{"login":"acme"},"permissions":{"metadata":"read","contents":"read","checks":"write","pull_requests":"write","issues":"write"},"events":[]}]`)
	case path == "/installation/repositories":
		io.WriteString(w, `{"total_count":1,"repositories":[`+repository+`]}`)
	case strings.HasSuffix(path, "/installation"):
		io.WriteString(w, `{"id":1,"permissions":{}}`)
	case strings.HasSuffix(path, "/check-runs") && r.Method == http.MethodPost:
		var in struct {
			Head string `json:"head_sha"`
		}
		_ = json.Unmarshal(body, &in)
		s.posted(in.Head)
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"id":%d,"head_sha":%q,"name":"relbot/coordination","status":"completed","conclusion":"success"}`, s.checks.Load(), in.Head)
	case strings.HasSuffix(path, "/graphql"):
		var in struct {
			Query     string
			Variables struct {
				In struct {
					Head string `json:"headSha"`
				}
			}
		}
		_ = json.Unmarshal(body, &in)
		switch {
		case strings.HasPrefix(in.Query, "mutation"):
			s.posted(in.Variables.In.Head)
			fmt.Fprintf(w, `{"data":{"createCheckRun":{"checkRun":{"databaseId":%d,"checkSuite":{"commit":{"oid":%q,"file":null}}}}}}`, s.checks.Load(), in.Variables.In.Head)
		case strings.Contains(in.Query, "pullRequests("):
			io.WriteString(w, `{"data":{"r":{"isPrivate":false,"pullRequests":{"nodes":[],"pageInfo":{"hasNextPage":false,"endCursor":null}}}}}`)
		default:
			io.WriteString(w, `{"data":{"r0":{"id":"R_1","databaseId":1,"nameWithOwner":"`+loadRepo+`","isPrivate":false,"isArchived":false,"defaultBranchRef":{"name":"main","target":{"oid":"`+someCommit+`","f0":null}},"policy":null,"b0":{"name":"main","target":{"oid":"`+someCommit+`"}},"q0":null}}}`)
		}
	case strings.HasSuffix(path, "/check-runs"):
		io.WriteString(w, `{"total_count":0,"check_runs":[]}`)
	default:
		io.WriteString(w, `[]`)
	}
}

// generator makes signed deliveries, each of a new head of one of many pull requests, of the size that GitHub sends.
type generator struct{ padding []byte }

// loadPulls is how many pull requests there are.
const loadPulls = 20_000

// delivered counts the deliveries of all generators.
var delivered atomic.Int64

// payloadSize is that of a pull_request event as GitHub sends it, in bytes.
const payloadSize = 26_600

func (g *generator) next() *http.Request {
	n := delivered.Add(1)
	sum := sha256.Sum256([]byte(strconv.FormatInt(n, 10)))
	pull := n%loadPulls + 1
	body := fmt.Appendf(nil, `{"action":"synchronize","number":%d,"pull_request":{"number":%d,"title":"Change %d","body":null,"state":"open","merged":false,"updated_at":%q,"user":{"login":"ann","id":1,"type":"User"},"head":{"sha":%q,"ref":"b"},"base":{"ref":"main"}},"repository":{"id":1,"name":"app","full_name":%q,"owner":{"login":"acme","id":2,"type":"Organization"},"private":false,"default_branch":"main"},"installation":{"id":1},"sender":{"login":"ann","type":"User"},"padding":"%s"}`,
		pull, pull, pull, time.Now().UTC().Format(time.RFC3339), hex.EncodeToString(sum[:20]), loadRepo, g.padding)
	mac := hmac.New(sha256.New, []byte(loadSecret))
	mac.Write(body)
	r, err := http.NewRequest(http.MethodPost, "", bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-GitHub-Event", "pull_request")
	r.Header.Set("X-GitHub-Delivery", fmt.Sprintf("00000000-0000-0000-0000-%012d", n))
	r.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	return r
}

func newGenerator() *generator {
	words := make([]byte, payloadSize-700) // neither all alike nor random: it compresses as JSON does
	for i := range words {
		words[i] = "abcdefghijklmnop"[(i*i/7+i/3)%16]
	}
	return &generator{words}
}

// subject is a server under load.
type subject struct {
	url  string
	stub *stub
	pid  int
}

// freePort finds a port that nobody listens on.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// begin starts a program as a server and waits until it takes deliveries. stop ends it, at the end of the test at the latest.
func begin(t testing.TB, c *exec.Cmd, s *subject, ready func() bool) (stop func()) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	s.pid = c.Process.Pid
	stop = sync.OnceFunc(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		log.Close()
	})
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("%s", text[:min(len(text), 3000)])
		}
	})
	deadline := time.Now().Add(30 * time.Second)
	for !ready() {
		if time.Now().After(deadline) {
			t.Fatal("the server is not ready within 30 seconds")
		}
		time.Sleep(20 * time.Millisecond)
	}
	return stop
}

// relbotUnder starts relbot as it is delivered, but for the debounce. It has known its repository for long: in the first ten minutes it reads
// what is on a commit before it writes.
func relbotUnder(t testing.TB, database string) *subject {
	t.Helper()
	s := &subject{stub: &stub{}}
	api := httptest.NewServer(s.stub)
	t.Cleanup(api.Close)
	_, pemText := appPEM(t)
	port := freePort(t)
	s.url = "http://127.0.0.1:" + port + "/webhook"
	start := func() (stop func()) {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), serveChild+"=1", "RELBOT_LISTEN=127.0.0.1:"+port, "RELBOT_DATABASE_URL="+database, "RELBOT_GITHUB_API_URL="+api.URL, "RELBOT_GITHUB_APP_ID=7",
			"RELBOT_GITHUB_PRIVATE_KEY="+string(pemText), "RELBOT_WEBHOOK_SECRET="+loadSecret, "RELBOT_DEBOUNCE=10ms", "RELBOT_LOG_LEVEL=warn")
		g, before := newGenerator(), s.stub.checks.Load()
		stop = begin(t, c, s, func() bool { // it knows its repository when it has posted a check
			s.send(g.next())
			return s.stub.checks.Load() > before
		})
		s.settle(t, 0)
		return stop
	}
	start()()
	db, err := engine.Open(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	repos, err := db.List(t.Context(), "repo", "")
	if err != nil || len(repos) != 1 {
		t.Fatal(repos, err)
	}
	var known map[string]any
	if err := json.Unmarshal(repos[0].Body, &known); err != nil {
		t.Fatal(err)
	}
	known["since"] = time.Now().Add(-time.Hour)
	if repos[0].Body, err = json.Marshal(known); err == nil {
		err = db.Put(t.Context(), repos, nil)
	}
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	start()
	return s
}

// probotUnder starts the Probot app.
func probotUnder(t testing.TB) *subject {
	t.Helper()
	out, err := exec.Command("../../.ci/probot").Output()
	if err != nil {
		t.Fatalf("Probot could not be installed: %v", err)
	}
	s := &subject{stub: &stub{}}
	api := httptest.NewServer(s.stub)
	t.Cleanup(api.Close)
	_, pemText := appPEM(t)
	key := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(key, pemText, 0o600); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	s.url = "http://127.0.0.1:" + port + "/webhook"
	c := exec.Command("node", "app.js")
	c.Dir = strings.TrimSpace(string(out))
	c.Env = append(os.Environ(), "NODE_ENV=production", "PORT="+port, "API_URL="+api.URL, "APP_ID=7", "PRIVATE_KEY_FILE="+key, "WEBHOOK_SECRET="+loadSecret)
	g := newGenerator()
	begin(t, c, s, func() bool {
		s.send(g.next())
		return s.stub.checks.Load() > 0
	})
	s.settle(t, 0)
	return s
}

var loadClient = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}, Timeout: 30 * time.Second}

// send makes a delivery and reports whether it was acknowledged.
func (s *subject) send(r *http.Request) bool {
	to, err := http.NewRequest(r.Method, s.url, r.Body)
	if err != nil {
		return false
	}
	to.Header, to.ContentLength = r.Header, r.ContentLength
	res, err := loadClient.Do(to)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, res.Body)
	res.Body.Close()
	return res.StatusCode/100 == 2
}

// settle waits until no more checks come, and at least some came.
func (s *subject) settle(t testing.TB, least int64) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Minute)
	for last := int64(-1); ; {
		now := s.stub.checks.Load()
		if now >= least && (least > 0 || now == last) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d checks of %d within five minutes", now, least)
		}
		last = now
		time.Sleep(map[bool]time.Duration{true: 5 * time.Millisecond, false: 500 * time.Millisecond}[least > 0])
	}
}

// load is what a run under load gave.
type load struct {
	acknowledged float64 // a second
	completed    float64 // checks a second
	p50, p99     time.Duration
	cpu          time.Duration // of the server, for each delivery
	lost         int64
}

func (s *subject) load(t testing.TB, times []time.Duration, spent time.Duration, lost int64, acknowledged, completed time.Duration) load {
	slices.Sort(times)
	n := len(times)
	return load{
		acknowledged: float64(n) / acknowledged.Seconds(), completed: float64(n) / completed.Seconds(),
		p50: times[n/2], p99: times[n*99/100], cpu: (spentBy(t, s.pid) - spent) / time.Duration(n), lost: lost,
	}
}

// closed sends n deliveries from some clients at once, each as soon as its last was acknowledged.
func (s *subject) closed(t testing.TB, clients, n int) load {
	t.Helper()
	g := newGenerator()
	before, spent := s.stub.checks.Load(), spentBy(t, s.pid)
	times := make([]time.Duration, n)
	var at, lost atomic.Int64
	var sending sync.WaitGroup
	start := time.Now()
	for range clients {
		sending.Go(func() {
			for i := at.Add(1); i <= int64(n); i = at.Add(1) {
				r := g.next()
				began := time.Now()
				if !s.send(r) {
					lost.Add(1)
				}
				times[i-1] = time.Since(began)
			}
		})
	}
	sending.Wait()
	took := time.Since(start)
	s.settle(t, before+int64(n)-lost.Load())
	return s.load(t, times, spent, lost.Load(), took, time.Since(start))
}

// open sends deliveries at a rate, whether the ones before were acknowledged or not; times count from when they were due.
func (s *subject) open(t testing.TB, rate int, d time.Duration) load {
	t.Helper()
	g := newGenerator()
	before, spent := s.stub.checks.Load(), spentBy(t, s.pid)
	n := int(d.Seconds() * float64(rate))
	times := make([]time.Duration, n)
	var lost atomic.Int64
	var sending sync.WaitGroup
	start := time.Now()
	for i := range n {
		due := start.Add(time.Duration(i) * time.Second / time.Duration(rate))
		time.Sleep(time.Until(due))
		r := g.next()
		sending.Go(func() {
			if !s.send(r) {
				lost.Add(1)
			}
			times[i] = time.Since(due)
		})
	}
	sending.Wait()
	took := time.Since(start)
	s.settle(t, before+int64(n)-lost.Load())
	return s.load(t, times, spent, lost.Load(), took, time.Since(start))
}

// report reports the medians of several runs. None may have lost a delivery.
func report(b *testing.B, name string, runs []load) {
	b.Helper()
	for _, l := range runs {
		if l.lost > 0 {
			b.Fatalf("%s%d deliveries were not acknowledged", name, l.lost)
		}
	}
	of := func(metric func(load) float64) float64 {
		values := make([]float64, len(runs))
		for i, l := range runs {
			values[i] = metric(l)
		}
		return median(values)
	}
	b.ReportMetric(of(func(l load) float64 { return l.acknowledged }), name+"acked/s")
	b.ReportMetric(of(func(l load) float64 { return l.completed }), name+"done/s")
	b.ReportMetric(of(func(l load) float64 { return float64(l.p50) / 1e6 }), name+"p50-ms")
	b.ReportMetric(of(func(l load) float64 { return float64(l.p99) / 1e6 }), name+"p99-ms")
	b.ReportMetric(of(func(l load) float64 { return float64(l.cpu) / 1e6 }), name+"cpu-ms/delivery")
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

const (
	loadRun  = 1500 // deliveries
	loadRuns = 5    // of which a benchmark takes the median
)

// BenchmarkLoad measures what is acknowledged and what is done, with one check a delivery, as a program of its own next to the generator.
func BenchmarkLoad(b *testing.B) {
	for _, engine := range []string{"sqlite", "postgres"} {
		for name, run := range map[string]func(testing.TB, *subject) load{
			"closed-32": func(t testing.TB, s *subject) load { return s.closed(t, 32, loadRun) },
			"open-500":  func(t testing.TB, s *subject) load { return s.open(t, 500, 6*time.Second) },
		} {
			b.Run(engine+"/"+name, func(b *testing.B) {
				database := "sqlite:" + filepath.Join(b.TempDir(), "relbot.db")
				if engine == "postgres" {
					database = pgtest.URL(b)
				}
				s := relbotUnder(b, database)
				for b.Loop() {
					var runs []load
					for range loadRuns {
						runs = append(runs, run(b, s))
					}
					report(b, "", runs)
				}
			})
		}
	}
}

// BenchmarkProbot compares relbot on SQLite with a Probot app, on the same deliveries and API, turn by turn. relbot has each delivery on
// disk before it acknowledges it; Probot keeps it in memory. The ratios are the medians of those of the turns.
func BenchmarkProbot(b *testing.B) {
	ours, theirs := relbotUnder(b, "sqlite:"+filepath.Join(b.TempDir(), "relbot.db")), probotUnder(b)
	theirs.closed(b, 32, loadRun/3) // warm
	for b.Loop() {
		var relbot, probot []load
		var acknowledged, completed []float64
		for range loadRuns {
			r, p := ours.closed(b, 32, loadRun), theirs.closed(b, 32, loadRun)
			relbot, probot = append(relbot, r), append(probot, p)
			acknowledged, completed = append(acknowledged, r.acknowledged/p.acknowledged), append(completed, r.completed/p.completed)
		}
		report(b, "relbot-", relbot)
		report(b, "probot-", probot)
		b.ReportMetric(median(acknowledged), "×acked")
		b.ReportMetric(median(completed), "×done")
	}
}

// spentBy is the processor time that a process has used.
func spentBy(t testing.TB, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:])) // from the state on; proc(5) counts it as the third
	var ticks int64
	for _, f := range fields[11:13] { // utime and stime
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond // USER_HZ is 100 on every platform that Go knows
}

// resident is the memory that a process uses, in bytes, apart from the program itself, and how many files it has open.
func resident(t testing.TB, pid int) (memory int64, files int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "RssAnon:")
	if _, err := fmt.Sscan(rest, &memory); !ok || err != nil {
		t.Fatalf("no RssAnon in %s", text)
	}
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return memory << 10, len(open)
}

// TestSoak sends 200 deliveries a second for a while: all are acknowledged and done, none twice, and neither memory nor open files grow.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	s := relbotUnder(t, "sqlite:"+filepath.Join(t.TempDir(), "relbot.db"))
	const parts = 10
	var memory []int64
	var files []int
	for i := range parts {
		l := s.open(t, 200, *soak/parts)
		m, f := resident(t, s.pid)
		memory, files = append(memory, m), append(files, f)
		if l.lost > 0 {
			t.Errorf("%d deliveries were not acknowledged", l.lost)
		}
		if testing.Verbose() {
			fmt.Printf("%s: %.0f acknowledged and %.0f done a second, p50 %s, p99 %s, %d MiB, %d files\n", *soak/parts*time.Duration(i+1), l.acknowledged, l.completed, l.p50, l.p99, m>>20, f)
		}
	}
	if n := s.stub.twice.Load(); n > 0 {
		t.Errorf("%d heads got a second check", n)
	}
	// The caches fill in the beginning; from the middle on nothing grows.
	half := parts / 2
	if was, is := slices.Max(memory[:half]), slices.Min(memory[half:]); is > was+was/4+16<<20 {
		t.Errorf("memory grew from %d to %d MiB", was>>20, is>>20)
	}
	if was, is := slices.Max(files[:half]), slices.Min(files[half:]); is > was+20 {
		t.Errorf("open files grew from %d to %d", was, is)
	}
}
