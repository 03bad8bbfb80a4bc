package history

import (
	"testing"

	"github.com/relbot/relbot/internal/forge"
)

// TestSameTitle has reverts of other pull requests that have the title of the change: the number decides.
func TestSameTitle(t *testing.T) {
	change := Change{Number: 8, Title: "fix", Merge: "aaaaaaaa"}
	for subject, takesBack := range map[string]bool{
		`Revert "fix (#8)" (#20)`: true, `Revert "fix (#7)" (#20)`: false, `Revert "fix" (#20)`: true, `revert: fix (#7) (#20)`: false,
	} {
		if got := change.identity().takenBackBy(forge.Commit{SHA: "bbbbbbbb", Message: subject}); got != takesBack {
			t.Errorf("%s: %v", subject, got)
		}
	}
	gone := identityOf(forge.Commit{SHA: "bbbbbbbb", Message: `Revert "fix (#8)" (#20)`})
	for subject, bringsIn := range map[string]bool{
		`Reapply "fix (#8)" (#21)`: true, `Reapply "fix (#7)" (#21)`: false, `Reapply "fix"`: true, `Revert "Revert "fix (#8)" (#20)" (#21)`: true, `Revert "Revert "fix (#7)" (#19)" (#21)`: false,
	} {
		if got := gone.takenBackBy(forge.Commit{SHA: "cccccccc", Message: subject}); got != bringsIn {
			t.Errorf("%s: %v", subject, got)
		}
	}
}
