package ghsim

import (
	"reflect"
	"sync"
	"time"

	clone "github.com/huandu/go-clone"
)

// Lag is how far behind the state the API answers. Webhooks do not lag.
type Lag struct {
	// Commits is how long a commit is unknown to writes after its push. They answer 422 "No commit found for SHA" for some seconds after the push of a
	// fork (home-assistant/service-hub#394).
	Commits time.Duration
	// Reads is how old the state is that reads tell: GraphQL tells the head before a push for some seconds (tanium/octobot#315, rocq-prover/bot#1).
	Reads time.Duration
	// Lists is how long a new comment or check is missing from the lists.
	Lists time.Duration
}

// moment is the state as it was until a time.
type moment struct {
	until time.Time
	state state
}

// state is what reads tell.
type state struct {
	repos []*repo
	moved map[string]*repo
	nodes map[string]any
	group *Group
}

// copier copies a state. Objects never change, and an installation is what the caller has now.
var copier = func() *clone.Allocator {
	a := clone.FromHeap()
	for _, shared := range []any{new(objects), new(commit), new(tree), new(installation)} {
		a.MarkAsOpaquePointer(reflect.TypeOf(shared))
	}
	return a
}()

// guard is a lock. Where reads lag, taking it keeps the state as it was before the clock moved.
type guard struct {
	sync.Mutex
	keep func()
}

// Lock takes the lock.
func (m *guard) Lock() {
	m.Mutex.Lock()
	if m.keep != nil {
		m.keep()
	}
}

// SetLag sets how far behind the API answers, until it is set again.
func (g *GitHub) SetLag(l Lag) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lag = l; l.Reads == 0 {
		g.past, g.mu.keep = nil, nil
	} else if g.mu.keep == nil {
		g.kept, g.mu.keep = time.Time{}, g.keep
		g.keep()
	}
}

// keep keeps the state that held until now, once for each moment.
func (g *GitHub) keep() {
	now := g.opt.Clock()
	if !now.After(g.kept) {
		return
	}
	g.kept = now
	old := now.Add(-g.lag.Reads)
	for len(g.past) > 0 && !g.past[0].until.After(old) {
		g.past = g.past[1:]
	}
	g.past = append(g.past, moment{now, clone.MakeCloner(copier).CloneSlowly(state{g.repos, g.moved, g.nodes, g.group}).(state)})
}

// behind returns the GitHub that a call reads: as it is, or as it was.
func (g *GitHub) behind(c *call) *GitHub {
	if c.kind != read || g.lag.Reads == 0 {
		return g
	}
	at := g.opt.Clock().Add(-g.lag.Reads)
	for _, m := range g.past {
		if m.until.After(at) {
			s := m.state
			return &GitHub{
				opt: g.opt, app: g.app, last: g.last, repos: s.repos, moved: s.moved, nodes: s.nodes, group: s.group, lag: g.lag,
				installs: g.installs, tokens: g.tokens, consents: g.consents, deliveries: g.deliveries, queries: g.queries,
			}
		}
	}
	return g
}

// listed reports whether lists have what was made at a time.
func (g *GitHub) listed(made time.Time) bool { return g.opt.Clock().Sub(made) >= g.lag.Lists }

// found finds the commit that a write names. One that was pushed a moment ago may not be there yet.
func (r *repo) found(g *GitHub, sha string) *commit {
	c := r.commits[sha]
	if c != nil && g.opt.Clock().Sub(c.date) < g.lag.Commits {
		return nil
	}
	return c
}
