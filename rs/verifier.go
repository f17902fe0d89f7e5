package rs

import (
	"context"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"

	"github.com/go-authd/authd/internal/oauth"
)

// KeySource finds the key that a token names. It is asked for kids that anybody may have made up, before any
// signature is checked, so it must bound what an unknown kid costs.
//
// A kid that it does not know is nil without an error, and the token is refused as invalid. An error means that it
// cannot tell now, and is answered with 503. Keys other than *rsa.PublicKey of 2048 to 8192 bits are not used.
type KeySource interface {
	PublicKey(ctx context.Context, kid string) (crypto.PublicKey, error)
}

// Verifier verifies the access tokens of one issuer for one audience. It is safe for concurrent use.
type Verifier struct {
	cfg   Config
	keys  KeySource
	close func()
}

// New fetches the issuer's metadata (RFC 8414) and keys once, so that a wrong Issuer fails at start and not at the
// first request, and keeps the keys fresh until [Verifier.Close]. With Config.Keys it fetches nothing.
func New(ctx context.Context, cfg Config) (*Verifier, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	if cfg.Keys != nil {
		return &Verifier{cfg: cfg, keys: cfg.Keys, close: func() {}}, nil
	}
	keys, err := openRemoteKeys(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("rs: %w", err)
	}
	return &Verifier{cfg: cfg, keys: keys, close: keys.close}, nil
}

// Close ends the refreshing of keys and waits for it. Afterwards tokens are verified with the keys in memory, for a
// day at most. It may be called more than once.
func (v *Verifier) Close() error {
	v.close()
	return nil
}

// Verify checks a token offline: its form, typ at+jwt, the signature (RS256 only), iss, aud, the times, the required
// claims of RFC 9068 §2.2, then Config.Revocation where there is one, then each requirement. Without Config.Revocation
// it cannot see that a token was revoked. It waits for the network only if the token names a key that is not in
// memory, or if Config.Revocation does.
//
// The error is always an [*Error].
func (v *Verifier) Verify(ctx context.Context, token string, reqs ...Requirement) (*Token, error) {
	t, refusal := v.verify(ctx, token)
	if refusal != nil {
		return nil, refusal
	}
	t.raw = &token
	if refusal := v.checkRevocation(ctx, t); refusal != nil {
		return nil, refusal
	}
	for _, req := range reqs {
		if req.unmet == nil {
			continue
		}
		if refusal := req.unmet(t); refusal != nil {
			return nil, refusal
		}
	}
	return t, nil
}

// verify takes the cheapest checks first, and looks at no claim before the signature holds.
func (v *Verifier) verify(ctx context.Context, token string) (*Token, *Error) {
	c, err := oauth.ParseCompact(token)
	if err != nil {
		return nil, invalid(err)
	}
	if !oauth.TypIs(c.Typ, "at+jwt") { // RFC 9068 §4; ID and refresh tokens end here
		return nil, invalid(errors.New("typ is not at+jwt"))
	}
	found, err := v.keys.PublicKey(ctx, c.Kid)
	if err != nil {
		return nil, refuse(ErrUnavailable, err)
	}
	key, _ := found.(*rsa.PublicKey)
	if err := checkKey(key); err != nil {
		return nil, invalid(fmt.Errorf("key %q: %w", c.Kid, err))
	}
	if err := c.VerifyRS256(key); err != nil {
		return nil, invalid(errors.New("signature does not match"))
	}
	return v.readToken(c)
}
