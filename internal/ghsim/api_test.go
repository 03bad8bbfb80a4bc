package ghsim_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/relbot/relbot/internal/ghsim"
)

func TestFaults(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{})
	w.ok(w.Open(ghsim.OpenSpec{Repo: app, Number: 1}))
	read := func() error {
		_, _, err := w.client.PullRequests.Get(ctx, "acme", "app", 1)
		return err
	}
	comment := func() error {
		_, _, err := w.client.Issues.CreateComment(ctx, "acme", "app", 1, &github.IssueComment{Body: github.String("hi")})
		return err
	}
	for _, answer := range []string{"500", "502", "403", "404", "429"} {
		w.ok(w.AddFault(ghsim.Fault{Match: "reads", Answer: answer}))
		w.ok(comment())
		equal(t, answer, fmt.Sprint(status(read())), answer)
		w.ok(read()) // it struck once
	}
	w.ok(w.AddFault(ghsim.Fault{Match: "GET /repos/*/1", Answer: "403", Times: -1, RetryAfter: 30}))
	err := read()
	limit, is := err.(*github.AbuseRateLimitError)
	if !is || limit.GetRetryAfter() != 30*time.Second {
		t.Errorf("secondary limit: %v", err)
	}
	w.ClearFaults()
	w.client = w.newClient(w.token) // go-github remembers the limit

	before := len(w.Comments(pr(1)))
	w.ok(w.AddFault(ghsim.Fault{Match: "writes", Answer: "timeout"}))
	if err := comment(); err == nil {
		t.Error("a timeout was answered")
	}
	equal(t, "comments after a timeout", len(w.Comments(pr(1))), before)
	w.ok(w.AddFault(ghsim.Fault{Match: "writes", Answer: "lost_answer"}))
	if err := comment(); err == nil {
		t.Error("a lost answer arrived")
	}
	equal(t, "comments after a lost answer", len(w.Comments(pr(1))), before+1)
	w.ok(w.AddFault(ghsim.Fault{Match: "POST /repos/acme/app/issues/*", Answer: "truncated"}))
	if err := comment(); err == nil {
		t.Error("half an answer was read")
	}
	equal(t, "comments after half an answer", len(w.Comments(pr(1))), before+2)

	in, _, err := w.app.Apps.FindRepositoryInstallation(ctx, "acme", "app")
	w.ok(err)
	w.ok(w.AddFault(ghsim.Fault{Match: "reads", Answer: "500", Times: -1}))
	w.ok(w.AddFault(ghsim.Fault{Match: "writes", Answer: "500", Times: -1}))
	_, _, err = w.app.Apps.CreateInstallationToken(ctx, in.GetID(), nil) // logging in meets neither
	w.ok(err)
	w.ClearFaults()
	w.ok(read())
	if err := w.AddFault(ghsim.Fault{Match: "all", Answer: "500"}); err == nil {
		t.Error("an unknown match was taken")
	}
	if err := w.AddFault(ghsim.Fault{Match: "reads", Answer: "418"}); err == nil {
		t.Error("an unknown answer was taken")
	}
	w.noProblems()
}

func TestCounts(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{})
	w.ok(w.Open(ghsim.OpenSpec{Repo: app, Number: 1}))
	id := w.Comment(ghsim.CommentSpec{Pull: pr(1), By: "ann", Body: "/relbot help"})
	reads0, writes0 := w.Counts()
	counts := func(what string, reads, writes int) {
		t.Helper()
		r, n := w.Counts()
		equal(t, what, fmt.Sprint(r-reads0, n-writes0), fmt.Sprint(reads, writes))
	}
	w.login(app)
	counts("finding the installation and minting", 1, 0)
	_, _, err := w.client.Reactions.CreateIssueCommentReaction(ctx, "acme", "app", id, "+1")
	w.ok(err)
	counts("a reaction", 1, 1)
	_, _, err = w.client.Reactions.CreateIssueCommentReaction(ctx, "acme", "app", id, "+1")
	w.ok(err)
	counts("the same again", 1, 1)
	_, _, err = w.client.PullRequests.Get(ctx, "acme", "app", 9)
	equal(t, "none such", status(err), 404)
	counts("a failed read", 2, 1)
	w.graphql(`{rateLimit{cost remaining resetAt}}`, nil)
	counts("a query", 3, 1)
	node := w.Comments(pr(1))[0].NodeID
	minimize := `mutation($id:ID!){minimizeComment(input:{subjectId:$id,classifier:OUTDATED}){minimizedComment{isMinimized minimizedReason}}}`
	data, errs := w.graphql(minimize, map[string]any{"id": node})
	equal(t, "minimized", dig(data, "minimizeComment", "minimizedComment", "minimizedReason"), "outdated")
	equal(t, "errors", errs, "[]")
	counts("a mutation", 3, 2)
	w.graphql(minimize, map[string]any{"id": node})
	counts("a mutation that changes nothing", 3, 2)
	w.ok(w.AddFault(ghsim.Fault{Match: "writes", Answer: "500"}))
	w.send(minimize, node)
	counts("a mutation that meets a fault", 3, 2)
	equal(t, "reaction shown", w.Comments(pr(1))[0].Reactions, "[+1]")
	equal(t, "minimized shown", w.Comments(pr(1))[0].Minimized, "outdated")
	w.noProblems()
}

// send sends a query whose answer is no matter.
func (w *world) send(query, id string) {
	req, err := http.NewRequest("POST", w.server.URL+"/graphql", strings.NewReader(fmt.Sprintf(`{"query":%q,"variables":{"id":%q}}`, query, id)))
	w.ok(err)
	req.Header.Set("Authorization", "token "+w.token)
	res, err := http.DefaultClient.Do(req)
	w.ok(err)
	res.Body.Close()
}

func TestLimits(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{})
	w.ok(w.Open(ghsim.OpenSpec{Repo: app, Number: 1}))
	head := w.head(1)
	long := strings.Repeat("ä", 65536)
	_, _, err := w.client.Issues.CreateComment(ctx, "acme", "app", 1, &github.IssueComment{Body: &long})
	w.ok(err)
	long += "x"
	_, _, err = w.client.Issues.CreateComment(ctx, "acme", "app", 1, &github.IssueComment{Body: &long})
	equal(t, "long comment", status(err), 422)

	check := func(change func(*github.CreateCheckRunOptions)) int {
		o := github.CreateCheckRunOptions{
			Name: "c", HeadSHA: head, Output: &github.CheckRunOutput{Title: github.String("t"), Summary: github.String("s")},
		}
		change(&o)
		_, _, err := w.client.Checks.CreateCheckRun(ctx, "acme", "app", o)
		return status(err)
	}
	annotations := func(n int) []*github.CheckRunAnnotation {
		var out []*github.CheckRunAnnotation
		for range n {
			out = append(out, &github.CheckRunAnnotation{
				Path: github.String("f"), StartLine: github.Int(1), EndLine: github.Int(1), AnnotationLevel: github.String("failure"), Message: github.String("m"),
			})
		}
		return out
	}
	actions := func(n int, label string) []*github.CheckRunAction {
		var out []*github.CheckRunAction
		for range n {
			out = append(out, &github.CheckRunAction{Label: label, Description: "d", Identifier: "i"})
		}
		return out
	}
	for name, c := range map[string]struct {
		want   int
		change func(*github.CreateCheckRunOptions)
	}{
		"plain":            {0, func(o *github.CreateCheckRunOptions) {}},
		"no such commit":   {422, func(o *github.CreateCheckRunOptions) { o.HeadSHA = strings.Repeat("0", 40) }},
		"long summary":     {422, func(o *github.CreateCheckRunOptions) { o.Output.Summary = &long }},
		"long text":        {422, func(o *github.CreateCheckRunOptions) { o.Output.Text = &long }},
		"50 annotations":   {0, func(o *github.CreateCheckRunOptions) { o.Output.Annotations = annotations(50) }},
		"51 annotations":   {422, func(o *github.CreateCheckRunOptions) { o.Output.Annotations = annotations(51) }},
		"3 actions":        {0, func(o *github.CreateCheckRunOptions) { o.Actions = actions(3, "Re-check") }},
		"4 actions":        {422, func(o *github.CreateCheckRunOptions) { o.Actions = actions(4, "Re-check") }},
		"long label":       {422, func(o *github.CreateCheckRunOptions) { o.Actions = actions(1, "twenty-one characters") }},
		"no conclusion":    {422, func(o *github.CreateCheckRunOptions) { o.Status = github.String("completed") }},
		"unknown status":   {422, func(o *github.CreateCheckRunOptions) { o.Status = github.String("done") }},
		"stale":            {422, func(o *github.CreateCheckRunOptions) { o.Conclusion = github.String("stale") }},
		"output, no title": {422, func(o *github.CreateCheckRunOptions) { o.Output.Title = nil }},
	} {
		equal(t, name, check(c.change), c.want)
	}

	id := w.check(head, "success")
	_, _, err = w.client.Checks.UpdateCheckRun(ctx, "acme", "app", id, github.UpdateCheckRunOptions{Name: "relbot/coordination", Status: github.String("in_progress")})
	equal(t, "back to in_progress", status(err), 422)
	if run, found := w.CurrentCheck(pr(1)); !found || !run.Passes() {
		t.Errorf("the refused update changed the run: %+v", run)
	}
	_, _, err = w.client.Repositories.CreateStatus(ctx, "acme", "app", head, &github.RepoStatus{
		State: github.String("success"), Context: github.String("c"), Description: github.String(strings.Repeat("x", 141)),
	})
	equal(t, "long status", status(err), 422)
	if id := w.Comment(ghsim.CommentSpec{Pull: pr(1), Body: long}); id != 0 || len(w.Problems()) != 1 {
		t.Errorf("a long comment by a person: %d, %v", id, w.Problems())
	}
}

// TestAnnotations holds that an update adds to what a run has, and that the newest run of a name counts, whichever was written last.
func TestAnnotations(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{})
	w.ok(w.Open(ghsim.OpenSpec{Repo: app, Number: 1}))
	id := w.check(w.head(1), "failure")
	update := func(n int) (has int, err error) {
		o := github.UpdateCheckRunOptions{Name: "relbot/coordination", Output: &github.CheckRunOutput{Title: github.String("t"), Summary: github.String("s")}}
		for range n {
			o.Output.Annotations = append(o.Output.Annotations, &github.CheckRunAnnotation{
				Path: github.String("f"), StartLine: github.Int(1), EndLine: github.Int(1), AnnotationLevel: github.String("failure"), Message: github.String("m"),
			})
		}
		run, _, err := w.client.Checks.UpdateCheckRun(ctx, "acme", "app", id, o)
		return run.GetOutput().GetAnnotationsCount(), err
	}
	for _, c := range []struct{ more, want int }{{50, 50}, {50, 100}, {0, 100}, {1, 101}} {
		has, err := update(c.more)
		w.ok(err)
		equal(t, fmt.Sprintf("annotations after %d more", c.more), has, c.want)
	}
	_, err := update(51)
	equal(t, "51 more", status(err), 422)

	w.check(w.head(1), "success")
	has, err := update(1) // of the older run
	w.ok(err)
	equal(t, "annotations of the older run", has, 102)
	if run, _ := w.CurrentCheck(pr(1)); !run.Passes() || len(run.Annotations) > 0 {
		t.Errorf("the newest run is %+v", run)
	}
	if state, why := w.Mergeable(pr(1)); state != ghsim.MergeAllowed {
		t.Errorf("%s: %s", state, why)
	}
	w.noProblems()
}

func TestChecksInBothForms(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{RequiredCheck: "coordination"})
	w.ok(w.Open(ghsim.OpenSpec{Repo: app, Number: 1, Files: files("f", "x")}))
	head := w.head(1)
	post := func(state string) {
		t.Helper()
		_, _, err := w.client.Repositories.CreateStatus(ctx, "acme", "app", head, &github.RepoStatus{State: &state, Context: github.String("coordination")})
		w.ok(err)
	}
	state := func(want ghsim.MergeState) {
		t.Helper()
		if got, why := w.Mergeable(pr(1)); got != want {
			t.Errorf("got %s (%s), want %s", got, why, want)
		}
	}
	post("pending")
	state(ghsim.MergeRefused)
	run, _ := w.CurrentCheck(pr(1))
	equal(t, "pending status", run.Status, "in_progress")
	post("success")
	state(ghsim.MergeAllowed)
	w.SetPermission(app, "ann", "write")
	_, _, err := w.newClient("ghp_ann").Repositories.CreateStatus(ctx, "acme", "app", head, &github.RepoStatus{State: github.String("failure"), Context: github.String("coordination")})
	w.ok(err)
	state(ghsim.MergeAllowed) // the requirement is pinned to the App
	conclusion := "failure"
	_, _, err = w.client.Checks.CreateCheckRun(ctx, "acme", "app", github.CreateCheckRunOptions{Name: "coordination", HeadSHA: head, Conclusion: &conclusion})
	w.ok(err)
	state(ghsim.MergeRefused) // both must pass
	statuses, _, err := w.client.Repositories.ListStatuses(ctx, "acme", "app", head, nil)
	w.ok(err)
	equal(t, "statuses", len(statuses), 3)
	rules, _, err := w.client.Repositories.GetRulesForBranch(ctx, "acme", "app", "main")
	w.ok(err)
	equal(t, "rules", rules[0].Type, "required_status_checks")
	w.noProblems()
}

func TestButtons(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{})
	w.ok(w.Open(ghsim.OpenSpec{Repo: app, Number: 1, By: "ann"}))
	if err := w.Click(pr(1), "recheck"); err == nil {
		t.Error("clicked a button of no check")
	}
	conclusion := "failure"
	_, _, err := w.client.Checks.CreateCheckRun(ctx, "acme", "app", github.CreateCheckRunOptions{
		Name: "relbot/coordination", HeadSHA: w.head(1), Conclusion: &conclusion, ExternalID: github.String("acme/app#1"),
		Actions: []*github.CheckRunAction{{Label: "Re-check", Description: "Evaluate again", Identifier: "recheck"}},
	})
	w.ok(err)
	w.flush()
	if err := w.Click(pr(1), "bump"); err == nil {
		t.Error("clicked a button that is not there")
	}
	w.ok(w.Click(pr(1), "recheck"))
	w.ok(w.Rerequest(ghsim.RerequestSpec{Pull: pr(1)}))
	equal(t, "events", w.flush(), "[check_run.requested_action check_run.rerequested]")
	e, err := github.ParseWebHook("check_run", w.sent[0].Body)
	w.ok(err)
	click := e.(*github.CheckRunEvent)
	equal(t, "button", click.GetRequestedAction().Identifier, "recheck")
	equal(t, "external id", click.GetCheckRun().GetExternalID(), "acme/app#1")
	equal(t, "pull", click.GetCheckRun().PullRequests[0].GetNumber(), 1)
	runs, _, err := w.client.Checks.ListCheckRunsForRef(ctx, "acme", "app", w.head(1), &github.ListCheckRunsOptions{CheckName: github.String("relbot/coordination")})
	w.ok(err)
	equal(t, "runs", runs.GetTotal(), 1)

	w.check(w.head(1), "success")
	w.ok(w.Rerequest(ghsim.RerequestSpec{Pull: pr(1), Run: 1}))
	w.ok(w.Rerequest(ghsim.RerequestSpec{Pull: pr(1), Suite: true}))
	if err := w.Rerequest(ghsim.RerequestSpec{Pull: pr(1), Run: 3}); err == nil {
		t.Error("asked for a run again that is not there")
	}
	equal(t, "events", w.flush(), "[check_run.rerequested check_suite.rerequested]")
	e, err = github.ParseWebHook("check_run", w.sent[0].Body)
	w.ok(err)
	equal(t, "older run", e.(*github.CheckRunEvent).GetCheckRun().GetID(), runs.CheckRuns[0].GetID())
	e, err = github.ParseWebHook("check_suite", w.sent[1].Body)
	w.ok(err)
	suite := e.(*github.CheckSuiteEvent).GetCheckSuite()
	equal(t, "suite", fmt.Sprint(suite.GetID(), suite.GetStatus(), suite.PullRequests[0].GetNumber()), fmt.Sprint(runs.CheckRuns[0].GetCheckSuite().GetID(), "queued", 1))
	w.noProblems()
}

func TestIssuesAndComments(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{})
	w.ok(w.Open(ghsim.OpenSpec{Repo: app, Number: 1}))
	w.flush()
	issue, _, err := w.client.Issues.Create(ctx, "acme", "app", &github.IssueRequest{
		Title: github.String("Drift"), Body: github.String("b"), Labels: &[]string{"release-coordination"},
	})
	w.ok(err)
	equal(t, "author", issue.GetUser().GetLogin(), "relbot[bot]")
	_, _, err = w.client.Issues.Edit(ctx, "acme", "app", issue.GetNumber(), &github.IssueRequest{Body: github.String("c"), State: github.String("closed")})
	w.ok(err)
	_, _, err = w.client.Issues.CreateComment(ctx, "acme", "app", issue.GetNumber(), &github.IssueComment{Body: github.String("new drift")})
	w.ok(err)
	equal(t, "events", w.flush(), "[issues.opened issues.edited issues.closed issue_comment.created]")
	open, _, err := w.client.Issues.ListByRepo(ctx, "acme", "app", nil)
	w.ok(err)
	equal(t, "pull requests are issues too", open[0].IsPullRequest(), true)
	own, _, err := w.client.Issues.ListByRepo(ctx, "acme", "app", &github.IssueListByRepoOptions{
		State: "all", Labels: []string{"release-coordination"}, Creator: "relbot[bot]",
	})
	w.ok(err)
	equal(t, "by label", len(own), 1)
	seen := w.Issues(app)[0]
	equal(t, "seen", []any{seen.Open, seen.Own, seen.Body, len(seen.Comments)}, "[false true c 1]")

	bot := w.Comment(ghsim.CommentSpec{Pull: pr(1), By: "dependabot", Body: "hi", Bot: true})
	x, _, err := w.client.Issues.GetComment(ctx, "acme", "app", bot)
	w.ok(err)
	equal(t, "bot", x.GetUser().GetType()+" "+x.GetUser().GetLogin(), "Bot dependabot[bot]")
	data, _ := w.graphql(`{repository(owner:"acme",name:"app"){pullRequest(number:1){comments(last:1){nodes{author{login __typename} databaseId}}}}}`, nil)
	author := dig(data, "repository", "pullRequest", "comments", "nodes", 0, "author")
	equal(t, "in GraphQL", []any{dig(author, "__typename"), dig(author, "login")}, "[Bot dependabot]")

	w.now = w.now.Add(time.Hour)
	w.ok(w.EditComment(bot, "ann", "ho"))
	e, err := github.ParseWebHook("issue_comment", func() []byte { w.flush(); return w.sent[len(w.sent)-1].Body }())
	w.ok(err)
	equal(t, "edited from", e.(*github.IssueCommentEvent).GetChanges().GetBody().GetFrom(), "hi")
	since := w.now.Add(-time.Minute)
	recent, _, err := w.client.Issues.ListComments(ctx, "acme", "app", 0, &github.IssueListCommentsOptions{Since: &since, Sort: github.String("updated")})
	w.ok(err)
	equal(t, "since", len(recent), 1)
	_, err = w.client.Issues.DeleteComment(ctx, "acme", "app", bot)
	w.ok(err)
	equal(t, "after deleting", len(w.Comments(pr(1))), 0)
	w.noProblems()
}

func TestPermissions(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{Permissions: map[string]string{"Ann": "maintain", "bob": "triage"}})
	for user, want := range map[string]string{"ann": "write", "bob": "read", "eve": "read"} {
		p, _, err := w.client.Repositories.GetPermissionLevel(ctx, "acme", "app", user)
		w.ok(err)
		equal(t, user, p.GetPermission(), want)
	}
	in, _, err := w.app.Apps.FindRepositoryInstallation(ctx, "acme", "app")
	w.ok(err)
	narrow, _, err := w.app.Apps.CreateInstallationToken(ctx, in.GetID(), &github.InstallationTokenOptions{
		Permissions: &github.InstallationPermissions{Metadata: github.String("read")},
	})
	w.ok(err)
	w.token = narrow.GetToken()
	c := w.newClient(w.token)
	_, _, err = c.Repositories.Get(ctx, "acme", "app")
	w.ok(err)
	_, _, err = c.PullRequests.List(ctx, "acme", "app", nil)
	equal(t, "beyond the token", status(err), 403)
	_, errs := w.graphql(`{repository(owner:"acme",name:"app"){pullRequest(number:1){title}}}`, nil)
	equal(t, "beyond the token in GraphQL", errs, "[Resource not accessible by integration]")
	_, _, err = w.app.Apps.CreateInstallationToken(ctx, in.GetID(), &github.InstallationTokenOptions{
		Permissions: &github.InstallationPermissions{Contents: github.String("write")},
	})
	equal(t, "more than granted", status(err), 422)
	_, _, err = w.newClient("nonsense").Repositories.Get(ctx, "acme", "app")
	equal(t, "bad credentials", status(err), 401)
}

func TestUnknownRoutesAndFieldsAreProblems(t *testing.T) {
	w := newWorldSeenBy(t, ghsim.RepoSpec{}, nil)
	_, _, err := w.client.Repositories.ListBranches(ctx, "acme", "app", nil)
	equal(t, "route", status(err), 404)
	for _, query := range []string{
		`{repository(owner:"acme",name:"app"){stargazerCount}}`,
		`{repository(owner:"acme",name:"app"){refs(refPrefix:"refs/tags/"){nodes{name}}}}`,
		`{repository(owner:"acme",name:"app"){refs(refPrefix:"refs/tags/",first:101){nodes{name}}}}`,
		`query($n:Int!){rateLimit{cost}}`,
	} {
		if _, errs := w.graphql(query, nil); len(errs) == 0 {
			t.Errorf("%s was answered", query)
		}
	}
	equal(t, "problems", len(w.Problems()), 5)
}

func TestPages(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{})
	for n := range 5 {
		w.ok(w.Open(ghsim.OpenSpec{Repo: app, Number: n + 1}))
		w.ok(w.Tag(app, ghsim.TagSpec{Name: fmt.Sprintf("v%d", n), Annotated: n == 0}))
	}
	o := &github.PullRequestListOptions{ListOptions: github.ListOptions{PerPage: 2}}
	var got []int
	for {
		page, res, err := w.client.PullRequests.List(ctx, "acme", "app", o)
		w.ok(err)
		for _, p := range page {
			got = append(got, p.GetNumber())
		}
		if o.Page = res.NextPage; o.Page == 0 {
			break
		}
	}
	equal(t, "pulls", got, "[5 4 3 2 1]")

	var names []string
	after := any(nil)
	for {
		data, errs := w.graphql(`query($after:String){repository(owner:"acme",name:"app"){refs(refPrefix:"refs/tags/",first:2,after:$after,query:"v"){
			totalCount pageInfo{hasNextPage endCursor} nodes{name target{__typename oid ... on Tag{target{oid}}} compare(headRef:"main"){status}}}}}`, map[string]any{"after": after})
		equal(t, "errors", errs, "[]")
		refs := dig(data, "repository", "refs")
		for _, n := range dig(refs, "nodes").([]any) {
			names = append(names, fmt.Sprintf("%v %v %v", dig(n, "name"), dig(n, "target", "__typename"), dig(n, "compare", "status")))
		}
		if dig(refs, "pageInfo", "hasNextPage") == false {
			break
		}
		after = dig(refs, "pageInfo", "endCursor")
	}
	equal(t, "tags", names, "[v0 Tag IDENTICAL v1 Commit IDENTICAL v2 Commit IDENTICAL v3 Commit IDENTICAL v4 Commit IDENTICAL]")
	w.noProblems()
}

func TestBatchOfFiles(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{
		Files: map[string]string{"d/a": "A\n", "big": strings.Repeat("x", 600000), "bin": "\x00"},
	})
	data, errs := w.graphql(`query($owner:String!,$withBig:Boolean!){repository(owner:$owner,name:"app"){
		...files gone:object(expression:"main:nope"){oid} nowhere:object(expression:"v9:a"){oid}
		big:object(expression:"main:big") @include(if:$withBig) {...blob} bin:object(expression:"main:bin"){...blob}
		defaultBranchRef{target{... on Commit{file(path:"d"){type object{... on Tree{entries{name path type mode object{...blob}}}}} history(first:1,path:"d/a"){totalCount}}}}
		}}
		fragment files on Repository{a:object(expression:"main:d/a"){__typename ...blob}}
		fragment blob on Blob{oid byteSize isBinary isTruncated text}`, map[string]any{"owner": "acme", "withBig": true})
	equal(t, "errors", errs, "[]")
	repo := dig(data, "repository")
	equal(t, "text", dig(repo, "a", "text"), "A\n")
	equal(t, "type", dig(repo, "a", "__typename"), "Blob")
	equal(t, "gone", dig(repo, "gone"), nil)
	equal(t, "nowhere", dig(repo, "nowhere"), nil)
	equal(t, "cut off", len(dig(repo, "big", "text").(string)), 512000)
	equal(t, "truncated", dig(repo, "big", "isTruncated"), true)
	equal(t, "binary", dig(repo, "bin", "text"), nil)
	equal(t, "entry", dig(repo, "defaultBranchRef", "target", "file", "object", "entries", 0, "path"), "d/a")
	equal(t, "history of a file", dig(repo, "defaultBranchRef", "target", "history", "totalCount"), 1)
	w.noProblems()
}

func TestTheRestOfTheAPI(t *testing.T) {
	w := newWorld(t, ghsim.RepoSpec{Permissions: map[string]string{"ann": "write"}})
	me, _, err := w.app.Apps.Get(ctx, "")
	w.ok(err)
	equal(t, "slug", me.GetSlug(), "relbot")
	limits, _, err := w.client.RateLimit.Get(ctx)
	w.ok(err)
	equal(t, "limit", limits.GetCore().Limit, 12500)
	repo, _, err := w.client.Repositories.Get(ctx, "ACME", "App")
	w.ok(err)
	again, _, err := w.client.Repositories.GetByID(ctx, repo.GetID())
	w.ok(err)
	equal(t, "by id", again.GetFullName(), "acme/app")

	w.ok(w.Open(ghsim.OpenSpec{Repo: app, Number: 1, By: "ann", Files: files("f", "a\nb\n")}))
	id := w.Comment(ghsim.CommentSpec{Pull: pr(1), By: "ann", Body: "/relbot help"})
	_, _, err = w.client.Reactions.CreateIssueCommentReaction(ctx, "acme", "app", id, "eyes")
	w.ok(err)
	reactions, _, err := w.client.Reactions.ListIssueCommentReactions(ctx, "acme", "app", id, nil)
	w.ok(err)
	equal(t, "reactions", len(reactions), 1)
	diff, _, err := w.client.Repositories.CompareCommits(ctx, "acme", "app", "main", w.head(1), nil)
	w.ok(err)
	equal(t, "patch", diff.Files[0].GetPatch(), "@@ -0,0 +1,2 @@\n+a\n+b")
	w.pass(1)
	done, _, err := w.newClient("ghp_ann").PullRequests.Merge(ctx, "acme", "app", 1, "", &github.PullRequestOptions{MergeMethod: "squash"})
	w.ok(err)
	equal(t, "merged", done.GetMerged(), true)
	blob, _, err := w.client.Git.GetBlob(ctx, "acme", "app", diff.Files[0].GetSHA())
	w.ok(err)
	equal(t, "blob", blob.GetContent(), "YQpiCg==")
	w.noProblems()
}
