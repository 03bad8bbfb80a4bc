package webhook

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/work"
)

// Row says which work an event calls for.
type Row struct {
	Event   string
	Actions []string // none is any
	Kind    string   // of the work
	Why     string
	build   func(p *payload) []store.Work
}

// Table is every event that relbot listens to. Pairs that are not in it are ignored.
var Table = []Row{
	{"pull_request", []string{"opened", "reopened", "synchronize", "edited", "closed", "ready_for_review", "converted_to_draft", "enqueued", "dequeued", "auto_merge_enabled", "auto_merge_disabled"}, work.KindPull,
		"a member's head, base, state or description changed; every head needs a check", pullWork},
	{"check_run", []string{"requested_action"}, work.KindPull, "somebody pressed a button on the check", checkWork},
	{"check_run", []string{"rerequested"}, work.KindRecheck, "somebody asked for the check again", checkWork},
	{"check_suite", []string{"rerequested"}, work.KindRecheck, "somebody asked for all checks again", suiteWork},
	{"issue_comment", []string{"created"}, work.KindComment, "a comment may hold commands", commentWork},
	{"issue_comment", []string{"edited", "deleted"}, work.KindVerify, "somebody may have changed relbot's own note", editWork},
	{"push", nil, work.KindRef, "a base branch moved, or a tag was pushed", refWork},
	{"create", nil, work.KindRef, "a tag or release line was created", refWork},
	{"delete", nil, work.KindRef, "a tag or release line was deleted", refWork},
	{"release", []string{"published", "released", "prereleased", "edited", "deleted", "unpublished"}, work.KindRepo, "a release was published or withdrawn, and its tag with it", repoWork},
	{"merge_group", []string{"checks_requested", "destroyed"}, work.KindGroup, "the merge queue wants a verdict", groupWork},
	{"repository", []string{"renamed", "transferred", "archived", "unarchived", "edited", "deleted", "privatized", "publicized", "created"}, work.KindInstall, "a repository was made, or changed its name, default branch or visibility", installAndRepoWork},
	{"installation", []string{"created", "deleted", "suspend", "unsuspend", "new_permissions_accepted"}, work.KindInstall, "the App was installed or removed, or may do other things than before", grantWork},
	{"installation_repositories", []string{"added", "removed"}, work.KindInstall, "the App was installed on more or fewer repositories", installWork},
	{"installation_target", []string{"renamed"}, work.KindInstall, "an account changed its name", installWork},
}

// Routed is what became of an event.
type Routed struct {
	Action string
	Work   []store.Work // none: ignored
}

// payload is what relbot reads of an event.
type payload struct {
	event      string // X-GitHub-Event
	Action     string `json:"action"`
	Ref        string `json:"ref"`
	RefType    string `json:"ref_type"`
	Before     string `json:"before"`
	After      string `json:"after"`
	Deleted    bool   `json:"deleted"`
	Repository struct {
		FullName string `json:"full_name"`
		Private  bool   `json:"private"`
		Default  string `json:"default_branch"`
	} `json:"repository"`
	Installed []named `json:"repositories"`       // on which the App was installed, or no longer is
	Added     []named `json:"repositories_added"` // on which it is, too
	Removed   []named `json:"repositories_removed"`
	Sender    struct {
		Login string `json:"login"`
		Type  string `json:"type"`
	} `json:"sender"`
	PullRequest *pullRequest `json:"pull_request"`
	Changes     struct {     // of an edited pull request, what was before
		Base struct {
			Ref from `json:"ref"`
		} `json:"base"`
		Body *from `json:"body"`
	} `json:"changes"`
	Number int `json:"number"`
	Issue  *struct {
		Number      int            `json:"number"`
		PullRequest jsontext.Value `json:"pull_request"`
	} `json:"issue"`
	Comment *struct {
		ID        int64     `json:"id"`
		Body      string    `json:"body"`
		CreatedAt time.Time `json:"created_at"`
		User      struct {
			Login string `json:"login"`
			Type  string `json:"type"`
		} `json:"user"`
	} `json:"comment"`
	CheckRun *struct {
		DetailsURL   string        `json:"details_url"`
		PullRequests []pullRequest `json:"pull_requests"`
	} `json:"check_run"`
	CheckSuite *struct {
		PullRequests []pullRequest `json:"pull_requests"`
	} `json:"check_suite"`
	Reason     string `json:"reason"` // for which a merge group was destroyed
	MergeGroup *struct {
		HeadSHA string `json:"head_sha"`
		HeadRef string `json:"head_ref"`
		BaseSHA string `json:"base_sha"`
		BaseRef string `json:"base_ref"`
	} `json:"merge_group"`
}

// from is what a field was before an edit.
type from struct {
	From string `json:"from"`
}

type pullRequest struct {
	Number    int       `json:"number"`
	Title     string    `json:"title"`
	Body      string    `json:"body"`
	State     string    `json:"state"`
	Merged    bool      `json:"merged"`
	UpdatedAt time.Time `json:"updated_at"`
	User      struct {
		Login string `json:"login"`
		Type  string `json:"type"`
	} `json:"user"`
	Head struct {
		SHA string `json:"sha"`
	} `json:"head"`
	Base struct {
		Ref string `json:"ref"`
	} `json:"base"`
}

// Route decides what an event calls for, from its name and payload alone.
func Route(event string, raw []byte) (Routed, error) {
	p := payload{event: event}
	err := jsonv2.Unmarshal(raw, &p, lenient)
	var form *jsonv2.SemanticError
	if errors.As(err, &form) && form.JSONPointer != "" && jsontext.Value(raw).IsValid(lenient) {
		// A form that GitHub has not sent before: nothing can be read from it, and the timer will see what it was about.
		return Routed{Action: p.Action}, nil
	}
	if err != nil {
		return Routed{}, fmt.Errorf("%s: %w", event, err)
	}
	out := Routed{Action: p.Action}
	i := slices.IndexFunc(Table, func(r Row) bool {
		return r.Event == event && (r.Actions == nil || slices.Contains(r.Actions, p.Action))
	})
	if i >= 0 {
		out.Work = Table[i].build(&p)
	}
	return out, nil
}

// lenient takes every payload that GitHub's own parser would.
var lenient = jsonv2.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

func (p *payload) repo() coupling.Repo { return coupling.Repo(p.Repository.FullName) }

func (p *payload) pull(n int) coupling.Pull { return coupling.Pull{Repo: p.repo(), Number: n} }

func pullWork(p *payload) []store.Work {
	r := p.PullRequest
	if r == nil || p.Repository.FullName == "" || r.Number == 0 {
		return nil
	}
	said := work.PullPayload{
		Action: p.Action, Head: r.Head.SHA, Base: r.Base.Ref, State: r.State, Title: r.Title, Body: r.Body,
		Author: r.User.Login, Bot: r.User.Type == "Bot", Private: p.Repository.Private, UpdatedAt: r.UpdatedAt,
	}
	if r.Merged {
		said.State = "merged"
	}
	rows := []store.Work{work.PullEvent(p.pull(r.Number), said, p.changed(said)...)}
	if r.Merged {
		// A merge moves the base, and a release may have been cut in between.
		rows = append(rows, work.Repo(p.repo()))
	}
	return rows
}

// changed lists what an event says that it changed of its pull request. One that changed nothing of what relbot reads tells its moment.
func (p *payload) changed(said work.PullPayload) []work.Change {
	var out []work.Change
	add := func(of, from, to string) {
		if from != to {
			out = append(out, work.Change{At: said.UpdatedAt, Of: of, From: from, To: to})
		}
	}
	switch p.Action {
	case "synchronize":
		add("head", p.Before, said.Head)
	case "edited":
		if from := p.Changes.Base.Ref.From; from != "" {
			add("base", from, said.Base)
		}
		if from := p.Changes.Body; from != nil {
			add("body", work.Digest(from.From), work.Digest(said.Body))
		}
	case "closed":
		add("state", "open", said.State)
	case "reopened":
		add("state", "closed", "open")
	case "converted_to_draft":
		add("draft", "false", "true")
	case "ready_for_review":
		add("draft", "true", "false")
	}
	if len(out) == 0 {
		out = []work.Change{{At: said.UpdatedAt}}
	}
	return out
}

// ofHead is the work of a button. Checks on heads of forks name no pull request; then every one of the repository is looked at.
func (p *payload) ofHead(pulls []pullRequest, details string) []store.Work {
	if p.Repository.FullName == "" {
		return nil
	}
	look := work.Pull
	if p.Action == "rerequested" {
		look = work.Recheck
	}
	var rows []store.Work
	for _, r := range pulls {
		rows = append(rows, look(p.pull(r.Number)))
	}
	if len(rows) > 0 {
		return rows
	}
	if _, rest, ok := strings.Cut(details, "/pulls/"+p.Repository.FullName+"/"); ok { // the page, whose address may hold a key
		number, _, _ := strings.Cut(rest, "?")
		if n, err := strconv.Atoi(number); err == nil && n > 0 {
			return []store.Work{look(p.pull(n))}
		}
	}
	return []store.Work{work.Backfill(p.repo())}
}

func checkWork(p *payload) []store.Work {
	if p.CheckRun == nil {
		return nil
	}
	return p.ofHead(p.CheckRun.PullRequests, p.CheckRun.DetailsURL)
}

func suiteWork(p *payload) []store.Work {
	if p.CheckSuite == nil {
		return nil
	}
	return p.ofHead(p.CheckSuite.PullRequests, "")
}

// onPull reports whether a comment is on a pull request.
func (p *payload) onPull() bool {
	return p.Issue != nil && p.Comment != nil && p.Repository.FullName != "" && len(p.Issue.PullRequest) > 0 && string(p.Issue.PullRequest) != "null"
}

func commentWork(p *payload) []store.Work {
	if !p.onPull() || p.Comment.User.Type == "Bot" || p.Sender.Type == "Bot" || !strings.Contains(strings.ToLower(p.Comment.Body), "relbot") {
		return nil
	}
	return []store.Work{work.Comment(p.pull(p.Issue.Number), work.CommentPayload{
		ID: p.Comment.ID, Body: p.Comment.Body, Author: p.Comment.User.Login, Created: p.Comment.CreatedAt,
	})}
}

func editWork(p *payload) []store.Work {
	if !p.onPull() || p.Comment.User.Type != "Bot" || p.Sender.Type == "Bot" {
		return nil // people's edits run nothing, and relbot's own need no look
	}
	return []store.Work{work.Verify(p.pull(p.Issue.Number))}
}

// refWork is the work of a branch or tag that moved, was made or deleted. Most branches are heads of pull requests, of which nothing but
// these depends: which are bases is not known here. Pushes name the ref in full, other events its kind as well.
func refWork(p *payload) []store.Work {
	ref := p.Ref
	switch p.RefType {
	case "branch":
		ref = "refs/heads/" + p.Ref
	case "tag":
		ref = "refs/tags/" + p.Ref
	}
	if p.Repository.FullName == "" || !strings.HasPrefix(ref, "refs/") {
		return repoWork(p)
	}
	if strings.HasPrefix(ref, "refs/heads/gh-readonly-queue/") {
		return nil
	}
	return []store.Work{work.Ref(p.repo(), ref, work.RefPayload{
		After: commitOf(p.After), Before: commitOf(p.Before), Gone: p.Deleted || p.event == "delete",
	})}
}

// commitOf returns a commit's id, or "" for the zeros that GitHub writes for none.
func commitOf(id string) string {
	if strings.Trim(id, "0") == "" {
		return ""
	}
	return id
}

func repoWork(p *payload) []store.Work {
	if p.Repository.FullName == "" {
		return nil
	}
	return []store.Work{work.Repo(p.repo())}
}

func groupWork(p *payload) []store.Work {
	g := p.MergeGroup
	if g == nil || p.Repository.FullName == "" {
		return nil
	}
	return []store.Work{work.Group(p.repo(), work.GroupPayload{
		Action: p.Action, Head: g.HeadSHA, HeadRef: g.HeadRef, BaseSHA: g.BaseSHA, BaseRef: g.BaseRef, Reason: p.Reason,
	})}
}

// named names a repository.
type named struct {
	FullName string `json:"full_name"`
}

// installWork names some of the repositories that the list must have, and must not have.
func installWork(p *payload) []store.Work {
	listed := p.Added
	switch {
	case p.event == "installation" && p.Action == "created":
		listed = p.Installed
	case p.event == "repository" && (p.Action == "created" || p.Action == "renamed"):
		listed = []named{{p.Repository.FullName}}
	}
	gone := p.Removed
	if p.event == "installation" && p.Action == "deleted" {
		gone = p.Installed
	}
	return []store.Work{work.Installed(work.InstallPayload{Listed: namesOf(listed), Gone: namesOf(gone)})}
}

// namesOf returns a few of the names.
func namesOf(repos []named) []coupling.Repo {
	names := []coupling.Repo{}
	for _, r := range repos[:min(len(repos), 10)] {
		if r.FullName != "" {
			names = append(names, coupling.Repo(r.FullName))
		}
	}
	return names
}

// grantWork is installWork where an account may have changed what it lets relbot do: what was refused is tried again.
func grantWork(p *payload) []store.Work {
	return append(installWork(p), work.Refused())
}

func installAndRepoWork(p *payload) []store.Work { return append(installWork(p), repoWork(p)...) }
