package ghsim_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim"
)

func TestObjectIDsAreThoseOfGit(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{Files: map[string]string{"a.txt": "hello\n", "d/b.txt": "x", "d.txt": ""}})
	tree, _, err := w.client.Git.GetTree(ctx, "acme", "app", "main", true)
	w.ok(err)
	got := map[string]string{}
	for _, e := range tree.Entries {
		got[e.GetPath()] = e.GetSHA()
	}
	// As `git hash-object` and `git write-tree` give them.
	equal(t, "a.txt", got["a.txt"], "ce013625030ba8dba906f756967f9e9ca394464a")
	equal(t, "d.txt", got["d.txt"], "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391")
	equal(t, "order", tree.Entries[1].GetPath(), "d.txt")
	raw, _, err := w.client.Git.GetBlobRaw(ctx, "acme", "app", got["a.txt"])
	w.ok(err)
	equal(t, "raw blob", string(raw), "hello\n")
	w.noProblems()
}

func TestGivenOrder(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{
		Policy: "version: 1\n",
		Tags: []ghsim.TagSpec{
			{Name: "v1", Files: files("A", "1")}, {Name: "v1.1", Files: files("A", "next to"), OffBranch: true}, {Name: "v2"},
		},
		Files:    map[string]string{"B": "top"},
		Branches: []ghsim.BranchSpec{{Name: "release-1", From: "v1", Files: files("R", "r")}},
	})
	at := func(ref string) string {
		tree, _, err := w.client.Git.GetTree(ctx, "acme", "app", ref, true)
		w.ok(err)
		var out []string
		for _, e := range tree.Entries {
			if e.GetType() == "blob" {
				out = append(out, e.GetPath())
			}
		}
		return strings.Join(out, " ")
	}
	equal(t, "v1", at("v1"), ".github/relbot.yml A")
	equal(t, "v2", at("v2"), ".github/relbot.yml A")
	equal(t, "main", at("main"), ".github/relbot.yml A B")
	equal(t, "release-1", at("release-1"), ".github/relbot.yml A R")
	c, _, err := w.client.Repositories.CompareCommits(ctx, "acme", "app", "v1.1", "main", nil)
	w.ok(err)
	equal(t, "v1.1 next to main", c.GetStatus(), "diverged")
	c, _, err = w.client.Repositories.CompareCommits(ctx, "acme", "app", "release-1", "v1", nil)
	w.ok(err)
	equal(t, "behind", c.GetStatus(), "behind")
	equal(t, "behind by", c.GetBehindBy(), 1)
}

func TestMergeIsRefusedUntilTheCheckPasses(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{Files: map[string]string{"VERSION": "1\n"}})
	w.ok(w.Open(ghsim.OpenSpec{Repo: app, Number: 1, By: "ann", Title: "image", Files: files("D", "x\n")}))
	equal(t, "events of open", w.flush(), "[create push pull_request.opened]")

	refused := func(say string) {
		t.Helper()
		if merged, why := w.Merge(ghsim.MergeSpec{Pull: pr(1)}); merged || !strings.Contains(why, say) {
			t.Errorf("merge: %v %q, want refused for %q", merged, why, say)
		}
		state, why := w.Mergeable(pr(1))
		if state != ghsim.MergeRefused || !strings.Contains(why, say) {
			t.Errorf("mergeable: %v %q", state, why)
		}
	}
	refused("expected")
	_, _, err := w.client.PullRequests.Merge(ctx, "acme", "app", 1, "", nil)
	equal(t, "an App without contents: write", status(err), 403)
	_, _, err = w.newClient("ghp_ann").PullRequests.Merge(ctx, "acme", "app", 1, "", nil)
	equal(t, "a reader", status(err), 403)
	w.ok(w.SetPermission(app, "ann", "write"))
	_, _, err = w.newClient("ghp_ann").PullRequests.Merge(ctx, "acme", "app", 1, "", nil)
	equal(t, "a writer without the check", status(err), 405)

	w.check(w.head(1), "failure")
	refused("failure")
	w.pass(1)
	if state, _ := w.Mergeable(pr(1)); state != ghsim.MergeAllowed {
		t.Errorf("mergeable with a passing check: %v", state)
	}
	draft := true
	w.ok(w.Edit(ghsim.EditSpec{Pull: pr(1), Draft: &draft}))
	refused("draft")
	draft = false
	w.ok(w.Edit(ghsim.EditSpec{Pull: pr(1), Draft: &draft}))
	w.ok(w.Push(ghsim.PushSpec{Repo: app, Pull: 1, Files: files("D", "y\n")}))
	refused("expected") // a new head has no check
	equal(t, "events", w.flush(), "[pull_request.converted_to_draft pull_request.ready_for_review push pull_request.synchronize]")
	w.pass(1)
	if merged, why := w.Merge(ghsim.MergeSpec{Pull: pr(1), By: "ann"}); !merged {
		t.Fatal(why)
	}
	equal(t, "events of merge", w.flush(), "[push pull_request.closed]")
	p, _, err := w.client.PullRequests.Get(ctx, "acme", "app", 1)
	w.ok(err)
	equal(t, "merged", p.GetMerged(), true)
	c, _, err := w.client.Repositories.CompareCommits(ctx, "acme", "app", p.GetMergeCommitSHA(), "main", nil)
	w.ok(err)
	equal(t, "merge commit on main", c.GetStatus(), "identical")
	w.noProblems()
}

func TestMergeMethods(t *testing.T) {
	for method, want := range map[string]string{
		"squash": "change (#1)", "merge": "Merge pull request #1 from acme/pr-1\n\nchange", "rebase": "Update",
	} {
		t.Run(method, func(t *testing.T) {
			w := newWorld(t, ghsim.RepoSpec{Files: map[string]string{"f": "1\n2\n3\n4\n5\n"}})
			w.ok(w.Open(ghsim.OpenSpec{Repo: app, Number: 1, Title: "change", Files: files("f", "one\n2\n3\n4\n5\n")}))
			w.ok(w.Push(ghsim.PushSpec{Repo: app, Pull: 1, Files: files("g", "g")}))
			w.ok(w.Push(ghsim.PushSpec{Repo: app, Branch: "main", Files: files("f", "1\n2\n3\n4\nfive\n")}))
			if merged, why := w.Merge(ghsim.MergeSpec{Pull: pr(1), Method: method, Bypass: true}); !merged {
				t.Fatal(why)
			}
			data, errs := w.graphql(`{repository(owner:"acme",name:"app"){
				object(expression:"main:f"){... on Blob{text}}
				defaultBranchRef{target{... on Commit{message associatedPullRequests(first:2){nodes{number}}}}}
				pullRequest(number:1){state mergeCommit{oid message}}}}`, nil)
			equal(t, "errors", errs, "[]")
			repo := dig(data, "repository")
			equal(t, "text", dig(repo, "object", "text"), "one\n2\n3\n4\nfive\n")
			equal(t, "message", dig(repo, "defaultBranchRef", "target", "message"), want)
			equal(t, "merge commit", dig(repo, "pullRequest", "mergeCommit", "message"), want)
			equal(t, "associated", dig(repo, "defaultBranchRef", "target", "associatedPullRequests", "nodes", 0, "number"), 1)
			w.noProblems()
		})
	}
}

func TestConflict(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{Files: map[string]string{"f": "1\n2\n3\n"}})
	w.ok(w.Open(ghsim.OpenSpec{Repo: app, Number: 1, Files: files("f", "one\n2\n3\n")}))
	w.pass(1)
	query := `{repository(owner:"acme",name:"app"){pullRequest(number:1){mergeable potentialMergeCommit{oid parents(first:2){nodes{oid}} file(path:"f"){object{... on Blob{text}}}}}}}`
	data, _ := w.graphql(query, nil)
	equal(t, "test merge", dig(data, "repository", "pullRequest", "potentialMergeCommit", "file", "object", "text"), "one\n2\n3\n")
	equal(t, "second parent", dig(data, "repository", "pullRequest", "potentialMergeCommit", "parents", "nodes", 1, "oid"), w.head(1))
	w.ok(w.Push(ghsim.PushSpec{Repo: app, Branch: "main", Files: files("f", "uno\n2\n3\n")}))
	data, _ = w.graphql(query, nil)
	equal(t, "mergeable", dig(data, "repository", "pullRequest", "mergeable"), "CONFLICTING")
	equal(t, "no test merge", dig(data, "repository", "pullRequest", "potentialMergeCommit"), nil)
	if merged, why := w.Merge(ghsim.MergeSpec{Pull: pr(1), Bypass: true}); merged || !strings.Contains(why, "conflict") {
		t.Errorf("merge of a conflict: %v %q", merged, why)
	}
	w.ok(w.Push(ghsim.PushSpec{Repo: app, Pull: 1, Force: true, Message: "rebased"}))
	data, _ = w.graphql(query, nil)
	equal(t, "after a rebase", dig(data, "repository", "pullRequest", "potentialMergeCommit", "file", "object", "text"), "one\n2\n3\n")
}

func TestSaysMergedOnly(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{})
	w.ok(w.Open(ghsim.OpenSpec{Repo: app, Number: 1, Files: files("f", "x")}))
	w.pass(1)
	w.flush()
	if merged, why := w.Merge(ghsim.MergeSpec{Pull: pr(1), SaysMergedOnly: true}); !merged {
		t.Fatal(why)
	}
	equal(t, "events", w.flush(), "[pull_request.closed]")
	p, _, err := w.client.PullRequests.Get(ctx, "acme", "app", 1)
	w.ok(err)
	c, _, err := w.client.Repositories.CompareCommits(ctx, "acme", "app", p.GetMergeCommitSHA(), "main", nil)
	w.ok(err)
	equal(t, "main lacks the commit", c.GetStatus(), "behind")
}

func TestCherryPickAndRevert(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{Files: map[string]string{"f": "1\n"}, Branches: []ghsim.BranchSpec{{Name: "release-1"}}})
	w.ok(w.Open(ghsim.OpenSpec{Repo: app, Number: 1, Title: "fix", Files: files("g", "x\n")}))
	w.Merge(ghsim.MergeSpec{Pull: pr(1), Bypass: true})
	w.ok(w.CherryPick(ghsim.CherrySpec{Pull: pr(1), To: "release-1", Trailer: true, NumberInSubject: true}))
	w.ok(w.Revert(ghsim.RevertSpec{Pull: pr(1), ByPR: 2, By: "bob"}))
	p, _, err := w.client.PullRequests.Get(ctx, "acme", "app", 2)
	w.ok(err)
	equal(t, "title", p.GetTitle(), `Revert "fix"`)
	equal(t, "body", p.GetBody(), "Reverts #1")
	equal(t, "deletions", p.GetDeletions(), 1)
	w.ok(w.Revert(ghsim.RevertSpec{Pull: pr(1)}))
	data, _ := w.graphql(`{repository(owner:"acme",name:"app"){
		picked:object(expression:"release-1:g"){... on Blob{text}} gone:object(expression:"main:g"){oid}
		pick:ref(qualifiedName:"release-1"){target{... on Commit{message}}} undo:ref(qualifiedName:"refs/heads/main"){target{... on Commit{message}}}
		pullRequest(number:1){mergeCommit{oid}}}}`, nil)
	repo := dig(data, "repository")
	sha := dig(repo, "pullRequest", "mergeCommit", "oid").(string)
	equal(t, "picked", dig(repo, "picked", "text"), "x\n")
	equal(t, "reverted", dig(repo, "gone"), nil)
	equal(t, "trailer", dig(repo, "pick", "target", "message"), "fix (#1)\n\n(cherry picked from commit "+sha+")")
	equal(t, "revert", dig(repo, "undo", "target", "message"), "Revert \"fix (#1)\"\n\nThis reverts commit "+sha+".")
	w.noProblems()
}

func TestMergeQueue(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{MergeQueue: true, Files: map[string]string{"f": "1\n"}})
	for n := 1; n <= 3; n++ {
		w.ok(w.Open(ghsim.OpenSpec{Repo: app, Number: n, Files: files(string(rune('a'+n)), "x")}))
	}
	if _, err := w.Enqueue(app, []int{1, 2}); err == nil {
		t.Error("enqueued without a check")
	}
	for n := 1; n <= 3; n++ {
		w.pass(n)
	}
	if merged, _ := w.Merge(ghsim.MergeSpec{Pull: pr(1)}); merged {
		t.Error("merged past the queue")
	}
	w.flush()
	q, err := w.Enqueue(app, []int{2, 1, 3})
	w.ok(err)
	equal(t, "events", w.flush(), "[pull_request.enqueued pull_request.enqueued pull_request.enqueued"+strings.Repeat(" create push merge_group.checks_requested", 3)+"]")
	first, second := w.GroupOf(pr(2)), w.GroupOf(pr(1))
	event, err := github.ParseWebHook("merge_group", w.sent[8].Body)
	w.ok(err)
	equal(t, "head", event.(*github.MergeGroupEvent).GetMergeGroup().GetHeadSHA(), second.Head)
	equal(t, "ref", event.(*github.MergeGroupEvent).GetMergeGroup().GetHeadRef(), "refs/heads/gh-readonly-queue/main/pr-1-"+first.Head)
	equal(t, "base", event.(*github.MergeGroupEvent).GetMergeGroup().GetBaseSHA(), first.Head)
	equal(t, "the last", q.Pull, 3)
	data, _ := w.graphql(`{repository(owner:"acme",name:"app"){mergeQueue(branch:"main"){configuration{mergingStrategy mergeMethod maximumEntriesToBuild checkResponseTimeout}
entries(first:10){nodes{position headCommit{oid} baseCommit{oid} pullRequest{number isInMergeQueue}}}}}}`, nil)
	queue := dig(data, "repository", "mergeQueue")
	equal(t, "first in the queue", dig(queue, "entries", "nodes", 0, "pullRequest", "number"), 2)
	equal(t, "on top of it", dig(queue, "entries", "nodes", 1, "baseCommit", "oid"), dig(queue, "entries", "nodes", 0, "headCommit", "oid"))
	equal(t, "configuration", fmt.Sprint(dig(queue, "configuration")), "map[checkResponseTimeout:60 maximumEntriesToBuild:5 mergeMethod:SQUASH mergingStrategy:ALLGREEN]")

	w.check(second.Head, "success")
	w.SettleGroups()
	equal(t, "behind one that is not answered", w.QueueState(pr(1)), "waiting")
	w.check(first.Head, "failure")
	w.flush()
	w.SettleGroups()
	equal(t, "failed", w.QueueState(pr(2)), "refused")
	equal(t, "events of failure", w.flush(), "[pull_request.dequeued merge_group.destroyed push delete merge_group.destroyed push delete merge_group.destroyed push delete"+strings.Repeat(" create push merge_group.checks_requested", 2)+"]")
	again := w.GroupOf(pr(1))
	if again.Head == second.Head || again.State != "pending" {
		t.Errorf("the group behind was not made again: %+v", again)
	}
	w.check(again.Head, "success")
	w.check(w.GroupOf(pr(3)).Head, "success")
	w.SettleGroups()
	equal(t, "answered", w.QueueState(pr(1))+" "+w.QueueState(pr(3))+" "+w.LastGroup().State, "merged merged merged")

	_, err = w.Enqueue(app, []int{2})
	w.ok(err)
	w.now = w.now.Add(2 * time.Hour)
	w.SettleGroups()
	equal(t, "timed out", w.GroupOf(pr(2)).State, "destroyed")
	w.noProblems()
}

func TestMergeQueueMethodsAndBatches(t *testing.T) {
	for method, want := range map[string]int{"squash": 1, "merge": 3, "rebase": 2} {
		w := newWorld(t, ghsim.RepoSpec{MergeQueue: true, Queue: ghsim.QueueSpec{Method: method, Build: 2, Merge: 1}})
		for n := 1; n <= 3; n++ {
			w.ok(w.Open(ghsim.OpenSpec{Repo: app, Number: n, Files: files(string(rune('a'+n)), "x")}))
			w.ok(w.Push(ghsim.PushSpec{Repo: app, Pull: n, Files: files(string(rune('a'+n)), "y")}))
			w.pass(n)
		}
		_, err := w.Enqueue(app, []int{1, 2, 3})
		w.ok(err)
		if w.GroupOf(pr(3)) != nil {
			t.Error(method, "more are built than the queue builds at a time")
		}
		second := w.GroupOf(pr(2))
		data, _ := w.graphql(`{repository(owner:"acme",name:"app"){ref(qualifiedName:"`+w.GroupOf(pr(1)).Head+`"){name} object(oid:"`+second.Tip+`"){... on Commit{history(first:9){totalCount}}}}}`, nil)
		before := dig(data, "repository", "object", "history", "totalCount")
		data, _ = w.graphql(`{repository(owner:"acme",name:"app"){object(oid:"`+second.Head+`"){... on Commit{history(first:9){totalCount}}}}}`, nil)
		equal(t, method, int(dig(data, "repository", "object", "history", "totalCount").(float64)-before.(float64)), want)
		w.check(w.GroupOf(pr(1)).Head, "success")
		w.check(second.Head, "success")
		w.SettleGroups()
		equal(t, method, w.QueueState(pr(1))+" "+w.QueueState(pr(2))+" "+w.QueueState(pr(3)), "merged merged waiting")
		equal(t, "built once there is room", w.GroupOf(pr(3)).State, "pending")
		w.noProblems()
	}
}

func TestHeadgreenLandsWhatFailedBelow(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{MergeQueue: true, Queue: ghsim.QueueSpec{Strategy: "HEADGREEN"}})
	for n := 1; n <= 2; n++ {
		w.ok(w.Open(ghsim.OpenSpec{Repo: app, Number: n, Files: files(string(rune('a'+n)), "x")}))
		w.pass(n)
	}
	_, err := w.Enqueue(app, []int{1, 2})
	w.ok(err)
	w.check(w.GroupOf(pr(1)).Head, "failure")
	w.SettleGroups()
	equal(t, "one behind may still pass", w.QueueState(pr(1)), "waiting")
	w.check(w.GroupOf(pr(2)).Head, "success")
	w.SettleGroups()
	equal(t, "landed below it", w.QueueState(pr(1))+" "+w.QueueState(pr(2)), "merged merged")
}

func TestOtherRequiredChecks(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{MergeQueue: true})
	w.ok(w.RequireAlso(app, "ci"))
	w.ok(w.Open(ghsim.OpenSpec{Repo: app, Number: 1, Files: files("a", "x")}))
	w.pass(1)
	if state, _ := w.Mergeable(pr(1)); state != ghsim.MergeRefused {
		t.Errorf("without the other check: %v", state)
	}
	w.ok(w.AutoMerge(ghsim.AutoMergeSpec{Pull: pr(1), By: "ann"}))
	head := w.Pulls(app)[0].Head
	w.ok(w.Report(app, head, "ci", ""))
	w.SettleGroups()
	equal(t, "in progress", w.QueueState(pr(1)), "refused")
	w.ok(w.Report(app, head, "ci", "success"))
	w.SettleGroups()
	equal(t, "auto-merge enters the queue", w.QueueState(pr(1)), "waiting")
	group := w.GroupOf(pr(1)).Head
	w.check(group, "success")
	w.ok(w.Report(app, group, "ci", ""))
	w.SettleGroups()
	equal(t, "in progress in the group", w.QueueState(pr(1)), "waiting")
	data, _ := w.graphql(`{repository(owner:"acme",name:"app"){object(oid:"`+group+`"){... on Commit{statusCheckRollup{state contexts(first:10){nodes{... on CheckRun{name status isRequired(pullRequestNumber:1)}}}}}}}}`, nil)
	rollup := dig(data, "repository", "object", "statusCheckRollup")
	equal(t, "rollup", fmt.Sprint(dig(rollup, "state"), dig(rollup, "contexts", "nodes", 1)), "PENDINGmap[isRequired:true name:ci status:IN_PROGRESS]")
	w.ok(w.Report(app, group, "ci", "success"))
	w.SettleGroups()
	equal(t, "landed", w.QueueState(pr(1)), "merged")
	w.noProblems()
}

func TestAutoMerge(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{})
	w.ok(w.Open(ghsim.OpenSpec{Repo: app, Number: 1, By: "ann", Files: files("a", "x")}))
	w.flush()
	w.ok(w.AutoMerge(ghsim.AutoMergeSpec{Pull: pr(1), By: "bob"}))
	w.ok(w.AutoMerge(ghsim.AutoMergeSpec{Pull: pr(1), Off: true}))
	w.ok(w.AutoMerge(ghsim.AutoMergeSpec{Pull: pr(1), By: "bob"}))
	equal(t, "events", w.flush(), "[pull_request.auto_merge_enabled pull_request.auto_merge_disabled pull_request.auto_merge_enabled]")
	w.SettleGroups()
	equal(t, "no check yet", w.Pulls(app)[0].State, "open")
	w.pass(1)
	w.SettleGroups()
	equal(t, "merged by the one who asked", w.Pulls(app)[0].State+" "+w.Pulls(app)[0].MergedBy, "merged bob")
	w.ok(w.Open(ghsim.OpenSpec{Repo: app, Number: 2, By: "ann", Files: files("b", "x")}))
	w.pass(2)
	if err := w.AutoMerge(ghsim.AutoMergeSpec{Pull: pr(2)}); err == nil || !strings.Contains(err.Error(), "clean status") {
		t.Errorf("where all passes already: %v", err)
	}
	w.noProblems()
}

func TestMergeGroupIsBuiltAnewOrInvalidated(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{MergeQueue: true, Files: map[string]string{"f": "1\n"}})
	w.ok(w.Open(ghsim.OpenSpec{Repo: app, Number: 1, Files: files("f", "2\n")}))
	w.pass(1)
	first, err := w.Enqueue(app, []int{1})
	w.ok(err)
	w.ok(w.Push(ghsim.PushSpec{Repo: app, Branch: "main", Files: files("g", "x")}))
	w.check(first.Head, "success")
	w.flush()
	w.SettleGroups()
	equal(t, "events", w.flush(), "[merge_group.destroyed push delete create push merge_group.checks_requested]")
	second := w.LastGroup()
	if second.State != "pending" || second.Head == first.Head {
		t.Errorf("the group was not built again: %+v", second)
	}
	w.ok(w.Push(ghsim.PushSpec{Repo: app, Branch: "main", Files: files("f", "3\n")}))
	w.SettleGroups()
	equal(t, "conflict", w.LastGroup().State+" "+w.LastGroup().Reason, "destroyed invalidated")

	w.ok(w.Open(ghsim.OpenSpec{Repo: app, Number: 2, Files: files("h", "x")}))
	w.pass(2)
	_, err = w.Enqueue(app, []int{2})
	w.ok(err)
	w.ok(w.Push(ghsim.PushSpec{Repo: app, Pull: 2, Files: files("h", "y")}))
	equal(t, "pushed to", w.LastGroup().State, "destroyed")
	if state, _ := w.Mergeable(pr(2)); state != ghsim.MergeRefused {
		t.Errorf("after the push: %v", state)
	}
	w.noProblems()
}

func TestForks(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{})
	w.ok(w.Open(ghsim.OpenSpec{Repo: app, Number: 1, By: "eve", Fork: true, Files: files("f", "x")}))
	equal(t, "events", w.flush(), "[pull_request.opened]")
	data, _ := w.graphql(`{repository(owner:"acme",name:"app"){pullRequest(number:1){isCrossRepository headRepository{nameWithOwner}}}}`, nil)
	equal(t, "fork", dig(data, "repository", "pullRequest", "isCrossRepository"), true)
	equal(t, "head repository", dig(data, "repository", "pullRequest", "headRepository", "nameWithOwner"), "eve/app")
	w.pass(1) // a check on the base repository for the fork's head
	w.ok(w.Push(ghsim.PushSpec{Repo: app, Pull: 1, Files: files("f", "y")}))
	equal(t, "events of push", w.flush(), "[pull_request.synchronize]")
}

func TestWebhookModes(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{})
	tag := func(names ...string) {
		for _, n := range names {
			w.ok(w.Tag(app, ghsim.TagSpec{Name: n}))
		}
	}
	refs := func() string {
		w.flush()
		var out []string
		for _, d := range w.sent {
			if d.Event == "create" {
				e, err := github.ParseWebHook("create", d.Body)
				w.ok(err)
				out = append(out, e.(*github.CreateEvent).GetRef())
			}
		}
		return strings.Join(out, " ")
	}
	tag("a", "b")
	equal(t, "on", refs(), "a b")
	w.ok(w.SetWebhooks("held"))
	tag("c")
	equal(t, "held", refs(), "")
	equal(t, "pending", w.Pending(), 0)
	w.ok(w.SetWebhooks("reversed"))
	tag("d", "e")
	equal(t, "reversed", refs(), "e d")
	w.ok(w.SetWebhooks("on"))
	equal(t, "delivered at on", refs(), "c")
	w.ok(w.SetWebhooks("doubled"))
	tag("f")
	equal(t, "doubled", refs(), "f f")
	w.ok(w.SetWebhooks("off"))
	tag("g")
	equal(t, "off", refs(), "")
	w.ok(w.SetWebhooks("on"))
	w.ok(w.Tag(app, ghsim.TagSpec{Name: "h", Quiet: true}))
	equal(t, "quiet", refs(), "")

	// A failed delivery comes again under its GUID.
	page, _, err := w.app.Apps.ListHookDeliveries(ctx, &github.ListCursorOptions{PerPage: 50})
	w.ok(err)
	var failed *github.HookDelivery
	for _, d := range page {
		if d.GetStatusCode() >= 400 && d.GetEvent() == "create" {
			failed = d
		}
	}
	if failed == nil {
		t.Fatal("the lost delivery is not in the log")
	}
	_, _, err = w.app.Apps.RedeliverHookDelivery(ctx, failed.GetID())
	if _, accepted := err.(*github.AcceptedError); !accepted {
		t.Fatal(err)
	}
	equal(t, "redelivered", refs(), "g")
	equal(t, "guid", w.sent[0].GUID, failed.GetGUID())
	w.now = w.now.Add(4 * 24 * time.Hour)
	page, _, err = w.app.Apps.ListHookDeliveries(ctx, nil)
	w.ok(err)
	equal(t, "after four days", len(page), 0)

	tag("i", "j")
	w.FlushN(ctx, 1, func(context.Context, ghsim.Delivery) (int, error) { return 200, nil })
	equal(t, "half delivered", w.Pending(), 3)
	w.DropOutbox()
	equal(t, "dropped", w.Pending(), 0)
	w.noProblems()
}

func TestPayload(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{})
	w.ok(w.Open(ghsim.OpenSpec{Repo: app, Number: 1, By: "ann"}))
	w.flush()
	e, err := github.ParseWebHook("pull_request", w.sent[len(w.sent)-1].Body)
	w.ok(err)
	opened := e.(*github.PullRequestEvent)
	equal(t, "number", opened.GetNumber(), 1)
	equal(t, "head", opened.GetPullRequest().GetHead().GetSHA(), w.head(1))
	equal(t, "repository", opened.GetRepo().GetFullName(), "acme/app")
	equal(t, "sender", opened.GetSender().GetLogin(), "ann")
	if opened.GetInstallation().GetID() == 0 {
		t.Error("no installation")
	}
}

func TestInstallations(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{})
	docs := coupling.Repo("acme/docs")
	w.ok(w.CreateRepo(ghsim.RepoSpec{Name: docs}))
	_, _, err := w.client.Repositories.Get(ctx, "acme", "docs")
	equal(t, "not installed", status(err), 404)
	w.ok(w.Install(docs))
	equal(t, "install", w.flush(), "[installation_repositories.added]")
	all, _, err := w.client.Apps.ListRepos(ctx, nil)
	w.ok(err)
	equal(t, "repositories", all.GetTotalCount(), 2)
	w.ok(w.Suspend(docs))
	equal(t, "suspend", w.flush(), "[installation.suspend]")
	_, _, err = w.client.Repositories.Get(ctx, "acme", "docs")
	equal(t, "suspended", status(err), 404)
	_, _, err = w.client.Repositories.Get(ctx, "acme", "app")
	w.ok(err)
	list, _, err := w.app.Apps.ListInstallations(ctx, nil)
	w.ok(err)
	equal(t, "installations", len(list), 2)
	_, _, err = w.app.Apps.CreateInstallationToken(ctx, list[1].GetID(), nil)
	equal(t, "token of a suspended one", status(err), 403)
	w.ok(w.Install(docs))
	equal(t, "unsuspend", w.flush(), "[installation.unsuspend]")
	w.ok(w.Uninstall(docs))
	equal(t, "uninstall", w.flush(), "[installation.deleted]")
	w.ok(w.Open(ghsim.OpenSpec{Repo: docs, Number: 1}))
	equal(t, "not notified", len(w.flush()), 0)
	w.noProblems()
}

func TestRename(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{})
	w.ok(w.Open(ghsim.OpenSpec{Repo: app, Number: 1}))
	w.flush()
	w.ok(w.Rename(app, "acme/product"))
	equal(t, "events", w.flush(), "[repository.renamed]")
	p, _, err := w.client.PullRequests.Get(ctx, "acme", "app", 1) // follows the 301
	w.ok(err)
	equal(t, "repository", p.GetBase().GetRepo().GetFullName(), "acme/product")
	_, _, err = w.client.Issues.CreateComment(ctx, "acme", "app", 1, &github.IssueComment{Body: github.String("hi")}) // and the 307
	w.ok(err)
	equal(t, "comments", len(w.Comments(coupling.Pull{Repo: "acme/product", Number: 1})), 1)
	data, _ := w.graphql(`{repository(owner:"acme",name:"app"){nameWithOwner}}`, nil)
	equal(t, "graphql", dig(data, "repository", "nameWithOwner"), "acme/product")
	_, errs := w.graphql(`{repository(owner:"acme",name:"app",followRenames:false){nameWithOwner}}`, nil)
	equal(t, "graphql without following", len(errs), 1)
	w.noProblems()
}
