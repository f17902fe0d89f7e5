package rs_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-authd/authd/authdtest"
	"github.com/go-authd/authd/rs"
)

// J-12, J-13: a token that says where its key is, or brings it along, makes nobody look there: neither at its server nor,
// more often than once, at the issuer.
func TestTokensThatBringTheirKey(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	serve := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		fmt.Fprint(w, set(jwk("k-evil", keyEvil())))
	})
	plain, tls := httptest.NewServer(serve), httptest.NewTLSServer(serve)
	t.Cleanup(plain.Close)
	t.Cleanup(tls.Close)
	i := newIssuer(t, "")
	cfg, _ := i.config()
	cfg.HTTPClient = tls.Client() // would trust it
	v := newVerifier(t, cfg)
	fetched := i.fetches()

	certificates := make([]any, 500)
	for n := range certificates {
		certificates[n] = strings.Repeat("A", 1000)
	}
	evil := authdtest.SignedBy("k-evil", keyEvil())
	tests := []struct {
		name  string
		shape authdtest.Shape
	}{
		{"jku over http", authdtest.Header("jku", plain.URL)},
		{"jku over https", authdtest.Header("jku", tls.URL)},
		{"x5u over http", authdtest.Header("x5u", plain.URL)},
		{"x5u over https", authdtest.Header("x5u", tls.URL)},
		{"jwk", authdtest.Header("jwk", map[string]any{"kty": "RSA", "n": base64url(keyEvil().N.Bytes()), "e": "AQAB"})},
		{"x5c", authdtest.Header("x5c", certificates[:1])},
		{"x5c of 500 certificates", authdtest.Header("x5c", certificates)},
		{"kid as URL, J-04", authdtest.SignedBy(plain.URL, keyEvil())},
	}
	for _, tt := range tests {
		for _, signed := range []authdtest.Shape{evil, authdtest.SignedBy(i.Kid(), keyEvil())} {
			if _, err := v.Verify(t.Context(), i.Token(signed, tt.shape)); !errors.Is(err, rs.ErrInvalid) {
				t.Errorf("%s: got error %v, want ErrInvalid", tt.name, err)
			}
		}
	}

	if asked.Load() != 0 || i.fetches()-fetched > 1 {
		t.Errorf("%d requests to the token's server and %d to the issuer, want none and one at most", asked.Load(), i.fetches()-fetched)
	}
}
