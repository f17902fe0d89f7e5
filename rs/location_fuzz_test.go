package rs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-authd/authd/rs"
)

// fuzzed is a route that says by its status what it made of the request; whatever it was, it is no fault of ours, and
// only a token that exists gets in.
func fuzzed(t *testing.T, v *rs.Verifier, r *http.Request, reqs ...rs.Requirement) (admitted bool) {
	t.Helper()
	got := ask(v.Required(reqs...)(http.HandlerFunc(whoami)), r)
	if !slices.Contains([]int{200, 400, 401, 403}, got.Status) {
		t.Fatalf("got %+v", got)
	}
	return got.Status == 200
}

// M-11: the scheme and one word, and nothing that only looks like it.
func FuzzHeader(f *testing.F) {
	good := edit{}.token()
	for _, header := range []string{"Bearer " + good, "bearer  " + good, "Basic-Bearer " + good, "Basic " + good + " Bearer", "Bearer", "Bearer\t" + good, "Bearer " + good + ", Bearer x", ""} {
		f.Add(header)
	}
	v := newVerifier(f, offline())
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Authorization"] = []string{header}

		scheme, rest, _ := strings.Cut(header, " ")
		want := strings.EqualFold(scheme, "Bearer") && strings.TrimLeft(rest, " ") == good
		if got := fuzzed(t, v, r); got != want {
			t.Errorf("got %t for %q, want %t", got, header, want)
		}
		r.Header = http.Header{"X-Token": {header}}
		if got := fuzzed(t, v, r, rs.From(rs.HeaderNamed("X-Token", ""))); got != (header == good) {
			t.Errorf("without scheme: got %t for %q", got, header)
		}
	})
}

func FuzzQuery(f *testing.F) {
	good := edit{}.token()
	for _, query := range []string{"jwt=" + good, "%6awt=" + good, "jwt=" + good + "&jwt=", "jwt=" + good + ";a=b", "access_token=&jwt=" + good, "%"} {
		f.Add(query)
	}
	v := newVerifier(f, offline())
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.RawQuery = query

		values, err := url.ParseQuery(query)
		want := err == nil && slices.Equal(values["jwt"], []string{good}) && !values.Has("access_token")
		if got := fuzzed(t, v, r, rs.From(rs.Query("jwt"))); got != want {
			t.Errorf("got %t for %q, want %t", got, query, want)
		}
		if fuzzed(t, v, r) {
			t.Errorf("admitted %q where the query is not read", query)
		}
	})
}

// The handler gets the body that was sent, whatever the locations made of it.
func FuzzBody(f *testing.F) {
	good := edit{}.token()
	f.Add(formType, []byte("t="+good))
	f.Add(formType, []byte("t="+good+"&t=%"))
	f.Add(jsonType, []byte(`{"t":"`+good+`"}`))
	f.Add(jsonType, []byte(`{"t":"`+good+`","\u0074":"x"}`))
	f.Add(jsonType, []byte(strings.Repeat("[", 100)))
	f.Add(jsonType+"; a=\"", []byte("{"))
	v := newVerifier(f, offline())
	from := rs.From(rs.Form("t"), rs.JSON("t"))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
		r.Header["Content-Type"] = []string{contentType}

		form, _ := url.ParseQuery(string(body))
		var object map[string]any
		_ = json.Unmarshal(body, &object)
		if fuzzed(t, v, r, from) && !slices.Equal(form["t"], []string{good}) && object["t"] != good {
			t.Errorf("admitted %q as %s", body, contentType)
		}
		if left, err := io.ReadAll(r.Body); err != nil || !bytes.Equal(left, body) {
			t.Errorf("left %q, error %v, of %q", left, err, body)
		}
	})
}

// No value but the token's own opens a POST, and no cookie but the token's.
func FuzzCookie(f *testing.F) {
	good := edit{}.token()
	c := newCookies(f, func(c *rs.CookieConfig) { c.CSRFField, c.RefreshPath = "csrf", "/r" })
	value := c.CSRFValue(verified(f, edit{}))
	f.Add(cookieName+"="+good, value, "csrf="+value)
	f.Add(cookieName+"=\""+good+"\"", "", "csrf="+value)
	f.Add(cookieName+"="+good+"; "+cookieName+"=", value[1:], "csrf=%")
	f.Add("__Secure-refresh_token=r; ;=", value+" ", "")
	v := newVerifier(f, offline())
	f.Fuzz(func(t *testing.T, cookie, header, form string) {
		r := httptest.NewRequest("POST", "/", strings.NewReader(form))
		r.Header = http.Header{"Cookie": {cookie}, csrfHeader: {header}, "Content-Type": {formType}, "Origin": {"http://example.com"}}

		if got := fuzzed(t, v, r, rs.From(rs.Cookie(c))); got && (header != value || !strings.Contains(cookie, good)) {
			t.Errorf("admitted %q with %q", cookie, header)
		}
		r.Header.Del(csrfHeader)
		if got := fuzzed(t, v, r, rs.From(rs.Cookie(c))); got && !strings.Contains(form, "=") {
			t.Errorf("admitted %q with the form %q", cookie, form)
		}
		if token, err := c.RefreshToken(r); (err == nil) != (token != "") || err != nil && !errors.Is(err, rs.ErrMissing) && !errors.Is(err, rs.ErrMalformed) {
			t.Errorf("refresh: got %q, error %v", token, err)
		}
	})
}
