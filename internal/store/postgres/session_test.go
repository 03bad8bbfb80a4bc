package postgres

import (
	"net/url"
	"testing"

	"github.com/relbot/relbot/internal/store/postgres/pgtest"
)

// TestDurable holds that a commit is waited for on a server whose default is not to wait, as that of the tests.
func TestDurable(t *testing.T) {
	u, err := url.Parse(pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("synchronous_commit", "off")
	u.RawQuery = q.Encode()
	s, err := Maintain(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var value string
	if err := s.pool.QueryRow(t.Context(), "SHOW synchronous_commit").Scan(&value); err != nil || value != "on" {
		t.Errorf("synchronous_commit is %s, %v", value, err)
	}
}
