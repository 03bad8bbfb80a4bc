package main

import (
	"fmt"
	"io"
	"os"
	"strings"

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
				p, err := readPolicy(file(args), cmd.ErrOrStderr())
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: fine: %d couplings, %d gates\n", file(args), len(p.Couplings), len(p.Gates))
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
		&cobra.Command{
			Use: "explain [FILE]", Short: "Say in words what a policy means", Args: cobra.MaximumNArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				p, err := readPolicy(file(args), cmd.ErrOrStderr())
				if err != nil {
					return err
				}
				explain(cmd.OutOrStdout(), p)
				return nil
			},
		},
	)
	return c
}

// placeholder is the home of a policy that is read from a file: pull requests without a repository are in it.
const placeholder = coupling.Repo("this/repository")

// readPolicy reads a policy file; its problems go to stderr and end the program as a configuration error.
func readPolicy(path string, stderr io.Writer) (*rules.Policy, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parsePolicy(path, text, stderr)
}

// parsePolicy parses the text of a policy file as readPolicy reads one.
func parsePolicy(path string, text []byte, stderr io.Writer) (*rules.Policy, error) {
	p, problems := policy.Parse(placeholder, text)
	for _, problem := range problems {
		fmt.Fprintf(stderr, "%s:%s\n", path, problem)
	}
	switch n := len(problems); n {
	case 0:
		return p, nil
	case 1:
		return nil, exit{exitUsage, fmt.Errorf("%s: 1 problem", path)}
	default:
		return nil, exit{exitUsage, fmt.Errorf("%s: %d problems", path, n)}
	}
}

// explain says in words what a policy means.
func explain(w io.Writer, p *rules.Policy) {
	if r := p.Releases; r != nil {
		tags := r.Tags
		if tags == "" {
			tags = "{version}"
		}
		fmt.Fprintf(w, "Releases are the tags %s. What a branch is building stands in ", tags)
		for i, d := range r.DevVersion {
			if i > 0 {
				fmt.Fprint(w, ", and the same in ")
			}
			if d.Tags {
				fmt.Fprint(w, "its tags alone")
			} else {
				fmt.Fprintf(w, "%s (%s)", d.Path, d.Selector)
			}
		}
		fmt.Fprintln(w, ".")
		if r.CutOn == "final" {
			fmt.Fprintln(w, "A release is cut by its final tag.")
		} else {
			fmt.Fprintln(w, "A release is cut by its first tag, a candidate included: what merges after that ships in the next.")
		}
	} else {
		fmt.Fprintln(w, "No releases are declared: order is judged, releases are not.")
	}
	for _, c := range p.Couplings {
		fmt.Fprintf(w, "\n%s (%s)\n", c.Heading(), c.Name)
		for _, m := range c.Members {
			alone := ""
			if m.SafeAlone {
				alone = "; it may ship in an earlier release than the rest"
			}
			fmt.Fprintf(w, "  %s is %s%s.\n", m.Role, m.Pull.In(placeholder), alone)
		}
		if c.SameRelease && len(c.Members) > 1 && p.Releases != nil {
			fmt.Fprintln(w, "  All ship in one release.")
		}
		for _, e := range c.Order {
			how := "has to merge before"
			if e.Together {
				how = "has to merge before, or in one merge group with,"
			}
			reason := ""
			if e.Reason != "" {
				reason = ": " + e.Reason
			}
			fmt.Fprintf(w, "  %s %s %s%s.\n", e.Before, how, e.After, strings.TrimSuffix(reason, "."))
		}
		for _, u := range c.Gates {
			g, _ := p.Gate(u.Gate)
			of := "in which " + u.Subject + " first ships"
			if u.Subject == coupling.Evidence {
				of = "from which on its evidence holds"
			}
			verb := map[rules.Relation]string{rules.IntroducedIn: "must name the release", rules.AtLeast: "must name the release, or a later one,", rules.RemovedIn: "promises the removal in the release"}[g.Relation]
			fmt.Fprintf(w, "  The gate %s in %s %s %s (compared at %s precision).\n", g.ID, g.Find.Path, verb, of, g.Precision)
		}
	}
	fmt.Fprintf(w, "\nChanging couplings by command needs %s, a hold %s, an override %s.\n", p.Permissions.Link, p.Permissions.Hold, p.Permissions.Override)
	if len(p.Trust) > 0 {
		fmt.Fprintf(w, "Couplings at home in these repositories may block pull requests here: %v.\n", p.Trust)
	}
}
