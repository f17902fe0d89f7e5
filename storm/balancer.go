package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// loseHeader asks the balancer to lose the answer, after the server has sent the whole of it.
const loseHeader = "X-Storm-Lose"

// retriedHeader is in answers to requests that another backend may have acted on before.
const retriedHeader = "X-Storm-Retried"

// balancer gives requests to its backends in turn, and asks the next one if a backend does not
// answer at all, as reverse proxies do: a refusal is an answer.
type balancer struct {
	transport http.RoundTripper

	mu       sync.Mutex
	backends []string
	next     int

	lost   atomic.Int64 // answers
	absent atomic.Int64 // tries at a backend that does not listen
	broken atomic.Int64 // tries that a backend ended without an answer
}

func newBalancer() *balancer {
	return &balancer{transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute}}
}

// use replaces backend i.
func (b *balancer) use(i int, address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.backends) <= i {
		b.backends = append(b.backends, "")
	}
	b.backends[i] = address
}

// order is all backends, another one first each time.
func (b *balancer) order() (all []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	for i := range b.backends {
		if one := b.backends[(b.next+i)%len(b.backends)]; one != "" {
			all = append(all, one)
		}
	}
	return all
}

// ServeHTTP implements [http.Handler].
func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	for _, backend := range b.order() {
		if err != nil || b.forward(w, r, backend, body) {
			return
		}
	}
	w.WriteHeader(http.StatusBadGateway)
}

// forward reads the whole answer before it passes any of it on.
func (b *balancer) forward(w http.ResponseWriter, r *http.Request, backend string, body []byte) bool {
	resp, answer, err := b.ask(r, backend, body)
	if err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
			b.absent.Add(1)
		} else {
			b.broken.Add(1)
			w.Header().Set(retriedHeader, "1")
		}
		return false
	}
	if r.Header.Get(loseHeader) != "" {
		b.lost.Add(1)
		panic(http.ErrAbortHandler) // closes the connection
	}
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	w.Header().Del("Connection")
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(answer) // the client is gone
	return true
}

func (b *balancer) ask(r *http.Request, backend string, body []byte) (*http.Response, []byte, error) {
	out, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+backend+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	out.Header = r.Header.Clone()
	out.Header.Del(loseHeader)
	resp, err := b.transport.RoundTrip(out)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp, answer, err
}
