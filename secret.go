package authd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"

	"github.com/go-authd/authd/internal/keys"
)

// Secret is a key-encryption key of 32 bytes. It shows itself in no log, error or JSON.
type Secret struct{ kek keys.KEK }

var _ KeyEncryptor = Secret{}

// ParseSecret reads base64 of 32 bytes, as [NewSecret] writes it. Its error does not
// repeat the text.
func ParseSecret(text string) (Secret, error) {
	kek, err := keys.ParseKEK(text)
	return Secret{kek}, err
}

// NewSecret makes a key-encryption key as text for a file or an environment variable:
// base64 of 32 bytes out of random.
func NewSecret(random io.Reader) (string, error) { return keys.NewKEK(random) }

// ID tells keys apart and nothing else of them: the first 8 hex digits of a hash.
func (s Secret) ID() string { return s.kek.ID() }

// Encrypt makes a JWE by A256KW and A256CBC-HS512, bound to aad.
func (s Secret) Encrypt(ctx context.Context, plaintext, aad []byte) ([]byte, error) {
	return s.kek.Encrypt(ctx, plaintext, aad)
}

// Decrypt opens what Encrypt made with the same aad, and fails for anything else.
func (s Secret) Decrypt(ctx context.Context, ciphertext, aad []byte) ([]byte, error) {
	return s.kek.Decrypt(ctx, ciphertext, aad)
}

const redacted = "[redacted]"

// String is [redacted].
func (Secret) String() string { return redacted }

// GoString is [redacted], for %#v.
func (Secret) GoString() string { return redacted }

// Format is [redacted], for all verbs.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalJSON is [redacted].
func (Secret) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// LogValue is [redacted].
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
