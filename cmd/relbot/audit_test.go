package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/store/engine"
)

func TestAudit(t *testing.T) {
	address := "sqlite:" + filepath.Join(t.TempDir(), "relbot.db")
	st, err := engine.Open(t.Context(), address) // as a server that goes on running
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	at := time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)
	for i, repo := range []string{"acme/app", "acme/docs"} {
		if _, err := st.Log(t.Context(), store.Audit{At: at.AddDate(0, 0, i), Repo: repo, Pull: 7 + i, Actor: "ann", Action: "hold", Detail: `{"command":"/relbot hold until Monday","head":"0123456789abcdef"}`, Key: repo}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "2026-04-01T12:00:00Z  acme/app#7  ann  hold  \"/relbot hold until Monday\" for 0123456789\n2026-04-02T12:00:00Z  acme/docs#8  ann  hold  \"/relbot hold until Monday\" for 0123456789\n"},
		{[]string{"--repo", "acme/docs"}, "2026-04-02T12:00:00Z  acme/docs#8  ann  hold  \"/relbot hold until Monday\" for 0123456789\n"},
		{[]string{"--since", "2026-04-02", "--format", "json"}, `{"at":"2026-04-02T12:00:00Z","repo":"acme/docs","pr":8,"actor":"ann","action":"hold","command":"/relbot hold until Monday","head":"0123456789abcdef"}` + "\n"},
	} {
		if out, errs, code := relbot(t, append([]string{"audit", "--database-url", address}, c.args...)...); code != exitFine || out != c.want {
			t.Errorf("%v: exit %d: got\n%s%s, want\n%s", c.args, code, out, errs, c.want)
		}
	}
	// The same by what names the server's settings: they are read for the database alone, and need no key.
	state := t.TempDir()
	config := filepath.Join(state, "relbot.yml")
	if err := os.WriteFile(config, []byte("github_app_id: 1\ndatabase_url: "+address+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"--state", state}, {"--config", config}} {
		for _, command := range [][]string{{"audit"}, {"jobs"}, {"db", "check"}} {
			if out, errs, code := relbot(t, append(command, args...)...); code != exitFine || out == "" {
				t.Errorf("%q %q: exit %d: %s %s", command, args, code, out, errs)
			}
		}
	}
	for _, args := range [][]string{{"jobs", "--state", config}, {"audit", "--config", config + "x"}, {"db", "migrate", "--dry-run", "--config", config + "x"}} {
		if _, errs, code := relbot(t, args...); code != exitUsage || !strings.Contains(errs, "is not a directory") && !strings.Contains(errs, "no such file: correct the path") {
			t.Errorf("%q: exit %d: %s", args, code, errs)
		}
	}
	if _, errs, code := relbot(t, "audit", "--database-url", "sqlite:"+filepath.Join(t.TempDir(), "none.db")); code != exitUnknown || !strings.Contains(errs, "none.db") {
		t.Errorf("no database: exit %d: %s", code, errs)
	}
	if _, _, code := relbot(t, "audit", "--since", "yesterday"); code != exitUsage {
		t.Errorf("no date: exit %d", code)
	}
}
