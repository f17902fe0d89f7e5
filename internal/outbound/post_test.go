package outbound_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-authd/authd/internal/outbound"
)

var form = url.Values{"logout_token": {"a.b.c"}}

// M-08: what an answer may be, and that nothing of it is read or followed.
func TestPost(t *testing.T) {
	t.Parallel()
	var redirected atomic.Int64
	srv, _, roots := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ended":
			if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" ||
				r.PostFormValue("logout_token") != "a.b.c" || r.URL.RawQuery != "x=1" {
				w.WriteHeader(http.StatusBadRequest)
			}
		case "/redirect", "/redirect-post":
			http.Redirect(w, r, "/target", map[string]int{"/redirect": 302, "/redirect-post": 307}[r.URL.Path])
		case "/target":
			redirected.Add(1)
		case "/headers":
			w.Header().Set("X-Much", strings.Repeat("x", 64<<10))
		case "/endless":
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 32<<10)); err != nil {
					return
				}
			}
		}
	})
	client := outbound.New(outbound.Config{RootCAs: roots, Allow: anywhere})
	for path, want := range map[string]int{"/ended?x=1": 200, "/redirect": 302, "/redirect-post": 307, "/endless": 200} {
		if status, err := client.Post(t.Context(), srv.URL+path, form); err != nil || status != want {
			t.Errorf("%s: %d, %v, want %d", path, status, err, want)
		}
	}
	if redirected.Load() != 0 {
		t.Error("a redirect was followed")
	}
	if status, err := client.Post(t.Context(), srv.URL+"/headers", form); err == nil {
		t.Errorf("huge headers were taken: %d", status)
	}
	srv.Close()
	_, err := client.Post(t.Context(), srv.URL+"/ended?key=hidden", form)
	if err == nil || strings.Contains(err.Error(), "key=") {
		t.Errorf("a server that is away: %v, want an error that does not name the URI", err)
	}
}

// M-08: a server that says nothing does not hold anybody longer than they wish.
func TestPostEndsWithItsContext(t *testing.T) {
	t.Parallel()
	began := make(chan struct{})
	srv, _, roots := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm() // the server notices that we are gone when it has read all
		close(began)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-began; cancel() }()

	_, err := outbound.New(outbound.Config{RootCAs: roots, Allow: anywhere}).Post(ctx, srv.URL, form)

	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
}

// M-07: http is for loopback addresses, and for those only where that is allowed.
func TestPostByHTTP(t *testing.T) {
	t.Parallel()
	var posted atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { posted.Add(1) }))
	t.Cleanup(srv.Close)
	port := netip.MustParseAddrPort(srv.Listener.Addr().String()).Port()
	local := outbound.New(outbound.Config{Loopback: true})

	for _, uri := range []string{srv.URL, "http://localhost:" + itoa(port)} {
		if status, err := local.Post(t.Context(), uri, form); err != nil || status != http.StatusOK {
			t.Errorf("%s: %d, %v", uri, status, err)
		}
	}
	before := posted.Load()
	for _, uri := range []string{
		"http://0.0.0.0:" + itoa(port), "http://10.0.0.1/", "http://169.254.169.254/latest/", "http://[fe80::1]/",
		"http://93.184.215.14/", "https://127.0.0.1:" + itoa(port), "file:///etc/passwd", "unix:///run/docker.sock",
	} {
		if status, err := local.Post(t.Context(), uri, form); err == nil {
			t.Errorf("%s answered %d", uri, status)
		}
	}
	for name, c := range map[string]*outbound.Client{"the zero configuration": outbound.New(outbound.Config{}), "https anywhere": outbound.New(outbound.Config{Allow: anywhere})} {
		if _, err := c.Post(t.Context(), srv.URL, form); err == nil {
			t.Errorf("%s posts by http", name)
		}
	}
	if n := posted.Load() - before; n != 0 {
		t.Errorf("%d posts came", n)
	}
	if _, err := local.Get(t.Context(), srv.URL); err == nil {
		t.Error("documents are fetched by http")
	}
}
