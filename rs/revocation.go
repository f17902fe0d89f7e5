package rs

import (
	"context"
	"errors"
)

// Checker knows which tokens were revoked. [Feed] and [Introspection] are Checkers; a host may write its own.
//
// Revoked is asked about tokens that are good in every other way, before the requirements of the route. True refuses
// the token with [ErrRevoked]. An error means that it cannot know now, and is answered with 503 whatever the bool says.
// It is called by many goroutines at once, and must not panic.
type Checker interface {
	Revoked(ctx context.Context, t *Token) (bool, error)
}

// errNoChecker is what a nil *Feed or *Introspection knows: the error of its constructor was not looked at.
var errNoChecker = errors.New("the revocation checker is nil: its constructor failed")

// errForeign is a mistake in the configuration: what is not known of an issuer's tokens must not be taken for good.
var errForeign = errors.New("the revocation checker is for another issuer than the verifier")
