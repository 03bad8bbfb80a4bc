package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// installLines is what README says under "Install".
func installLines(published bool) string {
	if !published {
		return fmt.Sprintf(`In a clone, with Go 1.26 or newer:

`+"```"+`
make build                                              # ./relbot
docker build -t relbot:%[1]s -f deploy/Dockerfile .     # an image
make release                                            # archives with checksums in dist/: linux and darwin; windows for the command line
`+"```"+`
`, release)
	}
	return fmt.Sprintf("```"+`
go install github.com/relbot/relbot/cmd/relbot@latest                     # with Go 1.26 or newer
curl -fsSL https://github.com/relbot/relbot/releases/download/v%[1]s/relbot_%[1]s_linux_amd64.tar.gz | tar -xz    # or darwin, arm64; windows as .zip for the command line
docker pull ghcr.io/relbot/relbot:%[1]s
`+"```"+`

The archives have checksums (`+"`checksums.txt`"+`), shell completions, man pages, scenarios, and all of `+"`deploy/`"+`. In a workflow: `+"`uses: %[2]s`"+`.
`, release, actionName(published))
}

// actionName is how a workflow names the Action.
func actionName(published bool) string {
	if published {
		return "relbot/relbot@v" + release
	}
	return "OWNER/relbot@REF" // a copy of the repository, at a commit
}

// actionLine is what the Action's document says of its name.
func actionLine(published bool) string {
	if published {
		return "Pin it to the commit of the release that you read.\n"
	}
	return "There is no release yet: `OWNER/relbot` is a copy of this repository in your organisation, `REF` a commit of it.\n"
}

// actionUse is a line of a workflow that names the Action.
var actionUse = regexp.MustCompile(`(?m)(uses: )[\w-]+/relbot@\S+`)

// actionLines has every workflow of the documents name the Action that can be had.
func actionLines(text string) string {
	return actionUse.ReplaceAllString(text, "${1}"+actionName(published))
}

// TestActionLines holds the workflows and what documents quote of them; -update writes them.
func TestActionLines(t *testing.T) {
	found := 0
	for path, text := range texts(t, "docs") {
		if actionUse.MatchString(text) {
			found++
			hold(t, top+path, actionLines)
		}
	}
	if found < 3 {
		t.Errorf("%d documents name the Action", found)
	}
}

// artefacts are names of what exists only once a release is published.
var artefacts = regexp.MustCompile(`go install github\.com/relbot|relbot@latest|releases/(?:download|latest)|ghcr\.io/relbot|docker\.io/relbot|uses: relbot/relbot|relbot/relbot@v|helm repo add`)

// TestNothingElseNamesArtefacts: while nothing is published no text names what cannot be had, and what will be named then is of this version.
func TestNothingElseNamesArtefacts(t *testing.T) {
	then := installLines(true)
	for _, want := range []string{"go install github.com/relbot/relbot/cmd/relbot@latest", "relbot_" + release + "_linux_amd64.tar.gz", "ghcr.io/relbot/relbot:" + release, "uses: relbot/relbot@v" + release} {
		if !strings.Contains(then, want) {
			t.Errorf("once it is published, README will not say %q", want)
		}
	}
	if published {
		return
	}
	all := texts(t, "README.md", "SECURITY.md", "CHANGELOG.md", "docs", "deploy", "action.yml", "scenarios")
	for path, text := range all {
		if m := artefacts.FindString(text); m != "" {
			t.Errorf("%s names %q, which is not there yet", path, m)
		}
	}
	if !strings.Contains(all["README.md"], "make build ") {
		t.Error("README does not say how to build from a clone")
	}
}

// TestOneVersion holds that everything that names a version of relbot names the program's.
func TestOneVersion(t *testing.T) {
	for path, pattern := range map[string]string{
		"deploy/chart/Chart.yaml": `(?m)^(?:version|appVersion): "?([^" ]+)"?`,
		"deploy/Dockerfile":       `image\.version=(\S+)`,
		"deploy/compose.yml":      `image: relbot:(\S+)`,
		"CHANGELOG.md":            `^[^[]*(?:\[Keep[^\n]*\n[^[]*\[Semantic[^\n]*\n[^[]*)## \[([^\]]+)\]`,
		"README.md":               `docker build -t relbot:(\S+)`,
	} {
		found := regexp.MustCompile(pattern).FindAllStringSubmatch(read(t, path), -1)
		if len(found) == 0 && (path != "README.md" || !published) {
			t.Errorf("%s names no version", path)
		}
		for _, m := range found {
			if m[1] != release {
				t.Errorf("%s names %s, the program is %s", path, m[1], release)
			}
		}
	}
	for path, text := range texts(t, "README.md", "docs", "deploy") {
		for _, m := range regexp.MustCompile(`\brelbot(?:[ :@_]v?|:v)(\d+\.\d+\.\d+)\b`).FindAllStringSubmatch(text, -1) {
			if m[1] != release {
				t.Errorf("%s names relbot %s, the program is %s", path, m[1], release)
			}
		}
	}
	if out, _, code := relbot(t, "version"); code != exitFine || !strings.HasPrefix(out, "relbot "+release+"\n") {
		t.Errorf("relbot version: %s", out)
	} else if flag, _, code := relbot(t, "--version"); code != exitFine || flag != out {
		t.Errorf("relbot --version: exit %d: %s", code, flag)
	}
	for _, path := range []string{"Makefile", ".goreleaser.yaml", "deploy/Dockerfile", "action.yml"} {
		if strings.Contains(read(t, path), "main.version") {
			t.Errorf("%s sets another version", path)
		}
	}
}

// TestWindowsBuilds: the command line is built for Windows too.
func TestWindowsBuilds(t *testing.T) {
	c := exec.Command("go", "vet", "github.com/relbot/relbot/internal/store/sqlite", "github.com/relbot/relbot/internal/gitrepo")
	c.Env = append(os.Environ(), "GOOS=windows", "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	found, err := filepath.Glob("*_windows.go")
	if err != nil || len(found) == 0 {
		t.Errorf("%v %v", found, err)
	}
}
