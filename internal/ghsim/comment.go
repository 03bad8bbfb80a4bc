package ghsim

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/relbot/relbot/internal/coupling"
)

// maxBody is the most characters that the body of a comment or an issue may have.
const maxBody = 65536

var errTooLong = fmt.Errorf("body is too long (maximum is %d characters)", maxBody)

// comment is a comment on a pull request or an issue of its repository.
type comment struct {
	id               int64
	node             string
	repo             *repo
	number           int
	author, body     string
	minimized        string // why, in GitHub's lower-case form; "" while it is shown
	created, updated time.Time
	edited           bool
	reactions        []*reaction
}

type reaction struct {
	id      int64
	by      string
	content string
	created time.Time
}

// issue is an issue that is no pull request.
type issue struct {
	id                         int64
	node                       string
	number                     int
	repo                       *repo
	title, body, author        string
	labels                     []string
	closed                     bool
	reason                     string // why it is in its state: "completed", "not_planned", "reopened" or ""
	created, updated, closedAt time.Time
}

// Comment is a comment as people see it.
type Comment struct {
	ID        int64
	NodeID    string
	Author    string // an App's ends in "[bot]"
	Bot       bool
	Own       bool // by the App
	Body      string
	Minimized string   // the reason ("outdated"); "" while it is shown
	Reactions []string // the App's own
	Edited    bool
	Created   time.Time
}

// CommentSpec describes a new comment.
type CommentSpec struct {
	Pull coupling.Pull // or an issue
	By   string        // "contributor" when empty
	Body string
	Bot  bool // By is an App
}

// Comment comments. The id is 0 when there is nothing to comment on or the text is too long; then [GitHub.Problems]
// says so.
func (g *GitHub) Comment(spec CommentSpec) (id int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	by := cmp.Or(spec.By, anybody)
	if spec.Bot && !isBot(by) {
		by += "[bot]"
	}
	r, err := g.repo(spec.Pull.Repo)
	if err == nil {
		var c *comment
		if c, err = g.comment(r, spec.Pull.Number, by, spec.Body); err == nil {
			return c.id
		}
	}
	g.problem("comment on %s: %v", spec.Pull, err)
	return 0
}

func (g *GitHub) comment(r *repo, number int, by, body string) (*comment, error) {
	if r.pulls[number] == nil && r.issues[number] == nil {
		return nil, fmt.Errorf("%s: no pull request or issue #%d", r.name, number)
	}
	if err := checkBody(body); err != nil {
		return nil, err
	}
	c := &comment{id: g.newID(), repo: r, number: number, author: by, body: body, created: g.now(), updated: g.now()}
	c.node = g.node("IC", c.id, c)
	r.comments = append(r.comments, c)
	r.touch(number, g.now())
	g.emit(r, "issue_comment", "created", object{"issue": g.numberJSON(r, number), "comment": g.commentJSON(c)}, by)
	return c, nil
}

func checkBody(body string) error {
	if strings.TrimSpace(body) == "" {
		return errors.New("body cannot be blank")
	}
	if utf8.RuneCountInString(body) > maxBody {
		return errTooLong
	}
	return nil
}

// touch notes a change of a pull request or issue.
func (r *repo) touch(number int, now time.Time) {
	if p := r.pulls[number]; p != nil {
		p.updated = now
	}
	if i := r.issues[number]; i != nil {
		i.updated = now
	}
}

// EditComment changes a comment's text, no matter who wrote it: people with write access may.
func (g *GitHub) EditComment(id int64, by, body string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range g.repos {
		if c := r.comment(id); c != nil {
			return g.editComment(c, cmp.Or(by, c.author), body)
		}
	}
	return fmt.Errorf("no comment %d", id)
}

func (r *repo) comment(id int64) *comment {
	i := slices.IndexFunc(r.comments, func(c *comment) bool { return c.id == id })
	if i < 0 {
		return nil
	}
	return r.comments[i]
}

func (g *GitHub) editComment(c *comment, by, body string) error {
	if err := checkBody(body); err != nil {
		return err
	}
	old := c.body
	c.body, c.updated, c.edited = body, g.now(), true
	g.emit(c.repo, "issue_comment", "edited", object{
		"issue": g.numberJSON(c.repo, c.number), "comment": g.commentJSON(c), "changes": object{"body": object{"from": old}},
	}, by)
	return nil
}

func (g *GitHub) deleteComment(c *comment, by string) {
	r := c.repo
	r.comments = slices.DeleteFunc(r.comments, func(x *comment) bool { return x == c })
	delete(g.nodes, c.node)
	g.emit(r, "issue_comment", "deleted", object{"issue": g.numberJSON(r, c.number), "comment": g.commentJSON(c)}, by)
}

// Comments lists the comments of a pull request or issue, oldest first.
func (g *GitHub) Comments(key coupling.Pull) []Comment {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.repo(key.Repo)
	if err != nil {
		return nil
	}
	return g.commentsOf(r, key.Number)
}

func (g *GitHub) commentsOf(r *repo, number int) []Comment {
	var out []Comment
	for _, c := range r.commentsOn(number) {
		view := Comment{
			ID: c.id, NodeID: c.node, Author: c.author, Bot: isBot(c.author), Own: c.author == g.bot(), Body: c.body,
			Minimized: c.minimized, Edited: c.edited, Created: c.created,
		}
		for _, x := range c.reactions {
			if x.by == g.bot() {
				view.Reactions = append(view.Reactions, x.content)
			}
		}
		out = append(out, view)
	}
	return out
}

func (r *repo) commentsOn(number int) []*comment {
	var out []*comment
	for _, c := range r.comments {
		if c.number == number {
			out = append(out, c)
		}
	}
	return out
}

// listedOn lists the comments as the API does.
func (g *GitHub) listedOn(r *repo, number int) []*comment {
	return slices.DeleteFunc(r.commentsOn(number), func(c *comment) bool { return !g.listed(c.created) })
}

// Issue is an issue as people see it.
type Issue struct {
	Number   int
	Title    string
	Body     string
	Author   string
	Own      bool // opened by the App
	Open     bool
	Labels   []string
	Comments []Comment
}

// Issues lists a repository's issues by number; pull requests are not among them.
func (g *GitHub) Issues(name coupling.Repo) []Issue {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.repo(name)
	if err != nil {
		return nil
	}
	var out []Issue
	for _, n := range slices.Sorted(maps.Keys(r.issues)) {
		i := r.issues[n]
		out = append(out, Issue{
			Number: n, Title: i.title, Body: i.body, Author: i.author, Own: i.author == g.bot(), Open: !i.closed,
			Labels: slices.Clone(i.labels), Comments: g.commentsOf(r, n),
		})
	}
	return out
}

// issueInput is the body of a request that makes or changes an issue.
type issueInput struct {
	Title       *string   `json:"title"`
	Body        *string   `json:"body"`
	Labels      *[]string `json:"labels"`
	State       *string   `json:"state"`
	StateReason *string   `json:"state_reason"`
}

func (in issueInput) validate() error {
	switch {
	case in.Title != nil && (strings.TrimSpace(*in.Title) == "" || utf8.RuneCountInString(*in.Title) > 256):
		return errors.New("title has 1 to 256 characters")
	case in.Body != nil && utf8.RuneCountInString(*in.Body) > maxBody:
		return errTooLong
	case in.State != nil && *in.State != "open" && *in.State != "closed":
		return fmt.Errorf("state %q is not in the list", *in.State)
	}
	return nil
}

// firstIssue is the number of a repository's first issue, above those that stories give to pull requests.
const firstIssue = 1001

func (g *GitHub) createIssue(r *repo, in issueInput, by string) *issue {
	n := firstIssue
	for r.pulls[n] != nil || r.issues[n] != nil {
		n++
	}
	i := &issue{id: g.newID(), number: n, repo: r, title: *in.Title, author: by, created: g.now(), updated: g.now()}
	i.node = g.node("I", i.id, i)
	if in.Body != nil {
		i.body = *in.Body
	}
	if in.Labels != nil {
		g.label(i, *in.Labels)
	}
	r.issues[n] = i
	g.emit(r, "issues", "opened", object{"issue": g.issueJSON(i)}, by)
	return i
}

// label sets an issue's labels; those that the repository has not are made.
func (g *GitHub) label(i *issue, labels []string) {
	i.labels = nil
	for _, l := range labels {
		if i.repo.labels[l] == 0 {
			i.repo.labels[l] = g.newID()
		}
		if !slices.Contains(i.labels, l) {
			i.labels = append(i.labels, l)
		}
	}
}

func (g *GitHub) editIssue(i *issue, in issueInput, by string) {
	changes := object{}
	if in.Title != nil && *in.Title != i.title {
		changes["title"] = object{"from": i.title}
		i.title = *in.Title
	}
	if in.Body != nil && *in.Body != i.body {
		changes["body"] = object{"from": i.body}
		i.body = *in.Body
	}
	if in.Labels != nil {
		g.label(i, *in.Labels)
	}
	i.updated = g.now()
	if len(changes) > 0 {
		g.emit(i.repo, "issues", "edited", object{"issue": g.issueJSON(i), "changes": changes}, by)
	}
	if in.State == nil || i.closed == (*in.State == "closed") {
		return
	}
	if i.closed = !i.closed; i.closed {
		i.closedAt, i.reason = g.now(), "completed"
		if in.StateReason != nil {
			i.reason = *in.StateReason
		}
		g.emit(i.repo, "issues", "closed", object{"issue": g.issueJSON(i)}, by)
	} else {
		i.closedAt, i.reason = time.Time{}, "reopened"
		g.emit(i.repo, "issues", "reopened", object{"issue": g.issueJSON(i)}, by)
	}
}
