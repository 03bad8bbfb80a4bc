// Package live plays a short story on a real GitHub and reports where that behaved in another way than the simulated
// one. Tests alone import it: they play the same story on both.
//
// It sees relbot and GitHub from outside. A person's token does what people do. relbot gets its webhooks from the App's log of deliveries,
// so that nobody needs a public address. What relbot reads and writes goes through a proxy, which records the form of the answers.
//
// # What it may touch
//
// The App must be installed on one account alone, on all repositories of it. The account must own none but those that an earlier run left
// behind. A run makes one repository and writes to no other. A request that would is refused before it is sent, for the person and for
// relbot (see fence). A repository that was left behind is known by a mark in its description, which binds the repository's id to the App's
// private key. Nobody else can make one, and its copy in another repository is none.
package live

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v4"
)

// Options say on which GitHub the story is played, and as whom.
type Options struct {
	API     string // URL of the REST API, as in the setting github_api_url
	Account string // an organization or a user that owns no repository
	Token   string // of the person who acts
	AppID   int64
	Key     []byte // of the App, PEM
	// Serve starts relbot on an API, with a webhook secret. It returns the URL of the webhook, and what stops it.
	Serve func(api, secret string) (hook string, stop func() error, err error)

	Pace     time.Duration // between two looks
	Patience time.Duration // until GitHub and relbot must show what they should
	Quiet    time.Duration // a step ends when no delivery came for so long
	Log      func(format string, args ...any)
}

// Record is what a play showed.
type Record struct {
	Kind   string // of the account: "Organization" or "User"
	Steps  []Step
	Shapes map[string]Shape // by kind of request or delivery
}

// Step is what a step of the story showed.
type Step struct {
	Name    string
	Answers []string // of GitHub to what the person tried
	Shows   []string // pull requests with their checks and notes
	Events  []string // of what people did, in the order of the log; how often relbot writes is chance
}

// play is a story on its way.
type play struct {
	Options
	key      *rsa.PrivateKey
	fence    fence
	person   *client
	app      *client
	bot      string // relbot's login
	made     repository
	shapes   shapes
	hook     string // of relbot
	pull     forwarder
	step     *Step // at hand
	rec      *Record
	gate     string         // blob of the file that holds it, on the default branch
	branches map[int]branch // of pull requests, by number
}

// branch is the branch of a pull request, with the file that is written in it.
type branch struct{ name, path, blob string }

// Run plays the story. It deletes the repository that it made, also when it fails; the record then ends with the step that failed.
func Run(ctx context.Context, o Options) (r *Record, err error) {
	p := &play{Options: o, rec: &Record{}, branches: map[int]branch{}}
	p.fence.account = o.Account
	if p.key, err = jwt.ParseRSAPrivateKeyFromPEM(o.Key); err != nil {
		return nil, fmt.Errorf("the App's private key: %w", err)
	}
	p.person = &client{play: p, who: "person", token: func() (string, error) { return o.Token, nil }}
	p.app = &client{play: p, who: "app", token: p.jwt}
	if err := p.inspect(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.cleanUp(context.WithoutCancel(ctx))) }()
	defer func() { p.rec.Shapes = p.shapes.all() }()
	if err := p.make(ctx); err != nil {
		return nil, err
	}
	return p.rec, p.serve(ctx, p.story)
}

// jwt signs in as the App.
func (p *play) jwt() (string, error) {
	now := time.Now()
	return jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.RegisteredClaims{
		Issuer: fmt.Sprint(p.AppID), IssuedAt: jwt.NewNumericDate(now.Add(-time.Minute)), ExpiresAt: jwt.NewNumericDate(now.Add(5 * time.Minute)),
	}).SignedString(p.key)
}

// until looks again and again until done says so, or patience ends.
func (p *play) until(ctx context.Context, what string, done func() (bool, error)) error {
	deadline := time.Now().Add(p.Patience)
	for {
		ok, err := done()
		if ok && err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("%s: not within %s", what, p.Patience), err)
		}
		if err := p.pause(ctx); err != nil {
			return err
		}
	}
}

func (p *play) pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(p.Pace):
		return nil
	}
}
