package rs

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/go-authd/authd/internal/oauth"
)

// JOSEHeader is the header of a token (RFC 7515 §4.1).
type JOSEHeader struct {
	Alg string // of a verified token RS256
	Kid string
	Typ string // as sent; of a verified token at+jwt in some spelling
}

// PeekHeader reads the header of a compact JWS or JWE and verifies nothing: anybody can have written it. It is for
// diagnosis and for choosing among verifiers, never a reason to trust the token. Members that are absent are "".
func PeekHeader(token string) (JOSEHeader, error) {
	if len(token) > oauth.MaxTokenBytes {
		return JOSEHeader{}, invalid(errors.New("token is too long"))
	}
	segment, _, ok := strings.Cut(token, ".")
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(segment)
	if !ok || err != nil {
		return JOSEHeader{}, invalid(errors.New("header is not base64url"))
	}
	members, err := oauth.DecodeClaims(decoded)
	if err != nil {
		return JOSEHeader{}, invalid(fmt.Errorf("header: %w", err))
	}
	var h JOSEHeader
	for name, to := range map[string]*string{"alg": &h.Alg, "kid": &h.Kid, "typ": &h.Typ} {
		if member, present := members[name]; present {
			if *to, ok = member.(string); !ok {
				return JOSEHeader{}, invalid(fmt.Errorf("header: %s is no string", name))
			}
		}
	}
	return h, nil
}
