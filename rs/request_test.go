package rs_test

import (
	"context"
	"crypto"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/rs"
)

// bearing is a request with a token in the Authorization header.
func bearing(raw string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+raw)
	return r
}

// counts are the questions that a request costs.
type counts struct{ Keys, Revocation, Subject atomic.Int32 }

func (c *counts) get() [3]int32 {
	return [3]int32{c.Keys.Load(), c.Revocation.Load(), c.Subject.Load()}
}

// counting configures a verifier that counts.
func counting() (rs.Config, *counts) {
	cfg, c := offline(), new(counts)
	cfg.Keys = keySourceFunc(func(_ context.Context, kid string) (any, error) {
		c.Keys.Add(1)
		return staticKeys{"k-at": keyAT().Public()}[kid], nil
	})
	cfg.Revocation = checkerFunc(func(context.Context, *rs.Token) (bool, error) {
		c.Revocation.Add(1)
		return false, nil
	})
	cfg.SubjectLoader = func(_ context.Context, t *rs.Token) (any, error) {
		c.Subject.Add(1)
		return user{Name: "user of " + t.Subject}, nil
	}
	return cfg, c
}

type user struct{ Name string }

// S0-16, F-15: behind a middleware nothing is verified, asked or loaded twice.
func TestVerifyRequestBehindMiddleware(t *testing.T) {
	t.Parallel()
	good, other := edit{}.token(), edit{"jti": `"j-2"`, "sub": `"usr_2"`}.token()
	once, twice := [3]int32{1, 1, 1}, [3]int32{2, 2, 2}
	tests := []struct {
		name        string
		outer       []rs.Requirement
		change      func(*http.Request) *http.Request
		inner       []rs.Requirement
		want        [3]int32 // questions about keys, revocation and subject
		wantSubject string
		wantErr     error
	}{
		{"a second call costs nothing", nil, nil, nil, once, "usr_1", nil},
		{"a further requirement is asked", nil, nil, []rs.Requirement{rs.Scopes("read"), rs.Fresh()}, once, "usr_1", nil},
		{"a further requirement may refuse", nil, nil, []rs.Requirement{rs.Scopes("admin")}, once, "", rs.ErrInsufficientScope},
		{"revocation is asked where the outer route did not, F-26", []rs.Requirement{rs.Offline()}, nil, nil, once, "usr_1", nil},
		{"another token in the context's request is another question", nil, func(r *http.Request) *http.Request {
			return bearing(other).WithContext(r.Context())
		}, nil, twice, "usr_2", nil},
		{"no token in the context's request", nil, func(r *http.Request) *http.Request {
			return httptest.NewRequest("GET", "/", nil).WithContext(r.Context())
		}, nil, once, "", rs.ErrMissing},
		{"another place is chosen", nil, nil, []rs.Requirement{rs.From(rs.Query("jwt"))}, once, "", rs.ErrMissing},
		{"the same place is chosen", nil, nil, []rs.Requirement{rs.From(rs.Header())}, once, "usr_1", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg, asked := counting()
			v := newVerifier(t, cfg)
			h := v.Required(tt.outer...)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				outer, _ := rs.FromContext(r.Context())
				if tt.change != nil {
					r = tt.change(r)
				}

				got, err := v.VerifyRequest(r, tt.inner...)

				if !errors.Is(err, tt.wantErr) || err == nil && got.Subject != tt.wantSubject {
					t.Errorf("got %v, error %v", got, err)
				}
				if len(tt.outer) == 0 && tt.change == nil && err == nil && got != outer {
					t.Error("the token is another one")
				}
			}))

			if a := ask(h, bearing(good)); a.Status != 200 {
				t.Fatalf("got %+v", a)
			}

			if diff := cmp.Diff(tt.want, asked.get()); diff != "" {
				t.Error("questions:", diff)
			}
		})
	}
}

// A handler that has read the body asks for more: the token was there.
func TestVerifyRequestAfterTheBodyWasRead(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, offline())
	var err error
	h := v.Required(rs.From(rs.JSON("access_token")))(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		r.Body = http.NoBody
		_, err = v.VerifyRequest(r, rs.Scopes("admin"))
	}))
	r := httptest.NewRequest("POST", "/", strings.NewReader(`{"access_token":"`+edit{}.token()+`"}`))
	r.Header.Set("Content-Type", "application/json")

	if a := ask(h, r); a.Status != 200 || !errors.Is(err, rs.ErrInsufficientScope) {
		t.Errorf("got %+v and error %v, want that of the requirement", a, err)
	}
}

// Two verifiers in one request do not believe each other.
func TestVerifyRequestOfAnotherVerifier(t *testing.T) {
	t.Parallel()
	cfg := offline()
	cfg.Audience = "https://other.example"
	other := newVerifier(t, cfg)
	var err error
	h := newVerifier(t, offline()).Required()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err = other.VerifyRequest(r)
	}))

	if a := ask(h, bearing(edit{}.token())); a.Status != 200 || !errors.Is(err, rs.ErrInvalid) {
		t.Errorf("got %+v and error %v, want ErrInvalid: aud is another", a, err)
	}
}

// S0-16, F-15, Flask-JWT J-02: a middleware of the host's own.
func TestOwnMiddleware(t *testing.T) {
	t.Parallel()
	cfg, asked := counting()
	v := newVerifier(t, cfg)
	own := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			tok, err := v.VerifyRequest(r)
			if refusal, ok := errors.AsType[*rs.Error](err); ok {
				refusal.Respond(w)
				return
			}
			next.ServeHTTP(w, r.WithContext(rs.NewContext(r.Context(), tok)))
		})
	}
	h := own(v.Required()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, ok := rs.SubjectAs[user](r.Context()); !ok || u.Name != "user of usr_1" {
			t.Errorf("got subject %v, %t", u, ok)
		}
		whoami(w, r)
	})))

	got := []answer{ask(h, bearing(edit{}.token())), ask(h, httptest.NewRequest("GET", "/", nil))}

	want := []answer{{Status: 200, Body: "usr_1"}, {Status: 401, Challenge: `Bearer realm="https://api.example.com"`, Error: "missing_token"}}
	if diff := cmp.Diff(want, got); diff != "" || asked.get() != [3]int32{1, 1, 1} {
		t.Error(diff, asked.get())
	}
}

func TestBearerToken(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		headers []string
		want    string
		wantErr error
	}{
		{"S0-17: the token without its scheme", []string{"Bearer abc"}, "abc", nil},
		{"S1-17, F-99: the scheme in any case", []string{"bEARER abc"}, "abc", nil},
		{"S0-17: no header", nil, "", rs.ErrMissing},
		{"F-98: another scheme", []string{"Basic abc"}, "", rs.ErrMissing},
		{"S4-12, M-11: the word Bearer elsewhere", []string{"Basic-Bearer abc"}, "", rs.ErrMissing},
		{"S1-20: no token", []string{"Bearer"}, "", rs.ErrMalformed},
		{"S1-20: two words", []string{"Bearer a b"}, "", rs.ErrMalformed},
		{"F-100: two headers", []string{"Bearer a", "Bearer b"}, "", rs.ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest("GET", "/", nil)
			r.Header["Authorization"] = slices.Clone(tt.headers)

			got, err := rs.BearerToken(r)

			if got != tt.want || !errors.Is(err, tt.wantErr) {
				t.Errorf("got %q, %v, want %q, %v", got, err, tt.want, tt.wantErr)
			}
		})
	}
}

// S0-18, M-12: the header that is good for Required is good for Optional, and means the same person.
func TestOptionalReadsTheSameHeader(t *testing.T) {
	t.Parallel()
	h := newVerifier(t, offline()).Optional()(http.HandlerFunc(whoami))

	if got := ask(h, bearing(edit{}.token())); got.Body != "usr_1" {
		t.Errorf("got %+v, want usr_1", got)
	}
}

// Only a request without a token is anonymous. A host's function that says ErrMissing, of another token maybe, refuses.
func TestOptionalIsNoWayAroundACheck(t *testing.T) {
	t.Parallel()
	cfg := offline()
	cfg.Keys = keySourceFunc(func(context.Context, string) (any, error) { return nil, rs.ErrMissing })
	tests := []struct {
		name string
		h    http.Handler
		want int
	}{
		{"check", newVerifier(t, offline()).Optional(rs.Check(func(context.Context, *rs.Token) error {
			return rs.ErrMissing
		}))(http.HandlerFunc(whoami)), 401},
		{"key source", newVerifier(t, cfg).Optional()(http.HandlerFunc(whoami)), 503},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := ask(tt.h, bearing(edit{}.token())); got.Status != tt.want {
				t.Errorf("got %+v, want status %d", got, tt.want)
			}
		})
	}
}

// keySourceFunc is a host's own KeySource.
type keySourceFunc func(context.Context, string) (any, error)

func (f keySourceFunc) PublicKey(ctx context.Context, kid string) (crypto.PublicKey, error) {
	return f(ctx, kid)
}
