// Package command reads commands addressed to relbot in a comment, and says who may use them and what they change.
//
// A command is a line of a new comment that begins with "/relbot" or with the App's name, also in a list or in bold. Quotes, code,
// HTML, and what came back by mail below an answer are left alone. The parser takes what people plainly mean, reports every mistake
// with its place, the accepted form and a suggestion that it would take, and goes on with the next line.
//
// [Table] holds each command once. The parser, the rights, the help, the documentation and the audit log come from it. What a
// command changes is a method of its [Action]. A grammar for each command was refused: the commands differ in a handful of
// word patterns, and a tokenizer with small readers says more precisely where a line went wrong.
package command

import (
	"slices"
	"strings"

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
	Names   []string // other names, in lower case
	Akin    []string // words that mean something like it, for which it is suggested
	Usage   string   // without "/relbot "
	Right   Right
	Reach   Reach
	Summary string
	Example string // without "/relbot "
	read    func(*parser) (Action, *Mistake)
}

// Table holds all commands, in the order in which they are shown.
var Table = []Spec{
	{"help", nil, []string{"commands", "usage"}, "help", Anybody, Here, "lists the commands", "help", bare(Help{})},
	{"status", []string{"why", "list"}, []string{"state", "show", "info"}, "status [#N]", Anybody, Here, "answers with the present verdicts and their reasons", "status", (*parser).status},
	{"recheck", []string{"retry", "retest", "rerun", "refresh", "check"}, []string{"re-check", "re-run", "update", "reload"}, "recheck", Anybody, Here, "looks at everything again", "recheck", bare(Recheck{})},
	{"link", nil, []string{"add", "join", "couple", "group"}, "link #A #B owner/repo#C [as NAME] [role=#N …]", MayLink, Named, "makes a coupling, or extends one", "link #12 image=#13 as distroless", (*parser).link},
	{"after", []string{"depends on", "depends-on", "merge after", "merge-after", "wait for", "wait-for", "blocked by", "blocked-by"}, []string{"needs", "requires", "waits", "depends"}, "after #N because TEXT", MayLink, Named, "couples this pull request with #N, which has to merge first", "after #12 because it calls the new function", (*parser).after},
	{"with", nil, []string{"together"}, "with #N because TEXT", MayLink, Named, "couples this pull request with #N, and both have to land together", "with #12 because neither works alone", (*parser).with},
	{"unlink", nil, []string{"remove", "drop", "leave"}, "unlink #A because TEXT", MayLink, Named, "takes a member out; what came after it then comes after what was before it", "unlink #12 because it is no longer needed", (*parser).unlink},
	{"replace", nil, []string{"swap"}, "replace #A with #B", MayLink, Named, "puts a successor in a member's place; edges and role stay", "replace #12 with #15", (*parser).replace},
	{"order", nil, []string{"sort"}, "order A before B because TEXT, or A before-or-with B", MayLink, Named, "adds or changes an order edge; members are named by role or #N", "order gate before-or-with image because nonroot images need it", (*parser).order},
	{"unorder", nil, nil, "unorder A B", MayLink, Named, "removes an order edge", "unorder gate image", (*parser).unorder},
	{"hold", nil, []string{"pause", "freeze", "stop", "block", "wip"}, "hold [TEXT]", MayHold, Members, "blocks every member", "hold the cut is at noon", (*parser).hold},
	{"resume", []string{"unhold", "remove-hold", "unblock"}, []string{"unfreeze", "unpause", "continue", "go"}, "resume", MayHold, Members, "lifts a hold", "resume", bare(Resume{})},
	{"override", nil, []string{"ignore", "skip", "bypass", "force", "allow", "waive"}, "override CODE because TEXT [until push|merge|RELEASE], or override cancel", MayOverride, Here, "lifts one reason code for this pull request; ends at the next push that changes the tree unless said otherwise", "override gate-ahead because the release is renamed until merge", (*parser).override},
	{"supersede", []string{"superseded by", "superseded-by"}, nil, "supersede by #N", MayLink, Members, "ends the coupling: another pull request does its work", "supersede by #37526", (*parser).supersede},
	{"abandon", nil, []string{"cancel", "close"}, "abandon because TEXT", MayLink, Members, "ends the coupling without its work being done", "abandon because the plan changed", (*parser).abandon},
	{"reopen", nil, nil, "reopen", MayLink, Members, "takes the end of a coupling back", "reopen", bare(Reopen{})},
}

// Mentioned reports whether a text can hold a command at all.
func Mentioned(body string) bool { return strings.Contains(strings.ToLower(body), "relbot") }

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

// At returns the command as it is meant on a pull request, which it may name by "this".
func (c Command) At(p coupling.Pull) Command {
	return c.Retarget(func(t Target) Target {
		if t.Pull == this {
			t.Pull = p.String()
		}
		return t
	})
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
	Stray        bool   // the line only looks like a command
	Code         bool   // the line names a reason code that is none
}
