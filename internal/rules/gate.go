package rules

import (
	"slices"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/find"
	"github.com/relbot/relbot/internal/versionscan/release"
)

// Question is what a gate is held against: the release of its subject, and the history around it.
type Question struct {
	History *release.History
	Scheme  release.Scheme
	Train   versionscan.Fact[release.Train]
	Ship    versionscan.Fact[release.Ship] // first ship of the subject
	Breaks  []release.Version              // evidence that comes and goes
	// Interval are the valid values at exact precision.
	Interval versionscan.Fact[release.Interval]
	// Holds says whether the base's tip still has the evidence; removed-in gates ask.
	Holds versionscan.Fact[bool]
	// Removed says that Ship is where a thing was removed, which a removed-in gate must name then.
	Removed bool
}

// Named is the release that a gate's value names. It is the one of the history, or the train, that it equals at the gate's precision, else its core.
func (q Question) Named(g Gate, value release.Version) string {
	p := g.Precision
	if p == release.Exact {
		p = release.Patch
	}
	if q.History != nil {
		for _, r := range q.History.Releases() {
			if r.Speaks != nil && r.Core.At(p).Compare(value.At(p)) == 0 {
				return r.Core.String()
			}
		}
	}
	if q.Train.Known() && q.Train.Value.Core.At(p).Compare(value.At(p)) == 0 {
		return q.Train.Value.Core.String()
	}
	return value.Core().String()
}

// Answer is the judgement of one gate value.
type Answer struct {
	Want     string // the core that the gate must name; "" unknown
	Reasons  []Reason
	Warnings []Reason
	Unknown  string // why it could not be judged; "" when it was
}

// Level is the answer's level.
func (a Answer) Level() Level {
	switch {
	case len(a.Reasons) > 0:
		return Block
	case a.Unknown != "":
		return Unknown
	}
	return Pass
}

// Locate finds a gate among the files that match its glob. Of a range of versions the upper bound says when a thing ends.
func (g Gate) Locate(scheme release.Scheme, files map[string]versionscan.Fact[versionscan.File]) (versionscan.Fact[find.Finding], *find.Trouble) {
	found, trouble := find.Gate(g.Find, g.ID, scheme, files)
	if g.Relation == RemovedIn && !found.Value.UpperValue.IsZero() {
		found.Value.Value = found.Value.UpperValue
	}
	return found, trouble
}

// Hold holds a gate's site against a question.
func (g Gate) Hold(site Site, q Question) Answer {
	if t := site.Trouble; t != nil {
		answer := Answer{Reasons: []Reason{gateTrouble(g.ID, g.Find.Path, *t)}}
		if q.Ship.Known() {
			answer.Want = q.Ship.Value.Core.String()
		}
		return answer
	}
	if !site.Found.Known() {
		return Answer{Unknown: "the gate could not be read: " + site.Found.Why}
	}
	f := site.Found.Value
	var answer Answer
	if f.Mismatch != "" {
		answer.Warnings = append(answer.Warnings, gateNameMismatch(g.ID, f))
	}
	if len(q.Breaks) > 0 {
		answer.Reasons = append(answer.Reasons, gateNoThreshold(g.ID, f, q.Breaks))
		return answer
	}
	if !q.Ship.Known() {
		answer.Unknown = "the release of the subject is unknown: " + q.Ship.Why
		return answer
	}
	ship := q.Ship.Value
	answer.Want = ship.Core.String()
	if f.Placeholder { // the source itself says "the coming release"
		return answer
	}
	reason := gateReason("", g.ID, f).gateShips(ship.Core.String(), "", ship)
	switch {
	case g.Relation == RemovedIn && !q.Removed:
		g.due(&answer, reason, f.Value, q)
	case g.Precision == release.Exact:
		g.exact(&answer, reason, f.Value, q)
	default:
		g.cut(&answer, reason, f.Value, q)
	}
	return answer
}

// cut judges at major, minor or patch precision.
func (g Gate) cut(a *Answer, reason Reason, value release.Version, q Question) {
	order := value.At(g.Precision).Compare(q.Ship.Value.Core.At(g.Precision))
	switch {
	case order == 0, order > 0 && g.Relation == AtLeast:
		return
	case order > 0:
		reason = reason.as(q.above())
	default:
		reason = g.below(reason, value, q)
	}
	a.Reasons = append(a.Reasons, reason)
}

// exact judges in full prerelease order: valid is what lies above the last build without the change, up to the first with it.
func (g Gate) exact(a *Answer, reason Reason, value release.Version, q Question) {
	if !q.Interval.Known() {
		a.Unknown = "the builds around the first ship are unknown: " + q.Interval.Why
		return
	}
	in, core := q.Interval.Value, q.Ship.Value.Core
	reason = reason.gateShips(in.UpTo.String(), in.After.String(), q.Ship.Value)
	a.Want = reason.Want
	sameCore := value.Core().Compare(core) == 0
	rel, known := q.History.Release(value.Core())
	switch {
	case !in.After.IsZero() && value.Compare(in.After) <= 0, known && rel.Cut && value.Core().Compare(core) < 0:
		reason = g.below(reason, value, q)
	case value.Compare(in.UpTo) <= 0, g.Relation == AtLeast:
		return
	case sameCore:
		a.Warnings = append(a.Warnings, reason.as(DevBuildsExcluded))
		return
	default:
		reason = reason.as(q.above())
	}
	a.Reasons = append(a.Reasons, reason)
}

// above names what is wrong with a value later than the first ship.
func (q Question) above() Code {
	earlier := q.Ship.Value.Tagged || q.Ship.Value.Line != "" || q.Train.Known() && q.Ship.Value.Core.Compare(q.Train.Value.Core) < 0
	if earlier {
		return GateShippedEarlier
	}
	return GateAhead
}

// below names what is wrong with a value earlier than the first ship: a release cut without the change, or no release at all.
func (g Gate) below(reason Reason, value release.Version, q Question) Reason {
	p := g.Precision
	if p == release.Exact {
		p = release.Patch
	}
	want := value.At(p)
	for _, r := range q.History.Releases() {
		if r.Cut && r.Core.At(p).Compare(want) == 0 {
			return reason.gateCutWithout(r.Core, r.CutBy)
		}
	}
	return reason.as(GateUnreal)
}

// due warns when a thing that a gate promised to remove is still there in its release.
func (g Gate) due(a *Answer, reason Reason, value release.Version, q Question) {
	p := g.Precision
	if p == release.Exact {
		p = release.Patch
	}
	a.Want = value.String()
	switch {
	case !q.Train.Known():
		a.Unknown = "the train is unknown: " + q.Train.Why
	case q.Train.Value.Core.At(p).Compare(value.At(p)) < 0, q.Holds.Known() && !q.Holds.Value:
	default:
		a.Warnings = append(a.Warnings, reason.removalDue(q.Train.Value.Core))
	}
}

// gate judges one gate of the coupling and puts its reasons on the owner and the subject. With neither at hand every
// open member gets them.
func (j *judge) gate(use coupling.GateUse) {
	g, ok := j.policy.Gate(use.Gate)
	if !ok {
		reason := gateUnregistered(use.Gate)
		j.everyOpen(Block, reason)
		j.gates = append(j.gates, GateState{ID: use.Gate, Subject: use.Subject, Level: Block, Reasons: []Reason{reason}})
		return
	}
	facts := j.s.Repos[j.c.Home].Bases[j.base(j.c.Home)].Gates[g.ID]
	var owners []*row
	for i := range j.rows {
		if _, owns := facts.Owners[j.rows[i].Pull]; owns && j.rows[i].open() {
			owners = append(owners, &j.rows[i])
		}
	}
	targets := slices.Clone(owners)
	subject := slices.IndexFunc(j.rows, func(r row) bool { return r.Role == use.Subject })
	if subject >= 0 && j.rows[subject].open() && !slices.Contains(targets, &j.rows[subject]) {
		targets = append(targets, &j.rows[subject])
	}
	if len(targets) == 0 {
		for i := range j.rows {
			if j.rows[i].open() {
				targets = append(targets, &j.rows[i])
			}
		}
	}
	site := facts.Base
	row := GateState{ID: g.ID, Title: g.Title, Subject: use.Subject, Level: Pass}
	if len(owners) > 0 {
		site = facts.Owners[owners[0].Pull]
		row.Owner = owners[0].Pull
	}
	answer := g.Hold(site, j.question(g, facts, subject))
	if conflict := j.conflict(g, facts, owners); conflict != nil {
		answer.Reasons = append(answer.Reasons, *conflict)
	}
	for _, t := range targets {
		others := len(owners) > 0 && !slices.Contains(owners, t)
		for _, r := range answer.Reasons {
			if others {
				r = r.ownedBy(owners[0].Pull)
			}
			t.add(Block, r)
		}
		for _, w := range answer.Warnings {
			if others {
				w = w.ownedBy(owners[0].Pull)
			}
			t.add(warning, w)
		}
		if answer.Unknown != "" {
			// A train that could not be read speaks for itself; anything else is an error while reading a member.
			if t.train.Known() {
				t.add(Unknown, GateUnreadable(t.Pull, g.ID, answer.Unknown))
			} else {
				t.add(Unknown, gateTrainUnknown(g.ID, answer.Unknown))
			}
		}
	}
	if f := site.Found; f.Known() {
		row.Name, row.Value, row.Path, row.Line = f.Value.Name, f.Value.Value.String(), f.Value.Path, f.Value.Line
		if f.Value.Placeholder {
			row.Value = f.Value.Raw
		}
	}
	row.Want, row.Level, row.Reasons = answer.Want, answer.Level(), answer.Reasons
	if q := j.question(g, facts, subject); q.Ship.Known() {
		row.Evidence = q.Ship.Value.Tag
		if row.Evidence == "" {
			row.Evidence = q.Ship.Value.Method
		}
	}
	j.gates = append(j.gates, row)
	// What a landed coupling left wrong can no longer be blocked, only reported.
	if j.landedCount() == len(j.rows) {
		for _, r := range answer.Reasons {
			r.About = j.rows[0].Pull
			if subject >= 0 {
				r.About = j.rows[subject].Pull
			}
			j.alarm(r)
		}
	}
}

// question gathers what a gate with this subject is held against; subject is a row, or -1 for evidence.
func (j *judge) question(g Gate, facts GateFacts, subject int) Question {
	repo, branch := j.c.Home, j.base(j.c.Home)
	if subject >= 0 {
		repo = j.rows[subject].Pull.Repo
		branch = j.base(repo)
	}
	q := j.ask(g, facts, repo, branch)
	if subject >= 0 {
		r := &j.rows[subject]
		q.Ship, q.Breaks = r.ship, nil
		if r.closed() && r.train.Known() {
			q.Ship = versionscan.Know(release.Ship{Core: r.train.Value.Core, Method: "train"})
		}
		q.Interval = versionscan.NotKnown[release.Interval](r.train.Why)
		if q.History != nil && r.train.Known() {
			carriers, train := map[string]versionscan.Fact[string](nil), r.train.Value.Core
			if r.landed() {
				carriers = r.fact.Value.Carriers
			}
			if s := r.ship; s.Known() && s.Value.Line != "" { // its first build will be the line's next
				train = s.Value.Core
			}
			q.Interval = q.History.Interval(func(tag string) versionscan.Fact[bool] {
				switch f, ok := carriers[tag]; {
				case !r.landed(), ok && f.Absent():
					return versionscan.Know(false)
				case ok && f.Known():
					return versionscan.Know(true)
				default:
					return versionscan.NotKnown[bool](f.Why)
				}
			}, train)
		}
	}
	return q
}

// ask is the question of a gate whose subject is its evidence.
func (a *arithmetic) ask(g Gate, facts GateFacts, repo coupling.Repo, branch string) Question {
	q := Question{History: a.history(repo), Train: a.train(repo, branch), Holds: facts.Tip}
	if r := a.s.Repos[repo].Releases; r != nil {
		q.Scheme = r.Scheme
	}
	train := versionscan.NotKnown[release.Version](q.Train.Why)
	if q.Train.Known() {
		train = versionscan.Know(q.Train.Value.Core)
	}
	q.Ship.Why = q.Train.Why
	q.Interval.Why = q.Train.Why
	if q.History == nil {
		return q
	}
	t := q.History.Threshold(facts.Shows, train)
	opened, closed := q.History.Window(facts.Shows, train)
	switch {
	case g.Evidence != nil && g.Relation == RemovedIn:
		return a.closing(q, facts, closed, train)
	case g.Window:
		t = opened
	}
	switch {
	case g.Evidence == nil:
		// Without evidence the train is all there is.
		if q.Train.Known() {
			q.Ship = versionscan.Know(release.Ship{Core: q.Train.Value.Core, Method: "train"})
		}
	case t.Known():
		q.Ship, q.Breaks = versionscan.Know(t.Value.Ship), t.Value.Breaks
	default:
		q.Ship.Why = t.Why
	}
	if q.Train.Known() {
		q.Interval = q.History.Interval(func(tag string) versionscan.Fact[bool] { return facts.Shows[tag] }, q.Train.Value.Core)
	}
	return q
}

// closing is the question of a gate that names a removal: which release was the first without the thing again. While the thing is still
// there the gate is a deadline.
func (a *arithmetic) closing(q Question, facts GateFacts, closed versionscan.Fact[release.Threshold], train versionscan.Fact[release.Version]) Question {
	switch {
	case closed.Known():
		q.Ship, q.Breaks, q.Removed = versionscan.Know(closed.Value.Ship), closed.Value.Breaks, true
	case closed.Unknown():
		q.Ship.Why = closed.Why
	case train.Known(): // no release has lost it yet
		q.Ship = versionscan.Know(release.Ship{Core: train.Value, Method: "train"})
		q.Removed = q.Holds.Known() && !q.Holds.Value
	}
	came := release.Version{}
	if opened, _ := q.History.Window(facts.Shows, train); opened.Known() {
		came = opened.Value.Core
	}
	if train.Known() {
		q.Interval = q.History.Interval(func(tag string) versionscan.Fact[bool] {
			f := facts.Shows[tag]
			if v, ok := q.History.Rules().ParseTag(tag); f.Known() && ok {
				return versionscan.Know(!f.Value && v.Core().Compare(came) > 0)
			}
			return f
		}, train.Value)
	}
	return q
}

// conflict is the reason when open members set different values.
func (j *judge) conflict(g Gate, facts GateFacts, owners []*row) *Reason {
	var pulls []coupling.Pull
	first, differ := "", false
	other := ""
	for _, o := range owners {
		site := facts.Owners[o.Pull]
		value := "none"
		if site.Found.Known() {
			value = site.Found.Value.Value.String()
		}
		if len(pulls) > 0 && value != first {
			differ, other = true, value
		}
		if len(pulls) == 0 {
			first = value
		}
		pulls = append(pulls, o.Pull)
	}
	if !differ {
		return nil
	}
	r := gateConflict(g.ID, pulls, first, other)
	return &r
}

// Edit is what a pull request that is no member does about a gate.
type Edit struct {
	Site    Site                   // the gate in its merge result
	Changed bool                   // it is another gate than the branch's
	Holds   versionscan.Fact[bool] // the evidence of a removed-in gate in its merge result
}

// Foreign judges a pull request that is no member and changes registered gates, or what the evidence of a removed-in gate looks at. It
// blocks when the new value is wrong or when an open member owns the gate. Else it warns, so that a landed gate can be fixed.
func Foreign(p Policy, s Snapshot, pull coupling.Pull, edits map[string]Edit) Verdict {
	var found []finding
	a := newArithmetic(s)
	branch := s.Pulls[pull].Value.Base
	for _, g := range p.Gates {
		edit, touched := edits[g.ID]
		if !touched {
			continue
		}
		site, facts := edit.Site, s.Repos[pull.Repo].Bases[branch].Gates[g.ID]
		if g.Relation == RemovedIn {
			q := a.ask(g, facts, pull.Repo, branch)
			q.Holds = edit.Holds
			for _, w := range g.Hold(site, q).Warnings {
				if w.Code == RemovalDue {
					found = append(found, finding{warning, w})
				}
			}
		}
		if !edit.Changed {
			continue
		}
		level, reason := warning, gateForeignEdit(g.ID, g.Find.Path, site.Found)
		used := false
		for _, c := range s.Couplings {
			i := slices.IndexFunc(c.Gates, func(u coupling.GateUse) bool { return u.Gate == g.ID })
			if i < 0 || c.Home != pull.Repo || c.End != nil {
				continue
			}
			used = true
			j := judge{policy: p, s: s, arithmetic: a, c: c}
			j.load()
			reason.Coupling = c.Key()
			for k := range j.rows {
				if _, owns := facts.Owners[j.rows[k].Pull]; owns && j.rows[k].open() {
					level = Block
					reason.Pulls = append(reason.Pulls, j.rows[k].Pull)
				}
			}
			subject := slices.IndexFunc(j.rows, func(r row) bool { return r.Role == c.Gates[i].Subject })
			level = max2(level, foreignLevel(&reason, g.Hold(site, j.question(g, facts, subject))))
		}
		if !used && g.Evidence != nil {
			level = max2(level, foreignLevel(&reason, g.Hold(site, a.ask(g, facts, pull.Repo, branch))))
		}
		found = append(found, finding{level, reason})
	}
	v := decide(pull, found, s.Overrides)
	if v.Level == Pass && len(v.Reasons) == 0 {
		v.Reasons = Uncoupled(pull).Reasons
	}
	return v
}

// foreignLevel says how an answer weighs on a foreign edit, and notes what it must be instead.
func foreignLevel(reason *Reason, a Answer) Level {
	switch a.Level() {
	case Block:
		*reason = reason.wrong(a.Reasons[0], a.Want)
		return Block
	case Unknown:
		*reason = reason.unjudged(a.Unknown)
		return Unknown
	}
	return warning
}

func max2(a, b Level) Level {
	if a == warning {
		return b
	}
	if b == warning || rank[a] >= rank[b] {
		return a
	}
	return b
}

func joinVersions(vs []release.Version) string {
	out := ""
	for i, v := range vs {
		if i > 0 {
			out += ", "
		}
		out += v.String()
	}
	return out
}

// Unreplaced is the reason when a release went out with a gate's placeholder in it; nil when none did.
func (g Gate) Unreplaced(facts GateFacts) *Reason {
	if facts.Left == "" {
		return nil
	}
	r := gateUnreplaced(g.ID, facts.Base.Found.Value, facts.Left)
	return &r
}

// Ask is what a gate of a repository's default branch is held against when its evidence is the subject.
func Ask(g Gate, s Snapshot, repo coupling.Repo) Question {
	branch := s.Repos[repo].Default
	return newArithmetic(s).ask(g, s.Repos[repo].Bases[branch].Gates[g.ID], repo, branch)
}

// Registered judges every registered gate against the whole release history, for the report and the command line.
func Registered(p Policy, s Snapshot, repo coupling.Repo) []GateState {
	a := newArithmetic(s)
	out := make([]GateState, 0, len(p.Gates))
	for _, g := range p.Gates {
		facts := s.Repos[repo].Bases[s.Repos[repo].Default].Gates[g.ID]
		row := GateState{ID: g.ID, Title: g.Title, Subject: coupling.Evidence, Level: Pass}
		q := a.ask(g, facts, repo, s.Repos[repo].Default)
		if f := facts.Base.Found; f.Known() {
			row.Name, row.Value, row.Path, row.Line = f.Value.Name, f.Value.Value.String(), f.Value.Path, f.Value.Line
		}
		answer := g.Hold(facts.Base, q)
		if g.Evidence == nil && g.Relation != RemovedIn {
			// Without evidence only the place and the name can be judged here; its couplings judge the value.
			answer.Reasons = slices.DeleteFunc(answer.Reasons, func(r Reason) bool {
				return r.Code != GateMissing && r.Code != GateAmbiguous && r.Code != GateUnparsable && r.Code != GateUnreal
			})
			answer.Want = ""
		}
		if r := g.Unreplaced(facts); r != nil {
			answer.Reasons = append(answer.Reasons, *r)
		}
		row.Want, row.Level = answer.Want, answer.Level()
		row.Reasons = append(answer.Reasons, answer.Warnings...)
		if q.Ship.Known() && g.Evidence != nil {
			row.Evidence = q.Ship.Value.Tag
		}
		out = append(out, row)
	}
	return out
}
