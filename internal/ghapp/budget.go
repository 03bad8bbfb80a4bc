package ghapp

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
)

// GitHub takes 80 new comments and issues a minute from an installation, and 500 an hour, and punishes who tries for more. So
// relbot keeps below: what is over the limit waits in the work queue. Checks are no content and never wait.
const (
	contentMinute = 75
	contentHour   = 480
)

// errContent says why a comment or an issue waits.
var errContent = errors.New("GitHub's limit for new comments and issues is near")

// contentBudget counts what was created, by installation. Each process counts its own: several instances share a queue, and one of them works
// on a pull request at a time.
type contentBudget struct {
	mu   sync.Mutex
	made map[int64][]time.Time
}

// take counts a creation, or says how long it has to wait.
func (b *contentBudget) take(installation int64, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.made == nil {
		b.made = map[int64][]time.Time{}
	}
	made := slices.DeleteFunc(b.made[installation], func(t time.Time) bool { return now.Sub(t) >= time.Hour })
	b.made[installation] = made
	wait := time.Duration(0)
	if n := len(made); n >= contentMinute {
		wait = time.Minute - now.Sub(made[n-contentMinute])
	}
	if n := len(made); n >= contentHour {
		wait = max(wait, time.Hour-now.Sub(made[n-contentHour]))
	}
	if wait > 0 {
		return wait
	}
	b.made[installation] = append(made, now)
	return 0
}

// mayCreate reports whether a comment or an issue may be created now.
func (a *App) mayCreate(ctx context.Context, repo coupling.Repo) error {
	if a.s.Token != "" {
		return nil
	}
	installation, err := a.installation(ctx, repo)
	if err != nil {
		return err
	}
	if wait := a.content.take(installation, a.s.Now()); wait > 0 {
		return &forge.RetryError{After: wait, Err: errContent}
	}
	return nil
}
