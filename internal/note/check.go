package note

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/rules"
)

// Limits of GitHub, with some room.
const (
	maxTitle   = 140    // also of a status' description
	maxSummary = 30_000 // bytes
	maxCheck   = 64_000 // bytes of a check's text
	maxNote    = 60_000 // bytes of a comment
)

// CheckInput is what a check is written from.
type CheckInput struct {
	Pull       coupling.Pull // number 0 for a merge group
	Name, Head string
	Verdict    rules.Verdict     // over all couplings of the pull request, most important reason first
	Judgements []rules.Judgement // of those couplings
	Expired    bool              // an unknown verdict has lasted too long: it fails
	Proposals  []string          // Markdown, see [Proposal]
	NearMisses []string          // Markdown, see [NearMiss]
	Missed     []int             // their lines in the description
	Preview    []string          // Markdown, see [PreviewLine]
	// Annotations are added to those of the verdict's own reasons.
	Annotations []forge.Annotation
	DetailsURL  string
	InGroup     bool            // the check is a merge group's: nothing waits there
	Group       []coupling.Pull // in merge order
	Private     bool            // the repository is private, so that its readers may see private members
}

var titles = map[rules.Level]string{rules.Pass: "Passed", rules.Wait: "Waiting", rules.Block: "Blocked", rules.Unknown: "Unknown"}

// Check writes the check that shows a verdict. A pass succeeds and a block fails; what waits or is unknown is in progress, but
// in a merge group, unless it waits there for a partner, and, when it has lasted too long, for the unknown it fails too.
func Check(in CheckInput) forge.CheckRun {
	v := voice{home: in.Pull.Repo, group: in.InGroup, hidden: hidden(in.Pull.Repo, in.Private, in.Judgements)}
	run := forge.CheckRun{
		Name: in.Name, Head: in.Head, DetailsURL: in.DetailsURL, Status: "completed",
		Actions: []forge.Action{{ID: "recheck", Label: "Re-check", Description: "Look at everything again"}},
	}
	switch level := in.Verdict.Level; {
	case level == rules.Pass:
		run.Conclusion = "success"
	case level == rules.Block || in.InGroup && !in.Verdict.Pending() || level == rules.Unknown && in.Expired:
		run.Conclusion = "failure"
	default:
		run.Status = "in_progress"
	}
	run.Title = title(v, in)
	run.Summary = fold(summary(v, in), maxSummary, more(in.DetailsURL))
	marker := verdictMarker(in.Verdict)
	run.Text = fold(text(v, in), maxCheck-len(marker), more(in.DetailsURL)+"\n") + marker
	run.Annotations = annotations(v, in)
	return run
}

// Status is a check as a commit status, for repositories that ask for statuses.
func Status(run forge.CheckRun) forge.Status {
	state := "pending"
	switch {
	case run.Status != "completed":
	case run.Conclusion == "success":
		state = "success"
	default:
		state = "failure"
	}
	return forge.Status{Context: run.Name, Head: run.Head, State: state, Description: clip(run.Title, maxTitle), URL: run.DetailsURL}
}

// verdictMarker is the hidden comment that tools read.
func verdictMarker(v rules.Verdict) string {
	b, err := json.Marshal(struct {
		Verdict  rules.Level  `json:"verdict"`
		Reasons  []rules.Code `json:"reasons"`
		Warnings []rules.Code `json:"warnings"`
	}{v.Level, codes(v.Reasons), codes(v.Warnings)})
	if err != nil {
		panic(err) // only strings are in it
	}
	return "<!-- relbot:verdict " + string(b) + " -->"
}

// codes are the codes of reasons, each once.
func codes(rs []rules.Reason) []rules.Code {
	out := []rules.Code{}
	for _, r := range rs {
		if !slices.Contains(out, r.Code) {
			out = append(out, r.Code)
		}
	}
	return out
}

// hidden are the members that readers of a repository may not learn of: those in private repositories, unless the
// reader's own repository is private too.
func hidden(home coupling.Repo, private bool, js []rules.Judgement) map[coupling.Pull]bool {
	out := map[coupling.Pull]bool{}
	for _, j := range js {
		for _, m := range j.Members {
			switch {
			case m.Private && m.Pull.Repo.Same(home):
				return nil
			case m.Private:
				out[m.Pull] = true
			}
		}
	}
	if private {
		return nil
	}
	return out
}

func title(v voice, in CheckInput) string {
	lead := titles[in.Verdict.Level] + ": "
	rs := in.Verdict.Reasons
	missed := missed(in)
	if len(rs) == 0 {
		return clip(lead+quiet(v, in), maxTitle-len(missed)) + missed
	}
	rest := missed
	if n := len(rs) - 1; n > 0 {
		rest = fmt.Sprintf(" (and %d more)", n) + missed
	}
	return clip(lead+v.short(rs[0]), maxTitle-len(rest)) + rest
}

// missed says in the title of a pass which line of the description was not understood: it may have been meant to make this wait.
func missed(in CheckInput) string {
	switch {
	case in.Verdict.Level != rules.Pass || len(in.Missed) == 0:
		return ""
	case len(in.Missed) == 1:
		return fmt.Sprintf("; line %d of the description was not understood", in.Missed[0])
	}
	return fmt.Sprintf("; %d lines of the description were not understood", len(in.Missed))
}

// quiet is the title of a verdict without reasons.
func quiet(v voice, in CheckInput) string {
	if in.InGroup {
		return "the group holds together"
	}
	v.plain = true
	for _, j := range in.Judgements {
		if j.State.Ended() {
			return stateSentence(v, j)
		}
	}
	m, ok := member(in)
	if !ok || m.ShipsIn == "" {
		return "nothing stands in the way"
	}
	return "nothing stands in the way; ships in " + m.ShipsIn
}

func member(in CheckInput) (rules.MemberState, bool) {
	for _, j := range in.Judgements {
		if m, ok := j.Member(in.Pull); ok {
			return m, true
		}
	}
	return rules.MemberState{}, false
}

func summary(v voice, in CheckInput) string {
	var b strings.Builder
	if in.InGroup && len(in.Group) > 0 {
		fmt.Fprintf(&b, "Merge group, in this order: %s.\n\n", v.pulls(in.Group))
	}
	if len(in.Judgements) == 0 && len(in.Verdict.Reasons) == 0 {
		b.WriteString("This pull request is in no coupling.\n")
	}
	if len(in.Judgements) == 0 {
		for _, r := range in.Verdict.Reasons[:min(len(in.Verdict.Reasons), 1)] {
			b.WriteString(v.sentence(r) + "\n")
		}
	}
	for _, j := range in.Judgements {
		fmt.Fprintf(&b, "### %s\n\n%s\n\n", Escape(j.Coupling.Heading()), stateSentence(v, j))
		if t := trainSentence(v, j); t != "" && !j.State.Ended() {
			b.WriteString(t + "\n\n")
		}
		b.WriteString(memberTable(v, j))
		if len(j.Gates) > 0 {
			b.WriteString("\n" + gateTable(v, j))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func text(v voice, in CheckInput) string {
	var b strings.Builder
	section := func(heading string, lines []string) {
		if len(lines) == 0 {
			return
		}
		const most = 50
		fmt.Fprintf(&b, "### %s\n\n", heading)
		for _, l := range lines[:min(len(lines), most)] {
			b.WriteString("- " + l + "\n")
		}
		if n := len(lines) - most; n > 0 {
			fmt.Fprintf(&b, "- … and %d more\n", n)
		}
		b.WriteString("\n")
	}
	section(titles[in.Verdict.Level], reasons(v, in.Verdict.Reasons))
	section("Warnings", reasons(v, in.Verdict.Warnings))
	var alarms []string
	for _, j := range in.Judgements {
		for _, a := range j.Alarms {
			alarms = append(alarms, reason(v, a.Reason))
		}
	}
	section("Alarms", alarms)
	section("Proposals", in.Proposals)
	section("Not understood", in.NearMisses)
	section("Verdicts that the new policy would change", in.Preview)
	if in.DetailsURL != "" {
		fmt.Fprintf(&b, "[All about this pull request](%s)\n\n", in.DetailsURL)
	}
	return b.String()
}

// reason is a list item: the code, the sentence, the remedy.
func reason(v voice, r rules.Reason) string {
	return fmt.Sprintf("%s: %s %s", v.code(string(r.Code)), v.sentence(r), v.remedy(r))
}

func reasons(v voice, rs []rules.Reason) []string {
	var out []string
	for _, r := range rs {
		out = append(out, reason(v, r))
	}
	return out
}

func annotations(v voice, in CheckInput) []forge.Annotation {
	v.plain = true
	out := []forge.Annotation{}
	add := func(level string, rs []rules.Reason) {
		for _, r := range rs {
			if r.Gate == "" || r.Path == "" || r.Line == 0 || !r.Owner.IsZero() || r.Coupling != "" && !r.Coupling.Home().Same(in.Pull.Repo) {
				continue
			}
			out = append(out, forge.Annotation{Path: r.Path, Line: r.Line, Level: level, Title: clip(string(r.Code)+": gate "+r.Gate, 255), Message: v.sentence(r) + " " + v.remedy(r)})
		}
	}
	add("failure", in.Verdict.Reasons)
	add("warning", in.Verdict.Warnings)
	for _, a := range in.Annotations {
		if !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// more says that a text was shortened, and where the whole of it is.
func more(url string) string {
	if url == "" {
		return "_This text was shortened._\n"
	}
	return "_This text was shortened; the full page is [here](" + url + ")._\n"
}

// PreviewLine says how a proposed policy would change a verdict.
func PreviewLine(p coupling.Pull, now, then rules.Verdict, home coupling.Repo) string {
	return fmt.Sprintf("%s: %s → %s", p.In(home), verdictWords(now), verdictWords(then))
}

// PreviewUnread says that there is no preview, since it would tell of pull requests that who proposed the policy cannot read.
func PreviewUnread(repo coupling.Repo, author string) string {
	return fmt.Sprintf("no preview: the policy names pull requests of %s, which %s cannot read", code(string(repo)), code(author))
}

// PreviewCostly says that there is no preview, since the policy's patterns would have to look through too much.
const PreviewCostly = "no preview: the patterns of its gates would have to look through too much; name fewer files, or bound the repetitions"

// verdictWords is a verdict with its codes.
func verdictWords(v rules.Verdict) string {
	s := string(v.Level)
	var names []string
	for _, c := range codes(v.Reasons) {
		names = append(names, code(string(c)))
	}
	if len(names) > 0 {
		s += " (" + strings.Join(names, ", ") + ")"
	}
	return s
}
