package keys

import (
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

// maxSkew is how far this host's clock and the database's may be apart.
const maxSkew = 5 * time.Second

// Ready returns an error that wraps [ErrNotReady] unless both rings can sign now.
func (r *Rings) Ready() error {
	s, now := r.snapshot.Load(), r.cfg.Now()
	for _, name := range allRings {
		k, err := s.signing(name, now, r.cfg.SnapshotCap)
		if err != nil {
			return err
		}
		if remote := k.private.remote(); remote != nil {
			if fault := remote.fault.Load(); fault != nil {
				return notReady("signing key %s of ring %s: %v", k.KID, name, *fault)
			}
		}
	}
	return nil
}

// CheckClock returns an error that wraps [ErrNotReady] when this host's clock and the
// database's were more than 5 s apart at the last reading: one of the two is wrong, and
// tokens take the database's.
func (r *Rings) CheckClock() error {
	if skew := r.snapshot.Load().skew; skew.Abs() > maxSkew {
		return notReady("the clock of this host is %s ahead of the database's", skew.Round(time.Millisecond))
	}
	return nil
}

// Stats is for metrics.
type Stats struct {
	Signatures  uint64 // since [New]
	Waiting     int    // for their turn at the signer
	SnapshotAge time.Duration
	// ClockSkew is how far this host's clock is ahead of the database's; 0 where the
	// difference is less than what the reading took.
	ClockSkew time.Duration
	Rings     map[oauth.Ring]RingStats // without a ring that has no signing key
}

// RingStats is of one ring's signing key.
type RingStats struct {
	SigningAge time.Duration // since it began to sign
	// NextRotation is the plan, UntilRotation what is left of it by the database's clock.
	NextRotation  time.Time
	UntilRotation time.Duration
}

// Stats reads no database.
func (r *Rings) Stats() Stats {
	s, now := r.snapshot.Load(), r.cfg.Now()
	out := Stats{
		Signatures: r.gate.signed.Load() + r.remoteGate.signed.Load(), Waiting: r.gate.waiting() + r.remoteGate.waiting(), SnapshotAge: s.age(now), ClockSkew: s.skew,
		Rings: make(map[oauth.Ring]RingStats),
	}
	for name, g := range s.rings {
		if g.signing != nil {
			at, k := s.now(now), g.signing
			out.Rings[name] = RingStats{
				SigningAge: at.Sub(*k.SignsFrom), NextRotation: k.RotateAfter, UntilRotation: k.RotateAfter.Sub(at),
			}
		}
	}
	return out
}
