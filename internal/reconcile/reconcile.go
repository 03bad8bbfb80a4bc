// Package reconcile brings what GitHub shows for a coupling into line with what the rules say.
//
// Every kind of work has one handler here, and every handler is level-triggered: it reads the truth, judges it and
// writes the difference, so that an event that is late, doubled or lost costs time and never a wrong verdict. The
// timer queues the same work as a webhook does; there is no second path.
//
// The work is cut in two. Evaluating a coupling remembers a judgement. Its serialization key is its home repository, so that a release
// cut judges all of them from one set of reads. Showing a pull request, which is the serialization key there, composes the judgements of all
// couplings it is in and publishes the difference. So a pull request has one writer at a time however many couplings it
// is in, and ten events cost one evaluation.
//
// Facts are gathered before anything is judged. A read that failed is an unknown fact, never an error in the rules.
package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/history"
	"github.com/relbot/relbot/internal/job"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/publish"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/work"
)

// Reader is what reconciling reads of GitHub in bulk.
type Reader interface {
	Repositories(ctx context.Context) ([]forge.Repository, []forge.Unlisted, error)
	Read(ctx context.Context, q forge.Reading) (map[coupling.Repo]versionscan.Fact[forge.Survey], map[coupling.Pull]versionscan.Fact[forge.Pull], error)
	OpenPulls(ctx context.Context, repo coupling.Repo, watched []string) ([]forge.Pull, error)
	Queue(ctx context.Context, repo coupling.Repo, branch string) (forge.Queue, error)
	BranchRules(ctx context.Context, repo coupling.Repo, branch string) (forge.BranchRules, error)
	Green(ctx context.Context, group forge.GroupHead, own string) (bool, error)
	Versions(ctx context.Context, repo coupling.Repo, rev, path string, limit int) ([]versionscan.Fact[versionscan.File], error)
}

// People is what commands need to know of the people who give them.
type People interface {
	Permission(ctx context.Context, repo coupling.Repo, login string) (forge.Role, error)
	Slug(ctx context.Context) (string, error)
	Reactions(ctx context.Context, repo coupling.Repo, comment int64) ([]string, error)
	Edited(ctx context.Context, repo coupling.Repo, nodeID string) (bool, error)
	CommentsSince(ctx context.Context, repo coupling.Repo, since time.Time) (found []forge.Comment, next time.Time, err error)
}

// Log is GitHub's own record of what it tried to deliver.
type Log interface {
	Deliveries(ctx context.Context, since time.Time) ([]forge.DeliveryAttempt, error)
	Redeliver(ctx context.Context, id int64) error
}

// GitHub is everything together, as package ghapp provides it.
type GitHub interface {
	Reader
	history.Source
	People
	Log
	publish.GitHub
}

// Store is what reconciling needs of the database.
type Store interface {
	Get(ctx context.Context, kind, key string) (store.Document, error)
	Put(ctx context.Context, docs []store.Document, work []store.Work) error
	List(ctx context.Context, kind, prefix string) ([]store.Document, error)
	Enqueue(ctx context.Context, work ...store.Work) error
	Log(ctx context.Context, a store.Audit) (bool, error)
	Jobs(ctx context.Context) ([]store.Job, error)
	Prune(ctx context.Context, t time.Time) (int, error)
}

// Reconciler handles all kinds of work.
type Reconciler struct {
	GitHub    GitHub
	Store     Store
	Memory    *memory.Memory
	Publish   *publish.Publisher
	Now       func() time.Time
	Log       *slog.Logger
	PublicURL string
	// Pages says who may open the pages to which checks and notes link.
	Pages Access
	// Seed is what the addresses of pages are made of, so that they are the same when the database is made anew; random ones where it is empty.
	Seed []byte
	// Patience is how long a pass given before an outage of GitHub's reads is left standing.
	Patience time.Duration
	// Wrote is called for each check that was written on a head, with the level that the commit showed before, "" for none. It may be nil.
	Wrote func(ctx context.Context, head, before string, v rules.Verdict)
	// Refused is told of each refusal of GitHub that ends work. It may be nil.
	Refused func(forge.RefusedError)

	refusals refusals
	indexes  sync.Map // of memberships, by home
}

// Access is how pages are opened.
type Access struct {
	SignIn bool // people sign in with GitHub
	Public bool // pages of public repositories are for everybody
}

// DefaultPatience is the time after which an unknown verdict fails the check.
const DefaultPatience = 10 * time.Minute

// Handlers is the table of all kinds of work.
func (r *Reconciler) Handlers() map[string]job.Handler {
	all := map[string]job.Handler{
		work.KindInstall:    each(r.install),
		work.KindRepo:       each(r.repo),
		work.KindRef:        each(r.ref),
		work.KindPull:       each(r.pull),
		work.KindListed:     each(r.pull),
		work.KindRecheck:    each(r.pull),
		work.KindVerify:     each(r.pull),
		work.KindComment:    r.comments,
		work.KindComments:   each(r.missedComments),
		work.KindGroup:      each(r.group),
		work.KindQueue:      each(r.lookAtQueue),
		work.KindQueueLater: each(r.wakeQueue),
		work.KindCoupling:   r.couplings,
		work.KindShow:       each(r.show),
		work.KindTell:       each(r.tell),
		work.KindExpire:     each(r.expire),
		work.KindAlarm:      each(r.alarm),
		work.KindReport:     each(r.report),
		work.KindDeliveries: each(r.deliveries),
		work.KindPrune:      each(r.prune),
		work.KindReconcile:  each(r.all),
		work.KindRefused:    each(r.tryRefused),
	}
	for kind, h := range all {
		all[kind] = r.heeded(r.guarded(h))
	}
	return all
}

// each makes a handler of a function that does one row.
func each(do func(context.Context, store.Claimed) error) job.Handler {
	return func(ctx context.Context, claimed []store.Claimed) []job.Outcome {
		out := make([]job.Outcome, len(claimed))
		for i, c := range claimed {
			out[i] = job.Outcome{Err: do(ctx, c)}
		}
		return out
	}
}

// refused reports whether GitHub does not let relbot do something.
func refused(err error) bool {
	return errors.Is(err, forge.ErrSuspended) || errors.Is(err, forge.ErrGone)
}

// pulls reads pull requests and nothing beside them.
func (r *Reconciler) pulls(ctx context.Context, pulls ...coupling.Pull) (map[coupling.Pull]versionscan.Fact[forge.Pull], error) {
	_, facts, err := r.read(ctx, forge.Reading{Pulls: pulls})
	return facts, err
}

// transient reports whether an error is an outage that passes by itself.
func transient(err error) bool {
	var retry *forge.RetryError
	return errors.As(err, &retry)
}

// settling is how long after a repository was first seen what stands there is looked at before it is written over: the
// database may be new and relbot not.
const settling = 10 * time.Minute

func (r *Reconciler) settling(d memory.Repo) bool { return r.Now().Sub(d.Since) < settling }
