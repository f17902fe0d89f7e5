package web

import (
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// D-26: the limits themselves.
func TestHTTPServerLimits(t *testing.T) {
	t.Parallel()
	s := HTTPServer(http.NotFoundHandler())
	for name, got := range map[string][2]time.Duration{
		"header": {s.ReadHeaderTimeout, 5 * time.Second}, "request": {s.ReadTimeout, 10 * time.Second},
		"answer": {s.WriteTimeout, 20 * time.Second}, "idle": {s.IdleTimeout, 60 * time.Second},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %s, want %s", name, got[0], got[1])
		}
	}
	if s.MaxHeaderBytes != 16<<10 {
		t.Errorf("headers of %d bytes, want 16 KiB", s.MaxHeaderBytes)
	}
}

// H-14: connections that never finish their header are closed, and meanwhile others are
// answered.
func TestSlowHeaders(t *testing.T) {
	t.Parallel()
	s := HTTPServer(http.NotFoundHandler())
	s.ReadHeaderTimeout = 200 * time.Millisecond // five seconds, in short
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() { defer close(served); _ = s.Serve(l) }()
	defer func() { _ = s.Close(); <-served }()
	var slow sync.WaitGroup
	for range 50 {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "POST /oauth2/token HTTP/1.1\r\nHost: x\r\nX-"); err != nil {
			t.Fatal(err)
		}
		slow.Go(func() {
			// Closed, maybe with a 408 before: what counts is that the read comes to an end.
			if _, err := io.Copy(io.Discard, conn); err != nil {
				t.Error(err)
			}
		})
	}

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := new(http.Transport)
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	slow.Wait()
}
