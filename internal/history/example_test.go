package history_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/gitrepo"
	"github.com/relbot/relbot/internal/history"
	"github.com/relbot/relbot/internal/versionscan/release"
)

// A fix was merged after v1.1.0 and picked to its release line. In which releases is it, and how is that known?
func ExampleAsker_Carriers() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	git := func(args ...string) string {
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=ann", "-c", "user.email=ann@example.com"}, args...)...)
		out, err := cmd.Output()
		if err != nil {
			panic(err)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "-q", "-b", "main")
	git("commit", "-q", "--allow-empty", "-m", "Begin")
	git("tag", "v1.1.0")
	git("branch", "release-1.1")
	git("commit", "-q", "--allow-empty", "-m", "Fix the signal (#7)")
	fix := git("rev-parse", "HEAD")
	git("tag", "v1.2.0")
	git("checkout", "-q", "release-1.1")
	git("commit", "-q", "--allow-empty", "-m", "Fix the signal (#7)\n\n(cherry picked from commit "+fix+")")
	git("tag", "v1.1.1")

	ctx := context.Background()
	clone, err := gitrepo.Open(ctx, dir)
	if err != nil {
		panic(err)
	}
	tags, err := clone.Tags(ctx)
	if err != nil {
		panic(err)
	}
	releases := &release.Releases{Tags: "v{version}"}
	asker := history.Asker{Source: clone, Repo: "acme/app"}
	found, _ := asker.Carriers(ctx, history.Change{Merge: fix, Number: 7, Title: "Fix the signal", MergedAt: time.Now()}, releases, tags, nil)
	for _, tag := range []string{"v1.1.0", "v1.1.1", "v1.2.0"} {
		how := found[tag]
		if how.Known() {
			fmt.Println(tag, "has it, by", how.Value)
		} else if how.Absent() {
			fmt.Println(tag, "does not have it")
		}
	}
	// Output:
	// v1.1.0 does not have it
	// v1.1.1 has it, by cherry-pick trailer
	// v1.2.0 has it, by ancestry
}
