package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/jackc/pgx/v5"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/store/postgres/pgtest"
)

// faulty is an embedded GitHub with a server on it whose database is about to fail.
func faulty(t *testing.T) (gh *ghsim.GitHub, env []string) {
	t.Helper()
	key, pem := appPEM(t)
	gh = ghsim.New(ghsim.Options{Clock: time.Now, AppID: 7, Key: &key.PublicKey, Secret: "s3cret"})
	api := httptest.NewServer(gh.Handler())
	t.Cleanup(api.Close)
	if err := gh.CreateRepo(ghsim.RepoSpec{Name: "acme/app"}); err != nil {
		t.Fatal(err)
	}
	if err := gh.Install("acme/app"); err != nil {
		t.Fatal(err)
	}
	return gh, []string{"RELBOT_GITHUB_API_URL=" + api.URL, "RELBOT_GITHUB_APP_ID=7", "RELBOT_GITHUB_PRIVATE_KEY=" + string(pem), "RELBOT_WEBHOOK_SECRET=s3cret", "RELBOT_DEBOUNCE=1ms"}
}

// opens opens a pull request and waits for its check.
func opens(t *testing.T, gh *ghsim.GitHub, n int, post func(context.Context, ghsim.Delivery) (int, error)) {
	t.Helper()
	if err := gh.Open(ghsim.OpenSpec{Repo: "acme/app", Number: n, By: "ann", Title: "T", Files: map[string]*string{fmt.Sprint("f", n): text("x")}}); err != nil {
		t.Fatal(err)
	}
	checked(t, gh, n, post)
}

func checked(t *testing.T, gh *ghsim.GitHub, n int, post func(context.Context, ghsim.Delivery) (int, error)) {
	t.Helper()
	until(t, "the check", func() bool {
		gh.Flush(t.Context(), post)
		_, ok := gh.CurrentCheck(coupling.Pull{Repo: "acme/app", Number: n})
		return ok
	})
}

// refused opens a pull request, and holds that its deliveries are refused in the right way.
func refused(t *testing.T, gh *ghsim.GitHub, n int, url string) {
	t.Helper()
	if err := gh.Open(ghsim.OpenSpec{Repo: "acme/app", Number: n, By: "ann", Title: strings.Repeat("long ", 2000), Files: map[string]*string{fmt.Sprint("f", n): text("x")}}); err != nil {
		t.Fatal(err)
	}
	seen := 0
	gh.Flush(t.Context(), func(ctx context.Context, d ghsim.Delivery) (int, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(d.Body))
		if err != nil {
			return 0, err
		}
		r.Header = d.Header.Clone()
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0, err
		}
		defer res.Body.Close()
		_, _ = io.Copy(io.Discard, res.Body)
		if d.Event == "pull_request" {
			seen++
			if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
				t.Errorf("%s: answered %s, Retry-After %q", d.Event, res.Status, res.Header.Get("Retry-After"))
			}
		}
		return res.StatusCode, nil
	})
	if seen == 0 {
		t.Error("no delivery")
	}
}

// TestDiskFull limits the size of the files of a running server to what they have, which is a full disk to it.
func TestDiskFull(t *testing.T) {
	failsAndHeals(t, func(pid int) func() {
		limit(t, pid, 1)
		return func() { limit(t, pid, ^uint64(0)) }
	})
}

// TestReadOnlyFile has the writes to files of a running server answered as by a file system that became read-only.
func TestReadOnlyFile(t *testing.T) {
	failsAndHeals(t, func(pid int) func() {
		return attach(t, pid, "-e", "trace=pwrite64,ftruncate", "-e", "inject=pwrite64,ftruncate:error=EROFS", "-o", os.DevNull)
	})
}

// failsAndHeals breaks the database of a running server on SQLite. Deliveries are refused and logged, and it goes on by itself, with what was refused,
// once the database can be written again.
func failsAndHeals(t *testing.T, breakIt func(pid int) (fix func())) {
	t.Parallel()
	gh, env := faulty(t)
	dir, address := t.TempDir(), freeAddress(t)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	c := exec.Command(os.Args[0])
	c.Env = append(append(os.Environ(), serveChild+"=1", "RELBOT_LISTEN="+address, "RELBOT_DATABASE_URL=sqlite:"+filepath.Join(dir, "relbot.db")), env...)
	logged, logs, err := os.Pipe() // a pipe has no size
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = logs
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	logs.Close()
	copied := make(chan struct{})
	go func() { defer close(copied); _, _ = io.Copy(log, logged) }()
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	i := &instance{address: address, post: ghsim.Poster(&http.Client{Timeout: 10 * time.Second}, "http://"+address+"/webhook")}
	until(t, "ready", func() bool { return i.ready() == http.StatusOK })
	opens(t, gh, 1, i.post)
	fix := breakIt(c.Process.Pid)
	refused(t, gh, 2, "http://"+address+"/webhook")
	until(t, "not ready", func() bool { return i.ready() == http.StatusServiceUnavailable })
	fix()
	until(t, "ready again", func() bool { return i.ready() == http.StatusOK })
	checked(t, gh, 2, i.post) // GitHub was asked to send it again
	opens(t, gh, 3, i.post)
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-copied
	out, err := os.ReadFile(log.Name())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), `"reason":"store"`) {
		t.Errorf("nothing is logged of it:\n%s", tail(string(out), 3000))
	}
}

// limit sets how large the files of another process may become.
func limit(t *testing.T, pid int, size uint64) {
	t.Helper()
	l := syscall.Rlimit{Cur: size, Max: ^uint64(0)}
	if _, _, e := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), syscall.RLIMIT_FSIZE, uintptr(unsafe.Pointer(&l)), 0, 0, 0); e != 0 {
		t.Fatal(e)
	}
}

// TestReadOnlyDatabase makes a PostgreSQL database read-only under a running server, as a failover does.
func TestReadOnlyDatabase(t *testing.T) {
	t.Parallel()
	gh, env := faulty(t)
	database := pgtest.URL(t)
	i := startServer(t, append(env, "RELBOT_DATABASE_URL="+database))
	opens(t, gh, 1, i.post)
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	set := func(value string) {
		t.Helper()
		var name string
		if err := conn.QueryRow(t.Context(), "SELECT current_database()").Scan(&name); err != nil {
			t.Fatal(err)
		}
		for _, statement := range []string{
			"SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
			"ALTER DATABASE " + name + " SET default_transaction_read_only = " + value,
			"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
		} {
			if _, err := conn.Exec(t.Context(), statement); err != nil {
				t.Fatal(statement, err)
			}
		}
	}
	set("on")
	until(t, "not ready", func() bool { return i.ready() == http.StatusServiceUnavailable })
	refused(t, gh, 2, "http://"+i.address+"/webhook")
	set("off")
	until(t, "ready again", func() bool { return i.ready() == http.StatusOK })
	checked(t, gh, 2, i.post)
	i.stop(t)
}

// TestSlowConnections opens connections that say nothing, half a header, or half a body. Deliveries are taken in next to them, and they are
// closed after some seconds.
func TestSlowConnections(t *testing.T) {
	t.Parallel()
	gh, env := faulty(t)
	i := startServer(t, append(env, "RELBOT_DATABASE_URL=sqlite:"+filepath.Join(t.TempDir(), "relbot.db")))
	var open []net.Conn
	for n := range 300 {
		c, err := net.Dial("tcp", i.address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		open = append(open, c)
		if _, err := io.WriteString(c, []string{"", "POST /webhook HTTP/1.1\r\nHost: x\r\nX-Slow", "POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 25000000\r\n\r\n{"}[n%3]); err != nil {
			t.Fatal(err)
		}
	}
	opens(t, gh, 1, i.post)
	for n, c := range open[:2] { // one that says nothing, and one that stops in a header
		if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(c); err != nil {
			t.Errorf("connection %d was not closed: %v", n, err)
		}
	}
	for _, c := range open {
		c.Close()
	}
	i.stop(t)
}

// TestNothingLeaks starts and stops servers: neither goroutines nor file descriptors stay behind.
func TestNothingLeaks(t *testing.T) {
	engines(t, func(t *testing.T, address string) {
		gh, env := faulty(t)
		n := 0
		round := func() {
			n++
			i := startServer(t, append(env, "RELBOT_DATABASE_URL="+address))
			opens(t, gh, n, i.post)
			i.stop(t)
		}
		round() // what is made once
		goroutines, files := ours(), len(descriptors(t))
		for range 3 {
			round()
		}
		deadline := time.Now().Add(20 * time.Second)
		poll := time.NewTicker(20 * time.Millisecond)
		defer poll.Stop()
		for ours() > goroutines || len(descriptors(t)) > files+2 {
			if time.Now().After(deadline) {
				buf := make([]byte, 1<<20)
				t.Fatalf("%d goroutines, descriptors %q; before %d and %d\n%s", ours(), descriptors(t), goroutines, files, buf[:runtime.Stack(buf, true)])
			}
			<-poll.C
		}
	})
}

// ours counts the goroutines that run code of this module or of its databases.
func ours() int {
	buf := make([]byte, 4<<20)
	n := 0
	for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "relbot/internal/") && !strings.Contains(g, "ghsim") || strings.Contains(g, "pgxpool") || strings.Contains(g, "database/sql") {
			n++
		}
	}
	return n
}

// descriptors lists what is open, but for connections of the test's own client and of the embedded GitHub, which come and go.
func descriptors(t *testing.T) []string {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, fd := range all {
		if target, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil {
			out = append(out, target)
		}
	}
	return out
}
