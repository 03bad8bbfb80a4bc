// Package rules judges a snapshot of a coupling: one verdict per member.
//
// Everything here is a pure function of a policy and a [Snapshot], which is what GitHub showed at one moment. Each
// fact is known, absent, or unknown for a stated reason. Equal inputs give equal outputs in equal order; there is no
// clock, no network and no error. A verdict carries reason codes with their evidence as data; package note turns
// them into sentences.
//
// The invariant that everything else leans on: no verdict passes on the strength of an unknown fact. Replacing a
// known fact by an unknown one may turn a pass into something else, never the reverse.
//
// Lazily fetched facts were refused: a rule that can fetch can fail, and then every rule needs an error path.
package rules

import (
	"cmp"
	"slices"
	"strings"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/release"
)

// Evaluate judges every coupling of the snapshot under its home's policy, in the snapshot's order.
func Evaluate(p Policy, s Snapshot) []Judgement {
	a := newArithmetic(s)
	cyclic := cyclicPulls(s)
	out := make([]Judgement, 0, len(s.Couplings))
	for _, c := range s.Couplings {
		j := judge{policy: p, s: s, arithmetic: a, c: c, cyclic: cyclic}
		out = append(out, j.run())
	}
	return out
}

// judge holds the working state for one coupling.
type judge struct {
	policy Policy
	s      Snapshot
	*arithmetic
	c      coupling.Coupling
	cyclic []coupling.Pull

	rows   []row
	gates  []GateState
	alarms []Alarm
}

// row is a member under judgement.
type row struct {
	coupling.Member
	fact     versionscan.Fact[Pull]
	found    []finding
	ship     versionscan.Fact[release.Ship] // where it is merged, or would be
	train    versionscan.Fact[release.Train]
	reverted bool
	missing  bool
}

// finding is a reason with the level it has on this member.
type finding struct {
	level  Level // "" is a warning
	reason Reason
}

// warning marks a finding that does not decide.
const warning Level = ""

func (r *row) open() bool   { return r.fact.Known() && r.fact.Value.State == "open" }
func (r *row) closed() bool { return r.fact.Known() && r.fact.Value.State == "closed" }

// merged reports whether GitHub says so; landed, whether the change really is on the base.
func (r *row) merged() bool { return r.fact.Known() && r.fact.Value.State == "merged" }
func (r *row) landed() bool { return r.merged() && !r.reverted && !r.missing }

func (r *row) add(level Level, reason Reason) {
	for _, f := range r.found {
		if f.level == level && f.reason.Code == reason.Code && f.reason.About == reason.About && f.reason.Gate == reason.Gate {
			return
		}
	}
	r.found = append(r.found, finding{level, reason})
}

func (j *judge) run() Judgement {
	j.load()
	if j.c.End == nil {
		j.members()
		j.order()
		if j.judgesRelease() {
			j.trains()
		}
		if j.c.SameRelease {
			j.split()
		}
		j.halfLanded()
		for _, use := range j.c.Gates {
			j.gate(use)
		}
		j.hold()
		if j.s.Group != nil {
			j.queued()
		}
	}
	state := j.state()
	out := Judgement{Coupling: j.c, State: state, Base: j.base(j.c.Home), Gates: j.gates}
	if !state.Ended() {
		out.Alarms = j.alarms
	}
	if t := j.train(j.c.Home, j.base(j.c.Home)); t.Known() {
		out.Train = t.Value.Core.String()
	}
	for i := range j.rows {
		out.Members = append(out.Members, j.member(&j.rows[i], state))
	}
	out.OneRelease = j.oneRelease()
	return out
}

// judgesRelease reports whether release arithmetic matters for this coupling.
func (j *judge) judgesRelease() bool {
	return len(j.c.Gates) > 0 || j.c.SameRelease && len(j.c.Members) > 1
}

// base is the branch on which members of a repository have to land.
func (j *judge) base(repo coupling.Repo) string {
	if j.c.Base != "" {
		return j.c.Base
	}
	return j.s.Repos[repo].Default
}

func (j *judge) load() {
	for _, m := range j.c.Members {
		r := row{Member: m, fact: j.s.Pulls[m.Pull]}
		r.train = j.train(m.Pull.Repo, j.base(m.Pull.Repo))
		if r.merged() {
			p, on := r.fact.Value, j.onBase(&r)
			r.missing = on.Known() && !on.Value
			r.reverted = p.Revert.Known() || j.evidenceGone(m.Role)
		}
		r.ship = j.ship(&r)
		j.rows = append(j.rows, r)
	}
}

// onBase says whether a merged member is on the branch where the coupling wants it.
func (j *judge) onBase(r *row) versionscan.Fact[bool] {
	p, base := r.fact.Value, j.base(r.Pull.Repo)
	if base == "" || base == p.Base {
		return p.OnBase
	}
	if on, asked := p.Elsewhere[base]; asked {
		return on
	}
	return versionscan.NotKnown[bool]("it was merged into " + p.Base)
}

// evidenceGone reports whether the evidence of a gate that names this member is not at the base's tip.
func (j *judge) evidenceGone(role string) bool {
	for _, use := range j.c.Gates {
		g, ok := j.policy.Gate(use.Gate)
		if use.Subject != role || !ok || g.Evidence == nil || g.Relation == RemovedIn {
			continue
		}
		if tip := j.s.Repos[j.c.Home].Bases[j.base(j.c.Home)].Gates[g.ID].Tip; tip.Known() && !tip.Value {
			return true
		}
	}
	return false
}

// ship is the first ship of a member: of a landed one by history, else the train.
func (j *judge) ship(r *row) versionscan.Fact[release.Ship] {
	train := versionscan.NotKnown[release.Version](r.train.Why)
	if r.train.Known() {
		train = versionscan.Know(r.train.Value.Core)
	}
	if !r.fact.Known() {
		return versionscan.NotKnown[release.Ship](r.fact.Why)
	}
	if r.landed() {
		h := j.history(r.Pull.Repo)
		if h == nil {
			return versionscan.NotKnown[release.Ship](r.train.Why)
		}
		return h.FirstShip(r.fact.Value.Carriers, r.fact.Value.Lines, train)
	}
	if !r.train.Known() {
		return versionscan.NotKnown[release.Ship](r.train.Why)
	}
	return versionscan.Know(release.Ship{Core: r.train.Value.Core, Method: "train"})
}

// everyOpen adds a finding to each member that is open, or may be for all that is known.
func (j *judge) everyOpen(level Level, reason Reason) {
	for i := range j.rows {
		if j.rows[i].open() || !j.rows[i].fact.Known() {
			j.rows[i].add(level, reason)
		}
	}
}

// alarm records what went wrong with a merged or closed member, for the open members and for the one it is about.
func (j *judge) alarm(reason Reason) {
	reason.Coupling = j.c.Key()
	a := Alarm{Reason: reason}
	for i := range j.rows {
		if r := &j.rows[i]; r.open() || r.Pull == reason.About {
			a.Notify = append(a.Notify, r.Pull)
		}
	}
	j.alarms = append(j.alarms, a)
}

// members finds what is wrong with single members.
func (j *judge) members() {
	for i := range j.rows {
		r := &j.rows[i]
		switch {
		case !r.fact.Known():
			j.everyOpen(Unknown, Unreadable(r.Pull, r.fact.Why))
		case r.open():
			if base := j.base(r.Pull.Repo); base != "" && r.fact.Value.Base != base {
				r.add(Block, wrongBase(r.fact.Value.Base, base))
			}
			if slices.Contains(j.cyclic, r.Pull) {
				r.add(Block, orderCycle(j.cyclic))
			}
		case r.closed():
			lost, base := "", ""
			if r.fact.Value.BaseGone {
				lost, base = r.fact.Value.Base, j.base(r.Pull.Repo)
			}
			j.everyOpen(Block, memberClosed(r.Pull, r.fact.Value.MentionedBy, lost, base))
		case r.merged():
			j.landing(r)
		}
	}
}

// landing checks a merged member against its base.
func (j *judge) landing(r *row) {
	p := r.fact.Value
	switch {
	case r.missing:
		want := j.base(r.Pull.Repo)
		if want == p.Base {
			want = ""
		}
		reason := memberMissing(r.Pull, p.Merge, p.Base, want, p.MergedBy)
		j.everyOpen(Block, reason)
		j.alarm(reason)
	case !j.onBase(r).Known():
		j.everyOpen(Unknown, Unreadable(r.Pull, j.onBase(r).Why))
	case r.reverted:
		v := p.Revert.Value
		if !p.Revert.Known() {
			v.How = "evidence"
		}
		reason := Reverted(r.Pull, v)
		for _, f := range j.followers(r.Role) {
			if f.open() {
				f.add(Block, reason)
			}
		}
		if j.landedCount() > 0 {
			j.alarm(reason)
		}
	case p.Revert.Unknown():
		for _, f := range j.followers(r.Role) {
			if f.open() {
				f.add(Unknown, Unreadable(r.Pull, p.Revert.Why))
			}
		}
	}
}

func (j *judge) landedCount() int {
	n := 0
	for i := range j.rows {
		if j.rows[i].landed() {
			n++
		}
	}
	return n
}

// followers are the members that must merge after a role, directly or not, in the order of declaration.
func (j *judge) followers(role string) []*row {
	var out []*row
	for i := range j.rows {
		if len(j.between(role, j.rows[i].Role)) > 0 {
			out = append(out, &j.rows[i])
		}
	}
	return out
}

// between are the edges on all ways from one role to another, in the order of declaration. By them the first has to merge before the second.
// A with leads both ways, so that members that land together wait for the same ones.
func (j *judge) between(from, to string) []coupling.Edge {
	if from == to {
		return nil
	}
	after := j.reach(from, func(e coupling.Edge) (string, string) { return e.Before, e.After })
	if !after[to] {
		return nil
	}
	before := j.reach(to, func(e coupling.Edge) (string, string) { return e.After, e.Before })
	var out []coupling.Edge
	for _, e := range j.c.Order {
		if after[e.Before] && before[e.After] || e.With && after[e.After] && before[e.Before] {
			out = append(out, e)
		}
	}
	return out
}

// reach are the roles that the edges lead to from one, itself among them.
func (j *judge) reach(role string, ends func(coupling.Edge) (from, to string)) map[string]bool {
	seen := map[string]bool{role: true}
	for todo := []string{role}; len(todo) > 0; todo = todo[1:] {
		for _, e := range j.c.Order {
			from, to := ends(e)
			if e.With && to == todo[0] {
				from, to = to, from
			}
			if from == todo[0] && !seen[to] {
				seen[to] = true
				todo = append(todo, to)
			}
		}
	}
	return seen
}

// waited are the edges that start at an open member, those into a role first. A with starts at its other end.
func (j *judge) waited(role string, edges []coupling.Edge) []coupling.Edge {
	open := map[string]bool{}
	for i := range j.rows {
		open[j.rows[i].Role] = j.rows[i].open()
	}
	var own, others []coupling.Edge
	for _, e := range j.c.Order {
		start, end := e.Before, e.After
		if e.With && start == role {
			start, end = end, start
		}
		switch {
		case !open[start] || !slices.Contains(edges, e):
		case end == role:
			own = append(own, e)
		default:
			others = append(others, e)
		}
	}
	return append(own, others...)
}

// order judges the merge order of members that are not in a merge group under judgement; see [judge.queued].
func (j *judge) order() {
	for i := range j.rows {
		after := &j.rows[i]
		var waiting, broken []coupling.Pull
		var edges, breaking []coupling.Edge
		queued := true
		for k := range j.rows {
			before := &j.rows[k]
			way := j.between(before.Role, after.Role)
			if len(way) == 0 || !before.open() || j.s.Group != nil && after.open() {
				continue
			}
			one := j.oneQueue(before, after)
			switch {
			case after.open() && (one || !together(way)):
				waiting, edges = append(waiting, before.Pull), append(edges, way...)
				queued = queued && one
				if before.fact.Value.Draft {
					after.add(Wait, memberDraft(before.Pull, j.waited(after.Role, way)))
				}
			case after.landed() && !together(way) && !j.landedInQueue(before, after, way):
				broken, breaking = append(broken, before.Pull), append(breaking, way...)
			}
		}
		if len(waiting) > 0 {
			if by := j.waited(after.Role, edges); queued {
				after.add(Pass, orderQueued(waiting, by))
			} else {
				after.add(Wait, orderWaiting(waiting, by))
			}
		}
		if len(broken) > 0 {
			j.alarm(orderBroken(after.Pull, broken, j.waited(after.Role, breaking), after.fact.Value.MergedBy))
		}
	}
}

// oneQueue reports whether two members enter one merge queue, so that it judges their order.
func (j *judge) oneQueue(a, b *row) bool {
	base, g := b.fact.Value.Base, j.s.Group
	there := j.s.Repos[a.Pull.Repo].Bases[base].Queue || g != nil && g.Repo == a.Pull.Repo && g.Base == base
	return a.Pull.Repo == b.Pull.Repo && a.fact.Value.Base == base && there
}

// trains reports what is wrong or doubtful about the versions of the members' repositories.
func (j *judge) trains() {
	for i := range j.rows {
		r := &j.rows[i]
		if !r.open() || j.s.Repos[r.Pull.Repo].Releases == nil {
			continue
		}
		base := j.base(r.Pull.Repo)
		if !r.train.Known() {
			r.add(Unknown, trainUnknown(base, r.train.Why))
			continue
		}
		t := r.train.Value
		for _, w := range j.doubts(r.Pull.Repo, base, t) {
			r.add(warning, w)
		}
		if head := r.fact.Value.HeadDev; head.Known() && !t.Dev.IsZero() && head.Value.Compare(t.Dev) < 0 {
			r.add(warning, headBehind(head.Value, t.Dev, j.devPath(r.Pull.Repo)))
		}
	}
}

// comparable reports whether the releases of two members' repositories are one: the same repository, or the same named train.
func (j *judge) comparable(a, b coupling.Repo) bool {
	ra, rb := j.s.Repos[a].Releases, j.s.Repos[b].Releases
	return ra != nil && rb != nil && (a == b || ra.Train != "" && ra.Train == rb.Train)
}

// oneRelease groups the members that have to ship in one release with another: those whose releases can be compared.
func (j *judge) oneRelease() [][]coupling.Pull {
	if !j.c.SameRelease {
		return nil
	}
	var groups [][]coupling.Pull
	for _, m := range j.c.Members {
		i := slices.IndexFunc(groups, func(g []coupling.Pull) bool { return j.comparable(g[0].Repo, m.Pull.Repo) })
		if i < 0 {
			groups = append(groups, nil)
			i = len(groups) - 1
		}
		groups[i] = append(groups[i], m.Pull)
	}
	return slices.DeleteFunc(groups, func(g []coupling.Pull) bool { return len(g) == 1 })
}

// shippedInCut is the core of the cut release that already has a landed member; zero when it is in none. A release line that was cut with it
// has it; what was only picked to a line is there for good once it is tagged, since the others' picks may be under way.
func (j *judge) shippedInCut(r *row) release.Version {
	if !r.landed() || !r.ship.Known() || !r.ship.Value.Tagged && (r.ship.Value.Line == "" || r.ship.Value.Method != "ancestry") {
		return release.Version{}
	}
	if _, cut := j.history(r.Pull.Repo).CutBy(r.ship.Value.Core); !cut {
		return release.Version{}
	}
	return r.ship.Value.Core
}

// split blocks members that would ship later than one already in a cut release, and raises an alarm when landed ones did.
func (j *judge) split() {
	for i := range j.rows {
		early := &j.rows[i]
		if early.SafeAlone || !early.landed() {
			continue
		}
		if !early.ship.Known() {
			if j.s.Repos[early.Pull.Repo].Releases != nil && len(j.rows) > 1 {
				j.everyOpen(Unknown, Unreadable(early.Pull, early.ship.Why))
			}
			continue
		}
		core := j.shippedInCut(early)
		if core.IsZero() {
			continue
		}
		for k := range j.rows {
			late := &j.rows[k]
			if k == i || !late.fact.Known() || late.closed() || !j.comparable(early.Pull.Repo, late.Pull.Repo) || !late.ship.Known() || late.ship.Value.Core.Compare(core) <= 0 {
				continue
			}
			shows := cmp.Or(early.ship.Value.Tag, early.ship.Value.Line)
			switch {
			case late.open():
				late.add(Block, releaseSplit(early.Pull, core, shows, late.ship.Value.Core))
			case late.landed():
				j.alarm(releaseSplitAfter(late.Pull, early.Pull, core, shows, late.ship.Value.Core))
			}
		}
	}
}

// halfLanded warns the open members when others are merged.
func (j *judge) halfLanded() {
	var landed []coupling.Pull
	alone := true
	var urgent []coupling.Repo // of the landed members that the next cut would ship without the rest
	for i := range j.rows {
		if r := &j.rows[i]; r.landed() {
			landed = append(landed, r.Pull)
			alone = alone && r.SafeAlone
			if !r.SafeAlone && j.shippedInCut(r).IsZero() {
				urgent = append(urgent, r.Pull.Repo)
			}
		}
	}
	if len(landed) == 0 {
		return
	}
	for i := range j.rows {
		r := &j.rows[i]
		if !r.open() {
			continue
		}
		splits := ""
		if r.train.Known() && j.c.SameRelease && slices.ContainsFunc(urgent, func(repo coupling.Repo) bool { return j.comparable(repo, r.Pull.Repo) }) {
			splits = r.train.Value.Core.String()
		}
		if alone {
			r.add(warning, safelyLanded(landed))
		} else {
			r.add(warning, PartlyLanded(landed, splits))
		}
	}
}

func (j *judge) hold() {
	if h := j.c.Hold; h != nil {
		j.everyOpen(Block, onHold(*h))
	}
}

// state tells which state the coupling is in.
func (j *judge) state() coupling.State {
	if j.c.End != nil {
		return j.c.End.State
	}
	var open, closed, landed, unread int
	merelySafe := true // every landed member may ship alone
	for i := range j.rows {
		switch r := &j.rows[i]; {
		case r.open(), r.merged() && !r.landed():
			open++
		case r.closed():
			closed++
		case r.landed():
			landed++
			merelySafe = merelySafe && r.SafeAlone
		default:
			unread++
		}
	}
	switch {
	case closed > 0 && open+unread == 0 && merelySafe:
		return coupling.Abandoned
	case len(j.alarms) > 0:
		return coupling.Broken
	case landed == 0:
		return coupling.Open
	case landed < len(j.rows):
		return coupling.Landing
	case j.shipped():
		return coupling.Shipped
	}
	return coupling.Landed
}

// shipped reports whether every member is in a final release, one release where that is asked, and every gate is right.
func (j *judge) shipped() bool {
	release := map[coupling.Repo]release.Version{} // of the members that may not ship alone
	for i := range j.rows {
		r := &j.rows[i]
		core := j.shippedInCut(r)
		if core.IsZero() {
			return false
		}
		if in := release[r.Pull.Repo]; !r.SafeAlone && (in.IsZero() || core.Compare(in) > 0) {
			release[r.Pull.Repo] = core
		}
	}
	for i := range j.rows {
		r := &j.rows[i]
		core := r.ship.Value.Core
		if in := release[r.Pull.Repo]; j.c.SameRelease && !in.IsZero() {
			core = in
		}
		rel, ok := j.history(r.Pull.Repo).Release(core)
		if !ok || !rel.Final() || !r.fact.Value.Carriers[rel.Speaks.Name].Known() {
			return false
		}
	}
	return !slices.ContainsFunc(j.gates, func(g GateState) bool { return g.Level != Pass })
}

// member turns what was found of a member into its row.
func (j *judge) member(r *row, state coupling.State) MemberState {
	m := MemberState{Role: r.Role, Pull: r.Pull, SafeAlone: r.SafeAlone, State: "unreadable"}
	if r.fact.Known() {
		p := r.fact.Value
		m.Title, m.Author, m.State, m.Private, m.MergedBy = p.Title, p.Author, p.State, p.Private, p.MergedBy
		switch {
		case r.open() && p.Draft:
			m.State = "draft"
		case r.missing:
			m.State = "missing"
		case r.reverted:
			m.State = "reverted"
		}
	}
	if s := r.ship; s.Known() && !r.closed() {
		m.ShipsIn, m.Shipped, m.Tag, m.Method = s.Value.Core.String(), s.Value.Tagged, cmp.Or(s.Value.Tag, s.Value.Line), s.Value.Method
	}
	if r.open() && !state.Ended() {
		for k := range j.rows {
			switch way := j.between(j.rows[k].Role, r.Role); {
			case len(way) == 0 || !j.rows[k].open():
			case together(way):
				m.With = append(m.With, j.rows[k].Pull)
			default:
				m.WaitsFor = append(m.WaitsFor, j.rows[k].Pull)
			}
		}
	}
	m.Verdict = Verdict{Pull: r.Pull, Level: Pass}
	if (r.open() || !r.fact.Known()) && !state.Ended() {
		m.Verdict = decide(r.Pull, r.found, j.s.Overrides)
	}
	for i := range m.Verdict.Reasons {
		m.Verdict.Reasons[i].Coupling = j.c.Key()
	}
	for i := range m.Verdict.Warnings {
		m.Verdict.Warnings[i].Coupling = j.c.Key()
	}
	return m
}

// rank orders the levels: block over unknown over wait over pass.
var rank = map[Level]int{Pass: 0, Wait: 1, Unknown: 2, Block: 3}

// decide lifts overridden codes and takes the worst level; unknown facts cannot be overridden.
func decide(pull coupling.Pull, found []finding, overrides []Override) Verdict {
	v := Verdict{Pull: pull, Level: Pass}
	kept := slices.Clone(found)
	for _, o := range overrides {
		if o.Pull != pull {
			continue
		}
		kept = slices.DeleteFunc(kept, func(f finding) bool {
			lifted := f.reason.Code == o.Code && f.level != Unknown && f.level != warning
			if lifted {
				v.Also = append(v.Also, f.reason.Code)
			}
			return lifted
		})
		kept = append(kept, finding{Pass, overridden(o)})
	}
	for _, f := range kept {
		if rank[f.level] > rank[v.Level] {
			v.Level = f.level
		}
	}
	for _, f := range kept {
		switch f.level {
		case v.Level:
			v.Reasons = append(v.Reasons, f.reason)
		case warning:
			v.Warnings = append(v.Warnings, f.reason)
		default:
			v.Also = append(v.Also, f.reason.Code)
		}
	}
	slices.Sort(v.Also)
	v.Also = slices.Compact(v.Also)
	sortReasons(v.Reasons)
	sortReasons(v.Warnings)
	return v
}

// Combine joins the verdicts of one pull request: the worst level, and the reasons of that level. That a pull
// request is in no coupling is worth saying only when nothing else is.
func Combine(pull coupling.Pull, verdicts ...Verdict) Verdict {
	out := Verdict{Pull: pull, Level: Pass}
	for _, v := range verdicts {
		if rank[v.Level] > rank[out.Level] {
			out.Level = v.Level
		}
	}
	for _, v := range verdicts {
		out.Warnings = append(out.Warnings, v.Warnings...)
		if v.Level == out.Level {
			out.Reasons = append(out.Reasons, v.Reasons...)
			out.Also = append(out.Also, v.Also...)
		} else {
			out.Also = append(out.Also, v.Codes()...)
		}
	}
	slices.Sort(out.Also)
	out.Also = slices.Compact(out.Also)
	sortReasons(out.Reasons)
	sortReasons(out.Warnings)
	none := func(r Reason) bool { return r.Code == NotCoupled }
	if rest := slices.DeleteFunc(slices.Clone(out.Reasons), none); len(rest) > 0 {
		out.Reasons = rest
	} else if len(out.Reasons) > 1 {
		out.Reasons = out.Reasons[:1]
	}
	return out
}

// Uncoupled is the verdict of a pull request in no coupling.
func Uncoupled(pull coupling.Pull) Verdict {
	return Verdict{Pull: pull, Level: Pass, Reasons: []Reason{Uncoupling("")}}
}

// sortReasons puts the most important codes first, in the order of [Codes] from the back. What blocks for sure comes
// before what may pass with time.
func sortReasons(rs []Reason) {
	slices.SortStableFunc(rs, func(a, b Reason) int {
		return cmp.Or(
			cmp.Compare(weight(b.Code), weight(a.Code)),
			strings.Compare(string(a.Code), string(b.Code)),
			cmp.Compare(a.Coupling, b.Coupling),
			strings.Compare(a.Gate, b.Gate),
			strings.Compare(string(a.About.Repo), string(b.About.Repo)),
			cmp.Compare(a.About.Number, b.About.Number),
		)
	})
}

// weight lifts the reasons that people put there themselves, and those that a merge would make worse.
func weight(c Code) int {
	switch c {
	case PolicyInvalid, OrderCycle, OnHold:
		return 3
	case MemberMissing, MemberReverted, MemberClosed, ReleaseSplit:
		return 2
	case Overridden, NotCoupled:
		return 0
	}
	return 1
}

func nonZero(p coupling.Pull) []coupling.Pull {
	if p.IsZero() {
		return nil
	}
	return []coupling.Pull{p}
}

// cyclicPulls is a cycle over the edges of all active couplings, which no single policy or command could see; nil
// when there is none.
func cyclicPulls(s Snapshot) []coupling.Pull {
	var edges []coupling.PullEdge
	for _, c := range slices.Concat(s.Couplings, s.Others) {
		if c.End == nil {
			edges = append(edges, c.PullEdges()...)
		}
	}
	return coupling.CycleOf(edges)
}
