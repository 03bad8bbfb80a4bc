// Package webhook authenticates a delivery, records it, and queues the work it calls for.
//
// A delivery is answered with 202 once it and its work are on disk, and not before; everything else happens later. Signatures are
// checked over the raw body with SHA-256 against every configured secret, in constant time; there is no mode without them.
// One table says which event calls for which work; what it does not list is answered with 202 and counted. Payloads are decoded into small
// structs of this package. GitHub adds events and fields at will, and a library's full types fail on the first it does not know. They are decoded
// by the library that is to be Go's next encoding/json. It reads a payload in one pass, where today's takes three or more.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/relbot/relbot/internal/store"
)

// Intake is what the handler needs of the store. It keeps nothing of the payload when it returns.
type Intake interface {
	Accept(ctx context.Context, d store.Delivery, work []store.Work) (bool, error)
}

// Options configure a handler.
type Options struct {
	Secrets  [][]byte // newest first; at least one
	Store    Intake
	Now      func() time.Time
	Log      *slog.Logger
	Debounce time.Duration // how long work that ran waits for more of a burst before it runs again
	Memory   int64         // bytes of bodies that may be in memory at a time; beyond that the sender is asked to come back; zero is [DefaultMemory]
	// Count is notified of every delivery: outcome is accepted, repeated, ignored, or a rejection's name. It may be nil.
	Count func(event, action, outcome string)
}

// MaxBody is the largest payload that GitHub sends, with some slack.
const MaxBody = 26 << 20

// DefaultMemory is room for a few of the largest deliveries, and for thousands of usual ones.
const DefaultMemory = 128 << 20

// acceptTimeout is shorter than GitHub's patience, so that a slow disk becomes a 503 and not a lost answer.
const acceptTimeout = 8 * time.Second

// Rejection is a delivery that is not taken in.
type Rejection struct {
	Name   string // for counting
	Status int
	Text   string // tells the sender what to do
}

func (r *Rejection) Error() string { return r.Text }

// The rejections.
var (
	ErrMethod      = &Rejection{"method", http.StatusMethodNotAllowed, "deliveries are sent with POST"}
	ErrTooLarge    = &Rejection{"too-large", http.StatusRequestEntityTooLarge, "the body is larger than GitHub sends"}
	ErrBody        = &Rejection{"body", http.StatusBadRequest, "the body could not be read"}
	ErrUnsigned    = &Rejection{"unsigned", http.StatusUnauthorized, "the header X-Hub-Signature-256 is missing: set a secret at the webhook"}
	ErrSHA1        = &Rejection{"sha1", http.StatusUnauthorized, "only X-Hub-Signature is there; SHA-1 is not accepted, X-Hub-Signature-256 is"}
	ErrSignature   = &Rejection{"signature", http.StatusUnauthorized, "the signature does not match: is the secret the same on both sides?"}
	ErrHeaders     = &Rejection{"headers", http.StatusBadRequest, "X-GitHub-Event and X-GitHub-Delivery are needed"}
	ErrContentType = &Rejection{"content-type", http.StatusUnsupportedMediaType, "the content type is neither application/json nor application/x-www-form-urlencoded"}
	ErrJSON        = &Rejection{"json", http.StatusBadRequest, "the payload is no JSON object"}
	ErrStore       = &Rejection{"store", http.StatusServiceUnavailable, "the delivery could not be stored; deliver it again"}
	ErrBusy        = &Rejection{"busy", http.StatusServiceUnavailable, "too many deliveries are under way; deliver it again"}
)

// Rejections lists all of them.
var Rejections = []*Rejection{ErrMethod, ErrTooLarge, ErrBody, ErrUnsigned, ErrSHA1, ErrSignature, ErrHeaders, ErrContentType, ErrJSON, ErrStore, ErrBusy}

// Handler takes deliveries in.
type Handler struct {
	o    Options
	room *semaphore.Weighted // bytes of bodies that may be in memory at a time
}

// New makes a handler. It refuses to work without a secret.
func New(o Options) (*Handler, error) {
	if len(o.Secrets) == 0 {
		return nil, errors.New("webhook: no secret: unsigned deliveries are never accepted")
	}
	for _, s := range o.Secrets {
		if len(s) == 0 {
			return nil, errors.New("webhook: a secret is empty")
		}
	}
	if o.Count == nil {
		o.Count = func(string, string, string) {}
	}
	if o.Memory == 0 {
		o.Memory = DefaultMemory
	}
	return &Handler{o, semaphore.NewWeighted(o.Memory)}, nil
}

// ServeHTTP answers 202 when the delivery is on disk or there is nothing to do for it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	event := r.Header.Get("X-GitHub-Event")
	action, outcome, err := h.take(w, r, event)
	var rejection *Rejection
	if errors.As(err, &rejection) {
		h.o.Count(event, action, rejection.Name)
		h.o.Log.Warn("delivery rejected", "delivery", r.Header.Get("X-GitHub-Delivery"), "event", event, "reason", rejection.Name, "error", err)
		if rejection.Status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "10")
		}
		if rejection.Status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", http.MethodPost)
		}
		http.Error(w, rejection.Text, rejection.Status)
		return
	}
	h.o.Count(event, action, outcome)
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, outcome+"\n") // the sender is gone when this fails
}

func (h *Handler) take(w http.ResponseWriter, r *http.Request, event string) (action, outcome string, err error) {
	if r.Method != http.MethodPost {
		return "", "", ErrMethod
	}
	in := reader{r: http.MaxBytesReader(w, r.Body, MaxBody), room: h.room}
	defer in.release()
	buffer := buffers.Get().(*bytes.Buffer)
	defer func() {
		if buffer.Cap() <= keptBuffer {
			buffer.Reset()
			buffers.Put(buffer)
		}
	}()
	_, err = buffer.ReadFrom(&in)
	body := buffer.Bytes()
	if err != nil {
		if errors.Is(err, ErrBusy) {
			return "", "", err
		}
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return "", "", ErrTooLarge
		}
		return "", "", fmt.Errorf("%w: %w", ErrBody, err)
	}
	if err := h.verify(r.Header, body); err != nil {
		return "", "", err
	}
	guid := r.Header.Get("X-GitHub-Delivery")
	if event == "" || guid == "" || len(guid) > 100 || len(event) > 100 {
		return "", "", ErrHeaders
	}
	payload, err := unwrap(r.Header.Get("Content-Type"), body)
	if err != nil {
		return "", "", err
	}
	routed, err := Route(event, payload)
	if err != nil {
		return "", "", fmt.Errorf("%w: %w", ErrJSON, err)
	}
	if len(routed.Work) == 0 {
		return routed.Action, "ignored", nil
	}
	now := h.o.Now()
	for i := range routed.Work {
		routed.Work[i].At, routed.Work[i].Window = now, h.o.Debounce
		routed.Work[i].Origin = store.Origin{At: now, Event: event}
	}
	ctx, cancel := context.WithTimeout(r.Context(), acceptTimeout)
	defer cancel()
	fresh, err := h.o.Store.Accept(ctx, store.Delivery{GUID: guid, Event: event, Received: now, Payload: payload}, routed.Work)
	if errors.Is(err, store.ErrBusy) {
		return routed.Action, "", fmt.Errorf("%w: %w", ErrBusy, err)
	}
	if err != nil {
		return routed.Action, "", fmt.Errorf("%w: %w", ErrStore, err)
	}
	if !fresh {
		return routed.Action, "repeated", nil
	}
	return routed.Action, "accepted", nil
}

// buffers are of bodies that were read: allocating one for each delivery takes more time than storing it.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// keptBuffer is the size of the largest buffer that is used again, in bytes.
const keptBuffer = 256 << 10

// reader reads a body while there is room. Room is taken as bytes come, so that a connection that only promises many holds none.
type reader struct {
	r    io.Reader
	room *semaphore.Weighted
	held int64
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if !r.room.TryAcquire(int64(n)) {
		return 0, ErrBusy
	}
	r.held += int64(n)
	return n, err
}

func (r *reader) release() { r.room.Release(r.held) }

// verify holds the signature against every secret.
func (h *Handler) verify(header http.Header, body []byte) error {
	signature := header.Get("X-Hub-Signature-256")
	if signature == "" {
		if header.Get("X-Hub-Signature") != "" {
			return ErrSHA1
		}
		return ErrUnsigned
	}
	text, ok := strings.CutPrefix(signature, "sha256=")
	sum, err := hex.DecodeString(text)
	if !ok || err != nil {
		return ErrSignature
	}
	for _, secret := range h.o.Secrets {
		mac := hmac.New(sha256.New, secret)
		mac.Write(body)
		if hmac.Equal(mac.Sum(nil), sum) {
			return nil
		}
	}
	return ErrSignature
}

// unwrap takes the payload out of either form in which GitHub sends it.
func unwrap(contentType string, body []byte) ([]byte, error) {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, ErrContentType
	}
	switch kind {
	case "application/json":
		return body, nil
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, ErrJSON
		}
		return []byte(form.Get("payload")), nil
	}
	return nil, ErrContentType
}
