package main

import (
	"cmp"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
)

// balancer gives requests to its backends in turn, so that the set of keys comes from another
// replica than the token. An error of a backend is the client's: nothing is tried again.
type balancer struct {
	proxy http.Handler

	mu       sync.Mutex
	backends []*url.URL
	next     int
	fetches  map[string]int // of the JWKS, by verifier
}

// jwksPath is where authd publishes keys; verifiers say in the query who they are.
const jwksPath = "/.well-known/jwks.json"

func newBalancer() *balancer {
	b := &balancer{fetches: make(map[string]int)}
	b.proxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(b.turn())
			r.Out.URL.RawQuery = ""
		},
		Transport: &http.Transport{MaxIdleConnsPerHost: 16},
	}
	return b
}

func (b *balancer) add(address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.backends = append(b.backends, &url.URL{Scheme: "http", Host: address})
}

func (b *balancer) turn() *url.URL {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	return b.backends[b.next%len(b.backends)]
}

// ServeHTTP implements [http.Handler].
func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == jwksPath {
		b.mu.Lock()
		b.fetches[cmp.Or(r.URL.Query().Get("for"), "rs")]++ // rs has the address from the metadata
		b.mu.Unlock()
	}
	b.proxy.ServeHTTP(w, r)
}

func (b *balancer) fetchesOf(verifier string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fetches[verifier]
}
