package find

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/release"
)

var update = flag.Bool("update", false, "write docs/gates.md")

// examples are those of all languages, and of files in none.
func examples() []example {
	var out []example
	for _, l := range append(slices.Clone(languages), plain) {
		out = append(out, l.examples...)
	}
	return out
}

func TestForms(t *testing.T) {
	for _, c := range examples() {
		t.Run(c.name, func(t *testing.T) {
			c.find.Path = c.path
			found, trouble := Gate(c.find, "m", c.scheme, map[string]versionscan.Fact[versionscan.File]{c.path: versionscan.Know(versionscan.File{Text: c.text})})
			if trouble != nil || !found.Known() {
				t.Fatalf("found nothing: %+v %s", trouble, found.Why)
			}
			f := found.Value
			value := f.Value.String()
			if f.Placeholder {
				value = "placeholder"
			}
			if got := fmt.Sprintf("%d:%d %s %s %s", f.Line, f.Column, f.Name, value, f.Form); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestFormsAreDocumented holds the page about forms against what the tests show.
func TestFormsAreDocumented(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Forms of version gates\n\n<!-- generated: make generate -->\n\n" +
		"Each row is a test: this text, found in this way, is this value. `symbol` is a pattern on the constant's name; a `marker` is a comment\n" +
		"`relbot:gate ID` on the constant's line or the line above. Comments and the texts of strings define nothing.\n\n" +
		"| form | source | found by | name | value | `form` |\n|---|---|---|---|---|---|\n")
	cell := func(s string) string {
		if s == "" {
			return ""
		}
		s = strings.NewReplacer("|", "\\|", "\n", " ⏎ ", "\t", "").Replace(strings.TrimSpace(s))
		return "`` " + strings.Join(strings.Fields(s), " ") + " ``"
	}
	for _, f := range examples() {
		by := "marker"
		switch {
		case f.find.Symbol != "":
			by = "symbol " + cell(f.find.Symbol)
		case !f.find.Selector.IsZero():
			by = f.find.Selector.Form() + " " + cell(f.find.Pattern+f.find.TOML+f.find.JSON+f.find.YAML)
		}
		want := strings.Split(f.want, " ")
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", f.name, cell(f.text), by, cell(want[1]), cell(want[2]), cell(want[3]))
	}
	const path = "../../../docs/gates.md"
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != b.String() {
		t.Errorf("%s is not up to date (make generate): %v", path, err)
	}
}

func TestTroubles(t *testing.T) {
	know := func(text string) versionscan.Fact[versionscan.File] {
		return versionscan.Know(versionscan.File{Text: text})
	}
	for name, c := range map[string]struct {
		files map[string]versionscan.Fact[versionscan.File]
		find  Finder
		want  string
	}{
		"no file":                        {nil, Finder{Path: "a.go", Symbol: "X"}, "gate-missing"},
		"absent":                         {map[string]versionscan.Fact[versionscan.File]{"a.go": versionscan.None[versionscan.File]("")}, Finder{Path: "a.go", Symbol: "X"}, "gate-missing"},
		"binary":                         {map[string]versionscan.Fact[versionscan.File]{"a.go": versionscan.Know(versionscan.File{Binary: true})}, Finder{Path: "a.go", Symbol: "X"}, "gate-missing"},
		"invalid UTF-8":                  {map[string]versionscan.Fact[versionscan.File]{"a.go": know("const X = \"1.0\xff\"")}, Finder{Path: "a.go", Symbol: "X"}, "gate-missing"},
		"two that differ":                {map[string]versionscan.Fact[versionscan.File]{"a.go": know("const X = \"1.0\"\n"), "b.go": know("const X = \"1.1\"\n")}, Finder{Path: "*.go", Symbol: "X"}, "gate-ambiguous"},
		"two that agree":                 {map[string]versionscan.Fact[versionscan.File]{"a.go": know("const X = \"1.0\"\n"), "b.go": know("const X = \"1.0\"\n")}, Finder{Path: "*.go", Symbol: "X"}, ""},
		"no version":                     {map[string]versionscan.Fact[versionscan.File]{"a.go": know("const X = \"soon\"\n")}, Finder{Path: "a.go", Symbol: "X"}, "gate-unparsable"},
		"unread":                         {map[string]versionscan.Fact[versionscan.File]{"a.go": versionscan.NotKnown[versionscan.File]("an outage")}, Finder{Path: "a.go", Symbol: "X"}, "unknown"},
		"another marker":                 {map[string]versionscan.Fact[versionscan.File]{"a.go": know("// relbot:gate other\nconst X = \"1.0\"\n")}, Finder{Path: "a.go", Marker: "m"}, "gate-missing"},
		"a number below none":            {map[string]versionscan.Fact[versionscan.File]{"a.json": know("{\"expiry_milestone\": -1}\n")}, Finder{Path: "a.json", Symbol: "expiry_milestone"}, "gate-unparsable"},
		"a sum":                          {map[string]versionscan.Fact[versionscan.File]{"a.rs": know("const MIN: u32 = 5 * 4;\n")}, Finder{Path: "a.rs", Symbol: "MIN"}, "gate-unparsable"},
		"other constants":                {map[string]versionscan.Fact[versionscan.File]{"a.rs": know("const MIN: Version = Version::new(MAJOR, 20, 0);\n")}, Finder{Path: "a.rs", Symbol: "MIN"}, "gate-unparsable"},
		"a choice":                       {map[string]versionscan.Fact[versionscan.File]{"a.ts": know("const MIN = beta ? \"1.2.3\" : \"1.3.0\";\n")}, Finder{Path: "a.ts", Symbol: "MIN"}, "gate-unparsable"},
		"a choice of two":                {map[string]versionscan.Fact[versionscan.File]{"a.py": know("MIN = \"1.2\" if A else \"1.3\"\n")}, Finder{Path: "a.py", Symbol: "MIN"}, "gate-unparsable"},
		"put together":                   {map[string]versionscan.Fact[versionscan.File]{"a.py": know("MIN = \"26.\" + \"20\"\n")}, Finder{Path: "a.py", Symbol: "MIN"}, "gate-unparsable"},
		"constants in turn":              {map[string]versionscan.Fact[versionscan.File]{"a.go": know("const A = B\nconst B = A\nconst V1 = V2\nconst V2 = V1\n")}, Finder{Path: "a.go", Symbol: "V1"}, "gate-unparsable"},
		"a pattern that matches nothing": {map[string]versionscan.Fact[versionscan.File]{"a.txt": know("x")}, Finder{Path: "a.txt", Selector: versionscan.Selector{Pattern: `(?P<version>\d*)`}}, "gate-unparsable"},
		"many that differ":               {map[string]versionscan.Fact[versionscan.File]{"a.txt": know(strings.Repeat("v1 v2 ", 5000))}, Finder{Path: "a.txt", Selector: versionscan.Selector{Pattern: `v(?P<version>\d)`}}, "gate-ambiguous"},
	} {
		t.Run(name, func(t *testing.T) {
			found, trouble := Gate(c.find, "m", "", c.files)
			got := ""
			switch {
			case trouble != nil:
				got = trouble.Code
			case found.Unknown():
				got = "unknown"
			}
			if got != c.want {
				t.Errorf("got %q (%+v %+v), want %q", got, found, trouble, c.want)
			}
		})
	}
}

func TestNamesAndValues(t *testing.T) {
	for _, c := range []struct {
		name, value string
		disagree    bool
	}{
		{"V143", "0.143.0", false}, {"V26_1_0", "26.1.0-dev.0", false}, {"V154_DEV0", "0.154.0", true}, {"V140_DEV0", "0.140.0-dev.0", false},
		{"V26_33_0", "26.32.0-dev.0", true}, {"IBP_4_1_IV0", "4.1", false}, {"IBP_4_1_IV0", "4.2", true}, {"AIRFLOW_V_3_1_PLUS", "3.1.0", false},
		{"RemovedInDjango61Warning", "6.1", false}, {"MIN_VERSION", "1.2.3", false}, {"V1_5_0", "1.6.0", true},
		{"V26_20_0_RC1", "26.20.0-rc.1", false}, {"V26_20_0_RC1", "26.20.0-rc.2", true}, {"V26_20_0_RC1", "26.20.0-dev.0", true}, {"V26_20_0_DEV", "26.20.0-dev.3", false},
		{"version254", "254", false}, {"version254", "253", true}, {"v26_28_0", "26.27.0", true}, {"SHA256_MIN", "26.27.0", false}, {"RemovedInDjango610Warning", "6.1.0", false},
	} {
		v, err := release.Semver.Parse(c.value)
		if err != nil {
			t.Fatal(err)
		}
		if got := disagreement(c.name, v); (got != "") != c.disagree {
			t.Errorf("%s = %s: %q", c.name, c.value, got)
		}
	}
}

// TestConstantsThatContradictThemselves finds constants whose parts do not agree.
func TestConstantsThatContradictThemselves(t *testing.T) {
	for text, want := range map[string]string{
		"enum V {\n  A_1(1, \"1.0\"),\n  IBP_4_1_IV0(26, \"4.1\", \"IV0\", false);\n}\n":                         "",
		"enum V {\n  IBP_4_1_IV0(26, \"4.2\", \"IV0\", false);\n}\n":                                             "the name IBP_4_1_IV0 says 4.1, the value is 4.2",
		"enum V {\n  IBP_4_1_IV0(26, \"4.1\", \"IV1\", false);\n}\n":                                             "the name IBP_4_1_IV0 says IV0, the arguments say IV1",
		"enum V {\n  IBP_4_0_IV0(26, \"4.0\", \"IV0\", true),\n  IBP_4_1_IV0(26, \"4.1\", \"IV0\", false);\n}\n": "the number 26 of IBP_4_1_IV0 does not follow the 26 of IBP_4_0_IV0 before it",
		"enum V {\n  IBP_4_1_IV0(7010299, \"7.1.2\");\n}\n":                                                      "the name IBP_4_1_IV0 says 4.1, the value is 7.1.2",
		"class V {\n  static final Version IBP_4_1_IV0 = new Version(4010299, \"4.1.3\");\n}\n":                  "the number 4010299 says 4.1.2, the text says 4.1.3",
	} {
		all := Gates(Finder{Path: "V.java", Symbol: "IBP_4_1_IV0"}, "", "", map[string]versionscan.Fact[versionscan.File]{"V.java": versionscan.Know(versionscan.File{Text: text})})
		if len(all) != 1 || all[0].Mismatch != want {
			t.Errorf("%s: %+v, want %q", text, all, want)
		}
	}
}

func FuzzFind(f *testing.F) {
	for _, c := range examples() {
		f.Add(c.path, c.text, c.find.Symbol)
	}
	f.Fuzz(func(t *testing.T, path, text, symbol string) {
		if len(symbol) > 100 || len(text) > 1<<16 {
			return
		}
		files := map[string]versionscan.Fact[versionscan.File]{path: versionscan.Know(versionscan.File{Text: text})}
		for _, finder := range []Finder{{Path: path, Symbol: symbol}, {Path: path, Marker: "m"}} {
			found, trouble := Gate(finder, "m", "", files)
			if found.Known() == (trouble != nil) {
				t.Errorf("found %+v and %+v", found, trouble)
			}
			if fd := found.Value; found.Known() && (fd.Line < 1 || fd.Column < 1 || fd.Line > 1+strings.Count(text, "\n")) {
				t.Errorf("found at %d:%d", fd.Line, fd.Column)
			}
		}
		// What a text is passed over for must be nowhere in it.
		if re, err := regexp.Compile("^(?:" + symbol + ")$"); err == nil && symbol != "" && utf8.ValidString(text) {
			if fs := definitions(parseSource(path, text), "", re.MatchString); len(fs) > 0 && !(Finder{Symbol: symbol}).Concerns(text) {
				t.Errorf("%q does not concern %q, in which it finds %+v", text, symbol, fs)
			}
		}
		Discover(path, []byte(text), "")
		Claims(path, text, []int{0, 1, 2})
	})
}
