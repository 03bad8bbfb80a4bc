// Package command reads commands addressed to relbot in a comment, and says who may use them and what they change.
//
// A command is a line of a new comment that begins with "/relbot". Everything that only looks like one is left alone: quotes,
// code, HTML comments, text inside a line. The parser reports every mistake with its place, the accepted form and a
// suggestion, and goes on with the next line.
//
// [Table] holds each command once. The parser, the rights, the help, the documentation and the audit log come from it. What a
// command changes is a method of its [Action]. A grammar for each command was refused: the commands differ in a handful of
// word patterns, and a tokenizer with small readers says more precisely where a line went wrong.
package command

import (
	"slices"

	"github.com/relbot/relbot/internal/coupling"
)

// Right is what a command needs: a key of the policy's permissions section, or Anybody.
type Right string

// The rights.
const (
	Anybody     Right = "anybody"
	MayLink     Right = "link"
	MayHold     Right = "hold"
	MayOverride Right = "override"
)

// Reach says in which repositories a command needs its right.
type Reach string

// The reaches, each wider than the one before.
const (
	Here    Reach = "here"    // in the repository of the comment
	Named   Reach = "named"   // also in the coupling's home and in those of the pull requests that the command names
	Members Reach = "members" // also in those of all members
)

// Spec describes a command. [Table] gives every field of it by position, so that a command without one does not compile.
type Spec struct {
	Name    string
	Usage   string // without "/relbot "
	Right   Right
	Reach   Reach
	Summary string
	Example string // without "/relbot "
	read    func(*parser) (Action, *Mistake)
}

// Table holds all commands, in the order in which they are shown.
var Table = []Spec{
	{"help", "help", Anybody, Here, "lists the commands", "help", bare(Help{})},
	{"status", "status", Anybody, Here, "answers with the present verdicts and their reasons", "status", bare(Status{})},
	{"recheck", "recheck", Anybody, Here, "looks at everything again", "recheck", bare(Recheck{})},
	{"link", "link #A #B owner/repo#C [as NAME] [role=#N …]", MayLink, Named, "makes a coupling, or extends one", "link #12 image=#13 as distroless", (*parser).link},
	{"unlink", "unlink #A because TEXT", MayLink, Named, "takes a member out", "unlink #12 because it is no longer needed", (*parser).unlink},
	{"replace", "replace #A with #B", MayLink, Named, "puts a successor in a member's place; edges and role stay", "replace #12 with #15", (*parser).replace},
	{"order", "order A before B because TEXT, or A before-or-with B", MayLink, Named, "adds or changes an order edge; members are named by role or #N", "order gate before-or-with image because nonroot images need it", (*parser).order},
	{"unorder", "unorder A B", MayLink, Named, "removes an order edge", "unorder gate image", (*parser).unorder},
	{"hold", "hold [TEXT]", MayHold, Members, "blocks every member", "hold the cut is at noon", (*parser).hold},
	{"resume", "resume", MayHold, Members, "lifts a hold", "resume", bare(Resume{})},
	{"override", "override CODE because TEXT [until push|merge|RELEASE], or override cancel", MayOverride, Here, "lifts one reason code for this pull request; ends at the next push that changes the tree unless said otherwise", "override gate-ahead because the release is renamed until merge", (*parser).override},
	{"supersede", "supersede by #N", MayLink, Members, "ends the coupling: another pull request does its work", "supersede by #37526", (*parser).supersede},
	{"abandon", "abandon because TEXT", MayLink, Members, "ends the coupling without its work being done", "abandon because the plan changed", (*parser).abandon},
	{"reopen", "reopen", MayLink, Members, "takes the end of a coupling back", "reopen", bare(Reopen{})},
}

// SpecOf finds a command by name.
func SpecOf(name string) (Spec, bool) {
	i := slices.IndexFunc(Table, func(s Spec) bool { return s.Name == name })
	if i < 0 {
		return Spec{}, false
	}
	return Table[i], true
}

// Command is one well-formed command.
type Command struct {
	Spec   Spec
	Action Action
	Line   int    // of the comment, from 1
	Raw    string // the line
}

// Named returns the pull requests that a command names, as they were written, each once for each place.
func (c Command) Named() []Target {
	var out []Target
	c.Action.each(func(t Target) Target {
		if t.Pull != "" {
			out = append(out, t)
		}
		return t
	})
	return out
}

// Retarget returns the command with f of every member and pull request that it names.
func (c Command) Retarget(f func(Target) Target) Command {
	c.Action = c.Action.each(f)
	return c
}

// Target names a member as a person wrote it: by pull request or by role.
type Target struct {
	Text string // as written
	Role string // "" where it is a pull request
	// Pull is the text of the pull request, "#12", "owner/repo#12" or a URL; see [Target.In].
	Pull string
}

// In resolves a target that names a pull request, seen from a repository.
func (t Target) In(home coupling.Repo) (coupling.Pull, error) {
	return coupling.ParsePull(t.Pull, home)
}

// Member is a pull request that link adds, with the role it was given ("" for none).
type Member struct {
	Role string
	Target
}

// Mistake is a line that was addressed to relbot and not understood.
type Mistake struct {
	Line, Column int    // of the offending word, from 1
	Raw          string // the line
	Message      string
	Accepted     string // the accepted form, with "/relbot "
	Suggestion   string // a line that would be understood; "" when there is no good guess
}
