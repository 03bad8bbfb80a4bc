package postgres

import (
	"net/url"
	"testing"

	"github.com/relbot/relbot/internal/store/postgres/pgtest"
)

// TestDurable holds that a commit is waited for on a server whose default is not to wait. Transactions are as the statements need
// them.
func TestDurable(t *testing.T) {
	for name, c := range map[string]struct{ there, want string }{
		"synchronous_commit":            {"off", "on"},
		"default_transaction_isolation": {"serializable", "read committed"},
	} {
		u, err := url.Parse(pgtest.URL(t))
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		q.Set(name, c.there)
		u.RawQuery = q.Encode()
		s, err := Maintain(t.Context(), u.String())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var value string
		if err := s.pool.QueryRow(t.Context(), "SHOW "+name).Scan(&value); err != nil || value != c.want {
			t.Errorf("%s is %s, %v", name, value, err)
		}
	}
}
