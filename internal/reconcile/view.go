package reconcile

import (
	"context"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/drift"
	"github.com/relbot/relbot/internal/flip"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/timeline"
)

// What pages show is read from the store alone. Nothing here asks GitHub, and nothing is hidden from anybody: the maker of a page decides what
// its reader may see.

// Coupled is a coupling as it was last judged. It is shared and must not be changed.
type Coupled struct {
	rules.Judgement
	Opened time.Time // when relbot first saw it
	Outage time.Time // since when GitHub does not answer about it; zero when it does
}

// History is what is remembered of a coupling in addition to its judgement.
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
	Nights []memory.Night // oldest first
}

func coupled(d memory.Judgement) Coupled {
	return Coupled{Judgement: d.Judgement, Opened: d.Opened, Outage: d.Outage}
}

// Repositories are those on which the App is installed.
func (r *Reconciler) Repositories(ctx context.Context) ([]forge.Repository, error) {
	docs, err := r.Memory.Repos.All(ctx)
	var out []forge.Repository
	for _, d := range docs {
		if !d.Value.Gone && d.Value.Name != "" {
			out = append(out, d.Value.Repository)
		}
	}
	return out, err
}

// Couplings are all couplings, by key.
func (r *Reconciler) Couplings(ctx context.Context) ([]Coupled, error) {
	docs, err := r.Memory.Judgements.All(ctx)
	out := make([]Coupled, 0, len(docs))
	for _, d := range docs {
		if len(d.Value.Members) > 0 {
			out = append(out, coupled(d.Value))
		}
	}
	return out, err
}

// Coupling is one coupling with its history; false when there is none with that key.
func (r *Reconciler) Coupling(ctx context.Context, key coupling.Key) (Coupled, History, bool, error) {
	d, known, err := r.Memory.Judgements.Find(ctx, key)
	if err != nil || !known || len(d.Members) == 0 {
		return Coupled{}, History{}, false, err
	}
	h, err := r.History(ctx, key)
	return coupled(d), h, true, err
}

// History is what is remembered of a coupling in addition to its judgement.
func (r *Reconciler) History(ctx context.Context, key coupling.Key) (History, error) {
	h, err := r.Memory.Histories.Load(ctx, key)
	return History{Flips: h.Flips, Charts: h.Charts}, err
}

// Others are the further couplings that speak of a pull request next to the one with a key.
func (r *Reconciler) Others(ctx context.Context, p coupling.Pull, key coupling.Key) ([]Coupled, error) {
	js, err := r.judgementsOf(ctx, p)
	var out []Coupled
	for _, j := range js {
		if j.Coupling.Key() != key {
			out = append(out, coupled(j))
		}
	}
	return out, err
}

// Keyed reports whether a key is the one in the address of a pull request's page.
func (r *Reconciler) Keyed(ctx context.Context, p coupling.Pull, key string) (bool, error) {
	d, known, err := r.Memory.Pages.Find(ctx, p)
	return err == nil && known && d.Opens(key), err
}

// PullView is what is known of a pull request; false when relbot has not seen it.
func (r *Reconciler) PullView(ctx context.Context, p coupling.Pull) (PullView, bool, error) {
	out := PullView{Pull: p}
	seen, known, err := r.Memory.Pulls.Find(ctx, p)
	if err != nil || !known {
		return out, false, err
	}
	js, err := r.judgementsOf(ctx, p)
	if err != nil {
		return out, false, err
	}
	for _, j := range js {
		out.Couplings = append(out.Couplings, coupled(j))
	}
	out.Open, out.Verdict, out.Extra = seen.State == "open", verdictOf(p, seen, js), seen.Extra
	out.Proposals, out.NearMisses, out.Preview, out.Annotations = seen.Proposals, seen.NearMisses, seen.Preview, seen.Notes
	return out, true, nil
}

// Drifts are the last reports of all repositories that have one, by name.
func (r *Reconciler) Drifts(ctx context.Context) ([]Drifted, error) {
	docs, err := r.Memory.Reports.All(ctx)
	var out []Drifted
	for _, doc := range docs {
		d := doc.Value
		out = append(out, Drifted{Repo: doc.Of, Rows: d.Rows, Gates: d.Gates, Nights: d.Nights})
	}
	return out, err
}

// GateTimeline is the timeline of a registered gate as the last report had it.
func (r *Reconciler) GateTimeline(ctx context.Context, repo coupling.Repo, gate string) (timeline.Timeline, bool, error) {
	d, known, err := r.Memory.Timelines.Find(ctx, memory.GateKey{Repo: repo, Gate: gate})
	return d.Timeline, known, err
}
