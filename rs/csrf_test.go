package rs_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/rs"
)

const (
	cookieName = "__Host-access_token"
	csrfHeader = "X-Csrf-Token"
)

var crossSite = answer{
	Status: 403, Error: "invalid_request", Challenge: `Bearer error="invalid_request", error_description="cross-site request"`,
}

// F-06, F-60a, F-60c, F-70, F-71, F-72: with a good token in the cookie, a request still has to come from the application.
// F-82: the refusal is 403, since another token would not help.
func TestCSRF(t *testing.T) {
	t.Parallel()
	c := newCookies(t, func(c *rs.CookieConfig) { c.TrustedOrigins = []string{"https://app.example"} })
	tok := verified(t, edit{})
	value := c.CSRFValue(tok)
	other := c.CSRFValue(verified(t, edit{"jti": `"j-2"`}))
	otherIssuer := *tok
	otherIssuer.Issuer = "https://other.example.com"
	foreign := newCookies(t, func(c *rs.CookieConfig) { c.CSRFKeys = [][]byte{bytes.Repeat([]byte{8}, 32)} }).CSRFValue(tok)
	with := func(pairs ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Add(pairs[i], pairs[i+1])
		}
		return h
	}
	user := answer{Status: 200, Body: "usr_1"}
	tests := []struct {
		name, method string
		header       http.Header
		want         answer
	}{
		{"F-60c: GET needs no value", "GET", nil, user},
		{"F-60c: HEAD needs no value", "HEAD", nil, user},
		{"F-60c: OPTIONS needs no value", "OPTIONS", nil, user},
		{"F-60c: GET from another site's link", "GET", with("Sec-Fetch-Site", "cross-site"), user},
		{"F-71, F-60a: POST without a value", "POST", nil, crossSite},
		{"F-60c: PUT", "PUT", nil, crossSite},
		{"F-60c: PATCH", "PATCH", nil, crossSite},
		{"F-60c: DELETE", "DELETE", nil, crossSite},
		{"F-60c: a method that others do not think of", "PROPFIND", nil, crossSite},
		{"F-60c: get is not GET", "get", nil, crossSite},
		{"F-70: POST with the value", "POST", with(csrfHeader, value), user},
		{"F-60c: DELETE with the value", "DELETE", with(csrfHeader, value), user},
		{"F-72: empty", "POST", with(csrfHeader, ""), crossSite},
		{"F-72: another", "POST", with(csrfHeader, "x"), crossSite},
		{"F-72: longer", "POST", with(csrfHeader, value+"A"), crossSite},
		{"F-72: shorter", "POST", with(csrfHeader, value[:42]), crossSite},
		{"F-72: that of another token", "POST", with(csrfHeader, other), crossSite},
		{"F-72: that of another issuer's token of this jti", "POST", with(csrfHeader, c.CSRFValue(&otherIssuer)), crossSite},
		{"F-72: by another key", "POST", with(csrfHeader, foreign), crossSite},
		{"F-72: twice", "POST", with(csrfHeader, value, csrfHeader, value), crossSite},
		{"F-72: only in its cookie", "POST", with("Cookie", "__Host-csrf_token="+value), crossSite},
		{"F-71: same origin", "POST", with(csrfHeader, value, "Sec-Fetch-Site", "same-origin"), user},
		{"F-71: no page at all", "POST", with(csrfHeader, value, "Sec-Fetch-Site", "none"), user},
		{"F-71: another site with the value", "POST", with(csrfHeader, value, "Sec-Fetch-Site", "cross-site", "Origin", "https://b.example"), crossSite},
		{"F-71: a sibling host with the value", "POST", with(csrfHeader, value, "Sec-Fetch-Site", "same-site", "Origin", "https://b.a.example"), crossSite},
		{"F-71: another origin in an older browser", "POST", with(csrfHeader, value, "Origin", "https://b.example"), crossSite},
		{"F-71: an opaque origin", "POST", with(csrfHeader, value, "Origin", "null"), crossSite},
		{"F-71: same origin in an older browser", "POST", with(csrfHeader, value, "Origin", "https://a.example"), user},
		{"F-71: same origin without the value", "POST", with("Sec-Fetch-Site", "same-origin"), crossSite},
		{"F-71: a trusted origin with the value", "POST", with(csrfHeader, value, "Sec-Fetch-Site", "cross-site", "Origin", "https://app.example"), user},
		{"F-71: a trusted origin without the value", "POST", with("Sec-Fetch-Site", "cross-site", "Origin", "https://app.example"), crossSite},
	}
	v := newVerifier(t, offline())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(tt.method, "https://a.example/", nil)
			if tt.header != nil {
				r.Header = tt.header.Clone()
			}
			r.Header.Add("Cookie", cookieName+"="+edit{}.token())

			for name, middleware := range map[string]func(...rs.Requirement) func(http.Handler) http.Handler{"Required": v.Required, "Optional": v.Optional} {
				got := ask(middleware(rs.From(rs.Cookie(c)))(http.HandlerFunc(whoami)), r)
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("%s: %s", name, diff)
				}
			}
		})
	}
}

// F-62a, F-62b, F-60d: where the value comes back.
func TestCSRFPlaces(t *testing.T) {
	t.Parallel()
	value := newCookies(t, nil).CSRFValue(verified(t, edit{}))
	field := func(c *rs.CookieConfig) { c.CSRFField = "csrf_token" }
	tests := []struct {
		name              string
		change            func(*rs.CookieConfig)
		header            http.Header
		contentType, body string
		want              int
	}{
		{"F-62a: a header of another name", func(c *rs.CookieConfig) { c.CSRFHeader = "x-xsrf" }, http.Header{"X-Xsrf": {value}}, "", "", 200},
		{"F-62a: the default header where another is named", func(c *rs.CookieConfig) { c.CSRFHeader = "x-xsrf" }, http.Header{csrfHeader: {value}}, "", "", 403},
		{"F-60d: no field by default", nil, nil, formType, "csrf_token=" + value, 403},
		{"F-60d: no field without a name either", nil, nil, formType, "=" + value, 403},
		{"F-62b: a field", field, nil, formType, "a=b&csrf_token=" + value, 200},
		{"F-62b: a field of another name", field, nil, formType, "csrf=" + value, 403},
		{"F-62b: a field twice", field, nil, formType, "csrf_token=" + value + "&csrf_token=" + value, 403},
		{"F-62b: a field in JSON", field, nil, jsonType, `{"csrf_token":"` + value + `"}`, 403},
		{"F-62b: a form that cannot be read", field, nil, formType, "csrf_token=%zz", 400},
		{"F-60d: the header still counts", field, http.Header{csrfHeader: {value}}, formType, "a=b", 200},
		{"F-60d: a wrong header is not made good by the field", field, http.Header{csrfHeader: {"x"}}, formType, "csrf_token=" + value, 403},
	}
	v := newVerifier(t, offline())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []byte
			h := v.Required(rs.From(rs.Cookie(newCookies(t, tt.change))))(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				got, _ = io.ReadAll(r.Body)
			}))
			r := httptest.NewRequest("POST", "/?csrf_token="+value, strings.NewReader(tt.body))
			if tt.header != nil {
				r.Header = tt.header.Clone()
			}
			r.Header.Set("Content-Type", tt.contentType)
			r.Header.Set("Cookie", cookieName+"="+edit{}.token())

			a := ask(h, r)

			if a.Status != tt.want || a.Status == 200 && string(got) != tt.body {
				t.Errorf("got %+v and body %q, want status %d", a, got, tt.want)
			}
		})
	}
}

// A key can be replaced while pages hold values of the old one, and replicas agree.
func TestCSRFKeyRotation(t *testing.T) {
	t.Parallel()
	old, next := csrfKey, bytes.Repeat([]byte{8}, 32)
	with := func(keys ...[]byte) *rs.Cookies {
		return newCookies(t, func(c *rs.CookieConfig) { c.CSRFKeys = keys })
	}
	tests := []struct {
		name          string
		makes, checks *rs.Cookies
		want          int
	}{
		{"replicas with one key", with(old), with(old), 200},
		{"the new key is known before it makes values", with(old, next), with(next, old), 200},
		{"and the old one after", with(next, old), with(old, next), 200},
		{"the old key is gone", with(old), with(next), 403},
	}
	v := newVerifier(t, offline())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest("POST", "/", nil)
			r.Header.Set("Cookie", cookieName+"="+edit{}.token())
			r.Header.Set(csrfHeader, tt.makes.CSRFValue(verified(t, edit{})))

			got := ask(v.Required(rs.From(rs.Cookie(tt.checks)))(http.HandlerFunc(whoami)), r)

			if got.Status != tt.want {
				t.Errorf("got %+v, want status %d", got, tt.want)
			}
		})
	}
}

// CSRF is about cookies: a token that no browser adds by itself needs no value, on a route that takes both.
func TestCSRFIsForCookiesOnly(t *testing.T) {
	t.Parallel()
	h := newVerifier(t, offline()).Required(rs.From(rs.Header(), rs.Cookie(newCookies(t, nil))))(http.HandlerFunc(whoami))
	header := httptest.NewRequest("POST", "/", nil)
	header.Header.Set("Authorization", "Bearer "+edit{}.token())
	cookie := httptest.NewRequest("POST", "/", nil)
	cookie.Header.Set("Cookie", cookieName+"="+edit{}.token())

	if got := ask(h, header); got.Status != 200 {
		t.Errorf("header: got %+v, want status 200", got)
	}
	if diff := cmp.Diff(crossSite, ask(h, cookie)); diff != "" {
		t.Error("cookie:", diff)
	}
}

// F-95: a bad token is refused for what it is; the CSRF check needs its jti.
func TestCSRFComesAfterTheToken(t *testing.T) {
	t.Parallel()
	var got error
	cfg := offline()
	cfg.OnError = func(_ http.ResponseWriter, _ *http.Request, err *rs.Error) { got = err }
	h := newVerifier(t, cfg).Required(rs.From(rs.Cookie(newCookies(t, nil))))(http.HandlerFunc(whoami))
	for token, want := range map[string]error{
		edit{}.token(): rs.ErrCSRF,
		edit{"iat": "1699999000", "exp": "1699999600"}.token(): rs.ErrExpired,
		forge(goodHeader, edit{}.payload(), keyEvil()):         rs.ErrInvalid,
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set("Cookie", cookieName+"="+token)

		h.ServeHTTP(httptest.NewRecorder(), r)

		if !errors.Is(got, want) {
			t.Errorf("got error %v, want %v", got, want)
		}
	}
}

// F-97: OPTIONS and HEAD are verified as any method is. A CORS preflight carries no token, so what answers it stands
// outside of the middleware.
func TestOptionsIsVerified(t *testing.T) {
	t.Parallel()
	h := newVerifier(t, offline()).Required()(http.HandlerFunc(whoami))
	for _, method := range []string{"OPTIONS", "HEAD"} {
		r := httptest.NewRequest(method, "/", nil)
		r.Header.Set("Origin", "https://app.example")
		r.Header.Set("Access-Control-Request-Method", "POST")

		if got := ask(h, r); got.Status != 401 {
			t.Errorf("%s: got %+v, want status 401", method, got)
		}
	}
}
