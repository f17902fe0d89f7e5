package authd

import (
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

// Stats is for metrics. Counters count since [New].
type Stats struct {
	// Signatures made, and signatures waiting for a processor.
	Signatures, SignaturesWaiting int64
	// KeySnapshotAge is how old the key rings in memory are: above one minute the server
	// refuses to sign.
	KeySnapshotAge time.Duration
	// Of each ring, "access" and "refresh": how long its key has been signing, and when it
	// is planned to be replaced.
	KeyAge          map[string]time.Duration
	KeyNextRotation map[string]time.Time
	// KeyRotatesIn is the same by the database's clock, negative where it is late.
	KeyRotatesIn map[string]time.Duration
	// ClockSkew is how far this host's clock is ahead of the database's; 0 where the
	// difference is smaller than can be told. Above 5 s the server is not ready.
	ClockSkew time.Duration
	// RowsDeleted counts dead rows by table.
	RowsDeleted map[string]int64
}

// Stats reads memory only.
func (s *Server) Stats() Stats {
	r := s.rings.Stats()
	out := Stats{
		Signatures: int64(r.Signatures), SignaturesWaiting: int64(r.Waiting), KeySnapshotAge: r.SnapshotAge,
		KeyAge: make(map[string]time.Duration), KeyNextRotation: make(map[string]time.Time),
		KeyRotatesIn: make(map[string]time.Duration), ClockSkew: r.ClockSkew,
		RowsDeleted: make(map[string]int64),
	}
	for _, ring := range []oauth.Ring{oauth.AccessRing, oauth.RefreshRing} {
		if k, ok := r.Rings[ring]; ok {
			out.KeyAge[string(ring)], out.KeyNextRotation[string(ring)] = k.SigningAge, k.NextRotation
			out.KeyRotatesIn[string(ring)] = k.UntilRotation
		}
	}
	for _, t := range s.upkeep.tasks {
		out.RowsDeleted[t.what] = t.deleted.Load()
	}
	return out
}
