// Package ghsim behaves like the part of GitHub that relbot uses, with memory.
//
// It models state, not answers. It has a git with real object ids, and on top of it repositories, pull requests, comments,
// check runs, statuses, issues, permissions and installations. People act on it through methods (Open, Push, Merge,
// Tag, Comment); an App reads and writes it over HTTP, REST and GraphQL; both see one state. `relbot demo`,
// `relbot simulate` and the tests run against it.
//
// # Invariants
//
//   - A change of state and the news of it are apart. A change appends deliveries to an outbox; nothing is sent until
//     [GitHub.Flush], so a lost, late, doubled or reordered event is as cheap to stage as an orderly one.
//   - It refuses what GitHub refuses: merges without the required check, texts beyond the limits, tokens of a
//     suspended installation, reads of a repository on which the App is not installed.
//   - What it does not know fails: an unknown route is 404, an unknown GraphQL field an error, and both are kept in
//     [GitHub.Problems] for a test to assert on.
//   - It has no clock, and no chance but for the key of an App that is registered. Time comes from [Options], ids are counted or hashed.
//
// # Where it is simpler than GitHub
//
//   - mergeable and the test merge are there at once; GitHub computes them later and says UNKNOWN until then.
//   - Issues are numbered from 1001, so that a story can name its pull requests as it likes.
//   - An account has one installation, as on GitHub, until one of its repositories is suspended: that one is split
//     off, so that a story can take away a single repository.
//   - A person calls the API with the token "ghp_LOGIN", under that login's role; the App calls it for a person with a token of its web
//     flow, which asks for a login and for no password.
//   - A merge queue waits for no minimum of entries, lets nobody jump it, and makes one group for each entry under HEADGREEN as well; two groups
//     that were made at the same second from the same are two commits. Its branch is not locked while entries land.
//   - Auto-merge squashes, is for anybody to turn on, and outlives a push by somebody without write access. Native stacks, which refuse it and the
//     queue's API (github/gh-stack#504, #268), are not there.
//   - What lags does so for all reads alike, and a commit for those who push to the repository itself too; GitHub's copies answer unevenly.
//   - Each GraphQL query costs one point of the hour; calls at once are not counted.
//   - Of check_run events only those of the two buttons are sent.
//   - A visitor of the pages that register an App is taken for the account's owner, and there is one App at most.
//   - A secondary limit is staged by a fault, or by the points of a minute; calls at once, processor time and what GitHub does to those who go on are not.
//   - What is too wide is counted in pages and names. GitHub goes by the time that a query takes.
//   - An IP allow list refuses what a fault matches; GitHub answers GraphQL with 200 and an error for each node.
//   - A token that was just made works everywhere at once, and a permission that was granted too.
//   - Nobody calls the webhook's URL by itself: see Flush.
package ghsim

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/relbot/relbot/internal/coupling"
)

// Options sets up a GitHub.
type Options struct {
	Clock   func() time.Time // what time it is; required
	AppID   int64            // of the one registered App; 1 when zero
	AppSlug string           // "relbot" when empty; the App acts as "SLUG[bot]"
	Key     *rsa.PublicKey   // verifies the App's JWTs; nil accepts any
	Secret  string           // signs webhooks; "" leaves them unsigned
	HookURL string           // what the App's webhook is set to; who calls Flush decides where it really goes
	// Unregistered leaves the App to be made: by the manifest flow, on [GitHub.Pages].
	Unregistered bool
	URL          string // of the pages that html_url points at; "https://github.com" when empty

	// ClientID and ClientSecret let people sign in to the App; Callbacks are its registered callback URLs.
	ClientID, ClientSecret string
	Callbacks              []string

	// Limits has the API count calls and points by installation as GitHub does, tell of it, and refuse what is over. Without, there are no
	// limits, as on an Enterprise Server as it is delivered, but for new comments and issues.
	Limits bool

	// Inspect, when set, sees each API request with its answer, after the answer was made and before it is sent.
	Inspect func(r *http.Request, request []byte, status int, response []byte)
}

// GitHub is a GitHub with one registered App. Its methods may be called from any goroutine.
type GitHub struct {
	mu   guard
	opt  Options
	app  registration
	last int64 // the last id given out

	repos    []*repo
	moved    map[string]*repo // by lower-case former name
	nodes    map[string]any   // what Query.nodes can find, by node id
	installs []*installation
	tokens   map[string]*token
	consents map[string]consent // by code
	group    *Group             // the last

	mode       string
	outbox     []queued
	held       []queued
	deliveries []*delivery // the delivery log, oldest first
	faults     []*fault
	lag        Lag
	past       []moment // where something lags, oldest first
	kept       time.Time

	reads, writes int
	problems      []string
	queries       map[string]*ast.QueryDocument // that were read and validated, by text
}

// New starts an empty GitHub.
func New(opt Options) *GitHub {
	if opt.Clock == nil {
		panic("ghsim: no clock")
	}
	if opt.AppID == 0 {
		opt.AppID = 1
	}
	if opt.AppSlug == "" {
		opt.AppSlug = "relbot"
	}
	if opt.URL == "" {
		opt.URL = "https://github.com"
	}
	opt.URL = strings.TrimSuffix(opt.URL, "/")
	return &GitHub{
		opt: opt, last: 1000, mode: "on", app: newRegistration(opt),
		moved: map[string]*repo{}, nodes: map[string]any{}, tokens: map[string]*token{}, consents: map[string]consent{},
		queries: map[string]*ast.QueryDocument{},
	}
}

// now is the time, at the precision that GitHub shows.
func (g *GitHub) now() time.Time { return g.opt.Clock().UTC().Truncate(time.Second) }

func (g *GitHub) newID() int64 { g.last++; return g.last }

// node makes a node id and remembers what it names.
func (g *GitHub) node(kind string, id int64, thing any) string {
	s := fmt.Sprintf("%s_kwDO%08X", kind, id)
	g.nodes[s] = thing
	return s
}

// bot is the App's login as REST shows it.
func (g *GitHub) bot() string { return g.opt.AppSlug + "[bot]" }

// isBot reports whether a login is an App's. Logins are kept as REST shows them.
func isBot(login string) bool { return strings.HasSuffix(login, "[bot]") }

// userID is stable for a login; everybody exists.
func userID(login string) int64 {
	h := fnv.New32a()
	h.Write([]byte(strings.ToLower(login)))
	return int64(h.Sum32())
}

// Problems lists what no client of the real GitHub could have done: unknown routes and fields, and requests that it
// would never take. A test should end with none.
func (g *GitHub) Problems() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.problems)
}

func (g *GitHub) problem(format string, args ...any) {
	g.problems = append(g.problems, fmt.Sprintf(format, args...))
}

// Counts returns how many API calls were made since the start: reads, those that failed too, and writes that changed something. Minting tokens,
// GET /app, GET /rate_limit and asking for a redelivery are neither.
func (g *GitHub) Counts() (reads, writes int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.reads, g.writes
}

// repo is a repository, or someone's fork of one.
type repo struct {
	id            int64
	node          string
	name          coupling.Repo
	description   string
	private       bool
	autoMerge     bool        // pull requests may be set to merge by themselves
	archived      bool        // read-only
	queue         *mergeQueue // that the default branch needs; nil is none
	grouping      string      // the queue's strategy as it was made
	required      string
	others        []string // checks of other Apps that the default branch requires too
	source        string   // from which the check counts: "app", "any" or "other"
	classic       bool     // a branch protection requires it, no ruleset
	created       time.Time
	defaultBranch string

	*objects
	branches    map[string]*commit
	tags        map[string]tag
	permissions map[string]string // by lower-case login

	parent   *repo            // of a fork
	forks    map[string]*repo // by owner
	pulls    map[int]*pull
	issues   map[int]*issue
	comments []*comment // oldest first
	checks   map[*commit][]*check
	statuses map[*commit][]*status
	runs     map[int64]*check       // check runs by id
	labels   map[string]int64       // ids by name
	tests    map[[2]*commit]*commit // test merges by base and head; nil for a conflict
	install  *installation
}

// tag is a tag; object is its own id when it is annotated.
type tag struct {
	commit *commit
	object string
}

// find finds a repository by its present or a former name.
func (g *GitHub) find(name coupling.Repo) (r *repo, current bool) {
	for _, r := range g.repos {
		if r.name.Same(name) {
			return r, true
		}
	}
	return g.moved[strings.ToLower(string(name))], false
}

// repo finds a repository by whatever name, for the methods that people act with.
func (g *GitHub) repo(name coupling.Repo) (*repo, error) {
	r, _ := g.find(name)
	if r == nil {
		return nil, fmt.Errorf("%s: no such repository", name)
	}
	return r, nil
}

func (g *GitHub) pull(p coupling.Pull) (*pull, error) {
	r, err := g.repo(p.Repo)
	if err != nil {
		return nil, err
	}
	if q := r.pulls[p.Number]; q != nil {
		return q, nil
	}
	return nil, fmt.Errorf("%s: no such pull request", p)
}

// resolve finds the commit that a branch, a tag, a full ref name or a commit id names.
func (r *repo) resolve(rev string) *commit {
	if c := r.commits[rev]; c != nil {
		return c
	}
	if rev == "HEAD" {
		return r.branches[r.defaultBranch]
	}
	branch := strings.TrimPrefix(strings.TrimPrefix(rev, "refs/"), "heads/")
	if c := r.branches[branch]; c != nil {
		return c
	}
	name := strings.TrimPrefix(strings.TrimPrefix(rev, "refs/"), "tags/")
	if t, ok := r.tags[name]; ok {
		return t.commit
	}
	for _, t := range r.tags {
		if t.object == rev && rev != "" {
			return t.commit
		}
	}
	return nil
}

// RepoSpec describes a repository as it is at the start.
//
// The initial commit holds the policy; then each tag is on a commit of its own on main, and Files go on top. A
// tag's files stay on main for the later ones, unless it is off the branch.
type RepoSpec struct {
	Name          coupling.Repo
	Files         map[string]string
	Tags          []TagSpec
	Branches      []BranchSpec
	Permissions   map[string]string // by login; everybody else may read
	Private       bool
	MergeQueue    bool
	Queue         QueueSpec // with MergeQueue
	Policy        string    // committed as .github/relbot.yml when set
	RequiredCheck string    // on the default branch, pinned to the App; "relbot/coordination" when empty
}

// TagSpec describes a tag.
type TagSpec struct {
	Name      string
	Files     map[string]*string // what the tag's own commit changes; nil deletes
	OffBranch bool               // the tag's own commit is next to the branch
	On        string             // where it is put; main when empty
	Quiet     bool               // no webhook tells of it
	Annotated bool               // the ref points at a tag object
}

// BranchSpec describes a branch.
type BranchSpec struct {
	Name  string
	From  string // a branch, tag or commit; the default branch when empty
	Files map[string]*string
}

const (
	mainBranch   = "main"
	policyPath   = ".github/relbot.yml"
	defaultCheck = "relbot/coordination"
	seedAuthor   = "release-engineer"
)

// CreateRepo makes a repository. Nobody is notified, since the App is not installed on it.
func (g *GitHub) CreateRepo(spec RepoSpec) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, err := coupling.ParseRepo(string(spec.Name)); err != nil {
		return err
	}
	if r, current := g.find(spec.Name); r != nil && current {
		return fmt.Errorf("%s: exists already", spec.Name)
	}
	if spec.RequiredCheck == "" {
		spec.RequiredCheck = defaultCheck
	}
	r := g.newRepo(spec.Name, newObjects())
	r.private, r.required, r.source = spec.Private, spec.RequiredCheck, "app"
	if spec.MergeQueue {
		r.queue = &mergeQueue{QueueSpec: spec.Queue.filled()}
		r.grouping = r.queue.Strategy
	}
	for user, role := range spec.Permissions {
		r.permissions[strings.ToLower(user)] = role
	}
	first := map[string]*string{}
	if spec.Policy != "" {
		first[policyPath] = &spec.Policy
	}
	tip := g.commit(r, r.change(r.writeTree(map[string]string{}), first), nil, seedAuthor, "Initial commit")
	for _, t := range spec.Tags {
		if t.On != "" && t.On != mainBranch {
			return fmt.Errorf("%s: tag %s: a tag of the start state is on %s or next to it", spec.Name, t.Name, mainBranch)
		}
		c := g.commit(r, r.change(tip.tree, t.Files), []*commit{tip}, seedAuthor, "Release "+t.Name)
		if !t.OffBranch {
			tip = c
		}
		r.tags[t.Name] = g.newTag(t, c)
	}
	if len(spec.Files) > 0 {
		files := map[string]*string{}
		for path, text := range spec.Files {
			files[path] = &text
		}
		tip = g.commit(r, r.change(tip.tree, files), []*commit{tip}, seedAuthor, "Start")
	}
	r.branches[mainBranch] = tip
	for _, b := range spec.Branches {
		c, err := g.branchStart(r, b)
		if err != nil {
			return err
		}
		r.branches[b.Name] = c
	}
	g.repos = append(g.repos, r)
	return nil
}

func (g *GitHub) newRepo(name coupling.Repo, o *objects) *repo {
	r := &repo{
		id: g.newID(), name: name, objects: o, created: g.now(), defaultBranch: mainBranch,
		branches: map[string]*commit{}, tags: map[string]tag{}, permissions: map[string]string{}, forks: map[string]*repo{},
		pulls: map[int]*pull{}, issues: map[int]*issue{}, labels: map[string]int64{}, tests: map[[2]*commit]*commit{},
		checks: map[*commit][]*check{}, statuses: map[*commit][]*status{}, runs: map[int64]*check{},
	}
	r.node = g.node("R", r.id, r)
	return r
}

// commit makes a commit of today.
func (g *GitHub) commit(r *repo, t *tree, parents []*commit, author, message string) *commit {
	return r.objects.commit(int(g.newID()), t, parents, commitSpec{author: author, message: message, date: g.now()})
}

func (g *GitHub) newTag(t TagSpec, c *commit) tag {
	out := tag{commit: c}
	if t.Annotated {
		out.object = objectID("tag", fmt.Sprintf("object %s\ntype commit\ntag %s\ntagger %s <%s> %d +0000\n\n%s\n",
			c.id, t.Name, seedAuthor, email(seedAuthor), g.now().Unix(), t.Name))
	}
	return out
}

// branchStart is the commit on which a new branch begins, with its own files on top.
func (g *GitHub) branchStart(r *repo, b BranchSpec) (*commit, error) {
	if b.Name == "" {
		return nil, fmt.Errorf("%s: a branch without a name", r.name)
	}
	if r.branches[b.Name] != nil {
		return nil, fmt.Errorf("%s: branch %s exists already", r.name, b.Name)
	}
	from := b.From
	if from == "" {
		from = r.defaultBranch
	}
	c := r.resolve(from)
	if c == nil {
		return nil, fmt.Errorf("%s: branch %s: %s is no branch, tag or commit", r.name, b.Name, from)
	}
	if len(b.Files) > 0 {
		c = g.commit(r, r.change(c.tree, b.Files), []*commit{c}, seedAuthor, "Prepare "+b.Name)
	}
	return c, nil
}

// Repos lists the repositories, in the order of their making, under their present names.
func (g *GitHub) Repos() []coupling.Repo {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []coupling.Repo
	for _, r := range g.repos {
		out = append(out, r.name)
	}
	return out
}

// Commit is the id of the commit that a branch, a tag or a commit id names; "" when there is none.
func (g *GitHub) Commit(name coupling.Repo, rev string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r, err := g.repo(name); err == nil {
		if c := r.resolve(rev); c != nil {
			return c.id
		}
	}
	return ""
}

// File is the text of a file at a branch, a tag or a commit.
func (g *GitHub) File(name coupling.Repo, rev, path string) (text string, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.repo(name)
	if err != nil {
		return "", false
	}
	c := r.resolve(rev)
	if c == nil {
		return "", false
	}
	id, ok := c.tree.files[path]
	return r.blobs[id], ok
}

// SetPermission gives user a role: none, read, triage, write, maintain or admin.
func (g *GitHub) SetPermission(name coupling.Repo, user, role string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.repo(name)
	if err != nil {
		return err
	}
	if !slices.Contains(roles, role) {
		return fmt.Errorf("%s: %q is no role: want one of %s", name, role, strings.Join(roles, ", "))
	}
	r.permissions[strings.ToLower(user)] = role
	return nil
}

// roles, weakest first.
var roles = []string{"none", "read", "triage", "write", "maintain", "admin"}

func (r *repo) role(user string) string {
	if role := r.permissions[strings.ToLower(user)]; role != "" {
		return role
	}
	return "read"
}

// Rename gives a repository another name, "owner/name" or the last part alone. The old name leads to it from then
// on. Under another owner it is a transfer, and stays in its installation.
func (g *GitHub) Rename(name, to coupling.Repo) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.repo(name)
	if err != nil {
		return err
	}
	if !strings.Contains(string(to), "/") {
		to = coupling.Repo(r.name.Owner()) + "/" + to
	}
	if _, err := coupling.ParseRepo(string(to)); err != nil {
		return err
	}
	if taken, current := g.find(to); taken != nil && current {
		return fmt.Errorf("%s: exists already", to)
	}
	old := r.name
	delete(g.moved, strings.ToLower(string(to)))
	g.moved[strings.ToLower(string(old))] = r
	r.name = to
	if old.Owner() != to.Owner() {
		g.emit(r, "repository", "transferred", object{"changes": object{"owner": object{"from": object{"user": g.userJSON(old.Owner())}}}}, to.Owner())
		return nil
	}
	g.emit(r, "repository", "renamed", object{"changes": object{"repository": object{"name": object{"from": old.Name()}}}}, r.name.Owner())
	return nil
}

// Archive makes a repository read-only, or ends that.
func (g *GitHub) Archive(name coupling.Repo, archived bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.repo(name)
	if err != nil || r.archived == archived {
		return err
	}
	r.archived = archived
	action := "unarchived"
	if archived {
		action = "archived"
	}
	g.emit(r, "repository", action, object{}, r.name.Owner())
	return nil
}

// Branch makes a branch.
func (g *GitHub) Branch(name coupling.Repo, b BranchSpec) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.repo(name)
	if err != nil {
		return err
	}
	c, err := g.branchStart(r, b)
	if err != nil {
		return err
	}
	g.setBranch(r, b.Name, c, seedAuthor)
	return nil
}

// DeleteBranch deletes a branch; pull requests from it or into it are closed.
func (g *GitHub) DeleteBranch(name coupling.Repo, branch string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.repo(name)
	if err != nil {
		return err
	}
	if r.branches[branch] == nil {
		return fmt.Errorf("%s: no branch %s", name, branch)
	}
	if branch == r.defaultBranch {
		return fmt.Errorf("%s: %s is the default branch", name, branch)
	}
	for _, p := range r.openPulls() {
		if p.headRepo == r && p.headRef == branch || p.base == branch {
			g.closePull(p, seedAuthor)
		}
	}
	g.setBranch(r, branch, nil, seedAuthor)
	return nil
}

// setBranch moves, makes or (nil) deletes a branch and sends create, push and delete events. For the pull requests whose head it
// is it sends synchronize.
func (g *GitHub) setBranch(r *repo, name string, c *commit, by string) {
	old := r.branches[name]
	if old == c {
		return
	}
	if c == nil {
		delete(r.branches, name)
	} else {
		r.branches[name] = c
	}
	ref := "refs/heads/" + name
	switch {
	case old == nil:
		g.emit(r, "create", "", g.refJSON(r, "branch", name), by)
		g.emit(r, "push", "", g.pushJSON(r, ref, old, c, by), by)
	case c == nil:
		g.emit(r, "push", "", g.pushJSON(r, ref, old, c, by), by)
		g.emit(r, "delete", "", g.refJSON(r, "branch", name), by)
	default:
		g.emit(r, "push", "", g.pushJSON(r, ref, old, c, by), by)
	}
	if c == nil || old == nil {
		return
	}
	base := r
	if r.parent != nil {
		base = r.parent
	}
	for _, p := range base.openPulls() {
		switch {
		case p.headRepo == r && p.headRef == name:
			g.synchronize(p, c, by)
		case base == r && p.base == name && c.contains(p.head) && !old.contains(p.head):
			// Its commits arrived by another way: GitHub then calls the pull request merged.
			g.markMerged(p, p.head, by)
		}
	}
}

// Tag makes a tag, or moves it. With Files (or OffBranch) it is on a new commit next to the branch.
func (g *GitHub) Tag(name coupling.Repo, t TagSpec) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.repo(name)
	if err != nil {
		return err
	}
	if t.Name == "" {
		return fmt.Errorf("%s: a tag without a name", name)
	}
	on := t.On
	if on == "" {
		on = r.defaultBranch
	}
	c := r.resolve(on)
	if c == nil {
		return fmt.Errorf("%s: tag %s: %s is no branch, tag or commit", name, t.Name, on)
	}
	if len(t.Files) > 0 || t.OffBranch {
		c = g.commit(r, r.change(c.tree, t.Files), []*commit{c}, seedAuthor, "Release "+t.Name)
	}
	g.setTag(r, t.Name, g.newTag(t, c), t.Quiet)
	return nil
}

// DeleteTag deletes a tag.
func (g *GitHub) DeleteTag(name coupling.Repo, tagName string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.repo(name)
	if err != nil {
		return err
	}
	if _, ok := r.tags[tagName]; !ok {
		return fmt.Errorf("%s: no tag %s", name, tagName)
	}
	g.setTag(r, tagName, tag{}, false)
	return nil
}

// setTag makes, moves or (the zero tag) deletes a tag and tells of it unless quiet.
func (g *GitHub) setTag(r *repo, name string, t tag, quiet bool) {
	old := r.tags[name]
	if t.commit == nil {
		delete(r.tags, name)
	} else {
		r.tags[name] = t
	}
	if quiet || old == t {
		return
	}
	if old.commit == nil {
		g.emit(r, "create", "", g.refJSON(r, "tag", name), seedAuthor)
	}
	body := g.pushJSON(r, "refs/tags/"+name, old.commit, t.commit, seedAuthor)
	// A push of an annotated tag names the tag objects, and the commit in head_commit alone (dockstore/dockstore#5809, openSUSE/open-build-service#13500).
	if old.object != "" {
		body["before"] = old.object
	}
	if t.object != "" {
		body["after"] = t.object
	}
	g.emit(r, "push", "", body, seedAuthor)
	if t.commit == nil {
		g.emit(r, "delete", "", g.refJSON(r, "tag", name), seedAuthor)
	}
}

// installation is the App on an account.
type installation struct {
	id        int64
	grant     grant // what the account has agreed to
	account   string
	created   time.Time
	suspended time.Time
	gone      bool
	all       bool        // on all repositories of the account, those to come included
	user      bool        // the account is a person's
	content   []time.Time // when comments and issues were created, within the last hour
	spent     map[string]*spending
}

// repositories are those of an installation.
func (g *GitHub) repositories(in *installation) []*repo {
	var out []*repo
	for _, r := range g.repos {
		if r.install == in {
			out = append(out, r)
		}
	}
	return out
}

// Install puts the App on a repository, or ends its suspension.
func (g *GitHub) Install(name coupling.Repo) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.repo(name)
	if err != nil {
		return err
	}
	if in := r.install; in != nil {
		if !in.suspended.IsZero() {
			in.suspended = time.Time{}
			g.emitInstallation(in, "installation", "unsuspend", nil)
		}
		return nil
	}
	for _, in := range g.installs {
		if !in.gone && in.suspended.IsZero() && strings.EqualFold(in.account, r.name.Owner()) {
			r.install = in
			g.emitInstallation(in, "installation_repositories", "added", []*repo{r})
			return nil
		}
	}
	in := &installation{id: g.newID(), account: r.name.Owner(), created: g.now(), grant: g.app.grant}
	g.installs = append(g.installs, in)
	r.install = in
	g.emitInstallation(in, "installation", "created", []*repo{r})
	return nil
}

// Uninstall takes the App off a repository; with the last one of an account its installation ends.
func (g *GitHub) Uninstall(name coupling.Repo) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.repo(name)
	if err != nil {
		return err
	}
	in := r.install
	if in == nil {
		return fmt.Errorf("%s: the App is not installed", name)
	}
	r.install = nil
	if len(g.repositories(in)) > 0 {
		g.emitInstallation(in, "installation_repositories", "removed", []*repo{r})
		return nil
	}
	in.gone = true
	g.emitInstallation(in, "installation", "deleted", []*repo{r})
	return nil
}

// Suspend suspends the App on a repository: its tokens are refused and no event is sent until Install.
func (g *GitHub) Suspend(name coupling.Repo) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.repo(name)
	if err != nil {
		return err
	}
	in := r.install
	if in == nil {
		return errors.New(string(name) + ": the App is not installed")
	}
	if len(g.repositories(in)) > 1 {
		in = &installation{id: g.newID(), account: in.account, created: in.created, grant: in.grant}
		g.installs = append(g.installs, in)
		r.install = in
	}
	in.suspended = g.now()
	g.emitInstallation(in, "installation", "suspend", nil)
	return nil
}
