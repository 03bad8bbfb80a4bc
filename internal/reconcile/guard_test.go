package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/job"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/store/sqlite"
	"github.com/relbot/relbot/internal/work"
)

const app = coupling.Repo("acme/app")

var (
	pull = coupling.Pull{Repo: app, Number: 12}
	noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
)

// world returns a Reconciler with a database of its own and no GitHub.
func world(t *testing.T) *Reconciler {
	t.Helper()
	s, err := sqlite.Open(t.Context(), ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &Reconciler{Store: s, Memory: memory.New(s), Now: func() time.Time { return noon }, Log: slog.New(slog.DiscardHandler), Patience: DefaultPatience}
}

// knows has relbot know so much of a repository.
func (r *Reconciler) knows(t *testing.T, repo coupling.Repo, how memory.Readiness) {
	t.Helper()
	if how == memory.Absent {
		return
	}
	if _, err := r.Memory.Repos.Update(t.Context(), repo, func(d *memory.Repo) ([]store.Work, bool) {
		d.Name, d.Gone = repo, how == memory.Gone
		if how != memory.Unknown {
			d.Fingerprint = "read"
		}
		return nil, true
	}); err != nil {
		t.Fatal(err)
	}
	if how == memory.Restored {
		for _, list := range []memory.List{memory.Replayed, memory.Proposed} {
			if _, err := r.Memory.Watermarks.Update(t.Context(), list.Of(repo), func(w *memory.Watermark) ([]store.Work, bool) { w.At = noon; return nil, true }); err != nil {
				t.Fatal(err)
			}
		}
	}
	if now, err := r.Memory.Readiness(t.Context(), repo); err != nil || now != how {
		t.Fatalf("it is %s, want %s; %v", now, how, err)
	}
}

// TestGuard holds what becomes of each kind of work, by what is known of its repository: it runs, waits, is tried again, or is done with, and
// what is queued in its place.
func TestGuard(t *testing.T) {
	states := []memory.Readiness{memory.Absent, memory.Unknown, memory.Surveyed, memory.Restored, memory.Gone}
	pulls := []string{"done, install", "done, repo", "runs", "runs", "done, install"}
	runs := []string{"runs", "runs", "runs", "runs", "runs"}
	want := map[string][]string{
		work.KindInstall: runs, work.KindComments: runs, work.KindGroup: runs, work.KindQueueLater: runs, work.KindShow: runs, work.KindTell: runs, work.KindExpire: runs,
		work.KindDeliveries: runs, work.KindPrune: runs, work.KindRefused: runs, work.KindReconcile: runs,
		work.KindPull: pulls, work.KindListed: pulls, work.KindRecheck: pulls, work.KindVerify: pulls,
		work.KindRepo:     {"done, install", "runs", "runs", "runs", "done, install"},
		work.KindRef:      {"done, install", "runs", "runs", "runs", "done, install"},
		work.KindComment:  {"waits, tried again, install", "waits, tried again, repo", "waits", "runs", "done"},
		work.KindQueue:    {"waits, tried again, install", "runs", "runs", "runs", "done"},
		work.KindCoupling: {"runs", "waits", "waits", "runs", "runs"},
		work.KindAlarm:    {"done", "runs", "runs", "runs", "done"},
		work.KindReport:   {"done", "runs", "runs", "runs", "done"},
	}
	rows := map[string]store.Work{}
	for _, w := range []store.Work{
		work.Install(), work.Repo(app), work.Ref(app, "refs/heads/main", work.RefPayload{}), work.Pull(pull), work.Listed(forge.Pull{Pull: pull}), work.Recheck(pull),
		work.Verify(pull), work.Comment(pull, work.CommentPayload{ID: 7}), work.Comments(app), work.Group(app, work.GroupPayload{Head: "c", BaseRef: "main"}),
		work.Queue(app, "main"), work.QueueLater(app, "main", noon), work.Coupling("acme/app:image"), work.Show(pull, false), work.Tell(pull, false, noon),
		work.Expire(pull, noon), work.Alarm(pull, "a", "acme/app:image"), work.Report(app), work.Deliveries(), work.Prune(), work.Refused(), work.Reconcile(),
	} {
		rows[w.Kind] = w
	}
	for kind := range world(t).Handlers() {
		if len(want[kind]) != len(states) || rows[kind].Kind == "" {
			t.Errorf("%s: the table does not say what becomes of it", kind)
			continue
		}
		for i, state := range states {
			r := world(t)
			r.knows(t, app, state)
			if got := r.fateOf(t, rows[kind]); got != want[kind][i] {
				t.Errorf("%s, %s: %s, want %s", kind, state, got, want[kind][i])
			}
		}
	}
}

// fateOf says what became of a row.
func (r *Reconciler) fateOf(t *testing.T, w store.Work) string {
	t.Helper()
	got := "done"
	out := r.guarded(func(_ context.Context, claimed []store.Claimed) []job.Outcome {
		got = "runs"
		return make([]job.Outcome, len(claimed))
	})(t.Context(), []store.Claimed{{Work: w, Want: 1}})
	if waits, err := r.Memory.Waiting.In(t.Context(), app); err != nil || len(waits) > 1 {
		t.Fatalf("%d rows wait, %v", len(waits), err)
	} else if len(waits) == 1 {
		got = "waits"
	}
	var again *forge.RetryError
	if errors.As(out[0].Err, &again) {
		got += ", tried again"
	} else if out[0].Err != nil {
		t.Fatal(out[0].Err)
	}
	jobs, err := r.Store.Jobs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		got += ", " + j.Kind
	}
	return got
}

// TestGuardedBatch holds that of rows that were claimed together those run whose repositories are ready, and that each has its own outcome.
func TestGuardedBatch(t *testing.T) {
	r := world(t)
	r.knows(t, app, memory.Restored)
	failed := errors.New("failed")
	out := r.guarded(func(_ context.Context, claimed []store.Claimed) []job.Outcome {
		if len(claimed) != 1 || claimed[0].Key != pull.String() {
			t.Errorf("these run: %+v", claimed)
		}
		return []job.Outcome{{Err: failed}}
	})(t.Context(), []store.Claimed{{Work: work.Pull(coupling.Pull{Repo: "acme/web", Number: 1})}, {Work: work.Pull(pull)}})
	if len(out) != 2 || out[0].Err != nil || out[1].Err != failed {
		t.Errorf("outcomes: %+v", out)
	}
}

// TestResume holds that work which waits for a repository is queued once that is as ready as it needs, with the payload that lasts.
func TestResume(t *testing.T) {
	r := world(t)
	ctx := t.Context()
	r.knows(t, app, memory.Unknown)
	comment := work.Comment(pull, work.CommentPayload{ID: 7, Body: "/relbot hold"})
	for _, w := range []struct {
		row  store.Work
		need memory.Readiness
	}{{comment, memory.Restored}, {work.PullEvent(pull, work.PullPayload{Head: "h"}), memory.Restored}, {work.Comments("acme/web"), memory.Surveyed}} {
		if ready, err := r.await(ctx, w.need, []store.Claimed{{Work: w.row}}, app); ready || err != nil {
			t.Fatalf("%s does not wait; %v", w.row.Kind, err)
		}
	}
	for _, step := range []struct {
		how  memory.Readiness
		want []string
	}{
		{memory.Unknown, nil},
		{memory.Surveyed, []string{work.KindComments}},
		{memory.Restored, []string{work.KindComment, work.KindComments, work.KindPull}},
	} {
		r.knows(t, app, step.how)
		if err := r.resume(ctx, app); err != nil {
			t.Fatal(err)
		}
		jobs, err := r.Store.Jobs(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var kinds []string
		for _, j := range jobs {
			kinds = append(kinds, j.Kind)
			if j.Kind == work.KindComment && string(j.Data) != string(comment.Data) || j.Kind == work.KindPull && len(j.Data) > 0 {
				t.Errorf("%s has the payload %s", j.Kind, j.Data)
			}
		}
		slices.Sort(kinds)
		if !slices.Equal(kinds, step.want) {
			t.Errorf("%s: %v are queued, want %v", step.how, kinds, step.want)
		}
	}
	if left, err := r.Memory.Waiting.In(ctx, app); err != nil || len(left) > 0 {
		t.Errorf("%d rows wait for a repository that is restored; %v", len(left), err)
	}
}
