package store

import (
	"context"
	"fmt"
	"strings"
)

// Column types of a [Table].
const (
	Integer = "integer" // int64
	Text    = "text"    // string
	Bytes   = "bytes"   // []byte
)

// Column is a column of a table.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// Table is a table whose rows are what has to be kept.
type Table struct {
	Name    string   `json:"table"`
	Columns []Column `json:"columns"` // without those that the database fills in
	Order   string   `json:"-"`       // column by which rows were added
}

// Tables are all tables, as the newest schema has them. Both engines have the same.
var Tables = []Table{
	{"delivery", []Column{{"guid", Text}, {"event", Text}, {"received", Integer}, {"payload", Bytes}}, "id"},
	{"work", []Column{
		{"kind", Text}, {"key", Text}, {"lane", Text}, {"want", Integer}, {"done", Integer}, {"run_at", Integer}, {"data", Bytes}, {"guid", Text},
		{"owner", Text}, {"lease", Integer}, {"attempt", Integer}, {"since", Integer}, {"error", Text}, {"stuck", Integer},
		{"origin_at", Integer}, {"origin_event", Text}, {"origin_trace", Text},
		{"again", Integer}, {"ran", Integer}, {"trail", Text}, {"origin_queued", Integer}, {"origin_waited", Text},
	}, "kind, key"},
	{"periodic", []Column{{"name", Text}, {"slot", Integer}}, "name, slot"},
	{"document", []Column{{"kind", Text}, {"key", Text}, {"rev", Integer}, {"body", Bytes}, {"updated", Integer}}, "kind, key"},
	{"audit", []Column{
		{"at", Integer}, {"repo", Text}, {"pull", Integer}, {"actor", Text}, {"action", Text}, {"detail", Text}, {"key", Text},
	}, "seq"},
}

// Row is a row of a table: a value for each column.
type Row struct {
	Table  string
	Values []any
}

// Schema tells the version of a database.
type Schema interface {
	// Schema returns the version that the database has, 0 when it is empty, and the newest that this program knows.
	Schema(ctx context.Context) (have, newest int, err error)
}

// Database is a store with what its upkeep needs.
type Database interface {
	Store
	Schema
	// Migrate brings the schema up to a version.
	Migrate(ctx context.Context, version int) error
	// Integrity lists what the engine finds wrong with its own data.
	Integrity(ctx context.Context) ([]string, error)
	// Export gives all rows as they were at one moment, table by table, while the database is in use. The values belong to the caller.
	Export(ctx context.Context, row func(Row) error) error
	// Reset forgets everything and leaves an empty database without a schema. It is refused while a server works on it.
	Reset(ctx context.Context) error
	// Import adds rows in one transaction; next returns [io.EOF] at the end. tables are theirs, with the columns that they have.
	Import(ctx context.Context, tables []Table, next func() (Row, error)) error
}

// Select is the statement that reads a table in its order.
func (t Table) Select() string {
	return fmt.Sprintf("SELECT %s FROM %s ORDER BY %s", t.list(), t.Name, t.Order)
}

// Insert is the statement that adds a row; mark is the placeholder of the nth value.
func (t Table) Insert(mark func(n int) string) string {
	marks := make([]string, len(t.Columns))
	for i := range marks {
		marks[i] = mark(i + 1)
	}
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", t.Name, t.list(), strings.Join(marks, ", "))
}

func (t Table) list() string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	return strings.Join(names, ", ")
}

// Scan makes room for a row, in the form that database/sql and pgx fill, and a function that then returns its values.
func (t Table) Scan() (values func() []any, into []any) {
	for _, c := range t.Columns {
		switch c.Type {
		case Integer:
			into = append(into, new(int64))
		case Text:
			into = append(into, new(string))
		default:
			into = append(into, new([]byte))
		}
	}
	return func() []any {
		out := make([]any, len(into))
		for i, p := range into {
			switch p := p.(type) {
			case *int64:
				out[i] = *p
			case *string:
				out[i] = *p
			case *[]byte:
				out[i] = *p
			}
		}
		return out
	}, into
}

// TooNew is the error for a schema that a newer program made.
func TooNew(have, newest int) error {
	return fmt.Errorf("its schema %d is newer than this program knows (%d): run the newer program, or restore a backup from before the upgrade", have, newest)
}

// NotNewer reports an error when a database has a schema that this program does not know.
func NotNewer(ctx context.Context, d Schema) error {
	have, newest, err := d.Schema(ctx)
	if err == nil && have > newest {
		err = TooNew(have, newest)
	}
	return err
}

// Current reports an error unless a database has the newest schema.
func Current(ctx context.Context, d Schema) error {
	have, newest, err := d.Schema(ctx)
	if err == nil && have != newest {
		err = fmt.Errorf("the database's schema is %d, and this program works with %d: run `relbot db migrate`, or use the program that its server runs", have, newest)
	}
	return err
}
