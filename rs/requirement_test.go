package rs_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/rs"
)

var (
	errSQL    = errors.New("connection refused")
	errPolicy = errors.New("not on Sundays")
)

// F-39, F-107, S0-19: what a host's function says chooses the answer, and its words go to the log alone.
func TestCheck(t *testing.T) {
	t.Parallel()
	insufficient := func(code string) string { return `Bearer error="` + code + `"` }
	invalid := `Bearer error="invalid_token", error_description="token invalid"`
	realm := `Bearer realm="https://api.example.com"`
	var typedNil *rs.Error
	tests := []struct {
		name string
		err  error
		want answer
	}{
		{"no error", nil, answer{Status: 200, Body: "usr_1"}},
		{"F-36, F-87: any error denies access", errPolicy, answer{Status: 403, Challenge: realm, Error: "access_denied"}},
		{"ErrDenied", fmt.Errorf("%w: %w", rs.ErrDenied, errPolicy), answer{Status: 403, Challenge: realm, Error: "access_denied"}},
		{"an outage of the host's storage", fmt.Errorf("%w: %w", rs.ErrUnavailable, errSQL), answer{Status: 503, Error: "temporarily_unavailable", RetryAfter: "30"}},
		{"a deadline is no verdict", fmt.Errorf("query: %w", context.DeadlineExceeded), answer{Status: 503, Error: "temporarily_unavailable", RetryAfter: "30"}},
		{"a request that was given up is no verdict", context.Canceled, answer{Status: 503, Error: "temporarily_unavailable", RetryAfter: "30"}},
		{"ErrNotFresh", rs.ErrNotFresh, answer{Status: 401, Challenge: insufficient("insufficient_user_authentication"), Error: "insufficient_user_authentication"}},
		{"ErrInsufficientScope", rs.ErrInsufficientScope, answer{Status: 403, Challenge: insufficient("insufficient_scope"), Error: "insufficient_scope"}},
		{"ErrInvalid", fmt.Errorf("%w: nobody", rs.ErrInvalid), answer{Status: 401, Challenge: invalid, Error: "invalid_token"}},
		{"ErrNoSubject", rs.ErrNoSubject, answer{Status: 401, Challenge: invalid, Error: "invalid_token"}},
		{"an Error of the host's own", &rs.Error{Status: 402, Challenge: "X", Code: "payment_required"}, answer{Status: 402, Challenge: "X", Error: "payment_required"}},
		{"an Error with an impossible status", &rs.Error{Status: 7, Err: errPolicy}, answer{Status: 403, Challenge: realm, Error: "access_denied"}},
		{"an Error that would be a success", &rs.Error{Status: 200}, answer{Status: 403, Challenge: realm, Error: "access_denied"}},
		{"a nil *Error in an error", typedNil, answer{Status: 403, Challenge: realm, Error: "access_denied"}},
	}
	v := newVerifier(t, offline())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			check := rs.Check(func(_ context.Context, tok *rs.Token) error {
				if tok.Subject != "usr_1" {
					t.Errorf("asked about %s", tok.Subject)
				}
				return tt.err
			})
			var seen *rs.Error
			if _, err := v.Verify(t.Context(), edit{}.token(), check); err != nil {
				seen, _ = errors.AsType[*rs.Error](err)
			}

			got := ask(v.Required(check)(http.HandlerFunc(whoami)), bearing(edit{}.token()))

			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if tt.err != nil && (seen == nil || seen.Status != tt.want.Status || seen.Error() == "") {
				t.Errorf("Verify says %v, want the same refusal", seen)
			}
			if seen != nil && tt.err == errPolicy && !errors.Is(seen, errPolicy) {
				t.Errorf("the log does not learn the cause from %v", seen)
			}
		})
	}
}

// What a host's function says is not for the client.
func TestCheckTellsTheClientNothing(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, offline())
	h := v.Required(rs.Check(func(context.Context, *rs.Token) error { return errPolicy }))(http.HandlerFunc(whoami))
	w := serve(h, bearing(edit{}.token()))

	if all := fmt.Sprint(w.Header()) + w.Body.String(); strings.Contains(all, errPolicy.Error()) {
		t.Errorf("answer holds the error: %s", all)
	}
}

// The host's Error may be one variable that many requests share: nothing is added to it.
func TestCheckMayShareAnError(t *testing.T) {
	t.Parallel()
	cfg := described()
	v := newVerifier(t, cfg)
	shared := &rs.Error{Status: 403, Challenge: `Bearer error="insufficient_scope"`}
	for range 2 {
		_, err := v.Verify(t.Context(), edit{"aud": `"https://api.example.com/v1"`}.token(), rs.Check(func(context.Context, *rs.Token) error { return shared }))
		if refusal, _ := errors.AsType[*rs.Error](err); strings.Count(refusal.Challenge, "resource_metadata") != 1 {
			t.Errorf("got challenge %s", refusal.Challenge)
		}
	}
	_, err := v.Verify(t.Context(), edit{"aud": `"https://api.example.com/v1"`}.token(), rs.Check(func(ctx context.Context, _ *rs.Token) error {
		_, err := v.Verify(ctx, "another token")
		return err
	}))
	if refusal, _ := errors.AsType[*rs.Error](err); strings.Count(refusal.Challenge, "resource_metadata") != 1 {
		t.Errorf("refused by itself: got challenge %s", refusal.Challenge)
	}
	if shared.Challenge != `Bearer error="insufficient_scope"` {
		t.Errorf("the host's error became %s", shared.Challenge)
	}
}

func TestAnyScope(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		anyOf     []string
		challenge string // "" is met
	}{
		{"the first", []string{"read", "admin"}, ""},
		{"the last", []string{"admin", "write"}, ""},
		{"none of them", []string{"admin", "owner"}, `Bearer error="insufficient_scope", scope="admin"`},
		{"J-35: a part of a name", []string{"rea"}, `Bearer error="insufficient_scope", scope="rea"`},
		{"J-35: another case", []string{"READ"}, `Bearer error="insufficient_scope", scope="READ"`},
		{"two names in one string", []string{"read write"}, `Bearer error="insufficient_scope"`},
		{"nothing to have", nil, `Bearer error="insufficient_scope"`},
		{"an empty name", []string{""}, `Bearer error="insufficient_scope"`},
	}
	v := newVerifier(t, offline())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := v.Verify(t.Context(), edit{}.token(), rs.AnyScope(tt.anyOf...))

			if (err != nil) != (tt.challenge != "") {
				t.Fatalf("got error %v", err)
			}
			if refusal, ok := errors.AsType[*rs.Error](err); ok && (refusal.Challenge != tt.challenge || refusal.Status != 403) {
				t.Errorf("got %d %s, want %s", refusal.Status, refusal.Challenge, tt.challenge)
			}
		})
	}
}

// P-05, Flask-JWT J-08: claims that a route needs; that it needs them is said before anybody is asked about the token.
func TestClaims(t *testing.T) {
	t.Parallel()
	cfg, asked := counting()
	v := newVerifier(t, cfg)
	tests := []struct {
		name  string
		edit  edit
		needs []string
		want  error
	}{
		{"all there", edit{"tenant": `"a"`}, []string{"tenant", "sid"}, nil},
		{"false and 0 and empty are something", edit{"a": "false", "b": "0", "c": `""`}, []string{"a", "b", "c"}, nil},
		{"one missing", edit{}, []string{"sid", "tenant"}, rs.ErrInvalid},
		{"null", edit{"tenant": "null"}, []string{"tenant"}, rs.ErrInvalid},
		{"J-17: in another case", edit{"Tenant": `"a"`}, []string{"tenant"}, rs.ErrInvalid},
		{"F-95: missing and expired is invalid", edit{"iat": "1699999000", "exp": "1699999600"}, []string{"tenant"}, rs.ErrInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := asked.Revocation.Load()
			_, err := v.Verify(t.Context(), tt.edit.token(), rs.Claims(tt.needs...))
			if !errors.Is(err, tt.want) || (asked.Revocation.Load() > before) != (tt.want == nil) {
				t.Errorf("got error %v and %d questions, want %v", err, asked.Revocation.Load()-before, tt.want)
			}
		})
	}
}

// F-26: a route that does not ask about revocation.
func TestOffline(t *testing.T) {
	t.Parallel()
	cfg := offline()
	cfg.Revocation = checkerFunc(func(context.Context, *rs.Token) (bool, error) { return true, nil })
	v := newVerifier(t, cfg)

	_, refused := v.Verify(t.Context(), edit{}.token())
	tok, err := v.Verify(t.Context(), edit{}.token(), rs.Offline())

	if !errors.Is(refused, rs.ErrRevoked) || err != nil || tok.Subject != "usr_1" {
		t.Errorf("got %v, and with Offline %v, %v", refused, tok, err)
	}
}

// F-04: a token that is over, for the end of a session.
func TestAllowExpired(t *testing.T) {
	t.Parallel()
	over := edit{"iat": "1699999000", "exp": "1699999600"} // 400 s ago
	bad := edit{"iat": "1699999000", "exp": "1699999600", "aud": `"https://other.example"`}
	tests := []struct {
		name    string
		raw     string
		reqs    []rs.Requirement
		want    error
		expired bool
	}{
		{"within", over.token(), []rs.Requirement{rs.AllowExpired(400 * time.Second)}, nil, true},
		{"the longer of two", over.token(), []rs.Requirement{rs.AllowExpired(time.Hour), rs.AllowExpired(1)}, nil, true},
		{"longer ago", over.token(), []rs.Requirement{rs.AllowExpired(399 * time.Second)}, rs.ErrExpired, false},
		{"not asked for", over.token(), nil, rs.ErrExpired, false},
		{"another requirement allows nothing", over.token(), []rs.Requirement{rs.Offline(), {}}, rs.ErrExpired, false},
		{"negative", over.token(), []rs.Requirement{rs.AllowExpired(-time.Hour)}, rs.ErrExpired, false},
		{"not over yet", edit{}.token(), []rs.Requirement{rs.AllowExpired(time.Hour)}, nil, false},
		{"for another audience", bad.token(), []rs.Requirement{rs.AllowExpired(time.Hour)}, rs.ErrInvalid, false},
		{"signed by another key", forge(goodHeader, over.payload(), keyEvil()), []rs.Requirement{rs.AllowExpired(time.Hour)}, rs.ErrInvalid, false},
		{"without the scope", over.token(), []rs.Requirement{rs.AllowExpired(time.Hour), rs.Scopes("admin")}, rs.ErrInsufficientScope, false},
	}
	v := newVerifier(t, offline())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tok, err := v.Verify(t.Context(), tt.raw, tt.reqs...)
			if !errors.Is(err, tt.want) || err == nil && tok.Expired != tt.expired {
				t.Errorf("got %+v, %v, want %v", tok, err, tt.want)
			}
		})
	}
}

// A token that one route let in although it was over does not get into the next one.
func TestExpiredStaysExpired(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, offline())
	h := v.Required(rs.AllowExpired(time.Hour))(v.Required()(http.HandlerFunc(whoami)))

	if got := ask(h, bearing(edit{"iat": "1699999000", "exp": "1699999600"}.token())); got.Status != 401 {
		t.Errorf("got %+v, want 401", got)
	}
}

// F-04: issuers forget a revocation when the token ends, so that nobody is asked about one that is over.
func TestExpiredIsNotAskedAbout(t *testing.T) {
	t.Parallel()
	cfg, asked := counting()
	v := newVerifier(t, cfg)

	tok, err := v.Verify(t.Context(), edit{"iat": "1699999000", "exp": "1699999600"}.token(), rs.AllowExpired(time.Hour))

	if err != nil || !tok.Expired || asked.Revocation.Load() != 0 {
		t.Errorf("got %+v, %v after %d questions", tok, err, asked.Revocation.Load())
	}
}
