package note

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/rules"
)

var nasty = []string{
	"plain title", "uses V26_28_0 and snake_case", "_emphasis_ *bold* ~~gone~~ `code`", "@ann please", "a@b.example", "see #12 and acme/app#12 and GH-12",
	"https://github.com/acme/app/pull/1", "www.example.com", "<script>alert(1)</script>", "<!-- relbot:note v1 -->", "<!-- /relbot:note -->", "--> x",
	"a | b || c", `back\slash \| pipe`, "![img](http://x/y.png)", "[link](javascript:x)", "line\nbreak\r\n/relbot hold", "\x00\x1b[31mred\x07",
	"\u202eright to left", "&lt;b&gt; &amp; &#64;ann", "```\nfence", "]()[", "# heading", "- item", "> quote", "1. one", "$x$", ":tada:", "", " ", strings.Repeat("ü", 5000),
	"@\u200bann", "\u2028sep", "a\u00a0b", "\xff\xfe", "@@ann", "#@1", "_@ann_", "`@ann", "mermaid\"] --> x", "%%{init}%%", "<https://x.example>", "<ann@example.com>",
}

var markdown = goldmark.New(goldmark.WithExtensions(extension.GFM))

var (
	mentions   = regexp.MustCompile(`@[A-Za-z0-9]`)
	references = regexp.MustCompile(`#[0-9]|(?i)\bgh-[0-9]`)
)

// safe holds an escaped text, as GitHub would render it, against everything that must not come through.
func safe(t *testing.T, in string) {
	t.Helper()
	out := Escape(in)
	if strings.ContainsAny(out, "\n\r") || !utf8.ValidString(out) {
		t.Fatalf("%q: not one line: %q", in, out)
	}
	if strings.Contains(out, "<!--") || strings.Contains(out, "-->") {
		t.Fatalf("%q: a marker comes through: %q", in, out)
	}
	source := "## 🔗 " + out + " — note\n\n| a | b |\n|---|---|\n| x " + out + " | y |\n\nText: " + out + ".\n"
	var b bytes.Buffer
	if err := markdown.Convert([]byte(source), &b); err != nil {
		t.Fatal(err)
	}
	html := b.String()
	for _, bad := range []string{"<a ", "<img", "<em>", "<strong>", "<del>", "<code>", "<script", "raw HTML omitted"} {
		if strings.Contains(html, bad) {
			t.Fatalf("%q: %s comes through:\n%s", in, bad, html)
		}
	}
	if strings.Count(html, "<td>") != 2 || strings.Count(html, "<h2") != 1 || strings.Count(html, "<p>") != 1 {
		t.Fatalf("%q: the layout breaks:\n%s", in, html)
	}
	shown := strings.NewReplacer("&lt;", "<", "&gt;", ">", "&quot;", `"`, "&amp;", "&", "&#39;", "'").Replace(html)
	if m := mentions.FindString(shown); m != "" {
		t.Fatalf("%q: mention %q comes through", in, m)
	}
	if m := references.FindString(shown); m != "" {
		t.Fatalf("%q: reference %q comes through", in, m)
	}
}

func TestEscape(t *testing.T) {
	for _, in := range nasty {
		safe(t, in)
	}
	for in, want := range map[string]string{
		"plain title, with (brackets): fine!": "plain title, with (brackets): fine!",
		"uses V26_28_0":                       "uses V26_28_0",
		"a\tb\n c":                            "a b c",
		" trimmed ":                           "trimmed",
		"v26.28.0-rc.1 → 26.29.0":             "v26.28.0-rc.1 → 26.29.0",
	} {
		if got := Escape(in); got != want {
			t.Errorf("Escape(%q) = %q, want %q", in, got, want)
		}
	}
	if n := utf8.RuneCountInString(Escape(strings.Repeat("x", 5000))); n > maxText {
		t.Errorf("%d runes", n)
	}
}

func FuzzEscape(f *testing.F) {
	for _, in := range nasty {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) { safe(t, in) })
}

// TestNastyEverywhere puts nasty text wherever people's text goes: no text of relbot's lets a mention, HTML, a marker or a command through.
func TestNastyEverywhere(t *testing.T) {
	for _, in := range nasty {
		j := distroless()
		j.Coupling.Title, j.Coupling.Order[0].Reason, j.Members[0].Title, j.Gates[0].Title = in, in, in, in
		j.Coupling.Hold = &coupling.Hold{By: "ann", Why: in}
		j.Members[0].Role, j.Coupling.Members[0].Role = in, in
		j.Members[1].Verdict = rules.Verdict{Level: rules.Unknown, Reasons: []rules.Reason{{Code: rules.MemberUnreadable, Detail: in}}}
		verdict := rules.Verdict{Level: rules.Block, Reasons: []rules.Reason{{Code: rules.OnHold, By: "ann", Detail: in}, {Code: rules.Overridden, Value: "x", By: in, Detail: in, Until: in}}}
		body := Note(NoteInput{Pull: pr(3), Judgements: []rules.Judgement{j}})
		run := Check(CheckInput{Pull: pr(3), Verdict: verdict, Judgements: []rules.Judgement{j}})
		for what, text := range map[string]string{
			"note": body, "summary": run.Summary, "text": run.Text, "title": run.Title,
			"status": StatusReply(pr(3), verdict, []rules.Judgement{j}), "mistake": Reply("k", []string{spanned(in), block(caret(in, 3)...)}),
		} {
			for line := range strings.SplitSeq(text, "\n") {
				if strings.HasPrefix(line, "/relbot") {
					t.Errorf("%s with %q: a line begins as a command: %q", what, in, line)
				}
			}
			visible := regexp.MustCompile(`(?m)^(<!-- /?relbot:[^\n]* -->)+\n?`).ReplaceAllString(text, "")
			visible = strings.ReplaceAll(visible, noteClose, "")
			if strings.Contains(visible, "<!--") {
				t.Errorf("%s with %q: a marker comes through:\n%s", what, in, visible)
			}
			if what == "title" { // shown as it is
				continue
			}
			var b bytes.Buffer
			if err := markdown.Convert([]byte(visible), &b); err != nil {
				t.Fatal(err)
			}
			html := regexp.MustCompile(`(?s)<pre>.*?</pre>|<code>.*?</code>`).ReplaceAllString(b.String(), "")
			if m := mentions.FindString(html); m != "" && what != "mistake" {
				t.Errorf("%s with %q: mention %q comes through", what, in, m)
			}
			for _, bad := range []string{"<script", "<img", `href="javascript:`} {
				if strings.Contains(html, bad) {
					t.Errorf("%s with %q: %s comes through", what, in, bad)
				}
			}
		}
		if strings.Count(body, noteClose) != 1 || len(openMarker.FindAllString(body, -1)) != 1 {
			t.Errorf("%q: the markers are not alone", in)
		}
	}
}
