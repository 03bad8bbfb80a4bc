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
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if before.State != after.State {
		add("state %s → %s", before.State, after.State)
	}
	if before.Train != after.Train && after.Train != "" && before.Train != "" {
		add("what merges into %s now ships in %s (before: %s)", v.code(branch(after)), after.Train, before.Train)
	}
	for _, a := range after.Alarms {
		if !slices.ContainsFunc(before.Alarms, func(b rules.Alarm) bool { return sameReason(a.Reason, b.Reason) }) {
			add("alarm: %s", v.alarmShort(after, a.Reason))
		}
	}
	for _, b := range before.Alarms {
		if !slices.ContainsFunc(after.Alarms, func(a rules.Alarm) bool { return sameReason(a.Reason, b.Reason) }) {
			add("mended: %s", v.alarmShort(before, b.Reason))
		}
	}
	byRole := func(j rules.Judgement, role string) (rules.MemberState, bool) {
		i := slices.IndexFunc(j.Members, func(m rules.MemberState) bool { return m.Role == role })
		if i < 0 {
			return rules.MemberState{}, false
		}
		return j.Members[i], true
	}
	for _, m := range after.Members {
		old, was := byRole(before, m.Role)
		role := v.role(m.Role)
		switch {
		case !was:
			add("%s joined", role)
			continue
		case old.Pull != m.Pull:
			add("%s has a successor", role)
		case old.State != m.State:
			add("%s: %s → %s", role, old.State, m.State)
		}
		open := m.State == "open" || m.State == "draft"
		if now, then := verdictWords(m.Verdict), verdictWords(old.Verdict); open && now != then && old.Verdict.Level != "" {
			add("verdict of %s: %s → %s", role, then, now)
		}
		if m.ShipsIn != old.ShipsIn && old.ShipsIn != "" && m.ShipsIn != "" && !open {
			add("%s first ships in %s (before: %s)", role, m.ShipsIn, old.ShipsIn)
		}
	}
	for _, m := range before.Members {
		if _, still := byRole(after, m.Role); !still {
			add("%s left", v.role(m.Role))
		}
	}
	for _, g := range after.Gates {
		for _, old := range before.Gates {
			if g.ID == old.ID && g.Value != old.Value {
				add("gate %s: %s → %s", v.code(g.ID), orElse(v.code(old.Value), "none"), orElse(v.code(g.Value), "none"))
			}
		}
	}
	switch was, is := before.Coupling.Hold, after.Coupling.Hold; {
	case was == nil && is != nil:
		add("held by %s%s", v.code(is.By), v.because(is.Why))
	case was != nil && is == nil:
		add("the hold was lifted")
	}
	return out
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
