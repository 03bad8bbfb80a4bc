package note

import (
	"slices"
	"testing"

	"github.com/relbot/relbot/internal/coupling"
)

// TestMembersOf reads the members out of the tables of members of a note, and out of no other table or text.
func TestMembersOf(t *testing.T) {
	const body = memberHead + "|---|---|---|---|---|\n| `image` | #1 switch \\| base (`ann`) | open | #9 | — |\n| `docs` | acme/docs#12 | merged | — | — |\n| — | a private pull request | open | — | — |\n\nProposed: #3\n\n" +
		"<details><summary>2 more members</summary>\n\n" + memberHead + "|---|---|---|---|---|\n| `pr-4` | #4 | closed | — | — |\n\n</details>\n\n| Gate | Value |\n|---|---|\n| `uid` | #5 |\n"
	want := []coupling.Pull{{Repo: "acme/app", Number: 1}, {Repo: "acme/docs", Number: 12}, {Repo: "acme/app", Number: 4}}
	if got := MembersOf(body, "acme/app"); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
