package keys

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-authd/authd/internal/db"
)

// Rewrapped is the outcome of [Rings.Rewrap].
type Rewrapped struct {
	KEK       string   // the id under which all is sealed now
	KIDs      []string // of the keys that this call rewrapped
	Unchanged int      // were sealed under KEK already
}

// Rewrap seals every private half under the first key-encryption key, one after the other:
// whoever is interrupted calls it again. Keys that cannot be opened are left as they are,
// and are in the error. Keys of a Signer have nothing to rewrap.
func (r *Rings) Rewrap(ctx context.Context) (Rewrapped, error) {
	if len(r.cfg.KEKs) == 0 {
		return Rewrapped{}, errors.New("no key-encryption key")
	}
	out := Rewrapped{KEK: r.cfg.KEKs[0].ID()}
	halves, err := r.cfg.DB.SealedHalves(ctx)
	if err != nil {
		return out, err
	}
	var errs []error
	for _, half := range halves {
		changed, err := r.rewrap(ctx, half)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("rewrap key %s of ring %s: %w", half.KID, half.Ring, err))
		case changed:
			out.KIDs = append(out.KIDs, half.KID)
		default:
			out.Unchanged++
		}
	}
	return out, errors.Join(errs...)
}

// rewrap returns false for a half that needs nothing: sealed so already, or rewrapped or
// wiped by somebody else meanwhile.
func (r *Rings) rewrap(ctx context.Context, half db.SealedHalf) (bool, error) {
	first := r.cfg.KEKs[0]
	h, err := readSeal(half.PrivateJWE)
	if err != nil {
		return false, err
	}
	key, err := openSealed(ctx, r.cfg.KEKs, half.PrivateJWE, half.Ring, half.KID)
	if err != nil || h.KID == first.ID() {
		return false, err
	}
	sealed, err := seal(ctx, first, key, half.Ring, half.KID)
	if err != nil {
		return false, err
	}
	return r.cfg.DB.RewrapKey(ctx, half, sealed)
}
