package grants

import (
	"context"

	"github.com/go-authd/authd/internal/oauth"
)

// Event is one of [SessionBegun], [SessionEnded], [SignInFailed], [SignInThrottled],
// [UserRegistered], [ConsentGiven], [ConsentDenied], [ConsentWithdrawn] and
// [ConstantChallenge]. None holds what somebody typed: people type passwords into the field
// for the name.
type Event interface{ isGrantsEvent() }

// SessionBegun: a person signed in in a browser, on the way to the client, or with "" to
// their account.
type SessionBegun struct{ SessionID, Subject, ClientID string }

// SessionEnded: somebody ended a session. One that lies unused, that another sign-in in the
// same browser replaces, or whose subject is ended, has no such event.
type SessionEnded struct{ SessionID, Subject, Reason string }

// SignInFailed: a name or a password was wrong, or the person may not sign in.
type SignInFailed struct{ ClientID string }

// SignInThrottled: a password was not looked at, after too many attempts at one account or
// from one address.
type SignInThrottled struct{ ClientID, By string }

// Values of [SignInThrottled].By.
const (
	ByAccount = "account"
	ByAddress = "address"
)

// UserRegistered: somebody made an account.
type UserRegistered struct{ Subject, ClientID string }

// ConsentGiven: a person who was asked has allowed the client Scopes.
type ConsentGiven struct {
	Subject, ClientID string
	Scopes            oauth.Scopes
}

// ConsentDenied: a person who was asked has not allowed it.
type ConsentDenied struct{ Subject, ClientID string }

// ConsentWithdrawn: what a person had allowed the client was taken back.
type ConsentWithdrawn struct{ Subject, ClientID, Reason string }

// ConstantChallenge: a code was given to a client that has used its challenge more than three
// times within the last hour.
type ConstantChallenge struct{ ClientID string }

func (SessionBegun) isGrantsEvent()      {}
func (SessionEnded) isGrantsEvent()      {}
func (SignInFailed) isGrantsEvent()      {}
func (SignInThrottled) isGrantsEvent()   {}
func (UserRegistered) isGrantsEvent()    {}
func (ConsentGiven) isGrantsEvent()      {}
func (ConsentDenied) isGrantsEvent()     {}
func (ConsentWithdrawn) isGrantsEvent()  {}
func (ConstantChallenge) isGrantsEvent() {}

func (s *Service) tell(ctx context.Context, e Event) { s.cfg.OnEvent(ctx, e) }
