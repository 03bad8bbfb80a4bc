package postgres_test

import (
	"testing"

	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/store/postgres"
	"github.com/relbot/relbot/internal/store/postgres/pgtest"
	"github.com/relbot/relbot/internal/store/storetest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestStore(t *testing.T) {
	urls := map[string]string{}
	storetest.Run(t, func(t *testing.T, name string) store.Store {
		if urls[name] == "" {
			urls[name] = pgtest.URL(t)
		}
		s, err := postgres.Open(t.Context(), urls[name])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	})
}
