package rs_test

import (
	"bytes"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-authd/authd/rs"
)

// issuer is an authorization server as a resource server sees it: metadata and keys.
type issuer struct {
	*httptest.Server
	path     string // of the issuer URL
	jwks     atomic.Pointer[http.HandlerFunc]
	fetches  atomic.Int32
	metadata atomic.Pointer[http.HandlerFunc]
}

func newIssuer(t testing.TB, path string) *issuer {
	t.Helper()
	i := &issuer{path: path}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/oauth-authorization-server"+path, func(w http.ResponseWriter, r *http.Request) {
		(*i.metadata.Load())(w, r)
	})
	mux.HandleFunc("GET /jwks.json", func(w http.ResponseWriter, r *http.Request) {
		i.fetches.Add(1)
		(*i.jwks.Load())(w, r)
	})
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	i.describe(`{"issuer":"` + i.id() + `","jwks_uri":"` + i.URL + `/jwks.json"}`)
	i.publish(jwk("k-at", keyAT()))
	return i
}

func (i *issuer) id() string { return i.URL + i.path }

func (i *issuer) describe(metadata string) {
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, metadata) })
	i.metadata.Store(&h)
}

func (i *issuer) serve(h http.HandlerFunc) { i.jwks.Store(&h) }

// publish serves a JWK set of raw keys.
func (i *issuer) publish(keys ...string) {
	doc := set(keys...)
	i.serve(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, doc) })
}

func (i *issuer) token(kid string, key *rsa.PrivateKey) string {
	header := fmt.Sprintf(`{"alg":"RS256","kid":%q,"typ":"at+jwt"}`, kid)
	return forge(header, edit{"iss": `"` + i.id() + `"`}.payload(), key)
}

// config has a fake clock, and a log in place of slog.Default.
func (i *issuer) config() (rs.Config, *clock, *logBuffer) {
	c, log := new(clock), new(logBuffer)
	return rs.Config{
		Issuer: i.id(), Audience: testAudience, Now: c.Now, Logger: slog.New(slog.NewTextHandler(log, nil)),
	}, c, log
}

func set(keys ...string) string {
	var b bytes.Buffer
	for _, k := range keys {
		fmt.Fprintf(&b, ",%s", k)
	}
	if b.Len() > 0 {
		b.ReadByte()
	}
	return `{"keys":[` + b.String() + `]}`
}

// jwk builds a key from raw strings, with further members behind the usual ones.
func jwk(kid string, key *rsa.PrivateKey, more ...string) string {
	return rawJWK(kid, key.N, key.E, more...)
}

func rawJWK(kid string, n *big.Int, e int, more ...string) string {
	s := fmt.Sprintf(`{"kty":"RSA","kid":%q,"n":%q,"e":%q`, kid, base64url(n.Bytes()), base64url(big.NewInt(int64(e)).Bytes()))
	for _, m := range more {
		s += "," + m
	}
	return s + "}"
}

// logBuffer is an io.Writer for many goroutines.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
