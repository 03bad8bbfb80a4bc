package rules

// Code is a stable reason code.
type Code string

// The reason codes. What each means to its reader is written in package note.
const (
	NotCoupled         Code = "not-coupled"
	OrderWaiting       Code = "order-waiting"
	OrderQueued        Code = "order-queued"
	OrderBroken        Code = "order-broken"
	MemberClosed       Code = "member-closed"
	MemberReverted     Code = "member-reverted"
	MemberMissing      Code = "member-missing"
	MemberUnreadable   Code = "member-unreadable"
	MemberDraft        Code = "member-draft"
	WrongBase          Code = "wrong-base"
	ReleaseSplit       Code = "release-split"
	HalfLanded         Code = "half-landed"
	GateCutWithout     Code = "gate-cut-without"
	GateShippedEarlier Code = "gate-shipped-earlier"
	GateAhead          Code = "gate-ahead"
	GateUnreal         Code = "gate-unreal"
	GateMissing        Code = "gate-missing"
	GateAmbiguous      Code = "gate-ambiguous"
	GateUnparsable     Code = "gate-unparsable"
	GateNameMismatch   Code = "gate-name-mismatch"
	GateConflict       Code = "gate-conflict"
	GateForeignEdit    Code = "gate-foreign-edit"
	GateNoThreshold    Code = "gate-no-threshold"
	DevBuildsExcluded  Code = "dev-builds-excluded"
	RemovalDue         Code = "removal-due"
	TrainUnknown       Code = "train-unknown"
	TrainLagging       Code = "train-lagging"
	ReadersDisagree    Code = "readers-disagree"
	HeadBehind         Code = "head-behind"
	TagsMatchNothing   Code = "tags-match-nothing"
	TagElsewhere       Code = "tag-elsewhere"
	PolicyInvalid      Code = "policy-invalid"
	OrderCycle         Code = "order-cycle"
	OnHold             Code = "on-hold"
	Overridden         Code = "overridden"
)

// Codes lists every reason code in the order in which the documentation shows them.
var Codes = []Code{
	NotCoupled, OrderWaiting, OrderQueued, OrderBroken, MemberClosed, MemberReverted, MemberMissing, MemberUnreadable,
	MemberDraft, WrongBase, ReleaseSplit, HalfLanded, GateCutWithout, GateShippedEarlier, GateAhead, GateUnreal,
	GateMissing, GateAmbiguous, GateUnparsable, GateNameMismatch, GateConflict, GateForeignEdit, GateNoThreshold,
	DevBuildsExcluded, RemovalDue, TrainUnknown, TrainLagging, ReadersDisagree, TagsMatchNothing, TagElsewhere, HeadBehind, PolicyInvalid, OrderCycle,
	OnHold, Overridden,
}
