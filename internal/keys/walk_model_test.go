package keys

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"pgregory.net/rapid"

	"github.com/go-authd/authd/internal/oauth"
)

// jitter is more than all microseconds that pass while a walk looks at the database's
// clock: moments that are closer to each other count as one.
const jitter = 20 * time.Millisecond

// model knows what the rings have to keep to.
type model struct {
	now     time.Duration // since walkEpoch
	kids    []string      // by ring and seq
	rows    map[string]walkRow
	signed  map[string]time.Duration // kid to when a replica was last ready to sign with it
	tokens  map[string]string        // kid to what it made of one payload
	holding map[string]*held         // what verifiers may hold, one for each set and promise

	mu        sync.Mutex
	opened    map[string]how    // kid to how it came to sign
	announced map[string]Config // kid to the configuration of the server that announced it
}

// held is a JWK set that some verifier may still hold.
type held struct {
	kids []string
	// until is twice the max-age from the last answer: a shared cache may have kept it for
	// one, and the verifier behind it, which the Age header does not reach, for another.
	until time.Duration
	// at is when it was last given out.
	at time.Duration
	// safeLead is of the server that gave it out: how long after its announcement a key
	// may be missing that was forced to sign.
	safeLead time.Duration
}

func newModel() *model {
	return &model{
		signed: make(map[string]time.Duration), tokens: make(map[string]string), holding: make(map[string]*held),
		opened: make(map[string]how), announced: make(map[string]Config),
	}
}

func (m *model) told(h how, c Config, e Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch e := e.(type) {
	case Announced:
		m.announced[e.KID] = c
	case Rotated:
		m.opened[e.Rotation.Signing] = h
	}
}

func since(t time.Time) time.Duration { return t.Sub(walkEpoch) }

// hearSigning takes a token of each ring from r, if it signs.
func (m *model) hearSigning(rt *rapid.T, r *replica) {
	for _, name := range allRings {
		kid, err := r.Signing(name)
		switch {
		case errors.Is(err, ErrNotReady):
			continue
		case err != nil:
			rt.Fatal(err)
		case !r.isFresh():
			rt.Fatalf("a replica signs that has read nothing for %s, its cap is %s", m.now-r.readBy, r.cfg.SnapshotCap)
		case m.rows[kid].SignsFrom == nil:
			rt.Fatalf("a replica signs with key %s, which has not been opened", kid)
		}
		m.signed[kid] = since(m.rows[kid].At)
	}
}

// mustRetry reports whether r has to know kid still: not if it has not heard of it yet.
func (m *model) mustRetry(now time.Duration, r *replica, kid string) bool {
	k := m.rows[kid]
	if k.RevokedAt != nil || r.snapshot.Load().find(k.Ring, kid) == nil {
		return false
	}
	return k.SignsUntil == nil || now+jitter < since(*k.SignsUntil)+walkSignsAfter
}

// fetch takes the JWKS of r as a verifier does, and lets verifiers hold it.
func (m *model) fetch(rt *rapid.T, r *replica) {
	doc, err := r.JWKS()
	if err != nil {
		rt.Fatal(err)
	}
	kids, err := kidsIn(doc.Body)
	if err != nil {
		rt.Fatal(err)
	}
	if kid, err := r.Signing(oauth.AccessRing); err == nil && kid != kids[0] {
		rt.Fatalf("the set begins with %s, not with the signing key %s", kids[0], kid)
	}
	m.checkSet(rt, r, doc.MaxAge, kids)
	if !r.isAwake() && (r.isFresh() || doc.MaxAge == 0) {
		return // it has just come back: what it says is for nobody to keep
	}
	m.hold(kids, r.cfg.safeLeadOf(), m.now+2*doc.MaxAge)
}

func (m *model) hold(kids []string, safeLead, until time.Duration) {
	id := fmt.Sprint(kids, safeLead)
	h := m.holding[id]
	if h == nil {
		h = &held{kids: kids, safeLead: safeLead}
		m.holding[id] = h
	}
	h.until, h.at = max(h.until, until), m.now
}

// checkSet: what r knew to be over when it last read is not in its set, and nobody may hold
// the set for longer than a key in it is published. (A change of the same moment may have
// been committed after the reading.)
func (m *model) checkSet(rt *rapid.T, r *replica, maxAge time.Duration, kids []string) {
	readAt := r.snapshot.Load().dbNow.Add(-jitter)
	for _, kid := range kids {
		k := m.rows[kid]
		switch {
		case k.RevokedAt != nil && k.RevokedAt.Before(readAt):
			rt.Fatalf("revoked key %s is in the set", kid)
		case k.PublishedUntil == nil || readAt.Before(*k.SignsUntil):
			continue
		case k.PublishedUntil.Before(readAt):
			rt.Fatalf("expired key %s is in the set", kid)
		case maxAge > 0 && m.now+maxAge > since(*k.PublishedUntil)+jitter:
			rt.Fatalf("a set may be held for %s, but key %s in it is published until %s, in %s",
				maxAge, kid, k.PublishedUntil, since(*k.PublishedUntil)-m.now)
		}
	}
}

// kidsIn lets nothing pass but the six public members.
func kidsIn(set []byte) ([]string, error) {
	var doc struct{ Keys []map[string]string }
	if err := json.Unmarshal(set, &doc); err != nil {
		return nil, err
	}
	if len(doc.Keys) == 0 {
		return nil, errors.New("the set is empty")
	}
	kids := make([]string, len(doc.Keys))
	for i, k := range doc.Keys {
		kids[i] = k["kid"]
		for member := range k {
			if !slices.Contains([]string{"kty", "n", "e", "kid", "use", "alg"}, member) {
				return nil, fmt.Errorf("key %s of the set has the member %q", kids[i], member)
			}
		}
	}
	return kids, nil
}

// checkVerifiers: whoever holds a set finds in it the key of every token that lives.
func (m *model) checkVerifiers(rt *rapid.T) {
	for id, h := range m.holding {
		if h.until+jitter <= m.now {
			delete(m.holding, id)
			continue
		}
		if h.until-jitter < m.now && h.at < m.now {
			continue
		}
		for kid, at := range m.signed {
			k := m.rows[kid]
			if k.Ring != oauth.AccessRing || k.RevokedAt != nil || at+time.Hour <= m.now || slices.Contains(h.kids, kid) {
				continue
			}
			if m.forced(k) && m.now < since(k.AnnouncedAt)+h.safeLead+jitter {
				continue
			}
			rt.Fatalf("a verifier may hold the set %s for %s, and tokens of key %s (%s), last signed %s ago, are not verified",
				strings.Join(h.kids, " "), h.until-m.now, kid, m.describe(k), m.now-at)
		}
	}
}

func (m *model) describe(k walkRow) string {
	return fmt.Sprintf("seq %d, announced %s ago, opened %s", k.Seq, m.now-since(k.AnnouncedAt), m.opened[k.KID])
}

// checkRefreshRing: what a family may still present, every replica verifies that has read
// since its key was announced.
func (m *model) checkRefreshRing(rt *rapid.T, r *replica) {
	s := r.snapshot.Load()
	if !r.isFresh() {
		return
	}
	for kid, at := range m.signed {
		k := m.rows[kid]
		if k.Ring != oauth.RefreshRing || k.RevokedAt != nil || at+90*day <= m.now || s.dbNow.Before(k.AnnouncedAt.Add(jitter)) {
			continue
		}
		if known := s.find(k.Ring, kid); known == nil || !known.isPublished(s.now(r.cfg.Now())) {
			rt.Fatalf("refresh tokens of key %s, last signed %s ago, are not verified", kid, m.now-at)
		}
	}
}

// open returns the kids of the signing and of the announced key.
func (m *model) open(ring oauth.Ring) []string {
	return slices.DeleteFunc(slices.Clone(m.kids), func(kid string) bool {
		k := m.rows[kid]
		return k.Ring != ring || k.SignsUntil != nil || k.RevokedAt != nil
	})
}

// moment is a kind of moments at which something is planned.
type moment string

const (
	keyIsOld     moment = "an announced key may sign"
	planIsOver   moment = "the plan of a signing key"
	keyExpires   moment = "a retired key expires"
	tokenExpires moment = "the last token of a key expires"
	setIsOver    moment = "a set may no longer be held"
	capIsOver    moment = "a snapshot is too old"
)

// moments lists those to come, in order.
func (m *model) moments(kind moment, replicas []*replica) []time.Duration {
	var out []time.Duration
	for _, kid := range m.kids {
		out = append(out, m.momentsOf(kind, m.rows[kid], replicas)...)
	}
	for _, r := range replicas {
		if kind == capIsOver {
			out = append(out, r.readBy+r.cfg.SnapshotCap)
		}
	}
	for _, h := range m.holding {
		if kind == setIsOver {
			out = append(out, h.until)
		}
	}
	out = slices.DeleteFunc(out, func(at time.Duration) bool { return at <= m.now })
	slices.Sort(out)
	return slices.Compact(out)
}

func (m *model) momentsOf(kind moment, k walkRow, replicas []*replica) (out []time.Duration) {
	switch state := k.State(k.At); {
	case kind == keyIsOld && state == oauth.KeyAnnounced:
		for _, r := range replicas {
			out = append(out, since(k.AnnouncedAt)+r.cfg.safeLeadOf())
		}
	case kind == planIsOver && state == oauth.KeySigning:
		out = append(out, since(k.RotateAfter))
	case kind == keyExpires && state == oauth.KeyRetired:
		out = append(out, since(*k.PublishedUntil), since(*k.SignsUntil)+walkSignsAfter)
	case kind == tokenExpires && state == oauth.KeyRetired:
		out = append(out, m.signed[k.KID]+time.Hour)
	}
	return out
}
