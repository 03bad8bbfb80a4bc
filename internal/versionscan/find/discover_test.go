package find

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// TestGateNames holds the search for names against the pattern that it stands for.
func TestGateNames(t *testing.T) {
	pattern := regexp.MustCompile(`^(?:` + GateName + `)$`)
	pieces := strings.Fields("min Min minimum _ _ supported Supported version Version VERSION gate floor introduced since removed in _in removed_in breaks breaks_in deprecated milestone available from shipped required V v 1 26 x X $ Is")
	r := rand.New(rand.NewPCG(1, 2))
	seen := map[bool]int{}
	for range 200_000 {
		var name string
		for range 1 + r.IntN(5) {
			name += pieces[r.IntN(len(pieces))]
		}
		want := pattern.MatchString(name)
		seen[want]++
		if got := gateLike([]byte(name)); got != want {
			t.Fatalf("%s: got %v, want %v", name, got, want)
		}
	}
	if seen[true] < 10_000 || seen[false] < 10_000 {
		t.Errorf("names of both kinds are needed: %v", seen)
	}
}
