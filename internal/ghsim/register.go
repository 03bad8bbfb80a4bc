package ghsim

import (
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/relbot/relbot/internal/coupling"
)

// grant is what an App asks for, or what an account has agreed to.
type grant struct {
	permissions map[string]string
	events      []string // the installation events are always sent
}

// registration is the App as registered.
type registration struct {
	grant
	name, owner            string
	clientID, clientSecret string
	callbacks              []string // to which a sign-in may lead back
	created                time.Time
	code                   string // of the manifest flow, until it is converted
	codeFrom               time.Time
	pem                    []byte // handed out once
}

// newRegistration is the App that is there from the start, or what is known of one that is not.
func newRegistration(opt Options) registration {
	return registration{
		created: opt.Clock().AddDate(0, -1, 0), // it is not new
		name:    opt.AppSlug, owner: "app-owner", clientID: cmp.Or(opt.ClientID, fmt.Sprintf("Iv23li%010d", opt.AppID)), clientSecret: opt.ClientSecret, callbacks: opt.Callbacks,
		grant: grant{
			permissions: map[string]string{
				"metadata": "read", "contents": "read", "checks": "write", "statuses": "write", "pull_requests": "write", "issues": "write", "merge_queues": "read",
			},
			events: []string{"check_run", "check_suite", "create", "delete", "issue_comment", "merge_group", "pull_request", "push", "release", "repository"},
		},
	}
}

// Grant says what the account that owns a repository has agreed to: permissions and events of the App's installation. As on
// GitHub, tokens that exist keep what they had.
func (g *GitHub) Grant(name coupling.Repo, permissions map[string]string, events []string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.repo(name)
	if err != nil {
		return err
	}
	if r.install == nil {
		return fmt.Errorf("%s: the App is not installed", name)
	}
	r.install.grant = grant{maps.Clone(permissions), slices.Clone(events)}
	return nil
}

// Regrant has the account that owns a repository change some of what it lets the App do, and tells relbot of it. "none" takes a permission away.
func (g *GitHub) Regrant(name coupling.Repo, changes map[string]string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.repo(name)
	if err != nil {
		return err
	}
	if r.install == nil {
		return fmt.Errorf("%s: the App is not installed", name)
	}
	permissions := maps.Clone(r.install.grant.permissions)
	maps.Copy(permissions, changes)
	maps.DeleteFunc(permissions, func(_, level string) bool { return level == "none" })
	r.install.grant.permissions = permissions
	g.emitInstallation(r.install, "installation", "new_permissions_accepted", nil)
	return nil
}

// Ask says what the App asks for from now on. Installations keep what they have until their owners agree, which is [GitHub.Grant].
func (g *GitHub) Ask(permissions map[string]string, events []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.app.grant = grant{maps.Clone(permissions), slices.Clone(events)}
}

// Requirement is a check that the default branch requires.
type Requirement struct {
	Check   string // "" requires none
	Source  string // from which it counts: "app" (when empty), "any", or "other" for another App
	Classic bool   // by branch protection, not by a ruleset
}

// Require says which check the default branch of a repository requires.
func (g *GitHub) Require(name coupling.Repo, q Requirement) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.repo(name)
	if err != nil {
		return err
	}
	if q.Source == "" {
		q.Source = "app"
	}
	if !slices.Contains([]string{"app", "any", "other"}, q.Source) {
		return fmt.Errorf("%s: source %q: want app, any or other", name, q.Source)
	}
	r.required, r.source, r.classic = q.Check, q.Source, q.Classic
	return nil
}

// otherApp is the id of an App that is not this one.
const otherApp = 15368

// sourceID is the App from which alone the required check counts; 0 is any source.
func (g *GitHub) sourceID(r *repo) int64 {
	switch r.source {
	case "any":
		return 0
	case "other":
		return otherApp
	}
	return g.opt.AppID
}

// getBranch shows a branch, with its protection as anybody may see it who reads contents.
func (c *call) getBranch() answer {
	g, r, name := c.g, c.repo, c.request.PathValue("branch")
	tip := r.branches[name]
	if tip == nil {
		return fail(http.StatusNotFound, "Branch not found")
	}
	api := g.repoURL(r) + "/branches/" + name
	contexts, checks := []string{}, []any{}
	classic := r.classic && r.requiredOn(name) != ""
	level := "off"
	if classic {
		level = "non_admins"
		contexts = append(contexts, r.required)
		var id any // null is any source
		if n := g.sourceID(r); n != 0 {
			id = n
		}
		checks = append(checks, object{"context": r.required, "app_id": id})
	}
	// GitHub calls a branch protected that a ruleset protects, and tells no more of it here.
	return ok(object{
		"name": name, "commit": g.commitJSON(r, tip), "protected": r.requiredOn(name) != "", "protection_url": api + "/protection",
		"_links":     object{"self": api, "html": g.page(r) + "/tree/" + name},
		"protection": object{"enabled": classic, "required_status_checks": object{"enforcement_level": level, "contexts": contexts, "checks": checks}},
	})
}

// HookURL is what the App's webhook is set to.
func (g *GitHub) HookURL() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.opt.HookURL
}

func (g *GitHub) hookConfigJSON() object {
	out := object{"content_type": "json", "insecure_ssl": "0", "url": g.opt.HookURL}
	if g.opt.Secret != "" {
		out["secret"] = "********" // it is never shown
	}
	return out
}

func (c *call) getHookConfig() answer { return ok(c.g.hookConfigJSON()) }

func (c *call) updateHookConfig() answer {
	var in struct {
		URL         *string `json:"url"`
		ContentType *string `json:"content_type"`
		Secret      *string `json:"secret"`
		InsecureSSL any     `json:"insecure_ssl"`
	}
	if err := c.decode(&in); err != nil {
		return fail(http.StatusBadRequest, err.Error())
	}
	if in.URL != nil {
		c.g.opt.HookURL = *in.URL
	}
	if in.Secret != nil {
		c.g.opt.Secret = *in.Secret
	}
	return ok(c.g.hookConfigJSON())
}

// manifestPath is the one operation that asks for no token.
var manifestPath = regexp.MustCompile(`^/app-manifests/(?P<code>[^/]+)/conversions$`)

// codeLife is how long the code of the manifest flow can be converted.
const codeLife = time.Hour

// convertManifest hands out the App's secrets, once.
func (c *call) convertManifest() answer {
	g := c.g
	if code := g.app.code; code == "" || code != c.request.PathValue("code") || g.now().Sub(g.app.codeFrom) > codeLife {
		return notFound
	}
	g.app.code = ""
	out := g.appJSON()
	out["client_id"], out["client_secret"] = g.app.clientID, g.app.clientSecret
	out["webhook_secret"], out["pem"] = g.opt.Secret, string(g.app.pem)
	g.app.pem = nil
	return answer{status: http.StatusCreated, body: out}
}

// manifest is what the page that registers an App is sent.
type manifest struct {
	Name           string `json:"name"`
	URL            string `json:"url"`
	HookAttributes struct {
		URL    string
		Active *bool
	} `json:"hook_attributes"`
	RedirectURL        string            `json:"redirect_url"`
	CallbackURLs       []string          `json:"callback_urls"`
	SetupURL           string            `json:"setup_url"`
	Description        string            `json:"description"`
	Public             bool              `json:"public"`
	DefaultEvents      []string          `json:"default_events"`
	DefaultPermissions map[string]string `json:"default_permissions"`
	OnInstall          bool              `json:"request_oauth_on_install"`
	OnUpdate           bool              `json:"setup_on_update"`
}

// maxAppName is the longest name of an App.
const maxAppName = 34

func readManifest(text string) (manifest, error) {
	var m manifest
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, fmt.Errorf("manifest: %w", err)
	}
	web := func(s string) bool {
		u, err := url.Parse(s)
		return err == nil && u.Host != "" && strings.HasPrefix(u.Scheme, "http")
	}
	switch {
	case !web(m.URL):
		return m, errors.New("manifest: url is missing or no URL")
	case !web(m.RedirectURL):
		return m, errors.New("manifest: redirect_url is missing or no URL")
	case m.HookAttributes.URL == "" && len(m.DefaultEvents) > 0:
		return m, errors.New("manifest: events need a webhook: hook_attributes.url is missing")
	case m.HookAttributes.URL != "" && !web(m.HookAttributes.URL):
		return m, errors.New("manifest: hook_attributes.url is no URL")
	}
	for _, e := range m.DefaultEvents {
		if strings.HasPrefix(e, "installation") { // these come by themselves
			return m, fmt.Errorf("manifest: default events are not supported by permissions: %s", e)
		}
	}
	return m, nil
}

type registerView struct {
	Account, Name, Manifest, State, Problem string
}

// registerPage is where a browser brings a manifest: it asks for the App's name, and for a yes.
func (g *GitHub) registerPage(w http.ResponseWriter, r *http.Request) {
	v := registerView{Account: chi.URLParam(r, "org"), Manifest: r.PostFormValue("manifest"), State: r.URL.Query().Get("state")}
	m, err := readManifest(v.Manifest)
	if v.Name = m.Name; err != nil {
		v.Problem = err.Error()
		w.WriteHeader(http.StatusUnprocessableEntity)
	}
	render(w, "register", v)
}

// register makes the App and leads the browser back with a code.
func (g *GitHub) register(w http.ResponseWriter, r *http.Request) {
	v := registerView{Account: r.PostFormValue("account"), Name: strings.TrimSpace(r.PostFormValue("name")), Manifest: r.PostFormValue("manifest"), State: r.PostFormValue("state")}
	m, err := readManifest(v.Manifest)
	if err == nil {
		var to string
		if to, err = g.newApp(v, m); err == nil {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
	}
	v.Problem = err.Error()
	w.WriteHeader(http.StatusUnprocessableEntity)
	render(w, "register", v)
}

// slugged are the characters that a slug is made of.
var slugged = regexp.MustCompile(`[^a-z0-9]+`)

func (g *GitHub) newApp(v registerView, m manifest) (redirect string, err error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case v.Name == "" || len(v.Name) > maxAppName:
		return "", fmt.Errorf("the name must have 1 to %d characters", maxAppName)
	case !g.opt.Unregistered || g.opt.Key != nil:
		return "", errors.New("name is already taken")
	}
	secret := func(what string) string {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %s", what, g.newID(), key.D))
		return hex.EncodeToString(sum[:20])
	}
	owner := v.Account
	if owner == "" {
		owner = "app-owner" // of the user who is signed in
	}
	g.opt.AppSlug, g.opt.AppID, g.opt.Key, g.opt.Secret, g.opt.HookURL = strings.Trim(slugged.ReplaceAllString(strings.ToLower(v.Name), "-"), "-"), g.newID(), &key.PublicKey, secret("hook"), m.HookAttributes.URL
	g.app = registration{
		grant: grant{m.DefaultPermissions, m.DefaultEvents}, name: v.Name, owner: owner, clientID: fmt.Sprintf("Iv23li%010d", g.opt.AppID), clientSecret: secret("client"), callbacks: m.CallbackURLs,
		code: secret("code"), codeFrom: g.now(), created: g.now(), pem: pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
	}
	// A webhook that is new is notified, signed with the secret that nobody has yet.
	g.emitApp("ping", object{"zen": "Keep it logically awesome.", "hook_id": 1, "hook": object{
		"type": "App", "id": 1, "name": "web", "active": true, "events": m.DefaultEvents, "config": g.hookConfigJSON(), "app_id": g.opt.AppID,
	}})
	to, err := url.Parse(m.RedirectURL)
	if err != nil {
		return "", err
	}
	q := to.Query()
	q.Set("code", g.app.code)
	if v.State != "" {
		q.Set("state", v.State)
	}
	to.RawQuery = q.Encode()
	return to.String(), nil
}
