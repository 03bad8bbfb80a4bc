package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/store/postgres/pgtest"
)

// layout is what the program finds where it is started. Those of Compose and of the chart are written by the tests of deploy/check.
type layout struct {
	User     int               `json:"user"`
	Args     []string          `json:"args"`
	Env      map[string]string `json:"env"`
	Writable map[string]string `json:"writable"` // directories, "kept" or "lost" over a restart; nothing else can be written
}

func layoutFile(t *testing.T, name string) layout {
	t.Helper()
	var l layout
	if err := json.Unmarshal([]byte(read(t, "cmd/relbot/testdata/layout/"+name+".json")), &l); err != nil {
		t.Fatal(err)
	}
	return l
}

// unitLayout is what systemd makes of the unit: a user of its own, its directories, and nothing else to write.
func unitLayout(t *testing.T) layout {
	t.Helper()
	l := layout{User: 61234, Env: map[string]string{}, Writable: map[string]string{}} // from the range of dynamic users
	expand := strings.NewReplacer("%S", "/var/lib", "%C", "/var/cache")
	for line := range strings.Lines(read(t, "deploy/relbot.service")) {
		switch key, text, _ := strings.Cut(strings.TrimSpace(line), "="); key {
		case "ExecStart":
			l.Args = strings.Fields(expand.Replace(text))[1:]
		case "Environment":
			name, value, _ := strings.Cut(expand.Replace(text), "=")
			l.Env[name] = value
		case "StateDirectory":
			l.Writable["/var/lib/"+text] = "kept"
		case "CacheDirectory":
			l.Writable["/var/cache/"+text] = "kept"
		}
	}
	return l
}

// binary builds the program once, as a release does.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "relbot-newuser")
	if err != nil {
		return "", err
	}
	c := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", filepath.Join(dir, "relbot"), ".")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return filepath.Join(dir, "relbot"), nil
})

// machine is a file system with the program and little more, in which it runs. Its user may write to the layout's directories alone.
type machine struct {
	layout
	t    *testing.T
	root string
}

func newMachine(t *testing.T, l layout) *machine {
	t.Helper()
	built, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{layout: l, t: t, root: t.TempDir()}
	program, err := os.ReadFile(built)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(m.root, "relbot"), program, 0o755); err != nil {
		t.Fatal(err)
	}
	for dir := range l.Writable {
		if err := os.MkdirAll(filepath.Join(m.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		m.own(dir)
	}
	for dir := m.root; strings.HasPrefix(dir, os.TempDir()+"/"); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil { // others have to get through
			t.Fatal(err)
		}
	}
	return m
}

// own gives a directory to the user that runs the program.
func (m *machine) own(dir string) {
	m.t.Helper()
	path := filepath.Join(m.root, dir)
	if err := os.Chmod(path, 0o700); err != nil {
		m.t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(path, m.User, m.User); err != nil {
			m.t.Fatal(err)
		}
	}
}

// command is the program on the machine. Without root the user is one of a namespace.
func (m *machine) command(args ...string) *exec.Cmd {
	c := exec.Command("/relbot", args...)
	c.Path, c.Dir = "/relbot", "/"
	for name, text := range m.Env {
		c.Env = append(c.Env, name+"="+text)
	}
	c.SysProcAttr = &syscall.SysProcAttr{Chroot: m.root}
	if os.Geteuid() == 0 {
		c.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(m.User), Gid: uint32(m.User)}
	} else {
		c.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: m.User, HostID: os.Geteuid(), Size: 1}}
		c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: m.User, HostID: os.Getegid(), Size: 1}}
	}
	return c
}

// process is the program while it runs.
type process struct {
	*exec.Cmd
	log transcript
}

func (m *machine) start(args ...string) *process {
	m.t.Helper()
	p := &process{Cmd: m.command(args...)}
	p.Stdout, p.Stderr = &p.log, &p.log
	if err := p.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = p.Process.Kill() }) // it may have ended
	return p
}

// stop ends the program as systemd and Docker do, and forgets what is lost with a container.
func (m *machine) stop(p *process) {
	m.t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		m.t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		m.t.Errorf("stopped with %v: %s", err, p.log.String())
	}
	for dir, fate := range m.Writable {
		if path := filepath.Join(m.root, dir); fate == "lost" {
			if err := os.RemoveAll(path); err != nil {
				m.t.Fatal(err)
			}
			if err := os.Mkdir(path, 0o700); err != nil {
				m.t.Fatal(err)
			}
			m.own(dir)
		}
	}
}

// ask runs the program to its end.
func (m *machine) ask(args ...string) (string, int) {
	m.t.Helper()
	c := m.command(args...)
	out, err := c.CombinedOutput()
	if c.ProcessState == nil {
		m.t.Fatal(err)
	}
	return string(out), c.ProcessState.ExitCode()
}

// TestNewUser follows a new user from a machine with nothing but the program to a pull request that GitHub refuses. It goes each of the
// ways in which relbot is deployed, with a restart. It prints how long each step took.
func TestNewUser(t *testing.T) {
	plain := layout{User: 1234, Args: []string{"serve", "--config", "/home/me/relbot.yml"}, Env: map[string]string{}, Writable: map[string]string{"/home/me": "kept"}}
	for _, way := range []struct {
		name string
		layout
	}{{"binary", plain}, {"unit", unitLayout(t)}, {"compose", layoutFile(t, "compose")}, {"chart", layoutFile(t, "chart")}} {
		t.Run(way.name, func(t *testing.T) {
			gh, web := enterprise(t, ghsim.Options{Unregistered: true})
			address := free(t)
			at := "http://" + address
			l := way.layout
			l.Env = maps.Clone(l.Env)
			l.Env["RELBOT_LISTEN"] = address // as many run here as there are tests
			l.Env["RELBOT_DEBOUNCE"] = "5ms"
			if _, ok := l.Env["RELBOT_PUBLIC_URL"]; ok {
				l.Env["RELBOT_PUBLIC_URL"] = at
			}
			if _, ok := l.Env["RELBOT_DATABASE_URL"]; ok {
				l.Env["RELBOT_DATABASE_URL"] = overTCP(t, pgtest.URL(t))
			}
			m := newMachine(t, l)
			begun, last := time.Now(), time.Now()
			took := func(what string) {
				t.Logf("%6.1f s  %s", time.Since(last).Seconds(), what)
				last = time.Now()
			}
			server := m.start(l.Args...)
			b := registerApp(t, server.log.String, map[string]string{"account": "acme", "web": web.URL, "public_url": at})
			took("the link of the first start, the App registered")
			b.submit("/setup/finish", nil)
			b.want(http.StatusOK, "What comes next")
			until(t, "the server", func() bool { return ready(at) })
			took("ready")
			doctor := slices.Concat([]string{"doctor"}, l.Args[1:])
			if out, code := m.ask(doctor...); code != exitBlocked || strings.Count(out, "problem  ") != 1 || !strings.Contains(out, "installed nowhere") || strings.Contains(out, "unknown  ") {
				t.Errorf("doctor: exit %d: %s", code, out)
			}
			took("doctor: only the installation is missing")
			repo := coupling.Repo("acme/app")
			if err := gh.CreateRepo(ghsim.RepoSpec{Name: repo, RequiredCheck: "relbot/coordination", Files: map[string]string{"VERSION": "1.2.0-dev\n"}, Tags: []ghsim.TagSpec{{Name: "v1.1.0"}}, Policy: `version: 1
releases: {dev_version: [{path: VERSION, pattern: "(?P<version>\\S+)"}], tags: "v{version}"}
gates: {g: {find: {path: gate.py, symbol: MIN}}}
couplings: {set: {members: {a: {pr: 1}}, gates: {g: a}}}
`}); err != nil {
				t.Fatal(err)
			}
			if err := gh.Install(repo); err != nil {
				t.Fatal(err)
			}
			post := ghsim.Poster(http.DefaultClient, gh.HookURL())
			propose := func(number int, path, text, want string) {
				t.Helper()
				if err := gh.Open(ghsim.OpenSpec{Repo: repo, Number: number, By: "ann", Title: "T", Files: map[string]*string{path: &text}}); err != nil {
					t.Fatal(err)
				}
				until(t, want, func() bool {
					gh.Flush(t.Context(), post)
					c, ok := gh.CurrentCheck(coupling.Pull{Repo: repo, Number: number})
					return ok && strings.HasPrefix(c.Title, want)
				})
			}
			propose(1, "gate.py", "MIN = \"1.1.0\"\n", "Blocked:")
			took("a pull request with a wrong gate is blocked")
			if out, code := m.ask(doctor...); code != exitFine {
				t.Errorf("doctor: exit %d: %s", code, out)
			}
			m.stop(server)
			server = m.start(l.Args...)
			until(t, "the server after a restart", func() bool { return ready(at) })
			propose(2, "README", "in no coupling", "Passed:")
			if strings.Contains(server.log.String(), "/setup?token=") {
				t.Error("it sets up again")
			}
			took("restarted, and the next pull request judged")
			m.stop(server)
			t.Logf("%6.1f s  together, %s", time.Since(begun).Seconds(), way.name)
			if p := gh.Problems(); len(p) > 0 {
				t.Error(p)
			}
			// The user's files are his alone, and nothing was written elsewhere.
			for path, mode := range m.files() {
				if path != "/relbot" && mode.Perm()&0o077 != 0 {
					t.Errorf("%s can be read by others: %v", path, mode)
				}
			}
		})
	}
}

// overTCP gives a database whose server has only a socket in the file system an address on the network. A machine without that file needs it.
func overTCP(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	dir := u.Query().Get("host")
	if dir == "" {
		return address
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("unix", filepath.Join(dir, ".s.PGSQL.5432"))
			if err != nil {
				near.Close()
				continue
			}
			for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
				go func() {
					_, _ = io.Copy(pair[0], pair[1]) // either side ends it
					pair[0].Close()
				}()
			}
		}
	}()
	u.Host, u.RawQuery = l.Addr().String(), "sslmode=disable"
	return u.String()
}

// files are those of the machine, with their modes.
func (m *machine) files() map[string]os.FileMode {
	out := map[string]os.FileMode{}
	err := filepath.WalkDir(m.root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			out[strings.TrimPrefix(path, m.root)] = info.Mode()
		}
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return out
}

// TestStateThatIsNotWritable: the directory belongs to somebody else.
func TestStateThatIsNotWritable(t *testing.T) {
	m := newMachine(t, layout{User: 65532, Writable: map[string]string{"/data": "kept"}})
	for _, state := range []string{"/", "/elsewhere/below"} {
		out, code := m.ask("serve", "--listen", "127.0.0.1:0", "--state", state)
		if code != exitUsage || !regexp.MustCompile(`the state directory cannot be written: .*permission denied: let the user that runs relbot \(uid 65532\) own it`).MatchString(out) {
			t.Errorf("%s: exit %d: %s", state, code, out)
		}
	}
	// Settings that root wrote for itself.
	if err := os.WriteFile(filepath.Join(m.root, "relbot.yml"), bytes.Repeat([]byte("#"), 10), 0o000); err != nil {
		t.Fatal(err)
	}
	if out, code := m.ask("serve", "--config", "/relbot.yml"); code != exitUsage || !strings.Contains(out, "the user that runs relbot (uid 65532) must be able to read it") {
		t.Errorf("exit %d: %s", code, out)
	}
	if len(m.files()) != 2 {
		t.Errorf("something was written: %v", m.files())
	}
}
