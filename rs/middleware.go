package rs

import (
	"context"
	"errors"
	"net/http"
)

type contextKey struct{}

// FromContext returns the verified token of the request; ok is false where Optional let an anonymous request through,
// or no middleware ran.
func FromContext(ctx context.Context) (t *Token, ok bool) {
	t, ok = ctx.Value(contextKey{}).(*Token)
	return t, ok
}

// Required admits requests with a valid bearer token that meets reqs. Only the Authorization header is read: a token
// in the query is not seen, and beside one in the header it is refused (RFC 6750 §2), as is one in a form body.
func (v *Verifier) Required(reqs ...Requirement) func(http.Handler) http.Handler {
	return v.middleware(false, reqs)
}

// Optional also admits requests without a bearer token, those with another scheme among them. A bearer token that is
// present but bad is refused all the same, never taken for anonymous.
func (v *Verifier) Optional(reqs ...Requirement) func(http.Handler) http.Handler {
	return v.middleware(true, reqs)
}

func (v *Verifier) middleware(anonymous bool, reqs []Requirement) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			found, t, err := v.authenticate(r, reqs)
			switch {
			case err == nil:
				found.protectAnswer(w.Header())
				next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, t)))
			case anonymous && errors.Is(err, ErrMissing):
				next.ServeHTTP(w, r)
			default:
				v.answer(w, r, err)
			}
		})
	}
}

func (v *Verifier) authenticate(r *http.Request, reqs []Requirement) (credential, *Token, error) {
	found, err := locate(r, locations(v.cfg.Locations, reqs))
	if err != nil {
		return credential{}, nil, err
	}
	t, err := v.Verify(r.Context(), found.token, reqs...)
	if err != nil {
		return credential{}, nil, err
	}
	return found, t, found.checkRequest(r, t)
}

func (v *Verifier) answer(w http.ResponseWriter, r *http.Request, err error) {
	refusal, ok := errors.AsType[*Error](err)
	if !ok {
		refusal = refuse(err, nil)
	}
	if refusal.Err == ErrMissing {
		refusal.Challenge = "Bearer realm=" + quote(v.cfg.Audience)
	}
	if v.cfg.OnError != nil {
		v.cfg.OnError(w, r, refusal)
		return
	}
	refusal.write(w)
}
