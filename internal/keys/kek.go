package keys

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	jose "github.com/go-jose/go-jose/v4"
)

const redacted = "[redacted]"

const kekBytes = 32

// KEK is a key-encryption key: 32 bytes, or one that never leaves a KMS (see [RemoteKEK]).
// It prints as "[redacted]".
type KEK struct {
	id string
	// secret is a func because fmt does not ask unexported fields for their String and
	// follows pointers to arrays when the verb does not fit ("%s").
	secret func() []byte
	remote func() *envelope // nil for 32 bytes; a func as secret is
}

// ParseKEK reads base64 of 32 bytes, standard or URL alphabet, with or without padding,
// with white space around it. Errors do not repeat the text.
func ParseKEK(text string) (KEK, error) {
	text = strings.TrimRight(strings.TrimSpace(text), "=")
	text = strings.NewReplacer("-", "+", "_", "/").Replace(text)
	b, err := base64.RawStdEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return KEK{}, errors.New("key-encryption key is not base64")
	}
	if len(b) != kekBytes {
		return KEK{}, fmt.Errorf("key-encryption key has %d bytes, must have %d", len(b), kekBytes)
	}
	sum := sha256.Sum256(append([]byte("authd kek id"), b...))
	return KEK{id: hex.EncodeToString(sum[:4]), secret: func() []byte { return b }}, nil
}

// NewKEK makes a key in the form that [ParseKEK] reads.
func NewKEK(random io.Reader) (string, error) {
	var b [kekBytes]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("read randomness: %w", err)
	}
	return base64.StdEncoding.EncodeToString(b[:]), nil
}

// ID is the first 8 hex digits of SHA-256("authd kek id" ‖ key), or what the KMS calls its
// key. It is no secret.
func (k KEK) ID() string { return k.id }

var errZeroKEK = errors.New("key-encryption key is empty")

// Encrypt is what seals are made with, for text of any kind.
func (k KEK) Encrypt(ctx context.Context, plaintext, aad []byte) ([]byte, error) {
	if k.secret == nil && k.remote == nil {
		return nil, errZeroKEK
	}
	sealed, err := k.seal(ctx, plaintext, string(aad))
	return []byte(sealed), err
}

// Decrypt opens what Encrypt made with the same aad.
func (k KEK) Decrypt(ctx context.Context, ciphertext, aad []byte) ([]byte, error) {
	if k.secret == nil && k.remote == nil {
		return nil, errZeroKEK
	}
	return open(ctx, []KEK{k}, string(ciphertext), string(aad))
}

// String returns "[redacted]", and so in their ways do the four methods below.
func (KEK) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (KEK) GoString() string { return redacted }

// Format implements fmt.Formatter, for every verb.
func (KEK) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// MarshalJSON implements json.Marshaler.
func (KEK) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// LogValue implements slog.LogValuer.
func (KEK) LogValue() slog.Value { return slog.StringValue(redacted) }

// The only algorithms with which anything is sealed or opened. AES-GCM would be the
// obvious choice; go-jose's does not run under GODEBUG=fips140=only.
const (
	sealAlg = jose.A256KW
	sealEnc = jose.A256CBC_HS512
)

// seal encrypts plaintext under k, bound to where it belongs.
func (k KEK) seal(ctx context.Context, plaintext []byte, aad string) (string, error) {
	if k.remote != nil {
		return k.remote().seal(ctx, plaintext, aad)
	}
	return sealUnder(k.secret(), k.id, nil, plaintext, aad)
}

// sealUnder makes the JWE JSON serialization (RFC 7516 §7.2.2): the compact one has no
// place for aad, and go-jose would drop it silently. extra is added to the protected header.
func sealUnder(key []byte, id string, extra *jose.EncrypterOptions, plaintext []byte, aad string) (string, error) {
	enc, err := jose.NewEncrypter(sealEnc, jose.Recipient{Algorithm: sealAlg, Key: key, KeyID: id}, extra)
	if err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	obj, err := enc.EncryptWithAuthData(plaintext, []byte(aad))
	if err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	return obj.FullSerialize(), nil
}

// missingKEK: something is sealed under a key-encryption key that is not given.
type missingKEK struct{ id string }

func (e *missingKEK) Error() string {
	return fmt.Sprintf("sealed under key-encryption key %q, which is not given", e.id)
}

var errSealed = errors.New("sealed text is damaged or belongs elsewhere")

// open decrypts what seal made of aad, under whichever of keks it names.
func open(ctx context.Context, keks []KEK, sealed, aad string) ([]byte, error) {
	h, err := readSeal(sealed)
	if err != nil {
		return nil, err
	}
	for _, k := range keks {
		if k.id == h.KID {
			return k.open(ctx, h, sealed, aad)
		}
	}
	return nil, &missingKEK{h.KID}
}

// open wants a seal made as k makes them: with an encrypted data key or without one.
func (k KEK) open(ctx context.Context, h sealHeader, sealed, aad string) ([]byte, error) {
	if (k.remote != nil) != (h.DataKey != nil) {
		return nil, errSealed
	}
	if k.remote != nil {
		return k.remote().open(ctx, h.DataKey, sealed, aad)
	}
	return openUnder(k.secret(), sealed, aad)
}

func openUnder(key []byte, sealed, aad string) ([]byte, error) {
	obj, err := parseSeal(sealed, aad)
	if err != nil {
		return nil, err
	}
	plaintext, err := obj.Decrypt(key)
	if err != nil {
		return nil, errSealed
	}
	return plaintext, nil
}

// parseSeal also checks that the seal is for aad, as far as it says so itself.
func parseSeal(sealed, aad string) (*jose.JSONWebEncryption, error) {
	obj, err := jose.ParseEncryptedJSON(sealed, []jose.KeyAlgorithm{sealAlg}, []jose.ContentEncryption{sealEnc})
	if err != nil {
		return nil, errSealed // go-jose's text may quote the input
	}
	if string(obj.GetAuthData()) != aad {
		return nil, errSealed
	}
	return obj, nil
}

// sealHeader is the protected header of a seal.
type sealHeader struct {
	Alg jose.KeyAlgorithm      `json:"alg"`
	Enc jose.ContentEncryption `json:"enc"`
	KID string                 `json:"kid"` // the id of the key-encryption key
	// DataKey is the key of the JWE, encrypted by the KMS, where one is the keeper of KID.
	DataKey []byte `json:"encrypted_data_key"`
}

// readSeal reads the protected header. It takes nothing but the flattened form and the
// header members that seal writes: no zip, no unprotected header, no second recipient.
func readSeal(sealed string) (h sealHeader, err error) {
	var flat struct {
		Protected    string `json:"protected"`
		EncryptedKey string `json:"encrypted_key"`
		AAD          string `json:"aad"`
		IV           string `json:"iv"`
		Ciphertext   string `json:"ciphertext"`
		Tag          string `json:"tag"`
	}
	if err := decodeStrict([]byte(sealed), &flat); err != nil {
		return h, errSealed
	}
	protected, err := base64.RawURLEncoding.Strict().DecodeString(flat.Protected)
	if err != nil {
		return h, errSealed
	}
	if err := decodeStrict(protected, &h); err != nil {
		return h, errSealed
	}
	if h.Alg != sealAlg || h.Enc != sealEnc || h.KID == "" {
		return h, errSealed
	}
	return h, nil
}

func decodeStrict(b []byte, v any) error {
	dec := json.NewDecoder(strings.NewReader(string(b)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("more than one value")
	}
	return nil
}
