package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-authd/authd/internal/db"
)

// What a check row holds, and where it belongs.
const (
	checkText  = "authd key-encryption key check"
	checkPlace = "kek_checks"
)

// checkKEKs runs before anything is made. A key-encryption key that is new beside a known
// one is being introduced and gets its check row.
func (r *Rings) checkKEKs(ctx context.Context) error {
	known, err := r.knownKEKs(ctx)
	if err != nil {
		return err
	}
	for _, k := range r.cfg.KEKs {
		if slices.Contains(known, k.ID()) {
			continue
		}
		if err := r.insertCheck(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

// knownKEKs compares the given key-encryption keys with the database: if it has known one,
// at least one of the given must be among them, and each that sealed a live key is needed.
func (r *Rings) knownKEKs(ctx context.Context) ([]string, error) {
	checks, err := r.cfg.DB.KEKChecks(ctx)
	if err != nil {
		return nil, err
	}
	known, err := r.openChecks(ctx, checks)
	if err != nil {
		return nil, err
	}
	if len(checks) > 0 && len(known) == 0 && len(r.cfg.KEKs) > 0 {
		return nil, fmt.Errorf("%w: the database knows %s, given is %s", ErrKEK, checkIDs(checks), r.kekIDs())
	}
	return known, r.checkSealed(ctx)
}

// openChecks returns the ids of the given keys that the database has known. A row of one
// that is not given is not opened: it may have been retired.
func (r *Rings) openChecks(ctx context.Context, checks []db.KEKCheck) (known []string, err error) {
	for _, c := range checks {
		i := slices.IndexFunc(r.cfg.KEKs, func(k KEK) bool { return k.ID() == c.KEKID })
		if i < 0 {
			continue
		}
		text, err := open(ctx, r.cfg.KEKs[i:i+1], c.Sealed, checkPlace)
		if errors.Is(err, db.ErrUnavailable) {
			return nil, err
		}
		if err != nil || string(text) != checkText {
			return nil, fmt.Errorf("%w: the check row of %s cannot be opened", ErrKEK, c.KEKID)
		}
		known = append(known, c.KEKID)
	}
	return known, nil
}

// checkSealed looks for private halves that no given key opens. A damaged one is not its
// business: that is quarantined when it is read.
func (r *Rings) checkSealed(ctx context.Context) error {
	rows, err := r.cfg.DB.LiveKeys(ctx)
	if err != nil {
		return err
	}
	var missing []string
	for _, row := range rows {
		if row.PrivateJWE == nil {
			continue
		}
		h, err := readSeal(*row.PrivateJWE)
		if err == nil && !r.hasKEK(h.KID) && !slices.Contains(missing, h.KID) {
			missing = append(missing, h.KID)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w: private keys are sealed under %s, given is %s", ErrKEK, strings.Join(missing, ", "), r.kekIDs())
	}
	return nil
}

func (r *Rings) insertCheck(ctx context.Context, k KEK) error {
	sealed, err := k.seal(ctx, []byte(checkText), checkPlace)
	if err != nil {
		return err
	}
	return r.cfg.DB.InsertKEKCheck(ctx, db.KEKCheck{KEKID: k.ID(), Sealed: sealed})
}

func (r *Rings) hasKEK(id string) bool {
	return slices.ContainsFunc(r.cfg.KEKs, func(k KEK) bool { return k.ID() == id })
}

func (r *Rings) kekIDs() string {
	ids := make([]string, len(r.cfg.KEKs))
	for i, k := range r.cfg.KEKs {
		ids[i] = k.ID()
	}
	return strings.Join(ids, ", ")
}

func checkIDs(checks []db.KEKCheck) string {
	ids := make([]string, len(checks))
	for i, c := range checks {
		ids[i] = c.KEKID
	}
	return strings.Join(ids, ", ")
}
