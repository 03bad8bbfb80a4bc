package reconcile

import (
	"context"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/drift"
	"github.com/relbot/relbot/internal/flip"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/timeline"
)

// What pages show is read from the store alone. Nothing here asks GitHub, and nothing is hidden from anybody: whoever makes a page decides what
// its reader may see.

// Coupled is a coupling as it was last judged. It is shared and must not be changed.
type Coupled struct {
	rules.Judgement
	Opened time.Time // when relbot first saw it
	Outage time.Time // since when GitHub does not answer about it; zero when it does
}

// History is what is remembered of a coupling beside its judgement.
type History struct {
	Flips  []flip.Flip // newest first
	Charts []timeline.Chart
}

// PullView is all that is to be said of a pull request.
type PullView struct {
	Pull        coupling.Pull
	Open        bool
	Verdict     rules.Verdict  // over everything
	Extra       *rules.Verdict // what is said of it apart from its couplings; nil is nothing
	Couplings   []Coupled
	Proposals   []string // Markdown, as the next three
	NearMisses  []string
	Preview     []string
	Annotations []forge.Annotation // problems of a changed policy
}

// Drifted is the last nightly report of a repository, and how much former ones had.
type Drifted struct {
	Repo   coupling.Repo
	Rows   []drift.Row
	Gates  []drift.Gate
	Nights []Night // oldest first
}

// decoded keeps documents in their decoded form, since a page lists many and few change between two views.
type decoded[T any] struct {
	mu   sync.Mutex
	docs map[string]decodedDoc[T]
}

type decodedDoc[T any] struct {
	sum uint64
	v   *T
}

var seed = maphash.MakeSeed()

// or is what a document holds: what is kept already, if it is of the same text.
func (k decodedDoc[T]) or(d store.Document) (decodedDoc[T], error) {
	sum := maphash.Bytes(seed, d.Body)
	if k.v != nil && k.sum == sum {
		return k, nil
	}
	k = decodedDoc[T]{sum, new(T)}
	return k, decode(d, k.v)
}

// list reads all documents of a kind, by key.
func (c *decoded[T]) list(ctx context.Context, r *Reconciler, kind string) ([]string, []*T, error) {
	docs, err := r.Store.List(ctx, kind, "")
	if err != nil {
		return nil, nil, fmt.Errorf("list %s: %w", kind, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	fresh := make(map[string]decodedDoc[T], len(docs))
	keys, out := make([]string, 0, len(docs)), make([]*T, 0, len(docs))
	for _, d := range docs {
		one, err := c.docs[d.Key].or(d)
		if err != nil {
			return nil, nil, err
		}
		fresh[d.Key] = one
		keys, out = append(keys, d.Key), append(out, one.v)
	}
	c.docs = fresh
	return keys, out, nil
}

// views are the caches of one Reconciler.
type views struct {
	repos     decoded[repoDoc]
	couplings decoded[judgementDoc]
}

func (d *judgementDoc) coupled() Coupled {
	return Coupled{Judgement: d.Judgement, Opened: d.Opened, Outage: d.Outage}
}

// Repositories are those on which the App is installed.
func (r *Reconciler) Repositories(ctx context.Context) ([]forge.Repository, error) {
	_, docs, err := r.views.repos.list(ctx, r, docRepo)
	var out []forge.Repository
	for _, d := range docs {
		if !d.Gone && d.Name != "" {
			out = append(out, d.Repository)
		}
	}
	return out, err
}

// Couplings are all couplings, by key.
func (r *Reconciler) Couplings(ctx context.Context) ([]Coupled, error) {
	_, docs, err := r.views.couplings.list(ctx, r, docJudgement)
	out := make([]Coupled, 0, len(docs))
	for _, d := range docs {
		if len(d.Members) > 0 {
			out = append(out, d.coupled())
		}
	}
	return out, err
}

// Coupling is one coupling with its history; false when there is none with that key.
func (r *Reconciler) Coupling(ctx context.Context, key string) (Coupled, History, bool, error) {
	var d judgementDoc
	rev, err := r.load(ctx, docJudgement, key, &d)
	if err != nil || rev == 0 || len(d.Members) == 0 {
		return Coupled{}, History{}, false, err
	}
	h, err := r.History(ctx, key)
	return d.coupled(), h, true, err
}

// History is what is remembered of a coupling beside its judgement.
func (r *Reconciler) History(ctx context.Context, key string) (History, error) {
	var h historyDoc
	_, err := r.load(ctx, docHistory, key, &h)
	return History{Flips: h.Flips, Charts: h.Charts}, err
}

// Others are the further couplings that speak of a pull request beside the one with a key.
func (r *Reconciler) Others(ctx context.Context, p coupling.Pull, key string) ([]Coupled, error) {
	js, err := r.judgementsOf(ctx, p)
	var out []Coupled
	for _, j := range js {
		if j.Coupling.Key() != key {
			out = append(out, j.coupled())
		}
	}
	return out, err
}

// Keyed reports whether a key is the one in the address of a pull request's page.
func (r *Reconciler) Keyed(ctx context.Context, p coupling.Pull, key string) (bool, error) {
	var d pageDoc
	rev, err := r.load(ctx, docPage, p.String(), &d)
	return err == nil && rev > 0 && d.opens(key), err
}

// PullView is what is known of a pull request; false when relbot has not seen it.
func (r *Reconciler) PullView(ctx context.Context, p coupling.Pull) (PullView, bool, error) {
	out := PullView{Pull: p}
	var repo repoDoc
	var seen pullDoc
	if _, err := r.load(ctx, docRepo, string(p.Repo), &repo); err != nil {
		return out, false, err
	}
	rev, err := r.load(ctx, docPull, p.String(), &seen)
	if err != nil || rev == 0 {
		return out, false, err
	}
	js, err := r.judgementsOf(ctx, p)
	if err != nil {
		return out, false, err
	}
	for _, j := range js {
		out.Couplings = append(out.Couplings, j.coupled())
	}
	out.Open, out.Verdict, out.Extra = seen.State == "open", verdictOf(p, seen, js), seen.Extra
	out.Proposals, out.NearMisses, out.Preview, out.Annotations = seen.Proposals, seen.NearMisses, seen.Preview, seen.Notes
	return out, true, nil
}

// Drifts are the last reports of all repositories that have one, by name.
func (r *Reconciler) Drifts(ctx context.Context) ([]Drifted, error) {
	docs, err := list[reportDoc](ctx, r, docReport, "")
	var out []Drifted
	for _, name := range slices.SortedFunc(maps.Keys(docs), strings.Compare) {
		d := docs[name]
		out = append(out, Drifted{Repo: coupling.Repo(name), Rows: d.Rows, Gates: d.Gates, Nights: d.Nights})
	}
	return out, err
}

// GateTimeline is the timeline of a registered gate as the last report had it.
func (r *Reconciler) GateTimeline(ctx context.Context, repo coupling.Repo, gate string) (timeline.Timeline, bool, error) {
	var d timelineDoc
	rev, err := r.load(ctx, docTimeline, string(repo)+" "+gate, &d)
	return d.Timeline, rev > 0, err
}
