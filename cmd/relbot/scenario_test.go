package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/relbot/relbot/internal/command"
	"github.com/relbot/relbot/internal/ghsim/ghspec"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/scenario"
	"github.com/relbot/relbot/internal/store/postgres/pgtest"
)

func TestMain(m *testing.M) {
	if os.Getenv(serveChild) != "" { // a server that a test will kill
		os.Exit(run(context.Background(), []string{"serve"}, os.Stdout, os.Stderr))
	}
	os.Unsetenv("GITHUB_ACTIONS") // the job that runs the tests is not the one that they are about
	pgtest.Main(m)
}

// TestScenarios runs every scenario file on both stores. Each must end with no pending work, and every request and answer on
// the way is held against GitHub's published descriptions.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("../../scenarios/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		s, problems, err := scenario.Load(file)
		if err != nil || len(problems) > 0 {
			t.Errorf("%s: %v %v", file, err, problems)
			continue
		}
		for _, store := range []string{"sqlite", "postgres"} {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".yml")+"/"+store, func(t *testing.T) {
				t.Parallel()
				o := scenario.Options{Start: startSimulated, Strict: true, Inspect: ghspec.New(t)}
				if store == "postgres" {
					o.Database = func() (string, error) { return pgtest.URL(t), nil }
				}
				holds(t, s, o)
			})
		}
	}
}

// scenarioTexts returns all scenario files as one text.
func scenarioTexts(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("../../scenarios/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

// TestScenariosUseEveryCommand holds that each command of the table is carried out in some scenario.
func TestScenariosUseEveryCommand(t *testing.T) {
	all := scenarioTexts(t)
	for _, c := range command.Table {
		if !regexp.MustCompile(`/relbot ` + c.Name + `\b`).MatchString(all) {
			t.Errorf("no scenario uses /relbot %s", c.Name)
		}
	}
}

// TestEveryReason holds that some scenario expects each reason code, that the documentation has a section on it, and that a check shows it
// in words.
func TestEveryReason(t *testing.T) {
	all := scenarioTexts(t)
	docs, err := os.ReadFile("../../docs/reasons.md")
	if err != nil {
		t.Fatal(err)
	}
	said := map[rules.Code]note.CodeDoc{}
	for _, d := range note.Codes() {
		said[d.Code] = d
	}
	for _, code := range rules.Codes {
		if !regexp.MustCompile(`(reasons|warnings|says): \[[^\]]*\b` + string(code) + `\b`).MatchString(all) {
			t.Errorf("no scenario expects %s", code)
		}
		if !strings.Contains(string(docs), "\n## "+string(code)+"\n") {
			t.Errorf("docs/reasons.md has no section on %s", code)
		}
		if d := said[code]; d.Example == "" || d.Remedy == "" {
			t.Errorf("nothing is said of %s", code)
		}
		delete(said, code)
	}
	for code := range said {
		t.Errorf("%s is said, and no reason has that code", code)
	}
}

// holds runs a scenario and reports each expectation that fails.
func holds(t *testing.T, s *scenario.Scenario, o scenario.Options) {
	t.Helper()
	r, err := scenario.Run(t.Context(), s, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range r.Steps {
		for _, f := range step.Failures {
			t.Errorf("%s: %s\nwant %s\ngot  %s", step.Name, f.Path, f.Want, f.Got)
		}
	}
}
