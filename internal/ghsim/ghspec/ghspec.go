// Package ghspec holds REST calls against GitHub's own published description of its API; tests alone import it.
//
// A call, a request or an answer that the description does not know is an error of the
// test. The description is a trimmed copy, made by trim.go. It is stricter here than as published:
// bodies of requests may hold nothing but what it names, so that a misspelt field is found.
package ghspec

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

//go:embed openapi.json
var description []byte

// slashed are the path parameters that may hold slashes, which the router must know.
var slashed = regexp.MustCompile(`\{(basehead|branch|path|ref|tree_sha)\}`)

var load = sync.OnceValues(func() (routers.Router, error) {
	doc, err := openapi3.NewLoader().LoadFromData(description)
	if err != nil {
		return nil, err
	}
	paths := openapi3.NewPaths()
	for path, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			if op.RequestBody != nil {
				for _, media := range op.RequestBody.Value.Content {
					closed(media.Schema)
				}
			}
		}
		paths.Set(slashed.ReplaceAllString(path, "{$1:.+}"), item)
	}
	doc.Paths = paths
	return gorillamux.NewRouter(doc)
})

// closed forbids what a request's schema does not name, wherever it names anything.
func closed(ref *openapi3.SchemaRef) {
	if ref == nil || ref.Value == nil {
		return
	}
	s := ref.Value
	if len(s.Properties) > 0 && s.AdditionalProperties.Schema == nil && len(s.OneOf)+len(s.AnyOf)+len(s.AllOf) == 0 {
		no := false
		s.AdditionalProperties.Has = &no
	}
	for _, p := range s.Properties {
		closed(p)
	}
	closed(s.Items)
}

// New makes a function for ghsim's Inspect that reports each deviation as an error of t.
func New(t testing.TB) func(r *http.Request, request []byte, status int, response []byte) {
	t.Helper()
	router, err := load()
	if err != nil {
		t.Fatalf("the trimmed description: %v", err)
	}
	return func(r *http.Request, request []byte, status int, response []byte) {
		for _, err := range check(router, r, request, status, response) {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
	}
}

// byID is the form in which a redirect names a repository. The description leaves it out: it is the same operation.
var byID = regexp.MustCompile(`^/repositories/\d+`)

func check(router routers.Router, r *http.Request, request []byte, status int, response []byte) []error {
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/api/v3")
	if path == "/graphql" || path == "/api/graphql" {
		return nil
	}
	path = byID.ReplaceAllString(path, "/repos/owner/repo")
	u, err := url.Parse(path + "?" + r.URL.RawQuery)
	if err != nil {
		return []error{err}
	}
	ctx := context.Background()
	req, err := http.NewRequestWithContext(ctx, r.Method, u.String(), bytes.NewReader(request))
	if err != nil {
		return []error{err}
	}
	req.Header = r.Header.Clone()
	// Clients may call JSON what they like, and leave it out where there is no body.
	req.Header.Set("Content-Type", "application/json")
	route, params, err := router.FindRoute(req)
	if err != nil {
		return []error{fmt.Errorf("not in GitHub's description: %w", err)}
	}
	in := &openapi3filter.RequestValidationInput{
		Request: req, PathParams: params, Route: route, Options: &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, MultiError: true, IncludeResponseStatus: false,
		},
	}
	if body := bytes.TrimSpace(request); len(body) == 0 || string(body) == "null" { // go-github writes null for no options
		req.Body = http.NoBody
	}
	var out []error
	if status != http.StatusUnprocessableEntity {
		// What was refused as invalid may well be so.
		if err := openapi3filter.ValidateRequest(ctx, in); err != nil {
			out = append(out, fmt.Errorf("request: %w", err))
		}
	}
	if accept := r.Header.Get("Accept"); strings.Contains(accept, "raw") || strings.Contains(accept, "diff") {
		return out // the description has only the form in JSON
	}
	answer := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: status, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader(response)), Options: in.Options,
	}
	if err := openapi3filter.ValidateResponse(ctx, answer); err != nil {
		out = append(out, fmt.Errorf("answer %d: %w", status, err))
	}
	return out
}
