package ghapp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
)

// grantJSON is what both an App and an installation tell of permissions and events.
type grantJSON struct {
	Permissions map[string]string `json:"permissions"`
	Events      []string          `json:"events"`
}

func (g grantJSON) grant() forge.Grant { return forge.Grant(g) }

type accountJSON struct {
	Login string `json:"login"`
	Slug  string `json:"slug"` // of an enterprise, which has no login
}

func (a accountJSON) name() string {
	if a.Login != "" {
		return a.Login
	}
	return a.Slug
}

// Registration reads the App itself. Its Clock is set with an error too, when GitHub answered at all.
func (a *App) Registration(ctx context.Context) (forge.Registration, error) {
	var app struct {
		grantJSON
		ID      int64       `json:"id"`
		Slug    string      `json:"slug"`
		HTMLURL string      `json:"html_url"`
		Owner   accountJSON `json:"owner"`
		Created time.Time   `json:"created_at"`
	}
	res, err := a.page(ctx, "", http.MethodGet, "app", nil, &app)
	out := forge.Registration{ID: app.ID, Slug: app.Slug, Owner: app.Owner.name(), URL: app.HTMLURL, Created: app.Created, Grant: app.grant()}
	if res != nil && res.Response != nil {
		out.Clock, _ = http.ParseTime(res.Header.Get("Date")) // zero without one
	}
	return out, err
}

// Installations lists the accounts that the App is on, the suspended ones too.
func (a *App) Installations(ctx context.Context) ([]forge.Installation, error) {
	type installation struct {
		grantJSON
		ID          int64       `json:"id"`
		HTMLURL     string      `json:"html_url"`
		Account     accountJSON `json:"account"`
		SuspendedAt *string     `json:"suspended_at"`
	}
	var out []forge.Installation
	err := all(ctx, a, "", "app/installations", func(page []installation) bool {
		for _, in := range page {
			out = append(out, forge.Installation{ID: in.ID, Account: in.Account.name(), URL: in.HTMLURL, Suspended: in.SuspendedAt != nil, Grant: in.grant()})
		}
		return true
	})
	return out, err
}

// Hook reads how the App's webhook is set.
func (a *App) Hook(ctx context.Context) (forge.Hook, error) {
	var hook struct {
		URL      string `json:"url"`
		Secret   string `json:"secret"`
		Insecure any    `json:"insecure_ssl"` // "1" or 1
	}
	err := a.rest(ctx, "", http.MethodGet, "app/hook/config", nil, &hook)
	return forge.Hook{URL: hook.URL, Secret: hook.Secret != "", Insecure: fmt.Sprint(hook.Insecure) == "1"}, err
}

// SetHook sets where the App's webhook goes and what it is signed with.
func (a *App) SetHook(ctx context.Context, url, secret string) error {
	kind, secure := "json", "0"
	return a.rest(ctx, "", http.MethodPatch, "app/hook/config", &github.HookConfig{URL: &url, Secret: &secret, ContentType: &kind, InsecureSSL: &secure}, nil)
}

// BranchRules reads what a branch requires, of rulesets and of branch protection. It takes no more than to read metadata and contents.
func (a *App) BranchRules(ctx context.Context, repo coupling.Repo, branch string) (forge.BranchRules, error) {
	type rule struct {
		Type       string `json:"type"`
		Parameters struct {
			Checks []struct {
				Context string `json:"context"`
				App     int64  `json:"integration_id"`
			} `json:"required_status_checks"`
			Method string `json:"merge_method"` // of a queue
		} `json:"parameters"`
	}
	var out forge.BranchRules
	name := url.PathEscape(branch)
	if err := all(ctx, a, repo, "repos/"+string(repo)+"/rules/branches/"+name, func(page []rule) bool {
		for _, r := range page {
			if r.Type == "merge_queue" {
				out.Queue, out.Method = true, r.Parameters.Method
			}
			for _, c := range r.Parameters.Checks {
				out.Required = append(out.Required, forge.Requirement{Check: c.Context, App: max(c.App, 0)})
			}
		}
		return true
	}); err != nil {
		return out, err
	}
	var protected struct {
		Protection struct {
			Required struct {
				Contexts []string `json:"contexts"`
				Checks   []struct {
					Context string `json:"context"`
					App     int64  `json:"app_id"`
				} `json:"checks"`
			} `json:"required_status_checks"`
		} `json:"protection"`
	}
	if err := a.rest(ctx, repo, http.MethodGet, "repos/"+string(repo)+"/branches/"+name, nil, &protected); err != nil {
		return out, err
	}
	from := map[string]int64{} // some GitHub Enterprise Servers list contexts alone
	for _, c := range protected.Protection.Required.Checks {
		from[c.Context] = max(c.App, 0) // -1 is any source too
	}
	for _, context := range protected.Protection.Required.Contexts {
		out.Required = append(out.Required, forge.Requirement{Check: context, App: from[context]})
	}
	return out, nil
}

// Convert turns the code of the manifest flow into the App's credentials. GitHub hands them out once.
func Convert(ctx context.Context, apiURL, code string, transport http.RoundTripper) (forge.Credentials, error) {
	client := github.NewClient(&http.Client{Transport: transport, Timeout: requestTimeout})
	base, err := url.Parse(strings.TrimSuffix(apiURL, "/") + "/")
	if err != nil {
		return forge.Credentials{}, err
	}
	client.BaseURL = base
	app, res, err := client.Apps.CompleteAppManifest(ctx, url.PathEscape(code))
	if res != nil && res.StatusCode == http.StatusNotFound {
		return forge.Credentials{}, fmt.Errorf("the code was used already, or is older than an hour: %w", forge.ErrGone)
	}
	if err != nil {
		return forge.Credentials{}, err
	}
	c := forge.Credentials{
		ID: app.GetID(), Slug: app.GetSlug(), ClientID: app.GetClientID(), ClientSecret: app.GetClientSecret(), WebhookSecret: app.GetWebhookSecret(), Key: []byte(app.GetPEM()),
	}
	if c.ID == 0 || len(c.Key) == 0 || c.WebhookSecret == "" {
		return forge.Credentials{}, errors.New("GitHub's answer lacks the App's id, key or webhook secret")
	}
	return c, nil
}
