package rs

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Verify checks a token outside of HTTP. The checks are, in this order: length and form; alg (RS256 only) and typ
// at+jwt; that the key kid is known; the signature; iss, aud and the times; the required claims of RFC 9068 §2.2 (iss,
// sub, client_id, jti, aud, iat, exp) and those of [Claims]; Config.Revocation where there is one; [Fresh], [MaxAge]
// and [ACR]; scopes; [Check]. The first that fails is the answer, but ErrExpired is said only of tokens about which
// all that can be seen offline is right.
//
// Without Config.Revocation it cannot see that a token was revoked. It loads no subject. It waits for the network only if
// the token names a key that is not in memory, or if Config.Revocation or a Check does.
//
// The error is always an [*Error].
func (v *Verifier) Verify(ctx context.Context, token string, reqs ...Requirement) (*Token, error) {
	t, err := v.examine(ctx, credential{token: token}, nil)
	if err == nil {
		t, err = question{ctx: ctx, t: t, own: true}.admit(reqs)
	}
	if err != nil {
		return nil, v.refusal(err)
	}
	return t, nil
}

// examine is what is asked of a token once and offline. A token that is over is marked.
func (v *Verifier) examine(ctx context.Context, found credential, locs []Location) (*Token, error) {
	by, err := v.chosen(found.token)
	if err != nil {
		return nil, err
	}
	verified, refusal := by.verify(ctx, found.token)
	if verified == nil {
		return nil, refusal
	}
	t := verified.tokenOf(found, state{locations: locs, by: by})
	t.Source, t.Expired = found.source, refusal != nil
	return t, nil
}

// question is what is asked of an examined token on each route.
type question struct {
	ctx     context.Context
	t       *Token
	own     bool          // nobody else has t yet
	request *http.Request // nil outside of HTTP
	found   credential    // where request had t; zero where that was asked about already
}

// admit is the order of [Verifier.Verify]. What costs a question to somebody is not asked twice.
func (q question) admit(reqs []Requirement) (*Token, error) {
	err := q.meets(reqs, stageClaims)
	if err == nil {
		err = q.checkEnd(reqs)
	}
	if err == nil && q.request != nil {
		err = q.found.checkRequest(q.request, q.t)
	}
	if err == nil && !isOffline(reqs) {
		err = q.checkRevocation()
	}
	if err == nil {
		err = q.meetStepUps(reqs)
	}
	if err == nil {
		err = q.meets(reqs, stageScopes)
	}
	if err == nil && q.request != nil {
		err = q.loadSubject()
	}
	if err == nil {
		err = q.meets(reqs, stageChecks)
	}
	if err != nil {
		return nil, err
	}
	return q.t, nil
}

func (q *question) config() *Config { return &q.t.state.by.cfg }

// meets asks all requirements of one stage.
func (q *question) meets(reqs []Requirement, s stage) error {
	for _, req := range reqs {
		if req.stage != s || req.unmet == nil {
			continue
		}
		if err := req.unmet(q); err != nil {
			return err
		}
	}
	return nil
}

// note is for writing down what was found out, in a copy if others have the token already.
func (q *question) note() *state {
	if !q.own {
		t, s := *q.t, *q.t.state
		q.t, t.state, q.own = &t, &s, true
	}
	return q.t.state
}

func (q *question) now() time.Time { return q.config().Now() }

func (q *question) checkEnd(reqs []Requirement) error {
	if !q.t.Expired {
		return nil
	}
	over := q.now().Sub(q.t.ExpiresAt)
	for _, req := range reqs {
		if over <= req.expired {
			return nil
		}
	}
	return refuse(ErrExpired, nil)
}

// checkRevocation asks once per request, and not about a token that is over: issuers forget revocations at its end.
func (q *question) checkRevocation() error {
	checker := q.config().Revocation
	if checker == nil || q.t.state.revocation || q.t.Expired {
		return nil
	}
	revoked, err := checker.Revoked(q.ctx, q.t)
	switch {
	case err != nil:
		return refuse(ErrUnavailable, err)
	case revoked:
		return refuse(ErrRevoked, nil)
	}
	q.note().revocation = true
	return nil
}

// loadSubject asks the loader once per request, and lets the host's checks see what it said.
func (q *question) loadSubject() error {
	load := q.config().SubjectLoader
	if load != nil && q.t.state.subject == nil {
		subject, err := load(q.ctx, q.t)
		switch {
		case err != nil:
			return judge(err, ErrUnavailable)
		case isNil(subject):
			return refuse(ErrNoSubject, errors.New("the loader returned nil"))
		}
		q.note().subject = &subject
	}
	q.ctx = NewContext(q.ctx, q.t)
	return nil
}
