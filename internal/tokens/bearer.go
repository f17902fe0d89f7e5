package tokens

import (
	"context"
	"fmt"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
)

// maxListed bounds the families that a bearer is shown, newest first.
const maxListed = 1000

// OwnFamilies are those of a subject, and which of them the bearer belongs to.
type OwnFamilies struct {
	Families []oauth.ListedFamily
	Current  string
}

// Families lists the families of the subject that the access token raw speaks for, in one
// round trip. The token must be live by the database, and its client first-party. It returns
// a refusal with [oauth.InvalidToken] or [oauth.UnauthorizedClient].
func (s *Service) Families(ctx context.Context, raw string) (OwnFamilies, error) {
	t, err := s.parseBearer(ctx, raw)
	if err != nil {
		return OwnFamilies{}, err
	}
	b, list, err := s.db.BearerFamilies(ctx, ref(t, false), maxListed)
	if err != nil {
		return OwnFamilies{}, err
	}
	if err := judge(t, b); err != nil {
		return OwnFamilies{}, err
	}
	return OwnFamilies{Families: list, Current: t.FamilyID}, nil
}

// EndFamily ends one family of the subject that the access token raw speaks for. An unknown
// one and somebody else's are no error, and nothing happens. To end another than the token's
// own, the token must be fresh: a refresh token alone must not lock its owner out.
func (s *Service) EndFamily(ctx context.Context, raw, id string) error {
	t, err := s.bearer(ctx, raw)
	if err != nil {
		return err
	}
	if id != t.FamilyID && !t.Fresh {
		return notFresh()
	}
	return s.EndFamilyOf(ctx, t.Subject, id)
}

// EndOtherFamilies ends all families of the subject but that of the access token raw, which
// must be fresh.
func (s *Service) EndOtherFamilies(ctx context.Context, raw string) error {
	t, err := s.bearer(ctx, raw)
	if err != nil {
		return err
	}
	if !t.Fresh {
		return notFresh()
	}
	return s.ending(ctx, t.Subject, func() (bool, error) {
		revs, err := s.db.RevokeOtherFamilies(ctx, t.Subject, t.FamilyID, ReasonSubject)
		for _, rev := range revs {
			s.tellEnded(ctx, rev)
		}
		return len(revs) < db.RevokedAtOnce, err
	})
}

// ending calls end until it is done. The calls of one subject queue before they take a
// connection: not by the family that they name, which may be somebody else's.
func (s *Service) ending(ctx context.Context, subject string, end func() (done bool, err error)) error {
	leave, err := s.enders.enter(ctx, "subject "+subject)
	if err != nil {
		return err
	}
	defer func() { leave(err) }() // a host's OnEvent may panic
	done := false
	for !done && err == nil {
		done, err = end()
	}
	return err
}

func (s *Service) tellEnded(ctx context.Context, rev db.Revocation) {
	s.cfg.OnEvent(ctx, FamilyRevoked{FamilyID: rev.FamilyID, ClientID: rev.ClientID, Subject: rev.Subject, Reason: ReasonSubject})
}

// bearer reads an access token of this server that is live.
func (s *Service) bearer(ctx context.Context, raw string) (verified, error) {
	t, err := s.parseBearer(ctx, raw)
	if err != nil {
		return t, err
	}
	b, err := s.db.Bearer(ctx, ref(t, false))
	if err != nil {
		return t, fmt.Errorf("authenticate bearer: %w", err)
	}
	return t, judge(t, b)
}

// parseBearer refuses what is no access token of a person: those of client_credentials have
// no family.
func (s *Service) parseBearer(ctx context.Context, raw string) (verified, error) {
	t, err := s.parseAccess(ctx, raw)
	if err == nil && t.FamilyID == "" {
		err = errNotOurs
	}
	if isInvalid(err) {
		return t, invalidToken("not an access token of a person")
	}
	return t, err
}

// judge compares the token with what the database says of it.
func judge(t verified, b db.Bearer) error {
	if why := whyInactive(t, b.State); why != "" || b.Client == nil {
		return invalidToken(why)
	}
	return b.Client.CheckFirstParty()
}

func invalidToken(rule string) error {
	return oauth.Errorf(oauth.InvalidToken, "token invalid").Because(rule)
}

func notFresh() error {
	return oauth.Errorf(oauth.NotFresh, "sign in again to end other families")
}
