package reconcile

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"fmt"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/store"
)

// page is the address of a pull request's page; "" where the server has no public URL. It has a key only where nothing else lets its readers in.
func (r *Reconciler) page(ctx context.Context, p coupling.Pull, private bool) (string, error) {
	if r.PublicURL == "" {
		return "", nil
	}
	address := fmt.Sprintf("%s/pulls/%s/%d", r.PublicURL, p.Repo, p.Number)
	if r.Pages.SignIn || r.Pages.Public && !private {
		return address, nil
	}
	d, err := r.Memory.Pages.Update(ctx, p, func(d *memory.Page) ([]store.Work, bool) {
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
func noteOf(p coupling.Pull, repo memory.Repo, js []memory.Judgement) note.NoteInput {
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
