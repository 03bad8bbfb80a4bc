package ghsim

import (
	"fmt"
	"time"

	"github.com/relbot/relbot/internal/coupling"
)

// Clone is a repository as git has it, to be served under GitHub's interfaces with its own ids.
type Clone struct {
	Name     coupling.Repo
	Commits  []ClonedCommit    // parents before children
	Branches map[string]string // to commit ids; one of them is main
	Tags     map[string]string // to commit ids
}

// ClonedCommit is a commit with all of its files.
type ClonedCommit struct {
	ID, Author, Email, Message string
	Parents                    []string
	Authored, Committed        time.Time
	Files                      map[string]string // path to content
	Links                      map[string]string // path to target
}

// AddClone makes a repository of what was read from a real one.
func (g *GitHub) AddClone(c Clone) error {
	if err := g.CreateRepo(RepoSpec{Name: c.Name}); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	r, _ := g.find(c.Name)
	for _, in := range c.Commits {
		files := map[string]string{}
		for path, text := range in.Files {
			files[path] = r.blob(text)
		}
		for path, target := range in.Links {
			files[path] = r.blob(target)
			r.links[files[path]] = true
		}
		x := &commit{id: in.ID, seq: int(g.newID()), tree: r.writeTree(files), author: in.Author, committer: in.Author, mail: in.Email,
			message: in.Message, date: in.Committed.UTC(), authored: in.Authored.UTC()}
		for _, p := range in.Parents {
			parent := r.commits[p]
			if parent == nil {
				return fmt.Errorf("%s: the parent %s of %s comes after it", c.Name, p, in.ID)
			}
			x.parents = append(x.parents, parent)
		}
		r.commits[in.ID] = x
	}
	for name, id := range c.Branches {
		r.branches[name] = r.commits[id]
	}
	for name, id := range c.Tags {
		r.tags[name] = tag{commit: r.commits[id]}
	}
	return nil
}
