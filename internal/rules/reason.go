package rules

import (
	"cmp"
	"strconv"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/find"
	"github.com/relbot/relbot/internal/versionscan/release"
)

// Reason is a stable code and the evidence for it. It holds data only: package note writes the sentence and the
// remedy. Reasons are made by the constructors of this file, one for each code, which say what evidence a code has;
// the fields that a code does not use are zero.
type Reason struct {
	Code Code `json:"code"`
	// About is the pull request that the reason is about, when that is another than the one judged.
	About    coupling.Pull   `json:"about,omitzero"`
	Coupling coupling.Key    `json:"coupling,omitempty"` // its key
	Pulls    []coupling.Pull `json:"pulls,omitempty"`    // predecessors, conflicting owners, the path of a cycle
	Edges    []coupling.Edge `json:"edges,omitempty"`    // by which others have to merge first, a member's own before the rest
	Gate     string          `json:"gate,omitempty"`
	Name     string          `json:"name,omitempty"`  // the constant
	Value    string          `json:"value,omitempty"` // what the gate says
	Want     string          `json:"want,omitempty"`  // what it must say, a full core ("26.29.0"), or an interval's upper end
	After    string          `json:"after,omitempty"` // an interval's open lower end
	Release  string          `json:"release,omitempty"`
	Other    string          `json:"other,omitempty"`  // a second release or value
	Tag      string          `json:"tag,omitempty"`    // the evidence: a tag or release line
	Method   string          `json:"method,omitempty"` // how first ship was found
	Path     string          `json:"path,omitempty"`
	Line     int             `json:"line,omitempty"`
	Commit   string          `json:"commit,omitempty"`
	By       string          `json:"by,omitempty"`
	Until    string          `json:"until,omitempty"`
	Detail   string          `json:"detail,omitempty"` // free text from the reader, from people (escaped by note) or from GitHub
	Owner    coupling.Pull   `json:"owner,omitzero"`   // of a gate: the open member that changes it, where that is another
	Wrong    Code            `json:"wrong,omitempty"`  // of a foreign edit: what is wrong with the value
	Queue    Entering        `json:"queue,omitempty"`  // of a merge group: what keeps Pulls from being in it
}

// Uncoupling says that a pull request is in no coupling, or, with a branch, that nothing that is queued for it is.
func Uncoupling(branch string) Reason { return Reason{Code: NotCoupled, Value: branch} }

func orderWaiting(first []coupling.Pull, by []coupling.Edge) Reason {
	return Reason{Code: OrderWaiting, Pulls: first, Edges: by}
}

// orderEntering is [OrderWaiting] in a merge group, which partners have to enter; why says what keeps them out.
func orderEntering(partners []coupling.Pull, by []coupling.Edge, why Entering) Reason {
	return Reason{Code: OrderWaiting, Pulls: partners, Edges: by, Queue: why}
}

func orderQueued(first []coupling.Pull, by []coupling.Edge) Reason {
	return Reason{Code: OrderQueued, Pulls: first, Edges: by}
}

func orderBroken(late coupling.Pull, passed []coupling.Pull, by []coupling.Edge, merger string) Reason {
	return Reason{Code: OrderBroken, About: late, Pulls: passed, Edges: by, By: merger}
}

// memberClosed names who may be the successor. lost is the member's base where GitHub closed it with that branch, and base where it
// belongs.
func memberClosed(member, successor coupling.Pull, lost, base string) Reason {
	return Reason{Code: MemberClosed, About: member, Pulls: nonZero(successor), Value: lost, Want: base}
}

// Reverted says that a merged member was reverted.
func Reverted(member coupling.Pull, by Revert) Reason {
	return Reason{Code: MemberReverted, About: member, Commit: by.Commit, Pulls: nonZero(by.Pull), Method: by.How}
}

// memberMissing says that a merge is not on a branch. want is the coupling's base, where the member was merged elsewhere.
func memberMissing(member coupling.Pull, merge, into, want, merger string) Reason {
	return Reason{Code: MemberMissing, About: member, Commit: merge, Value: into, Want: want, By: merger}
}

// Unreadable says that a member could not be read. A zero member is one that is not known.
func Unreadable(member coupling.Pull, why string) Reason {
	return Reason{Code: MemberUnreadable, About: member, Detail: why}
}

// GateUnreadable says that what a gate is held against could not be read; member is the one that it blocks, if any.
func GateUnreadable(member coupling.Pull, gate, why string) Reason {
	return Reason{Code: MemberUnreadable, About: member, Gate: gate, Detail: why}
}

func memberDraft(member coupling.Pull, by []coupling.Edge) Reason {
	return Reason{Code: MemberDraft, About: member, Edges: by}
}

func wrongBase(base, want string) Reason { return Reason{Code: WrongBase, Value: base, Want: want} }

// releaseSplit says that the early one is in a cut release and the one judged would ship later.
func releaseSplit(early coupling.Pull, cut release.Version, shows string, later release.Version) Reason {
	return Reason{Code: ReleaseSplit, About: early, Release: cut.String(), Tag: shows, Other: later.String()}
}

// releaseSplitAfter says it of two that landed: the reason is about the late one.
func releaseSplitAfter(late, early coupling.Pull, cut release.Version, shows string, later release.Version) Reason {
	r := releaseSplit(late, cut, shows, later)
	r.Pulls = []coupling.Pull{early}
	return r
}

// PartlyLanded says which members are merged while others are not. splits is the release whose cut would split them; "" for none.
func PartlyLanded(merged []coupling.Pull, splits string) Reason {
	return Reason{Code: HalfLanded, Pulls: merged, Release: splits}
}

// safelyLanded is [HalfLanded] where all that is merged may ship alone.
func safelyLanded(merged []coupling.Pull) Reason {
	return Reason{Code: HalfLanded, Pulls: merged, Method: byPolicy}
}

// byPolicy is the method of a reason that the policy itself excuses.
const byPolicy = "safe_alone"

// Alone reports whether what is merged of a half-landed coupling may ship alone.
func (r Reason) Alone() bool { return r.Code == HalfLanded && r.Method == byPolicy }

// gateReason is what all reasons about a gate have: the gate and, where there is one, its constant.
func gateReason(code Code, gate string, at find.Finding) Reason {
	return Reason{Code: code, Gate: gate, Path: at.Path, Line: at.Line, Name: at.Name, Value: at.Value.String()}
}

// ownedBy adds the member that changes the gate, to a reason on another one.
func (r Reason) ownedBy(owner coupling.Pull) Reason {
	r.Owner = owner
	return r
}

// gateShips adds the release of a gate's subject, which the gate must name; after is the open lower end where only builds above it will do.
func (r Reason) gateShips(want, after string, ship release.Ship) Reason {
	r.Want, r.After, r.Tag, r.Method = want, after, ship.Tag, ship.Method
	return r
}

// gateCutWithout adds the release that was cut without the change, and by what.
func (r Reason) gateCutWithout(of release.Version, cutBy string) Reason {
	r.Code, r.Release, r.Tag = GateCutWithout, of.String(), cutBy
	return r
}

// as gives the evidence about a gate another code: [GateShippedEarlier], [GateAhead], [GateUnreal] and [DevBuildsExcluded] have the same.
func (r Reason) as(code Code) Reason {
	r.Code = code
	return r
}

// gateTrouble says why no value was found: [GateMissing], [GateAmbiguous] or [GateUnparsable]. It shows the first candidate as it is
// written, or else the path that was looked through.
func gateTrouble(gate, path string, t find.Trouble) Reason {
	r := Reason{Code: Code(t.Code), Gate: gate, Path: path, Detail: t.Message}
	if len(t.Findings) > 0 {
		f := t.Findings[0]
		r.Path, r.Line, r.Name, r.Value = f.Path, f.Line, f.Name, f.Raw
	}
	return r
}

func gateUnregistered(gate string) Reason {
	return Reason{Code: GateMissing, Gate: gate, Detail: "the policy registers no gate of this name"}
}

// gateUnreplaced says that a release went out with the placeholder of a gate in it.
func gateUnreplaced(gate string, at find.Finding, tag string) Reason {
	r := gateReason(GateUnparsable, gate, at)
	r.Value, r.Tag = at.Raw, tag
	r.Detail = "the release " + tag + " still has the placeholder " + at.Raw + ", which stands for the coming release"
	return r
}

func gateNameMismatch(gate string, at find.Finding) Reason {
	r := gateReason(GateNameMismatch, gate, at)
	r.Detail = at.Mismatch
	return r
}

func gateNoThreshold(gate string, at find.Finding, breaks []release.Version) Reason {
	r := gateReason(GateNoThreshold, gate, at)
	r.Detail = joinVersions(breaks)
	return r
}

func gateConflict(gate string, owners []coupling.Pull, value, other string) Reason {
	return Reason{Code: GateConflict, Gate: gate, Pulls: owners, Value: value, Other: other}
}

// gateForeignEdit says that a pull request outside sets a gate. [Reason.wrong] and [Reason.unjudged] add what is wrong with the value.
func gateForeignEdit(gate, path string, at versionscan.Fact[find.Finding]) Reason {
	if !at.Known() {
		return Reason{Code: GateForeignEdit, Gate: gate, Path: path}
	}
	return gateReason(GateForeignEdit, gate, at.Value)
}

// wrong adds to a foreign edit why its value is wrong, and what it must be.
func (r Reason) wrong(why Reason, want string) Reason {
	r.Want, r.Tag, r.Release, r.Wrong, r.Detail = want, why.Tag, why.Release, why.Code, ""
	return r
}

// unjudged adds to a foreign edit why its value could not be judged.
func (r Reason) unjudged(why string) Reason {
	r.Detail = why
	return r
}

// removalDue adds the train to the evidence about a gate that promised a removal.
func (r Reason) removalDue(train release.Version) Reason {
	r.Code, r.Release = RemovalDue, train.String()
	return r
}

func trainUnknown(branch, why string) Reason {
	return Reason{Code: TrainUnknown, Value: branch, Detail: why}
}

// gateTrainUnknown is [TrainUnknown] where a gate needs the train.
func gateTrainUnknown(gate, why string) Reason {
	return Reason{Code: TrainUnknown, Gate: gate, Detail: why}
}

func trainLagging(t release.Train, path string) Reason {
	return Reason{Code: TrainLagging, Value: t.Dev.String(), Tag: t.CutBy, Want: t.Core.String(), Path: path}
}

// readersDisagree says what a reader says instead of the first one, or why it says nothing.
func readersDisagree(d release.Reading, first release.Version) Reason {
	return Reason{Code: ReadersDisagree, Path: d.Reader.Path, Value: d.Version.String(), Other: first.String(), Detail: d.Err}
}

func headBehind(head, base release.Version, path string) Reason {
	return Reason{Code: HeadBehind, Value: head.String(), Other: base.String(), Path: path}
}

// tagsMatchNothing says that a pattern matches none of the tags, of which one is named.
func tagsMatchNothing(pattern, tag string) Reason {
	return Reason{Code: TagsMatchNothing, Value: cmp.Or(pattern, "{version}"), Tag: tag}
}

// tagElsewhere says that a tag reads as the train or later, behind another prefix than the pattern has.
func tagElsewhere(pattern, tag string, train release.Version) Reason {
	return Reason{Code: TagElsewhere, Value: cmp.Or(pattern, "{version}"), Tag: tag, Want: train.String()}
}

// BadPolicy says that the policy file has problems, of which the first is at a line.
func BadPolicy(path string, line int, first string, problems int) Reason {
	return Reason{Code: PolicyInvalid, Path: path, Line: line, Detail: first, Value: strconv.Itoa(problems)}
}

// CyclicPolicy says that the policy's order has a cycle, which problem prints.
func CyclicPolicy(path string, line int, problem string, problems int) Reason {
	r := BadPolicy(path, line, problem, problems)
	r.Code = OrderCycle
	return r
}

func orderCycle(path []coupling.Pull) Reason { return Reason{Code: OrderCycle, Pulls: path} }

func onHold(h coupling.Hold) Reason { return Reason{Code: OnHold, By: h.By, Detail: h.Why} }

func overridden(o Override) Reason {
	return Reason{Code: Overridden, Value: string(o.Code), By: o.By, Detail: o.Why, Until: o.Until}
}
