package ghsim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-github/v62/github"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim"
)

// TestPeople has a person make a repository in an organization, use it as people do, and delete it, with the App installed on all.
func TestPeople(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{})
	w.InstallAll("lab", true)
	w.flush()
	ann, bob := w.newClient("ghp_ann"), w.newClient("ghp_bob")
	made, _, err := ann.Repositories.Create(ctx, "lab", &github.Repository{Name: github.String("r"), AutoInit: github.Bool(true)})
	w.ok(err)
	equal(t, "events", w.flush(), "[repository.created]")
	_, _, err = ann.Repositories.Create(ctx, "lab", &github.Repository{Name: github.String("r")})
	equal(t, "made again", status(err), 422)
	_, _, err = w.client.Repositories.Create(ctx, "lab", &github.Repository{Name: github.String("s")})
	equal(t, "made by an App", status(err), 403)
	_, _, err = bob.Repositories.Edit(ctx, "lab", "r", &github.Repository{Description: github.String("mine")})
	equal(t, "changed by anybody", status(err), 403)
	edited, _, err := ann.Repositories.Edit(ctx, "lab", "r", &github.Repository{Description: github.String("a mark"), AllowAutoMerge: github.Bool(true)})
	w.ok(err)
	equal(t, "description", edited.GetDescription(), "a mark")

	put := func(branch, path, text string, sha *string) (*github.RepositoryContentResponse, error) {
		res, _, err := ann.Repositories.CreateFile(ctx, "lab", "r", path, &github.RepositoryContentFileOptions{
			Message: github.String("Write"), Content: []byte(text), Branch: &branch, SHA: sha,
		})
		return res, err
	}
	first, err := put("main", "src/gate", "1", nil)
	w.ok(err)
	_, err = put("main", "src/gate", "2", nil)
	equal(t, "written over unseen", status(err), 422)
	_, err = put("main", "src/gate", "2", github.String(w.Commit("lab/r", "main")))
	equal(t, "written over what it was", status(err), 409)
	ref := func(name, sha string) error {
		_, _, err := ann.Git.CreateRef(ctx, "lab", "r", &github.Reference{Ref: &name, Object: &github.GitObject{SHA: &sha}})
		return err
	}
	tip := first.Commit.GetSHA()
	w.ok(ref("refs/heads/topic", tip))
	w.ok(ref("refs/tags/v1", tip))
	for _, c := range []struct{ name, sha string }{{"refs/tags/v1", tip}, {"refs/heads/topic", tip}, {"refs/heads/other", app.Name()}, {"topic", tip}} {
		equal(t, c.name, status(ref(c.name, c.sha)), 422)
	}
	pull := func() (*github.PullRequest, error) {
		p, _, err := ann.PullRequests.Create(ctx, "lab", "r", &github.NewPullRequest{Title: github.String("T"), Head: github.String("topic"), Base: github.String("main"), Body: github.String("b")})
		return p, err
	}
	_, err = pull()
	equal(t, "opened without a commit", status(err), 422)
	w.flush()
	_, err = put("topic", "src/gate", "2", first.Content.SHA)
	w.ok(err)
	p, err := pull()
	w.ok(err)
	equal(t, "number", p.GetNumber(), 1)
	_, err = pull()
	equal(t, "opened again", status(err), 422)
	equal(t, "events", w.flush(), "[push pull_request.opened]")

	merge := func() error {
		_, _, err := ann.PullRequests.Merge(ctx, "lab", "r", 1, "", &github.PullRequestOptions{MergeMethod: "squash"})
		return err
	}
	// The library's own call sends a field that the description does not have.
	req, err := ann.NewRequest(http.MethodPost, "repos/lab/r/rulesets", map[string]any{
		"name": "r", "target": "branch", "enforcement": "active", "conditions": map[string]any{"ref_name": map[string]any{"include": []string{"~DEFAULT_BRANCH"}, "exclude": []string{}}},
		"rules": []any{map[string]any{"type": "required_status_checks", "parameters": map[string]any{
			"strict_required_status_checks_policy": false, "required_status_checks": []any{map[string]any{"context": "relbot/coordination", "integration_id": 7}},
		}}},
	})
	w.ok(err)
	_, err = ann.Do(ctx, req, nil)
	w.ok(err)
	equal(t, "merged without the check", status(merge()), 405)
	_, err = put("main", "src/gate", "3", first.Content.SHA)
	equal(t, "pushed without the check", status(err), 409)

	w.login("lab/r")
	run, _, err := w.client.Checks.CreateCheckRun(ctx, "lab", "r", github.CreateCheckRunOptions{
		Name: "relbot/coordination", HeadSHA: w.Commit("lab/r", "topic"), Conclusion: github.String("success"), Output: &github.CheckRunOutput{
			Title: github.String("t"), Summary: github.String("s"), Annotations: []*github.CheckRunAnnotation{{
				Path: github.String("src/gate"), StartLine: github.Int(1), EndLine: github.Int(1), AnnotationLevel: github.String("warning"), Message: github.String("m"),
			}},
		},
	})
	w.ok(err)
	notes, _, err := ann.Checks.ListCheckRunAnnotations(ctx, "lab", "r", run.GetID(), nil)
	w.ok(err)
	equal(t, "annotations", fmt.Sprint(len(notes), notes[0].GetMessage()), "1m")
	w.ok(merge())

	w.ok(w.SetWebhooks("off"))
	_, err = bob.Repositories.Delete(ctx, "lab", "r")
	equal(t, "deleted by anybody", status(err), 403)
	_, err = ann.Repositories.Delete(ctx, "lab", "r")
	w.ok(err)
	_, _, err = ann.Repositories.Get(ctx, "lab", "r")
	equal(t, "after that", status(err), http.StatusNotFound)
	log, _, err := w.app.Apps.ListHookDeliveries(ctx, nil)
	w.ok(err)
	one, _, err := w.app.Apps.GetHookDelivery(ctx, log[0].GetID())
	w.ok(err)
	var payload struct {
		Action     string
		Repository struct {
			ID int64
		}
	}
	w.ok(json.Unmarshal(*one.Request.RawPayload, &payload))
	equal(t, "delivery", fmt.Sprint(one.GetEvent(), payload.Action, payload.Repository.ID, one.Request.Headers["X-GitHub-Event"]), fmt.Sprint("repository", "deleted", made.GetID(), "repository"))
	equal(t, "repositories", fmt.Sprint(w.Repos()), fmt.Sprint([]coupling.Repo{app}))
	w.noProblems()
}

// TestPeopleOfAnAccount has a person make a repository of their own.
func TestPeopleOfAnAccount(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{})
	w.InstallAll("ann", false)
	_, _, err := w.newClient("ghp_ann").Repositories.Create(ctx, "", &github.Repository{Name: github.String("r")})
	w.ok(err)
	in, _, err := w.app.Apps.FindRepositoryInstallation(ctx, "ann", "r")
	w.ok(err)
	equal(t, "installation", fmt.Sprint(in.GetAccount().GetType(), in.GetTargetType(), in.GetRepositorySelection()), "UserUserall")
	w.noProblems()
}

// TestPeopleQueue has a person require the merge queue, let pull requests into it, and have one merged by GitHub itself.
func TestPeopleQueue(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{Permissions: map[string]string{"ann": "admin"}})
	for n := 1; n <= 3; n++ {
		w.ok(w.Open(ghsim.OpenSpec{Repo: app, Number: n, By: "ann", Files: files(fmt.Sprint("f", n), "x")}))
	}
	ann := w.newClient("ghp_ann")
	mutate := func(name, fields string, n int) string {
		t.Helper()
		p, _, err := ann.PullRequests.Get(ctx, "acme", "app", n)
		w.ok(err)
		req, err := ann.NewRequest(http.MethodPost, "graphql", map[string]any{
			"query":     "mutation($id: ID!) { " + name + "(input: {pullRequestId: $id}) { " + fields + " } }",
			"variables": map[string]any{"id": p.GetNodeID()},
		})
		w.ok(err)
		var out struct {
			Data   json.RawMessage
			Errors []struct{ Message string }
		}
		_, err = ann.Do(ctx, req, &out)
		w.ok(err)
		if len(out.Errors) > 0 {
			return out.Errors[0].Message
		}
		return string(out.Data)
	}
	const auto, enqueue = "enablePullRequestAutoMerge", "enqueuePullRequest"
	equal(t, "auto-merge where it is not allowed", mutate(auto, "pullRequest { number }", 1), "auto-merge is not allowed for this repository")
	_, _, err := ann.Repositories.Edit(ctx, "acme", "app", &github.Repository{AllowAutoMerge: github.Bool(true)})
	w.ok(err)
	equal(t, "auto-merge", mutate(auto, "pullRequest { number }", 1), `{"enablePullRequestAutoMerge":{"pullRequest":{"number":1}}}`)
	w.pass(1)
	w.SettleGroups()
	state, _ := w.Mergeable(pr(1))
	equal(t, "it merged by itself", state, ghsim.MergeDone)

	w.pass(2)
	equal(t, "into no queue", mutate(enqueue, "mergeQueueEntry { position }", 2), "acme/app#2: main has no merge queue")
	req, err := ann.NewRequest(http.MethodPost, "repos/acme/app/rulesets", map[string]any{
		"name": "q", "target": "branch", "enforcement": "active", "conditions": map[string]any{"ref_name": map[string]any{"include": []string{"~DEFAULT_BRANCH"}, "exclude": []string{}}},
		"rules": []any{map[string]any{"type": "merge_queue", "parameters": map[string]any{
			"check_response_timeout_minutes": 10, "grouping_strategy": "HEADGREEN", "max_entries_to_build": 1, "max_entries_to_merge": 5, "merge_method": "REBASE",
			"min_entries_to_merge": 1, "min_entries_to_merge_wait_minutes": 0,
		}}},
	})
	w.ok(err)
	_, err = ann.Do(ctx, req, nil)
	w.ok(err)
	var rules []struct {
		Type       string
		Parameters struct {
			Method   string `json:"merge_method"`
			Strategy string `json:"grouping_strategy"`
			Minutes  int    `json:"check_response_timeout_minutes"`
		}
	}
	req, err = ann.NewRequest(http.MethodGet, "repos/acme/app/rules/branches/main", nil)
	w.ok(err)
	_, err = ann.Do(ctx, req, &rules)
	w.ok(err)
	equal(t, "the queue", fmt.Sprint(rules[1]), "{merge_queue {REBASE HEADGREEN 10}}")
	w.pass(3)
	equal(t, "first", mutate(enqueue, "mergeQueueEntry { position pullRequest { number } }", 2), `{"enqueuePullRequest":{"mergeQueueEntry":{"position":1,"pullRequest":{"number":2}}}}`)
	equal(t, "second", mutate(enqueue, "mergeQueueEntry { position headCommit { oid } }", 3), `{"enqueuePullRequest":{"mergeQueueEntry":{"headCommit":null,"position":2}}}`)
	w.noProblems()
}
