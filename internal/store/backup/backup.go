// Package backup writes what a store remembers into a file and reads it back, the same for every engine.
//
// A backup is lines of JSON under zstd: a header, then each table by its name and columns followed by its rows. A last line says how many rows
// there were, so that half a file is not taken for a whole one. It is taken from a running database in one transaction. One
// format for all engines makes it the way from SQLite to PostgreSQL, too; the engines' own means (VACUUM INTO, pg_dump) give files that
// only they can read.
//
// A backup is restored at the schema at which it was made and migrated from there. So an old one goes through the same steps as an
// old database.
package backup

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/relbot/relbot/internal/store"
)

// Header is the first line.
type Header struct {
	Backup string    `json:"backup"` // always "relbot"
	Format int       `json:"format"`
	Schema int       `json:"schema"`
	At     time.Time `json:"at"`
}

// end is the last line.
type end struct {
	Rows *int `json:"rows"`
}

const (
	magic  = "relbot"
	format = 1
)

// Source is the database that is backed up.
type Source interface {
	store.Schema
	Export(ctx context.Context, row func(store.Row) error) error
}

// Target is the database that is filled from a backup.
type Target interface {
	store.Schema
	Migrate(ctx context.Context, version int) error
	Reset(ctx context.Context) error
	Import(ctx context.Context, tables []store.Table, next func() (store.Row, error)) error
	Release(ctx context.Context, owner string) error
}

// Write backs a database up, and says how many rows it has.
func Write(ctx context.Context, db Source, w io.Writer, now time.Time) (int, error) {
	have, _, err := db.Schema(ctx)
	if err != nil {
		return 0, err
	}
	z, err := zstd.NewWriter(w)
	if err != nil {
		return 0, err
	}
	out := json.NewEncoder(z)
	out.SetEscapeHTML(false)
	if err := out.Encode(Header{magic, format, have, now.UTC()}); err != nil {
		return 0, err
	}
	rows, table := 0, ""
	err = db.Export(ctx, func(r store.Row) error {
		if r.Table != table {
			table = r.Table
			if err := out.Encode(store.Tables[slices.IndexFunc(store.Tables, func(t store.Table) bool { return t.Name == table })]); err != nil {
				return err
			}
		}
		rows++
		return out.Encode(r.Values) // bytes become base64
	})
	if err == nil {
		err = out.Encode(end{&rows})
	}
	return rows, errors.Join(err, z.Close())
}

// Reader reads a backup row by row.
type Reader struct {
	Header Header
	Tables []store.Table // those read so far
	zip    *zstd.Decoder
	lines  *bufio.Reader
	rows   int
}

// Open reads a backup's header.
func Open(r io.Reader) (*Reader, error) {
	z, err := zstd.NewReader(r)
	if err != nil {
		return nil, err
	}
	b := &Reader{zip: z, lines: bufio.NewReaderSize(z, 1<<20)}
	line, err := b.lines.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &b.Header)
	}
	switch {
	case err != nil || b.Header.Backup != magic:
		z.Close()
		return nil, errors.New("this is no backup of relbot")
	case b.Header.Format != format:
		z.Close()
		return nil, fmt.Errorf("the backup has the format %d, and this program reads %d", b.Header.Format, format)
	}
	return b, nil
}

// Close ends reading.
func (b *Reader) Close() { b.zip.Close() }

// name is what tables and columns are called.
var name = regexp.MustCompile(`^[a-z_]+$`)

// Next returns the next row, or [io.EOF] after the last of a whole backup.
func (b *Reader) Next() (store.Row, error) {
	for {
		line, err := b.lines.ReadBytes('\n')
		if err != nil {
			return store.Row{}, fmt.Errorf("the backup is cut off after %d rows: %w", b.rows, errors.Join(err, io.ErrUnexpectedEOF))
		}
		if line[0] == '[' {
			row, err := b.row(line)
			if err != nil {
				return row, fmt.Errorf("the backup's row %d: %w", b.rows+1, err)
			}
			b.rows++
			return row, nil
		}
		var t struct {
			store.Table
			end
		}
		if err := json.Unmarshal(line, &t); err != nil {
			return store.Row{}, fmt.Errorf("the backup's row %d: %w", b.rows+1, err)
		}
		if t.Rows != nil {
			if *t.Rows != b.rows {
				return store.Row{}, fmt.Errorf("the backup has %d rows, and should have %d", b.rows, *t.Rows)
			}
			return store.Row{}, io.EOF
		}
		known := slices.ContainsFunc(store.Tables, func(k store.Table) bool { return k.Name == t.Name })
		if !known || slices.ContainsFunc(t.Columns, func(c store.Column) bool { return !name.MatchString(c.Name) }) {
			return store.Row{}, fmt.Errorf("the backup has a table %q that this program does not know", t.Name)
		}
		b.Tables = append(b.Tables, t.Table)
	}
}

// row reads the values of a row of the table that was named last.
func (b *Reader) row(line []byte) (store.Row, error) {
	var cells []json.RawMessage
	if err := json.Unmarshal(line, &cells); err != nil {
		return store.Row{}, err
	}
	if len(b.Tables) == 0 || len(cells) != len(b.Tables[len(b.Tables)-1].Columns) {
		return store.Row{}, errors.New("it does not fit its table")
	}
	t := b.Tables[len(b.Tables)-1]
	out := store.Row{Table: t.Name}
	for i, c := range t.Columns {
		var number int64
		var text string
		var err error
		if c.Type == store.Integer {
			err = json.Unmarshal(cells[i], &number)
			out.Values = append(out.Values, number)
		} else if err = json.Unmarshal(cells[i], &text); err == nil && c.Type == store.Bytes {
			var bytes []byte
			bytes, err = base64.StdEncoding.DecodeString(text)
			out.Values = append(out.Values, bytes)
		} else {
			out.Values = append(out.Values, text)
		}
		if err != nil {
			return out, fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	return out, nil
}

// Kept says whether a row of a table and a kind ("" where the table has none) is taken out of a backup.
type Kept func(table, kind string) bool

// Restore fills a database from a backup, which is read twice: it has to be whole before anything is replaced. Everything in the database
// goes. It says how many rows were taken.
func Restore(ctx context.Context, db Target, from io.ReadSeeker, kept Kept) (int, error) {
	header, tables, err := verify(from)
	if err != nil {
		return 0, err
	}
	_, newest, err := db.Schema(ctx)
	if err != nil {
		return 0, err
	}
	if header.Schema > newest {
		return 0, fmt.Errorf("the backup: %w", store.TooNew(header.Schema, newest))
	}
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	b, err := Open(from)
	if err != nil {
		return 0, err
	}
	defer b.Close()
	if err := db.Reset(ctx); err != nil {
		return 0, err
	}
	if err := db.Migrate(ctx, header.Schema); err != nil {
		return 0, err
	}
	taken := 0
	if err := db.Import(ctx, tables, func() (store.Row, error) {
		for {
			r, err := b.Next()
			if err != nil {
				return r, err
			}
			if kept(r.Table, kindOf(b.Tables, r)) {
				taken++
				return r, nil
			}
		}
	}); err != nil {
		return 0, err
	}
	if err := db.Migrate(ctx, newest); err != nil {
		return 0, err
	}
	return taken, db.Release(ctx, "") // nobody is at work on it
}

// verify reads a backup to its end.
func verify(from io.Reader) (Header, []store.Table, error) {
	b, err := Open(from)
	if err != nil {
		return Header{}, nil, err
	}
	defer b.Close()
	for {
		if _, err := b.Next(); errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return b.Header, b.Tables, nil
		} else if err != nil {
			return Header{}, nil, err
		}
	}
}

func kindOf(tables []store.Table, r store.Row) string {
	for _, t := range tables {
		if t.Name == r.Table {
			if i := slices.IndexFunc(t.Columns, func(c store.Column) bool { return c.Name == "kind" }); i >= 0 {
				return r.Values[i].(string)
			}
		}
	}
	return ""
}
