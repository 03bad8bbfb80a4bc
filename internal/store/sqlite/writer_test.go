package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// TestGroup holds that a change that fails or panics fails alone, and no other of its commit does.
func TestGroup(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "relbot.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	refused := errors.New("refused")
	for name, bad := range map[string]func() error{"error": func() error { return refused }, "panic": func() error { panic(refused) }} {
		var group []request
		var notified []int
		for i := range 3 {
			group = append(group, request{
				do: func(ctx context.Context, tx *statements) error {
					if _, err := tx.ExecContext(ctx, `INSERT INTO periodic (name, slot) VALUES (?, ?)`, name, i); err != nil || i != 1 {
						return err
					}
					return bad()
				},
				then:  func() { notified = append(notified, i) },
				reply: make(chan error, 1),
			})
		}
		s.write.commit(group)
		for i, r := range group {
			if err := <-r.reply; (err != nil) != (i == 1) || i == 1 && !strings.Contains(err.Error(), refused.Error()) {
				t.Errorf("%s: change %d: %v", name, i, err)
			}
		}
		var rows string
		err := s.read.db.QueryRowContext(t.Context(), `SELECT group_concat(slot) FROM (SELECT slot FROM periodic WHERE name = ? ORDER BY slot)`, name).Scan(&rows)
		if err != nil || rows != "0,2" || fmt.Sprint(notified) != "[0 2]" {
			t.Errorf("%s: wrote %s and notified %v, %v", name, rows, notified, err)
		}
	}
}
