package history_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/gitrepo"
	"github.com/relbot/relbot/internal/history"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/release"
)

// The change of these tests writes the text of fixed to a file. So the file at a tag says whether the tag has it, whatever messages
// say.
const (
	fixFile = "fix.txt"
	fixed   = "fixed\n"
)

// begin makes a repository with the release 1.1.0 and a line for it.
func begin(t *testing.T) *work {
	w := newWork(t)
	w.write("notes.txt", "none\n")
	w.change("VERSION", "1.2.0-dev.0\n", "begin")
	w.git("tag", "v1.1.0")
	w.git("branch", "release-1.1")
	return w
}

func (w *work) head() string { return w.git("rev-parse", "HEAD") }

func (w *work) run(args ...string) string {
	w.Helper()
	w.git(args...)
	return w.head()
}

// fix lands the change on main.
func (w *work) fix() string { w.Helper(); return w.change(fixFile, fixed, "fix a crash (#8)") }

func (w *work) remove(message string) string {
	w.Helper()
	w.git("rm", "-q", fixFile)
	return w.commit(message)
}

// whatGitHolds tells by the file which tags have the change, and asks both sources the same.
func whatGitHolds(t *testing.T, w *work, rel release.Releases, merge string) {
	t.Helper()
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
	c := history.Change{Merge: merge, Number: 8, Title: "fix a crash", MergedAt: w.moment(w.git("show", "-s", "--format=%ct", merge)), Tip: branches["main"]}
	var first release.Version
	h := rel.History(tags, nil)
	for _, r := range h.Releases() {
		if first.IsZero() && r.Speaks != nil && w.holds(r.Speaks.Name) {
			first = r.Core
		}
	}
	for which, source := range w.both() {
		ask := &history.Asker{Source: source, Repo: name, Failed: func(err error) { t.Error(err) }}
		byTag, byLine := ask.Carriers(t.Context(), c, &rel, tags, history.Lines(&rel, branches, "main"))
		for _, facts := range []map[string]versionscan.Fact[string]{byTag, byLine} {
			for rev, f := range facts {
				v, _ := rel.ParseTag(rev)
				above := !first.IsZero() && v.Core().Compare(first) > 0 // there a revert outside all branches decides nothing
				if f.Unknown() || f.Known() != w.holds(rev) && !above {
					t.Errorf("%s: %s: got %+v, the file is there: %v\n%s", which, rev, f, w.holds(rev), w.git("log", "--graph", "--all", "--format=%h %d %B"))
				}
			}
		}
		ship := h.FirstShip(byTag, nil, versionscan.Fact[release.Version]{})
		if got := ship.Value.Core; got.Compare(first) != 0 {
			t.Errorf("%s: first ship %s (%s), want %s", which, got, ship.Why, first)
		}
	}
}

func (w *work) holds(rev string) bool {
	w.Helper()
	return strings.Contains(w.git("ls-tree", "--name-only", rev), fixFile)
}

// TestPicksAndReverts holds what relbot says of picks and reverts of every kind against the files.
func TestPicksAndReverts(t *testing.T) {
	for what, do := range map[string]func(w *work) (merge string){
		"a revert on a candidate next to main": func(w *work) string {
			m := w.fix()
			w.git("checkout", "-q", "--detach")
			w.git("revert", "--no-edit", m)
			w.git("tag", "v1.2.0-rc.1")
			w.change("VERSION", "1.2.0\n", "release")
			w.git("tag", "v1.2.0")
			w.git("checkout", "-q", "main")
			w.change("VERSION", "1.3.0-dev.0\n", "bump")
			w.git("tag", "v1.3.0")
			return m
		},
		"a pick taken back by a pull request": func(w *work) string {
			m := w.fix()
			w.git("checkout", "-q", "release-1.1")
			w.change(fixFile, fixed, "fix a crash (#8) (#12)")
			w.git("tag", "v1.1.1")
			w.remove("Revert \"fix a crash (#8)\" (#13)\n\nReverts acme/app#12")
			w.git("tag", "v1.1.2")
			w.change(fixFile, fixed, "Reapply \"fix a crash (#8)\" (#14)\n\nReverts acme/app#13")
			w.git("tag", "v1.1.3")
			return m
		},
		"a revert of a revert on the line": func(w *work) string {
			m := w.fix()
			w.git("checkout", "-q", "release-1.1")
			back := w.run("revert", "--no-edit", w.run("cherry-pick", "-x", m))
			w.git("tag", "v1.1.1")
			w.git("revert", "--no-edit", back)
			w.git("tag", "v1.1.2")
			return m
		},
		"a revert, picked": func(w *work) string {
			m := w.fix()
			back := w.run("revert", "--no-edit", m)
			again := w.run("revert", "--no-edit", back)
			w.git("checkout", "-q", "release-1.1")
			w.git("cherry-pick", "-x", m)
			w.git("tag", "v1.1.1")
			w.git("cherry-pick", "-x", back)
			w.git("tag", "v1.1.2")
			w.git("cherry-pick", "-x", again)
			w.git("tag", "v1.1.3")
			return m
		},
		"a revert and its revert, picked to a line that has the change": func(w *work) string {
			m := w.fix()
			w.git("branch", "release-1.2")
			back := w.run("revert", "--no-edit", m)
			again := w.run("revert", "--no-edit", back)
			w.change("VERSION", "1.3.0-dev.0\n", "bump")
			w.git("checkout", "-q", "release-1.2")
			w.git("cherry-pick", "-x", back)
			w.git("tag", "v1.2.0")
			w.git("cherry-pick", "-x", again)
			w.git("tag", "v1.2.1")
			return m
		},
		"all commits of a merge picked": func(w *work) string {
			w.git("checkout", "-q", "-b", "topic")
			one := w.change("fix_test.txt", "x\n", "a test")
			two := w.change(fixFile, fixed, "the fix")
			w.git("checkout", "-q", "main")
			m := w.run("merge", "-q", "--no-ff", "-m", "Merge pull request #8 from ann/topic", "topic")
			w.git("checkout", "-q", "release-1.1")
			w.git("cherry-pick", "-x", one, two)
			w.git("tag", "v1.1.1")
			return m
		},
		"the commit of a merge picked without a trace": func(w *work) string {
			w.git("checkout", "-q", "-b", "topic")
			one := w.change(fixFile, fixed, "the fix")
			w.git("checkout", "-q", "main")
			m := w.run("merge", "-q", "--no-ff", "-m", "Merge pull request #8 from ann/topic", "topic")
			w.git("checkout", "-q", "release-1.1")
			w.git("cherry-pick", one)
			w.git("tag", "v1.1.1")
			return m
		},
		"a merge picked, and taken back": func(w *work) string {
			w.git("checkout", "-q", "-b", "topic")
			w.change(fixFile, fixed, "the fix")
			w.git("checkout", "-q", "main")
			m := w.run("merge", "-q", "--no-ff", "-m", "Merge pull request #8 from ann/topic", "topic")
			w.git("checkout", "-q", "release-1.1")
			pick := w.run("cherry-pick", "-x", "-m", "1", m)
			w.git("tag", "v1.1.1")
			w.git("revert", "--no-edit", pick)
			w.git("tag", "v1.1.2")
			return m
		},
		"a backport by another name": func(w *work) string {
			m := w.fix()
			w.git("checkout", "-q", "release-1.1")
			w.change("notes.txt", "other work\n", "other work (#19)")
			w.change(fixFile, fixed, "[1.1] do not crash (#20)\n\nBackport of #8")
			w.git("tag", "v1.1.1")
			return m
		},
		"a message with separators of its own": func(w *work) string {
			m := w.fix()
			w.git("checkout", "-q", "release-1.1")
			w.change("notes.txt", "other work\n", "other work\x01\x1e\n\nsee \x01 there")
			w.change(fixFile, fixed, "no crash\x01\n\n(cherry picked from commit "+m+")")
			w.git("tag", "v1.1.1")
			return m
		},
		"a revert in other words": func(w *work) string {
			m := w.fix()
			w.remove("revert: fix a crash (#9)\n\nThis reverts commit " + m[:12] + ".")
			w.git("tag", "v1.2.0")
			return m
		},
		"taken back between the candidate and the release": func(w *work) string {
			m := w.fix()
			w.git("branch", "release-1.2")
			w.change("VERSION", "1.3.0-dev.0\n", "bump")
			w.git("checkout", "-q", "release-1.2")
			w.git("tag", "v1.2.0-rc.1")
			w.git("revert", "--no-edit", m)
			w.git("tag", "v1.2.0")
			return m
		},
	} {
		t.Run(what, func(t *testing.T) {
			w := begin(t)
			merge := do(w)
			w.git("checkout", "-q", "main")
			whatGitHolds(t, w, releases, merge)
		})
	}
}

// TestRevertsInManyWords lands a change, takes it back on main, and cuts a release: whatever the words are, the files decide.
func TestRevertsInManyWords(t *testing.T) {
	for _, subject := range []string{
		`Revert "fix a crash (#8)" (#9)`, `revert(cache): fix a crash (#8) (#9)`, `fix: revert "fix a crash (#8)" (#9)`, `[main] Revert "fix a crash (#8)" (#9)`,
		`ABC-12: Revert "fix a crash (#8)"`, `Back out "fix a crash" (#9)`, `⏪️ Revert "fix a crash (#8)"`, `Rollback fix a crash (#9)`, `Rolled back #8`,
		`Temporarily revert "fix a crash (#8)" on main (#9)`, `revert: Fix a crash (#9)`, `chore: back out of PR #8 (#9)`, `Revert “fix a crash”`,
		`Undo the caching`, `Backout bug 1234`,
	} {
		t.Run(subject, func(t *testing.T) {
			w := begin(t)
			merge := w.fix()
			w.remove(subject)
			w.git("tag", "v1.2.0")
			w.change(fixFile, fixed, "Reapply \"fix a crash (#8)\" (#10)")
			w.git("tag", "v1.3.0")
			whatGitHolds(t, w, releases, merge)
		})
		t.Run("a pick, "+subject, func(t *testing.T) {
			w := begin(t)
			merge := w.fix()
			w.git("checkout", "-q", "release-1.1")
			w.change(fixFile, fixed, "fix a crash (#8) (#20)")
			w.remove(subject)
			w.git("tag", "v1.1.1")
			w.git("checkout", "-q", "main")
			whatGitHolds(t, w, releases, merge)
		})
	}
}

// TestNoReverts has commits that speak of a change, or of reverts, and take nothing back.
func TestNoReverts(t *testing.T) {
	for _, subject := range []string{
		`Fix what Revert "fix a crash (#8)" would break (#9)`, `Document how to revert #8 (#9)`, `Rollback of transactions (#9)`, `Revert "another fix (#7)" (#9)`,
		`Revert to the old wording (#9)`, `fix a crash, again (#9)`, `Revert "Revert "another fix (#7)" (#6)" (#9)`,
	} {
		t.Run(subject, func(t *testing.T) {
			w := begin(t)
			merge := w.fix()
			w.change("notes.txt", "more\n", subject)
			w.git("tag", "v1.2.0")
			whatGitHolds(t, w, releases, merge)
		})
	}
}

// TestPicksInManyWords brings a change to a line, with other lines than on main, so that words alone tell.
func TestPicksInManyWords(t *testing.T) {
	for message, is := range map[string]bool{
		"fix a crash (#8) (#20)":                                         true,
		"Automated cherry pick of #8: fix a crash (#20)":                 true,
		"[1.1] fix a crash (#20)":                                        true,
		"[release-1.1] fix a crash (#20)":                                true,
		"Backport #8 (#20)":                                              true,
		"Backport \"fix a crash (#8)\" to release-1.1 (#20)":             true,
		"fix: do not crash (backport #8) (#20)":                          true,
		"do not crash (#20)\n\nBackport of #8":                           true,
		"do not crash (#20)\n\nThis is an automated cherry-pick of #8\n": true,
		"Merge pull request #20 from bot/cherry-pick-8-to-release-1.1":   true,
		"other work, see (#8) for more (#20)":                            false,
		"other work for #8 (#20)":                                        false,
		"Add a cherry-pick command for #8 (#20)":                         false,
		"[1.1] other work (#20)":                                         false,
	} {
		t.Run(message, func(t *testing.T) {
			w := begin(t)
			merge := w.fix()
			w.git("checkout", "-q", "release-1.1")
			path := "other.txt"
			if is {
				path = fixFile
			}
			w.change(path, "fixed in another way\n", message)
			w.git("tag", "v1.1.1")
			w.git("checkout", "-q", "main")
			whatGitHolds(t, w, releases, merge)
		})
	}
}

// TestPickWithOtherLines has a commit of the change's author and with its subject on a line, which changes other lines: it may be a pick.
func TestPickWithOtherLines(t *testing.T) {
	w := begin(t)
	c := history.Change{Merge: w.fix(), Number: 8, Title: "fix a crash", MergedAt: w.clock}
	c.Tip = c.Merge
	w.git("checkout", "-q", "release-1.1")
	tag := release.Tag{Name: "v1.1.1", Commit: w.change(fixFile, "fixed in another way\n", "fix a crash")}
	for which, source := range w.both() {
		ask := &history.Asker{Source: source, Repo: name, Failed: func(err error) { t.Error(err) }}
		byTag, _ := ask.Carriers(t.Context(), c, &releases, []release.Tag{tag}, nil)
		if f := byTag["v1.1.1"]; !f.Unknown() || !strings.Contains(f.Why, "looks like a pick of it, with other lines") {
			t.Errorf("%s: %+v", which, f)
		}
	}
}

// TestPartOfAMerge picks one commit of two: nobody can say that the change is there, nor that it is not.
func TestPartOfAMerge(t *testing.T) {
	w := begin(t)
	w.git("checkout", "-q", "-b", "topic")
	one := w.change("a.txt", "1\n", "one")
	w.change("b.txt", "1\n", "two")
	w.git("checkout", "-q", "main")
	c := history.Change{Number: 8, Merge: w.run("merge", "-q", "--no-ff", "-m", "Merge pull request #8 from ann/topic", "topic"), MergedAt: w.clock}
	c.Tip = c.Merge
	w.git("checkout", "-q", "release-1.1")
	tag := release.Tag{Name: "v1.1.1", Commit: w.run("cherry-pick", "-x", one)}
	for which, source := range w.both() {
		ask := &history.Asker{Source: source, Repo: name, Failed: func(err error) { t.Error(err) }}
		byTag, _ := ask.Carriers(t.Context(), c, &releases, []release.Tag{tag}, nil)
		if f := byTag["v1.1.1"]; !f.Unknown() || f.Why != "1 of its 2 commits were picked" {
			t.Errorf("%s: %+v", which, f)
		}
	}
}

// TestFarAway has a line with more commits than a comparison lists, with the pick as its last. A branch has more than are looked through
// for reverts.
func TestFarAway(t *testing.T) {
	w := newWork(t)
	var script bytes.Buffer
	second := 1_700_000_000
	commit := func(branch, from, message, files string) {
		second++
		fmt.Fprintf(&script, "commit refs/heads/%s\nmark :%d\ncommitter ann <ann@example.com> %d +0000\ndata %d\n%s\n%s%s\n", branch, second-1_700_000_000, second, len(message), message, from, files)
	}
	commit("main", "", "begin", "")
	commit("main", "", "fix a crash (#8)", "M 100644 inline fix.txt\ndata 1\nx\n")
	for i := range 2100 {
		from := ""
		if i == 0 {
			from = "from :1\n"
		}
		commit("release-1.0", from, "work on the line", "")
	}
	commit("release-1.0", "", "do not crash (#8)", "M 100644 inline fix.txt\ndata 1\nx\n")
	for range 10_000 {
		commit("main", "", "work", "")
	}
	cmd := exec.Command("git", "-C", w.dir, "fast-import", "--quiet")
	cmd.Stdin = &script
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	clone, err := gitrepo.Open(t.Context(), w.dir)
	if err != nil {
		t.Fatal(err)
	}
	ask := &history.Asker{Source: clone, Repo: name, Failed: func(err error) { t.Error(err) }}
	c := history.Change{Merge: w.git("rev-list", "--grep=fix a crash", "main"), Number: 8, Title: "fix a crash", MergedAt: time.Unix(1_700_000_002, 0)}
	c.Tip = w.git("rev-parse", "main")
	tag := release.Tag{Name: "v1.0.1", Commit: w.git("rev-parse", "release-1.0")}
	byTag, _ := ask.Carriers(t.Context(), c, &releases, []release.Tag{tag}, nil)
	if f := byTag["v1.0.1"]; f.Value != "pull request number" {
		t.Errorf("the pick at the end of the line: %+v", f)
	}
	if f := ask.Reverted(t.Context(), c); !f.Unknown() || !strings.Contains(f.Why, "more than 10000 commits") {
		t.Errorf("whether it was reverted: %+v", f)
	}
}

// TestWalksOfAChange lets a change go where chance leads it, over main, two lines and candidates next to them.
func TestWalksOfAChange(t *testing.T) {
	walks := 24
	if testing.Short() {
		walks = 6
	}
	for seed := range walks {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			walk(t, rand.New(rand.NewPCG(uint64(seed), 7)))
		})
	}
}

func walk(t *testing.T, r *rand.Rand) {
	w := begin(t)
	if r.IntN(2) == 0 {
		w.git("branch", "release-1.2")
	}
	merge := w.fix()
	last := map[string]string{"main": merge} // the commit that brought the change, or took it back
	if r.IntN(2) == 0 && !strings.Contains(w.git("branch"), "release-1.2") {
		w.git("branch", "release-1.2")
		last["release-1.2"] = merge
	}
	branches := []string{"main", "release-1.1"}
	if strings.Contains(w.git("branch"), "release-1.2") {
		branches = append(branches, "release-1.2")
	}
	minor, patch := 2, map[string]int{}
	for step := range 10 {
		branch := branches[r.IntN(len(branches))]
		w.git("checkout", "-q", branch)
		has := w.holds("HEAD")
		switch r.IntN(5) {
		case 0:
			w.change("notes.txt", fmt.Sprint(step), fmt.Sprintf("other work (#%d)", 100+step))
		case 1, 2:
			switch {
			case has:
				last[branch] = w.run("revert", "--no-edit", last[branch])
			case last[branch] != "" && r.IntN(2) == 0: // a revert of the revert
				last[branch] = w.run("revert", "--no-edit", last[branch])
			case branch != "main" && r.IntN(3) == 0:
				last[branch] = w.run("cherry-pick", merge)
			case branch != "main":
				last[branch] = w.run("cherry-pick", "-x", merge)
			}
		default:
			detached := r.IntN(3) == 0
			if detached {
				w.git("checkout", "-q", "--detach")
				if has && r.IntN(2) == 0 {
					w.git("revert", "--no-edit", last[branch])
				}
				w.change("VERSION", fmt.Sprint(step), "prepare")
			}
			if branch == "main" {
				w.git("tag", fmt.Sprintf("v1.%d.0", minor))
				minor++
				continue
			}
			patch[branch]++
			w.git("tag", fmt.Sprintf("v%s.%d", strings.TrimPrefix(branch, "release-"), 10+patch[branch]))
		}
	}
	w.git("checkout", "-q", "main")
	whatGitHolds(t, w, releases, merge)
}
