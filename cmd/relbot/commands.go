package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// commands lists the subcommands.
func commands() []*cobra.Command {
	return []*cobra.Command{
		demoCommand(), serveCommand(), probeCommand(), simulateCommand(), checkCommand(), reportCommand(), configCommand(), scanCommand(), historyCommand(), auditCommand(), doctorCommand(),
		{
			Use:   "version",
			Short: "Print the version",
			Args:  cobra.NoArgs,
			Run:   func(cmd *cobra.Command, _ []string) { fmt.Fprintln(cmd.OutOrStdout(), "relbot", version) },
		},
	}
}
