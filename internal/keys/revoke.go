package keys

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
)

// Revocation is the outcome of [Rings.Revoke].
type Revocation struct {
	Ring oauth.Ring
	KID  string
	// Was is the state in which the key was revoked: of one that was revoked before,
	// [oauth.KeyRevoked].
	Was oauth.KeyState
	// Signing and Announced are the ring's keys now, as kids.
	Signing, Announced string
	// Families counts those whose refresh token the key signed: their people sign in again.
	Families int64
	// TokensUntil is when the last token that the key signed would have expired, at the
	// latest; zero where it never signed.
	TokensUntil time.Time
}

// attempts bounds how often a change starts again because the ring changed meanwhile.
const attempts = 5

// Revoke withdraws a key that may be in wrong hands: it leaves the set, it verifies
// nothing, and its private half is wiped, in one statement. A signing key makes way for the
// announced one, however young that is; an announced key is replaced, and the plan of the
// signing key moved so that the new one is announced for the lead. A retired key just goes.
//
// This replica stops at once, others when they next read; introspection and refreshes ask
// the database. Verifiers that cache the JWKS trust the key until their cache ends.
// It returns [db.ErrNotFound] for a kid that no ring has.
func (r *Rings) Revoke(ctx context.Context, kid string) (Revocation, error) {
	for range attempts {
		k, err := r.stored(ctx, kid)
		if err != nil {
			return Revocation{}, err
		}
		done, err := r.revoke(ctx, k)
		if err != nil {
			return Revocation{}, fmt.Errorf("revoke key %s: %w", kid, err)
		}
		if done {
			return r.revoked(ctx, k)
		}
	}
	return Revocation{}, fmt.Errorf("revoke key %s: %w: its ring changed %d times meanwhile", kid, db.ErrUnavailable, attempts)
}

// storedKey is a row of any state.
type storedKey struct {
	oauth.Key
	state oauth.KeyState
}

// stored reads the row, and then the snapshot: that one must know of a revocation by another.
func (r *Rings) stored(ctx context.Context, kid string) (storedKey, error) {
	all, err := r.cfg.DB.Keys(ctx)
	if err != nil {
		return storedKey{}, err
	}
	if err := r.refresh(ctx); err != nil {
		return storedKey{}, err
	}
	i := slices.IndexFunc(all, func(k oauth.Key) bool { return k.KID == kid })
	if i < 0 {
		return storedKey{}, fmt.Errorf("key %q: %w", kid, db.ErrNotFound)
	}
	return storedKey{all[i], all[i].State(r.snapshot.Load().dbNow)}, nil
}

// revoke returns false where the ring is no longer what it was.
func (r *Rings) revoke(ctx context.Context, k storedKey) (bool, error) {
	switch k.state {
	case oauth.KeyRevoked: // by a commit that the standby may not have confirmed
		return true, r.cfg.DB.ConfirmKey(ctx, k.KID)
	case oauth.KeyAnnounced:
		next, err := r.announce(ctx, k.Ring, k.KID)
		return next != "", err
	case oauth.KeySigning:
		return r.revokeSigning(ctx, k)
	}
	done, err := r.cfg.DB.RevokeRetiredKey(ctx, k.KID)
	r.reload(ctx, k.Ring)
	return done, err
}

// revokeSigning needs an announced key that can sign. Where there is none, it makes one
// first, and begins again.
func (r *Rings) revokeSigning(ctx context.Context, k storedKey) (bool, error) {
	announced := r.snapshot.Load().rings[k.Ring].announced
	switch {
	case announced == nil:
		_, err := r.announce(ctx, k.Ring, "")
		return false, err
	case announced.private.isNone():
		_, err := r.announce(ctx, k.Ring, announced.KID)
		return false, err
	}
	out, err := r.advance(ctx, k.Ring, Rotation{Signing: k.KID, Announced: announced.KID}, step{force: true, revoke: true})
	return out.Stepped, err
}

func (r *Rings) revoked(ctx context.Context, k storedKey) (Revocation, error) {
	s := r.snapshot.Load()
	now := s.rotation(k.Ring)
	out := Revocation{
		Ring: k.Ring, KID: k.KID, Was: k.state, Signing: now.Signing, Announced: now.Announced, TokensUntil: r.tokensUntil(k, s.dbNow),
	}
	if k.state != oauth.KeyRevoked {
		r.emit(ctx, Revoked{out})
	}
	var err error
	out.Families, err = r.cfg.DB.FamiliesSignedBy(ctx, k.KID)
	return out, err
}

// tokensUntil reckons with replicas that have not heard of the end of the key.
func (r *Rings) tokensUntil(k storedKey, now time.Time) time.Time {
	lifetime := r.cfg.AccessMax
	if k.Ring == oauth.RefreshRing {
		lifetime = r.cfg.FamilyMax
	}
	switch {
	case k.SignsFrom == nil:
		return time.Time{}
	case k.SignsUntil == nil:
		return now.Add(lag + lifetime)
	}
	return k.SignsUntil.Add(lag + lifetime)
}
