package oauth

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// MaxTokenBytes bounds a compact token: 8 KiB, what servers commonly take as a whole header line.
const MaxTokenBytes = 8 << 10

const maxKidBytes = 256

// Compact is a JWS in compact serialization (RFC 7515 §7.1) whose outside is well formed.
// Nothing of it is verified: neither Signature nor anything that Payload says.
type Compact struct {
	Raw string // the token, in memory of its own: not cut from a longer header
	Alg string // RS256; of an assertion, one of those that were allowed
	Kid string // not empty, printable, at most 256 bytes; an assertion may have none: ""
	Typ string // as sent, "" if absent; see [TypIs]

	// SigningInput is what the signature covers: both first segments as sent and the dot between them (RFC 7515 §5.2).
	SigningInput []byte
	Payload      []byte // decoded, otherwise unread; see [Compact.Claims]
	Signature    []byte

	payload string // Payload once more: strings that are read from it need no copies
}

// VerifyRS256 checks the signature (RFC 7518 §3.3) with the key that kid named. It is not
// go-jose's check, which would parse the token once more and by laxer rules.
func (c Compact) VerifyRS256(key *rsa.PublicKey) error {
	digest := sha256.Sum256(c.SigningInput)
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], c.Signature)
}

// Claims reads Payload as [DecodeClaims] does.
func (c Compact) Claims() (map[string]any, error) { return decodeObject(c.payload) }

// ParseCompact checks everything about a token that can be checked without a key, the length before anything else.
// It takes RS256 only, so that whoever verifies has no algorithm left to choose (RFC 8725 §3.1), and refuses what JOSE
// libraries tolerate: line breaks and ignored bits in base64url, duplicate header members, an empty crit. The bytes of
// an accepted token are therefore the only spelling of that token. Errors hold nothing of raw.
func ParseCompact(raw string) (Compact, error) {
	c, err := parseCompact(raw)
	switch {
	case err != nil:
		return Compact{}, err
	case c.Alg != "RS256":
		return Compact{}, errors.New("header: alg is not RS256")
	case c.Kid == "":
		return Compact{}, errors.New("header: kid is missing or unusable")
	}
	return c, nil
}

// ParseAssertion is as strict with what a client has signed (RFC 7523 §3), by one of algs and perhaps by a key without
// a kid. Which of algs it may be is for the registered key to say.
func ParseAssertion(raw string, algs ...string) (Compact, error) {
	c, err := parseCompact(raw)
	if err != nil {
		return Compact{}, err
	}
	if !slices.Contains(algs, c.Alg) {
		return Compact{}, errors.New("header: alg is not allowed")
	}
	return c, nil
}

func parseCompact(raw string) (Compact, error) {
	if len(raw) > MaxTokenBytes {
		return Compact{}, errors.New("token is too long")
	}
	if strings.Count(raw, ".") != 2 {
		return Compact{}, errors.New("token does not have three parts")
	}
	firstDot, lastDot := strings.IndexByte(raw, '.'), strings.LastIndexByte(raw, '.')

	// One allocation holds the token as sent, and behind it its three parts decoded.
	buf := make([]byte, len(raw), len(raw)+strictBase64.DecodedLen(len(raw)))
	copy(buf, raw)
	parts := [3][]byte{buf[:firstDot], buf[firstDot+1 : lastDot], buf[lastDot+1:]}
	for i, name := range [3]string{"header", "payload", "signature"} {
		decoded, err := appendSegment(buf, parts[i])
		if err != nil {
			return Compact{}, fmt.Errorf("%s: %w", name, err)
		}
		parts[i], buf = decoded[len(buf):], decoded
	}
	c := Compact{SigningInput: buf[:lastDot:lastDot], Payload: slices.Clip(parts[1]), Signature: parts[2]}

	text := string(buf[:len(buf)-len(c.Signature)]) // the second one, for all that is kept as a string
	payload := len(raw) + len(parts[0])
	c.Raw, c.payload = text[:len(raw)], text[payload:]
	if err := c.readHeader(text[len(raw):payload]); err != nil {
		return Compact{}, fmt.Errorf("header: %w", err)
	}
	return c, nil
}

// strictBase64 refuses padding and set bits past the last byte, but skips CR and LF wherever they stand.
var strictBase64 = base64.RawURLEncoding.Strict()

func appendSegment(dst, segment []byte) ([]byte, error) {
	if len(segment) == 0 {
		return nil, errors.New("is empty")
	}
	if bytes.IndexByte(segment, '\r') >= 0 || bytes.IndexByte(segment, '\n') >= 0 {
		return nil, errors.New("has a line break")
	}
	dst, err := strictBase64.AppendDecode(dst, segment)
	if err != nil {
		return nil, errors.New("is not base64url")
	}
	return dst, nil
}

// refusedMembers carry keys, extensions or encryption: a signed token of ours has none, and following one
// would let the token choose how it is verified (RFC 8725 §3.10, RFC 7515 §4.1.11, RFC 7797 §7).
var refusedMembers = [...]string{"crit", "jwk", "jku", "x5u", "x5c", "b64", "zip", "enc"}

// maxHeaderMembers bounds the search for duplicates. JOSE has a dozen names for a header.
const maxHeaderMembers = 16

func (c *Compact) readHeader(in string) error {
	r := jsonReader{in: in}
	names := make([]string, 0, maxHeaderMembers)
	return r.document(func(name string) error {
		switch {
		case slices.Contains(names, name):
			return errDuplicate
		case len(names) == maxHeaderMembers:
			return errors.New("too many members")
		case slices.Contains(refusedMembers[:], name):
			return fmt.Errorf("%s is not allowed", name)
		}
		names = append(names, name)
		var err error
		switch name {
		case "alg":
			c.Alg, err = r.text()
		case "kid":
			if c.Kid, err = r.text(); err == nil && !isKid(c.Kid) {
				err = errors.New("kid is unusable")
			}
		case "typ":
			c.Typ, err = r.text()
		default:
			_, err = r.value(2)
		}
		return err
	})
}

// isKid keeps line breaks, escapes and direction marks out of logs, and NUL out of SQL.
func isKid(s string) bool {
	for _, c := range s {
		if c < ' ' || c >= 0x7f && !unicode.IsPrint(c) {
			return false
		}
	}
	return s != "" && len(s) <= maxKidBytes
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
