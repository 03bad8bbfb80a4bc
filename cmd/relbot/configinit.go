package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/relbot/relbot/internal/draft"
	"github.com/relbot/relbot/internal/gitrepo"
	"github.com/relbot/relbot/internal/policy"
	"github.com/relbot/relbot/internal/scan"
	"github.com/relbot/relbot/internal/versionscan/find"
	versions "github.com/relbot/relbot/internal/versionscan/release"
)

func configInitCommand() *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Write a first policy from what a clone shows",
		Long: "Write " + policy.Path + " into a clone: the files that state its version, how its tags name releases and how these follow one another,\n" +
			"release branches, and, as comments, constants that look like version gates. A policy that is there stays unless --force is given.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) > 0 {
				dir = args[0]
			}
			path := filepath.Join(dir, policy.Path)
			if _, err := os.Lstat(path); err == nil && !force {
				return fmt.Errorf("%s is there already: --force writes over it", path)
			}
			d, err := draftOf(cmd.Context(), dir)
			if err != nil {
				return err
			}
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return err
			}
			if err := writeNew(path, d.Text, force); err != nil {
				return err
			}
			for _, n := range d.Notes {
				fmt.Fprintln(cmd.ErrOrStderr(), n)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is written. Read it, correct it, and look at it with `relbot config explain %s`.\n", path, path)
			return nil
		},
	}
	c.Flags().BoolVar(&force, "force", false, "write over a policy that is there")
	return c
}

// writeNew writes a file; without force only where there is none.
func writeNew(path, text string, force bool) error {
	how := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		how = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(path, how, 0o644)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	return errors.Join(err, f.Close())
}

// draftOf drafts a policy for a clone.
func draftOf(ctx context.Context, dir string) (draft.Draft, error) {
	repo, err := gitrepo.Open(ctx, dir)
	if err != nil {
		return draft.Draft{}, fmt.Errorf("%w: a policy is drafted from a clone, with its tags", err)
	}
	tree := scan.Tree{Dir: dir, Progress: io.Discard}
	in := draft.Input{Repo: placeholder, Read: tree.Read}
	if in.Files, err = tree.Files(ctx, ""); err != nil {
		return draft.Draft{}, err
	}
	if in.Tags, err = repo.Tags(ctx); err != nil {
		return draft.Draft{}, err
	}
	branches, err := repo.Branches(ctx)
	if err != nil {
		return draft.Draft{}, err
	}
	in.Branches = slices.Sorted(maps.Keys(branches))
	in.Discover = func(scheme versions.Scheme) []find.Finding { return tree.Discover(in.Files, scheme) }
	return draft.Policy(in)
}
