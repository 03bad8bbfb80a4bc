package ghapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
)

// annotationBatch is how many annotations one request may carry.
const annotationBatch = 50

// CheckRuns lists this App's check runs of a name on a commit.
func (a *App) CheckRuns(ctx context.Context, repo coupling.Repo, sha, name string) ([]forge.CheckRun, error) {
	var out []forge.CheckRun
	path := fmt.Sprintf("repos/%s/commits/%s/check-runs?check_name=%s&app_id=%d&filter=all", repo, sha, url.QueryEscape(name), a.s.AppID)
	err := list(ctx, a, repo, path, func(r github.ListCheckRunsResults) []*github.CheckRun { return r.CheckRuns }, func(found []*github.CheckRun) bool {
		for _, c := range found {
			if a.s.AppID != 0 && c.GetApp().GetID() != a.s.AppID {
				continue
			}
			out = append(out, forge.CheckRun{
				ID: c.GetID(), Name: c.GetName(), Head: c.GetHeadSHA(), ExternalID: c.GetExternalID(), Status: c.GetStatus(), Conclusion: c.GetConclusion(),
				Title: c.GetOutput().GetTitle(), Summary: c.GetOutput().GetSummary(), Text: c.GetOutput().GetText(),
			})
		}
		return true
	})
	return out, err
}

// PutCheck creates a check run, or updates the one whose ID is given, and returns its id. GitHub takes annotations in batches and adds them
// to those that the run has. The run gets its external id with the last batch, so that one without the rest is not taken for it.
func (a *App) PutCheck(ctx context.Context, repo coupling.Repo, run forge.CheckRun) (int64, error) {
	var notes []*github.CheckRunAnnotation
	for _, n := range run.Annotations {
		notes = append(notes, &github.CheckRunAnnotation{
			Path: &n.Path, StartLine: github.Int(max(1, n.Line)), EndLine: github.Int(max(1, n.Line)), AnnotationLevel: &n.Level, Title: github.String(cut(n.Title, 255)), Message: &n.Message,
		})
	}
	output := func(notes []*github.CheckRunAnnotation) *github.CheckRunOutput {
		return &github.CheckRunOutput{Title: &run.Title, Summary: &run.Summary, Text: &run.Text, Annotations: notes}
	}
	var actions []*github.CheckRunAction
	for _, b := range run.Actions {
		actions = append(actions, &github.CheckRunAction{Label: b.Label, Description: b.Description, Identifier: b.ID})
	}
	optional := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	var made github.CheckRun
	for begun := false; !begun || len(notes) > 0; begun = true {
		batch := notes[:min(len(notes), annotationBatch)]
		notes = notes[len(batch):]
		part := run
		if len(notes) > 0 {
			part.ExternalID = forge.Incomplete
		}
		var err error
		if part.ID == 0 {
			err = a.rest(ctx, repo, http.MethodPost, "repos/"+string(repo)+"/check-runs", github.CreateCheckRunOptions{
				Name: part.Name, HeadSHA: part.Head, DetailsURL: optional(part.DetailsURL), ExternalID: &part.ExternalID, Status: &part.Status,
				Conclusion: optional(part.Conclusion), Output: output(batch), Actions: actions,
			}, &made)
		} else {
			err = a.update(ctx, repo, part, output(batch), actions, &made)
		}
		if err != nil {
			return 0, err
		}
		run.ID = made.GetID()
	}
	return made.GetID(), nil
}

// NewCheck creates a check run over GraphQL, where the answer can also tell which file is at a path of the commit.
func (a *App) NewCheck(ctx context.Context, repo coupling.Repo, nodeID string, run forge.CheckRun, path string) (id int64, blob string, known bool, err error) {
	in := map[string]any{
		"repositoryId": nodeID, "name": run.Name, "headSha": run.Head, "externalId": run.ExternalID, "status": strings.ToUpper(run.Status),
		"output": map[string]any{"title": run.Title, "summary": run.Summary, "text": run.Text},
	}
	if run.Conclusion != "" {
		in["conclusion"] = strings.ToUpper(run.Conclusion)
	}
	if run.DetailsURL != "" {
		in["detailsUrl"] = run.DetailsURL
	}
	var actions []map[string]any
	for _, b := range run.Actions {
		actions = append(actions, map[string]any{"label": b.Label, "description": b.Description, "identifier": b.ID})
	}
	if actions != nil {
		in["actions"] = actions
	}
	ans, err := a.query(ctx, repo, `mutation($in: CreateCheckRunInput!, $path: String!) { createCheckRun(input: $in) { checkRun { databaseId checkSuite { commit { oid file(path: $path) { oid mode type } } } } } }`,
		map[string]any{"in": in, "path": path})
	if err != nil {
		return 0, "", false, err
	}
	var r *struct {
		CheckRun struct {
			DatabaseID int64 `json:"databaseId"`
			CheckSuite *struct {
				Commit *struct {
					OID  string     `json:"oid"`
					File *entryNode `json:"file"`
				} `json:"commit"`
			} `json:"checkSuite"`
		} `json:"checkRun"`
	}
	if err := json.Unmarshal(ans.Data["createCheckRun"], &r); err != nil {
		return 0, "", false, &forge.RetryError{Err: fmt.Errorf("create check run: %w: %w", forge.ErrUnanswered, err)}
	}
	if r == nil {
		e := ans.at("createCheckRun")
		switch {
		case e == nil:
			return 0, "", false, &forge.RetryError{Err: fmt.Errorf("create check run: %w", forge.ErrUnanswered)}
		case e.Type == "NOT_FOUND" || e.Type == "FORBIDDEN":
			return 0, "", false, fmt.Errorf("create check run: %w", a.refusedBy(repo, "createCheckRun", statusOf(e.Type), e.Message, true))
		}
		return 0, "", false, fmt.Errorf("create check run: %w", rejected(errors.New(e.Message)))
	}
	if s := r.CheckRun.CheckSuite; s != nil && s.Commit != nil && s.Commit.OID == run.Head && ans.at("createCheckRun", "checkRun", "checkSuite") == nil {
		known = true
		if f := s.Commit.File; f != nil {
			blob = f.OID
		}
	}
	return r.CheckRun.DatabaseID, blob, known, nil
}

func (a *App) update(ctx context.Context, repo coupling.Repo, run forge.CheckRun, output *github.CheckRunOutput, actions []*github.CheckRunAction, made *github.CheckRun) error {
	o := github.UpdateCheckRunOptions{Name: run.Name, ExternalID: &run.ExternalID, Status: &run.Status, Output: output, Actions: actions}
	if run.Conclusion != "" {
		o.Conclusion = &run.Conclusion
	}
	if run.DetailsURL != "" {
		o.DetailsURL = &run.DetailsURL
	}
	return a.rest(ctx, repo, http.MethodPatch, fmt.Sprintf("repos/%s/check-runs/%d", repo, run.ID), o, made)
}

// cut shortens a text to a number of bytes at a character's border.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// PutStatus sets a commit status.
func (a *App) PutStatus(ctx context.Context, repo coupling.Repo, s forge.Status) error {
	in := github.RepoStatus{State: &s.State, Context: &s.Context, Description: &s.Description}
	if s.URL != "" {
		in.TargetURL = &s.URL
	}
	return a.rest(ctx, repo, http.MethodPost, fmt.Sprintf("repos/%s/statuses/%s", repo, s.Head), in, nil)
}

// commentFields is an issue comment as relbot reads it.
type commentFields struct {
	ID       int64  `json:"id"`
	NodeID   string `json:"node_id"`
	Body     string `json:"body"`
	IssueURL string `json:"issue_url"`
	User     struct {
		ID    int64  `json:"id"`
		Login string `json:"login"`
		Type  string `json:"type"`
	} `json:"user"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	Minimized *struct {
		Reason string `json:"reason"`
	} `json:"minimized"`
	Reactions *struct {
		Count int `json:"total_count"`
	} `json:"reactions"`
}

func (c commentFields) comment(pull coupling.Pull, bot string) forge.Comment {
	return forge.Comment{
		ID: c.ID, NodeID: c.NodeID, Pull: pull, Author: c.User.Login, AuthorID: c.User.ID, Bot: c.User.Type == "Bot", Own: c.User.Login == bot,
		Body: c.Body, Minimized: c.Minimized != nil, Reacted: c.Reactions == nil || c.Reactions.Count > 0, Created: c.CreatedAt, Edited: c.UpdatedAt.After(c.CreatedAt),
	}
}

// Comments lists the comments of a pull request, oldest first.
func (a *App) Comments(ctx context.Context, pull coupling.Pull) ([]forge.Comment, error) {
	bot, err := a.bot(ctx)
	if err != nil {
		return nil, err
	}
	var out []forge.Comment
	err = all(ctx, a, pull.Repo, fmt.Sprintf("repos/%s/issues/%d/comments", pull.Repo, pull.Number), func(page []commentFields) bool {
		for _, c := range page {
			out = append(out, c.comment(pull, bot))
		}
		return true
	})
	return out, err
}

// CommentsSince lists the comments on a repository's issues and pull requests that were written or changed since a time, in the order of that;
// of a long list the first part, and the time from which the next part goes on. That is zero when there is no more.
//
// Nothing from before the App was made is listed: relbot had acknowledged none of it. Each page begins where the one before ended by time
// and not by number. A comment that is changed meanwhile moves to the end of the list, and all behind it move up.
func (a *App) CommentsSince(ctx context.Context, repo coupling.Repo, since time.Time) (found []forge.Comment, next time.Time, err error) {
	bot, err := a.bot(ctx)
	if err != nil {
		return nil, next, err
	}
	a.mu.Lock()
	if since.Before(a.made) {
		since = a.made
	}
	a.mu.Unlock()
	seen := map[int64]bool{}
	read := 0 // since that time
	err = a.pages(ctx, ofLists, repo, func(ctx context.Context, size int) (bool, error) {
		path := fmt.Sprintf("repos/%s/issues/comments?sort=updated&direction=asc&per_page=%d&page=%d", repo, size, read/size+1)
		if since.Unix() > 0 {
			path += "&since=" + url.QueryEscape(since.UTC().Format(time.RFC3339))
		}
		var items []commentFields
		if _, err := a.page(ctx, repo, http.MethodGet, path, nil, &items); err != nil {
			return false, err
		}
		for _, c := range items {
			p := coupling.Pull{Repo: repo}
			_, _ = fmt.Sscan(c.IssueURL[strings.LastIndexByte(c.IssueURL, '/')+1:], &p.Number)
			if !seen[c.ID] {
				seen[c.ID] = true
				found = append(found, c.comment(p, bot))
			}
		}
		if len(items) < size {
			return false, nil
		}
		last := items[len(items)-1].UpdatedAt
		if !last.After(since) { // a whole page within a second
			read = (read/size + 1) * size
			return true, nil
		}
		since, read = last, 0
		if len(found) >= commentPart {
			next = last
		}
		return next.IsZero(), nil
	})
	if err != nil {
		return nil, time.Time{}, err
	}
	return found, next, nil
}

// commentPart is how many comments are listed in one go, at the most. The rest is another piece of work, so that what a limit breaks off need
// not begin from the first again.
const commentPart = 2000

// PostComment writes a comment.
func (a *App) PostComment(ctx context.Context, pull coupling.Pull, body string) (forge.Comment, error) {
	bot, err := a.bot(ctx)
	if err != nil {
		return forge.Comment{}, err
	}
	if err := a.mayCreate(ctx, pull.Repo); err != nil {
		return forge.Comment{}, err
	}
	var made commentFields
	err = a.rest(ctx, pull.Repo, http.MethodPost, fmt.Sprintf("repos/%s/issues/%d/comments", pull.Repo, pull.Number), map[string]string{"body": body}, &made)
	return made.comment(pull, bot), err
}

// EditComment replaces a comment's text.
func (a *App) EditComment(ctx context.Context, repo coupling.Repo, id int64, body string) error {
	return a.rest(ctx, repo, http.MethodPatch, fmt.Sprintf("repos/%s/issues/comments/%d", repo, id), map[string]string{"body": body}, nil)
}

// Minimize folds a comment as outdated.
func (a *App) Minimize(ctx context.Context, repo coupling.Repo, nodeID string) error {
	ans, err := a.query(ctx, repo, `mutation($id: ID!) { minimizeComment(input: {subjectId: $id, classifier: OUTDATED}) { minimizedComment { isMinimized } } }`, map[string]any{"id": nodeID})
	if err != nil {
		return err
	}
	if e := ans.at("minimizeComment"); e != nil {
		if e.Type == "NOT_FOUND" {
			return fmt.Errorf("minimise comment: %w", a.refusedBy(repo, "minimizeComment", statusOf(e.Type), e.Message, true))
		}
		return fmt.Errorf("minimise comment: %w: %s", forge.ErrRejected, e.Message)
	}
	return nil
}

// React adds a reaction; one that is there already stays.
func (a *App) React(ctx context.Context, repo coupling.Repo, comment int64, content string) error {
	return a.rest(ctx, repo, http.MethodPost, fmt.Sprintf("repos/%s/issues/comments/%d/reactions", repo, comment), map[string]string{"content": content}, nil)
}

// Reactions lists this App's own reactions to a comment.
func (a *App) Reactions(ctx context.Context, repo coupling.Repo, comment int64) ([]string, error) {
	bot, err := a.bot(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	err = all(ctx, a, repo, fmt.Sprintf("repos/%s/issues/comments/%d/reactions", repo, comment), func(page []*github.Reaction) bool {
		for _, r := range page {
			if r.GetUser().GetLogin() == bot {
				out = append(out, r.GetContent())
			}
		}
		return true
	})
	return out, err
}

// Edited reports whether a comment's text is another than the one it was created with. The times of its creation and of its last change do not
// tell: they are whole seconds. One that is gone counts as edited.
func (a *App) Edited(ctx context.Context, repo coupling.Repo, nodeID string) (bool, error) {
	ans, err := a.query(ctx, repo, `query($id: ID!) { node(id: $id) { ... on IssueComment { lastEditedAt } } }`, map[string]any{"id": nodeID})
	if err == nil {
		err = ans.whole("node")
	}
	if errors.Is(err, forge.ErrGone) {
		return true, nil
	}
	var comment *struct {
		LastEditedAt *time.Time `json:"lastEditedAt"`
	}
	if err == nil {
		err = json.Unmarshal(ans.Data["node"], &comment)
	}
	if err != nil {
		return false, fmt.Errorf("comment %s: %w", nodeID, err)
	}
	return comment == nil || comment.LastEditedAt != nil, nil
}

// Permission is a user's role in a repository. Custom roles count as the role they are based on.
func (a *App) Permission(ctx context.Context, repo coupling.Repo, login string) (forge.Role, error) {
	var out struct {
		Permission string `json:"permission"`
		RoleName   string `json:"role_name"`
	}
	if err := a.rest(ctx, repo, http.MethodGet, fmt.Sprintf("repos/%s/collaborators/%s/permission", repo, url.PathEscape(login)), nil, &out); err != nil {
		return forge.RoleNone, err
	}
	switch role := forge.Role(out.RoleName); role {
	case forge.RoleRead, forge.RoleTriage, forge.RoleWrite, forge.RoleMaintain, forge.RoleAdmin:
		return role, nil
	}
	return forge.Role(out.Permission), nil
}

// Issues lists this App's issues with a label, newest first.
func (a *App) Issues(ctx context.Context, repo coupling.Repo, label string) ([]forge.Issue, error) {
	bot, err := a.bot(ctx)
	if err != nil {
		return nil, err
	}
	type issue struct {
		Number int    `json:"number"`
		Title  string `json:"title"`
		Body   string `json:"body"`
		State  string `json:"state"`
		User   struct {
			Login string `json:"login"`
		} `json:"user"`
		Labels []struct {
			Name string `json:"name"`
		} `json:"labels"`
		PullRequest *struct{} `json:"pull_request"`
	}
	var out []forge.Issue
	err = all(ctx, a, repo, fmt.Sprintf("repos/%s/issues?state=all&labels=%s", repo, url.QueryEscape(label)), func(page []issue) bool {
		for _, i := range page {
			if i.PullRequest != nil || i.User.Login != bot {
				continue
			}
			o := forge.Issue{Number: i.Number, Title: i.Title, Body: i.Body, Open: i.State == "open", Own: true}
			for _, l := range i.Labels {
				o.Labels = append(o.Labels, l.Name)
			}
			out = append(out, o)
		}
		return true
	})
	return out, err
}

// CreateIssue opens an issue and returns its number.
func (a *App) CreateIssue(ctx context.Context, repo coupling.Repo, title, body string, labels []string) (int, error) {
	if err := a.mayCreate(ctx, repo); err != nil {
		return 0, err
	}
	var made github.Issue
	err := a.rest(ctx, repo, http.MethodPost, "repos/"+string(repo)+"/issues", github.IssueRequest{Title: &title, Body: &body, Labels: &labels}, &made)
	return made.GetNumber(), err
}

// EditIssue sets an issue's title, text and state.
func (a *App) EditIssue(ctx context.Context, repo coupling.Repo, i forge.Issue) error {
	state := "closed"
	if i.Open {
		state = "open"
	}
	return a.rest(ctx, repo, http.MethodPatch, fmt.Sprintf("repos/%s/issues/%d", repo, i.Number), github.IssueRequest{Title: &i.Title, Body: &i.Body, State: &state}, nil)
}

// Deliveries lists the App's deliveries since a time, newest first.
func (a *App) Deliveries(ctx context.Context, since time.Time) ([]forge.DeliveryAttempt, error) {
	var out []forge.DeliveryAttempt
	cursor := ""
	err := a.pages(ctx, ofLists, "", func(ctx context.Context, size int) (bool, error) {
		path := fmt.Sprintf("app/hook/deliveries?per_page=%d", size)
		if cursor != "" {
			path += "&cursor=" + url.QueryEscape(cursor)
		}
		var page []*github.HookDelivery
		res, err := a.page(ctx, "", http.MethodGet, path, nil, &page)
		if err != nil {
			return false, err
		}
		for _, d := range page {
			if d.GetDeliveredAt().Before(since) {
				return false, nil
			}
			ok := d.GetStatus() == "OK" || d.GetStatusCode() >= 200 && d.GetStatusCode() < 300 // some Enterprise Servers say one of the two
			out = append(out, forge.DeliveryAttempt{ID: d.GetID(), GUID: d.GetGUID(), Delivered: d.GetDeliveredAt().Time, OK: ok, Code: d.GetStatusCode(), Status: d.GetStatus(), Event: d.GetEvent()})
		}
		cursor = res.Cursor
		return cursor != "", nil
	})
	if err != nil && !errors.Is(err, errTooLong) {
		return nil, err
	}
	return out, nil
}

// Redeliver asks for a delivery to be sent again.
func (a *App) Redeliver(ctx context.Context, id int64) error {
	return a.rest(ctx, "", http.MethodPost, fmt.Sprintf("app/hook/deliveries/%d/attempts", id), nil, nil)
}
