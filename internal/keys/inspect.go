package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
)

// VerifyStored is [Rings.Verify] by what the database holds now. It needs no key-encryption
// key, and says in words for the operator which check failed; such an error is [ErrInvalid].
func VerifyStored(ctx context.Context, d *db.DB, ring oauth.Ring, raw string) (oauth.Compact, error) {
	c, err := oauth.ParseCompact(raw)
	if err != nil {
		return c, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	all, err := d.Keys(ctx)
	if err != nil {
		return c, err
	}
	now, err := d.Now(ctx)
	if err != nil {
		return c, err
	}
	i := slices.IndexFunc(all, func(k oauth.Key) bool { return k.KID == c.Kid && k.Ring == ring })
	if i < 0 {
		return c, fmt.Errorf("%w: no key of ring %s has its kid", ErrInvalid, ring)
	}
	return c, verifyStored(&all[i], now, c)
}

func verifyStored(k *oauth.Key, now time.Time, c oauth.Compact) error {
	public, err := parsePublic(k.PublicJWK, k.KID)
	if err != nil {
		return fmt.Errorf("key %s: %w", k.KID, err)
	}
	if err := c.VerifyRS256(public); err != nil {
		return fmt.Errorf("%w: wrong signature", ErrInvalid)
	}
	switch k.State(now) {
	case oauth.KeyRevoked:
		return fmt.Errorf("%w: its key was revoked at %s", ErrInvalid, k.RevokedAt.UTC().Format(time.RFC3339))
	case oauth.KeyExpired:
		return fmt.Errorf("%w: its key is not published any more", ErrInvalid)
	}
	return nil
}

// Check tells what [New] would refuse, and which live keys cannot be opened. It changes
// nothing.
func Check(ctx context.Context, cfg Config) error {
	cfg = cfg.withDefaults()
	if err := cfg.validateKeys(); err != nil {
		return err
	}
	r := newRings(cfg)
	if _, err := r.knownKEKs(ctx); err != nil {
		return err
	}
	return r.checkOpen(ctx)
}

func (r *Rings) checkOpen(ctx context.Context) error {
	rows, err := r.cfg.DB.LiveKeys(ctx)
	if err != nil {
		return err
	}
	var faults []error
	for _, row := range rows {
		if k := r.newKey(ctx, row, nil); k.fault != nil {
			faults = append(faults, fmt.Errorf("key %s of ring %s: %w", k.KID, k.Ring, k.fault))
		}
	}
	return errors.Join(faults...)
}
