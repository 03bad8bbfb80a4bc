// Package dashboard shows couplings, releases and drift to people, on pages.
//
// Pages are HTML made here and whole without a script; a small script keeps an open page up to date, by asking for it again with
// the ETag of what it shows. A stream of events was refused. Proxies hold streams back and cut them, and a page that asks every few
// seconds is never wrong for longer. A front-end framework was refused: there is nothing to compute in the browser.
//
// # Who sees what
//
// With a client id, people sign in with GitHub, by the App's own web flow (state, PKCE). A viewer sees the repositories that GitHub lets them
// read, as GitHub said within the last minutes; when it does not say, nothing is shown. What cannot be seen is left out of lists, counts,
// searches and drawings alike. Its page answers word for word as one that does not exist; since all repositories are asked for at
// once, before any page is looked at, the time of an answer tells nothing either. Members in repositories that a viewer may not read stay
// unnamed within a coupling of one that they may.
//
// A session is a random number in the browser's cookie. The database has its hash, and the person's token encrypted under another hash of it.
// Who reads the database alone learns neither, every instance can open a session that comes to it, and there is no key to keep. The token
// is there because what may be read is asked again and again; it ends with the session, which lasts as long as GitHub's token does without
// being refreshed, and refresh tokens are thrown away. A sealed cookie that holds everything was refused, since it cannot be signed out of.
//
// Without a client id a pull request's page opens to those who hold its key, which its check and note link to. There is no list. With
// public set, pages of public repositories are for everybody; whether a repository is public is what GitHub last said to the App. A private
// repository's pages become public by no setting.
//
// Reads come from the store alone. Nothing is changed here but sessions, so that the one form that posts is the one that signs out; requests
// from other sites are refused there.
package dashboard

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/klauspost/compress/gzhttp"
	"golang.org/x/sync/singleflight"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/reconcile"
	"github.com/relbot/relbot/internal/store"
)

// GitHub signs people in and says what they may read, as package ghapp does.
type GitHub interface {
	URL(redirect, state, verifier string) string
	Exchange(ctx context.Context, redirect, code, verifier string) (forge.Viewer, error)
	Readable(ctx context.Context, token string, repos []forge.Repository) (map[coupling.Repo]bool, error)
	Revoke(ctx context.Context, token string) error
}

// Store is what the pages need of the database: they keep who signed in.
type Store interface {
	Get(ctx context.Context, kind, key string) (store.Document, error)
	Put(ctx context.Context, docs []store.Document, work []store.Work) error
	List(ctx context.Context, kind, prefix string) ([]store.Document, error)
}

// Options are what a Dashboard is made of.
type Options struct {
	Source    *reconcile.Reconciler
	Store     Store
	GitHub    GitHub // nil: nobody can sign in
	Public    bool
	PublicURL string // "" where only this machine looks
	WebURL    string // of GitHub's own pages
	Now       func() time.Time
	Log       *slog.Logger
}

// Dashboard serves the pages.
type Dashboard struct {
	o       Options
	base    string // path in front of the pages' own, as people see it
	assets  string // path of the files that pages use; changes with them
	sights  *lru.Cache[string, sight]
	asking  singleflight.Group
	said    *lru.Cache[string, template.HTML] // Markdown that was turned into HTML
	pages   *template.Template
	handler http.Handler
}

//go:embed page.html style.css page.js icon.svg
var files embed.FS

// Sizes of what is kept in memory.
const (
	maxSights = 4096
	maxSaid   = 16384
)

// New makes a Dashboard. It does no I/O.
func New(o Options) (*Dashboard, error) {
	d := &Dashboard{o: o}
	public, err := url.Parse(o.PublicURL)
	if err != nil {
		return nil, err
	}
	d.base = strings.TrimSuffix(public.Path, "/")
	d.sights, _ = lru.New[string, sight](maxSights)
	d.said, _ = lru.New[string, template.HTML](maxSaid)
	h := sha256.New()
	for _, name := range []string{"style.css", "page.js", "icon.svg"} {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		h.Write(text)
	}
	d.assets = "/assets/" + hex.EncodeToString(h.Sum(nil))[:12]

	if d.pages, err = d.parse(); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	get := func(pattern string, show func(*http.Request, viewer) (page, error)) {
		mux.HandleFunc("GET "+pattern, func(w http.ResponseWriter, r *http.Request) { d.serve(w, r, show) })
	}
	get("/{$}", d.list)
	get("/couplings/{owner}/{name}/{coupling}", d.coupling)
	get("/drift", d.drifts)
	get("/drift/{owner}/{name}", d.drift)
	get("/pulls/{owner}/{name}/{number}", d.pull)
	get("/", func(*http.Request, viewer) (page, error) { return page{}, errNothing })
	mux.HandleFunc("GET /auth/signin", d.signIn)
	mux.HandleFunc("GET /auth/callback", d.callback)
	mux.HandleFunc("POST /auth/signout", d.signOut)
	mux.HandleFunc("GET "+d.assets+"/{file}", d.asset)
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(1024), gzhttp.RandomJitter(32, 0, false))
	if err != nil {
		return nil, err
	}
	guard := http.NewCrossOriginProtection()
	if public.Host != "" { // a proxy may ask for another host than people do
		if err := guard.AddTrustedOrigin(public.Scheme + "://" + public.Host); err != nil {
			return nil, err
		}
	}
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { d.say(w, r, foreign, viewer{}) }))
	d.handler = wrap(secured(guard.Handler(mux)))
	return d, nil
}

// ServeHTTP serves the pages, and what they need.
func (d *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.handler.ServeHTTP(w, r) }

// secured sets what every answer says to browsers.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		// An address may hold a key, which no other host is to see. Without any referrer browsers would hide where the form comes from that signs out.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		h.Set("X-Robots-Tag", "noindex")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func (d *Dashboard) asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	text, err := files.ReadFile(name)
	if err != nil || name == "page.html" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", map[string]string{"style.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml"}[name])
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(text)
}

// page is what one page shows.
type page struct {
	Template string
	Title    string
	Nav      string // the entry of the navigation that it belongs to
	Live     bool   // it changes while somebody looks
	Status   int    // zero is 200
	Data     any
}

// frame is a page with what all pages have.
type frame struct {
	page
	Base, Assets, Login string
	SignIn              string // address at which to sign in; "" where nobody can, or somebody is
	Alone               bool   // the viewer has no other page than this
}

// errNothing says that there is no such page, or that the viewer may not see it: they do not learn which.
var errNothing = errors.New("nothing there, or nothing to be seen")

// serve finds out who asks, makes the page and sends it.
func (d *Dashboard) serve(w http.ResponseWriter, r *http.Request, show func(*http.Request, viewer) (page, error)) {
	v, err := d.viewerOf(r)
	if err == nil {
		var p page
		if p, err = show(r, v); err == nil {
			d.send(w, r, p, v)
			return
		}
	}
	switch {
	case errors.Is(err, errNothing):
		d.say(w, r, nothing, v)
	case errors.Is(err, errSignIn) && d.o.GitHub == nil:
		d.say(w, r, closed, v)
	case errors.Is(err, errSignIn):
		d.say(w, r, signInFirst, v)
	case errors.Is(err, errEnded):
		d.setCookie(w, "session", "", 0)
		d.say(w, r, ended, v)
	case errors.Is(err, errUnanswered):
		d.o.Log.Error("page", "path", r.URL.Path, "error", err)
		d.say(w, r, unanswered, v)
	default:
		d.fail(w, r, err)
	}
}

// viewerOf is [Dashboard.viewer], or who holds the key of the page that is asked for.
func (d *Dashboard) viewerOf(r *http.Request) (viewer, error) {
	if p, ok := pullOf(r); ok {
		if v, ok, err := d.keyed(r, p); ok || err != nil {
			return v, err
		}
	}
	return d.viewer(r)
}

func (d *Dashboard) fail(w http.ResponseWriter, r *http.Request, err error) {
	d.o.Log.Error("page", "path", r.URL.Path, "error", err)
	d.say(w, r, failed, viewer{})
}

// send renders a page. Its ETag is that of the text: what is the same is not sent again.
func (d *Dashboard) send(w http.ResponseWriter, r *http.Request, p page, v viewer) {
	f := frame{page: p, Base: d.base, Assets: d.base + d.assets, Login: v.login, Alone: v.keyed}
	if d.o.GitHub != nil && v.login == "" {
		to := r.URL.RequestURI()
		if r.Method != http.MethodGet || strings.HasPrefix(r.URL.Path, "/auth/") {
			to = "/"
		}
		f.SignIn = d.base + "/auth/signin?to=" + url.QueryEscape(to)
	}
	var b bytes.Buffer
	if err := d.pages.ExecuteTemplate(&b, "frame", f); err != nil {
		d.o.Log.Error("page", "path", r.URL.Path, "error", err)
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Vary", "Cookie")
	if p.Status == 0 {
		sum := sha256.Sum256(b.Bytes())
		tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:15]) + `"`
		h.Set("ETag", tag)
		if strings.Contains(r.Header.Get("If-None-Match"), tag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	} else {
		w.WriteHeader(p.Status)
	}
	_, _ = b.WriteTo(w) // the reader is gone when this fails
}

// message is a page that says what went wrong and what to do.
type message struct {
	Status int
	Title  string
	Text   string
	Do     []string // what to do, a sentence each
	SignIn bool     // offer to sign in
}

var (
	signInFirst = message{http.StatusUnauthorized, "Sign in to see this page", "Pages are private here: you see what GitHub lets you read.", nil, true}
	ended       = message{http.StatusUnauthorized, "You are signed out", "Your session has ended, or GitHub no longer takes it.", []string{"Sign in again: you come back to this page."}, true}
	signedOut   = message{http.StatusOK, "You are signed out", "The session was forgotten here, and its token was ended at GitHub.", nil, true}
	closed      = message{http.StatusNotFound, "Nobody can sign in here yet", "This relbot shows its pages to nobody, but for those to which a check or a note links.",
		[]string{"Looking for a pull request? Follow the link in its check or its coordination note.", "Running this relbot? Set github_client_id and github_client_secret so that people can sign in with GitHub, or public: true for public repositories."}, false}
	nothing = message{http.StatusNotFound, "There is nothing here that you may see", "No such page exists, or it belongs to a repository that GitHub does not let you read.",
		[]string{"Check the address; a coupling or pull request may have been renamed or ended.", "If you should be able to read the repository, ask for access on GitHub and load this page again in some minutes."}, true}
	stray = message{http.StatusBadRequest, "This sign-in was not begun here", "It took longer than ten minutes, was begun in another browser, or somebody else sent you the link.",
		[]string{"Sign in again."}, true}
	refused       = message{http.StatusForbidden, "GitHub did not sign you in", "You, or GitHub, said no.", []string{"Sign in again, and authorize the App when GitHub asks."}, true}
	misconfigured = message{http.StatusBadGateway, "GitHub did not take the sign-in", "The client id, the client secret or the callback URL of this relbot is not the App's, or the code was used before.",
		[]string{"Sign in again.", "Running this relbot? Compare github_client_id and github_client_secret with the App's settings page; the callback URL there must be PUBLIC_URL/auth/callback. The log says what GitHub answered."}, true}
	unanswered = message{http.StatusServiceUnavailable, "GitHub does not answer", "What you may see could not be asked, so nothing is shown.", []string{"Load this page again in a minute."}, false}
	foreign    = message{http.StatusForbidden, "This request came from another site", "It was not done.", []string{"Open this site and do it here."}, false}
	failed     = message{http.StatusServiceUnavailable, "The page could not be made", "The database does not answer, or something in it is damaged. Checks and notes on GitHub are not touched by this.",
		[]string{"Load this page again in a minute. The log says more."}, false}
)

// say sends a message.
func (d *Dashboard) say(w http.ResponseWriter, r *http.Request, m message, v viewer) {
	d.send(w, r, page{Template: "message", Title: m.Title, Status: m.Status, Data: m}, v)
}
