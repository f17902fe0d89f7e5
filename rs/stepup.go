package rs

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

// stepUp is what a challenge of RFC 9470 §3 asks the client to ask the issuer for.
type stepUp struct {
	maxAge *time.Duration
	acr    []string
}

// Fresh requires a token that comes straight from a sign-in, not from a refresh, else [ErrNotFresh]. The challenge asks
// for a sign-in now (max_age="0"), which brings such a token.
func Fresh() Requirement {
	return Requirement{stage: stageStepUp, stepUp: stepUp{maxAge: new(time.Duration)}, unmet: func(q *question) error {
		if q.t.Fresh {
			return nil
		}
		return errors.New("token is from a refresh")
	}}
}

// MaxAge requires that the person signed in no longer than d ago (RFC 9470 §3, max_age), give or take Config.Leeway,
// else [ErrNotFresh]. A token without auth_time is refused. Refreshing does not help: auth_time stays.
func MaxAge(d time.Duration) Requirement {
	d = max(d, 0)
	return Requirement{stage: stageStepUp, stepUp: stepUp{maxAge: &d}, unmet: func(q *question) error {
		signedIn, now, leeway := q.t.AuthTime, q.now(), q.config().Leeway
		switch {
		case signedIn.IsZero():
			return errors.New("auth_time is missing")
		case signedIn.After(now.Add(leeway)):
			return errors.New("auth_time is in the future")
		case now.Sub(signedIn)-leeway > d:
			return fmt.Errorf("auth_time is more than %v ago", d)
		}
		return nil
	}}
}

// ACR requires that the claim acr is one of values, else [ErrNotFresh]: the classes of sign-in that are strong enough,
// the preferred one first (RFC 9470 §3, acr_values). They are compared whole and with case.
func ACR(values ...string) Requirement {
	return Requirement{stage: stageStepUp, stepUp: stepUp{acr: values}, unmet: func(q *question) error {
		if acr, _ := q.t.Claims["acr"].(string); acr != "" && slices.Contains(values, acr) {
			return nil
		}
		return fmt.Errorf("acr is none of %q", values)
	}}
}

// meetStepUps asks for everything at once where one thing is missing, so that nobody signs in twice.
func (q *question) meetStepUps(reqs []Requirement) error {
	cause := q.meets(reqs, stageStepUp)
	if cause == nil {
		return nil
	}
	var all stepUp
	for _, req := range reqs {
		all = all.and(req.stepUp)
	}
	refusal := refuse(ErrNotFresh, cause)
	refusal.Challenge += all.params()
	return refusal
}

// and keeps the smaller age. Of two lists of classes it keeps what both allow, or the first where that is nothing.
func (s stepUp) and(o stepUp) stepUp {
	if s.maxAge == nil || o.maxAge != nil && *o.maxAge < *s.maxAge {
		s.maxAge = o.maxAge
	}
	both := oauth.Scopes(s.acr).Intersect(o.acr)
	switch {
	case s.acr == nil:
		s.acr = o.acr
	case len(both) > 0:
		s.acr = both
	}
	return s
}

func (s stepUp) params() string {
	var b strings.Builder
	if s.maxAge != nil {
		b.WriteString(`, max_age="` + strconv.FormatInt(int64(*s.maxAge/time.Second), 10) + `"`)
	}
	if len(s.acr) > 0 {
		b.WriteString(", acr_values=" + quote(strings.Join(s.acr, " ")))
	}
	return b.String()
}
