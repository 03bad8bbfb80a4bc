package setup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/forge"
)

// TestWriteOverNothing: a file that holds something else stays, and the settings do not name it; written twice is written once.
func TestWriteOverNothing(t *testing.T) {
	dir := t.TempDir()
	s := settingsFile{
		Path: filepath.Join(dir, "relbot.yml"), PublicURL: "https://r.example", APIURL: "https://api.github.com/",
		Credentials: forge.Credentials{ID: 7, Slug: "relbot-acme", Key: []byte("key\n"), WebhookSecret: "hook", ClientID: "Iv1", ClientSecret: "client"},
	}
	key := filepath.Join(dir, "app-7.pem")
	if err := os.WriteFile(key, []byte("another's"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Path, []byte("debounce: 1s"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.write(time.Now()); err == nil || !strings.Contains(err.Error(), "app-7.pem exists and holds something else: move it away") {
		t.Errorf("%v", err)
	}
	read := func(path string) string {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if read(key) != "another's" || read(s.Path) != "debounce: 1s" {
		t.Error("something was written over")
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	s.InFile = func(name string) bool { return name == "public_url" }
	for range 2 {
		if err := s.write(time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	text := read(s.Path)
	if !strings.HasPrefix(text, "debounce: 1s\n") || strings.Count(text, "github_app_id: 7\n") != 1 || strings.Contains(text, "public_url") || !strings.Contains(text, "github_api_url: \"https://api.github.com\"\n") {
		t.Errorf("%s", text)
	}
}
