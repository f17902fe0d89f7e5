package keys

import (
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/go-authd/authd/internal/oauth"
)

// walkRow is a row of authd.signing_keys, and when it was read.
type walkRow struct {
	oauth.Key
	Sealed bool // its private half is there
	At     time.Time
}

const walkRows = `
select kid, ring, seq, alg, public_jwk, announced_at, rotate_after, signs_from, signs_until, published_until, revoked_at,
  private_jwe is not null as sealed, c.at
from authd.signing_keys, (select authd.clock() as at) c
order by ring, seq`

// moveTo checks each row beside what it was.
func (m *model) moveTo(rt *rapid.T, now time.Duration, rows []walkRow) {
	before := m.rows
	m.now, m.rows, m.kids = now, make(map[string]walkRow), nil
	for _, k := range rows {
		m.rows[k.KID] = k
		m.kids = append(m.kids, k.KID)
	}
	for kid, was := range before {
		is, ok := m.rows[kid]
		switch {
		case !ok:
			rt.Fatalf("row of key %s is gone", kid)
		case is.Seq != was.Seq || is.Ring != was.Ring || !is.AnnouncedAt.Equal(was.AnnouncedAt):
			rt.Fatalf("key %s became another: %+v was %+v", kid, is, was)
		case was.SignsFrom != nil && is.RotateAfter.Before(was.RotateAfter):
			rt.Fatalf("the plan of signing key %s was moved from %s to earlier, %s", kid, was.RotateAfter, is.RotateAfter)
		case was.PublishedUntil != nil && is.PublishedUntil.Before(*was.PublishedUntil):
			rt.Fatalf("the publication of key %s was cut from %s to %s", kid, was.PublishedUntil, is.PublishedUntil)
		case was.RevokedAt != nil && is.RevokedAt == nil:
			rt.Fatalf("key %s is no longer revoked", kid)
		}
	}
}

// checkRings looks at the rows alone.
func (m *model) checkRings(rt *rapid.T) {
	for _, name := range allRings {
		var states []oauth.KeyState
		for _, kid := range m.kids {
			k := m.rows[kid]
			if k.Ring != name {
				continue
			}
			states = append(states, k.State(k.At))
			if k.Seq != int64(len(states)) {
				rt.Fatalf("ring %s: key %s has seq %d, want %d", name, kid, k.Seq, len(states))
			}
			m.checkOpening(rt, k)
			m.checkClosing(rt, k)
		}
		for _, want := range []oauth.KeyState{oauth.KeySigning, oauth.KeyAnnounced} {
			if n := len(slices.DeleteFunc(slices.Clone(states), func(s oauth.KeyState) bool { return s != want })); n != 1 {
				rt.Fatalf("ring %s has %d %s keys, want 1: %v", name, n, want, states)
			}
		}
	}
}

// checkOpening: a key signs when it was announced for the lead of the server that announced
// it, or for its safe lead where the rotation was by hand. The second key of a ring was
// announced together with the first.
func (m *model) checkOpening(rt *rapid.T, k walkRow) {
	by, ok := m.announced[k.KID]
	if k.SignsFrom == nil || k.Seq == 1 {
		return
	}
	if !ok {
		rt.Fatalf("nobody tells of having announced key %s", k.KID)
	}
	age := k.SignsFrom.Sub(k.AnnouncedAt)
	switch m.opened[k.KID] {
	case byItself:
		if age < by.Lead {
			rt.Fatalf("key %s signs by itself after %s, its lead is %s", k.KID, age, by.Lead)
		}
	case byHand:
		if want := by.safeLeadOf(); age < want && k.Seq > 2 {
			rt.Fatalf("key %s signs after %s, its safe lead is %s", k.KID, age, want)
		}
	}
}

// safeLeadOf is the formula of the design, said again.
func (c Config) safeLeadOf() time.Duration { return 2*c.MaxAge + c.SnapshotCap + max(c.Skew, 0) }

// checkClosing: not before the plan unless by hand, and the private half stays as long as a
// retry may need it, unless it was revoked.
func (m *model) checkClosing(rt *rapid.T, k walkRow) {
	if k.RevokedAt != nil && k.Sealed {
		rt.Fatalf("revoked key %s has its private half", k.KID)
	}
	if k.SignsUntil == nil || k.RevokedAt != nil {
		return
	}
	if k.SignsUntil.Before(k.RotateAfter) && m.opened[m.successor(k)] == byItself {
		rt.Fatalf("key %s was closed by itself at %s, its plan was %s", k.KID, k.SignsUntil, k.RotateAfter)
	}
	if wipeAt := since(*k.SignsUntil) + walkSignsAfter; !k.Sealed && since(k.At) < wipeAt {
		rt.Fatalf("the private half of key %s was wiped before %s", k.KID, wipeAt)
	}
}

// walkSignsAfter is for how long a closed key answers retries: 120 s + the largest grace.
const walkSignsAfter = 4 * time.Minute

// successor began to sign when k stopped.
func (m *model) successor(k walkRow) string {
	for kid, other := range m.rows {
		if other.Ring == k.Ring && other.SignsFrom != nil && other.SignsFrom.Equal(*k.SignsUntil) {
			return kid
		}
	}
	return ""
}

// forced reports whether k came to sign without regard to its age.
func (m *model) forced(k walkRow) bool {
	if m.opened[k.KID] == byForce {
		return true
	}
	for _, was := range m.rows { // a revocation opens the announced key
		if was.Ring == k.Ring && was.RevokedAt != nil && was.SignsUntil != nil && k.SignsFrom != nil &&
			was.RevokedAt.Equal(*was.SignsUntil) && was.SignsUntil.Equal(*k.SignsFrom) {
			return true
		}
	}
	return false
}
