package dashboard_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestFirst(t *testing.T) {
	w := newWorld(t, access{signIn: true})
	w.story("acme/app")
	ann := w.browser()
	if got := ann.get("/"); got.status != http.StatusUnauthorized || !strings.Contains(got.body, "Sign in with GitHub") {
		t.Errorf("%d %s", got.status, got.body)
	}
	got := ann.signIn("ann", "/couplings/acme/app/wide")
	if got.status != 200 || !strings.Contains(got.body, "Wide identifiers") {
		t.Fatalf("%d %s\n%s", got.status, got.body, w.log.String())
	}
}
