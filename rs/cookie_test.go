package rs_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/rs"
)

var csrfKey = bytes.Repeat([]byte{7}, 32)

func newCookies(t testing.TB, change func(*rs.CookieConfig)) *rs.Cookies {
	t.Helper()
	cfg := rs.CookieConfig{CSRFKeys: [][]byte{csrfKey}, Now: new(clock).Now}
	if change != nil {
		change(&cfg)
	}
	c, err := rs.NewCookies(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func verified(t testing.TB, e edit) *rs.Token {
	t.Helper()
	token, err := newVerifier(t, offline()).Verify(t.Context(), e.token())
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// browser keeps cookies as RFC 6265bis §5.7 tells a browser that has just visited an https page of the host.
func browser(t testing.TB, w *httptest.ResponseRecorder) map[string]*http.Cookie {
	t.Helper()
	kept := map[string]*http.Cookie{}
	for _, line := range w.Header().Values("Set-Cookie") {
		cookie, err := http.ParseSetCookie(line)
		if err != nil {
			t.Fatal(err)
		}
		host, secure := strings.HasPrefix(cookie.Name, "__Host-"), strings.HasPrefix(cookie.Name, "__Secure-")
		switch {
		case (host || secure) && !cookie.Secure, host && (cookie.Path != "/" || cookie.Domain != ""),
			len(cookie.Name)+len(cookie.Value) > 4096:
			t.Errorf("a browser drops %s", cookie.Name)
		default:
			cookie.Raw = ""
			kept[cookie.Name] = cookie
		}
	}
	return kept
}

// F-16, F-58, F-59: what a browser is told, and that it takes all of it.
func TestSetTokenCookie(t *testing.T) {
	t.Parallel()
	token := edit{}.token()
	tok := verified(t, edit{})
	tests := []struct {
		name   string
		change func(*rs.CookieConfig)
		want   []*http.Cookie
	}{
		{"F-59a, F-59b, F-59c, F-59d: defaults", nil, []*http.Cookie{
			{Name: "__Host-access_token", Value: token, Path: "/", MaxAge: 600, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode},
			{Name: "__Host-csrf_token", Path: "/", MaxAge: 600, Secure: true, SameSite: http.SameSiteLaxMode},
		}},
		{"F-58a, F-58b, F-61a: names and a path", func(c *rs.CookieConfig) {
			c.Name, c.Path, c.CSRFName, c.SameSite = "__Secure-api", "/api", "__Host-api-csrf", http.SameSiteStrictMode
		}, []*http.Cookie{
			{Name: "__Secure-api", Value: token, Path: "/api", MaxAge: 600, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode},
			{Name: "__Host-api-csrf", Path: "/", MaxAge: 600, Secure: true, SameSite: http.SameSiteStrictMode},
		}},
		{"F-58b: the default name of a path", func(c *rs.CookieConfig) { c.Path = "/api" }, []*http.Cookie{
			{Name: "__Secure-access_token", Value: token, Path: "/api", MaxAge: 600, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode},
			{Name: "__Host-csrf_token", Path: "/", MaxAge: 600, Secure: true, SameSite: http.SameSiteLaxMode},
		}},
		{"F-60b: no CSRF cookie", func(c *rs.CookieConfig) { c.NoCSRFCookie = true }, []*http.Cookie{
			{Name: "__Host-access_token", Value: token, Path: "/", MaxAge: 600, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode},
		}},
		{"F-59a: insecure, for loopback", func(c *rs.CookieConfig) { c.Insecure = true }, []*http.Cookie{
			{Name: "access_token", Value: token, Path: "/", MaxAge: 600, HttpOnly: true, SameSite: http.SameSiteLaxMode},
			{Name: "csrf_token", Path: "/", MaxAge: 600, SameSite: http.SameSiteLaxMode},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCookies(t, tt.change)
			w := httptest.NewRecorder()

			if err := c.SetTokenCookie(w, tok); err != nil {
				t.Fatal(err)
			}

			want := map[string]*http.Cookie{}
			for _, cookie := range tt.want {
				if cookie.Value == "" {
					cookie.Value = c.CSRFValue(tok)
				}
				want[cookie.Name] = cookie
			}
			if diff := cmp.Diff(want, browser(t, w)); diff != "" {
				t.Error(diff)
			}
			if got := w.Header().Get("Cache-Control"); got != "no-store" {
				t.Errorf("M-25: got Cache-Control %q, want no-store", got)
			}
		})
	}
}

// What a browser would drop, or keep for longer than the token lives, is an error and sets nothing.
func TestSetTokenCookieRefuses(t *testing.T) {
	t.Parallel()
	late := new(clock)
	late.Advance(10 * time.Minute)
	tests := []struct {
		name  string
		clock *clock
		token *rs.Token
		want  error
	}{
		{"no token", new(clock), nil, nil},
		{"a token that nobody verified", new(clock), &rs.Token{ID: "j-1", ExpiresAt: start.Add(time.Hour)}, nil},
		{"F-59d: a token that is over", late, verified(t, edit{}), rs.ErrExpired},
		{"RFC 6265bis §5.6: a token too long for a cookie", new(clock), verified(t, edit{"a": `"` + strings.Repeat("a", 4096) + `"`}), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()

			err := newCookies(t, func(c *rs.CookieConfig) { c.Now = tt.clock.Now }).SetTokenCookie(w, tt.token)

			if err == nil || tt.want != nil && !errors.Is(err, tt.want) || len(w.Header()) > 0 {
				t.Errorf("got error %v and headers %v, want error %v", err, w.Header(), tt.want)
			}
		})
	}
}

// F-18, F-19, F-20, S2-31: each cookie that was set is deleted, with the attributes that a browser knows it by.
func TestClearTokenCookies(t *testing.T) {
	t.Parallel()
	for _, refreshPath := range []string{"", "/session/refresh"} {
		t.Run("refresh path "+refreshPath, func(t *testing.T) {
			t.Parallel()
			c := newCookies(t, func(c *rs.CookieConfig) { c.Path, c.RefreshPath = "/api", refreshPath })
			set, cleared := httptest.NewRecorder(), httptest.NewRecorder()
			if err := c.SetTokenCookie(set, verified(t, edit{})); err != nil {
				t.Fatal(err)
			}
			if err := c.SetRefreshCookie(set, "r", time.Hour); (err == nil) != (refreshPath != "") {
				t.Fatal(err)
			}
			want := browser(t, set)
			for _, cookie := range want {
				cookie.Value, cookie.MaxAge = "", -1
			}

			c.ClearTokenCookies(cleared)

			if diff := cmp.Diff(want, browser(t, cleared)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// F-66: where the token is read from, with GET, so that no CSRF value is needed.
func TestCookieLocation(t *testing.T) {
	t.Parallel()
	good := edit{}.token()
	const name = "__Host-access_token"
	insecure := func(c *rs.CookieConfig) { c.Insecure = true }
	tests := []struct {
		name, host, cookie string
		change             func(*rs.CookieConfig)
		header             string
		want               int
	}{
		{"F-66: the cookie", "a.example", name + "=" + good, nil, "", 200},
		{"F-66: beside others", "a.example", "a=b; " + name + "=" + good + "; c=d", nil, "", 200},
		{"F-66: none", "a.example", "", nil, "", 401},
		{"F-58a: one of another name", "a.example", "access_token=" + good, nil, "", 401},
		{"F-58a: one of another case", "a.example", strings.ToLower(name) + "=" + good, nil, "", 401},
		{"F-24: the header is not read", "a.example", "", nil, "Bearer " + good, 401},
		{"RFC 6750 §2: the header beside it", "a.example", name + "=" + good, nil, "Bearer " + good, 400},
		{"W-11: two cookies of that name", "a.example", name + "=" + good + "; " + name + "=" + good, nil, "", 400},
		{"W-11: invalid bytes", "a.example", name + "=\x7f", nil, "", 401},
		{"W-11: 8 KiB", "a.example", name + "=" + strings.Repeat("a", 8<<10), nil, "", 401},
		{"empty", "a.example", name + "=", nil, "", 400},
		{"F-59a: insecure on loopback", "127.0.0.1:8080", "access_token=" + good, insecure, "", 200},
		{"F-59a: insecure on localhost", "localhost", "access_token=" + good, insecure, "", 200},
		{"F-59a: insecure on [::1]", "[::1]:8080", "access_token=" + good, insecure, "", 200},
		{"F-59a: insecure on the network", "a.example", "access_token=" + good, insecure, "", 400},
		{"F-59a: insecure, no cookie", "a.example", "", insecure, "", 401},
	}
	v := newVerifier(t, offline())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := v.Required(rs.From(rs.Cookie(newCookies(t, tt.change))))(http.HandlerFunc(whoami))
			r := httptest.NewRequest("GET", "/", nil)
			r.Host = tt.host
			r.Header = http.Header{"Cookie": {tt.cookie}}
			if tt.header != "" {
				r.Header.Set("Authorization", tt.header)
			}

			if got := ask(h, r); got.Status != tt.want {
				t.Errorf("got %+v, want status %d", got, tt.want)
			}
		})
	}
}

// An error of NewCookies that nobody looked at opens no route.
func TestCookieOfNil(t *testing.T) {
	t.Parallel()
	h := newVerifier(t, offline()).Optional(rs.From(rs.Cookie(nil)))(http.HandlerFunc(whoami))

	if got := ask(h, httptest.NewRequest("GET", "/", nil)); got.Status != 503 {
		t.Errorf("got %+v, want status 503", got)
	}
}

// M-29: the keys are in nothing that a log could print, and are the verifier's own.
func TestCookiesKeepTheirKeys(t *testing.T) {
	t.Parallel()
	key := bytes.Clone(csrfKey)
	c := newCookies(t, func(c *rs.CookieConfig) { c.CSRFKeys = [][]byte{key} })
	tok := verified(t, edit{})
	before := c.CSRFValue(tok)

	clear(key)

	if c.CSRFValue(tok) != before {
		t.Error("the value changed with the host's slice")
	}
	if got := fmt.Sprintf("%v %+v %#v", c, c, c); strings.Contains(got, "7 7 7 7") || strings.Contains(got, "0x7, 0x7") {
		t.Errorf("keys printed: %s", got)
	}
}
