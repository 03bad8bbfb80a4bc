package note

import (
	"fmt"
	"slices"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/rules"
)

// Changes says what changed between two judgements of a coupling, in Markdown, for the note's list of what changed lately. Members
// go by their roles, since the lines are shown in several repositories.
func Changes(before, after rules.Judgement) []string {
	v := voice{home: after.Coupling.Home, hidden: map[coupling.Pull]bool{}}
	for _, m := range slices.Concat(before.Members, after.Members) {
		if m.Private && !m.Pull.Repo.Same(v.home) {
			v.hidden[m.Pull] = true
		}
	}
	c := changes{voice: v}
	if before.State != after.State {
		c.add("state %s → %s", before.State, after.State)
	}
	if before.Train != after.Train && after.Train != "" && before.Train != "" {
		c.add("what merges into %s now ships in %s (before: %s)", v.code(branch(after)), after.Train, before.Train)
	}
	c.alarms(before, after)
	c.members(before, after)
	for _, g := range after.Gates {
		for _, old := range before.Gates {
			if g.ID == old.ID && g.Value != old.Value {
				c.add("gate %s: %s → %s", v.code(g.ID), orElse(v.code(old.Value), "none"), orElse(v.code(g.Value), "none"))
			}
		}
	}
	switch was, is := before.Coupling.Hold, after.Coupling.Hold; {
	case was == nil && is != nil:
		c.add("held by %s%s", v.code(is.By), v.because(is.Why))
	case was != nil && is == nil:
		c.add("the hold was lifted")
	}
	return c.lines
}

// changes are the lines of [Changes].
type changes struct {
	voice
	lines []string
}

func (c *changes) add(format string, args ...any) {
	c.lines = append(c.lines, fmt.Sprintf(format, args...))
}

// alarms names the alarms that are new, and those that are over.
func (c *changes) alarms(before, after rules.Judgement) {
	raised := func(j rules.Judgement, r rules.Reason) bool {
		return slices.ContainsFunc(j.Alarms, func(a rules.Alarm) bool { return sameReason(a.Reason, r) })
	}
	for _, a := range after.Alarms {
		if !raised(before, a.Reason) {
			c.add("alarm: %s", c.alarmShort(after, a.Reason))
		}
	}
	for _, b := range before.Alarms {
		if !raised(after, b.Reason) {
			c.add("mended: %s", c.alarmShort(before, b.Reason))
		}
	}
}

// members says what became of each role.
func (c *changes) members(before, after rules.Judgement) {
	for _, m := range after.Members {
		role := c.role(m.Role)
		i := slices.IndexFunc(before.Members, func(old rules.MemberState) bool { return old.Role == m.Role })
		if i < 0 {
			c.add("%s joined", role)
			continue
		}
		old := before.Members[i]
		switch {
		case old.Pull != m.Pull:
			c.add("%s has a successor", role)
		case old.State != m.State:
			c.add("%s: %s → %s", role, old.State, m.State)
		}
		open := m.State == "open" || m.State == "draft"
		if now, then := verdictWords(m.Verdict), verdictWords(old.Verdict); open && now != then && old.Verdict.Level != "" {
			c.add("verdict of %s: %s → %s", role, then, now)
		}
		if m.ShipsIn != old.ShipsIn && old.ShipsIn != "" && m.ShipsIn != "" && !open {
			c.add("%s first ships in %s (before: %s)", role, m.ShipsIn, old.ShipsIn)
		}
	}
	for _, m := range before.Members {
		if !slices.ContainsFunc(after.Members, func(now rules.MemberState) bool { return now.Role == m.Role }) {
			c.add("%s left", c.role(m.Role))
		}
	}
}

func sameReason(a, b rules.Reason) bool {
	return a.Code == b.Code && a.About == b.About && a.Gate == b.Gate && a.Commit == b.Commit
}

// alarmShort names an alarm by its code and the role that it is about.
func (v voice) alarmShort(j rules.Judgement, r rules.Reason) string {
	s := v.code(string(r.Code))
	if m, ok := j.Member(r.About); ok {
		s += " at " + v.role(m.Role)
	}
	if r.Gate != "" {
		s += ", gate " + v.code(r.Gate)
	}
	return s
}
