// Package gittest makes small git repositories for tests.
package gittest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Tree is a repository with a work tree.
type Tree struct {
	testing.TB
	Dir string
}

// New makes an empty repository, whose branch is main.
func New(t testing.TB) Tree {
	t.Helper()
	r := Tree{t, t.TempDir()}
	r.Git("init", "-q", "-b", "main")
	return r
}

// Git runs git and returns what it printed.
func (r Tree) Git(args ...string) string {
	r.Helper()
	cmd := exec.Command("git", append([]string{"-C", r.Dir, "-c", "user.name=ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// Write writes a file of the work tree.
func (r Tree) Write(path, text string) {
	r.Helper()
	full := filepath.Join(r.Dir, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		r.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
		r.Fatal(err)
	}
}

// Commit commits all of the work tree, changed or not, and returns the commit.
func (r Tree) Commit(message string) string {
	r.Helper()
	r.Git("add", "-A")
	r.Git("commit", "-q", "--allow-empty", "-m", message)
	return r.Git("rev-parse", "HEAD")
}
