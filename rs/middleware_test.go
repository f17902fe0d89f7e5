package rs_test

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/rs"
)

// whoami answers with the subject, or "anonymous".
func whoami(w http.ResponseWriter, r *http.Request) {
	t, ok := rs.FromContext(r.Context())
	if !ok {
		t = &rs.Token{Subject: "anonymous"}
	}
	fmt.Fprint(w, t.Subject)
}

type answer struct {
	Status                             int
	Challenge, Error, Body, RetryAfter string
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func ask(h http.Handler, r *http.Request) answer {
	w := serve(h, r)
	a := answer{Status: w.Code, Challenge: w.Header().Get("WWW-Authenticate"), RetryAfter: w.Header().Get("Retry-After")}
	if w.Code == http.StatusOK {
		a.Body = w.Body.String()
		return a
	}
	var body struct{ Error string }
	_ = json.Unmarshal(w.Body.Bytes(), &body)
	a.Error = body.Error
	if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Content-Type") != "application/json" {
		a.Body = fmt.Sprint("headers ", w.Header())
	}
	return a
}

// F-14, F-21, S0-13, M-19, Flask-JWT J-10: the table of answers, missing, malformed, expired, invalid, scope missing.
// F-14: the decorator, with and without optional.
func TestMiddleware(t *testing.T) {
	t.Parallel()
	good := edit{}.token()
	user := answer{Status: 200, Body: "usr_1"}
	anonymous := answer{Status: 200, Body: "anonymous"}
	missing := answer{Status: 401, Challenge: `Bearer realm="https://api.example.com"`, Error: "missing_token"}
	malformed := answer{Status: 400, Challenge: `Bearer error="invalid_request"`, Error: "invalid_request"}
	invalid := answer{Status: 401, Challenge: `Bearer error="invalid_token", error_description="token invalid"`, Error: "invalid_token"}
	expired := answer{Status: 401, Challenge: `Bearer error="invalid_token", error_description="token expired"`, Error: "invalid_token"}
	scope := answer{Status: 403, Challenge: `Bearer error="insufficient_scope", scope="read"`, Error: "insufficient_scope"}
	tests := []struct {
		name               string
		headers            []string
		required, optional answer
	}{
		{"no credentials, J-47, RFC 6750 §3.1", nil, missing, anonymous},
		{"empty header", []string{""}, missing, anonymous},
		{"Basic, F-98, S4-13", []string{"Basic dTpw"}, missing, anonymous},
		{"Basic with the word Bearer behind it, S4-12", []string{"Basic " + good + " Bearer"}, missing, anonymous},
		{"longer scheme, S4-12", []string{"Basic-Bearer " + good}, missing, anonymous},
		{"good token, S0-10", []string{"Bearer " + good}, user, user},
		{"scheme in lower case, J-46, S1-17", []string{"bearer " + good}, user, user},
		{"scheme in capitals, F-99", []string{"BEARER " + good}, user, user},
		{"several spaces, RFC 6750 §2.1", []string{"Bearer   " + good}, user, user},
		{"scheme alone, S1-20, S4-12", []string{"Bearer"}, malformed, malformed},
		{"scheme and a space, S1-20", []string{"Bearer "}, malformed, malformed},
		{"two words, S1-20, J-52", []string{"Bearer " + good + " " + good}, malformed, malformed},
		{"tab in place of the space", []string{"Bearer\t" + good}, malformed, malformed},
		{"two credentials with a comma and a space, F-100", []string{"Bearer " + good + ", Bearer " + good}, malformed, malformed},
		{"two headers, J-46", []string{"Bearer " + good, "Bearer " + good}, malformed, malformed},
		{"two headers, one of another scheme, J-46", []string{"Basic dTpw", "Bearer " + good}, malformed, malformed},
		{"two tokens with a comma, J-52", []string{"Bearer " + good + "," + good}, invalid, invalid},
		{"garbage, S0-15, S4-14", []string{"Bearer garbage"}, invalid, invalid},
		{"scheme inside the token, S0-18", []string{"Bearer Bearer" + good}, invalid, invalid},
		{"1 MiB, J-36", []string{"Bearer " + strings.Repeat("A", 1<<20)}, invalid, invalid},
		{"another key", []string{"Bearer " + forge(goodHeader, edit{}.payload(), keyEvil())}, invalid, invalid},
		{"expired, S4-06", []string{"Bearer " + edit{"iat": "1699999000", "exp": "1699999600"}.token()}, expired, expired},
		{"scope missing, J-48", []string{"Bearer " + edit{"scope": `"write"`}.token()}, scope, scope},
	}
	v := newVerifier(t, offline())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest("GET", "/", nil)
			r.Header["Authorization"] = tt.headers

			required := ask(v.Required(rs.Scopes("read"))(http.HandlerFunc(whoami)), r)
			optional := ask(v.Optional(rs.Scopes("read"))(http.HandlerFunc(whoami)), r)

			if diff := cmp.Diff(tt.required, required); diff != "" {
				t.Error("Required:", diff)
			}
			if diff := cmp.Diff(tt.optional, optional); diff != "" {
				t.Error("Optional:", diff)
			}
		})
	}
}

const formType = "application/x-www-form-urlencoded"

// J-46: a token in query or form is never accepted, and beside one in the header it is refused (RFC 6750 §2).
// F-63a, F-64a: nobody reads ?jwt= or a member of the body unless the route says so.
func TestTokenElsewhere(t *testing.T) {
	t.Parallel()
	good := edit{}.token()
	tests := []struct {
		name, target, contentType, body string
		bearer                          bool
		want                            int
	}{
		{"query alone", "/?access_token=" + good, "", "", false, 401},
		{"header and query", "/?access_token=x", "", "", true, 400},
		{"header and empty query parameter", "/?access_token=", "", "", true, 400},
		{"header and another query", "/?access_token2=x", "", "", true, 200},
		{"form alone", "/", formType, "access_token=" + good, false, 401},
		{"header and form", "/", formType, "a=b&access_token=x", true, 400},
		{"header and form with charset", "/", formType + "; charset=utf-8", "access_token=x", true, 400},
		{"header and another form", "/", formType, "a=b", true, 200},
		{"header and a broken form", "/", formType, "%zz&access_token=x", true, 400},
		{"header and JSON that looks like a form", "/", "application/json", "access_token=x", true, 200},
	}
	v := newVerifier(t, offline())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest("POST", tt.target, strings.NewReader(tt.body))
			r.Header.Set("Content-Type", tt.contentType)
			if tt.bearer {
				r.Header.Set("Authorization", "Bearer "+good)
			}

			if got := ask(v.Required()(http.HandlerFunc(whoami)), r); got.Status != tt.want {
				t.Errorf("got %+v, want status %d", got, tt.want)
			}
		})
	}
}

// Looking for a token in a form leaves the handler the whole body, and the error at its end if there is one.
func TestBodyIsLeftAlone(t *testing.T) {
	t.Parallel()
	long := "a=" + strings.Repeat("b", 200<<10)
	errCut := errors.New("cut")
	tests := []struct {
		name string
		body io.Reader
		want error
	}{
		{"longer than what is looked at", strings.NewReader(long), nil},
		{"cut short", io.MultiReader(strings.NewReader("a=b"), iotest.ErrReader(errCut)), errCut},
	}
	v := newVerifier(t, offline())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var body []byte
			var err error
			h := v.Required()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				body, err = io.ReadAll(r.Body)
			}))
			r := httptest.NewRequest("POST", "/", tt.body)
			r.Header.Set("Content-Type", formType)
			r.Header.Set("Authorization", "Bearer "+edit{}.token())

			ask(h, r)

			if !errors.Is(err, tt.want) || tt.want == nil && string(body) != long {
				t.Errorf("handler read %d bytes, error %v, want error %v", len(body), err, tt.want)
			}
		})
	}
}

func TestFormParsedOutside(t *testing.T) {
	t.Parallel()
	h := newVerifier(t, offline()).Required()(http.HandlerFunc(whoami))
	r := httptest.NewRequest("POST", "/", strings.NewReader("access_token=x"))
	r.Header.Set("Content-Type", formType)
	r.Header.Set("Authorization", "Bearer "+edit{}.token())
	if err := r.ParseForm(); err != nil {
		t.Fatal(err)
	}

	if got := ask(h, r); got.Status != 400 {
		t.Errorf("got %+v, want status 400", got)
	}
}

type failingKeys struct{}

func (failingKeys) PublicKey(context.Context, string) (crypto.PublicKey, error) {
	return nil, errors.New("database is down")
}

// F-92: an outage is no verdict on the token: clients throw tokens away on 401.
func TestKeysUnavailable(t *testing.T) {
	t.Parallel()
	cfg := offline()
	cfg.Keys = failingKeys{}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+edit{}.token())

	got := ask(newVerifier(t, cfg).Required()(http.HandlerFunc(whoami)), r)

	want := answer{Status: 503, Error: "temporarily_unavailable", RetryAfter: "30"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestOnError(t *testing.T) {
	t.Parallel()
	cfg := offline()
	cfg.OnError = func(w http.ResponseWriter, _ *http.Request, err *rs.Error) {
		w.Header().Set("WWW-Authenticate", err.Challenge)
		w.WriteHeader(err.Status + 1)
	}
	v := newVerifier(t, cfg)

	got := ask(v.Required()(http.HandlerFunc(whoami)), httptest.NewRequest("GET", "/", nil))

	if got.Status != 402 || got.Challenge != `Bearer realm="https://api.example.com"` {
		t.Errorf("got %+v, want OnError's answer", got)
	}
}

func TestRealmIsQuoted(t *testing.T) {
	t.Parallel()
	cfg := offline()
	cfg.Audience = "a\"b\\c\r\né"
	v := newVerifier(t, cfg)

	got := ask(v.Required()(http.HandlerFunc(whoami)), httptest.NewRequest("GET", "/", nil))

	if want := `Bearer realm="a\"b\\c???"`; got.Challenge != want {
		t.Errorf("got challenge %s, want %s", got.Challenge, want)
	}
}

// S0-11, F-07: outside of requests there is nobody, and no panic.
func TestFromContextWithoutMiddleware(t *testing.T) {
	t.Parallel()
	if tok, ok := rs.FromContext(t.Context()); ok || tok != nil {
		t.Errorf("got %v, %t outside a request", tok, ok)
	}
}
