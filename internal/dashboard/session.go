package dashboard

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/store"
)

// A session is a document that only its browser's cookie opens. The cookie holds a random id, the document's key and its seal are derived from
// that. A copy of the database gives nobody a session and no token of GitHub, and signing out ends a session at once.
//
// Two libraries were left. gorilla/securecookie keeps the session in the cookie, where it cannot be ended. alexedwards/scs keeps it in the
// database unsealed: a copy of the database would hold people's tokens. Requests of other sites are refused by net/http's CrossOriginProtection.

// docSession is the kind of the documents that hold sessions; their keys are hashes of the ids.
const docSession = "session"

// sessionLife is the longest life of a session. GitHub's tokens for people live as long.
const sessionLife = 8 * time.Hour

// idBytes is the size of the secret that a browser holds.
const idBytes = 32

// session is somebody who signed in.
type session struct {
	key   string // of its document
	login string
	token string
}

// sessionDoc is a session at rest.
type sessionDoc struct {
	Expires time.Time `json:"expires"`
	Sealed  []byte    `json:"sealed"` // sealedSession, under a key that only the browser's cookie gives
}

type sealedSession struct {
	Login string `json:"login"`
	Token string `json:"token"`
}

// derive makes a secret for one purpose out of what a cookie holds.
func derive(secret []byte, purpose string) []byte {
	out, err := hkdf.Key(sha256.New, secret, nil, "relbot "+purpose, 32)
	if err != nil {
		panic(err) // only for a length that SHA-256 cannot give
	}
	return out
}

// sealer encrypts under what a session's id gives.
func sealer(id []byte) cipher.AEAD {
	block, err := aes.NewCipher(derive(id, "session seal"))
	if err != nil {
		panic(err) // the key has the right length
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return aead
}

func sessionKey(id []byte) string { return hex.EncodeToString(derive(id, "session key")) }

// bound is what a seal is bound to: a session moved to another key, or given a longer life, does not open.
func bound(key string, expires time.Time) []byte {
	return []byte(key + " " + expires.UTC().Format(time.RFC3339))
}

// begin makes a session, and forgets those that have ended.
func (d *Dashboard) begin(ctx context.Context, v forge.Viewer) (cookie string, life time.Duration, err error) {
	now := d.o.Now()
	if err := d.sweep(ctx, now); err != nil {
		return "", 0, err
	}
	id := make([]byte, idBytes)
	_, _ = rand.Read(id) // never fails
	life = sessionLife
	if v.Life > 0 {
		life = min(life, v.Life)
	}
	key, expires := sessionKey(id), now.Add(life).UTC().Truncate(time.Second)
	plain, err := json.Marshal(sealedSession{v.Login, v.Token})
	if err != nil {
		return "", 0, err
	}
	body, err := json.Marshal(sessionDoc{expires, sealer(id).Seal(nil, nil, plain, bound(key, expires))})
	if err != nil {
		return "", 0, err
	}
	err = d.o.Store.Put(ctx, []store.Document{{Kind: docSession, Key: key, Body: body}}, nil)
	return base64.RawURLEncoding.EncodeToString(id), life, err
}

func (d *Dashboard) sweep(ctx context.Context, now time.Time) error {
	docs, err := d.o.Store.List(ctx, docSession, "")
	if err != nil {
		return err
	}
	for _, doc := range docs {
		var s sessionDoc
		if err := json.Unmarshal(doc.Body, &s); err == nil && now.Before(s.Expires) {
			continue
		}
		doc.Body = nil
		if err := d.o.Store.Put(ctx, []store.Document{doc}, nil); err != nil && !errors.Is(err, store.ErrConflict) {
			return err // a conflict is another instance that sweeps too
		}
	}
	return nil
}

// session is that of a request; nil when there is none, it is forged, or it has ended.
func (d *Dashboard) session(r *http.Request) (*session, error) {
	c, err := r.Cookie(d.cookie("session"))
	if err != nil {
		return nil, nil // no cookie is no session
	}
	id, err := base64.RawURLEncoding.Strict().DecodeString(c.Value)
	if err != nil || len(id) != idBytes {
		return nil, nil // nor is one that was never given
	}
	key := sessionKey(id)
	doc, err := d.o.Store.Get(r.Context(), docSession, key)
	if err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	var at sessionDoc
	if doc.Rev == 0 || json.Unmarshal(doc.Body, &at) != nil || !d.o.Now().Before(at.Expires) {
		return nil, nil
	}
	plain, err := sealer(id).Open(nil, nil, at.Sealed, bound(key, at.Expires))
	var s sealedSession
	if err != nil || json.Unmarshal(plain, &s) != nil {
		return nil, nil // somebody wrote into the database
	}
	return &session{key, s.Login, s.Token}, nil
}

// end forgets a session.
func (d *Dashboard) end(ctx context.Context, key string) error {
	d.sights.Remove(key)
	doc, err := d.o.Store.Get(ctx, docSession, key)
	if err != nil || doc.Rev == 0 {
		return err
	}
	doc.Body = nil
	if err := d.o.Store.Put(ctx, []store.Document{doc}, nil); !errors.Is(err, store.ErrConflict) {
		return err
	}
	return nil
}

// cookie is the name of a cookie. Over TLS it is one that no neighbouring host can set.
func (d *Dashboard) cookie(name string) string {
	if d.secure() {
		return "__Host-relbot-" + name
	}
	return "relbot-" + name
}

func (d *Dashboard) secure() bool { return strings.HasPrefix(d.o.PublicURL, "https://") }

// setCookie sets a cookie that scripts cannot read; a life of zero removes it.
func (d *Dashboard) setCookie(w http.ResponseWriter, name, value string, life time.Duration) {
	c := &http.Cookie{Name: d.cookie(name), Value: value, Path: "/", MaxAge: int(life.Seconds()), Secure: d.secure(), HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if life <= 0 {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}
