package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// commands lists the subcommands.
func commands() []*cobra.Command {
	return []*cobra.Command{
		demoCommand(), serveCommand(), probeCommand(), simulateCommand(), checkCommand(), reportCommand(), configCommand(), scanCommand(), historyCommand(), auditCommand(), jobsCommand(), dbCommand(), doctorCommand(), setupCommand(), manCommand(),
		{
			Use:   "version",
			Short: "Print the version, the commit and the Go version",
			Args:  cobra.NoArgs,
			Run: func(cmd *cobra.Command, _ []string) {
				fmt.Fprint(cmd.OutOrStdout(), versionText())
			},
		},
	}
}

// versionText is what `relbot version` prints.
func versionText() string {
	return fmt.Sprintf("relbot %s\ncommit %s\n%s %s/%s\n", version, commit(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// commit is what the program was built from.
func commit() string {
	if revision != "" {
		return revision
	}
	found, changed := "unknown", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				found = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				changed = ", with changes"
			}
		}
	}
	return found + changed
}
