package ghsim

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// object is a JSON object on its way out: REST answers and webhook payloads are made of the same ones.
type object = map[string]any

// apiURL is where the API would be for the pages at opt.URL.
func (g *GitHub) apiURL() string {
	if g.opt.URL == "https://github.com" {
		return "https://api.github.com"
	}
	return g.opt.URL + "/api/v3"
}

func (g *GitHub) repoURL(r *repo) string { return g.apiURL() + "/repos/" + string(r.name) }
func (g *GitHub) page(r *repo) string    { return g.opt.URL + "/" + string(r.name) }

// stamp is a time as GitHub writes it; null when there is none.
func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}

// orNull is null for "".
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// userJSON is a user, an organization or an App's bot.
func (g *GitHub) userJSON(login string) object {
	kind, path, id := "User", login, userID(login)
	if isBot(login) {
		kind, path = "Bot", "apps/"+strings.TrimSuffix(login, "[bot]")
	}
	for _, r := range g.repos {
		if strings.EqualFold(r.name.Owner(), login) {
			kind = "Organization"
		}
	}
	for _, in := range g.installs {
		if in.all && strings.EqualFold(in.account, login) {
			kind = in.kind()
		}
	}
	api := g.apiURL() + "/users/" + strings.NewReplacer("[", "%5B", "]", "%5D").Replace(login)
	return object{
		"login": login, "id": id, "node_id": userNode(login), "avatar_url": fmt.Sprintf("https://avatars.githubusercontent.com/u/%d?v=4", id),
		"gravatar_id": "", "url": api, "html_url": g.opt.URL + "/" + path, "followers_url": api + "/followers",
		"following_url": api + "/following{/other_user}", "gists_url": api + "/gists{/gist_id}", "starred_url": api + "/starred{/owner}{/repo}",
		"subscriptions_url": api + "/subscriptions", "organizations_url": api + "/orgs", "repos_url": api + "/repos",
		"events_url": api + "/events{/privacy}", "received_events_url": api + "/received_events", "type": kind, "site_admin": false,
	}
}

func userNode(login string) string { return fmt.Sprintf("U_kgDO%08X", userID(login)) }

// userOrNull is null for "".
func (g *GitHub) userOrNull(login string) any {
	if login == "" {
		return nil
	}
	return g.userJSON(login)
}

// repoLinks are the URLs of a repository object, below its own.
var repoLinks = map[string]string{
	"archive_url": "/{archive_format}{/ref}", "assignees_url": "/assignees{/user}", "blobs_url": "/git/blobs{/sha}",
	"branches_url": "/branches{/branch}", "collaborators_url": "/collaborators{/collaborator}", "comments_url": "/comments{/number}",
	"commits_url": "/commits{/sha}", "compare_url": "/compare/{base}...{head}", "contents_url": "/contents/{+path}",
	"contributors_url": "/contributors", "deployments_url": "/deployments", "downloads_url": "/downloads", "events_url": "/events",
	"forks_url": "/forks", "git_commits_url": "/git/commits{/sha}", "git_refs_url": "/git/refs{/sha}", "git_tags_url": "/git/tags{/sha}",
	"hooks_url": "/hooks", "issue_comment_url": "/issues/comments{/number}", "issue_events_url": "/issues/events{/number}",
	"issues_url": "/issues{/number}", "keys_url": "/keys{/key_id}", "labels_url": "/labels{/name}", "languages_url": "/languages",
	"merges_url": "/merges", "milestones_url": "/milestones{/number}", "notifications_url": "/notifications{?since,all,participating}",
	"pulls_url": "/pulls{/number}", "releases_url": "/releases{/id}", "stargazers_url": "/stargazers", "statuses_url": "/statuses/{sha}",
	"subscribers_url": "/subscribers", "subscription_url": "/subscription", "tags_url": "/tags", "teams_url": "/teams",
	"trees_url": "/git/trees{/sha}",
}

func (g *GitHub) repoJSON(r *repo) object {
	api, page := g.repoURL(r), g.page(r)
	open := len(r.openPulls())
	for _, i := range r.issues {
		if !i.closed {
			open++
		}
	}
	visibility := "public"
	if r.private {
		visibility = "private"
	}
	out := object{
		"id": r.id, "node_id": r.node, "name": r.name.Name(), "full_name": r.name, "private": r.private, "owner": g.userJSON(r.name.Owner()),
		"html_url": page, "description": orNull(r.description), "fork": r.parent != nil, "url": api, "created_at": stamp(r.created),
		"updated_at": stamp(r.created), "pushed_at": stamp(r.created), "git_url": "git:" + strings.TrimPrefix(page, "https:") + ".git",
		"ssh_url": "git@github.com:" + string(r.name) + ".git", "clone_url": page + ".git", "svn_url": page, "homepage": nil, "size": len(r.blobs),
		"stargazers_count": 0, "watchers_count": 0, "language": nil, "has_issues": true, "has_projects": true, "has_downloads": true,
		"has_wiki": true, "has_pages": false, "has_discussions": false, "forks_count": len(r.forks), "mirror_url": nil, "archived": r.archived,
		"disabled": false, "open_issues_count": open, "license": nil, "allow_forking": true, "is_template": false,
		"web_commit_signoff_required": false, "topics": []string{}, "visibility": visibility, "forks": len(r.forks), "open_issues": open,
		"watchers": 0, "default_branch": r.defaultBranch,
	}
	for key, path := range repoLinks {
		out[key] = api + path
	}
	return out
}

// fullRepoJSON is a repository asked for by itself.
func (g *GitHub) fullRepoJSON(r *repo) object {
	out := g.repoJSON(r)
	out["network_count"], out["subscribers_count"] = len(r.forks), 0
	return out
}

// refSide is the head or the base of a pull request.
func (g *GitHub) refSide(r *repo, ref, sha string) object {
	return object{"label": r.name.Owner() + ":" + ref, "ref": ref, "sha": sha, "user": g.userJSON(r.name.Owner()), "repo": g.repoJSON(r)}
}

func (p *pull) state() string {
	if p.closed {
		return "closed"
	}
	return "open"
}

// pullJSON is a pull request as lists and payloads show it; fullPullJSON adds what one asked for by itself has.
func (g *GitHub) pullJSON(p *pull) object {
	api := fmt.Sprintf("%s/pulls/%d", g.repoURL(p.repo), p.number)
	issue := fmt.Sprintf("%s/issues/%d", g.repoURL(p.repo), p.number)
	page := fmt.Sprintf("%s/pull/%d", g.page(p.repo), p.number)
	statuses := g.repoURL(p.repo) + "/statuses/" + p.head.id
	href := func(s string) object { return object{"href": s} }
	var mergeSHA, mergedAt any
	if p.merged {
		mergeSHA, mergedAt = p.mergeCommit.id, stamp(p.closedAt)
	} else if t := g.testMerge(p); t != nil {
		mergeSHA = t.id
	}
	return object{
		"url": api, "id": p.id, "node_id": p.node, "html_url": page, "diff_url": page + ".diff", "patch_url": page + ".patch", "issue_url": issue,
		"number": p.number, "state": p.state(), "locked": false, "title": p.title, "user": g.userJSON(p.author), "body": orNull(p.body),
		"created_at": stamp(p.created), "updated_at": stamp(p.updated), "closed_at": stamp(p.closedAt), "merged_at": mergedAt,
		"merge_commit_sha": mergeSHA, "assignee": nil, "assignees": []any{}, "requested_reviewers": []any{}, "requested_teams": []any{},
		"labels": []any{}, "milestone": nil, "draft": p.draft, "commits_url": api + "/commits", "review_comments_url": api + "/comments",
		"review_comment_url": g.repoURL(p.repo) + "/pulls/comments{/number}", "comments_url": issue + "/comments", "statuses_url": statuses,
		"head": g.refSide(p.headRepo, p.headRef, p.head.id), "base": g.refSide(p.repo, p.base, p.baseSHA),
		"_links": object{
			"self": href(api), "html": href(page), "issue": href(issue), "comments": href(issue + "/comments"),
			"review_comments": href(api + "/comments"), "review_comment": href(g.repoURL(p.repo) + "/pulls/comments{/number}"),
			"commits": href(api + "/commits"), "statuses": href(statuses),
		},
		"author_association": g.association(p.repo, p.author), "auto_merge": g.autoMergeJSON(p), "active_lock_reason": nil,
	}
}

func (g *GitHub) fullPullJSON(p *pull) object {
	out := g.pullJSON(p)
	commits := p.own()
	added, removed, files := 0, 0, 0
	for _, f := range g.pullFiles(p) {
		_, a, d := patch(p.repo.blobs[f.before], p.repo.blobs[f.after])
		added, removed, files = added+a, removed+d, files+1
	}
	var mergeable any
	state := "unknown"
	if !p.closed {
		ok := g.testMerge(p) != nil
		mergeable = ok
		switch {
		case !ok:
			state = "dirty"
		case p.draft:
			state = "draft"
		case g.refusal(p, false) != "":
			state = "blocked"
		default:
			state = "clean"
		}
	}
	maps.Copy(out, object{
		"merged": p.merged, "mergeable": mergeable, "rebaseable": mergeable, "mergeable_state": state, "merged_by": g.userOrNull(p.mergedBy),
		"comments": len(p.repo.commentsOn(p.number)), "review_comments": 0, "maintainer_can_modify": p.headRepo != p.repo,
		"commits": len(commits), "additions": added, "deletions": removed, "changed_files": files,
	})
	return out
}

// pullFiles is what p's "Files changed" shows: the head against the merge base.
func (g *GitHub) pullFiles(p *pull) []fileChange {
	onto := p.onto
	if onto == nil {
		onto = p.baseTip()
	}
	if onto == nil {
		return nil
	}
	base := mergeBase(onto, p.head)
	if base == nil {
		return nil
	}
	return changes(base.tree, p.head.tree)
}

// association is GitHub's author_association. It says CONTRIBUTOR of members whose membership is private, as these are
// all taken to be: only the permission endpoint tells who may write.
func (g *GitHub) association(r *repo, login string) string {
	if strings.EqualFold(login, r.name.Owner()) {
		return "OWNER"
	}
	if isBot(login) || r.role(login) != "read" {
		return "CONTRIBUTOR"
	}
	return "NONE"
}

func reactionRollup(url string, reactions []*reaction) object {
	out := object{"url": url + "/reactions", "total_count": len(reactions)}
	for _, content := range reactionContents {
		out[content] = 0
	}
	for _, x := range reactions {
		out[x.content] = out[x.content].(int) + 1
	}
	return out
}

var reactionContents = []string{"+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"}

// numberJSON is the issue of that number, or the pull request in the form of one.
func (g *GitHub) numberJSON(r *repo, number int) object {
	if i := r.issues[number]; i != nil {
		return g.issueJSON(i)
	}
	p := r.pulls[number]
	out := g.issueObject(r, number, p.id, p.node, p.title, p.body, p.author, p.closed, p.created, p.updated, p.closedAt)
	page := fmt.Sprintf("%s/pull/%d", g.page(r), number)
	var merged any
	if p.merged {
		merged = stamp(p.closedAt)
	}
	out["html_url"], out["draft"] = page, p.draft
	out["pull_request"] = object{
		"url": fmt.Sprintf("%s/pulls/%d", g.repoURL(r), number), "html_url": page, "diff_url": page + ".diff", "patch_url": page + ".patch",
		"merged_at": merged,
	}
	return out
}

func (g *GitHub) issueJSON(i *issue) object {
	out := g.issueObject(i.repo, i.number, i.id, i.node, i.title, i.body, i.author, i.closed, i.created, i.updated, i.closedAt)
	out["state_reason"] = orNull(i.reason)
	labels := []any{}
	for _, l := range i.labels {
		id := i.repo.labels[l]
		labels = append(labels, object{
			"id": id, "node_id": fmt.Sprintf("LA_kwDO%08X", id), "url": g.repoURL(i.repo) + "/labels/" + l, "name": l, "color": "ededed",
			"default": false, "description": nil,
		})
	}
	out["labels"] = labels
	return out
}

func (g *GitHub) issueObject(
	r *repo, number int, id int64, node, title, body, author string, closed bool, created, updated, closedAt time.Time,
) object {
	api := fmt.Sprintf("%s/issues/%d", g.repoURL(r), number)
	state := "open"
	if closed {
		state = "closed"
	}
	return object{
		"url": api, "repository_url": g.repoURL(r), "labels_url": api + "/labels{/name}", "comments_url": api + "/comments",
		"events_url": api + "/events", "html_url": fmt.Sprintf("%s/issues/%d", g.page(r), number), "id": id, "node_id": node, "number": number,
		"title": title, "user": g.userJSON(author), "labels": []any{}, "state": state, "locked": false, "assignee": nil, "assignees": []any{},
		"milestone": nil, "comments": len(r.commentsOn(number)), "created_at": stamp(created), "updated_at": stamp(updated),
		"closed_at": stamp(closedAt), "author_association": g.association(r, author), "active_lock_reason": nil, "body": orNull(body),
		"reactions": reactionRollup(api, nil), "timeline_url": api + "/timeline", "performed_via_github_app": g.viaApp(author), "state_reason": nil,
	}
}

func (g *GitHub) viaApp(author string) any {
	if author == g.bot() {
		return g.appJSON()
	}
	return nil
}

func (g *GitHub) commentJSON(c *comment) object {
	api := fmt.Sprintf("%s/issues/comments/%d", g.repoURL(c.repo), c.id)
	kind := "issues"
	if c.repo.pulls[c.number] != nil {
		kind = "pull"
	}
	var minimized any
	if c.minimized != "" {
		minimized = object{"reason": c.minimized}
	}
	return object{
		"url": api, "html_url": fmt.Sprintf("%s/%s/%d#issuecomment-%d", g.page(c.repo), kind, c.number, c.id),
		"issue_url": fmt.Sprintf("%s/issues/%d", g.repoURL(c.repo), c.number), "id": c.id, "node_id": c.node, "user": g.userJSON(c.author),
		"created_at": stamp(c.created), "updated_at": stamp(c.updated), "author_association": g.association(c.repo, c.author), "body": c.body,
		"reactions": reactionRollup(api, c.reactions), "performed_via_github_app": g.viaApp(c.author), "minimized": minimized, "pin": nil,
	}
}

func (g *GitHub) reactionJSON(x *reaction) object {
	return object{
		"id": x.id, "node_id": fmt.Sprintf("REA_lADO%08X", x.id), "user": g.userJSON(x.by), "content": x.content, "created_at": stamp(x.created),
	}
}

func (g *GitHub) appJSON() object {
	return object{
		"id": g.opt.AppID, "slug": g.opt.AppSlug, "node_id": fmt.Sprintf("A_kwDO%08X", g.opt.AppID), "client_id": fmt.Sprintf("Iv23li%010d", g.opt.AppID),
		"owner": g.userJSON(g.app.owner), "name": g.app.name, "description": "", "external_url": "https://example.com",
		"html_url": g.opt.URL + "/apps/" + g.opt.AppSlug, "created_at": stamp(g.app.created), "updated_at": stamp(g.app.created),
		"permissions": g.app.permissions, "events": g.app.events,
	}
}

// pullsJSON lists the open pull requests whose head a check is on, and its branch. GitHub lists none for the head of a fork, and no
// branch either.
func (g *GitHub) pullsJSON(r *repo, k *check) (pulls []any, branch string) {
	pulls = []any{}
	for _, p := range r.openPulls() {
		if p.head == k.commit && p.headRepo == r {
			branch = p.headRef
			side := func(ref, sha string) object {
				return object{"ref": ref, "sha": sha, "repo": object{"id": r.id, "url": g.repoURL(r), "name": r.name.Name()}}
			}
			pulls = append(pulls, object{
				"url": fmt.Sprintf("%s/pulls/%d", g.repoURL(r), p.number), "id": p.id, "number": p.number,
				"head": side(p.headRef, p.head.id), "base": side(p.base, p.baseSHA),
			})
		}
	}
	return pulls, branch
}

// suiteJSON is the check suite of a run as it is after a re-run: "its status is reset to queued and the
// conclusion is cleared" (POST /repos/{owner}/{repo}/check-suites/{check_suite_id}/rerequest).
func (g *GitHub) suiteJSON(r *repo, k *check) object {
	api := fmt.Sprintf("%s/check-suites/%d", g.repoURL(r), k.suite)
	pulls, branch := g.pullsJSON(r, k)
	names := map[string]bool{}
	for _, o := range r.checks[k.commit] {
		names[o.Name] = true
	}
	return object{
		"id": k.suite, "node_id": fmt.Sprintf("CS_kwDO%08X", k.suite), "head_branch": orNull(branch), "head_sha": k.Head, "status": "queued", "conclusion": nil,
		"url": api, "before": nil, "after": k.Head, "pull_requests": pulls, "app": g.appJSON(), "created_at": stamp(k.Started), "updated_at": stamp(g.now()),
		"latest_check_runs_count": len(names), "check_runs_url": api + "/check-runs", "head_commit": g.headCommitJSON(k.commit),
	}
}

func (g *GitHub) checkJSON(r *repo, k *check) object {
	api := fmt.Sprintf("%s/check-runs/%d", g.repoURL(r), k.ID)
	pulls, branch := g.pullsJSON(r, k)
	return object{
		"id": k.ID, "name": k.Name, "node_id": k.node, "head_sha": k.Head, "external_id": k.ExternalID, "url": api,
		"html_url": fmt.Sprintf("%s/runs/%d", g.page(r), k.ID), "details_url": orNull(k.DetailsURL), "status": k.Status,
		"conclusion": orNull(k.Conclusion), "started_at": stamp(k.Started), "completed_at": stamp(k.Completed),
		"output": object{
			"title": orNull(k.Title), "summary": orNull(k.Summary), "text": orNull(k.Text), "annotations_count": len(k.Annotations),
			"annotations_url": api + "/annotations",
		},
		"check_suite": object{"id": k.suite, "head_sha": k.Head, "head_branch": orNull(branch)}, "app": g.appJSON(), "pull_requests": pulls,
	}
}

func (g *GitHub) statusJSON(r *repo, s *status) object {
	return object{
		"url": g.repoURL(r) + "/statuses/" + s.commit.id, "avatar_url": nil, "id": s.id, "node_id": s.node, "state": s.state,
		"description": orNull(s.description), "target_url": orNull(s.url), "context": s.context, "created_at": stamp(s.created),
		"updated_at": stamp(s.created), "creator": g.userJSON(s.by),
	}
}

// autoMergeJSON is who turned auto-merge on, or null.
func (g *GitHub) autoMergeJSON(p *pull) any {
	if p.autoMerge == "" {
		return nil
	}
	return object{"enabled_by": g.userJSON(p.autoMerge), "merge_method": "squash", "commit_title": p.squashSubject(), "commit_message": ""}
}

func (g *GitHub) groupJSON(q *Group) object {
	return object{
		"head_sha": q.Head, "head_ref": "refs/heads/" + q.Branch, "base_sha": q.Tip, "base_ref": "refs/heads/" + q.Base,
		"head_commit": g.headCommitJSON(q.head()),
	}
}

func (g *GitHub) headCommitJSON(c *commit) object {
	return object{
		"id": c.id, "tree_id": c.tree.id, "message": c.message, "timestamp": stamp(c.date),
		"author":    object{"name": c.author, "email": email(c.author)},
		"committer": object{"name": c.committer, "email": email(c.committer)},
	}
}

// commitJSON is a commit in a list or a comparison.
func (g *GitHub) commitJSON(r *repo, c *commit) object {
	api := g.repoURL(r)
	page := g.page(r) + "/commit/" + c.id
	parents := []any{}
	for _, p := range c.parents {
		parents = append(parents, object{"sha": p.id, "url": api + "/commits/" + p.id, "html_url": g.page(r) + "/commit/" + p.id})
	}
	who := func(login, mail string, when time.Time) object {
		return object{"name": login, "email": mail, "date": stamp(when)}
	}
	return object{
		"sha": c.id, "node_id": commitNode(r, c), "url": api + "/commits/" + c.id, "html_url": page, "comments_url": api + "/commits/" + c.id + "/comments",
		"author": g.userJSON(c.author), "committer": g.userJSON(c.committer), "parents": parents,
		"commit": object{
			"url": api + "/git/commits/" + c.id, "author": who(c.author, c.address(), c.authored), "committer": who(c.committer, email(c.committer), c.date), "message": c.message, "comment_count": 0,
			"tree":         object{"sha": c.tree.id, "url": api + "/git/trees/" + c.tree.id},
			"verification": object{"verified": false, "reason": "unsigned", "payload": nil, "signature": nil, "verified_at": nil},
		},
	}
}

func commitNode(r *repo, c *commit) string {
	return "C_kwDO" + base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(r.id, 36)+":"+c.id))
}

func (g *GitHub) fileJSON(r *repo, f fileChange, head *commit) object {
	text, added, removed := patch(r.blobs[f.before], r.blobs[f.after])
	sha := f.after
	if sha == "" {
		sha = f.before
	}
	return object{
		"sha": sha, "filename": f.path, "status": f.status, "additions": added, "deletions": removed, "changes": added + removed,
		"blob_url": g.page(r) + "/blob/" + head.id + "/" + f.path, "raw_url": g.page(r) + "/raw/" + head.id + "/" + f.path,
		"contents_url": g.repoURL(r) + "/contents/" + f.path + "?ref=" + head.id, "patch": text,
	}
}

func (g *GitHub) installationJSON(in *installation) object {
	api := fmt.Sprintf("%s/app/installations/%d", g.apiURL(), in.id)
	suspender := ""
	if !in.suspended.IsZero() {
		suspender = in.account
	}
	return object{
		"id": in.id, "account": g.userJSON(in.account), "repository_selection": in.selection(), "access_tokens_url": api + "/access_tokens",
		"repositories_url": g.apiURL() + "/installation/repositories", "html_url": fmt.Sprintf("%s/organizations/%s/settings/installations/%d", g.opt.URL, in.account, in.id),
		"app_id": g.opt.AppID, "app_slug": g.opt.AppSlug, "client_id": fmt.Sprintf("Iv23li%010d", g.opt.AppID), "target_id": userID(in.account),
		"target_type": in.kind(), "permissions": in.grant.permissions, "events": in.grant.events, "created_at": stamp(in.created),
		"updated_at": stamp(in.created), "single_file_name": nil, "has_multiple_single_files": false, "single_file_paths": []string{},
		"suspended_by": g.userOrNull(suspender), "suspended_at": stamp(in.suspended),
	}
}

func (g *GitHub) deliveryJSON(d *delivery) object {
	return object{
		"id": d.id, "guid": d.guid, "delivered_at": stamp(d.at), "redelivery": d.again, "duration": 0.1, "status": d.status,
		"status_code": d.code, "event": d.event, "action": orNull(d.action), "installation_id": d.installation, "repository_id": d.repository,
		"throttled_at": nil,
	}
}

// sortedTags are a repository's tags by name.
func (r *repo) sortedTags() []string { return slices.Sorted(maps.Keys(r.tags)) }
