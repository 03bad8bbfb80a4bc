package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/policy"
	"github.com/relbot/relbot/internal/rules"
)

func configCommand() *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "The policy file: validate it, explain it, print its schema"}
	file := func(args []string) string {
		if len(args) > 0 {
			return args[0]
		}
		return policy.Path
	}
	c.AddCommand(
		&cobra.Command{
			Use: "validate [FILE]", Short: "Report every problem of a policy file with its line and column", Args: cobra.MaximumNArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				p, err := readPolicy(placeholder, file(args), cmd.ErrOrStderr())
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: fine: %s, %s\n", file(args), coupling.Count(len(p.Couplings), "coupling"), coupling.Count(len(p.Gates), "gate"))
				return nil
			},
		},
		&cobra.Command{
			Use: "schema", Short: "Print the JSON Schema of the policy file", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				_, err := cmd.OutOrStdout().Write(policy.Schema())
				return err
			},
		},
		configInitCommand(),
		configExplainCommand(),
	)
	return c
}

// placeholder is the home of a policy that is read from a file: pull requests without a repository are in it.
const placeholder = coupling.Repo("this/repository")

// readPolicy reads a policy file; its problems go to stderr and end the program as a configuration error.
func readPolicy(home coupling.Repo, path string, stderr io.Writer) (*rules.Policy, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parsePolicy(home, path, text, stderr)
}

// parsePolicy parses the text of a policy file as readPolicy reads one.
func parsePolicy(home coupling.Repo, path string, text []byte, stderr io.Writer) (*rules.Policy, error) {
	p, problems := policy.Parse(home, text)
	for _, problem := range problems {
		fmt.Fprintf(stderr, "%s:%s\n", path, problem)
	}
	if n := len(problems); n > 0 {
		return nil, exit{exitUsage, fmt.Errorf("%s: %s", path, coupling.Count(n, "problem"))}
	}
	return p, nil
}
