package ghsim

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/coupling"
)

// What people do over the API with their own token: make a repository, write to it, open pull requests, require checks, and delete
// it. The routes and their answers are those of the published REST description.

// InstallAll puts the App on all repositories of an account, those to come included. organization says what kind of account it is.
func (g *GitHub) InstallAll(account string, organization bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	in := &installation{id: g.newID(), account: account, created: g.now(), grant: g.app.grant, all: true, user: !organization}
	g.installs = append(g.installs, in)
	for _, r := range g.repos {
		if r.install == nil && strings.EqualFold(r.name.Owner(), account) {
			r.install = in
		}
	}
	g.emitInstallation(in, "installation", "created", g.repositories(in))
}

// selection is GitHub's word for which repositories an installation is on.
func (in *installation) selection() string {
	if in.all {
		return "all"
	}
	return "selected"
}

// kind is GitHub's word for what an account is.
func (in *installation) kind() string {
	if in.user {
		return "User"
	}
	return "Organization"
}

// createRepo makes a repository of an organization, or of the caller's own. Who makes it is its administrator.
func (c *call) createRepo() answer {
	g := c.g
	var in struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		Private     bool   `json:"private"`
		AutoInit    bool   `json:"auto_init"`
	}
	if err := c.decode(&in); err != nil {
		return fail(http.StatusBadRequest, err.Error())
	}
	if c.token == nil || c.token.install != nil {
		return forbidden
	}
	name := coupling.Repo(cmp.Or(c.request.PathValue("org"), c.who) + "/" + in.Name)
	if _, err := coupling.ParseRepo(string(name)); err != nil {
		return invalid("Repository", err)
	}
	if r, current := g.find(name); r != nil && current {
		return invalid("Repository", errors.New("name already exists on this account"))
	}
	r := g.newRepo(name, newObjects())
	r.private, r.description = in.Private, in.Description
	r.permissions[strings.ToLower(c.who)] = "admin"
	if in.AutoInit {
		files := map[string]*string{}
		text := "# " + in.Name
		files["README.md"] = &text
		r.branches[mainBranch] = g.commit(r, r.change(r.writeTree(map[string]string{}), files), nil, c.who, "Initial commit")
	}
	g.repos = append(g.repos, r)
	for _, in := range g.live() {
		if in.all && strings.EqualFold(in.account, name.Owner()) {
			r.install = in
			g.emit(r, "repository", "created", object{}, c.who)
		}
	}
	return answer{status: http.StatusCreated, body: g.fullRepoJSON(r)}
}

// updateRepo changes what a story needs of a repository's settings.
func (c *call) updateRepo() answer {
	var in struct {
		Description    *string `json:"description"`
		AllowAutoMerge *bool   `json:"allow_auto_merge"`
	}
	if err := c.decode(&in); err != nil {
		return fail(http.StatusBadRequest, err.Error())
	}
	if in.Description != nil {
		c.repo.description = *in.Description
	}
	if in.AllowAutoMerge != nil {
		c.repo.autoMerge = *in.AllowAutoMerge
	}
	return ok(c.g.fullRepoJSON(c.repo))
}

// deleteRepo deletes a repository. Its name leads nowhere from then on.
func (c *call) deleteRepo() answer {
	g, r := c.g, c.repo
	g.emit(r, "repository", "deleted", object{}, c.who)
	g.repos = slices.DeleteFunc(g.repos, func(o *repo) bool { return o == r })
	delete(g.nodes, r.node)
	return answer{status: http.StatusNoContent}
}

// putContents writes a file, as one commit on a branch.
func (c *call) putContents() answer {
	g, r, path := c.g, c.repo, c.request.PathValue("path")
	var in struct {
		Message string `json:"message"`
		Content string `json:"content"`
		Branch  string `json:"branch"`
		SHA     string `json:"sha"`
	}
	if err := c.decode(&in); err != nil {
		return fail(http.StatusBadRequest, err.Error())
	}
	raw, err := base64.StdEncoding.DecodeString(in.Content)
	if err != nil {
		return fail(http.StatusUnprocessableEntity, "content is not valid Base64")
	}
	branch := cmp.Or(in.Branch, r.defaultBranch)
	tip := r.branches[branch]
	if tip == nil {
		return fail(http.StatusNotFound, "Branch "+branch+" not found")
	}
	if name := r.requiredOn(branch); name != "" && !r.classic {
		return fail(http.StatusConflict, fmt.Sprintf("Repository rule violations found\n\nRequired status check %q is expected.", name))
	}
	before, exists := tip.tree.files[path]
	switch {
	case exists && in.SHA == "":
		return fail(http.StatusUnprocessableEntity, "Invalid request.\n\n\"sha\" wasn't supplied.")
	case in.SHA != before:
		return fail(http.StatusConflict, path+" does not match "+in.SHA)
	}
	text := string(raw)
	x := g.commit(r, r.change(tip.tree, map[string]*string{path: &text}), []*commit{tip}, c.who, in.Message)
	g.setBranch(r, branch, x, c.who)
	status := http.StatusCreated
	if exists {
		status = http.StatusOK
	}
	api := g.repoURL(r)
	shown := g.commitJSON(r, x)["commit"].(object)
	return answer{status: status, body: object{
		"content": object{
			"name": path[strings.LastIndexByte(path, '/')+1:], "path": path, "sha": x.tree.files[path], "size": len(text), "type": "file",
			"url": api + "/contents/" + path, "git_url": api + "/git/blobs/" + x.tree.files[path], "html_url": g.page(r) + "/blob/" + branch + "/" + path,
		},
		"commit": object{"sha": x.id, "node_id": commitNode(r, x), "url": shown["url"], "message": x.message, "author": shown["author"], "committer": shown["committer"], "tree": shown["tree"]},
	}}
}

// createRef makes a branch or a tag.
func (c *call) createRef() answer {
	g, r := c.g, c.repo
	var in struct {
		Ref string `json:"ref"`
		SHA string `json:"sha"`
	}
	if err := c.decode(&in); err != nil {
		return fail(http.StatusBadRequest, err.Error())
	}
	x := r.commits[in.SHA]
	branch, isBranch := strings.CutPrefix(in.Ref, "refs/heads/")
	name, isTag := strings.CutPrefix(in.Ref, "refs/tags/")
	_, tagged := r.tags[name]
	switch {
	case x == nil:
		return fail(http.StatusUnprocessableEntity, "Object does not exist")
	case isBranch && r.branches[branch] != nil, isTag && tagged:
		return fail(http.StatusUnprocessableEntity, "Reference already exists")
	case isBranch:
		g.setBranch(r, branch, x, c.who)
	case isTag:
		g.setTag(r, name, tag{commit: x}, false)
	default:
		return fail(http.StatusUnprocessableEntity, "Reference name must start with refs/heads/ or refs/tags/")
	}
	api := g.repoURL(r)
	return answer{status: http.StatusCreated, body: object{
		"ref": in.Ref, "node_id": "REF_" + in.Ref, "url": api + "/git/" + in.Ref,
		"object": object{"type": "commit", "sha": x.id, "url": api + "/git/commits/" + x.id},
	}}
}

// createPull opens a pull request for a branch of the repository.
func (c *call) createPull() answer {
	g, r := c.g, c.repo
	var in struct {
		Title string `json:"title"`
		Head  string `json:"head"`
		Base  string `json:"base"`
		Body  string `json:"body"`
		Draft bool   `json:"draft"`
	}
	if err := c.decode(&in); err != nil {
		return fail(http.StatusBadRequest, err.Error())
	}
	head, base := r.branches[in.Head], r.branches[in.Base]
	switch {
	case head == nil || base == nil:
		return invalid("PullRequest", errors.New("head or base is no branch"))
	case len(only(base, head)) == 0:
		return invalid("PullRequest", fmt.Errorf("no commits between %s and %s", in.Base, in.Head))
	case slices.ContainsFunc(r.openPulls(), func(p *pull) bool { return p.headRef == in.Head && p.base == in.Base }):
		return invalid("PullRequest", fmt.Errorf("a pull request already exists for %s:%s", r.name.Owner(), in.Head))
	}
	number := 1
	for r.pulls[number] != nil {
		number++
	}
	p := g.propose(r, r, head, in.Head, OpenSpec{Number: number, By: c.who, Title: in.Title, Body: in.Body, Base: in.Base, Draft: in.Draft})
	return answer{status: http.StatusCreated, body: g.fullPullJSON(p)}
}

// letMerge lets a pull request into its merge queue, or has GitHub merge it by itself as soon as it may.
func (x *execution) letMerge(name string, in arguments) (any, error) {
	p, isPull := x.g.nodes[in.text("pullRequestId")].(*pull)
	if !isPull || !x.token.sees(p.repo) {
		return nil, missing("a node", fmt.Sprintf("global id of '%s'", in.text("pullRequestId")))
	}
	err := x.may(p.repo, "contents", "write")
	switch {
	case err != nil:
		return nil, err
	case name == "enqueuePullRequest":
		err = x.g.enter(p, x.who)
		x.g.rebuild(p.repo)
	case !p.repo.autoMerge:
		err = errors.New("auto-merge is not allowed for this repository")
	default:
		err = x.g.setAutoMerge(p, x.who)
	}
	if err != nil {
		return nil, &fieldError{"UNPROCESSABLE", err.Error()}
	}
	return letIn{p, name, in.text("clientMutationId")}, nil
}

// letIn is the payload of enqueuePullRequest and of enablePullRequestAutoMerge.
type letIn struct {
	pull         *pull
	name, client string
}

func (l letIn) typename() string { return strings.ToUpper(l.name[:1]) + l.name[1:] + "Payload" }

func (l letIn) field(_ *execution, name string, _ arguments) (any, error) {
	switch name {
	case "clientMutationId":
		return orNull(l.client), nil
	case "mergeQueueEntry":
		return queueEntry{l.pull.queued, slices.Index(l.pull.repo.queue.entries, l.pull.queued) + 1}, nil
	case "pullRequest":
		return pullValue{l.pull}, nil
	}
	return nil, unresolved(l, name)
}

// createRuleset requires checks, or the merge queue, on the default branch, which is all that a ruleset does here.
func (c *call) createRuleset() answer {
	g, r := c.g, c.repo
	var in struct {
		Name        string `json:"name"`
		Enforcement string `json:"enforcement"`
		Conditions  struct {
			RefName struct {
				Include []string `json:"include"`
			} `json:"ref_name"`
		} `json:"conditions"`
		Rules []struct {
			Type       string `json:"type"`
			Parameters struct {
				Checks []struct {
					Context string `json:"context"`
					App     int64  `json:"integration_id"`
				} `json:"required_status_checks"`
				Method   string `json:"merge_method"`
				Strategy string `json:"grouping_strategy"`
				Build    int    `json:"max_entries_to_build"`
				Merge    int    `json:"max_entries_to_merge"`
				Timeout  int    `json:"check_response_timeout_minutes"`
			} `json:"parameters"`
		} `json:"rules"`
	}
	if err := c.decode(&in); err != nil {
		return fail(http.StatusBadRequest, err.Error())
	}
	if in.Enforcement != "active" || !slices.Equal(in.Conditions.RefName.Include, []string{"~DEFAULT_BRANCH"}) {
		g.problem("ghsim has active rulesets for the default branch alone")
		return invalid("Ruleset", errors.New("not for the default branch"))
	}
	for _, rule := range in.Rules {
		switch {
		case rule.Type == "required_status_checks" && len(rule.Parameters.Checks) == 1:
			check := rule.Parameters.Checks[0]
			r.required, r.source = check.Context, map[int64]string{0: "any", g.opt.AppID: "app"}[check.App]
			r.source = cmp.Or(r.source, "other")
		case rule.Type == "merge_queue" && (r.install == nil || !r.install.user): // it is for organizations alone
			q := rule.Parameters
			r.queue = &mergeQueue{QueueSpec: QueueSpec{strings.ToLower(q.Method), q.Strategy, q.Build, q.Merge, time.Duration(q.Timeout) * time.Minute}.filled()}
			r.grouping = r.queue.Strategy
		default:
			g.problem("ghsim knows no rule %s", rule.Type)
			return invalid("Ruleset", fmt.Errorf("unknown rule %s", rule.Type))
		}
	}
	return answer{status: http.StatusCreated, body: object{
		"id": g.newID(), "name": in.Name, "target": "branch", "source_type": "Repository", "source": r.name, "enforcement": in.Enforcement,
	}}
}

// listAnnotations lists what a check run says of lines.
func (c *call) listAnnotations() answer {
	k := c.repo.runs[c.number("id")]
	if k == nil {
		return notFound
	}
	return list(c, k.Annotations, func(a Annotation) object {
		return object{
			"path": a.Path, "blob_href": c.g.page(c.repo) + "/blob/" + k.Head + "/" + a.Path, "start_line": a.StartLine, "end_line": a.EndLine,
			"start_column": a.StartCol, "end_column": a.EndCol, "annotation_level": a.Level, "title": a.Title, "message": a.Message, "raw_details": a.RawDetails,
		}
	})
}

// getDelivery shows a delivery with what was sent. The payload is shown as an object, and not byte for byte.
func (c *call) getDelivery() answer {
	g := c.g
	i := slices.IndexFunc(g.deliveries, func(d *delivery) bool { return d.id == c.number("id") })
	if i < 0 {
		return notFound
	}
	d := g.deliveries[i]
	headers := object{}
	sent := g.sign(d)
	for name := range sent.Header {
		headers[strings.Replace(name, "X-Github", "X-GitHub", 1)] = sent.Header.Get(name)
	}
	out := g.deliveryJSON(d)
	out["request"] = object{"headers": headers, "payload": json.RawMessage(d.body)}
	out["response"] = object{"headers": object{}, "payload": ""}
	return ok(out)
}
