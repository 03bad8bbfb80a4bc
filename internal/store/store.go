// Package store defines what relbot must remember and what it needs from a database.
//
// relbot is level-triggered: what has to be remembered is not a list of jobs but which keys have to be looked at
// again. So the store holds an inbox of deliveries, a keyed work table (want/done), periodic slots, documents and an audit log.
// A document is one JSON value for a kind and key: policies, judgements, what was published. Engines live in the packages below it, each with its own SQL;
// package storetest states what every engine has to do, and what it does not state is not promised.
//
// A general job queue was refused. Its unique jobs either drop an event that arrives during an evaluation, or run
// two evaluations of one key at once.
package store

import (
	"context"
	"errors"
	"time"
)

// Errors of every engine.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("changed by somebody else")          // a document's revision was not the expected one
	ErrBusy     = errors.New("too much is waiting to be written") // come back later
	ErrLost     = errors.New("lease lost")                        // the lease expired and another worker took over
	ErrNewer    = errors.New("a newer program has migrated the database: this one has to stop")
)

// Delivery is a webhook delivery as it was received.
type Delivery struct {
	GUID     string
	Event    string // X-GitHub-Event
	Received time.Time
	Payload  []byte // raw body; engines keep it compressed
}

// Work says that a key has to be looked at again.
type Work struct {
	Kind string
	Key  string
	Lane string    // work of one lane is never claimed by two workers at once; "" is kind and key
	At   time.Time // not before; zero is at once. The earliest of several wins
	// Window bounds how often a busy key runs: the row runs no earlier than Window after the start of its last run. The first event after a quiet time
	// runs at once, and all that follow within the window are one more run.
	Window time.Duration
	Data   []byte // a payload for the worker; the newest non-empty one wins
	// Trail is what must not be lost when several events become one run: whole lines, to which each event appends. A run gets those of all the events
	// that it answers. Beyond some [TrailLimit] characters new lines are dropped.
	Trail string
	// Origin is what called for the work in the end, however many rows lie in between. A row that waits keeps its first; one
	// that is being worked on takes that of what arrives meanwhile. No work depends on it.
	Origin Origin
}

// TrailLimit is the length of a trail, in characters, that takes no more lines: a row that cannot run must not grow without end.
const TrailLimit = 16000

// Origin is where work came from, for people and for measuring.
type Origin struct {
	At    time.Time // when the delivery was taken in or the timer fired; zero is not known
	Event string    // of the delivery; "" when a timer called for the work
	Trace string    // W3C traceparent of what queued the row; "" when it is not traced
	// Queued is when the row was queued first since its last run. Waited is what the rows before it have waited for, as people read it.
	Queued time.Time
	Waited string
}

type originKey struct{}

// WithOrigin returns a context that carries the origin of the work that runs in it.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// OriginOf returns the origin of the work that runs in a context; zero where there is none.
func OriginOf(ctx context.Context) Origin {
	o, _ := ctx.Value(originKey{}).(Origin)
	return o
}

// Claimed is work that this worker holds until Lease.
type Claimed struct {
	Work
	Want    int64     // pass it to Done: what arrived later keeps the row due
	Done    int64     // the Want that was done last: the difference is how often it was called for since
	Attempt int       // failures so far
	Since   time.Time // when the first of these failures happened; zero when none
	Cause   string    // of the last of them
	Owner   string
	Lease   time.Time
}

// Failure is what became of a row that could not be worked on to its end.
type Failure struct {
	At    time.Time // when it is tried again
	Again time.Time // when at the earliest if it is enqueued, or was since it was claimed; zero is at once
	Cause string
	Stuck bool // it is given up
}

// Document is one remembered value.
type Document struct {
	Kind, Key string
	Rev       int64 // from 1; 0 means it does not exist
	Body      []byte
	Updated   time.Time
}

// Audit is a row of the audit log.
type Audit struct {
	Seq    int64
	At     time.Time
	Repo   string
	Pull   int
	Actor  string
	Action string // verb
	Detail string // JSON
	Key    string // unique: the same key is recorded once ("comment 12 line 1")
}

// Job is a row of the work table, for operators.
type Job struct {
	Work
	Want, Done int64
	Attempt    int
	Error      string
	Stuck      bool // given up; Retry makes it due again
	Lease      time.Time
	Owner      string
}

// Backlog is what waits of one kind.
type Backlog struct {
	Kind    string
	Waiting int       // the time has not come
	Due     int       // the time has come, or it is being worked on
	Failing int       // of both: failed, and to be tried again
	Stuck   int       // given up
	Oldest  time.Time // the earliest origin of what is due or failing; zero when there is none
}

// Store is what an engine does, as package storetest states it; who only uses a database declares the few methods that it calls. All times are
// kept in milliseconds.
type Store interface {
	// Accept records a delivery and the work it calls for in one transaction. It reports false, and queues nothing, when the
	// GUID was accepted before and its work has not been given up. Nothing of the payload is kept after the return.
	Accept(ctx context.Context, d Delivery, work []Work) (bool, error)
	// Delivery returns an accepted delivery, or ErrNotFound.
	Delivery(ctx context.Context, guid string) (Delivery, error)
	// Prune forgets deliveries received before t, and work that was called for before t and is done, in small batches, and says how many.
	Prune(ctx context.Context, t time.Time) (int, error)

	// Enqueue makes keys due (want+1), in one transaction. A row that was given up starts from the beginning.
	Enqueue(ctx context.Context, work ...Work) error
	// Claim leases the due rows of one free lane, of one kind, oldest first, at most limit. Accounts (what is before the slash in a
	// key) have their turns one after another, however much each has waiting. It returns nil when nothing is due.
	Claim(ctx context.Context, now time.Time, owner string, lease time.Duration, limit int) ([]Claimed, error)
	// Renew extends the leases of what was claimed together, or returns ErrLost.
	Renew(ctx context.Context, c []Claimed, until time.Time) error
	// Done releases rows that were claimed together; one stays due when its want grew since it was claimed. ErrLost when the lease of any is gone.
	Done(ctx context.Context, c ...Claimed) error
	// Later releases a row that failed, to be tried again, or given up until somebody enqueues it. What was enqueued since the row was claimed may be what
	// it failed for the want of. Then it is due as soon as the failure allows, and not given up.
	Later(ctx context.Context, c Claimed, f Failure) error
	// Next is when the next row becomes due (a leased row, and those of its lane: when its lease ends); zero when there is none.
	Next(ctx context.Context) (time.Time, error)
	// Jobs lists rows that are not done, oldest first.
	Jobs(ctx context.Context) ([]Job, error)
	// Backlog sums up the rows that are not done, one row a kind that has any, by kind.
	Backlog(ctx context.Context, now time.Time) ([]Backlog, error)
	// Drop forgets a row.
	Drop(ctx context.Context, kind, key string) error
	// Release frees all leases of an owner ("" of every owner), as at the start of the only process.
	Release(ctx context.Context, owner string) error

	// Every makes keys due for exactly one caller for each (name, slot), in one transaction, and reports whether this was it.
	Every(ctx context.Context, name string, slot time.Time, work ...Work) (bool, error)
	// Last is the last slot of a name; zero when there was none.
	Last(ctx context.Context, name string) (time.Time, error)

	// Get returns a document, or one with Rev 0.
	Get(ctx context.Context, kind, key string) (Document, error)
	// Put writes documents and queues work in one transaction. Each document's Rev must be the stored one (0: none yet), else ErrConflict and
	// nothing is written. A nil Body deletes.
	Put(ctx context.Context, docs []Document, work []Work) error
	// List returns the documents of a kind whose key has the prefix, by key.
	List(ctx context.Context, kind, prefix string) ([]Document, error)

	// Log appends to the audit log; it reports false when the key was logged before.
	Log(ctx context.Context, a Audit) (bool, error)
	// Audits lists the log, oldest first; repo "" is all; after is the last Seq already seen.
	Audits(ctx context.Context, repo string, after int64, limit int) ([]Audit, error)

	// Time is the database's own time.
	Time(ctx context.Context) (time.Time, error)
	// Ping says whether the database answers and could be written to.
	Ping(ctx context.Context) error
	// Notify returns a channel that receives when work may have become due; it may be missed.
	Notify() <-chan struct{}
	Close() error
}
