package live

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Differences lists where GitHub behaved in another way than the simulated one, a line each. They are what the steps showed, which events came
// in which order, and which members of the simulated answers GitHub's do not have. What GitHub has beyond is no difference, since relbot does not
// read it.
func Differences(github, simulated *Record) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for i := range max(len(github.Steps), len(simulated.Steps)) {
		if i >= len(github.Steps) || i >= len(simulated.Steps) {
			say("steps: %d on GitHub, %d simulated", len(github.Steps), len(simulated.Steps))
			break
		}
		a, b := github.Steps[i], simulated.Steps[i]
		for _, part := range []struct {
			what string
			a, b []string
		}{{"answers", a.Answers, b.Answers}, {"shows", a.Shows, b.Shows}, {"events", a.Events, b.Events}} {
			more, less := without(part.a, part.b), without(part.b, part.a)
			for _, s := range more {
				say("%s: %s: GitHub alone: %s", a.Name, part.what, s)
			}
			for _, s := range less {
				say("%s: %s: simulated alone: %s", a.Name, part.what, s)
			}
			if len(more)+len(less) == 0 && !slices.Equal(part.a, part.b) {
				say("%s: %s: in another order: GitHub %s; simulated %s", a.Name, part.what, strings.Join(part.a, ", "), strings.Join(part.b, ", "))
			}
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(simulated.Shapes)) {
		switch {
		case github.Shapes[kind] != nil:
			for _, s := range lacks(github.Shapes[kind], simulated.Shapes[kind]) {
				say("form: %s: %s", kind, s)
			}
		case !byChance(kind):
			say("form: %s: simulated alone", kind)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(github.Shapes)) {
		if simulated.Shapes[kind] == nil && !byChance(kind) {
			say("form: %s: GitHub alone", kind)
		}
	}
	return out
}

// byChance reports whether a kind may be in one play alone: what relbot asks for depends on what it heard in one go. A refusal is no chance.
func byChance(kind string) bool {
	return strings.HasPrefix(kind, "relbot's ") && !strings.Contains(kind, answered)
}

// without is what a has beyond b.
func without(a, b []string) []string {
	rest := slices.Clone(b)
	var out []string
	for _, s := range a {
		if i := slices.Index(rest, s); i >= 0 {
			rest = slices.Delete(rest, i, i+1)
		} else {
			out = append(out, s)
		}
	}
	return out
}

// lacks lists what of a simulated form is missing in GitHub's, or is of another type there. Below what is missing it says nothing more. That a
// member was null in one play alone is chance: whether a story is seen before or after its next act.
func lacks(github, simulated Shape) []string {
	var out []string
	for _, path := range slices.Sorted(maps.Keys(simulated)) {
		shown, parent := strings.TrimPrefix(path, "."), path[:max(0, strings.LastIndexAny(path, ".["))]
		has, want := github[path].beyondNull(), simulated[path].beyondNull()
		switch {
		case github[path] == nil && path != "" && !github[parent]["object"]:
			// What holds it is missing itself, or null, or an empty list.
		case github[path] == nil && path == ".errors":
			// A query is asked before or after what it asks for is there.
		case github[path] == nil:
			out = append(out, shown+" is missing")
		case len(want) > 0 && len(has) > 0 && len(without(want, has)) == len(want):
			out = append(out, fmt.Sprintf("%s is %s, simulated %s", shown, github[path], simulated[path]))
		}
	}
	return out
}
