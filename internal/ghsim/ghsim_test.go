package ghsim_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"
	"github.com/google/go-github/v62/github"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/ghsim/ghspec"
)

const app = coupling.Repo("acme/app")

// world is a GitHub behind a server, with the clients of the App and of its installation on acme/app.
type world struct {
	*ghsim.GitHub
	t      *testing.T
	now    time.Time
	server *httptest.Server
	app    *github.Client
	client *github.Client
	token  string
	sent   []ghsim.Delivery
}

var key = func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
}()

func newWorld(t *testing.T, spec ghsim.RepoSpec) *world {
	t.Helper()
	return newWorldSeenBy(t, spec, ghspec.New(t))
}

func newWorldSeenBy(t *testing.T, spec ghsim.RepoSpec, inspect func(*http.Request, []byte, int, []byte)) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)}
	w.GitHub = ghsim.New(ghsim.Options{
		Clock: func() time.Time { return w.now }, AppID: 7, Key: &key.PublicKey, Secret: "secret", Inspect: inspect,
	})
	w.server = httptest.NewServer(w.Handler())
	t.Cleanup(w.server.Close)
	if spec.Name == "" {
		spec.Name = app
	}
	w.ok(w.CreateRepo(spec))
	w.ok(w.Install(spec.Name))
	w.flush()
	signed, err := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.RegisteredClaims{
		Issuer: "7", IssuedAt: jwt.NewNumericDate(w.now), ExpiresAt: jwt.NewNumericDate(w.now.Add(5 * time.Minute)),
	}).SignedString(key)
	w.ok(err)
	w.app = w.newClient(signed)
	w.login(spec.Name)
	return w
}

func (w *world) newClient(token string) *github.Client {
	c := github.NewClient(nil).WithAuthToken(token)
	u, err := c.BaseURL.Parse(w.server.URL + "/")
	w.ok(err)
	c.BaseURL = u
	return c
}

// login mints a token of the installation on a repository.
func (w *world) login(name coupling.Repo) {
	w.t.Helper()
	in, _, err := w.app.Apps.FindRepositoryInstallation(ctx, name.Owner(), name.Name())
	w.ok(err)
	token, _, err := w.app.Apps.CreateInstallationToken(ctx, in.GetID(), nil)
	w.ok(err)
	w.token = token.GetToken()
	w.client = w.newClient(w.token)
}

var ctx = context.Background()

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// flush sends the outbox into w.sent and gives "event.action" of what it sent.
func (w *world) flush() []string {
	w.sent = nil
	w.Flush(ctx, func(_ context.Context, d ghsim.Delivery) (int, error) {
		w.sent = append(w.sent, d)
		w.payload(d)
		return 200, nil
	})
	return w.names()
}

// payload holds a delivery against what go-github makes of it.
func (w *world) payload(d ghsim.Delivery) {
	w.t.Helper()
	if err := github.ValidateSignature(d.Header.Get("X-Hub-Signature-256"), d.Body, []byte("secret")); err != nil {
		w.t.Errorf("%s: %v", d.Event, err)
	}
	event, err := github.ParseWebHook(d.Event, d.Body)
	if err != nil {
		w.t.Errorf("%s: %v", d.Event, err)
	}
	e, ok := event.(interface {
		GetInstallation() *github.Installation
		GetSender() *github.User
	})
	if !ok || e.GetInstallation().GetID() == 0 || e.GetSender().GetLogin() == "" {
		w.t.Errorf("%s: no installation or no sender in %s", d.Event, d.Body)
	}
}

func (w *world) names() []string {
	var out []string
	for _, d := range w.sent {
		var p struct{ Action string }
		w.ok(json.Unmarshal(d.Body, &p))
		out = append(out, strings.TrimSuffix(d.Event+"."+p.Action, "."))
	}
	return out
}

// pass posts a passing required check on a pull request's head.
func (w *world) pass(n int) { w.t.Helper(); w.check(w.head(n), "success") }

func (w *world) head(n int) string {
	w.t.Helper()
	p, _, err := w.client.PullRequests.Get(ctx, "acme", "app", n)
	w.ok(err)
	return p.GetHead().GetSHA()
}

func (w *world) check(sha, conclusion string) int64 {
	w.t.Helper()
	run, _, err := w.client.Checks.CreateCheckRun(ctx, "acme", "app", github.CreateCheckRunOptions{
		Name: "relbot/coordination", HeadSHA: sha, Status: github.String("completed"), Conclusion: &conclusion,
		Output: &github.CheckRunOutput{Title: github.String("t"), Summary: github.String("s")},
	})
	w.ok(err)
	return run.GetID()
}

func (w *world) noProblems() {
	w.t.Helper()
	if p := w.Problems(); len(p) > 0 {
		w.t.Error(strings.Join(p, "\n"))
	}
}

// graphql runs a query and gives its data, and the messages of its errors.
func (w *world) graphql(query string, vars map[string]any) (data map[string]any, errs []string) {
	w.t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": vars})
	w.ok(err)
	req, err := http.NewRequest("POST", w.server.URL+"/api/graphql", bytes.NewReader(body))
	w.ok(err)
	req.Header.Set("Authorization", "Bearer "+w.token)
	res, err := http.DefaultClient.Do(req)
	w.ok(err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	w.ok(err)
	var out struct {
		Data   map[string]any
		Errors []struct{ Message string }
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		w.t.Fatalf("%s: %v", raw, err)
	}
	for _, e := range out.Errors {
		errs = append(errs, e.Message)
	}
	return out.Data, errs
}

// dig follows keys and indices into decoded JSON.
func dig(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

func files(pairs ...string) map[string]*string {
	out := map[string]*string{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = &pairs[i+1]
	}
	return out
}

func pr(n int) coupling.Pull { return coupling.Pull{Repo: app, Number: n} }

func status(err error) int {
	var e *github.ErrorResponse
	if errors.As(err, &e) {
		return e.Response.StatusCode
	}
	return 0
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		t.Errorf("%s: got %s, want %s", what, g, w)
	}
}
