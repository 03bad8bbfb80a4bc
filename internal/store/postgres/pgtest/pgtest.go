// Package pgtest gives tests a PostgreSQL database of their own.
//
// The server is the one that RELBOT_TEST_POSTGRES names. Else this package starts a private one from the distribution's
// binaries and stops it at the end. There is no third way: without a server the tests fail and say what to install.
package pgtest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Env names the variable that holds a server's URL.
const Env = "RELBOT_TEST_POSTGRES"

var (
	start  = sync.OnceValues(serve)
	count  atomic.Int64
	server struct {
		sync.Mutex
		dir string
		cmd *exec.Cmd
	}
)

// URL makes a fresh database and returns its URL. It is dropped when the test ends.
func URL(t testing.TB) string {
	t.Helper()
	base, err := start()
	if err != nil {
		t.Fatalf("no PostgreSQL server for the tests: %v\ninstall the distribution's package postgresql, or name a server in %s", err, Env)
	}
	name := fmt.Sprintf("relbot_test_%d_%d", os.Getpid(), count.Add(1))
	if err := execute(base, "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := execute(base, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

// Main runs a package's tests and stops the private server after them.
func Main(m *testing.M) {
	code := m.Run()
	stop()
	os.Exit(code)
}

func execute(base, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, base)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

// serve finds or starts a server.
func serve() (string, error) {
	if base := os.Getenv(Env); base != "" {
		return base, nil
	}
	bin, err := binaries()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "relbot-pg")
	if err != nil {
		return "", err
	}
	attr, uid, gid := unprivileged()
	if err := errors.Join(os.Chmod(dir, 0o700), os.Chown(dir, uid, gid)); err != nil && os.Getuid() == 0 {
		return "", err
	}
	data := filepath.Join(dir, "data")
	initdb := func(collation ...string) ([]byte, error) {
		c := exec.Command(filepath.Join(bin, "initdb"), append([]string{"-D", data, "-U", "relbot", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"}, collation...)...)
		c.Dir, c.SysProcAttr = dir, attr
		return c.CombinedOutput()
	}
	// Most servers do not sort by bytes; before PostgreSQL 15 or without ICU this one does.
	if _, err := initdb("--locale-provider=icu", "--icu-locale=en-US"); err != nil {
		if out, err := initdb(); err != nil {
			return "", fmt.Errorf("initdb: %w\n%s", err, out)
		}
	}
	// A socket in the private directory needs no port. Durability is of no use to a database that lives for one test run, but a benchmark measures
	// what it costs.
	args := []string{"-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "max_connections=300"}
	if bench := flag.Lookup("test.bench"); bench == nil || bench.Value.String() == "" {
		args = append(args, "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
	}
	cmd := exec.Command(filepath.Join(bin, "postgres"), args...)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return "", err
	}
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	cmd.SysProcAttr = attr
	cmd.SysProcAttr.Pdeathsig = syscall.SIGINT // no server outlives the tests
	if err := cmd.Start(); err != nil {
		return "", err
	}
	server.Lock()
	server.dir, server.cmd = dir, cmd
	server.Unlock()
	base := "postgres://relbot@/postgres?host=" + url.QueryEscape(dir) + "&sslmode=disable"
	for deadline := time.Now().Add(30 * time.Second); ; {
		err := execute(base, "SELECT 1")
		if err == nil {
			return base, nil
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(filepath.Join(dir, "log"))
			return "", fmt.Errorf("the server does not answer: %w\n%s", err, text)
		}
		time.Sleep(20 * time.Millisecond) // the server says nothing when it is ready
	}
}

func stop() {
	server.Lock()
	defer server.Unlock()
	if server.cmd != nil {
		_ = server.cmd.Process.Signal(syscall.SIGINT) // fast shutdown; the directory goes in any case
		_ = server.cmd.Wait()
		os.RemoveAll(server.dir)
	}
}

// binaries finds the newest server in the places where distributions put it.
func binaries() (string, error) {
	if p, err := exec.LookPath("initdb"); err == nil {
		if real, err := filepath.EvalSymlinks(p); err == nil {
			return filepath.Dir(real), nil
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", errors.New("neither in PATH nor in /usr/lib/postgresql is an initdb")
	}
	slices.SortFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(found[len(found)-1]), nil
}

func version(p string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(p))))
	return n
}

// unprivileged is how the server runs: PostgreSQL refuses root.
func unprivileged() (*syscall.SysProcAttr, int, int) {
	attr := &syscall.SysProcAttr{}
	if os.Getuid() != 0 {
		return attr, os.Getuid(), os.Getgid()
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return attr, uid, gid
	}
	return attr, 0, 0
}
