package rs_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-authd/authd/authdtest"
	"github.com/go-authd/authd/rs"
)

// J-08: 10,000 junk kids in ten seconds, an issuer that answers or not, and a valid token at every hundredth of a second.
func TestJunkKidsForTenSeconds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		jwks http.HandlerFunc // nil: as usual
		want error            // for junk
	}{
		{"the issuer answers", nil, rs.ErrInvalid},
		{"the issuer is down", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, rs.ErrUnavailable},
		{"the issuer does not answer", endless, rs.ErrUnavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, nil, func(t *testing.T, v *rs.Verifier, i *authdtest.Issuer) {
				seen, fetched := i.Token(), i.Requests(authdtest.JWKSPath)
				signature := seen[strings.LastIndexByte(seen, '.'):]
				if tt.jwks != nil {
					i.Handle(authdtest.JWKSPath, tt.jwks)
				}

				var wg sync.WaitGroup
				for n := range 10_000 {
					wg.Go(func() {
						asked := time.Now()
						header := fmt.Sprintf(`{"alg":"RS256","kid":"junk-%d","typ":"at+jwt"}`, n)
						_, err := v.Verify(t.Context(), base64url([]byte(header))+".e30"+signature)
						if took := time.Since(asked); !errors.Is(err, tt.want) || took > 5*time.Second {
							t.Errorf("junk: got error %v after %v, want %v after 5 s at most", err, took, tt.want)
						}
					})
					if n%10 == 0 {
						verifyAtOnce(t, v, seen)
					}
					if n%500 == 0 {
						verifyAtOnce(t, v, i.Token())
					}
					pass(time.Millisecond)
				}
				wg.Wait()

				if got := i.Requests(authdtest.JWKSPath) - fetched; got != 1 {
					t.Errorf("%d fetches, want 1", got)
				}
			})
		})
	}
}

// verifyAtOnce fails the test if a valid token has to wait, be it for a nanosecond.
func verifyAtOnce(t *testing.T, v *rs.Verifier, token string) {
	t.Helper()
	asked := time.Now()
	if _, err := v.Verify(t.Context(), token); err != nil || time.Since(asked) != 0 {
		t.Errorf("valid token: got error %v after %v, want none at once", err, time.Since(asked))
	}
}

// F-27, P-20: through a day of outage tokens are verified at once by the keys in memory, those seen before and others;
// then by none. The issuer is asked once in 30 s, and when it is back nobody has to ask for its keys.
func TestIssuerDownForADay(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	inBubble(t, nil, func(t *testing.T, v *rs.Verifier, i *authdtest.Issuer) {
		fetched := i.Requests(authdtest.JWKSPath)
		i.Down()

		for range 23 {
			pass(time.Hour)
			verifyAtOnce(t, v, i.Token())
		}
		pass(time.Hour) // keys may be a day old, and no more
		seen := i.Token()
		verifyAtOnce(t, v, seen)
		pass(time.Nanosecond)
		for _, token := range []string{seen, i.Token()} {
			if _, err := v.Verify(t.Context(), token); !errors.Is(err, rs.ErrUnavailable) {
				t.Errorf("after a day: got error %v, want ErrUnavailable", err)
			}
		}
		if got := i.Requests(authdtest.JWKSPath) - fetched; got < 2000 || got > int(day/(30*time.Second)) {
			t.Errorf("%d fetches in a day, want one in 30 s at most", got)
		}

		i.Up()
		pass(30 * time.Second)
		verifyAtOnce(t, v, seen)
		verifyAtOnce(t, v, i.Token())
	})
}

// An issuer that says for days that nothing has changed is not down. Each refresh sends the ETag of the last whole
// answer, and the first after a rotation gets new keys.
func TestETagForDays(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, v *rs.Verifier, i *authdtest.Issuer) {
		conditional, answered := make(map[string]int), 0
		i.Handle(authdtest.JWKSPath, func(w http.ResponseWriter, r *http.Request) { // one at a time, between two passes
			conditional[r.Header.Get("If-None-Match")]++
			answered++
			i.Serve(w, r)
		})

		pass(72*time.Hour + time.Minute)
		verifyAtOnce(t, v, i.Token())
		if want := 72 * 12; len(conditional) != 1 || conditional[""] != 0 || answered != want {
			t.Errorf("%d refreshes with %d different ETags, want %d with one", answered, len(conditional), want)
		}
		i.RotateKey()
		if _, err := v.Verify(t.Context(), i.Token()); err != nil { // fetches
			t.Error(err)
		}
		pass(5 * time.Minute)
		if len(conditional) != 2 || conditional[""] != 0 {
			t.Errorf("after a rotation there were %d different ETags, want 2", len(conditional))
		}
	})
}

// A redirect that reaches another server, or the same one in the clear, is an answer of somebody else.
func TestKeysBehindRedirects(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, to string
		ok       bool
	}{
		{"to another path", testIssuer + "/elsewhere", true},
		{"to the same server without TLS, J-51", "http://id.example.com/elsewhere", false},
		{"to another port, J-51", "https://id.example.com:8443/elsewhere", false},
		{"to another host, J-51", "https://evil.example/elsewhere", false},
		{"to a host that begins alike, J-51", "https://id.example.com.evil.example/elsewhere", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, nil, func(t *testing.T, v *rs.Verifier, i *authdtest.Issuer) {
				i.RotateKey()
				i.Handle(authdtest.JWKSPath, http.RedirectHandler(tt.to, http.StatusFound).ServeHTTP)
				i.Handle("/elsewhere", func(w http.ResponseWriter, r *http.Request) {
					r.URL.Path = authdtest.JWKSPath
					i.Serve(w, r)
				})

				_, err := v.Verify(t.Context(), i.Token())

				if got := i.Requests("/elsewhere"); (err == nil) != tt.ok || (got > 0) != tt.ok {
					t.Errorf("got error %v and %d requests to %s, want success %t", err, got, tt.to, tt.ok)
				}
			})
		})
	}
}

// A key set that no longer holds a key ends that key's tokens with the next refresh, those seen before too, though nobody
// sends an unknown kid (J-09).
func TestWithdrawnKeyEndsWithTheRefresh(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, v *rs.Verifier, i *authdtest.Issuer) {
		seen := i.Token()
		verifyAtOnce(t, v, seen)
		i.RotateKey()
		i.ExpireKeys()

		pass(5*time.Minute - time.Nanosecond)
		verifyAtOnce(t, v, seen)
		pass(time.Nanosecond)
		synctest.Wait()

		if _, err := v.Verify(t.Context(), seen); !errors.Is(err, rs.ErrInvalid) {
			t.Errorf("got error %v, want ErrInvalid", err)
		}
		verifyAtOnce(t, v, i.Token())
	})
}
