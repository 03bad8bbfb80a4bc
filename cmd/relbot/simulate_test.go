package main

import (
	"context"
	"net/http"
	"strings"
	"testing"
)

// TestSimulateOpenly stops a scenario where a pull request is blocked, and shows it on the embedded GitHub's pages and on the dashboard.
func TestSimulateOpenly(t *testing.T) {
	const file = "../../scenarios/cookbook-symfony-deprecation.yml"
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	address := free(t)
	var out transcript
	done := make(chan int, 1)
	go func() { done <- run(ctx, []string{"simulate", "--serve", address, "--until", "2", file}, &out, &out) }()
	until(t, "the pages", func() bool { return strings.Contains(out.String(), "The pages stay open") })
	b := newBrowser(t)
	b.get("http://" + address + "/acme/app/pull/1")
	b.want(http.StatusOK, "Blocked", "gate-cut-without", `required check "relbot/coordination" is failure`)
	if !strings.Contains(b.body, " disabled>Squash and merge") {
		t.Error("the merge button is alive")
	}
	b.get("http://" + address + dashboardPath + "/")
	b.want(http.StatusOK, "Request::get() is deprecated")
	cancel()
	if code := <-done; code != exitFine || strings.Contains(out.String(), "the number is moved") {
		t.Errorf("exit %d: %s", code, out.String())
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--serve", address, "--until", "9", file}, "has 3 steps"},
		{[]string{"--until", "2", file}, "goes with --serve"},
		{[]string{"--serve", address, file, file}, "shows one file"},
		{[]string{"--serve", "nowhere", file}, "nowhere"},
		{[]string{"no-such-file.yml"}, "1 of 1 files cannot be run"},
	} {
		if _, errs, code := relbot(t, append([]string{"simulate"}, c.args...)...); code != exitUsage || !strings.Contains(errs, c.want) {
			t.Errorf("%v: exit %d: %s", c.args, code, errs)
		}
	}
}
