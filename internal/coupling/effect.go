package coupling

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Effect is what a command or a line of a body changed about the couplings of one home. Effects are kept in the order
// in which they were given and folded over what the policy declares. So the policy can change underneath them
// and a lost database can be rebuilt from the comments.
type Effect struct {
	ID       string   `json:"id"`            // unique: the comment and line that gave it
	At       int64    `json:"at"`            // when it was given, Unix milliseconds: events may tell of effects in any order
	Seq      int64    `json:"seq,omitempty"` // tells effects of one moment apart: the comment's id
	Line     int      `json:"line,omitempty"`
	Verb     Verb     `json:"verb"`
	Origin   Origin   `json:"origin"`
	By       string   `json:"by"`
	Coupling string   `json:"coupling"`
	Members  []Member `json:"members,omitempty"`
	Title    string   `json:"title,omitempty"` // link: of a coupling that has none
	Pull     Pull     `json:"pull,omitzero"`   // unlink, replace: the one that goes
	With     Pull     `json:"with,omitzero"`   // replace, supersede: the one that comes
	Edge     Edge     `json:"edge,omitzero"`
	Why      string   `json:"why,omitempty"`
}

// Verb says what an [Effect] does.
type Verb string

// The verbs of effects, named as the commands that give them.
const (
	Link      Verb = "link"
	Unlink    Verb = "unlink"
	Replace   Verb = "replace"
	Order     Verb = "order"
	Unorder   Verb = "unorder"
	HoldAll   Verb = "hold"
	Resume    Verb = "resume"
	Supersede Verb = "supersede"
	Abandon   Verb = "abandon"
	Reopen    Verb = "reopen"
)

// Before orders effects by the moment at which people gave them.
func (e Effect) Before(f Effect) int {
	return cmp.Or(cmp.Compare(e.At, f.At), cmp.Compare(e.Seq, f.Seq), cmp.Compare(e.Line, f.Line))
}

// Assemble folds effects, in the order in which they were given, over the couplings that a policy declares. The policy wins where it speaks: an effect that
// takes back what it declares changes nothing; a successor of a declared member holds as long as the policy still
// names the predecessor. Couplings made by effects come after the declared ones. Effects that no longer apply are
// passed over.
func Assemble(home Repo, declared []Coupling, effects []Effect) []Coupling {
	out := make([]Coupling, 0, len(declared))
	named := map[string]int{} // place in out, the first of a name
	add := func(c Coupling) {
		if _, ok := named[c.Name]; !ok {
			named[c.Name] = len(out)
		}
		out = append(out, c)
	}
	for _, c := range declared {
		add(c.clone())
	}
	for _, e := range slices.SortedStableFunc(slices.Values(effects), Effect.Before) {
		if _, ok := named[e.Coupling]; !ok {
			if e.Verb != Link {
				continue
			}
			add(Coupling{Name: e.Coupling, Home: home, SameRelease: true, Origin: e.Origin})
		}
		_ = out[named[e.Coupling]].Apply(e) // what the policy overrules by now is no error any more
	}
	return slices.DeleteFunc(out, func(c Coupling) bool { return len(c.Members) == 0 })
}

// A Refusal says why an effect cannot be applied.
type Refusal struct {
	Overruled bool     // the policy speaks of it
	Cycle     []string // the roles on the cycle that an edge would close
	Numbers   []string // their pull requests
	Message   string
}

func (r *Refusal) Error() string { return r.Message }

func refuse(format string, args ...any) *Refusal {
	return &Refusal{Message: fmt.Sprintf(format, args...)}
}

func overruled(format string, args ...any) *Refusal {
	return &Refusal{Overruled: true, Message: fmt.Sprintf(format, args...)}
}

// Apply changes c as the effect says, or says why not and leaves it as it is. Repeating an effect changes nothing.
func (c *Coupling) Apply(e Effect) *Refusal {
	switch e.Verb {
	case Link:
		return c.link(e)
	case Unlink:
		return c.unlink(e)
	case Replace:
		return c.replace(e)
	case Order:
		return c.order(e)
	case Unorder:
		return c.unorder(e)
	case HoldAll:
		c.Hold = &Hold{By: e.By, Why: e.Why}
	case Resume:
		c.Hold = nil
	case Supersede:
		c.End = &End{State: Superseded, By: e.By, Why: e.Why, Successor: e.With}
	case Abandon:
		c.End = &End{State: Abandoned, By: e.By, Why: e.Why}
	case Reopen:
		c.End = nil
	default:
		return refuse("unknown effect %q", e.Verb)
	}
	return nil
}

// clone returns a coupling that can be changed without the other.
func (c Coupling) clone() Coupling {
	c.Members, c.Order, c.Gates = slices.Clone(c.Members), slices.Clone(c.Order), slices.Clone(c.Gates)
	return c
}

func (c *Coupling) link(e Effect) *Refusal {
	next := c.clone()
	for _, m := range e.Members {
		is := slices.IndexFunc(next.Members, func(o Member) bool { return o.Pull == m.Pull })
		if is >= 0 && (m.Role == DefaultRole(m.Pull, c.Home) || strings.EqualFold(next.Members[is].Role, m.Role)) {
			continue
		}
		if is >= 0 && next.Members[is].Origin == FromPolicy {
			return overruled("%s is %q in the policy", m.Pull, next.Members[is].Role)
		}
		if i := slices.IndexFunc(next.Members, func(o Member) bool { return strings.EqualFold(o.Role, m.Role) }); i >= 0 {
			if next.Members[i].Origin == FromPolicy {
				return overruled("the role %q is held by %s in the policy", m.Role, next.Members[i].Pull)
			}
			return refuse("the role %q is held by %s", m.Role, next.Members[i].Pull)
		}
		if is >= 0 {
			next.rename(next.Members[is].Role, m.Role)
			next.Members[is].Role = m.Role
			continue
		}
		m.Origin = e.Origin
		next.Members = append(next.Members, m)
	}
	if next.Title == "" {
		next.Title = e.Title
	}
	*c = next
	return nil
}

// rename gives the edges and gates of one role to another.
func (c *Coupling) rename(role, to string) {
	for i := range c.Order {
		for _, end := range []*string{&c.Order[i].Before, &c.Order[i].After} {
			if *end == role {
				*end = to
			}
		}
	}
	for i := range c.Gates {
		if c.Gates[i].Subject == role {
			c.Gates[i].Subject = to
		}
	}
}

func (c *Coupling) unlink(e Effect) *Refusal {
	m, ok := c.ByPull(e.Pull)
	switch {
	case !ok:
		return refuse("%s is no member of %s", e.Pull, c.Name)
	case m.Origin == FromPolicy:
		return overruled("the policy declares %s as %q of %s: take it out there", e.Pull.In(c.Home), m.Role, c.Name)
	}
	c.Members = slices.DeleteFunc(slices.Clone(c.Members), func(o Member) bool { return o.Pull == e.Pull })
	c.Order = c.bridged(m.Role, e.Origin)
	c.Gates = slices.DeleteFunc(slices.Clone(c.Gates), func(g GateUse) bool { return g.Subject == m.Role })
	return nil
}

// bridged returns the edges without a role: what came after it then comes after what was before it, with both reasons. Two that had to land
// together with it have to land together.
func (c *Coupling) bridged(role string, origin Origin) []Edge {
	var out, into, from []Edge // into it and from it; an edge "with" is both
	for _, o := range c.Order {
		switch back := (Edge{Before: o.After, After: o.Before, With: o.With, Reason: o.Reason}); {
		case o.Before != role && o.After != role:
			out = append(out, o)
		case o.With && o.Before == role:
			into, from = append(into, back), append(from, o)
		case o.With:
			into, from = append(into, o), append(from, back)
		case o.After == role:
			into = append(into, o)
		default:
			from = append(from, o)
		}
	}
	for _, a := range into {
		for _, b := range from {
			e := Edge{Before: a.Before, After: b.After, With: a.With && b.With, Origin: origin, Reason: joinReasons(a.Reason, b.Reason)}
			e.Together = !e.With && !a.Strict() && !b.Strict()
			at := slices.IndexFunc(out, e.Same)
			switch {
			case e.Before == e.After:
			case at < 0:
				out = append(out, e)
			case e.Strict() && out[at].Together:
				out[at] = e
			}
		}
	}
	return out
}

// Since returns the edges that a coupling has and an earlier form of it had not.
func (c Coupling) Since(before Coupling) []Edge {
	var out []Edge
	for _, e := range c.Order {
		if !slices.Contains(before.Order, e) {
			out = append(out, e)
		}
	}
	return out
}

func joinReasons(a, b string) string {
	switch {
	case a == "" || a == b:
		return b
	case b == "":
		return a
	}
	return a + "; " + b
}

func (c *Coupling) replace(e Effect) *Refusal {
	i := slices.IndexFunc(c.Members, func(m Member) bool { return m.Pull == e.Pull })
	if i < 0 {
		return refuse("%s is no member of %s", e.Pull, c.Name)
	}
	if m, taken := c.ByPull(e.With); taken && e.With != e.Pull {
		return c.merge(c.Members[i], m)
	}
	c.Members = slices.Clone(c.Members)
	c.Members[i].Pull, c.Members[i].Origin = e.With, e.Origin
	return nil
}

// merge lets a member take the place of another one too: it has the edges and gates of both, without those to itself.
func (c *Coupling) merge(gone, by Member) *Refusal {
	next := c.clone()
	next.Members = slices.DeleteFunc(next.Members, func(m Member) bool { return m.Role == gone.Role })
	next.rename(gone.Role, by.Role)
	var order []Edge
	for _, o := range next.Order {
		at := slices.IndexFunc(order, o.Same)
		switch {
		case o.Before == o.After:
		case at < 0:
			order = append(order, o)
		case o.Strict() && !order[at].Strict():
			order[at] = o
		}
	}
	next.Order = order
	if r := next.cycle(next.Order); r != nil {
		return r
	}
	for i := range next.Members {
		if next.Members[i].Role == by.Role {
			next.Members[i].SafeAlone = by.SafeAlone && gone.SafeAlone
		}
	}
	*c = next
	return nil
}

// cycle refuses edges that make a cycle, with its path.
func (c *Coupling) cycle(order []Edge) *Refusal {
	var pairs, with [][2]string
	for _, o := range order {
		if pair := [2]string{o.Before, o.After}; o.With {
			with = append(with, pair)
		} else {
			pairs = append(pairs, pair)
		}
	}
	cycle := Cycle(Contract(pairs, with))
	if cycle == nil {
		return nil
	}
	r := refuse("the order would be a cycle")
	r.Cycle = cycle
	for _, role := range cycle {
		m, _ := c.ByRole(role)
		r.Numbers = append(r.Numbers, m.Pull.In(c.Home))
	}
	return r
}

func (c *Coupling) order(e Effect) *Refusal {
	edge := e.Edge
	edge.Origin = e.Origin
	for _, role := range []string{edge.Before, edge.After} {
		if _, ok := c.ByRole(role); !ok {
			return refuse("%q is no member of %s", role, c.Name)
		}
	}
	for i, o := range c.Order {
		if !o.Same(edge) {
			continue
		}
		if o.Origin == FromPolicy {
			if o.Word() == edge.Word() {
				return nil
			}
			return overruled("the policy says %q %s %q", o.Before, o.Word(), o.After)
		}
		c.Order = slices.Clone(c.Order)
		c.Order[i] = edge
		return nil
	}
	if r := c.cycle(append(slices.Clone(c.Order), edge)); r != nil {
		return r
	}
	c.Order = append(slices.Clone(c.Order), edge)
	return nil
}

func (c *Coupling) unorder(e Effect) *Refusal {
	i := slices.IndexFunc(c.Order, func(o Edge) bool {
		return o.Before == e.Edge.Before && o.After == e.Edge.After || o.With && o.Joins(e.Edge.Before, e.Edge.After)
	})
	switch {
	case i < 0:
		return refuse("%s has no edge from %q to %q", c.Name, e.Edge.Before, e.Edge.After)
	case c.Order[i].Origin == FromPolicy:
		return overruled("the policy declares that edge: take it out there")
	}
	c.Order = slices.Delete(slices.Clone(c.Order), i, i+1)
	return nil
}

// DefaultRole is the role of a member that was given none: "pr-12", with the repository's name in front for another
// repository than home.
func DefaultRole(p Pull, home Repo) string {
	if p.Repo.Same(home) {
		return fmt.Sprintf("pr-%d", p.Number)
	}
	return fmt.Sprintf("%s-%d", p.Repo.Name(), p.Number)
}
