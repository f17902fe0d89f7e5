package oauth

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

// NewJTI makes a token identifier of 128 random bits.
func NewJTI(random io.Reader) (string, error) {
	b, err := randomBytes(random, 16)
	return base64.RawURLEncoding.EncodeToString(b), err
}

// NewFamilyID makes a version 4 UUID (RFC 9562 §5.4).
func NewFamilyID(random io.Reader) (string, error) {
	b, err := randomBytes(random, 16)
	if err != nil {
		return "", err
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b)
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-"), nil
}

// NewSubject makes the subject of a built-in user: "usr_" and 26 base32 characters.
func NewSubject(random io.Reader) (string, error) {
	b, err := randomBytes(random, 16)
	return UserPrefix + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b)), err
}

// SecretPrefix makes a client secret recognisable to scanners of source code and logs.
const SecretPrefix = "authd_cs_"

// NewClientSecret makes a secret of 256 random bits.
func NewClientSecret(random io.Reader) (string, error) {
	b, err := randomBytes(random, 32)
	return SecretPrefix + base64.RawURLEncoding.EncodeToString(b), err
}

// Secret is a random value that is handed out, and of which only the hash is kept: of a
// session's cookie, of a parked request, of an authorization code.
type Secret struct {
	Text   string // 256 bits in base64url: 43 characters
	SHA256 []byte
}

// NewSecret makes one.
func NewSecret(random io.Reader) (Secret, error) {
	b, err := randomBytes(random, 32)
	if err != nil {
		return Secret{}, err
	}
	return SecretOf(base64.RawURLEncoding.EncodeToString(b)), nil
}

// IsSecret reports whether text has the form of one. What has not is nobody's.
func IsSecret(text string) bool { return IsCodeChallenge(text) }

// SecretOf is the secret that somebody presents. The text is hashed, not what it encodes:
// there is one way to write it.
func SecretOf(text string) Secret {
	sum := sha256.Sum256([]byte(text))
	return Secret{text, sum[:]}
}

func randomBytes(random io.Reader, n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(random, b); err != nil {
		return nil, fmt.Errorf("read randomness: %w", err)
	}
	return b, nil
}
