package coupling

import "testing"

func TestCount(t *testing.T) {
	for want, n := range map[string]int{"0 repositories": 0, "1 repository": 1, "2 repositories": 2} {
		if got := Count(n, "repository"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := Count(1, "gate") + Count(2, "gate"); got != "1 gate2 gates" {
		t.Error(got)
	}
}
