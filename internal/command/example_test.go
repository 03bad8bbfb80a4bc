package command_test

import (
	"fmt"

	"github.com/relbot/relbot/internal/command"
)

// A comment may hold several commands. A line that is not understood stops no other, and gets a suggestion. Quotes are left alone.
func ExampleLanguage_Parse() {
	commands, mistakes := command.Language{}.Parse(`The image has to land first.
/relbot link #12 image=#13 as distroless
> /relbot hold

/relbot hodl the cut is at noon
`)
	for _, c := range commands {
		fmt.Printf("line %d: %s\n", c.Line, c.Raw)
	}
	for _, m := range mistakes {
		fmt.Printf("line %d, column %d: %s; try %s\n", m.Line, m.Column, m.Message, m.Suggestion)
	}
	// Output:
	// line 2: /relbot link #12 image=#13 as distroless
	// line 5, column 9: unknown command "hodl"; try /relbot hold the cut is at noon
}
