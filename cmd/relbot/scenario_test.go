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
				r, err := scenario.Run(t.Context(), s, o)
				if err != nil {
					t.Fatal(err)
				}
				for _, step := range r.Steps {
					for _, f := range step.Failures {
						t.Errorf("%s: %s\nwant %s\ngot  %s", step.Name, f.Path, f.Want, f.Got)
					}
				}
			})
		}
	}
}

// TestScenariosUseEveryCommand holds that each command of the table is carried out in some scenario.
func TestScenariosUseEveryCommand(t *testing.T) {
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
	for _, c := range command.Table {
		if !regexp.MustCompile(`/relbot ` + c.Name + `\b`).MatchString(all.String()) {
			t.Errorf("no scenario uses /relbot %s", c.Name)
		}
	}
}
