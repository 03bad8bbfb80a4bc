package ghsim

import (
	"strings"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/relbot/relbot/internal/coupling"
)

// Every field that the schema keeps has an answer, null only where the schema allows it.
func TestSchemaIsAnsweredInFull(t *testing.T) {
	const name = coupling.Repo("acme/app")
	g := New(Options{Clock: func() time.Time { return time.Unix(1780272000, 0) }})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(g.CreateRepo(RepoSpec{
		Name: name, MergeQueue: true, Files: map[string]string{"d/f": "x"}, Tags: []TagSpec{{Name: "v1", Annotated: true}},
	}))
	must(g.Install(name))
	must(g.Open(OpenSpec{Repo: name, Number: 1}))
	g.Comment(CommentSpec{Pull: coupling.Pull{Repo: name, Number: 1}, Body: "hi"})

	r := g.repos[0]
	p, main := r.pulls[1], r.branches["main"]
	title := "drift"
	i := g.createIssue(r, issueInput{Title: &title}, g.bot())
	tree := r.trees[main.tree.id]
	entries := entryValue{r, tree[0], tree[0].name}
	page := func(kind string) value {
		one := []*commit{main}
		v, err := connect(&execution{}, kind, one, arguments{"first": int64(1)}, commitKey, func(c *commit) value { return commitValue{r, c} })
		must(err)
		return v
	}
	runName := "n"
	run, err := g.newCheck(r, checkInput{Name: &runName, HeadSHA: main.id})
	must(err)
	rollup, err := commitValue{r, main}.rollup(&execution{call: &call{g: g, who: "ann", token: &token{user: "ann"}}})
	must(err)
	samples := map[string]value{
		"Query": queryRoot{}, "Mutation": mutationRoot{}, "RateLimit": rateValue{}, "User": actor{"ann"}, "Bot": actor{"x[bot]"},
		"Organization": organization{actor{"acme"}}, "Repository": repoValue{r}, "Ref": r.refValue("main").(value),
		"Comparison": comparisonValue{main, main}, "Commit": commitValue{r, main}, "GitActor": signature{main}, "Tag": tagValue{r, "v1", r.tags["v1"]},
		"Tree": treeValue{r, main.tree.id, ""}, "TreeEntry": entries, "Blob": blobValue{r, r.blob("x")}, "PullRequest": pullValue{p},
		"PullRequestCommit": pullCommit{r, main}, "IssueComment": commentValue{r.comments[0]}, "Issue": issueValue{i},
		"MergeQueue": queueValue{r, "main"}, "MergeQueueEntry": queueEntry{&Group{pull: p, commits: []*commit{main}, Tip: main.id}, 1},
		"MergeQueueConfiguration": queueConfiguration{r.queue},
		"StatusCheckRollup":       rollup.(value), "StatusContext": contextValue{r, &status{commit: main, state: "success"}},
		"MinimizeCommentPayload":   minimized{r.comments[0], "", "minimizeComment"},
		"UnminimizeCommentPayload": minimized{r.comments[0], "", "unminimizeComment"},
		"CreateCheckRunPayload":    madeCheck{run, ""}, "CheckRun": checkValue{run}, "CheckSuite": suiteValue{run},
		"EnqueuePullRequestPayload": letIn{p, "enqueuePullRequest", ""}, "EnablePullRequestAutoMergePayload": letIn{p, "enablePullRequestAutoMerge", ""},
		"PageInfo": pageInfo{page("CommitConnection").(connection)},
	}
	texts := map[string]string{
		"owner": "acme", "name": "app", "id": r.node, "expression": "main:d/f", "qualifiedName": "main", "refPrefix": "refs/tags/",
		"path": "d/f", "headRef": "main",
	}
	x := &execution{call: &call{g: g, who: "ann", token: &token{user: "ann"}}}
	for _, def := range schema().Types {
		if def.Kind != ast.Object || strings.HasPrefix(def.Name, "__") {
			continue
		}
		v := samples[def.Name]
		if v == nil && strings.HasSuffix(def.Name, "Connection") {
			v = page(def.Name)
		}
		if v == nil {
			t.Errorf("no sample of %s", def.Name)
			continue
		}
		if v.typename() != def.Name {
			t.Errorf("the sample of %s is a %s", def.Name, v.typename())
		}
		for _, f := range def.Fields {
			if strings.HasPrefix(f.Name, "__") {
				continue
			}
			args := arguments{"first": int64(1)}
			for _, a := range f.Arguments {
				switch {
				case a.Name == "number" && strings.HasPrefix(f.Name, "pull"):
					args["number"] = int64(1)
				case a.Name == "number":
					args["number"] = int64(i.number)
				case a.Name == "ids":
					args["ids"] = []any{r.node, p.node, i.node, r.comments[0].node}
				case a.Name == "input":
					args["input"] = map[string]any{"subjectId": r.comments[0].node, "pullRequestId": p.node, "classifier": "OFF_TOPIC", "repositoryId": r.node, "name": "n", "headSha": main.id}
				case texts[a.Name] != "":
					args[a.Name] = texts[a.Name]
				}
			}
			got, err := v.field(x, f.Name, args)
			switch {
			case err != nil:
				// A reader may neither minimize nor make checks.
				if def.Name != "Mutation" || err != error(errForbidden) {
					t.Errorf("%s.%s: %v", def.Name, f.Name, err)
				}
			case got == nil && f.Type.NonNull:
				t.Errorf("%s.%s is null and must not be", def.Name, f.Name)
			}
		}
	}
	if len(g.problems) > 0 || len(x.errors) > 0 {
		t.Error(g.problems, x.errors)
	}
}

func TestMergeText(t *testing.T) {
	const base = "1\n2\n3\n4\n5\n"
	for _, c := range []struct{ name, ours, theirs, want string }{
		{"apart", "one\n2\n3\n4\n5\n", "1\n2\n3\n4\nfive\n", "one\n2\n3\n4\nfive\n"},
		{"same change", "1\n2\nthree\n4\n5\n", "1\n2\nthree\n4\n5\n", "1\n2\nthree\n4\n5\n"},
		{"same line", "1\n2\nthree\n4\n5\n", "1\n2\ndrei\n4\n5\n", ""},
		{"lines that touch", "1\ntwo\n3\n4\n5\n", "1\n2\nthree\n4\n5\n", ""},
		{"one line between", "1\ntwo\n3\n4\n5\n", "1\n2\n3\nfour\n5\n", "1\ntwo\n3\nfour\n5\n"},
		{"insert and delete", "0\n1\n2\n3\n4\n5\n", "1\n2\n3\n", "0\n1\n2\n3\n"},
		{"ours deletes all", "", base, ""},
		{"both insert at one place", "1\n2\n3\n4\n5\na\n", "1\n2\n3\n4\n5\nb\n", ""},
		{"no newline at the end", "1\n2\n3\n4\n5", "0\n2\n3\n4\n5\n", "0\n2\n3\n4\n5"},
	} {
		got, ok := mergeText(base, c.ours, c.theirs)
		if ok != (c.want != "" || c.ours == "") || got != c.want {
			t.Errorf("%s: got %q %v, want %q", c.name, got, ok, c.want)
		}
		if back, _ := mergeText(base, c.theirs, c.ours); back != got {
			t.Errorf("%s: %q one way and %q the other", c.name, got, back)
		}
	}
}

// Any two texts: merging a change with none gives it, and a patch accounts for every line.
func FuzzDiff(f *testing.F) {
	f.Add("a\nb\nc\n", "a\nc\nd\n")
	f.Add("", "x")
	f.Add("x\nx\ny\n", "y\nx\nx\n")
	f.Fuzz(func(t *testing.T, before, after string) {
		if text, added, removed := patch(before, after); len(splitLines(before))+added-removed != len(splitLines(after)) || (text == "") != (before == after) {
			t.Errorf("the patch has %d added and %d removed lines:\n%s", added, removed, text)
		}
		if got, ok := mergeText(before, after, before); !ok || got != after {
			t.Errorf("merged with no change: %q %v, want %q", got, ok, after)
		}
	})
}
