package authdtest_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/go-authd/authd/authdtest"
	"github.com/go-authd/authd/rs"
)

// An application's tests run in parallel, each with an issuer, a clock and a feed of its own.
func TestFiftyIssuersInParallel(t *testing.T) {
	t.Parallel()
	for n := range 50 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			iss := authdtest.New(t)
			v := verifier(t, iss, func(c *rs.Config) { c.Revocation = introspection(t, iss) })
			token := iss.Token(authdtest.Session("f-1"))
			wantVerdict(t, v, token, nil)
			if n%2 == 0 {
				iss.RevokeSession("f-1")
				wantVerdict(t, v, token, rs.ErrRevoked)
			}
			iss.Advance(time.Duration(n) * time.Minute)
			switch {
			case n%2 == 0 && n < 10:
				wantVerdict(t, v, token, rs.ErrRevoked)
			case n > 10:
				wantVerdict(t, v, token, rs.ErrExpired)
			}
		})
	}
}

func TestIssuerURL(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "/", "/tenants/a", "/tenants/a/"} {
		for name, option := range map[string]authdtest.Option{
			"by HTTP": authdtest.Path(path), "in memory": authdtest.InMemory("https://id.example.com" + path),
		} {
			t.Run(name+" with path "+path+", RFC 8414 §3", func(t *testing.T) {
				t.Parallel()
				iss := authdtest.New(t, option)
				wantVerdict(t, verifier(t, iss, nil), iss.Token(), nil)
				if n := iss.Requests(authdtest.MetadataPath); n != 1 {
					t.Errorf("%d requests for metadata, want 1", n)
				}
			})
		}
	}
}

// The resource server of an issuer is for the audience of its tokens.
func TestDefaults(t *testing.T) {
	t.Parallel()
	iss := authdtest.New(t, authdtest.Defaults(authdtest.Audience("https://orders.example.com", "b"), authdtest.Scope("read")))
	v := verifier(t, iss, func(c *rs.Config) { c.Revocation = introspection(t, iss) })

	got, err := v.Verify(t.Context(), iss.Token(authdtest.Scope("write")), rs.Scopes("write"))
	if err != nil || iss.Audience != "https://orders.example.com" {
		t.Errorf("got %+v, error %v, audience %s", got, err, iss.Audience)
	}
	if _, err := v.Verify(t.Context(), iss.Token(), rs.Scopes("read")); err != nil {
		t.Error(err)
	}
}

func TestClock(t *testing.T) {
	t.Parallel()
	standing := authdtest.New(t, authdtest.At(noon))
	running := authdtest.New(t)
	standing.Advance(time.Minute)
	running.Advance(time.Hour)

	if got := standing.Now(); !got.Equal(noon.Add(time.Minute)) {
		t.Errorf("standing clock is at %v", got)
	}
	if ahead := time.Until(running.Now()); ahead <= 0 || ahead > time.Hour {
		t.Errorf("running clock is %v ahead", ahead)
	}
}

// RFC 9110 §13.1.2: what the verifier has is not sent again.
func TestETag(t *testing.T) {
	t.Parallel()
	iss := authdtest.New(t)
	get := func(etag string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, iss.URL+authdtest.JWKSPath, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("If-None-Match", etag)
		resp, err := iss.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp
	}
	etag := get("").Header.Get("ETag")

	again := get(etag).StatusCode
	iss.RotateKey()
	rotated := get(etag).StatusCode

	if etag == "" || again != http.StatusNotModified || rotated != http.StatusOK {
		t.Errorf("ETag %s: %d, and %d after a rotation", etag, again, rotated)
	}
}
