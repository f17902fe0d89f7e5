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
	seen  seenTokens
	close func()

	issuers     []*Verifier // of Any: one of them verifies
	metadataURL string      // "" without Config.Metadata
}

// New fetches the issuer's metadata (RFC 8414) and keys once, so that a wrong Issuer fails at start and not at the
// first request, and keeps the keys fresh until [Verifier.Close]. With Config.Keys it fetches nothing.
func New(ctx context.Context, cfg Config) (*Verifier, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	metadataURL, err := cfg.metadataURL()
	if err != nil {
		return nil, err
	}
	v := &Verifier{cfg: cfg.withDefaults(), keys: cfg.Keys, close: func() {}, metadataURL: metadataURL}
	if cfg.Keys != nil {
		return v, nil
	}
	keys, err := openRemoteKeys(ctx, v.cfg)
	if err != nil {
		return nil, fmt.Errorf("rs: %w", err)
	}
	v.keys, v.close = keys, keys.close
	return v, nil
}

// Close ends the refreshing of keys and waits for it. Afterwards tokens are verified with the keys in memory, for a
// day at most. It may be called more than once.
func (v *Verifier) Close() error {
	v.close()
	return nil
}

// verify takes the cheapest checks first, and looks at no claim before the signature holds. Of a token that was good
// before, form and signature are remembered; all that can change since is looked at each time. With ErrExpired, and no
// other refusal, comes the token.
func (v *Verifier) verify(ctx context.Context, raw string) (*verified, *Error) {
	d, refusal := v.recall(ctx, raw)
	seen := d != nil
	if !seen && refusal == nil {
		d, refusal = v.read(ctx, raw)
	}
	if refusal != nil {
		return nil, refusal
	}
	now := v.cfg.Now()
	refusal = v.judge(d, now)
	switch {
	case refusal != nil:
		v.seen.drop(d)
		if refusal.Err != ErrExpired {
			return nil, refusal
		}
	case !seen:
		v.seen.put(d, now)
	}
	return d, refusal
}

// recall finds a token that was good before, if its key still is: with a key an issuer withdraws all that it signed.
func (v *Verifier) recall(ctx context.Context, raw string) (*verified, *Error) {
	d := v.seen.get(raw, v.cfg.Now)
	if d == nil {
		return nil, nil
	}
	key, refusal := v.key(ctx, d.token.Kid)
	if refusal != nil || !sameKey(key, d.key) {
		v.seen.drop(d)
		return nil, refusal
	}
	return d, nil
}

// read checks form and signature.
func (v *Verifier) read(ctx context.Context, raw string) (*verified, *Error) {
	c, err := oauth.ParseCompact(raw)
	if err != nil {
		return nil, invalid(err)
	}
	if !oauth.TypIs(c.Typ, "at+jwt") { // RFC 9068 §4; ID and refresh tokens end here
		return nil, invalid(errors.New("typ is not at+jwt"))
	}
	key, refusal := v.key(ctx, c.Kid)
	if refusal != nil {
		return nil, refusal
	}
	if err := c.VerifyRS256(key); err != nil {
		return nil, invalid(errors.New("signature does not match"))
	}
	d, err := readClaims(c)
	if err != nil {
		return nil, invalid(err)
	}
	d.key = key
	d.measure()
	return d, nil
}

// key returns the key of a kid that may have been made up.
func (v *Verifier) key(ctx context.Context, kid string) (*rsa.PublicKey, *Error) {
	found, err := v.keys.PublicKey(ctx, kid)
	if err != nil {
		return nil, refuse(ErrUnavailable, err)
	}
	key, _ := found.(*rsa.PublicKey)
	if err := checkKey(key); err != nil {
		return nil, invalid(fmt.Errorf("key %q: %w", kid, err))
	}
	return key, nil
}

// sameKey is rsa.PublicKey.Equal without its copies: each refresh of a key set makes new keys of the old numbers.
func sameKey(a, b *rsa.PublicKey) bool { return a == b || a.E == b.E && a.N.Cmp(b.N) == 0 }
