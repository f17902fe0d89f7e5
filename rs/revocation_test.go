package rs_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/rs"
)

// checkerFunc is a host's own Checker.
type checkerFunc func(context.Context, *rs.Token) (bool, error)

func (f checkerFunc) Revoked(ctx context.Context, t *rs.Token) (bool, error) { return f(ctx, t) }

var errNoRedis = errors.New("no connection")

// S3-20, S3-21, F-38, RFC 6750 §3.1: a revoked token is an invalid_token; that nobody knows is no verdict on it.
// S3-20, F-38: the blocklist is asked about tokens that are good in every other way.
func TestRevocation(t *testing.T) {
	t.Parallel()
	user := answer{Status: 200, Body: "usr_1"}
	revoked := answer{Status: 401, Challenge: `Bearer error="invalid_token", error_description="token revoked"`, Error: "invalid_token"}
	unknown := answer{Status: 503, Error: "temporarily_unavailable", RetryAfter: "30"}
	tests := []struct {
		name    string
		revoked bool
		err     error
		want    answer
	}{
		{"not revoked", false, nil, user},
		{"revoked", true, nil, revoked},
		{"nobody knows", false, errNoRedis, unknown},
		{"revoked, or nobody knows", true, errNoRedis, unknown},
		{"nobody knows because another token is invalid", false, fmt.Errorf("asking: %w", rs.ErrInvalid), unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := offline()
			cfg.Revocation = checkerFunc(func(context.Context, *rs.Token) (bool, error) { return tt.revoked, tt.err })
			v := newVerifier(t, cfg)
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Authorization", "Bearer "+edit{}.token())

			for _, h := range []func(...rs.Requirement) func(http.Handler) http.Handler{v.Required, v.Optional} {
				if diff := cmp.Diff(tt.want, ask(h(rs.Scopes("read"))(http.HandlerFunc(whoami)), r)); diff != "" {
					t.Error(diff)
				}
			}
			_, err := v.Verify(t.Context(), edit{}.token())
			if errors.Is(err, rs.ErrRevoked) != (tt.want == revoked) || tt.err != nil && !errors.Is(err, tt.err) {
				t.Errorf("got error %v", err)
			}
			if tt.want == revoked && !errors.Is(err, rs.ErrInvalid) {
				t.Errorf("got error %v, want ErrInvalid, which those who know no ErrRevoked look for", err)
			}
		})
	}
}

// F-96: a Checker may be a question to somebody else: nobody makes us ask about a token that would be refused anyway.
func TestRevocationIsAskedLast(t *testing.T) {
	t.Parallel()
	var asked []string
	cfg := offline()
	cfg.Revocation = checkerFunc(func(_ context.Context, tok *rs.Token) (bool, error) {
		asked = append(asked, tok.ID+" "+tok.Kid)
		return true, nil
	})
	v := newVerifier(t, cfg)
	for _, raw := range []string{
		"garbage",
		forge(goodHeader, edit{}.payload(), keyEvil()),
		edit{"aud": `"https://other.example"`}.token(),
		edit{"exp": "1699999000", "iat": "1699998000"}.token(),
		edit{"scope": `" "`}.token(),
	} {
		if _, err := v.Verify(t.Context(), raw); err == nil || errors.Is(err, rs.ErrRevoked) {
			t.Errorf("got error %v, want one about the token", err)
		}
	}
	// A token that is over for everybody is that also where it lacks a scope: another one is needed in any case.
	if _, err := v.Verify(t.Context(), edit{}.token(), rs.Scopes("admin")); !errors.Is(err, rs.ErrRevoked) {
		t.Errorf("got error %v, want ErrRevoked", err)
	}
	if diff := cmp.Diff([]string{"j-1 k-at"}, asked); diff != "" {
		t.Error(diff)
	}
}

// The text of a token that is kept for introspection is nothing that a log could show.
func TestTokenHidesItsText(t *testing.T) {
	t.Parallel()
	raw := edit{}.token()
	tok, err := newVerifier(t, offline()).Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	signature := raw[strings.LastIndex(raw, ".")+1:]
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, tok) + fmt.Sprintf(format, *tok); strings.Contains(text, signature) {
			t.Errorf("%s shows the token", format)
		}
	}
}

// V-14: with the feed a token whose family was revoked is refused before it expires.
func TestVerifyWithFeed(t *testing.T) {
	t.Parallel()
	keyAT()
	inFeedBubble(t, nil, func(t *testing.T, f *rs.Feed, n *feedNet, _ *logBuffer) {
		cfg := offline()
		cfg.Now, cfg.Revocation = nil, f
		v := newVerifier(t, cfg)
		raw := freshToken("j-1")
		if _, err := v.Verify(t.Context(), raw); err != nil {
			t.Error(err)
		}
		n.revoke(entry("sid", "f-1"))
		synctest.Wait()
		if _, err := v.Verify(t.Context(), raw); !errors.Is(err, rs.ErrRevoked) {
			t.Errorf("got error %v, want ErrRevoked", err)
		}
		n.unplug()
		pass(time.Minute)
		if _, err := v.Verify(t.Context(), edit{"sid": `"f-2"`, "iat": unix(0), "nbf": "", "exp": unix(time.Minute)}.token()); !errors.Is(err, rs.ErrUnavailable) {
			t.Errorf("got error %v, want ErrUnavailable", err)
		}
	})
}
