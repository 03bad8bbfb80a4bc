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

// Scope is where a change applies.
type Scope struct {
	At       coupling.Pull // the pull request of the comment
	Coupling coupling.Coupling
}

// The actions that change no coupling.
type (
	Help           struct{}
	Status         struct{}
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
	}
	Unlink struct {
		Member  Target
		Because string
	}
	Replace struct{ Old, New Target }
	Order   struct {
		Before, After Target
		Together      bool
		Because       string
	}
	Unorder   struct{ Before, After Target }
	Hold      struct{ Text string }
	Resume    struct{}
	Supersede struct{ By Target }
	Abandon   struct{ Because string }
	Reopen    struct{}
)

func (a Help) each(func(Target) Target) Action           { return a }
func (a Status) each(func(Target) Target) Action         { return a }
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

func (a Unlink) each(f func(Target) Target) Action {
	a.Member = f(a.Member)
	return a
}

func (a Replace) each(f func(Target) Target) Action {
	return Replace{f(a.Old), f(a.New)}
}

func (a Order) each(f func(Target) Target) Action {
	a.Before, a.After = f(a.Before), f(a.After)
	return a
}

func (a Unorder) each(f func(Target) Target) Action {
	return Unorder{f(a.Before), f(a.After)}
}

func (a Supersede) each(f func(Target) Target) Action {
	return Supersede{f(a.By)}
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
	if m, ok := c.ByRole(t.Role); ok {
		return m, nil
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

// Effects adds the members. A single one, named in a comment on a pull request without a coupling, is coupled with that one.
func (a Link) Effects(s Scope) ([]coupling.Effect, error) {
	e := coupling.Effect{Verb: coupling.Link}
	add := func(role string, p coupling.Pull) {
		if role == "" {
			role = coupling.DefaultRole(p, s.Coupling.Home)
		}
		e.Members = append(e.Members, coupling.Member{Role: role, Pull: p})
	}
	var named []coupling.Pull
	for _, m := range a.Members {
		p, err := s.newcomer(m.Target)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(named, p) {
			named = append(named, p)
		}
	}
	if len(s.Coupling.Members) == 0 && len(named) == 1 && named[0] != s.At {
		add("", s.At)
	}
	for _, m := range a.Members {
		p, _ := s.newcomer(m.Target)
		add(m.Role, p)
	}
	return one(e), nil
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
	return one(coupling.Effect{Verb: coupling.Replace, Pull: m.Pull, With: with}), err
}

// Effects adds the edge, or changes it.
func (a Order) Effects(s Scope) ([]coupling.Effect, error) {
	edge, err := s.edge(a.Before, a.After)
	edge.Together, edge.Reason = a.Together, a.Because
	return one(coupling.Effect{Verb: coupling.Order, Edge: edge, Why: a.Because}), err
}

// Effects removes the edge.
func (a Unorder) Effects(s Scope) ([]coupling.Effect, error) {
	edge, err := s.edge(a.Before, a.After)
	return one(coupling.Effect{Verb: coupling.Unorder, Edge: edge}), err
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
	return one(coupling.Effect{Verb: coupling.Supersede, With: with}), err
}

// Effects ends the coupling.
func (a Abandon) Effects(Scope) ([]coupling.Effect, error) {
	return one(coupling.Effect{Verb: coupling.Abandon, Why: a.Because}), nil
}

// Effects takes the end back.
func (a Reopen) Effects(Scope) ([]coupling.Effect, error) {
	return one(coupling.Effect{Verb: coupling.Reopen}), nil
}
