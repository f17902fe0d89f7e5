package authdtest

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/go-jose/go-jose/v4"
)

const keyBits = 2048

// pool holds the keys of this process: making one takes a tenth of a second.
var pool struct {
	mu   sync.Mutex
	keys []func() *rsa.PrivateKey
}

// Key returns the nth RSA key of this process, n from 0, made when it is first asked for and written nowhere. All
// issuers share them: the first key of each issuer is Key(0), and each rotation takes the next one.
func Key(n int) *rsa.PrivateKey {
	pool.mu.Lock()
	for len(pool.keys) <= n {
		pool.keys = append(pool.keys, sync.OnceValue(newKey))
	}
	key := pool.keys[n]
	pool.mu.Unlock()
	return key()
}

// Keys that no issuer publishes.
var (
	strangersKey = sync.OnceValue(newKey)
	refreshKey   = sync.OnceValue(newKey) // of the ring of refresh tokens
)

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		panic(err)
	}
	return key
}

// kidOf is the thumbprint of RFC 7638.
func kidOf(key *rsa.PrivateKey) string {
	sum, err := (&jose.JSONWebKey{Key: key.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		panic(err)
	}
	return base64url(sum)
}

// signingKey is a key of a ring.
type signingKey struct {
	kid     string
	private *rsa.PrivateKey
}

// ring is what an issuer publishes: the signing key, the announced one, and the retired ones, the youngest first.
type ring struct {
	signing   *signingKey
	announced *signingKey // nil for none
	retired   []*signingKey
	made      int
}

func (r *ring) next() *signingKey {
	key := Key(r.made)
	r.made++
	return &signingKey{kidOf(key), key}
}

func (r *ring) published() []*signingKey {
	all := []*signingKey{r.signing}
	if r.announced != nil {
		all = append(all, r.announced)
	}
	return append(all, r.retired...)
}

func (r *ring) find(kid string) *signingKey {
	for _, k := range r.published() {
		if k.kid == kid {
			return k
		}
	}
	return nil
}

func (r *ring) announce() string {
	if r.announced == nil {
		r.announced = r.next()
	}
	return r.announced.kid
}

func (r *ring) rotate() string {
	r.announce()
	r.retired = slices.Insert(r.retired, 0, r.signing)
	r.signing, r.announced = r.announced, nil
	return r.signing.kid
}

// withdraw has another key sign if it was the signing one.
func (r *ring) withdraw(kid string) {
	switch {
	case r.signing.kid == kid:
		r.rotate()
	case r.announced != nil && r.announced.kid == kid:
		r.announced = nil
	}
	r.retired = slices.DeleteFunc(r.retired, func(k *signingKey) bool { return k.kid == kid })
}

func (r *ring) jwks() []byte {
	var doc struct {
		Keys []jose.JSONWebKey `json:"keys"`
	}
	for _, k := range r.published() {
		doc.Keys = append(doc.Keys, jose.JSONWebKey{Key: k.private.Public(), KeyID: k.kid, Use: "sig", Algorithm: "RS256"})
	}
	body, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return body
}

// Kid names the key that signs.
func (i *Issuer) Kid() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.keys.signing.kid
}

// AnnounceKey publishes the key that signs after the next rotation, and returns its kid.
func (i *Issuer) AnnounceKey() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.keys.announce()
}

// RotateKey has the announced key sign, or one that no verifier has seen where none is announced, and returns its kid.
// The old one is retired: it stays published, and its tokens good.
func (i *Issuer) RotateKey() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.keys.rotate()
}

// ExpireKeys withdraws the retired keys from the JWKS.
func (i *Issuer) ExpireKeys() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys.retired = nil
}

// RevokeKey withdraws a key from the JWKS, whatever its state, and tells the feed. If it was the signing one, a new
// one signs.
func (i *Issuer) RevokeKey(kid string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.keys.find(kid) == nil {
		panic(fmt.Sprintf("authdtest: RevokeKey: %q is no published key", kid))
	}
	i.keys.withdraw(kid)
	i.tell(entry{KID: kid})
}

// PublicKey returns a published key, nil for a kid that is none. With it an Issuer is an rs.KeySource, for tests that
// want no HTTP.
func (i *Issuer) PublicKey(_ context.Context, kid string) (crypto.PublicKey, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if k := i.keys.find(kid); k != nil {
		return k.private.Public(), nil
	}
	return nil, nil
}
