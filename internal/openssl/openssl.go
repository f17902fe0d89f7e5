// Package openssl signs with the RSA of OpenSSL 3, which takes a quarter to two fifths of the
// time of crypto/rsa. It is there in builds with the tag openssl, which need cgo; in others
// [NewSigner] always fails. It keeps to RS256 (RFC 7518 §3.3), whose signatures are the same
// bytes whoever makes them.
package openssl

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
)

// NewSigner copies key into libcrypto's memory, where it stays until the signer is collected
// as garbage. The signer has signed once when it is returned, and crypto/rsa has verified that.
//
// Sign makes PKCS #1 v1.5 signatures of SHA-256 digests (RFC 8017 §8.2): its options must be
// [crypto.SHA256], and its source of randomness is not read. It may be called by many at a
// time, and allows as many signatures at once as there are callers.
func NewSigner(key *rsa.PrivateKey) (crypto.Signer, error) { return newSigner(key, load) }

func newSigner(key *rsa.PrivateKey, load func(*rsa.PrivateKey) (crypto.Signer, error)) (crypto.Signer, error) {
	s, err := load(key)
	if err != nil {
		return nil, err
	}
	if err := selfTest(s, &key.PublicKey); err != nil {
		return nil, fmt.Errorf("self-test: %w", err)
	}
	return s, nil
}

// selfTest lets s sign and crypto/rsa verify.
func selfTest(s crypto.Signer, pub *rsa.PublicKey) error {
	digest := sha256.Sum256([]byte("self-test"))
	signature, err := s.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return err
	}
	if rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest[:], signature) != nil {
		return errors.New("crypto/rsa does not verify what libcrypto signed")
	}
	return nil
}
