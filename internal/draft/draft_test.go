package draft_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/relbot/relbot/internal/draft"
	"github.com/relbot/relbot/internal/policy"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/find"
	"github.com/relbot/relbot/internal/versionscan/release"
)

// span writes out "v1.{3..5}.0" as tags.
func span(patterns ...string) []string {
	numbers := regexp.MustCompile(`\{(\d+)\.\.(\d+)\}`)
	var out []string
	for _, p := range patterns {
		m := numbers.FindStringSubmatchIndex(p)
		if m == nil {
			out = append(out, p)
			continue
		}
		var from, to int
		fmt.Sscan(p[m[2]:m[3]], &from)
		fmt.Sscan(p[m[4]:m[5]], &to)
		for n := from; n <= to; n++ {
			width := m[3] - m[2]
			out = append(out, span(p[:m[0]]+fmt.Sprintf("%0*d", width, n)+p[m[1]:])...)
		}
	}
	return out
}

func clone(files map[string]string, tags, branches []string) draft.Input {
	in := draft.Input{Repo: "acme/app", Branches: branches}
	for _, t := range tags {
		in.Tags = append(in.Tags, release.Tag{Name: t, Commit: "c" + t})
	}
	for path := range files {
		in.Files = append(in.Files, path)
	}
	in.Read = func(path string) versionscan.Fact[versionscan.File] {
		return versionscan.Know(versionscan.File{Text: files[path]})
	}
	in.Discover = func(scheme release.Scheme) []find.Finding {
		var out []find.Finding
		for path, text := range files {
			out = append(out, find.Discover(path, []byte(text), scheme)...)
		}
		return out
	}
	return in
}

// TestPolicy drafts policies for what real projects look like. The trees and tags are those of the projects, as far as they matter here.
func TestPolicy(t *testing.T) {
	for _, c := range []struct {
		name     string
		files    map[string]string
		tags     []string
		branches []string
		want     []string // in the text
		not      []string
		notes    string
	}{
		{
			name: "materialize: eight Cargo files and a chart, weekly minors with candidates, gates in Rust",
			files: map[string]string{
				"src/environmentd/Cargo.toml":              "[package]\nname = \"mz-environmentd\"\nversion = \"26.33.0-dev.0\"\n",
				"src/clusterd/Cargo.toml":                  "[package]\nname = \"mz-clusterd\"\nversion = \"26.33.0-dev.0\"\n",
				"src/repr/Cargo.toml":                      "[package]\nname = \"mz-repr\"\nversion = \"0.0.0\"\n",
				"misc/helm-charts/operator/Chart.yaml":     "name: materialize-operator\nversion: v26.33.0-dev.0\nappVersion: v26.33.0-dev.0\n",
				"test/orchestratord/package.json":          "{\"version\": \"26.33.0-dev.0\"}",
				"src/orchestratord/src/controller/mz.rs":   "const V143: Version = Version::new(0, 143, 0);\nconst V26_20_0: Version = Version::new(26, 20, 0);\nconst V26_32_0: Version = Version::new(26, 32, 0);\n",
				"src/orchestratord/src/controller/test.rs": "let x = 1;\n",
			},
			tags: append(span("v0.{100..165}.0", "v0.{100..165}.0-rc.1", "v25.{1..9}.0", "v26.{1..32}.0", "v26.{1..32}.0-rc.1", "v26.{1..31}.1"), "mz-v0.1.0", "mz-v0.2.0", "self-managed/v25.1.0"),
			want: []string{
				"- {path: src/clusterd/Cargo.toml, toml: package.version} # 26.33.0-dev.0", "- {path: misc/helm-charts/operator/Chart.yaml, yaml: appVersion}",
				"tags: 'v{version}'", "scheme: semver", "v26.32.0-rc.1 cuts its release", "from 0.100.0 to 26.32.0",
				"# gates:\n#   v26-32-0:\n#     find: {path: src/orchestratord/src/controller/mz.rs, symbol: '^V26_32_0$'} # line 3: 26.32.0",
			},
			not:   []string{"bumped:", "next:", "0.143", "0.0.0"},
			notes: "look like version gates",
		},
		{
			name:     "prometheus: one VERSION file that names the last release, candidates, release lines",
			files:    map[string]string{"VERSION": "3.16.0\n", "web/ui/package.json": "{\"version\": \"0.316.0\"}"},
			tags:     span("v2.{30..55}.0", "v2.{30..55}.0-rc.0", "v3.{0..16}.0", "v3.{0..14}.0-rc.0", "v3.{0..15}.1"),
			branches: []string{"main", "release-3.14", "release-3.15", "dependabot/npm-1.2"},
			want:     []string{"- {path: VERSION, pattern: '(?m)\\A\\s*v?(?P<version>\\d\\S*)'} # 3.16.0", "bumped: at_release", "branches: 'release-{major}.{minor}'", "v3.14.0-rc.0 cuts"},
			not:      []string{"package.json", "next:"},
		},
		{
			name:     "etcd: a constant in Go, alphas that cut nothing",
			files:    map[string]string{"api/version/version.go": "package version\n\nvar (\n\tMinClusterVersion = \"3.0.0\"\n\tVersion           = \"3.8.0-alpha.0\"\n\tAPIVersion        = \"unknown\"\n)\n"},
			tags:     append(span("v3.{0..7}.0", "v3.7.{0..3}", "api/v3.{0..7}.0", "client/v3.{0..7}.0"), "v3.8.0-alpha.0"),
			branches: []string{"main", "release-3.6", "release-3.7"},
			want:     []string{"tags: 'v{version}'"},
			not:      []string{"cuts its release: what"},
		},
		{
			name:  "django: PEP 440 without a v, minors",
			files: map[string]string{"pyproject.toml": "[project]\nname = \"Django\"\ndynamic = [\"version\"]\n", "setup.cfg": "[metadata]\nname = x\n"},
			tags:  span("4.{0..2}", "4.{0..2}rc1", "4.2.{1..9}", "5.{0..2}", "5.{0..2}b1", "5.{0..2}rc1", "6.0a1"),
			want:  []string{"- {tags: true}", "tags: '{version}'", "scheme: pep440"},
			notes: "No file was found",
		},
		{
			name:  "home assistant: calendar versions by months, one constant's file",
			files: map[string]string{"pyproject.toml": "[project]\nname = \"homeassistant\"\nversion = \"2026.7.0.dev0\"\n", "homeassistant/const.py": "MAJOR_VERSION: Final = 2026\n"},
			tags:  span("2025.{1..12}.0", "2025.{1..12}.0b0", "2026.{1..6}.0", "2026.{1..6}.0b0", "2026.{1..5}.1"),
			want:  []string{"- {path: pyproject.toml, toml: project.version} # 2026.7.0.dev0", "scheme: calver", "tags: '{version}'"},
		},
		{
			name:  "gitlab: a VERSION file with a word after it",
			files: map[string]string{"VERSION": "18.7.0-pre\n", "package.json": "{\"private\": true}", "db/migrate/1.rb": "milestone '18.6'\n"},
			tags:  span("v17.{0..11}.0-ee", "v18.{0..6}.0-ee", "v18.{0..6}.0-rc42-ee"),
			want:  []string{"- {path: VERSION, pattern: '(?m)\\A\\s*v?(?P<version>\\d\\S*)'} # 18.7.0-pre"},
		},
		{
			name:  "a counter",
			files: map[string]string{"version.txt": "42\n"},
			tags:  span("build-{10..41}"),
			want:  []string{"scheme: integer", "tags: 'build-{version}'", "# 42"},
			not:   []string{"next:"},
		},
		{
			name:  "maven: a pom and finals with a word",
			files: map[string]string{"pom.xml": "<project><modelVersion>4.0.0</modelVersion><version>4.1.134.Final-SNAPSHOT</version></project>", "x/pom.xml": "<project><version>1.0</version></project>"},
			tags:  span("netty-4.1.{90..133}.Final"),
			want:  []string{"tags: 'netty-{version}'", "next: patch", "- {path: pom.xml, xml: project.version}"},
			not:   []string{"x/pom.xml"},
		},
		{
			name:  "a crate in majors, next to tags of its packages",
			files: map[string]string{"Cargo.toml": "[workspace.package]\nversion = \"12.0.0\"\n", "core/Cargo.toml": "[package]\nversion.workspace = true\n"},
			tags:  span("v{1..11}.0.0", "core/v0.{1..60}.0"),
			want:  []string{"- {path: Cargo.toml, toml: workspace.package.version}", "next: major", "tags: 'v{version}'"},
			not:   []string{"bumped"},
		},
		{name: "no tags", files: map[string]string{"package.json": "{\"version\": \"1.2.3\"}"}, want: []string{"- {path: package.json, json: version} # 1.2.3", "tags: 'v{version}'"}, notes: "git fetch --tags"},
		{name: "nothing at all", want: []string{"version: 1\n"}, not: []string{"releases:\n"}, notes: "order is judged"},
		{name: "tags that are no versions", tags: []string{"latest", "backup", "old-main"}, not: []string{"releases:\n"}, notes: "None of the 3 tags"},
		{
			name:  "names that have to be quoted",
			files: map[string]string{"a: b's/package.json": "{\"version\": \"1.1.0\"}", "a #c/gate.go": "const V1_0_0 = \"1.0.0\"\n"},
			tags:  []string{"v1.0.0"},
			want:  []string{"- {path: 'a: b''s/package.json', json: version}", "find: {path: 'a #c/gate.go', symbol:"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := draft.Policy(clone(c.files, c.tags, c.branches))
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range c.want {
				if !strings.Contains(d.Text, want) {
					t.Errorf("without %q:\n%s", want, d.Text)
				}
			}
			for _, not := range c.not {
				if strings.Contains(d.Text, not) {
					t.Errorf("with %q:\n%s", not, d.Text)
				}
			}
			if notes := strings.Join(d.Notes, "\n"); !strings.Contains(notes, c.notes) {
				t.Errorf("notes: %s", notes)
			}
			p, problems := policy.Parse("acme/app", []byte(d.Text))
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			if p.Releases == nil || len(c.tags) == 0 {
				return
			}
			// What the draft says about releases determines the train.
			in := clone(c.files, c.tags, c.branches)
			h := p.Releases.History(in.Tags, in.Branches)
			files := map[string]versionscan.Fact[versionscan.File]{}
			for path := range c.files {
				files[path] = in.Read(path)
			}
			dev := find.Dev(*p.Releases, files, h)
			if !dev.Known() {
				t.Fatalf("no dev version: %s", dev.Why)
			}
			if _, ok := h.Train(dev.Value.Version); !ok {
				t.Errorf("no train after %s", dev.Value.Version)
			}
		})
	}
}
