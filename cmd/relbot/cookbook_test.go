package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/relbot/relbot/internal/scenario"
)

// cookbook is docs/cookbook.md, as the scenario files tell it: the words above each, its policy, and what each step shows.
func cookbook() string {
	files, err := filepath.Glob("../../scenarios/cookbook-*.yml")
	if err != nil {
		panic(err) // the pattern is good
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Cookbook\n\n<!-- generated: make generate -->\n\n%d couplings as they are found in the wild, each as a scenario file that runs: `relbot simulate scenarios/cookbook-*.yml`. The files are part of the tests. "+
		"Take the one that is nearest to yours, put your own paths and patterns in, and let it tell you what relbot would have said: the format is simple, and the checks are asked for by their [reason codes](reasons.md).\n", len(files))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err.Error()
		}
		s, problems, err := scenario.Load(file)
		if err != nil || len(problems) > 0 {
			return fmt.Sprintf("%s: %v %v", file, err, problems)
		}
		var words []string
		for line := range strings.Lines(string(text)) {
			word, ok := strings.CutPrefix(line, "# ")
			if !ok {
				break
			}
			words = append(words, strings.TrimSpace(word))
		}
		name := filepath.Base(file)
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n[%s](../scenarios/%s)\n", s.Title, strings.Join(words, "\n"), name, name)
		for _, r := range s.Repos {
			if r.Policy != "" {
				fmt.Fprintf(&b, "\n`.github/relbot.yml` of %s:\n\n```yaml\n%s\n```\n", r.Name, strings.TrimSpace(r.Policy))
			}
		}
		b.WriteString("\n| what happens | what relbot shows |\n|---|---|\n")
		for _, step := range s.Steps {
			fmt.Fprintf(&b, "| %s | %s |\n", step.Name, expected(s, step.Expect))
		}
	}
	return b.String()
}

// expected is what a step expects, in short.
func expected(s *scenario.Scenario, e scenario.Expect) string {
	var out []string
	codes := func(list []string) string {
		if len(list) == 0 {
			return ""
		}
		return " (`" + strings.Join(list, "`, `") + "`)"
	}
	for _, c := range e.Checks {
		out = append(out, fmt.Sprintf("%s %s%s", c.Pull.In(s.Repo), c.Verdict, codes(append(c.Reasons, c.Warnings...))))
	}
	for _, w := range e.Coupling {
		out = append(out, fmt.Sprintf("%s is %s", w.Key, w.Want))
	}
	for _, w := range e.Train {
		out = append(out, fmt.Sprintf("%s will ship in %s", w.Key, w.Want))
	}
	for _, w := range e.FirstShip {
		out = append(out, fmt.Sprintf("%s ships in %s", w.Key, w.Want))
	}
	if r := e.Report; r != nil && r.Open != nil {
		state := "the report is closed"
		if *r.Open {
			state = "the report is open" + codes(r.Says[:min(1, len(r.Says))])
		}
		out = append(out, state)
	}
	return strings.Join(out, "; ")
}
