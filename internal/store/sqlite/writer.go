package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/relbot/relbot/internal/store"
)

const (
	groupSize   = 128  // changes of one commit, at most
	intakeQueue = 1024 // deliveries that may wait for the writer; beyond that the sender is asked to come back
)

// writer is the one connection that writes. What is asked of it while a commit runs is written together after it. So many
// changes share one wait for the disk, and each is on disk before its caller goes on. Transactions are begun by hand: those of
// database/sql compile every statement each time.
type writer struct {
	*statements
	db      *sql.DB
	conn    *sql.Conn
	turn    sync.Mutex   // held by who writes
	before  func() error // a group of changes is refused with its error
	intake  chan request // deliveries; a bounded queue
	changes chan request // everything else; callers wait
	stop    chan struct{}
	done    sync.WaitGroup
}

// change is what is written at a time, all of it or nothing. It may be called again, after what it wrote was rolled back.
type change func(ctx context.Context, tx *statements) error

type request struct {
	do    change
	then  func() // after it was committed, in the order of commits; may be nil
	reply chan error
}

func newWriter(dsn string, before func() error) (*writer, error) {
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	w := &writer{
		statements: newStatements(conn.PrepareContext), db: db, conn: conn, before: before,
		intake: make(chan request, intakeQueue), changes: make(chan request), stop: make(chan struct{}),
	}
	w.done.Go(w.run)
	return w, nil
}

// Close ends after the group that is being written.
func (w *writer) Close() {
	close(w.stop)
	w.done.Wait()
	w.close()
	w.conn.Close()
	w.db.Close()
}

var errClosed = errors.New("the database is closed")

// write makes a change together with others. When ctx ends before it was made, it may yet be made.
func (w *writer) write(ctx context.Context, do change) error { return w.writeThen(ctx, do, nil) }

func (w *writer) writeThen(ctx context.Context, do change, then func()) error {
	r := request{do, then, make(chan error, 1)}
	select {
	case w.changes <- r:
	case <-w.stop:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	return w.wait(ctx, r)
}

// take makes a change as write does, but returns [store.ErrBusy] rather than wait for its turn in a queue that is full.
func (w *writer) take(ctx context.Context, do change) error {
	r := request{do, nil, make(chan error, 1)}
	select {
	case <-w.stop:
		return errClosed
	case w.intake <- r:
	default:
		return store.ErrBusy
	}
	return w.wait(ctx, r)
}

func (w *writer) wait(ctx context.Context, r request) error {
	select {
	case err := <-r.reply:
		return err
	case <-w.stop:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *writer) run() {
	for {
		var group []request
		select {
		case <-w.stop:
			return
		case r := <-w.intake:
			group = append(group, r)
		case r := <-w.changes:
			group = append(group, r)
		}
	more:
		for len(group) < groupSize {
			select {
			case r := <-w.intake:
				group = append(group, r)
			case r := <-w.changes:
				group = append(group, r)
			default:
				break more
			}
		}
		w.commit(group)
	}
}

// commit writes a group in one transaction. A change that fails is made by itself, so that it fails alone, and the others without it.
func (w *writer) commit(group []request) {
	err := w.before()
	for err == nil && len(group) > 0 {
		at := 0 // the change that is being made
		err = w.alone(context.Background(), func(ctx context.Context, tx *statements) error {
			for ; at < len(group); at++ {
				if err := group[at].do(ctx, tx); err != nil {
					return err
				}
			}
			return nil
		})
		if at == len(group) || len(group) == 1 {
			break
		}
		w.commit(group[at : at+1])
		group, err = slices.Concat(group[:at], group[at+1:]), nil
	}
	for _, r := range group {
		if err == nil && r.then != nil {
			r.then()
		}
		r.reply <- err
	}
}

// alone makes a change in a transaction of its own.
func (w *writer) alone(ctx context.Context, do change) (err error) {
	w.turn.Lock()
	defer w.turn.Unlock()
	tx := w.statements
	if _, err := tx.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
		if err != nil {
			_, _ = tx.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") // on a full disk SQLite has done so itself, and this fails
		}
	}()
	if err := do(ctx, tx); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "COMMIT")
	return err
}

// exec executes a statement outside a transaction.
func (w *writer) exec(ctx context.Context, text string) error {
	w.turn.Lock()
	defer w.turn.Unlock()
	_, err := w.statements.ExecContext(ctx, text)
	return err
}
