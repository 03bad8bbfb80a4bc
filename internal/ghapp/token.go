package ghapp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
)

// purpose is what a token is for. Each token may do what its purpose needs and no more, whatever the installation granted, and one that
// writes may write in one repository.
type purpose string

const (
	forReading purpose = "reading"
	forChecks  purpose = "checks"
	forNotes   purpose = "notes" // comments and issues
)

// needs are the permissions of a purpose. Contents are read, never written.
var needs = map[purpose]map[string]string{
	forReading: {"metadata": "read", "contents": "read", "pull_requests": "read", "issues": "read", "checks": "read", "statuses": "read", "merge_queues": "read"},
	forChecks:  {"metadata": "read", "contents": "read", "checks": "write", "statuses": "write"},
	forNotes:   {"metadata": "read", "issues": "write", "pull_requests": "write"},
}

// narrowed is what a purpose needs as far as it was granted: asking for more is refused.
func narrowed(p purpose, granted map[string]string) map[string]string {
	out := map[string]string{}
	for name, level := range needs[p] {
		if has := granted[name]; has == level || has == "write" || has == "admin" {
			out[name] = level
		}
	}
	return out
}

// tokenLife is for how long a token is used. GitHub's live for an hour; whose clock says so does not matter here.
const tokenLife = 50 * time.Minute

// tokenKey says whose token it is, and for what.
type tokenKey struct {
	installation int64
	purpose      purpose
	repo         coupling.Repo // "" for all of the installation's
}

type token struct {
	mu     sync.Mutex // held while one is minted, so that those who need it too wait for it
	secret string
	minted time.Time
}

// authorized sends requests with an installation's token.
type authorized struct {
	app *App
	key tokenKey
}

func (t authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	secret, err := t.app.token(r.Context(), t.key)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "token "+secret)
	res, err := t.app.s.HTTP.RoundTrip(r)
	if err == nil && res.StatusCode == http.StatusUnauthorized {
		t.app.drop(t.key, secret)
	}
	return res, err
}

// drop forgets a token that GitHub does not take.
func (a *App) drop(key tokenKey, secret string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t := a.tokens[key]; t != nil && t.secret == secret {
		delete(a.tokens, key)
	}
}

// token returns a token, minted now when there is none.
func (a *App) token(ctx context.Context, key tokenKey) (string, error) {
	a.mu.Lock()
	t := a.tokens[key]
	if t == nil {
		t = &token{}
		a.tokens[key] = t
	}
	granted := a.granted[key.installation]
	a.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.secret != "" && time.Since(t.minted) < tokenLife {
		return t.secret, nil
	}
	in := struct {
		Permissions  map[string]string `json:"permissions,omitempty"`
		Repositories []string          `json:"repositories,omitempty"`
	}{Permissions: narrowed(key.purpose, granted)}
	if key.repo != "" {
		in.Repositories = []string{key.repo.Name()}
	}
	var out struct {
		Token string `json:"token"`
	}
	err := a.rest(ctx, "", http.MethodPost, fmt.Sprintf("app/installations/%d/access_tokens", key.installation), in, &out)
	var retry *forge.RetryError
	switch {
	case errors.Is(err, forge.ErrGone): // 403 suspended, 404 removed
		return "", fmt.Errorf("no token: %w", forge.ErrSuspended)
	case errors.Is(err, forge.ErrRejected): // the repository was renamed or removed, or a permission withdrawn
		return "", &forge.RetryError{Err: fmt.Errorf("no token for %s in %s: GitHub grants less than before, or the repository has another name", key.purpose, key.repo)}
	case errors.As(err, &retry): // nothing but the token was asked for: what it was for did not happen
		return "", &forge.RetryError{After: retry.After, Err: fmt.Errorf("no token: %v", err)}
	case err != nil:
		return "", err
	}
	t.secret, t.minted = out.Token, time.Now()
	return t.secret, nil
}

// grant remembers what an installation granted. Tokens from before a change are not used any more.
func (a *App) grant(installation int64, permissions map[string]string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known, ok := a.granted[installation]; ok && !maps.Equal(known, permissions) {
		maps.DeleteFunc(a.tokens, func(k tokenKey, _ *token) bool { return k.installation == installation })
	}
	a.granted[installation] = permissions
}
