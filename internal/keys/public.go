package keys

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"encoding/base64"
	"errors"

	jose "github.com/go-jose/go-jose/v4"
)

const (
	alg     = string(jose.RS256)
	minBits = 2048
)

// thumbprint is the kid (RFC 7638 §3, SHA-256).
func thumbprint(pub *rsa.PublicKey) (string, error) {
	jwk := jose.JSONWebKey{Key: pub}
	sum, err := jwk.Thumbprint(crypto.SHA256)
	return base64.RawURLEncoding.EncodeToString(sum), err
}

// publicJWK has the members kty, n, e, kid, use and alg. It takes the public type only:
// go-jose would write the private members of a private one.
func publicJWK(pub *rsa.PublicKey, kid string) ([]byte, error) {
	return jose.JSONWebKey{Key: pub, KeyID: kid, Use: "sig", Algorithm: alg}.MarshalJSON()
}

// parsePublic reads a row's public half and checks that it is the one that kid names.
func parsePublic(text []byte, kid string) (*rsa.PublicKey, error) {
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(bytes.Clone(text)); err != nil {
		return nil, errors.New("public half is no JWK")
	}
	pub, ok := jwk.Key.(*rsa.PublicKey)
	if !ok || pub.N.BitLen() < minBits {
		return nil, errors.New("public half is no RSA public key of 2048 bits or more")
	}
	if jwk.KeyID != kid || jwk.Algorithm != alg {
		return nil, errors.New("public half is for another kid or algorithm than its row")
	}
	if got, err := thumbprint(pub); err != nil || got != kid {
		return nil, errors.New("public half has another thumbprint than its row")
	}
	return pub, nil
}
