package rs_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-authd/authd/rs"
)

// Whatever arrives, it is admitted with a token that exists or refused as the table says: no panic, no 5xx, and no answer
// that HTTP would split.
func FuzzVerifyRequest(f *testing.F) {
	good := edit{}.token()
	over := edit{"iat": "1699999000", "exp": "1699999600"}.token()
	f.Add("GET", "/?access_token="+good, "Authorization", "Bearer "+good, "", "", uint8(0))
	f.Add("POST", "/?jwt="+over, "Cookie", "__Host-access_token="+good, formType, "access_token="+good, uint8(1))
	f.Add("OPTIONS", "/", "Access-Control-Request-Method", "POST", "application/json", `{"access_token":"`+good+`"}`, uint8(255))
	f.Add("PUT", "/", "X-Token", good, "multipart/form-data; boundary=x", "--x", uint8(6))
	f.Add("POST", "/%zz?;", "authorization", "Bearer\x00", formType, "%zz", uint8(9))
	cfg := offline()
	cfg.AllowPreflight = true
	cfg.Realm = "r\r\n"
	first := newVerifier(f, cfg)
	v, err := rs.Any(first, newVerifier(f, second()))
	if err != nil {
		f.Fatal(err)
	}
	choices := []rs.Requirement{
		rs.From(rs.Header(), rs.Query("jwt"), rs.Form("access_token"), rs.JSON("access_token")),
		rs.From(rs.HeaderNamed("X-Token", "")),
		rs.Scopes("read"), rs.AnyScope("none", "write"), rs.MaxAge(time.Hour), rs.Claims("sid"), rs.Fresh(), rs.AllowExpired(time.Hour),
	}
	f.Fuzz(func(t *testing.T, method, target, name, value, contentType, body string, choice uint8) {
		r := httptest.NewRequest("GET", "/", strings.NewReader(body))
		if u, err := r.URL.Parse(target); err == nil {
			r.URL = u
		}
		r.Method = method
		r.Header[http.CanonicalHeaderKey(name)] = []string{value}
		r.Header.Add("Content-Type", contentType)
		var reqs []rs.Requirement
		for i, req := range choices {
			if choice&(1<<i) != 0 {
				reqs = append(reqs, req)
			}
		}

		tok, err := v.VerifyRequest(r, reqs...)
		peeked, _ := rs.PeekHeader(value)
		again := ask(v.Optional(reqs...)(http.HandlerFunc(whoami)), r)

		if err == nil && (tok.ID != "j-1" || tok.Expired && choice < 1<<7) { // good's and over's, which alone are signed
			t.Fatalf("admitted %+v", tok)
		}
		refusal, ok := errors.AsType[*rs.Error](err)
		if (err != nil) != ok || ok && !slices.Contains([]int{400, 401, 403}, refusal.Status) {
			t.Fatalf("got error %v", err)
		}
		if ok && (!strings.HasPrefix(refusal.Challenge, "Bearer ") || strings.ContainsAny(refusal.Challenge, "\r\n")) {
			t.Fatalf("got challenge %q", refusal.Challenge)
		}
		if again.Status >= 500 || len(peeked.Kid) > 8<<10 {
			t.Fatalf("got %+v, %+v", again, peeked)
		}
	})
}
