package live

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// forwarder hands the deliveries of the App's log on to relbot. What the log shows is not byte for byte what was signed, so each is signed
// again, with a secret of this run.
type forwarder struct {
	secret string

	mu     sync.Mutex
	seen   map[string]bool // GUIDs
	events []string        // that were not taken yet
	last   time.Time       // when the last one came
	idle   time.Time       // when the last look began, if it found none
	failed error           // why the last look failed
}

// entry is a delivery in the log.
type entry struct {
	ID         int64     `json:"id"`
	GUID       string    `json:"guid"`
	At         time.Time `json:"delivered_at"`
	Event      string    `json:"event"`
	Action     string    `json:"action"`
	Repository *int64    `json:"repository_id"`
}

// begin takes all deliveries so far for seen.
func (f *forwarder) begin(ctx context.Context, p *play) error {
	f.seen = map[string]bool{}
	old, err := f.news(ctx, p)
	for _, d := range old {
		if d.Repository == nil || *d.Repository != p.made.ID {
			f.seen[d.GUID] = true
		}
	}
	return err
}

// news lists the deliveries that were not seen, oldest first. One that GitHub sends again has the same GUID.
func (f *forwarder) news(ctx context.Context, p *play) ([]entry, error) {
	var out []entry
	for target := "/app/hook/deliveries?per_page=100"; target != ""; {
		var page []entry
		header, err := p.app.send(ctx, http.MethodGet, target, nil, &page)
		if err != nil {
			return nil, err
		}
		fresh := slices.DeleteFunc(slices.Clone(page), func(d entry) bool { return f.seen[d.GUID] })
		out = append(out, fresh...)
		target = ""
		if _, cursor, ok := strings.Cut(header.Get("Link"), "cursor="); ok && len(fresh) > 0 {
			cursor = cursor[:strings.IndexAny(cursor+">", "&>")]
			target = "/app/hook/deliveries?per_page=100&cursor=" + cursor
		}
	}
	slices.SortStableFunc(out, func(a, b entry) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	return out, nil
}

// run forwards until ctx ends.
func (f *forwarder) run(ctx context.Context, p *play) {
	for ctx.Err() == nil {
		began := time.Now()
		found, err := f.forward(ctx, p)
		f.mu.Lock()
		if f.failed = err; err == nil && found == 0 {
			f.idle = began
		}
		f.mu.Unlock()
		if p.pause(ctx) != nil {
			return
		}
	}
}

func (f *forwarder) forward(ctx context.Context, p *play) (found int, err error) {
	entries, err := f.news(ctx, p)
	if err != nil {
		return 0, err
	}
	for _, d := range entries {
		if f.seen[d.GUID] { // twice in the log
			continue
		}
		if d.Repository == nil || *d.Repository == p.made.ID {
			if err := f.hand(ctx, p, d); err != nil {
				return 0, err
			}
		}
		f.seen[d.GUID] = true
	}
	return len(entries), nil
}

// hand gives one delivery to relbot.
func (f *forwarder) hand(ctx context.Context, p *play, d entry) error {
	var full struct {
		Request struct {
			Headers map[string]any  `json:"headers"`
			Payload json.RawMessage `json:"payload"`
		} `json:"request"`
	}
	if err := p.app.call(ctx, http.MethodGet, fmt.Sprintf("/app/hook/deliveries/%d", d.ID), nil, &full); err != nil {
		return err
	}
	body := []byte(full.Request.Payload)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.hook, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for name, v := range full.Request.Headers {
		if strings.HasPrefix(strings.ToLower(name), "x-github-") {
			req.Header.Set(name, fmt.Sprint(v))
		}
	}
	mac := hmac.New(sha256.New, []byte(f.secret))
	mac.Write(body)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-GitHub-Event", d.Event)
	req.Header.Set("X-GitHub-Delivery", d.GUID)
	req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("relbot answered %s to %s", res.Status, d.Event)
	}
	name := d.Event
	if d.Action != "" {
		name += "." + d.Action
	}
	p.shapes.add("the webhook "+name, body)
	var by struct {
		Sender struct {
			Login string `json:"login"`
		} `json:"sender"`
	}
	if err := json.Unmarshal(body, &by); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = time.Now()
	if by.Sender.Login != p.bot {
		f.events = append(f.events, name)
	}
	return nil
}

// quiet waits until a look found nothing that began a while after everything before, and takes the events since the last time.
func (f *forwarder) quiet(ctx context.Context, p *play) ([]string, error) {
	from := time.Now()
	err := p.until(ctx, "an end of the deliveries", func() (bool, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.last.After(from) {
			from = f.last
		}
		return f.idle.Sub(from) >= p.Quiet, f.failed
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	events := f.events
	f.events = nil
	return events, err
}
