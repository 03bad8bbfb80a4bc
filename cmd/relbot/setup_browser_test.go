package main

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/relbot/relbot/internal/ghsim"
)

// TestSetupInABrowser registers an App in a real browser. GitHub is another site there, so that cookies, forms and redirects are held to what
// browsers let through. Each page is held against axe-core.
func TestSetupInABrowser(t *testing.T) {
	gh, web := enterprise(t, ghsim.Options{Unregistered: true})
	there, err := url.Parse(web.URL)
	if err != nil {
		t.Fatal(err)
	}
	there.Host = "localhost:" + there.Port() // this server is 127.0.0.1: for a browser these are two sites
	address := free(t)
	var log transcript
	done := make(chan int, 1)
	config := filepath.Join(t.TempDir(), "relbot.yml")
	go func() {
		done <- run(t.Context(), []string{"setup", "--config", config, "--listen", address, "--database-url", "sqlite:" + config + ".db"}, &log, &log)
	}()
	until(t, "the link", func() bool { return setupLink.MatchString(log.String()) })

	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(cache, "relbot-test", "axe-core-*.js"))
	if err != nil || len(found) == 0 {
		t.Fatal("no axe-core: run .ci/chromium, as make test does")
	}
	axe, err := os.ReadFile(found[len(found)-1])
	if err != nil {
		t.Fatal(err)
	}
	parent, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.NoSandbox, chromedp.DisableGPU)...)
	defer stop()
	ctx, closed := chromedp.NewContext(parent)
	defer closed()
	ctx, late := context.WithTimeout(ctx, 2*time.Minute)
	defer late()
	do := func(steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, steps...); err != nil {
			t.Fatalf("%v: %s", err, log.String())
		}
	}
	page := func(heading string) {
		t.Helper()
		do(chromedp.WaitVisible(chromedp.CSS("h1")))
		got, err := chromedp.Run(ctx, chromedp.TextContent(chromedp.CSS("h1")))
		if err != nil || !strings.Contains(got, heading) {
			t.Fatalf("the page %q, want %q: %v", got, heading, err)
		}
		do(chromedp.Evaluate[chromedp.Void](string(axe) + "; true"))
		violations, err := chromedp.Run(ctx, chromedp.Evaluate[string](`axe.run(document).then(r => r.violations.map(v => v.id + ": " + v.help + " " + v.nodes.map(n => n.html.slice(0, 100)).join(" ")).join("\n"))`, chromedp.EvalAwaitPromise))
		if err != nil || violations != "" {
			t.Errorf("%s: axe-core: %s %v", heading, violations, err)
		}
	}
	fill := func(name, text string) {
		t.Helper()
		do(chromedp.Evaluate[chromedp.Void](`document.querySelector("input[name=` + name + `]").value = "` + text + `"; true`))
	}
	do(chromedp.Navigate(setupLink.FindString(log.String())))
	page("Register relbot's GitHub App")
	fill("web", there.String())
	fill("account", "acme")
	do(chromedp.Click(chromedp.CSS("button.go")), chromedp.WaitVisible(chromedp.CSS("table")))
	page("Confirm on GitHub")
	do(chromedp.Click(chromedp.CSS("button.go")), chromedp.WaitVisible(chromedp.CSS("button.live")), chromedp.Click(chromedp.CSS("button.live")), chromedp.WaitVisible(chromedp.CSS("ul.checks")))
	page("What is missing")
	gh.Flush(t.Context(), ghsim.Poster(web.Client(), gh.HookURL()))
	do(chromedp.Click(chromedp.CSS("form[method=get] button")), chromedp.WaitNotPresent(chromedp.CSS("[role=status]")))
	do(chromedp.Click(chromedp.CSS("form[action='/setup/finish'] button")), chromedp.WaitNotPresent(chromedp.CSS("ul.checks")))
	page("Set up")
	if code := <-done; code != exitFine {
		t.Errorf("exit %d: %s", code, log.String())
	}
}
