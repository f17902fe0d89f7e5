package keys

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"
)

// Document is the JWK set of the access ring (RFC 7517 §5) as it is sent.
type Document struct {
	Body []byte // shared: not to be changed
	ETag string // strong, with its quotation marks (RFC 9110 §8.8.3)
	// MaxAge is for how long it may be cached from now, in whole seconds.
	MaxAge time.Duration
}

// jwks is serialised once per snapshot.
type jwks struct {
	body  []byte // nil without a single key
	etag  string
	until []time.Time // each published_until
}

func newJWKS(keys []*key) (jwks, error) {
	var doc struct {
		Keys []json.RawMessage `json:"keys"`
	}
	var j jwks
	for _, k := range keys {
		if k.public == nil {
			continue
		}
		jwk, err := publicJWK(k.public, k.KID)
		if err != nil {
			return jwks{}, err
		}
		doc.Keys = append(doc.Keys, jwk)
		if k.PublishedUntil != nil {
			j.until = append(j.until, *k.PublishedUntil)
		}
	}
	if len(doc.Keys) == 0 {
		return jwks{}, nil
	}
	body, err := json.Marshal(doc)
	sum := sha256.Sum256(body)
	j.body, j.etag = body, `"`+base64.RawURLEncoding.EncodeToString(sum[:16])+`"`
	return j, err
}

// JWKS returns the public keys of the access ring: the signing key, the announced one, the
// retired ones from young to old. It is served from memory however old the snapshot is, but
// one that is too old to sign with nobody may keep. It is never empty: without a key, which
// is not possible after [New] except by damage to all rows, it returns [ErrNotReady].
func (r *Rings) JWKS() (Document, error) {
	s := r.snapshot.Load()
	if s.jwks.body == nil {
		return Document{}, notReady("no key can be published")
	}
	maxAge, age := r.cfg.MaxAge, s.age(r.cfg.Now())
	if age > r.cfg.SnapshotCap {
		maxAge = 0 // a key that is not in it may sign by now, or soon
	}
	now := s.dbNow.Add(age)
	for _, until := range s.jwks.until {
		maxAge = min(maxAge, until.Sub(now))
	}
	return Document{Body: s.jwks.body, ETag: s.jwks.etag, MaxAge: max(maxAge, 0).Truncate(time.Second)}, nil
}
