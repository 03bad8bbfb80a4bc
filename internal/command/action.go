package command

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/relbot/relbot/internal/coupling"
)

// Action is what a command asks for: one of the types of this file.
type Action interface {
	// each returns the action with f of every member and pull request that it names.
	each(f func(Target) Target) Action
}

// Change is an action that changes a coupling.
type Change interface {
	Action
	// Effects returns what the action changes about a coupling. Who gave it, where and when is left to the caller.
	Effects(Scope) ([]coupling.Effect, error)
}

// Makes reports whether a change makes a coupling where there is none, and under which name; "" for any.
func Makes(c Change) (name string, ok bool) {
	switch a := c.(type) {
	case Link:
		return a.Name, true
	case After, With:
		return "", true
	}
	return "", false
}

// Scope is where a change applies.
type Scope struct {
	At       coupling.Pull // the pull request of the comment
	Coupling coupling.Coupling
}

// The actions that change no coupling.
type (
	Help   struct{}
	Status struct {
		Of Target // zero for the pull request of the comment
	}
	Recheck        struct{}
	CancelOverride struct{}
	Override       struct {
		Code    string
		Because string
		Until   string // push, merge or a release
	}
)

// The changes.
type (
	Link struct {
		Members []Member
		Name    string // of the coupling; "" for any
		Title   string
		Because string
	}
	// After and With couple the pull request of the comment with others.
	After struct {
		Others  []Target
		Because string
	}
	With struct {
		Others  []Target
		Because string
	}
	Unlink struct {
		Member  Target
		Because string
	}
	Replace struct {
		Old, New Target
		Because  string
	}
	Order   struct{ Edges []Edge }
	Unorder struct {
		Before, After Target
		Because       string
	}
	Hold struct {
		Text  string
		NoEnd bool // the text names an end, at which nobody lifts the hold
	}
	Resume    struct{}
	Supersede struct {
		By      Target
		Because string
	}
	Abandon struct{ Because string }
	Reopen  struct{}
)

// Edge is an order edge between members as they were named.
type Edge struct {
	Before, After  Target
	Together, With bool
	Reason         string
}

func (a Help) each(func(Target) Target) Action           { return a }
func (a Recheck) each(func(Target) Target) Action        { return a }
func (a CancelOverride) each(func(Target) Target) Action { return a }
func (a Override) each(func(Target) Target) Action       { return a }
func (a Hold) each(func(Target) Target) Action           { return a }
func (a Resume) each(func(Target) Target) Action         { return a }
func (a Abandon) each(func(Target) Target) Action        { return a }
func (a Reopen) each(func(Target) Target) Action         { return a }

func (a Link) each(f func(Target) Target) Action {
	a.Members = slices.Clone(a.Members)
	for i := range a.Members {
		a.Members[i].Target = f(a.Members[i].Target)
	}
	return a
}

func (a Status) each(f func(Target) Target) Action {
	a.Of = f(a.Of)
	return a
}

func (a After) each(f func(Target) Target) Action {
	a.Others = mapped(a.Others, f)
	return a
}

func (a With) each(f func(Target) Target) Action {
	a.Others = mapped(a.Others, f)
	return a
}

func mapped(ts []Target, f func(Target) Target) []Target {
	out := make([]Target, len(ts))
	for i, t := range ts {
		out[i] = f(t)
	}
	return out
}

func (a Unlink) each(f func(Target) Target) Action {
	a.Member = f(a.Member)
	return a
}

func (a Replace) each(f func(Target) Target) Action {
	a.Old, a.New = f(a.Old), f(a.New)
	return a
}

func (a Order) each(f func(Target) Target) Action {
	a.Edges = slices.Clone(a.Edges)
	for i := range a.Edges {
		e := &a.Edges[i]
		e.Before, e.After = f(e.Before), f(e.After)
	}
	return a
}

func (a Unorder) each(f func(Target) Target) Action {
	a.Before, a.After = f(a.Before), f(a.After)
	return a
}

func (a Supersede) each(f func(Target) Target) Action {
	a.By = f(a.By)
	return a
}

// member finds the member that a target names.
func (s Scope) member(t Target) (coupling.Member, error) {
	c := s.Coupling
	if t.Pull != "" {
		p, err := t.In(s.At.Repo)
		if err != nil {
			return coupling.Member{}, err
		}
		if m, ok := c.ByPull(p); ok {
			return m, nil
		}
		return coupling.Member{}, fmt.Errorf("%s is no member of %s", p.In(s.At.Repo), c.Name)
	}
	for _, m := range c.Members {
		if strings.EqualFold(m.Role, t.Role) {
			return m, nil
		}
	}
	var roles []string
	for _, m := range c.Members {
		roles = append(roles, m.Role)
	}
	return coupling.Member{}, fmt.Errorf("%q is no member of %s; its members are %s", t.Text, c.Name, strings.Join(roles, ", "))
}

// newcomer finds the pull request that a target names, which need be no member.
func (s Scope) newcomer(t Target) (coupling.Pull, error) {
	p, err := t.In(s.At.Repo)
	if err != nil {
		return p, fmt.Errorf("%q is no pull request", t.Text)
	}
	return p, nil
}

// edge finds the ends of an edge.
func (s Scope) edge(before, after Target) (coupling.Edge, error) {
	a, err := s.member(before)
	if err != nil {
		return coupling.Edge{}, err
	}
	b, err := s.member(after)
	if err == nil && a.Role == b.Role {
		err = errors.New("a member cannot wait for itself")
	}
	return coupling.Edge{Before: a.Role, After: b.Role}, err
}

func one(e coupling.Effect) []coupling.Effect { return []coupling.Effect{e} }

// Effects adds the members. A pull request that is named twice, once by role, is one member. A single one, named in a comment on a pull request
// without a coupling, is coupled with that one.
func (a Link) Effects(s Scope) ([]coupling.Effect, error) {
	e := coupling.Effect{Verb: coupling.Link, Title: a.Title, Why: a.Because}
	given := map[coupling.Pull]string{}
	for _, m := range a.Members {
		p, err := s.newcomer(m.Target)
		if err != nil {
			return nil, err
		}
		role, named := given[p]
		switch {
		case !named:
			e.Members = append(e.Members, coupling.Member{Pull: p})
			given[p] = m.Role
		case role == "":
			given[p] = m.Role
		case m.Role != "" && !strings.EqualFold(m.Role, role):
			return nil, fmt.Errorf("%s is given two roles, %q and %q", p.In(s.At.Repo), role, m.Role)
		}
	}
	if len(s.Coupling.Members) == 0 && len(e.Members) == 1 && e.Members[0].Pull != s.At {
		e.Members = slices.Insert(e.Members, 0, coupling.Member{Pull: s.At})
	}
	for i := range e.Members {
		m := &e.Members[i]
		if m.Role = given[m.Pull]; m.Role == "" {
			m.Role = coupling.DefaultRole(m.Pull, s.Coupling.Home)
		}
	}
	return one(e), nil
}

// related couples the pull request of the comment with others: edge returns how it is ordered with each of these.
func (s Scope) related(others []Target, edge func(self, other string) coupling.Edge) ([]coupling.Effect, error) {
	join := coupling.Effect{Verb: coupling.Link}
	role := func(p coupling.Pull) string {
		if m, ok := s.Coupling.ByPull(p); ok {
			return m.Role
		}
		m := coupling.Member{Role: coupling.DefaultRole(p, s.Coupling.Home), Pull: p}
		if !slices.Contains(join.Members, m) {
			join.Members = append(join.Members, m)
		}
		return m.Role
	}
	self := role(s.At)
	var edges []coupling.Effect
	for _, t := range others {
		m, err := s.member(t)
		p := m.Pull
		if t.Pull != "" {
			p, err = s.newcomer(t)
		}
		switch {
		case err != nil:
			return nil, err
		case p == s.At:
			return nil, errors.New("a member cannot wait for itself")
		}
		e := edge(self, role(p))
		edges = append(edges, coupling.Effect{Verb: coupling.Order, Edge: e, Why: e.Reason})
	}
	if len(join.Members) > 0 {
		edges = slices.Insert(edges, 0, join)
	}
	return edges, nil
}

// Effects couples the pull request of the comment with others, which have to merge first.
func (a After) Effects(s Scope) ([]coupling.Effect, error) {
	return s.related(a.Others, func(self, other string) coupling.Edge {
		return coupling.Edge{Before: other, After: self, Reason: a.Because}
	})
}

// Effects couples the pull request of the comment with others, which have to land together with it.
func (a With) Effects(s Scope) ([]coupling.Effect, error) {
	return s.related(a.Others, func(self, other string) coupling.Edge {
		return coupling.Edge{Before: self, After: other, With: true, Reason: a.Because}
	})
}

// Effects takes the member out.
func (a Unlink) Effects(s Scope) ([]coupling.Effect, error) {
	m, err := s.member(a.Member)
	return one(coupling.Effect{Verb: coupling.Unlink, Pull: m.Pull, Why: a.Because}), err
}

// Effects puts the successor in the member's place.
func (a Replace) Effects(s Scope) ([]coupling.Effect, error) {
	m, err := s.member(a.Old)
	if err != nil {
		return nil, err
	}
	with, err := s.newcomer(a.New)
	return one(coupling.Effect{Verb: coupling.Replace, Pull: m.Pull, With: with, Why: a.Because}), err
}

// Effects adds the edges, or changes them.
func (a Order) Effects(s Scope) ([]coupling.Effect, error) {
	var out []coupling.Effect
	for _, e := range a.Edges {
		edge, err := s.edge(e.Before, e.After)
		if err != nil {
			return nil, err
		}
		edge.Together, edge.With, edge.Reason = e.Together, e.With, e.Reason
		out = append(out, coupling.Effect{Verb: coupling.Order, Edge: edge, Why: e.Reason})
	}
	return out, nil
}

// Effects removes the edge.
func (a Unorder) Effects(s Scope) ([]coupling.Effect, error) {
	edge, err := s.edge(a.Before, a.After)
	return one(coupling.Effect{Verb: coupling.Unorder, Edge: edge, Why: a.Because}), err
}

// Effects blocks every member.
func (a Hold) Effects(Scope) ([]coupling.Effect, error) {
	return one(coupling.Effect{Verb: coupling.HoldAll, Why: a.Text}), nil
}

// Effects lifts the hold.
func (a Resume) Effects(Scope) ([]coupling.Effect, error) {
	return one(coupling.Effect{Verb: coupling.Resume}), nil
}

// Effects ends the coupling in favour of the successor.
func (a Supersede) Effects(s Scope) ([]coupling.Effect, error) {
	with, err := s.newcomer(a.By)
	return one(coupling.Effect{Verb: coupling.Supersede, With: with, Why: a.Because}), err
}

// Effects ends the coupling.
func (a Abandon) Effects(Scope) ([]coupling.Effect, error) {
	return one(coupling.Effect{Verb: coupling.Abandon, Why: a.Because}), nil
}

// Effects takes the end back.
func (a Reopen) Effects(Scope) ([]coupling.Effect, error) {
	return one(coupling.Effect{Verb: coupling.Reopen}), nil
}
