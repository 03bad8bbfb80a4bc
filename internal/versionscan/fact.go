package versionscan

// Fact is something relbot tried to learn: known, known to be absent, or unknown for a stated reason.
// The zero Fact is unknown, so a fact nobody gathered can never count as a pass.
type Fact[T any] struct {
	State FactState `json:"state"`
	Value T         `json:"value,omitempty"`
	Why   string    `json:"why,omitempty"` // why it is unknown, or what makes absence certain
}

// FactState tells which of the three a [Fact] is.
type FactState string

// The states of a fact.
const (
	Unknown FactState = ""
	Known   FactState = "known"
	Absent  FactState = "absent"
)

// Know makes a known fact.
func Know[T any](v T) Fact[T] { return Fact[T]{State: Known, Value: v} }

// None makes a fact that is known to be absent.
func None[T any](why string) Fact[T] { return Fact[T]{State: Absent, Why: why} }

// NotKnown makes an unknown fact.
func NotKnown[T any](why string) Fact[T] { return Fact[T]{Why: why} }

// Known reports whether the value is known.
func (f Fact[T]) Known() bool { return f.State == Known }

// Absent reports whether the thing is known not to exist.
func (f Fact[T]) Absent() bool { return f.State == Absent }

// Unknown reports whether nothing is known.
func (f Fact[T]) Unknown() bool { return f.State == Unknown }

// File is a text file at some commit.
type File struct {
	Text   string `json:"text"`
	Binary bool   `json:"binary,omitempty"` // Text is empty then
	Link   bool   `json:"link,omitempty"`   // a symbolic link; Text is its target
}
