package live

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// repository is one as the API shows it.
type repository struct {
	ID          int64  `json:"id"`
	NodeID      string `json:"node_id"`
	Name        string `json:"full_name"`
	Branch      string `json:"default_branch"`
	Description string `json:"description"`
}

// namePrefix begins the names of repositories that a run makes.
const namePrefix = "relbot-live-"

// mark is what only a run with the App's private key can have written into the description of a repository, and of this one alone.
func (p *play) mark(id int64) string {
	m := hmac.New(sha256.New, p.key.D.Bytes())
	fmt.Fprintf(m, "relbot live %d", id)
	return hex.EncodeToString(m.Sum(nil))
}

// owns reports whether an earlier run, or this one, made a repository.
func (p *play) owns(r repository) bool {
	return r.ID != 0 && strings.Contains(r.Name, "/"+namePrefix) && strings.Contains(r.Description, p.mark(r.ID))
}

// inspect refuses everything but an App on one account that has nothing to lose, and deletes what an earlier run left there.
func (p *play) inspect(ctx context.Context) error {
	var app struct {
		Slug string `json:"slug"`
	}
	if err := p.app.call(ctx, http.MethodGet, "/app", nil, &app); err != nil {
		return err
	}
	p.bot = app.Slug + "[bot]"
	var installs []struct {
		ID      int64 `json:"id"`
		Account struct {
			Login string `json:"login"`
			Type  string `json:"type"`
		} `json:"account"`
		Selection string  `json:"repository_selection"`
		Suspended *string `json:"suspended_at"`
	}
	if err := p.app.call(ctx, http.MethodGet, "/app/installations?per_page=100", nil, &installs); err != nil {
		return err
	}
	if len(installs) != 1 {
		return fmt.Errorf("the App has %d installations: take one that is installed on %s alone, since relbot would work on all", len(installs), p.Account)
	}
	in := installs[0]
	switch {
	case !strings.EqualFold(in.Account.Login, p.Account):
		return fmt.Errorf("the App is installed on %s, and not on %s", in.Account.Login, p.Account)
	case in.Selection != "all" || in.Suspended != nil:
		return fmt.Errorf("the App must be installed on all repositories of %s, and not suspended", p.Account)
	}
	p.rec.Kind, p.fence.account = in.Account.Type, in.Account.Login
	var viewer struct {
		Viewer struct {
			Login string `json:"login"`
		} `json:"viewer"`
	}
	if err := p.person.query(ctx, `query { viewer { login } }`, nil, &viewer); err != nil {
		return err
	}
	if p.rec.Kind == "User" && !strings.EqualFold(viewer.Viewer.Login, p.Account) {
		return fmt.Errorf("the token is %s's, and the account is %s", viewer.Viewer.Login, p.Account)
	}
	left, err := p.repositories(ctx, in.ID)
	if err != nil {
		return err
	}
	for _, r := range left {
		if !p.owns(r) {
			return fmt.Errorf("%s was not made by this suite: it works on an account without repositories of anybody else", r.Name)
		}
	}
	for _, r := range left {
		p.Log("deleting %s, which an earlier run left behind", r.Name)
		if err := p.remove(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// repositories lists what the account owns, as an App that is installed on all of it sees that.
func (p *play) repositories(ctx context.Context, installation int64) ([]repository, error) {
	var token struct {
		Token string `json:"token"`
	}
	if err := p.app.call(ctx, http.MethodPost, fmt.Sprintf("/app/installations/%d/access_tokens", installation), map[string]any{}, &token); err != nil {
		return nil, err
	}
	bot := &client{play: p, who: "installation", token: func() (string, error) { return token.Token, nil }}
	var page struct {
		Total        int          `json:"total_count"`
		Repositories []repository `json:"repositories"`
	}
	if err := bot.call(ctx, http.MethodGet, "/installation/repositories?per_page=100", nil, &page); err != nil {
		return nil, err
	}
	if page.Total != len(page.Repositories) {
		return nil, fmt.Errorf("%s owns %d repositories: this suite works on an account that owns none", p.Account, page.Total)
	}
	return page.Repositories, nil
}

// make makes the repository of this run, and marks it.
func (p *play) make(ctx context.Context) error {
	var random [6]byte
	if _, err := rand.Read(random[:]); err != nil {
		return err
	}
	path := "/user/repos"
	if p.rec.Kind == "Organization" {
		path = "/orgs/" + p.Account + "/repos"
	}
	err := p.person.call(ctx, http.MethodPost, path, map[string]any{
		"name": namePrefix + time.Now().UTC().Format("20060102-150405-") + hex.EncodeToString(random[:]), "auto_init": true,
		"description": "Made by relbot's live suite, which deletes it when it ends.",
	}, &p.made)
	if err != nil {
		return err
	}
	p.fence.open(p.made)
	p.Log("made %s", p.made.Name)
	return p.person.call(ctx, http.MethodPatch, "/repos/"+p.made.Name, map[string]any{
		"description": "Made by relbot's live suite, which deletes it when it ends. Mark: " + p.mark(p.made.ID), "allow_auto_merge": true,
	}, nil)
}

// remove deletes a repository that this suite made, after another look at it.
func (p *play) remove(ctx context.Context, r repository) error {
	p.fence.open(r)
	defer p.fence.close()
	var now repository
	if err := p.person.call(ctx, http.MethodGet, "/repos/"+r.Name, nil, &now); err != nil {
		return err
	}
	if now.ID != r.ID || !p.owns(now) && now.ID != p.made.ID {
		return fmt.Errorf("%s is another repository now: it stays", r.Name)
	}
	return p.person.call(ctx, http.MethodDelete, "/repos/"+now.Name, nil, nil)
}

// cleanUp deletes the repository of this run.
func (p *play) cleanUp(ctx context.Context) error {
	if p.made.ID == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := p.remove(ctx, p.made); err != nil {
		return errors.Join(fmt.Errorf("%s was not deleted: the next run tries again", p.made.Name), err)
	}
	p.Log("deleted %s", p.made.Name)
	return nil
}
