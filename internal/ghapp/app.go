// Package ghapp speaks to GitHub as an App and translates its objects into relbot's.
//
// It is the only importer of go-github and ghinstallation. Both are used for what they do well (requests, pagination headers, the App's own
// signature); what they lack in the version that is fixed here stays outside. GraphQL is a small client of its own, and rate limits
// are recognised here (also 429). Objects that embed a repository are decoded into small structs, since the library fails on custom properties with several values.
//
// Reads come in batches: one GraphQL query answers for many pull requests or files by aliases, and user text travels in variables only.
// Content is addressed by commit and blob ids, which never change their meaning, so its cache is never stale; conditional requests were
// refused, because GitHub binds an ETag to the token, and tokens change every hour. Nothing here waits: a limit, which package budget
// keeps, becomes a [forge.RetryError] and the work queue waits.
//
// Each token may do what its purpose needs, and one that writes does so in one repository. The library's own keeper of tokens was left for
// that: it knows no permission for merge queues, and one clock too many.
package ghapp

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bradleyfalzon/ghinstallation/v2"
	"github.com/golang-jwt/jwt/v4"
	"github.com/google/go-github/v62/github"

	"github.com/relbot/relbot/internal/budget"
	"github.com/relbot/relbot/internal/cache"
	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
)

// Settings say which GitHub and which App.
type Settings struct {
	APIURL string            // REST, taken literally, without a slash at the end
	AppID  int64             //
	Key    []byte            // PEM
	HTTP   http.RoundTripper // nil is [Transport]
	Log    *slog.Logger
	// Cache keeps what never changes; nil is one in memory.
	Cache *cache.Cache
	Now   func() time.Time // nil is the wall clock
	// Token is a token to use for everything in place of the App's own, as in a CI job.
	Token string
}

// App is a GitHub App.
type App struct {
	s       Settings
	api     *url.URL
	graphql string
	app     http.RoundTripper // signs as the App

	mu       sync.Mutex
	installs map[coupling.Repo]int64
	found    map[coupling.Repo]time.Time // when the installation of a repository was looked up alone
	doubted  map[coupling.Repo]bool      // whose installation is to be looked up again
	granted  map[int64]map[string]string // permissions, by installation
	tokens   map[tokenKey]*token
	login    string
	made     time.Time // when the App was registered; known with login

	tags map[coupling.Repo]*tagList

	budget   budget.Budget
	portions portions

	cache *cache.Cache
}

// requestTimeout bounds a request with its answer.
const requestTimeout = 30 * time.Second

// New makes an App. It does no I/O.
func New(s Settings) (*App, error) {
	s.APIURL = strings.TrimSuffix(s.APIURL, "/")
	u, err := url.Parse(s.APIURL + "/")
	if err != nil {
		return nil, fmt.Errorf("API URL %q: %w", s.APIURL, err)
	}
	if s.HTTP == nil {
		s.HTTP = Transport()
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	a := &App{s: s, api: u, graphql: GraphQLURL(s.APIURL), installs: map[coupling.Repo]int64{}, found: map[coupling.Repo]time.Time{}, doubted: map[coupling.Repo]bool{}, granted: map[int64]map[string]string{}, tokens: map[tokenKey]*token{}, tags: map[coupling.Repo]*tagList{}, cache: s.Cache}
	if a.cache == nil {
		if a.cache, err = cache.Open(cache.Options{}); err != nil {
			return nil, err
		}
	}
	if s.Token != "" {
		return a, nil
	}
	key, err := jwt.ParseRSAPrivateKeyFromPEM(s.Key)
	if err != nil {
		return nil, fmt.Errorf("the App's private key: %w", err)
	}
	t, err := ghinstallation.NewAppsTransportWithOptions(s.HTTP, s.AppID, ghinstallation.WithSigner(&signer{key: key}))
	if err != nil {
		return nil, err
	}
	t.BaseURL = s.APIURL
	a.app = t
	return a, nil
}

// signer signs the App's tokens with a key that is parsed once. A signature costs more than most requests, so that a token serves all
// requests of the next seconds too.
type signer struct {
	key *rsa.PrivateKey

	mu      sync.Mutex
	token   string
	expires time.Time
}

// tokenReuse is for how long a token is used again: half of the time that it has to live.
const tokenReuse = 45 * time.Second

func (s *signer) Sign(claims jwt.Claims) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	registered, ok := claims.(*jwt.RegisteredClaims)
	if ok && s.token != "" && registered.ExpiresAt.Sub(s.expires) < tokenReuse {
		return s.token, nil
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(s.key)
	if ok && err == nil {
		s.token, s.expires = token, registered.ExpiresAt.Time
	}
	return token, err
}

// transport authenticates as the App on a repository's installation, or as the App itself for "", and keeps GitHub's limits.
func (a *App) transport(ctx context.Context, repo coupling.Repo, p purpose) (limited, error) {
	if a.s.Token != "" {
		return limited{bearer{a.s.HTTP, a.s.Token}, a, 0}, nil
	}
	if repo == "" {
		return limited{a.app, a, 0}, nil
	}
	id, err := a.installation(ctx, repo)
	if err != nil {
		return limited{}, err
	}
	key := tokenKey{installation: id, purpose: p}
	if p != forReading {
		key.repo = repo
	}
	return limited{installed{authorized{a, key}, id}, a, id}, nil
}

// installed sends requests as an installation, and says so in their context.
type installed struct {
	next http.RoundTripper
	id   int64
}

func (i installed) RoundTrip(r *http.Request) (*http.Response, error) {
	return i.next.RoundTrip(r.WithContext(context.WithValue(r.Context(), accountKey{}, i.id)))
}

type accountKey struct{}

// Account says as whom a request of this package is made: the id of an installation, or "app". It is for transports below it.
func Account(ctx context.Context) string {
	if id, ok := ctx.Value(accountKey{}).(int64); ok {
		return strconv.FormatInt(id, 10)
	}
	return "app"
}

// Transport is the one that is used where [Settings] name none.
func Transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = requestTimeout
	t.MaxIdleConnsPerHost = 16
	return t
}

// bearer sends a fixed token.
type bearer struct {
	next  http.RoundTripper
	token string
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(r)
}

// installation finds the installation that covers a repository. One that is in doubt stays the best guess while GitHub does not tell another. A pass
// has to be revoked though nothing can be read.
func (a *App) installation(ctx context.Context, repo coupling.Repo) (int64, error) {
	a.mu.Lock()
	id, ok := a.installs[repo]
	doubted := a.doubted[repo]
	a.mu.Unlock()
	if ok && !doubted {
		return id, nil
	}
	var out struct {
		grantJSON
		ID          int64   `json:"id"`
		SuspendedAt *string `json:"suspended_at"`
	}
	err := a.rest(ctx, "", http.MethodGet, "repos/"+string(repo)+"/installation", nil, &out)
	switch {
	case err == nil && out.SuspendedAt != nil:
		a.forget(repo)
		return 0, fmt.Errorf("%s: %w", repo, forge.ErrSuspended)
	case err == nil:
		a.grant(out.ID, out.Permissions)
		id = out.ID
	case !ok || errors.Is(err, context.Canceled):
		return 0, fmt.Errorf("%s: installation: %w", repo, err)
	}
	a.mu.Lock()
	a.installs[repo], a.found[repo] = id, a.s.Now()
	delete(a.doubted, repo)
	a.mu.Unlock()
	return id, nil
}

// forget drops what is remembered of a repository's installation, after an answer that says it is not true any more.
func (a *App) forget(repo coupling.Repo) {
	a.mu.Lock()
	delete(a.installs, repo)
	delete(a.doubted, repo)
	a.mu.Unlock()
}

// doubt is forget for an answer that may also mean something else, like a missing comment: a repository that was transferred has another
// installation. Nobody is asked that twice a minute.
func (a *App) doubt(repo coupling.Repo) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.s.Now().Sub(a.found[repo]) >= time.Minute {
		a.doubted[repo] = true
	}
}

// rest sends a REST request as a repository's installation ("" is the App itself) and decodes the answer into out.
func (a *App) rest(ctx context.Context, repo coupling.Repo, method, path string, in, out any) error {
	_, err := a.page(ctx, repo, method, path, in, out)
	return err
}

// page also returns the response, for its pagination.
func (a *App) page(ctx context.Context, repo coupling.Repo, method, path string, in, out any) (*github.Response, error) {
	t, err := a.transport(ctx, repo, purposeOf(method, path))
	if err != nil {
		return nil, err
	}
	// A client a request: go-github's own memory of limits would refuse locally by the wall clock.
	client := github.NewClient(&http.Client{Transport: t, Timeout: requestTimeout})
	client.BaseURL = a.api
	req, err := client.NewRequest(method, path, in)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(ctx, req, out)
	if wide := err != nil && isDivisible(ctx); wide && (res == nil && tooLong(0, err) || res != nil && tooLong(res.StatusCode, nil)) {
		return res, fmt.Errorf("%s %s: %w", method, path, &forge.RetryError{Err: fmt.Errorf("%w: %w", errTooMuch, err)})
	}
	var accepted *github.AcceptedError // 202: the library takes it for an error
	if errors.As(err, &accepted) {
		return res, nil
	}
	if err != nil {
		err = a.translate(method != http.MethodGet, res, err)
		var said *github.ErrorResponse
		if errors.Is(err, forge.ErrGone) && errors.As(err, &said) {
			err = a.refusedBy(repo, routeOf(method, path), res.StatusCode, said.Message, method != http.MethodGet)
		}
		switch {
		case repo == "":
		case errors.Is(err, forge.ErrSuspended):
			a.forget(repo)
		case errors.Is(err, forge.ErrGone):
			a.doubt(repo)
		}
		return res, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return res, nil
}

// translate turns an error into one that callers tell apart. write says whether something may have happened when the
// answer is missing.
func (a *App) translate(write bool, res *github.Response, err error) error {
	if res == nil || res.Response == nil {
		return a.classify(0, nil, write, err)
	}
	return a.classify(res.StatusCode, res.Header, write, err)
}

// classify judges an answer by its status; 0 is none. Refusals for a limit are [limited]'s.
func (a *App) classify(status int, header http.Header, write bool, err error) error {
	var waits *forge.RetryError // not sent: for want of a token, or for a limit
	if errors.As(err, &waits) {
		return waits
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, forge.ErrSuspended) {
		return err
	}
	switch {
	case status == 0:
		if write {
			err = fmt.Errorf("%w: %w", forge.ErrUnanswered, err)
		}
		return &forge.RetryError{Err: err}
	case status >= 500:
		return &forge.RetryError{After: budget.Asked(header), Err: err}
	case status == http.StatusUnauthorized:
		return &forge.RetryError{Err: fmt.Errorf("%w: %w", forge.ErrToken, err)}
	case status == http.StatusForbidden, status == http.StatusNotFound, status == http.StatusGone, status == http.StatusUnavailableForLegalReasons:
		return fmt.Errorf("%w: %w", forge.ErrGone, err)
	case status >= 400:
		return rejected(err)
	default: // the answer broke off
		if write {
			err = fmt.Errorf("%w: %w", forge.ErrUnanswered, err)
		}
		return &forge.RetryError{Err: err}
	}
}

// rejected is the error of a request that GitHub refuses for what it says.
func rejected(err error) error {
	if strings.Contains(strings.ToLower(err.Error()), "no commit found for sha") {
		return &forge.RetryError{Err: fmt.Errorf("%w: %w", forge.ErrNoCommit, err)}
	}
	return fmt.Errorf("%w: %w", forge.ErrRejected, err)
}

// purposeOf is what a REST request is for.
func purposeOf(method, path string) purpose {
	switch {
	case method == http.MethodGet:
		return forReading
	case strings.Contains(path, "/check-runs"), strings.Contains(path, "/statuses/"):
		return forChecks
	}
	return forNotes
}

// bot is the App's own login, "slug[bot]".
func (a *App) bot(ctx context.Context) (string, error) {
	a.mu.Lock()
	login, made := a.login, a.made
	a.mu.Unlock()
	if login != "" {
		return login, nil
	}
	if a.s.Token != "" {
		login = "github-actions[bot]"
	} else {
		var out struct {
			Slug      string    `json:"slug"`
			CreatedAt time.Time `json:"created_at"`
		}
		if err := a.rest(ctx, "", http.MethodGet, "app", nil, &out); err != nil {
			return "", err
		}
		login, made = out.Slug+"[bot]", out.CreatedAt
	}
	a.mu.Lock()
	a.login, a.made = login, made
	a.mu.Unlock()
	return login, nil
}

// Slug returns the App's name, by which people address it.
func (a *App) Slug(ctx context.Context) (string, error) {
	login, err := a.bot(ctx)
	return strings.TrimSuffix(login, "[bot]"), err
}

// all reads every page of a list; more is called for each and says whether to go on.
func all[T any](ctx context.Context, a *App, repo coupling.Repo, path string, more func([]T) bool) error {
	return list(ctx, a, repo, path, func(page []T) []T { return page }, more)
}

// list is all for a list that is a part of the page.
func list[P, T any](ctx context.Context, a *App, repo coupling.Repo, path string, of func(P) []T, more func([]T) bool) error {
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	done := 0
	err := a.pages(ctx, ofLists, repo, func(ctx context.Context, size int) (bool, error) {
		var page P
		res, err := a.page(ctx, repo, http.MethodGet, fmt.Sprintf("%s%sper_page=%d&page=%d", path, sep, size, done/size+1), nil, &page)
		if err != nil {
			return false, err
		}
		items := of(page)
		fresh := items[min(done%size, len(items)):] // where pages became smaller, one may begin before the end of the last
		done += len(fresh)
		return more(fresh) && res.NextPage != 0, nil
	})
	if errors.Is(err, errTooLong) {
		return fmt.Errorf("%s: more than %d pages", path, maxPages)
	}
	return err
}

// maxPages bounds every list, in pages of the usual size.
const maxPages = 300
