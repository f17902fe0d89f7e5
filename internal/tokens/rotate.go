package tokens

import (
	"context"
	"errors"
	"time"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/failpoint"
	"github.com/go-authd/authd/internal/oauth"
)

// maxReplays bounds the answers inside one grace window. A count is no proof of theft, so
// more of them are told to wait and the family lives.
const maxReplays = 20

// Rotated is a family after its rotation, the client that it belongs to, and the
// database's time.
type Rotated struct {
	Family oauth.Family
	Client oauth.Client
	Now    time.Time
}

// Rotate consumes the refresh token raw (RFC 9700 §4.14.2) and commits the next
// generation; inside the grace window the parent of the leaf leads to the same leaf. The
// caller is authenticated in the same round trip. A rotation keeps where it came from, a
// retry does not. allow may still refuse what is asked,
// and then nothing is consumed.
//
// It returns a refusal: [oauth.InvalidGrant] with one description for all reasons, what
// caller and allow say, or 429. After a reuse the family's end is committed before it
// returns. When the outcome of a commit is unknown, the error wraps [db.ErrUnavailable],
// and the same call may be repeated.
func (s *Service) Rotate(ctx context.Context, caller Caller, raw string, from oauth.Device, allow func(*oauth.Client, *oauth.Family) error) (out Rotated, err error) {
	token, err := s.parseRefresh(ctx, raw)
	if isInvalid(err) {
		return Rotated{}, s.refuseGarbage(ctx, caller)
	}
	if err != nil {
		return Rotated{}, err
	}
	leave, err := s.racers.enter(ctx, token.FamilyID) // before a connection is taken
	if err != nil {
		return Rotated{}, err
	}
	defer func() { leave(err) }()
	if err := s.keys.Admit(ctx); err != nil { // before a generation is used
		return Rotated{}, err
	}
	for attempt := 1; ; attempt++ {
		out, err = s.rotate(ctx, caller, token, from, allow)
		if !errors.Is(err, db.ErrRolledBack) || attempt == maxAttempts {
			return out, err
		}
	}
}

// maxAttempts bounds the repetitions of a transaction that the database rolled back in
// favour of another.
const maxAttempts = 3

// refuseGarbage takes no lock. The caller is told of its own credentials first, as with a
// good token.
func (s *Service) refuseGarbage(ctx context.Context, caller Caller) error {
	client, err := s.client(ctx, caller.ClientID())
	if err != nil {
		return err
	}
	if err := caller.Check(client); err != nil {
		return err
	}
	return dead("not a refresh token of this server")
}

// client reads the registration; nil for none.
func (s *Service) client(ctx context.Context, id string) (*oauth.Client, error) {
	c, _, err := s.db.Client(ctx, id)
	if isNotFound(err) {
		return nil, nil
	}
	return &c, err
}

func (s *Service) rotate(ctx context.Context, caller Caller, token refreshClaims, from oauth.Device, allow func(*oauth.Client, *oauth.Family) error) (Rotated, error) {
	kid, err := s.keys.Signing(oauth.RefreshRing)
	if err != nil {
		return Rotated{}, err
	}
	jti, err := oauth.NewJTI(s.cfg.Random)
	if err != nil {
		return Rotated{}, err
	}
	failpoint.Hit("refresh.before_lock")
	r, err := s.db.BeginRotation(ctx, token.FamilyID, caller.ClientID(), token.KID)
	if err != nil {
		return Rotated{}, err
	}
	defer r.Rollback(ctx)
	failpoint.Hit("refresh.after_lock")
	if err := caller.Check(r.Client); err != nil {
		return Rotated{}, err
	}
	found := s.classify(r, token)
	if err := s.refuse(ctx, r, token, found); err != nil {
		return Rotated{}, err
	}
	if err := allow(r.Client, r.Family); err != nil {
		return Rotated{}, err
	}
	if found == graced {
		err = s.replay(ctx, r)
	} else {
		err = r.Step(ctx, jti, kid, s.idle(r.Client), from)
	}
	return Rotated{*r.Family, *r.Client, r.Now}, err
}

// finding is one row of the table in the design of refresh families.
type finding int

const (
	live finding = iota
	graced
	gone
	foreign
	reused
	forked
	expired
)

// classify changes nothing. Order is by integer generation, never by a timestamp.
func (s *Service) classify(r *db.Rotation, t refreshClaims) finding {
	f := r.Family
	switch {
	case f == nil || !r.KeyValid || f.RevokedAt != nil || r.Subject.DisabledAt != nil || r.Subject.Epoch != f.UserEpoch:
		return gone
	case f.ClientID != r.Client.ID || f.ClientID != t.ClientID:
		return foreign
	case r.Client.Epoch != f.ClientEpoch:
		return gone
	}
	var found finding
	isParent := t.Generation == f.Generation-1
	switch {
	case t.Generation == f.Generation && t.ID == f.LeafJTI:
		found = live
	case t.Generation >= f.Generation, isParent && t.ID != *f.ParentJTI:
		return forked
	case isParent && s.inGrace(r):
		found = graced
	default:
		return reused
	}
	if !r.Now.Before(f.LeafExp) || !r.Now.Before(f.AbsoluteExp) {
		return expired
	}
	return found
}

// inGrace compares the request's arrival, which may lie before the rotation that it waited
// for: a negative span counts as inside.
func (s *Service) inGrace(r *db.Rotation) bool {
	return s.cfg.Grace > 0 && r.Arrival.Sub(*r.Family.RotatedAt) <= s.cfg.Grace
}

// refuse returns nil for what may go on. Reuse and fork are committed before they are told.
func (s *Service) refuse(ctx context.Context, r *db.Rotation, t refreshClaims, found finding) error {
	switch found {
	case gone:
		if r.Family != nil {
			if err := r.Confirm(ctx); err != nil {
				return err
			}
		}
		return dead("family is gone, revoked, or of an earlier epoch, or the token's key was revoked")
	case foreign:
		f := *r.Family
		r.Rollback(ctx) // no lock is held while a host is told
		s.cfg.OnEvent(ctx, ForeignToken{FamilyID: f.ID, ClientID: f.ClientID, PresentedBy: r.Client.ID})
		return dead("token of another client")
	case reused, forked:
		return s.endReused(ctx, r, t, found == forked)
	case expired:
		return dead("family or leaf expired")
	default:
		return nil
	}
}

func (s *Service) endReused(ctx context.Context, r *db.Rotation, t refreshClaims, fork bool) error {
	reason := ReasonReuse
	if fork {
		reason = ReasonFork
	}
	f := *r.Family
	if err := r.Revoke(ctx, reason); err != nil {
		return err
	}
	s.cfg.OnEvent(ctx, ReuseDetected{
		FamilyID: f.ID, ClientID: f.ClientID, Subject: f.Subject,
		Generation: t.Generation, LeafGeneration: f.Generation, Fork: fork,
	})
	return dead(reason)
}

func (s *Service) replay(ctx context.Context, r *db.Rotation) error {
	if r.Family.Replays >= maxReplays {
		return oauth.TooMany(time.Second, "rt_grace_excess")
	}
	if err := r.Replay(ctx); err != nil {
		return err
	}
	s.cfg.OnEvent(ctx, GraceReplay{FamilyID: r.Family.ID, ClientID: r.Family.ClientID, Replays: r.Family.Replays})
	return nil
}
