package history_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/ghapp"
	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/ghsim/ghspec"
	"github.com/relbot/relbot/internal/gitrepo"
	"github.com/relbot/relbot/internal/history"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/find"
	"github.com/relbot/relbot/internal/versionscan/release"
)

const name = coupling.Repo("acme/app")

// work is a repository that is made with real git. Each step is a minute after the one before.
type work struct {
	testing.TB
	dir   string
	clock time.Time
}

func newWork(t testing.TB) *work {
	t.Helper()
	w := &work{TB: t, dir: t.TempDir(), clock: time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)}
	w.git("init", "-q", "-b", "main")
	return w
}

func (w *work) git(args ...string) string {
	w.Helper()
	w.clock = w.clock.Add(time.Minute)
	cmd := exec.Command("git", append([]string{"-C", w.dir}, args...)...)
	date := w.clock.Format(time.RFC3339)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=ann", "GIT_AUTHOR_EMAIL=ann@example.com", "GIT_COMMITTER_NAME=bob", "GIT_COMMITTER_EMAIL=bob@example.com",
		"GIT_AUTHOR_DATE="+date, "GIT_COMMITTER_DATE="+date, "GIT_EDITOR=true")
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (w *work) write(path, text string) {
	w.Helper()
	full := filepath.Join(w.dir, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
		w.Fatal(err)
	}
}

func (w *work) commit(message string) string {
	w.Helper()
	w.git("add", "-A")
	w.git("commit", "-q", "--allow-empty", "-m", message)
	return w.git("rev-parse", "HEAD")
}

// change writes a file and commits it.
func (w *work) change(path, text, message string) string {
	w.Helper()
	w.write(path, text)
	return w.commit(message)
}

// serve puts the repository on a simulated GitHub, with its own commit ids, and gives the adapter that reads it there.
func (w *work) serve() (*ghapp.App, *ghsim.GitHub) {
	w.Helper()
	c := ghsim.Clone{Name: name, Branches: map[string]string{}, Tags: map[string]string{}}
	for _, sha := range strings.Fields(w.git("rev-list", "--all", "--topo-order", "--reverse")) {
		f := strings.SplitN(w.git("show", "-s", "--format=%an%x00%ae%x00%at%x00%ct%x00%P%x00%B", sha), "\x00", 6)
		in := ghsim.ClonedCommit{ID: sha, Author: f[0], Email: f[1], Authored: w.moment(f[2]), Committed: w.moment(f[3]), Parents: strings.Fields(f[4]), Message: strings.TrimSpace(f[5]),
			Files: map[string]string{}, Links: map[string]string{}}
		for l := range strings.Lines(w.git("ls-tree", "-r", sha)) {
			head, path, _ := strings.Cut(strings.TrimSpace(l), "\t")
			cmd := exec.Command("git", "-C", w.dir, "cat-file", "blob", strings.Fields(head)[2])
			text, err := cmd.Output()
			if err != nil {
				w.Fatal(err)
			}
			if strings.HasPrefix(head, "120000") {
				in.Links[path] = string(text)
			} else {
				in.Files[path] = string(text)
			}
		}
		c.Commits = append(c.Commits, in)
	}
	for l := range strings.Lines(w.git("for-each-ref", "--format=%(refname) %(objectname) %(*objectname)")) {
		f := strings.Fields(l)
		commit := f[len(f)-1]
		if tag, ok := strings.CutPrefix(f[0], "refs/tags/"); ok {
			c.Tags[tag] = commit
		} else if branch, ok := strings.CutPrefix(f[0], "refs/heads/"); ok {
			c.Branches[branch] = commit
		}
	}
	g := newGitHub(w)
	if err := g.AddClone(c); err != nil {
		w.Fatal(err)
	}
	return connect(w, g, name), g
}

func (w *work) moment(unix string) time.Time {
	sec, err := strconv.ParseInt(unix, 10, 64)
	if err != nil {
		w.Fatal(err)
	}
	return time.Unix(sec, 0).UTC()
}

var key = func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
}()

func newGitHub(t testing.TB) *ghsim.GitHub {
	t.Helper()
	return ghsim.New(ghsim.Options{Clock: time.Now, AppID: 7, Key: &key.PublicKey, Inspect: ghspec.New(t)})
}

// connect installs the App on a repository.
func connect(t testing.TB, g *ghsim.GitHub, repo coupling.Repo) *ghapp.App {
	t.Helper()
	if err := g.Install(repo); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(g.Handler())
	t.Cleanup(srv.Close)
	app, err := ghapp.New(ghapp.Settings{APIURL: srv.URL, AppID: 7, Key: pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})})
	if err != nil {
		t.Fatal(err)
	}
	return app
}

// both are the two sources for one repository.
func (w *work) both() map[string]history.Source {
	w.Helper()
	clone, err := gitrepo.Open(w.Context(), w.dir)
	if err != nil {
		w.Fatal(err)
	}
	api, _ := w.serve()
	return map[string]history.Source{"clone": clone, "API": api}
}

// story makes a repository in which a change went every way that changes go, and says where each must be found.
func story(w *work) (changes map[string]history.Change, want map[string]map[string]string) {
	changes, want = map[string]history.Change{}, map[string]map[string]string{}
	tag := func(name string) { w.git("tag", "-a", "-m", name, name) }
	merged := func(what, sha string, number int) {
		changes[what] = history.Change{Merge: sha, Number: number, Title: what, MergedAt: w.clock}
	}
	w.change("VERSION", "1.1.0-dev.0\n", "begin")
	w.git("branch", "release-1.0")
	tag("v1.0.0")

	squashed := w.change("a.txt", "a\n", "squashed (#1)")
	merged("squashed", squashed, 1)
	w.git("checkout", "-q", "-b", "topic")
	w.change("b.txt", "b1\n", "first step")
	w.change("b.txt", "b1\nb2\n", "second step")
	w.git("checkout", "-q", "main")
	w.git("merge", "-q", "--no-ff", "-m", "Merge pull request #2 from ann/topic\n\nmerged", "topic")
	merged("merged", w.git("rev-parse", "HEAD"), 2)
	bare := w.change("c.txt", "1\n2\n3\n4\n5\n", "picked without a trace")
	merged("picked without a trace", bare, 3)
	bad := w.change("d.txt", "d\n", "taken back (#4)")
	merged("taken back", bad, 4)
	w.git("revert", "--no-edit", bad)
	revert := w.git("rev-parse", "HEAD")

	// A candidate on a commit of its own next to main, and a line with picks of each kind.
	w.git("checkout", "-q", "-b", "cut")
	w.change("VERSION", "1.1.0-rc.1\n", "prepare 1.1.0-rc.1")
	tag("v1.1.0-rc.1")
	w.git("checkout", "-q", "release-1.0")
	w.git("cherry-pick", "-x", squashed)
	tag("v1.0.1")
	w.git("cherry-pick", bare)
	tag("v1.0.2")
	w.change("a.txt", "", "other work")
	w.git("rm", "-q", "a.txt")
	w.git("commit", "-q", "-m", "Revert \"squashed (#1)\"\n\nThis reverts commit "+w.git("rev-list", "-1", "--grep=cherry picked from commit "+squashed, "HEAD")+".")
	tag("v1.0.3")
	w.change("e.txt", "e\n", "numbered (#6)")
	tag("v1.0.4")
	fix := w.change("f.txt", "f\n", "fixed on the line first")
	tag("v1.0.5")

	w.git("checkout", "-q", "main")
	merged("numbered", w.change("e.txt", "e, another way\n", "numbered (#6)"), 6)
	w.git("cherry-pick", "-x", fix)
	merged("fixed on the line first", w.git("rev-parse", "HEAD"), 7)
	w.git("revert", "--no-edit", revert) // the change comes back
	w.change("VERSION", "1.2.0-dev.0\n", "bump")
	tag("v1.2.0")
	w.git("checkout", "-q", "-b", "release-1.2")
	w.git("revert", "--no-edit", changes["numbered"].Merge)
	tag("v1.2.1")
	w.git("checkout", "-q", "main")
	tip := w.change("VERSION", "1.3.0-dev.0\n", "bump")
	for what, c := range changes {
		c.Tip = tip
		changes[what] = c
	}
	const ancestry, trailer, number, patch = "ancestry", "cherry-pick trailer", "pull request number", "patch-id"
	want["squashed"] = map[string]string{"v1.0.1": trailer, "v1.0.2": trailer, "v1.1.0-rc.1": ancestry, "v1.2.0": ancestry, "v1.2.1": ancestry, "release-1.2": ancestry}
	want["merged"] = map[string]string{"v1.1.0-rc.1": ancestry, "v1.2.0": ancestry, "v1.2.1": ancestry, "release-1.2": ancestry}
	want["picked without a trace"] = map[string]string{"v1.0.2": patch, "v1.0.3": patch, "v1.0.4": patch, "v1.0.5": patch, "release-1.0": patch, "v1.1.0-rc.1": ancestry, "v1.2.0": ancestry, "v1.2.1": ancestry, "release-1.2": ancestry}
	want["taken back"] = map[string]string{"v1.2.0": ancestry, "v1.2.1": ancestry, "release-1.2": ancestry}
	want["numbered"] = map[string]string{"v1.0.4": number, "v1.0.5": number, "release-1.0": number, "v1.2.0": ancestry}
	want["fixed on the line first"] = map[string]string{"v1.0.5": trailer, "release-1.0": trailer, "v1.2.0": ancestry, "v1.2.1": ancestry, "release-1.2": ancestry}
	return changes, want
}

var releases = release.Releases{Tags: "v{version}", Branches: "release-{major}.{minor}"}

func TestWhereAChangeIs(t *testing.T) {
	w := newWork(t)
	changes, want := story(w)
	clone, err := gitrepo.Open(t.Context(), w.dir)
	if err != nil {
		t.Fatal(err)
	}
	tags, err := clone.Tags(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	branches, err := clone.Branches(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for which, source := range w.both() {
		for what, c := range changes {
			ask := &history.Asker{Source: source, Repo: name, Failed: func(err error) { t.Error(err) }}
			byTag, byLine := ask.Carriers(t.Context(), c, &releases, history.Releases(&releases, tags), history.Lines(&releases, branches, "main"))
			got := map[string]string{}
			for _, facts := range []map[string]versionscan.Fact[string]{byTag, byLine} {
				for rev, f := range facts {
					if f.Unknown() {
						t.Errorf("%s: whether %s has %q: %s", which, rev, what, f.Why)
					}
					if f.Known() {
						got[rev] = f.Value
					}
				}
			}
			if !reflect.DeepEqual(got, want[what]) {
				t.Errorf("%s: %q is in\n%v, want\n%v", which, what, got, want[what])
			}
			if on := ask.OnBase(t.Context(), c); !on.Known() || !on.Value {
				t.Errorf("%s: %q is not on main: %+v", which, what, on)
			}
			if r := ask.Reverted(t.Context(), c); !r.Absent() {
				t.Errorf("%s: %q is reverted: %+v", which, what, r)
			}
			// What git itself says: ancestry is a part of the answer.
			for _, tag := range strings.Fields(w.git("tag", "--contains", c.Merge)) {
				if byTag[tag].Absent() && byTag[tag].Why != "it was reverted before" {
					t.Errorf("%s: git says that %s contains %q, relbot %+v", which, tag, what, byTag[tag])
				}
			}
		}
	}
}

func TestFilesOfBothSources(t *testing.T) {
	w := newWork(t)
	w.write("dir/text", "some text\n")
	w.write("dir/oneline", "26.1.0")
	w.write("binary", "\x00\x01")
	w.write("latin1", "caf\xe9\n")
	w.write("empty", "")
	w.write("long", strings.Repeat("a line that is long enough\n", 40_000)) // above what GraphQL gives
	if err := os.Symlink("dir/oneline", filepath.Join(w.dir, "link")); err != nil {
		t.Fatal(err)
	}
	first := w.commit("begin")
	w.write("dir/text", "another text\n")
	second := w.commit("change")
	var at []forge.At
	for _, path := range []string{"dir/text", "dir/oneline", "binary", "latin1", "empty", "long", "link", "dir", "no/such", "dir/text/below", "space in it", "link/through"} {
		at = append(at, forge.At{Commit: first, Path: path}, forge.At{Commit: second, Path: path})
	}
	at = append(at, forge.At{Commit: strings.Repeat("1", 40), Path: "dir/text"})
	answers := map[string]map[forge.At]versionscan.Fact[versionscan.File]{}
	for which, source := range w.both() {
		got, err := source.Files(t.Context(), name, at)
		if err != nil {
			t.Fatalf("%s: %v", which, err)
		}
		for _, f := range at { // each alone as well, since few files are asked for in another way
			alone, err := source.Files(t.Context(), name, []forge.At{f})
			if err != nil || alone[f].State != got[f].State || alone[f].Value != got[f].Value {
				t.Errorf("%s: %v alone: %+v %v, among others %+v", which, f, alone[f].State, err, got[f].State)
			}
		}
		answers[which] = got
	}
	for _, f := range at {
		a, b := answers["clone"][f], answers["API"][f]
		if a.State != b.State || a.Value != b.Value {
			t.Errorf("%v: the clone says %+.60v, the API %+.60v", f, a, b)
		}
	}
	text := func(path string) versionscan.File { return answers["API"][forge.At{Commit: second, Path: path}].Value }
	if text("dir/text").Text != "another text\n" || !text("binary").Binary || !text("latin1").Binary || !text("link").Link || text("dir/oneline").Link || len(text("long").Text) != 27*40_000 {
		t.Error("the files are not what was written")
	}
	if f := answers["API"][forge.At{Commit: second, Path: "no/such"}]; !f.Absent() {
		t.Errorf("a file that is not there: %+v", f)
	}
	if f := answers["clone"][at[len(at)-1]]; !f.Unknown() {
		t.Errorf("a commit that is not there: %+v", f)
	}
}

// TestEvidence compares what both sources say of the releases with reading the files at each tag.
func TestEvidence(t *testing.T) {
	w := newWork(t)
	for i := range 25 {
		text := "FROM debian\n"
		if i >= 7 && i != 12 {
			text = "FROM distroless\n"
		}
		w.write("images/one/Dockerfile", text)
		w.write("other", fmt.Sprint(i))
		w.commit(fmt.Sprint("release ", i))
		w.git("tag", fmt.Sprintf("v1.%d.0", i))
	}
	evidence := map[string]find.Evidence{
		"a file": {Path: "images/one/Dockerfile", Pattern: `(?m)^FROM distroless$`},
		"a glob": {Path: "images/*/Dockerfile", Pattern: `(?m)^FROM distroless$`},
		"none":   {Path: "images/two/Dockerfile", Pattern: `.`},
	}
	clone, err := gitrepo.Open(t.Context(), w.dir)
	if err != nil {
		t.Fatal(err)
	}
	tags, err := clone.Tags(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for which, source := range w.both() {
		for what, e := range evidence {
			ask := &history.Asker{Source: source, Repo: name, Failed: func(err error) { t.Error(err) }}
			for tag, f := range ask.Shows(t.Context(), tags, e)[0] {
				want := what != "none" && strings.Contains(w.git("show", tag+":images/one/Dockerfile"), "distroless")
				if !f.Known() || f.Value != want {
					t.Errorf("%s: %s at %s: %+v, want %v", which, what, tag, f, want)
				}
			}
		}
	}
}

// TestBlobless runs the same questions on a clone that relbot made itself.
func TestBlobless(t *testing.T) {
	w := newWork(t)
	changes, want := story(w)
	w.git("config", "uploadpack.allowFilter", "true")
	w.git("config", "uploadpack.allowAnySHA1InWant", "true")
	dir := filepath.Join(t.TempDir(), "made")
	made, err := gitrepo.Clone(t.Context(), "file://"+w.dir, dir)
	if err != nil {
		t.Fatal(err)
	}
	missing := func() int {
		out, err := exec.Command("git", "-C", dir, "rev-list", "--objects", "--all", "--missing=print").Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(out), "?")
	}
	before := missing()
	if before == 0 {
		t.Fatal("the clone has all blobs: nothing is shown")
	}
	tags, err := made.Tags(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	branches, err := made.Branches(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ask := &history.Asker{Source: made, Repo: name, Failed: func(err error) { t.Error(err) }}
	byTag, _ := ask.Carriers(t.Context(), changes["merged"], &releases, history.Releases(&releases, tags), history.Lines(&releases, branches, "main"))
	for tag, f := range byTag {
		if f.Value != want["merged"][tag] {
			t.Errorf("%s: %+v, want %q", tag, f, want["merged"][tag])
		}
	}
	shows := ask.Shows(t.Context(), tags, find.Evidence{Path: "VERSION", Pattern: `^1\.[23]`})[0]
	if !shows["v1.2.0"].Value || shows["v1.0.0"].Value || !shows["v1.0.0"].Known() {
		t.Errorf("evidence %+v", shows)
	}
	if after := missing(); after >= before || after == 0 {
		t.Errorf("%d blobs were missing, now %d: want those of VERSION alone fetched", before, after)
	}
	w.git("tag", "v1.3.0", "main")
	if made, err = gitrepo.Clone(t.Context(), "file://"+w.dir, dir); err != nil {
		t.Fatal(err)
	}
	if tags, err = made.Tags(t.Context()); err != nil || !slices.ContainsFunc(tags, func(t release.Tag) bool { return t.Name == "v1.3.0" }) {
		t.Errorf("a clone that was brought up to date lacks the new tag: %v %v", tags, err)
	}
}

func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	if _, err := gitrepo.Open(t.Context(), dir); err == nil {
		t.Error("a directory that is no clone was opened")
	}
	w := newWork(t)
	change := w.change("a", "a\n", "a (#1)")
	clone, err := gitrepo.Open(t.Context(), w.dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	failed := 0
	ask := &history.Asker{Source: clone, Repo: name, Failed: func(error) { failed++ }}
	byTag, _ := ask.Carriers(ctx, history.Change{Merge: change, Tip: change}, &releases, []release.Tag{{Name: "v1", Commit: strings.Repeat("2", 40)}}, nil)
	if !byTag["v1"].Unknown() || failed == 0 {
		t.Errorf("what could not be read: %+v, %d failures reported", byTag, failed)
	}
	if f := ask.Shows(ctx, []release.Tag{{Name: "v1", Commit: change}}, find.Evidence{Path: "a", Pattern: "."})[0]; !f["v1"].Unknown() {
		t.Errorf("evidence that could not be read: %+v", f)
	}
}
