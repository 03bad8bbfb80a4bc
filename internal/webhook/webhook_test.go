package webhook_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/webhook"
)

// intake remembers what was accepted, or fails.
type intake struct {
	work []store.Work
	err  error
	seen map[string]bool
}

func (i *intake) Accept(_ context.Context, d store.Delivery, work []store.Work) (bool, error) {
	if i.err != nil {
		return false, i.err
	}
	if i.seen[d.GUID] {
		return false, nil
	}
	if i.seen == nil {
		i.seen = map[string]bool{}
	}
	i.seen[d.GUID] = true
	i.work = append(i.work, work...)
	return true, nil
}

var update = flag.Bool("update", false, "write the golden file again")

const secret = "It's a Secret to Everybody"

func sign(body, key string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func handler(t *testing.T, i *intake, count func(event, action, outcome string)) http.Handler {
	t.Helper()
	h, err := webhook.New(webhook.Options{Secrets: [][]byte{[]byte("newer"), []byte(secret)}, Store: i, Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Count: count})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// push is a delivery that calls for work.
const push = `{"ref":"refs/heads/main","repository":{"full_name":"acme/app"}}`

func request(body string, change func(*http.Request)) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/webhook", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-GitHub-Event", "push")
	r.Header.Set("X-GitHub-Delivery", "guid-1")
	r.Header.Set("X-Hub-Signature-256", sign(body, secret))
	if change != nil {
		change(r)
	}
	return r
}

func TestSignatureVector(t *testing.T) {
	if got := sign("Hello, World!", secret); got != "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17" {
		t.Errorf("got %s", got)
	}
}

func TestAccepted(t *testing.T) {
	i := &intake{}
	var outcomes []string
	h := handler(t, i, func(_, _, outcome string) { outcomes = append(outcomes, outcome) })
	for range 2 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request(push, nil))
		if w.Code != http.StatusAccepted {
			t.Fatalf("answered %d: %s", w.Code, w.Body)
		}
	}
	older := request(push, func(r *http.Request) {
		r.Header.Set("X-Hub-Signature-256", sign(push, "newer"))
		r.Header.Set("X-GitHub-Delivery", "guid-2")
	})
	h.ServeHTTP(httptest.NewRecorder(), older)
	form := "payload=" + strings.NewReplacer("{", "%7B", "}", "%7D", `"`, "%22").Replace(push)
	h.ServeHTTP(httptest.NewRecorder(), request(form, func(r *http.Request) {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("X-GitHub-Delivery", "guid-3")
	}))
	h.ServeHTTP(httptest.NewRecorder(), request(`{"action":"dreamt"}`, func(r *http.Request) { r.Header.Set("X-GitHub-Event", "unheard_of") }))
	if want := []string{"accepted", "repeated", "accepted", "accepted", "ignored"}; !slices.Equal(outcomes, want) {
		t.Errorf("outcomes %v, want %v", outcomes, want)
	}
	if pushed, err := webhook.Route("push", []byte(`{"ref":"refs/heads/fix","repository":{"full_name":"acme/app","default_branch":"main"}}`)); err != nil || len(pushed.Work) != 1 || pushed.Work[0].Key != "acme/app@refs/heads/fix" {
		t.Errorf("a branch that may be nobody's base: %+v %v", pushed.Work, err)
	}
	if len(i.work) != 3 || i.work[0].Kind != "ref" || i.work[0].Key != "acme/app@refs/heads/main" {
		t.Errorf("work %+v", i.work)
	}
}

func TestRejections(t *testing.T) {
	cases := map[*webhook.Rejection]*http.Request{
		webhook.ErrMethod:   request("", func(r *http.Request) { r.Method = http.MethodGet }),
		webhook.ErrTooLarge: request(strings.Repeat("x", webhook.MaxBody+1), nil),
		webhook.ErrBody:     request(push, func(r *http.Request) { r.Body = io.NopCloser(broken{}) }),
		webhook.ErrUnsigned: request(push, func(r *http.Request) { r.Header.Del("X-Hub-Signature-256") }),
		webhook.ErrSHA1: request(push, func(r *http.Request) {
			r.Header.Del("X-Hub-Signature-256")
			mac := hmac.New(sha1.New, []byte(secret))
			mac.Write([]byte(push))
			r.Header.Set("X-Hub-Signature", "sha1="+hex.EncodeToString(mac.Sum(nil)))
		}),
		webhook.ErrSignature:   request(push, func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", sign(push, "wrong")) }),
		webhook.ErrHeaders:     request(push, func(r *http.Request) { r.Header.Del("X-GitHub-Delivery") }),
		webhook.ErrContentType: request(push, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }),
		webhook.ErrJSON:        request("no json", nil),
		webhook.ErrStore:       request(push, nil),
		webhook.ErrBusy:        request(push, nil),
	}
	for _, want := range webhook.Rejections {
		r, ok := cases[want]
		if !ok {
			t.Errorf("%s: no case", want.Name)
			continue
		}
		i := &intake{}
		if want == webhook.ErrStore {
			i.err = errors.New("disk full")
		}
		if want == webhook.ErrBusy {
			i.err = store.ErrBusy
		}
		got := ""
		w := httptest.NewRecorder()
		handler(t, i, func(_, _, outcome string) { got = outcome }).ServeHTTP(w, r)
		if w.Code != want.Status || got != want.Name || len(i.work) > 0 {
			t.Errorf("%s: answered %d, counted %q, %d rows of work", want.Name, w.Code, got, len(i.work))
		}
		if retry := w.Header().Get("Retry-After"); (want.Status == http.StatusServiceUnavailable) != (retry != "") {
			t.Errorf("%s: Retry-After %q", want.Name, retry)
		}
	}
}

// TestMemory holds that bodies under way are bounded: beyond the bound a sender is asked to come back, and what is done makes room.
func TestMemory(t *testing.T) {
	const body = `{"ref":"refs/heads/main","repository":{"full_name":"acme/app"},"padding":"0123456789"}`
	i := &intake{}
	h, err := webhook.New(webhook.Options{Secrets: [][]byte{[]byte(secret)}, Store: i, Now: time.Now, Log: slog.New(slog.DiscardHandler), Memory: int64(len(body)) + 10})
	if err != nil {
		t.Fatal(err)
	}
	post := func(guid string, from io.Reader) int {
		r := request(body, func(r *http.Request) { r.Header.Set("X-GitHub-Delivery", guid) })
		if from != nil {
			r.Body = io.NopCloser(from)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	in, out := io.Pipe()
	slow := make(chan int)
	go func() { slow <- post("slow", in) }()
	for _, b := range []byte(body[:40]) { // when the last is read, those before it are counted
		if _, err := out.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	if code := post("second", nil); code != http.StatusServiceUnavailable {
		t.Errorf("with no room: %d", code)
	}
	go func() { _, _ = io.WriteString(out, body[40:]); out.Close() }()
	if code := <-slow; code != http.StatusAccepted {
		t.Errorf("the slow one: %d", code)
	}
	if code := post("third", nil); code != http.StatusAccepted {
		t.Errorf("with room again: %d", code)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestNoSecretNoHandler(t *testing.T) {
	for _, secrets := range [][][]byte{nil, {[]byte("x"), nil}} {
		if _, err := webhook.New(webhook.Options{Secrets: secrets}); err == nil {
			t.Errorf("a handler with secrets %q", secrets)
		}
	}
}

// TestManifest holds the App's manifest against the route table: what is listened to is subscribed to, and nothing else.
// Installation events are always sent and must not be listed.
func TestManifest(t *testing.T) {
	text, err := os.ReadFile("../../deploy/github-app-manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Events      []string          `json:"default_events"`
		Permissions map[string]string `json:"default_permissions"`
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	var routed []string
	for _, r := range webhook.Table {
		if !strings.HasPrefix(r.Event, "installation") && !slices.Contains(routed, r.Event) {
			routed = append(routed, r.Event)
		}
	}
	slices.Sort(routed)
	if !slices.Equal(routed, slices.Sorted(slices.Values(manifest.Events))) {
		t.Errorf("the manifest subscribes to %v, the table routes %v", manifest.Events, routed)
	}
	if p := manifest.Permissions; p["contents"] != "read" || p["administration"] != "" {
		t.Errorf("more rights than are needed: %v", p)
	}
}

func FuzzRoute(f *testing.F) {
	for _, r := range webhook.Table {
		f.Add(r.Event, []byte(`{"action":"opened","repository":{"full_name":"a/b","custom_properties":{"teams":["x","y"]}},"pull_request":{"number":1,"head":{"sha":"x"}}}`))
	}
	f.Add("pull_request", []byte(`{"action":7}`))
	f.Fuzz(func(t *testing.T, event string, payload []byte) {
		routed, err := webhook.Route(event, payload)
		if err == nil && !json.Valid(payload) {
			t.Errorf("routed %v of no JSON", routed)
		}
	})
}

// event is an event with the example payloads that GitHub publishes of it; examples.sh makes the file.
type event struct {
	Event    string            `json:"event"`
	Examples []json.RawMessage `json:"examples"`
}

func examples(t *testing.T) []event {
	t.Helper()
	f, err := os.Open("testdata/examples.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var events []event
	if err := json.NewDecoder(z).Decode(&events); err != nil {
		t.Fatal(err)
	}
	return events
}

// TestExamples posts every example payload that GitHub publishes, signed; none may be refused.
func TestExamples(t *testing.T) {
	events := examples(t)
	i := &intake{}
	accepted := 0
	h := handler(t, i, func(_, _, outcome string) {
		if outcome == "accepted" {
			accepted++
		}
	})
	n := 0
	for _, e := range events {
		for _, example := range e.Examples {
			n++
			w := httptest.NewRecorder()
			h.ServeHTTP(w, request(string(example), func(r *http.Request) {
				r.Header.Set("X-GitHub-Event", e.Event)
				r.Header.Set("X-GitHub-Delivery", fmt.Sprint("example ", n))
			}))
			if w.Code/100 != 2 {
				t.Errorf("%s: answered %d: %s", e.Event, w.Code, w.Body)
			}
		}
	}
	if n != 329 || accepted < 50 {
		t.Errorf("%d examples, %d called for work", n, accepted)
	}
}

// edits are what the published examples lack: an event as GitHub sends it where something in an example differs.
var edits = []struct {
	event, action, as string
	edit              func(payload map[string]any)
}{
	{"issue_comment", "created", "a command on a pull request", func(p map[string]any) {
		field(p, "issue")["pull_request"] = map[string]any{}
		field(p, "comment")["body"] = "/relbot status"
	}},
	{"issue_comment", "created", "a command on an issue", func(p map[string]any) { field(p, "comment")["body"] = "/relbot status" }},
	{"issue_comment", "edited", "a bot's on a pull request", func(p map[string]any) {
		field(p, "issue")["pull_request"] = map[string]any{}
		field(p, "comment", "user")["type"] = "Bot"
	}},
	// The schema of pull_request.edited in octokit/webhooks has changes with base.ref.from, body.from and title.from; there is no example.
	{"pull_request", "opened", "edited: base and description", func(p map[string]any) {
		p["action"] = "edited"
		p["changes"] = map[string]any{
			"base": map[string]any{"ref": map[string]any{"from": "v1"}, "sha": map[string]any{"from": "0"}},
			"body": map[string]any{"from": ""}, "title": map[string]any{"from": "old"},
		}
	}},
	{"pull_request", "closed", "merged", func(p map[string]any) { field(p, "pull_request")["merged"] = true }},
}

// field returns an object of a payload.
func field(in map[string]any, path ...string) map[string]any {
	for _, name := range path {
		in = in[name].(map[string]any)
	}
	return in
}

// TestRoutes holds the work that GitHub's example payloads call for against testdata/routes.golden. That has the examples of each event of the
// table, with their actions, and below each its work. What GitHub publishes no example of comes last.
func TestRoutes(t *testing.T) {
	var golden strings.Builder
	published := map[string]bool{}
	route := func(event, as string, payload []byte) {
		routed, err := webhook.Route(event, payload)
		if err != nil {
			t.Errorf("%s: %v", event, err)
		}
		published[event+" "+routed.Action] = true
		fmt.Fprintln(&golden, strings.Join(strings.Fields(event+" "+routed.Action+" "+as), " "))
		for _, w := range routed.Work {
			fmt.Fprintln(&golden, strings.TrimRight(fmt.Sprintf("  %s key=%s lane=%s %s", w.Kind, w.Key, w.Lane, w.Data), " "))
			for line := range strings.Lines(w.Trail) {
				fmt.Fprint(&golden, "    ", line)
			}
		}
	}
	for _, e := range examples(t) {
		if !slices.ContainsFunc(webhook.Table, func(r webhook.Row) bool { return r.Event == e.Event }) {
			continue
		}
		for _, payload := range e.Examples {
			route(e.Event, "", payload)
		}
		for _, edit := range edits {
			if edit.event != e.Event {
				continue
			}
			i := slices.IndexFunc(e.Examples, func(p json.RawMessage) bool { return bytes.Contains(p, []byte(`"action":"`+edit.action+`"`)) })
			var payload map[string]any
			if err := json.Unmarshal(e.Examples[i], &payload); err != nil {
				t.Fatal(err)
			}
			edit.edit(payload)
			edited, err := json.Marshal(payload)
			if err != nil {
				t.Fatal(err)
			}
			route(e.Event, "("+edit.as+")", edited)
		}
	}
	for _, r := range webhook.Table {
		for _, action := range r.Actions {
			if !published[r.Event+" "+action] {
				fmt.Fprintf(&golden, "no example: %s %s\n", r.Event, action)
			}
		}
	}
	const path = "testdata/routes.golden"
	if *update {
		if err := os.WriteFile(path, []byte(golden.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a, b := strings.Split(string(want), "\n"), strings.Split(golden.String(), "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Fatalf("%s:%d differs (-update writes it again)\nwant %s\ngot  %s", path, i+1, a[i], b[i])
		}
	}
	if len(a) != len(b) {
		t.Errorf("%s: %d lines, want %d (-update writes it again)", path, len(b), len(a))
	}
}

// TestButtonOfFork: the check of a fork's head names no pull request; its page's address does, with a key and without.
func TestButtonOfFork(t *testing.T) {
	for details, want := range map[string]string{
		"https://relbot.example/pulls/acme/app/5":        "acme/app#5",
		"https://relbot.example/pulls/acme/app/5?key=AB": "acme/app#5",
		"https://relbot.example/pulls/acme/other/5":      "acme/app",
		"https://relbot.example/pulls/acme/app/x":        "acme/app",
		"": "acme/app",
	} {
		got, err := webhook.Route("check_run", []byte(`{"action":"rerequested","repository":{"full_name":"acme/app"},"check_run":{"head_sha":"h","details_url":"`+details+`"}}`))
		if err != nil || len(got.Work) != 1 || got.Work[0].Key != want {
			t.Errorf("%q: %+v, %v, want %s", details, got.Work, err, want)
		}
	}
}

// FuzzHandler sends headers and bodies that a sender with the secret might make up: each is answered, with nothing but what is listed.
func FuzzHandler(f *testing.F) {
	f.Add("POST", "push", "guid", "application/json", []byte(push), true)
	f.Add("POST", "pull_request", "g", "application/x-www-form-urlencoded", []byte("payload=%7B%7D"), true)
	f.Add("GET", "", "", "", []byte(nil), false)
	f.Add("POST", "check_run", strings.Repeat("g", 200), "application/json; charset=x", []byte(`{"action":"rerequested","check_run":{"details_url":"/pulls/a"},"repository":{"full_name":"a"}}`), true)
	allowed := map[int]bool{http.StatusAccepted: true}
	for _, r := range webhook.Rejections {
		allowed[r.Status] = true
	}
	h, err := webhook.New(webhook.Options{Secrets: [][]byte{[]byte(secret)}, Store: &intake{}, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, event, guid, contentType string, body []byte, signed bool) {
		r := httptest.NewRequest(http.MethodPost, "/webhook", strings.NewReader(string(body)))
		r.Method = method
		r.Header.Set("X-GitHub-Event", event)
		r.Header.Set("X-GitHub-Delivery", guid)
		r.Header.Set("Content-Type", contentType)
		if signed {
			r.Header.Set("X-Hub-Signature-256", sign(string(body), secret))
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if !allowed[w.Code] || !signed && w.Code == http.StatusAccepted {
			t.Errorf("answered %d", w.Code)
		}
	})
}
