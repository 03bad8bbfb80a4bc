package check

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

var update = flag.Bool("update", false, "write again what the program finds under Compose and Kubernetes")

// layout is what the program finds where it is started; tests of cmd/relbot start it so.
type layout struct {
	User     int               `json:"user"`
	Args     []string          `json:"args"`
	Env      map[string]string `json:"env"`
	Writable map[string]string `json:"writable"` // directories, "kept" or "lost" over a restart; nothing else can be written
}

// hold compares a layout with the one that is written down.
func (l layout) hold(t *testing.T, name string) {
	t.Helper()
	path := filepath.Join("../../cmd/relbot/testdata/layout", name+".json")
	got, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(path); err != nil || string(got) != string(want) {
		t.Errorf("%s is not what is deployed, run go test -update: %v\n%s", path, err, got)
	}
}

// imageEnv is the environment that the image sets.
func imageEnv(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.Parse(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	stages, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, c := range stages[len(stages)-1].Commands {
		if e, ok := c.(*instructions.EnvCommand); ok {
			for _, pair := range e.Env {
				out[pair.Key] = pair.Value
			}
		}
	}
	return out
}
