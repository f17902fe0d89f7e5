package keys

import (
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

// Ready returns an error that wraps [ErrNotReady] unless both rings can sign now.
func (r *Rings) Ready() error {
	s, now := r.snapshot.Load(), r.cfg.Now()
	for _, name := range allRings {
		if _, err := s.signing(name, now, r.cfg.SnapshotCap); err != nil {
			return err
		}
	}
	return nil
}

// Stats is for metrics.
type Stats struct {
	Signatures  uint64 // since [New]
	Waiting     int    // for their turn at the signer
	SnapshotAge time.Duration
	Rings       map[oauth.Ring]RingStats // without a ring that has no signing key
}

// RingStats is of one ring's signing key.
type RingStats struct {
	SigningAge   time.Duration // since it began to sign
	NextRotation time.Time     // the plan
}

// Stats reads no database.
func (r *Rings) Stats() Stats {
	s, now := r.snapshot.Load(), r.cfg.Now()
	out := Stats{
		Signatures: r.gate.signed.Load(), Waiting: r.gate.waiting(), SnapshotAge: s.age(now),
		Rings: make(map[oauth.Ring]RingStats),
	}
	for name, g := range s.rings {
		if g.signing != nil {
			out.Rings[name] = RingStats{SigningAge: s.now(now).Sub(*g.signing.SignsFrom), NextRotation: g.signing.RotateAfter}
		}
	}
	return out
}
