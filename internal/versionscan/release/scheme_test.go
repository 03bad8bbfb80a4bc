package release

import (
	"encoding/json"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/Masterminds/semver/v3"
)

var schemes = []Scheme{Semver, Calver, PEP440, Maven, Integer, Dotted}

func parse(t testing.TB, s Scheme, text string) Version {
	t.Helper()
	v, err := s.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// ascending lists versions in order; those in one string, between equal signs, are equal.
var ascending = map[Scheme][]string{
	Semver: {
		"0", "0.27.0-alpha.24.post", "0.56.4", "0.165", "1.9.0", "1.10.0", "1.30.0-gke.1", "1.30 = 1.30.0 = v1.30 = 1.30.0+gke", "1.30.1-gke.100",
		"18.1", "18.9", "18.10", "26.37.9", "26.38.0-SNAPSHOT", "26.38.0-alpha.1", "26.38.0-dev", "26.38.0-dev.0", "26.38.0-dev.0--main.gabc", "26.38.0-pre",
		"26.38.0-rc.1 = 26.38.0-rc.01", "26.38.0-rc.2", "26.38.0-rc.10", "26.38.0-rc10", "26.38.0-rc2",
		"26.38.0 = 26.38 = v26.38.0 = V26.38 = 26.38.0+a = 26.38.0+b.1 = 26.038", "26.38.1", "26.39.0-dev.0", "99999999999999999999999.0.0",
	},
	Calver: {
		"2025.12", "2026.1 = 2026.01 = 2026.01.0", "2026.4.0-dev.0 = 2026.04.0.dev0 = 2026.4dev0", "2026.4.0b1", "2026.4.0b2", "2026.4.0b10", "2026.4.0-rc.1", "2026.4 = 2026.04 = 2026.4.0", "2026.4.1", "2026.10.0", "2026.12", "2027.01",
	},
	PEP440: {
		"1.0.dev1", "1.0a1.dev1", "1.0a1 = 1.0.alpha1 = 1.0-A.1", "1.0a2", "1.0b1.dev1", "1.0b1 = 1.0BETA1", "1.0rc1 = 1.0c1 = 1.0-preview1 = 1.0pre1", "1.0 = 1 = 1.0.0 = v1.0 = 1.0+local.7", "1.0.post1.dev1", "1.0.post1 = 1.0-1 = 1.0.r1 = 1.0rev1", "1.0.1",
		"2026.2.0.dev0", "2026.2.0b1", "2026.2.0rc1", "2026.2.0", "2026.2.0.post1", "6000", "1!0.5",
	},
	Maven: {
		"1.0-dev", "1.0-alpha = 1-ALPHA", "1.0-alpha-1 = 1.0a1 = 1.0.Alpha1", "1.0-beta-3-SNAPSHOT", "1.0-beta-3 = 1.0b3", "1.0-m2 = 1.0.milestone2", "1.0-rc", "1.0-rc-1-SNAPSHOT", "1.0-rc-1 = 1.0.RC1 = 1.0.CR1", "1.0-rc-2", "1.0-rc-10",
		"1.0-SNAPSHOT", "1.0 = 1 = 1.0.0 = 1.0.Final = 1.0.GA = 1.0-RELEASE", "1.0-sp = 1.0.SP", "1.0-sp-1", "1.0-jre", "1.0-1", "1.0.1", "4.1.133.Final", "31.1.1-jre",
	},
	Integer: {"-", "0", "9", "18 = v18 = 018", "19-dev.0", "19-rc1", "19", "254"},
	Dotted:  {"1.2.3 = 1.2.3-1 = 1.2.3.0", "1.2.3.4", "19 = 19devel", "24.8.9.1-lts = 24.8.9.1 = 24.8.9.1-stable", "24.8.9.10", "24.10.1.1", "152.0.7000.1"},
}

func TestOrder(t *testing.T) {
	for scheme, groups := range ascending {
		var rank []int
		var all []Version
		for i, g := range groups {
			for text := range strings.SplitSeq(g, " = ") {
				v := Version{}
				if text != "-" {
					v = parse(t, scheme, text)
				}
				all, rank = append(all, v), append(rank, i)
			}
		}
		for i, v := range all {
			for j, w := range all {
				want := min(max(rank[i]-rank[j], -1), 1)
				if got := v.Compare(w); got != want {
					t.Errorf("%s: %s against %s: %d, want %d", scheme, v, w, got, want)
				}
			}
		}
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		scheme                 Scheme
		text, str, pre, core   string
		major, minor, patch    string
		marshalled, firstBuild string
	}{
		{Semver, "v26.1.0-dev.0", "26.1.0-dev.0", "dev.0", "26.1.0", "26", "26.1", "26.1.0", "26.1.0-dev.0", "26.1.0-dev.0"},
		{Semver, "1.34", "1.34", "", "1.34.0", "1", "1.34", "1.34.0", "1.34", "1.34.0-dev.0"},
		{"", " 9\n", "9", "", "9.0.0", "9", "9.0", "9.0.0", "9", "9.0.0-dev.0"},
		{Semver, "26.1.0-rc.1+abc", "26.1.0-rc.1+abc", "rc.1", "26.1.0", "26", "26.1", "26.1.0", "26.1.0-rc.1+abc", "26.1.0-dev.0"},
		{Calver, "2026.04", "2026.04", "", "2026.04", "2026", "2026.04", "2026.04", "calver:2026.04", "2026.04-dev.0"},
		{Calver, "26.04.1b2", "26.04.1b2", "b2", "26.04.1", "26", "26.04", "26.04.1", "calver:26.04.1b2", "26.04.1-dev.0"},
		{PEP440, "2026.2.0.dev0", "2026.2.0.dev0", "dev0", "2026.2.0", "2026", "2026.2", "2026.2.0", "pep440:2026.2.0.dev0", "2026.2.0.dev0"},
		{PEP440, "1!6.1rc1+x", "1!6.1rc1+x", "rc1", "1!6.1", "1!6", "1!6.1", "1!6.1", "pep440:1!6.1rc1+x", "1!6.1.dev0"},
		{PEP440, "6.1.post2", "6.1.post2", "", "6.1", "6", "6.1", "6.1", "pep440:6.1.post2", "6.1.dev0"},
		{Maven, "4.2.0-SNAPSHOT", "4.2.0-SNAPSHOT", "SNAPSHOT", "4.2.0", "4", "4.2", "4.2.0", "maven:4.2.0-SNAPSHOT", "4.2.0-SNAPSHOT"},
		{Maven, "4.1.133.Final", "4.1.133.Final", "", "4.1.133", "4", "4.1", "4.1.133", "maven:4.1.133.Final", "4.1.133-SNAPSHOT"},
		{Maven, "31.1.1-jre", "31.1.1-jre", "", "31.1.1", "31", "31.1", "31.1.1", "maven:31.1.1-jre", "31.1.1-SNAPSHOT"},
		{Integer, "v254", "254", "", "254", "254", "254", "254", "integer:254", "254"},
		{Dotted, "24.8.9.1-lts", "24.8.9.1", "", "24.8.9.1", "24", "24.8", "24.8.9", "dotted:24.8.9.1", "24.8.9.1"},
	} {
		v := parse(t, c.scheme, c.text)
		text, err := v.MarshalText()
		if err != nil {
			t.Error(err)
		}
		got := []string{v.String(), v.Pre(), v.Core().String(), v.At(Major).String(), v.At(Minor).String(), v.At(Patch).String(), string(text), v.Core().firstBuild().String()}
		want := []string{c.str, c.pre, c.core, c.major, c.minor, c.patch, c.marshalled, c.firstBuild}
		if !slices.Equal(got, want) {
			t.Errorf("%s %q:\n got %q\nwant %q", c.scheme, c.text, got, want)
		}
		if v.At(Exact) != v || v.At("") != v.At(Minor) {
			t.Errorf("%s: exact gives %s, the zero precision %s", v, v.At(Exact), v.At(""))
		}
	}
}

func TestParseRefuses(t *testing.T) {
	long := "1." + strings.Repeat("1", maxText)
	for scheme, texts := range map[Scheme][]string{
		Semver:  {"", "v", "vv1", "x1.2", "1.2.3.4", "1.2.3-", "1.2.3-rc..1", "1.2.3+", "1.2.3_4", "7.1.0.pre-ee", "1.2.", "1.2.3 (abc)", "-1", "1,2", "26.28.0-dev.0\nmore", "latest", long},
		Calver:  {"2026.", "2026.4..1", "abc", "2026.4 final"},
		PEP440:  {"1.0-", "1.0+", "1.0x1", "1.0.dev1.post1", "!1", "a!1", "1.0rc1rc2"},
		Maven:   {"Final", "1.0-", "1.0_"},
		Integer: {"1.0", "x", "0x13"},
		Dotted:  {"lts", "1.2.3.", "1.2 (x)"},
		"vague": {"1.0"},
	} {
		for _, text := range texts {
			if v, err := scheme.Parse(text); err == nil {
				t.Errorf("%s takes %q for %s", scheme, text, v)
			} else if !v.IsZero() {
				t.Errorf("%s: %q gives an error and %s", scheme, text, v)
			}
		}
	}
}

func TestMarshal(t *testing.T) {
	type doc struct{ A, B, C Version }
	want := doc{A: parse(t, Semver, "26.1"), B: parse(t, PEP440, "1!2.0.dev1")}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != `{"A":"26.1","B":"pep440:1!2.0.dev1","C":""}` {
		t.Errorf("got %s", b)
	}
	var got doc
	if err := json.Unmarshal(b, &got); err != nil || got != want {
		t.Errorf("got %v, %v", got, err)
	}
	if err := json.Unmarshal([]byte(`{"A":"what"}`), &got); err == nil {
		t.Error("a word was taken for a version")
	}
	for _, v := range []Version{want.A, want.B, parse(t, Maven, "1.0.Final")} {
		if w := parse(t, v.Scheme(), v.String()); w != v {
			t.Errorf("%s was read back as %s", v, w)
		}
	}
}

// random makes version texts that a scheme accepts and that often collide.
func random(r *rand.Rand, s Scheme) string {
	pick := func(texts ...string) string { return texts[r.Intn(len(texts))] }
	num := func() string { return pick("0", "1", "2", "9", "10", "04", "26", "100") }
	core := num()
	for range r.Intn(3) {
		if s != Integer {
			core += "." + num()
		}
	}
	n := func() string { return pick("", "0", "1", "2", "10") }
	switch s {
	case Semver:
		return pick("", "v") + core + pick("", "", "-rc."+num(), "-dev", "-dev.0", "-alpha."+num(), "-SNAPSHOT", "-rc"+num(), "-0.x."+num(), "-"+num()) + pick("", "", "+b1")
	case PEP440:
		return pick("", "", "1!") + core + pick("", "", "a"+n(), ".beta"+n(), "rc"+n()) + pick("", "", ".post"+n(), "-1") + pick("", "", ".dev"+n()) + pick("", "+l")
	case Maven:
		return core + pick("", "", ".Final", "-SNAPSHOT", "-rc-"+num(), "-alpha"+n(), "-jre", "-sp", "-"+num(), "-beta-1-SNAPSHOT", "-dev")
	case Calver, Integer:
		return core + pick("", "", "-rc."+num(), "b"+n(), ".dev"+n(), "-dev.0", "rc"+n())
	default:
		return core + pick("", "", "."+num()+"."+num(), "-lts")
	}
}

// early reports whether v is a prerelease of its core, and not one of something that follows it (1.0.post1.dev1,
// 1.0-jre-SNAPSHOT).
func early(v Version) bool {
	if v.scheme == Maven {
		return v.key[v.line] < mavenRelease
	}
	if v.scheme == PEP440 {
		m := pep440.FindStringSubmatch(v.tail)
		return m[1] != "" || m[6] != "" && m[3]+m[4] == ""
	}
	return v.Pre() != ""
}

// TestTotalOrder: in each scheme versions are reflexive, antisymmetric and transitive, what prints alike is equal,
// a prerelease sorts before its core, and cutting to a precision never turns two versions around.
func TestTotalOrder(t *testing.T) {
	for _, s := range schemes {
		r := rand.New(rand.NewSource(1))
		var vs []Version
		for range 200 {
			vs = append(vs, parse(t, s, random(r, s)))
		}
		for _, v := range vs {
			if w := parse(t, s, v.String()); w != v || v.Compare(w) != 0 {
				t.Fatalf("%s: %s was read back as %s", s, v, w)
			}
			if early(v) && v.Compare(v.Core()) >= 0 {
				t.Errorf("%s: %s does not sort before its core", s, v)
			}
			if !v.sameCore(v.Core()) || v.Core().Core() != v.Core() || v.Core().Pre() != "" {
				t.Errorf("%s: %s has the core %s", s, v, v.Core())
			}
			for _, w := range vs {
				c := v.Compare(w)
				if c != -w.Compare(v) {
					t.Fatalf("%s: %s and %s are ordered both ways", s, v, w)
				}
				for _, p := range []Precision{Major, Minor, Patch} {
					if d := v.At(p).Compare(w.At(p)); c == 0 && d != 0 || d != 0 && c != d {
						t.Fatalf("%s: at %s precision %s and %s turn around", s, p, v, w)
					}
				}
				for _, x := range vs[:60] {
					if c <= 0 && w.Compare(x) <= 0 && v.Compare(x) > 0 {
						t.Fatalf("%s: %s, %s and %s go in a circle", s, v, w, x)
					}
				}
			}
		}
	}
}

// TestSemverAgainstLibrary holds the keys against an implementation that compares part by part.
func TestSemverAgainstLibrary(t *testing.T) {
	r := rand.New(rand.NewSource(2))
	var texts []string
	for len(texts) < 400 {
		if text := random(r, Semver); !strings.Contains(text, "04") {
			texts = append(texts, text)
		}
	}
	for _, a := range texts {
		for _, b := range texts {
			want := semver.MustParse(a).Compare(semver.MustParse(b))
			if got := parse(t, Semver, a).Compare(parse(t, Semver, b)); got != want {
				t.Fatalf("%s against %s: %d, the library says %d", a, b, got, want)
			}
		}
	}
}

func TestNextBuild(t *testing.T) {
	for _, c := range []struct {
		scheme     Scheme
		text, want string
	}{
		{Semver, "26.38.0-rc.1", "26.38.0-rc.2"},
		{Semver, "26.38.0-dev.9+abc", "26.38.0-dev.10"},
		{Semver, "26.38.0-rc9", "26.38.0"},
		{Semver, "26.38.0-dev", "26.38.0-dev.1"},
		{PEP440, "6.1.dev0", "6.1.dev1"},
		{Maven, "4.2.0-SNAPSHOT", "4.2.0-SNAPSHOT.1"},
	} {
		v := parse(t, c.scheme, c.text)
		if got := v.nextBuild(); got.String() != c.want || got.Compare(v) <= 0 {
			t.Errorf("after %s comes %s, want %s", c.text, got, c.want)
		}
	}
}

func FuzzScheme(f *testing.F) {
	for s, groups := range ascending {
		for _, g := range groups {
			for text := range strings.SplitSeq(g, " = ") {
				f.Add(string(s), text, "1.0")
			}
		}
	}
	f.Fuzz(func(t *testing.T, scheme, a, b string) {
		s := Scheme(scheme)
		v, err := s.Parse(a)
		if err != nil {
			return
		}
		w, err := s.Parse(v.String())
		if err != nil || w != v {
			t.Fatalf("%q was printed as %q and read back as %q, %v", a, v, w, err)
		}
		text, _ := v.MarshalText()
		var back Version
		if err := back.UnmarshalText(text); err != nil || back != v {
			t.Fatalf("%q was marshalled as %q and read back as %q, %v", a, text, back, err)
		}
		for _, p := range []Precision{Major, Minor, Patch} {
			if cut := v.At(p); cut.Pre() != "" || cut.At(p).Compare(cut) != 0 {
				t.Fatalf("%s at %s is %s", v, p, cut)
			}
		}
		if early(v) && v.Compare(v.Core()) >= 0 {
			t.Fatalf("%s does not sort before its core", v)
		}
		for _, step := range []string{"", "major", "minor", "patch", "month"} {
			next, ok := Releases{Scheme: s, Next: Next{Step: step}}.NextAfter(v)
			if !ok || next.Compare(v.Core()) <= 0 || next.Pre() != "" {
				t.Fatalf("%s after %s is %s", step, v, next)
			}
		}
		if u, err := s.Parse(b); err == nil && v.Compare(u) != -u.Compare(v) {
			t.Fatalf("%s and %s are ordered both ways", v, u)
		}
	})
}
