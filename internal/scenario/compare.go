package scenario

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim"
)

// Result is what came of all files, in the order of their keys.
type Result struct {
	Files []FileResult `json:"files"`
	OK    bool         `json:"ok"`
}

// FileResult is what came of one scenario.
type FileResult struct {
	File  string       `json:"file"`
	Title string       `json:"title"`
	OK    bool         `json:"ok"`
	Steps []StepResult `json:"steps"`
}

// StepResult is what came of one step. Checks are keyed by pull request, "#1" in the default repository.
type StepResult struct {
	Name     string                 `json:"name"`
	OK       bool                   `json:"ok"`
	Checks   map[string]CheckResult `json:"checks"`
	Failures []Failure              `json:"failures"`
	Titles   map[string]string      `json:"-"` // of the checks
	Open     bool                   `json:"-"` // a pull request is
}

// CheckResult is a check as the embedded GitHub shows it.
type CheckResult struct {
	Verdict  string   `json:"verdict"`
	Reasons  []string `json:"reasons"`
	Warnings []string `json:"warnings"`
}

// Failure is an expectation that did not hold.
type Failure struct {
	Path string `json:"path"`
	Want string `json:"want"`
	Got  string `json:"got"`
}

var verdictLine = regexp.MustCompile(`<!-- relbot:verdict (\{.*?\}) -->`)

// read takes the verdict out of a check. A status has no room for the hidden comment: its state and words stand in.
func read(c ghsim.CheckRun) CheckResult {
	r := CheckResult{Reasons: []string{}, Warnings: []string{}}
	if m := verdictLine.FindStringSubmatch(c.Text); m != nil {
		_ = json.Unmarshal([]byte(m[1]), &r) // what cannot be read leaves the verdict empty
	} else if c.FromStatus {
		word, _, _ := strings.Cut(c.Title, ":")
		r.Verdict = map[string]string{"Passed": "pass", "Waiting": "wait", "Blocked": "block", "Unknown": "unknown"}[word]
		if m := regexp.MustCompile(`\[([a-z, -]+)\]`).FindStringSubmatch(c.Title); m != nil {
			r.Reasons = strings.Split(m[1], ", ")
		}
	}
	if r.Reasons == nil {
		r.Reasons = []string{}
	}
	if r.Warnings == nil {
		r.Warnings = []string{}
	}
	slices.Sort(r.Reasons)
	slices.Sort(r.Warnings)
	r.Reasons, r.Warnings = slices.Compact(r.Reasons), slices.Compact(r.Warnings)
	return r
}

// IsNote reports whether a comment is a coordination note, live or outdated.
func IsNote(c ghsim.Comment) bool { return c.Own && strings.Contains(c.Body, "<!-- relbot:note") }

func (w *World) compare(e Expect, r *StepResult) {
	home := w.Scenario.Repo
	fail := func(path string, want, got any) {
		r.Failures = append(r.Failures, Failure{path, fmt.Sprint(want), fmt.Sprint(got)})
	}
	for _, repo := range w.GitHub.Repos() {
		for _, p := range w.GitHub.Pulls(repo) {
			key := coupling.Pull{Repo: repo, Number: p.Number}
			r.Open = r.Open || p.State == "open"
			if c, ok := w.GitHub.CurrentCheck(key); ok {
				r.Checks[key.In(home)], r.Titles[key.In(home)] = read(c), c.Title
			}
		}
	}
	for _, want := range e.Checks {
		path := "checks." + want.Pull.In(home)
		c, ok := w.GitHub.CurrentCheck(want.Pull)
		if want.AnyHead {
			c, ok = w.GitHub.LastCheck(want.Pull)
		}
		if !ok {
			fail(path, want.Verdict, "no check on the head")
			continue
		}
		w.compareCheck(path, want, c, fail)
	}
	w.compareGroups(e, fail)
	w.compareComments(e, fail)
	for _, want := range e.Merge {
		state, why := w.GitHub.Mergeable(want.Pull)
		if string(state) != want.Want {
			fail("merge."+want.Pull.In(home), want.Want, strings.TrimSpace(string(state)+" "+why))
		}
	}
	if got := w.queueState(); e.Queue != "" && got != e.Queue {
		fail("queue", e.Queue, got)
	}
	for _, want := range e.Queued {
		if got := w.GitHub.QueueState(want.Pull); got != want.Want {
			fail("queue."+want.Pull.In(home), want.Want, got)
		}
	}
	for _, want := range e.Reactions {
		got := w.reactionsTo(want.Comment)
		slices.Sort(got)
		wanted := slices.Sorted(slices.Values(want.Want))
		if !slices.Equal(got, wanted) {
			fail("reactions."+want.Comment, wanted, got)
		}
	}
	w.compareReport(e, fail)
	w.compareStates(e, fail)
	reads, writes := w.GitHub.Counts()
	for _, b := range []struct {
		name  string
		bound *Bound
		got   int
	}{{"reads", e.Reads, reads - w.reads}, {"writes", e.Writes, writes - w.writes}} {
		switch {
		case b.bound == nil:
		case b.bound.Exactly >= 0 && b.got != b.bound.Exactly:
			fail(b.name, fmt.Sprintf("exactly %d", b.bound.Exactly), b.got)
		case b.bound.Max >= 0 && b.got > b.bound.Max:
			fail(b.name, fmt.Sprintf("at most %d", b.bound.Max), b.got)
		}
	}
}

// compareGroups holds expectations against the checks of merge groups.
func (w *World) compareGroups(e Expect, fail func(string, any, any)) {
	compare := func(path string, want Check, g *ghsim.Group) {
		if g == nil {
			fail(path, want.Verdict, "no merge group")
		} else if c, ok := w.GitHub.CheckAt(g.Repo, g.Head); !ok {
			fail(path, want.Verdict, "no check on the group's head")
		} else {
			w.compareCheck(path, want, c, fail)
		}
	}
	if e.Group != nil {
		compare("group_check", *e.Group, w.GitHub.LastGroup())
	}
	for _, want := range e.Groups {
		compare("group_check."+want.Pull.In(w.Scenario.Repo), want, w.GitHub.GroupOf(want.Pull))
	}
}

// queueState is what became of the last enqueue as a whole: merged when all are, waiting while one is in the queue.
func (w *World) queueState() string {
	state := "merged"
	for _, p := range w.queued {
		switch got := w.GitHub.QueueState(p); {
		case got == "waiting":
			return got
		case got == "refused":
			state = got
		}
	}
	return state
}

func (w *World) compareCheck(path string, want Check, c ghsim.CheckRun, fail func(string, any, any)) {
	got := read(c)
	if want.Verdict != "" && got.Verdict != want.Verdict {
		fail(path+".verdict", want.Verdict, fmt.Sprintf("%s %v: %s", got.Verdict, got.Reasons, c.Title))
	}
	if want.HasReasons {
		wanted := slices.Sorted(slices.Values(want.Reasons))
		if !slices.Equal(slices.Compact(wanted), got.Reasons) {
			fail(path+".reasons", wanted, got.Reasons)
		}
	}
	for _, code := range want.Warnings {
		if !slices.Contains(got.Warnings, code) {
			fail(path+".warnings", code, got.Warnings)
		}
	}
	all := []string{c.Title, c.Summary, c.Text}
	for _, a := range c.Annotations {
		all = append(all, a.Path, annotationText(a))
	}
	compareSays(path, want.Says, want.SaysNot, strings.Join(all, "\n"), fail)
	if want.Annotations != nil {
		compareAnnotations(path+".annotations", want.Annotations, c.Annotations, fail)
	}
}

// compareAnnotations wants each expected annotation once, and no other.
func compareAnnotations(path string, want []Annotation, got []ghsim.Annotation, fail func(string, any, any)) {
	rest := slices.Clone(got)
	strict := slices.Clone(want)
	slices.SortStableFunc(strict, func(a, b Annotation) int { return cmp.Compare(len(b.Says), len(a.Says)) }) // the pickiest first
	for _, a := range strict {
		i := slices.IndexFunc(rest, func(g ghsim.Annotation) bool {
			return g.Path == a.Path && (a.Line == 0 || g.StartLine == a.Line) &&
				!slices.ContainsFunc(a.Says, func(s string) bool { return !strings.Contains(annotationText(g), s) })
		})
		if i < 0 {
			fail(path, fmt.Sprintf("%s:%d %v", a.Path, a.Line, a.Says), annotationTexts(rest))
			continue
		}
		rest = slices.Delete(rest, i, i+1)
	}
	if len(rest) > 0 {
		fail(path, fmt.Sprintf("%d, and no more", len(want)), annotationTexts(rest))
	}
}

func annotationText(a ghsim.Annotation) string {
	if a.Title == nil {
		return a.Message
	}
	return *a.Title + "\n" + a.Message
}

func annotationTexts(list []ghsim.Annotation) string {
	var out []string
	for _, a := range list {
		out = append(out, fmt.Sprintf("%s:%d %s", a.Path, a.StartLine, annotationText(a)))
	}
	return cmp.Or(strings.Join(out, "\n"), "none")
}

func compareSays(path string, says, not []string, got string, fail func(string, any, any)) {
	for _, s := range says {
		if !strings.Contains(got, s) {
			fail(path+".says", s, clip(got))
		}
	}
	for _, s := range not {
		if strings.Contains(got, s) {
			fail(path+".says_not", "not "+s, clip(got))
		}
	}
}

// clip keeps a failure readable.
func clip(s string) string {
	if len(s) > 2000 {
		return s[:2000] + "…"
	}
	return s
}

func (w *World) compareComments(e Expect, fail func(string, any, any)) {
	home := w.Scenario.Repo
	for _, want := range e.Notes {
		path := "notes." + want.Pull.In(home)
		live, outdated := 0, 0
		var text []string
		for _, c := range w.GitHub.Comments(want.Pull) {
			switch {
			case !IsNote(c):
			case c.Minimized != "":
				outdated++
			default:
				live++
				text = append(text, c.Body)
			}
		}
		if want.Count >= 0 && live != want.Count {
			fail(path+".count", want.Count, live)
		}
		if want.Outdated >= 0 && outdated != want.Outdated {
			fail(path+".outdated", want.Outdated, outdated)
		}
		compareSays(path, want.Says, want.SaysNot, strings.Join(text, "\n"), fail)
	}
	for _, want := range e.Replies {
		path := "replies." + want.Pull.In(home)
		var text []string
		for _, c := range w.GitHub.Comments(want.Pull) {
			if c.Own && !IsNote(c) {
				text = append(text, c.Body)
			}
		}
		if want.Count >= 0 && len(text) != want.Count {
			fail(path+".count", want.Count, fmt.Sprintf("%d: %s", len(text), clip(strings.Join(text, "\n---\n"))))
		}
		compareSays(path, want.Says, want.SaysNot, strings.Join(text, "\n"), fail)
	}
}

// reactionsTo lists relbot's reactions to a named comment.
func (w *World) reactionsTo(name string) []string {
	id := w.comments[name]
	for _, repo := range w.GitHub.Repos() {
		for _, p := range w.GitHub.Pulls(repo) {
			for _, c := range w.GitHub.Comments(coupling.Pull{Repo: repo, Number: p.Number}) {
				if c.ID == id {
					return slices.Clone(c.Reactions)
				}
			}
		}
	}
	return nil
}

func (w *World) compareReport(e Expect, fail func(string, any, any)) {
	if e.Report == nil {
		return
	}
	var report *ghsim.Issue
	for _, i := range w.GitHub.Issues(w.Scenario.Repo) {
		if i.Own && strings.Contains(i.Body, "<!-- relbot:report") {
			report = &i
		}
	}
	open := report != nil && report.Open
	if e.Report.Open != nil && open != *e.Report.Open {
		fail("report.open", *e.Report.Open, open)
	}
	text, comments := "", 0
	if report != nil {
		text = report.Title + "\n" + report.Body
		for _, c := range report.Comments {
			text += "\n" + c.Body
		}
		comments = len(report.Comments)
	}
	compareSays("report", e.Report.Says, e.Report.SaysNot, text, fail)
	if e.Report.Comments >= 0 && comments != e.Report.Comments {
		fail("report.comments", e.Report.Comments, comments)
	}
}

var stateLine = regexp.MustCompile(`<!-- relbot:state (\{.*?\}) -->`)

// state is the machine-readable line of a note or report.
type state struct {
	Coupling  string            `json:"coupling"`
	State     string            `json:"state"`
	Train     map[string]string `json:"train"`
	FirstShip map[string]string `json:"first_ship"`

	repo coupling.Repo // of the text: its numbers without a repository are there
}

// states collects the state lines of all notes and of the report, newest last.
func (w *World) states() []state {
	var out []state
	read := func(repo coupling.Repo, text string) {
		for _, m := range stateLine.FindAllStringSubmatch(text, -1) {
			s := state{repo: repo}
			if json.Unmarshal([]byte(m[1]), &s) == nil {
				out = append(out, s)
			}
		}
	}
	for _, repo := range w.GitHub.Repos() {
		for _, i := range w.GitHub.Issues(repo) {
			if i.Own {
				read(repo, i.Body)
			}
		}
		for _, p := range w.GitHub.Pulls(repo) {
			for _, c := range w.GitHub.Comments(coupling.Pull{Repo: repo, Number: p.Number}) {
				if IsNote(c) && c.Minimized == "" {
					read(repo, c.Body)
				}
			}
		}
	}
	return out
}

func (w *World) compareStates(e Expect, fail func(string, any, any)) {
	if len(e.Coupling)+len(e.Train)+len(e.FirstShip) == 0 {
		return
	}
	states := w.states()
	for _, want := range e.Coupling {
		got := "no note names it"
		for _, s := range states {
			if s.Coupling == want.Key && s.State != "" {
				got = s.State
			}
		}
		if got != want.Want {
			fail("coupling."+want.Key, want.Want, got)
		}
	}
	for _, want := range e.Train {
		got := "not shown"
		for _, s := range states {
			if v, ok := s.Train[want.Key]; ok {
				got = v
			}
		}
		if got != want.Want {
			fail("train."+want.Key, want.Want, got)
		}
	}
	for _, want := range e.FirstShip {
		got := "not shown"
		for _, s := range states {
			for name, v := range s.FirstShip {
				if p, err := coupling.ParsePull(name, s.repo); err == nil && p == want.Pull {
					got = v
				}
			}
		}
		if got != want.Want {
			fail("first_ship."+want.Pull.In(w.Scenario.Repo), want.Want, got)
		}
	}
}
