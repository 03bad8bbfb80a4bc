package main

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/store/postgres/pgtest"
)

// TestNightlyOnce runs two servers on one PostgreSQL database, with a report every minute in place of every night. Each slot calls for the report
// once, and there is one issue.
func TestNightlyOnce(t *testing.T) {
	t.Parallel()
	key, pem := appPEM(t)
	gh := ghsim.New(ghsim.Options{Clock: time.Now, AppID: 7, Key: &key.PublicKey, Secret: "s3cret"})
	api := httptest.NewServer(gh.Handler())
	defer api.Close()
	const repo = coupling.Repo("acme/app")
	policy := "version: 1\nreport: {schedule: \"* * * * *\"}\ncouplings: {set: {members: {a: {pr: 1}, b: {pr: 2}}}}\n"
	if err := gh.CreateRepo(ghsim.RepoSpec{Name: repo, Policy: policy, Permissions: map[string]string{"ann": "admin"}}); err != nil {
		t.Fatal(err)
	}
	if err := gh.Install(repo); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 2; n++ {
		if err := gh.Open(ghsim.OpenSpec{Repo: repo, Number: n, By: "ann", Title: "T", Files: map[string]*string{fmt.Sprint("f", n): text("x")}}); err != nil {
			t.Fatal(err)
		}
	}
	gh.Merge(ghsim.MergeSpec{Pull: coupling.Pull{Repo: repo, Number: 1}, By: "ann", Bypass: true}) // half-landed is drift
	database := pgtest.URL(t)
	env := []string{"RELBOT_DATABASE_URL=" + database, "RELBOT_GITHUB_API_URL=" + api.URL, "RELBOT_GITHUB_APP_ID=7", "RELBOT_GITHUB_PRIVATE_KEY=" + string(pem), "RELBOT_WEBHOOK_SECRET=s3cret", "RELBOT_DEBOUNCE=1ms"}
	first, second := startServer(t, env), startServer(t, env)
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	count := func(query string) (n int) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	const slots = `SELECT count(*) FROM periodic WHERE name = 'report acme/app'`
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(90 * time.Second); count(slots) == 0; <-tick.C { // the next minute
		if time.Now().After(deadline) {
			t.Fatal("no slot within 90 seconds")
		}
	}
	// Both servers look at their timers every second.
	until(t, "both to have seen the slot", func() bool {
		return count(`SELECT count(*) FROM periodic WHERE name = 'report acme/app' AND slot < extract(epoch FROM now()) * 1000 - 3000`) > 0
	})
	until(t, "the issue", func() bool { return len(gh.Issues(repo)) > 0 })
	until(t, "the report", func() bool { return count(`SELECT count(*) FROM work WHERE kind = 'report' AND want > done`) == 0 })
	if n := count(`SELECT want - (` + slots + `) FROM work WHERE kind = 'report'`); n != 0 {
		t.Errorf("the report was called for %d times more than there were slots", n)
	}
	if n := len(gh.Issues(repo)); n != 1 {
		t.Errorf("%d issues", n)
	}
	first.stop(t)
	second.stop(t)
}
