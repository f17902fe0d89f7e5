package rs_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/rs"
)

// F-17, F-58c, F-58d: the refresh token goes to one route, by POST from the application's pages.
func TestRefreshCookie(t *testing.T) {
	t.Parallel()
	c := newCookies(t, func(c *rs.CookieConfig) {
		c.RefreshPath, c.TrustedOrigins = "/session/refresh", []string{"https://app.example"}
	})
	w := httptest.NewRecorder()
	if err := c.SetRefreshCookie(w, "r.1", 30*24*time.Hour); err != nil {
		t.Fatal(err)
	}
	want := map[string]*http.Cookie{"__Secure-refresh_token": {
		Name: "__Secure-refresh_token", Value: "r.1", Path: "/session/refresh", MaxAge: 2_592_000,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}}
	if diff := cmp.Diff(want, browser(t, w)); diff != "" {
		t.Error(diff)
	}
	const cookie = "__Secure-refresh_token=r.1"
	tests := []struct {
		name, method, cookie string
		header               http.Header
		want                 error
	}{
		{"from the application's page", "POST", cookie, http.Header{"Sec-Fetch-Site": {"same-origin"}}, nil},
		{"from the application's page in an older browser", "POST", cookie, http.Header{"Origin": {"https://a.example"}}, nil},
		{"from a trusted origin", "POST", cookie, http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://app.example"}}, nil},
		{"from another site", "POST", cookie, http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://b.example"}}, rs.ErrCSRF},
		{"from a sibling host", "POST", cookie, http.Header{"Sec-Fetch-Site": {"same-site"}, "Origin": {"https://b.a.example"}}, rs.ErrCSRF},
		{"from an opaque origin", "POST", cookie, http.Header{"Origin": {"null"}}, rs.ErrCSRF},
		{"from nobody knows where", "POST", cookie, nil, rs.ErrCSRF},
		{"S2-24: by GET", "GET", cookie, http.Header{"Sec-Fetch-Site": {"same-origin"}}, rs.ErrCSRF},
		{"without a cookie", "POST", "", http.Header{"Sec-Fetch-Site": {"same-origin"}}, rs.ErrMissing},
		{"two cookies", "POST", cookie + "; " + cookie, http.Header{"Sec-Fetch-Site": {"same-origin"}}, rs.ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(tt.method, "https://a.example/session/refresh", nil)
			if tt.header != nil {
				r.Header = tt.header.Clone()
			}
			r.Header.Set("Cookie", tt.cookie)

			token, err := c.RefreshToken(r)

			if !errors.Is(err, tt.want) || (err == nil) != (token == "r.1") {
				t.Errorf("got %q, error %v, want error %v", token, err, tt.want)
			}
		})
	}
}

func TestRefreshCookieRefuses(t *testing.T) {
	t.Parallel()
	none, some := newCookies(t, nil), newCookies(t, func(c *rs.CookieConfig) { c.RefreshPath = "/r" })
	tests := []struct {
		name    string
		cookies *rs.Cookies
		token   string
		life    time.Duration
	}{
		{"no RefreshPath", none, "r", time.Hour},
		{"empty", some, "", time.Hour},
		{"no value of a cookie", some, "a;b", time.Hour},
		{"over", some, "r", 0},
		{"too long", some, strings.Repeat("r", 4096), time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()

			if err := tt.cookies.SetRefreshCookie(w, tt.token, tt.life); err == nil || len(w.Header()) > 0 {
				t.Errorf("got error %v, headers %v", err, w.Header())
			}
		})
	}
	if _, err := none.RefreshToken(httptest.NewRequest("POST", "/", nil)); !errors.Is(err, rs.ErrUnavailable) {
		t.Errorf("RefreshToken without RefreshPath: got error %v, want ErrUnavailable", err)
	}
}
