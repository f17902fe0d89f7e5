package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-authd/authd/internal/dbtest"
)

// apiAudience is of all tokens of the end-to-end tests.
const apiAudience = "https://api.example"

// patience bounds waits for a process, which share the machine with all other tests.
const patience = time.Minute

// cluster is two replicas over one database, and a balancer with the address that clients
// know. All are processes of their own but the balancer.
type cluster struct {
	issuer   string
	balancer *balancer
	env      []string
	a, b     *replica
}

func startCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{balancer: &balancer{}}
	front := httptest.NewServer(c.balancer)
	t.Cleanup(front.Close)
	c.issuer = front.URL
	c.env = append(os.Environ(), "AUTHD_DATABASE_URL="+dbtest.EmptyURL(t), "AUTHD_ISSUER="+c.issuer,
		"AUTHD_ACCOUNTS=true", "AUTHD_KEY_POLL=200ms")
	var kek struct{ KEK string }
	c.authd(t, &kek, "", "kek", "new")
	c.env = append(c.env, "AUTHD_KEK="+kek.KEK)
	c.authd(t, nil, "", "migrate")
	c.a, c.b = c.start(t), c.start(t)
	c.balance()
	return c
}

// balance sends clients to both replicas from now on.
func (c *cluster) balance() { c.balancer.use(c.a.public, c.b.public) }

// authd runs a command, with input on stdin, and reads the JSON that it prints.
func (c *cluster) authd(t *testing.T, into any, input string, args ...string) {
	t.Helper()
	cmd := exec.Command("authd", append(args, "--json")...)
	cmd.Env, cmd.Stdin = c.env, strings.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("authd %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(out, into); err != nil {
		t.Fatalf("authd %s printed no JSON: %v", strings.Join(args, " "), err)
	}
}

// replica is a running `authd serve`.
type replica struct {
	cmd         *exec.Cmd
	log         syncBuffer
	public, ops string
	ended       chan struct{} // closed when the process has
	err         error         // of the process, once it has ended
}

// start returns when the replica is ready. Between the choice of a port and its use,
// another program may take it: then it is tried again.
func (c *cluster) start(t *testing.T) *replica {
	t.Helper()
	var r *replica
	for range 10 {
		r = c.launch(t)
		if r.awaitReady(t) {
			return r
		}
		if !strings.Contains(r.log.String(), "is taken by another program") {
			break
		}
	}
	t.Fatalf("the replica did not become ready; its log:\n%s", r.log.String())
	return nil
}

func (c *cluster) launch(t *testing.T) *replica {
	t.Helper()
	r := &replica{public: freeAddress(t), ops: freeAddress(t), ended: make(chan struct{})}
	r.cmd = exec.Command("authd", "serve", "--listen", r.public, "--ops-listen", r.ops)
	r.cmd.Env, r.cmd.Stderr = c.env, &r.log
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		r.err = r.cmd.Wait()
		close(r.ended)
	}()
	t.Cleanup(func() {
		r.signal(t, syscall.SIGKILL)
		if strings.Contains(r.log.String(), "DATA RACE") {
			t.Errorf("a replica's log:\n%s", r.log.String())
		}
	})
	return r
}

// awaitReady is false if the process ends instead.
func (r *replica) awaitReady(t *testing.T) bool {
	t.Helper()
	ready := false
	waitFor(t, "a ready replica", func() bool {
		select {
		case <-r.ended:
			return true
		default:
		}
		status, _, err := request("GET", "http://"+r.ops+"/readyz", "", nil)
		ready = err == nil && status == http.StatusOK
		return ready
	})
	return ready
}

// signal returns when the process has ended; on one that has, it does nothing.
func (r *replica) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	_ = r.cmd.Process.Signal(s) // it has ended already
	select {
	case <-r.ended:
	case <-time.After(patience):
		t.Fatalf("the replica did not end; its log:\n%s", r.log.String())
	}
}

// post sends a form to the replica itself, past the balancer.
func (r *replica) post(t *testing.T, path string, as client, form map[string]string) tokenAnswer {
	t.Helper()
	return post(t, "http://"+r.public+path, as, form)
}

// waitFor asks again and again until done says yes.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	tooLate := time.After(patience)
	for !done() {
		select {
		case <-again.C:
		case <-tooLate:
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}

// balancer gives requests to its backends in turn. As reverse proxies do, it asks the next
// one if a backend does not answer at all: a refusal is an answer.
type balancer struct {
	mu       sync.Mutex
	backends []string
	next     int
}

func (b *balancer) use(backends ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.backends = backends
}

// order is all backends, another one first each time.
func (b *balancer) order() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	var all []string
	for i := range b.backends {
		all = append(all, b.backends[(b.next+i)%len(b.backends)])
	}
	return all
}

// ServeHTTP implements [http.Handler].
func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	for _, backend := range b.order() {
		if err == nil && forward(w, r, backend, body) {
			return
		}
	}
	w.WriteHeader(http.StatusBadGateway)
}

// forward reads the whole answer before it passes any of it on.
func forward(w http.ResponseWriter, r *http.Request, backend string, body []byte) bool {
	out, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+backend+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return false
	}
	out.Header = r.Header.Clone()
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(out)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return false
	}
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	w.Header().Del("Connection")
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(answer) // the client is gone
	return true
}

// syncBuffer is written by a process and read by the test.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements [io.Writer].
func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// String is all so far.
func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
