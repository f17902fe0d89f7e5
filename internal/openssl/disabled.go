//go:build !openssl

package openssl

import (
	"crypto"
	"crypto/rsa"
	"errors"
)

// Enabled says whether this build has libcrypto.
const Enabled = false

// Version is that of the libcrypto in use, "" in a build without.
func Version() string { return "" }

func load(*rsa.PrivateKey) (crypto.Signer, error) {
	return nil, errors.New("this build has no libcrypto: it was made without -tags openssl")
}
