package dashboard_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/relbot/relbot/internal/ghsim"
)

// shots is where screenshots are put: RELBOT_TEST_SHOTS, or a directory that goes with the test.
func shots(t *testing.T) string {
	if dir := os.Getenv("RELBOT_TEST_SHOTS"); dir != "" {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	return t.TempDir()
}

// axe is the script that .ci/chromium fetched.
func axe(t *testing.T) string {
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "relbot-test", "axe-core-*.js"))
	if err != nil || len(found) == 0 {
		t.Fatal("no axe-core: run .ci/chromium, as make test does")
	}
	text, err := os.ReadFile(found[len(found)-1])
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// tab is a tab of a real browser.
type tab struct {
	t    *testing.T
	ctx  context.Context
	axe  string
	dir  string
	mu   sync.Mutex
	said []string // on the console
}

// newTab starts a browser; where there is none the test fails.
func newTab(t *testing.T) *tab {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("hide-scrollbars", true))
	parent, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(stop)
	ctx, done := chromedp.NewContext(parent)
	t.Cleanup(done)
	ctx, late := context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(late)
	b := &tab{t: t, ctx: ctx, axe: axe(t), dir: shots(t)}
	err := chromedp.Listen(ctx, func(ev any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch ev := ev.(type) {
		case *runtime.EventConsoleAPICalled:
			b.said = append(b.said, fmt.Sprintf("console.%s", ev.Type))
		case *runtime.EventExceptionThrown:
			b.said = append(b.said, ev.ExceptionDetails.Text)
		case *log.EventEntryAdded:
			b.said = append(b.said, fmt.Sprintf("%s: %s %s", ev.Entry.Level, ev.Entry.Text, ev.Entry.URL))
		}
	})
	if err != nil {
		t.Fatalf("no browser: run .ci/chromium, as make test does: %v", err)
	}
	command(b, runtime.Enable, cdp.Empty{})
	command(b, log.Enable, cdp.Empty{})
	return b
}

func command[P, R any](b *tab, c cdp.Command[P, R], params P) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, c, params); err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) run(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatalf("%v\nconsole: %q", err, b.said)
	}
}

// value runs what gives a value.
func value[T any](b *tab, a chromedp.Action[T]) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, a)
	if err != nil {
		b.t.Fatalf("%v\nconsole: %q", err, b.said)
	}
	return v
}

// quiet fails when anything was said on the console but what is expected.
func (b *tab) quiet(expected ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, line := range b.said {
		if !slices.ContainsFunc(expected, func(e string) bool { return strings.Contains(line, e) }) {
			b.t.Errorf("on the console: %s", line)
		}
	}
	b.said = nil
}

// look renders a page in both schemes and at two widths, holds each against axe-core, and keeps pictures. In short, each scheme has one width.
func (b *tab) look(name string) {
	b.t.Helper()
	for _, size := range []struct {
		name          string
		width, height int64
	}{{"", 1280, 800}, {"-phone", 390, 844}} {
		for _, scheme := range []string{"light", "dark"} {
			if testing.Short() && (size.name == "") != (scheme == "light") {
				continue
			}
			command(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
			command(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: size.width, Height: size.height, DeviceScaleFactor: 1, Mobile: size.name != ""})
			b.fits(name + size.name)
			b.accessible(name + size.name + " " + scheme)
			png := value(b, chromedp.FullScreenshot(100))
			if err := os.WriteFile(filepath.Join(b.dir, name+size.name+"-"+scheme+".png"), png, 0o644); err != nil {
				b.t.Fatal(err)
			}
		}
	}
}

// fits fails when the page as a whole has to be moved sideways.
func (b *tab) fits(name string) {
	b.t.Helper()
	if value(b, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > document.documentElement.clientWidth`)) {
		b.t.Errorf("%s: the page is wider than the window", name)
	}
}

// accessible fails for each violation that axe-core finds.
func (b *tab) accessible(name string) {
	b.t.Helper()
	b.run(chromedp.Evaluate[chromedp.Void](b.axe + "; true"))
	result := value(b, chromedp.Evaluate[string](`axe.run(document).then(r => JSON.stringify(r.violations.map(v => ({id: v.id, help: v.help, nodes: v.nodes.slice(0, 3).map(n => n.html.slice(0, 200) + " " + n.failureSummary)}))))`, chromedp.EvalAwaitPromise))
	var violations []struct {
		ID, Help string
		Nodes    []string
	}
	if err := json.Unmarshal([]byte(result), &violations); err != nil {
		b.t.Fatal(err)
	}
	for _, v := range violations {
		b.t.Errorf("%s: axe-core: %s: %s\n%s", name, v.ID, v.Help, strings.Join(v.Nodes, "\n"))
	}
}

func (b *tab) text(selector string) string {
	b.t.Helper()
	return value(b, chromedp.TextContent(chromedp.CSS(selector)))
}

// TestBrowser goes the way of somebody who signs in, looks around, and has a page open while a release is cut.
func TestBrowser(t *testing.T) {
	w := newWorld(t, access{signIn: true})
	w.story("acme/app")
	b := newTab(t)

	b.run(chromedp.Navigate(w.url+"/"), chromedp.WaitVisible(chromedp.CSS("main .button.big")))
	b.look("signin")
	b.quiet("401") // the page that asks to sign in
	b.run(chromedp.Click(chromedp.CSS("main .button.big")), chromedp.WaitVisible(chromedp.CSS("input[name=login]")), chromedp.SendKeys(chromedp.CSS("input[name=login]"), "ann"), chromedp.Click(chromedp.CSS("button[value='1']")), chromedp.WaitVisible(chromedp.CSS(".rows")))
	if got := b.text(".who"); !strings.Contains(got, "ann") {
		t.Errorf("signed in as %q", got)
	}
	b.look("list")

	b.run(chromedp.Click(chromedp.CSS(".row h2 a")), chromedp.WaitVisible(chromedp.CSS(".events")))
	if got := b.text("h1"); !strings.Contains(got, "Wide identifiers") || !strings.Contains(got, "ready") {
		t.Errorf("the coupling's heading: %q", got)
	}
	for _, want := range []string{"svg.graph", "svg.chart", ".reasons", "table"} {
		b.run(chromedp.WaitVisible(chromedp.CSS(want)))
	}
	b.look("coupling")

	// A release is cut without the members, while the page is open.
	if got := b.text("tr[data-key='writer #2'] .mark"); !strings.Contains(got, "waiting") {
		t.Errorf("before the cut the writer is %q", got)
	}
	b.run(chromedp.Evaluate[chromedp.Void](`window.untouched = true; document.querySelector("details summary").focus(); true`))
	w.pass(time.Hour)
	w.must(w.gh.Tag("acme/app", ghsim.TagSpec{Name: "v2.1.0-rc.1"}))
	w.settle()
	b.run(chromedp.WaitVisible(chromedp.CSS("tr[data-key='writer #2'] .c-block")))
	if got := b.text(".events li"); !strings.Contains(got, "tag v2.1.0-rc.1 was created") || !strings.Contains(got, "gate-cut-without") {
		t.Errorf("the flip's cause: %q", got)
	}
	untouched := value(b, chromedp.Evaluate[bool](`window.untouched === true`))
	focused := value(b, chromedp.Evaluate[string](`document.activeElement.tagName`))
	announced := value(b, chromedp.Evaluate[string](`document.querySelector("[data-say]").textContent`))
	if !untouched || focused != "SUMMARY" {
		t.Errorf("the page was loaded again (%v), or lost the focus to %s", !untouched, focused)
	}
	if !strings.Contains(announced, "blocked") {
		t.Errorf("a screen reader reads %q", announced)
	}
	b.look("flipped")

	b.run(chromedp.Click(chromedp.CSS("tr[data-key='writer #2'] a.plain")), chromedp.WaitVisible(chromedp.CSS(".verdict")))
	if got := b.text(".verdict"); !strings.Contains(got, "Blocked:") || !strings.Contains(got, "v2.1.0-rc.1") {
		t.Errorf("the pull request's page: %q", got)
	}
	b.look("pull")

	// The next night's report, for which one has to sign in again.
	w.pass(24 * time.Hour)
	w.must(w.srv.Tick(t.Context(), w.clock().Add(-24*time.Hour), w.clock()))
	w.settle()
	b.run(chromedp.Navigate(w.url+"/drift/acme/app"), chromedp.WaitVisible(chromedp.CSS("main .button.big")))
	b.quiet("401")
	b.run(chromedp.Click(chromedp.CSS("main .button.big")), chromedp.WaitVisible(chromedp.CSS("input[name=login]")), chromedp.SendKeys(chromedp.CSS("input[name=login]"), "ann"), chromedp.Click(chromedp.CSS("button[value='1']")), chromedp.WaitVisible(chromedp.CSS("svg.trend")))
	b.look("drift")
	b.run(chromedp.Navigate(w.url+"/drift"), chromedp.WaitVisible(chromedp.CSS(".repos")))
	b.look("drifts")
	b.run(chromedp.Click(chromedp.CSS(".who button")), chromedp.WaitVisible(chromedp.CSS("main .button.big")))
	if got := b.text("h1"); got != "You are signed out" {
		t.Errorf("after signing out: %q", got)
	}
	b.quiet()

	b.run(chromedp.Navigate(w.url+"/nowhere"), chromedp.WaitVisible(chromedp.CSS("h1")))
	b.look("nothing")
	b.quiet("401", "404")
}
