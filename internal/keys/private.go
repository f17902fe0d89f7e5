package keys

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/go-authd/authd/internal/oauth"
)

// private is what signs for a key; the zero value is none. It prints as "[redacted]", and
// as an address where fmt does not ask it, inside other structs.
type private struct {
	reveal func() crypto.Signer
}

func newPrivate(s crypto.Signer) private {
	return private{reveal: func() crypto.Signer { return s }}
}

func (p private) isNone() bool { return p.reveal == nil }

func (private) String() string               { return redacted }
func (private) GoString() string             { return redacted }
func (private) Format(s fmt.State, _ rune)   { _, _ = io.WriteString(s, redacted) }
func (private) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }
func (private) LogValue() slog.Value         { return slog.StringValue(redacted) }

func generate(bits int) (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, bits) }

// place is what a private half is bound to when it is sealed: rows cannot be swapped.
func place(ring oauth.Ring, kid string) string { return string(ring) + " " + kid }

func seal(ctx context.Context, k KEK, key *rsa.PrivateKey, ring oauth.Ring, kid string) (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", errors.New("private key cannot be encoded") // x509's text is not ours to trust
	}
	return k.seal(ctx, der, place(ring, kid))
}

// openSealed also checks that what comes out is what the row claims: its public half has
// the thumbprint kid.
func openSealed(ctx context.Context, keks []KEK, sealed string, ring oauth.Ring, kid string) (*rsa.PrivateKey, error) {
	der, err := open(ctx, keks, sealed, place(ring, kid))
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	key, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, errors.New("sealed text is no RSA key")
	}
	if got, err := thumbprint(&key.PublicKey); err != nil || got != kid {
		return nil, errors.New("sealed key has another thumbprint than its row")
	}
	key.Precompute()
	return key, nil
}
