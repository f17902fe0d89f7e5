package oauth

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// MaxTokenBytes bounds a compact token: 8 KiB, what servers commonly take as a whole header line.
const MaxTokenBytes = 8 << 10

const maxKidBytes = 256

// Compact is a JWS in compact serialization (RFC 7515 §7.1) whose outside is well formed.
// Nothing of it is verified: neither Signature nor anything that Payload says.
type Compact struct {
	Kid string // not empty, printable, at most 256 bytes
	Typ string // as sent, "" if absent; see [TypIs]

	// Header holds all members, numbers as [json.Number].
	Header map[string]any
	// SigningInput is what the signature covers: both first segments as sent and the dot between them (RFC 7515 §5.2).
	SigningInput string
	Payload      []byte // decoded, otherwise unread; see [DecodeClaims]
	Signature    []byte
}

// VerifyRS256 checks the signature (RFC 7518 §3.3) with the key that kid named. It is not
// go-jose's check, which would parse the token once more and by laxer rules.
func (c Compact) VerifyRS256(key *rsa.PublicKey) error {
	digest := sha256.Sum256([]byte(c.SigningInput))
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], c.Signature)
}

// ParseCompact checks everything about a token that can be checked without a key, the length before anything else.
// It takes RS256 only, so that whoever verifies has no algorithm left to choose (RFC 8725 §3.1), and refuses what JOSE
// libraries tolerate: line breaks and ignored bits in base64url, duplicate header members, an empty crit. The bytes of
// an accepted token are therefore the only spelling of that token. Errors hold nothing of raw.
func ParseCompact(raw string) (Compact, error) {
	if len(raw) > MaxTokenBytes {
		return Compact{}, errors.New("token is too long")
	}
	if strings.Count(raw, ".") != 2 {
		return Compact{}, errors.New("token does not have three parts")
	}
	lastDot := strings.LastIndexByte(raw, '.')
	header, payload, _ := strings.Cut(raw[:lastDot], ".")
	c := Compact{SigningInput: raw[:lastDot]}

	var err error
	if c.Signature, err = decodeSegment(raw[lastDot+1:]); err != nil {
		return Compact{}, fmt.Errorf("signature: %w", err)
	}
	if c.Payload, err = decodeSegment(payload); err != nil {
		return Compact{}, fmt.Errorf("payload: %w", err)
	}
	if err := c.parseHeader(header); err != nil {
		return Compact{}, fmt.Errorf("header: %w", err)
	}
	return c, nil
}

// strictBase64 refuses padding and set bits past the last byte, but skips CR and LF wherever they stand.
var strictBase64 = base64.RawURLEncoding.Strict()

func decodeSegment(s string) ([]byte, error) {
	if s == "" {
		return nil, errors.New("is empty")
	}
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("has a line break")
	}
	b, err := strictBase64.DecodeString(s)
	if err != nil {
		return nil, errors.New("is not base64url")
	}
	return b, nil
}

// refusedMembers carry keys, extensions or encryption: a signed token of ours has none, and following one
// would let the token choose how it is verified (RFC 8725 §3.10, RFC 7515 §4.1.11, RFC 7797 §7).
var refusedMembers = [...]string{"crit", "jwk", "jku", "x5u", "x5c", "b64", "zip", "enc"}

func (c *Compact) parseHeader(segment string) error {
	b, err := decodeSegment(segment)
	if err != nil {
		return err
	}
	if c.Header, err = DecodeClaims(b); err != nil {
		return err
	}
	for _, name := range refusedMembers {
		if _, ok := c.Header[name]; ok {
			return fmt.Errorf("%s is not allowed", name)
		}
	}
	if alg, _ := c.Header["alg"].(string); alg != "RS256" {
		return errors.New("alg is not RS256")
	}
	if c.Kid, _ = c.Header["kid"].(string); !isKid(c.Kid) {
		return errors.New("kid is missing or unusable")
	}
	typ, present := c.Header["typ"]
	if c.Typ, _ = typ.(string); present && c.Typ == "" {
		return errors.New("typ is not a media type")
	}
	return nil
}

// isKid keeps line breaks, escapes and direction marks out of logs, and NUL out of SQL.
func isKid(s string) bool {
	return s != "" && len(s) <= maxKidBytes && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// TypIs reports whether a typ header names the media type application/want. The comparison ignores case, and the
// prefix may be left out (RFC 7515 §4.1.9); no other prefix, parameter or space is.
func TypIs(typ, want string) bool {
	const prefix = "application/"
	if len(typ) == len(prefix)+len(want) && strings.EqualFold(typ[:len(prefix)], prefix) {
		typ = typ[len(prefix):]
	}
	return strings.EqualFold(typ, want)
}
