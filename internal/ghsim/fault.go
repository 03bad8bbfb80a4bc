package ghsim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// Fault makes API calls fail.
type Fault struct {
	// Match is "reads", "writes", "graphql", or a method and a path such as "GET /repos/*/pulls/*", where "*" also
	// crosses slashes. A GraphQL query counts as a read and a mutation as a write. What only serves to log in (POST
	// …/access_tokens, GET /app) is matched by its path alone.
	Match string
	// Answer is one of [Answers].
	Answer     string
	Times      int           // how often it strikes; once when zero, without end when negative
	Lasts      time.Duration // how long it strikes, in place of Times; zero is not stated
	RetryAfter int           // seconds, sent as Retry-After with a status
	Account    string        // whose calls it meets: those of the installation on an account, or about its repositories; "" is all
	Over       int           // too_much: the largest page or batch that GitHub still answers
}

// Answers are what a fault does to a call:
//
//   - A status: nothing is done, and the answer has it, in GitHub's words.
//   - "timeout": nothing is done and the connection breaks. "lost_answer": it is done and the connection breaks. "truncated": it is done and half
//     of the answer comes.
//   - "secondary": 403 whose body speaks of a secondary limit, without a header that says for how long. GitHub documents that Retry-After "may" be
//     there ("Rate limits for the REST API", "Exceeding the rate limit"); from GraphQL and raw reads it mostly comes without.
//   - "blank" and "html": 403 without a body, and 403 with a page for people, as a proxy before GitHub or its protection against abuse answers.
//   - "allow_list": 403 of an organisation with an IP allow list (aquasecurity/trivy#10567, atlassian/github-for-jira#604).
//   - "too_much": 502 for pages or batches of more than Over (spiceai/spiceai#13762, sorenlouv/backport#479, release-drafter#1458); what is smaller
//     is answered.
//   - "partial": the same, but GraphQL answers with null for each node of a page, and an error RESOURCE_LIMITS_EXCEEDED (spiceai/spiceai#13762).
var Answers = []string{"500", "502", "403", "404", "410", "429", "timeout", "lost_answer", "truncated", "secondary", "blank", "html", "allow_list", "too_much", "partial"}

type fault struct {
	Fault
	path  *regexp.Regexp
	left  int
	until time.Time // when it lasts
}

// AddFault adds a fault behind those that are in force; the first that matches strikes.
func (g *GitHub) AddFault(f Fault) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	wide := f.Answer == "too_much" || f.Answer == "partial"
	switch {
	case !slices.Contains(Answers, f.Answer):
		return fmt.Errorf("%q is no fault: want one of %s", f.Answer, strings.Join(Answers, ", "))
	case wide != (f.Over > 0):
		return fmt.Errorf("over: too_much needs the largest page or batch that is answered, and nothing else has one")
	}
	n := &fault{Fault: f, left: f.Times}
	if n.left == 0 {
		n.left = 1
	}
	if f.Lasts > 0 {
		n.until = g.opt.Clock().Add(f.Lasts)
	}
	if !slices.Contains([]string{"reads", "writes", "graphql"}, f.Match) {
		method, path, ok := strings.Cut(f.Match, " ")
		if !ok || method == "" || !strings.HasPrefix(path, "/") {
			return fmt.Errorf("%q matches nothing: want reads, writes, graphql or \"METHOD /path\"", f.Match)
		}
		pattern := strings.ReplaceAll(regexp.QuoteMeta(strings.ToUpper(method)+" "+path), `\*`, ".*")
		n.path = regexp.MustCompile("^" + pattern + "$")
	}
	g.faults = append(g.faults, n)
	return nil
}

// ClearFaults ends all faults.
func (g *GitHub) ClearFaults() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults = nil
}

// FailsForever reports whether there are faults, and all of them strike without end.
func (g *GitHub) FailsForever() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.expire()
	return len(g.faults) > 0 && !slices.ContainsFunc(g.faults, func(f *fault) bool { return f.left > 0 || !f.until.IsZero() })
}

// expire ends the faults whose time is over.
func (g *GitHub) expire() {
	now := g.opt.Clock()
	g.faults = slices.DeleteFunc(g.faults, func(f *fault) bool { return !f.until.IsZero() && !now.Before(f.until) })
}

// strike finds the fault that a call meets, and uses it up.
func (g *GitHub) strike(c *call) *Fault {
	g.expire()
	for i, f := range g.faults {
		if !f.meets(c) {
			continue
		}
		if f.left > 0 && f.until.IsZero() {
			if f.left--; f.left == 0 {
				g.faults = slices.Delete(g.faults, i, i+1)
			}
		}
		return &f.Fault
	}
	return nil
}

// meets reports whether a call is one that the fault strikes.
func (f *fault) meets(c *call) bool {
	hit := false
	switch f.Match {
	case "reads":
		hit = c.kind == read
	case "writes":
		hit = c.kind == write
	case "graphql":
		hit = c.graphql
	default:
		hit = f.path.MatchString(c.request.Method + " " + c.path)
	}
	return hit && (f.Account == "" || strings.EqualFold(f.Account, c.account())) && (f.Over == 0 || c.width() > f.Over)
}

var (
	ofRepo         = regexp.MustCompile(`^/repos/([^/]+)/`)
	ofInstallation = regexp.MustCompile(`^/app/installations/(\d+)/`)
)

// account is whose call it is: that of the installation with whose token it is made, or that it is about. It is asked before anybody is
// authenticated.
func (c *call) account() string {
	_, secret, _ := strings.Cut(c.request.Header.Get("Authorization"), " ")
	if t := c.g.tokens[secret]; t != nil && t.install != nil {
		return t.install.account
	}
	if m := ofRepo.FindStringSubmatch(c.path); m != nil {
		return m[1]
	}
	if m := ofInstallation.FindStringSubmatch(c.path); m != nil {
		for _, in := range c.g.installs {
			if fmt.Sprint(in.id) == m[1] {
				return in.account
			}
		}
	}
	return ""
}

// width is how much a call asks for in one go. It is the largest page, or how many things of one kind a query looks up by name.
func (c *call) width() int {
	if !c.graphql {
		n, err := strconv.Atoi(c.query("per_page"))
		if err != nil {
			return 1
		}
		return n
	}
	var r graphQLRequest
	if json.Unmarshal(c.body, &r) != nil {
		return 0
	}
	doc, err := parser.ParseQuery(&ast.Source{Input: r.Query})
	if err != nil {
		return 0
	}
	op := doc.Operations.ForName(r.OperationName)
	if op == nil {
		return 0
	}
	most, batch := 0, map[string]int{}
	// What is below a page, or in a fragment that many share, belongs to one of its elements.
	var walk func(set ast.SelectionSet, one bool)
	walk = func(set ast.SelectionSet, one bool) {
		for _, s := range set {
			switch s := s.(type) {
			case *ast.InlineFragment:
				walk(s.SelectionSet, one)
			case *ast.Field:
				page := 0
				for _, name := range []string{"first", "last"} {
					if a := s.Arguments.ForName(name); a != nil {
						if n, err := a.Value.Value(r.Variables); err == nil {
							size, _ := arguments{"n": n}.int("n")
							page = max(page, size)
						}
					}
				}
				if page > 0 {
					most = max(most, page)
					continue
				}
				named := s.Alias != s.Name
				if one && named && slices.Contains([]string{"repository", "pullRequest", "object", "file"}, s.Name) {
					batch[s.Name]++
				}
				walk(s.SelectionSet, one && named)
			}
		}
	}
	walk(op.SelectionSet, true)
	for _, n := range batch {
		most = max(most, n)
	}
	return most
}

// GitHub's words.
const (
	tooFast   = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
	tooFastAt = "https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits"
	allowList = "Although you appear to have the correct authorization credentials, the `%s` organization has an IP allow list enabled, and your IP address is not permitted to access this resource."
	tooLong   = "Something went wrong while executing your query. This may be the result of a timeout, or it could be a GitHub bug. Please include `9C31:8954C` when reporting this issue."
	whoa      = "<html><head><title>Whoa there!</title></head><body><h1>Access to this site has been restricted.</h1></body></html>"
)

// answer is what a fault with a status says; false for what happens to the connection or to the answer.
func (f *Fault) answer(c *call) (a answer, ok bool) {
	header := http.Header{}
	if f.RetryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	say := func(code int, message, docs string) (answer, bool) {
		a := fail(code, message)
		a.header, a.body.(object)["documentation_url"] = header, docs
		return a, true
	}
	const docs = "https://docs.github.com/rest"
	switch f.Answer {
	case "secondary":
		return say(http.StatusForbidden, tooFast, tooFastAt)
	case "allow_list":
		return say(http.StatusForbidden, fmt.Sprintf(allowList, c.account()), docs)
	case "blank":
		return answer{status: http.StatusForbidden, header: header}, true
	case "html":
		header.Set("Content-Type", "text/html; charset=utf-8")
		return answer{status: http.StatusForbidden, header: header, body: []byte(whoa)}, true
	case "too_much":
		a := answer{status: http.StatusBadGateway, header: header, body: object{"data": nil, "errors": []any{object{"message": tooLong}}}}
		if !c.graphql {
			a.body = object{"message": "Server Error"}
		}
		return a, true
	}
	code, err := strconv.Atoi(f.Answer)
	switch {
	case err != nil:
		return answer{}, false
	case code == http.StatusTooManyRequests, code == http.StatusForbidden && f.RetryAfter > 0:
		return say(code, tooFast, tooFastAt)
	}
	return say(code, map[int]string{
		500: "Server Error", 502: "Server Error", 403: "Resource not accessible by integration", 404: "Not Found", 410: "This was deleted",
	}[code], docs)
}

// leaveOut has a GraphQL answer lack the pages that were too wide, as GitHub does where it computed a part of a query.
func leaveOut(a *answer) {
	body, ok := a.body.(object)
	data, _ := body["data"].(object)
	if !ok || data == nil {
		return
	}
	var errors []any
	var walk func(path []any, v any)
	walk = func(path []any, v any) {
		switch v := v.(type) {
		case object:
			for name, below := range v {
				walk(append(slices.Clone(path), name), below)
			}
		case []any:
			for i := range v {
				v[i] = nil
				errors = append(errors, object{"type": "RESOURCE_LIMITS_EXCEEDED", "message": "Resource limits for this query exceeded.", "path": append(slices.Clone(path), i), "locations": []any{}})
			}
		}
	}
	walk(nil, data)
	if before, _ := body["errors"].([]any); len(errors) > 0 {
		body["errors"] = append(before, errors...)
	}
}
