// Package budget says which calls an installation may make now, within GitHub's limits.
//
// GitHub counts by installation: calls an hour, points a minute, calls at once, new comments and issues. It punishes those who go on
// regardless. So a call is asked for here first, and one that has to wait learns for how long; the
// work queue does the waiting. What is left near the end of a budget belongs to what keeps a wrong merge from happening. Demotions, which revoke
// a pass, come first, with the reads that they need; then checks and what they need, notes, and the report last. A commit without a check
// cannot be merged meanwhile, one with a pass that is no longer true can.
//
// Those who wait are given moments one behind the other, as far apart as the limit makes them. Each rank has its own line. With the same
// moment they would all come at once, all but a few in vain, again and again.
//
// While an account fails, one call at a time stands for all of its work: the others wait until that one was answered. Where GitHub names no time, the
// pauses are relbot's own. They are 15 s while GitHub answers with 5xx or not at all. After refusals for a secondary limit they are a minute, then two. GitHub's docs ask for a minute, and longer each time ("Exceeding the rate limit"). Reads and writes fail apart:
// in an outage of GitHub's reads a pass is still revoked.
//
// A GitHub that tells no limits has none, as an Enterprise Server by default. Nothing is held back there but new comments and
// issues. Each process counts for itself; what several use together shows in what GitHub says is left. Asking GitHub for the limits was
// refused: every answer carries them.
package budget

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Rank says what a call is for. The later ranks wait first.
type Rank int

// The ranks.
const (
	Demotions Rank = iota - 1
	Checks         // the zero value
	Notes
	Report
)

type rankKey struct{}

// With says what the calls under a context are for; without it they are for checks.
func With(ctx context.Context, r Rank) context.Context {
	return context.WithValue(ctx, rankKey{}, r)
}

// Raise is With, but leaves a later rank as it is.
func Raise(ctx context.Context, r Rank) context.Context { return With(ctx, max(r, Of(ctx))) }

// Of is the rank of the calls under a context.
func Of(ctx context.Context) Rank {
	r, _ := ctx.Value(rankKey{}).(Rank)
	return r
}

// Resource is one of the budgets that GitHub keeps apart.
type Resource string

// The resources.
const (
	REST    Resource = "core"
	GraphQL Resource = "graphql"
)

// GitHub's limits are 100 calls at once, and 900 points a minute for REST and 2,000 for GraphQL. It takes 80 new comments and issues a minute,
// and 500 an hour. What is kept below them is for clocks that differ and for what others do in the name of the same installation.
const (
	MaxAtOnce     = 90
	contentMinute = 75
	contentHour   = 480
)

var pointsMinute = map[Resource]int{REST: 810, GraphQL: 1800}

// demotionsFirst is how long after a pause other writes give way to one that revokes a pass. They might be refused again, and start the next pause.
const demotionsFirst = time.Second

// Points of a call.
const (
	ReadPoints  = 1
	WritePoints = 5
)

// What a rank may use: of the points of a minute, and of the calls of an hour.
var (
	sharePoints = map[Rank]float64{Demotions: 1, Checks: 0.9, Notes: 0.5, Report: 0.3}
	shareHour   = map[Rank]float64{Demotions: 1, Checks: 0.98, Notes: 0.9, Report: 0.75}
)

// Why a call waits.
var (
	ErrHour    = errors.New("GitHub's limit of calls an hour is near")
	ErrPoints  = errors.New("GitHub's limit of calls a minute is near")
	ErrPaused  = errors.New("GitHub asked to wait")
	ErrOutage  = errors.New("GitHub does not answer")
	ErrContent = errors.New("GitHub's limit for new comments and issues is near")
)

// Held reports whether an error says that a call has to wait. It was not made, so that it has no effect to look for.
func Held(err error) bool {
	return slices.ContainsFunc([]error{ErrHour, ErrPoints, ErrPaused, ErrOutage, ErrContent}, func(why error) bool { return errors.Is(err, why) })
}

// Budget is the budgets of all installations. Its methods may be called from any goroutine.
type Budget struct {
	mu       sync.Mutex
	accounts map[int64]*account
}

// account is what is known of one installation.
type account struct {
	hour    map[Resource]*hour
	points  map[Resource][]spent // of the last minute, oldest first
	content []time.Time          // of the last hour, oldest first
	refused map[bool]*gate       // for a limit: reads, and writes (true)
	outage  map[bool]*gate       // likewise
	first   bool                 // a write that revokes a pass waits for the end of a pause
	turns   map[line]time.Time   // the next moment that is free for somebody who waits
	atOnce  chan struct{}
}

// line is where those of a rank wait for the same reason.
type line struct {
	why  error
	rank Rank
}

// hour is GitHub's own count.
type hour struct {
	limit, left int
	reset       time.Time
}

type spent struct {
	at     time.Time
	points int
}

func (b *Budget) account(id int64) *account {
	if b.accounts == nil {
		b.accounts = map[int64]*account{}
	}
	a := b.accounts[id]
	if a == nil {
		a = &account{refused: map[bool]*gate{false: {}, true: {}}, outage: map[bool]*gate{false: {}, true: {}}, hour: map[Resource]*hour{}, points: map[Resource][]spent{}, turns: map[line]time.Time{}, atOnce: make(chan struct{}, MaxAtOnce)}
		b.accounts[id] = a
	}
	return a
}

// wait gives the next turn in a line: at the earliest after least, and every behind the one before.
func (a *account) wait(l line, now time.Time, least, every time.Duration) (time.Duration, error) {
	return a.turn(l, now, least, every, 1)
}

// turn is wait, where the first of a crowd may come together.
func (a *account) turn(l line, now time.Time, least, every time.Duration, together int) (time.Duration, error) {
	turn := now.Add(least)
	next := turn
	if a.turns[l].After(next) {
		next = a.turns[l]
	}
	a.turns[l] = next.Add(every)
	if behind := next.Add(-every * time.Duration(together-1)); behind.After(turn) {
		turn = behind
	}
	return turn.Sub(now), l.why
}

// gate holds the calls of an account back while it fails.
type gate struct {
	failed int       // in a row
	until  time.Time // nothing is sent before
	probe  time.Time // when the call was sent that stands for all the others
	route  string    // that failed last
}

// How long relbot waits of its own accord.
const (
	outageAfter   = 3 // failures in a row
	outagePause   = 15 * time.Second
	refusedPause  = time.Minute // at first
	refusedPauses = 2 * time.Minute
	probeTime     = 35 * time.Second // longer than any call takes
	probePoll     = time.Second      // how soon others ask what came of a probe
	crowd         = 100
	apart         = 5 * time.Millisecond // between those that wait, beyond a crowd: thousands must not come back at one moment, again and again
)

// wait returns for how long no call may be sent.
func (g *gate) wait(now time.Time) time.Duration {
	switch {
	case g.until.After(now):
		return g.until.Sub(now)
	case !g.until.IsZero() && now.Sub(g.probe) < probeTime:
		return probePoll
	}
	return 0
}

// enter notes that a call is sent; while the account fails it is the probe.
func (g *gate) enter(now time.Time) {
	if !g.until.IsZero() {
		g.probe = now
	}
}

// Enter asks whether an account may be called at all, whatever the limits. It returns 0 and counts the call, or says for how long it has to wait and why.
// What came of it has to be reported by Answered, Failed, Refused or Dropped.
func (b *Budget) Enter(id int64, write bool, now time.Time) (time.Duration, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.account(id)
	if wait, why := a.held(write, Checks, now); wait > 0 {
		return wait, why
	}
	a.enter(write, now)
	return 0, nil
}

func (a *account) held(write bool, rank Rank, now time.Time) (time.Duration, error) {
	g, demotion := a.refused[write], write && rank == Demotions
	wait := g.wait(now)
	if left := g.until.Add(demotionsFirst).Sub(now); a.first && write && !demotion && left > 0 {
		wait = max(wait, left)
	}
	if wait > 0 {
		a.first = a.first || demotion
		return a.turn(line{ErrPaused, rank}, now, wait, apart, crowd)
	}
	if demotion {
		a.first = false
	}
	if wait := a.outage[write].wait(now); wait > 0 {
		return a.turn(line{ErrOutage, rank}, now, wait, apart, crowd)
	}
	return 0, nil
}

func (a *account) enter(write bool, now time.Time) {
	a.refused[write].enter(now)
	a.outage[write].enter(now)
}

// Answered notes that GitHub answered a call.
func (b *Budget) Answered(id int64, write bool, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.account(id)
	*a.outage[write] = gate{}
	if !a.refused[write].until.After(now) { // else it was sent before the refusal
		*a.refused[write] = gate{}
	}
}

// Doubt says what a call that failed tells of the account.
type Doubt int

// What it may tell.
const (
	Mild   Doubt = 0 // it may have asked for too much, and less of it is asked for next
	Usual  Doubt = 1 //
	Strong Doubt = 2 // it was asked for less and less, in vain
)

// Failed notes that GitHub answered a call with 5xx, or not at all. route is what was called, "" where any call is as good as another. One route that fails again
// and again does not make the account fail.
func (b *Budget) Failed(id int64, write bool, d Doubt, route string, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.account(id)
	g := a.outage[write]
	switch {
	case !g.until.IsZero():
		d = Strong
	case route != "" && route == g.route:
		d = Mild
	case d > Mild:
		g.route = route
	}
	g.probe, a.refused[write].probe = time.Time{}, time.Time{}
	if g.failed += int(d); g.failed >= outageAfter {
		g.until = now.Add(outagePause)
	}
}

// Dropped notes that nothing is known of a call: it was not sent after all, or broken off here.
func (b *Budget) Dropped(id int64, write bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.account(id)
	a.refused[write].probe, a.outage[write].probe = time.Time{}, time.Time{}
}

// Refused notes that GitHub refused a call for a limit, and returns for how long nothing is sent. asked is for how long GitHub asked to wait, 0 where it did not
// say.
func (b *Budget) Refused(id int64, write bool, asked time.Duration, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.account(id)
	g, other := a.refused[write], a.refused[!write]
	*a.outage[write] = gate{} // it answers
	switch {
	case asked > 0:
	case g.until.After(now): // of those that were under way together one counts
		return g.until.Sub(now)
	case g.failed == 0:
		asked = refusedPause
	default:
		asked = refusedPauses
	}
	g.until, g.probe = now.Add(asked), time.Time{}
	// The whole account pauses. After that reads and writes have a probe each. Where reads are refused again and again, a write that revokes a pass
	// must not wait behind them.
	if g.failed++; g.failed == 1 && other.until.Before(g.until) {
		other.until = g.until
	}
	return asked
}

// Take is Enter, and keeps GitHub's limits.
func (b *Budget) Take(id int64, res Resource, points int, rank Rank, now time.Time) (time.Duration, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a, write := b.account(id), points == WritePoints
	if wait, why := a.held(write, rank, now); wait > 0 {
		return wait, why
	}
	wait, why := a.take(res, points, rank, now)
	if wait == 0 {
		a.enter(write, now)
	}
	return wait, why
}

func (a *account) take(res Resource, points int, rank Rank, now time.Time) (time.Duration, error) {
	h := a.hour[res]
	if h == nil {
		return 0, nil // nothing is known of a limit
	}
	if h.reset.After(now) && float64(h.left) <= float64(h.limit)*(1-shareHour[rank]) {
		return a.wait(line{ErrHour, rank}, now, h.reset.Sub(now), time.Hour/time.Duration(max(h.limit, 1)))
	}
	used, minute := 0, slices.DeleteFunc(a.points[res], func(s spent) bool { return now.Sub(s.at) >= time.Minute })
	for _, s := range minute {
		used += s.points
	}
	a.points[res] = minute
	if may := int(float64(pointsMinute[res]) * sharePoints[rank]); used+points > may {
		least, freed := time.Minute, 0
		for _, s := range minute {
			if freed += s.points; used-freed+points <= may {
				least = s.at.Add(time.Minute).Sub(now)
				break
			}
		}
		return a.wait(line{ErrPoints, rank}, now, least, time.Minute*time.Duration(points)/time.Duration(may))
	}
	a.points[res] = append(minute, spent{now, points})
	h.left--
	return 0, nil
}

// TakeContent asks for a new comment or issue, in addition to the call that it takes.
func (b *Budget) TakeContent(id int64, now time.Time) (time.Duration, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.account(id)
	a.content = slices.DeleteFunc(a.content, func(t time.Time) bool { return now.Sub(t) >= time.Hour })
	n := len(a.content)
	if n >= contentHour {
		return a.wait(line{ErrContent, Notes}, now, time.Hour-now.Sub(a.content[n-contentHour]), time.Hour/contentHour)
	}
	if n >= contentMinute {
		if least := time.Minute - now.Sub(a.content[n-contentMinute]); least > 0 {
			return a.wait(line{ErrContent, Notes}, now, least, time.Minute/contentMinute)
		}
	}
	a.content = append(a.content, now)
	return 0, nil
}

// Place waits for a free place among the calls that run at once, and returns the function that leaves it.
func (b *Budget) Place(ctx context.Context, id int64) (func(), error) {
	b.mu.Lock()
	places := b.account(id).atOnce
	b.mu.Unlock()
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Learn takes over what an answer says of the calls of the hour.
func (b *Budget) Learn(id int64, res Resource, h http.Header) {
	limit, err := strconv.Atoi(h.Get("X-RateLimit-Limit"))
	if err != nil || limit <= 0 {
		return
	}
	if r := Resource(h.Get("X-RateLimit-Resource")); r != "" {
		res = r
	}
	left, err := strconv.Atoi(h.Get("X-RateLimit-Remaining"))
	reset, bad := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64)
	if err != nil || bad != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.account(id)
	known := a.hour[res]
	at := time.Unix(reset, 0)
	if known == nil || at.After(known.reset) || left < known.left { // answers overtake each other
		a.hour[res] = &hour{limit: limit, left: left, reset: at}
	}
}

// Asked returns for how long an answer that refuses for a limit asks to wait; 0 when it does not say.
func Asked(h http.Header) time.Duration {
	if seconds, err := strconv.Atoi(h.Get("Retry-After")); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	return 0
}

// UsedUp returns for how long the calls of the hour are used up, by an answer; 0 when they are not.
func UsedUp(h http.Header, now time.Time) time.Duration {
	if h.Get("X-RateLimit-Remaining") != "0" {
		return 0
	}
	if reset, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64); err == nil {
		return max(time.Unix(reset, 0).Sub(now), time.Second)
	}
	return time.Minute
}
