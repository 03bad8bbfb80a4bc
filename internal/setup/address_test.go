package setup_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/deploy"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/ghapp"
	"github.com/relbot/relbot/internal/setup"
)

// recorder takes the place of GitHub: it notes which address was asked, and hands out credentials at the right one alone.
type recorder struct{ want, asked string }

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.asked = req.URL.Scheme + "://" + req.URL.Host + req.URL.Path
	status, body := http.StatusCreated, `{"id":7,"slug":"relbot","client_id":"c","client_secret":"s","webhook_secret":"w","pem":"k"}`
	if r.asked != r.want {
		status, body = http.StatusNotFound, `{"message":"Not Found"}`
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
}

var action = regexp.MustCompile(`action="([^"]*/settings/apps/new)\?state=([^"]*)"`)

// TestEachGitHub registers the App at each form of GitHub. The browser goes to its pages, and the code is turned into credentials at its API.
// Asked of another host, the App that was made there would stay behind without an owner of its key.
func TestEachGitHub(t *testing.T) {
	for _, c := range []struct{ web, api string }{
		{"https://github.com", "https://api.github.com"},
		{"https://octocorp.ghe.com", "https://api.octocorp.ghe.com"},
		{"https://github.example.com", "https://github.example.com/api/v3"},
	} {
		t.Run(c.web, func(t *testing.T) {
			github := &recorder{want: c.api + "/app-manifests/code/conversions"}
			config := filepath.Join(t.TempDir(), "relbot.yml")
			link := ""
			s := setup.New(setup.Options{
				Config: config, Manifest: deploy.Manifest, Announce: func(path string) { link = path }, APIURL: ghapp.APIURL, Log: slog.New(slog.DiscardHandler), Now: time.Now,
				Convert: func(ctx context.Context, apiURL, code string) (forge.Credentials, error) {
					return ghapp.Convert(ctx, apiURL, code, github)
				},
				Open: func() (setup.Checks, error) { return setup.Checks{}, errors.New("not looked at here") },
			})
			server := httptest.NewServer(s)
			defer server.Close()
			jar, err := cookiejar.New(nil)
			if err != nil {
				t.Fatal(err)
			}
			browser := &http.Client{Jar: jar}
			page := func(res *http.Response, err error) string {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				text, err := io.ReadAll(res.Body)
				if err != nil {
					t.Fatal(err)
				}
				return string(text)
			}
			page(browser.Get(server.URL + link))
			sent := page(browser.PostForm(server.URL+"/setup/register", url.Values{"web": {c.web}, "account": {"octo"}, "name": {"relbot"}, "public_url": {"https://relbot.example.org"}}))
			m := action.FindStringSubmatch(sent)
			if m == nil || m[1] != c.web+"/organizations/octo/settings/apps/new" {
				t.Fatalf("the browser goes to %q:\n%s", m, sent)
			}
			page(browser.Get(server.URL + "/setup/callback?code=code&state=" + m[2]))
			if github.asked != github.want {
				t.Errorf("asked %s for the credentials, want %s", github.asked, github.want)
			}
			text, err := os.ReadFile(config)
			if want := "github_api_url: \"" + c.api + "\"\n"; err != nil || !strings.Contains(string(text), want) {
				t.Errorf("the settings lack %q: %s %v", want, text, err)
			}
		})
	}
}
