package keys

import (
	"bytes"
	"context"
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
	signerKey *string
	safeLead  time.Duration
	public    *rsa.PublicKey
	private   private
	signers   *sync.Map // typ to jose.Signer, made once
	fault     error
	inherited bool // parsed for an earlier snapshot
}

// newKey takes parsed halves over from old, if that is the same key. A fault of a host's
// KMS or HSM is not taken over: the next reading tries again.
func (r *Rings) newKey(ctx context.Context, row db.SealedKey, old *key) *key {
	k := &key{Key: row.Key, sealed: row.PrivateJWE, signerKey: row.SignerKey, safeLead: row.SafeLead}
	if old.isOf(k) && !isHookError(old.fault) {
		k.public, k.private, k.signers, k.fault, k.inherited = old.public, old.private, old.signers, old.fault, true
		return k
	}
	k.signers = new(sync.Map)
	k.public, k.fault = parsePublic(k.PublicJWK, k.KID)
	if k.fault == nil && k.Alg != alg {
		k.fault = errors.New("algorithm is not RS256")
	}
	if k.fault == nil {
		k.private, k.fault = r.openPrivate(ctx, k)
	}
	if k.fault != nil && old.opened(k) && isElsewhere(k.fault) {
		r.cfg.Logger.WarnContext(ctx, "signing key was sealed anew and cannot be opened, goes on as it was", "ring", k.Ring, "kid", k.KID, "err", k.fault)
		k.private, k.signers = old.private, old.signers
		k.fault, k.inherited = nil, true
	}
	return k
}

// isOf reports whether nothing of the row has changed that was parsed.
func (k *key) isOf(row *key) bool {
	return k != nil && k.Alg == row.Alg && bytes.Equal(k.PublicJWK, row.PublicJWK) &&
		equal(k.sealed, row.sealed) && equal(k.signerKey, row.signerKey)
}

// opened reports whether k is the same key, opened before its seal was replaced.
func (k *key) opened(row *key) bool {
	return k != nil && !k.private.isNone() && k.Alg == row.Alg && bytes.Equal(k.PublicJWK, row.PublicJWK) && row.sealed != nil
}

// isElsewhere: the seal is whole as far as can be told, but cannot be opened here and now.
// Somebody rewraps the keys under a key-encryption key that this replica has not got.
func isElsewhere(err error) bool {
	_, missing := errors.AsType[*missingKEK](err)
	return missing || isHookError(err)
}

// hasFault reports whether k is quarantined for the same reason.
func (k *key) hasFault(err error) bool {
	return k != nil && k.fault != nil && k.fault.Error() == err.Error()
}

// openPrivate returns none for a key whose private half is gone.
func (r *Rings) openPrivate(ctx context.Context, k *key) (private, error) {
	switch {
	case k.signerKey != nil:
		return r.openRemoteKey(ctx, *k.signerKey, k.public)
	case k.sealed == nil:
		return private{}, nil
	}
	opened, err := openSealed(ctx, r.cfg.KEKs, *k.sealed, k.Ring, k.KID)
	if err != nil {
		return private{}, err
	}
	return newPrivate(r.localSigner(ctx, opened)), nil
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
	// skew is how far this host's clock is ahead of the database's, negative for behind; less
	// what the question and the answer may have taken on their way.
	skew  time.Duration
	rings map[oauth.Ring]*ring
	jwks  jwks
}

func newSnapshot(readAt, answeredAt time.Time, rows []db.SealedKey, load func(db.SealedKey) *key) (*snapshot, error) {
	s := &snapshot{readAt: readAt, dbNow: readAt, rings: make(map[oauth.Ring]*ring)}
	if len(rows) > 0 {
		s.dbNow = rows[0].ReadAt
		s.skew = skew(readAt, answeredAt, s.dbNow)
	}
	for _, name := range allRings {
		s.rings[name] = &ring{byKID: make(map[string]*key)}
	}
	for _, k := range loadAll(rows, load) {
		if g, ok := s.rings[k.Ring]; ok {
			g.add(k)
		}
	}
	var err error
	s.jwks, err = newJWKS(s.rings[oauth.AccessRing].inOrder())
	return s, err
}

// loadAll does so at once: one key whose KMS hangs must not use up the time of the others.
func loadAll(rows []db.SealedKey, load func(db.SealedKey) *key) []*key {
	keys := make([]*key, len(rows))
	var all sync.WaitGroup
	for i, row := range rows {
		all.Go(func() { keys[i] = load(row) })
	}
	all.Wait()
	return keys
}

// skew compares walls clocks, not monotonic ones.
func skew(asked, answered, database time.Time) time.Duration {
	asked, answered = asked.Round(0), answered.Round(0)
	switch {
	case asked.After(database):
		return asked.Sub(database)
	case answered.Before(database):
		return answered.Sub(database)
	}
	return 0
}

// find returns nil for a key that the snapshot does not know.
func (s *snapshot) find(name oauth.Ring, kid string) *key {
	if s == nil || s.rings[name] == nil {
		return nil
	}
	return s.rings[name].byKID[kid]
}

// age is the larger of what two clocks say. Setting the host's clock back does not make a
// snapshot young: the monotonic one does not move. That one stands still while a host
// sleeps, which the other sees.
func (s *snapshot) age(now time.Time) time.Duration {
	return max(now.Sub(s.readAt), now.Round(0).Sub(s.readAt.Round(0)))
}

// now is the database's clock, as far as it can be known without asking.
func (s *snapshot) now(now time.Time) time.Time { return s.dbNow.Add(now.Sub(s.readAt)) }

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
