package release

import (
	"fmt"
	"math/rand"
	"reflect"
	"slices"
	"testing"

	"github.com/relbot/relbot/internal/versionscan"
)

// world is a random history with random facts about a change in it.
type world struct {
	r        Releases
	tags     []Tag
	branches []string
	has      map[string]versionscan.Fact[string]
	holds    map[string]versionscan.Fact[bool]
	lines    map[string]versionscan.Fact[string]
	dev      Version
}

// newWorld makes a world in which the change mostly comes once and stays, as changes do.
func newWorld(t testing.TB, r *rand.Rand) *world {
	w := &world{r: Releases{Tags: "v{version}", Branches: "release-{major}.{minor}"}, has: map[string]versionscan.Fact[string]{}, holds: map[string]versionscan.Fact[bool]{}, lines: map[string]versionscan.Fact[string]{}}
	if r.Intn(4) == 0 {
		w.r.CutOn = "final"
	}
	first := parse(t, Semver, fmt.Sprintf("1.%d.0-rc.%d", r.Intn(8), r.Intn(3)))
	for range r.Intn(14) {
		w.add(t, r, w.tag(r), func(v Version) bool {
			if r.Intn(12) == 0 {
				return r.Intn(2) == 0
			}
			return v.Compare(first) >= 0
		})
	}
	for minor := range 7 {
		if r.Intn(4) == 0 {
			branch := fmt.Sprintf("release-1.%d", minor)
			w.branches, w.lines[branch] = append(w.branches, branch), versionscan.None[string]("")
			if r.Intn(2) == 0 {
				w.lines[branch] = versionscan.Know("cherry-pick trailer")
			}
		}
	}
	w.dev = parse(t, Semver, fmt.Sprintf("1.%d.0-dev.0", r.Intn(8)))
	return w
}

func (w *world) tag(r *rand.Rand) string {
	pre := []string{"", "", "-rc.1", "-rc.2", "-rc.10", "-dev.0", "-alpha"}[r.Intn(7)]
	return fmt.Sprintf("v1.%d.%d%s", r.Intn(7), r.Intn(10)/8, pre)
}

func (w *world) add(t testing.TB, r *rand.Rand, name string, has func(Version) bool) {
	if _, ok := w.has[name]; ok {
		return
	}
	yes := has(parse(t, Semver, name))
	w.tags = append(w.tags, Tag{Name: name})
	w.has[name], w.holds[name] = versionscan.None[string](""), versionscan.Know(yes)
	if yes {
		w.has[name] = versionscan.Know("ancestry")
	}
}

func (w *world) history() *History { return w.r.History(w.tags, w.branches) }

func (w *world) train(t testing.TB) versionscan.Fact[Version] {
	train, ok := w.history().Train(w.dev)
	if !ok {
		t.Fatal("no train")
	}
	return versionscan.Know(train.Core)
}

func worlds(t *testing.T, play func(r *rand.Rand, w *world)) {
	for seed := range int64(3000) {
		r := rand.New(rand.NewSource(seed))
		w := newWorld(t, r)
		play(r, w)
		if t.Failed() {
			t.Fatalf("seed %d: tags %v, branches %v, dev %s, cut on %q", seed, w.tags, w.branches, w.dev, w.r.CutOn)
		}
	}
}

// TestTrainIsNext: the train is not cut, is not below the dev version, and is the lowest such core that a step leads to.
func TestTrainIsNext(t *testing.T) {
	worlds(t, func(r *rand.Rand, w *world) {
		h := w.history()
		train := w.train(t).Value
		if by, cut := h.CutBy(train); cut {
			t.Errorf("train %s was cut by %s", train, by)
		}
		d := w.dev.Core()
		for d.Compare(train) < 0 {
			if _, cut := h.CutBy(d); !cut {
				t.Errorf("train %s, but %s is not cut", train, d)
			}
			d, _ = w.r.NextAfter(d)
		}
		if d.Compare(train) != 0 {
			t.Errorf("train %s, steps lead to %s", train, d)
		}
	})
}

// TestHistoryOrder: the order in which tags and branches are listed means nothing.
func TestHistoryOrder(t *testing.T) {
	worlds(t, func(r *rand.Rand, w *world) {
		want := w.history().Releases()
		r.Shuffle(len(w.tags), func(i, j int) { w.tags[i], w.tags[j] = w.tags[j], w.tags[i] })
		r.Shuffle(len(w.branches), func(i, j int) { w.branches[i], w.branches[j] = w.branches[j], w.branches[i] })
		if got := w.history().Releases(); !reflect.DeepEqual(got, want) {
			t.Errorf("got %v\nwant %v", got, want)
		}
	})
}

// TestThresholdBruteForce tries every release and the train as threshold.
func TestThresholdBruteForce(t *testing.T) {
	worlds(t, func(r *rand.Rand, w *world) {
		h, train := w.history(), w.train(t)
		var speaking []Release
		for _, rel := range h.Releases() {
			if rel.Speaks != nil {
				speaking = append(speaking, rel)
			}
		}
		holds := func(rel Release) bool { return w.holds[rel.Speaks.Name].Value }
		fits := func(gate Version) bool {
			return !slices.ContainsFunc(speaking, func(rel Release) bool { return holds(rel) != (rel.Core.Compare(gate) >= 0) })
		}
		got := h.Threshold(w.holds, train)
		if !got.Known() {
			t.Errorf("unknown: %s", got.Why)
			return
		}
		switch none := !slices.ContainsFunc(speaking, holds); {
		case none:
			if got.Value.Tagged || got.Value.Core.Compare(train.Value) != 0 {
				t.Errorf("no release has it, train %s, got %v", train.Value, got.Value)
			}
		case slices.ContainsFunc(speaking, func(rel Release) bool { return fits(rel.Core) }):
			if len(got.Value.Breaks) > 0 || !fits(got.Value.Core) || !got.Value.Tagged {
				t.Errorf("a threshold exists, got %v", got.Value)
			}
		case len(got.Value.Breaks) == 0:
			t.Errorf("no threshold exists, got %v", got.Value)
		}
	})
}

// TestFirstShipNeverEarlier: a build or line without the change never makes it ship in a lower release, so a gate that
// named a release cut without the change stays wrong. The branch builds what comes after all releases, and a line has the
// change only where no tag has it yet, since a tag that loses it again hands the question back to the lines.
func TestFirstShipNeverEarlier(t *testing.T) {
	worlds(t, func(r *rand.Rand, w *world) {
		w.dev = parse(t, Semver, "1.7.0-dev.0")
		if w.history().FirstShip(w.has, nil, w.train(t)).Value.Tagged {
			w.branches, w.lines = nil, nil
		}
		before := w.history().FirstShip(w.has, w.lines, w.train(t))
		still := w.history().Threshold(w.holds, w.train(t))
		for range 5 {
			w.add(t, r, w.tag(r), func(Version) bool { return false })
			after := w.history().FirstShip(w.has, w.lines, w.train(t))
			if !before.Known() || !after.Known() || after.Value.Core.Compare(before.Value.Core) < 0 {
				t.Errorf("it shipped in %v, and with another release without it in %v", before.Value, after.Value)
			}
			now := w.history().Threshold(w.holds, w.train(t))
			if len(still.Value.Breaks) == 0 && len(now.Value.Breaks) == 0 && now.Value.Core.Compare(still.Value.Core) < 0 {
				t.Errorf("the threshold was %v and is %v", still.Value, now.Value)
			}
			before, still = after, now
		}
	})
}

// TestUnknownNeverDecides: when facts become unknown the answer stays or becomes unknown.
func TestUnknownNeverDecides(t *testing.T) {
	worlds(t, func(r *rand.Rand, w *world) {
		h, train := w.history(), w.train(t)
		ship, threshold := h.FirstShip(w.has, w.lines, train), h.Threshold(w.holds, train)
		has := func(tag string) versionscan.Fact[bool] { return w.holds[tag] }
		interval := h.Interval(has, train.Value)
		for range 6 {
			for tag := range w.has {
				if r.Intn(6) == 0 {
					w.has[tag], w.holds[tag] = versionscan.NotKnown[string]("a timeout"), versionscan.NotKnown[bool]("a timeout")
				}
			}
			for branch := range w.lines {
				if r.Intn(6) == 0 {
					delete(w.lines, branch)
				}
			}
			if r.Intn(6) == 0 {
				train = versionscan.NotKnown[Version]("a timeout")
			}
			if got := h.FirstShip(w.has, w.lines, train); got.Known() && got.Value.Core.Compare(ship.Value.Core) != 0 {
				t.Errorf("with less known it ships in %v, not in %v", got.Value, ship.Value)
			}
			if got := h.Threshold(w.holds, train); got.Known() && (len(got.Value.Breaks) > 0) != (len(threshold.Value.Breaks) > 0) {
				t.Errorf("with less known the threshold is %v, not %v", got.Value, threshold.Value)
			} else if got.Known() && len(got.Value.Breaks) == 0 && got.Value.Core.Compare(threshold.Value.Core) != 0 {
				t.Errorf("with less known the threshold is %v, not %v", got.Value, threshold.Value)
			}
			if train.Known() {
				if got := h.Interval(has, train.Value); got.Known() && got.Value != interval.Value {
					t.Errorf("with less known the interval is %v, not %v", got.Value, interval.Value)
				}
			}
		}
	})
}

// TestIntervalHoldsItsBuild: the interval is never empty, and its upper end lies in the first ship or in the train.
func TestIntervalHoldsItsBuild(t *testing.T) {
	worlds(t, func(r *rand.Rand, w *world) {
		h, train := w.history(), w.train(t)
		w.lines = map[string]versionscan.Fact[string]{}
		in := h.Interval(func(tag string) versionscan.Fact[bool] { return w.holds[tag] }, train.Value)
		if !in.Known() || in.Value.UpTo.Compare(in.Value.After) <= 0 {
			t.Errorf("the interval is %v", in)
		}
		for _, b := range h.Builds() {
			inside := b.Version.Compare(in.Value.After) > 0 && b.Version.Compare(in.Value.UpTo) <= 0
			if inside && !w.holds[b.Name].Value {
				t.Errorf("%s is in %v without the change", b.Name, in.Value)
			}
		}
	})
}

func FuzzTag(f *testing.F) {
	f.Add("v{version}", "release-{major}.{minor}", "v26.28.0-rc.1")
	f.Add("REL_{major}_{minor}_STABLE", "stable/{version}-maint", "stable/1.4-maint")
	f.Add("", "", "v1")
	f.Add("{version}{version}", "{major}{minor}", "12")
	f.Fuzz(func(t *testing.T, tags, branches, name string) {
		for _, s := range schemes {
			r := Releases{Tags: tags, Branches: branches, Scheme: s}
			v, ok := r.ParseTag(name)
			if ok == v.IsZero() {
				t.Fatalf("%q as a tag gives %q, %v", name, v, ok)
			}
			if r.Ignore = []string{name}; ok {
				if _, still := r.ParseTag(name); still {
					t.Fatalf("%q is ignored and a tag", name)
				}
			}
			core, ok := r.LineOf(name)
			if ok == core.IsZero() {
				t.Fatalf("%q as a line gives %q, %v", name, core, ok)
			}
			r.Ignore = nil
			h := r.History([]Tag{{Name: name}}, []string{name})
			if train, ok := h.LineTrain(name); ok && train.Compare(core) < 0 {
				t.Fatalf("line %q trains to %s, below %s", name, train, core)
			}
			if !v.IsZero() {
				if train, ok := h.Train(v); !ok || train.Core.Compare(v.Core()) < 0 {
					t.Fatalf("after %q the train is %s, %v", name, train.Core, ok)
				}
			}
		}
	})
}

// thousand is a history of a thousand releases, with release lines, and a change that came in the last tenth.
func thousand(b *testing.B) (h *History, has map[string]versionscan.Fact[string], holds map[string]versionscan.Fact[bool]) {
	r := Releases{Tags: "v{version}", Branches: "release-{major}.{minor}"}
	var tags []Tag
	var branches []string
	has, holds = map[string]versionscan.Fact[string]{}, map[string]versionscan.Fact[bool]{}
	for i := range 1000 {
		for _, pre := range []string{"-rc.1", "-rc.2", ""} {
			name := fmt.Sprintf("v%d.%d.0%s", i/50, i%50, pre)
			tags = append(tags, Tag{Name: name})
			has[name], holds[name] = versionscan.None[string](""), versionscan.Know(i >= 900)
			if i >= 900 {
				has[name] = versionscan.Know("ancestry")
			}
		}
		if i >= 990 {
			branches = append(branches, fmt.Sprintf("release-%d.%d", i/50, i%50))
		}
	}
	return r.History(tags, branches), has, holds
}

// BenchmarkArithmetic: train, first ship and threshold over a thousand releases. The target is a millisecond in all.
func BenchmarkArithmetic(b *testing.B) {
	h, has, holds := thousand(b)
	dev, err := Semver.Parse("19.45.0-dev.0")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		train, ok := h.Train(dev)
		ship := h.FirstShip(has, nil, versionscan.Know(train.Core))
		threshold := h.Threshold(holds, versionscan.Know(train.Core))
		if !ok || train.Core.String() != "19.50.0" || ship.Value.Core.String() != "18.0.0" || threshold.Value.Core.String() != "18.0.0" {
			b.Fatal(train, ship, threshold)
		}
	}
}

// BenchmarkHistory orders three thousand tags.
func BenchmarkHistory(b *testing.B) {
	h, _, _ := thousand(b)
	var tags []Tag
	for _, build := range h.Builds() {
		tags = append(tags, build.Tag)
	}
	rand.New(rand.NewSource(1)).Shuffle(len(tags), func(i, j int) { tags[i], tags[j] = tags[j], tags[i] })
	b.ReportAllocs()
	for b.Loop() {
		if len(h.rules.History(tags, nil).Releases()) != 1000 {
			b.Fatal("not all releases")
		}
	}
}
