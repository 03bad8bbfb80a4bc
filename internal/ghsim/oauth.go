package ghsim

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// consent is a code that was given to somebody who let the App act for them.
type consent struct {
	user      string
	redirect  string
	challenge string // of PKCE, S256; "" without
	expires   time.Time
}

const (
	consentLife   = 10 * time.Minute
	userTokenLife = 8 * time.Hour
)

// oauth plays the web flow by which a person signs in to the App: the page that asks, and the exchange of the code.
//
// As on GitHub. The redirect address must be a registered callback or lie below one, and what does not is led to the first callback with
// an error; a code works once and for ten minutes; PKCE binds a code to who asked for it, by S256 alone; an exchange that fails is answered with
// 200 and an error in the body; answers are form-encoded unless the client accepts JSON; a token begins with "ghu_", lives eight hours and reads
// what both the person and an installation of the App may read, and public repositories. The refresh token that comes with it is never
// taken. Unlike GitHub the page asks every time, and takes any login.
func (g *GitHub) oauth(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch r.Method + " " + r.URL.Path {
	case "GET /login/oauth/authorize":
		g.ask(w, r)
	case "POST /login/oauth/authorize":
		g.grantCode(w, r)
	case "POST /login/oauth/access_token":
		g.exchange(w, r)
	default:
		g.problem("unknown page: %s %s", r.Method, r.URL.Path)
		http.NotFound(w, r)
	}
}

// callback is where an answer goes: what was asked for when it is registered, else the first callback with an error.
func (g *GitHub) callback(asked string) (string, bool) {
	if len(g.app.callbacks) == 0 {
		return "", false
	}
	if asked == "" {
		return g.app.callbacks[0], true
	}
	for _, c := range g.app.callbacks {
		if asked == c || strings.HasPrefix(asked, strings.TrimSuffix(c, "/")+"/") {
			return asked, true
		}
	}
	return g.app.callbacks[0], false
}

var askPage = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><head><link rel="icon" href="data:,"><title>Authorize {{.App}}</title></head><body><main>
<h1>Authorize {{.App}}</h1>
<form method="post" action="/login/oauth/authorize?{{.Query}}">
<label>Login <input name="login" required autofocus></label>
<button name="allow" value="1">Authorize</button> <button name="allow" value="0" formnovalidate>Cancel</button>
</form></main></body></html>
`))

func (g *GitHub) ask(w http.ResponseWriter, r *http.Request) {
	if r.Form.Get("client_id") != g.app.clientID {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = askPage.Execute(w, struct {
		App   string
		Query template.URL
	}{g.opt.AppSlug, template.URL(r.URL.RawQuery)}) // the reader is gone when this fails
}

func (g *GitHub) grantCode(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	to, registered := g.callback(q.Get("redirect_uri"))
	if q.Get("client_id") != g.app.clientID || to == "" {
		http.NotFound(w, r)
		return
	}
	answer := url.Values{}
	if s := q.Get("state"); s != "" {
		answer.Set("state", s)
	}
	method := q.Get("code_challenge_method")
	switch {
	case !registered:
		answer.Set("error", "redirect_uri_mismatch")
		answer.Set("error_description", "The redirect_uri is not associated with this application.")
	case r.PostForm.Get("allow") != "1":
		answer.Set("error", "access_denied")
		answer.Set("error_description", "The user has denied your application access.")
	case q.Get("code_challenge") != "" && method != "S256":
		answer.Set("error", "invalid_request")
		answer.Set("error_description", "The code_challenge_method must be S256.")
	default:
		sum := sha256.Sum256(fmt.Appendf(nil, "code %d", g.newID()))
		code := hex.EncodeToString(sum[:10])
		g.consents[code] = consent{user: r.PostForm.Get("login"), redirect: to, challenge: q.Get("code_challenge"), expires: g.now().Add(consentLife)}
		answer.Set("code", code)
	}
	http.Redirect(w, r, to+"?"+answer.Encode(), http.StatusFound)
}

func (g *GitHub) exchange(w http.ResponseWriter, r *http.Request) {
	id, secret := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	code := r.PostForm.Get("code")
	got, known := g.consents[code]
	delete(g.consents, code)
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	fields := map[string]string{}
	switch redirect := r.PostForm.Get("redirect_uri"); {
	case g.app.clientSecret == "" || id != g.app.clientID || subtle.ConstantTimeCompare([]byte(secret), []byte(g.app.clientSecret)) != 1:
		fields["error"], fields["error_description"] = "incorrect_client_credentials", "The client_id and/or client_secret passed are incorrect."
	case !known || g.now().After(got.expires) || got.challenge != "" && got.challenge != challenge:
		fields["error"], fields["error_description"] = "bad_verification_code", "The code passed is incorrect or expired."
	case redirect != "" && redirect != got.redirect:
		fields["error"], fields["error_description"] = "redirect_uri_mismatch", "The redirect_uri MUST match the registered callback URL for this application."
	default:
		fields = map[string]string{
			"access_token": g.userToken(got.user), "token_type": "bearer", "scope": "", "expires_in": strconv.Itoa(int(userTokenLife.Seconds())),
			"refresh_token": "ghr_" + code, "refresh_token_expires_in": "15897600",
		}
	}
	if strings.Contains(r.Header.Get("Accept"), "json") {
		body := object{}
		for k, v := range fields {
			body[k] = v
			if n, err := strconv.Atoi(v); err == nil && strings.HasSuffix(k, "expires_in") {
				body[k] = n
			}
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_ = json.NewEncoder(w).Encode(body) // the client is gone when this fails
		return
	}
	form := url.Values{}
	for k, v := range fields {
		form.Set(k, v)
	}
	w.Header().Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	_, _ = w.Write([]byte(form.Encode()))
}

// userToken makes a token with which the App acts for a person.
func (g *GitHub) userToken(login string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "user token %d", g.newID()))
	secret := "ghu_" + hex.EncodeToString(sum[:])[:36]
	g.tokens[secret] = &token{user: login, forApp: true, expires: g.now().Add(userTokenLife)}
	return secret
}

// revokeToken ends a person's token. The App proves itself with its client id and secret, not with a JWT.
func (c *call) revokeToken() answer {
	g := c.g
	id, secret, ok := c.request.BasicAuth()
	if !ok || id != g.app.clientID || secret != g.app.clientSecret || c.request.PathValue("client") != id {
		return notFound
	}
	var body struct {
		Token string `json:"access_token"`
	}
	if err := c.decode(&body); err != nil || body.Token == "" {
		return fail(http.StatusUnprocessableEntity, "Validation Failed")
	}
	if t := g.tokens[body.Token]; t == nil || !t.forApp {
		return notFound
	}
	delete(g.tokens, body.Token)
	return answer{status: http.StatusNoContent}
}

// RevokeUser takes back what a person has allowed the App: all their tokens end.
func (g *GitHub) RevokeUser(login string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for secret, t := range g.tokens {
		if t.forApp && strings.EqualFold(t.user, login) {
			delete(g.tokens, secret)
		}
	}
}
