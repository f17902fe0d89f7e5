package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/go-authd/authd/internal/keys"
)

func send(h http.Handler, method, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w
}

func post(h http.Handler, target, contentType, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const formType = "application/x-www-form-urlencoded"

func postForm(h http.Handler, target, body string) *httptest.ResponseRecorder {
	return post(h, target, formType, body)
}

func errorOf(t testing.TB, w *httptest.ResponseRecorder) string {
	t.Helper()
	var body struct {
		Error string `json:"error"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Errorf("body %q: %v", w.Body, err)
	}
	return body.Error
}

// F-115, X-28: the metadata stands where RFC 8414 and OpenID Connect Discovery look for it.
func TestIssuerWithAPath(t *testing.T) {
	t.Parallel()
	cfg := config(services{})
	cfg.Issuer = issuer + "/tenant/1"
	h := newServer(t, cfg).Handler()
	tests := []struct {
		name, method, path string
		want               int
	}{
		{"token endpoint", "POST", "/tenant/1/oauth2/token", 400},
		{"login", "POST", "/tenant/1/account/login", 400},
		{"metadata, inserted, RFC 8414 §3", "GET", "/.well-known/oauth-authorization-server/tenant/1", 200},
		{"metadata, appended", "GET", "/tenant/1/.well-known/oauth-authorization-server", 200},
		{"discovery, inserted", "GET", "/.well-known/openid-configuration/tenant/1", 200},
		{"discovery, appended, OIDC Discovery §4", "GET", "/tenant/1/.well-known/openid-configuration", 200},
		{"JWKS", "GET", "/tenant/1/.well-known/jwks.json", 200},
		{"nothing without the path", "POST", "/oauth2/token", 404},
		{"no metadata of an issuer that is not served", "GET", "/.well-known/oauth-authorization-server", 404},
		{"no JWKS beside jwks_uri", "GET", "/.well-known/jwks.json", 404},
		{"no JWKS with the path inserted", "GET", "/.well-known/jwks.json/tenant/1", 404},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			w := send(h, tt.method, tt.path)

			if w.Code != tt.want {
				t.Errorf("got %d, want %d", w.Code, tt.want)
			}
			if strings.Contains(tt.path, "oauth-authorization-server/tenant") {
				wantMetadataUnder(t, w.Body.Bytes(), cfg.Issuer)
			}
		})
	}
}

func wantMetadataUnder(t *testing.T, body []byte, issuer string) {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	for name, value := range m {
		if s, ok := value.(string); ok && name != "issuer" && !strings.HasPrefix(s, issuer+"/") {
			t.Errorf("%s is %s, want it under %s", name, s, issuer)
		}
	}
	if m["issuer"] != issuer {
		t.Errorf("issuer is %v, want %s byte for byte", m["issuer"], issuer)
	}
}

func TestNewRefusesAPathThatIsNoRoute(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{issuer + "/a*b", issuer + "/{x}"} {
		cfg := config(services{})
		cfg.Issuer = bad

		if _, err := New(cfg); err == nil {
			t.Errorf("issuer %s was accepted", bad)
		}
	}
}

// The host may route with chi itself: what it has matched already must not count twice.
func TestHandlerInsideAnotherChi(t *testing.T) {
	t.Parallel()
	cfg := config(services{})
	cfg.Issuer = issuer + "/auth"
	h := newServer(t, cfg).Handler()
	host := chi.NewRouter()
	host.Route("/auth", func(r chi.Router) { r.Mount("/", h) })
	host.Mount("/.well-known", h)

	for _, path := range []string{"/auth/.well-known/jwks.json", "/.well-known/oauth-authorization-server/auth"} {
		if w := send(host, "GET", path); w.Code != http.StatusOK {
			t.Errorf("%s: got %d, want 200", path, w.Code)
		}
	}
}

func TestWhatIsOffDoesNotExist(t *testing.T) {
	t.Parallel()
	cfg := config(services{})
	cfg.Users = nil
	hostUsers := newServer(t, cfg).Handler()
	cfg.SignIn = nil
	noAccounts := newServer(t, cfg).Handler()
	tests := []struct {
		name    string
		handler http.Handler
		path    string
		want    int
	}{
		{"login with the host's users", hostUsers, "/account/login", 400},
		{"logout with the host's users", hostUsers, "/account/logout", 400},
		{"register with the host's users", hostUsers, "/account/register", 404},
		{"password with the host's users", hostUsers, "/account/password", 404},
		{"login without accounts", noAccounts, "/account/login", 404},
		{"logout without accounts", noAccounts, "/account/logout", 404},
		{"revocation without accounts", noAccounts, "/oauth2/revoke", 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			if w := send(tt.handler, "POST", tt.path); w.Code != tt.want {
				t.Errorf("got %d, want %d", w.Code, tt.want)
			}
		})
	}
}

type noKeys struct{ Tokens }

func (noKeys) JWKS() (keys.Document, error) { return keys.Document{}, errStorage }

// never an empty set.
func TestJWKSWithoutKeys(t *testing.T) {
	t.Parallel()
	cfg := config(services{})
	cfg.Keys = noKeys{}
	w := send(newServer(t, cfg).Handler(), "GET", "/.well-known/jwks.json")

	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("got %d, Cache-Control %q", w.Code, w.Header().Get("Cache-Control"))
	}
}

// M-16: /readyz names what failed, and why is in the log. /healthz does not care.
func TestNotReady(t *testing.T) {
	t.Parallel()
	var log logBuffer
	cfg := config(services{})
	cfg.Logger = log.logger()
	cfg.Checks = append(cfg.Checks, Check{"migrations", func(context.Context) error { return errors.New("dsn with hunter2") }})
	ops := newServer(t, cfg).OpsHandler()

	w := send(ops, "GET", "/readyz")

	want := `{"status":"not ready","failed":["migrations"]}` + "\n"
	if w.Code != http.StatusServiceUnavailable || w.Body.String() != want || w.Header().Get("Retry-After") != "1" {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if line := log.one(t); line["err"] != "dsn with hunter2" || line["level"] != "WARN" {
		t.Errorf("log: %v", line)
	}
	if w := send(ops, "GET", "/healthz"); w.Code != http.StatusOK {
		t.Errorf("healthz: got %d, want 200", w.Code)
	}
}
