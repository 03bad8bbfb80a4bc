package live

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// answered is between the kind of a request and the status of its refusal.
const answered = ", answered "

// proxy is between relbot and GitHub: it refuses what the fence refuses, and records the form of the answers.
func (p *play) proxy(w http.ResponseWriter, r *http.Request) {
	prefix := ""
	if u, err := url.Parse(p.API); err == nil {
		prefix = u.Path
	}
	target := strings.TrimPrefix(r.URL.RequestURI(), prefix)
	if after, ok := strings.CutPrefix(r.URL.RequestURI(), strings.TrimSuffix(prefix, "/v3")+"/graphql"); ok {
		target = "/graphql" + after
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := p.fence.allows(r.Method, target, body); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	req, err := http.NewRequestWithContext(r.Context(), r.Method, endpoint(p.API, target), bytes.NewReader(body))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	req.Header = r.Header.Clone()
	req.Header.Del("Accept-Encoding") // the transport unpacks what it asked for
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	if res.StatusCode/100 == 2 {
		p.shapes.add("relbot's "+p.shapes.kind(r.Method, target, body), raw)
	} else {
		p.shapes.add("relbot's "+p.shapes.kind(r.Method, target, body)+answered+fmt.Sprint(res.StatusCode), raw)
	}
	for name, values := range res.Header {
		if name != "Content-Length" && name != "Connection" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(res.StatusCode)
	_, _ = w.Write(raw) // an error is relbot's going away
}

// serve runs relbot behind the proxy, with its webhooks, while a story is played.
func (p *play) serve(ctx context.Context, story func(context.Context) error) (err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: http.HandlerFunc(p.proxy), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = srv.Serve(l) }() // it ends with Close
	defer srv.Close()
	api := "http://" + l.Addr().String()
	if u, err := url.Parse(p.API); err == nil {
		api += u.Path
	}
	if err := p.pull.begin(ctx, p); err != nil {
		return err
	}
	if err := p.prepare(ctx); err != nil {
		return err
	}
	secret := make([]byte, 20)
	if _, err := rand.Read(secret); err != nil {
		return err
	}
	p.pull.secret = hex.EncodeToString(secret)
	hook, stop, err := p.Serve(api, p.pull.secret)
	if err != nil {
		return err
	}
	p.hook = hook
	forwarding, cancel := context.WithCancel(ctx)
	forwarded := make(chan struct{})
	go func() { defer close(forwarded); p.pull.run(forwarding, p) }()
	defer func() {
		cancel()
		<-forwarded
		err = errors.Join(err, stop())
		if len(p.fence.broken) > 0 {
			err = errors.Join(err, fmt.Errorf("relbot tried to write elsewhere: %s", strings.Join(p.fence.broken, ", ")))
		}
	}()
	return story(ctx)
}
