package tokens

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/failpoint"
	"github.com/go-authd/authd/internal/keys"
	"github.com/go-authd/authd/internal/oauth"
)

func isNotFound(err error) bool { return errors.Is(err, db.ErrNotFound) }

// isInvalid reports whether the token is to blame, not storage.
func isInvalid(err error) bool { return errors.Is(err, keys.ErrInvalid) || errors.Is(err, errNotOurs) }

// Revoke ends the token raw at the wish of the caller, which is authenticated first (RFC
// 7009 §2.1). A refresh token of any generation ends its family, and with it the family's
// access tokens; an access token ends itself alone.
//
// An unknown token is no error: what the client wants, an unusable token, is already so
// (RFC 7009 §2.2). A token of another client is refused with invalid_grant, unchanged.
func (s *Service) Revoke(ctx context.Context, caller Caller, raw, reason string) error {
	end, err := s.identify(ctx, raw) // before a connection is taken
	if err != nil {
		return err
	}
	client, err := s.client(ctx, caller.ClientID())
	if err != nil {
		return err
	}
	if err := caller.Check(client); err != nil {
		return err
	}
	return end(ctx, client.ID, reason)
}

// identify finds out what raw is and returns how it is ended. A token says itself what it
// is; the hint of RFC 7009 §2.1 is not needed.
func (s *Service) identify(ctx context.Context, raw string) (func(ctx context.Context, client, reason string) error, error) {
	refresh, err := s.parseRefresh(ctx, raw)
	if err == nil {
		return func(ctx context.Context, client, reason string) error {
			return s.endFamily(ctx, refresh.FamilyID, client, reason)
		}, nil
	}
	if !isInvalid(err) {
		return nil, err
	}
	access, err := s.parseAccess(ctx, raw)
	if err == nil {
		return func(ctx context.Context, client, _ string) error { return s.endAccess(ctx, client, access) }, nil
	}
	if !isInvalid(err) {
		return nil, err
	}
	return func(context.Context, string, string) error { return nil }, nil
}

func (s *Service) endFamily(ctx context.Context, family, client, reason string) error {
	rev, err := s.revokeFamily(ctx, family, client, reason)
	switch {
	case isNotFound(err):
		return nil
	case err != nil:
		return err
	case !rev.Owned:
		return foreignToken()
	case rev.Ended:
		s.cfg.OnEvent(ctx, FamilyRevoked{FamilyID: rev.FamilyID, ClientID: rev.ClientID, Subject: rev.Subject, Reason: reason})
	}
	return nil
}

// revokeFamily waits for no refresh of the family: whoever floods it with those does not
// keep it alive.
func (s *Service) revokeFamily(ctx context.Context, family, client, reason string) (rev db.Revocation, err error) {
	leave, err := s.enders.enter(ctx, family) // before a connection is taken
	if err != nil {
		return rev, err
	}
	defer func() { leave(err) }()
	failpoint.Hit("revoke.before_commit")
	rev, err = s.db.RevokeFamily(ctx, family, client, reason)
	failpoint.Hit("revoke.after_commit")
	return rev, err
}

func (s *Service) endAccess(ctx context.Context, client string, t verified) error {
	if t.ClientID != client {
		return foreignToken()
	}
	ended, err := s.db.RevokeToken(ctx, t.ID, t.ClientID, t.Audience, time.Unix(t.Expiry, 0))
	if ended {
		s.cfg.OnEvent(ctx, TokenRevoked{JTI: t.ID, ClientID: t.ClientID, Subject: t.Subject})
	}
	return err
}

func foreignToken() error {
	return oauth.Errorf(oauth.InvalidGrant, "the token was issued to another client")
}

// Logout ends the family of an access token that its bearer presents: the one thing that
// an access token may do here without its client. It returns a refusal with
// [oauth.InvalidToken] for what is no live access token with a family.
func (s *Service) Logout(ctx context.Context, raw string) error {
	t, err := s.parseBearer(ctx, raw)
	if err != nil {
		return err
	}
	// An expired one ends its family too: whoever logs out late wants it ended no less.
	if err := s.endFamily(ctx, t.FamilyID, t.ClientID, ReasonLogout); err != nil {
		return fmt.Errorf("log out: %w", err)
	}
	return nil
}
