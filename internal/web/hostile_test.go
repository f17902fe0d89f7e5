package web

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// H-21, M-16: one spelling of each path, and no redirect to a better one.
func TestNoOtherPaths(t *testing.T) {
	t.Parallel()
	h := newServer(t, config(services{})).Handler()
	for _, path := range []string{
		"/", "//oauth2/token", "/oauth2/token/", "/oauth2//token", "/oauth2/./token", "/oauth2/token/../token", "/OAUTH2/TOKEN",
		"/oauth2/token;x", "/oauth2%2Ftoken", "/oauth2/%74oken", "/%2e%2e/admin", "/%5Cevil.example", "/oauth2/token%00",
		"/metrics", "/debug/pprof/", "/debug/vars", "/healthz", "/readyz", "/admin/v1/clients", "/openapi.yaml",
	} {
		for _, method := range []string{"GET", "POST", "BREW"} {
			w := httptest.NewRecorder()
			u, err := url.ParseRequestURI(path)
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest(method, "/", nil)
			r.URL = u

			h.ServeHTTP(w, r)

			if w.Code != http.StatusNotFound || w.Header().Get("Location") != "" || errorOf(t, w) != "not_found" {
				t.Errorf("%s %s: got %d, Location %q", method, path, w.Code, w.Header().Get("Location"))
			}
		}
	}
}

// H-05, H-30: every method that a path does not have is 405 with Allow, RFC 9110 §15.5.6.
func TestOtherMethods(t *testing.T) {
	t.Parallel()
	s := newServer(t, config(services{entered: func() { t.Error("a service was called") }}))
	acts := map[string]bool{authorizePath: true, loginPath: true, consentPath: true, endSessionPath: true} // GET may change something, W-05
	allow := make(map[string]string)                                                                       // by path
	for _, rt := range slices.Concat(s.publicRoutes(), s.pageRoutes()) {
		methods := rt.method
		if methods == "GET" && !acts[rt.path] {
			methods = "GET, HEAD"
		}
		if allow[rt.path] != "" {
			methods = allow[rt.path] + ", " + methods
		}
		allow[rt.path] = methods
	}
	for path, want := range allow {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "BREW"} {
			if strings.Contains(want, method) || strings.HasSuffix(path, "*") {
				continue
			}
			w := send(s.Handler(), method, path)

			if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != want {
				t.Errorf("%s %s: got %d, Allow %q", method, path, w.Code, w.Header().Get("Allow"))
			}
		}
	}
}

// H-06, H-08 to H-11, H-13, C-05: what is no proper form is refused before any service,
// and with it any connection, is asked.
func TestHostileForms(t *testing.T) {
	t.Parallel()
	h := newServer(t, config(services{entered: func() { t.Error("a service was called") }})).Handler()
	valid := "grant_type=client_credentials&token=t&client_id=poster&client_secret=s3cret"
	type request struct{ contentType, body string }
	requests := map[string]request{
		"JSON":                         {"application/json", `{"grant_type":"client_credentials"}`},
		"text/plain":                   {"text/plain", valid},
		"multipart":                    {"multipart/form-data; boundary=x", "--x--"},
		"no content type":              {"", valid},
		"another charset":              {formType + "; charset=ISO-8859-1", valid},
		"two charsets":                 {formType + "; charset=utf-8; charset=utf-16", valid},
		"two types":                    {formType + ", application/json", valid},
		"semicolon as separator":       {formType, "grant_type=client_credentials;scope=x"},
		"broken escape elsewhere":      {formType, "username=%zz&" + valid},
		"65 parameters":                {formType, valid + strings.Repeat("&a=b", 65)},
		"20000 parameters without '='": {formType, valid + strings.Repeat("&", 20000)},
		"64 KiB in one parameter":      {formType, "token=" + strings.Repeat("a", 65000)},
	}
	for _, name := range []string{"grant_type", "scope", "resource", "refresh_token", "token", "client_id", "client_secret", "token_type_hint"} {
		for _, bad := range []string{"%ff", "%c0%80", "%ed%a0%80", "%", "%00", "%0d%0aX:y", "%1b[31m", "%e2%80%a8", "%09"} {
			requests[name+"="+bad] = request{formType, name + "=" + bad}
		}
	}
	for name, r := range requests {
		for _, path := range []string{"/oauth2/token", "/oauth2/revoke", "/oauth2/introspect"} {
			w := post(h, path, r.contentType, r.body)

			if w.Code != http.StatusBadRequest || errorOf(t, w) != "invalid_request" {
				t.Errorf("%s to %s: got %d %s", name, path, w.Code, w.Body)
			}
		}
	}
}

// C-05, H-09, H-10: hostile Basic credentials are a failed authentication.
func TestHostileBasic(t *testing.T) {
	t.Parallel()
	h := newServer(t, config(services{})).Handler()
	for _, userinfo := range []string{"", ":", "shop", ":s3cret", "sh%00op:s", "shop:%00", "%ff:x", "shop:%zz", "sh\nop:x", strings.Repeat("a", 60000) + ":x"} {
		r := httptest.NewRequest("POST", "/oauth2/token", strings.NewReader("grant_type=client_credentials"))
		r.Header.Set("Content-Type", formType)
		id, secret, _ := strings.Cut(userinfo, ":")
		r.SetBasicAuth(id, secret)
		w := httptest.NewRecorder()

		h.ServeHTTP(w, r)

		if w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") != `Basic realm="authd"` {
			t.Errorf("%.20q: got %d %q", userinfo, w.Code, w.Header().Get("WWW-Authenticate"))
		}
	}
}

// H-15: while a body comes in, nothing else is held. The reader looks at each read.
func TestBodyIsReadFirst(t *testing.T) {
	t.Parallel()
	reads, asked := 0, 0
	cfg := config(services{entered: func() { asked++ }})
	cfg.OriginAllowed = func(context.Context, string) (bool, error) { asked++; return true, nil }
	s := newServer(t, cfg)
	slow := readerFunc(func(b []byte) (int, error) {
		reads++
		if len(s.slots) > 0 || asked > 0 {
			t.Error("work began before the body was there")
		}
		const body = "token=t&client_id=app"
		if reads > len(body) {
			return 0, io.EOF
		}
		b[0] = body[reads-1]
		return 1, nil
	})
	r := httptest.NewRequest("POST", "/oauth2/revoke", slow)
	r.Header.Set("Content-Type", formType)
	r.Header.Set("Origin", "https://app.example.com")
	w := httptest.NewRecorder()

	s.Handler().ServeHTTP(w, r)

	if w.Code != http.StatusOK || asked != 2 || len(s.slots) != 0 {
		t.Errorf("got %d with %d questions and %d slots in use, want 200, 2, 0", w.Code, asked, len(s.slots))
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// H-12: of an endless body no more than the limit is read.
func TestEndlessBody(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(nil)
	server.Config = HTTPServer(newServer(t, config(services{})).Handler())
	server.Start()
	t.Cleanup(server.Close)
	for _, path := range []string{"/oauth2/token", "/oauth2/revoke", "/oauth2/introspect", "/account/login", "/account/logout"} {
		endless := readerFunc(func(b []byte) (int, error) { return copy(b, strings.Repeat("a", len(b))), nil })

		res, err := server.Client().Post(server.URL+path, formType, endless)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()

		if res.StatusCode != http.StatusRequestEntityTooLarge || !res.Close {
			t.Errorf("%s: got %d, connection closed: %t", path, res.StatusCode, res.Close)
		}
	}
}

// H-30: not net/http's own 200 for "OPTIONS *".
func TestOptionsOfTheServer(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(nil)
	server.Config = HTTPServer(newServer(t, config(services{})).Handler())
	server.Start()
	t.Cleanup(server.Close)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	if _, err := io.WriteString(conn, "OPTIONS * HTTP/1.1\r\nHost: evil.example\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()

	if res.StatusCode != http.StatusNotFound {
		t.Errorf("got %d, want 404", res.StatusCode)
	}
}

func TestBodyThatCannotBeRead(t *testing.T) {
	t.Parallel()
	h := newServer(t, config(services{})).Handler()
	r := httptest.NewRequest("POST", "/oauth2/token", readerFunc(func([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }))
	w := httptest.NewRecorder()

	h.ServeHTTP(w, r)

	if w.Code != http.StatusBadRequest {
		t.Errorf("got %d, want 400", w.Code)
	}
}

// D-26: who comes when all slots are taken is turned away at once, and a slot comes back.
func TestTooManyAtWork(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	var blocked atomic.Bool
	s := newServer(t, config(services{entered: func() {
		if blocked.CompareAndSwap(false, true) { // the first only
			close(entered)
			<-leave
		}
	}}))
	s.slots = make(chan struct{}, 1)
	first := make(chan int)
	go func() { first <- postForm(s.Handler(), "/oauth2/revoke", "token=t&client_id=app").Code }()
	<-entered

	for _, path := range []string{"/oauth2/token", "/oauth2/revoke", "/oauth2/introspect", "/account/login"} {
		w := postForm(s.Handler(), path, "token=t&client_id=app")
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" {
			t.Errorf("%s: got %d, Retry-After %q", path, w.Code, w.Header().Get("Retry-After"))
		}
	}
	if w := send(s.Handler(), "GET", "/.well-known/jwks.json"); w.Code != http.StatusOK {
		t.Errorf("JWKS: got %d, want 200: it is served from memory", w.Code)
	}
	close(leave)
	if code := <-first; code != http.StatusOK {
		t.Errorf("first: got %d, want 200", code)
	}
	if len(s.slots) != 0 {
		t.Error("the slot did not come back")
	}
}

// H-26: what no browser would send as an origin of a page is not looked up, and nobody is
// ever let in with credentials.
func TestOrigins(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, origin string
		wantAsked    bool
	}{
		{"null", "null", false},
		{"any", "*", false},
		{"with a path", "https://app.example.com/", false},
		{"with user information", "https://a@app.example.com", false},
		{"http", "http://app.example.com", false},
		{"another scheme", "ftp://app.example.com", false},
		{"line end", "https://app.example.com\r\nX: y", false},
		{"very long", "https://" + strings.Repeat("a", 300) + ".example", false},
		{"unknown", "https://evil.example", true},
		{"allowed", "https://app.example.com", true},
		{"a page on this machine", "http://localhost:5173", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			asked := false
			cfg := config(services{})
			cfg.OriginAllowed = func(_ context.Context, origin string) (bool, error) {
				asked = true
				return origin == "https://app.example.com", nil
			}
			w := post(newServer(t, cfg).Handler(), "/oauth2/token", formType, "grant_type=client_credentials", "Origin", tt.origin)

			if asked != tt.wantAsked {
				t.Errorf("looked up: %t, want %t", asked, tt.wantAsked)
			}
			want := ""
			if tt.name == "allowed" {
				want = tt.origin
			}
			if got := w.Header().Get("Access-Control-Allow-Origin"); got != want {
				t.Errorf("Access-Control-Allow-Origin is %q, want %q", got, want)
			}
			if got := w.Header().Get("Access-Control-Allow-Credentials"); got != "" {
				t.Errorf("Access-Control-Allow-Credentials is %q", got)
			}
		})
	}
}

func TestWorkHasADeadline(t *testing.T) {
	t.Parallel()
	var left time.Duration
	cfg := config(services{})
	cfg.OriginAllowed = func(ctx context.Context, _ string) (bool, error) {
		deadline, ok := ctx.Deadline()
		if ok {
			left = time.Until(deadline)
		}
		return false, nil
	}
	h := newServer(t, cfg).Handler()
	for _, method := range []string{"POST", "OPTIONS"} {
		left = 0
		r := httptest.NewRequest(method, "/oauth2/token", nil)
		r.Header.Set("Origin", "https://app.example.com")

		h.ServeHTTP(httptest.NewRecorder(), r)

		if left <= 0 || left > requestTimeout {
			t.Errorf("%s: %s left, want at most %s", method, left, requestTimeout)
		}
	}
}

// D-26. An answer of the slowest request that is still served must fit.
func TestServerLimits(t *testing.T) {
	t.Parallel()
	s := HTTPServer(http.NotFoundHandler())
	got := []any{s.ReadHeaderTimeout, s.ReadTimeout, s.WriteTimeout, s.IdleTimeout, s.MaxHeaderBytes}

	want := []any{5 * time.Second, 10 * time.Second, 20 * time.Second, time.Minute, 16384}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if s.ReadTimeout+requestTimeout >= s.WriteTimeout {
		t.Error("WriteTimeout cuts off answers")
	}
}
