package ghapp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
)

// SignIn lets people sign in with GitHub, by the App's own web flow. Package oauth2 does the exchange, PKCE and the reading of GitHub's answers,
// which report failures with status 200.
type SignIn struct {
	s      Settings
	config oauth2.Config
}

// NewSignIn makes a SignIn for the App with a client id. Of the settings APIURL and HTTP are used.
func NewSignIn(s Settings, clientID, secret string) (*SignIn, error) {
	app, err := New(Settings{APIURL: s.APIURL, HTTP: s.HTTP, Token: "none", Cache: s.Cache})
	if err != nil {
		return nil, err
	}
	web := WebURL(s.APIURL)
	return &SignIn{app.s, oauth2.Config{ClientID: clientID, ClientSecret: secret, Endpoint: oauth2.Endpoint{
		AuthURL: web + "/login/oauth/authorize", TokenURL: web + "/login/oauth/access_token", AuthStyle: oauth2.AuthStyleInParams,
	}}}, nil
}

// URL is where a person is sent to sign in. GitHub leads back to redirect with the state and a code; verifier is PKCE's, and is
// needed again for the exchange.
func (s *SignIn) URL(redirect, state, verifier string) string {
	c := s.config
	c.RedirectURL = redirect
	return c.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier))
}

// Exchange turns a code into a person. An error is a [forge.RetryError] where GitHub did not answer, and [forge.ErrRejected] where it did not
// take the code.
func (s *SignIn) Exchange(ctx context.Context, redirect, code, verifier string) (forge.Viewer, error) {
	c := s.config
	c.RedirectURL = redirect
	ctx = context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: s.s.HTTP, Timeout: requestTimeout})
	token, err := c.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	var said *oauth2.RetrieveError
	switch {
	case errors.As(err, &said) && (said.ErrorCode != "" || said.Response.StatusCode < 500):
		return forge.Viewer{}, fmt.Errorf("sign-in: %w: %s", forge.ErrRejected, said.ErrorCode) // its body may hold what is secret
	case err != nil:
		return forge.Viewer{}, fmt.Errorf("sign-in: %w", &forge.RetryError{Err: errors.New("GitHub did not answer")})
	}
	v := forge.Viewer{Token: token.AccessToken, Life: time.Duration(token.ExpiresIn) * time.Second}
	ans, err := s.as(v.Token).query(ctx, "", "query { viewer { login } }", nil)
	if err != nil {
		return forge.Viewer{}, fmt.Errorf("sign-in: %w", err)
	}
	var who struct {
		Login string `json:"login"`
	}
	if err := json.Unmarshal(ans.Data["viewer"], &who); err != nil || who.Login == "" {
		return forge.Viewer{}, fmt.Errorf("sign-in: %w", &forge.RetryError{Err: errors.New("GitHub did not say who that is")})
	}
	v.Login = who.Login
	return v, nil
}

// as asks GitHub for a person.
func (s *SignIn) as(token string) *App {
	o := s.s
	o.Token = token
	return &App{s: o, graphql: GraphQLURL(o.APIURL), cache: o.Cache}
}

// Readable says which repositories the holder of a token may read now. A repository is known by its id: another that took over its name is
// not it. An error, [forge.ErrToken] among them, says that nothing is known.
func (s *SignIn) Readable(ctx context.Context, token string, repos []forge.Repository) (map[coupling.Repo]bool, error) {
	out := map[coupling.Repo]bool{}
	app := s.as(token)
	return out, batches(ctx, app, ofReadable, repos, func(r forge.Repository) coupling.Repo { return r.Name }, func(ctx context.Context, part []forge.Repository) error {
		var v variables
		var b strings.Builder
		for i, r := range part {
			fmt.Fprintf(&b, "%s { databaseId }\n", v.repositoryOf(fmt.Sprintf("r%d", i), r.Name))
		}
		ans, err := app.query(ctx, "", v.declare()+" {\n"+b.String()+"}", v.values)
		if err != nil {
			return err
		}
		for i, r := range part {
			var found *struct {
				ID int64 `json:"databaseId"`
			}
			if raw := ans.Data[fmt.Sprintf("r%d", i)]; len(raw) > 0 && json.Unmarshal(raw, &found) == nil && found != nil && found.ID == r.ID {
				out[r.Name] = true
			}
		}
		return nil
	})
}

// Revoke ends a token.
func (s *SignIn) Revoke(ctx context.Context, token string) error {
	body, err := json.Marshal(map[string]string{"access_token": token})
	if err != nil {
		return err
	}
	u := s.s.APIURL + "/applications/" + url.PathEscape(s.config.ClientID) + "/token"
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, u, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.SetBasicAuth(s.config.ClientID, s.config.ClientSecret)
	req.Header.Set("Accept", "application/vnd.github+json")
	res, err := (&http.Client{Transport: s.s.HTTP, Timeout: requestTimeout}).Do(req)
	if err != nil {
		return errors.New("revoke: GitHub did not answer") // the request holds secrets
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 && res.StatusCode != http.StatusNotFound {
		return fmt.Errorf("revoke: %s", res.Status)
	}
	return nil
}
