package historian

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/relbot/relbot/internal/gitrepo/gittest"
	"github.com/relbot/relbot/internal/policy"
	"github.com/relbot/relbot/internal/rules"
)

// shown is a repository whose Dockerfile, at each tag in turn, has the base image that is behind the tag's name.
type shown struct {
	releases, gate, value, dev string // of the policy; of the gate; the gate's value; the VERSION file
	tags                       []string
	then                       string // the base image after the last tag
}

func (c shown) clone(t *testing.T) gittest.Tree {
	t.Helper()
	r := gittest.New(t)
	releases := c.releases
	if releases == "" {
		releases = `tags: "v{version}"`
	}
	if !strings.Contains(releases, "dev_version") {
		releases = `dev_version: [{path: VERSION, pattern: "(?P<version>\\S+)"}], ` + releases
	}
	r.Write(".github/relbot.yml", "version: 1\nreleases: {"+releases+"}\ngates:\n  image: {find: {path: gate.py, symbol: GATE}, evidence: {path: Dockerfile, pattern: \"(?m)^FROM distroless$\"}"+c.gate+"}\n")
	r.Write("VERSION", c.dev+"\n")
	r.Write("gate.py", "GATE = \""+c.value+"\"\n")
	for _, line := range c.tags {
		tag, base, _ := strings.Cut(line, " ")
		r.Write("Dockerfile", "FROM "+base+"\n")
		r.Git("add", "-A")
		r.Git("commit", "-q", "--allow-empty", "-m", "release "+tag)
		r.Git("tag", tag)
	}
	if c.then != "" {
		r.Write("Dockerfile", "FROM "+c.then+"\n")
	}
	r.Git("add", "-A")
	r.Git("commit", "-q", "--allow-empty", "-m", "work")
	return r
}

func TestHistoryVerdicts(t *testing.T) {
	for what, c := range map[string]struct {
		shown
		verdict          rules.Level
		ship, up, reason string // first ship, the interval's upper end, the first reason
	}{
		"right":                          {shown{tags: []string{"v26.17.0 debian", "v26.18.0 distroless", "v26.19.0 distroless"}, value: "26.18.0", dev: "26.20.0-dev.0"}, rules.Pass, "26.18.0", "26.18.0", ""},
		"off by one":                     {shown{tags: []string{"v26.17.0 debian", "v26.18.0 distroless", "v26.19.0 distroless"}, value: "26.19.0", dev: "26.20.0-dev.0"}, rules.Block, "26.18.0", "26.18.0", "gate-shipped-earlier"},
		"cut without":                    {shown{tags: []string{"v26.17.0 debian", "v26.18.0-rc.1 debian"}, value: "26.18.0", dev: "26.18.0-dev.0"}, rules.Block, "26.19.0", "26.19.0-dev.0", "gate-cut-without"},
		"the coming one":                 {shown{tags: []string{"v26.17.0 debian"}, value: "26.18.0", dev: "26.18.0-dev.0"}, rules.Pass, "26.18.0", "26.18.0-dev.0", ""},
		"ahead":                          {shown{tags: []string{"v26.17.0 debian"}, value: "26.19.0", dev: "26.18.0-dev.0"}, rules.Block, "26.18.0", "26.18.0-dev.0", "gate-ahead"},
		"at least":                       {shown{tags: []string{"v26.17.0 debian", "v26.18.0 distroless"}, value: "26.19.0", dev: "26.20.0-dev.0", gate: ", relation: at-least"}, rules.Pass, "26.18.0", "26.18.0", ""},
		"at least, too low":              {shown{tags: []string{"v26.17.0 debian", "v26.18.0 distroless"}, value: "26.17.0", dev: "26.19.0-dev.0", gate: ", relation: at-least"}, rules.Block, "26.18.0", "26.18.0", "gate-cut-without"},
		"removed":                        {shown{tags: []string{"v26.17.0 distroless", "v26.18.0 debian"}, value: "26.18.0", dev: "26.19.0-dev.0", gate: ", relation: removed-in"}, rules.Pass, "26.18.0", "26.18.0", ""},
		"removed earlier than it says":   {shown{tags: []string{"v26.17.0 distroless", "v26.18.0 debian"}, value: "26.19.0", dev: "26.19.0-dev.0", gate: ", relation: removed-in"}, rules.Block, "26.18.0", "26.18.0", "gate-shipped-earlier"},
		"to be removed":                  {shown{tags: []string{"v26.17.0 distroless"}, then: "distroless", value: "26.19.0", dev: "26.18.0-dev.0", gate: ", relation: removed-in"}, rules.Pass, "26.18.0", "26.18.0-dev.0", ""},
		"removal due":                    {shown{tags: []string{"v26.17.0 distroless"}, then: "distroless", value: "26.18.0", dev: "26.18.0-dev.0", gate: ", relation: removed-in"}, rules.Pass, "26.18.0", "26.18.0-dev.0", "removal-due"},
		"exact, the second candidate":    {shown{tags: []string{"v26.37.0 debian", "v26.38.0-rc.1 debian", "v26.38.0-rc.2 distroless"}, value: "26.38.0-rc.2", dev: "26.39.0-dev.0", gate: ", precision: exact"}, rules.Pass, "26.38.0", "26.38.0-rc.2", ""},
		"exact, main's own version":      {shown{tags: []string{"v26.37.0 debian", "v26.38.0-rc.1 debian", "v26.38.0-rc.2 distroless"}, value: "26.39.0-dev.0", dev: "26.39.0-dev.0", gate: ", precision: exact"}, rules.Block, "26.38.0", "26.38.0-rc.2", "gate-shipped-earlier"},
		"exact, without dev builds":      {shown{tags: []string{"v26.17.0 debian"}, value: "26.18.0", dev: "26.18.0-dev.0", gate: ", precision: exact"}, rules.Pass, "26.18.0", "26.18.0-dev.0", "dev-builds-excluded"},
		"month":                          {shown{releases: `tags: "{version}", scheme: calver, next: month`, tags: []string{"2026.11 debian", "2026.12 debian"}, value: "2027.1", dev: "2026.12-dev"}, rules.Pass, "2027.1", "2027.1-dev.0", "train-lagging"},
		"python":                         {shown{releases: `tags: "{version}", scheme: pep440`, tags: []string{"2026.3.0 debian", "2026.4.0b0 distroless", "2026.4.0 distroless"}, value: "2026.4", dev: "2026.5.0.dev0"}, rules.Pass, "2026.4.0", "2026.4.0b0", ""},
		"maven":                          {shown{releases: `tags: "v{version}", scheme: maven`, tags: []string{"v4.1.0.Final debian", "v4.2.0.RC1 debian"}, value: "4.2.0", dev: "4.2.0-SNAPSHOT"}, rules.Block, "4.3.0", "4.3.0-SNAPSHOT", "gate-cut-without"},
		"four parts":                     {shown{releases: `tags: "v{version}", scheme: dotted`, tags: []string{"v24.7.3.1-stable debian", "v24.8.1.1-lts distroless", "v24.8.9.1-lts distroless"}, value: "24.8", dev: "24.9.1.1"}, rules.Pass, "24.8.1.1", "24.8.1.1", ""},
		"integers":                       {shown{releases: `tags: "r{version}", scheme: integer`, tags: []string{"r152 debian", "r153 debian"}, value: "154", dev: "153"}, rules.Pass, "154", "154", "train-lagging"},
		"a list":                         {shown{releases: `tags: "v{version}", next: ["2.18", "9.0"]`, tags: []string{"v2.18.0 debian"}, value: "9.0", dev: "9.0.0-dev.0"}, rules.Pass, "9.0.0", "9.0.0-dev.0", ""},
		"a list that ends":               {shown{releases: `tags: "v{version}", next: ["2.18", "9.0"]`, tags: []string{"v9.0.0 debian"}, value: "9.1", dev: "9.0.0-dev.0"}, rules.Unknown, "", "", "train-unknown"},
		"only finals cut":                {shown{releases: `tags: "v{version}", cut_on: final`, tags: []string{"v26.17.0 debian", "v26.18.0-rc.1 debian"}, value: "26.18.0", dev: "26.18.0-dev.0"}, rules.Pass, "26.18.0", "26.18.0-rc.2", ""},
		"own start words":                {shown{releases: `tags: "v{version}", start_words: [rc]`, tags: []string{"v26.17.0 debian", "v26.18.0-alpha.1 debian"}, value: "26.18.0", dev: "26.18.0-dev.0"}, rules.Block, "26.19.0", "26.19.0-dev.0", "gate-cut-without"},
		"bumped at the release":          {shown{releases: `tags: "v{version}", bumped: at_release`, tags: []string{"v26.17.0 debian"}, value: "26.18.0", dev: "26.17.0"}, rules.Pass, "26.18.0", "26.18.0-dev.0", ""},
		"versions in tags alone":         {shown{releases: `dev_version: [{tags: true}], tags: "v{version}"`, tags: []string{"v26.17.0 debian", "v26.18.0-rc.1 debian"}, value: "26.19.0"}, rules.Pass, "26.19.0", "26.19.0-dev.0", ""},
		"versions in tags, none yet":     {shown{releases: `dev_version: [{tags: true}], tags: "v{version}"`, then: "debian", value: "26.19.0"}, rules.Unknown, "", "", "train-unknown"},
		"readers differ":                 {shown{releases: `dev_version: [{path: VERSION, pattern: "(?P<version>\\S+)"}, {path: gate.py, pattern: '"(?P<version>[^"]+)"'}], tags: "v{version}"`, tags: []string{"v26.17.0 debian"}, value: "26.18.1", dev: "26.18.0-dev.0"}, rules.Pass, "26.18.0", "26.18.0-dev.0", "readers-disagree"},
		"no reader reads":                {shown{tags: []string{"v26.17.0 debian"}, value: "26.18.0", dev: "\xff\xfe2"}, rules.Unknown, "", "", "train-unknown"},
		"an accidental tag":              {shown{releases: `tags: "v{version}", ignore: [v17.0.0]`, tags: []string{"v16.4.0 debian", "v17.0.0 distroless", "v16.5.0 distroless"}, value: "16.5.0", dev: "16.6.0-dev.0"}, rules.Pass, "16.5.0", "16.5.0", ""},
		"a tag that nobody can read":     {shown{tags: []string{"v26.17.0 debian", "v26.18.0rc1 debian"}, value: "26.18.0", dev: "26.18.0-dev.0"}, rules.Unknown, "", "", "train-unknown"},
		"unreadable tags of the past":    {shown{tags: []string{"v26.2.0_x debian", "vnext debian", "v26.17.0 debian"}, value: "26.18.0", dev: "26.18.0-dev.0"}, rules.Pass, "26.18.0", "26.18.0-dev.0", ""},
		"an unreadable tag, passed over": {shown{releases: `tags: "v{version}", ignore: [v26.18.0rc1]`, tags: []string{"v26.17.0 debian", "v26.18.0rc1 debian"}, value: "26.18.0", dev: "26.18.0-dev.0"}, rules.Pass, "26.18.0", "26.18.0-dev.0", ""},
		"evidence that is no text":       {shown{tags: []string{"v26.17.0 debian", "v26.18.0 \xff\xfe"}, value: "26.19.0", dev: "26.19.0-dev.0"}, rules.Unknown, "", "", "member-unreadable"},
		"evidence that comes and goes":   {shown{tags: []string{"v26.17.0 distroless", "v26.18.0 debian", "v26.19.0 distroless"}, value: "26.19.0", dev: "26.20.0-dev.0"}, rules.Block, "26.17.0", "26.17.0", "gate-no-threshold"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			a := ask(t, c.clone(t).Dir)
			ship, up, reason := "", "", string(a.Code)
			if a.Ship.Known() {
				ship = a.Ship.Value.Core.String()
			}
			if a.Interval.Known() {
				up = a.Interval.Value.UpTo.String()
			}
			if all := slices.Concat(a.Reasons, a.Warnings); reason == "" && len(all) > 0 {
				reason = string(all[0].Code)
			}
			if a.Verdict != c.verdict || ship != c.ship || reason != c.reason || up != c.up {
				t.Errorf("got %s, %q up to %q, %q (%s)\nwant %s, %q up to %q, %q", a.Verdict, ship, up, reason, a.Unknown, c.verdict, c.ship, c.up, c.reason)
			}
			if (c.verdict == rules.Unknown) != (a.Unknown != "") {
				t.Errorf("%s, and why: %q", a.Verdict, a.Unknown)
			}
		})
	}
}

// ask asks for the history of the gate image.
func ask(t *testing.T, dir string) *Answer {
	t.Helper()
	h, err := Open(t.Context(), Options{Clone: dir, Home: "acme/app", Parse: parse})
	if err != nil {
		t.Fatal(err)
	}
	a, err := h.Gate(t.Context(), "image")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func parse(text []byte) (*rules.Policy, error) {
	p, problems := policy.Parse("acme/app", text)
	if len(problems) > 0 {
		return nil, fmt.Errorf("%v", problems)
	}
	return p, nil
}

// TestHistoryOfALink has an evidence file that became a symbolic link: what it leads to was not read.
func TestHistoryOfALink(t *testing.T) {
	r := shown{tags: []string{"v26.17.0 debian"}, value: "26.19.0", dev: "26.19.0-dev.0"}.clone(t)
	r.Write("images/Dockerfile", "FROM distroless\n")
	if err := os.Remove(filepath.Join(r.Dir, "Dockerfile")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("images/Dockerfile", filepath.Join(r.Dir, "Dockerfile")); err != nil {
		t.Fatal(err)
	}
	r.Commit("move")
	r.Git("tag", "v26.18.0")
	if a := ask(t, r.Dir); a.Verdict != rules.Unknown || !strings.Contains(a.Unknown, "Dockerfile is a symbolic link to images/Dockerfile") {
		t.Errorf("got %s: %s", a.Verdict, a.Unknown)
	}
}

// TestPull finds a pull request by its number, and says when none is to be found.
func TestPull(t *testing.T) {
	r := shown{tags: []string{"v26.17.0 debian"}, value: "26.18.0", dev: "26.18.0-dev.0"}.clone(t)
	r.Write("x", "x")
	r.Commit("A change (#7)")
	r.Git("tag", "v26.18.0")
	h, err := Open(t.Context(), Options{Clone: r.Dir, Home: "acme/app", Parse: parse})
	if err != nil {
		t.Fatal(err)
	}
	a, err := h.Pull(t.Context(), 7)
	if err != nil || a.Verdict != rules.Pass || a.Ship.Value.Tag != "v26.18.0" || *a.Releases[1].Method != "ancestry" {
		t.Errorf("got %+v %v", a, err)
	}
	if _, err := h.Pull(t.Context(), 8); !errors.As(err, new(Unread)) {
		t.Errorf("a pull request that no commit names: %v", err)
	}
	if _, err := h.Gate(t.Context(), "none"); err == nil || errors.As(err, new(Unread)) {
		t.Errorf("a gate that is not registered: %v", err)
	}
}

// TestReverted: what was reverted before any release had it ships in none.
func TestReverted(t *testing.T) {
	r := shown{tags: []string{"v26.17.0 debian"}, value: "26.18.0", dev: "26.18.0-dev.0"}.clone(t)
	r.Write("x", "x")
	one := r.Commit("A change (#7)")
	h, err := Open(t.Context(), Options{Clone: r.Dir, Home: "acme/app", Parse: parse})
	if err != nil {
		t.Fatal(err)
	}
	if a, err := h.Commit(t.Context(), one[:12]); err != nil || a.Verdict != rules.Pass || a.Ship.Value.Core.String() != "26.18.0" {
		t.Errorf("before: %+v %v", a, err)
	}
	r.Git("rm", "-q", "x")
	r.Commit("fix: revert \"A change\" (#8)")
	if h, err = Open(t.Context(), Options{Clone: r.Dir, Home: "acme/app", Parse: parse}); err != nil {
		t.Fatal(err)
	}
	a, err := h.Pull(t.Context(), 7)
	if err != nil || a.Verdict != rules.Block || a.Ship.Known() || len(a.Reasons) != 1 || a.Reasons[0].Code != rules.MemberReverted || a.Reasons[0].Pulls[0].Number != 8 {
		t.Errorf("after: %+v %v", a, err)
	}
	r.Git("checkout", "-q", "-b", "topic")
	if _, err := h.Commit(t.Context(), r.Commit("elsewhere")); !errors.As(err, new(Unread)) {
		t.Errorf("a commit of another branch: %v", err)
	}
}

// TestHabits finds a pull request where a project writes its number.
func TestHabits(t *testing.T) {
	for message, other := range map[string]string{
		"bug #58638 [FrameworkBundle] fix null (xabbuh)":        "feature #%d [X] more (ann)",
		"GITHUB#58638: fix null":                                "GITHUB#%d: more",
		"Fix null\n\nCloses gh-58638":                           "More\n\nSee gh-%d",
		"Fix null\n\nPR-URL: https://github.com/a/b/pull/58638": "More\n\nPR-URL: https://github.com/a/b/pull/%d",
	} {
		r := shown{tags: []string{"v26.17.0 debian"}, value: "26.18.0", dev: "26.18.0-dev.0"}.clone(t)
		for n := range 3 {
			r.Commit(fmt.Sprintf(other, n+1))
		}
		r.Write("x", "x")
		r.Commit(message)
		r.Commit("Speak of #58638, and of nothing else")
		r.Git("tag", "v26.18.0")
		h, err := Open(t.Context(), Options{Clone: r.Dir, Home: "acme/app", Parse: parse})
		if err != nil {
			t.Fatal(err)
		}
		if a, err := h.Pull(t.Context(), 58638); err != nil || a.Ship.Value.Tag != "v26.18.0" {
			t.Errorf("%s: %+v %v", message, a, err)
		}
	}
}
