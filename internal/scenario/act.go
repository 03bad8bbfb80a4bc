package scenario

import (
	"context"
	"fmt"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim"
)

// do performs one action.
func (w *World) do(ctx context.Context, a Action) error {
	act, ok := verbs[a.Verb]
	if !ok {
		return fmt.Errorf("no such action: %s", a.Verb)
	}
	return act(w, ctx, a)
}

// act performs an action of one verb.
type act = func(w *World, ctx context.Context, a Action) error

// verbs are all verbs: what people and release tools do on GitHub, what goes wrong there, and what happens to the server.
var verbs = map[string]act{
	"open":          onGitHub(open),
	"push":          onGitHub(push),
	"edit":          onGitHub(edit),
	"close":         onGitHub(func(g *ghsim.GitHub, a Action) error { return g.Close(a.Pull, a.By) }),
	"reopen":        onGitHub(func(g *ghsim.GitHub, a Action) error { return g.Reopen(a.Pull, a.By) }),
	"merge":         onGitHub(merge),
	"enqueue":       (*World).enqueue,
	"auto_merge":    onGitHub(autoMerge),
	"tag":           onGitHub(tag),
	"delete_tag":    onGitHub(func(g *ghsim.GitHub, a Action) error { return g.DeleteTag(a.Repo, a.Name) }),
	"branch":        onGitHub(branch),
	"delete_branch": onGitHub(func(g *ghsim.GitHub, a Action) error { return g.DeleteBranch(a.Repo, a.Name) }),
	"cherry_pick":   onGitHub(cherryPick),
	"revert":        onGitHub(revert),
	"comment":       (*World).comment,
	"edit_comment":  (*World).editComment,
	"edit_note":     onGitHub(editNote),
	"permission":    onGitHub(func(g *ghsim.GitHub, a Action) error { return g.SetPermission(a.Repo, a.User, a.Role) }),
	"policy":        onGitHub(policy),
	"click":         onGitHub(func(g *ghsim.GitHub, a Action) error { return g.Click(a.Pull, a.Button) }),
	"rerequest":     onGitHub(rerequest),
	"webhooks":      onGitHub(func(g *ghsim.GitHub, a Action) error { return g.SetWebhooks(a.Mode) }),
	"fault":         onGitHub(fault),
	"lag":           (*World).setLag,
	"clear_faults":  onGitHub(func(g *ghsim.GitHub, _ Action) error { g.ClearFaults(); return nil }),
	"advance":       func(w *World, ctx context.Context, a Action) error { return w.advance(ctx, a.Duration) },
	"stop":          func(w *World, ctx context.Context, _ Action) error { w.kill(ctx); return nil },
	"restart":       func(w *World, ctx context.Context, a Action) error { return w.restart(ctx, a.LoseDatabase) },
	"grant":         onGitHub(func(g *ghsim.GitHub, a Action) error { return g.Regrant(a.Repo, a.Grants) }),
	"install":       onGitHub(func(g *ghsim.GitHub, a Action) error { return g.Install(a.Repo) }),
	"uninstall":     onGitHub(func(g *ghsim.GitHub, a Action) error { return g.Uninstall(a.Repo) }),
	"suspend":       onGitHub(func(g *ghsim.GitHub, a Action) error { return g.Suspend(a.Repo) }),
	"rename":        onGitHub(func(g *ghsim.GitHub, a Action) error { return g.Rename(a.Repo, coupling.Repo(a.To)) }),
}

// onGitHub is an action that concerns GitHub alone.
func onGitHub(do func(g *ghsim.GitHub, a Action) error) act {
	return func(w *World, _ context.Context, a Action) error { return do(w.GitHub, a) }
}

func or(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

func open(g *ghsim.GitHub, a Action) error {
	return g.Open(ghsim.OpenSpec{
		Repo: a.Pull.Repo, Number: a.Pull.Number, By: a.By, Title: or(a.Title), Body: or(a.Body), Base: or(a.Base), From: a.From, Files: a.Files,
		Draft: a.Draft != nil && *a.Draft, Fork: a.Fork,
	})
}

func push(g *ghsim.GitHub, a Action) error {
	if !a.Pull.IsZero() {
		a.Repo = a.Pull.Repo
	}
	return g.Push(ghsim.PushSpec{Repo: a.Repo, Pull: a.Pull.Number, Branch: a.Branch, Files: a.Files, By: a.By, Message: a.Message, Force: a.Force})
}

func edit(g *ghsim.GitHub, a Action) error {
	return g.Edit(ghsim.EditSpec{Pull: a.Pull, Title: a.Title, Body: a.Body, Base: a.Base, Draft: a.Draft, By: a.By})
}

// merge asks for a merge; a refused one changes nothing.
func merge(g *ghsim.GitHub, a Action) error {
	g.Merge(ghsim.MergeSpec{Pull: a.Pull, By: a.By, Method: a.Method, Bypass: a.Bypass, SaysMergedOnly: a.SaysMergedOnly})
	return nil
}

// enqueue puts pull requests into a merge queue; one that GitHub refuses stays out.
func (w *World) enqueue(_ context.Context, a Action) error {
	var numbers []int
	for _, p := range a.Pulls {
		numbers = append(numbers, p.Number)
	}
	grouping := ""
	if a.Together {
		grouping = "HEADGREEN"
	}
	if err := w.GitHub.Grouping(a.Pulls[0].Repo, grouping); err != nil {
		return err
	}
	w.queued = a.Pulls
	_, _ = w.GitHub.Enqueue(a.Pulls[0].Repo, numbers)
	return nil
}

// autoMerge turns auto-merge on or off; where GitHub refuses, nothing changes.
func autoMerge(g *ghsim.GitHub, a Action) error {
	_ = g.AutoMerge(ghsim.AutoMergeSpec{Pull: a.Pull, By: a.By, Off: a.Off})
	return nil
}

func tag(g *ghsim.GitHub, a Action) error {
	return g.Tag(a.Repo, ghsim.TagSpec{Name: a.Name, On: a.On, Files: a.Files, Annotated: a.Annotated, Quiet: a.Quiet, OffBranch: len(a.Files) > 0})
}

func branch(g *ghsim.GitHub, a Action) error {
	return g.Branch(a.Repo, ghsim.BranchSpec{Name: a.Name, From: a.From, Files: a.Files})
}

func cherryPick(g *ghsim.GitHub, a Action) error {
	return g.CherryPick(ghsim.CherrySpec{Pull: a.Pull, To: a.To, Trailer: a.Trailer, NumberInSubject: a.NumberInSubject, By: a.By})
}

func revert(g *ghsim.GitHub, a Action) error {
	return g.Revert(ghsim.RevertSpec{Pull: a.Pull, ByPR: a.ByPR, Message: a.Message, By: a.By})
}

func (w *World) comment(_ context.Context, a Action) error {
	id := w.GitHub.Comment(ghsim.CommentSpec{Pull: a.Pull, By: a.By, Body: *a.Body, Bot: a.Bot})
	if a.Name != "" {
		w.comments[a.Name] = id
	}
	return nil
}

func (w *World) editComment(_ context.Context, a Action) error {
	id, ok := w.comments[a.Name]
	if !ok {
		return fmt.Errorf("no comment was named %q", a.Name)
	}
	return w.GitHub.EditComment(id, a.By, *a.Body)
}

// editNote changes relbot's own note as a person with write access could.
func editNote(g *ghsim.GitHub, a Action) error {
	for _, c := range g.Comments(a.Pull) {
		if !IsNote(c) || c.Minimized != "" {
			continue
		}
		body := c.Body + a.Append
		if a.Body != nil {
			body = *a.Body
		}
		return g.EditComment(c.ID, a.By, body)
	}
	return fmt.Errorf("%s has no note", a.Pull)
}

// policy changes the policy on the default branch, or opens a pull request that does.
func policy(g *ghsim.GitHub, a Action) error {
	files := map[string]*string{".github/relbot.yml": &a.Text}
	if !a.Pull.IsZero() {
		return g.Open(ghsim.OpenSpec{Repo: a.Pull.Repo, Number: a.Pull.Number, By: a.By, Title: "Change the policy", Files: files})
	}
	return g.Push(ghsim.PushSpec{Repo: a.Repo, Branch: "main", Files: files, By: a.By, Message: "change the policy"})
}

func rerequest(g *ghsim.GitHub, a Action) error {
	return g.Rerequest(ghsim.RerequestSpec{Pull: a.Pull, Run: a.Run, Suite: a.Suite})
}

func fault(g *ghsim.GitHub, a Action) error {
	return g.AddFault(ghsim.Fault{Match: a.Match, Answer: a.Answer, Times: a.Times, Lasts: a.Lasts, RetryAfter: a.RetryAfter, Account: a.Account, Over: a.Over})
}

// setLag changes the lags that the action names.
func (w *World) setLag(_ context.Context, a Action) error {
	for _, l := range []struct{ set, of *time.Duration }{{a.Lag.Commits, &w.lag.Commits}, {a.Lag.Reads, &w.lag.Reads}, {a.Lag.Lists, &w.lag.Lists}} {
		if l.set != nil {
			*l.of = *l.set
		}
	}
	w.GitHub.SetLag(w.lag)
	return nil
}
