package scenario

import (
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/relbot/relbot/internal/strict"
)

func (d *decoder) expect(n node, e *Expect) {
	n.Object(keys{
		"checks": func(n node) {
			for _, p := range n.Mapping("checks by pull request") {
				c := d.check(p.Node)
				c.Pull = d.pull(p.Key, p.Name)
				e.Checks = append(e.Checks, c)
			}
		},
		"group_check": func(n node) { d.groupCheck(n, e) },
		"notes":       func(n node) { e.Notes = d.notes(n, true) },
		"replies":     func(n node) { e.Replies = d.notes(n, false) },
		"merge": func(n node) {
			for _, p := range n.Mapping("done, refused or allowed by pull request") {
				w := Want{Key: p.Name, Pull: d.pull(p.Key, p.Name)}
				p.One(&w.Want, "done", "refused", "allowed")
				e.Merge = append(e.Merge, w)
			}
		},
		"queue": func(n node) {
			outcomes := []string{"merged", "refused", "waiting"}
			if _, scalar := n.Syntax().(ast.ScalarNode); scalar {
				n.One(&e.Queue, outcomes...)
				return
			}
			for _, p := range n.Mapping("merged, refused or waiting, overall or by pull request") {
				w := Want{Key: p.Name, Pull: d.pull(p.Key, p.Name)}
				p.One(&w.Want, outcomes...)
				e.Queued = append(e.Queued, w)
			}
		},
		"reactions": func(n node) {
			for _, p := range n.Mapping("lists by comment") {
				e.Reactions = append(e.Reactions, Reactions{p.Name, p.Texts("a reaction")})
			}
		},
		"report": func(n node) {
			r := Report{Comments: -1}
			n.Object(keys{
				"open": func(n node) { var v bool; n.Bool(&v); r.Open = &v },
				"says": says(&r.Says), "says_not": says(&r.SaysNot),
				"comments": func(n node) { number(n, &r.Comments) },
			})
			e.Report = &r
		},
		"coupling": func(n node) {
			for _, p := range n.Mapping("states by coupling") {
				w := Want{Key: p.Name}
				p.One(&w.Want, "open", "landing", "landed", "shipped", "superseded", "abandoned", "broken")
				e.Coupling = append(e.Coupling, w)
			}
		},
		"train": func(n node) {
			for _, p := range n.Mapping("releases by branch") {
				w := Want{Key: p.Name}
				w.Want, _ = p.Text("a release")
				e.Train = append(e.Train, w)
			}
		},
		"first_ship": func(n node) {
			for _, p := range n.Mapping("releases by pull request") {
				w := Want{Key: p.Name, Pull: d.pull(p.Key, p.Name)}
				w.Want, _ = p.Text("a release")
				e.FirstShip = append(e.FirstShip, w)
			}
		},
		"writes": func(n node) { e.Writes = bound(n) },
		"reads":  func(n node) { e.Reads = bound(n) },
	})
}

// groupCheck reads an expectation of the last group's check, or of those of several entries by pull request.
func (d *decoder) groupCheck(n node, e *Expect) {
	pairs := n.Mapping("an expectation of a check, or several by pull request")
	if len(pairs) == 0 || !strings.ContainsAny(pairs[0].Name, "0123456789") {
		c := d.check(n)
		e.Group = &c
		return
	}
	for _, p := range pairs {
		c := d.check(p.Node)
		c.Pull = d.pull(p.Key, p.Name)
		e.Groups = append(e.Groups, c)
	}
}

func bound(n node) *Bound {
	b := Bound{-1, -1}
	n.Object(keys{"max": func(n node) { number(n, &b.Max) }, "exactly": func(n node) { number(n, &b.Exactly) }})
	return &b
}

// says reads one text or a list of texts.
func says(into *[]string) func(node) {
	return func(n node) {
		if _, list := n.Syntax().(*ast.SequenceNode); list {
			*into = n.Texts("a text")
		} else if v, ok := n.Text("a text or a list of texts"); ok {
			*into = []string{v}
		}
	}
}

func (d *decoder) check(n node) Check {
	var c Check
	n.Object(keys{
		"verdict":  func(n node) { n.One(&c.Verdict, "pass", "wait", "block", "unknown") },
		"reasons":  func(n node) { c.HasReasons = true; c.Reasons = n.Texts("a reason code") },
		"warnings": func(n node) { c.Warnings = n.Texts("a reason code") },
		"says":     says(&c.Says), "says_not": says(&c.SaysNot),
		"annotations": func(n node) {
			c.Annotations = []Annotation{}
			for _, e := range n.List("a list of {path, line, says}") {
				var a Annotation
				e.Object(keys{"path": text(&a.Path), "line": func(n node) { number(n, &a.Line) }, "says": says(&a.Says)})
				c.Annotations = append(c.Annotations, a)
			}
		},
		"head": func(n node) { v := true; n.Bool(&v); c.AnyHead = !v },
	})
	return c
}

func (d *decoder) notes(n node, outdated bool) []Note {
	var out []Note
	for _, p := range n.Mapping("expectations by pull request") {
		e := Note{Pull: d.pull(p.Key, p.Name), Count: -1, Outdated: -1}
		k := keys{"count": func(n node) { number(n, &e.Count) }, "says": says(&e.Says), "says_not": says(&e.SaysNot)}
		if outdated {
			k["outdated"] = func(n node) { number(n, &e.Outdated) }
		}
		if strict.IsNull(p.Syntax()) {
			p.Problemf("nothing", "{count: 1}", "no expectation")
		} else if s, scalar := p.Syntax().(ast.ScalarNode); scalar {
			v := strict.ScalarText(s)
			i, err := strconv.Atoi(v)
			if err != nil {
				p.Problemf(strconv.Quote(v), "{count: 1, says: […]}", "not an expectation")
			}
			e.Count = i
		} else {
			p.Object(k)
		}
		out = append(out, e)
	}
	return out
}
