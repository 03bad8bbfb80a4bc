package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// statements keeps each statement compiled: compiling takes longer than most of them run. Its methods are those of
// database/sql.
type statements struct {
	prepare func(ctx context.Context, text string) (*sql.Stmt, error)
	mu      sync.Mutex
	kept    map[string]*sql.Stmt
}

func newStatements(prepare func(ctx context.Context, text string) (*sql.Stmt, error)) *statements {
	return &statements{prepare: prepare, kept: map[string]*sql.Stmt{}}
}

func (s *statements) get(ctx context.Context, text string) (*sql.Stmt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st, ok := s.kept[text]; ok {
		return st, nil
	}
	st, err := s.prepare(ctx, text)
	if err == nil {
		s.kept[text] = st
	}
	return st, err
}

func (s *statements) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	st, err := s.get(ctx, text)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(ctx, args...)
}

func (s *statements) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	st, err := s.get(ctx, text)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

func (s *statements) QueryRowContext(ctx context.Context, text string, args ...any) row {
	rows, err := s.QueryContext(ctx, text, args...)
	return row{rows, err}
}

// PrepareContext compiles a statement that the caller closes.
func (s *statements) PrepareContext(ctx context.Context, text string) (*sql.Stmt, error) {
	return s.prepare(ctx, text)
}

// row is the only row of a query.
type row struct {
	rows *sql.Rows
	err  error
}

// Scan reads the row, or returns [sql.ErrNoRows].
func (r row) Scan(into ...any) error {
	if r.err != nil {
		return r.err
	}
	err := sql.ErrNoRows
	if r.rows.Next() {
		err = r.rows.Scan(into...)
	} else if broken := r.rows.Err(); broken != nil {
		err = broken
	}
	return errors.Join(err, r.rows.Close())
}

func (s *statements) close() {
	for _, st := range s.kept {
		st.Close()
	}
}

// readers is how many reads run at a time.
const readers = 4

// reader is a pool of connections that only read.
type reader struct {
	*statements
	db *sql.DB
}

func newReader(dsn string) (*reader, error) {
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(readers)
	db.SetMaxIdleConns(readers) // a new one reads the schema first
	return &reader{newStatements(db.PrepareContext), db}, nil
}

// Conn reserves a connection.
func (r *reader) Conn(ctx context.Context) (*sql.Conn, error) { return r.db.Conn(ctx) }

func (r *reader) Close() {
	r.close()
	r.db.Close()
}
