package ghsim

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/coupling"
)

// This file holds what each GraphQL type answers. A type is a small struct over the state; the switch in its field
// method has a case for each field that schema.graphql keeps.

type queryRoot struct{}

func (queryRoot) typename() string { return "Query" }

func (q queryRoot) field(x *execution, name string, args arguments) (any, error) {
	switch name {
	case "repository":
		full := args.text("owner") + "/" + args.text("name")
		r, current := x.g.find(coupling.Repo(full))
		if r == nil || !x.token.sees(r) || !current && args["followRenames"] == false {
			return nil, missing("a Repository", fmt.Sprintf("name '%s'", full))
		}
		return repoValue{r}, nil
	case "node":
		return x.node(args.text("id"))
	case "nodes":
		out := []value{}
		for i, id := range args.texts("ids") {
			v, err := x.node(id)
			if err != nil {
				x.fail(err, []any{"nodes", i})
			}
			out = append(out, v)
		}
		return out, nil
	case "rateLimit":
		return rateValue{}, nil
	case "viewer":
		return actor{x.who}, nil
	}
	return nil, unresolved(q, name)
}

// node finds what a node id names, as far as the caller may see it.
func (x *execution) node(id string) (value, error) {
	var v value
	var r *repo
	switch t := x.g.nodes[id].(type) {
	case *repo:
		v, r = repoValue{t}, t
	case *pull:
		v, r = pullValue{t}, t.repo
	case *comment:
		v, r = commentValue{t}, t.repo
	case *issue:
		v, r = issueValue{t}, t.repo
	}
	if v == nil || !x.token.sees(r) {
		return nil, missing("a node", fmt.Sprintf("global id of '%s'", id))
	}
	return v, nil
}

type mutationRoot struct{}

func (mutationRoot) typename() string { return "Mutation" }

func (m mutationRoot) field(x *execution, name string, args arguments) (any, error) {
	in := args.object("input")
	switch name {
	case "createCheckRun":
		return x.createCheckRun(in)
	case "enqueuePullRequest", "enablePullRequestAutoMerge":
		return x.letMerge(name, in)
	}
	id := in.text("subjectId")
	c, isComment := x.g.nodes[id].(*comment)
	if !isComment || !x.token.sees(c.repo) {
		return nil, missing("a node", fmt.Sprintf("global id of '%s'", id))
	}
	if err := x.may(c.repo, "issues|pull_requests", "write"); err != nil {
		return nil, err
	}
	if c.repo.archived {
		return nil, &fieldError{"FORBIDDEN", readOnly}
	}
	reason := ""
	switch name {
	case "minimizeComment":
		// The reason reads back in another form than it is given in.
		reason = strings.ReplaceAll(strings.ToLower(in.text("classifier")), "_", "-")
	case "unminimizeComment":
	default:
		return nil, unresolved(m, name)
	}
	x.idle = c.minimized == reason
	c.minimized = reason
	return minimized{c, in.text("clientMutationId"), name}, nil
}

// createCheckRun makes a check run as the route of that purpose does; GraphQL writes its words in capitals.
func (x *execution) createCheckRun(in arguments) (any, error) {
	r, isRepo := x.g.nodes[in.text("repositoryId")].(*repo)
	if !isRepo || !x.token.sees(r) {
		return nil, missing("a node", fmt.Sprintf("global id of '%s'", in.text("repositoryId")))
	}
	if err := x.may(r, "checks", "write"); err != nil {
		return nil, err
	}
	if r.archived {
		return nil, &fieldError{"FORBIDDEN", readOnly}
	}
	optional := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	name := in.text("name")
	run := checkInput{
		Name: &name, HeadSHA: in.text("headSha"), DetailsURL: optional(in.text("detailsUrl")), ExternalID: optional(in.text("externalId")),
		Status: optional(strings.ToLower(in.text("status"))), Conclusion: optional(strings.ToLower(in.text("conclusion"))),
	}
	if out := in.object("output"); out != nil {
		title, summary := out.text("title"), out.text("summary")
		run.Output = &checkOutput{Title: &title, Summary: &summary, Text: optional(out.text("text"))}
		if out["annotations"] != nil {
			return nil, errors.New("ghsim takes annotations over REST alone")
		}
	}
	if list, ok := in["actions"].([]any); ok {
		actions := []Action{}
		for _, one := range list {
			a := arguments(one.(map[string]any))
			actions = append(actions, Action{Label: a.text("label"), Description: a.text("description"), Identifier: a.text("identifier")})
		}
		run.Actions = &actions
	}
	k, err := x.g.newCheck(r, run)
	if err != nil {
		return nil, &fieldError{"UNPROCESSABLE", err.Error()}
	}
	return madeCheck{k, in.text("clientMutationId")}, nil
}

// madeCheck is the payload of createCheckRun.
type madeCheck struct {
	check  *check
	client string
}

func (madeCheck) typename() string { return "CreateCheckRunPayload" }

func (m madeCheck) field(_ *execution, name string, _ arguments) (any, error) {
	switch name {
	case "checkRun":
		return checkValue{m.check}, nil
	case "clientMutationId":
		return orNull(m.client), nil
	}
	return nil, unresolved(m, name)
}

type checkValue struct{ *check }

func (checkValue) typename() string { return "CheckRun" }

func (k checkValue) field(_ *execution, name string, args arguments) (any, error) {
	switch name {
	case "id":
		return k.node, nil
	case "databaseId":
		return k.ID, nil
	case "name":
		return k.Name, nil
	case "status":
		return strings.ToUpper(k.Status), nil
	case "conclusion":
		return orNull(strings.ToUpper(k.Conclusion)), nil
	case "externalId":
		return orNull(k.ExternalID), nil
	case "checkSuite":
		return suiteValue(k), nil
	case "isRequired":
		return k.repo.requires(k.Name, args), nil
	}
	return nil, unresolved(k, name)
}

type suiteValue struct{ *check }

func (suiteValue) typename() string { return "CheckSuite" }

func (s suiteValue) field(_ *execution, name string, _ arguments) (any, error) {
	switch name {
	case "id":
		return fmt.Sprintf("CS_kwDO%08X", s.suite), nil
	case "databaseId":
		return s.suite, nil
	case "commit":
		return commitValue{s.repo, s.commit}, nil
	}
	return nil, unresolved(s, name)
}

// minimized is the payload of both mutations.
type minimized struct {
	comment *comment
	client  string
	by      string
}

func (m minimized) typename() string {
	return strings.ToUpper(m.by[:1]) + m.by[1:] + "Payload"
}

func (m minimized) field(_ *execution, name string, _ arguments) (any, error) {
	switch name {
	case "minimizedComment", "unminimizedComment":
		return commentValue{m.comment}, nil
	case "clientMutationId":
		return orNull(m.client), nil
	}
	return nil, unresolved(m, name)
}

type rateValue struct{}

func (rateValue) typename() string { return "RateLimit" }

func (v rateValue) field(x *execution, name string, _ arguments) (any, error) {
	switch name {
	case "cost":
		return 1, nil
	case "limit":
		return hourLimit, nil
	case "remaining":
		return hourLimit, nil
	case "used":
		return 0, nil
	case "nodeCount":
		return 0, nil
	case "resetAt":
		return stamp(x.g.now().Add(time.Hour)), nil
	}
	return nil, unresolved(v, name)
}

// actor is a user, an App's bot or an account that owns repositories, by login.
type actor struct{ login string }

// actorOrNil is nil for "".
func actorOrNil(login string) any {
	if login == "" {
		return nil
	}
	return actor{login}
}

func (a actor) typename() string {
	if isBot(a.login) {
		return "Bot"
	}
	return "User"
}

// field gives a bot's login without the "[bot]" that REST adds.
func (a actor) field(x *execution, name string, _ arguments) (any, error) {
	switch name {
	case "id":
		return userNode(a.login), nil
	case "databaseId":
		return userID(a.login), nil
	case "login":
		return strings.TrimSuffix(a.login, "[bot]"), nil
	case "url":
		return x.g.userJSON(a.login)["html_url"], nil
	}
	return nil, unresolved(a, name)
}

// organization is an account that owns repositories.
type organization struct{ actor }

func (organization) typename() string { return "Organization" }

type repoValue struct{ *repo }

func (repoValue) typename() string { return "Repository" }

func (r repoValue) field(x *execution, name string, args arguments) (any, error) {
	need := "metadata"
	switch name {
	case "defaultBranchRef", "object", "ref", "refs":
		need = "contents"
	case "pullRequest", "pullRequests":
		need = "pull_requests"
	case "issue", "issueOrPullRequest":
		need = "issues"
	case "mergeQueue":
		need = "merge_queues"
	}
	if err := x.may(r.repo, need, "read"); err != nil {
		return nil, err
	}
	switch name {
	case "id":
		return r.node, nil
	case "databaseId":
		return r.id, nil
	case "name":
		return r.name.Name(), nil
	case "nameWithOwner":
		return string(r.name), nil
	case "owner":
		return organization{actor{r.name.Owner()}}, nil
	case "url":
		return x.g.page(r.repo), nil
	case "isPrivate":
		return r.private, nil
	case "isArchived":
		return r.archived, nil
	case "isFork":
		return r.parent != nil, nil
	case "defaultBranchRef":
		return r.refValue("refs/heads/" + r.defaultBranch), nil
	case "object":
		if oid := args.text("oid"); oid != "" {
			return r.objectByID(oid), nil
		}
		return r.objectAt(args.text("expression")), nil
	case "ref":
		return r.refValue(args.text("qualifiedName")), nil
	case "refs":
		return r.refs(x, args)
	case "pullRequest":
		n, _ := args.int("number")
		if p := r.pulls[n]; p != nil {
			return pullValue{p}, nil
		}
		return nil, missing("a PullRequest", fmt.Sprintf("number of %d", n))
	case "pullRequests":
		return r.pullRequests(x, args)
	case "issue":
		n, _ := args.int("number")
		if i := r.issues[n]; i != nil {
			return issueValue{i}, nil
		}
		return nil, missing("an Issue", fmt.Sprintf("number of %d", n))
	case "issueOrPullRequest":
		n, _ := args.int("number")
		if i := r.issues[n]; i != nil {
			return issueValue{i}, nil
		}
		if p := r.pulls[n]; p != nil {
			return pullValue{p}, nil
		}
		return nil, missing("an issue or pull request", fmt.Sprintf("number of %d", n))
	case "mergeQueue":
		branch := cmp.Or(args.text("branch"), r.defaultBranch)
		if !r.needsQueue(branch) {
			return nil, nil
		}
		return queueValue{r.repo, branch}, nil
	}
	return nil, unresolved(r, name)
}

// refValue is a ref by its full name, or by the name of a branch or tag alone; nil when there is none.
func (r *repo) refValue(name string) any {
	branch, isBranch := strings.CutPrefix(name, "refs/heads/")
	tagName, isTag := strings.CutPrefix(name, "refs/tags/")
	if !isTag {
		if c := r.branches[branch]; c != nil {
			return refValue{repo: r, prefix: "refs/heads/", name: branch, commit: c}
		}
	}
	if !isBranch {
		if t, ok := r.tags[tagName]; ok {
			return refValue{repo: r, prefix: "refs/tags/", name: tagName, commit: t.commit, tag: t.object}
		}
	}
	return nil
}

// refs lists the refs below a prefix, by name or by the date of their commits.
func (r repoValue) refs(x *execution, args arguments) (any, error) {
	prefix := strings.TrimSuffix(args.text("refPrefix"), "/") + "/"
	var all []refValue
	add := func(in string, names []string, get func(string) refValue) {
		for _, name := range names {
			full := in + name
			below, ok := strings.CutPrefix(full, prefix)
			if ok && strings.Contains(strings.ToLower(below), strings.ToLower(args.text("query"))) {
				ref := get(name)
				ref.prefix, ref.name = prefix, below
				all = append(all, ref)
			}
		}
	}
	add("refs/heads/", slices.Sorted(maps.Keys(r.branches)), func(n string) refValue {
		return refValue{repo: r.repo, commit: r.branches[n]}
	})
	add("refs/tags/", r.sortedTags(), func(n string) refValue {
		return refValue{repo: r.repo, commit: r.tags[n].commit, tag: r.tags[n].object}
	})
	order := args.object("orderBy")
	if order.text("field") == "TAG_COMMIT_DATE" {
		slices.SortStableFunc(all, func(a, b refValue) int {
			return cmp.Or(a.commit.date.Compare(b.commit.date), cmp.Compare(a.commit.seq, b.commit.seq))
		})
	}
	if order.text("direction") == "DESC" || order == nil && args.text("direction") == "DESC" {
		slices.Reverse(all)
	}
	return connect(x, "RefConnection", all, args, func(v refValue) string { return v.name }, func(v refValue) value { return v })
}

func (r repoValue) pullRequests(x *execution, args arguments) (any, error) {
	states := args.texts("states")
	all := slices.DeleteFunc(r.allPulls(), func(p *pull) bool {
		return len(states) > 0 && !slices.Contains(states, p.graphState()) ||
			args.text("baseRefName") != "" && args.text("baseRefName") != p.base ||
			args.text("headRefName") != "" && args.text("headRefName") != p.headRef ||
			len(args.texts("labels")) > 0
	})
	order := args.object("orderBy")
	slices.SortStableFunc(all, func(a, b *pull) int {
		switch order.text("field") {
		case "UPDATED_AT":
			return a.updated.Compare(b.updated)
		case "COMMENTS":
			return cmp.Compare(len(r.commentsOn(a.number)), len(r.commentsOn(b.number)))
		}
		return cmp.Or(a.created.Compare(b.created), cmp.Compare(a.id, b.id))
	})
	if order.text("direction") == "DESC" {
		slices.Reverse(all)
	}
	return connect(x, "PullRequestConnection", all, args, pullKey, wrapPull)
}

func pullKey(p *pull) string { return fmt.Sprintf("%s#%d", p.repo.node, p.number) }
func wrapPull(p *pull) value { return pullValue{p} }

// objectByID is a commit, tree, blob or tag by its id.
func (r *repo) objectByID(id string) any {
	if c := r.commits[id]; c != nil {
		return commitValue{r, c}
	}
	if _, ok := r.trees[id]; ok {
		return treeValue{r, id, ""}
	}
	if _, ok := r.blobs[id]; ok {
		return blobValue{r, id}
	}
	for name, t := range r.tags {
		if t.object == id {
			return tagValue{r, name, t}
		}
	}
	return nil
}

// objectAt resolves "REV" and "REV:path"; nil when nothing is there, as for a file that is absent at a commit.
func (r *repo) objectAt(expression string) any {
	rev, path, hasPath := strings.Cut(expression, ":")
	c := r.resolve(strings.TrimSuffix(rev, "^{commit}"))
	if c == nil {
		if hasPath {
			return nil
		}
		return r.objectByID(rev)
	}
	if !hasPath {
		return commitValue{r, c}
	}
	e, ok := r.at(c.tree, path)
	if !ok {
		return nil
	}
	if e.dir {
		return treeValue{r, e.id, strings.Trim(path, "/")}
	}
	return blobValue{r, e.id}
}

type refValue struct {
	repo         *repo
	prefix, name string
	commit       *commit
	tag          string // of an annotated tag: its object's id
}

func (refValue) typename() string { return "Ref" }

func (v refValue) field(_ *execution, name string, args arguments) (any, error) {
	switch name {
	case "id":
		return "REF_" + v.prefix + v.name, nil
	case "name":
		return v.name, nil
	case "prefix":
		return v.prefix, nil
	case "target":
		if v.tag != "" {
			return v.repo.objectByID(v.tag), nil
		}
		return commitValue{v.repo, v.commit}, nil
	case "compare":
		head := v.repo.resolve(args.text("headRef"))
		if head == nil || mergeBase(v.commit, head) == nil {
			return nil, nil
		}
		return comparisonValue{v.commit, head}, nil
	}
	return nil, unresolved(v, name)
}

type comparisonValue struct{ base, head *commit }

func (comparisonValue) typename() string { return "Comparison" }

func (v comparisonValue) field(_ *execution, name string, _ arguments) (any, error) {
	ahead, behind := len(only(v.base, v.head)), len(only(v.head, v.base))
	switch name {
	case "aheadBy":
		return ahead, nil
	case "behindBy":
		return behind, nil
	case "status":
		_, status := relation(ahead, behind)
		return status, nil
	}
	return nil, unresolved(v, name)
}

// gitObject answers what commits, trees, blobs and tags have in common.
func gitObject(x *execution, v value, r *repo, oid, name string) (any, error) {
	switch name {
	case "id":
		return v.typename()[:1] + "_kwDO" + strconv.FormatInt(r.id, 36) + oid, nil
	case "oid":
		return oid, nil
	case "abbreviatedOid":
		return oid[:7], nil
	case "commitUrl":
		return x.g.page(r) + "/commit/" + oid, nil
	}
	return nil, unresolved(v, name)
}

type commitValue struct {
	repo *repo
	*commit
}

func (commitValue) typename() string { return "Commit" }

func (v commitValue) field(x *execution, name string, args arguments) (any, error) {
	switch name {
	case "message":
		return v.message, nil
	case "messageHeadline":
		return v.subject(), nil
	case "committedDate":
		return stamp(v.date), nil
	case "authoredDate":
		return stamp(v.authored), nil
	case "author":
		return signature{v.commit}, nil
	case "tree":
		return treeValue{v.repo, v.commit.tree.id, ""}, nil
	case "file":
		path := strings.Trim(args.text("path"), "/")
		e, ok := v.repo.at(v.commit.tree, path)
		if !ok || path == "" {
			return nil, nil
		}
		return entryValue{v.repo, e, path}, nil
	case "parents":
		return connect(x, "CommitConnection", v.parents, args, commitKey, v.wrap)
	case "history":
		return v.history(x, args)
	case "statusCheckRollup":
		return v.rollup(x)
	case "associatedPullRequests":
		all := slices.DeleteFunc(v.repo.allPulls(), func(p *pull) bool {
			return p.mergeCommit != v.commit && !slices.Contains(p.landed, v.commit) && !slices.Contains(p.own(), v.commit)
		})
		return connect(x, "PullRequestConnection", all, args, pullKey, wrapPull)
	}
	return gitObject(x, v, v.repo, v.id, name)
}

// signature is who wrote a commit.
type signature struct{ *commit }

func (signature) typename() string { return "GitActor" }

func (s signature) field(_ *execution, name string, _ arguments) (any, error) {
	switch name {
	case "name":
		return s.author, nil
	case "email":
		return s.address(), nil
	case "date":
		return stamp(s.authored), nil
	}
	return nil, unresolved(s, name)
}

func commitKey(c *commit) string           { return c.id }
func (v commitValue) wrap(c *commit) value { return commitValue{v.repo, c} }

// history lists the commit and its ancestors, newest first; with a path, those that changed it.
func (v commitValue) history(x *execution, args arguments) (any, error) {
	bound := func(name string) (time.Time, error) {
		if args.text(name) == "" {
			return time.Time{}, nil
		}
		return time.Parse(time.RFC3339, args.text(name))
	}
	since, err := bound("since")
	if err != nil {
		return nil, err
	}
	until, err := bound("until")
	if err != nil {
		return nil, err
	}
	path := strings.Trim(args.text("path"), "/")
	at := func(c *commit) string { e, _ := v.repo.at(c.tree, path); return e.id }
	all := slices.DeleteFunc(history(v.commit), func(c *commit) bool {
		if c.date.Before(since) || !until.IsZero() && c.date.After(until) {
			return true
		}
		if path == "" {
			return false
		}
		if len(c.parents) == 0 {
			return at(c) == ""
		}
		return slices.ContainsFunc(c.parents, func(p *commit) bool { return at(p) == at(c) })
	})
	return connect(x, "CommitHistoryConnection", all, args, commitKey, v.wrap)
}

type tagValue struct {
	repo *repo
	name string
	tag
}

func (tagValue) typename() string { return "Tag" }

func (v tagValue) field(x *execution, name string, _ arguments) (any, error) {
	switch name {
	case "name":
		return v.name, nil
	case "message":
		return v.name, nil
	case "target":
		return commitValue{v.repo, v.commit}, nil
	}
	return gitObject(x, v, v.repo, v.object, name)
}

type treeValue struct {
	repo *repo
	id   string
	path string
}

func (treeValue) typename() string { return "Tree" }

func (v treeValue) field(x *execution, name string, _ arguments) (any, error) {
	if name == "entries" {
		out := []value{}
		for _, e := range v.repo.trees[v.id] {
			out = append(out, entryValue{v.repo, e, strings.TrimPrefix(v.path+"/"+e.name, "/")})
		}
		return out, nil
	}
	return gitObject(x, v, v.repo, v.id, name)
}

type entryValue struct {
	repo  *repo
	entry treeEntry
	path  string
}

func (entryValue) typename() string { return "TreeEntry" }

func (v entryValue) field(_ *execution, name string, _ arguments) (any, error) {
	switch name {
	case "name":
		return v.path[strings.LastIndex(v.path, "/")+1:], nil
	case "path":
		return v.path, nil
	case "oid":
		return v.entry.id, nil
	case "type":
		if v.entry.dir {
			return "tree", nil
		}
		return "blob", nil
	case "mode":
		return v.repo.mode(v.entry), nil
	case "size":
		return len(v.repo.blobs[v.entry.id]), nil
	case "object":
		if v.entry.dir {
			return treeValue{v.repo, v.entry.id, v.path}, nil
		}
		return blobValue{v.repo, v.entry.id}, nil
	}
	return nil, unresolved(v, name)
}

type blobValue struct {
	repo *repo
	id   string
}

func (blobValue) typename() string { return "Blob" }

// maxBlobText is the most bytes of a blob that GraphQL gives; it cuts off the rest without an error.
const maxBlobText = 512000

func (v blobValue) field(x *execution, name string, _ arguments) (any, error) {
	text := v.repo.blobs[v.id]
	binary := isBinary(text)
	switch name {
	case "byteSize":
		return len(text), nil
	case "isBinary":
		return binary, nil
	case "isTruncated":
		return len(text) > maxBlobText, nil
	case "text":
		if binary {
			return nil, nil
		}
		if len(text) > maxBlobText {
			text = strings.ToValidUTF8(text[:maxBlobText], "")
		}
		return text, nil
	}
	return gitObject(x, v, v.repo, v.id, name)
}

type pullValue struct{ *pull }

func (pullValue) typename() string { return "PullRequest" }

func (p *pull) graphState() string {
	switch {
	case p.merged:
		return "MERGED"
	case p.closed:
		return "CLOSED"
	}
	return "OPEN"
}

func (p pullValue) field(x *execution, name string, args arguments) (any, error) {
	switch name {
	case "id":
		return p.node, nil
	case "databaseId":
		return p.id, nil
	case "fullDatabaseId":
		return strconv.FormatInt(p.id, 10), nil
	case "number":
		return p.number, nil
	case "title":
		return p.title, nil
	case "body":
		return p.body, nil
	case "url":
		return fmt.Sprintf("%s/pull/%d", x.g.page(p.repo), p.number), nil
	case "state":
		return p.graphState(), nil
	case "merged":
		return p.merged, nil
	case "closed":
		return p.closed, nil
	case "isDraft":
		return p.draft, nil
	case "author":
		return actor{p.author}, nil
	case "baseRef":
		return p.repo.refValue("refs/heads/" + p.base), nil
	case "baseRefName":
		return p.base, nil
	case "baseRefOid":
		return p.baseSHA, nil
	case "headRef":
		return p.headRepo.refValue("refs/heads/" + p.headRef), nil
	case "headRefName":
		return p.headRef, nil
	case "headRefOid":
		return p.head.id, nil
	case "headRepository":
		return repoValue{p.headRepo}, nil
	case "baseRepository", "repository":
		return repoValue{p.repo}, nil
	case "isCrossRepository":
		return p.headRepo != p.repo, nil
	case "mergeCommit":
		if !p.merged {
			return nil, nil
		}
		return commitValue{p.repo, p.mergeCommit}, nil
	case "mergedAt":
		if !p.merged {
			return nil, nil
		}
		return stamp(p.closedAt), nil
	case "mergedBy":
		return actorOrNil(p.mergedBy), nil
	case "closedAt":
		return stamp(p.closedAt), nil
	case "createdAt":
		return stamp(p.created), nil
	case "updatedAt":
		return stamp(p.updated), nil
	case "mergeable":
		switch {
		case p.closed:
			return "UNKNOWN", nil
		case x.g.testMerge(p.pull) == nil:
			return "CONFLICTING", nil
		}
		return "MERGEABLE", nil
	case "potentialMergeCommit":
		if c := x.g.testMerge(p.pull); c != nil {
			return commitValue{p.repo, c}, nil
		}
		return nil, nil
	case "commits":
		wrap := func(c *commit) value { return pullCommit{p.repo, c} }
		return connect(x, "PullRequestCommitConnection", p.own(), args, commitKey, wrap)
	case "comments":
		return comments(x, p.repo, p.number, args)
	case "isInMergeQueue":
		return p.queued != nil, nil
	}
	return nil, unresolved(p, name)
}

type pullCommit struct {
	repo   *repo
	commit *commit
}

func (pullCommit) typename() string { return "PullRequestCommit" }

func (v pullCommit) field(_ *execution, name string, _ arguments) (any, error) {
	switch name {
	case "id":
		return "PURC_" + v.commit.id, nil
	case "commit":
		return commitValue{v.repo, v.commit}, nil
	}
	return nil, unresolved(v, name)
}

// comments is the conversation on a pull request or an issue.
func comments(x *execution, r *repo, number int, args arguments) (any, error) {
	all := x.g.listedOn(r, number)
	if order := args.object("orderBy"); order != nil {
		slices.SortStableFunc(all, func(a, b *comment) int { return a.updated.Compare(b.updated) })
		if order.text("direction") == "DESC" {
			slices.Reverse(all)
		}
	}
	key := func(c *comment) string { return c.node }
	return connect(x, "IssueCommentConnection", all, args, key, func(c *comment) value { return commentValue{c} })
}

type commentValue struct{ *comment }

func (commentValue) typename() string { return "IssueComment" }

func (c commentValue) field(x *execution, name string, _ arguments) (any, error) {
	switch name {
	case "id":
		return c.node, nil
	case "databaseId":
		return c.id, nil
	case "fullDatabaseId":
		return strconv.FormatInt(c.id, 10), nil
	case "body":
		return c.body, nil
	case "author":
		return actor{c.author}, nil
	case "createdAt":
		return stamp(c.created), nil
	case "updatedAt":
		return stamp(c.updated), nil
	case "lastEditedAt":
		if !c.edited {
			return nil, nil
		}
		return stamp(c.updated), nil
	case "includesCreatedEdit":
		return c.edited, nil
	case "isMinimized":
		return c.minimized != "", nil
	case "minimizedReason":
		return orNull(c.minimized), nil
	case "viewerDidAuthor":
		return c.author == x.who, nil
	case "url":
		return x.g.commentJSON(c.comment)["html_url"], nil
	}
	return nil, unresolved(c, name)
}

type issueValue struct{ *issue }

func (issueValue) typename() string { return "Issue" }

func (i issueValue) field(x *execution, name string, args arguments) (any, error) {
	switch name {
	case "id":
		return i.node, nil
	case "databaseId":
		return i.id, nil
	case "number":
		return i.number, nil
	case "title":
		return i.title, nil
	case "body":
		return i.body, nil
	case "url":
		return fmt.Sprintf("%s/issues/%d", x.g.page(i.repo), i.number), nil
	case "state":
		if i.closed {
			return "CLOSED", nil
		}
		return "OPEN", nil
	case "author":
		return actor{i.author}, nil
	case "createdAt":
		return stamp(i.created), nil
	case "updatedAt":
		return stamp(i.updated), nil
	case "closedAt":
		return stamp(i.closedAt), nil
	case "comments":
		return comments(x, i.repo, i.number, args)
	}
	return nil, unresolved(i, name)
}

type queueValue struct {
	repo   *repo
	branch string
}

func (queueValue) typename() string { return "MergeQueue" }

func (v queueValue) field(x *execution, name string, args arguments) (any, error) {
	switch name {
	case "id":
		return fmt.Sprintf("MQ_kwDO%08X", v.repo.id), nil
	case "entries":
		var all []queueEntry
		for _, q := range v.repo.queue.entries {
			all = append(all, queueEntry{q, len(all) + 1})
		}
		key := func(e queueEntry) string { return pullKey(e.pull) }
		return connect(x, "MergeQueueEntryConnection", all, args, key, func(e queueEntry) value { return e })
	case "configuration":
		return queueConfiguration{v.repo.queue}, nil
	}
	return nil, unresolved(v, name)
}

type queueConfiguration struct{ *mergeQueue }

func (queueConfiguration) typename() string { return "MergeQueueConfiguration" }

func (v queueConfiguration) field(_ *execution, name string, _ arguments) (any, error) {
	switch name {
	case "checkResponseTimeout":
		return int(v.Timeout.Minutes()), nil
	case "maximumEntriesToBuild":
		return v.Build, nil
	case "maximumEntriesToMerge":
		return v.Merge, nil
	case "mergeMethod":
		return v.method(), nil
	case "mergingStrategy":
		return v.Strategy, nil
	}
	return nil, unresolved(v, name)
}

type queueEntry struct {
	*Group
	position int
}

func (queueEntry) typename() string { return "MergeQueueEntry" }

func (e queueEntry) field(_ *execution, name string, _ arguments) (any, error) {
	switch name {
	case "id":
		return "MQE_" + e.pull.node, nil
	case "position":
		return e.position, nil
	case "state":
		if e.head() == nil {
			return "QUEUED", nil
		}
		return "AWAITING_CHECKS", nil
	case "pullRequest":
		return pullValue{e.pull}, nil
	case "headCommit", "baseCommit": // null until the group is built
		r := e.pull.repo
		if e.head() == nil {
			return nil, nil
		}
		if name == "headCommit" {
			return commitValue{r, e.head()}, nil
		}
		return commitValue{r, r.commits[e.Tip]}, nil
	}
	return nil, unresolved(e, name)
}
