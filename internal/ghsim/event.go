package ghsim

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Delivery is a webhook on its way: what an HTTP POST would carry.
type Delivery struct {
	GUID   string // the same when it is sent again
	Event  string
	Body   []byte
	Header http.Header
}

// queued is a delivery that waits, with the mode in force when it came up.
type queued struct {
	*delivery
	mode string
}

// delivery is an entry of the App's delivery log: one attempt, or one that is still to be made.
type delivery struct {
	id                       int64
	guid, event, action      string
	installation, repository any // ids, or nil
	body                     []byte
	at                       time.Time
	again                    bool
	status                   string
	code                     int
}

// deliveryMemory is how long GitHub lists a delivery.
const deliveryMemory = 3 * 24 * time.Hour

// modes of [GitHub.SetWebhooks].
var modes = []string{"on", "off", "held", "reversed", "doubled"}

// SetWebhooks says what becomes of the events from now on. "on" sends them, "off" records them as failed deliveries,
// and "held" keeps them until the next "on"; "reversed" sends each burst backwards, "doubled" sends each burst twice.
func (g *GitHub) SetWebhooks(mode string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !slices.Contains(modes, mode) {
		return fmt.Errorf("%q is no webhook mode: want one of %s", mode, strings.Join(modes, ", "))
	}
	g.mode = mode
	if mode == "on" {
		g.outbox = append(g.outbox, g.held...)
		g.held = nil
	}
	return nil
}

// emit tells of something that happened in r, unless the App is not installed there.
func (g *GitHub) emit(r *repo, event, action string, body object, sender string) {
	if r.install == nil || !r.install.suspended.IsZero() {
		return
	}
	body["repository"] = g.repoJSON(r)
	g.emitTo(r.install, r, event, action, body, sender)
}

// emitInstallation tells of the installation itself. repos are those it is about, where the event names them.
func (g *GitHub) emitInstallation(in *installation, event, action string, repos []*repo) {
	list := []any{}
	for _, r := range repos {
		list = append(list, object{"id": r.id, "node_id": r.node, "name": r.name.Name(), "full_name": r.name, "private": r.private})
	}
	body := object{"installation": g.installationJSON(in)}
	if event == "installation" {
		body["repositories"], body["requester"] = list, nil
	} else {
		body["repository_selection"], body["requester"] = in.selection(), nil
		body["repositories_added"], body["repositories_removed"] = []any{}, []any{}
		body["repositories_"+action] = list
	}
	g.emitTo(in, nil, event, action, body, in.account)
}

func (g *GitHub) emitTo(in *installation, r *repo, event, action string, body object, sender string) {
	body["sender"] = g.userJSON(sender)
	if body["installation"] == nil {
		body["installation"] = object{"id": in.id, "node_id": fmt.Sprintf("MDIz%08X", in.id)}
	}
	d := g.newDelivery(event, action, body)
	d.installation = in.id
	if r != nil {
		d.repository = r.id
	}
	g.queue(d)
}

// emitApp tells of the App itself, and not of an installation.
func (g *GitHub) emitApp(event string, body object) { g.queue(g.newDelivery(event, "", body)) }

func (g *GitHub) newDelivery(event, action string, body object) *delivery {
	if action != "" {
		body["action"] = action
	}
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err) // payloads are made of plain values
	}
	d := &delivery{id: g.newID(), event: event, action: action, body: raw}
	sum := sha1.Sum(fmt.Appendf(nil, "delivery %d", d.id))
	h := hex.EncodeToString(sum[:])
	d.guid = fmt.Sprintf("%s-%s-11ef-%s-%s", h[:8], h[8:12], h[12:16], h[16:28])
	return d
}

// queue puts a delivery where the mode wants it.
func (g *GitHub) queue(d *delivery) {
	switch g.mode {
	case "off":
		g.record(d, 502, "failed to connect to host")
	case "held":
		g.held = append(g.held, queued{d, g.mode})
	default:
		g.outbox = append(g.outbox, queued{d, g.mode})
	}
}

// record enters an attempt in the delivery log.
func (g *GitHub) record(d *delivery, code int, status string) {
	e := *d
	e.id, e.at, e.code, e.status = g.newID(), g.now(), code, status
	g.deliveries = append(g.deliveries, &e)
	old := g.now().Add(-deliveryMemory)
	for len(g.deliveries) > 0 && g.deliveries[0].at.Before(old) {
		g.deliveries = g.deliveries[1:]
	}
}

// redeliver sends an entry of the log again, under the same GUID.
func (g *GitHub) redeliver(d *delivery) {
	e := *d
	e.again = true
	g.queue(&e)
}

// Pending says how many deliveries wait to be sent; those that are held are not among them.
func (g *GitHub) Pending() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.burst())
}

// burst is the outbox in the order of its modes: runs of reversed ones backwards, runs of doubled ones twice over.
func (g *GitHub) burst() []queued {
	var out []queued
	for rest := g.outbox; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].mode == rest[0].mode {
			n++
		}
		run := slices.Clone(rest[:n])
		switch rest[0].mode {
		case "reversed":
			slices.Reverse(run)
		case "doubled":
			run = append(run, run...)
		}
		out = append(out, run...)
		rest = rest[n:]
	}
	return out
}

// Flush sends what waits in the outbox, as one burst, and says how many deliveries it sent. What comes up meanwhile waits for the
// next Flush. An error, or an answer that is not 2xx, is recorded as a failed delivery: GitHub does not try again by
// itself. When ctx ends, the rest stays in the outbox.
func (g *GitHub) Flush(ctx context.Context, send func(context.Context, Delivery) (status int, err error)) (sent int) {
	return g.FlushN(ctx, -1, send)
}

// FlushN sends at most n of the burst (all when n is negative) and leaves the rest in the outbox.
func (g *GitHub) FlushN(ctx context.Context, n int, send func(context.Context, Delivery) (status int, err error)) (sent int) {
	g.mu.Lock()
	burst := g.burst()
	if n < 0 || n > len(burst) {
		n = len(burst)
	}
	g.outbox = slices.Clone(burst[n:])
	for i := range g.outbox {
		g.outbox[i].mode = "on" // it has its order and its doubles by now
	}
	g.mu.Unlock()
	for i, q := range burst[:n] {
		if ctx.Err() != nil {
			g.mu.Lock()
			rest := slices.Clone(burst[i:n])
			for j := range rest {
				rest[j].mode = "on"
			}
			g.outbox = append(rest, g.outbox...)
			g.mu.Unlock()
			return sent
		}
		code, err := send(ctx, g.sign(q.delivery))
		sent++
		g.mu.Lock()
		switch {
		case err != nil:
			g.record(q.delivery, 502, "failed to connect to host")
		case code/100 != 2:
			g.record(q.delivery, code, "Invalid HTTP Response: "+fmt.Sprint(code))
		default:
			g.record(q.delivery, code, "OK")
		}
		g.mu.Unlock()
	}
	return sent
}

// DropOutbox records what waits in the outbox as failed: nobody listened when it was sent.
func (g *GitHub) DropOutbox() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, q := range g.burst() {
		g.record(q.delivery, 502, "failed to connect to host")
	}
	g.outbox = nil
}

// Poster sends deliveries to a URL, for Flush.
func Poster(client *http.Client, url string) func(context.Context, Delivery) (int, error) {
	return func(ctx context.Context, d Delivery) (int, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(d.Body))
		if err != nil {
			return 0, err
		}
		req.Header = d.Header.Clone()
		res, err := client.Do(req)
		if err != nil {
			return 0, err
		}
		defer res.Body.Close()
		_, err = io.Copy(io.Discard, res.Body)
		return res.StatusCode, err
	}
}

// sign makes the request that a delivery is.
func (g *GitHub) sign(d *delivery) Delivery {
	h := http.Header{}
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "GitHub-Hookshot/ghsim")
	h.Set("X-GitHub-Event", d.event)
	h.Set("X-GitHub-Delivery", d.guid)
	h.Set("X-GitHub-Hook-ID", "1")
	h.Set("X-GitHub-Hook-Installation-Target-ID", fmt.Sprint(g.opt.AppID))
	h.Set("X-GitHub-Hook-Installation-Target-Type", "integration")
	if g.opt.Secret != "" {
		mac := func(algorithm func() hash.Hash) string {
			m := hmac.New(algorithm, []byte(g.opt.Secret))
			m.Write(d.body)
			return hex.EncodeToString(m.Sum(nil))
		}
		h.Set("X-Hub-Signature", "sha1="+mac(sha1.New))
		h.Set("X-Hub-Signature-256", "sha256="+mac(sha256.New))
	}
	return Delivery{GUID: d.guid, Event: d.event, Body: d.body, Header: h}
}

// emitPull tells of something that happened to a pull request.
func (g *GitHub) emitPull(p *pull, action string, more object, by string) {
	body := object{"number": p.number, "pull_request": g.fullPullJSON(p)}
	for k, v := range more {
		body[k] = v
	}
	g.emit(p.repo, "pull_request", action, body, by)
}

// refJSON is the payload of a create or delete event.
func (g *GitHub) refJSON(r *repo, kind, name string) object {
	return object{"ref": name, "ref_type": kind, "master_branch": r.defaultBranch, "description": nil, "pusher_type": "user"}
}

const noCommit = "0000000000000000000000000000000000000000"

// maxPushCommits is the most commits that a push event lists.
const maxPushCommits = 2048

// pushJSON is the payload of a push event; nil stands for no commit.
func (g *GitHub) pushJSON(r *repo, ref string, before, after *commit, by string) object {
	id := func(c *commit) string {
		if c == nil {
			return noCommit
		}
		return c.id
	}
	commits := []any{}
	var head any
	forced := false
	if after != nil {
		head = g.pushedJSON(r, after)
		start := before
		if before != nil {
			forced = !after.contains(before)
		} else {
			start = r.branches[r.defaultBranch]
		}
		for _, c := range only(start, after) {
			if len(commits) == maxPushCommits {
				break
			}
			commits = append(commits, g.pushedJSON(r, c))
		}
	}
	if strings.HasPrefix(ref, "refs/tags/") {
		commits = []any{}
	}
	return object{
		"ref": ref, "before": id(before), "after": id(after), "created": before == nil, "deleted": after == nil, "forced": forced,
		"base_ref": nil, "compare": g.page(r) + "/compare/" + id(before)[:12] + "..." + id(after)[:12], "commits": commits, "head_commit": head,
		"pusher": object{"name": by, "email": email(by)},
	}
}

// pushedJSON is a commit in a push event, with the paths that it touched.
func (g *GitHub) pushedJSON(r *repo, c *commit) object {
	out := g.headCommitJSON(c)
	out["url"], out["distinct"] = g.page(r)+"/commit/"+c.id, true
	paths := map[string][]string{"added": {}, "removed": {}, "modified": {}}
	if len(c.parents) > 0 {
		for _, f := range changes(c.parents[0].tree, c.tree) {
			paths[f.status] = append(paths[f.status], f.path)
		}
	}
	for k, v := range paths {
		out[k] = v
	}
	return out
}
