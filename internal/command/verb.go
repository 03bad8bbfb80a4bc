package command

import (
	"regexp"
	"slices"
	"strings"

	"github.com/relbot/relbot/internal/nearest"
)

// The readers of the commands in [Table], in its order.

func (p *parser) status() (Action, *Mistake) {
	if len(p.words) > 0 {
		if t, ok := reference(p.words[0].text, false); ok {
			return Status{Of: t}, nil
		}
	}
	return Status{}, nil
}

var (
	quotes = strings.NewReplacer("“", `"`, "”", `"`, "„", `"`, "«", `"`, "»", `"`, "‘", `'`, "’", `'`, "‚", `'`)
	quoted = regexp.MustCompile(`^(?:"([^"]*)"|'([^']*)')[` + punctuation + `]*(?:\s+|$)`)
	noName = regexp.MustCompile(`[^A-Za-z0-9._]+`)
)

func (p *parser) link() (Action, *Mistake) {
	var a Link
	for len(p.words) > 0 {
		p.split()
		w, _ := p.next()
		text := strings.TrimRight(w.text, punctuation)
		switch {
		case strings.EqualFold(text, "as"):
			if m := p.called(&a); m != nil {
				return a, m
			}
			continue
		case joiner(w.text), text == "", strings.EqualFold(text, "with"):
			continue
		case slices.Contains(reasons, strings.ToLower(text)):
			a.Because = p.rest()
			continue
		}
		role, pull, given := "", w.text, false
		t, ok := reference(pull, true)
		if !ok {
			if role, pull, given = strings.Cut(text, "="); !given {
				role, pull = "", text
			}
			t, ok = reference(pull, true)
		}
		switch {
		case given && !roleText.MatchString(role):
			return a, p.fail(w.column, "", "%q is no role: want letters, digits, dots and dashes", role)
		case !ok:
			return a, p.fail(w.column+len(text)-len(strings.TrimRight(pull, punctuation)), "", "%q is no pull request: want #12, owner/repo#12 or a URL", pull)
		}
		if given {
			t.Text = role + "=" + t.Text
		}
		a.Members = append(a.Members, Member{Role: role, Target: t})
	}
	if len(a.Members) == 0 {
		return a, p.fail(p.end(), "", "no pull request is named")
	}
	return a, nil
}

// called reads the name of a coupling, or a title in quotes of which the name is made.
func (p *parser) called(a *Link) *Mistake {
	if len(p.words) == 0 {
		return p.fail(p.end(), "", "the name is missing")
	}
	column := p.words[0].column
	rest := quotes.Replace(p.raw[column-1:])
	if m := quoted.FindStringSubmatch(rest); m != nil {
		title := strings.TrimSpace(m[1] + m[2])
		a.Name = strings.Trim(noName.ReplaceAllString(strings.ToLower(title), "-"), "-.")
		if a.Name = a.Name[:min(len(a.Name), 64)]; !nameText.MatchString(a.Name) {
			return p.fail(column, "", "no name can be made of %q", title)
		}
		a.Title = title
		n := len(fields(m[0]))
		p.words = p.words[min(n, len(p.words)):]
		return nil
	}
	w, _ := p.next()
	if a.Name = strings.TrimRight(w.text, punctuation); !nameText.MatchString(a.Name) {
		return p.fail(column, "", "%q is no name: want letters, digits, dots and dashes, or a title in quotes", w.text)
	}
	return nil
}

func (p *parser) unlink() (Action, *Mistake) {
	member, m := p.target()
	if m != nil {
		return nil, m
	}
	because, m := p.because()
	return Unlink{member, because}, m
}

func (p *parser) replace() (Action, *Mistake) {
	old, m := p.target()
	if m != nil {
		return nil, m
	}
	p.word("with", "by")
	with, m := p.target()
	switch {
	case m != nil:
		return nil, m
	case with.Pull == "":
		return nil, p.fail(p.end(), "", "%q is no pull request", with.Text)
	}
	because, m := p.optional()
	return Replace{old, with, because}, m
}

// relations are the words between the members of an order.
var relations = []string{"before", "then", "->", "→", "=>", "after", "<-", "←", "before-or-with", "with"}

// relation reads how two members are ordered. swapped says that the second comes first.
func (p *parser) relation() (e Edge, swapped, ok bool) {
	w, ok := p.word(relations...)
	switch w {
	case "before":
		_, or := p.word("or")
		_, e.Together = p.word("with", "together")
		ok = or == e.Together
	case "before-or-with":
		e.Together = true
	case "with":
		e.With = true
	case "after", "<-", "←":
		swapped = true
	}
	return e, swapped, ok
}

// chain reads members and the relations between them; between any two of a list there is none.
func (p *parser) chain() ([]Edge, *Mistake) {
	before, m := p.targets()
	if m != nil {
		return nil, m
	}
	var out []Edge
	for {
		at := p.at()
		e, swapped, ok := p.relation()
		if !ok {
			if len(out) > 0 {
				return out, nil
			}
			return nil, p.unrelated(at)
		}
		after, m := p.targets()
		if m != nil {
			return nil, m
		}
		for _, a := range before {
			for _, b := range after {
				e.Before, e.After = a, b
				if swapped {
					e.Before, e.After = b, a
				}
				out = append(out, e)
			}
		}
		before = after
	}
}

// unrelated answers a word that is no relation.
func (p *parser) unrelated(at int) *Mistake {
	if len(p.words) == 0 {
		return p.fail(at, "", "\"before\" or \"before-or-with\" is missing")
	}
	w := p.words[0].text
	suggestion := ""
	if near := nearest.Word(strings.ToLower(w), []string{"before", "before-or-with", "after"}); near != "" {
		suggestion = p.raw[:at-1] + near + p.raw[at-1+len(w):]
	}
	return p.fail(at, suggestion, "want \"before\" or \"before-or-with\", found %q", w)
}

func (p *parser) order() (Action, *Mistake) {
	edges, m := p.chain()
	if m != nil {
		return nil, m
	}
	because, m := p.optional()
	for i := range edges {
		edges[i].Reason = because
	}
	return Order{edges}, m
}

func (p *parser) unorder() (Action, *Mistake) {
	before, m := p.target()
	if m != nil {
		return nil, m
	}
	for len(p.words) > 0 && joiner(p.words[0].text) {
		p.next()
	}
	_, swapped, _ := p.relation()
	after, m := p.target()
	if m != nil {
		return nil, m
	}
	because, m := p.optional()
	if swapped {
		before, after = after, before
	}
	return Unorder{before, after, because}, m
}

// others reads the pull requests that a relation of this one names.
func (p *parser) others() ([]Target, string, *Mistake) {
	others, m := p.targets()
	if m != nil {
		return nil, "", m
	}
	because, m := p.optional()
	return others, because, m
}

func (p *parser) after() (Action, *Mistake) {
	others, because, m := p.others()
	return After{others, because}, m
}

func (p *parser) with() (Action, *Mistake) {
	others, because, m := p.others()
	return With{others, because}, m
}

var (
	// lifts are words that undo a hold; alone after "hold" they do, and anything else in these words is asked back.
	lifts   = []string{"cancel", "cancelled", "canceled"}
	unclear = []string{"off", "remove", "release", "lift", "lifted", "end", "ended", "over", "stop", "done", "resume", "clear", "none", "no", "false", "undo"}
	over    = regexp.MustCompile(`(?i)^(?:is |was |can be |should be |has been )?(?:no longer|not (?:needed|necessary|required)|no more$|over$|lifted|removed|released|ended)\b`)
	noEnd   = []string{"until", "till", "through"}
)

func (p *parser) hold() (Action, *Mistake) {
	first, column := p.peek(), p.at()
	switch {
	case slices.Contains(lifts, first):
		p.next()
		if _, ok := p.reason(); !ok {
			return nil, p.ask(column)
		}
		return Resume{}, nil
	case first == "off" && len(p.words) > 1:
		p.next()
	case slices.Contains(unclear, first) && len(p.words) == 1, over.MatchString(p.raw[column-1:]):
		return nil, p.ask(column)
	}
	text, ok := p.reason()
	if !ok {
		text = p.rest()
	}
	word, _, _ := strings.Cut(strings.ToLower(text), " ")
	return Hold{Text: text, NoEnd: slices.Contains(noEnd, word)}, nil
}

// ask answers words that may mean to hold or to lift a hold.
func (p *parser) ask(column int) *Mistake {
	return p.fail(column, "", "this may mean to hold or to lift a hold: say /relbot hold or /relbot resume")
}

func (p *parser) supersede() (Action, *Mistake) {
	if _, ok := p.word("by", "with"); !ok && !strings.HasPrefix(strings.ToLower(p.named), "superseded") {
		w, more := p.next()
		if !more {
			return nil, p.fail(w.column, "", "\"by\" is missing")
		}
		return nil, p.fail(w.column, p.raw[:w.column-1]+"by "+p.raw[w.column-1:], "want \"by\", found %q", w.text)
	}
	by, m := p.target()
	switch {
	case m != nil:
		return nil, m
	case by.Pull == "":
		return nil, p.fail(p.end(), "", "%q is no pull request", by.Text)
	}
	because, m := p.optional()
	return Supersede{by, because}, m
}

func (p *parser) abandon() (Action, *Mistake) {
	because, m := p.because()
	return Abandon{because}, m
}

var untilText = regexp.MustCompile(`(?i)^(.*\S)\s+until\s+(\S+)$`)

func (p *parser) override() (Action, *Mistake) {
	w, ok := p.next()
	code := w.low()
	switch {
	case !ok:
		return nil, p.fail(w.column, "", "the reason code is missing")
	case code == "cancel":
		return CancelOverride{}, p.nothing()
	}
	a := Override{Code: code, Until: "push"}
	if codes := p.language.Codes; len(codes) > 0 && !slices.Contains(codes, code) {
		suggestion := ""
		if near := nearest.Word(code, codes); near != "" {
			suggestion = p.raw[:w.column-1] + near + p.raw[w.column-1+len(w.text):]
		}
		m := p.fail(w.column, suggestion, "%q is no reason code that an override lifts", w.text)
		m.Code = true
		return nil, m
	}
	because, m := p.because()
	if m != nil {
		return nil, m
	}
	a.Because = because
	if m := untilText.FindStringSubmatch(because); m != nil {
		a.Because, a.Until = m[1], strings.TrimRight(m[2], punctuation)
		if low := strings.ToLower(a.Until); low == "push" || low == "merge" {
			a.Until = low
		} else if !strings.ContainsAny(a.Until, "0123456789") { // "until tomorrow" is part of the reason's prose, and no end that relbot knows
			return nil, p.fail(p.end()-len(m[2]), "", "%q is no end: want push, merge or a release such as 26.29", a.Until)
		}
	}
	return a, nil
}
