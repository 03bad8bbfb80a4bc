package ghsim

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/coupling"
)

// callKind says how a call counts and which faults it meets.
type callKind int

const (
	neither callKind = iota // serves to log in, or to ask about the API itself
	read
	write
)

// call is an API request on its way through.
type call struct {
	g       *GitHub
	request *http.Request
	path    string // without the prefix of the API
	prefix  string // "" or "/api/v3"
	body    []byte
	kind    callKind
	graphql bool
	idle    bool // a write that found nothing to change

	repo  *repo  // that the path names
	who   string // the login that acts
	app   bool   // with the App's JWT
	token *token // nil with a JWT
}

// answer is what a handler says: body is marshalled, unless it is raw bytes.
type answer struct {
	status int
	body   any
	header http.Header
}

func ok(body any) answer { return answer{status: http.StatusOK, body: body} }

// fail is an error in GitHub's form.
func fail(status int, message string) answer {
	return answer{status: status, body: object{
		"message": message, "documentation_url": "https://docs.github.com/rest", "status": strconv.Itoa(status),
	}}
}

// unknownCommit says that a call names a commit that is not there.
type unknownCommit string

func (sha unknownCommit) Error() string { return "No commit found for SHA: " + string(sha) }

// invalid is GitHub's 422.
func invalid(resource string, err error) answer {
	if sha := unknownCommit(""); errors.As(err, &sha) { // home-assistant/service-hub#394 has it as the message itself
		return fail(http.StatusUnprocessableEntity, err.Error())
	}
	a := fail(http.StatusUnprocessableEntity, "Validation Failed")
	a.body.(object)["errors"] = []any{object{"resource": resource, "code": "custom", "message": err.Error()}}
	return a
}

const readOnly = "Repository was archived so is read-only."

var (
	notFound  = fail(http.StatusNotFound, "Not Found")
	forbidden = fail(http.StatusForbidden, "Resource not accessible by integration")
)

// token is what an installation or a person calls with.
type token struct {
	install     *installation
	user        string // of a personal token, or of a token with which the App acts for a person
	forApp      bool   // the latter
	permissions map[string]string
	repos       []int64 // when narrowed
	expires     time.Time
}

// tokenLife is how long an installation token works.
const tokenLife = time.Hour

// sees reports whether the token may know of r at all.
func (t *token) sees(r *repo) bool {
	if t.install == nil {
		return !r.private || r.role(t.user) != "none" && (!t.forApp || r.install != nil && r.install.suspended.IsZero())
	}
	return r.install == t.install && (t.repos == nil || slices.Contains(t.repos, r.id))
}

// may reports whether the token has a permission, such as "checks", at a level: "read" or "write". Of permissions
// that are joined by "|", one is enough.
func (t *token) may(r *repo, permission, level string) bool {
	if permission == "" {
		return true
	}
	if t.install == nil {
		// Check runs are for Apps alone.
		if level == "write" {
			least := "write"
			if permission == "administration" {
				least = "admin"
			}
			return permission != "checks" && r != nil && slices.Index(roles, r.role(t.user)) >= slices.Index(roles, least)
		}
		return true
	}
	return slices.ContainsFunc(strings.Split(permission, "|"), func(one string) bool {
		has := t.permissions[one]
		return has == "write" || has == level
	})
}

// Handler serves the API, at the root and under /api/v3 and /api/graphql, as a GitHub Enterprise Server does.
// The pages by which people sign in to the App are below /login/oauth/, as there.
func (g *GitHub) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/login/oauth/") {
			g.oauth(w, r)
			return
		}
		g.serve(w, r)
	})
}

// maxRequest is more than any client of the API sends.
const maxRequest = 32 << 20

func (g *GitHub) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c := &call{g: g, request: r, body: body, path: r.URL.EscapedPath()}
	if rest, ok := strings.CutPrefix(c.path, "/api"); ok && (rest == "/graphql" || strings.HasPrefix(rest, "/v3/")) {
		c.path = strings.TrimPrefix(rest, "/v3")
		c.prefix = "/api/v3"
	}
	c.graphql = c.path == "/graphql"
	c.kind = c.classify()

	a, raw, fault := g.handle(c)
	if g.opt.Inspect != nil && fault != "blank" && fault != "html" { // what those say is not the API's
		g.opt.Inspect(r, body, a.status, raw)
	}
	if fault == "timeout" || fault == "lost_answer" {
		breakOff(w)
		return
	}
	h := w.Header()
	for k, v := range a.header {
		h[k] = v
	}
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json; charset=utf-8")
	}
	h.Set("X-GitHub-Media-Type", "github.v3; format=json")
	h.Set("X-GitHub-Api-Version-Selected", "2022-11-28")
	g.mu.Lock()
	c.tell(h)
	g.mu.Unlock()
	h.Set("Content-Length", strconv.Itoa(len(raw)))
	w.WriteHeader(a.status)
	if fault == "truncated" {
		raw = raw[:len(raw)/2] // less than announced: the server then closes the connection
	}
	_, _ = w.Write(raw) // an error is the client's going away
}

// breakOff ends the connection in the middle of the status line. A client that had read nothing at all might send
// the request again by itself, which net/http does on a connection that it reuses.
func breakOff(w http.ResponseWriter) {
	h, ok := w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	conn, buf, err := h.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer conn.Close()
	if _, err := buf.WriteString("HTTP/1.1 "); err == nil {
		_ = buf.Flush() // it is broken either way
	}
}

func (c *call) classify() callKind {
	method := c.request.Method
	switch {
	case c.graphql:
		if isMutation(c.body) {
			return write
		}
		return read
	case method == http.MethodDelete && strings.HasPrefix(c.path, "/applications/"):
		return neither
	case method == http.MethodPost && (strings.HasSuffix(c.path, "/access_tokens") || strings.HasSuffix(c.path, "/attempts")),
		method == http.MethodGet && (c.path == "/app" || c.path == "/rate_limit"):
		return neither
	case method == http.MethodGet || method == http.MethodHead:
		return read
	}
	return write
}

// handle answers a call and counts it. fault is what happens to the connection.
func (g *GitHub) handle(c *call) (a answer, raw []byte, fault string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c.kind == read {
		g.reads++
	}
	if f := g.strike(c); f != nil {
		var struck bool
		if a, struck = f.answer(c); struck || f.Answer == "timeout" {
			if !struck {
				a.status = http.StatusGatewayTimeout
			}
			return a, marshal(a.body), f.Answer
		}
		fault = f.Answer
	}
	c.g = g.behind(c)
	a = c.g.dispatch(c)
	if c.g != g {
		g.last, g.problems, c.g = max(g.last, c.g.last), append(g.problems, c.g.problems...), g
	}
	if fault == "partial" {
		leaveOut(&a)
	}
	raw = marshal(a.body)
	if c.kind == write && !c.idle && a.status < 300 && !(c.graphql && bytes.HasPrefix(raw, []byte(`{"data":null`))) {
		g.writes++
	}
	return a, raw, fault
}

func marshal(body any) []byte {
	if raw, ok := body.([]byte); ok {
		return raw
	}
	if body == nil {
		return nil
	}
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err) // answers are made of plain values
	}
	return raw
}

// dispatch finds who calls, then what for.
func (g *GitHub) dispatch(c *call) answer {
	if c.request.Method == http.MethodDelete && revocation.match(c.request, c.path) {
		return revocation.handle(c)
	}
	if a, ok := g.authenticate(c); !ok {
		return a
	}
	if refused := c.limit(); refused != nil {
		return *refused
	}
	if c.graphql {
		return g.graphql(c)
	}
	if rest, ok := strings.CutPrefix(c.path, "/repositories/"); ok {
		id, below, _ := strings.Cut(rest, "/")
		i := slices.IndexFunc(g.repos, func(r *repo) bool { return strconv.FormatInt(r.id, 10) == id })
		if i < 0 {
			return notFound
		}
		c.path = strings.TrimSuffix("/repos/"+string(g.repos[i].name)+"/"+below, "/")
	}
	for _, rt := range routes {
		if rt.match(c.request, c.path) {
			return g.route(c, rt)
		}
	}
	g.problem("unknown route: %s %s", c.request.Method, c.path)
	return notFound
}

// route checks what a route asks for and runs it.
func (g *GitHub) route(c *call, rt *route) answer {
	if rt.app != c.app && !rt.open {
		if rt.app {
			return fail(http.StatusUnauthorized, "A JSON web token could not be decoded")
		}
		return forbidden
	}
	if owner := c.request.PathValue("owner"); owner != "" {
		r, current := g.find(coupling.Repo(owner + "/" + c.request.PathValue("repo")))
		if r == nil || c.token != nil && !c.token.sees(r) {
			return notFound
		}
		if !current {
			return g.redirect(c, r)
		}
		c.repo = r
	}
	if c.token != nil && !c.token.may(c.repo, rt.permission, rt.level) {
		return forbidden
	}
	if c.repo != nil && c.repo.archived && c.kind == write {
		return fail(http.StatusForbidden, readOnly)
	}
	return rt.handle(c)
}

// redirect leads from a former name to the repository's id: 301 for GET, and 307 otherwise, so that the method stays.
func (g *GitHub) redirect(c *call, r *repo) answer {
	rest := strings.SplitN(strings.TrimPrefix(c.path, "/repos/"), "/", 3)
	to := fmt.Sprintf("/repositories/%d", r.id)
	if len(rest) == 3 {
		to += "/" + rest[2]
	}
	u := "http://" + c.request.Host + c.prefix + to
	if q := c.request.URL.RawQuery; q != "" {
		u += "?" + q
	}
	a := fail(http.StatusMovedPermanently, "Moved Permanently")
	if m := c.request.Method; m != http.MethodGet && m != http.MethodHead {
		a = fail(http.StatusTemporaryRedirect, "Temporary Redirect")
	}
	a.body.(object)["url"] = u
	a.header = http.Header{"Location": {u}}
	return a
}

// authenticate finds who calls. The App has a JWT, an installation its token, the App for a person theirs, and a person "ghp_LOGIN".
func (g *GitHub) authenticate(c *call) (answer, bool) {
	if manifestPath.MatchString(c.path) { // the code in it says who calls
		return answer{}, true
	}
	scheme, secret, _ := strings.Cut(c.request.Header.Get("Authorization"), " ")
	if secret == "" || !strings.EqualFold(scheme, "bearer") && !strings.EqualFold(scheme, "token") {
		return fail(http.StatusUnauthorized, "Requires authentication"), false
	}
	if user, ok := strings.CutPrefix(secret, "ghp_"); ok && user != "" {
		c.who, c.token = user, &token{user: user}
		return answer{}, true
	}
	if t := g.tokens[secret]; t != nil {
		switch {
		case t.forApp && g.now().After(t.expires):
			return fail(http.StatusUnauthorized, "Bad credentials"), false
		case t.forApp:
			c.who, c.token = t.user, t
			return answer{}, true
		case t.install.gone, time.Now().After(t.expires):
			return fail(http.StatusUnauthorized, "Bad credentials"), false
		case !t.install.suspended.IsZero():
			return suspended, false
		}
		c.who, c.token = g.bot(), t
		return answer{}, true
	}
	if strings.Count(secret, ".") != 2 || strings.HasPrefix(secret, "ghs_") {
		return fail(http.StatusUnauthorized, "Bad credentials"), false
	}
	switch err := g.verify(secret); {
	case errors.Is(err, errNoApp):
		return fail(http.StatusNotFound, err.Error()), false
	case err != nil:
		return fail(http.StatusUnauthorized, err.Error()), false
	}
	c.who, c.app = g.bot(), true
	return answer{}, true
}

var suspended = fail(http.StatusForbidden, "This installation has been suspended")

//lint:ignore ST1005 it is GitHub's own wording
var errNoApp = errors.New("Integration not found")

// verify checks a JWT: its signature, that the App issued it, and that it lives ten minutes at most.
func (g *GitHub) verify(jwt string) error {
	parts := strings.Split(jwt, ".")
	var header struct{ Alg string }
	var claims struct {
		Iat, Exp float64
		Iss      json.RawMessage
	}
	//lint:ignore ST1005 it is GitHub's own wording
	garbled := errors.New("A JSON web token could not be decoded")
	for i, into := range []any{&header, &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(raw, into)
		}
		if err != nil {
			return garbled
		}
	}
	if g.opt.Key == nil && !g.opt.Unregistered {
		return nil
	}
	if strings.Trim(string(claims.Iss), `"`) != strconv.FormatInt(g.opt.AppID, 10) || g.opt.Key == nil {
		return errNoApp
	}
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err != nil || header.Alg != "RS256" || rsa.VerifyPKCS1v15(g.opt.Key, crypto.SHA256, sum[:], sig) != nil {
		return garbled
	}
	if claims.Exp-claims.Iat > (10*time.Minute + time.Minute).Seconds() {
		return errors.New("'Expiration time' claim ('exp') is too far in the future")
	}
	return nil
}

// mint makes an installation token. It has the form that GitHub gives since 2026: long, with dots and dashes.
func (g *GitHub) mint(in *installation, permissions map[string]string, repos []int64) (string, *token) {
	sum := sha1.Sum(fmt.Appendf(nil, "token %d", g.newID()))
	h := hex.EncodeToString(sum[:])
	secret := fmt.Sprintf("ghs_%d_%s.%s-%s.%s", g.opt.AppID, h, h[:20], h[20:], strings.Repeat(h, 10))
	t := &token{install: in, permissions: permissions, repos: repos, expires: time.Now().Add(tokenLife)} // by the wall clock: libraries renew tokens by it
	g.tokens[secret] = t
	return secret, t
}

// JobToken is a token as a workflow's job gets it in GITHUB_TOKEN. It is for one repository, with the permissions that the workflow
// names and that of metadata.
func (g *GitHub) JobToken(name coupling.Repo, permissions map[string]string) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.repo(name)
	if err != nil {
		return "", err
	}
	if r.install == nil {
		return "", fmt.Errorf("%s: GitHub Actions is not installed", name)
	}
	granted := maps.Clone(permissions)
	granted["metadata"] = "read"
	secret, _ := g.mint(r.install, granted, []int64{r.id})
	return secret, nil
}

// query is a parameter of the request.
func (c *call) query(name string) string { return c.request.URL.Query().Get(name) }

// number is a number in the path, 0 when it is none.
func (c *call) number(name string) int64 {
	n, err := strconv.ParseInt(c.request.PathValue(name), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// decode reads the request's body.
func (c *call) decode(into any) error {
	if len(c.body) == 0 {
		return nil
	}
	if err := json.Unmarshal(c.body, into); err != nil {
		return fmt.Errorf("problems parsing JSON: %w", err)
	}
	return nil
}

const (
	defaultPage = 30
	maxPage     = 100
)

// pageSize reads per_page; GitHub lowers what is above a hundred.
func (c *call) pageSize() int {
	n, err := strconv.Atoi(c.query("per_page"))
	if err != nil || n < 1 {
		return defaultPage
	}
	return min(n, maxPage)
}

// paged cuts a list to the page asked for, with the Link header. render turns an element into JSON, for those of the
// page alone.
func paged[T any](c *call, list []T, render func(T) object) ([]object, http.Header) {
	size := c.pageSize()
	page, err := strconv.Atoi(c.query("page"))
	if err != nil || page < 1 {
		page = 1
	}
	last := max(1, (len(list)+size-1)/size)
	var links []string
	link := func(rel string, n int) {
		links = append(links, c.link(rel, "page", strconv.Itoa(n)))
	}
	if page > 1 {
		link("prev", min(page-1, last))
	}
	if page < last {
		link("next", page+1)
		link("last", last)
	}
	if page > 1 {
		link("first", 1)
	}
	header := http.Header{}
	if len(links) > 0 {
		header.Set("Link", strings.Join(links, ", "))
	}
	from := min((page-1)*size, len(list))
	out := []object{}
	for _, x := range list[from:min(from+size, len(list))] {
		out = append(out, render(x))
	}
	return out, header
}

// link is this request with another value of one parameter.
func (c *call) link(rel, key, value string) string {
	q := c.request.URL.Query()
	q.Set(key, value)
	return fmt.Sprintf("<http://%s%s%s?%s>; rel=%q", c.request.Host, c.prefix, c.path, q.Encode(), rel)
}

func list[T any](c *call, items []T, render func(T) object) answer {
	body, header := paged(c, items, render)
	return answer{status: http.StatusOK, body: body, header: header}
}
