package note

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/rules"
)

// shown is a check as one text.
func shown(run forge.CheckRun) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s %s\n\n%s\n---\n\n%s\n", run.Title, run.Status, run.Conclusion, run.Summary, run.Text)
	for _, a := range run.Annotations {
		fmt.Fprintf(&b, "\n%s:%d %s: %s\n  %s\n", a.Path, a.Line, a.Level, a.Title, a.Message)
	}
	return b.String()
}

// levelOf is the level that a code's documentation names first.
func levelOf(d CodeDoc) rules.Level {
	for _, l := range []rules.Level{rules.Block, rules.Unknown, rules.Wait} {
		if strings.Contains(d.Verdict, string(l)) {
			return l
		}
	}
	return rules.Pass
}

func TestEveryCode(t *testing.T) {
	docs := Codes()
	var documented []rules.Code
	for _, d := range docs {
		documented = append(documented, d.Code)
	}
	if !slices.Equal(documented, rules.Codes) {
		t.Fatalf("documented are %v, want %v", documented, rules.Codes)
	}
	for _, d := range docs {
		code := d.Code
		w, _ := wordsOf(code)
		for what, text := range map[string]string{"verdict": d.Verdict, "when": d.When, "example": d.Example, "remedy": d.Remedy} {
			if text == "" {
				t.Errorf("%s: no %s", code, what)
			}
		}
		for _, text := range []string{Sentence(w.example, "acme/app"), Remedy(w.example, "acme/app")} {
			if !strings.HasSuffix(text, ".") || strings.Contains(text, "  ") || strings.Contains(text, "..") || strings.Contains(text, " ()") {
				t.Errorf("%s: no clean sentence: %q", code, text)
			}
		}
		verdict := rules.Verdict{Pull: pr(1), Level: levelOf(d)}
		if d.Verdict == "warning" || d.Verdict == "alarm" {
			verdict.Warnings = []rules.Reason{w.example}
		} else {
			verdict.Reasons = []rules.Reason{w.example}
		}
		golden(t, "check/"+string(code)+".md", shown(Check(CheckInput{Pull: pr(1), Name: "relbot/coordination", Head: "abc", Verdict: verdict})))
	}
}

// TestBareReasons says something sensible of reasons that carry no evidence at all.
func TestBareReasons(t *testing.T) {
	for _, code := range append(slices.Clone(rules.Codes), "of-a-later-version") {
		r := rules.Reason{Code: code}
		for _, text := range []string{Sentence(r, ""), Remedy(r, ""), Plain(r, "x/y"), PlainRemedy(r, "x/y")} {
			if text == "" {
				t.Errorf("%s: no text", code)
			}
		}
	}
}

func TestCheckStatus(t *testing.T) {
	for _, test := range []struct {
		name               string
		level              rules.Level
		group, expired     bool
		status, conclusion string
		as                 string
	}{
		{"pass", rules.Pass, false, false, "completed", "success", "success"},
		{"block", rules.Block, false, false, "completed", "failure", "failure"},
		{"wait", rules.Wait, false, false, "in_progress", "", "pending"},
		{"wait is never too long", rules.Wait, false, true, "in_progress", "", "pending"},
		{"unknown", rules.Unknown, false, false, "in_progress", "", "pending"},
		{"unknown for too long", rules.Unknown, false, true, "completed", "failure", "failure"},
		{"pass in a group", rules.Pass, true, false, "completed", "success", "success"},
		{"wait in a group", rules.Wait, true, false, "completed", "failure", "failure"},
		{"unknown in a group", rules.Unknown, true, false, "completed", "failure", "failure"},
	} {
		run := Check(CheckInput{Pull: pr(1), Name: "relbot/coordination", Head: "abc", DetailsURL: "https://relbot.example/x", Verdict: rules.Verdict{Level: test.level}, InGroup: test.group, Expired: test.expired})
		if run.Status != test.status || run.Conclusion != test.conclusion {
			t.Errorf("%s: %s %s, want %s %s", test.name, run.Status, run.Conclusion, test.status, test.conclusion)
		}
		s := Status(run)
		if s.State != test.as || s.Context != run.Name || s.Head != "abc" || s.URL == "" || s.Description != run.Title {
			t.Errorf("%s: status %+v", test.name, s)
		}
	}
}

func TestCheckMarker(t *testing.T) {
	v := distroless().Members[2].Verdict
	v.Reasons = append(v.Reasons, v.Reasons[0])
	run := Check(CheckInput{Pull: pr(3), Verdict: v, Judgements: []rules.Judgement{distroless()}})
	const want = `<!-- relbot:verdict {"verdict":"block","reasons":["gate-cut-without"],"warnings":["head-behind"]} -->`
	if !strings.HasSuffix(run.Text, want) {
		t.Errorf("text ends %q", run.Text[max(0, len(run.Text)-200):])
	}
	run = Check(CheckInput{Pull: pr(3), Verdict: rules.Verdict{Level: rules.Pass}})
	if !strings.HasSuffix(run.Text, `{"verdict":"pass","reasons":[],"warnings":[]} -->`) {
		t.Errorf("text ends %q", run.Text)
	}
}

func TestCheckTexts(t *testing.T) {
	j := distroless()
	member := func(j rules.Judgement, n int) CheckInput {
		m, _ := j.Member(pr(n))
		return CheckInput{Pull: pr(n), Name: "relbot/coordination", Head: "abc", Verdict: m.Verdict, Judgements: []rules.Judgement{j}, DetailsURL: "https://relbot.example/pulls/acme/app/1"}
	}
	golden(t, "check/coupled-block.md", shown(Check(member(j, 3))))
	golden(t, "check/coupled-pass.md", shown(Check(member(j, 2))))
	golden(t, "check/alarm-stands.md", shown(Check(member(landing(), 3))))
	golden(t, "check/private-member.md", shown(Check(member(private(), 1))))
	ended := distroless()
	ended.State, ended.Coupling.End = coupling.Abandoned, &coupling.End{State: coupling.Abandoned, By: "ann", Why: "the plan changed"}
	in := member(ended, 2)
	golden(t, "check/ended.md", shown(Check(in)))
	group := CheckInput{
		Pull: coupling.Pull{Repo: "acme/app"}, Verdict: rules.Verdict{Level: rules.Wait, Reasons: []rules.Reason{{Code: rules.OrderWaiting, About: pr(1), Pulls: []coupling.Pull{pr(3)}}}},
		Judgements: []rules.Judgement{j}, InGroup: true, Group: []coupling.Pull{pr(2), pr(1)},
	}
	golden(t, "check/group.md", shown(Check(group)))
	extra := CheckInput{
		Pull: pr(9), Verdict: rules.Verdict{Level: rules.Block, Reasons: []rules.Reason{{Code: rules.PolicyInvalid, Path: ".github/relbot.yml", Line: 3, Value: "2", Detail: "3:1: unknown key \"gatez\""}}},
		Proposals: []string{"proposal"}, NearMisses: []string{"near miss"},
		Preview:     []string{PreviewLine(pr(1), rules.Verdict{Level: rules.Pass}, rules.Verdict{Level: rules.Block, Reasons: []rules.Reason{{Code: rules.GateAhead}}}, "acme/app")},
		Annotations: []forge.Annotation{{Path: ".github/relbot.yml", Line: 3, Level: "failure", Title: "policy-invalid", Message: "unknown key"}},
	}
	golden(t, "check/policy.md", shown(Check(extra)))
	cutOff := rules.Reason{Code: rules.MemberClosed, About: pr(2), Value: "topic", Want: "main"}
	golden(t, "check/closed-by-a-deleted-branch.md", shown(Check(CheckInput{
		Pull: pr(3), Verdict: rules.Verdict{Level: rules.Block, Reasons: []rules.Reason{cutOff}}, Judgements: []rules.Judgement{landing()},
	})))
	elsewhere := rules.Reason{Code: rules.MemberMissing, About: pr(2), Commit: "1f0c2a9b7d11", Value: "next", Want: "main"}
	golden(t, "check/merged-elsewhere.md", shown(Check(CheckInput{
		Pull: pr(3), Verdict: rules.Verdict{Level: rules.Block, Reasons: []rules.Reason{elsewhere}}, Judgements: []rules.Judgement{landing()},
	})))
}

func TestCheckLimits(t *testing.T) {
	j := distroless()
	var rs []rules.Reason
	for i := range 3000 {
		m := rules.MemberState{Role: fmt.Sprint("role", i), Pull: pr(i + 10), Title: strings.Repeat("long ", 100), State: "open", Verdict: rules.Verdict{Level: rules.Pass}}
		j.Members = append(j.Members, m)
		j.Coupling.Members = append(j.Coupling.Members, coupling.Member{Role: m.Role, Pull: m.Pull})
		rs = append(rs, rules.Reason{Code: rules.MemberClosed, About: m.Pull, Detail: strings.Repeat("ü", 5000)})
	}
	in := CheckInput{Pull: pr(1), Verdict: rules.Verdict{Level: rules.Block, Reasons: rs, Warnings: rs}, Judgements: []rules.Judgement{j}, DetailsURL: "https://relbot.example"}
	for range 2000 {
		in.NearMisses = append(in.NearMisses, strings.Repeat("é", 200))
	}
	run := Check(in)
	if n := utf8.RuneCountInString(run.Title); n > 140 {
		t.Errorf("title has %d characters", n)
	}
	if len(run.Summary) > 65_000 || len(run.Text) > 65_000 || !utf8.ValidString(run.Text) || !utf8.ValidString(run.Summary) {
		t.Errorf("summary has %d bytes, text %d", len(run.Summary), len(run.Text))
	}
	if !strings.HasSuffix(run.Text, " -->") || !strings.Contains(run.Text, "relbot:verdict") {
		t.Error("the marker did not survive")
	}
	if a := run.Actions[0]; len(a.ID) > 20 || len(a.Label) > 20 || len(a.Description) > 40 {
		t.Errorf("action %+v is too long", a)
	}
	if _, err := json.Marshal(run); err != nil {
		t.Error(err)
	}
}

// TestAnnotations: gate reasons point at their line, unless the gate lives in another repository.
func TestAnnotations(t *testing.T) {
	v := distroless().Members[2].Verdict
	if a := Check(CheckInput{Pull: pr(3), Verdict: v}).Annotations; len(a) != 1 || a[0].Path != "src/gate.rs" || a[0].Line != 1 || a[0].Level != "failure" || !strings.Contains(a[0].Message, "26.29.0") {
		t.Errorf("annotations %+v", a)
	}
	elsewhere := CheckInput{Pull: coupling.Pull{Repo: "acme/docs", Number: 3}, Verdict: v}
	if a := Check(elsewhere).Annotations; a != nil {
		t.Errorf("annotations in another repository: %+v", a)
	}
}
