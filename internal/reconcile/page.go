package reconcile

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"fmt"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/store"
)

// pageDoc is the address of a pull request's page.
type pageDoc struct {
	// Key is part of the address where people cannot sign in, so that who may see the check or the note may see the page, and nobody else
	// finds it.
	Key string `json:"key"`
}

// opens reports whether a key is the right one.
func (d pageDoc) opens(key string) bool {
	return d.Key != "" && subtle.ConstantTimeCompare([]byte(d.Key), []byte(key)) == 1
}

// page is the address of a pull request's page; "" where the server has no public URL. It has a key only where nothing else lets its readers in.
func (r *Reconciler) page(ctx context.Context, p coupling.Pull, private bool) (string, error) {
	if r.PublicURL == "" {
		return "", nil
	}
	address := fmt.Sprintf("%s/pulls/%s/%d", r.PublicURL, p.Repo, p.Number)
	if r.Pages.SignIn || r.Pages.Public && !private {
		return address, nil
	}
	d, err := update(ctx, r, docPage, p.String(), func(d *pageDoc) ([]store.Work, bool) {
		if d.Key != "" {
			return nil, false
		}
		d.Key = r.secret("pull " + p.String())
		return nil, true
	})
	return address + "?key=" + d.Key, err
}

// secret is the key in an address that nobody can guess.
func (r *Reconciler) secret(of string) string {
	if len(r.Seed) == 0 {
		return rand.Text()
	}
	mac := hmac.New(sha256.New, r.Seed)
	mac.Write([]byte(of))
	return base32.StdEncoding.EncodeToString(mac.Sum(nil))[:26]
}

// noteOf is what a note is made from.
func noteOf(p coupling.Pull, repo repoDoc, js []judgementDoc) note.NoteInput {
	in := note.NoteInput{Pull: p, Private: repo.Private}
	for _, j := range js {
		in.Judgements = append(in.Judgements, j.Judgement)
		var lately []note.Change
		for _, c := range j.Lately {
			lately = append(lately, note.Change{At: c.At, Text: c.Text})
		}
		in.Lately = note.Join(in.Lately, lately)
	}
	return in
}
