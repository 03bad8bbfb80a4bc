package sqlite

import (
	"context"
	"database/sql"
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

// Exec runs a statement and returns how many rows it changed.
func (s *statements) Exec(ctx context.Context, text string, args ...any) (int, error) {
	res, err := s.ExecContext(ctx, text, args...)
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	return int(n), err
}

func (s *statements) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	st, err := s.get(ctx, text)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

// PrepareContext compiles a statement that the caller closes.
func (s *statements) PrepareContext(ctx context.Context, text string) (*sql.Stmt, error) {
	return s.prepare(ctx, text)
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
