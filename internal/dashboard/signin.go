package dashboard

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/forge"
)

// tryLife is how long somebody may take to come back from GitHub.
const tryLife = 10 * time.Minute

// try is a sign-in under way. The browser holds its seed; the state that GitHub hands back and the verifier of PKCE are derived from it. So
// any instance can finish what another began, and nothing is stored for those who never come back.
type try struct {
	seed []byte
	to   string // local address to go to
}

func (t try) state() string {
	return base64.RawURLEncoding.EncodeToString(derive(t.seed, "sign-in state"))
}

func (t try) verifier() string {
	return base64.RawURLEncoding.EncodeToString(derive(t.seed, "sign-in verifier"))
}

func (t try) cookie() string {
	return base64.RawURLEncoding.EncodeToString(t.seed) + "." + base64.RawURLEncoding.EncodeToString([]byte(t.to))
}

func readTry(cookie string) (try, bool) {
	seed, to, _ := strings.Cut(cookie, ".")
	s, err := base64.RawURLEncoding.DecodeString(seed)
	t, err2 := base64.RawURLEncoding.DecodeString(to)
	return try{s, local(string(t))}, err == nil && err2 == nil && len(s) == idBytes
}

// local is an address on this server, or its first page: nobody is led elsewhere.
func local(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") || strings.HasPrefix(u.Path, "/auth/") {
		return "/"
	}
	return to
}

// redirect is where GitHub leads back to.
func (d *Dashboard) redirect() string { return d.o.PublicURL + "/auth/callback" }

// signIn sends somebody to GitHub.
func (d *Dashboard) signIn(w http.ResponseWriter, r *http.Request) {
	if d.o.GitHub == nil {
		d.say(w, r, nothing, viewer{})
		return
	}
	t := try{seed: make([]byte, idBytes), to: local(r.URL.Query().Get("to"))}
	_, _ = rand.Read(t.seed) // never fails
	d.setCookie(w, "signin", t.cookie(), tryLife)
	http.Redirect(w, r, d.o.GitHub.URL(d.redirect(), t.state(), t.verifier()), http.StatusSeeOther)
}

// callback is where GitHub leads back to.
func (d *Dashboard) callback(w http.ResponseWriter, r *http.Request) {
	if d.o.GitHub == nil {
		d.say(w, r, nothing, viewer{})
		return
	}
	q := r.URL.Query()
	c, err := r.Cookie(d.cookie("signin"))
	d.setCookie(w, "signin", "", 0)
	var t try
	ok := err == nil
	if ok {
		t, ok = readTry(c.Value)
	}
	if !ok || subtle.ConstantTimeCompare([]byte(t.state()), []byte(q.Get("state"))) != 1 {
		d.say(w, r, stray, viewer{})
		return
	}
	if q.Get("code") == "" {
		m := refused
		if q.Get("error") == "redirect_uri_mismatch" {
			m = misconfigured
		}
		d.o.Log.Warn("sign-in refused", "error", q.Get("error"))
		d.say(w, r, m, viewer{})
		return
	}
	v, err := d.o.GitHub.Exchange(r.Context(), d.redirect(), q.Get("code"), t.verifier())
	var retry *forge.RetryError
	switch {
	case errors.As(err, &retry):
		d.o.Log.Error("sign-in", "error", err)
		d.say(w, r, unanswered, viewer{})
		return
	case err != nil:
		d.o.Log.Error("sign-in", "error", err)
		d.say(w, r, misconfigured, viewer{})
		return
	}
	if old, err := d.session(r); err == nil && old != nil {
		d.forget(r.Context(), old)
	}
	id, life, err := d.begin(r.Context(), v)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	d.setCookie(w, "session", id, life)
	d.o.Log.Info("signed in", "login", v.Login)
	http.Redirect(w, r, d.base+t.to, http.StatusSeeOther)
}

// signOut ends a session here and its token at GitHub.
func (d *Dashboard) signOut(w http.ResponseWriter, r *http.Request) {
	s, err := d.session(r)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	if s != nil {
		d.forget(r.Context(), s)
	}
	d.setCookie(w, "session", "", 0)
	d.say(w, r, signedOut, viewer{})
}

// forget ends a session, and its token at GitHub as far as GitHub answers.
func (d *Dashboard) forget(ctx context.Context, s *session) {
	if err := d.end(ctx, s.key); err != nil {
		d.o.Log.Error("sign-out", "error", err)
	}
	if err := d.o.GitHub.Revoke(ctx, s.token); err != nil {
		d.o.Log.Warn("sign-out", "error", err) // it ends by itself in hours, and nobody has it any more
	}
}
