package reconcile

import (
	"context"
	"errors"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/job"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/work"
)

// fate is what becomes of a row of work before its handler sees it.
type fate string

const (
	list   fate = "list"   // it is done: the event may have come before the news of the installation, so list the repositories
	survey fate = "survey" // it is done: the survey looks at all open pull requests
	wait   fate = "wait"   // it is queued again once the repository is restored
	retry  fate = "retry"  // it waits too, and is tried now and then until it is not to be expected any more
	drop   fate = "drop"   // it is done: there is nothing to do
)

// guards says by kind of work, and by what is known of the repository of its key, what becomes of a row that does not run. It names the kinds whose
// handlers need more than a name. What a policy calls for besides, such as the homes that a repository trusts, the handlers await.
var guards = map[string]map[memory.Readiness]fate{
	work.KindRepo:     {memory.Absent: list, memory.Gone: list},
	work.KindRef:      {memory.Absent: list, memory.Gone: list},
	work.KindPull:     {memory.Absent: list, memory.Gone: list, memory.Unknown: survey},
	work.KindListed:   {memory.Absent: list, memory.Gone: list, memory.Unknown: survey},
	work.KindRecheck:  {memory.Absent: list, memory.Gone: list, memory.Unknown: survey},
	work.KindVerify:   {memory.Absent: list, memory.Gone: list, memory.Unknown: survey},
	work.KindComment:  {memory.Absent: retry, memory.Gone: drop, memory.Unknown: retry, memory.Surveyed: wait},
	work.KindQueue:    {memory.Absent: retry, memory.Gone: drop},
	work.KindCoupling: {memory.Unknown: wait, memory.Surveyed: wait},
	work.KindAlarm:    {memory.Absent: drop, memory.Gone: drop},
	work.KindReport:   {memory.Absent: drop, memory.Gone: drop},
}

// guarded makes a handler of one that runs only the rows whose repositories are ready for them.
func (r *Reconciler) guarded(h job.Handler) job.Handler {
	return func(ctx context.Context, claimed []store.Claimed) []job.Outcome {
		out := make([]job.Outcome, len(claimed))
		var ready []store.Claimed
		var at []int
		known := map[coupling.Repo]memory.Readiness{} // the rows of a batch are of one kind, and mostly of one repository
		for i, c := range claimed {
			runs, err := r.admit(ctx, c, known)
			if out[i].Err = err; runs {
				ready, at = append(ready, c), append(at, i)
			}
		}
		if len(ready) == 0 {
			return out
		}
		for i, o := range h(ctx, ready) {
			out[at[i]] = o
		}
		return out
	}
}

// admit reports whether a row may run, and sees to it that one that may not runs in time.
func (r *Reconciler) admit(ctx context.Context, c store.Claimed, known map[coupling.Repo]memory.Readiness) (bool, error) {
	fates, guarded := guards[c.Kind]
	if !guarded {
		return true, nil
	}
	repo := work.RepoOf(c.Work)
	now, asked := known[repo]
	if !asked {
		var err error
		if now, err = r.readiness(ctx, repo, fates); err != nil {
			return false, err
		}
		known[repo] = now
	}
	switch fates[now] {
	case list:
		return false, r.Store.Enqueue(ctx, work.Install())
	case survey:
		return false, r.Store.Enqueue(ctx, work.Backfill(repo))
	case wait:
		if work.Payload[work.CommentPayload](c.Work).Replay { // what was said before it ran already
			return true, nil
		}
		return r.await(ctx, memory.Restored, []store.Claimed{c}, repo)
	case retry:
		return false, r.retry(ctx, c, now)
	case drop:
		return false, nil
	}
	return true, nil
}

// readiness returns how much is known of a repository, as far as it makes a difference: for most kinds of work two reads more would change nothing.
func (r *Reconciler) readiness(ctx context.Context, repo coupling.Repo, fates map[memory.Readiness]fate) (memory.Readiness, error) {
	if _, differs := fates[memory.Surveyed]; differs {
		return r.Memory.Readiness(ctx, repo)
	}
	d, err := r.Memory.Repos.Load(ctx, repo)
	return d.Readiness(), err
}

// retry puts work off until its repository was read: without the policy a command would be refused that is none to refuse.
func (r *Reconciler) retry(ctx context.Context, c store.Claimed, now memory.Readiness) error {
	repo := work.RepoOf(c.Work)
	if c.Attempt > maxUnread { // the App is not there, whatever was delivered
		d, err := r.Memory.Waiting.Read(ctx, waitingFor(repo, c))
		if err != nil || !d.Exists() {
			return err
		}
		return r.Store.Put(ctx, []store.Document{d.Gone()}, nil)
	}
	if err := r.park(ctx, c, repo, memory.Restored); err != nil {
		return err
	}
	read := work.Repo(repo)
	if now == memory.Absent {
		read = work.Install()
	}
	// It may have become known meanwhile.
	if now, err := r.Memory.Readiness(ctx, repo); err != nil {
		return err
	} else if now != memory.Absent {
		if err := r.resume(ctx, repo); err != nil {
			return err
		}
	}
	return errors.Join(r.Store.Enqueue(ctx, read), &forge.RetryError{Err: errors.New("the repository was not read yet")})
}

// maxUnread is how often work waits for its repository.
const maxUnread = 20
