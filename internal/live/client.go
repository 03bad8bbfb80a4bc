package live

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
)

// fence refuses to write to anything but the repository that is open. Reading is free.
type fence struct {
	mu      sync.Mutex
	account string
	repo    repository // zero when none is open
	broken  []string   // what was refused
}

func (f *fence) open(r repository) { f.mu.Lock(); f.repo = r; f.mu.Unlock() }
func (f *fence) close()            { f.open(repository{}) }

// allows returns an error for a request that writes to something else.
func (f *fence) allows(method, target string, body []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	u, err := url.Parse(target)
	if err == nil && f.harmless(method, u, body) {
		return nil
	}
	what := method + " " + target
	f.broken = append(f.broken, what)
	return fmt.Errorf("refused, and not sent: %s is not for the repository that this run made", what)
}

func (f *fence) harmless(method string, u *url.URL, body []byte) bool {
	at := strings.ToLower(u.EscapedPath())
	if method == http.MethodGet || method == http.MethodHead {
		return true
	}
	if path.Clean(at) != at || strings.Contains(at, "%") { // a path that another server may read in another way
		return false
	}
	repo := strings.ToLower("/repos/" + f.repo.Name)
	switch {
	case f.repo.ID != 0 && (at == repo || strings.HasPrefix(at, repo+"/")):
		return true
	case at == "/graphql":
		return f.query(body)
	case method != http.MethodPost:
		return false
	case at == "/user/repos", at == strings.ToLower("/orgs/"+f.account+"/repos"):
		return f.repo.ID == 0 // one is made, and no second
	}
	return strings.HasPrefix(at, "/app/installations/") && strings.HasSuffix(at, "/access_tokens") || strings.HasPrefix(at, "/app/hook/deliveries/")
}

// query reports whether a GraphQL request writes to nothing but the open repository. What a mutation changes is named by node ids; those of
// comments and pull requests come from the open repository alone, which the App and the person see nothing else.
func (f *fence) query(body []byte) bool {
	var q struct {
		Query     string `json:"query"`
		Variables any    `json:"variables"`
	}
	if json.Unmarshal(body, &q) != nil {
		return false
	}
	if !strings.HasPrefix(strings.TrimSpace(q.Query), "mutation") {
		return !strings.Contains(q.Query, "mutation")
	}
	if f.repo.ID == 0 {
		return false
	}
	only := true
	each(q.Variables, func(key string, v any) {
		if key == "repositoryId" && v != f.repo.NodeID {
			only = false
		}
	})
	return only
}

// each calls f with every member of a JSON value.
func each(v any, f func(key string, v any)) {
	switch v := v.(type) {
	case map[string]any:
		for key, x := range v {
			f(key, x)
			each(x, f)
		}
	case []any:
		for _, x := range v {
			each(x, f)
		}
	}
}

// client calls the API as somebody.
type client struct {
	*play
	who   string
	token func() (string, error)
}

// refusal is an answer that is no success.
type refusal struct {
	Status  int
	Message string
	what    string
}

func (e *refusal) Error() string { return fmt.Sprintf("%s: %d %s", e.what, e.Status, e.Message) }

// refused returns the status of a refusal, or 0.
func refused(err error) int {
	var e *refusal
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// maxAnswer is more than any answer of the API has.
const maxAnswer = 64 << 20

func (c *client) call(ctx context.Context, method, target string, in, out any) error {
	_, err := c.send(ctx, method, target, in, out)
	return err
}

func (c *client) send(ctx context.Context, method, target string, in, out any) (http.Header, error) {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return nil, err
		}
	}
	if err := c.fence.allows(method, target, body); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, endpoint(c.API, target), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	token, err := c.token()
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/vnd.github+json")
	req.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	req.Header.Set("User-Agent", "relbot-live")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	if res.StatusCode/100 != 2 {
		e := &refusal{Status: res.StatusCode, what: method + " " + target}
		_ = json.Unmarshal(raw, e) // without a message the status says it
		return nil, e
	}
	if c.who == "person" {
		c.shapes.add("a person's "+c.shapes.kind(method, target, body), raw)
	}
	if out == nil || len(raw) == 0 {
		return res.Header, nil
	}
	return res.Header, json.Unmarshal(raw, out)
}

// query asks over GraphQL, where an error is an answer, too.
func (c *client) query(ctx context.Context, text string, vars map[string]any, out any) error {
	var res struct {
		Data   json.RawMessage `json:"data"`
		Errors []struct {
			Message string `json:"message"`
		} `json:"errors"`
	}
	if err := c.call(ctx, http.MethodPost, "/graphql", map[string]any{"query": text, "variables": vars}, &res); err != nil {
		return err
	}
	if len(res.Errors) > 0 {
		return &refusal{Status: http.StatusUnprocessableEntity, Message: res.Errors[0].Message, what: "graphql"}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(res.Data, out)
}

// endpoint is where a path of the API is. GraphQL of an Enterprise Server is next to its REST API.
func endpoint(api, target string) string {
	if strings.HasPrefix(target, "/graphql") {
		api = strings.TrimSuffix(api, "/v3")
	}
	return api + target
}
