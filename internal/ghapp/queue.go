package ghapp

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/versionscan"
)

// queuePage is a page of the entries of a merge queue, with its settings.
type queuePage struct {
	MergeQueue *struct {
		Configuration struct {
			Strategy string `json:"mergingStrategy"`
			Method   string `json:"mergeMethod"`
			Build    int    `json:"maximumEntriesToBuild"`
			Timeout  int    `json:"checkResponseTimeout"` // in minutes
		} `json:"configuration"`
		Entries struct {
			Nodes []*struct {
				Position int `json:"position"`
				Head     *struct {
					OID string `json:"oid"`
				} `json:"headCommit"`
				Pull *struct {
					Number int `json:"number"`
				} `json:"pullRequest"`
			} `json:"nodes"`
			PageInfo pageInfo `json:"pageInfo"`
		} `json:"entries"`
	} `json:"mergeQueue"`
}

// errNoEntries ends the reading of a queue whose entries are not all readable. The answer holds the reason.
var errNoEntries = errors.New("the entries of the merge queue cannot be read")

// Queue reads the merge queue of a branch. What of it GitHub does not tell is not known; the error says that it did not answer.
func (a *App) Queue(ctx context.Context, repo coupling.Repo, branch string) (forge.Queue, error) {
	out := forge.Queue{}
	var entries []placedEntry
	var cursor any
	err := a.pages(ctx, ofEntries, repo, func(ctx context.Context, size int) (bool, error) {
		var v variables
		text := v.repositoryOf("r", repo) + " { mergeQueue(branch: " + v.text(branch) + ") { configuration { mergingStrategy mergeMethod maximumEntriesToBuild checkResponseTimeout } entries(first: " +
			v.add("Int!", size) + ", after: " + v.add("String", cursor) + ") { nodes { position headCommit { oid } pullRequest { number } } pageInfo { hasNextPage endCursor } } } }"
		ans, err := a.query(ctx, repo, v.declare()+" { "+text+" }", v.values)
		if err != nil {
			return false, err
		}
		var page queuePage
		if err := json.Unmarshal(orNull(ans.Data["r"]), &page); err != nil {
			return false, &forge.RetryError{Err: fmt.Errorf("merge queue: %w", err)}
		}
		if page.MergeQueue == nil {
			out.Entries.Why = "GitHub shows no merge queue"
			if e := ans.lacks("r"); e != nil {
				out.Entries.Why = e.Message
			}
			return false, errNoEntries
		}
		c := page.MergeQueue.Configuration
		out.Strategy, out.Method, out.Build, out.Timeout = c.Strategy, c.Method, c.Build, time.Duration(c.Timeout)*time.Minute
		if e := ans.lacks("r", "mergeQueue", "entries"); e != nil {
			out.Entries.Why = e.Message
			return false, errNoEntries
		}
		for _, n := range page.MergeQueue.Entries.Nodes {
			if n == nil || n.Pull == nil { // it may be any pull request
				out.Entries.Why = "an entry of the merge queue names no pull request"
				return false, errNoEntries
			}
			e := placedEntry{forge.QueueEntry{Pull: coupling.Pull{Repo: repo, Number: n.Pull.Number}}, n.Position}
			if n.Head != nil {
				e.Head = n.Head.OID
			}
			entries = append(entries, e)
		}
		cursor = page.MergeQueue.Entries.PageInfo.EndCursor
		return page.MergeQueue.Entries.PageInfo.HasNextPage, nil
	})
	switch {
	case errors.Is(err, errNoEntries):
		return out, nil
	case err != nil:
		out.Entries.Why = err.Error()
		return out, err
	}
	slices.SortStableFunc(entries, func(x, y placedEntry) int { return cmp.Compare(x.position, y.position) })
	list := make([]forge.QueueEntry, len(entries))
	for i, e := range entries {
		list[i] = e.QueueEntry
	}
	out.Entries = versionscan.Know(list)
	return out, nil
}

// placedEntry is an entry with its place in the queue.
type placedEntry struct {
	forge.QueueEntry
	position int
}

// orNull is an answer, null where there is none.
func orNull(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage("null")
	}
	return raw
}

// Green reports whether all checks have passed on a merge group's head that its pull request requires, but for the one called own. A check that
// the pull request's own head shows as required, and the group's head does not show yet, has not passed.
func (a *App) Green(ctx context.Context, group forge.GroupHead, own string) (bool, error) {
	required, err := a.required(ctx, group.Pull, func(v *variables) string {
		return "pullRequest(number: " + v.add("Int!", group.Pull.Number) + ") { commits(last: 1) { nodes { commit { %s } } } }"
	})
	if err != nil {
		return false, err
	}
	shown, err := a.required(ctx, group.Pull, func(v *variables) string {
		return "object(oid: " + v.add("GitObjectID!", group.Head) + ") { ... on Commit { %s } }"
	})
	if err != nil {
		return false, err
	}
	delete(required, own)
	delete(shown, own)
	for name := range required {
		if !shown[name] {
			return false, nil
		}
	}
	for _, passed := range shown {
		if !passed {
			return false, nil
		}
	}
	return true, nil
}

// rollupNode is a commit with what checks and statuses say of it.
type rollupNode struct {
	Rollup *struct {
		Contexts struct {
			Nodes []*struct {
				Name       string `json:"name"` // of a check run
				Status     string `json:"status"`
				Conclusion string `json:"conclusion"`
				Context    string `json:"context"` // of a status
				State      string `json:"state"`
				Required   bool   `json:"isRequired"`
			} `json:"nodes"`
			PageInfo pageInfo `json:"pageInfo"`
		} `json:"contexts"`
	} `json:"statusCheckRollup"`
}

// errChecks says that the checks of a commit could not be read.
var errChecks = errors.New("the checks of the commit could not be read")

// required tells of the checks on a commit that a pull request requires whether they have passed, by name. to leads to the commit.
func (a *App) required(ctx context.Context, p coupling.Pull, to func(v *variables) string) (map[string]bool, error) {
	out := map[string]bool{}
	var cursor any
	return out, a.pages(ctx, ofContexts, p.Repo, func(ctx context.Context, size int) (bool, error) {
		var v variables
		of := "isRequired(pullRequestNumber: " + v.add("Int!", p.Number) + ")"
		contexts := "statusCheckRollup { contexts(first: " + v.add("Int!", size) + ", after: " + v.add("String", cursor) + ") { nodes { ... on CheckRun { name status conclusion " + of + " } ... on StatusContext { context state " + of +
			" } } pageInfo { hasNextPage endCursor } } }"
		text := v.repositoryOf("r", p.Repo) + " { at: " + fmt.Sprintf(to(&v), contexts) + " }"
		ans, err := a.query(ctx, p.Repo, v.declare()+" { "+text+" }", v.values)
		if err == nil {
			err = ans.whole("r")
		}
		if err != nil {
			return false, err
		}
		var r struct {
			At *struct {
				rollupNode
				Commits struct {
					Nodes []struct {
						Commit rollupNode `json:"commit"`
					} `json:"nodes"`
				} `json:"commits"`
			} `json:"at"`
		}
		if err := json.Unmarshal(orNull(ans.Data["r"]), &r); err != nil || r.At == nil {
			return false, errors.Join(errChecks, err)
		}
		c := r.At.rollupNode
		if len(r.At.Commits.Nodes) > 0 {
			c = r.At.Commits.Nodes[0].Commit
		}
		if c.Rollup == nil { // nothing was posted there
			return false, nil
		}
		for _, n := range c.Rollup.Contexts.Nodes {
			if n == nil {
				return false, errChecks
			}
			if n.Required {
				name, passed := cmp.Or(n.Name, n.Context), n.State == "SUCCESS" || n.Status == "COMPLETED" && slices.Contains([]string{"SUCCESS", "NEUTRAL", "SKIPPED"}, n.Conclusion)
				other, two := out[name] // of two Apps
				out[name] = passed && (!two || other)
			}
		}
		cursor = c.Rollup.Contexts.PageInfo.EndCursor
		return c.Rollup.Contexts.PageInfo.HasNextPage, nil
	})
}
