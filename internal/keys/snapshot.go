package keys

import (
	"bytes"
	"crypto/rsa"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
)

// key is a row, parsed. A key with a fault is quarantined: what the fault concerns is nil.
type key struct {
	oauth.Key
	sealed    *string
	public    *rsa.PublicKey
	private   private
	signers   *sync.Map // typ to jose.Signer, made once
	fault     error
	inherited bool // parsed for an earlier snapshot
}

// newKey takes parsed halves over from old, if that is the same key.
func newKey(row db.SealedKey, old *key, keks []KEK) *key {
	k := &key{Key: row.Key, sealed: row.PrivateJWE}
	if old != nil && old.Alg == k.Alg && bytes.Equal(old.PublicJWK, k.PublicJWK) && equal(old.sealed, k.sealed) {
		k.public, k.private, k.signers, k.fault, k.inherited = old.public, old.private, old.signers, old.fault, true
		return k
	}
	k.signers = new(sync.Map)
	k.public, k.fault = parsePublic(k.PublicJWK, k.KID)
	if k.fault == nil && k.Alg != alg {
		k.fault = errors.New("algorithm is not RS256")
	}
	if k.fault == nil && k.sealed != nil {
		k.private, k.fault = openPrivate(keks, *k.sealed, k.Ring, k.KID)
	}
	return k
}

func equal(a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// canSign reports whether k may sign at now, the current key or not: a grace retry is
// answered with the key that signed the first answer. That may be one which this snapshot
// still calls announced, where another replica has just rotated.
func (k *key) canSign(now time.Time, after time.Duration) bool {
	return k != nil && !k.private.isNone() && (k.SignsUntil == nil || now.Before(k.SignsUntil.Add(after)))
}

// isPublished reports whether k verifies at now.
func (k *key) isPublished(now time.Time) bool {
	return k.PublishedUntil == nil || now.Before(*k.PublishedUntil)
}

// ring is one ring of a snapshot.
type ring struct {
	signing   *key // nil if the database has none open
	announced *key
	retired   []*key // youngest first
	byKID     map[string]*key
}

func (g *ring) add(k *key) {
	g.byKID[k.KID] = k
	switch {
	case k.SignsFrom == nil:
		g.announced = k
	case k.SignsUntil == nil:
		g.signing = k
	default:
		g.retired = append([]*key{k}, g.retired...)
	}
}

// inOrder lists the keys as they are published: the signing key first, for verifiers that
// take the first and no other.
func (g *ring) inOrder() []*key {
	keys := make([]*key, 0, len(g.byKID))
	for _, k := range []*key{g.signing, g.announced} {
		if k != nil {
			keys = append(keys, k)
		}
	}
	return append(keys, g.retired...)
}

// snapshot is what the database said at one moment. It never changes.
type snapshot struct {
	readAt time.Time // by Config.Now
	dbNow  time.Time // at about the same moment, by the database
	rings  map[oauth.Ring]*ring
	jwks   jwks
}

func newSnapshot(readAt time.Time, rows []db.SealedKey, load func(db.SealedKey) *key) (*snapshot, error) {
	s := &snapshot{readAt: readAt, dbNow: readAt, rings: make(map[oauth.Ring]*ring)}
	for _, name := range allRings {
		s.rings[name] = &ring{byKID: make(map[string]*key)}
	}
	for _, row := range rows {
		s.dbNow = row.ReadAt
		if g, ok := s.rings[row.Ring]; ok {
			g.add(load(row))
		}
	}
	var err error
	s.jwks, err = newJWKS(s.rings[oauth.AccessRing].inOrder())
	return s, err
}

// find returns nil for a key that the snapshot does not know.
func (s *snapshot) find(name oauth.Ring, kid string) *key {
	if s == nil || s.rings[name] == nil {
		return nil
	}
	return s.rings[name].byKID[kid]
}

// age is by the monotonic clock: setting the host's clock does not make a snapshot young.
func (s *snapshot) age(now time.Time) time.Duration { return now.Sub(s.readAt) }

// now is the database's clock, as far as it can be known without asking.
func (s *snapshot) now(now time.Time) time.Time { return s.dbNow.Add(s.age(now)) }

// signing returns the key that signs for a ring now.
func (s *snapshot) signing(name oauth.Ring, now time.Time, limit time.Duration) (*key, error) {
	if age := s.age(now); age > limit {
		return nil, notReady("the snapshot is %s old", age.Truncate(time.Second))
	}
	g := s.rings[name]
	switch {
	case g == nil:
		return nil, fmt.Errorf("no key ring is called %q", name)
	case g.signing == nil:
		return nil, notReady("ring %s has no signing key", name)
	case g.signing.private.isNone():
		return nil, notReady("signing key %s of ring %s is quarantined", g.signing.KID, name)
	}
	return g.signing, nil
}

func notReady(format string, args ...any) error {
	return fmt.Errorf("%w: %s: %w", ErrNotReady, fmt.Sprintf(format, args...), oauth.Unavailable)
}
