package setup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/forge"
)

// settingsFile is what is written: a settings file, and next to it a file for each secret.
type settingsFile struct {
	Path              string
	PublicURL, APIURL string
	InFile            func(name string) bool // a settings file has it already
	forge.Credentials
}

// Writable reports why a settings file could not be written, without leaving anything behind but its directory.
func Writable(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".relbot-")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// write puts the secrets on disk first and the settings last, so that settings never name a file that is not there. What an existing
// settings file says stays.
func (s settingsFile) write(now time.Time) error {
	dir, err := filepath.Abs(filepath.Dir(s.Path))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	old, err := os.ReadFile(s.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if bytes.Contains(old, fmt.Appendf(nil, "\ngithub_app_id: %d\n", s.ID)) {
		return nil // it was written, and something else went wrong
	}
	var b bytes.Buffer
	if b.Write(old); len(old) > 0 && !bytes.HasSuffix(old, []byte("\n")) {
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "# The App %s, registered on %s. The files hold secrets: back them up as such.\n", s.Slug, now.UTC().Format(time.DateOnly))
	fmt.Fprintf(&b, "github_app_id: %d\n", s.ID)
	secret := func(key, suffix string, text []byte) error {
		path := filepath.Join(dir, fmt.Sprintf("app-%d.%s", s.ID, suffix))
		fmt.Fprintf(&b, "%s: %s\n", key, strconv.Quote(path))
		if have, err := os.ReadFile(path); err == nil && !bytes.Equal(have, text) {
			return fmt.Errorf("%s exists and holds something else: move it away", path)
		}
		return replace(path, text)
	}
	plain := func(key, text string) {
		if s.InFile == nil || !s.InFile(key) { // what a file says was taken for this setup too
			fmt.Fprintf(&b, "%s: %s\n", key, strconv.Quote(text))
		}
	}
	if err := secret("github_private_key_file", "pem", s.Key); err != nil {
		return err
	}
	if err := secret("webhook_secret_file", "webhook-secret", []byte(s.WebhookSecret+"\n")); err != nil {
		return err
	}
	if s.ClientID != "" && s.ClientSecret != "" {
		plain("github_client_id", s.ClientID)
		if err := secret("github_client_secret_file", "client-secret", []byte(s.ClientSecret+"\n")); err != nil {
			return err
		}
	}
	plain("public_url", s.PublicURL)
	plain("github_api_url", strings.TrimSuffix(s.APIURL, "/"))
	return replace(s.Path, b.Bytes())
}

// replace writes a file that only its owner can read, as a whole or not at all.
func replace(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".relbot-") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
