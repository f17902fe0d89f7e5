package keys

import (
	"context"
	"crypto"
	"fmt"
	"slices"

	"github.com/go-authd/authd/internal/oauth"
)

// Verify checks the form of raw (see [oauth.ParseCompact]), its typ and its signature by a
// key of ring, in this order, and returns its parts. Claims are not looked at. Every
// reason that the token gives is [ErrInvalid].
//
// A kid that the snapshot does not know makes it read the ring again, at most once a
// second whoever asks: another replica may have just rotated. If that fails, nothing can
// be said of the token, and the error wraps db.ErrUnavailable.
func (r *Rings) Verify(ctx context.Context, ring oauth.Ring, typ, raw string) (oauth.Compact, error) {
	c, err := oauth.ParseCompact(raw)
	if err != nil {
		return oauth.Compact{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if !oauth.TypIs(c.Typ, typ) {
		return oauth.Compact{}, fmt.Errorf("%w: typ is not %s", ErrInvalid, typ)
	}
	k, err := r.published(ctx, ring, c.Kid)
	if err != nil {
		return oauth.Compact{}, err
	}
	if err := c.VerifyRS256(k.public); err != nil {
		return oauth.Compact{}, fmt.Errorf("%w: wrong signature", ErrInvalid)
	}
	return c, nil
}

// VerifyPast is [Rings.Verify] also for keys that have expired, for what is no credential.
func (r *Rings) VerifyPast(ctx context.Context, ring oauth.Ring, typ, raw string) (oauth.Compact, error) {
	c, err := oauth.ParseCompact(raw)
	if err != nil {
		return c, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if !oauth.TypIs(c.Typ, typ) {
		return c, fmt.Errorf("%w: typ is not %s", ErrInvalid, typ)
	}
	all, err := r.cfg.DB.Keys(ctx)
	if err != nil {
		return c, err
	}
	i := slices.IndexFunc(all, func(k oauth.Key) bool { return k.KID == c.Kid && k.Ring == ring && k.RevokedAt == nil })
	if i < 0 {
		return c, fmt.Errorf("%w: no such key", ErrInvalid)
	}
	public, err := parsePublic(all[i].PublicJWK, all[i].KID)
	if err != nil {
		return c, fmt.Errorf("key %s: %w", all[i].KID, err)
	}
	if err := c.VerifyRS256(public); err != nil {
		return c, fmt.Errorf("%w: wrong signature", ErrInvalid)
	}
	return c, nil
}

// PublicKey returns the public half of a published key of the access ring. It errs as
// [Rings.Verify] does.
func (r *Rings) PublicKey(ctx context.Context, kid string) (crypto.PublicKey, error) {
	k, err := r.published(ctx, oauth.AccessRing, kid)
	if err != nil {
		return nil, err
	}
	return k.public, nil
}

// published returns a key that verifies now.
func (r *Rings) published(ctx context.Context, ring oauth.Ring, kid string) (*key, error) {
	s := r.snapshot.Load()
	k := s.find(ring, kid)
	if k == nil {
		var err error
		if s, err = r.reread(ctx, s); err != nil {
			return nil, err
		}
		k = s.find(ring, kid)
	}
	if k == nil || k.public == nil || !k.isPublished(s.now(r.cfg.Now())) {
		return nil, fmt.Errorf("%w: no such key", ErrInvalid)
	}
	return k, nil
}

// reread returns a snapshot younger than old, unless a request caused a reading less than
// a second ago: then that reading's outcome holds, a failure too.
func (r *Rings) reread(ctx context.Context, old *snapshot) (*snapshot, error) {
	if err := r.lockReading(ctx); err != nil {
		return nil, err
	}
	defer r.unlockReading()
	if s := r.snapshot.Load(); s != old {
		return s, nil // while waiting for the lock
	}
	now := r.cfg.Now()
	if r.rereadAt.IsZero() || now.Sub(r.rereadAt) >= rereadInterval {
		// Not with the request's cancellation: the outcome is everybody's.
		r.rereadAt, r.rereadErr = now, r.read(context.WithoutCancel(ctx))
	}
	return r.snapshot.Load(), r.rereadErr
}
