package authd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-authd/authd/internal/keys"
	"github.com/go-authd/authd/internal/oauth"
)

// RingRotation is a ring after a rotation, as kids.
type RingRotation struct {
	Previous, Signing, Announced string
	// SafeAt is set where force was needed: until then verifiers that honour the cache
	// header may not know Signing.
	SafeAt time.Time
}

// Rotation is the outcome of [Server.RotateKeys].
type Rotation struct{ Access, Refresh RingRotation }

// RotateKeys makes the announced key of both rings sign, or only of those that are named,
// and announces the next. Tokens that the previous keys signed stay valid, and their keys
// stay published as long as they live. Of any number of calls at once, one makes the step,
// and all return its outcome.
//
// Servers rotate by themselves when KeyPeriod is over; this is for before.
//
// It returns a [*KeyTooYoungError] for a ring whose announced key verifiers may not have
// seen yet. force rotates all the same: verifiers that cached the JWKS refuse new tokens
// until they fetch it again, at most JWKSMaxAge later. The rings are independent: where
// one cannot be rotated, the other is: its RingRotation is there, and the joined error is of
// the one whose is empty.
func (s *Server) RotateKeys(ctx context.Context, force bool, rings ...string) (Rotation, error) {
	if len(rings) == 0 {
		rings = []string{AccessRing, RefreshRing}
	}
	var out Rotation
	var errs []error
	view := s.rings.View()
	for _, ring := range rings {
		r, err := rotateRing(ctx, view, oauth.Ring(ring), force)
		switch ring {
		case AccessRing:
			out.Access = r
		case RefreshRing:
			out.Refresh = r
		}
		errs = append(errs, err)
	}
	return out, errors.Join(errs...)
}

// The two rings of signing keys: that of access tokens, which is published, and that of
// refresh tokens, which only servers of the same database read.
const (
	AccessRing  = string(oauth.AccessRing)
	RefreshRing = string(oauth.RefreshRing)
)

func rotateRing(ctx context.Context, view keys.View, ring oauth.Ring, force bool) (RingRotation, error) {
	r, err := view.Rotate(ctx, ring, force)
	if young, ok := errors.AsType[*keys.TooYoungError](err); ok {
		err = &KeyTooYoungError{Ring: string(young.Ring), SafeAt: young.SafeAt}
	} else if err != nil {
		err = fmt.Errorf("rotate ring %s: %w", ring, err)
	}
	return RingRotation{r.Previous, r.Signing, r.Announced, r.SafeAt}, err
}

// KeyRevocation is the outcome of [Server.RevokeKey].
type KeyRevocation struct {
	Ring, KeyID string
	// Was is the state in which the key was revoked: "announced", "signing", "retired" or
	// "expired"; "revoked" if it had been already.
	Was string
	// Signing and Announced are the ring's keys now.
	Signing, Announced string
	// Families counts those whose refresh token the key signed: their people must sign in
	// again.
	Families int64
	// TokensUntil is when the last token that the key signed would have expired, at the
	// latest. Zero for a key that never signed.
	TokensUntil time.Time
}

// RevokeKey withdraws a key that may be in wrong hands. It leaves the JWKS, verifies nothing
// any more, and its private half is wiped, in one step. Where it was signing, the announced
// key signs from now on, however young; where it was announced, another is. Other servers
// of the database follow within KeyPoll; introspection and refreshes ask the database.
//
// Nobody can call the JWKS back: verifiers that cache it trust the key until their cache
// ends, JWKSMaxAge later or whenever they think right. It returns [ErrNotFound] for a key
// that never was.
func (s *Server) RevokeKey(ctx context.Context, keyID string) (KeyRevocation, error) {
	r, err := s.rings.Revoke(ctx, keyID)
	return KeyRevocation{
		string(r.Ring), r.KID, string(r.Was), r.Signing, r.Announced, r.Families, r.TokensUntil,
	}, err
}

// Rewrapping is the outcome of [Server.RewrapKeys].
type Rewrapping struct {
	KeyEncryptionKey string   // the ID under which all keys are sealed now
	KeyIDs           []string // of the signing keys that this call rewrapped
	Unchanged        int      // those that were sealed so already
}

// RewrapKeys seals every private signing key under the first of KeyEncryptionKeys, so that
// the others can go. Give the new key to every server before: what it seals, a server
// without it cannot open at its next start. An interrupted call is made again; keys that no
// given key opens are left alone and named in the error.
func (s *Server) RewrapKeys(ctx context.Context) (Rewrapping, error) {
	r, err := s.rings.Rewrap(ctx)
	return Rewrapping{r.KEK, r.KIDs, r.Unchanged}, err
}
