package coupling

import (
	"fmt"
	"strings"
)

// Count returns a number with its noun, as people write it: "1 coupling", "2 couplings", "0 repositories".
func Count(n int, noun string) string {
	if stem, ok := strings.CutSuffix(noun, "y"); ok && n != 1 {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
