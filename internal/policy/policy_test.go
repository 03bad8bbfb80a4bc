package policy_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/policy"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/versionscan"
)

const full = `version: 1
releases:
  dev_version:
    - {path: src/app/Cargo.toml, toml: package.version}
    - {path: chart/Chart.yaml, yaml: appVersion}
  tags: "v{version}"
  scheme: semver
  next: [18.9, 18.10, 18.11]
  cut_on: final
  start_words: [alpha]
  bumped: at_release
  ignore: [v17.0.0]
  branches: "release-{major}.{minor}"
  train: platform
gates:
  uid:
    title: runs as nonroot
    find: {path: "src/*.rs", symbol: "V\\d+"}
    relation: at-least
    precision: exact
    evidence: {path: Dockerfile, pattern: "^FROM distroless$"}
  other:
    find: {path: src/other.rs}
couplings:
  set:
    title: Migration
    base: main
    same_release: false
    members:
      image: {pr: 12}
      gate: {pr: "#13", safe_alone: true}
      docs: {pr: acme/docs#4}
      late: {pr: https://github.com/acme/app/pull/20}
    order:
      - gate before-or-with image: nonroot images need it
      - image before docs
    gates: {uid: image, other: docs}
check: {name: gatekeeper, as: status}
report: {schedule: "30 5 * * 1", timezone: Europe/Berlin, labels: [a, b]}
permissions: {link: triage, hold: admin, override: admin}
trust: [acme/platform]
`

func TestFull(t *testing.T) {
	p, problems := policy.Parse("acme/app", []byte(full))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	c := p.Couplings[0]
	if got := fmt.Sprint(p.Releases.Next.List); got != "[18.9 18.10 18.11]" {
		t.Errorf("versions became numbers: %s", got)
	}
	if late, _ := c.ByRole("late"); late.Pull != (coupling.Pull{Repo: "acme/app", Number: 20}) {
		t.Errorf("a URL became %v", late.Pull)
	}
	if docs, _ := c.ByRole("docs"); docs.Pull.Repo != "acme/docs" {
		t.Errorf("another repository became %v", docs.Pull)
	}
	if e := c.Order[0]; !e.Together || e.Reason != "nonroot images need it" || c.Order[1].Together || c.SameRelease {
		t.Errorf("order %+v", c.Order)
	}
	g, _ := p.Gate("uid")
	if g.Relation != rules.AtLeast || g.Precision != versionscan.Exact || g.Evidence == nil {
		t.Errorf("gate %+v", g)
	}
	if o, _ := p.Gate("other"); o.Relation != rules.IntroducedIn || o.Precision != versionscan.Minor {
		t.Errorf("defaults of a gate: %+v", o)
	}
	if p.Check.As != "status" || p.Report.Timezone != "Europe/Berlin" || p.Permissions.Hold != "admin" || len(p.Trust) != 1 {
		t.Errorf("got %+v", p)
	}
}

func TestDefaults(t *testing.T) {
	p, problems := policy.Parse("acme/app", []byte("version: 1\n"))
	if len(problems) > 0 || p.Check != rules.DefaultCheck || p.Permissions != rules.DefaultPermissions || p.Releases != nil {
		t.Errorf("got %+v %v", p, problems)
	}
}

// TestProblems names what each text must be told, by the beginning of the problem's line.
func TestProblems(t *testing.T) {
	members := "couplings: {c: {members: {a: {pr: 1}, b: {pr: 2}}, order: [%s]}}\n"
	releases := "releases: {dev_version: [{path: V, pattern: '(?P<version>.+)'}]}\n"
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"empty":                  {"", []string{"1:1: nothing is there"}},
		"no version":             {"gates: {}\n", []string{"1:1: the key version is missing"}},
		"another version":        {"version: 2\n", []string{`1:10: version: unknown version of the policy's form: found "2", want 1`}},
		"unknown keys, at once":  {"version: 1\ncouplngs: {}\nchek: {}\n", []string{`2:1: couplngs: unknown key: found "couplngs", want "couplings"`, `3:1: chek: unknown key: found "chek", want "check"`}},
		"not YAML":               {"version: [\n", []string{"1:10: not YAML"}},
		"a key twice":            {"version: 1\nversion: 1\n", []string{"2:1: not YAML"}},
		"anchors":                {"version: 1\ntrust: &x [a/b]\n", []string{"2:8: aliases are not accepted"}},
		"two documents":          {"version: 1\n---\nversion: 1\n", []string{"3:"}},
		"a list":                 {"- 1\n", []string{"1:1: not a mapping"}},
		"unknown role in order":  {"version: 1\n" + fmt.Sprintf(members, "a before c"), []string{`2:`}},
		"a cycle":                {"version: 1\n" + fmt.Sprintf(members, "a before b, b before a"), []string{"2:"}},
		"self":                   {"version: 1\n" + fmt.Sprintf(members, "a before a"), []string{"2:"}},
		"no edge":                {"version: 1\n" + fmt.Sprintf(members, "a after b"), []string{"2:"}},
		"a pull request twice":   {"version: 1\ncouplings: {c: {members: {a: {pr: 1}, b: {pr: 1}}}}\n", []string{"2:"}},
		"no members":             {"version: 1\ncouplings: {c: {}}\n", []string{"2:13: couplings.c: the key members is missing"}},
		"gate without releases":  {"version: 1\ngates: {g: {find: {path: x}}}\n", []string{"2:9: gates.g: a gate needs releases"}},
		"unknown gate":           {"version: 1\n" + releases + "couplings: {c: {members: {a: {pr: 1}}, gates: {g: a}}}\n", []string{"3:48: couplings.c.gates.g: no such gate"}},
		"evidence without any":   {"version: 1\n" + releases + "gates: {g: {find: {path: x}}}\ncouplings: {c: {members: {a: {pr: 1}}, gates: {g: evidence}}}\n", []string{"4:"}},
		"a pattern without name": {"version: 1\nreleases: {dev_version: [{path: V, pattern: '.+'}]}\n", []string{"2:45: releases.dev_version[0].pattern: the pattern names no version"}},
		"a pattern that is none": {"version: 1\nreleases: {dev_version: [{path: V, pattern: '(?P<version>'}]}\n", []string{"2:45: releases.dev_version[0].pattern: missing closing )"}},
		"a path outside":         {"version: 1\nreleases: {dev_version: [{path: ../V, toml: a}]}\n", []string{"2:33: releases.dev_version[0].path: not an accepted path"}},
		"two selectors":          {"version: 1\nreleases: {dev_version: [{path: V, toml: a, json: b}]}\n", []string{"2:"}},
		"a tag pattern":          {"version: 1\nreleases: {tags: v, dev_version: [{tags: true}]}\n", []string{"2:18: releases.tags: not a tag pattern"}},
		"a schedule":             {"version: 1\nreport: {schedule: daily, timezone: Mars/Olympus}\n", []string{"2:20: report.schedule: not a schedule", "2:37: report.timezone: not a time zone"}},
		"a role":                 {"version: 1\npermissions: {link: owner}\n", []string{"2:21: permissions.link: not an accepted value"}},
		"a repository":           {"version: 1\ntrust: [acme]\n", []string{"2:9: trust[0]: no repository"}},
		"deep":                   {"version: 1\ntrust: " + strings.Repeat("[", 100) + "\n", []string{"1:1: the file is nested too deeply"}},
		"huge":                   {strings.Repeat("#", 300<<10), []string{"1:1: the file is too large"}},
	} {
		t.Run(name, func(t *testing.T) {
			p, problems := policy.Parse("acme/app", []byte(c.text))
			if p != nil || len(problems) != len(c.want) {
				t.Fatalf("got %v, want %d problems", problems, len(c.want))
			}
			for i, want := range c.want {
				if got := problems[i].String(); !strings.HasPrefix(got, want) {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			}
		})
	}
}

func TestCycleIsAPath(t *testing.T) {
	_, problems := policy.Parse("acme/app", []byte(`version: 1
couplings:
  one: {members: {a: {pr: 1}, b: {pr: 2}}, order: [a before b]}
  two: {members: {x: {pr: 2}, y: {pr: 1}}, order: [x before y]}
`))
	if len(problems) != 1 || problems[0].Code != string(rules.OrderCycle) || problems[0].Line != 4 || len(problems[0].Cycle) != 3 {
		t.Errorf("got %+v", problems)
	}
}

func TestSchemaIsJSON(t *testing.T) {
	if !json.Valid(policy.Schema()) {
		t.Error("the schema is no JSON")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte("version: 1\ncouplings: {a: {members: {x: {pr: 1}}, order: [x before x]}}"))
	f.Add([]byte("? [a]: b\n- c"))
	f.Add([]byte("version: !!binary aGk=\ngates: *x"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, problems := policy.Parse("acme/app", text)
		if (p == nil) != (len(problems) > 0) {
			t.Errorf("a policy and problems: %v", problems)
		}
		for _, q := range problems {
			if q.Line < 1 || q.Column < 1 {
				t.Errorf("a problem without a place: %+v", q)
			}
		}
	})
}
