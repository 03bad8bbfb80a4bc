package ghapp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/budget"
	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
)

// limited asks the budget for each request of an installation, and tells it of the answer. A request that has to wait is not sent: it fails
// with a [forge.RetryError], as one does that GitHub refused for a limit.
type limited struct {
	next         http.RoundTripper
	app          *App
	installation int64 // 0 is the App itself, of which nothing is counted
}

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	res, write := budget.REST, r.Method != http.MethodGet
	if strings.HasSuffix(r.URL.Path, "/graphql") {
		res, write = budget.GraphQL, !isQuery(r.Context())
	}
	route := ""
	if res == budget.REST && l.installation != 0 {
		route = routeOf(r.Method, strings.TrimPrefix(r.URL.Path, l.app.api.Path))
	}
	if wait, why := l.take(r.Context(), res, write); wait > 0 {
		return nil, &forge.RetryError{After: wait, Err: why}
	}
	b := &l.app.budget
	leave, err := b.Place(r.Context(), l.installation)
	if err != nil {
		b.Dropped(l.installation, write)
		return nil, err
	}
	defer leave()
	answer, err := l.next.RoundTrip(r)
	var waits *forge.RetryError
	switch {
	case errors.As(err, &waits), errors.Is(err, forge.ErrSuspended), errors.Is(r.Context().Err(), context.Canceled):
		b.Dropped(l.installation, write)
		return answer, err
	case err != nil:
		b.Failed(l.installation, write, doubt(r.Context(), tooLong(0, err)), route, l.app.s.Now())
		return answer, err
	}
	b.Learn(l.installation, res, answer.Header)
	no, err := refusalOf(answer)
	switch {
	case err != nil:
		b.Failed(l.installation, write, budget.Usual, route, l.app.s.Now())
		return nil, err
	case no.strange, answer.StatusCode >= 500:
		b.Failed(l.installation, write, doubt(r.Context(), tooLong(answer.StatusCode, nil)), route, l.app.s.Now())
	case no.limit:
		answer.Body.Close()
		return nil, l.refused(write, answer.Header, no.message)
	case res == budget.GraphQL && answer.StatusCode == http.StatusOK: // what it says is read first, see query
	default:
		b.Answered(l.installation, write, l.app.s.Now())
	}
	if no.strange {
		answer.Body.Close()
		return nil, &forge.RetryError{Err: errors.New(no.message)}
	}
	return answer, nil
}

// take asks for a call.
func (l limited) take(ctx context.Context, res budget.Resource, write bool) (time.Duration, error) {
	if l.installation == 0 {
		return l.app.budget.Enter(0, write, l.app.s.Now())
	}
	points := budget.ReadPoints
	if write {
		points = budget.WritePoints
	}
	return l.app.budget.Take(l.installation, res, points, budget.Of(ctx), l.app.s.Now())
}

// refused pauses the account after a refusal for a limit, unless it is the hour that is used up, and is the error to return.
func (l limited) refused(write bool, h http.Header, message string) error {
	now := l.app.s.Now()
	if left := budget.UsedUp(h, now); left > 0 && budget.Asked(h) == 0 {
		l.app.budget.Answered(l.installation, write, now)
		return &forge.RetryError{After: left, Err: fmt.Errorf("the calls of this hour are used up: %s", message)}
	}
	return &forge.RetryError{After: l.app.budget.Refused(l.installation, write, budget.Asked(h), now), Err: fmt.Errorf("GitHub refuses for a limit: %s", message)}
}

// refusal is what an answer says that refuses.
type refusal struct {
	limit   bool   // it is for a limit
	strange bool   // it is not the API that answers: a proxy before it, or GitHub's protection against abuse
	message string // GitHub's, or what else there is
}

// maxRefusal bounds how much of a refusal is read.
const maxRefusal = 64 << 10

// refusalOf reads what an answer says that refuses; the answer can still be read after it.
//
// Secondary limits come as 403 whose body says so, from GraphQL and raw reads mostly without Retry-After ("Exceeding the rate limit" in GitHub's docs).
func refusalOf(res *http.Response) (no refusal, err error) {
	switch res.StatusCode {
	case http.StatusForbidden, http.StatusTooManyRequests, http.StatusNotFound, http.StatusGone, http.StatusUnavailableForLegalReasons:
	default:
		return no, nil
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxRefusal))
	if err != nil {
		return no, err
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(text), res.Body), res.Body}
	said := saidIn(text)
	all := strings.ToLower(said.Message + " " + said.Docs)
	if said.Message == "" {
		all = strings.ToLower(string(text))
	}
	no.message = said.Message
	switch {
	case res.StatusCode == http.StatusTooManyRequests,
		res.StatusCode == http.StatusForbidden && (res.Header.Get("Retry-After") != "" || res.Header.Get("X-RateLimit-Remaining") == "0" ||
			strings.Contains(all, "rate limit") || strings.Contains(all, "rate-limit") || strings.Contains(all, "abuse")):
		no.limit = true
	case said.Message == "":
		no.strange = true
	}
	if no.message == "" {
		no.message = fmt.Sprintf("%s, and an answer that is not the API's: %q", res.Status, cut(titleOf(string(text)), 200))
	}
	return no, nil
}

// said is an error in GitHub's form.
type said struct {
	Message string `json:"message"`
	Docs    string `json:"documentation_url"`
}

// saidIn reads an error in GitHub's form; of another it says nothing.
func saidIn(text []byte) (s said) {
	if json.Unmarshal(text, &s) != nil {
		return said{}
	}
	return s
}

func messageIn(text []byte) string { return saidIn(text).Message }

// refusedBy is the error of an answer that ends work.
func (a *App) refusedBy(repo coupling.Repo, route string, status int, message string, write bool) *forge.RefusedError {
	account := repo.Owner()
	if repo == "" {
		account = "app"
	}
	return &forge.RefusedError{Account: account, Route: route, Status: status, Message: message, Write: write}
}

// statusOf is the status that REST has for a type of GraphQL's errors.
func statusOf(kind string) int {
	if kind == "FORBIDDEN" {
		return http.StatusForbidden
	}
	return http.StatusNotFound
}

// fixedPart finds the parts of a path that are no names. There are few of them, so that a route may be the label of a metric.
var fixedPart = regexp.MustCompile(`^(app|app-manifests|installations?|access_tokens|hook|config|deliveries|attempts|repos|repositories|check-runs|statuses|commits|compare|git|trees|blobs|issues|comments|reactions|collaborators|permission|rules|branches)$`)

// routeOf is a method and a path without names and numbers.
func routeOf(method, path string) string {
	path, _, _ = strings.Cut(path, "?")
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if !fixedPart.MatchString(p) || i > 0 && i <= 2 && parts[0] == "repos" {
			parts[i] = "*"
		}
	}
	return method + " /" + strings.Join(slices.Compact(parts), "/")
}

// titleOf is the title of a page, or the text itself.
func titleOf(text string) string {
	if _, after, ok := strings.Cut(text, "<title>"); ok {
		text, _, _ = strings.Cut(after, "</title>")
	}
	return strings.TrimSpace(text)
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
