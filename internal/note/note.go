// Package note writes every text that relbot shows to people: the coordination note, checks, replies and reports.
//
// All sentences are here and nowhere else, so that relbot says one thing in one way. The functions are pure: equal
// inputs give equal texts, and what is unchanged is not written to GitHub again. No text holds the time at which it was
// made, for the same reason.
//
// Text by people (titles, reasons, roles) only gets in through [Escape], a code span or a graph label, so that no mention,
// reference, HTML or marker of theirs comes through. No line begins with a command: relbot must not talk to itself.
// Members in private repositories stay unnamed for readers of public ones.
//
// Templates were refused: the texts branch on data in every sentence, and a function says that more plainly.
package note

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/relbot/relbot/internal/command"
	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/rules"
)

// NoteInput is what the coordination note on one pull request is written from.
type NoteInput struct {
	Pull       coupling.Pull
	Private    bool              // its repository is private, so that its readers may see private members
	Page       string            // address of the full page; "" where there is none
	Judgements []rules.Judgement // one section each
	Lately     []Change          // newest first
}

// Change is a line of what changed lately. Text is Markdown, see [Changes].
type Change struct {
	At   time.Time
	Text string
}

// maxLately bounds the lines of what changed lately.
const maxLately = 10

// Note writes the coordination note of a pull request: one comment for all its couplings, a section each.
func Note(in NoteInput) string {
	v := voice{home: in.Pull.Repo, hidden: hidden(in.Pull.Repo, in.Private, in.Judgements)}
	var state, b strings.Builder
	for i, j := range in.Judgements {
		if i > 0 {
			b.WriteString("\n---\n\n")
		}
		if state.Len() < maxNote/3 {
			state.WriteString(stateMarker(v, j))
		}
		section(&b, v, j)
	}
	if lines := lately(in.Lately); lines != "" {
		b.WriteString("\n" + latelyHead + lines)
	}
	b.WriteString("\n" + help())
	if n := len(in.Judgements); n > 1 {
		fmt.Fprintf(&b, "\nThis pull request is in %d couplings; this one note has a section for each.\n", n)
	}
	if in.Page != "" {
		fmt.Fprintf(&b, "\n[The full page](%s)\n", in.Page)
	}
	head := state.String()
	return wrap(Picture(in.Judgements), head+fold(b.String(), maxNote-len(head)-200, more(in.Page)))
}

// section is what the note says of one coupling.
func section(b *strings.Builder, v voice, j rules.Judgement) {
	fmt.Fprintf(b, "## 🔗 %s — coordination note\n\n", Escape(j.Coupling.Heading()))
	fmt.Fprintf(b, "State: **%s**. %s.", j.State, capital(stateWords(v, j)))
	if n := next(v, j); n != "" {
		b.WriteString(" **Next action:** " + n)
	}
	b.WriteString("\n")
	if t := trainSentence(v, j); t != "" && !j.State.Ended() {
		b.WriteString("\n" + t + "\n")
	}
	if len(j.Alarms) > 0 {
		b.WriteString("\n> [!CAUTION]\n")
		for _, a := range j.Alarms {
			fmt.Fprintf(b, "> - %s\n", reason(v, a.Reason))
		}
	}
	b.WriteString("\n" + memberTable(v, j))
	for _, group := range j.OneRelease {
		who := "All members"
		if len(group) < len(j.Members) {
			who = capital(v.pulls(group))
		}
		b.WriteString("\n" + who + " have to ship in the same release")
		if alone := safeAlone(v, j, group); alone != "" {
			b.WriteString("; " + alone + " may ship earlier")
		}
		b.WriteString(".\n")
	}
	if lines := standing(v, j); len(lines) > 0 {
		b.WriteString("\n### What stands in the way\n\n")
		for _, l := range lines {
			b.WriteString("- " + l + "\n")
		}
	}
	if len(j.Coupling.Order) > 0 {
		b.WriteString("\n### Merge order\n\n" + graph(v, j.Coupling) + "\n" + edges(v, j.Coupling))
	}
	if len(j.Gates) > 0 {
		b.WriteString("\n### Version gates\n\n" + gateTable(v, j))
	}
	for _, p := range j.Proposal {
		b.WriteString("\nProposed: " + Escape(p) + "\n")
	}
	if j.Coupling.Origin == coupling.FromCommand || j.Coupling.Origin == coupling.FromBody {
		fmt.Fprintf(b, "\nThis coupling was made by %s, not by the policy.\n", origin(j.Coupling.Origin))
	}
}

// stateMarker is a hidden line with what tools may want to read of a coupling.
func stateMarker(v voice, j rules.Judgement) string {
	state := struct {
		Coupling  string            `json:"coupling"`
		State     coupling.State    `json:"state"`
		Train     map[string]string `json:"train"`
		FirstShip map[string]string `json:"first_ship"`
	}{j.Coupling.Name, j.State, map[string]string{}, map[string]string{}}
	if j.Train != "" {
		state.Train[branch(j)] = j.Train
	}
	for _, m := range j.Members[:min(len(j.Members), maxMembers)] {
		if m.ShipsIn != "" && !v.hidden[m.Pull] {
			state.FirstShip[m.Pull.In(v.home)] = m.ShipsIn
		}
	}
	b, err := json.Marshal(state)
	if err != nil {
		panic(err) // only strings are in it
	}
	return "<!-- relbot:state " + string(b) + " -->\n"
}

func branch(j rules.Judgement) string {
	return orElse(j.Base, orElse(j.Coupling.Base, "main"))
}

// stateWords says where a coupling stands, without a full stop.
func stateWords(v voice, j rules.Judgement) string {
	merged := 0
	for _, m := range j.Members {
		if m.State == "merged" {
			merged++
		}
	}
	switch j.State {
	case coupling.Open:
		if merged == 0 {
			return "nothing is merged yet"
		}
	case coupling.Landing:
		return fmt.Sprintf("%d of %d members are merged", merged, len(j.Members))
	case coupling.Landed:
		if r := shipsIn(v, j); r != "" {
			return "everything is merged and ships in " + r
		}
		return "everything is merged"
	case coupling.Shipped:
		return "shipped in " + orElse(shipsIn(v, j), "its release") + " and verified"
	case coupling.Broken:
		if n := len(j.Alarms); n > 1 {
			return fmt.Sprintf("%d things went wrong after a merge", n)
		}
		return "something went wrong after a merge"
	case coupling.Superseded:
		s := "superseded"
		if e := j.Coupling.End; e != nil {
			if !e.Successor.IsZero() {
				s += " by " + v.pull(e.Successor)
			}
			s += ended(v, e)
		}
		return s
	case coupling.Abandoned:
		if e := j.Coupling.End; e != nil {
			return "abandoned" + ended(v, e)
		}
		return "abandoned: every open member was closed unmerged"
	}
	return "it is being judged"
}

// stateSentence is [stateWords] as a sentence with the state.
func stateSentence(v voice, j rules.Judgement) string {
	if v.plain {
		return stateWords(v, j)
	}
	return fmt.Sprintf("State: **%s**. %s.", j.State, capital(stateWords(v, j)))
}

func ended(v voice, e *coupling.End) string {
	s := ""
	if e.By != "" {
		s += " (said " + v.code(e.By) + ")"
	}
	return s + v.because(e.Why)
}

// shipsIn is the release in which the members that may not ship alone are; where they have several, each with its members.
func shipsIn(v voice, j rules.Judgement) string {
	var releases []string
	in := map[string][]coupling.Pull{}
	alone := !slices.ContainsFunc(j.Members, func(m rules.MemberState) bool { return m.ShipsIn != "" && !m.SafeAlone })
	for _, m := range j.Members {
		if m.ShipsIn == "" || m.SafeAlone && !alone || v.hidden[m.Pull] {
			continue
		}
		if in[m.ShipsIn] == nil {
			releases = append(releases, m.ShipsIn)
		}
		in[m.ShipsIn] = append(in[m.ShipsIn], m.Pull)
	}
	if len(releases) < 2 {
		return strings.Join(releases, "")
	}
	for i, r := range releases {
		releases[i] = r + " (" + v.pulls(in[r]) + ")"
	}
	return list(releases)
}

func trainSentence(v voice, j rules.Judgement) string {
	if j.Train == "" {
		return ""
	}
	return fmt.Sprintf("A merge into %s now ships in **%s**.", v.code(branch(j)), j.Train)
}

// next says the next action, and whose it is.
func next(v voice, j rules.Judgement) string {
	text, _ := action(v, j)
	return text
}

// action is the next action, with the logins of those whose it is.
func action(v voice, j rules.Judgement) (text string, by []string) {
	login := func(m rules.MemberState) []string {
		if m.Author == "" || v.hidden[m.Pull] {
			return nil
		}
		return []string{m.Author}
	}
	who := func(m rules.MemberState) string {
		if m.Author == "" || v.hidden[m.Pull] {
			return ""
		}
		return v.code(m.Author) + ": "
	}
	open := func(m rules.MemberState) bool { return m.State == "open" || m.State == "draft" }
	switch {
	case j.State.Ended():
		return "", nil
	case j.Coupling.Hold != nil:
		return fmt.Sprintf("%s holds it%s; %s lifts that.", v.code(j.Coupling.Hold.By), v.because(j.Coupling.Hold.Why), v.code("/relbot resume")), []string{j.Coupling.Hold.By}
	case len(j.Alarms) > 0:
		r := j.Alarms[0].Reason
		lead := ""
		for _, m := range j.Members {
			if lead == "" && open(m) || m.Pull == r.About && !slices.ContainsFunc(j.Members, open) {
				lead, by = who(m), login(m)
			}
		}
		return lead + v.remedy(r), by
	}
	for _, level := range []rules.Level{rules.Block, rules.Unknown} {
		for _, m := range j.Members {
			if open(m) && m.Verdict.Level == level && len(m.Verdict.Reasons) > 0 {
				speaker := v
				speaker.self = m.Pull
				if level == rules.Unknown {
					return speaker.remedy(m.Verdict.Reasons[0]), nil
				}
				r := m.Verdict.Reasons[0]
				if owner, ok := j.Member(gateOwner(j, r.Gate)); ok {
					m = owner
				}
				if lead := strings.TrimSuffix(who(m), ": "); lead != "" {
					return lead + " (" + v.pull(m.Pull) + "): " + speaker.remedy(r), login(m)
				}
				return speaker.remedy(r), nil
			}
		}
	}
	var acts []string
	for _, m := range j.Members {
		switch {
		case !open(m) || m.Verdict.Level != rules.Pass:
		case m.State == "draft":
			by = append(by, login(m)...)
			acts = append(acts, who(m)+"make "+v.pull(m.Pull)+" ready for review")
		default:
			by = append(by, login(m)...)
			acts = append(acts, who(m)+"merge "+v.pull(m.Pull))
		}
	}
	switch {
	case len(acts) > 0:
		slices.Sort(by)
		return strings.Join(acts[:min(len(acts), 10)], "; ") + ".", slices.Compact(by)
	case j.State == coupling.Landed:
		return "nobody has to act; the release is verified once its final tag exists.", nil
	}
	return "", nil
}

// gateOwner is the open member that changes a gate; zero when there is none.
func gateOwner(j rules.Judgement, id string) coupling.Pull {
	for _, g := range j.Gates {
		if id != "" && g.ID == id {
			return g.Owner
		}
	}
	return coupling.Pull{}
}

func safeAlone(v voice, j rules.Judgement, group []coupling.Pull) string {
	var out []string
	for _, m := range j.Members {
		if m.SafeAlone && slices.Contains(group, m.Pull) {
			out = append(out, v.role(m.Role))
		}
	}
	return list(out)
}

// standing lists what blocks, is unknown, is overridden or is worth a warning, each once.
func standing(v voice, j rules.Judgement) []string {
	var out []string
	add := func(m rules.MemberState, r rules.Reason) {
		speaker := v
		speaker.self = m.Pull
		line := reason(speaker, r)
		if !slices.Contains(out, line) {
			out = append(out, line)
		}
	}
	for _, m := range j.Members {
		for _, r := range m.Verdict.Reasons {
			if m.Verdict.Level != rules.Wait && r.Code != rules.NotCoupled {
				add(m, r)
			}
		}
	}
	for _, m := range j.Members {
		for _, r := range m.Verdict.Warnings {
			add(m, r)
		}
	}
	for _, r := range j.Warnings {
		add(rules.MemberState{}, r)
	}
	const most = 50
	if n := len(out) - most; n > 0 {
		out = append(out[:most], fmt.Sprintf("… and %d more", n))
	}
	return out
}

// shownMembers is how many rows a member table shows unfolded, maxMembers how many at all.
const (
	shownMembers = 50
	maxMembers   = 300
)

// memberHead is the first line of a table of members.
const memberHead = "| Role | PR | State | Must wait for | Ships in |\n"

func memberTable(v voice, j rules.Judgement) string {
	const head = memberHead + "|---|---|---|---|---|\n"
	var b strings.Builder
	b.WriteString(head)
	for i, m := range j.Members {
		switch i {
		case shownMembers:
			fmt.Fprintf(&b, "\n<details><summary>%d more members</summary>\n\n%s", len(j.Members)-shownMembers, head)
		case maxMembers:
			fmt.Fprintf(&b, "| | … and %d more | | | |\n", len(j.Members)-maxMembers)
		}
		if i < maxMembers {
			b.WriteString(memberRow(v, j, m))
		}
	}
	if len(j.Members) > shownMembers {
		b.WriteString("\n</details>\n")
	}
	return b.String()
}

func memberRow(v voice, j rules.Judgement, m rules.MemberState) string {
	role, pull := v.role(m.Role), v.pull(m.Pull)
	if v.hidden[m.Pull] && role == secret {
		role = "—"
	}
	if declared, ok := j.Coupling.ByPull(m.Pull); ok && j.Coupling.Origin == coupling.FromPolicy && declared.Origin != coupling.FromPolicy && declared.Origin != "" {
		role += " (by " + origin(declared.Origin) + ")"
	}
	if !v.hidden[m.Pull] {
		if m.Title != "" {
			pull += " " + Escape(m.Title)
		}
		if m.Author != "" {
			pull += " (" + v.code(m.Author) + ")"
		}
	}
	state := m.State
	if m.State == "merged" {
		state = "**merged**"
	}
	if (m.State == "open" || m.State == "draft") && m.Verdict.Level != "" && !j.State.Ended() {
		state += ", " + verdictWords(m.Verdict)
	}
	ships := "—"
	switch {
	case m.ShipsIn != "":
		ships = m.ShipsIn
		if m.Shipped {
			ships = "**" + ships + "**"
		}
		if m.Tag != "" {
			ships += " (" + v.code(m.Tag)
			if m.Method != "" {
				ships += ", by " + m.Method
			}
			ships += ")"
		}
	case m.State == "closed":
	case j.Train != "" || m.State == "unreadable":
		ships = "unknown"
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s |\n", role, pull, state, orElse(waits(v, m), "—"), ships)
}

// waits names the members that have to merge before one, and those with which it has to land.
func waits(v voice, m rules.MemberState) string {
	s := v.pulls(m.WaitsFor)
	if len(m.With) == 0 {
		return s
	}
	if s != "" {
		s += "; "
	}
	return s + "together with " + v.pulls(m.With)
}

func origin(o coupling.Origin) string {
	if o == coupling.FromBody {
		return "description"
	}
	return string(o)
}

// graph draws the merge order.
func graph(v voice, c coupling.Coupling) string {
	const most = 100 // GitHub draws no graph whose source is too long
	if len(c.Order) > most {
		return ""
	}
	plain := v
	plain.plain = true
	var b strings.Builder
	b.WriteString("```mermaid\ngraph LR\n")
	ids := map[string]string{}
	node := func(role string) string {
		if id, ok := ids[role]; ok {
			return id
		}
		id := fmt.Sprintf("n%d", len(ids))
		ids[role] = id
		text := plain.role(role)
		if m, ok := c.ByRole(role); ok && plain.pull(m.Pull) != text {
			text += " " + plain.pull(m.Pull)
		}
		fmt.Fprintf(&b, "  %s[%s]\n", id, label(text))
		return id
	}
	for _, e := range c.Order {
		from, to := node(e.Before), node(e.After)
		arrow := "-->"
		switch {
		case e.With:
			arrow = "<-.->"
		case e.Together:
			arrow = "-.->"
		}
		text := e.Word()
		if e.Reason != "" {
			text += ": " + e.Reason
		}
		fmt.Fprintf(&b, "  %s %s|%s| %s\n", from, arrow, label(text), to)
	}
	b.WriteString("```\n")
	return b.String()
}

// edges lists the merge order for those who see no graph, in e-mail for one.
func edges(v voice, c coupling.Coupling) string {
	var b strings.Builder
	for i, e := range c.Order {
		if i == maxMembers {
			fmt.Fprintf(&b, "- … and %d more\n", len(c.Order)-i)
			break
		}
		b.WriteString("- " + v.edge(e))
		if e.Origin != coupling.FromPolicy && e.Origin != "" && c.Origin == coupling.FromPolicy {
			b.WriteString(" (by " + origin(e.Origin) + ")")
		}
		b.WriteString("\n")
	}
	return b.String()
}

func gateTable(v voice, j rules.Judgement) string {
	var b strings.Builder
	b.WriteString("| Gate | Value | Must name | Evidence |\n|---|---|---|---|\n")
	for _, g := range j.Gates {
		b.WriteString(gateRow(v, j, g))
	}
	return b.String()
}

func gateRow(v voice, j rules.Judgement, g rules.GateState) string {
	name := v.code(g.ID)
	if g.Title != "" {
		name += " " + Escape(g.Title)
	}
	value := "not found"
	if g.Value != "" {
		value = gateLink(v, j, g)
		if !g.Owner.IsZero() {
			value += " in " + v.pull(g.Owner)
		}
	}
	subject := "what its evidence shows"
	if g.Subject != coupling.Evidence {
		subject = "first ship of " + v.role(g.Subject)
	}
	evidence := "—"
	if g.Evidence != "" {
		evidence = v.code(g.Evidence)
	}
	return fmt.Sprintf("| %s | %s %s | %s (%s) | %s |\n", name, mark(g.Level), value, orElse(g.Want, "unknown"), subject, evidence)
}

// mark shows a level at a glance.
func mark(l rules.Level) string {
	switch l {
	case rules.Pass:
		return "✅"
	case rules.Block:
		return "❌"
	}
	return "❔"
}

// gateLink links a gate's value to its line. The link begins at the host's root, so that it is right on any GitHub.
func gateLink(v voice, j rules.Judgement, g rules.GateState) string {
	text := v.code(g.Value)
	if link := gateHref(v, j, g); link != "" {
		return "[" + text + "](" + link + ")"
	}
	return text
}

// gateHref is the address of a gate's line, from the host's root; "" where there is none that a reader may follow.
func gateHref(v voice, j rules.Judgement, g rules.GateState) string {
	home := j.Coupling.Home
	for p := range v.hidden {
		if p.Repo.Same(home) {
			return ""
		}
	}
	if g.Path == "" || home == "" || strings.ContainsAny(g.Path, " ()<>[]\n") {
		return ""
	}
	ref := branch(j)
	if !g.Owner.IsZero() {
		ref = fmt.Sprintf("refs/pull/%d/merge", g.Owner.Number)
		home = g.Owner.Repo
	}
	link := fmt.Sprintf("/%s/blob/%s/%s", home, ref, g.Path)
	if g.Line > 0 {
		link += fmt.Sprintf("#L%d", g.Line)
	}
	return link
}

const (
	latelyHead = "### What changed lately\n\n"
	latelyTime = "2006-01-02 15:04 UTC"
)

func lately(changes []Change) string {
	var b strings.Builder
	for _, c := range changes[:min(len(changes), maxLately)] {
		fmt.Fprintf(&b, "- %s: %s\n", c.At.UTC().Format(latelyTime), c.Text)
	}
	return b.String()
}

// LatelyOf reads what a note says of what changed lately, for a relbot that has lost its memory. People can edit a note: lines that
// mention somebody, link or hide anything are passed over.
func LatelyOf(body string) []Change {
	_, rest, _ := strings.Cut(body, "\n"+latelyHead)
	var out []Change
	for line := range strings.Lines(rest) {
		at, text, ok := strings.Cut(strings.TrimPrefix(strings.TrimSuffix(line, "\n"), "- "), " UTC: ")
		t, err := time.Parse(latelyTime, at+" UTC")
		if !ok || err != nil || len(out) == maxLately {
			break
		}
		if !strings.ContainsAny(text, "@<") && !strings.Contains(text, "](") && !strings.Contains(text, "://") {
			out = append(out, Change{At: t, Text: text})
		}
	}
	return out
}

// Join makes one list of several, newest first and each line once. Times count to the minute, which is all that a note tells of them, so that what was
// read from notes comes out as it stood there.
func Join(lists ...[]Change) []Change {
	minute := func(c Change) time.Time { return c.At.Truncate(time.Minute) }
	var out []Change
	for _, c := range slices.Concat(lists...) {
		if !slices.ContainsFunc(out, func(o Change) bool { return o.Text == c.Text && minute(o).Equal(minute(c)) }) {
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b Change) int { return minute(b).Compare(minute(a)) })
	return out
}

// MembersOf reads from a note on a pull request of a repository which pull requests its tables of members name, for a relbot that has lost its
// memory.
func MembersOf(body string, repo coupling.Repo) []coupling.Pull {
	var out []coupling.Pull
	in := false
	for line := range strings.Lines(body) {
		cells := strings.Split(line, "|")
		switch {
		case len(cells) < 3:
			in = false
		case strings.HasPrefix(line, memberHead):
			in = true
		case in:
			name, _, _ := strings.Cut(strings.TrimSpace(cells[2]), " ")
			if p, err := coupling.ParsePull(name, repo); err == nil {
				out = append(out, p)
			}
		}
	}
	return out
}

// help is the folded list of commands, the same in every note.
var help = sync.OnceValue(func() string {
	return "<details><summary>Commands</summary>\n\n" + commandTable() + "\n</details>\n"
})

func commandTable() string {
	var b strings.Builder
	b.WriteString("| Command | Does |\n|---|---|\n")
	for _, c := range command.Table {
		fmt.Fprintf(&b, "| %s | %s |\n", code("/relbot "+c.Usage), Escape(c.Summary))
	}
	return b.String()
}

// Picture identifies what a note's readers have to have in mind: members, edges and gate rules. Verdicts and releases move
// within it; when the picture itself changes, a new note is due.
func Picture(js []rules.Judgement) string {
	type member struct {
		Role  string
		Pull  coupling.Pull
		Alone bool
	}
	type edge struct {
		Before, After, Word, Reason string
	}
	type picture struct {
		Key     coupling.Key
		Members []member
		Edges   []edge
		Gates   []coupling.GateUse
	}
	var all []picture
	for _, j := range js {
		c := j.Coupling
		p := picture{Key: c.Key(), Gates: c.Gates}
		for _, m := range c.Members {
			p.Members = append(p.Members, member{m.Role, m.Pull, m.SafeAlone})
		}
		for _, e := range c.Order {
			p.Edges = append(p.Edges, edge{e.Before, e.After, e.Word(), e.Reason})
		}
		all = append(all, p)
	}
	b, err := json.Marshal(all)
	if err != nil {
		panic(err) // plain data
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}
