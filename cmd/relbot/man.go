package main

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manCommand writes man pages from the commands themselves; a release's archives have them.
func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIRECTORY",
		Short: "Write man pages into a directory",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true // the day on which it was made would differ from build to build
			return doc.GenManTree(root, &doc.GenManHeader{Title: "RELBOT", Section: "1", Source: "relbot " + version, Manual: "relbot"}, args[0])
		},
	}
}
