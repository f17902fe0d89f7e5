package keys

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
)

// makeRings makes the first two keys of each ring that has none. A ring whose keys are
// damaged has keys: nothing new is ever made over the old.
func (r *Rings) makeRings(ctx context.Context) error {
	all, err := r.cfg.DB.Keys(ctx)
	if err != nil {
		return err
	}
	for _, ring := range allRings {
		if slices.ContainsFunc(all, func(k oauth.Key) bool { return k.Ring == ring }) {
			continue
		}
		if err := r.makeRing(ctx, ring); err != nil {
			return err
		}
	}
	return nil
}

func (r *Rings) makeRing(ctx context.Context, ring oauth.Ring) error {
	signing, err := r.makeKey(ctx, ring)
	if err != nil {
		return err
	}
	announced, err := r.makeKey(ctx, ring)
	if err == nil && announced.KID == signing.KID {
		err = lie(doCreate, errTaken)
	}
	if err != nil {
		r.discard(ctx, signing, nil)
		return err
	}
	made, err := r.cfg.DB.MakeRing(ctx, ring, signing, announced, r.cfg.Period, r.cfg.safeLead())
	if !made {
		r.discard(ctx, signing, err)
		r.discard(ctx, announced, err)
		return err
	}
	r.cfg.Logger.InfoContext(ctx, "key ring made", "ring", ring, "signing", signing.KID, "announced", announced.KID)
	r.emit(ctx, Announced{ring, announced.KID})
	return nil
}

// announce gives ring another announced key, in the place of withdraw unless that is "".
// It returns its kid, or "" where another replica has changed the ring.
func (r *Rings) announce(ctx context.Context, ring oauth.Ring, withdraw string) (string, error) {
	next, err := r.makeKey(ctx, ring)
	if err != nil {
		return "", err
	}
	done, err := r.cfg.DB.AnnounceKey(ctx, db.Announcement{
		Ring: ring, Withdraw: withdraw, Next: next, Lead: r.cfg.Lead, SafeLead: r.cfg.safeLead(), Period: r.cfg.Period,
	})
	if err != nil || !done {
		r.discard(ctx, next, err)
		return "", errors.Join(err, r.refresh(ctx))
	}
	r.reload(ctx, ring)
	r.emit(ctx, Announced{ring, next.KID})
	return next.KID, nil
}

// makeKey makes a key, and seals its private half for ring or lets the Signer keep it.
func (r *Rings) makeKey(ctx context.Context, ring oauth.Ring) (db.NewKey, error) {
	if r.cfg.Signer != nil && !r.cfg.SealNew {
		return r.makeRemoteKey(ctx)
	}
	generated, err := r.cfg.generate(r.cfg.Bits)
	if err != nil {
		return db.NewKey{}, fmt.Errorf("generate a key: %w", err)
	}
	k, err := describeKey(&generated.PublicKey)
	if err != nil {
		return db.NewKey{}, err
	}
	sealed, err := seal(ctx, r.cfg.KEKs[0], generated, ring, k.KID)
	k.PrivateJWE = &sealed
	return k, err
}

// unusableInterval: a KMS lets us make keys and not sign, say. It may bill each of them, and
// keep it for a week when it is to be destroyed; a rotation that is due would make one a second.
const unusableInterval = time.Minute

func (r *Rings) makeRemoteKey(ctx context.Context) (db.NewKey, error) {
	now := r.cfg.Now()
	if at := r.unusable.Load(); at != nil && now.Sub(*at) < unusableInterval {
		return db.NewKey{}, outage(doCreate, fmt.Errorf("the last one could not be used, the next is made %s after it", unusableInterval))
	}
	name, err := r.createName(ctx)
	if err != nil {
		return db.NewKey{}, err
	}
	public, err := r.checkNew(ctx, name)
	if err != nil {
		r.unusable.Store(&now)
		r.destroyUnused(ctx, name)
		return db.NewKey{}, err
	}
	k, err := describeKey(public)
	k.SignerKey = &name
	return k, err
}

func describeKey(public *rsa.PublicKey) (db.NewKey, error) {
	kid, err := thumbprint(public)
	if err != nil {
		return db.NewKey{}, fmt.Errorf("name a key: %w", err)
	}
	jwk, err := publicJWK(public, kid)
	if err != nil {
		return db.NewKey{}, fmt.Errorf("encode a public key: %w", err)
	}
	return db.NewKey{KID: kid, Alg: alg, PublicJWK: jwk}, nil
}

// discard destroys the private half of a key that got no row, unless it may have got one:
// the outcome of a write that failed is open.
func (r *Rings) discard(ctx context.Context, k db.NewKey, writeErr error) {
	if k.SignerKey != nil && writeErr == nil {
		r.destroyUnused(ctx, *k.SignerKey)
	}
}

// destroyUnused trusts no Signer that its name for a new key is new: it never destroys the
// key of a row. It goes on when ctx ends, because nobody comes back to that key.
func (r *Rings) destroyUnused(ctx context.Context, name string) {
	ctx = context.WithoutCancel(ctx)
	taken, err := r.isTaken(ctx, name)
	if err == nil && taken {
		err = errTaken
	}
	if err == nil {
		err = r.destroyKey(ctx, name)
	}
	if err != nil {
		r.cfg.Logger.WarnContext(ctx, "a key that is not needed could not be destroyed", "signer_key", name, "err", err)
	}
}

// isTaken reports whether a live key's row has this name at the Signer.
func (r *Rings) isTaken(ctx context.Context, name string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	rows, err := r.cfg.DB.LiveKeys(ctx)
	return slices.ContainsFunc(rows, func(k db.SealedKey) bool { return k.SignerKey != nil && *k.SignerKey == name }), err
}
