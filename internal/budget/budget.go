// Package budget says which calls an installation may make now, within GitHub's limits.
//
// GitHub counts by installation: calls an hour (it tells how many are left), points a minute, calls at once, new comments and issues, and
// for those who go on regardless it has worse. So a call is asked for here first, and one that has to wait is told for how long; the
// work queue does the waiting. What is left near the end of a budget belongs to what keeps a wrong merge from happening: demotions first, which
// take a pass back, with the reads that find out; then checks and what they need, notes, and the report last. A commit without a check
// cannot be merged meanwhile, one with a pass that is no longer true can.
//
// Those who wait are given moments one behind the other, as far apart as the limit makes them, each rank in a line of its own. Told the same
// moment they would all come at once, all but a few in vain, again and again.
//
// A GitHub that tells no limits has none (an Enterprise Server as it is delivered), and nothing is held back there but new comments and
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

// GitHub's limits are 100 calls at once, 900 points a minute for REST and 2,000 for GraphQL, and 80 new comments and issues a minute or 500
// an hour. What is kept below them is for clocks that differ and for what others do in the name of the same installation.
const (
	MaxAtOnce     = 90
	contentMinute = 75
	contentHour   = 480
)

var pointsMinute = map[Resource]int{REST: 810, GraphQL: 1800}

// demotionsFirst is how long after a pause others give way to a write that takes a pass back. A read might be refused again and start the next pause.
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
	ErrContent = errors.New("GitHub's limit for new comments and issues is near")
)

// Held reports whether an error says that a call has to wait. It was not made, so that it has no effect to look for.
func Held(err error) bool {
	return slices.ContainsFunc([]error{ErrHour, ErrPoints, ErrPaused, ErrContent}, func(why error) bool { return errors.Is(err, why) })
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
	paused  time.Time
	first   bool               // a write that takes a pass back waits for the end of the pause
	turns   map[line]time.Time // the last moment that was given to somebody who waits
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
		a = &account{hour: map[Resource]*hour{}, points: map[Resource][]spent{}, turns: map[line]time.Time{}, atOnce: make(chan struct{}, MaxAtOnce)}
		b.accounts[id] = a
	}
	return a
}

// wait gives the next turn in a line: at the earliest after least, and every behind the one before.
func (a *account) wait(l line, now time.Time, least, every time.Duration) (time.Duration, error) {
	turn := now.Add(least)
	if last := a.turns[l]; last.Add(every).After(turn) {
		turn = last.Add(every)
	}
	a.turns[l] = turn
	return turn.Sub(now), l.why
}

// Take asks for a call. It returns 0 and counts the call, or says for how long it has to wait and why.
func (b *Budget) Take(id int64, res Resource, points int, rank Rank, now time.Time) (time.Duration, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.account(id)
	demotion := rank == Demotions && points == WritePoints
	open := a.paused
	if a.first && !demotion {
		open = open.Add(demotionsFirst)
	}
	if open.After(now) {
		a.first = a.first || demotion
		return a.wait(line{ErrPaused, rank}, now, open.Sub(now), 0)
	}
	a.first = false
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

// TakeContent asks for a new comment or issue, beside the call that it takes.
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

// Enter waits for a free place among the calls that run at once, and returns the function that leaves it.
func (b *Budget) Enter(ctx context.Context, id int64) (func(), error) {
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

// Learn takes over what an answer says of the limits.
func (b *Budget) Learn(id int64, res Resource, status int, h http.Header, now time.Time) {
	limit, err := strconv.Atoi(h.Get("X-RateLimit-Limit"))
	limited := err == nil && limit > 0
	after := RetryAfter(status, h, now)
	if !limited && after == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.account(id)
	if after > 0 && h.Get("X-RateLimit-Remaining") != "0" {
		a.paused = now.Add(after)
	}
	if !limited {
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
	known := a.hour[res]
	at := time.Unix(reset, 0)
	if known == nil || at.After(known.reset) || left < known.left { // answers overtake each other
		a.hour[res] = &hour{limit: limit, left: left, reset: at}
	}
}

// RetryAfter is for how long an answer that refuses for a limit asks to wait; 0 when it does not refuse for one.
func RetryAfter(status int, h http.Header, now time.Time) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	asked := err == nil && seconds > 0
	switch {
	case status != http.StatusForbidden && status != http.StatusTooManyRequests:
		return 0
	case asked:
		return time.Duration(seconds) * time.Second
	case h.Get("X-RateLimit-Remaining") == "0":
		if reset, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64); err == nil {
			return max(time.Unix(reset, 0).Sub(now), time.Second)
		}
		return time.Minute
	case status == http.StatusTooManyRequests:
		return time.Minute
	}
	return 0
}
