package main

import (
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/ghsim/ghspec"
	"github.com/relbot/relbot/internal/gitrepo/gittest"
)

// TestOriginURL takes the repository, and another GitHub's host, out of each form of a remote's URL.
func TestOriginURL(t *testing.T) {
	for url, want := range map[string][2]string{
		"https://github.com/acme/app":                 {"acme/app", "https://api.github.com"},
		"https://github.com/acme/app.git":             {"acme/app", "https://api.github.com"},
		"https://x-token:secret@github.com/acme/a.b/": {"acme/a.b", "https://api.github.com"},
		"git@github.com:acme/app.git":                 {"acme/app", "https://api.github.com"},
		"git@work:acme/app.git":                       {"acme/app", "https://api.github.com"}, // an alias of SSH
		"ssh://git@github.example.com:2222/acme/app":  {"acme/app", "https://github.example.com/api/v3"},
		"git@octocorp.ghe.com:acme/app.git":           {"acme/app", "https://api.octocorp.ghe.com"},
		"/srv/git/app.git":                            {"", "https://api.github.com"},
		"https://github.com/acme":                     {"", "https://api.github.com"},
	} {
		r := gittest.New(t)
		r.Git("remote", "add", "origin", url)
		t.Chdir(r.Dir)
		f := onceFlags{api: defaultAPI}
		f.fromOrigin(t.Context())
		if got := [2]string{f.repo, f.api}; got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
	f := onceFlags{api: "https://given.example"}
	f.fromOrigin(t.Context())
	if f.api != "https://given.example" {
		t.Errorf("an API that was given is %s", f.api)
	}
}

// TestReportInAClone: `relbot report` with no flags, at a terminal and in a pipe.
func TestReportInAClone(t *testing.T) {
	gh := ghsim.New(ghsim.Options{Clock: time.Now, Inspect: ghspec.New(t)})
	api := httptest.NewServer(gh.Handler())
	defer api.Close()
	if err := gh.CreateRepo(ghsim.RepoSpec{Name: "acme/app", Policy: "version: 1\n", Permissions: map[string]string{"ann": "write"}}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GITHUB_TOKEN", "ghp_ann")
	t.Setenv("GITHUB_REPOSITORY", "")
	t.Setenv("GITHUB_API_URL", api.URL)
	t.Chdir(t.TempDir())
	for _, command := range []string{"check", "report"} {
		if _, errs, code := relbot(t, command); code != exitUsage || !strings.Contains(errs, "no clone whose remote origin names one") {
			t.Errorf("%s outside of a clone: exit %d: %s", command, code, errs)
		}
	}
	r := gittest.New(t)
	r.Git("remote", "add", "origin", "https://github.com/acme/app.git")
	t.Chdir(r.Dir)
	if _, errs, code := relbot(t, "report", "--repo", "acme"); code != exitUsage || errs != "relbot: --repo: \"acme\" is no repository: want owner/name\n" {
		t.Errorf("half a name: exit %d: %s", code, errs)
	}
	piped, errs, code := relbot(t, "report")
	if code != exitFine || !strings.Contains(piped, "<!-- relbot:report") {
		t.Errorf("in a pipe: exit %d: %s %s", code, piped, errs)
	}
	text, _, _ := relbot(t, "report", "--format", "text")
	if out, errs, code := relbot(t, "check"); code != exitFine {
		t.Errorf("check: exit %d: %s %s", code, out, errs)
	}
	leader, follower := terminalPair(t)
	if code := run(t.Context(), []string{"report"}, follower, follower); code != exitFine {
		t.Errorf("at a terminal: exit %d", code)
	}
	follower.Close()
	buffer := make([]byte, 64<<10)
	n, _ := leader.Read(buffer) // what was written is there; then the other end is closed, which is an error on this one
	if got := strings.ReplaceAll(string(buffer[:n]), "\r\n", "\n"); got != text || got == piped {
		t.Errorf("at a terminal:\n%s\nwant\n%s", got, text)
	}
}

// terminalPair opens a terminal: what is written to the second file is read from the first.
func terminalPair(t *testing.T) (leader, follower *os.File) {
	t.Helper()
	leader, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { leader.Close() })
	if err := unix.IoctlSetPointerInt(int(leader.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(leader.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	follower, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return leader, follower
}
