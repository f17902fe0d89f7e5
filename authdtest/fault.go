package authdtest

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Down cuts every connection, that of a request under way too, until [Issuer.Up].
func (i *Issuer) Down() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !isClosed(i.down) {
		close(i.down)
	}
}

// Up ends [Issuer.Down], and whatever else was done to the endpoints.
func (i *Issuer) Up() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if isClosed(i.down) {
		i.down = make(chan struct{})
	}
	clear(i.handlers)
}

// EndWaits answers the questions to the feed that are waiting, without news, as a server does that shuts down. It also
// ends [Issuer.Hang] and [Issuer.Slow] for those who are waiting.
func (i *Issuer) EndWaits() {
	i.mu.Lock()
	defer i.mu.Unlock()
	close(i.endWaits)
	i.endWaits = make(chan struct{})
}

// Requests is how many requests an endpoint has had, [JWKSPath] for instance.
func (i *Issuer) Requests(path string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.requests[path]
}

// Handle has h answer at an endpoint in place of the issuer; the issuer itself again if h is nil. [Issuer.Serve] gives
// h the issuer's own answer.
func (i *Issuer) Handle(path string, h http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if h == nil {
		delete(i.handlers, path)
		return
	}
	i.handlers[path] = h
}

// Serve answers as the issuer would if nothing were done to it. It counts no request.
func (i *Issuer) Serve(w http.ResponseWriter, r *http.Request) {
	i.route(r.Method, i.endpointOf(r.URL.Path))(w, r)
}

// Answer has an endpoint answer with this status and body, such as 503 or what is no JSON.
func (i *Issuer) Answer(path string, status int, body string) {
	i.Handle(path, func(w http.ResponseWriter, _ *http.Request) { write(w, status, []byte(body)) })
}

// EmptyJWKS has the JWKS be without keys.
func (i *Issuer) EmptyJWKS() { i.Answer(JWKSPath, http.StatusOK, `{"keys":[]}`) }

// BrokenJWKS has the JWKS be whatever it is given.
func (i *Issuer) BrokenJWKS(body string) { i.Answer(JWKSPath, http.StatusOK, body) }

// HugeJWKS puts 10 MiB before the keys.
func (i *Issuer) HugeJWKS() {
	i.Handle(JWKSPath, func(w http.ResponseWriter, _ *http.Request) {
		i.mu.Lock()
		keys := i.keys.jwks()
		i.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"pad":"`+strings.Repeat("x", 10<<20)+`",`+string(keys[1:]))
	})
}

// SlowJWKS has the JWKS take d.
func (i *Issuer) SlowJWKS(d time.Duration) { i.Slow(JWKSPath, d) }

// HangJWKS is [Issuer.Hang] for the JWKS.
func (i *Issuer) HangJWKS() (arrived <-chan struct{}, release func()) { return i.Hang(JWKSPath) }

// Slow has an endpoint take d, of real time, before it answers.
func (i *Issuer) Slow(path string, d time.Duration) {
	i.Handle(path, func(w http.ResponseWriter, r *http.Request) {
		timer := time.NewTimer(d)
		defer timer.Stop()
		i.wait(r, nil, timer.C)
		i.Serve(w, r)
	})
}

// Hang has an endpoint answer only when release is called. The first request that waits closes arrived.
func (i *Issuer) Hang(path string) (arrived <-chan struct{}, release func()) {
	waiting, released := make(chan struct{}), make(chan struct{})
	var first, last sync.Once
	i.Handle(path, func(w http.ResponseWriter, r *http.Request) {
		first.Do(func() { close(waiting) })
		i.wait(r, released, nil)
		i.Serve(w, r)
	})
	return waiting, func() { last.Do(func() { close(released) }) }
}

// wait reports whether it was ready that came first. It cuts the connection of a client that has gone away, or if the
// issuer goes down.
func (i *Issuer) wait(r *http.Request, ready <-chan struct{}, timeout <-chan time.Time) bool {
	i.mu.Lock()
	down, end := i.down, i.endWaits
	i.mu.Unlock()
	select {
	case <-ready:
		return true
	case <-timeout:
	case <-end:
	case <-i.closed:
	case <-down:
		panic(http.ErrAbortHandler)
	case <-r.Context().Done():
		panic(http.ErrAbortHandler)
	}
	return false
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
