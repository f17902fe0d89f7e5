package rs_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/go-authd/authd/rs"
)

// Whoever cannot sign can only repeat the tokens that exist: whatever else is accepted was forged.
func FuzzToken(f *testing.F) {
	tokens := []string{edit{}.token(), edit{"scope": "", "aud": `["` + testAudience + `","b"]`, "exp": "1700000060.5"}.token()}
	for _, raw := range tokens {
		f.Add(raw)
	}
	f.Add(forge(goodHeader, edit{}.payload(), keyEvil()))
	f.Add(forge(`{"alg":"none","kid":"k-at","typ":"at+jwt"}`, edit{}.payload(), keyAT()))
	f.Add("..")
	v := newVerifier(f, offline())
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := v.Verify(t.Context(), raw)
		if err == nil && (got == nil || !slices.Contains(tokens, raw)) {
			t.Fatalf("accepted %q as %+v", raw, got)
		}
		if err != nil && !errors.Is(err, rs.ErrInvalid) {
			t.Fatalf("got error %v, want ErrInvalid", err)
		}
	})
}

// The claims of a token that the issuer did sign are no reason to panic either, nor is the answer ever 5xx.
func FuzzClaims(f *testing.F) {
	f.Add(edit{}.payload(), "Bearer")
	f.Add(`{"aud":[null],"exp":1e999}`, "bearer ")
	v := newVerifier(f, offline())
	h := v.Optional(rs.Scopes("read"))(http.HandlerFunc(whoami))
	f.Fuzz(func(t *testing.T, payload, scheme string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", scheme+" "+forge(goodHeader, payload, keyAT()))
		got := ask(h, r)
		if got.Status >= 500 || strings.ContainsAny(got.Challenge, "\r\n") {
			t.Errorf("got %+v", got)
		}
	})
}
