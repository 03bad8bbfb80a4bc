// Package gitrepo reads a repository's content and history from a local clone.
//
// It asks the git program, whose answers are the ones that everybody else gets, and keeps to a few plumbing commands whose
// output is stable. A Go implementation of git was looked at and left: it is slower on large histories and leaves out what git
// itself knows (ignore rules, mailmaps, partial clones).
package gitrepo

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/relbot/relbot/internal/versionscan"
)

// Repo is a clone.
type Repo struct{ dir string }

// ErrNone says that a directory is no clone.
var ErrNone = errors.New("not a git repository")

// Open finds the clone that a directory is in.
func Open(ctx context.Context, dir string) (*Repo, error) {
	r := &Repo{dir: dir}
	top, err := r.git(ctx, nil, "rev-parse", "--show-toplevel")
	if err != nil {
		if _, missing := exec.LookPath("git"); missing != nil {
			return nil, fmt.Errorf("%s: the git program is not installed", dir)
		}
		return nil, fmt.Errorf("%s: %w", dir, ErrNone)
	}
	r.dir = strings.TrimSpace(string(top))
	return r, nil
}

// Dir is the top of the work tree.
func (r *Repo) Dir() string { return r.dir }

func (r *Repo) git(ctx context.Context, in io.Reader, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", r.dir, "-c", "core.quotepath=off"}, args...)...)
	cmd.Stdin = in
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

func lines(out []byte) []string {
	text := strings.TrimRight(string(out), "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// Shallow reports whether history was cut off when the clone was made: then nothing can be said of first ships.
func (r *Repo) Shallow(ctx context.Context) (bool, error) {
	out, err := r.git(ctx, nil, "rev-parse", "--is-shallow-repository")
	return strings.TrimSpace(string(out)) == "true", err
}

// Tags lists the tags, peeled.
func (r *Repo) Tags(ctx context.Context) ([]versionscan.Tag, error) {
	out, err := r.git(ctx, nil, "for-each-ref", "refs/tags", "--format=%(refname:strip=2)%09%(objectname)%09%(*objectname)%09%(creatordate:unix)")
	if err != nil {
		return nil, err
	}
	var tags []versionscan.Tag
	for _, l := range lines(out) {
		f := strings.Split(l, "\t")
		t := versionscan.Tag{Name: f[0], Commit: f[1]}
		if f[2] != "" {
			t.Commit = f[2]
		}
		if sec, err := strconv.ParseInt(f[3], 10, 64); err == nil {
			t.Date = time.Unix(sec, 0).UTC()
		}
		tags = append(tags, t)
	}
	return tags, nil
}

// Branches lists the branches of the clone and of its origin, by name.
func (r *Repo) Branches(ctx context.Context) (map[string]string, error) {
	out, err := r.git(ctx, nil, "for-each-ref", "refs/remotes/origin", "refs/heads", "--format=%(refname)%09%(objectname)")
	if err != nil {
		return nil, err
	}
	branches := map[string]string{}
	for _, l := range lines(out) {
		ref, sha, _ := strings.Cut(l, "\t")
		name := strings.TrimPrefix(strings.TrimPrefix(ref, "refs/remotes/origin/"), "refs/heads/")
		if name != "HEAD" {
			branches[name] = sha
		}
	}
	return branches, nil
}

// Files reads a path at many revisions in one process. What is not there is absent.
func (r *Repo) Files(ctx context.Context, path string, revs []string) (map[string]versionscan.Fact[versionscan.File], error) {
	var in strings.Builder
	for _, rev := range revs {
		fmt.Fprintf(&in, "%s:%s\n", rev, path)
	}
	cmd := exec.CommandContext(ctx, "git", "-C", r.dir, "cat-file", "--batch")
	cmd.Stdin = strings.NewReader(in.String())
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	out := map[string]versionscan.Fact[versionscan.File]{}
	b := bufio.NewReaderSize(pipe, 1<<16)
	for _, rev := range revs {
		head, err := b.ReadString('\n')
		if err != nil {
			return nil, errors.Join(fmt.Errorf("git cat-file: %w", err), cmd.Wait())
		}
		f := strings.Fields(head)
		if len(f) != 3 || f[1] != "blob" {
			if len(f) == 3 { // a directory or a submodule: skip its content
				size, _ := strconv.Atoi(f[2])
				_, _ = b.Discard(size + 1)
			}
			out[rev] = versionscan.None[versionscan.File]("")
			continue
		}
		size, err := strconv.Atoi(f[2])
		if err != nil {
			return nil, fmt.Errorf("git cat-file: %q", head)
		}
		text := make([]byte, size)
		if _, err := io.ReadFull(b, text); err != nil {
			return nil, fmt.Errorf("git cat-file: %w", err)
		}
		_, _ = b.Discard(1)
		out[rev] = versionscan.Know(FileOf(text))
	}
	return out, cmd.Wait()
}

// FileOf turns content into a file: text, or binary when it is no UTF-8 or has NUL bytes.
func FileOf(content []byte) versionscan.File {
	if !utf8.Valid(content) || bytes.IndexByte(content, 0) >= 0 {
		return versionscan.File{Binary: true}
	}
	return versionscan.File{Text: string(content)}
}

// Tree lists the files of a revision.
func (r *Repo) Tree(ctx context.Context, rev string) ([]string, error) {
	out, err := r.git(ctx, nil, "ls-tree", "-r", "-z", "--name-only", rev)
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"), nil
}

// Listed lists the files of the work tree that git does not ignore, or those that changed since a revision.
func (r *Repo) Listed(ctx context.Context, since string) ([]string, error) {
	args := []string{"ls-files", "-z", "--cached", "--others", "--exclude-standard"}
	if since != "" {
		args = []string{"diff", "-z", "--name-only", "--diff-filter=d", since}
	}
	out, err := r.git(ctx, nil, args...)
	if err != nil {
		return nil, err
	}
	text := strings.TrimSuffix(string(out), "\x00")
	if text == "" {
		return nil, nil
	}
	return strings.Split(text, "\x00"), nil
}

// Commit is a commit as a log shows it.
type Commit struct{ SHA, Message string }

// Log lists the commits of a range, oldest first.
func (r *Repo) Log(ctx context.Context, revs ...string) ([]Commit, error) {
	out, err := r.git(ctx, nil, append([]string{"log", "--reverse", "--format=%H%x00%B%x01"}, revs...)...)
	if err != nil {
		return nil, err
	}
	var list []Commit
	for _, c := range strings.Split(string(out), "\x01") {
		if sha, message, ok := strings.Cut(strings.TrimLeft(c, "\n"), "\x00"); ok {
			list = append(list, Commit{sha, message})
		}
	}
	return list, nil
}

// Contains says which revisions have a commit.
func (r *Repo) Contains(ctx context.Context, commit string, revs []string) (map[string]bool, error) {
	out := map[string]bool{}
	for _, rev := range revs {
		cmd := exec.CommandContext(ctx, "git", "-C", r.dir, "merge-base", "--is-ancestor", commit, rev)
		err := cmd.Run()
		var status *exec.ExitError
		if err != nil && (!errors.As(err, &status) || status.ExitCode() != 1) {
			return nil, fmt.Errorf("git merge-base %s %s: %w", commit, rev, err)
		}
		out[rev] = err == nil
	}
	return out, nil
}

// PatchIDs maps the commits of a range to their stable patch ids.
func (r *Repo) PatchIDs(ctx context.Context, revs ...string) (map[string]string, error) {
	diff, err := r.git(ctx, nil, append([]string{"log", "-p", "--no-merges", "--format=commit %H"}, revs...)...)
	if err != nil {
		return nil, err
	}
	out, err := r.git(ctx, bytes.NewReader(diff), "patch-id", "--stable")
	if err != nil {
		return nil, err
	}
	ids := map[string]string{}
	for _, l := range lines(out) {
		if id, sha, ok := strings.Cut(l, " "); ok {
			ids[sha] = id
		}
	}
	return ids, nil
}

// Resolve is the commit of a revision.
func (r *Repo) Resolve(ctx context.Context, rev string) (string, error) {
	out, err := r.git(ctx, nil, "rev-parse", "--verify", "--quiet", rev+"^{commit}")
	if err != nil {
		return "", fmt.Errorf("%s: no such revision", rev)
	}
	return strings.TrimSpace(string(out)), nil
}

// Default is the default branch: what origin calls so, else main, master, or the one that is checked out.
func (r *Repo) Default(ctx context.Context) string {
	if out, err := r.git(ctx, nil, "symbolic-ref", "--short", "refs/remotes/origin/HEAD"); err == nil {
		return strings.TrimPrefix(strings.TrimSpace(string(out)), "origin/")
	}
	branches, err := r.Branches(ctx)
	if err == nil {
		for _, name := range []string{"main", "master"} {
			if branches[name] != "" {
				return name
			}
		}
	}
	out, err := r.git(ctx, nil, "branch", "--show-current")
	if err != nil {
		return "HEAD"
	}
	return strings.TrimSpace(string(out))
}
