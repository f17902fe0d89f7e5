package rs

import (
	"context"
	"crypto"
	"crypto/rsa"
)

// staticKeys never change.
type staticKeys map[string]*rsa.PublicKey

// StaticKeys reads a JWK set (RFC 7517 §5) for Config.Keys, where the issuer cannot be reached: tests, tools, closed
// networks. It follows no rotation. Keys that cannot verify RS256 are left out, and a set without any other is an
// error.
func StaticKeys(jwks []byte) (KeySource, error) {
	keys, _, err := parseJWKS(jwks)
	return staticKeys(keys), err
}

// PublicKey implements [KeySource].
func (s staticKeys) PublicKey(_ context.Context, kid string) (crypto.PublicKey, error) {
	if key, ok := s[kid]; ok {
		return key, nil
	}
	return nil, nil // not a nil *rsa.PublicKey
}
