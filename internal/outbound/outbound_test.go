package outbound_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-authd/authd/internal/outbound"
)

// M-07: only the open Internet can be reached, and there only what speaks HTTPS.
func TestPublic(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, addr string
		public     bool
	}{
		{"IPv4", "93.184.215.14:443", true},
		{"IPv6", "[2606:2800:220:1:248:1893:25c8:1946]:443", true},
		{"the other port of HTTPS", "93.184.215.14:8443", true},
		{"SSH", "93.184.215.14:22", false},
		{"PostgreSQL", "93.184.215.14:5432", false},
		{"HTTP", "93.184.215.14:80", false},
		{"loopback", "127.0.0.1:443", false},
		{"loopback elsewhere", "127.9.9.9:443", false},
		{"loopback of IPv6", "[::1]:443", false},
		{"loopback as IPv6", "[::ffff:127.0.0.1]:443", false},
		{"nowhere", "0.0.0.0:443", false},
		{"nowhere of IPv6", "[::]:443", false},
		{"this network", "0.1.2.3:443", false},
		{"private, 10/8", "10.0.0.1:443", false},
		{"private, 172.16/12", "172.31.255.255:443", false},
		{"private, 192.168/16", "192.168.1.1:443", false},
		{"beside 172.16/12", "172.32.0.1:443", true},
		{"private as IPv6", "[::ffff:10.0.0.1]:443", false},
		{"shared with the provider, RFC 6598", "100.64.0.1:443", false},
		{"metadata of a cloud in RFC 6598's block", "100.100.100.200:443", false},
		{"beside RFC 6598's block", "100.128.0.1:443", true},
		{"metadata of most clouds", "169.254.169.254:443", false},
		{"metadata as IPv6", "[::ffff:169.254.169.254]:443", false},
		{"metadata of a cloud in IPv6", "[fd00:ec2::254]:443", false},
		{"a public address with a machine's own service", "168.63.129.16:443", false},
		{"metadata in 192.0.0/24", "192.0.0.192:443", false},
		{"unique local, RFC 4193", "[fc00::1]:443", false},
		{"link-local of IPv6", "[fe80::1]:443", false},
		{"link-local with a zone", "[fe80::1%eth0]:443", false},
		{"a zone at a public address", "[2606:2800::1%eth0]:443", false},
		{"site-local, RFC 3879", "[fec0::1]:443", false},
		{"multicast", "224.0.0.1:443", false},
		{"multicast of IPv6", "[ff02::1]:443", false},
		{"broadcast", "255.255.255.255:443", false},
		{"reserved, 240/4", "240.0.0.1:443", false},
		{"for documents", "203.0.113.7:443", false},
		{"for documents, IPv6", "[2001:db8::1]:443", false},
		{"for benchmarks", "198.18.0.1:443", false},
		{"NAT64, which leads to any IPv4 address", "[64:ff9b::7f00:1]:443", false},
		{"6to4 of a loopback address", "[2002:7f00:1::]:443", false},
		{"Teredo", "[2001:0:1::1]:443", false},
		{"IPv4-compatible", "[::7f00:1]:443", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if err := outbound.Public(netip.MustParseAddrPort(tt.addr)); (err == nil) != tt.public {
				t.Errorf("%s: %v, want public %v", tt.addr, err, tt.public)
			}
		})
	}
}

// listener counts who comes.
type listener struct {
	net.Listener
	accepted atomic.Int64
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.accepted.Add(1)
	}
	return c, err
}

func serve(t *testing.T, h http.HandlerFunc) (*httptest.Server, *listener, *x509.CertPool) {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	l := &listener{Listener: srv.Listener}
	srv.Listener = l
	srv.StartTLS()
	t.Cleanup(srv.Close)
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	return srv, l, roots
}

func anywhere(netip.AddrPort) error { return nil }

// M-07, NOOUT: nothing is connected to, whatever the name is that leads there.
func TestRefusedBeforeConnecting(t *testing.T) {
	t.Parallel()
	srv, l, roots := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) })
	port := srv.Listener.Addr().(*net.TCPAddr).AddrPort().Port()
	strict := outbound.New(outbound.Config{RootCAs: roots, Allow: func(to netip.AddrPort) error {
		return outbound.Public(netip.AddrPortFrom(to.Addr(), 443)) // the test has no say over its port
	}})
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0", "2130706433", "127.1"} {
		uri := "https://" + net.JoinHostPort(strings.Trim(host, "[]"), itoa(port)) + "/"
		if doc, err := strict.Get(t.Context(), uri); err == nil {
			t.Errorf("%s answered %s", uri, doc)
		}
	}
	if _, err := outbound.New(outbound.Config{RootCAs: roots}).Get(t.Context(), srv.URL); err == nil {
		t.Error("the zero configuration connects to this machine")
	}
	if n := l.accepted.Load(); n != 0 {
		t.Errorf("%d connections", n)
	}

	// The server is there: it is the guard that keeps us away.
	if _, err := outbound.New(outbound.Config{RootCAs: roots, Allow: anywhere}).Get(t.Context(), srv.URL); err != nil {
		t.Error(err)
	}
}

func itoa(port uint16) string {
	return strings.TrimPrefix(netip.AddrPortFrom(netip.IPv4Unspecified(), port).String(), "0.0.0.0:")
}

// M-08, M-07: what an answer may be.
func TestGet(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	zip := gzip.NewWriter(&bomb)
	_, _ = zip.Write(make([]byte, 10<<20))
	_ = zip.Close()
	var redirected atomic.Int64
	srv, _, roots := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/keys":
			if r.Header.Get("Accept-Encoding") != "" || r.Header.Get("Accept") != "application/json" {
				w.WriteHeader(http.StatusNotAcceptable)
			}
			_, _ = w.Write([]byte(`{"keys":[]}`))
		case "/large":
			_, _ = w.Write(bytes.Repeat([]byte(" "), 64<<10+1))
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb.Bytes())
		case "/redirect":
			http.Redirect(w, r, "/target", http.StatusFound)
		case "/target":
			redirected.Add(1)
		case "/headers":
			w.Header().Set("X-Much", strings.Repeat("x", 64<<10))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	client := outbound.New(outbound.Config{RootCAs: roots, Allow: anywhere})
	for path, want := range map[string]string{
		"/keys": "", "/large": "more than 65536 bytes", "/redirect": "status 302", "/missing": "status 404", "/headers": "header",
	} {
		doc, err := client.Get(t.Context(), srv.URL+path)
		switch {
		case want == "" && (err != nil || string(doc) != `{"keys":[]}`):
			t.Errorf("%s: %s, %v", path, doc, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if doc, err := client.Get(t.Context(), srv.URL+"/bomb"); err == nil && len(doc) != bomb.Len() {
		t.Errorf("%d bytes were unpacked to %d", bomb.Len(), len(doc))
	}
	if redirected.Load() != 0 {
		t.Error("the redirect was followed")
	}
	if _, err := client.Get(t.Context(), "http"+strings.TrimPrefix(srv.URL, "https")+"/keys"); err == nil {
		t.Error("http is fetched")
	}
	if _, err := outbound.New(outbound.Config{Allow: anywhere}).Get(t.Context(), srv.URL+"/keys"); err == nil {
		t.Error("a server without a certificate that the system trusts is believed")
	}
}

// M-08: a server that drips does not hold anybody longer than they wish.
func TestGetEndsWithItsContext(t *testing.T) {
	t.Parallel()
	began := make(chan struct{})
	srv, _, roots := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("{"))
		_ = http.NewResponseController(w).Flush()
		close(began)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-began; cancel() }()

	_, err := outbound.New(outbound.Config{RootCAs: roots, Allow: anywhere}).Get(ctx, srv.URL)

	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
}

// A proxy would connect to anything for us, and resolve the name itself.
func TestNoProxy(t *testing.T) {
	proxy, l, _ := serve(t, func(http.ResponseWriter, *http.Request) {})
	t.Setenv("HTTPS_PROXY", proxy.URL)

	if _, err := outbound.New(outbound.Config{Allow: anywhere}).Get(t.Context(), "https://keys.invalid/"); err == nil {
		t.Error("a name that cannot exist answered")
	}
	if l.accepted.Load() != 0 {
		t.Error("the proxy was asked")
	}
}
