package telemetry

import (
	"context"
	"errors"
	"time"

	"github.com/relbot/relbot/internal/store"
)

// measured is a store whose failures are counted, and whose rows of work get the origin of what queues them.
type measured struct {
	store.Store
	t *Telemetry
}

// Store wraps a store.
func (t *Telemetry) Store(s store.Store) store.Store { return measured{s, t} }

// origins completes the origin of rows that are about to be queued.
func (m measured) origins(ctx context.Context, work []store.Work) []store.Work {
	out := make([]store.Work, len(work))
	from, now := store.OriginOf(ctx), m.t.now()
	if from.At.IsZero() {
		from.At = now
	}
	if trace := traceparent(ctx); trace != "" {
		from.Trace = trace
	}
	for i, w := range work {
		switch {
		case !w.Origin.At.IsZero():
			w.Origin.Trace = from.Trace
		case w.At.After(now): // a timer of its own
			w.Origin = store.Origin{At: w.At, Trace: from.Trace}
		default:
			w.Origin = from
		}
		w.Origin.Queued = now
		out[i] = w
	}
	return out
}

// count counts a failure of the database. What it refuses by design is none.
func (m measured) count(operation string, err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	for _, answer := range []error{store.ErrNotFound, store.ErrConflict, store.ErrLost} {
		if errors.Is(err, answer) {
			return
		}
	}
	m.t.dbErrors.WithLabelValues(operation).Inc()
}

// counted counts the failure of an operation that has a result.
func counted[T any](m measured, operation string, v T, err error) (T, error) {
	m.count(operation, err)
	return v, err
}

// checked counts the failure of an operation that has none.
func (m measured) checked(operation string, err error) error {
	m.count(operation, err)
	return err
}

func (m measured) Accept(ctx context.Context, d store.Delivery, work []store.Work) (bool, error) {
	fresh, err := m.Store.Accept(ctx, d, m.origins(ctx, work))
	return counted(m, "accept", fresh, err)
}

func (m measured) Delivery(ctx context.Context, guid string) (store.Delivery, error) {
	d, err := m.Store.Delivery(ctx, guid)
	return counted(m, "delivery", d, err)
}

func (m measured) Prune(ctx context.Context, before time.Time) (int, error) {
	n, err := m.Store.Prune(ctx, before)
	return counted(m, "prune", n, err)
}

func (m measured) Enqueue(ctx context.Context, work ...store.Work) error {
	return m.checked("enqueue", m.Store.Enqueue(ctx, m.origins(ctx, work)...))
}

func (m measured) Claim(ctx context.Context, now time.Time, owner string, lease time.Duration, limit int) ([]store.Claimed, error) {
	c, err := m.Store.Claim(ctx, now, owner, lease, limit)
	return counted(m, "claim", c, err)
}

func (m measured) Renew(ctx context.Context, c []store.Claimed, until time.Time) error {
	return m.checked("renew", m.Store.Renew(ctx, c, until))
}

func (m measured) Done(ctx context.Context, c ...store.Claimed) error {
	return m.checked("done", m.Store.Done(ctx, c...))
}

func (m measured) Later(ctx context.Context, c store.Claimed, f store.Failure) error {
	return m.checked("later", m.Store.Later(ctx, c, f))
}

func (m measured) Next(ctx context.Context) (time.Time, error) {
	at, err := m.Store.Next(ctx)
	return counted(m, "next", at, err)
}

func (m measured) Jobs(ctx context.Context) ([]store.Job, error) {
	jobs, err := m.Store.Jobs(ctx)
	return counted(m, "jobs", jobs, err)
}

func (m measured) Backlog(ctx context.Context, now time.Time) ([]store.Backlog, error) {
	b, err := m.Store.Backlog(ctx, now)
	return counted(m, "backlog", b, err)
}

func (m measured) Every(ctx context.Context, name string, slot time.Time, work ...store.Work) (bool, error) {
	mine, err := m.Store.Every(ctx, name, slot, m.origins(ctx, work)...)
	return counted(m, "every", mine, err)
}

func (m measured) Last(ctx context.Context, name string) (time.Time, error) {
	last, err := m.Store.Last(ctx, name)
	return counted(m, "last", last, err)
}

func (m measured) Time(ctx context.Context) (time.Time, error) {
	now, err := m.Store.Time(ctx)
	return counted(m, "time", now, err)
}

func (m measured) Get(ctx context.Context, kind, key string) (store.Document, error) {
	d, err := m.Store.Get(ctx, kind, key)
	return counted(m, "get", d, err)
}

func (m measured) Put(ctx context.Context, docs []store.Document, work []store.Work) error {
	return m.checked("put", m.Store.Put(ctx, docs, m.origins(ctx, work)))
}

func (m measured) List(ctx context.Context, kind, prefix string) ([]store.Document, error) {
	docs, err := m.Store.List(ctx, kind, prefix)
	return counted(m, "list", docs, err)
}

func (m measured) Log(ctx context.Context, a store.Audit) (bool, error) {
	fresh, err := m.Store.Log(ctx, a)
	return counted(m, "log", fresh, err)
}

func (m measured) Audits(ctx context.Context, repo string, after int64, limit int) ([]store.Audit, error) {
	audits, err := m.Store.Audits(ctx, repo, after, limit)
	return counted(m, "audits", audits, err)
}

func (m measured) Ping(ctx context.Context) error { return m.checked("ping", m.Store.Ping(ctx)) }
