package rs

import (
	"context"
	"errors"
	"net/http"
	"slices"
)

type contextKey struct{}

// FromContext returns the verified token of the request; ok is false where Optional let an anonymous request through,
// or no middleware ran. It never panics.
func FromContext(ctx context.Context) (t *Token, ok bool) {
	t, ok = ctx.Value(contextKey{}).(*Token)
	return t, ok && t != nil
}

// NewContext is for middlewares of the host's own: with it [FromContext] finds t, and so does [SubjectAs] what was loaded
// for it. [Verifier.Required] and [Verifier.Optional] do that themselves.
func NewContext(ctx context.Context, t *Token) context.Context {
	return context.WithValue(ctx, contextKey{}, t)
}

// BearerToken returns the token of the Authorization header, unverified, by the rules of RFC 6750 §2.1. The error is an
// [*Error]: [ErrMissing] where there is none, other schemes among them, [ErrMalformed] where there is more than one, be
// it in the query or in a form.
func BearerToken(r *http.Request) (string, error) {
	found, err := locate(r, nil)
	return found.token, err
}

// VerifyRequest finds the request's token, where [From] or Config.Locations say, verifies it as [Verifier.Verify] does,
// and loads its subject by Config.SubjectLoader, before [Check]. It is for middlewares of the host's own, and for
// handlers that ask for more than the route did.
//
// Behind a middleware that has verified the same token, its form, signature and times are not checked again, revocation is
// not asked about again and the subject is not loaded again: just reqs are asked. Without a From it looks where that
// middleware looked.
//
// The error is always an [*Error]; [Error.Respond] answers with it. Answers to requests whose token was not in the
// Authorization header need Cache-Control: private, or no-store; the middlewares see to that.
func (v *Verifier) VerifyRequest(r *http.Request, reqs ...Requirement) (*Token, error) {
	t, _, err := v.verifyRequest(r, reqs)
	if err != nil {
		return nil, v.refusal(err)
	}
	return t, nil
}

// verifyRequest also says that a request has no token, which is not the same as an error that wraps ErrMissing: a
// function of the host may have returned that.
func (v *Verifier) verifyRequest(r *http.Request, reqs []Requirement) (t *Token, anonymous bool, _ error) {
	t, locs := v.earlier(r)
	from := locations(nil, reqs)
	if from != nil {
		locs = from
	}
	own := false
	found, err := locate(r, locs)
	switch {
	case from == nil && (t.isStill(found, err) || t.wasInBody() && errors.Is(err, ErrMissing)): // the body was read since
		found, err = credential{}, nil
	case err != nil:
		return nil, errors.Is(err, ErrMissing), err
	case !t.isStill(found, nil):
		own = true
		t, err = v.examine(r.Context(), found, locs)
	}
	if err != nil {
		return nil, false, err
	}
	t, err = question{ctx: r.Context(), t: t, own: own, request: r, found: found}.admit(reqs)
	return t, false, err
}

// earlier is the token that a middleware has found in the request, if one of v's issuers made it, and where it was looked
// for.
func (v *Verifier) earlier(r *http.Request) (*Token, []Location) {
	t, ok := FromContext(r.Context())
	if !ok || t.state == nil || t.state.by != v && !slices.Contains(v.issuers, t.state.by) {
		return nil, v.cfg.Locations
	}
	return t, t.state.locations
}

// isStill guards against a request that has another's context.
func (t *Token) isStill(found credential, err error) bool {
	return t != nil && err == nil && found.token == t.state.token && found.source == t.Source
}

func (t *Token) wasInBody() bool {
	return t != nil && (t.Source == sourceForm || t.Source == sourceJSON)
}
