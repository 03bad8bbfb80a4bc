package main

import (
	"context"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghapp"
	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/server"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/store/sqlite"
)

// waiting has all work of a delivery wait for a fixed time for more of the same burst, as the first versions did.
type waiting struct{ store.Store }

func (w waiting) Accept(ctx context.Context, d store.Delivery, work []store.Work) (bool, error) {
	work = slices.Clone(work)
	for i := range work {
		work[i].At, work[i].Window = work[i].At.Add(work[i].Window), 0
	}
	return w.Store.Accept(ctx, d, work)
}

// BenchmarkEventToCheck measures the time from an event to the last check that it changes, at the default settings. It compares that with a fixed second of
// waiting for more of a burst.
func BenchmarkEventToCheck(b *testing.B) {
	app := coupling.Repo("acme/app")
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	for _, c := range []struct {
		name   string
		change func(gh *ghsim.GitHub, n int) error
		about  []int // the pull requests whose checks it changes
	}{
		{"a push in no coupling", func(gh *ghsim.GitHub, n int) error {
			return gh.Push(ghsim.PushSpec{Repo: app, Pull: 4, By: "ann", Files: map[string]*string{"d": text(fmt.Sprint(n))}})
		}, []int{4}},
		{"a push to a member of three", func(gh *ghsim.GitHub, n int) error {
			return gh.Push(ghsim.PushSpec{Repo: app, Pull: 2, By: "ann", Files: map[string]*string{"b": text(fmt.Sprint(n))}})
		}, []int{2}},
		{"a tag that flips three", func(gh *ghsim.GitHub, n int) error {
			if n%2 == 0 {
				return gh.Tag(app, ghsim.TagSpec{Name: "v1.1.0-rc.1"})
			}
			return gh.DeleteTag(app, "v1.1.0-rc.1")
		}, []int{1, 2, 3}},
	} {
		p50 := map[string]time.Duration{}
		for _, form := range []string{"waiting", "at once"} {
			b.Run(c.name+"/"+form, func(b *testing.B) {
				var ahead atomic.Int64
				now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
				key, pem := appPEM(b)
				gh := ghsim.New(ghsim.Options{Clock: now, AppID: 7, Key: &key.PublicKey, Secret: "s3cret"})
				api := httptest.NewServer(gh.Handler())
				defer api.Close()
				must(gh.CreateRepo(ghsim.RepoSpec{
					Name: app, Tags: []ghsim.TagSpec{{Name: "v1.0.0"}}, Files: map[string]string{"VERSION": "1.1.0-dev.0\n", "gate.rs": "\n"},
					Policy: `version: 1
releases: {dev_version: [{path: VERSION, pattern: "(?P<version>\\S+)"}], tags: "v{version}"}
gates: {gate: {find: {path: gate.rs, symbol: "V\\d+_\\d+_\\d+"}}}
couplings: {set: {members: {a: {pr: 1}, b: {pr: 2}, c: {pr: 3}}, gates: {gate: a}}}
`,
				}))
				must(gh.Install(app))
				files := []map[string]*string{{"gate.rs": text("const V1_1_0: Version = Version::new(1, 1, 0);\n")}, {"b": text("")}, {"c": text("")}, {"d": text("")}}
				for i, f := range files {
					must(gh.Open(ghsim.OpenSpec{Repo: app, Number: i + 1, By: "ann", Title: "T", Files: f}))
				}
				db, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "relbot.db"))
				must(err)
				defer db.Close()
				var st store.Store = db
				if form == "waiting" {
					st = waiting{db}
				}
				hub, err := ghapp.New(ghapp.Settings{APIURL: api.URL, AppID: 7, Key: pem, Now: now})
				must(err)
				s, err := server.New(server.Options{Store: st, GitHub: hub, Secrets: [][]byte{[]byte("s3cret")}, Now: now, Owner: "me", Debounce: time.Second, ReconcileInterval: 24 * time.Hour})
				must(err)
				hook := httptest.NewServer(s.Handler())
				defer hook.Close()
				ctx, stop := context.WithCancel(b.Context())
				ended := make(chan error, 1)
				go func() { ended <- s.Run(ctx) }()
				defer func() { stop(); <-ended }()
				post := ghsim.Poster(hook.Client(), hook.URL+"/webhook")
				// A check says what it is to say when it differs from the one before the event, or is on another head.
				seen := func(n int) string {
					p := coupling.Pull{Repo: app, Number: n}
					run, _ := gh.CurrentCheck(p)
					return fmt.Sprint(run.Head, run.Title)
				}
				rest := func() { // until nothing has to be done
					for quiet := 0; quiet < 50; time.Sleep(5 * time.Millisecond) {
						gh.Flush(b.Context(), post)
						quiet++
						if jobs, err := s.Jobs(b.Context()); err != nil || slices.ContainsFunc(jobs, func(j store.Job) bool { return !j.At.After(now()) }) {
							quiet = 0
						}
					}
				}
				rest()
				ahead.Store(int64(time.Hour)) // it has known its repository for long
				time.Sleep(1100 * time.Millisecond)
				rest()
				var took []time.Duration
				for n := 0; b.Loop(); n++ {
					before := map[int]string{}
					for _, p := range c.about {
						before[p] = seen(p)
					}
					must(c.change(gh, n))
					begun := time.Now()
					gh.Flush(b.Context(), post)
					for slices.ContainsFunc(c.about, func(p int) bool { s := seen(p); return s == before[p] || s == "" }) {
						if time.Since(begun) > 10*time.Second {
							b.Fatalf("%s: nothing changed: %v", c.name, before)
						}
						time.Sleep(500 * time.Microsecond)
					}
					took = append(took, time.Since(begun))
					rest()
					ahead.Add(int64(2 * time.Second)) // the key is quiet again
				}
				slices.Sort(took)
				p50[form] = took[len(took)/2]
				b.ReportMetric(float64(p50[form].Microseconds())/1000, "p50-ms")
				if before := p50["waiting"]; form == "at once" && before > 0 {
					b.ReportMetric(float64(p50[form])/float64(before), "of-waiting")
				}
			})
		}
	}
}
