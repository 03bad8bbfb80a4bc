package reconcile

import (
	"context"
	"slices"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/publish"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/work"
)

// Lateness says what a pull request waits for, and how its last check came about.
type Lateness struct {
	Known   bool // relbot has seen the pull request
	Head    string
	Last    publish.Posted // the check on Head; zero where there is none
	Waiting []store.Job    // rows whose result the pull request may need; zero At is no time of their own
	Refused []Refusal      // likewise
}

// Why says what a pull request waits for, given all rows that are not done.
func Why(ctx context.Context, s memory.Store, p coupling.Pull, jobs []store.Job, refused []Refusal) (Lateness, error) {
	m := memory.New(s)
	seen, known, err := m.Pulls.Find(ctx, p)
	if err != nil {
		return Lateness{}, err
	}
	in, err := m.Members.Load(ctx, p)
	if err != nil {
		return Lateness{}, err
	}
	out := Lateness{Known: known, Head: seen.Head}
	if out.Last, err = (&publish.Publisher{Store: s}).Posted(ctx, p.Repo, seen.Head); err != nil {
		return Lateness{}, err
	}
	for _, j := range jobs {
		if needs(p, in.Couplings, j.Work) {
			out.Waiting = append(out.Waiting, j)
		}
	}
	parked, err := m.Waiting.In(ctx, p.Repo)
	if err != nil {
		return Lateness{}, err
	}
	for _, d := range parked {
		for _, w := range d.Value.Work {
			if needs(p, in.Couplings, w) {
				out.Waiting = append(out.Waiting, store.Job{Work: w, Error: "it runs once all of " + string(p.Repo) + " was read"})
			}
		}
	}
	for _, r := range refused {
		if needs(p, in.Couplings, r.Work) {
			out.Refused = append(out.Refused, r)
		}
	}
	return out, nil
}

// needs reports whether the result of a row may change the check or the note of a pull request in some couplings: work on itself, on its couplings, and
// on its repository.
func needs(p coupling.Pull, in []coupling.Key, w store.Work) bool {
	if q, ok := work.PullOf(w); ok {
		return q == p
	}
	if q, ok := work.CommentOf(w); ok {
		return q == p
	}
	if q, _, ok := work.AlarmOf(w); ok {
		return q == p
	}
	if w.Kind == work.KindCoupling {
		return slices.ContainsFunc(in, func(k coupling.Key) bool { return string(k) == w.Key })
	}
	return slices.Contains([]string{work.KindRepo, work.KindRef, work.KindComments, work.KindGroup, work.KindQueue, work.KindQueueLater}, w.Kind) && work.RepoOf(w) == p.Repo
}
