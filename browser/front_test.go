package browser

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"time"
)

// front terminates TLS for all hosts, as a proxy in production does: the cookies with the
// prefix __Host- and the rules between sites are those of https.
type front struct {
	*httptest.Server
	certificate *x509.Certificate

	mu    sync.RWMutex
	hosts map[string]http.Handler
}

func newFront(s *stack) (*front, error) {
	f := &front{hosts: map[string]http.Handler{}}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"*.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	if f.certificate, err = x509.ParseCertificate(raw); err != nil {
		return nil, err
	}
	f.Server = httptest.NewUnstartedServer(f)
	f.Config.ErrorLog = log.New(io.Discard, "", 0) // browsers open connections that they do not use
	f.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key}}}
	f.StartTLS()
	s.push(f.Close)
	return f, nil
}

func (f *front) put(origin string, h http.Handler) {
	u, err := url.Parse(origin)
	if err != nil {
		panic(err)
	}
	f.mu.Lock()
	f.hosts[u.Host] = h
	f.mu.Unlock()
}

// ServeHTTP leads to the host.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.RLock()
	h := f.hosts[r.Host]
	f.mu.RUnlock()
	if h == nil {
		h = http.NotFoundHandler()
	}
	h.ServeHTTP(w, r)
}

func (f *front) address() string { return f.Listener.Addr().String() }

// client finds all hosts here, and trusts nothing else.
func (f *front) client() *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(f.certificate)
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, f.address())
		},
		TLSClientConfig: &tls.Config{RootCAs: roots},
	}}
}

// pin is how Chromium is told to trust one key and no other one.
func (f *front) pin() string {
	sum := sha256.Sum256(f.certificate.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}
