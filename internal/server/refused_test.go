package server_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/reconcile"
	"github.com/relbot/relbot/internal/telemetry"
)

// TestRefusedWork holds that work that GitHub refuses is not done with in silence. There is one warning for each account, route and message, a metric, and a
// row for each.
func TestRefusedWork(t *testing.T) {
	registry := prometheus.NewRegistry()
	r := newRig(t, ghsim.RepoSpec{Name: repo, Policy: "version: 1\ncouplings: {set: {members: {a: {pr: 1}, b: {pr: 2}, c: {pr: 3}}, order: [a before b, b before c]}}\n"}, telemetry.Options{Registry: registry})
	if err := r.gh.AddFault(ghsim.Fault{Match: "POST /repos/*/issues/*/comments", Answer: "403", Times: -1}); err != nil {
		t.Fatal(err)
	}
	r.opened(1, 3)
	round := func() {
		t.Helper()
		r.settle()
		r.now = r.now.Add(15 * time.Minute)
		if err := r.Tick(t.Context(), r.now.Add(-15*time.Minute), r.now); err != nil {
			t.Fatal(err)
		}
		r.settle()
	}
	round()
	round()
	rows := func() string {
		t.Helper()
		all, err := reconcile.Refusals(t.Context(), r.st)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, f := range all {
			out = append(out, f.Kind+" "+f.Key+" "+f.Account+" "+f.Route)
			if f.Times < 2 || !strings.Contains(f.Cause, "Resource not accessible by integration") {
				t.Errorf("%+v", f)
			}
		}
		return strings.Join(out, "\n")
	}
	const route = " acme POST /repos/*/issues/*/comments"
	if got, want := rows(), "tell acme/app#1"+route+"\ntell acme/app#2"+route+"\ntell acme/app#3"+route; got != want {
		t.Errorf("rows:\n%s\nwant\n%s", got, want)
	}
	if n := strings.Count(r.log.String(), `"level":"WARN","msg":"GitHub refuses"`); n != 1 {
		t.Errorf("%d warnings:\n%s", n, r.log.String())
	}
	if n, err := testutil.GatherAndCount(registry, "relbot_github_refusals_total"); err != nil || n != 1 {
		t.Errorf("%d metrics, %v", n, err)
	}
	r.gh.ClearFaults()
	round()
	if got := rows(); got != "" {
		t.Errorf("rows that are done:\n%s", got)
	}
}
