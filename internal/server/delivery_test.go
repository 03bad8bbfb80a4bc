package server_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/telemetry"
)

// answering has GitHub deliver what waits, and be answered with a code. It returns how many deliveries there were.
func (r *rig) answering(code int) int {
	return r.gh.Flush(r.Context(), func(context.Context, ghsim.Delivery) (int, error) { return code, nil })
}

// hours lets the timers of some hours fire, with each delivery answered so, and returns how many were asked for again.
func (r *rig) hours(n int, code int) (again int) {
	r.Helper()
	for range n * 12 {
		from := r.now
		r.now = r.now.Add(5 * time.Minute)
		if err := r.Tick(r.Context(), from, r.now); err != nil {
			r.Fatal(err)
		}
		r.work()
		again += r.answering(code)
	}
	return again
}

func (r *rig) opened(from, to int) {
	r.Helper()
	for n := from; n <= to; n++ {
		if err := r.gh.Open(ghsim.OpenSpec{Repo: repo, Number: n, By: "ann", Title: "T"}); err != nil {
			r.Fatal(err)
		}
	}
}

func (r *rig) checked(n int) bool {
	_, ok := r.gh.CurrentCheck(coupling.Pull{Repo: repo, Number: n})
	return ok
}

// TestRedeliveries holds that a delivery that fails is asked for again three times, and what it was about is found by looking.
func TestRedeliveries(t *testing.T) {
	r := newRig(t, ghsim.RepoSpec{Name: repo}, telemetry.Options{})
	r.hours(1, 200)
	r.opened(1, 20)
	n := r.answering(503)
	if again := r.hours(6, 503); again != 3*n || n < 20 {
		t.Errorf("%d deliveries were asked for again %d times", n, again)
	}
	for n := 1; n <= 20; n++ {
		if !r.checked(n) {
			t.Errorf("#%d has no check", n)
		}
	}
}

// TestWrongSecret holds that nothing is asked for again while GitHub signs with another secret, and that it is said once. All of it is asked for when the
// secrets agree.
func TestWrongSecret(t *testing.T) {
	r := newRig(t, ghsim.RepoSpec{Name: repo}, telemetry.Options{})
	r.hours(1, 200)
	r.opened(1, 20)
	n := r.answering(401)
	if again := r.hours(6, 401); again > 6*12 { // one at a time, to see whether they agree again
		t.Errorf("asked for again %d times", again)
	}
	if said := strings.Count(r.log.String(), "another webhook secret"); said != 1 {
		t.Errorf("it was said %d times", said)
	}
	r.gh.Comment(ghsim.CommentSpec{Pull: coupling.Pull{Repo: repo, Number: 1}, By: "ann", Body: "hello"})
	r.answering(200)
	if again := r.hours(1, 200); again < n*2/3 { // some were, to see
		t.Errorf("%d of %d were asked for when the secrets agreed", again, n)
	}
}
