package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/ghsim/ghspec"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/publish"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/store/engine"
	"github.com/relbot/relbot/internal/store/postgres/pgtest"
	"github.com/relbot/relbot/internal/work"
)

// engines gives a fresh database of each kind.
func engines(t *testing.T, test func(t *testing.T, address string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, "sqlite:"+filepath.Join(t.TempDir(), "relbot.db")) })
	t.Run("postgres", func(t *testing.T) { test(t, pgtest.URL(t)) })
}

// opened opens a database as a server does.
func opened(t *testing.T, address string) store.Database {
	t.Helper()
	st, err := engine.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

// TestJobsWhy asks why a check is late, and why the last one was.
func TestJobsWhy(t *testing.T) {
	engines(t, func(t *testing.T, address string) {
		st := opened(t, address)
		now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
		p := coupling.Pull{Repo: "acme/app", Number: 12}
		why := func(args ...string) (string, string, int) {
			return relbot(t, append(append([]string{"jobs", "why"}, args...), "--database-url", address)...)
		}
		if _, errs, code := why("acme/app#12"); code != exitBlocked || !strings.Contains(errs, "relbot has not seen acme/app#12") {
			t.Errorf("exit %d: %s", code, errs)
		}
		if _, errs, code := why("12"); code != exitUsage || !strings.Contains(errs, "want OWNER/REPO#N") {
			t.Errorf("exit %d: %s", code, errs)
		}
		m := memory.New(st)
		if _, err := m.Pulls.Update(t.Context(), p, func(d *memory.Pull) ([]store.Work, bool) { d.Head = "1a2b3c4d5e"; return nil, true }); err != nil {
			t.Fatal(err)
		}
		if out, errs, code := why("acme/app#12"); code != exitFine || out != "acme/app#12\n  waits for nothing\n  has no check of relbot on its head\n" {
			t.Errorf("exit %d: %s%s", code, out, errs)
		}
		if _, err := m.Members.Update(t.Context(), p, func(d *memory.Member) ([]store.Work, bool) { return nil, d.Note("acme/app:image", true) }); err != nil {
			t.Fatal(err)
		}
		body, err := json.Marshal(publish.Posted{Level: "wait", At: now.Add(20 * time.Second), Event: "pull_request", Since: now, Waited: "15s until another attempt succeeds: GitHub does not answer"})
		if err != nil {
			t.Fatal(err)
		}
		other := coupling.Pull{Repo: "acme/app", Number: 13}
		if err := st.Put(t.Context(), []store.Document{{Kind: publish.DocCheck, Key: "acme/app@1a2b3c4d5e", Body: body}}, []store.Work{work.Coupling("acme/app:image"), work.Coupling("acme/app:else"), work.Show(other, false), work.Repo("acme/lib")}); err != nil {
			t.Fatal(err)
		}
		if err := st.Enqueue(t.Context(), work.Show(p, false)); err != nil {
			t.Fatal(err)
		}
		for range 4 {
			c, err := st.Claim(t.Context(), now, "me", time.Minute, 1)
			if err != nil || len(c) != 1 {
				t.Fatal(c, err)
			}
			if c[0].Kind == work.KindShow {
				if err := st.Later(t.Context(), c[0], store.Failure{At: now.Add(time.Hour), Cause: "GitHub says no"}); err != nil {
					t.Fatal(err)
				}
			}
		}
		out, errs, code := why("acme/app#12")
		for _, want := range []string{
			"  waits for coupling acme/app:image: ", "  waits for show acme/app#12: failing, 1 attempt, next at 2026-06-01T13:00:00Z: GitHub says no\n",
			"  last check: wait on 1a2b3c4d, written at 2026-06-01T12:00:20Z, 20s after pull_request\n", "  it waited 15s until another attempt succeeds: GitHub does not answer\n",
		} {
			if !strings.Contains(out, want) || code != exitFine {
				t.Errorf("exit %d, want %q in\n%s%s", code, want, out, errs)
			}
		}
		if strings.Contains(out, "acme/lib") || strings.Contains(out, "#13") || strings.Contains(out, "else") {
			t.Errorf("it does not wait for all of\n%s", out)
		}
		out, _, _ = why("acme/app#12", "--format", "json")
		var said struct {
			Pull    string
			Waiting []struct{ Kind, State string }
			Check   struct {
				Head, Verdict, Event, Waited string
				Written, Since               time.Time
			}
		}
		if err := json.Unmarshal([]byte(out), &said); err != nil || len(said.Waiting) != 2 || said.Check.Verdict != "wait" || said.Check.Event != "pull_request" || !said.Check.Since.Equal(now) {
			t.Errorf("%v in %s", err, out)
		}
	})
}

// TestJobs lists, retries and drops work next to a running server.
func TestJobs(t *testing.T) {
	engines(t, func(t *testing.T, address string) {
		st := opened(t, address)
		now := time.Now()
		jobs := func(args ...string) (string, string, int) {
			return relbot(t, append(append([]string{"jobs"}, args...), "--database-url", address)...)
		}
		if out, errs, code := jobs(); code != exitFine || out != "nothing fails\n" {
			t.Errorf("an idle server: exit %d: %s%s", code, out, errs)
		}
		for key, stuck := range map[string]bool{"acme/app#1": true, "acme/app#2": false} {
			if err := st.Enqueue(t.Context(), store.Work{Kind: "pull", Key: key, Lane: key}); err != nil {
				t.Fatal(err)
			}
			c, err := st.Claim(t.Context(), now, "me", time.Minute, 1)
			if err != nil || len(c) != 1 {
				t.Fatal(c, err)
			}
			if err := st.Later(t.Context(), c[0], store.Failure{At: now.Add(time.Hour), Cause: "acme/app: GitHub says no", Stuck: stuck}); err != nil {
				t.Fatal(err)
			}
		}
		if err := st.Enqueue(t.Context(), store.Work{Kind: "repo", Key: "acme/app", Lane: "acme/app"}); err != nil {
			t.Fatal(err)
		}
		out, errs, code := jobs()
		for _, want := range []string{"KIND  KEY         STATE     ATTEMPTS", "pull  acme/app#1  given up  1         -", "pull  acme/app#2  failing   1", "acme/app: GitHub says no"} {
			if !strings.Contains(out, want) || code != exitFine || strings.Contains(out, "waiting") {
				t.Errorf("exit %d, want %q in\n%s%s", code, want, out, errs)
			}
		}
		if out, _, _ := jobs("--all"); !strings.Contains(out, "repo  acme/app    waiting") {
			t.Errorf("with --all:\n%s", out)
		}
		out, _, _ = jobs("--format", "json")
		var listed struct {
			Jobs []struct {
				Kind, Key, State string
				Attempts         int
				Next             *time.Time
				Error            *string
			}
		}
		if err := json.Unmarshal([]byte(out), &listed); err != nil || len(listed.Jobs) != 2 || *listed.Jobs[0].Error != "acme/app: GitHub says no" {
			t.Errorf("%v in %s", err, out)
		}
		if _, errs, code := jobs("retry", "pull", "acme/app#9"); code != exitBlocked || !strings.Contains(errs, "no work pull acme/app#9") {
			t.Errorf("retry of nothing: exit %d %s", code, errs)
		}
		if _, _, code := jobs("retry", "pull"); code != exitUsage {
			t.Errorf("retry of half a name: exit %d", code)
		}
		if out, errs, code := jobs("retry", "--all"); code != exitFine || out != "2 to be done again\n" {
			t.Errorf("retry: exit %d: %s%s", code, out, errs)
		}
		var keys []string
		for range 2 {
			c, err := st.Claim(t.Context(), now, "me", time.Minute, 1)
			if err != nil || len(c) != 1 {
				t.Fatal(c, err)
			}
			keys = append(keys, c[0].Key)
			if err := st.Later(t.Context(), c[0], store.Failure{At: now, Cause: "again", Stuck: true}); err != nil {
				t.Fatal(err)
			}
		}
		if out, errs, code := jobs("drop", "pull", "acme/app#1"); code != exitFine || out != "pull acme/app#1 dropped\n" {
			t.Errorf("drop: exit %d: %s%s", code, out, errs)
		}
		if out, _, _ := jobs(); strings.Contains(out, "acme/app#1") || !strings.Contains(strings.Join(keys, " "), "acme/app#") {
			t.Errorf("after dropping one: %s; retried %v", out, keys)
		}
	})
}

// TestDatabaseCommands goes the way of an operator: back up next to a running server, check, restore into the other engine, refuse to overwrite.
func TestDatabaseCommands(t *testing.T) {
	engines(t, func(t *testing.T, address string) {
		st := opened(t, address)
		if err := st.Put(t.Context(), []store.Document{{Kind: "overlay", Key: "acme/app", Body: []byte(`{"effects":[]}`)}, {Kind: "pull", Key: "acme/app#1", Body: []byte(`{}`)}}, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := st.Accept(t.Context(), store.Delivery{GUID: "g", Event: "push", Received: time.Now(), Payload: []byte("{}")}, []store.Work{{Kind: "comment", Key: "acme/app#1:7"}, {Kind: "pull", Key: "acme/app#1"}}); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "backup")
		db := func(want int, says string, args ...string) {
			t.Helper()
			out, errs, code := relbot(t, append([]string{"db"}, args...)...)
			if code != want || !strings.Contains(out+errs, says) {
				t.Errorf("db %v: exit %d, want %d and %q in %s%s", args, code, want, says, out, errs)
			}
		}
		db(exitFine, "5 rows, nothing is wrong with them", "check", "--database-url", address)
		db(exitFine, "backup: 5 rows", "backup", file, "--database-url", address)
		if strings.HasPrefix(address, "sqlite") {
			db(exitUnknown, "another process has it open", "restore", file, "--force", "--database-url", address)
		}
		other := "sqlite:" + filepath.Join(t.TempDir(), "other.db")
		db(exitFine, "3 rows restored", "restore", file, "--database-url", other) // what GitHub shows is left out
		db(exitBlocked, "the database is not empty", "restore", file, "--database-url", other)
		db(exitFine, "3 rows restored", "restore", file, "--force", "--database-url", other)
		db(exitUnknown, "no backup of relbot", "restore", os.Args[0], "--force", "--database-url", other)
		db(exitFine, "nothing is wrong", "check", "--database-url", other)
		db(exitFine, "is the newest", "migrate", "--dry-run", "--database-url", other)

		c, err := st.Claim(t.Context(), time.Now(), "me", time.Minute, 1)
		if err != nil || len(c) != 1 {
			t.Fatal(c, err)
		}
		if err := st.Later(t.Context(), c[0], store.Failure{At: time.Now(), Cause: "hopeless", Stuck: true}); err != nil {
			t.Fatal(err)
		}
		if err := st.Put(t.Context(), []store.Document{{Kind: "pull", Key: "acme/app#2", Body: []byte(`{"head":`)}, {Kind: "dream", Key: "x", Body: []byte(`{}`)}}, nil); err != nil {
			t.Fatal(err)
		}
		db(exitBlocked, "work: "+c[0].Kind+" acme/app#1", "check", "--database-url", address)
		db(exitBlocked, "document: pull acme/app#2: unexpected end of JSON input", "check", "--database-url", address)
		db(exitBlocked, `"what":"document","detail":"dream x: a kind of document that this program does not know"`, "check", "--format", "json", "--database-url", address)
	})
}

// TestMigrateCommand brings an older database up to date, and refuses a newer one.
func TestMigrateCommand(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relbot.db")
	address := "sqlite:" + path
	db, err := engine.Maintain(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := relbot(t, "db", "migrate", "--database-url", address); code != exitUnknown || !strings.Contains(errs, "another process") {
		t.Errorf("next to a server: exit %d %s", code, errs)
	}
	if out, errs, code := relbot(t, "db", "migrate", "--dry-run", "--database-url", address); code != exitFine || !strings.HasPrefix(out, "schema 1 would be migrated to ") {
		t.Errorf("dry run: exit %d %s%s", code, out, errs)
	}
	if _, errs, code := relbot(t, "jobs", "--database-url", address); code != exitUnknown || !strings.Contains(errs, "run `relbot db migrate`") {
		t.Errorf("jobs of an older schema: exit %d %s", code, errs)
	}
	db.Close()
	if out, errs, code := relbot(t, "db", "migrate", "--database-url", address); code != exitFine || !strings.HasPrefix(out, "schema 1 was migrated to ") {
		t.Errorf("exit %d %s%s", code, out, errs)
	}
	raw, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := raw.Exec("PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	raw.Close()
	for _, args := range [][]string{{"db", "migrate"}, {"db", "migrate", "--dry-run"}, {"jobs"}, {"db", "backup", filepath.Join(t.TempDir(), "x")}} {
		if _, errs, code := relbot(t, append(args, "--database-url", address)...); code == exitFine || !strings.Contains(errs, "its schema 99 is newer than this program knows") {
			t.Errorf("%v of a newer schema: exit %d %s", args, code, errs)
		}
	}
}

// TestRebuild loses a database and restores it: everything is known again, and GitHub sees no write. The same is held with richer stories by
// scenarios/lost-database-writes-nothing.yml.
func TestRebuild(t *testing.T) {
	engines(t, func(t *testing.T, address string) {
		key, pem := appPEM(t)
		gh := ghsim.New(ghsim.Options{Clock: time.Now, AppID: 7, Key: &key.PublicKey, Secret: "s3cret", Inspect: ghspec.New(t)})
		api := httptest.NewServer(gh.Handler())
		defer api.Close()
		const repo = coupling.Repo("acme/app")
		if err := gh.CreateRepo(ghsim.RepoSpec{Name: repo, Policy: "version: 1\ncouplings: {set: {members: {a: {pr: 1}, b: {pr: 2}}, order: [a before b]}}\n", Permissions: map[string]string{"ann": "write"}}); err != nil {
			t.Fatal(err)
		}
		if err := gh.Install(repo); err != nil {
			t.Fatal(err)
		}
		for n := 1; n <= 3; n++ {
			if err := gh.Open(ghsim.OpenSpec{Repo: repo, Number: n, By: "ann", Title: "T", Body: map[int]string{3: "Merge-After: #1"}[n], Files: map[string]*string{fmt.Sprint("f", n): text("x")}}); err != nil {
				t.Fatal(err)
			}
		}
		one := coupling.Pull{Repo: repo, Number: 1}
		env := []string{"RELBOT_DATABASE_URL=" + address, "RELBOT_GITHUB_API_URL=" + api.URL, "RELBOT_GITHUB_APP_ID=7", "RELBOT_GITHUB_PRIVATE_KEY=" + string(pem), "RELBOT_WEBHOOK_SECRET=s3cret", "RELBOT_LOG_LEVEL=error"}
		run := func() (string, string, int) {
			for _, e := range env {
				name, value, _ := strings.Cut(e, "=")
				t.Setenv(name, value)
			}
			return relbot(t, "db", "rebuild")
		}
		if out, errs, code := run(); code != exitFine || out != "known again: 1 repository, 3 pull requests, 1 coupling, 0 comments with commands\n" {
			t.Fatalf("exit %d: %s%s", code, out, errs)
		}
		if _, errs, code := run(); code != exitBlocked || !strings.Contains(errs, "not empty") {
			t.Errorf("of a database that is whole: exit %d: %s", code, errs)
		}
		// A hold, taken by a server that then loses everything.
		gh.Comment(ghsim.CommentSpec{Pull: one, By: "ann", Body: "/relbot hold until Monday"})
		server := startServer(t, append(env, "RELBOT_DEBOUNCE=1ms"))
		until(t, "the hold", func() bool {
			gh.Flush(t.Context(), server.post)
			c, ok := gh.CurrentCheck(one)
			return ok && strings.HasPrefix(c.Title, "Blocked:") && slices.ContainsFunc(gh.Comments(one), func(c ghsim.Comment) bool { return len(c.Reactions) == 1 })
		})
		until(t, "the rest of the work", func() bool {
			gh.Flush(t.Context(), server.post)
			out, _, _ := relbot(t, "jobs", "--all")
			return gh.Pending() == 0 && out == "nothing fails\n"
		})
		server.stop(t)
		before := shown(gh, repo, 3)
		_, wrote := gh.Counts()
		if strings.HasPrefix(address, "sqlite:") {
			if err := os.Remove(strings.TrimPrefix(address, "sqlite:")); err != nil {
				t.Fatal(err)
			}
		} else {
			db, err := engine.Maintain(t.Context(), address)
			if err != nil {
				t.Fatal(err)
			}
			for db.Reset(t.Context()) != nil { // PostgreSQL notices a moment later that the server is gone
				if t.Context().Err() != nil {
					break
				}
			}
			db.Close()
		}
		if out, errs, code := run(); code != exitFine || out != "known again: 1 repository, 3 pull requests, 1 coupling, 1 comment with commands\n" {
			t.Fatalf("exit %d: %s%s", code, out, errs)
		}
		if _, now := gh.Counts(); now != wrote {
			t.Errorf("%d writes", now-wrote)
		}
		if after := shown(gh, repo, 3); after != before {
			t.Errorf("shown before\n%s\nafter\n%s", before, after)
		}
	})
}

// shown is all that people see of relbot.
func shown(gh *ghsim.GitHub, repo coupling.Repo, pulls int) string {
	var b strings.Builder
	for n := 1; n <= pulls; n++ {
		p := coupling.Pull{Repo: repo, Number: n}
		check, _ := gh.CurrentCheck(p)
		_ = json.NewEncoder(&b).Encode([]any{check, gh.Comments(p)}) // plain data
	}
	return b.String()
}

// TestRestoreOldBackup goes back to a backup from before a hold. What was acknowledged since holds again, and what relbot remembered of its checks is
// not believed. At no time does a check turn green that has to block.
func TestRestoreOldBackup(t *testing.T) {
	engines(t, func(t *testing.T, address string) {
		key, pem := appPEM(t)
		watched, green := atomic.Bool{}, atomic.Int64{}
		gh := ghsim.New(ghsim.Options{Clock: time.Now, AppID: 7, Key: &key.PublicKey, Secret: "s3cret", Inspect: func(r *http.Request, request []byte, _ int, _ []byte) {
			if watched.Load() && strings.Contains(r.URL.Path, "/check-runs") && strings.Contains(string(request), `"success"`) {
				green.Add(1)
			}
		}})
		api := httptest.NewServer(gh.Handler())
		defer api.Close()
		const repo = coupling.Repo("acme/app")
		if err := gh.CreateRepo(ghsim.RepoSpec{Name: repo, Policy: "version: 1\ncouplings: {set: {members: {a: {pr: 1}, b: {pr: 2}}, order: [a before b]}}\n", Permissions: map[string]string{"ann": "write"}}); err != nil {
			t.Fatal(err)
		}
		if err := gh.Install(repo); err != nil {
			t.Fatal(err)
		}
		env := []string{"RELBOT_DATABASE_URL=" + address, "RELBOT_GITHUB_API_URL=" + api.URL, "RELBOT_GITHUB_APP_ID=7", "RELBOT_GITHUB_PRIVATE_KEY=" + string(pem), "RELBOT_WEBHOOK_SECRET=s3cret", "RELBOT_DEBOUNCE=1ms"}
		one := coupling.Pull{Repo: repo, Number: 1}
		rest := func(i *instance, title string) {
			t.Helper()
			until(t, title, func() bool {
				gh.Flush(t.Context(), i.post)
				out, _, _ := relbot(t, "jobs", "--all", "--database-url", address)
				c, ok := gh.CurrentCheck(one)
				return gh.Pending() == 0 && out == "nothing fails\n" && ok && strings.HasPrefix(c.Title, title)
			})
		}
		server := startServer(t, env)
		for n := 1; n <= 2; n++ {
			if err := gh.Open(ghsim.OpenSpec{Repo: repo, Number: n, By: "ann", Title: "T", Files: map[string]*string{fmt.Sprint("f", n): text("x")}}); err != nil {
				t.Fatal(err)
			}
		}
		rest(server, "Passed:")
		file := filepath.Join(t.TempDir(), "backup")
		if out, errs, code := relbot(t, "db", "backup", file, "--database-url", address); code != exitFine {
			t.Fatal(out, errs)
		}
		if s := time.Now().Second(); s >= 48 { // notes show minutes: none may end between the two runs
			time.Sleep(time.Duration(60-s) * time.Second)
		}
		gh.Comment(ghsim.CommentSpec{Pull: one, By: "ann", Body: "/relbot hold until Monday"})
		rest(server, "Blocked:")
		server.stop(t)
		before := shown(gh, repo, 2)
		until(t, "restored", func() bool { // PostgreSQL notices a moment later that the server is gone
			_, _, code := relbot(t, "db", "restore", file, "--force", "--database-url", address)
			return code == exitFine
		})
		watched.Store(true)
		server = startServer(t, env)
		rest(server, "Blocked:")
		server.stop(t)
		if after := shown(gh, repo, 2); after != before {
			t.Errorf("shown before\n%s\nafter\n%s", before, after)
		}
		if n := green.Load(); n > 0 {
			t.Errorf("%d checks turned green", n)
		}
	})
}
