package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestValueNames holds that help texts call what a flag takes by a name that says it. A type or a part of the sentence is none.
func TestValueNames(t *testing.T) {
	found := 0
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			name, _ := pflag.UnquoteUsage(f)
			if f.Value.Type() == "bool" {
				if name != "" {
					t.Errorf("%s --%s: a switch takes %q", c.CommandPath(), f.Name, name)
				}
				return
			}
			found++
			if name != f.Value.Type() || name != strings.ToUpper(name) && !strings.Contains(name, "|") {
				t.Errorf("%s --%s takes %q", c.CommandPath(), f.Name, name)
			}
		})
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(program())
	if found < 60 {
		t.Errorf("%d flags were found", found)
	}
	if out, _, _ := relbot(t, "check", "--help"); !strings.Contains(out, "--config FILE ") || !strings.Contains(out, "--repo OWNER/NAME ") {
		t.Errorf("%s", out)
	}
}

func TestUnknownCommands(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"init", "did you mean `relbot config init`?"},
		{"init --force", "did you mean `relbot config init`?"},
		{"docter", "did you mean `relbot doctor`?"},
		{"validate .github/relbot.yml", "did you mean `relbot config validate`?"},
		{"config initt", "did you mean `relbot config init`?"},
		{"config doctor", "did you mean `relbot doctor`?"},
		{"db restor f", "did you mean `relbot db restore`?"},
		{"backup", "did you mean `relbot db backup`?"},
		{"frobnicate", "`relbot --help` lists them"},
		{"config frobnicate", "`relbot config --help` lists them"},
	} {
		if out, errs, code := relbot(t, strings.Fields(c.line)...); code != exitUsage || !strings.Contains(errs, c.want) || out != "" {
			t.Errorf("relbot %s: exit %d: %s %s", c.line, code, out, errs)
		}
	}
	for _, line := range []string{"", "--help", "config", "config --help", "help config", "completion bash", "__complete config i"} {
		if out, errs, code := relbot(t, strings.Fields(line)...); code != exitFine || out == "" {
			t.Errorf("relbot %s: exit %d: %s %s", line, code, out, errs)
		}
	}
}
