package keys

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/go-authd/authd/internal/oauth"
)

// private is a private half; the zero value is none. It prints as "[redacted]", and as an
// address where fmt does not ask it, inside other structs.
type private struct{ reveal func() *rsa.PrivateKey }

func newPrivate(key *rsa.PrivateKey) private {
	return private{func() *rsa.PrivateKey { return key }}
}

func (p private) isNone() bool { return p.reveal == nil }

func (private) String() string               { return redacted }
func (private) GoString() string             { return redacted }
func (private) Format(s fmt.State, _ rune)   { _, _ = io.WriteString(s, redacted) }
func (private) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }
func (private) LogValue() slog.Value         { return slog.StringValue(redacted) }

// place is what a private half is bound to when it is sealed: rows cannot be swapped.
func place(ring oauth.Ring, kid string) string { return string(ring) + " " + kid }

func (p private) seal(k KEK, ring oauth.Ring, kid string) (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(p.reveal())
	if err != nil {
		return "", errors.New("private key cannot be encoded") // x509's text is not ours to trust
	}
	return k.seal(der, place(ring, kid))
}

// openPrivate also checks that what comes out is what the row claims: its public half has
// the thumbprint kid.
func openPrivate(keks []KEK, sealed string, ring oauth.Ring, kid string) (private, error) {
	der, err := open(keks, sealed, place(ring, kid))
	if err != nil {
		return private{}, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	key, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok {
		return private{}, errors.New("sealed text is no RSA key")
	}
	if got, err := thumbprint(&key.PublicKey); err != nil || got != kid {
		return private{}, errors.New("sealed key has another thumbprint than its row")
	}
	key.Precompute()
	return newPrivate(key), nil
}
