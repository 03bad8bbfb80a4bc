// Package setup registers relbot's App at GitHub through a browser, and writes down what GitHub hands out.
//
// The operator opens a link that the terminal shows, says which GitHub and which account, and confirms on GitHub's own page (the manifest flow);
// GitHub leads back with a code, which is turned into the App's credentials. These are written to files that nobody else can read, and then the page
// shows what is still missing. Until the operator ends it, the server takes GitHub's test delivery and asks for all others to be sent again
// later.
//
// # Invariants
//
//   - Nobody gets in without the link of the terminal. It works once: the first who opens it has the session, and a second one is printed for
//     the next.
//   - An answer of GitHub counts only in the session, and for the registration that was begun last there: a random state says so.
//   - With the App registered there is no way to register another: the pages only look.
//   - Credentials are in no log, on no page and in no address. They can be had once; when they cannot be written they are kept until they can.
//
// Asking for a password was refused. The user who starts a server sees its terminal, and there is nothing to choose, to store or to forget.
package setup

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/relbot/relbot/internal/doctor"
	"github.com/relbot/relbot/internal/forge"
)

// Checks look at the App that was registered.
type Checks struct {
	Webhook http.Handler                    // takes GitHub's test delivery
	Ping    func(ctx context.Context) error // asks GitHub for one
	Examine func(ctx context.Context) []doctor.Finding
	Start   string // the command that starts the server again
}

// Options configure a setup.
type Options struct {
	Config    string                 // path of the settings file that is written
	Manifest  []byte                 // of the App, with PublicPlaceholder in the places of addresses
	Web       string                 // GitHub, when it is given: then it cannot be chosen
	PublicURL string                 // the same of the server's own address
	Serves    bool                   // the server goes on in this process when the setup is done
	InFile    func(name string) bool // nil is never; reports whether a settings file has a setting
	// Announce shows the operator a path with which to begin.
	Announce func(path string)
	APIURL   func(web string) string // of a GitHub's API
	Convert  func(ctx context.Context, apiURL, code string) (forge.Credentials, error)
	// Open reads the settings that were written.
	Open func() (Checks, error)
	Log  *slog.Logger
	Now  func() time.Time
}

// PublicPlaceholder is the address that a manifest holds in the place of the server's own.
const PublicPlaceholder = "https://relbot.example.com"

const (
	cookie   = "relbot_setup"
	codeLife = time.Hour // GitHub's, from the registration to the conversion
	idle     = 15 * time.Minute
	onItsWay = 30 * time.Second // how long a test delivery may take
)

// pending is a registration that waits for GitHub's answer.
type pending struct {
	state, web, publicURL string
	until                 time.Time
}

// Setup is the handler of all pages, of the webhook and of the probes while relbot is set up.
type Setup struct {
	o    Options
	mux  http.Handler
	done chan struct{}

	mu       sync.Mutex
	link     string // the token that opens a session
	used     string // the one before
	session  string
	pending  pending
	creds    *forge.Credentials // while they are not written
	checks   *Checks            // once the App is registered
	slug     string
	touched  time.Time
	pinged   time.Time // when a test delivery was asked for
	problem  string    // of the last test delivery, shown once
	finished bool

	hook  atomic.Pointer[Checks] // checks, for deliveries: they do not wait for a page
	heard atomic.Bool            // the test delivery that was asked for last came
}

// New makes a setup and announces the link.
func New(o Options) *Setup {
	s := &Setup{o: o, done: make(chan struct{}), link: rand.Text()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /setup", s.begin)
	mux.HandleFunc("POST /setup/register", s.inSession(s.register))
	mux.HandleFunc("GET /setup/callback", s.inSession(s.callback))
	mux.HandleFunc("POST /setup/write", s.inSession(s.write))
	mux.HandleFunc("GET /setup/checks", s.inSession(s.look))
	mux.HandleFunc("POST /setup/ping", s.inSession(s.ping))
	mux.HandleFunc("POST /setup/finish", s.inSession(s.finish))
	mux.HandleFunc("/webhook", s.webhook)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no App is set up yet", http.StatusServiceUnavailable)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.refuse(w, http.StatusServiceUnavailable, "relbot is not set up yet", "Open the link that it printed in its terminal or log.")
	})
	s.mux = http.NewCrossOriginProtection().Handler(mux)
	s.announce()
	return s
}

func (s *Setup) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Done is closed when the operator has ended the setup, or left it alone with everything written.
func (s *Setup) Done() <-chan struct{} { return s.done }

// Watch ends a setup that is complete and that nobody looks at any more. It returns when ctx ends or the setup does.
func (s *Setup) Watch(ctx context.Context, every time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.done:
			return
		case <-t.C:
			s.mu.Lock()
			if s.checks != nil && s.o.Now().Sub(s.touched) > idle {
				s.end()
			}
			s.mu.Unlock()
		}
	}
}

// end closes the setup. The lock is held.
func (s *Setup) end() {
	if !s.finished {
		s.finished, s.session, s.link = true, "", ""
		close(s.done)
	}
}

func (s *Setup) announce() { s.o.Announce("/setup?token=" + s.link) }

func same(a, b string) bool { return a != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// begin opens a session with the link, and shows in a session where things stand.
func (s *Setup) begin(w http.ResponseWriter, r *http.Request) {
	token := r.URL.Query().Get("token")
	if token == "" {
		s.inSession(s.start)(w, r)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case same(s.link, token):
		s.used, s.link, s.session = s.link, rand.Text(), rand.Text()
		http.SetCookie(w, &http.Cookie{
			Name: cookie, Value: s.session, Path: "/setup", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: secure(r), // Lax: GitHub leads back here
		})
		http.Redirect(w, r, "/setup", http.StatusSeeOther)
	case same(s.used, token):
		s.used = "" // one new link for each that was used
		s.announce()
		s.refuse(w, http.StatusForbidden, "This link was used already", "It works once. A new one is in relbot's terminal or log now.")
	default:
		s.refuse(w, http.StatusForbidden, "This link is not valid", "Open the one that relbot printed last in its terminal or log.")
	}
}

// secure reports whether the browser came by TLS, here or at a proxy before it.
func secure(r *http.Request) bool {
	return r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

// inSession lets only the operator through.
func (s *Setup) inSession(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := r.Cookie(cookie)
		s.mu.Lock()
		defer s.mu.Unlock() // one operator: pages are served one at a time
		if err != nil || !same(s.session, c.Value) {
			s.refuse(w, http.StatusForbidden, "This page is for the operator", "Open the link that relbot printed last in its terminal or log.")
			return
		}
		s.touched = s.o.Now()
		next(w, r)
	}
}

// form is what the operator fills in.
type form struct {
	Web, Account, Name, PublicURL string
	FixedWeb, FixedPublic         bool
	Problems                      []string
}

func (s *Setup) start(w http.ResponseWriter, r *http.Request) {
	if s.checks != nil || s.creds != nil {
		http.Redirect(w, r, "/setup/checks", http.StatusSeeOther)
		return
	}
	f := s.form(r)
	f.PublicURL = cmp.Or(s.o.PublicURL, origin(r))
	s.page(w, http.StatusOK, "start", f)
}

func (s *Setup) form(r *http.Request) form {
	f := form{
		Web: cmp.Or(s.o.Web, address(r.PostFormValue("web")), "https://github.com"), Account: strings.TrimSpace(r.PostFormValue("account")),
		Name: strings.TrimSpace(r.PostFormValue("name")), PublicURL: cmp.Or(s.o.PublicURL, address(r.PostFormValue("public_url"))),
	}
	f.FixedWeb, f.FixedPublic = s.o.Web != "", s.o.PublicURL != ""
	if f.Name == "" && account.MatchString(f.Account) {
		f.Name = strings.TrimRight(fmt.Sprintf("%.*s", maxName, "relbot-"+f.Account), "-")
	}
	return f
}

func address(text string) string { return strings.TrimSuffix(strings.TrimSpace(text), "/") }

// origin is the address at which the browser sees this server, also behind a tunnel or a proxy. A form's own is known not to be another's:
// those are refused before.
func origin(r *http.Request) string {
	if o, err := url.Parse(r.Header.Get("Origin")); err == nil && o.Host != "" {
		return o.Scheme + "://" + o.Host
	}
	if secure(r) {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// account is what GitHub takes for a name of an organisation.
var account = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9-]{0,37}[A-Za-z0-9])?$`)

// maxName is the longest name of an App.
const maxName = 34

func (f *form) check() {
	web := func(text, what string) {
		u, err := url.Parse(text)
		loopback := err == nil && (u.Hostname() == "localhost" || strings.HasPrefix(u.Hostname(), "127.") || u.Hostname() == "::1")
		if err != nil || u.Host == "" || u.User != nil || strings.ContainsAny(text, "?#") || u.Scheme != "https" && !(u.Scheme == "http" && loopback) {
			want := "https://host"
			if u, err := url.Parse("https://" + text); err == nil && strings.Contains(u.Hostname(), ".") && u.User == nil && !strings.Contains(text, "://") {
				want = u.String()
			}
			f.Problems = append(f.Problems, fmt.Sprintf("%s: %q is no address: want %s", what, text, want))
		}
	}
	web(f.Web, "GitHub")
	web(f.PublicURL, "This server's address")
	if f.Account != "" && !account.MatchString(f.Account) {
		f.Problems = append(f.Problems, fmt.Sprintf("Organisation: %q is no name of one: want what follows github.com/", f.Account))
	}
	if f.Name == "" || len(f.Name) > maxName {
		f.Problems = append(f.Problems, fmt.Sprintf("Name: want 1 to %d characters, such as relbot-ACCOUNT: no other App on this GitHub may have it", maxName))
	}
}

// sending is the page from which the browser goes to GitHub.
type sending struct {
	form
	Action   string
	Manifest string
	Grant    forge.Grant
}

func (s *Setup) register(w http.ResponseWriter, r *http.Request) {
	if s.checks != nil || s.creds != nil {
		s.refuse(w, http.StatusConflict, "The App is registered", "There is nothing more to register here. Another App needs another relbot.")
		return
	}
	f := s.form(r)
	f.check()
	// What cannot be written later is better known before GitHub hands it out.
	if err := Writable(s.o.Config); err != nil {
		f.Problems = append(f.Problems, fmt.Sprintf("The settings cannot be written: %v", err))
	}
	if len(f.Problems) > 0 {
		s.page(w, http.StatusUnprocessableEntity, "start", f)
		return
	}
	v := sending{form: f}
	manifest := map[string]any{}
	text := strings.ReplaceAll(string(s.o.Manifest), PublicPlaceholder, f.PublicURL)
	if err := errors.Join(json.Unmarshal([]byte(text), &manifest), json.Unmarshal([]byte(text), &v.Grant)); err != nil {
		panic(err) // it is part of the program
	}
	manifest["name"], manifest["redirect_url"] = f.Name, origin(r)+"/setup/callback"
	out, err := json.Marshal(manifest)
	if err != nil {
		panic(err)
	}
	s.pending = pending{rand.Text(), f.Web, f.PublicURL, s.o.Now().Add(codeLife)}
	v.Manifest, v.Action = string(out), f.Web+"/settings/apps/new?state="+s.pending.state
	if f.Account != "" {
		v.Action = f.Web + "/organizations/" + f.Account + "/settings/apps/new?state=" + s.pending.state
	}
	s.page(w, http.StatusOK, "send", v)
}

// callback is where GitHub leads the browser back to.
func (s *Setup) callback(w http.ResponseWriter, r *http.Request) {
	if s.checks != nil || s.creds != nil {
		http.Redirect(w, r, "/setup/checks", http.StatusSeeOther)
		return
	}
	code, state := r.URL.Query().Get("code"), r.URL.Query().Get("state")
	p := s.pending
	switch {
	case !same(p.state, state) || s.o.Now().After(p.until):
		s.refuse(w, http.StatusBadRequest, "This answer belongs to no registration that was begun here", "Begin again at /setup. If GitHub shows an App that was made meanwhile, delete it there.")
		return
	case code == "":
		s.refuse(w, http.StatusBadRequest, "GitHub gave no code", "Begin again at /setup.")
		return
	}
	s.pending = pending{}
	creds, err := s.o.Convert(r.Context(), s.o.APIURL(p.web), code)
	if err != nil {
		s.o.Log.Error("the App's credentials could not be had", "error", err)
		s.refuse(w, http.StatusBadGateway, "GitHub did not hand out the App's credentials", fmt.Sprintf("%v. They can be had once, within an hour: delete the App that was made at %s/settings/apps (or in the organisation's settings) and begin again at /setup.", err, p.web))
		return
	}
	s.creds, s.slug = &creds, creds.Slug
	s.o.Log.Info("the App is registered", "app", creds.Slug, "id", creds.ID)
	s.pending = pending{web: p.web, publicURL: p.publicURL} // for the settings
	s.write(w, r)
}

// write puts what GitHub handed out on disk, and reads it back as the server will.
func (s *Setup) write(w http.ResponseWriter, r *http.Request) {
	if s.creds == nil {
		http.Redirect(w, r, "/setup", http.StatusSeeOther)
		return
	}
	p := settingsFile{Path: s.o.Config, Credentials: *s.creds, PublicURL: s.pending.publicURL, APIURL: s.o.APIURL(s.pending.web), InFile: s.o.InFile}
	err := p.write(s.o.Now())
	var checks Checks
	if err == nil {
		checks, err = s.o.Open()
	}
	if err != nil {
		s.o.Log.Error("the settings could not be written", "file", s.o.Config, "error", err)
		s.page(w, http.StatusInternalServerError, "retry", err.Error())
		return
	}
	s.creds, s.checks = nil, &checks
	s.hook.Store(&checks)
	s.asked()
	if err := checks.Ping(r.Context()); err != nil {
		s.o.Log.Warn("no test delivery", "error", err) // the page says what GitHub's record says
	}
	http.Redirect(w, r, "/setup/checks", http.StatusSeeOther)
}

// report is the page of what is still missing.
type report struct {
	Wrong    []doctor.Finding // worst first
	Fine     []doctor.Finding
	State    doctor.State
	Config   string
	Slug     string
	OnItsWay bool // a test delivery that is not on record yet
	Problem  string
}

func (s *Setup) look(w http.ResponseWriter, r *http.Request) {
	if s.creds != nil {
		s.page(w, http.StatusOK, "retry", "They were not written yet.")
		return
	}
	if s.checks == nil {
		http.Redirect(w, r, "/setup", http.StatusSeeOther)
		return
	}
	findings := s.checks.Examine(r.Context())
	v := report{Config: s.o.Config, Slug: s.slug, Problem: s.problem, State: doctor.Worst(findings)}
	s.problem = ""
	for _, state := range []doctor.State{doctor.Problem, doctor.Unknown, doctor.Warning, doctor.Fine} {
		for _, f := range findings {
			switch {
			case f.State != state:
			case state == doctor.Fine:
				v.Fine = append(v.Fine, f)
			default:
				v.Wrong = append(v.Wrong, f)
			}
		}
	}
	v.OnItsWay = !s.heard.Load() && s.o.Now().Sub(s.pinged) < onItsWay
	s.page(w, http.StatusOK, "checks", v)
}

// asked notes that a test delivery was asked for. The lock is held.
func (s *Setup) asked() {
	s.pinged = s.o.Now()
	s.heard.Store(false)
}

func (s *Setup) ping(w http.ResponseWriter, r *http.Request) {
	if s.checks != nil {
		s.asked()
		if err := s.checks.Ping(r.Context()); err != nil {
			s.problem = fmt.Sprintf("No test delivery: %v", err)
		}
	}
	http.Redirect(w, r, "/setup/checks", http.StatusSeeOther)
}

// finished is the last page.
type finished struct {
	Start  string // the command that starts the server again
	Serves bool
	Next   []doctor.Finding // what still keeps relbot from working
}

func (s *Setup) finish(w http.ResponseWriter, r *http.Request) {
	if s.checks == nil {
		http.Redirect(w, r, "/setup", http.StatusSeeOther)
		return
	}
	findings := s.checks.Examine(r.Context())
	v := finished{Start: s.checks.Start, Serves: s.o.Serves}
	for _, f := range findings {
		if f.State == doctor.Problem {
			v.Next = append(v.Next, f)
		}
	}
	s.page(w, http.StatusOK, "finish", v)
	s.end()
}

// webhook takes the test delivery once there is a secret to know it by; GitHub's record keeps the others, and the server asks for
// them when it starts.
func (s *Setup) webhook(w http.ResponseWriter, r *http.Request) {
	checks := s.hook.Load()
	if checks == nil {
		http.Error(w, "no App is set up yet; deliver it again", http.StatusServiceUnavailable)
		return
	}
	answered := &status{ResponseWriter: w}
	checks.Webhook.ServeHTTP(answered, r)
	if answered.code < http.StatusMultipleChoices {
		s.heard.Store(true)
	}
}

// status notes the status of an answer.
type status struct {
	http.ResponseWriter
	code int // 0 is the one that Write implies
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

//go:embed page.html
var pageText string

var pages = template.Must(template.New("").Funcs(template.FuncMap{"linked": linked}).Parse(pageText))

// address in a text, for the pages to link.
var addresses = regexp.MustCompile(`https?://[^\s,;()]*[^\s,;().:]`)

// linked turns the addresses of a text into links.
func linked(text string) template.HTML {
	var b strings.Builder
	last := 0
	for _, m := range addresses.FindAllStringIndex(text, -1) {
		u := template.HTMLEscapeString(text[m[0]:m[1]])
		fmt.Fprintf(&b, `%s<a href="%s" target="_blank" rel="noreferrer">%s</a>`, template.HTMLEscapeString(text[last:m[0]]), u, u)
		last = m[1]
	}
	b.WriteString(template.HTMLEscapeString(text[last:]))
	return template.HTML(b.String())
}

func (s *Setup) refuse(w http.ResponseWriter, status int, title, text string) {
	s.page(w, status, "message", struct{ Title, Text string }{title, text})
}

func (s *Setup) page(w http.ResponseWriter, status int, name string, data any) {
	var b strings.Builder
	if err := pages.ExecuteTemplate(&b, name, data); err != nil {
		s.o.Log.Error("setup page", "page", name, "error", err)
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	action := "'self'"
	if v, ok := data.(sending); ok {
		action += " " + v.Web
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action "+action)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin") // the form's own origin is asked for, and nobody else learns an address
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(b.String())) // the reader is gone when this fails
}
