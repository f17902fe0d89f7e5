package tokens

import (
	"context"
	"errors"
	"time"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
)

// maxGuesses wrong attempts burn a code. One does not: whoever saw a code, and not its
// verifier, must not be able to keep its owner from using it.
const maxGuesses = 5

// Redemption is what a client presents with a code (RFC 6749 §4.1.3, RFC 7636 §4.5).
type Redemption struct{ Code, RedirectURI, Verifier string }

// proves reports whether whoever presents r asked for the code, too.
func (r Redemption) proves(c *oauth.CodeGrant) bool {
	return r.RedirectURI == c.RedirectURI && oauth.VerifyCode(c.Challenge, r.Verifier)
}

// Redeemed is the family that came of a code, the client that it belongs to, and the
// database's time.
type Redeemed struct {
	Family oauth.Family
	Client *oauth.Client
	Now    time.Time
}

// Redeem consumes an authorization code and commits the family that comes of it (RFC 6749
// §4.1.3). The caller is authenticated in the same round trip. begin says what the family
// is to be, but for who signed in; it may still refuse, and then nothing is consumed.
//
// It returns a refusal: [oauth.InvalidGrant] with one description for all reasons, or what
// caller and begin say, or 429. A code that comes a second time with all that belongs to it ends
// its family, and that is committed before Redeem returns; whoever presents a code without
// what belongs to it changes nothing but the count of wrong attempts. When the outcome of a
// commit is unknown, the error wraps [db.ErrUnavailable].
func (s *Service) Redeem(ctx context.Context, caller Caller, r Redemption, begin func(*oauth.Client, *oauth.CodeGrant) (SignIn, error)) (out Redeemed, err error) {
	sum := oauth.SecretOf(r.Code).SHA256
	leave, err := s.takers.enter(ctx, string(sum)) // before a connection is taken
	if err != nil {
		return Redeemed{}, err
	}
	defer func() { leave(err) }()
	if err := s.keys.Admit(ctx); err != nil { // before a code is used
		return Redeemed{}, err
	}
	for attempt := 1; ; attempt++ {
		out, err = s.redeem(ctx, caller, r, sum, begin)
		if !errors.Is(err, db.ErrRolledBack) || attempt == maxAttempts {
			return out, err
		}
	}
}

func (s *Service) redeem(ctx context.Context, caller Caller, r Redemption, sum []byte, begin func(*oauth.Client, *oauth.CodeGrant) (SignIn, error)) (Redeemed, error) {
	x, err := s.db.BeginExchange(ctx, sum, caller.ClientID())
	if err != nil {
		return Redeemed{}, err
	}
	defer x.Rollback(ctx)
	if err := caller.Check(x.Client); err != nil {
		return Redeemed{}, err
	}
	if err := s.refuseCode(ctx, x, r, sum); err != nil {
		return Redeemed{}, err
	}
	in, err := begin(x.Client, x.Code)
	if err != nil {
		return Redeemed{}, err
	}
	n, err := s.newFamily(signedIn(in, x))
	if err != nil {
		return Redeemed{}, err
	}
	f, now, err := x.Redeem(ctx, sum, n)
	if isNotFound(err) {
		err = deadCode("subject or client ended during the exchange")
	}
	return Redeemed{f, x.Client, now}, err
}

// signedIn fills in who it was that the code was made for.
func signedIn(in SignIn, x *db.Exchange) SignIn {
	c := x.Code
	in.Authentication = oauth.Authentication{
		Subject: c.Subject, Epoch: c.UserEpoch, Time: c.AuthTime, AMR: c.AMR, ACR: c.ACR, Device: x.Device,
	}
	in.Client, in.SessionID = x.Client, x.SessionID
	return in
}

// refuseCode returns nil for what may go on. What it does is committed before it is told.
func (s *Service) refuseCode(ctx context.Context, x *db.Exchange, r Redemption, sum []byte) error {
	c := x.Code
	switch {
	case c == nil:
		return deadCode("unknown code")
	case c.ClientID != x.Client.ID:
		return deadCode("code of another client")
	case c.Guesses >= maxGuesses:
		return deadCode("code is burned by wrong attempts")
	case c.ConsumedAt == nil && !x.Now.Before(c.ExpiresAt):
		return deadCode("code expired")
	case c.ConsumedAt == nil && !r.proves(c):
		if err := x.Guess(ctx, sum); err != nil {
			return err
		}
		return deadCode("wrong redirect_uri or code_verifier")
	case !r.proves(c): // no proof of theft: anybody could end the family
		return deadCode("replay with a wrong redirect_uri or code_verifier")
	case c.ConsumedAt != nil:
		return s.endReplayed(ctx, x)
	case !x.SessionLives || c.ClientEpoch != x.Client.Epoch:
		return deadCode("session, subject or client ended since the code was made")
	}
	return nil
}

// endReplayed is RFC 6749 §4.1.2: of two parties with one code, one has no right to it.
func (s *Service) endReplayed(ctx context.Context, x *db.Exchange) error {
	ended, err := x.Replay(ctx, ReasonReplay)
	if err != nil {
		return err
	}
	if ended {
		s.cfg.OnEvent(ctx, FamilyRevoked{
			FamilyID: *x.Code.FamilyID, ClientID: x.Code.ClientID, Subject: x.Code.Subject, Reason: ReasonReplay,
		})
	}
	return deadCode(ReasonReplay)
}

// deadCode is the one answer for every reason for which a code does not work.
func deadCode(rule string) error {
	return oauth.Errorf(oauth.InvalidGrant, "the authorization code is not valid").Because(rule)
}
