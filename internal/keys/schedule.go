package keys

import (
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

// safeLead is how long a key must have been published before it signs: a verifier that
// honours max-age then holds a set with it.
func (c *Config) safeLead() time.Duration { return 2*c.MaxAge + c.SnapshotCap + c.Skew }

// publishedFor is how long a key of ring stays published after it was closed: no token
// outlives it.
func (c *Config) publishedFor(ring oauth.Ring) time.Duration {
	lifetime := c.AccessMax
	if ring == oauth.RefreshRing {
		lifetime = c.FamilyMax
	}
	return lag + lifetime + c.Skew + c.MaxAge
}

// signsAfter is how long a closed key can still answer a grace retry with the same bytes;
// then its private half is wiped.
func (c *Config) signsAfter() time.Duration { return wipeDelay + c.GraceMax }

// due reports whether the plan on the row of the signing key says that it is to be
// replaced, and the announced key is old enough: what one server promised verifiers stands
// on both rows, and a server with another configuration keeps to it. The key announced
// with the ring is old enough at once.
func (g *ring) due(now time.Time, safeLead time.Duration) bool {
	if g.signing == nil || g.announced == nil || now.Before(g.signing.RotateAfter) {
		return false
	}
	return g.announced.Seq <= 2 || !now.Before(g.safeAt(safeLead))
}

// safeAt is when every verifier knows the announced key.
func (g *ring) safeAt(safeLead time.Duration) time.Time {
	return g.announced.AnnouncedAt.Add(max(safeLead, g.announced.safeLead, g.signing.safeLead))
}
