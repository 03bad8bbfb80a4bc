package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/relbot/relbot/internal/nearest"
)

// valueNames are what flags take, as help texts call it: by flag, or by command and flag where several commands differ.
var valueNames = map[string]string{
	"config": "FILE", "token-file": "FILE", "github-private-key-file": "FILE", "webhook-secret-file": "FILE", "github-client-secret-file": "FILE", "cache": "FILE",
	"state": "DIR", "database-url": "URL", "public-url": "URL", "github-api-url": "URL", "api-url": "URL", "url": "URL",
	"commit": "SHA", "listen": "ADDRESS", "admin-listen": "ADDRESS", "serve": "ADDRESS", "repo": "OWNER/NAME", "doctor repo": "OWNER/NAME,…", "format": "FORMAT",
	"github-app-id": "ID", "github-client-id": "ID", "gate": "ID", "pr": "N", "check pr": "N|OWNER/NAME#N", "until": "STEP", "since": "REVISION", "audit since": "DATE",
	"public": "true|false", "log-level": "LEVEL", "log-format": "json|text", "reconcile-interval": "DURATION", "debounce": "DURATION", "cache-size": "MIB", "workers": "N",
}

// named is a flag's value that help texts call by a name of our own.
type named struct {
	pflag.Value
	name string
}

func (n named) Type() string { return n.name }

// nameValues gives every flag that takes a value the name of what it takes.
func nameValues(c *cobra.Command) {
	each := func(f *pflag.Flag) {
		for _, key := range []string{c.Name() + " " + f.Name, f.Name} {
			if name, ok := valueNames[key]; ok && f.Value.Type() != "bool" {
				f.Value = named{f.Value, name}
				return
			}
		}
	}
	c.Flags().VisitAll(each)
	c.PersistentFlags().VisitAll(each)
	for _, sub := range c.Commands() {
		nameValues(sub)
	}
}

// unknownCommand says of words that name no command which one was most likely meant; nil is that they name one.
func unknownCommand(root *cobra.Command, args []string) error {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	c, rest, _ := root.Find(args) // its own complaint knows the commands at the top alone
	i := slices.IndexFunc(rest, func(word string) bool { return !strings.HasPrefix(word, "-") })
	if i < 0 || strings.HasPrefix(rest[i], "__") || c.Runnable() || !c.HasSubCommands() {
		return nil
	}
	word := rest[i]
	if near := nearCommand(c, word); near != "" {
		return fmt.Errorf("unknown command %q for %q: did you mean `%s`?", word, c.CommandPath(), near)
	}
	return fmt.Errorf("unknown command %q for %q: `%s --help` lists them", word, c.CommandPath(), c.CommandPath())
}

// nearCommand finds the command that a word most likely means: below c, and then anywhere.
func nearCommand(c *cobra.Command, word string) string {
	for _, from := range []*cobra.Command{c, c.Root()} {
		paths := map[string]string{} // by the last word
		var names []string
		var walk func(c *cobra.Command)
		walk = func(c *cobra.Command) {
			for _, sub := range c.Commands() {
				if _, known := paths[sub.Name()]; !known && !sub.Hidden && sub.Name() != "help" {
					paths[sub.Name()] = sub.CommandPath()
					names = append(names, sub.Name())
				}
			}
			for _, sub := range c.Commands() {
				walk(sub)
			}
		}
		walk(from)
		if path, ok := paths[word]; ok {
			return path
		}
		if near := nearest.Word(word, names); near != "" {
			return paths[near]
		}
	}
	return ""
}
