package ghapp

import (
	"context"
	"net/http"
	"strings"

	"github.com/relbot/relbot/internal/budget"
	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
)

// limited asks the budget for each request of an installation, and tells it of the answer. A request that has to wait is not sent: it fails
// with a [forge.RetryError].
type limited struct {
	next         http.RoundTripper
	app          *App
	installation int64
}

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	res, points := budget.REST, budget.WritePoints
	switch {
	case strings.HasSuffix(r.URL.Path, "/graphql"):
		res = budget.GraphQL
		if isQuery(r.Context()) {
			points = budget.ReadPoints
		}
	case r.Method == http.MethodGet:
		points = budget.ReadPoints
	}
	b := &l.app.budget
	if wait, why := b.Take(l.installation, res, points, budget.Of(r.Context()), l.app.s.Now()); wait > 0 {
		return nil, &forge.RetryError{After: wait, Err: why}
	}
	leave, err := b.Enter(r.Context(), l.installation)
	if err != nil {
		return nil, err
	}
	defer leave()
	answer, err := l.next.RoundTrip(r)
	if err == nil {
		b.Learn(l.installation, res, answer.StatusCode, answer.Header, l.app.s.Now())
	}
	return answer, err
}

// queryKey marks the context of a GraphQL request that only reads.
type queryKey struct{}

func isQuery(ctx context.Context) bool { return ctx.Value(queryKey{}) != nil }

// mayCreate reports whether a comment or an issue may be created now.
func (a *App) mayCreate(ctx context.Context, repo coupling.Repo) error {
	if a.s.Token != "" {
		return nil
	}
	installation, err := a.installation(ctx, repo)
	if err != nil {
		return err
	}
	if wait, why := a.budget.TakeContent(installation, a.s.Now()); wait > 0 {
		return &forge.RetryError{After: wait, Err: why}
	}
	return nil
}
