package rs_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-authd/authd/authdtest"
	"github.com/go-authd/authd/rs"
)

func TestNew(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "/", "/tenants/a", "/tenants/a/"} {
		t.Run("issuer with path "+path+", RFC 8414 §3.1", func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t, path)
			cfg, _ := i.config()

			if _, err := newVerifier(t, cfg).Verify(t.Context(), i.Token()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestNewFails(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(issuer)
	}{
		{"metadata of another issuer, RFC 8414 §3.3", func(i issuer) {
			i.describe(`{"issuer":"https://evil.example","jwks_uri":"` + i.URL + authdtest.JWKSPath + `"}`)
		}},
		{"issuer with a slash more, RFC 8414 §3.3", func(i issuer) {
			i.describe(`{"issuer":"` + i.URL + `/","jwks_uri":"` + i.URL + authdtest.JWKSPath + `"}`)
		}},
		{"issuer twice", func(i issuer) {
			i.describe(`{"issuer":"x","issuer":"` + i.URL + `","jwks_uri":"` + i.URL + authdtest.JWKSPath + `"}`)
		}},
		{"metadata as HTML", func(i issuer) { i.describe("<html>") }},
		{"no jwks_uri", func(i issuer) { i.describe(`{"issuer":"` + i.URL + `"}`) }},
		{"jwks_uri in the clear", func(i issuer) {
			i.describe(`{"issuer":"` + i.URL + `","jwks_uri":"http://id.example.com/jwks.json"}`)
		}},
		{"no keys", func(i issuer) { i.EmptyJWKS() }},
		{"keys not found", func(i issuer) { i.Handle(authdtest.JWKSPath, http.NotFound) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t, "")
			tt.change(i)
			cfg, _ := i.config()
			if v, err := rs.New(t.Context(), cfg); err == nil {
				_ = v.Close()
				t.Error("accepted")
			}
		})
	}
}

// J-08: what anybody can invent must not become load on the issuer, nor wait for it one by one.
// P-21, X-21: PyJWT fetches for each of them.
func TestJunkKidsCostOneFetch(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, "")
	cfg, _ := i.config()
	v := newVerifier(t, cfg)
	good := i.Token()
	signature := good[strings.LastIndex(good, "."):]

	junk := func(round int) {
		var wg sync.WaitGroup
		for worker := range 20 {
			wg.Go(func() {
				for n := range 500 {
					header := fmt.Sprintf(`{"alg":"RS256","kid":"junk-%d-%d-%d","typ":"at+jwt"}`, round, worker, n)
					if _, err := v.Verify(t.Context(), base64url([]byte(header))+".e30"+signature); !errors.Is(err, rs.ErrInvalid) {
						t.Errorf("got error %v, want ErrInvalid", err)
					}
				}
			})
		}
		wg.Wait()
	}
	fetchesBefore := i.fetches()
	for round := range 3 {
		junk(round)
		if got := i.fetches() - fetchesBefore; got != round+1 {
			t.Errorf("%d fetches after %d times 10 000 junk kids, 30 s apart; want one each", got, round+1)
		}
		i.Advance(30 * time.Second)
	}
	if _, err := v.Verify(t.Context(), good); err != nil {
		t.Error(err)
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, "")
	cfg, _ := i.config()
	v := newVerifier(t, cfg)
	oldToken := i.Token()
	verify := func(token string, want error) {
		t.Helper()
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, want) {
			t.Errorf("got error %v, want %v", err, want)
		}
	}

	i.RotateKey()
	newToken := i.Token()
	verify(newToken, nil) // an unknown kid is fetched at once
	verify(oldToken, nil)

	i.ExpireKeys()        // J-09: the old key is withdrawn
	verify(oldToken, nil) // nobody knows yet
	verify(i.Token(authdtest.UnknownKid()), rs.ErrInvalid)
	verify(oldToken, nil) // no fetch within 30 s of the last
	i.Advance(30 * time.Second)
	verify(i.Token(authdtest.UnknownKid()), rs.ErrInvalid)
	verify(oldToken, rs.ErrInvalid)
	verify(newToken, nil)
}

// Contract of the cache: whoever's key is in memory does not wait for the network.
// P-18: the cache of keys.
func TestKnownKeysDoNotWait(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, "")
	cfg, _ := i.config()
	v := newVerifier(t, cfg)
	oldToken := i.Token()
	i.RotateKey()
	newToken := i.Token()
	arrived, release := i.HangJWKS()
	waiting := make(chan error)
	go func() {
		_, err := v.Verify(context.Background(), newToken)
		waiting <- err
	}()
	<-arrived

	if _, err := v.Verify(t.Context(), oldToken); err != nil {
		t.Error(err)
	}
	// Whoever waits may leave; the fetch goes on for the others.
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Verify(gone, newToken); !errors.Is(err, rs.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want ErrUnavailable and context.Canceled", err)
	}

	release()
	if err := <-waiting; err != nil {
		t.Error(err)
	}
}

// J-51: whatever the endpoint answers, the last good set stays, and the failure is logged.
// P-22, X-16: PyJWT forgets the keys that it had.
func TestPoisonedJWKS(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, set(jwk("k-new", keyNew())))
	}))
	t.Cleanup(elsewhere.Close)
	padding := `{"pad":"` + strings.Repeat("x", 10<<20) + `",` + set(jwk("k-new", keyNew()))[1:]
	write := func(doc string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, doc) }
	}
	tests := []struct {
		name string
		h    http.HandlerFunc
	}{
		{"HTML with status 200", write("<html>it works</html>")},
		{"empty set", write(`{"keys":[]}`)},
		{"no set", write(`{}`)},
		{"array", write(`[]`)},
		{"null", write(`null`)},
		{"nothing", write("")},
		{"only keys that cannot be used", write(set(jwk("k-new", keyNew(), `"use":"enc"`)))},
		{"10 MiB", write(padding)},
		{"gzip bomb", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			fmt.Fprint(z, padding)
			_ = z.Close()
		}},
		{"redirect to another host", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		}},
		{"redirect to itself", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, authdtest.JWKSPath, http.StatusFound)
		}},
		{"304 without being asked", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) }},
		{"500", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }},
		{"connection cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t, "")
			i.publish(jwk(i.Kid(), keyAT())) // without an ETag, so that nobody asks for 304
			cfg, log := i.config()
			v := newVerifier(t, cfg)
			i.Handle(authdtest.JWKSPath, tt.h)

			_, err := v.Verify(t.Context(), i.Token(authdtest.SignedBy("k-new", keyNew())))
			if !errors.Is(err, rs.ErrUnavailable) {
				t.Errorf("unknown kid: got error %v, want ErrUnavailable", err)
			}
			if _, err := v.Verify(t.Context(), i.Token()); err != nil {
				t.Errorf("known kid: %v", err)
			}
			if !strings.Contains(log.String(), "keys not refreshed") {
				t.Errorf("log is %q", log)
			}
		})
	}
}

// J-10, J-50: only keys that can verify RS256 are taken from the set, each kid once.
func TestKeySelection(t *testing.T) {
	t.Parallel()
	n := func(bits uint) *big.Int {
		return new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), bits-1), big.NewInt(1))
	}
	i := newIssuer(t, "")
	i.publish(
		`"no object"`,
		`{"kty":"oct","kid":"k-at","k":"c2VjcmV0","alg":"HS256"}`,
		`{"kty":"EC","kid":"k-ec","crv":"P-256","x":"AA","y":"AA"}`,
		`{"kty":"future","kid":"k-x"}`,
		jwk("k-enc", keyNew(), `"use":"enc"`),
		jwk("k-ps", keyNew(), `"alg":"PS256"`),
		jwk("k-ops", keyNew(), `"key_ops":["encrypt"]`),
		jwk("k-no-ops", keyNew(), `"key_ops":"verify"`),
		jwk("k-private", keyNew(), `"d":"AQAB"`),
		jwk("k-half-private", keyNew(), `"p":"AQAB"`),
		jwk("", keyNew()),
		rawJWK("k-1024", n(1024), 65537),
		rawJWK("k-16384", n(16384), 65537),
		rawJWK("k-even", new(big.Int).Lsh(big.NewInt(1), 2047), 65537),
		rawJWK("k-e1", keyNew().N, 1),
		jwk("k-at", keyAT(), `"use":"sig"`, `"alg":"RS256"`, `"x5t":"`+strings.Repeat("A", 27)+`"`, `"key_ops":["verify"]`),
		jwk("k-at", keyEvil()),
	)
	cfg, log := i.config()
	v := newVerifier(t, cfg)

	if _, err := v.Verify(t.Context(), i.Token(authdtest.SignedBy("k-at", keyAT()))); err != nil {
		t.Error(err)
	}
	if _, err := v.Verify(t.Context(), i.Token(authdtest.SignedBy("k-at", keyEvil()))); !errors.Is(err, rs.ErrInvalid) {
		t.Errorf("second key of a kid: got error %v, want ErrInvalid", err)
	}
	for _, kid := range []string{"k-enc", "k-ps", "k-ops", "k-no-ops", "k-private", "k-half-private", "k-ec", "k-x"} {
		if _, err := v.Verify(t.Context(), i.Token(authdtest.SignedBy(kid, keyNew()))); !errors.Is(err, rs.ErrInvalid) {
			t.Errorf("%s: got error %v, want ErrInvalid", kid, err)
		}
	}
	if !strings.Contains(log.String(), "unusable keys ignored") {
		t.Errorf("log is %q", log)
	}
}

// P-19: the set is not sent again while it is the same.
func TestETag(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, "")
	doc := set(jwk("k-at", keyAT()))
	var notModified int // the handler runs before Verify returns
	i.Handle(authdtest.JWKSPath, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		if r.Header.Get("If-None-Match") == `"v1"` {
			notModified++
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprint(w, doc)
	})
	cfg, log := i.config()
	v := newVerifier(t, cfg)

	for range 3 {
		if _, err := v.Verify(t.Context(), i.Token(authdtest.SignedBy("k-new", keyNew()))); !errors.Is(err, rs.ErrInvalid) {
			t.Errorf("got error %v, want ErrInvalid", err)
		}
		i.Advance(30 * time.Second)
	}
	if notModified != 3 || log.String() != "" {
		t.Errorf("%d answers 304, want 3; log is %q", notModified, log)
	}
	if _, err := v.Verify(t.Context(), i.Token(authdtest.SignedBy("k-at", keyAT()))); err != nil {
		t.Error(err)
	}
}

// F-27, P-20: keys that could not be refreshed for a day may have been withdrawn since.
func TestStaleKeys(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, "")
	cfg, _ := i.config()
	v := newVerifier(t, cfg)
	i.Handle(authdtest.JWKSPath, http.NotFound)
	token := i.Token(authdtest.ExpiresIn(24 * time.Hour))
	verify := func() error {
		_, err := v.Verify(t.Context(), token)
		return err
	}

	i.Advance(24*time.Hour - time.Second)
	if err := verify(); err != nil {
		t.Error(err)
	}
	i.Advance(2 * time.Second)
	if err := verify(); !errors.Is(err, rs.ErrUnavailable) {
		t.Errorf("got error %v, want ErrUnavailable", err)
	}
	i.Up()
	i.Advance(30 * time.Second)
	if err := verify(); !errors.Is(err, rs.ErrExpired) { // the key is back
		t.Errorf("got error %v, want ErrExpired", err)
	}
}

func TestVerifyAfterClose(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, "")
	cfg, _ := i.config()
	v := newVerifier(t, cfg)
	for range 2 {
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
	}

	if _, err := v.Verify(t.Context(), i.Token()); err != nil {
		t.Error(err)
	}
	_, err := v.Verify(t.Context(), i.Token(authdtest.SignedBy("k-new", keyNew())))
	if !errors.Is(err, rs.ErrUnavailable) || !strings.Contains(err.Error(), "closed") {
		t.Errorf("got error %v, want ErrUnavailable because the verifier is closed", err)
	}
}
