package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/ghsim/ghspec"
	"github.com/relbot/relbot/internal/store/postgres/pgtest"
)

// link is the way of one instance to its database.
type link struct {
	url string
	mu  sync.Mutex
	cut string // "": it works; "hole": what is sent disappears; "refused": connections break
	all map[net.Conn]bool
}

// newLink puts a proxy before a PostgreSQL server.
func newLink(t *testing.T, database string) *link {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	network, target := "tcp", u.Host
	if dir := u.Query().Get("host"); strings.HasPrefix(dir, "/") {
		network, target = "unix", dir+"/.s.PGSQL.5432"
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	k := &link{all: map[net.Conn]bool{}}
	q := u.Query()
	q.Del("host")
	u.Host, u.RawQuery = l.Addr().String(), q.Encode()
	k.url = u.String()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go k.carry(c, network, target)
		}
	}()
	return k
}

func (k *link) state() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.cut
}

// set cuts the link or fixes it. Connections that were open when it was cut into a hole stay open and silent for ever.
func (k *link) set(cut string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cut = cut
	if cut == "refused" {
		for c := range k.all {
			c.Close()
		}
	}
}

func (k *link) carry(c net.Conn, network, target string) {
	if k.state() == "refused" {
		c.Close()
		return
	}
	s, err := net.Dial(network, target)
	if err != nil {
		c.Close()
		return
	}
	k.mu.Lock()
	k.all[c] = true
	k.mu.Unlock()
	lost := false
	pass := func(to, from net.Conn) {
		buf := make([]byte, 64<<10)
		for {
			n, err := from.Read(buf)
			k.mu.Lock()
			lost = lost || k.cut == "hole"
			silent := lost
			k.mu.Unlock()
			if err != nil {
				to.Close()
				return
			}
			if !silent {
				if _, err := to.Write(buf[:n]); err != nil {
					return
				}
			}
		}
	}
	go pass(s, c)
	pass(c, s)
}

// writers watches the writes to GitHub: those to one commit or one comment must not overlap, and none may be made twice.
type writers struct {
	checkWrites
	mu      sync.Mutex
	at      map[string]int
	overlap []string
}

// around counts the writes that are under way.
func (w *writers) around(h http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || strings.HasSuffix(r.URL.Path, "/graphql") || strings.HasSuffix(r.URL.Path, "/access_tokens") {
			h.ServeHTTP(rw, r)
			return
		}
		w.mu.Lock()
		if w.at == nil {
			w.at = map[string]int{}
		}
		if w.at[r.URL.Path]++; w.at[r.URL.Path] > 1 && !strings.HasSuffix(r.URL.Path, "/check-runs") {
			w.overlap = append(w.overlap, r.URL.Path)
		}
		w.mu.Unlock()
		h.ServeHTTP(rw, r)
		w.mu.Lock()
		w.at[r.URL.Path]--
		w.mu.Unlock()
	})
}

// TestCutOff runs two servers on one PostgreSQL database. One of them is cut off from it, in both ways in which that happens. It answers 503, does no harm, its work is taken over within seconds, and it comes back by itself.
func TestCutOff(t *testing.T) {
	for _, cut := range []string{"hole", "refused"} {
		t.Run(cut, func(t *testing.T) {
			t.Parallel()
			key, pem := appPEM(t)
			var w writers
			hold := ghspec.New(t)
			gh := ghsim.New(ghsim.Options{Clock: time.Now, AppID: 7, Key: &key.PublicKey, Secret: "s3cret", Inspect: func(r *http.Request, request []byte, status int, response []byte) {
				hold(r, request, status, response)
				w.see(r, request, status, response)
			}})
			api := httptest.NewServer(w.around(gh.Handler()))
			defer api.Close()
			const repo, pairs = coupling.Repo("acme/app"), 6
			policy := "version: 1\ncouplings:\n"
			for i := range pairs {
				policy += fmt.Sprintf("  c%d: {members: {a: {pr: %d}, b: {pr: %d}}, order: [a before b]}\n", i, 2*i+1, 2*i+2)
			}
			if err := gh.CreateRepo(ghsim.RepoSpec{Name: repo, Policy: policy}); err != nil {
				t.Fatal(err)
			}
			if err := gh.Install(repo); err != nil {
				t.Fatal(err)
			}
			database := pgtest.URL(t)
			bad := newLink(t, database)
			env := []string{"RELBOT_GITHUB_API_URL=" + api.URL, "RELBOT_GITHUB_APP_ID=7", "RELBOT_GITHUB_PRIVATE_KEY=" + string(pem), "RELBOT_WEBHOOK_SECRET=s3cret", "RELBOT_DEBOUNCE=1ms", "RELBOT_WORKERS=4"}
			first := startServer(t, append(env, "RELBOT_DATABASE_URL="+bad.url))
			second := startServer(t, append(env, "RELBOT_DATABASE_URL="+database))
			for n := 1; n <= 2*pairs; n++ {
				if err := gh.Open(ghsim.OpenSpec{Repo: repo, Number: n, By: "ann", Title: "T", Files: map[string]*string{fmt.Sprint("f", n): text("x")}}); err != nil {
					t.Fatal(err)
				}
			}
			gh.Flush(t.Context(), first.post) // the first has work in hand when it is cut off
			bad.set(cut)
			cutAt := time.Now()
			for n := 1; n <= 2*pairs; n++ {
				if err := gh.Push(ghsim.PushSpec{Repo: repo, Pull: n, By: "ann", Files: map[string]*string{"more": text(fmt.Sprint(n))}}); err != nil {
					t.Fatal(err)
				}
			}
			settled := func() bool {
				gh.Flush(t.Context(), second.post)
				return crashed(gh, repo, pairs, nil, nil) == ""
			}
			until(t, "the other to take over", settled)
			t.Logf("taken over within %v", time.Since(cutAt).Round(100*time.Millisecond))
			if status := first.ready(); status != http.StatusServiceUnavailable {
				t.Errorf("the one that is cut off says that it is ready: %d", status)
			}
			res, err := http.Post("http://"+first.address+"/webhook", "application/json", strings.NewReader("{}"))
			if err != nil || res.StatusCode != http.StatusUnauthorized {
				t.Errorf("unsigned: %v %v", res, err)
			}
			if err := gh.Push(ghsim.PushSpec{Repo: repo, Pull: 1, By: "ann", Files: map[string]*string{"more": text("again")}}); err != nil {
				t.Fatal(err)
			}
			refused := 0
			gh.Flush(t.Context(), func(ctx context.Context, d ghsim.Delivery) (int, error) {
				status, err := first.post(ctx, d)
				if status == http.StatusServiceUnavailable {
					refused++
				} else if status == http.StatusAccepted && (d.Event == "pull_request" || d.Event == "push") {
					t.Errorf("%s was acknowledged without a database", d.Event)
				}
				return status, err
			})
			if refused == 0 {
				t.Error("no delivery was refused")
			}
			bad.set("")
			until(t, "the first to come back", func() bool { return first.ready() == http.StatusOK })
			// What it refused comes again by itself: GitHub is asked after errors.
			until(t, "what was refused", func() bool {
				gh.Flush(t.Context(), first.post)
				return crashed(gh, repo, pairs, nil, nil) == ""
			})
			first.stop(t)
			second.stop(t)
			if p := append(append(gh.Problems(), w.twice...), w.overlap...); len(p) > 0 {
				t.Error(p)
			}
		})
	}
}
