package command_test

import (
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/command"
)

// TestLongTexts holds that a comment of some length is read in bounded time, whatever is in it: anybody may write one.
func TestLongTexts(t *testing.T) {
	for _, part := range []string{"`a` ", "`a`\n", "<a> ", "<code>\n", "> ", "- ", "[", "![", "**a ", "/relbot hold\n", "| a ", "_ ", "On 1 ", "<!--", "#1,", "a_", "```\n", "~", "&", "\\", "<a", "*a_", "[a](", "|\n", "-\n", "|-\n", " /relbot hold"} {
		begin := time.Now()
		text := strings.Repeat(part, 16384/len(part))
		parse(text)
		command.Body("Depends-On: " + text)
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("%q: %v", part, took)
		}
	}
}
