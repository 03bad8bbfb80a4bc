// Package scenario runs a story against the whole server and says where it differs.
//
// A scenario is a YAML file: a repository as it is, then steps that do things on GitHub and state what relbot must
// then show. It runs through the real server (webhook intake, store, work, rules, publishing) against the embedded
// GitHub over HTTP, with a simulated clock. Expectations are held against what that GitHub shows, never against relbot's own
// state. The server itself is handed in by the caller, so that this package wires nothing.
package scenario

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/strict"
)

// Scenario is a parsed file.
type Scenario struct {
	File     string
	Title    string
	Repo     coupling.Repo
	Repos    []Repo // the default one first
	Settings map[string]string
	Clock    time.Time
	URL      string // public URL
	Steps    []Step
}

// Repo is the state in which a repository begins.
type Repo struct {
	Name        coupling.Repo
	Policy      string
	Files       map[string]string
	Tags        []Tag
	Branches    []Branch
	Permissions map[string]string
	Private     bool
	MergeQueue  bool
	Queue       ghsim.QueueSpec // with MergeQueue
}

// Tag is a tag of the start.
type Tag struct {
	Name      string
	Files     map[string]*string
	OffBranch bool
}

// Branch is a branch of the start.
type Branch struct {
	Name, From string
	Files      map[string]*string
}

// Step does things and then expects things.
type Step struct {
	Name   string
	Line   int
	Do     []Action
	Expect Expect
}

// Action is one thing that is done on GitHub, or to the world around it.
type Action struct {
	Verb string
	Line int

	Pull, With      coupling.Pull
	Pulls           []coupling.Pull
	Together, Off   bool // enqueue, auto_merge
	Repo            coupling.Repo
	By              string
	Title, Body     *string
	Base            *string
	Draft           *bool
	Files           map[string]*string
	Fork, Force     bool
	From, On, To    string
	Branch, Name    string
	Method          string
	Message         string
	Bypass          bool
	SaysMergedOnly  bool
	Annotated       bool
	Quiet           bool
	Trailer         bool
	NumberInSubject bool
	ByPR            int
	Bot             bool
	Append          string
	User, Role      string
	Text            string // policy
	Button          string
	Mode            string // webhooks
	Match, Answer   string // fault
	Times, Over     int
	Lasts           time.Duration
	Account         string
	Grants          map[string]string
	Run             int // rerequest
	Suite           bool
	RetryAfter      int
	Lag             struct{ Commits, Reads, Lists *time.Duration } // nil leaves one as it is
	Duration        time.Duration
	LoseDatabase    bool
}

// Expect is what must hold after a step.
type Expect struct {
	Checks    []Check
	Group     *Check  // of the last merge group
	Groups    []Check // of the newest group of each entry
	Notes     []Note
	Merge     []Want
	Queue     string // of all of the last enqueue
	Queued    []Want
	Replies   []Note
	Reactions []Reactions
	Report    *Report
	Coupling  []Want
	Train     []Want
	FirstShip []Want
	Writes    *Bound
	Reads     *Bound
}

// Check is an expectation of a check.
type Check struct {
	Pull          coupling.Pull
	Verdict       string
	Reasons       []string
	HasReasons    bool
	Warnings      []string
	Says, SaysNot []string
	Annotations   []Annotation // exactly these, in any order; nil when nothing is expected of them
	AnyHead       bool         // head: false
}

// Annotation is an expected annotation; Says are texts of its title or message.
type Annotation struct {
	Path string
	Line int // 0 is any
	Says []string
}

// Note is an expectation of notes or replies. Counts are -1 when they are not stated.
type Note struct {
	Pull            coupling.Pull
	Count, Outdated int
	Says, SaysNot   []string
}

// Want is an expectation of one word about a pull request, a coupling or a branch.
type Want struct {
	Key  string
	Pull coupling.Pull
	Want string
}

// Reactions is an expectation of relbot's reactions to a comment.
type Reactions struct {
	Comment string
	Want    []string
}

// Report is an expectation of the drift report.
type Report struct {
	Open          *bool
	Says, SaysNot []string
	Comments      int // -1 when not stated
}

// Bound is an expectation of a count; -1 is not stated.
type Bound struct{ Max, Exactly int }

// DefaultClock is when a scenario begins.
var DefaultClock = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

// Load reads a scenario file.
func Load(path string) (*Scenario, []strict.Problem, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	s, problems := Parse(path, text, os.ReadFile)
	return s, problems, nil
}

// Parse reads a scenario; read opens the files that it names.
func Parse(path string, text []byte, read func(string) ([]byte, error)) (*Scenario, []strict.Problem) {
	root, r := strict.Parse(text)
	if root.IsZero() {
		return nil, r.Done()
	}
	d := decoder{s: &Scenario{File: path, Settings: map[string]string{}, Clock: DefaultClock}, read: read, dir: filepath.Dir(path)}
	d.scenario(root)
	return d.s, r.Done()
}

type node = strict.Node

type decoder struct {
	s    *Scenario
	read func(string) ([]byte, error)
	dir  string
}

type keys = map[string]func(node)

func (d *decoder) scenario(n node) {
	main := Repo{}
	var given, repos, steps node
	seen := n.Object(keys{
		"title":       text(&d.s.Title),
		"repo":        func(n node) { d.s.Repo = repo(n); main.Name = d.s.Repo },
		"policy":      text(&main.Policy),
		"policy_file": d.policyFile(&main.Policy),
		"given":       func(n node) { given = n },
		"repos":       func(n node) { repos = n },
		"settings": func(n node) {
			for _, p := range n.Mapping("settings by name") {
				if v, ok := p.Text("a value"); ok {
					d.s.Settings[p.Name] = v
				}
			}
		},
		"steps": func(n node) { steps = n },
	})
	if main.Name == "" {
		main.Name, d.s.Repo = "acme/app", "acme/app"
	}
	if _, ok := seen["steps"]; !ok {
		n.Problemf("", "steps: [{do: …, expect: …}]", "the key steps is missing")
	}
	if !given.IsZero() {
		d.given(given, &main, keys{
			"clock": func(n node) {
				if v, ok := n.Text("a time such as 2026-06-01T00:00:00Z"); ok {
					t, err := time.Parse(time.RFC3339, v)
					if err != nil {
						n.Problemf(strconv.Quote(v), "a time such as 2026-06-01T00:00:00Z", "not a time")
					}
					d.s.Clock = t.UTC()
				}
			},
			"public_url": text(&d.s.URL),
		})
	}
	d.s.Repos = []Repo{main}
	if !repos.IsZero() {
		for _, p := range repos.Mapping("repositories by name") {
			o := Repo{}
			if name, err := coupling.ParseRepo(p.Name); err != nil {
				p.Key.Problemf(strconv.Quote(p.Name), "owner/name", "no repository")
			} else {
				o.Name = name
			}
			d.given(p.Node, &o, keys{"policy": text(&o.Policy), "policy_file": d.policyFile(&o.Policy)})
			d.s.Repos = append(d.s.Repos, o)
		}
	}
	if steps.IsZero() {
		return
	}
	for _, e := range steps.List("a list of steps") {
		d.step(e)
	}
}

func (d *decoder) policyFile(into *string) func(node) {
	return func(n node) {
		name, ok := n.Text("a path relative to the scenario")
		if !ok {
			return
		}
		b, err := d.read(filepath.Join(d.dir, name))
		if err != nil {
			n.Problemf(strconv.Quote(name), "a file", "%v", err)
			return
		}
		*into = string(b)
	}
}

func (d *decoder) given(n node, into *Repo, more keys) {
	k := keys{
		"files": func(n node) {
			into.Files = map[string]string{}
			for p, t := range files(n) {
				if t == nil {
					n.Problemf("null", "a text", "%s: a file of the start cannot be deleted", p)
					continue
				}
				into.Files[p] = *t
			}
		},
		"tags": func(n node) {
			for _, e := range n.List("a list of tags") {
				var t Tag
				if _, mapping := e.Syntax().(ast.ScalarNode); mapping {
					t.Name, _ = e.Text("a tag")
				} else {
					e.Object(keys{"name": text(&t.Name), "files": func(n node) { t.Files = files(n) }, "off_branch": n2bool(&t.OffBranch)})
				}
				into.Tags = append(into.Tags, t)
			}
		},
		"branches": func(n node) {
			for _, p := range n.Mapping("branches by name") {
				b := Branch{Name: p.Name}
				if !strict.IsNull(p.Syntax()) {
					p.Object(keys{"from": text(&b.From), "files": func(n node) { b.Files = files(n) }})
				}
				into.Branches = append(into.Branches, b)
			}
		},
		"permissions": func(n node) {
			into.Permissions = map[string]string{}
			for _, p := range n.Mapping("roles by login") {
				var role string
				p.One(&role, roles...)
				into.Permissions[p.Name] = role
			}
		},
		"private":     n2bool(&into.Private),
		"merge_queue": func(n node) { mergeQueue(n, into) },
	}
	for name, f := range more {
		k[name] = f
	}
	n.Object(k)
}

// mergeQueue reads true, a method, or a queue's settings.
func mergeQueue(n node, into *Repo) {
	methods := []string{"squash", "merge", "rebase"}
	into.MergeQueue = true
	if _, scalar := n.Syntax().(ast.ScalarNode); !scalar {
		n.Object(keys{
			"method":   func(n node) { n.One(&into.Queue.Method, methods...) },
			"strategy": func(n node) { n.One(&into.Queue.Strategy, "ALLGREEN", "HEADGREEN") },
			"build":    func(n node) { number(n, &into.Queue.Build) },
			"merge":    func(n node) { number(n, &into.Queue.Merge) },
			"timeout":  func(n node) { into.Queue.Timeout = duration(n) },
		})
		return
	}
	if v, _ := n.Text("true, a method or a mapping"); slices.Contains(methods, v) {
		into.Queue.Method = v
		return
	}
	n.Bool(&into.MergeQueue)
}

var roles = []string{"none", "read", "triage", "write", "maintain", "admin"}

func text(into *string) func(node) {
	return func(n node) {
		if v, ok := n.Text("a text"); ok {
			*into = v
		}
	}
}

func optional(into **string) func(node) {
	return func(n node) {
		if v, ok := n.Text("a text"); ok {
			*into = &v
		}
	}
}

func n2bool(into *bool) func(node) { return func(n node) { n.Bool(into) } }

func repo(n node) coupling.Repo {
	v, ok := n.Text("owner/name")
	if !ok {
		return ""
	}
	r, err := coupling.ParseRepo(v)
	if err != nil {
		n.Problemf(strconv.Quote(v), "owner/name", "no repository")
	}
	return r
}

func number(n node, into *int) {
	v, ok := n.Text("a number")
	if !ok {
		return
	}
	i, err := strconv.Atoi(v)
	if err != nil || i < 0 {
		n.Problemf(strconv.Quote(v), "a number", "not a number")
	}
	*into = i
}

// files reads a mapping of path to text; null deletes.
func files(n node) map[string]*string {
	out := map[string]*string{}
	for _, p := range n.Mapping("texts by path") {
		if strict.IsNull(p.Syntax()) {
			out[p.Name] = nil
		} else if v, ok := p.Text("a text, or null to delete"); ok {
			out[p.Name] = &v
		}
	}
	return out
}

// pull reads "1", "#1" or "owner/repo#1".
func (d *decoder) pull(n node, textOf string) coupling.Pull {
	p, err := coupling.ParsePull(textOf, d.s.Repo)
	if err != nil {
		n.Problemf(strconv.Quote(textOf), "12, \"#12\" or owner/repo#12", "no pull request")
	}
	return p
}

func (d *decoder) pullNode(n node) coupling.Pull {
	v, ok := n.Text("a pull request")
	if !ok {
		return coupling.Pull{}
	}
	return d.pull(n, v)
}

// duration reads Go's durations and days.
func duration(n node) time.Duration {
	const want = "a duration such as 10m, 6h or 2d"
	v, ok := n.Text(want)
	if !ok {
		return 0
	}
	var total time.Duration
	rest := v
	if days, after, found := strings.Cut(v, "d"); found {
		f, err := strconv.ParseFloat(days, 64)
		if err != nil {
			n.Problemf(strconv.Quote(v), want, "not a duration")
			return 0
		}
		total, rest = time.Duration(f*24*float64(time.Hour)), after
	}
	if rest != "" {
		t, err := time.ParseDuration(strings.ReplaceAll(rest, " ", ""))
		if err != nil || t < 0 {
			n.Problemf(strconv.Quote(v), want, "not a duration")
			return 0
		}
		total += t
	}
	return total
}

func (d *decoder) step(n node) {
	s := Step{Line: line(n)}
	n.Object(keys{
		"name": text(&s.Name),
		"do": func(n node) {
			for _, e := range n.List("a list of actions") {
				if a, ok := d.action(e); ok {
					s.Do = append(s.Do, a)
				}
			}
		},
		"expect": func(n node) { d.expect(n, &s.Expect) },
	})
	if s.Name == "" {
		s.Name = fmt.Sprintf("step %d", len(d.s.Steps)+1)
	}
	d.s.Steps = append(d.s.Steps, s)
}

func line(n node) int {
	l, _ := n.Position()
	return l
}

// verbs lists the actions, with the keys of each.
func (d *decoder) verbs(a *Action) map[string]keys {
	pull := func(n node) { a.Pull = d.pullNode(n) }
	number := func(into *int) func(node) { return func(n node) { number(n, into) } }
	changed := func(n node) { a.Files = files(n) }
	inRepo := func(n node) { a.Repo = repo(n) }
	draft := func(n node) {
		var v bool
		n.Bool(&v)
		a.Draft = &v
	}
	by := text(&a.By)
	lag := func(into **time.Duration) func(node) {
		return func(n node) {
			v := duration(n)
			*into = &v
		}
	}
	return map[string]keys{
		"open":  {"pr": pull, "by": by, "title": optional(&a.Title), "body": optional(&a.Body), "base": optional(&a.Base), "files": changed, "draft": draft, "fork": n2bool(&a.Fork), "from": text(&a.From)},
		"push":  {"pr": pull, "branch": text(&a.Branch), "repo": inRepo, "files": changed, "by": by, "message": text(&a.Message), "force": n2bool(&a.Force)},
		"edit":  {"pr": pull, "title": optional(&a.Title), "body": optional(&a.Body), "base": optional(&a.Base), "draft": draft, "by": by},
		"close": {"pr": pull, "by": by}, "reopen": {"pr": pull, "by": by},
		"merge": {"pr": pull, "by": by, "method": func(n node) { n.One(&a.Method, "squash", "merge", "rebase") }, "bypass": n2bool(&a.Bypass), "says_merged_only": n2bool(&a.SaysMergedOnly)},
		"enqueue": {"prs": func(n node) {
			for _, e := range n.List("pull requests in order") {
				a.Pulls = append(a.Pulls, d.pullNode(e))
			}
		}, "together": n2bool(&a.Together)},
		"auto_merge":    {"pr": pull, "by": by, "off": n2bool(&a.Off)},
		"tag":           {"name": text(&a.Name), "on": text(&a.On), "files": changed, "annotated": n2bool(&a.Annotated), "quiet": n2bool(&a.Quiet), "repo": inRepo},
		"delete_tag":    {"name": text(&a.Name), "repo": inRepo},
		"branch":        {"name": text(&a.Name), "from": text(&a.From), "files": changed, "repo": inRepo},
		"delete_branch": {"name": text(&a.Name), "repo": inRepo},
		"cherry_pick":   {"pr": pull, "to": text(&a.To), "trailer": n2bool(&a.Trailer), "number_in_subject": n2bool(&a.NumberInSubject), "by": by},
		"revert":        {"pr": pull, "by_pr": number(&a.ByPR), "message": text(&a.Message), "by": by},
		"comment":       {"pr": pull, "by": by, "body": optional(&a.Body), "name": text(&a.Name), "bot": n2bool(&a.Bot)},
		"edit_comment":  {"name": text(&a.Name), "by": by, "body": optional(&a.Body)},
		"edit_note":     {"pr": pull, "by": by, "append": text(&a.Append), "body": optional(&a.Body)},
		"permission":    {"user": text(&a.User), "role": func(n node) { n.One(&a.Role, roles...) }, "repo": inRepo},
		"policy":        {"pr": pull, "by": by, "text": text(&a.Text), "repo": inRepo},
		"click":         {"pr": pull, "button": text(&a.Button), "by": by},
		"rerequest":     {"pr": pull, "by": by, "run": number(&a.Run), "suite": n2bool(&a.Suite)},
		"fault": {"match": text(&a.Match), "answer": text(&a.Answer), "retry_after": number(&a.RetryAfter), "over": number(&a.Over), "account": text(&a.Account), "lasts": func(n node) { a.Lasts = duration(n) }, "times": func(n node) {
			if v, ok := n.Text("a number or forever"); ok && v == "forever" {
				a.Times = -1
			} else if ok {
				number2(n, &a.Times)
			}
		}},
		"lag":     {"commits": lag(&a.Lag.Commits), "reads": lag(&a.Lag.Reads), "lists": lag(&a.Lag.Lists)},
		"grant":   d.grant(a, inRepo),
		"install": {"repo": inRepo}, "uninstall": {"repo": inRepo}, "suspend": {"repo": inRepo},
		"rename":  {"repo": inRepo, "to": text(&a.To)},
		"stop":    {},
		"restart": {"lose_database": n2bool(&a.LoseDatabase)},
	}
}

// grant reads the permissions that an account changes, and the repository that it owns.
func (d *decoder) grant(a *Action, repo func(node)) keys {
	k := keys{"repo": repo}
	for _, name := range []string{"actions", "checks", "contents", "issues", "merge_queues", "metadata", "pull_requests", "statuses"} {
		k[name] = func(n node) {
			var level string
			n.One(&level, "none", "read", "write")
			if a.Grants == nil {
				a.Grants = map[string]string{}
			}
			a.Grants[name] = level
		}
	}
	return k
}

func number2(n node, into *int) { number(n, into) }

// scalars lists the actions that are written with a single value.
func (d *decoder) scalars(a *Action) map[string]func(node) {
	return map[string]func(node){
		"webhooks":      func(n node) { n.One(&a.Mode, "on", "off", "held", "reversed", "doubled") },
		"advance":       func(n node) { a.Duration = duration(n) },
		"clear_faults":  func(n node) { var v bool; n.Bool(&v) },
		"stop":          func(n node) { _, _ = n.Text("true") },
		"restart":       func(n node) { _, _ = n.Text("true") },
		"policy":        text(&a.Text),
		"close":         func(n node) { a.Pull = d.pullNode(n) },
		"reopen":        func(n node) { a.Pull = d.pullNode(n) },
		"merge":         func(n node) { a.Pull = d.pullNode(n) },
		"rerequest":     func(n node) { a.Pull = d.pullNode(n) },
		"tag":           text(&a.Name),
		"delete_tag":    text(&a.Name),
		"delete_branch": text(&a.Name),
		"install":       func(n node) { a.Repo = repo(n) },
		"uninstall":     func(n node) { a.Repo = repo(n) },
		"suspend":       func(n node) { a.Repo = repo(n) },
	}
}

func (d *decoder) action(n node) (Action, bool) {
	a := Action{Line: line(n), Repo: d.s.Repo, Times: 1}
	if _, scalar := n.Syntax().(ast.ScalarNode); scalar && !strict.IsNull(n.Syntax()) { // "- restart"
		v, _ := n.Text("an action")
		switch v {
		case "stop", "restart", "clear_faults":
			a.Verb = v
			return a, true
		}
		n.Problemf(strconv.Quote(v), "an action with its fields", "not an action")
		return a, false
	}
	pairs := n.Mapping("an action, such as {open: {pr: 1}}")
	if len(pairs) == 0 {
		return a, false
	}
	if len(pairs) > 1 {
		n.Problemf(fmt.Sprintf("%d keys", len(pairs)), "one action an entry", "several actions in one entry")
		return a, false
	}
	p := pairs[0]
	a.Verb = p.Name
	verbs, scalars := d.verbs(&a), d.scalars(&a)
	fields, known := verbs[p.Name]
	single, short := scalars[p.Name]
	if !known && !short {
		var names []string
		for name := range verbs {
			names = append(names, name)
		}
		names = append(names, "webhooks", "advance", "clear_faults")
		p.Key.Unknown("action", p.Name, names)
		return a, false
	}
	if _, scalar := p.Syntax().(ast.ScalarNode); scalar && short || strict.IsNull(p.Syntax()) && short && !known {
		single(p.Node)
	} else if known {
		if !strict.IsNull(p.Syntax()) {
			p.Object(fields)
		}
	} else {
		single(p.Node)
	}
	d.required(p.Node, &a)
	return a, true
}

// required reports fields without which an action makes no sense.
func (d *decoder) required(n node, a *Action) {
	need := func(ok bool, what string) {
		if !ok {
			n.Problemf("", what, "%s: the key %s is missing", a.Verb, what)
		}
	}
	switch a.Verb {
	case "open", "edit", "close", "reopen", "merge", "comment", "edit_note", "click", "rerequest", "cherry_pick", "revert", "auto_merge":
		need(!a.Pull.IsZero(), "pr")
	case "push":
		need(!a.Pull.IsZero() || a.Branch != "", "pr")
	case "enqueue":
		need(len(a.Pulls) > 0, "prs")
	case "tag", "delete_tag", "branch", "delete_branch", "edit_comment":
		need(a.Name != "", "name")
	case "fault":
		need(a.Match != "", "match")
		need(a.Answer != "", "answer")
	case "grant":
		need(len(a.Grants) > 0, "contents")
	case "permission":
		need(a.User != "", "user")
		need(a.Role != "", "role")
	case "rename":
		need(a.To != "", "to")
	}
	if slices.Contains([]string{"comment", "edit_comment"}, a.Verb) {
		need(a.Body != nil, "body")
	}
}
