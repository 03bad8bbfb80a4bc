package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/work"
)

// For some seconds after an event GitHub's reads may tell the state before it (tanium/octobot#315, rocq-prover/bot#1). What an event said is remembered
// with the pull request or the repository, and a read that does not show it yet is no fact: its work is tried again. After lagLimit what is read counts:
// the event may have been an old one, delivered again.
const lagLimit = time.Minute

// lagError says that reads tell an older state than events did.
type lagError struct {
	pulls []coupling.Pull
	repos []coupling.Repo
}

func (e *lagError) Error() string { return "GitHub still tells the state before an event" }

// read reads pull requests and repositories. What lags is unknown; where nothing else failed the error is then a [lagError], to be tried again.
func (r *Reconciler) read(ctx context.Context, q forge.Reading) (map[coupling.Repo]versionscan.Fact[forge.Survey], map[coupling.Pull]versionscan.Fact[forge.Pull], error) {
	surveys, pulls, failed := r.GitHub.Read(ctx, q)
	lag := &lagError{}
	for p, fact := range pulls {
		if old, err := r.pullLags(ctx, p, fact); err != nil {
			return surveys, pulls, err
		} else if old {
			pulls[p] = versionscan.NotKnown[forge.Pull](lag.Error())
			lag.pulls = append(lag.pulls, p)
		}
	}
	for _, asked := range q.Surveys {
		fact := surveys[asked.Repo]
		if !fact.Known() {
			continue
		}
		if old, err := r.repoLags(ctx, asked, fact.Value); err != nil {
			return surveys, pulls, err
		} else if old {
			surveys[asked.Repo] = versionscan.NotKnown[forge.Survey](lag.Error())
			lag.repos = append(lag.repos, asked.Repo)
		}
	}
	if failed == nil && len(lag.pulls)+len(lag.repos) > 0 {
		failed = &forge.RetryError{Err: lag}
	}
	return surveys, pulls, failed
}

func (r *Reconciler) pullLags(ctx context.Context, p coupling.Pull, fact versionscan.Fact[forge.Pull]) (bool, error) {
	d, err := r.Memory.Pulls.Load(ctx, p)
	if err != nil || !d.Lags(fact) {
		return false, err
	}
	if r.Now().Sub(d.Learned) < lagLimit {
		return true, nil
	}
	_, err = r.Memory.Pulls.Update(ctx, p, func(d *memory.Pull) ([]store.Work, bool) {
		if !d.Lags(fact) {
			return nil, false
		}
		d.Learned = time.Time{}
		r.believes(p.String())
		return nil, true
	})
	return false, err
}

func (r *Reconciler) repoLags(ctx context.Context, asked forge.SurveyRequest, s forge.Survey) (bool, error) {
	d, err := r.Memory.Repos.Load(ctx, asked.Repo)
	if err != nil {
		return false, err
	}
	var over []string // those that lag for too long
	for _, ref := range d.Moves {
		switch {
		case !ref.Lags(s, asked):
		case r.Now().Sub(ref.At) < lagLimit:
			return true, nil
		default:
			over = append(over, ref.Ref)
		}
	}
	if len(over) == 0 {
		return false, nil
	}
	_, err = r.Memory.Repos.Update(ctx, asked.Repo, func(d *memory.Repo) ([]store.Work, bool) {
		n := len(d.Moves)
		d.Moves = slices.DeleteFunc(slices.Clone(d.Moves), func(t memory.RefMove) bool { return slices.Contains(over, t.Ref) && r.Now().Sub(t.At) >= lagLimit })
		return nil, len(d.Moves) < n
	})
	r.believes(fmt.Sprint(asked.Repo, " ", over))
	return false, err
}

// believes logs that a read counts though it tells an older state than an event did.
func (r *Reconciler) believes(what string) {
	r.Log.Warn("GitHub still tells the state before an event: it counts now", "of", what, "after", lagLimit)
}

// expect remembers what events said of a pull request before it is read.
func (r *Reconciler) expect(ctx context.Context, p coupling.Pull, changes []work.Change) error {
	_, err := r.Memory.Pulls.Update(ctx, p, func(d *memory.Pull) ([]store.Work, bool) { return nil, d.Hear(changes, r.Now()) })
	return err
}

// ref remembers what an event said of a branch or a tag, and has its repository read where something depends on it.
func (r *Reconciler) ref(ctx context.Context, c store.Claimed) error {
	repo, ref := work.RefOf(c.Work)
	d, err := r.Memory.Repos.Load(ctx, repo)
	if err != nil {
		return err
	}
	branch, isBranch := strings.CutPrefix(ref, "refs/heads/")
	if isBranch && d.Fingerprint != "" && !r.request(d, d.Rules()).Wants(branch) {
		return nil
	}
	all := work.Trail[work.RefPayload](c.Work) // without any nothing is known but that the ref moved
	_, err = r.Memory.Repos.Update(ctx, repo, func(d *memory.Repo) ([]store.Work, bool) {
		move := memory.RefMove{Ref: ref}
		if i := slices.IndexFunc(d.Moves, func(t memory.RefMove) bool { return t.Ref == ref && r.Now().Sub(t.At) < lagLimit }); i >= 0 {
			move = d.Moves[i] // of several pushes the read may lack more than the last
		} else if isBranch && branch == d.Default && !slices.ContainsFunc(all, func(said work.RefPayload) bool { return said.After == d.Tip }) {
			move.Before = []string{d.Tip}
		}
		for _, said := range all {
			move = move.Then(said, r.Now())
		}
		d.Moves = slices.DeleteFunc(slices.Clone(d.Moves), func(t memory.RefMove) bool { return t.Ref == ref || r.Now().Sub(t.At) >= lagLimit })
		d.Moves = append(d.Moves, move)
		return []store.Work{work.Repo(d.Name)}, true
	})
	return err
}

// lagging reports whether an error says that reads lag, and what.
func lagging(err error) (*lagError, bool) {
	var lag *lagError
	return lag, errors.As(err, &lag)
}

// notYet turns a refusal to know a pull request that was opened or changed a moment ago into an error to try again.
func (r *Reconciler) notYet(d memory.Pull, err error) error {
	if errors.Is(err, forge.ErrGone) && r.Now().Sub(d.Learned) < lagLimit {
		return &forge.RetryError{Err: errors.New(err.Error())} // no refusal any more, after which nothing would be tried
	}
	return err
}
