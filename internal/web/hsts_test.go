package web

import (
	"net/http"
	"slices"
	"testing"

	"github.com/go-authd/authd/internal/grants"
)

// everyPage is a configuration in which there are the account and the registration page, too.
// Nothing answers there.
func everyPage() Config {
	cfg := config(services{})
	cfg.Own, cfg.Registering = struct{ Own }{}, struct{ Registering }{}
	return cfg
}

// W-14, RFC 6797: an https issuer's pages keep the browser to TLS, whatever they answer. Over
// http the header would mean nothing (§7.2).
func TestPagesKeepTheBrowserToTLS(t *testing.T) {
	t.Parallel()
	for from, want := range map[string]string{issuer: "max-age=31536000", "http://localhost:8080": ""} {
		cfg := everyPage()
		cfg.Issuer = from
		s := newServer(t, cfg)
		pages := 0
		for _, rt := range slices.Concat(s.pageRoutes(), s.openIDRoutes()) {
			if rt.path == "/static/*" || rt.path == userInfoPath {
				continue
			}
			pages++
			w := send(s.Handler(), rt.method, rt.path)

			if got := w.Header().Get("Strict-Transport-Security"); got != want {
				t.Errorf("%s: %s %s: %d with %q, want %q", from, rt.method, rt.path, w.Code, got, want)
			}
		}
		if pages < 14 {
			t.Errorf("only %d pages", pages)
		}
	}
}

// What ends a fault is a page as well.
func TestFaultsKeepTheBrowserToTLS(t *testing.T) {
	t.Parallel()
	cfg := config(services{})
	cfg.Browsing = browsing{seen: new(grants.Browser), err: errStorage}

	w := send(newServer(t, cfg).Handler(), http.MethodGet, "/oauth2/authorize?client_id=app")

	if w.Header().Get("Strict-Transport-Security") == "" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
}
