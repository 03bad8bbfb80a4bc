package ghsim

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Fault makes API calls fail.
type Fault struct {
	// Match is "reads", "writes", "graphql", or a method and a path such as "GET /repos/*/pulls/*", where "*" also
	// crosses slashes. A GraphQL query counts as a read and a mutation as a write. What only serves to log in (POST
	// …/access_tokens, GET /app) is matched by its path alone.
	Match string
	// Answer is a status (500, 502, 403, 404, 429); "timeout", nothing is done and the connection breaks;
	// "lost_answer", it is done and the connection breaks; or "truncated", it is done and half of the answer comes.
	Answer     string
	Times      int // how often it strikes; once when zero, without end when negative
	RetryAfter int // seconds, sent as Retry-After with a status
}

type fault struct {
	Fault
	path *regexp.Regexp
	left int
}

// AddFault adds a fault behind those that stand; the first that matches strikes.
func (g *GitHub) AddFault(f Fault) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !slices.Contains([]string{"500", "502", "403", "404", "429", "timeout", "lost_answer", "truncated"}, f.Answer) {
		return fmt.Errorf("%q is no fault: want 500, 502, 403, 404, 429, timeout, lost_answer or truncated", f.Answer)
	}
	n := &fault{Fault: f, left: f.Times}
	if n.left == 0 {
		n.left = 1
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
	return len(g.faults) > 0 && !slices.ContainsFunc(g.faults, func(f *fault) bool { return f.left > 0 })
}

// strike finds the fault that a call meets, and uses it up.
func (g *GitHub) strike(c *call) *Fault {
	for i, f := range g.faults {
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
		if !hit {
			continue
		}
		if f.left > 0 {
			if f.left--; f.left == 0 {
				g.faults = slices.Delete(g.faults, i, i+1)
			}
		}
		return &f.Fault
	}
	return nil
}

// answer is what a fault with a status says.
func (f *Fault) answer() (a answer, ok bool) {
	code, err := strconv.Atoi(f.Answer)
	if err != nil {
		return answer{}, false
	}
	header := http.Header{}
	if f.RetryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	message := map[int]string{
		500: "Server Error", 502: "Server Error", 404: "Not Found", 403: "Resource not accessible by integration",
		429: "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
	}[code]
	docs := "https://docs.github.com/rest"
	if code == 429 || code == 403 && f.RetryAfter > 0 {
		message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
		docs = "https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits"
	}
	return answer{status: code, header: header, body: object{"message": message, "documentation_url": docs, "status": f.Answer}}, true
}
