package dashboard

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
)

// sightLife is how long GitHub's word on what somebody may read is taken for true.
const sightLife = 2 * time.Minute

// askTimeout bounds how long a page waits for GitHub.
const askTimeout = 10 * time.Second

// viewer is who looks at a page.
type viewer struct {
	login string
	// reads are the repositories whose pages they may see.
	reads map[coupling.Repo]bool
	keyed bool // they hold the key of one page, and have no other
	all   bool // they see what a private repository's readers are shown: holders of the key of its page
}

func (v viewer) sees(repo coupling.Repo) bool { return v.all || v.reads[repo] }

// sight is what GitHub said of a session.
type sight struct {
	at    time.Time
	reads map[coupling.Repo]bool
}

// errSignIn says that nobody is signed in, and that somebody has to be.
var errSignIn = errors.New("not signed in")

// errEnded is the same for somebody who was.
var errEnded = errors.New("the session has ended")

// viewer finds out who asks and what they may see.
func (d *Dashboard) viewer(r *http.Request) (viewer, error) {
	v := viewer{reads: map[coupling.Repo]bool{}}
	var s *session
	if d.o.GitHub != nil {
		var err error
		if s, err = d.session(r); err != nil {
			return v, err
		}
	}
	if s == nil && !d.o.Public {
		if _, err := r.Cookie(d.cookie("session")); err == nil && d.o.GitHub != nil {
			return v, errEnded
		}
		return v, errSignIn
	}
	repos, err := d.o.Source.Repositories(r.Context())
	if err != nil {
		return v, err
	}
	if s != nil {
		reads, err := d.sight(r.Context(), s, repos)
		if err != nil {
			return v, err
		}
		v.login = s.login
		maps.Copy(v.reads, reads)
	}
	for _, repo := range repos {
		if d.o.Public && !repo.Private {
			v.reads[repo.Name] = true
		}
	}
	return v, nil
}

// sight asks GitHub what the holder of a session may read, unless it was asked just now. It asks for all repositories that relbot knows at
// once, before any page is looked at. So the time that an answer takes tells nothing of what was asked for.
func (d *Dashboard) sight(ctx context.Context, s *session, repos []forge.Repository) (map[coupling.Repo]bool, error) {
	now := d.o.Now()
	if seen, ok := d.sights.Get(s.key); ok && now.Sub(seen.at) < sightLife && !now.Before(seen.at) {
		return seen.reads, nil
	}
	got, err, _ := d.asking.Do(s.key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout) // others wait for the same answer
		defer cancel()
		reads, err := d.o.GitHub.Readable(ctx, s.token, repos)
		if err != nil {
			d.sights.Remove(s.key)
			return nil, err
		}
		d.sights.Add(s.key, sight{now, reads})
		return reads, nil
	})
	if errors.Is(err, forge.ErrToken) {
		if err := d.end(ctx, s.key); err != nil {
			return nil, err
		}
		return nil, errEnded
	}
	if err != nil {
		return nil, errors.Join(errUnanswered, err)
	}
	return got.(map[coupling.Repo]bool), nil
}

// errUnanswered says that GitHub did not say what somebody may see.
var errUnanswered = errors.New("GitHub did not answer")

// keyed is the viewer of a pull request's page who holds its key. What its notes say to readers of its repository may be shown to them. Where
// people can sign in, keys open nothing.
func (d *Dashboard) keyed(r *http.Request, p coupling.Pull) (viewer, bool, error) {
	key := r.URL.Query().Get("key")
	if d.o.GitHub != nil || key == "" {
		return viewer{}, false, nil
	}
	ok, err := d.o.Source.Keyed(r.Context(), p, key)
	if err != nil || !ok {
		return viewer{}, false, err
	}
	repos, err := d.o.Source.Repositories(r.Context())
	v := viewer{reads: map[coupling.Repo]bool{p.Repo: true}, keyed: true}
	for _, repo := range repos {
		v.reads[repo.Name] = v.reads[repo.Name] || !repo.Private
		v.all = v.all || repo.Name == p.Repo && repo.Private
	}
	return v, true, err
}
