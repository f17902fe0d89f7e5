package rs_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/rs"
)

// F-41, F-108, S1-03, S1-08, Flask-JWT J-03, J-04: who a token speaks for is loaded, and what the loader says of nobody is no leak.
func TestSubjectLoader(t *testing.T) {
	t.Parallel()
	invalid := answer{Status: 401, Challenge: `Bearer error="invalid_token", error_description="token invalid"`, Error: "invalid_token"}
	unavailable := answer{Status: 503, Error: "temporarily_unavailable", RetryAfter: "30"}
	tests := []struct {
		name    string
		subject any
		err     error
		want    answer
		wantErr error
	}{
		{"S1-10: found", user{"Ann"}, nil, answer{Status: 200, Body: "Ann"}, nil},
		{"S1-19, S4-15: there is no such subject", nil, rs.ErrNoSubject, invalid, rs.ErrNoSubject},
		{"F-37, F-86: there is no such subject, in the host's words", nil, fmt.Errorf("select %s: %w", "usr_1", rs.ErrNoSubject), invalid, rs.ErrNoSubject},
		{"S1-19: nil without an error", nil, nil, invalid, rs.ErrNoSubject},
		{"S1-19: a nil pointer without an error", (*user)(nil), nil, invalid, rs.ErrNoSubject},
		{"the store is down", nil, errSQL, unavailable, errSQL},
		{"the store is down, and there is something", user{"Ann"}, errSQL, unavailable, errSQL},
		{"disabled", nil, fmt.Errorf("%w: disabled", rs.ErrDenied), answer{Status: 403, Challenge: `Bearer realm="https://api.example.com"`, Error: "access_denied"}, rs.ErrDenied},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := offline()
			cfg.SubjectLoader = func(_ context.Context, tok *rs.Token) (any, error) {
				if tok.Subject != "usr_1" {
					t.Errorf("asked for %s", tok.Subject)
				}
				return tt.subject, tt.err
			}
			v := newVerifier(t, cfg)
			name := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				u, _ := rs.SubjectAs[user](r.Context())
				fmt.Fprint(w, u.Name)
			})
			for _, middleware := range []func(...rs.Requirement) func(http.Handler) http.Handler{v.Required, v.Optional} {
				if diff := cmp.Diff(tt.want, ask(middleware()(name), bearing(edit{}.token()))); diff != "" {
					t.Error(diff)
				}
			}
			if _, err := v.VerifyRequest(bearing(edit{}.token())); !errors.Is(err, tt.wantErr) {
				t.Errorf("got error %v, want %v", err, tt.wantErr)
			}
			w := serve(v.Required()(name), bearing(edit{}.token()))
			if all := fmt.Sprint(w.Header(), w.Body); strings.Contains(all, "usr_1") || strings.Contains(all, "select") {
				t.Errorf("answer says %s", all)
			}
		})
	}
}

// F-12, F-13: what was loaded has a type, and asking for another one is no panic.
// Flask-JWT J-03: current_identity.
func TestSubjectAs(t *testing.T) {
	t.Parallel()
	cfg := offline()
	cfg.SubjectLoader = func(context.Context, *rs.Token) (any, error) { return &user{"Ann"}, nil }
	v := newVerifier(t, cfg)
	ran := false
	h := v.Required()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ran = true
		if u, ok := rs.SubjectAs[*user](r.Context()); !ok || u.Name != "Ann" {
			t.Errorf("got %v, %t", u, ok)
		}
		if u, ok := rs.SubjectAs[user](r.Context()); ok || u != (user{}) {
			t.Errorf("as another type: got %v, %t", u, ok)
		}
		if _, ok := rs.SubjectAs[fmt.Stringer](r.Context()); ok {
			t.Error("is a Stringer")
		}
	}))
	ask(h, bearing(edit{}.token()))
	ask(v.Optional()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if u, ok := rs.SubjectAs[*user](r.Context()); ok || u != nil {
			t.Errorf("anonymous: got %v, %t", u, ok)
		}
	})), httptest.NewRequest("GET", "/", nil))

	without := []context.Context{
		t.Context(),
		rs.NewContext(t.Context(), nil),
		rs.NewContext(t.Context(), &rs.Token{}),
	}
	if tok, err := v.Verify(t.Context(), edit{}.token()); err != nil {
		t.Error(err)
	} else {
		without = append(without, rs.NewContext(t.Context(), tok)) // Verify loads nothing
	}
	for _, ctx := range without {
		if u, ok := rs.SubjectAs[*user](ctx); ok || u != nil {
			t.Errorf("got %v, %t", u, ok)
		}
	}
	if !ran {
		t.Error("the handler did not run")
	}
}

// The person is in nobody's log because the token is.
func TestTokenHidesItsSubject(t *testing.T) {
	t.Parallel()
	cfg := offline()
	cfg.SubjectLoader = func(context.Context, *rs.Token) (any, error) { return user{"Ann-Sophie"}, nil }
	tok, err := newVerifier(t, cfg).VerifyRequest(bearing(edit{}.token()))
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, tok) + fmt.Sprintf(format, *tok); strings.Contains(text, "Sophie") {
			t.Errorf("%s shows the subject", format)
		}
	}
}

// A check sees the subject, so that it need not load it again.
func TestCheckSeesTheSubject(t *testing.T) {
	t.Parallel()
	cfg, asked := counting()
	check := rs.Check(func(ctx context.Context, tok *rs.Token) error {
		if u, ok := rs.SubjectAs[user](ctx); !ok || u.Name != "user of usr_1" {
			return fmt.Errorf("got %v, %t", u, ok)
		}
		if again, ok := rs.FromContext(ctx); !ok || again != tok {
			return errors.New("FromContext knows another token")
		}
		return nil
	})

	if _, err := newVerifier(t, cfg).VerifyRequest(bearing(edit{}.token()), check); err != nil {
		t.Error(err)
	}
	if asked.Subject.Load() != 1 {
		t.Errorf("loaded %d times", asked.Subject.Load())
	}
}
