package ghsim

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// GitHub's limits: calls an hour (of a middling organisation; at the least they are 5,000), and points a minute.
const (
	hourLimit      = 12_500
	minutePoints   = 900
	minutePointsQL = 2000
)

// spending is what an installation used of one resource.
type spending struct {
	reset  time.Time
	used   int
	minute []pointsAt
}

type pointsAt struct {
	at     time.Time
	points int
}

func (c *call) resource() string {
	if c.graphql {
		return "graphql"
	}
	return "core"
}

// spending is that of the call's installation, brought up to now; nil where nothing is limited.
func (c *call) spending() *spending {
	if !c.g.opt.Limits || c.token == nil || c.token.install == nil {
		return nil
	}
	in, now := c.token.install, c.g.now()
	if in.spent == nil {
		in.spent = map[string]*spending{}
	}
	s := in.spent[c.resource()]
	if s == nil {
		s = &spending{}
		in.spent[c.resource()] = s
	}
	if !now.Before(s.reset) {
		s.reset, s.used = now.Add(time.Hour), 0
	}
	s.minute = slices.DeleteFunc(s.minute, func(p pointsAt) bool { return now.Sub(p.at) >= time.Minute })
	return s
}

// limit counts a call, or refuses it.
func (c *call) limit() *answer {
	s := c.spending()
	if s == nil || c.kind == neither {
		return nil
	}
	points, most := 1, minutePoints
	if c.kind == write {
		points = 5
	}
	if c.graphql {
		most = minutePointsQL
	}
	for _, p := range s.minute {
		most -= p.points
	}
	var a answer
	switch {
	case s.used >= hourLimit && c.graphql:
		a = ok(object{"data": nil, "errors": []any{object{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}}})
	case s.used >= hourLimit:
		a = fail(http.StatusForbidden, "API rate limit exceeded for installation.")
	case points > most:
		a = fail(http.StatusForbidden, tooFast)
		a.header = http.Header{"Retry-After": {"60"}}
	default:
		s.used++
		s.minute = append(s.minute, pointsAt{c.g.now(), points})
		return nil
	}
	return &a
}

// tell adds what GitHub says of the limits with every answer.
func (c *call) tell(h http.Header) {
	s := c.spending()
	if s == nil {
		return
	}
	h.Set("X-RateLimit-Limit", strconv.Itoa(hourLimit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(hourLimit-s.used))
	h.Set("X-RateLimit-Used", strconv.Itoa(s.used))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(s.reset.Unix(), 10))
	h.Set("X-RateLimit-Resource", c.resource())
}

// Spend uses up calls of the hour of a repository's installation, as other programs under the same name would.
func (g *GitHub) Spend(name string, resource string, calls int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range g.repos {
		if string(r.name) == name && r.install != nil {
			c := &call{g: g, token: &token{install: r.install}, graphql: resource == "graphql"}
			if s := c.spending(); s != nil {
				s.used = min(hourLimit, s.used+cmp.Or(calls, 1))
			}
		}
	}
}
