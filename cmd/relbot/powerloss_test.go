package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// A machine that loses its power keeps what was synced. That cannot be tried here; what can is the order in which the server asks the kernel.
// A delivery's answer must come after a sync of the write-ahead log that began after the delivery was read.

// trace is what strace saw of intake.
type trace struct {
	acknowledged int
	syncs        int
	early        []string // answers that came before their sync
}

var (
	callLine = regexp.MustCompile(`^(\d+) +(.*)$`)
	resumed  = regexp.MustCompile(`^<\.\.\. (\w+) resumed>`)
	call     = regexp.MustCompile(`^(\w+)\((\d+)<([^>]*)>`)
)

// readTrace reads the output of strace -f -y.
func readTrace(r io.Reader) (trace, error) {
	var t trace
	type pending struct {
		text string
		at   int
	}
	open := map[string]pending{} // by thread: a call that has not returned
	type span struct{ from, to int }
	var writes []int // of the log
	var syncs []span
	read := map[string]int{} // by descriptor: when the last delivery was read from it
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		m := callLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		thread, text, from := m[1], m[2], n
		if head, ok := strings.CutSuffix(text, "<unfinished ...>"); ok {
			open[thread] = pending{head, n}
			if !strings.HasPrefix(head, "write(") {
				continue
			}
			text = head // what is sent may arrive before the call returns
		} else if res := resumed.FindString(text); res != "" {
			p := open[thread]
			delete(open, thread)
			if strings.HasPrefix(p.text, "write(") {
				continue // it was counted when it began
			}
			text, from = p.text+strings.TrimPrefix(text, res), p.at
		}
		c := call.FindStringSubmatch(text)
		if c == nil {
			continue
		}
		name, fd, target := c[1], c[2], c[3]
		wal := strings.HasSuffix(target, "-wal")
		switch {
		case name == "pwrite64" && wal:
			writes = append(writes, n)
		case (name == "fsync" || name == "fdatasync") && wal:
			syncs = append(syncs, span{from, n})
			t.syncs++
		case name == "read" && strings.Contains(text, `"POST /webhook`):
			read[fd] = n
		case name == "write" && strings.Contains(text, `"HTTP/1.1 202`):
			t.acknowledged++
			durable := false
			for _, s := range syncs {
				for _, w := range writes {
					durable = durable || read[fd] > 0 && w > read[fd] && s.from > w && s.to < n
				}
			}
			if !durable {
				t.early = append(t.early, fmt.Sprintf("line %d: %s", n, text))
			}
		}
	}
	return t, lines.Err()
}

// TestReadTrace holds that the reading of a trace tells a server that answers too early.
func TestReadTrace(t *testing.T) {
	const request = `7  read(12<socket:[1]>, "POST /webhook HT"..., 4096) = 900` + "\n"
	const write = `8  pwrite64(9</x/relbot.db-wal>, "abc"..., 4096, 0) = 4096` + "\n"
	const sync = `8  fdatasync(9</x/relbot.db-wal>) = 0` + "\n"
	const answer = `7  write(12<socket:[1]>, "HTTP/1.1 202 Acc"..., 100) = 100` + "\n"
	const begun, ended = `8  fdatasync(9</x/relbot.db-wal> <unfinished ...>` + "\n", `8  <... fdatasync resumed>) = 0` + "\n"
	for text, early := range map[string]int{
		request + write + sync + answer: 0, request + write + begun + ended + answer: 0,
		request + write + answer + sync: 1, request + sync + write + answer: 1, write + sync + request + answer: 1,
		request + write + begun + answer + ended: 1, begun + request + write + ended + answer: 1, request + answer: 1,
		request + strings.ReplaceAll(write+sync, "-wal", "") + answer: 1,
	} {
		got, err := readTrace(strings.NewReader(text))
		if err != nil || len(got.early) != early || got.acknowledged != 1 {
			t.Errorf("%+v %v of\n%s", got, err, text)
		}
	}
}

// TestSyncedBeforeAcknowledged watches a real server on SQLite with strace.
func TestSyncedBeforeAcknowledged(t *testing.T) {
	_, env := faulty(t)
	dir, address := t.TempDir(), freeAddress(t)
	c := exec.Command(os.Args[0])
	c.Env = append(append(os.Environ(), serveChild+"=1", "RELBOT_LISTEN="+address, "RELBOT_DATABASE_URL=sqlite:"+filepath.Join(dir, "relbot.db")), env...)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	i := &instance{address: address}
	until(t, "ready", func() bool { return i.ready() == http.StatusOK })

	const one, many = 20, 300
	watch := func(name string, send func()) trace {
		t.Helper()
		file := filepath.Join(dir, name)
		detach := attach(t, c.Process.Pid, "-y", "-s", "16", "-e", "trace=read,write,pwrite64,fsync,fdatasync", "-o", file)
		send()
		detach()
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		seen, err := readTrace(f)
		if err != nil {
			t.Fatal(err)
		}
		if len(seen.early) > 0 {
			t.Errorf("%s: answered before the sync: %s", name, strings.Join(seen.early, "\n"))
		}
		t.Logf("%s: %d acknowledged, %d syncs", name, seen.acknowledged, seen.syncs)
		return seen
	}
	if seen := watch("one by one", func() {
		for n := range one {
			deliver(t, address, fmt.Sprint("one ", n))
		}
	}); seen.acknowledged != one || seen.syncs < one {
		t.Errorf("%d acknowledged of %d, with %d syncs", seen.acknowledged, one, seen.syncs)
	}
	if seen := watch("many at once", func() {
		var all sync.WaitGroup
		for worker := range 30 {
			all.Go(func() {
				for n := range many / 30 {
					deliver(t, address, fmt.Sprintf("many %d %d", worker, n))
				}
			})
		}
		all.Wait()
	}); seen.acknowledged != many || seen.syncs == 0 || seen.syncs >= many {
		t.Errorf("%d acknowledged of %d, with %d syncs: a group shares one", seen.acknowledged, many, seen.syncs)
	}
}

// attach watches a process with strace until detach is called.
func attach(t *testing.T, pid int, args ...string) (detach func()) {
	t.Helper()
	s := exec.Command("strace", append([]string{"-f", "-p", fmt.Sprint(pid)}, args...)...)
	said, err := s.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatalf("%v\ninstall the distribution's package strace", err)
	}
	lines := bufio.NewScanner(said)
	for !strings.Contains(lines.Text(), "attached") {
		if !lines.Scan() {
			t.Fatalf("strace did not attach: %v", s.Wait())
		}
	}
	go func() { _, _ = io.Copy(io.Discard, said) }()
	return func() {
		t.Helper()
		if err := s.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		_ = s.Wait() // it ends by the signal
	}
}

// deliver sends a signed delivery that calls for work, and holds that it is taken in.
func deliver(t *testing.T, address, guid string) {
	body := []byte(`{"ref":"refs/heads/main","repository":{"full_name":"other/app"},"padding":"` + strings.Repeat("x", 2000) + `"}`)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/webhook", bytes.NewReader(body))
	if err != nil {
		t.Error(err)
		return
	}
	mac := hmac.New(sha256.New, []byte("s3cret"))
	mac.Write(body)
	r.Header = http.Header{"Content-Type": {"application/json"}, "X-Github-Event": {"push"}, "X-Github-Delivery": {guid}, "X-Hub-Signature-256": {"sha256=" + hex.EncodeToString(mac.Sum(nil))}}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Error(err)
		return
	}
	defer res.Body.Close()
	if out, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusAccepted || string(out) != "accepted\n" {
		t.Errorf("%s: %s %s", guid, res.Status, out)
	}
}
