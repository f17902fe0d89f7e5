package rs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

// Requirement is asked of a token beyond being valid, or changes what is asked on one route. The zero value asks
// nothing. In whatever order they are given, they are asked in the order of [Verifier.Verify].
type Requirement struct {
	stage stage
	unmet func(*question) error // nil if the token meets it

	stepUp  stepUp        // of Fresh, MaxAge and ACR: what the challenge asks for
	from    []Location    // of From: where the token may be, in place of Config.Locations
	offline bool          // of Offline
	expired time.Duration // of AllowExpired
}

// stage is when a requirement is asked. What costs a question to somebody else comes after what costs none.
type stage int

const (
	stageClaims stage = iota + 1 // before revocation
	stageStepUp
	stageScopes
	stageChecks // when the subject is loaded
)

// Scopes requires all of the given scopes, else [ErrInsufficientScope]. They are compared whole and with case: a token
// with "readonly" does not pass Scopes("read"). A name outside the grammar of RFC 6749 §3.3 can be in no token, so
// it is always refused.
func Scopes(all ...string) Requirement {
	needed, err := oauth.NewScopes(all...)
	return Requirement{stage: stageScopes, unmet: func(q *question) error {
		if err == nil && needed.Within(q.t.Scopes) {
			return nil
		}
		refusal := refuse(ErrInsufficientScope, fmt.Errorf("needs %q", all))
		if err == nil {
			refusal.Challenge += ", scope=" + quote(needed.String()) // RFC 6750 §3.1
		}
		return refusal
	}}
}

// AnyScope requires at least one of the given scopes, else [ErrInsufficientScope]. The challenge names the first,
// which is enough. AnyScope of none refuses every token.
func AnyScope(anyOf ...string) Requirement {
	return Requirement{stage: stageScopes, unmet: func(q *question) error {
		for _, scope := range anyOf {
			if oauth.Scopes(q.t.Scopes).Has(scope) {
				return nil
			}
		}
		refusal := refuse(ErrInsufficientScope, fmt.Errorf("needs one of %q", anyOf))
		if len(anyOf) > 0 && isScope(anyOf[0]) {
			refusal.Challenge += ", scope=" + quote(anyOf[0])
		}
		return refusal
	}}
}

func isScope(name string) bool {
	_, err := oauth.NewScopes(name)
	return err == nil
}

// Claims requires that the token has all of these claims, and not as null, else [ErrInvalid]. What they say is for
// [Check]. The claims that [Verifier.Verify] names are required of every token.
func Claims(names ...string) Requirement {
	return Requirement{stage: stageClaims, unmet: func(q *question) error {
		for _, name := range names {
			if q.t.Claims[name] == nil {
				return invalid(fmt.Errorf("claim %q is missing", name))
			}
		}
		return nil
	}}
}

// Check asks a function of the host, after everything else. An error refuses the request: one that wraps a sentinel of
// this package is answered as that sentinel is (wrap [ErrUnavailable] where the answer cannot be known now), an
// [*Error] as it says, one of a context with 503, and any other with 403, [ErrDenied]; no client is told its text.
// In a request the subject is loaded by then, and [FromContext] and [SubjectAs] of ctx work. A panic is not recovered.
func Check(f func(ctx context.Context, t *Token) error) Requirement {
	return Requirement{stage: stageChecks, unmet: func(q *question) error {
		if err := f(q.ctx, q.t); err != nil {
			return judge(err, ErrDenied)
		}
		return nil
	}}
}

// Offline skips Config.Revocation on this route: a token that was revoked is accepted there until it expires.
func Offline() Requirement { return Requirement{offline: true} }

// AllowExpired accepts tokens that are over for at most this long, for routes such as one that ends the session of
// whoever comes. Token.Expired marks them, and everything else about them is right, but for one thing: whether such a
// token was revoked is not asked, since issuers forget that at its end.
func AllowExpired(within time.Duration) Requirement { return Requirement{expired: within} }

func isContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func isOffline(reqs []Requirement) bool {
	for _, req := range reqs {
		if req.offline {
			return true
		}
	}
	return false
}
