package find

import (
	"fmt"
	"strings"
	"testing"

	"github.com/relbot/relbot/internal/versionscan"
)

func show(ls []Located) string {
	var out []string
	for _, l := range ls {
		text := fmt.Sprintf("%s @%d:%d", l.Raw, l.Line, l.Column)
		if l.Symbol != "" {
			text += " " + l.Symbol
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

var documents = map[string]string{
	"cargo": `# a crate
[package]
name = "mz-environmentd"   # version = "0.0.0"
version = "26.28.0-dev.0"
rust-version.workspace = true

[dependencies]
semver = { version = "1.0.16", features = ["serde", "std"] }
"odd.name" = '1.20'
float = 18.10
long = """
version = "9.9.9"
"""

[[bin]]
version = "1"
[[bin]]
[bin.more]
version = "2"
[tool.a."b.c"]
list = [ "x", # one
  { v = "3.1" }, ]
`,
	"chart": `# the chart
apiVersion: v2
appVersion: v26.12.0 # moves
version: 18.10
quoted: "1.20"
umlaut-ä: {x: 1, v: 0.10}
next: &next 26.29
train: *next
images:
  - name: a
    tag: !!str 1.30
  - {name: b, tag: 'v2'}
base: &base
  milestone: 18.6
derived:
  <<: *base
folded: >-
  7.1
both: {<<: [*base, *base], own: 1}
over: {milestone: 18.7, <<: *base}
empty:
---
second: 4.0
version: 19.0
`,
	"matter": "---\ntitle: \"Materialize v26.34\"\nreleased: true\npatch: 1\n---\n\n# {{ not: yaml }}\n- x: [\n",
	"json": `{
  // tool
  "name": "@x/y", "version": "1.4.2-dev.0",
  "engines": {"node": ">=20.10", /* any */ "minor": 18.10,},
  "flags": [{"expiry_milestone": 154}, {"expiry_milestone": -1}],
  "packages": {"": {"version": "1.0"}, "node_modules/a.b": {"version": "\u0032.0"}},
}
`,
	"pom": `<?xml version="1.0" encoding="ISO-8859-1"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <!-- <version>0</version> -->
  <parent><version>3.0</version></parent>
  <version>${revision}</version>
  <properties>
    <revision>
      4.2.0-SNAPSHOT
    </revision>
    <kafka.version>3.9.0</kafka.version>
  </properties>
  <dependencies><dependency id="7"><version>1.0</version></dependency><dependency><version>2.0</version></dependency></dependencies>
</project>
`,
	"properties": "# version = 0\n! version = 1\nelasticsearch     = 9.4.2\nversion=4.2.0-SNAPSHOT\r\nspaced value here\nlong = 1.\\\n   2.3\nMAJOR: 152\nesc\\=aped=\\u0031.5 \nempty=\n",
	"broken":     "a: [1\nb: }\n",
	"header":     "#define NODE_MAJOR_VERSION 26\n#define NODE_MINOR_VERSION 3\n#define NODE_PATCH_VERSION 0\n",
	"gate":       "fn uid() {\n    if v >= V26_28_0 { 65534 } else if v >= V26_20_0 { 999 }\n}\n",
}

func TestSelectorValues(t *testing.T) {
	for _, c := range []struct {
		doc  string
		s    versionscan.Selector
		want string
	}{
		{"cargo", versionscan.Selector{TOML: "package.version"}, "26.28.0-dev.0 @4:12"},
		{"cargo", versionscan.Selector{TOML: "dependencies.semver.version"}, "1.0.16 @8:23"},
		{"cargo", versionscan.Selector{TOML: "dependencies.semver.features.1"}, "std @8:54"},
		{"cargo", versionscan.Selector{TOML: `dependencies."odd.name"`}, "1.20 @9:15"},
		{"cargo", versionscan.Selector{TOML: "dependencies.float"}, "18.10 @10:9"},
		{"cargo", versionscan.Selector{TOML: "bin.0.version"}, "1 @16:12"},
		{"cargo", versionscan.Selector{TOML: "bin[1].more.version"}, "2 @19:12"},
		{"cargo", versionscan.Selector{TOML: "tool.a['b.c'].list[1].v"}, "3.1 @22:10"},
		{"cargo", versionscan.Selector{TOML: "package.nothing"}, ""},
		{"cargo", versionscan.Selector{TOML: "package.rust-version"}, "error: package.rust-version is a table or a list, not a value"},
		{"chart", versionscan.Selector{TOML: "a"}, "error: no valid TOML"},
		{"chart", versionscan.Selector{YAML: "appVersion"}, "v26.12.0 @3:13"},
		{"chart", versionscan.Selector{YAML: "version"}, "18.10 @4:10; 19.0 @24:10"},
		{"chart", versionscan.Selector{YAML: "quoted"}, "1.20 @5:10"},
		{"chart", versionscan.Selector{YAML: "umlaut-ä.v"}, "0.10 @6:22"},
		{"chart", versionscan.Selector{YAML: "train"}, "26.29 @7:13"},
		{"chart", versionscan.Selector{YAML: "images[0].tag"}, "1.30 @11:16"},
		{"chart", versionscan.Selector{YAML: "$.images.1.tag"}, "v2 @12:21"},
		{"chart", versionscan.Selector{YAML: "derived.milestone"}, "18.6 @14:14"},
		{"chart", versionscan.Selector{YAML: "both.milestone"}, "18.6 @14:14"},
		{"chart", versionscan.Selector{YAML: "over.milestone"}, "18.7 @20:19"},
		{"chart", versionscan.Selector{YAML: "folded"}, "7.1 @17:9"},
		{"chart", versionscan.Selector{YAML: "second"}, "4.0 @23:9"},
		{"chart", versionscan.Selector{YAML: "empty"}, ""},
		{"chart", versionscan.Selector{YAML: "images.7.tag"}, ""},
		{"chart", versionscan.Selector{YAML: "images"}, "error: images is a list, not a value"},
		{"chart", versionscan.Selector{YAML: "base"}, "error: base is a mapping, not a value"},
		{"matter", versionscan.Selector{YAML: "patch"}, "1 @4:8"},
		{"broken", versionscan.Selector{YAML: "a"}, "error: no valid YAML"},
		{"json", versionscan.Selector{JSON: "version"}, "1.4.2-dev.0 @3:31"},
		{"json", versionscan.Selector{JSON: "engines.minor"}, "18.10 @4:53"},
		{"json", versionscan.Selector{JSON: "flags.0.expiry_milestone"}, "154 @5:34"},
		{"json", versionscan.Selector{JSON: "flags[1].expiry_milestone"}, "-1 @5:61"},
		{"json", versionscan.Selector{JSON: `packages."".version`}, "1.0 @6:33"},
		{"json", versionscan.Selector{JSON: `packages."node_modules/a.b".version`}, "2.0 @6:73"},
		{"json", versionscan.Selector{JSON: "engines"}, "error: engines is a table or a list, not a value"},
		{"cargo", versionscan.Selector{JSON: "a"}, "error: no valid JSON: line 1, column 1"},
		{"pom", versionscan.Selector{XML: "project.version"}, "4.2.0-SNAPSHOT @8:7"},
		{"pom", versionscan.Selector{XML: "project.parent.version"}, "3.0 @4:20"},
		{"pom", versionscan.Selector{XML: "/project/properties/kafka.version"}, "3.9.0 @10:20"},
		{"pom", versionscan.Selector{XML: `project.properties."kafka.version"`}, "3.9.0 @10:20"},
		{"pom", versionscan.Selector{XML: "project.dependencies.dependency.version"}, "1.0 @12:45; 2.0 @12:92"},
		{"pom", versionscan.Selector{XML: "project.dependencies.dependency.@id"}, "7 @12:17"},
		{"pom", versionscan.Selector{XML: "project.parent"}, "error: project.parent is a table or a list, not a value"},
		{"json", versionscan.Selector{XML: "a"}, ""},
		{"properties", versionscan.Selector{Properties: "version"}, "4.2.0-SNAPSHOT @4:9"},
		{"properties", versionscan.Selector{Properties: "elasticsearch"}, "9.4.2 @3:21"},
		{"properties", versionscan.Selector{Properties: "spaced"}, "value here @5:8"},
		{"properties", versionscan.Selector{Properties: "long"}, "1.2.3 @6:8"},
		{"properties", versionscan.Selector{Properties: "MAJOR"}, "152 @8:8"},
		{"properties", versionscan.Selector{Properties: "esc=aped"}, "1.5 @9:11"},
		{"properties", versionscan.Selector{Properties: "empty"}, " @10:7"},
		{"properties", versionscan.Selector{Properties: "none"}, ""},
		{"header", versionscan.Selector{Pattern: `(?s)MAJOR_VERSION (?P<major>\d+).*MINOR_VERSION (?P<minor>\d+).*PATCH_VERSION (?P<patch>\d+)`}, "26.3.0 @1:28"},
		{"header", versionscan.Selector{Pattern: `MAJOR_VERSION (?P<major>\d+)(?P<minor>x)?(?P<patch>\n)?`}, "26 @1:28"},
		{"gate", versionscan.Selector{Pattern: `(?P<symbol>V\d+_\d+_\d+)[^;]{0,80}65534`}, " @2:13 V26_28_0"},
		{"gate", versionscan.Selector{Pattern: `(?P<symbol>V(?P<version>\d+)_\d+_\d+)`}, "26 @2:14 V26_28_0; 26 @2:46 V26_20_0"},
		{"gate", versionscan.Selector{Pattern: `nothing (?P<version>x)`}, ""},
		{"gate", versionscan.Selector{Pattern: `(`}, "error: error parsing regexp"},
		{"gate", versionscan.Selector{Pattern: `V26`}, "error: the pattern has no group"},
		{"gate", versionscan.Selector{}, "error: no pattern and no path"},
		{"json", versionscan.Selector{JSON: `a."b`}, "error: path \"a.\\\"b\": the quote is not closed"},
		{"json", versionscan.Selector{JSON: `a[0`}, "error: path \"a[0\": the bracket is not closed"},
		{"json", versionscan.Selector{JSON: `a..b`}, "error: path \"a..b\" has an empty part"},
		{"json", versionscan.Selector{JSON: `a.`}, "error: path \"a.\" ends in a dot"},
		{"json", versionscan.Selector{JSON: `$`}, "error: path \"$\" names nothing"},
	} {
		found, err := Values(c.s, documents[c.doc])
		got := show(found)
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != c.want && !(strings.HasPrefix(c.want, "error: ") && strings.HasPrefix(got, c.want)) {
			t.Errorf("%s, %s %s:\n got %s\nwant %s", c.doc, c.s.Form(), c.s, got, c.want)
		}
		for _, l := range found { // what stands there unchanged stands exactly there
			line := lineOf(documents[c.doc], l.Line)
			if n := strings.Count(line, l.Raw); n > 0 && l.Raw != "7" && !strings.Contains(line, `\u`) && !strings.HasPrefix(line[l.Column-1:], strings.Split(l.Raw, ".")[0]) {
				t.Errorf("%s, %s: %q is not at %d:%d", c.doc, c.s, l.Raw, l.Line, l.Column)
			}
		}
	}
}

func TestJSONRefuses(t *testing.T) {
	for _, text := range []string{"", "{", "[1}", "{\"a\"}", "{a: 1}", "{\"a\": 1 \"b\": 2}", "[1] x", "\"abc", "{\"a\": nope}", "/* x", "[\"\\q\"]", strings.Repeat("[", 1000), "[1,,2]"} {
		if found, err := Values(versionscan.Selector{JSON: "a"}, text); err == nil {
			t.Errorf("%q gives %v", text, found)
		}
	}
}

// FuzzSelector: no text makes a reader panic or hang, and what it finds stands where it says.
func FuzzSelector(f *testing.F) {
	for name, text := range documents {
		for _, path := range []string{"version", "package.version", "a[0].b", `x."y.z"`} {
			f.Add(name, path, text)
		}
	}
	f.Fuzz(func(t *testing.T, name, path, text string) {
		if len(text) > 1<<14 || len(path) > 1<<8 {
			return
		}
		lines := 1 + strings.Count(text, "\n")
		for _, s := range []versionscan.Selector{{TOML: path}, {JSON: path}, {YAML: path}, {XML: path}, {Properties: path}, {Pattern: path}} {
			found, err := Values(s, text)
			if err != nil && found != nil {
				t.Errorf("%s gives %v and an error", s.Form(), found)
			}
			for _, l := range found {
				if l.Line < 1 || l.Column < 1 || l.Line > lines {
					t.Errorf("%s finds %q at %d:%d of %d lines", s.Form(), l.Raw, l.Line, l.Column, lines)
				}
			}
		}
	})
}
