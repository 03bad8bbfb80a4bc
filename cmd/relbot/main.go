// Command relbot coordinates coupled pull requests: it is the server, and the tools around it.
//
// This package wires: each subcommand has its own file, and none decides anything about couplings.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // the report's time zones, also where the system has none

	"github.com/spf13/cobra"
)

// Exit codes of every subcommand.
const (
	exitFine    = 0
	exitBlocked = 1 // blocked, drifted, or an expectation failed
	exitUsage   = 2 // usage or configuration error
	exitUnknown = 3 // could not tell
)

// exit is an error that carries an exit code. Its message, when there is one, goes to stderr.
type exit struct {
	code int
	err  error
}

func (e exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e exit) Unwrap() error { return e.err }

// blocked ends with exit code 1 and no further word: the output said it.
var blocked = exit{code: exitBlocked}

// unsure makes an error end with exit code 3.
func unsure(err error) error { return exit{exitUnknown, err} }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// program is the root command with all its subcommands.
func program() *cobra.Command {
	root := &cobra.Command{
		Use:           "relbot",
		Short:         "Keeps coupled pull requests honest: same release, stated order, right version gates",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version,
	}
	root.SetVersionTemplate(versionText())
	root.AddCommand(commands()...)
	nameValues(root)
	return root
}

// run is the whole program, for main and for tests.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := program()
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetArgs(args)
	err := unknownCommand(root, args)
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	if err == nil {
		return exitFine
	}
	var e exit
	if !errors.As(err, &e) {
		e = exit{exitUsage, err}
	}
	if msg := e.Error(); msg != "" {
		fmt.Fprintf(stderr, "relbot: %s\n", msg)
	}
	return e.code
}
