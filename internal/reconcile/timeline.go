package reconcile

import (
	"context"
	"crypto/subtle"
	"fmt"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/publish"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/timeline"
)

// timelineOf is the history of a registered gate that has evidence.
func timelineOf(g rules.Gate, s rules.Snapshot, repo coupling.Repo, state rules.GateState) (timeline.Timeline, bool) {
	q := rules.Ask(g, s, repo)
	if g.Evidence == nil || q.History == nil {
		return timeline.Timeline{}, false
	}
	facts := s.Repos[repo].Bases[s.Repos[repo].Default].Gates[g.ID]
	t := timeline.Timeline{Subject: g.ID, Releases: timeline.Releases(q.History, timeline.ByEvidence(facts.Shows)), Right: state.Level == rules.Pass}
	if q.Train.Known() {
		t.Train = q.Train.Value.Core.String()
	}
	if q.Ship.Known() {
		t.First = q.Ship.Value.Core.String()
	}
	if f := facts.Base.Found; f.Known() && !f.Value.Value.IsZero() {
		t.Value, t.At = f.Value.Value.String(), q.Named(g, f.Value.Value)
	}
	return t, true
}

// keepTimeline remembers a gate's timeline and gives the address of its picture, which stays the same.
func (r *Reconciler) keepTimeline(ctx context.Context, repo coupling.Repo, gate string, t timeline.Timeline) (string, error) {
	d, err := r.Memory.Timelines.Update(ctx, memory.GateKey{Repo: repo, Gate: gate}, func(d *memory.Timeline) ([]store.Work, bool) {
		before := publish.Hash(*d)
		if d.Timeline = t; d.Key == "" {
			d.Key = r.secret("timeline " + string(repo) + " " + gate)
		}
		return nil, publish.Hash(*d) != before
	})
	return fmt.Sprintf("%s/timeline/%s/%s.svg?key=%s", r.PublicURL, repo, gate, d.Key), err
}

// Timeline is the timeline of a gate as the last report had it, for who knows its key.
func (r *Reconciler) Timeline(ctx context.Context, repo coupling.Repo, gate, key string) (timeline.Timeline, bool, error) {
	d, known, err := r.Memory.Timelines.Find(ctx, memory.GateKey{Repo: repo, Gate: gate})
	if err != nil || !known || subtle.ConstantTimeCompare([]byte(d.Key), []byte(key)) != 1 {
		return timeline.Timeline{}, false, err
	}
	return d.Timeline, true, nil
}
