package note

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/rules"
)

// Sentence says a reason with its evidence, in Markdown, for a reader in home.
func Sentence(r rules.Reason, home coupling.Repo) string { return voice{home: home}.sentence(r) }

// Remedy says what to do about a reason, in Markdown, for a reader in home.
func Remedy(r rules.Reason, home coupling.Repo) string { return voice{home: home}.remedy(r) }

// Plain says a reason without Markdown, for terminals and JSON.
func Plain(r rules.Reason, home coupling.Repo) string {
	return voice{home: home, plain: true, raw: true}.sentence(r)
}

// PlainRemedy is [Remedy] without Markdown.
func PlainRemedy(r rules.Reason, home coupling.Repo) string {
	return voice{home: home, plain: true, raw: true}.remedy(r)
}

// CodeDoc documents a reason code.
type CodeDoc struct {
	Code    rules.Code
	Verdict string // the level that it gives: pass, wait, block, unknown, warning, alarm, or several
	When    string
	Example string // a sentence
	Remedy  string // for the example
}

// Codes documents every reason code, in the order of [rules.Codes].
func Codes() []CodeDoc {
	const home = "acme/app"
	out := make([]CodeDoc, 0, len(sentences))
	for _, s := range sentences {
		out = append(out, CodeDoc{s.code, s.verdict, s.when, Plain(s.example, home), PlainRemedy(s.example, home)})
	}
	return out
}

// voice is how texts are put: seen from a repository, in Markdown or plainly, with some pull requests unnamed.
type voice struct {
	home   coupling.Repo
	self   coupling.Pull          // of which is spoken; zero where the reader is on its page
	plain  bool                   // without Markdown
	raw    bool                   // plain, and not for GitHub: people's text as it is
	group  bool                   // a merge group is judged: it fails, and nothing turns green by itself
	hidden map[coupling.Pull]bool // members in private repositories, for public readers
}

// secret stands for what public readers may not learn of.
const secret = "a member in a private repository"

func (v voice) pull(p coupling.Pull) string {
	switch {
	case p.IsZero() && v.self.IsZero():
		return "this pull request"
	case p.IsZero():
		return v.pull(v.self)
	case v.hidden[p]:
		return secret
	}
	return p.In(v.home)
}

func (v voice) pulls(ps []coupling.Pull) string {
	var out []string
	for _, p := range ps {
		if t := v.pull(p); !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return list(out)
}

// role names a member by its role; one that was made from the number of a hidden pull request stays unnamed.
func (v voice) role(role string) string {
	for p := range v.hidden {
		if role == coupling.DefaultRole(p, "") {
			return secret
		}
	}
	return v.code(role)
}

// list joins words as prose does, and bounds their number.
func list(words []string) string {
	const most = 10
	if n := len(words); n > most {
		words = append(slices.Clone(words[:most]), fmt.Sprintf("%d more", n-most))
	}
	switch n := len(words); n {
	case 0:
		return ""
	case 1:
		return words[0]
	default:
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
}

// code sets off a name, a version or a command.
func (v voice) code(s string) string {
	if v.plain {
		return v.bare(s)
	}
	return code(s)
}

// text is text by people.
func (v voice) text(s string) string {
	if v.plain {
		return v.bare(s)
	}
	return Escape(s)
}

// bare is a text without Markdown.
func (v voice) bare(s string) string {
	if v.raw {
		return oneLine(s, maxText)
	}
	return strings.ReplaceAll(disarm(oneLine(s, maxText)), "<!--", "<"+gap+"!--")
}

// commit is a commit in its short form.
func (v voice) commit(s string) string { return v.code(s[:min(len(s), 10)]) }

// because adds a reason given by people.
func (v voice) because(s string) string {
	if s == "" {
		return ""
	}
	return ": " + v.text(s)
}

// order says by which edges, the first few of many.
func (v voice) order(edges []coupling.Edge) string {
	const most = 3
	var out []string
	for _, e := range edges[:min(len(edges), most)] {
		out = append(out, v.edge(e))
	}
	if more := len(edges) - most; more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	if len(out) == 0 {
		return ""
	}
	return "; order: " + strings.Join(out, "; ")
}

// edge says an order edge with its reason.
func (v voice) edge(e coupling.Edge) string {
	return fmt.Sprintf("%s %s %s%s", v.role(e.Before), e.Word(), v.role(e.After), v.because(e.Reason))
}

// at says where a gate is.
func (v voice) at(r rules.Reason) string { return v.place(r.Path, r.Line) }

// place is a file, and the line in it, where that is known.
func (v voice) place(path string, line int) string {
	switch {
	case path == "":
		return ""
	case line == 0:
		return " (" + v.code(path) + ")"
	}
	return " (" + v.code(fmt.Sprintf("%s:%d", path, line)) + ")"
}

// owned names a gate, and the pull request that changes it where that is another.
func (v voice) owned(r rules.Reason) string {
	s := "gate " + v.code(r.Gate)
	if !r.Owner.IsZero() {
		s += " in " + v.pull(r.Owner)
	}
	return s
}

// constant names a gate's constant, or the gate where the form has no name.
func (v voice) constant(r rules.Reason) string {
	if r.Name != "" {
		return v.code(r.Name)
	}
	return "gate " + v.code(r.Gate)
}

// gate names a gate and its place.
func (v voice) gate(r rules.Reason) string {
	s := v.owned(r)
	if r.Name != "" {
		s += ", constant " + v.code(r.Name)
	}
	return s + v.at(r)
}

// shown says which tag or release line shows a thing, and how it was found.
func (v voice) shown(r rules.Reason) string {
	switch {
	case r.Tag != "" && r.Method != "":
		return fmt.Sprintf(" (%s, by %s)", v.code(r.Tag), r.Method)
	case r.Tag != "":
		return " (" + v.code(r.Tag) + ")"
	case r.Method != "" && r.Method != "train":
		return " (by " + r.Method + ")"
	}
	return ""
}

// set is the remedy of a gate with a wrong value.
func (v voice) set(r rules.Reason) string {
	if !r.Owner.IsZero() {
		owner := v.pull(r.Owner)
		r.Owner = coupling.Pull{}
		own := v.set(r)
		return "In " + owner + ", " + strings.ToLower(own[:1]) + own[1:]
	}
	if r.Want == "" {
		return "Set " + v.constant(r) + " to the release in which the change first ships" + v.at(r) + "."
	}
	s := "Set " + v.constant(r) + " to " + r.Want + v.at(r)
	if r.After != "" {
		s = fmt.Sprintf("Set %s to a version above %s and up to %s%s", v.constant(r), r.After, r.Want, v.at(r))
	}
	if strings.ContainsAny(r.Name, "0123456789") {
		s += ", and rename it to match"
	}
	return s + "."
}

// is agrees a verb with a list of pull requests.
func is(ps []coupling.Pull, one, many string) string {
	if len(ps) == 1 {
		return one
	}
	return many
}

// words is what is said of a reason code.
type words struct {
	code     rules.Code
	verdict  string
	when     string
	short    func(v voice, r rules.Reason) string // for titles: no capital, no full stop
	sentence func(v voice, r rules.Reason) string
	remedy   func(v voice, r rules.Reason) string
	about    bool // the sentence names Reason.About itself
	example  rules.Reason
}

func wordsOf(c rules.Code) (words, bool) {
	i := slices.IndexFunc(sentences, func(w words) bool { return w.code == c })
	if i < 0 {
		return words{}, false
	}
	return sentences[i], true
}

func (v voice) sentence(r rules.Reason) string {
	w, ok := wordsOf(r.Code)
	if !ok {
		return "Reason " + v.code(string(r.Code)) + v.because(r.Detail) + "."
	}
	s := w.sentence(v, r)
	if !w.about && !r.About.IsZero() {
		s = v.pull(r.About) + ": " + s
	}
	return capital(s)
}

func (v voice) remedy(r rules.Reason) string {
	if w, ok := wordsOf(r.Code); ok {
		return w.remedy(v, r)
	}
	return "Comment " + v.code("/relbot status") + " to see the present verdicts."
}

// short says a reason in a few plain words.
func (v voice) short(r rules.Reason) string {
	v.plain = true
	w, ok := wordsOf(r.Code)
	if !ok {
		return string(r.Code)
	}
	s := w.short(v, r)
	if !w.about && !r.About.IsZero() {
		s = v.pull(r.About) + ": " + s
	}
	return s
}

// capital begins a sentence with a capital letter, unless it begins with the name of a repository.
func capital(s string) string {
	if first, _, _ := strings.Cut(s, " "); s == "" || s[0] < 'a' || s[0] > 'z' || strings.Contains(first, "/") {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// orElse is a where it says something, else b.
func orElse(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

func exampleGate(code rules.Code) rules.Reason {
	return rules.Reason{Code: code, Gate: "uid", Name: "V26_28_0", Value: "26.28.0", Want: "26.29.0", Path: "src/gate.rs", Line: 1}
}

func examplePull(n int) coupling.Pull { return coupling.Pull{Repo: "acme/app", Number: n} }

// sentences is everything that relbot says about reasons.
var sentences = []words{
	{
		code: rules.NotCoupled, verdict: "pass", when: "the pull request is in no coupling",
		short: func(v voice, r rules.Reason) string {
			if r.Value != "" { // the pull requests of a merge group could not be named
				return "nothing coupled is on this branch"
			}
			return "in no coupling"
		},
		sentence: func(v voice, r rules.Reason) string {
			if r.Value != "" {
				return "no open pull request to " + v.code(r.Value) + " is in a coupling."
			}
			return "this pull request is in no coupling."
		},
		remedy: func(v voice, r rules.Reason) string {
			return "Nothing to do. To couple it, comment " + v.code("/relbot link #A #B") + "."
		},
		example: rules.Reason{Code: rules.NotCoupled},
	},
	{
		code: rules.OrderWaiting, verdict: "wait", when: "a predecessor in the merge order is open",
		short: func(v voice, r rules.Reason) string {
			if w, ok := entering[r.Queue]; ok {
				return w.short(v, r)
			}
			return "merges after " + v.pulls(r.Pulls)
		},
		sentence: func(v voice, r rules.Reason) string {
			if w, ok := entering[r.Queue]; ok {
				return w.sentence(v, r) + v.order(r.Edges) + "."
			}
			s := v.pulls(r.Pulls) + is(r.Pulls, " has", " have") + " to merge first"
			return s + v.order(r.Edges) + "."
		},
		remedy: func(v voice, r rules.Reason) string {
			if w, ok := entering[r.Queue]; ok {
				return w.remedy(v, r)
			}
			if v.group {
				return "Queue it again behind " + v.pulls(r.Pulls) + ", or once " + is(r.Pulls, "that is", "those are") + " merged."
			}
			s := "Merge " + v.pulls(r.Pulls)
			if len(r.Edges) > 0 && !slices.ContainsFunc(r.Edges, func(e coupling.Edge) bool { return !e.Together }) {
				s += is(r.Pulls, ", or put both into one merge group", ", or put all into one merge group")
			}
			return s + ". This check then turns green by itself."
		},
		example: rules.Reason{Code: rules.OrderWaiting, Pulls: []coupling.Pull{examplePull(2)}, Edges: []coupling.Edge{{Before: "gate", After: "image", Together: true, Reason: "nonroot images need it"}}},
	},
	{
		code: rules.OrderQueued, verdict: "pass", when: "the predecessors are open, and the merge queue that the base needs will judge the order",
		short: func(v voice, r rules.Reason) string { return "may queue behind " + v.pulls(r.Pulls) },
		sentence: func(v voice, r rules.Reason) string {
			return v.pulls(r.Pulls) + is(r.Pulls, " is", " are") + " open; the merge queue may take this pull request, and the group is judged there."
		},
		remedy: func(v voice, r rules.Reason) string {
			return "Queue " + v.pulls(r.Pulls) + " ahead of this pull request."
		},
		example: rules.Reason{Code: rules.OrderQueued, Pulls: []coupling.Pull{examplePull(2)}},
	},
	{
		code: rules.OrderBroken, verdict: "alarm", when: "a member was merged before a predecessor, past the required check", about: true,
		short: func(v voice, r rules.Reason) string {
			return v.pull(r.About) + " was merged before " + v.pulls(r.Pulls)
		},
		sentence: func(v voice, r rules.Reason) string {
			s := v.pull(r.About) + " was merged"
			if r.By != "" {
				s += " by " + v.code(r.By)
			}
			s += " before " + v.pulls(r.Pulls)
			return s + v.order(r.Edges) + "."
		},
		remedy: func(v voice, r rules.Reason) string {
			return "Merge " + v.pulls(r.Pulls) + " before the next release is cut, or revert " + v.pull(r.About) + "."
		},
		example: rules.Reason{Code: rules.OrderBroken, About: examplePull(1), Pulls: []coupling.Pull{examplePull(2)}, By: "root"},
	},
	{
		code: rules.MemberClosed, verdict: "block", when: "a member was closed without being merged, and has no successor", about: true,
		short: func(v voice, r rules.Reason) string { return v.pull(r.About) + " was closed unmerged" },
		sentence: func(v voice, r rules.Reason) string {
			s := v.pull(r.About) + " was closed without being merged, and has no successor"
			if r.Value != "" {
				s += "; its base branch " + v.code(r.Value) + " was deleted, by which GitHub closes a pull request"
			}
			if len(r.Pulls) > 0 {
				s += "; " + v.pulls(r.Pulls) + " names it as closed and may be meant to replace it"
			}
			return s + "."
		},
		remedy: func(v voice, r rules.Reason) string {
			p, with := v.pull(r.About), "#N"
			if len(r.Pulls) > 0 && !v.hidden[r.Pulls[0]] {
				with = v.pull(r.Pulls[0])
			}
			if v.hidden[r.About] {
				p = "#M"
			}
			reopen := "Reopen " + v.pull(r.About)
			if r.Value != "" {
				reopen = fmt.Sprintf("Restore the branch %s, reopen %s", v.code(r.Value), v.pull(r.About))
				if r.Want != "" && r.Want != r.Value {
					reopen += " and retarget it to " + v.code(r.Want)
				}
				reopen += "; or"
			} else {
				reopen += ","
			}
			s := fmt.Sprintf("%s name its successor with %s, or take it out: in the policy where that declares it, else with %s.",
				reopen, v.code("/relbot replace "+p+" with "+with), v.code("/relbot unlink "+p+" because TEXT"))
			if len(r.Pulls) > 0 {
				s += " If " + with + " does the work of the whole coupling: " + v.code("/relbot supersede by "+with) + "."
			}
			return s
		},
		example: rules.Reason{Code: rules.MemberClosed, About: examplePull(2)},
	},
	{
		code: rules.MemberReverted, verdict: "block, alarm", when: "a merged member was reverted: by a commit, or because its evidence is gone from the branch", about: true,
		short: func(v voice, r rules.Reason) string { return v.pull(r.About) + " was reverted" },
		sentence: func(v voice, r rules.Reason) string {
			switch {
			case len(r.Pulls) > 0:
				return fmt.Sprintf("%s was merged, and reverted by %s.", v.pull(r.About), v.pulls(r.Pulls))
			case r.Commit != "":
				return fmt.Sprintf("%s was merged, and reverted by commit %s.", v.pull(r.About), v.commit(r.Commit))
			}
			return v.pull(r.About) + " was merged, but its evidence is no longer on the branch."
		},
		remedy: func(v voice, r rules.Reason) string {
			return "Bring " + v.pull(r.About) + " in again, or name the pull request that does so with " + v.code("/relbot replace "+v.name(r.About)+" with #N") + "."
		},
		example: rules.Reason{Code: rules.MemberReverted, About: examplePull(2), Commit: "1f0c2a9b7d11", Method: "commit"},
	},
	{
		code: rules.MemberMissing, verdict: "block, alarm", when: "GitHub says that a member is merged, but its merge commit is not on the branch", about: true,
		short: func(v voice, r rules.Reason) string {
			return v.pull(r.About) + " is merged, but not on " + cmp.Or(r.Want, r.Value, "the branch")
		},
		sentence: func(v voice, r rules.Reason) string {
			if r.Want != "" {
				return v.pull(r.About) + " was merged into " + v.code(r.Value) + ", and is not on " + v.code(r.Want) + "."
			}
			s := "GitHub says that " + v.pull(r.About) + " is merged"
			if r.By != "" {
				s += " by " + v.code(r.By)
			}
			s += ", but its merge commit"
			if r.Commit != "" {
				s += " " + v.commit(r.Commit)
			}
			return s + " is not on " + orElse(v.code(r.Value), "the branch") + "."
		},
		remedy: func(v voice, r rules.Reason) string {
			if r.Want != "" {
				return "Bring the change to " + v.code(r.Want) + ": merge " + v.code(r.Value) + " into it, or land it there once more and replace the member."
			}
			return "Look at the history of " + orElse(v.code(r.Value), "the branch") + " for a force-push, and land the change again."
		},
		example: rules.Reason{Code: rules.MemberMissing, About: examplePull(2), Commit: "1f0c2a9b7d11", Value: "main"},
	},
	{
		code: rules.MemberUnreadable, verdict: "unknown", when: "a member, or something that its verdict needs, could not be read", about: true,
		short: func(v voice, r rules.Reason) string { return v.unread(r) + " could not be read" },
		sentence: func(v voice, r rules.Reason) string {
			return v.unread(r) + " could not be read" + v.because(r.Detail) + "."
		},
		remedy: func(v voice, r rules.Reason) string {
			return "relbot tries again by itself. If it stays so, check that the number is right and that the App is installed on that repository."
		},
		example: rules.Reason{Code: rules.MemberUnreadable, About: coupling.Pull{Repo: "acme/docs", Number: 12}, Detail: "404 Not Found"},
	},
	{
		code: rules.MemberDraft, verdict: "wait", when: "a member that has to merge first is a draft", about: true,
		short: func(v voice, r rules.Reason) string { return v.pull(r.About) + " is a draft" },
		sentence: func(v voice, r rules.Reason) string {
			return v.pull(r.About) + " has to merge first and is a draft."
		},
		remedy: func(v voice, r rules.Reason) string {
			return "Mark " + v.pull(r.About) + " as ready for review."
		},
		example: rules.Reason{Code: rules.MemberDraft, About: examplePull(2)},
	},
	{
		code: rules.WrongBase, verdict: "block", when: "a member's base is not the coupling's base",
		short: func(v voice, r rules.Reason) string {
			return "the base is " + v.code(r.Value) + ", want " + v.code(r.Want)
		},
		sentence: func(v voice, r rules.Reason) string {
			return "the base is " + v.code(r.Value) + ", and the coupling lands on " + v.code(r.Want) + "."
		},
		remedy: func(v voice, r rules.Reason) string {
			return "Change the base of " + v.pull(r.About) + " to " + v.code(r.Want) + "."
		},
		example: rules.Reason{Code: rules.WrongBase, Value: "release-26.28", Want: "main"},
	},
	{
		code: rules.ReleaseSplit, verdict: "block, alarm", when: "a member would ship, or has shipped, in a later release than another", about: true,
		short: func(v voice, r rules.Reason) string {
			early, late := v.splitPair(r)
			return fmt.Sprintf("%s is in %s, %s ships in %s", early, r.Release, late, r.Other)
		},
		sentence: func(v voice, r rules.Reason) string {
			early, late := v.splitPair(r)
			verb := "would ship in"
			if len(r.Pulls) > 0 {
				verb = "ships in"
			}
			tag := ""
			if r.Tag != "" {
				tag = " (" + v.code(r.Tag) + ")"
			}
			return fmt.Sprintf("%s is in release %s%s, which is cut, and %s %s %s.", early, r.Release, tag, late, verb, r.Other)
		},
		remedy: func(v voice, r rules.Reason) string {
			early, late := v.splitPair(r)
			return fmt.Sprintf("Get %s into %s by its release line, or revert %s there. If %s may ship alone, say %s in the policy.",
				late, r.Release, early, early, v.code("safe_alone: true"))
		},
		example: rules.Reason{Code: rules.ReleaseSplit, About: examplePull(1), Release: "26.28.0", Tag: "v26.28.0-rc.1", Other: "26.29.0"},
	},
	{
		code: rules.HalfLanded, verdict: "warning", when: "some members are merged and others are not, so that the rest are urgent", about: true,
		short: func(v voice, r rules.Reason) string {
			return "half-landed: " + v.pulls(r.Pulls) + is(r.Pulls, " is", " are") + " merged"
		},
		sentence: func(v voice, r rules.Reason) string {
			s := v.pulls(r.Pulls) + is(r.Pulls, " is", " are") + " merged, and other members are not"
			switch {
			case r.Alone():
				return s + "; what is merged may ship alone."
			case r.Release != "":
				return s + "; a cut of " + r.Release + " now would split the coupling."
			}
			return s + "."
		},
		remedy: func(v voice, r rules.Reason) string {
			switch {
			case r.Alone():
				return "Nothing is urgent; merge the rest when it is ready."
			case r.Release != "":
				return "Merge the rest before " + r.Release + " is cut, or hold the cut."
			}
			return "Merge the rest soon."
		},
		example: rules.Reason{Code: rules.HalfLanded, Pulls: []coupling.Pull{examplePull(1)}, Release: "26.29.0"},
	},
	{
		code: rules.GateCutWithout, verdict: "block", when: "the gate names a release that was cut without the change",
		short: func(v voice, r rules.Reason) string {
			return v.elsewhere(r, "was cut without the change", fmt.Sprintf("gate %s names %s, cut without the change (%s)%s", r.Gate, r.Value, r.Tag, wanted(r)))
		},
		sentence: func(v voice, r rules.Reason) string {
			return fmt.Sprintf("%s names %s, but release %s was cut without the change (%s).", v.gate(r), v.code(r.Value), orElse(r.Release, r.Value), v.code(r.Tag))
		},
		remedy: voice.set,
		example: with(exampleGate(rules.GateCutWithout), func(r *rules.Reason) {
			r.Release, r.Tag = "26.28.0", "v26.28.0-rc.1"
		}),
	},
	{
		code: rules.GateShippedEarlier, verdict: "block", when: "the change shipped before the release that the gate names",
		short: func(v voice, r rules.Reason) string {
			return v.elsewhere(r, "is later than its first ship", fmt.Sprintf("gate %s names %s, but the change first ships in %s", r.Gate, r.Value, orElse(r.Want, "an earlier release")))
		},
		sentence: func(v voice, r rules.Reason) string {
			return fmt.Sprintf("%s names %s, but the change is in an earlier release: it first ships in %s%s.", v.gate(r), v.code(r.Value), r.Want, v.shown(r))
		},
		remedy: voice.set,
		example: with(exampleGate(rules.GateShippedEarlier), func(r *rules.Reason) {
			r.Name, r.Value, r.Want, r.Tag, r.Method = "V26_19_0", "26.19.0", "26.18.0", "v26.18.0-rc.1", "evidence"
		}),
	},
	{
		code: rules.GateAhead, verdict: "block", when: "the gate names a release after the one in which the change will ship",
		short: func(v voice, r rules.Reason) string {
			return v.elsewhere(r, "is not built yet", fmt.Sprintf("gate %s names %s, ahead of %s", r.Gate, r.Value, orElse(r.Want, "the train")))
		},
		sentence: func(v voice, r rules.Reason) string {
			return fmt.Sprintf("%s names %s, but what merges now ships in %s.", v.gate(r), v.code(r.Value), orElse(r.Want, "an earlier release"))
		},
		remedy:  voice.set,
		example: with(exampleGate(rules.GateAhead), func(r *rules.Reason) { r.Name, r.Value = "V26_40_0", "26.40.0" }),
	},
	{
		code: rules.GateUnreal, verdict: "block", when: "the gate names a release that never existed and never will",
		short: func(v voice, r rules.Reason) string {
			return v.elsewhere(r, "never existed", fmt.Sprintf("gate %s names %s, which never existed%s", r.Gate, r.Value, wanted(r)))
		},
		sentence: func(v voice, r rules.Reason) string {
			return fmt.Sprintf("%s names %s, a release that never existed and never will: it has no tag and lies behind.", v.gate(r), v.code(r.Value))
		},
		remedy:  voice.set,
		example: with(exampleGate(rules.GateUnreal), func(r *rules.Reason) { r.Name, r.Value = "V26_21_0", "26.21.0" }),
	},
	{
		code: rules.GateMissing, verdict: "block", when: "no constant was found for the gate",
		short: func(v voice, r rules.Reason) string { return v.owned(r) + " was not found" },
		sentence: func(v voice, r rules.Reason) string {
			return v.gate(r) + " was not found" + v.because(r.Detail) + "."
		},
		remedy: func(v voice, r rules.Reason) string {
			return "Put the constant back, mark its line with " + v.code("relbot:gate "+r.Gate) + ", or correct " + v.code("find") + " of gate " + v.code(r.Gate) + " in the policy."
		},
		example: rules.Reason{Code: rules.GateMissing, Gate: "uid", Path: "src/gate.rs", Detail: "no constant matches the symbol"},
	},
	{
		code: rules.GateAmbiguous, verdict: "block", when: "several constants were found for the gate, and they disagree",
		short: func(v voice, r rules.Reason) string { return v.owned(r) + " is ambiguous" },
		sentence: func(v voice, r rules.Reason) string {
			return v.gate(r) + " is ambiguous" + v.because(r.Detail) + "."
		},
		remedy: func(v voice, r rules.Reason) string {
			return "Leave one, or make " + v.code("find") + " of gate " + v.code(r.Gate) + " name exactly one constant."
		},
		example: rules.Reason{Code: rules.GateAmbiguous, Gate: "uid", Path: "src/gate.rs", Line: 1, Detail: "2 constants match the symbol"},
	},
	{
		code: rules.GateUnparsable, verdict: "block", when: "the gate's value is no version",
		short: func(v voice, r rules.Reason) string { return v.owned(r) + " is no version" },
		sentence: func(v voice, r rules.Reason) string {
			s := v.gate(r) + " is no version"
			if r.Value != "" {
				s += ": it reads " + v.code(r.Value)
			}
			if r.Detail != "" {
				s += " (" + v.text(r.Detail) + ")"
			}
			return s + "."
		},
		remedy: func(v voice, r rules.Reason) string {
			return "Write a version that the scheme can read" + v.at(r) + "."
		},
		example: rules.Reason{Code: rules.GateUnparsable, Gate: "uid", Path: "src/gate.rs", Line: 1, Value: "next()"},
	},
	{
		code: rules.GateNameMismatch, verdict: "warning", when: "the constant's name and its value disagree",
		short: func(v voice, r rules.Reason) string {
			return fmt.Sprintf("name and value of gate %s disagree", r.Gate)
		},
		sentence: func(v voice, r rules.Reason) string {
			return fmt.Sprintf("%s has the value %s, and the two disagree%s.", v.gate(r), v.code(r.Value), v.because(r.Detail))
		},
		remedy: func(v voice, r rules.Reason) string {
			return "Rename " + v.constant(r) + ", or correct its value" + v.at(r) + "."
		},
		example: rules.Reason{Code: rules.GateNameMismatch, Gate: "uid", Name: "V154_DEV0", Value: "0.154.0", Path: "src/gate.rs", Line: 1, Detail: "the name says a prerelease"},
	},
	{
		code: rules.GateConflict, verdict: "block", when: "two open members set different values",
		short: func(v voice, r rules.Reason) string {
			return fmt.Sprintf("%s set gate %s to different values", v.pulls(r.Pulls), r.Gate)
		},
		sentence: func(v voice, r rules.Reason) string {
			return fmt.Sprintf("%s set gate %s to different values: %s and %s.", v.pulls(r.Pulls), v.code(r.Gate), v.code(r.Value), v.code(r.Other))
		},
		remedy: func(v voice, r rules.Reason) string {
			return "Leave the change of gate " + v.code(r.Gate) + " to one of them, or set the same value in each."
		},
		example: rules.Reason{Code: rules.GateConflict, Gate: "uid", Pulls: []coupling.Pull{examplePull(2), examplePull(3)}, Value: "26.28.0", Other: "26.29.0"},
	},
	{
		code: rules.GateForeignEdit, verdict: "block or warning", when: "a pull request that is no member changes a registered gate: blocked when the value is wrong or an open member owns the gate",
		short: func(v voice, r rules.Reason) string { return "changes gate " + r.Gate + " from outside" },
		sentence: func(v voice, r rules.Reason) string {
			s := "this pull request is no member and changes " + v.gate(r)
			if r.Value != "" {
				s += " to " + v.code(r.Value)
			}
			if len(r.Pulls) > 0 {
				s += "; it belongs to " + v.pulls(r.Pulls)
			}
			switch {
			case r.Detail != "":
				s += "; what it must be is unknown" + v.because(r.Detail)
			case r.Wrong != "":
				s += "; the value is wrong (" + v.code(string(r.Wrong))
				if r.Tag != "" {
					s += ", " + v.code(r.Tag)
				}
				s += ")"
				if r.Want != "" {
					s += ", it must name " + r.Want
				}
			}
			return s + "."
		},
		remedy: func(v voice, r rules.Reason) string {
			switch {
			case len(r.Pulls) > 0:
				return "Leave the gate to " + v.pulls(r.Pulls) + ", or make this pull request a member with " + v.code("/relbot link") + "."
			case r.Wrong != "" && r.Want != "":
				return v.set(r)
			case r.Wrong != "", r.Detail != "":
				return "Take the change of the gate back, or correct its value" + v.at(r) + "."
			}
			return "Nothing to do if the change is meant; the value is right."
		},
		example: with(exampleGate(rules.GateForeignEdit), func(r *rules.Reason) { r.Pulls = []coupling.Pull{examplePull(2)} }),
	},
	{
		code: rules.GateNoThreshold, verdict: "block", when: "no single version separates the releases that have the change from those that have not",
		short: func(v voice, r rules.Reason) string { return "no version fits " + v.owned(r) },
		sentence: func(v voice, r rules.Reason) string {
			return fmt.Sprintf("no single version can be right for %s: the evidence comes and goes, at %s.", v.gate(r), v.text(orElse(r.Detail, "several releases")))
		},
		remedy: func(v voice, r rules.Reason) string {
			return "Correct the evidence pattern of gate " + v.code(r.Gate) + ", or test for the change itself instead of a version."
		},
		example: rules.Reason{Code: rules.GateNoThreshold, Gate: "uid", Path: "src/gate.rs", Line: 1, Detail: "26.27.0, 26.28.0"},
	},
	{
		code: rules.DevBuildsExcluded, verdict: "warning", when: "the gate names the right release, but leaves out its own development builds",
		short: func(v voice, r rules.Reason) string {
			return fmt.Sprintf("gate %s leaves out development builds", r.Gate)
		},
		sentence: func(v voice, r rules.Reason) string {
			return fmt.Sprintf("%s names %s, which leaves out builds from %s on that have the change.", v.gate(r), v.code(r.Value), orElse(r.Want, "the first"))
		},
		remedy: func(v voice, r rules.Reason) string {
			s := "Set " + v.constant(r) + " to " + orElse(r.Want, "the first build with the change")
			return s + v.at(r) + " if development builds matter."
		},
		example: with(exampleGate(rules.DevBuildsExcluded), func(r *rules.Reason) { r.Value, r.Want, r.After = "26.29.0", "26.29.0-dev.0", "26.28.0" }),
	},
	{
		code: rules.RemovalDue, verdict: "warning", when: "the release has come in which a thing was to be removed, and it is still there",
		short: func(v voice, r rules.Reason) string {
			return fmt.Sprintf("removal of %s is due in %s", r.Gate, r.Release)
		},
		sentence: func(v voice, r rules.Reason) string {
			return fmt.Sprintf("%s promises the removal in %s; what merges now ships in %s, and the thing is still there.", v.gate(r), v.code(r.Value), r.Release)
		},
		remedy: func(v voice, r rules.Reason) string {
			return "Remove it, or name a later release" + v.at(r) + "."
		},
		example: with(exampleGate(rules.RemovalDue), func(r *rules.Reason) { r.Release = "26.29.0" }),
	},
	{
		code: rules.TrainUnknown, verdict: "unknown", when: "the release in which a merge now would ship cannot be told: no dev version could be read, or the tags could not be listed",
		short: func(v voice, r rules.Reason) string {
			return "the release that is being built could not be told"
		},
		sentence: func(v voice, r rules.Reason) string {
			s := "the release in which a merge"
			if r.Value != "" {
				s += " into " + v.code(r.Value)
			}
			return s + " now would ship could not be told" + v.because(r.Detail) + "."
		},
		remedy: func(v voice, r rules.Reason) string {
			return "relbot tries again by itself. If it stays so, correct " + v.code("releases.dev_version") + " in the policy, or the file that it names."
		},
		example: rules.Reason{Code: rules.TrainUnknown, Value: "main", Detail: "VERSION: no version in it"},
	},
	{
		code: rules.TrainLagging, verdict: "warning", when: "the dev version on the branch names a release that is cut already",
		short: func(v voice, r rules.Reason) string {
			return fmt.Sprintf("the dev version %s lags, %s is cut", r.Value, r.Tag)
		},
		sentence: func(v voice, r rules.Reason) string {
			return fmt.Sprintf("the dev version is %s%s, but that release is cut (%s): what merges now ships in %s.", v.code(r.Value), v.place(r.Path, 0), v.code(r.Tag), r.Want)
		},
		remedy: func(v voice, r rules.Reason) string {
			return "Bump the dev version on the branch to " + r.Want + v.place(r.Path, 0) + "."
		},
		example: rules.Reason{Code: rules.TrainLagging, Value: "26.41.0-dev.0", Tag: "v26.41.0-rc.1", Want: "26.42.0", Path: "VERSION"},
	},
	{
		code: rules.ReadersDisagree, verdict: "warning", when: "the files that state the dev version differ",
		short: func(v voice, r rules.Reason) string {
			return "the dev version differs in " + orElse(r.Path, "the tags")
		},
		sentence: func(v voice, r rules.Reason) string {
			where := orElse(v.code(r.Path), "the tags")
			if r.Detail != "" {
				return fmt.Sprintf("the dev version could not be read from %s%s; %s is used.", where, v.because(r.Detail), v.code(r.Other))
			}
			return fmt.Sprintf("%s says %s, and the first reader says %s, which is used.", where, v.code(r.Value), v.code(r.Other))
		},
		remedy: func(v voice, r rules.Reason) string {
			return "Make the files that state the dev version agree" + v.place(r.Path, 0) + "."
		},
		example: rules.Reason{Code: rules.ReadersDisagree, Path: "Chart.yaml", Value: "26.28.0-dev.0", Other: "26.29.0-dev.0"},
	},
	{
		code: rules.TagsMatchNothing, verdict: "warning", when: "there are tags, and the policy's pattern matches none",
		short: func(v voice, r rules.Reason) string { return "no tag matches " + r.Value },
		sentence: func(v voice, r rules.Reason) string {
			return fmt.Sprintf("no tag matches %s, such as %s: as relbot sees it, nothing was ever released.", v.code(r.Value), v.code(r.Tag))
		},
		remedy: func(v voice, r rules.Reason) string {
			return "Correct " + v.code("releases.tags") + " in the policy."
		},
		example: rules.Reason{Code: rules.TagsMatchNothing, Value: "app-v{version}", Tag: "v26.41.0"},
	},
	{
		code: rules.TagElsewhere, verdict: "warning", when: "a tag that the policy's pattern does not match reads as the coming release or a later one",
		short: func(v voice, r rules.Reason) string { return r.Tag + " does not match " + r.Value },
		sentence: func(v voice, r rules.Reason) string {
			return fmt.Sprintf("the tag %s reads as %s or later, but %s does not match it: that release may be cut already.", v.code(r.Tag), r.Want, v.code(r.Value))
		},
		remedy: func(v voice, r rules.Reason) string {
			return "Correct " + v.code("releases.tags") + " in the policy, or list the tag in " + v.code("releases.ignore") + "."
		},
		example: rules.Reason{Code: rules.TagElsewhere, Value: "v{version}", Tag: "app-v26.42.0", Want: "26.42.0"},
	},
	{
		code: rules.HeadBehind, verdict: "warning", when: "the head's own version file is older than the base's",
		short: func(v voice, r rules.Reason) string {
			return fmt.Sprintf("the head says %s, the base %s", r.Value, r.Other)
		},
		sentence: func(v voice, r rules.Reason) string {
			return fmt.Sprintf("the head's own version file says %s, and the base is at %s; the base decides.", v.code(r.Value), v.code(r.Other))
		},
		remedy: func(v voice, r rules.Reason) string {
			return "Bring the branch up to date before reading the version from it."
		},
		example: rules.Reason{Code: rules.HeadBehind, Value: "26.31.0-dev.0", Other: "26.32.0-dev.0", Path: "VERSION"},
	},
	{
		code: rules.PolicyInvalid, verdict: "block", when: "the pull request changes the policy file, and the new text has problems",
		short: func(v voice, r rules.Reason) string {
			return "the policy file is invalid: " + orElse(v.text(r.Detail), "see the annotations")
		},
		sentence: func(v voice, r rules.Reason) string {
			s := "the policy file" + v.at(r) + " is invalid"
			if r.Value != "" && r.Value != "1" {
				s += ", with " + v.text(r.Value) + " problems; the first"
			}
			return s + v.because(r.Detail) + "."
		},
		remedy: func(v voice, r rules.Reason) string {
			return "Correct the annotated lines; " + v.code("relbot config validate") + " tells the same. Until then the last good policy stays in force."
		},
		example: rules.Reason{Code: rules.PolicyInvalid, Path: ".github/relbot.yml", Line: 3, Value: "1", Detail: "3:1: unknown key \"gatez\", want one of version, releases, gates"},
	},
	{
		code: rules.OrderCycle, verdict: "block", when: "the merge order has a cycle",
		short: func(v voice, r rules.Reason) string { return "the merge order has a cycle" + v.cycle(r) },
		sentence: func(v voice, r rules.Reason) string {
			return "the merge order has a cycle" + v.cycle(r) + "."
		},
		remedy: func(v voice, r rules.Reason) string {
			return "Take one edge of it out: in the policy, or with " + v.code("/relbot unorder A B") + "."
		},
		example: rules.Reason{Code: rules.OrderCycle, Pulls: []coupling.Pull{examplePull(1), examplePull(2), examplePull(1)}},
	},
	{
		code: rules.OnHold, verdict: "block", when: "someone put the coupling on hold",
		short: func(v voice, r rules.Reason) string { return "on hold by " + v.code(r.By) + v.because(r.Detail) },
		sentence: func(v voice, r rules.Reason) string {
			return "on hold by " + v.code(r.By) + v.because(r.Detail) + "."
		},
		remedy: func(v voice, r rules.Reason) string {
			return "Ask " + v.code(r.By) + "; " + v.code("/relbot resume") + " lifts the hold."
		},
		example: rules.Reason{Code: rules.OnHold, By: "ann", Detail: "the cut is at noon"},
	},
	{
		code: rules.Overridden, verdict: "pass", when: "an override is in force",
		short: func(v voice, r rules.Reason) string {
			return r.Value + " overridden by " + v.code(r.By) + v.because(r.Detail)
		},
		sentence: func(v voice, r rules.Reason) string {
			return fmt.Sprintf("%s is overridden by %s%s (until %s).", v.code(r.Value), v.code(r.By), v.because(r.Detail), v.until(r.Until))
		},
		remedy: func(v voice, r rules.Reason) string {
			return v.code("/relbot override cancel") + " takes it back."
		},
		example: rules.Reason{Code: rules.Overridden, Value: "gate-ahead", By: "root", Detail: "the release is renamed", Until: "merge"},
	},
}

func with(r rules.Reason, change func(*rules.Reason)) rules.Reason { change(&r); return r }

// elsewhere is the title of a reason about a gate's value: where another pull request has to change it, that one is named.
func (v voice) elsewhere(r rules.Reason, why, own string) string {
	if r.Owner.IsZero() || r.Want == "" {
		return own
	}
	return fmt.Sprintf("%s must name %s (%s %s)", v.owned(r), r.Want, r.Value, why)
}

// wanted is the short form of a gate's remedy.
func wanted(r rules.Reason) string {
	if r.Want == "" {
		return ""
	}
	return "; must name " + r.Want
}

// name is a pull request as a command names it; a hidden one stays unnamed.
func (v voice) name(p coupling.Pull) string {
	if v.hidden[p] {
		return "#M"
	}
	return v.pull(p)
}

// unread says what could not be read.
func (v voice) unread(r rules.Reason) string {
	switch {
	case r.Gate != "":
		return "what gate " + v.code(r.Gate) + " is held against"
	case r.About.IsZero():
		return "a member"
	}
	return v.pull(r.About)
}

// splitPair names the early and the late one of a split; an alarm is about the late one and names the early one.
func (v voice) splitPair(r rules.Reason) (early, late string) {
	if len(r.Pulls) > 0 {
		return v.pulls(r.Pulls), v.pull(r.About)
	}
	return v.pull(r.About), v.pull(coupling.Pull{})
}

// cycle prints the path of a cycle.
func (v voice) cycle(r rules.Reason) string {
	if len(r.Pulls) == 0 {
		return v.because(r.Detail)
	}
	var path []string
	for _, p := range r.Pulls {
		path = append(path, v.pull(p))
	}
	return ": " + strings.Join(path, " → ")
}

func (v voice) until(s string) string {
	switch s {
	case "push", "":
		return "the next push that changes the tree"
	case "merge":
		return "the merge"
	}
	return v.code(s) + " is cut"
}
