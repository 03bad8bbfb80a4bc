package reconcile

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/relbot/relbot/internal/command"
	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/work"
)

// propose resolves the pull requests that a line of a description names; a line that names only its own pull request proposes nothing.
func (r *Reconciler) propose(ctx context.Context, p coupling.Pull, l command.BodyLine) ([]coupling.Pull, error) {
	var out []coupling.Pull
	n := r.names(p.Repo)
	for _, t := range l.Targets {
		q, err := t.In(p.Repo)
		if err != nil {
			continue
		}
		if err := n.pull(ctx, &q); err != nil {
			return nil, err
		}
		if q != p {
			out = append(out, q)
		}
	}
	return out, nil
}

// take makes a line of a description take effect, once and for good: the pull requests are linked, and for Merge-After and
// Depends-On the others come first.
func (r *Reconciler) take(ctx context.Context, p coupling.Pull, l command.BodyLine, others []coupling.Pull, author string, when time.Time) error {
	pulls := append([]coupling.Pull{p}, others...)
	found, _, err := r.find(ctx, p, others, "")
	if err != nil {
		return err
	}
	c := coupling.Coupling{Name: coupling.DefaultRole(p, p.Repo), Home: p.Repo, SameRelease: true, Origin: coupling.FromBody}
	for _, f := range found {
		if f.End == nil {
			c = f
			break
		}
	}
	at := when.UnixMilli()
	e := coupling.Effect{
		At: at, ID: fmt.Sprintf("%s body %s", p, l.Raw), Verb: coupling.Link, Origin: coupling.FromBody, By: author, Coupling: c.Name,
	}
	for _, q := range pulls {
		if _, is := c.ByPull(q); !is {
			e.Members = append(e.Members, coupling.Member{Role: coupling.DefaultRole(q, c.Home), Pull: q})
		}
	}
	if refusal, err := r.apply(ctx, c, e); err != nil || refusal != nil {
		return err
	}
	if l.Key == command.ShipsWith {
		return nil
	}
	_ = c.Apply(e) // it held a moment ago
	for i, q := range others {
		before, _ := c.ByPull(q)
		after, _ := c.ByPull(p)
		edge := coupling.Effect{
			At: at, Line: i + 1, ID: fmt.Sprintf("%s edge %d", e.ID, i), Verb: coupling.Order, Origin: coupling.FromBody, By: author, Coupling: c.Name,
			Edge: coupling.Edge{Before: before.Role, After: after.Role, Reason: fmt.Sprintf("%s in the description of %s", l.Key, p.In(c.Home))},
		}
		if _, err := r.apply(ctx, c, edge); err != nil {
			return err
		}
		_ = c.Apply(edge) // a cycle was refused by apply, and is refused here
	}
	return nil
}

var (
	ends     = regexp.MustCompile(`(?i)\b(?:supersedes?|replaces?|closes?|closed|fix(?:es|ed)?|resolves?|resolved|obsoletes?|instead of|in favou?r of this[:,]?)[ :]+((?:[\w./-]*#\d+(?:, and |, | and | & )?)+)`)
	pullName = regexp.MustCompile(`(?:[\w.-]+/[\w.-]+)?#\d+`)
)

// ended are the pull requests that a description says its own does away with.
func ended(p coupling.Pull, body string) []coupling.Pull {
	var out []coupling.Pull
	for _, m := range ends.FindAllStringSubmatch(body, -1) {
		for _, name := range pullName.FindAllString(m[1], -1) {
			if q, err := coupling.ParsePull(name, p.Repo); err == nil && q != p && !slices.Contains(out, q) {
				out = append(out, q)
			}
		}
	}
	return out
}

// mention remembers which pull requests a description says it does away with, where these are all members of some coupling: one that nobody
// told relbot of may be their successor.
func (r *Reconciler) mention(ctx context.Context, p coupling.Pull, body string) error {
	named := ended(p, body)
	for _, q := range named {
		keys, err := r.Memory.Members.Load(ctx, q)
		if err != nil {
			return err
		}
		for _, key := range keys.Couplings {
			d, err := r.Memory.Judgements.Load(ctx, key)
			if err != nil {
				return err
			}
			outside := func(m coupling.Member) bool { return m.Pull == p || !slices.Contains(named, m.Pull) }
			if len(d.Coupling.Members) == 0 || slices.ContainsFunc(d.Coupling.Members, outside) {
				continue
			}
			_, err = r.Memory.Mentions.Update(ctx, q, func(m *memory.Mention) ([]store.Work, bool) {
				if m.By == p {
					return nil, false
				}
				m.By = p
				return []store.Work{work.Coupling(d.Coupling.Key())}, true
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
