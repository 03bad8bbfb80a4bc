package ghsim

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// route is one operation of the REST API.
type route struct {
	method     string
	path       *regexp.Regexp
	app        bool   // wants the App's JWT instead of a token
	open       bool   // wants neither
	permission string // that the token needs, at level
	level      string
	handle     func(*call) answer
}

// match reports whether the route serves a request, and gives it its path values.
func (rt *route) match(r *http.Request, path string) bool {
	if r.Method != rt.method {
		return false
	}
	m := rt.path.FindStringSubmatch(path)
	if m == nil {
		return false
	}
	for i, name := range rt.path.SubexpNames()[1:] {
		value, err := url.PathUnescape(m[i+1])
		if err != nil {
			return false
		}
		r.SetPathValue(name, value)
	}
	return true
}

var (
	wildcard = regexp.MustCompile(`\{(\w+)\}`)
	deep     = regexp.MustCompile(`\{(\w+)\.\.\.\}`)
)

// on makes a route. "{name}" stands for one segment, "{name...}" for any number; "{r}" for "/repos/{owner}/{repo}".
func on(method, pattern, permission, level string, handle func(*call) answer) *route {
	pattern = strings.Replace(pattern, "{r}", "/repos/{owner}/{repo}", 1)
	pattern = deep.ReplaceAllString(strings.ReplaceAll(pattern, "+", `\+`), `(?P<$1>.+)`)
	pattern = wildcard.ReplaceAllString(pattern, `(?P<$1>[^/]+)`)
	return &route{method: method, path: regexp.MustCompile("^" + pattern + "$"), permission: permission, level: level, handle: handle}
}

func asApp(rt *route) *route { rt.app = true; return rt }

// routes are the operations that relbot uses, and those with which people act over the API. Permissions are
// those that GitHub documents for each; for a comment either of two will do.
var routes = []*route{
	{method: "POST", path: manifestPath, open: true, handle: (*call).convertManifest},
	asApp(on("GET", "/app", "", "", (*call).getApp)),
	asApp(on("GET", "/app/installations", "", "", (*call).listInstallations)),
	asApp(on("POST", "/app/installations/{id}/access_tokens", "", "", (*call).createToken)),
	asApp(on("GET", "/app/hook/config", "", "", (*call).getHookConfig)),
	asApp(on("PATCH", "/app/hook/config", "", "", (*call).updateHookConfig)),
	asApp(on("GET", "/app/hook/deliveries", "", "", (*call).listDeliveries)),
	asApp(on("GET", "/app/hook/deliveries/{id}", "", "", (*call).getDelivery)),
	asApp(on("POST", "/app/hook/deliveries/{id}/attempts", "", "", (*call).redeliver)),
	asApp(on("GET", "{r}/installation", "", "", (*call).getInstallation)),
	on("GET", "/installation/repositories", "metadata", "read", (*call).listRepositories),
	on("GET", "/rate_limit", "", "", (*call).getRateLimit),

	on("POST", "/orgs/{org}/repos", "", "", (*call).createRepo),
	on("POST", "/user/repos", "", "", (*call).createRepo),
	on("GET", "{r}", "metadata", "read", (*call).getRepo),
	on("PATCH", "{r}", "administration", "write", (*call).updateRepo),
	on("DELETE", "{r}", "administration", "write", (*call).deleteRepo),
	on("POST", "{r}/rulesets", "administration", "write", (*call).createRuleset),
	on("PUT", "{r}/contents/{path...}", "contents", "write", (*call).putContents),
	on("POST", "{r}/git/refs", "contents", "write", (*call).createRef),
	on("GET", "{r}/collaborators/{user}/permission", "metadata", "read", (*call).getPermission),
	on("GET", "{r}/rules/branches/{branch...}", "metadata", "read", (*call).getRules),
	on("GET", "{r}/branches/{branch...}", "contents", "read", (*call).getBranch),
	on("GET", "{r}/compare/{basehead...}", "contents", "read", (*call).compare),
	on("GET", "{r}/git/trees/{sha...}", "contents", "read", (*call).getTree),
	on("GET", "{r}/git/blobs/{sha}", "contents", "read", (*call).getBlob),

	on("GET", "{r}/pulls", "pull_requests", "read", (*call).listPulls),
	on("POST", "{r}/pulls", "pull_requests", "write", (*call).createPull),
	on("GET", "{r}/pulls/{number}", "pull_requests", "read", (*call).getPull),
	on("PUT", "{r}/pulls/{number}/merge", "contents", "write", (*call).mergePull),

	on("GET", "{r}/commits/{ref...}/check-runs", "checks", "read", (*call).listChecks),
	on("POST", "{r}/check-runs", "checks", "write", (*call).createCheck),
	on("GET", "{r}/check-runs/{id}/annotations", "checks", "read", (*call).listAnnotations),
	on("PATCH", "{r}/check-runs/{id}", "checks", "write", (*call).updateCheck),
	on("POST", "{r}/statuses/{sha}", "statuses", "write", (*call).createStatus),
	on("GET", "{r}/commits/{ref...}/statuses", "statuses", "read", (*call).listStatuses),
	on("GET", "{r}/commits/{ref...}", "contents", "read", (*call).getCommit),

	on("GET", "{r}/issues/comments", "issues|pull_requests", "read", (*call).listRepoComments),
	on("GET", "{r}/issues/comments/{id}", "issues|pull_requests", "read", (*call).getComment),
	on("PATCH", "{r}/issues/comments/{id}", "issues|pull_requests", "write", (*call).updateComment),
	on("DELETE", "{r}/issues/comments/{id}", "issues|pull_requests", "write", (*call).deleteComment),
	on("GET", "{r}/issues/comments/{id}/reactions", "issues|pull_requests", "read", (*call).listReactions),
	on("POST", "{r}/issues/comments/{id}/reactions", "issues|pull_requests", "write", (*call).createReaction),
	on("GET", "{r}/issues/{number}/comments", "issues|pull_requests", "read", (*call).listComments),
	on("POST", "{r}/issues/{number}/comments", "issues|pull_requests", "write", (*call).createComment),
	on("GET", "{r}/issues", "issues", "read", (*call).listIssues),
	on("POST", "{r}/issues", "issues", "write", (*call).createIssue),
	on("PATCH", "{r}/issues/{number}", "issues", "write", (*call).updateIssue),
}

// revocation ends a person's token. It takes neither a token nor a JWT.
var revocation = on("DELETE", "/applications/{client}/token", "", "", (*call).revokeToken)

func (c *call) getApp() answer {
	app := c.g.appJSON()
	app["installations_count"] = len(c.g.live())
	return ok(app)
}

// live are the installations that were not removed.
func (g *GitHub) live() []*installation {
	return slices.DeleteFunc(slices.Clone(g.installs), func(in *installation) bool { return in.gone })
}

func (c *call) listInstallations() answer { return list(c, c.g.live(), c.g.installationJSON) }

func (c *call) getInstallation() answer {
	if c.repo.install == nil {
		return notFound
	}
	return ok(c.g.installationJSON(c.repo.install))
}

func (c *call) createToken() answer {
	g := c.g
	i := slices.IndexFunc(g.installs, func(in *installation) bool { return in.id == c.number("id") && !in.gone })
	if i < 0 {
		return notFound
	}
	in := g.installs[i]
	if !in.suspended.IsZero() {
		return suspended
	}
	var body struct {
		Repositories  []string          `json:"repositories"`
		RepositoryIDs []int64           `json:"repository_ids"`
		Permissions   map[string]string `json:"permissions"`
	}
	if err := c.decode(&body); err != nil {
		return fail(http.StatusBadRequest, err.Error())
	}
	permissions := in.grant.permissions
	if len(body.Permissions) > 0 {
		permissions = body.Permissions
		for name, level := range permissions {
			if has := in.grant.permissions[name]; has != level && has != "write" {
				return invalid("Installation", fmt.Errorf("the permissions requested are not granted to this installation: %s", name))
			}
		}
	}
	var narrowed []int64
	var shown []any
	mine := g.repositories(in)
	for _, r := range mine {
		if slices.Contains(body.RepositoryIDs, r.id) || slices.Contains(body.Repositories, r.name.Name()) {
			narrowed = append(narrowed, r.id)
			shown = append(shown, g.repoJSON(r))
		}
	}
	if want := len(body.RepositoryIDs) + len(body.Repositories); len(narrowed) != want {
		return invalid("Installation", errors.New("there is at least one repository that does not exist or is not accessible"))
	}
	secret, t := g.mint(in, permissions, narrowed)
	out := object{"token": secret, "expires_at": stamp(t.expires), "permissions": permissions, "repository_selection": in.selection()}
	if shown != nil {
		out["repository_selection"] = "selected"
		out["repositories"] = shown
	}
	return answer{status: http.StatusCreated, body: out}
}

func (c *call) listRepositories() answer {
	g := c.g
	if c.token.install == nil {
		return fail(http.StatusForbidden, "You must authenticate with an installation access token in order to list repositories for an installation.")
	}
	all := slices.DeleteFunc(g.repositories(c.token.install), func(r *repo) bool { return !c.token.sees(r) })
	page, header := paged(c, all, g.repoJSON)
	return answer{status: http.StatusOK, header: header, body: object{
		"total_count": len(all), "repository_selection": c.token.install.selection(), "repositories": page,
	}}
}

// listDeliveries lists the delivery log, newest first. The cursor is the id of the last delivery shown.
func (c *call) listDeliveries() answer {
	g := c.g
	oldest := g.now().Add(-deliveryMemory)
	cursor, _ := strconv.ParseInt(strings.TrimPrefix(c.query("cursor"), "v1_"), 10, 64)
	page := []object{}
	header := http.Header{}
	for _, d := range slices.Backward(g.deliveries) {
		if d.at.Before(oldest) || cursor != 0 && d.id >= cursor {
			continue
		}
		// The filter looks at the code alone, and so misses nothing here only since an outage is recorded as 502.
		if want := c.query("status"); want != "" && (want == "failure") != (d.code >= 400) {
			continue
		}
		if len(page) == c.pageSize() {
			last := page[len(page)-1]["id"]
			header.Set("Link", c.link("next", "cursor", fmt.Sprintf("v1_%d", last)))
			break
		}
		page = append(page, g.deliveryJSON(d))
	}
	return answer{status: http.StatusOK, body: page, header: header}
}

func (c *call) redeliver() answer {
	for _, d := range c.g.deliveries {
		if d.id == c.number("id") {
			c.g.redeliver(d)
			return answer{status: http.StatusAccepted, body: object{}}
		}
	}
	return notFound
}

func (c *call) getRateLimit() answer {
	one := object{
		"limit": hourLimit, "remaining": hourLimit, "used": 0, "reset": c.g.now().Add(time.Hour).Unix(),
	}
	return ok(object{"resources": object{"core": one, "search": one, "graphql": one}, "rate": one})
}

func (c *call) getRepo() answer { return ok(c.g.fullRepoJSON(c.repo)) }

func (c *call) getPermission() answer {
	user := c.request.PathValue("user")
	role := c.repo.role(user)
	permission := role
	switch role {
	case "maintain":
		permission = "write"
	case "triage":
		permission = "read"
	}
	u := c.g.userJSON(user)
	u["role_name"] = role
	u["permissions"] = object{
		"admin": role == "admin", "maintain": role == "admin" || role == "maintain",
		"push": permission == "admin" || permission == "write", "triage": permission != "none" && role != "read", "pull": permission != "none",
	}
	return ok(object{"permission": permission, "role_name": role, "user": u})
}

// getRules lists the rules of a branch, whether or not it exists, as GitHub does.
func (c *call) getRules() answer {
	r, branch := c.repo, c.request.PathValue("branch")
	rules := []any{}
	rule := func(kind string, parameters object) {
		rules = append(rules, object{
			"type": kind, "ruleset_source_type": "Repository", "ruleset_source": r.name, "ruleset_id": r.id, "parameters": parameters,
		})
	}
	if name := r.requiredOn(branch); name != "" && !r.classic {
		required := object{"context": name}
		if id := c.g.sourceID(r); id != 0 { // left out, any source will do
			required["integration_id"] = id
		}
		checks := []any{required}
		for _, other := range r.others {
			checks = append(checks, object{"context": other, "integration_id": otherApp})
		}
		rule("required_status_checks", object{"strict_required_status_checks_policy": false, "required_status_checks": checks})
	}
	if r.needsQueue(branch) {
		rule("merge_queue", object{
			"check_response_timeout_minutes": int(r.queue.Timeout.Minutes()), "grouping_strategy": r.queue.Strategy, "max_entries_to_build": r.queue.Build,
			"max_entries_to_merge": r.queue.Merge, "merge_method": r.queue.method(), "min_entries_to_merge": 1, "min_entries_to_merge_wait_minutes": 5,
		})
	}
	return ok(rules)
}

// The limits of a comparison.
const (
	maxCompareCommits = 250
	maxCompareFiles   = 300
)

func (c *call) compare() answer {
	g, r := c.g, c.repo
	from, to, _ := strings.Cut(c.request.PathValue("basehead"), "...")
	base, head := r.resolve(from), r.resolve(to)
	if base == nil || head == nil {
		return notFound
	}
	fork := mergeBase(base, head)
	if fork == nil {
		return fail(http.StatusNotFound, fmt.Sprintf("No common ancestor between %s and %s.", from, to))
	}
	ahead, behind := only(base, head), only(head, base)
	status, _ := relation(len(ahead), len(behind))
	api, page := g.repoURL(r)+"/compare/"+from+"..."+to, g.page(r)+"/compare/"+from+"..."+to
	commits, files, header := []object{}, []any{}, http.Header{}
	if c.query("page") == "" && c.query("per_page") == "" {
		for _, x := range ahead[max(0, len(ahead)-maxCompareCommits):] {
			commits = append(commits, g.commitJSON(r, x))
		}
	} else {
		commits, header = paged(c, ahead, func(x *commit) object { return g.commitJSON(r, x) })
	}
	if p := c.query("page"); p == "" || p == "1" {
		for _, f := range changes(fork.tree, head.tree) {
			if len(files) < maxCompareFiles {
				files = append(files, g.fileJSON(r, f, head))
			}
		}
	}
	return answer{status: http.StatusOK, header: header, body: object{
		"url": api, "html_url": page, "permalink_url": page, "diff_url": page + ".diff", "patch_url": page + ".patch",
		"base_commit": g.commitJSON(r, base), "merge_base_commit": g.commitJSON(r, fork), "status": status, "ahead_by": len(ahead),
		"behind_by": len(behind), "total_commits": len(ahead), "commits": commits, "files": files,
	}}
}

// getCommit shows a commit, or its diff against its first parent when that is asked for.
func (c *call) getCommit() answer {
	g, r := c.g, c.repo
	x := r.resolve(c.request.PathValue("ref"))
	if x == nil {
		return invalid("Commit", unknownCommit(c.request.PathValue("ref")))
	}
	before := &tree{}
	if len(x.parents) > 0 {
		before = x.parents[0].tree
	}
	all := changes(before, x.tree)
	if strings.Contains(c.request.Header.Get("Accept"), "diff") {
		return answer{status: http.StatusOK, body: []byte(r.diff(all)), header: http.Header{"Content-Type": {"application/vnd.github.v3.diff; charset=utf-8"}}}
	}
	body := g.commitJSON(r, x)
	files := []any{}
	for _, f := range all[:min(len(all), maxCompareFiles)] {
		files = append(files, g.fileJSON(r, f, x))
	}
	body["files"] = files
	return ok(body)
}

// relation names how a head relates to its base: for REST, and for GraphQL.
func relation(ahead, behind int) (rest, graphql string) {
	switch {
	case ahead > 0 && behind > 0:
		rest = "diverged"
	case ahead > 0:
		rest = "ahead"
	case behind > 0:
		rest = "behind"
	default:
		rest = "identical"
	}
	return rest, strings.ToUpper(rest)
}

func (c *call) getTree() answer {
	g, r := c.g, c.repo
	id := c.request.PathValue("sha")
	if x := r.resolve(id); x != nil {
		id = x.tree.id
	}
	if _, exists := r.trees[id]; !exists {
		return notFound
	}
	entries := []any{}
	var walk func(id, prefix string)
	walk = func(id, prefix string) {
		for _, e := range r.trees[id] {
			path := prefix + e.name
			if e.dir {
				entries = append(entries, object{"path": path, "mode": "040000", "type": "tree", "sha": e.id, "url": g.repoURL(r) + "/git/trees/" + e.id})
				if c.query("recursive") != "" {
					walk(e.id, path+"/")
				}
				continue
			}
			entries = append(entries, object{
				"path": path, "mode": fmt.Sprintf("%o", r.mode(e)), "type": "blob", "sha": e.id, "size": len(r.blobs[e.id]), "url": g.repoURL(r) + "/git/blobs/" + e.id,
			})
		}
	}
	walk(id, "")
	return ok(object{"sha": id, "url": g.repoURL(r) + "/git/trees/" + id, "tree": entries, "truncated": false})
}

func (c *call) getBlob() answer {
	id := c.request.PathValue("sha")
	text, exists := c.repo.blobs[id]
	if !exists {
		return notFound
	}
	if accept := c.request.Header.Get("Accept"); strings.Contains(accept, "raw") {
		return answer{status: http.StatusOK, body: []byte(text), header: http.Header{"Content-Type": {"application/vnd.github.v3.raw; charset=utf-8"}}}
	}
	return ok(object{
		"sha": id, "node_id": "B_" + id, "url": c.g.repoURL(c.repo) + "/git/blobs/" + id, "size": len(text), "encoding": "base64",
		"content": base64.StdEncoding.EncodeToString([]byte(text)),
	})
}

func (c *call) listPulls() answer {
	state := c.query("state")
	if state == "" {
		state = "open"
	}
	pulls := c.repo.allPulls()
	pulls = slices.DeleteFunc(pulls, func(p *pull) bool {
		return state != "all" && state != p.state() ||
			c.query("base") != "" && c.query("base") != p.base ||
			c.query("head") != "" && c.query("head") != p.headRepo.name.Owner()+":"+p.headRef
	})
	if c.query("direction") != "asc" { // newest first is GitHub's own order
		slices.Reverse(pulls)
	}
	return list(c, pulls, c.g.pullJSON)
}

func (c *call) pull() *pull { return c.repo.pulls[int(c.number("number"))] }

func (c *call) getPull() answer {
	p := c.pull()
	if p == nil {
		return notFound
	}
	return ok(c.g.fullPullJSON(p))
}

// mergePull merges under the same rules as everybody's button; GitHub says 405 when it does not.
func (c *call) mergePull() answer {
	p := c.pull()
	if p == nil {
		return notFound
	}
	var body struct {
		Method string `json:"merge_method"`
		SHA    string `json:"sha"`
	}
	if err := c.decode(&body); err != nil {
		return fail(http.StatusBadRequest, err.Error())
	}
	if body.SHA != "" && body.SHA != p.head.id {
		return fail(http.StatusConflict, "Head branch was modified. Review and try the merge again.")
	}
	if body.Method == "" {
		body.Method = "merge"
	}
	if err := c.g.merge(p, MergeSpec{By: c.who, Method: body.Method}); err != nil {
		return fail(http.StatusMethodNotAllowed, "Pull Request is not mergeable: "+err.Error())
	}
	return ok(object{"sha": p.mergeCommit.id, "merged": true, "message": "Pull Request successfully merged"})
}

func (c *call) listChecks() answer {
	g, r := c.g, c.repo
	x := r.resolve(c.request.PathValue("ref"))
	if x == nil {
		return invalid("CheckRun", unknownCommit(c.request.PathValue("ref")))
	}
	seen := map[string]bool{}
	var runs []*check
	for _, k := range slices.Backward(r.checks[x]) {
		switch {
		case !g.listed(k.Started), c.query("check_name") != "" && c.query("check_name") != k.Name,
			c.query("status") != "" && c.query("status") != k.Status,
			c.query("app_id") != "" && c.query("app_id") != strconv.FormatInt(g.opt.AppID, 10),
			c.query("filter") != "all" && seen[k.Name]: // the newest of each name, within the App's one suite
			continue
		}
		seen[k.Name] = true
		runs = append(runs, k)
	}
	page, header := paged(c, runs, func(k *check) object { return g.checkJSON(r, k) })
	return answer{status: http.StatusOK, header: header, body: object{"total_count": len(runs), "check_runs": page}}
}

func (c *call) createCheck() answer {
	g, r := c.g, c.repo
	var in checkInput
	if err := c.decode(&in); err != nil {
		return fail(http.StatusBadRequest, err.Error())
	}
	if in.Name == nil || *in.Name == "" {
		return invalid("CheckRun", errors.New("name is missing"))
	}
	k, err := g.newCheck(r, in)
	if err != nil {
		return invalid("CheckRun", err)
	}
	return answer{status: http.StatusCreated, body: g.checkJSON(r, k)}
}

func (c *call) updateCheck() answer {
	k := c.repo.runs[c.number("id")]
	if k == nil {
		return notFound
	}
	var in checkInput
	if err := c.decode(&in); err != nil {
		return fail(http.StatusBadRequest, err.Error())
	}
	err := in.validate()
	if err == nil {
		err = in.apply(k, c.g.now())
	}
	if err != nil {
		return invalid("CheckRun", err)
	}
	return ok(c.g.checkJSON(c.repo, k))
}

func (c *call) createStatus() answer {
	g, r := c.g, c.repo
	in := struct {
		State       string `json:"state"`
		TargetURL   string `json:"target_url"`
		Description string `json:"description"`
		Context     string `json:"context"`
	}{Context: "default"}
	if err := c.decode(&in); err != nil {
		return fail(http.StatusBadRequest, err.Error())
	}
	x := r.found(g, c.request.PathValue("sha"))
	var err error
	switch {
	case x == nil:
		err = unknownCommit(c.request.PathValue("sha"))
	case !slices.Contains([]string{"error", "failure", "pending", "success"}, in.State):
		err = fmt.Errorf("state %q is not included in the list", in.State)
	case len([]rune(in.Description)) > maxStatusText:
		err = fmt.Errorf("description is too long (maximum is %d characters)", maxStatusText)
	}
	if err != nil {
		return invalid("Status", err)
	}
	s := &status{
		id: g.newID(), commit: x, context: in.Context, state: in.State, description: in.Description, url: in.TargetURL, by: c.who,
		own: c.token.install != nil, created: g.now(),
	}
	s.node = g.node("SC", s.id, s)
	r.statuses[x] = append(r.statuses[x], s)
	return answer{status: http.StatusCreated, body: g.statusJSON(r, s)}
}

func (c *call) listStatuses() answer {
	x := c.repo.resolve(c.request.PathValue("ref"))
	if x == nil {
		return notFound
	}
	out := slices.Clone(c.repo.statuses[x])
	slices.Reverse(out)
	return list(c, out, func(s *status) object { return c.g.statusJSON(c.repo, s) })
}

// since reads the parameter of that name, which looks at the time of the last change.
func (c *call) since(comments []*comment) []*comment {
	t, err := time.Parse(time.RFC3339, c.query("since"))
	if err != nil {
		return comments
	}
	return slices.DeleteFunc(slices.Clone(comments), func(x *comment) bool { return x.updated.Before(t) })
}

// listRepoComments lists the comments of all issues and pull requests. Without sort, direction has no effect.
func (c *call) listRepoComments() answer {
	out := slices.DeleteFunc(slices.Clone(c.since(c.repo.comments)), func(x *comment) bool { return !c.g.listed(x.created) })
	if c.query("sort") == "updated" {
		slices.SortStableFunc(out, func(a, b *comment) int { return a.updated.Compare(b.updated) })
	}
	if c.query("sort") != "" && c.query("direction") == "desc" {
		slices.Reverse(out)
	}
	return list(c, out, c.g.commentJSON)
}

func (c *call) listComments() answer {
	n := int(c.number("number"))
	if c.repo.pulls[n] == nil && c.repo.issues[n] == nil {
		return notFound
	}
	return list(c, c.since(c.g.listedOn(c.repo, n)), c.g.commentJSON)
}

func (c *call) createComment() answer {
	n := int(c.number("number"))
	if c.repo.pulls[n] == nil && c.repo.issues[n] == nil {
		return notFound
	}
	var in struct {
		Body string `json:"body"`
	}
	if err := c.decode(&in); err != nil {
		return fail(http.StatusBadRequest, err.Error())
	}
	if limited := c.limitContent(); limited != nil {
		return *limited
	}
	x, err := c.g.comment(c.repo, n, c.who, in.Body)
	if err != nil {
		return invalid("IssueComment", err)
	}
	return answer{status: http.StatusCreated, body: c.g.commentJSON(x)}
}

// withComment runs f on the comment in the path.
func (c *call) withComment(f func(*comment) answer) answer {
	x := c.repo.comment(c.number("id"))
	if x == nil {
		return notFound
	}
	return f(x)
}

func (c *call) getComment() answer {
	return c.withComment(func(x *comment) answer { return ok(c.g.commentJSON(x)) })
}

func (c *call) updateComment() answer {
	return c.withComment(func(x *comment) answer {
		var in struct {
			Body string `json:"body"`
		}
		if err := c.decode(&in); err != nil {
			return fail(http.StatusBadRequest, err.Error())
		}
		if err := c.g.editComment(x, c.who, in.Body); err != nil {
			return invalid("IssueComment", err)
		}
		return ok(c.g.commentJSON(x))
	})
}

func (c *call) deleteComment() answer {
	return c.withComment(func(x *comment) answer {
		c.g.deleteComment(x, c.who)
		return answer{status: http.StatusNoContent}
	})
}

func (c *call) listReactions() answer {
	return c.withComment(func(x *comment) answer {
		out := slices.DeleteFunc(slices.Clone(x.reactions), func(y *reaction) bool {
			return c.query("content") != "" && c.query("content") != y.content
		})
		return list(c, out, c.g.reactionJSON)
	})
}

// createReaction says 200 when the reaction was there already.
func (c *call) createReaction() answer {
	return c.withComment(func(x *comment) answer {
		var in struct {
			Content string `json:"content"`
		}
		if err := c.decode(&in); err != nil {
			return fail(http.StatusBadRequest, err.Error())
		}
		if !slices.Contains(reactionContents, in.Content) {
			return invalid("Reaction", fmt.Errorf("content %q is not in the list", in.Content))
		}
		for _, y := range x.reactions {
			if y.by == c.who && y.content == in.Content {
				c.idle = true
				return ok(c.g.reactionJSON(y))
			}
		}
		y := &reaction{id: c.g.newID(), by: c.who, content: in.Content, created: c.g.now()}
		x.reactions = append(x.reactions, y)
		return answer{status: http.StatusCreated, body: c.g.reactionJSON(y)}
	})
}

// listIssues lists issues and pull requests, which are issues too on GitHub, newest first.
func (c *call) listIssues() answer {
	g, r := c.g, c.repo
	state := c.query("state")
	if state == "" {
		state = "open"
	}
	var labels []string
	if l := c.query("labels"); l != "" {
		labels = strings.Split(l, ",")
	}
	fits := func(closed bool, author string, has []string) bool {
		if state != "all" && closed != (state == "closed") || c.query("creator") != "" && !strings.EqualFold(c.query("creator"), author) {
			return false
		}
		return !slices.ContainsFunc(labels, func(l string) bool { return !slices.Contains(has, l) })
	}
	var numbers []int
	for n, i := range r.issues {
		if fits(i.closed, i.author, i.labels) {
			numbers = append(numbers, n)
		}
	}
	for n, p := range r.pulls {
		if fits(p.closed, p.author, nil) {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	if c.query("direction") != "asc" {
		slices.Reverse(numbers)
	}
	return list(c, numbers, func(n int) object { return g.numberJSON(r, n) })
}

// GitHub's limits for comments and issues that an installation creates.
const (
	contentMinute = 80
	contentHour   = 500
)

// limitContent refuses what is too much content, and otherwise counts it.
func (c *call) limitContent() *answer {
	if c.token == nil || c.token.install == nil {
		return nil
	}
	in, now := c.token.install, c.g.now()
	in.content = slices.DeleteFunc(in.content, func(t time.Time) bool { return now.Sub(t) >= time.Hour })
	minute := 0
	for _, t := range in.content {
		if now.Sub(t) < time.Minute {
			minute++
		}
	}
	if minute >= contentMinute || len(in.content) >= contentHour {
		c.g.problem("more than %d comments and issues in a minute, or %d in an hour", contentMinute, contentHour)
		a := fail(http.StatusForbidden, "You have exceeded a secondary rate limit and have been temporarily blocked from content creation. Please retry your request again later.")
		a.header = http.Header{"Retry-After": {"60"}}
		return &a
	}
	in.content = append(in.content, now)
	return nil
}

func (c *call) createIssue() answer {
	if limited := c.limitContent(); limited != nil {
		return *limited
	}
	var in issueInput
	if err := c.decode(&in); err != nil {
		return fail(http.StatusBadRequest, err.Error())
	}
	if in.Title == nil {
		return invalid("Issue", errors.New("title is missing"))
	}
	if err := in.validate(); err != nil {
		return invalid("Issue", err)
	}
	return answer{status: http.StatusCreated, body: c.g.issueJSON(c.g.createIssue(c.repo, in, c.who))}
}

func (c *call) updateIssue() answer {
	i := c.repo.issues[int(c.number("number"))]
	if i == nil {
		return notFound
	}
	var in issueInput
	if err := c.decode(&in); err != nil {
		return fail(http.StatusBadRequest, err.Error())
	}
	if err := in.validate(); err != nil {
		return invalid("Issue", err)
	}
	c.g.editIssue(i, in, c.who)
	return ok(c.g.issueJSON(i))
}
