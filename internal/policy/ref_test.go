package policy

import (
	"os/exec"
	"testing"
)

// TestRefName holds what a tag may be called against git itself.
func TestRefName(t *testing.T) {
	for _, pattern := range []string{
		"v{version}", "{version}", "release/{version}", "app-v{major}.{minor}.{patch}", "v{version}.", "*{version}", "^{version}", "refs/tags/v{version}", " {version}", "v {version}",
		"a..{version}", ".v{version}", "-v{version}", "v{version}/", "/v{version}", "a//{version}", "v{version}.lock", "v~{version}", "v:{version}", "v?{version}", "v[{version}", `v\{version}`, "v@{{version}", "v\t{version}",
	} {
		name := refExample(pattern)
		// check-ref-format takes what git tag refuses: a name that begins with a dash, or names a ref in full.
		want := exec.Command("git", "check-ref-format", "refs/tags/"+name).Run() == nil && pattern[0] != '-' && pattern != "refs/tags/v{version}"
		if got := refName(pattern); got != want {
			t.Errorf("%q: got %v, git says %v", pattern, got, want)
		}
	}
}
