package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-authd/authd/internal/db"
)

// States of a key-encryption key, as [InspectKEKs] finds it.
const (
	KEKOK          = "ok"
	KEKMissing     = "missing"     // a live key needs it, and it is not given
	KEKWrong       = "wrong"       // given, and does not fit the database
	KEKUnavailable = "unavailable" // its KMS did not answer
	KEKUnused      = "unused"      // nothing needs it
)

// KEKStatus is what is known of one key-encryption key.
type KEKStatus struct {
	ID string
	// Given, and Seals: the first of those that are given.
	Given, Seals bool
	// Known: the database has a check row of it.
	Known bool
	// Keys counts the private halves under it, of keys that are neither revoked nor expired.
	Keys  int
	State string
}

// InspectKEKs compares the given key-encryption keys, which may be none, with the database:
// the given first, in their order, then those that only the database names. The error says
// why a server would not start with them, which is [ErrKEK], and which live keys cannot be
// opened; the list is whole all the same. It changes nothing.
func InspectKEKs(ctx context.Context, cfg Config) ([]KEKStatus, error) {
	cfg = cfg.withDefaults()
	if len(cfg.KEKs) > 0 {
		if err := cfg.validateKeys(); err != nil {
			return nil, err
		}
	}
	checks, err := cfg.DB.KEKChecks(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := cfg.DB.LiveKeys(ctx)
	if err != nil {
		return nil, err
	}
	i := kekInspection{rings: newRings(cfg)}
	for n, k := range cfg.KEKs {
		s := i.status(k.ID())
		s.Given, s.Seals = true, n == 0
	}
	for _, c := range checks {
		i.check(ctx, c)
	}
	for _, row := range rows {
		i.count(ctx, row)
	}
	i.judge(checks)
	return i.found, errors.Join(i.faults...)
}

// kekInspection is the state of one [InspectKEKs].
type kekInspection struct {
	rings  *Rings
	found  []KEKStatus
	faults []error
}

// status finds the entry of id, or adds one. The pointer is good until the next call.
func (i *kekInspection) status(id string) *KEKStatus {
	n := slices.IndexFunc(i.found, func(s KEKStatus) bool { return s.ID == id })
	if n < 0 {
		n = len(i.found)
		i.found = append(i.found, KEKStatus{ID: id})
	}
	return &i.found[n]
}

func (i *kekInspection) check(ctx context.Context, c db.KEKCheck) {
	s := i.status(c.KEKID)
	s.Known = true
	_, err := i.rings.openChecks(ctx, []db.KEKCheck{c}) // none where it is not given
	if err == nil {
		return
	}
	s.State = KEKWrong
	if errors.Is(err, db.ErrUnavailable) {
		s.State = KEKUnavailable
	}
	i.faults = append(i.faults, err)
}

// count tries to open a private half. One that lies under a key-encryption key which is not
// given is judge's business.
func (i *kekInspection) count(ctx context.Context, row db.SealedKey) {
	if row.PrivateJWE == nil {
		return
	}
	if h, err := readSeal(*row.PrivateJWE); err == nil {
		s := i.status(h.KID)
		s.Keys++
		if !s.Given {
			return
		}
	}
	if k := i.rings.newKey(ctx, row, nil); k.fault != nil {
		i.faults = append(i.faults, fmt.Errorf("key %s of ring %s: %w", k.KID, k.Ring, k.fault))
	}
}

// judge gives those a state that have none yet, by the rules of [Rings.knownKEKs].
func (i *kekInspection) judge(checks []db.KEKCheck) {
	strange := len(checks) > 0 && len(i.rings.cfg.KEKs) > 0 &&
		!slices.ContainsFunc(i.found, func(s KEKStatus) bool { return s.Given && s.Known })
	var missing []string
	for n := range i.found {
		s := &i.found[n]
		if s.State == "" {
			s.State = s.judge(strange)
		}
		if s.State == KEKMissing {
			missing = append(missing, s.ID)
		}
	}
	if len(missing) > 0 {
		i.faults = append(i.faults, fmt.Errorf("%w: it needs %s, given is %s", ErrKEK, strings.Join(missing, ", "), i.given()))
	}
}

// judge is for one that answers. strange: the database knows others, and none that is given.
func (s *KEKStatus) judge(strange bool) string {
	switch {
	case s.Given && strange:
		return KEKWrong
	case !s.Given && (s.Keys > 0 || strange):
		return KEKMissing
	case s.Seals || s.Keys > 0:
		return KEKOK
	}
	return KEKUnused
}

func (i *kekInspection) given() string {
	if len(i.rings.cfg.KEKs) == 0 {
		return "none"
	}
	return i.rings.kekIDs()
}
