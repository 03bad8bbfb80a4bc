package ghsim_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/ghsim/ghspec"
)

// TestManifestFlow registers an App as a browser and a program do it together.
func TestManifestFlow(t *testing.T) {
	now := time.Now()
	gh := ghsim.New(ghsim.Options{Clock: func() time.Time { return now }, Unregistered: true, Inspect: ghspec.New(t)})
	api, web := httptest.NewServer(gh.Handler()), httptest.NewServer(gh.Pages())
	defer api.Close()
	defer web.Close()
	client := github.NewClient(nil)
	client.BaseURL, _ = url.Parse(api.URL + "/")
	stop := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	post := func(path string, form url.Values) (int, string, string) {
		res, err := stop.PostForm(web.URL+path, form)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(body), res.Header.Get("Location")
	}
	const manifest = `{"name":"Rel <bot>","url":"https://r.example","redirect_url":"https://r.example/cb?x=1","hook_attributes":{"url":"https://r.example/webhook"},"default_events":["push"],"default_permissions":{"contents":"read"}}`
	for text, want := range map[string]string{
		`{"name":"x","redirect_url":"https://r.example"}`:                                          "url is missing",
		`{"url":"https://r.example"}`:                                                              "redirect_url is missing",
		`{"url":"https://r.example","redirect_url":"https://r.example","webhook":1}`:               "unknown field",
		strings.Replace(manifest, `"push"`, `"installation"`, 1):                                   "installation",
		strings.Replace(manifest, `"hook_attributes":{"url":"https://r.example/webhook"},`, "", 1): "events need a webhook",
	} {
		if code, body, _ := post("/settings/apps/new?state=s", url.Values{"manifest": {text}}); code != http.StatusUnprocessableEntity || !strings.Contains(body, want) {
			t.Errorf("%s: %d, without %q", text, code, want)
		}
	}
	code, body, _ := post("/organizations/acme/settings/apps/new?state=s", url.Values{"manifest": {manifest}})
	if code != http.StatusOK || !strings.Contains(body, "for acme") || !strings.Contains(body, "Rel &lt;bot&gt;") {
		t.Errorf("the page: %d %s", code, body)
	}
	form := url.Values{"manifest": {manifest}, "state": {"s"}, "account": {"acme"}, "name": {"Rel bot"}}
	code, _, to := post("/settings/apps/manifest", form)
	back, err := url.Parse(to)
	if code != http.StatusFound || err != nil || back.Host != "r.example" || back.Query().Get("state") != "s" || back.Query().Get("x") != "1" {
		t.Fatalf("%d %s %v", code, to, err)
	}
	if code, body, _ := post("/settings/apps/manifest", form); code != http.StatusUnprocessableEntity || !strings.Contains(body, "already taken") {
		t.Errorf("the same name again: %d", code)
	}
	convert := func(code string) (*github.AppConfig, int) {
		a, res, _ := client.Apps.CompleteAppManifest(ctx, code)
		return a, res.StatusCode
	}
	if _, code := convert("wrong"); code != http.StatusNotFound {
		t.Errorf("a wrong code: %d", code)
	}
	now = now.Add(61 * time.Minute)
	if _, code := convert(back.Query().Get("code")); code != http.StatusNotFound {
		t.Errorf("an old code: %d", code)
	}
	now = now.Add(-time.Hour)
	app, code := convert(back.Query().Get("code"))
	if code != http.StatusCreated || app.GetSlug() != "rel-bot" || app.GetOwner().GetLogin() != "acme" || !strings.HasPrefix(app.GetPEM(), "-----BEGIN RSA") || app.GetWebhookSecret() == "" || app.GetClientSecret() == "" {
		t.Errorf("%d %+v", code, app)
	}
	if _, code := convert(back.Query().Get("code")); code != http.StatusNotFound {
		t.Errorf("a code used twice: %d", code)
	}
	// The ping is signed with the App's own secret.
	if gh.HookURL() != "https://r.example/webhook" {
		t.Error(gh.HookURL())
	}
	n := gh.Flush(ctx, func(_ context.Context, d ghsim.Delivery) (int, error) {
		if d.Event != "ping" || github.ValidateSignature(d.Header.Get("X-Hub-Signature-256"), d.Body, []byte(app.GetWebhookSecret())) != nil {
			t.Errorf("%s %s", d.Event, fmt.Sprint(d.Header))
		}
		return http.StatusAccepted, nil
	})
	if n != 1 {
		t.Errorf("%d deliveries", n)
	}
}
