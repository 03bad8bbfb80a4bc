package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/settings"
)

// instance is a server that runs in this process.
type instance struct {
	address string
	post    func(context.Context, ghsim.Delivery) (int, error)
	cancel  context.CancelFunc
	done    chan error
}

// freeAddress is an address on which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// startServer starts a server with settings from an environment, and waits until it is ready.
func startServer(t *testing.T, env []string) *instance {
	t.Helper()
	return startLogging(t, env, io.Discard)
}

// startLogging is the same, with the server's log.
func startLogging(t *testing.T, env []string, log io.Writer) *instance {
	t.Helper()
	i := &instance{address: freeAddress(t), done: make(chan error, 1)}
	set, err := settings.Load("", append([]string{"RELBOT_LISTEN=" + i.address}, env...), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	i.cancel = cancel
	go func() { i.done <- serve(ctx, set, log) }()
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	i.post = ghsim.Poster(client, "http://"+i.address+"/webhook")
	until(t, "ready", func() bool { return i.ready() == http.StatusOK })
	return i
}

// ready is the status of the readiness probe, 0 when nobody answers.
func (i *instance) ready() int {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get("http://" + i.address + "/readyz")
	if err != nil {
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}

// stop stops the server as an operator does.
func (i *instance) stop(t *testing.T) {
	t.Helper()
	i.cancel()
	if err := <-i.done; err != nil {
		t.Errorf("stopped with %v", err)
	}
}
