package authd

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"

	"github.com/go-authd/authd/internal/keys"
)

// Secret is a key-encryption key. It shows itself in no log, error or JSON.
type Secret struct{ kek keys.KEK }

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
