// Package gitrepo reads a repository's content and history from a local clone.
//
// It asks the git program, whose answers are the ones that everybody else gets, and keeps to a few plumbing commands whose
// output is stable. A Go implementation of git was looked at and left. It is slower on large histories and leaves out what git
// itself knows (ignore rules, mailmaps, partial clones).
package gitrepo

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/release"
)

// Repo is a clone.
type Repo struct {
	dir     string
	partial bool            // it was made without blobs
	fetched map[string]bool // blobs that were fetched into it
}

// ErrNone says that a directory is no clone.
var ErrNone = errors.New("not a git repository")

// Open finds the clone that a directory is in.
func Open(ctx context.Context, dir string) (*Repo, error) {
	r := &Repo{dir: dir}
	if _, missing := exec.LookPath("git"); missing != nil {
		return nil, fmt.Errorf("%s: the git program is not installed", dir)
	}
	top, err := r.git(ctx, nil, "rev-parse", "--show-toplevel")
	switch {
	case err != nil && strings.Contains(err.Error(), "dubious ownership"):
		return nil, fmt.Errorf("%s: git refuses to read another user's clone: git config --global --add safe.directory %s", dir, dir)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", dir, ErrNone)
	}
	r.dir = strings.TrimSpace(string(top))
	out, _ := r.git(ctx, nil, "config", "--get", "remote.origin.promisor")
	r.partial = strings.TrimSpace(string(out)) == "true"
	return r, nil
}

// Clone makes a bare-bones clone of a repository in a directory, with its history and without the content of its files. It brings one
// that is there up to date. Content is fetched when it is asked for.
func Clone(ctx context.Context, url, dir string) (*Repo, error) {
	if strings.HasPrefix(url, "-") {
		return nil, fmt.Errorf("%q is no URL", url)
	}
	r := &Repo{dir: "."}
	if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
		r.dir = dir
		if _, err := r.git(ctx, nil, "fetch", "--quiet", "--prune", "--prune-tags", "--force", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*"); err != nil {
			return nil, err
		}
		if _, err := r.git(ctx, nil, "remote", "set-head", "origin", "--auto"); err != nil {
			return nil, err
		}
	} else if _, err := r.git(ctx, nil, "clone", "--quiet", "--filter=blob:none", "--no-checkout", url, dir); err != nil {
		return nil, err
	}
	return Open(ctx, dir)
}

// Dir is the top of the work tree.
func (r *Repo) Dir() string { return r.dir }

// Origin returns the URL of the remote origin, or "".
func (r *Repo) Origin(ctx context.Context) string {
	out, err := r.git(ctx, nil, "remote", "get-url", "origin")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func (r *Repo) git(ctx context.Context, in io.Reader, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", r.dir, "-c", "core.quotepath=off", "-c", "core.fsmonitor=false"}, args...)...)
	cmd.Stdin, cmd.Env = in, append(os.Environ(), "LC_ALL=C")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("git %s: %w: %s", strings.Join(args[:min(len(args), 3)], " "), err, strings.TrimSpace(stderr.String()))
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
func (r *Repo) Tags(ctx context.Context) ([]release.Tag, error) {
	out, err := r.git(ctx, nil, "for-each-ref", "refs/tags", "--format=%(refname:strip=2)%09%(objectname)%09%(*objectname)%09%(creatordate:unix)")
	if err != nil {
		return nil, err
	}
	var tags []release.Tag
	for _, l := range lines(out) {
		f := strings.Split(l, "\t")
		t := release.Tag{Name: f[0], Commit: f[1]}
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

// Files reads files at commits. Each blob is read once, however many commits have it. What is not there is absent; a commit that the
// clone does not have leaves its files unknown. The repository is the clone's own, whatever it is called.
func (r *Repo) Files(ctx context.Context, _ coupling.Repo, at []forge.At) (map[forge.At]versionscan.Fact[versionscan.File], error) {
	names := make([]string, 0, 2*len(at))
	for _, f := range at {
		names = append(names, f.Commit+":"+f.Path, f.Commit+"^{commit}")
	}
	if r.partial {
		if err := r.prefetch(ctx, at); err != nil {
			return nil, err
		}
	}
	ids, err := r.identify(ctx, names)
	if err != nil {
		return nil, err
	}
	var blobs []string
	for _, f := range at {
		if id := ids[f.Commit+":"+f.Path]; id.kind == "blob" && id.size <= maxFile {
			blobs = append(blobs, id.oid)
		}
	}
	slices.Sort(blobs)
	content, err := r.contents(ctx, slices.Compact(blobs))
	if err != nil {
		return nil, err
	}
	out := make(map[forge.At]versionscan.Fact[versionscan.File], len(at))
	links := map[[2]string]bool{}
	for _, f := range at {
		switch id := ids[f.Commit+":"+f.Path]; {
		case ids[f.Commit+"^{commit}"].kind == "":
			out[f] = versionscan.NotKnown[versionscan.File]("the clone has no commit " + f.Commit)
		case id.kind != "blob":
			out[f] = versionscan.None[versionscan.File]("")
		case id.size > maxFile:
			out[f] = versionscan.NotKnown[versionscan.File](fmt.Sprintf("it is larger than %d MiB", maxFile>>20))
		default:
			file := content[id.oid]
			if mayLink(file) {
				key := [2]string{id.oid, f.Path}
				link, known := links[key]
				if !known {
					if link, err = r.isLink(ctx, f); err != nil {
						return nil, err
					}
					links[key] = link
				}
				file.Link = link
			}
			out[f] = versionscan.Know(file)
		}
	}
	return out, nil
}

// maxFile is the largest file that is read, in bytes.
const maxFile = 20 << 20

// object is what git says of a name: its id, kind and size; the zero object is missing.
type object struct {
	oid, kind string
	size      int
}

// identify asks for many objects by name in one process.
func (r *Repo) identify(ctx context.Context, names []string) (map[string]object, error) {
	asked := slices.Clone(names)
	slices.Sort(asked)
	asked = slices.Compact(asked)
	if i := slices.IndexFunc(asked, func(n string) bool { return strings.ContainsAny(n, "\n\x00") }); i >= 0 {
		return nil, fmt.Errorf("%q is no name that git could be asked for", asked[i])
	}
	if len(asked) == 0 {
		return nil, nil
	}
	out, err := r.git(ctx, strings.NewReader(strings.Join(asked, "\n")+"\n"), "cat-file", "--batch-check=%(objectname) %(objecttype) %(objectsize)")
	if err != nil {
		return nil, err
	}
	answers := lines(out)
	if len(answers) != len(asked) {
		return nil, fmt.Errorf("git cat-file: %d answers to %d questions", len(answers), len(asked))
	}
	found := make(map[string]object, len(asked))
	for i, l := range answers {
		if f := strings.Fields(l); len(f) == 3 && !strings.HasSuffix(l, " missing") && !strings.HasSuffix(l, " ambiguous") {
			size, err := strconv.Atoi(f[2])
			if err != nil {
				continue // a path of three words that is missing
			}
			found[asked[i]] = object{f[0], f[1], size}
		}
	}
	return found, nil
}

// contents reads blobs in one process.
func (r *Repo) contents(ctx context.Context, blobs []string) (map[string]versionscan.File, error) {
	found := make(map[string]versionscan.File, len(blobs))
	if len(blobs) == 0 {
		return found, nil
	}
	cmd := exec.CommandContext(ctx, "git", "-C", r.dir, "cat-file", "--batch")
	cmd.Stdin = strings.NewReader(strings.Join(blobs, "\n") + "\n")
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer func() { _ = cmd.Wait() }()
	b := bufio.NewReaderSize(pipe, 1<<16)
	for _, id := range blobs {
		head, err := b.ReadString('\n')
		if err != nil {
			return nil, fmt.Errorf("git cat-file: %w", err)
		}
		f := strings.Fields(head)
		if len(f) != 3 {
			return nil, fmt.Errorf("git cat-file: %q", head)
		}
		size, err := strconv.Atoi(f[2])
		if err != nil {
			return nil, fmt.Errorf("git cat-file: %q", head)
		}
		text := make([]byte, size+1)
		if _, err := io.ReadFull(b, text); err != nil {
			return nil, fmt.Errorf("git cat-file: %w", err)
		}
		found[id] = FileOf(text[:size])
	}
	return found, nil
}

// mayLink reports whether a file's content could be the target of a symbolic link; the mode alone tells, and asking for it costs a
// process.
func mayLink(f versionscan.File) bool {
	return !f.Binary && f.Text != "" && len(f.Text) < 4096 && !strings.Contains(f.Text, "\n")
}

func (r *Repo) isLink(ctx context.Context, f forge.At) (bool, error) {
	out, err := r.git(ctx, nil, "ls-tree", f.Commit, "--", f.Path)
	return bytes.HasPrefix(out, []byte("120000 ")), err
}

// prefetch fetches the blobs of a clone that was made without them, all at once; git itself would fetch them one by one.
func (r *Repo) prefetch(ctx context.Context, at []forge.At) error {
	paths := map[string][]string{}
	for _, f := range at {
		paths[f.Commit] = append(paths[f.Commit], f.Path)
	}
	wanted := map[string]bool{}
	for commit, of := range paths {
		out, err := r.git(ctx, nil, append([]string{"ls-tree", commit, "--"}, of...)...)
		if err != nil {
			continue // not in the clone: found out below
		}
		for _, l := range lines(out) {
			if f := strings.Fields(l); len(f) >= 3 && f[1] == "blob" && !r.fetched[f[2]] {
				wanted[f[2]] = true
			}
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	ids := slices.Sorted(maps.Keys(wanted))
	_, err := r.git(ctx, strings.NewReader(strings.Join(ids, "\n")+"\n"), "-c", "fetch.negotiationAlgorithm=noop",
		"fetch", "origin", "--quiet", "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no", "--filter=blob:none", "--stdin")
	if err != nil {
		return err
	}
	if r.fetched == nil {
		r.fetched = map[string]bool{}
	}
	maps.Copy(r.fetched, wanted)
	return nil
}

// FileOf turns content into a file: text, or binary when it is no UTF-8 or has NUL bytes.
func FileOf(content []byte) versionscan.File {
	if !utf8.Valid(content) || bytes.IndexByte(content, 0) >= 0 {
		return versionscan.File{Binary: true}
	}
	return versionscan.File{Text: string(content)}
}

// Tree lists the files below a directory of a commit; "" is the root.
func (r *Repo) Tree(ctx context.Context, _ coupling.Repo, commit, dir string) (versionscan.Fact[[]forge.Entry], error) {
	args := []string{"ls-tree", "-r", "-z", commit}
	if dir != "" {
		args = append(args, "--", dir+"/")
	}
	out, err := r.git(ctx, nil, args...)
	if err != nil {
		return versionscan.NotKnown[[]forge.Entry](err.Error()), err
	}
	entries := []forge.Entry{}
	for l := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		head, path, ok := strings.Cut(l, "\t")
		if f := strings.Fields(head); ok && len(f) == 3 && f[1] == "blob" {
			entries = append(entries, forge.Entry{Path: path, Blob: f[2], Link: f[0] == "120000"})
		}
	}
	return versionscan.Know(entries), nil
}

// Listed lists the files of the work tree that git does not ignore, or of these the ones that changed or went since a revision.
func (r *Repo) Listed(ctx context.Context, since string) ([]string, error) {
	paths := func(args ...string) ([]string, error) {
		out, err := r.git(ctx, nil, args...)
		text := strings.TrimSuffix(string(out), "\x00")
		if err != nil || text == "" {
			return nil, err
		}
		return strings.Split(text, "\x00"), nil
	}
	if since == "" {
		return paths("ls-files", "-z", "--cached", "--others", "--exclude-standard")
	}
	if strings.HasPrefix(since, "-") { // git would take it for an option, of which some write files
		return nil, fmt.Errorf("%q is no revision", since)
	}
	changed, err := paths("diff", "-z", "--name-only", "--no-renames", "--no-ext-diff", since, "--")
	if err != nil {
		return nil, err
	}
	added, err := paths("ls-files", "-z", "--others", "--exclude-standard")
	return append(changed, added...), err
}

// log lists commits in the order in which git gives them.
func (r *Repo) log(ctx context.Context, args ...string) ([]forge.Commit, error) {
	out, err := r.git(ctx, nil, append([]string{"log", "-z", "--no-show-signature", "--format=%H%x00%P%x00%ae%x00%at%x00%ct%x00%B"}, args...)...)
	if err != nil {
		return nil, err
	}
	list := []forge.Commit{}
	for f := range slices.Chunk(strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"), 6) { // no field can hold the separator
		if len(f) < 6 {
			continue
		}
		c := forge.Commit{SHA: f[0], Parents: strings.Fields(f[1]), Author: f[2], Message: strings.TrimRight(f[5], "\n")}
		if sec, err := strconv.ParseInt(f[3], 10, 64); err == nil {
			c.Authored = time.Unix(sec, 0).UTC()
		}
		if sec, err := strconv.ParseInt(f[4], 10, 64); err == nil {
			c.Date = time.Unix(sec, 0).UTC()
		}
		list = append(list, c)
	}
	return list, nil
}

// Log lists what a revision contains since a time, newest first.
func (r *Repo) Log(ctx context.Context, _ coupling.Repo, rev string, since time.Time, limit int) (versionscan.Fact[[]forge.Commit], error) {
	args := []string{"--max-count=" + strconv.Itoa(limit)}
	if since.Unix() > 0 { // git takes small numbers for something else than seconds
		args = append(args, "--since="+since.UTC().Format(time.RFC3339))
	}
	list, err := r.log(ctx, append(args, rev, "--")...)
	if err != nil {
		return versionscan.NotKnown[[]forge.Commit](err.Error()), err
	}
	return versionscan.Know(list), nil
}

// maxCompare bounds the commits of a comparison, as the API's pages do.
const maxCompare = 2000

// Compare compares base...head.
func (r *Repo) Compare(ctx context.Context, _ coupling.Repo, base, head string) (versionscan.Fact[forge.Comparison], error) {
	fail := func(err error) (versionscan.Fact[forge.Comparison], error) {
		return versionscan.NotKnown[forge.Comparison](err.Error()), err
	}
	var c forge.Comparison
	out, err := r.git(ctx, nil, "rev-list", "--left-right", "--count", base+"..."+head, "--")
	if err != nil {
		return fail(err)
	}
	if _, err := fmt.Sscan(string(out), &c.Behind, &c.Ahead); err != nil {
		return fail(fmt.Errorf("git rev-list: %q: %w", out, err))
	}
	if out, err := r.git(ctx, nil, "merge-base", base, head); err == nil {
		c.MergeBase = strings.TrimSpace(string(out))
	}
	if c.Commits, err = r.log(ctx, "--topo-order", "--reverse", base+".."+head, "--"); err != nil {
		return fail(err)
	}
	c.Commits = c.Commits[:min(len(c.Commits), maxCompare)]
	return versionscan.Know(c), nil
}

// Contains says of each revision whether it has a commit. Of tips of tags and branches git tells all at once.
func (r *Repo) Contains(ctx context.Context, _ coupling.Repo, commit string, revs []string) (map[string]versionscan.Fact[bool], error) {
	refs := func(args ...string) (map[string]bool, error) {
		out, err := r.git(ctx, nil, append([]string{"for-each-ref", "--format=%(objectname) %(*objectname)"}, args...)...)
		tips := map[string]bool{}
		for _, id := range strings.Fields(string(out)) {
			tips[id] = true
		}
		return tips, err
	}
	all, err := refs()
	with := map[string]bool{}
	if err == nil {
		with, err = refs("--contains", commit)
	}
	found := map[string]versionscan.Fact[bool]{}
	for _, rev := range revs {
		switch {
		case err != nil:
			found[rev] = versionscan.NotKnown[bool](err.Error())
		case rev == commit || with[rev]:
			found[rev] = versionscan.Know(true)
		case all[rev]:
			found[rev] = versionscan.Know(false)
		default:
			found[rev] = r.ancestor(ctx, commit, rev)
		}
	}
	return found, err
}

func (r *Repo) ancestor(ctx context.Context, commit, rev string) versionscan.Fact[bool] {
	_, err := r.git(ctx, nil, "merge-base", "--is-ancestor", commit, rev)
	var status *exec.ExitError
	switch {
	case err == nil:
		return versionscan.Know(true)
	case errors.As(err, &status) && status.ExitCode() == 1:
		return versionscan.Know(false)
	}
	return versionscan.NotKnown[bool](err.Error())
}

// Diff is the unified diff of a commit against its first parent, whatever the user's own settings.
func (r *Repo) Diff(ctx context.Context, _ coupling.Repo, commit string) (versionscan.Fact[string], error) {
	out, err := r.git(ctx, nil, "-c", "diff.noprefix=false", "-c", "diff.mnemonicPrefix=false", "-c", "diff.algorithm=myers", "-c", "diff.context=3",
		"show", "--format=", "--first-parent", "-m", "--patch", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", commit, "--")
	if err != nil {
		return versionscan.NotKnown[string](err.Error()), err
	}
	return versionscan.Know(string(out)), nil
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
