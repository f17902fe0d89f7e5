package grants

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/go-authd/authd/internal/authn"
	"github.com/go-authd/authd/internal/oauth"
)

// proof says who somebody is. It returns a refusal for every reason that a person can cause;
// other errors are outages.
type proof func(context.Context) (oauth.Authentication, error)

// attempt is a proof by a password, within the limit of the address that it comes from. What
// succeeds counts for nothing, so that a large office can sign in; it pays for none of the
// failures before it either (B-13).
func (s *Service) attempt(from netip.Addr, client string, prove proof) proof {
	return func(ctx context.Context) (oauth.Authentication, error) {
		if wait := s.attempts.take(from); wait > 0 {
			s.tell(ctx, SignInThrottled{ClientID: client, By: ByAddress})
			return oauth.Authentication{}, errTooMany(wait)
		}
		who, err := prove(ctx)
		code, refused := refusalCode(err)
		switch {
		case err == nil, !refused, code == oauth.TemporarilyUnavailable, code == oauth.WeakPassword: // no guess
			s.attempts.giveBack(from)
		case code == oauth.TooManyAttempts:
			s.tell(ctx, SignInThrottled{ClientID: client, By: ByAccount})
		default:
			s.tell(ctx, SignInFailed{ClientID: client})
		}
		return who, err
	}
}

// registration is a proof by a new account. Accounts that are made, and names that turn out to
// be taken, count for the address: nobody makes accounts, or looks who has one, by the thousand.
func (s *Service) registration(from netip.Addr, client string, u authn.NewUser) proof {
	return func(ctx context.Context) (oauth.Authentication, error) {
		if wait := s.registrations.take(from); wait > 0 {
			return oauth.Authentication{}, errTooMany(wait)
		}
		who, err := s.cfg.Accounts.Register(ctx, u)
		if code, _ := refusalCode(err); err != nil && code != oauth.UsernameTaken {
			s.registrations.giveBack(from)
		}
		if err == nil {
			s.tell(ctx, UserRegistered{Subject: who.Subject, ClientID: client})
		}
		return who, err
	}
}

func errTooMany(wait time.Duration) *oauth.Error {
	return &oauth.Error{
		Code: oauth.TooManyAttempts, Description: "too many attempts from this network, try again later",
		Rule: "address throttled", RetryAfter: wait,
	}
}

func refusalCode(err error) (code oauth.Code, ok bool) {
	e, ok := errors.AsType[*oauth.Error](err)
	if ok {
		code = e.Code
	}
	return code, ok
}
